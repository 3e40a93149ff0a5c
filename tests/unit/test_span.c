#include "config/base/span.h"

#include "config/base/blob.h"
#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_comparisons)
{
	struct span s = span_str("Host");

	ck_assert(span_eq(s, span_of("Host", 4)));
	ck_assert(!span_eq(s, span_of("Host", 3)));
	ck_assert(!span_eq(s, span_str("host")));
	ck_assert(span_eq(SPAN_NONE, span_of("", 0)));
	ck_assert(span_eq(span_str(NULL), SPAN_NONE));
	ck_assert(span_eq_str(s, "Host"));
	ck_assert(!span_eq_str(s, "Hos"));
	ck_assert(!span_eq_str(span_of("a\0b", 3), "a"));
	ck_assert(span_eq_nocase(s, "hOST"));
	ck_assert(!span_eq_nocase(s, "hosts"));
	ck_assert(!span_eq_nocase(span_str("@"), "`"));
	ck_assert(!span_eq_nocase(span_str("["), "{"));
	ck_assert(!span_eq_nocase(span_str("\xc4"), "\xe4"));
}
END_TEST

START_TEST(test_all_and_starts)
{
	ck_assert(span_all(span_of("\0\0\0", 3), 0));
	ck_assert(!span_all(span_of("\0\0\1", 3), 0));
	ck_assert(!span_all(span_of("\1\0\0", 3), 0));
	ck_assert(span_all(SPAN_NONE, 7));
	ck_assert(span_starts(span_str("unix:/x"), "unix:"));
	ck_assert(span_starts(span_str("unix:"), "unix:"));
	ck_assert(!span_starts(span_str("unix"), "unix:"));
	ck_assert(!span_starts(span_str("Unix:"), "unix:"));
	ck_assert(span_starts(SPAN_NONE, ""));
}
END_TEST

START_TEST(test_dup_ends_in_nul)
{
	char *a = span_dup(span_of("ab\0c", 4)), *b = span_dup(SPAN_NONE);

	ck_assert_mem_eq(a, "ab\0c", 5);
	ck_assert_str_eq(b, "");
	free(a);
	free(b);
}
END_TEST

START_TEST(test_cursor_reads_little_endian)
{
	static const unsigned char raw[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
		12, 13, 14, 0xff };
	struct span s = span_of(raw, sizeof(raw));
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;
	uint8_t v8;

	ck_assert_int_eq(span_u16le(&s, &v16), ERR_OK);
	ck_assert_uint_eq(v16, 0x0201);
	ck_assert_int_eq(span_u32le(&s, &v32), ERR_OK);
	ck_assert_uint_eq(v32, 0x06050403);
	ck_assert_int_eq(span_u64le(&s, &v64), ERR_OK);
	ck_assert_uint_eq(v64, 0x0e0d0c0b0a090807);
	ck_assert_int_eq(span_u8(&s, &v8), ERR_OK);
	ck_assert_uint_eq(v8, 0xff);
	ck_assert_uint_eq(s.len, 0);
	ck_assert_int_eq(span_u8(&s, &v8), ERR_FORMAT);
}
END_TEST

START_TEST(test_cursor_too_short_leaves_all_untouched)
{
	/* on the heap, exactly as long as said: a sanitizer sees an overrun */
	unsigned char *raw = xmemdup("abcdefg", 7);
	struct span s = span_of(raw, 7), out = span_str("out");
	uint64_t v64 = 64;
	uint32_t v32 = 32;
	uint16_t v16 = 16;
	uint8_t v8 = 8;
	char dst[9] = "........";

	ck_assert_int_eq(span_u64le(&s, &v64), ERR_FORMAT);
	ck_assert_int_eq(span_take(&s, 8, &out), ERR_FORMAT);
	ck_assert_int_eq(span_skip(&s, 8), ERR_FORMAT);
	ck_assert_int_eq(span_copy(&s, dst, 8), ERR_FORMAT);
	ck_assert_int_eq(span_take(&s, (size_t)-1, &out), ERR_FORMAT);
	ck_assert_int_eq(span_until(&s, 'z', &out), ERR_FORMAT);
	ck_assert_uint_eq(s.len, 7);
	ck_assert_ptr_eq(s.p, raw);
	ck_assert_int_eq(span_skip(&s, 4), ERR_OK);
	ck_assert_int_eq(span_u32le(&s, &v32), ERR_FORMAT);
	ck_assert_int_eq(span_skip(&s, 2), ERR_OK);
	ck_assert_int_eq(span_u16le(&s, &v16), ERR_FORMAT);
	ck_assert_int_eq(span_skip(&s, 1), ERR_OK);
	ck_assert_int_eq(span_u8(&s, &v8), ERR_FORMAT);
	ck_assert_int_eq(span_until(&s, 'g', &out), ERR_FORMAT);
	ck_assert_uint_eq(v64 + v32 + v16 + v8, 120);
	ck_assert_str_eq(dst, "........");
	ck_assert(span_eq_str(out, "out"));
	free(raw);
}
END_TEST

START_TEST(test_take_and_copy)
{
	struct span s = span_str("abcdef"), out;
	char dst[3];

	ck_assert_int_eq(span_take(&s, 2, &out), ERR_OK);
	ck_assert(span_eq_str(out, "ab"));
	ck_assert_int_eq(span_take(&s, 0, &out), ERR_OK);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(span_copy(&s, dst, 3), ERR_OK);
	ck_assert_mem_eq(dst, "cde", 3);
	ck_assert(span_eq_str(s, "f"));
	s = SPAN_NONE;
	ck_assert_int_eq(span_take(&s, 0, &out), ERR_OK);
	ck_assert_int_eq(span_copy(&s, NULL, 0), ERR_OK);
}
END_TEST

START_TEST(test_until_consumes_the_stop_byte)
{
	struct span s = span_str("a,,b"), out;

	ck_assert_int_eq(span_until(&s, ',', &out), ERR_OK);
	ck_assert(span_eq_str(out, "a"));
	ck_assert_int_eq(span_until(&s, ',', &out), ERR_OK);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(span_until(&s, ',', &out), ERR_FORMAT);
	ck_assert(span_eq_str(s, "b"));
}
END_TEST

START_TEST(test_blob_counts_its_references)
{
	struct blob *b = blob_new("x\0y", 3), *same = blob_ref(b);

	ck_assert_ptr_eq(same, b);
	blob_unref(b);
	ck_assert(span_eq(blob_span(same), span_of("x\0y", 3)));
	ck_assert_uint_eq(same->data[3], '\0');
	blob_unref(same);
	b = blob_from(SPAN_NONE);
	ck_assert_uint_eq(b->len, 0);
	ck_assert_str_eq((char *)b->data, "");
	blob_unref(b);
	ck_assert_ptr_null(blob_ref(NULL));
	blob_unref(NULL);
	ck_assert(span_eq(blob_span(NULL), SPAN_NONE));
}
END_TEST

START_TEST(test_buf_prints_texts_of_any_length)
{
	char text[400], want[500];
	size_t before, n;

	for (before = 0; before < 130; before++) {
		for (n = 0; n < 200; n++) {
			struct buf b = BUF_INIT;

			memset(want, 'w', before);
			memset(text, 't', n);
			text[n] = '\0';
			buf_add(&b, want, before);
			buf_printf(&b, "<%s>", text);
			snprintf(want + before, sizeof(want) - before, "<%s>",
			    text);
			ck_assert_uint_eq(b.len, before + n + 2);
			ck_assert_str_eq(b.p, want);
			buf_free(&b);
		}
	}
}
END_TEST

START_TEST(test_buf_writes_numbers)
{
	struct buf b = BUF_INIT;

	buf_dec(&b, 0);
	buf_str(&b, " ");
	buf_dec(&b, 9);
	buf_str(&b, " ");
	buf_dec(&b, 86400);
	buf_str(&b, " ");
	buf_dec(&b, UINT64_MAX);
	ck_assert_str_eq(b.p, "0 9 86400 18446744073709551615");
	buf_free(&b);
}
END_TEST

START_TEST(test_buf_grows_and_becomes_a_blob)
{
	struct buf b = BUF_INIT;
	struct blob *blob;
	char want[3001];
	int i;

	ck_assert_uint_eq(buf_view(&b).len, 0);
	for (i = 0; i < 1000; i++) {
		buf_printf(&b, "%02d", i % 100);
		buf_add(&b, "-", 1);
		memcpy(want + 3 * i, b.p + 3 * i, 3);
	}
	want[3000] = '\0';
	ck_assert_uint_eq(b.len, 3000);
	ck_assert_str_eq(b.p, want);
	ck_assert_int_eq(strncmp(b.p, "00-01-02-", 9), 0);
	buf_str(&b, "end");
	buf_span(&b, span_of("!\0", 2));
	buf_add(&b, NULL, 0);
	blob = buf_blob(&b);
	ck_assert_uint_eq(blob->len, 3005);
	ck_assert_mem_eq(blob->data + 2997, "99-end!\0", 8);
	ck_assert_ptr_null(b.p);
	ck_assert_uint_eq(b.len, 0);
	blob_unref(blob);
	blob = buf_blob(&b);
	ck_assert_uint_eq(blob->len, 0);
	blob_unref(blob);
	buf_free(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("span");
	TCase *tc = tcase_create("span");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_comparisons);
	tcase_add_test(tc, test_all_and_starts);
	tcase_add_test(tc, test_dup_ends_in_nul);
	tcase_add_test(tc, test_cursor_reads_little_endian);
	tcase_add_test(tc, test_cursor_too_short_leaves_all_untouched);
	tcase_add_test(tc, test_take_and_copy);
	tcase_add_test(tc, test_until_consumes_the_stop_byte);
	tcase_add_test(tc, test_blob_counts_its_references);
	tcase_add_test(tc, test_buf_prints_texts_of_any_length);
	tcase_add_test(tc, test_buf_writes_numbers);
	tcase_add_test(tc, test_buf_grows_and_becomes_a_blob);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
