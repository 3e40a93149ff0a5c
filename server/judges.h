/*
 * Threads for work that takes a processor's time and nothing else: verdicts.
 * One queue with a stated length for all of them; when it is full the work is
 * refused at once.  A job runs on one of the threads, which then calls "done"
 * for it: that sends a message to the job's home loop.  Where more is waiting
 * than there are threads, a few are run before the first is sent home: every
 * message wakes a loop.  Any thread may submit.
 */
#ifndef SERVER_JUDGES_H
#define SERVER_JUDGES_H

#include "config/base/blob.h"

struct judges;
struct judge_job {
	struct judge_job *next;
	void (*run)(struct judge_job *);
	void (*done)(struct judge_job *); /* the job is not ours any more */
};

struct judges *judges_new(unsigned threads, size_t queue_max);
/* What is queued is still run. Call when nobody submits any more. */
void judges_free(struct judges *);
/* False: the queue is full. */
bool judges_submit(struct judges *, struct judge_job *);
/* Work that goes on: it had its place already and never is refused. */
void judges_again(struct judges *, struct judge_job *);
size_t judges_waiting(struct judges *);
unsigned judges_threads(const struct judges *);

#endif
