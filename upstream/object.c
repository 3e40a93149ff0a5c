/*
 * The job of fetching one object: TCB info, identity, CRL, list.
 */
#include "upstream/room.h"

#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <stdlib.h>
#include <string.h>

/* How long an object waits for the revocation list it is judged with, and
 * how long a list that could not be had is done without. */
#define FIRST_WAIT_MS 1500
#define FIRST_PAUSE_S 60
/* How long a root CRL waits for a chain that brings a root certificate. */
#define ROOT_WAIT_MS 5000
#define CHAIN_MAX    16384

struct object {
	struct flight flight;
	struct upstream *up;
	struct coll_key key;
	const struct vendor *vendor;
	/* the answer in hand */
	struct blob *body, *chain;
	char *source;
	time_t fetched_at;
	bool hinted;   /* the root certificate at hand has been tried */
	bool reissued; /* its issuer has been asked for again */
	time_t refused_at;
	struct coll *coll; /* what was admitted */
};

static const struct job object_job;

static struct object *
object_of(struct flight *f)
{
	must(f->job == &object_job);
	return msg_of(f, struct object, flight);
}

/* --- what is held ----------------------------------------------------- */

/* A VCEK is looked for in memory where it is served: storage_vek_cached(). */
struct coll *
object_held(struct upstream *up, const struct coll_key *key)
{
	return up->snap == NULL ? NULL : snap_get(up->snap, key);
}

bool
object_fresh(struct upstream *up, const struct coll_key *key)
{
	struct coll *c = object_held(up, key);

	return c != NULL && fresh_state(c, up->config->cache.stale_max_s,
				clock_now()) <= FRESH_DUE;
}

/* Without its chain it is not to be served, however new (amd-kds 6.4). */
static bool
vek_has_chain(struct upstream *up, const struct coll_key *key)
{
	struct coll_key chain = key_amd_chain(key->product, key->side);

	return object_held(up, &chain) != NULL;
}

/* It needs no fetch, not even one ahead of time; a reference, or NULL. */
static struct coll *
object_new(struct upstream *up, const struct coll_key *key)
{
	struct coll *c = coll_ref(object_held(up, key));

	if (key->kind == COLL_VEK && vek_has_chain(up, key))
		c = storage_vek_cached(up->storage, key);
	if (c != NULL && fresh_state(c, up->config->cache.stale_max_s,
			     clock_now()) != FRESH_NEW) {
		coll_unref(c);
		c = NULL;
	}
	return c;
}

/* --- asking ----------------------------------------------------------- */

static void
needs_told(struct waiter *w)
{
	struct flight *f = flight_cast(w->arg);

	if (f->state == FLIGHT_NEW && w->why.err == ERR_OK)
		flight_go(f);
	else if (f->state == FLIGHT_NEW)
		flight_lost(f, w->why.err, &w->why);
	flight_unref(f);
}

/* What it cannot be judged without comes first: a question spent on what
 * would then be thrown away is one less for others. */
static void
object_prepare(struct flight *f)
{
	struct object *o = object_of(f);
	struct coll_key needs;

	if (o->vendor->needs == NULL || !o->vendor->needs(&o->key, &needs) ||
	    object_held(o->up, &needs) != NULL) {
		flight_go(f);
		return;
	}
	object_want(o->up, &needs, false,
	    waiter_inner(o->up, f->config->cache.client_wait_ms,
		!flight_has_client(f), needs_told, flight_ref(f)));
}

static size_t
object_mirrors(struct flight *f)
{
	struct object *o = object_of(f);

	return o->vendor->mirrors(f->config, &o->key);
}

static void
object_request(struct flight *f, size_t mirror, struct request *out)
{
	struct object *o = object_of(f);

	o->vendor->request(f->config, &o->key, mirror, out);
}

char *
source_of(const struct flight *f)
{
	struct span s = span_str(f->host->origin_name);

	if (span_starts(s, "https://") && s.len > 4 &&
	    memcmp(s.p + s.len - 4, ":443", 4) == 0)
		s.len -= 4;
	return span_dup(s);
}

static void
object_clear(struct object *o)
{
	blob_unref(o->body);
	blob_unref(o->chain);
	free(o->source);
	o->body = o->chain = NULL;
	o->source = NULL;
	o->hinted = false;
}

static void root_hint(struct upstream *, struct span chain);

static enum err
object_reply(struct flight *f, const struct reply *r, struct why *why)
{
	struct object *o = object_of(f);
	struct coll_raw raw = { 0 };
	enum err e;

	if ((e = o->vendor->reply(&o->key, r, &raw, why)) != ERR_OK)
		return e;
	object_clear(o);
	o->body = blob_from(raw.body);
	o->chain = blob_from(raw.chain);
	o->source = source_of(f);
	o->fetched_at = clock_now();
	if (o->key.kind != COLL_ROOT_CRL)
		root_hint(o->up, raw.chain);
	return ERR_OK;
}

/* --- checking --------------------------------------------------------- */

static void object_admitted(void *, enum err, const struct why *,
    struct coll *);

static void
object_admit(struct object *o, struct span chain)
{
	struct coll_raw raw = {
		.key = o->key,
		.body = blob_span(o->body),
		.chain = chain,
		.source = o->source,
		.fetched_at = o->fetched_at,
	};

	flight_ref(&o->flight);
	upstream_call(o->up);
	storage_admit(o->up->storage, &raw, object_admitted, &o->flight);
}

static bool root_find(struct object *, const struct why *);
static bool issuer_again(struct object *, enum err);

static void
object_admitted(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct flight *f = flight_cast(arg);
	struct object *o = object_of(f);
	struct upstream *up = o->up;

	if (e == ERR_OK) {
		coll_unref(o->coll);
		o->coll = coll_ref(coll);
		flight_won(f);
	} else if ((e != ERR_NO_ROOT || !root_find(o, why)) &&
		   !issuer_again(o, e)) {
		flight_lost(f, e, why);
	}
	flight_unref(f);
	upstream_called(up);
}

static void
first_told(struct waiter *w)
{
	struct object *o = object_of(flight_cast(w->arg));
	struct flight *f = &o->flight;

	/* However that went: the gate marks what it could not check. */
	if (f->state == FLIGHT_CHECKING)
		object_admit(o, blob_span(o->chain));
	flight_unref(f);
}

/*
 * The list to be judged with has to have been asked for.  One that cannot be
 * had is not asked for again with every object (pcs-upstream 6).
 */
static bool
object_first(struct object *o, struct coll_key *first)
{
	struct upstream *up = o->up;
	struct why none = { 0 };
	time_t now = clock_now();

	if (!o->vendor->first(&o->key, first) || object_held(up, first) != NULL)
		return false;
	if (flights_get(&up->flights, first->text) != NULL)
		return true;
	if (negative_get(up->asked, first->text, now) != NULL)
		return false;
	negative_put(up->asked, first->text, &none, now + FIRST_PAUSE_S);
	return true;
}

static void
object_check(struct flight *f)
{
	struct object *o = object_of(f);
	struct coll_key first;

	if (!object_first(o, &first)) {
		object_admit(o, blob_span(o->chain));
		return;
	}
	object_want(o->up, &first, false,
	    waiter_inner(o->up, FIRST_WAIT_MS, false, first_told,
		flight_ref(f)));
}

/* --- the root's certificate ------------------------------------------- */

/*
 * A root CRL is checked with the root certificate.  Intel's is built in; one
 * that replaces it has to come from the chain of some other object, which is
 * fetched if none has been seen.  The gate pins its key, so a wrong one does
 * no harm.
 */
static struct span
last_certificate(struct span pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const unsigned char *p = NULL, *at = pem.p;
	size_t left = pem.len;

	while (left > 0 &&
	       (at = memmem(at, left, begin, sizeof(begin) - 1)) != NULL) {
		p = at++;
		left = pem.len - (size_t)(at - pem.p);
	}
	return p == NULL ? SPAN_NONE
			 : span_of(p, pem.len - (size_t)(p - pem.p));
}

static void
root_hint(struct upstream *up, struct span chain)
{
	struct buf pem = BUF_INIT;
	struct flight *f = up->root_parked;
	struct span root;

	if (chain.len == 0 || chain.len > CHAIN_MAX ||
	    pct_read(chain, &pem) != ERR_OK)
		goto out;
	root = last_certificate(buf_view(&pem));
	if (root.len == 0)
		goto out;
	blob_unref(up->root_hint);
	up->root_hint = blob_from(root);
	if (f == NULL)
		goto out;
	up->root_parked = NULL;
	if (f->state == FLIGHT_CHECKING) {
		object_of(f)->hinted = true;
		object_admit(object_of(f), blob_span(up->root_hint));
	}
	flight_unref(f);
out:
	buf_free(&pem);
}

static void
root_told(struct waiter *w)
{
	struct flight *f = flight_cast(w->arg);
	struct upstream *up = object_of(f)->up;

	if (up->root_parked == f) {
		up->root_parked = NULL;
		flight_unref(f);
		flight_lost(f, ERR_NO_ROOT, &w->why);
	}
	flight_unref(f);
}

/* The root CRL in hand finds no certificate: is there one to be had? */
static bool
root_find(struct object *o, const struct why *why)
{
	struct coll_key key = key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0);
	struct upstream *up = o->up;

	(void)why;
	if (o->flight.state != FLIGHT_CHECKING || o->hinted)
		return false;
	if (up->root_hint != NULL) {
		o->hinted = true;
		object_admit(o, blob_span(up->root_hint));
		return true;
	}
	if (up->root_parked != NULL)
		return false;
	up->root_parked = flight_ref(&o->flight);
	object_want(up, &key, true,
	    waiter_inner(up, ROOT_WAIT_MS, false, root_told,
		flight_ref(&o->flight)));
	return true;
}

/* --- the issuer of a VCEK --------------------------------------------- */

/*
 * What the ASK held has not signed, its successor may have: Genoa's has had
 * one (amd-kds 5).  What is forged looks the same, so the chain is asked for
 * again once in a while only.
 */
#define ISSUER_AGAIN_S 600

static void
issuer_told(struct waiter *w)
{
	struct flight *f = flight_cast(w->arg);

	/* However that went, the gate says the last word. */
	if (f->state == FLIGHT_CHECKING)
		object_admit(object_of(f), SPAN_NONE);
	flight_unref(f);
}

static bool
issuer_again(struct object *o, enum err e)
{
	struct upstream *up = o->up;
	struct why none = { 0 };
	time_t now = clock_now();
	struct coll_key chain;

	if (o->key.kind != COLL_VEK || (e != ERR_BADSIG && e != ERR_CHAIN) ||
	    o->reissued || o->flight.state != FLIGHT_CHECKING ||
	    !o->vendor->needs(&o->key, &chain) ||
	    negative_get(up->asked, chain.text, now) != NULL)
		return false;
	negative_put(up->asked, chain.text, &none, now + ISSUER_AGAIN_S);
	o->reissued = true;
	object_want(up, &chain, true,
	    waiter_inner(up, ROOT_WAIT_MS, false, issuer_told,
		flight_ref(&o->flight)));
	return true;
}

/* --- the end ---------------------------------------------------------- */

static bool
is_refusal(enum err e)
{
	return e == ERR_UP_ABSENT || e == ERR_UP_GONE || e == ERR_UP_REFUSED;
}

/* Upstream has had a certificate of this chip, so a word against it is taken
 * less seriously (amd-kds 2.6). */
#define KNOWN_CHIP_S 60

static void
chip_told(void *arg, enum err e, const struct why *why,
    const struct vek_held *held, size_t n)
{
	struct flight *f = flight_cast(arg);
	struct object *o = object_of(f);
	struct upstream *up = o->up;

	(void)why;
	(void)held;
	if (e == ERR_OK && n > 0 &&
	    negative_get(up->negative, f->name, o->refused_at) != NULL)
		negative_put(up->negative, f->name, &f->why,
		    o->refused_at + KNOWN_CHIP_S);
	flight_unref(f);
	upstream_called(up);
}

static void
object_refused(struct object *o)
{
	struct flight *f = &o->flight;
	struct upstream *up = o->up;

	o->refused_at = clock_now();
	negative_put(up->negative, f->name, &f->why,
	    o->refused_at + f->config->cache.negative_s);
	if (o->key.kind != COLL_VEK || o->key.side != AMD_VCEK ||
	    f->config->cache.negative_s <= KNOWN_CHIP_S)
		return;
	flight_ref(f);
	upstream_call(up);
	storage_veks(up->storage, key_hwid(&o->key), chip_told, f);
}

/* Only what upstream said or did is worth a row in the database: of what is
 * held, and of what the baseline waits for. */
static bool
object_noted(struct upstream *up, const struct coll_key *key, enum err e)
{
	const struct coll_key *v;
	size_t i, n;

	if (e == ERR_OK || e == ERR_UP_CLOSED || e == ERR_UP_THROTTLED ||
	    e == ERR_SHED || up->snap == NULL)
		return false;
	if (object_held(up, key) != NULL)
		return true;
	v = baseline_wants(snap_baseline(up->snap), &n);
	for (i = 0; i < n; i++)
		if (strcmp(v[i].text, key->text) == 0)
			return true;
	return false;
}

static void
object_ended(struct flight *f)
{
	struct object *o = object_of(f);
	struct upstream *up = o->up;

	if (up->draining)
		return;
	if (f->why.err == ERR_OK)
		negative_del(up->negative, f->name);
	else if (is_refusal(f->why.err))
		object_refused(o);
	if (object_noted(up, &o->key, f->why.err))
		storage_note_failure(up->storage, &o->key, f->why.err, &f->why);
	plan_ended(up->plan, &o->key, &f->why, o->coll);
}

static void
object_answer(struct flight *f, struct waiter *w)
{
	w->coll = f->why.err == ERR_OK ? coll_ref(object_of(f)->coll) : NULL;
	flights_tell(f->table, w, f->why.err, &f->why);
}

static void
object_free(struct flight *f)
{
	struct object *o = object_of(f);

	object_clear(o);
	coll_unref(o->coll);
	free(o);
}

static const struct job object_job = { object_prepare, object_mirrors,
	object_request, object_reply, object_check, object_ended, object_answer,
	object_free };

/* --- wanting ---------------------------------------------------------- */

/* KDS has no certificate for such a TCB or chip, nor a way to ask for one. */
static bool
vek_never(const struct coll_key *key, struct why *why)
{
	if (key->kind != COLL_VEK)
		return false;
	if (!amd_tcb_issued(key->product, key->tcb))
		(void)why_set(why, ERR_NO_CERT, "amd-kds 2.3",
		    "there is no such TCB of %s",
		    amd_product_name(key->product));
	else if (key->side == AMD_VCEK && span_all(key_hwid(key), 0))
		(void)why_set(why, ERR_NO_CERT, "amd-kds 8.1",
		    "the hardware id is masked: all zeros");
	return why->err != ERR_OK;
}

/* Answers that need nobody to be asked; false: none. */
static bool
object_known(struct upstream *up, const struct coll_key *key, bool force,
    struct waiter *w)
{
	const struct why *no;
	struct why never = { 0 };
	struct coll *c;

	if (up->config->mode == MODE_OFFLINE) {
		flights_tell(&up->flights, w, ERR_OFFLINE, NULL);
		return true;
	}
	/* Version 3 ended; PCS is not asked about it (pcs-upstream 1). */
	if ((key->kind == COLL_TCBINFO || key->kind == COLL_IDENTITY) &&
	    key->api != 4) {
		flights_tell(&up->flights, w, ERR_V3_EOL, NULL);
		return true;
	}
	if (vek_never(key, &never)) {
		flights_tell(&up->flights, w, never.err, &never);
		return true;
	}
	/* Whoever missed it in an older snapshot need not ask again. */
	if (!force && (c = object_new(up, key)) != NULL) {
		w->coll = c;
		flights_tell(&up->flights, w, ERR_OK, NULL);
		return true;
	}
	no = force ? NULL : negative_get(up->negative, key->text, clock_now());
	if (no == NULL)
		return false;
	metric_inc(M_NEGATIVE);
	flights_tell(&up->flights, w, no->err, no);
	return true;
}

void
object_want(struct upstream *up, const struct coll_key *key, bool force,
    struct waiter *w)
{
	struct why why = { 0 };
	struct flight *f;
	struct object *o;

	if (!flights_admit(&up->flights, w))
		return;
	f = flights_get(&up->flights, key->text);
	if (f != NULL) {
		metric_inc(M_COALESCED);
		flight_join(f, w);
		return;
	}
	if (object_known(up, key, force, w))
		return;
	o = xcalloc(1, sizeof(*o));
	o->up = up;
	o->key = *key;
	o->vendor = vendor_of(key);
	o->flight.paced = o->vendor->paced;
	if (flight_init(&o->flight, &up->flights, &object_job, key->text,
		key_log(key).s, up->config, w, &why) != ERR_OK) {
		free(o);
		flights_tell(&up->flights, w, why.err, &why);
		return;
	}
	flight_join(&o->flight, w);
	flight_start(&o->flight);
}

struct waiter *
waiter_inner(struct upstream *up, long wait_ms, bool background,
    void (*tell)(struct waiter *), void *arg)
{
	struct waiter *w = waiter_new(wait_ms, tell, arg);

	must(w->home == up->loop);
	w->background = background;
	w->internal = true;
	return w;
}
