#include "config/base/err.h"

#include "config/base/must.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_every_error_has_a_distinct_plain_token)
{
	const char *token = err_token((enum err)_i);
	const char *p;
	int k;

	ck_assert_uint_ne(strlen(token), 0);
	for (p = token; *p != '\0'; p++)
		ck_assert(*p == '-' || (*p >= 'a' && *p <= 'z') ||
			  (*p >= '0' && *p <= '9'));
	for (k = 0; k < _i; k++)
		ck_assert_str_ne(token, err_token((enum err)k));
	ck_assert_int_eq(err_from_token(token), _i);
	ck_assert_uint_ne(strlen(err_text((enum err)_i)), 0);
	ck_assert_int_ge(err_http((enum err)_i), _i == ERR_OK ? 200 : 400);
	ck_assert_int_le(err_http((enum err)_i), 599);
}
END_TEST

START_TEST(test_rows_reach_their_functions)
{
	ck_assert_int_eq(ERR_OK, 0);
	ck_assert_str_eq(err_token(ERR_BADSIG), "bad-signature");
	ck_assert_int_eq(err_http(ERR_UNKNOWN_PLATFORM), 461);
	ck_assert_int_eq(err_retry(ERR_UP_DOWN), 1);
	ck_assert_int_eq(err_retry(ERR_AUTH), 0);
	ck_assert_int_eq(err_from_token("no-such-token"), ERR_N);
	ck_assert_int_eq(err_from_token(""), ERR_N);
}
END_TEST

START_TEST(test_a_number_outside_the_table_is_internal)
{
	ck_assert_str_eq(err_token((enum err)ERR_N), "internal");
	ck_assert_str_eq(err_token((enum err) - 1), "internal");
	ck_assert_int_eq(err_http((enum err)100000), 500);
}
END_TEST

START_TEST(test_why_keeps_clause_and_text)
{
	struct why why;
	enum err e;

	e = why_set(&why, ERR_FORMAT, "RFC 5280 5.1", "%d bytes %s", 7, "left");
	ck_assert_int_eq(e, ERR_FORMAT);
	ck_assert_int_eq(why.err, ERR_FORMAT);
	ck_assert_str_eq(why.clause, "RFC 5280 5.1");
	ck_assert_str_eq(why.text, "7 bytes left");
	e = why_in(&why, ERR_CHAIN, "file %s", "x.pem");
	ck_assert_int_eq(e, ERR_CHAIN);
	ck_assert_int_eq(why.err, ERR_CHAIN);
	ck_assert_str_eq(why.text, "file x.pem: 7 bytes left");
	ck_assert_str_eq(why.clause, "RFC 5280 5.1");
}
END_TEST

START_TEST(test_why_may_be_null)
{
	ck_assert_int_eq(why_set(NULL, ERR_RANGE, "c", "t"), ERR_RANGE);
	ck_assert_int_eq(why_in(NULL, ERR_IO, "x"), ERR_IO);
}
END_TEST

START_TEST(test_why_cuts_what_is_too_long)
{
	struct why why;
	char big[1000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)!why_set(&why, ERR_FORMAT, big, "%s", big);
	ck_assert_uint_eq(strlen(why.clause), sizeof(why.clause) - 1);
	ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
	(void)!why_in(&why, ERR_FORMAT, "front");
	ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
	ck_assert_int_eq(strncmp(why.text, "front: xxx", 10), 0);
	(void)!why_in(&why, ERR_FORMAT, "%s", big);
	ck_assert_uint_eq(strlen(why.text), sizeof(why.text) - 1);
}
END_TEST

/* Whoever puts a reason into JSON counts on it. */
START_TEST(test_why_is_utf8_whatever_is_quoted)
{
	static const char *const rows[][2] = {
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\xe2\x82\xac \xf0\x9f\x94\x91",
		    "\xe2\x82\xac \xf0\x9f\x94\x91" },
		{ "cut \xc3", "cut ?" },
		{ "cut \xe2\x82", "cut ??" },
		{ "\xff\xfe", "??" },
		{ "\xc0\xaf overlong", "?? overlong" },
		{ "\xed\xa0\x80 surrogate", "??? surrogate" },
		{ "\xf4\x90\x80\x80", "????" },
		{ "\x80", "?" },
	};
	struct why why;
	char text[sizeof(why.text) + 8];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why_set(&why, ERR_PARAM, "", "%s", rows[i][0]);
		ck_assert_str_eq(why.text, rows[i][1]);
	}
	/* Cut by the struct's own size, in the middle of one. */
	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(why.text) - 2, "\xc3\xa9", 3);
	why_set(&why, ERR_PARAM, "", "%s", text);
	ck_assert_int_eq(why.text[sizeof(why.text) - 2], '?');
	why_set(&why, ERR_PARAM, "", "%s", text);
	ck_assert_int_eq(why_in(&why, ERR_PARAM, "%.4s", "abc\xc3\xa9"),
	    ERR_PARAM);
	ck_assert_int_eq(strncmp(why.text, "abc?: aaa", 9), 0);
}
END_TEST

START_TEST(test_must_aborts)
{
	fclose(stderr);
	must(1 + 1 == 3);
}
END_TEST

START_TEST(test_a_wrong_magic_aborts)
{
	struct {
		unsigned magic;
	} obj = { 0x11223344 };

	ck_assert_ptr_eq(obj_cast(&obj, 0x11223344), &obj);
	fclose(stderr);
	obj_cast(&obj, 0x11223345);
}
END_TEST

START_TEST(test_a_size_that_overflows_aborts)
{
	fclose(stderr);
	xrealloc(NULL, (size_t)-1 / 2, 3);
}
END_TEST

START_TEST(test_copies)
{
	char *a = xstrdup("abc"), *b = xstrndup("abc", 2);
	char *c = xmemdup("a\0b", 3), *d = xmemdup(NULL, 0);

	ck_assert_str_eq(a, "abc");
	ck_assert_str_eq(b, "ab");
	ck_assert_mem_eq(c, "a\0b", 3);
	ck_assert_ptr_nonnull(d);
	free(a);
	free(b);
	free(c);
	free(d);
	free(xcalloc(0, 8));
	free(xrealloc(NULL, 0, 8));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, test_every_error_has_a_distinct_plain_token, 0,
	    ERR_N);
	tcase_add_test(tc, test_rows_reach_their_functions);
	tcase_add_test(tc, test_a_number_outside_the_table_is_internal);
	tcase_add_test(tc, test_why_keeps_clause_and_text);
	tcase_add_test(tc, test_why_may_be_null);
	tcase_add_test(tc, test_why_cuts_what_is_too_long);
	tcase_add_test(tc, test_why_is_utf8_whatever_is_quoted);
	tcase_add_test_raise_signal(tc, test_must_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, test_a_wrong_magic_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, test_a_size_that_overflows_aborts,
	    SIGABRT);
	tcase_add_test(tc, test_copies);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
