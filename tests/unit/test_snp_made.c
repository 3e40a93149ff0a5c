/*
 * Made SEV-SNP evidence against the checks of server/appraise: every version,
 * product and kind of key passes, what real vectors do not show fails by its
 * name, and the wrappings are read back.
 */
#include "tests/kit/snp_made.h"

#include "config/base/must.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW ((time_t)1790000000)

static struct pki_amd *pki;
static struct amd_anchors pins;

static void
setup(void)
{
	pki = pki_amd_new("test", NOW);
	pins = pki_amd_anchors();
}

static void
teardown(void)
{
	pki_amd_free(pki);
	pki_amd_anchors_drop(&pins);
}

/* --- one signer with all that vouches for it ---------------------------- */

struct signer {
	struct pki_vek v;
	struct vek *vek;
	struct amd_chain *chain;
	struct amd_crl *crl;
};

static struct signer
signer(enum amd_product product, enum amd_side side)
{
	struct signer s = {
		.v = { .product = product,
		    .side = side,
		    .spl = { product == AMD_TURIN, 4, 1, 24, 219 } }
	};
	struct pki_amd_chain c = { .product = product, .side = side };
	struct pki_amd_crl l = { .product = product, .side = side };
	X509 *ark = pki_amd_x509(pki, product, PKI_ARK);
	struct blob *pem, *crl, *der;

	memset(s.v.hwid, 0x5a, amd_hwid_len(product));
	pem = pki_amd_chain(pki, &c);
	crl = pki_amd_crl(pki, &l);
	der = pki_vek(pki, &s.v);
	must(amd_chain_read(blob_span(pem), product, side, &pins, &s.chain,
		 NULL) == ERR_OK);
	must(
	    amd_crl_read(blob_span(crl), product, ark, &s.crl, NULL) == ERR_OK);
	must(vek_read(blob_span(der), s.chain, &s.vek, NULL) == ERR_OK);
	blob_unref(pem);
	blob_unref(crl);
	blob_unref(der);
	return s;
}

static void
signer_drop(struct signer *s)
{
	vek_unref(s->vek);
	amd_chain_unref(s->chain);
	amd_crl_unref(s->crl);
}

static enum snp_err
judge(const struct signer *s, struct span bytes)
{
	struct snp_collateral c = { .vek = s->vek,
		.chain = s->chain,
		.crl = s->crl,
		.crl_required = true };
	struct snp_verdict v;
	struct snp_report r;
	enum snp_err e = snp_report_read(bytes, 5, &r, NULL);

	if (e != SNP_OK)
		return e;
	snp_verify(&r, bytes, AMD_PRODUCT_N, &c, NOW, &v);
	return v.err;
}

static enum snp_err
judge_made(const struct signer *s, const struct snp_report *r)
{
	struct blob *b = snp_made(pki, &s->v, r);
	enum snp_err e = judge(s, blob_span(b));

	blob_unref(b);
	return e;
}

static void
expect(enum snp_err got, enum snp_err want)
{
	ck_assert_str_eq(snp_err_name(got), snp_err_name(want));
}

/* --- reports ------------------------------------------------------------ */

START_TEST(test_every_version_passes_and_its_twin_does_not)
{
	struct signer s = signer((enum amd_product)(_i % AMD_PRODUCT_N),
	    _i < AMD_PRODUCT_N ? AMD_VCEK : AMD_VLEK);
	unsigned char bytes[SNP_REPORT_LEN];
	struct span view = span_of(bytes, sizeof(bytes));
	struct snp_report r, back;
	uint32_t version;

	for (version = 2; version <= 5; version++) {
		r = snp_made_report(&s.v, version);
		snp_made_write(&r, bytes);
		snp_made_sign(pki, &s.v, bytes);
		expect(judge(&s, view), SNP_OK);
		expect(snp_report_read(view, 5, &back, NULL), SNP_OK);
		ck_assert_uint_eq(back.policy, r.policy);
		ck_assert_mem_eq(back.report_id_ma, r.report_id_ma, 32);
		ck_assert_uint_eq(back.current.minor, 55);
		ck_assert_uint_eq(back.current_mit_vector,
		    version == 5 ? 0x3F : 0);
		bytes[0x090] ^= 1;
		expect(judge(&s, view), SNP_ERR_SIGNATURE);
	}
	signer_drop(&s);
}
END_TEST

START_TEST(test_what_real_vectors_do_not_show)
{
	struct signer s = signer(AMD_MILAN, AMD_VCEK);
	struct signer other = signer(AMD_MILAN, AMD_VLEK);
	struct pki_amd_crl l = { .product = AMD_MILAN,
		.lie = AMD_LISTS_ISSUER };
	struct snp_report r = snp_made_report(&s.v, 3);
	struct amd_crl *listed = NULL, *honest = s.crl;
	struct blob *der = pki_amd_crl(pki, &l);

	/* Signed, and the chip's name masked: the key says which it is. */
	memset(r.chip_id, 0, sizeof(r.chip_id));
	expect(judge_made(&s, &r), SNP_OK);
	/* A report truly signed by a chip that says it is another. */
	memset(r.chip_id, 0x5b, sizeof(r.chip_id));
	expect(judge_made(&s, &r), SNP_ERR_HWID_MISMATCH);
	r = snp_made_report(&s.v, 3);
	r.reported_tcb.b[7]--;
	expect(judge_made(&s, &r), SNP_ERR_TCB_MISMATCH);
	r = snp_made_report(&s.v, 3);
	r.cpuid_fam = 0x1A;
	expect(judge_made(&s, &r), SNP_ERR_CHAIN);
	r = snp_made_report(&s.v, 3);
	r.policy |= SNP_POLICY_DEBUG;
	r.platform_info = ~0ULL;
	r.vmpl = 0xffffffff;
	expect(judge_made(&s, &r), SNP_OK); /* policy is not judged here */
	expect(judge_made(&other, &r), SNP_ERR_KEY_KIND_MISMATCH);
	must(amd_crl_read(blob_span(der), AMD_MILAN, s.chain->ark, &listed,
		 NULL) == ERR_OK);
	s.crl = listed;
	expect(judge_made(&s, &r), SNP_ERR_REVOKED);
	s.crl = honest;
	expect(judge_made(&s, &r), SNP_OK);
	amd_crl_unref(listed);
	blob_unref(der);
	signer_drop(&s);
	signer_drop(&other);
}
END_TEST

/* --- wrappings ---------------------------------------------------------- */

START_TEST(test_tables_are_read_back)
{
	struct cert_table t = { .has_cpuid1 = true,
		.cpuid1 = 0x00A00F11,
		.n_swapped = (unsigned)_i };
	struct cert_table back;
	struct blob *b;

	t.slot[CERT_VCEK] = span_str("first");
	t.slot[CERT_CRL] = span_str("second, longer");
	b = snp_made_table(&t);
	ck_assert_int_eq(cert_table_read(blob_span(b), &back, NULL), ERR_OK);
	ck_assert(span_eq_str(back.slot[CERT_VCEK], "first"));
	ck_assert(span_eq_str(back.slot[CERT_CRL], "second, longer"));
	ck_assert_ptr_null(back.slot[CERT_ARK].p);
	ck_assert(back.has_cpuid1);
	ck_assert_uint_eq(back.cpuid1, 0x00A00F11);
	ck_assert_uint_eq(back.n_swapped, _i == 0 ? 0 : 3);
	ck_assert_int_ne(cert_table_read(span_of(b->data, b->len - 1), &back,
			     NULL),
	    ERR_OK);
	blob_unref(b);
}
END_TEST

START_TEST(test_extended_reports_carry_their_chain)
{
	struct signer s = signer(AMD_TURIN, _i == 0 ? AMD_VCEK : AMD_VLEK);
	struct snp_report r = snp_made_report(&s.v, 5);
	struct blob *b = snp_made_extended(pki, &s.v, &r);
	struct vek *vek = NULL;
	struct cert_table t;

	expect(judge(&s, span_of(b->data, SNP_REPORT_LEN)), SNP_OK);
	ck_assert_int_eq(cert_table_read(span_of(b->data + SNP_REPORT_LEN,
					     b->len - SNP_REPORT_LEN),
			     &t, NULL),
	    ERR_OK);
	ck_assert_int_eq(vek_read(t.slot[_i == 0 ? CERT_VCEK : CERT_VLEK],
			     s.chain, &vek, NULL),
	    ERR_OK);
	ck_assert_int_eq(EVP_PKEY_eq(vek->key, s.vek->key), 1);
	ck_assert_ptr_nonnull(t.slot[CERT_ASK].p);
	ck_assert_ptr_nonnull(t.slot[CERT_ARK].p);
	vek_unref(vek);
	blob_unref(b);
	signer_drop(&s);
}
END_TEST

START_TEST(test_responses_and_hcl_hold_the_report)
{
	struct signer s = signer(AMD_MILAN, AMD_VCEK);
	struct snp_report r = snp_made_report(&s.v, 2);
	struct snp_made_hcl h = { .hash = (uint32_t)_i };
	struct blob *report, *answer, *hcl;
	struct hcl back;

	snp_made_bind(span_str(SNP_MADE_RUNTIME), h.hash, r.report_data);
	report = snp_made(pki, &s.v, &r);
	answer = snp_made_response(blob_span(report), 0);
	ck_assert_uint_eq(answer->len, 4000);
	ck_assert_mem_eq(answer->data + 0x20, report->data, report->len);
	h.report = blob_span(report);
	hcl = snp_made_hcl(&h);
	expect(hcl_read(blob_span(hcl), &back, NULL), SNP_OK);
	ck_assert(span_eq(back.report, blob_span(report)));
	ck_assert(span_eq_str(back.runtime, SNP_MADE_RUNTIME));
	ck_assert_uint_eq(back.report_type, HCL_SNP);
	expect(hcl_check_binding(&back, r.report_data, NULL), SNP_OK);
	r.report_data[0] ^= 1;
	expect(hcl_check_binding(&back, r.report_data, NULL),
	    SNP_ERR_HCL_BINDING);
	blob_unref(hcl);
	h.claim = 5000;
	hcl = snp_made_hcl(&h);
	expect(hcl_read(blob_span(hcl), &back, NULL), SNP_ERR_HCL_FORMAT);
	blob_unref(hcl);
	blob_unref(answer);
	blob_unref(report);
	signer_drop(&s);
}
END_TEST

int
main(void)
{
	TCase *made = tcase_create("made");
	Suite *s = suite_create("snp_made");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(made, setup, teardown);
	tcase_add_loop_test(made,
	    test_every_version_passes_and_its_twin_does_not, 0,
	    2 * AMD_PRODUCT_N);
	tcase_add_test(made, test_what_real_vectors_do_not_show);
	tcase_add_loop_test(made, test_tables_are_read_back, 0, 2);
	tcase_add_loop_test(made, test_extended_reports_carry_their_chain, 0,
	    2);
	tcase_add_loop_test(made, test_responses_and_hcl_hold_the_report, 0, 4);
	suite_add_tcase(s, made);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
