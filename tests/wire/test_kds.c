/*
 * The KDS routes byte by byte: requests in pieces, several at once, good ones
 * behind refused ones, clients that leave while they wait.
 */
#include "tests/kit/house.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define CHAIN "/vcek/v1/Milan/cert_chain"
#define CRL   "/vcek/v1/Milan/crl"
#define VCEKS "/vcek/v1/*/*[?]*"

static struct house h;
static char vcek[SIM_KDS_PATH], other[SIM_KDS_PATH];

static void
setup(void)
{
	static const struct house_opts o = {
		.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"kds\","
			  "\"ops\"]}]",
	};
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));

	house_start(&h, &o);
	sim_chip_path(&chip, vcek);
	chip = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	sim_chip_path(&chip, other);
	expect_get(&h, vcek, 200, NULL);
}

static void
teardown(void)
{
	house_stop(&h);
}

static char *
get(const char *method, const char *target, const char *lines)
{
	char *s;

	ck_assert_int_gt(asprintf(&s, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n",
			     method, target, lines),
	    0);
	return s;
}

START_TEST(test_a_request_in_pieces)
{
	char *text = get("GET", vcek, "");
	size_t len = strlen(text), at;
	struct edge_reply first = house_get(&h, vcek), r;
	int fd = edge_open(h.port);

	/* Two halves at every byte, on one connection. */
	for (at = 1; at < len; at += 3) {
		edge_send_n(fd, text, at);
		edge_send_n(fd, text + at, len - at);
		edge_read(fd, &r, false);
		ck_assert_int_eq(r.status, 200);
		ck_assert(house_same_body(&first, &r));
		edge_reply_free(&r);
	}
	close(fd);
	free(text);
	edge_reply_free(&first);
}
END_TEST

/* Answers come in the order of the questions, hits behind a miss, too, and
 * after a refusal the connection goes on. */
START_TEST(test_several_at_once)
{
	const struct {
		const char *method, *target;
		int status;
	} asks[] = {
		{ "GET", other, 200 },
		{ "GET", CHAIN, 200 },
		{ "HEAD", vcek, 200 },
		{ "GET", "/vcek/v1/Milan/xyz?blSPL=1", 400 },
		{ "GET", CRL, 200 },
		{ "POST", CRL, 405 },
		{ "GET", "/vcek/v1/Unknown/crl", 404 },
		{ "HEAD", CRL, 200 },
		{ "GET", vcek, 200 },
	};
	struct buf all = BUF_INIT;
	struct edge_reply r;
	char *one;
	int fd = edge_open(h.port), i;

	for (i = 0; i < N(asks); i++) {
		one = get(asks[i].method, asks[i].target,
		    i == 5 ? "Content-Length: 0\r\n" : "");
		buf_str(&all, one);
		free(one);
	}
	edge_send_n(fd, all.p, all.len);
	for (i = 0; i < N(asks); i++) {
		edge_read(fd, &r, strcmp(asks[i].method, "HEAD") == 0);
		ck_assert_msg(r.status == asks[i].status, "%d: %d\n%s", i,
		    r.status, r.text);
		edge_reply_free(&r);
	}
	buf_free(&all);
	close(fd);
}
END_TEST

/* A client that leaves does not end the fetch; the next one finds it. */
START_TEST(test_a_client_that_leaves_while_it_waits)
{
	struct sim_fault f = { .kind = SIM_HOLD, .path = VCEKS };
	char *text = get("GET", other, "");
	struct edge_reply r;
	int fd = edge_open(h.port);

	sim_count_reset(h.sim);
	sim_fault_add(h.sim, &f);
	edge_send(fd, text);
	ck_assert(sim_wait(h.sim, VCEKS, 1, PATIENCE_MS));
	close(fd);
	fd = edge_open(h.port);
	edge_send(fd, text);
	sim_release(h.sim);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	edge_reply_free(&r);
	close(fd);
	free(text);
}
END_TEST

/* HEAD of what is not cached fetches it, as GET does. */
START_TEST(test_head_of_a_miss)
{
	char *text = get("HEAD", other, "");
	struct edge_reply r, full;
	char length[32];
	int fd = edge_open(h.port);

	edge_send(fd, text);
	edge_read(fd, &r, true);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", "MISS");
	full = house_get(&h, other);
	expect_header(&full, "X-Cache", "HIT");
	snprintf(length, sizeof(length), "%zu", full.len);
	expect_header(&r, "Content-Length", length);
	edge_reply_free(&r);
	edge_reply_free(&full);
	close(fd);
	free(text);
}
END_TEST

static const struct {
	const char *lines;
	int status;
} odd[] = {
	{ "Transfer-Encoding: chunked\r\n", 400 },
	{ "Content-Length: 1\r\nContent-Length: 2\r\n", 400 },
	{ "Host: y\r\n", 400 },
	{ "If-None-Match: *\r\n", 304 },
	{ "If-None-Match: W/\"x\"\r\n", 200 },
	{ "Range: bytes=0-1\r\n", 200 },
	{ "Accept: text/html\r\nAccept-Encoding: gzip\r\n", 200 },
};

START_TEST(test_odd_lines)
{
	char *text = get("GET", vcek, odd[_i].lines);
	struct edge_reply r;
	int fd = edge_open(h.port);

	edge_send(fd, text);
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, odd[_i].status);
	edge_reply_free(&r);
	close(fd);
	free(text);
}
END_TEST

/* Escapes in the path are decoded before it is read, in the query they are
 * no digits. */
START_TEST(test_escapes)
{
	struct edge_reply first = house_get(&h, vcek), r;
	char *odd_path;

	ck_assert_int_gt(asprintf(&odd_path, "/v%%63ek/%%76%%31%s", vcek + 8),
	    0);
	r = house_get(&h, odd_path);
	ck_assert_int_eq(r.status, 200);
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&r);
	edge_reply_free(&first);
	free(odd_path);
	expect_get(&h, "/vcek/v1/Milan/%00", 400, "bad-parameter");
	expect_get(&h, "/vcek/v1/Milan/%zz", 400, "bad-parameter");
	expect_get(&h, "/vcek/v1/Milan%2fcrl", 200, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire_kds");
	TCase *t = tcase_create("wire_kds");
	SRunner *r;
	int failed;

	edge_prepare();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_request_in_pieces);
	tcase_add_test(t, test_several_at_once);
	tcase_add_test(t, test_a_client_that_leaves_while_it_waits);
	tcase_add_test(t, test_head_of_a_miss);
	tcase_add_loop_test(t, test_odd_lines, 0, N(odd));
	tcase_add_test(t, test_escapes);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
