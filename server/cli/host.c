/*
 * larder host: rows for hosts[] of larder.json, which say whose chip is
 * whose.  Nothing here talks to a server: what is printed is pasted into the
 * configuration, and SIGHUP makes it count.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/appraise/snp.h"
#include "server/cli/cli.h"
#include "server/cli/sev.h"
#include "server/cli/show.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The extended report of snp-report 7 with its certificates, or HCL. */
#define REPORT_FILE_MAX 65536
/* Who gets a row that names nobody: whoever reaches the listener. */
#define MATCH_ALL "0.0.0.0/0"

/* --- a row ------------------------------------------------------------ */

/* --match A,B as a list; NULL with a message when one is wrong. */
static json_t *
match_list(const struct cli *cli)
{
	const char *text = cli_value(cli, "match");
	json_t *list = json_array();
	struct why why = { 0 };
	struct match m;
	size_t n;
	char *one;

	if (text == NULL)
		text = MATCH_ALL;
	for (;; text += n + 1) {
		n = strcspn(text, ",");
		one = xstrndup(text, n);
		if (match_read(one, &m, &why) != ERR_OK) {
			(void)cli_misuse(cli, "--match: \"%s\" %s", one,
			    why.text);
			free(one);
			json_decref(list);
			return NULL;
		}
		must(json_array_append_new(list, json_string(one)) == 0);
		free(one);
		if (text[n] == '\0')
			return list;
	}
}

/* The row of these chips; NULL with a message: the options are wrong. */
static json_t *
row_new(const struct cli *cli, enum amd_product product, size_t n,
    unsigned char (*chip)[AMD_HWID_MAX], struct amd_tcb tcb)
{
	json_t *match = match_list(cli), *chips, *row;
	char hex[2 * AMD_HWID_MAX + 1], tcbm[17];
	size_t i;

	if (match == NULL)
		return NULL;
	chips = json_array();
	for (i = 0; i < n; i++) {
		hex_lower(span_of(chip[i], amd_hwid_len(product)), hex);
		must(json_array_append_new(chips, json_string(hex)) == 0);
	}
	amd_tcb_write(tcb, tcbm);
	row = json_pack("{s:o, s:s, s:o, s:s}", "match", match, "product",
	    amd_product_name(product), "chip_id", chips, "tcb",
	    cli_has(cli, "auto") ? "auto" : tcbm);
	must(row != NULL);
	return row;
}

static void
row_print(const struct cli *cli, json_t *row)
{
	char *text = json_dumps(row, 0);

	must(text != NULL);
	if (!cli_has(cli, "json")) {
		puts("into \"hosts\" of larder.json:");
		if (!cli_has(cli, "match"))
			fprintf(stderr,
			    "larder %s: every caller is given this row; "
			    "--match says who\n",
			    cli->command->name);
	}
	puts(text);
	free(text);
}

/* --product, else what was found out; AMD_PRODUCT_N with a message. */
static enum amd_product
product_of(const struct cli *cli, enum amd_product found)
{
	const char *name = cli_value(cli, "product");
	enum amd_product said;

	if (name == NULL) {
		if (found == AMD_PRODUCT_N)
			(void)cli_fail(cli, "cannot tell the product; say "
					    "--product Milan, Genoa or Turin");
		return found;
	}
	said = amd_product_read(span_str(name));
	if (said == AMD_PRODUCT_N)
		(void)cli_misuse(cli, "--product: Milan, Genoa or Turin");
	else if (found != AMD_PRODUCT_N && found != said) {
		(void)cli_fail(cli, "--product %s, but this is %s", name,
		    amd_product_name(found));
		return AMD_PRODUCT_N;
	}
	return said;
}

/* --- from a report ---------------------------------------------------- */

/* The 1184 bytes, in whatever they came (snp-report 7), and what follows. */
static enum err
report_find(struct span file, struct span *out, struct span *table,
    struct why *why)
{
	uint32_t status, size;
	struct span s = file;
	struct hcl hcl;

	*table = SPAN_NONE;
	if (hcl_is(file)) {
		if (hcl_read(file, &hcl, why) != SNP_OK)
			return ERR_FORMAT;
		*out = hcl.report;
		return ERR_OK;
	}
	/* MSG_REPORT_RSP: no report is of version 0, as its status is. */
	if (span_u32le(&s, &status) == ERR_OK && status == 0 &&
	    span_u32le(&s, &size) == ERR_OK && size == SNP_REPORT_LEN &&
	    span_skip(&s, 24) == ERR_OK &&
	    span_take(&s, SNP_REPORT_LEN, out) == ERR_OK)
		return ERR_OK;
	if (span_take(&file, SNP_REPORT_LEN, out) != ERR_OK)
		return why_set(why, ERR_FORMAT, "snp-report 7",
		    "too short for a report");
	*table = file;
	return ERR_OK;
}

/* What the certificates behind a report say of its product. */
static enum amd_product
table_product(struct span bytes)
{
	enum amd_product product = AMD_PRODUCT_N;
	struct cert_table table;
	struct vek *vek = NULL;

	if (cert_table_read(bytes, &table, NULL) != ERR_OK)
		return AMD_PRODUCT_N;
	if (table.has_cpuid1)
		return amd_product_of_eax(table.cpuid1);
	if (table.slot[CERT_VCEK].p != NULL &&
	    vek_parse(table.slot[CERT_VCEK], &vek, NULL) == ERR_OK)
		product = vek->product;
	vek_unref(vek);
	return product;
}

/* AMD_PRODUCT_N with a message: there is no row in it. */
static enum amd_product
report_chip(const struct cli *cli, const struct snp_report *r,
    struct span table)
{
	enum amd_product found = snp_report_product(r, table_product(table));

	if (snp_chip_id_masked(r)) {
		(void)cli_fail(cli,
		    "the report's CHIP_ID is masked (all zeros)");
		return AMD_PRODUCT_N;
	}
	if (snp_signing_key(r) == SNP_KEY_VLEK)
		fprintf(stderr,
		    "larder %s: the report is signed by a VLEK: a VCEK will "
		    "not verify it\n",
		    cli->command->name);
	if (r->has_cpuid && found == AMD_PRODUCT_N) {
		(void)cli_fail(cli, "the report names a processor that is "
				    "neither Milan, Genoa nor Turin");
		return AMD_PRODUCT_N;
	}
	found = product_of(cli, found);
	if (found != AMD_PRODUCT_N && !amd_tcb_issued(found, r->reported_tcb)) {
		(void)cli_fail(cli, "the report's REPORTED_TCB is no TCB of %s",
		    amd_product_name(found));
		return AMD_PRODUCT_N;
	}
	return found;
}

static int
cmd_add(struct cli *cli)
{
	const char *path = cli_value(cli, "report");
	struct buf file = BUF_INIT;
	struct why why = { 0 };
	struct snp_report report;
	enum amd_product product;
	json_t *row = NULL;
	struct span bytes, table;
	int rc = CLI_FAILED;

	if (path == NULL)
		return cli_misuse(cli, "--report FILE is needed");
	if (cli_read_file(path, REPORT_FILE_MAX, &file, &why) != ERR_OK ||
	    report_find(buf_view(&file), &bytes, &table, &why) != ERR_OK ||
	    snp_report_read(bytes, UINT32_MAX, &report, &why) != SNP_OK) {
		rc = cli_fail(cli, "%s: %s", path, why.text);
		goto out;
	}
	if ((product = report_chip(cli, &report, table)) == AMD_PRODUCT_N)
		goto out;
	row = row_new(cli, product, 1, &report.chip_id, report.reported_tcb);
	if (row == NULL) {
		rc = CLI_USAGE;
		goto out;
	}
	row_print(cli, row);
	rc = CLI_OK;
out:
	json_decref(row);
	buf_free(&file);
	return rc;
}

/* --- from this machine ------------------------------------------------ */

static int
cmd_learn(struct cli *cli)
{
	const char *path = cli_value(cli, "device");
	struct sev_device device;
	struct sev_facts facts;
	struct why why = { 0 };
	enum amd_product product;
	json_t *row;
	enum err e;

	if (sev_open(path == NULL ? SEV_DEVICE : path, &device, &why) != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	e = sev_learn(&device, &facts, &why);
	sev_close(&device);
	if (e != ERR_OK)
		return cli_fail(cli, "%s", why.text);
	if ((product = product_of(cli, facts.product)) == AMD_PRODUCT_N)
		return CLI_FAILED;
	if (facts.chip_id_masked || facts.vlek)
		fprintf(stderr, "larder %s: %s\n", cli->command->name,
		    facts.vlek ? "a VLEK is loaded: a VCEK may not verify "
				 "guests' reports"
			       : "reports of this machine do not show their "
				 "CHIP_ID");
	row = row_new(cli, product, facts.n_chips, facts.chip, facts.reported);
	if (row == NULL)
		return CLI_USAGE;
	row_print(cli, row);
	json_decref(row);
	return CLI_OK;
}

/* --- list ------------------------------------------------------------- */

/* "A" or "A +2": the first, and how many more there are. */
static void
list_cell(struct table *t, const struct config_list *l, int max)
{
	char cell[80] = "";

	if (l->n != 0)
		snprintf(cell, sizeof(cell), "%.*s%s", max, l->v[0],
		    strlen(l->v[0]) > (size_t)max ? "..." : "");
	if (l->n > 1)
		snprintf(cell + strlen(cell), sizeof(cell) - strlen(cell),
		    " +%zu", l->n - 1);
	table_cell(t, cell);
}

static void
list_text(const struct config *config)
{
	static const char *const heads[] = { "CALLER", "PRODUCT", "CHIP", "TCB",
		"QE-ID" };
	struct table *t = table_new(5);
	const struct config_host *h;
	size_t i;

	for (i = 0; i < 5; i++)
		table_cell(t, heads[i]);
	for (i = 0; i < config->n_hosts; i++) {
		h = &config->hosts[i];
		list_cell(t, &h->match, 48);
		table_cell(t, h->product);
		list_cell(t, &h->chip_id, 16);
		table_cell(t, h->product == NULL ? NULL : h->tcb);
		list_cell(t, &h->qe_id, 32);
	}
	table_print(t, stdout, 0);
	table_free(t);
}

/* The rows alone, as "larderd -T" prints them. */
static void
list_json(const struct config *config)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *root;

	must(f != NULL);
	config_write(config, f);
	must(fclose(f) == 0);
	root = json_loadb(text, len, 0, NULL);
	must(root != NULL);
	free(text);
	text = json_dumps(json_object_get(root, "hosts"), 0);
	must(text != NULL);
	puts(text);
	free(text);
	json_decref(root);
}

static int
cmd_list(struct cli *cli)
{
	const char *path = cli_value(cli, "config");
	struct config *config = NULL;
	struct why why = { 0 };

	if (config_load(path == NULL ? CLI_CONFIG : path, &config, &why) !=
	    ERR_OK)
		return cli_fail(cli, "%s", why.text);
	if (cli_has(cli, "json"))
		list_json(config);
	else
		list_text(config);
	config_unref(config);
	return CLI_OK;
}

#define ROW_OPTS                                                               \
	{ "match", 0, "CALLER,...",                                            \
		"who is given the row, as hosts[].match of\n"                  \
		"larder.json(5) has it (default every IPv4 caller)" },         \
	    { "product", 0, "NAME",                                            \
		    "Milan, Genoa or Turin, where that cannot be told" },      \
	{                                                                      \
		"auto", 0, NULL, "the newest TCB held, not the one found now"  \
	}

static const struct cli_opt add_opts[] = {
	{ "report", 0, "FILE",
	    "an SNP report of the machine, with certificates\n"
	    "behind it or not, or an HCL report; - is standard\ninput" },
	ROW_OPTS,
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt learn_opts[] = {
	{ "device", 0, "PATH", "default " SEV_DEVICE },
	ROW_OPTS,
	{ NULL, 0, NULL, NULL },
};
static const struct cli_opt list_opts[] = {
	{ "config", 'c', "FILE", "default " CLI_CONFIG },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_host_commands[] = {
	{ "host add", "", 0, 0, CLI_JSON, add_opts,
	    "Print the row of larder.json for a machine, from an SNP report",
	    "The report is read, not verified.  SIGHUP makes larderd take the\n"
	    "new row.\n",
	    cmd_add },
	{ "host learn", "", 0, 0, CLI_JSON, learn_opts,
	    "Print the row for this machine, from its own processors",
	    "To be run on the SNP host itself, by who may open the device.\n",
	    cmd_learn },
	{ "host list", "", 0, 0, CLI_JSON, list_opts,
	    "List the callers of the metadata service in a configuration", NULL,
	    cmd_list },
	{ 0 },
};
