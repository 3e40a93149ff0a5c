/*
 * TLS: contexts, and connections whose records go through the wire.
 *
 * OpenSSL reads ahead, so that a request takes one read, and writes into
 * conn->sealed while the connection is corked, so that a flight, a ticket and
 * an answer, or an answer and its close_notify take one write.
 */
#include "server/edge.h"

#include "config/base/must.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

/* --- records ---------------------------------------------------------- */

/* The end was read; a BIO flag of no other meaning here. */
#define WIRE_EOF BIO_FLAGS_IN_EOF

static int
wire_bio_read(BIO *bio, char *p, int len)
{
	struct conn *c = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (c->again) {
		errno = EPROTO;
		return -1;
	}
	if (c->ration == 0) { /* the socket stays readable */
		BIO_set_retry_read(bio);
		return -1;
	}
	n = c->wire->recv(c, p,
	    (size_t)len < c->ration ? (size_t)len : c->ration);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, WIRE_EOF);
	if (n > 0)
		c->ration -= (size_t)n;
	return (int)n;
}

/* Never short, never would-block: what the wire does not take is kept. */
static int
wire_bio_write(BIO *bio, const char *p, int len)
{
	struct conn *c = BIO_get_data(bio);
	struct iovec v = { (void *)(uintptr_t)p, (size_t)len };
	ssize_t n = 0;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (!c->cork && c->sealed.len == 0) {
		n = c->wire->sendv(c, &v, 1);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		n = n < 0 ? 0 : n;
	}
	buf_add(&c->sealed, p + n, (size_t)(len - n));
	return len;
}

static long
wire_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)num;
	(void)ptr;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(bio, WIRE_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_method;

static void
wire_method_make(void)
{
	wire_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
	    "larder wire");
	must(wire_method != NULL);
	must(BIO_meth_set_read(wire_method, wire_bio_read) == 1);
	must(BIO_meth_set_write(wire_method, wire_bio_write) == 1);
	must(BIO_meth_set_ctrl(wire_method, wire_bio_ctrl) == 1);
}

static const BIO_METHOD *
wire_method_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, wire_method_make) == 0);
	return wire_method;
}

/* --- connections ------------------------------------------------------ */

SSL *
tls_new(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	must(ssl != NULL);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* Changes of keys a client may ask for; it takes 2^24 records to need one. */
#define KEYS_MAX 32

/*
 * What a client may begin when the handshake is over: new keys, a few times.
 * OpenSSL says no to every ClientHello of TLS 1.2 and takes every KeyUpdate of
 * 1.3, and listens on: who sends nothing else has our work for few bytes each.
 * From here on it reads no further record, and the wire gives it none.
 */
static void
message_cb(int ours, int version, int type, const void *p, size_t len, SSL *ssl,
    void *arg)
{
	struct conn *c = arg;

	(void)version;
	if (ours || type != SSL3_RT_HANDSHAKE || c->state == CONN_HELLO)
		return;
	if (len != 0 && *(const unsigned char *)p == SSL3_MT_KEY_UPDATE &&
	    ++c->n_keys <= KEYS_MAX)
		return;
	c->again = true;
	SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void
tls_bind(struct conn *c)
{
	BIO *bio = BIO_new(wire_method_get());

	must(bio != NULL);
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	SSL_set_msg_callback(c->ssl, message_cb);
	SSL_set_msg_callback_arg(c->ssl, c);
}

enum io
tls_hello(struct conn *c, struct why *why)
{
	int rc;

	ERR_clear_error();
	c->cork = true;
	rc = SSL_do_handshake(c->ssl);
	c->cork = false;
	if (rc == 1) {
		/* 1.2 ends with Finished, which the client waits for. */
		c->lazy = SSL_version(c->ssl) >= TLS1_3_VERSION;
		return IO_DONE;
	}
	if (SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_READ)
		return IO_WAIT;
	(void)why_set(why, ERR_FORMAT, "RFC 8446 4", "handshake failed: %s",
	    ERR_peek_error() == 0 ? "connection closed"
				  : ERR_reason_error_string(ERR_peek_error()));
	ERR_clear_error();
	(void)out_flush(c); /* the alert that tells the client */
	return IO_FAIL;
}

ssize_t
tls_recv(struct conn *c, void *p, size_t len)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(c->ssl, p, len, &n);
	if (rc == 1)
		return (ssize_t)n;
	if (c->again) {
		metric_inc(M_TLS_FAILED);
		ERR_clear_error();
		errno = EPROTO;
		return -1;
	}
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_SYSCALL:
		errno = errno == 0 || errno == EAGAIN ? EPROTO : errno;
		return -1;
	default:
		metric_inc(M_TLS_FAILED);
		ERR_clear_error();
		errno = EPROTO;
		return -1;
	}
}

bool
tls_pending(const struct conn *c)
{
	return SSL_has_pending(c->ssl) == 1;
}

bool
tls_seal(struct conn *c, const void *p, size_t len)
{
	size_t n = 0;

	ERR_clear_error();
	if (SSL_write_ex(c->ssl, p, len, &n) != 1) {
		ERR_clear_error();
		return false;
	}
	must(n == len);
	return true;
}

void
tls_bye(struct conn *c)
{
	if (c->bye)
		return;
	c->bye = true;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
	ERR_clear_error();
}

void
tls_end(struct conn *c)
{
	if (c->ssl == NULL)
		return;
	/* Not in the middle of something, and without waiting. */
	if (SSL_is_init_finished(c->ssl) && !out_waits(c)) {
		tls_bye(c);
		(void)out_flush(c); /* it lies behind unsent tickets */
	}
	SSL_free(c->ssl);
	c->ssl = NULL;
}
