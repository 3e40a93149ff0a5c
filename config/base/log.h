/*
 * One line per event on stderr: "<6>event=... key=value ...", with the
 * request's id when one is set.  Values with blanks or quotes are quoted,
 * control characters never reach the stream.  Any thread.
 *
 * Never logged in clear: tokens, qeid, PPID, manifest, HWID.  log_id() gives
 * the first 8 hex digits of their SHA-256.
 */
#ifndef CONFIG_BASE_LOG_H
#define CONFIG_BASE_LOG_H

#include "config/base/span.h"

enum log_level {
	LOG_ERROR = 3,
	LOG_WARN = 4,
	LOG_NOTE = 5,
	LOG_INFO = 6,
	LOG_DEBUG = 7
};

/* Lines above this level are dropped. Default LOG_INFO. */
void log_level_set(enum log_level);
bool log_level_read(const char *name, enum log_level *out);

/*
 * log_event(LOG_WARN, "refused", "object", key, "reason", token, NULL):
 * key, value pairs of strings, ended by NULL; a NULL value is left out.
 */
void log_event(enum log_level, const char *event, ...)
    __attribute__((sentinel));

/* The Request-ID of what this thread is working on; NULL ends it. Borrowed. */
void log_request(const char *id);

/* A secret's name for the log, e.g. "1f3a90cc". */
struct log_id {
	char s[9];
};
struct log_id log_id(struct span secret);

/* A number as a value: log_event(..., "bytes", log_num(n).s, NULL). */
struct log_num {
	char s[24];
};
struct log_num log_num(long long);

#endif
