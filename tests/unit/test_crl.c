/* CRLs: RFC 5280 5, pcs-upstream 6, quote-verification 4.4. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;

static void
setup(void)
{
	pki = pki_new("test", NOW);
}

static void
teardown(void)
{
	pki_free(pki);
}

static enum err
try_crl(struct span bytes, X509 *issuer, struct why *why)
{
	struct crl *crl = NULL;
	enum err e = crl_read(bytes, issuer, &crl, why);

	ck_assert((e == ERR_OK) == (crl != NULL));
	if (e != ERR_OK && why != NULL) {
		ck_assert_int_eq(why->err, e);
		ck_assert_str_ne(why->clause, "");
		ck_assert_str_ne(why->text, "");
	}
	crl_unref(crl);
	return e;
}

static enum err
try_made(const struct pki_crl *c, enum pki_who issuer)
{
	struct blob *der = pki_crl(pki, c);
	struct why why = { 0 };
	enum err e = try_crl(blob_span(der), pki_x509(pki, issuer), &why);

	blob_unref(der);
	return e;
}

/* --- what is read ------------------------------------------------------- */

START_TEST(test_crl_facts)
{
	static const char *const revoked[] = { "7f", "01", "00ff",
		"0123456789abcdef0123456789abcdef01234567" };
	struct pki_crl c = { .issuer = PKI_PLATFORM_CA,
		.n_revoked = 4,
		.revoked = revoked,
		.number = 7 };
	X509 *issuer = pki_x509(pki, PKI_PLATFORM_CA);
	struct blob *der = pki_crl(pki, &c);
	struct crl *crl;

	ck_assert(crl_read(blob_span(der), issuer, &crl, NULL) == ERR_OK);
	ck_assert_int_eq(crl->this_update, NOW);
	ck_assert_int_eq(crl->next_update, NOW + 30 * 86400);
	ck_assert_int_eq(crl->window.from, crl->this_update);
	ck_assert_int_eq(crl->window.until, crl->next_update);
	ck_assert_uint_eq(crl->number, 7);
	ck_assert_uint_eq(crl->n, 4);
	ck_assert(span_eq(blob_span(crl->der), blob_span(der)));
	ck_assert(crl_is_of(crl, issuer));
	ck_assert(!crl_is_of(crl, pki_x509(pki, PKI_PROCESSOR_CA)));
	ck_assert(!crl_is_of(crl, pki_x509(pki_evil(pki), PKI_PLATFORM_CA)));
	ck_assert_ptr_eq(crl_ref(crl), crl);
	crl_unref(crl);
	crl_unref(crl);
	blob_unref(der);
}
END_TEST

START_TEST(test_three_encodings_give_one_der)
{
	struct blob *der =
	    pki_crl(pki, &(struct pki_crl){ .issuer = PKI_ROOT });
	struct blob *pem = pki_crl_pem(blob_span(der));
	X509 *root = pki_x509(pki, PKI_ROOT);
	static const char *const tails[] = { "", "\n", "\r\n", "\n\n" };
	struct buf own = BUF_INIT;
	struct crl *crl;
	size_t i, k;

	pem_write(&own, "X509 CRL", blob_span(der));
	ck_assert(span_eq(buf_view(&own), blob_span(pem)));
	for (i = 0; i < 4; i++) {
		struct buf text[3] = { BUF_INIT, BUF_INIT, BUF_INIT };

		buf_hex(&text[0], blob_span(der));
		for (k = 0; k < text[0].len; k++) {
			char u = text[0].p[k];

			if (u >= 'a')
				u = (char)(u - 32);
			buf_add(&text[1], &u, 1);
		}
		buf_span(&text[2], blob_span(pem));
		for (k = 0; k < 3; k++) {
			buf_str(&text[k], tails[i]);
			ck_assert(crl_read(buf_view(&text[k]), root, &crl,
				      NULL) == ERR_OK);
			ck_assert(span_eq(blob_span(crl->der), blob_span(der)));
			crl_unref(crl);
			/* a C string's NUL, passed with it */
			buf_add(&text[k], "", 1);
			ck_assert(
			    try_crl(buf_view(&text[k]), root, NULL) == ERR_OK);
			buf_free(&text[k]);
		}
	}
	buf_free(&own);
	blob_unref(pem);
	blob_unref(der);
}
END_TEST

START_TEST(test_other_bytes_around_are_refused)
{
	struct blob *der =
	    pki_crl(pki, &(struct pki_crl){ .issuer = PKI_ROOT });
	struct blob *pem = pki_crl_pem(blob_span(der));
	X509 *root = pki_x509(pki, PKI_ROOT);
	struct buf hex = BUF_INIT, b = BUF_INIT;
	static const char *const around[][2] = { { "", "x" }, { " ", "" },
		{ "\n", "" }, { "", "  " }, { "", "\n-----BEGIN" },
		{ "0x", "" }, { "", "00" } };
	struct span form[3];
	struct why why = { 0 };
	size_t i, k;

	buf_hex(&hex, blob_span(der));
	form[0] = blob_span(der);
	form[1] = blob_span(pem);
	form[2] = buf_view(&hex);
	for (i = 0; i < sizeof(around) / sizeof(around[0]); i++)
		for (k = 0; k < 3; k++) {
			b.len = 0;
			buf_str(&b, around[i][0]);
			buf_span(&b, form[k]);
			buf_str(&b, around[i][1]);
			ck_assert_msg(try_crl(buf_view(&b), root, &why) ==
					  ERR_FORMAT,
			    "form %zu with \"%s\" and \"%s\"", k, around[i][0],
			    around[i][1]);
		}
	for (k = 0; k < 3; k++) {
		b.len = 0;
		buf_span(&b, form[k]);
		buf_span(&b, form[k]);
		ck_assert(try_crl(buf_view(&b), root, &why) == ERR_FORMAT);
		ck_assert(try_crl(span_of(form[k].p, form[k].len - 2), root,
			      &why) == ERR_FORMAT);
	}
	/* a NUL behind DER is an octet too many */
	ck_assert(try_crl(span_of(der->data, der->len + 1), root, &why) ==
		  ERR_FORMAT);
	ck_assert(try_crl(SPAN_NONE, root, &why) == ERR_FORMAT);
	buf_free(&hex);
	buf_free(&b);
	blob_unref(pem);
	blob_unref(der);
}
END_TEST

START_TEST(test_huge_crl_is_refused_before_it_is_parsed)
{
	struct blob *big;
	struct buf b = BUF_INIT;
	struct why why = { 0 };
	char chunk[4096];

	memset(chunk, '0', sizeof(chunk));
	while (b.len < 4 * 1024 * 1024)
		buf_add(&b, chunk, sizeof(chunk));
	big = buf_blob(&b);
	ck_assert(try_crl(blob_span(big), pki_x509(pki, PKI_ROOT), &why) ==
		  ERR_TOO_BIG);
	blob_unref(big);
}
END_TEST

/* --- lookup ------------------------------------------------------------- */

START_TEST(test_lookup_in_3000_entries)
{
	struct pki_crl c = { .issuer = PKI_PLATFORM_CA, .n_revoked = 3000 };
	char(*text)[48] = xcalloc(3000, sizeof(*text));
	const char **revoked = xcalloc(3000, sizeof(*revoked));
	struct pki_pck p = { .ca = PCK_CA_PLATFORM, .pcesvn = 1 };
	X509 *leaf = pki_pck(pki, &p), *other;
	char *serial = pki_serial(leaf);
	struct blob *der;
	struct crl *crl;
	size_t i, at;

	p.pcesvn = 2;
	other = pki_pck(pki, &p);
	for (i = 0; i < 3000; i++) {
		snprintf(text[i], sizeof(text[i]), "%zx%032zx", 1 + i % 7,
		    i * 7919);
		revoked[i] = text[i];
	}
	c.revoked = revoked;
	for (at = 0; at < 3000; at += 613) {
		der = pki_crl(pki, &c);
		must(crl_read(blob_span(der), pki_x509(pki, PKI_PLATFORM_CA),
			 &crl, NULL) == ERR_OK);
		ck_assert(!crl_lists(crl, leaf));
		crl_unref(crl);
		blob_unref(der);
		revoked[at] = serial;
		der = pki_crl(pki, &c);
		must(crl_read(blob_span(der), pki_x509(pki, PKI_PLATFORM_CA),
			 &crl, NULL) == ERR_OK);
		ck_assert_uint_eq(crl->n, 3000);
		ck_assert(crl_lists(crl, leaf));
		ck_assert(!crl_lists(crl, other));
		crl_unref(crl);
		blob_unref(der);
		revoked[at] = text[at];
	}
	X509_free(leaf);
	X509_free(other);
	free(serial);
	free(revoked);
	free(text);
}
END_TEST

/* --- what is refused ---------------------------------------------------- */

START_TEST(test_crls_of_others_are_refused)
{
	static const struct {
		enum pki_who made, asked;
	} cases[] = { { PKI_ROOT, PKI_PLATFORM_CA },
		{ PKI_PLATFORM_CA, PKI_ROOT },
		{ PKI_PLATFORM_CA, PKI_PROCESSOR_CA },
		{ PKI_PROCESSOR_CA, PKI_PLATFORM_CA },
		{ PKI_ROOT, PKI_TCB_SIGNING } };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_crl c = { .issuer = cases[i].made };

		ck_assert(try_made(&c, cases[i].made) == ERR_OK);
		ck_assert(try_made(&c, cases[i].asked) == ERR_CHAIN);
	}
}
END_TEST

START_TEST(test_lies_are_refused)
{
	static const struct {
		enum pki_lie lie;
		enum err e;
	} cases[] = { { PKI_HONEST, ERR_OK }, { PKI_BAD_SIGNATURE, ERR_BADSIG },

		{ PKI_WRONG_KEY, ERR_BADSIG } };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_crl c = { .issuer = PKI_ROOT, .lie = cases[i].lie };

		ck_assert_msg(try_made(&c, PKI_ROOT) == cases[i].e, "%s",
		    pki_lie_name(cases[i].lie));
	}
	/* The changed octet may be one of structure. */
	ck_assert(try_made(&(struct pki_crl){ .issuer = PKI_ROOT,
			       .lie = PKI_BODY_CHANGED },
		      PKI_ROOT) != ERR_OK);
	/* The attacker's CRL, whose key identifier is its own key's. */
	ck_assert(try_made(&(struct pki_crl){ .issuer = PKI_ROOT,
			       .lie = PKI_FOREIGN_CHAIN },
		      PKI_ROOT) != ERR_OK);
}
END_TEST

START_TEST(test_incomplete_and_partial_crls_are_refused)
{
	struct pki_crl c = { .issuer = PKI_PROCESSOR_CA, .no_number = true };

	ck_assert(try_made(&c, PKI_PROCESSOR_CA) == ERR_FORMAT);
	c = (struct pki_crl){ .issuer = PKI_PROCESSOR_CA, .no_aki = true };
	ck_assert(try_made(&c, PKI_PROCESSOR_CA) == ERR_CHAIN);
	c = (struct pki_crl){ .issuer = PKI_PROCESSOR_CA, .indirect = true };
	ck_assert(try_made(&c, PKI_PROCESSOR_CA) == ERR_CHAIN);
	c = (struct pki_crl){ .issuer = PKI_PROCESSOR_CA,
		.this_update = NOW,
		.next_update = NOW - 1 };
	ck_assert(try_made(&c, PKI_PROCESSOR_CA) == ERR_RANGE);
}
END_TEST

/* A CRL by OpenSSL's own hand, with an extension of choice. */
static struct blob *
crl_with(int nid, const char *value, bool critical, bool of_entry)
{
	X509_CRL *x = X509_CRL_new();
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_OCTET_STRING *os = ASN1_OCTET_STRING_new();
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, NOW);
	X509 *root = pki_x509(pki, PKI_ROOT);
	X509_EXTENSION *ext;
	unsigned char *p = NULL;
	X509V3_CTX ctx;
	struct blob *der;
	int len;

	must(X509_CRL_set_version(x, 1) == 1);
	must(X509_CRL_set_issuer_name(x, X509_get_subject_name(root)) == 1);
	X509_CRL_set1_lastUpdate(x, t);
	ASN1_TIME_set(t, NOW + 86400);
	X509_CRL_set1_nextUpdate(x, t);
	X509V3_set_ctx(&ctx, root, NULL, NULL, x, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier,
	    "keyid:always");
	X509_CRL_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_set(n, 1);
	X509_CRL_add1_ext_i2d(x, NID_crl_number, n, 0, 0);
	ASN1_INTEGER_set(n, 77);
	X509_REVOKED_set_serialNumber(r, n);
	X509_REVOKED_set_revocationDate(r, t);
	ASN1_OCTET_STRING_set(os, (const unsigned char *)value,
	    (int)strlen(value));
	if (nid != 0) {
		ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, os);
		if (of_entry)
			X509_REVOKED_add_ext(r, ext, -1);
		else
			X509_CRL_add_ext(x, ext, -1);
		X509_EXTENSION_free(ext);
	}
	X509_CRL_add0_revoked(x, r);
	must(X509_CRL_sign(x, pki_key(pki, PKI_ROOT), EVP_sha256()) > 0);
	len = i2d_X509_CRL(x, &p);
	der = blob_new(p, (size_t)len);
	OPENSSL_free(p);
	ASN1_OCTET_STRING_free(os);
	ASN1_INTEGER_free(n);
	ASN1_TIME_free(t);
	X509_CRL_free(x);
	return der;
}

START_TEST(test_extensions_are_judged)
{
	static const struct {
		const char *name;
		int nid;
		const char *value;
		bool critical, of_entry;
		enum err e;
	} cases[] = {
		{ "none", 0, "", false, false, ERR_OK },
		{ "delta", NID_delta_crl, "\x02\x01\x01", true, false,
		    ERR_CHAIN },
		{ "delta, not critical", NID_delta_crl, "\x02\x01\x01", false,
		    false, ERR_CHAIN },
		{ "partition", NID_issuing_distribution_point,
		    "\x30\x03\x82\x01\xff", true, false, ERR_CHAIN },
		{ "partition, not critical", NID_issuing_distribution_point,
		    "\x30\x03\x82\x01\xff", false, false, ERR_CHAIN },
		{ "unknown", NID_netscape_comment, "\x16\x01x", false, false,
		    ERR_OK },
		{ "unknown, critical", NID_netscape_comment, "\x16\x01x", true,
		    false, ERR_CHAIN },
		{ "second number", NID_crl_number, "\x02\x01\x02", false, false,
		    ERR_FORMAT },
		{ "reason", NID_crl_reason, "\x0a\x01\x01", false, true,
		    ERR_OK },
		{ "other issuer's entry", NID_certificate_issuer,
		    "\x30\x02\x82\x00", true, true, ERR_CHAIN },
	};
	X509 *root = pki_x509(pki, PKI_ROOT);
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob *der = crl_with(cases[i].nid, cases[i].value,
		    cases[i].critical, cases[i].of_entry);
		enum err e = try_crl(blob_span(der), root, &why);

		ck_assert_msg(e == cases[i].e, "%s: %s: %s", cases[i].name,
		    err_token(e), why.text);
		blob_unref(der);
	}
}
END_TEST

/* quote-verification 4.4: whoever is listed is revoked, whatever is said. */
START_TEST(test_entry_removed_from_crl_is_still_listed)
{
	struct blob *der =
	    crl_with(NID_crl_reason, "\x0a\x01\x08", false, true);
	X509 *x = X509_new();
	struct crl *crl;

	must(crl_read(blob_span(der), pki_x509(pki, PKI_ROOT), &crl, NULL) ==
	     ERR_OK);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 77);
	ck_assert(crl_lists(crl, x));
	ASN1_INTEGER_set(X509_get_serialNumber(x), -77);
	ck_assert(!crl_lists(crl, x));
	ASN1_INTEGER_set(X509_get_serialNumber(x), 78);
	ck_assert(!crl_lists(crl, x));
	X509_free(x);
	crl_unref(crl);
	blob_unref(der);
}
END_TEST

START_TEST(test_no_bit_of_a_crl_can_be_turned)
{
	static const char *const revoked[] = { "0badc0de", "11" };
	struct blob *der =
	    pki_crl(pki, &(struct pki_crl){ .issuer = PKI_PLATFORM_CA,
			     .n_revoked = 2,
			     .revoked = revoked });
	X509 *issuer = pki_x509(pki, PKI_PLATFORM_CA);
	unsigned bit;
	size_t i;

	for (i = 0; i < der->len; i++)
		for (bit = 0; bit < 8; bit++) {
			struct blob *b = flipped(blob_span(der), i, bit);

			ck_assert_msg(try_crl(blob_span(b), issuer, NULL) !=
					  ERR_OK,
			    "octet %zu bit %u", i, bit);
			blob_unref(b);
		}
	blob_unref(der);
}
END_TEST

/* --- vectors ------------------------------------------------------------ */

START_TEST(test_no_octet_of_a_genuine_crl_can_be_changed)
{
	static const char *const sets[] = {
		"sgx/collateral/sgx-00606A000000-2025-08",
		"tdx/collateral/tdx-90C06F000000-2026-02"
	};
	size_t i, k;

	for (i = 0; i < 2; i++) {
		struct vset *v = vset_real(sets[i]);
		struct vfacts f;
		const struct chain *c;

		ck_assert_ptr_null(vset_verify(v, &f, NULL));
		c = f.pck_crl_chain;
		ck_assert_uint_ge(f.pck_crl->n, 44);
		for (k = 0; k < v->pck_crl->len; k++) {
			struct blob *b = flipped(blob_span(v->pck_crl), k,
			    (unsigned)(k % 8));

			ck_assert(
			    try_crl(blob_span(b), c->x[0], NULL) != ERR_OK);
			blob_unref(b);
		}
		vfacts_fini(&f);
		vset_free(v);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("crl");
	TCase *t = tcase_create("made"), *v;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_crl_facts);
	tcase_add_test(t, test_three_encodings_give_one_der);
	tcase_add_test(t, test_other_bytes_around_are_refused);
	tcase_add_test(t, test_huge_crl_is_refused_before_it_is_parsed);
	tcase_add_test(t, test_lookup_in_3000_entries);
	tcase_add_test(t, test_crls_of_others_are_refused);
	tcase_add_test(t, test_lies_are_refused);
	tcase_add_test(t, test_incomplete_and_partial_crls_are_refused);
	tcase_add_test(t, test_extensions_are_judged);
	tcase_add_test(t, test_entry_removed_from_crl_is_still_listed);
	tcase_add_test(t, test_no_bit_of_a_crl_can_be_turned);
	suite_add_tcase(s, t);
	if (!vectors_present())
		return s;
	v = tcase_create("vectors");
	tcase_set_timeout(v, 60);
	tcase_add_test(v, test_no_octet_of_a_genuine_crl_can_be_changed);
	suite_add_tcase(s, v);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	vectors_skipped(1);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
