/*
 * The baseline in the operator's hands: what clients get by rule, while Intel
 * promotes and retires, and what changing the rules does and does not.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/baseline.h"
#include "tests/kit/keep.h"
#include "tests/kit/quote.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* With QvE's identity, which is SGX's whatever it verifies. */
static void
expect_whole(enum tee tee, const char *fmspc, uint32_t number)
{
	expect_set(&h, tee, fmspc, number);
	ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), number);
}

/* Three FMSPCs, one of them with TDX too, and all identities. */
static void
begin(const struct house_opts *o)
{
	house_start(&h, o);
	expect_whole(TEE_SGX, FMSPC, 17);
	expect_whole(TEE_SGX, TDX, 17);
	expect_whole(TEE_TDX, TDX, 17);
	expect_whole(TEE_SGX, THIRD, 17);
}

/* Whatever is held is asked for again. */
static void
refresh(const char *key)
{
	char target[160];

	snprintf(target, sizeof(target), "/v1/refresh?key=%s", key);
	expect_admin(&h, "POST", target, "", 200);
}

static void
expect_all(uint32_t number)
{
	expect_whole(TEE_SGX, FMSPC, number);
	expect_whole(TEE_SGX, TDX, number);
	expect_whole(TEE_TDX, TDX, number);
	expect_whole(TEE_SGX, THIRD, number);
}

/* --- Intel promotes under us ------------------------------------------ */

#define STANDARD "/v1/refresh?key=tcb/sgx/4/" FMSPC "/standard"

/* One TCB info is refreshed and is of 18; the rest is not yet. */
START_TEST(test_standard_moves_when_all_of_it_is_held)
{
	struct sim_fault hold = { .kind = SIM_HOLD,
		.path = "*identity?tcbEvaluationDataNumber=18" };

	begin(NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	sim_fault_add(h.sim, &hold);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	ck_assert(sim_wait(h.sim, "*identity?tcbEvaluationDataNumber=18", 1,
	    PATIENCE_MS));
	expect_whole(TEE_SGX, FMSPC, 17);
	expect_whole(TEE_SGX, THIRD, 17);
	sim_fault_clear(h.sim);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 18);
	expect_whole(TEE_SGX, THIRD, 18);
	house_stop(&h);
}
END_TEST

/* A source that has got its TCB info gets the identity that goes with it. */
START_TEST(test_a_client_in_the_middle_of_a_set_gets_the_rest_of_it)
{
	begin(NULL);
	ck_assert_uint_eq(served_number(&h, S4 "tcb?fmspc=" FMSPC), 17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	refresh("all");
	baseline_settle(&h);
	ck_assert_uint_eq(served_number(&h, S4 "qe/identity"), 17);
	ck_assert_uint_eq(served_number(&h, S4 "qve/identity"), 17);
	expect_whole(TEE_SGX, FMSPC, 18);
	house_stop(&h);
}
END_TEST

/* Nobody asked for a minute: the listener's number. */
START_TEST(test_a_trail_ends)
{
	begin(NULL);
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

	begin(NULL);
	sim_recovery(h.sim);
	sim_fault_add(h.sim, &none);
	expect_change(&h, "pin", "{\"number\":18,\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 18);
	/* It goes on with what it has, and with the identity to that. */
	expect_whole(TEE_SGX, THIRD, 17);
	expect_whole(TEE_SGX, FMSPC, 18);
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
	expect_whole(TEE_SGX, FMSPC, 17);
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
	expect_whole(TEE_SGX, FMSPC, 17);
	clock_offset_set(clock_offset() + 61);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	expect_whole(TEE_SGX, THIRD, 18);
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
	expect_whole(TEE_SGX, FMSPC, 17);
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
	begin(NULL);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	sim_recovery(h.sim);
	refresh("all");
	expect_all(17);
	/* Signed anew by number, though standard is what it was. */
	later(25);
	baseline_settle(&h);
	later(25);
	expect_all(17);
	sim_standard(h.sim, 18);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	baseline_settle(&h);
	expect_all(17);
	house_stop(&h);
}
END_TEST

START_TEST(test_early_and_back)
{
	begin(NULL);
	sim_recovery(h.sim);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	expect_change(&h, "follow",
	    "{\"follow\":\"early\",\"reason\":\"t\",\"force\":true}", 200,
	    NULL);
	baseline_settle(&h);
	expect_all(18);
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	expect_all(17);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_lag_goes_by_the_recovery_dates)
{
	struct sim_event event = { .at = 0 };

	begin(NULL);
	event.at = clock_now() - 10 * DAY;
	sim_publish(h.sim, &event);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	expect_change(&h, "lag",
	    "{\"days\":30,\"reason\":\"t\",\"force\":true}", 200, NULL);
	expect_all(17);
	later(18);
	baseline_settle(&h);
	expect_all(17);
	later(3);
	baseline_settle(&h);
	expect_all(18);
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

	begin(&o);
	canary = h;
	canary.port = server_port(h.server, 1);
	sim_recovery(h.sim);
	refresh("tcb/sgx/4/" FMSPC "/early");
	refresh("tcb/tdx/4/" TDX "/early");
	baseline_settle(&h);
	expect_all(17);
	expect_set(&canary, TEE_SGX, FMSPC, 18);
	expect_set(&canary, TEE_SGX, THIRD, 18);
	expect_set(&canary, TEE_TDX, TDX, 18);
	expect_all(17);
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

	begin(NULL);
	sim_recovery(h.sim);
	expect_change(&h, "pin",
	    "{\"fmspc\":\"" FMSPC "\",\"number\":18,\"reason\":\"t\"}", 200,
	    NULL);
	baseline_settle(&h);
	for (i = 0; i < 20; i++) {
		expect_whole(TEE_SGX, FMSPC, 18);
		expect_whole(TEE_SGX, THIRD, 17);
	}
	expect_whole(TEE_TDX, TDX, 17);
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
		begin(NULL);
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

	begin(NULL);
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

	begin(&o);
	ck_assert_str_eq(warning(), "-");
	expect_change(&h, "pin", PIN(17), 200, NULL);
	retire_17();
	ck_assert_str_eq(warning(), "retired");
	expect_all(17);
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

	begin(NULL);
	expect_change(&h, "pin",
	    "{\"number\":17,\"on_retire\":\"advance\",\"reason\":\"t\"}", 200,
	    NULL);
	retire_17();
	expect_all(17);
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
	expect_all(18);
	house_stop(&h);
}
END_TEST

/* The night after: back to what the fleet can prove, while it lasts. */
START_TEST(test_back_to_a_number_that_intel_has_just_retired)
{
	begin(NULL);
	retire_17();
	refresh("all");
	baseline_settle(&h);
	expect_all(18);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	expect_all(17);
	ck_assert_str_eq(warning(), "retired");
	house_restart(&h, NULL);
	expect_all(17);
	house_stop(&h);
}
END_TEST

/* --- change control --------------------------------------------------- */

static long
revision(void)
{
	json_t *doc = baseline_doc(&h);
	long n = (long)json_integer_value(json_object_get(doc, "revision"));

	json_decref(doc);
	return n;
}

#define C16  "c1c1c1c1c1c1c1c1"
#define C128 C16 C16 C16 C16 C16 C16 C16 C16
#define TCB  "DB18000000000004"
#define CHIP(product, chip, tcb)                                               \
	"{\"product\":\"" product "\",\"chip\":\"" chip "\",\"tcb\":\"" tcb    \
	"\",\"reason\":\"t\"}"

static const struct {
	const char *verb, *body;
	int status;
	const char *reason;
	const char *text; /* part of what the operator is told; NULL: any */
} refused[] = {
	{ "pin", "{\"number\":17}", 400, "bad-parameter",
	    "a reason of 1 to 500 bytes" },
	{ "pin", "{\"number\":17,\"reason\":\"\"}", 400, "bad-parameter",
	    NULL },
	{ "pin", "{\"reason\":\"t\"}", 400, "bad-parameter", NULL },
	{ "pin", "{\"number\":\"17\",\"reason\":\"t\"}", 400, "bad-parameter",
	    NULL },
	{ "pin", "{\"number\":-1,\"reason\":\"t\"}", 400, "bad-parameter",
	    NULL },
	{ "pin", "[]", 400, "bad-parameter", NULL },
	{ "pin", "{\"number\":17,\"number\":18,\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	{ "pin", PIN(19), 404, "number-never-published",
	    "19 was never published: the highest is 18" },
	{ "pin", PIN(16), 400, "number-retired",
	    "16 is retired: Intel signs from 17 on" },
	{ "promote", PIN(19), 404, "number-never-published", NULL },
	{ "promote", PIN(16), 400, "bad-parameter", "16 is behind 17" },
	{ "pin", "{\"fmspc\":\"FFFFFFFFFFFF\",\"number\":17,\"reason\":\"t\"}",
	    404, "fmspc-unknown", "FMSPC FFFFFFFFFFFF is known" },
	{ "pin", "{\"fmspc\":\"XX\",\"number\":17,\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	{ "pin", "{\"listen\":\"1.2.3.4:5\",\"number\":17,\"reason\":\"t\"}",
	    400, "bad-parameter", "no listener 1.2.3.4:5" },
	{ "pin",
	    "{\"listen\":\"127.0.0.1:0\",\"fmspc\":\"" FMSPC
	    "\",\"number\":17,\"reason\":\"t\"}",
	    400, "bad-parameter", NULL },
	{ "lag", "{\"days\":0,\"reason\":\"t\"}", 400, "bad-parameter", NULL },
	{ "lag", "{\"days\":4000,\"reason\":\"t\"}", 400, "bad-parameter",
	    "days is not an integer from 1 to 3650" },
	{ "lag", "{\"days\":-5,\"reason\":\"t\"}", 400, "bad-parameter", NULL },
	/* 17 is of March 2024: nothing is ten years old. */
	{ "lag", "{\"days\":3650,\"reason\":\"t\"}", 400, "bad-parameter",
	    "no number that can be served is 3650 days old" },
	{ "follow", "{\"follow\":\"late\",\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	{ "follow",
	    "{\"follow\":\"early\",\"on_retire\":\"x\",\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	{ "clear", "{\"reason\":\"t\"}", 400, "bad-parameter",
	    "nothing to clear" },
	{ "clear", "{\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}", 400,
	    "bad-parameter", "nothing to clear" },
	{ "clear", "{\"product\":\"Milan\",\"reason\":\"t\"}", 400,
	    "bad-parameter", "nothing to clear" },
	{ "clear", "{}", 400, "bad-parameter", "a reason" },
	{ "rollback", "{\"reason\":\"t\"}", 400, "bad-parameter", NULL },
	{ "rollback", "{\"revision\":5,\"reason\":\"t\"}", 400, "bad-parameter",
	    "there is no revision 5" },
	{ "pin",
	    "{\"product\":\"Rome\",\"tcb\":\"DB18000000000004\","
	    "\"reason\":\"t\"}",
	    400, "bad-parameter", NULL },
	{ "pin", "{\"product\":\"Milan\",\"tcb\":\"XY\",\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	{ "lag", "{\"product\":\"Milan\",\"days\":5,\"reason\":\"t\"}", 400,
	    "bad-parameter", NULL },
	/* one chip, in every way wrong */
	{ "pin", CHIP("Rome", C128, TCB), 400, "bad-parameter",
	    "product is Milan, Genoa or Turin" },
	{ "pin", CHIP("Milan", "0123", TCB), 400, "bad-parameter",
	    "chip is not 128 hex digits, as Milan's ids are" },
	{ "pin", CHIP("Milan", C16, TCB), 400, "bad-parameter",
	    "chip is not 128 hex digits, as Milan's ids are" },
	{ "pin", CHIP("Turin", C128, TCB), 400, "bad-parameter",
	    "chip is not 16 hex digits, as Turin's ids are" },
	{ "pin", CHIP("Turin", "c1c1c1c1c1c1c1cg", TCB), 400, "bad-parameter",
	    "chip is not 16 hex digits, as Turin's ids are" },
	{ "pin", CHIP("Turin", "", TCB), 400, "bad-parameter",
	    "chip is not 16 hex digits, as Turin's ids are" },
	{ "pin", CHIP("Turin", "0000000000000000", TCB), 400, "bad-parameter",
	    "chip is all zeros: its id is masked" },
	{ "pin", CHIP("Milan", C128, "FFFFFFFFFFFFFFFF"), 400, "bad-parameter",
	    "tcb has a byte that its product has not" },
	{ "pin", CHIP("Milan", C128, "12"), 400, "bad-parameter",
	    "tcb is a reported TCB, 16 hex digits" },
	{ "pin",
	    "{\"product\":\"Turin\",\"chip\":7,\"tcb\":\"" TCB
	    "\",\"reason\":\"t\"}",
	    400, "bad-parameter", "chip is not a text" },
	{ "pin",
	    "{\"product\":\"Turin\",\"chip\":\"" C16 "\",\"reason\":\"t\"}",
	    400, "bad-parameter", "tcb is a reported TCB, 16 hex digits" },
	{ "clear",
	    "{\"product\":\"Turin\",\"chip\":\"" C16 "\",\"reason\":\"t\"}",
	    400, "bad-parameter", "nothing to clear" },
	/* What names a chip is never a rule of everything. */
	{ "clear", "{\"chip\":\"" C16 "\",\"reason\":\"t\"}", 400,
	    "bad-parameter", "chip and tcb go with a product" },
	{ "pin", "{\"chip\":\"" C16 "\",\"number\":17,\"reason\":\"t\"}", 400,
	    "bad-parameter", "chip and tcb go with a product" },
	{ "pin", "{\"tcb\":\"" TCB "\",\"number\":17,\"reason\":\"t\"}", 400,
	    "bad-parameter", "chip and tcb go with a product" },
	{ "clear",
	    "{\"product\":\"Milan\",\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}",
	    400, "bad-parameter", "a product, or fmspc or listen: not both" },
};

START_TEST(test_what_is_no_change)
{
	struct edge_reply r;
	size_t i;

	begin(NULL);
	sim_recovery(h.sim);
	expect_get(&h, S4 "tcbevaluationdatanumbers", 200, NULL);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		r = keep(
		    baseline_post(&h, refused[i].verb, -1, refused[i].body));
		ck_assert_msg(r.status == refused[i].status, "%s %s: %d",
		    refused[i].verb, refused[i].body, r.status);
		expect_header(&r, "Larder-Reason", refused[i].reason);
		ck_assert_msg(refused[i].text == NULL ||
				  strstr(r.body, refused[i].text) != NULL,
		    "%s %s: %s", refused[i].verb, refused[i].body, r.body);
	}
	ck_assert_int_eq(revision(), 0);
	expect_admin(&h, "POST", "/v1/baseline/pin", PIN(17), 428);
	/* Who is not let in is told nothing. */
	r = keep(house_get(&h, "/v1/baseline"));
	ck_assert_int_eq(r.status, 401);
	ck_assert_str_eq(r.body, "Authentication failed.");
	expect_all(17);
	house_stop(&h);
}
END_TEST

START_TEST(test_before_anything_is_known)
{
	house_start(&h, NULL);
	expect_change(&h, "pin", PIN(17), 404, "number-never-published");
	expect_change(&h, "promote", PROMOTE, 404, "number-never-published");
	house_stop(&h);
}
END_TEST

START_TEST(test_of_two_promotions_one_is_refused)
{
	struct edge_reply r;

	begin(NULL);
	sim_recovery(h.sim);
	r = baseline_post(&h, "pin", 0, PIN(18));
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "ETag", "\"1\"");
	edge_reply_free(&r);
	r = baseline_post(&h, "pin", 0, PIN(17));
	ck_assert_int_eq(r.status, 412);
	expect_header(&r, "Larder-Reason", "changed-meanwhile");
	edge_reply_free(&r);
	ck_assert_int_eq(revision(), 1);
	baseline_settle(&h);
	expect_all(18);
	house_stop(&h);
}
END_TEST

/* Two at once, from the same revision. */
START_TEST(test_concurrent_promotions)
{
	char *ask = keep_printf("POST /v1/baseline/pin HTTP/1.1\r\nHost: x\r\n"
				"admin-token: " HOUSE_ADMIN "\r\n"
				"If-Match: \"0\"\r\nContent-Length: %zu\r\n"
				"\r\n%s",
	    strlen(PIN(18)), PIN(18));
	struct edge_reply r[2];
	int fd[2], i, made = 0;

	begin(NULL);
	sim_recovery(h.sim);
	for (i = 0; i < 2; i++)
		fd[i] = edge_open(h.port);
	for (i = 0; i < 2; i++)
		edge_send(fd[i], ask);
	for (i = 0; i < 2; i++) {
		edge_read(fd[i], &r[i], false);
		ck_assert_msg(r[i].status == 200 || r[i].status == 412, "%s",
		    r[i].text);
		made += r[i].status == 200;
		edge_reply_free(&r[i]);
		close(fd[i]);
	}
	ck_assert_int_eq(made, 1);
	ck_assert_int_eq(revision(), 1);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_dry_run_changes_nothing)
{
	struct edge_reply r;
	json_t *doc;

	begin(NULL);
	sim_recovery(h.sim);
	r = keep(baseline_post(&h, "pin", -1,
	    "{\"number\":18,\"reason\":\"t\",\"dry_run\":true}"));
	ck_assert_int_eq(r.status, 200);
	doc = json_loads(r.body, 0, NULL);
	ck_assert(json_is_true(json_object_get(doc, "dry_run")));
	ck_assert_int_eq(json_integer_value(json_object_get(
			     json_object_get(json_object_get(doc, "rules"),
				 "default"),
			     "pin")),
	    18);
	json_decref(doc);
	ck_assert_int_eq(revision(), 0);
	baseline_settle(&h);
	expect_all(17);
	house_stop(&h);
}
END_TEST

START_TEST(test_history_and_going_back)
{
	struct edge_reply r;
	json_t *doc, *first;

	begin(NULL);
	sim_recovery(h.sim);
	expect_change(&h, "promote", PIN(18), 200, NULL);
	baseline_settle(&h);
	expect_all(18);
	expect_change(&h, "rollback", "{\"reason\":\"it was too soon\"}", 200,
	    NULL);
	baseline_settle(&h);
	expect_all(17);
	expect_change(&h, "rollback", "{\"revision\":1,\"reason\":\"again\"}",
	    200, NULL);
	baseline_settle(&h);
	expect_all(18);
	r = keep(house_admin(&h, "GET", "/v1/baseline/history", NULL));
	doc = json_loads(r.body, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "changes")), 3);
	first = json_array_get(json_object_get(doc, "changes"), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "revision")),
	    2);
	ck_assert_str_eq(json_string_value(json_object_get(first, "reason")),
	    "it was too soon");
	ck_assert_str_eq(json_string_value(json_object_get(first, "verb")),
	    "rollback");
	ck_assert_str_eq(json_string_value(json_object_get(first, "who")),
	    "admin");
	ck_assert(json_is_object(json_object_get(first, "impact")));
	json_decref(doc);
	house_stop(&h);
}
END_TEST

/* One scope's rule goes, whatever was set before or after it. */
START_TEST(test_clear)
{
	const struct house_opts o = {
		.members = "\"baseline\":{\"fmspc\":[{\"fmspc\":\"" THIRD
			   "\",\"pin\":17}]}"
	};
	json_t *doc, *rules;

	begin(&o);
	sim_recovery(h.sim);
	expect_change(&h, "pin",
	    "{\"fmspc\":\"" FMSPC "\",\"number\":18,\"reason\":\"t\"}", 200,
	    NULL);
	expect_change(&h, "pin",
	    "{\"fmspc\":\"" THIRD "\",\"number\":18,\"reason\":\"t\"}", 200,
	    NULL);
	expect_change(&h, "pin",
	    "{\"product\":\"Milan\",\"tcb\":\"DB18000000000004\","
	    "\"reason\":\"t\"}",
	    200, NULL);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 18);
	expect_whole(TEE_SGX, THIRD, 18);
	/* Of the first alone; a dry run of another does nothing. */
	expect_change(&h, "clear",
	    "{\"fmspc\":\"" THIRD "\",\"dry_run\":true,\"reason\":\"t\"}", 200,
	    NULL);
	expect_change(&h, "clear", "{\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}",
	    200, NULL);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 17);
	expect_whole(TEE_SGX, THIRD, 18);
	/* It is gone, and stays so; there is nothing to clear twice. */
	house_restart(&h, &o);
	expect_whole(TEE_SGX, FMSPC, 17);
	expect_change(&h, "clear", "{\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}",
	    400, "bad-parameter");
	/* Below is the configuration's own. */
	expect_change(&h, "clear", "{\"fmspc\":\"" THIRD "\",\"reason\":\"t\"}",
	    200, NULL);
	expect_change(&h, "clear", "{\"product\":\"Milan\",\"reason\":\"t\"}",
	    200, NULL);
	expect_change(&h, "clear", "{\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_all(17);
	doc = baseline_doc(&h);
	rules = json_object_get(doc, "rules");
	ck_assert_uint_eq(json_array_size(json_object_get(rules, "amd")), 0);
	ck_assert_str_eq(json_string_value(
			     json_object_get(json_object_get(rules, "default"),
				 "from")),
	    "configuration");
	ck_assert_str_eq(json_string_value(json_object_get(
			     json_object_get(json_object_get(rules, "fmspc"),
				 THIRD),
			     "from")),
	    "configuration");
	json_decref(doc);
	/* And the last of these can be rolled back. */
	expect_change(&h, "rollback", "{\"revision\":4,\"reason\":\"t\"}", 200,
	    NULL);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 18);
	house_stop(&h);
}
END_TEST

/* What somebody gave as a reason is text for whoever reads it, and no order to
 * the terminal: C0, DEL, and C1 (CSI is U+009B). */
START_TEST(test_a_reason_says_nothing_to_the_terminal)
{
	static const char *const commands[] = { "history", "history --json" };
	struct run r;
	char line[256];
	size_t i, k;

	begin(NULL);
	expect_change(&h, "pin",
	    "{\"number\":17,\"reason\":\"a\\u001b[2Jb\\u009b31mc\\u007fd\\n"
	    "\u00fc\"}",
	    200, NULL);
	run_spill("token", HOUSE_ADMIN);
	for (i = 0; i < 2; i++) {
		snprintf(line, sizeof(line),
		    "larder baseline %s --server http://127.0.0.1:%d "
		    "--token-file %s",
		    commands[i], h.port, run_path("token"));
		r = run_line("", line);
		ck_assert_int_eq(r.status, 0);
		ck_assert_ptr_nonnull(strcasestr(r.out.p,
		    i == 0 ? "a\\u001b[2Jb\\u009b31mc\\u007fd\\u000a\u00fc"
			   : "a\\u001b[2Jb\\u009b31mc\\u007fd\\n\u00fc"));
		for (k = 0; k + 1 < r.out.len; k++)
			ck_assert(r.out.p[k] == '\n' ||
				  ((unsigned char)r.out.p[k] >= ' ' &&
				      r.out.p[k] != 0x7f));
		ck_assert_ptr_null(strstr(r.out.p, "\xc2\x9b"));
		run_free(&r);
	}
	/* Nor do an answer's words when it is refused. */
	snprintf(line, sizeof(line),
	    "larder baseline lag 1\033[2J --reason t "
	    "--server http://127.0.0.1:%d",
	    h.port);
	r = run_line("", line);
	ck_assert_int_eq(r.status, 2);
	ck_assert_ptr_nonnull(strstr(r.err.p, "\"1\\u001b[2J\" is not"));
	run_free(&r);
	house_stop(&h);
}
END_TEST

/* Rows that were edited: any bytes are a text, and no JSON is null. */
START_TEST(test_history_that_was_edited_is_shown)
{
	struct edge_reply r;
	char path[300];
	sqlite3 *db;

	begin(NULL);
	expect_change(&h, "promote", PIN(17), 200, NULL);
	house_down(&h);
	snprintf(path, sizeof(path), "%s/larder.db", h.dir);
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db,
			     "UPDATE baseline_change SET who = x'ff',"
			     " reason = 5, verb = x'', before = x'fe'",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_changes(db), 1);
	sqlite3_close(db);
	house_up(&h, NULL);
	r = keep(house_admin(&h, "GET", "/v1/baseline/history", NULL));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "\"who\": \"\303\277\""));
	ck_assert_ptr_nonnull(strstr(r.body, "\"before\": null"));
	house_stop(&h);
}
END_TEST

/* Its pages follow each other without a gap and end. */
START_TEST(test_history_has_pages)
{
	json_int_t expect = 103, next = 0;
	struct edge_reply r;
	json_t *doc, *row;
	char target[64] = "/v1/baseline/history";
	size_t i, pages = 0;
	int n;

	house_start(&h, NULL);
	expect_whole(TEE_SGX, FMSPC, 17);
	for (n = 0; n < 103; n++)
		expect_change(&h, "follow",
		    "{\"follow\":\"standard\",\"reason\":\"t\"}", 200, NULL);
	do {
		r = keep(house_admin(&h, "GET", target, NULL));
		ck_assert_int_eq(r.status, 200);
		doc = json_loads(r.body, 0, NULL);
		json_array_foreach(json_object_get(doc, "changes"), i, row)
		{
			ck_assert_int_eq(json_integer_value(
					     json_object_get(row, "revision")),
			    expect);
			expect--;
		}
		next = json_integer_value(json_object_get(doc, "next"));
		ck_assert(next == 0 || next == expect + 1);
		snprintf(target, sizeof(target),
		    "/v1/baseline/history?before=%d", (int)next);
		json_decref(doc);
	} while (next != 0 && ++pages < 10);
	ck_assert_int_eq(expect, 0);
	ck_assert_uint_eq(pages, 1);
	expect_admin(&h, "GET", "/v1/baseline/history?before=0", NULL, 400);
	expect_admin(&h, "GET", "/v1/baseline/history?before=1x", NULL, 400);
	expect_admin(&h, "GET", "/v1/baseline/history?before=-1", NULL, 400);
	house_stop(&h);
}
END_TEST

/* Platforms that number 18 leaves behind stand in the way. */
START_TEST(test_a_promotion_that_fells_the_fleet_is_refused)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_TDX, 0));
	struct edge_reply r;
	json_t *doc;

	begin(NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	sim_recovery(h.sim);
	r = keep(baseline_post(&h, "promote", -1, PIN(18)));
	ck_assert_int_eq(r.status, 409);
	expect_header(&r, "Larder-Reason", "impact-too-large");
	doc = json_loads(r.body, 0, NULL);
	ck_assert_int_ge(json_integer_value(
			     json_object_get(json_object_get(doc, "impact"),
				 "fall")),
	    1);
	json_decref(doc);
	ck_assert_int_eq(revision(), 0);
	expect_all(17);
	expect_change(&h, "promote",
	    "{\"number\":18,\"reason\":\"t\",\"force\":true}", 200, NULL);
	baseline_settle(&h);
	expect_all(18);
	/* Going back is never refused. */
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	expect_all(17);
	house_stop(&h);
}
END_TEST

/* --- restarts --------------------------------------------------------- */

START_TEST(test_a_restart_changes_nothing)
{
	struct sim_fault hold = { .kind = SIM_HOLD,
		.path = "*identity?tcbEvaluationDataNumber=18" };

	begin(NULL);
	expect_change(&h, "pin", PIN(17), 200, NULL);
	house_restart(&h, NULL);
	expect_all(17);
	ck_assert_int_eq(revision(), 1);
	/* In the middle of Intel's promotion, under "standard". */
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	sim_fault_add(h.sim, &hold);
	refresh("tcb/sgx/4/" FMSPC "/standard");
	ck_assert(sim_wait(h.sim, "*identity?tcbEvaluationDataNumber=18", 1,
	    PATIENCE_MS));
	house_restart(&h, NULL);
	expect_whole(TEE_SGX, FMSPC, 17);
	expect_whole(TEE_SGX, THIRD, 17);
	sim_fault_clear(h.sim);
	baseline_settle(&h);
	expect_whole(TEE_SGX, FMSPC, 18);
	house_restart(&h, NULL);
	expect_whole(TEE_SGX, FMSPC, 18);
	expect_whole(TEE_SGX, THIRD, 18);
	house_stop(&h);
}
END_TEST

/* Another configuration: its rules under those of run time. */
START_TEST(test_rules_of_run_time_go_before_the_configuration)
{
	struct house_opts o = { .members = "\"baseline\":{\"pin\":17}" };

	begin(NULL);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	house_reload(&h, &o);
	refresh("all");
	baseline_settle(&h);
	expect_all(17);
	expect_change(&h, "follow",
	    "{\"follow\":\"standard\",\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_all(18);
	house_reload(&h, &o);
	expect_all(18);
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	expect_all(17);
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
	tcase_add_test(t, test_what_is_no_change);
	tcase_add_test(t, test_before_anything_is_known);
	tcase_add_test(t, test_of_two_promotions_one_is_refused);
	tcase_add_test(t, test_concurrent_promotions);
	tcase_add_test(t, test_a_dry_run_changes_nothing);
	tcase_add_test(t, test_history_and_going_back);
	tcase_add_test(t, test_clear);
	tcase_add_test(t, test_a_reason_says_nothing_to_the_terminal);
	tcase_add_test(t, test_history_that_was_edited_is_shown);
	tcase_add_test(t, test_history_has_pages);
	tcase_add_test(t, test_a_promotion_that_fells_the_fleet_is_refused);
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
