/*
 * What a profile keeps to the server, the time of the verdict and the
 * collateral, and what it leaves to the request but demands there.  Every
 * request that is refused has a twin that is not: without the member or with
 * it, or under another profile.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/verifier.h"
#include "tests/kit/house.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LISTEN                                                                 \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\",\"admin\"," \
	"\"verify\"]}]"

/* --- profiles --------------------------------------------------------- */

static const struct {
	const char *name, *text;
} profiles[] = {
	{ "clock", "{\"at\":false}" },
	{ "cache", "{\"collateral\":false,\"tee\":\"sgx\"}" },
	{ "both", "{\"at\":false,\"collateral\":false}" },
	{ "open", "{\"at\":true,\"collateral\":true}" },
	{ "plain", "{}" },
	{ "fresh", "{\"nonce\":true}" },
	{ "bound", "{\"report_data\":true}" },
	{ "keyed", "{\"runtime_data\":true,\"nonce\":false}" },
};
#define N_PROFILES (sizeof(profiles) / sizeof(profiles[0]))

static char dir[64];

static const char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	return path;
}

static void
profile_write(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "we");

	must(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* --- a house with them ------------------------------------------------ */

static struct house house;
static char *evidence; /* in base64 */
static json_t *collateral;

/* As a caller would have it from this larder. */
static json_t *
collateral_of(const char *quote)
{
	struct buf b = BUF_INIT;
	struct edge_reply r;
	json_t *j;

	buf_printf(&b, "{\"quote\":\"%s\"}", quote);
	r = house_send(&house, "POST", "/v1/collateral",
	    "Content-Type: application/json\r\n", buf_view(&b));
	ck_assert_msg(r.status == 200, "%d: %s", r.status, r.body);
	j = json_loadb(r.body, r.len, 0, NULL);
	must(j != NULL);
	edge_reply_free(&r);
	buf_free(&b);
	return j;
}

static void
house_open(const char *standing)
{
	struct house_opts o = { .listen = LISTEN };
	struct buf b = BUF_INIT, text = BUF_INIT;
	struct blob *quote;
	size_t i;

	snprintf(dir, sizeof(dir), "/tmp/larder-profile-XXXXXX");
	must(mkdtemp(dir) != NULL);
	for (i = 0; i < N_PROFILES; i++)
		profile_write(profiles[i].name, profiles[i].text);
	buf_printf(&b, "\"verify\":{\"profiles\":\"%s\"", dir);
	if (standing != NULL)
		buf_printf(&b, ",\"profile\":\"%s\"", standing);
	buf_str(&b, "}");
	o.members = b.p;
	house_start(&house, &o);
	buf_free(&b);
	quote = house_quote(&house);
	buf_base64(&text, blob_span(quote));
	evidence = span_dup(buf_view(&text));
	collateral = collateral_of(evidence);
	blob_unref(quote);
	buf_free(&text);
}

static void
house_close(void)
{
	size_t i;

	for (i = 0; i < N_PROFILES; i++)
		must(unlink(path_of(profiles[i].name)) == 0);
	must(rmdir(dir) == 0);
	json_decref(collateral);
	free(evidence);
	house_stop(&house);
}

/* --- asking ----------------------------------------------------------- */

static json_t *
question(const char *profile, bool at, bool attached)
{
	json_t *q = json_pack("{s:s}", "evidence", evidence);

	if (profile != NULL)
		json_object_set_new(q, "profile", json_string(profile));
	if (at)
		json_object_set_new(q, "at",
		    json_integer((json_int_t)time(NULL)));
	if (attached)
		json_object_set(q, "collateral", collateral);
	return q;
}

static void
expect_reply(struct edge_reply *r, const char *what, const char *member)
{
	json_t *j = json_loadb(r->body, r->len, 0, NULL);
	const char *text = json_string_value(json_object_get(j, "text"));
	char wanted[80];

	if (member == NULL) {
		ck_assert_msg(r->status == 200, "%s: %s", what, r->body);
		ck_assert_msg(strstr(r->body, "\"accepted\"") != NULL, "%s: %s",
		    what, r->body);
	} else {
		ck_assert_msg(r->status == 400, "%s: %s", what, r->body);
		expect_header(r, "Larder-Reason", "bad-parameter");
		snprintf(wanted, sizeof(wanted), "%s: the profile %s it",
		    member,
		    strcmp(member, "at") == 0 ||
			    strcmp(member, "collateral") == 0
			? "forbids"
			: "demands");
		ck_assert_msg(text != NULL && strstr(text, wanted) != NULL,
		    "%s: %s", what, r->body);
	}
	json_decref(j);
	edge_reply_free(r);
}

/* member NULL: a verdict, else 400 that names it. The question is freed. */
static void
expect(const char *target, json_t *q, const char *member)
{
	char *text = json_dumps(q, JSON_COMPACT);
	struct edge_reply r = house_send(&house, "POST", target,
	    "Content-Type: application/json\r\n", span_str(text));

	expect_reply(&r, text, member);
	free(text);
	json_decref(q);
}

static void
expect_raw(const char *query, const char *member)
{
	struct buf raw = BUF_INIT;
	struct edge_reply r;
	char target[100];

	must(base64_read(span_str(evidence), &raw) == ERR_OK);
	snprintf(target, sizeof(target), "/v1/verify?%s", query);
	r = house_send(&house, "POST", target, NULL, buf_view(&raw));
	expect_reply(&r, target, member);
	buf_free(&raw);
}

/* --- tests ------------------------------------------------------------ */

static const struct {
	const char *profile;
	const char *at, *attached; /* what a request with it is refused for */
} rules[] = {
	{ "clock", "at", NULL },
	{ "cache", NULL, "collateral" },
	{ "both", "at", "collateral" },
	{ "open", NULL, NULL },
	{ "plain", NULL, NULL },
	{ NULL, NULL, NULL },
};

START_TEST(test_what_a_profile_keeps_to_the_server)
{
	const char *profile, *at, *attached;
	size_t i;

	house_open(NULL);
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		profile = rules[i].profile;
		at = rules[i].at;
		attached = rules[i].attached;
		expect("/v1/verify", question(profile, false, false), NULL);
		expect("/v1/verify", question(profile, true, false), at);
		expect("/v1/verify", question(profile, false, true), attached);
		expect("/v1/verify", question(profile, true, true),
		    at != NULL ? at : attached);
	}
	house_close();
}
END_TEST

START_TEST(test_it_holds_for_raw_evidence)
{
	char at[64];

	house_open(NULL);
	snprintf(at, sizeof(at), "at=%lld&profile=", (long long)time(NULL));
	expect_raw("profile=clock", NULL);
	strcat(at, "clock");
	expect_raw(at, "at");
	memcpy(strstr(at, "clock"), "plain", 5);
	expect_raw(at, NULL);
	house_close();
}
END_TEST

START_TEST(test_it_holds_for_the_profile_that_stands)
{
	house_open("both");
	expect("/v1/verify", question(NULL, false, false), NULL);
	expect("/v1/verify", question(NULL, true, false), "at");
	expect("/v1/verify", question(NULL, false, true), "collateral");
	expect("/v1/verify", question("open", true, true), NULL);
	house_close();
}
END_TEST

/* What stands beside the items is each one's. */
START_TEST(test_it_holds_in_a_batch)
{
	json_t *shared, *item;

	house_open(NULL);
	shared = json_pack("{s:[o, o]}", "items",
	    question("clock", false, false), question("clock", false, true));
	expect("/v1/verify/batch", json_deep_copy(shared), NULL);
	json_object_set_new(shared, "at", json_integer((json_int_t)time(NULL)));
	expect("/v1/verify/batch", json_deep_copy(shared), "at");
	item = json_array_get(json_object_get(shared, "items"), 0);
	json_object_set_new(item, "profile", json_string("plain"));
	expect("/v1/verify/batch", json_deep_copy(shared), "at");
	item = json_array_get(json_object_get(shared, "items"), 1);
	json_object_set_new(item, "profile", json_string("plain"));
	expect("/v1/verify/batch", json_deep_copy(shared), NULL);
	json_object_set_new(item, "profile", json_string("cache"));
	expect("/v1/verify/batch", shared, "collateral");
	house_close();
}
END_TEST

/* The made quote's report data are zeros: so is a nonce that it meets. */
#define NONCE "0000000000000000"

static const struct {
	const char *profile;
	const char *name, *value; /* what the request states; NULL: nothing */
	const char *refused;      /* for the want of it; NULL: a verdict */
} demands[] = {
	{ "fresh", NULL, NULL, "nonce" },
	{ "fresh", "nonce", NONCE, NULL },
	{ "fresh", "requirements", "{\"nonce\":\"" NONCE "\"}", NULL },
	{ "fresh", "requirements", "{\"report_data\":\"00\"}", "nonce" },
	{ "fresh", "runtime_data", "AAAA", "nonce" },
	{ "bound", NULL, NULL, "report_data" },
	{ "bound", "nonce", NONCE, "report_data" },
	{ "bound", "requirements", "{\"report_data\":\"00\"}", NULL },
	{ "keyed", NULL, NULL, "runtime_data" },
	{ "keyed", "nonce", NONCE, "runtime_data" },
	{ "plain", NULL, NULL, NULL },
};

START_TEST(test_what_a_profile_demands_of_the_request)
{
	json_t *q, *v;
	size_t i;

	house_open(NULL);
	for (i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		q = question(demands[i].profile, false, false);
		if (demands[i].name != NULL) {
			v = json_loads(demands[i].value, 0, NULL);
			json_object_set_new(q, demands[i].name,
			    v != NULL ? v : json_string(demands[i].value));
		}
		expect("/v1/verify", q, demands[i].refused);
	}
	expect_raw("profile=fresh", "nonce");
	expect_raw("profile=fresh&nonce=" NONCE, NULL);
	expect_raw("profile=keyed&nonce=" NONCE, "runtime_data");
	house_close();
}
END_TEST

/* It is there, and the evidence has to meet it as ever. */
START_TEST(test_what_is_demanded_is_looked_at)
{
	struct edge_reply r;
	struct buf raw = BUF_INIT;

	house_open("fresh");
	must(base64_read(span_str(evidence), &raw) == ERR_OK);
	r = house_send(&house, "POST", "/v1/verify?nonce=0000000000000001",
	    NULL, buf_view(&raw));
	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(strstr(r.body, "\"verdict\":\"rejected\""));
	edge_reply_free(&r);
	buf_free(&raw);
	house_close();
}
END_TEST

static const struct {
	const char *text, *names;
} broken[] = {
	{ "{\"at\":0}", "at: neither" },
	{ "{\"at\":\"false\"}", "at: neither" },
	{ "{\"collateral\":null}", "collateral: neither" },
	{ "{\"collateral\":{}}", "collateral: neither" },
	{ "{\"at\":false,\"at\":true}", "duplicate" },
	{ "{\"At\":false}", "At: unknown" },
	{ "{\"nonce\":1}", "nonce" },
	{ "{\"nonce\":\"00\"}", "nonce" },
	{ "{\"runtime_data\":null}", "runtime_data" },
	{ "[\"at\"]", "not an object" },
	{ "{\"at\":false", "line 1" },
};

START_TEST(test_a_profile_that_says_something_else_is_none)
{
	struct verifier *v = NULL;
	struct config *config;
	struct why why = { 0 };
	char json[200];

	snprintf(dir, sizeof(dir), "/tmp/larder-profile-XXXXXX");
	must(mkdtemp(dir) != NULL);
	profile_write("odd", broken[_i].text);
	snprintf(json, sizeof(json), "{\"verify\":{\"profiles\":\"%s\"}}", dir);
	must(config_read(span_str(json), "test", &config, NULL) == ERR_OK);
	ck_assert_int_eq(verifier_new(config, &v, &why), ERR_CONFIG);
	ck_assert_msg(strstr(why.text, broken[_i].names) != NULL, "%s",
	    why.text);
	ck_assert_msg(strstr(why.text, "odd.json") != NULL, "%s", why.text);
	/* Its twin. */
	profile_write("odd", "{\"at\":false,\"collateral\":true}");
	ck_assert_int_eq(verifier_new(config, &v, &why), ERR_OK);
	verifier_unref(v);
	config_unref(config);
	must(unlink(path_of("odd")) == 0 && rmdir(dir) == 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("profile");
	TCase *tc = tcase_create("profile");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_what_a_profile_keeps_to_the_server);
	tcase_add_test(tc, test_it_holds_for_raw_evidence);
	tcase_add_test(tc, test_it_holds_for_the_profile_that_stands);
	tcase_add_test(tc, test_it_holds_in_a_batch);
	tcase_add_test(tc, test_what_a_profile_demands_of_the_request);
	tcase_add_test(tc, test_what_is_demanded_is_looked_at);
	tcase_add_loop_test(tc, test_a_profile_that_says_something_else_is_none,
	    0, (int)(sizeof(broken) / sizeof(broken[0])));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
