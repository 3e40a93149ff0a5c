/*
 * TLS contexts: a listener's certificates, by the name a client asks for, and
 * the CAs of its clients' certificates.
 */
#include "server/edge.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

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

/* CRLs lie among the CAs: where there is one, there is one of each CA. */
static bool
has_crl(SSL_CTX *ctx)
{
	STACK_OF(X509_OBJECT) *all =
	    X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
	int i;

	for (i = 0; i < sk_X509_OBJECT_num(all); i++) {
		if (X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i)) !=
		    NULL)
			return true;
	}
	return false;
}

/* Optional: a client without a certificate is as welcome as before. */
static enum err
client_ca(SSL_CTX *ctx, const char *file, struct why *why)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);

	if (names == NULL || SSL_CTX_load_verify_file(ctx, file) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_why(why, "client_ca", file);
	}
	if (has_crl(ctx))
		must(X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx),
			 X509_V_FLAG_CRL_CHECK) == 1);
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ERR_OK;
}

static enum err
context_new(const char *certificate, const char *key, const char *ca,
    SSL_CTX **out, struct why *why)
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
	else if (ca != NULL)
		e = client_ca(ctx, ca, why);
	if (e == ERR_OK) {
		*out = ctx;
		ctx = NULL;
	}
	SSL_CTX_free(ctx);
	return e;
}

/* --- several names ---------------------------------------------------- */

/* The other contexts of a listener; belongs to the first one. */
struct others {
	size_t n;
	SSL_CTX *ctx[];
};

static void
others_free(struct others *o)
{
	size_t i;

	for (i = 0; o != NULL && i < o->n; i++)
		SSL_CTX_free(o->ctx[i]);
	free(o);
}

static void
others_drop(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
    void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	others_free(ptr);
}

static pthread_once_t others_once = PTHREAD_ONCE_INIT;
static int others_slot;

static void
others_make(void)
{
	others_slot =
	    SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, others_drop);
	must(others_slot != -1);
}

static bool
names(SSL_CTX *ctx, const char *name)
{
	X509 *x = SSL_CTX_get0_certificate(ctx);

	return x != NULL &&
	       X509_check_host(x, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
		   NULL) == 1;
}

/* The first certificate unless another one alone has the name asked for. */
static int
name_select(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *first = arg;
	const struct others *o = SSL_CTX_get_ex_data(first, others_slot);
	size_t i;

	(void)alert;
	if (name == NULL || names(first, name))
		return SSL_TLSEXT_ERR_OK;
	for (i = 0; i < o->n; i++) {
		if (names(o->ctx[i], name)) {
			SSL_set_SSL_CTX(ssl, o->ctx[i]);
			break;
		}
	}
	return SSL_TLSEXT_ERR_OK;
}

static enum err
others_new(const struct config_listen *l, struct others **out, struct why *why)
{
	const struct config_list *also = &l->tls_also;
	struct others *o = xcalloc(1, sizeof(*o) + also->n * sizeof(SSL_CTX *));
	enum err e = ERR_OK;

	for (; o->n < also->n && e == ERR_OK; o->n += e == ERR_OK)
		e = context_new(also->v[o->n], also->v[o->n], l->tls_client_ca,
		    &o->ctx[o->n], why);
	if (e == ERR_OK) {
		*out = o;
		o = NULL;
	}
	others_free(o);
	return e;
}

enum err
tls_context(const struct config_listen *l, SSL_CTX **out, struct why *why)
{
	struct others *others = NULL;
	SSL_CTX *ctx = NULL;
	enum err e;

	must(pthread_once(&others_once, others_make) == 0);
	e = context_new(l->tls_certificate, l->tls_key, l->tls_client_ca, &ctx,
	    why);
	if (e == ERR_OK && l->tls_also.n != 0 &&
	    (e = others_new(l, &others, why)) == ERR_OK) {
		must(SSL_CTX_set_ex_data(ctx, others_slot, others) == 1);
		SSL_CTX_set_tlsext_servername_callback(ctx, name_select);
		SSL_CTX_set_tlsext_servername_arg(ctx, ctx);
	}
	if (e == ERR_OK) {
		*out = ctx;
		ctx = NULL;
	}
	SSL_CTX_free(ctx);
	return e;
}

/* --- clients' certificates -------------------------------------------- */

/* Its CN, or one of its DNS names, spelt out. */
static bool
certificate_has(X509 *x, const char *name)
{
	char cn[128] = "";
	int n = X509_NAME_get_text_by_NID(X509_get_subject_name(x),
	    NID_commonName, cn, sizeof(cn));

	if (n > 0 && (size_t)n == strlen(name) && strcmp(cn, name) == 0)
		return true;
	return X509_check_host(x, name, 0,
		   X509_CHECK_FLAG_NO_WILDCARDS |
		       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
		   NULL) == 1;
}

static const char *
name_in(X509 *x, const struct config_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (certificate_has(x, l->v[i]))
			return l->v[i];
	}
	return NULL;
}

/*
 * It was valid when it was shown, but a connection, and the sessions resumed
 * from its ticket, may go on for longer than it.
 */
static bool
certificate_holds(X509 *x, time_t now)
{
	return X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
}

bool
tls_client(const struct conn *c, const struct config_listen *l,
    struct token_grant *out)
{
	X509 *x = c->ssl == NULL ? NULL : SSL_get0_peer_certificate(c->ssl);
	const char *name;

	if (x == NULL || SSL_get_verify_result(c->ssl) != X509_V_OK ||
	    !certificate_holds(x, clock_now()))
		return false;
	if ((name = name_in(x, &l->tls_admins)) != NULL)
		*out = (struct token_grant){ ROLE_ADMIN | ROLE_USER, name };
	else if ((name = name_in(x, &l->tls_users)) != NULL)
		*out = (struct token_grant){ ROLE_USER, name };
	return name != NULL;
}
