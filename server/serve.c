/* The one path of all collateral: see serve.h. */
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MAGIC   0x7e51a110u
#define ANSWER_MAGIC 0x7e51a111u

/* --- finding ---------------------------------------------------------- */

/* Somebody waits for upstream, with the stale object in hand, if any. */
struct wait {
	unsigned magic;
	struct coll *stale; /* own reference, or NULL */
	serve_fn fn;
	void *arg;
};

static void
wait_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct wait *w = obj_cast(arg, WAIT_MAGIC);

	if (e == ERR_OK)
		w->fn(w->arg, ERR_OK, NULL, coll, SERVED_MISS);
	else if (w->stale != NULL)
		w->fn(w->arg, ERR_OK, NULL, w->stale, SERVED_STALE);
	else
		w->fn(w->arg, e, why, NULL, SERVED_MISS);
	coll_unref(w->stale);
	free(w);
}

static void
serve_ask(const struct req *req, const struct coll_key *key, long wait_ms,
    struct coll *stale, serve_fn fn, void *arg)
{
	struct wait *w = xcalloc(1, sizeof(*w));

	w->magic = WAIT_MAGIC;
	w->stale = stale == NULL ? NULL : coll_ref(stale);
	w->fn = fn;
	w->arg = arg;
	upstream_want(worker_upstream(req_worker(req)), req_source(req), key,
	    wait_ms, wait_cb, w);
}

/* Nothing that may be served, and nobody to ask. */
static void
serve_nothing(const struct config *config, const struct coll_key *key,
    bool gone, serve_fn fn, void *arg)
{
	struct why why = { 0 };
	enum err e;

	if (key->api == 3 && config->mode == MODE_LAZY)
		e = why_set(&why, ERR_V3_EOL, "pccs-api 8",
		    "%s was never uploaded", key->text);
	else if (gone && key->kind == COLL_AMD_CRL)
		e = why_set(&why, ERR_EXPIRED, "amd-kds 7",
		    "%s is past its nextUpdate, and this mode does not ask",
		    key->text);
	else
		e = why_set(&why, ERR_NOT_CACHED, "caching-and-selection 1",
		    gone ? "%s is stale beyond cache.stale_max_s"
			 : "%s is not cached, and this mode does not ask",
		    key->text);
	fn(arg, e, &why, NULL, SERVED_MISS);
}

void
serve_held(const struct req *req, struct coll *held, const struct coll_key *key,
    serve_fn fn, void *arg)
{
	const struct config *config = worker_config(req_worker(req));
	bool may_ask = config->mode == MODE_LAZY && key->api != 3;
	enum fresh_state state = FRESH_GONE;

	if (key->kind == COLL_VEK) {
		serve_find_vek(req, key, fn, arg);
		return;
	}
	if (held != NULL)
		state =
		    fresh_state(held, config->cache.stale_max_s, clock_now());
	if (state == FRESH_NEW || state == FRESH_DUE)
		fn(arg, ERR_OK, NULL, held, SERVED_HIT);
	else if (state == FRESH_STALE && may_ask)
		serve_ask(req, key, config->cache.stale_wait_ms, held, fn, arg);
	else if (state == FRESH_STALE)
		fn(arg, ERR_OK, NULL, held, SERVED_STALE);
	else if (may_ask)
		serve_ask(req, key, config->cache.client_wait_ms, NULL, fn,
		    arg);
	else
		serve_nothing(config, key, held != NULL, fn, arg);
}

void
serve_find(const struct req *req, const struct coll_key *key, serve_fn fn,
    void *arg)
{
	serve_held(req, snap_get(worker_snap(req_worker(req)), key), key, fn,
	    arg);
}

/* --- answering -------------------------------------------------------- */

static const char *const served_name[] = { "HIT", "STALE", "MISS" };
static const enum metric served_metric[] = { M_HIT, M_STALE, M_MISS };

static bool
kind_is_amd(enum coll_kind kind)
{
	return kind == COLL_AMD_CHAIN || kind == COLL_AMD_CRL ||
	       kind == COLL_VEK;
}

/* These lines are made for every answer: no printf, one allocation. */
#define LINES_ROOM 192

static uint64_t
age_of(int max_age, enum served how)
{
	return how == SERVED_STALE || max_age < 0 ? 0 : (uint64_t)max_age;
}

/* Behind Cache-Control, which the vendors' clients want in other words. */
static void
age_lines(struct buf *out, time_t fetched_at, time_t now, enum served how)
{
	metric_inc(served_metric[how]);
	buf_str(out, "X-Cache: ");
	buf_str(out, served_name[how]);
	if (fetched_at != 0) {
		buf_str(out, "\r\nAge: ");
		buf_dec(out,
		    now > fetched_at ? (uint64_t)(now - fetched_at) : 0);
	}
	buf_str(out, "\r\n");
	if (how == SERVED_STALE)
		buf_str(out, "Warning: 110 - \"Response is Stale\"\r\n");
}

void
serve_age_lines(struct buf *out, int max_age, time_t fetched_at, time_t now,
    enum served how)
{
	buf_reserve(out, LINES_ROOM);
	buf_str(out, "Cache-Control: max-age=");
	buf_dec(out, age_of(max_age, how));
	buf_str(out, "\r\n");
	age_lines(out, fetched_at, now, how);
}

void
serve_coll_lines(struct buf *out, const struct coll *coll, time_t now,
    enum served how)
{
	int max_age = fresh_max_age(coll, now);

	if (!kind_is_amd(coll->key.kind)) {
		serve_age_lines(out, max_age, coll->fetched_at, now, how);
		return;
	}
	buf_reserve(out, LINES_ROOM);
	buf_str(out, "Cache-Control: public, max-age=");
	buf_dec(out, age_of(max_age, how));
	if (coll->key.kind == COLL_VEK && how != SERVED_STALE)
		buf_str(out, ", immutable");
	buf_str(out, "\r\n");
	age_lines(out, coll->fetched_at, now, how);
}

/* The value of a line in a ready-made head. */
static struct span
head_value(const struct blob *head, const char *line)
{
	struct span s = blob_span(head), value;
	size_t len = strlen(line);

	while (span_until(&s, '\n', &value) == ERR_OK)
		if (span_starts(value, line) && value.len > len &&
		    value.p[value.len - 1] == '\r')
			return span_of(value.p + len, value.len - len - 1);
	return SPAN_NONE;
}

bool
serve_not_modified(const struct req *req, struct span etag)
{
	struct span list = req_header(req, "If-None-Match"), item;
	bool last = false;

	if (list.len == 0 || etag.len == 0)
		return false;
	while (!last) {
		if (span_until(&list, ',', &item) != ERR_OK) {
			item = list;
			last = true;
		}
		while (item.len > 0 && item.p[0] == ' ')
			item = span_of(item.p + 1, item.len - 1);
		/* Weak comparison, RFC 9110 13.1.2. */
		if (span_starts(item, "W/"))
			item = span_of(item.p + 2, item.len - 2);
		if (span_eq(item, etag) || span_eq_str(item, "*"))
			return true;
	}
	return false;
}

struct answer {
	unsigned magic;
	struct req *req;
	enum form_name form;
};

static void
answer_coll(struct req *req, const struct form *form, struct coll *coll,
    enum served how)
{
	struct buf extra = BUF_INIT;
	time_t now = clock_now();
	struct span etag;

	serve_coll_lines(&extra, coll, now, how);
	etag = head_value(form->head, "ETag: ");
	if (serve_not_modified(req, etag)) {
		buf_str(&extra, "ETag: ");
		buf_span(&extra, etag);
		buf_str(&extra, "\r\n");
		reply_blob(req, 304, NULL, &extra, NULL);
	} else {
		reply_ready(req, &extra, 1, &form->head, form->body);
	}
	buf_free(&extra);
}

static void
answer_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct answer *a = obj_cast(arg, ANSWER_MAGIC);

	if (e == ERR_OK) {
		must(coll->form[a->form].body != NULL);
		answer_coll(a->req, &coll->form[a->form], coll, how);
	} else {
		reply_err(a->req, e, why);
	}
	free(a);
}

void
serve_coll(struct req *req, const struct coll_key *key, enum form_name form)
{
	struct answer *a = xcalloc(1, sizeof(*a));

	a->magic = ANSWER_MAGIC;
	a->req = req;
	a->form = form;
	if (key->kind == COLL_TCBINFO || key->kind == COLL_IDENTITY)
		serve_version(req, key, NULL, answer_cb, a);
	else
		serve_find(req, key, answer_cb, a);
}
