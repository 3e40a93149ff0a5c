/* JSON written by hand is what jansson would have written, octet for octet. */
#include "config/base/jout.h"

#include "config/base/json.h"

#include <check.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

/* What was written, and what jansson makes of the same tree. */
static void
same(struct jout *o, json_t *tree)
{
	char *want = json_dumps(tree, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	buf_add(&o->b, "", 1);
	ck_assert_ptr_nonnull(want);
	ck_assert_str_eq(o->b.p, want);
	free(want);
	json_decref(tree);
	buf_free(&o->b);
}

START_TEST(test_brackets)
{
	struct jout o = JOUT_INIT;

	jout_open(&o, NULL, '{');
	jout_open(&o, "none", '[');
	jout_close(&o, ']');
	jout_open(&o, "empty", '{');
	jout_close(&o, '}');
	jout_open(&o, "list", '[');
	jout_int(&o, NULL, 1);
	jout_open(&o, NULL, '{');
	jout_text(&o, "a", "b");
	jout_open(&o, "deep", '[');
	jout_open(&o, NULL, '[');
	jout_close(&o, ']');
	jout_close(&o, ']');
	jout_close(&o, '}');
	jout_close(&o, ']');
	jout_bool(&o, "last", true);
	jout_close(&o, '}');
	same(&o, json_pack("{s:[], s:{}, s:[i, {s:s, s:[[]]}], s:b}", "none",
		     "empty", "list", 1, "a", "b", "deep", "last", 1));
}
END_TEST

START_TEST(test_nothing_but_brackets)
{
	struct jout o = JOUT_INIT;

	jout_open(&o, NULL, '[');
	jout_close(&o, ']');
	same(&o, json_array());
}
END_TEST

START_TEST(test_numbers_and_words)
{
	static const int64_t numbers[] = { 0, -1, 42, INT64_MAX, INT64_MIN };
	struct jout o = JOUT_INIT;
	json_t *list = json_array();
	size_t i;

	jout_open(&o, NULL, '[');
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		jout_int(&o, NULL, numbers[i]);
		json_array_append_new(list, json_integer(numbers[i]));
	}
	jout_bool(&o, NULL, false);
	json_array_append_new(list, json_false());
	jout_text(&o, NULL, NULL);
	json_array_append_new(list, json_null());
	jout_close(&o, ']');
	same(&o, list);
}
END_TEST

/* Advisories are whatever somebody signed. */
START_TEST(test_texts_of_any_kind)
{
	static const char *const texts[] = { "", "plain ~ text", "\"", "\\",
		"a/b", "\n\r\t\b\f\x01\x1f\x7f", "\xc3\xa4\xe2\x82\xac",
		"\xf0\x9f\x94\x92", "\xff\xfe", "ends\xc3", "</script>" };
	struct jout o = JOUT_INIT;
	json_t *list = json_array();
	size_t i;

	jout_open(&o, NULL, '[');
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		jout_text(&o, NULL, texts[i]);
		json_array_append_new(list, json_safe(texts[i]));
	}
	jout_close(&o, ']');
	same(&o, list);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jout");
	TCase *tc = tcase_create("jout");
	SRunner *r;
	int failed;

	tcase_add_test(tc, test_brackets);
	tcase_add_test(tc, test_nothing_but_brackets);
	tcase_add_test(tc, test_numbers_and_words);
	tcase_add_test(tc, test_texts_of_any_kind);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
