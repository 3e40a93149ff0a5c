#include "config/base/map.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* --- SipHash-1-3 (Aumasson and Bernstein, one and three rounds) -------- */

static uint64_t
rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static void
sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
}

uint64_t
siphash13(const uint64_t key[2], struct span in)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)in.len << 56, m;
	size_t i;

	for (; in.len >= 8; in.p += 8, in.len -= 8) {
		memcpy(&m, in.p, 8);
		sip_word(v, le64toh(m));
	}
	for (i = 0; i < in.len; i++)
		last |= (uint64_t)in.p[i] << (8 * i);
	sip_word(v, last);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_key[2];

static void
hash_key_draw(void)
{
	random_bytes(hash_key, sizeof(hash_key));
}

uint64_t
map_hash(struct span key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, hash_key_draw) == 0);
	return siphash13(hash_key, key);
}

/* --- the map: open addressing, linear probing, no tombstones ----------- */

struct entry {
	uint64_t hash;
	void *value;
	size_t len;
	unsigned char key[];
};

struct map {
	size_t n, cap; /* cap is a power of two, at most 3/4 used */
	struct entry **slot;
};

#define CAP_FIRST 16

struct map *
map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->cap = CAP_FIRST;
	m->slot = xcalloc(m->cap, sizeof(struct entry *));
	return m;
}

void
map_free(struct map *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->cap; i++)
		free(m->slot[i]);
	free(m->slot);
	free(m);
}

size_t
map_len(const struct map *m)
{
	return m->n;
}

/* Where the key is, or the free slot where it would go. */
static size_t
map_find(const struct map *m, struct span key, uint64_t hash)
{
	size_t i = hash & (m->cap - 1);
	const struct entry *e;

	while ((e = m->slot[i]) != NULL) {
		if (e->hash == hash && span_eq(span_of(e->key, e->len), key))
			break;
		i = (i + 1) & (m->cap - 1);
	}
	return i;
}

void *
map_get(const struct map *m, struct span key)
{
	const struct entry *e = m->slot[map_find(m, key, map_hash(key))];

	return e == NULL ? NULL : e->value;
}

static void
map_grow(struct map *m)
{
	struct entry **old = m->slot;
	size_t i, k, old_cap = m->cap;

	m->cap *= 2;
	m->slot = xcalloc(m->cap, sizeof(struct entry *));
	for (i = 0; i < old_cap; i++) {
		if (old[i] == NULL)
			continue;
		k = old[i]->hash & (m->cap - 1);
		while (m->slot[k] != NULL)
			k = (k + 1) & (m->cap - 1);
		m->slot[k] = old[i];
	}
	free(old);
}

void *
map_put(struct map *m, struct span key, void *value)
{
	uint64_t hash = map_hash(key);
	size_t i = map_find(m, key, hash);
	struct entry *e = m->slot[i];
	void *was;

	must(value != NULL);
	if (e != NULL) {
		was = e->value;
		e->value = value;
		return was;
	}
	if (m->n + 1 > m->cap / 4 * 3) {
		map_grow(m);
		i = map_find(m, key, hash);
	}
	e = xcalloc(1, sizeof(*e) + key.len);
	e->hash = hash;
	e->value = value;
	e->len = key.len;
	if (key.len != 0)
		memcpy(e->key, key.p, key.len);
	m->slot[i] = e;
	m->n++;
	return NULL;
}

void *
map_del(struct map *m, struct span key)
{
	size_t mask = m->cap - 1;
	size_t gap = map_find(m, key, map_hash(key)), i = gap, home;
	struct entry *e = m->slot[gap];
	void *value;

	if (e == NULL)
		return NULL;
	value = e->value;
	free(e);
	m->slot[gap] = NULL;
	m->n--;
	/* Close the gap: move back what probed past it. */
	for (;;) {
		i = (i + 1) & mask;
		if (m->slot[i] == NULL)
			return value;
		home = m->slot[i]->hash & mask;
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		m->slot[gap] = m->slot[i];
		m->slot[i] = NULL;
		gap = i;
	}
}

struct map_iter
map_iter(const struct map *m)
{
	return (struct map_iter){ m, 0 };
}

bool
map_next(struct map_iter *it, struct span *key, void **value)
{
	const struct entry *e;

	while (it->at < it->map->cap) {
		if ((e = it->map->slot[it->at++]) == NULL)
			continue;
		*key = span_of(e->key, e->len);
		*value = e->value;
		return true;
	}
	return false;
}
