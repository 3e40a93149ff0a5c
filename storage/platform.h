/*
 * Ready pckcert answers by platform: bounded LRU shards.  A mutex per shard
 * is held for a look-up or a change, never while anything is waited for.
 * Any thread.  Private to storage/.
 */
#ifndef STORAGE_PLATFORM_H
#define STORAGE_PLATFORM_H

#include "storage/storage.h"

struct platforms;

/* bytes: of memory for all shards; tcbs: raw TCBs kept per platform. */
struct platforms *platforms_new(int64_t bytes, int tcbs);
void platforms_free(struct platforms *);
/* New limits, for what is put from now on. */
void platforms_limit(struct platforms *, int64_t bytes, int tcbs);

/* A reference, or NULL. Counts a hit or a miss. */
struct pck_answer *platforms_get(struct platforms *, const struct platform_id *,
    const struct raw_tcb *);
/* Takes a reference; replaces the answer for the same raw TCB. */
void platforms_put(struct platforms *, const struct platform_id *,
    struct pck_answer *);
void platforms_drop(struct platforms *, const struct platform_id *);
void platforms_drop_fmspc(struct platforms *, const char *fmspc);
void platforms_clear(struct platforms *);

/*
 * Up to "max" platforms that were answered from memory and not yet reported
 * on this day (UTC days since 1970).  Gives how many.
 */
size_t platforms_seen(struct platforms *, int32_t day, struct platform_id *out,
    size_t max);

struct platforms_stats {
	uint64_t platforms, answers, bytes, limit, hits, misses, evicted;
};
struct platforms_stats platforms_stats(struct platforms *);

#endif
