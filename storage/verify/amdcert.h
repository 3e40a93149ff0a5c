/*
 * What every AMD certificate and CRL has in common: names, the one signature
 * algorithm, RSA-4096 issuers.  Private to storage/verify/.
 */
#ifndef STORAGE_VERIFY_AMDCERT_H
#define STORAGE_VERIFY_AMDCERT_H

#include "storage/verify/amd.h"

/* Inner and outer algorithm: equal, RSASSA-PSS with the parameters of
 * amd-kds 3.1, in one of its two encodings. */
enum err amdcert_check_alg(const X509_ALGOR *inner, const X509_ALGOR *outer,
    const char *what, struct why *) MUST_CHECK;
enum err amdcert_check_x509_alg(const X509 *, const char *what,
    struct why *) MUST_CHECK;
/* The six RDNs of amd-kds 3.2; *cn is borrowed from the name. */
enum err amdcert_check_name(const X509_NAME *, const char *what,
    struct span *cn, struct why *) MUST_CHECK;
/* The product a common name ends in; "prefix" and a name of KDS's, exactly.
 * AMD_PRODUCT_N: it is none. */
enum amd_product amdcert_product(struct span cn, const char *prefix);
/* One DER certificate, no byte behind it, re-encoding to the same bytes. */
enum err amdcert_read(struct span der, const char *what, X509 **out,
    struct why *) MUST_CHECK;
/* notBefore and notAfter. */
enum err amdcert_window(const X509 *, const char *what, struct window *,
    struct why *) MUST_CHECK;
enum err amdcert_time(const ASN1_TIME *, time_t *out) MUST_CHECK;
/* RSA, 4096 bit, e = 65537. */
enum err amdcert_check_rsa(X509 *, const char *what, struct why *) MUST_CHECK;

#endif
