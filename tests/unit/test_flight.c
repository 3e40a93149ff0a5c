/*
 * Flights, waiters and origins' queues, with a transport and a job of the
 * test's own: no network, no storage, and no time that passes by itself.
 * (Only deadlines run on the real clock; nothing here asserts how long.)
 */
#include "upstream/flight.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "upstream/again.h"
#include "upstream/budget.h"
#include "upstream/vendor.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a transport that answers when told to ---------------------------- */

struct exchange {
	char *url;
	long timeout_ms;
	reply_fn fn;
	void *arg;
	bool over, cancelled;
};

static struct exchange *asked[256];
static size_t n_asked;

static struct exchange *
fake_start(struct transport *t, const struct request *r, long timeout_ms,
    reply_fn fn, void *arg)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	(void)t;
	must(n_asked < sizeof(asked) / sizeof(asked[0]));
	*x = (struct exchange){ xstrdup(r->url), timeout_ms, fn, arg, false,
		false };
	asked[n_asked++] = x;
	return x;
}

static void
fake_cancel(struct transport *t, struct exchange *x)
{
	(void)t;
	ck_assert(!x->over);
	x->over = x->cancelled = true;
}

static const struct transport_ops fake_ops = { fake_start, fake_cancel, NULL,
	NULL };
static struct transport fake = { &fake_ops };

/* Answer the i-th exchange; status 0: no answer came. */
static void
answer_with(size_t i, int status, const char *head)
{
	struct reply r = { .status = status };
	struct exchange *x;

	ck_assert_uint_lt(i, n_asked);
	x = asked[i];
	ck_assert(!x->over);
	if (status == 0)
		(void)why_set(&r.why, ERR_UP_DOWN, "upstream",
		    "Connection refused");
	buf_str(&r.head, head);
	buf_str(&r.body, "body");
	x->over = true;
	x->fn(x->arg, &r);
	reply_fini(&r);
}

static void
answer(size_t i, int status)
{
	answer_with(i, status, "");
}

/* --- a job that does what it is told ---------------------------------- */

struct toy {
	struct flight flight;
};

static size_t mirrors = 1;
static bool paced;
static enum lane lane;
static uint32_t source;
static size_t n_ended, n_freed, n_checks;
static struct flight *checking[64];

static void
toy_prepare(struct flight *f)
{
	flight_go(f);
}

static size_t
toy_mirrors(struct flight *f)
{
	(void)f;
	return mirrors;
}

static void
toy_request(struct flight *f, size_t mirror, struct request *out)
{
	struct buf b = BUF_INIT;

	*out = (struct request){ 0 };
	buf_printf(&b, "http://m%zu.test/%s", mirror, f->name);
	out->url = xstrdup(b.p);
	out->origin = origin_of(b.p);
	out->body_max = 100;
	out->lane = lane;
	buf_free(&b);
}

static enum err
toy_reply(struct flight *f, const struct reply *r, struct why *why)
{
	(void)f;
	return vendor_status(r, why);
}

static void
toy_check(struct flight *f)
{
	checking[n_checks++] = flight_ref(f);
}

static void
toy_ended(struct flight *f)
{
	(void)f;
	n_ended++;
}

static void
toy_answer(struct flight *f, struct waiter *w)
{
	flights_tell(f->table, w, f->why.err, &f->why);
}

static void
toy_free(struct flight *f)
{
	n_freed++;
	free(f);
}

static const struct job toy_job = { toy_prepare, toy_mirrors, toy_request,
	toy_reply, toy_check, toy_ended, toy_answer, toy_free };

/* The gate's word on the i-th answer that got that far. */
static void
admitted(size_t i)
{
	ck_assert_uint_lt(i, n_checks);
	flight_won(checking[i]);
	flight_unref(checking[i]);
}

static void
refused(size_t i, enum err e)
{
	struct why why = { 0 };

	ck_assert_uint_lt(i, n_checks);
	(void)why_set(&why, e, "pcs-upstream 6", "refused");
	flight_lost(checking[i], e, &why);
	flight_unref(checking[i]);
}

/* --- the stage -------------------------------------------------------- */

static struct config *config;
static struct loop *loop;
static struct hosts *hosts;
static struct flights table;

static size_t n_told;
static struct why told[512];
static int told_who[512];

static void
tell(struct waiter *w)
{
	told_who[n_told] = (int)(intptr_t)w->arg;
	told[n_told++] = w->why;
}

static void
want_as(const char *name, long wait_ms, int who, bool background)
{
	struct waiter *w = waiter_new(wait_ms, tell, (void *)(intptr_t)who);
	struct flight *f;
	struct why why = { 0 };

	w->background = background;
	w->source = source;
	if (!flights_admit(&table, w))
		return;
	f = flights_get(&table, name);
	if (f != NULL) {
		flight_join(f, w);
		return;
	}
	f = xcalloc(1, sizeof(struct toy));
	f->paced = paced;
	if (flight_init(f, &table, &toy_job, name, name, config, w, &why) !=
	    ERR_OK) {
		free(f);
		flights_tell(&table, w, why.err, &why);
		return;
	}
	flight_join(f, w);
	flight_start(f);
}

static void
want(const char *name)
{
	want_as(name, 600000, 0, false);
}

/* Run a step on the loop, and whatever messages it causes. */
struct step {
	struct msg msg;
	void (*fn)(void);
};

static void
step_run(struct msg *m)
{
	msg_of(m, struct step, msg)->fn();
}

static void
nothing(void)
{
}

static void
on_loop(void (*fn)(void))
{
	struct step s = { .fn = fn }, t = { .fn = nothing };

	msg_send(loop, &s.msg, step_run);
	loop_stop(loop);
	loop_run(loop);
	/* Tells that the step caused. */
	msg_send(loop, &t.msg, step_run);
	loop_stop(loop);
	loop_run(loop);
}

/* Run the loop, timers and all, until so many were told. */
static void
until_told(size_t n)
{
	struct timer *t = timer_new(loop, (timer_fn)loop_stop, loop);

	while (n_told < n) {
		timer_set(t, 5);
		loop_run(loop);
	}
	timer_free(t);
}

/* Move the clock and let what rests notice. */
static void
tick(void)
{
	hosts_tick(hosts);
	flights_tick(&table);
}

static void
later(int64_t s)
{
	clock_offset_set(clock_offset() + s);
	on_loop(tick);
	on_loop(nothing);
	on_loop(nothing);
}

static void
config_set(const char *text)
{
	struct why why = { 0 };

	config_unref(config);
	ck_assert_msg(config_read(span_str(text), "test", &config, &why) ==
			  ERR_OK,
	    "%s", why.text);
}

static void
stage(const char *text)
{
	config_set(text);
	loop = loop_new("test");
	hosts = hosts_new(loop, config);
	flights_init(&table, loop, &fake, hosts);
	table.max_waiters = (size_t)config->upstream.max_waiters;
	table.again = again_new(AGAIN_MAX);
	table.budget = budget_new(BUDGET_MAX);
	mirrors = 1;
	paced = false;
	lane = LANE_ALL;
	source = 0;
	n_asked = n_told = n_checks = n_ended = n_freed = 0;
	clock_offset_set(0);
}

static void
setup(void)
{
	stage("{}");
}

static void
drain(void)
{
	flights_drain(&table);
}

static void
teardown(void)
{
	size_t i;

	on_loop(drain);
	on_loop(nothing);
	ck_assert_uint_eq(atomic_load(&table.n), 0);
	ck_assert_uint_eq(atomic_load(&table.n_waiters), 0);
	ck_assert_uint_eq(n_ended, n_freed);
	again_free(table.again);
	budget_free(table.budget);
	flights_fini(&table);
	hosts_free(hosts);
	loop_free(loop);
	config_unref(config);
	config = NULL;
	for (i = 0; i < n_asked; i++) {
		free(asked[i]->url);
		free(asked[i]);
	}
}

/* --- coalescing ------------------------------------------------------- */

static void
two_hundred(void)
{
	int i;

	for (i = 0; i < 200; i++)
		want("x");
}

static void
first_200(void)
{
	answer(0, 200);
}

static void
first_admitted(void)
{
	admitted(0);
}

START_TEST(test_200_wants_are_one_request)
{
	size_t i;

	on_loop(two_hundred);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_str_eq(asked[0]->url, "http://m0.test/x");
	on_loop(first_200);
	ck_assert_uint_eq(n_told, 0); /* the gate has not spoken */
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 200);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(told[i].err, ERR_OK);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(n_freed, 1);
}
END_TEST

static void
other_names(void)
{
	want("x");
	want("y");
	want("x");
}

START_TEST(test_other_names_are_other_flights)
{
	on_loop(other_names);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(atomic_load(&table.n), 2);
}
END_TEST

static void
one(void)
{
	want("x");
}

START_TEST(test_after_the_end_a_new_want_is_a_new_flight)
{
	on_loop(one);
	on_loop(first_200);
	on_loop(first_admitted);
	on_loop(one);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

START_TEST(test_waiters_are_capped)
{
	stage("{\"upstream\":{\"max_waiters\":150}}");
	on_loop(two_hundred);
	ck_assert_uint_eq(n_told, 50);
	ck_assert_int_eq(told[0].err, ERR_SHED);
	ck_assert_uint_eq(atomic_load(&table.n_waiters), 150);
	on_loop(first_200);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 200);
	ck_assert_int_eq(told[50].err, ERR_OK);
}
END_TEST

/* --- deadlines -------------------------------------------------------- */

static void
patient_and_not(void)
{
	want_as("x", 0, 1, false);
	want_as("x", 600000, 2, false);
	want_as("x", 1, 3, false);
	want_as("x", -1, 4, true);
}

START_TEST(test_each_waiter_has_its_own_deadline)
{
	on_loop(patient_and_not);
	until_told(2);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told[0].err, ERR_UP_SLOW);
	ck_assert_int_eq(told_who[0], 1);
	ck_assert_int_eq(told_who[1], 3);
	ck_assert_ptr_nonnull(strstr(told[0].text, "http://m0.test:80"));
	on_loop(first_200);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 4);
	ck_assert_int_eq(told[2].err, ERR_OK);
	ck_assert_int_eq(told[3].err, ERR_OK);
}
END_TEST

static void
hurried(void)
{
	want_as("x", 0, 1, false);
}

START_TEST(test_a_flight_goes_on_when_its_waiters_leave)
{
	on_loop(hurried);
	until_told(1);
	ck_assert_int_eq(told[0].err, ERR_UP_SLOW);
	ck_assert_uint_eq(atomic_load(&table.n), 1);
	on_loop(first_200);
	ck_assert_uint_eq(n_checks, 1);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_ended, 1);
	ck_assert_uint_eq(n_told, 1);
}
END_TEST

/* --- mirrors ---------------------------------------------------------- */

static int fail_status;

static void
first_fails(void)
{
	answer(0, fail_status);
}

static void
second_200(void)
{
	answer(1, 200);
}

static const int next_statuses[] = { 0, 401, 403, 408, 429, 500, 502, 503,
	302 };

START_TEST(test_the_next_mirror_is_asked_after)
{
	mirrors = 2;
	fail_status = next_statuses[_i];
	on_loop(one);
	/* A hanging mirror does not get all the time there is. */
	ck_assert_int_lt(asked[0]->timeout_ms, config->upstream.timeout_ms);
	on_loop(first_fails);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_str_eq(asked[1]->url, "http://m1.test/x");
	ck_assert_int_eq(asked[1]->timeout_ms, config->upstream.timeout_ms);
	on_loop(second_200);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_OK);
}
END_TEST

static const struct {
	int status;
	enum err err;
} last_words[] = { { 404, ERR_UP_ABSENT }, { 410, ERR_UP_GONE },
	{ 400, ERR_UP_REFUSED } };

START_TEST(test_the_last_word_is_not_doubted)
{
	mirrors = 2;
	fail_status = last_words[_i].status;
	on_loop(one);
	on_loop(first_fails);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, last_words[_i].err);
}
END_TEST

static void
gate_refuses(void)
{
	refused(0, ERR_BADSIG);
}

static void
second_admitted(void)
{
	admitted(1);
}

START_TEST(test_bytes_that_the_gate_refuses_make_the_next_mirror_asked)
{
	mirrors = 2;
	on_loop(one);
	on_loop(first_200);
	on_loop(gate_refuses);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(n_told, 0);
	on_loop(second_200);
	on_loop(second_admitted);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_OK);
}
END_TEST

static void
local_trouble(void)
{
	refused(0, ERR_DB_FULL);
}

START_TEST(test_trouble_of_our_own_is_not_the_mirrors_fault)
{
	mirrors = 2;
	on_loop(one);
	on_loop(first_200);
	on_loop(local_trouble);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_int_eq(told[0].err, ERR_DB_FULL);
}
END_TEST

START_TEST(test_401_everywhere_is_told_and_not_repeated)
{
	fail_status = 401;
	on_loop(one);
	on_loop(first_fails);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_AUTH);
}
END_TEST

static void
cache_says_no(void)
{
	answer_with(0, 503, "Larder-Reason: upstream-down\r\n");
}

static void
cache_says_no_more(void)
{
	size_t i;

	for (i = 0; i < 20; i++) {
		want_as("x", -1, 0, true);
		answer_with(n_asked - 1, 503,
		    "Larder-Reason: upstream-down\r\n");
	}
}

START_TEST(test_a_cache_that_explains_itself_is_not_down)
{
	mirrors = 2;
	on_loop(one);
	on_loop(cache_says_no);
	ck_assert_uint_eq(n_asked, 2);
	on_loop(second_200);
	on_loop(first_admitted);
	mirrors = 1;
	on_loop(cache_says_no_more);
	ck_assert_uint_eq(n_asked, 22); /* none was held back */
}
END_TEST

/* --- failing fast ----------------------------------------------------- */

static void
second_fails(void)
{
	answer(1, fail_status);
}

START_TEST(test_a_failing_upstream_is_asked_once_more_and_then_told)
{
	fail_status = 500;
	on_loop(one);
	on_loop(first_fails);
	ck_assert_uint_eq(n_told, 0);
	later(1);
	ck_assert_uint_eq(n_asked, 2);
	on_loop(second_fails);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_ERROR);
	ck_assert_ptr_nonnull(strstr(told[0].text, "http://m0.test:80"));
	ck_assert_ptr_nonnull(strstr(told[0].text, "HTTP 500"));
	later(10);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

START_TEST(test_the_second_attempt_may_succeed)
{
	fail_status = 0;
	on_loop(one);
	on_loop(first_fails);
	later(1);
	on_loop(second_200);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_OK);
}
END_TEST

static void
in_background(void)
{
	want_as("x", -1, 0, true);
}

START_TEST(test_background_work_is_not_asked_twice_in_a_row)
{
	fail_status = 500;
	on_loop(in_background);
	on_loop(first_fails);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_ERROR);
	ck_assert_uint_eq(n_asked, 1);
}
END_TEST

/* --- the circuit ------------------------------------------------------ */

static void
three_failures(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		want_as("x", -1, 0, true);
		answer(n_asked - 1, 503);
	}
}

static void
five_wants(void)
{
	want("a");
	want("b");
	want("c");
	want("d");
	want("e");
}

START_TEST(test_an_open_circuit_answers_at_once_with_its_reason)
{
	size_t i;

	on_loop(three_failures);
	n_told = 0;
	on_loop(five_wants);
	ck_assert_uint_eq(n_asked, 3);
	ck_assert_uint_eq(n_told, 5);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(told[i].err, ERR_UP_CLOSED);
		ck_assert_ptr_nonnull(strstr(told[i].text, "down since 20"));
		ck_assert_ptr_nonnull(strstr(told[i].text, "HTTP 503"));
	}
}
END_TEST

static void
fourth_admitted(void)
{
	answer(3, 200);
	admitted(0);
}

START_TEST(test_one_probe_closes_the_circuit)
{
	on_loop(three_failures);
	later(3);
	n_told = 0;
	on_loop(five_wants);
	ck_assert_uint_eq(n_asked, 4); /* one finds out for all */
	ck_assert_uint_eq(n_told, 4);
	on_loop(fourth_admitted);
	ck_assert_uint_eq(n_told, 5);
	ck_assert_int_eq(told[4].err, ERR_OK);
	on_loop(five_wants);
	ck_assert_uint_eq(n_asked, 8); /* four at a time again */
}
END_TEST

START_TEST(test_an_open_circuit_leaves_the_other_mirror)
{
	on_loop(three_failures);
	mirrors = 2;
	on_loop(one);
	ck_assert_uint_eq(n_asked, 4);
	ck_assert_str_eq(asked[3]->url, "http://m1.test/x");
}
END_TEST

static void
queue_up(void)
{
	want("a");
	want("b");
	want("c");
	want("d");
	want("queued");
}

static void
ten_in_background(void)
{
	char name[8];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		want_as(name, -1, i, true);
	}
}

static void
three_down(void)
{
	answer(0, 0);
	answer(1, 0);
	answer(2, 0);
}

START_TEST(test_who_stands_in_the_queue_hears_when_the_circuit_opens)
{
	size_t i;

	on_loop(ten_in_background);
	ck_assert_uint_eq(n_asked, 4);
	on_loop(three_down);
	/* Two of the three slots were given on before it opened. */
	ck_assert_uint_eq(n_asked, 6);
	ck_assert_uint_eq(n_told, 7);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(told[i].err, ERR_UP_DOWN);
	for (i = 2; i < 6; i++)
		ck_assert_int_eq(told[i].err, ERR_UP_CLOSED);
	ck_assert_int_eq(told[6].err, ERR_UP_DOWN);
}
END_TEST

/* --- 429 -------------------------------------------------------------- */

static void
mixed_patience(void)
{
	want_as("x", 1000, 1, false);
	want_as("x", 600000, 2, false);
	want_as("x", -1, 3, true);
}

static void
first_429(void)
{
	answer_with(0, 429, "Retry-After: 30\r\n");
}

START_TEST(test_429_is_waited_out_by_those_who_can)
{
	on_loop(mixed_patience);
	on_loop(first_429);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told_who[0], 1);
	ck_assert_int_eq(told[0].err, ERR_UP_THROTTLED);
	ck_assert_int_eq(told_who[1], 3);
	ck_assert_uint_eq(n_asked, 1);
	later(29);
	ck_assert_uint_eq(n_asked, 1);
	later(2);
	ck_assert_uint_eq(n_asked, 2);
	on_loop(second_200);
	on_loop(first_admitted);
	ck_assert_int_eq(told_who[2], 2);
	ck_assert_int_eq(told[2].err, ERR_OK);
}
END_TEST

static void
impatient(void)
{
	want_as("x", 1000, 9, false);
	want_as("y", 1000, 10, false);
}

START_TEST(test_during_a_pause_nobody_is_asked)
{
	on_loop(mixed_patience);
	on_loop(first_429);
	on_loop(impatient); /* one joins, one is new */
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(n_told, 4);
	ck_assert_int_eq(told[2].err, ERR_UP_THROTTLED);
	ck_assert_int_eq(told[3].err, ERR_UP_THROTTLED);
	ck_assert_ptr_nonnull(strstr(told[3].text, "asked again in"));
}
END_TEST

static void
hurried_wants(void)
{
	want_as("x", 1000, 1, false);
}

START_TEST(test_429_with_nobody_left_ends_the_flight)
{
	on_loop(hurried_wants);
	on_loop(first_429);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_uint_eq(atomic_load(&table.n), 0);
}
END_TEST

/* --- the queue -------------------------------------------------------- */

static void
ten(void)
{
	char name[8];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d", i);
		want_as(name, -1, i, i < 8);
	}
}

static void
all_answered(void)
{
	size_t i;

	for (i = 0; i < n_asked; i++) {
		if (!asked[i]->over)
			answer(i, 200);
	}
}

START_TEST(test_budget_of_parallel_requests_clients_first)
{
	on_loop(ten);
	ck_assert_uint_eq(n_asked, 4);
	on_loop(all_answered);
	ck_assert_uint_eq(n_asked, 10);
	/* Eight were in the background; of what had to wait, the two that
	 * clients wait for went first. */
	ck_assert_str_eq(asked[4]->url, "http://m0.test/8");
	ck_assert_str_eq(asked[5]->url, "http://m0.test/9");
	ck_assert_str_eq(asked[6]->url, "http://m0.test/4");
	while (n_checks > n_ended)
		on_loop(first_admitted), checking[0] = checking[n_ended];
}
END_TEST

static void
ten_then_client(void)
{
	ten();
	want_as("7", 600000, 77, false);
}

START_TEST(test_a_client_who_joins_moves_the_flight_forward)
{
	on_loop(ten_then_client);
	on_loop(all_answered);
	ck_assert_str_eq(asked[4]->url, "http://m0.test/8");
	ck_assert_str_eq(asked[5]->url, "http://m0.test/9");
	ck_assert_str_eq(asked[6]->url, "http://m0.test/7");
	ck_assert_str_eq(asked[7]->url, "http://m0.test/4");
	while (n_checks > n_ended)
		on_loop(first_admitted), checking[0] = checking[n_ended];
}
END_TEST

START_TEST(test_budget_per_minute)
{
	stage("{\"upstream\":{\"rate_per_minute\":3,\"parallel\":64}}");
	on_loop(ten);
	ck_assert_uint_eq(n_asked, 3);
	later(20);
	ck_assert_uint_eq(n_asked, 4);
	later(60);
	ck_assert_uint_eq(n_asked, 7);
	/* The rest is drained. */
}
END_TEST

static void
other(void)
{
	want("y");
}

static void
last_200(void)
{
	answer(n_asked - 1, 200);
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
		source = sources[i];
		want(names[i]);
	}
}

START_TEST(test_sources_take_turns)
{
	static const char *const order[] = { "a1", "a2", "b1", "c1", "a3", "b2",
		"a4", "a5", "a6" };
	char url[64];
	size_t i;

	stage("{\"upstream\":{\"rate_per_minute\":60,\"parallel\":1}}");
	on_loop(many_of_one);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		ck_assert_uint_eq(n_asked, i + 1);
		snprintf(url, sizeof(url), "http://m0.test/%s", order[i]);
		ck_assert_str_eq(asked[i]->url, url);
		on_loop(last_200);
	}
	while (n_checks > n_ended)
		on_loop(first_admitted), checking[0] = checking[n_ended];
}
END_TEST

static void
seventy_of_one(void)
{
	char name[8];
	int i;

	source = 1;
	for (i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		want(name);
	}
}

static void
one_of_another(void)
{
	source = 2;
	want("b");
}

/* An hour's worth may queue; when it is full, the greediest makes room. */
START_TEST(test_a_full_lane_sheds_whose_turn_comes_last)
{
	stage("{\"upstream\":{\"kds\":{\"vcek_per_minute\":1,"
	      "\"vcek_burst\":1},\"parallel\":64}}");
	lane = LANE_VCEK;
	on_loop(seventy_of_one);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_uint_eq(n_told, 70 - 1 - 60);
	ck_assert_int_eq(told[0].err, ERR_SHED);
	on_loop(one_of_another);
	ck_assert_uint_eq(n_told, 70 - 60);
	ck_assert_int_eq(told[9].err, ERR_SHED);
	later(61);
	later(60);
	ck_assert_uint_eq(n_asked, 3);
	ck_assert_str_eq(asked[2]->url, "http://m0.test/b");
}
END_TEST

START_TEST(test_lanes_of_an_origin_do_not_wait_for_one_another)
{
	lane = LANE_VCEK;
	on_loop(one);
	on_loop(first_429);
	ck_assert_uint_eq(n_asked, 1);
	lane = LANE_KDS;
	on_loop(other);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

/* --- the pace of what is asked for again (amd-kds 2.6) ----------------- */

static void
last_500(void)
{
	answer(n_asked - 1, 500);
}

static void
last_429(void)
{
	answer(n_asked - 1, 429);
}

static void
last_404(void)
{
	answer(n_asked - 1, 404);
}

static void
last_refused(void)
{
	struct why why = { 0 };

	(void)why_set(&why, ERR_BADSIG, "amd-kds 6.2", "it is forged");
	flight_lost(checking[n_checks - 1], ERR_BADSIG, &why);
	flight_unref(checking[n_checks - 1]);
}

static void
want_of_20s(void)
{
	want_as("x", 20000, 1, false);
}

static void
pace_stage(void)
{
	setup();
	paced = true;
	lane = LANE_VCEK;
}

START_TEST(test_a_failure_is_waited_out_by_those_who_can)
{
	on_loop(want_of_20s);
	on_loop(last_500);
	ck_assert_uint_eq(n_told, 0);
	later(9);
	ck_assert_uint_eq(n_asked, 1);
	later(2);
	ck_assert_uint_eq(n_asked, 2);
	/* The next time it is 20 seconds, which he has not got. */
	on_loop(last_500);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_ERROR);
	ck_assert_int_ge(told[0].retry_s, 19);
	ck_assert_int_le(told[0].retry_s, 20);
	/* Nor has who comes now. */
	on_loop(hurried_wants);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told[1].err, ERR_UP_ERROR);
	ck_assert_uint_eq(n_asked, 2);
	/* Whoever comes later and waits is the next to ask. */
	later(15);
	on_loop(want_of_20s);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(n_told, 2);
	later(6);
	ck_assert_uint_eq(n_asked, 3);
}
END_TEST

START_TEST(test_failures_double_up_to_ten_minutes)
{
	static const int gap_s[] = { 10, 20, 40, 80, 160, 320, 600, 600 };
	size_t i;

	for (i = 0; i < sizeof(gap_s) / sizeof(gap_s[0]); i++) {
		on_loop(hurried_wants);
		ck_assert_uint_eq(n_asked, i + 1);
		on_loop(last_500);
		ck_assert_uint_eq(n_told, 2 * i + 1);
		later(gap_s[i] - 2);
		on_loop(hurried_wants);
		ck_assert_uint_eq(n_asked, i + 1);
		ck_assert_uint_eq(n_told, 2 * i + 2);
		ck_assert_int_eq(told[2 * i + 1].err, ERR_UP_ERROR);
		/* By then the circuit's rest is over, too. */
		later(3);
	}
}
END_TEST

START_TEST(test_what_the_gate_refused_rests_for_ten_minutes)
{
	on_loop(want_of_20s);
	on_loop(last_200);
	on_loop(last_refused);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_BADSIG);
	later(590);
	on_loop(want_of_20s);
	ck_assert_uint_eq(n_asked, 1); /* he waits */
	ck_assert_uint_eq(n_told, 1);
	later(11);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

START_TEST(test_a_success_is_not_repeated_at_once)
{
	on_loop(want_of_20s);
	on_loop(last_200);
	on_loop(first_admitted);
	ck_assert_uint_eq(n_told, 1);
	on_loop(hurried_wants);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told[1].err, ERR_UP_THROTTLED);
	on_loop(want_of_20s);
	later(11);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

START_TEST(test_no_is_not_asked_twice_in_a_row)
{
	on_loop(want_of_20s);
	on_loop(last_404);
	ck_assert_int_eq(told[0].err, ERR_UP_ABSENT);
	on_loop(hurried_wants);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_int_eq(told[1].err, ERR_UP_ABSENT);
	later(11);
	on_loop(want_of_20s);
	ck_assert_uint_eq(n_asked, 2);
}
END_TEST

static void
want_in_background(void)
{
	want_as("x", -1, 7, true);
}

START_TEST(test_background_work_does_not_wait_for_its_pace)
{
	on_loop(want_of_20s);
	on_loop(last_404);
	on_loop(want_in_background);
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told[1].err, ERR_UP_ABSENT);
	ck_assert_uint_eq(n_asked, 1);
}
END_TEST

static void
seven(void)
{
	char name[8];
	int i;

	for (i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%d", i);
		want_as(name, 20000, i, false);
	}
}

/* Six at once, then one in ten seconds: he waits for his turn. */
START_TEST(test_vceks_are_six_a_minute)
{
	stage("{\"upstream\":{\"parallel\":64}}");
	lane = LANE_VCEK;
	on_loop(seven);
	ck_assert_uint_eq(n_asked, 6);
	later(9);
	ck_assert_uint_eq(n_asked, 6);
	ck_assert_uint_eq(n_told, 0);
	later(2);
	ck_assert_uint_eq(n_asked, 7);
}
END_TEST

/* Half a minute, doubled up to half an hour, a fifth more or less. */
START_TEST(test_a_429_of_kds_pauses_for_longer)
{
	int64_t pause, least = 30;
	int i;

	for (i = 0; i < 9; i++) {
		on_loop(hurried_wants);
		ck_assert_uint_eq(n_asked, (size_t)i + 1);
		on_loop(last_429);
		ck_assert_uint_eq(n_told, (size_t)i + 1);
		pause = told[i].retry_s;
		ck_assert_int_ge(pause, least * 8 / 10);
		ck_assert_int_le(pause, least * 12 / 10 + 1);
		later(pause + 1);
		least = least * 2 > 1800 ? 1800 : least * 2;
	}
	on_loop(hurried_wants);
	on_loop(last_200);
	on_loop(first_admitted);
	later(11);
	/* It has answered: the count begins anew. */
	on_loop(hurried_wants);
	on_loop(last_429);
	ck_assert_int_le(told[n_told - 1].retry_s, 37);
}
END_TEST

/* --- the budget of a source ------------------------------------------- */

static void
five_of_one(void)
{
	char name[8];
	int i;

	source = 7;
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%d", i);
		want(name);
	}
	want("0"); /* joins: free */
	source = 8;
	want("8");
	source = 0;
	want("9");
}

START_TEST(test_a_source_pays_for_the_flights_it_begins)
{
	stage("{\"limits\":{\"misses_per_source_per_minute\":6,"
	      "\"misses_per_source_burst\":3},"
	      "\"upstream\":{\"parallel\":64}}");
	on_loop(five_of_one);
	ck_assert_uint_eq(n_asked, 5); /* 0, 1, 2; 8; 9 */
	ck_assert_uint_eq(n_told, 2);
	ck_assert_int_eq(told[0].err, ERR_MISS_BUDGET);
	ck_assert_int_eq(told[1].err, ERR_MISS_BUDGET);
	ck_assert_int_ge(told[0].retry_s, 10);
	ck_assert_int_le(told[0].retry_s, 11);
	later(11);
	source = 7;
	on_loop(other);
	ck_assert_uint_eq(n_asked, 6);
	ck_assert_uint_eq(n_told, 2);
}
END_TEST

/* --- shutting down ---------------------------------------------------- */

static void
scenes(void)
{
	queue_up();
	answer(0, 200);
	answer(1, 500);
}

START_TEST(test_draining_tells_everybody_and_cancels_exchanges)
{
	size_t i, cancelled = 0;

	on_loop(scenes); /* checking, resting, asking, asking, asking */
	ck_assert_uint_eq(n_told, 0);
	on_loop(drain);
	ck_assert_uint_eq(n_told, 5);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(told[i].err, ERR_DRAINING);
	for (i = 0; i < n_asked; i++)
		cancelled += asked[i]->cancelled;
	ck_assert_uint_eq(cancelled, 3);
	/* The gate's answer comes late and is let pass. */
	ck_assert_uint_eq(atomic_load(&table.n), 1);
	on_loop(first_admitted);
	ck_assert_uint_eq(atomic_load(&table.n), 0);
	on_loop(one);
	ck_assert_uint_eq(n_told, 6);
	ck_assert_int_eq(told[5].err, ERR_DRAINING);
}
END_TEST

START_TEST(test_no_mirror_at_all_is_an_answer)
{
	mirrors = 0;
	on_loop(one);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_int_eq(told[0].err, ERR_UP_DOWN);
	ck_assert_ptr_nonnull(strstr(told[0].text, "no upstream"));
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *s = suite_create("flight");
	TCase *t = tcase_create("flight"), *own = tcase_create("limits");
	TCase *pace = tcase_create("pace");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_200_wants_are_one_request);
	tcase_add_test(t, test_other_names_are_other_flights);
	tcase_add_test(t, test_after_the_end_a_new_want_is_a_new_flight);
	/* These set their own stage. */
	tcase_add_checked_fixture(own, NULL, teardown);
	tcase_add_test(own, test_waiters_are_capped);
	tcase_add_test(own, test_budget_per_minute);
	tcase_add_test(own, test_sources_take_turns);
	tcase_add_test(own, test_vceks_are_six_a_minute);
	tcase_add_test(own, test_a_full_lane_sheds_whose_turn_comes_last);
	tcase_add_test(own, test_a_source_pays_for_the_flights_it_begins);
	tcase_add_checked_fixture(pace, pace_stage, teardown);
	tcase_add_test(pace, test_a_failure_is_waited_out_by_those_who_can);
	tcase_add_test(pace, test_failures_double_up_to_ten_minutes);
	tcase_add_test(pace, test_what_the_gate_refused_rests_for_ten_minutes);
	tcase_add_test(pace, test_a_success_is_not_repeated_at_once);
	tcase_add_test(pace, test_no_is_not_asked_twice_in_a_row);
	tcase_add_test(pace, test_background_work_does_not_wait_for_its_pace);
	tcase_add_test(pace, test_a_429_of_kds_pauses_for_longer);
	tcase_add_test(t, test_lanes_of_an_origin_do_not_wait_for_one_another);
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
	tcase_add_test(t, test_budget_of_parallel_requests_clients_first);
	tcase_add_test(t, test_a_client_who_joins_moves_the_flight_forward);
	tcase_add_test(t, test_draining_tells_everybody_and_cancels_exchanges);
	tcase_add_test(t, test_no_mirror_at_all_is_an_answer);
	suite_add_tcase(s, t);
	suite_add_tcase(s, own);
	suite_add_tcase(s, pace);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
