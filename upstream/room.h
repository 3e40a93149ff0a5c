/*
 * What the fetch thread owns, and what its files give one another.  Every
 * function here runs on the fetch thread unless it says otherwise.  Private
 * to upstream/.
 */
#ifndef UPSTREAM_ROOM_H
#define UPSTREAM_ROOM_H

#include "config/base/clock.h"
#include "upstream/again.h"
#include "upstream/budget.h"
#include "upstream/flight.h"
#include "upstream/hosts.h"
#include "upstream/negative.h"
#include "upstream/upstream.h"
#include "upstream/vendor.h"
#include "upstream/webhook.h"

#include <jansson.h>
#include <sys/queue.h>

struct plan;

struct upstream {
	unsigned magic;
	struct loop *loop;
	struct storage *storage; /* borrowed */
	struct config *config;
	struct transport *transport;
	struct hosts *hosts;
	struct flights flights;
	struct negative *negative;
	struct budget *budget;
	struct again *again;
	struct snap *snap; /* the newest; NULL before the first */
	struct plan *plan;
	struct webhook *webhook;

	/* Which revocation lists have been asked for lately; the certificate
	 * to check the root's with, and the flight that waits for one. */
	struct negative *asked;
	struct blob *root_hint;
	struct flight *root_parked;

	/* Ending: storage's answers and batches still to come. */
	size_t calls;
	size_t batches;
	bool started, draining;
	struct drain *drain; /* whoever waits in upstream_drain() */
};

struct upstream *upstream_cast(void *);

/* Somebody on another loop who waits for a text, or for the end of a job. */
struct teller {
	struct msg msg; /* to the fetch thread, and home again */
	TAILQ_ENTRY(teller) link;
	struct upstream *up;
	struct loop *home;
	store_text_fn text; /* one of the two */
	store_done_fn done;
	void *arg;
	struct why why;
	struct blob *out;
};
/* On the caller's loop. */
struct teller *teller_new(struct upstream *, void *arg);
/* Send it home; the text's reference is stolen. Steals the teller. */
void teller_tell(struct teller *, enum err, const struct why *, struct blob *);
/* The text of a JSON value, whose reference is stolen. */
struct blob *json_blob(json_t *);

/* A call of storage begins, and its answer has been dealt with. */
void upstream_call(struct upstream *);
void upstream_called(struct upstream *);
/* Something has ended: is that what upstream_drain() waits for? */
void upstream_idle(void *upstream);

/* --- object.c --------------------------------------------------------- */

/*
 * What upstream_want() says; the waiter is stolen.  force: ask even if what
 * is held is fresh or upstream has lately said that there is none.
 */
void object_want(struct upstream *, const struct coll_key *, bool force,
    struct waiter *);
/* A waiter of the fetch thread itself, part of other work. */
struct waiter *waiter_inner(struct upstream *, long wait_ms, bool background,
    void (*tell)(struct waiter *), void *arg);
/* An origin as the record's source: without the port that goes without
 * saying.  The caller's to free. */
char *source_of(const struct flight *);
/* What is held, borrowed until the next snapshot; NULL: nothing. */
struct coll *object_held(struct upstream *, const struct coll_key *);
/* It is held and need not be fetched. */
bool object_fresh(struct upstream *, const struct coll_key *);

/* --- platform.c ------------------------------------------------------- */

/* What upstream_platform() says; the waiter, with its ask, is stolen. */
void platform_want(struct upstream *, bool force, struct waiter *);
/* A copy that holds references to the blobs. */
struct platform_ask platform_ask_copy(const struct platform_ask *);
/* How a platform is called in logs: nothing of it can be read back. */
struct platform_label {
	char s[32];
};
struct platform_label platform_label(const struct platform_id *);

/* --- handon.c --------------------------------------------------------- */

/* What upstream_pckcerts() says; the waiter, with its ask, is stolen. */
void handon_want(struct upstream *, struct waiter *);

/* --- plan.c ----------------------------------------------------------- */

struct plan *plan_new(struct upstream *);
void plan_free(struct plan *);
/* Begin: the loop runs. */
void plan_start(struct plan *);
void plan_stop(struct plan *);
/* up->snap is a new one. */
void plan_snap(struct plan *);
/* A flight for an object ended; coll is what it brought, or NULL. */
void plan_ended(struct plan *, const struct coll_key *, const struct why *,
    struct coll *);
/* An origin that was down answers again. */
void plan_recovered(void *plan);
/* Look at the clock; the teller (may be NULL) hears when all is done. */
void plan_tick(struct plan *, struct teller *);
/* Fetch a platform's list again in the background, hourly at the most. */
void plan_refetch(struct plan *, const struct platform_id *);
/* Fetch an object again in the background, hourly at the most. */
void plan_renew(struct plan *, const struct coll_key *);
json_t *plan_json(const struct plan *); /* new reference */
/* Items in the due queue. Any thread. */
size_t plan_len(const struct plan *);

/* --- refresh.c -------------------------------------------------------- */

void refresh_prefetch(struct upstream *, enum update_set, long wait_ms,
    struct teller *);
void refresh_all(struct upstream *, struct teller *);
/* The FMSPCs are copied. */
void refresh_certs(struct upstream *, char *const *fmspc, size_t n,
    struct teller *);
void refresh_key(struct upstream *, const struct coll_key *, struct teller *);

#endif
