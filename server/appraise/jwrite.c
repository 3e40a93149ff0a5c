#include "server/appraise/jwrite.h"

#include "config/base/clock.h"
#include "config/base/enc.h"

#include <string.h>

static void
quoted(struct buf *out, const char *s)
{
	const char *from = s;

	buf_add(out, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		buf_add(out, from, (size_t)(s - from));
		buf_printf(out, "\\u%04x", c);
		from = s + 1;
	}
	buf_add(out, from, (size_t)(s - from));
	buf_add(out, "\"", 1);
}

/*
 * The comma and the name; names are literals that need no escape.  A verdict
 * has three hundred: room is made once for each.
 */
static void
lead(struct jwrite *w, const char *name)
{
	size_t n = name == NULL ? 0 : strlen(name);
	char *p;

	buf_reserve(w->out, n + 4);
	p = w->out->p + w->out->len;
	if (w->more)
		*p++ = ',';
	w->more = true;
	if (name != NULL) {
		*p++ = '"';
		memcpy(p, name, n);
		p += n;
		*p++ = '"';
		*p++ = ':';
	}
	*p = '\0';
	w->out->len = (size_t)(p - w->out->p);
}

void
jw_open(struct jwrite *w, const char *name, char bracket)
{
	lead(w, name);
	buf_add(w->out, &bracket, 1);
	w->more = false;
}

void
jw_close(struct jwrite *w, char bracket)
{
	buf_add(w->out, &bracket, 1);
	w->more = true;
}

void
jw_text(struct jwrite *w, const char *name, const char *s)
{
	lead(w, name);
	if (s == NULL)
		buf_add(w->out, "null", 4);
	else
		quoted(w->out, s);
}

void
jw_hex(struct jwrite *w, const char *name, const void *p, size_t n)
{
	lead(w, name);
	buf_reserve(w->out, 2 * n + 2);
	buf_add(w->out, "\"", 1);
	buf_hex(w->out, span_of(p, n));
	buf_add(w->out, "\"", 1);
}

/* A verdict has a hundred numbers: printf would be a tenth of its time. */
void
jw_int(struct jwrite *w, const char *name, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char text[24], *at = text + sizeof(text);

	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--at = '-';
	lead(w, name);
	buf_add(w->out, at, (size_t)(text + sizeof(text) - at));
}

void
jw_bool(struct jwrite *w, const char *name, bool on)
{
	lead(w, name);
	buf_str(w->out, on ? "true" : "false");
}

void
jw_time(struct jwrite *w, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	jw_text(w, name, text);
}

void
jw_raw(struct jwrite *w, const char *name, struct span json)
{
	lead(w, name);
	buf_span(w->out, json);
}
