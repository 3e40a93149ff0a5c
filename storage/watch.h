/*
 * What is new upstream: evaluation numbers, TCB infos and identities that say
 * something else than before, found as they are admitted, which is before the
 * baseline serves them.  Logged, counted and handed to whoever watches, with
 * the impact.  Store thread.  Private to storage/.
 */
#ifndef STORAGE_WATCH_H
#define STORAGE_WATCH_H

#include "storage/baseline_int.h"

/* "c" has just taken its place in the hot set, "old" (may be NULL) was there.
 */
void watch_admitted(struct storage *, const struct coll *old,
    const struct coll *c);
/* A table is about to be published. */
void watch_table(struct storage *, const struct baseline *);
/* A scope's warning is another than before, or none any more; the rules were
 * changed.  The log says both elsewhere: they are handed on here. */
void watch_warning(struct storage *, const struct base_scope *, size_t tee,
    const struct base_pick *, time_t ends_at);
void watch_change(struct storage *, int64_t revision, const char *scope,
    const struct base_change *, json_t *impact);
/* The numbers announced so far. */
enum err watch_load(struct storage *, struct why *) MUST_CHECK;

#endif
