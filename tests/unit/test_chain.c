/* What an issuer chain must be, piece by piece, under a PKI made here. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;
static struct anchors *anchors;

static void
setup(void)
{
	pki = pki_new("test", NOW);
	anchors = anchors_of(pki_root_spki_hex(pki));
}

static void
teardown(void)
{
	anchors_free(anchors);
	pki_free(pki);
}

/* --- making chains ------------------------------------------------------ */

static struct blob *
pem_of(size_t n, X509 *const *x)
{
	struct buf b = BUF_INIT;
	struct blob *pem;
	size_t i;

	for (i = 0; i < n; i++) {
		pem = pki_pem(x[i]);
		buf_span(&b, blob_span(pem));
		blob_unref(pem);
	}
	return buf_blob(&b);
}

static struct pki_pck
some_pck(enum pck_ca ca)
{
	return (struct pki_pck){ .ca = ca,
		.ppid = { 1, 2, 3 },
		.comp = { 14, 14, 3, 3, 255, 255, 1 },
		.pcesvn = 13,
		.fmspc = { 0x00, 0x60, 0x6a },
		.sgx_type = ca == PCK_CA_PLATFORM ? 1 : 0,
		.cached_keys = 1,
		.smt_enabled = 1 };
}

/* Read, forget what came out, give the error. */
static enum err
try_chain(struct span pem, enum chain_role role, struct why *why)
{
	struct chain *c = NULL;
	enum err e = chain_read(pem, role, anchors, NULL, NULL, &c, why);

	ck_assert((e == ERR_OK) == (c != NULL));
	if (e != ERR_OK && why != NULL) {
		ck_assert_int_eq(why->err, e);
		ck_assert_str_ne(why->clause, "");
		ck_assert_str_ne(why->text, "");
	}
	chain_unref(c);
	return e;
}

static enum err
try_certs(size_t n, X509 *const *x, enum chain_role role)
{
	struct blob *pem = pem_of(n, x);
	struct why why = { 0 };
	enum err e = try_chain(blob_span(pem), role, &why);

	blob_unref(pem);
	return e;
}

static struct crl *
crl_of(const struct pki_crl *c)
{
	struct blob *der = pki_crl(pki, c);
	struct crl *crl;

	must(crl_read(blob_span(der), pki_x509(pki, c->issuer), &crl, NULL) ==
	     ERR_OK);
	blob_unref(der);
	return crl;
}

/* --- shape -------------------------------------------------------------- */

START_TEST(test_chain_of_each_role_is_read)
{
	static const struct {
		enum pki_who who;
		enum chain_role role;
		size_t n;
	} cases[] = {
		{ PKI_TCB_SIGNING, CHAIN_TCB_SIGNING, 2 },
		{ PKI_PROCESSOR_CA, CHAIN_PCK_CA, 2 },
		{ PKI_PLATFORM_CA, CHAIN_PCK_CA, 2 },
		{ PKI_ROOT, CHAIN_ROOT, 1 },
	};
	struct blob *pem, *again, *head;
	struct buf back = BUF_INIT;
	struct chain *c;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pem = pki_chain_pem(pki, cases[i].who);
		ck_assert(chain_read(blob_span(pem), cases[i].role, anchors,
			      NULL, NULL, &c, NULL) == ERR_OK);
		ck_assert_uint_eq(c->n, cases[i].n);
		ck_assert_int_eq(c->role, cases[i].role);
		again = chain_pem(c);
		ck_assert(span_eq(blob_span(again), blob_span(pem)));
		head = chain_header(c);
		ck_assert(memchr(head->data, '\n', head->len) == NULL);
		ck_assert(memchr(head->data, ' ', head->len) == NULL);
		ck_assert_mem_eq(head->data + head->len - 3, "%0A", 3);
		back.len = 0;
		ck_assert(pct_read(blob_span(head), &back) == ERR_OK);
		ck_assert(span_eq(buf_view(&back), blob_span(pem)));
		if (cases[i].role == CHAIN_PCK_CA)
			ck_assert_int_eq(chain_pck_ca(c),
			    cases[i].who == PKI_PLATFORM_CA);
		chain_unref(c);
		blob_unref(pem);
		blob_unref(again);
		blob_unref(head);
	}
	buf_free(&back);
}
END_TEST

START_TEST(test_chain_in_another_role_is_refused)
{
	static const enum pki_who who[] = { PKI_TCB_SIGNING, PKI_PROCESSOR_CA,
		PKI_PLATFORM_CA, PKI_ROOT };
	static const enum chain_role right[] = { CHAIN_TCB_SIGNING,
		CHAIN_PCK_CA, CHAIN_PCK_CA, CHAIN_ROOT };
	struct blob *pem;
	size_t i;
	int role;

	for (i = 0; i < 4; i++) {
		pem = pki_chain_pem(pki, who[i]);
		for (role = CHAIN_TCB_SIGNING; role <= CHAIN_ROOT; role++)
			ck_assert(
			    (try_chain(blob_span(pem), (enum chain_role)role,
				 NULL) == ERR_OK) == (role == (int)right[i]));
		blob_unref(pem);
	}
}
END_TEST

START_TEST(test_pck_chain_needs_all_three_in_any_order)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	X509 *leaf = pki_pck(pki, &p);
	X509 *ca = pki_x509(pki, PKI_PLATFORM_CA);
	X509 *other = pki_x509(pki, PKI_PROCESSOR_CA);
	X509 *root = pki_x509(pki, PKI_ROOT);

	ck_assert(
	    try_certs(3, (X509 *[]){ leaf, ca, root }, CHAIN_PCK) == ERR_OK);
	ck_assert(
	    try_certs(2, (X509 *[]){ leaf, ca }, CHAIN_PCK) == ERR_FORMAT);
	ck_assert(try_certs(4, (X509 *[]){ leaf, ca, root, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	ck_assert(
	    try_certs(3, (X509 *[]){ ca, leaf, root }, CHAIN_PCK) == ERR_OK);
	ck_assert(
	    try_certs(3, (X509 *[]){ leaf, root, ca }, CHAIN_PCK) == ERR_OK);
	ck_assert(try_certs(3, (X509 *[]){ leaf, root, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	ck_assert(try_certs(3, (X509 *[]){ leaf, leaf, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	ck_assert(try_certs(3, (X509 *[]){ other, ca, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	ck_assert(try_certs(3, (X509 *[]){ leaf, other, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	ck_assert(try_certs(2, (X509 *[]){ leaf, root }, CHAIN_TCB_SIGNING) ==
		  ERR_CHAIN);
	X509_free(leaf);
}
END_TEST

START_TEST(test_empty_and_oversized_text_is_refused)
{
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	ck_assert(try_chain(SPAN_NONE, CHAIN_TCB_SIGNING, &why) == ERR_FORMAT);
	ck_assert(try_chain(span_str("\n"), CHAIN_PCK, &why) == ERR_FORMAT);
	ck_assert(try_chain(span_of("", 1), CHAIN_PCK, &why) == ERR_FORMAT);
	while (b.len < 70000)
		buf_str(&b, "-----BEGIN CERTIFICATE-----\n");
	ck_assert(try_chain(buf_view(&b), CHAIN_PCK, &why) == ERR_TOO_BIG);
	buf_free(&b);
}
END_TEST

/* --- trust -------------------------------------------------------------- */

START_TEST(test_twin_with_the_same_names_is_not_trusted)
{
	const struct pki *evil = pki_evil(pki);
	struct blob *pem = pki_chain_pem(evil, PKI_TCB_SIGNING);
	struct why why = { 0 };

	ck_assert(
	    try_chain(blob_span(pem), CHAIN_TCB_SIGNING, &why) == ERR_ROOT);
	/* Its signer under the honest root. */
	ck_assert(try_certs(2,
		      (X509 *[]){ pki_x509(evil, PKI_TCB_SIGNING),
			  pki_x509(pki, PKI_ROOT) },
		      CHAIN_TCB_SIGNING) == ERR_CHAIN);
	blob_unref(pem);
}
END_TEST

START_TEST(test_no_octet_of_a_chain_can_be_changed)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING), *der, *bad;
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	size_t i, k;

	for (k = 0; k < 2; k++) {
		X509 *x[2] = { pki_x509(pki, PKI_TCB_SIGNING),
			pki_x509(pki, PKI_ROOT) };

		der = pki_der(x[k]);
		for (i = 0; i < der->len; i++) {
			bad = flipped(blob_span(der), i, (unsigned)(i % 8));
			text.len = 0;
			for (size_t n = 0; n < 2; n++) {
				struct blob *good = pki_der(x[n]);

				pem_write(&text, "CERTIFICATE",
				    blob_span(n == k ? bad : good));
				blob_unref(good);
			}
			ck_assert_msg(try_chain(buf_view(&text),
					  CHAIN_TCB_SIGNING, &why) != ERR_OK,
			    "certificate %zu octet %zu", k, i);
			blob_unref(bad);
		}
		blob_unref(der);
	}
	buf_free(&text);
	blob_unref(pem);
}
END_TEST

/* A changed profile of the middle of a PCK chain or of the signer. */
static enum err
try_profile(enum pki_who who, const struct pki_cert *profile)
{
	X509 *x = pki_cert(pki, profile), *root = pki_x509(pki, PKI_ROOT);
	enum err e;

	ck_assert(x != NULL);
	e = try_certs(2, (X509 *[]){ x, root },
	    who == PKI_TCB_SIGNING ? CHAIN_TCB_SIGNING : CHAIN_PCK_CA);
	X509_free(x);
	return e;
}

START_TEST(test_profiles_that_do_not_fit_their_role_are_refused)
{
	static const struct {
		const char *name;
		enum pki_who who;
		const char *cn, *usage, *basic;
		bool unknown, no_aki, no_ski;
		enum err e;
	} cases[] = {
		{ "CA as made", PKI_PLATFORM_CA, .e = ERR_OK },
		{ "signer as made", PKI_TCB_SIGNING, .e = ERR_OK },
		{ "CA:FALSE", PKI_PLATFORM_CA, .basic = "critical,CA:FALSE",
		    .e = ERR_CHAIN },
		{ "CA that may not sign CRLs", PKI_PLATFORM_CA,
		    .usage = "critical,keyCertSign", .e = ERR_CHAIN },
		{ "CA that may not sign certificates", PKI_PLATFORM_CA,
		    .usage = "critical,cRLSign", .e = ERR_CHAIN },
		{ "signer that is a CA", PKI_TCB_SIGNING,
		    .basic = "critical,CA:TRUE,pathlen:0",
		    .usage = "critical,keyCertSign,cRLSign", .e = ERR_CHAIN },
		{ "signer that may not sign", PKI_TCB_SIGNING,
		    .usage = "critical,keyAgreement", .e = ERR_CHAIN },
		{ "signer that signs certificates", PKI_TCB_SIGNING,
		    .usage = "critical,digitalSignature,keyCertSign",
		    .e = ERR_CHAIN },
		{ "name with more before", PKI_TCB_SIGNING,
		    .cn = "A Intel SGX TCB Signing", .e = ERR_CHAIN },
		{ "name with more behind", PKI_TCB_SIGNING,
		    .cn = "Intel SGX TCB Signing ", .e = ERR_CHAIN },
		{ "name in other case", PKI_TCB_SIGNING,
		    .cn = "Intel SGX TCB signing", .e = ERR_CHAIN },
		{ "PCK name on a signer", PKI_TCB_SIGNING,
		    .cn = "Intel SGX PCK Certificate", .e = ERR_CHAIN },
		{ "unknown critical extension", PKI_TCB_SIGNING,
		    .unknown = true, .e = ERR_CHAIN },
		{ "unknown critical extension on a CA", PKI_PLATFORM_CA,
		    .unknown = true, .e = ERR_CHAIN },
		{ "CA without key identifier", PKI_PLATFORM_CA, .no_ski = true,
		    .e = ERR_CHAIN },
		{ "signer without authority key identifier", PKI_TCB_SIGNING,
		    .no_aki = true, .e = ERR_CHAIN },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_cert p = pki_cert_of(pki, cases[i].who);

		if (cases[i].cn != NULL)
			p.cn = cases[i].cn;
		if (cases[i].usage != NULL)
			p.key_usage = cases[i].usage;
		if (cases[i].basic != NULL)
			p.basic = cases[i].basic;
		p.unknown_critical = cases[i].unknown;
		p.no_aki = cases[i].no_aki;
		p.no_ski = cases[i].no_ski;
		ck_assert_msg(try_profile(cases[i].who, &p) == cases[i].e, "%s",
		    cases[i].name);
	}
}
END_TEST

START_TEST(test_signer_without_usage_or_constraints_is_refused)
{
	struct pki_cert p = pki_cert_of(pki, PKI_TCB_SIGNING);

	p.key_usage = NULL;
	ck_assert(try_profile(PKI_TCB_SIGNING, &p) == ERR_CHAIN);
	p = pki_cert_of(pki, PKI_TCB_SIGNING);
	p.basic = NULL;
	ck_assert(try_profile(PKI_TCB_SIGNING, &p) == ERR_CHAIN);
}
END_TEST

START_TEST(test_keys_off_p256_are_refused)
{
	EVP_PKEY *keys[2] = { EVP_EC_gen("P-384"), EVP_RSA_gen(2048) };
	int i;

	for (i = 0; i < 2; i++) {
		struct pki_cert p = pki_cert_of(pki, PKI_TCB_SIGNING);

		must(keys[i] != NULL);
		p.key = keys[i];
		ck_assert(try_profile(PKI_TCB_SIGNING, &p) == ERR_CHAIN);
		EVP_PKEY_free(keys[i]);
	}
}
END_TEST

START_TEST(test_leaf_of_another_key_or_name_is_refused)
{
	struct pki_pck p = some_pck(PCK_CA_PROCESSOR);
	X509 *root = pki_x509(pki, PKI_ROOT);
	X509 *ca = pki_x509(pki, PKI_PROCESSOR_CA), *fake, *leaf;
	struct pki_cert profile = pki_cert_of(pki, PKI_PLATFORM_CA);

	p.lie = PKI_WRONG_KEY;
	leaf = pki_pck(pki, &p);
	ck_assert(
	    try_certs(3, (X509 *[]){ leaf, ca, root }, CHAIN_PCK) == ERR_CHAIN);
	X509_free(leaf);
	/* The Platform CA's name on the Processor CA's key (s113). */
	p.lie = PKI_HONEST;
	leaf = pki_pck(pki, &p);
	profile.key = pki_key(pki, PKI_PROCESSOR_CA);
	fake = pki_cert(pki, &profile);
	ck_assert(try_certs(3, (X509 *[]){ leaf, fake, root }, CHAIN_PCK) ==
		  ERR_CHAIN);
	X509_free(fake);
	X509_free(leaf);
}
END_TEST

/* --- time and revocation ------------------------------------------------ */

START_TEST(test_time_is_recorded_not_judged)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING_EXPIRED);
	struct window leaf, root;
	struct chain *c;
	struct why why = { 0 };

	ck_assert(chain_read(blob_span(pem), CHAIN_TCB_SIGNING, anchors, NULL,
		      NULL, &c, &why) == ERR_OK);
	leaf = cert_window(c->x[0]);
	root = cert_window(c->x[1]);
	ck_assert_int_eq(c->window.until, leaf.until);
	ck_assert_int_eq(c->window.from,
	    leaf.from > root.from ? leaf.from : root.from);
	ck_assert(
	    window_check(&c->window, NOW, 0, "chain", &why) == ERR_EXPIRED);
	ck_assert(window_check(&c->window, leaf.until, 0, "chain", &why) ==
		  ERR_EXPIRED);
	ck_assert(window_check(&c->window, leaf.until - 1, 0, "chain", &why) ==
		  ERR_OK);
	ck_assert(window_check(&c->window, c->window.from, 0, "chain", &why) ==
		  ERR_OK);
	ck_assert(window_check(&c->window, c->window.from - 1, 0, "chain",
		      &why) == ERR_NOT_YET);
	ck_assert(window_check(&c->window, c->window.from - 60, 60, "chain",
		      &why) == ERR_OK);
	ck_assert(window_check(&c->window, c->window.from - 61, 60, "chain",
		      &why) == ERR_NOT_YET);
	chain_unref(c);
	blob_unref(pem);
}
END_TEST

START_TEST(test_revoked_certificates_are_refused)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	X509 *leaf = pki_pck(pki, &p), *ca = pki_x509(pki, PKI_PLATFORM_CA);
	X509 *root = pki_x509(pki, PKI_ROOT);
	char *serial[3] = { pki_serial(leaf), pki_serial(ca),
		pki_serial(root) };
	const char *s[3] = { serial[0], serial[1], serial[2] };
	struct crl *none = crl_of(&(struct pki_crl){ .issuer = PKI_ROOT });
	struct crl *no_leaf =
	    crl_of(&(struct pki_crl){ .issuer = PKI_PLATFORM_CA });
	struct crl *has_leaf =
	    crl_of(&(struct pki_crl){ .issuer = PKI_PLATFORM_CA,
		.n_revoked = 1,
		.revoked = &s[0] });
	struct crl *has_ca = crl_of(&(struct pki_crl){ .issuer = PKI_ROOT,
	    .n_revoked = 1,
	    .revoked = &s[1] });
	struct crl *has_root = crl_of(&(struct pki_crl){ .issuer = PKI_ROOT,
	    .n_revoked = 1,
	    .revoked = &s[2] });
	struct crl *other =
	    crl_of(&(struct pki_crl){ .issuer = PKI_PROCESSOR_CA });
	const struct {
		const struct crl *root_crl, *pck_crl;
		enum err e;
	} cases[] = { { none, no_leaf, ERR_OK },
		{ none, has_leaf, ERR_REVOKED },
		{ has_ca, no_leaf, ERR_REVOKED }, { has_root, NULL, ERR_OK },
		{ NULL, has_leaf, ERR_REVOKED }, { NULL, NULL, ERR_OK },
		/* CRLs of others could not tell. */
		{ none, other, ERR_CHAIN }, { no_leaf, NULL, ERR_CHAIN },
		{ none, none, ERR_CHAIN } };
	struct blob *pem = pem_of(3, (X509 *[]){ leaf, ca, root });
	struct chain *c;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = NULL;
		ck_assert_msg(chain_read(blob_span(pem), CHAIN_PCK, anchors,
				  cases[i].root_crl, cases[i].pck_crl, &c,
				  &why) == cases[i].e,
		    "case %zu: %s", i, why.text);
		chain_unref(c);
	}
	crl_unref(none);
	crl_unref(no_leaf);
	crl_unref(has_leaf);
	crl_unref(has_ca);
	crl_unref(has_root);
	crl_unref(other);
	blob_unref(pem);
	X509_free(leaf);
	for (i = 0; i < 3; i++)
		free(serial[i]);
}
END_TEST

START_TEST(test_crl_of_the_twin_root_tells_nothing)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	struct blob *der =
	    pki_crl(pki_evil(pki), &(struct pki_crl){ .issuer = PKI_ROOT });
	struct chain *c = NULL;
	struct crl *crl;
	struct why why = { 0 };

	must(crl_read(blob_span(der), pki_x509(pki_evil(pki), PKI_ROOT), &crl,
		 NULL) == ERR_OK);
	ck_assert(chain_read(blob_span(pem), CHAIN_TCB_SIGNING, anchors, crl,
		      NULL, &c, &why) == ERR_CHAIN);
	crl_unref(crl);
	blob_unref(der);
	blob_unref(pem);
}
END_TEST

/* --- anchors ------------------------------------------------------------ */

START_TEST(test_anchors_name_the_text_that_is_wrong)
{
	char good[] = "a0af031289f5d5d4132f9186068a7fc1"
		      "3628633ba235777472e29b6b6c67a49e";
	char shorter[] = "a0af", odd[65];
	struct anchors *a = NULL;
	struct why why = { 0 };
	X509 *x;

	memcpy(odd, good, sizeof(odd));
	odd[10] = 'x';
	ck_assert(anchors_read(2, (char *[]){ good, shorter }, &a, &why) ==
		  ERR_FORMAT);
	ck_assert(strstr(why.text, "key 2") != NULL);
	ck_assert(anchors_read(1, (char *[]){ odd }, &a, &why) == ERR_FORMAT);
	ck_assert_ptr_null(a);
	ck_assert(anchors_read(1, (char *[]){ good }, &a, &why) == ERR_OK);
	x = anchors_intel_root(a);
	ck_assert_ptr_nonnull(x);
	ck_assert(anchors_has(a, x));
	ck_assert(!anchors_has(anchors, x));
	ck_assert_ptr_null(anchors_intel_root(anchors));
	X509_free(x);
	anchors_free(a);
}
END_TEST

START_TEST(test_built_in_root_is_the_current_issue)
{
	char key[] = "a0af031289f5d5d4132f9186068a7fc1"
		     "3628633ba235777472e29b6b6c67a49e";
	char hex[65];
	unsigned char digest[32];
	struct anchors *a;
	struct blob *der;
	X509 *x;

	must(anchors_read(1, (char *[]){ key }, &a, NULL) == ERR_OK);
	x = anchors_intel_root(a);
	der = pki_der(x);
	sha256(blob_span(der), digest);
	hex_upper(span_of(digest, 32), hex);
	ck_assert_str_eq(hex, "44A0196B2B99F889B8E149E95B807A35"
			      "0E7424964399E885A7CBB8CCFAB674D3");
	blob_unref(der);
	X509_free(x);
	anchors_free(a);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("chain");
	TCase *t = tcase_create("made");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_chain_of_each_role_is_read);
	tcase_add_test(t, test_chain_in_another_role_is_refused);
	tcase_add_test(t, test_pck_chain_needs_all_three_in_any_order);
	tcase_add_test(t, test_empty_and_oversized_text_is_refused);
	tcase_add_test(t, test_twin_with_the_same_names_is_not_trusted);
	tcase_add_test(t, test_no_octet_of_a_chain_can_be_changed);
	tcase_add_test(t, test_profiles_that_do_not_fit_their_role_are_refused);
	tcase_add_test(t, test_signer_without_usage_or_constraints_is_refused);
	tcase_add_test(t, test_keys_off_p256_are_refused);
	tcase_add_test(t, test_leaf_of_another_key_or_name_is_refused);
	tcase_add_test(t, test_time_is_recorded_not_judged);
	tcase_add_test(t, test_revoked_certificates_are_refused);
	tcase_add_test(t, test_crl_of_the_twin_root_tells_nothing);
	tcase_add_test(t, test_anchors_name_the_text_that_is_wrong);
	tcase_add_test(t, test_built_in_root_is_the_current_issue);
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
