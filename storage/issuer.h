/*
 * The PCK CA chains in use: few, shared by all platforms, checked once.
 * Store thread.  Private to storage/.
 */
#ifndef STORAGE_ISSUER_H
#define STORAGE_ISSUER_H

#include "storage/storage.h"

struct issuer {
	struct chain *chain;
	struct blob *pem;   /* chain_pem() */
	struct blob *value; /* chain_header() */
	struct blob *head;  /* the line SGX-PCK-Certificate-Issuer-Chain */
};

/*
 * The issuer whose chain this is, PEM or percent-encoded, through chain_read
 * with the root CRL held.  Borrowed, until the next call of either function.
 */
enum err issuer_get(struct storage *, struct span chain,
    const struct issuer **out, struct why *) MUST_CHECK;
/* Forget all: what they were checked against has changed. */
void issuers_clear(struct storage *);

#endif
