#include "storage/verify/cert.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum err
why_ssl(struct why *why, enum err e, const char *clause, const char *text)
{
	ERR_clear_error();
	return why_set(why, e, clause, "%s", text);
}

bool
asn1_time_read(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1) {
		ERR_clear_error();
		return false;
	}
	*out = timegm(&tm);
	return true;
}

/* --- one certificate ---------------------------------------------------- */

/* d2i reads BER; what is served again must be the one DER form. */
static bool
der_is(const X509 *x, struct span der)
{
	struct blob *again = cert_der(x);
	bool same = span_eq(blob_span(again), der);

	blob_unref(again);
	return same;
}

static enum err
cert_check_whole(const X509 *x, struct span der, const unsigned char *end,
    struct why *why)
{
	time_t from, until;

	if (end != der.p + der.len || !der_is(x, der))
		return why_set(why, ERR_FORMAT, "RFC 5280 4.1",
		    "not one whole DER certificate");
	if (X509_get_version(x) != X509_VERSION_3)
		return why_set(why, ERR_FORMAT, "RFC 5280 4.1.2.1",
		    "not an X.509 v3 certificate");
	if (!asn1_time_read(X509_get0_notBefore(x), &from) ||
	    !asn1_time_read(X509_get0_notAfter(x), &until))
		return why_set(why, ERR_FORMAT, "RFC 5280 4.1.2.5",
		    "validity of a certificate is not a time");
	return ERR_OK;
}

enum err
cert_read(struct span der, X509 **out, struct why *why)
{
	const unsigned char *p = der.p;
	X509 *x = NULL;
	enum err e = ERR_OK;

	if (der.len > CERT_MAX)
		e = why_set(why, ERR_TOO_BIG, "RFC 5280 4.1",
		    "certificate of %zu octets", der.len);
	else if (der.len == 0 || d2i_X509(&x, &p, (long)der.len) == NULL)
		e = why_ssl(why, ERR_FORMAT, "RFC 5280 4.1",
		    "not a DER certificate");
	else
		e = cert_check_whole(x, der, p, why);
	if (e != ERR_OK)
		goto out;
	*out = x;
	x = NULL;
out:
	ERR_clear_error();
	X509_free(x);
	return e;
}

struct blob *
cert_der(const X509 *x)
{
	unsigned char *p = NULL;
	int len = i2d_X509(x, &p);
	struct blob *der;

	must(len > 0);
	der = blob_new(p, (size_t)len);
	OPENSSL_free(p);
	return der;
}

struct window
cert_window(const X509 *x)
{
	struct window w;

	must(asn1_time_read(X509_get0_notBefore(x), &w.from));
	must(asn1_time_read(X509_get0_notAfter(x), &w.until));
	return w;
}

void
cert_spki(const X509 *x, unsigned char out[32])
{
	unsigned char *p = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &p);

	must(len > 0);
	sha256(span_of(p, (size_t)len), out);
	OPENSSL_free(p);
}

/* --- names -------------------------------------------------------------- */

bool
cert_cn_is(const X509 *x, const char *cn)
{
	const X509_NAME *name = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *s;

	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return false;
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	return span_eq_str(span_of(ASN1_STRING_get0_data(s),
			       (size_t)ASN1_STRING_length(s)),
	    cn);
}

bool
name_same(const X509_NAME *a, const X509_NAME *b)
{
	const unsigned char *pa, *pb;
	size_t na, nb;

	return X509_NAME_get0_der(a, &pa, &na) == 1 &&
	       X509_NAME_get0_der(b, &pb, &nb) == 1 &&
	       span_eq(span_of(pa, na), span_of(pb, nb));
}

/* --- algorithms and usage ----------------------------------------------- */

bool
asn1_alg_ok(const X509_ALGOR *alg)
{
	const ASN1_OBJECT *oid;
	int type;

	X509_ALGOR_get0(&oid, &type, NULL, alg);
	return OBJ_obj2nid(oid) == NID_ecdsa_with_SHA256 &&
	       type == V_ASN1_UNDEF;
}

/* The curve by name: explicit parameters could be another curve's. */
bool
cert_names_p256(const X509 *x)
{
	const ASN1_OBJECT *oid, *curve;
	const void *param;
	X509_ALGOR *alg;
	int type;

	if (X509_PUBKEY_get0_param(NULL, NULL, NULL, &alg,
		X509_get_X509_PUBKEY(x)) != 1)
		return false;
	X509_ALGOR_get0(&oid, &type, &param, alg);
	if (OBJ_obj2nid(oid) != NID_X9_62_id_ecPublicKey ||
	    type != V_ASN1_OBJECT)
		return false;
	curve = param;
	return OBJ_obj2nid(curve) == NID_X9_62_prime256v1;
}

void
cert_point(const X509 *x, unsigned char xy[64])
{
	static const char *const name[2] = { OSSL_PKEY_PARAM_EC_PUB_X,
		OSSL_PKEY_PARAM_EC_PUB_Y };
	BIGNUM *n;
	int i;

	for (i = 0; i < 2; i++) {
		n = NULL;
		must(EVP_PKEY_get_bn_param(X509_get0_pubkey(x), name[i], &n) ==
			 1 &&
		     BN_bn2binpad(n, xy + 32 * i, 32) == 32);
		BN_free(n);
	}
}

/* NULL: algorithms, usage and constraints fit. */
static const char *
kind_fault(X509 *x, bool ca)
{
	const uint32_t ca_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
	uint32_t flags = X509_get_extension_flags(x);
	uint32_t usage = X509_get_key_usage(x);
	const X509_ALGOR *alg;

	X509_get0_signature(NULL, &alg, x);
	if (!cert_names_p256(x))
		return "key is not on P-256";
	if (!asn1_alg_ok(alg))
		return "signature is not ecdsa-with-SHA256";
	if ((flags & EXFLAG_INVALID) != 0)
		return "an extension does not parse";
	if ((flags & EXFLAG_CRITICAL) != 0)
		return "an unknown critical extension";
	if ((flags & EXFLAG_BCONS) == 0 || (flags & EXFLAG_KUSAGE) == 0)
		return "no basic constraints or no key usage";
	if (ca && ((flags & EXFLAG_CA) == 0 || (usage & ca_usage) != ca_usage))
		return "not a CA that signs certificates and CRLs";
	if (!ca &&
	    ((flags & EXFLAG_CA) != 0 || (usage & KU_DIGITAL_SIGNATURE) == 0 ||
		(usage & KU_KEY_CERT_SIGN) != 0))
		return "not an end entity that signs";
	return NULL;
}

enum err
cert_check_kind(X509 *x, bool ca, struct why *why)
{
	const char *bad = X509_get0_pubkey(x) == NULL ? "key is not on P-256"
						      : kind_fault(x, ca);

	if (bad != NULL)
		return why_ssl(why, ERR_CHAIN, "pcs-upstream 6", bad);
	return ERR_OK;
}

/* --- paths -------------------------------------------------------------- */

/*
 * Time is left to the caller's window and revocation to cert_check_crl(), so
 * that one path check serves the gate and the verdict at any time.
 */
#define PATH_FLAGS                                                             \
	(X509_V_FLAG_X509_STRICT | X509_V_FLAG_NO_CHECK_TIME |                 \
	    X509_V_FLAG_PARTIAL_CHAIN)

static enum err
path_verify(X509_STORE_CTX *ctx, int want, struct why *why)
{
	int got;

	if (X509_verify_cert(ctx) != 1)
		return why_ssl(why, ERR_CHAIN, "RFC 5280 6.1",
		    X509_verify_cert_error_string(
			X509_STORE_CTX_get_error(ctx)));
	got = sk_X509_num(X509_STORE_CTX_get0_chain(ctx));
	if (got != want)
		return why_set(why, ERR_CHAIN, "RFC 5280 6.1",
		    "path of %d certificates, not %d", got, want);
	return ERR_OK;
}

enum err
cert_check_path(X509 *x, X509 *mid, X509 *trusted, struct why *why)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *roots = sk_X509_new_null();
	STACK_OF(X509) *mids = sk_X509_new_null();
	int want = 1 + (mid != NULL) + (x != trusted);
	enum err e;

	must(ctx != NULL && roots != NULL && mids != NULL);
	must(sk_X509_push(roots, trusted) > 0);
	if (mid != NULL)
		must(sk_X509_push(mids, mid) > 0);
	must(X509_STORE_CTX_init(ctx, NULL, x, mids) == 1);
	X509_STORE_CTX_set0_trusted_stack(ctx, roots);
	X509_STORE_CTX_set_flags(ctx, PATH_FLAGS);
	e = path_verify(ctx, want, why);
	X509_STORE_CTX_free(ctx);
	sk_X509_free(mids);
	sk_X509_free(roots);
	ERR_clear_error();
	return e;
}

enum err
cert_check_crl(const ASN1_INTEGER *serial, const X509 *issuer,
    const struct crl *crl, struct why *why)
{
	if (!crl_is_of(crl, issuer))
		return why_set(why, ERR_CHAIN, "quote-verification 5",
		    "the CRL is not of the certificate's issuer");
	if (crl_entries_have(crl->entries, crl->n, serial))
		return why_set(why, ERR_REVOKED, "RFC 5280 6.3",
		    "the certificate is listed in its issuer's CRL");
	return ERR_OK;
}
