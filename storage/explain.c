/*
 * What is held of an object or a platform, how it would be answered now, and
 * why.  A platform's identifiers appear only because they were the question.
 */
#include "storage/explain.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/pck.h"
#include "storage/register.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Versions in an explanation, and in a history. */
#define EXPLAIN_VERSIONS 10
#define HISTORY_VERSIONS 1000

#define CHIP             "chip/" /* and a hardware id of AMD's: all that is held for it */

/* --- versions --------------------------------------------------------- */

static json_t *
col_json_text(const struct db_val *v)
{
	char text[256];

	if (v->type == DB_NULL)
		return json_null();
	db_col_text(v, text, sizeof(text));
	return json_safe(text);
}

static bool
version_row(void *arg, const struct db_val *col)
{
	json_t *list = arg;
	char digest[65] = "";

	if (col[9].s.len == 32)
		hex_lower(col[9].s, digest);
	json_array_append_new(list,
	    json_pack("{s:b, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:I}",
		"current", col[6].i != 0, "issued", json_time(col[0].i),
		"next_update", json_time(col[1].i), "eval_num",
		(json_int_t)col[2].i, "admitted", json_time(col[3].i),
		"fetched", json_time(col[4].i), "source",
		col_json_text(&col[5]), "ended", json_time(col[7].i),
		"ended_why", col_json_text(&col[8]), "sha256", digest, "bytes",
		(json_int_t)col[10].i));
	return true;
}

static enum err
versions(struct storage *st, const struct coll_key *key, int max, json_t **out,
    struct why *why)
{
	json_t *list = json_array();
	enum err e;

	/* What waits to be written belongs to the history, too. */
	store_flush(st);
	if ((e = store_read(st, SQL_OBJECT_VERSIONS,
		 VALS(db_text(key->text), db_int(max)), version_row, list,
		 why)) != ERR_OK) {
		json_decref(list);
		return e;
	}
	*out = list;
	return ERR_OK;
}

static void
history_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);
	struct coll_key key;
	json_t *list = NULL;
	enum err e;

	if ((e = key_read(t->what, &key, &j->why)) != ERR_OK ||
	    (e = versions(j->st, &key, HISTORY_VERSIONS, &list, &j->why)) !=
		ERR_OK) {
		job_fail(j, e);
		return;
	}
	t->text = json_text(
	    json_pack("{s:s, s:o}", "key", key.text, "versions", list));
	job_done(j);
}

void
storage_history(struct storage *st, const char *key, store_text_fn fn,
    void *arg)
{
	text_job_start(st, history_work, key, fn, arg);
}

/* --- objects ---------------------------------------------------------- */

json_t *
answer_json(enum err e, const char *how)
{
	return json_pack("{s:i, s:s, s:o}", "status", err_http(e), "reason",
	    err_token(e), "how", json_safe(how));
}

static json_t *
answer_missing(const struct storage *st, const struct coll_key *key)
{
	bool versioned =
	    key->kind == COLL_TCBINFO || key->kind == COLL_IDENTITY;

	if (versioned && key->api == 3 && st->config->mode == MODE_LAZY)
		return answer_json(ERR_V3_EOL,
		    "not held, and version 3 is asked of nobody");
	if (st->config->mode != MODE_LAZY)
		return answer_json(ERR_NOT_CACHED,
		    "not held, and this mode does not fetch on demand");
	return answer_json(ERR_OK, "not held: the first request fetches it");
}

json_t *
answer_held(const struct storage *st, const struct coll *c, time_t now)
{
	switch (fresh_state(c, st->config->cache.stale_max_s, now)) {
	case FRESH_NEW:
		return answer_json(ERR_OK, "served from memory");
	case FRESH_DUE:
		return answer_json(ERR_OK,
		    "served from memory; a refresh is due");
	case FRESH_STALE:
		return answer_json(ERR_OK,
		    st->config->mode == MODE_OFFLINE
			? "served with a warning: past its nextUpdate"
			: "past its nextUpdate: upstream is asked first, then "
			  "it is served with a warning");
	case FRESH_GONE:
		break;
	}
	return answer_json(ERR_NOT_CACHED,
	    "past every bound: served again only after a fetch");
}

static void
explain_object(struct text_job *t, const struct coll_key *key)
{
	struct storage *st = t->job.st;
	const struct coll *c = hot_get(st, key);
	time_t now = clock_now();
	json_t *list = NULL;
	enum err e;

	if ((e = versions(st, key, EXPLAIN_VERSIONS, &list, &t->job.why)) !=
	    ERR_OK) {
		job_fail(&t->job, e);
		return;
	}
	t->text = json_text(json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "key",
	    key->text, "now", json_time(now), "held",
	    c == NULL ? json_null() : json_coll(st, c, now), "answer",
	    c == NULL ? answer_missing(st, key) : answer_held(st, c, now),
	    "last_failure",
	    json_attempt(map_get(st->attempts, span_str(key->text))),
	    "versions", list));
	job_done(&t->job);
}

/* --- platforms -------------------------------------------------------- */

static json_t *
certs_json(const struct pck_set *set)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < set->n; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:o}", "tcbm", set->certs[i].tcbm,
			"not_after", json_time(set->certs[i].not_after)));
	return list;
}

/* One raw TCB seen before, and what it would get now. */
static json_t *
mapping_json(const struct storage *st, const struct mapping *m,
    const struct pck_set *set)
{
	struct tcb_text t = tcb_text(&m->tcb);
	struct why why = { 0 };
	int64_t levels;
	size_t index = 0;
	enum err e;
	json_t *now;

	if (set == NULL)
		now = answer_json(ERR_NOT_CACHED, "no certificates are held");
	else if ((e = pck_choose(pck_info(st, set), set, &m->tcb, &index,
		      &levels, &why)) != ERR_OK)
		now = answer_json(e, why.text);
	else
		now = answer_json(ERR_OK, set->certs[index].tcbm);
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "cpusvn", t.cpu_svn,
	    "pcesvn", t.pce_svn, "tcbm", json_safe(m->tcbm), "last_used",
	    json_time(m->used_at / 1000), "answer", now);
}

static json_t *
mappings_json(const struct storage *st, const struct mapping *v, size_t n,
    const struct pck_set *set)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(list, mapping_json(st, &v[i], set));
	return list;
}

static const char *
reg_state_name(enum reg_state s)
{
	switch (s) {
	case REG_NEW:
		return "new";
	case REG_NOT_AVAILABLE:
		return "not-available";
	case REG_HANDED_OUT:
		return "handed-out";
	case REG_DELETED:
		break;
	}
	return "deleted";
}

static json_t *
rows_json(const struct reg_rows *rows)
{
	json_t *list = json_array();
	const struct reg_row *r;
	size_t i;

	for (i = 0; i < rows->n; i++) {
		r = &rows->v[i];
		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:o, s:o, s:b, s:b, s:o, s:o}",
			"state", reg_state_name(r->state), "for_not_available",
			r->na, "cpusvn", json_safe(r->cpu_svn), "pcesvn",
			json_safe(r->pce_svn), "enc_ppid", r->enc_ppid != NULL,
			"manifest", r->manifest != NULL, "registered",
			json_time(r->created_at), "changed",
			json_time(r->changed_at)));
	}
	return list;
}

static json_t *
platform_answer(const struct storage *st, const struct prow *p, bool known,
    bool certs)
{
	bool lazy = st->config->mode == MODE_LAZY;

	if (!known)
		return lazy ? answer_json(ERR_OK,
				  "not known: a request with an encrypted "
				  "PPID fetches its certificates")
			    : answer_json(ERR_UNKNOWN_PLATFORM,
				  "not known, and this mode does not fetch "
				  "on demand");
	if (!certs)
		return answer_json(ERR_NOT_CACHED,
		    lazy ? "known without certificates: a request fetches them"
			 : "known without certificates");
	if (hot_select_info(st, p->fmspc) == NULL)
		return answer_json(ERR_NO_TCBINFO,
		    "raw TCBs not seen before need the SGX TCB info of the "
		    "FMSPC");
	return answer_json(ERR_OK,
	    "the certificate that fits the raw TCB of the request");
}

struct platform_facts {
	struct platform_id id;
	struct prow row;
	bool known;
	struct held_set held;
	struct mapping *mappings;
	size_t n;
	struct reg_rows rows;
};

static void
platform_facts_fini(struct platform_facts *f)
{
	prow_fini(&f->row);
	held_set_fini(&f->held);
	free(f->mappings);
	reg_rows_free(&f->rows);
}

static enum err
platform_facts_get(struct storage *st, struct platform_facts *f,
    struct why *why)
{
	struct why unheld = { 0 };
	enum err e = prow_get(st, &f->id, &f->row, why);

	if (e != ERR_OK && e != ERR_UNKNOWN_PLATFORM)
		return e;
	f->known = e == ERR_OK;
	if (f->known && (e = mapping_list(st, f->row.row, &f->mappings, &f->n,
			     why)) != ERR_OK)
		return e;
	if (f->known &&
	    held_set_load(st, &f->row, NULL, &f->held, &unheld) != ERR_OK)
		f->held = (struct held_set){ 0 };
	return reg_rows_get(st, &f->id, &f->rows, why);
}

static json_t *
platform_json(const struct storage *st, const struct platform_facts *f)
{
	const struct prow *p = &f->row;
	const struct pck_set *set = f->held.set;

	return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:b, s:b, s:o, s:o,"
			 " s:I, s:o, s:o, s:o, s:o}",
	    "qe_id", json_safe(f->id.qe_id), "pce_id", f->id.pce_id, "known",
	    f->known, "fmspc", json_safe(p->fmspc), "ca",
	    set == NULL ? json_null() : json_string(pck_ca_name(set->ca)),
	    "now", json_time(clock_now()), "enc_ppid", p->enc_ppid != NULL,
	    "manifest", p->manifest != NULL, "fetched",
	    json_time(p->fetched_at), "last_seen", json_time(p->last_seen),
	    "not_available", (json_int_t)p->na_count, "not_available_recheck",
	    json_time(p->na_recheck_at), "certificates",
	    set == NULL ? json_array() : certs_json(set), "raw_tcbs",
	    mappings_json(st, f->mappings, f->n, set), "registrations",
	    rows_json(&f->rows));
}

/* "QEID" or "QEID,PCEID" */
static enum err
platform_id_read(const char *text, struct platform_id *out, struct why *why)
{
	const char *comma = strrchr(text, ',');
	size_t i, len = comma == NULL ? strlen(text) : (size_t)(comma - text);

	if (len == 0 || len > QE_ID_MAX ||
	    (comma != NULL && !hex_is(span_str(comma + 1), 4)))
		return why_set(why, ERR_PARAM, "storage.h",
		    "neither a key nor QEID[,PCEID]");
	*out = (struct platform_id){ .pce_id = "0000" };
	memcpy(out->qe_id, text, len);
	if (comma != NULL)
		memcpy(out->pce_id, comma + 1, 4);
	for (i = 0; i < len; i++)
		if (out->qe_id[i] >= 'a' && out->qe_id[i] <= 'z')
			out->qe_id[i] = (char)(out->qe_id[i] - 'a' + 'A');
	for (i = 0; i < 4; i++)
		if (out->pce_id[i] >= 'a' && out->pce_id[i] <= 'f')
			out->pce_id[i] = (char)(out->pce_id[i] - 'a' + 'A');
	return ERR_OK;
}

static void
explain_platform(struct text_job *t)
{
	struct storage *st = t->job.st;
	struct platform_facts f = { .known = false };
	json_t *doc;
	enum err e;

	if ((e = platform_id_read(t->what, &f.id, &t->job.why)) != ERR_OK ||
	    (e = platform_facts_get(st, &f, &t->job.why)) != ERR_OK) {
		platform_facts_fini(&f);
		job_fail(&t->job, e);
		return;
	}
	doc = platform_json(st, &f);
	must(doc != NULL);
	json_object_set_new(doc, "answer",
	    platform_answer(st, &f.row, f.known, f.held.set != NULL));
	t->text = json_text(doc);
	platform_facts_fini(&f);
	job_done(&t->job);
}

static void
explain_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);
	struct coll_key key;
	struct why why = { 0 };

	if (strncmp(t->what, CHIP, sizeof(CHIP) - 1) == 0)
		explain_chip(t, span_str(t->what + sizeof(CHIP) - 1));
	else if (key_read(t->what, &key, &why) != ERR_OK)
		explain_platform(t);
	else if (key.kind == COLL_VEK)
		explain_vek(t, &key);
	else
		explain_object(t, &key);
}

void
storage_explain(struct storage *st, const char *key_or_platform,
    store_text_fn fn, void *arg)
{
	text_job_start(st, explain_work, key_or_platform, fn, arg);
}
