#include "server/cli/show.h"

#include "config/base/blob.h"
#include "config/base/must.h"
#include "config/base/text.h"

#include <stdlib.h>
#include <string.h>

/* --- text from outside ------------------------------------------------ */

char *
show_text(const char *text)
{
	return text_shown(text, 0);
}

static void clean(json_t *v);

/* Members whose names are no plain text are no members of ours. */
static void
clean_members(json_t *object)
{
	const char *key;
	void *next;
	json_t *v;
	char *shown;

	json_object_foreach_safe(object, next, key, v)
	{
		shown = show_text(key);
		if (strcmp(shown, key) != 0)
			must(json_object_del(object, key) == 0);
		else
			clean(v);
		free(shown);
	}
}

/* Every string in it as show_text() has it. */
static void
clean(json_t *v)
{
	char *text;
	json_t *part;
	size_t i;

	if (json_is_object(v))
		clean_members(v);
	json_array_foreach(v, i, part)
	{
		clean(part);
	}
	if (json_is_string(v)) {
		text = show_text(json_string_value(v));
		must(json_string_set(v, text) == 0);
		free(text);
	}
}

/* --- tables ----------------------------------------------------------- */

struct table {
	size_t columns, n, cap;
	char **cells;
};

struct table *
table_new(size_t columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	must(columns > 0);
	t->columns = columns;
	return t;
}

void
table_cell(struct table *t, const char *text)
{
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->cells = xrealloc(t->cells, t->cap, sizeof(*t->cells));
	}
	t->cells[t->n++] =
	    show_text(text == NULL || *text == '\0' ? "-" : text);
}

static size_t
table_width(const struct table *t, size_t column)
{
	size_t i, len, width = 0;

	for (i = column; i < t->n; i += t->columns) {
		len = strlen(t->cells[i]);
		width = len > width ? len : width;
	}
	return width;
}

void
table_print(const struct table *t, FILE *f, int indent)
{
	size_t *width = xcalloc(t->columns, sizeof(*width));
	size_t i, column;

	for (i = 0; i < t->columns; i++)
		width[i] = table_width(t, i);
	for (i = 0; i < t->n; i++) {
		column = i % t->columns;
		if (column == 0)
			fprintf(f, "%*s", indent, "");
		if (column + 1 == t->columns || i + 1 == t->n)
			fprintf(f, "%s\n", t->cells[i]);
		else
			fprintf(f, "%-*s  ", (int)width[column], t->cells[i]);
	}
	free(width);
}

void
table_free(struct table *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

/* --- any document ----------------------------------------------------- */

static char *scalar_text(const json_t *);

/* Scalars in a row; NULL when there are others among them. */
static char *
row_text(const json_t *array)
{
	struct buf b = BUF_INIT;
	char *text = NULL, *part;
	json_t *v;
	size_t i;

	json_array_foreach(array, i, v)
	{
		if (json_is_array(v) || (part = scalar_text(v)) == NULL)
			goto out;
		buf_printf(&b, "%s%s", i == 0 ? "" : " ", part);
		free(part);
	}
	text = b.len == 0 ? NULL : span_dup(buf_view(&b));
out:
	buf_free(&b);
	return text;
}

/* As text of one line, the caller's to free; NULL: it takes more. */
static char *
scalar_text(const json_t *v)
{
	char text[64];

	if (json_is_string(v))
		return show_text(json_string_value(v));
	if (json_is_integer(v))
		snprintf(text, sizeof(text), "%lld",
		    (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(text, sizeof(text), "%g", json_real_value(v));
	else if (json_is_null(v))
		snprintf(text, sizeof(text), "-");
	else if (json_is_boolean(v))
		snprintf(text, sizeof(text), "%s",
		    json_is_true(v) ? "yes" : "no");
	else if (json_is_array(v))
		return row_text(v);
	else
		return NULL;
	return xstrdup(text);
}

static bool
flat(json_t *object)
{
	const char *key;
	json_t *v;

	json_object_foreach(object, key,
	    v) if (json_is_object(v) || json_is_array(v)) return false;
	return json_is_object(object);
}

#define COLUMNS_MAX 8 /* more than this is no table any more */

/* Rows of flat objects that have the members of the first. */
static bool
rows_of_table(json_t *array)
{
	size_t i;

	if (json_object_size(json_array_get(array, 0)) > COLUMNS_MAX)
		return false;
	for (i = 0; i < json_array_size(array); i++)
		if (!flat(json_array_get(array, i)))
			return false;
	return json_array_size(array) > 0 &&
	       json_object_size(json_array_get(array, 0)) > 0;
}

static void
show_rows(json_t *array, int indent)
{
	json_t *first = json_array_get(array, 0), *row, *v;
	struct table *t = table_new(json_object_size(first));
	const char *key;
	char *text;
	size_t i;

	json_object_foreach(first, key, v) table_cell(t, key);
	json_array_foreach(array, i, row) json_object_foreach(first, key, v)
	{
		text = scalar_text(json_object_get(row, key));
		table_cell(t, text);
		free(text);
	}
	table_print(t, stdout, indent);
	table_free(t);
}

static void show_value(const char *name, json_t *v, int indent);

/* Members of an object: neighbours that are scalars stand in one table. */
static void
show_members(json_t *object, int indent)
{
	struct table *t = table_new(2);
	const char *key;
	json_t *part;
	char *text;

	json_object_foreach(object, key, part)
	{
		if ((text = scalar_text(part)) != NULL) {
			table_cell(t, key);
			table_cell(t, text);
			free(text);
			continue;
		}
		table_print(t, stdout, indent);
		table_free(t);
		t = table_new(2);
		show_value(key, part, indent);
	}
	table_print(t, stdout, indent);
	table_free(t);
}

static void
show_inside(json_t *v, int indent)
{
	json_t *part;
	size_t i;

	if (json_is_object(v)) {
		show_members(v, indent);
		return;
	}
	if (rows_of_table(v)) {
		show_rows(v, indent);
		return;
	}
	json_array_foreach(v, i, part) show_value("-", part, indent);
}

static void
show_value(const char *name, json_t *v, int indent)
{
	char *label = show_text(name), *text;

	if ((text = scalar_text(v)) != NULL) {
		printf("%*s%s  %s\n", indent, "", label, text);
		free(label);
		free(text);
		return;
	}
	printf("%*s%s:%s\n", indent, "", label,
	    json_object_size(v) + json_array_size(v) == 0 ? " none" : "");
	free(label);
	/* jansson's own limit on nesting ends this recursion. */
	show_inside(v, indent + 2);
}

json_t *
show_data(const struct cli *cli, struct span text)
{
	json_error_t error;
	json_t *json = json_loadb((const char *)text.p, text.len,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (json == NULL)
		cli_fail(cli, "the server's answer is not JSON: %s",
		    error.text);
	return json;
}

json_t *
show_parse(const struct cli *cli, struct span text)
{
	json_t *json = show_data(cli, text);

	if (json != NULL)
		clean(json);
	return json;
}

int
show_json(const struct cli *cli, struct span text)
{
	json_t *json = show_data(cli, text);
	int rc;

	if (json == NULL)
		return CLI_FAILED;
	rc = show_tree(cli, json);
	json_decref(json);
	return rc;
}

int
show_tree(const struct cli *cli, json_t *json)
{
	char *dump, *text;

	if (cli_has(cli, "json")) {
		dump = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
		must(dump != NULL);
		/* The same document: only strings have such characters. */
		text = text_shown(dump, '\n');
		puts(text);
		free(text);
		free(dump);
	} else if (json_is_object(json) || json_is_array(json)) {
		show_inside(json, 0);
	} else {
		show_value("answer", json, 0);
	}
	return CLI_OK;
}
