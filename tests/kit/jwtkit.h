/*
 * Signed verdicts as a relying party checks them, in two ways that have no
 * code in common: with libjose, and with OpenSSL on the bare numbers.
 */
#ifndef TESTS_KIT_JWTKIT_H
#define TESTS_KIT_JWTKIT_H

#include "config/base/blob.h"

#include <jansson.h>

/* The token (compact form, ES256) holds under the key of this JWK set that
 * its header names; false as well when there is none. */
bool jwt_jose_holds(const json_t *set, const struct blob *token);
/* The same; the key must be there. */
bool jwt_openssl_holds(const json_t *set, const struct blob *token);
/* Its payload; json_decref() it. */
json_t *jwt_claims(const struct blob *token);

#endif
