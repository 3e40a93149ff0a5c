/*
 * Signing keys that stay where they are: a URI that OpenSSL's stores open, a
 * file or what a configured provider knows (PKCS#11).  Private to server/.
 */
#ifndef SERVER_JWT_STORE_H
#define SERVER_JWT_STORE_H

#include "config/base/span.h"

#include <jansson.h>
#include <openssl/types.h>

/*
 * The P-256 key at this URI; nobody is asked for a pass phrase.  A "file:"
 * that others may read is ERR_CONFIG, like whatever is no such key.
 */
enum err jwt_store_open(const char *uri, EVP_PKEY **out,
    struct why *) MUST_CHECK;
/* Its public half as members of a JWK: kty, crv, x, y. */
enum err jwt_store_public(EVP_PKEY *, json_t *jwk, struct why *) MUST_CHECK;
/* ES256 (RFC 7518 3.4): r and s of 32 octets each. False: it cannot now. */
bool jwt_store_sign(EVP_PKEY *, struct span text, unsigned char sig[64]);

#endif
