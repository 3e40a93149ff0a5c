/*
 * The refresh planner and refresh in its forms, on a virtual clock.
 */
#include "tests/kit/fetchkit.h"

#include "config/base/clock.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- the planner ------------------------------------------------------ */

START_TEST(test_what_is_held_is_asked_for_daily)
{
	unsigned day;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	for (day = 1; day <= 40; day++) {
		fk_later(86400);
		fk_tick();
		ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), day + 1);
	}
	/* The other flavour came with it, and the root CRL. */
	ck_assert_uint_ge(sim_count(fk.sim, FK_TCB_ALL "update=early"), 39);
	ck_assert_uint_ge(sim_count(fk.sim, FK_ROOT), 39);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 41);
}
END_TEST

static void
setup_req(void)
{
	const struct fk_opts o = { .more = "\"mode\":\"req\"" };

	fk_stage(&o);
}

START_TEST(test_in_req_mode_only_what_is_held_is_asked_for)
{
	unsigned day;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	for (day = 1; day <= 3; day++) {
		fk_later(86400);
		fk_tick();
		ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), day + 1);
	}
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB_ALL "update=early"), 0);
}
END_TEST

START_TEST(test_the_planner_survives_a_long_outage)
{
	unsigned long n;
	int day;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	sim_down(fk.sim);
	for (day = 0; day < 10; day++) {
		fk_later(86400);
		fk_tick();
	}
	sim_up(fk.sim);
	n = sim_count(fk.sim, FK_TCB);
	fk_later(3600 + 900); /* the longest back-off there is */
	fk_tick();
	fk_later(10);
	fk_tick();
	ck_assert_uint_gt(sim_count(fk.sim, FK_TCB), n);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
}
END_TEST

START_TEST(test_an_older_object_does_not_replace_the_one_held)
{
	struct sim_fault f = { .kind = SIM_OLDER,
		.path = FK_TCB,
		.arg = 3 * 86400 };
	time_t was;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	was = fk_last()->coll->issue_at;
	sim_fault_add(fk.sim, &f);
	fk_later(86400);
	fk_tick();
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 2);
	sim_fault_clear(fk.sim);
	sim_down(fk.sim);
	ck_assert_int_ne(fk_want(FK_KEY), ERR_OK);
	sim_up(fk.sim);
	fk_later(120);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_int_gt(fk_last()->coll->issue_at, was);
}
END_TEST

START_TEST(test_a_new_evaluation_number_renews_the_lists)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(fk_platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
	sim_recovery(fk.sim);
	fk_later(86400);
	fk_tick(); /* FK_TCB infos, and the list they make due */
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 2);
}
END_TEST

/* --- refresh ---------------------------------------------------------- */

static void
refresh_key_step(void *arg)
{
	struct coll_key key = fk_key(arg);

	upstream_refresh_key(fk.up, &key, fk_text_cb, NULL);
}

static json_t *
last_list(void)
{
	struct blob *b = fk_last()->text;
	json_t *j;

	ck_assert_ptr_nonnull(b);
	j = json_loadb((const char *)b->data, b->len, 0, NULL);
	ck_assert(json_is_array(j));
	return j;
}

START_TEST(test_refresh_asks_for_all_that_is_held)
{
	json_t *list;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_int_eq(fk_want("pckcrl/platform"), ERR_OK);
	sim_count_reset(fk.sim);
	ck_assert_int_eq(fk_refresh(false), ERR_OK);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcrl?ca=platform"), 1);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
	ck_assert_uint_eq(sim_count(fk.sim, "*identity*"), 6);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 9);
	ck_assert_uint_le(sim_concurrency(fk.sim), 4);
}
END_TEST

START_TEST(test_refresh_lists_what_failed_and_does_the_rest)
{
	json_t *list, *item;

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	fk_status(FK_TCB, 404, NULL, 0);
	sim_count_reset(fk.sim);
	ck_assert_int_eq(fk_refresh(false), ERR_UP_ABSENT);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 1);
	item = json_array_get(list, 0);
	ck_assert_str_eq(json_string_value(json_object_get(item, "item")),
	    FK_KEY);
	ck_assert_str_eq(json_string_value(json_object_get(item, "reason")),
	    "upstream-404");
	json_decref(list);
	ck_assert_uint_eq(sim_count(fk.sim, "*identity*"), 6);
}
END_TEST

START_TEST(test_refresh_of_one_object_whatever_its_age)
{
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	fk_step(refresh_key_step, FK_KEY, 1);
	ck_assert_int_eq(fk_last()->err, ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 2);
}
END_TEST

START_TEST(test_refresh_of_certificates)
{
	struct fk_platform w = { .nonce = 1, .tcb = true };
	static const unsigned kinds[] = { SIM_CLIENT, SIM_CLIENT_NA,
		SIM_DIRECT };
	json_t *list;
	size_t i;

	for (i = 0; i < 3; i++) {
		w.p = sim_platform(SIM_NUMBER(kinds[i], 1));
		ck_assert_int_eq(fk_platform(&w), ERR_OK);
	}
	sim_count_reset(fk.sim);
	ck_assert_int_eq(fk_refresh(true), ERR_OK);
	list = last_list();
	ck_assert_uint_eq(json_array_size(list), 0);
	json_decref(list);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 3);
}
END_TEST

START_TEST(test_prefetch_fetches_only_what_is_missing)
{
	ck_assert_int_eq(fk_prefetch(UPDATES_STANDARD), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, "*identity*"), 3);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcrl*"), 2);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
	ck_assert_int_eq(fk_prefetch(UPDATES_ALL), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, "*identity*"), 6);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 9);
}
END_TEST

START_TEST(test_prefetch_says_what_is_missing)
{
	fk_status("*pckcrl?ca=platform*", 500, NULL, 0);
	ck_assert_int_eq(fk_prefetch(UPDATES_STANDARD), ERR_UP_ERROR);
	ck_assert_ptr_nonnull(strstr(fk_last()->why.text, "pckcrl/platform"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("planner");
	TCase *t = fk_tcase(s, "planner", fk_setup);
	SRunner *r;
	int failed;

	tcase_add_test(t, test_what_is_held_is_asked_for_daily);
	tcase_add_test(t, test_the_planner_survives_a_long_outage);
	tcase_add_test(t, test_an_older_object_does_not_replace_the_one_held);
	tcase_add_test(t, test_a_new_evaluation_number_renews_the_lists);
	tcase_add_test(t, test_refresh_asks_for_all_that_is_held);
	tcase_add_test(t, test_refresh_lists_what_failed_and_does_the_rest);
	tcase_add_test(t, test_refresh_of_one_object_whatever_its_age);
	tcase_add_test(t, test_refresh_of_certificates);
	tcase_add_test(t, test_prefetch_fetches_only_what_is_missing);
	tcase_add_test(t, test_prefetch_says_what_is_missing);
	t = fk_tcase(s, "req", setup_req);
	tcase_add_test(t, test_in_req_mode_only_what_is_held_is_asked_for);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
