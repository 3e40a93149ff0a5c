#include "server/profile.h"

#include "config/base/must.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".json"

void
profiles_free(struct profile *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(v[i].name);
		require_fini(&v[i].require);
	}
	free(v);
}

static enum err
file_read(const char *path, struct buf *out, struct why *why)
{
	FILE *f = fopen(path, "re");
	enum err e = ERR_OK;
	char part[4096];
	size_t n;

	if (f == NULL)
		return why_set(why, ERR_CONFIG, "larder.json", "%s: %s", path,
		    strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0 &&
	       out->len <= PROFILE_LEN)
		buf_add(out, part, n);
	if (ferror(f) || out->len > PROFILE_LEN)
		e = why_set(why, ERR_CONFIG, "larder.json",
		    "%s: not to be read, or too long", path);
	fclose(f);
	return e;
}

/* Members that speak of the request.  Those that true sets may be requirements
 * as well, and are when they are neither true nor false. */
static const struct mark {
	const char *name;
	bool set; /* by this value */
	size_t at;
} marks[] = {
	{ "at", false, offsetof(struct profile, no_at) },
	{ "collateral", false, offsetof(struct profile, no_collateral) },
	{ "nonce", true, offsetof(struct profile, nonce) },
	{ "report_data", true, offsetof(struct profile, report_data) },
	{ "runtime_data", true, offsetof(struct profile, runtime_data) },
};

/* They are taken out of "o". */
static enum err
marks_read(json_t *o, struct profile *p, const char *path, struct why *why)
{
	const struct mark *m;
	const json_t *v;
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		m = &marks[i];
		v = json_object_get(o, m->name);
		if (v == NULL || (m->set && !json_is_boolean(v)))
			continue;
		if (!json_is_boolean(v))
			return why_set(why, ERR_CONFIG, "larder.json",
			    "%s.%s: neither true nor false", path, m->name);
		*(bool *)((char *)p + m->at) = json_is_true(v) == m->set;
		json_object_del(o, m->name);
	}
	return ERR_OK;
}

static enum err
profile_parse(struct span text, const char *path, struct profile *p,
    struct why *why)
{
	json_error_t error;
	json_t *o = json_loadb((const char *)text.p, text.len,
	    JSON_REJECT_DUPLICATES, &error);
	enum err e;

	if (o == NULL)
		return why_set(why, ERR_CONFIG, "larder.json",
		    "%s: line %d, column %d: %s", path, error.line,
		    error.column, error.text);
	e = marks_read(o, p, path, why);
	if (e == ERR_OK && require_read(&p->require, o, path, why) != ERR_OK)
		e = why->err = ERR_CONFIG;
	json_decref(o);
	return e;
}

static enum err
profile_read(const char *dir, const char *file, struct profile *p,
    struct why *why)
{
	struct buf text = BUF_INIT;
	char path[4096];
	enum err e;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	p->name = xstrndup(file, strlen(file) - strlen(SUFFIX));
	require_init(&p->require, true);
	if ((e = file_read(path, &text, why)) == ERR_OK)
		e = profile_parse(buf_view(&text), path, p, why);
	buf_free(&text);
	return e;
}

static int
is_profile(const struct dirent *d)
{
	size_t n = strlen(d->d_name), end = strlen(SUFFIX);

	return d->d_name[0] != '.' && n > end &&
	       strcmp(d->d_name + n - end, SUFFIX) == 0;
}

static enum err
folder_read(const char *dir, struct profile **out, size_t *n, struct why *why)
{
	struct dirent **names;
	int i, found = scandir(dir, &names, is_profile, alphasort);
	enum err e = ERR_OK;

	if (found < 0)
		return why_set(why, ERR_CONFIG, "larder.json",
		    "verify.profiles: %s: %s", dir, strerror(errno));
	if (found > PROFILES_MAX)
		e = why_set(why, ERR_CONFIG, "larder.json",
		    "verify.profiles: more than %d", PROFILES_MAX);
	*out = xcalloc((size_t)found + 1, sizeof(**out));
	for (i = 0; i < found; i++) {
		if (e == ERR_OK)
			e = profile_read(dir, names[i]->d_name, &(*out)[(*n)++],
			    why);
		free(names[i]);
	}
	free(names);
	return e;
}

/* The one that stands when none is named has to be there. */
static enum err
check_default(const struct config *config, const struct profile *v, size_t n,
    struct why *why)
{
	const char *name = config->verify.profile;
	size_t i;

	for (i = 0; i < n && name != NULL; i++)
		if (strcmp(v[i].name, name) == 0)
			return ERR_OK;
	return name == NULL
		   ? ERR_OK
		   : why_set(why, ERR_CONFIG, "larder.json",
			 "verify.profile: no %s" SUFFIX " in verify.profiles",
			 name);
}

enum err
profiles_read(const struct config *config, struct profile **out, size_t *n,
    struct why *why)
{
	struct profile *v = NULL;
	size_t count = 0;
	enum err e = ERR_OK;

	if (config->verify.profiles != NULL)
		e = folder_read(config->verify.profiles, &v, &count, why);
	if (e == ERR_OK)
		e = check_default(config, v, count, why);
	if (e != ERR_OK) {
		profiles_free(v, count);
		return e;
	}
	*out = v;
	*n = count;
	return ERR_OK;
}
