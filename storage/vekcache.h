/*
 * Endorsement keys of AMD in memory: bounded LRU shards over the table vek.  A
 * mutex per shard is held for a look-up or a change, never while anything is
 * waited for.  Any thread.  Private to storage/.
 */
#ifndef STORAGE_VEKCACHE_H
#define STORAGE_VEKCACHE_H

#include "storage/storage.h"

struct vekcache;

/* bytes: of memory for all shards. */
struct vekcache *vekcache_new(int64_t bytes);
void vekcache_free(struct vekcache *);
/* A new limit, for what is put from now on. */
void vekcache_limit(struct vekcache *, int64_t bytes);

/*
 * A reference, or NULL.  What passed the gate more than a day ago is no longer
 * given (amd-kds 6.4).  "count" it as a hit or a miss.
 */
struct coll *vekcache_get(struct vekcache *, const struct coll_key *,
    int64_t now_ms, bool count);
/* It has just passed the gate. Takes a reference; replaces. */
void vekcache_put(struct vekcache *, struct coll *, int64_t now_ms);
void vekcache_drop(struct vekcache *, const struct coll_key *);
/* All below one issuer. */
void vekcache_drop_side(struct vekcache *, enum amd_product, enum amd_side);
void vekcache_clear(struct vekcache *);

/* When it was last given, UTC milliseconds; 0: it is not here. Not a hit. */
int64_t vekcache_used_ms(struct vekcache *, const struct coll_key *);
/*
 * Up to "max" of those given since they were last reported here, if that was
 * before "before_ms"; references, the caller's.  Gives how many.
 */
size_t vekcache_used(struct vekcache *, int64_t before_ms, int64_t now_ms,
    struct coll **out, size_t max);

struct vekcache_stats {
	uint64_t veks, bytes, limit, hits, misses, evicted;
	time_t fetched_at; /* of the newest that was in memory; 0: none */
};
struct vekcache_stats vekcache_stats(struct vekcache *);

#endif
