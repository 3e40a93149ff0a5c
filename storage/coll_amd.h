/*
 * The gate's part for AMD's kinds (coll.c is the gate).  Private to storage/.
 */
#ifndef STORAGE_COLL_AMD_H
#define STORAGE_COLL_AMD_H

#include "storage/storage.h"

/*
 * What the gate asks of each kind.  It fills in the facts, the dates and the
 * signer (Intel's kinds) of *c, and the window of all that it looked at.  What
 * is filled in belongs to *c, on failure too.
 */
typedef enum err (*admit_fn)(struct coll *c, const struct coll_raw *,
    const struct trust *, struct window *, struct why *);

enum err coll_amd_chain(struct coll *c, const struct coll_raw *,
    const struct trust *, struct window *, struct why *) MUST_CHECK;
enum err coll_amd_crl(struct coll *c, const struct coll_raw *,
    const struct trust *, struct window *, struct why *) MUST_CHECK;
enum err coll_amd_vek(struct coll *c, const struct coll_raw *,
    const struct trust *, struct window *, struct why *) MUST_CHECK;

#endif
