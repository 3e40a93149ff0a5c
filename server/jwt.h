/*
 * Verdicts as signed tokens (EAT, RFC 9711; JWT, RFC 7519; ES256), and the
 * keys that sign them: JWKs in a folder, one file KID.jwk of mode 0600 each,
 * with the private half, or with the URI where that is (jwt_store.h).
 * Private to server/.
 *
 * A key's life.  "sign_from" stands in its file; all else follows from it
 * and from that of the key after it:
 *
 *   made             sign_from         the next's sign_from      + overlap
 *    |-- published --|-- signs --------|-- published, no more ------|-- gone
 *
 * The first key signs at once.  A struct jwt_keys is immutable and counted;
 * any thread.
 */
#ifndef SERVER_JWT_H
#define SERVER_JWT_H

#include "config/base/blob.h"
#include "config/config.h"

#include <jansson.h>
#include <openssl/types.h>
#include <time.h>

#define JWT_PROFILE  "tag:larder,2026:verdict/1" /* eat_profile */
#define JWT_TYPE     "application/jwt"
#define JWT_KEYS_MAX 32
#define JWT_KID_LEN  43 /* RFC 7638 with SHA-256, base64url */

struct jwt_key {
	char kid[JWT_KID_LEN + 1];
	time_t sign_from;
	time_t end; /* INT64_MAX: no key comes after it */
	json_t *jwk;
	EVP_PKEY *store; /* signs in place of the JWK, or NULL */
};
struct jwt_keys {
	_Atomic unsigned refs;
	char *issuer;
	int64_t lifetime_s;
	size_t n;
	struct jwt_key *v; /* by sign_from, first one first */
};

/*
 * What the configuration's folder holds.  A key or a folder that others may
 * read or write, and a file that is no such key, are ERR_CONFIG.  None at
 * all: n is 0.  *out is the caller's.
 */
enum err jwt_keys_load(const struct config *, struct jwt_keys **out,
    struct why *) MUST_CHECK;
/* The same after making the folder and the first key if there is none. */
enum err jwt_keys_open(const struct config *, time_t now, struct jwt_keys **out,
    struct why *) MUST_CHECK;
struct jwt_keys *jwt_keys_ref(struct jwt_keys *);
void jwt_keys_unref(struct jwt_keys *);

/*
 * Make the next key, which signs from now + jwt.publish_s on, and remove the
 * files of those that are past their end.  "at_once": sign from now on, with
 * the next key if one is waiting, else with a new one.  ERR_PARAM while one
 * is waiting.  uri: the key that is there rather than a new one; NULL: a new
 * one.  kid gets the name of the key.
 */
enum err jwt_keys_rotate(const struct config *, time_t now, bool at_once,
    const char *uri, char kid[JWT_KID_LEN + 1], struct why *) MUST_CHECK;
/*
 * payload (base64url) in the JWS members protected, payload and signature;
 * NULL: the key cannot be used now.  The caller's.
 */
json_t *jwt_jws(const struct jwt_key *, const char *payload);

/* The key that signs at this time; NULL: there is none.  Borrowed. */
const struct jwt_key *jwt_keys_signing(const struct jwt_keys *, time_t now);
/* The JWK set of RFC 7517: public halves of what is published now. */
struct blob *jwt_keys_set(const struct jwt_keys *, time_t now);

/*
 * The token of a verdict, compact form.  Its claims are the verdict's members
 * and iss, iat, nbf, exp, jti, eat_profile, and with a nonce (may be NULL)
 * eat_nonce: as it is, or where that is hex too long for a token, the same in
 * base64url.  "until" (0: no such end) is when the verdict's own ground ends;
 * exp is never later.  ERR_PARAM: the nonce is then not 8 to 88 characters
 * long (RFC 9711 4.1), or the verdict's ground has ended.  ERR_NOT_AVAILABLE:
 * there is no key, or its store does not sign now.
 */
enum err jwt_sign(const struct jwt_keys *, const json_t *verdict,
    const char *nonce, time_t now, time_t until, struct blob **out,
    struct why *) MUST_CHECK;

#endif
