#include "upstream/negative.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct refusal {
	TAILQ_ENTRY(refusal) link;
	char *name;
	time_t until;
	struct why why;
};

struct negative {
	struct map *by_name;
	TAILQ_HEAD(, refusal) oldest; /* first */
	size_t max;
};

struct negative *
negative_new(size_t max)
{
	struct negative *n = xcalloc(1, sizeof(*n));

	must(max > 0);
	n->by_name = map_new();
	TAILQ_INIT(&n->oldest);
	n->max = max;
	return n;
}

static void
negative_drop(struct negative *n, struct refusal *r)
{
	must(map_del(n->by_name, span_str(r->name)) == r);
	TAILQ_REMOVE(&n->oldest, r, link);
	free(r->name);
	free(r);
}

void
negative_free(struct negative *n)
{
	struct refusal *r;

	if (n == NULL)
		return;
	while ((r = TAILQ_FIRST(&n->oldest)) != NULL)
		negative_drop(n, r);
	map_free(n->by_name);
	free(n);
}

size_t
negative_len(const struct negative *n)
{
	return map_len(n->by_name);
}

void
negative_del(struct negative *n, const char *name)
{
	struct refusal *r = map_get(n->by_name, span_str(name));

	if (r != NULL)
		negative_drop(n, r);
}

void
negative_put(struct negative *n, const char *name, const struct why *why,
    time_t until)
{
	struct refusal *r;

	negative_del(n, name);
	if (map_len(n->by_name) >= n->max)
		negative_drop(n, TAILQ_FIRST(&n->oldest));
	r = xcalloc(1, sizeof(*r));
	r->name = xstrdup(name);
	r->until = until;
	r->why = *why;
	must(map_put(n->by_name, span_str(r->name), r) == NULL);
	TAILQ_INSERT_TAIL(&n->oldest, r, link);
}

const struct why *
negative_get(struct negative *n, const char *name, time_t now)
{
	struct refusal *r = map_get(n->by_name, span_str(name));

	if (r == NULL)
		return NULL;
	if (now < r->until)
		return &r->why;
	negative_drop(n, r);
	return NULL;
}
