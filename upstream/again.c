#include "upstream/again.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <sys/queue.h>

struct attempt {
	TAILQ_ENTRY(attempt) link;
	char *name;
	int64_t again_ms;
	unsigned fails; /* in a row */
	struct why why; /* of the last one */
};

struct again {
	struct map *by_name;
	TAILQ_HEAD(, attempt) oldest; /* first */
	size_t max;
};

struct again *
again_new(size_t max)
{
	struct again *a = xcalloc(1, sizeof(*a));

	must(max > 0);
	a->by_name = map_new();
	TAILQ_INIT(&a->oldest);
	a->max = max;
	return a;
}

static void
attempt_drop(struct again *a, struct attempt *t)
{
	must(map_del(a->by_name, span_str(t->name)) == t);
	TAILQ_REMOVE(&a->oldest, t, link);
	free(t->name);
	free(t);
}

void
again_free(struct again *a)
{
	struct attempt *t;

	if (a == NULL)
		return;
	while ((t = TAILQ_FIRST(&a->oldest)) != NULL)
		attempt_drop(a, t);
	map_free(a->by_name);
	free(a);
}

size_t
again_len(const struct again *a)
{
	return map_len(a->by_name);
}

int64_t
again_at(struct again *a, const char *name, int64_t now_ms,
    const struct why **why)
{
	struct attempt *t = map_get(a->by_name, span_str(name));

	if (t == NULL || t->again_ms <= now_ms)
		return 0;
	*why = &t->why;
	return t->again_ms;
}

/* The one of this name, now the youngest. */
static struct attempt *
attempt_get(struct again *a, const char *name)
{
	struct attempt *t = map_get(a->by_name, span_str(name));

	if (t != NULL) {
		TAILQ_REMOVE(&a->oldest, t, link);
	} else {
		if (map_len(a->by_name) >= a->max)
			attempt_drop(a, TAILQ_FIRST(&a->oldest));
		t = xcalloc(1, sizeof(*t));
		t->name = xstrdup(name);
		must(map_put(a->by_name, span_str(t->name), t) == NULL);
	}
	TAILQ_INSERT_TAIL(&a->oldest, t, link);
	return t;
}

/* How long to leave it alone after this. */
static int64_t
attempt_gap(struct attempt *t, enum err e)
{
	int64_t gap = AGAIN_GAP_MS;
	unsigned n;

	switch (e) {
	case ERR_OK:
	case ERR_UP_ABSENT:
	case ERR_UP_GONE:
	case ERR_UP_REFUSED:
	case ERR_UP_THROTTLED:
	case ERR_NOT_CACHED:
		/* Nothing is wrong with it; the origin's own pause and
		 * negative answers are kept elsewhere. */
		t->fails = 0;
		return gap;
	case ERR_UP_ERROR:
	case ERR_UP_DOWN:
	case ERR_UP_SLOW:
		t->fails++;
		for (n = 1; n < t->fails && gap < AGAIN_FAIL_MS; n++)
			gap *= 2;
		return gap < AGAIN_FAIL_MS ? gap : AGAIN_FAIL_MS;
	default:
		t->fails = 0;
		return AGAIN_GATE_MS;
	}
}

int64_t
again_note(struct again *a, const char *name, const struct why *why,
    int64_t now_ms, int64_t told_ms)
{
	struct attempt *t;

	if (why->err == ERR_UP_CLOSED || why->err == ERR_SHED)
		return 0;
	t = attempt_get(a, name);
	t->again_ms = now_ms + attempt_gap(t, why->err);
	if (t->again_ms < told_ms)
		t->again_ms = told_ms;
	t->why = *why;
	if (why->err == ERR_OK)
		(void)why_set(&t->why, ERR_UP_THROTTLED, "amd-kds 2.6",
		    "asked for a moment ago");
	return t->again_ms;
}
