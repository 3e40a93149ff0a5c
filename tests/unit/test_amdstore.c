/*
 * AMD's collateral in storage: what is served how long, what a revocation
 * takes away, and what is kept (amd-kds 5 to 7).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/storekit_amd.h"

#include <check.h>
#include <stdlib.h>

#define DAY ((int64_t)24 * 3600)

static struct kit kit;

static void
setup(void)
{
	kit_init(&kit, "");
}

static void
teardown(void)
{
	kit_fini(&kit);
}

/* --- revocation ------------------------------------------------------- */

/* All that is below the ASK of Milan is gone; Genoa's is untouched. */
static void
gone(const struct pki_vek *spec, const struct pki_vek *genoa)
{
	struct pki_amd_chain chain = { .product = AMD_MILAN };

	ck_assert(!kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(kit_holds(&kit, key_amd_chain(AMD_GENOA, AMD_VCEK)));
	ck_assert(!kit_vek_cached(&kit, spec));
	ck_assert_int_eq(kit_vek_spec(&kit, spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_veks(&kit, span_of(spec->hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 0);
	ck_assert_int_eq(kit_vek_spec(&kit, genoa), ERR_OK);
	ck_assert_int_eq(kit_amd_vek(&kit, spec), ERR_NO_CHAIN);
	/* It does not come back. */
	ck_assert_int_eq(kit_amd_chain(&kit, &chain), ERR_REVOKED);
	ck_assert(!kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
}

/* amd-kds 10.8; either list of the product will do (amd-kds 5). */
START_TEST(test_a_listed_ask_takes_its_answers_away_for_good)
{
	const uint32_t serial = pki_amd_serial(AMD_MILAN, PKI_ASK);
	struct pki_amd_crl crl = { .product = AMD_MILAN,
		.side = _i == 0 ? AMD_VCEK : AMD_VLEK,
		.number = 10,
		.n_revoked = 1,
		.revoked = &serial };
	struct pki_vek spec = kit_milan(&kit),
		       genoa = kit_vcek_spec(AMD_GENOA, 3, 84);
	struct pki_amd_chain next = { .product = AMD_MILAN, .next = true };

	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &genoa), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));

	ck_assert_int_eq(kit_amd_crl(&kit, &crl), ERR_OK);
	gone(&spec, &genoa);
	kit_reopen(&kit);
	gone(&spec, &genoa);
	/* Not even when the list has ended. */
	kit_clock(&kit, 60 * DAY);
	gone(&spec, &genoa);
	kit_reopen(&kit);
	gone(&spec, &genoa);
	kit_clock(&kit, 0);

	/* The next ASK begins anew. */
	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
	spec.next = true;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
}
END_TEST

/* The list is on disk and the end of the chain is not: as if killed there. */
START_TEST(test_a_revoked_chain_on_disk_does_not_load)
{
	const uint32_t serial = pki_amd_serial(AMD_MILAN, PKI_ASK);
	struct pki_amd_crl crl = { .product = AMD_MILAN,
		.number = 10,
		.n_revoked = 1,
		.revoked = &serial };
	struct pki_vek spec = kit_milan(&kit);

	ck_assert_int_eq(kit_amd_crl(&kit, &crl), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	kit_sql(&kit,
	    "UPDATE object SET is_current = 1 WHERE kind = 'amdchain'");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert(!kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
}
END_TEST

/* Keys below the ASK that went before do not verify under the next one. */
START_TEST(test_a_new_ask_leaves_the_old_ones_keys_behind)
{
	struct pki_amd_chain next = { .product = AMD_MILAN, .next = true };
	struct pki_vek spec = kit_milan(&kit);

	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert(!kit_vek_cached(&kit, &spec));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
	spec.next = true;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
	/* The same chain again takes nothing away. */
	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
}
END_TEST

/* --- time ------------------------------------------------------------- */

static enum fresh_state
state_at(const struct coll *c, int64_t day)
{
	return fresh_state(c, 365 * DAY, pki_amd_now(kit.amd) + day * DAY);
}

/* amd-kds 7, 10.7 */
START_TEST(test_a_crl_ends_at_its_next_update)
{
	struct coll_key key = key_amd_crl(AMD_MILAN, AMD_VCEK);
	struct coll *c;
	time_t end;

	kit_milan(&kit);
	c = kit_held(&kit, &key);
	end = c->next_update;
	ck_assert_int_eq(fresh_state(c, 365 * DAY, end - 1), FRESH_DUE);
	ck_assert_int_eq(fresh_state(c, 365 * DAY, end), FRESH_GONE);
	ck_assert_int_eq(fresh_max_age(c, end - 100), 100);
	ck_assert_int_eq(fresh_max_age(c, end), 0);
	ck_assert_int_eq(fresh_max_age(c, c->fetched_at), 3600);
	ck_assert_int_eq(state_at(c, 0), FRESH_NEW);
	ck_assert_int_eq(state_at(c, 2), FRESH_DUE);
	ck_assert_int_eq(fresh_due_at(c, 0), c->fetched_at + DAY);
	/* It goes on being the newest that is known. */
	kit_clock(&kit, 60 * DAY);
	kit_reopen(&kit);
	c = kit_held(&kit, &key);
	ck_assert_ptr_ne(c, NULL);
	ck_assert_int_eq(fresh_state(c, 365 * DAY, clock_now()), FRESH_GONE);
}
END_TEST

START_TEST(test_a_crl_is_asked_for_hourly_in_its_last_three_days)
{
	struct coll c = { .key = key_amd_crl(AMD_MILAN, AMD_VCEK),
		.fetched_at = 1000000 };

	c.next_update = c.fetched_at + 3 * DAY - 1;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 3600);
	c.next_update = c.fetched_at + 1800;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 900);
	c.next_update = c.fetched_at + 3 * DAY + 7200;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 7200);
	c.next_update = c.fetched_at + 30 * DAY;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + DAY);
}
END_TEST

START_TEST(test_keys_and_chains_live_as_long_as_their_certificates)
{
	struct pki_vek spec = kit_milan(&kit);
	struct coll *c = coll_ref(kit.coll), *chain;
	struct coll_key key = key_amd_chain(AMD_MILAN, AMD_VCEK);
	int64_t end = (c->next_update - c->fetched_at) / DAY;

	ck_assert_int_ge(end, 7 * 365 - 1);
	ck_assert_int_eq(state_at(c, end - 91), FRESH_NEW);
	ck_assert_int_eq(state_at(c, end - 89), FRESH_DUE);
	ck_assert_int_eq(state_at(c, end - 29), FRESH_STALE);
	ck_assert_int_eq(state_at(c, end + 1), FRESH_GONE);
	ck_assert_int_eq(fresh_max_age(c, c->fetched_at), 86400);
	coll_unref(c);
	chain = kit_held(&kit, &key);
	ck_assert_int_eq(state_at(chain, 6), FRESH_NEW);
	ck_assert_int_eq(state_at(chain, 8), FRESH_DUE);
	ck_assert_int_eq(state_at(chain, 20 * 365), FRESH_DUE);
	ck_assert_int_eq(state_at(chain, 24 * 365), FRESH_GONE);
	/* What has ended is no longer found. */
	kit_clock(&kit, (end + 1) * DAY);
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_veks(&kit, span_of(spec.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 0);
}
END_TEST

START_TEST(test_a_vlek_is_stale_in_its_last_two_weeks)
{
	struct pki_vek spec = { .product = AMD_GENOA, .side = AMD_VLEK };
	int64_t end;

	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VLEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	end = (kit.coll->next_update - kit.coll->fetched_at) / DAY;
	ck_assert_int_eq(state_at(kit.coll, end - 15), FRESH_NEW);
	ck_assert_int_eq(state_at(kit.coll, end - 13), FRESH_STALE);
	ck_assert_int_eq(state_at(kit.coll, end + 1), FRESH_GONE);
}
END_TEST

/* --- keeping ---------------------------------------------------------- */

START_TEST(test_all_of_it_survives_a_restart)
{
	struct pki_vek spec = kit_milan(&kit);
	struct blob *body = blob_ref(kit.coll->body);

	kit_reopen(&kit);
	ck_assert(kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(kit_holds(&kit, key_amd_crl(AMD_MILAN, AMD_VCEK)));
	/* Not read at the start: by the first who asks. */
	ck_assert(!kit_vek_cached(&kit, &spec));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
	ck_assert(span_eq(blob_span(kit.coll->body), blob_span(body)));
	ck_assert(kit_vek_cached(&kit, &spec));
	blob_unref(body);
}
END_TEST

/* amd-kds 6.4: once a day. */
START_TEST(test_what_is_in_memory_passes_the_gate_again_after_a_day)
{
	struct pki_vek spec = kit_milan(&kit);

	kit_clock(&kit, DAY - 60);
	ck_assert(kit_vek_cached(&kit, &spec));
	kit_clock(&kit, DAY + 60);
	ck_assert(!kit_vek_cached(&kit, &spec));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
}
END_TEST

/* amd-kds 6.4, for what is held: the row of a chain that no longer verifies
 * would not load, and in memory it is looked at daily. */
START_TEST(test_chains_and_lists_pass_the_gate_again_every_day)
{
	struct coll_key key = key_amd_chain(AMD_MILAN, AMD_VCEK);
	struct coll *before;

	kit_milan(&kit);
	before = coll_ref(kit_held(&kit, &key));
	kit_clock(&kit, DAY - 60);
	kit_tick(&kit);
	ck_assert_ptr_eq(kit_held(&kit, &key), before);
	kit_clock(&kit, DAY + 60);
	kit_tick(&kit);
	ck_assert_ptr_ne(kit_held(&kit, &key), before);
	ck_assert(span_eq(blob_span(kit_held(&kit, &key)->body),
	    blob_span(before->body)));
	ck_assert_int_eq(kit_held(&kit, &key)->fetched_at, before->fetched_at);
	coll_unref(before);
}
END_TEST

START_TEST(test_what_has_ended_leaves_the_database)
{
	struct pki_vek spec = kit_milan(&kit);

	spec.spl.ucode = 220;
	spec.not_after = pki_amd_now(kit.amd) + DAY;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_eq(kit_number(&kit, "SELECT count(*) FROM vek"), 2);
	kit_clock(&kit, 2 * DAY);
	kit_tick(&kit);
	ck_assert_int_eq(kit_number(&kit, "SELECT count(*) FROM vek"), 1);
}
END_TEST

/* The least recently used goes first, so use is remembered, by the hour. */
START_TEST(test_use_is_remembered)
{
	struct pki_vek spec = kit_milan(&kit);
	int64_t first, second;
	int i;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	first = kit_number(&kit, "SELECT used_at FROM vek");
	kit_clock(&kit, 7200);
	ck_assert(kit_vek_cached(&kit, &spec));
	for (i = 0; i < 6; i++) /* once a minute */
		kit_tick(&kit);
	second = kit_number(&kit, "SELECT used_at FROM vek");
	ck_assert_int_ge(second - first, 7200 * 1000 - 60000);
	/* Likewise when it is read from there. */
	kit_clock(&kit, 4 * 7200);
	kit_reopen(&kit);
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_ge(kit_number(&kit, "SELECT used_at FROM vek") - second,
	    3 * 7200 * 1000 - 60000);
}
END_TEST

/* A byte of a row changed behind our back. */
START_TEST(test_a_tampered_row_is_not_served)
{
	static const char *const changes[] = {
		"UPDATE vek SET body = substr(body, 1, 1300) || x'00'",
		"UPDATE vek SET sha256 = zeroblob(32)",
		"UPDATE vek SET tcb = '0000000000000000'",
	};
	struct pki_vek spec = kit_milan(&kit);

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	kit_sql(&kit, changes[_i]);
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	if (_i == 2)
		spec.spl = (struct amd_spl){ 0 };
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
}
END_TEST

/* amd-kds 2.6: a flood of TCBs does not push out the one in use. */
/* Whoever makes AMD sign one TCB after the other for a chip that he knows does
 * not take away what the chip's guests are given. */
START_TEST(test_the_tcb_of_a_row_of_hosts_outlives_a_flood)
{
	struct pki_vek own = kit_vcek_spec(AMD_MILAN, 1, 0), spec = own;
	char hex[2 * AMD_HWID_MAX + 1], tcb[17], *settings;
	unsigned i;

	hex_lower(span_of(own.hwid, AMD_HWID_MAX), hex);
	amd_tcb_write(amd_tcb_of(AMD_MILAN, own.spl), tcb);
	ck_assert_int_gt(
	    asprintf(&settings,
		"\"cache\":{\"tcbs_per_chip\":4},\"hosts\":[{\"match\":"
		"[\"10.0.0.1\"],\"product\":\"Milan\",\"chip_id\":[\"%s\"],"
		"\"tcb\":\"%s\"}]",
		hex, tcb),
	    0);
	kit_close(&kit);
	kit_config(&kit, settings);
	free(settings);
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		kit_clock(&kit, 10 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	}
	ck_assert_int_eq(kit_veks(&kit, span_of(own.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 4);
	ck_assert_int_eq(kit.veks[0].tcb.b[7], 11);
	ck_assert_int_eq(kit_vek_spec(&kit, &own), ERR_OK);
	/* any other of the first is gone */
	spec.spl.ucode = 1;
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
}
END_TEST

START_TEST(test_a_chip_keeps_so_many_tcbs_and_the_used_one)
{
	struct pki_vek used = kit_vcek_spec(AMD_MILAN, 1, 0), spec = used;
	struct pki_vek other = kit_vcek_spec(AMD_MILAN, 2, 0);
	unsigned i, found = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"tcbs_per_chip\":4}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &other), ERR_OK);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		kit_clock(&kit, 10 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
		kit_clock(&kit, 10 * (int64_t)i + 5);
		ck_assert(kit_vek_cached(&kit, &used));
	}
	ck_assert_int_eq(kit_veks(&kit, span_of(used.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 4);
	/* The newest TCB stands first. */
	ck_assert_int_eq(kit.veks[0].tcb.b[7], 11);
	ck_assert_int_eq(kit.veks[3].tcb.b[7], 0);
	ck_assert_int_eq(kit.veks[0].product, AMD_MILAN);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		found += kit_vek_spec(&kit, &spec) == ERR_OK;
	}
	ck_assert_uint_eq(found, 4);
	ck_assert_int_eq(kit_vek_spec(&kit, &used), ERR_OK);
	ck_assert_int_eq(kit_vek_spec(&kit, &other), ERR_OK);
}
END_TEST

/* Chips are as many as AMD has made; what is kept of them is not. */
START_TEST(test_vceks_are_so_many_in_all_and_the_used_ones)
{
	struct pki_vek used = kit_vcek_spec(AMD_MILAN, 1, 0), spec;
	unsigned i, found = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"vceks\":6}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &used), ERR_OK);
	for (i = 2; i < 20; i++) {
		spec = kit_vcek_spec(AMD_MILAN, i, 0);
		/* When it was used last is kept to the hour. */
		kit_clock(&kit, 4000 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
		kit_reopen(&kit);
		ck_assert_int_eq(kit_vek_spec(&kit, &used), ERR_OK);
	}
	for (i = 2; i < 20; i++) {
		spec = kit_vcek_spec(AMD_MILAN, i, 0);
		found += kit_vek_spec(&kit, &spec) == ERR_OK;
	}
	ck_assert_uint_eq(found, 5);
	ck_assert_int_eq(kit_vek_spec(&kit, &used), ERR_OK);
}
END_TEST

/* Memory is bounded; what left it is read again. */
START_TEST(test_memory_is_bounded)
{
	struct pki_vek spec;
	unsigned i, in_memory = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"vek_bytes\":1048576}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VCEK);
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	}
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		in_memory += kit_vek_cached(&kit, &spec);
	}
	ck_assert_uint_gt(in_memory, 16);
	ck_assert_uint_lt(in_memory, 60);
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("amdstore");
	TCase *t = tcase_create("amdstore");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t,
	    test_a_listed_ask_takes_its_answers_away_for_good, 0, 2);
	tcase_add_test(t, test_a_revoked_chain_on_disk_does_not_load);
	tcase_add_test(t, test_a_new_ask_leaves_the_old_ones_keys_behind);
	tcase_add_test(t, test_a_crl_ends_at_its_next_update);
	tcase_add_test(t,
	    test_a_crl_is_asked_for_hourly_in_its_last_three_days);
	tcase_add_test(t,
	    test_keys_and_chains_live_as_long_as_their_certificates);
	tcase_add_test(t, test_a_vlek_is_stale_in_its_last_two_weeks);
	tcase_add_test(t, test_all_of_it_survives_a_restart);
	tcase_add_test(t,
	    test_what_is_in_memory_passes_the_gate_again_after_a_day);
	tcase_add_test(t, test_chains_and_lists_pass_the_gate_again_every_day);
	tcase_add_test(t, test_what_has_ended_leaves_the_database);
	tcase_add_test(t, test_use_is_remembered);
	tcase_add_loop_test(t, test_a_tampered_row_is_not_served, 0, 3);
	tcase_add_test(t, test_a_chip_keeps_so_many_tcbs_and_the_used_one);
	tcase_add_test(t, test_the_tcb_of_a_row_of_hosts_outlives_a_flood);
	tcase_add_test(t, test_vceks_are_so_many_in_all_and_the_used_ones);
	tcase_add_test(t, test_memory_is_bounded);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
