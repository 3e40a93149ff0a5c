/*
 * The test PKI itself: if it lies by accident, every other test is worthless.
 * Judged by OpenSSL alone, not by the readers it is there to test.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
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

/* --- OpenSSL's opinion ------------------------------------------------- */

static X509_CRL *
crl_of(const struct pki_crl *c)
{
	struct blob *der = pki_crl(pki, c);
	const unsigned char *p = der->data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der->len);

	blob_unref(der);
	return crl;
}

/* X509_V_OK, or what a strict path validation with both CRLs says. */
static int
path(X509 *leaf, enum pki_who ca, const struct pki_crl *root_crl,
    const struct pki_crl *pck_crl, time_t at)
{
	X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	int rc;

	X509_STORE_add_cert(store, pki_x509(pki, PKI_ROOT));
	sk_X509_push(between, pki_x509(pki, ca));
	sk_X509_CRL_push(crls, crl_of(root_crl));
	sk_X509_CRL_push(crls, crl_of(pck_crl));
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT |
					       X509_V_FLAG_CRL_CHECK |
					       X509_V_FLAG_CRL_CHECK_ALL);
	X509_VERIFY_PARAM_set_depth(param, 2);
	X509_VERIFY_PARAM_set_time(param, at);
	X509_STORE_CTX_init(ctx, store, leaf, between);
	X509_STORE_CTX_set0_param(ctx, param);
	X509_STORE_CTX_set0_crls(ctx, crls);
	rc = X509_verify_cert(ctx) == 1 ? X509_V_OK
					: X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(between);
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return rc;
}

static bool
signed_by(struct span bytes, const unsigned char raw[64], EVP_PKEY *key)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	int len, rc;

	ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL),
	    BN_bin2bn(raw + 32, 32, NULL));
	len = i2d_ECDSA_SIG(sig, &der);
	EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key);
	rc = EVP_DigestVerify(md, der, (size_t)len, bytes.p, bytes.len);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
	return rc == 1;
}

/* The document's signature under the first certificate of its own chain. */
static bool
doc_holds(const struct pki_doc *d, const char *member)
{
	static const char tail[] = ",\"signature\":\"";
	struct span body = blob_span(d->body), value;
	BIO *bio = BIO_new_mem_buf(d->chain->data, (int)d->chain->len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char sig[64];
	size_t head = strlen(member) + 4;
	bool ok;

	value = span_of(body.p + head,
	    body.len - head - (sizeof(tail) - 1) - 128 - 2);
	ck_assert_mem_eq(value.p + value.len, tail, sizeof(tail) - 1);
	ck_assert(
	    hex_read(span_of(body.p + body.len - 130, 128), sig, 64) == ERR_OK);
	ok = signed_by(value, sig, X509_get0_pubkey(x));
	X509_free(x);
	BIO_free(bio);
	return ok;
}

static struct pki_pck
some_pck(enum pck_ca ca)
{
	struct pki_pck p = { .ca = ca,
		.ppid = { 1, 2, 3 },
		.comp = { 14, 14, 3, 3, 255, 255, 1 },
		.pcesvn = 13,
		.fmspc = { 0x00, 0x60, 0x6a },
		.sgx_type = ca == PCK_CA_PLATFORM ? 1 : 0,
		.cached_keys = 1,
		.smt_enabled = 1 };

	return p;
}

/* --- tests ------------------------------------------------------------- */

START_TEST(test_pck_path_is_valid_and_its_twins_are_not)
{
	static const struct pki_crl root = { .issuer = PKI_ROOT };
	struct pki_crl crl = { .issuer = PKI_PLATFORM_CA };
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	const char *serials[1];
	X509 *leaf = pki_pck(pki, &p), *bad;
	char *serial = pki_serial(leaf);

	ck_assert_int_eq(path(leaf, PKI_PLATFORM_CA, &root, &crl, NOW), 0);
	ck_assert_int_eq(path(leaf, PKI_PLATFORM_CA, &root, &crl,
			     NOW + 31 * 86400),
	    X509_V_ERR_CRL_HAS_EXPIRED);
	serials[0] = serial;
	crl.revoked = serials;
	crl.n_revoked = 1;
	ck_assert_int_eq(path(leaf, PKI_PLATFORM_CA, &root, &crl, NOW),
	    X509_V_ERR_CERT_REVOKED);
	crl.n_revoked = 0;
	crl.lie = PKI_BAD_SIGNATURE;
	ck_assert_int_ne(path(leaf, PKI_PLATFORM_CA, &root, &crl, NOW), 0);
	crl.lie = PKI_WRONG_KEY;
	ck_assert_int_ne(path(leaf, PKI_PLATFORM_CA, &root, &crl, NOW), 0);
	crl.lie = PKI_HONEST;
	p.lie = PKI_WRONG_KEY;
	bad = pki_pck(pki, &p);
	ck_assert_int_ne(path(bad, PKI_PLATFORM_CA, &root, &crl, NOW), 0);
	X509_free(bad);
	free(serial);
	X509_free(leaf);
}
END_TEST

START_TEST(test_processor_path_is_valid)
{
	static const struct pki_crl root = { .issuer = PKI_ROOT };
	static const struct pki_crl crl = { .issuer = PKI_PROCESSOR_CA };
	struct pki_pck p = some_pck(PCK_CA_PROCESSOR);
	X509 *leaf = pki_pck(pki, &p);

	ck_assert_int_eq(path(leaf, PKI_PROCESSOR_CA, &root, &crl, NOW), 0);
	X509_free(leaf);
}
END_TEST

START_TEST(test_signers_are_valid_revoked_and_expired)
{
	static const struct pki_crl root = { .issuer = PKI_ROOT };

	ck_assert_int_eq(path(pki_x509(pki, PKI_TCB_SIGNING), PKI_ROOT, &root,
			     &root, NOW),
	    X509_V_OK);
	ck_assert_int_eq(path(pki_x509(pki, PKI_TCB_SIGNING_REVOKED), PKI_ROOT,
			     &root, &root, NOW),
	    X509_V_ERR_CERT_REVOKED);
	ck_assert_int_eq(path(pki_x509(pki, PKI_TCB_SIGNING_EXPIRED), PKI_ROOT,
			     &root, &root, NOW),
	    X509_V_ERR_CERT_HAS_EXPIRED);
	ck_assert_int_ne(path(pki_x509(pki_evil(pki), PKI_TCB_SIGNING),
			     PKI_ROOT, &root, &root, NOW),
	    X509_V_OK);
}
END_TEST

static const struct {
	enum pki_lie lie;
	bool holds;
} lies[] = {
	{ PKI_HONEST, true },
	{ PKI_BAD_SIGNATURE, false },
	{ PKI_BODY_CHANGED, false },
	{ PKI_WRONG_KEY, false },
	{ PKI_FOREIGN_CHAIN, true },
	{ PKI_WRONG_ROLE, true },
	{ PKI_REVOKED_SIGNER, true },
	{ PKI_EXPIRED_SIGNER, true },
};

START_TEST(test_json_signature_holds_unless_the_lie_breaks_it)
{
	struct pki_tcbinfo t = { .fmspc = "00606A000000", .lie = lies[_i].lie };
	struct pki_identity id = { .enclave = ENCLAVE_QE, .lie = lies[_i].lie };
	struct pki_evalnums e = { .tee = TEE_TDX, .lie = lies[_i].lie };
	struct pki_doc d;

	d = pki_tcbinfo(pki, &t);
	ck_assert(doc_holds(&d, "tcbInfo") == lies[_i].holds);
	pki_doc_fini(&d);
	t.tee = TEE_TDX;
	d = pki_tcbinfo(pki, &t);
	ck_assert(doc_holds(&d, "tcbInfo") == lies[_i].holds);
	pki_doc_fini(&d);
	t.version = 2;
	t.tee = TEE_SGX;
	d = pki_tcbinfo(pki, &t);
	ck_assert(doc_holds(&d, "tcbInfo") == lies[_i].holds);
	pki_doc_fini(&d);
	d = pki_identity(pki, &id);
	ck_assert(doc_holds(&d, "enclaveIdentity") == lies[_i].holds);
	pki_doc_fini(&d);
	d = pki_evalnums(pki, &e);
	ck_assert(doc_holds(&d, "tcbEvaluationDataNumbers") == lies[_i].holds);
	pki_doc_fini(&d);
	ck_assert(pki_lie_read(pki_lie_name(lies[_i].lie)) == lies[_i].lie);
}
END_TEST

START_TEST(test_same_seed_gives_same_bytes)
{
	struct pki *again = pki_new("test", NOW), *other = pki_new("x", NOW);
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct pki_crl c = { .issuer = PKI_ROOT };
	struct blob *a, *b;

	ck_assert_str_eq(pki_root_spki_hex(pki), pki_root_spki_hex(again));
	ck_assert_str_ne(pki_root_spki_hex(pki), pki_root_spki_hex(other));
	a = pki_pckcerts(pki, 1, &p);
	b = pki_pckcerts(again, 1, &p);
	ck_assert(span_eq(blob_span(a), blob_span(b)));
	blob_unref(a);
	blob_unref(b);
	a = pki_crl(pki, &c);
	b = pki_crl(again, &c);
	ck_assert(span_eq(blob_span(a), blob_span(b)));
	blob_unref(a);
	blob_unref(b);
	pki_free(again);
	pki_free(other);
}
END_TEST

/* The extension of a genuine certificate, rebuilt from its values. */
START_TEST(test_sgx_extension_is_byte_identical_to_a_genuine_one)
{
	struct pki_pck p = some_pck(PCK_CA_PLATFORM);
	struct blob *ext,
	    *pem = vector_read("sgx/pck/v3-00606A000000-c81a90ee.pem");
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	const ASN1_OCTET_STRING *os;
	BIO *bio;
	X509 *x;

	ck_assert(hex_read(span_str("186950B6D8D014D89F0C144D1D90EBAD"), p.ppid,
		      16) == ERR_OK);
	ck_assert(hex_read(span_str("7F96822F9D6421E505D4F256F65C5338"),
		      p.instance, 16) == ERR_OK);
	p.comp[0] = p.comp[1] = 14;
	p.dynamic_platform = 1;
	p.cached_keys = 0;
	p.smt_enabled = 0;
	p.comp[6] = 1;
	ext = pki_sgx_extension(&p);
	ck_assert_uint_eq(ext->len, 556);
	ck_assert(pem != NULL);
	bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	os = X509_EXTENSION_get_data(
	    X509_get_ext(x, X509_get_ext_by_OBJ(x, oid, -1)));
	ck_assert_int_eq(ASN1_STRING_length(os), 556);
	ck_assert_mem_eq(ext->data, ASN1_STRING_get0_data(os), 556);
	X509_free(x);
	BIO_free(bio);
	ASN1_OBJECT_free(oid);
	blob_unref(ext);
	blob_unref(pem);
}
END_TEST

/* A genuine document's signed part, rebuilt from its values. */
static void
rebuilt(const char *file, const struct pki_doc *d)
{
	struct blob *real = vector_read(file);
	size_t len;

	ck_assert(real != NULL);
	len = d->body->len - 130; /* up to the signature's digits */
	ck_assert_uint_ge(real->len, len);
	ck_assert_mem_eq(real->data, d->body->data, len);
	blob_unref(real);
}

static time_t
at(const char *text)
{
	time_t t;

	ck_assert(time_read(span_str(text), &t) == ERR_OK);
	return t;
}

START_TEST(test_json_is_byte_identical_to_genuine_documents)
{
	static const struct pki_evalnum nums[] = {
		{ 19, "2025-05-13T00:00:00Z", "2025-05-14T00:00:00Z" },
		{ 18, "2024-11-12T00:00:00Z", "2024-11-13T00:00:00Z" },
		{ 17, "2024-03-12T00:00:00Z", "2024-03-13T00:00:00Z" },
	};
	struct pki_evalnums e = { .tee = TEE_SGX, .n = 3, .v = nums };
	struct pki_identity id = { .enclave = ENCLAVE_TDQE, .eval_num = 18 };
	struct pki_doc d;

	e.issue_at = at("2025-05-27T19:04:23Z");
	d = pki_evalnums(pki, &e);
	rebuilt("sgx/signed/"
		"tcb-evaluation-data-numbers-sgx-v1-2025-05-27-448ea5.json",
	    &d);
	pki_doc_fini(&d);
	id.issue_at = at("2026-02-18T10:42:15Z");
	d = pki_identity(pki, &id);
	rebuilt("tdx/collateral/tdx-90C06F000000-2026-02/qe_identity.json", &d);
	pki_doc_fini(&d);
	id = (struct pki_identity){ .enclave = ENCLAVE_QAE };
	id.issue_at = at("2025-05-27T19:31:54Z");
	d = pki_identity(pki, &id);
	rebuilt("sgx/signed/"
		"enclave-identity-qae-v2-eval17-2025-05-27-679a84.json",
	    &d);
	pki_doc_fini(&d);
}
END_TEST

START_TEST(test_tdx_tcb_info_is_byte_identical_to_a_genuine_one)
{
	static const struct pki_level levels[] = {
		{ { 3, 3, 2, 2, 4, 1, 0, 5 }, { 5, 0, 3 }, 13,
		    "2024-11-13T00:00:00Z", "UpToDate", NULL },
		{ { 2, 2, 2, 2, 3, 1, 0, 5 }, { 5, 0, 2 }, 13,
		    "2024-03-13T00:00:00Z", "OutOfDate",
		    "INTEL-SA-01036 INTEL-SA-01079 INTEL-SA-01099 "
		    "INTEL-SA-01103 INTEL-SA-01111" },
		{ { 2, 2, 2, 2, 3, 1, 0, 5 }, { 5, 0, 2 }, 5,
		    "2018-01-04T00:00:00Z", "OutOfDate",
		    "INTEL-SA-00106 INTEL-SA-00115 INTEL-SA-00135 "
		    "INTEL-SA-00203 INTEL-SA-00220 INTEL-SA-00233 "
		    "INTEL-SA-00270 INTEL-SA-00293 INTEL-SA-00320 "
		    "INTEL-SA-00329 INTEL-SA-00381 INTEL-SA-00389 "
		    "INTEL-SA-00477 INTEL-SA-00837 INTEL-SA-01036 "
		    "INTEL-SA-01079 INTEL-SA-01099 INTEL-SA-01103 "
		    "INTEL-SA-01111" },
	};
	static const char advisories[] = "INTEL-SA-01036 INTEL-SA-01099";
	static const struct pki_svn one[] = {
		{ 6, "2024-11-13T00:00:00Z", "UpToDate", NULL },
		{ 4, "2024-03-13T00:00:00Z", "OutOfDate", advisories },
		{ 2, "2023-08-09T00:00:00Z", "OutOfDate", advisories },
	};
	static const struct pki_svn three[] = {
		{ 3, "2024-11-13T00:00:00Z", "UpToDate", NULL },
	};
	static const struct pki_module modules[] = { { "TDX_03", 1, three },
		{ "TDX_01", 3, one } };
	struct pki_tcbinfo t = { .tee = TEE_TDX,
		.fmspc = "90C06F000000",
		.eval_num = 18,
		.n_levels = 3,
		.levels = levels,
		.n_modules = 2,
		.modules = modules };
	struct pki_doc d;

	t.issue_at = at("2026-02-18T10:58:51Z");
	d = pki_tcbinfo(pki, &t);
	rebuilt("tdx/collateral/tdx-90C06F000000-2026-02/tcb_info.json", &d);
	pki_doc_fini(&d);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pki");
	TCase *tc = tcase_create("pki");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_pck_path_is_valid_and_its_twins_are_not);
	tcase_add_test(tc, test_processor_path_is_valid);
	tcase_add_test(tc, test_signers_are_valid_revoked_and_expired);
	tcase_add_loop_test(tc,
	    test_json_signature_holds_unless_the_lie_breaks_it, 0,
	    sizeof(lies) / sizeof(lies[0]));
	tcase_add_test(tc, test_same_seed_gives_same_bytes);
	if (vectors_present()) {
		tcase_add_test(tc,
		    test_sgx_extension_is_byte_identical_to_a_genuine_one);
		tcase_add_test(tc,
		    test_json_is_byte_identical_to_genuine_documents);
		tcase_add_test(tc,
		    test_tdx_tcb_info_is_byte_identical_to_a_genuine_one);
	}
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	vectors_skipped(3);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
