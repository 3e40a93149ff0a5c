/*
 * The baseline's rule as tables: which number a scope gets, by rule, by what
 * Intel signs, by what is held, by the day.
 */
#include "storage/baseline.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY  86400
#define NOW  ((time_t)1000 * DAY)
#define HOLD (30 * (int64_t)DAY)

/* What is held of each number, 15 to 20: days until it ends; 0: not whole,
 * but something is held when "part" says so. */
struct held {
	int ends[6];
	int part[6];
};

static struct base_set
set_of(void *arg, uint32_t number)
{
	const struct held *h = arg;
	struct base_set s = { false, 0 };

	if (number < 15 || number > 20)
		return s;
	s.whole = h->ends[number - 15] != 0;
	if (s.whole)
		s.ends_at = NOW + (time_t)h->ends[number - 15] * DAY;
	else if (h->part[number - 15] != 0)
		s.ends_at = NOW + (time_t)h->part[number - 15] * DAY;
	return s;
}

/* Recovered 800, 600, 400, 200, 100, 10 days ago. */
static const struct base_number numbers[] = {
	{ 15, NOW - 800 * DAY, true },
	{ 16, NOW - 600 * DAY, false },
	{ 17, NOW - 400 * DAY, false },
	{ 18, NOW - 200 * DAY, false },
	{ 19, NOW - 100 * DAY, false },
	{ 20, NOW - 10 * DAY, false },
};

#define STANDARD                                                               \
	{                                                                      \
		FOLLOW_STANDARD, 0, 0, RETIRE_HOLD                             \
	}
#define EARLY                                                                  \
	{                                                                      \
		FOLLOW_EARLY, 0, 0, RETIRE_HOLD                                \
	}
#define LAG(n)                                                                 \
	{                                                                      \
		FOLLOW_LAG, n, 0, RETIRE_HOLD                                  \
	}
#define PIN(n)                                                                 \
	{                                                                      \
		FOLLOW_PIN, 0, n, RETIRE_HOLD                                  \
	}
#define PIN_A(n)                                                               \
	{                                                                      \
		FOLLOW_PIN, 0, n, RETIRE_ADVANCE                               \
	}

static const struct {
	const char *what;
	struct base_rule rule;
	uint32_t standard, early, current;
	struct held held;
	uint32_t number, wanted;
	enum base_warning warning;
	int until; /* days from now */
} cases[] = {
	{ "nothing is known", STANDARD, 0, 0, 0, { { 0 }, { 0 } }, 0, 0,
	    BASE_FINE, 0 },
	{ "the first object decides", STANDARD, 17, 17, 0, { { 0 }, { 0 } }, 17,
	    17, BASE_FINE, 0 },
	{ "standard, all held", STANDARD, 17, 18, 17, { { 0, 0, 20 }, { 0 } },
	    17, 17, BASE_FINE, 0 },
	{ "Intel promotes: the old number until the new one is whole", STANDARD,
	    18, 18, 17, { { 0, 0, 20, 0 }, { 0, 0, 0, 29 } }, 17, 18,
	    BASE_WAITING, 0 },
	{ "and then the new one", STANDARD, 18, 18, 17,
	    { { 0, 0, 20, 29 }, { 0 } }, 18, 18, BASE_FINE, 0 },
	{ "an old number that has expired while waiting is held", STANDARD, 18,
	    18, 17, { { 0, 0, -5, 0 }, { 0 } }, 17, 18, BASE_WAITING, 25 },
	{ "and is of no use when the hold is over", STANDARD, 18, 18, 17,
	    { { 0, 0, -30, 0 }, { 0 } }, 18, 18, BASE_FINE, 0 },
	{ "a new FMSPC does not throw the number over", STANDARD, 18, 18, 18,
	    { { 0, 0, 20, 0 }, { 0, 0, 0, 29 } }, 18, 18, BASE_FINE, 0 },
	{ "early", EARLY, 17, 19, 17, { { 0, 0, 9, 0, 9 }, { 0 } }, 19, 19,
	    BASE_FINE, 0 },
	{ "early is standard outside of a recovery", EARLY, 17, 0, 17,
	    { { 0, 0, 9 }, { 0 } }, 17, 17, BASE_FINE, 0 },
	{ "early waits for its set", EARLY, 17, 19, 17,
	    { { 0, 0, 9, 9 }, { 0 } }, 17, 19, BASE_WAITING, 0 },
	{ "a lag", LAG(150), 17, 20, 17, { { 0, 0, 9, 9, 9, 9 }, { 0 } }, 18,
	    18, BASE_NEWER, 0 },
	{ "a lag on its day", LAG(200), 17, 20, 17,
	    { { 0, 0, 9, 9, 9, 9 }, { 0 } }, 18, 18, BASE_NEWER, 0 },
	{ "a lag a day before", LAG(201), 17, 20, 17,
	    { { 0, 0, 9, 9, 9, 9 }, { 0 } }, 17, 17, BASE_NEWER, 0 },
	{ "a short lag goes ahead of standard", LAG(1), 17, 20, 17,
	    { { 0, 0, 9, 9, 9, 9 }, { 0 } }, 20, 20, BASE_FINE, 0 },
	{ "never above early", LAG(1), 17, 18, 17, { { 0, 0, 9, 9 }, { 0 } },
	    18, 18, BASE_FINE, 0 },
	{ "a lag that nothing is old enough for: the lowest signed", LAG(3000),
	    17, 18, 17, { { 0, 0, 9, 9 }, { 0 } }, 17, 17, BASE_NEWER, 0 },
	{ "a lag behind standard is a retired number", LAG(300), 18, 19, 17,
	    { { 0, 0, 9, 9 }, { 0 } }, 17, 17, BASE_RETIRED, 39 },
	{ "a pin", PIN(17), 17, 17, 17, { { 0, 0, 9 }, { 0 } }, 17, 17,
	    BASE_FINE, 0 },
	{ "a pin with something newer out", PIN(17), 17, 18, 17,
	    { { 0, 0, 9 }, { 0 } }, 17, 17, BASE_NEWER, 0 },
	{ "a pin ahead", PIN(18), 17, 18, 17, { { 0, 0, 9, 9 }, { 0 } }, 18, 18,
	    BASE_FINE, 0 },
	{ "a pin ahead, not yet held", PIN(18), 17, 18, 17,
	    { { 0, 0, 9 }, { 0 } }, 17, 18, BASE_WAITING, 0 },
	{ "a pin back to what is signed no longer but lasts", PIN(17), 18, 18,
	    18, { { 0, 0, 9, 9 }, { 0 } }, 17, 17, BASE_RETIRED, 39 },
	{ "hold: past its nextUpdate", PIN(17), 18, 18, 17,
	    { { 0, 0, -9, 9 }, { 0 } }, 17, 17, BASE_HELD, 21 },
	{ "hold: the bound is over", PIN(17), 18, 18, 17,
	    { { 0, 0, -30, 9 }, { 0 } }, 18, 18, BASE_ADVANCED, 0 },
	{ "hold: the bound is over, the next not yet held", PIN(17), 18, 18, 17,
	    { { 0, 0, -30, 0 }, { 0 } }, 18, 18, BASE_ADVANCED, 0 },
	{ "advance: not before a day ahead of the end", PIN_A(17), 18, 18, 17,
	    { { 0, 0, 2, 9 }, { 0 } }, 17, 17, BASE_RETIRED, 1 },
	{ "advance: a day ahead", PIN_A(17), 18, 18, 17,
	    { { 0, 0, 1, 9 }, { 0 } }, 18, 18, BASE_ADVANCED, 0 },
	{ "advance: the next one is not all held", PIN_A(17), 18, 18, 17,
	    { { 0, 0, 1, 0 }, { 0, 0, 0, 9 } }, 17, 18, BASE_ADVANCED, 0 },
	{ "retired, and never held", PIN(17), 18, 18, 18,
	    { { 0, 0, 0, 9 }, { 0 } }, 18, 18, BASE_ADVANCED, 0 },
	{ "retired by a 410 before standard was seen to move", PIN(15), 15, 16,
	    15, { { 5, 9 }, { 0 } }, 15, 15, BASE_RETIRED, 35 },
	{ "its advance is to the lowest that is signed", PIN_A(15), 15, 17, 15,
	    { { 1, 9, 9 }, { 0 } }, 16, 16, BASE_ADVANCED, 0 },
	{ "a pin of what was never published", PIN(20), 17, 18, 17,
	    { { 0, 0, 9 }, { 0 } }, 17, 17, BASE_UNKNOWN, 0 },
	{ "a pin is known before anything else", PIN(17), 0, 0, 0,
	    { { 0 }, { 0 } }, 17, 17, BASE_FINE, 0 },
};

START_TEST(test_pick)
{
	struct base_world w = { 6, numbers, cases[_i].standard,
		cases[_i].early };
	struct held held = cases[_i].held;
	struct base_pick p = base_pick(&cases[_i].rule, &w, set_of, &held,
	    cases[_i].current, HOLD, NOW);
	const char *what = cases[_i].what;

	ck_assert_msg(p.number == cases[_i].number, "%s: number %u", what,
	    p.number);
	ck_assert_msg(p.wanted == cases[_i].wanted, "%s: wanted %u", what,
	    p.wanted);
	ck_assert_msg(p.warning == cases[_i].warning, "%s: warning %d", what,
	    p.warning);
	ck_assert_msg(p.until == (cases[_i].until == 0
					 ? 0
					 : NOW + (time_t)cases[_i].until * DAY),
	    "%s: until %ld days", what, (long)(p.until - NOW) / DAY);
}
END_TEST

/* --- rules as JSON ---------------------------------------------------- */

static struct base_policy *
policy(const char *json)
{
	struct config *config = NULL;
	struct base_policy *p;
	struct why why = { 0 };

	ck_assert_msg(config_read(span_str(json), "t.json", &config, &why) ==
			  ERR_OK,
	    "%s", why.text);
	p = base_policy_of(config);
	config_unref(config);
	return p;
}

static void
check_json(const struct base_policy *p, bool run_time, const char *want)
{
	json_t *j = base_policy_json(p, run_time);
	char *text = json_dumps(j, JSON_COMPACT);

	ck_assert_str_eq(text, want);
	free(text);
	json_decref(j);
}

START_TEST(test_without_settings_it_is_the_standard)
{
	struct base_policy *p = policy("{}");

	check_json(p, false,
	    "{\"default\":{\"follow\":\"standard\",\"on_retire\":\"hold\","
	    "\"from\":\"configuration\"},\"fmspc\":{},\"listen\":{},"
	    "\"amd\":[]}");
	check_json(p, true, "{\"fmspc\":{},\"listen\":{},\"amd\":[]}");
	base_policy_free(p);
}
END_TEST

#define CONFIG                                                                 \
	"{\"listen\":[{\"address\":\"127.0.0.1:1\",\"serve\":[\"pccs\"],"      \
	"\"baseline\":{\"follow\":\"early\"}}],\"baseline\":{\"lag_days\":60," \
	"\"on_retire\":\"advance\",\"fmspc\":[{\"fmspc\":\"00906ed50000\","    \
	"\"pin\":17,\"on_retire\":\"hold\"}],\"amd\":[{\"product\":\"milan\"," \
	"\"tcb\":\"auto\"}]}}"

START_TEST(test_rules_of_the_configuration)
{
	struct base_policy *p = policy(CONFIG);

	check_json(p, false,
	    "{\"default\":{\"lag_days\":60,\"on_retire\":\"advance\","
	    "\"from\":\"configuration\"},\"fmspc\":{\"00906ED50000\":{\"pin\":"
	    "17,\"on_retire\":\"hold\",\"from\":\"configuration\"}},\"listen\":"
	    "{\"127.0.0.1:1\":{\"follow\":\"early\",\"on_retire\":\"advance\","
	    "\"from\":\"configuration\"}},\"amd\":[{\"product\":\"Milan\","
	    "\"chip\":null,\"tcb\":\"auto\",\"from\":\"configuration\"}]}");
	base_policy_free(p);
}
END_TEST

START_TEST(test_rules_of_run_time_go_before_and_come_back)
{
	struct base_rule pin = PIN(18);
	struct base_policy *p = policy(CONFIG), *q = policy(CONFIG);
	struct why why = { 0 };
	json_t *kept;

	base_policy_set(p, BASE_FMSPC, "00906ED50000", &pin);
	base_policy_set(p, BASE_FMSPC, "00606A000000", &pin);
	kept = base_policy_json(p, true);
	ck_assert_uint_eq(base_policy_lay(q, kept, &why), ERR_OK);
	ck_assert_uint_eq(q->n, 4);
	ck_assert_uint_eq(base_scope_at(q, BASE_FMSPC, "00906ED50000")
			      ->rule.number,
	    18);
	ck_assert(base_scope_at(q, BASE_FMSPC, "00906ED50000")->run_time);
	ck_assert(!base_scope_at(q, BASE_DEFAULT, "")->run_time);
	ck_assert_ptr_null(base_scope_at(q, BASE_FMSPC, "000000000000"));
	ck_assert_ptr_null(base_scope_at(q, BASE_LISTEN, "00906ED50000"));
	json_decref(kept);
	base_policy_free(p);
	base_policy_free(q);
}
END_TEST

/* Chips are told by their ids in lower case, however a rule has it. */
START_TEST(test_a_chips_rule_is_one_however_it_is_written)
{
	struct base_policy *p = policy("{}");
	json_t *kept = json_loads("{\"amd\":[{\"product\":\"Turin\",\"chip\":"
				  "\"C1C1ABCDEFC1C1C1\",\"tcb\":\"auto\"},"
				  "{\"product\":\"Turin\",\"chip\":"
				  "\"c1c1abcdefc1c1c1\",\"tcb\":\"auto\"}]}",
	    0, NULL);
	struct why why = { 0 };

	ck_assert_uint_eq(base_policy_lay(p, kept, &why), ERR_OK);
	ck_assert_uint_eq(p->n_amd, 1);
	ck_assert_str_eq(p->amd[0].chip, "c1c1abcdefc1c1c1");
	json_decref(kept);
	base_policy_free(p);
}
END_TEST

static const char *const bad_rules[] = {
	"[]",
	"{\"default\":{}}",
	"{\"default\":{\"follow\":\"none\"}}",
	"{\"fmspc\":{\"00906ED50000\":{\"pin\":-1}}}",
	"{\"listen\":{\"a\":{\"lag_days\":0}}}",
	"{\"amd\":[{\"product\":\"Naples\",\"tcb\":\"auto\"}]}",
	"{\"amd\":[{\"product\":\"Milan\",\"tcb\":\"x\"}]}",
	"{\"amd\":[{\"product\":\"Milan\"}]}",
};

START_TEST(test_rules_that_are_none)
{
	struct base_policy *p = policy("{}");
	json_t *j = json_loads(bad_rules[_i], 0, NULL);
	struct why why = { 0 };

	ck_assert_ptr_nonnull(j);
	ck_assert_uint_eq(base_policy_lay(p, j, &why), ERR_FORMAT);
	ck_assert_str_ne(why.text, "");
	json_decref(j);
	base_policy_free(p);
}
END_TEST

/* --- settings --------------------------------------------------------- */

static const struct {
	const char *json, *text;
} bad_settings[] = {
	{ "{\"baseline\":{\"follow\":\"early\",\"pin\":17}}",
	    "t.json:1: baseline: takes only one of follow, lag_days and pin" },
	{ "{\"baseline\":{\"follow\":\"late\"}}",
	    "t.json:1: baseline.follow: must be \"standard\" or \"early\"" },
	{ "{\"baseline\":{\"lag_days\":4000}}",
	    "t.json:1: baseline.lag_days: must be an integer from 1 to 3650 "
	    "days" },
	{ "{\"baseline\":{\"fmspc\":[{\"fmspc\":\"00906ED50000\"}]}}",
	    "t.json:1: baseline.fmspc[0]: needs follow, lag_days or pin" },
	{ "{\"baseline\":{\"fmspc\":[{\"fmspc\":\"00906ED5000\",\"pin\":1}]}}",
	    "t.json:1: baseline.fmspc[0].fmspc: must be 12 hex digits" },
	{ "{\"baseline\":{\"fmspc\":[{\"fmspc\":\"00906ED50000\",\"pin\":1},"
	  "{\"fmspc\":\"00906ed50000\",\"pin\":2}]}}",
	    "t.json:1: baseline.fmspc[1].fmspc: another rule has it" },
	{ "{\"baseline\":{\"amd\":[{\"product\":\"Milan\",\"tcb\":\"1\"}]}}",
	    "t.json:1: baseline.amd[0].tcb: must be 16 hex digits, or "
	    "\"auto\"" },
	{ "{\"baseline\":{\"amd\":[{\"product\":\"Rome\",\"tcb\":\"1\"}]}}",
	    "t.json:1: baseline.amd[0].product: must be \"Milan\", \"Genoa\" "
	    "or \"Turin\"" },
	{ "{\"baseline\":{\"amd\":[{\"product\":\"Milan\",\"tcb\":\"auto\","
	  "\"chip\":\"0011223344556677\"}]}}",
	    "t.json:1: baseline.amd[0].chip: has not the length of this "
	    "product's ids" },
};

START_TEST(test_settings_that_contradict)
{
	struct config *config = NULL;
	struct why why = { 0 };

	ck_assert_uint_eq(config_read(span_str(bad_settings[_i].json), "t.json",
			      &config, &why),
	    ERR_CONFIG);
	ck_assert_str_eq(why.text, bad_settings[_i].text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline");
	TCase *t = tcase_create("all");

	tcase_add_loop_test(t, test_pick, 0,
	    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(t, test_without_settings_it_is_the_standard);
	tcase_add_test(t, test_rules_of_the_configuration);
	tcase_add_test(t, test_rules_of_run_time_go_before_and_come_back);
	tcase_add_test(t, test_a_chips_rule_is_one_however_it_is_written);
	tcase_add_loop_test(t, test_rules_that_are_none, 0,
	    (int)(sizeof(bad_rules) / sizeof(bad_rules[0])));
	tcase_add_loop_test(t, test_settings_that_contradict, 0,
	    (int)(sizeof(bad_settings) / sizeof(bad_settings[0])));
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
