/*
 * Synthetic quotes of a test PKI: versions 3 to 5, SGX and TDX, laid out and
 * signed as quote-verification 2 and 5 have it.
 */
#ifndef TESTS_KIT_QUOTE_H
#define TESTS_KIT_QUOTE_H

#include "tests/kit/pki.h"

struct kit_quote {
	unsigned version; /* 3, 4, 5 */
	enum tee tee;     /* version 3: SGX */
	struct pki_pck pck;
	const char *chain_end; /* what follows the chain; NULL: "\n" and NUL */
	size_t padding;        /* zeros behind the quote */
};

/* The caller's to unref. */
struct blob *kit_quote(const struct pki *, const struct kit_quote *);

#endif
