/*
 * larder verify: a verdict made here, with the appraisal that the server
 * uses.  Exit 0 accepted, 1 rejected, 2 no verdict could be made.
 */
#include "server/appraise/verify.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/encoded.h"
#include "server/cli/material.h"
#include "server/cli/show.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { ACCEPTED = 0, REJECTED = 1, UNUSABLE = 2 };

#define REQUIRE_TEXT_MAX (1 << 20)
#define ROOTS_MAX        8

/* What the options say. */
struct order {
	struct anchors *intel, *amd[AMD_PRODUCT_N];
	struct amd_anchors amd_anchors;
	struct require require;
	time_t at;
};

/* --- anchors ---------------------------------------------------------- */

static bool
anchors_of_list(const struct config_list *list, struct anchors **out)
{
	return anchors_read(list->n, list->v, out, NULL) == ERR_OK;
}

/* Intel's and AMD's own: the defaults of trust in larder.json(5). */
static void
anchors_default(struct order *o)
{
	struct config *c = NULL;

	must(config_read(span_str("{}"), "defaults", &c, NULL) == ERR_OK);
	must(anchors_of_list(&c->trust.intel_root_spki_sha256, &o->intel) &&
	     anchors_of_list(&c->trust.amd_milan, &o->amd[AMD_MILAN]) &&
	     anchors_of_list(&c->trust.amd_genoa, &o->amd[AMD_GENOA]) &&
	     anchors_of_list(&c->trust.amd_turin, &o->amd[AMD_TURIN]));
	config_unref(c);
}

/* The keys of a file, by whose roots they are: Intel's, or one product's. */
struct roots {
	size_t n;
	enum amd_product of[ROOTS_MAX]; /* AMD_PRODUCT_N: Intel's */
	char hex[ROOTS_MAX][65];
};

/* A root signs itself; issuers that stand with it in a file are none. */
static bool
is_root(X509 *x)
{
	return X509_NAME_cmp(X509_get_issuer_name(x),
		   X509_get_subject_name(x)) == 0 &&
	       X509_verify(x, X509_get0_pubkey(x)) == 1;
}

/* An ARK is its product's, every other root Intel's. */
static void
root_add(struct roots *roots, X509 *x)
{
	unsigned char spki[32];
	char cn[64] = "";
	enum amd_product product = AMD_PRODUCT_N;

	if (roots->n == ROOTS_MAX || !is_root(x))
		return;
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
	    sizeof(cn));
	if (strncmp(cn, "ARK-", 4) == 0) {
		product = amd_product_read(span_str(cn + 4));
		if (product == AMD_PRODUCT_N)
			return;
	}
	cert_spki(x, spki);
	hex_lower(span_of(spki, sizeof(spki)), roots->hex[roots->n]);
	roots->of[roots->n++] = product;
}

static struct anchors *
roots_of(struct roots *roots, enum amd_product of)
{
	char *texts[ROOTS_MAX];
	struct anchors *a = NULL;
	size_t i, n = 0;

	for (i = 0; i < roots->n; i++)
		if (roots->of[i] == of)
			texts[n++] = roots->hex[i];
	/* AMD's readers know a product without a root as NULL. */
	if (n > 0 || of == AMD_PRODUCT_N)
		must(anchors_read(n, texts, &a, NULL) == ERR_OK);
	return a;
}

static void
roots_read(struct span pem, struct roots *out)
{
	BIO *bio = BIO_new_mem_buf(pem.len == 0 ? "" : (const char *)pem.p,
	    (int)pem.len);
	X509 *x;

	must(bio != NULL);
	/* Text around the blocks is usual; what is no text is another file. */
	while (memchr(pem.p == NULL ? "" : (const char *)pem.p, '\0',
		   pem.len) == NULL &&
	       (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		root_add(out, x);
		X509_free(x);
	}
	ERR_clear_error();
	BIO_free(bio);
}

static bool
anchors_from(const struct cli *cli, const char *path, struct order *o)
{
	struct roots roots = { 0 };
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	enum amd_product p;

	if (cli_read_file(path, MATERIAL_FILE_MAX, &text, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	roots_read(buf_view(&text), &roots);
	if (roots.n == 0) {
		cli_fail(cli, "%s: no root certificate in PEM", path);
		goto out;
	}
	o->intel = roots_of(&roots, AMD_PRODUCT_N);
	for (p = 0; p < AMD_PRODUCT_N; p++)
		o->amd[p] = roots_of(&roots, p);
out:
	buf_free(&text);
	return roots.n > 0;
}

/* --- options ---------------------------------------------------------- */

static bool
order_time(const struct cli *cli, time_t *out)
{
	const char *text = cli_value(cli, "at");
	char *end;
	long long n;

	*out = clock_now();
	if (text == NULL ||
	    (time_read(span_str(text), out) == ERR_OK && *out >= 0))
		return true;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || n < 0) {
		cli_misuse(cli,
		    "--at: neither seconds since 1970 nor a time like "
		    "2026-01-31T23:59:59Z");
		return false;
	}
	*out = (time_t)n;
	return true;
}

/* Requirements are an object: what does not begin like one names a file. */
static bool
is_json(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{' || *text == '[' || *text == '\0';
}

static bool
order_require(const struct cli *cli, struct require *out)
{
	const char *text = cli_value(cli, "require"), *name = "require";
	struct buf file = BUF_INIT;
	struct why why = { 0 };
	struct span json = span_str(text);
	enum err e = ERR_OK;

	require_init(out, true);
	if (text == NULL)
		return true;
	if (!is_json(text)) {
		name = text + (text[0] == '@');
		e = cli_read_file(name, REQUIRE_TEXT_MAX, &file, &why);
		json = buf_view(&file);
	}
	if (e == ERR_OK)
		e = require_read_text(out, json, name, &why);
	if (e != ERR_OK)
		cli_fail(cli, "%s", why.text);
	buf_free(&file);
	return e == ERR_OK;
}

static bool
order_read(const struct cli *cli, struct order *o)
{
	const char *root = cli_value(cli, "root");
	size_t i;

	memset(o, 0, sizeof(*o));
	if (root == NULL)
		anchors_default(o);
	if (!order_require(cli, &o->require) || !order_time(cli, &o->at) ||
	    (root != NULL && !anchors_from(cli, root, o)))
		return false;
	for (i = 0; i < AMD_PRODUCT_N; i++)
		o->amd_anchors.by[i] = o->amd[i];
	return true;
}

static void
order_fini(struct order *o)
{
	size_t i;

	anchors_free(o->intel);
	for (i = 0; i < AMD_PRODUCT_N; i++)
		anchors_free(o->amd[i]);
	require_fini(&o->require);
}

/* --- printing --------------------------------------------------------- */

static void
print_headline(const struct verdict *v)
{
	const char *status = verdict_tcb_status(v), *time = verdict_time(v);

	printf("%s: %s evidence is %s%s%s%s%s\n\n", verdict_word(v),
	    evidence_kind_name(v->kind), v->valid ? "valid" : "invalid",
	    status == NULL ? "" : ", TCB ", status == NULL ? "" : status,
	    time == NULL ? "" : ", time ", time == NULL ? "" : time);
}

static int
print_verdict(const struct cli *cli, const struct verdict *v)
{
	struct buf text = BUF_INIT;
	json_t *o;

	verdict_json(v, &text);
	o = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	buf_free(&text);
	if (o == NULL) {
		cli_fail(cli, "what the evidence says is nested too deep");
		return UNUSABLE;
	}
	if (!cli_has(cli, "json")) {
		print_headline(v);
		/* Intel's struct again, for programs. */
		json_object_del(json_object_get(o, "supplemental"), "raw");
	}
	(void)show_tree(cli, o);
	json_decref(o);
	return v->accepted ? ACCEPTED : REJECTED;
}

/* --- judging ---------------------------------------------------------- */

/* What came with the evidence stands in where nothing else was given. */
static struct snp_set *
snp_set_of(const struct material *m, const struct evidence *e,
    const struct amd_anchors *anchors)
{
	struct buf own = BUF_INIT;
	struct snp_bytes in, along;
	struct snp_set *set;

	material_snp(m, &in);
	snp_bytes_of(e, &own, &along);
	if (in.vek.len == 0)
		in.vek = along.vek;
	if (in.chain.len == 0)
		in.chain = along.chain;
	if (in.crl.len == 0)
		in.crl = along.crl;
	set = snp_set_read(&in, anchors);
	buf_free(&own);
	return set;
}

static int
judge(const struct cli *cli, const struct evidence *e, const struct material *m,
    const struct order *o)
{
	const char *from = cli_value(cli, "collateral");
	struct appraisal a = { .intel = o->intel,
		.hint = AMD_PRODUCT_N,
		.require = { &o->require, NULL },
		.at = o->at,
		.origin = { .source = from == NULL ? "larder" : from } };
	struct intel_bytes in;
	struct verdict v;
	int rc;

	if (e->kind == EVIDENCE_SNP) {
		a.snp_set = snp_set_of(m, e, &o->amd_anchors);
	} else {
		material_intel(m, &in);
		a.set = intel_set_read(&in, o->intel);
	}
	verdict_make(e, &a, &v);
	rc = print_verdict(cli, &v);
	verdict_fini(&v);
	intel_set_unref(a.set);
	snp_set_unref(a.snp_set);
	return rc;
}

static int
cmd_verify(struct cli *cli)
{
	struct material material = { 0 };
	struct buf bytes = BUF_INIT;
	struct evidence evidence;
	struct why why = { 0 };
	struct order order;
	int rc = UNUSABLE;

	memset(&evidence, 0, sizeof(evidence));
	if (!order_read(cli, &order))
		goto out;
	if (encoded_evidence(cli->argv[0], EVIDENCE_LEN_MAX, &bytes, &why) !=
	    ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	evidence_read(buf_view(&bytes), &evidence);
	if (material_load(cli, cli_value(cli, "collateral"), &evidence,
		&material))
		rc = judge(cli, &evidence, &material, &order);
out:
	material_fini(&material);
	evidence_fini(&evidence);
	buf_free(&bytes);
	order_fini(&order);
	return rc;
}

static const struct cli_opt verify_opts[] = {
	{ "collateral", 0, "FROM",
	    "a folder, a file of \"larder collateral\", or the\n"
	    "URL of a larder (default: as --server says)" },
	{ "root", 0, "FILE", "trust these roots (PEM) and no others" },
	{ "at", 0, "TIME",
	    "judge as of then: seconds since 1970, or\n"
	    "2026-01-31T23:59:59Z" },
	{ "require", 0, "JSON|FILE", "what is required, or a file with that" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_verify_commands[] = {
	{ "verify", "FILE", 1, 1, CLI_SERVER | CLI_JSON, verify_opts,
	    "Judge a quote or report: exit 0 accepted, 1 rejected, 2 unusable",
	    "FILE is an SGX or TDX quote, an SNP report (bare, with its\n"
	    "certificate table, as the guest device gave it) or Azure's HCL\n"
	    "report, binary or as hex or base64; - for standard input.  The\n"
	    "verdict is made here: no server is believed, none is asked when\n"
	    "a folder or file is given.\n",
	    cmd_verify },
	{ 0 },
};
