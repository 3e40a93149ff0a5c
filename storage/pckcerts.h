/*
 * Taking in a platform's certificates, from upstream or from an upload.
 * Store thread.  Private to storage/.
 */
#ifndef STORAGE_PCKCERTS_H
#define STORAGE_PCKCERTS_H

#include "storage/pck.h"

/* A pckcerts body and its chain through the gate, today. */
enum err pckcerts_admit(struct storage *, const struct platform_id *,
    struct span body, struct span chain, struct held_set *out,
    struct why *) MUST_CHECK;
/* The row to be written; "old" is the one there is, or all zero. */
struct prow pckcerts_row(const struct platform_ask *, const struct prow *old,
    const struct held_set *, time_t now);
/* Row, choices for every raw TCB known and the one asked, queue. */
enum err pckcerts_write(struct storage *, struct prow *,
    const struct held_set *, const struct platform_ask *, bool on_demand,
    bool is_new, struct why *) MUST_CHECK;

#endif
