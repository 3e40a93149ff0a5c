/*
 * The soak of tests/bench, by rounds instead of minutes: larderd at its
 * connection cap serves who behaves, counts who does not, and keeps nothing.
 */
#include "tests/kit/run.h"
#include "tests/kit/soak.h"

#include <check.h>

START_TEST(test_abuse_at_the_cap_is_counted_and_leaves_nothing)
{
	struct soak_opts opts = { .rounds = 6 };
	struct soak_result r;

	soak_run(&opts, &r);
	ck_assert_uint_eq(r.bad, 0);
	ck_assert_uint_eq(r.good, 6 * (8 * 17 + 4));
	ck_assert_uint_eq(r.differences, 0);
	ck_assert_uint_le(r.lost, r.refused / 10);
	ck_assert_uint_gt(r.refused, 0);
	ck_assert_int_le(r.fds[1], r.fds[0] + SOAK_FDS);
	/* A sanitizer keeps what was freed. */
	if (run_faketime_fits())
		ck_assert_int_le(r.rss_kb[1], r.rss_kb[0] + SOAK_RSS_KB);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("soak");
	TCase *t = tcase_create("soak");
	SRunner *r = srunner_create(s);
	int failed;

	(void)run_dir();
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_abuse_at_the_cap_is_counted_and_leaves_nothing);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
