/*
 * larder import, export, collateral: files in and out of a running server.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/bundle.h"
#include "server/cli/encoded.h"
#include "server/cli/site.h"
#include "server/cli/trustee.h"
#include "upstream/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define UPLOAD_MAX (256u << 20)
#define QUOTE_MAX  (1u << 20)

/* --- import ----------------------------------------------------------- */

/* PCCS's upload, which of API version 4 says so in collaterals.version and of
 * 3 says nothing (pccs-api 6.11). */
static int
import_upload(struct cli *cli, const char *path, struct span text, bool v4)
{
	struct cli_ask ask = { .method = "PUT",
		.type = "application/json",
		.body = (const char *)text.p,
		.len = text.len };
	struct http_answer answer = { 0 };
	char where[80];
	int rc;

	snprintf(where, sizeof(where),
	    "/sgx/certification/v%d/platformcollateral%s", v4 ? 4 : 3,
	    cli_has(cli, "force") ? "?force=1" : "");
	ask.path = where;
	if ((rc = cli_ask_ok(cli, &ask, &answer)) == CLI_OK)
		printf("%s: taken\n", path);
	http_answer_free(&answer);
	return rc;
}

/* In parts, by rank. */
static int
import_bundle(struct cli *cli, const char *path, json_t *doc)
{
	json_t *objects = json_object_get(doc, "objects"), *o;
	struct bundle b;
	size_t i;
	int rank;

	if (!json_is_array(objects))
		return cli_fail(cli, "%s: a bundle without objects", path);
	bundle_init(&b, cli, path);
	for (rank = 0; rank < BUNDLE_RANKS; rank++)
		json_array_foreach(objects, i, o)
		{
			if (bundle_rank(o) == rank)
				bundle_add(&b, json_incref(o));
		}
	return bundle_end(&b);
}

static int
import_json(struct cli *cli, const char *path, struct span text)
{
	json_error_t error;
	json_t *json, *part;
	int rc;

	json = json_loadb((const char *)text.p, text.len, 0, &error);
	if (json == NULL)
		return cli_fail(cli, "%s:%d: %s", path, error.line, error.text);
	part = json_object_get(json, "collaterals");
	if (json_object_get(json, "larder_bundle") != NULL)
		rc = import_bundle(cli, path, json);
	else if (json_is_object(part))
		rc = import_upload(cli, path, text,
		    json_object_get(part, "version") != NULL);
	else
		rc = cli_fail(cli, "%s: neither a bundle nor an upload of PCCS",
		    path);
	json_decref(json);
	return rc;
}

static int
import_amd(struct cli *cli, const char *path, struct span file)
{
	const char *side = cli_value(cli, "crl-side");
	struct why why = { 0 };
	json_t *object = NULL;
	struct bundle b;

	bundle_init(&b, cli, path);
	if (bundle_amd(file,
		side != NULL && strcmp(side, "vlek") == 0 ? AMD_VLEK : AMD_VCEK,
		&object, &why) == ERR_OK)
		bundle_add(&b, object);
	else
		bundle_fail(&b, path, &why);
	return bundle_end(&b);
}

static int
import_one(struct cli *cli, const char *path)
{
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	struct bundle b;
	struct stat st;
	int rc;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		bundle_init(&b, cli, path);
		trustee_import(&b, path);
		return bundle_end(&b);
	}
	if (site_is(path))
		return site_import(cli, path);
	if (cli_read_file(path, UPLOAD_MAX, &text, &why) != ERR_OK)
		rc = cli_fail(cli, "%s", why.text);
	else if (bundle_is_amd(buf_view(&text)))
		rc = import_amd(cli, path, buf_view(&text));
	else
		rc = import_json(cli, path, buf_view(&text));
	buf_free(&text);
	return rc;
}

static int
cmd_import(struct cli *cli)
{
	const char *side = cli_value(cli, "crl-side");
	int i, rc = CLI_OK, one;

	if (side != NULL && strcmp(side, "vcek") != 0 &&
	    strcmp(side, "vlek") != 0)
		return cli_misuse(cli, "--crl-side is vcek or vlek");
	for (i = 0; i < cli->argc; i++)
		if ((one = import_one(cli, cli->argv[i])) != CLI_OK)
			rc = one;
	return rc;
}

/* --- export ----------------------------------------------------------- */

/* Each of AMD's endorsement keys that the server holds. */
static int
export_veks(struct cli *cli, int (*fn)(struct cli *, json_t *object, void *arg),
    void *arg)
{
	json_int_t next = 0;
	json_t *doc, *o;
	int rc = CLI_OK;
	size_t i;

	do {
		if ((doc = bundle_page(cli, "veks", &next)) == NULL)
			return CLI_FAILED;
		json_array_foreach(json_object_get(doc, "objects"), i, o)
		{
			if (bundle_rank(o) == 2 && rc == CLI_OK)
				rc = fn(cli, o, arg);
		}
		json_decref(doc);
	} while (next > 0 && rc == CLI_OK);
	return rc;
}

static int
trustee_one(struct cli *cli, json_t *object, void *arg)
{
	const char *text = json_string_value(json_object_get(object, "der"));
	struct buf der = BUF_INIT;
	struct vek *vek = NULL;
	struct why why = { 0 };
	size_t *n = arg;
	enum err e;

	if ((e = base64_read(span_str(text), &der)) != ERR_OK)
		why_set(&why, e, "", "a key is not base64");
	else if ((e = vek_parse(buf_view(&der), &vek, &why)) == ERR_OK &&
		 vek->side == AMD_VCEK &&
		 (e = trustee_export(cli_value(cli, "trustee"), vek, &why)) ==
		     ERR_OK)
		++*n;
	vek_unref(vek);
	buf_free(&der);
	return e == ERR_OK ? CLI_OK : cli_fail(cli, "%s", why.text);
}

static int
export_trustee(struct cli *cli)
{
	size_t n = 0;
	int rc = export_veks(cli, trustee_one, &n);

	if (rc == CLI_OK)
		printf("%s: %zu VCEKs written\n", cli_value(cli, "trustee"), n);
	return rc;
}

/* The list of platforms, as the server gives it. */
static int
export_platforms(struct cli *cli)
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
	if (rc == CLI_OK && n.len > 0)
		fprintf(stderr, "%.*s platforms\n", (int)n.len,
		    (const char *)n.p);
out:
	http_answer_free(&answer);
	buf_free(&path);
	return rc;
}

static int
bundle_one(struct cli *cli, json_t *object, void *arg)
{
	(void)cli;
	must(json_array_append(arg, object) == 0);
	return CLI_OK;
}

/* The snapshot's objects in one document with all of AMD's keys. */
static int
export_bundle(struct cli *cli)
{
	json_t *doc = bundle_page(cli, NULL, NULL);
	char *text = NULL;
	int rc = CLI_FAILED;

	if (doc == NULL)
		goto out;
	if ((rc = export_veks(cli, bundle_one,
		 json_object_get(doc, "objects"))) != CLI_OK)
		goto out;
	text = json_dumps(doc, JSON_COMPACT | JSON_PRESERVE_ORDER);
	must(text != NULL);
	rc = cli_put(cli, span_str(text));
out:
	free(text);
	json_decref(doc);
	return rc;
}

static int
cmd_export(struct cli *cli)
{
	bool platforms =
	    cli_value(cli, "source") != NULL || cli_has(cli, "platforms");

	if (cli_has(cli, "site"))
		return platforms || cli_has(cli, "trustee")
			   ? cli_misuse(cli, "--site is everything")
			   : site_export(cli);
	if (cli_has(cli, "peek") && !platforms)
		return cli_misuse(cli, "--peek goes with --platforms");
	if (cli_has(cli, "trustee"))
		return platforms ? cli_misuse(cli,
				       "--trustee goes without --platforms")
				 : export_trustee(cli);
	return platforms ? export_platforms(cli) : export_bundle(cli);
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

	if (encoded_evidence(cli->argv[0], QUOTE_MAX, &quote, &why) != ERR_OK) {
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
	{ "force", 0, NULL,
	    "let it replace what is newer (PCCS uploads, a site)" },
	{ "trust", 0, "PUBKEY",
	    "who may have signed a site's bundle: public keys, PEM" },
	{ "crl-side", 0, "vcek|vlek",
	    "of AMD's lists, which do not say it (default vcek)" },
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt export_opts[] = {
	{ "platforms", 0, NULL, "the list of platforms instead" },
	{ "source", 0, "SOURCE",
	    "reg: those waiting for certificates (default);\n"
	    "reg_na: those Intel has no certificate for yet;\n"
	    "[FMSPC,...]: cached ones, [] for all" },
	{ "peek", 0, NULL, "do not mark them as handed out" },
	{ "site", 0, NULL,
	    "all there is, platforms and policies too, signed; with -o" },
	{ "sign-key", 0, "KEY",
	    "the key that signs it: P-256 or Ed25519, PEM" },
	{ "trustee", 0, "DIR",
	    "all VCEKs as files instead, DIR/vcek/HWID/..._vcek.der" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_move_commands[] = {
	{ "collateral", "QUOTE", 1, 1, CLI_SERVER | CLI_OUT, NULL,
	    "Get everything needed to verify a quote, as one JSON document",
	    "QUOTE is a file with an SGX or TDX quote, binary or as hex or\n"
	    "base64, - for standard input.\n",
	    cmd_collateral },
	{ "export", "", 0, 0, CLI_SERVER | CLI_TOKEN | CLI_OUT, export_opts,
	    "Write all collateral as one document, or the list of platforms",
	    "import takes document and DIR elsewhere.  The list of platforms "
	    "is\n"
	    "what pccsadmin get writes; collect makes of it a document for\n"
	    "import.\n",
	    cmd_export },
	{ "import", "FILE|DIR...", 1, -1, CLI_SERVER | CLI_TOKEN, import_opts,
	    "Upload documents of export, collect, PcsClientTool or pccsadmin",
	    "Every piece is verified, and on disk before the command ends.\n"
	    "Of a site's bundle nothing is taken unless all of it is as it\n"
	    "was signed.\n"
	    "Of a PCCS document all is taken, or nothing.\n"
	    "AMD: a cert_chain, a CRL, a VCEK or a VLEK, DER or PEM as KDS\n"
	    "or a host gave it; DIR is a folder of Trustee's, with\n"
	    "vcek/HWID/bl.._tee.._snp.._ucode.._vcek.der or vcek/HWID/vcek.der"
	    ".\n",
	    cmd_import },
	{ 0 },
};
