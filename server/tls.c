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
	n = c->wire->recv(c, p, (size_t)len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, WIRE_EOF);
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

void
tls_bind(struct conn *c)
{
	BIO *bio = BIO_new(wire_method_get());

	must(bio != NULL);
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
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

/* --- contexts --------------------------------------------------------- */

/*
 * http/1.1 or nothing at all: a client that would take HTTP/2 only is left
 * without an agreement and speaks 1.1 or goes (pccs-api 9.1 R11).
 */
static int
alpn_select(SSL *ssl, const unsigned char **out, unsigned char *len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *pick;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&pick, len, ours, sizeof(ours) - 1, in,
		in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = pick;
	return SSL_TLSEXT_ERR_OK;
}

/* Whoever handles the failure sees OpenSSL's first reason; none is left. */
static enum err
tls_why(struct why *why, const char *what, const char *file)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	enum err e = why_set(why, ERR_CONFIG, "larder.json listen[].tls",
	    "%s %s: %s", what, file, reason == NULL ? "failed" : reason);

	ERR_clear_error();
	return e;
}

static void
context_settle(SSL_CTX *ctx)
{
	static const unsigned char id[] = "larder";

	must(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF |
		SSL_OP_PRIORITIZE_CHACHA);
	/* AEAD and forward secrecy only (RFC 9325 4.2), cheapest first. */
	must(
	    SSL_CTX_set_cipher_list(ctx,
		"ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL") == 1);
	must(SSL_CTX_set_ciphersuites(ctx,
		 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		 "TLS_CHACHA20_POLY1305_SHA256") == 1);
	must(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Tickets need no memory here, and one is enough for a next time. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	must(SSL_CTX_set_num_tickets(ctx, 1) == 1);
	must(SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) == 1);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
}

enum err
tls_context(const char *certificate, const char *key, SSL_CTX **out,
    struct why *why)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum err e = ERR_OK;

	must(ctx != NULL);
	ERR_clear_error();
	context_settle(ctx);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		e = tls_why(why, "certificate", certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		e = tls_why(why, "key", key);
	else if (SSL_CTX_check_private_key(ctx) != 1)
		e = tls_why(why, "key does not belong to", certificate);
	if (e == ERR_OK) {
		*out = ctx;
		ctx = NULL;
	}
	SSL_CTX_free(ctx);
	return e;
}
