#include "server/cli/material.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "upstream/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
material_fini(struct material *m)
{
	size_t i;

	for (i = 0; i < MATERIAL_N; i++)
		buf_free(&m->part[i]);
}

void
material_intel(const struct material *m, struct intel_bytes *out)
{
	out->tcb_info = buf_view(&m->part[MATERIAL_TCB_INFO]);
	out->tcb_info_chain = buf_view(&m->part[MATERIAL_TCB_INFO_CHAIN]);
	out->qe_identity = buf_view(&m->part[MATERIAL_QE_IDENTITY]);
	out->qe_identity_chain = buf_view(&m->part[MATERIAL_QE_IDENTITY_CHAIN]);
	out->root_crl = buf_view(&m->part[MATERIAL_ROOT_CRL]);
	out->pck_crl = buf_view(&m->part[MATERIAL_PCK_CRL]);
	out->pck_crl_chain = buf_view(&m->part[MATERIAL_PCK_CRL_CHAIN]);
}

void
material_snp(const struct material *m, struct snp_bytes *out)
{
	out->vek = buf_view(&m->part[MATERIAL_VEK]);
	out->chain = buf_view(&m->part[MATERIAL_AMD_CHAIN]);
	out->crl = buf_view(&m->part[MATERIAL_AMD_CRL]);
}

static bool
is_amd(const struct evidence *e)
{
	return e->kind == EVIDENCE_SNP;
}

/* --- one document ----------------------------------------------------- */

static struct span
member(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return span_of(json_string_value(v), json_string_length(v));
}

/* What "larder collateral" writes, or pieces by the same names. */
static bool
take_attached(const json_t *o, bool amd, struct material *out, struct why *why)
{
	struct attached a;
	bool any;

	if (attach_read(o, &a, why) != ERR_OK)
		return false;
	any = amd ? a.has_snp : a.has_intel;
	buf_span(&out->part[MATERIAL_TCB_INFO], a.intel.tcb_info);
	buf_span(&out->part[MATERIAL_TCB_INFO_CHAIN], a.intel.tcb_info_chain);
	buf_span(&out->part[MATERIAL_QE_IDENTITY], a.intel.qe_identity);
	buf_span(&out->part[MATERIAL_QE_IDENTITY_CHAIN],
	    a.intel.qe_identity_chain);
	buf_span(&out->part[MATERIAL_ROOT_CRL], a.intel.root_crl);
	buf_span(&out->part[MATERIAL_PCK_CRL], a.intel.pck_crl);
	buf_span(&out->part[MATERIAL_PCK_CRL_CHAIN], a.intel.pck_crl_chain);
	buf_span(&out->part[MATERIAL_VEK], a.snp.vek);
	buf_span(&out->part[MATERIAL_AMD_CHAIN], a.snp.chain);
	buf_span(&out->part[MATERIAL_AMD_CRL], a.snp.crl);
	attach_fini(&a);
	if (!any)
		(void)why_set(why, ERR_PARAM, "collateral",
		    "no collateral for this evidence in it");
	return any;
}

/* THIM's answer: PEM in two members. */
static bool
take_thim(const json_t *o, const struct evidence *e, struct material *out)
{
	struct pile *p = pile_new();

	pile_add(p, "vcek", member(o, "vcekCert"));
	pile_add(p, "chain", member(o, "certificateChain"));
	pile_take(p, e, out);
	pile_free(p);
	return out->part[MATERIAL_VEK].len > 0;
}

static bool
take_document(const struct cli *cli, const char *name, struct span text,
    const struct evidence *e, struct material *out)
{
	json_error_t error;
	json_t *o = json_loadb(text.len == 0 ? "" : (const char *)text.p,
	    text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	struct why why = { .text = "no VCEK in it" };
	bool ok = false;

	if (o == NULL)
		cli_fail(cli, "%s:%d: %s", name, error.line, error.text);
	else if (is_amd(e) && json_object_get(o, "vcekCert") != NULL)
		ok = take_thim(o, e, out);
	else
		ok = take_attached(o, is_amd(e), out, &why);
	if (o != NULL && !ok)
		cli_fail(cli, "%s: %s", name, why.text);
	json_decref(o);
	return ok;
}

/* --- a file, a folder ------------------------------------------------- */

static bool
load_file(const struct cli *cli, const char *path, const struct evidence *e,
    struct material *out)
{
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	struct pile *p = NULL;
	bool ok = false;

	if (cli_read_file(path, MATERIAL_FILE_MAX, &text, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
	} else if (is_amd(e) && (text.len == 0 || text.p[0] != '{')) {
		p = pile_new();
		pile_add(p, path, buf_view(&text));
		pile_take(p, e, out);
		ok = out->part[MATERIAL_VEK].len > 0;
		if (!ok)
			cli_fail(cli, "%s: holds no VCEK or VLEK", path);
	} else {
		ok = take_document(cli, path, buf_view(&text), e, out);
	}
	pile_free(p);
	buf_free(&text);
	return ok;
}

/* False: it is there and cannot be read. */
static bool
load_part(const struct cli *cli, const char *dir, const char *name,
    struct buf *out, bool *any)
{
	struct why why = { 0 };
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		cli_fail(cli, "%s: the name is too long", dir);
		return false;
	}
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return true;
	if (cli_read_file(path, MATERIAL_FILE_MAX, out, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		return false;
	}
	*any = true;
	return true;
}

static bool
load_quote_dir(const struct cli *cli, const char *dir, struct material *out)
{
	static const struct {
		enum material_part part;
		const char *name;
	} files[] = {
		{ MATERIAL_TCB_INFO, "tcb_info.json" },
		{ MATERIAL_TCB_INFO_CHAIN, "tcb_info_issuer_chain.pem" },
		{ MATERIAL_QE_IDENTITY, "qe_identity.json" },
		{ MATERIAL_QE_IDENTITY_CHAIN, "qe_identity_issuer_chain.pem" },
		{ MATERIAL_ROOT_CRL, "root_ca_crl.der" },
		{ MATERIAL_PCK_CRL, "pck_crl.der" },
		{ MATERIAL_PCK_CRL_CHAIN, "pck_crl_issuer_chain.pem" },
	};
	bool any = false;
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!load_part(cli, dir, files[i].name,
			&out->part[files[i].part], &any))
			return false;
	if (!any)
		cli_fail(cli, "%s: holds no collateral for this evidence", dir);
	return any;
}

static int
not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool
load_amd_file(const struct cli *cli, const char *dir, const char *name,
    struct pile *p)
{
	struct buf bytes = BUF_INIT;
	struct stat st;
	char path[4096];
	bool any, ok = true;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	/* Folders in it and files of another size are something else. */
	if (n > 0 && (size_t)n < sizeof(path) && stat(path, &st) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size <= MATERIAL_FILE_MAX) {
		ok = load_part(cli, dir, name, &bytes, &any);
		if (ok)
			pile_add(p, name, buf_view(&bytes));
	}
	buf_free(&bytes);
	return ok;
}

static bool
load_amd_dir(const struct cli *cli, const char *dir, const struct evidence *e,
    struct material *out)
{
	struct dirent **list = NULL;
	struct pile *p = pile_new();
	int i, n = scandir(dir, &list, not_hidden, alphasort);
	bool ok = n >= 0;

	if (n == -1)
		cli_fail(cli, "%s: %s", dir, strerror(errno));
	for (i = 0; i < n; i++) {
		if (ok && i < MATERIAL_FILES)
			ok = load_amd_file(cli, dir, list[i]->d_name, p);
		free(list[i]);
	}
	free(list);
	if (ok)
		pile_take(p, e, out);
	pile_free(p);
	return ok;
}

/* --- a larder --------------------------------------------------------- */

static bool
ask_quote(const struct cli *cli, const char *server, const struct evidence *e,
    struct material *out)
{
	struct cli_ask ask = { .server = server,
		.method = "POST",
		.path = "/v1/collateral",
		.type = "application/octet-stream",
		.body = (const char *)e->bytes.p,
		.len = e->bytes.len };
	struct http_answer answer = { 0 };
	bool ok;

	if (cli_ask_ok(cli, &ask, &answer) != CLI_OK)
		return false;
	ok = take_document(cli, "the server's answer", buf_view(&answer.body),
	    e, out);
	http_answer_free(&answer);
	return ok;
}

/* A GET whose 404 is no failure.  *status: 0 when there was no answer. */
static int
ask_get(const struct cli *cli, const char *server, const char *path,
    struct buf *out)
{
	struct cli_ask ask = { .server = server,
		.method = "GET",
		.path = path };
	struct http_answer answer = { 0 };
	int status = 0;

	if (cli_ask(cli, &ask, &answer) != CLI_OK)
		return 0;
	status = answer.status;
	if (status == 200)
		buf_span(out, buf_view(&answer.body));
	else if (status != 404)
		(void)cli_answer_failed(cli, &answer);
	http_answer_free(&answer);
	return status;
}

/* amd-kds 2.2: the path of a VCEK, NUL-terminated. */
static bool
vcek_path(const struct snp_report *r, enum amd_product product, struct buf *out)
{
	struct amd_spl spl;

	if (amd_spl_of(product, r->reported_tcb, &spl, NULL) != ERR_OK)
		return false;
	buf_printf(out, "/vcek/v1/%s/", amd_product_name(product));
	buf_hex(out, snp_report_hwid(r, product));
	buf_str(out, "?");
	if (product == AMD_TURIN)
		buf_printf(out, "fmcSPL=%u&", spl.fmc);
	buf_printf(out, "blSPL=%u&teeSPL=%u&snpSPL=%u&ucodeSPL=%u", spl.bl,
	    spl.tee, spl.snp, spl.ucode);
	buf_add(out, "", 1);
	return true;
}

/* Chain and CRL of a product; an absent CRL is the verdict's to judge. */
static bool
ask_issuers(const struct cli *cli, const char *server, enum amd_product product,
    enum amd_side side, struct material *out)
{
	char path[64];
	int status;

	snprintf(path, sizeof(path), "/%s/v1/%s/cert_chain",
	    amd_side_name(side), amd_product_name(product));
	status = ask_get(cli, server, path, &out->part[MATERIAL_AMD_CHAIN]);
	if (status == 404)
		cli_fail(cli, "the server has no %s", path);
	if (status != 200)
		return false;
	snprintf(path, sizeof(path), "/%s/v1/%s/crl", amd_side_name(side),
	    amd_product_name(product));
	status = ask_get(cli, server, path, &out->part[MATERIAL_AMD_CRL]);
	return status == 200 || status == 404;
}

/* A report that does not say which CPU it is of: one after the other. */
static bool
ask_vcek(const struct cli *cli, const char *server, const struct evidence *e,
    struct material *out)
{
	enum amd_product said = snp_report_product(&e->snp, AMD_PRODUCT_N), p;
	struct buf path = BUF_INIT;
	int status = 404;

	for (p = 0; p < AMD_PRODUCT_N && status == 404; p++) {
		if (said != AMD_PRODUCT_N && said != p)
			continue;
		buf_free(&path);
		path = BUF_INIT;
		if (!vcek_path(&e->snp, p, &path))
			continue;
		status = ask_get(cli, server, path.p, &out->part[MATERIAL_VEK]);
		if (status == 200)
			said = p;
	}
	buf_free(&path);
	if (status == 404)
		cli_fail(cli, "the server has no VCEK of this report");
	return status == 200 && ask_issuers(cli, server, said, AMD_VCEK, out);
}

/* The key came with the evidence, perhaps with its issuers; its product. */
static bool
came_along(const struct evidence *e, enum amd_product *product, bool *issuers)
{
	struct buf own = BUF_INIT;
	struct vek *vek = NULL;
	struct snp_bytes along;

	snp_bytes_of(e, &own, &along);
	*issuers = along.chain.len > 0 || e->pem.len > 0;
	*product = AMD_PRODUCT_N;
	if (along.vek.len > 0 && vek_parse(along.vek, &vek, NULL) == ERR_OK)
		*product = vek->product;
	vek_unref(vek);
	buf_free(&own);
	return along.vek.len > 0;
}

/* A larder was named, and not just the default. */
static bool
is_named(const struct cli *cli, const char *server)
{
	return server != NULL || cli_has(cli, "server") ||
	       getenv("LARDER_SERVER") != NULL;
}

static bool
ask_amd(const struct cli *cli, const char *server, const struct evidence *e,
    struct material *out)
{
	enum amd_product product;
	bool vlek, issuers;

	/* Nothing that could be asked for. */
	if (!e->has_snp)
		return true;
	vlek = snp_signing_key(&e->snp) == SNP_KEY_VLEK;
	if (came_along(e, &product, &issuers)) {
		product = snp_report_product(&e->snp, product);
		/* A larder can add the CRL; nobody need be asked for that. */
		return product == AMD_PRODUCT_N ||
		       (issuers && !is_named(cli, server)) ||
		       ask_issuers(cli, server, product,
			   vlek ? AMD_VLEK : AMD_VCEK, out);
	}
	if (!vlek)
		return ask_vcek(cli, server, e, out);
	product = evidence_product(e);
	if (product == AMD_PRODUCT_N && !e->snp.has_cpuid)
		product = AMD_MILAN;
	return product == AMD_PRODUCT_N ||
	       ask_issuers(cli, server, product, AMD_VLEK, out);
}

/* --- from wherever ---------------------------------------------------- */

bool
material_load(const struct cli *cli, const char *from, const struct evidence *e,
    struct material *out)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (from == NULL || strstr(from, "://") != NULL ||
	    strncmp(from, "unix:", 5) == 0) {
		if (is_amd(e))
			return ask_amd(cli, from, e, out);
		/* Nothing to be had, nor needed, for what is no quote. */
		return !e->has_quote || ask_quote(cli, from, e, out);
	}
	if (stat(from, &st) == -1) {
		cli_fail(cli, "%s: %s", from, strerror(errno));
		return false;
	}
	/* What is no quote says not which collateral would be its. */
	if (!is_amd(e) && !e->has_quote)
		return true;
	if (!S_ISDIR(st.st_mode))
		return load_file(cli, from, e, out);
	return is_amd(e) ? load_amd_dir(cli, from, e, out)
			 : load_quote_dir(cli, from, out);
}
