/*
 * larder import pccs-db: move in from an Intel PCCS, by the layout of
 * caching-and-selection 7.  Read here and sent to the running server as an
 * operator's upload; nothing is believed because it lay in a database: what
 * does not pass the server's gate is named and left out.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "server/cli/cli.h"
#include "server/cli/pccs.h"
#include "server/param.h"
#include "upstream/fetch.h"

#include <ctype.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Platforms of one upload: a refused upload is taken apart and sent again. */
#define TOGETHER 64
#define CELL_MAX (4 << 20)
#define BUSY_MS  10000

enum { CERT_ROOT = 1, CERT_PROCESSOR, CERT_TCB, CERT_PLATFORM, CERT_N };

struct moving {
	struct cli *cli;
	sqlite3 *db;
	struct buf pem[CERT_N]; /* by id of pcs_certificates; may be empty */
	json_t *objects;        /* of the bundle */
	size_t n_platforms, n_objects, n_policies, n_registered, n_refused;
};

/* One platform: its entries of "platforms" and of "pck_certs". */
struct moved {
	struct log_id name; /* as the server's log has it */
	json_t *tcbs;       /* array */
	json_t *certs;      /* object */
};

/* --- reading ---------------------------------------------------------- */

static bool
rows(struct moving *m, const char *sql, sqlite3_stmt **out)
{
	if (sqlite3_prepare_v2(m->db, sql, -1, out, NULL) == SQLITE_OK)
		return true;
	cli_fail(m->cli, "not a database of Intel's PCCS: %s",
	    sqlite3_errmsg(m->db));
	return false;
}

/* The next row; at the end, or when it cannot be read, *rc says which. */
static bool
next(struct moving *m, sqlite3_stmt *s, int *rc)
{
	int r = sqlite3_step(s);

	if (r == SQLITE_ROW)
		return true;
	if (r != SQLITE_DONE)
		*rc = cli_fail(m->cli, "%s", sqlite3_errmsg(m->db));
	return false;
}

static struct span
cell(sqlite3_stmt *s, int i)
{
	const void *p = sqlite3_column_blob(s, i);
	int n = sqlite3_column_bytes(s, i);

	if (p == NULL || n <= 0 || n > CELL_MAX)
		return SPAN_NONE;
	return span_of(p, (size_t)n);
}

/* JSON null for what is no text: the server names the member it misses. */
static json_t *
text_of(struct span s)
{
	json_t *o = json_stringn(s.len == 0 ? "" : (const char *)s.p, s.len);

	return o == NULL ? json_null() : o;
}

/* The same in upper case. */
static json_t *
upper(sqlite3_stmt *s, int i)
{
	struct span text = cell(s, i);
	struct buf copy = BUF_INIT;
	json_t *o;
	size_t k;

	buf_span(&copy, text);
	for (k = 0; k < copy.len; k++)
		copy.p[k] = (char)toupper((unsigned char)copy.p[k]);
	o = text_of(buf_view(&copy));
	buf_free(&copy);
	return o;
}

static bool
all_hex(struct span s)
{
	return s.len != 0 && s.len % 2 == 0 && hex_is(s, s.len);
}

/* A column that holds bytes, or the hex of them: as hex. */
static json_t *
as_hex(struct span s)
{
	struct buf hex = BUF_INIT;
	json_t *o;

	if (s.len == 0 || all_hex(s))
		return json_stringn(s.len == 0 ? "" : (const char *)s.p, s.len);
	buf_hex(&hex, s);
	o = json_stringn(hex.p, hex.len);
	buf_free(&hex);
	return o;
}

/* --- collateral, as a bundle ------------------------------------------ */

static int
read_certificates(struct moving *m)
{
	sqlite3_stmt *s;
	int rc = CLI_OK, id;

	if (!rows(m, "SELECT id, cert FROM pcs_certificates", &s))
		return CLI_FAILED;
	while (next(m, s, &rc)) {
		id = sqlite3_column_int(s, 0);
		if (id < CERT_ROOT || id >= CERT_N)
			continue;
		m->pem[id].len = 0;
		if (pct_read(cell(s, 1), &m->pem[id]) != ERR_OK)
			m->pem[id].len = 0;
	}
	sqlite3_finalize(s);
	return rc;
}

/* Signer, then root; NULL: the database has not both. */
static json_t *
chain_of(const struct moving *m, int signer)
{
	struct buf b = BUF_INIT;
	json_t *o;

	if (m->pem[signer].len == 0 || m->pem[CERT_ROOT].len == 0)
		return NULL;
	buf_span(&b, buf_view(&m->pem[signer]));
	if (signer != CERT_ROOT) {
		if (b.p[b.len - 1] != '\n')
			buf_str(&b, "\n");
		buf_span(&b, buf_view(&m->pem[CERT_ROOT]));
	}
	o = json_stringn(b.p, b.len);
	buf_free(&b);
	return o;
}

/* Takes "bytes", a value under "member". */
static void
object_add(struct moving *m, const char *key, const char *member, json_t *bytes,
    int signer)
{
	json_t *chain = chain_of(m, signer);
	json_t *o = json_pack("{s:s, s:o?, s:o*, s:s}", "key", key, member,
	    bytes, "chain", chain, "source", "pccs");

	must(o != NULL);
	must(json_array_append_new(m->objects, o) == 0);
}

static void
crl_add(struct moving *m, const char *key, struct span crl, int signer)
{
	struct buf der = BUF_INIT, b64 = BUF_INIT;

	if (!all_hex(crl) || hex_read_buf(crl, &der) != ERR_OK)
		buf_span(&der, crl);
	buf_base64(&b64, buf_view(&der));
	object_add(m, key, "der", json_stringn(b64.p, b64.len), signer);
	buf_free(&der);
	buf_free(&b64);
}

static void
refused(struct moving *m, const char *what, const char *why)
{
	m->n_refused++;
	(void)cli_fail(m->cli, "%s: left out: %s", what, why);
}

static bool
has_table(struct moving *m, const char *name)
{
	sqlite3_stmt *s;
	int rc = CLI_OK;
	bool has;

	if (!rows(m,
		"SELECT 1 FROM sqlite_master WHERE type = 'table'"
		" AND name = ?1",
		&s))
		return false;
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	has = next(m, s, &rc);
	sqlite3_finalize(s);
	return has;
}

/* What clients asked for by the address in a certificate; that of the root CRL
 * and of the PCK CAs' are the same lists under other names. */
static int
read_crl_cache(struct moving *m)
{
	static const struct {
		const char *key;
		int signer;
	} is[] = {
		[CRL_ROOT] = { "rootcrl", CERT_ROOT },
		[CRL_PROCESSOR] = { "pckcrl/processor", CERT_PROCESSOR },
		[CRL_PLATFORM] = { "pckcrl/platform", CERT_PLATFORM },
	};
	sqlite3_stmt *s;
	struct why why;
	enum crl_uri which;
	const char *url;
	int rc = CLI_OK;

	if (!rows(m, "SELECT crl, cdp_url FROM crl_cache", &s))
		return CLI_FAILED;
	while (next(m, s, &rc)) {
		why = (struct why){ 0 };
		url = (const char *)sqlite3_column_text(s, 1);
		if (param_crl_uri(url == NULL ? "" : url, NULL, &which, &why) !=
		    ERR_OK)
			refused(m, "crl_cache", why.text);
		else
			crl_add(m, is[which].key, cell(s, 0), is[which].signer);
	}
	sqlite3_finalize(s);
	return rc;
}

static int
read_crls(struct moving *m)
{
	sqlite3_stmt *s;
	int rc = CLI_OK;
	bool platform;

	if (!rows(m, "SELECT crl FROM pcs_certificates WHERE id = 1", &s))
		return CLI_FAILED;
	while (next(m, s, &rc))
		if (cell(s, 0).len != 0)
			crl_add(m, "rootcrl", cell(s, 0), CERT_ROOT);
	sqlite3_finalize(s);
	if (rc != CLI_OK || !rows(m, "SELECT ca, pck_crl FROM pck_crl", &s))
		return CLI_FAILED;
	while (next(m, s, &rc)) {
		platform = span_eq_nocase(cell(s, 0), "PLATFORM");
		crl_add(m, platform ? "pckcrl/platform" : "pckcrl/processor",
		    cell(s, 1), platform ? CERT_PLATFORM : CERT_PROCESSOR);
	}
	sqlite3_finalize(s);
	return rc;
}

/* Columns: what the key is made of, version, update type, the document. */
static int
read_signed(struct moving *m, const char *sql, const char *const *name,
    int first, int n_names, bool with_fmspc)
{
	char key[128];
	sqlite3_stmt *s;
	int rc = CLI_OK, i;

	if (!rows(m, sql, &s))
		return CLI_FAILED;
	while (next(m, s, &rc)) {
		i = sqlite3_column_int(s, 0) - first;
		if (i < 0 || i >= n_names)
			continue;
		if (with_fmspc && !hex_is(cell(s, 4), 12)) {
			refused(m, name[i], "its FMSPC is not one");
			continue;
		}
		snprintf(key, sizeof(key), "%s/%d%s%.12s/%s", name[i],
		    sqlite3_column_int(s, 1), with_fmspc ? "/" : "",
		    with_fmspc ? (const char *)sqlite3_column_text(s, 4) : "",
		    span_eq_nocase(cell(s, 2), "EARLY") ? "early" : "standard");
		object_add(m, key, "body", text_of(cell(s, 3)), CERT_TCB);
	}
	sqlite3_finalize(s);
	return rc;
}

static int
read_collateral(struct moving *m)
{
	static const char *const tee[] = { "tcb/sgx", "tcb/tdx" };
	static const char *const enclave[] = { "identity/qe", "identity/qve",
		"identity/tdqe" };

	if (read_certificates(m) != CLI_OK || read_crls(m) != CLI_OK ||
	    (has_table(m, "crl_cache") && read_crl_cache(m) != CLI_OK) ||
	    read_signed(m,
		"SELECT type, version, update_type, tcbinfo, upper(fmspc)"
		" FROM fmspc_tcbs WHERE fmspc IS NOT NULL",
		tee, 0, 2, true) != CLI_OK ||
	    read_signed(m,
		"SELECT id, version, update_type, identity"
		" FROM enclave_identities",
		enclave, 1, 3, false) != CLI_OK)
		return CLI_FAILED;
	return CLI_OK;
}

/* --- sending ---------------------------------------------------------- */

/* *status is set when an answer came, and *text is the caller's to decref:
 * its body, when that is JSON. */
static int
send_json(struct moving *m, const char *method, const char *path,
    const json_t *doc, int *status, json_t **text, struct buf *reason)
{
	char *body = json_dumps(doc, JSON_COMPACT);
	struct cli_ask ask = { .method = method,
		.path = path,
		.type = "application/json" };
	struct http_answer a = { 0 };
	int rc;

	must(body != NULL);
	ask.body = body;
	ask.len = strlen(body);
	if ((rc = cli_ask(m->cli, &ask, &a)) == CLI_OK) {
		*status = a.status;
		if (text != NULL && a.body.len != 0)
			*text = json_loadb(a.body.p, a.body.len, 0, NULL);
		if (reason != NULL)
			buf_span(reason, buf_view(&a.body));
	}
	http_answer_free(&a);
	free(body);
	return rc;
}

/* Steals the document; *taken counts what the server took of it. */
static int
send_import(struct moving *m, json_t *doc, const char *what, size_t *taken)
{
	json_t *list = NULL, *row;
	const char *key, *reason, *why;
	int status = 0, rc;
	size_t i;

	must(doc != NULL);
	rc = send_json(m, "POST", "/v1/import", doc, &status, &list, NULL);
	json_decref(doc);
	if (rc == CLI_OK && !json_is_array(list))
		rc = cli_fail(m->cli, "the server refused the %s: %d", what,
		    status);
	json_array_foreach(list, i, row)
	{
		if (json_unpack(row, "{s:s, s:s}", "key", &key, "reason",
			&reason) != 0)
			continue;
		why = json_string_value(json_object_get(row, "why"));
		if (strcmp(reason, "ok") == 0)
			++*taken;
		else
			refused(m, key, why == NULL ? reason : why);
	}
	json_decref(list);
	return rc;
}

/* --- platforms -------------------------------------------------------- */

static void
moved_fini(struct moved *p)
{
	json_decref(p->tcbs);
	json_decref(p->certs);
	memset(p, 0, sizeof(*p));
}

/* "tcb" of an upload: components and pcesvn out of the tcbm. */
static json_t *
tcb_of(struct span tcbm)
{
	unsigned char b[18];
	json_t *o;
	char name[32];
	int i;

	if (hex_read(tcbm, b, sizeof(b)) != ERR_OK)
		return NULL;
	o = json_object();
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "sgxtcbcomp%02dsvn", i + 1);
		must(json_object_set_new(o, name, json_integer(b[i])) == 0);
	}
	must(json_object_set_new(o, "pcesvn",
		 json_integer(b[16] | b[17] << 8)) == 0);
	return o;
}

static int
read_certs(struct moving *m, sqlite3_stmt *platform, json_t *certs)
{
	struct buf pem = BUF_INIT, pct = BUF_INIT;
	sqlite3_stmt *s;
	json_t *tcb;
	int rc = CLI_OK;

	if (!rows(m,
		"SELECT tcbm, pck_cert FROM pck_cert"
		" WHERE qe_id = ?1 AND pce_id = ?2",
		&s))
		return CLI_FAILED;
	sqlite3_bind_value(s, 1, sqlite3_column_value(platform, 0));
	sqlite3_bind_value(s, 2, sqlite3_column_value(platform, 1));
	while (next(m, s, &rc)) {
		if ((tcb = tcb_of(cell(s, 0))) == NULL)
			continue;
		pem.len = pct.len = 0;
		/* PEM as it is, or percent-encoded as PCS sends it. */
		if (pct_read(cell(s, 1), &pem) != ERR_OK)
			buf_span(&pem, cell(s, 1));
		buf_pct(&pct, buf_view(&pem));
		must(json_array_append_new(certs,
			 json_pack("{s:o, s:o, s:o}", "tcb", tcb, "tcbm",
			     upper(s, 0), "cert",
			     json_stringn(pct.p, pct.len))) == 0);
	}
	sqlite3_finalize(s);
	buf_free(&pem);
	buf_free(&pct);
	return rc;
}

static int
read_tcbs(struct moving *m, sqlite3_stmt *platform, json_t *tcbs)
{
	sqlite3_stmt *s;
	int rc = CLI_OK;

	if (!rows(m,
		"SELECT cpu_svn, pce_svn FROM platform_tcbs"
		" WHERE qe_id = ?1 AND pce_id = ?2",
		&s))
		return CLI_FAILED;
	sqlite3_bind_value(s, 1, sqlite3_column_value(platform, 0));
	sqlite3_bind_value(s, 2, sqlite3_column_value(platform, 1));
	while (next(m, s, &rc))
		must(json_array_append_new(tcbs,
			 json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "qe_id",
			     upper(platform, 0), "pce_id", upper(platform, 1),
			     "cpu_svn", upper(s, 0), "pce_svn", upper(s, 1),
			     "enc_ppid", as_hex(cell(platform, 3)),
			     "platform_manifest", "")) == 0);
	sqlite3_finalize(s);
	return rc;
}

static int
read_platform(struct moving *m, sqlite3_stmt *s, struct moved *out)
{
	struct moved p = { .tcbs = json_array() };
	json_t *certs = json_array();

	p.certs = json_pack("{s:o, s:o, s:o, s:o, s:o}", "qe_id", upper(s, 0),
	    "pce_id", upper(s, 1), "enc_ppid", as_hex(cell(s, 3)),
	    "platform_manifest", as_hex(cell(s, 2)), "certs", certs);
	must(p.certs != NULL);
	p.name = log_id(
	    span_str(json_string_value(json_object_get(p.certs, "qe_id"))));
	if (read_certs(m, s, certs) != CLI_OK ||
	    read_tcbs(m, s, p.tcbs) != CLI_OK) {
		moved_fini(&p);
		return CLI_FAILED;
	}
	*out = p;
	return CLI_OK;
}

/* The chain of a PCK CA as the upload has it; JSON null: not there. */
static json_t *
pct_chain(const struct moving *m, int signer)
{
	json_t *chain = chain_of(m, signer), *o = NULL;
	struct buf b = BUF_INIT;

	if (chain != NULL) {
		buf_pct(&b, span_str(json_string_value(chain)));
		o = json_stringn(b.p, b.len);
	}
	json_decref(chain);
	buf_free(&b);
	return o;
}

static json_t *
upload_of(const struct moving *m, const struct moved *v, size_t n)
{
	json_t *tcbs = json_array(), *certs = json_array(), *doc;
	size_t i;

	for (i = 0; i < n; i++) {
		must(json_array_extend(tcbs, v[i].tcbs) == 0);
		must(json_array_append(certs, v[i].certs) == 0);
	}
	doc = json_pack("{s:o, s:{s:i, s:o, s:[], s:{s:{s:o*, s:o*}}}}",
	    "platforms", tcbs, "collaterals", "version", 4, "pck_certs", certs,
	    "tcbinfos", "certificates", "SGX-PCK-Certificate-Issuer-Chain",
	    "PROCESSOR", pct_chain(m, CERT_PROCESSOR), "PLATFORM",
	    pct_chain(m, CERT_PLATFORM));
	must(doc != NULL);
	return doc;
}

/* All or nothing is the server's word for an upload: one that it refuses is
 * sent again platform by platform. */
static int
send_platforms(struct moving *m, struct moved *v, size_t n)
{
	struct buf why = BUF_INIT;
	int status = 0, rc;
	json_t *doc;
	size_t i;

	if (n == 0)
		return CLI_OK;
	doc = upload_of(m, v, n);
	rc = send_json(m, "PUT", "/sgx/certification/v4/platformcollateral",
	    doc, &status, NULL, &why);
	json_decref(doc);
	if (rc == CLI_OK && status == 200) {
		m->n_platforms += n;
	} else if (rc == CLI_OK && (status == 401 || status == 403)) {
		rc = cli_fail(m->cli, "the server wants an admin token");
	} else if (rc == CLI_OK && n == 1) {
		buf_add(&why, "", 1);
		refused(m, v[0].name.s, why.p);
	} else {
		for (i = 0; i < n && rc == CLI_OK; i++)
			rc = send_platforms(m, v + i, 1);
	}
	buf_free(&why);
	return rc;
}

static int
move_platforms(struct moving *m)
{
	struct moved v[TOGETHER] = { 0 };
	sqlite3_stmt *s;
	size_t n = 0, i;
	int rc = CLI_OK;

	if (!rows(m,
		"SELECT qe_id, pce_id, platform_manifest, enc_ppid"
		" FROM platforms",
		&s))
		return CLI_FAILED;
	while (rc == CLI_OK && next(m, s, &rc)) {
		if ((rc = read_platform(m, s, &v[n])) == CLI_OK)
			n++;
		if (n < TOGETHER || rc != CLI_OK)
			continue;
		rc = send_platforms(m, v, n);
		while (n > 0)
			moved_fini(&v[--n]);
	}
	if (rc == CLI_OK)
		rc = send_platforms(m, v, n);
	for (i = 0; i < n; i++)
		moved_fini(&v[i]);
	sqlite3_finalize(s);
	return rc;
}

/* --- what not every version has --------------------------------------- */

/*
 * Who registered and waits to be fetched, in a mode that does not fetch when
 * it is asked: state 0, NEW (caching-and-selection 5).
 */
static int
move_queue(struct moving *m)
{
	json_t *list = json_array();
	sqlite3_stmt *s;
	int rc = CLI_OK;

	if (!rows(m,
		"SELECT qe_id, pce_id, cpu_svn, pce_svn, enc_ppid,"
		" platform_manifest FROM platforms_registered WHERE state = 0",
		&s)) {
		json_decref(list);
		return CLI_FAILED;
	}
	while (next(m, s, &rc))
		must(json_array_append_new(list,
			 json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "qe_id",
			     upper(s, 0), "pce_id", upper(s, 1), "cpu_svn",
			     upper(s, 2), "pce_svn", upper(s, 3), "enc_ppid",
			     as_hex(cell(s, 4)), "platform_manifest",
			     as_hex(cell(s, 5)))) == 0);
	sqlite3_finalize(s);
	if (rc == CLI_OK && json_array_size(list) != 0)
		rc = send_import(m,
		    json_pack("{s:i, s:O}", "larder_site", 1, "registrations",
			list),
		    "registrations", &m->n_registered);
	json_decref(list);
	return rc;
}

static int
move_policies(struct moving *m)
{
	struct buf why = BUF_INIT;
	sqlite3_stmt *s;
	json_t *doc;
	int rc = CLI_OK, status;

	if (!rows(m,
		"SELECT upper(fmspc), is_default, policy"
		" FROM appraisal_policies ORDER BY is_default",
		&s))
		return CLI_FAILED;
	while (rc == CLI_OK && next(m, s, &rc)) {
		doc = json_pack("{s:o, s:b, s:o}", "fmspc", text_of(cell(s, 0)),
		    "is_default", sqlite3_column_int(s, 1), "policy",
		    text_of(cell(s, 2)));
		must(doc != NULL);
		why.len = 0;
		status = 0;
		rc =
		    send_json(m, "PUT", "/sgx/certification/v4/appraisalpolicy",
			doc, &status, NULL, &why);
		json_decref(doc);
		buf_add(&why, "", 1);
		if (rc == CLI_OK && status == 200)
			m->n_policies++;
		else if (rc == CLI_OK)
			refused(m, "appraisal policy", why.p);
	}
	sqlite3_finalize(s);
	buf_free(&why);
	return rc;
}

/* --- the command ------------------------------------------------------ */

int
cmd_import_pccs_db(struct cli *cli)
{
	struct moving m = { .cli = cli, .objects = json_array() };
	int rc, i;

	if (sqlite3_open_v2(cli->argv[0], &m.db, SQLITE_OPEN_READONLY, NULL) !=
	    SQLITE_OK) {
		rc =
		    cli_fail(cli, "%s: %s", cli->argv[0], sqlite3_errmsg(m.db));
		goto out;
	}
	/* The PCCS may still be running: wait for it, and see one state. */
	sqlite3_busy_timeout(m.db, BUSY_MS);
	if (sqlite3_exec(m.db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
		rc =
		    cli_fail(cli, "%s: %s", cli->argv[0], sqlite3_errmsg(m.db));
		goto out;
	}
	/* Collateral first: certificates are chosen by the TCB infos. */
	rc = read_collateral(&m);
	if (rc == CLI_OK && json_array_size(m.objects) != 0)
		rc = send_import(&m,
		    json_pack("{s:i, s:O}", "larder_bundle", 1, "objects",
			m.objects),
		    "collateral", &m.n_objects);
	if (rc == CLI_OK)
		rc = move_platforms(&m);
	if (rc == CLI_OK && has_table(&m, "platforms_registered"))
		rc = move_queue(&m);
	if (rc == CLI_OK && has_table(&m, "appraisal_policies"))
		rc = move_policies(&m);
	if (rc != CLI_OK)
		goto out;
	if (m.n_registered != 0)
		printf("%zu registrations wait\n", m.n_registered);
	printf("%zu platforms, %zu objects and %zu appraisal policies taken, "
	       "%zu left out\n",
	    m.n_platforms, m.n_objects, m.n_policies, m.n_refused);
	if (m.n_refused != 0)
		rc = CLI_FAILED;
out:
	for (i = 0; i < CERT_N; i++)
		buf_free(&m.pem[i]);
	json_decref(m.objects);
	sqlite3_close(m.db);
	return rc;
}
