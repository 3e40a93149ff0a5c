#include "server/caps.h"

#include <check.h>
#include <stdlib.h>

static struct caps *
fresh(void)
{
	struct caps *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	return c;
}

START_TEST(test_the_total_is_kept_and_then_shed_and_then_refused)
{
	struct caps *c = fresh();
	int i;

	for (i = 0; i < 80; i++)
		ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_SERVE);
	for (i = 0; i < 18; i++) /* an eighth, and eight */
		ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_SHED);
	ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_REFUSE);
	ck_assert_uint_eq(caps_total(c), 98);
	/* room again: whoever comes next is served */
	caps_leave(c, false, 7);
	ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_SERVE);
	caps_leave(c, true, 7);
	ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_SHED);
	ck_assert_int_eq(caps_admit(c, 80, 1000, 7), ADMIT_REFUSE);
	free(c);
}
END_TEST

START_TEST(test_one_source_does_not_take_the_place_of_others)
{
	struct caps *c = fresh();
	int i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(caps_admit(c, 100, 10, 12345), ADMIT_SERVE);
	ck_assert_int_eq(caps_admit(c, 100, 10, 12345), ADMIT_SHED);
	ck_assert_int_eq(caps_admit(c, 100, 10, 54321 * 8192u), ADMIT_SERVE);
	/* exempt: unix sockets */
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(caps_admit(c, 100, 10, 0), ADMIT_SERVE);
	/* a shed connection's end gives its source nothing back */
	caps_leave(c, true, 12345);
	ck_assert_int_eq(caps_admit(c, 100, 10, 12345), ADMIT_SHED);
	caps_leave(c, false, 12345);
	ck_assert_int_eq(caps_admit(c, 100, 10, 12345), ADMIT_SERVE);
	free(c);
}
END_TEST

START_TEST(test_the_last_one_is_noticed)
{
	struct caps *c = fresh();

	caps_admit(c, 2, 2, 5);
	caps_admit(c, 2, 2, 5);
	caps_admit(c, 2, 2, 5);
	ck_assert(!caps_leave(c, false, 5));
	ck_assert(caps_leave(c, false, 5));
	ck_assert(caps_leave(c, true, 5));
	ck_assert_uint_eq(caps_total(c), 0);
	ck_assert_uint_eq(atomic_load(&c->slot[0][5]), 0);
	ck_assert_uint_eq(atomic_load(&c->slot[1][0]), 0);
	free(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("caps");
	TCase *tc = tcase_create("caps");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc,
	    test_the_total_is_kept_and_then_shed_and_then_refused);
	tcase_add_test(tc, test_one_source_does_not_take_the_place_of_others);
	tcase_add_test(tc, test_the_last_one_is_noticed);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
