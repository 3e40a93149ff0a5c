/*
 * Which version of a TCB info or identity a request gets: see serve.h.
 *
 * All of a set has one evaluation number.  The snapshot's table names it; a
 * source that is in the middle of a set of another number, one from before a
 * promotion or for an FMSPC with a rule of its own, gets the rest of that one,
 * and begins one of a second number only once it has asked for the rest of the
 * first (trail.h).
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

/* How long what opens a set waits for others to end, and how often it looks
 * (milliseconds). */
#define OPEN_WAIT_MS (2 * TRAIL_OPEN_MS)
#define OPEN_LOOK_MS 5

struct version {
	unsigned magic;
	struct req *req;
	struct coll_key key; /* as asked for */
	char fmspc[13];      /* of the identity; "" */
	bool early;          /* its trail is that of early sets */
	bool trailed;        /* it is part of a set whose trail is kept */
	uint64_t trail;      /* the name of that */
	enum tee trail_tee;  /* whose sets it is part of */
	bool alone;          /* those of TDX cannot have it */
	enum trail_step step;
	uint32_t ruled;     /* by the rule alone; 0: not known */
	uint32_t number;    /* wanted; 0: whatever is called so */
	struct coll *other; /* came under the name, with another number */
	int64_t until_ms;   /* waiting for the end of another set */
	uint32_t turn;      /* ... with this number */
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
version_named(const struct version *v, const struct baseline *b,
    const char *fmspc)
{
	const struct config *c = worker_config(req_worker(v->req));
	bool follow = c->baseline.override_requests;
	enum tee tee = key_tee(&v->key);
	const struct base_pick *p;

	if (v->key.update == UPDATE_NUMBER && !follow)
		return (struct named){ v->key.number, 0, true };
	/* What is early now, its own object says. */
	if (v->key.update == UPDATE_EARLY && !follow)
		return (
		    struct named){ snap_get(version_snap(v), &v->key) == NULL
				       ? 0
				       : baseline_world(b, tee)->early,
			0, true };
	p = baseline_pick(b, version_listen(v), tee, fmspc);
	return (struct named){ p->number, p->held ? p->until : 0, false };
}

/* --- its set ---------------------------------------------------------- */

static uint64_t
version_name(const struct version *v, enum tee tee)
{
	return trail_name(version_trail(v), req_peer(v->req),
	    req_listener(v->req), tee, v->early);
}

/* TRAIL_KINDS: no part of a set, but it goes with one. */
static enum trail_kind
version_kind(const struct version *v)
{
	if (v->key.kind == COLL_TCBINFO)
		return TRAIL_TCB;
	switch (v->key.enclave) {
	case ENCLAVE_QE:
	case ENCLAVE_TDQE:
		return TRAIL_QE;
	case ENCLAVE_QVE:
		return TRAIL_QVE;
	default:
		return TRAIL_KINDS;
	}
}

/* Something of this number is there, or can be asked for. */
static bool
version_can(const struct version *v, const struct baseline *b, uint32_t number)
{
	return snap_numbered(version_snap(v), &v->key, number) != NULL ||
	       base_known(baseline_world(b, v->trail_tee), number) != NULL;
}

/* QvE verifies for both TEEs, and its identity is asked for as SGX's. */
static void
version_trail_find(struct version *v)
{
	uint64_t tdx;

	v->trail_tee = key_tee(&v->key);
	v->trail = version_name(v, v->trail_tee);
	if (version_kind(v) != TRAIL_QVE || v->alone)
		return;
	tdx = version_name(v, TEE_TDX);
	if (trail_qve_is_of(version_trail(v), v->trail, tdx, clock_now_ms())) {
		v->trail_tee = TEE_TDX;
		v->trail = tdx;
	}
}

/*
 * The FMSPC whose rule it goes by; NULL: the listener's.  Whoever asks for the
 * identity first asks for the FMSPC that he asked for the last time.
 */
static const char *
version_fmspc(const struct version *v, const struct baseline *b, char room[13])
{
	if (v->key.kind == COLL_TCBINFO)
		return v->key.fmspc;
	if (v->fmspc[0] != '\0')
		return v->fmspc;
	return v->trailed && baseline_differs(b, version_listen(v)) &&
		       trail_fmspc(version_trail(v), v->trail, room)
		   ? room
		   : NULL;
}

/* The rule of this TCB info is not the one of the FMSPC before it, by which
 * the identity was chosen that came first: an FMSPC's rule is kept. */
static bool
version_apart(const struct version *v, const struct baseline *b,
    const struct named *n)
{
	char fmspc[13];
	bool known;

	if (v->key.kind != COLL_TCBINFO || n->own ||
	    !baseline_differs(b, version_listen(v)))
		return false;
	known = trail_fmspc(version_trail(v), v->trail, fmspc);
	return version_named(v, b, known ? fmspc : NULL).number != n->number;
}

/* The number of the set it is in instead. */
static void
version_follow(const struct version *v, const struct baseline *b,
    uint32_t number, struct named *n)
{
	if (number != 0 && number != n->number && version_can(v, b, number))
		*n = (struct named){ number,
			baseline_held_until(b, key_tee(&v->key), number),
			false };
}

static void look_cb(void *);

static void
version_wait(struct version *v)
{
	if (v->timer == NULL) {
		metric_inc(M_BASELINE_WAITED);
		v->until_ms = clock_mono_ms() + OPEN_WAIT_MS;
		v->timer =
		    timer_new(worker_loop(req_worker(v->req)), look_cb, v);
	}
	timer_set(v->timer, OPEN_LOOK_MS);
}

/* False: it has to wait for the end of the set before. */
static bool
version_set(struct version *v, const struct baseline *b, struct named *n)
{
	struct trail_ask ask = { .name = v->trail,
		.kind = version_kind(v),
		.number = n->number,
		.apart = version_apart(v, b, n),
		.wait = v->timer == NULL || clock_mono_ms() < v->until_ms,
		.turn = v->turn,
		.now_ms = clock_now_ms() };
	uint32_t number;

	if (ask.kind == TRAIL_KINDS) {
		v->step = TRAIL_FOLLOWS;
		number = trail_number(version_trail(v), v->trail, ask.now_ms);
	} else {
		if (v->key.kind == COLL_TCBINFO)
			memcpy(ask.fmspc, v->key.fmspc, sizeof(ask.fmspc));
		v->step = trail_ask(version_trail(v), &ask, &number);
	}
	if (v->step != TRAIL_WAITS)
		version_follow(v, b, number, n);
	v->turn = v->step == TRAIL_WAITS ? ask.number : 0;
	return v->step != TRAIL_WAITS;
}

/* It has a number, unless it failed. */
static void
version_trail_end(struct version *v, enum err e, const struct coll *coll)
{
	enum trail_kind kind = version_kind(v);

	if (!v->trailed || kind == TRAIL_KINDS)
		return;
	if (e != ERR_OK)
		trail_undo(version_trail(v), v->trail, kind, v->step);
	else if (coll->eval_num != v->number)
		trail_correct(version_trail(v), v->trail, v->number,
		    coll->eval_num);
}

/* --- finding it ------------------------------------------------------- */

static void version_find(struct version *);

static void
version_told(struct version *v, enum err e, const struct why *why,
    struct coll *coll, enum served how)
{
	/* TDX's number need not be one of SGX's. */
	if (e != ERR_OK && v->trail_tee != key_tee(&v->key) &&
	    v->number != v->ruled) {
		v->alone = true;
		coll_unref(v->other);
		v->other = NULL;
		version_find(v);
		return;
	}
	version_trail_end(v, e, coll);
	v->fn(v->arg, e, why, coll, how);
	version_free(v);
}

/* Asked for with its FMSPC, a set has no order: its TCB info opens it. */
static bool
version_opens(const struct version *v)
{
	return v->trailed ? v->step == TRAIL_OPENS
			  : v->key.kind == COLL_TCBINFO;
}

static void
numbered_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct version *v = obj_cast(arg, VERSION_MAGIC);

	/* Intel has moved on, and a set may begin with that. */
	if (e != ERR_OK && v->other != NULL && version_opens(v))
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

static void
version_find(struct version *v)
{
	struct snap *snap = version_snap(v);
	const struct baseline *b = snap_baseline(snap);
	struct coll *held;
	struct named n;
	char room[13];

	if (v->trailed)
		version_trail_find(v);
	n = version_named(v, b, version_fmspc(v, b, room));
	v->ruled = n.number;
	if (v->trailed && !version_set(v, b, &n)) {
		version_wait(v);
		return;
	}
	v->number = n.number;
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
	bool override =
	    worker_config(req_worker(req))->baseline.override_requests;
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
	v->early = key->update == UPDATE_EARLY && !override;
	v->trail_tee = key_tee(key);
	v->trailed =
	    fmspc == NULL && (key->update != UPDATE_NUMBER || override);
	version_find(v);
}
