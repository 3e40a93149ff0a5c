#include "storage/snap.h"

#include "storage/baseline_int.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct snap {
	_Atomic unsigned refs;
	size_t n, mask;
	struct baseline *baseline;
	struct coll *slot[]; /* mask + 1, at most half of them used */
};

struct snap *
snap_new(struct coll *const *v, size_t n, struct baseline *baseline)
{
	struct snap *s;
	size_t cap = 16, i, at;

	while (cap < 2 * n)
		cap *= 2;
	s = xcalloc(1, sizeof(*s) + cap * sizeof(s->slot[0]));
	atomic_init(&s->refs, 1);
	s->n = n;
	s->baseline = baseline_ref(baseline);
	s->mask = cap - 1;
	for (i = 0; i < n; i++) {
		at = v[i]->hash & s->mask;
		while (s->slot[at] != NULL)
			at = (at + 1) & s->mask;
		s->slot[at] = coll_ref(v[i]);
	}
	return s;
}

/* Borrowed from the snapshot. */
struct coll *
snap_get(const struct snap *s, const struct coll_key *key)
{
	uint64_t hash = map_hash(span_str(key->text));
	struct coll *c;
	size_t at = hash & s->mask;

	while ((c = s->slot[at]) != NULL) {
		if (c->hash == hash && strcmp(c->key.text, key->text) == 0)
			return c;
		at = (at + 1) & s->mask;
	}
	return NULL;
}

void
snap_each(const struct snap *s, void (*fn)(void *arg, struct coll *), void *arg)
{
	size_t i;

	for (i = 0; i <= s->mask; i++)
		if (s->slot[i] != NULL)
			fn(arg, s->slot[i]);
}

const struct baseline *
snap_baseline(const struct snap *s)
{
	return s->baseline;
}

size_t
snap_len(const struct snap *s)
{
	return s->n;
}

struct snap *
snap_ref(struct snap *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
snap_unref(struct snap *s)
{
	unsigned was;
	size_t i;

	if (s == NULL)
		return;
	was = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
	must(was != 0);
	if (was != 1)
		return;
	for (i = 0; i <= s->mask; i++)
		coll_unref(s->slot[i]);
	baseline_unref(s->baseline);
	free(s);
}
