/*
 * When the same thing may be asked for again (amd-kds 2.6): a bounded map
 * from names to that moment and to how it went the last time, the oldest
 * forgotten first.  Pure: the caller brings the time.  One thread.  Private to
 * upstream/.
 */
#ifndef UPSTREAM_AGAIN_H
#define UPSTREAM_AGAIN_H

#include "config/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct again;

#define AGAIN_MAX     8192
#define AGAIN_GAP_MS  10000  /* between any two attempts */
#define AGAIN_FAIL_MS 600000 /* the longest after failures in a row */
#define AGAIN_GATE_MS 600000 /* what came was no good */

struct again *again_new(size_t max);
void again_free(struct again *);
size_t again_len(const struct again *);
/*
 * When it may be asked for again, if that is later than now, else 0; *why is
 * then the last failure, valid until the next call.
 */
int64_t again_at(struct again *, const char *name, int64_t now_ms,
    const struct why **why);
/*
 * An attempt has ended: why->err ERR_OK or a failure.  Gives the moment from
 * which it may be asked for again, not before told_ms; 0 when nobody was asked
 * at all.
 */
int64_t again_note(struct again *, const char *name, const struct why *,
    int64_t now_ms, int64_t told_ms);

#endif
