/* What was refused lately: rows that count up, and a bound. */
#include "config/base/clock.h"
#include "config/base/recent.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct recent rows[RECENT_MAX];

START_TEST(test_the_same_again_counts_up)
{
	struct why why = { 0 };

	recent_clear();
	(void)why_set(&why, ERR_OLDER, "clause 1", "first");
	recent_add(RECENT_GATE, "rootcrl", "https://a", ERR_OLDER, &why);
	(void)why_set(&why, ERR_OLDER, "clause 2", "second");
	recent_add(RECENT_GATE, "rootcrl", "https://b", ERR_OLDER, &why);
	recent_add(RECENT_GATE, "rootcrl", NULL, ERR_FORMAT, NULL);
	recent_add(RECENT_ANSWER, "rootcrl", NULL, ERR_OLDER, NULL);
	recent_add(RECENT_GATE, "qe", NULL, ERR_OLDER, NULL);
	ck_assert_uint_eq(recent_get(rows), 4);
	ck_assert_str_eq(rows[0].what, "qe");
	ck_assert_str_eq(rows[1].what, "rootcrl");
	ck_assert_uint_eq(rows[0].count, 1);
	while (rows[0].count != 2)
		memmove(rows, rows + 1, 3 * sizeof(rows[0]));
	ck_assert_int_eq(rows[0].err, ERR_OLDER);
	ck_assert_int_eq(rows[0].kind, RECENT_GATE);
	ck_assert_str_eq(rows[0].who, "https://b");
	ck_assert_str_eq(rows[0].clause, "clause 2");
	ck_assert_str_eq(rows[0].text, "second");
}
END_TEST

START_TEST(test_the_longest_silent_gives_way)
{
	char name[32];
	size_t i;

	recent_clear();
	for (i = 0; i < RECENT_MAX; i++) {
		clock_offset_set((int64_t)i);
		snprintf(name, sizeof(name), "object %zu", i);
		recent_add(RECENT_GATE, name, NULL, ERR_FORMAT, NULL);
	}
	/* 0 is heard of again, so 1 is the oldest. */
	clock_offset_set(RECENT_MAX);
	recent_add(RECENT_GATE, "object 0", NULL, ERR_FORMAT, NULL);
	clock_offset_set(RECENT_MAX + 1);
	recent_add(RECENT_GATE, "new", NULL, ERR_FORMAT, NULL);
	ck_assert_uint_eq(recent_get(rows), RECENT_MAX);
	ck_assert_str_eq(rows[0].what, "new");
	ck_assert_str_eq(rows[1].what, "object 0");
	ck_assert_uint_eq(rows[1].count, 2);
	ck_assert(rows[1].first_at < rows[1].last_at);
	ck_assert_str_eq(rows[RECENT_MAX - 1].what, "object 2");
	clock_offset_set(0);
}
END_TEST

START_TEST(test_texts_are_cut_and_made_printable)
{
	char longer[400];

	recent_clear();
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	recent_add(RECENT_ANSWER, longer, longer, ERR_PARAM, NULL);
	recent_add(RECENT_ANSWER, "a\nb\033[1m\xc3\xbc", NULL, ERR_PARAM, NULL);
	ck_assert_uint_eq(recent_get(rows), 2);
	ck_assert_str_eq(rows[0].what, "a?b?[1m??");
	ck_assert_uint_eq(strlen(rows[1].what), sizeof(rows[1].what) - 1);
	ck_assert_uint_eq(strlen(rows[1].who), sizeof(rows[1].who) - 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("recent");
	TCase *tc = tcase_create("recent");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(tc, test_the_same_again_counts_up);
	tcase_add_test(tc, test_the_longest_silent_gives_way);
	tcase_add_test(tc, test_texts_are_cut_and_made_printable);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
