#include "upstream/negative.h"
#include "upstream/sched.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define N 2000

static uint32_t seed = 1;

static uint32_t
dice(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

START_TEST(test_earliest_comes_first)
{
	static struct due due[N];
	struct sched *s = sched_new();
	struct due *d;
	time_t last = 0;
	size_t i, n = 0;

	for (i = 0; i < N; i++)
		sched_put(s, &due[i], 1 + dice() % 1000);
	ck_assert_uint_eq(sched_len(s), N);
	while ((d = sched_pop(s, 1000)) != NULL) {
		ck_assert_int_ge(d->at, last);
		ck_assert_uint_eq(d->place, 0);
		last = d->at;
		n++;
	}
	ck_assert_uint_eq(n, N);
	ck_assert_ptr_null(sched_first(s));
	sched_free(s);
}
END_TEST

START_TEST(test_nothing_comes_before_its_time)
{
	struct due due = { 0 };
	struct sched *s = sched_new();

	ck_assert_ptr_null(sched_pop(s, 100));
	sched_put(s, &due, 50);
	ck_assert_ptr_null(sched_pop(s, 49));
	ck_assert_ptr_eq(sched_first(s), &due);
	ck_assert_ptr_eq(sched_pop(s, 50), &due);
	ck_assert_ptr_null(sched_pop(s, 50));
	sched_free(s);
}
END_TEST

START_TEST(test_moved_and_removed_items_keep_the_order)
{
	static struct due due[N];
	static time_t want[N];
	struct sched *s = sched_new();
	struct due *d;
	time_t last = 0;
	size_t i, k, n = 0, left = 0;

	for (i = 0; i < N; i++)
		sched_put(s, &due[i], want[i] = 1 + dice() % 100);
	for (k = 0; k < 5 * N; k++) {
		i = dice() % N;
		if (dice() % 4 == 0) {
			sched_del(s, &due[i]);
			want[i] = 0;
		} else {
			sched_put(s, &due[i], want[i] = 1 + dice() % 100);
		}
	}
	for (i = 0; i < N; i++)
		left += want[i] != 0;
	ck_assert_uint_eq(sched_len(s), left);
	while ((d = sched_pop(s, 100)) != NULL) {
		ck_assert_int_ge(d->at, last);
		ck_assert_int_eq(d->at, want[d - due]);
		last = d->at;
		n++;
	}
	ck_assert_uint_eq(n, left);
	sched_free(s);
}
END_TEST

START_TEST(test_removing_what_is_not_there_is_fine)
{
	struct due due = { 0 };
	struct sched *s = sched_new();

	sched_del(s, &due);
	sched_put(s, &due, 1);
	sched_del(s, &due);
	sched_del(s, &due);
	ck_assert_uint_eq(sched_len(s), 0);
	sched_free(s);
}
END_TEST

START_TEST(test_a_refusal_is_kept_until_its_time)
{
	struct negative *n = negative_new(10);
	struct why no = { .err = ERR_UP_ABSENT, .text = "HTTP 404" };

	ck_assert_ptr_null(negative_get(n, "a", 0));
	negative_put(n, "a", &no, 100);
	ck_assert_int_eq(negative_get(n, "a", 99)->err, ERR_UP_ABSENT);
	ck_assert_str_eq(negative_get(n, "a", 99)->text, "HTTP 404");
	ck_assert_ptr_null(negative_get(n, "b", 99));
	ck_assert_ptr_null(negative_get(n, "a", 100));
	ck_assert_uint_eq(negative_len(n), 0);
	negative_put(n, "a", &no, 100);
	no.err = ERR_UP_GONE;
	negative_put(n, "a", &no, 200);
	ck_assert_int_eq(negative_get(n, "a", 150)->err, ERR_UP_GONE);
	negative_del(n, "a");
	negative_del(n, "a");
	ck_assert_ptr_null(negative_get(n, "a", 0));
	negative_free(n);
}
END_TEST

START_TEST(test_the_oldest_refusal_is_forgotten_when_full)
{
	struct negative *n = negative_new(3);
	struct why no = { .err = ERR_UP_ABSENT };
	char name[8];
	int i;

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		negative_put(n, name, &no, 100);
		ck_assert_uint_le(negative_len(n), 3);
	}
	ck_assert_ptr_null(negative_get(n, "996", 0));
	ck_assert_ptr_nonnull(negative_get(n, "997", 0));
	ck_assert_ptr_nonnull(negative_get(n, "999", 0));
	negative_free(n);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sched");
	TCase *t = tcase_create("sched");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_earliest_comes_first);
	tcase_add_test(t, test_nothing_comes_before_its_time);
	tcase_add_test(t, test_moved_and_removed_items_keep_the_order);
	tcase_add_test(t, test_removing_what_is_not_there_is_fine);
	tcase_add_test(t, test_a_refusal_is_kept_until_its_time);
	tcase_add_test(t, test_the_oldest_refusal_is_forgotten_when_full);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
