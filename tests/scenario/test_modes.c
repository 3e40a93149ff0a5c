/*
 * The three modes as tables: caching-and-selection 1, and 2 for pckcert.
 * Each row is a request, and its answer and reason in each mode.
 */
#include "tests/kit/document.h"
#include "tests/kit/house.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define S3 "/sgx/certification/v3/"
#define S4 "/sgx/certification/v4/"
#define T4 "/tdx/certification/v4/"

enum { LAZY, REQ, OFFLINE, MODES };
static const char *const modes[MODES] = { "lazy", "req", "offline" };

struct word {
	int status;
	const char *reason; /* NULL with 200 */
};
#define OK                                                                     \
	{                                                                      \
		200, NULL                                                      \
	}
#define NOT_CACHED                                                             \
	{                                                                      \
		404, "not-cached"                                              \
	}
#define EOL                                                                    \
	{                                                                      \
		410, "v3-end-of-life"                                          \
	}
#define BAD                                                                    \
	{                                                                      \
		400, "bad-parameter"                                           \
	}

static struct house h;

static void
check_word(const char *what, int mode, struct edge_reply *r, struct word w)
{
	const char *reason = edge_header(r, "Larder-Reason");

	ck_assert_msg(r->status == w.status, "%s, %s: %d %s", what, modes[mode],
	    r->status, reason == NULL ? "" : reason);
	if (w.reason != NULL) {
		ck_assert_ptr_nonnull(reason);
		ck_assert_str_eq(reason, w.reason);
	}
	edge_reply_free(r);
}

static void
house_in(int mode)
{
	struct house_opts o = { .mode = modes[mode] };

	house_start(&h, &o);
}

/* Only LAZY asks while it answers. */
static void
check_asked(int mode, bool may)
{
	if (mode == LAZY && may)
		ck_assert_uint_gt(sim_count(h.sim, NULL), 0);
	else
		ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
}

/* --- collateral that is not held -------------------------------------- */

static const struct {
	const char *target;
	struct word word[MODES];
} misses[] = {
	{ S4 "tcb?fmspc=00906ED50000", { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "tcb?fmspc=00906ED50000&update=early",
	    { OK, NOT_CACHED, NOT_CACHED } },
	{ T4 "tcb?fmspc=90C06F000000", { OK, NOT_CACHED, NOT_CACHED } },
	{ T4 "tcb?fmspc=00906ED50000",
	    { { 404, "upstream-404" }, NOT_CACHED, NOT_CACHED } },
	{ S4 "tcb?fmspc=00906ED50000&tcbEvaluationDataNumber=17",
	    { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "tcb?fmspc=00906ED50000&tcbEvaluationDataNumber=3",
	    { { 410, "upstream-410" }, NOT_CACHED, NOT_CACHED } },
	{ S4 "tcb?fmspc=0090", { BAD, BAD, BAD } },
	{ S4 "qe/identity", { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "qve/identity", { OK, NOT_CACHED, NOT_CACHED } },
	{ T4 "qe/identity", { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "pckcrl?ca=processor", { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "pckcrl?ca=platform&encoding=der",
	    { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "pckcrl?ca=other", { BAD, BAD, BAD } },
	{ S4 "rootcacrl", { OK, NOT_CACHED, NOT_CACHED } },
	{ S4 "crl?uri=https://certificates.trustedservices.intel.com/"
	     "IntelSGXRootCA.der",
	    { OK, NOT_CACHED, NOT_CACHED } },
	{ S3 "pckcrl?ca=processor", { OK, NOT_CACHED, NOT_CACHED } },
	{ S3 "tcb?fmspc=00906ED50000", { EOL, NOT_CACHED, NOT_CACHED } },
	{ S3 "qe/identity", { EOL, NOT_CACHED, NOT_CACHED } },
	{ S3 "qve/identity", { EOL, NOT_CACHED, NOT_CACHED } },
};
#define N_MISSES ((int)(sizeof(misses) / sizeof(misses[0])))

START_TEST(test_collateral_not_held)
{
	int i;
	struct edge_reply r;

	house_in(_i);
	for (i = 0; i < N_MISSES; i++) {
		r = house_get(&h, misses[i].target);
		check_word(misses[i].target, _i, &r, misses[i].word[_i]);
	}
	check_asked(_i, true);
	house_stop(&h);
}
END_TEST

/* What is held is served in every mode without asking. */
START_TEST(test_collateral_held)
{
	struct house_opts o = { .mode = modes[_i] };
	struct edge_reply r;
	int i;

	house_in(LAZY);
	for (i = 0; i < N_MISSES; i++)
		(void)house_status(&h, misses[i].target);
	storage_drain(h.storage);
	house_restart(&h, &o);
	sim_down(h.sim);
	for (i = 0; i < N_MISSES; i++) {
		if (misses[i].word[LAZY].status != 200)
			continue;
		r = house_get(&h, misses[i].target);
		expect_header(&r, "X-Cache", "HIT");
		check_word(misses[i].target, _i, &r, (struct word)OK);
	}
	house_stop(&h);
}
END_TEST

/* --- pckcert ---------------------------------------------------------- */

/* QCNL's target with one parameter's value replaced, or, with NULL, gone. */
static char *
target_with(const struct sim_platform *p, const char *name, const char *value)
{
	char *whole = house_pckcert(p, 1), *at, *end;
	struct buf b = BUF_INIT;

	at = strstr(whole, name);
	ck_assert_ptr_nonnull(at);
	end = at + strcspn(at, "&");
	buf_printf(&b, "%.*s", (int)(at - whole), whole);
	if (value != NULL)
		buf_printf(&b, "%s%s", name, value);
	buf_printf(&b, "%s", end);
	buf_add(&b, "", 1);
	free(whole);
	return b.p;
}

#define UNKNOWN                                                                \
	{                                                                      \
		461, "unknown-platform"                                        \
	}
#define NO_CERT                                                                \
	{                                                                      \
		404, "no-certificate-fits"                                     \
	}
#define ZEROS32 "00000000000000000000000000000000"

static const struct {
	const char *what;
	bool known;
	const char *name, *value; /* of a parameter, changed */
	struct word word[MODES];
} pckcerts[] = {
	{ "1: parameter", true, "cpusvn=", "00", { BAD, BAD, BAD } },
	{ "1: parameter missing", true, "pcesvn=", NULL, { BAD, BAD, BAD } },
	{ "2: exact", true, "pceid=", "0000", { OK, OK, OK } },
	{ "2: no PPID needed", true, "encrypted_ppid=", NULL, { OK, OK, OK } },
	{ "3: selected", true, "pcesvn=", "FFFF", { OK, OK, OK } },
	{ "3: none suits", true, "cpusvn=", ZEROS32,
	    { NO_CERT, NO_CERT, NO_CERT } },
	{ "5: unknown", false, "pceid=", "0000", { OK, UNKNOWN, UNKNOWN } },
	{ "5: unknown, no PPID", false, "encrypted_ppid=", NULL,
	    { { 400, "ppid-missing" }, UNKNOWN, UNKNOWN } },
};
#define N_PCKCERTS ((int)(sizeof(pckcerts) / sizeof(pckcerts[0])))

START_TEST(test_pckcert_table)
{
	struct sim_platform known = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
			    unknown = sim_platform(SIM_NUMBER(SIM_CLIENT, 2));
	struct house_opts o = { .mode = modes[_i / N_PCKCERTS] };
	int row = _i % N_PCKCERTS, mode = _i / N_PCKCERTS;
	struct edge_reply r;
	char *target;

	house_in(LAZY);
	expect_pckcert(&h, &known, 1, 200, NULL);
	storage_drain(h.storage);
	house_restart(&h, &o);
	sim_count_reset(h.sim);
	target = target_with(pckcerts[row].known ? &known : &unknown,
	    pckcerts[row].name, pckcerts[row].value);
	r = house_get(&h, target);
	check_word(pckcerts[row].what, mode, &r, pckcerts[row].word[mode]);
	if (mode != LAZY || pckcerts[row].word[mode].status == 400)
		check_asked(mode, false);
	free(target);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckcert_of_an_unknown_platform_with_a_ppid_of_zeros)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	static const struct word words[MODES] = { { 404, "ppid-zero" }, UNKNOWN,
		UNKNOWN };

	house_in(_i);
	expect_pckcert(&h, &p, 0, words[_i].status, words[_i].reason);
	check_asked(_i, false);
	house_stop(&h);
}
END_TEST

/* --- registration, lists, uploads, refresh ---------------------------- */

static void
check_queue(int mode, int n)
{
	struct edge_reply r =
	    house_admin(&h, "GET", S4 "platforms?peek=1", NULL);
	char text[12];

	snprintf(text, sizeof(text), "%d", n);
	expect_header(&r, "platform-count", text);
	check_word("platforms", mode, &r, (struct word)OK);
}

START_TEST(test_registration)
{
	static const int queued[MODES] = { 0, 0, 1 };
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	static const struct word after[MODES] = { OK, OK, UNKNOWN };
	unsigned long asked;

	house_in(_i);
	expect_registered(&h, &p, NULL);
	asked = sim_count(h.sim, NULL);
	if (_i == OFFLINE)
		ck_assert_uint_eq(asked, 0);
	else
		ck_assert_uint_gt(asked, 0);
	check_queue(_i, queued[_i]);
	/* Once more: it is cached, or in the queue, already. */
	asked = sim_count(h.sim, "*pckcerts*");
	expect_registered(&h, &p, NULL);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), asked);
	check_queue(_i, queued[_i]);
	expect_pckcert(&h, &p, 0, after[_i].status, after[_i].reason);
	house_stop(&h);
}
END_TEST

START_TEST(test_registration_that_upstream_does_not_know)
{
	static const int status[MODES] = { 404, 404, 200 };
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 1));
	char *body = house_registration(&p, 1, NULL);
	struct edge_reply r;

	house_in(_i);
	r = house_register(&h, "", body);
	ck_assert_int_eq(r.status, status[_i]);
	if (_i != OFFLINE)
		ck_assert(has_header(&r, "Larder-Reason"));
	edge_reply_free(&r);
	/* It stays for the administrator. */
	check_queue(_i, 1);
	free(body);
	house_stop(&h);
}
END_TEST

START_TEST(test_upload_and_refresh)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	char *row = house_registration(&p, 1, NULL), *document;
	struct buf list = BUF_INIT;

	house_in(_i);
	buf_printf(&list, "[%s]", row);
	buf_add(&list, "", 1);
	document = document_make(&h, list.p);
	sim_count_reset(h.sim);
	expect_admin(&h, "PUT", S4 "platformcollateral", document, 200);
	expect_pckcert(&h, &p, 0, 200, NULL);
	check_asked(_i, false);
	expect_admin(&h, "POST", S4 "refresh", "", _i == OFFLINE ? 503 : 200);
	if (_i == OFFLINE)
		check_asked(_i, false);
	else
		ck_assert_uint_gt(sim_count(h.sim, NULL), 0);
	expect_admin(&h, "GET", S4 "platforms?source=[]", NULL, 200);
	buf_free(&list);
	free(document);
	free(row);
	house_stop(&h);
}
END_TEST

static Suite *
modes_suite(void)
{
	Suite *s = suite_create("modes");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_collateral_not_held, 0, MODES);
	tcase_add_loop_test(t, test_collateral_held, 0, MODES);
	tcase_add_loop_test(t, test_pckcert_table, 0, MODES * N_PCKCERTS);
	tcase_add_loop_test(t,
	    test_pckcert_of_an_unknown_platform_with_a_ppid_of_zeros, 0, MODES);
	tcase_add_loop_test(t, test_registration, 0, MODES);
	tcase_add_loop_test(t, test_registration_that_upstream_does_not_know, 0,
	    MODES);
	tcase_add_loop_test(t, test_upload_and_refresh, 0, MODES);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(modes_suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
