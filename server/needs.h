/*
 * Which collateral a quote of a platform needs, and which version of it a
 * verdict takes out of a snapshot: the one place that decides.
 * Pure.  Private to server/.
 */
#ifndef SERVER_NEEDS_H
#define SERVER_NEEDS_H

#include "config/config.h"
#include "storage/storage.h"

enum need { NEED_TCB_INFO, NEED_IDENTITY, NEED_PCK_CRL, NEED_ROOT_CRL, NEED_N };

struct needs {
	struct coll_key key[NEED_N];
	char fmspc[13]; /* upper case */
};
/* update: what the client asks for; the standard one when it names none. */
void needs_intel(enum tee, const char *fmspc, enum pck_ca, enum update,
    struct needs *out);

#define NEEDS_BASELINE 64

struct needs_held {
	struct coll *coll[NEED_N]; /* borrowed from the snapshot; or NULL */
	time_t until; /* TCB info and identity are of use till then; 0: no */
	char baseline[NEEDS_BASELINE]; /* what chose these two, and why */
};
/*
 * What the snapshot has of them: TCB info and identity of the one number that
 * the baseline names for this listener (NULL: the default) and FMSPC.  How
 * fresh they are is the caller's to judge.
 */
void needs_held(const struct needs *, const struct config *,
    const struct snap *, const char *listen, struct needs_held *out);

#endif
