/*
 * SIDE DOOR of upstream: one HTTP exchange, made and waited for.  For
 * programs without a loop (the operator's command line); the daemon's own
 * fetches go through upstream.h.  Any thread; blocks.
 */
#ifndef UPSTREAM_FETCH_H
#define UPSTREAM_FETCH_H

#include "config/base/blob.h"

#include <stddef.h>

struct http_ask {
	const char *method;    /* "GET", "POST", "PUT"; NULL: GET */
	const char *url;       /* "http://host:port/path", "https://..." */
	const char *unix_path; /* connect here instead; NULL: as the URL says */
	const char *ca_file;   /* trust these roots; NULL: the system's */
	const char *proxy;     /* "http://HOST:PORT"; NULL: none */
	size_t n_headers;
	const char *const *headers; /* "name: value" */
	struct span body;           /* sent with POST and PUT */
	size_t max_bytes;           /* of the answer's body; 0: 64 MB */
	long connect_timeout_ms;    /* 0: 5 s */
	long timeout_ms;            /* of the whole exchange; 0: no limit */
};

struct http_answer {
	int status;
	struct buf head; /* header lines as received, "Name: value\r\n" */
	struct buf body;
};

/*
 * ERR_OK when an answer came, whatever its status; *out is then the caller's
 * (http_answer_free).  ERR_UP_DOWN, ERR_UP_SLOW, ERR_TOO_BIG, ERR_PARAM (not
 * a usable URL) with what libcurl said in "why".  Redirects are not followed
 * and proxies of the environment are not used.
 */
enum err http_fetch(const struct http_ask *, struct http_answer *out,
    struct why *why) MUST_CHECK;
void http_answer_free(struct http_answer *);
/* The first value of a header, name without case; SPAN_NONE if absent. */
struct span http_answer_header(const struct http_answer *, const char *name);

#endif
