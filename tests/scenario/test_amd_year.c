/*
 * A year of AMD's in virtual time, day by day, with a KDS whose moods change:
 * honest, throttling, failing, lying, down.  An ASK is revoked and replaced,
 * firmware goes on, larder is restarted.  What must hold on every day:
 *
 *  - whatever is answered with 200 passes the checks of amd-kds 3 to 6 as of
 *    that moment, is what was asked for, and its ASK is on no list served;
 *  - a list never goes back;
 *  - a VCEK that was served once is served ever after, whatever KDS does,
 *    unless its ASK was revoked;
 *  - when KDS has been honest for a day, nothing is missing.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY   ((int64_t)86400)
#define CHIPS 6 /* two of each product */
#define DAYS  365

enum mood { HONEST, BUSY, BROKEN, LYING, DOWN, MOOD_N };

static const struct house_opts opts = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"kds\"]}]",
	.cache = "\"client_wait_ms\":8000,\"stale_wait_ms\":100",
	.kds = "\"vcek_per_minute\":0",
};

static struct house h;
static struct amd_anchors pins;
static uint64_t dice_state;

/* xorshift: the same year for the same seed. */
static unsigned
dice(unsigned sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (unsigned)(dice_state % sides);
}

static struct year {
	int day, honest_since;
	enum mood mood;
	/* Milan's ASK is on the list, and no other there yet. */
	enum { NOT_REVOKED, LISTED, REVOKED } revoked;
	uint64_t number[AMD_PRODUCT_N];
	time_t issued[AMD_PRODUCT_N];
	uint8_t ucode[CHIPS];     /* of today's firmware */
	bool served[CHIPS];       /* once, at that firmware */
	unsigned long n[MOOD_N];  /* days */
	unsigned long good, none; /* answers */
} year;

/* --- moods -------------------------------------------------------------- */

static enum pki_amd_lie
some_lie(void)
{
	enum pki_amd_lie lie;

	do
		lie = (enum pki_amd_lie)(1 + dice(PKI_AMD_LIE_N - 1));
	/* These are AMD's own word, not lies. */
	while (lie == AMD_LISTS_ISSUER || lie == AMD_LISTS_ZERO ||
	       lie == AMD_WRAPPED_HWID || lie == AMD_LINE_ENDS ||
	       lie == AMD_BLANK_LINE);
	return lie;
}

static void
mood_set(enum mood mood)
{
	struct sim_fault f = { .kind = SIM_STATUS, .status = 429 };

	sim_fault_clear(h.sim);
	if (year.mood == DOWN)
		sim_up(h.sim);
	if (mood == DOWN)
		sim_down(h.sim);
	if (mood == BROKEN)
		f.status = dice(2) == 0 ? 500 : 503;
	if (mood == LYING) {
		f.kind = dice(5) == 0 ? SIM_GARBAGE : SIM_LIE;
		f.amd_lie = some_lie();
	}
	if (mood != HONEST && mood != DOWN)
		sim_fault_add(h.sim, &f);
	if (mood == HONEST && year.mood != HONEST)
		year.honest_since = year.day;
	year.mood = mood;
}

static const char *
today(void)
{
	static const char *const moods[] = { "honest", "busy", "broken",
		"lying", "down" };

	return keep_printf("day %d, KDS %s", year.day, moods[year.mood]);
}

/* --- what is served ------------------------------------------------------ */

/* NULL: not answered with 200. */
static struct blob *
get(const char *target)
{
	struct edge_reply r = house_get(&h, target);
	struct blob *b = NULL;

	ck_assert_msg(r.status == 200 || r.status == 503, "%s: %s: %d", today(),
	    target, r.status);
	if (r.status == 200)
		b = blob_new(r.body, r.len);
	year.good += b != NULL;
	year.none += b == NULL;
	edge_reply_free(&r);
	return b;
}

static void
expect_valid(enum err e, const struct window *w, const char *what,
    const struct why *why)
{
	struct why late = { 0 };

	ck_assert_msg(e == ERR_OK, "%s: %s: %s", today(), what, why->text);
	ck_assert_msg(window_check(w, clock_now(), 300, what, &late) == ERR_OK,
	    "%s: %s", today(), late.text);
}

static struct amd_chain *
chain_get(enum amd_product p)
{
	struct blob *b =
	    get(keep_printf("/vcek/v1/%s/cert_chain", amd_product_name(p)));
	struct amd_chain *chain = NULL;
	struct why why = { 0 };
	enum err e;

	if (b == NULL)
		return NULL;
	e = amd_chain_read(blob_span(b), p, AMD_VCEK, &pins, &chain, &why);
	expect_valid(e, &chain->window, "chain", &why);
	blob_unref(b);
	return chain;
}

static bool
crl_holds(enum amd_product p, const struct amd_chain *chain)
{
	struct blob *b =
	    get(keep_printf("/vcek/v1/%s/crl", amd_product_name(p)));
	X509 *ark = pki_amd_x509(sim_amd(h.sim), p, PKI_ARK);
	struct amd_crl *crl = NULL;
	struct why why = { 0 };
	enum err e;

	if (b == NULL)
		return false;
	e = amd_crl_read(blob_span(b), p, ark, &crl, &why);
	expect_valid(e, &crl->window, "list", &why);
	ck_assert_msg(crl->number >= year.number[p] &&
			  crl->window.from >= year.issued[p],
	    "%s: a list went back", today());
	year.number[p] = crl->number;
	year.issued[p] = crl->window.from;
	ck_assert_msg(chain == NULL || !amd_crl_lists(crl, chain->ask),
	    "%s: a revoked ASK is served", today());
	amd_crl_unref(crl);
	blob_unref(b);
	return true;
}

static bool
vcek_holds(int i, const struct amd_chain *chain)
{
	struct sim_chip c =
	    sim_chip_at(SIM_CHIP(i % AMD_PRODUCT_N, i), year.ucode[i]);
	struct vek *vek = NULL;
	struct why why = { 0 };
	char path[SIM_KDS_PATH];
	struct blob *b;
	enum err e;

	sim_chip_path(&c, path);
	b = get(path);
	if (b == NULL)
		return false;
	ck_assert_msg(chain != NULL, "%s: a VCEK without its chain", today());
	e = vek_read(blob_span(b), chain, &vek, &why);
	expect_valid(e, &vek->window, "VCEK", &why);
	e = vek_is_for(vek, span_of(c.hwid, amd_hwid_len(c.product)), c.tcb,
	    &why);
	ck_assert_msg(e == ERR_OK, "%s: %s", today(), why.text);
	vek_unref(vek);
	blob_unref(b);
	return true;
}

/* One product's things, as a verifier fetches them. */
static void
look(enum amd_product p)
{
	/* A day after the last lie or pause all is well again. */
	bool well = year.mood == HONEST && year.day > year.honest_since + 1;
	bool gone = year.revoked != NOT_REVOKED && p == AMD_MILAN, there;
	struct amd_chain *chain = chain_get(p);
	int i;

	ck_assert_msg(!gone || year.revoked == LISTED || chain == NULL,
	    "%s: a revoked chain", today());
	ck_assert_msg(!well || gone || chain != NULL, "%s: no chain", today());
	there = crl_holds(p, chain);
	ck_assert_msg(!well || there, "%s: no list", today());
	for (i = (int)p; i < CHIPS; i += AMD_PRODUCT_N) {
		there = vcek_holds(i, chain);
		ck_assert_msg(there || gone || !(well || year.served[i]),
		    "%s: the VCEK of chip %d is missing", today(), i);
		year.served[i] = there;
	}
	amd_chain_unref(chain);
}

/* --- events --------------------------------------------------------------- */

static void
firmware_update(int chip)
{
	year.ucode[chip]++;
	year.served[chip] = false;
}

static void
events(void)
{
	int i;

	if (dice(4) == 0)
		mood_set(dice(2) == 0 ? HONEST : (enum mood)dice(MOOD_N));
	if (dice(20) == 0)
		firmware_update((int)dice(CHIPS));
	if (dice(60) == 0)
		house_restart(&h, &opts);
	if (year.day == 120) {
		mood_set(HONEST);
		sim_amd_revoke(h.sim, AMD_MILAN, AMD_VCEK);
		year.revoked = LISTED;
	}
	/* The daily look at the list has been by now. */
	if (year.day == 122)
		year.revoked = REVOKED;
	if (year.day == 125) {
		mood_set(HONEST);
		sim_amd_rotate(h.sim, AMD_MILAN);
		year.honest_since = year.day;
		year.revoked = NOT_REVOKED;
		for (i = AMD_MILAN; i < CHIPS; i += AMD_PRODUCT_N)
			year.served[i] = false;
	}
	/* Honest while it matters: whether the list is seen is tested. */
	if (year.day > 120 && year.day < 127)
		mood_set(HONEST);
}

START_TEST(test_a_year)
{
	int i;

	dice_state = 0x9e3779b97f4a7c15ULL + (uint64_t)_i * 2;
	memset(&year, 0, sizeof(year));
	house_start(&h, &opts);
	pins = pki_amd_anchors();
	for (i = 0; i < CHIPS; i++)
		year.ucode[i] = (uint8_t)(100 + i);
	for (year.day = 0; year.day < DAYS; year.day++) {
		events();
		house_later(&h, DAY);
		year.n[year.mood]++;
		look((enum amd_product)(year.day % AMD_PRODUCT_N));
		if (year.mood != HONEST)
			look((enum amd_product)dice(AMD_PRODUCT_N));
	}
	/* The year was one: all of it has happened. */
	for (i = 0; i < MOOD_N; i++)
		ck_assert_uint_gt(year.n[i], 5);
	ck_assert_uint_gt(year.good, 1000);
	ck_assert_uint_gt(year.none, 10);
	pki_amd_anchors_drop(&pins);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("all");
	Suite *s = suite_create("amd_year");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, test_a_year, 0, 1);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
