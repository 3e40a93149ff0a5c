#include "config/config.h"

#include "config/base/must.h"
#include "config/schema.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX   (1 << 20)
#define LISTEN_MAX 64
#define NAMED_MAX  64
#define HOSTS_MAX  4096
#define RULES_MAX  1024

/* What there is without a "listen". */
static const char listen_default[] =
    "[{\"address\":\"127.0.0.1:8081\",\"serve\":[\"pccs\",\"ops\",\"admin\"]}]";

/* --- ownership -------------------------------------------------------- */

static void
scope_free(enum setting_scope scope, void *base)
{
	size_t i;

	for (i = 0; i < settings_n; i++) {
		if (settings[i].scope == scope)
			setting_free(&settings[i], base);
	}
}

static void
config_free(struct config *c)
{
	size_t i;

	for (i = 0; i < c->n_listen; i++)
		scope_free(SCOPE_LISTEN, &c->listen[i]);
	free(c->listen);
	for (i = 0; i < c->tokens.n_named; i++) {
		scope_free(SCOPE_TOKEN, &c->tokens.named[i]);
		free(c->tokens.named[i].hash);
	}
	free(c->tokens.named);
	for (i = 0; i < c->n_hosts; i++)
		scope_free(SCOPE_HOST, &c->hosts[i]);
	free(c->hosts);
	for (i = 0; i < c->baseline.n_fmspc; i++)
		scope_free(SCOPE_FMSPC, &c->baseline.fmspc[i]);
	free(c->baseline.fmspc);
	for (i = 0; i < c->baseline.n_amd; i++)
		scope_free(SCOPE_AMD, &c->baseline.amd[i]);
	free(c->baseline.amd);
	scope_free(SCOPE_CONFIG, c);
	config_list_free(&c->tokens.admin_sha512);
	config_list_free(&c->tokens.user_sha512);
	if (c->upstream.pcs.api_key != NULL)
		explicit_bzero(c->upstream.pcs.api_key,
		    strlen(c->upstream.pcs.api_key));
	free(c->upstream.pcs.api_key);
	free(c->path);
	free(c);
}

struct config *
config_ref(struct config *c)
{
	if (c != NULL)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void
config_unref(struct config *c)
{
	unsigned was;

	if (c == NULL)
		return;
	was = atomic_fetch_sub(&c->refs, 1);
	must(was != 0);
	if (was == 1)
		config_free(c);
}

/* --- reading ---------------------------------------------------------- */

/*
 * The value at "a.b.c" under "obj" into *out; NULL when it or anything on
 * the way to it is absent or null.
 */
static enum err
member_find(struct reader *r, const json_t *obj, const char *path,
    const json_t **out)
{
	const char *dot;
	size_t n, len = strlen(r->path);

	while ((dot = strchr(path, '.')) != NULL) {
		n = (size_t)(dot - path);
		reader_enter(r, "%s%.*s", r->path[0] == '\0' ? "" : ".", (int)n,
		    path);
		obj = json_object_getn(obj, path, n);
		if (obj != NULL && !json_is_null(obj) && !json_is_object(obj))
			return reader_fail(r, "must be an object");
		path = dot + 1;
	}
	obj = json_object_get(obj, path);
	reader_leave(r, len);
	*out = json_is_null(obj) ? NULL : obj;
	return ERR_OK;
}

/* One row from an object, or its default. */
static enum err
row_read(struct reader *r, const struct setting *s, const json_t *obj,
    void *base)
{
	json_t *dflt = NULL;
	const json_t *v;
	size_t len;
	enum err e;

	if ((e = member_find(r, obj, setting_inner(s), &v)) != ERR_OK)
		return e;
	len = reader_enter(r, "%s%s", r->path[0] == '\0' ? "" : ".",
	    setting_inner(s));
	if (v == NULL && s->dflt == setting_required)
		return reader_fail(r, "is missing");
	if (v == NULL)
		v = dflt = setting_default(s);
	if (v != NULL)
		e = setting_read(r, s, v, base);
	json_decref(dflt);
	if (e == ERR_OK)
		reader_leave(r, len);
	return e;
}

static enum err
scope_read(struct reader *r, enum setting_scope scope, const json_t *obj,
    void *base)
{
	size_t i;
	enum err e;

	for (i = 0; i < settings_n; i++) {
		if (settings[i].scope != scope)
			continue;
		if ((e = row_read(r, &settings[i], obj, base)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/*
 * An array of objects into *out, *n of them: what was read before a failure
 * is there, too, for config_free.
 */
static enum err
array_read(struct reader *r, enum setting_scope scope, const json_t *list,
    size_t max, size_t size, void **out, size_t *n)
{
	size_t i, len = reader_enter(r, "%s", scope_path(scope)), inner;
	enum err e;

	if (!json_is_array(list))
		return reader_fail(r, "must be a list of objects");
	if (json_array_size(list) > max)
		return reader_fail(r, "must have at most %zu items", max);
	*out = xcalloc(json_array_size(list), size);
	for (i = 0; i < json_array_size(list); i++) {
		inner = reader_enter(r, "[%zu]", i);
		if (!json_is_object(json_array_get(list, i)))
			return reader_fail(r, "must be an object");
		*n = i + 1;
		e = scope_read(r, scope, json_array_get(list, i),
		    (char *)*out + i * size);
		if (e != ERR_OK)
			return e;
		reader_leave(r, inner);
	}
	reader_leave(r, len);
	return ERR_OK;
}

static enum err
listen_read(struct reader *r, const json_t *root, struct config *c)
{
	json_t *dflt = NULL;
	const json_t *list;
	void *out = NULL;
	enum err e;

	if ((e = member_find(r, root, "listen", &list)) != ERR_OK)
		return e;
	if (list == NULL)
		list = dflt = json_loads(listen_default, 0, NULL);
	e = array_read(r, SCOPE_LISTEN, list, LISTEN_MAX,
	    sizeof(struct config_listen), &out, &c->n_listen);
	c->listen = out;
	json_decref(dflt);
	return e;
}

/* The same for a list that may be left out. */
static enum err
rows_read(struct reader *r, enum setting_scope scope, const json_t *root,
    size_t max, size_t size, void **out, size_t *n)
{
	const json_t *list;
	enum err e;

	e = member_find(r, root, scope_path(scope), &list);
	if (e != ERR_OK || list == NULL)
		return e;
	return array_read(r, scope, list, max, size, out, n);
}

static enum err
named_read(struct reader *r, const json_t *root, struct config *c)
{
	void *out = NULL;
	enum err e;

	e = rows_read(r, SCOPE_TOKEN, root, NAMED_MAX,
	    sizeof(struct config_token), &out, &c->tokens.n_named);
	c->tokens.named = out;
	return e;
}

static enum err
hosts_read(struct reader *r, const json_t *root, struct config *c)
{
	void *out = NULL;
	enum err e;

	e = rows_read(r, SCOPE_HOST, root, HOSTS_MAX,
	    sizeof(struct config_host), &out, &c->n_hosts);
	c->hosts = out;
	return e;
}

static enum err
baseline_read(struct reader *r, const json_t *root, struct config *c)
{
	void *out = NULL;
	enum err e;

	e = rows_read(r, SCOPE_FMSPC, root, RULES_MAX,
	    sizeof(struct config_fmspc), &out, &c->baseline.n_fmspc);
	c->baseline.fmspc = out;
	if (e != ERR_OK)
		return e;
	out = NULL;
	e = rows_read(r, SCOPE_AMD, root, RULES_MAX, sizeof(struct config_amd),
	    &out, &c->baseline.n_amd);
	c->baseline.amd = out;
	return e;
}

static enum err
root_read(struct reader *r, const json_t *root, struct config *c)
{
	enum err e;

	if ((e = listen_read(r, root, c)) != ERR_OK ||
	    (e = scope_read(r, SCOPE_CONFIG, root, c)) != ERR_OK ||
	    (e = named_read(r, root, c)) != ERR_OK ||
	    (e = hosts_read(r, root, c)) != ERR_OK ||
	    (e = baseline_read(r, root, c)) != ERR_OK ||
	    (e = secrets_read(r, c)) != ERR_OK)
		return e;
	return config_check(r, c);
}

/* JSON, an object, its keys all known and there once. */
static enum err
text_read(struct span text, const char *name, json_t **root,
    struct jsonpos **pos, struct why *why)
{
	json_error_t je;
	int line = 1;
	enum err e;

	if (text.len > FILE_MAX)
		return why_set(why, ERR_CONFIG, CONFIG_CLAUSE,
		    "%s:1: larger than 1 MiB", name);
	*root = json_loadb(text.p == NULL ? "" : (const char *)text.p, text.len,
	    0, &je);
	if (*root == NULL) {
		text_clean(je.text);
		return why_set(why, ERR_CONFIG, CONFIG_CLAUSE, "%s:%d: %s",
		    name, je.line < 1 ? 1 : je.line, je.text);
	}
	if (!json_is_object(*root))
		return why_set(why, ERR_CONFIG, CONFIG_CLAUSE,
		    "%s:1: must be a JSON object", name);
	e = jsonpos_read(text, setting_known, pos, &line, why);
	return e == ERR_OK ? e : why_in(why, e, "%s:%d", name, line);
}

enum err
config_read(struct span text, const char *name, struct config **out,
    struct why *why)
{
	struct config *c = xcalloc(1, sizeof(*c));
	struct reader r = { .name = name, .why = why };
	struct jsonpos *pos = NULL;
	json_t *root = NULL;
	enum err e;

	atomic_init(&c->refs, 1);
	c->path = xstrdup(name);
	if ((e = text_read(text, name, &root, &pos, why)) != ERR_OK)
		goto out;
	r.pos = pos;
	if ((e = root_read(&r, root, c)) != ERR_OK)
		goto out;
	*out = c;
	c = NULL;
out:
	config_unref(c);
	jsonpos_free(pos);
	json_decref(root);
	return e;
}

enum err
config_load(const char *path, struct config **out, struct why *why)
{
	struct buf text = BUF_INIT;
	enum err e;

	e = config_file_read(path, FILE_MAX, &text, why);
	if (e != ERR_OK)
		e = why_in(why, ERR_CONFIG, "%s", path);
	else
		e = config_read(buf_view(&text), path, out, why);
	buf_free(&text);
	return e;
}
