/*
 * AMD's collateral through the whole house, on a simulated KDS and virtual
 * time (amd-kds 10): what lies is refused and not kept, what is older does not
 * come back, and what is revoked is served no more and verifies nothing.
 * (test_kds_pace.c has outages and throttling.)
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/snp_made.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define N(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define HOUR  ((int64_t)3600)
#define DAY   (24 * HOUR)
#define CHAIN "/vcek/v1/%s/cert_chain"
#define CRL   "/vcek/v1/%s/crl"

static struct house h;

static const struct house_opts opts = {
	.listen = "[{\"address\":\"127.0.0.1:0\","
		  "\"serve\":[\"kds\",\"verify\",\"admin\"]}]",
	/* Less than the ten seconds until the same thing is asked again. */
	.cache = "\"client_wait_ms\":8000,\"stale_wait_ms\":500",
	.kds = "\"vcek_per_minute\":0",
};

static void
setup(void)
{
	house_start(&h, &opts);
}

static void
teardown(void)
{
	house_stop(&h);
}

/* --- asking ------------------------------------------------------------ */

static const char *
vcek_path(const struct sim_chip *c)
{
	char path[SIM_KDS_PATH];

	sim_chip_path(c, path);
	return keep_printf("%s", path);
}

static const char *
product_path(const char *fmt, enum amd_product p)
{
	/* One of CHAIN and CRL. */
	return strcmp(fmt, CHAIN) == 0 ? keep_printf(CHAIN, amd_product_name(p))
				       : keep_printf(CRL, amd_product_name(p));
}

static struct edge_reply
get(const char *target)
{
	return keep(house_get(&h, target));
}

static struct edge_reply
expect(const char *target, int status)
{
	struct edge_reply r = get(target);

	ck_assert_msg(r.status == status, "%s: %d, not %d\n%s\n%s", target,
	    r.status, status, r.text, r.body);
	return r;
}

/* Refused for this reason, one of "a|b". */
static void
expect_reason(const struct edge_reply *r, const char *reasons)
{
	const char *got = edge_header(r, "Larder-Reason");

	ck_assert_msg(got != NULL && strstr(reasons, got) != NULL,
	    "%s, not %s\n%s", got, reasons, r->text);
}

/* Ask upstream again, as "larder refresh KEY" does: its status.  The same
 * thing is asked for at most every ten seconds (amd-kds 2.6). */
static int
refresh(const char *key)
{
	house_later(&h, 11);
	return keep(house_admin(&h, "POST",
			keep_printf("/v1/refresh?key=%s", key), NULL))
	    .status;
}

static void
lie(enum pki_amd_lie lie, const char *path)
{
	sim_fault_add(h.sim, &(struct sim_fault){ .kind = SIM_LIE,
				 .amd_lie = lie,
				 .path = path });
}

/* What a relying party is told about this report: its verdict is accepted, or
 * it is rejected or none can be given. */
static void
expect_accepted(const struct blob *report, bool want)
{
	struct edge_reply r = keep(house_send(&h, "POST", "/v1/verify",
	    "Content-Type: application/octet-stream\r\n", blob_span(report)));
	json_t *j = keep_json(json_loadb(r.body, r.len, 0, NULL));
	const char *got = json_string_value(json_object_get(j, "verdict"));

	ck_assert_msg(r.status == 200 || (r.status == 503 && !want),
	    "%d\n%s\n%s", r.status, r.text, r.body);
	if (r.status == 200)
		ck_assert_str_eq(got, want ? "accepted" : "rejected");
}

/* As a guest on this chip has it. */
static struct blob *
report_of(const struct sim_chip *c)
{
	struct pki_vek v = sim_chip_vek(c);
	struct snp_report r = snp_made_report(&v, 3);

	return keep_blob(snp_made(sim_amd(h.sim), &v, &r));
}

/* --- lies (amd-kds 10.4, 10.5) ------------------------------------------ */

enum { VEK = 1, CHAIN_BODY = 2, LIST = 4 };
#define ALL (VEK | CHAIN_BODY | LIST)

static const struct {
	enum pki_amd_lie lie;
	int of;
	const char *reason; /* NULL: it is good */
} lies[] = {
	{ AMD_BAD_SIGNATURE, ALL, "bad-signature" },
	{ AMD_WRONG_KEY, ALL, "bad-signature" },
	{ AMD_FOREIGN, VEK, "bad-signature" },
	{ AMD_FOREIGN, CHAIN_BODY, "untrusted-root" },
	{ AMD_FOREIGN, LIST, "bad-chain" },
	{ AMD_WRONG_ROLE, VEK, "bad-signature" },
	{ AMD_WRONG_ROLE, CHAIN_BODY | LIST, "bad-chain" },
	{ AMD_OTHER_PRODUCT, VEK, "not-what-was-asked" },
	{ AMD_OTHER_PRODUCT, CHAIN_BODY | LIST, "bad-chain" },
	{ AMD_OTHER_CHIP, VEK, "not-what-was-asked" },
	{ AMD_OTHER_TCB, VEK, "not-what-was-asked" },
	{ AMD_SALT, ALL, "bad-format" }, { AMD_SHA256, ALL, "bad-format" },
	{ AMD_PKCS1, ALL, "bad-format" },
	{ AMD_MIXED, VEK | CHAIN_BODY, "bad-format" },
	{ AMD_NOT_YET, ALL, "not-yet-valid" }, { AMD_EXPIRED, ALL, "expired" },
	{ AMD_TRAILING, ALL, "bad-format" },
	{ AMD_TRUNCATED, ALL, "bad-format" },
	{ AMD_ENCODING, ALL, "bad-format" }, { AMD_TWICE, VEK, "bad-format" },
	{ AMD_LONG_HWID, VEK, "bad-format" }, { AMD_WRAPPED_HWID, VEK, NULL },
	{ AMD_SWAPPED, CHAIN_BODY, "bad-chain" },
	{ AMD_THREE, CHAIN_BODY, "bad-format" },
	{ AMD_ONE, CHAIN_BODY, "bad-format" },
	{ AMD_LINE_ENDS, CHAIN_BODY, NULL },
	{ AMD_BLANK_LINE, CHAIN_BODY, NULL }, { AMD_DELTA, LIST, "bad-format" },
	{ AMD_PARTITION, LIST, "bad-format" },
	{ AMD_LISTS_ZERO, LIST, NULL }, /* every VEK has serial 0 */
};

static const char *
lie_target(int of, const struct sim_chip *c)
{
	if (of == VEK)
		return vcek_path(c);
	return product_path(of == LIST ? CRL : CHAIN, c->product);
}

static void
lie_told(enum pki_amd_lie how, int of, const char *reason)
{
	struct sim_chip c = sim_chip((unsigned long)(how % AMD_PRODUCT_N));
	const char *target = lie_target(of, &c);
	struct edge_reply r;

	house_fresh(&h, &opts);
	sim_fault_clear(h.sim);
	lie(how, of == VEK ? "/vcek/*SPL=*" : target);
	sim_count_reset(h.sim);
	r = get(target);
	if (reason == NULL) {
		ck_assert_msg(r.status == 200, "%s: %d\n%s",
		    pki_amd_lie_name(how), r.status, r.text);
		return;
	}
	ck_assert_msg(r.status >= 500, "%s of %s: %d", pki_amd_lie_name(how),
	    target, r.status);
	expect_reason(&r, reason);
	/* Nothing is stored, and KDS is left alone for ten minutes. */
	sim_fault_clear(h.sim);
	ck_assert_int_ge(get(target).status, 500);
	ck_assert_uint_eq(sim_count(h.sim, target), 1);
	house_later(&h, 15 * 60);
	expect(target, 200);
}

START_TEST(test_lies_are_refused_and_not_kept)
{
	int of;

	for (of = VEK; of <= LIST; of <<= 1)
		if ((lies[_i].of & of) != 0)
			lie_told(lies[_i].lie, of, lies[_i].reason);
}
END_TEST

/* 10.4: not AMD's at all. */
START_TEST(test_what_is_no_certificate_is_refused)
{
	static const struct {
		struct sim_fault fault;
		const char *reason;
	} rows[] = {
		{ { .kind = SIM_GARBAGE }, "bad-format" },
		{ { .kind = SIM_OVERSIZE, .arg = 1 << 20 }, "too-big" },
		{ { .kind = SIM_TRUNCATE }, "upstream-down" },
		{ { .kind = SIM_STATUS, .status = 200 }, "bad-format" },
		{ { .kind = SIM_STATUS, .status = 302 },
		    "upstream-400|upstream-5xx" },
	};
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 1));
	struct edge_reply r;

	sim_fault_add(h.sim, &rows[_i].fault);
	r = get(vcek_path(&c));
	ck_assert_msg(r.status >= 400, "%d", r.status);
	expect_reason(&r, rows[_i].reason);
	sim_fault_clear(h.sim);
	house_later(&h, HOUR);
	expect(vcek_path(&c), 200);
}
END_TEST

/* Chain, list and a VCEK of every product. */
static void
fill(void)
{
	enum amd_product p;
	struct sim_chip c;

	for (p = AMD_MILAN; p < AMD_PRODUCT_N; p++) {
		c = sim_chip(SIM_CHIP(p, 0));
		expect(vcek_path(&c), 200);
		expect(product_path(CHAIN, p), 200);
		expect(product_path(CRL, p), 200);
	}
}

/* It accepts, and never answers: nobody waits longer than he may. */
START_TEST(test_a_kds_that_hangs)
{
	static const struct sim_fault hang = { .kind = SIM_HANG };
	struct house_opts o = opts;
	struct sim_chip held = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 0));
	struct sim_chip cold = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	struct edge_reply r;

	fill();
	sim_fault_add(h.sim, &hang);
	o.kds = "\"vcek_per_minute\":0,\"timeout_ms\":200";
	house_restart(&h, &o);
	r = expect(vcek_path(&cold), 503);
	expect_reason(&r, "upstream-slow");
	ck_assert(has_header(&r, "Retry-After"));
	r = expect(vcek_path(&held), 200);
	expect_header(&r, "X-Cache", "HIT");
	sim_fault_clear(h.sim);
	house_restart(&h, &opts);
	house_later(&h, HOUR);
	expect(vcek_path(&cold), 200);
}
END_TEST

/* --- revocation and rollback --------------------------------------------- */

START_TEST(test_a_revoked_ask_takes_all_below_it_away)
{
	struct sim_chip milan = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 0));
	struct sim_chip genoa = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 0));
	struct edge_reply old, now;

	fill();
	expect_accepted(report_of(&milan), true);
	expect_accepted(report_of(&genoa), true);
	old = expect(product_path(CHAIN, AMD_MILAN), 200);
	sim_amd_revoke(h.sim, AMD_MILAN, AMD_VCEK);
	sim_fault_add(h.sim, &(struct sim_fault){ .kind = SIM_STATUS,
				 .status = 500,
				 .path = "*/cert_chain" });
	ck_assert_int_eq(refresh("amdcrl/vcek/Milan"), 200);
	now = get(vcek_path(&milan));
	ck_assert_msg(now.status >= 500, "%d", now.status);
	now = get(product_path(CHAIN, AMD_MILAN));
	ck_assert_msg(now.status >= 500, "%d", now.status);
	expect_accepted(report_of(&milan), false);
	expect_accepted(report_of(&genoa), true);
	expect(product_path(CRL, AMD_MILAN), 200);
	expect(vcek_path(&genoa), 200);
	expect(product_path(CHAIN, AMD_GENOA), 200);
	/* Nor does a restart bring them back. */
	house_restart(&h, &opts);
	ck_assert_int_ge(get(vcek_path(&milan)).status, 500);
	/* AMD's remedy: another ASK, and certificates signed by it. */
	sim_fault_clear(h.sim);
	sim_amd_rotate(h.sim, AMD_MILAN);
	house_later(&h, HOUR);
	now = expect(product_path(CHAIN, AMD_MILAN), 200);
	ck_assert(!house_same_body(&old, &now));
	expect(vcek_path(&milan), 200);
	expect_accepted(report_of(&milan), true);
}
END_TEST

/* 10.6, and what is only older. */
START_TEST(test_a_crl_that_goes_back_is_not_taken)
{
	static const struct sim_fault back[] = {
		{ .kind = SIM_LOWER, .path = "*/crl" },
		{ .kind = SIM_OLDER, .path = "*/crl", .arg = 60 },
		{ .kind = SIM_LIE, .amd_lie = AMD_LOWER, .path = "*/crl" },
		{ .kind = SIM_LIE, .amd_lie = AMD_OLDER, .path = "*/crl" },
	};
	const char *target = product_path(CRL, AMD_TURIN);
	struct edge_reply before = expect(target, 200), after;

	sim_fault_add(h.sim, &back[_i]);
	ck_assert_int_ne(refresh("amdcrl/vcek/Turin"), 200);
	after = expect(target, 200);
	ck_assert(house_same_body(&before, &after));
	sim_fault_clear(h.sim);
	house_later(&h, 29 * DAY);
	ck_assert_int_eq(refresh("amdcrl/vcek/Turin"), 200);
	after = expect(target, 200);
	ck_assert(!house_same_body(&before, &after));
}
END_TEST

/* 10.9: other bytes, the same key, and so the same verdicts. */
START_TEST(test_a_vcek_issued_anew_verifies_the_same_report)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 2));
	struct edge_reply old = expect(vcek_path(&c), 200), new;
	struct blob *report = report_of(&c);
	struct vek *a = NULL, *b = NULL;
	char tcb[17];

	expect_accepted(report, true);
	amd_tcb_write(c.tcb, tcb);
	house_later(&h, DAY);
	ck_assert_int_eq(refresh(
			     keep_printf("vek/vcek/Genoa/%s/%s", c.hex, tcb)),
	    200);
	new = expect(vcek_path(&c), 200);
	ck_assert(!house_same_body(&old, &new));
	must(vek_parse(span_of(old.body, old.len), &a, NULL) == ERR_OK);
	must(vek_parse(span_of(new.body, new.len), &b, NULL) == ERR_OK);
	ck_assert_int_eq(EVP_PKEY_eq(a->key, b->key), 1);
	ck_assert_int_gt(b->window.from, a->window.from);
	expect_accepted(report, true);
	vek_unref(a);
	vek_unref(b);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("all");
	Suite *s = suite_create("amd");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_lies_are_refused_and_not_kept, 0, N(lies));
	tcase_add_loop_test(t, test_what_is_no_certificate_is_refused, 0, 5);
	tcase_add_test(t, test_a_kds_that_hangs);
	tcase_add_test(t, test_a_revoked_ask_takes_all_below_it_away);
	tcase_add_loop_test(t, test_a_crl_that_goes_back_is_not_taken, 0, 4);
	tcase_add_test(t, test_a_vcek_issued_anew_verifies_the_same_report);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
