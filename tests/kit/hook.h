/*
 * The other end of baseline.webhook_url: a small HTTP server, one request to
 * a connection, that keeps what it was sent and answers as it is told.
 */
#ifndef TESTS_KIT_HOOK_H
#define TESTS_KIT_HOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct hook;

struct hook_post {
	char *head; /* request line and headers, CRLF and all */
	char *body;
	json_t *event; /* the body; NULL: it is no JSON */
	bool taken;    /* answered with 204 */
};

/* On an address of this machine; PEM files, or NULL: clear text. */
struct hook *hook_start(const char *address, const char *cert, const char *key);
void hook_stop(struct hook *);
int hook_port(const struct hook *);
/* Answer the next n with this status, "500 No", and further header lines;
 * status "": with nothing, until the other side gives up. */
void hook_refuse(struct hook *, unsigned n, const char *status);
/* What came so far; they stay where they are until hook_stop(). */
size_t hook_count(struct hook *);
const struct hook_post *hook_post(struct hook *, size_t i);
/* Until something new has come, or PATIENCE_MS went by: false. */
bool hook_more(struct hook *, size_t than);

#endif
