#include "config/base/metric.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *
count(void *arg)
{
	int i;

	for (i = 0; i < 10000; i++) {
		metric_inc(M_HIT);
		metric_refused(ERR_BADSIG);
	}
	(void)arg;
	return NULL;
}

START_TEST(test_counts_of_ended_threads_stay)
{
	pthread_t t[4];
	int i;

	metric_add(M_HIT, 5);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, count, NULL), 0);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(metric_get(M_HIT), 40005);
	ck_assert_uint_eq(metric_get(M_STALE), 0);
	ck_assert_uint_eq(metric_refused_get(ERR_BADSIG), 40000);
	ck_assert_uint_eq(metric_refused_get(ERR_CHAIN), 0);
	ck_assert_uint_eq(metric_answered_get(ERR_BADSIG), 0);
}
END_TEST

static int
times(const char *text, const char *part)
{
	int n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		n++;
	}
	return n;
}

START_TEST(test_text_format)
{
	struct buf b = BUF_INIT;

	metric_add(M_STALE, 3);
	metric_inc(M_FETCHES);
	metric_answered(ERR_UP_ABSENT);
	metric_answered(ERR_UP_ABSENT);
	metric_refused(ERR_OLDER);
	metric_write(&b);
	ck_assert_int_eq(times(b.p, "# TYPE larder_requests_total counter\n"),
	    1);
	ck_assert_ptr_nonnull(
	    strstr(b.p, "\nlarder_requests_total{result=\"stale\"} 3\n"));
	ck_assert_ptr_nonnull(
	    strstr(b.p, "\nlarder_upstream_requests_total 1\n"));
	ck_assert_ptr_nonnull(
	    strstr(b.p, "\nlarder_errors_total{reason=\"upstream-404\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(b.p,
	    "\nlarder_refused_total{reason=\"older-than-held\"} 1\n"));
	ck_assert_int_eq(times(b.p, "reason=\"ok\""), 0);
	buf_free(&b);
}
END_TEST

START_TEST(test_rows_of_one_name_stand_together_with_one_help_each)
{
	struct buf b = BUF_INIT;
	char *line, *save = NULL, *name, *seen[200];
	int n = 0, i;

	metric_write(&b);
	for (line = strtok_r(b.p, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# HELP ", 7) != 0)
			continue;
		name = line + 7;
		ck_assert_ptr_nonnull(strchr(name, ' '));
		ck_assert_uint_gt(strlen(strchr(name, ' ')), 5);
		*strchr(name, ' ') = '\0';
		for (i = 0; i < n; i++)
			ck_assert_str_ne(seen[i], name);
		ck_assert_int_lt(n, 200);
		seen[n++] = name;
	}
	ck_assert_int_gt(n, 10);
	buf_free(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("metric");
	TCase *tc = tcase_create("metric");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_counts_of_ended_threads_stay);
	tcase_add_test(tc, test_text_format);
	tcase_add_test(tc,
	    test_rows_of_one_name_stand_together_with_one_help_each);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
