/*
 * Who is who: servers by the name a client asks for, clients by their
 * certificates, and sources that guess tokens.
 */
#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "server/failures.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST  "Host: h\r\n"
#define ADMIN "GET /admin HTTP/1.1\r\n" HOST
#define USER  "POST /user HTTP/1.1\r\n" HOST "Content-Length: 2\r\n"

static struct edge edge;
static SSL_CTX *ctx; /* the client's */

/* "one" is the server; members of its tls{} besides. */
static void
start(const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":"
	    "{\"certificate\":\"%s/one.pem\",\"key\":\"%s/one.key\"%s}}]",
	    run_dir(), run_dir(), more);
	edge_start(&edge, text, "\"token_failures_per_minute\":3");
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
	clock_offset_set(0);
}

/* --- names of the server ---------------------------------------------- */

/* The CN of the certificate that a client asking for this name is shown. */
static void
expect_shown(const char *name, const char *cn)
{
	int fd = edge_open(edge.port);
	SSL *ssl = SSL_new(ctx);
	char have[64] = "";
	X509 *x;

	SSL_set_fd(ssl, fd);
	if (name != NULL)
		ck_assert_int_eq(SSL_set_tlsext_host_name(ssl, name), 1);
	ck_assert_int_eq(SSL_connect(ssl), 1);
	x = SSL_get1_peer_certificate(ssl);
	ck_assert_ptr_nonnull(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
	    have, sizeof(have));
	ck_assert_str_eq(have, cn);
	X509_free(x);
	SSL_free(ssl);
	close(fd);
}

START_TEST(test_each_name_has_its_certificate)
{
	char more[512];

	snprintf(more, sizeof(more), ",\"also\":[\"%s\",\"%s\"]",
	    run_path("two.both"), run_path("three.both"));
	start(more);
	expect_shown("two", "two");
	expect_shown("three", "three");
	expect_shown("one", "one");
	expect_shown("another", "one");
	expect_shown(NULL, "one");
}
END_TEST

/* A key that is not the certificate's is found before anybody is served. */
START_TEST(test_a_further_certificate_has_to_be_good)
{
	char text[1024];
	struct config *config;
	struct why why = { 0 };

	start("");
	snprintf(text, sizeof(text),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":"
	    "{\"certificate\":\"%s/one.pem\",\"key\":\"%s/one.key\","
	    "\"also\":[\"%s/two.pem\"]}}]",
	    run_dir(), run_dir(), run_dir());
	config = edge_config(text, "");
	ck_assert_int_eq(server_reload(edge.server, config, &why), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "two.pem"));
	config_unref(config);
	expect_shown("one", "one");
}
END_TEST

/* --- certificates of clients ------------------------------------------ */

static void
show(const char *name)
{
	char pem[64], key[64];

	snprintf(pem, sizeof(pem), "%s.pem", name);
	snprintf(key, sizeof(key), "%s.key", name);
	ck_assert_int_eq(SSL_CTX_use_certificate_file(ctx, run_path(pem),
			     SSL_FILETYPE_PEM),
	    1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(ctx, run_path(key),
			     SSL_FILETYPE_PEM),
	    1);
}

/* The status of a request, on a connection of its own; 0: no handshake, or
 * it is ended before an answer, as TLS 1.3 has it. */
static int
ask(const char *text)
{
	int fd = edge_open(edge.port), status = 0;
	SSL *ssl = edge_tls(fd, ctx);
	struct edge_reply r;
	char byte;

	if (ssl != NULL && SSL_write(ssl, text, (int)strlen(text)) > 0 &&
	    SSL_peek(ssl, &byte, 1) == 1) {
		edge_tls_read(ssl, &r);
		status = r.status;
		edge_reply_free(&r);
	}
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
	/* What became of it is counted when the server is done with it. */
	edge_connections_wait(&edge, 0);
	return status;
}

/* CAs: "two" and "three" sign themselves, and so does "four". */
static void
start_with_clients(void)
{
	char more[512];

	snprintf(more, sizeof(more),
	    ",\"client_ca\":\"%s\",\"admins\":[\"two\"],"
	    "\"users\":[\"three\",\"one\"]",
	    run_path("clients"));
	start(more);
}

START_TEST(test_a_client_is_known_by_its_certificate)
{
	start_with_clients();
	ck_assert_int_eq(ask(ADMIN "\r\n"), 401); /* none is no harm */
	ck_assert_int_eq(ask("GET /text HTTP/1.1\r\n" HOST "\r\n"), 200);
	show("three");
	ck_assert_int_eq(ask(USER "\r\nhi"), 200);
	ck_assert_int_eq(ask(ADMIN "\r\n"), 401);
	show("two");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 200);
	ck_assert_int_eq(ask(USER "\r\nhi"), 200);
	/* A token that is wrong stays wrong. */
	ck_assert_int_eq(ask(ADMIN "admin-token: no\r\n\r\n"), 401);
	/* Of a CA that counts, but nobody we know. */
	show("four");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 401);
	ck_assert_int_eq(ask(USER "\r\nhi"), 401);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 0);
	/* Of no CA that counts, whatever it is called. */
	show("one");
	ck_assert_int_eq(ask(USER "\r\nhi"), 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
}
END_TEST

/* The CA is "two" alone, and has a CRL. */
static void
start_with_crl(const char *crl)
{
	char more[512];

	snprintf(more, sizeof(more),
	    ",\"client_ca\":\"%s\",\"admins\":[\"two\"]", run_path(crl));
	start(more);
}

START_TEST(test_a_revoked_certificate_is_refused)
{
	start_with_crl("two.revoked");
	show("two");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 0);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
	edge_stop(&edge);
	start_with_crl("two.spared");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 200);
}
END_TEST

START_TEST(test_a_crl_that_has_ended_spares_nobody)
{
	start_with_crl("two.ended");
	show("two");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 0);
}
END_TEST

/* Neither an open connection nor a resumed session outlives it. */
START_TEST(test_a_certificate_ends_while_it_is_used)
{
	struct edge_reply r;
	SSL *ssl;
	int fd;

	start_with_clients();
	show("two");
	fd = edge_open(edge.port);
	ck_assert_ptr_nonnull(ssl = edge_tls(fd, ctx));
	edge_tls_send(ssl, ADMIN "\r\n");
	edge_tls_read(ssl, &r);
	ck_assert_int_eq(r.status, 200);
	edge_reply_free(&r);
	clock_offset_set(2 * 86400); /* it is valid for one day */
	edge_tls_send(ssl, ADMIN "\r\n");
	edge_tls_read(ssl, &r);
	ck_assert_int_eq(r.status, 401);
	edge_reply_free(&r);
	SSL_free(ssl);
	close(fd);
}
END_TEST

/* A listener's names and routes go with it; its connections may stay. */
START_TEST(test_a_listener_that_is_gone_knows_nobody)
{
	struct config *config;
	struct why why = { 0 };
	struct edge_reply r;
	SSL *ssl;
	int fd;

	start_with_clients();
	show("two");
	fd = edge_open(edge.port);
	ck_assert_ptr_nonnull(ssl = edge_tls(fd, ctx));
	edge_tls_send(ssl, ADMIN "\r\n");
	edge_tls_read(ssl, &r);
	ck_assert_int_eq(r.status, 200);
	edge_reply_free(&r);
	config = edge_config("[{\"address\":\"127.0.0.1:0\","
			     "\"serve\":[\"ops\"],\"allow_clear\":true}]",
	    "");
	ck_assert_int_eq(server_reload(edge.server, config, &why), ERR_OK);
	config_unref(config);
	edge_tls_send(ssl, ADMIN "\r\n");
	edge_tls_read(ssl, &r);
	ck_assert_int_eq(r.status, 404);
	edge_reply_free(&r);
	SSL_free(ssl);
	close(fd);
}
END_TEST

START_TEST(test_without_client_ca_certificates_say_nothing)
{
	start("");
	show("two");
	ck_assert_int_eq(ask(ADMIN "\r\n"), 401);
	ck_assert_int_eq(ask(ADMIN "admin-token: " EDGE_ADMIN "\r\n\r\n"), 200);
}
END_TEST

/* --- guessing --------------------------------------------------------- */

START_TEST(test_who_guesses_has_to_wait)
{
	static const char bad[] = ADMIN "admin-token: no\r\n\r\n",
			  good[] = ADMIN "admin-token: " EDGE_ADMIN "\r\n\r\n";
	int64_t offset;
	int i;

	start("");
	/* Away from the end of a minute: none may pass meanwhile. */
	offset = 61 - clock_now() % 60;
	clock_offset_set(offset);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(ask(good), 200);
		ck_assert_int_eq(ask(bad), 401);
	}
	ck_assert_int_eq(ask(bad), 429);
	ck_assert_int_eq(ask(good), 429);
	/* No token, no guess. */
	ck_assert_int_eq(ask("GET /text HTTP/1.1\r\n" HOST "\r\n"), 200);
	ck_assert_int_eq(ask(ADMIN "\r\n"), 401);
	ck_assert_uint_eq(metric_get(M_AUTH_THROTTLED), 2);
	clock_offset_set(offset + 60);
	ck_assert_int_eq(ask(good), 200);
}
END_TEST

START_TEST(test_failures_are_counted_by_source_and_minute)
{
	static struct failures f;
	unsigned i;

	for (i = 0; i < 5; i++) {
		ck_assert(!failures_many(&f, 7, 600, 5));
		failures_note(&f, 7, 600 + i);
		failures_note(&f, 0, 600);
	}
	ck_assert(failures_many(&f, 7, 659, 5));
	ck_assert(!failures_many(&f, 7, 660, 5));
	ck_assert(!failures_many(&f, 7, 659, 0));
	ck_assert(!failures_many(&f, 0, 659, 5));
	/* Who shares one slot of the two is not taken for the other. */
	ck_assert(!failures_many(&f, 7 + FAILURES_SLOTS, 659, 5));
	failures_note(&f, 7, 660);
	ck_assert(failures_many(&f, 7, 660, 1));
	ck_assert_int_eq(failures_wait_s(659), 1);
	ck_assert_int_eq(failures_wait_s(660), 60);
}
END_TEST

/* --- all of it -------------------------------------------------------- */

static void
join(const char *to, const char *a, const char *b)
{
	struct buf all = BUF_INIT, one = run_slurp(run_path(a));

	buf_str(&all, one.p);
	buf_free(&one);
	one = run_slurp(run_path(b));
	buf_str(&all, one.p);
	buf_add(&all, "", 1);
	run_spill(to, all.p);
	buf_free(&one);
	buf_free(&all);
}

/* "two" and a CRL of its own, which holds this serial number. */
static void
crl_make(const char *to, long serial, int ends_in_s)
{
	BIO *pem = BIO_new_file(run_path("two.pem"), "r"),
	    *key = BIO_new_file(run_path("two.key"), "r");
	X509 *x = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	X509_REVOKED *row = X509_REVOKED_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	ASN1_TIME *at = X509_gmtime_adj(NULL, -1000);
	X509_CRL *crl = X509_CRL_new();
	BIO *out = BIO_new_file(run_path(to), "w");

	must(x != NULL && k != NULL && out != NULL);
	must(ASN1_INTEGER_set(number, serial) == 1 &&
	     X509_REVOKED_set_serialNumber(row, number) == 1 &&
	     X509_REVOKED_set_revocationDate(row, at) == 1);
	must(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	     X509_CRL_set_issuer_name(crl, X509_get_subject_name(x)) == 1 &&
	     X509_CRL_set1_lastUpdate(crl, at) == 1);
	must(X509_gmtime_adj(at, ends_in_s) != NULL &&
	     X509_CRL_set1_nextUpdate(crl, at) == 1 &&
	     X509_CRL_add0_revoked(crl, row) == 1 &&
	     X509_CRL_sign(crl, k, EVP_sha256()) > 0);
	must(PEM_write_bio_X509(out, x) == 1 &&
	     PEM_write_bio_X509_CRL(out, crl) == 1);
	ASN1_INTEGER_free(number);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(pem);
	BIO_free(key);
	BIO_free(out);
}

static void
certificates_make(void)
{
	edge_certificate(run_dir(), "one");
	edge_certificate(run_dir(), "two");
	edge_certificate(run_dir(), "three");
	edge_certificate(run_dir(), "four");
	join("two.both", "two.pem", "two.key");
	join("three.both", "three.pem", "three.key");
	join("clients", "two.pem", "three.pem");
	join("clients", "clients", "four.pem");
	crl_make("two.revoked", 1, 1000);
	crl_make("two.spared", 2, 1000);
	crl_make("two.ended", 2, -500);
}

int
main(void)
{
	Suite *s = suite_create("who");
	TCase *tc = tcase_create("who");
	SRunner *sr = srunner_create(s);
	int failed;

	edge_prepare();
	certificates_make();
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_each_name_has_its_certificate);
	tcase_add_test(tc, test_a_further_certificate_has_to_be_good);
	tcase_add_test(tc, test_a_client_is_known_by_its_certificate);
	tcase_add_test(tc, test_a_revoked_certificate_is_refused);
	tcase_add_test(tc, test_a_crl_that_has_ended_spares_nobody);
	tcase_add_test(tc, test_a_certificate_ends_while_it_is_used);
	tcase_add_test(tc, test_a_listener_that_is_gone_knows_nobody);
	tcase_add_test(tc, test_without_client_ca_certificates_say_nothing);
	tcase_add_test(tc, test_who_guesses_has_to_wait);
	tcase_add_test(tc, test_failures_are_counted_by_source_and_minute);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
