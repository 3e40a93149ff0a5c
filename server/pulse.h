/*
 * Whether loops still turn: what a watchdog is to know.
 *
 * Each is sent a message, and sent the next one when it has answered.  The
 * main thread's; it outlives the loops.
 */
#ifndef SERVER_PULSE_H
#define SERVER_PULSE_H

#include <stdbool.h>

struct loop;
struct pulse;

struct pulse *pulse_new(void);
void pulse_watch(struct pulse *, struct loop *); /* before the first beat */
/* Has every loop answered what it was last sent?  Sends those that have the
 * next. */
bool pulse_beat(struct pulse *);
void pulse_free(struct pulse *); /* after the loops have ended; NULL is fine */

#endif
