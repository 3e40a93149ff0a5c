#include "upstream/room.h"

#include "config/base/log.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define UPSTREAM_MAGIC 0x5550524d

struct upstream *
upstream_cast(void *arg)
{
	return obj_cast(arg, UPSTREAM_MAGIC);
}

/* --- those who wait for more than a waiter ---------------------------- */

struct teller *
teller_new(struct upstream *up, void *arg)
{
	struct teller *t = xcalloc(1, sizeof(*t));

	t->up = up;
	t->home = loop_self();
	t->arg = arg;
	return t;
}

static void
teller_run(struct msg *m)
{
	struct teller *t = msg_of(m, struct teller, msg);

	if (t->text != NULL)
		t->text(t->arg, t->why.err, &t->why, t->out);
	else if (t->done != NULL)
		t->done(t->arg, t->why.err, &t->why);
	free(t);
}

void
teller_tell(struct teller *t, enum err e, const struct why *why,
    struct blob *out)
{
	t->why = why == NULL ? (struct why){ 0 } : *why;
	t->why.err = e;
	if (e != ERR_OK && t->why.text[0] == '\0')
		(void)why_set(&t->why, e, t->why.clause, "%s", err_text(e));
	t->out = out;
	if (t->home != NULL)
		msg_send(t->home, &t->msg, teller_run);
	else
		free(t); /* a tick from no loop: nobody listens */
}

struct blob *
json_blob(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	struct blob *out;

	must(text != NULL);
	out = blob_from(span_str(text));
	free(text);
	json_decref(j);
	return out;
}

/* --- beginning and ending --------------------------------------------- */

void
upstream_call(struct upstream *up)
{
	up->calls++;
}

void
upstream_called(struct upstream *up)
{
	must(up->calls > 0);
	up->calls--;
	upstream_idle(up);
}

struct drain {
	struct msg msg;
	struct upstream *up;
	sem_t done;
};

void
upstream_idle(void *arg)
{
	struct upstream *up = upstream_cast(arg);
	struct drain *d = up->drain;

	if (d == NULL || up->calls != 0 || up->batches != 0 ||
	    atomic_load(&up->flights.n) != 0 ||
	    atomic_load(&up->flights.n_waiters) != 0)
		return;
	up->drain = NULL;
	must(sem_post(&d->done) == 0);
}

static void
snap_cb(void *arg, struct snap *snap)
{
	struct upstream *up = upstream_cast(arg);
	struct drain *d = up->drain;

	snap_ref(snap);
	snap_unref(up->snap);
	up->snap = snap;
	plan_snap(up->plan);
	if (up->started)
		return;
	/* The first one: now what is held is known. */
	up->started = true;
	plan_start(up->plan);
	up->drain = NULL;
	must(sem_post(&d->done) == 0);
}

/* Something is new upstream: whoever is to be told is told. */
static void
news_cb(void *arg, struct blob *json)
{
	webhook_post(upstream_cast(arg)->webhook, json);
}

static void
start_run(struct msg *m)
{
	struct drain *d = msg_of(m, struct drain, msg);

	d->up->drain = d;
	storage_subscribe(d->up->storage, snap_cb, d->up);
	storage_watch(d->up->storage, news_cb, d->up);
}

static void
drain_run(struct msg *m)
{
	struct drain *d = msg_of(m, struct drain, msg);
	struct upstream *up = d->up;

	up->draining = true;
	up->drain = d;
	plan_stop(up->plan);
	flights_drain(&up->flights);
	upstream_idle(up);
}

/* Run something on the fetch thread until it posts "done". */
static void
drain_wait(struct upstream *up, msg_fn run)
{
	struct drain d = { .up = up };

	must(loop_self() == NULL);
	must(sem_init(&d.done, 0, 0) == 0);
	msg_send(up->loop, &d.msg, run);
	while (sem_wait(&d.done) != 0)
		;
	must(sem_destroy(&d.done) == 0);
}

static enum err
urls_check(const struct config_list *urls, const char *path, struct why *why)
{
	char *origin;
	size_t i;

	for (i = 0; i < urls->n; i++) {
		origin = origin_of(urls->v[i]);
		if (origin == NULL)
			return why_set(why, ERR_CONFIG, "larder.json",
			    "%s: %s is not an http or https URL", path,
			    urls->v[i]);
		free(origin);
	}
	return ERR_OK;
}

static enum err
upstream_check(const struct config *c, struct why *why)
{
	enum err e;

	if ((e = urls_check(&c->upstream.pcs.urls, "upstream.pcs.urls", why)) !=
	    ERR_OK)
		return e;
	if ((e = urls_check(&c->upstream.kds.urls, "upstream.kds.urls", why)) !=
	    ERR_OK)
		return e;
	return urls_check(&c->upstream.pcs.root_crl_urls,
	    "upstream.pcs.root_crl_urls", why);
}

enum err
upstream_new(struct config *config, struct storage *storage,
    struct upstream **out, struct why *why)
{
	struct upstream *up;
	enum err e;

	if ((e = upstream_check(config, why)) != ERR_OK)
		return e;
	up = xcalloc(1, sizeof(*up));
	up->magic = UPSTREAM_MAGIC;
	up->storage = storage;
	up->config = config_ref(config);
	up->loop = loop_new("fetch");
	up->transport = curl_transport_new(up->loop, config);
	up->hosts = hosts_new(up->loop, config);
	up->negative = negative_new(NEGATIVE_MAX);
	up->asked = negative_new(64);
	up->budget = budget_new(BUDGET_MAX);
	up->again = again_new(AGAIN_MAX);
	flights_init(&up->flights, up->loop, up->transport, up->hosts);
	up->flights.max_waiters = (size_t)config->upstream.max_waiters;
	up->flights.budget = up->budget;
	up->flights.again = up->again;
	up->flights.idle = upstream_idle;
	up->flights.idle_arg = up;
	up->plan = plan_new(up);
	up->webhook = webhook_new(up->loop, up->transport, WEBHOOK_PAUSE_MS);
	webhook_url(up->webhook, config->baseline.webhook_url,
	    config->upstream.timeout_ms);
	hosts_on_recovery(up->hosts, plan_recovered, up->plan);
	loop_start(up->loop);
	drain_wait(up, start_run);
	*out = up;
	return ERR_OK;
}

void
upstream_drain(struct upstream *up)
{
	drain_wait(up, drain_run);
}

struct loop *
upstream_loop(struct upstream *up)
{
	return up->loop;
}

void
upstream_free(struct upstream *up)
{
	if (up == NULL)
		return;
	storage_unsubscribe(up->storage, snap_cb, up);
	storage_watch(up->storage, NULL, NULL);
	upstream_drain(up);
	loop_stop(up->loop);
	loop_join(up->loop);
	storage_drain(up->storage);
	plan_free(up->plan);
	webhook_free(up->webhook);
	flights_fini(&up->flights);
	hosts_free(up->hosts);
	up->transport->ops->free(up->transport);
	negative_free(up->negative);
	negative_free(up->asked);
	budget_free(up->budget);
	again_free(up->again);
	blob_unref(up->root_hint);
	snap_unref(up->snap);
	loop_free(up->loop);
	config_unref(up->config);
	up->magic = 0;
	free(up);
}

/* --- the door --------------------------------------------------------- */

/* A call on its way to the fetch thread. */
struct call {
	struct msg msg;
	struct upstream *up;
	struct waiter *waiter;
	struct teller *teller;
	struct config *config;
	struct coll_key key;
	struct platform_id id;
	bool flag;
	enum update_set set;
	long wait_ms;
	char **list;
	size_t n;
};

static struct call *
call_new(struct upstream *up)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->up = up;
	return c;
}

static void
call_free(struct call *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		free(c->list[i]);
	free(c->list);
	config_unref(c->config);
	free(c);
}

static void
coll_tell(struct waiter *w)
{
	w->fn.coll(w->arg, w->why.err, &w->why, w->coll);
}

static void
want_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	object_want(c->up, &c->key, false, c->waiter);
	call_free(c);
}

void
upstream_want(struct upstream *up, uint32_t source, const struct coll_key *key,
    long wait_ms, store_coll_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(wait_ms >= 0);
	c->key = *key;
	c->waiter = waiter_new(wait_ms, coll_tell, arg);
	c->waiter->source = source;
	c->waiter->fn.coll = fn;
	msg_send(up->loop, &c->msg, want_run);
}

static void
answer_tell(struct waiter *w)
{
	w->fn.answer(w->arg, w->why.err, &w->why, w->answer);
}

static void
platform_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	platform_want(c->up, false, c->waiter);
	call_free(c);
}

void
upstream_platform(struct upstream *up, uint32_t source,
    const struct platform_ask *ask, long wait_ms, store_answer_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(wait_ms >= 0);
	c->waiter = waiter_new(wait_ms, answer_tell, arg);
	c->waiter->source = source;
	c->waiter->fn.answer = fn;
	c->waiter->ask = platform_ask_copy(ask);
	msg_send(up->loop, &c->msg, platform_run);
}

static void
list_tell(struct waiter *w)
{
	w->fn.list(w->arg, w->why.err, &w->why, w->list);
}

static void
pckcerts_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	handon_want(c->up, c->waiter);
	call_free(c);
}

void
upstream_pckcerts(struct upstream *up, uint32_t source,
    const struct platform_ask *ask, long wait_ms, store_pck_list_fn fn,
    void *arg)
{
	struct call *c = call_new(up);

	must(wait_ms >= 0);
	must(ask->manifest != NULL || pcs_has_ppid(ask));
	c->waiter = waiter_new(wait_ms, list_tell, arg);
	c->waiter->source = source;
	c->waiter->fn.list = fn;
	c->waiter->ask = platform_ask_copy(ask);
	msg_send(up->loop, &c->msg, pckcerts_run);
}

static void
refetch_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	plan_refetch(c->up->plan, &c->id);
	call_free(c);
}

void
upstream_refetch(struct upstream *up, const struct platform_id *id)
{
	struct call *c = call_new(up);

	c->id = *id;
	msg_send(up->loop, &c->msg, refetch_run);
}

static void
renew_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	plan_renew(c->up->plan, &c->key);
	call_free(c);
}

void
upstream_renew(struct upstream *up, const struct coll_key *key)
{
	struct call *c = call_new(up);

	c->key = *key;
	msg_send(up->loop, &c->msg, renew_run);
}

static void
prefetch_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	refresh_prefetch(c->up, c->set, c->wait_ms, c->teller);
	call_free(c);
}

void
upstream_prefetch(struct upstream *up, enum update_set set, long wait_ms,
    store_done_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(loop_self() != NULL && wait_ms >= 0);
	c->set = set;
	c->wait_ms = wait_ms;
	c->teller = teller_new(up, arg);
	c->teller->done = fn;
	msg_send(up->loop, &c->msg, prefetch_run);
}

static void
refresh_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	if (c->flag)
		refresh_certs(c->up, c->list, c->n, c->teller);
	else
		refresh_all(c->up, c->teller);
	call_free(c);
}

void
upstream_refresh(struct upstream *up, bool certs, char *const *fmspc, size_t n,
    store_text_fn fn, void *arg)
{
	struct call *c = call_new(up);
	size_t i;

	must(loop_self() != NULL);
	c->flag = certs;
	c->list = xcalloc(n + 1, sizeof(*c->list));
	for (i = 0; i < n; i++)
		c->list[c->n++] = xstrdup(fmspc[i]);
	c->teller = teller_new(up, arg);
	c->teller->text = fn;
	msg_send(up->loop, &c->msg, refresh_run);
}

static void
refresh_key_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	refresh_key(c->up, &c->key, c->teller);
	call_free(c);
}

void
upstream_refresh_key(struct upstream *up, const struct coll_key *key,
    store_text_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(loop_self() != NULL);
	c->key = *key;
	c->teller = teller_new(up, arg);
	c->teller->text = fn;
	msg_send(up->loop, &c->msg, refresh_key_run);
}

static void
tick_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	plan_tick(c->up->plan, c->teller);
	call_free(c);
}

void
upstream_tick(struct upstream *up, store_done_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(fn == NULL || loop_self() != NULL);
	if (fn != NULL) {
		c->teller = teller_new(up, arg);
		c->teller->done = fn;
	}
	msg_send(up->loop, &c->msg, tick_run);
}

static void
reload_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);
	struct upstream *up = c->up;

	config_unref(up->config);
	up->config = c->config;
	c->config = NULL;
	up->transport->ops->configure(up->transport, up->config);
	hosts_configure(up->hosts, up->config);
	webhook_url(up->webhook, up->config->baseline.webhook_url,
	    up->config->upstream.timeout_ms);
	up->flights.max_waiters = (size_t)up->config->upstream.max_waiters;
	/* Other mirrors may have what the old ones had not. */
	negative_free(up->negative);
	up->negative = negative_new(NEGATIVE_MAX);
	again_free(up->again);
	up->again = up->flights.again = again_new(AGAIN_MAX);
	plan_tick(up->plan, NULL);
	call_free(c);
}

void
upstream_reload(struct upstream *up, struct config *config)
{
	struct why why = { 0 };
	struct call *c;

	if (upstream_check(config, &why) != ERR_OK) {
		log_event(LOG_ERROR, "upstream-reload-refused", "text",
		    why.text, NULL);
		return;
	}
	c = call_new(up);
	c->config = config_ref(config);
	msg_send(up->loop, &c->msg, reload_run);
}

/* --- for people and for Prometheus ------------------------------------ */

static void
status_run(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);
	struct upstream *up = c->up;
	json_t *j;

	j = json_pack("{s:o, s:o, s:I, s:I, s:I, s:o}", "origins",
	    hosts_json(up->hosts), "flights", flights_json(&up->flights),
	    "n_flights", (json_int_t)atomic_load(&up->flights.n), "n_waiters",
	    (json_int_t)atomic_load(&up->flights.n_waiters), "refusals_kept",
	    (json_int_t)negative_len(up->negative), "due", plan_json(up->plan));
	must(j != NULL);
	teller_tell(c->teller, ERR_OK, NULL, json_blob(j));
	call_free(c);
}

void
upstream_status(struct upstream *up, store_text_fn fn, void *arg)
{
	struct call *c = call_new(up);

	must(loop_self() != NULL);
	c->teller = teller_new(up, arg);
	c->teller->text = fn;
	msg_send(up->loop, &c->msg, status_run);
}

static void
gauge(struct buf *b, const char *name, const char *help, size_t value)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n%s %zu\n", name, help,
	    name, name, value);
}

void
upstream_metrics(struct upstream *up, struct buf *b)
{
	gauge(b, "larder_flights", "Fetches in progress",
	    atomic_load(&up->flights.n));
	gauge(b, "larder_waiters", "Requests waiting for fetches",
	    atomic_load(&up->flights.n_waiters));
	gauge(b, "larder_due_items", "Objects in the refresh planner's queue",
	    plan_len(up->plan));
	gauge(b, "larder_fetch_backlog",
	    "Messages waiting for the fetch thread", loop_backlog(up->loop));
	hosts_metrics(up->hosts, b);
}
