/*
 * Verdicts counted for /metrics: by kind of evidence and outcome, by the first
 * reason's check, and how long they took.  Any thread.  Private to server/.
 */
#ifndef SERVER_TALLY_H
#define SERVER_TALLY_H

#include "server/judges.h"
#include "server/verify_run.h"

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *);
/* One verdict, and the time its thread took for it. */
void tally_verdict(struct tally *, const struct run_out *, int64_t us);
/* A question that could not be answered for want of collateral. */
void tally_missing(struct tally *);
/* In Prometheus' text format, with the queue of the judges (may be NULL). */
void tally_write(struct tally *, struct judges *, struct buf *);

#endif
