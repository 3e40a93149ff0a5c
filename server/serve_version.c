/*
 * Which version of a TCB info or identity a request gets: see serve.h.
 *
 * All of a set has one evaluation number.  The snapshot's table names it; a
 * source that has been given a TCB info of another number lately, before a
 * promotion or for an FMSPC with a rule of its own, gets the identity that
 * goes with that one, and a TCB info of a second number only once it has
 * asked for the identity to the first.
 */
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "server/edge.h"
#include "server/trail.h"
#include "storage/baseline.h"

#include <stdlib.h>
#include <string.h>

#define VERSION_MAGIC 0x7e51a112u

/* How long a TCB info waits for another one's identity, and how often it
 * looks (milliseconds). */
#define OPEN_WAIT_MS 1000
#define OPEN_LOOK_MS 5

struct version {
	unsigned magic;
	struct req *req;
	struct coll_key key; /* as asked for */
	char fmspc[13];      /* of the identity; "" */
	bool trailed;        /* its trail is to be followed or laid */
	uint64_t trail;
	uint32_t number;    /* wanted; 0: whatever is called so */
	struct coll *other; /* came under the name, with another number */
	int64_t until_ms;   /* waiting for an identity */
	struct timer *timer;
	serve_fn fn;
	void *arg;
};

static void
version_free(struct version *v)
{
	coll_unref(v->other);
	timer_free(v->timer);
	v->magic = 0;
	free(v);
}

static struct trail *
version_trail(const struct version *v)
{
	return server_trail(worker_server(req_worker(v->req)));
}

static struct snap *
version_snap(const struct version *v)
{
	return worker_snap(req_worker(v->req));
}

static const char *
version_listen(const struct version *v)
{
	const struct config *c = worker_config(req_worker(v->req));

	return c->listen[req_listener(v->req)].address;
}

/* --- the number ------------------------------------------------------- */

struct named {
	uint32_t number;
	time_t held_until; /* of use past its nextUpdate until then; 0: no */
	bool own;          /* the request named it */
};

static struct named
version_named(const struct version *v, const struct baseline *b)
{
	const struct config *c = worker_config(req_worker(v->req));
	bool follow = c->baseline.override_requests;
	enum tee tee = key_tee(&v->key);
	const struct base_pick *p;
	const char *fmspc = v->fmspc[0] == '\0' ? NULL : v->fmspc;

	if (v->key.update == UPDATE_NUMBER && !follow)
		return (struct named){ v->key.number, 0, true };
	/* What is early now, its own object says. */
	if (v->key.update == UPDATE_EARLY && !follow)
		return (
		    struct named){ snap_get(version_snap(v), &v->key) == NULL
				       ? 0
				       : baseline_world(b, tee)->early,
			0, true };
	if (v->key.kind == COLL_TCBINFO)
		fmspc = v->key.fmspc;
	p = baseline_pick(b, version_listen(v), tee, fmspc);
	return (struct named){ p->number, p->held ? p->until : 0, false };
}

/* An identity goes with the TCB info before it. */
static void
version_follow(struct version *v, const struct baseline *b, struct named *n)
{
	struct trail *t = version_trail(v);
	time_t now = clock_now();
	uint32_t number;

	if (!v->trailed || v->key.kind != COLL_IDENTITY)
		return;
	/* The one that every verification asks for. */
	if (v->key.enclave == ENCLAVE_QE || v->key.enclave == ENCLAVE_TDQE)
		number = trail_take(t, v->trail, now);
	else
		number = trail_get(t, v->trail, now);
	if (number != 0 && number != n->number)
		*n = (struct named){ number,
			baseline_held_until(b, key_tee(&v->key), number),
			false };
}

/* --- finding it ------------------------------------------------------- */

/* A set has begun, unless this was no good. */
static void
version_trail_end(struct version *v, enum err e, const struct coll *coll)
{
	struct trail *t = version_trail(v);

	if (!v->trailed || v->key.kind != COLL_TCBINFO)
		return;
	if (e != ERR_OK)
		(void)trail_take(t, v->trail, clock_now());
	else if (coll->eval_num != v->number)
		trail_put(t, v->trail, coll->eval_num, clock_now());
}

static void
version_told(struct version *v, enum err e, const struct why *why,
    struct coll *coll, enum served how)
{
	version_trail_end(v, e, coll);
	v->fn(v->arg, e, why, coll, how);
	version_free(v);
}

static void
numbered_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct version *v = obj_cast(arg, VERSION_MAGIC);

	/* Intel has moved on, and a set begins with its TCB info. */
	if (e != ERR_OK && v->other != NULL && v->key.kind == COLL_TCBINFO)
		version_told(v, ERR_OK, NULL, v->other, SERVED_MISS);
	else
		version_told(v, e, why, coll, how);
}

static void
named_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct version *v = obj_cast(arg, VERSION_MAGIC);
	struct coll_key key;

	if (e != ERR_OK || v->number == 0 || coll->eval_num == v->number) {
		version_told(v, e, why, coll, how);
		return;
	}
	v->other = coll_ref(coll);
	key = key_version_as(&v->key, UPDATE_NUMBER, v->number);
	serve_held(v->req, NULL, &key, numbered_cb, v);
}

/* Not held, or stale: what is its name upstream? */
static void
version_ask(struct version *v, const struct baseline *b, bool own,
    struct coll *held)
{
	const struct base_world *w = baseline_world(b, key_tee(&v->key));
	struct coll_key key = v->key;

	if (held != NULL)
		key = held->key;
	else if (v->number != 0 && !own && v->number != w->standard)
		key = key_version_as(&v->key, UPDATE_NUMBER, v->number);
	else if (v->number != 0 && !own)
		key = key_version_as(&v->key, UPDATE_STANDARD, 0);
	serve_held(v->req, held, &key, named_cb, v);
}

static void look_cb(void *);

/*
 * The same source has begun another set and not come for the rest of it: wait
 * for that a little.  With number 0 nothing is known that could differ.
 */
static bool
version_waits(struct version *v)
{
	struct trail *t = version_trail(v);
	time_t now = clock_now();

	if (!v->trailed || v->key.kind != COLL_TCBINFO || v->number == 0 ||
	    trail_begin(t, v->trail, v->number, now))
		return false;
	if (v->timer == NULL) {
		metric_inc(M_BASELINE_WAITED);
		v->until_ms = clock_mono_ms() + OPEN_WAIT_MS;
		v->timer =
		    timer_new(worker_loop(req_worker(v->req)), look_cb, v);
	}
	if (clock_mono_ms() >= v->until_ms) {
		trail_put(t, v->trail, v->number, now);
		return false;
	}
	timer_set(v->timer, OPEN_LOOK_MS);
	return true;
}

static void
version_find(struct version *v)
{
	struct snap *snap = version_snap(v);
	const struct baseline *b = snap_baseline(snap);
	struct named n = version_named(v, b);
	struct coll *held;

	version_follow(v, b, &n);
	v->number = n.number;
	if (version_waits(v))
		return;
	held = n.number != 0 ? snap_numbered(snap, &v->key, n.number)
			     : snap_get(snap, &v->key);
	/* Nobody need be asked: Intel signs it no longer. */
	if (held != NULL && n.held_until != 0 &&
	    clock_now() >= held->next_update && clock_now() < n.held_until)
		version_told(v, ERR_OK, NULL, held, SERVED_STALE);
	else
		version_ask(v, b, n.own, held);
}

static void
look_cb(void *arg)
{
	version_find(obj_cast(arg, VERSION_MAGIC));
}

void
serve_version(struct req *req, const struct coll_key *key, const char *fmspc,
    serve_fn fn, void *arg)
{
	bool early = key->update == UPDATE_EARLY;
	struct version *v;

	/* Version 3 has what was uploaded, without numbers to choose from. */
	if (key->api != 4) {
		serve_find(req, key, fn, arg);
		return;
	}
	v = xcalloc(1, sizeof(*v));
	v->magic = VERSION_MAGIC;
	v->req = req;
	v->key = *key;
	v->fn = fn;
	v->arg = arg;
	if (fmspc != NULL)
		memcpy(v->fmspc, fmspc, sizeof(v->fmspc));
	if (worker_config(req_worker(req))->baseline.override_requests)
		early = false;
	v->trailed = fmspc == NULL && (early || key->update != UPDATE_NUMBER);
	if (v->trailed)
		v->trail = trail_name(version_trail(v), req_peer(req),
		    req_listener(req), key_tee(key), early);
	version_find(v);
}
