/*
 * The life of a connection.
 *
 *            handshake          head begins        head whole, admitted
 *   HELLO ──────────────► IDLE ────────────► HEAD ───────────┬──► BODY
 *                          ▲                  │ token new    │     │ whole
 *                          │                  ▼              ▼     ▼
 *                          │                PROVE ────────►  BUSY ◄┘
 *                          │ answer written                   │ answer
 *                          ├──────────────── WRITE ◄──────────┤ does not fit
 *                          └──────────────────────────────────┘
 *   An answer before the whole request was read, or a refusal, goes to
 *   LINGER: a close while bytes are on their way would reset the connection
 *   and the client would lose the answer.  GONE is the end; a request that a
 *   handler still has keeps the memory until it is answered.
 *
 * One request at a time: the next one, however early it came, is looked at
 * when the answer has been written.
 */
#include "server/edge.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONN_MAGIC 0x434f4e4e

/* Every client gets this long to read its last answer. */
#define LINGER_MS 5000
/* A slower client than this is no longer waited for. */
#define BYTES_PER_MS 16

/* --- the end ---------------------------------------------------------- */

static void
conn_free(struct conn *c)
{
	must(c->state == CONN_GONE && !c->req.open);
	req_fini(&c->req);
	out_fini(c);
	buf_free(&c->body);
	chunk_put(c->worker, c->in);
	c->listener->n_conns--;
	TAILQ_REMOVE(&c->worker->conns, c, in_worker);
	c->magic = 0;
	free(c);
}

static void
conn_timer_stop(struct conn *c)
{
	if (evtimer_initialized(&c->ev_timer))
		evtimer_del(&c->ev_timer);
}

/* The socket goes; the memory when nothing refers to it (conn_settle). */
static void
conn_close(struct conn *c)
{
	if (c->state == CONN_GONE)
		return;
	if (c->state == CONN_BODY)
		c->req.open = false; /* no handler has seen it */
	c->state = CONN_GONE;
	worker_queue(c->worker, NULL, c, 0);
	conn_timer_stop(c);
	tls_end(c);
	c->wire->close(c);
	out_fini(c);
	if (c->req.open)
		server_orphan(c->worker->server, 1);
	server_leave(c->worker->server, c->shed, c->source);
}

/* The last answer is out: nothing is asked for any more. */
static void
conn_end(struct conn *c)
{
	if (c->in != NULL && c->in->at != c->in->len)
		c->linger = true;
	if (!c->linger || c->eof) {
		conn_close(c);
		return;
	}
	c->state = CONN_LINGER;
	c->wire->shut(c);
}

/* --- deadlines -------------------------------------------------------- */

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_event(obj_cast(arg, CONN_MAGIC), CONN_LATE);
}

/* For the states that are not on the fast path; those have queues. */
static void
conn_timer(struct conn *c, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	worker_queue(c->worker, NULL, c, 0);
	if (!evtimer_initialized(&c->ev_timer))
		must(evtimer_assign(&c->ev_timer, loop_base(c->worker->loop),
			 timer_cb, c) == 0);
	must(evtimer_add(&c->ev_timer, &tv) == 0);
}

/* --- input ------------------------------------------------------------ */

static bool
conn_hungry(const struct conn *c)
{
	return !c->eof && (c->state == CONN_IDLE || c->state == CONN_HEAD ||
			      c->state == CONN_BODY);
}

/* The open request's pieces lie in the chunk: it is not moved then. */
static size_t
in_room(struct conn *c)
{
	struct chunk *in = c->in;

	if (in->at != 0 && !c->req.open && in->len == CHUNK_MAX) {
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	return CHUNK_MAX - in->len;
}

/* Read once; whether there is more to look at. */
static bool
conn_fill(struct conn *c)
{
	ssize_t n;
	size_t room;

	if (c->in == NULL)
		c->in = chunk_get(c->worker);
	if ((room = in_room(c)) == 0)
		return false;
	if (c->ssl != NULL)
		n = tls_recv(c, c->in->data + c->in->len, room);
	else
		n = c->wire->recv(c, c->in->data + c->in->len, room);
	if (n > 0) {
		c->in->len += (size_t)n;
		return true;
	}
	if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(c);
	return false;
}

/*
 * A head stays where it is until it is answered, so there has to be room for
 * its body behind it: behind pipelined ones it may have come to lie at the
 * end of the chunk.
 */
static void
in_settle(struct conn *c, size_t head)
{
	struct chunk *in = c->in;

	if (in->at + head <= HEAD_MAX)
		return;
	memmove(in->data, in->data + in->at, in->len - in->at);
	in->len -= in->at;
	in->at = 0;
}

static struct span
in_view(const struct conn *c)
{
	return span_of(c->in->data + c->in->at, c->in->len - c->in->at);
}

/* --- a request -------------------------------------------------------- */

static void
req_open(struct conn *c)
{
	struct req *r = &c->req;

	must(!r->open);
	r->conn = c;
	r->open = true;
	r->route = NULL;
	r->allow = 0;
	r->json_errors = false;
	r->path = SPAN_NONE;
	r->query_split = false;
	r->proved = false;
	r->role = ROLE_NONE;
	r->who[0] = '\0';
	metric_inc(M_HTTP_REQUESTS);
}

/* What arrived is no request: say so, once, and never mind the rest. */
static void
conn_refuse(struct conn *c, enum err e, const struct why *why)
{
	req_open(c);
	c->req.raw = SPAN_NONE;
	c->req.head.method = METHOD_N;
	c->req.head.n_fields = 0;
	c->req.head.query.len = 0;
	req_name(&c->req);
	if (e == ERR_HTTP || e == ERR_HTTP_LINE || e == ERR_HTTP_HEAD)
		metric_inc(M_HTTP_MALFORMED);
	c->close = c->linger = true;
	c->state = CONN_BUSY;
	reply_err(&c->req, e, why);
}

static void
conn_dispatch(struct conn *c)
{
	struct req *r = &c->req;

	conn_timer_stop(c);
	c->state = CONN_BUSY;
	if (r->route->body == BODY_NONE)
		buf_free(&c->body);
	else
		r->body = buf_blob(&c->body);
	log_request(r->id);
	r->route->fn(r);
	log_request(NULL);
}

/*
 * The body may come.  A client that waits for leave is given it (RFC 9110
 * 10.1.1), unless it did not wait after all.
 */
static void
conn_body_begin(struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { (void *)(uintptr_t)go_on, sizeof(go_on) - 1 };
	const struct req *r = &c->req;

	c->body_left = r->head.content_length;
	if (c->body_left == 0) {
		conn_dispatch(c);
		return;
	}
	c->state = CONN_BODY;
	conn_timer(c, c->worker->config->limits.request_timeout_ms +
			  (int64_t)(c->body_left / BYTES_PER_MS));
	if (r->head.expect && !r->head.http10 && in_view(c).len == 0 &&
	    out_send(c, &iov, 1, NULL, 0) == IO_FAIL)
		conn_close(c);
}

static void
conn_admit(struct conn *c)
{
	struct req *r = &c->req;
	struct why why = { 0 };
	struct buf allow = BUF_INIT;
	bool unproven = false;
	enum err e = req_admit(r, &unproven, &why);

	if (e == ERR_OK && unproven) {
		c->state = CONN_PROVE;
		r->proved = true;
		if (server_prove(c->worker->server, c, c->worker->config,
			req_token(r)))
			return;
		e = why_set(&why, ERR_SHED, "style 6",
		    "too many tokens wait to be checked");
	}
	if (e == ERR_OK) {
		conn_body_begin(c);
		return;
	}
	c->state = CONN_BUSY;
	if (r->head.content_length != 0)
		c->close = c->linger = true;
	if (e == ERR_METHOD)
		req_allow(r, &allow);
	reply_err_extra(r, e, &why, &allow);
	buf_free(&allow);
}

/*
 * Some clients end a body with an empty line that is not part of it: one is
 * passed over (RFC 9112 2.2).  False: more bytes are needed to tell.
 */
static bool
blank_skip(struct conn *c)
{
	struct span in = in_view(c);

	if (c->blank || c->scan.at != 0 || in.len == 0 || in.p[0] != '\r')
		return true;
	if (in.len == 1)
		return false;
	if (in.p[1] == '\n') {
		c->in->at += 2;
		c->blank = true;
	}
	return true;
}

/* Look for a whole head; false: it takes more bytes. */
static bool
head_step(struct conn *c)
{
	struct why why = { 0 };
	enum err e;

	c->state = CONN_IDLE;
	if (c->in == NULL || c->in->at == c->in->len)
		return false;
	c->state = CONN_HEAD;
	if (!blank_skip(c) || c->in->at == c->in->len)
		return false;
	if ((e = head_scan(&c->scan, in_view(c), &why)) != ERR_OK) {
		conn_refuse(c, e, &why);
		return true;
	}
	if (c->scan.whole == 0)
		return false;
	in_settle(c, c->scan.whole);
	c->req.raw = span_of(in_view(c).p, c->scan.whole);
	if ((e = head_read(c->req.raw, &c->req.head, &why)) != ERR_OK) {
		conn_refuse(c, e, &why);
		return true;
	}
	c->in->at += c->scan.whole;
	c->close |= !c->req.head.keep;
	req_open(c);
	req_name(&c->req);
	conn_admit(c);
	return true;
}

/*
 * The bytes of the body are copied out of the chunk and their place is used
 * again: the head before them has to stay where it is.
 */
static bool
body_step(struct conn *c)
{
	struct span in = in_view(c);
	size_t n = in.len < c->body_left ? in.len : (size_t)c->body_left;

	if (n == 0)
		return false;
	buf_add(&c->body, in.p, n);
	c->body_left -= n;
	c->in->at += n;
	if (c->body_left == 0) {
		conn_dispatch(c);
		return true;
	}
	c->in->len = c->in->at -= n;
	return false;
}

static bool
conn_step(struct conn *c)
{
	switch (c->state) {
	case CONN_IDLE:
	case CONN_HEAD:
		return head_step(c);
	case CONN_BODY:
		return body_step(c);
	default:
		return false;
	}
}

/* All that can be done with what has arrived. */
static void
conn_run(struct conn *c)
{
	do {
		while (conn_step(c))
			continue;
		/* What OpenSSL has read ahead makes no socket readable. */
	} while (
	    conn_hungry(c) && c->ssl != NULL && tls_pending(c) && conn_fill(c));
}

/* --- answering -------------------------------------------------------- */

static void
conn_answered(struct conn *c)
{
	conn_timer_stop(c);
	worker_queue(c->worker, NULL, c, 0);
	req_fini(&c->req);
	c->scan = (struct head_scan){ 0, 0 };
	c->blank = false;
	c->served = true;
	c->state = CONN_IDLE;
	if (c->close)
		conn_end(c);
}

static void
conn_written(struct conn *c, enum io io)
{
	if (io == IO_FAIL)
		conn_close(c);
	else if (io == IO_DONE)
		conn_answered(c);
}

static void conn_settle(struct conn *);

/* A turn of this connection: conn_settle ends it. */
static void
conn_begin(struct conn *c)
{
	c->running = true;
	c->ration = TURN_BYTES;
}

void
conn_answer(struct req *r, struct iovec *iov, int n, struct blob *const *held,
    size_t n_held)
{
	struct conn *c = r->conn;
	enum io io;

	must(r->open);
	r->open = false;
	if (c->state == CONN_GONE) {
		server_orphan(c->worker->server, -1);
		conn_settle(c);
		return;
	}
	must(c->state == CONN_BUSY);
	c->state = CONN_WRITE;
	io = out_send(c, iov, n, held, n_held);
	if (io == IO_WAIT)
		conn_timer(c, c->worker->config->limits.request_timeout_ms +
				  (int64_t)(out_left(c) / BYTES_PER_MS));
	conn_written(c, io);
	if (c->running)
		return; /* conn_run and conn_settle follow */
	conn_begin(c);
	conn_run(c);
	c->running = false;
	conn_settle(c);
}

void
conn_proved(struct conn *c)
{
	if (c->state == CONN_GONE) {
		c->req.open = false;
		server_orphan(c->worker->server, -1);
		conn_settle(c);
		return;
	}
	must(c->state == CONN_PROVE && !c->running);
	conn_begin(c);
	conn_admit(c);
	conn_run(c);
	c->running = false;
	conn_settle(c);
}

/* --- what each state does with each event ----------------------------- */

static void
step_hello(struct conn *c)
{
	struct why why = { 0 };
	enum io io = tls_hello(c, &why);

	if (io != IO_FAIL && !c->lazy && out_flush(c) == IO_FAIL) {
		conn_close(c);
	} else if (io == IO_DONE) {
		c->state = CONN_IDLE;
		conn_fill(c);
	} else if (io == IO_FAIL) {
		metric_inc(M_TLS_FAILED);
		if (worker_may_log(c->worker))
			log_event(LOG_INFO, "tls-failed", "text", why.text,
			    NULL);
		conn_close(c);
	}
}

static void
step_read(struct conn *c)
{
	conn_fill(c);
}

/* Ahead of its turn, to notice a client that has gone. */
static void
step_read_ahead(struct conn *c)
{
	conn_fill(c);
}

static void
step_discard(struct conn *c)
{
	char junk[16384];
	ssize_t n = c->wire->recv(c, junk, sizeof(junk));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_close(c);
}

/* Records of TLS, or an interim answer, that did not fit before. */
static void
step_flush(struct conn *c)
{
	if (out_flush(c) == IO_FAIL)
		conn_close(c);
}

static void
step_write(struct conn *c)
{
	conn_written(c, out_flush(c));
}

static void
step_late_hello(struct conn *c)
{
	metric_inc(M_TLS_FAILED);
	conn_close(c);
}

static void
step_late_head(struct conn *c)
{
	struct why why = { 0 };
	enum err e = why_set(&why, ERR_HTTP_SLOW, "style 7",
	    "the headers took too long");

	conn_refuse(c, e, &why);
}

static void
step_late_body(struct conn *c)
{
	struct why why = { 0 };

	metric_inc(M_TIMEOUT_REQUEST);
	c->close = c->linger = true;
	c->state = CONN_BUSY;
	reply_err(&c->req,
	    why_set(&why, ERR_HTTP_SLOW, "style 7", "the body took too long"),
	    &why);
}

static void
step_late_write(struct conn *c)
{
	metric_inc(M_TIMEOUT_WRITE);
	conn_close(c);
}

/* A last look: a request that has arrived already is answered. */
static void
step_drain_idle(struct conn *c)
{
	c->close = true;
	if (c->served && !conn_fill(c))
		conn_close(c);
}

static void
step_drain(struct conn *c)
{
	c->close = true;
}

static void
step_none(struct conn *c)
{
	(void)c;
}

typedef void (*step_fn)(struct conn *);

static const step_fn steps[CONN_STATES][CONN_EVENTS] = {
	/*               READABLE    WRITABLE    LATE        DRAIN */
	[CONN_HELLO] = { step_hello, step_hello, step_late_hello, step_drain },
	[CONN_IDLE] = { step_read, step_flush, conn_close, step_drain_idle },
	[CONN_HEAD] = { step_read, step_flush, step_late_head, step_drain },
	[CONN_PROVE] = { step_read_ahead, step_flush, step_none, step_drain },
	[CONN_BODY] = { step_read, step_flush, step_late_body, step_drain },
	[CONN_BUSY] = { step_read_ahead, step_flush, step_none, step_drain },
	[CONN_WRITE] = { step_none, step_write, step_late_write, step_drain },
	[CONN_LINGER] = { step_discard, step_flush, conn_close, step_none },
	[CONN_GONE] = { step_none, step_none, step_none, step_none },
};

/* What to wait for. */
static unsigned
conn_watch(const struct conn *c)
{
	unsigned what = out_waits(c) ? WATCH_WRITE : 0;

	switch (c->state) {
	case CONN_HELLO:
	case CONN_LINGER:
		return what | WATCH_READ;
	case CONN_PROVE:
	case CONN_BUSY:
		return !c->eof && c->in->len < CHUNK_MAX ? what | WATCH_READ
							 : what;
	case CONN_IDLE:
	case CONN_HEAD:
	case CONN_BODY:
		return what | WATCH_READ;
	default:
		return what;
	}
}

/* Until when. */
static void
conn_deadline(struct conn *c)
{
	struct worker *w = c->worker;
	const struct config *config = w->config;

	/* The first request is due like its headers.  What is no request, an
	 * empty record of TLS, does not put the end off. */
	if (c->state == CONN_IDLE && c->served) {
		if (c->queue != &w->idles)
			worker_queue(w, &w->idles, c,
			    config->limits.idle_timeout_ms);
		return;
	}
	switch (c->state) {
	case CONN_HELLO:
	case CONN_IDLE:
	case CONN_HEAD:
		if (c->queue != &w->heads)
			worker_queue(w, &w->heads, c,
			    config->limits.header_timeout_ms);
		break;
	case CONN_LINGER:
		if (!evtimer_initialized(&c->ev_timer) ||
		    !evtimer_pending(&c->ev_timer, NULL))
			conn_timer(c, LINGER_MS);
		break;
	default:
		worker_queue(w, NULL, c, 0);
	}
}

/* After every event: free it, or arrange for the next one. */
static void
conn_settle(struct conn *c)
{
	if (c->running)
		return;
	/* Half closed, and all that came before has been answered. */
	if (c->eof && (c->state == CONN_IDLE || c->state == CONN_HEAD ||
			  c->state == CONN_BODY))
		conn_close(c);
	if (c->state == CONN_GONE) {
		if (!c->req.open)
			conn_free(c);
		return;
	}
	if (!c->req.open && c->in != NULL && c->in->at == c->in->len) {
		chunk_put(c->worker, c->in);
		c->in = NULL;
	}
	conn_deadline(c);
	c->wire->watch(c, conn_watch(c));
}

void
conn_event(struct conn *c, enum conn_event event)
{
	must(c->magic == CONN_MAGIC && !c->running);
	conn_begin(c);
	steps[c->state][event](c);
	conn_run(c);
	c->running = false;
	conn_settle(c);
}

void
conn_abort(struct conn *c)
{
	must(!c->running);
	conn_close(c);
	conn_settle(c);
}

struct conn *
conn_new(struct worker *w, struct listener *l, const struct wire *wire, int fd,
    SSL *ssl)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->magic = CONN_MAGIC;
	c->state = ssl == NULL ? CONN_IDLE : CONN_HELLO;
	c->worker = w;
	c->listener = l;
	c->wire = wire;
	c->fd = fd;
	c->ssl = ssl;
	l->n_conns++;
	TAILQ_INSERT_TAIL(&w->conns, c, in_worker);
	if (ssl != NULL)
		tls_bind(c);
	return c;
}
