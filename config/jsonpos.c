#include "config/jsonpos.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct jsonpos {
	struct map *lines; /* path -> int, owned */
};

#define CLAUSE    "larder.json(5)"
#define DEPTH_MAX 16
#define KEY_MAX   40 /* longer than any setting's name */

struct scan {
	struct span s; /* what is left */
	int line;      /* of s.p */
	int depth;
	char path[JSONPOS_PATH];
	jsonpos_known_fn known;
	struct map *lines;
	struct why *why;
};

static enum err scan_value(struct scan *);

static int
peek(const struct scan *c)
{
	return c->s.len == 0 ? -1 : c->s.p[0];
}

static void
advance(struct scan *c, size_t n)
{
	must(n <= c->s.len);
	c->s.p += n;
	c->s.len -= n;
}

static void
skip_white(struct scan *c)
{
	int ch;

	while (
	    (ch = peek(c)) == ' ' || ch == '\t' || ch == '\r' || ch == '\n') {
		c->line += ch == '\n';
		advance(c, 1);
	}
}

/* jansson accepted the text, so this is not met; but it is not trusted. */
static enum err
not_json(struct scan *c)
{
	return why_set(c->why, ERR_CONFIG, CLAUSE, "not JSON");
}

static enum err
expect(struct scan *c, int ch)
{
	skip_white(c);
	if (peek(c) != ch)
		return not_json(c);
	advance(c, 1);
	return ERR_OK;
}

/* A string with its quotes. */
static enum err
take_string(struct scan *c, struct span *out)
{
	const unsigned char *p = c->s.p;
	size_t i;

	if (peek(c) != '"')
		return not_json(c);
	for (i = 1; i < c->s.len; i++) {
		if (p[i] == '\\') {
			i++;
		} else if (p[i] == '"') {
			*out = span_of(p, i + 1);
			advance(c, i + 1);
			return ERR_OK;
		}
	}
	return not_json(c);
}

/* Past a whole value, whatever is in it. */
static enum err
skip_value(struct scan *c)
{
	struct span string;
	size_t open = 0;
	int ch;

	skip_white(c);
	while ((ch = peek(c)) != -1) {
		if (open == 0 && (ch == ',' || ch == '}' || ch == ']'))
			return ERR_OK;
		if (ch == '"') {
			if (take_string(c, &string) != ERR_OK)
				return not_json(c);
		} else {
			open += ch == '{' || ch == '[';
			open -= ch == '}' || ch == ']';
			advance(c, 1);
		}
		skip_white(c);
	}
	return open == 0 ? ERR_OK : not_json(c);
}

static bool
key_is_word(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return key[n] == '\0' && n != 0 && n <= KEY_MAX;
}

/* An odd key in quotes: what cannot be printed becomes "?". */
static void
key_quote(const char *key, char out[KEY_MAX + 6])
{
	size_t i, n = 0;

	out[n++] = '"';
	for (i = 0; key[i] != '\0' && i < KEY_MAX; i++)
		out[n++] = key[i] < ' ' || key[i] > '~' ? '?' : key[i];
	snprintf(out + n, KEY_MAX + 6 - n, key[i] == '\0' ? "\"" : "...\"");
}

/* The path is never cut: DEPTH_MAX keys may not fit, then it is refused. */
static enum err
path_push(struct scan *c, const char *sep, const char *part)
{
	size_t n = strlen(c->path);
	int m = snprintf(c->path + n, sizeof(c->path) - n, "%s%s", sep, part);

	if (m < 0 || (size_t)m >= sizeof(c->path) - n)
		return why_set(c->why, ERR_CONFIG, CLAUSE,
		    "%.80s...: nested too deep", c->path);
	return ERR_OK;
}

/* Remember where the path stands; it must be new. */
static enum err
path_note(struct scan *c, int line)
{
	int *first = map_get(c->lines, span_str(c->path)), *at;

	if (first != NULL) {
		c->line = line;
		return why_set(c->why, ERR_CONFIG, CLAUSE,
		    "%s: given twice, first on line %d", c->path, *first);
	}
	at = xcalloc(1, sizeof(*at));
	*at = line;
	must(map_put(c->lines, span_str(c->path), at) == NULL);
	return ERR_OK;
}

/* The decoded text of a key, owned. */
static enum err
key_read(struct scan *c, char **out)
{
	struct span raw;
	json_t *s;

	if (take_string(c, &raw) != ERR_OK)
		return not_json(c);
	s = json_loadb((const char *)raw.p, raw.len, JSON_DECODE_ANY, NULL);
	if (!json_is_string(s)) {
		json_decref(s);
		return not_json(c);
	}
	*out = xstrdup(json_string_value(s));
	json_decref(s);
	return ERR_OK;
}

/* One member, from its key on; the path is as before afterwards. */
static enum err
scan_member(struct scan *c)
{
	char *key = NULL, word[KEY_MAX + 6];
	size_t len = strlen(c->path);
	int line = c->line;
	enum err e;

	if ((e = key_read(c, &key)) != ERR_OK || (e = expect(c, ':')) != ERR_OK)
		goto out;
	if (key[0] == '#') {
		e = skip_value(c);
		goto out;
	}
	if (key_is_word(key))
		snprintf(word, sizeof(word), "%s", key);
	else
		key_quote(key, word);
	if ((e = path_push(c, len == 0 ? "" : ".", word)) != ERR_OK)
		goto out;
	if (!c->known(c->path)) {
		c->line = line;
		e = why_set(c->why, ERR_CONFIG, CLAUSE, "%s: unknown setting",
		    c->path);
		goto out;
	}
	if ((e = path_note(c, line)) != ERR_OK)
		goto out;
	e = scan_value(c);
	if (e == ERR_OK)
		c->path[len] = '\0';
out:
	free(key);
	return e;
}

static enum err
scan_element(struct scan *c, size_t i)
{
	size_t len = strlen(c->path);
	char index[32];
	enum err e;

	snprintf(index, sizeof(index), "[%zu]", i);
	if ((e = path_push(c, "", index)) != ERR_OK ||
	    (e = path_note(c, c->line)) != ERR_OK ||
	    (e = scan_value(c)) != ERR_OK)
		return e;
	c->path[len] = '\0';
	return ERR_OK;
}

/* An object or array, from its bracket on. */
static enum err
scan_container(struct scan *c, int close)
{
	size_t i = 0;
	enum err e;

	advance(c, 1);
	skip_white(c);
	if (peek(c) == close) {
		advance(c, 1);
		return ERR_OK;
	}
	for (;;) {
		skip_white(c);
		e = close == '}' ? scan_member(c) : scan_element(c, i++);
		if (e != ERR_OK)
			return e;
		skip_white(c);
		if (peek(c) == close) {
			advance(c, 1);
			return ERR_OK;
		}
		if ((e = expect(c, ',')) != ERR_OK)
			return e;
	}
}

static enum err
scan_value(struct scan *c)
{
	int ch;
	enum err e;

	skip_white(c);
	ch = peek(c);
	if (ch != '{' && ch != '[')
		return skip_value(c);
	if (c->depth == DEPTH_MAX)
		return why_set(c->why, ERR_CONFIG, CLAUSE,
		    "%.80s: nested too deep", c->path);
	c->depth++;
	e = scan_container(c, ch == '{' ? '}' : ']');
	c->depth--;
	return e;
}

enum err
jsonpos_read(struct span text, jsonpos_known_fn known, struct jsonpos **out,
    int *line, struct why *why)
{
	struct jsonpos *pos = xcalloc(1, sizeof(*pos));
	struct scan c = { .s = text, .line = 1, .known = known, .why = why };
	enum err e;

	c.lines = pos->lines = map_new();
	e = scan_value(&c);
	if (e == ERR_OK) {
		skip_white(&c);
		if (c.s.len != 0)
			e = not_json(&c);
	}
	if (e != ERR_OK) {
		*line = c.line;
		jsonpos_free(pos);
		return e;
	}
	*out = pos;
	return ERR_OK;
}

void
jsonpos_free(struct jsonpos *pos)
{
	struct map_iter it;
	struct span key;
	void *line;

	if (pos == NULL)
		return;
	it = map_iter(pos->lines);
	while (map_next(&it, &key, &line))
		free(line);
	map_free(pos->lines);
	free(pos);
}

int
jsonpos_line(const struct jsonpos *pos, const char *path)
{
	size_t len = strlen(path);
	const int *line;

	while (len != 0) {
		line = map_get(pos->lines, span_of(path, len));
		if (line != NULL)
			return *line;
		do
			len--;
		while (len != 0 && path[len] != '.' && path[len] != '[');
	}
	return 1;
}
