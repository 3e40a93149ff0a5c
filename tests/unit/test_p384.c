/*
 * P-384 by nettle says what OpenSSL says: of honest signatures, of every one
 * changed in a bit, and at the edges of r and s.
 */
#include "storage/verify/verify.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char order[] = "ffffffffffffffffffffffffffffffffffffffffffffffff"
			    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973";

static EVP_PKEY *key;
static struct p384 *fast;
static unsigned char digest[48], sig[96];

/* OpenSSL's word. */
static bool
slow(const unsigned char *d, const unsigned char s[96])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	ECDSA_SIG *e = ECDSA_SIG_new();
	unsigned char *der = NULL;
	bool good;
	int len;

	must(ECDSA_SIG_set0(e, BN_bin2bn(s, 48, NULL),
		 BN_bin2bn(s + 48, 48, NULL)) == 1);
	len = i2d_ECDSA_SIG(e, &der);
	must(len > 0 && EVP_PKEY_verify_init(ctx) == 1);
	good = EVP_PKEY_verify(ctx, der, (size_t)len, d, 48) == 1;
	ERR_clear_error();
	OPENSSL_free(der);
	ECDSA_SIG_free(e);
	EVP_PKEY_CTX_free(ctx);
	return good;
}

static void
setup(void)
{
	EVP_PKEY_CTX *ctx;
	unsigned char der[128];
	const unsigned char *p = der;
	size_t len = sizeof(der);
	ECDSA_SIG *e;

	key = EVP_EC_gen("P-384");
	fast = p384_new(key);
	ck_assert_ptr_nonnull(fast);
	random_bytes(digest, sizeof(digest));
	ctx = EVP_PKEY_CTX_new(key, NULL);
	must(EVP_PKEY_sign_init(ctx) == 1 &&
	     EVP_PKEY_sign(ctx, der, &len, digest, sizeof(digest)) == 1);
	EVP_PKEY_CTX_free(ctx);
	e = d2i_ECDSA_SIG(NULL, &p, (long)len);
	must(BN_bn2binpad(ECDSA_SIG_get0_r(e), sig, 48) == 48 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(e), sig + 48, 48) == 48);
	ECDSA_SIG_free(e);
}

static void
teardown(void)
{
	p384_free(fast);
	EVP_PKEY_free(key);
}

START_TEST(test_honest_signatures_hold)
{
	int i;

	for (i = 0; i < 50; i++) {
		ck_assert(p384_check(fast, digest, sig) && slow(digest, sig));
		teardown();
		setup();
	}
}
END_TEST

START_TEST(test_no_bit_may_change)
{
	unsigned char s[96], d[48];
	size_t i;

	for (i = 0; i < 8 * sizeof(sig); i++) {
		memcpy(s, sig, sizeof(s));
		s[i / 8] ^= (unsigned char)(1u << i % 8);
		ck_assert_msg(!p384_check(fast, digest, s), "bit %zu", i);
	}
	for (i = 0; i < 8 * sizeof(digest); i++) {
		memcpy(d, digest, sizeof(d));
		d[i / 8] ^= (unsigned char)(1u << i % 8);
		ck_assert_msg(!p384_check(fast, d, sig), "bit %zu", i);
	}
}
END_TEST

/* 0, 1, n - 1, n, n + 1, all ones: as r, as s, as both. */
START_TEST(test_edges_of_r_and_s)
{
	unsigned char v[6][48] = { { 0 } }, s[96];
	int i, k;

	v[1][47] = 1;
	for (i = 2; i < 5; i++) {
		must(hex_read(span_str(order), v[i], 48) == ERR_OK);
		v[i][47] = (unsigned char)(v[i][47] + i - 3);
	}
	memset(v[5], 0xff, 48);
	for (i = 0; i < 6; i++)
		for (k = 0; k < 3; k++) {
			memcpy(s, sig, sizeof(s));
			if (k != 1)
				memcpy(s, v[i], 48);
			if (k != 0)
				memcpy(s + 48, v[i], 48);
			ck_assert_msg(!p384_check(fast, digest, s), "%d %d", i,
			    k);
			ck_assert(!slow(digest, s));
		}
}
END_TEST

/* (r, n - s) is as good, for both. */
START_TEST(test_the_other_s)
{
	BIGNUM *n = NULL, *s = BN_bin2bn(sig + 48, 48, NULL);
	unsigned char twin[96];

	memcpy(twin, sig, sizeof(twin));
	must(BN_hex2bn(&n, order) > 0 && BN_sub(s, n, s) == 1 &&
	     BN_bn2binpad(s, twin + 48, 48) == 48);
	ck_assert(p384_check(fast, digest, twin) && slow(digest, twin));
	BN_free(n);
	BN_free(s);
}
END_TEST

START_TEST(test_other_keys_are_refused)
{
	EVP_PKEY *p256 = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
	EVP_PKEY *p521 = EVP_EC_gen("P-521");

	/* A point of P-256 is none of this curve, but for luck beyond it. */
	ck_assert_ptr_null(p384_new(p256));
	ck_assert_ptr_null(p384_new(p521));
	ck_assert_ptr_null(p384_new(rsa));
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p521);
	EVP_PKEY_free(rsa);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("p384");
	TCase *tc = tcase_create("p384");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_honest_signatures_hold);
	tcase_add_test(tc, test_no_bit_may_change);
	tcase_add_test(tc, test_edges_of_r_and_s);
	tcase_add_test(tc, test_the_other_s);
	tcase_add_test(tc, test_other_keys_are_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
