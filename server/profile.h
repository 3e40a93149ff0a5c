/*
 * Named profiles: demands the operator has written down, NAME.json in the
 * folder verify.profiles, each what a request may carry as "requirements".
 * They stand on the defaults; a request can only add to them.  Beside those,
 * "at" and "collateral": false refuses a request that has such a member, which
 * would choose the time or the documents that it is judged by; and "nonce",
 * "report_data", "runtime_data": true refuses one that has not.
 * Read at start and at a reload.  Private to server/.
 */
#ifndef SERVER_PROFILE_H
#define SERVER_PROFILE_H

#include "server/verifier.h"

#define PROFILES_MAX 256
#define PROFILE_LEN  1048576 /* bytes of a file */

/* *out is the caller's, profiles_free().  ERR_CONFIG names the file. */
enum err profiles_read(const struct config *, struct profile **out, size_t *n,
    struct why *) MUST_CHECK;
void profiles_free(struct profile *, size_t n);

#endif
