#include "storage/platform.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 16

/* What an allocation costs beside its bytes, roughly. */
#define ALLOC_COST 32

struct platform {
	struct platform *newer, *older;
	size_t n;
	struct pck_answer **v; /* the latest used first */
	size_t bytes;
	bool seen;
	int32_t seen_day;
	size_t key_len;
	char key[]; /* platform_key() */
};

struct shard {
	pthread_mutex_t lock;
	struct map *map; /* of struct platform */
	struct platform *newest, *oldest;
	uint64_t answers, bytes, hits, misses, evicted;
};

struct platforms {
	atomic_llong bytes_max;
	atomic_int tcbs_max;
	struct shard shard[SHARDS];
};

/* --- answers ---------------------------------------------------------- */

struct pck_answer *
pck_answer_ref(struct pck_answer *a)
{
	if (a != NULL)
		atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void
pck_answer_unref(struct pck_answer *a)
{
	unsigned was;

	if (a == NULL)
		return;
	was = atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel);
	must(was != 0);
	if (was != 1)
		return;
	blob_unref(a->head);
	blob_unref(a->chain_head);
	blob_unref(a->chain);
	blob_unref(a->pem);
	free(a);
}

/* The chain's blobs are shared by all platforms of a CA: not counted. */
static size_t
answer_bytes(const struct pck_answer *a)
{
	return sizeof(*a) + a->head->len + a->pem->len + sizeof(a) +
	       4 * ALLOC_COST;
}

static bool
tcb_same(const struct raw_tcb *a, const struct raw_tcb *b)
{
	return a->pcesvn == b->pcesvn &&
	       memcmp(a->cpusvn, b->cpusvn, sizeof(a->cpusvn)) == 0;
}

/* --- a shard; its lock is held in all of these ------------------------- */

#define KEY_MAX (QE_ID_MAX + 1 + 4)

/* "QE_ID/PCE_ID": the PCE id has a fixed length, so no two ids meet. */
static struct span
platform_key(const struct platform_id *id, char out[KEY_MAX])
{
	size_t qe = strlen(id->qe_id), pce = strlen(id->pce_id);

	must(qe <= QE_ID_MAX && pce <= 4);
	memcpy(out, id->qe_id, qe);
	out[qe] = '/';
	memcpy(out + qe + 1, id->pce_id, pce);
	return span_of(out, qe + 1 + pce);
}

static struct platform_id
platform_id_of(const struct platform *p)
{
	struct platform_id id = { .pce_id = "" };
	const char *slash = memrchr(p->key, '/', p->key_len);
	size_t qe = (size_t)(slash - p->key);

	memcpy(id.qe_id, p->key, qe);
	memcpy(id.pce_id, slash + 1, p->key_len - qe - 1);
	return id;
}

static void
shard_unlink(struct shard *s, struct platform *p)
{
	if (p->newer != NULL)
		p->newer->older = p->older;
	else
		s->newest = p->older;
	if (p->older != NULL)
		p->older->newer = p->newer;
	else
		s->oldest = p->newer;
	p->newer = p->older = NULL;
}

static void
shard_link(struct shard *s, struct platform *p)
{
	p->older = s->newest;
	if (s->newest != NULL)
		s->newest->newer = p;
	s->newest = p;
	if (s->oldest == NULL)
		s->oldest = p;
}

static void
shard_remove(struct shard *s, struct platform *p)
{
	size_t i;

	must(map_del(s->map, span_of(p->key, p->key_len)) == p);
	shard_unlink(s, p);
	s->bytes -= p->bytes;
	s->answers -= p->n;
	for (i = 0; i < p->n; i++)
		pck_answer_unref(p->v[i]);
	free(p->v);
	free(p);
}

static struct platform *
shard_add(struct shard *s, struct span key)
{
	struct platform *p = xcalloc(1, sizeof(*p) + key.len);

	p->key_len = key.len;
	memcpy(p->key, key.p, key.len);
	p->bytes = sizeof(*p) + 2 * key.len + 3 * ALLOC_COST;
	s->bytes += p->bytes;
	must(map_put(s->map, key, p) == NULL);
	shard_link(s, p);
	return p;
}

/* Where the answer for a raw TCB stands; p->n: nowhere. */
static size_t
platform_find(const struct platform *p, const struct raw_tcb *tcb)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (tcb_same(&p->v[i]->tcb, tcb))
			break;
	return i;
}

static void
platform_remove_answer(struct shard *s, struct platform *p, size_t i)
{
	size_t bytes = answer_bytes(p->v[i]);

	pck_answer_unref(p->v[i]);
	p->n--;
	memmove(&p->v[i], &p->v[i + 1],
	    (p->n - i) * sizeof(struct pck_answer *));
	p->bytes -= bytes;
	s->bytes -= bytes;
	s->answers--;
}

static void
platform_add_answer(struct shard *s, struct platform *p, struct pck_answer *a)
{
	p->v = xrealloc(p->v, p->n + 1, sizeof(struct pck_answer *));
	memmove(&p->v[1], &p->v[0], p->n * sizeof(struct pck_answer *));
	p->v[0] = pck_answer_ref(a);
	p->n++;
	p->bytes += answer_bytes(a);
	s->bytes += answer_bytes(a);
	s->answers++;
}

static void
shard_shrink(struct shard *s, uint64_t bytes_max)
{
	while (s->bytes > bytes_max && s->oldest != NULL) {
		shard_remove(s, s->oldest);
		s->evicted++;
	}
}

/* --- all -------------------------------------------------------------- */

static struct shard *
shard_lock(struct platforms *ps, struct span key)
{
	struct shard *s = &ps->shard[map_hash(key) >> 32 & (SHARDS - 1)];

	must(pthread_mutex_lock(&s->lock) == 0);
	return s;
}

static void
shard_unlock(struct shard *s)
{
	must(pthread_mutex_unlock(&s->lock) == 0);
}

struct platforms *
platforms_new(int64_t bytes, int tcbs)
{
	struct platforms *ps = xcalloc(1, sizeof(*ps));
	int i;

	for (i = 0; i < SHARDS; i++) {
		must(pthread_mutex_init(&ps->shard[i].lock, NULL) == 0);
		ps->shard[i].map = map_new();
	}
	platforms_limit(ps, bytes, tcbs);
	return ps;
}

void
platforms_free(struct platforms *ps)
{
	int i;

	if (ps == NULL)
		return;
	platforms_clear(ps);
	for (i = 0; i < SHARDS; i++) {
		map_free(ps->shard[i].map);
		must(pthread_mutex_destroy(&ps->shard[i].lock) == 0);
	}
	free(ps);
}

void
platforms_limit(struct platforms *ps, int64_t bytes, int tcbs)
{
	must(bytes >= 0 && tcbs >= 1);
	atomic_store(&ps->bytes_max, bytes);
	atomic_store(&ps->tcbs_max, tcbs);
}

struct pck_answer *
platforms_get(struct platforms *ps, const struct platform_id *id,
    const struct raw_tcb *tcb)
{
	char text[KEY_MAX];
	struct span key = platform_key(id, text);
	struct shard *s = shard_lock(ps, key);
	struct platform *p = map_get(s->map, key);
	struct pck_answer *a = NULL;
	size_t i;

	if (p != NULL && (i = platform_find(p, tcb)) < p->n) {
		a = p->v[i];
		memmove(&p->v[1], &p->v[0], i * sizeof(struct pck_answer *));
		p->v[0] = a;
		p->seen = true;
		shard_unlink(s, p);
		shard_link(s, p);
		pck_answer_ref(a);
		s->hits++;
	} else
		s->misses++;
	shard_unlock(s);
	return a;
}

void
platforms_put(struct platforms *ps, const struct platform_id *id,
    struct pck_answer *a)
{
	char text[KEY_MAX];
	struct span key = platform_key(id, text);
	struct shard *s = shard_lock(ps, key);
	struct platform *p = map_get(s->map, key);
	size_t i, tcbs = (size_t)atomic_load(&ps->tcbs_max);

	if (p == NULL)
		p = shard_add(s, key);
	else if ((i = platform_find(p, &a->tcb)) < p->n)
		platform_remove_answer(s, p, i);
	while (p->n >= tcbs)
		platform_remove_answer(s, p, p->n - 1);
	platform_add_answer(s, p, a);
	shard_unlink(s, p);
	shard_link(s, p);
	shard_shrink(s, (uint64_t)atomic_load(&ps->bytes_max) / SHARDS);
	shard_unlock(s);
}

void
platforms_drop(struct platforms *ps, const struct platform_id *id)
{
	char text[KEY_MAX];
	struct span key = platform_key(id, text);
	struct shard *s = shard_lock(ps, key);
	struct platform *p = map_get(s->map, key);

	if (p != NULL)
		shard_remove(s, p);
	shard_unlock(s);
}

/* NULL: of every FMSPC. */
static void
platforms_drop_all(struct platforms *ps, const char *fmspc)
{
	struct platform *p, *older;
	struct shard *s;
	int i;

	for (i = 0; i < SHARDS; i++) {
		s = &ps->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		for (p = s->newest; p != NULL; p = older) {
			older = p->older;
			if (fmspc == NULL || strcmp(p->v[0]->fmspc, fmspc) == 0)
				shard_remove(s, p);
		}
		shard_unlock(s);
	}
}

void
platforms_drop_fmspc(struct platforms *ps, const char *fmspc)
{
	platforms_drop_all(ps, fmspc);
}

void
platforms_clear(struct platforms *ps)
{
	platforms_drop_all(ps, NULL);
}

size_t
platforms_seen(struct platforms *ps, int32_t day, struct platform_id *out,
    size_t max)
{
	struct platform *p;
	struct shard *s;
	size_t n = 0;
	int i;

	for (i = 0; i < SHARDS && n < max; i++) {
		s = &ps->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		for (p = s->newest; p != NULL && n < max; p = p->older) {
			if (!p->seen || p->seen_day == day)
				continue;
			p->seen = false;
			p->seen_day = day;
			out[n++] = platform_id_of(p);
		}
		shard_unlock(s);
	}
	return n;
}

struct platforms_stats
platforms_stats(struct platforms *ps)
{
	struct platforms_stats st = { 0 };
	struct shard *s;
	int i;

	for (i = 0; i < SHARDS; i++) {
		s = &ps->shard[i];
		must(pthread_mutex_lock(&s->lock) == 0);
		st.platforms += map_len(s->map);
		st.answers += s->answers;
		st.bytes += s->bytes;
		st.hits += s->hits;
		st.misses += s->misses;
		st.evicted += s->evicted;
		shard_unlock(s);
	}
	st.limit = (uint64_t)atomic_load(&ps->bytes_max);
	return st;
}
