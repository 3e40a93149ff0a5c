#include "upstream/budget.h"

#include <check.h>
#include <stdlib.h>

static const struct budget_limits limits = { .per_minute = 60, .burst = 5 };

/* How many of n come through at this moment. */
static int
take(struct budget *b, uint32_t source, int64_t now_ms, int n)
{
	int64_t wait_ms;
	int got = 0;

	while (n-- > 0)
		got += budget_take(b, &limits, source, now_ms, &wait_ms);
	return got;
}

START_TEST(test_a_burst_then_the_rate)
{
	struct budget *b = budget_new(10);
	int64_t wait_ms;

	ck_assert_int_eq(take(b, 1, 0, 100), 5);
	ck_assert(!budget_take(b, &limits, 1, 0, &wait_ms));
	ck_assert(wait_ms >= 1000 && wait_ms <= 1001);
	ck_assert_int_eq(take(b, 1, 999, 100), 0);
	ck_assert_int_eq(take(b, 1, 1000, 100), 1);
	ck_assert_int_eq(take(b, 1, 3000, 100), 2);
	/* No more than the burst is saved up, and no debt either. */
	ck_assert_int_eq(take(b, 1, 3600000, 100), 5);
	budget_free(b);
}
END_TEST

START_TEST(test_sources_do_not_pay_for_one_another)
{
	struct budget *b = budget_new(10);

	ck_assert_int_eq(take(b, 1, 0, 100), 5);
	ck_assert_int_eq(take(b, 2, 0, 100), 5);
	ck_assert_uint_eq(budget_len(b), 2);
	budget_free(b);
}
END_TEST

START_TEST(test_the_table_is_bounded_and_forgets_the_idle)
{
	struct budget *b = budget_new(3);
	uint32_t source;

	ck_assert_int_eq(take(b, 1, 0, 100), 5);
	for (source = 2; source <= 3; source++)
		ck_assert_int_eq(take(b, source, 0, 1), 1);
	ck_assert_int_eq(take(b, 1, 0, 1), 0); /* asks again: not idle */
	ck_assert_int_eq(take(b, 4, 0, 1), 1); /* 2 is forgotten */
	ck_assert_uint_eq(budget_len(b), 3);
	ck_assert_int_eq(take(b, 1, 0, 1), 0);
	ck_assert_int_eq(take(b, 2, 0, 100), 5);
	budget_free(b);
}
END_TEST

START_TEST(test_a_clock_set_back_gives_nothing)
{
	struct budget *b = budget_new(3);

	ck_assert_int_eq(take(b, 1, 1000000, 100), 5);
	ck_assert_int_eq(take(b, 1, 0, 1), 0);
	ck_assert_int_eq(take(b, 1, 1000, 100), 1);
	budget_free(b);
}
END_TEST

START_TEST(test_without_a_limit_nobody_is_kept)
{
	const struct budget_limits none = { .per_minute = 0, .burst = 1 };
	struct budget *b = budget_new(3);
	int64_t wait_ms;
	int i;

	for (i = 0; i < 100; i++)
		ck_assert(budget_take(b, &none, 1, 0, &wait_ms));
	ck_assert_uint_eq(budget_len(b), 0);
	budget_free(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("budget");
	TCase *t = tcase_create("budget");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_a_burst_then_the_rate);
	tcase_add_test(t, test_sources_do_not_pay_for_one_another);
	tcase_add_test(t, test_the_table_is_bounded_and_forgets_the_idle);
	tcase_add_test(t, test_a_clock_set_back_gives_nothing);
	tcase_add_test(t, test_without_a_limit_nobody_is_kept);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
