/*
 * Private to storage/verify: a cursor over DER (X.690 8.1 and 10.1), for what
 * OpenSSL does not know and for what it is slow at.  Tags of one octet and
 * lengths in the one definite form they may have, of at most 65535.
 */
#ifndef STORAGE_VERIFY_DER_H
#define STORAGE_VERIFY_DER_H

#include "config/base/span.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTC_TIME = 0x17,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0, /* [0] and [3], constructed */
	DER_CONTEXT_3 = 0xa3,
};

/* The next value: its contents, and all its octets.  "s" moves past it, or
 * stays where it is: ERR_FORMAT.  "whole" may be NULL. */
enum err der_next(struct span *s, uint8_t *tag, struct span *contents,
    struct span *whole) MUST_CHECK;
/* The same where only one kind may stand. */
enum err der_take(struct span *s, enum der_tag, struct span *contents,
    struct span *whole) MUST_CHECK;
/* What is not negative and at most "max", in the fewest octets: ERR_FORMAT,
 * ERR_RANGE. */
enum err der_unsigned(struct span contents, uint64_t max,
    uint64_t *out) MUST_CHECK;
/* Whole subidentifiers in the fewest octets (8.19). */
bool der_oid_ok(struct span contents);

#endif
