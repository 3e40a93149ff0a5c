/*
 * Health and metrics, for machines that watch machines.
 *
 * The fields and values of health are those of Intel's PCCS (its
 * healthController.js).  A worker listens only once the stored objects are in
 * its snapshot, and takes no further request once it drains: so whoever is
 * answered at all meets a larderd that is live, started and ready.  Unlike
 * Intel's it stays ready when the database fails, which "db" tells: what is
 * cached is served without it, and there may be no other to ask.  None of the
 * answers touches a disk or an upstream.
 */
#include "server/api.h"

#include "config/base/version.h"
#include "server/server.h"
#include "server/tally.h"

#include "config/base/clock.h"
#include "config/base/metric.h"

/* {"status":...,"timestamp":"2026-01-31T23:59:59.123Z"} around "more". */
static void
health_reply(struct req *req, const char *status, const char *more)
{
	int64_t ms = clock_now_ms();
	struct buf extra = BUF_INIT, b = BUF_INIT;
	char now[TIME_LEN];

	time_write((time_t)(ms / 1000), now);
	buf_printf(&b, "{\"status\":\"%s\",%s\"timestamp\":\"%.19s.%03dZ\"}",
	    status, more, now, (int)(ms % 1000));
	buf_str(&extra, "Cache-Control: no-store\r\n");
	reply_blob(req, 200, "application/json", &extra, buf_blob(&b));
	buf_free(&extra);
}

static void
ops_live(struct req *req)
{
	health_reply(req, "UP", "");
}

static void
ops_ready(struct req *req)
{
	struct storage_health db =
	    storage_health(worker_storage(req_worker(req)));
	char more[80];

	if (db.writable)
		snprintf(more, sizeof(more),
		    "\"db\":\"CONNECTED\",\"latency\":\"%lldms\",",
		    (long long)db.commit_ms);
	else
		snprintf(more, sizeof(more), "\"db\":\"DISCONNECTED\",");
	health_reply(req, "UP", more);
}

static void
ops_startup(struct req *req)
{
	health_reply(req, "STARTED", "");
}

static void
ops_metrics(struct req *req)
{
	struct worker *w = req_worker(req);
	struct buf b = BUF_INIT;

	metric_write(&b);
	buf_str(&b, "# HELP larder_build_info Of which version the program is\n"
		    "# TYPE larder_build_info gauge\n"
		    "larder_build_info{version=\"" LARDER_VERSION "\"} 1\n");
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
	OPS("/healthz/live", ops_live),
	OPS("/healthz/ready", ops_ready),
	OPS("/healthz/startup", ops_startup),
	OPS("/healthz", ops_live),
	OPS("/livez", ops_live),
	OPS("/readyz", ops_ready),
	OPS("/health", ops_live),
	OPS("/health/live", ops_live),
	OPS("/health/ready", ops_ready),
	OPS("/health/startup", ops_startup),
	OPS("/metrics", ops_metrics),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
