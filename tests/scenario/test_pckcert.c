/*
 * GET pckcert where it is not simply a miss or a hit: lists that are due,
 * TCB infos that are missing, platforms without a PPID, certificates at
 * their end (caching-and-selection 2).
 */
#include "config/base/clock.h"
#include "tests/kit/document.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define S4  "/sgx/certification/v4/"
#define DAY 86400

static struct house h;

/* A list a week old is fetched anew while the old one is served. */
START_TEST(test_an_old_list_is_fetched_again_behind_a_hit)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	char *target = keep_text(house_pckcert(&p, 1));
	struct edge_reply r;

	house_start(&h, NULL);
	expect_get(&h, target, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	clock_offset_set(8 * DAY);
	r = keep(house_get(&h, target));
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", "HIT");
	ck_assert(sim_wait(h.sim, "*pckcerts*", 2, PATIENCE_MS));
	house_stop(&h);
}
END_TEST

/* While PCS is away the hits go on, and it is not asked for each of them. */
START_TEST(test_an_old_list_is_asked_for_at_most_once_an_hour)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct sim_fault fault = { .kind = SIM_STATUS,
		.path = "*pckcerts*",
		.status = 500 };
	char *target = keep_text(house_pckcert(&p, 1));
	int i;

	house_start(&h, NULL);
	expect_get(&h, target, 200, NULL);
	sim_fault_add(h.sim, &fault);
	clock_offset_set(8 * DAY);
	for (i = 0; i < 20; i++)
		expect_get(&h, target, 200, NULL);
	ck_assert(sim_wait(h.sim, "*pckcerts*", 2, PATIENCE_MS));
	clock_offset_set(8 * DAY + 1800);
	for (i = 0; i < 20; i++)
		expect_get(&h, target, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 2);
	house_stop(&h);
}
END_TEST

/* A new top level changes nothing for a platform below it. */
START_TEST(test_a_recovery_leaves_a_platform_below_it_its_choice)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	char *target = keep_text(house_pckcert(&p, 1));
	struct edge_reply before, after;

	house_start(&h, NULL);
	before = keep(house_get(&h, target));
	sim_recovery(h.sim);
	after = keep(house_admin(&h, "POST", S4 "refresh?type=certs", NULL));
	ck_assert_int_eq(after.status, 200);
	after = keep(house_get(&h, target));
	ck_assert_int_eq(after.status, 200);
	ck_assert_str_eq(before.body, after.body);
	house_stop(&h);
}
END_TEST

/* The certificates are there, the TCB info to choose with is not. */
START_TEST(test_a_missing_tcb_info_is_fetched_and_then_there_is_a_choice)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct sim_fault fault = { .kind = SIM_STATUS,
		.path = "*tcb[?]*",
		.status = 500 };
	char *target = keep_text(house_pckcert(&p, 1));
	struct edge_reply r;

	house_start(&h, NULL);
	sim_fault_add(h.sim, &fault);
	r = keep(house_get(&h, target));
	ck_assert_int_ge(r.status, 502);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	sim_fault_clear(h.sim);
	/* past the circuit's rest */
	clock_offset_set(600);
	expect_get(&h, target, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

/* Uploaded without a PPID: nothing to ask PCS with, and no blame for the
 * client, who may have sent none. */
START_TEST(test_a_known_platform_without_ppid_is_404_and_not_400)
{
	struct house_opts offline = { .mode = "offline" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply list;
	char *document, *at, *target, *from, *to;

	house_start(&h, &offline);
	expect_registered(&h, &p, NULL);
	list = keep(house_admin(&h, "GET", S4 "platforms", NULL));
	document = keep_text(document_make(&h, list.body));
	for (at = document; (at = strstr(at, "\"enc_ppid\": \"")) != NULL;) {
		at += 13;
		if (*at != '"')
			memmove(at, at + 768, strlen(at + 768) + 1);
	}
	house_fresh(&h, &offline);
	expect_admin(&h, "PUT", S4 "platformcollateral", document, 200);
	house_restart(&h, NULL);
	expect_pckcert(&h, &p, 0, 200, NULL);
	memset(p.cpu_svn, '0', 32);
	target = keep_text(house_pckcert(&p, 0));
	expect_get(&h, target, 404, "no-certificate-fits");
	from = strstr(target, "&encrypted_ppid=");
	to = strstr(from, "&cpusvn=");
	memmove(from, to, strlen(to) + 1);
	expect_get(&h, target, 404, "no-certificate-fits");
	house_stop(&h);
}
END_TEST

/* The end of a leaf bounds max-age; past it the answer says so. */
START_TEST(test_a_leaf_at_its_end)
{
	struct house_opts req = { .mode = "req" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = keep_text(house_pckcert(&p, 1));
	struct edge_reply r;

	house_start(&h, NULL);
	expect_get(&h, target, 200, NULL);
	house_restart(&h, &req);
	expect_get(&h, target, 200, NULL);
	clock_offset_set((int64_t)8 * 366 * DAY);
	r = keep(house_get(&h, target));
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Cache-Control", "max-age=0");
	expect_header(&r, "Warning", "110 - \"Response is Stale\"");
	house_stop(&h);
}
END_TEST

/* A registration with zeros for a PPID has nothing to ask with either. */
START_TEST(test_registering_with_a_ppid_of_zeros)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct house_opts offline = { .mode = "offline" };
	struct edge_reply r;
	char *body, *at;

	body = keep_text(house_registration(&p, 1, NULL));
	at = strstr(body, "\"enc_ppid\": \"") + 13;
	memset(at, '0', 768);
	house_start(&h, NULL);
	r = keep(house_register(&h, "", body));
	ck_assert_int_eq(r.status, 404);
	expect_header(&r, "Larder-Reason", "ppid-zero");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	house_restart(&h, &offline);
	r = keep(house_register(&h, "", body));
	ck_assert_int_eq(r.status, 200);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pckcert");
	TCase *tc = tcase_create("pckcert");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_an_old_list_is_fetched_again_behind_a_hit);
	tcase_add_test(tc, test_an_old_list_is_asked_for_at_most_once_an_hour);
	tcase_add_test(tc,
	    test_a_recovery_leaves_a_platform_below_it_its_choice);
	tcase_add_test(tc,
	    test_a_missing_tcb_info_is_fetched_and_then_there_is_a_choice);
	tcase_add_test(tc,
	    test_a_known_platform_without_ppid_is_404_and_not_400);
	tcase_add_test(tc, test_a_leaf_at_its_end);
	tcase_add_test(tc, test_registering_with_a_ppid_of_zeros);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
