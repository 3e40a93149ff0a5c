#include "upstream/transport.h"

#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

void
request_header(struct request *r, const char *name, const char *value)
{
	struct buf b = BUF_INIT;

	must(r->n_headers < REQUEST_HEADERS);
	buf_printf(&b, "%s: %s", name, value);
	r->header[r->n_headers++] = xstrndup(b.p, b.len);
	buf_free(&b);
}

void
request_fini(struct request *r)
{
	size_t i;

	for (i = 0; i < r->n_headers; i++)
		free(r->header[i]);
	free(r->url);
	free(r->origin);
	blob_unref(r->body);
	*r = (struct request){ 0 };
}

void
reply_fini(struct reply *r)
{
	buf_free(&r->head);
	buf_free(&r->body);
}

/* Scheme and authority of a URL: the scheme's length, "host:port". */
static bool
url_split(const char *url, size_t *scheme, struct span *authority)
{
	const char *p;
	size_t n;

	*scheme = strncasecmp(url, "https://", 8) == 0  ? 5
		  : strncasecmp(url, "http://", 7) == 0 ? 4
							: 0;
	if (*scheme == 0)
		return false;
	p = url + *scheme + 3;
	n = strcspn(p, "/?#");
	*authority = span_of(p, n);
	/* User and password in a URL would end up in logs. */
	return n != 0 && memchr(p, '@', n) == NULL;
}

/* Where ":port" begins, or the end; an address in brackets holds colons. */
static size_t
port_at(struct span a)
{
	size_t i = a.len;

	while (i > 0 && a.p[i - 1] >= '0' && a.p[i - 1] <= '9')
		i--;
	if (i == 0 || a.p[i - 1] != ':')
		return a.len;
	return i - 1;
}

static void
buf_lower(struct buf *b, const void *p, size_t n)
{
	const unsigned char *c = p;
	char l;

	for (; n > 0; n--, c++) {
		l = (char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);
		buf_add(b, &l, 1);
	}
}

char *
origin_of(const char *url)
{
	struct buf b = BUF_INIT;
	struct span a;
	size_t scheme;
	char *out;

	if (!url_split(url, &scheme, &a))
		return NULL;
	buf_lower(&b, url, scheme);
	buf_str(&b, "://");
	buf_lower(&b, a.p, a.len);
	if (port_at(a) == a.len)
		buf_str(&b, scheme == 5 ? ":443" : ":80");
	out = xstrndup(b.p, b.len);
	buf_free(&b);
	return out;
}

bool
url_loopback(const char *url)
{
	struct span a;
	size_t scheme, i;

	if (!url_split(url, &scheme, &a))
		return false;
	a.len = port_at(a);
	if (span_eq_nocase(a, "localhost") || span_eq_str(a, "[::1]"))
		return true;
	for (i = 0; i < a.len; i++) {
		if (strchr("0123456789.", a.p[i]) == NULL)
			return false; /* 127.0.0.1.example is a name */
	}
	return span_starts(a, "127.");
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && memchr(" \t\r", s.p[s.len - 1], 3) != NULL)
		s.len--;
	return s;
}

struct span
head_find(struct span lines, const char *name)
{
	struct span line, field;

	while (lines.len > 0) {
		if (span_until(&lines, '\n', &line) != ERR_OK) {
			line = lines;
			lines = SPAN_NONE;
		}
		if (span_until(&line, ':', &field) == ERR_OK &&
		    span_eq_nocase(field, name))
			return trim(line);
	}
	return SPAN_NONE;
}

struct span
reply_header(const struct reply *r, const char *name)
{
	return head_find(buf_view(&r->head), name);
}
