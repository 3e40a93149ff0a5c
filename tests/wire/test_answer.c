/* What answers are, byte for byte, and what handlers get to see. */
#include "tests/kit/edge.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct edge edge;

static void
setup(void)
{
	edge_start(&edge, NULL, "");
}

static void
teardown(void)
{
	edge_stop(&edge);
}

#define HOST "Host: h\r\n"
#define GET1 "GET /text HTTP/1.1\r\n" HOST

/* --- the exact bytes of answers ---------------------------------------- */

/* Status line, then each line "Name: value", CRLF, nothing else. */
static void
check_lines(const char *text)
{
	const char *p = text, *end, *colon;

	ck_assert_int_eq(strncmp(p, "HTTP/1.1 ", 9), 0);
	while ((end = strstr(p, "\r\n")) != p) {
		ck_assert_ptr_nonnull(end);
		ck_assert_ptr_null(memchr(p, '\n', (size_t)(end - p)));
		if (p != text) {
			colon = memchr(p, ':', (size_t)(end - p));
			ck_assert_ptr_nonnull(colon);
			ck_assert_int_eq(colon[1], ' ');
			ck_assert(colon + 2 < end); /* never empty */
			ck_assert_int_ne(end[-1], ' ');
		}
		p = end + 2;
	}
	ck_assert_str_eq(p, "\r\n");
	ck_assert_ptr_null(strstr(text, "Server:"));
	ck_assert_ptr_null(strstr(text, "Transfer-Encoding"));
}

START_TEST(test_header_lines_have_one_form)
{
	static const char *const asks[] = { GET1 "\r\n",
		"GET /hit HTTP/1.1\r\n" HOST "\r\n",
		"GET /err?token=shed HTTP/1.1\r\n" HOST "\r\n",
		"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", "rubbish\r\n\r\n" };
	struct edge_reply r;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		fd = edge_open(edge.port);
		edge_send(fd, asks[i]);
		edge_read(fd, &r, false);
		check_lines(r.text);
		ck_assert_ptr_nonnull(edge_header(&r, "Content-Length"));
		ck_assert_ptr_nonnull(edge_header(&r, "Request-ID"));
		edge_reply_free(&r);
		close(fd);
	}
}
END_TEST

START_TEST(test_a_ready_answer_is_exactly_these_bytes)
{
	struct edge_reply r;
	char want[400];
	int fd = edge_open(edge.port);

	edge_send(fd, "GET /hit HTTP/1.1\r\n" HOST "Request-ID: abc-1\r\n\r\n");
	edge_read(fd, &r, false);
	snprintf(want, sizeof(want),
	    "HTTP/1.1 200 OK\r\nRequest-ID: abc-1\r\nDate: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: 10000\r\n\r\n",
	    edge_header(&r, "Date"));
	ck_assert_str_eq(r.text, want);
	ck_assert_uint_eq(strspn(r.body, "h"), EDGE_HIT_LEN);
	edge_reply_free(&r);
	close(fd);
}
END_TEST

START_TEST(test_a_request_id_is_kept_or_drawn)
{
	static const struct {
		const char *sent;
		bool kept;
	} cases[] = { { "a", true }, { "0123456789abcdef-XYZ", true },
		{ "0123456789012345678901234567890123456789012345678901234567"
		  "890123",
		    true },
		{ "0123456789012345678901234567890123456789012345678901234567"
		  "8901234",
		    false },
		{ "a b", false }, { "a_b", false }, { "", false },
		{ "a\xc3\xa9", false } };
	struct edge_reply r;
	char text[300], seen[33] = "";
	const char *id;
	size_t i;
	int fd = edge_open(edge.port);

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), GET1 "request-id: %s\r\n\r\n",
		    cases[i].sent);
		edge_send(fd, text);
		edge_read(fd, &r, false);
		id = edge_header(&r, "Request-ID");
		if (cases[i].kept) {
			ck_assert_str_eq(id, cases[i].sent);
		} else {
			ck_assert_uint_eq(strlen(id), 32);
			ck_assert_uint_eq(strspn(id, "0123456789abcdef"), 32);
			ck_assert_str_ne(id, seen);
			strcpy(seen, id);
		}
		edge_reply_free(&r);
	}
	close(fd);
}
END_TEST

static const struct {
	const char *token;
	int status;
	const char *body;
} errors[] = {
	{ "bad-parameter", 400, "Invalid request parameters." },
	{ "ppid-missing", 400, "Invalid request parameters." },
	{ "unauthenticated", 401, "Authentication failed." },
	{ "not-cached", 404, "No cache data for this platform." },
	{ "upstream-404", 404, "No cache data for this platform." },
	{ "v3-end-of-life", 410,
	    "The Intel PCS API version 3 reached planned EOL. Accordingly, "
	    "collateral from this API version cannot be retrieved any "
	    "longer." },
	{ "body-too-big", 413, "Content too large." },
	{ "integrity", 460, "The integrity of the data can't be verified." },
	{ "unknown-platform", 461, "The platform was not found in the cache." },
	{ "not-available", 462,
	    "Certificates are not available for certain TCBs." },
	{ "internal", 500, "Internal server error occurred." },
	{ "upstream-down", 502,
	    "Unable to retrieve the collateral from the Intel SGX PCS." },
	{ "shed", 503, "" },
	{ "offline", 503, "" },
	{ "draining", 503, "" },
};

START_TEST(test_errors_have_the_texts_of_pccs)
{
	struct edge_reply r;
	char text[200];
	int fd = edge_open(edge.port);

	snprintf(text, sizeof(text),
	    "GET /err?token=%s HTTP/1.1\r\n" HOST "\r\n", errors[_i].token);
	edge_send(fd, text);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, errors[_i].status);
	ck_assert_str_eq(r.body, errors[_i].body);
	ck_assert_str_eq(edge_header(&r, "Larder-Reason"), errors[_i].token);
	ck_assert_str_eq(edge_header(&r, "X-Line"), "of the route");
	if (r.status == 503) {
		/* pccs-api 9.1 R2 */
		ck_assert_str_eq(edge_header(&r, "Content-Length"), "0");
		ck_assert_ptr_nonnull(edge_header(&r, "Retry-After"));
		ck_assert_ptr_null(edge_header(&r, "Content-Type"));
	} else {
		ck_assert_str_eq(edge_header(&r, "Content-Type"),
		    "text/plain; charset=utf-8");
		ck_assert_ptr_null(edge_header(&r, "Retry-After"));
	}
	edge_reply_free(&r);
	close(fd);
}
END_TEST

/* Whatever is wrong has a name, and says when to come again if that helps. */
START_TEST(test_every_error_is_called_what_it_is)
{
	struct edge_reply r;
	char text[200];
	int fd, e;

	fd = edge_open(edge.port);
	for (e = 1; e < ERR_N; e++) {
		snprintf(text, sizeof(text),
		    "GET /err?token=%s HTTP/1.1\r\n" HOST "\r\n",
		    err_token((enum err)e));
		edge_send(fd, text);
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, err_http((enum err)e));
		ck_assert_ptr_null(strstr(r.text, "Unnamed"));
		if (r.status != 500)
			ck_assert_str_ne(r.body,
			    "Internal server error occurred.");
		ck_assert_int_eq(edge_header(&r, "Retry-After") != NULL,
		    r.status == 503 || r.status == 429);
		edge_reply_free(&r);
	}
	close(fd);
}
END_TEST

START_TEST(test_405_names_the_methods_there_are)
{
	static const struct {
		const char *path, *allow;
	} cases[] = { { "/text", "GET, HEAD" }, { "/body", "POST" },
		{ "/admin", "GET, HEAD, PUT" } };
	struct edge_reply r;
	char text[200];
	size_t i;
	int fd = edge_open(edge.port);

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text),
		    "DELETE %s HTTP/1.1\r\n" HOST "\r\n", cases[i].path);
		edge_send(fd, text);
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 405);
		ck_assert_str_eq(edge_header(&r, "Allow"), cases[i].allow);
		edge_reply_free(&r);
	}
	close(fd);
}
END_TEST

START_TEST(test_head_is_get_without_a_body)
{
	static const char *const paths[] = { "/text", "/hit", "/nowhere",
		"/err?token=internal" };
	struct edge_reply get, head;
	char text[200];
	size_t i;
	int fd = edge_open(edge.port);

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(text, sizeof(text),
		    "GET %s HTTP/1.1\r\n" HOST "Request-ID: x\r\n\r\n"
		    "HEAD %s HTTP/1.1\r\n" HOST "Request-ID: x\r\n\r\n",
		    paths[i], paths[i]);
		edge_send(fd, text);
		edge_read(fd, &get, false);
		edge_read(fd, &head, true);
		ck_assert_uint_eq(strlen(get.text), strlen(head.text));
		ck_assert_int_eq(get.status, head.status);
		ck_assert_str_eq(edge_header(&head, "Content-Length"),
		    edge_header(&get, "Content-Length"));
		edge_reply_free(&get);
		edge_reply_free(&head);
	}
	close(fd);
}
END_TEST

/* --- what a handler sees ------------------------------------------------ */

static void
echo_has(const char *target, const char *extra, const char *line)
{
	struct edge_reply r;
	char text[2000];
	int fd = edge_open(edge.port);

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "%s\r\n",
	    target, extra);
	edge_send(fd, text);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 200);
	ck_assert_msg(strstr(r.body, line) != NULL, "\"%s\" not in:\n%s", line,
	    r.body);
	edge_reply_free(&r);
	close(fd);
}

START_TEST(test_a_handler_sees_what_was_sent)
{
	echo_has("/Echo", "", "path=/Echo\n");
	echo_has("/echo/", "", "path=/echo\n");
	echo_has("//e%63ho//", "", "path=/echo\n");
	echo_has("/echo", "", "a=(absent)\n");
	echo_has("/echo?a", "", "a=\n");
	echo_has("/echo?a=", "", "a=\n");
	echo_has("/echo?a=1&a=2", "", "a=1\n");
	echo_has("/echo?x=0&a=1+2%2B3", "", "a=1 2+3\n");
	echo_has("/echo?a=https://h/p?q=[r],s", "", "a=https://h/p?q=[r],s\n");
	echo_has("/echo?A=1", "", "a=(absent)\n");
	echo_has("/echo?%61=1", "", "a=1\n");
	echo_has("/echo?a=1&b", "", "b=there\n");
	echo_has("/echo?a=%41&b=%2526", "", "raw=a=%41&b=%2526\n");
	echo_has("/echo", "X-Test: a value \r\n", "x-test=a value\n");
	echo_has("/echo", "X-TEST: first\r\nx-test: 2\r\n", "x-test=first\n");
	echo_has("/echo", "", "peer=127.0.0.1\n");
	echo_has("/echo", "", "listener=0\n");
	echo_has("/echo", "", "method=GET\n");
	echo_has("/echo", "Request-ID: abc\r\n", "id=abc\n");
}
END_TEST

/* --- tokens -------------------------------------------------------------- */

static int
ask_body(const char *line, const char *header, const char *token)
{
	char text[400];

	snprintf(text, sizeof(text),
	    "%s HTTP/1.1\r\n" HOST "%s: %s\r\nContent-Length: 1\r\n\r\nx", line,
	    header, token);
	return edge_ask(&edge, text);
}

START_TEST(test_guarded_routes_want_their_token)
{
	ck_assert_int_eq(ask_body("POST /user", "user-token", EDGE_USER), 200);
	ck_assert_int_eq(ask_body("POST /user", "USER-Token", EDGE_USER), 200);
	ck_assert_int_eq(ask_body("POST /user", "user-token", "wrong"), 401);
	ck_assert_int_eq(ask_body("POST /user", "user-token", ""), 401);
	ck_assert_int_eq(ask_body("POST /user", "admin-token", EDGE_USER), 401);
	ck_assert_int_eq(ask_body("POST /user", "user-token", EDGE_ADMIN), 401);
	ck_assert_int_eq(ask_body("PUT /admin", "admin-token", EDGE_ADMIN),
	    200);
	ck_assert_int_eq(ask_body("PUT /admin", "admin-token", EDGE_USER), 401);
	/* a token's own slow hash is made off the worker, and remembered */
	ck_assert_int_eq(ask_body("PUT /admin", "admin-token", EDGE_NAMED),
	    200);
	ck_assert_int_eq(ask_body("PUT /admin", "admin-token", EDGE_NAMED),
	    200);
	ck_assert_int_eq(ask_body("POST /user", "user-token", EDGE_NAMED), 200);
	/* 401 before 400 (pccs-api 3) */
	ck_assert_int_eq(edge_ask(&edge,
			     "GET /admin?a=%zz HTTP/1.1\r\n" HOST "\r\n"),
	    401);
	ck_assert_int_eq(edge_ask(&edge, "GET /admin?a=%zz HTTP/1.1\r\n" HOST
					 "admin-token: " EDGE_ADMIN "\r\n\r\n"),
	    400);
}
END_TEST

/* --- whether there is a next request ------------------------------------- */

static const struct {
	const char *text;
	bool stays;
} ends[] = {
	{ GET1 "\r\n", true },
	{ GET1 "Connection: close\r\n\r\n", false },
	{ GET1 "connection: CLOSE\r\n\r\n", false },
	{ GET1 "Connection: x, close\r\n\r\n", false },
	{ GET1 "Connection: keep-alive\r\n\r\n", true },
	{ GET1 "Connection: closed\r\n\r\n", true },
	{ "GET /text HTTP/1.0\r\n\r\n", false },
	{ "GET /text HTTP/1.0\r\n" HOST "\r\n", false },
	{ "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", true },
	{ "DELETE /text HTTP/1.1\r\n" HOST "\r\n", true },
	{ "GET /text?a=%00 HTTP/1.1\r\n" HOST "\r\n", true },
	{ "GET /err?token=internal HTTP/1.1\r\n" HOST "\r\n", true },
	/* a body that was not asked for is not read */
	{ "POST /text HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", false },
	{ "POST /user HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", false },
};

START_TEST(test_the_connection_header_says_what_happens)
{
	struct edge_reply r;
	int fd = edge_open(edge.port);
	const char *connection;

	edge_send(fd, ends[_i].text);
	edge_read(fd, &r, false);
	connection = edge_header(&r, "Connection");
	edge_reply_free(&r);
	if (ends[_i].stays) {
		ck_assert_ptr_null(connection);
		edge_send(fd, GET1 "\r\n");
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 200);
		edge_reply_free(&r);
	} else {
		ck_assert_ptr_nonnull(connection);
		ck_assert_str_eq(connection, "close");
		ck_assert(edge_closed(fd));
	}
	close(fd);
}
END_TEST

/* The status line is 1.1 even to 1.0 (RFC 9110 2.5). */
START_TEST(test_http_1_0_gets_a_1_1_answer)
{
	struct edge_reply r;
	int fd = edge_open(edge.port);

	edge_send(fd, "GET /hit HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	edge_read(fd, &r, false);
	ck_assert_int_eq(strncmp(r.text, "HTTP/1.1 200 OK\r\n", 17), 0);
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	ck_assert_uint_eq(r.len, EDGE_HIT_LEN);
	ck_assert(edge_closed(fd));
	edge_reply_free(&r);
	close(fd);
}
END_TEST

/* --- 100-continue --------------------------------------------------------- */

#define EXPECT "Expect: 100-continue\r\n"

/* Exactly these bytes come next. */
static void
expect_bytes(int fd, const char *want)
{
	char got[200];
	size_t n = strlen(want);

	ck_assert_uint_lt(n, sizeof(got));
	ck_assert_int_eq(recv(fd, got, n, MSG_WAITALL), (ssize_t)n);
	ck_assert_mem_eq(got, want, n);
}

START_TEST(test_leave_is_given_once_the_head_is_accepted)
{
	struct edge_reply r;
	int fd = edge_open(edge.port), i;

	for (i = 0; i < 2; i++) {
		edge_send(fd,
		    "POST /user HTTP/1.1\r\n" HOST EXPECT
		    "user-token: " EDGE_USER "\r\nContent-Length: 4\r\n\r\n");
		expect_bytes(fd, "HTTP/1.1 100 Continue\r\n\r\n");
		edge_send(fd, "body");
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 200);
		ck_assert_str_eq(r.body, "body");
		edge_reply_free(&r);
	}
	close(fd);
}
END_TEST

/* Nor is it given to whom it means nothing, or who did not wait. */
START_TEST(test_leave_is_not_given_where_none_is_due)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{ "POST /user HTTP/1.1\r\n" HOST EXPECT
		  "Content-Length: 4\r\n\r\n",
		    401 },
		{ "POST /user HTTP/1.1\r\n" HOST EXPECT
		  "user-token: " EDGE_ADMIN "\r\nContent-Length: 4\r\n\r\n",
		    401 },
		{ "POST /body HTTP/1.1\r\n" HOST EXPECT
		  "Content-Length: 99999999\r\n\r\n",
		    413 },
		{ "POST /nowhere HTTP/1.1\r\n" HOST EXPECT
		  "Content-Length: 4\r\n\r\n",
		    404 },
		{ "POST /text HTTP/1.1\r\n" HOST EXPECT
		  "Content-Length: 4\r\n\r\n",
		    405 },
		{ "POST /body HTTP/1.1\r\n" HOST EXPECT
		  "Content-Length: 4\r\n\r\nbody",
		    200 },
		{ "POST /body HTTP/1.1\r\n" HOST EXPECT "\r\n", 200 },
		{ "POST /body HTTP/1.0\r\n" HOST EXPECT
		  "Content-Length: 4\r\n\r\nbody",
		    200 },
	};
	size_t i;

	/* edge_ask() takes the first status line it gets. */
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_int_eq(edge_ask(&edge, cases[i].text),
		    cases[i].status);
}
END_TEST

/* The slow hash of a named token is waited for, too. */
START_TEST(test_leave_waits_for_a_slow_token)
{
	struct edge_reply r;
	int fd = edge_open(edge.port);

	edge_send(fd,
	    "PUT /admin HTTP/1.1\r\n" HOST EXPECT "admin-token: " EDGE_NAMED
	    "\r\nContent-Length: 4\r\n\r\n");
	expect_bytes(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	edge_send(fd, "body");
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 200);
	edge_reply_free(&r);
	close(fd);
	ck_assert_int_eq(edge_ask_closed(&edge,
			     "PUT /admin HTTP/1.1\r\n" HOST EXPECT
			     "admin-token: " EDGE_NAMED
			     "x\r\nContent-Length: 4\r\n\r\n"),
	    401);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
suite_fill(TCase *tc)
{
	tcase_add_test(tc, test_header_lines_have_one_form);
	tcase_add_test(tc, test_a_ready_answer_is_exactly_these_bytes);
	tcase_add_test(tc, test_a_request_id_is_kept_or_drawn);
	tcase_add_loop_test(tc, test_errors_have_the_texts_of_pccs, 0,
	    N(errors));
	tcase_add_test(tc, test_every_error_is_called_what_it_is);
	tcase_add_test(tc, test_405_names_the_methods_there_are);
	tcase_add_test(tc, test_head_is_get_without_a_body);
	tcase_add_test(tc, test_a_handler_sees_what_was_sent);
	tcase_add_test(tc, test_guarded_routes_want_their_token);
	tcase_add_loop_test(tc, test_the_connection_header_says_what_happens, 0,
	    N(ends));
	tcase_add_test(tc, test_http_1_0_gets_a_1_1_answer);
	tcase_add_test(tc, test_leave_is_given_once_the_head_is_accepted);
	tcase_add_test(tc, test_leave_is_not_given_where_none_is_due);
	tcase_add_test(tc, test_leave_waits_for_a_slow_token);
}

int
main(void)
{
	Suite *s = suite_create("answer");
	TCase *tc = tcase_create("answer");
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
