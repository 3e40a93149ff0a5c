/*
 * What a site is made of beside its objects, page by page, for taking it
 * elsewhere.  A page of platforms is a document as pccs-api 6.11 has it, so
 * that it comes in again the way every upload does.
 */
#include "config/base/enc.h"
#include "config/base/json.h"
#include "config/base/must.h"
#include "storage/pck.h"
#include "storage/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a page.  All certificates of a platform go through the gate, some
 * milliseconds on the store thread. */
#define PLATFORM_PAGE     16
#define REGISTRATION_PAGE 64
#define POLICY_PAGE       16

struct site_job {
	struct job job;
	enum site_part part;
	int64_t after;
	json_t *doc;
	json_t *rows, *certs, *waiting; /* in doc */
	struct blob *chain[2];          /* of the page, by enum pck_ca */
	struct prow platform[PLATFORM_PAGE];
	size_t n;
	struct blob *text;
	store_text_fn fn;
};

static void
set_text(json_t *o, const char *name, struct span s)
{
	must(json_object_set_new(o, name, json_safe_span(s)) == 0);
}

static void
set_hex(json_t *o, const char *name, const struct blob *bytes)
{
	struct span s = blob_span(bytes);
	struct buf hex = BUF_INIT;

	buf_hex(&hex, s);
	set_text(o, name, buf_view(&hex));
	buf_free(&hex);
}

/* 0, not known, is null. */
static void
set_time(json_t *o, const char *name, time_t at)
{
	must(json_object_set_new(o, name, json_time(at)) == 0);
}

static void
append(json_t *list, json_t *o)
{
	must(json_array_append_new(list, o) == 0);
}

/* --- platforms -------------------------------------------------------- */

static struct blob *
col_blob(const struct db_val *col)
{
	return col->s.len == 0 ? NULL : blob_from(col->s);
}

static bool
platform_row(void *arg, const struct db_val *col)
{
	struct site_job *s = arg;
	struct prow *p = &s->platform[s->n++];

	p->row = col[0].i;
	db_col_text(&col[1], p->id.qe_id, sizeof(p->id.qe_id));
	db_col_text(&col[2], p->id.pce_id, sizeof(p->id.pce_id));
	p->manifest = col_blob(&col[3]);
	p->enc_ppid = col_blob(&col[4]);
	p->certs = col_blob(&col[5]);
	p->chain = col_blob(&col[6]);
	p->fetched_at = col[7].i;
	p->said_at = col[8].i;
	return s->n < PLATFORM_PAGE;
}

static json_t *
tcb_json(const uint8_t comp[16], uint16_t pcesvn)
{
	json_t *o = json_object();
	char name[32];
	int i;

	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "sgxtcbcomp%02dsvn", i + 1);
		must(json_object_set_new(o, name, json_integer(comp[i])) == 0);
	}
	must(json_object_set_new(o, "pcesvn", json_integer(pcesvn)) == 0);
	return o;
}

static json_t *
certs_json(const struct pck_set *set)
{
	json_t *list = json_array(), *o;
	struct buf pct = BUF_INIT;
	size_t i;

	for (i = 0; i < set->n; i++) {
		const struct pck_cert *c = &set->certs[i];

		o = json_pack("{s:o, s:s}", "tcb",
		    tcb_json(c->pck.comp, c->pck.pcesvn), "tcbm", c->tcbm);
		pct.len = 0;
		buf_pct(&pct, blob_span(c->pem));
		set_text(o, "cert", buf_view(&pct));
		append(list, o);
	}
	for (i = 0; i < set->n_na; i++)
		append(list, json_pack("{s:o, s:s, s:s}", "tcb",
				 tcb_json(set->na[i].comp, set->na[i].pcesvn),
				 "tcbm", "", "cert", "Not available"));
	buf_free(&pct);
	return list;
}

static json_t *
id_json(const struct platform_id *id)
{
	json_t *o = json_object();

	set_text(o, "qe_id", span_str(id->qe_id));
	set_text(o, "pce_id", span_str(id->pce_id));
	return o;
}

/* A raw TCB of a platform; tcb NULL: none is known. */
static json_t *
row_json(const struct prow *p, const struct raw_tcb *tcb, bool whole)
{
	static const struct tcb_text none = { "", "" };
	struct tcb_text t = tcb == NULL ? none : tcb_text(tcb);
	json_t *o = id_json(&p->id);

	set_text(o, "cpu_svn", span_str(t.cpu_svn));
	set_text(o, "pce_svn", span_str(t.pce_svn));
	set_hex(o, "enc_ppid", whole ? p->enc_ppid : NULL);
	set_hex(o, "platform_manifest", whole ? p->manifest : NULL);
	if (whole)
		set_time(o, "registered_at", p->said_at);
	return o;
}

/* One with certificates. False: its issuer needs a page of its own. */
static bool
held_add(struct site_job *s, const struct prow *p, const struct held_set *h,
    const struct mapping *m, size_t n)
{
	struct blob **chain = &s->chain[h->set->ca];
	json_t *o;
	size_t i;

	if (*chain != NULL && !span_eq(blob_span(*chain), blob_span(h->chain)))
		return false;
	if (*chain == NULL)
		*chain = blob_ref(h->chain);
	o = id_json(&p->id);
	set_hex(o, "enc_ppid", p->enc_ppid);
	set_hex(o, "platform_manifest", p->manifest);
	set_time(o, "fetched_at", p->fetched_at);
	set_time(o, "registered_at", p->said_at);
	must(json_object_set_new(o, "certs", certs_json(h->set)) == 0);
	append(s->certs, o);
	for (i = 0; i < n; i++)
		append(s->rows, row_json(p, &m[i].tcb, false));
	return true;
}

/* One whose certificates are not held, or not good any more: elsewhere it has
 * to wait for them as a registration does. */
static void
waiting_add(struct site_job *s, const struct prow *p, const struct mapping *m,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		append(s->waiting, row_json(p, &m[i].tcb, true));
	if (n == 0)
		append(s->waiting, row_json(p, NULL, true));
}

/* *fits is false when the page ends before this platform. */
static enum err
platform_add(struct site_job *s, const struct prow *p, bool *fits)
{
	struct held_set h = { 0 };
	struct mapping *m = NULL;
	struct why left_out = { 0 };
	size_t n = 0;
	enum err e;

	*fits = true;
	if ((e = mapping_list(s->job.st, p->row, &m, &n, &s->job.why)) !=
	    ERR_OK)
		return e;
	if (held_set_load(s->job.st, p, NULL, &h, &left_out) == ERR_OK)
		*fits = held_add(s, p, &h, m, n);
	else
		waiting_add(s, p, m, n);
	held_set_fini(&h);
	free(m);
	return ERR_OK;
}

static void
set_chain(json_t *o, const char *name, const struct blob *chain)
{
	if (chain != NULL)
		set_text(o, name, blob_span(chain));
}

static enum err
platforms_page(struct site_job *s, int64_t *next)
{
	json_t *chains = json_object(), *coll;
	enum err e;
	bool fits = true;
	size_t i;

	s->rows = json_array();
	s->certs = json_array();
	s->waiting = json_array();
	coll = json_pack("{s:i, s:o, s:[], s:{s:o}}", "version", 4, "pck_certs",
	    s->certs, "tcbinfos", "certificates",
	    "SGX-PCK-Certificate-Issuer-Chain", chains);
	must(coll != NULL);
	json_object_set_new(s->doc, "platforms", s->rows);
	json_object_set_new(s->doc, "collaterals", coll);
	json_object_set_new(s->doc, "registrations", s->waiting);
	if ((e = store_read(s->job.st, SQL_SITE_PLATFORMS,
		 VALS(db_int(s->after), db_int(PLATFORM_PAGE)), platform_row, s,
		 &s->job.why)) != ERR_OK)
		return e;
	for (i = 0; i < s->n; i++) {
		if ((e = platform_add(s, &s->platform[i], &fits)) != ERR_OK)
			return e;
		if (!fits)
			break;
		*next = s->platform[i].row;
	}
	if (fits && s->n < PLATFORM_PAGE)
		*next = 0;
	set_chain(chains, "PROCESSOR", s->chain[PCK_CA_PROCESSOR]);
	set_chain(chains, "PLATFORM", s->chain[PCK_CA_PLATFORM]);
	return ERR_OK;
}

/* --- registrations and policies --------------------------------------- */

static bool
registration_row(void *arg, const struct db_val *col)
{
	static const char *const name[] = { "qe_id", "pce_id", "cpu_svn",
		"pce_svn" };
	struct site_job *s = arg;
	struct blob *bytes;
	json_t *o = json_object();
	size_t i;

	s->after = col[0].i;
	s->n++;
	for (i = 0; i < 4; i++)
		set_text(o, name[i], col[1 + i].s);
	bytes = col_blob(&col[5]);
	set_hex(o, "enc_ppid", bytes);
	blob_unref(bytes);
	bytes = col_blob(&col[6]);
	set_hex(o, "platform_manifest", bytes);
	blob_unref(bytes);
	set_time(o, "registered_at", col[7].i);
	append(s->rows, o);
	return true;
}

static enum err
registrations_page(struct site_job *s, int64_t *next)
{
	enum err e;

	s->rows = json_array();
	json_object_set_new(s->doc, "registrations", s->rows);
	e = store_read(s->job.st, SQL_SITE_REGISTRATIONS,
	    VALS(db_int(s->after), db_int(REGISTRATION_PAGE)), registration_row,
	    s, &s->job.why);
	*next = s->n < REGISTRATION_PAGE ? 0 : s->after;
	return e;
}

static bool
policy_row(void *arg, const struct db_val *col)
{
	struct site_job *s = arg;
	json_t *o = json_object();

	s->n++;
	set_text(o, "fmspc", col[0].s);
	json_object_set_new(o, "is_default", json_boolean(col[1].i != 0));
	set_text(o, "policy", col[2].s);
	append(s->rows, o);
	return true;
}

static enum err
policies_page(struct site_job *s, int64_t *next)
{
	enum err e;

	s->rows = json_array();
	json_object_set_new(s->doc, "policies", s->rows);
	e = store_read(s->job.st, SQL_SITE_POLICIES,
	    VALS(db_int(POLICY_PAGE), db_int(s->after)), policy_row, s,
	    &s->job.why);
	*next = s->n < POLICY_PAGE ? 0 : s->after + POLICY_PAGE;
	return e;
}

/* --- the call --------------------------------------------------------- */

static enum err
site_page(struct site_job *s, int64_t *next)
{
	switch (s->part) {
	case SITE_PLATFORMS:
		return platforms_page(s, next);
	case SITE_REGISTRATIONS:
		return registrations_page(s, next);
	default:
		return policies_page(s, next);
	}
}

static void
site_work(struct job *j)
{
	struct site_job *s = msg_of(j, struct site_job, job);
	struct buf text = BUF_INIT;
	int64_t next = 0;
	enum err e;
	char *dump;

	s->doc = json_pack("{s:i}", "larder_site", 1);
	if ((e = site_page(s, &next)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	if (next != 0)
		json_object_set_new(s->doc, "next", json_integer(next));
	dump = json_dumps(s->doc, JSON_COMPACT);
	must(dump != NULL);
	buf_str(&text, dump);
	free(dump);
	s->text = buf_blob(&text);
	job_done(j);
}

static void
site_answer(struct job *j)
{
	struct site_job *s = msg_of(j, struct site_job, job);

	s->fn(j->arg, j->err, &j->why,
	    j->err == ERR_OK ? blob_ref(s->text) : NULL);
}

static void
site_fini(struct job *j)
{
	struct site_job *s = msg_of(j, struct site_job, job);
	size_t i;

	for (i = 0; s->part == SITE_PLATFORMS && i < s->n; i++)
		prow_fini(&s->platform[i]);
	blob_unref(s->chain[0]);
	blob_unref(s->chain[1]);
	blob_unref(s->text);
	json_decref(s->doc);
}

void
storage_site(struct storage *st, enum site_part part, int64_t after,
    store_text_fn fn, void *arg)
{
	struct site_job *s = xcalloc(1, sizeof(*s));

	s->part = part;
	s->after = after;
	s->fn = fn;
	job_start(&s->job, st, site_work, site_answer, site_fini, arg);
}
