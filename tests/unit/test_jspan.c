/*
 * The slicer of signed JSON: which octets are verified, and that no other
 * reader can see another member than the one that was (quote-verification
 * 4.1).
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/jread.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000

#define SIG                                                                    \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"     \
	"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"

static enum err
cut(struct span body, struct span *value, unsigned char sig[64])
{
	struct why why = { 0 };
	enum err e = jspan_cut(body, "tcbInfo", value, sig, &why);

	if (e != ERR_OK) {
		ck_assert_int_eq(why.err, e);
		ck_assert_str_ne(why.clause, "");
		ck_assert_str_ne(why.text, "");
	}
	return e;
}

START_TEST(test_value_is_cut_exactly)
{
	static const struct {
		const char *body, *value;
	} cases[] = {
		{ "{\"tcbInfo\":{},\"signature\":\"" SIG "\"}", "{}" },
		{ "{\"tcbInfo\":{\"a\":1},\"signature\":\"" SIG "\"}",
		    "{\"a\":1}" },
		{ "{\"signature\":\"" SIG "\",\"tcbInfo\":{\"a\":1}}",
		    "{\"a\":1}" },
		{ " \t\r\n{ \"tcbInfo\" : { \"a\" : [ 1 ] } , \"signature\" : "
		  "\"" SIG "\" } \r\n",
		    "{ \"a\" : [ 1 ] }" },
		{ "{\"tcbInfo\":{\"}\":\"]\\\"}{\"},\"signature\":\"" SIG "\"}",
		    "{\"}\":\"]\\\"}{\"}" },
		{ "{\"tcbInfo\":{\"a\":\"\\\\\"},\"signature\":\"" SIG "\"}",
		    "{\"a\":\"\\\\\"}" },
		{ "{\"tcbInfo\":{\"a\":{\"b\":[[],{}]}},\"signature\":\"" SIG
		  "\"}",
		    "{\"a\":{\"b\":[[],{}]}}" },
	};
	unsigned char sig[64], want[64];
	struct span value;
	size_t i;

	for (i = 0; i < 64; i++)
		want[i] = (unsigned char)i;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span body = span_str(cases[i].body);

		ck_assert_msg(cut(body, &value, sig) == ERR_OK, "case %zu", i);
		ck_assert(span_eq_str(value, cases[i].value));
		ck_assert(value.p > body.p && value.p < body.p + body.len);
		ck_assert_mem_eq(sig, want, 64);
	}
}
END_TEST

START_TEST(test_upper_case_signature_is_the_same)
{
	char body[256];
	unsigned char sig[64];
	struct span value;
	int i;

	snprintf(body, sizeof(body), "{\"tcbInfo\":{},\"signature\":\"%s\"}",
	    SIG);
	for (i = 28; body[i] != '\0'; i++)
		if (body[i] >= 'a' && body[i] <= 'f')
			body[i] = (char)(body[i] - 32);
	ck_assert(cut(span_str(body), &value, sig) == ERR_OK);
	ck_assert_uint_eq(sig[0x3f], 0x3f);
}
END_TEST

START_TEST(test_other_envelopes_are_refused)
{
	static const char *const cases[] = {
		"",
		" ",
		"{",
		"{}",
		"[]",
		"null",
		/* one member alone */
		"{\"tcbInfo\":{}}",
		"{\"signature\":\"" SIG "\"}",
		/* twice */
		"{\"tcbInfo\":{},\"tcbInfo\":{},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\",\"tcbInfo\":{}}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\",\"signature\":\"" SIG
		"\"}",
		/* unknown, other case, escaped */
		"{\"tcbInfo\":{},\"x\":1,\"signature\":\"" SIG "\"}",
		"{\"TCBINFO\":{},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{},\"Signature\":\"" SIG "\"}",
		"{\"tcb\\u0049nfo\":{},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{},\"signatur\\u0065\":\"" SIG "\"}",
		"{\"tcbInfo\":{},\"tcb\\u0049nfo\":{},\"signature\":\"" SIG
		"\"}",
		"{\"enclaveIdentity\":{},\"signature\":\"" SIG "\"}",
		/* the value is not an object */
		"{\"tcbInfo\":[],\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":1,\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":\"{}\",\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":null,\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":,\"signature\":\"" SIG "\"}",
		/* brackets that do not match */
		"{\"tcbInfo\":{]},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{[},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{\"a\":\"},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{\"a\n\":1},\"signature\":\"" SIG "\"}",
		/* the signature */
		"{\"tcbInfo\":{},\"signature\":\"\"}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "00\"}",
		"{\"tcbInfo\":{},\"signature\":\"0" SIG "\"}",
		"{\"tcbInfo\":{},\"signature\":\"g" SIG "\"}",
		"{\"tcbInfo\":{},\"signature\":\" " SIG "\"}",
		"{\"tcbInfo\":{},\"signature\":[\"" SIG "\"]}",
		"{\"tcbInfo\":{},\"signature\":1}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG,
		/* commas, and what follows */
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\",}",
		"{,\"tcbInfo\":{},\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{} \"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{},,\"signature\":\"" SIG "\"}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\"",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\"}}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\"}x",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\"}{}",
		"{\"tcbInfo\":{},\"signature\":\"" SIG "\"}\f",
		"\xef\xbb\xbf{\"tcbInfo\":{},\"signature\":\"" SIG "\"}",
		"x{\"tcbInfo\":{},\"signature\":\"" SIG "\"}",
		"{'tcbInfo':{},\"signature\":\"" SIG "\"}",
	};
	unsigned char sig[64] = { 7 };
	struct span value = SPAN_NONE;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(cut(span_str(cases[i]), &value, sig) ==
				  ERR_FORMAT,
		    "accepted: %s", cases[i]);
		ck_assert_ptr_null(value.p);
		ck_assert_uint_eq(sig[0], 7);
	}
}
END_TEST

START_TEST(test_nul_is_refused_wherever_it_stands)
{
	static const char body[] =
	    "{\"tcbInfo\":{\"a\":1},\"signature\":\"" SIG "\"}  ";
	unsigned char sig[64];
	struct span value;
	struct blob *b;
	size_t i;

	for (i = 0; i < sizeof(body) - 1; i++) {
		b = blob_new(body, sizeof(body) - 1);
		b->data[i] = '\0';
		ck_assert_msg(cut(blob_span(b), &value, sig) == ERR_FORMAT,
		    "NUL at %zu", i);
		blob_unref(b);
	}
	/* With its own NUL behind, as C strings are passed by mistake. */
	ck_assert(cut(span_of(body, sizeof(body)), &value, sig) == ERR_FORMAT);
}
END_TEST

START_TEST(test_every_truncation_is_refused)
{
	static const char body[] =
	    "{\"tcbInfo\":{\"a\":[\"\\\"\"]},\"signature\":\"" SIG "\"}";
	unsigned char sig[64];
	struct span value;
	struct blob *b;
	size_t i;

	for (i = 0; i + 1 < sizeof(body) - 1; i++) {
		/* An own copy: a sanitizer sees a read too far. */
		b = blob_new(body, i);
		ck_assert_msg(cut(blob_span(b), &value, sig) == ERR_FORMAT,
		    "%zu octets", i);
		blob_unref(b);
	}
}
END_TEST

static struct blob *
nested(int depth)
{
	struct buf b = BUF_INIT;
	int i;

	buf_str(&b, "{\"tcbInfo\":{\"a\":");
	for (i = 0; i < depth; i++)
		buf_str(&b, "[");
	for (i = 0; i < depth; i++)
		buf_str(&b, "]");
	buf_str(&b, "},\"signature\":\"" SIG "\"}");
	return buf_blob(&b);
}

START_TEST(test_depth_and_size_are_capped)
{
	unsigned char sig[64];
	struct span value;
	struct blob *b = nested(JSON_DEPTH_MAX - 1);

	ck_assert(cut(blob_span(b), &value, sig) == ERR_OK);
	blob_unref(b);
	b = nested(JSON_DEPTH_MAX);
	ck_assert(cut(blob_span(b), &value, sig) == ERR_TOO_BIG);
	blob_unref(b);
	b = nested(50000);
	ck_assert(cut(blob_span(b), &value, sig) == ERR_TOO_BIG);
	blob_unref(b);
	b = nested(JSON_TEXT_MAX);
	ck_assert(cut(blob_span(b), &value, sig) == ERR_TOO_BIG);
	blob_unref(b);
}
END_TEST

/* jansson's view of the same octets is the same: no second interpretation. */
static void
same_as_jansson(struct span body, struct span value, const unsigned char *sig)
{
	json_t *j = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	json_t *v = json_loadb((const char *)value.p, value.len,
	    JSON_REJECT_DUPLICATES, NULL);
	unsigned char hex[64];

	/* The slicer does not judge the inside; whoever uses it parses it. */
	ck_assert((j == NULL) == (v == NULL));
	if (j != NULL) {
		const char *s =
		    json_string_value(json_object_get(j, "signature"));

		ck_assert_uint_eq(json_object_size(j), 2);
		ck_assert(json_equal(json_object_get(j, "tcbInfo"), v));
		ck_assert(hex_read(span_str(s), hex, 64) == ERR_OK);
		ck_assert_mem_eq(hex, sig, 64);
	}
	json_decref(j);
	json_decref(v);
}

START_TEST(test_what_is_cut_is_what_json_means)
{
	struct pki *pki = pki_new("test", NOW);
	struct pki_doc doc = pki_tcbinfo(pki,
	    &(struct pki_tcbinfo){ .tee = TEE_SGX, .fmspc = "00906ED50000" });
	unsigned char sig[64];
	size_t i, accepted = 0;
	struct span value;
	unsigned bit;

	for (i = 0; i < doc.body->len; i++)
		for (bit = 0; bit < 8; bit++) {
			struct blob *b = flipped(blob_span(doc.body), i, bit);

			if (jspan_cut(blob_span(b), "tcbInfo", &value, sig,
				NULL) == ERR_OK) {
				same_as_jansson(blob_span(b), value, sig);
				accepted++;
			}
			blob_unref(b);
		}
	ck_assert_uint_gt(accepted, 1000);
	pki_doc_fini(&doc);
	pki_free(pki);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("jspan");
	TCase *t = tcase_create("cut");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_value_is_cut_exactly);
	tcase_add_test(t, test_upper_case_signature_is_the_same);
	tcase_add_test(t, test_other_envelopes_are_refused);
	tcase_add_test(t, test_nul_is_refused_wherever_it_stands);
	tcase_add_test(t, test_every_truncation_is_refused);
	tcase_add_test(t, test_depth_and_size_are_capped);
	tcase_add_test(t, test_what_is_cut_is_what_json_means);
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
