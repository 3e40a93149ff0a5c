/*
 * Things a test has no further care for: each call takes over what it is
 * given, gives it back for use, and frees it in keep_end(), which house_stop()
 * calls.  One thread.
 */
#ifndef TESTS_KIT_KEEP_H
#define TESTS_KIT_KEEP_H

#include "config/base/blob.h"
#include "tests/kit/edge.h"

#include <jansson.h>

struct edge_reply keep(struct edge_reply);
char *keep_text(char *);
/* A new text. */
char *keep_printf(const char *fmt, ...) PRINTF(1, 2);
json_t *keep_json(json_t *);
struct blob *keep_blob(struct blob *);
void keep_end(void);

#endif
