#include "upstream/sched.h"

#include "config/base/must.h"

#include <stdlib.h>

/* A binary heap; each item knows its place. */
struct sched {
	size_t n, cap;
	struct due **heap;
};

struct sched *
sched_new(void)
{
	return xcalloc(1, sizeof(struct sched));
}

void
sched_free(struct sched *s)
{
	if (s == NULL)
		return;
	free(s->heap);
	free(s);
}

size_t
sched_len(const struct sched *s)
{
	return s->n;
}

static void
set(struct sched *s, size_t i, struct due *d)
{
	s->heap[i] = d;
	d->place = i + 1;
}

static void
up(struct sched *s, size_t i, struct due *d)
{
	while (i > 0 && s->heap[(i - 1) / 2]->at > d->at) {
		set(s, i, s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	set(s, i, d);
}

static void
down(struct sched *s, size_t i, struct due *d)
{
	size_t k;

	while ((k = 2 * i + 1) < s->n) {
		if (k + 1 < s->n && s->heap[k + 1]->at < s->heap[k]->at)
			k++;
		if (s->heap[k]->at >= d->at)
			break;
		set(s, i, s->heap[k]);
		i = k;
	}
	set(s, i, d);
}

/* Put d where i has become free. */
static void
settle(struct sched *s, size_t i, struct due *d)
{
	if (i > 0 && s->heap[(i - 1) / 2]->at > d->at)
		up(s, i, d);
	else
		down(s, i, d);
}

void
sched_put(struct sched *s, struct due *d, time_t at)
{
	size_t i = d->place;

	d->at = at;
	if (i != 0) {
		must(i <= s->n && s->heap[i - 1] == d);
		settle(s, i - 1, d);
		return;
	}
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : 2 * s->cap;
		s->heap = xrealloc(s->heap, s->cap, sizeof(struct due *));
	}
	s->n++;
	up(s, s->n - 1, d);
}

void
sched_del(struct sched *s, struct due *d)
{
	size_t i = d->place;
	struct due *last;

	if (i == 0)
		return;
	must(i <= s->n && s->heap[i - 1] == d);
	last = s->heap[--s->n];
	if (last != d)
		settle(s, i - 1, last);
	d->place = 0;
}

struct due *
sched_pop(struct sched *s, time_t now)
{
	struct due *d;

	if (s->n == 0 || s->heap[0]->at > now)
		return NULL;
	d = s->heap[0];
	sched_del(s, d);
	return d;
}

const struct due *
sched_first(const struct sched *s)
{
	return s->n == 0 ? NULL : s->heap[0];
}
