/* The built-in PCK CAs: whole chains to Intel's root, issuers of real CRLs. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static char intel[] =
    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e";
static char other[] =
    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49f";

static const struct {
	enum pck_ca ca;
	const char *crl; /* below the vectors */
} cas[] = {
	{ PCK_CA_PROCESSOR,
	    "sgx/collateral/sgx-00906ED50000-2025-05/pck_crl.der" },
	{ PCK_CA_PROCESSOR,
	    "sgx/collateral/sgx-00A067110000-2025-06/pck_crl.der" },
	{ PCK_CA_PLATFORM,
	    "sgx/collateral/sgx-00606A000000-2025-08/pck_crl.der" },
};

static struct anchors *
anchors_of(char *hex)
{
	struct anchors *a = NULL;

	ck_assert_int_eq(anchors_read(1, &hex, &a, NULL), ERR_OK);
	return a;
}

static struct chain *
chain_of(enum pck_ca ca)
{
	struct anchors *a = anchors_of(intel);
	struct blob *pem = anchors_intel_pck_ca(a, ca);
	struct chain *chain = NULL;
	struct why why = { 0 };
	enum err e;

	ck_assert_ptr_nonnull(pem);
	e = chain_read(blob_span(pem), CHAIN_PCK_CA, a, NULL, NULL, &chain,
	    &why);
	ck_assert_msg(e == ERR_OK, "%s", why.text);
	ck_assert_int_eq(chain_pck_ca(chain), ca);
	blob_unref(pem);
	anchors_free(a);
	return chain;
}

START_TEST(test_each_is_a_chain_to_intels_root)
{
	struct chain *chain = chain_of(cas[_i].ca);

	ck_assert_uint_eq(chain->n, 2);
	/* 2026-01-01 */
	ck_assert_int_eq(window_check(&chain->window, 1767225600, 0, "chain",
			     NULL),
	    ERR_OK);
	chain_unref(chain);
}
END_TEST

START_TEST(test_other_roots_have_none)
{
	struct anchors *a = anchors_of(other);

	ck_assert_ptr_null(anchors_intel_pck_ca(a, cas[_i].ca));
	anchors_free(a);
}
END_TEST

START_TEST(test_each_signed_a_real_crl)
{
	struct chain *chain = chain_of(cas[_i].ca);
	struct chain *wrong = chain_of(
	    cas[_i].ca == PCK_CA_PLATFORM ? PCK_CA_PROCESSOR : PCK_CA_PLATFORM);
	struct blob *der = vector_read(cas[_i].crl);
	struct crl *crl = NULL;

	ck_assert_ptr_nonnull(der);
	ck_assert_int_eq(crl_read(blob_span(der), chain->x[0], &crl, NULL),
	    ERR_OK);
	crl_unref(crl);
	ck_assert_int_ne(crl_read(blob_span(der), wrong->x[0], &crl, NULL),
	    ERR_OK);
	blob_unref(der);
	chain_unref(chain);
	chain_unref(wrong);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("intel");
	TCase *tc = tcase_create("intel");
	SRunner *sr = srunner_create(s);
	int n = (int)(sizeof(cas) / sizeof(cas[0])), failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, test_each_is_a_chain_to_intels_root, 0, n);
	tcase_add_loop_test(tc, test_other_roots_have_none, 0, n);
	if (vectors_present())
		tcase_add_loop_test(tc, test_each_signed_a_real_crl, 0, n);
	else
		vectors_skipped((unsigned)n);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
