#include "config/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *token, *text;
	int http, retry;
} rows[ERR_N] = {
#define ERR(sym, token, http, retry, text) [sym] = { token, text, http, retry },
#include "config/base/err.def"
#undef ERR
};

/* A number that is no error at all is "internal": never out of the table. */
static enum err
err_row(enum err e)
{
	return (unsigned)e < ERR_N ? e : ERR_INTERNAL;
}

const char *
err_token(enum err e)
{
	return rows[err_row(e)].token;
}

const char *
err_text(enum err e)
{
	return rows[err_row(e)].text;
}

int
err_http(enum err e)
{
	return rows[err_row(e)].http;
}

int
err_retry(enum err e)
{
	return rows[err_row(e)].retry;
}

enum err
err_from_token(const char *token)
{
	int i;

	for (i = 0; i < ERR_N; i++) {
		if (strcmp(rows[i].token, token) == 0)
			return (enum err)i;
	}
	return ERR_N;
}

/* Bytes of the UTF-8 character that begins here; 0: it is none (RFC 3629). */
static size_t
utf8_len(const unsigned char *p)
{
	size_t n = *p < 0x80                 ? 1
		   : *p >= 0xc2 && *p < 0xe0 ? 2
		   : *p >= 0xe0 && *p < 0xf0 ? 3
		   : *p >= 0xf0 && *p < 0xf5 ? 4
					     : 0;
	size_t i;

	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, what is beyond the last character. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

/*
 * Reasons quote what came from outside, and cut it: what is no character
 * becomes "?", so that whoever puts a reason into JSON can rely on it.
 */
static void
utf8_clean(char *text)
{
	unsigned char *p = (unsigned char *)text;
	size_t n;

	while (*p != '\0') {
		n = utf8_len(p);
		if (n == 0)
			*p = '?';
		p += n == 0 ? 1 : n;
	}
}

enum err
why_set(struct why *why, enum err e, const char *clause, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return e;
	why->err = e;
	why->retry_s = 0;
	snprintf(why->clause, sizeof(why->clause), "%s",
	    clause == NULL ? "" : clause);
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	utf8_clean(why->text);
	return e;
}

enum err
why_in(struct why *why, enum err e, const char *fmt, ...)
{
	char what[sizeof(why->text)], all[2 * sizeof(why->text) + 2];
	va_list ap;

	if (why == NULL)
		return e;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(all, sizeof(all), "%s: %s", what, why->text);
	all[sizeof(why->text) - 1] = '\0';
	memcpy(why->text, all, sizeof(why->text));
	utf8_clean(why->text);
	why->err = e;
	return e;
}
