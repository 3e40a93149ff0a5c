#include "server/head.h"

#include <http_parser.h>
#include <string.h>

/* --- the end of the head ---------------------------------------------- */

/* Control characters (RFC 5234 B.1), HTAB among them: no client sends one. */
static bool
is_ctl(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* The first byte at or behind "i" that is a control character. */
static size_t
scan_plain(struct span in, size_t i)
{
	while (i < in.len && !is_ctl(in.p[i]))
		i++;
	return i;
}

static enum err
scan_limits(struct span in, size_t seen, struct why *why)
{
	/* Method, blanks and version are short: the line is the target.  It
	 * is named first, so that the answer is the same however the bytes
	 * come in. */
	if (seen > TARGET_MAX + 64 && memchr(in.p, '\n', seen) == NULL)
		return why_set(why, ERR_HTTP_LINE, "style 7",
		    "request target over %d bytes", TARGET_MAX);
	if (seen >= HEAD_MAX)
		return why_set(why, ERR_HTTP_HEAD, "style 7",
		    "header over %d bytes", HEAD_MAX);
	return ERR_OK;
}

enum err
head_scan(struct head_scan *s, struct span in, struct why *why)
{
	size_t i = s->at;

	for (;;) {
		i = scan_plain(in, i);
		s->at = i;
		if (i == in.len || i + 1 == in.len)
			break;
		if (in.p[i] != '\r' || in.p[i + 1] != '\n')
			return why_set(why, ERR_HTTP, "RFC 9112 2.2",
			    "control character or bare CR or LF in a head");
		if (i == 0)
			return why_set(why, ERR_HTTP, "RFC 9112 2.2",
			    "empty line before the request line");
		i += 2;
		if (in.p[i - 3] == '\n') {
			s->at = s->whole = i;
			return i > HEAD_MAX ? scan_limits(in, i, why) : ERR_OK;
		}
		if (i == in.len)
			break; /* what follows says if the line goes on */
		if (in.p[i] == ' ')
			return why_set(why, ERR_HTTP, "RFC 9112 5.2",
			    "folded header line");
	}
	/* A last lone byte waits for its neighbour, unless it cannot be CR. */
	if (i < in.len && is_ctl(in.p[i]) && in.p[i] != '\r')
		return why_set(why, ERR_HTTP, "RFC 9112 2.2",
		    "control character or bare LF in a head");
	return scan_limits(in, in.len, why);
}

/* --- what is in it ---------------------------------------------------- */

struct span
piece_span(struct span raw, struct piece p)
{
	return span_of(raw.p + p.at, p.len);
}

struct reading {
	struct span raw;
	struct head *head;
	struct piece target;
	unsigned n_url, n_value;
	bool bad, crowded;
};

static struct piece
reading_piece(const struct reading *r, const char *at, size_t len)
{
	size_t off = (size_t)((const unsigned char *)at - r->raw.p);

	return (struct piece){ (uint16_t)off, (uint16_t)len };
}

/* The head arrives in one call, so each of these comes once per element. */
static int
on_url(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;

	r->target = reading_piece(r, at, len);
	return r->n_url++ != 0;
}

static int
on_field(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;
	struct head *h = r->head;

	r->crowded = h->n_fields == HEAD_FIELDS;
	if (r->crowded || r->n_value != h->n_fields)
		return 1;
	h->field[h->n_fields++].name = reading_piece(r, at, len);
	return 0;
}

static int
on_value(http_parser *p, const char *at, size_t len)
{
	struct reading *r = p->data;

	if (++r->n_value != r->head->n_fields)
		return 1;
	while (len > 0 && at[len - 1] == ' ')
		len--;
	r->head->field[r->n_value - 1].value = reading_piece(r, at, len);
	return 0;
}

/* 1: there is no body, as far as the parser is concerned. */
static int
on_complete(http_parser *p)
{
	(void)p;
	return 1;
}

static enum err
bad(struct why *why, const char *clause, const char *text)
{
	return why_set(why, ERR_HTTP, clause, "%s", text);
}

static enum method
method_of(unsigned m)
{
	switch (m) {
	case HTTP_GET:
		return METHOD_GET;
	case HTTP_HEAD:
		return METHOD_HEAD;
	case HTTP_POST:
		return METHOD_POST;
	case HTTP_PUT:
		return METHOD_PUT;
	case HTTP_DELETE:
		return METHOD_DELETE;
	default:
		return METHOD_N;
	}
}

/*
 * Exactly "METHOD SP target SP HTTP/1.0|1 CRLF" (RFC 9112 3): the parser
 * would take more blanks, and a line without a version as HTTP/0.9.
 */
static enum err
line_check(const struct reading *r, struct why *why)
{
	struct span line, target;
	const unsigned char *end;
	size_t i;

	end = memchr(r->raw.p, '\r', r->raw.len);
	line = span_of(r->raw.p, (size_t)(end - r->raw.p));
	target = piece_span(r->raw, r->target);
	if (r->n_url != 1 || target.len == 0)
		return bad(why, "RFC 9112 3", "no request target");
	if (target.len > TARGET_MAX)
		return why_set(why, ERR_HTTP_LINE, "style 7",
		    "request target over %d bytes", TARGET_MAX);
	if (target.p + target.len + 9 != end ||
	    memcmp(end - 9, " HTTP/1.", 8) != 0 ||
	    (end[-1] != '0' && end[-1] != '1'))
		return bad(why, "RFC 9112 2.3", "not HTTP/1.0 or HTTP/1.1");
	if (memchr(line.p, ' ', line.len) != target.p - 1)
		return bad(why, "RFC 9112 3", "more blanks than two");
	for (i = 0; i < target.len; i++) {
		if (target.p[i] <= ' ' || target.p[i] >= 0x7f ||
		    target.p[i] == '#')
			return bad(why, "RFC 3986 2",
			    "a character no request target has");
	}
	return ERR_OK;
}

/* RFC 9112 3.2.1 and 3.2.2: origin form, or a proxy's absolute form. */
static enum err
target_split(struct reading *r, struct why *why)
{
	struct span t = piece_span(r->raw, r->target);
	const unsigned char *p = t.p, *end = t.p + t.len, *q;

	if (*p != '/') {
		if (t.len > 7 &&
		    strncasecmp((const char *)p, "http://", 7) == 0)
			p += 7;
		else if (t.len > 8 &&
			 strncasecmp((const char *)p, "https://", 8) == 0)
			p += 8;
		else
			return bad(why, "RFC 9112 3.2",
			    "target is neither a path nor an http URI");
		while (p < end && *p != '/' && *p != '?')
			p++;
	}
	q = p == end ? NULL : memchr(p, '?', (size_t)(end - p));
	if (q != NULL) {
		r->head->query = reading_piece(r, (const char *)q + 1,
		    (size_t)(end - q - 1));
		end = q;
	}
	r->head->path = reading_piece(r, (const char *)p, (size_t)(end - p));
	return ERR_OK;
}

/* RFC 9110 5.6.2 */
static bool
is_token(struct span s)
{
	static const char other[] = "!#$%&'*+-.^_`|~";
	size_t i;

	for (i = 0; i < s.len; i++) {
		unsigned char c = s.p[i];

		if (((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
		    (c >= '0' && c <= '9'))
			continue;
		if (c == '\0' || strchr(other, c) == NULL)
			return false;
	}
	return s.len != 0;
}

/* RFC 9110 8.6: digits only; 18 of them fit in any integer we use. */
static enum err
length_read(struct span v, uint64_t *out, struct why *why)
{
	uint64_t n = 0;
	size_t i;

	if (v.len == 0 || v.len > 18)
		return bad(why, "RFC 9110 8.6", "Content-Length is no length");
	for (i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return bad(why, "RFC 9110 8.6",
			    "Content-Length is no length");
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	*out = n;
	return ERR_OK;
}

/* uri-host [":" port], as far as the characters go (RFC 9110 7.2). */
static bool
host_ok(struct span v)
{
	size_t i;

	for (i = 0; i < v.len; i++) {
		if (v.p[i] >= 0x7f || strchr("\"#/<>?@\\^`{|} ,", v.p[i]))
			return false;
	}
	return true;
}

struct framing {
	unsigned n_host, n_length, n_expect;
};

/* One header line; only what decides where the request ends is looked at. */
static enum err
field_check(struct reading *r, unsigned i, struct framing *f, struct why *why)
{
	struct span name = piece_span(r->raw, r->head->field[i].name);
	struct span value = piece_span(r->raw, r->head->field[i].value);

	if (!is_token(name) || name.p[name.len] != ':')
		return bad(why, "RFC 9112 5.1", "not a header name");
	switch (name.len) {
	case 4:
		if (!span_eq_nocase(name, "Host"))
			return ERR_OK;
		f->n_host++;
		return host_ok(value) ? ERR_OK
				      : bad(why, "RFC 9110 7.2", "odd Host");
	case 6:
		if (!span_eq_nocase(name, "Expect"))
			return ERR_OK;
		r->head->expect = true;
		return ++f->n_expect == 1 &&
			       span_eq_nocase(value, "100-continue")
			   ? ERR_OK
			   : bad(why, "RFC 9110 10.1.1", "unknown expectation");
	case 14:
		if (!span_eq_nocase(name, "Content-Length"))
			return ERR_OK;
		if (f->n_length++ != 0)
			return bad(why, "RFC 9112 6.3",
			    "more than one Content-Length");
		return length_read(value, &r->head->content_length, why);
	case 17:
		return span_eq_nocase(name, "Transfer-Encoding")
			   ? bad(why, "style 7", "Transfer-Encoding")
			   : ERR_OK;
	default:
		return ERR_OK;
	}
}

static enum err
fields_check(struct reading *r, struct why *why)
{
	struct framing f = { 0 };
	enum err e;
	unsigned i;

	if (r->n_value != r->head->n_fields)
		return bad(why, "RFC 9112 5", "a header line without a value");
	for (i = 0; i < r->head->n_fields; i++) {
		if ((e = field_check(r, i, &f, why)) != ERR_OK)
			return e;
	}
	if (f.n_host != 1 && !(f.n_host == 0 && r->head->http10))
		return bad(why, "RFC 9112 3.2", "not exactly one Host");
	return ERR_OK;
}

static enum err
head_parse(struct reading *r, struct why *why)
{
	static const http_parser_settings calls = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_complete,
	};
	http_parser p;
	size_t n;

	http_parser_init(&p, HTTP_REQUEST);
	p.data = r;
	n = http_parser_execute(&p, &calls, (const char *)r->raw.p, r->raw.len);
	if (r->crowded)
		return why_set(why, ERR_HTTP_HEAD, "style 7",
		    "over %d header lines", HEAD_FIELDS);
	if (HTTP_PARSER_ERRNO(&p) != HPE_OK || n != r->raw.len)
		return bad(why, "RFC 9112",
		    http_errno_description(HTTP_PARSER_ERRNO(&p)));
	r->head->method = method_of(p.method);
	r->head->http10 = p.http_minor == 0;
	r->head->keep = !r->head->http10 && !(p.flags & F_CONNECTION_CLOSE);
	return ERR_OK;
}

enum err
head_read(struct span raw, struct head *out, struct why *why)
{
	struct reading r = { .raw = raw, .head = out };
	enum err e;

	out->expect = false;
	out->content_length = 0;
	out->query = (struct piece){ 0, 0 };
	out->n_fields = 0;
	if (raw.len > HEAD_MAX)
		return why_set(why, ERR_HTTP_HEAD, "style 7",
		    "header over %d bytes", HEAD_MAX);
	if ((e = head_parse(&r, why)) != ERR_OK)
		return e;
	if ((e = line_check(&r, why)) != ERR_OK)
		return e;
	if ((e = target_split(&r, why)) != ERR_OK)
		return e;
	return fields_check(&r, why);
}
