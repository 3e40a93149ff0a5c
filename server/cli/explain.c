/*
 * larder explain, history, refresh: what the server knows of one object or
 * platform, and asking it to ask again.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <jansson.h>
#include <string.h>

#define REFRESH "/sgx/certification/v4/refresh"

/* "PATH?NAME=VALUE", the value percent-encoded; NUL-terminated. */
static void
path_query(struct buf *path, const char *base, const char *name,
    const char *value)
{
	buf_printf(path, "%s?%s=", base, name);
	buf_pct(path, span_str(value));
	buf_add(path, "", 1);
}

/* Ask for a JSON document about argv[0] and print it. */
static int
ask_about(struct cli *cli, const char *base, const char *name)
{
	struct cli_ask ask = { .method = "GET" };
	struct http_answer answer = { 0 };
	struct buf path = BUF_INIT;
	int rc;

	path_query(&path, base, name, cli->argv[0]);
	ask.path = path.p;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		rc = show_json(cli, buf_view(&answer.body));
	http_answer_free(&answer);
	buf_free(&path);
	return rc;
}

static int
cmd_explain(struct cli *cli)
{
	return ask_about(cli, "/v1/explain", "what");
}

static int
cmd_history(struct cli *cli)
{
	return ask_about(cli, "/v1/history", "key");
}

/* --- refresh ---------------------------------------------------------- */

/* 200: done. 502 brings a JSON list of what failed. */
static int
refresh_one(struct cli *cli, const char *path, const char *what)
{
	struct cli_ask ask = { .method = "POST", .path = path };
	struct http_answer answer = { 0 };
	int rc;

	if ((rc = cli_ask(cli, &ask, &answer)) != CLI_OK)
		return rc;
	if (answer.status == 200 && cli_has(cli, "json"))
		rc = show_json(cli, span_str("{\"failed\":[]}"));
	else if (answer.status == 200)
		printf("%s: refreshed\n", what);
	else if (answer.body.len > 0 && answer.body.p[0] == '[') {
		rc = CLI_FAILED;
		cli_fail(cli, "%s: not everything could be refreshed", what);
		(void)show_json(cli, buf_view(&answer.body));
	} else
		rc = cli_answer_failed(cli, &answer);
	http_answer_free(&answer);
	return rc;
}

static int
cmd_refresh(struct cli *cli)
{
	const char *fmspc = cli_value(cli, "fmspc");
	struct buf path = BUF_INIT;
	int i, rc = CLI_OK, one;

	if (cli->argc > 0 && (fmspc != NULL || cli_has(cli, "certs")))
		return cli_misuse(cli, "keys, or --certs: one of the two");
	for (i = 0; i < cli->argc; i++) {
		path.len = 0;
		path_query(&path, "/v1/refresh", "key", cli->argv[i]);
		one = refresh_one(cli, path.p, cli->argv[i]);
		rc = one != CLI_OK ? one : rc;
	}
	if (cli->argc > 0)
		goto out;
	if (cli_has(cli, "certs") || fmspc != NULL)
		buf_str(&path, REFRESH "?type=certs&fmspc=");
	else
		buf_str(&path, REFRESH);
	buf_pct(&path, span_str(fmspc));
	buf_add(&path, "", 1);
	rc = refresh_one(cli, path.p, "all");
out:
	buf_free(&path);
	return rc;
}

static const struct cli_opt refresh_opts[] = {
	{ "certs", 0, NULL, "PCK certificates of all platforms" },
	{ "fmspc", 0, "F,...", "of the platforms with these FMSPCs" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_ask_commands[] = {
	{ "explain", "KEY|QEID,PCEID|chip/HWID", 1, 1,
	    CLI_SERVER | CLI_TOKEN | CLI_JSON, NULL,
	    "Say what is known of an object or a platform, and why",
	    "KEY is as status prints it: tcb/sgx/4/00906ED50000/standard,\n"
	    "identity/qe/4/standard, pckcrl/platform, rootcrl,\n"
	    "amdchain/vcek/Milan, amdcrl/vlek/Genoa,\n"
	    "vek/vcek/Milan/HWID/DB18000000000004.\n",
	    cmd_explain },
	{ "history", "KEY", 1, 1, CLI_SERVER | CLI_TOKEN | CLI_JSON, NULL,
	    "List the versions of an object, newest first", NULL, cmd_history },
	{ "refresh", "[KEY...]", 0, -1, CLI_SERVER | CLI_TOKEN | CLI_JSON,
	    refresh_opts, "Ask upstream anew: everything, or these objects",
	    "Without KEY and options: all collateral but PCK certificates.\n",
	    cmd_refresh },
	{ 0 },
};
