/*
 * Intel's client library as far as it sees us (pccs-api 9.1): its requests
 * byte for byte, and its way of reading answers with all its habits.
 *
 * One struct is one library call: body and header buffers grow over all of
 * its attempts and are never reset between them (R2).
 */
#ifndef TESTS_KIT_QCNL_H
#define TESTS_KIT_QCNL_H

#include "tests/kit/house.h"

enum qcnl_result {
	QCNL_SUCCESS,
	QCNL_UNEXPECTED,  /* STATUS_UNEXPECTED, UNEXPECTED_ERROR */
	QCNL_NETWORK,     /* NETWORK_ERROR: 403 */
	QCNL_NO_DATA,     /* NO_CACHE_DATA: 404 */
	QCNL_UNKNOWN,     /* PLATFORM_UNKNOWN: 461 */
	QCNL_UNAVAILABLE, /* CERTS_UNAVAILABLE: 462 */
	QCNL_SERVICE,     /* SERVICE_UNAVAILABLE: 503 after all attempts */
	QCNL_MSG_ERROR,   /* a header or a body that it needs is missing */
};

struct qcnl {
	const struct house *house;
	struct buf head, body; /* of all attempts */
	int status;            /* of the last */
	unsigned attempts;
};

void qcnl_fini(struct qcnl *);

/*
 * GET with the retries the shipped configuration has (6); "between" is
 * called before each further attempt and may be NULL.
 */
enum qcnl_result qcnl_get(struct qcnl *, const struct house *,
    const char *target, void (*between)(void *), void *arg);
/* What a status becomes. */
enum qcnl_result qcnl_status(int status);

/*
 * The value of a header, found as the library finds it: names in lower case,
 * separator ": ", the first one wins.  NUL-terminated, kept; NULL: absent.
 */
char *qcnl_header(const struct qcnl *, const char *name);
/*
 * The same, percent-decoded as releases up to early 2026 do it: a value that
 * does not end in an escape loses its last two characters.
 */
char *qcnl_chain(const struct qcnl *, const char *name);

/* What the calls make of it.  Texts are kept (keep.h). */
struct qcnl_cert {
	char tcbm[37];
	char *pem; /* leaf, then chain */
};
enum qcnl_result qcnl_cert(const struct qcnl *, struct qcnl_cert *);
/* body and chain of collateral; the header name may have a fallback. */
enum qcnl_result qcnl_collateral(const struct qcnl *, const char *name,
    const char *otherwise, char **chain);

/* QPL's cut (R6): certificates in a text, and the CDP of the last. */
struct qcnl_split {
	size_t n;
	char cdp[256]; /* "" when the last has none */
	bool root;     /* the last is self-signed */
};
struct qcnl_split qcnl_split(const char *pem);

/* How Intel's verifier takes CRL bytes (R10). */
enum qcnl_crl { QCNL_CRL_PEM, QCNL_CRL_HEX, QCNL_CRL_DER };
enum qcnl_crl qcnl_sniff(const void *bytes, size_t len);

#endif
