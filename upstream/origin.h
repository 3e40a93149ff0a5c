/*
 * An origin (scheme, host and port we ask): how many exchanges at once, how
 * many a minute, and when to leave it alone.  Pure: the caller brings the
 * time and the dice.  One thread.  Private to upstream/.
 */
#ifndef UPSTREAM_ORIGIN_H
#define UPSTREAM_ORIGIN_H

#include "config/base/err.h"
#include "config/base/span.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum origin_state {
	ORIGIN_UP,
	ORIGIN_DOWN,    /* the circuit is open: resting */
	ORIGIN_PROBING, /* the rest is over and one exchange finds out */
	ORIGIN_STATE_N
};
const char *origin_state_name(enum origin_state);

/* Now, and a die in [0, 1). */
struct origin_now {
	int64_t ms; /* monotonic */
	time_t utc;
	double jitter;
};

struct origin_limits {
	int parallel;        /* exchanges at once */
	int rate_per_minute; /* 0: no limit */
	int burst;           /* at once; 0: a minute's worth */
	/* A 429 without Retry-After; 0: those below. */
	int64_t pause_min_ms, pause_max_ms;
};

struct origin {
	enum origin_state state;
	int asking;          /* exchanges on the wire */
	int fails;           /* in a row */
	int rests;           /* in a row; each doubles the next */
	int64_t rest_until;  /* ms, while DOWN */
	int pauses;          /* 429s in a row without Retry-After */
	int64_t pause_until; /* ms; 0: not paused */
	int64_t pause_min_ms, pause_max_ms;
	double tokens;
	int64_t tokens_at; /* ms */
	time_t down_at;    /* first failure of the present row; 0: none */
	time_t failed_at;  /* of "last" */
	struct why last;   /* the last failure; err ERR_OK: none yet */
};

#define ORIGIN_FAILS_MAX    3 /* in a row, and the circuit opens */
#define ORIGIN_REST_MIN_MS  1000
#define ORIGIN_REST_MAX_MS  60000
#define ORIGIN_PAUSE_MIN_MS 10000
#define ORIGIN_PAUSE_MAX_MS 600000 /* the longest Retry-After honoured */

void origin_init(struct origin *, const struct origin_limits *,
    const struct origin_now *);

enum origin_go {
	ORIGIN_GO, /* a slot is taken; origin_done() or origin_left() ends it */
	ORIGIN_PROBE,  /* the same, and the circuit hangs on this exchange */
	ORIGIN_FULL,   /* wait for an exchange to end */
	ORIGIN_LATER,  /* the minute's budget is used up until *until_ms */
	ORIGIN_PAUSED, /* 429 until *until_ms */
	ORIGIN_RESTING /* circuit open until *until_ms at the earliest */
};
enum origin_go origin_ask(struct origin *, const struct origin_limits *,
    const struct origin_now *, int64_t *until_ms);
/* What origin_ask would answer about pause and circuit, taking nothing:
 * ORIGIN_GO, ORIGIN_PAUSED or ORIGIN_RESTING. */
enum origin_go origin_look(const struct origin *, int64_t now_ms,
    int64_t *until_ms);

/*
 * How an exchange ended.  why->err ERR_OK: the origin is well (whatever it
 * said about the object); ERR_UP_THROTTLED: it asks for a pause; others: it
 * failed.  retry_after_s is -1 when none came.
 */
void origin_done(struct origin *, const struct origin_now *, bool probe,
    const struct why *, int64_t retry_after_s);
/* The exchange was given up for our own reasons: nothing is known. */
void origin_left(struct origin *, const struct origin_now *, bool probe);

/*
 * Why nobody is asked now: ERR_UP_CLOSED or ERR_UP_THROTTLED with "NAME down
 * since TIME: REASON".  Returns that error.
 */
enum err origin_why(const struct origin *, const char *name, int64_t now_ms,
    struct why *);

/* A Retry-After value: seconds from now (0 for a date gone by); -1 when it is
 * neither a number nor a date (RFC 9110 10.2.3). */
int64_t retry_after_read(struct span, time_t now);

#endif
