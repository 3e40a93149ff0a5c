/*
 * Freshness (caching-and-selection 6, pcs-upstream 7, pccs-api 7).
 */
#include "storage/storage.h"

#include <check.h>

#define T0        ((time_t)1780272000)
#define HOUR      ((time_t)3600)
#define DAY       (24 * HOUR)
#define STALE_MAX (30 * DAY)

static struct coll
record(enum coll_kind kind, time_t issue, time_t next, time_t fetched)
{
	return (struct coll){ .key = { .kind = kind },
		.issue_at = issue,
		.next_update = next,
		.fetched_at = fetched };
}

START_TEST(test_a_month_of_a_tcb_info)
{
	static const struct {
		time_t at;
		enum fresh_state state;
		int max_age;
	} rows[] = {
		{ 0, FRESH_NEW, 86400 },
		{ 12 * HOUR, FRESH_NEW, 12 * 3600 },
		{ DAY - 1, FRESH_NEW, 1 },
		{ DAY, FRESH_DUE, 1 },
		{ 29 * DAY, FRESH_DUE, 1 },
		{ 30 * DAY - 1, FRESH_DUE, 1 },
		{ 30 * DAY, FRESH_STALE, 0 },
		{ 60 * DAY - 1, FRESH_STALE, 0 },
		{ 60 * DAY, FRESH_GONE, 0 },
	};
	struct coll c = record(COLL_TCBINFO, T0, T0 + 30 * DAY, T0);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(fresh_state(&c, STALE_MAX, T0 + rows[i].at),
		    rows[i].state);
		ck_assert_int_eq(fresh_max_age(&c, T0 + rows[i].at),
		    rows[i].max_age);
	}
}
END_TEST

START_TEST(test_without_a_stale_bound_nothing_stale_is_served)
{
	struct coll c = record(COLL_TCBINFO, T0, T0 + 30 * DAY, T0);

	ck_assert_int_eq(fresh_state(&c, 0, T0 + 30 * DAY - 1), FRESH_DUE);
	ck_assert_int_eq(fresh_state(&c, 0, T0 + 30 * DAY), FRESH_GONE);
}
END_TEST

START_TEST(test_due_at_half_of_a_short_validity)
{
	struct coll c = record(COLL_IDENTITY, T0, T0 + 4 * HOUR, T0);

	ck_assert_int_eq(fresh_due_at(&c, 0), T0 + 2 * HOUR);
}
END_TEST

START_TEST(test_what_was_old_when_it_came_is_due_before_it_ends)
{
	/* Fetched with an hour left of thirty days: half of that hour. */
	struct coll c =
	    record(COLL_TCBINFO, T0, T0 + 30 * DAY, T0 + 30 * DAY - HOUR);

	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + HOUR / 2);
	/* Past its end already: soon, but not without pause. */
	c.fetched_at = T0 + 31 * DAY;
	ck_assert_int_gt(fresh_due_at(&c, 0), c.fetched_at);
	ck_assert_int_le(fresh_due_at(&c, 0), c.fetched_at + DAY);
	/* However short the life, a minute between two asks. */
	c = record(COLL_TCBINFO, T0, T0 + 10, T0);
	ck_assert_int_eq(fresh_due_at(&c, 0), T0 + 60);
}
END_TEST

START_TEST(test_crls_near_their_end_are_asked_for_more_often)
{
	time_t end = T0 + 30 * DAY;
	struct coll far = record(COLL_PCK_CRL, T0, end, end - 6 * DAY);
	struct coll near = record(COLL_PCK_CRL, T0, end, end - 4 * DAY);
	struct coll info = record(COLL_TCBINFO, T0, end, end - 4 * DAY);
	struct coll root = record(COLL_ROOT_CRL, T0, end, end - 4 * DAY);

	ck_assert_int_eq(fresh_due_at(&far, 0), far.fetched_at + DAY);
	ck_assert_int_eq(fresh_due_at(&near, 0), near.fetched_at + 4 * HOUR);
	ck_assert_int_eq(fresh_due_at(&root, 0), root.fetched_at + 4 * HOUR);
	ck_assert_int_eq(fresh_due_at(&info, 0), info.fetched_at + DAY);
}
END_TEST

START_TEST(test_jitter_only_comes_earlier)
{
	struct coll c = record(COLL_TCBINFO, T0, T0 + 30 * DAY, T0);
	time_t due = fresh_due_at(&c, 0), last = due + 1;
	int i;

	for (i = 0; i < 10; i++) {
		ck_assert_int_lt(fresh_due_at(&c, i / 10.0), last);
		last = fresh_due_at(&c, i / 10.0);
	}
	ck_assert_int_ge(fresh_due_at(&c, 0.999), T0 + DAY * 9 / 10);
}
END_TEST

START_TEST(test_a_list_without_an_end_gets_a_week)
{
	struct coll c = record(COLL_FMSPCS, T0, 0, T0);

	ck_assert_int_eq(fresh_state(&c, STALE_MAX, T0), FRESH_NEW);
	ck_assert_int_eq(fresh_state(&c, STALE_MAX, T0 + DAY), FRESH_DUE);
	ck_assert_int_eq(fresh_state(&c, STALE_MAX, T0 + 7 * DAY), FRESH_STALE);
	ck_assert_int_eq(fresh_max_age(&c, T0), 86400);
	ck_assert_int_eq(fresh_max_age(&c, T0 + 7 * DAY), 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("fresh");
	TCase *t = tcase_create("fresh");

	tcase_add_test(t, test_a_month_of_a_tcb_info);
	tcase_add_test(t, test_without_a_stale_bound_nothing_stale_is_served);
	tcase_add_test(t, test_due_at_half_of_a_short_validity);
	tcase_add_test(t, test_what_was_old_when_it_came_is_due_before_it_ends);
	tcase_add_test(t, test_crls_near_their_end_are_asked_for_more_often);
	tcase_add_test(t, test_jitter_only_comes_earlier);
	tcase_add_test(t, test_a_list_without_an_end_gets_a_week);
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
