/*
 * Output: what the socket takes at once goes straight from the blobs; only a
 * rest is kept, with references.
 */
#include "server/edge.h"

#include "config/base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One TLS record, and how many bytes of records may wait for the socket. */
#define RECORD_MAX sizeof(((struct worker *)0)->plain)
#define SEALED_MAX (4 * RECORD_MAX)

struct outbox {
	struct outbox *next;
	struct iovec iov[OUT_IOV];
	int at, n; /* pieces left: iov[at..n) */
	struct blob *held[OUT_BLOBS];
	size_t n_held;
	char text[]; /* what iov[0] pointed to */
};

/* Take n bytes off the front of the pieces; the index of the first left. */
static int
iov_advance(struct iovec *iov, int at, int n, size_t bytes)
{
	while (at < n && bytes >= iov[at].iov_len)
		bytes -= iov[at++].iov_len;
	if (at < n && bytes != 0) {
		iov[at].iov_base = (char *)iov[at].iov_base + bytes;
		iov[at].iov_len -= bytes;
	}
	return at;
}

static enum io
io_of_errno(void)
{
	return errno == EAGAIN || errno == EINTR ? IO_WAIT : IO_FAIL;
}

/* --- clear text ------------------------------------------------------- */

static enum io
clear_write(struct conn *c, struct iovec *iov, int *at, int n)
{
	while (*at < n) {
		ssize_t done = c->wire->sendv(c, iov + *at, n - *at);

		if (done < 0)
			return io_of_errno();
		*at = iov_advance(iov, *at, n, (size_t)done);
	}
	return IO_DONE;
}

/* --- TLS -------------------------------------------------------------- */

static size_t
sealed_len(const struct conn *c)
{
	return c->sealed.len - c->sealed_at;
}

static enum io
sealed_write(struct conn *c)
{
	while (sealed_len(c) != 0) {
		struct iovec v = { c->sealed.p + c->sealed_at, sealed_len(c) };
		ssize_t done = c->wire->sendv(c, &v, 1);

		if (done < 0)
			return io_of_errno();
		c->sealed_at += (size_t)done;
	}
	/* Idle connections hold no buffers. */
	buf_free(&c->sealed);
	c->sealed_at = 0;
	return IO_DONE;
}

/* The next record's worth of the pieces in one place. */
static struct span
record_gather(struct conn *c, struct iovec *iov, int *at, int n)
{
	unsigned char *room = c->worker->plain;
	size_t len = 0, part;

	if (n - *at == 1 && iov[*at].iov_len <= RECORD_MAX) {
		struct span whole =
		    span_of(iov[*at].iov_base, iov[*at].iov_len);

		*at = n;
		return whole;
	}
	while (*at < n && len < RECORD_MAX) {
		part = iov[*at].iov_len;
		if (part > RECORD_MAX - len)
			part = RECORD_MAX - len;
		memcpy(room + len, iov[*at].iov_base, part);
		len += part;
		*at = iov_advance(iov, *at, n, part);
	}
	return span_of(room, len);
}

static size_t
iov_len(const struct iovec *iov, int at, int n)
{
	size_t len = 0;

	for (; at < n; at++)
		len += iov[at].iov_len;
	return len;
}

/* Whether nothing follows the answer that is being written. */
static bool
is_last(const struct conn *c)
{
	return c->close && c->state == CONN_WRITE &&
	       (c->out == NULL || c->out->next == NULL);
}

/*
 * One record with nothing before or behind it is written as it is made;
 * otherwise records are collected and written together.
 */
static enum io
tls_write(struct conn *c, struct iovec *iov, int *at, int n)
{
	enum io io = IO_DONE;

	c->lazy = false;
	c->cork = is_last(c) || sealed_len(c) != 0 ||
		  iov_len(iov, *at, n) > RECORD_MAX;
	while (*at < n && io == IO_DONE) {
		struct span rec = record_gather(c, iov, at, n);

		if (rec.len != 0 && !tls_seal(c, rec.p, rec.len))
			io = IO_FAIL;
		else if (sealed_len(c) >= SEALED_MAX)
			io = sealed_write(c);
	}
	if (io == IO_DONE && is_last(c))
		tls_bye(c);
	c->cork = false;
	return io == IO_DONE ? sealed_write(c) : io;
}

/* --- both ------------------------------------------------------------- */

static enum io
pieces_write(struct conn *c, struct iovec *iov, int *at, int n)
{
	return c->ssl != NULL ? tls_write(c, iov, at, n)
			      : clear_write(c, iov, at, n);
}

static void
outbox_free(struct outbox *b)
{
	size_t i;

	for (i = 0; i < b->n_held; i++)
		blob_unref(b->held[i]);
	free(b);
}

/* Keep iov[at..n) for later, behind what waits already. */
static void
outbox_add(struct conn *c, const struct iovec *iov, int at, int n,
    struct blob *const *held, size_t n_held)
{
	size_t text = at == 0 ? iov[0].iov_len : 0, i;
	struct outbox *b = xcalloc(1, sizeof(*b) + text);
	struct outbox **end = &c->out;

	memcpy(b->iov, iov, (size_t)n * sizeof(*iov));
	if (text != 0) {
		memcpy(b->text, iov[0].iov_base, text);
		b->iov[0].iov_base = b->text;
	}
	b->at = at;
	b->n = n;
	for (i = 0; i < n_held; i++)
		b->held[i] = blob_ref(held[i]);
	b->n_held = n_held;
	while (*end != NULL)
		end = &(*end)->next;
	*end = b;
}

enum io
out_send(struct conn *c, struct iovec *iov, int n, struct blob *const *held,
    size_t n_held)
{
	enum io io = IO_WAIT;
	int at = 0;

	must(n <= OUT_IOV && n_held <= OUT_BLOBS);
	if (c->out == NULL)
		io = pieces_write(c, iov, &at, n);
	if (io == IO_WAIT && at < n)
		outbox_add(c, iov, at, n, held, n_held);
	return io;
}

enum io
out_flush(struct conn *c)
{
	struct outbox *b;
	enum io io;

	if ((io = sealed_write(c)) != IO_DONE)
		return io;
	while ((b = c->out) != NULL) {
		if ((io = pieces_write(c, b->iov, &b->at, b->n)) == IO_FAIL)
			return io;
		if (b->at < b->n)
			return IO_WAIT;
		c->out = b->next;
		outbox_free(b);
		if (io == IO_WAIT)
			return io;
	}
	return IO_DONE;
}

bool
out_waits(const struct conn *c)
{
	return c->out != NULL || (sealed_len(c) != 0 && !c->lazy);
}

size_t
out_left(const struct conn *c)
{
	const struct outbox *b;
	size_t len = sealed_len(c);

	for (b = c->out; b != NULL; b = b->next)
		len += iov_len(b->iov, b->at, b->n);
	return len;
}

void
out_fini(struct conn *c)
{
	struct outbox *b;

	while ((b = c->out) != NULL) {
		c->out = b->next;
		outbox_free(b);
	}
	buf_free(&c->sealed);
	c->sealed_at = 0;
}
