/*
 * Finding a VCEK or VLEK for serve_find(): memory, then database, then, in
 * lazy mode, upstream.
 *
 *   storage_vek_cached --fresh-------------------> answer
 *        | miss, stale, over
 *   storage_vek ---------fresh-------------------> answer
 *        | stale           \ not held, over
 *   upstream_want          upstream_want ---ok---> answer, else the error
 *        \ not within stale_wait_ms -------------> answer, marked stale
 *
 * What is fresh and due is asked for again behind the answer's back.
 */
#include "server/hold.h"
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <stdlib.h>

#define VEK_MAGIC 0x7e51a112u

struct look {
	unsigned magic;
	const struct req *req;
	struct coll_key key;
	struct coll *stale; /* own reference, or NULL */
	serve_fn fn;
	void *arg;
};

/* May it be served now?  Not while its chain is away: the chain's end, or
 * its revocation, is that of all it signed (amd-kds 6.4). */
static enum fresh_state
vek_state(const struct req *req, const struct coll *c)
{
	struct worker *w = req_worker(req);
	struct coll_key chain = key_amd_chain(c->key.product, c->key.side);

	if (snap_get(worker_snap(w), &chain) == NULL)
		return FRESH_GONE;
	return fresh_state(c, worker_config(w)->cache.stale_max_s, clock_now());
}

static bool
may_ask(const struct req *req, const struct coll_key *key)
{
	return worker_config(req_worker(req))->mode == MODE_LAZY &&
	       key->side == AMD_VCEK;
}

static void
vek_renew(struct worker *w, const struct coll_key *key)
{
	struct span name = span_str(key->text);

	if (hold_has(HOLD_NAMED, w, name))
		return;
	hold_set(HOLD_NAMED, w, name);
	upstream_renew(worker_upstream(w), key);
}

/* Answer if it is fresh. */
static bool
vek_fresh(const struct req *req, struct coll *c, serve_fn fn, void *arg)
{
	enum fresh_state state = vek_state(req, c);

	if (state != FRESH_NEW && state != FRESH_DUE)
		return false;
	if (state == FRESH_DUE && may_ask(req, &c->key))
		vek_renew(req_worker(req), &c->key);
	fn(arg, ERR_OK, NULL, c, SERVED_HIT);
	return true;
}

static void
look_end(struct look *l, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	l->fn(l->arg, e, why, coll, how);
	coll_unref(l->stale);
	l->magic = 0;
	free(l);
}

static void
wanted_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct look *l = obj_cast(arg, VEK_MAGIC);

	if (e == ERR_OK)
		look_end(l, ERR_OK, NULL, coll, SERVED_MISS);
	else if (l->stale != NULL)
		look_end(l, ERR_OK, NULL, l->stale, SERVED_STALE);
	else
		look_end(l, e, why, NULL, SERVED_MISS);
}

static void
look_ask(struct look *l, int wait_ms)
{
	upstream_want(worker_upstream(req_worker(l->req)), req_source(l->req),
	    &l->key, wait_ms, wanted_cb, l);
}

static void
look_nothing(struct look *l)
{
	struct key_log name = key_log(&l->key);
	struct why why = { 0 };

	(void)why_set(&why, ERR_NOT_CACHED, "amd-kds 8.1",
	    l->key.side == AMD_VLEK
		? "%s was not imported"
		: "%s is not cached, and this mode does not ask",
	    name.s);
	look_end(l, ERR_NOT_CACHED, &why, NULL, SERVED_MISS);
}

static void
stored_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct look *l = obj_cast(arg, VEK_MAGIC);
	const struct config *config = worker_config(req_worker(l->req));
	bool ask = may_ask(l->req, &l->key);

	if (e == ERR_OK && vek_fresh(l->req, coll, l->fn, l->arg)) {
		l->magic = 0;
		free(l);
	} else if (e == ERR_OK && vek_state(l->req, coll) == FRESH_STALE) {
		if (!ask) {
			look_end(l, ERR_OK, NULL, coll, SERVED_STALE);
			return;
		}
		l->stale = coll_ref(coll);
		look_ask(l, config->cache.stale_wait_ms);
	} else if (e != ERR_OK && e != ERR_NOT_CACHED) {
		look_end(l, e, why, NULL, SERVED_MISS);
	} else if (ask) {
		look_ask(l, config->cache.client_wait_ms);
	} else {
		look_nothing(l);
	}
}

void
serve_find_vek(const struct req *req, const struct coll_key *key, serve_fn fn,
    void *arg)
{
	struct storage *st = worker_storage(req_worker(req));
	struct coll *c = storage_vek_cached(st, key);
	bool served = c != NULL && vek_fresh(req, c, fn, arg);
	struct look *l;

	coll_unref(c);
	if (served)
		return;
	l = xcalloc(1, sizeof(*l));
	l->magic = VEK_MAGIC;
	l->req = req;
	l->key = *key;
	l->fn = fn;
	l->arg = arg;
	storage_vek(st, key, stored_cb, l);
}
