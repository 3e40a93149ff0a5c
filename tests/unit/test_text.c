/* What a terminal would obey is shown, and so is what is no text. */
#include "config/base/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text, *shown;
} cases[] = {
	{ "", "" },
	{ "plain ~ \"text\" \\ /", "plain ~ \"text\" \\ /" },
	{ "\x1b[31mred", "\\u001b[31mred" },
	{ "a\nb\tc\r", "a\\u000ab\\u0009c\\u000d" },
	{ "del\x7f", "del\\u007f" },
	{ "csi\xc2\x9b"
	  "31m",
	    "csi\\u009b31m" },
	{ "\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0" },
	{ "gr\xc3\xb6\xc3\x9f"
	  "er \xe2\x82\xac \xf0\x9f\x94\x92",
	    "gr\xc3\xb6\xc3\x9f"
	    "er \xe2\x82\xac \xf0\x9f\x94\x92" },
	{ "\x9b"
	  "31m",
	    "\\x9b31m" },
	{ "cut\xc3", "cut\\xc3" },
	{ "\xff\xfe", "\\xff\\xfe" },
	{ "\xc0\x9b\xe0\x82\x9b", "\\xc0\\x9b\\xe0\\x82\\x9b" }, /* overlong */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },                   /* surrogate */
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
};

START_TEST(test_shown)
{
	char *shown = text_shown(cases[_i].text, 0);

	ck_assert_str_eq(shown, cases[_i].shown);
	free(shown);
}
END_TEST

/* Whatever the bytes are, nothing of them is an order to a terminal. */
START_TEST(test_nothing_to_obey_is_left)
{
	char text[4] = { 0 };
	const unsigned char *p;
	unsigned i;
	char *shown;

	for (i = 1; i < 0x10000; i++) {
		text[0] = (char)(i & 0xff);
		text[1] = (char)(i >> 8);
		text[2] = 'x';
		shown = text_shown(text, 0);
		for (p = (const unsigned char *)shown; *p != '\0';
		     p += text_utf8((const char *)p)) {
			ck_assert_uint_ne(text_utf8((const char *)p), 0);
			ck_assert(*p >= ' ' && *p != 0x7f);
			ck_assert(*p != 0xc2 || p[1] >= 0xa0);
		}
		free(shown);
	}
}
END_TEST

START_TEST(test_one_is_kept)
{
	char *shown = text_shown("{\n\t\"a\"\n}\n", '\n');

	ck_assert_str_eq(shown, "{\n\\u0009\"a\"\n}\n");
	free(shown);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("text");
	TCase *tc = tcase_create("text");
	SRunner *r;
	int failed;

	tcase_add_loop_test(tc, test_shown, 0,
	    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_nothing_to_obey_is_left);
	tcase_add_test(tc, test_one_is_kept);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
