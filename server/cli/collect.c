/*
 * larder collect: the upload document for a list of platforms (pccs-api 6.11),
 * asked for at Intel PCS or another larder.  Runs outside, without a server
 * of its own; "larder import" takes the result inside.  What is signed goes
 * into the document byte for byte.  Nothing is verified here: the gate of the
 * server that imports it does that.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "upstream/fetch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PCS "https://api.trustedservices.intel.com"
#define ROOT_CRL                                                               \
	"https://certificates.trustedservices.intel.com/"                      \
	"IntelSGXRootCA.der"
#define LIST_MAX   (256u << 20)
#define ANSWER_MAX (4u << 20)
#define TRIES      4

struct collect {
	const struct cli *cli;
	const char *from; /* scheme and host */
	struct buf key;   /* header line, or empty */
	json_t *fmspcs;   /* object: FMSPC -> true */
	struct buf platforms, pck_certs, tcbinfos, identities;
	struct buf crl[2]; /* processor, platform: hex */
	char *ca_chain[2]; /* as the header has it */
	char *tcb_chain, *identity_chain;
	size_t n, failed;
};

static const char *const ca_names[2] = { "processor", "platform" };

/* --- asking ----------------------------------------------------------- */

static void
pause_for(const struct http_answer *a, unsigned attempt)
{
	struct span after = http_answer_header(a, "Retry-After");
	unsigned s = 1u << attempt, i, n = 0;

	for (i = 0; i < after.len && i < 3; i++)
		if (after.p[i] >= '0' && after.p[i] <= '9')
			n = n * 10 + (unsigned)(after.p[i] - '0');
	sleep(n > s && n <= 120 ? n : s);
}

/* 408, 429 and 5xx are asked again (pcs-upstream 1). */
static enum err
ask_url(const struct collect *c, const char *url, struct span body,
    struct http_answer *out, struct why *why)
{
	const char *headers[2];
	struct http_ask http = { .url = url,
		.headers = headers,
		.body = body,
		.ca_file = cli_value(c->cli, "ca"),
		.max_bytes = ANSWER_MAX,
		.timeout_ms = 60000 };
	unsigned attempt;
	enum err e;

	if (body.len > 0) {
		http.method = "POST";
		headers[http.n_headers++] = "Content-Type: application/json";
	}
	if (c->key.len > 0)
		headers[http.n_headers++] = c->key.p;
	for (attempt = 0;; attempt++) {
		if ((e = http_fetch(&http, out, why)) == ERR_OK &&
		    out->status != 408 && out->status != 429 &&
		    out->status < 500)
			return ERR_OK;
		if (e == ERR_OK)
			e = why_set(why, ERR_UP_ERROR, "", "status %d",
			    out->status);
		if (attempt + 1 == TRIES || !err_retry(e))
			break;
		pause_for(out, attempt);
		http_answer_free(out);
	}
	http_answer_free(out);
	return e;
}

/* One PCS object: ERR_UP_ABSENT when it answers anything but 200. */
static enum err
ask_pcs(const struct collect *c, const char *path, struct span body,
    struct http_answer *out, struct why *why)
{
	struct buf url = BUF_INIT;
	enum err e;

	buf_printf(&url, "%s%s", c->from, path);
	buf_add(&url, "", 1);
	e = ask_url(c, url.p, body, out, why);
	if (e == ERR_OK && out->status != 200) {
		e = why_set(why, ERR_UP_ABSENT, "", "status %d", out->status);
		http_answer_free(out);
	}
	if (e != ERR_OK)
		e = why_in(why, e, "%s", path);
	buf_free(&url);
	return e;
}

/* The first chain seen is as good as any: they differ in nothing but when
 * their signer changes, and then the gate says so. */
static void
keep_chain(char **chain, struct span value)
{
	if (*chain == NULL && value.len > 0)
		*chain = span_dup(value);
}

static void
add_json_string(struct buf *out, struct span text)
{
	json_t *s = json_stringn((const char *)text.p, text.len);
	char *dump = s == NULL ? NULL : json_dumps(s, JSON_ENCODE_ANY);

	buf_str(out, dump == NULL ? "\"\"" : dump);
	free(dump);
	json_decref(s);
}

/* A page of a proxy with status 200 must not get into the document. */
static bool
is_json(const struct buf *b)
{
	json_t *json = json_loadb(b->len == 0 ? "" : b->p, b->len, 0, NULL);
	bool ok = json != NULL;

	json_decref(json);
	return ok;
}

/* --- platforms -------------------------------------------------------- */

static const char *
member(const json_t *row, const char *name)
{
	const char *s = json_string_value(json_object_get(row, name));

	return s == NULL ? "" : s;
}

/* By manifest where there is one, else by PPID (caching-and-selection 3.1). */
static enum err
ask_certs(const struct collect *c, const json_t *row, struct http_answer *out,
    struct why *why)
{
	const char *manifest = member(row, "platform_manifest");
	struct buf path = BUF_INIT, body = BUF_INIT;
	enum err e;

	buf_str(&path, "/sgx/certification/v4/pckcerts");
	if (manifest[0] != '\0') {
		buf_printf(&body,
		    "{\"platformManifest\":\"%s\","
		    "\"pceid\":\"%s\"}",
		    manifest, member(row, "pce_id"));
	} else {
		buf_printf(&path, "?encrypted_ppid=%s&pceid=%s",
		    member(row, "enc_ppid"), member(row, "pce_id"));
	}
	buf_add(&path, "", 1);
	e = ask_pcs(c, path.p, buf_view(&body), out, why);
	buf_free(&path);
	buf_free(&body);
	return e;
}

/* What is pasted into URLs and documents is hex and nothing else. */
static bool
row_ok(const json_t *row)
{
	static const char *const names[] = { "pce_id", "cpu_svn", "pce_svn",
		"enc_ppid", "platform_manifest" };
	size_t i, len;
	const char *s;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s = member(row, names[i]);
		len = strlen(s);
		if (!hex_is(span_str(s), len))
			return false;
	}
	return member(row, "qe_id")[0] != '\0' &&
	       strlen(member(row, "pce_id")) == 4 &&
	       (member(row, "enc_ppid")[0] != '\0' ||
		   member(row, "platform_manifest")[0] != '\0');
}

static void
platform_add(struct collect *c, const json_t *row, const struct http_answer *a)
{
	char *dump = json_dumps(row, JSON_COMPACT);
	struct span fmspc = http_answer_header(a, "SGX-FMSPC");
	struct span ca = http_answer_header(a, "SGX-PCK-Certificate-CA-Type");
	char *name = span_dup(fmspc);

	must(dump != NULL);
	buf_printf(&c->platforms, "%s%s", c->n > 0 ? "," : "", dump);
	free(dump);
	buf_printf(&c->pck_certs, "%s{\"qe_id\":", c->n > 0 ? "," : "");
	add_json_string(&c->pck_certs, span_str(member(row, "qe_id")));
	buf_printf(&c->pck_certs,
	    ",\"pce_id\":\"%s\",\"enc_ppid\":\"%s\","
	    "\"platform_manifest\":\"%s\",\"certs\":",
	    member(row, "pce_id"), member(row, "enc_ppid"),
	    member(row, "platform_manifest"));
	buf_span(&c->pck_certs, buf_view(&a->body));
	buf_str(&c->pck_certs, "}");
	keep_chain(&c->ca_chain[span_eq_nocase(ca, "platform")],
	    http_answer_header(a, "SGX-PCK-Certificate-Issuer-Chain"));
	must(json_object_set_new(c->fmspcs, name, json_true()) == 0);
	free(name);
	c->n++;
}

static void
collect_platform(struct collect *c, const json_t *row)
{
	struct http_answer a = { 0 };
	struct why why = { 0 };
	struct span fmspc;

	if (!row_ok(row)) {
		cli_fail(c->cli, "a platform of the list lacks what PCS needs");
		c->failed++;
		return;
	}
	if (ask_certs(c, row, &a, &why) != ERR_OK) {
		/* The path has the PPID in it: not for a terminal. */
		cli_fail(c->cli, "platform %.8s...: %s", member(row, "qe_id"),
		    err_text(why.err));
		c->failed++;
		return;
	}
	fmspc = http_answer_header(&a, "SGX-FMSPC");
	if (hex_is(fmspc, 12) && is_json(&a.body)) {
		platform_add(c, row, &a);
	} else {
		cli_fail(c->cli, "platform %.8s...: not an answer of PCS",
		    member(row, "qe_id"));
		c->failed++;
	}
	http_answer_free(&a);
}

/* --- the rest of the collateral --------------------------------------- */

/* One signed object as member "name" of "out"; absent ones are left out. */
static enum err
add_signed(struct collect *c, struct buf *out, const char *name,
    const char *path, const char *chain_header, char **chain, bool as_text,
    struct why *why)
{
	struct http_answer a = { 0 };
	enum err e = ask_pcs(c, path, SPAN_NONE, &a, why);

	if (e != ERR_OK)
		return e;
	if (!is_json(&a.body)) {
		http_answer_free(&a);
		return why_set(why, ERR_FORMAT, "", "%s: not JSON", path);
	}
	buf_printf(out, ",\"%s\":", name);
	if (as_text)
		add_json_string(out, buf_view(&a.body));
	else
		buf_span(out, buf_view(&a.body));
	keep_chain(chain, http_answer_header(&a, chain_header));
	http_answer_free(&a);
	return ERR_OK;
}

static enum err
collect_fmspc(struct collect *c, const char *fmspc, struct why *why)
{
	static const char *const tee[] = { "sgx", "tdx" };
	static const char *const update[] = { "standard", "early" };
	char path[96], name[32];
	enum err e;
	int i;

	buf_printf(&c->tcbinfos, "%s{\"fmspc\":\"%s\"",
	    c->tcbinfos.len > 0 ? "," : "", fmspc);
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path),
		    "/%s/certification/v4/tcb?fmspc=%s&update=%s", tee[i / 2],
		    fmspc, update[i % 2]);
		snprintf(name, sizeof(name), "%s_tcbinfo%s", tee[i / 2],
		    i % 2 ? "_early" : "");
		e = add_signed(c, &c->tcbinfos, name, path,
		    "TCB-Info-Issuer-Chain", &c->tcb_chain, false, why);
		/* SGX's is a must; not every platform has TDX. */
		if (e != ERR_OK && (i == 0 || e != ERR_UP_ABSENT))
			return e;
	}
	buf_str(&c->tcbinfos, "}");
	return ERR_OK;
}

static enum err
collect_identities(struct collect *c, struct why *why)
{
	static const struct {
		const char *name, *path;
	} rows[] = {
		{ "qeidentity", "/sgx/certification/v4/qe/identity" },
		{ "qveidentity", "/sgx/certification/v4/qve/identity" },
		{ "tdqeidentity", "/tdx/certification/v4/qe/identity" },
	};
	char path[96], name[32];
	size_t i;
	enum err e;

	for (i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "%s?update=%s", rows[i / 2].path,
		    i % 2 ? "early" : "standard");
		snprintf(name, sizeof(name), "%s%s", rows[i / 2].name,
		    i % 2 ? "_early" : "");
		e = add_signed(c, &c->identities, name, path,
		    "SGX-Enclave-Identity-Issuer-Chain", &c->identity_chain,
		    true, why);
		if (e != ERR_OK && (i % 2 == 0 || e != ERR_UP_ABSENT))
			return e;
	}
	return ERR_OK;
}

static enum err
collect_crls(struct collect *c, struct why *why)
{
	struct http_answer a = { 0 };
	char path[80];
	enum err e;
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path),
		    "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
		    ca_names[i]);
		if ((e = ask_pcs(c, path, SPAN_NONE, &a, why)) != ERR_OK)
			return e;
		buf_hex(&c->crl[i], buf_view(&a.body));
		keep_chain(&c->ca_chain[i],
		    http_answer_header(&a, "SGX-PCK-CRL-Issuer-Chain"));
		http_answer_free(&a);
	}
	return ERR_OK;
}

/* --- the document ----------------------------------------------------- */

static void
add_chain(struct buf *out, const char *sep, const char *name, const char *chain)
{
	if (chain == NULL)
		return;
	buf_printf(out, "%s\"%s\":", sep, name);
	add_json_string(out, span_str(chain));
}

static void
collect_write(const struct collect *c, struct span root_crl,
    const char *root_url, struct buf *out)
{
	buf_str(out, "{\"platforms\":[");
	buf_span(out, buf_view(&c->platforms));
	buf_str(out, "],\"collaterals\":{\"version\":4,\"pck_certs\":[");
	buf_span(out, buf_view(&c->pck_certs));
	buf_str(out, "],\"tcbinfos\":[");
	buf_span(out, buf_view(&c->tcbinfos));
	buf_str(out, "],\"pckcacrl\":{\"processorCrl\":\"");
	buf_span(out, buf_view(&c->crl[0]));
	buf_str(out, "\",\"platformCrl\":\"");
	buf_span(out, buf_view(&c->crl[1]));
	buf_str(out, "\"}");
	buf_span(out, buf_view(&c->identities));
	buf_str(out, ",\"certificates\":{"
		     "\"SGX-PCK-Certificate-Issuer-Chain\":{");
	add_chain(out, "", "PROCESSOR", c->ca_chain[0]);
	add_chain(out, c->ca_chain[0] == NULL ? "" : ",", "PLATFORM",
	    c->ca_chain[1]);
	buf_str(out, "}");
	add_chain(out, ",", "TCB-Info-Issuer-Chain", c->tcb_chain);
	add_chain(out, ",", "SGX-Enclave-Identity-Issuer-Chain",
	    c->identity_chain);
	buf_str(out, "},\"rootcacrl\":\"");
	buf_hex(out, root_crl);
	buf_str(out, "\",\"rootcacrl_cdp\":");
	add_json_string(out, span_str(root_url));
	buf_str(out, "}}\n");
}

static enum err
collect_all(struct collect *c, json_t *list, struct buf *out, struct why *why)
{
	const char *root = cli_value(c->cli, "root-crl"), *fmspc;
	struct http_answer a = { 0 };
	json_t *row;
	size_t i;
	enum err e;

	root = root == NULL ? ROOT_CRL : root;
	json_array_foreach(list, i, row) collect_platform(c, row);
	json_object_foreach(c->fmspcs, fmspc,
	    row) if ((e = collect_fmspc(c, fmspc, why)) != ERR_OK) return e;
	if ((e = collect_identities(c, why)) != ERR_OK ||
	    (e = collect_crls(c, why)) != ERR_OK)
		return e;
	if ((e = ask_url(c, root, SPAN_NONE, &a, why)) != ERR_OK)
		return why_in(why, e, "%s", root);
	if (a.status == 200)
		collect_write(c, buf_view(&a.body), root, out);
	else
		e = why_set(why, ERR_UP_ABSENT, "", "%s: status %d", root,
		    a.status);
	http_answer_free(&a);
	return e;
}

/* --- the command ------------------------------------------------------ */

static void
collect_fini(struct collect *c)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		buf_free(&c->crl[i]);
		free(c->ca_chain[i]);
	}
	free(c->tcb_chain);
	free(c->identity_chain);
	buf_free(&c->key);
	buf_free(&c->platforms);
	buf_free(&c->pck_certs);
	buf_free(&c->tcbinfos);
	buf_free(&c->identities);
	json_decref(c->fmspcs);
}

/* The list, "larder export" made it; an array. NULL with a message. */
static json_t *
collect_list(const struct cli *cli)
{
	const char *path = cli->argc > 0 ? cli->argv[0] : NULL;
	struct buf text = BUF_INIT;
	struct why why = { 0 };
	json_error_t error;
	json_t *list = NULL;

	/* Without a list: the collateral for verifiers alone. */
	if (path == NULL)
		return json_array();
	if (cli_read_file(path, LIST_MAX, &text, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	list = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &error);
	if (list == NULL)
		cli_fail(cli, "%s:%d: %s", path, error.line, error.text);
	else if (!json_is_array(list)) {
		cli_fail(cli, "%s: not a list of platforms", path);
		json_decref(list);
		list = NULL;
	}
out:
	buf_free(&text);
	return list;
}

static enum err
collect_key(struct collect *c, struct why *why)
{
	const char *path = cli_value(c->cli, "api-key-file");
	enum err e;

	if (path == NULL)
		return ERR_OK;
	buf_str(&c->key, "Ocp-Apim-Subscription-Key: ");
	e = cli_read_line(path, &c->key, why);
	buf_add(&c->key, "", 1);
	return e;
}

static int
cmd_collect(struct cli *cli)
{
	const char *from = cli_value(cli, "from");
	struct collect c = { .cli = cli, .from = from == NULL ? PCS : from };
	struct buf doc = BUF_INIT;
	struct why why = { 0 };
	json_t *list = collect_list(cli);
	int rc = CLI_FAILED;

	if (list == NULL)
		return CLI_FAILED;
	c.fmspcs = json_object();
	if (collect_key(&c, &why) != ERR_OK ||
	    collect_all(&c, list, &doc, &why) != ERR_OK) {
		cli_fail(cli, "%s", why.text);
		goto out;
	}
	rc = cli_put(cli, buf_view(&doc));
	fprintf(stderr, "%zu platforms collected, %zu failed\n", c.n, c.failed);
	if (c.failed > 0 && rc == CLI_OK)
		rc = CLI_FAILED;
out:
	json_decref(list);
	buf_free(&doc);
	collect_fini(&c);
	return rc;
}

static const struct cli_opt collect_opts[] = {
	{ "from", 0, "URL", "where to ask (default\n" PCS ")" },
	{ "root-crl", 0, "URL", "where the root's CRL is (default Intel's)" },
	{ "api-key-file", 0, "FILE", "subscription key, if PCS wants one" },
	{ "ca", 0, "FILE", "trust these roots for https (PEM)" },
	{ NULL, 0, NULL, NULL },
};

const struct cli_command cli_collect_commands[] = {
	{ "collect", "[LIST]", 0, 1, CLI_OUT, collect_opts,
	    "Fetch from Intel what a list of platforms needs, for import",
	    "LIST is what export wrote; without it, the collateral that\n"
	    "verifiers need.  Platforms that Intel has nothing for are named,\n"
	    "and the status is then 1, with the others in the document.\n",
	    cmd_collect },
	{ 0 },
};
