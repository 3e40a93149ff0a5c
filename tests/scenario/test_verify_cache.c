/*
 * POST /v1/verify with larder's own collateral: fetched when it is missing,
 * once, and taken from one snapshot however many ask while it changes.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/quote.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vexpect.h"

#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct house_opts opts = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"verify\"]}]",
};
static struct house h;

/* --- evidence ---------------------------------------------------------- */

/* Of a platform whose every SVN is as high as can be. */
static struct blob *
quote_of(unsigned version, enum tee tee)
{
	static const char *const signers[] = {
		"8c4f5775d796503e96137f77c68a829a"
		"0056ac8ded70140b081b094490c57bff",
		"dc9e2a7c6f948f17474e34a7fc43ed03"
		"0f7c1563f1babddf6340c82e0e54a8c5",
	};
	unsigned char body[885] = { 0 }, qe[320] = { 0 };
	struct kit_quote q = { .version = version,
		.tee = tee,
		.body = body,
		.qe_report = qe,
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0x90, 0xc0, 0x6f, 0, 0, 0 },
		    .pcesvn = 255,
		    .sgx_type = 1 } };
	bool tdx = tee == TEE_TDX;

	memset(q.pck.comp, 255, sizeof(q.pck.comp));
	if (tdx) {
		memset(body, 255, 16);
		memset(body + 584, 255, 16);
		body[1] = body[585] = 3;
		body[123] = 0x10; /* SEPT_VE_DISABLE */
	}
	qe[48] = 0x11;
	must(hex_read(span_str(signers[tdx]), qe + 128, 32) == ERR_OK);
	qe[256] = tdx ? 2 : 1;
	qe[258] = 255;
	return kit_quote(sim_pki(h.sim), &q);
}

static struct blob *
report_of(const struct sim_chip *chip, uint32_t version)
{
	struct pki_vek vek = sim_chip_vek(chip);
	struct snp_report r = snp_made_report(&vek, version);

	return snp_made(sim_amd(h.sim), &vek, &r);
}

/* --- asking ------------------------------------------------------------ */

static json_t *
ask(struct span evidence, int status)
{
	struct edge_reply r = house_send(&h, "POST", "/v1/verify",
	    "Content-Type: application/octet-stream\r\n", evidence);
	json_t *j;

	ck_assert_msg(r.status == status, "%d: %s", r.status, r.body);
	j = json_loadb(r.body, r.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(j != NULL, "%s", r.text);
	edge_reply_free(&r);
	return j;
}

static void
expect_accepted(json_t *j)
{
	char *text = json_dumps(json_object_get(j, "reasons"), 0);

	ck_assert_msg(strcmp(vector_text(j, "verdict"), "accepted") == 0, "%s",
	    text);
	free(text);
}

static long
number_at(const json_t *j, const char *document)
{
	return (long)json_integer_value(
	    json_object_get(json_object_get(json_object_get(j, "collateral"),
				document),
		"tcb_evaluation_data_number"));
}

/* --- Intel ------------------------------------------------------------- */

static const struct {
	unsigned version;
	enum tee tee;
} quotes[] = { { 3, TEE_SGX }, { 4, TEE_SGX }, { 4, TEE_TDX }, { 5, TEE_TDX } };

START_TEST(test_a_quote_is_judged_with_what_is_fetched_once)
{
	struct blob *quote, *twin;
	json_t *j;

	house_start(&h, &opts);
	quote = quote_of(quotes[_i].version, quotes[_i].tee);
	j = ask(blob_span(quote), 200);
	expect_accepted(j);
	ck_assert_str_eq(vector_text(j, "tcb_status"), "UpToDate");
	ck_assert_str_eq(vector_text(json_object_get(j, "collateral"),
			     "source"),
	    "cache");
	ck_assert_str_eq(vector_text(json_object_get(j, "collateral"),
			     "baseline"),
	    "default standard, number 17");
	ck_assert_int_eq(number_at(j, "tcb_info"), 17);
	ck_assert_int_eq(number_at(j, "qe_identity"), 17);
	json_decref(j);
	ck_assert_uint_eq(sim_count(h.sim, "*tcb*fmspc*"), 1);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcrl*"), 1);
	sim_down(h.sim);
	j = ask(blob_span(quote), 200);
	expect_accepted(j);
	json_decref(j);
	twin = flipped(blob_span(quote), 200, 3);
	j = ask(blob_span(twin), 200);
	ck_assert_str_eq(first_reason(j), "quote-signature");
	json_decref(j);
	blob_unref(twin);
	blob_unref(quote);
	house_stop(&h);
}
END_TEST

START_TEST(test_upstream_down_503_then_not)
{
	struct blob *quote;
	struct edge_reply r;

	house_start(&h, &opts);
	quote = quote_of(4, TEE_TDX);
	sim_down(h.sim);
	r = house_send(&h, "POST", "/v1/verify", NULL, blob_span(quote));
	ck_assert_int_eq(r.status, 503);
	ck_assert(has_header(&r, "Retry-After"));
	ck_assert(has_header(&r, "Larder-Reason"));
	edge_reply_free(&r);
	r = house_get(&h, "/metrics");
	ck_assert_ptr_nonnull(
	    strstr(r.body, "larder_verdicts_without_collateral_total 1"));
	edge_reply_free(&r);
	blob_unref(quote);
	house_stop(&h);
}
END_TEST

START_TEST(test_expired_collateral_is_a_word_about_time)
{
	struct blob *quote;
	json_t *j;

	house_start(&h, &opts);
	quote = quote_of(3, TEE_SGX);
	json_decref(ask(blob_span(quote), 200));
	sim_down(h.sim);
	clock_offset_set(45 * 86400);
	j = ask(blob_span(quote), 200);
	ck_assert_str_eq(vector_text(j, "evidence"), "valid");
	ck_assert_str_eq(vector_text(j, "time"), "expired");
	ck_assert_str_eq(vector_text(j, "verdict"), "rejected");
	ck_assert_str_eq(first_reason(j), "time");
	json_decref(j);
	blob_unref(quote);
	house_stop(&h);
}
END_TEST

/* --- AMD --------------------------------------------------------------- */

static const struct {
	enum sim_chip_kind kind;
	uint32_t version;
} reports[] = {
	{ SIM_CHIP_MILAN, 2 },
	{ SIM_CHIP_MILAN, 3 },
	{ SIM_CHIP_GENOA, 2 }, /* which says no product: Milan is asked first */
	{ SIM_CHIP_GENOA, 3 },
	{ SIM_CHIP_TURIN, 2 },
	{ SIM_CHIP_TURIN, 5 },
};

START_TEST(test_a_report_is_judged_with_what_kds_has)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(reports[_i].kind, 1));
	char path[SIM_KDS_PATH];
	struct blob *report, *twin;
	json_t *j;

	house_start(&h, &opts);
	report = report_of(&chip, reports[_i].version);
	j = ask(blob_span(report), 200);
	expect_accepted(j);
	ck_assert_str_eq(vector_text(j, "product"),
	    amd_product_name(chip.product));
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(j, "collateral"), "crl"));
	json_decref(j);
	sim_chip_path(&chip, path);
	ck_assert_uint_eq(sim_count(h.sim, path), 1);
	sim_down(h.sim);
	j = ask(blob_span(report), 200);
	expect_accepted(j);
	json_decref(j);
	twin = flipped(blob_span(report), 0x90, 0);
	j = ask(blob_span(twin), 200);
	ck_assert_str_eq(first_reason(j), "SNP_ERR_SIGNATURE");
	json_decref(j);
	blob_unref(twin);
	blob_unref(report);
	house_stop(&h);
}
END_TEST

/*
 * Anybody may send 1184 octets that nobody has signed: a TCB or a chip that
 * KDS cannot be asked about is no question to it.
 */
static const struct {
	enum sim_chip_kind kind;
	uint32_t version;
	size_t at, len;
	int fill;
} forged[] = {
	{ SIM_CHIP_MILAN, 3, 0x180 + 3, 1, 1 },
	{ SIM_CHIP_MILAN, 2, 0x180 + 5, 1, 255 },
	{ SIM_CHIP_GENOA, 3, 0x180, 1, 128 },
	{ SIM_CHIP_GENOA, 2, 0x180, 8, 255 },
	{ SIM_CHIP_TURIN, 5, 0x180 + 4, 1, 1 },
	{ SIM_CHIP_TURIN, 2, 0x180, 1, 128 },
};

START_TEST(test_a_report_of_an_impossible_tcb_is_no_question_to_kds)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(forged[_i].kind, 1));
	unsigned char bytes[SNP_REPORT_LEN];
	struct blob *report;
	json_t *j;

	house_start(&h, &opts);
	report = report_of(&chip, forged[_i].version);
	memcpy(bytes, report->data, sizeof(bytes));
	memset(bytes + forged[_i].at, forged[_i].fill, forged[_i].len);
	j = ask(span_of(bytes, sizeof(bytes)), 200);
	ck_assert_str_eq(first_reason(j), "SNP_ERR_VEK_MISSING");
	json_decref(j);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/*SPL=*"), 0);
	/* and it is still there for others */
	j = ask(blob_span(report), 200);
	expect_accepted(j);
	json_decref(j);
	blob_unref(report);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_report_of_a_chip_half_masked_is_no_question_to_kds)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 1));
	unsigned char bytes[SNP_REPORT_LEN];
	struct blob *report;

	house_start(&h, &opts);
	report = report_of(&chip, 5);
	memcpy(bytes, report->data, sizeof(bytes));
	memset(bytes + 0x1a0, 0, 8);
	bytes[0x1a0 + 63] = 1;
	json_decref(ask(span_of(bytes, sizeof(bytes)), 503));
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/*SPL=*"), 0);
	blob_unref(report);
	house_stop(&h);
}
END_TEST

/* The least TCB is the operator's, by product or by chip. */
START_TEST(test_a_report_below_the_baseline)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct blob *report;
	char body[200];
	json_t *j;

	house_start(&h, &opts);
	report = report_of(&chip, 3);
	expect_change(&h, "pin",
	    "{\"product\":\"Milan\",\"tcb\":\"FFFFFFFFFFFFFFFF\","
	    "\"reason\":\"t\"}",
	    400, "bad-parameter");
	expect_change(&h, "pin",
	    "{\"product\":\"Milan\",\"tcb\":\"FFFF00000000FFFF\","
	    "\"reason\":\"t\"}",
	    200, NULL);
	j = ask(blob_span(report), 200);
	ck_assert_str_eq(vector_text(j, "evidence"), "valid");
	ck_assert_str_eq(vector_text(j, "verdict"), "rejected");
	ck_assert_str_eq(first_reason(j), "snp.min_tcb");
	json_decref(j);
	snprintf(body, sizeof(body),
	    "{\"product\":\"Milan\",\"tcb\":\"%s\",\"reason\":\"t\"}",
	    "0000000000000000");
	expect_change(&h, "pin", body, 200, NULL);
	j = ask(blob_span(report), 200);
	expect_accepted(j);
	json_decref(j);
	blob_unref(report);
	house_stop(&h);
}
END_TEST

static void
expect_floor(struct blob *report, bool accepted)
{
	json_t *j = ask(blob_span(report), 200);

	ck_assert_str_eq(vector_text(j, "evidence"), "valid");
	if (accepted) {
		expect_accepted(j);
	} else {
		ck_assert_str_eq(vector_text(j, "verdict"), "rejected");
		ck_assert_str_eq(first_reason(j), "snp.min_tcb");
	}
	json_decref(j);
}

static const struct {
	unsigned kind;
	uint32_t version;
	const char *highest; /* TCB of its product */
} own[] = {
	{ SIM_CHIP_MILAN, 3, "FFFF00000000FFFF" },
	{ SIM_CHIP_GENOA, 2, "FFFF00000000FFFF" },
	{ SIM_CHIP_TURIN, 5, "FF000000FFFFFFFF" },
};

/* One chip's own, whatever its product has; however its id is written. */
START_TEST(test_a_chip_below_its_own_least_tcb)
{
	struct sim_chip mine = sim_chip(SIM_CHIP(own[_i].kind, 1));
	struct sim_chip other = sim_chip(SIM_CHIP(own[_i].kind, 2));
	const char *product = amd_product_name(mine.product);
	char upper[2 * AMD_HWID_MAX + 1];
	struct blob *report, *its;

	hex_upper(span_of(mine.hwid, amd_hwid_len(mine.product)), upper);
	house_start(&h, &opts);
	report = report_of(&mine, own[_i].version);
	its = report_of(&other, own[_i].version);
	expect_floor(report, true);
	expect_change(&h, "pin",
	    keep_printf("{\"product\":\"%s\",\"chip\":\"%s\",\"tcb\":\"%s\","
			"\"force\":true,\"reason\":\"t\"}",
		product, upper, own[_i].highest),
	    200, NULL);
	expect_floor(report, false);
	expect_floor(its, true);
	/* What its product may do, it may not. */
	expect_change(&h, "pin",
	    keep_printf("{\"product\":\"%s\",\"tcb\":\"0000000000000000\","
			"\"reason\":\"t\"}",
		product),
	    200, NULL);
	expect_floor(report, false);
	expect_floor(its, true);
	expect_change(&h, "clear",
	    keep_printf("{\"product\":\"%s\",\"chip\":\"%s\","
			"\"reason\":\"t\"}",
		product, mine.hex),
	    200, NULL);
	expect_floor(report, true);
	expect_change(&h, "rollback", "{\"reason\":\"t\"}", 200, NULL);
	expect_floor(report, false);
	blob_unref(report);
	blob_unref(its);
	house_stop(&h);
}
END_TEST

START_TEST(test_certificates_beside_a_report_save_the_fetch)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_GENOA, 2));
	struct pki_vek vek;
	struct snp_report r;
	struct blob *extended;
	json_t *j;

	house_start(&h, &opts);
	vek = sim_chip_vek(&chip);
	r = snp_made_report(&vek, 3);
	extended = snp_made_extended(sim_amd(h.sim), &vek, &r);
	j = ask(blob_span(extended), 200);
	expect_accepted(j);
	ck_assert_str_eq(vector_text(j, "format"), "snp-extended-report");
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(j, "collateral"), "crl"));
	json_decref(j);
	ck_assert_uint_eq(sim_count(h.sim, "/vcek/v1/Genoa/*SPL=*"), 0);
	blob_unref(extended);
	house_stop(&h);
}
END_TEST

/* --- many at once ------------------------------------------------------ */

#define CALLERS 64
#define ASKED   12

struct caller {
	pthread_t thread;
	struct span evidence[3];
	unsigned accepted, other, mixed;
	char odd[1000]; /* the first other answer */
};

static void
caller_take(struct caller *c, struct edge_reply *r)
{
	json_t *j = json_loadb(r->body, r->len, 0, NULL);
	const char *verdict = vector_text(j, "verdict");

	if (r->status == 200 && verdict != NULL &&
	    strcmp(verdict, "accepted") == 0)
		c->accepted++;
	else if (c->other++ == 0)
		snprintf(c->odd, sizeof(c->odd), "%d %.900s", r->status,
		    r->body);
	/* Both documents of one number: one set. */
	if (number_at(j, "tcb_info") != number_at(j, "qe_identity"))
		c->mixed++;
	json_decref(j);
}

static void *
caller_main(void *arg)
{
	struct caller *c = arg;
	int fd = edge_open(h.port);
	struct edge_reply r;
	unsigned i;

	for (i = 0; i < ASKED; i++) {
		struct span s = c->evidence[i % 3];
		struct buf b = BUF_INIT;

		buf_printf(&b,
		    "POST /v1/verify HTTP/1.1\r\nHost: h\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    s.len);
		buf_span(&b, s);
		edge_send_n(fd, b.p, b.len);
		edge_read(fd, &r, false);
		caller_take(c, &r);
		edge_reply_free(&r);
		buf_free(&b);
	}
	close(fd);
	return NULL;
}

static struct caller callers[CALLERS];

static void
callers_start(struct blob *const e[3])
{
	unsigned i, k;

	/* All is held before they come. */
	for (k = 0; k < 3; k++) {
		json_t *j = ask(blob_span(e[k]), 200);

		expect_accepted(j);
		json_decref(j);
	}
	for (i = 0; i < CALLERS; i++) {
		for (k = 0; k < 3; k++)
			callers[i].evidence[k] = blob_span(e[(i + k) % 3]);
		must(pthread_create(&callers[i].thread, NULL, caller_main,
			 &callers[i]) == 0);
	}
}

/* Each of them had the same verdict each time, on one set. */
static void
callers_end(void)
{
	unsigned i;

	for (i = 0; i < CALLERS; i++) {
		must(pthread_join(callers[i].thread, NULL) == 0);
		ck_assert_uint_eq(callers[i].mixed, 0);
		ck_assert_msg(callers[i].other == 0, "%s", callers[i].odd);
		ck_assert_uint_eq(callers[i].accepted, ASKED);
	}
}

static void
evidence_make(struct blob *e[3])
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 3));

	e[0] = quote_of(4, TEE_TDX);
	e[1] = report_of(&chip, 3);
	e[2] = quote_of(3, TEE_SGX);
}

/* What a quote is judged by now. */
static long
number_now(struct blob *e[3])
{
	json_t *j = ask(blob_span(e[0]), 200);
	long number = number_at(j, "tcb_info");

	expect_accepted(j);
	ck_assert_int_eq(number_at(j, "qe_identity"), number);
	json_decref(j);
	return number;
}

static void
evidence_drop(struct blob *e[3])
{
	int k;

	for (k = 0; k < 3; k++)
		blob_unref(e[k]);
}

static void
refresh(void)
{
	struct edge_reply r =
	    house_admin(&h, "POST", "/sgx/certification/v4/refresh", "");

	/* Rarely 200: KDS is not asked again at once, old numbers are gone. */
	edge_reply_free(&r);
}

START_TEST(test_64_callers_while_all_is_refreshed)
{
	struct blob *e[3];
	unsigned i, number;

	house_start(&h, &opts);
	evidence_make(e);
	callers_start(e);
	for (i = 0; i < 4; i++) {
		/* A new number; held, it is what all clients get. */
		number = sim_publish(h.sim, &(struct sim_event){ 0 });
		refresh();
		sim_standard(h.sim, number);
		refresh();
	}
	callers_end();
	ck_assert_int_gt(number_now(e), 17);
	evidence_drop(e);
	house_stop(&h);
}
END_TEST

START_TEST(test_64_callers_while_a_baseline_is_promoted)
{
	struct blob *e[3];
	char change[80];
	int i;

	house_start(&h, &opts);
	evidence_make(e);
	sim_recovery(h.sim);
	callers_start(e);
	for (i = 1; i <= 5; i++) {
		snprintf(change, sizeof(change),
		    "{\"number\":%d,\"reason\":\"test\"}", 17 + i % 2);
		expect_change(&h, "pin", change, 200, NULL);
		baseline_settle(&h);
	}
	callers_end();
	ck_assert_int_eq(number_now(e), 18);
	evidence_drop(e);
	house_stop(&h);
}
END_TEST

/* With one judge and room for one in the queue, the rest are told so. */
START_TEST(test_a_full_queue_is_503)
{
	struct house_opts o = opts;
	struct edge_reply r;
	struct blob *quote;
	struct buf b = BUF_INIT;
	unsigned i, shed = 0, done = 0;
	int fd[40];

	o.members = "\"verify\":{\"threads\":1,\"queue\":1}";
	house_start(&h, &o);
	quote = quote_of(3, TEE_SGX);
	json_decref(ask(blob_span(quote), 200));
	buf_printf(&b,
	    "POST /v1/verify HTTP/1.1\r\nHost: h\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    quote->len);
	buf_span(&b, blob_span(quote));
	for (i = 0; i < 40; i++) {
		fd[i] = edge_open(h.port);
		edge_send_n(fd[i], b.p, b.len - 1);
	}
	for (i = 0; i < 40; i++)
		edge_send_n(fd[i], b.p + b.len - 1, 1);
	for (i = 0; i < 40; i++) {
		edge_read(fd[i], &r, false);
		if (r.status == 503) {
			ck_assert_uint_eq(r.len, 0);
			expect_header(&r, "Retry-After", "1");
			expect_header(&r, "Larder-Reason", "shed");
			shed++;
		} else {
			ck_assert_int_eq(r.status, 200);
			done++;
		}
		edge_reply_free(&r);
		close(fd[i]);
	}
	/* How many depends on the machine; nobody is left without a word. */
	ck_assert_uint_eq(shed + done, 40);
	ck_assert_uint_gt(done, 0);
	buf_free(&b);
	blob_unref(quote);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify from the cache");
	TCase *tc = tcase_create("verify from the cache");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
	    test_a_quote_is_judged_with_what_is_fetched_once, 0, 4);
	tcase_add_test(tc, test_upstream_down_503_then_not);
	tcase_add_test(tc, test_expired_collateral_is_a_word_about_time);
	tcase_add_loop_test(tc, test_a_report_is_judged_with_what_kds_has, 0,
	    sizeof(reports) / sizeof(reports[0]));
	tcase_add_loop_test(tc,
	    test_a_report_of_an_impossible_tcb_is_no_question_to_kds, 0,
	    sizeof(forged) / sizeof(forged[0]));
	tcase_add_test(tc,
	    test_a_report_of_a_chip_half_masked_is_no_question_to_kds);
	tcase_add_test(tc, test_a_report_below_the_baseline);
	tcase_add_loop_test(tc, test_a_chip_below_its_own_least_tcb, 0,
	    sizeof(own) / sizeof(own[0]));
	tcase_add_test(tc, test_certificates_beside_a_report_save_the_fetch);
	tcase_add_test(tc, test_64_callers_while_all_is_refreshed);
	tcase_add_test(tc, test_64_callers_while_a_baseline_is_promoted);
	tcase_add_test(tc, test_a_full_queue_is_503);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
