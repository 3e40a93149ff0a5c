/*
 * JSON written as it is made: compact, in the order of the calls, ASCII.
 * Numbers are integers; what is not ASCII in a text is escaped byte by byte
 * as Latin-1 would have it, for texts here are names and reasons.
 * Private to server/appraise/.
 */
#ifndef SERVER_APPRAISE_JWRITE_H
#define SERVER_APPRAISE_JWRITE_H

#include "config/base/blob.h"

#include <time.h>

struct jwrite {
	struct buf *out;
	bool more; /* a comma is due before the next item */
};

/* name NULL: an item of a list. */
void jw_open(struct jwrite *, const char *name, char bracket); /* '{', '[' */
void jw_close(struct jwrite *, char bracket);                  /* '}', ']' */
void jw_text(struct jwrite *, const char *name, const char *); /* NULL: null */
void jw_hex(struct jwrite *, const char *name, const void *, size_t);
void jw_int(struct jwrite *, const char *name, int64_t);
void jw_bool(struct jwrite *, const char *name, bool);
void jw_time(struct jwrite *, const char *name, time_t); /* ISO, UTC */
/* Text that is JSON already. */
void jw_raw(struct jwrite *, const char *name, struct span);

#endif
