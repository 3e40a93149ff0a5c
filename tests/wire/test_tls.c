/* TLS: what is agreed on, resumed, reloaded, refused and cut. */
#include "config/base/metric.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: h\r\n"
#define GET1 "GET /text HTTP/1.1\r\n" HOST

static struct edge edge;
static SSL_CTX *ctx; /* the client's */

/* A TLS listener with the certificate of this name; static. */
static const char *
listen_tls(const char *name)
{
	static char text[700];

	snprintf(text, sizeof(text),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":"
	    "{\"certificate\":\"%s/%s.pem\",\"key\":\"%s/%s.key\"}}]",
	    run_dir(), name, run_dir(), name);
	return text;
}

static void
start(const char *limits)
{
	edge_start(&edge, listen_tls("one"), limits);
}

static void
setup(void)
{
	memset(&edge, 0, sizeof(edge));
	ctx = SSL_CTX_new(TLS_client_method());
	ck_assert_ptr_nonnull(ctx);
}

static void
teardown(void)
{
	if (edge.server != NULL)
		edge_stop(&edge);
	SSL_CTX_free(ctx);
}

struct client {
	int fd;
	SSL *ssl;
};

static struct client
client_open(void)
{
	struct client c = { edge_open(edge.port), NULL };

	c.ssl = edge_tls(c.fd, ctx);
	ck_assert_ptr_nonnull(c.ssl);
	return c;
}

static void
client_close(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

static void
client_expect(struct client *c, int status, const char *body)
{
	struct edge_reply r;

	edge_tls_read(c->ssl, &r);
	ck_assert_int_eq(r.status, status);
	if (body != NULL)
		ck_assert_str_eq(r.body, body);
	edge_reply_free(&r);
}

static void
client_ask(struct client *c)
{
	edge_tls_send(c->ssl, GET1 "\r\n");
	client_expect(c, 200, "text\n");
}

/* The other side has said goodbye, not just gone. */
static void
client_ended(struct client *c)
{
	char byte;
	int n = SSL_read(c->ssl, &byte, 1);

	ck_assert_int_le(n, 0);
	ck_assert_int_eq(SSL_get_error(c->ssl, n), SSL_ERROR_ZERO_RETURN);
}

/* A handshake that has to fail. */
static void
no_handshake(void)
{
	int fd = edge_open(edge.port);

	ck_assert_ptr_null(edge_tls(fd, ctx));
	ERR_clear_error();
	close(fd);
	/* and the server has not gone with it */
	edge_connections_wait(&edge, 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
}

/* --- what is agreed on ------------------------------------------------------
 */

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void
only(int version)
{
	ck_assert_int_eq(SSL_CTX_set_min_proto_version(ctx, version), 1);
	ck_assert_int_eq(SSL_CTX_set_max_proto_version(ctx, version), 1);
}

START_TEST(test_tls_1_2_and_1_3_are_spoken)
{
	struct edge_reply r;
	struct client c;

	start("");
	only(versions[_i]);
	c = client_open();
	ck_assert_int_eq(SSL_version(c.ssl), versions[_i]);
	client_ask(&c);
	edge_tls_send(c.ssl, "GET /hit HTTP/1.1\r\n" HOST "\r\n" GET1 "\r\n");
	edge_tls_read(c.ssl, &r);
	ck_assert_uint_eq(r.len, EDGE_HIT_LEN);
	ck_assert_uint_eq(strspn(r.body, "h"), EDGE_HIT_LEN);
	edge_reply_free(&r);
	client_expect(&c, 200, "text\n");
	client_close(&c);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 0);
}
END_TEST

START_TEST(test_tls_1_1_is_refused)
{
	static const int old[] = { TLS1_VERSION, TLS1_1_VERSION };

	start("");
	SSL_CTX_set_security_level(ctx, 0);
	only(old[_i]);
	no_handshake();
}
END_TEST

static const struct {
	const char *list;
	bool good;
} ciphers[] = {
	{ "ECDHE-ECDSA-AES128-GCM-SHA256", true },
	{ "ECDHE-ECDSA-AES256-GCM-SHA384", true },
	{ "ECDHE-ECDSA-CHACHA20-POLY1305", true },
	{ "ECDHE-ECDSA-AES128-SHA", false },
	{ "ECDHE-ECDSA-AES256-SHA384", false },
	{ "ECDHE-ECDSA-AES128-CCM", false },
};

START_TEST(test_tls_1_2_has_aead_and_forward_secrecy_only)
{
	struct client c;

	start("");
	only(TLS1_2_VERSION);
	ck_assert_int_eq(SSL_CTX_set_cipher_list(ctx, ciphers[_i].list), 1);
	if (!ciphers[_i].good) {
		no_handshake();
		return;
	}
	c = client_open();
	ck_assert_str_eq(SSL_get_cipher(c.ssl), ciphers[_i].list);
	client_ask(&c);
	client_close(&c);
}
END_TEST

static const struct {
	const char *offer, *want;
} protocols[] = {
	{ "\x08http/1.1", "http/1.1" },
	{ "\x02h2\x08http/1.1", "http/1.1" },
	{ "\x02h2", "" },
	{ "\x08http/1.0", "" },
};

START_TEST(test_http_2_is_never_agreed_on)
{
	const char *offer = protocols[_i].offer;
	const unsigned char *got;
	struct client c;
	unsigned n;

	start("");
	ck_assert_int_eq(SSL_CTX_set_alpn_protos(ctx,
			     (const unsigned char *)offer,
			     (unsigned)strlen(offer)),
	    0);
	c = client_open();
	SSL_get0_alpn_selected(c.ssl, &got, &n);
	ck_assert_uint_eq(n, strlen(protocols[_i].want));
	ck_assert(n == 0 || memcmp(got, protocols[_i].want, n) == 0);
	client_ask(&c);
	client_close(&c);
}
END_TEST

/* --- resumption
 * ---------------------------------------------------------------- */

/* Ask once; the session that the answer brought. */
static SSL_SESSION *
session_after(SSL_SESSION *with, bool *reused)
{
	struct client c = { edge_open(edge.port), SSL_new(ctx) };
	SSL_SESSION *s;

	SSL_set_fd(c.ssl, c.fd);
	if (with != NULL)
		ck_assert_int_eq(SSL_set_session(c.ssl, with), 1);
	ck_assert_int_eq(SSL_connect(c.ssl), 1);
	client_ask(&c);
	*reused = SSL_session_reused(c.ssl) == 1;
	s = SSL_get1_session(c.ssl);
	SSL_shutdown(c.ssl);
	client_close(&c);
	return s;
}

START_TEST(test_a_session_is_resumed_by_its_ticket)
{
	SSL_SESSION *s, *next;
	bool reused;
	int i;

	start("");
	only(versions[_i]);
	s = session_after(NULL, &reused);
	ck_assert(!reused);
	ck_assert_int_eq(SSL_SESSION_is_resumable(s), 1);
	ck_assert_int_eq(SSL_SESSION_has_ticket(s), 1);
	/* on whichever worker */
	for (i = 0; i < 8; i++) {
		next = session_after(s, &reused);
		ck_assert(reused);
		SSL_SESSION_free(s);
		s = next;
	}
	SSL_SESSION_free(s);
}
END_TEST

/* Another server's ticket is no ticket; the handshake is a full one. */
START_TEST(test_a_strange_ticket_means_a_full_handshake)
{
	SSL_SESSION *s, *next;
	bool reused;

	start("");
	only(versions[_i]);
	s = session_after(NULL, &reused);
	edge_stop(&edge);
	start("");
	next = session_after(s, &reused);
	ck_assert(!reused);
	SSL_SESSION_free(s);
	SSL_SESSION_free(next);
}
END_TEST

/* --- reload
 * -------------------------------------------------------------------- */

static enum err
reload(const char *name)
{
	struct config *config = edge_config(listen_tls(name), "");
	enum err e = server_reload(edge.server, config, NULL);

	config_unref(config);
	return e;
}

static void
client_sees(struct client *c, const char *name)
{
	X509 *x = SSL_get1_peer_certificate(c->ssl);
	char cn[64] = "";

	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
	    sizeof(cn));
	ck_assert_str_eq(cn, name);
	X509_free(x);
}

START_TEST(test_a_new_certificate_keeps_open_connections)
{
	struct client before, after;

	start("");
	before = client_open();
	client_sees(&before, "one");
	client_ask(&before);
	ck_assert_int_eq(reload("two"), ERR_OK);
	client_ask(&before);
	after = client_open();
	client_sees(&after, "two");
	client_ask(&after);
	client_close(&before);
	client_close(&after);
}
END_TEST

/* A certificate that is not there, and one whose key is another's. */
START_TEST(test_a_bad_certificate_is_refused_and_the_old_stays)
{
	static const char *const names[] = { "none", "mixed", "broken" };
	struct client c;

	start("");
	ck_assert_int_ne(reload(names[_i]), ERR_OK);
	c = client_open();
	client_sees(&c, "one");
	client_ask(&c);
	client_close(&c);
}
END_TEST

/* --- not TLS
 * --------------------------------------------------------------------- */

START_TEST(test_clear_text_gets_nothing_in_clear)
{
	static const char *const texts[] = { GET1 "\r\n", "\r\n\r\n\r\n\r\n",
		"GET /text HTTP/1.0\r\n\r\n" };
	char got[1000];
	size_t n = 0;
	ssize_t part;
	int fd;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, texts[_i]);
	while ((part = recv(fd, got + n, sizeof(got) - n, 0)) > 0)
		n += (size_t)part;
	/* nothing, or one fatal alert (RFC 8446 6) */
	ck_assert(n == 0 || (n == 7 && got[0] == 21 && got[5] == 2));
	close(fd);
	edge_connections_wait(&edge, 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
}
END_TEST

START_TEST(test_a_slow_handshake_is_cut)
{
	int fd;

	start("\"header_timeout_ms\":1000");
	fd = edge_open(edge.port);
	edge_send_n(fd, "\x16\x03\x01", 3);
	ck_assert(edge_closed(fd));
	close(fd);
	edge_connections_wait(&edge, 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
}
END_TEST

/* Bytes that are no record end the connection, answered by an alert only. */
START_TEST(test_a_broken_record_ends_the_connection)
{
	static const char junk[] = "\x17\x03\x03\x00\x20"
				   "0123456789abcdef0123456789abcdef";
	struct client c;
	char byte;

	start("");
	c = client_open();
	client_ask(&c);
	edge_send_n(c.fd, junk, sizeof(junk) - 1);
	ck_assert_int_le(SSL_read(c.ssl, &byte, 1), 0);
	ERR_clear_error();
	client_close(&c);
	edge_connections_wait(&edge, 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
	c = client_open();
	client_ask(&c);
	client_close(&c);
}
END_TEST

/* --- HTTP inside
 * ------------------------------------------------------------------ */

START_TEST(test_a_large_answer_comes_whole)
{
	struct edge_reply r;
	struct client c;
	int i;

	start("");
	only(versions[_i]);
	c = client_open();
	for (i = 0; i < 2; i++) {
		edge_tls_send(c.ssl,
		    "GET /many HTTP/1.1\r\n" HOST "\r\n" GET1 "\r\n");
		edge_tls_read(c.ssl, &r);
		ck_assert_uint_eq(r.len, EDGE_MANY_LEN);
		ck_assert_uint_eq(strspn(r.body, "m"), EDGE_MANY_LEN);
		edge_reply_free(&r);
		client_expect(&c, 200, "text\n");
	}
	client_close(&c);
}
END_TEST

START_TEST(test_a_large_body_comes_whole)
{
	const size_t n = 1 << 20;
	struct edge_reply r;
	struct client c;
	char *body = malloc(n), head[100];
	size_t i;

	ck_assert_ptr_nonnull(body);
	for (i = 0; i < n; i++)
		body[i] = (char)(i * 31 + i / 251);
	start("");
	only(versions[_i]);
	c = client_open();
	snprintf(head, sizeof(head),
	    "POST /body HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", n);
	edge_tls_send(c.ssl, head);
	ck_assert_int_eq(SSL_write(c.ssl, body, (int)n), (int)n);
	edge_tls_read(c.ssl, &r);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(r.len, n);
	ck_assert_mem_eq(r.body, body, n);
	edge_reply_free(&r);
	free(body);
	client_ask(&c);
	client_close(&c);
}
END_TEST

/* Each byte in a record of its own. */
START_TEST(test_a_request_may_come_in_many_records)
{
	const char *p =
	    "POST /body HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody";
	struct client c;

	start("");
	c = client_open();
	for (; *p != '\0'; p++)
		ck_assert_int_eq(SSL_write(c.ssl, p, 1), 1);
	client_expect(&c, 200, "body");
	edge_tls_send(c.ssl, "GET /text HTTP/1.1\r\nHost : h\r\n\r\n");
	client_expect(&c, 400, NULL);
	client_ended(&c);
	client_close(&c);
}
END_TEST

START_TEST(test_the_end_is_said)
{
	struct client c;

	start("\"idle_timeout_ms\":50");
	c = client_open();
	edge_tls_send(c.ssl, GET1 "Connection: close\r\n\r\n");
	client_expect(&c, 200, "text\n");
	client_ended(&c);
	client_close(&c);
	/* a large one, too */
	c = client_open();
	edge_tls_send(c.ssl,
	    "GET /many HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	client_expect(&c, 200, NULL);
	client_ended(&c);
	client_close(&c);
	/* and when it is idle */
	c = client_open();
	client_ask(&c);
	client_ended(&c);
	client_close(&c);
}
END_TEST

START_TEST(test_a_request_before_the_clients_end_is_answered)
{
	struct client c;

	start("");
	c = client_open();
	edge_tls_send(c.ssl, "GET /park HTTP/1.1\r\n" HOST "\r\n" GET1 "\r\n");
	SSL_shutdown(c.ssl);
	edge_park_wait(1);
	edge_release();
	client_expect(&c, 200, "released\n");
	client_expect(&c, 200, "text\n");
	client_ended(&c);
	client_close(&c);
	/* the tampered twin: half a request is none */
	c = client_open();
	edge_tls_send(c.ssl, GET1);
	SSL_shutdown(c.ssl);
	client_ended(&c);
	client_close(&c);
}
END_TEST

START_TEST(test_slow_headers_end_with_408)
{
	struct client c;

	start("\"header_timeout_ms\":2000");
	c = client_open();
	edge_tls_send(c.ssl, GET1);
	client_expect(&c, 408, "Request timeout.");
	client_ended(&c);
	client_close(&c);
}
END_TEST

START_TEST(test_a_full_server_says_so_inside_tls)
{
	struct client a, b;

	start("\"connections\":1");
	a = client_open();
	client_ask(&a);
	b = client_open();
	edge_tls_send(b.ssl, GET1 "\r\n");
	client_expect(&b, 503, "");
	client_ended(&b);
	client_close(&b);
	client_ask(&a);
	client_close(&a);
}
END_TEST

/* --- certificates
 * ------------------------------------------------------------------ */

static void
copy(const char *from, const char *to)
{
	struct buf b = run_slurp(run_path(from));

	run_spill(to, b.p);
	buf_free(&b);
}

/* For all tests; made once, in the parent. */
static void
certificates_make(void)
{
	edge_certificate(run_dir(), "one");
	edge_certificate(run_dir(), "two");
	copy("one.pem", "mixed.pem");
	copy("two.key", "mixed.key");
	run_spill("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
	copy("one.key", "broken.key");
}

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
suite_fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_tls_1_2_and_1_3_are_spoken, 0, 2);
	tcase_add_loop_test(tc, test_tls_1_1_is_refused, 0, 2);
	tcase_add_loop_test(tc, test_tls_1_2_has_aead_and_forward_secrecy_only,
	    0, N(ciphers));
	tcase_add_loop_test(tc, test_http_2_is_never_agreed_on, 0,
	    N(protocols));
	tcase_add_loop_test(tc, test_a_session_is_resumed_by_its_ticket, 0, 2);
	tcase_add_loop_test(tc, test_a_strange_ticket_means_a_full_handshake, 0,
	    2);
	tcase_add_test(tc, test_a_new_certificate_keeps_open_connections);
	tcase_add_loop_test(tc,
	    test_a_bad_certificate_is_refused_and_the_old_stays, 0, 3);
	tcase_add_loop_test(tc, test_clear_text_gets_nothing_in_clear, 0, 3);
	tcase_add_test(tc, test_a_slow_handshake_is_cut);
	tcase_add_test(tc, test_a_broken_record_ends_the_connection);
	tcase_add_loop_test(tc, test_a_large_answer_comes_whole, 0, 2);
	tcase_add_loop_test(tc, test_a_large_body_comes_whole, 0, 2);
	tcase_add_test(tc, test_a_request_may_come_in_many_records);
	tcase_add_test(tc, test_the_end_is_said);
	tcase_add_test(tc, test_a_request_before_the_clients_end_is_answered);
	tcase_add_test(tc, test_slow_headers_end_with_408);
	tcase_add_test(tc, test_a_full_server_says_so_inside_tls);
}

int
main(void)
{
	Suite *s = suite_create("tls");
	TCase *tc = tcase_create("tls");
	SRunner *sr = srunner_create(s);
	int failed;

	edge_prepare();
	certificates_make();
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
