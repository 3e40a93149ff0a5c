/*
 * What is fetched again because it is in use: lists of PCK certificates, one
 * after the other, and single objects; each hourly at the most, in the
 * background.  The planner says when a list may start.  Fetch thread.
 * Private to upstream/.
 */
#ifndef UPSTREAM_RENEW_H
#define UPSTREAM_RENEW_H

#include "upstream/upstream.h"

struct renew;

/* "kick" is called when there may be something to start. */
struct renew *renew_new(struct upstream *, void (*kick)(void *), void *arg);
void renew_free(struct renew *);
/* Start nothing more. */
void renew_stop(struct renew *);

void renew_platform(struct renew *, const struct platform_id *);
/* All platforms of an FMSPC. */
void renew_fmspc(struct renew *, const char *fmspc);
void renew_object(struct renew *, const struct coll_key *);

size_t renew_waiting(const struct renew *); /* lists */
size_t renew_running(const struct renew *);
/* Lists wait or run, or are still being looked for. */
bool renew_busy(const struct renew *);
/* Start the next list that waits, if any and if not too many run. */
bool renew_start(struct renew *);

#endif
