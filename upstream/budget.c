#include "upstream/budget.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <sys/queue.h>

struct bucket {
	TAILQ_ENTRY(bucket) link;
	uint32_t source;
	double tokens;
	int64_t at_ms; /* when there were so many */
};

struct budget {
	struct map *by_source;
	TAILQ_HEAD(, bucket) oldest; /* first */
	size_t max;
};

struct budget *
budget_new(size_t max)
{
	struct budget *b = xcalloc(1, sizeof(*b));

	must(max > 0);
	b->by_source = map_new();
	TAILQ_INIT(&b->oldest);
	b->max = max;
	return b;
}

static struct span
bucket_key(const uint32_t *source)
{
	return span_of(source, sizeof(*source));
}

static void
bucket_drop(struct budget *b, struct bucket *k)
{
	must(map_del(b->by_source, bucket_key(&k->source)) == k);
	TAILQ_REMOVE(&b->oldest, k, link);
	free(k);
}

void
budget_free(struct budget *b)
{
	struct bucket *k;

	if (b == NULL)
		return;
	while ((k = TAILQ_FIRST(&b->oldest)) != NULL)
		bucket_drop(b, k);
	map_free(b->by_source);
	free(b);
}

size_t
budget_len(const struct budget *b)
{
	return map_len(b->by_source);
}

static struct bucket *
bucket_get(struct budget *b, const struct budget_limits *l, uint32_t source,
    int64_t now_ms)
{
	struct bucket *k = map_get(b->by_source, bucket_key(&source));

	if (k != NULL)
		return k;
	if (map_len(b->by_source) >= b->max)
		bucket_drop(b, TAILQ_FIRST(&b->oldest));
	k = xcalloc(1, sizeof(*k));
	k->source = source;
	k->tokens = l->burst;
	k->at_ms = now_ms;
	must(map_put(b->by_source, bucket_key(&k->source), k) == NULL);
	TAILQ_INSERT_TAIL(&b->oldest, k, link);
	return k;
}

static void
bucket_refill(struct bucket *k, const struct budget_limits *l, int64_t now_ms)
{
	if (now_ms > k->at_ms)
		k->tokens +=
		    (double)(now_ms - k->at_ms) * l->per_minute / 60000.0;
	k->at_ms = now_ms;
	if (k->tokens > l->burst)
		k->tokens = l->burst;
}

bool
budget_take(struct budget *b, const struct budget_limits *l, uint32_t source,
    int64_t now_ms, int64_t *wait_ms)
{
	struct bucket *k;

	*wait_ms = 0;
	if (l->per_minute == 0)
		return true;
	k = bucket_get(b, l, source, now_ms);
	bucket_refill(k, l, now_ms);
	TAILQ_REMOVE(&b->oldest, k, link);
	TAILQ_INSERT_TAIL(&b->oldest, k, link);
	if (k->tokens < 1) {
		*wait_ms =
		    1 + (int64_t)((1 - k->tokens) * 60000.0 / l->per_minute);
		return false;
	}
	k->tokens -= 1;
	return true;
}
