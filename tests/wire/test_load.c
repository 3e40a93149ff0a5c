/* Bad company: many clients at once, most of them up to no good. */
#include "config/base/metric.h"
#include "tests/kit/edge.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

static int
status_of(int fd)
{
	struct edge_reply r;
	int status;

	edge_read(fd, &r, false);
	status = r.status;
	edge_reply_free(&r);
	return status;
}

/* Descriptors this process has open. */
static int
fds_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* --- a mixed crowd -----------------------------------------------------------
 */

enum kind {
	GOOD,
	KEPT,
	SILENT,
	CRAWLER,
	GARBAGE,
	OVERSIZE,
	RESET,
	PARKED,
	KINDS
};
#define EACH 25

static const char *const says[KINDS] = {
	[GOOD] = GET1 "Connection: close\r\n\r\n",
	[KEPT] = "GET /hit HTTP/1.1\r\n" HOST "\r\n",
	[SILENT] = "",
	[CRAWLER] = GET1 "X-Test: ",
	[GARBAGE] = "\x16\x03\x01 what is this\r\n\r\n",
	[OVERSIZE] = "POST /body HTTP/1.1\r\n" HOST
		     "Content-Length: 999999999\r\n\r\nsome of it",
	[RESET] = "GET /many HTTP/1.1\r\n" HOST "\r\n",
	[PARKED] = "GET /park HTTP/1.1\r\n" HOST "\r\n",
};

static void
crowd_come(int fd[KINDS][EACH])
{
	int i, k;

	for (i = 0; i < EACH; i++) {
		for (k = 0; k < KINDS; k++) {
			fd[k][i] = edge_open(edge.port);
			edge_send(fd[k][i], says[k]);
		}
	}
}

/* What each of them gets, while the others are there. */
static void
crowd_go(int fd[KINDS][EACH])
{
	int i;

	for (i = 0; i < EACH; i++) {
		ck_assert_int_eq(status_of(fd[GOOD][i]), 200);
		ck_assert(edge_closed(fd[GOOD][i]));
		ck_assert_int_eq(status_of(fd[KEPT][i]), 200);
		ck_assert_int_eq(status_of(fd[GARBAGE][i]), 400);
		ck_assert_int_eq(status_of(fd[OVERSIZE][i]), 413);
		edge_reset(fd[RESET][i]);
	}
	for (i = 0; i < EACH; i++) {
		ck_assert(edge_closed(fd[SILENT][i]));
		ck_assert_int_eq(status_of(fd[CRAWLER][i]), 408);
		close(fd[GOOD][i]);
		close(fd[KEPT][i]);
		close(fd[GARBAGE][i]);
		close(fd[OVERSIZE][i]);
		close(fd[SILENT][i]);
		close(fd[CRAWLER][i]);
	}
	edge_park_wait(EACH);
	edge_release();
	for (i = 0; i < EACH; i++) {
		ck_assert_int_eq(status_of(fd[PARKED][i]), 200);
		close(fd[PARKED][i]);
	}
	edge_connections_wait(&edge, 0);
}

START_TEST(test_a_mixed_crowd_leaves_nothing_behind)
{
	static int fd[KINDS][EACH];
	int before, round;

	edge_start(&edge, NULL, "\"header_timeout_ms\":2000");
	before = fds_open();
	for (round = 1; round <= 4; round++) {
		crowd_come(fd);
		crowd_go(fd);
		ck_assert_int_eq(fds_open(), before);
		/* every one of them has been counted as what it was */
		ck_assert_uint_eq(metric_get(M_CONNECTIONS),
		    (uint64_t)(KINDS * EACH * round));
		ck_assert_uint_eq(metric_get(M_HTTP_MALFORMED),
		    (uint64_t)(EACH * round));
		ck_assert_uint_eq(metric_get(M_TIMEOUT_HEADER),
		    (uint64_t)(2 * EACH * round));
		ck_assert_uint_eq(metric_answered_get(ERR_BODY_TOO_BIG),
		    (uint64_t)(EACH * round));
		ck_assert_uint_eq(metric_get(M_SHED_CONNECTIONS), 0);
	}
}
END_TEST

/* At the cap, the crowd is told so, and who is in is served. */
START_TEST(test_a_crowd_at_the_cap_is_shed)
{
	int in[10], out[9], i;

	edge_start(&edge, NULL, "\"connections\":10");
	for (i = 0; i < 10; i++) {
		in[i] = edge_open(edge.port);
		edge_send(in[i], GET1 "\r\n");
		ck_assert_int_eq(status_of(in[i]), 200);
	}
	for (i = 0; i < 9; i++) {
		out[i] = edge_open(edge.port);
		edge_send(out[i], says[i % 2 == 0 ? GARBAGE : KEPT]);
		ck_assert_int_eq(status_of(out[i]), i % 2 == 0 ? 400 : 503);
		edge_send(in[i], GET1 "\r\n");
		ck_assert_int_eq(status_of(in[i]), 200);
		edge_reset(out[i]);
	}
	ck_assert_uint_eq(metric_get(M_SHED_CONNECTIONS), 9);
	for (i = 0; i < 10; i++)
		close(in[i]);
	edge_connections_wait(&edge, 0);
	ck_assert_int_eq(edge_ask(&edge, GET1 "\r\n"), 200);
}
END_TEST

/* --- descriptors
 * ------------------------------------------------------------------ */

START_TEST(test_running_out_of_descriptors_passes)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct rlimit lim;
	int filler[300], n = 0, fd;

	edge_start(&edge, NULL, "");
	a.sin_port = htons((uint16_t)edge.port);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = 256;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while ((filler[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) != -1)
		n++;
	ck_assert_int_gt(n, 0);
	/* The kernel lets it in, the server cannot, and leaves it waiting. */
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	edge_send(fd, GET1 "\r\n");
	ck_assert_uint_eq(server_connections(edge.server), 0);
	while (n > 0)
		close(filler[--n]);
	ck_assert_int_eq(status_of(fd), 200);
	close(fd);
}
END_TEST

/* --- tokens that cost
 * ---------------------------------------------------------------- */

#define GUESSES 40

/*
 * Guessing tokens costs the server time, so only so many wait for it; what
 * needs no token is served meanwhile.
 */
START_TEST(test_guessed_tokens_hold_up_no_one)
{
	int fd[GUESSES], i, n_401 = 0, status;
	char text[200];

	edge_start(&edge, NULL, "");
	for (i = 0; i < GUESSES; i++) {
		fd[i] = edge_open(edge.port);
		snprintf(text, sizeof(text),
		    "GET /admin HTTP/1.1\r\n" HOST
		    "admin-token: guess-%d\r\n\r\n",
		    i);
		edge_send(fd[i], text);
	}
	for (i = 0; i < GUESSES; i++)
		ck_assert_int_eq(edge_ask(&edge, GET1 "\r\n"), 200);
	for (i = 0; i < GUESSES; i++) {
		status = status_of(fd[i]);
		ck_assert(status == 401 || status == 503);
		n_401 += status == 401;
		close(fd[i]);
	}
	ck_assert(n_401 >= 1 && n_401 < GUESSES);
	ck_assert_uint_eq(metric_get(M_AUTH_FAILED) +
			      metric_answered_get(ERR_SHED),
	    GUESSES);
	ck_assert_uint_eq(metric_get(M_SHED_TOKEN),
	    metric_answered_get(ERR_SHED));
	/* The right one still opens. */
	ck_assert_int_eq(edge_ask(&edge, "GET /admin HTTP/1.1\r\n" HOST
					 "admin-token: " EDGE_NAMED "\r\n\r\n"),
	    200);
}
END_TEST

/* A client may leave, and the server end, while a token is looked at. */
START_TEST(test_a_client_may_leave_while_its_token_is_hashed)
{
	int fd[4], i;
	char text[200];

	edge_start(&edge, NULL, "");
	for (i = 0; i < 4; i++) {
		fd[i] = edge_open(edge.port);
		snprintf(text, sizeof(text),
		    "PUT /admin HTTP/1.1\r\n" HOST
		    "admin-token: guess-%d\r\nContent-Length: 4\r\n\r\n",
		    i);
		edge_send(fd[i], text);
	}
	for (i = 0; i < 4; i++)
		edge_reset(fd[i]);
	edge_connections_wait(&edge, 0);
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_test(tc, test_a_mixed_crowd_leaves_nothing_behind);
	tcase_add_test(tc, test_a_crowd_at_the_cap_is_shed);
	tcase_add_test(tc, test_running_out_of_descriptors_passes);
	tcase_add_test(tc, test_guessed_tokens_hold_up_no_one);
	tcase_add_test(tc, test_a_client_may_leave_while_its_token_is_hashed);
}

int
main(void)
{
	Suite *s = suite_create("load");
	TCase *tc = tcase_create("load");
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
