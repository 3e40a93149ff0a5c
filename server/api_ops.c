/*
 * Health and metrics, for machines that watch machines.
 *
 * There is one answer to live, startup and ready: a worker listens only once
 * the stored objects are in its snapshot, and takes no further request once
 * it drains.  Whether upstreams or the database are well does not count: what
 * is cached is served without them.
 */
#include "server/api.h"
#include "server/server.h"
#include "server/tally.h"

#include "config/base/metric.h"

static void
ops_health(struct req *req)
{
	reply_text(req, 200, "ok");
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
	tally_write(server_tally(worker_server(w)),
	    server_judges(worker_server(w)), &b);
	reply_blob(req, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
	    buf_blob(&b));
}

#define OPS(path, fn)                                                          \
	{                                                                      \
		SERVE_OPS, 1u << METHOD_GET, path, ROLE_NONE, NULL, BODY_NONE, \
		    fn, NULL                                                   \
	}

const struct route routes_ops[] = {
	OPS("/healthz/live", ops_health),
	OPS("/healthz/ready", ops_health),
	OPS("/healthz/startup", ops_health),
	OPS("/healthz", ops_health),
	OPS("/livez", ops_health),
	OPS("/readyz", ops_health),
	OPS("/health", ops_health),
	OPS("/health/live", ops_health),
	OPS("/health/ready", ops_health),
	OPS("/health/startup", ops_health),
	OPS("/metrics", ops_metrics),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
