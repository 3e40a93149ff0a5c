/*
 * The connection's state machine over a wire of memory: the input is a stream
 * of requests and a script that delivers it in pieces, holds answers up, lets
 * deadlines pass, ends and breaks the wire.  A stream that only comes in
 * pieces must be answered like one that comes at once.
 *
 * Input: number of script bytes, script, stream.
 */
#include "config/base/log.h"
#include "config/base/must.h"
#include "server/edge.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_MAX 65536

/* --- the server that is not there ------------------------------------------
 */

static int n_served, n_orphans;
static struct conn *proving;

enum admit
server_admit(struct server *s, const struct config *config, uint32_t source)
{
	(void)s;
	(void)config;
	(void)source;
	return ADMIT_SERVE;
}

void
server_leave(struct server *s, bool shed, uint32_t source)
{
	(void)s;
	(void)source;
	must(!shed);
	n_served--;
}

void
server_orphan(struct server *s, int change)
{
	(void)s;
	n_orphans += change;
	must(n_orphans == 0 || n_orphans == 1);
}

bool
server_prove(struct server *s, struct conn *c, struct config *config,
    struct span token)
{
	(void)s;
	(void)config;
	must(token.len != 0 && proving == NULL);
	proving = c;
	return true;
}

struct failures *
server_failures(struct server *s)
{
	static struct failures failures;

	(void)s;
	return &failures;
}

/* --- the wire
 * ----------------------------------------------------------------- */

static struct {
	struct span in;
	size_t at, avail; /* read so far, there to be read */
	bool eof, broken, closed, shut;
	size_t room; /* bytes it takes before it is full */
	unsigned watching;
	struct buf out;
} seam;

static ssize_t
seam_recv(struct conn *c, void *p, size_t len)
{
	size_t n = seam.avail - seam.at;

	(void)c;
	must(!seam.closed && len != 0);
	if (seam.broken) {
		errno = ECONNRESET;
		return -1;
	}
	if (n == 0 && seam.eof)
		return 0;
	if (n == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = n < len ? n : len;
	memcpy(p, seam.in.p + seam.at, n);
	seam.at += n;
	return (ssize_t)n;
}

static ssize_t
seam_sendv(struct conn *c, struct iovec *iov, int n)
{
	size_t done = 0, part;
	int i;

	(void)c;
	must(!seam.closed && !seam.shut);
	if (seam.broken || seam.room == 0) {
		errno = seam.broken ? EPIPE : EAGAIN;
		return -1;
	}
	for (i = 0; i < n && seam.room != 0; i++) {
		part = iov[i].iov_len < seam.room ? iov[i].iov_len : seam.room;
		buf_add(&seam.out, iov[i].iov_base, part);
		seam.room -= part;
		done += part;
	}
	return (ssize_t)done;
}

static void
seam_watch(struct conn *c, unsigned what)
{
	(void)c;
	must(!seam.closed);
	seam.watching = what;
}

static void
seam_shut(struct conn *c)
{
	(void)c;
	must(!seam.closed && !seam.shut);
	seam.shut = true;
}

static void
seam_close(struct conn *c)
{
	(void)c;
	must(!seam.closed);
	seam.closed = true;
	seam.watching = 0;
}

static const struct wire wire_seam = { .recv = seam_recv,
	.sendv = seam_sendv,
	.watch = seam_watch,
	.shut = seam_shut,
	.close = seam_close };

/* --- routes
 * --------------------------------------------------------------------- */

static struct req *waiting;

static void
route_text(struct req *r)
{
	reply_text(r, 200, "text\n");
}

static void
route_park(struct req *r)
{
	must(waiting == NULL);
	waiting = r;
}

/* What was read of the request, in a few letters. */
static void
route_sum(struct req *r)
{
	struct span body = blob_span(req_body(r));
	const char *a = req_query(r, "a");
	char text[64];
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < body.len; i++)
		sum = sum * 31 + body.p[i];
	snprintf(text, sizeof(text), "%zu %08x %zu %zu\n", body.len, sum,
	    a == NULL ? 0 : strlen(a), req_header(r, "x").len);
	reply_text(r, 200, text);
}

#define ROW(methods_, path_, body_, fn_)                                       \
	.serve = SERVE_PCCS, .methods = (methods_), .path = (path_),           \
	.body = (body_), .fn = (fn_)

static const struct route rows[] = {
	{ ROW(1u << METHOD_GET, "/t", BODY_NONE, route_text) },
	{ ROW(1u << METHOD_GET, "/p", BODY_NONE, route_park) },
	{ ROW(1u << METHOD_POST, "/p", BODY_SMALL, route_park) },
	{ ROW(1u << METHOD_GET | 1u << METHOD_POST, "/b", BODY_SMALL,
	    route_sum) },
	{ ROW(1u << METHOD_PUT, "/u", BODY_SMALL, route_sum), .role = ROLE_USER,
	    .token = "t" },
	{ .fn = NULL },
};

/* --- running a stream
 * -------------------------------------------------------------- */

static struct config *config;
static struct routes *routes;

static void
answer_waiting(void)
{
	struct req *r = waiting;
	struct conn *c = proving;

	if (r != NULL) {
		waiting = NULL;
		reply_text(r, 200, "waited\n");
	} else if (c != NULL) {
		proving = NULL;
		conn_proved(c);
	}
}

/* One event, if the wire is watched for it.  No event is in vain. */
static void
poke(struct conn *c)
{
	size_t at = seam.at, left = seam.avail - seam.at;

	if (seam.closed)
		return;
	if (seam.watching & WATCH_READ && (left != 0 || seam.eof)) {
		conn_event(c, CONN_READABLE);
		must(seam.closed || seam.at != at ||
		     !(seam.watching & WATCH_READ) || left == 0);
	}
	if (!seam.closed && seam.watching & WATCH_WRITE && seam.room != 0)
		conn_event(c, CONN_WRITABLE);
}

/* Until nothing happens any more. */
static void
settle(struct conn *c)
{
	size_t at, len, n = 0;
	bool held;

	do {
		at = seam.at;
		len = seam.out.len;
		poke(c);
		held = waiting != NULL || proving != NULL;
		answer_waiting();
		must(n++ < 4 * STREAM_MAX);
	} while (held || seam.at != at || seam.out.len != len);
}

static void
step(struct conn *c, uint8_t op)
{
	size_t n = (size_t)1 << (op >> 5) * 2, left;

	switch (op & 15) {
	case 0:
		answer_waiting();
		return;
	case 1:
		seam.room = n;
		break;
	case 2:
		if (!seam.closed)
			conn_event(c, CONN_LATE);
		return;
	case 3:
		if (!seam.closed)
			conn_event(c, CONN_DRAIN);
		return;
	case 4:
		seam.eof = true;
		seam.in.len = seam.avail;
		break;
	case 5:
		seam.broken = op >> 5 == 7;
		break;
	case 6:
		if (op >> 5 == 7 && !seam.closed) {
			conn_abort(c);
			return;
		}
		break;
	default:
		left = seam.in.len - seam.avail;
		seam.avail += n < left ? n : left;
	}
	poke(c);
}

/* Whether a script does nothing but deliver. */
static bool
is_delivery(struct span script)
{
	size_t i;

	for (i = 0; i < script.len; i++) {
		if ((script.p[i] & 15) < 7 && (script.p[i] & 15) > 1)
			return false;
	}
	return true;
}

static struct buf
run(struct span stream, struct span script)
{
	struct worker *w = worker_new(NULL, 0, routes, config, NULL, NULL);
	struct listener l = { .worker = w, .serve = SERVE_PCCS };
	struct conn *c;
	size_t i;

	memset(&seam, 0, sizeof(seam));
	seam.in = stream;
	seam.room = SIZE_MAX / 2;
	n_served = 1;
	c = conn_new(w, &l, &wire_seam, -1, NULL);
	conn_event(c, CONN_READABLE);
	for (i = 0; i < script.len; i++)
		step(c, script.p[i]);
	seam.room = SIZE_MAX / 2;
	seam.avail = seam.in.len;
	settle(c);
	seam.eof = true;
	settle(c);
	/* Both sides have ended: nothing is left open, nothing owed. */
	must(seam.closed && waiting == NULL && proving == NULL);
	must(n_served == 0 && n_orphans == 0 && l.n_conns == 0);
	worker_free(w);
	return seam.out;
}

/* --- comparing
 * ------------------------------------------------------------------------ */

static void
cut_out(struct buf *b, const char *from, const char *to)
{
	char *p = b->p, *q;
	size_t left;

	while ((p = memmem(p, b->len - (size_t)(p - b->p), from,
		    strlen(from))) != NULL) {
		left = b->len - (size_t)(p - b->p);
		if ((q = memmem(p, left, to, strlen(to))) == NULL)
			return;
		q += strlen(to);
		memmove(p, q, b->len - (size_t)(q - b->p));
		b->len -= (size_t)(q - p);
	}
}

/*
 * Names and dates differ; leave to go on depends on what has come already;
 * which of two faults is found first depends on where the pieces end.
 */
static void
make_comparable(struct buf *b)
{
	static const char *const last[] = { "HTTP/1.1 400", "HTTP/1.1 414",
		"HTTP/1.1 431" };
	char *p;
	size_t i;

	if (b->len == 0)
		return;
	cut_out(b, "HTTP/1.1 100 ", "\r\n\r\n");
	cut_out(b, "Request-ID: ", "\r\n");
	cut_out(b, "Date: ", "\r\n");
	for (i = 0; i < 3; i++) {
		p = memmem(b->p, b->len, last[i], strlen(last[i]));
		if (p != NULL)
			b->len = (size_t)(p - b->p) + 9;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct route *const lists[] = { rows };
	static const char text[] =
	    "{\"limits\":{\"body_bytes\":30000},"
	    "\"listen\":[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]}],"
	    "\"tokens\":{\"named\":[{\"name\":\"n\",\"role\":\"user\",\"hash\":"
	    "\"";
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	(void)argc;
	(void)argv;
	log_level_set(LOG_ERROR);
	buf_str(&b, text);
	must(token_hash(span_str("secret"), &b, &why) == ERR_OK);
	buf_str(&b, "\"}]}}");
	must(config_read(buf_view(&b), "fuzz", &config, &why) == ERR_OK);
	buf_free(&b);
	routes = routes_new(lists, 1);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span script, stream;
	struct buf pieces, whole;

	if (len == 0 || data[0] >= len || len > STREAM_MAX)
		return 0;
	script = span_of(data + 1, data[0]);
	stream = span_of(data + 1 + data[0], len - 1 - data[0]);
	pieces = run(stream, script);
	if (is_delivery(script)) {
		whole = run(stream, SPAN_NONE);
		make_comparable(&pieces);
		make_comparable(&whole);
		must(pieces.len == whole.len);
		must(pieces.len == 0 ||
		     memcmp(pieces.p, whole.p, pieces.len) == 0);
		buf_free(&whole);
	}
	buf_free(&pieces);
	return 0;
}
