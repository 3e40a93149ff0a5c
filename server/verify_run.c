#include "server/verify_run.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/needs.h"
#include "storage/baseline.h"

#include <stdio.h>
#include <string.h>

struct run {
	const struct run_world *w;
	const struct question *ask;
	struct evidence *evidence;
	struct appraisal *a;
	struct run_out *out;
	char baseline[NEEDS_BASELINE]; /* backs the appraisal's origin */
};

/* --- looking things up ------------------------------------------------- */

static void
missing(struct run *r, const struct coll_key *key)
{
	must(r->out->n_keys < RUN_KEYS);
	r->out->keys[r->out->n_keys++] = *key;
}

/* Of use for this verdict; NULL is not. */
static bool
usable(const struct run *r, const struct coll *c)
{
	const struct config *config = r->w->verifier->config;
	enum fresh_state state = FRESH_GONE;

	if (c != NULL)
		state = fresh_state(c, config->cache.stale_max_s, clock_now());
	return state == FRESH_NEW || state == FRESH_DUE ||
	       (state == FRESH_STALE && r->w->again);
}

/* Held and of use; else it is noted as missing. Borrowed. */
static struct coll *
find(struct run *r, const struct coll_key *key)
{
	struct coll *c = snap_get(r->w->snap, key);

	if (usable(r, c))
		return c;
	missing(r, key);
	return NULL;
}

/* A VEK in memory, or among those got. Own reference, or NULL. */
static struct coll *
find_vek(struct run *r, const struct coll_key *key)
{
	size_t i;

	for (i = 0; i < r->w->n_veks; i++)
		if (strcmp(r->w->veks[i]->key.text, key->text) == 0)
			return coll_ref(r->w->veks[i]);
	return storage_vek_cached(r->w->storage, key);
}

/* --- Intel ------------------------------------------------------------- */

static void
gather_held(struct run *r, const struct quote *q)
{
	struct verifier *v = r->w->verifier;
	struct needs_held held;
	struct needs needs;
	char fmspc[13];
	int i;

	hex_upper(span_of(r->a->pck->pck.fmspc, 6), fmspc);
	needs_intel(q->tee, fmspc, chain_pck_ca(r->a->pck->chain),
	    r->ask->update, &needs);
	needs_held(&needs, v->config, r->w->snap, r->w->listen, &held);
	for (i = 0; i < NEED_N; i++)
		/* A number that is held on past its end is used as it is. */
		if (!usable(r, held.coll[i]) &&
		    (held.coll[i] == NULL || i > NEED_IDENTITY ||
			clock_now() >= held.until))
			missing(r, &needs.key[i]);
	memcpy(r->out->fmspc, fmspc, sizeof(fmspc));
	memcpy(r->baseline, held.baseline, sizeof(r->baseline));
	if (r->out->n_keys > 0)
		return;
	r->a->set = verifier_set(v, held.coll);
	r->a->origin.source = "cache";
	r->a->origin.baseline = r->baseline;
}

static void
gather_intel(struct run *r)
{
	struct verifier *v = r->w->verifier;
	const struct quote *q = &r->evidence->quote;

	if (r->ask->attached.has_intel) {
		r->a->set = verifier_set_attached(v, &r->ask->attached.intel);
		r->a->origin.source = "attached";
	}
	if (!r->evidence->has_quote || q->cert_type != CERT_DATA_PCK_CHAIN)
		return;
	r->a->pck = verifier_pck(v, q->cert);
	if (r->a->pck != NULL && r->a->set == NULL)
		gather_held(r, q);
}

/* What the platform has just proved, for the impact of baselines. */
static void
note_seen(struct run *r, const struct verdict *v, struct run_out *out)
{
	const struct quote *q = &v->intel.quote;
	const struct pck *pck = &v->intel.pck->pck;
	struct quote_seen *s = &out->seen;

	memset(s, 0, sizeof(*s));
	memcpy(s->ppid, pck->ppid, sizeof(s->ppid));
	hex_upper(span_of(pck->fmspc, sizeof(pck->fmspc)), s->fmspc);
	memcpy(s->comp, pck->comp, sizeof(s->comp));
	s->pcesvn = pck->pcesvn;
	s->tee = q->tee;
	if (q->tee == TEE_TDX)
		memcpy(s->tee_svn,
		    quote_has_current(q) ? q->td.tee_tcb_svn_2
					 : q->td.tee_tcb_svn,
		    sizeof(s->tee_svn));
	s->qe_isvsvn = q->qe.isvsvn;
	out->has_seen = verifier_seen(r->w->verifier, s, clock_now());
}

/* --- AMD --------------------------------------------------------------- */

/* Chain and CRL of our own for a certificate of this product and side. */
static bool
find_issuers(struct run *r, enum amd_product p, enum amd_side side,
    struct coll *out[2])
{
	struct coll_key chain = key_amd_chain(p, side);
	struct coll_key crl = key_amd_crl(p, side);

	out[0] = find(r, &chain);
	out[1] = find(r, &crl);
	return out[0] != NULL && out[1] != NULL;
}

/*
 * A version 2 report does not say its product: what we hold of it does.  The
 * host's word for it only says where to look first.
 */
static struct coll *
find_vcek(struct run *r)
{
	const struct snp_report *report = &r->evidence->snp;
	enum amd_product said = snp_report_product(report, AMD_PRODUCT_N);
	bool genoa = evidence_product(r->evidence) == AMD_GENOA;
	const enum amd_product either[2] = { genoa ? AMD_GENOA : AMD_MILAN,
		genoa ? AMD_MILAN : AMD_GENOA };
	size_t i, n = said == AMD_PRODUCT_N ? 2 : 1;
	struct coll_key key;
	enum amd_product p;
	struct coll *c;

	for (i = 0; i < n; i++) {
		p = n == 1 ? said : either[i];
		key = key_vcek(p, snp_report_hwid(report, p),
		    report->reported_tcb);
		if ((c = find_vek(r, &key)) != NULL) {
			r->out->n_keys = 0;
			return c;
		}
		/* No use asking for what a forger wrote there. */
		if (amd_tcb_issued(p, report->reported_tcb))
			missing(r, &key);
	}
	r->out->alternatives = r->out->n_keys > 1;
	return NULL;
}

/* The report does not say which provider's: storage knows whether there is
 * one. */
static struct coll *
find_vlek(struct run *r)
{
	const struct snp_report *report = &r->evidence->snp;
	struct coll_key key = { .kind = COLL_VEK,
		.product = evidence_product(r->evidence),
		.side = AMD_VLEK,
		.tcb = report->reported_tcb };
	const struct vek *vek;
	size_t i;

	for (i = 0; i < r->w->n_veks; i++) {
		vek = r->w->veks[i]->facts.vek;
		if (vek->side == AMD_VLEK && vek->product == key.product)
			return coll_ref(r->w->veks[i]);
	}
	if (key.product != AMD_PRODUCT_N && !r->w->no_vlek)
		missing(r, &key);
	return NULL;
}

/* All from our own: the report came alone. */
static void
gather_vek(struct run *r)
{
	const struct snp_report *report = &r->evidence->snp;
	struct coll *vek = NULL, *issuers[2];

	if (snp_signing_key(report) == SNP_KEY_VLEK)
		vek = find_vlek(r);
	else if (!snp_chip_id_masked(report)) /* the verdict says so */
		vek = find_vcek(r);
	if (vek == NULL)
		return;
	if (find_issuers(r, vek->facts.vek->product, vek->facts.vek->side,
		issuers)) {
		r->a->snp_set = verifier_snp_set(r->w->verifier, vek,
		    issuers[0], issuers[1]);
		r->a->origin.source = "cache";
	}
	coll_unref(vek);
}

/* The certificate came along, its issuers are ours: chain and CRL. */
static void
gather_issuers(struct run *r, const struct snp_bytes *given,
    const struct vek *vek)
{
	struct snp_bytes in = { .vek = given->vek };
	struct coll *issuers[2];

	if (!find_issuers(r, vek->product, vek->side, issuers))
		return;
	in.chain = blob_span(issuers[0]->facts.amd_chain->lf);
	in.crl = blob_span(issuers[1]->facts.amd_crl->der);
	r->a->snp_set = verifier_snp_attached(r->w->verifier, &in);
	r->a->origin.source = "evidence and cache";
}

/*
 * Certificates that stand beside the report are candidates: their issuers and
 * the CRL are ours.  What the caller attaches is taken as it is; only issuers
 * that he leaves out are ours.
 */
static void
gather_snp(struct run *r)
{
	const struct attached *attached = &r->ask->attached;
	bool trusting = attached->has_snp && attached->snp.vek.len > 0;
	struct snp_bytes in;
	struct buf own = BUF_INIT;
	struct snp_set *set;

	if (!r->evidence->has_snp)
		return;
	snp_bytes_of(r->evidence, &own, &in);
	if (trusting)
		in = attached->snp;
	if (in.vek.len == 0) {
		gather_vek(r);
		goto out;
	}
	set = verifier_snp_attached(r->w->verifier, &in);
	if (trusting && (set->vek == NULL || set->chain != NULL ||
			    set->chain_err != SNP_OK)) {
		r->a->snp_set = snp_set_ref(set);
		r->a->origin.source = "attached";
	} else if (set->vek == NULL) {
		gather_vek(r);
	} else {
		gather_issuers(r, &in, set->vek);
	}
	snp_set_unref(set);
out:
	buf_free(&own);
}

/*
 * The least TCB that the baseline asks of this chip.  Of which product it is,
 * a version 2 report does not say: it is asked for each.
 */
static bool
demand_baseline(const struct run *r, struct require *out)
{
	const struct baseline *b = snap_baseline(r->w->snap);
	char chip[2 * AMD_HWID_MAX + 1];
	struct base_amd_min min;
	struct amd_spl spl;
	enum amd_product p;
	bool any = false;

	for (p = AMD_MILAN; p < AMD_PRODUCT_N; p++) {
		hex_lower(snp_report_hwid(&r->evidence->snp, p), chip);
		if (!baseline_amd(b, p, chip, &min) || min.newest ||
		    amd_spl_of(p, min.tcb, &spl, NULL) != ERR_OK)
			continue;
		out->snp.min_tcb[p].set = true;
		out->snp.min_tcb[p].v = spl;
		any = true;
	}
	return any;
}

/* --- the whole --------------------------------------------------------- */

static void
finish(struct run *r)
{
	struct run_out *out = r->out;
	struct verdict v;

	verdict_make(r->evidence, r->a, &v);
	verdict_json(&v, &out->json);
	out->valid = v.valid;
	out->accepted = v.accepted;
	out->kind = v.kind;
	out->valid_until = v.has_time ? v.valid_until : 0;
	(void)snprintf(out->check, sizeof(out->check), "%s",
	    v.reasons.n > 0 ? v.reasons.v[0].check : "");
	/* What was attached is the caller's world, not this one. */
	if (v.valid && v.kind != EVIDENCE_SNP && !r->ask->attached.has_intel)
		note_seen(r, &v, out);
	verdict_fini(&v);
}

void
verify_run(const struct run_world *w, const struct question *ask,
    struct run_out *out)
{
	struct evidence evidence;
	struct appraisal a = {
		.intel = w->verifier->intel,
		.hint = AMD_PRODUCT_N,
		.require = { ask->profile == NULL ? NULL
						  : &ask->profile->require,
		    &ask->require },
		.at = ask->at,
		.origin.profile =
		    ask->profile == NULL ? NULL : ask->profile->name,
	};
	struct run r = { w, ask, &evidence, &a, out, "" };
	struct require baseline;

	memset(out, 0, sizeof(*out));
	require_init(&baseline, false);
	evidence_read(ask->evidence, &evidence);
	if (evidence.err == SNP_OK && evidence.kind == EVIDENCE_SNP) {
		gather_snp(&r);
		if (demand_baseline(&r, &baseline))
			a.require[2] = &baseline;
	} else if (evidence.err == SNP_OK)
		gather_intel(&r);
	if (out->n_keys == 0)
		finish(&r);
	intel_set_unref(a.set);
	intel_pck_unref(a.pck);
	snp_set_unref(a.snp_set);
	require_fini(&baseline);
	evidence_fini(&evidence);
}

void
run_out_fini(struct run_out *o)
{
	buf_free(&o->json);
}
