/*
 * Reading quotes: the recorded fields of every genuine one, every truncation,
 * every length field wrong.
 */
#include "server/appraise/quote.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- genuine quotes --------------------------------------------------- */

static void
octets_are(const json_t *j, const char *name, const void *p, size_t len)
{
	const char *want = json_string_value(json_object_get(j, name));
	struct buf b = BUF_INIT;

	ck_assert_msg(want != NULL, "%s is not recorded", name);
	buf_hex(&b, span_of(p, len));
	ck_assert_msg(span_eq_str(buf_view(&b), want), "%s", name);
	buf_free(&b);
}

static void
number_is(const json_t *j, const char *name, uint64_t have)
{
	ck_assert_msg((uint64_t)json_integer_value(json_object_get(j, name)) ==
			  have,
	    "%s", name);
}

static void
sgx_report_is(const json_t *j, const struct sgx_report *r)
{
	const unsigned char *m = r->miscselect;

	octets_are(j, "cpusvn", r->cpusvn, sizeof(r->cpusvn));
	number_is(j, "miscselect",
	    (uint64_t)m[0] | (uint64_t)m[1] << 8 | (uint64_t)m[2] << 16 |
		(uint64_t)m[3] << 24);
	octets_are(j, "attributes", r->attributes, sizeof(r->attributes));
	octets_are(j, "mrenclave", r->mrenclave, sizeof(r->mrenclave));
	octets_are(j, "mrsigner", r->mrsigner, sizeof(r->mrsigner));
	number_is(j, "isvprodid", r->isvprodid);
	number_is(j, "isvsvn", r->isvsvn);
	octets_are(j, "report_data", r->report_data, sizeof(r->report_data));
}

static void
td_report_is(const json_t *j, const struct td_report *r, bool td15)
{
	unsigned char attributes[8];
	size_t i;

	for (i = 0; i < 8; i++)
		attributes[i] = (unsigned char)(r->tdattributes >> 8 * i);
	octets_are(j, "tee_tcb_svn", r->tee_tcb_svn, 16);
	octets_are(j, "mrseam", r->mrseam, 48);
	octets_are(j, "mrsignerseam", r->mrsignerseam, 48);
	octets_are(j, "seamattributes", r->seamattributes, 8);
	octets_are(j, "tdattributes", attributes, 8);
	octets_are(j, "xfam", r->xfam, 8);
	octets_are(j, "mrtd", r->mrtd, 48);
	octets_are(j, "mrconfigid", r->mrconfigid, 48);
	octets_are(j, "mrowner", r->mrowner, 48);
	octets_are(j, "mrownerconfig", r->mrownerconfig, 48);
	octets_are(j, "rtmr0", r->rtmr[0], 48);
	octets_are(j, "rtmr1", r->rtmr[1], 48);
	octets_are(j, "rtmr2", r->rtmr[2], 48);
	octets_are(j, "rtmr3", r->rtmr[3], 48);
	octets_are(j, "report_data", r->report_data, 64);
	if (td15) {
		octets_are(j, "tee_tcb_svn2", r->tee_tcb_svn_2, 16);
		octets_are(j, "mrservicetd", r->mrservicetd, 48);
	}
}

static void
quote_is(const json_t *j, const struct quote *q)
{
	const json_t *body = json_object_get(j, "body");

	number_is(j, "version", q->version);
	number_is(j, "tee_type", (uint64_t)q->tee);
	number_is(j, "quote_len", q->len);
	number_is(j, "qe_svn_field", q->qe_svn);
	if (q->version == 3)
		number_is(j, "pce_svn_field", q->pce_svn);
	octets_are(j, "user_data", q->user_data, sizeof(q->user_data));
	if (q->version == 5)
		number_is(j, "body_type", (uint64_t)q->body);
	if (q->tee == TEE_SGX)
		sgx_report_is(body, &q->sgx);
	else
		td_report_is(body, &q->td, q->body == BODY_TD_15);
	sgx_report_is(json_object_get(j, "qe_report"), &q->qe);
	octets_are(j, "qe_auth_data", q->auth.p, q->auth.len);
	number_is(j, "certification_data_type", (uint64_t)q->cert_type);
	number_is(j, "certification_data_len", q->cert.len);
}

START_TEST(test_genuine_quotes)
{
	const char *tee = _i == 0 ? "sgx" : "tdx", *name;
	struct blob *text, *b;
	struct quote q;
	struct why why;
	json_t *all, *one;
	char path[200];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/quotes.json", tee);
	text = vector_read(path);
	all = json_loadb((const char *)text->data, text->len, 0, NULL);
	json_object_foreach(json_object_get(all, "quotes"), name, one)
	{
		snprintf(path, sizeof(path), "%s/%s", tee, name);
		b = vector_read(path);
		ck_assert_msg(quote_read(blob_span(b), &q, &why) == ERR_OK,
		    "%s: %s", name, why.text);
		quote_is(one, &q);
		blob_unref(b);
		n++;
	}
	ck_assert_uint_ge(n, 13);
	json_decref(all);
	blob_unref(text);
}
END_TEST

START_TEST(test_certification_data_that_names_a_platform)
{
	struct blob *b = vector_read("sgx/quotes/v3-type3-2f59d4cb.dat");
	struct cert_data_id id;
	struct quote q;

	ck_assert_int_eq(quote_read(blob_span(b), &q, NULL), ERR_OK);
	ck_assert_int_eq(cert_data_id_read(&q, &id, NULL), ERR_OK);
	ck_assert_uint_eq(id.ppid.len, 384);
	ck_assert_ptr_eq(id.ppid.p, q.cert.p);
	ck_assert_mem_eq(id.cpusvn, q.cert.p + 384, 16);
	ck_assert_uint_eq(id.pcesvn,
	    q.cert.p[400] | (unsigned)q.cert.p[401] << 8);
	q.cert.len--;
	ck_assert_int_eq(cert_data_id_read(&q, &id, NULL), ERR_FORMAT);
	q.cert_type = CERT_DATA_PCK_CHAIN;
	ck_assert_int_eq(cert_data_id_read(&q, &id, NULL), ERR_FORMAT);
	blob_unref(b);
}
END_TEST

/* --- made quotes ------------------------------------------------------ */

static const struct kit_quote kinds[] = {
	{ .version = 3, .tee = TEE_SGX },
	{ .version = 4, .tee = TEE_SGX },
	{ .version = 4, .tee = TEE_TDX },
	{ .version = 5, .tee = TEE_SGX },
	{ .version = 5, .tee = TEE_TDX },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct pki *pki;

static struct blob *
made(size_t kind, size_t padding)
{
	struct kit_quote k = kinds[kind];

	if (pki == NULL)
		pki = pki_new("quote", 1780272000);
	k.pck.ca = PCK_CA_PLATFORM;
	k.padding = padding;
	return kit_quote(pki, &k);
}

static enum err
read_copy(const void *p, size_t len)
{
	/* Exactly as long, so that an overrun is seen. */
	void *copy = len == 0 ? NULL : xmemdup(p, len);
	struct quote q;
	enum err e = quote_read(span_of(copy, len), &q, NULL);

	if (e == ERR_OK)
		ck_assert(q.len <= len && q.auth.len <= len);
	free(copy);
	return e;
}

START_TEST(test_every_version_and_its_padding)
{
	struct blob *b = made((size_t)_i, 70);
	struct quote q;

	ck_assert_int_eq(quote_read(blob_span(b), &q, NULL), ERR_OK);
	ck_assert_uint_eq(q.version, kinds[_i].version);
	ck_assert_int_eq(q.tee, kinds[_i].tee);
	ck_assert_uint_eq(q.len, b->len - 70);
	ck_assert_int_eq(q.cert_type, CERT_DATA_PCK_CHAIN);
	ck_assert_int_eq(quote_has_current(&q),
	    q.version == 5 && q.tee == TEE_TDX);
	b->data[b->len - 1] = 1;
	ck_assert_int_eq(quote_read(blob_span(b), &q, NULL), ERR_FORMAT);
	blob_unref(b);
}
END_TEST

START_TEST(test_every_truncation_is_refused)
{
	struct blob *b = made((size_t)_i, 0);
	size_t len;

	ck_assert_int_eq(read_copy(b->data, b->len), ERR_OK);
	for (len = 0; len < b->len; len++)
		ck_assert_msg(read_copy(b->data, len) == ERR_FORMAT, "%zu",
		    len);
	blob_unref(b);
}
END_TEST

static void
field_is_exact(const struct blob *b, size_t at, size_t n)
{
	uint64_t was = 0, max = n == 2 ? 0xffff : 0xffffffff;
	struct blob *c;
	size_t i, k;

	for (i = 0; i < n; i++)
		was |= (uint64_t)b->data[at + i] << 8 * i;
	const uint64_t wrong[] = { 0, 1, was + 1, was - 1, was + 256, max >> 1,
		max };
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (wrong[i] == was)
			continue;
		c = blob_from(blob_span(b));
		for (k = 0; k < n; k++)
			c->data[at + k] = (unsigned char)(wrong[i] >> 8 * k);
		ck_assert_msg(read_copy(c->data, c->len) == ERR_FORMAT,
		    "at %zu: %llu", at, (unsigned long long)wrong[i]);
		blob_unref(c);
	}
}

START_TEST(test_every_length_field_is_exact)
{
	struct blob *b = made((size_t)_i, 0);
	struct quote q;
	size_t sig, auth, cert;

	ck_assert_int_eq(quote_read(blob_span(b), &q, NULL), ERR_OK);
	sig = q.bound.len;
	auth = (size_t)(q.auth.p - b->data) - 2;
	cert = (size_t)(q.cert.p - b->data) - 4;
	field_is_exact(b, sig, 4);
	field_is_exact(b, auth, 2);
	field_is_exact(b, cert, 4);
	if (q.version > 3)
		field_is_exact(b, sig + 4 + 130, 4);
	if (q.version == 5) {
		field_is_exact(b, 48, 2);
		field_is_exact(b, 50, 4);
	}
	blob_unref(b);
}
END_TEST

static void
refused_with(const struct blob *b, size_t at, unsigned value)
{
	struct blob *c = blob_from(blob_span(b));

	c->data[at] = (unsigned char)value;
	ck_assert_msg(read_copy(c->data, c->len) == ERR_FORMAT, "%zu = %u", at,
	    value);
	blob_unref(c);
}

START_TEST(test_types_that_are_not_known)
{
	struct blob *b = made((size_t)_i, 0);
	struct quote q;
	size_t inner;
	unsigned t;

	ck_assert_int_eq(quote_read(blob_span(b), &q, NULL), ERR_OK);
	inner = (size_t)(q.cert.p - b->data) - 6;
	refused_with(b, 0, 2);
	refused_with(b, 0, 6);
	for (t = 0; t < 5; t++)
		if (t != 2)
			refused_with(b, 2, t);
	refused_with(b, 4, 0x82);
	refused_with(b, 12, 0);
	refused_with(b, inner, 0);
	refused_with(b, inner, 6);
	refused_with(b, inner, 7);
	for (t = 0; q.version > 3 && t < 9; t++)
		if (t != 6)
			refused_with(b, q.bound.len + 4 + 128, t);
	blob_unref(b);
}
END_TEST

START_TEST(test_a_quote_over_the_limit)
{
	struct blob *b = made(2, QUOTE_LEN_MAX);

	ck_assert_int_eq(read_copy(b->data, b->len), ERR_TOO_BIG);
	ck_assert_int_eq(read_copy(b->data, QUOTE_LEN_MAX), ERR_OK);
	blob_unref(b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("quote");
	TCase *tc = tcase_create("quote");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_every_version_and_its_padding, 0, KINDS);
	tcase_add_loop_test(tc, test_every_truncation_is_refused, 0, KINDS);
	tcase_add_loop_test(tc, test_every_length_field_is_exact, 0, KINDS);
	tcase_add_loop_test(tc, test_types_that_are_not_known, 0, KINDS);
	tcase_add_test(tc, test_a_quote_over_the_limit);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_genuine_quotes, 0, 2);
		tcase_add_test(tc,
		    test_certification_data_that_names_a_platform);
	} else {
		vectors_skipped(3);
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	pki_free(pki);
	return failed != 0;
}
