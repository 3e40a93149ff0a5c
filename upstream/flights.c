/* The table of flights, and the waiters on either side of it. */
#include "upstream/flight.h"

#include "config/base/clock.h"
#include "config/base/map.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "upstream/budget.h"

#include <stdlib.h>

/* --- the table -------------------------------------------------------- */

void
flights_init(struct flights *t, struct loop *loop, struct transport *tr,
    struct hosts *hosts)
{
	*t = (struct flights){ .loop = loop, .transport = tr, .hosts = hosts };
	t->retry_within_ms = RETRY_WITHIN_MS;
	t->by_name = map_new();
	TAILQ_INIT(&t->all);
}

void
flights_fini(struct flights *t)
{
	must(atomic_load(&t->n) == 0);
	map_free(t->by_name);
}

struct flight *
flights_get(struct flights *t, const char *name)
{
	return map_get(t->by_name, span_str(name));
}

bool
flights_admit(struct flights *t, struct waiter *w)
{
	struct why why = { 0 };

	if (t->draining) {
		waiter_tell(w, ERR_DRAINING, NULL);
		return false;
	}
	if (!w->internal && atomic_load(&t->n_waiters) >= t->max_waiters) {
		metric_inc(M_SHED_WAITERS);
		(void)why_set(&why, ERR_SHED, "upstream",
		    "%zu requests wait for upstream", t->max_waiters);
		waiter_tell(w, ERR_SHED, &why);
		return false;
	}
	atomic_fetch_add(&t->n_waiters, 1);
	return true;
}

/* Whoever makes us fetch what nobody else asks for pays for it. */
enum err
flights_charge(struct flights *t, const struct config *config, uint32_t source,
    struct why *why)
{
	struct budget_limits limits = {
		config->limits.misses_per_source_per_minute,
		config->limits.misses_per_source_burst,
	};
	int64_t wait_ms;

	if (t->budget == NULL || source == 0 ||
	    budget_take(t->budget, &limits, source, hosts_ms(), &wait_ms))
		return ERR_OK;
	metric_inc(M_SHED_SOURCE);
	(void)why_set(why, ERR_MISS_BUDGET,
	    "limits.misses_per_source_per_minute",
	    "this source has caused more than %d fetches", limits.burst);
	why->retry_s = (int)(wait_ms / 1000) + 1;
	return ERR_MISS_BUDGET;
}

void
flights_tell(struct flights *t, struct waiter *w, enum err e,
    const struct why *why)
{
	must(atomic_fetch_sub(&t->n_waiters, 1) > 0);
	waiter_tell(w, e, why);
	if (t->idle != NULL)
		t->idle(t->idle_arg);
}

void
flights_drain(struct flights *t)
{
	struct flight *f;

	t->draining = true;
	while ((f = TAILQ_FIRST(&t->all)) != NULL)
		flight_abort(f);
}

void
flights_tick(struct flights *t)
{
	int64_t now = hosts_ms();
	struct flight *f;

	TAILQ_FOREACH(f, &t->all, link)
	{
		if (f->state == FLIGHT_RESTING && f->rest_until <= now)
			timer_set(f->timer, 0);
	}
}

#define FLIGHTS_SHOWN 100

json_t *
flights_json(struct flights *t)
{
	int64_t now = clock_mono_ms();
	json_t *list = json_array();
	struct flight *f;
	json_t *j;

	TAILQ_FOREACH(f, &t->all, link)
	{
		if (json_array_size(list) == FLIGHTS_SHOWN)
			break;
		j = json_pack("{s:s, s:s, s:I, s:I, s:s?}", "item", f->label,
		    "state", flight_state_name(f->state), "waiters",
		    (json_int_t)f->n_waiters, "age_ms",
		    (json_int_t)(now - f->began_ms), "origin",
		    f->host == NULL ? NULL : f->host->name);
		must(j != NULL && json_array_append_new(list, j) == 0);
	}
	return list;
}

/* --- waiters, on either side ------------------------------------------ */

#define WAITER_MAGIC 0x57414954

struct waiter *
waiter_new(long wait_ms, void (*tell)(struct waiter *), void *arg)
{
	struct waiter *w = xcalloc(1, sizeof(*w));

	w->magic = WAITER_MAGIC;
	w->home = loop_self();
	must(w->home != NULL);
	w->deadline_ms = wait_ms < 0 ? WAIT_FOREVER : clock_mono_ms() + wait_ms;
	w->tell = tell;
	w->arg = arg;
	return w;
}

void
waiter_free(struct waiter *w)
{
	must(w->magic == WAITER_MAGIC);
	coll_unref(w->coll);
	pck_answer_unref(w->answer);
	pck_list_unref(w->list);
	blob_unref(w->ask.enc_ppid);
	blob_unref(w->ask.manifest);
	w->magic = 0;
	free(w);
}

static void
waiter_run(struct msg *m)
{
	struct waiter *w = msg_of(m, struct waiter, msg);

	w->tell(w);
	waiter_free(w);
}

void
waiter_tell(struct waiter *w, enum err e, const struct why *why)
{
	w->why = why == NULL ? (struct why){ 0 } : *why;
	w->why.err = e;
	if (e != ERR_OK && w->why.text[0] == '\0')
		(void)why_set(&w->why, e, w->why.clause, "%s", err_text(e));
	msg_send(w->home, &w->msg, waiter_run);
}
