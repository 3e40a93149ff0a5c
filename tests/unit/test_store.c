/*
 * The store thread: admission, rollback, revocation, restart, tampering.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "");
}

static void
teardown(void)
{
	kit_fini(k);
}

START_TEST(test_an_admitted_object_is_in_the_snapshot_and_survives)
{
	struct coll_key key =
	    key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);
	struct coll *c;

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_ptr_ne(k->coll, NULL);
	ck_assert_ptr_eq(kit_held(k, &key), k->coll);
	ck_assert(!k->coll->revocation_unchecked);
	kit_reopen(k);
	c = kit_held(k, &key);
	ck_assert_ptr_ne(c, NULL);
	ck_assert_str_eq(c->source, "https://pcs.test");
	ck_assert_int_eq(c->eval_num, 17);
	ck_assert(!c->revocation_unchecked);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    test_an_admitted_object_is_in_the_snapshot_and_survives);
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
