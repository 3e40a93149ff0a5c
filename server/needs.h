/*
 * Which collateral a quote of a platform needs: the one place that decides,
 * for verdicts and for POST /v1/collateral.  Pure.  Private to server/.
 */
#ifndef SERVER_NEEDS_H
#define SERVER_NEEDS_H

#include "storage/storage.h"

enum need { NEED_TCB_INFO, NEED_IDENTITY, NEED_PCK_CRL, NEED_ROOT_CRL, NEED_N };

struct needs {
	struct coll_key key[NEED_N];
	char baseline[48]; /* what chose TCB info and identity: "standard" */
};
/* update: what the client asks for; the standard one when it names none. */
void needs_intel(enum tee, const char *fmspc, enum pck_ca, enum update,
    struct needs *out);

#endif
