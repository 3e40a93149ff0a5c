/*
 * The metadata service in front of a KDS: what is fetched ahead, what a
 * guest's question fetches, and what becomes of it when KDS does not give it
 * (amd-kds 8.2).
 */
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE  "/metadata/THIM/amd/certification"
#define META   "Metadata: true\r\n"
#define LISTEN "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"thim\"]}]"
#define VCEKS  "/vcek/v1/*/*SPL=*"
#define CHAINS "/vcek/v1/*/cert_chain"

static struct house h;

static const char *
tcbm_of(const struct sim_chip *c)
{
	char text[17];

	amd_tcb_write(c->tcb, text);
	return keep_printf("%s", text);
}

static const char *
path_of(const struct sim_chip *c)
{
	char path[SIM_KDS_PATH];

	sim_chip_path(c, path);
	return keep_printf("%s", path);
}

static char *
row(const char *match, const struct sim_chip *c, const char *tcb)
{
	return keep_printf("{\"match\":[\"%s\"],\"product\":\"%s\","
			   "\"chip_id\":[\"%s\"],\"tcb\":\"%s\"}",
	    match, amd_product_name(c->product), c->hex, tcb);
}

static struct house_opts
opts(const char *rows)
{
	return (struct house_opts){ .listen = LISTEN,
		.kds = "\"vcek_per_minute\":0",
		.cache = "\"client_wait_ms\":5000",
		.members = keep_printf("\"hosts\":[%s]", rows) };
}

static void
start(const char *rows)
{
	struct house_opts o = opts(rows);

	house_start(&h, &o);
}

static struct edge_reply
get(const char *query)
{
	return keep(house_send(&h, "GET", keep_printf(ROUTE "%s", query), META,
	    SPAN_NONE));
}

static void
check_tcbm(struct edge_reply r, const char *tcbm)
{
	json_t *o = keep_json(json_loadb(r.body, r.len, 0, NULL));

	ck_assert_msg(r.status == 200, "%s%s", r.text, r.body);
	ck_assert_str_eq(json_string_value(json_object_get(o, "tcbm")), tcbm);
}

static void
check_error(struct edge_reply r, int status, const char *code)
{
	ck_assert_msg(r.status == status, "%s%s", r.text, r.body);
	expect_header(&r, "Larder-Reason", code);
	expect_header(&r, "Content-Type", "application/json; charset=utf-8");
	ck_assert_int_eq(has_header(&r, "Retry-After"), status == 503);
	/* nothing of what is behind us */
	ck_assert_ptr_null(strstr(r.body, "127.0.0.1"));
	ck_assert_ptr_null(strstr(r.body, "vek/"));
}

/* --- fetching ahead --------------------------------------------------- */

START_TEST(test_chips_are_fetched_at_the_start)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));

	start(keep_printf("%s,%s,%s", row("127.0.0.1", &a, tcbm_of(&a)),
	    row("127.0.0.2", &a, tcbm_of(&a)),
	    row("127.0.0.3", &b, tcbm_of(&b))));
	ck_assert(sim_wait(h.sim, path_of(&a), 1, PATIENCE_MS));
	ck_assert(sim_wait(h.sim, path_of(&b), 1, PATIENCE_MS));
	check_tcbm(get(""), tcbm_of(&a));
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 2);
	ck_assert_uint_eq(sim_count(h.sim, CHAINS), 2);
	/* what is held is not asked for again */
	sim_count_reset(h.sim);
	house_restart(&h, &(struct house_opts){ .listen = LISTEN,
			      .members = keep_printf("\"hosts\":[%s]",
				  row("127.0.0.1", &a, tcbm_of(&a))) });
	check_tcbm(get(""), tcbm_of(&a));
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_new_configuration_is_fetched_for)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct house_opts o = opts(row("127.0.0.1", &b, tcbm_of(&b)));

	start(row("127.0.0.1", &a, tcbm_of(&a)));
	check_tcbm(get(""), tcbm_of(&a));
	house_reload(&h, &o);
	ck_assert(sim_wait(h.sim, path_of(&b), 1, PATIENCE_MS));
	check_tcbm(get(""), tcbm_of(&b));
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 2);
	house_stop(&h);
}
END_TEST

/* The request and the fetching ahead meet in one flight. */
START_TEST(test_one_request_for_both)
{
	struct sim_fault hold = { .kind = SIM_HOLD };
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct house_opts none = opts("");
	struct house_opts o = opts(row("127.0.0.1", &a, tcbm_of(&a)));
	struct edge_reply r = { 0 };
	int fd;

	house_start(&h, &none);
	sim_fault_add(h.sim, &hold);
	house_reload(&h, &o);
	ck_assert(sim_wait(h.sim, "/vcek/v1/Milan/*", 1, PATIENCE_MS));
	fd = edge_open(h.port);
	edge_send(fd, "GET " ROUTE " HTTP/1.1\r\nHost: x\r\n" META "\r\n");
	sim_fault_clear(h.sim);
	edge_read(fd, &r, false);
	check_tcbm(keep(r), tcbm_of(&a));
	ck_assert_uint_eq(sim_count(h.sim, path_of(&a)), 1);
	house_stop(&h);
}
END_TEST

START_TEST(test_offline_asks_nobody)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct house_opts o = opts(row("127.0.0.1", &a, tcbm_of(&a)));

	o.mode = "offline";
	house_start(&h, &o);
	check_error(get(""), 503, "collateral-unavailable");
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/*"), 0);
	house_stop(&h);
}
END_TEST

/* In this mode a change of the configuration is a registration: it asks,
 * guests do not. */
START_TEST(test_req_mode_fetches_for_the_configuration_alone)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip other = sim_chip_at(a.n, 17);
	struct house_opts o = opts(row("127.0.0.1", &a, tcbm_of(&a)));
	struct edge_reply r;

	o.mode = "req";
	house_start(&h, &o);
	ck_assert(sim_wait(h.sim, path_of(&a), 1, PATIENCE_MS));
	while ((r = get("")).status == 503)
		continue;
	check_tcbm(r, tcbm_of(&a));
	check_error(get(keep_printf("?tcbVersion=%s", tcbm_of(&other))), 503,
	    "collateral-unavailable");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	house_stop(&h);
}
END_TEST

/* A TCB to ask for is not known; the chain is there when one is. */
START_TEST(test_auto_follows_what_guests_bring)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip next = sim_chip_at(a.n, 230);

	start(row("127.0.0.1", &a, "auto"));
	ck_assert(sim_wait(h.sim, CHAINS, 1, PATIENCE_MS));
	check_error(get(""), 503, "collateral-unavailable");
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 0);
	check_tcbm(get(keep_printf("?tcbVersion=%s", tcbm_of(&a))),
	    tcbm_of(&a));
	check_tcbm(get(""), tcbm_of(&a));
	check_tcbm(get(keep_printf("?tcbVersion=%s", tcbm_of(&next))),
	    tcbm_of(&next));
	check_tcbm(get(""), tcbm_of(&next));
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 2);
	house_stop(&h);
}
END_TEST

/* --- what KDS does not give ------------------------------------------- */

START_TEST(test_upstream_has_none)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, 1));
	struct edge_reply r;

	start(row("127.0.0.1", &a, tcbm_of(&a)));
	r = get("");
	check_error(r, 404, "upstream-404");
	ck_assert_ptr_nonnull(
	    strstr(r.body, "There is no certificate for this chip and TCB"));
	ck_assert_ptr_null(strstr(r.body, a.hex));
	house_stop(&h);
}
END_TEST

static const struct {
	struct sim_fault fault;
	const char *code;
} faults[] = {
	{ { .kind = SIM_STATUS, .status = 500 }, "collateral-unavailable" },
	{ { .kind = SIM_RESET }, "collateral-unavailable" },
	{ { .kind = SIM_GARBAGE }, "collateral-unavailable" },
	{ { .kind = SIM_LIE, .amd_lie = AMD_OTHER_CHIP, .path = VCEKS },
	    "collateral-unavailable" },
	{ { .kind = SIM_HANG }, "upstream-slow" },
};

START_TEST(test_upstream_fails)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip_at(a.n, 100);
	struct house_opts o = opts("");

	/* Less than the ten seconds until it is asked for again. */
	o.cache = faults[_i].fault.kind == SIM_HANG
		      ? "\"client_wait_ms\":700,\"stale_wait_ms\":0"
		      : "\"client_wait_ms\":8000,\"stale_wait_ms\":0";
	house_start(&h, &o);
	sim_fault_add(h.sim, &faults[_i].fault);
	/* after the start, so that the fault is what it meets */
	o.members =
	    keep_printf("\"hosts\":[%s]", row("127.0.0.1", &a, tcbm_of(&a)));
	house_reload(&h, &o);
	check_error(get(""), 503, faults[_i].code);
	check_error(get(keep_printf("?tcbVersion=%s", tcbm_of(&b))), 503,
	    faults[_i].code);
	house_stop(&h);
}
END_TEST

/* 429 becomes a pause, and never what a guest sees. */
START_TEST(test_upstream_throttles)
{
	struct sim_fault full = { .kind = SIM_STATUS,
		.status = 429,
		.path = VCEKS };
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip_at(a.n, 100);
	struct house_opts o = opts(row("127.0.0.1", &a, tcbm_of(&a)));
	struct edge_reply r;

	o.cache = "\"client_wait_ms\":700,\"stale_wait_ms\":0";
	house_start(&h, &o);
	ck_assert(sim_wait(h.sim, path_of(&a), 1, PATIENCE_MS));
	while (get("").status != 200)
		continue;
	sim_fault_add(h.sim, &full);
	r = get(keep_printf("?tcbVersion=%s", tcbm_of(&b)));
	ck_assert_int_eq(r.status, 503);
	ck_assert(has_header(&r, "Retry-After"));
	check_tcbm(get(""), tcbm_of(&a));
	house_stop(&h);
}
END_TEST

/* KDS signs any TCB: a guest that invents some is out of its budget soon,
 * and is still served what is held. */
START_TEST(test_invented_tcbs_are_charged)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1)), x;
	struct house_opts o = opts(row("127.0.0.1", &a, tcbm_of(&a)));
	struct edge_reply r = { 0 };
	int i;

	o.limits = "\"misses_per_source_per_minute\":1,"
		   "\"misses_per_source_burst\":3";
	house_start(&h, &o);
	check_tcbm(get(""), tcbm_of(&a));
	for (i = 0; i < 8; i++) {
		x = sim_chip_at(a.n, (uint8_t)i);
		r = get(keep_printf("?tcbVersion=%s", tcbm_of(&x)));
	}
	check_error(r, 503, "miss-budget");
	ck_assert_uint_le(sim_count(h.sim, VCEKS), 5);
	check_tcbm(get(""), tcbm_of(&a));
	house_stop(&h);
}
END_TEST

/* --- around it -------------------------------------------------------- */

/* What is being fetched when the server ends is let go. */
START_TEST(test_the_end_does_not_wait_for_upstream)
{
	struct sim_fault hold = { .kind = SIM_HOLD };
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	struct house_opts none = opts("");
	struct house_opts o =
	    opts(keep_printf("%s,%s", row("127.0.0.1", &a, tcbm_of(&a)),
		row("127.0.0.2", &b, tcbm_of(&b))));

	house_start(&h, &none);
	sim_fault_add(h.sim, &hold);
	house_reload(&h, &o);
	ck_assert(sim_wait(h.sim, "/vcek/v1/*", 2, PATIENCE_MS));
	house_down(&h);
	sim_fault_clear(h.sim);
	house_up(&h, &o);
	check_tcbm(get(""), tcbm_of(&a));
	house_stop(&h);
}
END_TEST

/* Chips are identifiers: whatever goes wrong, the log has no id in it. */
START_TEST(test_no_chip_in_the_log)
{
	struct sim_fault fail = { .kind = SIM_STATUS,
		.status = 500,
		.path = VCEKS };
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip other = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct sim_chip none = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, 1));
	struct house_opts o = opts("");
	struct daemon_run d = { 0 };
	const char *const ids[] = { a.hex, other.hex, none.hex };
	char part[17];
	struct buf log;
	size_t i;

	o.members =
	    keep_printf("\"hosts\":[%s,%s],\"log\":{\"level\":\"debug\"}",
		row("127.0.0.1", &a, tcbm_of(&a)),
		row("127.0.0.2", &none, tcbm_of(&none)));
	h.sim = NULL;
	house_daemon(&h, &o, &d);
	ck_assert_int_eq(get("").status, 200);
	/* A 404: with the fault it would be tried until it is too late. */
	ck_assert(daemon_run_logged(&d, "event=prefetch-failed"));
	sim_fault_add(h.sim, &fail);
	ck_assert_int_eq(get("?tcbVersion=DB00000000000004").status, 503);
	ck_assert_int_eq(get(keep_printf("?platformId=%s", other.hex)).status,
	    403);
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	log = run_slurp(d.log);
	ck_assert_ptr_nonnull(strstr(log.p, "object=vek/vcek/Milan/#"));
	for (i = 0; i < 3; i++) {
		snprintf(part, sizeof(part), "%.16s", ids[i]);
		ck_assert_msg(strcasestr(log.p, part) == NULL, "%s", part);
	}
	buf_free(&log);
	sim_stop(h.sim);
	keep_end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thim_fetch");
	TCase *tc = tcase_create("all");
	SRunner *r;
	int failed;

	run_dir();
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_chips_are_fetched_at_the_start);
	tcase_add_test(tc, test_a_new_configuration_is_fetched_for);
	tcase_add_test(tc, test_one_request_for_both);
	tcase_add_test(tc, test_offline_asks_nobody);
	tcase_add_test(tc, test_req_mode_fetches_for_the_configuration_alone);
	tcase_add_test(tc, test_auto_follows_what_guests_bring);
	tcase_add_test(tc, test_upstream_has_none);
	tcase_add_loop_test(tc, test_upstream_fails, 0,
	    (int)(sizeof(faults) / sizeof(faults[0])));
	tcase_add_test(tc, test_upstream_throttles);
	tcase_add_test(tc, test_invented_tcbs_are_charged);
	tcase_add_test(tc, test_the_end_does_not_wait_for_upstream);
	tcase_add_test(tc, test_no_chip_in_the_log);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
