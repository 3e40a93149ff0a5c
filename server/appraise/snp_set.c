/* The collateral of an SNP report kept parsed: snp-report 7.1 and 8. */
#include "server/appraise/snp_set.h"

#include "config/base/must.h"
#include "server/appraise/evidence.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct snp_set *
set_new(void)
{
	struct snp_set *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->refs, 1);
	return s;
}

static bool
is_pem(struct span s)
{
	return span_starts(s, "-----BEGIN");
}

/*
 * Step 9.  PEM is one certificate; what follows it (its issuers, as clouds
 * write them) is left in *rest.
 */
static void
vek_take(struct snp_set *set, struct span in, struct span *rest)
{
	struct buf der = BUF_INIT;
	struct span one = in;
	enum err e;

	*rest = SPAN_NONE;
	if (in.len == 0)
		return;
	if (is_pem(in)) {
		*rest = in;
		if (pem_next(rest, "CERTIFICATE", &der, &set->why) != ERR_OK) {
			set->vek_err = SNP_ERR_CERT_FORMAT;
			goto out;
		}
		one = buf_view(&der);
	}
	e = vek_parse(one, &set->vek, &set->why);
	/* Step 15, found out early: its name is of another product. */
	if (e != ERR_OK)
		set->vek_err = e == ERR_NOT_ASKED ? SNP_ERR_CERT_PRODUCT
						  : SNP_ERR_CERT_FORMAT;
out:
	buf_free(&der);
}

/* Step 11, but for what depends on the report. */
static void
chain_take(struct snp_set *set, struct span in, const struct amd_anchors *pins)
{
	enum err e;

	while (in.len > 0 && (in.p[0] == '\n' || in.p[0] == '\r'))
		must(span_skip(&in, 1) == ERR_OK);
	while (in.len > 0 && in.p[in.len - 1] == '\0')
		in.len--;
	if (in.len == 0 || set->vek == NULL)
		return;
	e = amd_chain_read(in, set->vek->product, set->vek->side, pins,
	    &set->chain, &set->why);
	if (e == ERR_OK)
		e = vek_check_issuer(set->vek, set->chain, &set->why);
	if (e == ERR_OK) {
		set->issuer_checked = true;
		return;
	}
	set->chain_err = pins->by[set->vek->product] == NULL
			     ? SNP_ERR_ROOT_MISSING
			     : SNP_ERR_CHAIN;
}

/* Step 13. */
static void
crl_take(struct snp_set *set, struct span in)
{
	enum err e;

	if (in.len == 0 || set->chain == NULL)
		return;
	e = amd_crl_read(in, set->chain->product, set->chain->ark, &set->crl,
	    &set->why);
	if (e != ERR_OK)
		set->crl_err = e == ERR_BADSIG  ? SNP_ERR_CRL_SIGNATURE
			       : e == ERR_CHAIN ? SNP_ERR_CRL_ISSUER
						: SNP_ERR_CRL_FORMAT;
}

struct snp_set *
snp_set_read(const struct snp_bytes *in, const struct amd_anchors *pins)
{
	struct snp_set *set = set_new();
	struct span behind;

	vek_take(set, in->vek, &behind);
	chain_take(set, in->chain.len > 0 ? in->chain : behind, pins);
	crl_take(set, in->crl);
	return set;
}

struct snp_set *
snp_set_join(struct vek *vek, struct amd_chain *chain, struct amd_crl *crl)
{
	struct snp_set *set = set_new();

	set->vek = vek == NULL ? NULL : vek_ref(vek);
	set->chain = chain == NULL ? NULL : amd_chain_ref(chain);
	set->crl = crl == NULL ? NULL : amd_crl_ref(crl);
	/* Once for the set, not for every report. */
	if (vek == NULL || chain == NULL)
		return set;
	if (vek->product == chain->product && vek->side == chain->side &&
	    vek_check_issuer(vek, chain, &set->why) == ERR_OK)
		set->issuer_checked = true;
	else
		set->chain_err = SNP_ERR_CHAIN;
	return set;
}

struct snp_set *
snp_set_ref(struct snp_set *set)
{
	if (set != NULL)
		atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void
snp_set_unref(struct snp_set *set)
{
	if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	vek_unref(set->vek);
	amd_chain_unref(set->chain);
	amd_crl_unref(set->crl);
	free(set);
}

/* --- candidates -------------------------------------------------------- */

/* A table's value as PEM; a host may have put PEM there already. */
static void
pem_add(struct buf *out, struct span value)
{
	if (is_pem(value))
		buf_span(out, value);
	else
		pem_write(out, "CERTIFICATE", value);
}

void
snp_bytes_of(const struct evidence *e, struct buf *own, struct snp_bytes *out)
{
	const struct span *slot = e->certs.slot;
	bool vlek = e->has_snp && snp_signing_key(&e->snp) == SNP_KEY_VLEK;

	*out = (struct snp_bytes){ .vek = slot[vlek ? CERT_VLEK : CERT_VCEK],
		.crl = slot[CERT_CRL] };
	if (e->pem.len > 0)
		out->vek = e->pem;
	/* An ASK without its ARK is of no use: the cache has both. */
	if (slot[CERT_ASK].len > 0 && slot[CERT_ARK].len > 0) {
		pem_add(own, slot[CERT_ASK]);
		if (own->len > 0 && own->p[own->len - 1] != '\n')
			buf_str(own, "\n");
		pem_add(own, slot[CERT_ARK]);
		out->chain = buf_view(own);
	}
}
