/*
 * What is costly to make, kept for whoever asks next: values by a byte-string
 * key, counted by their owner's functions, at most "max" of them.  When full,
 * one that has not been asked for since the last time round goes.  Any thread.
 */
#ifndef SERVER_KEPT_H
#define SERVER_KEPT_H

#include "config/base/span.h"

struct kept;

struct kept_ops {
	void *(*ref)(void *);
	void (*unref)(void *);
};
struct kept *kept_new(size_t max, const struct kept_ops *);
void kept_free(struct kept *);
/* A reference of the caller's own, or NULL. */
void *kept_get(struct kept *, struct span key);
/* Keep it, unless the key is there already. Takes a reference of its own. */
void kept_put(struct kept *, struct span key, void *value);
size_t kept_len(struct kept *);

#endif
