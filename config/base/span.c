#include "config/base/span.h"

#include "config/base/must.h"

#include <string.h>

struct span
span_of(const void *p, size_t len)
{
	return (struct span){ p, len };
}

struct span
span_str(const char *s)
{
	return s == NULL ? SPAN_NONE : span_of(s, strlen(s));
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
span_eq_str(struct span s, const char *t)
{
	return span_eq(s, span_str(t));
}

/* Not tolower(): a locale must not change what a header name is. */
static unsigned char
ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool
span_eq_nocase(struct span s, const char *t)
{
	struct span u = span_str(t);
	size_t i;

	if (s.len != u.len)
		return false;
	for (i = 0; i < s.len; i++) {
		if (ascii_lower(s.p[i]) != ascii_lower(u.p[i]))
			return false;
	}
	return true;
}

bool
span_all(struct span s, unsigned char c)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		if (s.p[i] != c)
			return false;
	}
	return true;
}

bool
span_starts(struct span s, const char *t)
{
	struct span u = span_str(t);

	return s.len >= u.len && span_eq(span_of(s.p, u.len), u);
}

char *
span_dup(struct span s)
{
	char *p = xcalloc(s.len + 1, 1);

	if (s.len != 0)
		memcpy(p, s.p, s.len);
	return p;
}

enum err
span_take(struct span *s, size_t n, struct span *out)
{
	if (s->len < n)
		return ERR_FORMAT;
	if (n == 0) {
		*out = span_of(s->p, 0);
		return ERR_OK;
	}
	*out = span_of(s->p, n);
	s->p += n;
	s->len -= n;
	return ERR_OK;
}

enum err
span_skip(struct span *s, size_t n)
{
	struct span gone;

	return span_take(s, n, &gone);
}

enum err
span_copy(struct span *s, void *dst, size_t n)
{
	struct span part;
	enum err e = span_take(s, n, &part);

	if (e == ERR_OK && n != 0)
		memcpy(dst, part.p, n);
	return e;
}

/* n bytes, the lowest first. */
static enum err
span_le(struct span *s, size_t n, uint64_t *out)
{
	struct span part;
	uint64_t v = 0;
	enum err e;

	if ((e = span_take(s, n, &part)) != ERR_OK)
		return e;
	while (n-- > 0)
		v = v << 8 | part.p[n];
	*out = v;
	return ERR_OK;
}

enum err
span_u8(struct span *s, uint8_t *out)
{
	return span_copy(s, out, 1);
}

enum err
span_u16le(struct span *s, uint16_t *out)
{
	uint64_t v;
	enum err e = span_le(s, 2, &v);

	if (e == ERR_OK)
		*out = (uint16_t)v;
	return e;
}

enum err
span_u32le(struct span *s, uint32_t *out)
{
	uint64_t v;
	enum err e = span_le(s, 4, &v);

	if (e == ERR_OK)
		*out = (uint32_t)v;
	return e;
}

enum err
span_u64le(struct span *s, uint64_t *out)
{
	return span_le(s, 8, out);
}

enum err
span_until(struct span *s, unsigned char stop, struct span *out)
{
	const unsigned char *at;
	size_t n;

	if (s->len == 0 || (at = memchr(s->p, stop, s->len)) == NULL)
		return ERR_FORMAT;
	n = (size_t)(at - s->p);
	*out = span_of(s->p, n);
	s->p += n + 1;
	s->len -= n + 1;
	return ERR_OK;
}
