/*
 * KDS in its moods: throttling, failing, lying, ageing, while clients go on
 * asking (amd-kds 2.6, 6, 7, 10.3, 10.4, 10.7, 10.9).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/house.h"

#include <check.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)   ((int)(sizeof(a) / sizeof((a)[0])))
#define MINUTE 60L
#define HOUR   3600L
#define DAY    86400L
#define CHAIN  "/vcek/v1/Milan/cert_chain"
#define CRL    "/vcek/v1/Milan/crl"
#define VCEKS  "/vcek/v1/*/*[?]*"
#define ALL    "/v[cl]ek/*"

static struct house h;
static char vcek[SIM_KDS_PATH], other[SIM_KDS_PATH];

/* Nobody waits long here: what would, waits for the virtual clock. */
static const struct house_opts hasty = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"kds\"]}]",
	.cache = "\"client_wait_ms\":8000",
};
static const struct house_opts offline = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"kds\"]}]",
	.mode = "offline",
};

static void
target_of(unsigned long n, char out[SIM_KDS_PATH])
{
	struct sim_chip chip = sim_chip(n);

	sim_chip_path(&chip, out);
}

static void
setup(void)
{
	house_start(&h, &hasty);
	target_of(SIM_CHIP(SIM_CHIP_MILAN, 1), vcek);
	target_of(SIM_CHIP(SIM_CHIP_MILAN, 2), other);
	expect_get(&h, CHAIN, 200, NULL);
	expect_get(&h, CRL, 200, NULL);
}

static void
teardown(void)
{
	house_stop(&h);
}

static void
fault_status(const char *path, int status, const char *retry_after)
{
	struct sim_fault f = { .kind = SIM_STATUS,
		.path = path,
		.status = status,
		.retry_after = retry_after };

	sim_fault_add(h.sim, &f);
}

static int
retry_after(const char *target, const char *reason)
{
	struct edge_reply r = house_get(&h, target);
	int s;

	ck_assert_msg(r.status == 503, "%d\n%s", r.status, r.text);
	expect_header(&r, "Larder-Reason", reason);
	expect_header(&r, "Content-Type", "text/plain; charset=utf-8");
	ck_assert_uint_gt(r.len, 0);
	ck_assert(memchr(r.body, '\n', r.len) == NULL);
	ck_assert(has_header(&r, "Retry-After"));
	s = atoi(edge_header(&r, "Retry-After"));
	edge_reply_free(&r);
	return s;
}

/* --- 429 -------------------------------------------------------------- */

START_TEST(test_429_is_503_for_all_and_nobody_asks_before_the_pause_ends)
{
	struct edge_reply r;
	int fd[10], i, after;

	fault_status(VCEKS, 429, NULL);
	for (i = 0; i < N(fd); i++) {
		fd[i] = edge_open(h.port);
		edge_send(fd[i], "GET ");
		edge_send(fd[i], vcek);
		edge_send(fd[i], " HTTP/1.1\r\nHost: kds\r\n\r\n");
	}
	for (i = 0; i < N(fd); i++) {
		edge_read(fd[i], &r, false);
		ck_assert_int_eq(r.status, 503);
		expect_header(&r, "Larder-Reason", "upstream-429");
		after = atoi(edge_header(&r, "Retry-After"));
		ck_assert_int_ge(after, 20);
		ck_assert_int_le(after, 37);
		edge_reply_free(&r);
		close(fd[i]);
	}
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	sim_fault_clear(h.sim);
	house_later(&h, 10);
	(void)retry_after(other, "upstream-429"); /* another one's, too */
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	/* Chains and lists go on. */
	expect_get(&h, "/vcek/v1/Genoa/crl", 200, NULL);
	house_later(&h, 30);
	expect_get(&h, vcek, 200, NULL);
	expect_get(&h, other, 200, NULL);
}
END_TEST

START_TEST(test_retry_after_is_obeyed)
{
	fault_status(VCEKS, 429, "300");
	ck_assert_int_le(retry_after(vcek, "upstream-429"), 300);
	sim_fault_clear(h.sim);
	house_later(&h, 200);
	ck_assert_int_le(retry_after(vcek, "upstream-429"), 100);
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 1);
	house_later(&h, 101);
	expect_get(&h, vcek, 200, NULL);
}
END_TEST

/* With a KDS that refuses the same question within ten seconds. */
START_TEST(test_we_never_ask_the_same_twice_within_ten_seconds)
{
	int i;

	sim_throttle(h.sim, 10);
	fault_status(vcek, 500, NULL);
	for (i = 0; i < 5; i++)
		(void)retry_after(vcek, "upstream-5xx");
	ck_assert_uint_eq(sim_count(h.sim, vcek), 1);
	sim_fault_clear(h.sim);
	house_later(&h, 11);
	expect_get(&h, vcek, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 2);
}
END_TEST

START_TEST(test_a_day_of_429_serves_everything_cached)
{
	const char *const cached[] = { CHAIN, CRL, vcek, other };
	char miss[SIM_KDS_PATH];
	int step, i;

	target_of(SIM_CHIP(SIM_CHIP_MILAN, 3), miss);
	expect_get(&h, vcek, 200, NULL);
	expect_get(&h, other, 200, NULL);
	sim_count_reset(h.sim);
	fault_status(ALL, 429, NULL);
	for (step = 0; step < 4 * 25; step++) {
		house_later(&h, 15 * MINUTE);
		for (i = 0; i < N(cached); i++)
			expect_get(&h, cached[i], 200, NULL);
		ck_assert_int_le(retry_after(miss, "upstream-429"), 36 * 60);
	}
	/* Half an hour apart in the end, on each of two lanes. */
	ck_assert_uint_ge(sim_count(h.sim, VCEKS), 30);
	ck_assert_uint_le(sim_count(h.sim, NULL), 2 * 80);
	/* And when it is over, it is over. */
	sim_fault_clear(h.sim);
	house_later(&h, 37 * MINUTE);
	expect_get(&h, miss, 200, NULL);
}
END_TEST

/* --- failures --------------------------------------------------------- */

START_TEST(test_kds_down_serves_everything_cached)
{
	const char *const cached[] = { CHAIN, CRL, vcek };
	int step, i;

	expect_get(&h, vcek, 200, NULL);
	sim_down(h.sim);
	for (step = 0; step < 24; step++) {
		house_later(&h, HOUR);
		for (i = 0; i < N(cached); i++)
			expect_get(&h, cached[i], 200, NULL);
	}
	(void)retry_after(other, "upstream-down");
	sim_up(h.sim);
	house_later(&h, 11 * MINUTE);
	expect_get(&h, other, 200, NULL);
}
END_TEST

/* --- lies (10.4) ------------------------------------------------------ */

static const struct {
	enum sim_fault_kind kind;
	enum pki_amd_lie lie;
	const char *reason;
} lies[] = {
	{ SIM_LIE, AMD_OTHER_CHIP, "not-what-was-asked" },
	{ SIM_LIE, AMD_OTHER_TCB, "not-what-was-asked" },
	{ SIM_LIE, AMD_OTHER_PRODUCT, NULL },
	{ SIM_LIE, AMD_BAD_SIGNATURE, "bad-signature" },
	{ SIM_LIE, AMD_ENCODING, "bad-format" },
	{ SIM_LIE, AMD_TRUNCATED, "bad-format" },
	{ SIM_LIE, AMD_TRAILING, "bad-format" },
	{ SIM_LIE, AMD_EXPIRED, "expired" },
	{ SIM_GARBAGE, 0, "bad-format" },
	{ SIM_OVERSIZE, 0, "too-big" },
	{ SIM_OTHER, 0, NULL },
};

START_TEST(test_no_lie_is_stored_nor_asked_for_again_soon)
{
	struct sim_fault f = { .kind = lies[_i].kind,
		.amd_lie = lies[_i].lie,
		.path = vcek };
	struct edge_reply r;

	sim_fault_add(h.sim, &f);
	r = house_get(&h, vcek);
	ck_assert_msg(r.status == 503, "%d\n%s", r.status, r.text);
	if (lies[_i].reason != NULL)
		expect_header(&r, "Larder-Reason", lies[_i].reason);
	edge_reply_free(&r);
	sim_fault_clear(h.sim);
	house_later(&h, 9 * MINUTE);
	expect_get(&h, vcek, 503, lies[_i].reason);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 1);
	house_restart(&h, &offline);
	expect_get(&h, CHAIN, 200, NULL);
	expect_get(&h, vcek, 404, "not-cached");
}
END_TEST

START_TEST(test_after_ten_minutes_an_honest_answer_is_taken)
{
	struct sim_fault f = { .kind = SIM_GARBAGE, .path = vcek };

	sim_fault_add(h.sim, &f);
	expect_get(&h, vcek, 503, "bad-format");
	sim_fault_clear(h.sim);
	house_later(&h, 10 * MINUTE + 1);
	expect_get(&h, vcek, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 2);
}
END_TEST

/* --- a new issuer ------------------------------------------------------ */

/* AMD has replaced an ASK before: what the new one signed is not forged. */
START_TEST(test_a_new_ask_is_found_by_what_it_signs)
{
	expect_get(&h, vcek, 200, NULL);
	sim_amd_rotate(h.sim, AMD_MILAN);
	house_later(&h, MINUTE);
	expect_get(&h, other, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, CHAIN), 2);
	/* What the old one signed is not under this chain. */
	expect_get(&h, vcek, 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 2);
}
END_TEST

START_TEST(test_forged_vceks_do_not_drive_us_to_the_chain)
{
	struct sim_fault f = { .kind = SIM_LIE,
		.amd_lie = AMD_BAD_SIGNATURE,
		.path = VCEKS };
	char path[SIM_KDS_PATH];
	unsigned long n;

	house_later(&h, MINUTE);
	sim_fault_add(h.sim, &f);
	for (n = 1; n <= 5; n++) {
		target_of(SIM_CHIP(SIM_CHIP_MILAN, n), path);
		expect_get(&h, path, 503, "bad-signature");
	}
	ck_assert_uint_eq(sim_count(h.sim, VCEKS), 5);
	ck_assert_uint_eq(sim_count(h.sim, CHAIN), 2);
}
END_TEST

/* --- ageing ----------------------------------------------------------- */

static time_t
crl_ends(void)
{
	struct edge_reply r = house_get(&h, CRL);
	const unsigned char *p = (const unsigned char *)r.body;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)r.len);
	struct tm tm;

	ck_assert_ptr_nonnull(crl);
	ck_assert_int_eq(ASN1_TIME_to_tm(X509_CRL_get0_nextUpdate(crl), &tm),
	    1);
	X509_CRL_free(crl);
	edge_reply_free(&r);
	return timegm(&tm);
}

/* 10.7, to the second; and what a new one is worth. */
START_TEST(test_a_crl_past_its_end_is_503_until_there_is_a_new_one)
{
	time_t end = crl_ends();
	struct edge_reply r;

	expect_get(&h, vcek, 200, NULL);
	sim_down(h.sim);
	house_later(&h, (long)(end - clock_now()) - 20);
	r = house_get(&h, CRL);
	ck_assert_int_eq(r.status, 200);
	ck_assert_int_le(atoi(strstr(edge_header(&r, "Cache-Control"),
				  "max-age=") +
			      8),
	    20);
	edge_reply_free(&r);
	house_later(&h, (long)(end - clock_now()));
	(void)retry_after(CRL, "upstream-down");
	/* The list says nothing of chain and VCEK any more; they stay. */
	expect_get(&h, CHAIN, 200, NULL);
	expect_get(&h, vcek, 200, NULL);
	house_restart(&h, &offline);
	expect_get(&h, CRL, 503, NULL);
	sim_up(h.sim);
	house_restart(&h, &hasty);
	expect_get(&h, CRL, 200, NULL);
	ck_assert_int_gt(crl_ends(), clock_now());
}
END_TEST

/* amd-kds 7: lists daily, hourly near their end; chains weekly. */
START_TEST(test_chains_and_lists_are_renewed_behind_the_scenes)
{
	unsigned long day;

	for (day = 1; day <= 8; day++) {
		house_later(&h, 25 * HOUR);
		ck_assert_uint_ge(sim_count(h.sim, CRL), 1 + day);
	}
	ck_assert_uint_ge(sim_count(h.sim, CHAIN), 2);
	ck_assert_uint_le(sim_count(h.sim, CRL), 20);
	ck_assert_uint_le(sim_count(h.sim, CHAIN), 4);
}
END_TEST

/* In its last ninety days a VCEK that is used is asked for again; the new
 * one has other bytes and takes its place (amd-kds 3.5, 10.9). */
START_TEST(test_a_vcek_near_its_end_is_renewed_when_it_is_used)
{
	struct edge_reply first = house_get(&h, vcek), r;
	int64_t until;
	bool same;

	ck_assert_int_eq(first.status, 200);
	house_later(&h, 7 * 365 * DAY - 200 * DAY);
	expect_get(&h, CHAIN, 200, NULL);
	r = house_get(&h, vcek);
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&r);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 1);
	house_later(&h, 140 * DAY);
	r = house_get(&h, vcek);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", "HIT");
	ck_assert(house_same_body(&first, &r));
	edge_reply_free(&r);
	ck_assert(sim_wait(h.sim, vcek, 2, PATIENCE_MS));
	until = clock_mono_ms() + PATIENCE_MS;
	do {
		r = house_get(&h, vcek);
		same = house_same_body(&first, &r);
		ck_assert_int_eq(r.status, 200);
		edge_reply_free(&r);
	} while (same && clock_mono_ms() < until);
	ck_assert(!same);
	ck_assert_uint_eq(sim_count(h.sim, vcek), 2);
	edge_reply_free(&first);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kds_pace");
	TCase *t = tcase_create("kds_pace");
	SRunner *r;
	int failed;

	edge_prepare();
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    test_429_is_503_for_all_and_nobody_asks_before_the_pause_ends);
	tcase_add_test(t, test_retry_after_is_obeyed);
	tcase_add_test(t, test_we_never_ask_the_same_twice_within_ten_seconds);
	tcase_add_test(t, test_a_day_of_429_serves_everything_cached);
	tcase_add_test(t, test_kds_down_serves_everything_cached);
	tcase_add_loop_test(t, test_no_lie_is_stored_nor_asked_for_again_soon,
	    0, N(lies));
	tcase_add_test(t, test_after_ten_minutes_an_honest_answer_is_taken);
	tcase_add_test(t, test_a_new_ask_is_found_by_what_it_signs);
	tcase_add_test(t, test_forged_vceks_do_not_drive_us_to_the_chain);
	tcase_add_test(t,
	    test_a_crl_past_its_end_is_503_until_there_is_a_new_one);
	tcase_add_test(t, test_chains_and_lists_are_renewed_behind_the_scenes);
	tcase_add_test(t, test_a_vcek_near_its_end_is_renewed_when_it_is_used);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
