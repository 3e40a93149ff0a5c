/*
 * The metadata service byte by byte: requests in pieces, several at once,
 * refused ones between good ones on one connection, and headers that hide.
 */
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))
#define GET    "GET /metadata/THIM/amd/certification HTTP/1.1\r\nHost: x\r\n"
#define META   "Metadata: true\r\n"
#define LISTEN "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"thim\"]}]"

static struct house h;
static struct edge_reply good;

/* One guest on loopback, and what it is answered. */
static void
start(void)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct house_opts o = { .listen = LISTEN };
	char tcbm[17];

	amd_tcb_write(c.tcb, tcbm);
	o.members = keep_printf("\"hosts\":[{\"match\":[\"127.0.0.1\"],"
				"\"product\":\"Milan\",\"chip_id\":[\"%s\"],"
				"\"tcb\":\"%s\"}]",
	    c.hex, tcbm);
	house_start(&h, &o);
	good = keep(house_send(&h, "GET", "/metadata/THIM/amd/certification",
	    META, SPAN_NONE));
	ck_assert_int_eq(good.status, 200);
}

/* The next answer on a connection. */
static struct edge_reply
next(int fd, bool head)
{
	struct edge_reply r = { 0 };

	edge_read(fd, &r, head);
	return keep(r);
}

static void
check_good(int fd)
{
	struct edge_reply r = next(fd, false);

	ck_assert_int_eq(r.status, 200);
	ck_assert(house_same_body(&r, &good));
}

START_TEST(test_a_request_in_pieces)
{
	static const char text[] = GET META "\r\n";
	size_t at;
	int fd;

	start();
	fd = edge_open(h.port);
	for (at = 1; at < sizeof(text) - 1; at++) {
		edge_send_n(fd, text, at);
		edge_send_n(fd, text + at, sizeof(text) - 1 - at);
		check_good(fd);
	}
	for (at = 0; at < sizeof(text) - 1; at++)
		edge_send_n(fd, text + at, 1);
	check_good(fd);
	close(fd);
	house_stop(&h);
}
END_TEST

/* A header counts for its own request alone. */
START_TEST(test_refused_ones_between_good_ones)
{
	static const int want[] = { 200, 400, 200, 400, 405, 404, 200 };
	int i, fd;

	start();
	fd = edge_open(h.port);
	edge_send(fd,
	    GET META "\r\n" GET "\r\n" GET META "\r\n" GET META
		     "X-Forwarded-For: 127.0.0.1\r\n\r\n"
		     "DELETE /metadata/THIM/amd/certification HTTP/1.1\r\n"
		     "Host: x\r\n" META "\r\n"
		     "GET /metadata/THIM/amd HTTP/1.1\r\nHost: x\r\n" META
		     "\r\n" GET META "\r\n");
	for (i = 0; i < N(want); i++)
		ck_assert_int_eq(next(fd, false).status, want[i]);
	close(fd);
	house_stop(&h);
}
END_TEST

START_TEST(test_head_has_no_body)
{
	int fd;

	start();
	fd = edge_open(h.port);
	edge_send(fd, "HEAD /metadata/THIM/amd/certification HTTP/1.1\r\n"
		      "Host: x\r\n" META "\r\n" GET META "\r\n");
	ck_assert_int_eq(next(fd, true).status, 405);
	check_good(fd);
	close(fd);
	house_stop(&h);
}
END_TEST

static const struct {
	const char *text;
	int status; /* and the connection ends */
} hidden[] = {
	/* a line that goes on, a name with a blank, a control character */
	{ GET META "X-A: b\r\n X-Forwarded-For: 1.2.3.4\r\n\r\n", 400 },
	{ GET META "X-Forwarded-For : 1.2.3.4\r\n\r\n", 400 },
	{ GET "Metadata : true\r\n\r\n", 400 },
	{ GET "Metadata: tr\x01ue\r\n\r\n", 400 },
	{ GET META "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "POST /metadata/THIM/amd/certification HTTP/1.1\r\nHost: x\r\n" META
	  "Content-Length: 5\r\n\r\nhello",
	    405 },
};

START_TEST(test_what_ends_the_connection)
{
	struct edge_reply r;
	int fd;

	start();
	fd = edge_open(h.port);
	edge_send(fd, hidden[_i].text);
	r = next(fd, false);
	ck_assert_int_eq(r.status, hidden[_i].status);
	ck_assert_ptr_null(strstr(r.body, "CERTIFICATE"));
	ck_assert(edge_closed(fd));
	close(fd);
	house_stop(&h);
}
END_TEST

/* Paths that are the same to us are guarded the same. */
static const char *const spellings[] = {
	"/metadata/THIM/amd/certification",
	"/metadata/thim/AMD/Certification",
	"//metadata//THIM/amd/certification/",
	"/metadata/THIM/%61md/certification",
	"/metadata/THIM/amd/certification?a=b",
};

START_TEST(test_every_spelling_of_the_path_is_guarded)
{
	struct edge_reply r;

	start();
	r = keep(house_send(&h, "GET", spellings[_i], META, SPAN_NONE));
	ck_assert_int_eq(r.status, 200);
	ck_assert(house_same_body(&r, &good));
	r = keep(house_send(&h, "GET", spellings[_i], NULL, SPAN_NONE));
	ck_assert_int_eq(r.status, 400);
	ck_assert_ptr_null(strstr(r.body, "CERTIFICATE"));
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thim");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_a_request_in_pieces);
	tcase_add_test(tc, test_refused_ones_between_good_ones);
	tcase_add_test(tc, test_head_has_no_body);
	tcase_add_loop_test(tc, test_what_ends_the_connection, 0, N(hidden));
	tcase_add_loop_test(tc, test_every_spelling_of_the_path_is_guarded, 0,
	    N(spellings));
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
