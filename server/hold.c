#include "server/hold.h"

#include "config/base/clock.h"
#include "config/base/map.h"

#include <stdio.h>

static const time_t hold_s[] = { 60, 3600 };

#define HOLD_SLOTS 1024

struct held {
	uint64_t hash;
	time_t until;
};

/* A worker's own, hence one per thread; told apart by storage for tests that
 * have several in a row. */
static struct held *
hold_slot(enum hold what, struct worker *w, struct span name, uint64_t *hash)
{
	static _Thread_local struct held slots[HOLD_SLOTS];
	const struct {
		const struct storage *storage;
		uint64_t name, what;
	} key = { worker_storage(w), map_hash(name), what };

	*hash = map_hash(span_of(&key, sizeof(key)));
	return &slots[*hash % HOLD_SLOTS];
}

void
hold_set(enum hold what, struct worker *w, struct span name)
{
	uint64_t hash;
	struct held *h = hold_slot(what, w, name, &hash);

	h->hash = hash;
	h->until = clock_now() + hold_s[what];
}

bool
hold_has(enum hold what, struct worker *w, struct span name)
{
	time_t now = clock_now();
	uint64_t hash;
	struct held *h = hold_slot(what, w, name, &hash);

	/* A clock that was set back must not hold for longer. */
	return h->hash == hash && now < h->until &&
	       h->until - now <= hold_s[what];
}

struct span
hold_platform(const struct platform_id *id, char out[HOLD_PLATFORM])
{
	snprintf(out, HOLD_PLATFORM, "%s/%s", id->qe_id, id->pce_id);
	return span_str(out);
}
