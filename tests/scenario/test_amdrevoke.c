/*
 * A revoked ASK on the wire: all that is below it is gone from the moment its
 * list is held, through restarts, and until AMD's next ASK (amd-kds 10.8).
 * And an import whose issuer chain is not there yet.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/house.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILAN "/vcek/v1/Milan/cert_chain"
#define GENOA "/vcek/v1/Genoa/cert_chain"

static struct house h;
static char milan[SIM_KDS_PATH], genoa[SIM_KDS_PATH];

static const struct house_opts lazy = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"admin\",\"ops\","
		  "\"kds\"]}]",
	.cache = "\"client_wait_ms\":4000",
};
static const struct house_opts offline = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"admin\",\"ops\","
		  "\"kds\"]}]",
	.mode = "offline",
};

static void
setup(void)
{
	struct sim_chip a = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip b = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));

	house_start(&h, &lazy);
	sim_chip_path(&a, milan);
	sim_chip_path(&b, genoa);
}

static void
teardown(void)
{
	house_stop(&h);
}

static void
refresh(const char *key)
{
	char target[200];

	snprintf(target, sizeof(target), "/v1/refresh?key=%s", key);
	expect_admin(&h, "POST", target, "", 200);
}

/* Not one of them, and nothing with a certificate in it. */
static void
milan_is_gone(void)
{
	struct edge_reply r = house_get(&h, MILAN);

	ck_assert_int_ge(r.status, 404);
	ck_assert_ptr_null(strstr(r.text, "CERTIFICATE"));
	edge_reply_free(&r);
	r = house_get(&h, milan);
	ck_assert_int_ge(r.status, 404);
	edge_reply_free(&r);
}

START_TEST(test_a_revoked_ask_is_gone_until_there_is_another)
{
	struct edge_reply before, r;

	expect_get(&h, milan, 200, NULL);
	expect_get(&h, genoa, 200, NULL);
	expect_get(&h, MILAN, 200, NULL);
	before = house_get(&h, milan);
	sim_amd_revoke(h.sim, AMD_MILAN, AMD_VCEK);
	/* Until the list comes, nothing is known of it. */
	expect_get(&h, milan, 200, NULL);

	house_later(&h, 30); /* a URL is not asked for twice in ten seconds */
	refresh("amdcrl/vcek/Milan");
	milan_is_gone();
	expect_get(&h, genoa, 200, NULL);
	expect_get(&h, GENOA, 200, NULL);
	expect_get(&h, "/vcek/v1/Milan/crl", 200, NULL);

	house_restart(&h, &offline);
	milan_is_gone();
	expect_get(&h, genoa, 200, NULL);
	/* KDS goes on handing it out for a while: it does not come back. */
	house_restart(&h, &lazy);
	milan_is_gone();
	house_later(&h, 2 * 3600);
	milan_is_gone();

	sim_amd_rotate(h.sim, AMD_MILAN);
	house_later(&h, 2 * 3600);
	refresh("amdchain/vcek/Milan");
	r = house_get(&h, milan);
	ck_assert_int_eq(r.status, 200);
	ck_assert(!house_same_body(&before, &r));
	edge_reply_free(&r);
	edge_reply_free(&before);
}
END_TEST

/* The VCEK of a chip of the simulator's as a bundle; free(). */
static char *
bundle(const struct sim_chip *chip)
{
	struct pki_vek spec = sim_chip_vek(chip);
	struct blob *der = pki_vek(sim_amd(h.sim), &spec);
	struct coll_key key = key_vcek(chip->product,
	    span_of(chip->hwid, amd_hwid_len(chip->product)), chip->tcb);
	struct buf b64 = BUF_INIT;
	json_t *doc;
	char *text;

	buf_base64(&b64, blob_span(der));
	doc = json_pack("{s:i, s:[{s:s, s:s%}]}", "larder_bundle", 1, "objects",
	    "key", key.text, "der", b64.p, b64.len);
	must(doc != NULL);
	text = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	buf_free(&b64);
	blob_unref(der);
	return text;
}

START_TEST(test_an_import_asks_for_the_chain_it_needs)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 4));
	char *text = bundle(&chip), path[SIM_KDS_PATH];

	sim_chip_path(&chip, path);
	expect_admin(&h, "POST", "/v1/import", text, 200);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/v1/Turin/cert_chain"), 1);
	ck_assert_uint_eq(sim_count(h.sim, path), 0);
	expect_get(&h, path, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, path), 0);

	/* Nobody to ask: refused, said why, and asked but once. */
	house_fresh(&h, &lazy);
	sim_down(h.sim);
	expect_admin(&h, "POST", "/v1/import", text, 460);
	sim_up(h.sim);
	house_fresh(&h, &offline);
	expect_admin(&h, "POST", "/v1/import", text, 460);
	free(text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("amdrevoke");
	TCase *t = tcase_create("amdrevoke");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_a_revoked_ask_is_gone_until_there_is_another);
	tcase_add_test(t, test_an_import_asks_for_the_chain_it_needs);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
