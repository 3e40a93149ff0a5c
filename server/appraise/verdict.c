/* The verdict on an Intel quote: quote-verification 5, in its order. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/appraise.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

const char *
intel_stage_name(enum intel_stage s)
{
	static const char *const names[STAGE_N] = {
		[STAGE_NONE] = "",
		[STAGE_QUOTE_FORMAT] = "quote-format",
		[STAGE_CERT_DATA] = "cert-data",
		[STAGE_PCK_CHAIN] = "pck-chain",
		[STAGE_CRL] = "crl",
		[STAGE_TCB_INFO] = "tcb-info",
		[STAGE_QE_IDENTITY] = "qe-identity",
		[STAGE_TCB_INFO_MATCH] = "tcb-info-match",
		[STAGE_TDX_MODULE] = "tdx-module",
		[STAGE_QE_REPORT] = "qe-report",
		[STAGE_AK_BINDING] = "ak-binding",
		[STAGE_QUOTE_SIGNATURE] = "quote-signature",
		[STAGE_TCB_LEVEL] = "tcb-level",
	};

	return (unsigned)s < STAGE_N ? names[s] : "?";
}

/* One verification under way. */
struct run {
	struct span in;
	const struct anchors *anchors;
	struct intel_pck *hint;
	struct intel_verdict *v;
	enum qvl_status code; /* when the step fails */
	bool qe_known;        /* what steps 11 and 12 check held before */
};

static enum err
refuse(struct run *r, enum qvl_status code, const char *clause,
    const char *text)
{
	r->code = code;
	return why_set(&r->v->why, ERR_NOT_ASKED, clause, "%s", text);
}

/* --- steps 1 to 4 ----------------------------------------------------- */

static enum err
step_quote(struct run *r)
{
	enum err e = quote_read(r->in, &r->v->quote, &r->v->why);

	r->code = QVL_UNSUPPORTED_QUOTE_FORMAT;
	r->v->has_quote = e == ERR_OK;
	return e;
}

static enum err
step_cert_data(struct run *r)
{
	if (r->v->quote.cert_type != CERT_DATA_PCK_CHAIN)
		return refuse(r, QVL_UNSUPPORTED_QE_CERTIFICATION_DATA_TYPE,
		    "quote-verification 2.3", "no PCK chain is in the quote");
	return ERR_OK;
}

static enum qvl_status
chain_code(enum err e)
{
	switch (e) {
	case ERR_FORMAT:
	case ERR_TOO_BIG:
		return QVL_UNSUPPORTED_CERT_FORMAT;
	default:
		return QVL_SGX_PCK_CERT_CHAIN_UNTRUSTED;
	}
}

static enum err
step_pck_chain(struct run *r)
{
	struct intel_verdict *v = r->v;
	bool in_extension;
	enum err e;

	if (r->hint != NULL &&
	    span_eq(blob_span(r->hint->bytes), v->quote.cert)) {
		v->pck = intel_pck_ref(r->hint);
		return ERR_OK;
	}
	e = intel_pck_read(v->quote.cert, r->anchors, NULL, &v->pck,
	    &in_extension, &v->why);
	if (e != ERR_OK)
		r->code = in_extension ? QVL_SGX_PCK_INVALID_EXTENSIONS
				       : chain_code(e);
	return e;
}

/* --- steps 5 to 8: what the set's reading found ----------------------- */

static enum err
fault_found(const struct intel_fault *f, struct intel_verdict *v)
{
	if (f->err != ERR_OK)
		v->why = f->why;
	return f->err;
}

static enum qvl_status
crl_code(enum err e)
{
	switch (e) {
	case ERR_BADSIG:
		return QVL_SGX_CRL_INVALID_SIGNATURE;
	case ERR_FORMAT:
	case ERR_TOO_BIG:
		return QVL_SGX_CRL_UNSUPPORTED_FORMAT;
	default:
		return QVL_SGX_CRL_UNKNOWN_ISSUER;
	}
}

/* The set's CRLs are those of the quote's own CAs (5, note on CRLs). */
static enum err
step_crl(struct run *r)
{
	const struct intel_set *set = r->v->set;
	X509 *const *x = r->v->pck->chain->x;
	enum err e;

	if ((e = fault_found(&set->crl, r->v)) != ERR_OK) {
		r->code = set->crl.in_chain ? QVL_SGX_CRL_UNKNOWN_ISSUER
					    : crl_code(e);
		return e;
	}
	if (!crl_is_of(set->parts.root_crl, x[2]))
		return refuse(r, QVL_SGX_CRL_UNKNOWN_ISSUER,
		    "quote-verification 5", "the root CRL is of another root");
	if (!crl_is_of(set->parts.pck_crl, x[1]))
		return refuse(r, QVL_INVALID_PCK_CRL, "quote-verification 5",
		    "the PCK CRL is of another CA than the leaf's");
	return ERR_OK;
}

static enum err
step_revoked(struct run *r)
{
	const struct intel_parts *p = &r->v->set->parts;
	const struct chain *chain = r->v->pck->chain;

	r->code = crl_lists(p->root_crl, chain->x[1])
		      ? QVL_SGX_INTERMEDIATE_CA_REVOKED
		      : QVL_SGX_PCK_REVOKED;
	return chain_check_crls(chain, p->root_crl, p->pck_crl, &r->v->why);
}

static enum err
step_tcb_info(struct run *r)
{
	const struct intel_fault *f = &r->v->set->tcb_info;

	if (f->err == ERR_REVOKED)
		r->code = QVL_SGX_TCB_SIGNING_CERT_REVOKED;
	else if (f->in_chain)
		r->code = QVL_SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED;
	else if (f->err == ERR_BADSIG)
		r->code = QVL_TCB_INFO_INVALID_SIGNATURE;
	else
		r->code = QVL_SGX_TCB_INFO_INVALID;
	return fault_found(f, r->v);
}

static enum err
step_identity(struct run *r)
{
	const struct intel_fault *f = &r->v->set->identity;

	if (f->err == ERR_REVOKED)
		r->code = QVL_SGX_TCB_SIGNING_CERT_REVOKED;
	else if (f->in_chain)
		r->code = QVL_SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED;
	else if (f->err == ERR_BADSIG)
		r->code = QVL_SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE;
	else
		r->code = QVL_SGX_ENCLAVE_IDENTITY_INVALID;
	return fault_found(f, r->v);
}

/* --- steps 9 and 10 --------------------------------------------------- */

static enum err
step_tcb_info_match(struct run *r)
{
	static const char clause[] = "quote-verification 5";
	const struct tcbinfo *info = r->v->set->parts.tcb_info;
	const struct pck *pck = &r->v->pck->pck;
	enum qvl_status code = QVL_TCB_INFO_MISMATCH;

	if (info->tee != r->v->quote.tee)
		return refuse(r, code, clause,
		    "the TCB info is for another TEE");
	if (memcmp(info->fmspc, pck->fmspc, sizeof(info->fmspc)) != 0)
		return refuse(r, code, clause,
		    "the TCB info is for another FMSPC");
	if (memcmp(info->pceid, pck->pceid, sizeof(info->pceid)) != 0)
		return refuse(r, code, clause,
		    "the TCB info is for another PCEID");
	return ERR_OK;
}

/* (have & mask) = want: the masked report against the unmasked value. */
static bool
masked_is(const unsigned char *have, const unsigned char *mask,
    const unsigned char *want, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((have[i] & mask[i]) != want[i])
			return false;
	return true;
}

static enum err
step_tdx_module(struct run *r)
{
	static const char clause[] = "quote-verification 5.1";
	const struct td_report *td = &r->v->quote.td;
	enum qvl_status code = QVL_TDX_MODULE_MISMATCH;
	const struct tdx_module *m;

	if (r->v->quote.tee != TEE_TDX)
		return ERR_OK;
	m = tdx_module_find(r->v->set->parts.tcb_info, td->tee_tcb_svn[1]);
	if (m == NULL)
		return refuse(r, code, clause,
		    "no identity for this TDX module");
	if (memcmp(td->mrsignerseam, m->mrsigner, sizeof(m->mrsigner)) != 0)
		return refuse(r, code, clause, "MRSIGNERSEAM is another");
	if (!masked_is(td->seamattributes, m->attributes_mask, m->attributes,
		sizeof(m->attributes)) ||
	    !span_all(span_of(td->seamattributes, 8), 0))
		return refuse(r, code, clause,
		    "SEAMATTRIBUTES are not as they must be");
	return ERR_OK;
}

/* --- steps 11 to 14: the quoting enclave and its key ------------------ */

static enum err
step_qe_report(struct run *r)
{
	const struct quote *q = &r->v->quote;
	enum err e;

	r->qe_known = intel_pck_qe_known(r->v->pck, q);
	if (r->qe_known)
		return ERR_OK;
	r->code = QVL_INVALID_QE_REPORT_SIGNATURE;
	e = sig_check_point(q->qe_bytes, q->qe_signature, r->v->pck->key,
	    &r->v->why);
	return e == ERR_OK ? e : why_in(&r->v->why, e, "QE report");
}

static enum err
step_ak_binding(struct run *r)
{
	static const char clause[] = "quote-verification 5";
	const struct quote *q = &r->v->quote;
	struct buf bound = BUF_INIT;
	unsigned char digest[32];

	if (r->qe_known)
		return ERR_OK;
	buf_add(&bound, q->key, sizeof(q->key));
	buf_span(&bound, q->auth);
	sha256(buf_view(&bound), digest);
	buf_free(&bound);
	if (memcmp(digest, q->qe.report_data, sizeof(digest)) != 0)
		return refuse(r, QVL_INVALID_QE_REPORT_DATA, clause,
		    "the QE report does not bind the attestation key");
	if (!span_all(span_of(q->qe.report_data + 32, 32), 0))
		return refuse(r, QVL_INVALID_QE_REPORT_DATA, clause,
		    "the QE report's upper report data is not zero");
	return ERR_OK;
}

/* quote-verification 5.2 */
static enum err
step_qe_match(struct run *r)
{
	static const char clause[] = "quote-verification 5.2";
	const struct identity *id = r->v->set->parts.identity;
	const struct sgx_report *qe = &r->v->quote.qe;

	if (id->enclave !=
	    (r->v->quote.tee == TEE_SGX ? ENCLAVE_QE : ENCLAVE_TDQE))
		return refuse(r, QVL_QE_IDENTITY_MISMATCH, clause,
		    "the identity is of another enclave");
	if (!masked_is(qe->miscselect, id->miscselect_mask, id->miscselect,
		sizeof(qe->miscselect)))
		return refuse(r, QVL_SGX_ENCLAVE_REPORT_MISCSELECT_MISMATCH,
		    clause, "the QE's MISCSELECT is another");
	if (!masked_is(qe->attributes, id->attributes_mask, id->attributes,
		sizeof(qe->attributes)))
		return refuse(r, QVL_SGX_ENCLAVE_REPORT_ATTRIBUTES_MISMATCH,
		    clause, "the QE's ATTRIBUTES are others");
	if (memcmp(qe->mrsigner, id->mrsigner, sizeof(qe->mrsigner)) != 0)
		return refuse(r, QVL_SGX_ENCLAVE_REPORT_MRSIGNER_MISMATCH,
		    clause, "the QE's MRSIGNER is another");
	if (qe->isvprodid != id->isvprodid)
		return refuse(r, QVL_SGX_ENCLAVE_REPORT_ISVPRODID_MISMATCH,
		    clause, "the QE's ISVPRODID is another");
	return ERR_OK;
}

static enum err
step_quote_signature(struct run *r)
{
	const struct quote *q = &r->v->quote;
	enum err e;

	e = sig_check_point(q->bound, q->signature, q->key, &r->v->why);
	if (e == ERR_RANGE)
		return refuse(r, QVL_UNSUPPORTED_QUOTE_FORMAT,
		    "quote-verification 5",
		    "the attestation key is no point of P-256");
	/* Whatever this quote is: its QE and its key are genuine. */
	if (!r->qe_known)
		intel_pck_qe_put(r->v->pck, q);
	r->code = QVL_INVALID_QUOTE_SIGNATURE;
	return e == ERR_OK ? e : why_in(&r->v->why, e, "quote");
}

/* --- step 15 ---------------------------------------------------------- */

static enum err
step_tcb_level(struct run *r)
{
	struct intel_verdict *v = r->v;
	const struct intel_parts *p = &v->set->parts;
	const struct quote *q = &v->quote;
	enum err e;

	r->code = QVL_TCB_NOT_SUPPORTED;
	e = tcb_match(p->tcb_info, p->identity, &v->pck->pck,
	    q->tee == TEE_TDX ? q->td.tee_tcb_svn : NULL, q->qe.isvsvn,
	    &v->launch, &v->why);
	if (e != ERR_OK)
		return e;
	v->tcb_status = v->launch.status;
	v->tcb_date = v->launch.date;
	v->has_current = quote_has_current(q);
	if (!v->has_current)
		return ERR_OK;
	e = tcb_match(p->tcb_info, p->identity, &v->pck->pck,
	    q->td.tee_tcb_svn_2, q->qe.isvsvn, &v->current, &v->why);
	if (e != ERR_OK)
		return why_in(&v->why, e, "TEE_TCB_SVN_2");
	v->tcb_status = tcb_relaunch(v->launch.status, v->current.status);
	return ERR_OK;
}

/* --- step 16: time and facts ------------------------------------------ */

static void
facts_fill(struct intel_verdict *v)
{
	const struct quote *q = &v->quote;
	uint64_t attributes = q->td.tdattributes;

	v->svn_disagrees = !pck_svn_agrees(&v->pck->pck);
	if (q->tee == TEE_SGX) {
		v->debug = (q->sgx.attributes[0] & SGX_FLAG_DEBUG) != 0;
		return;
	}
	v->debug = (attributes & TD_ATTR_DEBUG) != 0;
	v->sept_ve_disable = (attributes & TD_ATTR_SEPT_VE_DISABLE) != 0;
	v->reserved_attributes = (attributes & ~TD_ATTR_KNOWN) != 0;
	v->service_td = !span_all(span_of(q->td.mrservicetd, 48), 0);
}

static void
supplement(struct intel_verdict *v)
{
	const struct intel_parts *p = &v->set->parts;
	struct supplemental_from from = {
		.tcb_info = p->tcb_info,
		.identity = p->identity,
		.root_crl = p->root_crl,
		.pck_crl = p->pck_crl,
		.pck = &v->pck->pck,
		.root_key_id = v->pck->root_key_id,
		.match = &v->launch,
		.dates = v->set->dates,
		.qe_dates = v->set->identity_dates,
	};

	intel_dates_join(&from.dates, &v->pck->dates);
	supplemental_fill(&from, &v->supplemental);
}

static const struct step {
	enum intel_stage stage;
	enum err (*fn)(struct run *);
} steps[] = {
	{ STAGE_QUOTE_FORMAT, step_quote },
	{ STAGE_CERT_DATA, step_cert_data },
	{ STAGE_PCK_CHAIN, step_pck_chain },
	{ STAGE_CRL, step_crl },
	{ STAGE_PCK_CHAIN, step_revoked },
	{ STAGE_TCB_INFO, step_tcb_info },
	{ STAGE_QE_IDENTITY, step_identity },
	{ STAGE_TCB_INFO_MATCH, step_tcb_info_match },
	{ STAGE_TDX_MODULE, step_tdx_module },
	{ STAGE_QE_REPORT, step_qe_report },
	{ STAGE_AK_BINDING, step_ak_binding },
	{ STAGE_QE_IDENTITY, step_qe_match },
	{ STAGE_QUOTE_SIGNATURE, step_quote_signature },
	{ STAGE_TCB_LEVEL, step_tcb_level },
};

void
intel_verify(struct span quote, struct intel_set *set, struct intel_pck *pck,
    const struct anchors *anchors, time_t at, struct intel_verdict *v)
{
	struct run r = { quote, anchors, pck, v, QVL_STATUS_OK, false };
	const struct intel_dates *d = &v->supplemental.dates;
	size_t i;

	memset(v, 0, sizeof(*v));
	v->set = intel_set_ref(set);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].fn(&r) != ERR_OK)
			break;
	if (i < sizeof(steps) / sizeof(steps[0])) {
		v->stage = steps[i].stage;
		v->code = r.code;
		return;
	}
	v->valid = true;
	v->code = qvl_status_of(v->tcb_status);
	v->n_advisories = tcb_advisories(&v->launch, &v->advisories);
	facts_fill(v);
	supplement(v);
	v->not_yet_valid = at < d->latest_issue;
	v->expired = at >= d->earliest_expiration;
}

void
intel_verdict_fini(struct intel_verdict *v)
{
	free(v->advisories);
	intel_set_unref(v->set);
	intel_pck_unref(v->pck);
	memset(v, 0, sizeof(*v));
}

const char *
intel_time_name(const struct intel_verdict *v)
{
	if (v->expired)
		return v->not_yet_valid ? "expired+not-yet-valid" : "expired";
	return v->not_yet_valid ? "not-yet-valid" : "ok";
}
