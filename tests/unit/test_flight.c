/* Flights and their waiters, from the first want to the end. */
#include "tests/kit/flightkit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- coalescing ------------------------------------------------------- */

static void
two_hundred(void)
{
	int i;

	for (i = 0; i < 200; i++)
		fl_want("x");
}

static void
first_200(void)
{
	fl_answer(0, 200);
}

static void
first_admitted(void)
{
	fl_admitted(0);
}

START_TEST(test_200_wants_are_one_request)
{
	size_t i;

	fl_on_loop(two_hundred);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_str_eq(fl.asked[0]->url, "http://m0.test/x");
	fl_on_loop(first_200);
	ck_assert_uint_eq(fl.n_told, 0); /* the gate has not spoken */
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 200);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(fl.told[i].err, ERR_OK);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_uint_eq(fl.n_freed, 1);
}
END_TEST

static void
other_names(void)
{
	fl_want("x");
	fl_want("y");
	fl_want("x");
}

START_TEST(test_other_names_are_other_flights)
{
	fl_on_loop(other_names);
	ck_assert_uint_eq(fl.n_asked, 2);
	ck_assert_uint_eq(atomic_load(&fl.table.n), 2);
}
END_TEST

static void
one(void)
{
	fl_want("x");
}

START_TEST(test_after_the_end_a_new_want_is_a_new_flight)
{
	fl_on_loop(one);
	fl_on_loop(first_200);
	fl_on_loop(first_admitted);
	fl_on_loop(one);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

START_TEST(test_waiters_are_capped)
{
	fl_stage("{\"upstream\":{\"max_waiters\":150}}");
	fl_on_loop(two_hundred);
	ck_assert_uint_eq(fl.n_told, 50);
	ck_assert_int_eq(fl.told[0].err, ERR_SHED);
	ck_assert_uint_eq(atomic_load(&fl.table.n_waiters), 150);
	fl_on_loop(first_200);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 200);
	ck_assert_int_eq(fl.told[50].err, ERR_OK);
}
END_TEST

/* --- deadlines -------------------------------------------------------- */

static void
patient_and_not(void)
{
	fl_want_as("x", 0, 1, false);
	fl_want_as("x", 600000, 2, false);
	fl_want_as("x", 1, 3, false);
	fl_want_as("x", -1, 4, true);
}

START_TEST(test_each_waiter_has_its_own_deadline)
{
	fl_on_loop(patient_and_not);
	fl_until_told(2);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_SLOW);
	ck_assert_int_eq(fl.told_who[0], 1);
	ck_assert_int_eq(fl.told_who[1], 3);
	ck_assert_ptr_nonnull(strstr(fl.told[0].text, "http://m0.test:80"));
	fl_on_loop(first_200);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 4);
	ck_assert_int_eq(fl.told[2].err, ERR_OK);
	ck_assert_int_eq(fl.told[3].err, ERR_OK);
}
END_TEST

static void
hurried(void)
{
	fl_want_as("x", 0, 1, false);
}

START_TEST(test_a_flight_goes_on_when_its_waiters_leave)
{
	fl_on_loop(hurried);
	fl_until_told(1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_SLOW);
	ck_assert_uint_eq(atomic_load(&fl.table.n), 1);
	fl_on_loop(first_200);
	ck_assert_uint_eq(fl.n_checks, 1);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_ended, 1);
	ck_assert_uint_eq(fl.n_told, 1);
}
END_TEST

/* --- mirrors ---------------------------------------------------------- */

static int fail_status;

static void
first_fails(void)
{
	fl_answer(0, fail_status);
}

static void
second_200(void)
{
	fl_answer(1, 200);
}

static const int next_statuses[] = { 0, 401, 403, 408, 429, 500, 502, 503,
	302 };

START_TEST(test_the_next_mirror_is_asked_after)
{
	fl.mirrors = 2;
	fail_status = next_statuses[_i];
	fl_on_loop(one);
	/* A hanging mirror does not get all the time there is. */
	ck_assert_int_lt(fl.asked[0]->timeout_ms,
	    fl.config->upstream.timeout_ms);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_asked, 2);
	ck_assert_str_eq(fl.asked[1]->url, "http://m1.test/x");
	ck_assert_int_eq(fl.asked[1]->timeout_ms,
	    fl.config->upstream.timeout_ms);
	fl_on_loop(second_200);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_OK);
}
END_TEST

static const struct {
	int status;
	enum err err;
} last_words[] = { { 404, ERR_UP_ABSENT }, { 410, ERR_UP_GONE },
	{ 400, ERR_UP_REFUSED } };

START_TEST(test_the_last_word_is_not_doubted)
{
	fl.mirrors = 2;
	fail_status = last_words[_i].status;
	fl_on_loop(one);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, last_words[_i].err);
}
END_TEST

static void
gate_refuses(void)
{
	fl_refused(0, ERR_BADSIG);
}

static void
second_admitted(void)
{
	fl_admitted(1);
}

START_TEST(test_bytes_that_the_gate_refuses_make_the_next_mirror_asked)
{
	fl.mirrors = 2;
	fl_on_loop(one);
	fl_on_loop(first_200);
	fl_on_loop(gate_refuses);
	ck_assert_uint_eq(fl.n_asked, 2);
	ck_assert_uint_eq(fl.n_told, 0);
	fl_on_loop(second_200);
	fl_on_loop(second_admitted);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_OK);
}
END_TEST

static void
local_trouble(void)
{
	fl_refused(0, ERR_DB_FULL);
}

START_TEST(test_trouble_of_our_own_is_not_the_mirrors_fault)
{
	fl.mirrors = 2;
	fl_on_loop(one);
	fl_on_loop(first_200);
	fl_on_loop(local_trouble);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_DB_FULL);
}
END_TEST

START_TEST(test_401_everywhere_is_told_and_not_repeated)
{
	fail_status = 401;
	fl_on_loop(one);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_AUTH);
}
END_TEST

static void
cache_says_no(void)
{
	fl_answer_with(0, 503, "Larder-Reason: upstream-down\r\n");
}

static void
cache_says_no_more(void)
{
	size_t i;

	for (i = 0; i < 20; i++) {
		fl_want_as("x", -1, 0, true);
		fl_answer_with(fl.n_asked - 1, 503,
		    "Larder-Reason: upstream-down\r\n");
	}
}

START_TEST(test_a_cache_that_explains_itself_is_not_down)
{
	fl.mirrors = 2;
	fl_on_loop(one);
	fl_on_loop(cache_says_no);
	ck_assert_uint_eq(fl.n_asked, 2);
	fl_on_loop(second_200);
	fl_on_loop(first_admitted);
	fl.mirrors = 1;
	fl_on_loop(cache_says_no_more);
	ck_assert_uint_eq(fl.n_asked, 22); /* none was held back */
}
END_TEST

/* --- failing fast ----------------------------------------------------- */

static void
second_fails(void)
{
	fl_answer(1, fail_status);
}

START_TEST(test_a_failing_upstream_is_asked_once_more_and_then_told)
{
	fail_status = 500;
	fl_on_loop(one);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_told, 0);
	fl_later(1);
	ck_assert_uint_eq(fl.n_asked, 2);
	fl_on_loop(second_fails);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ERROR);
	ck_assert_ptr_nonnull(strstr(fl.told[0].text, "http://m0.test:80"));
	ck_assert_ptr_nonnull(strstr(fl.told[0].text, "HTTP 500"));
	fl_later(10);
	ck_assert_uint_eq(fl.n_asked, 2);
}
END_TEST

/* Who has waited already does not wait twice as long. */
START_TEST(test_an_upstream_that_fails_slowly_is_not_asked_once_more)
{
	fail_status = 500;
	fl.table.retry_within_ms = 0;
	fl_on_loop(one);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ERROR);
	fl_later(10);
	ck_assert_uint_eq(fl.n_asked, 1);
}
END_TEST

START_TEST(test_the_second_attempt_may_succeed)
{
	fail_status = 0;
	fl_on_loop(one);
	fl_on_loop(first_fails);
	fl_later(1);
	fl_on_loop(second_200);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_OK);
}
END_TEST

static void
in_background(void)
{
	fl_want_as("x", -1, 0, true);
}

START_TEST(test_background_work_is_not_asked_twice_in_a_row)
{
	fail_status = 500;
	fl_on_loop(in_background);
	fl_on_loop(first_fails);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_ERROR);
	ck_assert_uint_eq(fl.n_asked, 1);
}
END_TEST

/* --- the circuit ------------------------------------------------------ */

static void
three_failures(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		fl_want_as("x", -1, 0, true);
		fl_answer(fl.n_asked - 1, 503);
	}
}

static void
five_wants(void)
{
	fl_want("a");
	fl_want("b");
	fl_want("c");
	fl_want("d");
	fl_want("e");
}

START_TEST(test_an_open_circuit_answers_at_once_with_its_reason)
{
	size_t i;

	fl_on_loop(three_failures);
	fl.n_told = 0;
	fl_on_loop(five_wants);
	ck_assert_uint_eq(fl.n_asked, 3);
	ck_assert_uint_eq(fl.n_told, 5);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(fl.told[i].err, ERR_UP_CLOSED);
		ck_assert_ptr_nonnull(strstr(fl.told[i].text, "down since 20"));
		ck_assert_ptr_nonnull(strstr(fl.told[i].text, "HTTP 503"));
	}
}
END_TEST

static void
fourth_admitted(void)
{
	fl_answer(3, 200);
	fl_admitted(0);
}

START_TEST(test_one_probe_closes_the_circuit)
{
	fl_on_loop(three_failures);
	fl_later(3);
	fl.n_told = 0;
	fl_on_loop(five_wants);
	ck_assert_uint_eq(fl.n_asked, 4); /* one finds out for all */
	ck_assert_uint_eq(fl.n_told, 4);
	fl_on_loop(fourth_admitted);
	ck_assert_uint_eq(fl.n_told, 5);
	ck_assert_int_eq(fl.told[4].err, ERR_OK);
	fl_on_loop(five_wants);
	ck_assert_uint_eq(fl.n_asked, 8); /* four at a time again */
}
END_TEST

START_TEST(test_an_open_circuit_leaves_the_other_mirror)
{
	fl_on_loop(three_failures);
	fl.mirrors = 2;
	fl_on_loop(one);
	ck_assert_uint_eq(fl.n_asked, 4);
	ck_assert_str_eq(fl.asked[3]->url, "http://m1.test/x");
}
END_TEST

static void
queue_up(void)
{
	fl_want("a");
	fl_want("b");
	fl_want("c");
	fl_want("d");
	fl_want("queued");
}

static void
ten_in_background(void)
{
	char name[8];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fl_want_as(name, -1, i, true);
	}
}

static void
three_down(void)
{
	fl_answer(0, 0);
	fl_answer(1, 0);
	fl_answer(2, 0);
}

START_TEST(test_who_stands_in_the_queue_hears_when_the_circuit_opens)
{
	size_t i;

	fl_on_loop(ten_in_background);
	ck_assert_uint_eq(fl.n_asked, 4);
	fl_on_loop(three_down);
	/* Two of the three slots were given on before it opened. */
	ck_assert_uint_eq(fl.n_asked, 6);
	ck_assert_uint_eq(fl.n_told, 7);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(fl.told[i].err, ERR_UP_DOWN);
	for (i = 2; i < 6; i++)
		ck_assert_int_eq(fl.told[i].err, ERR_UP_CLOSED);
	ck_assert_int_eq(fl.told[6].err, ERR_UP_DOWN);
}
END_TEST

/* --- 429 -------------------------------------------------------------- */

static void
mixed_patience(void)
{
	fl_want_as("x", 25000, 1, false);
	fl_want_as("x", 600000, 2, false);
	fl_want_as("x", -1, 3, true);
}

static void
first_429(void)
{
	fl_answer_with(0, 429, "Retry-After: 30\r\n");
}

START_TEST(test_429_is_waited_out_by_those_who_can)
{
	fl_on_loop(mixed_patience);
	fl_on_loop(first_429);
	ck_assert_uint_eq(fl.n_told, 2);
	ck_assert_int_eq(fl.told_who[0], 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_THROTTLED);
	ck_assert_int_eq(fl.told_who[1], 3);
	ck_assert_uint_eq(fl.n_asked, 1);
	fl_later(29);
	ck_assert_uint_eq(fl.n_asked, 1);
	fl_later(2);
	ck_assert_uint_eq(fl.n_asked, 2);
	fl_on_loop(second_200);
	fl_on_loop(first_admitted);
	ck_assert_int_eq(fl.told_who[2], 2);
	ck_assert_int_eq(fl.told[2].err, ERR_OK);
}
END_TEST

static void
impatient(void)
{
	fl_want_as("x", 25000, 9, false);
	fl_want_as("y", 25000, 10, false);
}

START_TEST(test_during_a_pause_nobody_is_asked)
{
	fl_on_loop(mixed_patience);
	fl_on_loop(first_429);
	fl_on_loop(impatient); /* one joins, one is new */
	ck_assert_uint_eq(fl.n_asked, 1);
	ck_assert_uint_eq(fl.n_told, 4);
	ck_assert_int_eq(fl.told[2].err, ERR_UP_THROTTLED);
	ck_assert_int_eq(fl.told[3].err, ERR_UP_THROTTLED);
	ck_assert_ptr_nonnull(strstr(fl.told[3].text, "asked again in"));
}
END_TEST

static void
hurried_wants(void)
{
	fl_want_as("x", 25000, 1, false);
}

START_TEST(test_429_with_nobody_left_ends_the_flight)
{
	fl_on_loop(hurried_wants);
	fl_on_loop(first_429);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_uint_eq(atomic_load(&fl.table.n), 0);
}
END_TEST

/* --- shutting down ---------------------------------------------------- */

static void
scenes(void)
{
	queue_up();
	fl_answer(0, 200);
	fl_answer(1, 500);
}

START_TEST(test_draining_tells_everybody_and_cancels_exchanges)
{
	size_t i, cancelled = 0;

	fl_on_loop(scenes); /* checking, resting, asking, asking, asking */
	ck_assert_uint_eq(fl.n_told, 0);
	fl_on_loop(fl_drain);
	ck_assert_uint_eq(fl.n_told, 5);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(fl.told[i].err, ERR_DRAINING);
	for (i = 0; i < fl.n_asked; i++)
		cancelled += fl.asked[i]->cancelled;
	ck_assert_uint_eq(cancelled, 3);
	/* The gate's answer comes late and is let pass. */
	ck_assert_uint_eq(atomic_load(&fl.table.n), 1);
	fl_on_loop(first_admitted);
	ck_assert_uint_eq(atomic_load(&fl.table.n), 0);
	fl_on_loop(one);
	ck_assert_uint_eq(fl.n_told, 6);
	ck_assert_int_eq(fl.told[5].err, ERR_DRAINING);
}
END_TEST

START_TEST(test_no_mirror_at_all_is_an_answer)
{
	fl.mirrors = 0;
	fl_on_loop(one);
	ck_assert_uint_eq(fl.n_told, 1);
	ck_assert_int_eq(fl.told[0].err, ERR_UP_DOWN);
	ck_assert_ptr_nonnull(strstr(fl.told[0].text, "no upstream"));
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *s = suite_create("flight");
	TCase *t = tcase_create("flight"), *own = tcase_create("limits");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, fl_setup, fl_teardown);
	tcase_add_test(t, test_200_wants_are_one_request);
	tcase_add_test(t, test_other_names_are_other_flights);
	tcase_add_test(t, test_after_the_end_a_new_want_is_a_new_flight);
	/* These set their own stage. */
	tcase_add_checked_fixture(own, NULL, fl_teardown);
	tcase_add_test(own, test_waiters_are_capped);
	tcase_add_test(t, test_each_waiter_has_its_own_deadline);
	tcase_add_test(t, test_a_flight_goes_on_when_its_waiters_leave);
	tcase_add_loop_test(t, test_the_next_mirror_is_asked_after, 0,
	    N(next_statuses));
	tcase_add_loop_test(t, test_the_last_word_is_not_doubted, 0,
	    N(last_words));
	tcase_add_test(t,
	    test_bytes_that_the_gate_refuses_make_the_next_mirror_asked);
	tcase_add_test(t, test_trouble_of_our_own_is_not_the_mirrors_fault);
	tcase_add_test(t, test_401_everywhere_is_told_and_not_repeated);
	tcase_add_test(t, test_a_cache_that_explains_itself_is_not_down);
	tcase_add_test(t,
	    test_a_failing_upstream_is_asked_once_more_and_then_told);
	tcase_add_test(t,
	    test_an_upstream_that_fails_slowly_is_not_asked_once_more);
	tcase_add_test(t, test_the_second_attempt_may_succeed);
	tcase_add_test(t, test_background_work_is_not_asked_twice_in_a_row);
	tcase_add_test(t, test_an_open_circuit_answers_at_once_with_its_reason);
	tcase_add_test(t, test_one_probe_closes_the_circuit);
	tcase_add_test(t, test_an_open_circuit_leaves_the_other_mirror);
	tcase_add_test(t,
	    test_who_stands_in_the_queue_hears_when_the_circuit_opens);
	tcase_add_test(t, test_429_is_waited_out_by_those_who_can);
	tcase_add_test(t, test_during_a_pause_nobody_is_asked);
	tcase_add_test(t, test_429_with_nobody_left_ends_the_flight);
	tcase_add_test(t, test_draining_tells_everybody_and_cancels_exchanges);
	tcase_add_test(t, test_no_mirror_at_all_is_an_answer);
	suite_add_tcase(s, t);
	suite_add_tcase(s, own);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
