/*
 * A map from byte-string keys to pointers, with a keyed hash (SipHash-1-3,
 * key drawn at start) so that hostile keys cannot make it slow.
 * One thread, or the caller's lock.  Keys are copied; values are the caller's.
 */
#ifndef CONFIG_BASE_MAP_H
#define CONFIG_BASE_MAP_H

#include "config/base/span.h"

struct map;

/* The hash itself; the key as two little-endian words. */
uint64_t siphash13(const uint64_t key[2], struct span);
uint64_t map_hash(struct span key); /* same key, same hash, in this process */

struct map *map_new(void);
void map_free(struct map *); /* values stay the caller's */
size_t map_len(const struct map *);
void *map_get(const struct map *, struct span key); /* NULL: not there */
/* Gives the value that was replaced, or NULL. value is not NULL. */
void *map_put(struct map *, struct span key, void *value);
void *map_del(struct map *, struct span key); /* the value, or NULL */

/* Visit all; no change of the map inside. Order is not defined. */
struct map_iter {
	const struct map *map;
	size_t at;
};
struct map_iter map_iter(const struct map *);
bool map_next(struct map_iter *, struct span *key, void **value);

#endif
