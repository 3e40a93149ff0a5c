/*
 * What was refused lately, for an operator to look at: objects at the trust
 * gate, and requests.  A bounded table of the process; the same again counts
 * up in its row, and the row not heard of for longest gives way to a new one.
 * Any thread.  Under contention an event may be left out: the log and the
 * counters have them all.  What is kept is what the log may say.
 */
#ifndef CONFIG_BASE_RECENT_H
#define CONFIG_BASE_RECENT_H

#include "config/base/err.h"

#include <stdint.h>
#include <time.h>

#define RECENT_MAX 128

enum recent_kind { RECENT_GATE, RECENT_ANSWER };

struct recent {
	enum recent_kind kind;
	enum err err;
	time_t first_at, last_at;
	uint64_t count;
	/* Cut to size; what is not printable ASCII is "?". */
	char what[96]; /* the object; or method and path */
	char who[64];  /* where it came from; or who asked last */
	char clause[48];
	char text[200]; /* of the last time */
};

/* why may be NULL, who too. */
void recent_add(enum recent_kind, const char *what, const char *who, enum err,
    const struct why *why);
/* The rows, the latest first.  Gives how many. */
size_t recent_get(struct recent out[RECENT_MAX]);
/* Forget all: for tests. */
void recent_clear(void);

#endif
