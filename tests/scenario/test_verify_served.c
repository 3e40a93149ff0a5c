/*
 * Verdicts with a larder behind them: larder verify fetches collateral from
 * one, and what the larder itself signs is checked by whoever gets it, across
 * a rotation of keys.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/jwt.h"
#include "tests/kit/house.h"
#include "tests/kit/jwtkit.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JWKS "/.well-known/jwks.json"

static struct house house;
static const struct house_opts opts = {
	.listen = "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\","
		  "\"admin\",\"kds\",\"verify\"]}]",
	.members = "\"jwt\":{\"issuer\":\"https://larder.example\","
		   "\"lifetime_s\":600,\"publish_s\":3600,"
		   "\"overlap_s\":7200}",
};

static void
setup(void)
{
	house_start(&house, &opts);
}

static void
teardown(void)
{
	house_stop(&house);
}

/* --- evidence --------------------------------------------------------- */

static void
spill(const char *name, struct span s)
{
	FILE *f = fopen(run_path(name), "w");

	must(f != NULL && fwrite(s.p, 1, s.len, f) == s.len);
	must(fclose(f) == 0);
}

/* larder verify FILE with these options: its verdict, NULL with status 2. */
static json_t *
verify(const char *file, const char *options, int *status)
{
	char line[800];
	struct run r;
	json_t *v;

	snprintf(line, sizeof(line), "larder verify %s --json --root %s %s",
	    run_path(file), run_path("root.pem"), options);
	r = run_line("", line);
	*status = r.status;
	v = json_loadb(r.out.p, r.out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg((v != NULL) == (r.status < 2), "%s: %d %s", line,
	    r.status, r.err.p);
	run_free(&r);
	return v;
}

static const char *
word(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

static void
verify_is(const char *file, const char *options, const char *evidence)
{
	int status;
	json_t *v = verify(file, options, &status);

	ck_assert_msg(strcmp(word(v, "evidence"), evidence) == 0,
	    "%s %s: %d, %s, %s", file, options, status, word(v, "evidence"),
	    word(json_array_get(json_object_get(v, "reasons"), 0), "found"));
	json_decref(v);
}

static const char *
here(const char *option)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s http://127.0.0.1:%d", option,
	    house.port);
	return text;
}

/* --- larder verify ---------------------------------------------------- */

START_TEST(test_quote_with_collateral_from_a_larder)
{
	struct blob *quote = house_quote(&house), *twin;
	struct blob *root = pki_chain_pem(sim_pki(house.sim), PKI_ROOT);

	spill("root.pem", blob_span(root));
	spill("quote", blob_span(quote));
	verify_is("quote", here("--collateral"), "valid");
	verify_is("quote", here("--server"), "valid");
	twin = flipped(blob_span(quote), 200, 3);
	spill("twin", blob_span(twin));
	verify_is("twin", here("--collateral"), "invalid");
	/* Under another root with the same names it is nothing. */
	blob_unref(root);
	root = pki_chain_pem(pki_evil(sim_pki(house.sim)), PKI_ROOT);
	spill("root.pem", blob_span(root));
	verify_is("quote", here("--collateral"), "invalid");
	blob_unref(root);
	blob_unref(quote);
	blob_unref(twin);
}
END_TEST

static void
spill_ark(enum amd_product product)
{
	struct blob *pem =
	    pki_pem(pki_amd_x509(sim_amd(house.sim), product, PKI_ARK));

	spill("root.pem", blob_span(pem));
	blob_unref(pem);
}

/* Of every version: one of 2 does not say which product it is of. */
START_TEST(test_report_with_collateral_from_a_larder)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(_i, 1));
	struct pki_vek vek = sim_chip_vek(&chip);
	struct snp_report r;
	struct blob *b, *twin;
	uint32_t version;

	spill_ark(chip.product);
	for (version = 2; version <= 5; version++) {
		r = snp_made_report(&vek, version);
		b = snp_made(sim_amd(house.sim), &vek, &r);
		spill("report", blob_span(b));
		verify_is("report", here("--collateral"), "valid");
		twin = flipped(blob_span(b), 0x95, 0);
		spill("twin", blob_span(twin));
		verify_is("twin", here("--server"), "invalid");
		blob_unref(b);
		blob_unref(twin);
	}
}
END_TEST

START_TEST(test_reports_whose_key_cannot_be_had)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_UNKNOWN, 1));
	struct pki_vek vek = sim_chip_vek(&chip);
	struct snp_report r = snp_made_report(&vek, 3);
	struct blob *b = snp_made(sim_amd(house.sim), &vek, &r);
	int status;

	spill_ark(AMD_MILAN);
	spill("report", blob_span(b));
	blob_unref(b);
	ck_assert_ptr_null(verify("report", here("--collateral"), &status));
	ck_assert_int_eq(status, 2);
	/* It came along, and the larder has its issuers and their CRL. */
	vek.side = AMD_VLEK;
	r = snp_made_report(&vek, 3);
	b = snp_made_extended(sim_amd(house.sim), &vek, &r);
	spill("report", blob_span(b));
	blob_unref(b);
	verify_is("report", here("--collateral"), "valid");
	/* With its issuers nobody has to be asked. */
	unsetenv("LARDER_SERVER");
	verify_is("report", "", "valid");
	/* A VCEK of a chip that KDS does not know. */
	vek.side = AMD_VCEK;
	r = snp_made_report(&vek, 2);
	b = snp_made_extended(sim_amd(house.sim), &vek, &r);
	spill("report", blob_span(b));
	blob_unref(b);
	verify_is("report", here("--server"), "valid");
	verify_is("report", "", "valid");
}
END_TEST

/* --- tokens ----------------------------------------------------------- */

static json_t *
set_now(void)
{
	struct edge_reply r = house_get(&house, JWKS);
	json_t *set;

	ck_assert_int_eq(r.status, 200);
	set = json_loadb(r.body, r.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(set);
	edge_reply_free(&r);
	return set;
}

static struct blob *
token_of(const struct blob *quote, const char *query)
{
	char target[200];
	struct edge_reply r;
	struct blob *token;

	snprintf(target, sizeof(target), "/v1/verify%s", query);
	r = house_send(&house, "POST", target,
	    "Content-Type: application/octet-stream\r\n"
	    "Accept: application/jwt\r\n",
	    blob_span(quote));
	ck_assert_msg(r.status == 200, "%d: %s", r.status, r.body);
	expect_header(&r, "Content-Type", "application/jwt");
	token = blob_new(r.body, r.len);
	edge_reply_free(&r);
	return token;
}

START_TEST(test_token_says_what_the_verdict_says)
{
	struct blob *quote = house_quote(&house);
	struct blob *token = token_of(quote,
			"?nonce=000102030405060708090a0b0c0d0e0f"),
		    *twin;
	struct edge_reply r = house_send(&house, "POST", "/v1/verify",
	    "Content-Type: application/octet-stream\r\n", blob_span(quote));
	json_t *v = json_loadb(r.body, r.len, 0, NULL), *c = jwt_claims(token);
	json_t *set = set_now();

	ck_assert(jwt_jose_holds(set, token));
	ck_assert(jwt_openssl_holds(set, token));
	ck_assert_str_eq(word(c, "iss"), "https://larder.example");
	ck_assert_str_eq(word(c, "evidence"), "valid");
	ck_assert_str_eq(word(c, "evidence"), word(v, "evidence"));
	ck_assert_str_eq(word(c, "eat_nonce"),
	    "000102030405060708090a0b0c0d0e0f");
	ck_assert(
	    json_equal(json_object_get(c, "sgx"), json_object_get(v, "sgx")));
	ck_assert(json_equal(json_object_get(c, "collateral"),
	    json_object_get(v, "collateral")));
	twin = flipped(blob_span(token), token->len / 2, 1);
	ck_assert(!jwt_jose_holds(set, twin));
	blob_unref(twin);
	json_decref(set);
	json_decref(c);
	json_decref(v);
	edge_reply_free(&r);
	blob_unref(token);
	blob_unref(quote);
}
END_TEST

/* A quote with a nonce, and what is no evidence. */
static json_t *
batch_of(const struct blob *quote, const char *headers)
{
	struct buf b = BUF_INIT;
	struct edge_reply r;
	json_t *v;

	buf_str(&b, "{\"items\":[{\"evidence\":\"");
	buf_base64(&b, blob_span(quote));
	buf_str(&b, "\",\"nonce\":\"000102030405060708090a0b0c0d0e0f\"},"
		    "{\"evidence\":\"AAAA\"}]}");
	r = house_send(&house, "POST", "/v1/verify/batch", headers,
	    buf_view(&b));
	ck_assert_msg(r.status == 200, "%d: %s", r.status, r.body);
	expect_header(&r, "Content-Type", "application/json");
	v = json_loadb(r.body, r.len, JSON_REJECT_DUPLICATES, NULL);
	edge_reply_free(&r);
	buf_free(&b);
	return v;
}

START_TEST(test_a_batch_has_a_token_for_each_verdict)
{
	struct blob *quote = house_quote(&house), *token;
	json_t *v = batch_of(quote, "Accept: application/jwt\r\n"), *c, *one;
	json_t *set = set_now(), *tokens = json_object_get(v, "tokens");
	size_t i;

	ck_assert_uint_eq(json_array_size(tokens), 2);
	for (i = 0; i < 2; i++) {
		one = json_array_get(json_object_get(v, "verdicts"), i);
		token = blob_from(
		    span_str(json_string_value(json_array_get(tokens, i))));
		ck_assert(jwt_jose_holds(set, token));
		ck_assert(jwt_openssl_holds(set, token));
		c = jwt_claims(token);
		ck_assert_str_eq(word(c, "evidence"),
		    i == 0 ? "valid" : "invalid");
		ck_assert_str_eq(word(c, "verdict"), word(one, "verdict"));
		ck_assert(json_equal(json_object_get(c, "reasons"),
		    json_object_get(one, "reasons")));
		ck_assert_str_eq(word(c, "eat_nonce"),
		    i == 0 ? "000102030405060708090a0b0c0d0e0f" : "");
		json_decref(c);
		blob_unref(token);
	}
	json_decref(v);
	/* Who has not asked for them gets none. */
	v = batch_of(quote, "Accept: application/json\r\n");
	ck_assert_ptr_null(json_object_get(v, "tokens"));
	ck_assert_uint_eq(json_array_size(json_object_get(v, "verdicts")), 2);
	json_decref(v);
	json_decref(set);
	blob_unref(quote);
}
END_TEST

static const struct {
	const char *target, *headers, *body; /* body NULL: the quote */
	int status;
	const char *names; /* in the text of the error; "" for a verdict */
} asked[] = {
	{ "", "", NULL, 200, "" },
	{ "", "Content-Type: application/octet-stream\r\n", NULL, 200, "" },
	{ "", "Content-Type: Application/Octet-Stream; a=b\r\n", NULL, 200,
	    "" },
	{ "?at=1700000000&update=early", "", NULL, 200, "" },
	/* A number before 1970 is no time, and no more is a date. */
	{ "?at=0", "", NULL, 400, "at:" },
	{ "?at=1969-12-31T23:59:59Z", "", NULL, 400, "at:" },
	{ "?at=1970-01-01T00:00:01Z", "", NULL, 200, "" },
	/* What nobody reads. */
	{ "?nonse=0001020304050607", "", NULL, 400, "nonse" },
	{ "?runtime_data=AAAA", "", NULL, 400, "runtime_data" },
	{ "?at=1700000000&at=1", "", NULL, 400, "at:" },
	{ "?%ff%00=1", "", NULL, 400, "" },
	{ "?%ff=1", "", NULL, 400, "?" },
	{ "?profile=strict", "Content-Type: application/json\r\n",
	    "{\"evidence\":\"AAAA\"}", 400, "profile" },
	{ "/batch?nonce=0001020304050607", "Content-Type: application/json\r\n",
	    "{\"items\":[{\"evidence\":\"AAAA\"}]}", 400, "nonce" },
	/* And types that nobody reads. */
	{ "", "Content-Type: text/plain\r\n", NULL, 415, "octet-stream" },
	{ "", "Content-Type: application/x-www-form-urlencoded\r\n", NULL, 415,
	    "octet-stream" },
	{ "", "Content-Type: text/json\r\n", "{\"evidence\":\"AAAA\"}", 415,
	    "json" },
	{ "/batch", "Content-Type: application/octet-stream\r\n", NULL, 415,
	    "json" },
	{ "/batch", "", "{\"items\":[{\"evidence\":\"AAAA\"}]}", 200, "" },
};

START_TEST(test_what_would_be_passed_over_is_refused)
{
	struct blob *quote = house_quote(&house);
	char target[100];
	struct edge_reply r;
	size_t i;
	json_t *j;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		snprintf(target, sizeof(target), "/v1/verify%s",
		    asked[i].target);
		r = house_send(&house, "POST", target, asked[i].headers,
		    asked[i].body == NULL ? blob_span(quote)
					  : span_str(asked[i].body));
		ck_assert_msg(r.status == asked[i].status, "%s %s: %d %s",
		    target, asked[i].headers, r.status, r.body);
		j = json_loadb(r.body, r.len, 0, NULL);
		if (*asked[i].names != '\0')
			ck_assert_msg(strstr(word(j, "text"), asked[i].names) !=
					  NULL,
			    "%s: %s", target, r.body);
		json_decref(j);
		edge_reply_free(&r);
	}
	blob_unref(quote);
}
END_TEST

static const struct {
	const char *accept, *type;
} wanted[] = {
	{ "*/*", "application/json" },
	{ "application/jwt;q=0", "application/json" },
	{ "application/json, application/jwt;q=0.5", "application/json" },
	{ "application/json;q=0.5, application/jwt", "application/jwt" },
};

START_TEST(test_the_form_that_is_wanted_more)
{
	struct blob *quote = house_quote(&house);
	struct edge_reply r;
	char line[100];
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		snprintf(line, sizeof(line), "Accept: %s\r\n",
		    wanted[i].accept);
		r = house_send(&house, "POST", "/v1/verify", line,
		    blob_span(quote));
		ck_assert_int_eq(r.status, 200);
		expect_header(&r, "Content-Type", wanted[i].type);
		edge_reply_free(&r);
	}
	blob_unref(quote);
}
END_TEST

/* A rejection is signed, too; and the longest nonce comes back. */
START_TEST(test_rejection_is_signed)
{
	struct blob *quote = house_quote(&house), *token;
	struct blob *twin = flipped(blob_span(quote), 200, 3);
	char query[160] = "?nonce=";
	json_t *c, *set = NULL;

	memset(query + strlen(query), 'a', 128);
	token = token_of(twin, query);
	set = set_now();
	ck_assert(jwt_jose_holds(set, token));
	c = jwt_claims(token);
	ck_assert_str_eq(word(c, "verdict"), "rejected");
	ck_assert_str_eq(word(c, "evidence"), "invalid");
	ck_assert_uint_eq(strlen(word(c, "eat_nonce")), 86);
	json_decref(c);
	json_decref(set);
	blob_unref(token);
	blob_unref(twin);
	blob_unref(quote);
}
END_TEST

/* Runtime data as deep as a JSON reader follows: in a verdict it is deeper. */
START_TEST(test_deep_runtime_data)
{
	struct sim_chip chip = sim_chip(SIM_CHIP(SIM_CHIP_MILAN, 1));
	struct pki_vek vek = sim_chip_vek(&chip);
	struct snp_report r = snp_made_report(&vek, 3);
	struct snp_made_hcl h = { .version = 1 };
	const size_t depth[] = { 30, 2046, 2047 };
	struct blob *report, *b, *token;
	struct buf deep = BUF_INIT;
	json_t *c;
	size_t i;

	buf_str(&deep, "{\"a\":");
	for (i = 0; i < depth[_i]; i++)
		buf_str(&deep, "[");
	for (i = 0; i < depth[_i]; i++)
		buf_str(&deep, "]");
	buf_str(&deep, "}");
	r.vmpl = 0;
	snp_made_bind(buf_view(&deep), 1, r.report_data);
	report = snp_made(sim_amd(house.sim), &vek, &r);
	h.report = blob_span(report);
	h.runtime = buf_view(&deep);
	b = snp_made_hcl(&h);
	token = token_of(b, "");
	c = jwt_claims(token);
	ck_assert_str_eq(word(c, "evidence"), "valid");
	json_decref(c);
	spill("hcl", blob_span(b));
	spill_ark(AMD_MILAN);
	verify_is("hcl", here("--server"), "valid");
	blob_unref(token);
	blob_unref(b);
	blob_unref(report);
	buf_free(&deep);
}
END_TEST

static bool
holds_now(const struct blob *token)
{
	json_t *set = set_now();
	bool ok = jwt_jose_holds(set, token);

	json_decref(set);
	return ok;
}

/* What was signed verifies for as long as it is valid, whatever is rotated;
 * and a client that fetched the set before can check what the new key signs. */
START_TEST(test_rotation_under_virtual_time)
{
	struct blob *quote = house_quote(&house), *old, *new;
	char kid[JWT_KID_LEN + 1];
	json_t *before;

	old = token_of(quote, "");
	must(jwt_keys_rotate(house.config, clock_now(), false, NULL, kid,
		 NULL) == ERR_OK);
	house_reload(&house, &opts);
	before = set_now();
	clock_offset_set(clock_offset() + 3601);
	new = token_of(quote, "");
	ck_assert(jwt_jose_holds(before, new));
	ck_assert(holds_now(new) && holds_now(old));
	/* Minutes from the end on either side: this takes time, too. */
	clock_offset_set(clock_offset() + 6900);
	ck_assert(holds_now(new) && holds_now(old));
	clock_offset_set(clock_offset() + 300);
	ck_assert(holds_now(new));
	ck_assert(!holds_now(old));
	json_decref(before);
	blob_unref(old);
	blob_unref(new);
	blob_unref(quote);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify_served");
	TCase *tc = tcase_create("house");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_quote_with_collateral_from_a_larder);
	tcase_add_loop_test(tc, test_report_with_collateral_from_a_larder, 0,
	    AMD_PRODUCT_N);
	tcase_add_test(tc, test_reports_whose_key_cannot_be_had);
	tcase_add_test(tc, test_token_says_what_the_verdict_says);
	tcase_add_test(tc, test_a_batch_has_a_token_for_each_verdict);
	tcase_add_test(tc, test_what_would_be_passed_over_is_refused);
	tcase_add_test(tc, test_the_form_that_is_wanted_more);
	tcase_add_test(tc, test_rejection_is_signed);
	tcase_add_loop_test(tc, test_deep_runtime_data, 0, 3);
	tcase_add_test(tc, test_rotation_under_virtual_time);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
