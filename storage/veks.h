/*
 * AMD's endorsement keys: the table vek, and vekcache over it.  A key is
 * written behind its back (object_save) and passes the gate when it is read;
 * a start looks at none of them.  Store thread.  Private to storage/.
 */
#ifndef STORAGE_VEKS_H
#define STORAGE_VEKS_H

#include "storage/store.h"

/* One that passed the gate: into memory, soon into the database. */
void veks_take(struct storage *, struct coll *);
/* Into the database, inside the caller's transaction; then the chip's least
 * recently used beyond cache.tcbs_per_chip goes. */
enum err veks_write(struct storage *, const struct coll *,
    struct why *) MUST_CHECK;
/* The issuer is revoked: all below it is deleted, inside the caller's
 * transaction. */
enum err veks_end(struct storage *, enum amd_product, enum amd_side,
    struct why *) MUST_CHECK;
/* What is past its end is deleted. */
enum err veks_prune(struct storage *) MUST_CHECK;
/* When those in memory were last asked for; an hour's resolution will do. */
void veks_used(struct storage *);
enum err veks_count(struct storage *, struct why *) MUST_CHECK;
/* As counted last. */
int64_t veks_stored(const struct storage *);

/* What waits to be written is held, too: write it before rows are read. */
void veks_settle(struct storage *);
/* Reads a row through the gate; as storage_vek(). */
enum err veks_load(struct storage *, const struct coll_key *, struct coll **out,
    struct why *) MUST_CHECK;
/* From memory or a row; NULL: not held. The caller's to unref. */
struct coll *veks_held(struct storage *, const struct coll_key *);
/* As storage_veks(). *out is the caller's to free. */
enum err veks_of(struct storage *, struct span hwid, struct vek_held **out,
    size_t *n, struct why *) MUST_CHECK;

#endif
