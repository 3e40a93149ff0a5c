/*
 * The slicer of signed JSON (quote-verification 4.1).  A document is verified
 * over the octets of its member's value as they stand, so these are found by
 * a scanner that copies nothing and understands only strings and brackets.
 */
#include "config/base/enc.h"
#include "storage/verify/jread.h"
#include "storage/verify/verify.h"

#include <string.h>

#define CLAUSE "quote-verification 4.1"

static void
space_skip(struct span *s)
{
	while (s->len > 0 && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' ||
				 *s->p == '\r')) {
		s->p++;
		s->len--;
	}
}

/* One octet, which must be this one, after white space. */
static bool
octet_take(struct span *s, unsigned char c)
{
	space_skip(s);
	if (s->len == 0 || *s->p != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

/* The octets between two quotes, escapes untouched; *s is at the first. */
static bool
string_take(struct span *s, struct span *out)
{
	size_t i;

	if (s->len == 0 || *s->p != '"')
		return false;
	for (i = 1; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] < 0x20)
			return false;
		if (s->p[i] == '\\')
			i++;
	}
	if (i >= s->len)
		return false;
	*out = span_of(s->p + 1, i - 1);
	s->p += i + 1;
	s->len -= i + 1;
	return true;
}

enum err
jspan_value(struct span *s, struct span *value, struct why *why)
{
	const unsigned char *start = s->p;
	unsigned char open[JSON_DEPTH_MAX];
	struct span text = *s, skip;
	size_t depth = 0;

	do {
		unsigned char c = text.len > 0 ? *text.p : '\0';

		if (c == '"') {
			if (depth == 0 || !string_take(&text, &skip))
				goto bad;
			continue;
		}
		if (c == '{' || c == '[') {
			if (depth == JSON_DEPTH_MAX)
				return why_set(why, ERR_TOO_BIG,
				    "quote-verification 4.2",
				    "nested deeper than %d", JSON_DEPTH_MAX);
			open[depth++] = c == '{' ? '}' : ']';
		} else if (depth == 0 || c == '\0' ||
			   ((c == '}' || c == ']') && open[--depth] != c)) {
			goto bad;
		}
		text.p++;
		text.len--;
	} while (depth > 0);
	*value = span_of(start, (size_t)(text.p - start));
	*s = text;
	return ERR_OK;
bad:
	return why_set(why, ERR_FORMAT, CLAUSE,
	    "not a whole JSON object or array");
}

/* --- the envelope ------------------------------------------------------- */

struct cut {
	const char *member;
	bool has_value, has_sig;
	struct span value;
	unsigned char sig[64];
};

static enum err
sig_take(struct span *s, struct cut *cut, struct why *why)
{
	struct span hex;

	if (cut->has_sig)
		return why_set(why, ERR_FORMAT, CLAUSE, "two signatures");
	if (!string_take(s, &hex) || hex_read(hex, cut->sig, 64) != ERR_OK)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "signature is not 128 hex digits");
	cut->has_sig = true;
	return ERR_OK;
}

static enum err
value_take(struct span *s, struct cut *cut, struct why *why)
{
	if (cut->has_value)
		return why_set(why, ERR_FORMAT, CLAUSE, "two members %s",
		    cut->member);
	if (s->len == 0 || *s->p != '{')
		return why_set(why, ERR_FORMAT, CLAUSE, "%s is not an object",
		    cut->member);
	cut->has_value = true;
	return jspan_value(s, &cut->value, why);
}

/*
 * A name is compared as it is written: one spelled with escapes is unknown,
 * so that no reader can see another member than this one.
 */
static enum err
member_take(struct span *s, struct cut *cut, struct why *why)
{
	struct span name;

	space_skip(s);
	if (!string_take(s, &name) || !octet_take(s, ':'))
		return why_set(why, ERR_FORMAT, CLAUSE, "not a JSON member");
	space_skip(s);
	if (span_eq_str(name, "signature"))
		return sig_take(s, cut, why);
	if (span_eq_str(name, cut->member))
		return value_take(s, cut, why);
	return why_set(why, ERR_FORMAT, CLAUSE, "unknown member beside %s",
	    cut->member);
}

static enum err
envelope_take(struct span *s, struct cut *cut, struct why *why)
{
	enum err e;

	if (!octet_take(s, '{'))
		return why_set(why, ERR_FORMAT, CLAUSE, "not a JSON object");
	do {
		if ((e = member_take(s, cut, why)) != ERR_OK)
			return e;
	} while (octet_take(s, ','));
	if (!octet_take(s, '}'))
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "the JSON object does not end");
	space_skip(s);
	if (s->len > 0)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "octets after the JSON object");
	if (!cut->has_value || !cut->has_sig)
		return why_set(why, ERR_FORMAT, CLAUSE, "no %s",
		    cut->has_value ? "signature" : cut->member);
	return ERR_OK;
}

enum err
jspan_cut(struct span body, const char *member, struct span *value,
    unsigned char sig[64], struct why *why)
{
	struct cut cut = { .member = member };
	enum err e;

	if (body.len > JSON_TEXT_MAX)
		return why_set(why, ERR_TOO_BIG, CLAUSE,
		    "document of %zu octets", body.len);
	if ((e = envelope_take(&body, &cut, why)) != ERR_OK)
		return e;
	*value = cut.value;
	memcpy(sig, cut.sig, sizeof(cut.sig));
	return ERR_OK;
}
