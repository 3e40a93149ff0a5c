/*
 * GET pckcert (pccs-api 6.1, 9.2; caching-and-selection 2): memory, then
 * database, then, in lazy mode, upstream.
 *
 *   platform_cached --hit--------------------------------------> answer
 *        | miss
 *   storage_pck ------ok---------------------------------------> answer
 *        |  \---- no TCB info: want it, once, and look again
 *        | unknown, no fitting certificate, certificates missing
 *   upstream_platform -ok--------------------------------------> answer
 *           \---- no TCB info: want it, once, and look again
 *
 * Each step happens at most once, so every request ends.
 */
#include "server/api.h"
#include "server/hold.h"
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <stdlib.h>

#define LOOK_MAGIC 0x9cc51001u

struct look {
	unsigned magic;
	struct req *req;
	struct platform_ask ask; /* references are owned */
	enum ppid ppid;
	bool json; /* the object of pccs-api 9.2 */
	bool tcbinfo_wanted, upstream_asked;
	enum err missed; /* why upstream was asked */
	struct why missed_why;
	int64_t until_ms; /* monotonic: the client waits no longer */
};

static struct look *
look_new(struct req *req, const struct platform_ask *ask, enum ppid ppid,
    long wait_ms, bool json)
{
	struct look *l = xcalloc(1, sizeof(*l));

	l->magic = LOOK_MAGIC;
	l->req = req;
	l->ask = *ask;
	l->ppid = ppid;
	l->json = json;
	l->until_ms = clock_mono_ms() + wait_ms;
	return l;
}

static void
look_free(struct look *l)
{
	ask_fini(&l->ask);
	free(l);
}

static long
look_left_ms(const struct look *l)
{
	int64_t left = l->until_ms - clock_mono_ms();

	return left > 1 ? (long)left : 1;
}

static void
look_fail(struct look *l, enum err e, const struct why *why)
{
	reply_err(l->req, e, why);
	look_free(l);
}

/* --- the answer ------------------------------------------------------- */

/* Seconds the answer keeps: to the end of the leaf, and to the next fetch. */
static int
pck_max_age(const struct pck_answer *a, time_t now)
{
	time_t end = a->not_after;

	if (now >= end)
		return 0;
	if (a->refetch_at > now && a->refetch_at < end)
		end = a->refetch_at;
	return end - now > 86400 ? 86400 : (int)(end - now);
}

/* The object of pccs-api 9.2; PEM and chain hold nothing JSON escapes but
 * line ends. */
static struct blob *
pck_json(const struct pck_answer *a, int max_age)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "{\"pckCert\":\"");
	for (i = 0; i < a->pem->len; i++)
		if (a->pem->data[i] == '\n')
			buf_str(&b, "\\n");
		else
			buf_add(&b, &a->pem->data[i], 1);
	buf_str(&b, "\",\"sgx-Pck-Certificate-Issuer-Chain\":\"");
	buf_span(&b, blob_span(a->chain));
	buf_printf(&b, "\",\"sgx-Tcbm\":\"%s\",\"cacheMaxAge\":%d}", a->tcbm,
	    max_age);
	return buf_blob(&b);
}

static void
pck_reply(struct req *req, const struct pck_answer *a, bool json,
    enum served how)
{
	struct blob *heads[2] = { a->head, a->chain_head };
	time_t now = clock_now();
	int max_age = pck_max_age(a, now);
	struct blob *body = json ? pck_json(a, max_age) : blob_ref(a->pem);
	struct buf extra = BUF_INIT;

	if (max_age == 0)
		how = SERVED_STALE;
	serve_age_lines(&extra, max_age, 0, now, how);
	buf_printf(&extra, "Content-Type: %s\r\nContent-Length: %zu\r\n",
	    json ? "application/json" : "application/x-pem-file", body->len);
	reply_ready(req, &extra, 2, heads, body);
	buf_free(&extra);
	blob_unref(body);
}

/* --- fetching again in the background --------------------------------- */

/* As hold_has() and hold_set(), of a platform. */
static bool
platform_has(enum hold what, struct worker *w, const struct platform_id *id)
{
	char name[HOLD_PLATFORM];

	return hold_has(what, w, hold_platform(id, name));
}

static void
platform_hold(enum hold what, struct worker *w, const struct platform_id *id)
{
	char name[HOLD_PLATFORM];

	hold_set(what, w, hold_platform(id, name));
}

/* The list behind the answer is due: have it fetched while this is served. */
static void
pck_refetch_hint(struct worker *w, const struct platform_id *id,
    const struct pck_answer *a)
{
	if (worker_config(w)->mode != MODE_LAZY ||
	    clock_now() < a->refetch_at || platform_has(HOLD_NAMED, w, id))
		return;
	platform_hold(HOLD_NAMED, w, id);
	upstream_refetch(worker_upstream(w), id);
}

static void
look_answer(struct look *l, const struct pck_answer *a, enum served how)
{
	struct worker *w = req_worker(l->req);

	if (how == SERVED_HIT)
		pck_refetch_hint(w, &l->ask.id, a);
	pck_reply(l->req, a, l->json, how);
	look_free(l);
}

/* --- upstream --------------------------------------------------------- */

static void look_store(struct look *);
static void look_missed(struct look *, enum err, const struct why *);

static void
fetched_cb(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	struct look *l = obj_cast(arg, LOOK_MAGIC);

	if (e == ERR_OK && a != NULL)
		look_answer(l, a, SERVED_MISS);
	else if (e == ERR_OK)
		look_store(l);
	else
		look_missed(l, e, why);
}

static void
wanted_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct look *l = obj_cast(arg, LOOK_MAGIC);

	(void)coll; /* it is in storage now, where selection looks */
	if (e == ERR_OK)
		look_store(l);
	else
		look_fail(l, e, why);
}

/* Selection lacks the TCB info of the FMSPC that why->text names. */
static void
look_want_tcbinfo(struct look *l, const struct why *why)
{
	struct coll_key key;
	char fmspc[13];

	if (!fmspc_in_text(why->text, fmspc)) {
		look_fail(l, ERR_NO_TCBINFO, why);
		return;
	}
	l->tcbinfo_wanted = true;
	key = key_tcbinfo(TEE_SGX, 4, fmspc, UPDATE_STANDARD, 0);
	upstream_want(worker_upstream(req_worker(l->req)), req_source(l->req),
	    &key, look_left_ms(l), wanted_cb, l);
}

/* The list is not held, or nothing in it fits: fetch it, if not lately. */
static bool
look_fetch(struct look *l, enum err e, const struct why *why)
{
	struct worker *w = req_worker(l->req);

	if (l->upstream_asked) {
		if (e == ERR_NO_CERT)
			platform_hold(HOLD_NO_CERT, w, &l->ask.id);
		return false;
	}
	if (e == ERR_NO_CERT && platform_has(HOLD_NO_CERT, w, &l->ask.id))
		return false;
	l->upstream_asked = true;
	l->missed = e;
	if (why != NULL)
		l->missed_why = *why;
	upstream_platform(worker_upstream(w), req_source(l->req), &l->ask,
	    look_left_ms(l), fetched_cb, l);
	return true;
}

/* Upstream has nothing to ask with: what does that mean to the client? */
static void
look_fail_no_ppid(struct look *l, const struct why *why)
{
	if (l->missed != ERR_UNKNOWN_PLATFORM)
		look_fail(l, l->missed, &l->missed_why);
	else if (l->ppid == PPID_ZEROS)
		look_fail(l, ERR_ZERO_PPID, why);
	else
		look_fail(l, ERR_NO_PPID, why);
}

/* What is held does not answer: decide whether somebody else is asked. */
static void
look_missed(struct look *l, enum err e, const struct why *why)
{
	bool lazy = worker_config(req_worker(l->req))->mode == MODE_LAZY;

	switch (e) {
	case ERR_NO_TCBINFO:
		if (lazy && !l->tcbinfo_wanted)
			look_want_tcbinfo(l, why);
		else
			look_fail(l, e, why);
		break;
	case ERR_UNKNOWN_PLATFORM:
	case ERR_NO_CERT:
	case ERR_NOT_CACHED:
		if (!lazy || !look_fetch(l, e, why))
			look_fail(l, e, why);
		break;
	case ERR_NO_PPID:
	case ERR_ZERO_PPID:
		look_fail_no_ppid(l, why);
		break;
	default:
		look_fail(l, e, why);
	}
}

/* --- storage ---------------------------------------------------------- */

static void
stored_cb(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	struct look *l = obj_cast(arg, LOOK_MAGIC);

	if (e == ERR_OK)
		look_answer(l, a,
		    l->upstream_asked || l->tcbinfo_wanted ? SERVED_MISS
							   : SERVED_HIT);
	else
		look_missed(l, e, why);
}

static void
look_store(struct look *l)
{
	storage_pck(worker_storage(req_worker(l->req)), &l->ask.id, &l->ask.tcb,
	    stored_cb, l);
}

void
api_pckcert_find(struct req *req, struct platform_ask *ask, enum ppid ppid,
    long wait_ms, bool json)
{
	struct worker *w = req_worker(req);
	struct pck_answer *a =
	    platform_cached(worker_storage(w), &ask->id, &ask->tcb);

	if (a == NULL) {
		look_store(look_new(req, ask, ppid, wait_ms, json));
		return;
	}
	pck_refetch_hint(w, &ask->id, a);
	pck_reply(req, a, json, SERVED_HIT);
	pck_answer_unref(a);
	ask_fini(ask);
}

void
api_pckcert(struct req *req)
{
	struct platform_ask ask;
	struct why why = { 0 };
	enum ppid ppid;
	enum err e;

	e = param_pckcert(api_query, req, &ask, &ppid, &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	api_pckcert_find(req, &ask, ppid,
	    worker_config(req_worker(req))->cache.client_wait_ms,
	    req_query_has(req, "api-version"));
}
