#include "server/route.h"

#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

/*
 * Exact paths are found by hash, prefixes one after the other: there are few.
 * Rows of one path hang in a chain, in the order of the tables.
 */
struct entry {
	const struct route *row;
	struct span path; /* of the row, without the "*" */
	struct entry *next;
};

struct routes {
	size_t n, mask;
	struct entry *all;
	struct entry **slot;
	struct entry *prefix;
};

/* FNV-1a over lower case, near enough: "|" folds more than letters. */
static size_t
path_hash(struct span path)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < path.len; i++)
		h = (h ^ (path.p[i] | 0x20u)) * 16777619u;
	return h ^ h >> 15;
}

static bool
same_nocase(struct span a, struct span b)
{
	size_t i;

	if (a.len != b.len)
		return false;
	if (a.len == 0 || memcmp(a.p, b.p, a.len) == 0)
		return true;
	for (i = 0; i < a.len; i++) {
		unsigned char x = a.p[i], y = b.p[i];

		if (x == y)
			continue;
		if ((x ^ y) != 0x20 || (x | 0x20) < 'a' || (x | 0x20) > 'z')
			return false;
	}
	return true;
}

static void
chain_add(struct entry **at, struct entry *e)
{
	while (*at != NULL)
		at = &(*at)->next;
	*at = e;
}

static void
routes_add(struct routes *r, struct entry *e, const struct route *row)
{
	e->row = row;
	e->path = span_str(row->path);
	must(e->path.len != 0 && e->path.p[0] == '/');
	must(row->role == ROLE_NONE || row->token != NULL);
	if (e->path.p[e->path.len - 1] == '*') {
		e->path.len--;
		chain_add(&r->prefix, e);
	} else {
		chain_add(&r->slot[path_hash(e->path) & r->mask], e);
	}
}

struct routes *
routes_new(const struct route *const *lists, size_t n)
{
	struct routes *r = xcalloc(1, sizeof(*r));
	const struct route *row;
	size_t i, cap = 16, at = 0;

	for (i = 0; i < n; i++) {
		for (row = lists[i]; row->fn != NULL; row++)
			r->n++;
	}
	while (cap < 4 * r->n)
		cap *= 2;
	r->mask = cap - 1;
	r->slot = xcalloc(cap, sizeof(struct entry *));
	r->all = xcalloc(r->n, sizeof(*r->all));
	for (i = 0; i < n; i++) {
		for (row = lists[i]; row->fn != NULL; row++)
			routes_add(r, &r->all[at++], row);
	}
	return r;
}

void
routes_free(struct routes *r)
{
	if (r == NULL)
		return;
	free(r->slot);
	free(r->all);
	free(r);
}

/* HEAD comes with GET. */
static unsigned
row_methods(const struct route *row)
{
	unsigned m = row->methods & ((1u << METHOD_N) - 1);

	return m & 1u << METHOD_GET && !(row->methods & ROUTE_NO_HEAD)
		   ? m | 1u << METHOD_HEAD
		   : m;
}

static void
match(struct route_match *m, const struct route *row, unsigned serve,
    enum method method)
{
	if (!(row->serve & serve))
		return;
	m->allow |= row_methods(row);
	m->json_errors |= (row->methods & ROUTE_JSON_ERRORS) != 0;
	if (m->route == NULL && row_methods(row) & 1u << method)
		m->route = row;
}

struct route_match
route_find(const struct routes *r, unsigned serve, enum method method,
    struct span path)
{
	struct route_match m = { NULL, 0, false };
	const struct entry *e;

	for (e = r->slot[path_hash(path) & r->mask]; e != NULL; e = e->next) {
		if (same_nocase(e->path, path))
			match(&m, e->row, serve, method);
	}
	for (e = r->prefix; e != NULL && m.allow == 0; e = e->next) {
		if (path.len >= e->path.len &&
		    same_nocase(e->path, span_of(path.p, e->path.len)))
			match(&m, e->row, serve, method);
	}
	return m;
}
