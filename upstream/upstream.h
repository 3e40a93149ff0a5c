/*
 * FRONT DOOR of upstream: whom we ask, how often, and on whose behalf.
 *
 * One flight per object in the whole process: whoever wants what is already
 * being fetched joins the waiters.  All state lives on the fetch thread;
 * these calls are made on any loop's thread and the function is called back
 * on the caller's loop, exactly once.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "storage/storage.h"

struct upstream;

enum err upstream_new(struct config *, struct storage *, struct upstream **out,
    struct why *) MUST_CHECK;
/* Abort every exchange; all waiters get ERR_DRAINING. */
void upstream_free(struct upstream *);
void upstream_reload(struct upstream *, struct config *);

/*
 * Fetch one object, or join the fetch in progress.  The caller hears within
 * wait_ms (ERR_UP_SLOW then; the flight goes on).  A recent 404 is answered
 * from memory.  Never asks in offline mode: ERR_OFFLINE.
 */
void upstream_want(struct upstream *, const struct coll_key *, long wait_ms,
    store_coll_fn, void *arg);

/* The same for a platform's PCK certificates (caching-and-selection 3). */
void upstream_platform(struct upstream *, const struct platform_ask *,
    long wait_ms, store_answer_fn, void *arg);

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
 * The text is a JSON list of the items that failed.
 */
void upstream_refresh(struct upstream *, bool certs, char *const *fmspc,
    size_t n, store_text_fn, void *arg);
/* One object now, whatever its age ("larder refresh KEY"). */
void upstream_refresh_key(struct upstream *, const struct coll_key *,
    store_text_fn, void *arg);

/* Origins, circuits, flights, due queue as JSON. */
void upstream_status(struct upstream *, store_text_fn, void *arg);
/* Gauges and histograms by host. Any thread. */
void upstream_metrics(struct upstream *, struct buf *);

#endif
