#include "storage/verify/levels.h"

#include "config/base/must.h"

#include <stdlib.h>

static enum err
status_read(const struct jdoc *d, const json_t *obj, unsigned allowed,
    enum tcb_status *out)
{
	struct span s;
	enum err e;

	if ((e = jread_text(d, obj, "tcbStatus", &s)) != ERR_OK)
		return e;
	if (!tcb_status_read(s, out) || (STATUS(*out) & allowed) == 0)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "unknown tcbStatus \"%.40s\"", (const char *)s.p);
	return ERR_OK;
}

enum err
level_read(const struct jdoc *d, const json_t *obj, unsigned allowed,
    struct verdict_fields *out)
{
	enum err e;

	if ((e = status_read(d, obj, allowed, &out->status)) != ERR_OK ||
	    (e = jread_time(d, obj, "tcbDate", &out->tcb_date)) != ERR_OK)
		return e;
	return jread_strings(d, obj, "advisoryIDs", &out->n_advisories,
	    &out->advisories);
}

static enum err
svn_level_read(const struct jdoc *d, const json_t *obj, struct svn_level *out)
{
	struct verdict_fields f;
	json_t *tcb;
	enum err e;

	if (!json_is_object(obj))
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "a level is not an object");
	if ((e = jread_get(d, obj, "tcb", JSON_OBJECT, &tcb)) != ERR_OK ||
	    (e = jread_u16(d, tcb, "isvsvn", &out->isvsvn)) != ERR_OK ||
	    (e = level_read(d, obj, STATUS_PART, &f)) != ERR_OK)
		return e;
	out->status = f.status;
	out->tcb_date = f.tcb_date;
	out->n_advisories = f.n_advisories;
	out->advisories = f.advisories;
	return ERR_OK;
}

static int
svn_level_cmp(const void *a, const void *b)
{
	const struct svn_level *x = a, *y = b;

	return (int)y->isvsvn - (int)x->isvsvn;
}

enum err
svn_levels_read(const struct jdoc *d, const json_t *obj, size_t *n,
    struct svn_level **v)
{
	json_t *list;
	size_t i;
	enum err e;

	if ((e = jread_array(d, obj, "tcbLevels", 1, &list)) != ERR_OK)
		return e;
	*n = json_array_size(list);
	*v = xcalloc(*n, sizeof(**v));
	for (i = 0; i < *n; i++) {
		e = svn_level_read(d, json_array_get(list, i), &(*v)[i]);
		if (e != ERR_OK)
			return why_in(d->why, e, "tcbLevels[%zu]", i);
	}
	qsort(*v, *n, sizeof(**v), svn_level_cmp);
	for (i = 1; i < *n; i++)
		if ((*v)[i].isvsvn == (*v)[i - 1].isvsvn)
			return why_set(d->why, ERR_FORMAT, d->clause,
			    "two levels with isvsvn %u", (*v)[i].isvsvn);
	return ERR_OK;
}

void
svn_levels_free(size_t n, struct svn_level *v)
{
	size_t i;

	if (v == NULL)
		return;
	for (i = 0; i < n; i++)
		strings_free(v[i].n_advisories, v[i].advisories);
	free(v);
}

void
strings_free(size_t n, char **v)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(v[i]);
	free(v);
}
