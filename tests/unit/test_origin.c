#include "upstream/origin.h"

#include "config/base/clock.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct origin_limits four = { .parallel = 4 };
static const struct why well = { .err = ERR_OK };
static const struct why broken = { .err = ERR_UP_ERROR, .text = "HTTP 500" };
static const struct why slow_down = { .err = ERR_UP_THROTTLED };

static struct origin_now
at(int64_t ms)
{
	return (struct origin_now){ ms, 1780000000 + ms / 1000, 0.5 };
}

static struct origin
fresh(const struct origin_limits *l)
{
	struct origin_now now = at(0);
	struct origin o;

	origin_init(&o, l, &now);
	return o;
}

static enum origin_go
ask(struct origin *o, const struct origin_limits *l, int64_t ms)
{
	struct origin_now now = at(ms);
	int64_t until;

	return origin_ask(o, l, &now, &until);
}

static void
done(struct origin *o, int64_t ms, bool probe, const struct why *why,
    int64_t after)
{
	struct origin_now now = at(ms);

	origin_done(o, &now, probe, why, after);
}

/* Ask and fail until the circuit opens. */
static void
trip(struct origin *o, int64_t ms)
{
	int i;

	for (i = 0; i < ORIGIN_FAILS_MAX; i++) {
		ck_assert_int_eq(ask(o, &four, ms), ORIGIN_GO);
		done(o, ms, false, &broken, -1);
	}
	ck_assert_int_eq(o->state, ORIGIN_DOWN);
}

START_TEST(test_no_more_than_parallel_at_once)
{
	struct origin o = fresh(&four);
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_FULL);
	done(&o, 1, false, &well, -1);
	ck_assert_int_eq(ask(&o, &four, 1), ORIGIN_GO);
	ck_assert_int_eq(ask(&o, &four, 1), ORIGIN_FULL);
}
END_TEST

START_TEST(test_no_more_than_rate_in_a_minute)
{
	const struct origin_limits l = { .parallel = 64, .rate_per_minute = 6 };
	struct origin o = fresh(&l);
	struct origin_now now = at(0);
	int64_t until = 0;
	int i;

	for (i = 0; i < 6; i++)
		ck_assert_int_eq(ask(&o, &l, 0), ORIGIN_GO);
	ck_assert_int_eq(origin_ask(&o, &l, &now, &until), ORIGIN_LATER);
	ck_assert_int_ge(until, 10000);
	ck_assert_int_le(until, 10002);
	ck_assert_int_eq(ask(&o, &l, 9900), ORIGIN_LATER);
	ck_assert_int_eq(ask(&o, &l, until), ORIGIN_GO);
	ck_assert_int_eq(ask(&o, &l, until), ORIGIN_LATER);
	/* An hour of rest fills the bucket once, not sixty times. */
	for (i = 0; i < 6; i++)
		ck_assert_int_eq(ask(&o, &l, 3600000), ORIGIN_GO);
	ck_assert_int_eq(ask(&o, &l, 3600000), ORIGIN_LATER);
}
END_TEST

START_TEST(test_one_success_in_between_keeps_the_circuit_closed)
{
	struct origin o = fresh(&four);
	int i;

	for (i = 0; i < 20; i++) {
		ck_assert_int_eq(ask(&o, &four, i), ORIGIN_GO);
		done(&o, i, false, i % 3 == 2 ? &well : &broken, -1);
	}
	ck_assert_int_eq(o.state, ORIGIN_UP);
}
END_TEST

START_TEST(test_circuit_opens_and_says_since_when_and_why)
{
	struct origin o = fresh(&four);
	struct why why = { 0 };
	char since[TIME_LEN];
	int64_t until = 0;

	trip(&o, 7000);
	ck_assert_int_eq(ask(&o, &four, 7000), ORIGIN_RESTING);
	ck_assert_int_eq(origin_look(&o, 7000, &until), ORIGIN_RESTING);
	ck_assert_int_eq(until, 7000 + ORIGIN_REST_MIN_MS);
	ck_assert_int_eq(origin_why(&o, "https://pcs", 7001, &why),
	    ERR_UP_CLOSED);
	time_write(at(7000).utc, since);
	ck_assert_ptr_nonnull(strstr(why.text, "down since"));
	ck_assert_ptr_nonnull(strstr(why.text, since));
	ck_assert_ptr_nonnull(strstr(why.text, "https://pcs"));
	ck_assert_ptr_nonnull(strstr(why.text, "HTTP 500"));
}
END_TEST

START_TEST(test_one_probe_after_the_rest_closes_the_circuit)
{
	struct origin o = fresh(&four);

	trip(&o, 0);
	ck_assert_int_eq(ask(&o, &four, 999), ORIGIN_RESTING);
	ck_assert_int_eq(ask(&o, &four, 1000), ORIGIN_PROBE);
	ck_assert_int_eq(o.state, ORIGIN_PROBING);
	ck_assert_int_eq(ask(&o, &four, 1000), ORIGIN_RESTING);
	done(&o, 1010, true, &well, -1);
	ck_assert_int_eq(o.state, ORIGIN_UP);
	ck_assert_int_eq(o.down_at, 0);
	ck_assert_int_eq(ask(&o, &four, 1010), ORIGIN_GO);
}
END_TEST

START_TEST(test_each_failed_probe_doubles_the_rest_up_to_a_minute)
{
	struct origin o = fresh(&four);
	int64_t ms = 0, rest, last = 0;
	int i;

	trip(&o, 0);
	for (i = 0; i < 12; i++) {
		rest = o.rest_until - ms;
		if (i > 0 && last < ORIGIN_REST_MAX_MS)
			ck_assert_int_eq(rest, last * 2 > ORIGIN_REST_MAX_MS
						   ? ORIGIN_REST_MAX_MS
						   : last * 2);
		last = rest;
		ms = o.rest_until;
		ck_assert_int_eq(ask(&o, &four, ms), ORIGIN_PROBE);
		done(&o, ms, true, &broken, -1);
		ck_assert_int_eq(o.state, ORIGIN_DOWN);
	}
	ck_assert_int_eq(o.rest_until - ms, ORIGIN_REST_MAX_MS);
	/* It has been down since the first failure, not the last probe. */
	ck_assert_int_eq(o.down_at, at(0).utc);
}
END_TEST

START_TEST(test_jitter_spreads_the_rest_by_a_quarter_either_way)
{
	struct origin_now now = at(0);
	struct origin o;
	int i, k;

	for (k = 0; k < 2; k++) {
		o = fresh(&four);
		now.jitter = k == 0 ? 0 : 0.999999;
		for (i = 0; i < ORIGIN_FAILS_MAX; i++) {
			ask(&o, &four, 0);
			origin_done(&o, &now, false, &broken, -1);
		}
		ck_assert_int_ge(o.rest_until, k == 0 ? 750 : 1249);
		ck_assert_int_le(o.rest_until, k == 0 ? 750 : 1250);
	}
}
END_TEST

START_TEST(test_late_results_do_not_disturb_the_probe)
{
	struct origin o = fresh(&four);

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO); /* the late one */
	trip(&o, 0);
	ck_assert_int_eq(ask(&o, &four, 1000), ORIGIN_PROBE);
	done(&o, 1001, false, &broken, -1);
	ck_assert_int_eq(o.state, ORIGIN_PROBING);
	done(&o, 1002, true, &broken, -1);
	ck_assert_int_eq(o.state, ORIGIN_DOWN);
}
END_TEST

START_TEST(test_late_success_closes_the_circuit)
{
	struct origin o = fresh(&four);

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	trip(&o, 0);
	done(&o, 10, false, &well, -1);
	ck_assert_int_eq(o.state, ORIGIN_UP);
}
END_TEST

START_TEST(test_probe_outliving_a_new_trip_does_not_break_the_machine)
{
	struct origin o = fresh(&four);

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO); /* the late one */
	trip(&o, 0);
	ck_assert_int_eq(ask(&o, &four, 1000), ORIGIN_PROBE);
	done(&o, 1001, false, &well, -1); /* up, and down again at once */
	trip(&o, 1002);
	done(&o, 1003, true, &broken, -1);
	ck_assert_int_eq(o.state, ORIGIN_DOWN);
	ck_assert_int_eq(o.asking, 0);
}
END_TEST

START_TEST(test_probe_given_up_leaves_the_question_open)
{
	struct origin o = fresh(&four);
	struct origin_now now = at(1500);

	trip(&o, 0);
	ck_assert_int_eq(ask(&o, &four, 1000), ORIGIN_PROBE);
	origin_left(&o, &now, true);
	ck_assert_int_eq(o.state, ORIGIN_DOWN);
	ck_assert_int_eq(o.asking, 0);
	ck_assert_int_eq(ask(&o, &four, 1500), ORIGIN_PROBE);
}
END_TEST

START_TEST(test_429_pauses_for_retry_after_and_is_no_failure)
{
	struct origin o = fresh(&four);
	struct why why = { 0 };
	int64_t until;

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	done(&o, 0, false, &slow_down, 7);
	ck_assert_int_eq(o.state, ORIGIN_UP);
	ck_assert_int_eq(ask(&o, &four, 6999), ORIGIN_PAUSED);
	ck_assert_int_eq(origin_look(&o, 10, &until), ORIGIN_PAUSED);
	ck_assert_int_eq(until, 7000);
	ck_assert_int_eq(origin_why(&o, "https://pcs", 10, &why),
	    ERR_UP_THROTTLED);
	ck_assert_int_eq(ask(&o, &four, 7000), ORIGIN_GO);
}
END_TEST

START_TEST(test_429_without_retry_after_doubles_until_a_success)
{
	struct origin o = fresh(&four);
	int64_t ms = 0;
	int i;

	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(ask(&o, &four, ms), ORIGIN_GO);
		done(&o, ms, false, &slow_down, -1);
		ck_assert_int_eq(o.pause_until - ms, ORIGIN_PAUSE_MIN_MS << i);
		ms = o.pause_until;
	}
	ck_assert_int_eq(ask(&o, &four, ms), ORIGIN_GO);
	done(&o, ms, false, &well, -1);
	ck_assert_int_eq(ask(&o, &four, ms), ORIGIN_GO);
	done(&o, ms, false, &slow_down, -1);
	ck_assert_int_eq(o.pause_until - ms, ORIGIN_PAUSE_MIN_MS);
}
END_TEST

START_TEST(test_retry_after_is_capped)
{
	struct origin o = fresh(&four);

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	done(&o, 0, false, &slow_down, 1000000000);
	ck_assert_int_eq(o.pause_until, ORIGIN_PAUSE_MAX_MS);
	o = fresh(&four);
	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	done(&o, 0, false, &broken, INT64_MAX);
	ck_assert_int_eq(o.rest_until, ORIGIN_PAUSE_MAX_MS);
}
END_TEST

START_TEST(test_503_with_retry_after_rests_at_once)
{
	struct origin o = fresh(&four);

	ck_assert_int_eq(ask(&o, &four, 0), ORIGIN_GO);
	done(&o, 0, false, &broken, 30);
	ck_assert_int_eq(o.state, ORIGIN_DOWN);
	ck_assert_int_eq(ask(&o, &four, 29999), ORIGIN_RESTING);
	ck_assert_int_eq(ask(&o, &four, 30000), ORIGIN_PROBE);
}
END_TEST

static const struct {
	const char *text;
	int64_t expect;
} values[] = {
	{ "0", 0 },
	{ "120", 120 },
	{ "99999999999999999999999", 9999999999 },
	{ "Thu, 28 May 2026 20:26:50 GMT", 10 },
	{ "Thu, 28 May 2026 20:26:30 GMT", 0 },
	{ "", -1 },
	{ "-5", -1 },
	{ "5 ", -1 },
	{ "1.5", -1 },
	{ "soon", -1 },
	{ "Thu, 28 May 2026 20:26:50", -1 },
};

START_TEST(test_retry_after_is_seconds_or_a_date)
{
	time_t now;

	ck_assert_int_eq(time_read(span_str("2026-05-28T20:26:40Z"), &now),
	    ERR_OK);
	ck_assert_int_eq(retry_after_read(span_str(values[_i].text), now),
	    values[_i].expect);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("origin");
	TCase *t = tcase_create("origin");
	SRunner *r;
	int failed;

	tcase_add_test(t, test_no_more_than_parallel_at_once);
	tcase_add_test(t, test_no_more_than_rate_in_a_minute);
	tcase_add_test(t, test_one_success_in_between_keeps_the_circuit_closed);
	tcase_add_test(t, test_circuit_opens_and_says_since_when_and_why);
	tcase_add_test(t, test_one_probe_after_the_rest_closes_the_circuit);
	tcase_add_test(t,
	    test_each_failed_probe_doubles_the_rest_up_to_a_minute);
	tcase_add_test(t, test_jitter_spreads_the_rest_by_a_quarter_either_way);
	tcase_add_test(t, test_late_results_do_not_disturb_the_probe);
	tcase_add_test(t, test_late_success_closes_the_circuit);
	tcase_add_test(t,
	    test_probe_outliving_a_new_trip_does_not_break_the_machine);
	tcase_add_test(t, test_probe_given_up_leaves_the_question_open);
	tcase_add_test(t, test_429_pauses_for_retry_after_and_is_no_failure);
	tcase_add_test(t, test_429_without_retry_after_doubles_until_a_success);
	tcase_add_test(t, test_retry_after_is_capped);
	tcase_add_test(t, test_503_with_retry_after_rests_at_once);
	tcase_add_loop_test(t, test_retry_after_is_seconds_or_a_date, 0,
	    (int)(sizeof(values) / sizeof(values[0])));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
