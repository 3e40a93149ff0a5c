/* What is a request and what is not: bytes in, status and close out. */
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

/* --- forms that are refused with 400 and a close ----------------------- */

static const char *const refused[] = {
	/* Transfer-Encoding, however it is written */
	"POST /body HTTP/1.1\r\n" HOST
	"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /body HTTP/1.1\r\n" HOST
	"transfer-encoding: identity\r\nContent-Length: 1\r\n\r\nx",
	GET1 "Transfer-Encoding:\r\n\r\n",
	GET1 "Transfer-Encoding: xchunked\r\n\r\n",
	"POST /body HTTP/1.1\r\n" HOST
	"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	/* Content-Length */
	"POST /body HTTP/1.1\r\n" HOST
	"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
	"POST /body HTTP/1.1\r\n" HOST
	"Content-Length: 1\r\ncontent-length: 1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n",
	"POST /body HTTP/1.1\r\n" HOST
	"Content-Length: 99999999999999999999\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST
	"Content-Length: 1000000000000000001\r\n\r\nx",
	/* Host */
	"GET /text HTTP/1.1\r\n\r\n",
	"GET /text HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"GET /text HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
	"GET /text HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET /text HTTP/1.1\r\nHost: a, b\r\n\r\n",
	"GET /text HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"GET /text HTTP/1.1\r\nHost: u@h\r\n\r\n",
	/* blanks around and in header names */
	"GET /text HTTP/1.1\r\nHost : h\r\n\r\n",
	GET1 "X-Te st: v\r\n\r\n",
	GET1 " X-Test: v\r\n\r\n",
	"GET /text HTTP/1.1\r\n Host: h\r\n\r\n",
	GET1 ": v\r\n\r\n",
	GET1 "no-colon\r\n\r\n",
	GET1 "X(Test): v\r\n\r\n",
	GET1 "X-T\xc3\xa9st: v\r\n\r\n",
	/* folded lines */
	GET1 "X-Test: a\r\n b\r\n\r\n",
	GET1 "X-Test: a\r\n\tb\r\n\r\n",
	/* line ends */
	"GET /text HTTP/1.1\nHost: h\n\n",
	"GET /text HTTP/1.1\r\nHost: h\n\r\n",
	GET1 "\n",
	"GET /text HTTP/1.1\rHost: h\r\r",
	GET1 "X-Test: a\rb\r\n\r\n",
	GET1 "X-Test: a\nb\r\n\r\n",
	"\r\n\r\nGET /text HTTP/1.1\r\n" HOST "\r\n",
	"\nGET /text HTTP/1.1\r\n" HOST "\r\n",
	/* control characters */
	GET1 "X-Test: a\x01z\r\n\r\n",
	GET1 "X-Test: a\x7fz\r\n\r\n",
	GET1 "X-Test: a\x1b[31m\r\n\r\n",
	GET1 "X-Test: a\tb\r\n\r\n",
	"GET /te\x02xt HTTP/1.1\r\n" HOST "\r\n",
	/* the request line */
	"GET  /text HTTP/1.1\r\n" HOST "\r\n",
	"GET /text  HTTP/1.1\r\n" HOST "\r\n",
	" GET /text HTTP/1.1\r\n" HOST "\r\n",
	"GET /text HTTP/1.1 \r\n" HOST "\r\n",
	"GET\t/text HTTP/1.1\r\n" HOST "\r\n",
	"GET /te xt HTTP/1.1\r\n" HOST "\r\n",
	"GET /text\r\n\r\n",
	"GET /text\r\n" HOST "\r\n",
	"GET HTTP/1.1\r\n" HOST "\r\n",
	"GET /text HTTP/2.0\r\n" HOST "\r\n",
	"GET /text HTTP/1.2\r\n" HOST "\r\n",
	"GET /text HTTP/0.9\r\n" HOST "\r\n",
	"GET /text HTTP/1.10\r\n" HOST "\r\n",
	"GET /text HTTP/01.1\r\n" HOST "\r\n",
	"GET /text http/1.1\r\n" HOST "\r\n",
	"GET /text ICY/1.1\r\n" HOST "\r\n",
	"get /text HTTP/1.1\r\n" HOST "\r\n",
	"GETS /text HTTP/1.1\r\n" HOST "\r\n",
	"GET text HTTP/1.1\r\n" HOST "\r\n",
	"GET /text#frag HTTP/1.1\r\n" HOST "\r\n",
	"GET /t\xc3\xa9xt HTTP/1.1\r\n" HOST "\r\n",
	"GET ftp://h/text HTTP/1.1\r\n" HOST "\r\n",
	"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	"CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03",
	/* expectations */
	"POST /body HTTP/1.1\r\n" HOST
	"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
	"POST /body HTTP/1.1\r\n" HOST
	"Expect: 100-continue\r\nExpect: 100-continue\r\n"
	"Content-Length: 1\r\n\r\nx",
};

START_TEST(test_odd_framing_is_refused_and_closed)
{
	ck_assert_int_eq(edge_ask_closed(&edge, refused[_i]), 400);
}
END_TEST

/* The same again, a byte at a time: where it is noticed must not matter. */
START_TEST(test_odd_framing_is_refused_in_pieces_too)
{
	const char *p = refused[_i];
	struct edge_reply r;
	int fd = edge_open(edge.port);

	for (; *p != '\0'; p++) {
		/* It may have been refused by now: that is fine. */
		if (send(fd, p, 1, MSG_NOSIGNAL) != 1)
			break;
	}
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 400);
	ck_assert_str_eq(edge_header(&r, "Connection"), "close");
	ck_assert_str_eq(edge_header(&r, "Larder-Reason"), "malformed-request");
	ck_assert(edge_closed(fd));
	edge_reply_free(&r);
	close(fd);
}
END_TEST

/* What comes behind a refused request is never taken for a request. */
START_TEST(test_nothing_is_answered_behind_a_refusal)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", refused[_i],
	    GET1 "\r\n" GET1 "\r\n");
	ck_assert_int_eq(edge_ask_closed(&edge, text), 400);
}
END_TEST

START_TEST(test_a_nul_is_refused)
{
	static const char line[] = "GET /te\0xt HTTP/1.1\r\nHost: h\r\n\r\n";
	static const char name[] =
	    "GET /text HTTP/1.1\r\nHost: h\r\nX-\0: v\r\n\r\n";
	static const char value[] =
	    "GET /text HTTP/1.1\r\nHost: h\r\nX-Test: \0\r\n\r\n";
	static const struct {
		const char *p;
		size_t n;
	} forms[] = { { line, sizeof(line) - 1 }, { name, sizeof(name) - 1 },
		{ value, sizeof(value) - 1 }, { "\0", 1 } };
	struct edge_reply r;
	size_t i;
	int fd;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		fd = edge_open(edge.port);
		edge_send_n(fd, forms[i].p, forms[i].n);
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 400);
		ck_assert(edge_closed(fd));
		edge_reply_free(&r);
		close(fd);
	}
}
END_TEST

/* --- their accepted neighbours ----------------------------------------- */

static const struct {
	const char *text;
	int status;
} accepted[] = {
	{ GET1 "\r\n", 200 },
	{ GET1 "X-Test: v\r\n\r\n", 200 },
	{ GET1 "X-Test:v\r\n\r\n", 200 },
	{ GET1 "X-Test:    v   \r\n\r\n", 200 },
	{ GET1 "X-Test:\r\n\r\n", 200 },
	{ GET1 "X-Test: \xc3\xa9\r\n\r\n", 200 },
	{ GET1 "X!#$%&'*+-.^_`|~Test: v\r\n\r\n", 200 },
	{ "GET /text HTTP/1.1\r\nHost:\r\n\r\n", 200 },
	{ "GET /text HTTP/1.1\r\nhOsT: [::1]:8081\r\n\r\n", 200 },
	{ "\r\n" GET1 "\r\n", 200 },
	{ "GET /text HTTP/1.0\r\n\r\n", 200 },
	{ "GET http://h/text HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET HTTPS://h:1/text?a=b HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /text? HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ GET1 "Content-Length: 0\r\n\r\n", 200 },
	{ GET1 "Content-Length: 3\r\n\r\nabc", 200 },
	{ GET1 "TE: trailers\r\n\r\n", 200 },
	{ GET1 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
	       "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
	    200 },
	{ "POST /body HTTP/1.1\r\n" HOST "Content-Length: 01\r\n\r\nx", 200 },
	{ "POST /body HTTP/1.1\r\n" HOST "Content-Length: 1 \r\n\r\nx", 200 },
	{ "POST /body HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /deep/er HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /DEEP/er/and/er HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /TEXT/ HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET //text HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /%74e%78t HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /te%78t%2f HTTP/1.1\r\n" HOST "\r\n", 200 },
	{ "GET /text%00 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /text%0 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /text%zz HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /text?a=%00 HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /text?a=%f HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /text?a=% HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404 },
	{ "GET / HTTP/1.1\r\n" HOST "\r\n", 404 },
	{ "GET http://h HTTP/1.1\r\n" HOST "\r\n", 404 },
	{ "GET /ops HTTP/1.1\r\n" HOST "\r\n", 404 },
	{ "OPTIONS /nowhere HTTP/1.1\r\n" HOST "\r\n", 404 },
	{ "OPTIONS /text HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "DELETE /text HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "POST /text HTTP/1.1\r\n" HOST "\r\n", 405 },
	{ "GET /body HTTP/1.1\r\n" HOST "\r\n", 405 },
};

START_TEST(test_good_framing_is_answered)
{
	ck_assert_int_eq(edge_ask(&edge, accepted[_i].text),
	    accepted[_i].status);
}
END_TEST

START_TEST(test_good_framing_is_answered_in_pieces_too)
{
	const char *p = accepted[_i].text;
	struct edge_reply r;
	int fd = edge_open(edge.port);

	for (; *p != '\0'; p++)
		edge_send_n(fd, p, 1);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, accepted[_i].status);
	edge_reply_free(&r);
	close(fd);
}
END_TEST

/* --- limits ------------------------------------------------------------ */

/* A request whose target has this many bytes. */
static char *
with_target(size_t n)
{
	char *text = calloc(n + 100, 1);

	ck_assert_ptr_nonnull(text);
	strcpy(text, "GET /text?");
	memset(text + 10, 'a', n - 6);
	strcpy(text + 4 + n, " HTTP/1.1\r\nHost: h\r\n\r\n");
	return text;
}

START_TEST(test_a_target_of_8192_bytes_is_the_longest)
{
	char *text = with_target(8192);

	ck_assert_int_eq(edge_ask(&edge, text), 200);
	free(text);
	text = with_target(8193);
	ck_assert_int_eq(edge_ask_closed(&edge, text), 414);
	free(text);
	/* one that never ends is refused before it has */
	text = with_target(12000);
	text[10000] = '\0';
	ck_assert_int_eq(edge_ask_closed(&edge, text), 414);
	free(text);
	/* however much of it is there when it is looked at */
	text = with_target(60000);
	ck_assert_int_eq(edge_ask_closed(&edge, text), 414);
	free(text);
}
END_TEST

/* A request whose head has this many bytes. */
static char *
with_head(size_t n)
{
	static const char start[] = GET1 "X-Test: ";
	char *text = calloc(n + 1, 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 'a', n);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + n - 4, "\r\n\r\n", 4);
	return text;
}

START_TEST(test_a_head_of_16384_bytes_is_the_longest)
{
	char *text = with_head(16384);

	ck_assert_int_eq(edge_ask(&edge, text), 200);
	free(text);
	text = with_head(16385);
	ck_assert_int_eq(edge_ask_closed(&edge, text), 431);
	free(text);
	text = with_head(30000);
	text[29000] = '\0';
	ck_assert_int_eq(edge_ask_closed(&edge, text), 431);
	free(text);
}
END_TEST

START_TEST(test_64_header_lines_are_the_most)
{
	char text[4096];
	size_t i, at;

	for (i = 0; i < 2; i++) {
		at = (size_t)snprintf(text, sizeof(text), "%s", GET1);
		for (size_t k = 0; k < 63 + i; k++)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
			    "X-%zu: %zu\r\n", k, k);
		snprintf(text + at, sizeof(text) - at, "\r\n");
		if (i == 0)
			ck_assert_int_eq(edge_ask(&edge, text), 200);
		else
			ck_assert_int_eq(edge_ask_closed(&edge, text), 431);
	}
}
END_TEST

START_TEST(test_a_body_over_its_limit_is_refused_before_it_comes)
{
	/* no byte of the body is sent */
	ck_assert_int_eq(edge_ask_closed(&edge,
			     "POST /body HTTP/1.1\r\n" HOST
			     "Content-Length: 2097153\r\n\r\n"),
	    413);
	ck_assert_int_eq(edge_ask_closed(&edge,
			     "PUT /admin HTTP/1.1\r\n" HOST
			     "admin-token: " EDGE_ADMIN
			     "\r\nContent-Length: 67108865\r\n\r\n"),
	    413);
	ck_assert_int_eq(edge_ask_closed(&edge,
			     GET1 "Content-Length: 4097\r\n\r\n"),
	    413);
	/* a bad token beats a body too big (pccs-api 3) */
	ck_assert_int_eq(edge_ask_closed(&edge,
			     "PUT /admin HTTP/1.1\r\n" HOST
			     "Content-Length: 67108865\r\n\r\n"),
	    401);
}
END_TEST

START_TEST(test_a_body_up_to_its_limit_is_read)
{
	static const size_t sizes[] = { 1, 100, 4096, 16384, 20000, 1 << 20,
		2 << 20 };
	struct edge_reply r;
	char head[200], *body;
	size_t i, k;
	int fd = edge_open(edge.port);

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		body = malloc(sizes[i]);
		ck_assert_ptr_nonnull(body);
		for (k = 0; k < sizes[i]; k++)
			body[k] = (char)(k * 31 + k / 251);
		snprintf(head, sizeof(head),
		    "POST /body HTTP/1.1\r\n" HOST
		    "Content-Length: %zu\r\n\r\n",
		    sizes[i]);
		edge_send(fd, head);
		edge_send_n(fd, body, sizes[i]);
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 200);
		ck_assert_uint_eq(r.len, sizes[i]);
		ck_assert_mem_eq(r.body, body, sizes[i]);
		edge_reply_free(&r);
		free(body);
	}
	close(fd);
}
END_TEST

/* --- one after the other ----------------------------------------------- */

/* Answers on one connection: this status, and this body. */
START_TEST(test_pipelined_requests_are_answered_in_order)
{
	int fd = edge_open(edge.port);

	edge_send(fd,
	    GET1 "\r\n"
		 "POST /body HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
		 "\r\n" /* the one empty line that is forgiven */
		 "GET /deep/1 HTTP/1.1\r\n" HOST "\r\n"
		 "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"
		 "POST /body HTTP/1.1\r\n" HOST
		 "Content-Length: 1\r\n\r\nx" GET1 "Connection: close\r\n\r\n"
		 "GET /deep/2 HTTP/1.1\r\n" HOST "\r\n");
	edge_expect(fd, 200, "text\n");
	edge_expect(fd, 200, "abc");
	edge_expect(fd, 200, "deep\n");
	edge_expect(fd, 404, "No such path.");
	edge_expect(fd, 200, "x");
	edge_expect(fd, 200, "text\n");
	ck_assert(edge_closed(fd)); /* and nothing behind the close */
	close(fd);
}
END_TEST

START_TEST(test_a_bad_request_behind_a_good_one_is_refused)
{
	struct edge_reply r;
	int fd = edge_open(edge.port);

	edge_send(fd, GET1 "\r\n" GET1 "X-Test : v\r\n\r\n" GET1 "\r\n");
	edge_expect(fd, 200, "text\n");
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 400);
	edge_reply_free(&r);
	ck_assert(edge_closed(fd));
	close(fd);
}
END_TEST

/* A body's bytes are its own, whatever they look like. */
START_TEST(test_a_body_is_not_taken_for_a_request)
{
	static const char inner[] = "GET /deep/x HTTP/1.1\r\nHost: h\r\n\r\n";
	char text[512];
	int fd = edge_open(edge.port);

	snprintf(text, sizeof(text),
	    "GET /text HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s"
	    "POST /body HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s" GET1
	    "\r\n",
	    sizeof(inner) - 1, inner, sizeof(inner) - 1, inner);
	edge_send(fd, text);
	edge_expect(fd, 200, "text\n");
	edge_expect(fd, 200, inner);
	edge_expect(fd, 200, "text\n");
	/* The tampered twin: a length that is short by four bytes. */
	snprintf(text, sizeof(text),
	    "POST /body HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
	    sizeof(inner) - 5, inner);
	edge_send(fd, text);
	edge_expect(fd, 200, "GET /deep/x HTTP/1.1\r\nHost: h");
	edge_expect(fd, 400, "Invalid request parameters.");
	ck_assert(edge_closed(fd));
	close(fd);
}
END_TEST

/*
 * Heads that end near the end of the buffer they are read into: their body
 * needs room behind them.
 */
START_TEST(test_a_body_finds_room_behind_any_head)
{
	static const char post[] = "POST /body HTTP/1.1\r\nHost: h\r\n"
				   "Content-Length: 10000\r\n\r\n";
	static char text[32768], body[10001];
	const size_t ends = 20480 - (size_t)_i, n = sizeof(post) - 1;
	size_t at = 0, pad;
	int fd = edge_open(edge.port), i, n_gets = 0;

	memset(body, 'b', 10000);
	for (i = 0; i < 2; i++) {
		pad = i == 0 ? 9000 : ends - n - at - strlen(GET1) - 12;
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    GET1 "X-Test: %0*d\r\n\r\n", (int)pad, 0);
		n_gets++;
	}
	memcpy(text + at, post, n + 1);
	ck_assert_uint_eq(at + n, ends);
	edge_send(fd, text);
	for (i = 0; i < n_gets; i++)
		edge_expect(fd, 200, "text\n");
	edge_send_n(fd, body, 10000);
	edge_expect(fd, 200, body);
	close(fd);
}
END_TEST

/* A request in two pieces, cut at each place, behind another and before one. */
START_TEST(test_a_request_may_be_cut_anywhere)
{
	static const char text[] = "POST /body HTTP/1.1\r\nHost: h\r\n"
				   "X-Test: v\r\nContent-Length: 4\r\n\r\nabcd"
				   "GET /deep/x HTTP/1.1\r\nHost: h\r\n\r\n";
	const size_t n = sizeof(text) - 1;
	int fd = edge_open(edge.port);
	size_t cut;

	for (cut = 1; cut < n; cut++) {
		edge_send_n(fd, text, cut);
		edge_send_n(fd, text + cut, n - cut);
		edge_expect(fd, 200, "abcd");
		edge_expect(fd, 200, "deep\n");
	}
	close(fd);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
suite_fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_odd_framing_is_refused_and_closed, 0,
	    N(refused));
	tcase_add_loop_test(tc, test_odd_framing_is_refused_in_pieces_too, 0,
	    N(refused));
	tcase_add_loop_test(tc, test_nothing_is_answered_behind_a_refusal, 0,
	    N(refused));
	tcase_add_test(tc, test_a_nul_is_refused);
	tcase_add_loop_test(tc, test_good_framing_is_answered, 0, N(accepted));
	tcase_add_loop_test(tc, test_good_framing_is_answered_in_pieces_too, 0,
	    N(accepted));
	tcase_add_test(tc, test_a_target_of_8192_bytes_is_the_longest);
	tcase_add_test(tc, test_a_head_of_16384_bytes_is_the_longest);
	tcase_add_test(tc, test_64_header_lines_are_the_most);
	tcase_add_test(tc,
	    test_a_body_over_its_limit_is_refused_before_it_comes);
	tcase_add_test(tc, test_a_body_up_to_its_limit_is_read);
	tcase_add_test(tc, test_pipelined_requests_are_answered_in_order);
	tcase_add_test(tc, test_a_bad_request_behind_a_good_one_is_refused);
	tcase_add_test(tc, test_a_body_is_not_taken_for_a_request);
	tcase_add_loop_test(tc, test_a_body_finds_room_behind_any_head, 0, 2);
	tcase_add_test(tc, test_a_request_may_be_cut_anywhere);
}

int
main(void)
{
	Suite *s = suite_create("framing");
	TCase *tc = tcase_create("framing");
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
