/*
 * Platforms' lists of PCK certificates fetched from a simulated PCS
 * (caching-and-selection 3).
 */
#include "tests/kit/fetchkit.h"
#include "tests/kit/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_a_platform_is_fetched_once_for_all_that_ask)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 200 };
	size_t i;

	fk_fault(fk.sim, SIM_HOLD, FK_PCKCERTS, 1);
	fk_step(fk_platform_step, &w, 0);
	ck_assert(sim_wait(fk.sim, FK_PCKCERTS, 1, PATIENCE_MS));
	sim_release(fk.sim);
	fk_wait(200);
	for (i = 0; i < 200; i++) {
		ck_assert_msg(fk.told[i].err == ERR_OK, "%s",
		    fk.told[i].why.text);
		ck_assert_ptr_nonnull(fk.told[i].answer);
		ck_assert_str_eq(fk.told[i].answer->tcbm,
		    fk.told[0].answer->tcbm);
	}
	/* Every PPID was another ciphertext of the same platform. */
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB_ALL "update=standard"), 1);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB_ALL "update=early"), 1);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcrl?ca=processor"), 1);
	/* Now it is known. */
	ck_assert_int_eq(fk_platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
}
END_TEST

START_TEST(test_the_next_platform_needs_no_collateral)
{
	struct fk_platform a = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };
	struct fk_platform b = a;
	unsigned long n;
	unsigned i = 2;

	ck_assert_int_eq(fk_platform(&a), ERR_OK);
	do
		b.p = sim_platform(SIM_NUMBER(SIM_CLIENT, i++));
	while (strcmp(a.p.fmspc, b.p.fmspc) != 0);
	n = sim_count(fk.sim, NULL);
	ck_assert_int_eq(fk_platform(&b), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), n + 1);
}
END_TEST

START_TEST(test_each_waiter_gets_the_answer_for_its_own_tcb)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 2,
		.lower = 1 };

	fk_fault(fk.sim, SIM_HOLD, FK_PCKCERTS, 1);
	fk_step(fk_platform_step, &w, 0);
	ck_assert(sim_wait(fk.sim, FK_PCKCERTS, 1, PATIENCE_MS));
	sim_release(fk.sim);
	fk_wait(2);
	ck_assert_int_eq(fk.told[0].err, ERR_OK);
	ck_assert_int_eq(fk.told[1].err, ERR_OK);
	ck_assert_int_eq(memcmp(fk.told[0].answer->tcb.cpusvn, w.p.cpusvn, 16),
	    0);
	ck_assert_int_eq(fk.told[1].answer->tcb.cpusvn[0], w.p.cpusvn[0] - 1);
	ck_assert_str_ne(fk.told[0].answer->tcbm, fk.told[1].answer->tcbm);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
}
END_TEST

START_TEST(test_an_indirect_platform_is_asked_by_manifest)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 1));
	char *manifest = sim_manifest(&p, 0);
	struct fk_platform w = { .p = p, .manifest = manifest };

	ck_assert_int_eq(fk_platform(&w), ERR_OK);
	ck_assert_ptr_null(fk.told[0].answer); /* no raw FK_TCB to answer for */
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcerts?manifest=*"), 1);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcerts?platform=*"), 0);
	free(manifest);
}
END_TEST

START_TEST(test_a_ppid_unknown_to_pcs_is_followed_by_the_manifest)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 1));
	char *manifest = sim_manifest(&p, 0);
	struct fk_platform by_ppid = { .p = p,
		.nonce = 1,
		.tcb = true,
		.wait_ms = 60000,
		.n = 1 };
	struct fk_platform by_manifest = { .p = p,
		.manifest = manifest,
		.wait_ms = 60000,
		.n = 1 };

	fk_fault(fk.sim, SIM_HOLD, FK_PCKCERTS, 1);
	fk_step(fk_platform_step, &by_ppid, 0);
	ck_assert(sim_wait(fk.sim, FK_PCKCERTS, 1, PATIENCE_MS));
	fk_step(fk_platform_step, &by_manifest, 0);
	fk_step(fk_tick_step, NULL, 1); /* it has joined */
	sim_release(fk.sim);
	fk_wait(3);
	ck_assert_int_eq(fk.told[1].err, ERR_OK);
	ck_assert_int_eq(fk.told[2].err, ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcerts?platform=*"), 1);
	ck_assert_uint_eq(sim_count(fk.sim, "*pckcerts?manifest=*"), 1);
	free(manifest);
}
END_TEST

START_TEST(test_a_refused_ppid_does_not_lock_the_platform_out)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 1));
	struct sim_platform good = sim_platform(SIM_NUMBER(SIM_CLIENT, 1));
	struct fk_platform bad = { .p = p, .nonce = 1, .tcb = true };
	struct fk_platform right = { .p = good, .nonce = 1, .tcb = true };

	/* Somebody asks in the good platform's name with a wrong PPID. */
	memcpy(bad.p.qe_id, good.qe_id, sizeof(good.qe_id));
	ck_assert_int_eq(fk_platform(&bad), ERR_UP_ABSENT);
	ck_assert_int_eq(fk_platform(&bad), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
	ck_assert_int_eq(fk_platform(&right), ERR_OK);
}
END_TEST

START_TEST(test_all_not_available_is_remembered)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_ALL_NA, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(fk_platform(&w), ERR_NOT_AVAILABLE);
	w.nonce = 7;
	ck_assert_int_eq(fk_platform(&w), ERR_NOT_AVAILABLE);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 1);
	fk_later(601);
	sim_na_resolve(fk.sim);
	ck_assert_int_eq(fk_platform(&w), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 2);
}
END_TEST

START_TEST(test_nothing_to_ask_with_is_said)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.tcb = true };

	ck_assert_int_eq(fk_platform(&w), ERR_NO_PPID);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 0);
}
END_TEST

START_TEST(test_garbage_for_a_platform_is_refused)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };
	enum err e;

	fk_fault(fk.sim, SIM_GARBAGE, FK_PCKCERTS, 0);
	e = fk_platform(&w);
	ck_assert_int_ne(e, ERR_OK);
	ck_assert_int_eq(err_http(e), 502);
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 2);
	sim_fault_clear(fk.sim);
	ck_assert_int_eq(fk_platform(&w), ERR_OK);
}
END_TEST

START_TEST(test_a_missing_tcb_info_is_reported_as_what_it_is)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	fk_fault(fk.sim, SIM_GARBAGE, FK_TCB_ALL, 0);
	ck_assert_int_eq(err_http(fk_platform(&w)), 502);
}
END_TEST

static void
refetch_step(void *arg)
{
	const struct sim_platform *p = arg;
	struct platform_id id = { 0 };

	memcpy(id.qe_id, p->qe_id, sizeof(p->qe_id));
	memcpy(id.pce_id, p->pce_id, sizeof(p->pce_id));
	upstream_refetch(fk.up, &id);
	upstream_refetch(fk.up, &id);
}

START_TEST(test_a_list_is_fetched_again_once_an_hour_at_most)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(fk_platform(&w), ERR_OK);
	fk_step(refetch_step, &w.p, 0);
	fk_tick();
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 2);
	fk_step(refetch_step, &w.p, 0);
	fk_tick();
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 2);
	fk_later(3601);
	fk_step(refetch_step, &w.p, 0);
	fk_tick();
	ck_assert_uint_eq(sim_count(fk.sim, FK_PCKCERTS), 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lists");
	TCase *t = fk_tcase(s, "lists", fk_setup);
	SRunner *r;
	int failed;

	tcase_add_test(t, test_a_platform_is_fetched_once_for_all_that_ask);
	tcase_add_test(t, test_the_next_platform_needs_no_collateral);
	tcase_add_test(t, test_each_waiter_gets_the_answer_for_its_own_tcb);
	tcase_add_test(t, test_an_indirect_platform_is_asked_by_manifest);
	tcase_add_test(t,
	    test_a_ppid_unknown_to_pcs_is_followed_by_the_manifest);
	tcase_add_test(t, test_a_refused_ppid_does_not_lock_the_platform_out);
	tcase_add_test(t, test_all_not_available_is_remembered);
	tcase_add_test(t, test_nothing_to_ask_with_is_said);
	tcase_add_test(t, test_garbage_for_a_platform_is_refused);
	tcase_add_test(t, test_a_missing_tcb_info_is_reported_as_what_it_is);
	tcase_add_test(t, test_a_list_is_fetched_again_once_an_hour_at_most);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
