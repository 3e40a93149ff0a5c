#include "server/query.h"

#include <string.h>

/* 0..15, or -1. */
static int
digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of an escape at p, whose "%" has been seen; -1: broken. */
static int
escape(const unsigned char *p, const unsigned char *end)
{
	int hi, lo;

	if (end - p < 3)
		return -1;
	hi = digit(p[1]);
	lo = digit(p[2]);
	return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

enum err
query_check(struct span raw)
{
	const unsigned char *p = raw.p, *end;

	if (raw.len == 0)
		return ERR_OK; /* it may be NULL, which takes no offset */
	end = raw.p + raw.len;
	while (p < end && (p = memchr(p, '%', (size_t)(end - p))) != NULL) {
		if (escape(p, end) <= 0)
			return ERR_PARAM;
		p += 3;
	}
	return ERR_OK;
}

bool
path_is_plain(struct span raw)
{
	size_t i;

	for (i = 0; i < raw.len; i++) {
		if (raw.p[i] == '%')
			return false;
		if (raw.p[i] == '/' && i > 0 && raw.p[i - 1] == '/')
			return false;
	}
	return true;
}

/* The root keeps its slash; an absolute URI may come without one. */
struct span
path_trim(struct span path)
{
	if (path.len == 0)
		return span_str("/");
	if (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

enum err
path_read(struct span raw, char *room, struct span *out)
{
	const unsigned char *p = raw.p, *end;
	size_t n = 0;
	int c;

	if (raw.len == 0) {
		*out = path_trim(raw);
		return ERR_OK;
	}
	end = raw.p + raw.len;
	for (; p < end; p++) {
		c = *p;
		if (c == '%') {
			if ((c = escape(p, end)) <= 0)
				return ERR_PARAM;
			p += 2;
		}
		if (c != '/' || n == 0 || room[n - 1] != '/')
			room[n++] = (char)c;
	}
	*out = path_trim(span_of(room, n));
	return ERR_OK;
}

/* One name or value, up to the first of two stops. */
static const unsigned char *
part_read(const unsigned char *p, const unsigned char *end, char stop,
    char **room)
{
	for (; p < end && *p != '&' && *p != stop; p++) {
		int c = *p;

		if (c == '%') {
			c = escape(p, end);
			p += 2;
		} else if (c == '+') {
			c = ' ';
		}
		*(*room)++ = (char)c;
	}
	*(*room)++ = '\0';
	return p;
}

/*
 * Room is enough: every "=" and "&" gives way to a NUL, the last value's NUL
 * is the one byte more, and a name without "=" takes the NUL of its "&" as
 * its value.
 */
void
query_split(struct span raw, char *room, struct query *out)
{
	const unsigned char *p = raw.p, *end;
	const char *name, *value;

	out->n = 0;
	if (raw.len == 0)
		return;
	end = raw.p + raw.len;
	while (p < end && out->n < QUERY_PARAMS) {
		name = room;
		p = part_read(p, end, '=', &room);
		value = room - 1; /* the name's NUL: an empty text */
		if (p < end && *p == '=') {
			value = room;
			p = part_read(p + 1, end, '&', &room);
		}
		p++;
		if (*name == '\0')
			continue;
		out->param[out->n].name = name;
		out->param[out->n++].value = value;
	}
}

const char *
query_get(const struct query *q, const char *name)
{
	unsigned i;

	for (i = 0; i < q->n; i++) {
		if (strcmp(q->param[i].name, name) == 0)
			return q->param[i].value;
	}
	return NULL;
}

const char *
query_odd(const struct query *q, const char *const *names, size_t n)
{
	unsigned i;
	size_t k;

	for (i = 0; i < q->n; i++) {
		for (k = 0; k < n; k++)
			if (strcmp(q->param[i].name, names[k]) == 0)
				break;
		if (k == n || query_get(q, names[k]) != q->param[i].value)
			return q->param[i].name;
	}
	return NULL;
}
