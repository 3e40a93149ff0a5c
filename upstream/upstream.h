/*
 * FRONT DOOR of upstream: whom we ask, how often, and on whose behalf.
 *
 * One flight per object in the whole process: whoever wants what is already
 * being fetched joins the waiters.  All state lives on the fetch thread;
 * these calls are made on any loop's thread and the function is called back
 * on the caller's loop, exactly once and never before the call returns.
 *
 * What a waiter may hear (err.def has the HTTP status of each):
 *   ERR_UP_ABSENT, _GONE, _REFUSED   upstream's word about the object, kept
 *                                    for cache.negative_s
 *   ERR_NOT_CACHED                   404 of a mirror that is a cache itself
 *   ERR_UP_AUTH, _ERROR, _DOWN       every mirror failed; the last reason
 *   ERR_UP_THROTTLED, ERR_UP_CLOSED  nobody is asked now: "why" says since
 *                                    when and for what
 *   ERR_UP_SLOW                      wait_ms is over; the fetch goes on
 *   ERR_FORMAT ... ERR_OLDER         the gate refused what every mirror sent
 *   ERR_MISS_BUDGET                  its source has caused too many fetches
 *   ERR_SHED, ERR_OFFLINE, ERR_V3_EOL, ERR_DRAINING
 * and what storage says of its own.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "storage/storage.h"

struct upstream;

enum err upstream_new(struct config *, struct storage *, struct upstream **out,
    struct why *) MUST_CHECK;
/*
 * Abort every exchange; every waiter gets ERR_DRAINING, and so does whoever
 * comes later.  Blocks until these answers are in their loops' mailboxes: to
 * be called before loops that may have waiters end.  Not on a loop's thread.
 */
void upstream_drain(struct upstream *);
/* The fetch thread's, for whoever watches whether it turns. */
struct loop *upstream_loop(struct upstream *);
/* Drains, and ends the fetch thread. storage_close() comes after it. */
void upstream_free(struct upstream *);
/* Settings for what is asked from now on. Any thread. */
void upstream_reload(struct upstream *, struct config *);

/*
 * "source" is on whose behalf: a hash of a client's address, never 0, when
 * anybody may ask; 0 when it is our own wish or that of somebody who has
 * shown a token.  A source is charged for each fetch that is begun for it and
 * for none that it joins (limits.misses_per_source_per_minute), and sources
 * take turns where fetches have to queue.
 */

/*
 * Fetch one object, or join the fetch in progress.  The caller hears within
 * wait_ms (ERR_UP_SLOW then; the flight goes on).  A recent 404 is answered
 * from memory, and so is an object that has just arrived and is fresh.  Never
 * asks in offline mode: ERR_OFFLINE.
 */
void upstream_want(struct upstream *, uint32_t source, const struct coll_key *,
    long wait_ms, store_coll_fn, void *arg);

/*
 * The same for a platform's PCK certificates (caching-and-selection 3).  What
 * the ask lacks is taken from storage.  The answer is for ask->tcb, NULL with
 * ERR_OK when the ask has none.  ERR_NO_PPID, ERR_ZERO_PPID: nothing to ask
 * with; ERR_NOT_AVAILABLE (kept for 10 minutes); and what storage_pck() says.
 */
void upstream_platform(struct upstream *, uint32_t source,
    const struct platform_ask *, long wait_ms, store_answer_fn, void *arg);
/*
 * Fetch a known platform's list again in the background, with what is
 * stored; at most once an hour for each platform, more often it does nothing
 * (caching-and-selection 2).  For answers past their refetch_at.  Any thread.
 */
void upstream_refetch(struct upstream *, const struct platform_id *);

/* The same for an object that is held and due: at most once an hour. */
void upstream_renew(struct upstream *, const struct coll_key *);

/*
 * A pckcerts list for somebody behind us (pccs-api 10): asked for with the
 * PPID or manifest of the ask, judged, not kept.  The ask has no QE-ID.
 */
void upstream_pckcerts(struct upstream *, uint32_t source,
    const struct platform_ask *, long wait_ms, store_pck_list_fn, void *arg);

/*
 * Make sure the verification collateral a registration needs is cached
 * (caching-and-selection 5): both PCK CRLs, root CRL, QE, QVE and TDQE
 * identities of the update types asked.
 */
enum update_set { UPDATES_STANDARD, UPDATES_EARLY, UPDATES_ALL };
void upstream_prefetch(struct upstream *, enum update_set, long wait_ms,
    store_done_fn, void *arg);

/*
 * Refresh what is cached (pccs-api 6.12).  certs: PCK certificates of
 * platforms with these FMSPCs (n 0: all); else all other collateral.
 * The text is a JSON list of the items that failed, [{"item", "reason",
 * "why"}]; with ERR_OK it is "[]", else the error is the first one's.  Without
 * a text (NULL) nothing was tried: ERR_OFFLINE and the like.
 */
void upstream_refresh(struct upstream *, bool certs, char *const *fmspc,
    size_t n, store_text_fn, void *arg);
/* One object now, whatever its age ("larder refresh KEY"). */
void upstream_refresh_key(struct upstream *, const struct coll_key *,
    store_text_fn, void *arg);

/*
 * Look at the clock now instead of at the planner's next turn (10 seconds at
 * the latest): start what is due, end rests and pauses that are over.  With a
 * function, on a loop: it is called when all that was due has been asked and
 * has ended.  Any thread when fn is NULL.
 */
void upstream_tick(struct upstream *, store_done_fn fn, void *arg);

/* Origins, circuits, flights, due queue as JSON. */
void upstream_status(struct upstream *, store_text_fn, void *arg);
/* Gauges and histograms by host. Any thread. */
void upstream_metrics(struct upstream *, struct buf *);

#endif
