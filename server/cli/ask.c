#include "config/base/blob.h"
#include "config/base/must.h"
#include "config/base/version.h"
#include "server/cli/cli.h"
#include "upstream/fetch.h"

#include <stdlib.h>
#include <string.h>

/* GET /v1/export gives the whole hot set. */
#define ANSWER_MAX     ((size_t)512 << 20)
#define DEFAULT_SERVER "http://127.0.0.1:8081"

/* Where to: *url is the caller's to free, *unix_path is borrowed. */
static void
ask_url(const struct cli *cli, const struct cli_ask *ask, char **url,
    const char **unix_path)
{
	const char *server = ask->server;
	struct buf b = BUF_INIT;
	size_t len;

	if (server == NULL)
		server = cli_value(cli, "server");
	if (server == NULL)
		server = getenv("LARDER_SERVER");
	if (server == NULL || server[0] == '\0')
		server = DEFAULT_SERVER;
	*unix_path = NULL;
	if (strncmp(server, "unix:", 5) == 0) {
		*unix_path = server + 5;
		server = "http://localhost";
	} else if (strstr(server, "://") == NULL) {
		buf_str(&b, "http://");
	}
	len = strlen(server);
	while (len > 0 && server[len - 1] == '/')
		len--;
	buf_add(&b, server, len);
	buf_str(&b, ask->path);
	*url = span_dup(buf_view(&b));
	buf_free(&b);
}

/* The token's header line in "out"; empty when there is no token. */
static enum err
ask_token(const struct cli *cli, struct buf *out, struct why *why)
{
	const char *path = cli_value(cli, "token-file");
	const char *env = getenv("LARDER_ADMIN_TOKEN");
	size_t i;

	if ((cli->command->common & CLI_TOKEN) == 0)
		return ERR_OK;
	if (path == NULL && (env == NULL || env[0] == '\0'))
		return ERR_OK;
	buf_str(out, "admin-token: ");
	if (path != NULL) {
		enum err e = cli_read_line(path, out, why);
		if (e != ERR_OK)
			return e;
	} else {
		buf_str(out, env);
	}
	for (i = 0; i < out->len; i++)
		if ((unsigned char)out->p[i] < ' ' || out->p[i] == 0x7f)
			return why_set(why, ERR_FORMAT, "",
			    "the token has a control character in it");
	return ERR_OK;
}

int
cli_ask(const struct cli *cli, const struct cli_ask *ask,
    struct http_answer *out)
{
	struct http_ask http = { .method = ask->method };
	const char *headers[4];
	struct buf token = BUF_INIT, type = BUF_INIT;
	struct why why = { 0 };
	char *url = NULL;
	long seconds;
	int rc = CLI_FAILED;

	if (!cli_number(cli, "timeout", 1, 86400, 600, &seconds))
		return CLI_USAGE;
	if (ask_token(cli, &token, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	headers[http.n_headers++] = "User-Agent: larder/" LARDER_VERSION;
	if (token.len > 0) {
		buf_add(&token, "", 1);
		headers[http.n_headers++] = token.p;
	}
	if (ask->type != NULL) {
		buf_printf(&type, "Content-Type: %s", ask->type);
		buf_add(&type, "", 1);
		headers[http.n_headers++] = type.p;
	}
	if (ask->header != NULL)
		headers[http.n_headers++] = ask->header;
	ask_url(cli, ask, &url, &http.unix_path);
	http.url = url;
	http.headers = headers;
	http.body = span_of(ask->body, ask->len);
	http.ca_file = cli_value(cli, "ca");
	http.timeout_ms = seconds * 1000;
	http.max_bytes = ANSWER_MAX;
	if (http_fetch(&http, out, &why) != ERR_OK) {
		cli_fail(cli, "%s: %s", url, why.text);
		goto out;
	}
	rc = CLI_OK;
out:
	if (token.p != NULL)
		explicit_bzero(token.p, token.len);
	buf_free(&token);
	buf_free(&type);
	free(url);
	return rc;
}

/* The first line of a body, cut short: servers may send whole pages. */
static struct span
first_line(const struct buf *body)
{
	size_t n;

	for (n = 0; n < body->len && n < 200 && body->p[n] >= ' '; n++)
		;
	return span_of(body->p, n);
}

int
cli_answer_failed(const struct cli *cli, const struct http_answer *a)
{
	struct span reason = http_answer_header(a, "Larder-Reason");
	struct span text = first_line(&a->body);

	cli_fail(cli, "the server answered %d%s%.*s%s%.*s%s", a->status,
	    text.len > 0 ? ": " : "", (int)text.len, (const char *)text.p,
	    reason.len > 0 ? " (" : "", (int)reason.len, (const char *)reason.p,
	    reason.len > 0 ? ")" : "");
	if (a->status == 401)
		fputs("give the admin token with --token-file or "
		      "$LARDER_ADMIN_TOKEN\n",
		    stderr);
	return CLI_FAILED;
}

int
cli_ask_ok(const struct cli *cli, const struct cli_ask *ask,
    struct http_answer *out)
{
	int rc = cli_ask(cli, ask, out);

	if (rc != CLI_OK)
		return rc;
	if (out->status == 200)
		return CLI_OK;
	rc = cli_answer_failed(cli, out);
	http_answer_free(out);
	return rc;
}
