/* Listeners: sockets that are there, in use, dead, added and closed. */
#include "server/edge.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST "Host: h\r\n"
#define GET1 "GET /text HTTP/1.1\r\n" HOST

static struct edge edge;

static void
setup(void)
{
	memset(&edge, 0, sizeof(edge));
}

static void
teardown(void)
{
	if (edge.server != NULL)
		edge_stop(&edge);
}

static void
start(const char *limits)
{
	edge_start(&edge, NULL, limits);
}

/* A connection that has had an answer. */
static int
open_served(void)
{
	int fd = edge_open(edge.port);

	edge_send(fd, GET1 "\r\n");
	edge_expect(fd, 200, "text\n");
	return fd;
}

/* The 503 of a server that is full. */
static void
expect_shed(int fd)
{
	struct edge_reply r;

	edge_send(fd, GET1 "\r\n");
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 503);
	ck_assert_uint_eq(r.len, 0);
	ck_assert_str_eq(edge_header(&r, "Content-Length"), "0");
	ck_assert_str_eq(edge_header(&r, "Retry-After"), "1");
	ck_assert_str_eq(edge_header(&r, "Larder-Reason"), "shed");
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	edge_reply_free(&r);
	ck_assert(edge_closed(fd));
	close(fd);
}

/* --- listeners --------------------------------------------------------------
 */

/* Listeners at these addresses; the text is good until the next call. */
static const char *
listen_at(const char *path, const char *serve)
{
	static char text[600];

	snprintf(text, sizeof(text),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]},"
	    "{\"address\":\"unix:%s\",\"serve\":[\"%s\"]}]",
	    path, serve);
	return text;
}

static int
ask_fd(int fd, const char *text)
{
	struct edge_reply r;
	int status;

	edge_send(fd, text);
	edge_read(fd, &r, false);
	status = r.status;
	edge_reply_free(&r);
	close(fd);
	return status;
}

START_TEST(test_a_unix_socket_is_a_listener)
{
	const char *path = run_path("wire.sock");
	struct edge_reply r;
	struct stat st;
	char uid[40];
	int fd;

	edge_start(&edge, listen_at(path, "pccs"),
	    "\"connections_per_source\":1");
	fd = edge_open_unix(path);
	edge_send(fd, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
	edge_read(fd, &r, false);
	snprintf(uid, sizeof(uid), "peer=unix:uid=%u\n", (unsigned)getuid());
	ck_assert_ptr_nonnull(strstr(r.body, uid));
	ck_assert_ptr_nonnull(strstr(r.body, "listener=1\n"));
	edge_reply_free(&r);
	/* the cap per source is for addresses */
	ck_assert_int_eq(ask_fd(edge_open_unix(path), GET1 "\r\n"), 200);
	close(fd);
	edge_stop(&edge);
	ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(test_each_listener_serves_its_families)
{
	const char *path = run_path("ops.sock");
	static const char ops[] = "GET /ops HTTP/1.1\r\n" HOST "\r\n";

	edge_start(&edge, listen_at(path, "ops"), "");
	ck_assert_int_eq(ask_fd(edge_open_unix(path), ops), 200);
	ck_assert_int_eq(ask_fd(edge_open_unix(path), GET1 "\r\n"), 404);
	ck_assert_int_eq(edge_ask(&edge, ops), 404);
	ck_assert_int_eq(edge_ask(&edge, GET1 "\r\n"), 200);
}
END_TEST

static enum err
start_beside(const char *listen, struct server **out, struct why *why)
{
	static const struct route none[] = { { .fn = NULL } };
	static const struct route *const lists[] = { none };
	struct config *config = edge_config(listen, "");
	enum err e =
	    server_start_routes(lists, 1, config, NULL, NULL, out, why);

	config_unref(config);
	return e;
}

/* A dead server's socket is taken over, a live one's is left alone. */
START_TEST(test_a_unix_socket_in_use_is_left_alone)
{
	const char *path = run_path("used.sock");
	struct server *other = NULL;
	struct why why = { 0 };
	struct stat st;

	edge_start(&edge, listen_at(path, "pccs"), "");
	ck_assert_int_ne(start_beside(listen_at(path, "pccs"), &other, &why),
	    ERR_OK);
	ck_assert_ptr_null(other);
	ck_assert_ptr_nonnull(strstr(why.text, "used.sock"));
	ck_assert_int_eq(ask_fd(edge_open_unix(path), GET1 "\r\n"), 200);
	edge_stop(&edge);
	ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(test_a_dead_unix_socket_is_taken_over)
{
	const char *path = run_path("dead.sock");
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	edge_start(&edge, listen_at(path, "pccs"), "");
	ck_assert_int_eq(ask_fd(edge_open_unix(path), GET1 "\r\n"), 200);
}
END_TEST

/* What was opened before a failure is closed, once, and forgotten. */
START_TEST(test_a_failed_listen_leaves_nothing)
{
	char address[200];
	int fd[2] = { 7, 7 }, port;

	snprintf(address, sizeof(address), "unix:%s", run_dir());
	ck_assert_int_ne(listen_open(address, false, fd, 2, &port, NULL),
	    ERR_OK);
	ck_assert_int_eq(fd[0], -1);
	ck_assert_int_eq(fd[1], -1);
}
END_TEST

START_TEST(test_a_port_in_use_is_refused)
{
	struct server *other = NULL;
	struct why why = { 0 };
	char text[100];

	start("");
	snprintf(text, sizeof(text),
	    "[{\"address\":\"127.0.0.1:%d\",\"serve\":[\"pccs\"]}]", edge.port);
	ck_assert_int_ne(start_beside(text, &other, &why), ERR_OK);
	ck_assert_ptr_null(other);
	ck_assert_int_eq(edge_ask(&edge, GET1 "\r\n"), 200);
}
END_TEST

static enum err
reload(const char *listen, const char *limits)
{
	struct config *config = edge_config(listen, limits);
	enum err e = server_reload(edge.server, config, NULL);

	config_unref(config);
	return e;
}

START_TEST(test_a_reload_adds_and_closes_listeners)
{
	const char *path = run_path("new.sock");
	struct stat st;
	int tcp, un;

	start("");
	tcp = open_served();
	ck_assert_int_eq(reload(listen_at(path, "pccs"), ""), ERR_OK);
	ck_assert_int_eq(server_port(edge.server, 0), edge.port);
	un = edge_open_unix(path);
	edge_send(un, GET1 "\r\n");
	edge_expect(un, 200, "text\n");
	ck_assert_int_eq(reload(NULL, ""), ERR_OK);
	ck_assert_int_eq(lstat(path, &st), -1);
	/* Open connections go on, the closed listener's too. */
	edge_send(un, GET1 "\r\n");
	edge_expect(un, 200, "text\n");
	edge_send(tcp, GET1 "\r\n");
	edge_expect(tcp, 200, "text\n");
	close(un);
	close(tcp);
	edge_connections_wait(&edge, 0);
}
END_TEST

START_TEST(test_a_reload_that_cannot_be_is_refused_whole)
{
	const char *path = run_path("not-there/x.sock");
	int fd;

	start("");
	fd = open_served();
	ck_assert_int_ne(reload(listen_at(path, "ops"), "\"connections\":1"),
	    ERR_OK);
	edge_send(fd, GET1 "\r\n");
	edge_expect(fd, 200, "text\n");
	close(open_served());
	close(fd);
}
END_TEST

START_TEST(test_a_reload_brings_new_limits)
{
	int a, b;

	start("");
	a = open_served();
	b = open_served();
	ck_assert_int_eq(reload(NULL, "\"connections\":2"), ERR_OK);
	expect_shed(edge_open(edge.port));
	ck_assert_int_eq(reload(NULL, ""), ERR_OK);
	close(open_served());
	close(a);
	close(b);
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_test(tc, test_a_unix_socket_is_a_listener);
	tcase_add_test(tc, test_each_listener_serves_its_families);
	tcase_add_test(tc, test_a_unix_socket_in_use_is_left_alone);
	tcase_add_test(tc, test_a_dead_unix_socket_is_taken_over);
	tcase_add_test(tc, test_a_failed_listen_leaves_nothing);
	tcase_add_test(tc, test_a_port_in_use_is_refused);
	tcase_add_test(tc, test_a_reload_adds_and_closes_listeners);
	tcase_add_test(tc, test_a_reload_that_cannot_be_is_refused_whole);
	tcase_add_test(tc, test_a_reload_brings_new_limits);
}

int
main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("listen");
	SRunner *sr = srunner_create(s);
	int failed;

	edge_prepare();
	(void)run_dir();
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
