/*
 * PCK chains below CA certificates that were proved before: whatever comes,
 * the answer is the one that a chain read on its own gets.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki_int.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;
static struct anchors *anchors;
static struct issuers *issuers; /* knows the Platform CA */
static X509 *leaf, *ca, *root;

static struct pki_pck
some_pck(unsigned char ppid)
{
	return (struct pki_pck){ .ca = PCK_CA_PLATFORM,
		.ppid = { ppid },
		.comp = { 14, 14, 3, 3, 255, 255, 1 },
		.pcesvn = 13,
		.fmspc = { 0x00, 0x60, 0x6a },
		.sgx_type = 1 };
}

/* Forget all kinds, then learn the one that Intel issues. */
static void
issuers_again(void)
{
	struct pki_pck p = some_pck(1);
	X509 *other = pki_pck(pki, &p);
	X509 *const x[3] = { other, ca, root };
	struct buf b = BUF_INIT;
	struct chain *c;
	struct blob *pem;
	int i;

	issuers_free(issuers);
	issuers = issuers_new(anchors);
	for (i = 0; i < 3; i++) {
		pem = pki_pem(x[i]);
		buf_span(&b, blob_span(pem));
		blob_unref(pem);
	}
	must(chain_read_pck(buf_view(&b), issuers, &c, NULL) == ERR_OK);
	must(c->leaf == NULL); /* the first is read as a whole */
	chain_unref(c);
	buf_free(&b);
	X509_free(other);
}

static void
setup(void)
{
	struct pki_pck p = some_pck(2);

	pki = pki_new("test", NOW);
	anchors = anchors_of(pki_root_spki_hex(pki));
	ca = pki_x509(pki, PKI_PLATFORM_CA);
	root = pki_x509(pki, PKI_ROOT);
	leaf = pki_pck(pki, &p);
	issuers_again();
}

static void
teardown(void)
{
	X509_free(leaf);
	issuers_free(issuers);
	issuers = NULL;
	anchors_free(anchors);
	pki_free(pki);
}

/* --- both ways ---------------------------------------------------------- */

static void
check_same_facts(const struct chain *a, const struct chain *b)
{
	struct blob *pa = chain_pem(a), *pb = chain_pem(b);
	unsigned char xa[64], xb[64];
	struct pck ka, kb;
	struct why wa = { 0 }, wb = { 0 };

	ck_assert(span_eq(blob_span(pa), blob_span(pb)));
	ck_assert_int_eq(a->role, b->role);
	ck_assert_uint_eq(a->n, b->n);
	ck_assert_int_eq(a->window.from, b->window.from);
	ck_assert_int_eq(a->window.until, b->window.until);
	chain_point(a, xa);
	chain_point(b, xb);
	ck_assert_mem_eq(xa, xb, 64);
	ck_assert_int_eq(chain_pck_ca(a), chain_pck_ca(b));
	memset(&ka, 0, sizeof(ka));
	memset(&kb, 0, sizeof(kb));
	ck_assert_int_eq(chain_pck(a, &ka, &wa), chain_pck(b, &kb, &wb));
	ck_assert_str_eq(wa.text, wb.text);
	ck_assert_mem_eq(&ka, &kb, sizeof(ka));
	blob_unref(pa);
	blob_unref(pb);
}

/* *quick: the second way has really been gone. */
static enum err
both_text(struct span pem, bool *quick, const char *name)
{
	struct chain *whole = NULL, *below = NULL;
	struct why wa = { 0 }, wb = { 0 };
	enum err a, b;

	a = chain_read(pem, CHAIN_PCK, anchors, NULL, NULL, &whole, &wa);
	b = chain_read_pck(pem, issuers, &below, &wb);
	ck_assert_msg(a == b, "%s: %s, but %s below", name, err_token(a),
	    err_token(b));
	ck_assert_str_eq(wa.clause, wb.clause);
	ck_assert_str_eq(wa.text, wb.text);
	if (a == ERR_OK)
		check_same_facts(whole, below);
	*quick = below != NULL && below->leaf != NULL;
	ck_assert(!*quick || a == ERR_OK);
	chain_unref(whole);
	chain_unref(below);
	return a;
}

static enum err
both_der(size_t n, const struct span *der, bool *quick, const char *name)
{
	struct buf pem = BUF_INIT;
	enum err e;
	size_t i;

	for (i = 0; i < n; i++)
		pem_write(&pem, "CERTIFICATE", der[i]);
	e = both_text(buf_view(&pem), quick, name);
	buf_free(&pem);
	return e;
}

static enum err
both(size_t n, X509 *const *x, bool *quick, const char *name)
{
	struct blob *der[4];
	struct span s[4];
	enum err e;
	size_t i;

	for (i = 0; i < n; i++) {
		der[i] = pki_der(x[i]);
		s[i] = blob_span(der[i]);
	}
	e = both_der(n, s, quick, name);
	for (i = 0; i < n; i++)
		blob_unref(der[i]);
	return e;
}

/* --- order and number --------------------------------------------------- */

START_TEST(test_leaf_before_known_issuers_is_read_alone)
{
	X509 *other = pki_x509(pki, PKI_PROCESSOR_CA);
	const struct {
		size_t n;
		X509 *x[4];
		enum err e;
		bool quick;
	} cases[] = {
		{ 3, { leaf, ca, root }, ERR_OK, true },
		{ 3, { leaf, root, ca }, ERR_OK, true },
		{ 3, { ca, leaf, root }, ERR_OK, false },
		{ 3, { root, ca, leaf }, ERR_OK, false },
		{ 2, { leaf, ca }, ERR_FORMAT, false },
		{ 4, { leaf, ca, root, root }, ERR_CHAIN, false },
		{ 3, { leaf, ca, ca }, ERR_CHAIN, false },
		{ 3, { leaf, root, root }, ERR_CHAIN, false },
		{ 3, { leaf, other, root }, ERR_CHAIN, false },
		{ 3, { other, ca, root }, ERR_CHAIN, false },
		{ 3, { ca, ca, root }, ERR_CHAIN, false },
		{ 3, { root, ca, root }, ERR_CHAIN, false },
	};
	char name[20];
	size_t i;
	bool quick;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(name, sizeof(name), "case %zu", i);
		ck_assert_msg(both(cases[i].n, cases[i].x, &quick, name) ==
				  cases[i].e,
		    "%s", name);
		ck_assert_msg(quick == cases[i].quick, "%s", name);
	}
}
END_TEST

START_TEST(test_text_around_the_blocks_is_judged_alike)
{
	static const struct {
		const char *before, *after;
		enum err e;
		bool quick;
	} cases[] = {
		{ "", "", ERR_OK, true },
		{ "", "\r\n\n", ERR_OK, true },
		{ "\n", "", ERR_FORMAT, false },
		{ "", "x", ERR_FORMAT, false },
		{ "", "-----BEGIN CERTIFICATE-----\n", ERR_CHAIN, false },
		{ "-----BEGIN X-----\nAAAA\n-----END X-----\n", "", ERR_FORMAT,
		    false },
	};
	X509 *const x[3] = { leaf, ca, root };
	struct buf b = BUF_INIT;
	struct blob *pem;
	size_t i, k;
	bool quick;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b.len = 0;
		buf_str(&b, cases[i].before);
		for (k = 0; k < 3; k++) {
			pem = pki_pem(x[k]);
			buf_span(&b, blob_span(pem));
			blob_unref(pem);
		}
		buf_str(&b, cases[i].after);
		ck_assert_int_eq(both_text(buf_view(&b), &quick, "text"),
		    cases[i].e);
		ck_assert_int_eq(quick, cases[i].quick);
	}
	while (b.len < 70000) /* line ends may follow, but not for ever */
		buf_str(&b, "\n");
	ck_assert_int_eq(both_text(buf_view(&b), &quick, "long"), ERR_TOO_BIG);
	buf_free(&b);
}
END_TEST

/* --- octets ------------------------------------------------------------- */

START_TEST(test_no_octet_can_be_changed)
{
	struct blob *der[3] = { pki_der(leaf), pki_der(ca), pki_der(root) };
	struct span s[3];
	struct blob *bad;
	size_t k = (size_t)_i, i;
	bool quick;

	for (i = 0; i < 3; i++)
		s[i] = blob_span(der[i]);
	for (i = 0; i < der[k]->len; i++) {
		bad = flipped(blob_span(der[k]), i, (unsigned)(i % 8));
		s[k] = blob_span(bad);
		ck_assert_msg(both_der(3, s, &quick, "flipped") != ERR_OK,
		    "certificate %zu octet %zu", k, i);
		blob_unref(bad);
	}
	for (i = 0; i < 3; i++)
		blob_unref(der[i]);
}
END_TEST

START_TEST(test_more_or_fewer_octets_are_refused)
{
	struct blob *der[3] = { pki_der(leaf), pki_der(ca), pki_der(root) };
	struct span s[3], good = blob_span(der[0]);
	struct buf b = BUF_INIT;
	bool quick;
	int i;

	for (i = 0; i < 3; i++)
		s[i] = blob_span(der[i]);
	s[0].len--;
	ck_assert_int_eq(both_der(3, s, &quick, "cut"), ERR_FORMAT);
	buf_span(&b, good);
	buf_add(&b, "", 1);
	s[0] = buf_view(&b);
	ck_assert_int_eq(both_der(3, s, &quick, "trailing"), ERR_FORMAT);
	/* BER: the same length in three octets, and none at all. */
	must(good.p[1] == 0x82);
	b.len = 0;
	buf_add(&b, "\x30\x83\x00", 3);
	buf_add(&b, good.p + 2, good.len - 2);
	s[0] = buf_view(&b);
	ck_assert_int_eq(both_der(3, s, &quick, "long form"), ERR_FORMAT);
	b.len = 0;
	buf_add(&b, "\x30\x80", 2);
	buf_add(&b, good.p + 4, good.len - 4);
	buf_add(&b, "\0\0", 2);
	s[0] = buf_view(&b);
	ck_assert_int_eq(both_der(3, s, &quick, "indefinite"), ERR_FORMAT);
	buf_free(&b);
	for (i = 0; i < 3; i++)
		blob_unref(der[i]);
}
END_TEST

/* --- leaves that the CA signed ------------------------------------------ */

static void
ext_drop(X509 *x, int nid)
{
	int at = X509_get_ext_by_NID(x, nid, -1);

	must(at >= 0);
	X509_EXTENSION_free(X509_delete_ext(x, at));
}

static void
ext_conf(X509 *x, int nid, const char *value)
{
	int at = X509_get_ext_by_NID(x, nid, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(x, at));
	pki_ext_conf(x, nid, value);
}

static void
ext_again(X509 *x, int nid)
{
	must(X509_add_ext(x, X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1)),
		 -1) == 1);
}

static void
ext_critical(X509 *x, int nid)
{
	must(X509_EXTENSION_set_critical(X509_get_ext(x,
					     X509_get_ext_by_NID(x, nid, -1)),
		 1) == 1);
}

static void
ext_octets(X509 *x, int nid, const char *octets, int len)
{
	X509_EXTENSION *ext = X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1));

	must(ASN1_OCTET_STRING_set(X509_EXTENSION_get_data(ext),
		 (const unsigned char *)octets, len) == 1);
}

static void
ext_add_octets(X509 *x, const char *oid, const char *octets, size_t len)
{
	pki_ext_raw(x, oid, 1, span_of(octets, len));
}

/* keyid as it should be, of another, or none; and issuer with serial. */
static void
akid_set(X509 *x, X509 *key, X509 *serial)
{
	AUTHORITY_KEYID *a = AUTHORITY_KEYID_new();
	const ASN1_OCTET_STRING *id;
	GENERAL_NAME *name;

	if (key != NULL) {
		id = X509_get0_subject_key_id(key);
		a->keyid = ASN1_OCTET_STRING_dup(id);
	}
	if (serial != NULL) {
		name = GENERAL_NAME_new();
		name->type = GEN_DIRNAME;
		name->d.directoryName =
		    X509_NAME_dup(X509_get_issuer_name(serial));
		a->issuer = GENERAL_NAMES_new();
		sk_GENERAL_NAME_push(a->issuer, name);
		a->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(serial));
	}
	ext_drop(x, NID_authority_key_identifier);
	must(X509_add1_ext_i2d(x, NID_authority_key_identifier, a, 0, 0) == 1);
	AUTHORITY_KEYID_free(a);
}

static void
key_make(X509 *x, const char *curve, const char *form, const char *encoding)
{
	EVP_PKEY *key = strcmp(curve, "RSA") == 0 ? EVP_RSA_gen(2048)
			: strcmp(curve, "ED25519") == 0
			    ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
			    : EVP_EC_gen(curve);

	must(key != NULL);
	if (form != NULL)
		must(EVP_PKEY_set_utf8_string_param(key, "point-format",
			 form) == 1);
	if (encoding != NULL)
		must(EVP_PKEY_set_utf8_string_param(key, "encoding",
			 encoding) == 1);
	must(X509_set_pubkey(x, key) == 1);
	EVP_PKEY_free(key);
}

static void
point_turn(X509 *x)
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x);

	((unsigned char *)(uintptr_t)ASN1_STRING_get0_data(bits))[64] ^= 1;
}

static void
serial_set(X509 *x, int type, const char *octets, int len)
{
	ASN1_INTEGER *serial = X509_get_serialNumber(x);

	must(ASN1_STRING_set(serial, octets, len) == 1);
	serial->type = type;
}

static void
name_set(X509 *x, bool subject, const char *cn)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));

	X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, 0));
	if (cn != NULL)
		must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			 (const unsigned char *)cn, -1, 0, 0) == 1);
	must((subject ? X509_set_subject_name(x, name)
		      : X509_set_issuer_name(x, name)) == 1);
	X509_NAME_free(name);
}

/* The issuer's name in other letters: equal to OpenSSL, not to us. */
static void
issuer_upper(X509 *x)
{
	name_set(x, false, "INTEL SGX PCK PLATFORM CA");
}

#define AKID       NID_authority_key_identifier
#define SKID       NID_subject_key_identifier
#define KU         NID_key_usage
#define BC         NID_basic_constraints
#define CDP        NID_crl_distribution_points
#define DIGEST(md) (*digest = EVP_##md())

/* Change the leaf in the way of this number; NULL: there is none. */
static const char *
change(int n, X509 *x, EVP_PKEY **signer, const EVP_MD **digest, bool *inner)
{
	static const unsigned char null_der[] = { 5, 0 };
	struct span null = span_of(null_der, 2);

	switch (n) {
#define CASE(text, ...)                                                        \
	case __COUNTER__:                                                      \
		__VA_ARGS__;                                                   \
		return text
		CASE("as made", (void)0);
		CASE("v1", X509_set_version(x, 0));
		CASE("v2", X509_set_version(x, 1));
		CASE("issuer name", name_set(x, false, "Intel SGX Root CA"));
		CASE("issuer name in upper case", issuer_upper(x));
		CASE("issuer without CN", name_set(x, false, NULL));
		CASE("subject name", name_set(x, true, "Intel SGX Root CA"));
		CASE("subject without CN", name_set(x, true, NULL));
		CASE("no AKID", ext_drop(x, AKID));
		CASE("AKID twice", ext_again(x, AKID));
		CASE("AKID critical", ext_critical(x, AKID));
		CASE("AKID of the root", akid_set(x, root, NULL));
		CASE("AKID made again", akid_set(x, ca, NULL));
		CASE("AKID with serial", akid_set(x, ca, ca));
		CASE("AKID with another serial", akid_set(x, ca, root));
		CASE("AKID serial alone", akid_set(x, NULL, ca));
		CASE("AKID empty", akid_set(x, NULL, NULL));
		CASE("AKID no DER", ext_octets(x, AKID, "\x30\x05", 2));
		CASE("no SKID", ext_drop(x, SKID));
		CASE("SKID twice", ext_again(x, SKID));
		CASE("SKID critical", ext_critical(x, SKID));
		CASE("SKID no DER", ext_octets(x, SKID, "\x30", 1));
		CASE("no key usage", ext_drop(x, KU));
		CASE("key usage twice", ext_again(x, KU));
		CASE("key usage no DER", ext_octets(x, KU, "\x03", 1));
		CASE("may sign certificates",
		    ext_conf(x, KU, "critical,digitalSignature,keyCertSign"));
		CASE("may not sign", ext_conf(x, KU, "critical,keyAgreement"));
		CASE("usage not critical", ext_conf(x, KU, "digitalSignature"));
		CASE("no basic constraints", ext_drop(x, BC));
		CASE("basic constraints twice", ext_again(x, BC));
		CASE("basic constraints no DER",
		    ext_octets(x, BC, "\x30\x01", 2));
		CASE("CA", ext_conf(x, BC, "critical,CA:TRUE"));
		CASE("CA that signs", ext_conf(x, BC, "critical,CA:TRUE");
		     ext_conf(x, KU, "critical,digitalSignature,keyCertSign"));
		CASE("path length of no CA",
		    ext_octets(x, BC, "\x30\x03\x02\x01\x00", 5));
		CASE("negative path length",
		    ext_octets(x, BC, "\x30\x03\x02\x01\xff", 5));
		CASE("constraints not critical", ext_conf(x, BC, "CA:FALSE"));
		CASE("no CRL point", ext_drop(x, CDP));
		CASE("CRL points twice", ext_again(x, CDP));
		CASE("CRL point critical", ext_critical(x, CDP));
		CASE("CRL points no DER", ext_octets(x, CDP, "\x30\x01", 2));
		CASE("unknown critical extension",
		    pki_ext_raw(x, "1.3.6.1.4.1.99999.1", 1, null));
		CASE("unknown extension",
		    pki_ext_raw(x, "1.3.6.1.4.1.99999.1", 0, null));
		CASE("SGX extension twice",
		    pki_ext_raw(x, "1.2.840.113741.1.13.1", 0, null));
		CASE("SGX extension critical",
		    X509_EXTENSION_set_critical(X509_get_ext(x,
						    X509_get_ext_count(x) - 1),
			1));
		CASE("no SGX extension", X509_EXTENSION_free(X509_delete_ext(x,
					     X509_get_ext_count(x) - 1)));
		CASE("other name",
		    pki_ext_conf(x, NID_subject_alt_name, "DNS:a.example"));
		CASE("empty other name",
		    pki_ext_raw(x, "2.5.29.17", 0, span_str("\x30")));
		CASE("no other names",
		    pki_ext_raw(x, "2.5.29.17", 0, span_of("\x30\0", 2)));
		CASE("extended usage",
		    pki_ext_conf(x, NID_ext_key_usage, "critical,serverAuth"));
		CASE("name constraints", pki_ext_conf(x, NID_name_constraints,
					     "critical,permitted;DNS:a"));
		CASE("policies",
		    ext_add_octets(x, "2.5.29.32",
			"\x30\x07\x30\x05\x06\x03\x2a\x03\x04", 9));
		CASE("proxy", ext_add_octets(x, "1.3.6.1.5.5.7.1.14",
				  "\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05"
				  "\x07\x15\x01",
				  14));
		CASE("key on P-384", key_make(x, "P-384", NULL, NULL));
		CASE("key on secp256k1", key_make(x, "secp256k1", NULL, NULL));
		CASE("RSA key", key_make(x, "RSA", NULL, NULL));
		CASE("Ed25519 key", key_make(x, "ED25519", NULL, NULL));
		CASE("another key", key_make(x, "P-256", NULL, NULL));
		CASE("compressed", key_make(x, "P-256", "compressed", NULL));
		CASE("hybrid", key_make(x, "P-256", "hybrid", NULL));
		CASE("explicit", key_make(x, "P-256", NULL, "explicit"));
		CASE("key off the curve", point_turn(x));
		CASE("signed by the root", *signer = pki_key(pki, PKI_ROOT));
		CASE("signed by the twin",
		    *signer = pki_key(pki_evil(pki), PKI_PLATFORM_CA));
		CASE("signed with SHA-384", DIGEST(sha384));
		CASE("signed with SHA-1", DIGEST(sha1));
		CASE("another algorithm inside", *inner = true);
		CASE("no time",
		    ASN1_STRING_set(X509_getm_notAfter(x), "99x", 3));
		CASE("expired",
		    ASN1_TIME_set(X509_getm_notAfter(x), NOW - 86400));
		CASE("long ago", ASN1_TIME_set(X509_getm_notBefore(x), 0));
		CASE("after 2049",
		    ASN1_TIME_set(X509_getm_notAfter(x), 2600000000));
		CASE("serial of zero", serial_set(x, V_ASN1_INTEGER, "\0", 1));
		CASE("negative serial",
		    serial_set(x, V_ASN1_NEG_INTEGER, "\5", 1));
		CASE("serial of 21 octets",
		    serial_set(x, V_ASN1_INTEGER, "abcdefghijklmnopqrstu", 21));
		CASE("SKID of another key", ext_octets(x, SKID,
						"\x04\x14"
						"abcdefghijklmnopqrst",
						22));
		CASE("SKID of 19 octets", ext_octets(x, SKID,
					      "\x04\x13"
					      "abcdefghijklmnopqrs",
					      21));
#undef CASE
	default:
		return NULL;
	}
}

/*
 * Those that OpenSSL accepts; "alike": by comparison with one as made; "kind":
 * by comparison with itself, once it has been read whole.
 */
static const struct fine {
	const char *name;
	bool alike, kind;
} fine[] = {
	{ "as made", true, true },
	{ "another key", true, true },
	{ "SKID of another key", true, true },
	{ "expired", true, true },
	{ "AKID made again", false, true },
	{ "AKID with serial", false, true },
	{ "no SKID", false, true },
	{ "SKID of 19 octets", false, true },
	{ "usage not critical", false, true },
	{ "constraints not critical", false, true },
	{ "no CRL point", false, true },
	{ "CRL point critical", false, true },
	{ "unknown extension", false, true },
	{ "other name", false, true },
	{ "extended usage", false, true },
	{ "name constraints", false, true },
	{ "policies", false, true },
	{ "no SGX extension", false, false },
	{ "SGX extension twice", false, false },
	{ "compressed", false, false },
	{ "hybrid", false, false },
	{ "long ago", false, false },
	{ "after 2049", false, false },
	{ "serial of zero", false, false },
	{ "negative serial", false, false },
	{ "serial of 21 octets", false, false },
};

static const struct fine *
fine_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (strcmp(fine[i].name, name) == 0)
			return &fine[i];
	return NULL;
}

/* The outer algorithm stays, the one that is signed does not. */
static void
sign_other_inside(X509 *x, EVP_PKEY *key)
{
	X509_ALGOR *alg = (X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(x);
	const ASN1_BIT_STRING *bits;
	unsigned char *tbs = NULL;
	int len;

	must(X509_ALGOR_set0(alg, OBJ_nid2obj(NID_ecdsa_with_SHA384),
		 V_ASN1_UNDEF, NULL) == 1);
	len = i2d_re_X509_tbs(x, &tbs);
	must(len > 0);
	X509_get0_signature(&bits, NULL, x);
	pki_resign(bits, span_of(tbs, (size_t)len), key, PKI_HONEST);
	OPENSSL_free(tbs);
}

/* The leaf changed in the n-th way; NULL: there is none. */
static X509 *
changed(int n, const char **name)
{
	EVP_PKEY *key = pki_key(pki, PKI_PLATFORM_CA);
	const EVP_MD *digest = EVP_sha256();
	X509 *x = X509_dup(leaf);
	bool inner = false;

	*name = change(n, x, &key, &digest, &inner);
	if (*name == NULL) {
		X509_free(x);
		return NULL;
	}
	must(X509_sign(x, key, digest) > 0);
	if (inner)
		sign_other_inside(x, key);
	return x;
}

START_TEST(test_every_leaf_is_judged_as_openssl_judges_it)
{
	const struct fine *f;
	const char *name;
	unsigned accepted = 0;
	bool quick;
	X509 *x;
	enum err e;
	int n;

	for (n = 0; (x = changed(n, &name)) != NULL; n++) {
		issuers_again();
		f = fine_find(name);
		e = both(3, (X509 *[]){ x, ca, root }, &quick, name);
		ck_assert_msg((e == ERR_OK) == (f != NULL), "%s: %s", name,
		    err_token(e));
		ck_assert_msg(quick == (f != NULL && f->alike), "%s", name);
		e = both(3, (X509 *[]){ x, ca, root }, &quick, name);
		ck_assert_msg((e == ERR_OK) == (f != NULL), "%s again", name);
		ck_assert_msg(quick == (f != NULL && f->kind), "%s again",
		    name);
		accepted += e == ERR_OK;
		X509_free(x);
	}
	ck_assert_int_gt(n, 66);
	ck_assert_uint_eq(accepted, sizeof(fine) / sizeof(fine[0]));
}
END_TEST

/* None is taken for another's kind: each against all that were read before. */
START_TEST(test_kinds_are_not_mixed_up)
{
	const char *name, *learned;
	bool quick;
	X509 *x, *y;
	int n, k;

	for (n = 0; (x = changed(n, &learned)) != NULL; n++) {
		if (fine_find(learned) != NULL) {
			issuers_again();
			ck_assert_int_eq(both(3, (X509 *[]){ x, ca, root },
					     &quick, learned),
			    ERR_OK);
			for (k = 0; (y = changed(k, &name)) != NULL; k++) {
				(void)both(3, (X509 *[]){ y, ca, root }, &quick,
				    name);
				X509_free(y);
			}
		}
		X509_free(x);
	}
	ck_assert_int_gt(n, 66);
}
END_TEST

/* --- what is kept ------------------------------------------------------- */

START_TEST(test_issuers_are_kept_only_if_they_hold)
{
	struct issuers *fresh = issuers_new(anchors);
	struct blob *evil = pki_chain_pem(pki_evil(pki), PKI_PLATFORM_CA);
	struct pki_pck p = some_pck(3);
	X509 *foreign = pki_pck(pki_evil(pki), &p);
	struct blob *pem = pki_pem(foreign);
	struct buf b = BUF_INIT;
	struct chain *c = NULL;
	int i;

	buf_span(&b, blob_span(pem));
	buf_span(&b, blob_span(evil));
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(chain_read_pck(buf_view(&b), fresh, &c, NULL),
		    ERR_ROOT);
	blob_unref(evil);
	blob_unref(pem);
	buf_free(&b);
	X509_free(foreign);
	issuers_free(fresh);
}
END_TEST

START_TEST(test_pairs_beyond_the_bound_push_out_the_oldest)
{
	struct pki_cert profile = pki_cert_of(pki, PKI_PLATFORM_CA);
	bool quick;
	X509 *mid;
	int i;

	for (i = 0; i < 8; i++) {
		profile.not_after--; /* another certificate of the same CA */
		mid = pki_cert(pki, &profile);
		ck_assert_int_eq(both(3, (X509 *[]){ leaf, mid, root }, &quick,
				     "new"),
		    ERR_OK);
		ck_assert(!quick);
		ck_assert_int_eq(both(3, (X509 *[]){ leaf, mid, root }, &quick,
				     "kept"),
		    ERR_OK);
		ck_assert(quick);
		X509_free(mid);
	}
	ck_assert_int_eq(both(3, (X509 *[]){ leaf, ca, root }, &quick, "old"),
	    ERR_OK);
	ck_assert(!quick);
}
END_TEST

/* What more there is in them holds for all leaves of a kind, or for none. */
START_TEST(test_issuers_may_have_more_in_them)
{
	static const struct {
		int nid;
		const char *value;
		enum err e;
	} cases[] = {
		{ NID_netscape_comment, "any", ERR_OK },
		{ NID_ext_key_usage, "anyExtendedKeyUsage", ERR_OK },
		{ NID_name_constraints, NULL, ERR_CHAIN },
	};
	/* Names below C=DE alone. */
	static const unsigned char constraint[] = { 0x30, 0x15, 0xa0, 0x13,
		0x30, 0x11, 0xa4, 0x0f, 0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09,
		0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 'D', 'E' };
	X509 *mid;
	bool quick;
	size_t i;
	int k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mid = X509_dup(ca);
		if (cases[i].nid == NID_name_constraints)
			pki_ext_raw(mid, "2.5.29.30", 1,
			    span_of(constraint, sizeof(constraint)));
		else
			pki_ext_conf(mid, cases[i].nid, cases[i].value);
		must(X509_sign(mid, pki_key(pki, PKI_ROOT), EVP_sha256()) > 0);
		for (k = 0; k < 2; k++) {
			ck_assert_int_eq(both(3, (X509 *[]){ leaf, mid, root },
					     &quick, "more"),
			    cases[i].e);
			ck_assert_int_eq(quick, k == 1 && cases[i].e == ERR_OK);
		}
		X509_free(mid);
	}
}
END_TEST

START_TEST(test_a_chain_outlives_what_it_was_read_below)
{
	struct pki_pck p = some_pck(4);
	struct blob *tail = pki_chain_pem(pki, PKI_PLATFORM_CA), *pem, *again;
	X509 *x = pki_pck(pki, &p);
	struct buf b = BUF_INIT;
	struct chain *c;

	pem = pki_pem(x);
	buf_span(&b, blob_span(pem));
	buf_span(&b, blob_span(tail));
	must(chain_read_pck(buf_view(&b), issuers, &c, NULL) == ERR_OK);
	ck_assert_ptr_nonnull(c->leaf);
	issuers_free(issuers);
	issuers = NULL;
	again = chain_pem(c);
	ck_assert(span_eq(blob_span(again), buf_view(&b)));
	ck_assert_int_eq(chain_window(c, 0).until, cert_window(x).until);
	chain_unref(c);
	blob_unref(again);
	blob_unref(pem);
	blob_unref(tail);
	buf_free(&b);
	X509_free(x);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("leaf");
	TCase *t = tcase_create("made");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_leaf_before_known_issuers_is_read_alone);
	tcase_add_test(t, test_text_around_the_blocks_is_judged_alike);
	tcase_add_loop_test(t, test_no_octet_can_be_changed, 0, 3);
	tcase_add_test(t, test_more_or_fewer_octets_are_refused);
	tcase_add_test(t, test_every_leaf_is_judged_as_openssl_judges_it);
	tcase_add_test(t, test_issuers_are_kept_only_if_they_hold);
	tcase_add_test(t, test_pairs_beyond_the_bound_push_out_the_oldest);
	tcase_add_test(t, test_kinds_are_not_mixed_up);
	tcase_add_test(t, test_issuers_may_have_more_in_them);
	tcase_add_test(t, test_a_chain_outlives_what_it_was_read_below);
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
