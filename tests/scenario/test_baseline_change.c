/*
 * Changing the baseline: who may, from which revision, for which reason, what
 * is refused and in which words, and what is taken back.
 */
#include "tests/kit/baseline.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAY   86400
#define FMSPC "00606A000000"
#define TDX   "90C06F000000"
#define THIRD "00806F050000"
#define S4    "/sgx/certification/v4/"
#define T4    "/tdx/certification/v4/"

static struct house h;

#define PIN(n)  "{\"number\":" #n ",\"reason\":\"a test\"}"
#define PROMOTE "{\"reason\":\"a test\"}"

#define TWO_LISTENERS                                                          \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"admin\"]},"       \
	"{\"address\":\"0.0.0.0:0\",\"serve\":[\"pccs\"],"                     \
	"\"allow_clear\":true,\"baseline\":{\"follow\":\"early\"}}]"

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

	site_start(&h, NULL);
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
	ck_assert_int_eq(baseline_revision(&h), 0);
	expect_admin(&h, "POST", "/v1/baseline/pin", PIN(17), 428);
	/* Who is not let in is told nothing. */
	r = keep(house_get(&h, "/v1/baseline"));
	ck_assert_int_eq(r.status, 401);
	ck_assert_str_eq(r.body, "Authentication failed.");
	expect_site(&h, 17);
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

	site_start(&h, NULL);
	sim_recovery(h.sim);
	r = baseline_post(&h, "pin", 0, PIN(18));
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "ETag", "\"1\"");
	edge_reply_free(&r);
	r = baseline_post(&h, "pin", 0, PIN(17));
	ck_assert_int_eq(r.status, 412);
	expect_header(&r, "Larder-Reason", "changed-meanwhile");
	edge_reply_free(&r);
	ck_assert_int_eq(baseline_revision(&h), 1);
	baseline_settle(&h);
	expect_site(&h, 18);
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

	site_start(&h, NULL);
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
	ck_assert_int_eq(baseline_revision(&h), 1);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_dry_run_changes_nothing)
{
	struct edge_reply r;
	json_t *doc;

	site_start(&h, NULL);
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
	ck_assert_int_eq(baseline_revision(&h), 0);
	baseline_settle(&h);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

START_TEST(test_history_and_going_back)
{
	struct edge_reply r;
	json_t *doc, *first;

	site_start(&h, NULL);
	sim_recovery(h.sim);
	expect_change(&h, "promote", PIN(18), 200, NULL);
	baseline_settle(&h);
	expect_site(&h, 18);
	expect_change(&h, "rollback", "{\"reason\":\"it was too soon\"}", 200,
	    NULL);
	baseline_settle(&h);
	expect_site(&h, 17);
	expect_change(&h, "rollback", "{\"revision\":1,\"reason\":\"again\"}",
	    200, NULL);
	baseline_settle(&h);
	expect_site(&h, 18);
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

	site_start(&h, &o);
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
	expect_whole(&h, TEE_SGX, FMSPC, 18);
	expect_whole(&h, TEE_SGX, THIRD, 18);
	/* Of the first alone; a dry run of another does nothing. */
	expect_change(&h, "clear",
	    "{\"fmspc\":\"" THIRD "\",\"dry_run\":true,\"reason\":\"t\"}", 200,
	    NULL);
	expect_change(&h, "clear", "{\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}",
	    200, NULL);
	baseline_settle(&h);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	expect_whole(&h, TEE_SGX, THIRD, 18);
	/* It is gone, and stays so; there is nothing to clear twice. */
	house_restart(&h, &o);
	expect_whole(&h, TEE_SGX, FMSPC, 17);
	expect_change(&h, "clear", "{\"fmspc\":\"" FMSPC "\",\"reason\":\"t\"}",
	    400, "bad-parameter");
	/* Below is the configuration's own. */
	expect_change(&h, "clear", "{\"fmspc\":\"" THIRD "\",\"reason\":\"t\"}",
	    200, NULL);
	expect_change(&h, "clear", "{\"product\":\"Milan\",\"reason\":\"t\"}",
	    200, NULL);
	expect_change(&h, "clear", "{\"reason\":\"t\"}", 200, NULL);
	baseline_settle(&h);
	expect_site(&h, 17);
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
	expect_whole(&h, TEE_SGX, FMSPC, 18);
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

	site_start(&h, NULL);
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

	site_start(&h, NULL);
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
	expect_whole(&h, TEE_SGX, FMSPC, 17);
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

	site_start(&h, NULL);
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
	ck_assert_int_eq(baseline_revision(&h), 0);
	expect_site(&h, 17);
	expect_change(&h, "promote",
	    "{\"number\":18,\"reason\":\"t\",\"force\":true}", 200, NULL);
	baseline_settle(&h);
	expect_site(&h, 18);
	/* Going back is never refused. */
	expect_change(&h, "rollback", PROMOTE, 200, NULL);
	expect_site(&h, 17);
	house_stop(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline_change");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
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
