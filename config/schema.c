#include "config/schema.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char setting_required[] = "required";

#define REQUIRED setting_required
#define SET(path, kind, member, min, max, dflt, unit, help)                    \
	{ path, SCOPE_CONFIG, KIND_##kind, offsetof(struct config, member),    \
		min, max, dflt, unit, help },
#define SET_LISTEN(path, kind, member, min, max, dflt, unit, help)             \
	{ path, SCOPE_LISTEN, KIND_##kind,                                     \
		offsetof(struct config_listen, member), min, max, dflt, unit,  \
		help },
#define SET_HOST(path, kind, member, min, max, dflt, unit, help)               \
	{ path, SCOPE_HOST, KIND_##kind, offsetof(struct config_host, member), \
		min, max, dflt, unit, help },
#define SET_TOKEN(path, kind, member, min, max, dflt, unit, help)              \
	{ path, SCOPE_TOKEN, KIND_##kind,                                      \
		offsetof(struct config_token, member), min, max, dflt, unit,   \
		help },
#define SET_FMSPC(path, kind, member, min, max, dflt, unit, help)              \
	{ path, SCOPE_FMSPC, KIND_##kind,                                      \
		offsetof(struct config_fmspc, member), min, max, dflt, unit,   \
		help },
#define SET_AMD(path, kind, member, min, max, dflt, unit, help)                \
	{ path, SCOPE_AMD, KIND_##kind, offsetof(struct config_amd, member),   \
		min, max, dflt, unit, help },
const struct setting settings[] = {
#include "config/schema.def"
};
#undef SET
#undef SET_LISTEN
#undef SET_HOST
#undef SET_TOKEN
#undef SET_FMSPC
#undef SET_AMD

const size_t settings_n = sizeof(settings) / sizeof(settings[0]);

/* --- names ------------------------------------------------------------ */

struct word {
	const char *name;
	unsigned value;
};
static const struct word modes[] = {
	{ "lazy", MODE_LAZY },
	{ "req", MODE_REQ },
	{ "offline", MODE_OFFLINE },
	{ NULL, 0 },
};
static const struct word roles[] = {
	{ "admin", ROLE_ADMIN | ROLE_USER },
	{ "user", ROLE_USER },
	{ NULL, 0 },
};
static const struct word follows[] = {
	{ "standard", FOLLOW_STANDARD },
	{ "early", FOLLOW_EARLY },
	{ NULL, 0 },
};
static const struct word retires[] = {
	{ "hold", RETIRE_HOLD },
	{ "advance", RETIRE_ADVANCE },
	{ NULL, 0 },
};
static const struct word families[] = {
	{ "pccs", SERVE_PCCS },
	{ "ops", SERVE_OPS },
	{ "admin", SERVE_ADMIN },
	{ "kds", SERVE_KDS },
	{ "thim", SERVE_THIM },
	{ "verify", SERVE_VERIFY },
	{ NULL, 0 },
};

/* How a value is kept, by kind. */
enum base {
	BASE_STRING,  /* char *, checked by "check" */
	BASE_STRINGS, /* struct config_list, each item checked */
	BASE_WORD,    /* enum, one of "words" */
	BASE_WORDS,   /* unsigned, words or-ed */
	BASE_BOOL,
	BASE_INT,
	BASE_INT64,
	BASE_TIME
};

static const struct kind {
	enum base base;
	const char *noun;
	enum err (*check)(char *, struct why *);
	const struct word *words;
} kinds[KIND_N] = {
	[KIND_ADDRESS] = { BASE_STRING, "address", syntax_address, NULL },
	[KIND_SERVE] = { BASE_WORDS, "list of names", NULL, families },
	[KIND_FILE] = { BASE_STRING, "path", syntax_file, NULL },
	[KIND_FILES] = { BASE_STRINGS, "list of paths", syntax_file, NULL },
	[KIND_DATABASE] = { BASE_STRING, "string", syntax_database, NULL },
	[KIND_MODE] = { BASE_WORD, "name", NULL, modes },
	[KIND_BASE_URLS] = { BASE_STRINGS, "list of URLs", syntax_base_url,
	    NULL },
	[KIND_URLS] = { BASE_STRINGS, "list of URLs", syntax_url, NULL },
	[KIND_PROXY] = { BASE_STRING, "URL", syntax_proxy, NULL },
	[KIND_SPKIS] = { BASE_STRINGS, "list of digests", syntax_spki, NULL },
	[KIND_SHA512S] = { BASE_STRINGS, "list of hashes", syntax_sha512,
	    NULL },
	[KIND_MATCHES] = { BASE_STRINGS, "list of callers", syntax_match,
	    NULL },
	[KIND_PRODUCT] = { BASE_STRING, "name", syntax_product, NULL },
	[KIND_CHIP_IDS] = { BASE_STRINGS, "list of chip ids", syntax_chip_id,
	    NULL },
	[KIND_TCB] = { BASE_STRING, "TCB", syntax_tcb, NULL },
	[KIND_QE_IDS] = { BASE_STRINGS, "list of QE-IDs", syntax_qe_id, NULL },
	[KIND_NAME] = { BASE_STRING, "string", syntax_name, NULL },
	[KIND_NAMES] = { BASE_STRINGS, "list of names", syntax_name, NULL },
	[KIND_ROLE] = { BASE_WORD, "name", NULL, roles },
	[KIND_SCRYPT] = { BASE_STRING, "hash", syntax_scrypt, NULL },
	[KIND_ISSUER] = { BASE_STRING, "string", syntax_issuer, NULL },
	[KIND_TIME] = { BASE_TIME, "UTC time", NULL, NULL },
	[KIND_LEVEL] = { BASE_STRING, "name", syntax_level, NULL },
	[KIND_FOLLOW] = { BASE_WORD, "name", NULL, follows },
	[KIND_RETIRE] = { BASE_WORD, "name", NULL, retires },
	[KIND_FMSPC] = { BASE_STRING, "FMSPC", syntax_fmspc, NULL },
	[KIND_CHIP_ID] = { BASE_STRING, "chip id", syntax_chip_id, NULL },
	[KIND_URL] = { BASE_STRING, "URL", syntax_url, NULL },
	[KIND_BOOL] = { BASE_BOOL, "true or false", NULL, NULL },
	[KIND_INT] = { BASE_INT, "integer", NULL, NULL },
	[KIND_INT64] = { BASE_INT64, "integer", NULL, NULL },
};

const char *
kind_noun(enum setting_kind kind)
{
	return kinds[kind].noun;
}

/* Any case, as PCCS's own configuration is written in capitals. */
static const struct word *
word_find(const struct word *words, const char *name)
{
	for (; words->name != NULL; words++) {
		if (span_eq_nocase(span_str(name), words->name))
			return words;
	}
	return NULL;
}

static enum err
word_fail(const struct reader *r, const struct word *words)
{
	char all[100] = "";
	size_t n;

	for (; words->name != NULL; words++) {
		n = strlen(all);
		snprintf(all + n, sizeof(all) - n, "%s\"%s\"",
		    n == 0                  ? ""
		    : words[1].name == NULL ? " or "
					    : ", ",
		    words->name);
	}
	return reader_fail(r, "must be %s", all);
}

/* --- paths ------------------------------------------------------------ */

const char *
scope_path(enum setting_scope scope)
{
	switch (scope) {
	case SCOPE_LISTEN:
		return "listen";
	case SCOPE_HOST:
		return "hosts";
	case SCOPE_TOKEN:
		return "tokens.named";
	case SCOPE_FMSPC:
		return "baseline.fmspc";
	case SCOPE_AMD:
		return "baseline.amd";
	case SCOPE_CONFIG:
		break;
	}
	return "";
}

const char *
setting_inner(const struct setting *s)
{
	const char *scope = scope_path(s->scope);

	/* "[]." follows the array's path */
	return scope[0] == '\0' ? s->path : s->path + strlen(scope) + 3;
}

/* "a[12].b" as "a[].b". */
static void
path_plain(const char *path, char out[JSONPOS_PATH])
{
	size_t n = 0;
	bool in = false;

	for (; *path != '\0' && n < JSONPOS_PATH - 1; path++) {
		in = in && *path != ']';
		if (!in)
			out[n++] = *path;
		in = in || *path == '[';
	}
	out[n] = '\0';
}

bool
setting_known(const char *path)
{
	char plain[JSONPOS_PATH];
	size_t i, n;

	path_plain(path, plain);
	n = strlen(plain);
	for (i = 0; i < settings_n; i++) {
		if (strncmp(settings[i].path, plain, n) == 0 &&
		    (settings[i].path[n] == '\0' ||
			settings[i].path[n] == '.' ||
			settings[i].path[n] == '['))
			return true;
	}
	return false;
}

/* --- the reader ------------------------------------------------------- */

void
text_clean(char *s)
{
	for (; *s != '\0'; s++) {
		if ((*s >= 0 && *s < ' ') || *s == 0x7f)
			*s = '?';
	}
}

enum err
reader_fail(const struct reader *r, const char *fmt, ...)
{
	char text[sizeof(r->why->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text);
	return why_set(r->why, ERR_CONFIG, CONFIG_CLAUSE, "%s:%d: %s: %s",
	    r->name, jsonpos_line(r->pos, r->path), r->path, text);
}

size_t
reader_enter(struct reader *r, const char *fmt, ...)
{
	size_t n = strlen(r->path);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->path + n, sizeof(r->path) - n, fmt, ap);
	va_end(ap);
	return n;
}

void
reader_leave(struct reader *r, size_t len)
{
	r->path[len] = '\0';
}

/* --- values ----------------------------------------------------------- */

void
config_list_add(struct config_list *l, const char *s)
{
	l->v = xrealloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = xstrdup(s);
}

void
config_list_free(struct config_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct config_list){ 0, NULL };
}

static enum err
string_read(const struct reader *r, const struct setting *s, const json_t *v,
    char **out)
{
	struct why why;
	char *text;

	if (!json_is_string(v))
		return reader_fail(r, "must be a string");
	text = xstrdup(json_string_value(v));
	if (kinds[s->kind].check(text, &why) != ERR_OK) {
		free(text);
		return reader_fail(r, "%s", why.text);
	}
	*out = text;
	return ERR_OK;
}

static enum err
strings_read(struct reader *r, const struct setting *s, const json_t *v,
    struct config_list *out)
{
	size_t i, len;
	char *text;
	enum err e;

	if (!json_is_array(v))
		return reader_fail(r, "must be a list of strings");
	if (json_array_size(v) > (size_t)s->max ||
	    json_array_size(v) < (size_t)s->min)
		return reader_fail(r, "must have %lld to %lld items",
		    (long long)s->min, (long long)s->max);
	for (i = 0; i < json_array_size(v); i++) {
		len = reader_enter(r, "[%zu]", i);
		e = string_read(r, s, json_array_get(v, i), &text);
		if (e != ERR_OK)
			return e;
		reader_leave(r, len);
		config_list_add(out, text);
		free(text);
	}
	return ERR_OK;
}

static enum err
word_read(const struct reader *r, const struct word *words, const json_t *v,
    unsigned *out)
{
	const struct word *w;

	if (!json_is_string(v) ||
	    (w = word_find(words, json_string_value(v))) == NULL)
		return word_fail(r, words);
	*out = w->value;
	return ERR_OK;
}

static enum err
words_read(struct reader *r, const struct setting *s, const json_t *v,
    unsigned *out)
{
	unsigned all = 0, one;
	size_t i, len;
	enum err e;

	if (!json_is_array(v) || json_array_size(v) < (size_t)s->min)
		return reader_fail(r, "must be a list of one name or more");
	for (i = 0; i < json_array_size(v); i++) {
		len = reader_enter(r, "[%zu]", i);
		e = word_read(r, kinds[s->kind].words, json_array_get(v, i),
		    &one);
		if (e != ERR_OK)
			return e;
		if ((all & one) != 0)
			return reader_fail(r, "is there already");
		reader_leave(r, len);
		all |= one;
	}
	*out = all;
	return ERR_OK;
}

static enum err
number_read(const struct reader *r, const struct setting *s, const json_t *v,
    int64_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < s->min || n > s->max)
		return reader_fail(r,
		    "must be an integer from %lld to %lld%s%s",
		    (long long)s->min, (long long)s->max,
		    s->unit[0] == '\0' ? "" : " ", s->unit);
	*out = n;
	return ERR_OK;
}

static enum err
time_value_read(const struct reader *r, const json_t *v, time_t *out)
{
	if (!json_is_string(v) ||
	    time_read(span_str(json_string_value(v)), out) != ERR_OK)
		return reader_fail(r, "must be \"2027-01-31T00:00:00Z\"");
	return ERR_OK;
}

enum err
setting_read(struct reader *r, const struct setting *s, const json_t *v,
    void *base)
{
	const struct kind *kind = &kinds[s->kind];
	void *at = (char *)base + s->at;
	int64_t n = 0;
	enum err e;

	switch (kind->base) {
	case BASE_STRING:
		return string_read(r, s, v, at);
	case BASE_STRINGS:
		return strings_read(r, s, v, at);
	case BASE_WORD:
		return word_read(r, kind->words, v, at);
	case BASE_WORDS:
		return words_read(r, s, v, at);
	case BASE_BOOL:
		if (!json_is_boolean(v))
			return reader_fail(r, "must be true or false");
		*(bool *)at = json_is_true(v);
		return ERR_OK;
	case BASE_INT:
	case BASE_INT64:
		if ((e = number_read(r, s, v, &n)) != ERR_OK)
			return e;
		if (kind->base == BASE_INT)
			*(int *)at = (int)n;
		else
			*(int64_t *)at = n;
		return ERR_OK;
	case BASE_TIME:
		return time_value_read(r, v, at);
	}
	return reader_fail(r, "has no kind");
}

/* Blanks separate the items of a list. */
static json_t *
words_json(const char *text)
{
	json_t *list = json_array();
	size_t n;

	while (*text != '\0') {
		n = strcspn(text, " ");
		must(json_array_append_new(list, json_stringn(text, n)) == 0);
		text += n + strspn(text + n, " ");
	}
	return list;
}

json_t *
setting_default(const struct setting *s)
{
	if (s->dflt == NULL || s->dflt == setting_required)
		return NULL;
	switch (kinds[s->kind].base) {
	case BASE_STRINGS:
	case BASE_WORDS:
		return words_json(s->dflt);
	case BASE_BOOL:
		return json_boolean(strcmp(s->dflt, "true") == 0);
	case BASE_INT:
	case BASE_INT64:
		return json_integer(strtoll(s->dflt, NULL, 10));
	case BASE_STRING:
	case BASE_WORD:
	case BASE_TIME:
		break;
	}
	return json_string(s->dflt);
}

static json_t *
strings_write(const struct config_list *l)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < l->n; i++)
		must(json_array_append_new(list, json_string(l->v[i])) == 0);
	return list;
}

static json_t *
words_write(const struct word *words, unsigned value)
{
	json_t *list = json_array();

	for (; words->name != NULL; words++) {
		if ((value & words->value) != 0)
			must(json_array_append_new(list,
				 json_string(words->name)) == 0);
	}
	return list;
}

static json_t *
word_write(const struct word *words, unsigned value)
{
	while (words->name != NULL && words->value != value)
		words++;
	/* A word without a default may not be set. */
	return words->name == NULL ? json_null() : json_string(words->name);
}

static json_t *
time_value_write(time_t t)
{
	char text[TIME_LEN];

	if (t == 0)
		return json_null();
	time_write(t, text);
	return json_string(text);
}

json_t *
setting_write(const struct setting *s, const void *base)
{
	const struct kind *kind = &kinds[s->kind];
	const void *at = (const char *)base + s->at;
	const char *text;

	switch (kind->base) {
	case BASE_STRING:
		text = *(char *const *)at;
		return text == NULL ? json_null() : json_string(text);
	case BASE_STRINGS:
		return strings_write(at);
	case BASE_WORD:
		return word_write(kind->words, *(const unsigned *)at);
	case BASE_WORDS:
		return words_write(kind->words, *(const unsigned *)at);
	case BASE_BOOL:
		return json_boolean(*(const bool *)at);
	case BASE_INT:
		/* Without a default, 0 is "not set". */
		return s->dflt == NULL && *(const int *)at == 0
			   ? json_null()
			   : json_integer(*(const int *)at);
	case BASE_INT64:
		return json_integer(*(const int64_t *)at);
	case BASE_TIME:
		return time_value_write(*(const time_t *)at);
	}
	return json_null();
}

void
setting_free(const struct setting *s, void *base)
{
	void *at = (char *)base + s->at;

	if (kinds[s->kind].base == BASE_STRING)
		free(*(char **)at);
	else if (kinds[s->kind].base == BASE_STRINGS)
		config_list_free(at);
}
