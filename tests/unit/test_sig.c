/* Signatures under a bare point of P-256, and what is none. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/kit/pki_int.h"

#include <check.h>
#include <openssl/evp.h>
#include <string.h>

START_TEST(test_points_are_on_the_curve_or_no_keys)
{
	struct pki *pki = pki_new("test", 1780272000);
	EVP_PKEY *key = pki_derive(pki, "any"), *wrong = pki_key(pki, PKI_ROOT);
	unsigned char point[65], other[65], bad[64], sig[64];
	struct span bytes = span_str("what is signed");
	struct why why = { 0 };
	size_t len;
	int i;

	must(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point),
		 &len) == 1 &&
	     EVP_PKEY_get_octet_string_param(wrong, "pub", other, sizeof(other),
		 &len) == 1);
	pki_sign(key, bytes, sig);
	ck_assert_int_eq(sig_check_point(bytes, sig, point + 1, &why), ERR_OK);
	ck_assert_int_eq(sig_check_point(bytes, sig, other + 1, &why),
	    ERR_BADSIG);
	for (i = 0; i < 64; i++) {
		memcpy(bad, point + 1, 64);
		bad[i] ^= 1;
		ck_assert_int_eq(sig_check_point(bytes, sig, bad, &why),
		    ERR_RANGE);
		/* What was no key leaves nothing behind. */
		ck_assert_int_eq(sig_check_point(bytes, sig, point + 1, &why),
		    ERR_OK);
		memcpy(bad, sig, 64);
		bad[i] ^= 1;
		ck_assert_int_eq(sig_check_point(bytes, bad, point + 1, &why),
		    ERR_BADSIG);
	}
	memset(bad, 0, 64);
	ck_assert_int_eq(sig_check_point(bytes, sig, bad, &why), ERR_RANGE);
	memset(bad, 0xff, 64);
	ck_assert_int_eq(sig_check_point(bytes, sig, bad, &why), ERR_RANGE);
	EVP_PKEY_free(key);
	pki_free(pki);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("sig");
	TCase *t = tcase_create("points");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_points_are_on_the_curve_or_no_keys);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
