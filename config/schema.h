/*
 * The settings as a table, and what each kind of value looks like.  The rows
 * are those of schema.def.  Private to config/.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/base/blob.h"
#include "config/config.h"
#include "config/jsonpos.h"

#include <jansson.h>

#define CONFIG_CLAUSE "larder.json(5)"

enum setting_kind {
	KIND_ADDRESS,
	KIND_SERVE, /* list of families, or-ed into an unsigned */
	KIND_FILE,
	KIND_FILES,
	KIND_DATABASE,
	KIND_MODE,
	KIND_BASE_URLS, /* scheme, host, port */
	KIND_URLS,      /* with a path */
	KIND_PROXY,
	KIND_SPKIS,   /* 64 hex digits */
	KIND_SHA512S, /* 128 hex digits, file: or env: */
	KIND_MATCHES, /* match_read() */
	KIND_PRODUCT,
	KIND_CHIP_IDS, /* 128 or 16 hex digits */
	KIND_TCB,      /* 16 hex digits, or "auto" */
	KIND_QE_IDS,
	KIND_NAME,
	KIND_NAMES,
	KIND_ROLE,
	KIND_SCRYPT, /* $scrypt$..., file: or env: */
	KIND_ISSUER, /* a name or a URL */
	KIND_TIME,
	KIND_LEVEL,
	KIND_FOLLOW,
	KIND_RETIRE,
	KIND_FMSPC,   /* 12 hex digits */
	KIND_CHIP_ID, /* one of KIND_CHIP_IDS */
	KIND_URL,
	KIND_BOOL,
	KIND_INT,
	KIND_INT64,
	KIND_N
};

/* The struct a row's member is in. */
enum setting_scope {
	SCOPE_CONFIG,
	SCOPE_LISTEN,
	SCOPE_HOST,
	SCOPE_TOKEN,
	SCOPE_FMSPC,
	SCOPE_AMD
};

struct setting {
	const char *path; /* whole: "listen[].tls.key" */
	enum setting_scope scope;
	enum setting_kind kind;
	size_t at; /* offset of the member */
	int64_t min, max;
	const char *dflt, *unit, *help;
};

extern const struct setting settings[];
extern const size_t settings_n;
extern const char setting_required[]; /* dflt, by its address */

/* The array a scope's objects stand in: "listen", "hosts", "tokens.named";
 * or "". */
const char *scope_path(enum setting_scope);
/* A row's path inside its object: "tls.key" of "listen[].tls.key". */
const char *setting_inner(const struct setting *);
/* jsonpos_known_fn: a setting's path, or a container of one. */
bool setting_known(const char *path);

/*
 * One reading of one text.  "path" is where we are: a function that goes in
 * appends to it and comes back only when all is well, so that it names the
 * culprit after a failure.
 */
struct reader {
	const char *name; /* of the file */
	const struct jsonpos *pos;
	struct why *why;
	char path[JSONPOS_PATH];
};

/* Make control characters "?": messages quote what a file says. */
void text_clean(char *);
/* Fill why with "FILE:LINE: PATH: text" of the current path. */
enum err reader_fail(const struct reader *, const char *fmt, ...) PRINTF(2, 3);
/* Append to the path; gives the length to cut it back to. */
size_t reader_enter(struct reader *, const char *fmt, ...) PRINTF(2, 3);
void reader_leave(struct reader *, size_t len);

/*
 * One value of a row's kind, "base" being the struct its member is in.
 * The member is zero before the reading and owned by the struct after it.
 */
enum err setting_read(struct reader *, const struct setting *, const json_t *,
    void *base) MUST_CHECK;
/* The default as JSON; NULL when there is none.  A new reference. */
json_t *setting_default(const struct setting *);
/* The value as JSON, null when not set.  A new reference. */
json_t *setting_write(const struct setting *, const void *base);
void setting_free(const struct setting *, void *base);
/* What a value of this kind is called in the manual: "a file's path". */
const char *kind_noun(enum setting_kind);

void config_list_add(struct config_list *, const char *);
void config_list_free(struct config_list *);

/* --- parts of config_read --------------------------------------------- */

/* Replace file: and env: by what they stand for (secret.c). */
enum err secrets_read(struct reader *, struct config *) MUST_CHECK;
/* What no single row can see: contradictions between settings (check.c). */
enum err config_check(struct reader *, const struct config *) MUST_CHECK;
/* The same of hosts[] (match.c). */
enum err hosts_check(struct reader *, const struct config *) MUST_CHECK;
/* Fail at this path below the current one. */
enum err reader_fail_at(struct reader *, const char *path, const char *text);
/* The same for the rules of the TCB baseline (rule.c). */
enum err rules_check(struct reader *, const struct config *) MUST_CHECK;

/* At most "max" bytes of a file, appended (secret.c); the text of "why" has
 * no file name in it. */
enum err config_file_read(const char *path, size_t max, struct buf *out,
    struct why *) MUST_CHECK;

/* --- syntax of single values (syntax.c, match.c) ---------------------- */

/* Each gives ERR_OK or a text in "why"; some normalise in place. */
enum err syntax_address(char *, struct why *) MUST_CHECK;
enum err syntax_base_url(char *, struct why *) MUST_CHECK;
enum err syntax_url(char *, struct why *) MUST_CHECK;
enum err syntax_proxy(char *, struct why *) MUST_CHECK;
enum err syntax_file(char *, struct why *) MUST_CHECK;
enum err syntax_database(char *, struct why *) MUST_CHECK;
enum err syntax_spki(char *, struct why *) MUST_CHECK;
enum err syntax_sha512(char *, struct why *) MUST_CHECK;
enum err syntax_scrypt(char *, struct why *) MUST_CHECK;
enum err syntax_name(char *, struct why *) MUST_CHECK;
enum err syntax_issuer(char *, struct why *) MUST_CHECK;
enum err syntax_level(char *, struct why *) MUST_CHECK;
enum err syntax_match(char *, struct why *) MUST_CHECK;
enum err syntax_product(char *, struct why *) MUST_CHECK;
enum err syntax_chip_id(char *, struct why *) MUST_CHECK;
enum err syntax_tcb(char *, struct why *) MUST_CHECK;
enum err syntax_qe_id(char *, struct why *) MUST_CHECK;
enum err syntax_fmspc(char *, struct why *) MUST_CHECK;
bool address_is_loopback(const char *); /* or a unix: socket */
bool address_is_link_local(const char *);
void text_lower(char *);
void text_upper(char *);
bool url_is_clear(const char *);
bool url_is_loopback(const char *);

/* "$scrypt$..." and nothing else (token.c). */
enum err scrypt_check(const char *hash, struct why *) MUST_CHECK;

#endif
