/*
 * What one worker remembers of things for a while, in few slots: that it has
 * told upstream of one, which spaces out the asking itself but would get a
 * message with every hit; and that a list fetched on demand had no fitting
 * certificate, so that anybody who invents raw TCBs makes us ask once an hour
 * only (caching-and-selection 2).  To forget one early costs a message.
 * Private to server/.
 */
#ifndef SERVER_HOLD_H
#define SERVER_HOLD_H

#include "server/worker.h"

enum hold { HOLD_NAMED, HOLD_NO_CERT };

void hold_set(enum hold, struct worker *, struct span name);
bool hold_has(enum hold, struct worker *, struct span name);
/* A platform's name, out of what the struct holds besides. */
#define HOLD_PLATFORM (QE_ID_MAX + 8)
struct span hold_platform(const struct platform_id *, char out[HOLD_PLATFORM]);

#endif
