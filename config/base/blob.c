#include "config/base/blob.h"

#include "config/base/must.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blob *
blob_new(const void *p, size_t len)
{
	struct blob *b;

	must(len < SIZE_MAX - sizeof(*b));
	b = xrealloc(NULL, sizeof(*b) + len + 1, 1);
	atomic_init(&b->refs, 1);
	b->len = len;
	if (len != 0)
		memcpy(b->data, p, len);
	b->data[len] = '\0';
	return b;
}

struct blob *
blob_from(struct span s)
{
	return blob_new(s.p, s.len);
}

struct blob *
blob_ref(struct blob *b)
{
	if (b != NULL)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void
blob_unref(struct blob *b)
{
	unsigned was;

	if (b == NULL)
		return;
	was = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
	must(was != 0);
	if (was == 1)
		free(b);
}

struct span
blob_span(const struct blob *b)
{
	return b == NULL ? SPAN_NONE : span_of(b->data, b->len);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT;
}

/* Room for n more bytes and a NUL. */
static void
buf_room(struct buf *b, size_t n)
{
	size_t cap = b->cap < 64 ? 64 : b->cap;

	must(n < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
	if (b->p != NULL && b->cap > b->len + n)
		return;
	while (cap <= b->len + n)
		cap *= 2;
	b->p = xrealloc(b->p, cap, 1);
	b->cap = cap;
}

void
buf_reserve(struct buf *b, size_t n)
{
	buf_room(b, n);
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	buf_room(b, n);
	memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.len);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	must(fmt != NULL);
	buf_room(b, 64); /* most texts are short: once is enough for them */
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->p + b->len, room, fmt, ap);
	va_end(ap);
	must(n >= 0);
	if ((size_t)n >= room) {
		buf_room(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

void
buf_dec(struct buf *b, uint64_t n)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

struct span
buf_view(const struct buf *b)
{
	return span_of(b->p, b->len);
}

struct blob *
buf_blob(struct buf *b)
{
	struct blob *blob = blob_new(b->p, b->len);

	buf_free(b);
	return blob;
}
