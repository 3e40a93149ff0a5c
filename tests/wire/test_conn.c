/* Connections that end, wait, crawl, crowd and are drained. */
#include "config/base/metric.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: h\r\n"
#define GET1 "GET /text HTTP/1.1\r\n" HOST
#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define PARK "GET /park HTTP/1.1\r\n" HOST "\r\n"

static struct edge edge;

/* Tests start their own, with the limits they need. */
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

static void
expect_end(int fd)
{
	ck_assert(edge_closed(fd));
	close(fd);
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

/* --- the client ends ------------------------------------------------------ */

START_TEST(test_requests_before_a_half_close_are_answered)
{
	int fd;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, GET1 "\r\nPOST /body HTTP/1.1\r\n" HOST
			   "Content-Length: 3\r\n\r\nabc" GET1 "\r\n");
	shutdown(fd, SHUT_WR);
	edge_expect(fd, 200, "text\n");
	edge_expect(fd, 200, "abc");
	edge_expect(fd, 200, "text\n");
	expect_end(fd);
	edge_connections_wait(&edge, 0);
}
END_TEST

START_TEST(test_a_half_request_before_a_half_close_is_none)
{
	static const char *const parts[] = { "", "G", GET1, GET1 "\r",
		"POST /body HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n",
		"POST /body HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc" };
	int fd;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, parts[_i]);
	shutdown(fd, SHUT_WR);
	expect_end(fd);
	edge_connections_wait(&edge, 0);
}
END_TEST

START_TEST(test_a_half_closed_client_is_still_waited_for)
{
	int fd;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, PARK);
	shutdown(fd, SHUT_WR);
	edge_park_wait(1);
	edge_release();
	edge_expect(fd, 200, "released\n");
	expect_end(fd);
}
END_TEST

START_TEST(test_a_client_may_leave_while_its_request_waits)
{
	int fd, i;

	start("");
	for (i = 0; i < 8; i++) {
		fd = edge_open(edge.port);
		edge_send(fd, PARK);
		edge_park_wait((size_t)i + 1);
		edge_reset(fd);
	}
	/* The connections are gone, the requests are not. */
	edge_connections_wait(&edge, 0);
	ck_assert_uint_eq(edge_parked(), 8);
	edge_release();
	close(open_served());
}
END_TEST

/* The same, and the server ends before the requests are answered. */
START_TEST(test_requests_without_a_client_outlive_the_drain)
{
	int fd;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, PARK);
	edge_park_wait(1);
	edge_reset(fd);
	edge_connections_wait(&edge, 0);
	server_drain(edge.server);
	ck_assert_uint_eq(edge_parked(), 1);
}
END_TEST

START_TEST(test_a_client_may_leave_in_the_middle_of_an_answer)
{
	struct edge_reply r;
	char part[1000];
	int fd, i;

	start("");
	for (i = 0; i < 4; i++) {
		fd = edge_open(edge.port);
		edge_send(fd, "GET /many HTTP/1.1\r\n" HOST "\r\n");
		ck_assert_int_gt(recv(fd, part, sizeof(part), 0), 0);
		edge_reset(fd);
	}
	edge_connections_wait(&edge, 0);
	fd = edge_open(edge.port);
	edge_send(fd, "GET /many HTTP/1.1\r\n" HOST "\r\n");
	edge_read(fd, &r, false);
	ck_assert_uint_eq(r.len, EDGE_MANY_LEN);
	edge_reply_free(&r);
	close(fd);
}
END_TEST

/* --- deadlines ------------------------------------------------------------ */

/* Time enough to say something first, unless nothing is said. */
#define QUICK_HEADERS "\"header_timeout_ms\":1000"
#define NO_HEADERS    "\"header_timeout_ms\":50"

static const char *const part_heads[] = { "G", GET1, GET1 "X-Test: v\r",
	GET1 "X-Test: v\r\n\r" };

START_TEST(test_slow_headers_end_with_408)
{
	struct edge_reply r;
	int fd;

	start(QUICK_HEADERS);
	fd = edge_open(edge.port);
	edge_send(fd, part_heads[_i]);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 408);
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	ck_assert_str_eq(edge_header(&r, "Larder-Reason"), "request-too-slow");
	edge_reply_free(&r);
	expect_end(fd);
	ck_assert_uint_eq(metric_get(M_TIMEOUT_HEADER), 1);
}
END_TEST

/* A byte now and then buys no time. */
START_TEST(test_dripping_headers_end_with_408)
{
	struct pollfd p = { .events = POLLIN };
	int n = 0;

	start(QUICK_HEADERS);
	p.fd = edge_open(edge.port);
	edge_send(p.fd, GET1 "X-Test: ");
	while (poll(&p, 1, 10) == 0 && n++ < 1000)
		(void)!send(p.fd, "a", 1, MSG_NOSIGNAL);
	ck_assert_int_lt(n, 1000);
	edge_expect(p.fd, 408, "Request timeout.");
	expect_end(p.fd);
}
END_TEST

/* Also behind an answer: the second request's headers have their own time. */
START_TEST(test_slow_headers_of_a_second_request_end_with_408)
{
	int fd;

	start(QUICK_HEADERS);
	fd = edge_open(edge.port);
	edge_send(fd, GET1 "\r\n" GET1);
	edge_expect(fd, 200, "text\n");
	edge_expect(fd, 408, "Request timeout.");
	expect_end(fd);
}
END_TEST

START_TEST(test_a_silent_connection_is_closed_without_a_word)
{
	start(NO_HEADERS);
	expect_end(edge_open(edge.port));
	ck_assert_uint_eq(metric_get(M_TIMEOUT_HEADER), 1);
}
END_TEST

START_TEST(test_an_idle_connection_is_closed_without_a_word)
{
	start("\"idle_timeout_ms\":50");
	expect_end(open_served());
	ck_assert_uint_eq(metric_get(M_TIMEOUT_IDLE), 1);
	ck_assert_uint_eq(metric_get(M_TIMEOUT_HEADER), 0);
}
END_TEST

START_TEST(test_a_slow_body_ends_with_408)
{
	int fd;

	start(QUICK_HEADERS ",\"request_timeout_ms\":1000");
	fd = edge_open(edge.port);
	edge_send(fd,
	    "POST /body HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc");
	edge_expect(fd, 408, "Request timeout.");
	expect_end(fd);
	ck_assert_uint_eq(metric_get(M_TIMEOUT_REQUEST), 1);
}
END_TEST

/* No deadline of the connection's ends what a handler still works on. */
START_TEST(test_a_waiting_request_has_no_deadline_of_ours)
{
	struct pollfd p = { .events = POLLIN };

	start(QUICK_HEADERS ",\"request_timeout_ms\":1000,"
			    "\"idle_timeout_ms\":50");
	p.fd = edge_open(edge.port);
	edge_send(p.fd, PARK);
	edge_park_wait(1);
	/* Another connection has come to its deadline meanwhile. */
	expect_end(edge_open(edge.port));
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	edge_release();
	edge_expect(p.fd, 200, "released\n");
	expect_end(p.fd);
}
END_TEST

START_TEST(test_a_slow_reader_gets_all_and_holds_up_no_one)
{
	struct edge_reply r;
	int fd, i;

	start("");
	fd = edge_open(edge.port);
	edge_send(fd, "GET /many HTTP/1.1\r\n" HOST "\r\n" GET1 "\r\n");
	/* Sockets are full by now, on whichever worker it is. */
	for (i = 0; i < 20; i++)
		close(open_served());
	edge_read(fd, &r, false);
	ck_assert_uint_eq(r.len, EDGE_MANY_LEN);
	ck_assert_uint_eq(strspn(r.body, "m"), EDGE_MANY_LEN);
	edge_reply_free(&r);
	edge_expect(fd, 200, "text\n");
	close(fd);
}
END_TEST

/* --- caps ------------------------------------------------------------------
 */

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
	expect_end(fd);
}

static const char *const caps[] = { "\"connections\":2",
	"\"connections_per_source\":2" };

START_TEST(test_over_the_cap_there_is_an_empty_503)
{
	int a, b;

	start(caps[_i]);
	a = open_served();
	b = open_served();
	expect_shed(edge_open(edge.port));
	expect_shed(edge_open(edge.port));
	ck_assert_uint_eq(metric_get(M_SHED_CONNECTIONS), 2);
	/* Those that are in stay in, and make room when they go. */
	edge_send(a, GET1 "\r\n");
	edge_expect(a, 200, "text\n");
	close(a);
	edge_connections_wait(&edge, 1);
	a = open_served();
	expect_shed(edge_open(edge.port));
	close(a);
	close(b);
}
END_TEST

/* Telling them costs, too: there is a number of those, and then silence. */
START_TEST(test_far_over_the_cap_connections_are_closed)
{
	int fd[9], i;

	start("\"connections\":1");
	fd[8] = open_served();
	for (i = 0; i < 8; i++)
		fd[i] = edge_open(edge.port);
	edge_connections_wait(&edge, 9);
	for (i = 0; i < 3; i++)
		expect_end(edge_open(edge.port));
	ck_assert_uint_eq(metric_get(M_SHED_CONNECTIONS), 11);
	for (i = 0; i < 8; i++)
		expect_shed(fd[i]);
	edge_send(fd[8], GET1 "\r\n");
	edge_expect(fd[8], 200, "text\n");
	close(fd[8]);
	edge_connections_wait(&edge, 0);
	close(open_served());
}
END_TEST

START_TEST(test_one_connection_serves_many_requests)
{
	struct edge_reply r;
	int fd, i;

	start("");
	fd = edge_open(edge.port);
	for (i = 0; i < 1000; i++) {
		edge_send(fd, "GET /hit HTTP/1.1\r\n" HOST "\r\n");
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 200);
		ck_assert_uint_eq(r.len, EDGE_HIT_LEN);
		edge_reply_free(&r);
		edge_send(fd, "POST /body HTTP/1.1\r\n" HOST
			      "Content-Length: 4\r\n\r\nbody");
		edge_expect(fd, 200, "body");
	}
	close(fd);
	ck_assert_uint_eq(metric_get(M_HTTP_REQUESTS), 2000);
	ck_assert_uint_eq(metric_get(M_CONNECTIONS), 1);
}
END_TEST

/* --- drain -----------------------------------------------------------------
 */

static void *
drain_run(void *arg)
{
	server_drain(arg);
	return NULL;
}

/* Until nobody accepts any more: every worker has begun to drain by then. */
static void
drain_wait(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, rc;

	do {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_ge(fd, 0);
		rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
		ck_assert(rc == 0 || errno == ECONNREFUSED);
		close(fd);
	} while (rc == 0);
}

START_TEST(test_drain_finishes_what_is_in_flight)
{
	struct edge_reply r;
	pthread_t t;
	int park, idle, body, half, port;

	start("");
	port = edge.port;
	park = edge_open(port);
	edge_send(park, PARK);
	edge_park_wait(1);
	idle = open_served();
	body = open_served();
	edge_send(body,
	    "POST /body HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
	    "Content-Length: 4\r\n\r\n");
	edge_read(body, &r, false);
	ck_assert_int_eq(r.status, 100);
	edge_reply_free(&r);
	half = open_served();
	edge_send(half, GET1 "\r\n" GET1);
	edge_expect(half, 200, "text\n"); /* the next head has begun */
	ck_assert_int_eq(pthread_create(&t, NULL, drain_run, edge.server), 0);
	expect_end(idle);
	drain_wait(port);
	edge_send(body, "abcd");
	edge_read(body, &r, false);
	ck_assert_str_eq(r.body, "abcd");
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	edge_reply_free(&r);
	expect_end(body);
	edge_send(half, "\r\n");
	edge_expect(half, 200, "text\n");
	expect_end(half);
	edge_release();
	edge_read(park, &r, false);
	ck_assert_str_eq(r.body, "released\n");
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	edge_reply_free(&r);
	expect_end(park);
	pthread_join(t, NULL);
	ck_assert_uint_eq(server_connections(edge.server), 0);
}
END_TEST

/*
 * Whoever stands in the queue of a socket is served as well: there are more
 * than a worker takes at one time.
 */
START_TEST(test_drain_serves_those_who_have_just_come)
{
	static int fd[200];
	int stall[100], n_stall = 0, i;
	pthread_t t;

	start("");
	while (edge_stalled() < EDGE_WORKERS && n_stall < 100) {
		stall[n_stall] = edge_open(edge.port);
		edge_send(stall[n_stall++],
		    "GET /stall HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
		(void)poll(NULL, 0, 1);
	}
	/* A hundred find their way to both: if not yet, they are slow. */
	for (i = 0; edge_stalled() < EDGE_WORKERS; i++) {
		ck_assert_int_lt(i, PATIENCE_MS);
		(void)poll(NULL, 0, 1);
	}
	for (i = 0; i < N(fd); i++) {
		fd[i] = edge_open(edge.port);
		edge_send(fd[i], GET1 "\r\n");
	}
	ck_assert_int_eq(pthread_create(&t, NULL, drain_run, edge.server), 0);
	(void)poll(NULL, 0, 1);
	edge_go_on();
	for (i = 0; i < N(fd); i++) {
		edge_expect(fd[i], 200, "text\n");
		expect_end(fd[i]);
	}
	for (i = 0; i < n_stall; i++)
		close(stall[i]);
	pthread_join(t, NULL);
}
END_TEST

START_TEST(test_drain_does_not_wait_for_ever)
{
	int fd;

	start("\"drain_s\":0");
	fd = edge_open(edge.port);
	edge_send(fd, PARK);
	edge_park_wait(1);
	server_drain(edge.server);
	expect_end(fd);
	ck_assert_uint_eq(server_connections(edge.server), 0);
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_test(tc, test_requests_before_a_half_close_are_answered);
	tcase_add_loop_test(tc, test_a_half_request_before_a_half_close_is_none,
	    0, 6);
	tcase_add_test(tc, test_a_half_closed_client_is_still_waited_for);
	tcase_add_test(tc, test_a_client_may_leave_while_its_request_waits);
	tcase_add_test(tc, test_requests_without_a_client_outlive_the_drain);
	tcase_add_test(tc, test_a_client_may_leave_in_the_middle_of_an_answer);
	tcase_add_loop_test(tc, test_slow_headers_end_with_408, 0,
	    N(part_heads));
	tcase_add_test(tc, test_dripping_headers_end_with_408);
	tcase_add_test(tc, test_slow_headers_of_a_second_request_end_with_408);
	tcase_add_test(tc, test_a_silent_connection_is_closed_without_a_word);
	tcase_add_test(tc, test_an_idle_connection_is_closed_without_a_word);
	tcase_add_test(tc, test_a_slow_body_ends_with_408);
	tcase_add_test(tc, test_a_waiting_request_has_no_deadline_of_ours);
	tcase_add_test(tc, test_a_slow_reader_gets_all_and_holds_up_no_one);
	tcase_add_loop_test(tc, test_over_the_cap_there_is_an_empty_503, 0,
	    N(caps));
	tcase_add_test(tc, test_far_over_the_cap_connections_are_closed);
	tcase_add_test(tc, test_one_connection_serves_many_requests);
	tcase_add_test(tc, test_drain_finishes_what_is_in_flight);
	tcase_add_test(tc, test_drain_serves_those_who_have_just_come);
	tcase_add_test(tc, test_drain_does_not_wait_for_ever);
}

int
main(void)
{
	Suite *s = suite_create("conn");
	TCase *tc = tcase_create("conn");
	SRunner *sr = srunner_create(s);
	int failed;

	edge_prepare();
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
