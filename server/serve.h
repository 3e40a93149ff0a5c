/*
 * The one path of all collateral: look the object up in the worker's
 * snapshot; serve it while it is fresh; ask upstream where mode and age call
 * for it; then serve what came, what is stale, or the error
 * (caching-and-selection 1, 6).  One worker's loop.  Private to server/.
 *
 *                     lazy                            req, offline
 *   new, due          serve                           serve
 *   stale             ask, wait stale_wait_ms,        serve, marked
 *                     then serve marked
 *   gone, absent      ask, wait client_wait_ms        404
 *   api 3             as req; absent is 410           as left
 *   VLEK              as req                          as left
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "server/http.h"
#include "server/worker.h"

enum served { SERVED_HIT, SERVED_STALE, SERVED_MISS };

/*
 * Find one object for a request or for a part of one.  "fn" is called
 * exactly once, often before this returns; "coll" is borrowed for the length
 * of the call and NULL with an error.
 */
typedef void (*serve_fn)(void *arg, enum err, const struct why *, struct coll *,
    enum served);
void serve_find(const struct req *, const struct coll_key *, serve_fn,
    void *arg);

/* What serve_find() does for VCEKs and VLEKs (serve_vek.c). */
void serve_find_vek(const struct req *, const struct coll_key *, serve_fn,
    void *arg);
/*
 * The same for a record that is known to be what is wanted ("held" may be
 * NULL) or is to be asked for as "key": the second half of serve_find().
 */
void serve_held(const struct req *, struct coll *held,
    const struct coll_key *key, serve_fn, void *arg);

/*
 * A TCB info or identity as the baseline has it (baseline.h): a key of
 * "standard" stands for the number of this listener and FMSPC; "early" and a
 * number are taken as they are, unless baseline.override_requests says
 * otherwise.  "fmspc" is for which FMSPC an identity is meant, in upper case.
 * When that is NULL the identity goes with the TCB info that the same source
 * was given last.
 */
void serve_version(struct req *, const struct coll_key *, const char *fmspc,
    serve_fn, void *arg);

/* Find it and answer the request with one of its forms, or the error. */
void serve_coll(struct req *, const struct coll_key *, enum form_name);

/*
 * The lines that say how old an answer is, pccs-api 7: Cache-Control, Age,
 * X-Cache, and Warning when it is stale.  fetched_at 0: not known, no Age.
 */
void serve_age_lines(struct buf *, int max_age, time_t fetched_at, time_t now,
    enum served);

/* The same for an object: AMD's are marked as amd-kds 7 has it. */
void serve_coll_lines(struct buf *, const struct coll *, time_t now,
    enum served);

/* The entity tag "etag" (with its quotes) is among those the client has. */
bool serve_not_modified(const struct req *, struct span etag);

#endif
