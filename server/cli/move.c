/*
 * larder import, export, collateral: files in and out of a running server.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "server/cli/show.h"
#include "upstream/fetch.h"

#include <jansson.h>
#include <string.h>

#define UPLOAD_MAX (256u << 20)
#define QUOTE_MAX  (1u << 20)

/* --- import ----------------------------------------------------------- */

/*
 * Documents of API version 4 say so in collaterals.version; those of 3 say
 * nothing (pccs-api 6.11).  0, with a message: no such document.
 */
static int
document_api(const struct cli *cli, const char *path, struct span text)
{
	json_error_t error;
	json_t *json, *part;
	int api = 0;

	json = json_loadb((const char *)text.p, text.len, 0, &error);
	if (json == NULL) {
		cli_fail(cli, "%s:%d: %s", path, error.line, error.text);
		return 0;
	}
	part = json_object_get(json, "collaterals");
	if (!json_is_object(part))
		cli_fail(cli, "%s: no \"collaterals\" in it", path);
	else
		api = json_object_get(part, "version") == NULL ? 3 : 4;
	json_decref(json);
	return api;
}

static int
import_one(struct cli *cli, const char *path)
{
	struct cli_ask ask = { .method = "PUT", .type = "application/json" };
	struct http_answer answer = { 0 };
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	char url[80];
	int api, rc = CLI_FAILED;

	if (cli_read_file(path, UPLOAD_MAX, &text, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	if ((api = document_api(cli, path, buf_view(&text))) == 0)
		goto out;
	snprintf(url, sizeof(url),
	    "/sgx/certification/v%d/platformcollateral%s", api,
	    cli_has(cli, "force") ? "?force=1" : "");
	ask.path = url;
	ask.body = text.p;
	ask.len = text.len;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		printf("%s: taken\n", path);
out:
	http_answer_free(&answer);
	buf_free(&text);
	return rc;
}

static int
cmd_import(struct cli *cli)
{
	int i, rc = CLI_OK, one;

	for (i = 0; i < cli->argc; i++)
		if ((one = import_one(cli, cli->argv[i])) != CLI_OK)
			rc = one;
	return rc;
}

/* --- export ----------------------------------------------------------- */

static int
cmd_export(struct cli *cli)
{
	const char *source = cli_value(cli, "source");
	struct cli_ask ask = { .method = "GET" };
	struct http_answer answer = { 0 };
	struct buf path = BUF_INIT;
	struct span n;
	int rc;

	buf_str(&path, "/sgx/certification/v4/platforms?source=");
	buf_pct(&path, span_str(source == NULL ? "reg" : source));
	if (cli_has(cli, "peek"))
		buf_str(&path, "&peek=1");
	buf_add(&path, "", 1);
	ask.path = path.p;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) != CLI_OK)
		goto out;
	rc = cli_put(cli, buf_view(&answer.body));
	n = http_answer_header(&answer, "platform-count");
	if (rc == CLI_OK && cli_has(cli, "output"))
		printf("%.*s platforms in %s\n", (int)n.len, (const char *)n.p,
		    cli_value(cli, "output"));
out:
	http_answer_free(&answer);
	buf_free(&path);
	return rc;
}

/* --- collateral ------------------------------------------------------- */

static int
cmd_collateral(struct cli *cli)
{
	struct cli_ask ask = { .method = "POST",
		.path = "/v1/collateral",
		.type = "application/octet-stream" };
	struct http_answer answer = { 0 };
	struct buf quote = BUF_INIT;
	struct why why = { 0 };
	int rc = CLI_FAILED;

	if (cli_read_file(cli->argv[0], QUOTE_MAX, &quote, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	ask.body = quote.p;
	ask.len = quote.len;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		rc = cli_put(cli, buf_view(&answer.body));
out:
	http_answer_free(&answer);
	buf_free(&quote);
	return rc;
}

static const struct cli_opt import_opts[] = {
	{ "force", 0, NULL, "let it replace what is newer" },
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt export_opts[] = {
	{ "source", 0, "SOURCE",
	    "reg: those waiting for certificates (default);\n"
	    "reg_na: those Intel has no certificate for yet;\n"
	    "[FMSPC,...]: cached ones, [] for all" },
	{ "peek", 0, NULL, "do not mark them as handed out" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_move_commands[] = {
	{ "collateral", "QUOTE", 1, 1, CLI_SERVER | CLI_OUT, NULL,
	    "Get everything needed to verify a quote, as one JSON document",
	    "QUOTE is a file with an SGX or TDX quote, - for standard input.\n",
	    cmd_collateral },
	{ "export", "", 0, 0, CLI_SERVER | CLI_TOKEN | CLI_OUT, export_opts,
	    "Write the list of platforms, as pccsadmin get does",
	    "larder collect turns the list into a document for import.\n",
	    cmd_export },
	{ "import", "FILE...", 1, -1, CLI_SERVER | CLI_TOKEN, import_opts,
	    "Upload documents of collateral, as pccsadmin put does",
	    "All of a document is taken, or nothing; every piece is verified\n"
	    "and on disk before the command ends.\n",
	    cmd_import },
	{ 0 },
};
