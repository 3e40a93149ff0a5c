/*
 * Signatures on P-384, the one thing an SNP verdict cannot do without.  By
 * nettle: OpenSSL 3.0 has no code of its own for this curve and takes twice as
 * long.  This file alone includes nettle's headers.
 */
#include "storage/verify/verify.h"

#include "config/base/must.h"

#include <nettle/bignum.h>
#include <nettle/dsa.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define P384_LEN 48

struct p384 {
	struct ecc_point point;
};

/* One coordinate, big-endian; a key may be encoded in several ways. */
static bool
coordinate(EVP_PKEY *key, const char *name, unsigned char out[P384_LEN])
{
	BIGNUM *bn = NULL;
	bool good = EVP_PKEY_get_bn_param(key, name, &bn) == 1 &&
		    BN_bn2binpad(bn, out, P384_LEN) == P384_LEN;

	BN_free(bn);
	return good;
}

struct p384 *
p384_new(EVP_PKEY *key)
{
	unsigned char octets[2][P384_LEN];
	struct p384 *p;
	mpz_t x, y;
	bool good;

	if (!coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, octets[0]) ||
	    !coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, octets[1]))
		return NULL;
	nettle_mpz_init_set_str_256_u(x, P384_LEN, octets[0]);
	nettle_mpz_init_set_str_256_u(y, P384_LEN, octets[1]);
	p = xcalloc(1, sizeof(*p));
	ecc_point_init(&p->point, nettle_get_secp_384r1());
	good = ecc_point_set(&p->point, x, y) == 1; /* it is on the curve */
	mpz_clear(x);
	mpz_clear(y);
	if (good)
		return p;
	p384_free(p);
	return NULL;
}

void
p384_free(struct p384 *p)
{
	if (p == NULL)
		return;
	ecc_point_clear(&p->point);
	free(p);
}

bool
p384_check(const struct p384 *p, const unsigned char digest[48],
    const unsigned char sig[96])
{
	struct dsa_signature s;
	bool good;

	dsa_signature_init(&s);
	nettle_mpz_set_str_256_u(s.r, P384_LEN, sig);
	nettle_mpz_set_str_256_u(s.s, P384_LEN, sig + P384_LEN);
	/* It refuses r and s that are zero or not below the order. */
	good = ecdsa_verify(&p->point, P384_LEN, digest, &s) == 1;
	dsa_signature_clear(&s);
	return good;
}
