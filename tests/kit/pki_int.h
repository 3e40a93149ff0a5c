/*
 * Private to tests/kit/pki*.c, and to tests that sign what no CA would.
 */
#ifndef TESTS_KIT_PKI_INT_H
#define TESTS_KIT_PKI_INT_H

#include "tests/kit/pki.h"
#include "tests/kit/pki_amd.h"

#include <openssl/pem.h>
#include <pthread.h>

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
void pki_resign(const ASN1_BIT_STRING *where, struct span tbs, EVP_PKEY *,
    enum pki_lie);

/* --- for both PKIs ---------------------------------------------------- */

/* The key on this curve whose scalar is the digest, reduced. */
EVP_PKEY *pki_ec_key(int nid, struct span digest);
void pki_bits_set(const ASN1_BIT_STRING *where, struct span bytes);
void pki_name_add(X509_NAME *, const char *field, const char *value);
void pki_ext_conf(X509 *, int nid, const char *value);
void pki_ext_raw(X509 *, const char *oid, int critical, struct span der);
void pki_ext_ski(X509 *);
void pki_ext_aki(X509 *, X509 *issuer);
X509_EXTENSION *pki_aki(X509 *issuer);
/* Lower-case hex SHA-256 of the SubjectPublicKeyInfo. */
void pki_spki_hex(const X509_PUBKEY *, char out[65]);
void pki_crl_times(X509_CRL *, time_t from, time_t until);
/* "reason" as RFC 5280 5.3.1 numbers them; -1: none. */
void pki_crl_revoke(X509_CRL *, const BIGNUM *serial, time_t at, int reason);
void pki_crl_number(X509_CRL *, unsigned long);
void pki_crl_partition(X509_CRL *);

/* --- AMD's ------------------------------------------------------------ */

#define PKI_PRIMES 6 /* pki_primes.c: two of them make an RSA key */
#define PKI_PAIRS  15
extern const char *const pki_primes[PKI_PRIMES];

struct pki_amd {
	char *seed;
	time_t now;
	pthread_mutex_t lock; /* of what follows */
	EVP_PKEY *rsa[PKI_PAIRS];
	X509 *x[AMD_PRODUCT_N][PKI_AMD_WHO_N];
};

/* Borrowed; evil: the attacker's key for the same part. */
EVP_PKEY *pki_amd_key(struct pki_amd *, enum amd_product, enum pki_amd_who,
    bool evil);
enum amd_product pki_amd_other(enum amd_product);
enum pki_amd_who pki_amd_issuer(enum amd_side, bool next);
X509_NAME *pki_amd_name(const char *cn, enum amd_product);
/* With the algorithm of a lie; else AMD's, with or without trailerField. */
void pki_amd_sign(X509 *, EVP_PKEY *, bool trailer, enum pki_amd_lie);
EVP_MD_CTX *pki_amd_signer(EVP_PKEY *, enum pki_amd_lie);
/* Bad signature, trailing, truncated, encoding: what is done to bytes. */
struct blob *pki_amd_spoil(struct buf *der, const char *label,
    enum pki_amd_lie);

#endif
