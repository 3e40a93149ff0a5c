#include "config/base/enc.h"
#include "config/base/json.h"

#include <check.h>
#include <string.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const unsigned char all[] = { 0x00, 0x01, 0x7f, 0x80, 0xab, 0xff };

START_TEST(test_hex_writes)
{
	struct buf b = BUF_INIT;
	char out[13];

	hex_lower(span_of(all, 6), out);
	ck_assert_str_eq(out, "00017f80abff");
	hex_upper(span_of(all, 6), out);
	ck_assert_str_eq(out, "00017F80ABFF");
	hex_lower(SPAN_NONE, out);
	ck_assert_str_eq(out, "");
	buf_hex(&b, span_of(all, 6));
	ck_assert(span_eq_str(buf_view(&b), "00017f80abff"));
	buf_free(&b);
}
END_TEST

START_TEST(test_hex_reads_either_case)
{
	struct buf b = BUF_INIT;
	unsigned char out[6];

	ck_assert_int_eq(hex_read(span_str("00017f80AbfF"), out, 6), ERR_OK);
	ck_assert_mem_eq(out, all, 6);
	ck_assert_int_eq(hex_read(SPAN_NONE, out, 0), ERR_OK);
	ck_assert_int_eq(hex_read_buf(span_str("00017F80abff"), &b), ERR_OK);
	ck_assert(span_eq(buf_view(&b), span_of(all, 6)));
	buf_free(&b);
}
END_TEST

static const char *const bad_hex[] = { "0", "00017f80abf", "00017f80abffff",
	"00017f80abf ", "0x017f80abff", "00017g80abff", "00017f80ab@f",
	"00017f80ab:f", "00017f80ab/f", "00017f80ab`f", "" };

START_TEST(test_hex_refuses)
{
	unsigned char out[6] = "asis.";

	ck_assert_int_eq(hex_read(span_str(bad_hex[_i]), out, 6), ERR_FORMAT);
	ck_assert_str_eq((char *)out, "asis.");
	ck_assert(!hex_is(span_str(bad_hex[_i]), 12));
}
END_TEST

START_TEST(test_hex_is)
{
	struct buf b = BUF_INIT;

	ck_assert(hex_is(span_str("09afAF"), 6));
	ck_assert(!hex_is(span_str("09afAF"), 5));
	ck_assert(hex_is(SPAN_NONE, 0));
	ck_assert_int_eq(hex_read_buf(span_str("abc"), &b), ERR_FORMAT);
	ck_assert_int_eq(hex_read_buf(span_str("abcx"), &b), ERR_FORMAT);
	ck_assert_uint_eq(b.len, 0);
	buf_free(&b);
}
END_TEST

/* RFC 4648 10, and the two digits in which the alphabets differ. */
static const struct {
	const char *bytes, *std, *url;
} b64[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xef\xbe", "++++", "----" },
	{ "\xff\xff\xff\xfe", "/////g==", "_____g" },
};

START_TEST(test_base64_both_ways)
{
	struct buf b = BUF_INIT;

	buf_base64(&b, span_str(b64[_i].bytes));
	ck_assert(span_eq_str(buf_view(&b), b64[_i].std));
	b.len = 0;
	buf_base64url(&b, span_str(b64[_i].bytes));
	ck_assert(span_eq_str(buf_view(&b), b64[_i].url));
	b.len = 0;
	ck_assert_int_eq(base64_read(span_str(b64[_i].std), &b), ERR_OK);
	ck_assert(span_eq_str(buf_view(&b), b64[_i].bytes));
	b.len = 0;
	ck_assert_int_eq(base64_read(span_str(b64[_i].url), &b), ERR_OK);
	ck_assert(span_eq_str(buf_view(&b), b64[_i].bytes));
	buf_free(&b);
}
END_TEST

static const char *const bad_b64[] = { "Z", "Zg=", "Zg===", "=",
	"====", "Zh==", "Zh", "Zm9=", "Zm8x=", "Zm9v Zg==", "Zm9v\n", " Zm9v",
	"Zm9v=", "Zm9v==", "Z=g=", "Zg==Zg==", "+-++", "/_aa", "Zm9$",
	"Zm9\x80" };

START_TEST(test_base64_refuses)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	ck_assert_int_eq(base64_read(span_str(bad_b64[_i]), &b), ERR_FORMAT);
	ck_assert(span_eq_str(buf_view(&b), "kept"));
	buf_free(&b);
}
END_TEST

START_TEST(test_percent_both_ways)
{
	static const char text[] = "-----BEGIN a~b_c.d/é+ %\n";
	struct buf b = BUF_INIT, back = BUF_INIT;

	buf_pct(&b, span_str(text));
	ck_assert(span_eq_str(buf_view(&b),
	    "-----BEGIN%20a~b_c.d%2F%C3%A9%2B%20%25%0A"));
	ck_assert_int_eq(pct_read(buf_view(&b), &back), ERR_OK);
	ck_assert(span_eq_str(buf_view(&back), text));
	buf_free(&b);
	buf_free(&back);
}
END_TEST

START_TEST(test_plus_is_a_blank_in_a_query_only)
{
	struct buf b = BUF_INIT;

	ck_assert_int_eq(pct_read(span_str("a+b%2b%2B"), &b), ERR_OK);
	ck_assert(span_eq_str(buf_view(&b), "a+b++"));
	b.len = 0;
	ck_assert_int_eq(query_read(span_str("a+b%2b%2B"), &b), ERR_OK);
	ck_assert(span_eq_str(buf_view(&b), "a b++"));
	b.len = 0;
	ck_assert_int_eq(pct_read(span_str("%00"), &b), ERR_OK);
	ck_assert(span_eq(buf_view(&b), span_of("\0", 1)));
	buf_free(&b);
}
END_TEST

static const char *const bad_pct[] = { "%", "a%", "%2", "a%2", "%zz", "%2g",
	"%g2", "%%20", "% 2", "%+2", "%-1" };

START_TEST(test_percent_refuses)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "kept");
	ck_assert_int_eq(pct_read(span_str(bad_pct[_i]), &b), ERR_FORMAT);
	ck_assert_int_eq(query_read(span_str(bad_pct[_i]), &b), ERR_FORMAT);
	ck_assert(span_eq_str(buf_view(&b), "kept"));
	buf_free(&b);
}
END_TEST

/* FIPS 180-4 examples. */
START_TEST(test_digests)
{
	unsigned char out[64];
	char hex[129];

	sha256(span_str("abc"), out);
	hex_lower(span_of(out, 32), hex);
	ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223"
			      "b00361a396177a9cb410ff61f20015ad");
	sha256(SPAN_NONE, out);
	hex_lower(span_of(out, 32), hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb924"
			      "27ae41e4649b934ca495991b7852b855");
	sha384(span_str("abc"), out);
	hex_lower(span_of(out, 48), hex);
	ck_assert_str_eq(hex,
	    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
	    "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
	sha512(span_str("abc"), out);
	hex_lower(span_of(out, 64), hex);
	ck_assert_str_eq(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2"
			      "0a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
			      "454d4423643ce80e2a9ac94fa54ca49f");
}
END_TEST

START_TEST(test_equal_ct)
{
	ck_assert(equal_ct("abcd", "abcd", 4));
	ck_assert(!equal_ct("abcd", "abce", 4));
	ck_assert(!equal_ct("xbcd", "abcd", 4));
	ck_assert(equal_ct("abcd", "abce", 3));
	ck_assert(equal_ct("a", "b", 0));
}
END_TEST

START_TEST(test_random_bytes_differ)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	random_bytes(a, 0);
}
END_TEST

/* Never NULL: what is not UTF-8 is taken byte by byte. */
START_TEST(test_any_bytes_are_a_text_in_json)
{
	static const struct {
		const char *in, *out;
	} text[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "\303\266", "\303\266" },
		{ "a\303", "a\303\203" },
		{ "\377\200~", "\303\277\302\200~" },
		{ "\355\240\200", "\303\255\302\240\302\200" },
	};
	json_t *o;
	int i;

	for (i = 0; i < N(text); i++) {
		o = json_safe(text[i].in);
		ck_assert_ptr_nonnull(o);
		ck_assert_str_eq(json_string_value(o), text[i].out);
		json_decref(o);
	}
	o = json_safe_span(SPAN_NONE);
	ck_assert_str_eq(json_string_value(o), "");
	json_decref(o);
	o = json_safe_span(span_of(all, sizeof(all)));
	ck_assert_uint_eq(json_string_length(o), sizeof(all) + 3);
	json_decref(o);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("enc");
	TCase *tc = tcase_create("enc");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_hex_writes);
	tcase_add_test(tc, test_hex_reads_either_case);
	tcase_add_loop_test(tc, test_hex_refuses, 0, N(bad_hex));
	tcase_add_test(tc, test_hex_is);
	tcase_add_loop_test(tc, test_base64_both_ways, 0, N(b64));
	tcase_add_loop_test(tc, test_base64_refuses, 0, N(bad_b64));
	tcase_add_test(tc, test_percent_both_ways);
	tcase_add_test(tc, test_plus_is_a_blank_in_a_query_only);
	tcase_add_loop_test(tc, test_percent_refuses, 0, N(bad_pct));
	tcase_add_test(tc, test_any_bytes_are_a_text_in_json);
	tcase_add_test(tc, test_digests);
	tcase_add_test(tc, test_equal_ct);
	tcase_add_test(tc, test_random_bytes_differ);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
