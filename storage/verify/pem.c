/*
 * PEM, exactly: PEM_read_bio() skips leading text, takes other labels and
 * ignores what follows (quote-verification 14), so the blocks are found here
 * and OpenSSL sees only their octets.
 */
#include "config/base/enc.h"
#include "storage/verify/verify.h"

#include <string.h>

#define CLAUSE "quote-verification 14"

static bool
line_end(unsigned char c)
{
	return c == '\n' || c == '\r';
}

/* One line without its end; the end may be LF, CRLF or that of the input. */
static struct span
line_next(struct span *s)
{
	struct span line = { s->p, 0 };

	if (s->len == 0) /* p may be NULL */
		return line;
	while (line.len < s->len && s->p[line.len] != '\n')
		line.len++;
	s->p += line.len;
	s->len -= line.len;
	if (s->len > 0) {
		s->p++;
		s->len--;
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* "-----BEGIN LABEL-----" and nothing else on the line. */
static bool
line_is(struct span line, const char *word, const char *label)
{
	const char *const part[] = { "-----", word, label, "-----" };
	size_t i, n;

	for (i = 0; i < 4; i++) {
		n = strlen(part[i]);
		if (line.len < n || memcmp(line.p, part[i], n) != 0)
			return false;
		line.p += n;
		line.len -= n;
	}
	return line.len == 0;
}

static bool
base64_line(struct span line)
{
	size_t i;

	for (i = 0; i < line.len; i++) {
		unsigned char c = line.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/' && c != '=')
			return false;
	}
	return line.len > 0;
}

static enum err
block_text(struct span *s, const char *label, struct buf *text, struct why *why)
{
	struct span line;

	if (!line_is(line_next(s), "BEGIN ", label))
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "no BEGIN %s line where one must stand", label);
	for (;;) {
		if (s->len == 0)
			return why_set(why, ERR_FORMAT, CLAUSE,
			    "PEM block without its END line");
		line = line_next(s);
		if (line_is(line, "END ", label))
			return ERR_OK;
		if (!base64_line(line))
			return why_set(why, ERR_FORMAT, CLAUSE,
			    "a line in a PEM block is not base64");
		buf_span(text, line);
	}
}

enum err
pem_next(struct span *s, const char *label, struct buf *der, struct why *why)
{
	struct buf text = BUF_INIT;
	enum err e;

	der->len = 0;
	if ((e = block_text(s, label, &text, why)) != ERR_OK)
		goto out;
	if (text.len == 0 || text.len % 4 != 0 ||
	    base64_read(buf_view(&text), der) != ERR_OK) {
		e = why_set(why, ERR_FORMAT, CLAUSE,
		    "a PEM block is not whole base64");
		goto out;
	}
	while (s->len > 0 && line_end(*s->p)) {
		s->p++;
		s->len--;
	}
out:
	buf_free(&text);
	return e;
}

enum err
pem_end(struct span s, struct why *why)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (!line_end(s.p[i]) && s.p[i] != '\0')
			return why_set(why, ERR_FORMAT, CLAUSE,
			    "octets after the last PEM block");
	return ERR_OK;
}

void
pem_write(struct buf *out, const char *label, struct span der)
{
	struct buf text = BUF_INIT;
	size_t at, n;

	buf_base64(&text, der);
	buf_printf(out, "-----BEGIN %s-----\n", label);
	for (at = 0; at < text.len; at += n) {
		n = text.len - at < 64 ? text.len - at : 64;
		buf_add(out, text.p + at, n);
		buf_str(out, "\n");
	}
	buf_printf(out, "-----END %s-----\n", label);
	buf_free(&text);
}
