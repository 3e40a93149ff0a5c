/*
 * One bit turned in one named field, with the checks that may notice: of
 * quotes and SNP reports and of every piece of collateral.  Which bit of a
 * field follows from the salt, so that many cases reach many bits.
 */
#ifndef TESTS_KIT_MUTANT_H
#define TESTS_KIT_MUTANT_H

#include "config/base/blob.h"

struct mutant {
	const char *piece; /* "quote", "tcb_info" */
	const char *field; /* "mrenclave", "1.validity": of which certificate */
	const char *checks; /* names separated by blanks: one must be first */
	struct span bytes;  /* the piece, changed; borrowed for the call */
};
typedef void (*mutant_fn)(void *arg, const struct mutant *);

struct mutants { /* where they go */
	mutant_fn fn;
	void *arg;
	unsigned salt;
	/* Every nth field only, beginning with salt % n; 0: all. */
	unsigned every;
	unsigned n; /* fields seen so far */
};

/* A quote that quote_read() accepts. */
void mutants_quote(struct mutants *, struct span);
/* Of the quote's certification data, which is what takes long to check. */
void mutants_quote_chain(struct mutants *, struct span quote);
/* A chain in PEM, each field of each certificate. */
void mutants_chain(struct mutants *, const char *piece, const char *checks,
    struct span pem);
/* A CRL or a certificate in DER. */
void mutants_crl(struct mutants *, const char *piece, const char *checks,
    struct span der);
void mutants_cert(struct mutants *, const char *piece, const char *checks,
    struct span der);
/* A signed document: values of members, signature, envelope. */
void mutants_document(struct mutants *, const char *piece, const char *checks,
    struct span text);
/* An SNP report of 1184 bytes that is accepted; "vlek": signed by one. */
void mutants_report(struct mutants *, struct span, bool vlek);
/* Azure's wrapper: what binds it. */
void mutants_hcl(struct mutants *, struct span);

/* The word is one of those in a list separated by blanks. */
bool word_in(const char *word, const char *list);

#endif
