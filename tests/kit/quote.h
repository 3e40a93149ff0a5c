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
	/* Version 5: 1 to 4; 0: 1 or 3 as the TEE says. */
	unsigned body_type;
	/* The body; NULL: 0x42 throughout.  As long as its type wants. */
	const unsigned char *body;
	/* 320 octets of the QE's report, before its report data; NULL: zero. */
	const unsigned char *qe_report;
};

/* The caller's to unref. */
struct blob *kit_quote(const struct pki *, const struct kit_quote *);

#endif
