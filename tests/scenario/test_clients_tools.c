/*
 * PCKIDRetrievalTool, pccsadmin, PcsClientTool, dcap-qvl, fortanix and curl
 * against the whole house: requests as they send them, answers as they take
 * them (pccs-api 9.3 to 9.5).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/document.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/qcnl.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define S4   "/sgx/certification/v4/"
#define T4   "/tdx/certification/v4/"

static struct house h;

/* --- PCKIDRetrievalTool (9.3) ----------------------------------------- */

enum said { SAID_OK, SAID_TOKEN, SAID_FAILED };

/* All it makes of an answer. */
static enum said
tool_says(const struct edge_reply *r)
{
	if (r->status == 200)
		return SAID_OK;
	return r->status == 401 ? SAID_TOKEN : SAID_FAILED;
}

static struct edge_reply
tool_send(const char *query, const char *token, const char *body)
{
	char *headers = keep_printf("Accept: */*\r\n"
				    "Content-Type: application/json\r\n"
				    "user-token: %s\r\n",
	    token);
	char *target = keep_printf(S4 "platforms%s", query);

	return keep(house_send(&h, "POST", target, headers, span_str(body)));
}

static const struct {
	const char *query;
	bool standard, early;
} updates[] = {
	{ "", true, false },
	{ "?update=early", false, true },
	{ "?update=all", true, true },
};

START_TEST(test_pckid_update_decides_what_is_prefetched)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *body = keep_text(house_registration(&p, 1, NULL));
	struct edge_reply r;

	house_start(&h, NULL);
	r = tool_send(updates[_i].query, HOUSE_USER, body);
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	ck_assert_int_eq(sim_count(h.sim, "*/identity[?]update=standard") == 3,
	    updates[_i].standard);
	ck_assert_int_eq(sim_count(h.sim, "*/identity[?]update=early") == 3,
	    updates[_i].early);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcrl*"), 2);
	ck_assert_uint_eq(sim_count(h.sim, "*rootca*"), 1);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckid_a_slash_behind_the_url_is_tolerated)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *body = keep_text(house_registration(&p, 1, NULL));
	struct edge_reply r;

	house_start(&h, NULL);
	r = tool_send("/", HOUSE_USER, body);
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	r = tool_send("/?update=all", HOUSE_USER, body);
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	house_stop(&h);
}
END_TEST

/* -platform_id: three keys, qe_id the hex of a name of up to 130 letters. */
START_TEST(test_pckid_platform_id_is_the_hex_of_a_name)
{
	struct sim_platform p = sim_platform(SIM_INDIRECT);
	char *manifest = keep_text(sim_manifest(&p, 1));
	/* 131 letters overflow the 260 */
	static const size_t lens[] = { 1, 130, 131 };
	char name[131], hex[263], *body;
	struct edge_reply r;
	size_t i;

	house_start(&h, NULL);
	memset(name, 'n', sizeof(name));
	for (i = 0; i < 3; i++) {
		hex_lower(span_of(name, lens[i]), hex);
		body = keep_printf("{\"pce_id\": \"0000\",\"qe_id\": \"%s\","
				   "\"platform_manifest\": \"%s\"}",
		    hex, manifest);
		r = tool_send("", HOUSE_USER, body);
		ck_assert_int_eq(tool_says(&r),
		    lens[i] < 131 ? SAID_OK : SAID_FAILED);
	}
	ck_assert_int_eq(r.status, 400);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckid_a_wrong_token_is_401_before_anything_else)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = tool_send("?update=nonsense", "wrong", "{nonsense");
	ck_assert_int_eq(tool_says(&r), SAID_TOKEN);
	r = tool_send("", HOUSE_USER, "{nonsense");
	ck_assert_int_eq(r.status, 400);
	r = tool_send("?update=nonsense", HOUSE_USER, "{}");
	ck_assert_int_eq(r.status, 400);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckid_again_with_another_manifest)
{
	struct sim_platform p = sim_platform(SIM_INDIRECT);
	struct edge_reply r;
	unsigned rev;
	char *body;

	house_start(&h, NULL);
	for (rev = 1; rev <= 2; rev++) {
		body = keep_text(house_registration(&p, 1,
		    keep_text(sim_manifest(&p, rev))));
		r = tool_send("", HOUSE_USER, body);
		ck_assert_int_eq(tool_says(&r), SAID_OK);
		ck_assert_uint_eq(sim_count(h.sim, "*pckcerts[?]manifest*"),
		    rev);
		/* the same one again costs nothing */
		r = tool_send("", HOUSE_USER, body);
		ck_assert_int_eq(tool_says(&r), SAID_OK);
		ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), rev);
		expect_pckcert(&h, &p, 1, 200, NULL);
	}
	house_stop(&h);
}
END_TEST

/* The manifest's letter case is no other manifest (pccs-api 12 #12). */
START_TEST(test_pckid_a_manifest_in_lower_case_is_the_same)
{
	struct sim_platform p = sim_platform(SIM_INDIRECT);
	char *manifest = keep_text(sim_manifest(&p, 1)), *at;
	struct edge_reply r;

	house_start(&h, NULL);
	r = tool_send("", HOUSE_USER,
	    keep_text(house_registration(&p, 1, manifest)));
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	for (at = manifest; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'F')
			*at = (char)(*at | 0x20);
	r = tool_send("", HOUSE_USER,
	    keep_text(house_registration(&p, 1, manifest)));
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

/* libcurl waits for a word before a large body (pccs-api 1). */
START_TEST(test_pckid_expects_100_continue_for_a_large_body)
{
	struct sim_platform p = sim_platform(SIM_INDIRECT);
	char *body = keep_text(
	    house_registration(&p, 1, keep_text(sim_manifest(&p, 1))));
	struct buf head = BUF_INIT;
	char first[26] = { 0 };
	struct edge_reply r;
	size_t at = 0;
	int fd;

	house_start(&h, NULL);
	fd = edge_open(h.port);
	buf_printf(&head,
	    "POST " S4 "platforms HTTP/1.1\r\nHost: localhost\r\n"
	    "Content-Type: application/json\r\nuser-token: " HOUSE_USER "\r\n"
	    "Content-Length: %zu\r\nExpect: 100-continue\r\n\r\n",
	    strlen(body));
	edge_send_n(fd, head.p, head.len);
	for (; at < 25; at++)
		ck_assert_int_eq((int)read(fd, first + at, 1), 1);
	ck_assert_str_eq(first, "HTTP/1.1 100 Continue\r\n\r\n");
	edge_send(fd, body);
	edge_read(fd, &r, false);
	keep(r);
	buf_free(&head);
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	close(fd);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckid_a_platform_pcs_does_not_know_fails_clearly)
{
	struct sim_platform p = sim_platform(SIM_INDIRECT);
	char *body = keep_text(house_registration(&p, 1, NULL));
	struct edge_reply r;

	house_start(&h, NULL);
	r = tool_send("", HOUSE_USER, body);
	ck_assert_int_eq(tool_says(&r), SAID_FAILED);
	ck_assert_int_eq(r.status, 404);
	ck_assert(has_header(&r, "Larder-Reason"));
	/* with its manifest it succeeds */
	r = tool_send("", HOUSE_USER,
	    keep_text(
		house_registration(&p, 1, keep_text(sim_manifest(&p, 1)))));
	ck_assert_int_eq(tool_says(&r), SAID_OK);
	house_stop(&h);
}
END_TEST

/* --- pccsadmin (9.4) -------------------------------------------------- */

/* As Python's requests sends it. */
static struct edge_reply
admin_send(const char *method, const char *target, const char *body)
{
	static const char headers[] =
	    "User-Agent: pccsadmin/0.1\r\n"
	    "Accept-Encoding: gzip, deflate\r\n"
	    "Accept: */*\r\nConnection: keep-alive\r\n"
	    "admin-token: " HOUSE_ADMIN "\r\n"
	    "Content-Type: application/json\r\n";

	return keep(house_send(&h, method, target, headers,
	    body != NULL ? span_str(body) : span_of("", 0)));
}

/* The list it writes to platform_list.json. */
static json_t *
admin_get(const char *source, size_t n)
{
	char *target = keep_printf(S4 "platforms%s", source);
	struct edge_reply r;
	char count[24];
	json_t *list;

	r = admin_send("GET", target, NULL);
	ck_assert_msg(r.status == 200, "%s: %s", target, r.text);
	list = keep_json(json_loadb(r.body, r.len, 0, NULL));
	ck_assert(json_is_array(list));
	ck_assert_uint_eq(json_array_size(list), n);
	snprintf(count, sizeof(count), "%zu", n);
	expect_header(&r, "platform-count", count);
	ck_assert(!has_header(&r, "Content-Encoding"));
	return list;
}

static const char *
member(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

START_TEST(test_pccsadmin_get_takes_the_queue_once)
{
	struct house_opts o = { .mode = "offline" };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct sim_platform q = sim_platform(SIM_INDIRECT);
	char *manifest = keep_text(sim_manifest(&q, 1)), ppid[769];
	json_t *list, *row;
	size_t i;

	house_start(&h, &o);
	expect_registered(&h, &p, NULL);
	expect_registered(&h, &q, manifest);
	sim_enc_ppid(&p, 1, ppid);
	list = admin_get("", 2);
	json_array_foreach(list, i, row)
	{
		ck_assert_uint_eq(json_object_size(row), 6);
		ck_assert_str_eq(member(row, "pce_id"), "0000");
		if (strcmp(member(row, "qe_id"), p.qe_id) == 0) {
			ck_assert_str_eq(member(row, "cpu_svn"), p.cpu_svn);
			ck_assert_str_eq(member(row, "pce_svn"), p.pce_svn);
			ck_assert_str_eq(member(row, "enc_ppid"), ppid);
			ck_assert_str_eq(member(row, "platform_manifest"), "");
		} else {
			ck_assert_str_eq(member(row, "qe_id"), q.qe_id);
			ck_assert_str_eq(member(row, "cpu_svn"), "");
			ck_assert_str_eq(member(row, "pce_svn"), "");
			ck_assert_str_eq(member(row, "enc_ppid"), "");
			ck_assert(span_eq_nocase(span_str(member(row,
						     "platform_manifest")),
			    manifest));
		}
	}
	admin_get("", 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_pccsadmin_get_s_is_pasted_unescaped)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct sim_platform q = sim_platform(SIM_DIRECT);
	json_t *list;

	house_start(&h, NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_pckcert(&h, &q, 1, 200, NULL);
	admin_get("?source=reg", 0);
	admin_get("?source=reg_na", 0);
	admin_get("?source=[]", 2);
	admin_get("?source=%5B%5D", 2);
	list = admin_get(keep_printf("?source=[%s]", p.fmspc), 1);
	ck_assert_str_eq(member(json_array_get(list, 0), "qe_id"), p.qe_id);
	ck_assert_str_eq(member(json_array_get(list, 0), "cpu_svn"), p.cpu_svn);
	admin_get(keep_printf("?source=[%s,%s]", p.fmspc, q.fmspc), 2);
	admin_get(keep_printf("?source=%%5B%s%%2C%%20%s%%5D", p.fmspc, q.fmspc),
	    2);
	admin_get("?source=[0123456789AB]", 0);
	house_stop(&h);
}
END_TEST

START_TEST(test_pccsadmin_put_takes_the_file_as_it_is)
{
	struct house_opts o = { .mode = "offline" };
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct edge_reply r;
	char *document;
	json_t *list;

	house_start(&h, &o);
	expect_registered(&h, &p, NULL);
	list = admin_get("", 1);
	document = keep_text(document_make(&h, keep_text(json_dumps(list, 0))));
	r = admin_send("PUT", S4 "platformcollateral", document);
	ck_assert_int_eq(r.status, 200);
	expect_pckcert(&h, &p, 3, 200, NULL);
	/* once more is no older than what is held */
	r = admin_send("PUT", S4 "platformcollateral", document);
	ck_assert_int_eq(r.status, 200);
	house_stop(&h);
}
END_TEST

/* The queue row stays known until its upload comes (pccs-api 6.10). */
START_TEST(test_pccsadmin_put_of_nothing_but_collateral)
{
	struct house_opts o = { .mode = "offline" };
	struct edge_reply r;
	char *document;

	house_start(&h, &o);
	document = keep_text(document_make(&h, "[]"));
	r = admin_send("PUT", S4 "platformcollateral", document);
	ck_assert_int_eq(r.status, 200);
	expect_get(&h, S4 "tcb?fmspc=00606A000000", 200, NULL);
	expect_get(&h, S4 "qve/identity", 200, NULL);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	house_stop(&h);
}
END_TEST

START_TEST(test_pccsadmin_put_policy_prints_its_id)
{
	char *policy = keep_text(document_policy("00606A000000", true, "one"));
	char *other = keep_text(document_policy("00606A000000", true, "two"));
	unsigned char digest[48];
	struct edge_reply r, got;
	char id[97];
	json_t *o;

	house_start(&h, NULL);
	o = keep_json(json_loads(policy, 0, NULL));
	sha384(span_str(member(o, "policy")), digest);
	hex_lower(span_of(digest, sizeof(digest)), id);
	r = admin_send("PUT", S4 "appraisalpolicy", policy);
	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(r.body, id);
	got = keep(house_get(&h, S4 "appraisalpolicy?fmspc=00606a000000"));
	ck_assert_int_eq(got.status, 200);
	ck_assert_str_eq(got.body, member(o, "policy"));
	/* another default takes its place */
	r = admin_send("PUT", S4 "appraisalpolicy", other);
	ck_assert_int_eq(r.status, 200);
	got = keep(house_get(&h, S4 "appraisalpolicy?fmspc=00606A000000"));
	o = keep_json(json_loads(other, 0, NULL));
	ck_assert_str_eq(got.body, member(o, "policy"));
	r = admin_send("PUT", S4 "appraisalpolicy", "{\"policy\":\"x\"}");
	ck_assert_int_eq(r.status, 400);
	house_stop(&h);
}
END_TEST

START_TEST(test_pccsadmin_refresh_in_its_three_forms)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct sim_platform q = sim_platform(SIM_DIRECT);
	char *target;
	struct edge_reply r;

	house_start(&h, NULL);
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_pckcert(&h, &q, 1, 200, NULL);
	sim_count_reset(h.sim);
	r = admin_send("POST", S4 "refresh", NULL);
	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(r.body, "Operation successful.");
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 0);
	ck_assert_uint_ge(sim_count(h.sim, NULL), 2);
	/* -f all */
	r = admin_send("POST", S4 "refresh?type=certs&fmspc=", NULL);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 2);
	/* -f "[F1, F2]" and only one of them */
	target = keep_printf(S4 "refresh?type=certs&fmspc=%%5B%s%%2C%%20%s%%5D",
	    p.fmspc, "0123456789AB");
	r = admin_send("POST", target, NULL);
	ck_assert_int_eq(r.status, 200);
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 3);
	house_stop(&h);
}
END_TEST

START_TEST(test_pccsadmin_401_drops_the_token)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = keep(house_send(&h, "GET", S4 "platforms", "admin-token: old\r\n",
	    SPAN_NONE));
	ck_assert_int_eq(r.status, 401);
	ck_assert_str_eq(r.body, "Authentication failed.");
	r = keep(house_send(&h, "POST", S4 "refresh", NULL, span_of("", 0)));
	ck_assert_int_eq(r.status, 401);
	/* a user's token is not an admin's */
	r = keep(house_send(&h, "GET", S4 "platforms",
	    "admin-token: " HOUSE_USER "\r\n", SPAN_NONE));
	ck_assert_int_eq(r.status, 401);
	house_stop(&h);
}
END_TEST

/* --- others (9.5) ----------------------------------------------------- */

START_TEST(test_pcsclienttool_compares_content_types)
{
	struct edge_reply r;
	json_t *list;

	house_start(&h, NULL);
	r = keep(house_get(&h, S4 "fmspcs?platform=all"));
	expect_header(&r, "Content-Type", "application/json");
	ck_assert(has_header(&r, "Request-ID"));
	list = keep_json(json_loadb(r.body, r.len, 0, NULL));
	ck_assert_uint_gt(json_array_size(list), 0);
	ck_assert_uint_eq(strlen(member(json_array_get(list, 0), "fmspc")), 12);
	r = keep(house_get(&h, S4 "tcb?fmspc=00606A000000&update=early"));
	expect_header(&r, "Content-Type", "application/json");
	r = keep(house_get(&h, S4 "qe/identity"));
	expect_header(&r, "Content-Type", "application/json");
	r = keep(house_get(&h, S4 "pckcrl?ca=processor&encoding=der"));
	expect_header(&r, "Content-Type", "application/pkix-crl");
	ck_assert(has_header(&r, "SGX-PCK-CRL-Issuer-Chain"));
	ck_assert_int_eq(qcnl_sniff(r.body, r.len), QCNL_CRL_DER);
	house_stop(&h);
}
END_TEST

START_TEST(test_dcap_qvl_gets_der_hex_and_both_tees)
{
	struct edge_reply r;
	struct buf der = BUF_INIT;

	house_start(&h, NULL);
	r = keep(house_get(&h, S4 "pckcrl?ca=platform&encoding=der"));
	ck_assert_int_eq(r.status, 200);
	ck_assert_int_eq(qcnl_sniff(r.body, r.len), QCNL_CRL_DER);
	ck_assert(has_header(&r, "SGX-PCK-CRL-Issuer-Chain"));
	/* strict: no blank, no line end, no prefix */
	r = keep(house_get(&h, S4 "rootcacrl"));
	ck_assert_int_eq(hex_read_buf(span_of(r.body, r.len), &der), ERR_OK);
	ck_assert_int_eq((unsigned char)der.p[0], 0x30);
	buf_free(&der);
	r = keep(house_get(&h, S4 "tcb?fmspc=90C06F000000"));
	ck_assert(has_header(&r, "TCB-Info-Issuer-Chain"));
	ck_assert(has_header(&r, "SGX-TCB-Info-Issuer-Chain"));
	r = keep(house_get(&h, T4 "tcb?fmspc=90C06F000000"));
	ck_assert(has_header(&r, "TCB-Info-Issuer-Chain"));
	r = keep(house_get(&h, S4 "qe/identity"));
	ck_assert(has_header(&r, "SGX-Enclave-Identity-Issuer-Chain"));
	r = keep(house_get(&h, T4 "qe/identity"));
	ck_assert(has_header(&r, "SGX-Enclave-Identity-Issuer-Chain"));
	house_stop(&h);
}
END_TEST

/* Evaluation numbers: the list, then the documents it names. */
START_TEST(test_fortanix_asks_by_evaluation_number)
{
	static const char *const bases[] = { S4, T4 };
	char target[160];
	struct edge_reply r;
	json_t *o, *inner;
	int i, number;

	house_start(&h, NULL);
	for (i = 0; i < 2; i++) {
		snprintf(target, sizeof(target), "%stcbevaluationdatanumbers",
		    bases[i]);
		r = keep(house_get(&h, target));
		ck_assert_int_eq(r.status, 200);
		ck_assert(
		    has_header(&r, "TCB-Evaluation-Data-Numbers-Issuer-Chain"));
		o = keep_json(json_loadb(r.body, r.len, 0, NULL));
		inner = json_object_get(json_object_get(o,
					    "tcbEvaluationDataNumbers"),
		    "tcbEvalNumbers");
		number = (int)json_integer_value(
		    json_object_get(json_array_get(inner, 0),
			"tcbEvaluationDataNumber"));
		snprintf(target, sizeof(target),
		    "%stcb?fmspc=90C06F000000&tcbEvaluationDataNumber=%d",
		    bases[i], number);
		expect_get(&h, target, 200, NULL);
		snprintf(target, sizeof(target),
		    "%sqe/identity?tcbEvaluationDataNumber=%d", bases[i],
		    number);
		expect_get(&h, target, 200, NULL);
		snprintf(target, sizeof(target),
		    "%sqe/identity?tcbEvaluationDataNumber=%d", bases[i],
		    number + 50);
		expect_get(&h, target, 404, "upstream-404");
	}
	house_stop(&h);
}
END_TEST

/* An older number than the standard one is a key of its own. */
START_TEST(test_fortanix_numbers_are_not_mixed_with_updates)
{
	struct edge_reply standard, early, numbered;
	char target[120];

	house_start(&h, NULL);
	sim_recovery(h.sim);
	standard = keep(house_get(&h, S4 "tcb?fmspc=00606A000000"));
	early = keep(house_get(&h, S4 "tcb?fmspc=00606A000000&update=early"));
	ck_assert(!house_same_body(&standard, &early));
	snprintf(target, sizeof(target),
	    S4 "tcb?fmspc=00606A000000&tcbEvaluationDataNumber=%u",
	    sim_early(h.sim));
	numbered = keep(house_get(&h, target));
	ck_assert_ptr_nonnull(
	    strstr(early.body, "\"tcbEvaluationDataNumber\":18"));
	ck_assert_ptr_nonnull(
	    strstr(numbered.body, "\"tcbEvaluationDataNumber\":18"));
	ck_assert_ptr_nonnull(
	    strstr(standard.body, "\"tcbEvaluationDataNumber\":17"));
	house_stop(&h);
}
END_TEST

START_TEST(test_fortanix_understands_461_and_462)
{
	struct house_opts o = { .mode = "req" };
	struct sim_platform known = sim_platform(SIM_CLIENT);
	struct sim_platform na = sim_platform(SIM_ALL_NA);

	house_start(&h, NULL);
	expect_pckcert(&h, &na, 1, 462, "not-available");
	house_restart(&h, &o);
	expect_pckcert(&h, &known, 1, 461, "unknown-platform");
	house_stop(&h);
}
END_TEST

START_TEST(test_curl_gets_every_route_of_the_table)
{
	static const char *const targets[] = { S4 "pckcrl?ca=platform",
		S4 "tcb?fmspc=00606A000000", S4 "qe/identity",
		S4 "qve/identity", S4 "rootcacrl", T4 "qe/identity",
		T4 "tcb?fmspc=90C06F000000",
		S4
		"crl?uri=https%3A%2F%2F"
		"certificates.trustedservices.intel.com%2FIntelSGXRootCA.der" };
	static const char headers[] = "User-Agent: curl/7.88.1\r\n"
				      "Accept: */*\r\n";
	struct edge_reply get, head;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		get =
		    keep(house_send(&h, "GET", targets[i], headers, SPAN_NONE));
		ck_assert_int_eq(get.status, 200);
		/* curl -I */
		head = keep(
		    house_send(&h, "HEAD", targets[i], headers, SPAN_NONE));
		ck_assert_int_eq(head.status, 200);
		ck_assert_uint_eq((size_t)atoi(
				      edge_header(&head, "Content-Length")),
		    get.len);
	}
	/* another method on a known path */
	get = keep(house_send(&h, "DELETE", S4 "tcb", headers, SPAN_NONE));
	ck_assert_int_eq(get.status, 405);
	expect_header(&get, "Allow", "GET, HEAD");
	house_stop(&h);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_pckid_update_decides_what_is_prefetched, 0,
	    N(updates));
	tcase_add_test(tc, test_pckid_a_slash_behind_the_url_is_tolerated);
	tcase_add_test(tc, test_pckid_platform_id_is_the_hex_of_a_name);
	tcase_add_test(tc,
	    test_pckid_a_wrong_token_is_401_before_anything_else);
	tcase_add_test(tc, test_pckid_again_with_another_manifest);
	tcase_add_test(tc, test_pckid_a_manifest_in_lower_case_is_the_same);
	tcase_add_test(tc, test_pckid_expects_100_continue_for_a_large_body);
	tcase_add_test(tc,
	    test_pckid_a_platform_pcs_does_not_know_fails_clearly);
	tcase_add_test(tc, test_pccsadmin_get_takes_the_queue_once);
	tcase_add_test(tc, test_pccsadmin_get_s_is_pasted_unescaped);
	tcase_add_test(tc, test_pccsadmin_put_takes_the_file_as_it_is);
	tcase_add_test(tc, test_pccsadmin_put_of_nothing_but_collateral);
	tcase_add_test(tc, test_pccsadmin_put_policy_prints_its_id);
	tcase_add_test(tc, test_pccsadmin_refresh_in_its_three_forms);
	tcase_add_test(tc, test_pccsadmin_401_drops_the_token);
	tcase_add_test(tc, test_pcsclienttool_compares_content_types);
	tcase_add_test(tc, test_dcap_qvl_gets_der_hex_and_both_tees);
	tcase_add_test(tc, test_fortanix_asks_by_evaluation_number);
	tcase_add_test(tc, test_fortanix_numbers_are_not_mixed_with_updates);
	tcase_add_test(tc, test_fortanix_understands_461_and_462);
	tcase_add_test(tc, test_curl_gets_every_route_of_the_table);
}

int
main(void)
{
	Suite *s = suite_create("tools");
	TCase *tc = tcase_create("tools");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
