/*
 * What storage holds, as JSON for people.  Store thread.
 * Private to storage/.
 */
#ifndef STORAGE_STATUS_H
#define STORAGE_STATUS_H

#include "config/base/json.h"
#include "storage/store.h"

/* New references. A time of 0 is null. */
json_t *json_time(time_t);
json_t *json_attempt(const struct attempt *); /* NULL: null */
json_t *json_coll(const struct storage *, const struct coll *, time_t now);
const char *fresh_name(enum fresh_state);
/* The text of a document, which is given up. */
struct blob *json_text(json_t *stolen);

/* A call that ends in one text. */
struct text_job {
	struct job job;
	char *what; /* the argument, or NULL */
	struct blob *text;
	store_text_fn fn;
};
/* The same with more members behind it; steals "t", allocated and zeroed. */
void text_job_run(struct text_job *t, struct storage *,
    void (*work)(struct job *), const char *what, store_text_fn, void *arg);
void text_job_start(struct storage *, void (*work)(struct job *),
    const char *what, store_text_fn, void *arg);

#endif
