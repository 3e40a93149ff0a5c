/*
 * The cache's objects as one JSON document, out and in again:
 *
 *   {"larder_bundle":1,"made_at":"...","objects":[
 *     {"key":"tcb/sgx/4/...","body":"<the signed text>","chain":"<PEM>",
 *      "source":"...","fetched_at":"..."},
 *     {"key":"rootcrl","der":"<base64>", ...}]}
 *
 * AMD's endorsement keys can be any number: ?veks=0 gives a bundle of the
 * first of them, and in "next" what to ask for next.  Platforms and what else
 * a site is made of come by pages of their own (api_site.c).
 *
 * Nothing in a bundle is believed: every object passes the gate as if it had
 * been fetched, what others are checked with first.
 */
#include "server/api.h"
#include "server/import.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/json.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

/* --- out -------------------------------------------------------------- */

/* What is no text goes as base64 of its DER. */
static bool
is_der(enum coll_kind kind)
{
	return kind == COLL_PCK_CRL || kind == COLL_ROOT_CRL ||
	       kind == COLL_AMD_CRL || kind == COLL_VEK;
}

static void
set_text(json_t *o, const char *name, struct span text)
{
	must(json_object_set_new(o, name, json_safe_span(text)) == 0);
}

static void
set_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	set_text(o, name, span_str(text));
}

static json_t *
object_json(const struct coll_key *key, const struct blob *body,
    const struct blob *chain, const char *source, time_t fetched_at)
{
	struct buf b64 = BUF_INIT;
	json_t *o = json_object();

	set_text(o, "key", span_str(key->text));
	if (is_der(key->kind)) {
		buf_base64(&b64, blob_span(body));
		set_text(o, "der", buf_view(&b64));
		buf_free(&b64);
	} else {
		set_text(o, "body", blob_span(body));
	}
	if (chain != NULL)
		set_text(o, "chain", blob_span(chain));
	set_text(o, "source", span_str(source));
	set_time(o, "fetched_at", fetched_at);
	return o;
}

static void
export_one(void *arg, struct coll *c)
{
	json_t *o =
	    object_json(&c->key, c->body, c->chain, c->source, c->fetched_at);

	must(json_array_append_new(arg, o) == 0);
}

/* Steals the list. next 0: there is no more. */
static void
export_end(struct req *req, json_t *list, int64_t next)
{
	json_t *o = json_object();
	struct buf text = BUF_INIT;
	char *s;

	must(json_object_set_new(o, "larder_bundle", json_integer(1)) == 0);
	set_time(o, "made_at", clock_now());
	must(json_object_set_new(o, "objects", list) == 0);
	if (next != 0)
		json_object_set_new(o, "next", json_integer(next));
	s = json_dumps(o, JSON_COMPACT);
	must(s != NULL);
	buf_str(&text, s);
	free(s);
	json_decref(o);
	api_json(req, buf_blob(&text));
}

static void
export_veks_cb(void *arg, enum err e, const struct why *why,
    const struct vek_stored *v, size_t n, int64_t next)
{
	struct req *req = arg;
	json_t *list;
	size_t i;

	if (e != ERR_OK) {
		reply_err(req, e, why);
		return;
	}
	list = json_array();
	for (i = 0; i < n; i++)
		must(json_array_append_new(list,
			 object_json(&v[i].key, v[i].body, NULL, v[i].source,
			     v[i].fetched_at)) == 0);
	export_end(req, list, next);
}

/* A number as this file's own "next"; false: it is none. */
static bool
page_read(const char *text, int64_t *out)
{
	size_t i;

	*out = 0;
	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9' || i == 18)
			return false;
		*out = *out * 10 + (text[i] - '0');
	}
	return i != 0;
}

/* The pages there are; AMD's keys behind the site's parts. */
static const char *const pages[] = {
	[SITE_PLATFORMS] = "platforms",
	[SITE_REGISTRATIONS] = "registrations",
	[SITE_POLICIES] = "policies",
	"veks",
};
#define PAGE_VEKS (SITE_POLICIES + 1)

static void
export_page(struct req *req, unsigned page)
{
	struct why why = { 0 };
	int64_t after;

	if (!page_read(req_query(req, pages[page]), &after)) {
		why_set(&why, ERR_PARAM, "larder(1)",
		    "%s is not the number of a page", pages[page]);
		reply_err(req, ERR_PARAM, &why);
	} else if (page == PAGE_VEKS) {
		storage_vek_page(worker_storage(req_worker(req)), after,
		    export_veks_cb, req);
	} else {
		api_site_export(req, (enum site_part)page, after);
	}
}

void
api_export(struct req *req)
{
	json_t *list;
	unsigned i;

	for (i = 0; i <= PAGE_VEKS; i++) {
		if (req_query(req, pages[i]) != NULL) {
			export_page(req, i);
			return;
		}
	}
	list = json_array();
	snap_each(worker_snap(req_worker(req)), export_one, list);
	export_end(req, list, 0);
}

/* --- in --------------------------------------------------------------- */

#define IMPORT_MAGIC 0x9cc51005u
#define SOURCE_MAX   200

struct import {
	unsigned magic;
	struct req *req;
	json_t *bundle;  /* owned */
	json_t *objects; /* in the bundle */
	size_t at;
	unsigned pass; /* see import_pass() */
	struct import_list results;
	bool chain_asked[2][AMD_PRODUCT_N]; /* by side */
};

static void import_next(struct import *);

static void
import_free(struct import *m)
{
	json_decref(m->bundle);
	import_list_fini(&m->results);
	free(m);
}

/* What an operator brought is on disk before his 200. */
static void
import_synced_cb(void *arg, enum err e, const struct why *why)
{
	struct import *m = obj_cast(arg, IMPORT_MAGIC);

	if (e == ERR_OK)
		import_reply(m->req, &m->results);
	else
		reply_err(m->req, e, why);
	import_free(m);
}

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void
import_chain_cb(void *arg, enum err e, const struct why *why, struct coll *c)
{
	struct import *m = obj_cast(arg, IMPORT_MAGIC);

	/* Whatever came of it: the gate's next answer says. */
	(void)e;
	(void)why;
	(void)c;
	m->at--;
	import_next(m);
}

/* Keys without their issuer: it is asked for, once, where that is allowed. */
static bool
import_chain_ask(struct import *m, const char *text)
{
	const struct config *config = worker_config(req_worker(m->req));
	struct coll_key key;

	if (config->mode == MODE_OFFLINE ||
	    key_read(text, &key, NULL) != ERR_OK ||
	    m->chain_asked[key.side][key.product])
		return false;
	m->chain_asked[key.side][key.product] = true;
	key = key_amd_chain(key.product, key.side);
	upstream_want(worker_upstream(req_worker(m->req)), 0, &key,
	    config->cache.client_wait_ms, import_chain_cb, m);
	return true;
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
	if (e == ERR_NO_CHAIN && import_chain_ask(m, key))
		return;
	import_result(&m->results, key, e == ERR_OLDER ? ERR_OK : e, why);
	import_next(m);
}

/* The bytes of "body" or "der"; appended to raw. */
static enum err
import_bytes(const json_t *o, enum coll_kind kind, struct buf *raw)
{
	const char *text = member(o, is_der(kind) ? "der" : "body");

	if (text == NULL)
		return ERR_FORMAT;
	if (is_der(kind))
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

/* "import:" and where the bundle has it from, cut behind a character. */
static void
import_source(const char *source, struct buf *out)
{
	size_t n = source == NULL ? 0 : strnlen(source, SOURCE_MAX + 1);

	if (n > SOURCE_MAX)
		for (n = SOURCE_MAX; n > 0 && (source[n] & 0xc0) == 0x80;)
			n--;
	buf_str(out, "import:");
	buf_add(out, source, n);
	buf_add(out, "", 1);
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
		import_source(source, &from);
		c.body = buf_view(&raw);
		c.chain = span_str(chain);
		c.source = from.p;
		c.fetched_at = import_time(o);
		storage_admit(worker_storage(req_worker(m->req)), &c,
		    import_admitted_cb, m);
	} else {
		why_set(&why, ERR_FORMAT, "larder(1)", "no body in it");
		import_result(&m->results, key->text, ERR_FORMAT, &why);
	}
	buf_free(&from);
	buf_free(&raw);
	return ok;
}

/* Who judges goes before who is judged. */
static unsigned
import_pass(enum coll_kind kind)
{
	switch (kind) {
	case COLL_ROOT_CRL:
	case COLL_AMD_CRL:
		return 0;
	case COLL_VEK:
		return 2;
	default:
		return 1;
	}
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
			if (m->pass++ == 2)
				break;
			m->at = 0;
			continue;
		}
		o = json_array_get(m->objects, m->at++);
		text = member(o, "key");
		if (text == NULL || key_read(text, &key, &why) != ERR_OK) {
			if (m->pass == 0)
				import_result(&m->results,
				    text == NULL ? "" : text, ERR_FORMAT, &why);
			continue;
		}
		if (import_pass(key.kind) != m->pass)
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

/* A bundle, a page of a site, or a document of pccs-api 6.11. */
void
api_import(struct req *req)
{
	struct span body = blob_span(req_body(req));
	json_t *o = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const json_t *of = json_object_get(o, "collaterals");
	struct why why = { 0 };
	struct import *m;

	if (json_integer_value(json_object_get(o, "larder_site")) == 1) {
		api_site_import(req, o);
		return;
	}
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
	import_list_init(&m->results);
	import_next(m);
}
