/* The configuration as larder.json, and the schema as a manual. */
#include "config/base/must.h"
#include "config/base/text.h"
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

/* --- larder.json ------------------------------------------------------ */

/* Set "a.b.c" in an object, making what is missing; steals the value. */
static void
path_set(json_t *obj, const char *path, json_t *value)
{
	const char *dot;
	json_t *inner;
	size_t n;

	while ((dot = strchr(path, '.')) != NULL) {
		n = (size_t)(dot - path);
		inner = json_object_getn(obj, path, n);
		if (inner == NULL) {
			inner = json_object();
			must(json_object_setn_new(obj, path, n, inner) == 0);
		}
		obj = inner;
		path = dot + 1;
	}
	must(json_object_set_new(obj, path, value) == 0);
}

static json_t *
scope_json(enum setting_scope scope, const void *base)
{
	json_t *obj = json_object();
	size_t i;

	for (i = 0; i < settings_n; i++) {
		if (settings[i].scope == scope)
			path_set(obj, setting_inner(&settings[i]),
			    setting_write(&settings[i], base));
	}
	return obj;
}

static json_t *
array_json(enum setting_scope scope, const void *v, size_t n, size_t size)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		must(json_array_append_new(list,
			 scope_json(scope, (const char *)v + i * size)) == 0);
	return list;
}

void
config_write(const struct config *c, FILE *f)
{
	json_t *root = json_object(), *rest;
	char *text, *shown;

	path_set(root, "listen",
	    array_json(SCOPE_LISTEN, c->listen, c->n_listen,
		sizeof(*c->listen)));
	rest = scope_json(SCOPE_CONFIG, c);
	must(json_object_update(root, rest) == 0);
	json_decref(rest);
	path_set(root, "hosts",
	    array_json(SCOPE_HOST, c->hosts, c->n_hosts, sizeof(*c->hosts)));
	path_set(root, "tokens.named",
	    array_json(SCOPE_TOKEN, c->tokens.named, c->tokens.n_named,
		sizeof(*c->tokens.named)));
	path_set(root, "baseline.fmspc",
	    array_json(SCOPE_FMSPC, c->baseline.fmspc, c->baseline.n_fmspc,
		sizeof(*c->baseline.fmspc)));
	path_set(root, "baseline.amd",
	    array_json(SCOPE_AMD, c->baseline.amd, c->baseline.n_amd,
		sizeof(*c->baseline.amd)));
	text = json_dumps(root, JSON_INDENT(4));
	must(text != NULL);
	/* The same document: only strings have such characters. */
	shown = text_shown(text, '\n');
	fprintf(f, "%s\n", shown);
	free(shown);
	free(text);
	json_decref(root);
}

/* --- manual ----------------------------------------------------------- */

#define WIDTH 76

static void
manual_word(FILE *f, const char *word, size_t n, size_t *col)
{
	size_t i;

	if (*col != 0 && *col + 1 + n > WIDTH) {
		fputc('\n', f);
		*col = 0;
	} else if (*col != 0) {
		fputc(' ', f);
		(*col)++;
	}
	/* a dot or quote at the start of a line would be a request */
	if (*col == 0 && (word[0] == '.' || word[0] == '\''))
		fputs("\\&", f);
	for (i = 0; i < n; i++) {
		if (word[i] == '\\')
			fputs("\\e", f);
		else
			fputc(word[i], f);
	}
	*col += n;
	/* mdoc wants a new sentence on a new line */
	if (word[n - 1] == '.') {
		fputc('\n', f);
		*col = 0;
	}
}

static void
manual_text(FILE *f, const char *text)
{
	size_t n, col = 0;

	while (*text != '\0') {
		n = strcspn(text, " ");
		if (n != 0)
			manual_word(f, text, n, &col);
		text += n;
		text += strspn(text, " ");
	}
	if (col != 0)
		fputc('\n', f);
}

/* "integer from 1 to 64 requests; default 4." */
static void
manual_value(FILE *f, const struct setting *s)
{
	struct buf b = BUF_INIT;

	buf_str(&b, kind_noun(s->kind));
	if (s->kind == KIND_INT || s->kind == KIND_INT64)
		buf_printf(&b, " from %lld to %lld", (long long)s->min,
		    (long long)s->max);
	if (s->unit[0] != '\0')
		buf_printf(&b, " %s", s->unit);
	if (s->dflt == setting_required)
		buf_str(&b, "; required");
	else if (s->dflt != NULL && s->dflt[0] != '\0')
		buf_printf(&b, "; default %s", s->dflt);
	fputs(".Pq ", f);
	fwrite(b.p, 1, b.len, f);
	fputc('\n', f);
	buf_free(&b);
}

void
config_manual(FILE *f)
{
	size_t i;

	fputs(".Bl -tag -width Ds\n", f);
	for (i = 0; i < settings_n; i++) {
		fprintf(f, ".It Cm %s\n", settings[i].path);
		manual_value(f, &settings[i]);
		fputs(".br\n", f);
		manual_text(f, settings[i].help);
	}
	fputs(".El\n", f);
}
