#include "server/kept.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct item {
	struct span key; /* bytes of its own */
	void *value;
	bool used;
};

struct kept {
	pthread_mutex_t mu;
	const struct kept_ops *ops;
	struct map *map; /* of items */
	size_t n, max, hand;
	struct item **ring;
};

struct kept *
kept_new(size_t max, const struct kept_ops *ops)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	must(max > 0);
	must(pthread_mutex_init(&k->mu, NULL) == 0);
	k->ops = ops;
	k->map = map_new();
	k->max = max;
	k->ring = xcalloc(max, sizeof(struct item *));
	return k;
}

static void
item_free(struct kept *k, struct item *i)
{
	k->ops->unref(i->value);
	free((void *)(uintptr_t)i->key.p);
	free(i);
}

void
kept_free(struct kept *k)
{
	size_t i;

	if (k == NULL)
		return;
	for (i = 0; i < k->n; i++)
		item_free(k, k->ring[i]);
	map_free(k->map);
	pthread_mutex_destroy(&k->mu);
	free(k->ring);
	free(k);
}

void *
kept_get(struct kept *k, struct span key)
{
	struct item *i;
	void *value = NULL;

	pthread_mutex_lock(&k->mu);
	if ((i = map_get(k->map, key)) != NULL) {
		i->used = true;
		value = k->ops->ref(i->value);
	}
	pthread_mutex_unlock(&k->mu);
	return value;
}

/* The place of the next one; an old one is taken out of the map. */
static size_t
place(struct kept *k, struct item **old)
{
	*old = NULL;
	if (k->n < k->max)
		return k->n++;
	while (k->ring[k->hand]->used) {
		k->ring[k->hand]->used = false;
		k->hand = (k->hand + 1) % k->max;
	}
	*old = k->ring[k->hand];
	must(map_del(k->map, (*old)->key) == *old);
	return k->hand;
}

void
kept_put(struct kept *k, struct span key, void *value)
{
	struct item *i, *old = NULL;

	pthread_mutex_lock(&k->mu);
	if (map_get(k->map, key) == NULL) {
		i = xcalloc(1, sizeof(*i));
		i->key = span_of(xmemdup(key.p, key.len), key.len);
		i->value = k->ops->ref(value);
		k->ring[place(k, &old)] = i;
		must(map_put(k->map, key, i) == NULL);
	}
	pthread_mutex_unlock(&k->mu);
	/* Outside: what it frees may be large. */
	if (old != NULL)
		item_free(k, old);
}

size_t
kept_len(struct kept *k)
{
	size_t n;

	pthread_mutex_lock(&k->mu);
	n = k->n;
	pthread_mutex_unlock(&k->mu);
	return n;
}
