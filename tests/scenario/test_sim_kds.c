/*
 * The simulated KDS itself: that it answers as AMD's does, signs what it is
 * asked for, throttles by its own clock, and lies in the way it is told to.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/house.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct house h; /* its simulator alone */
static struct amd_anchors pins;

static void
begin(const struct sim_opts *o)
{
	h.sim = sim_start(o);
	ck_assert_ptr_nonnull(h.sim);
	pins = pki_amd_anchors();
}

static void
setup(void)
{
	begin(NULL);
}

static void
teardown(void)
{
	sim_stop(h.sim);
	pki_amd_anchors_drop(&pins);
	clock_offset_set(0);
}

static int
status(const char *target)
{
	struct edge_reply r = house_upstream(&h, "GET", target, NULL);
	int s = r.status;

	edge_reply_free(&r);
	return s;
}

static struct blob *
body(const char *target)
{
	struct edge_reply r = house_upstream(&h, "GET", target, NULL);
	struct blob *b;

	ck_assert_msg(r.status == 200, "%s: %d", target, r.status);
	b = blob_new(r.body, r.len);
	edge_reply_free(&r);
	return b;
}

static void
expect_count(const char *pattern, unsigned long want)
{
	ck_assert_uint_eq(sim_count(h.sim, pattern), want);
}

/* --- objects through the readers --------------------------------------- */

static enum err
chain_get(enum amd_product p, enum amd_side side, struct amd_chain **out)
{
	struct blob *pem;
	char path[80];
	enum err e;

	snprintf(path, sizeof(path), "/%s/v1/%s/cert_chain",
	    amd_side_name(side), amd_product_name(p));
	pem = body(path);
	e = amd_chain_read(blob_span(pem), p, side, &pins, out, NULL);
	blob_unref(pem);
	return e;
}

static enum err
crl_get(enum amd_product p, enum amd_side side, struct amd_crl **out)
{
	X509 *ark = pki_amd_x509(sim_amd(h.sim), p, PKI_ARK);
	struct blob *der;
	char path[80];
	enum err e;

	snprintf(path, sizeof(path), "/%s/v1/%s/crl", amd_side_name(side),
	    amd_product_name(p));
	der = body(path);
	e = amd_crl_read(blob_span(der), p, ark, out, NULL);
	if (e == ERR_OK)
		e = window_check(&(*out)->window, clock_now(), 300, "it", NULL);
	blob_unref(der);
	return e;
}

static enum err
vcek_get(const struct sim_chip *c, const struct amd_chain *chain,
    struct vek **out)
{
	size_t len = amd_hwid_len(c->product);
	char path[SIM_KDS_PATH];
	struct blob *der;
	enum err e;

	sim_chip_path(c, path);
	der = body(path);
	e = vek_read(blob_span(der), chain, out, NULL);
	if (e == ERR_OK)
		e = vek_is_for(*out, span_of(c->hwid, len), c->tcb, NULL);
	blob_unref(der);
	return e;
}

START_TEST(test_a_product_whole)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(_i, 3));
	struct amd_chain *chain = NULL, *vlek = NULL;
	struct amd_crl *crl = NULL, *other = NULL;
	struct vek *a = NULL, *b = NULL;
	enum amd_product p = (enum amd_product)_i;

	ck_assert_int_eq(chip.product, p);
	ck_assert_int_eq(chain_get(p, AMD_VCEK, &chain), ERR_OK);
	ck_assert_int_eq(chain_get(p, AMD_VLEK, &vlek), ERR_OK);
	ck_assert_int_eq(crl_get(p, AMD_VCEK, &crl), ERR_OK);
	ck_assert_int_eq(crl_get(p, AMD_VLEK, &other), ERR_OK);
	ck_assert(!amd_crl_lists(crl, chain->ask));
	ck_assert(!amd_crl_lists(other, vlek->ask));
	ck_assert_int_eq(vcek_get(&chip, chain, &a), ERR_OK);
	/* A TCB that no firmware ever had: signed all the same. */
	chip = sim_chip_at(chip.n, 255);
	ck_assert_int_eq(vcek_get(&chip, chain, &b), ERR_OK);
	ck_assert_int_eq(EVP_PKEY_eq(a->key, b->key), 0);
	vek_unref(a);
	vek_unref(b);
	amd_crl_unref(crl);
	amd_crl_unref(other);
	amd_chain_unref(chain);
	amd_chain_unref(vlek);
}
END_TEST

START_TEST(test_one_name_for_every_spelling)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 0));
	char path[SIM_KDS_PATH], other[SIM_KDS_PATH], upper[33];

	sim_chip_path(&c, path);
	ck_assert_int_eq(status(path), 200);
	hex_upper(span_of(c.hwid, 8), upper);
	snprintf(other, sizeof(other),
	    "/vcek/v1/Turin/%s?ucodeSPL=081&snpSPL=04&teeSPL=1&blSPL=1&"
	    "fmcSPL=001",
	    upper);
	ck_assert_int_eq(status(other), 200);
	expect_count(path, 2);
	expect_count(NULL, 2);
}
END_TEST

START_TEST(test_strict_about_names)
{
	struct sim_chip m = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct sim_chip t = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	struct sim_chip u = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, 1));
	static const char q4[] = "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219";
	const struct {
		const char *product, *hwid, *query;
		int status;
	} rows[] = {
		{ "Milan", m.hex, q4, 200 },
		{ "milan", m.hex, q4, 404 },
		{ "Unknown", m.hex, q4, 404 },
		{ "Bergamo", m.hex, q4, 404 },
		{ "Genoa", m.hex, q4, 404 }, /* another product's chip */
		{ "Milan", u.hex, q4, 404 },
		{ "Milan", t.hex, q4, 404 }, /* 16 digits */
		{ "Turin", m.hex,
		    "fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81",
		    404 }, /* 128 digits */
		{ "Turin", t.hex, q4, 400 },
		{ "Milan", "zz", q4, 400 },
		{ "Milan", m.hex, "blSPL=4&teeSPL=0&snpSPL=24", 400 },
		{ "Milan", m.hex, "blSPL=4&teeSPL=0&snpSPL=24&ucodSPL=1", 400 },
		{ "Milan", m.hex, "blSPL=128&teeSPL=0&snpSPL=24&ucodeSPL=1",
		    400 },
		{ "Milan", m.hex, "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=256",
		    400 },
		{ "Milan", m.hex,
		    "fmcSPL=1&blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=1", 400 },
	};
	char path[SIM_KDS_PATH];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(path, sizeof(path), "/vcek/v1/%s/%s?%s",
		    rows[i].product, rows[i].hwid, rows[i].query);
		ck_assert_msg(status(path) == rows[i].status, "%s", path);
	}
	ck_assert_int_eq(status("/vlek/v1/Milan/cert?blSPL=4"), 401);
	ck_assert_int_eq(status("/vcek/v1/Milan"), 404);
	ck_assert_int_eq(status("//vcek/v1/Milan/cert_chain"), 404);
}
END_TEST

START_TEST(test_issues_differ_in_bytes_alone)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct vek *a = NULL, *b = NULL;
	struct amd_chain *chain = NULL;

	ck_assert_int_eq(chain_get(c.product, AMD_VCEK, &chain), ERR_OK);
	ck_assert_int_eq(vcek_get(&c, chain, &a), ERR_OK);
	clock_offset_set(86400);
	ck_assert_int_eq(vcek_get(&c, chain, &b), ERR_OK);
	ck_assert(!span_eq(blob_span(a->der), blob_span(b->der)));
	ck_assert_int_eq(EVP_PKEY_eq(a->key, b->key), 1);
	ck_assert_int_ge(b->window.from - a->window.from, 86400);
	vek_unref(a);
	vek_unref(b);
	amd_chain_unref(chain);
}
END_TEST

START_TEST(test_throttles_the_same_question)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	char path[SIM_KDS_PATH];

	sim_throttle(h.sim, 10);
	sim_chip_path(&c, path);
	ck_assert_int_eq(status(path), 200);
	ck_assert_int_eq(status(path), 429);
	c = sim_chip_at(c.n, 1);
	sim_chip_path(&c, path);
	ck_assert_int_eq(status(path), 200);
	ck_assert_int_eq(status("/vcek/v1/Milan/crl"), 200);
	ck_assert_int_eq(status("/vcek/v1/Milan/crl"), 200);
	clock_offset_set(11);
	ck_assert_int_eq(status(path), 200);
	ck_assert_int_eq(status(path), 429);
	sim_throttle(h.sim, 0);
	ck_assert_int_eq(status(path), 200);
}
END_TEST

START_TEST(test_crls_follow_time_and_revocation)
{
	struct amd_crl *a = NULL, *b = NULL, *c = NULL;
	struct amd_chain *old = NULL, *next = NULL;

	ck_assert_int_eq(chain_get(AMD_GENOA, AMD_VCEK, &old), ERR_OK);
	ck_assert_int_eq(crl_get(AMD_GENOA, AMD_VCEK, &a), ERR_OK);
	ck_assert_uint_eq(a->number, 9);
	sim_amd_revoke(h.sim, AMD_GENOA, AMD_VCEK);
	sim_amd_rotate(h.sim, AMD_GENOA);
	ck_assert_int_eq(crl_get(AMD_GENOA, AMD_VCEK, &b), ERR_OK);
	ck_assert_uint_eq(b->number, 10);
	ck_assert_int_gt(b->window.from, a->window.from);
	ck_assert(amd_crl_lists(b, old->ask));
	ck_assert_int_eq(chain_get(AMD_GENOA, AMD_VCEK, &next), ERR_OK);
	ck_assert(!amd_crl_lists(b, next->ask));
	clock_offset_set(60 * 86400);
	ck_assert_int_eq(crl_get(AMD_GENOA, AMD_VCEK, &c), ERR_OK);
	ck_assert_uint_gt(c->number, 10);
	amd_crl_unref(a);
	amd_crl_unref(b);
	amd_crl_unref(c);
	amd_chain_unref(old);
	amd_chain_unref(next);
}
END_TEST

START_TEST(test_control_plane)
{
	struct sim_chip c = sim_chip_at(SIM_CHIP(SIM_CHIP_MILAN, 2), 7);
	char path[SIM_KDS_PATH], want[80];
	struct amd_chain *chain = NULL;
	struct snp_report report;
	struct vek *vek = NULL;
	struct blob *b;

	b = body("/_sim/root?product=Turin");
	snprintf(want, sizeof(want), "%s\n", pki_amd_root_spki_hex(AMD_TURIN));
	ck_assert_str_eq((char *)b->data, want);
	blob_unref(b);
	sim_chip_path(&c, path);
	b = body("/_sim/chip?n=8&ucode=7");
	ck_assert_ptr_nonnull(strstr((char *)b->data, path));
	blob_unref(b);
	b = body("/_sim/report?n=8&ucode=7&version=5");
	ck_assert_int_eq(snp_report_read(blob_span(b), 5, &report, NULL),
	    SNP_OK);
	ck_assert_mem_eq(report.chip_id, c.hwid, sizeof(report.chip_id));
	ck_assert_mem_eq(report.reported_tcb.b, c.tcb.b, 8);
	blob_unref(b);
	ck_assert_int_eq(status("/_sim/report?n=8&data=0011"), 400);
	b = body("/_sim/vek?n=8&csp=1");
	ck_assert_int_eq(vek_parse(blob_span(b), &vek, NULL), ERR_OK);
	ck_assert_int_eq(vek->side, AMD_VLEK);
	vek_unref(vek);
	vek = NULL;
	blob_unref(b);
	ck_assert_int_eq(chain_get(AMD_MILAN, AMD_VCEK, &chain), ERR_OK);
	ck_assert_int_eq(status("/_sim/fault?kind=lie&lie=other-chip&n=1"),
	    200);
	ck_assert_int_eq(vcek_get(&c, chain, &vek), ERR_NOT_ASKED);
	vek_unref(vek);
	ck_assert_int_eq(vcek_get(&c, chain, &vek), ERR_OK);
	ck_assert_int_eq(status("/_sim/fault?kind=lie&lie=no-such-lie"), 400);
	ck_assert_int_eq(status("/_sim/fault?kind=status&status=429&n=1&path="
				"/vcek/*"),
	    200);
	ck_assert_int_eq(status(path), 429);
	ck_assert_int_eq(status("/_sim/revoke?product=Venice"), 400);
	ck_assert_int_eq(status("/_sim/throttle?seconds=10"), 200);
	ck_assert_int_eq(status(path), 429);
	vek_unref(vek);
	amd_chain_unref(chain);
}
END_TEST

/* --- replay ------------------------------------------------------------ */

static const struct {
	const char *target, *file;
} replays[] = {
	{ "/vcek/v1/Genoa/cert_chain", "snp/chains/genoa.vcek.cert_chain.pem" },
	{ "/vlek/v1/Milan/cert_chain", "snp/chains/milan.vlek.cert_chain.pem" },
	{ "/vcek/v1/Genoa/crl", "snp/crl/genoa.vcek.crl.der" },
	{ "/vcek/v1/Turin/"
	  "59790fb1c39f35c1?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81",
	    "snp/reports/turin-v5-aci/vcek.der" },
	{ "/vcek/v1/Milan/"
	  "3ac3fe21e13fb0990eb28a802e3fb6a29483a6b0753590c951bdd3b8e53786184ca3"
	  "9e359669a2b76a1936776b564ea464cdce40c05f63c9b610c5068b006b5d"
	  "?blSPL=2&teeSPL=0&snpSPL=5&ucodeSPL=68",
	    "snp/reports/milan-v2-debug/vcek.der" },
};

START_TEST(test_replay_serves_genuine_bytes)
{
	char dir[600];
	const char *dirs[] = { dir };
	struct sim_opts o = { .n_replay = 1, .replay = dirs };
	struct blob *got, *want;
	size_t i;

	snprintf(dir, sizeof(dir), "%s/snp", vectors_dir());
	begin(&o);
	for (i = 0; i < sizeof(replays) / sizeof(replays[0]); i++) {
		got = body(replays[i].target);
		want = vector_read(replays[i].file);
		ck_assert_msg(span_eq(blob_span(got), blob_span(want)), "%s",
		    replays[i].target);
		blob_unref(got);
		blob_unref(want);
	}
	ck_assert_int_eq(status("/vcek/v1/Milan/crl"), 404);
	ck_assert_int_eq(status("/vcek/v1/Turin/"
				"59790fb1c39f35c1?fmcSPL=1&blSPL=1&teeSPL=1&"
				"snpSPL=4&ucodeSPL=82"),
	    404);
	teardown();
}
END_TEST

int
main(void)
{
	TCase *made = tcase_create("made"), *real = tcase_create("replay");
	Suite *s = suite_create("sim_kds");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(made, setup, teardown);
	tcase_add_loop_test(made, test_a_product_whole, 0, AMD_PRODUCT_N);
	tcase_add_test(made, test_one_name_for_every_spelling);
	tcase_add_test(made, test_strict_about_names);
	tcase_add_test(made, test_issues_differ_in_bytes_alone);
	tcase_add_test(made, test_throttles_the_same_question);
	tcase_add_test(made, test_crls_follow_time_and_revocation);
	tcase_add_test(made, test_control_plane);
	suite_add_tcase(s, made);
	if (vectors_present()) {
		tcase_add_test(real, test_replay_serves_genuine_bytes);
		suite_add_tcase(s, real);
	} else {
		vectors_skipped(1);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
