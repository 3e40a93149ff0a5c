/*
 * Keys, certificates and chains of the test PKI.
 */
#include "tests/kit/pki.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki_int.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_CDP                                                               \
	"https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define YEAR (365 * (time_t)86400)

static const char *const lie_names[PKI_LIE_N] = {
	[PKI_HONEST] = "honest",
	[PKI_BAD_SIGNATURE] = "bad-signature",
	[PKI_BODY_CHANGED] = "body-changed",
	[PKI_WRONG_KEY] = "wrong-key",
	[PKI_FOREIGN_CHAIN] = "foreign-chain",
	[PKI_WRONG_ROLE] = "wrong-role",
	[PKI_REVOKED_SIGNER] = "revoked-signer",
	[PKI_EXPIRED_SIGNER] = "expired-signer",
};

const char *
pki_lie_name(enum pki_lie lie)
{
	return lie < PKI_LIE_N ? lie_names[lie] : "?";
}

enum pki_lie
pki_lie_read(const char *name)
{
	enum pki_lie i;

	for (i = PKI_HONEST; i < PKI_LIE_N; i++)
		if (strcmp(name, lie_names[i]) == 0)
			break;
	return i;
}

/* --- keys ------------------------------------------------------------- */

/* SHA-256("seed:kind:label"), the source of all that looks random here. */
void
pki_digest(const struct pki *pki, const char *kind, const char *label,
    unsigned char out[32])
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s:%s:%s", pki->seed, kind, label);
	sha256(buf_view(&b), out);
	buf_free(&b);
}

/* digest mod (n - 1) + 1: a scalar that is never zero. */
static BIGNUM *
scalar(struct span digest, const EC_GROUP *group, BN_CTX *ctx)
{
	BIGNUM *k = BN_bin2bn(digest.p, (int)digest.len, NULL);
	BIGNUM *m = BN_dup(EC_GROUP_get0_order(group));

	must(k != NULL && m != NULL);
	must(BN_sub_word(m, 1) == 1);
	must(BN_mod(k, k, m, ctx) == 1);
	must(BN_add_word(k, 1) == 1);
	BN_free(m);
	return k;
}

EVP_PKEY *
pki_ec_key(int nid, struct span digest)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(nid);
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *pub = EC_POINT_new(group);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	unsigned char point[97];
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	size_t len;
	BIGNUM *k;

	k = scalar(digest, group, ctx);
	must(EC_POINT_mul(group, pub, k, NULL, NULL, ctx) == 1);
	len = EC_POINT_point2oct(group, pub, POINT_CONVERSION_UNCOMPRESSED,
	    point, sizeof(point), ctx);
	must(len > 0);
	must(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
	    OBJ_nid2sn(nid), 0));
	must(OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
	    point, len));
	must(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, k));
	params = OSSL_PARAM_BLD_to_param(bld);
	must(EVP_PKEY_fromdata_init(pctx) == 1);
	must(EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(pctx);
	BN_free(k);
	EC_POINT_free(pub);
	BN_CTX_free(ctx);
	EC_GROUP_free(group);
	return key;
}

EVP_PKEY *
pki_derive(const struct pki *pki, const char *label)
{
	unsigned char digest[32];

	pki_digest(pki, "key", label, digest);
	return pki_ec_key(NID_X9_62_prime256v1,
	    span_of(digest, sizeof(digest)));
}

/*
 * ECDSA with a nonce that is a digest of key and message, so that the same
 * input gives the same bytes; the library's own signer draws a random one.
 */
void
pki_sign(EVP_PKEY *key, struct span bytes, unsigned char sig[64])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *point = EC_POINT_new(group);
	const BIGNUM *n = EC_GROUP_get0_order(group);
	BIGNUM *d = NULL, *r = BN_new(), *s = BN_new(), *k, *z;
	unsigned char in[64], digest[32];

	must(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1);
	sha256(bytes, in);
	must(BN_bn2binpad(d, in + 32, 32) == 32);
	z = BN_bin2bn(in, 32, NULL);
	sha256(span_of(in, sizeof(in)), digest);
	k = scalar(span_of(digest, sizeof(digest)), group, ctx);
	must(EC_POINT_mul(group, point, k, NULL, NULL, ctx) == 1);
	must(EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx) == 1);
	must(BN_nnmod(r, r, n, ctx) == 1);
	must(BN_mod_mul(s, r, d, n, ctx) == 1);
	must(BN_mod_add(s, s, z, n, ctx) == 1);
	must(BN_mod_inverse(k, k, n, ctx) != NULL);
	must(BN_mod_mul(s, s, k, n, ctx) == 1);
	must(BN_bn2binpad(r, sig, 32) == 32);
	must(BN_bn2binpad(s, sig + 32, 32) == 32);
	BN_clear_free(d);
	BN_free(r);
	BN_free(s);
	BN_free(k);
	BN_free(z);
	EC_POINT_free(point);
	BN_CTX_free(ctx);
	EC_GROUP_free(group);
}

/* The library gives the signature of an object to look at only. */
void
pki_bits_set(const ASN1_BIT_STRING *where, struct span bytes)
{
	ASN1_BIT_STRING *bits = (ASN1_BIT_STRING *)(uintptr_t)where;

	must(ASN1_BIT_STRING_set(bits, (unsigned char *)(uintptr_t)bytes.p,
		 (int)bytes.len) == 1);
	bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 7);
	bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
}

/* Replace a signature that X509_sign or X509_CRL_sign put there. */
void
pki_resign(const ASN1_BIT_STRING *where, struct span tbs, EVP_PKEY *key,
    enum pki_lie lie)
{
	unsigned char raw[64], *der = NULL;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int len;

	pki_sign(key, tbs, raw);
	if (lie == PKI_BAD_SIGNATURE)
		raw[63] ^= 1;
	must(ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL),
		 BN_bin2bn(raw + 32, 32, NULL)) == 1);
	len = i2d_ECDSA_SIG(sig, &der);
	must(len > 0);
	pki_bits_set(where, span_of(der, (size_t)len));
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
}

/* --- certificates ----------------------------------------------------- */

void
pki_name_add(X509_NAME *name, const char *field, const char *value)
{
	must(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
		 (const unsigned char *)value, -1, -1, 0) == 1);
}

/* CN=..., O=Intel Corporation, L=Santa Clara, ST=CA, C=US */
static X509_NAME *
name_new(const char *cn)
{
	X509_NAME *name = X509_NAME_new();

	pki_name_add(name, "CN", cn);
	pki_name_add(name, "O", "Intel Corporation");
	pki_name_add(name, "L", "Santa Clara");
	pki_name_add(name, "ST", "CA");
	pki_name_add(name, "C", "US");
	return name;
}

static void
ext_add(X509 *x, X509_EXTENSION *ext)
{
	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

void
pki_ext_conf(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, NULL, x, NULL, NULL, 0);
	ext_add(x, X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
}

static ASN1_OCTET_STRING *
key_id(X509 *x)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	unsigned char sha1[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	must(X509_pubkey_digest(x, EVP_sha1(), sha1, &n) == 1);
	must(ASN1_OCTET_STRING_set(id, sha1, (int)n) == 1);
	return id;
}

X509_EXTENSION *
pki_aki(X509 *issuer)
{
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	X509_EXTENSION *ext;

	aki->keyid = key_id(issuer);
	ext = X509V3_EXT_i2d(NID_authority_key_identifier, 0, aki);
	AUTHORITY_KEYID_free(aki);
	return ext;
}

void
pki_ext_aki(X509 *x, X509 *issuer)
{
	ext_add(x, pki_aki(issuer));
}

void
pki_ext_ski(X509 *x)
{
	ASN1_OCTET_STRING *id = key_id(x);

	ext_add(x, X509V3_EXT_i2d(NID_subject_key_identifier, 0, id));
	ASN1_OCTET_STRING_free(id);
}

void
pki_ext_raw(X509 *x, const char *oid, int critical, struct span der)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *os = ASN1_OCTET_STRING_new();

	must(ASN1_OCTET_STRING_set(os, der.p, (int)der.len) == 1);
	ext_add(x, X509_EXTENSION_create_by_OBJ(NULL, obj, critical, os));
	ASN1_OCTET_STRING_free(os);
	ASN1_OBJECT_free(obj);
}

/* In the order of Intel's certificates. */
static void
cert_extensions(X509 *x, const struct pki_cert *c)
{
	static const unsigned char null_der[] = { 5, 0 };
	char dp[300];

	if (!c->no_aki)
		pki_ext_aki(x, c->issuer == NULL ? x : c->issuer);
	if (c->crl_dp != NULL) {
		snprintf(dp, sizeof(dp), "URI:%s", c->crl_dp);
		pki_ext_conf(x, NID_crl_distribution_points, dp);
	}
	if (!c->no_ski)
		pki_ext_ski(x);
	if (c->key_usage != NULL)
		pki_ext_conf(x, NID_key_usage, c->key_usage);
	if (c->basic != NULL)
		pki_ext_conf(x, NID_basic_constraints, c->basic);
	if (c->sgx.len > 0)
		pki_ext_raw(x, "1.2.840.113741.1.13.1", 0, c->sgx);
	if (c->unknown_critical)
		pki_ext_raw(x, "1.3.6.1.4.1.99999.1", 1,
		    span_of(null_der, sizeof(null_der)));
}

static void
cert_serial(const struct pki *pki, X509 *x, const char *label)
{
	unsigned char digest[32];
	BIGNUM *bn;

	pki_digest(pki, "serial", label, digest);
	digest[0] = (unsigned char)((digest[0] & 0x7f) | 0x40);
	bn = BN_bin2bn(digest, 20, NULL);
	must(BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL);
	BN_free(bn);
}

X509 *
pki_cert_lie(const struct pki *pki, const struct pki_cert *c, enum pki_lie lie)
{
	EVP_PKEY *own = c->key == NULL ? pki_derive(pki, c->label) : NULL;
	EVP_PKEY *key = c->key == NULL ? own : c->key;
	EVP_PKEY *signer = c->issuer == NULL ? key : c->issuer_key;
	const ASN1_BIT_STRING *bits;
	X509_NAME *name = name_new(c->cn);
	unsigned char *tbs = NULL;
	X509 *x = X509_new();
	int len;

	must(X509_set_version(x, 2) == 1);
	cert_serial(pki, x, c->label);
	must(ASN1_TIME_set(X509_getm_notBefore(x), c->not_before) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(x), c->not_after) != NULL);
	must(X509_set_subject_name(x, name) == 1);
	must(X509_set_issuer_name(x,
		 c->issuer == NULL ? name : X509_get_subject_name(c->issuer)) ==
	     1);
	must(X509_set_pubkey(x, key) == 1);
	cert_extensions(x, c);
	must(X509_sign(x, signer, EVP_sha256()) > 0);
	if (EVP_PKEY_get_bits(signer) == 256 &&
	    EVP_PKEY_is_a(signer, "EC") == 1) {
		len = i2d_re_X509_tbs(x, &tbs);
		must(len > 0);
		X509_get0_signature(&bits, NULL, x);
		pki_resign(bits, span_of(tbs, (size_t)len), signer, lie);
		OPENSSL_free(tbs);
	}
	X509_NAME_free(name);
	EVP_PKEY_free(own);
	return x;
}

X509 *
pki_cert(const struct pki *pki, const struct pki_cert *c)
{
	return pki_cert_lie(pki, c, PKI_HONEST);
}

struct pki_cert
pki_cert_of(const struct pki *pki, enum pki_who who)
{
	struct pki_cert c = {
		.crl_dp = ROOT_CDP,
		.issuer = pki->x[PKI_ROOT],
		.issuer_key = pki->key[PKI_ROOT],
		.not_before = pki->now - YEAR,
		.not_after = pki->now + 6 * YEAR,
		.key_usage = "critical,digitalSignature,nonRepudiation",
		.basic = "critical,CA:FALSE",
		.cn = "Intel SGX TCB Signing",
		.label = "tcb-signing",
	};

	if (who == PKI_TCB_SIGNING_REVOKED)
		c.label = "tcb-signing-revoked";
	if (who == PKI_TCB_SIGNING_EXPIRED) {
		c.label = "tcb-signing-expired";
		c.not_after = pki->now - 86400;
	}
	if (who == PKI_ROOT || who == PKI_PROCESSOR_CA ||
	    who == PKI_PLATFORM_CA) {
		c.key_usage = "critical,keyCertSign,cRLSign";
		c.basic = "critical,CA:TRUE,pathlen:0";
	}
	if (who == PKI_ROOT) {
		c.cn = "Intel SGX Root CA";
		c.label = "root";
		c.basic = "critical,CA:TRUE,pathlen:1";
		c.issuer = NULL;
		c.issuer_key = NULL;
		c.not_after = 2524607999; /* 2049-12-31T23:59:59Z */
	} else if (who == PKI_PROCESSOR_CA) {
		c.cn = "Intel SGX PCK Processor CA";
		c.label = "processor-ca";
	} else if (who == PKI_PLATFORM_CA) {
		c.cn = "Intel SGX PCK Platform CA";
		c.label = "platform-ca";
	}
	return c;
}

/* --- the PKI ---------------------------------------------------------- */

void
pki_spki_hex(const X509_PUBKEY *key, char out[65])
{
	unsigned char *spki = NULL, digest[32];
	int len = i2d_X509_PUBKEY(key, &spki);

	must(len > 0);
	sha256(span_of(spki, (size_t)len), digest);
	hex_lower(span_of(digest, sizeof(digest)), out);
	OPENSSL_free(spki);
}

static struct pki *
pki_new_one(const char *seed, time_t now)
{
	struct pki *pki = xcalloc(1, sizeof(*pki));
	struct pki_cert c;
	enum pki_who i;

	pki->seed = xstrdup(seed);
	pki->now = now;
	for (i = PKI_ROOT; i < PKI_WHO_N; i++) {
		c = pki_cert_of(pki, i);
		pki->key[i] = pki_derive(pki, c.label);
		c.key = pki->key[i];
		pki->x[i] = pki_cert(pki, &c);
	}
	pki_spki_hex(X509_get_X509_PUBKEY(pki->x[PKI_ROOT]), pki->spki_hex);
	return pki;
}

struct pki *
pki_new(const char *seed, time_t now)
{
	struct pki *pki = pki_new_one(seed, now);
	char evil[80];

	snprintf(evil, sizeof(evil), "evil-%s", seed);
	pki->evil = pki_new_one(evil, now);
	return pki;
}

void
pki_free(struct pki *pki)
{
	enum pki_who i;

	if (pki == NULL)
		return;
	for (i = PKI_ROOT; i < PKI_WHO_N; i++) {
		X509_free(pki->x[i]);
		EVP_PKEY_free(pki->key[i]);
	}
	pki_free(pki->evil);
	free(pki->seed);
	free(pki);
}

time_t
pki_now(const struct pki *pki)
{
	return pki->now;
}

const char *
pki_root_spki_hex(const struct pki *pki)
{
	return pki->spki_hex;
}

X509 *
pki_x509(const struct pki *pki, enum pki_who who)
{
	return pki->x[who];
}

EVP_PKEY *
pki_key(const struct pki *pki, enum pki_who who)
{
	return pki->key[who];
}

const struct pki *
pki_evil(const struct pki *pki)
{
	must(pki->evil != NULL);
	return pki->evil;
}

/* --- encodings -------------------------------------------------------- */

static void
buf_pem(struct buf *b, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	must(PEM_write_bio_X509(bio, x) == 1);
	n = BIO_get_mem_data(bio, &p);
	buf_add(b, p, (size_t)n);
	BIO_free(bio);
}

struct blob *
pki_pem(X509 *x)
{
	struct buf b = BUF_INIT;

	buf_pem(&b, x);
	return buf_blob(&b);
}

struct blob *
pki_der(X509 *x)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);
	struct blob *blob;

	must(len > 0);
	blob = blob_new(der, (size_t)len);
	OPENSSL_free(der);
	return blob;
}

char *
pki_serial(X509 *x)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get_serialNumber(x), NULL);
	char *hex = BN_bn2hex(bn), *out = xstrdup(hex);

	OPENSSL_free(hex);
	BN_free(bn);
	return out;
}

struct blob *
pki_chain_pem(const struct pki *pki, enum pki_who who)
{
	struct buf b = BUF_INIT;

	buf_pem(&b, pki->x[who]);
	if (who != PKI_ROOT)
		buf_pem(&b, pki->x[PKI_ROOT]);
	return buf_blob(&b);
}

struct blob *
pki_chain_header(const struct pki *pki, enum pki_who who)
{
	struct blob *pem = pki_chain_pem(pki, who);
	struct buf b = BUF_INIT;

	buf_pct(&b, blob_span(pem));
	blob_unref(pem);
	return buf_blob(&b);
}
