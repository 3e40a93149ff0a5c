/* Who is asked when: the queue of a lane, turns, the pace of KDS, budgets. */
#include "tests/kit/flightkit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- steps ------------------------------------------------------------ */

static void
one(void)
{
	fl_want("x");
}

static void
hurried_wants(void)
{
	fl_want_as("x", 1000, 1, false);
}

static void
first_429(void)
{
	fl_answer_with(0, 429, "Retry-After: 30\r\n");
}

static void
first_admitted(void)
{
	fl_admitted(0);
}

/* --- the queue -------------------------------------------------------- */

static void
ten(void)
{
	char name[8];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fl_want_as(name, -1, i, i < 8);
	}
}

static void
all_answered(void)
{
	size_t i;

	for (i = 0; i < fl.n_asked; i++) {
		if (!fl.asked[i]->over)
			fl_answer(i, 200);
	}
}

START_TEST(test_budget_of_parallel_requests_clients_first)
{
	fl_on_loop(ten);
	ck_assert_uint_eq(fl.n_asked, 4);
	fl_on_loop(all_answered);
	ck_assert_uint_eq(fl.n_asked, 10);
	/* Eight were in the background; of what had to wait, the two that
	 * clients wait for went first. */
	ck_assert_str_eq(fl.asked[4]->url, "http://m0.test/8");
	ck_assert_str_eq(fl.asked[5]->url, "http://m0.test/9");
	ck_assert_str_eq(fl.asked[6]->url, "http://m0.test/4");
	while (fl.n_checks > fl.n_ended)
		fl_on_loop(first_admitted),
		    fl.checking[0] = fl.checking[fl.n_ended];
}
END_TEST

static void
ten_then_client(void)
{
	ten();
	fl_want_as("7", 600000, 77, false);
}

START_TEST(test_a_client_who_joins_moves_the_flight_forward)
{
	fl_on_loop(ten_then_client);
	fl_on_loop(all_answered);
	ck_assert_str_eq(fl.asked[4]->url, "http://m0.test/8");
	ck_assert_str_eq(fl.asked[5]->url, "http://m0.test/9");
	ck_assert_str_eq(fl.asked[6]->url, "http://m0.test/7");
	ck_assert_str_eq(fl.asked[7]->url, "http://m0.test/4");
	while (fl.n_checks > fl.n_ended)
		fl_on_loop(first_admitted),
		    fl.checking[0] = fl.checking[fl.n_ended];
}
END_TEST

START_TEST(test_budget_per_minute)
{
	fl_stage("{\"upstream\":{\"rate_per_minute\":3,\"parallel\":64}}");
	fl_on_loop(ten);
	ck_assert_uint_eq(fl.n_asked, 3);
	fl_later(20);
	ck_assert_uint_eq(fl.n_asked, 4);
	fl_later(60);
	ck_assert_uint_eq(fl.n_asked, 7);
	/* The rest is drained. */
}
END_TEST

static void
other(void)
{
	fl_want("y");
}

static void
last_200(void)
{
	fl_answer(fl.n_asked - 1, 200);
}

/* Six of one source, and then one each of two others. */
static void
many_of_one(void)
{
	static const char *const names[] = { "a1", "a2", "a3", "a4", "a5", "a6",
		"b1", "c1", "b2" };
	static const uint32_t sources[] = { 1, 1, 1, 1, 1, 1, 2, 3, 2 };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fl.source = sources[i];
		fl_want(names[i]);
	}
}

START_TEST(test_sources_take_turns)
{
	static const char *const order[] = { "a1", "a2", "b1", "c1", "a3", "b2",
		"a4", "a5", "a6" };
	char url[64];
	size_t i;

	fl_stage("{\"upstream\":{\"rate_per_minute\":60,\"parallel\":1}}");
	fl_on_loop(many_of_one);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		ck_assert_uint_eq(fl.n_asked, i + 1);
		snprintf(url, sizeof(url), "http://m0.test/%s", order[i]);
		ck_assert_str_eq(fl.asked[i]->url, url);
		fl_on_loop(last_200);
	}
	while (fl.n_checks > fl.n_ended)
		fl_on_loop(first_admitted),
		    fl.checking[0] = fl.checking[fl.n_ended];
}
END_TEST

static void
seventy_of_one(void)
{
	char name[8];
	int i;

	fl.source = 1;
	for (i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		fl_want(name);
	}
}

static void
one_of_another(void)
{
	fl.source = 2;
	fl_want("b");
}

/* An hour's worth may queue; when it is full, the greediest makes room. */
START_TEST(test_a_full_lane_sheds_whose_turn_comes_last)
{
	fl_stage("{\"upstream\":{\"kds\":{\"vcek_per_minute\":1,"
		 "\"vcek_burst\":1},\"parallel\":64}}");
	fl.lane = LANE_VCEK;
	fl_on_loop(seventy_of_one);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_uint_eq(fl.n_told, 70 - 1 - 60);
	ck_assert_int_eq(fl.told[0].err, ERR_SHED);
	fl_on_loop(one_of_another);
	ck_assert_uint_eq(fl.n_told, 70 - 60);
	ck_assert_int_eq(fl.told[9].err, ERR_SHED);
	fl_later(61);
	fl_later(60);
	ck_assert_uint_eq(fl.n_asked, 3);
	ck_assert_str_eq(fl.asked[2]->url, "http://m0.test/b");
}
END_TEST

START_TEST(test_lanes_of_an_origin_do_not_wait_for_one_another)
{
	fl.lane = LANE_VCEK;
	fl_on_loop(one);
	fl_on_loop(first_429);
	ck_assert_uint_eq(fl.n_asked, 1);
	fl.lane = LANE_KDS;
	fl_on_loop(other);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

/* --- the pace of what is asked for again (amd-kds 2.6) ----------------- */

static void
last_500(void)
{
	fl_answer(fl.n_asked - 1, 500);
}

/* Of a larder in front of a KDS that throttles it. */
static void
last_told_to_wait(void)
{
	fl_answer_with(fl.n_asked - 1, 503,
	    "Larder-Reason: upstream-429\r\nRetry-After: 40\r\n");
}

static void
last_told_nothing_of_use(void)
{
	fl_answer_with(fl.n_asked - 1, 503,
	    "Larder-Reason: upstream-429\r\nRetry-After: -40\r\n");
}

static void
last_429(void)
{
	fl_answer(fl.n_asked - 1, 429);
}

static void
last_404(void)
{
	fl_answer(fl.n_asked - 1, 404);
}

static void
last_refused(void)
{
	struct why why = { 0 };

	(void)why_set(&why, ERR_BADSIG, "amd-kds 6.2", "it is forged");
	flight_lost(fl.checking[fl.n_checks - 1], ERR_BADSIG, &why);
	flight_unref(fl.checking[fl.n_checks - 1]);
}

static void
want_of_20s(void)
{
	fl_want_as("x", 20000, 1, false);
}

static void
pace_stage(void)
{
	fl_setup();
	fl.paced = true;
	fl.lane = LANE_VCEK;
}

START_TEST(test_a_failure_is_waited_out_by_those_who_can)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_500);
	ck_assert_uint_eq(fl.n_told, 0);
	fl_later(4);
	ck_assert_uint_eq(fl.n_asked, 1);
	fl_later(7);
	ck_assert_uint_eq(fl.n_asked, 2);
	/* The next time it is 20 seconds, which he has not got. */
	fl_on_loop(last_500);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ERROR);
	ck_assert_int_gt(fl.told[0].retry_s, 10);
	ck_assert_int_le(fl.told[0].retry_s, 20);
	/* Nor has who comes now. */
	fl_on_loop(hurried_wants);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[1].err, ERR_UP_ERROR);
	ck_assert_uint_eq(fl.n_asked, 2);
	/* Whoever comes later and waits is the next to ask. */
	fl_later(10);
	fl_on_loop(want_of_20s);
	ck_assert_uint_eq(fl.n_asked, 2);
	ck_assert_uint_eq(fl.n_told, 2);
	fl_later(11);
	ck_assert_uint_eq(fl.n_asked, 3);
}
END_TEST

/*
 * It speaks, so it is not down, and what else there is to ask goes on; this
 * one thing it has said when to ask for.
 */
START_TEST(test_a_larder_is_asked_again_when_it_has_said)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_told_to_wait);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ERROR);
	ck_assert_int_gt(fl.told[0].retry_s, 20);
	ck_assert_int_le(fl.told[0].retry_s, 40);
	fl_on_loop(want_of_20s);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[1].err, ERR_UP_ERROR);
	ck_assert_int_gt(fl.told[1].retry_s, 20);
	ck_assert_uint_eq(fl.n_asked, 1);
	fl_on_loop(other);
	ck_assert_uint_eq(fl.n_asked, 2);
	/* Later, the rest of the time is waited for. */
	fl_later(30);
	fl_on_loop(want_of_20s);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_uint_eq(fl.n_asked, 2);
	fl_later(11);
	ck_assert_uint_eq(fl.n_asked, 3);
}
END_TEST

START_TEST(test_a_larder_that_does_not_say_is_asked_as_any)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_told_nothing_of_use);
	ck_assert_uint_eq(fl.n_told, 0);
	fl_later(11);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

START_TEST(test_failures_double_up_to_ten_minutes)
{
	static const int gap_s[] = { 10, 20, 40, 80, 160, 320, 600, 600 };
	size_t i;

	for (i = 0; i < sizeof(gap_s) / sizeof(gap_s[0]); i++) {
		fl_on_loop(hurried_wants);
		ck_assert_uint_eq(fl.n_asked, i + 1);
		fl_on_loop(last_500);
		ck_assert_uint_eq(fl.n_told, 2 * i + 1);
		fl_later(gap_s[i] - 6);
		fl_on_loop(hurried_wants);
		ck_assert_uint_eq(fl.n_asked, i + 1);
		ck_assert_uint_eq(fl.n_told, 2 * i + 2);
		ck_assert_int_eq(fl.told[2 * i + 1].err, ERR_UP_ERROR);
		/* By then the circuit's rest is over, too. */
		fl_later(7);
	}
}
END_TEST

START_TEST(test_what_the_gate_refused_rests_for_ten_minutes)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_200);
	fl_on_loop(last_refused);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_BADSIG);
	fl_later(590);
	fl_on_loop(want_of_20s);
	ck_assert_uint_eq(fl.n_asked, 1); /* he waits */
	ck_assert_uint_eq(fl.n_told, 1);
	fl_later(11);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

START_TEST(test_a_success_is_not_repeated_at_once)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_200);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 1);
	fl_on_loop(hurried_wants);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[1].err, ERR_UP_THROTTLED);
	fl_on_loop(want_of_20s);
	fl_later(11);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

START_TEST(test_no_is_not_asked_twice_in_a_row)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_404);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ABSENT);
	fl_on_loop(hurried_wants);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_int_eq(fl.told[1].err, ERR_UP_ABSENT);
	fl_later(11);
	fl_on_loop(want_of_20s);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

static void
want_in_background(void)
{
	fl_want_as("x", -1, 7, true);
}

START_TEST(test_background_work_does_not_wait_for_its_pace)
{
	fl_on_loop(want_of_20s);
	fl_on_loop(last_404);
	fl_on_loop(want_in_background);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[1].err, ERR_UP_ABSENT);
	ck_assert_uint_eq(fl.n_asked, 1);
}
END_TEST

static void
seven(void)
{
	char name[8];
	int i;

	for (i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fl_want_as(name, 20000, i, false);
	}
}

/* Six at once, then one in ten seconds: he waits for his turn. */
START_TEST(test_vceks_are_six_a_minute)
{
	fl_stage("{\"upstream\":{\"parallel\":64}}");
	fl.lane = LANE_VCEK;
	fl_on_loop(seven);
	ck_assert_uint_eq(fl.n_asked, 6);
	fl_later(4);
	ck_assert_uint_eq(fl.n_asked, 6);
	ck_assert_uint_eq(fl.n_told, 0);
	fl_later(7);
	ck_assert_uint_eq(fl.n_asked, 7);
}
END_TEST

/* Half a minute, doubled up to half an hour, a fifth more or less. */
START_TEST(test_a_429_of_kds_pauses_for_longer)
{
	int64_t pause, least = 30;
	int i;

	for (i = 0; i < 9; i++) {
		fl_on_loop(hurried_wants);
		ck_assert_uint_eq(fl.n_asked, (size_t)i + 1);
		fl_on_loop(last_429);
		ck_assert_uint_eq(fl.n_told, (size_t)i + 1);
		pause = fl.told[i].retry_s;
		ck_assert_int_ge(pause, least * 8 / 10);
		ck_assert_int_le(pause, least * 12 / 10 + 1);
		fl_later(pause + 1);
		least = least * 2 > 1800 ? 1800 : least * 2;
	}
	fl_on_loop(hurried_wants);
	fl_on_loop(last_200);
	fl_on_loop(first_admitted);
	fl_later(11);
	/* It has answered: the count begins anew. */
	fl_on_loop(hurried_wants);
	fl_on_loop(last_429);
	ck_assert_int_le(fl.told[fl.n_told - 1].retry_s, 37);
}
END_TEST

/* --- the budget of a source ------------------------------------------- */

static void
five_of_one(void)
{
	char name[8];
	int i;

	fl.source = 7;
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fl_want(name);
	}
	fl_want("0"); /* joins: free */
	fl.source = 8;
	fl_want("8");
	fl.source = 0;
	fl_want("9");
}

START_TEST(test_a_source_pays_for_the_flights_it_begins)
{
	fl_stage("{\"limits\":{\"misses_per_source_per_minute\":6,"
		 "\"misses_per_source_burst\":3},"
		 "\"upstream\":{\"parallel\":64}}");
	fl_on_loop(five_of_one);
	ck_assert_uint_eq(fl.n_asked, 5); /* 0, 1, 2; 8; 9 */
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[0].err, ERR_MISS_BUDGET);
	ck_assert_int_eq(fl.told[1].err, ERR_MISS_BUDGET);
	ck_assert_int_ge(fl.told[0].retry_s, 10);
	ck_assert_int_le(fl.told[0].retry_s, 11);
	fl_later(11);
	fl.source = 7;
	fl_on_loop(other);
	ck_assert_uint_eq(fl.n_asked, 6);
	ck_assert_uint_eq(fl.n_told, 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pace");
	TCase *t = tcase_create("queue"), *own = tcase_create("limits");
	TCase *pace = tcase_create("pace");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, fl_setup, fl_teardown);
	tcase_add_checked_fixture(pace, pace_stage, fl_teardown);
	/* These set their own stage. */
	tcase_add_checked_fixture(own, NULL, fl_teardown);
	tcase_add_test(t, test_budget_of_parallel_requests_clients_first);
	tcase_add_test(t, test_a_client_who_joins_moves_the_flight_forward);
	tcase_add_test(own, test_budget_per_minute);
	tcase_add_test(own, test_sources_take_turns);
	tcase_add_test(own, test_a_full_lane_sheds_whose_turn_comes_last);
	tcase_add_test(t, test_lanes_of_an_origin_do_not_wait_for_one_another);
	tcase_add_test(pace, test_a_failure_is_waited_out_by_those_who_can);
	tcase_add_test(pace, test_a_larder_is_asked_again_when_it_has_said);
	tcase_add_test(pace, test_a_larder_that_does_not_say_is_asked_as_any);
	tcase_add_test(pace, test_failures_double_up_to_ten_minutes);
	tcase_add_test(pace, test_what_the_gate_refused_rests_for_ten_minutes);
	tcase_add_test(pace, test_a_success_is_not_repeated_at_once);
	tcase_add_test(pace, test_no_is_not_asked_twice_in_a_row);
	tcase_add_test(pace, test_background_work_does_not_wait_for_its_pace);
	tcase_add_test(own, test_vceks_are_six_a_minute);
	tcase_add_test(pace, test_a_429_of_kds_pauses_for_longer);
	tcase_add_test(own, test_a_source_pays_for_the_flights_it_begins);
	suite_add_tcase(s, t);
	suite_add_tcase(s, own);
	suite_add_tcase(s, pace);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
