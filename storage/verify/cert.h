/* Private to storage/verify: single certificates and what is common to all. */
#ifndef STORAGE_VERIFY_CERT_H
#define STORAGE_VERIFY_CERT_H

#include "storage/verify/verify.h"

#define CN_ROOT        "Intel SGX Root CA"
#define CN_PROCESSOR   "Intel SGX PCK Processor CA"
#define CN_PLATFORM    "Intel SGX PCK Platform CA"
#define CN_SIGNER      "Intel SGX TCB Signing"
#define CN_LEAF        "Intel SGX PCK Certificate"

#define CERT_MAX       16384 /* octets of DER; genuine ones are about 1300 */
#define CHAIN_TEXT_MAX (64 * 1024) /* genuine ones are 1.9 to 3.6 kB */

/* Forget what OpenSSL queued and set the reason. */
enum err why_ssl(struct why *, enum err, const char *clause, const char *text);

/* One certificate of exactly these octets, which are DER and not just BER. */
enum err cert_read(struct span der, X509 **out, struct why *) MUST_CHECK;
struct blob *cert_der(const X509 *);

/* Exactly one common name, with exactly these octets. */
bool cert_cn_is(const X509 *, const char *cn);
/* Octet-equal names. */
bool name_same(const X509_NAME *, const X509_NAME *);

/*
 * Key on the named curve P-256, signed with ecdsa-with-SHA256, and key usage
 * and basic constraints of a CA or of an end entity; each of which OpenSSL's
 * path validation lets pass or does not ask for (quote-verification 14).
 */
enum err cert_check_kind(X509 *, bool ca, struct why *) MUST_CHECK;
bool cert_names_p256(const X509 *);
/* x || y of its key, which is on P-256. */
void cert_point(const X509 *, unsigned char xy[64]);

/* --- leaf.c: a leaf of a kind that was checked before ------------------- */

/* What stands for x[0] of a chain whose leaf OpenSSL has not decoded. */
struct leaf {
	struct blob *der;
	struct window window;
	ASN1_INTEGER *serial;
	unsigned char xy[64]; /* its key */
	struct span sgx;      /* Intel's extension, in der */
};
void leaf_free(struct leaf *); /* may be NULL */

/*
 * RFC 5280 6.1 by OpenSSL, strict, without time and revocation: "x" through
 * "mid" (may be NULL) to "trusted", which need not be a root.
 */
enum err cert_check_path(X509 *x, X509 *mid, X509 *trusted,
    struct why *) MUST_CHECK;

/* ERR_REVOKED when listed; ERR_CHAIN when the CRL is another issuer's. */
enum err cert_check_crl(const ASN1_INTEGER *serial, const X509 *issuer,
    const struct crl *, struct why *) MUST_CHECK;

/* --- Intel's extension (pck.c) ------------------------------------------ */

bool pck_oid_is(struct span oid);
/* pck_read() of the octets in the extension. */
enum err pck_extension_read(struct span der, struct pck *out,
    struct why *) MUST_CHECK;

/* --- signatures (sig.c) ------------------------------------------------- */

/* sig_check_point() with a signature in DER, as certificates have them. */
enum err sig_check_der(struct span bytes, struct span sig,
    const unsigned char xy[64], struct why *) MUST_CHECK;
bool p256_has(const unsigned char xy[64]); /* x || y is a point of it */

/* --- lists of any issuer, Intel's and AMD's alike (crl.c) --------------- */

/* One version 2 CRL of exactly these octets, which are DER and not just BER:
 * ERR_FORMAT. */
enum err crl_der_read(struct span der, X509_CRL **out, struct why *) MUST_CHECK;
/*
 * Its serials, sorted: owned by the caller (free), borrowing from the CRL.
 * ERR_CHAIN: an entry has a critical extension (RFC 5280 5.3).
 */
enum err crl_entries_read(X509_CRL *, struct crl_entry **out, size_t *n,
    struct why *) MUST_CHECK;
bool crl_entries_have(const struct crl_entry *, size_t n,
    const ASN1_INTEGER *serial);

/* UTC seconds of an ASN.1 time. */
bool asn1_time_read(const ASN1_TIME *, time_t *out);
/* ecdsa-with-SHA256 without parameters. */
bool asn1_alg_ok(const X509_ALGOR *);

#endif
