/*
 * What one address can make larder do by asking for what is not there: so
 * many fetches, so many rows, and others are served meanwhile (issue of the
 * edge, amd-kds 2.6).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/house.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MISSES 10000
#define BURST  40
#define ROWS   16
#define VCEKS  "/vcek/v1/*/*[?]*"
#define CERTS  "/sgx/certification/v4/pckcerts*"
#define TCB    "/sgx/certification/v4/tcb?fmspc=00906ED50000"

static struct house h;
static const struct house_opts tight = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"kds\"]}]",
	/* The clock stands as good as still: nothing is saved up. */
	.limits = "\"misses_per_source_per_minute\":1,"
		  "\"misses_per_source_burst\":40",
	.cache = "\"platforms_on_demand\":16,\"vceks\":16",
	/* The pace of KDS has tests of its own. */
	.kds = "\"vcek_per_minute\":0",
};

static void
setup(void)
{
	house_start(&h, &tight);
}

static void
teardown(void)
{
	house_stop(&h);
}

static void
send_get(int fd, const char *target)
{
	struct buf b = BUF_INIT;

	/* In one piece: the kernel waits between small ones. */
	buf_printf(&b, "GET %s HTTP/1.1\r\nHost: larder\r\n\r\n", target);
	edge_send_n(fd, b.p, b.len);
	buf_free(&b);
}

/* Over a connection that stays open: the status; *r is to be freed. */
static int
ask(int fd, const char *target, struct edge_reply *r)
{
	send_get(fd, target);
	edge_read(fd, r, false);
	return r->status;
}

static long
rows(const char *query)
{
	char path[128];
	sqlite3_stmt *stmt;
	sqlite3 *db;
	long n;

	storage_drain(h.storage);
	snprintf(path, sizeof(path), "%s/larder.db", h.dir);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, query, -1, &stmt, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	n = (long)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

/* The simulated PCS knows whatever PPID it is asked for. */
static char *
miss_platform(unsigned n)
{
	char ppid[2 * PPID_LEN + 1], *out;

	snprintf(ppid, sizeof(ppid), "%0*X", 2 * PPID_LEN, n + 1);
	ck_assert_int_gt(asprintf(&out,
			     "/sgx/certification/v4/pckcert?qeid=%032X"
			     "&encrypted_ppid=%s&cpusvn=0E0E0303FFFF0100"
			     "0000000000000000&pcesvn=0D00&pceid=0000",
			     n, ppid),
	    0);
	return out;
}

/* The n-th thing that is not there: a platform, a chip, an FMSPC, a TCB of a
 * chip that KDS knows. */
static char *
miss(unsigned n)
{
	struct sim_chip c;
	char path[SIM_KDS_PATH], *out;

	switch (n % 4) {
	case 0:
		return miss_platform(n);
	case 1:
		c = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, n));
		sim_chip_path(&c, path);
		return strdup(path);
	case 2:
		ck_assert_int_gt(asprintf(&out,
				     "/sgx/certification/v4/tcb?fmspc=%012X",
				     0x700000u + n),
		    0);
		return out;
	default:
		c = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, n));
		sim_chip_path(&c, path);
		return strdup(path);
	}
}

/* --- one source, and another ------------------------------------------ */

#define AT_ONCE 50

/* Ask for so many, some at once; how many were refused for the budget. */
static unsigned long
misses_refused(unsigned n)
{
	unsigned long refused = 0;
	struct edge_reply r;
	int fd[AT_ONCE];
	unsigned i, k;
	char *target;

	for (k = 0; k < AT_ONCE; k++)
		fd[k] = edge_open(h.port);
	for (i = 0; i < n; i += AT_ONCE) {
		for (k = 0; k < AT_ONCE; k++) {
			target = miss(i + k);
			send_get(fd[k], target);
			free(target);
		}
		for (k = 0; k < AT_ONCE; k++) {
			edge_read(fd[k], &r, false);
			if (r.status == 503) {
				expect_header(&r, "Larder-Reason",
				    "miss-budget");
				ck_assert(has_header(&r, "Retry-After"));
				refused++;
			}
			edge_reply_free(&r);
		}
	}
	for (k = 0; k < AT_ONCE; k++)
		close(fd[k]);
	return refused;
}

static unsigned long
refused_counted(void)
{
	static const char line[] = "larder_shed_total{what=\"source\"} ";
	struct edge_reply r = house_get(&h, "/metrics");
	const char *at = strstr(r.body, line);
	unsigned long n;

	ck_assert_ptr_nonnull(at);
	n = strtoul(at + sizeof(line) - 1, NULL, 10);
	edge_reply_free(&r);
	return n;
}

START_TEST(test_ten_thousand_misses_cost_what_one_source_may_cost)
{
	unsigned long refused, before;
	struct edge_reply r;
	unsigned n;
	char *target;
	int fd;

	expect_get(&h, TCB, 200, NULL);
	before = sim_count(h.sim, NULL);
	refused = misses_refused(MISSES);
	ck_assert_uint_ge(refused, MISSES - BURST - 5);
	/* What a fetch needs beside itself (a chain, a list, the TCB info of
	 * an FMSPC) is one each, and shared. */
	ck_assert_uint_le(sim_count(h.sim, NULL) - before, BURST + 5 + 12);
	ck_assert_int_le(rows("SELECT count(*) FROM platform"), ROWS);
	ck_assert_int_le(rows("SELECT count(*) FROM vek"), ROWS);
	ck_assert_int_le(rows("SELECT count(*) FROM object"), 16);
	ck_assert_uint_eq(refused_counted(), refused);
	/* What is cached is not refused to anybody. */
	r = house_get(&h, TCB);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", "HIT");
	edge_reply_free(&r);
	/* Another source is served, what is not cached, too. */
	fd = edge_open_from("127.0.0.2", h.port);
	for (n = MISSES; n < MISSES + 8; n++) {
		target = miss(n);
		ck_assert_int_eq(ask(fd, target, &r),
		    n % 4 == 0 || n % 4 == 3 ? 200 : 404);
		edge_reply_free(&r);
		free(target);
	}
	close(fd);
}
END_TEST

/* --- who is not charged ----------------------------------------------- */

START_TEST(test_what_is_known_to_be_absent_costs_nothing)
{
	int fd = edge_open(h.port), i;
	struct edge_reply r;

	for (i = 0; i < 3 * BURST; i++) {
		ck_assert_int_eq(ask(fd,
				     "/sgx/certification/v4/tcb"
				     "?fmspc=0000007FFFFF",
				     &r),
		    404);
		edge_reply_free(&r);
	}
	close(fd);
}
END_TEST

/* A registration has shown its token. */
START_TEST(test_a_token_is_exempt)
{
	struct sim_platform p;
	unsigned n;

	for (n = 0; n < BURST + 5; n++) {
		p = sim_platform(SIM_NUMBER(SIM_DIRECT, n));
		expect_registered(&h, &p, NULL);
	}
	ck_assert_uint_eq(sim_count(h.sim, CERTS), BURST + 5);
	/* And nobody else has paid for it. */
	p = sim_platform(SIM_NUMBER(SIM_DIRECT, n));
	expect_pckcert(&h, &p, 1, 200, NULL);
	ck_assert_int_eq(rows("SELECT count(*) FROM platform"), BURST + 6);
}
END_TEST

START_TEST(test_unix_sockets_are_exempt)
{
	struct house_opts o = tight;
	char listen[256], path[128], *target;
	struct edge_reply r;
	unsigned n;
	int fd;

	snprintf(path, sizeof(path), "%s/larder.sock", h.dir);
	snprintf(listen, sizeof(listen),
	    "[{\"address\":\"unix:%s\",\"serve\":[\"pccs\",\"kds\"]}]", path);
	o.listen = listen;
	house_restart(&h, &o);
	fd = edge_open_unix(path);
	for (n = 0; n < 2 * BURST; n++) {
		target = miss(4 * n + 1);
		ck_assert_int_eq(ask(fd, target, &r), 404);
		edge_reply_free(&r);
		free(target);
	}
	close(fd);
}
END_TEST

/* While one source has filled the queue of VCEKs for minutes to come, the
 * next one's turn is next. */
START_TEST(test_a_flood_of_vceks_does_not_keep_others_waiting)
{
	struct house_opts o = tight;
	struct edge_reply r;
	char *target;
	int fd[30], friend;
	unsigned n;

	o.kds = "\"vcek_per_minute\":120,\"vcek_burst\":1";
	house_restart(&h, &o);
	for (n = 0; n < 30; n++) {
		target = miss(4 * n + 3);
		fd[n] = edge_open(h.port);
		send_get(fd[n], target);
		free(target);
	}
	ck_assert(sim_wait(h.sim, VCEKS, 1, PATIENCE_MS));
	friend = edge_open_from("127.0.0.2", h.port);
	target = miss(4 * n + 3);
	ck_assert_int_eq(ask(friend, target, &r), 200);
	edge_reply_free(&r);
	/* Not behind the thirty, which take a quarter of a minute. */
	ck_assert_uint_le(sim_count(h.sim, VCEKS), 15);
	free(target);
	for (n = 0; n < 30; n++)
		close(fd[n]);
	close(friend);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("miss_budget");
	TCase *t = tcase_create("miss_budget");
	SRunner *r;
	int failed;

	edge_prepare();
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    test_ten_thousand_misses_cost_what_one_source_may_cost);
	tcase_add_test(t, test_what_is_known_to_be_absent_costs_nothing);
	tcase_add_test(t, test_a_token_is_exempt);
	tcase_add_test(t, test_unix_sockets_are_exempt);
	tcase_add_test(t, test_a_flood_of_vceks_does_not_keep_others_waiting);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
