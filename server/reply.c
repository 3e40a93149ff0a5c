/* Answers: status line, our own lines, the ready-made ones, the body. */
#include "server/edge.h"

#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "config/base/recent.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reason phrases; the codes of pccs-api 2 have names of their own there. */
static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 415, "Unsupported Media Type" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 460, "Integrity Error" },
	{ 461, "Platform Unknown" },
	{ 462, "Certificates Unavailable" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
};

static const char *
phrase_of(int status)
{
	size_t i;

	for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unnamed";
}

/* The bodies clients know, exactly (pccs-api 2); others are ours. */
static const char *
message_of(enum err e)
{
	if (e == ERR_NO_ROUTE)
		return "No such path.";
	switch (err_http(e)) {
	case 400:
		return "Invalid request parameters.";
	case 401:
		return "Authentication failed.";
	case 403:
		return "Forbidden.";
	case 404:
		return "No cache data for this platform.";
	case 405:
		return "Method not allowed.";
	case 408:
		return "Request timeout.";
	case 410:
		return "The Intel PCS API version 3 reached planned EOL. "
		       "Accordingly, collateral from this API version cannot "
		       "be retrieved any longer.";
	case 413:
		return "Content too large.";
	case 414:
		return "URI too long.";
	case 431:
		return "Request headers too large.";
	case 460:
		return "The integrity of the data can't be verified.";
	case 461:
		return "The platform was not found in the cache.";
	case 462:
		return "Certificates are not available for certain TCBs.";
	case 502:
		return "Unable to retrieve the collateral from the Intel SGX "
		       "PCS.";
	case 503:
		return "";
	default:
		/* What PCCS does not know is called what it is. */
		return err_http(e) < 500 ? err_text(e)
					 : "Internal server error occurred.";
	}
}

/* Seconds after which a client may try again (pccs-api 9.1 R2). */
static int
retry_after(enum err e, const struct why *why)
{
	if (why != NULL && why->retry_s > 0)
		return why->retry_s;
	switch (e) {
	case ERR_SHED:
	case ERR_UP_SLOW:
		return 1;
	case ERR_OFFLINE:
	case ERR_DB_READONLY:
	case ERR_DB_FULL:
		return 60;
	default:
		return 5;
	}
}

/* --- the head of an answer -------------------------------------------- */

/* Lines are collected in a buffer of the worker's, used again each time. */
static struct buf *
line_begin(struct req *r, int status)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nRequest-ID: ";
	struct worker *w = r->conn->worker;
	struct buf *b = &w->line;

	b->len = 0;
	if (status == 200)
		buf_add(b, ok, sizeof(ok) - 1);
	else
		buf_printf(b, "HTTP/1.1 %d %s\r\nRequest-ID: ", status,
		    phrase_of(status));
	buf_str(b, r->id);
	buf_add(b, "\r\nDate: ", 8);
	buf_add(b, worker_date(w), 29);
	buf_add(b, "\r\n", 2);
	return b;
}

static void
line_extra(const struct req *r, struct buf *b, const struct buf *extra)
{
	if (extra != NULL && extra->len != 0) {
		must(extra->len > 2 &&
		     memcmp(extra->p + extra->len - 2, "\r\n", 2) == 0);
		buf_add(b, extra->p, extra->len);
	}
	if (r->route != NULL && r->route->lines != NULL)
		buf_str(b, r->route->lines);
	if (r->conn->close)
		buf_str(b, "Connection: close\r\n");
}

void
reply_ready(struct req *r, const struct buf *extra, size_t n_heads,
    struct blob *const *heads, struct blob *body)
{
	static const char blank[] = "\r\n";
	struct blob *held[OUT_BLOBS];
	struct iovec iov[OUT_IOV];
	struct buf *b = line_begin(r, 200);
	size_t i;
	int n = 0;

	must(n_heads < OUT_BLOBS);
	line_extra(r, b, extra);
	iov[n++] = (struct iovec){ b->p, b->len };
	for (i = 0; i < n_heads; i++) {
		held[i] = heads[i];
		iov[n++] = (struct iovec){ heads[i]->data, heads[i]->len };
	}
	iov[n++] = (struct iovec){ (void *)(uintptr_t)blank, 2 };
	held[n_heads] = body;
	if (body != NULL && r->head.method != METHOD_HEAD)
		iov[n++] = (struct iovec){ body->data, body->len };
	conn_answer(r, iov, n, held, n_heads + 1);
}

static void
reply_body(struct req *r, int status, const char *content_type,
    const struct buf *extra, struct blob *body, const char *text)
{
	struct buf *b = line_begin(r, status);
	struct span s = text != NULL ? span_str(text) : blob_span(body);
	struct iovec iov[2];
	int n = 1;

	line_extra(r, b, extra);
	if (content_type != NULL && s.len != 0)
		buf_printf(b, "Content-Type: %s\r\n", content_type);
	if (status != 304)
		buf_printf(b, "Content-Length: %zu\r\n", s.len);
	buf_add(b, "\r\n", 2);
	iov[0] = (struct iovec){ b->p, b->len };
	if (s.len != 0 && status != 304 && r->head.method != METHOD_HEAD)
		iov[n++] = (struct iovec){ (void *)(uintptr_t)s.p, s.len };
	conn_answer(r, iov, n, &body, body != NULL);
	blob_unref(body);
}

void
reply_blob(struct req *r, int status, const char *content_type,
    const struct buf *extra, struct blob *body)
{
	reply_body(r, status, content_type, extra, body, NULL);
}

void
reply_text(struct req *r, int status, const char *text)
{
	reply_body(r, status, "text/plain; charset=utf-8", NULL,
	    blob_new(text, strlen(text)), NULL);
}

/* --- errors ----------------------------------------------------------- */

/*
 * The path for the log: the route's, which holds no values; without a route
 * as sent up to its first long part, which may be a platform's name.
 */
static void
path_log(const struct req *r, char out[64])
{
	size_t i, n, part = 0;

	out[0] = '\0';
	if (r->route != NULL)
		snprintf(out, 64, "%s", r->route->path);
	if (r->route != NULL || r->path.len == 0)
		return;
	for (n = 0; n < r->path.len && n < 60; n++)
		out[n] = (char)r->path.p[n];
	out[n] = '\0';
	for (i = 0; i < n && i - part <= 20; i++) {
		if (out[i] == '/')
			part = i + 1;
	}
	if (i < n)
		out[part] = '\0';
}

static void
error_log(const struct req *r, int status, enum err e, const struct why *why)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", NULL };
	char path[64], what[80];

	path_log(r, path);
	snprintf(what, sizeof(what), "%s %s",
	    names[r->head.method] == NULL ? "?" : names[r->head.method], path);
	recent_add(RECENT_ANSWER, what, req_peer(r), e, why);
	if (!worker_may_log(r->conn->worker))
		return;
	log_request(r->id);
	log_event(status >= 500 ? LOG_WARN : LOG_INFO, "answered", "status",
	    log_num(status).s, "reason", err_token(e), "method",
	    names[r->head.method], "path", path[0] == '\0' ? NULL : path,
	    "peer", req_peer(r), "clause",
	    why == NULL || why->clause[0] == '\0' ? NULL : why->clause, "text",
	    why == NULL || why->text[0] == '\0' ? NULL : why->text, NULL);
	log_request(NULL);
}

/*
 * The object of amd-kds 8.2.  What goes wrong behind us is told in general
 * words: "why" names hosts and objects.
 */
static struct blob *
error_json(enum err e, const struct why *why)
{
	const char *text = err_text(e);
	struct blob *body;
	json_t *o = NULL;
	char *json;

	if (why != NULL && why->text[0] != '\0' && err_http(e) < 500)
		o = json_pack("{s:s, s:s}", "error", err_token(e),
		    "error_description", why->text);
	/* A text that quotes what is no UTF-8 cannot be had. */
	if (o == NULL)
		o = json_pack("{s:s, s:s}", "error", err_token(e),
		    "error_description", text);
	json = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
	must(json != NULL);
	body = blob_from(span_str(json));
	free(json);
	json_decref(o);
	return body;
}

static bool
for_kds(const struct req *r)
{
	return r->route != NULL && r->route->serve == SERVE_KDS;
}

/*
 * amd-kds 7: no error is kept by a cache on the way, that of a path or method
 * which is not there neither.  Intel's clients know no such line.
 */
static bool
no_store(const struct req *r)
{
	return r->route == NULL ||
	       (r->route->serve & (SERVE_KDS | SERVE_THIM)) != 0;
}

static int
status_of(const struct req *r, enum err e)
{
	int status = err_http(e);

	if (!for_kds(r))
		return status;
	return status == 502 ? 503 : status == 410 ? 404 : status;
}

/*
 * An operator who has been let in is told what exactly was wrong; the clients
 * of a PCCS know its fixed texts.
 */
static bool
for_operator(const struct req *r, int status)
{
	return r->route != NULL && r->route->serve == SERVE_ADMIN &&
	       status != 401 && status != 403 && status != 503;
}

static struct blob *
operator_text(enum err e, const struct why *why)
{
	return blob_from(span_str(
	    why != NULL && why->text[0] != '\0' ? why->text : err_text(e)));
}

/* No allocation of the text: reply_body borrows it. */
static void
reply_error(struct req *r, enum err e, const struct why *why,
    const struct buf *extra, const char *text)
{
	struct buf lines = BUF_INIT;
	int status = status_of(r, e);

	must(e != ERR_OK && e < ERR_N);
	metric_answered(e);
	error_log(r, status, e, why);
	buf_printf(&lines, "Larder-Reason: %s\r\n", err_token(e));
	if (status == 503 || status == 429)
		buf_printf(&lines, "Retry-After: %d\r\n", retry_after(e, why));
	if (no_store(r))
		buf_str(&lines, "Cache-Control: no-store\r\n");
	if (extra != NULL)
		buf_add(&lines, extra->p, extra->len);
	if (r->json_errors)
		reply_body(r, status, "application/json; charset=utf-8", &lines,
		    error_json(e, why), NULL);
	else if (for_operator(r, status))
		reply_body(r, status, "text/plain; charset=utf-8", &lines,
		    operator_text(e, why), NULL);
	else
		reply_body(r, status, "text/plain; charset=utf-8", &lines, NULL,
		    text);
	buf_free(&lines);
}

void
reply_err_extra(struct req *r, enum err e, const struct why *why,
    const struct buf *extra)
{
	reply_error(r, e, why, extra, for_kds(r) ? err_text(e) : message_of(e));
}

void
reply_err(struct req *r, enum err e, const struct why *why)
{
	reply_err_extra(r, e, why, NULL);
}

void
reply_err_empty(struct req *r, enum err e, const struct why *why)
{
	reply_error(r, e, why, NULL, "");
}
