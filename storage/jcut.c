/*
 * The exact text of a value inside a JSON document.  A signature is over
 * text: what an upload embeds as an object has to be cut out, not printed
 * again (pccs-api 6.11).
 */
#include "storage/upload.h"

#include <string.h>

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void
json_compact(struct span in, struct buf *out)
{
	bool inside = false, escaped = false;
	size_t i, from = 0;

	for (i = 0; i < in.len; i++) {
		if (inside) {
			if (escaped)
				escaped = false;
			else if (in.p[i] == '\\')
				escaped = true;
			else if (in.p[i] == '"')
				inside = false;
			continue;
		}
		if (in.p[i] == '"')
			inside = true;
		if (!is_blank(in.p[i]))
			continue;
		buf_add(out, in.p + from, i - from);
		from = i + 1;
	}
	buf_add(out, in.p + from, in.len - from);
}

/* Behind the string that begins at "at"; the end if it does not end. */
static size_t
string_end(struct span s, size_t at)
{
	for (at++; at < s.len; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '"')
			return at + 1;
	}
	return s.len;
}

/* Behind the value that begins at "at". */
static size_t
value_end(struct span s, size_t at)
{
	size_t depth = 0;

	while (at < s.len) {
		switch (s.p[at]) {
		case '"':
			at = string_end(s, at);
			if (depth == 0)
				return at;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return at;
			if (--depth == 0)
				return at + 1;
			break;
		case ',':
			if (depth == 0)
				return at;
			break;
		default:
			break;
		}
		at++;
	}
	return s.len;
}

struct span
json_cut(struct span object, const char *member)
{
	size_t at = 1, key, end, len = strlen(member);

	if (object.len < 2 || object.p[0] != '{')
		return SPAN_NONE;
	while (at < object.len && object.p[at] == '"') {
		key = at + 1;
		at = string_end(object, at);
		if (at >= object.len || object.p[at] != ':')
			break;
		end = value_end(object, at + 1);
		if (at - 1 - key == len &&
		    memcmp(object.p + key, member, len) == 0)
			return span_of(object.p + at + 1, end - at - 1);
		at = end;
		if (at < object.len && object.p[at] == ',')
			at++;
	}
	return SPAN_NONE;
}

/* Before the first element stands "[", before any other ",". */
struct span
json_cut_next(struct span *array)
{
	struct span one;
	size_t end;

	if (array->len < 2 || (array->p[0] != '[' && array->p[0] != ',') ||
	    array->p[1] == ']')
		return SPAN_NONE;
	end = value_end(*array, 1);
	one = span_of(array->p + 1, end - 1);
	*array = span_of(array->p + end, array->len - end);
	return one;
}
