#include "config/base/clock.h"

#include <check.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Values from date(1). */
static const struct {
	const char *iso, *http;
	long long t;
} good[] = {
	{ "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "2000-02-29T23:59:59Z", "Tue, 29 Feb 2000 23:59:59 GMT", 951868799 },
	{ "2024-12-31T12:00:00Z", "Tue, 31 Dec 2024 12:00:00 GMT", 1735646400 },
	{ "2038-01-19T03:14:08Z", "Tue, 19 Jan 2038 03:14:08 GMT", 2147483648 },
	{ "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
	{ "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT",
	    253402300799 },
	{ "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT",
	    -62167219200 },
};

START_TEST(test_dates_both_ways)
{
	char iso[TIME_LEN], http[30];
	time_t t = 42;

	time_write((time_t)good[_i].t, iso);
	ck_assert_str_eq(iso, good[_i].iso);
	http_date_write((time_t)good[_i].t, http);
	ck_assert_str_eq(http, good[_i].http);
	ck_assert_int_eq(time_read(span_str(iso), &t), ERR_OK);
	ck_assert_int_eq(t, (time_t)good[_i].t);
	t = 42;
	ck_assert_int_eq(http_date_read(span_str(http), &t), ERR_OK);
	ck_assert_int_eq(t, (time_t)good[_i].t);
}
END_TEST

static const char *const bad_iso[] = { "", "2024-12-31T12:00:00",
	"2024-12-31T12:00:00z", "2024-12-31 12:00:00Z", "2024-12-31T12:00:00+",
	"2024-12-31T12:00:60Z", "2024-12-31T12:60:00Z", "2024-12-31T24:00:00Z",
	"2024-13-01T12:00:00Z", "2024-00-01T12:00:00Z", "2024-12-32T12:00:00Z",
	"2024-12-00T12:00:00Z", "2023-02-29T12:00:00Z", "1900-02-29T12:00:00Z",
	"2024-04-31T12:00:00Z", "2024-1a-31T12:00:00Z", "+024-12-31T12:00:00Z",
	"2024-12-31T12:00:00.5Z", "2024-12-31T12:00:00ZZ",
	" 024-12-31T12:00:00Z", "2024/12/31T12:00:00Z", "20241231T120000Z" };

START_TEST(test_wrong_dates_are_refused)
{
	time_t t = 42;

	ck_assert_int_eq(time_read(span_str(bad_iso[_i]), &t), ERR_FORMAT);
	ck_assert_int_eq(t, 42);
}
END_TEST

static const char *const bad_http[] = { "", "Sun, 06 Nov 1994 08:49:37 UTC",
	"Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
	"Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
	"Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
	"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
	"Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06-Nov-1994 08:49:37 GMT" };

START_TEST(test_wrong_http_dates_are_refused)
{
	time_t t = 42;

	ck_assert_int_eq(http_date_read(span_str(bad_http[_i]), &t),
	    ERR_FORMAT);
	ck_assert_int_eq(t, 42);
}
END_TEST

START_TEST(test_a_nul_inside_a_date_is_refused)
{
	time_t t = 42;

	ck_assert_int_eq(time_read(span_of("2024-12-31T12:00\0:00Z", 20), &t),
	    ERR_FORMAT);
	ck_assert_int_eq(t, 42);
}
END_TEST

START_TEST(test_times_without_a_text_are_clamped)
{
	char iso[TIME_LEN];

	time_write((time_t)253402300800, iso);
	ck_assert_str_eq(iso, "9999-12-31T23:59:59Z");
	time_write((time_t)-62167219201, iso);
	ck_assert_str_eq(iso, "0000-01-01T00:00:00Z");
}
END_TEST

START_TEST(test_offset_moves_utc_alone)
{
	int64_t mono = clock_mono_ms();
	time_t now = clock_now();

	ck_assert_int_eq(clock_offset(), 0);
	clock_offset_set(40 * 86400);
	ck_assert_int_eq(clock_offset(), 40 * 86400);
	ck_assert_int_ge(clock_now(), now + 40 * 86400);
	ck_assert_int_ge(clock_now_ms() / 1000, now + 40 * 86400);
	ck_assert_int_lt(clock_mono_ms(), mono + 40L * 86400 * 1000);
	clock_offset_set(-86400);
	ck_assert_int_lt(clock_now(), now);
	clock_offset_set(0);
	ck_assert_int_lt(clock_now(), now + 86400);
}
END_TEST

START_TEST(test_monotonic_does_not_run_back)
{
	int64_t us = clock_mono_us();

	ck_assert_int_ge(clock_mono_us(), us);
	ck_assert_int_ge(clock_mono_ms(), us / 1000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, test_dates_both_ways, 0, N(good));
	tcase_add_loop_test(tc, test_wrong_dates_are_refused, 0, N(bad_iso));
	tcase_add_loop_test(tc, test_wrong_http_dates_are_refused, 0,
	    N(bad_http));
	tcase_add_test(tc, test_a_nul_inside_a_date_is_refused);
	tcase_add_test(tc, test_times_without_a_text_are_clamped);
	tcase_add_test(tc, test_offset_moves_utc_alone);
	tcase_add_test(tc, test_monotonic_does_not_run_back);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
