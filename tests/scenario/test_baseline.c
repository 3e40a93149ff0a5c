/*
 * The baseline in the operator's hands: what clients get by rule, while Intel
 * promotes and retires, and over a restart.
 */
#include "config/base/clock.h"
#include "tests/kit/baseline.h"
#include "tests/kit/keep.h"
#include "tests/kit/quote.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY   86400
#define FMSPC "00606A000000"
#define TDX   "90C06F000000"
#define THIRD "00806F050000"
#define S4    "/sgx/certification/v4/"
#define T4    "/tdx/certification/v4/"

static struct house h;

static void
later(long days)
{
	clock_offset_set(clock_offset() + days * DAY);
	upstream_tick(h.upstream, NULL, NULL);
}

/* Whatever is held is asked for again. */
static void
refresh(const char *key)
{
	char target[160];

	snprintf(target, sizeof(target), "/v1/refresh?key=%s", key);
	expect_admin(&h, "POST", target, "", 200);
}

/* --- Intel promotes under us ------------------------------------------ */

/* One TCB info is refreshed and is of 18; the rest is not yet. */
START_TEST(test_standard_moves_when_all_of_it_is_held)
{
	struct sim_fault hold = { .kind = SIM_HOLD,
		.path = "*identity?tcbEvaluationDataNumber=18" };

	site_start(&h, NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	sim_fault_add(h.sim, &hold);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	ck_assert(sim_wait(h.sim, "*identity?tcbEvaluationDataNumber=18", 1,
	    PATIENCE_MS));
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	expect_whole(&h, TEE_SGX, THIRD, 17);
	sim_fault_clear(h.sim);
	baseline_settle(&h);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	expect_whole(&h, TEE_SGX, THIRD, 18);
	house_stop(&h);
}
END_TEST

/* A source that has got its TCB info gets the identity that goes with it. */
START_TEST(test_a_client_in_the_middle_of_a_set_gets_the_rest_of_it)
{
	site_start(&h, NULL);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC), 17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	refresh("all");
	baseline_settle(&h);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 17);
	ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), 17);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	house_stop(&h);
}
END_TEST

/* Nobody asked for a minute: the listener's number. */
START_TEST(test_a_trail_ends)
{
	site_start(&h, NULL);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC), 17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	refresh("all");
	baseline_settle(&h);
	clock_offset_set(clock_offset() + 61);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 18);
	house_stop(&h);
}
END_TEST

START_TEST(test_an_fmspc_intel_does_not_have_does_not_hold_the_others)
{
	struct sim_fault none = { .kind = SIM_STATUS,
		.status = 404,
		.path = "*tcb?fmspc=" THIRD "&tcbEvaluationDataNumber=18" };

	site_start(&h, NULL);
	sim_recovery(h.sim);
	sim_fault_add(h.sim, &none);
	expect_change(&h, "pin", "{\"number\":18,\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	/* It goes on with what it has, and with the identity to that. */
	expect_whole(&h, TEE_SGX, THIRD, 17);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	house_stop(&h);
}
END_TEST

/*
 * Who asks for the identity first and has got that of 17 gets no TCB info of
 * another number: when Intel gives 17 out no longer, not before the rest of 18
 * is held and his set begins anew.
 */
START_TEST(test_identity_first_while_intel_moves_on)
{
	static const char third[] = S4 "tcb?fmspc=" THIRD "&update=standard";
	struct edge_reply r;

	house_start(&h, NULL);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	clock_offset_set(clock_offset() + 61);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	r = keep(house_get(&h, third));
	ck_assert_int_ne(r.status, 200);
	baseline_settle(&h);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 18);
	ck_assert_uint_eq(served_number(&h, third), 18);
	ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), 18);
	house_stop(&h);
}
END_TEST

/* TCB info first: a set may begin with what Intel has. */
START_TEST(test_tcb_info_first_while_intel_moves_on)
{
	house_start(&h, NULL);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	clock_offset_set(clock_offset() + 61);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	expect_whole(&h, TEE_SGX, THIRD, 18);
	house_stop(&h);
}
END_TEST

static unsigned
number_within(const json_t *o, const char *member)
{
	static const char name[] = "\"tcbEvaluationDataNumber\":";
	const char *text = json_string_value(json_object_get(o, member));

	ck_assert_ptr_nonnull(text);
	text = strstr(text, name);
	ck_assert_ptr_nonnull(text);
	return (unsigned)strtoul(text + strlen(name), NULL, 10);
}

/* Nor is a set mixed that is asked for at once, for a quote. */
START_TEST(test_collateral_of_a_quote_while_intel_moves_on)
{
	struct kit_quote k = { .version = 4,
		.tee = TEE_SGX,
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0x00, 0x80, 0x6f, 0x05, 0x00, 0x00 } } };
	struct edge_reply r;
	json_t *doc;
	int i;

	house_start(&h, NULL);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	for (i = 0; i < 2; i++) {
		r = keep(house_send(&h, "POST", "/v1/collateral", NULL,
		    blob_span(keep_blob(kit_quote(sim_pki(h.sim), &k)))));
		ck_assert_msg(r.status == 200, "%s", r.text);
		doc = json_loadb(r.body, r.len, 0, NULL);
		ck_assert_uint_eq(number_within(doc, "tcb_info"), 18);
		ck_assert_uint_eq(number_within(doc, "qe_identity"), 18);
		json_decref(doc);
		baseline_settle(&h);
	}
	house_stop(&h);
}
END_TEST

/* Nothing is known yet: what is called "standard" has a number when it is
 * there, and the rest goes with that. */
START_TEST(test_identity_first_of_all)
{
	house_start(&h, NULL);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 17);
	sim_recovery(h.sim);
	expect_change(&h, "pin", "{\"number\":18,\"reason\":\"t\"}", 200, NULL);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC), 17);
	ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), 17);
	house_stop(&h);
}
END_TEST

/* --- rules ------------------------------------------------------------ */

#define PIN(n)  "{\"number\":" #n ",\"reason\":\"a test\"}"
#define PROMOTE "{\"reason\":\"a test\"}"

START_TEST(test_a_pin_stays_while_intel_moves_on)
{
	site_start(&h, NULL);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	sim_recovery(h.sim);
	refresh("all");
	expect_site(&h, 17);
	/* Signed anew by number, though standard is what it was. */
	later(25);
	baseline_settle(&h);
	later(25);
	expect_site(&h, 17);
	sim_standard(h.sim, 18);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	baseline_settle(&h);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

START_TEST(test_early_and_back)
{
	site_start(&h, NULL);
	sim_recovery(h.sim);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	expect_change(&h, "follow",
	    "{\"follow\":\"early\",\"reason\":\"t\",\"force\":true}", 200,
	    NULL);
	baseline_settle(&h);
	expect_site(&h, 18);
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_lag_goes_by_the_recovery_dates)
{
	struct sim_event event = { .at = 0 };

	site_start(&h, NULL);
	event.at = clock_now() - 10 * DAY;
	sim_publish(h.sim, &event);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	expect_change(&h, "lag",
	    "{\"days\":30,\"reason\":\"t\",\"force\":true}", 200, NULL);
	expect_site(&h, 17);
	later(18);
	baseline_settle(&h);
	expect_site(&h, 17);
	later(3);
	baseline_settle(&h);
	expect_site(&h, 18);
	house_stop(&h);
}
END_TEST

#define TWO_LISTENERS                                                          \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"admin\"]},"       \
	"{\"address\":\"0.0.0.0:0\",\"serve\":[\"pccs\"],"                     \
	"\"allow_clear\":true,\"baseline\":{\"follow\":\"early\"}}]"

/* The canary pool's listener is ahead, for every FMSPC. */
START_TEST(test_a_listener_of_its_own)
{
	struct house_opts o = { .listen = TWO_LISTENERS };
	struct house canary;

	site_start(&h, &o);
	canary = h;
	canary.port = server_port(h.server, 1);
	sim_recovery(h.sim);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	baseline_settle(&h);
	expect_site(&h, 17);
	expect_set(&canary, TEE_SGX, FMSPC, 18);
	expect_set(&canary, TEE_SGX, THIRD, 18);
	expect_set(&canary, TEE_TDX, TDX, 18);
	expect_site(&h, 17);
	/* A rule for an FMSPC does not divide it. */
	expect_change(&h, "pin",
	    "{\"fmspc\":\"" FMSPC "\",\"number\":17,\"reason\":\"t\"}", 200,
	    NULL);
	expect_set(&canary, TEE_SGX, FMSPC, 18);
	house_stop(&h);
}
END_TEST

/* Each set is whole, whichever FMSPC the same source asks for next. */
START_TEST(test_an_fmspc_of_its_own)
{
	int i;

	site_start(&h, NULL);
	sim_recovery(h.sim);
	expect_change(&h, "pin",
	    "{\"fmspc\":\"" FMSPC "\",\"number\":18,\"reason\":\"t\"}", 200,
	    NULL);
	baseline_settle(&h);
	for (i = 0; i < 20; i++) {
		expect_whole(&h, TEE_SGX, FMSPC, 18);
		expect_whole(&h, TEE_SGX, THIRD, 17);
	}
	expect_whole(&h, TEE_TDX, TDX, 17);
	house_stop(&h);
}
END_TEST

/* QvE's identity, which is SGX's, goes with the set of TDX that it verifies; if
 * Intel has none of that number for SGX, with the rule. */
START_TEST(test_qve_of_a_set_of_tdx)
{
	struct sim_fault none = { .kind = SIM_STATUS,
		.status = 404,
		.path = "*/qve/identity?tcbEvaluationDataNumber=18" };
	uint32_t i;

	for (i = 0; i < 2; i++) {
		site_start(&h, NULL);
		sim_recovery(h.sim);
		if (i == 1)
			sim_fault_add(h.sim, &none);
		expect_change(&h, "pin",
		    "{\"fmspc\":\"" TDX "\",\"number\":18,\"reason\":\"t\"}",
		    200, NULL);
		while (served_number(&h, T4 "tcb?fmspc=" TDX) != 18)
			clock_offset_set(clock_offset() + 61);
		ck_assert_uint_eq(served_number(&h, T4 "qe/identity"), 18);
		ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), 18 - i);
		house_stop(&h);
	}
}
END_TEST

/* A request says itself what it wants, unless the operator overrides it. */
START_TEST(test_what_a_request_names)
{
	struct house_opts o = {
		.members = "\"baseline\":{\"override_requests\":true}"
	};

	site_start(&h, NULL);
	sim_recovery(h.sim);
	ck_assert_uint_eq(served_number(&h,
			      S4 "tcb?fmspc=" FMSPC "&update=early"),
	    18);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity?update=early"), 18);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC
					       "&tcbEvaluationDataNumber=18"),
	    18);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC), 17);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	house_restart(&h, &o);
	ck_assert_uint_eq(served_number(&h,
			      S4 "tcb?fmspc=" FMSPC "&update=early"),
	    17);
	ck_assert_uint_eq(served_number(&h,
			      S4 "qe/identity?tcbEvaluationDataNumber=18"),
	    17);
	house_stop(&h);
}
END_TEST

/* --- Intel retires a number ------------------------------------------- */

static void
retire_17(void)
{
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	refresh("tcb/tdx/4/" TDX "/standard");
	baseline_settle(&h);
}

static const char *
warning(void)
{
	static char text[32];
	json_t *doc = baseline_doc(&h);
	json_t *row = baseline_row(doc, NULL, "sgx", FMSPC);
	const char *w = json_string_value(json_object_get(row, "warning"));

	snprintf(text, sizeof(text), "%s", w == NULL ? "-" : w);
	json_decref(doc);
	return text;
}

START_TEST(test_hold)
{
	struct house_opts o = { .members = "\"baseline\":{\"hold_max_s\":"
					   "864000}" }; /* ten days */
	struct served s;

	site_start(&h, &o);
	ck_assert_str_eq(warning(), "-");
	expect_change(&h, "pin", PIN(17), 200, NULL);
	retire_17();
	ck_assert_str_eq(warning(), "retired");
	expect_site(&h, 17);
	later(29);
	baseline_settle(&h);
	s = served_set(&h, TEE_SGX, FMSPC);
	ck_assert(s.tcb == 17 && s.identity == 17 && !s.stale);
	ck_assert_int_gt(s.ends_at, clock_now());
	later(4);
	baseline_settle(&h);
	s = served_set(&h, TEE_SGX, FMSPC);
	ck_assert(s.tcb == 17 && s.identity == 17 && s.stale);
	ck_assert_str_eq(warning(), "held");
	later(8);
	baseline_settle(&h);
	s = served_set(&h, TEE_SGX, FMSPC);
	ck_assert(s.tcb == 18 && s.identity == 18 && !s.stale);
	ck_assert_str_eq(warning(), "advanced");
	house_stop(&h);
}
END_TEST

START_TEST(test_advance)
{
	struct served s;
	int day, at = 0;

	site_start(&h, NULL);
	expect_change(&h, "pin",
	    "{\"number\":17,\"on_retire\":\"advance\",\"reason\":\"t\"}", 200,
	    NULL);
	retire_17();
	expect_site(&h, 17);
	for (day = 1; day <= 31 && at == 0; day++) {
		later(1);
		baseline_settle(&h);
		s = served_set(&h, TEE_SGX, FMSPC);
		ck_assert(s.tcb == s.identity && !s.stale);
		ck_assert_int_gt(s.ends_at, clock_now());
		at = s.tcb == 18 ? day : 0;
	}
	/* Not before the last day of the last signed set. */
	ck_assert_int_ge(at, 28);
	ck_assert_int_le(at, 30);
	expect_site(&h, 18);
	house_stop(&h);
}
END_TEST

/* The night after: back to what the fleet can prove, while it lasts. */
START_TEST(test_back_to_a_number_that_intel_has_just_retired)
{
	site_start(&h, NULL);
	retire_17();
	refresh("all");
	baseline_settle(&h);
	expect_site(&h, 18);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	expect_site(&h, 17);
	ck_assert_str_eq(warning(), "retired");
	house_restart(&h, NULL);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

/* --- change control --------------------------------------------------- */

#define C16  "c1c1c1c1c1c1c1c1"
#define C128 C16 C16 C16 C16 C16 C16 C16 C16
#define TCB  "DB18000000000004"
#define CHIP(product, chip, tcb)                                               \
	"{\"product\":\"" product "\",\"chip\":\"" chip "\",\"tcb\":\"" tcb    \
	"\",\"reason\":\"t\"}"

/* --- restarts --------------------------------------------------------- */

START_TEST(test_a_restart_changes_nothing)
{
	struct sim_fault hold = { .kind = SIM_HOLD,
		.path = "*identity?tcbEvaluationDataNumber=18" };

	site_start(&h, NULL);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	house_restart(&h, NULL);
	expect_site(&h, 17);
	ck_assert_int_eq(baseline_revision(&h), 1);
	/* In the middle of Intel's promotion, under "standard". */
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	sim_fault_add(h.sim, &hold);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	ck_assert(sim_wait(h.sim, "*identity?tcbEvaluationDataNumber=18", 1,
	    PATIENCE_MS));
	house_restart(&h, NULL);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	expect_whole(&h, TEE_SGX, THIRD, 17);
	sim_fault_clear(h.sim);
	baseline_settle(&h);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	house_restart(&h, NULL);
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	expect_whole(&h, TEE_SGX, THIRD, 18);
	house_stop(&h);
}
END_TEST

/* Another configuration: its rules under those of run time. */
START_TEST(test_rules_of_run_time_go_before_the_configuration)
{
	struct house_opts o = { .members = "\"baseline\":{\"pin\":17}" };

	site_start(&h, NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	house_reload(&h, &o);
	refresh("all");
	baseline_settle(&h);
	expect_site(&h, 17);
	expect_change(&h, "follow",
	    "{\"follow\":\"standard\",\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_site(&h, 18);
	house_reload(&h, &o);
	expect_site(&h, 18);
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_standard_moves_when_all_of_it_is_held);
	tcase_add_test(t,
	    test_a_client_in_the_middle_of_a_set_gets_the_rest_of_it);
	tcase_add_test(t, test_a_trail_ends);
	tcase_add_test(t,
	    test_an_fmspc_intel_does_not_have_does_not_hold_the_others);
	tcase_add_test(t, test_identity_first_while_intel_moves_on);
	tcase_add_test(t, test_tcb_info_first_while_intel_moves_on);
	tcase_add_test(t, test_collateral_of_a_quote_while_intel_moves_on);
	tcase_add_test(t, test_identity_first_of_all);
	tcase_add_test(t, test_a_pin_stays_while_intel_moves_on);
	tcase_add_test(t, test_early_and_back);
	tcase_add_test(t, test_a_lag_goes_by_the_recovery_dates);
	tcase_add_test(t, test_a_listener_of_its_own);
	tcase_add_test(t, test_an_fmspc_of_its_own);
	tcase_add_test(t, test_qve_of_a_set_of_tdx);
	tcase_add_test(t, test_what_a_request_names);
	tcase_add_test(t, test_hold);
	tcase_add_test(t, test_advance);
	tcase_add_test(t, test_back_to_a_number_that_intel_has_just_retired);
	tcase_add_test(t, test_a_restart_changes_nothing);
	tcase_add_test(t, test_rules_of_run_time_go_before_the_configuration);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
