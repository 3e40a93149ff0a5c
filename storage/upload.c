#include "storage/upload.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CLAUSE "pccs-api 6.11"

/* Decoded; genuine ones end at 112884 characters (pccs-api 6.9). */
#define MANIFEST_MAX ((size_t)256 << 10)

/* A document being read. */
struct reader {
	struct upload *up;
	unsigned api;
	struct span text; /* compact */
	struct why *why;
};

static enum err
bad(const struct reader *r, const char *what, const char *text)
{
	return why_set(r->why, ERR_PARAM, CLAUSE, "%s %s", what, text);
}

/* --- values ----------------------------------------------------------- */

/* A string member; absent, null and "" are NULL. */
static enum err
get_text(const struct reader *r, const json_t *obj, const char *name,
    const char **out)
{
	const json_t *v = json_object_get(obj, name);

	*out = NULL;
	if (v == NULL || json_is_null(v))
		return ERR_OK;
	if (!json_is_string(v))
		return bad(r, name, "is not a string");
	if (json_string_length(v) != 0)
		*out = json_string_value(v);
	return ERR_OK;
}

static enum err
get_array(const struct reader *r, const json_t *obj, const char *name,
    json_t **out)
{
	*out = json_object_get(obj, name);
	return json_is_array(*out) ? ERR_OK : bad(r, name, "is not an array");
}

/* Hex of exactly "len" bytes, or of any number up to max when len is 0. */
static enum err
get_hex(const struct reader *r, const json_t *obj, const char *name, size_t len,
    size_t max, struct blob **out)
{
	struct buf b = BUF_INIT;
	const char *text;
	enum err e;

	*out = NULL;
	if ((e = get_text(r, obj, name, &text)) != ERR_OK || text == NULL)
		return e;
	if (strlen(text) > 2 * max || (len != 0 && strlen(text) != 2 * len) ||
	    hex_read_buf(span_str(text), &b) != ERR_OK) {
		buf_free(&b);
		return bad(r, name, "is not hex of its length");
	}
	*out = buf_blob(&b);
	return ERR_OK;
}

static enum err
get_blob(const struct reader *r, const json_t *obj, const char *name,
    struct blob **out)
{
	const char *text;
	enum err e;

	if ((e = get_text(r, obj, name, &text)) == ERR_OK && text != NULL &&
	    *out == NULL)
		*out = blob_from(span_str(text));
	return e;
}

/* Upper case, as everything else of ours has it (pccs-api 4). */
static enum err
get_id(const struct reader *r, const json_t *obj, struct platform_id *out)
{
	const char *qe, *pce;
	char *p;
	enum err e;

	if ((e = get_text(r, obj, "qe_id", &qe)) != ERR_OK ||
	    (e = get_text(r, obj, "pce_id", &pce)) != ERR_OK)
		return e;
	if (qe == NULL || strlen(qe) > QE_ID_MAX)
		return bad(r, "qe_id", "is not 1 to 260 characters");
	if (pce == NULL || !hex_is(span_str(pce), 4))
		return bad(r, "pce_id", "is not 4 hex digits");
	memcpy(out->qe_id, qe, strlen(qe));
	memcpy(out->pce_id, pce, 4);
	for (p = out->qe_id; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	for (p = out->pce_id; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'f')
			*p = (char)(*p - 'a' + 'A');
	return ERR_OK;
}

/* A PPID of zeros is "none given" (pccs-api 4). */
static enum err
get_ppid(const struct reader *r, const json_t *obj, struct blob **out)
{
	struct blob *ppid;
	enum err e;

	*out = NULL;
	if ((e = get_hex(r, obj, "enc_ppid", PPID_LEN, PPID_LEN, &ppid)) !=
		ERR_OK ||
	    ppid == NULL)
		return e;
	if (span_all(blob_span(ppid), 0))
		blob_unref(ppid);
	else
		*out = ppid;
	return ERR_OK;
}

/* --- platforms[] ------------------------------------------------------ */

static enum err
read_row(const struct reader *r, const json_t *el)
{
	struct upload_row *row = &r->up->rows[r->up->n_rows];
	struct blob *cpu = NULL, *pce = NULL, *ppid = NULL, *manifest = NULL;
	enum err e;

	if (!json_is_object(el))
		return bad(r, "platforms", "holds what is not an object");
	if ((e = get_id(r, el, &row->id)) != ERR_OK ||
	    (e = get_hex(r, el, "cpu_svn", 16, 16, &cpu)) != ERR_OK ||
	    (e = get_hex(r, el, "pce_svn", 2, 2, &pce)) != ERR_OK ||
	    (e = get_ppid(r, el, &ppid)) != ERR_OK ||
	    (e = get_hex(r, el, "platform_manifest", 0, MANIFEST_MAX,
		 &manifest)) != ERR_OK)
		goto out;
	if (cpu != NULL && pce != NULL) {
		row->has_tcb = true;
		memcpy(row->tcb.cpusvn, cpu->data, 16);
		row->tcb.pcesvn = (uint16_t)(pce->data[0] | pce->data[1] << 8);
	}
	r->up->n_rows++;
out:
	blob_unref(cpu);
	blob_unref(pce);
	blob_unref(ppid);
	blob_unref(manifest);
	return e;
}

static enum err
read_rows(const struct reader *r, const json_t *root)
{
	json_t *list, *el;
	enum err e;
	size_t i;

	if ((e = get_array(r, root, "platforms", &list)) != ERR_OK)
		return e;
	r->up->rows = xcalloc(json_array_size(list), sizeof(*r->up->rows));
	json_array_foreach(list, i,
	    el) if ((e = read_row(r, el)) != ERR_OK) return e;
	return ERR_OK;
}

/* --- pck_certs[] ------------------------------------------------------ */

/* The shape alone; pck_set_read() compares the values. */
static enum err
check_cert(const struct reader *r, const json_t *el)
{
	const char *cert, *tcbm;
	enum err e;

	if (!json_is_object(el) || !json_is_object(json_object_get(el, "tcb")))
		return bad(r, "certs", "holds what is not {tcb, tcbm, cert}");
	if ((e = get_text(r, el, "cert", &cert)) != ERR_OK ||
	    (e = get_text(r, el, "tcbm", &tcbm)) != ERR_OK)
		return e;
	if (cert == NULL)
		return bad(r, "cert", "is missing");
	if (strcmp(cert, "Not available") != 0 &&
	    (tcbm == NULL || !hex_is(span_str(tcbm), 36)))
		return bad(r, "tcbm", "is not 36 hex digits");
	return ERR_OK;
}

/* Not in what Intel's tools make; in a site's page, but for old ones. */
static enum err
get_time(const struct reader *r, const json_t *obj, const char *name,
    time_t *out)
{
	const char *text;
	enum err e;

	*out = 0;
	if ((e = get_text(r, obj, name, &text)) != ERR_OK || text == NULL)
		return e;
	return time_read(span_str(text), out) == ERR_OK
		   ? ERR_OK
		   : bad(r, name, "is not a time");
}

static enum err
read_certs_one(const struct reader *r, const json_t *el)
{
	struct upload_certs *c = &r->up->certs[r->up->n_certs];
	json_t *list, *cert, *doc;
	char *text;
	size_t i;
	enum err e;

	if (!json_is_object(el))
		return bad(r, "pck_certs", "holds what is not an object");
	r->up->n_certs++; /* what it holds is freed with the rest */
	if ((e = get_id(r, el, &c->id)) != ERR_OK ||
	    (e = get_ppid(r, el, &c->enc_ppid)) != ERR_OK ||
	    (e = get_hex(r, el, "platform_manifest", 0, MANIFEST_MAX,
		 &c->manifest)) != ERR_OK ||
	    (e = get_time(r, el, "fetched_at", &c->fetched_at)) != ERR_OK ||
	    (e = get_time(r, el, "registered_at", &c->said_at)) != ERR_OK ||
	    (e = get_array(r, el, "certs", &list)) != ERR_OK)
		return e;
	json_array_foreach(list, i,
	    cert) if ((e = check_cert(r, cert)) != ERR_OK) return e;
	doc = json_pack("{s:O}", "certs", list);
	text = json_dumps(doc, JSON_COMPACT | JSON_PRESERVE_ORDER);
	must(text != NULL);
	c->body = blob_from(span_str(text));
	free(text);
	json_decref(doc);
	return ERR_OK;
}

static enum err
read_certs(const struct reader *r, const json_t *coll)
{
	json_t *list, *el;
	enum err e;
	size_t i;

	if ((e = get_array(r, coll, "pck_certs", &list)) != ERR_OK)
		return e;
	r->up->certs = xcalloc(json_array_size(list), sizeof(*r->up->certs));
	json_array_foreach(list, i,
	    el) if ((e = read_certs_one(r, el)) != ERR_OK) return e;
	return ERR_OK;
}

/* --- objects ---------------------------------------------------------- */

static void
object_add(const struct reader *r, struct coll_key key, struct span body)
{
	struct upload *up = r->up;

	up->objects =
	    xrealloc(up->objects, up->n_objects + 1, sizeof(*up->objects));
	up->objects[up->n_objects++] =
	    (struct upload_object){ key, blob_from(body) };
}

/* A member of tcbinfos[] and what it is. */
static const struct tcb_member {
	unsigned api;
	const char *name;
	enum tee tee;
	enum update update;
} tcb_members[] = {
	{ 4, "sgx_tcbinfo", TEE_SGX, UPDATE_STANDARD },
	{ 4, "sgx_tcbinfo_early", TEE_SGX, UPDATE_EARLY },
	{ 4, "tdx_tcbinfo", TEE_TDX, UPDATE_STANDARD },
	{ 4, "tdx_tcbinfo_early", TEE_TDX, UPDATE_EARLY },
	{ 3, "tcbinfo", TEE_SGX, UPDATE_STANDARD },
	{ 3, "tcbinfo_early", TEE_SGX, UPDATE_EARLY },
};

static enum err
read_tcbinfo(const struct reader *r, const json_t *el, struct span text)
{
	const struct tcb_member *m;
	const json_t *v;
	const char *fmspc;
	struct span body;
	enum err e;
	size_t i;

	if ((e = get_text(r, el, "fmspc", &fmspc)) != ERR_OK)
		return e;
	if (fmspc == NULL || !hex_is(span_str(fmspc), 12))
		return bad(r, "fmspc", "is not 12 hex digits");
	for (i = 0; i < sizeof(tcb_members) / sizeof(tcb_members[0]); i++) {
		m = &tcb_members[i];
		v = json_object_get(el, m->name);
		if (m->api != r->api || v == NULL || json_is_null(v) ||
		    (json_is_string(v) && json_string_length(v) == 0))
			continue;
		body = json_cut(text, m->name);
		if (!json_is_object(v) || body.len == 0)
			return bad(r, m->name, "is not an object");
		object_add(r, key_tcbinfo(m->tee, m->api, fmspc, m->update, 0),
		    body);
	}
	return ERR_OK;
}

static enum err
read_tcbinfos(const struct reader *r, const json_t *coll)
{
	struct span text =
	    json_cut(json_cut(r->text, "collaterals"), "tcbinfos");
	struct span one;
	json_t *list, *el;
	enum err e;
	size_t i;

	if ((e = get_array(r, coll, "tcbinfos", &list)) != ERR_OK)
		return e;
	json_array_foreach(list, i, el)
	{
		if (!json_is_object(el))
			return bad(r, "tcbinfos",
			    "holds what is not an object");
		one = json_cut_next(&text);
		if ((e = read_tcbinfo(r, el, one)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static const struct {
	const char *name;
	enum enclave enclave;
	enum update update;
} identity_members[] = {
	{ "qeidentity", ENCLAVE_QE, UPDATE_STANDARD },
	{ "qeidentity_early", ENCLAVE_QE, UPDATE_EARLY },
	{ "qveidentity", ENCLAVE_QVE, UPDATE_STANDARD },
	{ "qveidentity_early", ENCLAVE_QVE, UPDATE_EARLY },
	{ "tdqeidentity", ENCLAVE_TDQE, UPDATE_STANDARD },
	{ "tdqeidentity_early", ENCLAVE_TDQE, UPDATE_EARLY },
};

static enum err
read_identities(const struct reader *r, const json_t *coll)
{
	const char *text;
	enum err e;
	size_t i;

	for (i = 0; i < sizeof(identity_members) / sizeof(identity_members[0]);
	     i++) {
		if (r->api == 3 && identity_members[i].enclave == ENCLAVE_TDQE)
			continue;
		if ((e = get_text(r, coll, identity_members[i].name, &text)) !=
		    ERR_OK)
			return e;
		if (text != NULL)
			object_add(r,
			    key_identity(identity_members[i].enclave, r->api,
				identity_members[i].update, 0),
			    span_str(text));
	}
	return ERR_OK;
}

/* A CRL in hex, as the routes give it; "" is none. */
static enum err
read_crl(const struct reader *r, const json_t *obj, const char *name,
    struct coll_key key)
{
	struct blob *der;
	enum err e;

	if ((e = get_hex(r, obj, name, 0, (size_t)1 << 20, &der)) != ERR_OK ||
	    der == NULL)
		return e;
	object_add(r, key, blob_span(der));
	blob_unref(der);
	return ERR_OK;
}

static enum err
read_crls(const struct reader *r, const json_t *coll)
{
	const json_t *crls = json_object_get(coll, "pckcacrl");
	enum err e;

	if ((e = read_crl(r, coll, "rootcacrl", key_root_crl())) != ERR_OK)
		return e;
	if (crls == NULL || json_is_null(crls) ||
	    (json_is_string(crls) && json_string_length(crls) == 0))
		return ERR_OK;
	if (!json_is_object(crls))
		return bad(r, "pckcacrl", "is not an object");
	if ((e = read_crl(r, crls, "processorCrl",
		 key_pck_crl(PCK_CA_PROCESSOR))) != ERR_OK)
		return e;
	return read_crl(r, crls, "platformCrl", key_pck_crl(PCK_CA_PLATFORM));
}

/* --- certificates ----------------------------------------------------- */

static enum err
read_chains(const struct reader *r, const json_t *coll)
{
	const json_t *c = json_object_get(coll, "certificates"), *pck;
	struct upload *up = r->up;
	enum err e;

	if (!json_is_object(c))
		return bad(r, "certificates", "is not an object");
	pck = json_object_get(c, "SGX-PCK-Certificate-Issuer-Chain");
	if (!json_is_object(pck) &&
	    !(json_is_string(pck) && json_string_length(pck) == 0))
		return bad(r, "SGX-PCK-Certificate-Issuer-Chain",
		    "is not an object");
	if ((e = get_blob(r, pck, "PROCESSOR",
		 &up->pck_chain[PCK_CA_PROCESSOR])) != ERR_OK ||
	    (e = get_blob(r, pck, "PLATFORM",
		 &up->pck_chain[PCK_CA_PLATFORM])) != ERR_OK ||
	    (e = get_blob(r, c, "TCB-Info-Issuer-Chain", &up->tcb_chain)) !=
		ERR_OK ||
	    (e = get_blob(r, c, "SGX-TCB-Info-Issuer-Chain", &up->tcb_chain)) !=
		ERR_OK)
		return e;
	return get_blob(r, c, "SGX-Enclave-Identity-Issuer-Chain",
	    &up->identity_chain);
}

/* --- the document ----------------------------------------------------- */

static enum err
read_document(const struct reader *r, const json_t *root)
{
	const json_t *coll = json_object_get(root, "collaterals");
	enum err e;

	if (!json_is_object(root) || !json_is_object(coll))
		return bad(r, "collaterals", "is not an object");
	if (r->api == 4 &&
	    json_integer_value(json_object_get(coll, "version")) != 4)
		return bad(r, "version", "is not 4");
	if ((e = read_rows(r, root)) != ERR_OK ||
	    (e = read_chains(r, coll)) != ERR_OK ||
	    (e = read_crls(r, coll)) != ERR_OK ||
	    (e = read_certs(r, coll)) != ERR_OK ||
	    (e = read_tcbinfos(r, coll)) != ERR_OK)
		return e;
	return read_identities(r, coll);
}

enum err
upload_read(struct span json, unsigned api, struct upload *out, struct why *why)
{
	struct upload up = { 0 };
	struct reader r = { &up, api, SPAN_NONE, why };
	struct buf text = BUF_INIT;
	json_error_t err;
	json_t *root;
	enum err e;

	must(api == 3 || api == 4);
	json_compact(json, &text);
	r.text = buf_view(&text);
	root = json_loadb((const char *)r.text.p, r.text.len,
	    JSON_REJECT_DUPLICATES, &err);
	if (root == NULL)
		e = bad(&r, "not JSON:", err.text);
	else
		e = read_document(&r, root);
	json_decref(root);
	buf_free(&text);
	if (e != ERR_OK)
		upload_fini(&up);
	else
		*out = up;
	return e;
}

void
upload_fini(struct upload *up)
{
	size_t i;

	for (i = 0; i < up->n_certs; i++) {
		blob_unref(up->certs[i].enc_ppid);
		blob_unref(up->certs[i].manifest);
		blob_unref(up->certs[i].body);
	}
	for (i = 0; i < up->n_objects; i++)
		blob_unref(up->objects[i].body);
	free(up->rows);
	free(up->certs);
	free(up->objects);
	blob_unref(up->pck_chain[0]);
	blob_unref(up->pck_chain[1]);
	blob_unref(up->tcb_chain);
	blob_unref(up->identity_chain);
	*up = (struct upload){ 0 };
}
