/*
 * Request targets: paths made canonical, queries taken apart.
 * Pure, no allocation.  Private to server/.
 */
#ifndef SERVER_QUERY_H
#define SERVER_QUERY_H

#include "config/base/span.h"

#define QUERY_PARAMS 32 /* further ones are ignored, like unknown ones */

/* Whether a path has no escape and no double slash. */
bool path_is_plain(struct span raw);
/* A plain path without the slash at its end; "/" when it is empty. */
struct span path_trim(struct span);
/*
 * Any path percent-decoded, double slashes made one, one slash at the end
 * removed.  *out lies in "room", which holds raw.len bytes.  ERR_PARAM: a
 * broken escape or a NUL.
 */
enum err path_read(struct span raw, char *room, struct span *out) MUST_CHECK;

/* ERR_PARAM when the text has a broken escape or an escaped NUL. */
enum err query_check(struct span raw) MUST_CHECK;

struct query {
	unsigned n;
	struct {
		const char *name, *value; /* decoded, NUL-terminated */
	} param[QUERY_PARAMS];
};

/*
 * Split a query that has passed query_check into "room", which holds
 * raw.len + 1 bytes and is pointed into.  "+" is a blank; a name without "="
 * has the value "".
 */
void query_split(struct span raw, char *room, struct query *out);
/* The first value; NULL when absent. Names are compared exactly. */
const char *query_get(const struct query *, const char *name);
/*
 * The first name that is none of these, or is there again; NULL: no such one.
 * Where n is less than QUERY_PARAMS, one that was ignored is not missed.
 */
const char *query_odd(const struct query *, const char *const *names, size_t n);

#endif
