/*
 * The planner: what is held is asked for again before it goes stale
 * (caching-and-selection 6, pcs-upstream 7), what clients could not get is
 * tried again behind their backs, and what is in use is renewed (renew.h).
 * It works through the same flights as everybody, in the background
 * lane.
 */
#include "upstream/room.h"

#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/map.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "storage/baseline.h"
#include "upstream/renew.h"
#include "upstream/sched.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS     10000 /* the longest time between two looks at the clock */
#define AT_ONCE     8     /* flights of the planner at a time */
#define WANTED_MAX  1024  /* objects not held that clients could not get */
#define WANTED_S    3600
#define RETRY_MIN_S 10
#define RETRY_MAX_S 3600
#define ABSENT_S    86400
/* The other flavour of a TCB info that is held: not in the first minutes,
 * when clients have more urgent wishes. */
#define SIBLING_MIN_S 300
#define SIBLING_MAX_S 900

/* An object to be asked for. */
struct item {
	struct due due;
	struct coll_key key;
	struct plan *plan;
	size_t held_round;   /* of snapshots it was last in */
	size_t wanted_round; /* something that is held last called for it */
	time_t wanted_till;  /* a client wanted it; 0: none did */
	time_t fetched_at;   /* of the version seen */
	unsigned fails;      /* in a row */
	bool running;
	struct why last;
};

struct plan {
	struct upstream *up;
	struct timer *timer;
	struct sched *due;
	struct map *items;    /* by key text */
	struct map *eval_num; /* by FMSPC: the highest seen, plus one */
	bool snap_new;        /* a snapshot came */
	size_t round;         /* snapshots looked at */
	size_t running, wanted;
	struct renew *renew;
	size_t asking; /* storage, for the time */
	bool baseline_due;
	TAILQ_HEAD(, teller) tellers;
	bool started, stopped;
	_Atomic size_t len;
};

static void
plan_timer_cb(void *arg)
{
	plan_tick(arg, NULL);
}

/* Soon, but not from inside whatever is going on. */
static void
plan_kick(struct plan *p)
{
	if (p->started && !p->stopped)
		timer_set(p->timer, 0);
}

static void
plan_kick_cb(void *arg)
{
	plan_kick(arg);
}

struct plan *
plan_new(struct upstream *up)
{
	struct plan *p = xcalloc(1, sizeof(*p));

	p->up = up;
	p->timer = timer_new(up->loop, plan_timer_cb, p);
	p->due = sched_new();
	p->items = map_new();
	p->eval_num = map_new();
	p->renew = renew_new(up, plan_kick_cb, p);
	TAILQ_INIT(&p->tellers);
	return p;
}

void
plan_free(struct plan *p)
{
	struct map_iter it;
	struct span key;
	void *item;

	if (p == NULL)
		return;
	it = map_iter(p->items);
	while (map_next(&it, &key, &item))
		free(item);
	must(TAILQ_EMPTY(&p->tellers));
	timer_free(p->timer);
	map_free(p->items);
	map_free(p->eval_num);
	renew_free(p->renew);
	sched_free(p->due);
	free(p);
}

static double
dice(void)
{
	return hosts_now().jitter;
}

/* --- items ------------------------------------------------------------ */

static struct item *
item_find(const struct plan *p, const struct coll_key *key)
{
	return map_get(p->items, span_str(key->text));
}

static struct item *
item_get(struct plan *p, const struct coll_key *key)
{
	struct item *i = item_find(p, key);

	if (i != NULL)
		return i;
	i = xcalloc(1, sizeof(*i));
	i->plan = p;
	i->key = *key;
	must(map_put(p->items, span_str(i->key.text), i) == NULL);
	return i;
}

static void
item_at(struct plan *p, struct item *i, time_t at)
{
	sched_put(p->due, &i->due, at);
	atomic_store(&p->len, sched_len(p->due));
}

static void
item_unwant(struct plan *p, struct item *i)
{
	if (i->wanted_till != 0)
		p->wanted--;
	i->wanted_till = 0;
}

static void
item_drop(struct plan *p, struct item *i)
{
	item_unwant(p, i);
	sched_del(p->due, &i->due);
	atomic_store(&p->len, sched_len(p->due));
	must(map_del(p->items, span_str(i->key.text)) == i);
	free(i);
}

static bool
item_held(const struct item *i)
{
	return i->held_round == i->plan->round;
}

/* 10 s, 20 s, ... an hour, each a quarter more or less. */
static time_t
item_backoff(const struct item *i)
{
	time_t s = RETRY_MIN_S;
	unsigned n;

	for (n = 1; n < i->fails && s < RETRY_MAX_S; n++)
		s *= 2;
	s = s > RETRY_MAX_S ? RETRY_MAX_S : s;
	return (time_t)((double)s * (0.75 + 0.5 * dice()));
}

static void
item_failed(struct plan *p, struct item *i, const struct why *why)
{
	time_t now = clock_now();

	i->last = *why;
	switch (why->err) {
	case ERR_UP_CLOSED:
	case ERR_UP_THROTTLED:
		/* Nobody was asked: this costs nothing, and whoever comes
		 * first when the rest is over finds out for all. */
		item_at(p, i,
		    now + 1 + hosts_next(p->up->hosts) / 1000 +
			(time_t)(2 * dice()));
		return;
	case ERR_UP_ABSENT:
	case ERR_UP_GONE:
	case ERR_UP_REFUSED:
		item_unwant(p, i);
		if (item_held(i))
			log_event(LOG_WARN, "withdrawn", "object",
			    key_log(&i->key).s, "reason", err_token(why->err),
			    "text", why->text, NULL);
		item_at(p, i, now + ABSENT_S);
		return;
	default:
		i->fails++;
		item_at(p, i, now + item_backoff(i));
	}
}

static void
item_fetched(struct plan *p, struct item *i, const struct coll *c)
{
	time_t now = clock_now(), at = fresh_due_at(c, dice());
	/* Upstream had nothing newer and the record stayed as it was. */
	time_t min = now + (c->fetched_at > now - RETRY_MIN_S ? 60 : 3600);

	i->fails = 0;
	i->last = (struct why){ 0 };
	item_unwant(p, i);
	item_at(p, i, at > min ? at : min);
}

void
plan_ended(struct plan *p, const struct coll_key *key, const struct why *why,
    struct coll *coll)
{
	struct item *i = item_find(p, key);

	if (p->stopped)
		return;
	if (i == NULL) {
		/* Somebody wanted it and it could not be had just now. */
		if (!vendor_try_next(why->err) || why->err == ERR_NOT_CACHED ||
		    p->wanted >= WANTED_MAX)
			return;
		i = item_get(p, key);
		i->wanted_till = clock_now() + WANTED_S;
		p->wanted++;
	}
	if (why->err == ERR_OK)
		item_fetched(p, i, coll);
	else
		item_failed(p, i, why);
	plan_kick(p);
}

/* What failed is due again within seconds, spread. */
void
plan_recovered(void *arg)
{
	struct plan *p = arg;
	struct map_iter it = map_iter(p->items);
	time_t now = clock_now(), at;
	struct span key;
	struct item *i;
	void *v;

	while (map_next(&it, &key, &v)) {
		i = v;
		at = now + (time_t)(5 * dice());
		if (i->last.err != ERR_OK && vendor_try_next(i->last.err) &&
		    i->due.place != 0 && at < i->due.at)
			item_at(p, i, at);
	}
	plan_kick(p);
}

/* --- the snapshot ----------------------------------------------------- */

/* A number not seen before for this FMSPC: new certificates may be there. */
static void
plan_eval_num(struct plan *p, const struct coll *c)
{
	struct span fmspc = span_str(c->key.fmspc);
	uintptr_t was = (uintptr_t)map_get(p->eval_num, fmspc);
	uintptr_t is = (uintptr_t)c->eval_num + 1;

	if (is <= was)
		return;
	map_put(p->eval_num, fmspc, (void *)is);
	/* The first snapshot is what was held all along. */
	if (was != 0 && p->round > 1) {
		log_event(LOG_NOTE, "new-evaluation-number", "fmspc",
		    c->key.fmspc, NULL);
		renew_fmspc(p->renew, c->key.fmspc);
	}
}

/* What is held speaks for another object, to be asked for in some seconds
 * from now if it is not held. */
static void
plan_also(struct plan *p, const struct coll_key *key, int min_s, int max_s)
{
	struct item *i = item_get(p, key);

	i->wanted_round = p->round;
	if (i->due.place == 0 && !i->running && object_held(p->up, key) == NULL)
		item_at(p, i,
		    clock_now() + min_s + (time_t)(dice() * (max_s - min_s)));
}

/*
 * Both flavours of the TCB infos of every FMSPC in use (pcs-upstream 7).  In
 * req mode a registration says which ones it wants, and nobody else.
 */
static void
plan_sibling(struct plan *p, const struct coll_key *k)
{
	struct coll_key other = key_tcbinfo(k->tee, 4, k->fmspc,
	    k->update == UPDATE_STANDARD ? UPDATE_EARLY : UPDATE_STANDARD, 0);

	plan_also(p, &other, SIBLING_MIN_S, SIBLING_MAX_S);
}

/* Whether a chain that is held is revoked, its list says (amd-kds 5). */
static void
plan_crl_of(struct plan *p, const struct coll_key *chain)
{
	struct coll_key crl = key_amd_crl(chain->product, chain->side);

	plan_also(p, &crl, 0, RETRY_MIN_S);
}

/* The dates of recoveries; at once where a rule counts from them. */
static void
plan_numbers(struct plan *p, enum tee tee)
{
	struct coll_key key = key_evalnums(tee);
	bool now = baseline_lags(snap_baseline(p->up->snap));

	plan_also(p, &key, now ? 0 : SIBLING_MIN_S, now ? 0 : SIBLING_MAX_S);
}

static void
plan_visit(void *arg, struct coll *c)
{
	struct plan *p = arg;
	const struct coll_key *k = &c->key;
	struct item *i;

	if ((k->kind == COLL_TCBINFO || k->kind == COLL_IDENTITY) &&
	    k->api != 4)
		return;
	if (k->update == UPDATE_NUMBER &&
	    !baseline_renews(snap_baseline(p->up->snap), k))
		return;
	i = item_get(p, k);
	i->held_round = p->round;
	if (i->due.place == 0 && !i->running) {
		item_at(p, i, fresh_due_at(c, dice()));
	} else if (i->fetched_at != c->fetched_at && !i->running) {
		/* An upload or an import brought it meanwhile. */
		i->fails = 0;
		i->last = (struct why){ 0 };
		item_at(p, i, fresh_due_at(c, dice()));
	}
	i->fetched_at = c->fetched_at;
	if (k->kind == COLL_AMD_CHAIN)
		plan_crl_of(p, k);
	if (k->kind != COLL_TCBINFO)
		return;
	if (p->up->config->mode == MODE_LAZY) {
		plan_sibling(p, k);
		plan_numbers(p, k->tee);
	}
	if (k->tee == TEE_SGX && k->update != UPDATE_NUMBER)
		plan_eval_num(p, c);
}

/* What the baseline is about to serve is fetched before it does. */
static void
plan_baseline(struct plan *p)
{
	const struct coll_key *v;
	size_t i, n;

	v = baseline_wants(snap_baseline(p->up->snap), &n);
	for (i = 0; i < n; i++)
		plan_also(p, &v[i], 0, 0);
}

/* Nothing speaks for it any more. */
static bool
item_dead(const struct item *i, time_t now)
{
	return !i->running && !item_held(i) &&
	       i->wanted_round != i->plan->round && i->wanted_till <= now;
}

static void
plan_sweep(struct plan *p)
{
	struct map_iter it = map_iter(p->items);
	time_t now = clock_now();
	struct item **dead, *i;
	size_t n = 0;
	struct span key;
	void *v;

	dead = xcalloc(map_len(p->items) + 1, sizeof(*dead));
	while (map_next(&it, &key, &v)) {
		i = v;
		if (i->held_round != p->round && i->wanted_round != p->round &&
		    !i->running && i->wanted_till <= now)
			dead[n++] = i;
	}
	while (n > 0)
		item_drop(p, dead[--n]);
	free(dead);
}

void
plan_snap(struct plan *p)
{
	p->snap_new = true;
	plan_kick(p);
}

/* Snapshots that come close together are looked at once. */
static void
plan_look(struct plan *p)
{
	if (!p->snap_new)
		return;
	p->snap_new = false;
	p->round++;
	snap_each(p->up->snap, plan_visit, p);
	plan_baseline(p);
	plan_sweep(p);
}

static void
plan_due_cb(void *arg, enum err e, const struct why *why)
{
	struct plan *p = arg;

	(void)e;
	(void)why;
	p->asking--;
	p->baseline_due = false;
	plan_kick(p);
	upstream_called(p->up);
}

/* A day of the baseline's has come: storage works out what follows. */
static void
plan_days(struct plan *p, time_t now)
{
	time_t at;

	if (p->up->snap == NULL || p->baseline_due)
		return;
	at = baseline_next(snap_baseline(p->up->snap));
	if (at == 0 || at > now)
		return;
	p->baseline_due = true;
	p->asking++;
	upstream_call(p->up);
	storage_baseline_due(p->up->storage, plan_due_cb, p);
}

/* --- what is in use --------------------------------------------------- */

void
plan_refetch(struct plan *p, const struct platform_id *id)
{
	renew_platform(p->renew, id);
}

void
plan_renew(struct plan *p, const struct coll_key *key)
{
	renew_object(p->renew, key);
}

/* --- running ---------------------------------------------------------- */

static void
item_told(struct waiter *w)
{
	struct item *i = w->arg;
	struct plan *p = i->plan;

	i->running = false;
	p->running--;
	/* It never became a flight: shed, known to be absent. */
	if (i->due.place == 0)
		item_at(p, i, clock_now() + RETRY_MIN_S);
	plan_kick(p);
}

static void
item_start(struct plan *p, struct item *i)
{
	i->running = true;
	p->running++;
	object_want(p->up, &i->key, i->wanted_till == 0,
	    waiter_inner(p->up, -1, true, item_told, i));
}

static bool
plan_may_start(const struct plan *p)
{
	return p->up->config->mode != MODE_OFFLINE &&
	       p->running + renew_running(p->renew) < AT_ONCE;
}

static struct item *
plan_due(struct plan *p, time_t now)
{
	struct due *d = sched_pop(p->due, now);

	atomic_store(&p->len, sched_len(p->due));
	return d == NULL ? NULL : msg_of(d, struct item, due);
}

static bool
plan_done(const struct plan *p, time_t now)
{
	const struct due *d = sched_first(p->due);

	return p->up->config->mode == MODE_OFFLINE ||
	       (p->running == 0 && !renew_busy(p->renew) && p->asking == 0 &&
		   (d == NULL || d->at > now));
}

static void
plan_tell(struct plan *p, enum err e)
{
	struct teller *t;

	while ((t = TAILQ_FIRST(&p->tellers)) != NULL) {
		TAILQ_REMOVE(&p->tellers, t, link);
		teller_tell(t, e, NULL, NULL);
	}
}

static long
plan_sleep_ms(const struct plan *p, time_t now)
{
	const struct due *d = sched_first(p->due);

	if (d == NULL || !plan_may_start(p) || d->at - now > TURN_MS / 1000)
		return TURN_MS;
	return d->at <= now ? 0 : (long)(d->at - now) * 1000;
}

static void
plan_run(struct plan *p)
{
	time_t now = clock_now();
	struct item *i;

	while (plan_may_start(p) && (i = plan_due(p, now)) != NULL) {
		if (i->running) /* the clock has jumped past its next turn */
			item_at(p, i, now + RETRY_MIN_S);
		else if (item_dead(i, now))
			item_drop(p, i);
		else
			item_start(p, i);
	}
	while (plan_may_start(p) && renew_start(p->renew))
		continue;
	if (plan_done(p, now))
		plan_tell(p, ERR_OK);
	timer_set(p->timer, plan_sleep_ms(p, now));
}

void
plan_tick(struct plan *p, struct teller *t)
{
	if (p->stopped || !p->started) {
		if (t != NULL)
			teller_tell(t, ERR_DRAINING, NULL, NULL);
		return;
	}
	if (t != NULL)
		TAILQ_INSERT_TAIL(&p->tellers, t, link);
	hosts_tick(p->up->hosts);
	flights_tick(&p->up->flights);
	plan_look(p);
	plan_days(p, clock_now());
	plan_run(p);
}

void
plan_start(struct plan *p)
{
	p->started = true;
	plan_kick(p);
}

void
plan_stop(struct plan *p)
{

	p->stopped = true;
	timer_clear(p->timer);
	plan_tell(p, ERR_DRAINING);
	renew_stop(p->renew);
}

/* --- for people ------------------------------------------------------- */

#define SHOWN_MAX 100

static json_t *
item_json(const struct item *i)
{
	char at[TIME_LEN];
	json_t *j;

	time_write(i->due.at, at);
	j = json_pack("{s:s, s:b, s:s, s:s, s:I}", "item", key_log(&i->key).s,
	    "held", item_held(i), "next_at", at, "reason",
	    err_token(i->last.err), "fails", (json_int_t)i->fails);
	must(j != NULL);
	json_object_set_new(j, "text", json_string(i->last.text));
	return j;
}

json_t *
plan_json(const struct plan *p)
{
	struct map_iter it = map_iter(p->items);
	const struct due *first = sched_first(p->due);
	json_t *failing = json_array(), *j;
	size_t running = p->running + renew_running(p->renew);
	char at[TIME_LEN];
	struct span key;
	struct item *i;
	void *v;

	while (map_next(&it, &key, &v)) {
		i = v;
		if (i->last.err != ERR_OK &&
		    json_array_size(failing) < SHOWN_MAX)
			json_array_append_new(failing, item_json(i));
	}
	j = json_pack("{s:I, s:I, s:I, s:o}", "items",
	    (json_int_t)map_len(p->items), "running", (json_int_t)running,
	    "platform_lists", (json_int_t)renew_waiting(p->renew), "failing",
	    failing);
	must(j != NULL);
	if (first != NULL) {
		time_write(first->at, at);
		json_object_set_new(j, "next_at", json_string(at));
	}
	return j;
}

size_t
plan_len(const struct plan *p)
{
	return atomic_load(&p->len);
}
