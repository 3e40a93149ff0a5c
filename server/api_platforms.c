/*
 * Registration, the queue, uploads and refresh (pccs-api 6.9 to 6.12;
 * caching-and-selection 1, 5).
 *
 * A registration is on disk before anything else is tried.  In lazy and req
 * mode its certificates are fetched, if they are not held, and then the
 * collateral that verifying its quotes takes; a failure goes to the caller
 * and leaves the row in the queue.
 */
#include "server/api.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdlib.h>

/* --- POST platforms --------------------------------------------------- */

#define REG_MAGIC 0x9cc51002u

struct reg {
	unsigned magic;
	struct req *req;
	struct platform_ask ask; /* references are owned */
	enum ppid ppid;
	enum update_set updates;
};

static void
reg_end(struct reg *r, enum err e, const struct why *why)
{
	if (e == ERR_OK)
		api_done(r->req);
	else
		reply_err(r->req, e, why);
	ask_fini(&r->ask);
	free(r);
}

static long
reg_wait_ms(const struct reg *r)
{
	return worker_config(req_worker(r->req))->cache.client_wait_ms;
}

static void
reg_prefetched_cb(void *arg, enum err e, const struct why *why)
{
	reg_end(obj_cast(arg, REG_MAGIC), e, why);
}

static void
reg_prefetch(struct reg *r)
{
	upstream_prefetch(worker_upstream(req_worker(r->req)), r->updates,
	    reg_wait_ms(r), reg_prefetched_cb, r);
}

static void
reg_fetched(struct reg *r)
{
	storage_reg_done(worker_storage(req_worker(r->req)), &r->ask);
	reg_prefetch(r);
}

static void
reg_fetched_cb(void *arg, enum err e, const struct why *why,
    struct pck_answer *answer)
{
	struct reg *r = obj_cast(arg, REG_MAGIC);

	(void)answer;
	if (e == ERR_NO_PPID && r->ppid == PPID_ZEROS)
		e = ERR_ZERO_PPID;
	if (e == ERR_OK)
		reg_fetched(r);
	else
		reg_end(r, e, why);
}

static void
reg_stored_cb(void *arg, enum err e, const struct why *why, bool cached)
{
	struct reg *r = obj_cast(arg, REG_MAGIC);
	struct worker *w = req_worker(r->req);

	if (e == ERR_OK)
		metric_inc(M_REGISTERED);
	if (e != ERR_OK || worker_config(w)->mode == MODE_OFFLINE)
		reg_end(r, e, why);
	else if (cached)
		reg_prefetch(r);
	else
		upstream_platform(worker_upstream(w), 0, &r->ask,
		    reg_wait_ms(r), reg_fetched_cb, r);
}

void
api_platforms_post(struct req *req)
{
	struct reg *r = xcalloc(1, sizeof(*r));
	struct why why = { 0 };
	enum err e;

	r->magic = REG_MAGIC;
	r->req = req;
	e = param_update_set(req_query(req, "update"), &r->updates, &why);
	if (e == ERR_OK)
		e = param_platform(blob_span(req_body(req)), &r->ask, &r->ppid,
		    &why);
	if (e == ERR_OK)
		storage_register(worker_storage(req_worker(req)), &r->ask,
		    reg_stored_cb, r);
	else
		reg_end(r, e, &why);
}

/* --- GET platforms ---------------------------------------------------- */

static void
list_cb(void *arg, enum err e, const struct why *why, struct blob *json,
    size_t n)
{
	struct req *req = arg;
	struct buf extra = BUF_INIT;

	if (e != ERR_OK) {
		reply_err(req, e, why);
		return;
	}
	buf_printf(&extra, "platform-count: %zu\r\n", n);
	reply_blob(req, 200, "application/json", &extra, blob_ref(json));
	buf_free(&extra);
}

/* A HEAD looks only: a client that throws the rows away must not take them
 * from the queue. */
void
api_platforms_get(struct req *req)
{
	bool peek = param_flag(req_query(req, "peek")) ||
		    req_method(req) == METHOD_HEAD;
	struct buf source = BUF_INIT;
	struct why why = { 0 };
	enum err e;

	e = param_source(req_query(req, "source"), &source, &why);
	if (e == ERR_OK)
		storage_platforms(worker_storage(req_worker(req)), source.p,
		    peek, list_cb, req);
	else
		reply_err(req, e, &why);
	buf_free(&source);
}

/* --- PUT platformcollateral ------------------------------------------- */

static void
done_cb(void *arg, enum err e, const struct why *why)
{
	struct req *req = arg;

	if (e == ERR_OK)
		api_done(req);
	else
		reply_err(req, e, why);
}

void
api_upload(struct req *req)
{
	storage_upload(worker_storage(req_worker(req)), req_body(req),
	    api_prefix(req).api, param_flag(req_query(req, "force")), done_cb,
	    req);
}

/* --- refresh ---------------------------------------------------------- */

/* Nobody waits for this one; what failed is in the log. */
static void
refreshed_alone_cb(void *arg, enum err e, const struct why *why,
    struct blob *failed)
{
	(void)arg;
	log_event(e == ERR_OK ? LOG_INFO : LOG_WARN, "refreshed", "reason",
	    err_token(e), "text", why == NULL ? NULL : why->text, NULL);
	blob_unref(failed);
}

void
api_refreshed_cb(void *arg, enum err e, const struct why *why,
    struct blob *failed)
{
	struct req *req = arg;
	struct buf extra = BUF_INIT;

	if (e == ERR_OK || failed == NULL) {
		blob_unref(failed);
		done_cb(req, e, why);
		return;
	}
	/* The reference's clients look at the status alone. */
	log_event(LOG_WARN, "refresh-failed", "reason", err_token(e), "text",
	    why == NULL ? NULL : why->text, NULL);
	metric_answered(e);
	buf_printf(&extra, "Larder-Reason: %s\r\n", err_token(e));
	reply_blob(req, 502, "application/json", &extra, failed);
	buf_free(&extra);
}

void
api_refresh_start(struct req *req, bool certs, const struct fmspc_list *fmspcs)
{
	struct upstream *up = worker_upstream(req_worker(req));
	bool alone = param_flag(req_query(req, "async"));

	if (worker_config(req_worker(req))->mode == MODE_OFFLINE) {
		reply_err(req, ERR_OFFLINE, NULL);
		return;
	}
	upstream_refresh(up, certs, fmspcs->v, fmspcs->n,
	    alone ? refreshed_alone_cb : api_refreshed_cb, alone ? NULL : req);
	if (alone)
		reply_text(req, 202, "Refresh started.");
}

void
api_refresh(struct req *req)
{
	struct fmspc_list fmspcs = { 0, NULL };
	struct why why = { 0 };
	bool certs;
	enum err e;

	e = param_refresh_type(req_query(req, "type"), &certs, &why);
	if (e == ERR_OK && certs)
		e = param_fmspc_list(req_query(req, "fmspc"), &fmspcs, &why);
	if (e == ERR_OK)
		api_refresh_start(req, certs, &fmspcs);
	else
		reply_err(req, e, &why);
	fmspc_list_fini(&fmspcs);
}
