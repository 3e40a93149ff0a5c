/*
 * Appraisal policies (pccs-api 6.13, 6.7).
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SGX   "3123ec35-8d38-4ea5-87a5-d6c48b567570"
#define TDX10 "9eec018b-7481-4b1c-8e1a-9f7c0c8c777f"
#define TDX15 "f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3"
#define TDQE  "3769258c-75e6-4bc7-8d72-d2b0e224cad2"

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "");
}

static void
teardown(void)
{
	kit_fini(k);
}

/* A JWT whose policy is for these classes; free() it. */
static char *
jwt_of(const char *class_a, const char *class_b)
{
	json_t *array =
	    json_pack("[{s:{s:s}}]", "environment", "class_id", class_a);
	json_t *inner, *outer;
	struct buf b = BUF_INIT;
	char *text;

	if (class_b != NULL)
		json_array_append_new(array,
		    json_pack("{s:{s:s}}", "environment", "class_id", class_b));
	inner = json_pack("{s:o}", "policy_array", array);
	text = json_dumps(inner, JSON_COMPACT);
	outer = json_pack("{s:s}", "policy_payload", text);
	free(text);
	text = json_dumps(outer, JSON_COMPACT);
	buf_str(&b, "eyJhbGciOiJub25lIn0.");
	buf_base64url(&b, span_str(text));
	buf_str(&b, ".c2ln");
	free(text);
	json_decref(inner);
	json_decref(outer);
	return b.p;
}

static enum err
put_jwt(const char *jwt, const char *fmspc, bool is_default)
{
	json_t *doc = json_pack("{s:b,s:s,s:s}", "is_default", is_default,
	    "fmspc", fmspc, "policy", jwt);
	char *text = json_dumps(doc, 0);
	enum err e = kit_policy_put(k, text);

	free(text);
	json_decref(doc);
	return e;
}

static enum err
put(const char *class_a, const char *class_b, const char *fmspc,
    bool is_default)
{
	char *jwt = jwt_of(class_a, class_b);
	enum err e = put_jwt(jwt, fmspc, is_default);

	free(jwt);
	return e;
}

START_TEST(test_a_default_policy_is_served_until_another_takes_over)
{
	char *one = jwt_of(SGX, NULL), *two = jwt_of(TDQE, TDX15);
	unsigned char digest[48];
	char id[97];

	ck_assert_int_eq(put_jwt(one, "00906ed50000", true), ERR_OK);
	sha384(span_str(one), digest);
	hex_lower(span_of(digest, sizeof(digest)), id);
	ck_assert_str_eq(kit_text(k), id);
	ck_assert_int_eq(kit_policy_get(k, "00906ED50000"), ERR_OK);
	ck_assert_str_eq(kit_text(k), one);
	/* One that is no default changes nothing. */
	ck_assert_int_eq(put_jwt(two, "00906ED50000", false), ERR_OK);
	ck_assert_int_eq(kit_policy_get(k, "00906ed50000"), ERR_OK);
	ck_assert_str_eq(kit_text(k), one);
	ck_assert_int_eq(put_jwt(two, "00906ED50000", true), ERR_OK);
	kit_reopen(k);
	ck_assert_int_eq(kit_policy_get(k, "00906ED50000"), ERR_OK);
	ck_assert_str_eq(kit_text(k), two);
	free(one);
	free(two);
}
END_TEST

START_TEST(test_other_fmspcs_have_none)
{
	ck_assert_int_eq(put(SGX, NULL, "00906ED50000", true), ERR_OK);
	ck_assert_int_eq(kit_policy_get(k, "00606A000000"), ERR_NOT_CACHED);
	ck_assert_int_eq(err_http(ERR_NOT_CACHED), 404);
	ck_assert_int_eq(put(TDX10, NULL, "00606A000000", true), ERR_OK);
	ck_assert_int_eq(kit_policy_get(k, "00606A000000"), ERR_OK);
	ck_assert_int_eq(kit_policy_get(k, "00906ED50000"), ERR_OK);
}
END_TEST

START_TEST(test_the_class_must_say_something_known)
{
	ck_assert_int_eq(put(SGX, TDQE, "00906ED50000", true), ERR_OK);
	ck_assert_int_eq(put(TDQE, TDX10, "00906ED50000", true), ERR_OK);
	ck_assert_int_eq(put(TDQE, NULL, "00906ED50000", true), ERR_PARAM);
	ck_assert_int_eq(put("x", NULL, "00906ED50000", true), ERR_PARAM);
	ck_assert_int_eq(put(SGX, "x", "00906ED50000", true), ERR_PARAM);
}
END_TEST

START_TEST(test_what_is_no_policy)
{
	static const char *const texts[] = { "", "[]", "{", "{}",
		"{\"is_default\":1,\"fmspc\":\"00906ED50000\",\"policy\":\"\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED500\",\"policy\":"
		"\"a.b.c\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED50000\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED50000\",\"policy\":"
		"\"nodots\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED50000\",\"policy\":"
		"\"a.!!.c\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED50000\",\"policy\":"
		"\"a.e30.c\"}",
		"{\"is_default\":true,\"fmspc\":\"00906ED50000\",\"policy\":"
		"\"a.eyJwb2xpY3lfcGF5bG9hZCI6Int9In0.c\"}" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(kit_policy_put(k, texts[i]) == ERR_PARAM, "%s",
		    texts[i]);
	ck_assert_int_eq(kit_policy_get(k, "00906ED50000"), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_policy_get(k, "bad"), ERR_NOT_CACHED);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("policy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    test_a_default_policy_is_served_until_another_takes_over);
	tcase_add_test(t, test_other_fmspcs_have_none);
	tcase_add_test(t, test_the_class_must_say_something_known);
	tcase_add_test(t, test_what_is_no_policy);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
