/*
 * Intel's signed documents, and documents that hold any of the formats in
 * members: what "larder collateral" and "larder export" write, THIM's answer,
 * other projects' bundles.
 */
#include "server/cli/inspect.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/verify.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SHOWN 200 /* of a member that is nothing special */
#define NESTED_MAX 8   /* objects and lists of one document */

/* --- rows of levels --------------------------------------------------- */

static void
field_texts(json_t *o, const char *name, size_t n, char *const *v)
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ",", v[i]);
	field_set(o, name, json_stringn(b.len == 0 ? "" : b.p, b.len));
	buf_free(&b);
}

static void
field_svns(json_t *o, const char *name, const uint8_t svn[16])
{
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < 16; i++)
		buf_printf(&b, "%s%u", i == 0 ? "" : " ", svn[i]);
	field_set(o, name, json_stringn(b.p, b.len));
	buf_free(&b);
}

static json_t *
platform_levels(const struct tcbinfo *t)
{
	json_t *list = json_array(), *o;
	const struct tcb_level *l;
	size_t i;

	for (i = 0; i < t->n_levels; i++) {
		l = &t->levels[i];
		o = json_object();
		field_set(o, "status", json_string(tcb_status_name(l->status)));
		field_time(o, "tcb_date", l->tcb_date);
		field_svns(o, "sgx", l->sgx);
		field_set(o, "pcesvn", json_integer(l->pcesvn));
		if (t->tee == TEE_TDX)
			field_svns(o, "tdx", l->tdx);
		field_texts(o, "advisories", l->n_advisories, l->advisories);
		must(json_array_append_new(list, o) == 0);
	}
	return list;
}

static json_t *
svn_levels(size_t n, const struct svn_level *v)
{
	json_t *list = json_array(), *o;
	size_t i;

	for (i = 0; i < n; i++) {
		o = json_object();
		field_set(o, "status",
		    json_string(tcb_status_name(v[i].status)));
		field_time(o, "tcb_date", v[i].tcb_date);
		field_set(o, "isvsvn", json_integer(v[i].isvsvn));
		field_texts(o, "advisories", v[i].n_advisories,
		    v[i].advisories);
		must(json_array_append_new(list, o) == 0);
	}
	return list;
}

static json_t *
module_tree(const struct tdx_module *m)
{
	json_t *o = json_object();

	if (m->id[0] != '\0')
		field_set(o, "id", json_string(m->id));
	field_hex(o, "mrsigner", m->mrsigner, sizeof(m->mrsigner));
	field_hex(o, "attributes", m->attributes, sizeof(m->attributes));
	field_hex(o, "attributes_mask", m->attributes_mask,
	    sizeof(m->attributes_mask));
	if (m->n_levels > 0)
		field_set(o, "levels", svn_levels(m->n_levels, m->levels));
	return o;
}

/* --- signed documents ------------------------------------------------- */

static void
field_head(json_t *o, time_t issue_at, time_t next_update)
{
	field_time(o, "issue_date", issue_at);
	field_time(o, "next_update", next_update);
}

static json_t *
tcbinfo_tree(struct span value, struct why *why)
{
	json_t *o, *modules = json_array();
	struct tcbinfo *t = NULL;
	size_t i;

	if (tcbinfo_parse(value, &t, why) != ERR_OK) {
		json_decref(modules);
		return NULL;
	}
	o = json_pack("{s:s, s:s, s:i}", "type", "tcb-info", "tee",
	    tee_name(t->tee), "version", (int)t->version);
	field_hex(o, "fmspc", t->fmspc, sizeof(t->fmspc));
	field_hex(o, "pceid", t->pceid, sizeof(t->pceid));
	field_set(o, "tcb_evaluation_data_number", json_integer(t->eval_num));
	field_head(o, t->issue_at, t->next_update);
	if (t->has_module)
		field_set(o, "tdx_module", module_tree(&t->module));
	for (i = 0; i < t->n_modules; i++)
		must(json_array_append_new(modules,
			 module_tree(&t->modules[i])) == 0);
	if (t->n_modules > 0)
		field_set(o, "tdx_module_identities", json_incref(modules));
	field_set(o, "levels", platform_levels(t));
	json_decref(modules);
	tcbinfo_unref(t);
	return o;
}

static json_t *
identity_tree(struct span value, struct why *why)
{
	struct identity *id = NULL;
	json_t *o;

	if (identity_parse(value, &id, why) != ERR_OK)
		return NULL;
	o = json_pack("{s:s, s:s}", "type", "enclave-identity", "enclave",
	    enclave_name(id->enclave));
	field_set(o, "tcb_evaluation_data_number", json_integer(id->eval_num));
	field_head(o, id->issue_at, id->next_update);
	field_hex(o, "mrsigner", id->mrsigner, sizeof(id->mrsigner));
	field_set(o, "isvprodid", json_integer(id->isvprodid));
	field_hex(o, "miscselect", id->miscselect, sizeof(id->miscselect));
	field_hex(o, "miscselect_mask", id->miscselect_mask,
	    sizeof(id->miscselect_mask));
	field_hex(o, "attributes", id->attributes, sizeof(id->attributes));
	field_hex(o, "attributes_mask", id->attributes_mask,
	    sizeof(id->attributes_mask));
	field_set(o, "levels", svn_levels(id->n_levels, id->levels));
	identity_unref(id);
	return o;
}

static json_t *
evalnums_tree(struct span value, struct why *why)
{
	struct evalnums *e = NULL;
	json_t *o, *list, *row;
	size_t i;

	if (evalnums_parse(value, &e, why) != ERR_OK)
		return NULL;
	list = json_array();
	o = json_pack("{s:s, s:s}", "type", "tcb-evaluation-data-numbers",
	    "tee", tee_name(e->tee));
	field_head(o, e->issue_at, e->next_update);
	for (i = 0; i < e->n; i++) {
		row = json_object();
		field_set(row, "number", json_integer(e->v[i].number));
		field_time(row, "recovery_event", e->v[i].recovery_event_at);
		field_time(row, "tcb_date", e->v[i].tcb_date);
		must(json_array_append_new(list, row) == 0);
	}
	field_set(o, "numbers", list);
	evalnums_unref(e);
	return o;
}

static const struct {
	const char *member; /* of the envelope */
	const char *mark;   /* what the bare value has and no other */
	const char *type;
	json_t *(*tree)(struct span value, struct why *);
} documents[] = {
	{ "tcbInfo", "fmspc", "tcb-info", tcbinfo_tree },
	{ "enclaveIdentity", "miscselect", "enclave-identity", identity_tree },
	{ "tcbEvaluationDataNumbers", "tcbEvalNumbers",
	    "tcb-evaluation-data-numbers", evalnums_tree },
};

/* What no reader takes is shown as it stands, with the reason. */
static json_t *
refused_tree(const char *type, json_t *doc, const struct why *why)
{
	return json_pack("{s:s, s:s, s:O}", "type", type, "problem", why->text,
	    "document", doc);
}

/* NULL: none of these. */
static json_t *
signed_tree(json_t *doc, struct span text)
{
	struct span value = text;
	struct why why = { 0 };
	unsigned char sig[64], digest[32];
	enum err e = ERR_OK;
	json_t *o = NULL;
	size_t i;

	for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		if (json_object_get(doc, documents[i].member) != NULL)
			e = jspan_cut(text, documents[i].member, &value, sig,
			    &why);
		/* The signature was kept elsewhere. */
		else if (json_object_get(doc, documents[i].mark) == NULL ||
			 json_object_get(doc, "issueDate") == NULL)
			continue;
		if (e == ERR_OK)
			o = documents[i].tree(value, &why);
		if (o == NULL)
			return refused_tree(documents[i].type, doc, &why);
		sha256(value, digest);
		field_hex(o, "body_sha256", digest, sizeof(digest));
		return o;
	}
	return NULL;
}

enum err
inspect_signature(struct span text, struct span pem, bool *good,
    struct why *why)
{
	BIO *bio = BIO_new_mem_buf(pem.len == 0 ? "" : (const char *)pem.p,
	    (int)pem.len);
	X509 *signer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	struct span value = SPAN_NONE;
	unsigned char sig[64];
	enum err e = ERR_FORMAT;
	size_t i;

	if (signer == NULL)
		e = why_set(why, ERR_FORMAT, "RFC 7468",
		    "the signer is no certificate in PEM");
	for (i = 0; signer != NULL && e != ERR_OK &&
		    i < sizeof(documents) / sizeof(documents[0]);
	     i++)
		e = jspan_cut(text, documents[i].member, &value, sig, why);
	if (e == ERR_OK)
		*good = sig_check(value, sig, signer, NULL) == ERR_OK;
	X509_free(signer);
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

/* --- documents of documents ------------------------------------------- */

static json_t *
short_text(const char *s)
{
	char text[TEXT_SHOWN + 4];
	json_t *o;

	if (strlen(s) <= TEXT_SHOWN)
		return json_string(s);
	snprintf(text, sizeof(text), "%.*s...", TEXT_SHOWN, s);
	o = json_string(text);
	/* It was cut inside a character. */
	return o == NULL ? json_string("...") : o;
}

/* How far a document is gone through; *n_known counts the texts and objects
 * in it that hold something known. */
struct walk {
	unsigned depth;  /* documents in text, further down */
	unsigned nested; /* objects and lists */
};

static json_t *walk_tree(json_t *v, struct walk w, size_t *n_known);

/* A text: what it holds when that is known, else its beginning. */
static json_t *
walk_text(const json_t *v, unsigned depth, size_t *n_known)
{
	const char *s = json_string_value(v);
	struct why why = { 0 };
	json_t *o = NULL;

	if (depth > 0)
		o = inspect_any(span_of(s, json_string_length(v)), depth - 1,
		    &why);
	if (o == NULL)
		return short_text(s);
	++*n_known;
	return o;
}

/*
 * A signed document that was parsed together with what is around it, as in
 * uploads of PCCS: its bytes are no more to be had, nor their digest.
 */
static json_t *
walk_signed(json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);
	json_t *o = text == NULL ? NULL : signed_tree(v, span_str(text));

	free(text);
	if (o != NULL)
		json_object_del(o, "body_sha256");
	return o;
}

static json_t *
walk_object(json_t *v, struct walk w, size_t *n_known)
{
	json_t *o = walk_signed(v), *part;
	const char *key;

	if (o != NULL) {
		++*n_known;
		return o;
	}
	o = json_object();
	json_object_foreach(v, key, part)
	{
		if ((part = walk_tree(part, w, n_known)) != NULL)
			field_set(o, key, part);
	}
	return o;
}

static json_t *
walk_list(const json_t *v, struct walk w, size_t *n_known)
{
	json_t *o = json_array(), *part;
	size_t i;

	json_array_foreach(v, i, part)
	{
		if ((part = walk_tree(part, w, n_known)) != NULL)
			must(json_array_append_new(o, part) == 0);
	}
	return o;
}

/* NULL: nested deeper than is looked into. */
static json_t *
walk_tree(json_t *v, struct walk w, size_t *n_known)
{
	if (json_is_string(v))
		return walk_text(v, w.depth, n_known);
	if (!json_is_object(v) && !json_is_array(v))
		return json_incref(v);
	if (w.nested == 0)
		return NULL;
	w.nested--;
	return json_is_object(v) ? walk_object(v, w, n_known)
				 : walk_list(v, w, n_known);
}

static const char *
document_type(const json_t *o)
{
	if (json_object_get(o, "tcb_info_issuer_chain") != NULL)
		return "collateral";
	if (json_object_get(o, "vcekCert") != NULL)
		return "thim";
	if (json_object_get(o, "SnpReport") != NULL)
		return "azure-proof";
	if (json_object_get(o, "collaterals") != NULL)
		return "pccs-collateral";
	return "document";
}

static json_t *
document_tree(json_t *doc, unsigned depth)
{
	json_t *o = json_pack("{s:s}", "type", document_type(doc)), *inside;
	struct walk w = { depth, NESTED_MAX };
	size_t n_known = 0;

	inside = walk_object(doc, w, &n_known);
	must(json_object_update_missing(o, inside) == 0);
	json_decref(inside);
	if (n_known == 0) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

/* What "larder export" writes: its objects by key. */
static json_t *
bundle_tree(const json_t *doc)
{
	static const char *const names[] = { "key", "source", "fetched_at" };
	json_t *o = json_pack("{s:s, s:O?}", "type", "bundle", "made_at",
		   json_object_get(doc, "made_at")),
	       *rows = json_array(), *row, *object, *v;
	size_t i, k;

	json_array_foreach(json_object_get(doc, "objects"), i, object)
	{
		row = json_object();
		for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			v = json_object_get(object, names[k]);
			field_set(row, names[k],
			    json_is_string(v) ? json_incref(v) : json_null());
		}
		must(json_array_append_new(rows, row) == 0);
	}
	field_set(o, "objects", rows);
	return o;
}

json_t *
inspect_json(struct span text, unsigned depth, struct why *why)
{
	json_error_t error;
	json_t *doc = json_loadb((const char *)text.p, text.len,
	    JSON_REJECT_DUPLICATES, &error);
	json_t *o;

	if (doc == NULL) {
		(void)why_set(why, ERR_FORMAT, "RFC 8259", "line %d: %s",
		    error.line, error.text);
		return NULL;
	}
	o = signed_tree(doc, text);
	if (o == NULL && json_is_array(json_object_get(doc, "objects")) &&
	    json_object_get(doc, "larder_bundle") != NULL)
		o = bundle_tree(doc);
	else if (o == NULL)
		o = document_tree(doc, depth);
	json_decref(doc);
	return o;
}
