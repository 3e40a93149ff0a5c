/*
 * Flights, waiters and origins' queues on a stage: a transport and a job of
 * the test's own, no network, no storage, and no time that passes by itself.
 * (Only deadlines run on the real clock; nothing asserts how long.)  What is
 * told collects in fl.told in the order in which it comes.
 */
#ifndef TESTS_KIT_FLIGHTKIT_H
#define TESTS_KIT_FLIGHTKIT_H

#include "upstream/flight.h"

struct exchange {
	char *url;
	long timeout_ms;
	reply_fn fn;
	void *arg;
	bool over, cancelled;
};

struct flightkit {
	struct config *config;
	struct loop *loop;
	struct hosts *hosts;
	struct flights table;
	/* of the flights and waiters to come */
	size_t mirrors;
	bool paced;
	enum lane lane;
	uint32_t source;
	/* what has happened */
	struct exchange *asked[256];
	size_t n_asked;
	size_t n_ended, n_freed, n_checks;
	struct flight *checking[64];
	size_t n_told;
	struct why told[512];
	int told_who[512];
};
extern struct flightkit fl;

/* A stage with this larder.json; and with "{}", and its end: fixtures. */
void fl_stage(const char *config);
void fl_setup(void);
void fl_teardown(void);
/* Another configuration for the flights to come. */
void fl_config_set(const char *config);

/* Run a step on the loop, and whatever messages it causes. */
void fl_on_loop(void (*fn)(void));
/* Run the loop, timers and all, until so many were told. */
void fl_until_told(size_t n);
/* Move the clock and let what rests notice. */
void fl_later(int64_t seconds);

/* --- steps ------------------------------------------------------------ */

void fl_nothing(void);
void fl_drain(void);
/* Wait for the flight of this name; "who" is told with the result. */
void fl_want_as(const char *name, long wait_ms, int who, bool background);
void fl_want(const char *name); /* ten minutes */
/* Answer the i-th exchange; status 0: no answer came. */
void fl_answer_with(size_t i, int status, const char *head);
void fl_answer(size_t i, int status);
/* The gate's word on the i-th answer that got that far. */
void fl_admitted(size_t i);
void fl_refused(size_t i, enum err);

#endif
