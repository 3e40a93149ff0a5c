/*
 * How much of what anybody can have us fetch is kept: rows of platforms that
 * nobody registered, and of VCEKs.  Store thread.  Private to storage/.
 */
#ifndef STORAGE_BOUND_H
#define STORAGE_BOUND_H

#include "storage/store.h"

/*
 * Such a row was written, inside the transaction that is open.  Over
 * cache.platforms_on_demand or cache.vceks, those that were asked for
 * longest ago go; of platforms last asked for on the same day, those that
 * came last: what is asked for every day outlives what is made up.
 */
enum err bound_platforms(struct storage *, struct why *) MUST_CHECK;
enum err bound_vceks(struct storage *, struct why *) MUST_CHECK;

#endif
