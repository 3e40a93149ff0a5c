/*
 * Which evaluation number a source was given last, so that what it asks for
 * next goes with it: clients ask for an identity without saying for which
 * FMSPC, right after the TCB info (pccs-api 9.1).  A fixed table of words that
 * all workers share without a lock; a source that is forgotten gets the
 * listener's number.  Private to server/.
 */
#ifndef SERVER_TRAIL_H
#define SERVER_TRAIL_H

#include "storage/storage.h"

struct trail;

/* How long an identity goes with the TCB info before it (seconds). */
#define TRAIL_S 60
/* A TCB info whose identity has not been asked for is waited for so long,
 * before the same source gets one of another number (seconds). */
#define TRAIL_OPEN_S 2

struct trail *trail_new(void);
void trail_free(struct trail *);

/* Who asks, where, for what: the name under which a trail is kept. */
uint64_t trail_name(const struct trail *, const char *peer, unsigned listener,
    enum tee, bool early);

/*
 * A TCB info of this number is about to be given.  False, and nothing is kept:
 * one of another number was, and its identity has not been asked for.
 */
bool trail_begin(struct trail *, uint64_t name, uint32_t number, time_t now);
/* The same, come what may. */
void trail_put(struct trail *, uint64_t name, uint32_t number, time_t now);
/* The number of the last one, 0: none lately. */
uint32_t trail_get(struct trail *, uint64_t name, time_t now);
/* The same, and the identity to go with it is given with that. */
uint32_t trail_take(struct trail *, uint64_t name, time_t now);
#endif
