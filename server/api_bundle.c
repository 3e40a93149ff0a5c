/*
 * The cache's objects as one JSON document, out and in again:
 *
 *   {"larder_bundle":1,"made_at":"...","objects":[
 *     {"key":"tcb/sgx/4/...","body":"<the signed text>","chain":"<PEM>",
 *      "source":"...","fetched_at":"..."},
 *     {"key":"rootcrl","der":"<base64>", ...}]}
 *
 * Nothing in a bundle is believed: every object passes the gate as if it had
 * been fetched (root CRL first, which the others are checked with).
 */
#include "server/api.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* --- out -------------------------------------------------------------- */

static bool
is_crl(enum coll_kind kind)
{
	return kind == COLL_PCK_CRL || kind == COLL_ROOT_CRL;
}

static void
set_text(json_t *o, const char *name, struct span text)
{
	must(json_object_set_new(o, name,
		 json_stringn((const char *)text.p, text.len)) == 0);
}

static void
set_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	set_text(o, name, span_str(text));
}

static void
export_one(void *arg, struct coll *c)
{
	json_t *list = arg, *o = json_object();
	struct buf b64 = BUF_INIT;

	set_text(o, "key", span_str(c->key.text));
	if (is_crl(c->key.kind)) {
		buf_base64(&b64, blob_span(c->body));
		set_text(o, "der", buf_view(&b64));
		buf_free(&b64);
	} else {
		set_text(o, "body", blob_span(c->body));
	}
	if (c->chain != NULL)
		set_text(o, "chain", blob_span(c->chain));
	set_text(o, "source", span_str(c->source));
	set_time(o, "fetched_at", c->fetched_at);
	must(json_array_append_new(list, o) == 0);
}

void
api_export(struct req *req)
{
	json_t *o = json_object(), *list = json_array();
	struct buf text = BUF_INIT;
	char *s;

	must(json_object_set_new(o, "larder_bundle", json_integer(1)) == 0);
	set_time(o, "made_at", clock_now());
	snap_each(worker_snap(req_worker(req)), export_one, list);
	must(json_object_set_new(o, "objects", list) == 0);
	s = json_dumps(o, JSON_COMPACT);
	must(s != NULL);
	buf_str(&text, s);
	free(s);
	json_decref(o);
	api_json(req, buf_blob(&text));
}

/* --- in --------------------------------------------------------------- */

#define IMPORT_MAGIC 0x9cc51005u

struct import {
	unsigned magic;
	struct req *req;
	json_t *bundle;  /* owned */
	json_t *objects; /* in the bundle */
	json_t *results; /* [{"key","reason","why"}]; owned */
	size_t at;
	unsigned pass; /* 0: root CRLs, 1: the others */
	size_t n_failed;
};

static void import_next(struct import *);

static void
import_result(struct import *m, const char *key, enum err e,
    const struct why *why)
{
	json_t *o = json_object();

	set_text(o, "key", span_str(key));
	set_text(o, "reason", span_str(err_token(e)));
	if (e != ERR_OK) {
		m->n_failed++;
		set_text(o, "why", span_str(why == NULL ? "" : why->text));
	}
	must(json_array_append_new(m->results, o) == 0);
}

static void
import_free(struct import *m)
{
	json_decref(m->bundle);
	json_decref(m->results);
	free(m);
}

/* 200 when every object is in, 460 with the list when one was refused. */
static void
import_end(struct import *m)
{
	char *s = json_dumps(m->results, JSON_COMPACT);
	struct buf text = BUF_INIT, extra = BUF_INIT;

	must(s != NULL);
	buf_str(&text, s);
	free(s);
	if (m->n_failed == 0) {
		api_json(m->req, buf_blob(&text));
	} else {
		buf_printf(&extra, "Larder-Reason: %s\r\n",
		    err_token(ERR_INTEGRITY));
		reply_blob(m->req, err_http(ERR_INTEGRITY), "application/json",
		    &extra, buf_blob(&text));
	}
	buf_free(&extra);
	import_free(m);
}

/* What an operator brought is on disk before his 200. */
static void
import_synced_cb(void *arg, enum err e, const struct why *why)
{
	struct import *m = obj_cast(arg, IMPORT_MAGIC);

	if (e == ERR_OK) {
		import_end(m);
		return;
	}
	reply_err(m->req, e, why);
	import_free(m);
}

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

/* An object that the gate keeps because it holds a newer one is no failure:
 * a bundle is imported twice without harm. */
static void
import_admitted_cb(void *arg, enum err e, const struct why *why,
    struct coll *coll)
{
	struct import *m = obj_cast(arg, IMPORT_MAGIC);
	const char *key = member(json_array_get(m->objects, m->at - 1), "key");

	(void)coll;
	import_result(m, key, e == ERR_OLDER ? ERR_OK : e, why);
	import_next(m);
}

/* The bytes of "body" or "der"; appended to raw. */
static enum err
import_bytes(const json_t *o, enum coll_kind kind, struct buf *raw)
{
	const char *text = member(o, is_crl(kind) ? "der" : "body");

	if (text == NULL)
		return ERR_FORMAT;
	if (is_crl(kind))
		return base64_read(span_str(text), raw);
	buf_str(raw, text);
	return ERR_OK;
}

static time_t
import_time(const json_t *o)
{
	const char *text = member(o, "fetched_at");
	time_t now = clock_now(), at = now;

	if (text == NULL || time_read(span_str(text), &at) != ERR_OK ||
	    at > now)
		at = now;
	return at;
}

/* Hand one object to the gate; false: it does not get that far. */
static bool
import_admit(struct import *m, const json_t *o, const struct coll_key *key)
{
	const char *chain = member(o, "chain"), *source = member(o, "source");
	struct buf raw = BUF_INIT, from = BUF_INIT;
	struct coll_raw c = { .key = *key };
	struct why why = { 0 };
	bool ok;

	ok = import_bytes(o, key->kind, &raw) == ERR_OK;
	if (ok) {
		buf_printf(&from, "import:%.200s",
		    source == NULL ? "" : source);
		buf_add(&from, "", 1);
		c.body = buf_view(&raw);
		c.chain = span_str(chain);
		c.source = from.p;
		c.fetched_at = import_time(o);
		storage_admit(worker_storage(req_worker(m->req)), &c,
		    import_admitted_cb, m);
	} else {
		why_set(&why, ERR_FORMAT, "larder(1)", "no body in it");
		import_result(m, key->text, ERR_FORMAT, &why);
	}
	buf_free(&from);
	buf_free(&raw);
	return ok;
}

/* Go on to the next object of this pass; answers come back one by one. */
static void
import_next(struct import *m)
{
	struct coll_key key;
	struct why why = { 0 };
	const char *text;
	const json_t *o;

	for (;;) {
		if (m->at == json_array_size(m->objects)) {
			if (m->pass++ == 1)
				break;
			m->at = 0;
			continue;
		}
		o = json_array_get(m->objects, m->at++);
		text = member(o, "key");
		if (text == NULL || key_read(text, &key, &why) != ERR_OK) {
			if (m->pass == 0)
				import_result(m, text == NULL ? "" : text,
				    ERR_FORMAT, &why);
			continue;
		}
		if ((key.kind == COLL_ROOT_CRL) != (m->pass == 0))
			continue;
		if (import_admit(m, o, &key))
			return;
	}
	storage_sync(worker_storage(req_worker(m->req)), import_synced_cb, m);
}

static void
upload_cb(void *arg, enum err e, const struct why *why)
{
	struct req *req = arg;

	if (e == ERR_OK)
		api_done(req);
	else
		reply_err(req, e, why);
}

/* A bundle, or a document of pccs-api 6.11. */
void
api_import(struct req *req)
{
	struct span body = blob_span(req_body(req));
	json_t *o = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const json_t *of = json_object_get(o, "collaterals");
	struct why why = { 0 };
	struct import *m;

	if (json_is_object(of)) {
		storage_upload(worker_storage(req_worker(req)), req_body(req),
		    json_object_get(of, "version") == NULL ? 3 : 4,
		    param_flag(req_query(req, "force")), upload_cb, req);
		json_decref(o);
		return;
	}
	if (json_integer_value(json_object_get(o, "larder_bundle")) != 1 ||
	    !json_is_array(json_object_get(o, "objects"))) {
		why_set(&why, ERR_PARAM, "larder(1)",
		    "neither a bundle nor a document of collateral");
		reply_err(req, ERR_PARAM, &why);
		json_decref(o);
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->magic = IMPORT_MAGIC;
	m->req = req;
	m->bundle = o;
	m->objects = json_object_get(o, "objects");
	m->results = json_array();
	import_next(m);
}
