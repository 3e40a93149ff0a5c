#include "server/verifier.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/needs.h"
#include "server/profile.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* How many of each are kept. A set is some 100 KB, a chain 20 KB. */
#define PCKS_MAX     4096
#define SETS_MAX     256
#define ATTACHED_MAX 64
#define SNP_SETS_MAX 4096
#define SNP_GIVEN    256
#define SEEN_MAX     65536

/* --- counting functions of what is kept -------------------------------- */

static void *
pck_keep(void *p)
{
	return intel_pck_ref(p);
}

static void
pck_drop(void *p)
{
	intel_pck_unref(p);
}

/* A joined set and the records whose addresses are its key. */
struct joined {
	_Atomic unsigned refs;
	struct coll *coll[NEED_N];
	struct intel_set *set;   /* of the first, */
	struct snp_set *snp_set; /* of the others */
};

static void *
joined_keep(void *p)
{
	struct joined *j = p;

	atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
	return j;
}

static void
joined_drop(void *p)
{
	struct joined *j = p;
	int i;

	if (atomic_fetch_sub(&j->refs, 1) != 1)
		return;
	for (i = 0; i < NEED_N; i++)
		coll_unref(j->coll[i]);
	intel_set_unref(j->set);
	snp_set_unref(j->snp_set);
	free(j);
}

static void *
set_keep(void *p)
{
	return intel_set_ref(p);
}

static void
set_drop(void *p)
{
	intel_set_unref(p);
}

static void *
snp_keep(void *p)
{
	return snp_set_ref(p);
}

static void
snp_drop(void *p)
{
	snp_set_unref(p);
}

/* Where the key is all there is. */
static void *
mark_keep(void *p)
{
	return p;
}

static void
mark_drop(void *p)
{
	(void)p;
}

static const struct kept_ops mark_ops = { mark_keep, mark_drop };
static const struct kept_ops pck_ops = { pck_keep, pck_drop };
static const struct kept_ops joined_ops = { joined_keep, joined_drop };
static const struct kept_ops set_ops = { set_keep, set_drop };
static const struct kept_ops snp_ops = { snp_keep, snp_drop };

/* --- life -------------------------------------------------------------- */

static enum err
anchors_of_config(struct verifier *v, struct why *why)
{
	const struct config *c = v->config;
	const struct config_list *amd[AMD_PRODUCT_N] = {
		[AMD_MILAN] = &c->trust.amd_milan,
		[AMD_GENOA] = &c->trust.amd_genoa,
		[AMD_TURIN] = &c->trust.amd_turin,
	};
	struct anchors *a;
	enum amd_product p;
	enum err e;

	e = anchors_read(c->trust.intel_root_spki_sha256.n,
	    c->trust.intel_root_spki_sha256.v, &v->intel, why);
	for (p = 0; p < AMD_PRODUCT_N && e == ERR_OK; p++) {
		if (amd[p]->n == 0)
			continue;
		e = anchors_read(amd[p]->n, amd[p]->v, &a, why);
		if (e == ERR_OK)
			v->amd.by[p] = a;
	}
	return e;
}

enum err
verifier_new(struct config *config, struct verifier **out, struct why *why)
{
	struct verifier *v = xcalloc(1, sizeof(*v));
	enum err e;

	atomic_init(&v->refs, 1);
	v->config = config_ref(config);
	v->pcks = kept_new(PCKS_MAX, &pck_ops);
	v->sets = kept_new(SETS_MAX, &joined_ops);
	v->attached = kept_new(ATTACHED_MAX, &set_ops);
	v->snp_sets = kept_new(SNP_SETS_MAX, &joined_ops);
	v->snp_attached = kept_new(SNP_GIVEN, &snp_ops);
	v->seen = kept_new(SEEN_MAX, &mark_ops);
	e = anchors_of_config(v, why);
	v->issuers = issuers_new(v->intel);
	if (e == ERR_OK)
		e = profiles_read(config, &v->profiles, &v->n_profiles, why);
	if (e == ERR_OK) {
		*out = v;
		v = NULL;
	}
	verifier_unref(v);
	return e;
}

struct verifier *
verifier_ref(struct verifier *v)
{
	if (v != NULL)
		atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

void
verifier_unref(struct verifier *v)
{
	int p;

	if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	kept_free(v->pcks);
	issuers_free(v->issuers);
	kept_free(v->sets);
	kept_free(v->attached);
	kept_free(v->snp_sets);
	kept_free(v->snp_attached);
	kept_free(v->seen);
	profiles_free(v->profiles, v->n_profiles);
	anchors_free(v->intel);
	for (p = 0; p < AMD_PRODUCT_N; p++)
		anchors_free((struct anchors *)(uintptr_t)v->amd.by[p]);
	config_unref(v->config);
	free(v);
}

enum err
verifier_profile(const struct verifier *v, const char *name,
    const struct profile **out, struct why *why)
{
	size_t i;

	if (name == NULL || *name == '\0')
		name = v->config->verify.profile;
	*out = NULL;
	if (name == NULL)
		return ERR_OK;
	for (i = 0; i < v->n_profiles; i++)
		if (strcmp(v->profiles[i].name, name) == 0) {
			*out = &v->profiles[i];
			return ERR_OK;
		}
	return why_set(why, ERR_PARAM, "POST /v1/verify",
	    "profile: there is none of this name");
}

/* --- kept parsed ------------------------------------------------------- */

struct intel_pck *
verifier_pck(struct verifier *v, struct span cert)
{
	struct intel_pck *pck = kept_get(v->pcks, cert);
	struct why why;

	if (pck != NULL)
		return pck;
	if (intel_pck_read(cert, v->intel, v->issuers, &pck, NULL, &why) !=
	    ERR_OK)
		return NULL;
	kept_put(v->pcks, cert, pck);
	return pck;
}

/* The pieces one after the other, none to be taken for a part of another. */
static void
digest_add(struct buf *b, struct span s)
{
	unsigned char sum[32];

	sha256(s, sum);
	buf_add(b, sum, sizeof(sum));
}

struct intel_set *
verifier_set_attached(struct verifier *v, const struct intel_bytes *in)
{
	struct buf key = BUF_INIT;
	struct intel_set *set;

	digest_add(&key, in->tcb_info);
	digest_add(&key, in->tcb_info_chain);
	digest_add(&key, in->qe_identity);
	digest_add(&key, in->qe_identity_chain);
	digest_add(&key, in->root_crl);
	digest_add(&key, in->pck_crl);
	digest_add(&key, in->pck_crl_chain);
	if ((set = kept_get(v->attached, buf_view(&key))) == NULL) {
		set = intel_set_read(in, v->intel);
		kept_put(v->attached, buf_view(&key), set);
	}
	buf_free(&key);
	return set;
}

struct snp_set *
verifier_snp_attached(struct verifier *v, const struct snp_bytes *in)
{
	struct buf key = BUF_INIT;
	struct snp_set *set;

	digest_add(&key, in->vek);
	digest_add(&key, in->chain);
	digest_add(&key, in->crl);
	if ((set = kept_get(v->snp_attached, buf_view(&key))) == NULL) {
		set = snp_set_read(in, &v->amd);
		kept_put(v->snp_attached, buf_view(&key), set);
	}
	buf_free(&key);
	return set;
}

static struct joined *
joined_new(struct coll *const *coll, size_t n)
{
	struct joined *j = xcalloc(1, sizeof(*j));
	size_t i;

	atomic_init(&j->refs, 1);
	for (i = 0; i < n; i++)
		if (coll[i] != NULL)
			j->coll[i] = coll_ref(coll[i]);
	return j;
}

static struct intel_set *
set_join(struct coll *const coll[NEED_N])
{
	struct coll *tcb = coll[NEED_TCB_INFO], *id = coll[NEED_IDENTITY];
	struct coll *pck = coll[NEED_PCK_CRL], *root = coll[NEED_ROOT_CRL];
	struct intel_parts parts = {
		.tcb_info = tcb->facts.tcbinfo,
		.identity = id->facts.identity,
		.tcb_info_chain = tcb->signer,
		.identity_chain = id->signer,
		.pck_crl_chain = pck->signer,
		.root_crl = root->facts.crl,
		.pck_crl = pck->facts.crl,
	};
	struct intel_bytes bytes = {
		.tcb_info = blob_span(tcb->body),
		.tcb_info_chain = blob_span(tcb->chain),
		.qe_identity = blob_span(id->body),
		.qe_identity_chain = blob_span(id->chain),
		.root_crl = blob_span(root->body),
		.pck_crl = blob_span(pck->body),
		.pck_crl_chain = blob_span(pck->chain),
	};
	struct intel_set *set = intel_set_join(&parts);

	intel_set_hash(set, &bytes);
	return set;
}

/* Records never change, and the entry holds them: their addresses are names. */
struct intel_set *
verifier_set(struct verifier *v, struct coll *const coll[NEED_N])
{
	struct span key = span_of(coll, NEED_N * sizeof(coll[0]));
	struct joined *j = kept_get(v->sets, key);
	struct intel_set *set;

	if (j == NULL) {
		j = joined_new(coll, NEED_N);
		j->set = set_join(coll);
		kept_put(v->sets, key, j);
	}
	set = intel_set_ref(j->set);
	joined_drop(j);
	return set;
}

struct snp_set *
verifier_snp_set(struct verifier *v, struct coll *vek, struct coll *chain,
    struct coll *crl)
{
	struct coll *const coll[] = { vek, chain, crl };
	struct span key = span_of(coll, sizeof(coll));
	struct joined *j = kept_get(v->snp_sets, key);
	struct snp_set *set;

	if (j == NULL) {
		j = joined_new(coll, 3);
		j->snp_set = snp_set_join(vek == NULL ? NULL : vek->facts.vek,
		    chain == NULL ? NULL : chain->facts.amd_chain,
		    crl == NULL ? NULL : crl->facts.amd_crl);
		kept_put(v->snp_sets, key, j);
	}
	set = snp_set_ref(j->snp_set);
	joined_drop(j);
	return set;
}

bool
verifier_seen(struct verifier *v, const struct quote_seen *s, time_t now)
{
	static char mark;
	struct {
		int64_t day;
		struct quote_seen seen;
	} key;
	struct span name;

	memset(&key, 0, sizeof(key)); /* padding, too */
	key.day = now / 86400;
	memcpy(&key.seen, s, sizeof(*s));
	name = span_of(&key, sizeof(key));
	if (kept_get(v->seen, name) != NULL)
		return false;
	kept_put(v->seen, name, &mark);
	return true;
}
