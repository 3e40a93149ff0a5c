/*
 * Real quotes against what the vectors' index says of them; every truncation
 * and a list of damages are refused (quote-verification 2).
 */
#include "server/quoteinfo.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *quotes; /* array of {"file", "is"} */

/* Add every entry of one index, with its path below the vectors. */
static void
index_read(const char *tee)
{
	char path[PATH_MAX];
	json_t *index, *of;
	const char *name;
	json_t *is;

	snprintf(path, sizeof(path), "%s/%s/quotes.json", vectors_dir(), tee);
	if ((index = json_load_file(path, 0, NULL)) == NULL)
		return;
	of = json_object_get(index, "quotes");
	json_object_foreach(of, name, is)
	{
		snprintf(path, sizeof(path), "%s/%s/%s", vectors_dir(), tee,
		    name);
		json_array_append_new(quotes,
		    json_pack("{s:s, s:O}", "file", path, "is", is));
	}
	json_decref(index);
}

static struct blob *
quote_at(int i, json_t **is)
{
	json_t *row = json_array_get(quotes, (size_t)i);
	struct blob *b;

	*is = json_object_get(row, "is");
	b = file_read(json_string_value(json_object_get(row, "file")));
	ck_assert_ptr_nonnull(b);
	return b;
}

static bool
has_chain(json_t *is)
{
	return json_integer_value(
		   json_object_get(is, "certification_data_type")) == 5;
}

START_TEST(test_real_quotes_are_read_as_the_index_says)
{
	struct quoteinfo q = { .chain = NULL };
	struct why why = { 0 };
	json_t *is, *pck;
	struct blob *b = quote_at(_i, &is);
	enum err e = quoteinfo_read(blob_span(b), &q, &why);
	bool processor;

	if (!has_chain(is)) {
		ck_assert_int_eq(e, ERR_FORMAT);
		ck_assert_ptr_nonnull(strstr(why.text, "no PCK chain"));
		blob_unref(b);
		return;
	}
	ck_assert_msg(e == ERR_OK, "%s: %s", why.clause, why.text);
	pck = json_object_get(is, "pck");
	ck_assert_int_eq((int)q.version,
	    (int)json_integer_value(json_object_get(is, "version")));
	ck_assert_int_eq((int)q.tee,
	    (int)json_integer_value(json_object_get(is, "tee_type")));
	ck_assert_uint_eq(q.len,
	    (size_t)json_integer_value(json_object_get(is, "quote_len")));
	ck_assert(span_eq_nocase(span_str(q.fmspc),
	    json_string_value(json_object_get(pck, "fmspc"))));
	processor =
	    strcmp(json_string_value(
		       json_object_get(json_object_get(is, "chain"), "issuer")),
		"Intel SGX PCK Processor CA") == 0;
	ck_assert_int_eq(q.ca == PCK_CA_PROCESSOR, processor);
	ck_assert(
	    span_starts(blob_span(q.chain), "-----BEGIN CERTIFICATE-----\n"));
	quoteinfo_fini(&q);
	blob_unref(b);
}
END_TEST

START_TEST(test_every_truncation_is_refused)
{
	struct quoteinfo q;
	json_t *is;
	struct blob *b = quote_at(_i, &is);
	size_t len =
	    (size_t)json_integer_value(json_object_get(is, "quote_len"));
	size_t n;

	for (n = 0; n < len; n++)
		ck_assert_int_eq(quoteinfo_read(span_of(b->data, n), &q, NULL),
		    ERR_FORMAT);
	blob_unref(b);
}
END_TEST

START_TEST(test_only_zeros_may_follow)
{
	struct quoteinfo q;
	json_t *is;
	struct blob *b = quote_at(_i, &is);
	struct buf more = BUF_INIT;

	buf_span(&more, blob_span(b));
	buf_add(&more, "\0\0\0\0", 4);
	if (has_chain(is)) {
		ck_assert_int_eq(quoteinfo_read(buf_view(&more), &q, NULL),
		    ERR_OK);
		quoteinfo_fini(&q);
	}
	more.p[more.len - 1] = 1;
	ck_assert_int_eq(quoteinfo_read(buf_view(&more), &q, NULL), ERR_FORMAT);
	buf_free(&more);
	blob_unref(b);
}
END_TEST

/* Damages by offset in the header, for any version. */
static const struct {
	size_t at;
	unsigned char to;
} damages[] = {
	{ 0, 2 }, /* version */
	{ 0, 6 },
	{ 1, 1 },
	{ 2, 3 },    /* ECDSA P-384 */
	{ 2, 0 },    /* EPID */
	{ 4, 0x80 }, /* TEE type */
	{ 7, 1 },
	{ 12, 0 }, /* QE vendor */
	{ 27, 8 },
};

START_TEST(test_damaged_headers_are_refused)
{
	struct quoteinfo q;
	json_t *is;
	struct blob *b;
	struct buf bad = BUF_INIT;
	size_t i;

	for (i = 0; i < json_array_size(quotes); i++) {
		b = quote_at((int)i, &is);
		buf_span(&bad, blob_span(b));
		bad.p[damages[_i].at] = (char)damages[_i].to;
		ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL),
		    ERR_FORMAT);
		bad.len = 0;
		blob_unref(b);
	}
	buf_free(&bad);
}
END_TEST

/* The offset of the signature data in one with a chain. */
static size_t
signature_at(const struct blob *b)
{
	switch (b->data[0]) {
	case 3:
		return 432 + 4;
	case 4:
		return (b->data[4] == 0 ? 432 : 632) + 4;
	default:
		return 54u + (unsigned)(b->data[50] | b->data[51] << 8) + 4;
	}
}

/*
 * Lengths one off in either direction: of the signature data, of the outer
 * part, of the authentication data, of the chain.
 */
START_TEST(test_lengths_one_off_are_refused)
{
	struct quoteinfo q;
	json_t *is;
	struct blob *b = quote_at(_i, &is);
	size_t sig = signature_at(b), at[4], n = 0, i;
	struct buf bad = BUF_INIT;
	int step;

	at[n++] = sig - 4;
	if (b->data[0] > 3) {
		at[n++] = sig + 130;
		sig += 6;
	}
	at[n++] = sig + 128 + 384 + 64;
	if (has_chain(is))
		at[n++] = sig + 128 + 384 + 64 + 2 + 32 + 2;
	buf_span(&bad, blob_span(b));
	for (i = 0; i < n; i++)
		for (step = -1; step <= 1; step += 2) {
			bad.p[at[i]] = (char)(bad.p[at[i]] + step);
			ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q,
					     NULL),
			    ERR_FORMAT);
			bad.p[at[i]] = (char)(bad.p[at[i]] - step);
		}
	buf_free(&bad);
	blob_unref(b);
}
END_TEST

/* Change the first PEM block in ways a lenient reader would forgive. */
START_TEST(test_pem_that_is_not_exact_is_refused)
{
	struct quoteinfo q;
	json_t *is;
	struct blob *b = quote_at(_i, &is);
	struct buf bad = BUF_INIT;
	char *pem;

	buf_span(&bad, blob_span(b));
	pem = memmem(bad.p, bad.len, "-----BEGIN", 10);
	if (!has_chain(is)) {
		ck_assert_ptr_null(pem);
		goto out;
	}
	pem[0] = ' ';
	ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL), ERR_FORMAT);
	pem[0] = '-';
	pem[40] = '*';
	ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL), ERR_FORMAT);
	pem[40] = 0;
	ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL), ERR_FORMAT);
	memcpy(pem, blob_span(b).p + (pem - bad.p), 41);
	ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL), ERR_OK);
	quoteinfo_fini(&q);
out:
	buf_free(&bad);
	blob_unref(b);
}
END_TEST

START_TEST(test_size_is_bounded)
{
	struct quoteinfo q;
	unsigned char *big = xcalloc(1, QUOTE_LEN_MAX + 1);

	ck_assert_int_eq(quoteinfo_read(span_of(big, QUOTE_LEN_MAX + 1), &q,
			     NULL),
	    ERR_TOO_BIG);
	ck_assert_int_eq(quoteinfo_read(span_of(big, QUOTE_LEN_MAX), &q, NULL),
	    ERR_FORMAT);
	ck_assert_int_eq(quoteinfo_read(SPAN_NONE, &q, NULL), ERR_FORMAT);
	free(big);
}
END_TEST

/* --- made ones -------------------------------------------------------- */

static const struct {
	unsigned version;
	enum tee tee;
	enum pck_ca ca;
	const char *end;
	size_t padding;
	enum err e;
} made[] = {
	{ 3, TEE_SGX, PCK_CA_PROCESSOR, NULL, 0, ERR_OK },
	{ 3, TEE_SGX, PCK_CA_PLATFORM, "", 0, ERR_OK },
	{ 4, TEE_SGX, PCK_CA_PLATFORM, "\n", 0, ERR_OK },
	{ 4, TEE_TDX, PCK_CA_PLATFORM, "\r\n", 70, ERR_OK },
	{ 5, TEE_SGX, PCK_CA_PROCESSOR, "\n\n", 0, ERR_OK },
	{ 5, TEE_TDX, PCK_CA_PLATFORM, NULL, 3000, ERR_OK },
	{ 5, TEE_TDX, PCK_CA_PLATFORM, " ", 0, ERR_FORMAT },
	{ 3, TEE_SGX, PCK_CA_PLATFORM, "\nx", 0, ERR_FORMAT },
	{ 3, TEE_SGX, PCK_CA_PLATFORM, "\n-----BEGIN CERTIFICATE-----\n", 0,
	    ERR_FORMAT },
	{ 3, TEE_TDX, PCK_CA_PLATFORM, NULL, 0, ERR_FORMAT },
};

START_TEST(test_made_quotes)
{
	struct pki *pki = pki_new("quoteinfo", 1750000000);
	struct kit_quote k = { .version = made[_i].version,
		.tee = made[_i].tee,
		.chain_end = made[_i].end,
		.padding = made[_i].padding,
		.pck = { .ca = made[_i].ca,
		    .fmspc = { 0x30, 0x60, 0x6a, 0, 0, 0xfe } } };
	struct quoteinfo q = { .chain = NULL };
	struct blob *b = kit_quote(pki, &k);

	ck_assert_int_eq(quoteinfo_read(blob_span(b), &q, NULL), made[_i].e);
	if (made[_i].e == ERR_OK) {
		ck_assert_int_eq(q.tee, made[_i].tee);
		ck_assert_int_eq(q.ca, made[_i].ca);
		ck_assert_str_eq(q.fmspc, "30606A0000FE");
		ck_assert_uint_eq(q.len, b->len - made[_i].padding);
	}
	quoteinfo_fini(&q);
	blob_unref(b);
	pki_free(pki);
}
END_TEST

/* A version 5 quote says what its body is; the three must agree. */
static const struct {
	size_t at;
	unsigned char to;
} bodies[] = { { 48, 0 }, { 48, 1 }, { 48, 2 }, { 48, 4 }, { 48, 5 }, { 49, 1 },
	{ 50, 0x89 }, { 51, 0 }, { 53, 1 }, { 4, 0 } };

START_TEST(test_made_bodies_that_do_not_agree)
{
	struct pki *pki = pki_new("quoteinfo", 1750000000);
	struct kit_quote k = { .version = 5,
		.tee = TEE_TDX,
		.pck = { .ca = PCK_CA_PLATFORM } };
	struct blob *b = kit_quote(pki, &k);
	struct buf bad = BUF_INIT;
	struct quoteinfo q;

	buf_span(&bad, blob_span(b));
	bad.p[bodies[_i].at] = (char)bodies[_i].to;
	ck_assert_int_eq(quoteinfo_read(buf_view(&bad), &q, NULL), ERR_FORMAT);
	buf_free(&bad);
	blob_unref(b);
	pki_free(pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quoteinfo");
	TCase *tc = tcase_create("quoteinfo");
	SRunner *sr;
	int n, failed;

	quotes = json_array();
	index_read("sgx");
	index_read("tdx");
	n = (int)json_array_size(quotes);
	sr = srunner_create(s);
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_size_is_bounded);
	tcase_add_loop_test(tc, test_made_bodies_that_do_not_agree, 0,
	    (int)(sizeof(bodies) / sizeof(bodies[0])));
	tcase_add_loop_test(tc, test_made_quotes, 0,
	    (int)(sizeof(made) / sizeof(made[0])));
	if (n > 0) {
		tcase_add_loop_test(tc,
		    test_real_quotes_are_read_as_the_index_says, 0, n);
		tcase_add_loop_test(tc, test_every_truncation_is_refused, 0, n);
		tcase_add_loop_test(tc, test_only_zeros_may_follow, 0, n);
		tcase_add_loop_test(tc, test_damaged_headers_are_refused, 0,
		    (int)(sizeof(damages) / sizeof(damages[0])));
		tcase_add_loop_test(tc, test_lengths_one_off_are_refused, 0, n);
		tcase_add_loop_test(tc, test_pem_that_is_not_exact_is_refused,
		    0, n);
	} else {
		vectors_skipped(6);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	json_decref(quotes);
	return failed != 0;
}
