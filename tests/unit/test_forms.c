/*
 * Which evidence some bytes are: each form it arrives in, and each form with
 * something wrong with its wrapping.
 */
#include "server/appraise/evidence.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000

static struct pki_amd *amd;
static const struct pki_vek milan = { .product = AMD_MILAN,
	.spl = { .bl = 4, .tee = 0, .snp = 24, .ucode = 219 },
	.hwid = { 1, 2, 3 } };

static void
setup(void)
{
	amd = pki_amd_new("forms", NOW);
}

static void
teardown(void)
{
	pki_amd_free(amd);
}

static struct blob *
report(void)
{
	struct snp_report r = snp_made_report(&milan, 3);

	return snp_made(amd, &milan, &r);
}

/* What the bytes are taken for; the blob's reference is stolen. */
static void
expect_blob(struct blob *b, enum evidence_form form, enum evidence_kind kind,
    enum snp_err err)
{
	struct evidence e;

	evidence_read(blob_span(b), &e);
	ck_assert_str_eq(evidence_form_name(e.form), evidence_form_name(form));
	ck_assert_str_eq(evidence_kind_name(e.kind), evidence_kind_name(kind));
	ck_assert_str_eq(snp_err_name(e.err), snp_err_name(err));
	ck_assert(err == SNP_OK || e.why.text[0] != '\0');
	evidence_fini(&e);
	blob_unref(b);
}

/* The blob with these bytes behind it; its reference is stolen. */
static struct blob *
with_behind(struct blob *b, struct span behind)
{
	struct buf out = BUF_INIT;

	buf_span(&out, blob_span(b));
	buf_span(&out, behind);
	blob_unref(b);
	return buf_blob(&out);
}

static struct blob *
set_byte(struct blob *b, size_t at, unsigned char v)
{
	struct blob *out = blob_new(b->data, b->len);

	out->data[at] = v;
	blob_unref(b);
	return out;
}

START_TEST(test_reports)
{
	struct snp_report r = snp_made_report(&milan, 3);
	struct blob *b;

	expect_blob(report(), AS_REPORT, EVIDENCE_SNP, SNP_OK);
	b = report();
	expect_blob(blob_new(b->data, b->len - 1), AS_REPORT, EVIDENCE_SNP,
	    SNP_ERR_REPORT_SIZE);
	expect_blob(set_byte(b, 0, 1), AS_REPORT, EVIDENCE_SNP,
	    SNP_ERR_REPORT_VERSION);
	expect_blob(set_byte(report(), 0x4c, 1), AS_REPORT, EVIDENCE_SNP,
	    SNP_ERR_REPORT_RESERVED);
	expect_blob(snp_made_extended(amd, &milan, &r), AS_EXTENDED,
	    EVIDENCE_SNP, SNP_OK);
	/* A table of one zero entry, and one that does not end. */
	expect_blob(with_behind(report(), span_of((char[24]){ 0 }, 24)),
	    AS_EXTENDED, EVIDENCE_SNP, SNP_OK);
	expect_blob(with_behind(report(), span_str("twenty-four octets here.")),
	    AS_EXTENDED, EVIDENCE_SNP, SNP_ERR_CERT_FORMAT);
	/* Too little to be one: it is a report of a wrong size. */
	expect_blob(with_behind(report(), span_str("x")), AS_REPORT,
	    EVIDENCE_SNP, SNP_ERR_REPORT_SIZE);
	expect_blob(with_behind(report(), span_of((char[23]){ 0 }, 23)),
	    AS_REPORT, EVIDENCE_SNP, SNP_ERR_REPORT_SIZE);
}
END_TEST

START_TEST(test_responses)
{
	struct blob *r = report(), *b;

	expect_blob(snp_made_response(blob_span(r), 0), AS_RESPONSE,
	    EVIDENCE_SNP, SNP_OK);
	b = snp_made_response(blob_span(r), 0);
	expect_blob(set_byte(b, b->len - 1, 1), AS_RESPONSE, EVIDENCE_SNP,
	    SNP_ERR_REPORT_SIZE);
	b = snp_made_response(blob_span(r), 0);
	expect_blob(blob_new(b->data, 1000), AS_RESPONSE, EVIDENCE_SNP,
	    SNP_ERR_REPORT_SIZE);
	blob_unref(b);
	/* A device that failed has no report. */
	b = snp_made_response(blob_span(r), 0x16);
	expect_blob(b, AS_RESPONSE, EVIDENCE_SNP, SNP_ERR_REPORT_SIZE);
	blob_unref(r);
}
END_TEST

/* A report that binds the runtime data, in its wrapper. */
static struct blob *
hcl(uint32_t type, uint32_t hash)
{
	struct snp_report r = snp_made_report(&milan, 3);
	struct snp_made_hcl h = { .type = type, .hash = hash };
	struct blob *inside, *out;

	snp_made_bind(span_str(SNP_MADE_RUNTIME), hash, r.report_data);
	inside = snp_made(amd, &milan, &r);
	h.report = blob_span(inside);
	out = snp_made_hcl(&h);
	blob_unref(inside);
	return out;
}

START_TEST(test_hcl_around_a_report)
{
	struct blob *b;

	expect_blob(hcl(HCL_SNP, 1), AS_HCL, EVIDENCE_SNP, SNP_OK);
	expect_blob(hcl(HCL_SNP, 2), AS_HCL, EVIDENCE_SNP, SNP_OK);
	expect_blob(hcl(HCL_SNP, 3), AS_HCL, EVIDENCE_SNP, SNP_OK);
	expect_blob(hcl(HCL_TVM, 1), AS_HCL, EVIDENCE_SNP, SNP_ERR_HCL_TYPE);
	b = hcl(HCL_SNP, 1); /* a bit of the runtime data */
	expect_blob(set_byte(b, 0x4D4 + 5, 'X'), AS_HCL, EVIDENCE_SNP,
	    SNP_ERR_HCL_BINDING);
	b = hcl(HCL_SNP, 1);
	expect_blob(set_byte(b, b->len - 1, 1), AS_HCL, EVIDENCE_SNP,
	    SNP_ERR_HCL_FORMAT);
	b = hcl(HCL_SNP, 1);
	expect_blob(set_byte(b, 0x4CC, 4), AS_HCL, EVIDENCE_UNKNOWN,
	    SNP_ERR_HCL_HASH);
	b = hcl(HCL_SNP, 1);
	expect_blob(set_byte(b, 0x4D3, 0xff), AS_HCL, EVIDENCE_UNKNOWN,
	    SNP_ERR_HCL_FORMAT);
}
END_TEST

/* An HCL report of type TDX, its TD report, and behind it this quote. */
static struct blob *
hcl_tdx(const unsigned char data[64], struct span quote)
{
	unsigned char td[1024] = { 0x81 };
	struct snp_made_hcl h = { .report = span_of(td, sizeof(td)),
		.type = HCL_TDX,
		.hash = 1 };

	memcpy(td + 128, data, 64);
	return with_behind(snp_made_hcl(&h), quote);
}

START_TEST(test_hcl_around_a_td_report)
{
	struct pki *pki = pki_new("forms", NOW);
	unsigned char body[584] = { 0 }, other[64] = { 9 };
	struct kit_quote k = { .version = 4,
		.tee = TEE_TDX,
		.body = body,
		.pck = { .ca = PCK_CA_PLATFORM } };
	struct kit_quote sgx = { .version = 3,
		.tee = TEE_SGX,
		.pck = { .ca = PCK_CA_PLATFORM } };
	struct blob *quote, *wrong, *unbound;

	snp_made_bind(span_str(SNP_MADE_RUNTIME), 1, body + 520);
	quote = kit_quote(pki, &k);
	wrong = kit_quote(pki, &sgx);
	expect_blob(hcl_tdx(body + 520, blob_span(quote)), AS_HCL, EVIDENCE_TDX,
	    SNP_OK);
	expect_blob(hcl_tdx(body + 520, SPAN_NONE), AS_HCL, EVIDENCE_TDX,
	    SNP_ERR_HCL_TYPE);
	/* A quote of another TD report, or none of a TD at all. */
	expect_blob(hcl_tdx(other, blob_span(quote)), AS_HCL, EVIDENCE_TDX,
	    SNP_ERR_HCL_BINDING);
	expect_blob(hcl_tdx(body + 520, blob_span(wrong)), AS_HCL, EVIDENCE_SGX,
	    SNP_ERR_HCL_BINDING);
	/* Runtime data that neither of them binds. */
	memcpy(body + 520, other, 64);
	unbound = kit_quote(pki, &k);
	expect_blob(hcl_tdx(other, blob_span(unbound)), AS_HCL, EVIDENCE_TDX,
	    SNP_ERR_HCL_BINDING);
	blob_unref(unbound);
	blob_unref(quote);
	blob_unref(wrong);
	pki_free(pki);
}
END_TEST

static struct blob *
proof(const char *report_name, const char *chain_name, struct span r)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "{\"%s\":\"", report_name);
	buf_base64url(&b, r);
	buf_printf(&b, "\",\"%s\":\"", chain_name);
	buf_base64(&b, span_str("-----BEGIN CERTIFICATE-----\n"));
	buf_str(&b, "\"}");
	return buf_blob(&b);
}

START_TEST(test_proofs)
{
	struct blob *r = report();

	expect_blob(proof("SnpReport", "VcekCertChain", blob_span(r)), AS_PROOF,
	    EVIDENCE_SNP, SNP_OK);
	expect_blob(proof("SnpReport", "VcekCertChain", span_str("short")),
	    AS_PROOF, EVIDENCE_SNP, SNP_ERR_REPORT_SIZE);
	expect_blob(proof("Report", "VcekCertChain", blob_span(r)), AS_PROOF,
	    EVIDENCE_SNP, SNP_ERR_REPORT_SIZE);
	expect_blob(blob_new("{", 1), AS_PROOF, EVIDENCE_SNP,
	    SNP_ERR_REPORT_SIZE);
	blob_unref(r);
}
END_TEST

START_TEST(test_what_is_nothing_is_an_unreadable_quote)
{
	static char zeros[EVIDENCE_LEN_MAX + 1];

	expect_blob(blob_new("", 0), AS_QUOTE, EVIDENCE_UNKNOWN, SNP_OK);
	expect_blob(blob_new("nothing of the kind", 19), AS_QUOTE,
	    EVIDENCE_UNKNOWN, SNP_OK);
	expect_blob(blob_new(zeros, sizeof(zeros)), AS_QUOTE, EVIDENCE_UNKNOWN,
	    SNP_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("forms");
	TCase *tc = tcase_create("forms");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_reports);
	tcase_add_test(tc, test_responses);
	tcase_add_test(tc, test_hcl_around_a_report);
	tcase_add_test(tc, test_hcl_around_a_td_report);
	tcase_add_test(tc, test_proofs);
	tcase_add_test(tc, test_what_is_nothing_is_an_unreadable_quote);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
