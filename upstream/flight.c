#include "upstream/flight.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/map.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "upstream/again.h"
#include "upstream/vendor.h"

#include <stdlib.h>
#include <string.h>

#define FLIGHT_MAGIC 0x464c4947

/*
 * An upstream that fails at once is asked once more after a moment, and then
 * whoever waits hears about it: within a second in all.
 */
#define RETRY_AFTER_MS 200 /* and up to half of that again */

/* While there is another mirror to ask, one that hangs does not get all of
 * the caller's time. */
#define HANG_MIN_MS 1000

/*
 *               ready           slot          200            admitted
 *  want ──► NEW ─────► QUEUED ───────► ASKING ───► CHECKING ──────────► DONE
 *            │          ▲ │ ▲ denied      │ 5xx, ...   │ refused         ▲
 *            │          │ │ └─────────────┴────────────┤ next mirror     │
 *            │ rest over│ │                            │                 │
 *            │      RESTING ◄──────────────────────────┤ all were asked  │
 *            │          │                              │                 │
 *            └──────────┴──────────────────────────────┴─────────────────┘
 *               404 and the like; nothing more to try; shutting down
 */
enum flight_event {
	EV_GO,    /* the job is ready; the rest is over */
	EV_SLOT,  /* the origin lets us ask */
	EV_BODY,  /* an answer to check */
	EV_NEXT,  /* ask the next mirror */
	EV_REST,  /* ask again later */
	EV_WON,   /* what was fetched is admitted */
	EV_LOST,  /* f->why is the last word */
	EV_ABORT, /* shutting down */
	EV_N
};

typedef void (*flight_act)(struct flight *);

struct flight_cell {
	enum flight_state next;
	flight_act act;
};

static void act_queue(struct flight *);
static void act_ask(struct flight *);
static void act_check(struct flight *);
static void act_rest(struct flight *);
static void act_won(struct flight *);
static void act_end(struct flight *);
static void act_abort(struct flight *);

/* A call-back of work that was under way when the flight ended. */
static void
act_late(struct flight *f)
{
	(void)f;
}

static void
act_bad(struct flight *f)
{
	must(f->state == FLIGHT_STATE_N); /* never: it cannot happen there */
}

/* clang-format off */
static const struct flight_cell cells[FLIGHT_STATE_N][EV_N] = {
	[FLIGHT_NEW] = {
		[EV_GO] =    { FLIGHT_QUEUED, act_queue },
		[EV_SLOT] =  { FLIGHT_NEW, act_bad },
		[EV_BODY] =  { FLIGHT_NEW, act_bad },
		[EV_NEXT] =  { FLIGHT_NEW, act_bad },
		[EV_REST] =  { FLIGHT_RESTING, act_rest },
		[EV_WON] =   { FLIGHT_NEW, act_bad },
		[EV_LOST] =  { FLIGHT_DONE, act_end },
		[EV_ABORT] = { FLIGHT_DONE, act_abort },
	},
	[FLIGHT_QUEUED] = {
		[EV_GO] =    { FLIGHT_QUEUED, act_bad },
		[EV_SLOT] =  { FLIGHT_ASKING, act_ask },
		[EV_BODY] =  { FLIGHT_QUEUED, act_bad },
		[EV_NEXT] =  { FLIGHT_QUEUED, act_queue },
		[EV_REST] =  { FLIGHT_RESTING, act_rest },
		[EV_WON] =   { FLIGHT_QUEUED, act_bad },
		[EV_LOST] =  { FLIGHT_DONE, act_end },
		[EV_ABORT] = { FLIGHT_DONE, act_abort },
	},
	[FLIGHT_ASKING] = {
		[EV_GO] =    { FLIGHT_ASKING, act_bad },
		[EV_SLOT] =  { FLIGHT_ASKING, act_bad },
		[EV_BODY] =  { FLIGHT_CHECKING, act_check },
		[EV_NEXT] =  { FLIGHT_QUEUED, act_queue },
		[EV_REST] =  { FLIGHT_RESTING, act_rest },
		[EV_WON] =   { FLIGHT_ASKING, act_bad },
		[EV_LOST] =  { FLIGHT_DONE, act_end },
		[EV_ABORT] = { FLIGHT_DONE, act_abort },
	},
	[FLIGHT_CHECKING] = {
		[EV_GO] =    { FLIGHT_CHECKING, act_bad },
		[EV_SLOT] =  { FLIGHT_CHECKING, act_bad },
		[EV_BODY] =  { FLIGHT_CHECKING, act_bad },
		[EV_NEXT] =  { FLIGHT_QUEUED, act_queue },
		[EV_REST] =  { FLIGHT_RESTING, act_rest },
		[EV_WON] =   { FLIGHT_DONE, act_won },
		[EV_LOST] =  { FLIGHT_DONE, act_end },
		[EV_ABORT] = { FLIGHT_DONE, act_abort },
	},
	[FLIGHT_RESTING] = {
		[EV_GO] =    { FLIGHT_QUEUED, act_queue },
		[EV_SLOT] =  { FLIGHT_RESTING, act_bad },
		[EV_BODY] =  { FLIGHT_RESTING, act_bad },
		[EV_NEXT] =  { FLIGHT_RESTING, act_bad },
		[EV_REST] =  { FLIGHT_RESTING, act_bad },
		[EV_WON] =   { FLIGHT_RESTING, act_bad },
		[EV_LOST] =  { FLIGHT_DONE, act_end },
		[EV_ABORT] = { FLIGHT_DONE, act_abort },
	},
	[FLIGHT_DONE] = {
		[EV_GO] =    { FLIGHT_DONE, act_late },
		[EV_SLOT] =  { FLIGHT_DONE, act_bad },
		[EV_BODY] =  { FLIGHT_DONE, act_bad },
		[EV_NEXT] =  { FLIGHT_DONE, act_late },
		[EV_REST] =  { FLIGHT_DONE, act_late },
		[EV_WON] =   { FLIGHT_DONE, act_late },
		[EV_LOST] =  { FLIGHT_DONE, act_late },
		[EV_ABORT] = { FLIGHT_DONE, act_late },
	},
};
/* clang-format on */

/* The state is set first: an action may well bring the next event. */
static void
step(struct flight *f, enum flight_event ev)
{
	const struct flight_cell *c = &cells[f->state][ev];

	flight_ref(f);
	if (c->act != act_bad)
		f->state = c->next;
	c->act(f);
	flight_unref(f);
}

const char *
flight_state_name(enum flight_state s)
{
	static const char *const names[FLIGHT_STATE_N] = { "new", "queued",
		"asking", "checking", "resting", "done" };

	must(s < FLIGHT_STATE_N);
	return names[s];
}

/* --- one flight ------------------------------------------------------- */

struct flight *
flight_cast(void *arg)
{
	return obj_cast(arg, FLIGHT_MAGIC);
}

struct flight *
flight_ref(struct flight *f)
{
	f->refs++;
	return f;
}

void
flight_unref(struct flight *f)
{
	struct flights *t = f->table;

	must(f->refs > 0);
	if (--f->refs > 0)
		return;
	must(f->state == FLIGHT_DONE && TAILQ_EMPTY(&f->waiters));
	timer_free(f->timer);
	timer_free(f->deadline);
	request_fini(&f->request);
	config_unref(f->config);
	free(f->name);
	free(f->label);
	f->magic = 0;
	atomic_fetch_sub(&t->n, 1);
	f->job->free(f);
	if (t->idle != NULL)
		t->idle(t->idle_arg);
}

static void rest_over_cb(void *);
static void deadline_cb(void *);

enum err
flight_init(struct flight *f, struct flights *t, const struct job *job,
    const char *name, const char *label, struct config *config,
    const struct waiter *first, struct why *why)
{
	enum err e;

	if (atomic_load(&t->n) >= FLIGHTS_MAX) {
		metric_inc(M_SHED_WAITERS);
		return why_set(why, ERR_SHED, "upstream",
		    "%d fetches are in progress", FLIGHTS_MAX);
	}
	if ((e = flights_charge(t, config, first->source, why)) != ERR_OK)
		return e;
	f->magic = FLIGHT_MAGIC;
	f->job = job;
	f->table = t;
	f->config = config_ref(config);
	f->name = xstrdup(name);
	f->label = xstrdup(label);
	f->source = first->source;
	f->refs = 1;
	f->began_ms = clock_mono_ms();
	f->timer = timer_new(t->loop, rest_over_cb, f);
	f->deadline = timer_new(t->loop, deadline_cb, f);
	TAILQ_INIT(&f->waiters);
	must(map_put(t->by_name, span_str(f->name), f) == NULL);
	TAILQ_INSERT_TAIL(&t->all, f, link);
	atomic_fetch_add(&t->n, 1);
	return ERR_OK;
}

void
flight_start(struct flight *f)
{
	must(f->state == FLIGHT_NEW);
	flight_ref(f);
	f->job->prepare(f);
	flight_unref(f);
}

bool
flight_has_client(const struct flight *f)
{
	const struct waiter *w;

	TAILQ_FOREACH(w, &f->waiters, link)
	{
		if (!w->background)
			return true;
	}
	return false;
}

/* --- its waiters ------------------------------------------------------ */

static void
flight_take(struct flight *f, struct waiter *w)
{
	TAILQ_REMOVE(&f->waiters, w, link);
	f->n_waiters--;
}

static void
flight_tell(struct flight *f, struct waiter *w, enum err e,
    const struct why *why)
{
	flight_take(f, w);
	flights_tell(f->table, w, e, why);
}

/* The timer runs for the first deadline there is. */
static void
flight_deadline(struct flight *f)
{
	int64_t first = WAIT_FOREVER, now = clock_mono_ms();
	const struct waiter *w;

	TAILQ_FOREACH(w, &f->waiters, link)
	{
		if (w->deadline_ms < first)
			first = w->deadline_ms;
	}
	if (first == WAIT_FOREVER)
		timer_clear(f->deadline);
	else
		timer_set(f->deadline, first > now ? (long)(first - now) : 0);
}

static void
deadline_cb(void *arg)
{
	struct flight *f = flight_cast(arg);
	struct waiter *w, *next;
	struct why why = { 0 };
	int64_t now = clock_mono_ms();

	(void)why_set(&why, ERR_UP_SLOW, "upstream",
	    "%s is still %s after %lld ms%s%s", f->label,
	    flight_state_name(f->state), (long long)(now - f->began_ms),
	    f->host != NULL ? " at " : "",
	    f->host != NULL ? f->host->name : "");
	if (f->paced)
		why.retry_s = AGAIN_GAP_MS / 1000;
	flight_ref(f);
	for (w = TAILQ_FIRST(&f->waiters); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->deadline_ms <= now)
			flight_tell(f, w, ERR_UP_SLOW, &why);
	}
	flight_deadline(f);
	flight_unref(f);
}

/*
 * Who cannot or will not wait that long is told what is known now.  Somebody
 * without a deadline of his own, an operator's refresh, waits for a pause as
 * long as a client would: pauses last for up to half an hour.
 */
static void
flight_shake(struct flight *f, int64_t wait_ms)
{
	int64_t then = clock_mono_ms() + wait_ms;
	bool long_wait = wait_ms > f->config->cache.client_wait_ms;
	struct waiter *w, *next;

	for (w = TAILQ_FIRST(&f->waiters); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->background || w->deadline_ms <= then ||
		    (w->deadline_ms == WAIT_FOREVER && long_wait))
			flight_tell(f, w, f->why.err, &f->why);
	}
	flight_deadline(f);
}

void
flight_join(struct flight *f, struct waiter *w)
{
	must(f->state != FLIGHT_DONE);
	w->asked++;
	TAILQ_INSERT_TAIL(&f->waiters, w, link);
	f->n_waiters++;
	if (!w->background && f->lane != NULL)
		host_promote(f->host, f);
	if (f->state == FLIGHT_RESTING && f->pause_until != 0)
		flight_shake(f, f->rest_until - hosts_ms());
	else
		flight_deadline(f);
}

/* --- asking ----------------------------------------------------------- */

static void
act_queue(struct flight *f)
{
	struct flights *t = f->table;
	struct why why = { 0 };

	f->n_mirrors = f->job->mirrors(f);
	if (f->mirror >= f->n_mirrors) {
		(void)why_set(&why, ERR_UP_DOWN, "larder.json",
		    "no upstream is configured for %s", f->label);
		flight_lost(f, ERR_UP_DOWN, &why);
		return;
	}
	request_fini(&f->request);
	f->job->request(f, f->mirror, &f->request);
	f->host = hosts_get(t->hosts, f->request.origin, f->request.lane);
	if (f->host == NULL) {
		(void)why_set(&why, ERR_SHED, "upstream",
		    "more than %d origins since the start", HOSTS_MAX);
		flight_lost(f, ERR_SHED, &why);
		return;
	}
	host_queue(f->host, f, !flight_has_client(f));
}

static long
flight_timeout(const struct flight *f)
{
	long all = f->request.timeout_ms > 0 ? f->request.timeout_ms
					     : f->config->upstream.timeout_ms;
	long some = f->config->cache.client_wait_ms / 2;

	if (f->mirror + 1 >= f->n_mirrors)
		return all;
	if (some < HANG_MIN_MS)
		some = HANG_MIN_MS;
	return some < all ? some : all;
}

static void
reply_log(const struct flight *f, const struct reply *r, enum err e,
    const struct why *why)
{
	struct span id = reply_header(r, "Request-ID");
	char *request_id = id.len > 0 && id.len <= 64 ? span_dup(id) : NULL;

	log_event(e == ERR_OK || !err_retry(e) ? LOG_INFO : LOG_WARN, "asked",
	    "object", f->label, "origin", f->host->name, "status",
	    log_num(r->status).s, "ms", log_num(r->us / 1000).s, "bytes",
	    log_num((long long)r->body.len).s, "result", err_token(e), "text",
	    e == ERR_OK ? NULL : why->text, "upstream_request_id", request_id,
	    NULL);
	free(request_id);
}

/*
 * A larder in front of an origin that is ill is well itself and answers for
 * other things; this one it has said when to ask for (RFC 9110 10.2.3).
 */
static void
flight_told(struct flight *f, enum err e, const struct why *health,
    int64_t after_s)
{
	f->told_until = 0;
	if (!vendor_try_next(e) || health->err != ERR_OK || after_s <= 0)
		return;
	if (after_s > ORIGIN_PAUSE_MAX_MS / 1000)
		after_s = ORIGIN_PAUSE_MAX_MS / 1000;
	f->told_until = hosts_ms() + after_s * 1000;
}

static void
exchange_cb(void *arg, const struct reply *r)
{
	struct flight *f = flight_cast(arg);
	struct why why = r->why, health;
	int64_t after = vendor_health(r, &health);
	enum err e;

	f->exchange = NULL;
	host_done(f->host, f->probe, &health, after, r->status, r->us);
	e = r->why.err != ERR_OK ? r->why.err : f->job->reply(f, r, &why);
	reply_log(f, r, e, &why);
	flight_told(f, e, &health, after);
	if (e == ERR_OK)
		step(f, EV_BODY);
	else
		flight_lost(f, e, &why);
	flight_unref(f);
}

static void
act_ask(struct flight *f)
{
	struct transport *tr = f->table->transport;

	metric_inc(M_FETCHES);
	flight_ref(f);
	f->exchange =
	    tr->ops->start(tr, &f->request, flight_timeout(f), exchange_cb, f);
	request_fini(&f->request);
}

static void
act_check(struct flight *f)
{
	f->job->check(f);
}

/* --- when it does not work -------------------------------------------- */

/* Clients are told about failures, so the one that tells most is kept. */
static void
flight_remember(struct flight *f, enum err e, const struct why *why)
{
	struct why next = { 0 };

	if ((e == ERR_UP_CLOSED || e == ERR_UP_THROTTLED ||
		e == ERR_NOT_CACHED) &&
	    f->why.err != ERR_OK)
		return;
	if (why != NULL)
		next = *why;
	next.err = e;
	if (next.text[0] == '\0')
		(void)why_set(&next, e, next.clause, "%s", err_text(e));
	/* "down since" and the like name the origin already. */
	if (f->host != NULL && vendor_try_next(e) && e != ERR_UP_CLOSED &&
	    !(e == ERR_UP_THROTTLED &&
		strncmp(next.text, f->host->name, strlen(f->host->name)) == 0))
		(void)why_in(&next, e, "%s", f->host->name);
	f->why = next;
}

static bool
flight_may_retry(const struct flight *f, enum err e)
{
	int64_t until;

	if (f->retried || f->paced || f->told_until != 0 || e == ERR_UP_AUTH ||
	    e == ERR_UP_SLOW || e == ERR_UP_CLOSED || e == ERR_UP_THROTTLED ||
	    e == ERR_NOT_CACHED || e == ERR_OLDER || e == ERR_TOO_BIG)
		return false;
	return f->host != NULL && flight_has_client(f) &&
	       clock_mono_ms() - f->began_ms < f->table->retry_within_ms &&
	       origin_look(&f->host->origin, hosts_ms(), &until) == ORIGIN_GO;
}

/*
 * All mirrors have failed a paced flight: nobody asks for it again before its
 * time, and who can wait for that does.
 */
static void
flight_pace(struct flight *f, enum err e)
{
	int64_t now = hosts_ms(), at = 0, until = 0;

	if (e != ERR_UP_CLOSED)
		at = again_note(f->table->again, f->name, &f->why, now,
		    f->told_until);
	/* It may have said for how long it wants to be left alone. */
	if (f->host != NULL &&
	    origin_look(&f->host->origin, now, &until) != ORIGIN_GO &&
	    until > at)
		at = until;
	if (e != ERR_UP_THROTTLED || at > f->pause_until)
		f->pause_until = at;
	if (f->pause_until > now)
		f->why.retry_s = (int)((f->pause_until - now + 999) / 1000);
}

/* Rest until the first pause is over, if somebody waits that long. */
static bool
flight_may_pause(struct flight *f)
{
	if (f->pause_until == 0)
		return false;
	flight_shake(f, f->pause_until - hosts_ms());
	return !TAILQ_EMPTY(&f->waiters);
}

static enum flight_event
flight_fate(struct flight *f, enum err e)
{
	if (f->fresh_round) {
		f->fresh_round = false;
		f->mirror = 0;
		return EV_NEXT;
	}
	if (f->state == FLIGHT_NEW || f->n_mirrors == 0)
		return EV_LOST;
	if (vendor_try_next(e) && f->mirror + 1 < f->n_mirrors) {
		f->mirror++;
		return EV_NEXT;
	}
	if (f->paced)
		flight_pace(f, e);
	if (!vendor_try_next(e))
		return EV_LOST;
	if (flight_may_retry(f, e)) {
		f->retried = true;
		f->pause_until = 0;
		f->rest_until =
		    hosts_ms() + RETRY_AFTER_MS +
		    (int64_t)(hosts_now().jitter * RETRY_AFTER_MS / 2);
		return EV_REST;
	}
	if (flight_may_pause(f)) {
		f->rest_until = f->pause_until;
		return EV_REST;
	}
	return EV_LOST;
}

void
flight_lost(struct flight *f, enum err e, const struct why *why)
{
	int64_t until;

	must(e != ERR_OK);
	if (f->state == FLIGHT_DONE)
		return;
	if (!f->fresh_round)
		flight_remember(f, e, why);
	if (e == ERR_UP_THROTTLED && f->host != NULL) {
		until = f->host->origin.pause_until;
		if (f->pause_until == 0 || until < f->pause_until)
			f->pause_until = until;
	}
	flight_ref(f);
	step(f, flight_fate(f, e));
	flight_unref(f);
}

static void
act_rest(struct flight *f)
{
	timer_set(f->timer, (long)(f->rest_until - hosts_ms()) + 1);
}

static void
rest_over_cb(void *arg)
{
	struct flight *f = flight_cast(arg);

	f->mirror = 0;
	f->pause_until = 0;
	step(f, EV_GO);
}

/* --- the end ---------------------------------------------------------- */

static void
act_end(struct flight *f)
{
	struct flights *t = f->table;
	struct waiter *w;

	timer_clear(f->timer);
	timer_clear(f->deadline);
	must(map_del(t->by_name, span_str(f->name)) == f);
	TAILQ_REMOVE(&t->all, f, link);
	f->job->ended(f);
	while ((w = TAILQ_FIRST(&f->waiters)) != NULL) {
		flight_take(f, w);
		f->job->answer(f, w);
	}
	flight_unref(f);
}

static void
act_won(struct flight *f)
{
	f->why = (struct why){ 0 };
	act_end(f);
}

static void
act_abort(struct flight *f)
{
	struct transport *tr = f->table->transport;

	if (f->lane != NULL)
		host_unqueue(f->host, f);
	if (f->exchange != NULL) {
		tr->ops->cancel(tr, f->exchange);
		f->exchange = NULL;
		host_left(f->host, f->probe);
		flight_unref(f);
	}
	f->why = (struct why){ 0 };
	(void)why_set(&f->why, ERR_DRAINING, "upstream", "shutting down");
	act_end(f);
}

void
flight_abort(struct flight *f)
{
	step(f, EV_ABORT);
}

/* --- events from outside ---------------------------------------------- */

void
flight_go(struct flight *f)
{
	const struct why *why;
	int64_t now = hosts_ms(), at;

	at = f->paced ? again_at(f->table->again, f->name, now, &why) : 0;
	if (at == 0) {
		step(f, EV_GO);
		return;
	}
	f->why = *why;
	f->why.retry_s = (int)((at - now + 999) / 1000);
	f->pause_until = f->rest_until = at;
	flight_ref(f);
	flight_shake(f, at - now);
	step(f, TAILQ_EMPTY(&f->waiters) ? EV_LOST : EV_REST);
	flight_unref(f);
}

void
flight_won(struct flight *f)
{
	static const struct why well = { 0 };

	if (f->paced && f->state != FLIGHT_DONE)
		(void)again_note(f->table->again, f->name, &well, hosts_ms(),
		    0);
	step(f, EV_WON);
}

void
flight_slot(struct flight *f, bool probe)
{
	f->probe = probe;
	step(f, EV_SLOT);
}

void
flight_denied(struct flight *f, const struct why *why)
{
	flight_lost(f, why->err, why);
}
