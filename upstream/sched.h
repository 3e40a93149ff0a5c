/*
 * The due-time queue: names and the moment each is to be looked at, earliest
 * first.  Pure; one thread.  Private to upstream/.
 */
#ifndef UPSTREAM_SCHED_H
#define UPSTREAM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Embedded in what is scheduled; zeroed before the first use. */
struct due {
	time_t at;
	size_t place; /* 1 + index in the heap; 0: not in the queue */
};

struct sched;

struct sched *sched_new(void);
void sched_free(struct sched *); /* what is in it stays the caller's */
size_t sched_len(const struct sched *);
/* Put it in, or move it. */
void sched_put(struct sched *, struct due *, time_t at);
void sched_del(struct sched *, struct due *); /* may be out already */
/* Take out the earliest if it is due, else NULL. */
struct due *sched_pop(struct sched *, time_t now);
/* The earliest, still in the queue; NULL when it is empty. */
const struct due *sched_first(const struct sched *);

#endif
