/* Paths made canonical and queries taken apart. */
#include "server/query.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* A span with a NUL is given by its length. */
struct text {
	const char *p;
	size_t n;
};
#define T(s)                                                                   \
	{                                                                      \
		(s), sizeof(s) - 1                                             \
	}

/* --- paths ---------------------------------------------------------------- */

static const struct {
	struct text raw;
	const char *path; /* NULL: refused */
} paths[] = {
	{ T("/a"), "/a" },
	{ T("/a/"), "/a" },
	{ T("/"), "/" },
	{ T(""), "/" },
	{ T("//"), "/" },
	{ T("///a///b///"), "/a/b" },
	{ T("/a%2fb"), "/a/b" },
	{ T("/a%2F/b"), "/a/b" },
	{ T("/a/%2Fb"), "/a/b" },
	{ T("/%2f%2f"), "/" },
	{ T("/%61"), "/a" },
	{ T("/%C3%a9"), "/\xc3\xa9" },
	{ T("/%25"), "/%" },
	{ T("/%2561"), "/%61" },
	{ T("/a+b"), "/a+b" },
	{ T("/a/../b"), "/a/../b" },
	{ T("/%"), NULL },
	{ T("/%6"), NULL },
	{ T("/%6g"), NULL },
	{ T("/%g6"), NULL },
	{ T("/%+6"), NULL },
	{ T("/%-1"), NULL },
	{ T("/%%41"), NULL },
	{ T("/%00"), NULL },
	{ T("/a%00b"), NULL },
};

START_TEST(test_path)
{
	const struct text *raw = &paths[_i].raw;
	char *room = malloc(raw->n + (raw->n == 0));
	struct span out = SPAN_NONE;
	enum err e;

	ck_assert_ptr_nonnull(room);
	e = path_read(span_of(raw->p, raw->n), room, &out);
	if (paths[_i].path == NULL) {
		ck_assert_int_eq(e, ERR_PARAM);
	} else {
		ck_assert_int_eq(e, ERR_OK);
		ck_assert_msg(span_eq_str(out, paths[_i].path), "%.*s, not %s",
		    (int)out.len, (const char *)out.p, paths[_i].path);
	}
	free(room);
}
END_TEST

/* The short way and the long way agree. */
START_TEST(test_a_plain_path_is_its_own_reading)
{
	struct span raw = span_of(paths[_i].raw.p, paths[_i].raw.n), out;
	char room[100];

	if (path_is_plain(raw)) {
		ck_assert_int_eq(path_read(raw, room, &out), ERR_OK);
		ck_assert(span_eq(out, path_trim(raw)));
	} else {
		ck_assert(memchr(raw.p, '%', raw.len) != NULL ||
			  strstr(paths[_i].raw.p, "//") != NULL);
	}
}
END_TEST

/* --- queries ----------------------------------------------------------------
 */

static const struct {
	struct text raw;
	bool good;
} checks[] = {
	{ T(""), true },
	{ T("a=b&c"), true },
	{ T("%41=%42"), true },
	{ T("a=%fF"), true },
	{ T("a=%"), false },
	{ T("a=%4"), false },
	{ T("a=%4&b=1"), false },
	{ T("a=%zz"), false },
	{ T("a=%00"), false },
	{ T("%00=a"), false },
	{ T("a=%41%00"), false },
	{ T("a=%%41"), false },
};

START_TEST(test_escapes_are_checked)
{
	ck_assert_int_eq(query_check(
			     span_of(checks[_i].raw.p, checks[_i].raw.n)),
	    checks[_i].good ? ERR_OK : ERR_PARAM);
}
END_TEST

/* Text, name asked for, value (NULL: absent), number of parameters. */
static const struct {
	const char *raw, *name, *value;
	unsigned n;
} queries[] = {
	{ "", "a", NULL, 0 },
	{ "a", "a", "", 1 },
	{ "a=", "a", "", 1 },
	{ "a=1", "a", "1", 1 },
	{ "a=1", "A", NULL, 1 },
	{ "a=1", "", NULL, 1 },
	{ "a=1&a=2", "a", "1", 2 },
	{ "a&a=2", "a", "", 2 },
	{ "b=0&a=1", "a", "1", 2 },
	{ "aa=0&a=1", "a", "1", 2 },
	{ "a=b=c", "a", "b=c", 1 },
	{ "a==", "a", "=", 1 },
	{ "a=b%26c=d", "a", "b&c=d", 1 },
	{ "a%3Db=c", "a=b", "c", 1 },
	{ "a=1+2", "a", "1 2", 1 },
	{ "a=1%2B2", "a", "1+2", 1 },
	{ "a+b=1", "a b", "1", 1 },
	{ "=1&a=2", "a", "2", 1 },
	{ "&&&a=2&&", "a", "2", 1 },
	{ "&", "a", NULL, 0 },
	{ "=", "a", NULL, 0 },
	{ "a=%C3%A9", "a", "\xc3\xa9", 1 },
	{ "a=1;b=2", "a", "1;b=2", 1 },
	{ "a=https://h/p?q=r", "a", "https://h/p?q=r", 1 },
};

START_TEST(test_query)
{
	struct span raw = span_str(queries[_i].raw);
	struct query q;
	/* exactly as much as is promised: a sanitizer sees one byte more */
	char *room = malloc(raw.len + 1);
	const char *value;

	ck_assert_ptr_nonnull(room);
	ck_assert_int_eq(query_check(raw), ERR_OK);
	query_split(raw, room, &q);
	ck_assert_uint_eq(q.n, queries[_i].n);
	value = query_get(&q, queries[_i].name);
	if (queries[_i].value == NULL) {
		ck_assert_ptr_null(value);
	} else {
		ck_assert_ptr_nonnull(value);
		ck_assert_str_eq(value, queries[_i].value);
	}
	free(room);
}
END_TEST

START_TEST(test_no_query_is_an_empty_one)
{
	struct query q;
	char room[1];

	ck_assert_int_eq(query_check(SPAN_NONE), ERR_OK);
	query_split(SPAN_NONE, room, &q);
	ck_assert_uint_eq(q.n, 0);
	ck_assert_ptr_null(query_get(&q, "a"));
}
END_TEST

START_TEST(test_parameters_after_the_32nd_are_ignored)
{
	char raw[400], room[401], name[8];
	struct query q;
	size_t at = 0;
	int i;

	for (i = 0; i < 40; i++)
		at += (size_t)snprintf(raw + at, sizeof(raw) - at, "&p%d=%d", i,
		    i);
	query_split(span_of(raw, at), room, &q);
	ck_assert_uint_eq(q.n, QUERY_PARAMS);
	for (i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		if (i < QUERY_PARAMS)
			ck_assert_int_eq(atoi(query_get(&q, name)), i);
		else
			ck_assert_ptr_null(query_get(&q, name));
	}
}
END_TEST

static const struct {
	const char *raw, *odd; /* NULL: none */
} odds[] = {
	{ "", NULL },
	{ "at=1&nonce=2", NULL },
	{ "nonce=", NULL },
	{ "at=1&at=1", "at" },
	{ "at=1&colour=2&at=3", "colour" },
	{ "At=1", "At" },
	{ "a%74=1&at=2", "at" },
	{ "=1", NULL },
};

START_TEST(test_a_name_that_is_none_or_comes_again)
{
	static const char *const names[] = { "at", "nonce" };
	struct span raw = span_str(odds[_i].raw);
	char room[64];
	struct query q;
	const char *odd;

	query_split(raw, room, &q);
	odd = query_odd(&q, names, 2);
	if (odds[_i].odd == NULL)
		ck_assert_ptr_null(odd);
	else
		ck_assert_str_eq(odd, odds[_i].odd);
	/* Where none is known, any is odd. */
	ck_assert((query_odd(&q, NULL, 0) == NULL) == (q.n == 0));
}
END_TEST

static void
suite_fill(TCase *tc)
{
	tcase_add_loop_test(tc, test_path, 0, N(paths));
	tcase_add_loop_test(tc, test_a_plain_path_is_its_own_reading, 0,
	    N(paths));
	tcase_add_loop_test(tc, test_escapes_are_checked, 0, N(checks));
	tcase_add_loop_test(tc, test_query, 0, N(queries));
	tcase_add_test(tc, test_no_query_is_an_empty_one);
	tcase_add_loop_test(tc, test_a_name_that_is_none_or_comes_again, 0,
	    N(odds));
	tcase_add_test(tc, test_parameters_after_the_32nd_are_ignored);
}

int
main(void)
{
	Suite *s = suite_create("query");
	TCase *tc = tcase_create("query");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	suite_fill(tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
