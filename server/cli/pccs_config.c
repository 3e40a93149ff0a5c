/*
 * larder import pccs-config: the settings of an Intel PCCS, its
 * config/default.json with comments and all, as larder.json.  Every setting
 * of the original is either translated or named in a note: nothing of it is
 * dropped in silence.
 */
#include "config/base/blob.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/cli.h"
#include "server/cli/pccs.h"
#include "server/cli/show.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX (1 << 20)

struct settings {
	const struct cli *cli;
	const json_t *in;
	json_t *out;
};

static void note(const char *fmt, ...) PRINTF(1, 2);

static void
note(const char *fmt, ...)
{
	char text[1024], *safe;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	safe = show_text(text); /* names and values of a file */
	fprintf(stderr, "note: %s\n", safe);
	free(safe);
}

/* --- JSON with comments ----------------------------------------------- */

/* The end of the string that begins at i. */
static size_t
string_end(const char *p, size_t i, size_t len)
{
	for (i++; i < len && p[i] != '"'; i++)
		if (p[i] == '\\')
			i++;
	return i;
}

static bool
closes_next(const char *p, size_t i, size_t len)
{
	for (i++; i < len && isspace((unsigned char)p[i]); i++)
		continue;
	return i < len && (p[i] == '}' || p[i] == ']');
}

/*
 * Blank out comments, and then commas before a closing bracket; lines stay
 * where they are, so that an error's line number is the file's.
 */
static void
plain_json(char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] == '"') {
			i = string_end(p, i, len);
		} else if (p[i] == '/' && i + 1 < len && p[i + 1] == '/') {
			for (; i < len && p[i] != '\n'; i++)
				p[i] = ' ';
		} else if (p[i] == '/' && i + 1 < len && p[i + 1] == '*') {
			for (; i < len &&
			       !(p[i] == '*' && i + 1 < len && p[i + 1] == '/');
			     i++)
				if (p[i] != '\n')
					p[i] = ' ';
			if (i + 1 < len)
				p[i] = p[i + 1] = ' ';
		}
	}
	for (i = 0; i < len; i++) {
		if (p[i] == '"')
			i = string_end(p, i, len);
		else if (p[i] == ',' && closes_next(p, i, len))
			p[i] = ' ';
	}
}

/* --- one setting after the other -------------------------------------- */

/* A string that says something, or NULL. */
static const char *
text_at(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL || *s == '\0' ? NULL : s;
}

static void
put(json_t *o, const char *name, json_t *value)
{
	must(value != NULL && json_object_set_new(o, name, value) == 0);
}

/* The object under a name of the result, made when it is not there. */
static json_t *
part(json_t *o, const char *name)
{
	if (json_object_get(o, name) == NULL)
		put(o, name, json_object());
	return json_object_get(o, name);
}

/* PCCS speaks TLS alone, with ssl_key/ beside the folder of its settings. */
static json_t *
tls_of(const char *file)
{
	/* larderd starts in another folder than this. */
	char *real = realpath(file, NULL);
	char *dir = xstrdup(real == NULL ? file : real), *slash;
	struct buf cert = BUF_INIT, key = BUF_INIT;
	json_t *o;
	int up;

	for (up = 0; up < 2; up++) {
		if ((slash = strrchr(dir, '/')) != NULL)
			*slash = '\0';
		else
			strcpy(dir, up == 0 ? "." : "..");
	}
	buf_printf(&cert, "%s/ssl_key/file.crt", dir);
	buf_printf(&key, "%s/ssl_key/private.pem", dir);
	o = json_pack("{s:s%, s:s%}", "certificate", cert.p, cert.len, "key",
	    key.p, key.len);
	buf_free(&cert);
	buf_free(&key);
	free(dir);
	free(real);
	return o;
}

/*
 * PCCS takes a number, or a string that is one.  What is no port makes an
 * address that is refused as such.
 */
static void
port_of(const struct settings *s, struct buf *out)
{
	const json_t *port = json_object_get(s->in, "HTTPS_PORT");

	if (json_is_integer(port))
		buf_printf(out, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(port));
	else if (port == NULL)
		buf_str(out, "8081");
	else
		buf_str(out, json_is_string(port) ? json_string_value(port)
						  : "HTTPS_PORT");
}

static void
take_listen(struct settings *s)
{
	const char *hosts = text_at(s->in, "hosts");
	bool six;
	struct buf at = BUF_INIT;
	json_t *listener;

	if (hosts == NULL || strcmp(hosts, "localhost") == 0)
		hosts = "127.0.0.1";
	six = strchr(hosts, ':') != NULL;
	buf_printf(&at, "%s%s%s:", six ? "[" : "", hosts, six ? "]" : "");
	port_of(s, &at);
	listener = json_pack("{s:s%, s:[s, s, s], s:o}", "address", at.p,
	    at.len, "serve", "pccs", "ops", "admin", "tls",
	    tls_of(s->cli->argv[0]));
	put(s->out, "listen", json_pack("[o]", listener));
	buf_free(&at);
}

static void
take_upstream(struct settings *s)
{
	const char *uri = text_at(s->in, "uri"), *path,
		   *proxy = text_at(s->in, "proxy");
	json_t *upstream;

	if (uri != NULL) {
		path = strstr(uri, "://");
		path = path == NULL ? NULL : strchr(path + 3, '/');
		upstream = part(part(s->out, "upstream"), "pcs");
		put(upstream, "urls",
		    json_pack("[s%]", uri,
			path == NULL ? strlen(uri) : (size_t)(path - uri)));
		if (path != NULL && strstr(path, "/v3") != NULL)
			note("uri: asked with API version 4, version 3 has "
			     "ended");
	}
	if (proxy != NULL)
		put(part(s->out, "upstream"), "proxy", json_string(proxy));
	if (text_at(s->in, "ApiKey") != NULL)
		note("ApiKey: left out, PCS needs none since version 4; for a "
		     "mirror that does, see upstream.pcs.api_key_file");
}

static void
take_tokens(struct settings *s)
{
	static const char *const names[][2] = {
		{ "AdminTokenHash", "admin_sha512" },
		{ "UserTokenHash", "user_sha512" },
	};
	const char *hash;
	size_t i;

	for (i = 0; i < 2; i++) {
		hash = text_at(s->in, names[i][0]);
		if (hash != NULL)
			put(part(s->out, "tokens"), names[i][1],
			    json_pack("[s]", hash));
		else
			note("%s: not set, so %s-token is refused", names[i][0],
			    i == 0 ? "every admin" : "every user");
	}
}

static void
take_mode(struct settings *s)
{
	static const char *const levels[][2] = {
		{ "error", "error" },
		{ "warn", "warn" },
		{ "info", "info" },
		{ "http", "info" },
		{ "verbose", "debug" },
		{ "debug", "debug" },
		{ "silly", "debug" },
	};
	const char *mode = text_at(s->in, "CachingFillMode"),
		   *level = text_at(s->in, "LogLevel");
	char lower[16] = "";
	size_t i;

	for (i = 0; mode != NULL && mode[i] != '\0' && i < sizeof(lower) - 1;
	     i++)
		lower[i] = (char)tolower((unsigned char)mode[i]);
	if (mode != NULL)
		put(s->out, "mode", json_string(lower));
	for (i = 0; level != NULL && i < sizeof(levels) / sizeof(levels[0]);
	     i++)
		if (strcmp(level, levels[i][0]) == 0)
			put(part(s->out, "log"), "level",
			    json_string(levels[i][1]));
}

static void
take_database(struct settings *s)
{
	const char *kind = text_at(s->in, "DB_CONFIG");
	const json_t *options;
	const char *file;

	put(s->out, "database",
	    json_string("sqlite:/var/lib/larder/larder.db"));
	if (kind != NULL && strcmp(kind, "sqlite") != 0) {
		note("DB_CONFIG: what %s holds is not taken over, larder keeps "
		     "its own database",
		    kind);
		return;
	}
	options = json_object_get(json_object_get(s->in, "sqlite"), "options");
	file = text_at(options, "storage");
	note("sqlite: once larderd runs, \"larder import pccs-db %s\" takes "
	     "over what it holds",
	    file == NULL ? "pckcache.db" : file);
}

static void
note_the_rest(const struct settings *s)
{
	/* Taken above, or without a meaning here. */
	static const char *const known[] = { "HTTPS_PORT", "hosts", "uri",
		"ApiKey", "proxy", "UserTokenHash", "AdminTokenHash",
		"CachingFillMode", "LogLevel", "DB_CONFIG", "sqlite", "mysql",
		"mssql", "postgres" };
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)s->in, name, value)
	{
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strcmp(name, known[i]) == 0)
				break;
		if (i < sizeof(known) / sizeof(known[0]))
			continue;
		if (strcmp(name, "RefreshSchedule") == 0)
			note("RefreshSchedule: every object is refreshed in "
			     "its own time, at half of its life or daily");
		else if (strcmp(name, "OPENSSL_FIPS_MODE") == 0 &&
			 json_is_true(value))
			note("OPENSSL_FIPS_MODE: a matter of the system's "
			     "openssl.cnf");
		else if (!json_is_false(value))
			note("%s: no such setting here, left out", name);
	}
}

/* --- the command ------------------------------------------------------ */

/* Which setting of Intel's a refused one of ours was made of, and what may
 * stand there; NULL: none of them. */
static const char *
advice(const char *refused)
{
	static const struct {
		const char *ours, *text;
	} made[] = {
		{ " listen[0].address",
		    "it is made of hosts and HTTPS_PORT: put an IP address of "
		    "this machine, or 0.0.0.0 or :: for all, in the place of a "
		    "name, and a number as the port" },
		{ " upstream.proxy",
		    "it is made of proxy: leave the user out, and let a proxy "
		    "on this machine log in to that one" },
		{ " upstream.pcs.urls",
		    "it is made of uri: where Intel's PCS or a mirror is" },
		{ " tokens.admin_sha512",
		    "it is made of AdminTokenHash: the output of "
		    "\"echo -n TOKEN | sha512sum\", or nothing" },
		{ " tokens.user_sha512",
		    "it is made of UserTokenHash: the output of "
		    "\"echo -n TOKEN | sha512sum\", or nothing" },
		{ " mode", "it is made of CachingFillMode" },
	};
	size_t i;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (strstr(refused, made[i].ours) != NULL)
			return made[i].text;
	return NULL;
}

/* What was made has to be a configuration that larderd takes. */
static int
write_settings(const struct settings *s)
{
	char *text = json_dumps(s->out, JSON_INDENT(2));
	struct config *config = NULL;
	struct buf b = BUF_INIT;
	struct why why = { 0 };
	const char *hint;
	int rc;

	must(text != NULL);
	buf_printf(&b, "%s\n", text);
	free(text);
	if (config_read(buf_view(&b), "larder.json", &config, &why) != ERR_OK) {
		hint = advice(why.text);
		rc = cli_fail(s->cli, "%s: cannot be taken over: %s%s%s%s",
		    s->cli->argv[0], why.text, hint == NULL ? "" : " (",
		    hint == NULL ? "" : hint, hint == NULL ? "" : ")");
	} else
		rc = cli_put(s->cli, buf_view(&b));
	config_unref(config);
	buf_free(&b);
	return rc;
}

int
cmd_import_pccs_config(struct cli *cli)
{
	struct settings s = { .cli = cli };
	const char *file = cli->argv[0];
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	json_error_t error;
	json_t *in = NULL;
	int rc;

	if (cli_read_file(file, CONFIG_MAX, &text, &why) != ERR_OK) {
		rc = cli_fail(cli, "%s", why.text);
		goto out;
	}
	if (text.len != 0)
		plain_json(text.p, text.len);
	in = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(in)) {
		rc = in != NULL ? cli_fail(cli, "%s: no object", file)
				: cli_fail(cli, "%s:%d: %s", file, error.line,
				      error.text);
		goto out;
	}
	s.in = in;
	s.out = json_object();
	take_listen(&s);
	take_upstream(&s);
	take_tokens(&s);
	take_mode(&s);
	take_database(&s);
	note_the_rest(&s);
	rc = write_settings(&s);
	json_decref(s.out);
out:
	json_decref(in);
	buf_free(&text);
	return rc;
}

const struct cli_command cli_pccs_commands[] = {
	{ "import pccs-config", "FILE", 1, 1, CLI_OUT, NULL,
	    "Translate the settings of an Intel PCCS (config/default.json)",
	    "Prints larder.json, or writes it with --output.  What has no\n"
	    "counterpart is named in a note on standard error.\n",
	    cmd_import_pccs_config },
	{ "import pccs-db", "FILE", 1, 1, CLI_SERVER | CLI_TOKEN, NULL,
	    "Take over the SQLite database of an Intel PCCS (pckcache.db)",
	    "Platforms, manifests, certificates, collateral, registrations\n"
	    "that wait and appraisal policies go to the running server.  What\n"
	    "does not pass its gate is named and left out; then the exit\n"
	    "status is 1.\n",
	    cmd_import_pccs_db },
	{ 0 },
};
