/*
 * The only place that asks for the time.  Lifetimes use UTC seconds,
 * time-outs use monotonic milliseconds; everything else takes "now" as an
 * argument.  Any thread.
 */
#ifndef CONFIG_BASE_CLOCK_H
#define CONFIG_BASE_CLOCK_H

#include "config/base/span.h"

#include <stdint.h>
#include <time.h>

time_t clock_now(void);      /* UTC seconds */
int64_t clock_now_ms(void);  /* UTC milliseconds, for log lines */
int64_t clock_mono_ms(void); /* monotonic milliseconds */
int64_t clock_mono_us(void); /* monotonic microseconds, for histograms */

/*
 * Virtual time, for tests that live in this process: UTC moves by this many
 * seconds from the real clock until the next call.  Nothing outside tests/
 * calls it.
 */
void clock_offset_set(int64_t seconds);
int64_t clock_offset(void);

#define TIME_LEN 21 /* "2026-01-31T23:59:59Z" and a NUL */

/* Exactly "YYYY-MM-DDThh:mm:ssZ" of a real calendar date. */
enum err time_read(struct span, time_t *out) MUST_CHECK;
void time_write(time_t, char out[TIME_LEN]);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); 30 bytes with NUL. */
void http_date_write(time_t, char out[30]);
enum err http_date_read(struct span, time_t *out) MUST_CHECK;

#endif
