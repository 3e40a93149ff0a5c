/*
 * The operator's routes under /v1: what the cache knows, refreshing, and a
 * bundle of its objects out and in.
 */
#include "server/api.h"
#include "server/server.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/base/recent.h"
#include "config/base/version.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- status ----------------------------------------------------------- */

#define STATUS_MAGIC 0x9cc51004u

struct status {
	unsigned magic;
	struct req *req;
	struct blob *storage; /* its JSON document; owned */
};

static const char *const mode_name[] = { "lazy", "req", "offline" };

/* Both documents are ours and whole: they are put together as text. */
static void
status_upstream_cb(void *arg, enum err e, const struct why *why,
    struct blob *text)
{
	struct status *s = obj_cast(arg, STATUS_MAGIC);
	struct worker *w = req_worker(s->req);
	char now[TIME_LEN];
	struct buf b = BUF_INIT;

	if (e != ERR_OK) {
		reply_err(s->req, e, why);
		goto out;
	}
	time_write(clock_now(), now);
	buf_printf(&b,
	    "{\"version\":\"%s\",\"now\":\"%s\",\"mode\":\"%s\","
	    "\"connections\":%zu,\"storage\":",
	    LARDER_VERSION, now, mode_name[worker_config(w)->mode],
	    server_connections(worker_server(w)));
	buf_span(&b, blob_span(s->storage));
	buf_str(&b, ",\"upstream\":");
	buf_span(&b, blob_span(text));
	buf_str(&b, "}");
	api_json(s->req, buf_blob(&b));
out:
	blob_unref(text);
	blob_unref(s->storage);
	free(s);
}

static void
status_storage_cb(void *arg, enum err e, const struct why *why,
    struct blob *text)
{
	struct status *s = obj_cast(arg, STATUS_MAGIC);

	if (e != ERR_OK) {
		blob_unref(text);
		reply_err(s->req, e, why);
		free(s);
		return;
	}
	s->storage = text;
	upstream_status(worker_upstream(req_worker(s->req)), status_upstream_cb,
	    s);
}

static void
admin_status(struct req *req)
{
	struct status *s = xcalloc(1, sizeof(*s));

	s->magic = STATUS_MAGIC;
	s->req = req;
	storage_status(worker_storage(req_worker(req)), status_storage_cb, s);
}

/* --- explain and history ---------------------------------------------- */

/* what= and key= take an object or "QEID,PCEID"; so do qeid= with pceid=. */
static void
admin_explain(struct req *req)
{
	const char *what = req_query(req, "what");
	struct platform_id id;
	char text[QE_ID_MAX + 8];
	struct why why = { 0 };
	enum err e;

	if (what == NULL)
		what = req_query(req, "key");
	if (what == NULL) {
		e = param_platform_id(api_query, req, &id, &why);
		if (e != ERR_OK) {
			reply_err(req, e, &why);
			return;
		}
		snprintf(text, sizeof(text), "%s,%s", id.qe_id, id.pce_id);
		what = text;
	}
	storage_explain(worker_storage(req_worker(req)), what, api_json_cb,
	    req);
}

static enum err
key_param(struct req *req, struct coll_key *out, struct why *why)
{
	const char *key = req_query(req, "key");

	if (key == NULL)
		return why_set(why, ERR_PARAM, "larder(1)", "key is missing");
	if (key_read(key, out, why) != ERR_OK)
		return why->err = ERR_PARAM;
	return ERR_OK;
}

static void
admin_history(struct req *req)
{
	struct coll_key key;
	struct why why = { 0 };
	enum err e;

	if ((e = key_param(req, &key, &why)) != ERR_OK)
		reply_err(req, e, &why);
	else
		storage_history(worker_storage(req_worker(req)), key.text,
		    api_json_cb, req);
}

/* --- refusals --------------------------------------------------------- */

static json_t *
refusal_json(const struct recent *r)
{
	char first[TIME_LEN], last[TIME_LEN];

	time_write(r->first_at, first);
	time_write(r->last_at, last);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:s}",
	    "at", last, "first", first, "where",
	    r->kind == RECENT_GATE ? "gate" : "answer", "what", r->what, "who",
	    r->who, "reason", err_token(r->err), "clause", r->clause, "count",
	    (json_int_t)r->count, "status", err_http(r->err), "text", r->text);
}

/* What was refused since the start, the latest first. */
static void
admin_refusals(struct req *req)
{
	struct recent *v = xcalloc(RECENT_MAX, sizeof(*v));
	size_t i, n = recent_get(v);
	json_t *list = json_array();
	struct buf b = BUF_INIT;
	char *text;

	for (i = 0; i < n; i++)
		json_array_append_new(list, refusal_json(&v[i]));
	text = json_dumps(list, 0);
	must(text != NULL);
	buf_printf(&b, "{\"refusals\":%s}", text);
	api_json(req, buf_blob(&b));
	free(text);
	json_decref(list);
	free(v);
}

/* --- refresh ---------------------------------------------------------- */

/* key= is an object, "all" (collateral) or "certs", with fmspc= if wanted. */
static void
admin_refresh(struct req *req)
{
	const char *what = req_query(req, "key");
	struct fmspc_list fmspcs = { 0, NULL };
	struct why why = { 0 };
	struct coll_key key;
	enum err e;

	if (what == NULL || strcmp(what, "all") == 0) {
		api_refresh_start(req, false, &fmspcs);
		return;
	}
	if (strcmp(what, "certs") == 0) {
		e = param_fmspc_list(req_query(req, "fmspc"), &fmspcs, &why);
		if (e == ERR_OK)
			api_refresh_start(req, true, &fmspcs);
		else
			reply_err(req, e, &why);
		fmspc_list_fini(&fmspcs);
		return;
	}
	if ((e = key_param(req, &key, &why)) != ERR_OK)
		reply_err(req, e, &why);
	else if (worker_config(req_worker(req))->mode == MODE_OFFLINE)
		reply_err(req, ERR_OFFLINE, NULL);
	else
		upstream_refresh_key(worker_upstream(req_worker(req)), &key,
		    api_refreshed_cb, req);
}

/* --- the table -------------------------------------------------------- */

#define GET  (1u << METHOD_GET)
#define POST (1u << METHOD_POST)

#define ADMIN(path, m, body, fn)                                               \
	{                                                                      \
		SERVE_ADMIN, m, path, ROLE_ADMIN, "admin-token", body, fn,     \
		    NULL                                                       \
	}

const struct route routes_admin[] = {
	ADMIN("/v1/status", GET, BODY_NONE, admin_status),
	ADMIN("/v1/explain", GET, BODY_NONE, admin_explain),
	ADMIN("/v1/history", GET, BODY_NONE, admin_history),
	ADMIN("/v1/refusals", GET, BODY_NONE, admin_refusals),
	ADMIN("/v1/refresh", POST, BODY_SMALL, admin_refresh),
	ADMIN("/v1/export", GET, BODY_NONE, api_export),
	ADMIN("/v1/import", POST, BODY_UPLOAD, api_import),
	ADMIN("/v1/baseline", GET, BODY_NONE, api_baseline),
	ADMIN("/v1/baseline/history", GET, BODY_NONE, api_baseline_history),
	ADMIN("/v1/baseline/impact", GET, BODY_NONE, api_impact),
	ADMIN("/v1/baseline/pin", POST, BODY_SMALL, api_baseline_change),
	ADMIN("/v1/baseline/lag", POST, BODY_SMALL, api_baseline_change),
	ADMIN("/v1/baseline/follow", POST, BODY_SMALL, api_baseline_change),
	ADMIN("/v1/baseline/promote", POST, BODY_SMALL, api_baseline_change),
	ADMIN("/v1/baseline/clear", POST, BODY_SMALL, api_baseline_change),
	ADMIN("/v1/baseline/rollback", POST, BODY_SMALL, api_baseline_change),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
