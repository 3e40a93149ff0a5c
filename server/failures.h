/*
 * How often each source has shown a token that was refused, in this minute:
 * who guesses is slowed down.  Fixed memory and two rows of slots, as in
 * caps.h.  Atomics; any thread.  Private to server/.
 */
#ifndef SERVER_FAILURES_H
#define SERVER_FAILURES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAILURES_SLOTS 4096

struct failures {
	_Atomic uint64_t slot[2][FAILURES_SLOTS]; /* minute, then how many */
};

/* One more, at this time in seconds; source 0 is exempt. */
void failures_note(struct failures *, uint32_t source, int64_t now_s);
/* There have been "most" or more; 0: no limit. */
bool failures_many(struct failures *, uint32_t source, int64_t now_s,
    unsigned most);
/* Seconds until the minute is over. */
int failures_wait_s(int64_t now_s);

#endif
