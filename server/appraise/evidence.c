/* Which evidence these bytes are: quote-verification 2, snp-report 7, 10. */
#include "server/appraise/evidence.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <jansson.h>
#include <string.h>

#define SNP_VERSION_MAX   5
#define RESPONSE_HEAD     32
#define QUOTE_VENDOR_AT   12
#define TD_REPORT_DATA_AT 128 /* in a TDREPORT's REPORTMACSTRUCT */
#define PROOF_MAX         (96 * 1024)
#define SNP_VERSION_LIMIT 0x10000 /* a quote has a key type in bytes 2, 3 */

const char *
evidence_kind_name(enum evidence_kind k)
{
	static const char *const names[EVIDENCE_KIND_N] = {
		[EVIDENCE_UNKNOWN] = "unknown",
		[EVIDENCE_SGX] = "sgx",
		[EVIDENCE_TDX] = "tdx",
		[EVIDENCE_SNP] = "snp",
	};

	must(k < EVIDENCE_KIND_N);
	return names[k];
}

const char *
evidence_form_name(enum evidence_form f)
{
	static const char *const names[EVIDENCE_FORM_N] = {
		[AS_QUOTE] = "quote",
		[AS_REPORT] = "snp-report",
		[AS_EXTENDED] = "snp-extended-report",
		[AS_RESPONSE] = "snp-response",
		[AS_HCL] = "hcl-report",
		[AS_PROOF] = "azure-proof",
	};

	must(f < EVIDENCE_FORM_N);
	return names[f];
}

static void
fault(struct evidence *e, enum snp_err err, const char *clause,
    const char *text)
{
	e->err = err;
	(void)why_set(&e->why, ERR_FORMAT, clause, "%s", text);
}

/* --- what is inside --------------------------------------------------- */

static void
take_quote(struct evidence *e, struct span bytes)
{
	struct why why;

	e->bytes = bytes;
	/* The verdict reads it again and says what is wrong with it. */
	e->has_quote = quote_read(bytes, &e->quote, &why) == ERR_OK;
	if (e->has_quote)
		e->kind = e->quote.tee == TEE_TDX ? EVIDENCE_TDX : EVIDENCE_SGX;
}

static void
take_report(struct evidence *e, struct span bytes)
{
	e->kind = EVIDENCE_SNP;
	e->bytes = bytes;
	if (e->err != SNP_OK)
		return;
	e->err = snp_report_read(bytes, SNP_VERSION_MAX, &e->snp, &e->why);
	e->has_snp = e->err == SNP_OK;
}

/* --- the forms -------------------------------------------------------- */

/*
 * A report, alone or with its certificate table directly behind it.  What is
 * shorter than a table's end is no table: the report has a wrong size.
 */
static void
read_report(struct evidence *e, struct span in)
{
	struct span report = in, table = SPAN_NONE;

	e->form = AS_REPORT;
	if (in.len >= SNP_REPORT_LEN + CERT_TABLE_END_LEN) {
		e->form = AS_EXTENDED;
		report = span_of(in.p, SNP_REPORT_LEN);
		table = span_of(in.p + SNP_REPORT_LEN, in.len - SNP_REPORT_LEN);
		if (cert_table_read(table, &e->certs, &e->why) != ERR_OK)
			e->err = SNP_ERR_CERT_FORMAT;
	}
	take_report(e, report);
}

/*
 * STATUS, REPORT_SIZE 1184, 24 reserved bytes (snp-report 7).  Where these are
 * zero a report has its POLICY, one bit of which is always set.
 */
static bool
is_response(struct span in)
{
	uint32_t status, size;
	struct span rest;

	return span_u32le(&in, &status) == ERR_OK &&
	       span_u32le(&in, &size) == ERR_OK && size == SNP_REPORT_LEN &&
	       span_take(&in, 24, &rest) == ERR_OK && span_all(rest, 0);
}

static void
read_response(struct evidence *e, struct span in)
{
	struct span report = SPAN_NONE;
	uint32_t status = 0;

	e->form = AS_RESPONSE;
	must(span_u32le(&in, &status) == ERR_OK &&
	     span_skip(&in, RESPONSE_HEAD - sizeof(status)) == ERR_OK);
	if (status != 0)
		fault(e, SNP_ERR_REPORT_SIZE, "snp-report 7",
		    "the guest device says that it failed");
	else if (span_take(&in, SNP_REPORT_LEN, &report) != ERR_OK ||
		 !span_all(in, 0))
		fault(e, SNP_ERR_REPORT_SIZE, "snp-report 7",
		    "the response is not one report and zeros");
	take_report(e, report);
}

/* The TD report's own report data must be the quote's. */
static void
read_hcl_tdx(struct evidence *e, struct span rest)
{
	while (rest.len > 0 && rest.p[0] == 0)
		must(span_skip(&rest, 1) == ERR_OK);
	if (rest.len == 0) {
		e->kind = EVIDENCE_TDX;
		fault(e, SNP_ERR_HCL_TYPE, "snp-report 10",
		    "a TD report alone proves nothing to others: send the"
		    " quote made of it behind the HCL report");
		return;
	}
	take_quote(e, rest);
	if (e->has_quote && (e->kind != EVIDENCE_TDX ||
				memcmp(e->hcl.report.p + TD_REPORT_DATA_AT,
				    e->quote.td.report_data, 64) != 0))
		fault(e, SNP_ERR_HCL_BINDING, "snp-report 10",
		    "the quote is not of the HCL report's TD report");
}

static void
read_hcl(struct evidence *e, struct span in)
{
	struct span rest;

	e->form = AS_HCL;
	e->err = hcl_read(in, &e->hcl, &e->why);
	if (e->err != SNP_OK)
		return;
	e->has_hcl = true;
	rest = span_of(e->hcl.runtime.p + e->hcl.runtime.len,
	    in.len - (size_t)(e->hcl.runtime.p - in.p) - e->hcl.runtime.len);
	if (e->hcl.report_type == HCL_TDX) {
		read_hcl_tdx(e, rest);
	} else {
		if (e->hcl.report_type != HCL_SNP)
			fault(e, SNP_ERR_HCL_TYPE, "snp-report 10.3 H2",
			    snp_err_text(SNP_ERR_HCL_TYPE));
		else if (!span_all(rest, 0))
			fault(e, SNP_ERR_HCL_FORMAT, "snp-report 10.1",
			    "the padding is not zero");
		take_report(e, e->hcl.report);
	}
	/* H4; the report's own checks follow in the verdict. */
	if (e->err == SNP_OK && evidence_report_data(e) != NULL)
		e->err = hcl_check_binding(&e->hcl, evidence_report_data(e),
		    &e->why);
}

/* A member in base64 of either alphabet, decoded into a buf of its own. */
static bool
proof_member(const json_t *o, const char *name, struct buf *out)
{
	const json_t *v = json_object_get(o, name);

	return json_is_string(v) &&
	       base64_read(span_of(json_string_value(v), json_string_length(v)),
		   out) == ERR_OK;
}

static void
read_proof(struct evidence *e, struct span in)
{
	json_t *o = NULL;

	e->form = AS_PROOF;
	e->kind = EVIDENCE_SNP;
	if (in.len <= PROOF_MAX)
		o = json_loadb((const char *)in.p, in.len,
		    JSON_REJECT_DUPLICATES, NULL);
	if (!proof_member(o, "SnpReport", &e->own[0]) ||
	    !proof_member(o, "VcekCertChain", &e->own[1])) {
		fault(e, SNP_ERR_REPORT_SIZE, "snp-report 11",
		    "no SnpReport and VcekCertChain in base64");
	} else {
		e->pem = buf_view(&e->own[1]);
		take_report(e, buf_view(&e->own[0]));
	}
	json_decref(o);
}

/* --- which one -------------------------------------------------------- */

static bool
is_quote(struct span in)
{
	static const unsigned char vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7,
		0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06,
		0x07 };

	return in.len >= QUOTE_VENDOR_AT + sizeof(vendor) &&
	       memcmp(in.p + QUOTE_VENDOR_AT, vendor, sizeof(vendor)) == 0;
}

static bool
is_report(struct span in)
{
	uint32_t version;

	return span_u32le(&in, &version) == ERR_OK && version > 0 &&
	       version < SNP_VERSION_LIMIT;
}

void
evidence_read(struct span in, struct evidence *out)
{
	memset(out, 0, sizeof(*out));
	if (in.len > EVIDENCE_LEN_MAX)
		take_quote(out, in); /* whose reader says "too big" */
	else if (hcl_is(in))
		read_hcl(out, in);
	else if (is_quote(in))
		take_quote(out, in);
	else if (in.len > 0 && in.p[0] == '{')
		read_proof(out, in);
	else if (is_response(in))
		read_response(out, in);
	else if (in.len == SNP_REPORT_LEN || is_report(in))
		read_report(out, in);
	else
		take_quote(out, in);
}

void
evidence_fini(struct evidence *e)
{
	buf_free(&e->own[0]);
	buf_free(&e->own[1]);
	memset(e, 0, sizeof(*e));
}

enum amd_product
evidence_product(const struct evidence *e)
{
	enum amd_product hint = AMD_PRODUCT_N;

	if (e->certs.has_cpuid1)
		hint = amd_product_of_eax(e->certs.cpuid1);
	return snp_report_product(&e->snp, hint);
}

const unsigned char *
evidence_report_data(const struct evidence *e)
{
	if (e->has_snp)
		return e->snp.report_data;
	if (!e->has_quote)
		return NULL;
	return e->quote.tee == TEE_TDX ? e->quote.td.report_data
				       : e->quote.sgx.report_data;
}
