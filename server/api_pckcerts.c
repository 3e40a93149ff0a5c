/*
 * GET and POST pckcerts, for who speaks PCS behind us (pccs-api 9.5, 10):
 * asked for upstream each time, judged, handed on byte for byte.
 */
#include "server/api.h"

#include "config/base/must.h"

static void
pckcerts_cb(void *arg, enum err e, const struct why *why, struct pck_list *list)
{
	struct req *req = arg;
	struct buf extra = BUF_INIT;

	if (e != ERR_OK) {
		reply_err(req, e, why);
		return;
	}
	/* Nothing here says for how long the list is the newest. */
	buf_str(&extra, "Cache-Control: max-age=1\r\n");
	reply_ready(req, &extra, 1, &list->head, list->body);
	buf_free(&extra);
}

void
api_pckcerts(struct req *req)
{
	const struct config *config = worker_config(req_worker(req));
	struct platform_ask ask = { 0 };
	struct why why = { 0 };
	enum err e;

	if (!config->upstream.pcs.hand_on_pckcerts) {
		why_set(&why, ERR_NO_ROUTE, "pccs-api 10",
		    "upstream.pcs.hand_on_pckcerts is off");
		reply_err(req, ERR_NO_ROUTE, &why);
		return;
	}
	if (config->mode != MODE_LAZY) {
		why_set(&why, ERR_NOT_CACHED, "caching-and-selection 1",
		    "lists are handed on in lazy mode alone");
		reply_err(req, ERR_NOT_CACHED, &why);
		return;
	}
	if (req_method(req) == METHOD_POST)
		e = param_pckcerts_body(blob_span(req_body(req)), &ask, &why);
	else
		e = param_pckcerts(api_query, req, &ask, &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	upstream_pckcerts(worker_upstream(req_worker(req)), req_source(req),
	    &ask, config->cache.client_wait_ms, pckcerts_cb, req);
	ask_fini(&ask);
}
