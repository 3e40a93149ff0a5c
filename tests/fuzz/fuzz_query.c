/* Paths and queries. */
#include "config/base/must.h"
#include "server/query.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void
path_once(struct span raw)
{
	char *room = xcalloc(raw.len + (raw.len == 0), 1);
	struct span out;

	if (path_read(raw, room, &out) == ERR_OK) {
		must(out.len != 0 && out.len <= raw.len + (raw.len == 0));
		must(memchr(out.p, '\0', out.len) == NULL);
		if (path_is_plain(raw))
			must(span_eq(out, path_trim(raw)));
	} else {
		must(!path_is_plain(raw));
	}
	free(room);
}

/* Room for exactly what is promised, and values that end inside it. */
static void
query_once(struct span raw)
{
	char *room;
	struct query q;
	unsigned i;

	if (query_check(raw) != ERR_OK)
		return;
	room = xcalloc(raw.len + 1, 1);
	query_split(raw, room, &q);
	must(q.n <= QUERY_PARAMS);
	for (i = 0; i < q.n; i++) {
		const char *name = q.param[i].name, *value = q.param[i].value;

		must(name >= room && name + strlen(name) <= room + raw.len);
		must(value >= room && value + strlen(value) <= room + raw.len);
		must(name[0] != '\0' && query_get(&q, name) != NULL);
	}
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span raw = span_of(data, len);

	/* A head has no such bytes. */
	if (memchr(data, '\0', len) != NULL)
		return 0;
	path_once(raw);
	query_once(raw);
	return 0;
}
