/*
 * What became of each thing that POST /v1/import was given:
 * [{"key":"...","reason":"ok"},{"key":"...","reason":"...","why":"..."}].
 * What stays out because something newer is held is named, and no failure: a
 * bundle may be imported twice.
 * One worker's loop.  Private to server/.
 */
#ifndef SERVER_IMPORT_H
#define SERVER_IMPORT_H

#include "server/http.h"

#include <jansson.h>

struct import_list {
	json_t *rows;
	size_t n_failed;
};
void import_list_init(struct import_list *);
void import_list_fini(struct import_list *);
void import_result(struct import_list *, const char *key, enum err,
    const struct why *);
/* 200 when everything is in, 460 with the same list when something is not. */
void import_reply(struct req *, const struct import_list *);

#endif
