/*
 * The keys that vouch for a site's bundle: ECDSA P-256 with SHA-256 (ES256)
 * or Ed25519, in PEM as "openssl genpkey" and "openssl pkey -pubout" write
 * them.  One thread.  Private to server/cli/.
 */
#ifndef SERVER_CLI_SITEKEY_H
#define SERVER_CLI_SITEKEY_H

#include "config/base/blob.h"

#define SITEKEY_ID_LEN 64 /* hex of the SHA-256 of the public key's DER */

struct sitekey;

/* A private key; ERR_IO, ERR_FORMAT: no such key in the file. */
enum err sitekey_private(const char *path, struct sitekey **out,
    struct why *) MUST_CHECK;
/* Of a file of any number of public keys and certificates, the one with this
 * id.  ERR_BADSIG: it is not among them. */
enum err sitekey_public(const char *path, const char *id, struct sitekey **out,
    struct why *) MUST_CHECK;
void sitekey_free(struct sitekey *);

const char *sitekey_algorithm(const struct sitekey *); /* "ES256", "Ed25519" */
void sitekey_id(const struct sitekey *, char out[SITEKEY_ID_LEN + 1]);

/* The signature's bytes appended; ECDSA's are DER. */
void sitekey_sign(const struct sitekey *, struct span text, struct buf *out);
/* ERR_BADSIG */
enum err sitekey_check(const struct sitekey *, struct span text,
    struct span signature, struct why *) MUST_CHECK;

#endif
