/* Is this report signed by a genuine AMD chip?  snp-report 8, steps 7-18. */
#include "server/appraise/snp.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <string.h>

#define SKEW_S 300 /* forgiven at notBefore (snp-report 8.12) */

/* The first one is the verdict's. */
static enum snp_err
fail(struct snp_verdict *v, enum snp_err e, const char *clause)
{
	if (v->err != SNP_OK)
		return e;
	v->err = e;
	(void)why_set(&v->why, ERR_BADSIG, clause, "%s", snp_err_text(e));
	return e;
}

/* Steps 7 to 10: which product, is there a certificate, of the right kind. */
static enum snp_err
check_kind(const struct snp_report *r, const struct snp_collateral *c,
    struct snp_verdict *v)
{
	bool vlek = snp_signing_key(r) == SNP_KEY_VLEK;

	/* Where the certificate must say the product, that there is none or
	 * that it cannot be read is the reason: a version 2 report with a
	 * CHIP_ID is Milan's or Genoa's (snp-report 6).  A report that names a
	 * product that nobody knows, or gives nothing to ask with, is not. */
	if (v->product == AMD_PRODUCT_N &&
	    (r->has_cpuid || (c->vek_err == SNP_OK && v->chip_id_masked)))
		return fail(v, SNP_ERR_PRODUCT_UNKNOWN, "snp-report 8.7");
	if (c->vek == NULL && c->vek_err != SNP_OK)
		return fail(v, c->vek_err, "snp-report 8.9");
	if (c->vek == NULL && !vlek && v->chip_id_masked)
		return fail(v, SNP_ERR_CHIP_ID_MASKED, "snp-report 8.8");
	if (c->vek == NULL)
		return fail(v, SNP_ERR_VEK_MISSING, "snp-report 8.8");
	if ((c->vek->side == AMD_VLEK) != vlek)
		return fail(v, SNP_ERR_KEY_KIND_MISMATCH, "snp-report 8.10");
	return SNP_OK;
}

/* Step 11. */
static enum snp_err
check_chain(const struct snp_collateral *c, struct snp_verdict *v)
{
	if (c->chain_err != SNP_OK)
		return fail(v, c->chain_err, "snp-report 8.11");
	if (c->chain == NULL)
		return fail(v, SNP_ERR_COLLATERAL_UNAVAILABLE,
		    "snp-report 8.8");
	if (c->vek->product != v->product || c->chain->product != v->product ||
	    c->chain->side != c->vek->side)
		return fail(v, SNP_ERR_CHAIN, "snp-report 8.11");
	if (!c->issuer_checked &&
	    vek_check_issuer(c->vek, c->chain, &v->why) != ERR_OK) {
		v->err = SNP_ERR_CHAIN; /* "why" is filled */
		return v->err;
	}
	return SNP_OK;
}

/* Certificates have years of four digits; "at" may be any number. */
static bool
is_early(const struct window *w, time_t at)
{
	return at < w->from - SKEW_S;
}

/* Step 12: what it finds does not end the verdict. */
static void
check_time(const struct snp_collateral *c, time_t at, struct snp_verdict *v)
{
	struct window w = c->vek->window;

	window_cut(&w, c->chain->window.from, c->chain->window.until);
	v->valid_from = w.from;
	v->valid_until = w.until;
	v->not_yet_valid = is_early(&w, at);
	v->expired = at >= w.until;
	if (v->not_yet_valid)
		(void)fail(v, SNP_ERR_CERT_NOT_YET_VALID, "snp-report 8.12");
	if (v->expired)
		(void)fail(v, SNP_ERR_CERT_EXPIRED, "snp-report 8.12");
}

/* The time of step 13, likewise. */
static void
check_crl_time(const struct window *w, time_t at, struct snp_verdict *v)
{
	if (is_early(w, at) || at >= w->until)
		(void)fail(v, SNP_ERR_CRL_STALE, "snp-report 8.13");
	v->not_yet_valid |= is_early(w, at);
	v->expired |= at >= w->until;
	if (w->until < v->valid_until)
		v->valid_until = w->until;
	if (w->from > v->valid_from)
		v->valid_from = w->from;
}

/* Steps 13 and 14. The list's form and signature were its reader's work. */
static enum snp_err
check_crl(const struct snp_collateral *c, time_t at, struct snp_verdict *v)
{
	if (c->crl_err != SNP_OK)
		return fail(v, c->crl_err, "snp-report 8.13");
	if (c->crl == NULL)
		return c->crl_required
			   ? fail(v, SNP_ERR_CRL_MISSING, "snp-report 8.13")
			   : SNP_OK;
	if (c->crl->product != v->product)
		return fail(v, SNP_ERR_CRL_ISSUER, "snp-report 8.13");
	check_crl_time(&c->crl->window, at, v);
	if (amd_crl_lists(c->crl, c->chain->ask) ||
	    amd_crl_lists(c->crl, c->chain->ark))
		return fail(v, SNP_ERR_REVOKED, "snp-report 8.14");
	return SNP_OK;
}

/* Steps 15 to 17: before the signature, so that a certificate of another
 * firmware or socket is named as such. */
static enum snp_err
check_match(const struct snp_report *r, const struct vek *vek,
    struct snp_verdict *v)
{
	size_t rest = sizeof(r->chip_id) - vek->hwid_len;

	if ((vek->struct_version == 1) != (v->product == AMD_TURIN))
		return fail(v, SNP_ERR_CERT_PRODUCT, "snp-report 8.15");
	if (memcmp(vek->tcb.b, r->reported_tcb.b, sizeof(vek->tcb.b)) != 0)
		return fail(v, SNP_ERR_TCB_MISMATCH, "snp-report 8.16");
	if (vek->side == AMD_VLEK || v->chip_id_masked)
		return SNP_OK;
	if (memcmp(vek->hwid, r->chip_id, vek->hwid_len) != 0 ||
	    !span_all(span_of(r->chip_id + vek->hwid_len, rest), 0))
		return fail(v, SNP_ERR_HWID_MISMATCH, "snp-report 8.17");
	return SNP_OK;
}

/* r and s arrive little-endian. */
static bool
signature_holds(const struct snp_report *r, struct span bytes,
    const struct p384 *key)
{
	unsigned char sig[96], digest[48];
	size_t i;

	for (i = 0; i < 48; i++) {
		sig[i] = r->r[47 - i];
		sig[48 + i] = r->s[47 - i];
	}
	sha384(span_of(bytes.p, SNP_SIGNED_LEN), digest);
	return p384_check(key, digest, sig);
}

void
snp_verify(const struct snp_report *r, struct span bytes, enum amd_product hint,
    const struct snp_collateral *c, time_t at, struct snp_verdict *v)
{
	must(bytes.len == SNP_REPORT_LEN);
	memset(v, 0, sizeof(*v));
	v->chip_id_masked = snp_chip_id_masked(r);
	v->product =
	    snp_report_product(r, c->vek != NULL ? c->vek->product : hint);
	if (check_kind(r, c, v) != SNP_OK || check_chain(c, v) != SNP_OK)
		return;
	check_time(c, at, v);
	if (check_crl(c, at, v) != SNP_OK ||
	    check_match(r, c->vek, v) != SNP_OK)
		return;
	if (signature_holds(r, bytes, c->vek->fast))
		v->genuine = true;
	else
		(void)fail(v, SNP_ERR_SIGNATURE, "snp-report 8.18");
}
