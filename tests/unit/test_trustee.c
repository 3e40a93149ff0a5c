/*
 * Names of Trustee's folders and files against what certificates say
 * (amd-kds 8.4), and which of AMD's files is which.
 */
#include "server/cli/trustee.h"

#include "config/base/enc.h"
#include "tests/kit/pki_amd.h"

#include <check.h>
#include <string.h>

static struct pki_amd *pki;

static void
setup(void)
{
	pki = pki_amd_new("trustee", 1780272000);
}

static void
teardown(void)
{
	pki_amd_free(pki);
}

static struct vek *
vek_of(const struct pki_vek *spec)
{
	struct blob *der = pki_vek(pki, spec);
	struct vek *v = NULL;

	ck_assert_int_eq(vek_parse(blob_span(der), &v, NULL), ERR_OK);
	blob_unref(der);
	return v;
}

static struct pki_vek
milan(void)
{
	struct pki_vek spec = { .product = AMD_MILAN,
		.spl = { .bl = 3, .snp = 8, .ucode = 115 } };

	spec.hwid[0] = 0xab;
	spec.hwid[63] = 0xcd;
	return spec;
}

static struct pki_vek
turin(void)
{
	struct pki_vek spec = { .product = AMD_TURIN,
		.spl = { 1, 2, 3, 4, 255 } };

	spec.hwid[7] = 0xef;
	return spec;
}

static void
folder_of(const struct vek *v, char out[2 * AMD_HWID_MAX + 1])
{
	hex_lower(span_of(v->hwid, v->hwid_len), out);
}

START_TEST(test_names_are_written_and_read_back)
{
	struct pki_vek specs[] = { milan(), turin() };
	static const char *const names[] = {
		"bl03_tee00_snp08_ucode115_vcek.der",
		"bl02_tee03_snp04_ucode255_fmc01_vcek.der",
	};
	char name[TRUSTEE_NAME], folder[2 * AMD_HWID_MAX + 1];
	struct vek *v;
	int i;

	for (i = 0; i < 2; i++) {
		v = vek_of(&specs[i]);
		trustee_name(v, name);
		ck_assert_str_eq(name, names[i]);
		folder_of(v, folder);
		ck_assert_uint_eq(strlen(folder), i == 0 ? 128u : 16u);
		ck_assert_int_eq(trustee_check(folder, name, v, NULL), ERR_OK);
		ck_assert_int_eq(trustee_check(folder, "vcek.der", v, NULL),
		    ERR_OK);
		ck_assert_int_eq(trustee_check(folder, names[1 - i], v, NULL),
		    ERR_NOT_ASKED);
		vek_unref(v);
	}
}
END_TEST

START_TEST(test_numbers_may_be_short_or_long_and_hex_in_either_case)
{
	struct pki_vek spec = milan();
	struct vek *v = vek_of(&spec);
	char folder[2 * AMD_HWID_MAX + 1];

	hex_upper(span_of(v->hwid, v->hwid_len), folder);
	ck_assert_int_eq(trustee_check(folder,
			     "bl3_tee0_snp8_ucode115_vcek.der", v, NULL),
	    ERR_OK);
	ck_assert_int_eq(trustee_check(folder,
			     "bl003_tee000_snp008_ucode0115_vcek.der", v, NULL),
	    ERR_OK);
	vek_unref(v);
}
END_TEST

START_TEST(test_any_other_name_is_refused)
{
	static const char *const names[] = { "", "vcek", "vcek.pem", "VCEK.DER",
		"xvcek.der", "bl03_tee00_snp08_ucode115.der",
		"bl03_tee00_snp08_ucode115_vcek.de",
		"bl03_tee00_snp08_ucode115_vcek.derx",
		"bl03_tee00_snp08_ucode115_fmc00_vcek.der",
		"bl03_tee00_snp08_ucode115_fmc_vcek.der",
		"bl03_tee00_snp08_ucode116_vcek.der",
		"bl04_tee00_snp08_ucode115_vcek.der",
		"bl03_tee01_snp08_ucode115_vcek.der",
		"bl03_tee00_snp09_ucode115_vcek.der",
		"bl_tee00_snp08_ucode115_vcek.der",
		"tee00_bl03_snp08_ucode115_vcek.der",
		"bl03_tee00_snp08_ucode371_vcek.der", /* 115 + 256 */
		"bl03_tee00_snp08_ucode4294967411_vcek.der",
		"bl03_tee00_snp08_ucode00000000115_vcek.der",
		"bl-3_tee00_snp08_ucode115_vcek.der",
		"bl03 _tee00_snp08_ucode115_vcek.der" };
	struct pki_vek spec = milan();
	struct vek *v = vek_of(&spec);
	char folder[2 * AMD_HWID_MAX + 1];
	struct why why;
	size_t i;

	folder_of(v, folder);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		why = (struct why){ 0 };
		ck_assert_msg(trustee_check(folder, names[i], v, &why) ==
				  ERR_NOT_ASKED,
		    "%s", names[i]);
		ck_assert_int_eq(why.err, ERR_NOT_ASKED);
	}
	vek_unref(v);
}
END_TEST

START_TEST(test_the_folder_is_the_certificates_chip)
{
	struct pki_vek spec = milan();
	struct vek *v = vek_of(&spec);
	char folder[2 * AMD_HWID_MAX + 1];

	folder_of(v, folder);
	folder[127] ^= 1;
	ck_assert_int_eq(trustee_check(folder, "vcek.der", v, NULL),
	    ERR_NOT_ASKED);
	folder_of(v, folder);
	folder[126] = '\0';
	ck_assert_int_eq(trustee_check(folder, "vcek.der", v, NULL),
	    ERR_NOT_ASKED);
	ck_assert_int_eq(trustee_check("", "vcek.der", v, NULL), ERR_NOT_ASKED);
	vek_unref(v);
	spec = (struct pki_vek){ .product = AMD_MILAN, .side = AMD_VLEK };
	v = vek_of(&spec);
	ck_assert_int_eq(trustee_check("", "vcek.der", v, NULL), ERR_NOT_ASKED);
	vek_unref(v);
}
END_TEST

/* --- which file is which ---------------------------------------------- */

static enum err
object(struct span file, enum amd_side crl_side, const char *key)
{
	struct why why = { 0 };
	json_t *o = NULL;
	enum err e;

	ck_assert(bundle_is_amd(file));
	if ((e = bundle_amd(file, crl_side, &o, &why)) == ERR_OK)
		ck_assert_str_eq(json_string_value(json_object_get(o, "key")),
		    key);
	json_decref(o);
	return e;
}

START_TEST(test_each_file_is_known_by_what_is_in_it)
{
	static const struct pki_amd_chain chains[] = {
		{ .product = AMD_TURIN, .side = AMD_VCEK },
		{ .product = AMD_GENOA, .side = AMD_VLEK },
	};
	static const char *const chain_keys[] = { "amdchain/vcek/Turin",
		"amdchain/vlek/Genoa" };
	struct pki_amd_crl crl = { .product = AMD_MILAN };
	struct pki_vek vlek = { .product = AMD_MILAN, .side = AMD_VLEK };
	struct buf pem = BUF_INIT;
	struct blob *b;
	int i;

	for (i = 0; i < 2; i++) {
		b = pki_amd_chain(pki, &chains[i]);
		ck_assert_int_eq(object(blob_span(b), AMD_VCEK, chain_keys[i]),
		    ERR_OK);
		blob_unref(b);
	}
	/* Behind its first block it may be anything; a bundle holds text. */
	b = pki_amd_chain(pki, &chains[0]);
	b->data[b->len - 40] = 0xff;
	ck_assert_int_eq(object(blob_span(b), AMD_VCEK, ""), ERR_FORMAT);
	blob_unref(b);
	b = pki_amd_crl(pki, &crl);
	ck_assert_int_eq(object(blob_span(b), AMD_VCEK, "amdcrl/vcek/Milan"),
	    ERR_OK);
	ck_assert_int_eq(object(blob_span(b), AMD_VLEK, "amdcrl/vlek/Milan"),
	    ERR_OK);
	blob_unref(b);
	b = pki_vek(pki, &vlek);
	pem_write(&pem, "CERTIFICATE", blob_span(b));
	ck_assert_int_eq(object(blob_span(b), AMD_VCEK,
			     "vek/vlek/Milan/CN=cc-test.example.com/"
			     "0000000000000000"),
	    ERR_OK);
	ck_assert_int_eq(object(buf_view(&pem), AMD_VCEK,
			     "vek/vlek/Milan/CN=cc-test.example.com/"
			     "0000000000000000"),
	    ERR_OK);
	/* Cut short it is nothing. */
	ck_assert_int_ne(object(span_of(b->data, b->len - 1), AMD_VCEK, ""),
	    ERR_OK);
	ck_assert_int_ne(object(span_of(pem.p, pem.len - 30), AMD_VCEK, ""),
	    ERR_OK);
	buf_free(&pem);
	blob_unref(b);
}
END_TEST

START_TEST(test_documents_are_not_taken_for_certificates)
{
	static const char *const texts[] = { "", " ", "{}",
		" {\"chain\":\"-----BEGIN CERTIFICATE-----\"}", "[]",
		"-----BEGIN X509 CRL-----", "hello" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert(!bundle_is_amd(span_str(texts[i])));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("trustee");
	TCase *t = tcase_create("trustee");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_names_are_written_and_read_back);
	tcase_add_test(t,
	    test_numbers_may_be_short_or_long_and_hex_in_either_case);
	tcase_add_test(t, test_any_other_name_is_refused);
	tcase_add_test(t, test_the_folder_is_the_certificates_chip);
	tcase_add_test(t, test_each_file_is_known_by_what_is_in_it);
	tcase_add_test(t, test_documents_are_not_taken_for_certificates);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
