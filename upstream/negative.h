/*
 * What upstream said it does not have, for a while: a bounded map from names
 * to refusals, the oldest forgotten first.  One thread.  Private to
 * upstream/.
 */
#ifndef UPSTREAM_NEGATIVE_H
#define UPSTREAM_NEGATIVE_H

#include "config/base/err.h"

#include <stddef.h>
#include <time.h>

struct negative;

#define NEGATIVE_MAX 8192

struct negative *negative_new(size_t max);
void negative_free(struct negative *);
size_t negative_len(const struct negative *);
/* Remember why->err and its text until then; a later word replaces it. */
void negative_put(struct negative *, const char *name, const struct why *,
    time_t until);
/* The refusal still in force, or NULL. Valid until the next call. */
const struct why *negative_get(struct negative *, const char *name, time_t now);
void negative_del(struct negative *, const char *name);

#endif
