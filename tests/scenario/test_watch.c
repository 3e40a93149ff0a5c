/*
 * What is new upstream is told before it is served: in the log, by a counter,
 * and to a webhook.  How that is POSTed: test_webhook.c.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "tests/kit/hook.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00606A000000"
#define S4    "/sgx/certification/v4/"

static struct house h;

static struct hook *hook;

/* --- what came ---------------------------------------------------------- */

static bool
is(const json_t *o, const char *member, const char *text)
{
	const char *v = json_string_value(json_object_get(o, member));

	return text == NULL || (v != NULL && strcmp(v, text) == 0);
}

/* The event of this kind, waited for; borrowed. */
static json_t *
event(const char *what, const char *tee, const char *fmspc)
{
	json_t *o;
	size_t i;

	for (i = 0; hook_more(hook, i); i++) {
		o = hook_post(hook, i)->event;
		if (is(o, "event", what) && is(o, "tee", tee) &&
		    is(o, "fmspc", fmspc))
			return o;
	}
	ck_abort_msg("no event %s %s", what, tee);
	return NULL;
}

/* --- tests ------------------------------------------------------------ */

static void
begin(void)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct house_opts o = { 0 };
	char members[120];

	hook = hook_start("127.0.0.1", NULL, NULL);
	snprintf(members, sizeof(members),
	    "\"baseline\":{\"webhook_url\":\"http://127.0.0.1:%d/news\"}",
	    hook_port(hook));
	o.members = members;
	house_start(&h, &o);
	expect_set(&h, TEE_SGX, FMSPC, 17);
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_get(&h, S4 "qve/identity", 200, NULL);
}

static void
end(void)
{
	house_stop(&h);
	hook_stop(hook);
}

static json_int_t
num(const json_t *o, const char *member)
{
	return json_integer_value(json_object_get(o, member));
}

static const char *
served(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u",
	    served_number(&h, S4 "tcb?fmspc=" FMSPC));
	return text;
}

START_TEST(test_a_recovery_is_told_before_it_is_served)
{
	struct sim_event e = { .at = clock_now() - 86400,
		.advisories = "INTEL-SA-09999",
		.identities = true };
	struct edge_reply r;
	json_t *o;

	begin();
	sim_publish(h.sim, &e);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	o = event("number", "sgx", NULL);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_int_eq(num(o, "standard"), 17);
	ck_assert(json_is_string(json_object_get(o, "recovered_at")));
	ck_assert_int_ge(num(json_object_get(o, "impact"), "platforms"), 1);
	o = event("tcb-info", "sgx", FMSPC);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_int_eq(num(o, "against"), 17);
	ck_assert_int_gt(num(json_object_get(o, "changed"), "levels") +
			     num(json_object_get(o, "changed"), "statuses"),
	    0);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(o,
							      "new_advisories"),
			     0)),
	    "INTEL-SA-09999");
	o = event("identity", "sgx", NULL);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_str_eq(served(), "17");
	r = house_get(&h, "/metrics");
	ck_assert(strstr(r.body, "larder_upstream_news_total{what=\"number\"} "
				 "1\n") != NULL);
	ck_assert(strstr(r.body, "larder_intel_evaluation_number{tee=\"sgx\","
				 "name=\"early\"} 18\n") != NULL);
	edge_reply_free(&r);
	end();
}
END_TEST

/* Events of this kind about SGX so far; number 0: any. */
static size_t
told(const char *what, json_int_t number)
{
	const json_t *o;
	size_t i, n = 0;

	for (i = 0; i < hook_count(hook); i++) {
		o = hook_post(hook, i)->event;
		n += is(o, "event", what) && is(o, "tee", "sgx") &&
		     (number == 0 || num(o, "number") == number);
	}
	return n;
}

/* Nothing is told twice: not when "early" comes to what is held already. */
START_TEST(test_news_are_told_once)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	begin();
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	(void)event("number", "sgx", NULL);
	expect_admin(&h, "POST", "/v1/refresh?key=all", "", 200);
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	/* The impact of 19 is told once all there is to tell it from is there.
	 */
	while (told("number", 19) == 0) {
		ck_assert(clock_mono_ms() < until);
		upstream_tick(h.upstream, NULL, NULL);
		ck_assert_int_eq(house_status(&h, "/healthz"), 200);
	}
	ck_assert_uint_eq(told("number", 0), 2);
	ck_assert_uint_eq(told("number", 18), 1);
	ck_assert_uint_eq(told("tcb-info", 18), 1);
	end();
}
END_TEST

/* What becomes of the baseline: a change, and the first sign of its end. */
START_TEST(test_a_change_and_its_warning_are_told)
{
	json_t *o;

	begin();
	expect_change(&h, "pin", "{\"number\":17,\"reason\":\"the fleet\"}",
	    200, NULL);
	o = event("change", NULL, NULL);
	ck_assert_int_eq(num(o, "revision"), 1);
	ck_assert(is(o, "verb", "pin") && is(o, "scope", "default"));
	ck_assert(is(o, "who", "admin") && is(o, "reason", "the fleet"));
	ck_assert_int_ge(num(json_object_get(o, "impact"), "platforms"), 1);
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	o = event("warning", "sgx", NULL);
	ck_assert(is(o, "scope", "default") && is(o, "warning", "newer"));
	ck_assert_int_eq(num(o, "number"), 17);
	ck_assert(json_is_string(json_object_get(o, "ends")));
	end();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("watch");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_a_recovery_is_told_before_it_is_served);
	tcase_add_test(t, test_news_are_told_once);
	tcase_add_test(t, test_a_change_and_its_warning_are_told);
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
