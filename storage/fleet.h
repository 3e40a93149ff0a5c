/*
 * The fleet: every platform larder knows, with what it can prove, kept in
 * memory in step with the tables platform, platform_tcb and quote_seen.
 * Platforms that can prove the same stand in one group: fleets have few.
 * A platform is a PPID, however many rows it has; here it is known by the
 * SHA-256 of it.  Store thread.  Private to storage/.
 */
#ifndef STORAGE_FLEET_H
#define STORAGE_FLEET_H

#include "config/base/log.h"
#include "storage/impact.h"
#include "storage/store.h"

#include <sys/queue.h>

struct fleet_member {
	struct fleet_group *group;
	int64_t row; /* of the table platform; 0: known by its quotes alone */
	struct log_id name; /* of that row, once it was asked for */
	LIST_ENTRY(fleet_member) in_group;
};

struct fleet_group {
	struct fleet_tcb tcb;
	size_t n;
	LIST_HEAD(, fleet_member) members; /* the latest first */
};

struct fleet *fleet_new(void);
void fleet_free(struct fleet *);
/* Rows of the platform with this hashed PPID were written. */
void fleet_touch(struct storage *, const unsigned char ppid[32]);
/* Rows were written and lost, or nothing is read yet: all is read anew. */
void fleet_forget(struct storage *);
/* Read what was touched, or all. */
enum err fleet_sync(struct storage *, struct why *) MUST_CHECK;
/* Quotes seen longer ago than history is kept. */
enum err fleet_prune(struct storage *, time_t before, struct why *) MUST_CHECK;

/* Visit all groups, in no order. */
void fleet_each(const struct storage *,
    void (*fn)(void *arg, const struct fleet_group *), void *arg);
/* As the log names it: by the QE-ID.  Read once. */
struct log_id fleet_name(struct storage *, struct fleet_member *);
size_t fleet_len(const struct storage *); /* platforms */

#endif
