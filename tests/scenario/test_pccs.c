/*
 * The PCCS routes with everything behind them: miss, hit, the three modes,
 * registration, upload, stale answers.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/document.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/quote.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define S3   "/sgx/certification/v3/"
#define S4   "/sgx/certification/v4/"
#define T4   "/tdx/certification/v4/"
#define CDP  "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

static struct house h;

/* --- miss and hit ----------------------------------------------------- */

static const struct {
	const char *target;   /* ours, with the case clients may use */
	const char *upstream; /* where PCS has the same bytes; NULL: no twin */
	const char *type;
} objects[] = {
	{ S4 "tcb?fmspc=00606a000000", S4 "tcb?fmspc=00606A000000",
	    "application/json" },
	{ S4 "tcb?fmspc=00606A000000&update=early",
	    S4 "tcb?fmspc=00606A000000&update=early", "application/json" },
	{ S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=17",
	    S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=17",
	    "application/json" },
	{ T4 "tcb?fmspc=90c06f000000", T4 "tcb?fmspc=90C06F000000",
	    "application/json" },
	{ S4 "qe/identity", S4 "qe/identity", "application/json" },
	{ S4 "qe/identity?update=EARLY", S4 "qe/identity?update=early",
	    "application/json" },
	{ S4 "qve/identity?update=standard", S4 "qve/identity",
	    "application/json" },
	{ S4 "qae/identity", S4 "qae/identity", "application/json" },
	{ T4 "qe/identity", T4 "qe/identity", "application/json" },
	{ T4 "qe/identity?tcbEvaluationDataNumber=17",
	    T4 "qe/identity?tcbEvaluationDataNumber=17", "application/json" },
	{ S4 "tcbevaluationdatanumbers", S4 "tcbevaluationdatanumbers",
	    "application/json" },
	{ T4 "tcbevaluationdatanumbers", T4 "tcbevaluationdatanumbers",
	    "application/json" },
	{ S4 "fmspcs", S4 "fmspcs", "application/json" },
	{ S4 "fmspcs?platform=e5", S4 "fmspcs?platform=E5",
	    "application/json" },
	{ S4 "pckcrl?ca=platform&encoding=der",
	    S4 "pckcrl?ca=platform&encoding=der", "application/pkix-crl" },
	{ T4 "pckcrl?ca=PROCESSOR&encoding=DER",
	    S4 "pckcrl?ca=processor&encoding=der", "application/pkix-crl" },
	{ S3 "pckcrl?ca=platform&encoding=der",
	    S4 "pckcrl?ca=platform&encoding=der", "application/pkix-crl" },
	{ S4 "pckcrl?ca=platform", NULL,
	    "application/x-pem-file; charset=utf-8" },
	{ S4 "pckcrl?ca=platform&encoding=pem", NULL,
	    "application/x-pem-file" },
	{ S4 "rootcacrl", NULL, "application/pkix-crl" },
	{ S3 "rootcacrl", NULL, "application/pkix-crl" },
	{ T4 "rootcacrl", NULL, "application/pkix-crl" },
	{ S4 "rootcacrl?encoding=der", "/IntelSGXRootCA.der",
	    "application/pkix-crl" },
	{ S4 "crl?uri=" CDP, "/IntelSGXRootCA.der", "application/pkix-crl" },
	{ S3 "crl?uri=" CDP, "/IntelSGXRootCA.der", "application/pkix-crl" },
	{ "/metadata/THIM" S4 "tcb?fmspc=00606A000000",
	    S4 "tcb?fmspc=00606A000000", "application/json" },
	{ "/SGX/Certification/V4/QE/Identity/", S4 "qe/identity",
	    "application/json" },
};

START_TEST(test_a_miss_is_fetched_once_and_then_a_hit)
{
	struct edge_reply miss, hit, pcs;
	unsigned long asked;

	house_start(&h, NULL);
	miss = keep(house_get(&h, objects[_i].target));
	ck_assert_msg(miss.status == 200, "%s", miss.text);
	expect_header(&miss, "X-Cache", "MISS");
	expect_header(&miss, "Content-Type", objects[_i].type);
	ck_assert_int_ge(house_max_age(&miss), 1);
	ck_assert_int_le(house_max_age(&miss), 86400);
	/* The root CRL comes first, if it is not the object itself. */
	asked = sim_count(h.sim, NULL);
	ck_assert_uint_le(asked - sim_count(h.sim, "*rootca*"), 1);
	ck_assert_uint_le(sim_count(h.sim, "*rootca*"), 1);
	hit = keep(house_get(&h, objects[_i].target));
	expect_header(&hit, "X-Cache", "HIT");
	ck_assert(has_header(&hit, "Age"));
	ck_assert(has_header(&hit, "Request-ID"));
	ck_assert(!has_header(&hit, "Server"));
	ck_assert(house_same_body(&miss, &hit));
	ck_assert_uint_eq(sim_count(h.sim, NULL), asked);
	if (objects[_i].upstream != NULL) {
		pcs =
		    keep(house_upstream(&h, "GET", objects[_i].upstream, NULL));
		ck_assert_int_eq(pcs.status, 200);
		ck_assert_uint_eq(pcs.len, hit.len);
	}
	house_stop(&h);
}
END_TEST

/* The simulator signs anew for each request: bytes are compared with what it
 * sent then, which the evaluation numbers pin down. */
START_TEST(test_bodies_are_the_bytes_of_upstream)
{
	struct edge_reply ours, pcs;
	struct sim_opts sim = { .genesis = clock_now() - 3600 };
	struct house_opts o = { .sim = &sim };

	house_start(&h, &o);
	ours = keep(house_get(&h, S4 "pckcrl?ca=platform&encoding=der"));
	pcs = keep(house_upstream(&h, "GET",
	    S4 "pckcrl?ca=platform&encoding=der", NULL));
	ck_assert(house_same_body(&ours, &pcs));
	ours = keep(house_get(&h, S4 "crl?uri=" CDP));
	pcs = keep(house_upstream(&h, "GET", "/IntelSGXRootCA.der", NULL));
	ck_assert(house_same_body(&ours, &pcs));
	house_stop(&h);
}
END_TEST

START_TEST(test_an_etag_spares_the_body)
{
	struct edge_reply first, second;
	char header[160];

	house_start(&h, NULL);
	first = keep(house_get(&h, S4 "qe/identity"));
	snprintf(header, sizeof(header), "If-None-Match: \"x\", W/%s\r\n",
	    edge_header(&first, "ETag"));
	second =
	    keep(house_send(&h, "GET", S4 "qe/identity", header, SPAN_NONE));
	ck_assert_int_eq(second.status, 304);
	ck_assert_uint_eq(second.len, 0);
	ck_assert(has_header(&second, "Cache-Control"));
	ck_assert(has_header(&second, "ETag"));
	second = keep(house_send(&h, "GET", S4 "qe/identity",
	    "If-None-Match: \"x\"\r\n", SPAN_NONE));
	ck_assert_int_eq(second.status, 200);
	ck_assert(house_same_body(&first, &second));
	house_stop(&h);
}
END_TEST

static const struct {
	const char *target;
	int status;
	const char *reason;
} refusals[] = {
	{ S4 "tcb", 400, "bad-parameter" },
	{ S4 "tcb?fmspc=00606A00000", 400, "bad-parameter" },
	{ S4 "tcb?fmspc=00606A000000&update=all", 400, "bad-parameter" },
	{ S4 "tcb?fmspc=00606A000000&update=early&tcbEvaluationDataNumber=17",
	    400, "bad-parameter" },
	{ S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=0", 400,
	    "bad-parameter" },
	{ S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=16", 410,
	    "upstream-410" },
	{ S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=99", 404,
	    "upstream-404" },
	{ S4 "tcb?fmspc=FFFFFFFFFFFF", 404, "upstream-404" },
	{ T4 "tcb?fmspc=00906ED50000", 404, "upstream-404" },
	{ S4 "qe/identity?update=never", 400, "bad-parameter" },
	{ S4 "pckcrl", 400, "bad-parameter" },
	{ S4 "pckcrl?ca=root", 400, "bad-parameter" },
	{ S4 "crl", 400, "bad-parameter" },
	{ S4 "crl?uri=https://evil.example/IntelSGXRootCA.der", 400,
	    "bad-parameter" },
	{ S4 "crl?uri=" CDP "x", 404, "not-cached" },
	{ S4 "fmspcs?platform=E9", 400, "bad-parameter" },
	{ S4 "appraisalpolicy", 400, "bad-parameter" },
	{ S4 "appraisalpolicy?fmspc=00606A000000", 404, "not-cached" },
	{ S4 "pckcert?qeid=", 400, "bad-parameter" },
	{ S4 "tcb?fmspc=%zz", 400, "bad-parameter" },
	{ S4 "nothing", 404, "no-route" },
	{ "/tdx/certification/v3/tcb?fmspc=00606A000000", 404, "no-route" },
	{ T4 "qve/identity", 404, "no-route" },
	{ S3 "qae/identity", 404, "no-route" },
	{ S3 "fmspcs", 404, "no-route" },
	/* version 3 (pccs-api 8) */
	{ S3 "tcb?fmspc=00606A000000", 410, "v3-end-of-life" },
	{ S3 "qe/identity", 410, "v3-end-of-life" },
	{ S3 "qve/identity?update=early", 410, "v3-end-of-life" },
	{ S3 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=17", 410,
	    "v3-end-of-life" },
};

START_TEST(test_refusals_have_a_status_and_a_reason)
{
	house_start(&h, NULL);
	expect_get(&h, refusals[_i].target, refusals[_i].status,
	    refusals[_i].reason);
	ck_assert_uint_eq(sim_count(h.sim, "*v3*"), 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_every_v3_answer_warns)
{
	static const char *const targets[] = { S3 "tcb?fmspc=00606A000000",
		S3 "pckcrl?ca=platform", S3 "rootcacrl", S3 "pckcert",
		S3 "platforms", S3 "refresh" };
	struct edge_reply r;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		r = keep(house_get(&h, targets[i]));
		expect_header(&r, "Warning",
		    "299 - \"PCS API version 3 is no longer available. Cached "
		    "collateral downloaded from API version 3 is deprecated, "
		    "will not be refreshed, and may expire. Please migrate to "
		    "API version 4.\"");
	}
	r = keep(house_get(&h, S4 "rootcacrl"));
	ck_assert(!has_header(&r, "Warning"));
	house_stop(&h);
}
END_TEST

START_TEST(test_v4_identities_serve_v3_if_the_operator_says_so)
{
	struct house_opts o = {
		.cache = "\"serve_v4_identity_on_v3\":true",
	};

	house_start(&h, &o);
	expect_get(&h, S3 "qe/identity", 200, NULL);
	expect_get(&h, S3 "tcb?fmspc=00606A000000", 410, "v3-end-of-life");
	house_stop(&h);
}
END_TEST

/* --- pckcert ---------------------------------------------------------- */

START_TEST(test_pckcert_is_fetched_once_for_a_platform)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 1));
	struct edge_reply first, second;
	char *target = keep_text(house_pckcert(&p, 1)),
	     *again = keep_text(house_pckcert(&p, 2));

	house_start(&h, NULL);
	first = keep(house_get(&h, target));
	ck_assert_msg(first.status == 200, "%s", first.text);
	expect_header(&first, "X-Cache", "MISS");
	expect_header(&first, "SGX-FMSPC", p.fmspc);
	expect_header(&first, "SGX-PCK-Certificate-CA-Type", "PLATFORM");
	expect_header(&first, "Content-Type", "application/x-pem-file");
	second = keep(house_get(&h, again));
	expect_header(&second, "X-Cache", "HIT");
	ck_assert(house_same_body(&first, &second));
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	/* and it is still there in a new process */
	house_restart(&h, NULL);
	second = keep(house_get(&h, again));
	expect_header(&second, "X-Cache", "HIT");
	ck_assert(house_same_body(&first, &second));
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckcert_of_an_unknown_platform_needs_a_ppid)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = keep_text(house_pckcert(&p, 0)), *without;
	char *from, *to;

	without = keep_printf("%s", target);
	from = strstr(without, "&encrypted_ppid=");
	to = strstr(from, "&cpusvn=");
	memmove(from, to, strlen(to) + 1);
	house_start(&h, NULL);
	expect_get(&h, target, 404, "ppid-zero");
	expect_get(&h, without, 400, "ppid-missing");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	/* once it is known both are answered */
	expect_pckcert(&h, &p, 7, 200, NULL);
	expect_get(&h, target, 200, NULL);
	expect_get(&h, without, 200, NULL);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckcert_below_every_certificate_asks_once_an_hour)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	unsigned long asked;

	house_start(&h, NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	memset(p.cpu_svn, '0', 32);
	expect_pckcert(&h, &p, 1, 404, "no-certificate-fits");
	asked = sim_count(h.sim, "*pckcerts*");
	ck_assert_uint_eq(asked, 2);
	/* Two workers keep their own account. */
	for (int i = 0; i < 20; i++)
		expect_pckcert(&h, &p, 1, 404, "no-certificate-fits");
	ck_assert_uint_le(sim_count(h.sim, "*pckcerts*"), asked + 1);
	asked = sim_count(h.sim, "*pckcerts*");
	clock_offset_set(3700);
	for (int i = 0; i < 20; i++)
		expect_pckcert(&h, &p, 1, 404, "no-certificate-fits");
	ck_assert_uint_gt(sim_count(h.sim, "*pckcerts*"), asked);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckcert_says_what_pcs_said)
{
	static const struct {
		enum sim_kind kind;
		int status;
		const char *reason;
	} kinds[] = {
		{ SIM_CLIENT, 200, NULL },
		{ SIM_DIRECT, 200, NULL },
		{ SIM_INDIRECT, 404, "upstream-404" },
		{ SIM_CLIENT_NA, 200, NULL },
		{ SIM_TDX, 200, NULL },
		{ SIM_ALL_NA, 462, "not-available" },
		{ SIM_UNKNOWN, 404, "upstream-404" },
	};
	struct sim_platform p;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		p = sim_platform(SIM_NUMBER(kinds[i].kind, 3));
		expect_pckcert(&h, &p, 1, kinds[i].status, kinds[i].reason);
	}
	house_stop(&h);
}
END_TEST

/* --- modes ------------------------------------------------------------ */

static const char *const not_lazy[] = { "req", "offline" };

START_TEST(test_other_modes_never_ask_for_a_request)
{
	struct house_opts o = { .mode = not_lazy[_i] };
	struct sim_platform p = sim_platform(SIM_CLIENT);

	house_start(&h, &o);
	expect_pckcert(&h, &p, 1, 461, "unknown-platform");
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 404, "not-cached");
	expect_get(&h, S4 "qe/identity", 404, "not-cached");
	expect_get(&h, S4 "pckcrl?ca=platform", 404, "not-cached");
	expect_get(&h, S4 "rootcacrl", 404, "not-cached");
	expect_get(&h, S4 "crl?uri=" CDP, 404, "not-cached");
	expect_get(&h, S3 "tcb?fmspc=00606A000000", 404, "not-cached");
	expect_get(&h, S3 "qe/identity", 404, "not-cached");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_other_modes_serve_what_is_cached)
{
	struct house_opts o = { .mode = not_lazy[_i] };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	unsigned long asked;

	house_start(&h, NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 200, NULL);
	asked = sim_count(h.sim, NULL);
	house_restart(&h, &o);
	expect_pckcert(&h, &p, 2, 200, NULL);
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, NULL), asked);
	house_stop(&h);
}
END_TEST

START_TEST(test_req_mode_fetches_while_a_platform_registers)
{
	struct house_opts o = { .mode = "req" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	unsigned long asked;

	house_start(&h, &o);
	expect_registered(&h, &p, NULL);
	asked = sim_count(h.sim, NULL);
	expect_pckcert(&h, &p, 2, 200, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "qve/identity", 200, NULL);
	expect_get(&h, T4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "pckcrl?ca=platform", 200, NULL);
	expect_get(&h, S4 "pckcrl?ca=processor", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, NULL), asked);
	house_stop(&h);
}
END_TEST

START_TEST(test_req_mode_keeps_what_could_not_be_fetched_in_the_queue)
{
	struct house_opts o = { .mode = "req" };
	struct sim_platform p = sim_platform(SIM_UNKNOWN);
	char *body = keep_text(house_registration(&p, 1, NULL));
	struct edge_reply r;

	house_start(&h, &o);
	r = keep(house_register(&h, "", body));
	ck_assert_int_eq(r.status, 404);
	expect_header(&r, "Larder-Reason", "upstream-404");
	r = keep(house_admin(&h, "GET", S4 "platforms", NULL));
	expect_header(&r, "platform-count", "1");
	ck_assert_ptr_nonnull(strstr(r.body, p.qe_id));
	house_stop(&h);
}
END_TEST

/* --- offline: register, hand out, upload, fetch ----------------------- */

START_TEST(test_offline_register_hand_out_upload_fetch)
{
	struct house_opts o = { .mode = "offline" };
	struct sim_platform p[3] = { sim_platform(SIM_CLIENT),
		sim_platform(SIM_NUMBER(SIM_INDIRECT, 1)),
		sim_platform(SIM_NUMBER(SIM_TDX, 1)) };
	char *manifest = keep_text(sim_manifest(&p[1], 1)), *document,
	     target[120];
	struct edge_reply list, again;
	unsigned long asked;
	int i;

	house_start(&h, &o);
	expect_registered(&h, &p[0], NULL);
	expect_registered(&h, &p[1], manifest);
	expect_registered(&h, &p[2], NULL);
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	list = keep(house_admin(&h, "GET", S4 "platforms", NULL));
	expect_header(&list, "platform-count", "3");
	expect_header(&list, "Content-Type", "application/json");
	again = keep(house_admin(&h, "GET", S4 "platforms", NULL));
	expect_header(&again, "platform-count", "0");
	ck_assert_str_eq(again.body, "[]");
	document = keep_text(document_make(&h, list.body));
	asked = sim_count(h.sim, NULL);
	expect_admin(&h, "PUT", S4 "platformcollateral", document, 200);
	for (i = 0; i < 3; i++)
		expect_pckcert(&h, &p[i], 2, 200, NULL);
	for (i = 0; i < 3; i++) {
		snprintf(target, sizeof(target), S4 "tcb?fmspc=%s&update=early",
		    p[i].fmspc);
		expect_get(&h, target, 200, NULL);
	}
	snprintf(target, sizeof(target), T4 "tcb?fmspc=%s", p[2].fmspc);
	expect_get(&h, target, 200, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "qve/identity?update=early", 200, NULL);
	expect_get(&h, T4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "pckcrl?ca=platform", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	ck_assert_uint_eq(sim_count(h.sim, NULL), asked);
	house_stop(&h);
}
END_TEST

START_TEST(test_an_upload_that_does_not_verify_changes_nothing)
{
	struct house_opts o = { .mode = "offline" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply list, r;
	char *document, *at;

	house_start(&h, &o);
	expect_registered(&h, &p, NULL);
	list = keep(house_admin(&h, "GET", S4 "platforms?peek=1", NULL));
	document = keep_text(document_make(&h, list.body));
	at = strstr(document, "\"tcbEvaluationDataNumber\": 17");
	ck_assert_ptr_nonnull(at);
	at[28] = '8';
	r = keep(house_admin(&h, "PUT", S4 "platformcollateral", document));
	ck_assert_int_eq(r.status, 460);
	ck_assert_str_eq(r.body,
	    "The integrity of the data can't be verified.");
	expect_pckcert(&h, &p, 2, 461, NULL);
	expect_get(&h, S4 "qe/identity", 404, "not-cached");
	house_stop(&h);
}
END_TEST

/* --- the queue -------------------------------------------------------- */

START_TEST(test_a_head_or_a_peek_leaves_the_queue)
{
	struct house_opts o = { .mode = "offline" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply r;

	house_start(&h, &o);
	expect_registered(&h, &p, NULL);
	r = keep(house_send(&h, "HEAD", S4 "platforms",
	    "admin-token: " HOUSE_ADMIN "\r\n", SPAN_NONE));
	expect_header(&r, "platform-count", "1");
	r = keep(
	    house_admin(&h, "GET", S4 "platforms?source=reg&peek=1", NULL));
	expect_header(&r, "platform-count", "1");
	r = keep(house_admin(&h, "GET", S4 "platforms?source=", NULL));
	expect_header(&r, "platform-count", "1");
	r = keep(house_admin(&h, "GET", S4 "platforms", NULL));
	expect_header(&r, "platform-count", "0");
	house_stop(&h);
}
END_TEST

/* --- stale ------------------------------------------------------------ */

#define DAY 86400

START_TEST(test_stale_is_served_marked_while_upstream_is_away)
{
	struct house_opts o = { .cache = "\"stale_max_s\":864000" };
	struct edge_reply fresh, stale;

	house_start(&h, &o);
	fresh = keep(house_get(&h, S4 "tcb?fmspc=00606A000000"));
	sim_down(h.sim);
	clock_offset_set(29 * DAY);
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 200, NULL);
	clock_offset_set(31 * DAY);
	stale = keep(house_get(&h, S4 "tcb?fmspc=00606A000000"));
	ck_assert_int_eq(stale.status, 200);
	expect_header(&stale, "X-Cache", "STALE");
	expect_header(&stale, "Warning", "110 - \"Response is Stale\"");
	expect_header(&stale, "Cache-Control", "max-age=0");
	ck_assert_int_ge(atoi(edge_header(&stale, "Age")), 31 * DAY);
	ck_assert(house_same_body(&fresh, &stale));
	/* the upstream's return ends it */
	sim_up(h.sim);
	while (stale = keep(house_get(&h, S4 "tcb?fmspc=00606A000000")),
	    strcmp(edge_header(&stale, "X-Cache"), "STALE") == 0) {
		ck_assert_int_eq(stale.status, 200);
		/* past the circuit's rest */
		clock_offset_set(clock_offset() + 60);
		upstream_tick(h.upstream, NULL, NULL);
	}
	ck_assert(!has_header(&stale, "Warning"));
	/* and past the bound it is gone */
	sim_down(h.sim);
	clock_offset_set(clock_offset() + 41 * DAY);
	stale = keep(house_get(&h, S4 "tcb?fmspc=00606A000000"));
	ck_assert(stale.status == 502 || stale.status == 503);
	house_stop(&h);
}
END_TEST

START_TEST(test_stale_in_other_modes_is_served_without_asking)
{
	struct house_opts o = { .mode = not_lazy[_i],
		.cache = "\"stale_max_s\":864000" };
	struct edge_reply stale;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	house_restart(&h, &o);
	clock_offset_set(31 * DAY);
	stale = keep(house_get(&h, S4 "qe/identity"));
	ck_assert_int_eq(stale.status, 200);
	expect_header(&stale, "X-Cache", "STALE");
	clock_offset_set(42 * DAY);
	expect_get(&h, S4 "qe/identity", 404, "not-cached");
	house_stop(&h);
}
END_TEST

static TCase *
tcase(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("pccs");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase(s, "serving");
	int failed;

	tcase_add_loop_test(tc, test_a_miss_is_fetched_once_and_then_a_hit, 0,
	    N(objects));
	tcase_add_test(tc, test_bodies_are_the_bytes_of_upstream);
	tcase_add_test(tc, test_an_etag_spares_the_body);
	tcase_add_loop_test(tc, test_refusals_have_a_status_and_a_reason, 0,
	    N(refusals));
	tcase_add_test(tc, test_every_v3_answer_warns);
	tcase_add_test(tc, test_v4_identities_serve_v3_if_the_operator_says_so);
	tcase_add_test(tc, test_stale_is_served_marked_while_upstream_is_away);
	tcase_add_loop_test(tc,
	    test_stale_in_other_modes_is_served_without_asking, 0, N(not_lazy));
	tc = tcase(s, "platforms");
	tcase_add_test(tc, test_pckcert_is_fetched_once_for_a_platform);
	tcase_add_test(tc, test_pckcert_of_an_unknown_platform_needs_a_ppid);
	tcase_add_test(tc,
	    test_pckcert_below_every_certificate_asks_once_an_hour);
	tcase_add_test(tc, test_pckcert_says_what_pcs_said);
	tcase_add_loop_test(tc, test_other_modes_never_ask_for_a_request, 0,
	    N(not_lazy));
	tcase_add_loop_test(tc, test_other_modes_serve_what_is_cached, 0,
	    N(not_lazy));
	tcase_add_test(tc, test_req_mode_fetches_while_a_platform_registers);
	tcase_add_test(tc,
	    test_req_mode_keeps_what_could_not_be_fetched_in_the_queue);
	tcase_add_test(tc, test_offline_register_hand_out_upload_fetch);
	tcase_add_test(tc, test_an_upload_that_does_not_verify_changes_nothing);
	tcase_add_test(tc, test_a_head_or_a_peek_leaves_the_queue);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
