/*
 * Errors: one enum, one table (err.def), and struct why, which the innermost
 * failing function fills with the clause and the text.
 * No allocation, no globals; any thread.
 */
#ifndef CONFIG_BASE_ERR_H
#define CONFIG_BASE_ERR_H

#define MUST_CHECK     __attribute__((warn_unused_result))
#define PRINTF(fmt, a) __attribute__((format(printf, fmt, a)))

enum err {
#define ERR(sym, token, http, retry, text) sym,
#include "config/base/err.def"
#undef ERR
	ERR_N
};

/* What failed, where it is written, and how. Fixed size, caller-owned; the
 * text is UTF-8 whatever was quoted in it. */
struct why {
	enum err err;
	char clause[40]; /* "RFC 5280 5.1", "pcs-upstream 6" */
	char text[200];
	int retry_s; /* asking again can help after this time; 0: not known */
};

/* Stable machine-readable token, e.g. "bad-signature". */
const char *err_token(enum err);
/* One English clause for people. */
const char *err_text(enum err);
/* The HTTP status a request that ends in this error gets. */
int err_http(enum err);
/* Whether asking again, or asking someone else, can help. */
int err_retry(enum err);
/* The error of a token; ERR_N when there is none. */
enum err err_from_token(const char *);

/*
 * Fill "why" (may be NULL) and return "e", so that a failing line reads
 *     return why_set(why, ERR_FORMAT, "RFC 5280 5.1", "trailing bytes");
 */
enum err why_set(struct why *why, enum err e, const char *clause,
    const char *fmt, ...) PRINTF(4, 5);

/*
 * Put "what: " in front of the text: the caller that knows the object's name
 * adds it to a reason found further in.  Returns why->err's "e" unchanged.
 */
enum err why_in(struct why *why, enum err e, const char *fmt, ...) PRINTF(3, 4);

#endif
