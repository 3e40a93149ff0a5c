/*
 * Health and metrics, for machines that watch machines.
 *
 *   live      the worker answers
 *   startup   the stored objects have been read and published
 *   ready     the same, and the server takes new work
 */
#include "server/api.h"
#include "server/server.h"

#include "config/base/metric.h"

static void
ops_live(struct req *req)
{
	reply_text(req, 200, "ok");
}

static void
ops_startup(struct req *req)
{
	struct why why = { 0 };

	if (worker_snap(req_worker(req)) != NULL) {
		reply_text(req, 200, "ok");
		return;
	}
	why_set(&why, ERR_DRAINING, "style 6", "no snapshot has come yet");
	reply_err(req, ERR_DRAINING, &why);
}

static void
ops_metrics(struct req *req)
{
	struct worker *w = req_worker(req);
	struct buf b = BUF_INIT;

	metric_write(&b);
	buf_printf(&b,
	    "# HELP larder_connections_open Connections open now\n"
	    "# TYPE larder_connections_open gauge\n"
	    "larder_connections_open %zu\n",
	    server_connections(worker_server(w)));
	storage_metrics(worker_storage(w), &b);
	upstream_metrics(worker_upstream(w), &b);
	reply_blob(req, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
	    buf_blob(&b));
}

#define OPS(path, fn)                                                          \
	{                                                                      \
		SERVE_OPS, 1u << METHOD_GET, path, ROLE_NONE, NULL, BODY_NONE, \
		    fn, NULL                                                   \
	}

const struct route routes_ops[] = {
	OPS("/healthz/live", ops_live),
	OPS("/healthz/ready", ops_startup),
	OPS("/healthz/startup", ops_startup),
	OPS("/healthz", ops_startup),
	OPS("/livez", ops_live),
	OPS("/readyz", ops_startup),
	OPS("/health", ops_startup),
	OPS("/health/live", ops_live),
	OPS("/health/ready", ops_startup),
	OPS("/health/startup", ops_startup),
	OPS("/metrics", ops_metrics),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
