/*
 * Private to tests/kit/pki*.c.
 */
#ifndef TESTS_KIT_PKI_INT_H
#define TESTS_KIT_PKI_INT_H

#include "tests/kit/pki.h"

#include <openssl/pem.h>

struct pki {
	char *seed;
	time_t now;
	X509 *x[PKI_WHO_N];
	EVP_PKEY *key[PKI_WHO_N];
	char spki_hex[65];
	struct pki *evil;
};

void pki_digest(const struct pki *, const char *kind, const char *label,
    unsigned char out[32]);
X509 *pki_cert_lie(const struct pki *, const struct pki_cert *, enum pki_lie);
X509_EXTENSION *pki_aki(X509 *issuer);
void pki_resign(const ASN1_BIT_STRING *where, struct span tbs, EVP_PKEY *,
    enum pki_lie);

#endif
