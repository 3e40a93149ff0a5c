/*
 * An upstream that lies or fails in each way the simulator can, seen from a
 * client of the house: what is answered, what is kept, who is asked next and
 * what is counted.
 */
#include "config/base/clock.h"
#include "tests/kit/house.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

/* --- the lies --------------------------------------------------------- */

struct row {
	struct sim_fault fault;
	int status;         /* of the answer with nothing held */
	const char *reason; /* and its Larder-Reason */
	bool gate;          /* refused by the gate: counted there */
	bool word;          /* upstream's word: no other is asked */
};

#define LIE(l, reason)                                                         \
	{                                                                      \
		{ .kind = SIM_LIE, .lie = l }, 502, reason, true, false        \
	}
#define STATUS(n, ours, reason, word)                                          \
	{                                                                      \
		{ .kind = SIM_STATUS, .status = n }, ours, reason, false, word \
	}

static const struct row rows[] = {
	LIE(PKI_BAD_SIGNATURE, "bad-signature"),
	LIE(PKI_BODY_CHANGED, "bad-signature"),
	LIE(PKI_WRONG_KEY, "bad-signature"),
	LIE(PKI_FOREIGN_CHAIN, "untrusted-root"),
	LIE(PKI_WRONG_ROLE, "bad-chain"),
	LIE(PKI_REVOKED_SIGNER, "revoked"),
	LIE(PKI_EXPIRED_SIGNER, "expired"),
	{ { .kind = SIM_OTHER }, 502, "not-what-was-asked", true, false },
	{ { .kind = SIM_OLDER, .arg = 40 * DAY }, 502, "expired", true, false },
	{ { .kind = SIM_NO_CHAIN }, 502, "bad-chain", true, false },
	/* In the signature of the signer's certificate. */
	{ { .kind = SIM_BAD_CHAIN, .arg = 465 }, 502, "bad-chain", true,
	    false },
	{ { .kind = SIM_CORRUPT, .arg = 500 }, 502, "bad-signature", true,
	    false },
	/* A page of HTML has no chain either, which is seen first. */
	{ { .kind = SIM_GARBAGE }, 502, "bad-chain", true, false },
	{ { .kind = SIM_OVERSIZE }, 502, "too-big", false, false },
	{ { .kind = SIM_TRUNCATE }, 502, "upstream-down", false, false },
	{ { .kind = SIM_RESET }, 502, "upstream-down", false, false },
	{ { .kind = SIM_EMPTY }, 502, "upstream-down", false, false },
	{ { .kind = SIM_HANG }, 503, "upstream-slow", false, false },
	{ { .kind = SIM_DRIP, .delay_ms = 50 }, 503, "upstream-slow", false,
	    false },
	STATUS(400, 404, "upstream-400", true),
	STATUS(401, 502, "upstream-401", false),
	STATUS(404, 404, "upstream-404", true),
	STATUS(410, 410, "upstream-410", true),
	/* A pause that is shorter than a caller's wait would be waited for. */
	{ { .kind = SIM_STATUS, .status = 429, .retry_after = "300" }, 503,
	    "upstream-429", false, false },
	STATUS(500, 502, "upstream-5xx", false),
	STATUS(503, 502, "upstream-5xx", false),
};
#define N_ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

#define TCB    "/sgx/certification/v4/tcb?fmspc=00906ED50000"

static const struct {
	const char *target, *asked;
} objects[] = {
	{ TCB, "/sgx/certification/v4/tcb[?]*" },
	{ "/sgx/certification/v4/qe/identity",
	    "/sgx/certification/v4/qe/identity*" },
	{ "/tdx/certification/v4/qe/identity",
	    "/tdx/certification/v4/qe/identity*" },
	{ "/sgx/certification/v4/pckcrl?ca=platform",
	    "/sgx/certification/v4/pckcrl*" },
};
#define N_OBJECTS 4
#define PCK_CRL   3

/* --- helpers ---------------------------------------------------------- */

static struct house h;

static void
lie_add(const struct row *row, int object)
{
	struct sim_fault f = row->fault;

	f.path = objects[object].asked;
	sim_fault_add(h.sim, &f);
}

/* "larder_refused_total" of a reason. */
static unsigned long
refusals(const char *reason)
{
	struct edge_reply r = house_get(&h, "/metrics");
	unsigned long n = 0;
	char name[80];
	char *at;

	snprintf(name, sizeof(name), "\nlarder_refused_total{reason=\"%s\"} ",
	    reason);
	at = strstr(r.body, name);
	if (at != NULL)
		n = strtoul(at + strlen(name), NULL, 10);
	edge_reply_free(&r);
	return n;
}

#define SHORT "\"timeout_ms\":3000,\"connect_timeout_ms\":3000"

static bool
is_slow(const struct row *row)
{
	return row->fault.kind == SIM_HANG || row->fault.kind == SIM_DRIP;
}

static const char *
lie_name(const struct row *row)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s %s %d",
	    sim_fault_name(row->fault.kind),
	    row->fault.kind == SIM_LIE ? pki_lie_name(row->fault.lie) : "",
	    row->fault.status);
	return text;
}

/* How transport fails is the same for every object; of a CRL some lies do not
 * exist. */
static bool
of_object(const struct row *row, int object)
{
	if (object != 0 && !row->gate)
		return false;
	return object != PCK_CRL || row->fault.kind != SIM_LIE ||
	       row->fault.lie == PKI_BAD_SIGNATURE ||
	       row->fault.lie == PKI_WRONG_KEY ||
	       row->fault.lie == PKI_FOREIGN_CHAIN;
}

/* The pairs that exist, each as object * N_ROWS + row. */
static int cases[N_ROWS * N_OBJECTS], n_cases;

static void
cases_make(void)
{
	int i;

	for (i = 0; i < N_ROWS * N_OBJECTS; i++)
		if (of_object(&rows[i % N_ROWS], i / N_ROWS))
			cases[n_cases++] = i;
}

/* --- nothing held ----------------------------------------------------- */

START_TEST(test_a_lie_is_answered_with_its_reason_and_not_kept)
{
	const struct row *row = &rows[cases[_i] % N_ROWS];
	int object = cases[_i] / N_ROWS;
	/* A slow one costs no more than the wait. */
	struct house_opts o = { .cache = is_slow(row)
					     ? "\"client_wait_ms\":1000,"
					       "\"stale_wait_ms\":1000"
					     : NULL };
	const char *reason;
	struct edge_reply r;
	unsigned long n;

	house_start(&h, &o);
	n = refusals(row->reason);
	lie_add(row, object);
	r = house_get(&h, objects[object].target);
	reason = edge_header(&r, "Larder-Reason");
	ck_assert_ptr_nonnull(reason);
	if (object == PCK_CRL) {
		ck_assert_int_eq(r.status, row->status);
	} else {
		ck_assert_msg(r.status == row->status &&
				  strcmp(reason, row->reason) == 0,
		    "%s: %d %s", lie_name(row), r.status, reason);
		if (row->gate)
			ck_assert_uint_gt(refusals(row->reason), n);
	}
	/* QCNL keeps the body of a 503 in front of the next (R2). */
	if (r.status == 503) {
		ck_assert_uint_eq(r.len, 0);
		ck_assert(has_header(&r, "Retry-After"));
	}
	edge_reply_free(&r);
	sim_fault_clear(h.sim);
	/* Nothing of it is held, on disk or in memory. */
	house_restart(&h, &(struct house_opts){ .mode = "offline" });
	expect_get(&h, objects[object].target, 404, "not-cached");
	house_stop(&h);
}
END_TEST

/* --- an honest one held ----------------------------------------------- */

static void
check_kept(int object, const struct edge_reply *held, const struct row *row)
{
	struct edge_reply r = house_get(&h, objects[object].target);

	ck_assert_msg(r.status == 200 && house_same_body(&r, held), "%s",
	    lie_name(row));
	ck_assert(!has_header(&r, "Warning"));
	edge_reply_free(&r);
}

START_TEST(test_no_lie_takes_the_place_of_what_is_held)
{
	const struct row *row = &rows[cases[_i] % N_ROWS];
	int object = cases[_i] / N_ROWS;
	struct house_opts o = { .upstream = is_slow(row) ? SHORT : NULL };
	struct edge_reply held, r;

	house_start(&h, NULL);
	held = house_get(&h, objects[object].target);
	ck_assert_int_eq(held.status, 200);
	house_reload(&h, &o);
	lie_add(row, object);
	r = house_admin(&h, "POST", "/sgx/certification/v4/refresh", "");
	ck_assert_msg(r.status == 502 || r.status == 503, "%s: %d",
	    lie_name(row), r.status);
	edge_reply_free(&r);
	check_kept(object, &held, row);
	edge_reply_free(&held);
	house_stop(&h);
}
END_TEST

/* Honest, signed, and yesterday's. */
START_TEST(test_an_older_one_does_not_replace_a_newer)
{
	static const char refresh[] = "/sgx/certification/v4/refresh";
	static const struct row older[] = {
		{ { .kind = SIM_OLDER }, 502, "older-than-held", true, false },
		{ { .kind = SIM_LOWER }, 502, "older-than-held", true, false },
	};
	struct edge_reply held, r;
	unsigned long n;
	size_t i;

	house_start(&h, NULL);
	held = house_get(&h, objects[_i].target);
	ck_assert_int_eq(held.status, 200);
	for (i = 0; i < (_i == PCK_CRL ? 1 : 2); i++) {
		n = refusals("older-than-held");
		lie_add(&older[i], _i);
		r = house_admin(&h, "POST", refresh, "");
		ck_assert_int_ne(r.status, 200);
		edge_reply_free(&r);
		check_kept(_i, &held, &older[i]);
		ck_assert_uint_gt(refusals("older-than-held"), n);
		sim_fault_clear(h.sim);
	}
	edge_reply_free(&held);
	house_stop(&h);
}
END_TEST

/* --- a second mirror -------------------------------------------------- */

START_TEST(test_the_next_mirror_is_asked)
{
	const struct row *row = &rows[_i];
	struct sim_opts so = { .genesis = clock_now() - 7200 };
	struct sim *mirror = sim_start(&so);
	struct house_opts o = { .sim = &so,
		.mirror = mirror,
		.upstream = is_slow(row) ? SHORT : NULL };

	ck_assert_ptr_nonnull(mirror);
	house_start(&h, &o);
	lie_add(row, 0);
	if (row->word) {
		expect_get(&h, TCB, row->status, row->reason);
		ck_assert_uint_eq(sim_count(mirror, objects[0].asked), 0);
	} else {
		expect_get(&h, TCB, 200, NULL);
		ck_assert_uint_eq(sim_count(mirror, objects[0].asked), 1);
	}
	ck_assert_uint_eq(sim_count(h.sim, objects[0].asked), 1);
	house_stop(&h);
	sim_stop(mirror);
}
END_TEST

static Suite *
lies_suite(void)
{
	Suite *s = suite_create("lies");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t,
	    test_a_lie_is_answered_with_its_reason_and_not_kept, 0, n_cases);
	tcase_add_loop_test(t, test_no_lie_takes_the_place_of_what_is_held, 0,
	    n_cases);
	tcase_add_loop_test(t, test_an_older_one_does_not_replace_a_newer, 0,
	    N_OBJECTS);
	tcase_add_loop_test(t, test_the_next_mirror_is_asked, 0, N_ROWS);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r;
	int failed;

	cases_make();
	r = srunner_create(lies_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
