/*
 * Explanations: what explain.c leaves to explain_vek.c, and what both say.
 * Store thread.  Private to storage/.
 */
#ifndef STORAGE_EXPLAIN_H
#define STORAGE_EXPLAIN_H

#include "storage/status.h"

/* How a request would be answered; new references. */
json_t *answer_json(enum err, const char *how);
json_t *answer_held(const struct storage *, const struct coll *, time_t now);

/* Each ends the job. "hwid" is hex. */
void explain_vek(struct text_job *, const struct coll_key *);
void explain_chip(struct text_job *, struct span hwid);

#endif
