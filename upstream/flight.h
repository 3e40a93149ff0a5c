/*
 * The table of fetches in progress and of who waits for them.
 *
 * A flight is the work, one for each name in the whole process; a waiter is
 * somebody who wants its result.  A flight goes on when its waiters leave.
 * What is fetched, and what is done with it, is the flight's job (object.c,
 * platform.c).  All of it belongs to the fetch thread, but that a waiter is
 * made and ends on its own loop.  Private to upstream/.
 */
#ifndef UPSTREAM_FLIGHT_H
#define UPSTREAM_FLIGHT_H

#include "config/base/mbox.h"
#include "config/config.h"
#include "storage/storage.h"
#include "upstream/hosts.h"
#include "upstream/transport.h"

#include <jansson.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct again;
struct budget;
struct map;

/* --- waiters ---------------------------------------------------------- */

#define WAIT_FOREVER INT64_MAX

struct waiter {
	unsigned magic;
	struct msg msg; /* to the fetch thread, and home again */
	TAILQ_ENTRY(waiter) link;
	struct loop *home;
	int64_t deadline_ms; /* monotonic; or WAIT_FOREVER */
	bool background;     /* no client hangs on it */
	bool internal;       /* part of other work: never shed */
	uint32_t source;     /* as upstream_want() has it */
	/* Called at home with the result filled in, once; then it is freed. */
	void (*tell)(struct waiter *);
	union {
		store_coll_fn coll;
		store_answer_fn answer;
		store_done_fn done;
		store_pck_list_fn list;
	} fn;
	void *arg;
	/* the result */
	struct why why; /* why.err is the error */
	struct coll *coll;
	struct pck_answer *answer;
	struct pck_list *list;
	/* what a platform's waiter asked for; its blobs are owned */
	struct platform_ask ask;
	unsigned asked; /* flights it has waited for */
};

/* The waiter's home is the calling loop.  wait_ms < 0: for ever. */
struct waiter *waiter_new(long wait_ms, void (*tell)(struct waiter *),
    void *arg);
/* One that was never sent anywhere. */
void waiter_free(struct waiter *);
/* Send it home with this result; coll and answer are set already. */
void waiter_tell(struct waiter *, enum err, const struct why *);

/* --- flights ---------------------------------------------------------- */

enum flight_state {
	FLIGHT_NEW,      /* the job gets ready */
	FLIGHT_QUEUED,   /* waits for a slot at its mirror */
	FLIGHT_ASKING,   /* an exchange is on the wire */
	FLIGHT_CHECKING, /* the job has an answer in hand */
	FLIGHT_RESTING,  /* all mirrors were tried; once more in a moment */
	FLIGHT_DONE,     /* out of the table; waiters are being answered */
	FLIGHT_STATE_N
};
const char *flight_state_name(enum flight_state);

/* What a flight is for. */
struct job {
	/* Get ready; ends in flight_go() or flight_lost(), now or later. */
	void (*prepare)(struct flight *);
	size_t (*mirrors)(struct flight *);
	void (*request)(struct flight *, size_t mirror, struct request *);
	/* Read an HTTP answer.  ERR_OK: the job has kept what it needs. */
	enum err (*reply)(struct flight *, const struct reply *, struct why *);
	/* Pass what was kept through the gate; ends in flight_won() or
	 * flight_lost(), now or later. */
	void (*check)(struct flight *);
	/* The flight is over with f->why; nobody has been told yet. */
	void (*ended)(struct flight *);
	/* Fill in the waiter's result and waiter_tell(), now or later. */
	void (*answer)(struct flight *, struct waiter *);
	void (*free)(struct flight *);
};

TAILQ_HEAD(waiter_list, waiter);

/* The first member of a job's own struct. */
struct flight {
	unsigned magic;
	const struct job *job;
	struct flights *table;
	struct config *config; /* of when it began; own reference */
	char *name;
	char *label;     /* the name for logs: no secret in it */
	uint32_t source; /* whose wish it was at first */
	enum flight_state state;
	unsigned refs; /* of the table, the exchange, calls under way */
	int64_t began_ms;

	size_t mirror, n_mirrors;
	bool retried;
	bool paced; /* set by the job: not sooner than the table's again.h has
	    it; whoever has the time waits for that */
	bool fresh_round;    /* set by job->reply: ask all mirrors again */
	int64_t pause_until; /* the first 429 pause of this round to end */
	int64_t rest_until;  /* hosts_ms(), while RESTING */
	int64_t told_until;  /* the mirror asked last wants this left alone
	    until then; its origin is well.  0: it has not said */
	struct why why;      /* the failure that tells most so far */

	struct request request; /* to the mirror, until it is asked */
	struct host *host;
	struct flight_list *lane; /* of host, while QUEUED */
	TAILQ_ENTRY(flight) queue_link;
	uint64_t turn; /* in the lane */
	bool probe;
	struct exchange *exchange;

	struct timer *timer;    /* end of the rest */
	struct timer *deadline; /* of the first waiter that has one */
	struct waiter_list waiters;
	size_t n_waiters;
	TAILQ_ENTRY(flight) link;
};

struct flights {
	struct loop *loop;
	struct transport *transport;
	struct hosts *hosts;
	struct budget *budget; /* NULL: nobody is charged */
	struct again *again;   /* of flights that are paced */
	struct map *by_name;
	struct flight_list all;
	size_t max_waiters;
	int64_t retry_within_ms; /* RETRY_WITHIN_MS, but in tests */
	bool draining;
	_Atomic size_t n, n_waiters; /* any thread may look */
	/* When a flight ends or a waiter is told: has the room emptied? */
	void (*idle)(void *);
	void *idle_arg;
};

/* What takes longer than this to fail is not asked for once more. */
#define RETRY_WITHIN_MS 400

/* How many flights; each is a few hundred bytes and its answer in hand. */
#define FLIGHTS_MAX 8192

void flights_init(struct flights *, struct loop *, struct transport *,
    struct hosts *);
void flights_fini(struct flights *); /* empty */
struct flight *flights_get(struct flights *, const char *name);
/* Abort every flight; all waiters hear ERR_DRAINING, for ever after too. */
void flights_drain(struct flights *);
/* The clock has moved: rests may be over. */
void flights_tick(struct flights *);
json_t *flights_json(struct flights *); /* new reference */

/* Count a waiter in.  One that may not come in is told so: false. */
bool flights_admit(struct flights *, struct waiter *);
/* A new flight is begun for this source: ERR_MISS_BUDGET when it has caused
 * too many. */
enum err flights_charge(struct flights *, const struct config *,
    uint32_t source, struct why *) MUST_CHECK;
/* A waiter that was counted in, and is in no flight, is told. */
void flights_tell(struct flights *, struct waiter *, enum err,
    const struct why *);

/*
 * Put a new flight into the table and charge the source of its first waiter,
 * which joins then, and it starts.  ERR_SHED: too many; ERR_MISS_BUDGET.
 */
enum err flight_init(struct flight *, struct flights *, const struct job *,
    const char *name, const char *label, struct config *,
    const struct waiter *first, struct why *) MUST_CHECK;
void flight_start(struct flight *);
/* Wait for it.  The waiter has been admitted. */
void flight_join(struct flight *, struct waiter *);
struct flight *flight_ref(struct flight *);
void flight_unref(struct flight *);
struct flight *flight_cast(void *);
/* A client waits for it, not only our own background work. */
bool flight_has_client(const struct flight *);

/* From the job. */
void flight_go(struct flight *);
void flight_won(struct flight *);
/* This answer is no good, or there is none: the next mirror, once more
 * after a moment, or the end. */
void flight_lost(struct flight *, enum err, const struct why *);

/* From the table, when it is drained. */
void flight_abort(struct flight *);

/* From the queue of an origin. */
void flight_slot(struct flight *, bool probe);
void flight_denied(struct flight *, const struct why *);

#endif
