/*
 * The job of fetching a platform's PCK certificates: caching-and-selection 3.
 */
#include "upstream/room.h"

#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_AVAILABLE_S 600 /* caching-and-selection 3.4 */

/* Collateral that is good to have is waited for this long; the standard SGX
 * TCB info, without which nothing can be selected, as long as an exchange
 * may take. */
#define OPTIONAL_WAIT_MS 2000

struct platform {
	struct flight flight;
	struct upstream *up;
	struct platform_ask ask; /* its blobs are owned */
	bool by_manifest;        /* how upstream is asked now */
	bool tried_manifest, tried_ppid;
	/* the answer in hand */
	struct blob *body, *chain;
	char *source;
	time_t fetched_at;
	struct pcs_platform seen; /* its spans are not used */
	size_t pending;           /* pieces of collateral still under way */
	struct why tcb_why;       /* how the standard SGX TCB info went */
	/* what storage says about ask.tcb */
	struct why result;
	struct pck_answer *answer;
};

static const struct job platform_job;

static struct platform *
platform_of(struct flight *f)
{
	must(f->job == &platform_job);
	return msg_of(f, struct platform, flight);
}

struct platform_ask
platform_ask_copy(const struct platform_ask *ask)
{
	struct platform_ask copy = *ask;

	copy.enc_ppid = blob_ref(ask->enc_ppid);
	copy.manifest = blob_ref(ask->manifest);
	return copy;
}

struct platform_label
platform_label(const struct platform_id *id)
{
	struct platform_label l;

	snprintf(l.s, sizeof(l.s), "platform/%s/%s",
	    log_id(span_str(id->qe_id)).s, id->pce_id);
	return l;
}

/* --- names ------------------------------------------------------------ */

struct platform_name {
	char s[QE_ID_MAX + 32];
};

/* The PCE-ID has a fixed length, so that no two platforms have one name. */
static struct platform_name
platform_name(const struct platform_id *id)
{
	struct platform_name n;

	snprintf(n.s, sizeof(n.s), "platform/%s/%s", id->qe_id, id->pce_id);
	return n;
}

/*
 * What upstream refused is this PPID or manifest, not the platform: somebody
 * who asks in its name with a wrong one must not lock it out.
 */
struct material_name {
	char s[sizeof(struct platform_name) + 34];
};

static struct material_name
material_name(const struct platform_ask *ask)
{
	struct span bytes =
	    blob_span(ask->manifest != NULL ? ask->manifest : ask->enc_ppid);
	unsigned char digest[32];
	struct material_name n;
	char hex[33];

	sha256(bytes, digest);
	hex_lower(span_of(digest, 16), hex);
	snprintf(n.s, sizeof(n.s), "%s#%s", platform_name(&ask->id).s, hex);
	return n;
}

static bool
same_blob(const struct blob *a, const struct blob *b)
{
	return span_eq(blob_span(a), blob_span(b));
}

/* --- asking ----------------------------------------------------------- */

static void
ask_adopt(struct platform_ask *ask, const struct platform_ask *stored)
{
	if (ask->manifest == NULL)
		ask->manifest = blob_ref(stored->manifest);
	if (!pcs_has_ppid(ask) && stored->enc_ppid != NULL) {
		blob_unref(ask->enc_ppid);
		ask->enc_ppid = blob_ref(stored->enc_ppid);
	}
}

/* The manifest is preferred whenever there is one: with keys that Intel does
 * not keep, the PPID alone never works (caching-and-selection 3.1). */
static void
platform_choose(struct platform *p)
{
	struct why why = { 0 };

	p->by_manifest = p->ask.manifest != NULL;
	if (p->by_manifest || pcs_has_ppid(&p->ask)) {
		flight_go(&p->flight);
		return;
	}
	(void)why_set(&why,
	    p->ask.enc_ppid == NULL ? ERR_NO_PPID : ERR_ZERO_PPID,
	    "caching-and-selection 3.1",
	    "%s: no manifest and no encrypted PPID to ask with",
	    p->flight.label);
	flight_lost(&p->flight, why.err, &why);
}

static void
platform_stored(void *arg, enum err e, const struct why *why,
    const struct platform_ask *stored)
{
	struct flight *f = flight_cast(arg);
	struct platform *p = platform_of(f);
	struct upstream *up = p->up;

	(void)why;
	if (f->state == FLIGHT_NEW) {
		if (e == ERR_OK)
			ask_adopt(&p->ask, stored);
		platform_choose(p);
	}
	flight_unref(f);
	upstream_called(up);
}

static void
platform_prepare(struct flight *f)
{
	struct platform *p = platform_of(f);

	if (p->ask.manifest != NULL) {
		platform_choose(p);
		return;
	}
	upstream_call(p->up);
	storage_platform_ask(p->up->storage, &p->ask.id, platform_stored,
	    flight_ref(f));
}

static size_t
platform_mirrors(struct flight *f)
{
	return pcs_platform_mirrors(f->config);
}

static void
platform_request(struct flight *f, size_t mirror, struct request *out)
{
	struct platform *p = platform_of(f);

	if (p->by_manifest)
		p->tried_manifest = true;
	else
		p->tried_ppid = true;
	pcs_platform_request(f->config, &p->ask, p->by_manifest, mirror, out);
}

/* A manifest that came with somebody who joined. */
static void
platform_manifest_of_waiters(struct platform *p)
{
	struct waiter *w;

	TAILQ_FOREACH(w, &p->flight.waiters, link)
	{
		if (p->ask.manifest == NULL)
			p->ask.manifest = blob_ref(w->ask.manifest);
	}
}

/* Upstream does not know it this way: is there another? */
static bool
platform_other_way(struct platform *p)
{
	platform_manifest_of_waiters(p);
	if (!p->by_manifest && p->ask.manifest != NULL && !p->tried_manifest)
		p->by_manifest = true;
	else if (p->by_manifest && pcs_has_ppid(&p->ask) && !p->tried_ppid)
		p->by_manifest = false;
	else
		return false;
	return true;
}

static void
platform_clear(struct platform *p)
{
	blob_unref(p->body);
	blob_unref(p->chain);
	free(p->source);
	p->body = p->chain = NULL;
	p->source = NULL;
}

static enum err
platform_reply(struct flight *f, const struct reply *r, struct why *why)
{
	struct platform *p = platform_of(f);
	enum err e = pcs_platform_reply(r, &p->seen, why);

	if (e == ERR_UP_ABSENT || e == ERR_UP_REFUSED)
		f->fresh_round = platform_other_way(p);
	if (e != ERR_OK)
		return e;
	platform_clear(p);
	p->body = blob_from(p->seen.body);
	p->chain = blob_from(p->seen.chain);
	p->source = source_of(f);
	p->fetched_at = clock_now();
	return ERR_OK;
}

/* --- what has to be there before it is admitted ----------------------- */

static void
platform_admitted(void *arg, enum err e, const struct why *why,
    struct pck_answer *answer)
{
	struct flight *f = flight_cast(arg);
	struct platform *p = platform_of(f);
	struct upstream *up = p->up;

	if (e == ERR_OK || e == ERR_NO_CERT || e == ERR_NO_TCBINFO) {
		/* It is stored; what can be selected is another question. */
		p->answer = pck_answer_ref(answer);
		p->result = why == NULL ? (struct why){ 0 } : *why;
		p->result.err = e;
		if (e == ERR_NO_TCBINFO && p->tcb_why.err != ERR_OK &&
		    p->tcb_why.err != ERR_UP_ABSENT)
			p->result = p->tcb_why;
		flight_won(f);
	} else {
		flight_lost(f, e, why);
	}
	flight_unref(f);
	upstream_called(up);
}

static void
platform_admit(struct platform *p)
{
	struct pckcerts_raw raw = { blob_span(p->body), blob_span(p->chain),
		p->source, p->fetched_at };

	upstream_call(p->up);
	storage_admit_platform(p->up->storage, &p->ask, &raw, platform_admitted,
	    flight_ref(&p->flight));
}

static void
piece_done(struct platform *p)
{
	must(p->pending > 0);
	if (--p->pending == 0 && p->flight.state == FLIGHT_CHECKING)
		platform_admit(p);
	flight_unref(&p->flight);
}

static void
piece_told(struct waiter *w)
{
	piece_done(platform_of(flight_cast(w->arg)));
}

static void
tcb_told(struct waiter *w)
{
	struct platform *p = platform_of(flight_cast(w->arg));

	p->tcb_why = w->why;
	piece_done(p);
}

/* Only what is missing or stale (caching-and-selection 3.2, 4). */
static void
piece_want(struct platform *p, const struct coll_key *key, long wait_ms,
    void (*tell)(struct waiter *))
{
	if (object_fresh(p->up, key))
		return;
	p->pending++;
	object_want(p->up, key, false,
	    waiter_inner(p->up, wait_ms, !flight_has_client(&p->flight), tell,
		flight_ref(&p->flight)));
}

static void
platform_check(struct flight *f)
{
	struct platform *p = platform_of(f);
	const char *fmspc = p->seen.fmspc;
	static const struct {
		enum tee tee;
		enum update update;
	} more[] = { { TEE_SGX, UPDATE_EARLY }, { TEE_TDX, UPDATE_EARLY },
		{ TEE_TDX, UPDATE_STANDARD } };
	struct coll_key key;
	size_t i;

	p->pending = 1; /* until all are asked for */
	flight_ref(f);
	p->tcb_why = (struct why){ 0 };
	if (fmspc[0] != '\0') {
		key = key_tcbinfo(TEE_SGX, 4, fmspc, UPDATE_STANDARD, 0);
		piece_want(p, &key, f->config->upstream.timeout_ms, tcb_told);
		for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
			key = key_tcbinfo(more[i].tee, 4, fmspc, more[i].update,
			    0);
			piece_want(p, &key, OPTIONAL_WAIT_MS, piece_told);
		}
	}
	if (p->seen.has_ca) {
		key = key_pck_crl(p->seen.ca);
		piece_want(p, &key, OPTIONAL_WAIT_MS, piece_told);
	}
	piece_done(p);
}

/* --- the end ---------------------------------------------------------- */

static bool
is_refusal(enum err e)
{
	return e == ERR_UP_ABSENT || e == ERR_UP_GONE || e == ERR_UP_REFUSED;
}

static void
platform_ended(struct flight *f)
{
	struct platform *p = platform_of(f);
	struct negative *no = p->up->negative;

	if (f->why.err == ERR_OK)
		negative_del(no, f->name);
	else if (f->why.err == ERR_NOT_AVAILABLE)
		negative_put(no, f->name, &f->why,
		    clock_now() + NOT_AVAILABLE_S);
	else if (is_refusal(f->why.err))
		negative_put(no, material_name(&p->ask).s, &f->why,
		    clock_now() + f->config->cache.negative_s);
}

static void platform_fly(struct upstream *, bool force, struct waiter *);

/*
 * A waiter who brought something else than what was asked with: a new
 * manifest counts even if the old one worked, another PPID if this one was
 * refused.  Once; then the answer stands.
 */
static bool
waiter_unheard(const struct platform *p, const struct waiter *w)
{
	enum err e = p->flight.why.err;

	if (w->asked > 1)
		return false;
	if (w->ask.manifest != NULL &&
	    !same_blob(w->ask.manifest, p->ask.manifest))
		return e == ERR_OK || is_refusal(e);
	return is_refusal(e) && pcs_has_ppid(&w->ask) &&
	       !same_blob(w->ask.enc_ppid, p->ask.enc_ppid);
}

/* A waiter whose raw TCB is not the flight's: storage selects. */
struct selecting {
	struct upstream *up;
	struct waiter *w;
};

static void
selected(void *arg, enum err e, const struct why *why,
    struct pck_answer *answer)
{
	struct selecting *s = arg;
	struct upstream *up = s->up;

	s->w->answer = e == ERR_OK ? pck_answer_ref(answer) : NULL;
	flights_tell(&up->flights, s->w, e, why);
	free(s);
	upstream_called(up);
}

static void
waiter_select(struct platform *p, struct waiter *w)
{
	struct selecting *s;

	if (p->result.err == ERR_OK || p->result.err == ERR_NO_CERT) {
		s = xcalloc(1, sizeof(*s));
		*s = (struct selecting){ p->up, w };
		upstream_call(p->up);
		storage_pck(p->up->storage, &w->ask.id, &w->ask.tcb, selected,
		    s);
		return;
	}
	flights_tell(&p->up->flights, w, p->result.err, &p->result);
}

static bool
same_tcb(const struct raw_tcb *a, const struct raw_tcb *b)
{
	return a->pcesvn == b->pcesvn &&
	       memcmp(a->cpusvn, b->cpusvn, sizeof(a->cpusvn)) == 0;
}

static void
platform_answer(struct flight *f, struct waiter *w)
{
	struct platform *p = platform_of(f);

	if (waiter_unheard(p, w)) {
		platform_fly(p->up, true, w);
		return;
	}
	if (f->why.err != ERR_OK) {
		flights_tell(f->table, w, f->why.err, &f->why);
		return;
	}
	if (!w->ask.has_tcb) {
		/* Nothing to select for, so nothing can fail to be. */
		flights_tell(f->table, w,
		    p->result.err == ERR_NO_CERT ? ERR_OK : p->result.err,
		    &p->result);
		return;
	}
	if (!p->ask.has_tcb || !same_tcb(&w->ask.tcb, &p->ask.tcb)) {
		waiter_select(p, w);
		return;
	}
	w->answer = p->result.err == ERR_OK ? pck_answer_ref(p->answer) : NULL;
	flights_tell(f->table, w, p->result.err, &p->result);
}

static void
platform_free(struct flight *f)
{
	struct platform *p = platform_of(f);

	platform_clear(p);
	blob_unref(p->ask.enc_ppid);
	blob_unref(p->ask.manifest);
	pck_answer_unref(p->answer);
	free(p);
}

static const struct job platform_job = { platform_prepare, platform_mirrors,
	platform_request, platform_reply, platform_check, platform_ended,
	platform_answer, platform_free };

/* --- wanting ---------------------------------------------------------- */

/* Answers that need nobody to be asked; false: none. */
static bool
platform_known(struct upstream *up, const char *name, struct waiter *w)
{
	const struct platform_ask *ask = &w->ask;
	time_t now = clock_now();
	const struct why *no;

	if (ask->has_tcb && ask->manifest == NULL) {
		/* Whoever missed it a moment ago need not ask again. */
		w->answer = platform_cached(up->storage, &ask->id, &ask->tcb);
		if (w->answer != NULL) {
			flights_tell(&up->flights, w, ERR_OK, NULL);
			return true;
		}
	}
	no = negative_get(up->negative, name, now);
	if (no == NULL)
		no = negative_get(up->negative, material_name(ask).s, now);
	if (no == NULL)
		return false;
	metric_inc(M_NEGATIVE);
	flights_tell(&up->flights, w, no->err, no);
	return true;
}

/* The waiter is counted in already. */
static void
platform_fly(struct upstream *up, bool force, struct waiter *w)
{
	struct platform_name name = platform_name(&w->ask.id);
	struct why why = { 0 };
	struct flight *f;
	struct platform *p;

	/* Who comes again from a flight that was aborted. */
	if (up->flights.draining) {
		flights_tell(&up->flights, w, ERR_DRAINING, NULL);
		return;
	}
	f = flights_get(&up->flights, name.s);
	if (f != NULL) {
		metric_inc(M_COALESCED);
		flight_join(f, w);
		return;
	}
	if (up->config->mode == MODE_OFFLINE) {
		flights_tell(&up->flights, w, ERR_OFFLINE, NULL);
		return;
	}
	if (!force && platform_known(up, name.s, w))
		return;
	p = xcalloc(1, sizeof(*p));
	p->up = up;
	p->ask = platform_ask_copy(&w->ask);
	if (flight_init(&p->flight, &up->flights, &platform_job, name.s,
		platform_label(&w->ask.id).s, up->config, w, &why) != ERR_OK) {
		blob_unref(p->ask.enc_ppid);
		blob_unref(p->ask.manifest);
		free(p);
		flights_tell(&up->flights, w, why.err, &why);
		return;
	}
	flight_join(&p->flight, w);
	flight_start(&p->flight);
}

void
platform_want(struct upstream *up, bool force, struct waiter *w)
{
	if (flights_admit(&up->flights, w))
		platform_fly(up, force, w);
}
