#include "storage/verify/jread.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <stdlib.h>

static enum err
load_check(const struct jdoc *d, struct span text, size_t max)
{
	struct span value;

	if (text.len > max)
		return why_set(d->why, ERR_TOO_BIG, d->clause,
		    "JSON of %zu octets", text.len);
	/* White space that jansson would skip; the rest it judges itself. */
	while (text.len > 0 && (*text.p == ' ' || *text.p == '\n' ||
				   *text.p == '\r' || *text.p == '\t')) {
		text.p++;
		text.len--;
	}
	/* The depth is checked before a recursive parser sees the text. */
	return jspan_value(&text, &value, d->why);
}

enum err
jread_load(const struct jdoc *d, struct span text, size_t max, json_t **out)
{
	json_error_t je;
	json_t *j;
	enum err e;

	if ((e = load_check(d, text, max)) != ERR_OK)
		return e;
	j = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES,
	    &je);
	if (j == NULL)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "not JSON: line %d column %d: %s", je.line, je.column,
		    je.text);
	*out = j;
	return ERR_OK;
}

static const char *
type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	default:
		return "an integer";
	}
}

enum err
jread_get(const struct jdoc *d, const json_t *obj, const char *name,
    json_type type, json_t **out)
{
	json_t *v = json_object_get(obj, name);

	if (v == NULL)
		return why_set(d->why, ERR_FORMAT, d->clause, "no %s", name);
	if (json_typeof(v) != type)
		return why_set(d->why, ERR_FORMAT, d->clause, "%s is not %s",
		    name, type_name(type));
	*out = v;
	return ERR_OK;
}

enum err
jread_array(const struct jdoc *d, const json_t *obj, const char *name,
    size_t min, json_t **out)
{
	json_t *v = NULL;
	enum err e;

	if ((e = jread_get(d, obj, name, JSON_ARRAY, &v)) != ERR_OK)
		return e;
	if (json_array_size(v) < min)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%s has %zu elements", name, json_array_size(v));
	*out = v;
	return ERR_OK;
}

enum err
jread_text(const struct jdoc *d, const json_t *obj, const char *name,
    struct span *out)
{
	json_t *v = NULL;
	enum err e;

	if ((e = jread_get(d, obj, name, JSON_STRING, &v)) != ERR_OK)
		return e;
	*out = span_of(json_string_value(v), json_string_length(v));
	return ERR_OK;
}

enum err
jread_hex(const struct jdoc *d, const json_t *obj, const char *name, void *out,
    size_t len)
{
	struct span s;
	enum err e;

	if ((e = jread_text(d, obj, name, &s)) != ERR_OK)
		return e;
	if (hex_read(s, out, len) != ERR_OK)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%s is not %zu hex digits", name, 2 * len);
	return ERR_OK;
}

enum err
jread_uint(const struct jdoc *d, const json_t *obj, const char *name,
    uint64_t max, uint64_t *out)
{
	json_t *v = NULL;
	enum err e;

	/* 2.1e1 and 5.0 are reals to jansson, and so not accepted. */
	if ((e = jread_get(d, obj, name, JSON_INTEGER, &v)) != ERR_OK)
		return e;
	if (json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return why_set(d->why, ERR_RANGE, d->clause,
		    "%s is %lld, not in 0..%llu", name,
		    (long long)json_integer_value(v), (unsigned long long)max);
	*out = (uint64_t)json_integer_value(v);
	return ERR_OK;
}

enum err
jread_u8(const struct jdoc *d, const json_t *obj, const char *name,
    uint8_t *out)
{
	uint64_t v = 0;
	enum err e = jread_uint(d, obj, name, UINT8_MAX, &v);

	if (e == ERR_OK)
		*out = (uint8_t)v;
	return e;
}

enum err
jread_u16(const struct jdoc *d, const json_t *obj, const char *name,
    uint16_t *out)
{
	uint64_t v = 0;
	enum err e = jread_uint(d, obj, name, UINT16_MAX, &v);

	if (e == ERR_OK)
		*out = (uint16_t)v;
	return e;
}

enum err
jread_u32(const struct jdoc *d, const json_t *obj, const char *name,
    uint32_t *out)
{
	uint64_t v = 0;
	enum err e = jread_uint(d, obj, name, UINT32_MAX, &v);

	if (e == ERR_OK)
		*out = (uint32_t)v;
	return e;
}

enum err
jread_time(const struct jdoc *d, const json_t *obj, const char *name,
    time_t *out)
{
	struct span s;
	enum err e;

	if ((e = jread_text(d, obj, name, &s)) != ERR_OK)
		return e;
	if (time_read(s, out) != ERR_OK)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%s is not a date YYYY-MM-DDThh:mm:ssZ", name);
	return ERR_OK;
}

enum err
jread_validity(const struct jdoc *d, const json_t *obj, time_t *issue,
    time_t *next)
{
	enum err e;

	if ((e = jread_time(d, obj, "issueDate", issue)) != ERR_OK ||
	    (e = jread_time(d, obj, "nextUpdate", next)) != ERR_OK)
		return e;
	if (*next <= *issue)
		return why_set(d->why, ERR_RANGE, d->clause,
		    "nextUpdate is not after issueDate");
	return ERR_OK;
}

enum err
jread_word(const struct jdoc *d, const json_t *obj, const char *name,
    const char *const *words, size_t n, size_t *out)
{
	struct span s;
	enum err e;
	size_t i;

	if ((e = jread_text(d, obj, name, &s)) != ERR_OK)
		return e;
	for (i = 0; i < n; i++)
		if (span_eq_str(s, words[i])) {
			*out = i;
			return ERR_OK;
		}
	return why_set(d->why, ERR_FORMAT, d->clause, "unknown %s \"%.40s\"",
	    name, s.p);
}

enum err
jread_strings(const struct jdoc *d, const json_t *obj, const char *name,
    size_t *n, char ***v)
{
	json_t *list = json_object_get(obj, name), *s;
	size_t i;

	*n = 0;
	*v = NULL;
	if (list == NULL)
		return ERR_OK;
	if (!json_is_array(list))
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%s is not an array", name);
	json_array_foreach(list, i,
	    s) if (!json_is_string(s)) return why_set(d->why, ERR_FORMAT,
	    d->clause, "%s holds something that is not a string", name);
	*v = xcalloc(json_array_size(list), sizeof(**v));
	json_array_foreach(list, i, s)(*v)[i] = xstrdup(json_string_value(s));
	*n = json_array_size(list);
	return ERR_OK;
}
