/*
 * One connection's turn, over a wire of memory that always has more: however
 * much a TLS client sends, the others of its worker come next.
 */
#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "server/edge.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* --- a client in memory, and the wire to it ----------------------------- */

/* Enough to say that a turn would not end. */
#define ENDLESS (1 << 20)

static struct {
	SSL *ssl;
	void (*more)(void); /* writes something further; NULL: nothing */
	size_t given;       /* bytes the server has read */
	bool closed;
} client;

static ssize_t
memory_recv(struct conn *c, void *p, size_t len)
{
	BIO *from = SSL_get_wbio(client.ssl);
	int n;

	(void)c;
	if (BIO_pending(from) == 0 && client.more != NULL &&
	    client.given < ENDLESS)
		client.more();
	/* Mostly in the middle of a record: there is always one begun. */
	if ((n = BIO_read(from, p, len < 1000 ? (int)len : 1000)) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	client.given += (size_t)n;
	return n;
}

static ssize_t
memory_sendv(struct conn *c, struct iovec *iov, int n)
{
	ssize_t sent = 0;
	int i;

	(void)c;
	for (i = 0; i < n; i++) {
		must(BIO_write(SSL_get_rbio(client.ssl), iov[i].iov_base,
			 (int)iov[i].iov_len) == (int)iov[i].iov_len);
		sent += (ssize_t)iov[i].iov_len;
	}
	return sent;
}

static void
memory_watch(struct conn *c, unsigned what)
{
	(void)c;
	(void)what;
}

static void
memory_shut(struct conn *c)
{
	(void)c;
}

static void
memory_close(struct conn *c)
{
	(void)c;
	client.closed = true;
}

static const struct wire wire_memory = { .recv = memory_recv,
	.sendv = memory_sendv,
	.watch = memory_watch,
	.shut = memory_shut,
	.close = memory_close };

/* --- a worker with one connection --------------------------------------- */

static unsigned n_asked;

static void
route_text(struct req *r)
{
	n_asked++;
	reply_text(r, 200, "text\n");
}

static const struct route rows[] = {
	{ .serve = SERVE_PCCS,
	    .methods = 1u << METHOD_GET,
	    .path = "/t",
	    .fn = route_text },
	{ .fn = NULL },
};

static struct edge edge; /* counts the connection */
static struct config *config;
static struct routes *routes;
static struct worker *worker;
static struct listener listener;
static struct conn *conn;
static SSL_CTX *server_ctx, *client_ctx;

#define GET "GET /t HTTP/1.1\r\nHost: h\r\n\r\n"

static void
say(const char *text)
{
	must(SSL_write(client.ssl, text, (int)strlen(text)) ==
	     (int)strlen(text));
}

static void
setup(void)
{
	static const struct route *const lists[] = { rows };
	struct why why = { 0 };
	char text[600];

	log_level_set(LOG_ERROR);
	edge_certificate(run_dir(), "turn");
	snprintf(text, sizeof(text),
	    "{\"listen\":[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],"
	    "\"tls\":{\"certificate\":\"%s/turn.pem\",\"key\":\"%s/turn.key\"}"
	    "}]}",
	    run_dir(), run_dir());
	must(config_read(span_str(text), "test", &config, &why) == ERR_OK);
	edge_start(&edge, NULL, "");
	must(tls_context(&config->listen[0], &server_ctx, &why) == ERR_OK);
	client_ctx = SSL_CTX_new(TLS_client_method());
	must(client_ctx != NULL);
	memset(&client, 0, sizeof(client));
	routes = routes_new(lists, 1);
	worker = worker_new(edge.server, 0, routes, config, NULL, NULL);
	listener = (struct listener){ .worker = worker, .serve = SERVE_PCCS };
}

/* A connection that has had one answer. */
static void
begin(int version)
{
	char answer[1024];

	must(SSL_CTX_set_max_proto_version(client_ctx, version) == 1);
	client.ssl = SSL_new(client_ctx);
	SSL_set_bio(client.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_connect_state(client.ssl);
	conn =
	    conn_new(worker, &listener, &wire_memory, -1, tls_new(server_ctx));
	while (SSL_do_handshake(client.ssl) != 1)
		conn_event(conn, CONN_READABLE);
	n_asked = 0;
	say(GET);
	conn_event(conn, CONN_READABLE);
	ck_assert_uint_eq(n_asked, 1);
	ck_assert_int_gt(SSL_read(client.ssl, answer, sizeof(answer)), 0);
	ck_assert_int_eq(conn->state, CONN_IDLE);
	client.given = 0;
}

static void
teardown(void)
{
	if (!client.closed)
		conn_abort(conn);
	SSL_free(client.ssl);
	worker_free(worker);
	routes_free(routes);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	config_unref(config);
	edge_stop(&edge);
}

/* --- what a client may go on with ---------------------------------------- */

static void
more_keys(void)
{
	must(SSL_key_update(client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
	must(SSL_do_handshake(client.ssl) == 1);
}

static void
more_requests(void)
{
	unsigned i;

	for (i = 0; i < 64; i++)
		say(GET);
}

START_TEST(test_a_turn_ends_however_much_there_is)
{
	begin(TLS1_3_VERSION);
	client.more = more_requests;
	conn_event(conn, CONN_READABLE);
	ck_assert(!client.closed);
	ck_assert_uint_gt(client.given, 0);
	ck_assert_uint_le(client.given, 65536);
	/* and the connection is as good as before */
	client.more = NULL;
	say(GET);
	n_asked = 0;
	conn_event(conn, CONN_READABLE);
	ck_assert_uint_ge(n_asked, 1);
}
END_TEST

/* Each takes us longer than it takes to send. */
START_TEST(test_new_keys_are_had_a_few_times)
{
	unsigned i;

	begin(TLS1_3_VERSION);
	for (i = 0; i < 32; i++)
		more_keys();
	say(GET);
	conn_event(conn, CONN_READABLE);
	ck_assert_uint_eq(n_asked, 2);
	more_keys();
	say(GET);
	conn_event(conn, CONN_READABLE);
	ck_assert(client.closed);
	ck_assert_uint_eq(n_asked, 2);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
}
END_TEST

START_TEST(test_endless_new_keys_end_the_connection)
{
	begin(TLS1_3_VERSION);
	client.more = more_keys;
	conn_event(conn, CONN_READABLE);
	ck_assert(client.closed);
	ck_assert_uint_le(client.given, 65536);
}
END_TEST

START_TEST(test_what_is_no_request_does_not_put_the_end_off)
{
	int64_t due, from;

	begin(TLS1_3_VERSION);
	due = conn->late_at;
	from = clock_mono_ms();
	ck_assert_ptr_eq(conn->queue, &worker->idles);
	while (clock_mono_ms() < from + 2)
		continue;
	more_keys();
	conn_event(conn, CONN_READABLE);
	ck_assert_uint_gt(client.given, 0);
	ck_assert_ptr_eq(conn->queue, &worker->idles);
	ck_assert_int_eq(conn->late_at, due);
	/* a request does */
	say(GET);
	conn_event(conn, CONN_READABLE);
	ck_assert_ptr_eq(conn->queue, &worker->idles);
	ck_assert_int_gt(conn->late_at, due);
}
END_TEST

/*
 * One of them takes us longer than it takes to send, and OpenSSL, which says
 * no to each, has no end of patience.
 */
START_TEST(test_a_second_handshake_ends_the_connection)
{
	begin(TLS1_2_VERSION);
	must(SSL_renegotiate(client.ssl) == 1);
	ck_assert_int_ne(SSL_do_handshake(client.ssl), 1);
	conn_event(conn, CONN_READABLE);
	ck_assert(client.closed);
	ck_assert_uint_eq(metric_get(M_TLS_FAILED), 1);
	/* and it has been told */
	ck_assert_int_ne(SSL_do_handshake(client.ssl), 1);
	ck_assert_int_eq(ERR_GET_REASON(ERR_peek_error()),
	    SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("turn");
	TCase *tc = tcase_create("turn");
	SRunner *sr = srunner_create(s);
	int failed;

	edge_prepare();
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_a_turn_ends_however_much_there_is);
	tcase_add_test(tc, test_new_keys_are_had_a_few_times);
	tcase_add_test(tc, test_endless_new_keys_end_the_connection);
	tcase_add_test(tc, test_what_is_no_request_does_not_put_the_end_off);
	tcase_add_test(tc, test_a_second_handshake_ends_the_connection);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
