#include "tests/kit/keep.h"

#include "config/base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct kept {
	struct kept *next;
	char *text;
	json_t *json;
	struct blob *blob;
};

static struct kept *all;

static struct kept *
kept_new(void)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	k->next = all;
	all = k;
	return k;
}

char *
keep_text(char *text)
{
	kept_new()->text = text;
	return text;
}

struct edge_reply
keep(struct edge_reply r)
{
	keep_text(r.text);
	keep_text(r.body);
	return r;
}

char *
keep_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) != -1);
	va_end(ap);
	return keep_text(text);
}

json_t *
keep_json(json_t *json)
{
	kept_new()->json = json;
	return json;
}

struct blob *
keep_blob(struct blob *blob)
{
	kept_new()->blob = blob;
	return blob;
}

void
keep_end(void)
{
	struct kept *k;

	while ((k = all) != NULL) {
		all = k->next;
		free(k->text);
		json_decref(k->json);
		blob_unref(k->blob);
		free(k);
	}
}
