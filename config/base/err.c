#include "config/base/err.h"

#include "config/base/text.h"

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

/*
 * Reasons quote what came from outside, and cut it: what is no character
 * becomes "?", so that whoever puts a reason into JSON can rely on it.
 */
static void
utf8_clean(char *text)
{
	size_t n;

	for (; *text != '\0'; text += n == 0 ? 1 : n)
		if ((n = text_utf8(text)) == 0)
			*text = '?';
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
