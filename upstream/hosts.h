/*
 * The origins we ask, each with the queue of flights that wait for a slot
 * and with what has been counted.  Belongs to the fetch thread; the counters
 * alone may be read by any thread (hosts_metrics).  Private to upstream/.
 */
#ifndef UPSTREAM_HOSTS_H
#define UPSTREAM_HOSTS_H

#include "config/base/blob.h"
#include "config/config.h"
#include "upstream/origin.h"
#include "upstream/transport.h"

#include <jansson.h>
#include <sys/queue.h>

struct flight;
struct hosts;
struct loop;

#define HOSTS_MAX   64   /* origins in one process; configurations are small */
#define HOST_QUEUED 4096 /* flights waiting in one lane, at most */
#define HOST_HOUR   60   /* and no more than so many minutes' worth */

TAILQ_HEAD(flight_list, flight);

/* Sources of clients told apart while they queue; others share a place. */
#define HOST_SOURCES 256

/* A lane of an origin, most often its only one. */
struct host {
	char *name;        /* "https://host:port", with "/kds" or "/vcek" */
	char *origin_name; /* "https://host:port" */
	enum lane lane;
	struct hosts *hosts;
	struct origin origin;
	/*
	 * Waited for by a client; not waited for by one.  In each the sources
	 * take turns (start-time fair queueing), so that one that wants much
	 * does not keep others waiting; a source's own flights stay in order.
	 */
	struct flight_list front, back;
	uint64_t turn;                    /* of the flight that went last */
	uint64_t last_turn[HOST_SOURCES]; /* that a source was given */
	size_t n_queued;
	struct timer *timer; /* when the queue can move on */
	struct host_count *count;
	bool pumping;
};

/* Milliseconds that stand still for no one: monotonic, and moved with the
 * virtual clock of tests, so that rests and pauses end under it. */
int64_t hosts_ms(void);
struct origin_now hosts_now(void);

struct hosts *hosts_new(struct loop *, struct config *);
/* No flight may be queued any more. */
void hosts_free(struct hosts *);
void hosts_configure(struct hosts *, struct config *);
/* This lane of the origin, made at the first use; NULL: too many. */
struct host *hosts_get(struct hosts *, const char *origin, enum lane);
/* When the first origin that rests or pauses may be asked again, in
 * milliseconds from now; 0: none does. */
int64_t hosts_next(const struct hosts *);
/* Look at every queue again: the clock has moved. */
void hosts_tick(struct hosts *);
/* Called when an origin that was down has answered. */
void hosts_on_recovery(struct hosts *, void (*fn)(void *), void *arg);

/*
 * Queue a flight for a slot.  flight_slot() or flight_denied() is called,
 * now or later.  When the lane is full, whoever's turn would come last is
 * denied, this flight or another.
 */
void host_queue(struct host *, struct flight *, bool background);
void host_unqueue(struct host *, struct flight *);
/* The same flight is now waited for by a client. */
void host_promote(struct host *, struct flight *);
/* An exchange ended: origin_done(), counters, log, and the queue moves on. */
void host_done(struct host *, bool probe, const struct why *health,
    int64_t retry_after_s, int status, int64_t us);
void host_left(struct host *, bool probe);

json_t *hosts_json(const struct hosts *); /* new reference */
/* Any thread. */
void hosts_metrics(const struct hosts *, struct buf *);

#endif
