/*
 * Platforms, registrations and appraisal policies, out and in again: the
 * pages of storage_site().
 *
 * Certificates pass the gate as an upload's do.  A page is taken whole; if
 * it is refused, platform by platform, so that one that has been revoked
 * since, or is held newer, does not keep the others out.
 */
#include "server/api.h"
#include "server/import.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/map.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

/* --- out -------------------------------------------------------------- */

void
api_site_export(struct req *req, enum site_part part, int64_t after)
{
	storage_site(worker_storage(req_worker(req)), part, after, api_json_cb,
	    req);
}

/* --- in --------------------------------------------------------------- */

#define SITE_MAGIC 0x9cc51006u

struct site_import {
	unsigned magic;
	struct req *req;
	json_t *doc;                              /* owned */
	json_t *certs, *registrations, *policies; /* in doc; or NULL */
	size_t at;                                /* in the list at hand */
	/* Once a page was refused: it without its platforms, and these rows by
	 * place_of(), JSON arrays, own references. */
	json_t *rest;
	struct map *rows;
	struct import_list results;
};

static void
rows_free(struct map *rows)
{
	struct map_iter it;
	struct span key;
	void *value;

	if (rows == NULL)
		return;
	it = map_iter(rows);
	while (map_next(&it, &key, &value))
		json_decref(value);
	map_free(rows);
}

static void
site_end(struct site_import *s, enum err e, const struct why *why)
{
	if (e == ERR_OK)
		import_reply(s->req, &s->results);
	else
		reply_err(s->req, e, why);
	import_list_fini(&s->results);
	rows_free(s->rows);
	json_decref(s->rest);
	json_decref(s->doc);
	free(s);
}

static struct storage *
site_storage(const struct site_import *s)
{
	return worker_storage(req_worker(s->req));
}

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

/* A name that says nothing outside this site's log. */
static void
platform_result(struct site_import *s, const char *what, const json_t *o,
    enum err e, const struct why *why)
{
	char key[64];

	snprintf(key, sizeof(key), "%s/%s", what,
	    log_id(span_str(member(o, "qe_id"))).s);
	import_result(&s->results, key, e, why);
}

/* Any value: whether it is an object, the reader of the text finds out. */
static struct blob *
blob_of(const json_t *o)
{
	struct buf text = BUF_INIT;
	char *s = json_dumps(o, JSON_COMPACT | JSON_ENCODE_ANY);

	must(s != NULL);
	buf_str(&text, s);
	free(s);
	return buf_blob(&text);
}

/* --- policies --------------------------------------------------------- */

static void site_policies(struct site_import *);

static void
site_policy_cb(void *arg, enum err e, const struct why *why, struct blob *id)
{
	struct site_import *s = obj_cast(arg, SITE_MAGIC);
	const char *fmspc =
	    member(json_array_get(s->policies, s->at++), "fmspc");
	char key[64];

	blob_unref(id);
	snprintf(key, sizeof(key), "policy/%.12s", fmspc == NULL ? "" : fmspc);
	import_result(&s->results, key, e, why);
	site_policies(s);
}

static void
site_policies(struct site_import *s)
{
	struct blob *json;

	if (s->at == json_array_size(s->policies)) {
		site_end(s, ERR_OK, NULL);
		return;
	}
	json = blob_of(json_array_get(s->policies, s->at));
	storage_policy_put(site_storage(s), json, site_policy_cb, s);
	blob_unref(json);
}

/* --- registrations ---------------------------------------------------- */

static void site_registrations(struct site_import *);

static void
site_registered(struct site_import *s, enum err e, const struct why *why)
{
	platform_result(s, "registration",
	    json_array_get(s->registrations, s->at++), e, why);
}

static void
site_registered_cb(void *arg, enum err e, const struct why *why, bool cached)
{
	struct site_import *s = obj_cast(arg, SITE_MAGIC);

	(void)cached;
	site_registered(s, e, why);
	site_registrations(s);
}

static bool
forced(const struct site_import *s)
{
	return param_flag(req_query(s->req, "force"));
}

/* 0 in what was made before there were times: older than any that is known. */
static time_t
said_at(const json_t *o)
{
	const char *text = member(o, "registered_at");
	time_t at = 0;

	return text != NULL && time_read(span_str(text), &at) == ERR_OK ? at
									: 0;
}

static void
site_register(struct site_import *s, const struct platform_ask *ask)
{
	const json_t *o = json_array_get(s->registrations, s->at);

	if (forced(s))
		storage_register(site_storage(s), ask, site_registered_cb, s);
	else
		storage_site_register(site_storage(s), ask, said_at(o),
		    site_registered_cb, s);
}

/* True: storage has it and will call back. */
static bool
site_registration(struct site_import *s)
{
	struct platform_ask ask = { .has_tcb = false };
	struct why why = { 0 };
	struct blob *json;
	enum ppid ppid;
	enum err e;

	json = blob_of(json_array_get(s->registrations, s->at));
	e = param_platform(blob_span(json), &ask, &ppid, &why);
	blob_unref(json);
	if (e == ERR_OK)
		site_register(s, &ask);
	ask_fini(&ask);
	if (e != ERR_OK)
		site_registered(s, e, &why);
	return e == ERR_OK;
}

/* A loop: a page may have more bad rows than the stack has room. */
static void
site_registrations(struct site_import *s)
{
	while (s->at < json_array_size(s->registrations))
		if (site_registration(s))
			return;
	s->at = 0;
	site_policies(s);
}

/* --- platforms -------------------------------------------------------- */

static void site_platform(struct site_import *);

static void
site_platform_cb(void *arg, enum err e, const struct why *why)
{
	struct site_import *s = obj_cast(arg, SITE_MAGIC);

	platform_result(s, "platform", json_array_get(s->certs, s->at++), e,
	    why);
	site_platform(s);
}

/* Which platform a row is of; SPAN_NONE: it does not say. */
static struct span
place_of(const json_t *o, struct buf *b)
{
	const char *qe_id = member(o, "qe_id"), *pce_id = member(o, "pce_id");

	if (qe_id == NULL || pce_id == NULL)
		return SPAN_NONE;
	b->len = 0;
	buf_add(b, qe_id, strlen(qe_id) + 1);
	buf_str(b, pce_id);
	return buf_view(b);
}

/* A page may have many platforms: each is looked for, not among all. */
static void
page_split(struct site_import *s)
{
	json_t *coll = json_copy(json_object_get(s->doc, "collaterals"));
	json_t *row, *list;
	struct buf b = BUF_INIT;
	struct span place;
	size_t i;

	json_object_del(coll, "pck_certs");
	s->rest = json_pack("{s:o}", "collaterals", coll);
	s->rows = map_new();
	json_array_foreach(json_object_get(s->doc, "platforms"), i, row)
	{
		if ((place = place_of(row, &b)).p == NULL)
			continue;
		if ((list = map_get(s->rows, place)) == NULL) {
			list = json_array();
			(void)map_put(s->rows, place, list);
		}
		json_array_append(list, row);
	}
	buf_free(&b);
}

/* The page again with this platform alone. */
static json_t *
page_of_one(const struct site_import *s, json_t *certs)
{
	json_t *coll = json_copy(json_object_get(s->rest, "collaterals"));
	struct buf b = BUF_INIT;
	struct span place = place_of(certs, &b);
	json_t *rows = place.p == NULL ? NULL : map_get(s->rows, place);

	buf_free(&b);
	json_object_set_new(coll, "pck_certs", json_pack("[O]", certs));
	return json_pack("{s:o, s:o}", "platforms",
	    rows == NULL ? json_array() : json_incref(rows), "collaterals",
	    coll);
}

static void
site_upload(struct site_import *s, struct blob *json, store_done_fn fn)
{
	storage_site_put(site_storage(s), json, forced(s), fn, s);
}

static void
site_platform(struct site_import *s)
{
	struct blob *json;
	json_t *one;

	if (s->at == json_array_size(s->certs)) {
		s->at = 0;
		site_registrations(s);
		return;
	}
	one = page_of_one(s, json_array_get(s->certs, s->at));
	json = blob_of(one);
	site_upload(s, json, site_platform_cb);
	blob_unref(json);
	json_decref(one);
}

static void
site_page_cb(void *arg, enum err e, const struct why *why)
{
	struct site_import *s = obj_cast(arg, SITE_MAGIC);
	json_t *o;
	size_t i;

	if (e == ERR_PARAM || e == ERR_INTEGRITY || e == ERR_OLDER) {
		page_split(s);
		site_platform(s);
		return;
	}
	if (e != ERR_OK) {
		site_end(s, e, why);
		return;
	}
	json_array_foreach(s->certs, i, o)
	    platform_result(s, "platform", o, ERR_OK, NULL);
	site_registrations(s);
}

static json_t *
list_of(const json_t *doc, const char *name)
{
	json_t *list = json_object_get(doc, name);

	return json_is_array(list) ? list : NULL;
}

void
api_site_import(struct req *req, json_t *doc)
{
	json_t *coll = json_object_get(doc, "collaterals");
	struct site_import *s = xcalloc(1, sizeof(*s));

	s->magic = SITE_MAGIC;
	s->req = req;
	s->doc = doc;
	s->certs = list_of(coll, "pck_certs");
	s->registrations = list_of(doc, "registrations");
	s->policies = list_of(doc, "policies");
	import_list_init(&s->results);
	if (json_array_size(s->certs) == 0)
		site_registrations(s);
	else
		site_upload(s, req_body(req), site_page_cb);
}
