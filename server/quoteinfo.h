/*
 * Just enough of an SGX or TDX quote to know which collateral verifies it
 * (quote-verification 2): the TEE and, out of the PCK certificate it carries,
 * FMSPC and CA.  Nothing is verified here; the verdict is
 * server/appraise's.  Pure.  Private to server/.
 */
#ifndef SERVER_QUOTEINFO_H
#define SERVER_QUOTEINFO_H

#include "config/base/blob.h"
#include "server/appraise/appraise.h"

struct quoteinfo {
	unsigned version; /* 3, 4, 5 */
	enum tee tee;
	enum pck_ca ca;
	char fmspc[13];     /* upper case */
	size_t len;         /* of the quote, without padding behind it */
	struct blob *chain; /* PEM: leaf, PCK CA, root, each ending in \n */
};

/*
 * Read a quote with certification data of type 5.  ERR_FORMAT for what is
 * no such quote, ERR_TOO_BIG over QUOTE_LEN_MAX.  On success the caller owns
 * out->chain (quoteinfo_fini).
 */
enum err quoteinfo_read(struct span quote, struct quoteinfo *out,
    struct why *) MUST_CHECK;
void quoteinfo_fini(struct quoteinfo *);

#endif
