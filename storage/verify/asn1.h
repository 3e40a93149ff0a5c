/* Private to storage/verify: ASN.1 templates of what OpenSSL does not know. */
#ifndef STORAGE_VERIFY_ASN1_H
#define STORAGE_VERIFY_ASN1_H

#include "config/base/span.h"

#include <openssl/asn1.h>
#include <openssl/safestack.h>

/* SEQUENCE { OBJECT IDENTIFIER, ANY }: what Intel's extension is made of. */
typedef struct sgx_pair SGX_PAIR; /* the name OpenSSL's macros want */
struct sgx_pair {
	ASN1_OBJECT *oid;
	ASN1_TYPE *value;
};
DEFINE_STACK_OF(SGX_PAIR)

/* SEQUENCE OF pairs and nothing after it; NULL if it is not one. */
struct stack_st_SGX_PAIR *sgx_pairs_read(struct span der);
void sgx_pairs_free(struct stack_st_SGX_PAIR *);

/* 1.2.840.113741.1.13.1 */
bool sgx_oid_is_root(const ASN1_OBJECT *);
/* The octets of the OID after that; an arc below 128 is one octet. */
bool sgx_oid_suffix(const ASN1_OBJECT *, struct span *suffix);

#endif
