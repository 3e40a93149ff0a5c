#include "tests/kit/flightkit.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "upstream/again.h"
#include "upstream/budget.h"
#include "upstream/vendor.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flightkit fl;

/* --- a transport that answers when told to ---------------------------- */

static struct exchange *
fake_start(struct transport *t, const struct request *r, long timeout_ms,
    reply_fn fn, void *arg)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	(void)t;
	must(fl.n_asked < sizeof(fl.asked) / sizeof(fl.asked[0]));
	*x = (struct exchange){ xstrdup(r->url), timeout_ms, fn, arg, false,
		false };
	fl.asked[fl.n_asked++] = x;
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
void
fl_answer_with(size_t i, int status, const char *head)
{
	struct reply r = { .status = status };
	struct exchange *x;

	ck_assert_uint_lt(i, fl.n_asked);
	x = fl.asked[i];
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

void
fl_answer(size_t i, int status)
{
	fl_answer_with(i, status, "");
}

/* --- a job that does what it is told ---------------------------------- */

struct toy {
	struct flight flight;
};

static void
toy_prepare(struct flight *f)
{
	flight_go(f);
}

static size_t
toy_mirrors(struct flight *f)
{
	(void)f;
	return fl.mirrors;
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
	out->lane = fl.lane;
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
	fl.checking[fl.n_checks++] = flight_ref(f);
}

static void
toy_ended(struct flight *f)
{
	(void)f;
	fl.n_ended++;
}

static void
toy_answer(struct flight *f, struct waiter *w)
{
	flights_tell(f->table, w, f->why.err, &f->why);
}

static void
toy_free(struct flight *f)
{
	fl.n_freed++;
	free(f);
}

static const struct job toy_job = { toy_prepare, toy_mirrors, toy_request,
	toy_reply, toy_check, toy_ended, toy_answer, toy_free };

/* The gate's word on the i-th answer that got that far. */
void
fl_admitted(size_t i)
{
	ck_assert_uint_lt(i, fl.n_checks);
	flight_won(fl.checking[i]);
	flight_unref(fl.checking[i]);
}

void
fl_refused(size_t i, enum err e)
{
	struct why why = { 0 };

	ck_assert_uint_lt(i, fl.n_checks);
	(void)why_set(&why, e, "pcs-upstream 6", "refused");
	flight_lost(fl.checking[i], e, &why);
	flight_unref(fl.checking[i]);
}

/* --- the stage -------------------------------------------------------- */

static void
tell(struct waiter *w)
{
	fl.told_who[fl.n_told] = (int)(intptr_t)w->arg;
	fl.told[fl.n_told++] = w->why;
}

void
fl_want_as(const char *name, long wait_ms, int who, bool background)
{
	struct waiter *w = waiter_new(wait_ms, tell, (void *)(intptr_t)who);
	struct flight *f;
	struct why why = { 0 };

	w->background = background;
	w->source = fl.source;
	if (!flights_admit(&fl.table, w))
		return;
	f = flights_get(&fl.table, name);
	if (f != NULL) {
		flight_join(f, w);
		return;
	}
	f = xcalloc(1, sizeof(struct toy));
	f->paced = fl.paced;
	if (flight_init(f, &fl.table, &toy_job, name, name, fl.config, w,
		&why) != ERR_OK) {
		free(f);
		flights_tell(&fl.table, w, why.err, &why);
		return;
	}
	flight_join(f, w);
	flight_start(f);
}

void
fl_want(const char *name)
{
	fl_want_as(name, 600000, 0, false);
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

void
fl_nothing(void)
{
}

void
fl_on_loop(void (*fn)(void))
{
	struct step s = { .fn = fn }, t = { .fn = fl_nothing };

	msg_send(fl.loop, &s.msg, step_run);
	loop_stop(fl.loop);
	loop_run(fl.loop);
	/* Tells that the step caused. */
	msg_send(fl.loop, &t.msg, step_run);
	loop_stop(fl.loop);
	loop_run(fl.loop);
}

/* Run the loop, timers and all, until so many were told. */
void
fl_until_told(size_t n)
{
	struct timer *t = timer_new(fl.loop, (timer_fn)loop_stop, fl.loop);

	while (fl.n_told < n) {
		timer_set(t, 5);
		loop_run(fl.loop);
	}
	timer_free(t);
}

/* What timers are due run, and what they send arrives. */
static void
pass(void)
{
	struct timer *t = timer_new(fl.loop, (timer_fn)loop_stop, fl.loop);

	timer_set(t, 1);
	loop_run(fl.loop);
	timer_free(t);
	fl_on_loop(fl_nothing);
}

static void
tick(void)
{
	hosts_tick(fl.hosts);
	flights_tick(&fl.table);
}

void
fl_later(int64_t s)
{
	clock_offset_set(clock_offset() + s);
	fl_on_loop(tick);
	pass();
}

void
fl_config_set(const char *text)
{
	struct why why = { 0 };

	config_unref(fl.config);
	ck_assert_msg(config_read(span_str(text), "test", &fl.config, &why) ==
			  ERR_OK,
	    "%s", why.text);
}

void
fl_stage(const char *text)
{
	fl_config_set(text);
	fl.loop = loop_new("test");
	fl.hosts = hosts_new(fl.loop, fl.config);
	flights_init(&fl.table, fl.loop, &fake, fl.hosts);
	fl.table.max_waiters = (size_t)fl.config->upstream.max_waiters;
	/* However slow this machine is, what fails fails at once. */
	fl.table.retry_within_ms = 3600000;
	fl.table.again = again_new(AGAIN_MAX);
	fl.table.budget = budget_new(BUDGET_MAX);
	fl.mirrors = 1;
	fl.paced = false;
	fl.lane = LANE_ALL;
	fl.source = 0;
	fl.n_asked = fl.n_told = fl.n_checks = fl.n_ended = fl.n_freed = 0;
	clock_offset_set(0);
}

void
fl_setup(void)
{
	fl_stage("{}");
}

void
fl_drain(void)
{
	flights_drain(&fl.table);
}

void
fl_teardown(void)
{
	size_t i;

	fl_on_loop(fl_drain);
	fl_on_loop(fl_nothing);
	ck_assert_uint_eq(atomic_load(&fl.table.n), 0);
	ck_assert_uint_eq(atomic_load(&fl.table.n_waiters), 0);
	ck_assert_uint_eq(fl.n_ended, fl.n_freed);
	again_free(fl.table.again);
	budget_free(fl.table.budget);
	flights_fini(&fl.table);
	hosts_free(fl.hosts);
	loop_free(fl.loop);
	config_unref(fl.config);
	fl.config = NULL;
	for (i = 0; i < fl.n_asked; i++) {
		free(fl.asked[i]->url);
		free(fl.asked[i]);
	}
}
