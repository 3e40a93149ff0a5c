/*
 * The preview of an evaluation number over the whole house: platforms ask for
 * their certificates, Intel publishes a recovery, and what it would do is
 * known before it is served.
 *
 * The simulator's platforms of a kind are in turn at the current TCB level
 * (UpToDate), one generation behind (OutOfDate), and current but badly
 * configured (ConfigurationNeeded); see sim_platform().  Number 18 brings a
 * generation that no platform has.
 */
#include "config/base/enc.h"
#include "tests/kit/baseline.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define S4     "/sgx/certification/v4/"
#define T4     "/tdx/certification/v4/"
#define IMPACT "/v1/baseline/impact"

static struct house h;

/* Six of them, so two of each TCB. */
static struct sim_platform
platform(unsigned i)
{
	return sim_platform(SIM_NUMBER(SIM_TDX, i));
}

static void
fleet_start(void)
{
	struct sim_platform p;
	unsigned i;

	house_start(&h, NULL);
	for (i = 0; i < 6; i++) {
		p = platform(i);
		expect_pckcert(&h, &p, 1, 200, NULL);
	}
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, T4 "qe/identity", 200, NULL);
}

static void
recovery(void)
{
	sim_recovery(h.sim);
	expect_get(&h, S4 "tcbevaluationdatanumbers", 200, NULL);
	expect_get(&h, T4 "tcbevaluationdatanumbers", 200, NULL);
}

static json_t *
impact(const char *query)
{
	char target[128];
	struct edge_reply r;
	json_t *doc;

	snprintf(target, sizeof(target), IMPACT "%s", query);
	r = keep(house_admin(&h, "GET", target, NULL));
	ck_assert_int_eq(r.status, 200);
	doc = json_loads(r.body, 0, NULL);
	ck_assert_ptr_nonnull(doc);
	return doc;
}

/* The row of one number; NULL: there is none. */
static json_t *
number(json_t *doc, const char *tee, json_int_t n)
{
	json_t *scope, *row;
	size_t i, j;

	json_array_foreach(json_object_get(doc, "fmspcs"), i, scope)
	{
		if (strcmp(json_string_value(json_object_get(scope, "tee")),
			tee) != 0)
			continue;
		json_array_foreach(json_object_get(scope, "numbers"), j, row)
		{
			if (json_integer_value(
				json_object_get(row, "number")) == n)
				return row;
		}
	}
	return NULL;
}

static json_int_t
count(json_t *row, const char *status)
{
	ck_assert_ptr_nonnull(row);
	return json_integer_value(
	    json_object_get(json_object_get(row, "statuses"), status));
}

static json_int_t
num(const json_t *row, const char *member)
{
	return json_integer_value(json_object_get(row, member));
}

static const char *
text(const json_t *row, const char *member)
{
	return json_string_value(json_object_get(row, member));
}

START_TEST(test_a_recovery_is_seen_before_it_is_served)
{
	struct sim_platform p = platform(0);
	json_t *doc, *row, *e;
	struct edge_reply r;

	fleet_start();
	recovery();
	doc = impact("");
	ck_assert_int_eq(num(doc, "platforms"), 6);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "missing")), 0);
	row = number(doc, "sgx", 17);
	ck_assert_str_eq(text(row, "role"), "standard");
	ck_assert(json_is_true(json_object_get(row, "effective")));
	ck_assert_int_eq(count(row, "UpToDate"), 2);
	ck_assert_int_eq(count(row, "ConfigurationNeeded"), 2);
	ck_assert_int_eq(count(row, "OutOfDate"), 2);
	ck_assert_int_eq(num(row, "fall"), 0);
	/* Not served, not held before: fetched by its number. */
	row = number(doc, "sgx", 18);
	ck_assert_int_eq(count(row, "OutOfDate"), 6);
	ck_assert_int_eq(num(row, "fall"), 4);
	ck_assert_int_eq(num(row, "refetch_helps"), 0);
	e = json_array_get(json_object_get(row, "examples"), 0);
	ck_assert_int_eq(num(e, "platforms"), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(e, "names")), 2);
	ck_assert_str_eq(text(e, "then"), "OutOfDate");
	ck_assert_uint_ge(json_array_size(json_object_get(e, "short")), 1);
	json_decref(doc);
	ck_assert_uint_eq(sim_count(h.sim,
			      "/sgx/*tcb[?]*tcbEvaluationDataNumber=18"),
	    1);
	/* No identifier in clear; what is served has not changed. */
	r = keep(house_admin(&h, "GET", IMPACT, NULL));
	ck_assert_ptr_null(strstr(r.body, p.qe_id));
	r = keep(house_get(&h, S4 "qe/identity"));
	ck_assert_ptr_nonnull(strstr(r.body, "\"tcbEvaluationDataNumber\":17"));
	house_stop(&h);
}
END_TEST

START_TEST(test_one_number_and_one_fmspc)
{
	char query[64];
	json_t *doc;

	fleet_start();
	recovery();
	doc = impact("?to=18");
	ck_assert_ptr_nonnull(number(doc, "sgx", 17));
	ck_assert_ptr_nonnull(number(doc, "sgx", 18));
	json_decref(doc);
	/* Intel has no 99: said, with the reason, and not made up. */
	doc = impact("?to=99");
	ck_assert_ptr_null(number(doc, "sgx", 99));
	ck_assert_ptr_null(number(doc, "sgx", 18));
	ck_assert_str_eq(text(json_array_get(json_object_get(doc, "missing"),
				  0),
			     "reason"),
	    "upstream-404");
	json_decref(doc);
	snprintf(query, sizeof(query), "?fmspc=%s", platform(0).fmspc);
	doc = impact(query);
	ck_assert_ptr_nonnull(number(doc, "sgx", 17));
	json_decref(doc);
	doc = impact("?fmspc=00906ED50000");
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "fmspcs")), 0);
	json_decref(doc);
	expect_admin(&h, "GET", IMPACT "?to=0", NULL, 400);
	expect_admin(&h, "GET", IMPACT "?to=17x", NULL, 400);
	expect_admin(&h, "GET", IMPACT "?to=4294967296", NULL, 400);
	expect_admin(&h, "GET", IMPACT "?fmspc=nonsense", NULL, 400);
	ck_assert_int_eq(house_status(&h, IMPACT), 401);
	house_stop(&h);
}
END_TEST

/* The module's facts are known of the one platform whose quote was seen. */
START_TEST(test_a_quote_tells_of_the_tdx_module)
{
	struct sim_platform p = platform(0);
	struct quote_seen q = { .tee = TEE_TDX,
		.pcesvn = p.pcesvn,
		.tee_svn = { 9, 1, 3 },
		.qe_isvsvn = 8 };
	json_t *doc, *row;
	char fmspc[13];

	fleet_start();
	doc = impact("");
	row = number(doc, "tdx", 17);
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(json_object_size(json_object_get(row, "statuses")),
	    0);
	json_decref(doc);
	memcpy(q.ppid, p.ppid, sizeof(q.ppid));
	memcpy(q.comp, p.cpusvn, sizeof(q.comp));
	memcpy(fmspc, p.fmspc, sizeof(fmspc));
	memcpy(q.fmspc, fmspc, sizeof(q.fmspc));
	storage_quote_seen(h.storage, &q);
	/* And one that is known by its quote alone. */
	q.ppid[0] ^= 1;
	storage_quote_seen(h.storage, &q);
	doc = impact("");
	ck_assert_int_eq(num(doc, "platforms"), 7);
	row = number(doc, "tdx", 17);
	ck_assert_int_eq(count(row, "UpToDate"), 2);
	ck_assert_int_eq(count(number(doc, "sgx", 17), "UpToDate"), 3);
	json_decref(doc);
	/* All of it lasts. */
	house_restart(&h, NULL);
	doc = impact("");
	ck_assert_int_eq(num(doc, "platforms"), 7);
	ck_assert_int_eq(count(number(doc, "tdx", 17), "UpToDate"), 2);
	json_decref(doc);
	house_stop(&h);
}
END_TEST

/* Platforms updated already: certificates are all they lack. */
START_TEST(test_what_new_certificates_would_mend)
{
	struct sim_platform p;
	json_t *doc, *row;
	unsigned i;

	house_start(&h, NULL);
	for (i = 0; i < 3; i++) {
		p = platform(3 * i);
		/* One generation ahead: level 0 of number 18. */
		p.cpusvn[0]++;
		p.cpusvn[1]++;
		hex_upper(span_of(p.cpusvn, sizeof(p.cpusvn)), p.cpu_svn);
		expect_pckcert(&h, &p, 1, 200, NULL);
	}
	recovery();
	doc = impact("?to=18");
	row = number(doc, "sgx", 18);
	ck_assert_int_eq(count(row, "OutOfDate"), 3);
	ck_assert_int_eq(num(row, "fall"), 3);
	ck_assert_int_eq(num(row, "refetch_helps"), 3);
	json_decref(doc);
	house_stop(&h);
}
END_TEST

/* --- AMD ------------------------------------------------------------- */

static const struct house_opts with_kds = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"kds\"]}]",
};

static json_t *
candidate(json_t *doc, const char *product, const char *tcb)
{
	json_t *row, *c;
	size_t i, j;

	json_array_foreach(json_object_get(doc, "amd"), i, row)
	{
		if (strcmp(text(row, "product"), product) != 0)
			continue;
		json_array_foreach(json_object_get(row, "candidates"), j, c)
		{
			if (strcmp(text(c, "tcb"), tcb) == 0)
				return c;
		}
	}
	return NULL;
}

/* A change from the present revision; its answer. */
static json_t *
posted(const char *verb, const char *body, int status)
{
	struct edge_reply r = keep(baseline_post(&h, verb, -1, body));
	json_t *doc;

	ck_assert_msg(r.status == status, "%d %s", r.status, r.body);
	doc = json_loads(r.body, 0, NULL);
	ck_assert_ptr_nonnull(doc);
	return doc;
}

/* Demand this TCB of Milan. */
static json_t *
demand(const char *tcb, bool force, int status)
{
	char body[128];

	snprintf(body, sizeof(body),
	    "{\"product\":\"Milan\",\"tcb\":\"%s\",\"reason\":\"SB-3019\"%s}",
	    tcb, force ? ",\"force\":true" : "");
	return posted("pin", body, status);
}

/* Of a change's three chips: how many fall, and are below before and after. */
static void
expect_chips(const json_t *change, json_int_t fall, json_int_t before,
    json_int_t after)
{
	const json_t *amd =
	    json_object_get(json_object_get(change, "impact"), "amd");

	ck_assert_ptr_nonnull(amd);
	ck_assert_int_eq(num(amd, "chips"), 3);
	ck_assert_int_eq(num(amd, "fall"), fall);
	ck_assert_int_eq(num(json_object_get(amd, "before"), "below"), before);
	ck_assert_int_eq(num(json_object_get(amd, "after"), "below"), after);
	ck_assert_int_eq(num(json_object_get(amd, "after"), "meets"),
	    3 - after);
}

/*
 * Three Milans: microcode 100, 200, 200, all else equal.  With 200 as the
 * least one is below, for its microcode alone; with 100 none is.
 */
START_TEST(test_chips_below_a_least_tcb)
{
	static const uint8_t ucode[] = { 100, 200, 200 };
	char path[SIM_KDS_PATH], low[17] = "", high[17] = "";
	struct sim_chip chip;
	json_t *doc, *c, *e;
	struct edge_reply r;
	size_t i;

	house_start(&h, &with_kds);
	for (i = 0; i < 3; i++) {
		chip = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, i), ucode[i]);
		sim_chip_path(&chip, path);
		expect_get(&h, path, 200, NULL);
		amd_tcb_write(chip.tcb, i == 0 ? low : high);
	}
	/* The low chip has reported less before: the highest counts. */
	chip = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 0), 50);
	sim_chip_path(&chip, path);
	expect_get(&h, path, 200, NULL);
	doc = impact("");
	c = candidate(doc, "Milan", high);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(num(c, "meets"), 2);
	ck_assert_int_eq(num(c, "below"), 1);
	ck_assert_int_eq(num(c, "fall"), 1);
	ck_assert(json_is_false(json_object_get(c, "effective")));
	e = json_array_get(json_object_get(c, "examples"), 0);
	ck_assert_str_eq(text(e, "tcb"), low);
	ck_assert_uint_eq(strlen(text(e, "name")), 9);
	ck_assert_int_eq(text(e, "name")[0], '#');
	ck_assert_uint_eq(json_array_size(json_object_get(e, "short")), 1);
	e = json_array_get(json_object_get(e, "short"), 0);
	ck_assert_str_eq(text(e, "part"), "microcode");
	ck_assert_int_eq(num(e, "has"), 100);
	ck_assert_int_eq(num(e, "needs"), 200);
	c = candidate(doc, "Milan", low);
	ck_assert_int_eq(num(c, "meets"), 3);
	ck_assert_int_eq(num(c, "fall"), 0);
	json_decref(doc);
	r = keep(house_admin(&h, "GET", IMPACT, NULL));
	ck_assert_ptr_null(strstr(r.body, chip.hex));
	/* One of three is more than 5 %: refused, with the numbers. */
	doc = demand(high, false, 409);
	expect_chips(doc, 1, 0, 1);
	json_decref(doc);
	doc = demand(low, false, 200);
	expect_chips(doc, 0, 0, 0);
	json_decref(doc);
	/* Demanded from now on: whoever is below has fallen already. */
	doc = demand(high, true, 200);
	expect_chips(doc, 1, 0, 1);
	json_decref(doc);
	doc = impact("");
	c = candidate(doc, "Milan", high);
	ck_assert(json_is_true(json_object_get(c, "effective")));
	ck_assert_int_eq(num(c, "below"), 1);
	ck_assert_int_eq(num(c, "fall"), 0);
	json_decref(doc);
	/* The history has it, and going back is an impact as well. */
	doc = posted("rollback", "{\"reason\":\"t\"}", 200);
	expect_chips(doc, 0, 1, 0);
	json_decref(doc);
	r = keep(house_admin(&h, "GET", "/v1/baseline/history", NULL));
	doc = json_loads(r.body, 0, NULL);
	expect_chips(json_array_get(json_object_get(doc, "changes"), 1), 1, 0,
	    1);
	json_decref(doc);
	/* Of Intel's numbers alone nothing is said of chips. */
	doc =
	    posted("follow", "{\"follow\":\"standard\",\"reason\":\"t\"}", 200);
	ck_assert_ptr_null(
	    json_object_get(json_object_get(doc, "impact"), "amd"));
	json_decref(doc);
	house_stop(&h);
}
END_TEST

/* A change that concerns one Milan; tcb NULL: none is named. */
static const char *
of_chip(const char *chip, const char *tcb, bool force)
{
	return keep_printf("{\"product\":\"Milan\",\"chip\":\"%s\",%s%s%s"
			   "\"force\":%s,\"reason\":\"t\"}",
	    chip, tcb == NULL ? "" : "\"tcb\":\"", tcb == NULL ? "" : tcb,
	    tcb == NULL ? "" : "\",", force ? "true" : "false");
}

/* One chip's own, its id in capitals: of the others nothing is asked. */
START_TEST(test_a_chip_below_its_own_least_tcb)
{
	struct sim_chip chip[3];
	char path[SIM_KDS_PATH], tcb[17], id[2 * AMD_HWID_MAX + 1];
	json_t *doc;
	size_t i;

	house_start(&h, &with_kds);
	for (i = 0; i < 3; i++) {
		chip[i] = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, i), 200);
		sim_chip_path(&chip[i], path);
		expect_get(&h, path, 200, NULL);
	}
	chip[1] = sim_chip_at(chip[1].n, 201);
	amd_tcb_write(chip[1].tcb, tcb);
	hex_upper(span_of(chip[1].hwid, amd_hwid_len(AMD_MILAN)), id);
	doc = posted("pin", of_chip(id, tcb, false), 409);
	expect_chips(doc, 1, 0, 1);
	json_decref(doc);
	doc = posted("pin", of_chip(id, tcb, true), 200);
	expect_chips(doc, 1, 0, 1);
	json_decref(doc);
	/* It has fallen: its product's rule changes nothing for it. */
	doc = demand("0000000000000000", false, 200);
	expect_chips(doc, 0, 1, 1);
	json_decref(doc);
	doc = posted("clear", of_chip(chip[1].hex, NULL, false), 200);
	expect_chips(doc, 0, 1, 0);
	json_decref(doc);
	house_stop(&h);
}
END_TEST

/* --- both TEEs -------------------------------------------------------- */

/* The platforms of this FMSPC have shown a TDX quote, too: each counts once,
 * or of these that fall it would be half the share. */
START_TEST(test_a_platform_of_both_tees_counts_once)
{
	struct quote_seen q = { .tee = TEE_TDX,
		.tee_svn = { 9, 1, 3 },
		.qe_isvsvn = 8 };
	struct sim_platform p;
	json_t *change, *o;
	json_int_t sum = 0;
	const char *status;
	json_t *n;
	unsigned i;

	fleet_start();
	for (i = 0; i < 6; i++) {
		p = platform(i);
		q.pcesvn = p.pcesvn;
		memcpy(q.ppid, p.ppid, sizeof(q.ppid));
		memcpy(q.comp, p.cpusvn, sizeof(q.comp));
		memcpy(q.fmspc, p.fmspc, sizeof(q.fmspc));
		storage_quote_seen(h.storage, &q);
	}
	recovery();
	change = posted("pin",
	    "{\"number\":18,\"force\":true,\"reason\":\"t\"}", 200);
	o = json_object_get(change, "impact");
	ck_assert_int_eq(num(o, "platforms"), 6);
	ck_assert_int_eq(num(o, "fall"), 4);
	json_object_foreach(json_object_get(o, "after"), status, n)
	{
		sum += json_integer_value(n);
	}
	ck_assert_int_eq(sum, 6);
	json_decref(change);
	house_stop(&h);
}
END_TEST

/* --- rolling back ----------------------------------------------------- */

/* Post a change: how many fall, and are out of date before and after. */
static void
expect_fall(const char *verb, const char *body, json_int_t fall,
    json_int_t before, json_int_t after)
{
	json_t *change = posted(verb, body, 200);
	json_t *o = json_object_get(change, "impact");

	ck_assert_int_eq(num(o, "platforms"), 6);
	ck_assert_int_eq(num(o, "fall"), fall);
	ck_assert_int_eq(num(json_object_get(o, "before"), "OutOfDate"),
	    before);
	ck_assert_int_eq(num(json_object_get(o, "after"), "OutOfDate"), after);
	json_decref(change);
	baseline_settle(&h);
}

#define BACK(n) "{\"revision\":" #n ",\"reason\":\"t\"}"

/* A listener's rule comes and goes: the impact is that on who asks there. */
START_TEST(test_the_impact_of_a_listener_rolled_back)
{
	fleet_start();
	recovery();
	expect_fall("pin",
	    "{\"listen\":\"127.0.0.1:0\",\"number\":18,\"reason\":\"t\","
	    "\"force\":true}",
	    4, 2, 6);
	expect_fall("rollback", BACK(0), 0, 6, 2);
	/* And forward again. */
	expect_fall("rollback", BACK(1), 4, 2, 6);
	/* The default's rule alone, which says nothing of this listener. */
	expect_fall("pin", "{\"number\":17,\"reason\":\"t\"}", 0, 2, 2);
	expect_fall("rollback", BACK(3), 0, 2, 2);
	expect_fall("rollback", BACK(0), 0, 6, 2);
	/* Both at once: the worse of the two. */
	expect_fall("rollback", BACK(4), 4, 2, 6);
	house_stop(&h);
}
END_TEST

START_TEST(test_gauges)
{
	struct edge_reply r;

	fleet_start();
	recovery();
	json_decref(impact(""));
	/* They are made anew at start and every ten seconds. */
	house_restart(&h, NULL);
	r = keep(house_get(&h, "/metrics"));
	ck_assert_ptr_nonnull(strstr(r.body,
	    "larder_baseline_platforms{tee=\"sgx\",baseline=\"standard\","
	    "status=\"UpToDate\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(r.body,
	    "larder_baseline_platforms{tee=\"sgx\",baseline=\"effective\","
	    "status=\"OutOfDate\"} 2\n"));
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("impact");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase_create("impact");
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_a_recovery_is_seen_before_it_is_served);
	tcase_add_test(tc, test_one_number_and_one_fmspc);
	tcase_add_test(tc, test_a_quote_tells_of_the_tdx_module);
	tcase_add_test(tc, test_what_new_certificates_would_mend);
	tcase_add_test(tc, test_chips_below_a_least_tcb);
	tcase_add_test(tc, test_a_chip_below_its_own_least_tcb);
	tcase_add_test(tc, test_a_platform_of_both_tees_counts_once);
	tcase_add_test(tc, test_the_impact_of_a_listener_rolled_back);
	tcase_add_test(tc, test_gauges);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
