/* What every AMD certificate and CRL has in common (amd-kds 3.1, 3.2). */
#include "storage/verify/amdcert.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

/* AlgorithmIdentifier with and without the explicit trailerField; both are
 * live, so comparing bytes says all that interpreting them would. */
static const unsigned char pss_trailer[72] = { 0x30, 0x46, 0x06, 0x09, 0x2a,
	0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x39, 0xa0, 0x0f,
	0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	0x02, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48,
	0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86,
	0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02,
	0x01, 0x30, 0xa3, 0x03, 0x02, 0x01, 0x01 };
static const unsigned char pss_plain[67] = { 0x30, 0x41, 0x06, 0x09, 0x2a, 0x86,
	0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30,
	0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
	0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
	0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
	0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0xa2, 0x03, 0x02, 0x01,
	0x30 };

static bool
alg_is(const X509_ALGOR *alg, const unsigned char *want, size_t len)
{
	unsigned char *der = NULL;
	int n = i2d_X509_ALGOR(alg, &der);
	bool same = n > 0 && (size_t)n == len && memcmp(der, want, len) == 0;

	OPENSSL_free(der);
	return same;
}

enum err
amdcert_check_alg(const X509_ALGOR *inner, const X509_ALGOR *outer,
    const char *what, struct why *why)
{
	if (X509_ALGOR_cmp(inner, outer) != 0)
		return why_set(why, ERR_FORMAT, "amd-kds 3.1",
		    "%s: inner and outer algorithm differ", what);
	if (!alg_is(inner, pss_trailer, sizeof(pss_trailer)) &&
	    !alg_is(inner, pss_plain, sizeof(pss_plain)))
		return why_set(why, ERR_FORMAT, "amd-kds 3.1",
		    "%s: not RSASSA-PSS with SHA-384 and a salt of 48", what);
	return ERR_OK;
}

enum err
amdcert_check_x509_alg(const X509 *x, const char *what, struct why *why)
{
	const X509_ALGOR *outer;

	X509_get0_signature(NULL, &outer, x);
	return amdcert_check_alg(X509_get0_tbs_sigalg(x), outer, what, why);
}

enum err
amdcert_check_name(const X509_NAME *name, const char *what, struct span *cn,
    struct why *why)
{
	static const struct {
		int nid, type;
		const char *value; /* NULL: any, it is the CN */
	} rdn[] = {
		{ NID_organizationalUnitName, V_ASN1_UTF8STRING,
		    "Engineering" },
		{ NID_countryName, V_ASN1_PRINTABLESTRING, "US" },
		{ NID_localityName, V_ASN1_UTF8STRING, "Santa Clara" },
		{ NID_stateOrProvinceName, V_ASN1_UTF8STRING, "CA" },
		{ NID_organizationName, V_ASN1_UTF8STRING,
		    "Advanced Micro Devices" },
		{ NID_commonName, V_ASN1_UTF8STRING, NULL },
	};
	const int n = (int)(sizeof(rdn) / sizeof(rdn[0]));
	struct span value = SPAN_NONE;

	if (X509_NAME_entry_count(name) != n)
		return why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "%s: a name has %d parts, not %d", what,
		    X509_NAME_entry_count(name), n);
	for (int i = 0; i < n; i++) {
		const X509_NAME_ENTRY *ne = X509_NAME_get_entry(name, i);
		const ASN1_STRING *s = X509_NAME_ENTRY_get_data(ne);

		value = span_of(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s));
		if (OBJ_obj2nid(X509_NAME_ENTRY_get_object(ne)) != rdn[i].nid ||
		    ASN1_STRING_type(s) != rdn[i].type ||
		    (rdn[i].value != NULL && !span_eq_str(value, rdn[i].value)))
			return why_set(why, ERR_CHAIN, "amd-kds 3.2",
			    "%s: part %d of a name is not AMD's", what, i + 1);
	}
	*cn = value;
	return ERR_OK;
}

enum err
amdcert_read(struct span der, const char *what, X509 **out, struct why *why)
{
	const unsigned char *p = der.p;
	unsigned char *again = NULL;
	enum err e = ERR_OK;
	X509 *x = NULL;
	int n;

	/* VEKs are 1.3 kB, issuers 1.7 kB. */
	if (der.len == 0 || der.len > 8192)
		return why_set(why, ERR_TOO_BIG, "amd-kds 6.2",
		    "%s: %zu bytes is no certificate", what, der.len);
	x = d2i_X509(NULL, &p, (long)der.len);
	if (x == NULL || p != der.p + der.len) {
		e = why_set(why, ERR_FORMAT, "amd-kds 6.2",
		    "%s: not one whole DER certificate", what);
		goto out;
	}
	n = i2d_X509(x, &again);
	if (n < 0 || !span_eq(der, span_of(again, (size_t)n))) {
		e = why_set(why, ERR_FORMAT, "amd-kds 6.2",
		    "%s: not in canonical DER", what);
		goto out;
	}
	if (X509_get_version(x) != X509_VERSION_3) {
		e = why_set(why, ERR_FORMAT, "amd-kds 3.2",
		    "%s: not an X.509 v3 certificate", what);
		goto out;
	}
	*out = x;
	x = NULL;
out:
	OPENSSL_free(again);
	X509_free(x);
	ERR_clear_error();
	return e;
}

enum err
amdcert_time(const ASN1_TIME *t, time_t *out)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return ERR_FORMAT;
	*out = timegm(&tm);
	return ERR_OK;
}

enum err
amdcert_window(const X509 *x, const char *what, struct window *w,
    struct why *why)
{
	time_t from, until;

	if (amdcert_time(X509_get0_notBefore(x), &from) != ERR_OK ||
	    amdcert_time(X509_get0_notAfter(x), &until) != ERR_OK)
		return why_set(why, ERR_FORMAT, "RFC 5280 4.1.2.5",
		    "%s: validity cannot be read", what);
	window_cut(w, from, until);
	return ERR_OK;
}

enum err
amdcert_check_rsa(X509 *x, const char *what, struct why *why)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	BIGNUM *e = NULL;
	bool good;

	good = key != NULL && EVP_PKEY_is_a(key, "RSA") &&
	       EVP_PKEY_get_bits(key) == 4096 &&
	       EVP_PKEY_get_bn_param(key, "e", &e) == 1 &&
	       BN_is_word(e, RSA_F4);
	BN_free(e);
	ERR_clear_error();
	if (!good)
		return why_set(why, ERR_CHAIN, "amd-kds 3.1",
		    "%s: key is not RSA-4096 with exponent 65537", what);
	return ERR_OK;
}

enum amd_product
amdcert_product(struct span cn, const char *prefix)
{
	size_t len = strlen(prefix);
	unsigned p;

	if (!span_starts(cn, prefix))
		return AMD_PRODUCT_N;
	for (p = 0; p < AMD_PRODUCT_N; p++)
		if (span_eq_str(span_of(cn.p + len, cn.len - len),
			amd_product_name((enum amd_product)p)))
			break;
	return (enum amd_product)p;
}
