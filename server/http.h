/*
 * The HTTP/1.1 connection: the only code that knows how HTTP arrives.
 * Handlers see struct req and reply_*().  All of it lives on one worker's
 * loop.  Private to server/.
 *
 * A handler is called once the headers are in and the route has authorised
 * them (route.h), with the whole body, at most the route's limit.  It answers
 * at once, or keeps the req and answers later from any call-back on the same
 * loop.  Every req is answered exactly once; the req is gone afterwards.  If
 * the client leaves first, the req stays valid and the answer goes nowhere.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "config/base/blob.h"
#include "config/config.h"
#include "storage/storage.h"

struct req;
struct worker;

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_N
};

/* --- reading a request ------------------------------------------------ */

enum method req_method(const struct req *);
/* Percent-decoded path without the query, one trailing slash removed,
 * double slashes made one; case as sent. */
struct span req_path(const struct req *);
/* The query text behind "?", undecoded. */
struct span req_query_raw(const struct req *);
/* The first value of a query parameter, decoded ("+" is a blank), borrowed
 * until the answer; NULL when absent.  A NUL or broken escape: ERR_PARAM is
 * remembered and answered by the route before the handler runs. */
const char *req_query(struct req *, const char *name);
bool req_query_has(struct req *, const char *name);
/* The first parameter that is none of these or comes again; NULL: none. */
const char *req_query_odd(struct req *, const char *const *names, size_t n);
/* The value of a header, name compared without case; SPAN_NONE if absent. */
struct span req_header(const struct req *, const char *name);
/* The body; a reference is the caller's to take with blob_ref. */
struct blob *req_body(const struct req *);
const char *req_id(const struct req *);  /* Request-ID */
enum role req_role(const struct req *);  /* what its token allows */
const char *req_who(const struct req *); /* a named token's name, or "" */
struct worker *req_worker(const struct req *);
/* The peer: "10.1.2.3", "::1", "unix:uid=0". */
const char *req_peer(const struct req *);
/*
 * Who is charged for what it makes us fetch (upstream.h): a hash of the
 * peer's IPv4 address or IPv6 /64; 0 for who has shown a token and for unix
 * sockets.
 */
uint32_t req_source(const struct req *);
/* Index into config->listen; LISTENER_GONE when a reload took the listener
 * away while this connection was open. */
#define LISTENER_GONE (~0u)
unsigned req_listener(const struct req *);

/* --- answering -------------------------------------------------------- */

/* Extra header lines of one answer are built in a buf, each ending CRLF. */

/*
 * A ready-made answer with status 200, written without copying its blobs:
 * status line, Request-ID, "extra" (may be NULL), then head[0..n) verbatim,
 * blank line, body.  The heads must hold Content-Type and Content-Length.
 * References are taken.
 */
void reply_ready(struct req *, const struct buf *extra, size_t n_heads,
    struct blob *const *heads, struct blob *body);
/*
 * Content-Type (NULL: no such line) and a body whose reference is stolen;
 * body NULL: empty.  A 304 gets no Content-Length.
 */
void reply_blob(struct req *, int status, const char *content_type,
    const struct buf *extra, struct blob *body);
void reply_text(struct req *, int status, const char *text);
/*
 * The error's status with the message of pccs-api 2, text/plain, and the
 * header Larder-Reason: token.  503 has an empty body and Retry-After.
 * Logs the event once with why.
 *
 * On the routes of "kds" it is said as AMD's clients take it (amd-kds 8.1):
 * what is the matter with an upstream is 503, the text is a line that says
 * so, and nothing of it is to be stored.
 */
void reply_err(struct req *, enum err, const struct why *);
/* The same with an empty body. */
void reply_err_empty(struct req *, enum err, const struct why *);

#endif
