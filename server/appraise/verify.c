/* One door for all evidence: genuine or not, and acceptable or not. */
#include "server/appraise/verify.h"

#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Intel ------------------------------------------------------------- */

static void
judge_intel(const struct appraisal *a, struct verdict *v)
{
	struct intel_set *set = intel_set_ref(a->set);
	struct intel_verdict *i = &v->intel;

	/* Without collateral the steps before it still tell. */
	if (set == NULL)
		set = intel_set_read(&(struct intel_bytes){ 0 }, a->intel);
	intel_verify(v->evidence->bytes, set, a->pck, a->intel, a->at, i);
	intel_set_unref(set);
	v->valid = i->valid;
	v->why = i->why;
	(void)snprintf(v->stage, sizeof(v->stage), "%s",
	    intel_stage_name(i->stage));
	if (!i->valid)
		return;
	v->has_time = true;
	v->expired = i->expired;
	v->not_yet_valid = i->not_yet_valid;
	v->valid_from = i->supplemental.dates.latest_issue;
	v->valid_until = i->supplemental.dates.earliest_expiration;
}

/* --- AMD --------------------------------------------------------------- */

static void
judge_snp(const struct appraisal *a, struct verdict *v)
{
	const struct evidence *e = v->evidence;
	struct snp_set *set = v->snp_set;
	struct snp_collateral c = {
		.vek = set->vek,
		.chain = set->chain,
		.crl = set->crl,
		.issuer_checked = set->issuer_checked,
		.vek_err = set->vek_err,
		.chain_err = set->chain_err,
		.crl_err = set->crl_err,
	};

	snp_verify(&e->snp, e->bytes,
	    a->hint != AMD_PRODUCT_N ? a->hint : evidence_product(e), &c, a->at,
	    &v->snp);
	v->valid = v->snp.genuine;
	v->why = v->snp.why;
	if (v->snp.err != SNP_OK &&
	    (v->snp.err == set->vek_err || v->snp.err == set->chain_err ||
		v->snp.err == set->crl_err) &&
	    set->why.text[0] != '\0')
		v->why = set->why;
	if (v->snp.err != SNP_OK && !v->valid)
		(void)snprintf(v->stage, sizeof(v->stage), "%s",
		    snp_err_name(v->snp.err));
	v->has_time = v->snp.valid_until != 0;
	v->expired = v->snp.expired;
	v->not_yet_valid = v->snp.not_yet_valid;
	v->valid_from = v->snp.valid_from;
	v->valid_until = v->snp.valid_until;
}

/* --- both -------------------------------------------------------------- */

/*
 * The wrapping or the report's form is wrong: nothing more is looked at, and
 * whatever collateral there is was not used.
 */
static void
judge_fault(const struct evidence *e, struct verdict *v)
{
	v->origin.source = v->origin.baseline = NULL;
	v->why = e->why;
	v->snp.err = e->err;
	v->snp.product = AMD_PRODUCT_N;
	v->intel.code = QVL_UNSUPPORTED_QUOTE_FORMAT;
	(void)snprintf(v->stage, sizeof(v->stage), "%s", snp_err_name(e->err));
}

static void
reason_of_stage(struct verdict *v)
{
	struct buf expected = BUF_INIT;

	buf_printf(&expected, "as %s has it", v->why.clause);
	reasons_add(&v->reasons, v->stage,
	    v->kind == EVIDENCE_SNP || v->evidence->err != SNP_OK ? v->snp.err
								  : SNP_OK,
	    xstrndup(expected.p, expected.len), xstrdup(v->why.text));
	buf_free(&expected);
}

/* H5 of snp-report 10.3: the HCL itself is at level 0, or it is no HCL. */
static void
reason_of_hcl(struct verdict *v)
{
	char found[16];

	if (!v->evidence->has_hcl || v->kind != EVIDENCE_SNP ||
	    v->evidence->snp.vmpl == 0)
		return;
	(void)snprintf(found, sizeof(found), "%u",
	    (unsigned)v->evidence->snp.vmpl);
	reasons_add(&v->reasons, "snp.vmpl", SNP_ERR_POLICY_VMPL, xstrdup("0"),
	    xstrdup(found));
}

/* Whatever a policy says (quote-verification 6.5). */
static void
reason_of_revoked(struct verdict *v)
{
	if (v->kind != EVIDENCE_SNP && v->intel.tcb_status == TCB_REVOKED)
		reasons_add(&v->reasons, "tcb_status", SNP_OK,
		    xstrdup("not Revoked"), xstrdup("Revoked"));
}

void
verdict_make(const struct evidence *e, const struct appraisal *a,
    struct verdict *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	out->evidence = e;
	out->kind = e->kind;
	out->at = a->at;
	out->origin = a->origin;
	if (e->kind == EVIDENCE_SNP)
		out->snp_set = a->snp_set != NULL && e->err == SNP_OK
				   ? snp_set_ref(a->snp_set)
				   : snp_set_join(NULL, NULL, NULL);
	if (e->err != SNP_OK)
		judge_fault(e, out);
	else if (e->kind == EVIDENCE_SNP)
		judge_snp(a, out);
	else
		judge_intel(a, out);
	if (!out->valid) {
		reason_of_stage(out);
		return;
	}
	reason_of_hcl(out);
	reason_of_revoked(out);
	for (i = 0; i < sizeof(a->require) / sizeof(a->require[0]); i++)
		if (a->require[i] != NULL)
			require_check(a->require[i], out, &out->reasons);
	out->accepted = out->reasons.n == 0;
}

void
verdict_fini(struct verdict *v)
{
	intel_verdict_fini(&v->intel);
	snp_set_unref(v->snp_set);
	reasons_fini(&v->reasons);
	memset(v, 0, sizeof(*v));
}

const char *
verdict_word(const struct verdict *v)
{
	return v->accepted ? "accepted" : "rejected";
}

const char *
verdict_time(const struct verdict *v)
{
	if (!v->has_time)
		return NULL;
	if (v->expired)
		return v->not_yet_valid ? "expired+not-yet-valid" : "expired";
	return v->not_yet_valid ? "not-yet-valid" : "ok";
}

const char *
verdict_tcb_status(const struct verdict *v)
{
	return v->kind != EVIDENCE_SNP && v->intel.valid
		   ? tcb_status_name(v->intel.tcb_status)
		   : NULL;
}

bool
verdict_debug(const struct verdict *v)
{
	if (v->kind == EVIDENCE_SNP)
		return (v->evidence->snp.policy & SNP_POLICY_DEBUG) != 0;
	return v->intel.debug;
}
