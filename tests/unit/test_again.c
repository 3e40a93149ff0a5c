#include "upstream/again.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int64_t
note(struct again *a, const char *name, enum err e, int64_t now_ms)
{
	struct why why = { 0 };

	(void)why_set(&why, e, "test", "said at %lld", (long long)now_ms);
	return again_note(a, name, &why, now_ms, 0);
}

static const struct {
	enum err e;
	int64_t gap_ms; /* 0: nobody was asked */
} gaps[] = {
	{ ERR_OK, AGAIN_GAP_MS },
	{ ERR_UP_ABSENT, AGAIN_GAP_MS },
	{ ERR_UP_REFUSED, AGAIN_GAP_MS },
	{ ERR_UP_THROTTLED, AGAIN_GAP_MS },
	{ ERR_UP_ERROR, AGAIN_GAP_MS },
	{ ERR_UP_DOWN, AGAIN_GAP_MS },
	{ ERR_UP_SLOW, AGAIN_GAP_MS },
	{ ERR_BADSIG, AGAIN_GATE_MS },
	{ ERR_FORMAT, AGAIN_GATE_MS },
	{ ERR_NOT_ASKED, AGAIN_GATE_MS },
	{ ERR_TOO_BIG, AGAIN_GATE_MS },
	{ ERR_REVOKED, AGAIN_GATE_MS },
	{ ERR_UP_CLOSED, 0 },
	{ ERR_SHED, 0 },
};

START_TEST(test_each_end_has_its_gap)
{
	struct again *a = again_new(4);
	const struct why *why = NULL;
	int64_t gap = gaps[_i].gap_ms;

	ck_assert_int_eq(note(a, "x", gaps[_i].e, 1000),
	    gap == 0 ? 0 : 1000 + gap);
	ck_assert_int_eq(again_at(a, "y", 1000, &why), 0);
	ck_assert_int_eq(again_at(a, "x", 1000 + gap, &why), 0);
	if (gap != 0) {
		ck_assert_int_eq(again_at(a, "x", 999 + gap, &why), 1000 + gap);
		ck_assert_int_eq(why->err,
		    gaps[_i].e == ERR_OK ? ERR_UP_THROTTLED : gaps[_i].e);
	}
	again_free(a);
}
END_TEST

START_TEST(test_failures_in_a_row_double_and_a_success_ends_the_row)
{
	struct again *a = again_new(4);
	int64_t gap = AGAIN_GAP_MS;
	int i;

	for (i = 0; i < 12; i++) {
		ck_assert_int_eq(note(a, "x", ERR_UP_ERROR, 0), gap);
		gap = gap * 2 > AGAIN_FAIL_MS ? AGAIN_FAIL_MS : gap * 2;
	}
	ck_assert_int_eq(gap, AGAIN_FAIL_MS);
	note(a, "x", ERR_OK, 0);
	ck_assert_int_eq(note(a, "x", ERR_UP_DOWN, 0), AGAIN_GAP_MS);
	/* Each name has its own row. */
	ck_assert_int_eq(note(a, "x", ERR_UP_DOWN, 0), 2 * AGAIN_GAP_MS);
	ck_assert_int_eq(note(a, "y", ERR_UP_DOWN, 0), AGAIN_GAP_MS);
	again_free(a);
}
END_TEST

START_TEST(test_the_map_is_bounded)
{
	struct again *a = again_new(3);
	const struct why *why;

	note(a, "1", ERR_BADSIG, 0);
	note(a, "2", ERR_BADSIG, 0);
	note(a, "3", ERR_BADSIG, 0);
	note(a, "1", ERR_BADSIG, 0);
	note(a, "4", ERR_BADSIG, 0);
	ck_assert_uint_eq(again_len(a), 3);
	ck_assert_int_eq(again_at(a, "2", 0, &why), 0); /* the oldest */
	ck_assert_int_ne(again_at(a, "1", 0, &why), 0);
	ck_assert_int_ne(again_at(a, "4", 0, &why), 0);
	again_free(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("again");
	TCase *t = tcase_create("again");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, test_each_end_has_its_gap, 0,
	    (int)(sizeof(gaps) / sizeof(gaps[0])));
	tcase_add_test(t,
	    test_failures_in_a_row_double_and_a_success_ends_the_row);
	tcase_add_test(t, test_the_map_is_bounded);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
