/* The DER cursor: what it takes, and that it takes nothing else. */
#include "storage/verify/der.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define S(text)                                                                \
	{                                                                      \
		(const unsigned char *)(text), sizeof(text) - 1                \
	}

START_TEST(test_values_have_one_form)
{
	static const struct {
		struct span in;
		enum err e;
		uint8_t tag;
		size_t at, len; /* of the contents */
	} cases[] = {
		{ S("\x05\x00"), ERR_OK, 5, 2, 0 },
		{ S("\x04\x02"
		    "ab"
		    "more"),
		    ERR_OK, 4, 2, 2 },
		{ S(""), ERR_FORMAT, 0, 0, 0 },
		{ S("\x04"), ERR_FORMAT, 0, 0, 0 },
		{ S("\x04\x03"
		    "ab"),
		    ERR_FORMAT, 0, 0, 0 },
		/* Tags of more octets, end of contents of no length. */
		{ S("\x1f\x01\x00"), ERR_FORMAT, 0, 0, 0 },
		{ S("\xbf\x81\x01\x00"), ERR_FORMAT, 0, 0, 0 },
		{ S("\x30\x80\x00\x00"), ERR_FORMAT, 0, 0, 0 },
		/* Lengths in more octets than they need. */
		{ S("\x04\x81\x01"
		    "a"),
		    ERR_FORMAT, 0, 0, 0 },
		{ S("\x04\x82\x00\x01"
		    "a"),
		    ERR_FORMAT, 0, 0, 0 },
		{ S("\x04\x83\x00\x00\x01"
		    "a"),
		    ERR_FORMAT, 0, 0, 0 },
		{ S("\x04\x81"), ERR_FORMAT, 0, 0, 0 },
		{ S("\x04\x82\x01"), ERR_FORMAT, 0, 0, 0 },
	};
	struct span s, contents, whole;
	uint8_t tag;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = cases[i].in;
		ck_assert_msg(der_next(&s, &tag, &contents, &whole) ==
				  cases[i].e,
		    "case %zu", i);
		if (cases[i].e != ERR_OK) {
			ck_assert_ptr_eq(s.p, cases[i].in.p);
			ck_assert_uint_eq(s.len, cases[i].in.len);
			continue;
		}
		ck_assert_uint_eq(tag, cases[i].tag);
		ck_assert_ptr_eq(contents.p, cases[i].in.p + cases[i].at);
		ck_assert_uint_eq(contents.len, cases[i].len);
		ck_assert_ptr_eq(whole.p, cases[i].in.p);
		ck_assert_uint_eq(whole.len, cases[i].at + cases[i].len);
		ck_assert_ptr_eq(s.p, contents.p + contents.len);
		ck_assert_uint_eq(s.len, cases[i].in.len - whole.len);
	}
}
END_TEST

/* On both sides of where the length takes another octet; and one short. */
START_TEST(test_long_values)
{
	static const struct {
		size_t len;
		const char *head;
		size_t head_len;
	} cases[] = {
		{ 127, "\x04\x7f", 2 },
		{ 128, "\x04\x81\x80", 3 },
		{ 255, "\x04\x81\xff", 3 },
		{ 256, "\x04\x82\x01\x00", 4 },
		{ 65535, "\x04\x82\xff\xff", 4 },
	};
	static unsigned char octets[65539];
	struct span s, contents;
	uint8_t tag;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(octets, cases[i].head, cases[i].head_len);
		s = span_of(octets, cases[i].head_len + cases[i].len);
		ck_assert_int_eq(der_next(&s, &tag, &contents, NULL), ERR_OK);
		ck_assert_uint_eq(contents.len, cases[i].len);
		s = span_of(octets, cases[i].head_len + cases[i].len - 1);
		ck_assert_int_eq(der_next(&s, &tag, &contents, NULL),
		    ERR_FORMAT);
	}
}
END_TEST

START_TEST(test_only_the_kind_that_is_wanted_is_taken)
{
	const struct span both = S("\x02\x01\x07\x30\x00");
	struct span s = both, contents, whole;

	ck_assert_int_eq(der_take(&s, DER_SEQUENCE, &contents, NULL),
	    ERR_FORMAT);
	ck_assert_ptr_eq(s.p, both.p);
	ck_assert_int_eq(der_take(&s, DER_INTEGER, &contents, &whole), ERR_OK);
	ck_assert_uint_eq(whole.len, 3);
	ck_assert_int_eq(der_take(&s, DER_SEQUENCE, &contents, &whole), ERR_OK);
	ck_assert_uint_eq(contents.len, 0);
	ck_assert_uint_eq(s.len, 0);
}
END_TEST

START_TEST(test_integers)
{
	static const struct {
		struct span in;
		uint64_t max;
		enum err e;
		uint64_t v;
	} cases[] = {
		{ S("\x00"), 0, ERR_OK, 0 },
		{ S("\x7f"), 255, ERR_OK, 127 },
		{ S("\x00\xff"), 255, ERR_OK, 255 },
		{ S("\x01\x00"), 255, ERR_RANGE, 0 },
		{ S("\x02"), 1, ERR_RANGE, 0 },
		{ S("\x00\xff\xff\xff\xff\xff\xff\xff\xff"), UINT64_MAX, ERR_OK,
		    UINT64_MAX },
		{ S("\x01\x00\x00\x00\x00\x00\x00\x00\x00"), UINT64_MAX,
		    ERR_RANGE, 0 },
		{ S("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), UINT64_MAX,
		    ERR_RANGE, 0 },
		{ S("\xff"), 255, ERR_RANGE, 0 },
		{ S("\x80\x00"), 255, ERR_RANGE, 0 },
		{ S(""), 255, ERR_FORMAT, 0 },
		{ S("\x00\x00"), 255, ERR_FORMAT, 0 },
		{ S("\x00\x7f"), 255, ERR_FORMAT, 0 },
		{ S("\xff\xff"), 255, ERR_FORMAT, 0 },
	};
	uint64_t v;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v = 0;
		ck_assert_msg(der_unsigned(cases[i].in, cases[i].max, &v) ==
				  cases[i].e,
		    "case %zu", i);
		if (cases[i].e == ERR_OK)
			ck_assert_uint_eq(v, cases[i].v);
	}
}
END_TEST

START_TEST(test_identifiers)
{
	static const struct {
		struct span in;
		bool ok;
	} cases[] = {
		{ S("\x2a"), true },
		{ S("\x2a\x86\x48"), true },
		{ S("\x2a\x81\x80\x01"), true }, /* 0x80 inside */
		{ S(""), false },
		{ S("\x2a\x86"), false },
		{ S("\x80\x01"), false },
		{ S("\x2a\x80\x01"), false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(der_oid_ok(cases[i].in) == cases[i].ok,
		    "case %zu", i);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("der");
	TCase *t = tcase_create("der");

	tcase_add_test(t, test_values_have_one_form);
	tcase_add_test(t, test_long_values);
	tcase_add_test(t, test_only_the_kind_that_is_wanted_is_taken);
	tcase_add_test(t, test_integers);
	tcase_add_test(t, test_identifiers);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
