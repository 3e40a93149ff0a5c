/*
 * The snapshot: an immutable hash table of records, made aside and handed to
 * loops.  Private to storage/; the reading side is in storage.h.
 */
#ifndef STORAGE_SNAP_H
#define STORAGE_SNAP_H

#include "storage/storage.h"

struct baseline;

/* Of n records with different keys; takes a reference to each, and to the
 * baseline (may be NULL). */
struct snap *snap_new(struct coll *const *v, size_t n, struct baseline *);

#endif
