/*
 * What operators and machines ask: tokens, refresh, status, bundles, health;
 * and the collateral of a quote.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/version.h"
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

static struct house h;

START_TEST(test_guarded_routes_ask_for_the_token_first)
{
	static const struct {
		const char *method, *target;
	} guarded[] = {
		{ "POST", S4 "platforms?update=nonsense" },
		{ "GET", S4 "platforms?source=nonsense" },
		{ "PUT", S4 "platformcollateral" },
		{ "POST", S4 "refresh?type=nonsense" },
		{ "GET", S4 "refresh" },
		{ "PUT", S4 "appraisalpolicy" },
		{ "GET", "/v1/status" },
		{ "GET", "/v1/export" },
		{ "GET", "/v1/refusals" },
		{ "GET", "/v1/baseline/impact" },
		{ "POST", "/v1/import" },
	};
	struct edge_reply r;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
		r = keep(house_send(&h, guarded[i].method, guarded[i].target,
		    "user-token: x\r\nadmin-token: x\r\n",
		    span_str("nonsense")));
		ck_assert_msg(r.status == 401, "%s", guarded[i].target);
		ck_assert_str_eq(r.body, "Authentication failed.");
	}
	house_stop(&h);
}
END_TEST

/* --- refresh ---------------------------------------------------------- */

static const struct {
	const char *method, *target;
	int status;
	const char *asked; /* what upstream must have been asked for */
} refreshes[] = {
	{ "POST", S4 "refresh", 200, "*tcb[?]fmspc*" },
	{ "GET", S4 "refresh", 200, "*tcb[?]fmspc*" },
	{ "POST", S3 "refresh", 200, "*tcb[?]fmspc*" },
	{ "POST", S4 "refresh?type=", 200, "*tcb[?]fmspc*" },
	{ "POST", S4 "refresh?type=certs", 200, "*pckcerts*" },
	{ "POST", S4 "refresh?type=certs&fmspc=", 200, "*pckcerts*" },
	{ "POST", S4 "refresh?type=certs&fmspc=all", 200, "*pckcerts*" },
	{ "POST", S4 "refresh?type=certs&fmspc=00906ED50000", 200,
	    "*pckcerts*" },
	{ "POST", S4 "refresh?type=certs&fmspc=00906ed50000,00606A000000", 200,
	    "*pckcerts*" },
	{ "POST",
	    S4 "refresh?type=certs&fmspc=%5B00906ED50000%2C%2000606A000000%5D",
	    200, "*pckcerts*" },
	{ "POST", S4 "refresh?type=certs&fmspc=00906ED5000", 400, NULL },
	{ "POST", S4 "refresh?type=crls", 400, NULL },
	{ "POST", "/v1/refresh?key=all", 200, "*tcb[?]fmspc*" },
	{ "POST", "/v1/refresh?key=certs", 200, "*pckcerts*" },
	{ "POST", "/v1/refresh?key=tcb/sgx/4/00906ED50000/standard", 200,
	    "*tcb[?]fmspc*" },
	{ "POST", "/v1/refresh?key=nonsense", 400, NULL },
	{ "POST", "/v1/refresh?key=certs&fmspc=nonsense", 400, NULL },
};

START_TEST(test_refresh_in_every_form)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply r;

	house_start(&h, NULL);
	ck_assert_str_eq(p.fmspc, "00906ED50000");
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_get(&h, S4 "tcb?fmspc=00906ED50000", 200, NULL);
	sim_count_reset(h.sim);
	r = keep(
	    house_admin(&h, refreshes[_i].method, refreshes[_i].target, NULL));
	ck_assert_msg(r.status == refreshes[_i].status, "%d %s\n%s", r.status,
	    r.text, r.body);
	if (refreshes[_i].asked != NULL) {
		ck_assert_str_eq(r.body, "Operation successful.");
		ck_assert_uint_ge(sim_count(h.sim, refreshes[_i].asked), 1);
	} else {
		ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	}
	house_stop(&h);
}
END_TEST

START_TEST(test_refresh_lists_what_failed)
{
	struct sim_fault fault = { .kind = SIM_STATUS,
		.path = "*qe/identity*",
		.status = 404 };
	struct edge_reply r;
	json_t *list;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 200, NULL);
	sim_fault_add(h.sim, &fault);
	r = keep(house_admin(&h, "POST", S4 "refresh", NULL));
	ck_assert_int_eq(r.status, 502);
	ck_assert(has_header(&r, "Larder-Reason"));
	list = keep_json(json_loadb(r.body, r.len, 0, NULL));
	ck_assert_uint_eq(json_array_size(list), 1);
	/* what PCS no longer has is served on */
	expect_get(&h, S4 "qe/identity", 200, NULL);
	house_stop(&h);
}
END_TEST

START_TEST(test_refresh_offline_is_503_and_async_is_202)
{
	struct house_opts o = { .mode = "offline" };
	struct edge_reply r;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	r = keep(house_admin(&h, "POST", S4 "refresh?async=1", NULL));
	ck_assert_int_eq(r.status, 202);
	ck_assert(sim_wait(h.sim, "*qe/identity*", 2, PATIENCE_MS));
	house_restart(&h, &o);
	r = keep(house_admin(&h, "POST", S4 "refresh", NULL));
	ck_assert_int_eq(r.status, 503);
	ck_assert_uint_eq(r.len, 0);
	expect_header(&r, "Larder-Reason", "offline");
	ck_assert(has_header(&r, "Retry-After"));
	r = keep(house_admin(&h, "POST", "/v1/refresh?key=rootcrl", NULL));
	ck_assert_int_eq(r.status, 503);
	house_stop(&h);
}
END_TEST

/* --- POST /v1/collateral ---------------------------------------------- */

static const char *
text_at(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	ck_assert_msg(s != NULL, "no member %s", name);
	return s;
}

static void
assert_collateral(const struct edge_reply *r, enum tee tee)
{
	struct edge_reply tcb, qe;
	json_t *o;

	ck_assert_msg(r->status == 200, "%s", r->text);
	expect_header(r, "Content-Type", "application/json");
	ck_assert_int_ge(house_max_age(r), 1);
	o = keep_json(json_loadb(r->body, r->len, 0, NULL));
	ck_assert_str_eq(text_at(o, "fmspc"), "90C06F000000");
	ck_assert_str_eq(text_at(o, "ca"), "platform");
	ck_assert_int_eq((int)json_integer_value(
			     json_object_get(o, "tee_type")),
	    (int)tee);
	tcb = keep(house_get(&h, tee == TEE_TDX ? T4 "tcb?fmspc=90C06F000000"
						: S4 "tcb?fmspc=90C06F000000"));
	ck_assert_str_eq(text_at(o, "tcb_info"), tcb.body);
	qe = keep(house_get(&h,
	    tee == TEE_TDX ? T4 "qe/identity" : S4 "qe/identity"));
	ck_assert_str_eq(text_at(o, "qe_identity"), qe.body);
	qe = keep(house_get(&h, S4 "pckcrl?ca=platform"));
	ck_assert_str_eq(text_at(o, "pck_crl"), qe.body);
	qe = keep(house_get(&h, S4 "rootcacrl"));
	ck_assert_str_eq(text_at(o, "root_ca_crl"), qe.body);
	ck_assert_ptr_nonnull(
	    strstr(text_at(o, "pck_crl_issuer_chain"), "BEGIN CERTIFICATE"));
	ck_assert_ptr_nonnull(
	    strstr(text_at(o, "tcb_info_issuer_chain"), "BEGIN CERTIFICATE"));
	ck_assert_ptr_nonnull(strstr(text_at(o, "qe_identity_issuer_chain"),
	    "BEGIN CERTIFICATE"));
	ck_assert_ptr_nonnull(
	    strstr(text_at(o, "pck_certificate_chain"), "BEGIN CERTIFICATE"));
	ck_assert(json_is_false(json_object_get(o, "stale")));
	ck_assert_uint_eq(strlen(text_at(o, "expires")), 20);
}

static const enum tee tees[] = { TEE_SGX, TEE_TDX };

START_TEST(test_a_quote_brings_its_collateral)
{
	struct kit_quote k = { .version = 5,
		.tee = tees[_i],
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0x90, 0xc0, 0x6f, 0, 0, 0 } } };
	struct buf json = BUF_INIT;
	struct edge_reply r;
	struct blob *quote;

	house_start(&h, NULL);
	quote = keep_blob(kit_quote(sim_pki(h.sim), &k));
	r = keep(house_send(&h, "POST", "/v1/collateral",
	    "Content-Type: application/octet-stream\r\n", blob_span(quote)));
	assert_collateral(&r, tees[_i]);
	ck_assert_uint_eq(sim_count(h.sim, "*tcb*"), 1);
	buf_str(&json, "{\"quote\":\"");
	buf_base64(&json, blob_span(quote));
	buf_str(&json, "\"}");
	r = keep(house_send(&h, "POST", "/v1/collateral",
	    "Content-Type: application/json; charset=utf-8\r\n",
	    buf_view(&json)));
	assert_collateral(&r, tees[_i]);
	r = keep(house_send(&h, "POST", "/v1/collateral", NULL,
	    span_of(quote->data, quote->len - 1000)));
	ck_assert_int_eq(r.status, 400);
	r = keep(house_send(&h, "POST", "/v1/collateral",
	    "Content-Type: application/json\r\n", blob_span(quote)));
	ck_assert_int_eq(r.status, 400);
	buf_free(&json);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_quote_whose_collateral_is_missing_says_which)
{
	struct kit_quote k = { .version = 4,
		.tee = TEE_TDX,
		.pck = { .ca = PCK_CA_PLATFORM,
		    .fmspc = { 0xff, 0xff, 0, 0, 0, 0 } } };
	struct edge_reply r;
	struct blob *quote;

	house_start(&h, NULL);
	quote = keep_blob(kit_quote(sim_pki(h.sim), &k));
	r = keep(
	    house_send(&h, "POST", "/v1/collateral", NULL, blob_span(quote)));
	ck_assert_int_eq(r.status, 404);
	expect_header(&r, "Larder-Reason", "upstream-404");
	house_stop(&h);
}
END_TEST

/* --- the operator ----------------------------------------------------- */

START_TEST(test_status_explain_history)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct edge_reply r;
	char target[200];
	json_t *o;

	house_start(&h, NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	r = keep(house_admin(&h, "GET", "/v1/status", NULL));
	ck_assert_int_eq(r.status, 200);
	o = keep_json(json_loadb(r.body, r.len, JSON_REJECT_DUPLICATES, NULL));
	ck_assert(json_is_object(json_object_get(o, "storage")));
	ck_assert(json_is_object(json_object_get(o, "upstream")));
	ck_assert_str_eq(text_at(o, "mode"), "lazy");
	expect_admin(&h, "GET",
	    "/v1/explain?key=tcb/sgx/4/00906ED50000/standard", NULL, 200);
	snprintf(target, sizeof(target), "/v1/explain?qeid=%s&pceid=%s",
	    p.qe_id, p.pce_id);
	expect_admin(&h, "GET", target, NULL, 200);
	snprintf(target, sizeof(target), "/v1/explain?what=%s,%s", p.qe_id,
	    p.pce_id);
	expect_admin(&h, "GET", target, NULL, 200);
	expect_admin(&h, "GET", "/v1/explain", NULL, 400);
	expect_admin(&h, "GET",
	    "/v1/history?key=tcb/sgx/4/00906ED50000/standard", NULL, 200);
	expect_admin(&h, "GET", "/v1/history?key=nonsense", NULL, 400);
	expect_admin(&h, "GET", "/v1/history", NULL, 400);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_bundle_goes_out_and_in_again)
{
	struct house_opts offline = { .mode = "offline" };
	struct edge_reply bundle, r;
	char *at;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "pckcrl?ca=platform", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	expect_get(&h, S4 "fmspcs", 200, NULL);
	bundle = keep(house_admin(&h, "GET", "/v1/export", NULL));
	ck_assert_int_eq(bundle.status, 200);
	/* what is held already is left alone */
	house_restart(&h, &offline);
	expect_admin(&h, "POST", "/v1/import", bundle.body, 200);
	/* another larder with an empty database */
	house_fresh(&h, &offline);
	expect_get(&h, S4 "qe/identity", 404, "not-cached");
	expect_admin(&h, "POST", "/v1/import", bundle.body, 200);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "pckcrl?ca=platform", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	expect_get(&h, S4 "fmspcs", 200, NULL);
	/* a bundle is not believed */
	at = strstr(bundle.body, "\\\"isvprodid\\\":1");
	ck_assert_ptr_nonnull(at);
	at[14] = '7';
	r = keep(house_admin(&h, "POST", "/v1/import", bundle.body));
	ck_assert_int_eq(r.status, 460);
	ck_assert_ptr_nonnull(strstr(r.body, "bad-signature"));
	expect_admin(&h, "POST", "/v1/import", "{\"larder_bundle\":2}", 400);
	expect_admin(&h, "POST", "/v1/import", "nonsense", 400);
	house_stop(&h);
}
END_TEST

/* Pages of a site with something else where a row should be. */
START_TEST(test_odd_pages_of_a_site_are_refused)
{
	static const char *const pages[][2] = {
		{ "\"registrations\":[", "]" },
		{ "\"policies\":[", "]" },
		{ "\"platforms\":[", "]" },
		{ "\"platforms\":[],\"collaterals\":{\"version\":4,"
		  "\"tcbinfos\":[],\"certificates\":{},\"pck_certs\":[",
		    "]}" },
	};
	static const char *const rows[] = { "5", "null", "\"x\"", "[[]]", "{}",
		"{\"qe_id\":5}", "{\"qe_id\":null,\"pce_id\":{}}" };
	struct edge_reply r;
	int i, k;

	house_start(&h, NULL);
	for (i = 0; i < N(pages); i++)
		for (k = 0; k < N(rows); k++) {
			r = keep(house_admin(&h, "POST", "/v1/import",
			    keep_printf("{\"larder_site\":1,%s%s%s}",
				pages[i][0], rows[k], pages[i][1])));
			/* A list of platforms alone says nothing. */
			ck_assert_msg(r.status == 400 || r.status == 460 ||
					  (i == 2 && r.status == 200),
			    "%d %s %s: %s", r.status, pages[i][0], rows[k],
			    r.text);
		}
	expect_get(&h, "/healthz/live", 200, NULL);
	house_stop(&h);
}
END_TEST

/* A page's rows are read one after the other, however many are bad. */
START_TEST(test_a_page_of_bad_registrations_is_refused)
{
	struct buf b = BUF_INIT;
	struct edge_reply r;
	int i;

	house_start(&h, NULL);
	buf_str(&b, "{\"larder_site\":1,\"registrations\":[0");
	for (i = 0; i < 200000; i++)
		buf_str(&b, ",0");
	buf_str(&b, "]}");
	r = keep(house_admin(&h, "POST", "/v1/import", b.p));
	ck_assert_int_eq(r.status, 460);
	expect_get(&h, "/healthz/live", 200, NULL);
	buf_free(&b);
	house_stop(&h);
}
END_TEST

/* Texts are cut where a byte is no character's last. */
START_TEST(test_a_text_cut_inside_a_character_is_no_assertion)
{
	struct edge_reply bundle, r;
	struct buf b = BUF_INIT;
	const char *at;
	int i;

	house_start(&h, NULL);
	r = keep(house_admin(&h, "POST", "/v1/import",
	    "{\"larder_site\":1,\"policies\":[{\"fmspc\":"
	    "\"a\303\266\303\266\303\266\303\266\303\266\303\266\"}]}"));
	ck_assert_int_eq(r.status, 460);
	/* A source: 200 bytes of it are kept, the last one is half an "ö". */
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	bundle = keep(house_admin(&h, "GET", "/v1/export", NULL));
	ck_assert_int_eq(bundle.status, 200);
	at = strstr(bundle.body, "\"source\":\"");
	ck_assert_ptr_nonnull(at);
	at += strlen("\"source\":\"");
	buf_add(&b, bundle.body, (size_t)(at - bundle.body));
	buf_str(&b, "a");
	for (i = 0; i < 120; i++)
		buf_str(&b, "\303\266");
	buf_str(&b, strchr(at, '"'));
	house_fresh(&h, NULL);
	expect_admin(&h, "POST", "/v1/import", b.p, 200);
	r = keep(house_admin(&h, "GET", "/v1/export", NULL));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "\"source\":\"import:a\303\266"));
	ck_assert_ptr_nonnull(strstr(r.body, "\303\266\",\"fetched_at\""));
	buf_free(&b);
	house_stop(&h);
}
END_TEST

/* A qe_id may be any bytes (pccs-api 4): a client that nobody knows puts one
 * in, and whoever takes the site elsewhere has to get it out. */
START_TEST(test_a_platform_with_any_bytes_for_its_id_is_exported)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = house_pckcert(&p, 1), *at = strstr(target, "qeid=");
	struct edge_reply page;
	char tcb[64];

	ck_assert_ptr_nonnull(at);
	house_start(&h, NULL);
	memcpy(at + strlen("qeid="), "%ff%fe", 6);
	expect_get(&h, target, 200, NULL);
	page = keep(house_admin(&h, "GET", "/v1/export?platforms=0", NULL));
	ck_assert_int_eq(page.status, 200);
	/* As GET platforms writes it. */
	ck_assert_ptr_nonnull(
	    strstr(page.body, "\"qe_id\":\"\303\277\303\276"));
	house_fresh(&h, NULL);
	snprintf(tcb, sizeof(tcb), S4 "tcb?fmspc=%s", p.fmspc);
	expect_get(&h, tcb, 200, NULL);
	expect_admin(&h, "POST", "/v1/import", page.body, 200);
	free(target);
	house_stop(&h);
}
END_TEST

/* Each object stands for itself: what is wrong is listed, the rest is in. */
START_TEST(test_an_import_lists_what_it_could_not_take)
{
	struct house_opts offline = { .mode = "offline" };
	struct edge_reply bundle, r;
	json_t *list;
	char *at;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	bundle = keep(house_admin(&h, "GET", "/v1/export", NULL));
	house_fresh(&h, &offline);
	/* in front of the honest objects */
	at = strstr(bundle.body, "\"objects\":[") + 11;
	r = keep(house_admin(&h, "POST", "/v1/import",
	    keep_printf("%.*s{\"key\":\"identity/qve/4/early\"},"
			"{\"key\":\"nonsense\",\"body\":\"x\"},{},7,"
			"{\"key\":\"pckcrl/platform\",\"der\":\"!\"},%s",
		(int)(at - bundle.body), bundle.body, at)));
	ck_assert_int_eq(r.status, 460);
	expect_header(&r, "Larder-Reason", "integrity");
	list = keep_json(json_loadb(r.body, r.len, 0, NULL));
	ck_assert_uint_eq(json_array_size(list), 7);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	house_stop(&h);
}
END_TEST

/* The same door takes the reference's document. */
START_TEST(test_an_import_takes_a_document_of_the_reference)
{
	struct house_opts offline = { .mode = "offline" };
	char *document, *at;

	house_start(&h, &offline);
	document = keep_text(document_make(&h, "[]"));
	expect_admin(&h, "POST", "/v1/import", document, 200);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	at = strstr(document, "\\\"isvprodid\\\":");
	ck_assert_ptr_nonnull(at);
	at[15] = '7';
	expect_admin(&h, "POST", "/v1/import", document, 460);
	expect_admin(&h, "POST", "/v1/import?force=1", document, 460);
	house_stop(&h);
}
END_TEST

/* An older one does not replace what is held, unless it is forced. */
START_TEST(test_an_older_upload_needs_force)
{
	struct house_opts offline = { .mode = "offline" };
	char *older, *newer;

	house_start(&h, &offline);
	older = keep_text(document_make(&h, "[]"));
	clock_offset_set(3600);
	newer = keep_text(document_make(&h, "[]"));
	ck_assert_str_ne(older, newer);
	expect_admin(&h, "PUT", S4 "platformcollateral", newer, 200);
	expect_admin(&h, "PUT", S4 "platformcollateral", older, 460);
	expect_admin(&h, "PUT", S4 "platformcollateral?force=1", older, 200);
	house_stop(&h);
}
END_TEST

/* Members and values as Intel's PCCS gives them; NULL: no such member. */
static void
expect_health(const char *target, const char *status, const char *db)
{
	struct edge_reply r = keep(house_get(&h, target));
	json_t *doc = json_loadb(r.body, r.len, 0, NULL);
	const char *at = json_string_value(json_object_get(doc, "timestamp"));
	const char *latency =
	    json_string_value(json_object_get(doc, "latency"));
	char whole[TIME_LEN] = "";
	time_t when;

	ck_assert_msg(doc != NULL, "%s: %s", target, r.text);
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Type", "application/json");
	expect_header(&r, "Cache-Control", "no-store");
	ck_assert_pstr_eq(json_string_value(json_object_get(doc, "status")),
	    status);
	ck_assert_pstr_eq(json_string_value(json_object_get(doc, "db")), db);
	ck_assert((latency != NULL) == (db != NULL));
	ck_assert(latency == NULL || strstr(latency, "ms") != NULL);
	/* "2026-01-31T23:59:59.123Z" */
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(at), 24);
	snprintf(whole, sizeof(whole), "%.19sZ", at);
	ck_assert_int_eq(time_read(span_str(whole), &when), ERR_OK);
	ck_assert(when <= clock_now() && when > clock_now() - 60);
	json_decref(doc);
}

START_TEST(test_health_speaks_as_intels)
{
	house_start(&h, NULL);
	expect_health("/healthz/live", "UP", NULL);
	expect_health("/health/live", "UP", NULL);
	expect_health("/livez", "UP", NULL);
	expect_health("/healthz", "UP", NULL);
	expect_health("/health", "UP", NULL);
	expect_health("/healthz/ready", "UP", "CONNECTED");
	expect_health("/health/ready", "UP", "CONNECTED");
	expect_health("/readyz", "UP", "CONNECTED");
	expect_health("/healthz/startup", "STARTED", NULL);
	expect_health("/health/startup", "STARTED", NULL);
	expect_get(&h, "/healthz/other", 404, NULL);
	house_stop(&h);
}
END_TEST

START_TEST(test_metrics)
{
	struct edge_reply r;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	r = keep(house_get(&h, "/metrics"));
	ck_assert_ptr_nonnull(
	    strstr(r.body, "larder_requests_total{result=\"hit\"} 1\n"));
	ck_assert_ptr_nonnull(
	    strstr(r.body, "larder_requests_total{result=\"miss\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(r.body, "larder_connections_open "));
	ck_assert_ptr_nonnull(strstr(r.body,
	    "larder_build_info{version=\"" LARDER_VERSION "\"} 1\n"));
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
	Suite *s = suite_create("admin");
	SRunner *sr = srunner_create(s);
	TCase *tc = tcase(s, "admin");
	int failed;

	tcase_add_test(tc, test_guarded_routes_ask_for_the_token_first);
	tcase_add_loop_test(tc, test_refresh_in_every_form, 0, N(refreshes));
	tcase_add_test(tc, test_refresh_lists_what_failed);
	tcase_add_test(tc, test_refresh_offline_is_503_and_async_is_202);
	tcase_add_loop_test(tc, test_a_quote_brings_its_collateral, 0, N(tees));
	tcase_add_test(tc, test_a_quote_whose_collateral_is_missing_says_which);
	tcase_add_test(tc, test_status_explain_history);
	tcase_add_test(tc, test_a_bundle_goes_out_and_in_again);
	tcase_add_test(tc, test_odd_pages_of_a_site_are_refused);
	tcase_add_test(tc, test_a_page_of_bad_registrations_is_refused);
	tcase_add_test(tc, test_a_text_cut_inside_a_character_is_no_assertion);
	tcase_add_test(tc,
	    test_a_platform_with_any_bytes_for_its_id_is_exported);
	tcase_add_test(tc, test_an_import_lists_what_it_could_not_take);
	tcase_add_test(tc, test_an_import_takes_a_document_of_the_reference);
	tcase_add_test(tc, test_an_older_upload_needs_force);
	tcase_add_test(tc, test_health_speaks_as_intels);
	tcase_add_test(tc, test_metrics);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
