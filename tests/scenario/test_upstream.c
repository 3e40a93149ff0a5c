/*
 * Objects fetched from simulated PCS servers, with a real database: what is
 * asked, how often, and what waiters hear.  Counts and states are asserted,
 * never durations.
 */
#include "tests/kit/fetchkit.h"
#include "tests/kit/run.h"

#include "config/base/clock.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- coalescing and waiting ------------------------------------------- */

START_TEST(test_200_concurrent_wants_are_one_request)
{
	size_t i;

	fk_fault(fk.sim, SIM_HOLD, FK_TCB, 1);
	fk_ask(FK_KEY, 200, 60000);
	ck_assert(sim_wait(fk.sim, FK_TCB, 1, PATIENCE_MS));
	sim_release(fk.sim);
	fk_wait(200);
	for (i = 0; i < 200; i++) {
		ck_assert_int_eq(fk.told[i].err, ERR_OK);
		ck_assert_ptr_eq(fk.told[i].coll, fk.told[0].coll);
	}
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
	/* Who comes after that needs nobody. */
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	ck_assert_str_eq(fk_last()->coll->source, sim_url(fk.sim));
}
END_TEST

START_TEST(test_a_waiter_hears_in_time_and_the_flight_goes_on)
{
	fk_fault(fk.sim, SIM_HOLD, FK_TCB, 1);
	fk_ask(FK_KEY, 1, 0);
	fk_wait(1);
	ck_assert_int_eq(fk.told[0].err, ERR_UP_SLOW);
	ck_assert(sim_wait(fk.sim, FK_TCB, 1, PATIENCE_MS));
	sim_release(fk.sim);
	/* Joins the same flight, or finds what it brought. */
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
}
END_TEST

START_TEST(test_a_slow_drip_costs_no_more_than_the_wait)
{
	struct sim_fault f = { .kind = SIM_DRIP,
		.path = FK_TCB,
		.delay_ms = 1000 };

	sim_fault_add(fk.sim, &f);
	fk_ask(FK_KEY, 1, 50);
	fk_wait(1);
	ck_assert_int_eq(fk.told[0].err, ERR_UP_SLOW);
	ck_assert_uint_le(sim_count(fk.sim, FK_TCB), 1);
}
END_TEST

/* --- failing ---------------------------------------------------------- */

/* What takes longer to fail, on a busy machine say, is not asked again. */
#define SOON_MS 400

static const struct {
	enum sim_fault_kind kind;
	int status;
	enum err expect;
} hard[] = {
	{ SIM_STATUS, 500, ERR_UP_ERROR },
	{ SIM_STATUS, 503, ERR_UP_ERROR },
	{ SIM_STATUS, 302, ERR_UP_ERROR },
	{ SIM_RESET, 0, ERR_UP_DOWN },
	{ SIM_EMPTY, 0, ERR_UP_DOWN },
	{ SIM_TRUNCATE, 0, ERR_UP_DOWN },
	{ SIM_GARBAGE, 0, ERR_N }, /* whatever the gate calls it */
	{ SIM_OTHER, 0, ERR_NOT_ASKED },
	{ SIM_NO_CHAIN, 0, ERR_N },
	{ SIM_CORRUPT, 0, ERR_N },
};

START_TEST(test_a_hard_failure_is_two_requests_and_a_clear_answer)
{
	struct sim_fault f = { .kind = hard[_i].kind,
		.path = FK_TCB,
		.status = hard[_i].status };
	int64_t from = clock_mono_ms();
	enum err e;

	sim_fault_add(fk.sim, &f);
	e = fk_want(FK_KEY);
	from = clock_mono_ms() - from;
	if (hard[_i].expect == ERR_N)
		ck_assert_int_ne(e, ERR_OK);
	else
		ck_assert_int_eq(e, hard[_i].expect);
	ck_assert_ptr_null(fk_last()->coll);
	ck_assert_ptr_nonnull(strstr(fk_last()->why.text, sim_url(fk.sim)));
	/* libcurl itself repeats on a connection found dead. */
	ck_assert_uint_ge(sim_count(fk.sim, FK_TCB), from < SOON_MS ? 2 : 1);
	ck_assert_uint_le(sim_count(fk.sim, FK_TCB), 4);
	/* It was not kept, and the next good answer is. */
	sim_fault_clear(fk.sim);
	fk_later(120);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
}
END_TEST

START_TEST(test_an_endless_answer_is_cut_off_and_not_asked_for_again)
{
	fk_fault(fk.sim, SIM_OVERSIZE, FK_TCB, 0);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_TOO_BIG);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
}
END_TEST

START_TEST(test_one_bad_answer_is_made_good_by_the_second)
{
	struct sim_fault f = { .kind = hard[_i].kind,
		.path = FK_TCB,
		.status = hard[_i].status,
		.count = 1 };
	int64_t from = clock_mono_ms();
	enum err e;
	int n;

	sim_fault_add(fk.sim, &f);
	for (n = 0; (e = fk_want(FK_KEY)) != ERR_OK && n < 20; n++) {
		ck_assert_int_ge(clock_mono_ms() - from, SOON_MS);
		ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_OK);
		sim_fault_add(fk.sim, &f);
		from = clock_mono_ms();
	}
	ck_assert_int_eq(e, ERR_OK);
}
END_TEST

START_TEST(test_a_refusing_upstream_opens_the_circuit_and_closes_it)
{
	unsigned long n;
	int i;

	sim_down(fk.sim);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_UP_DOWN);
	/* Three in a row open it: two or one by each who asks.  Its rest is a
	 * second then, and grows to half a minute and more. */
	(void)fk_want("identity/qve/4/standard");
	(void)fk_want("identity/qve/4/standard");
	for (i = 0; i < 8; i++) {
		fk_later(90);
		(void)fk_want("identity/qve/4/standard");
	}
	ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_UP_CLOSED);
	ck_assert_ptr_nonnull(strstr(fk_last()->why.text, "down since 20"));
	sim_up(fk.sim);
	n = sim_count(fk.sim, NULL);
	ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_UP_CLOSED);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), n);
	fk_later(120);
	ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_OK);
	ck_assert_int_eq(fk_want("identity/qve/4/standard"), ERR_OK);
}
END_TEST

START_TEST(test_what_clients_could_not_get_is_fetched_behind_their_backs)
{
	fk_status(NULL, 500, NULL, 0);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_UP_ERROR);
	sim_fault_clear(fk.sim);
	sim_count_reset(fk.sim);
	fk_later(120);
	fk_tick();
	fk_tick(); /* an item that was denied while another probed */
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
}
END_TEST

START_TEST(test_429_pauses_the_origin_for_retry_after)
{
	fk_status(FK_TCB, 429, "30", 1);
	ck_assert_int_eq(fk_want_for(FK_KEY, 5000), ERR_UP_THROTTLED);
	ck_assert_int_eq(fk_want_for(FK_KEY, 5000), ERR_UP_THROTTLED);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	fk_later(31);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 2);
}
END_TEST

START_TEST(test_a_patient_waiter_outlives_a_429)
{
	fk_status(FK_TCB, 429, "30", 1);
	fk_ask(FK_KEY, 1, 3600000);
	ck_assert(sim_wait(fk.sim, FK_TCB, 1, PATIENCE_MS));
	/* Until the pause is in force, a tick does nothing. */
	while (fk_want_for(FK_KEY, 1) != ERR_UP_THROTTLED)
		;
	fk_later(31);
	fk_tick();
	fk_wait(fk.n_told + 1);
	ck_assert_int_eq(fk_last()->err, ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 2);
}
END_TEST

START_TEST(test_a_404_is_remembered_for_a_while)
{
	static const char path[] = "/sgx/certification/v4/"
				   "tcb?fmspc=FFFFFFFFFFFF*";
	static const char key[] = "tcb/sgx/4/FFFFFFFFFFFF/standard";
	int i;

	for (i = 0; i < 5; i++)
		ck_assert_int_eq(fk_want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(fk.sim, path), 1);
	fk_later(fk.config->cache.negative_s + 1);
	ck_assert_int_eq(fk_want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(fk.sim, path), 2);
}
END_TEST

START_TEST(test_evaluation_numbers_pass_pcs_word_through)
{
	ck_assert_int_eq(fk_want("identity/qe/4/17"), ERR_OK);
	ck_assert_int_eq(fk_want("identity/qe/4/16"), ERR_UP_GONE);
	ck_assert_int_eq(fk_want("identity/qe/4/18"), ERR_UP_ABSENT);
}
END_TEST

START_TEST(test_version_3_is_never_asked)
{
	ck_assert_int_eq(fk_want("tcb/sgx/3/" FK_FMSPC "/standard"),
	    ERR_V3_EOL);
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 0);
}
END_TEST

/* --- mirrors ---------------------------------------------------------- */

static void
setup_mirror(void)
{
	const struct fk_opts two = { .mirror = true };

	fk_stage(&two);
}

static const enum pki_lie lies[] = { PKI_BAD_SIGNATURE, PKI_BODY_CHANGED,
	PKI_WRONG_KEY, PKI_FOREIGN_CHAIN, PKI_WRONG_ROLE, PKI_REVOKED_SIGNER };

START_TEST(test_a_lying_mirror_is_passed_over)
{
	struct sim_fault f = { .kind = SIM_LIE,
		.lie = lies[_i],
		.path = FK_TCB };

	sim_fault_add(fk.sim, &f);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_str_eq(fk_last()->coll->source, sim_url(fk.mirror));
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
	ck_assert_uint_eq(sim_count(fk.mirror, FK_TCB), 1);
}
END_TEST

START_TEST(test_a_dead_mirror_is_passed_over_and_then_not_asked)
{
	static const char *const keys[] = { FK_KEY, "identity/qe/4/standard",
		"identity/qve/4/standard", "identity/tdqe/4/standard",
		"evalnums/sgx" };
	size_t i;

	fk_status("/sgx/certification/v4/*", 500, NULL, 0);
	fk_status("/tdx/certification/v4/*", 500, NULL, 0);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(fk_want(keys[i]), ERR_OK);
		ck_assert_str_eq(fk_last()->coll->source, sim_url(fk.mirror));
	}
	/* Three failures opened its circuit; a probe may have come since. */
	ck_assert_uint_le(sim_count(fk.sim, "/*/certification/*"), 4);
}
END_TEST

/* --- the root CRL ----------------------------------------------------- */

START_TEST(test_the_root_crl_is_asked_for_first)
{
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert(!fk_last()->coll->revocation_unchecked);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
	/* No other object had to be fetched for the root's certificate. */
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 2);
	ck_assert_int_eq(fk_want("rootcrl"), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
}
END_TEST

START_TEST(test_a_root_crl_asked_for_alone_finds_a_root_certificate)
{
	ck_assert_int_eq(fk_want("rootcrl"), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 1);
	ck_assert_uint_eq(sim_count(fk.sim,
			      "/sgx/certification/v4/qe/identity*"),
	    1);
	ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_OK);
	ck_assert(!fk_last()->coll->revocation_unchecked);
}
END_TEST

START_TEST(test_without_a_root_crl_objects_are_marked)
{
	fk_status(FK_ROOT, 500, NULL, 0);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert(fk_last()->coll->revocation_unchecked);
	/* It is not asked for again with every object. */
	sim_count_reset(fk.sim);
	ck_assert_int_eq(fk_want("identity/qve/4/standard"), ERR_OK);
	ck_assert_uint_eq(sim_count(fk.sim, FK_ROOT), 0);
}
END_TEST

START_TEST(test_a_signer_on_the_root_crl_is_refused_even_at_first)
{
	struct sim_fault f = { .kind = SIM_LIE,
		.lie = PKI_REVOKED_SIGNER,
		.path = FK_TCB };

	sim_fault_add(fk.sim, &f);
	ck_assert_int_eq(fk_want(FK_KEY), ERR_REVOKED);
	ck_assert_ptr_null(fk_last()->coll);
}
END_TEST

/* --- modes and settings ----------------------------------------------- */

static void
setup_offline(void)
{
	const struct fk_opts o = { .more = "\"mode\":\"offline\"" };

	fk_stage(&o);
}

START_TEST(test_offline_asks_nobody)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_CLIENT, 1)),
		.nonce = 1,
		.tcb = true };

	ck_assert_int_eq(fk_want(FK_KEY), ERR_OFFLINE);
	ck_assert_int_eq(fk_platform(&w), ERR_OFFLINE);
	ck_assert_int_eq(fk_prefetch(UPDATES_ALL), ERR_OFFLINE);
	ck_assert_int_eq(fk_refresh(false), ERR_OFFLINE);
	ck_assert_ptr_null(fk_last()->text);
	fk_later(86400);
	fk_tick();
	ck_assert_uint_eq(sim_count(fk.sim, NULL), 0);
}
END_TEST

START_TEST(test_reload_changes_the_mode_and_forgets_refusals)
{
	const struct fk_opts online = { 0 };
	static const char key[] = "tcb/sgx/4/FFFFFFFFFFFF/standard";
	struct config *next = fk_config(&online);

	ck_assert_int_eq(fk_want(key), ERR_OFFLINE);
	upstream_reload(fk.up, next);
	ck_assert_int_eq(fk_want(key), ERR_UP_ABSENT);
	upstream_reload(fk.up, next);
	ck_assert_int_eq(fk_want(key), ERR_UP_ABSENT);
	ck_assert_uint_eq(sim_count(fk.sim,
			      "/sgx/certification/v4/tcb?fmspc=FFFFFFFFFFFF*"),
	    2);
	config_unref(next);
}
END_TEST

static void
setup_key(void)
{
	const struct sim_opts locked = { .api_key = "0123456789abcdef" };
	const struct fk_opts o = { .sim = &locked };

	fk_stage(&o);
}

START_TEST(test_a_refused_api_key_is_told)
{
	ck_assert_int_eq(fk_want(FK_KEY), ERR_UP_AUTH);
	ck_assert_int_eq(err_http(fk.told[0].err), 502);
	ck_assert_uint_eq(sim_count(fk.sim, FK_TCB), 1);
}
END_TEST

static void
status_step(void *arg)
{
	(void)arg;
	upstream_status(fk.up, fk_text_cb, NULL);
}

static void
setup_right_key(void)
{
	setenv("LARDER_PCS_API_KEY", "0123456789abcdef", 1);
	setup_key();
	unsetenv("LARDER_PCS_API_KEY");
}

START_TEST(test_no_secret_reaches_the_log_or_the_status)
{
	struct fk_platform w = { .p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 1)),
		.nonce = 1,
		.tcb = true };
	char path[100], ppid[769], *manifest = sim_manifest(&w.p, 0);
	struct buf log = BUF_INIT;
	char part[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", fk.dir);
	fflush(stderr);
	ck_assert_ptr_nonnull(freopen(path, "w", stderr));
	ck_assert_int_eq(fk_want(FK_KEY), ERR_OK);
	ck_assert_int_eq(fk_platform(&w), ERR_UP_ABSENT);
	w.manifest = manifest;
	fk_fault(fk.sim, SIM_GARBAGE, "*pckcerts*", 2);
	ck_assert_int_ne(fk_platform(&w), ERR_OK);
	sim_down(fk.sim);
	ck_assert_int_ne(fk_platform(&w), ERR_OK);
	fk_step(status_step, NULL, 1);
	fflush(stderr);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&log, part, n);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(log.p, "event=asked object=platform/"));
	buf_span(&log, blob_span(fk_last()->text));
	for (n = 0; n < fk.n_told; n++)
		buf_str(&log, fk.told[n].why.text);
	sim_enc_ppid(&w.p, 1, ppid);
	ppid[32] = manifest[32] = '\0';
	ck_assert_ptr_null(strcasestr(log.p, ppid));
	ck_assert_ptr_null(strcasestr(log.p, manifest));
	ck_assert_ptr_null(strcasestr(log.p, w.p.qe_id));
	ck_assert_ptr_null(strcasestr(log.p, "0123456789abcdef"));
	buf_free(&log);
	free(manifest);
}
END_TEST

START_TEST(test_draining_answers_those_who_wait)
{
	fk_fault(fk.sim, SIM_HOLD, FK_TCB, 1);
	fk_ask(FK_KEY, 20, 60000);
	ck_assert(sim_wait(fk.sim, FK_TCB, 1, PATIENCE_MS));
	upstream_drain(fk.up);
	fk_wait(20);
	ck_assert_int_eq(fk.told[0].err, ERR_DRAINING);
	ck_assert_int_eq(fk.told[19].err, ERR_DRAINING);
	ck_assert_int_eq(fk_want("identity/qe/4/standard"), ERR_DRAINING);
	sim_release(fk.sim);
}
END_TEST

/* --- for people and for Prometheus ------------------------------------ */

START_TEST(test_status_says_who_is_down_since_when_and_why)
{
	json_t *j, *o;
	struct blob *b;

	fk_status(NULL, 500, NULL, 0);
	(void)fk_want(FK_KEY);
	(void)fk_want("identity/qve/4/standard");
	fk_step(status_step, NULL, 1);
	b = fk_last()->text;
	j = json_loadb((const char *)b->data, b->len, 0, NULL);
	ck_assert_ptr_nonnull(j);
	o = json_array_get(json_object_get(j, "origins"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(o, "origin")),
	    sim_url(fk.sim));
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")),
	    "down");
	ck_assert_ptr_nonnull(json_object_get(o, "down_since"));
	ck_assert_str_eq(json_string_value(
			     json_object_get(json_object_get(o, "last_error"),
				 "reason")),
	    "upstream-5xx");
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(j, "due"), "failing"));
	json_decref(j);
}
END_TEST

START_TEST(test_metrics_count_by_origin_and_status)
{
	struct buf b = BUF_INIT;
	char line[200];

	(void)fk_want(FK_KEY);
	(void)fk_want("tcb/sgx/4/FFFFFFFFFFFF/standard");
	fk_step(status_step, NULL, 1); /* the last flight is put away */
	upstream_metrics(fk.up, &b);
	snprintf(line, sizeof(line),
	    "larder_upstream_answers_total{origin=\"%s\",status=\"200\"} 2\n",
	    sim_url(fk.sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line),
	    "larder_upstream_answers_total{origin=\"%s\",status=\"404\"} 1\n",
	    sim_url(fk.sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line),
	    "larder_upstream_seconds_count{origin=\"%s\"} 3\n",
	    sim_url(fk.sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	snprintf(line, sizeof(line), "larder_upstream_up{origin=\"%s\"} 1\n",
	    sim_url(fk.sim));
	ck_assert_ptr_nonnull(strstr(b.p, line));
	ck_assert_ptr_nonnull(strstr(b.p, "larder_flights 0\n"));
	buf_free(&b);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *s = suite_create("upstream");
	TCase *t = fk_tcase(s, "one", fk_setup);
	SRunner *r;
	int failed;

	tcase_add_test(t, test_200_concurrent_wants_are_one_request);
	tcase_add_test(t, test_a_waiter_hears_in_time_and_the_flight_goes_on);
	tcase_add_test(t, test_a_slow_drip_costs_no_more_than_the_wait);
	tcase_add_loop_test(t,
	    test_a_hard_failure_is_two_requests_and_a_clear_answer, 0, N(hard));
	tcase_add_test(t,
	    test_an_endless_answer_is_cut_off_and_not_asked_for_again);
	tcase_add_loop_test(t, test_one_bad_answer_is_made_good_by_the_second,
	    0, N(hard));
	tcase_add_test(t,
	    test_a_refusing_upstream_opens_the_circuit_and_closes_it);
	tcase_add_test(t,
	    test_what_clients_could_not_get_is_fetched_behind_their_backs);
	tcase_add_test(t, test_429_pauses_the_origin_for_retry_after);
	tcase_add_test(t, test_a_patient_waiter_outlives_a_429);
	tcase_add_test(t, test_a_404_is_remembered_for_a_while);
	tcase_add_test(t, test_evaluation_numbers_pass_pcs_word_through);
	tcase_add_test(t, test_version_3_is_never_asked);
	tcase_add_test(t, test_the_root_crl_is_asked_for_first);
	tcase_add_test(t,
	    test_a_root_crl_asked_for_alone_finds_a_root_certificate);
	tcase_add_test(t, test_without_a_root_crl_objects_are_marked);
	tcase_add_test(t,
	    test_a_signer_on_the_root_crl_is_refused_even_at_first);
	tcase_add_test(t, test_draining_answers_those_who_wait);
	tcase_add_test(t, test_status_says_who_is_down_since_when_and_why);
	tcase_add_test(t, test_metrics_count_by_origin_and_status);
	t = fk_tcase(s, "mirrors", setup_mirror);
	tcase_add_loop_test(t, test_a_lying_mirror_is_passed_over, 0, N(lies));
	tcase_add_test(t, test_a_dead_mirror_is_passed_over_and_then_not_asked);
	t = fk_tcase(s, "offline", setup_offline);
	tcase_add_test(t, test_offline_asks_nobody);
	tcase_add_test(t, test_reload_changes_the_mode_and_forgets_refusals);
	t = fk_tcase(s, "key", setup_key);
	tcase_add_test(t, test_a_refused_api_key_is_told);
	t = fk_tcase(s, "right key", setup_right_key);
	tcase_add_test(t, test_no_secret_reaches_the_log_or_the_status);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
