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
 * Where a document goes: a bundle of "larder export", or PCCS's upload, which
 * of API version 4 says so in collaterals.version and of 3 says nothing
 * (pccs-api 6.11).  False, with a message: no such document.
 */
static bool
import_ask(const struct cli *cli, const char *path, struct span text,
    struct cli_ask *ask)
{
	bool force = cli_has(cli, "force"), ok = true;
	json_error_t error;
	json_t *json, *part;

	json = json_loadb((const char *)text.p, text.len, 0, &error);
	if (json == NULL) {
		cli_fail(cli, "%s:%d: %s", path, error.line, error.text);
		return false;
	}
	part = json_object_get(json, "collaterals");
	ask->method = "PUT";
	if (json_object_get(json, "larder_bundle") != NULL) {
		ask->method = "POST";
		ask->path = "/v1/import";
	} else if (!json_is_object(part)) {
		cli_fail(cli, "%s: neither a bundle nor an upload of PCCS",
		    path);
		ok = false;
	} else if (json_object_get(part, "version") != NULL) {
		ask->path =
		    force ? "/sgx/certification/v4/platformcollateral?force=1"
			  : "/sgx/certification/v4/platformcollateral";
	} else {
		ask->path =
		    force ? "/sgx/certification/v3/platformcollateral?force=1"
			  : "/sgx/certification/v3/platformcollateral";
	}
	json_decref(json);
	return ok;
}

/* A bundle's answer names each object; so does a refusal's. */
static int
import_answer(const struct cli *cli, const char *path,
    const struct http_answer *a)
{
	json_t *list = a->body.len == 0
			   ? NULL
			   : json_loadb(a->body.p, a->body.len, 0, NULL);
	const char *key, *reason, *why;
	json_t *row;
	size_t i;
	int rc = CLI_OK;

	if (a->status != 200 && !json_is_array(list))
		rc = cli_answer_failed(cli, a);
	json_array_foreach(list, i, row)
	{
		key = json_string_value(json_object_get(row, "key"));
		reason = json_string_value(json_object_get(row, "reason"));
		why = json_string_value(json_object_get(row, "why"));
		if (key != NULL && reason != NULL && strcmp(reason, "ok") != 0)
			rc = cli_fail(cli, "%s: %s: %s (%s)", path, key,
			    why == NULL ? "refused" : why, reason);
	}
	if (a->status != 200)
		rc = CLI_FAILED;
	if (rc == CLI_OK && json_is_array(list))
		printf("%s: %zu objects taken\n", path, json_array_size(list));
	else if (rc == CLI_OK)
		printf("%s: taken\n", path);
	json_decref(list);
	return rc;
}

static int
import_one(struct cli *cli, const char *path)
{
	struct cli_ask ask = { .type = "application/json" };
	struct http_answer answer = { 0 };
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	int rc = CLI_FAILED;

	if (cli_read_file(path, UPLOAD_MAX, &text, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	if (!import_ask(cli, path, buf_view(&text), &ask))
		goto out;
	ask.body = text.p;
	ask.len = text.len;
	if ((rc = cli_ask(cli, &ask, &answer)) == CLI_OK)
		rc = import_answer(cli, path, &answer);
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

/* All collateral, or with --platforms and --source the list of platforms. */
static int
cmd_export(struct cli *cli)
{
	const char *source = cli_value(cli, "source");
	struct cli_ask ask = { .method = "GET", .path = "/v1/export" };
	struct http_answer answer = { 0 };
	struct buf path = BUF_INIT;
	struct span n;
	int rc;

	if (source != NULL || cli_has(cli, "platforms")) {
		buf_str(&path, "/sgx/certification/v4/platforms?source=");
		buf_pct(&path, span_str(source == NULL ? "reg" : source));
		if (cli_has(cli, "peek"))
			buf_str(&path, "&peek=1");
		buf_add(&path, "", 1);
		ask.path = path.p;
	} else if (cli_has(cli, "peek")) {
		return cli_misuse(cli, "--peek goes with --platforms");
	}
	if ((rc = cli_ask_ok(cli, &ask, &answer)) != CLI_OK)
		goto out;
	rc = cli_put(cli, buf_view(&answer.body));
	n = http_answer_header(&answer, "platform-count");
	if (rc == CLI_OK && n.len > 0)
		fprintf(stderr, "%.*s platforms\n", (int)n.len,
		    (const char *)n.p);
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
	{ "platforms", 0, NULL, "the list of platforms instead" },
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
	    "Write all collateral as one document, or the list of platforms",
	    "import takes the document elsewhere.  The list of platforms is\n"
	    "what pccsadmin get writes; collect makes of it a document for\n"
	    "import.\n",
	    cmd_export },
	{ "import", "FILE...", 1, -1, CLI_SERVER | CLI_TOKEN, import_opts,
	    "Upload documents of export, collect, PcsClientTool or pccsadmin",
	    "Every piece is verified, and on disk before the command ends.\n"
	    "Of a PCCS document all is taken, or nothing.\n",
	    cmd_import },
	{ 0 },
};
