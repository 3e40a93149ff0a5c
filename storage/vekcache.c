#include "storage/vekcache.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#define SHARDS 16

/* What OpenSSL keeps of one certificate and its key, measured, roughly. */
#define X509_COST      12000

#define CHECKED_MAX_MS ((int64_t)24 * 3600 * 1000)

struct entry {
	TAILQ_ENTRY(entry) link;
	struct coll *c;
	size_t bytes;
	int64_t checked_ms, used_ms, told_ms;
};

struct shard {
	pthread_mutex_t lock;
	struct map *map;                   /* key text -> struct entry */
	TAILQ_HEAD(entry_list, entry) lru; /* the latest used first */
	uint64_t bytes, hits, misses, evicted;
	time_t fetched_at; /* of the newest that was here */
};

struct vekcache {
	atomic_llong bytes_max;
	struct shard shard[SHARDS];
};

/* --- a shard; its lock is held in all of these ------------------------- */

static size_t
coll_bytes(const struct coll *c)
{
	size_t n = sizeof(struct entry) + sizeof(*c) + sizeof(struct vek) +
		   c->body->len + X509_COST;
	int i;

	for (i = 0; i < FORM_N; i++)
		if (c->form[i].body != NULL)
			n += c->form[i].head->len + c->form[i].body->len;
	return n;
}

static void
shard_remove(struct shard *s, struct entry *e)
{
	must(map_del(s->map, span_str(e->c->key.text)) == e);
	TAILQ_REMOVE(&s->lru, e, link);
	s->bytes -= e->bytes;
	coll_unref(e->c);
	free(e);
}

static void
shard_shrink(struct shard *s, uint64_t bytes_max)
{
	while (s->bytes > bytes_max && !TAILQ_EMPTY(&s->lru)) {
		shard_remove(s, TAILQ_LAST(&s->lru, entry_list));
		s->evicted++;
	}
}

static struct entry *
shard_find(const struct shard *s, const struct coll_key *key)
{
	return map_get(s->map, span_str(key->text));
}

/* --- all -------------------------------------------------------------- */

static struct shard *
shard_lock(struct vekcache *vc, const struct coll_key *key)
{
	uint64_t hash = map_hash(span_str(key->text));
	struct shard *s = &vc->shard[hash >> 32 & (SHARDS - 1)];

	must(pthread_mutex_lock(&s->lock) == 0);
	return s;
}

static void
shard_unlock(struct shard *s)
{
	must(pthread_mutex_unlock(&s->lock) == 0);
}

struct vekcache *
vekcache_new(int64_t bytes)
{
	struct vekcache *vc = xcalloc(1, sizeof(*vc));
	int i;

	for (i = 0; i < SHARDS; i++) {
		must(pthread_mutex_init(&vc->shard[i].lock, NULL) == 0);
		vc->shard[i].map = map_new();
		TAILQ_INIT(&vc->shard[i].lru);
	}
	vekcache_limit(vc, bytes);
	return vc;
}

void
vekcache_free(struct vekcache *vc)
{
	int i;

	if (vc == NULL)
		return;
	vekcache_clear(vc);
	for (i = 0; i < SHARDS; i++) {
		map_free(vc->shard[i].map);
		must(pthread_mutex_destroy(&vc->shard[i].lock) == 0);
	}
	free(vc);
}

void
vekcache_limit(struct vekcache *vc, int64_t bytes)
{
	must(bytes >= 0);
	atomic_store(&vc->bytes_max, bytes);
}

struct coll *
vekcache_get(struct vekcache *vc, const struct coll_key *key, int64_t now_ms,
    bool count)
{
	struct shard *s = shard_lock(vc, key);
	struct entry *e = shard_find(s, key);
	struct coll *c = NULL;

	if (e != NULL && now_ms - e->checked_ms > CHECKED_MAX_MS) {
		shard_remove(s, e);
		e = NULL;
	}
	if (e != NULL) {
		e->used_ms = now_ms;
		TAILQ_REMOVE(&s->lru, e, link);
		TAILQ_INSERT_HEAD(&s->lru, e, link);
		c = coll_ref(e->c);
	}
	s->hits += count && c != NULL;
	s->misses += count && c == NULL;
	shard_unlock(s);
	return c;
}

void
vekcache_put(struct vekcache *vc, struct coll *c, int64_t now_ms)
{
	struct shard *s = shard_lock(vc, &c->key);
	struct entry *e = shard_find(s, &c->key);

	if (e != NULL)
		shard_remove(s, e);
	e = xcalloc(1, sizeof(*e));
	e->c = coll_ref(c);
	e->bytes = coll_bytes(c);
	e->checked_ms = e->used_ms = e->told_ms = now_ms;
	s->bytes += e->bytes;
	if (c->fetched_at > s->fetched_at)
		s->fetched_at = c->fetched_at;
	must(map_put(s->map, span_str(c->key.text), e) == NULL);
	TAILQ_INSERT_HEAD(&s->lru, e, link);
	shard_shrink(s, (uint64_t)atomic_load(&vc->bytes_max) / SHARDS);
	shard_unlock(s);
}

void
vekcache_drop(struct vekcache *vc, const struct coll_key *key)
{
	struct shard *s = shard_lock(vc, key);
	struct entry *e = shard_find(s, key);

	if (e != NULL)
		shard_remove(s, e);
	shard_unlock(s);
}

static void
drop_if(struct vekcache *vc, bool all, enum amd_product product,
    enum amd_side side)
{
	struct entry *e, *next;
	struct shard *s;
	int i;

	for (i = 0; i < SHARDS; i++) {
		s = &vc->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		for (e = TAILQ_FIRST(&s->lru); e != NULL; e = next) {
			next = TAILQ_NEXT(e, link);
			if (all || (e->c->key.product == product &&
				       e->c->key.side == side))
				shard_remove(s, e);
		}
		shard_unlock(s);
	}
}

void
vekcache_drop_side(struct vekcache *vc, enum amd_product product,
    enum amd_side side)
{
	drop_if(vc, false, product, side);
}

void
vekcache_clear(struct vekcache *vc)
{
	drop_if(vc, true, AMD_MILAN, AMD_VCEK);
}

int64_t
vekcache_used_ms(struct vekcache *vc, const struct coll_key *key)
{
	struct shard *s = shard_lock(vc, key);
	const struct entry *e = shard_find(s, key);
	int64_t used = e == NULL ? 0 : e->used_ms;

	shard_unlock(s);
	return used;
}

size_t
vekcache_used(struct vekcache *vc, int64_t before_ms, int64_t now_ms,
    struct coll **out, size_t max)
{
	struct entry *e;
	struct shard *s;
	size_t n = 0;
	int i;

	for (i = 0; i < SHARDS && n < max; i++) {
		s = &vc->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		TAILQ_FOREACH(e, &s->lru, link)
		{
			if (e->used_ms == e->told_ms || e->told_ms >= before_ms)
				continue;
			e->told_ms = e->used_ms = now_ms;
			out[n++] = coll_ref(e->c);
			if (n == max)
				break;
		}
		shard_unlock(s);
	}
	return n;
}

struct vekcache_stats
vekcache_stats(struct vekcache *vc)
{
	struct vekcache_stats st = { 0 };
	struct shard *s;
	int i;

	for (i = 0; i < SHARDS; i++) {
		s = &vc->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		st.veks += map_len(s->map);
		st.bytes += s->bytes;
		st.hits += s->hits;
		st.misses += s->misses;
		st.evicted += s->evicted;
		if (s->fetched_at > st.fetched_at)
			st.fetched_at = s->fetched_at;
		shard_unlock(s);
	}
	st.limit = (uint64_t)atomic_load(&vc->bytes_max);
	return st;
}
