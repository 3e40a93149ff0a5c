/* Quotes: quote-verification 2. */
#include "server/appraise/quote.h"

#include "config/base/must.h"

#include <string.h>

#define REPORT_LEN 384

static const unsigned char intel_qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7,
	0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static enum err
bad(struct why *why, const char *clause, const char *text)
{
	return why_set(why, ERR_FORMAT, clause, "%s", text);
}

/* --- bodies ----------------------------------------------------------- */

/* Bodies are cut to their exact size before, so a take cannot fail. */
static void
take(struct span *s, void *dst, size_t n)
{
	must(span_copy(s, dst, n) == ERR_OK);
}

static void
skip(struct span *s, size_t n)
{
	must(span_skip(s, n) == ERR_OK);
}

static uint16_t
take_u16(struct span *s)
{
	uint16_t v;

	must(span_u16le(s, &v) == ERR_OK);
	return v;
}

static void
sgx_report_read(struct span s, struct sgx_report *r)
{
	take(&s, r->cpusvn, sizeof(r->cpusvn));
	take(&s, r->miscselect, sizeof(r->miscselect));
	skip(&s, 12);
	take(&s, r->isvextprodid, sizeof(r->isvextprodid));
	take(&s, r->attributes, sizeof(r->attributes));
	take(&s, r->mrenclave, sizeof(r->mrenclave));
	skip(&s, 32);
	take(&s, r->mrsigner, sizeof(r->mrsigner));
	skip(&s, 32);
	take(&s, r->configid, sizeof(r->configid));
	r->isvprodid = take_u16(&s);
	r->isvsvn = take_u16(&s);
	r->configsvn = take_u16(&s);
	skip(&s, 42);
	take(&s, r->isvfamilyid, sizeof(r->isvfamilyid));
	take(&s, r->report_data, sizeof(r->report_data));
	must(s.len == 0);
}

static void
td_report_ext_read(struct span *s, struct td_report *r)
{
	take(s, &r->vmid, 1);
	take(s, r->td_id, sizeof(r->td_id));
	take(s, r->device_info, sizeof(r->device_info));
	take(s, r->init_servicetd_hash, sizeof(r->init_servicetd_hash));
	take(s, r->init_servicetd_attributes,
	    sizeof(r->init_servicetd_attributes));
	take(s, r->init_cpusvn, sizeof(r->init_cpusvn));
	take(s, r->init_tee_tcb_svn, sizeof(r->init_tee_tcb_svn));
	take(s, r->init_fmspc, sizeof(r->init_fmspc));
	take(s, r->servicetd_hash, sizeof(r->servicetd_hash));
	take(s, r->servicetd_attributes, sizeof(r->servicetd_attributes));
}

static void
td_report_read(struct span s, enum body_type type, struct td_report *r)
{
	struct span bits;

	take(&s, r->tee_tcb_svn, sizeof(r->tee_tcb_svn));
	take(&s, r->mrseam, sizeof(r->mrseam));
	take(&s, r->mrsignerseam, sizeof(r->mrsignerseam));
	take(&s, r->seamattributes, sizeof(r->seamattributes));
	bits = s;
	must(span_u64le(&bits, &r->tdattributes) == ERR_OK);
	take(&s, r->td_attributes, sizeof(r->td_attributes));
	take(&s, r->xfam, sizeof(r->xfam));
	take(&s, r->mrtd, sizeof(r->mrtd));
	take(&s, r->mrconfigid, sizeof(r->mrconfigid));
	take(&s, r->mrowner, sizeof(r->mrowner));
	take(&s, r->mrownerconfig, sizeof(r->mrownerconfig));
	take(&s, r->rtmr, sizeof(r->rtmr));
	take(&s, r->report_data, sizeof(r->report_data));
	if (type >= BODY_TD_15) {
		take(&s, r->tee_tcb_svn_2, sizeof(r->tee_tcb_svn_2));
		take(&s, r->mrservicetd, sizeof(r->mrservicetd));
	}
	if (type == BODY_TD_15_EXT)
		td_report_ext_read(&s, r);
	must(s.len == 0);
}

/* --- header and body -------------------------------------------------- */

static enum err
header_read(struct span *s, struct quote *q, struct why *why)
{
	static const char clause[] = "quote-verification 2.1";
	unsigned char vendor[sizeof(intel_qe_vendor)];
	uint16_t key_type;
	uint32_t tee;

	if (span_u16le(s, &q->version) != ERR_OK ||
	    span_u16le(s, &key_type) != ERR_OK ||
	    span_u32le(s, &tee) != ERR_OK ||
	    span_u16le(s, &q->qe_svn) != ERR_OK ||
	    span_u16le(s, &q->pce_svn) != ERR_OK ||
	    span_copy(s, vendor, sizeof(vendor)) != ERR_OK ||
	    span_copy(s, q->user_data, sizeof(q->user_data)) != ERR_OK)
		return bad(why, clause, "the header is cut short");
	if (q->version < 3 || q->version > 5)
		return bad(why, clause, "the version is none of 3, 4, 5");
	if (key_type != 2)
		return bad(why, clause, "the key is not of ECDSA P-256");
	if (tee != TEE_SGX && (tee != TEE_TDX || q->version == 3))
		return bad(why, clause, "the TEE type is not known");
	if (memcmp(vendor, intel_qe_vendor, sizeof(vendor)) != 0)
		return bad(why, clause, "the QE is not Intel's");
	q->tee = tee == TEE_SGX ? TEE_SGX : TEE_TDX;
	if (q->version > 3)
		q->qe_svn = q->pce_svn = 0;
	return ERR_OK;
}

static const struct body {
	uint32_t size;
	enum tee tee;
} bodies[] = {
	[BODY_SGX] = { REPORT_LEN, TEE_SGX },
	[BODY_TD_10] = { 584, TEE_TDX },
	[BODY_TD_15] = { 648, TEE_TDX },
	[BODY_TD_15_EXT] = { 885, TEE_TDX },
};

/* Version 5 says what body it has; its size is exact, not a skip length. */
static enum err
descriptor_read(struct span *s, struct quote *q, struct why *why)
{
	static const char clause[] = "quote-verification 2.2";
	uint16_t type;
	uint32_t size;

	if (span_u16le(s, &type) != ERR_OK || span_u32le(s, &size) != ERR_OK)
		return bad(why, clause,
		    "the body's type and size are cut short");
	if (type < BODY_SGX || type > BODY_TD_15_EXT ||
	    bodies[type].size != size || bodies[type].tee != q->tee)
		return bad(why, clause,
		    "type, size and TEE of the body do not agree");
	q->body = (enum body_type)type;
	return ERR_OK;
}

static enum err
body_read(struct span *s, struct quote *q, struct why *why)
{
	struct span body;
	enum err e;

	q->body = q->tee == TEE_SGX ? BODY_SGX : BODY_TD_10;
	if (q->version == 5 && (e = descriptor_read(s, q, why)) != ERR_OK)
		return e;
	if (span_take(s, bodies[q->body].size, &body) != ERR_OK)
		return bad(why, "quote-verification 2.2",
		    "the body is cut short");
	if (q->body == BODY_SGX)
		sgx_report_read(body, &q->sgx);
	else
		td_report_read(body, q->body, &q->td);
	return ERR_OK;
}

/* --- signature data --------------------------------------------------- */

/* QE report, its signature, authentication data, certification data. */
static enum err
qe_part_read(struct span s, struct quote *q, struct why *why)
{
	static const char clause[] = "quote-verification 2.3";
	uint16_t auth_len, type;
	uint32_t len;

	if (span_take(&s, REPORT_LEN, &q->qe_bytes) != ERR_OK ||
	    span_copy(&s, q->qe_signature, sizeof(q->qe_signature)) != ERR_OK)
		return bad(why, clause, "the QE report is cut short");
	sgx_report_read(q->qe_bytes, &q->qe);
	if (span_u16le(&s, &auth_len) != ERR_OK ||
	    span_take(&s, auth_len, &q->auth) != ERR_OK)
		return bad(why, clause, "the authentication data is cut short");
	if (span_u16le(&s, &type) != ERR_OK || span_u32le(&s, &len) != ERR_OK ||
	    span_take(&s, len, &q->cert) != ERR_OK)
		return bad(why, clause, "the certification data is cut short");
	/* 6 does not nest, 7 is never in a quote. */
	if (type < CERT_DATA_PPID_CLEAR || type > CERT_DATA_PCK_CHAIN)
		return why_set(why, ERR_FORMAT, clause,
		    "certification data of type %u", type);
	if (len == 0)
		return bad(why, clause, "the certification data is empty");
	if (s.len != 0)
		return bad(why, "quote-verification 2.4",
		    "bytes behind the certification data");
	q->cert_type = (enum cert_data_type)type;
	return ERR_OK;
}

static enum err
signature_data_read(struct span s, struct quote *q, struct why *why)
{
	static const char clause[] = "quote-verification 2.3";
	struct span inner;
	uint16_t type;
	uint32_t len;

	if (span_copy(&s, q->signature, sizeof(q->signature)) != ERR_OK ||
	    span_copy(&s, q->key, sizeof(q->key)) != ERR_OK)
		return bad(why, clause, "the signature data is cut short");
	if (q->version == 3)
		return qe_part_read(s, q, why);
	if (span_u16le(&s, &type) != ERR_OK || span_u32le(&s, &len) != ERR_OK ||
	    span_take(&s, len, &inner) != ERR_OK)
		return bad(why, clause,
		    "the outer certification data is cut short");
	if (type != CERT_DATA_QE_REPORT)
		return bad(why, clause,
		    "the outer certification data is not of type 6");
	if (s.len != 0)
		return bad(why, "quote-verification 2.4",
		    "bytes behind the outer certification data");
	return qe_part_read(inner, q, why);
}

/* --- whole ------------------------------------------------------------ */

enum err
quote_read(struct span in, struct quote *out, struct why *why)
{
	struct quote q = { 0 };
	struct span s = in, sig;
	uint32_t sig_len;
	enum err e;

	if (in.len > QUOTE_LEN_MAX)
		return why_set(why, ERR_TOO_BIG, "quote-verification 2.4",
		    "a quote of more than %d bytes", QUOTE_LEN_MAX);
	if ((e = header_read(&s, &q, why)) != ERR_OK ||
	    (e = body_read(&s, &q, why)) != ERR_OK)
		return e;
	q.bound = span_of(in.p, in.len - s.len);
	if (span_u32le(&s, &sig_len) != ERR_OK ||
	    span_take(&s, sig_len, &sig) != ERR_OK)
		return bad(why, "quote-verification 2.2",
		    "the signature data is cut short");
	/* Cloud vTPM paths and fixed buffers pad with zeros. */
	if (!span_all(s, 0))
		return bad(why, "quote-verification 2.4",
		    "bytes behind the quote");
	q.len = in.len - s.len;
	if ((e = signature_data_read(sig, &q, why)) != ERR_OK)
		return e;
	*out = q;
	return ERR_OK;
}

bool
quote_has_current(const struct quote *q)
{
	return q->body == BODY_TD_15 || q->body == BODY_TD_15_EXT;
}

enum err
cert_data_id_read(const struct quote *q, struct cert_data_id *out,
    struct why *why)
{
	static const size_t ppid_len[] = {
		[CERT_DATA_PPID_CLEAR] = 16,
		[CERT_DATA_PPID_RSA2048] = 256,
		[CERT_DATA_PPID_RSA3072] = 384,
	};
	struct cert_data_id id;
	struct span s = q->cert;

	if (q->cert_type > CERT_DATA_PPID_RSA3072)
		return bad(why, "quote-verification 2.3",
		    "the certification data has certificates");
	if (s.len != ppid_len[q->cert_type] + 20)
		return bad(why, "quote-verification 2.3",
		    "the certification data has not its type's size");
	must(span_take(&s, ppid_len[q->cert_type], &id.ppid) == ERR_OK);
	take(&s, id.cpusvn, sizeof(id.cpusvn));
	id.pcesvn = take_u16(&s);
	take(&s, id.pceid, sizeof(id.pceid));
	*out = id;
	return ERR_OK;
}
