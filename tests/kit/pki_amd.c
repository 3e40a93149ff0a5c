/*
 * Keys, issuers and chains of the AMD-like test PKI (amd-kds 3, 6.1).
 */
#include "tests/kit/pki_amd.h"

#include "config/base/must.h"
#include "tests/kit/pki_int.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY  ((time_t)86400)
#define YEAR (365 * DAY)

static const char *const lie_names[PKI_AMD_LIE_N] = {
#define LIE(sym, name, text) [sym] = name,
	PKI_AMD_LIES(LIE)
#undef LIE
};

const char *
pki_amd_lie_name(enum pki_amd_lie lie)
{
	return lie < PKI_AMD_LIE_N ? lie_names[lie] : "?";
}

enum pki_amd_lie
pki_amd_lie_read(const char *name)
{
	enum pki_amd_lie i;

	for (i = AMD_HONEST; i < PKI_AMD_LIE_N; i++)
		if (strcmp(name, lie_names[i]) == 0)
			break;
	return i;
}

/* --- RSA keys --------------------------------------------------------- */

/* Which pair of primes; the attacker has one ARK and one of each other. */
static unsigned
key_index(enum amd_product product, enum pki_amd_who who, bool evil)
{
	if (who == PKI_ASK_NEXT)
		return 12 + (unsigned)product;
	return (evil ? (unsigned)AMD_PRODUCT_N : (unsigned)product) * 3 +
	       (unsigned)who;
}

static void
key_primes(unsigned index, BIGNUM **p, BIGNUM **q)
{
	unsigned i = 0;

	while (index >= PKI_PRIMES - 1 - i)
		index -= PKI_PRIMES - 1 - i++;
	must(BN_hex2bn(p, pki_primes[i]) > 0);
	must(BN_hex2bn(q, pki_primes[i + 1 + index]) > 0);
}

static void
push(OSSL_PARAM_BLD *bld, const char *name, const BIGNUM *bn)
{
	must(OSSL_PARAM_BLD_push_BN(bld, name, bn) == 1);
}

/* d, and what a fast private operation wants (RFC 8017 3.2). */
static void
push_private(OSSL_PARAM_BLD *bld, BIGNUM *v[6], const BIGNUM *p,
    const BIGNUM *q, const BIGNUM *e)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p1 = v[4], *q1 = v[5];

	must(BN_sub(p1, p, BN_value_one()) && BN_sub(q1, q, BN_value_one()));
	must(BN_mul(v[1], p1, q1, ctx) == 1);
	must(BN_mod_inverse(v[0], e, v[1], ctx) != NULL);
	must(BN_mod(v[1], v[0], p1, ctx) && BN_mod(v[2], v[0], q1, ctx));
	must(BN_mod_inverse(v[3], q, p, ctx) != NULL);
	push(bld, OSSL_PKEY_PARAM_RSA_D, v[0]);
	push(bld, OSSL_PKEY_PARAM_RSA_FACTOR1, p);
	push(bld, OSSL_PKEY_PARAM_RSA_FACTOR2, q);
	push(bld, OSSL_PKEY_PARAM_RSA_EXPONENT1, v[1]);
	push(bld, OSSL_PKEY_PARAM_RSA_EXPONENT2, v[2]);
	push(bld, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, v[3]);
	BN_CTX_free(ctx);
}

static EVP_PKEY *
key_make(unsigned index)
{
	EVP_PKEY_CTX *pctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *p = NULL, *q = NULL, *n = BN_new(), *e = BN_new(), *v[6];
	BN_CTX *ctx = BN_CTX_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	int i;

	key_primes(index, &p, &q);
	must(BN_mul(n, p, q, ctx) == 1 && BN_set_word(e, RSA_F4) == 1);
	push(bld, OSSL_PKEY_PARAM_RSA_N, n);
	push(bld, OSSL_PKEY_PARAM_RSA_E, e);
	for (i = 0; i < 6; i++)
		v[i] = BN_new();
	push_private(bld, v, p, q, e);
	params = OSSL_PARAM_BLD_to_param(bld);
	must(EVP_PKEY_fromdata_init(pctx) == 1);
	must(EVP_PKEY_fromdata(pctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	for (i = 0; i < 6; i++)
		BN_free(v[i]);
	BN_free(p);
	BN_free(q);
	BN_free(n);
	BN_free(e);
	BN_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(pctx);
	return key;
}

/* Under the lock. */
static EVP_PKEY *
key_locked(struct pki_amd *pki, enum amd_product product, enum pki_amd_who who,
    bool evil)
{
	unsigned index = key_index(product, who, evil);

	if (pki->rsa[index] == NULL)
		pki->rsa[index] = key_make(index);
	return pki->rsa[index];
}

EVP_PKEY *
pki_amd_key(struct pki_amd *pki, enum amd_product product, enum pki_amd_who who,
    bool evil)
{
	EVP_PKEY *key;

	pthread_mutex_lock(&pki->lock);
	key = key_locked(pki, product, who, evil);
	pthread_mutex_unlock(&pki->lock);
	return key;
}

/* --- signing ---------------------------------------------------------- */

/* The older AlgorithmIdentifier, with trailerField (amd-kds 3.1). */
static const unsigned char pss_trailer[72] = { 0x30, 0x46, 0x06, 0x09, 0x2a,
	0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f,
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48,
	0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
	0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02,
	0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01 };

EVP_MD_CTX *
pki_amd_signer(EVP_PKEY *key, enum pki_amd_lie lie)
{
	const EVP_MD *md = lie == AMD_SHA256 ? EVP_sha256() : EVP_sha384();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;

	must(EVP_DigestSignInit(ctx, &pctx, md, NULL, key) == 1);
	if (lie == AMD_PKCS1)
		return ctx;
	must(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0);
	must(EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) > 0);
	must(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, lie == AMD_SALT ? 32 : 48) >
	     0);
	return ctx;
}

static void
alg_set(const X509_ALGOR *where, X509_ALGOR *alg)
{
	must(X509_ALGOR_copy((X509_ALGOR *)(uintptr_t)where, alg) == 1);
}

/* Sign once more under the algorithm identifier the library does not write. */
static void
sign_trailer(X509 *x, EVP_PKEY *key, bool inner)
{
	const unsigned char *p = pss_trailer;
	X509_ALGOR *alg = d2i_X509_ALGOR(NULL, &p, sizeof(pss_trailer));
	EVP_MD_CTX *ctx = pki_amd_signer(key, AMD_HONEST);
	unsigned char *tbs = NULL, sig[512];
	const ASN1_BIT_STRING *bits;
	const X509_ALGOR *outer;
	size_t len = sizeof(sig);
	int n;

	X509_get0_signature(&bits, &outer, x);
	alg_set(outer, alg);
	if (inner)
		alg_set(X509_get0_tbs_sigalg(x), alg);
	n = i2d_re_X509_tbs(x, &tbs);
	must(n > 0 && EVP_DigestSign(ctx, sig, &len, tbs, (size_t)n) == 1);
	pki_bits_set(bits, span_of(sig, len));
	OPENSSL_free(tbs);
	EVP_MD_CTX_free(ctx);
	X509_ALGOR_free(alg);
}

void
pki_amd_sign(X509 *x, EVP_PKEY *key, bool trailer, enum pki_amd_lie lie)
{
	EVP_MD_CTX *ctx = pki_amd_signer(key, lie);

	must(X509_sign_ctx(x, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	if (lie == AMD_MIXED)
		sign_trailer(x, key, false);
	else if (trailer && lie != AMD_SALT && lie != AMD_SHA256 &&
		 lie != AMD_PKCS1)
		sign_trailer(x, key, true);
}

/* BER's freedom: the outermost length, two octets, in three. */
static void
ber_length(struct buf *der)
{
	struct buf b = BUF_INIT;

	must(der->len > 4 && der->p[0] == 0x30 &&
	     (unsigned char)der->p[1] == 0x82);
	buf_add(&b, "\x30\x83", 3);
	buf_add(&b, der->p + 2, der->len - 2);
	buf_free(der);
	*der = b;
}

struct blob *
pki_amd_spoil(struct buf *der, const char *label, enum pki_amd_lie lie)
{
	struct buf pem = BUF_INIT;

	if (lie == AMD_BAD_SIGNATURE)
		der->p[der->len - 1] ^= 1;
	else if (lie == AMD_TRAILING)
		buf_add(der, "", 1);
	else if (lie == AMD_TRUNCATED)
		der->len--;
	else if (lie == AMD_BER)
		ber_length(der);
	if (lie != AMD_ENCODING)
		return buf_blob(der);
	pem_write(&pem, label, buf_view(der));
	buf_free(der);
	return buf_blob(&pem);
}

/* --- issuers ---------------------------------------------------------- */

enum amd_product
pki_amd_other(enum amd_product p)
{
	return (enum amd_product)((p + 1) % AMD_PRODUCT_N);
}

enum pki_amd_who
pki_amd_issuer(enum amd_side side, bool next)
{
	if (side == AMD_VLEK)
		return PKI_ASVK;
	return next ? PKI_ASK_NEXT : PKI_ASK;
}

uint32_t
pki_amd_serial(enum amd_product product, enum pki_amd_who who)
{
	uint32_t serial = (uint32_t)(product + 1) << 16;

	if (who == PKI_ASVK)
		return serial + 0x101;
	if (who == PKI_ASK || who == PKI_ASK_NEXT)
		serial += product == AMD_GENOA ? 2 : 1;
	return serial + (who == PKI_ASK_NEXT);
}

/* "cn" with the product's name behind it, AMD_PRODUCT_N: as it is. */
X509_NAME *
pki_amd_name(const char *cn, enum amd_product product)
{
	X509_NAME *name = X509_NAME_new();
	char text[64];

	snprintf(text, sizeof(text), "%s%s", cn,
	    product < AMD_PRODUCT_N ? amd_product_name(product) : "");
	pki_name_add(name, "OU", "Engineering");
	pki_name_add(name, "C", "US");
	pki_name_add(name, "L", "Santa Clara");
	pki_name_add(name, "ST", "CA");
	pki_name_add(name, "O", "Advanced Micro Devices");
	pki_name_add(name, "CN", text);
	return name;
}

static void
issuer_extensions(X509 *x, X509 *ark, enum amd_product product,
    enum pki_amd_who who, enum pki_amd_lie lie)
{
	static const unsigned char null_der[] = { 5, 0 };
	char dp[120];

	pki_ext_ski(x);
	if (who != PKI_ARK)
		pki_ext_aki(x, ark);
	pki_ext_conf(x, NID_basic_constraints,
	    who == PKI_ARK ? "critical,CA:TRUE" : "critical,CA:TRUE,pathlen:0");
	pki_ext_conf(x, NID_key_usage,
	    who == PKI_ARK ? "critical,keyCertSign,cRLSign"
			   : "critical,keyCertSign");
	snprintf(dp, sizeof(dp), "URI:https://kdsintf.amd.com/%s/v1/%s/crl",
	    amd_side_name(who == PKI_ASVK ? AMD_VLEK : AMD_VCEK),
	    amd_product_name(product));
	pki_ext_conf(x, NID_crl_distribution_points, dp);
	if (lie == AMD_CRITICAL)
		pki_ext_raw(x, "1.3.6.1.4.1.99999.1", 1,
		    span_of(null_der, sizeof(null_der)));
}

static void
issuer_times(const struct pki_amd *pki, X509 *x, enum pki_amd_lie lie)
{
	time_t from = pki->now - 2 * YEAR, until = from + 25 * YEAR;

	if (lie == AMD_NOT_YET)
		from = pki->now + 20 * YEAR;
	if (lie == AMD_EXPIRED)
		until = pki->now - DAY;
	must(ASN1_TIME_set(X509_getm_notBefore(x), from) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(x), until) != NULL);
}

/* Under the lock.  ark: its issuer, NULL for an ARK itself. */
static X509 *
issuer_make(struct pki_amd *pki, enum amd_product product, enum pki_amd_who who,
    X509 *ark, enum pki_amd_lie lie)
{
	static const char *const cns[] = { "ARK-", "SEV-", "SEV-VLEK-",
		"SEV-" };
	bool evil = lie == AMD_FOREIGN;
	EVP_PKEY *key = key_locked(pki, product, who, evil);
	EVP_PKEY *signer = key_locked(pki, product, PKI_ARK,
	    evil || (lie == AMD_WRONG_KEY && who != PKI_ARK));
	X509_NAME *name = pki_amd_name(cns[who], product);
	X509 *x = X509_new();

	must(X509_set_version(x, 2) == 1);
	must(ASN1_INTEGER_set(X509_get_serialNumber(x),
		 pki_amd_serial(product, who)) == 1);
	issuer_times(pki, x, lie);
	must(X509_set_subject_name(x, name) == 1);
	must(X509_set_issuer_name(x,
		 ark == NULL ? name : X509_get_subject_name(ark)) == 1);
	must(X509_set_pubkey(x, key) == 1);
	issuer_extensions(x, ark, product, who, lie);
	pki_amd_sign(x, signer, true, lie);
	X509_NAME_free(name);
	return x;
}

/* Under the lock. Borrowed. */
static X509 *
issuer_honest(struct pki_amd *pki, enum amd_product product,
    enum pki_amd_who who)
{
	X509 **at = &pki->x[product][who];

	if (*at == NULL)
		*at = issuer_make(pki, product, who,
		    who == PKI_ARK ? NULL
				   : issuer_honest(pki, product, PKI_ARK),
		    AMD_HONEST);
	return *at;
}

X509 *
pki_amd_x509(struct pki_amd *pki, enum amd_product product,
    enum pki_amd_who who)
{
	X509 *x;

	pthread_mutex_lock(&pki->lock);
	x = issuer_honest(pki, product, who);
	pthread_mutex_unlock(&pki->lock);
	return x;
}

/* --- chains ----------------------------------------------------------- */

/* Some lies are about the ASK itself; in all others it is as always. */
static bool
lie_in_ask(enum pki_amd_lie lie)
{
	switch (lie) {
	case AMD_WRONG_KEY:
	case AMD_FOREIGN:
	case AMD_SALT:
	case AMD_SHA256:
	case AMD_PKCS1:
	case AMD_MIXED:
	case AMD_NOT_YET:
	case AMD_EXPIRED:
	case AMD_CRITICAL:
		return true;
	default:
		return false;
	}
}

/* The two certificates of a chain. */
static void
chain_certs(struct pki_amd *pki, const struct pki_amd_chain *c, X509 **ask,
    X509 **ark)
{
	enum pki_amd_who who = pki_amd_issuer(c->side, c->next);
	enum amd_product product = c->product;

	if (c->lie == AMD_WRONG_ROLE)
		who = who == PKI_ASVK ? PKI_ASK : PKI_ASVK;
	if (c->lie == AMD_OTHER_PRODUCT)
		product = pki_amd_other(product);
	pthread_mutex_lock(&pki->lock);
	if (c->lie == AMD_FOREIGN) {
		*ark = issuer_make(pki, product, PKI_ARK, NULL, c->lie);
	} else {
		*ark = issuer_honest(pki, product, PKI_ARK);
		must(X509_up_ref(*ark) == 1);
	}
	if (lie_in_ask(c->lie)) {
		*ask = issuer_make(pki, product, who, *ark, c->lie);
	} else {
		*ask = issuer_honest(pki, product, who);
		must(X509_up_ref(*ask) == 1);
	}
	pthread_mutex_unlock(&pki->lock);
}

static void
chain_add(struct buf *b, X509 *x, enum pki_amd_lie lie)
{
	struct buf der = BUF_INIT;
	unsigned char *p = NULL;
	int n = i2d_X509(x, &p);

	must(n > 0);
	buf_add(&der, p, (size_t)n);
	if (lie == AMD_BAD_SIGNATURE)
		der.p[der.len - 1] ^= 1;
	if (lie == AMD_ENCODING)
		buf_span(b, buf_view(&der));
	else
		pem_write(b, "CERTIFICATE", buf_view(&der));
	OPENSSL_free(p);
	buf_free(&der);
}

static struct blob *
chain_crlf(struct buf *lf)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < lf->len; i++) {
		if (lf->p[i] == '\n')
			buf_str(&b, "\r");
		buf_add(&b, lf->p + i, 1);
	}
	buf_free(lf);
	return buf_blob(&b);
}

struct blob *
pki_amd_chain(struct pki_amd *pki, const struct pki_amd_chain *c)
{
	bool crlf = (c->product == AMD_TURIN) != (c->lie == AMD_LINE_ENDS);
	struct buf b = BUF_INIT;
	X509 *ask, *ark;

	chain_certs(pki, c, &ask, &ark);
	chain_add(&b, c->lie == AMD_SWAPPED ? ark : ask, c->lie);
	if (c->lie != AMD_ONE)
		chain_add(&b, c->lie == AMD_SWAPPED ? ask : ark,
		    c->lie == AMD_ENCODING ? c->lie : AMD_HONEST);
	if (c->lie == AMD_THREE)
		chain_add(&b, ark, AMD_HONEST);
	if (c->lie == AMD_TRAILING)
		buf_str(&b, "and so on\n");
	if (c->lie == AMD_BLANK_LINE)
		buf_str(&b, "\n");
	if (c->lie == AMD_TRUNCATED)
		b.len -= 30;
	X509_free(ask);
	X509_free(ark);
	return crlf && c->lie != AMD_ENCODING ? chain_crlf(&b) : buf_blob(&b);
}

/* --- the PKI ---------------------------------------------------------- */

struct pki_amd *
pki_amd_new(const char *seed, time_t now)
{
	struct pki_amd *pki = xcalloc(1, sizeof(*pki));

	pki->seed = xstrdup(seed);
	pki->now = now;
	pthread_mutex_init(&pki->lock, NULL);
	return pki;
}

void
pki_amd_free(struct pki_amd *pki)
{
	int i, j;

	if (pki == NULL)
		return;
	for (i = 0; i < AMD_PRODUCT_N; i++)
		for (j = 0; j < PKI_AMD_WHO_N; j++)
			X509_free(pki->x[i][j]);
	for (i = 0; i < PKI_PAIRS; i++)
		EVP_PKEY_free(pki->rsa[i]);
	pthread_mutex_destroy(&pki->lock);
	free(pki->seed);
	free(pki);
}

time_t
pki_amd_now(const struct pki_amd *pki)
{
	return pki->now;
}

static char roots[AMD_PRODUCT_N][65];

static void
roots_make(void)
{
	X509_PUBKEY *spki = NULL;
	EVP_PKEY *key;
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++) {
		key = key_make(key_index((enum amd_product)i, PKI_ARK, false));
		must(X509_PUBKEY_set(&spki, key) == 1);
		pki_spki_hex(spki, roots[i]);
		EVP_PKEY_free(key);
	}
	X509_PUBKEY_free(spki);
}

const char *
pki_amd_root_spki_hex(enum amd_product product)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, roots_make);
	return roots[product];
}

struct amd_anchors
pki_amd_anchors(void)
{
	struct amd_anchors pins;
	struct anchors *one;
	char *hex;
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++) {
		hex = (char *)(uintptr_t)pki_amd_root_spki_hex(
		    (enum amd_product)i);
		one = NULL;
		must(anchors_read(1, &hex, &one, NULL) == ERR_OK);
		pins.by[i] = one;
	}
	return pins;
}

void
pki_amd_anchors_drop(struct amd_anchors *pins)
{
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++)
		anchors_free((struct anchors *)(uintptr_t)pins->by[i]);
}
