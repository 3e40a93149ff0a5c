#include "storage/register.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/pck.h"

#include <stdlib.h>
#include <string.h>

/* --- rows ------------------------------------------------------------- */

static enum reg_state
state_of(int64_t v)
{
	switch (v) {
	case REG_NOT_AVAILABLE:
		return REG_NOT_AVAILABLE;
	case REG_HANDED_OUT:
		return REG_HANDED_OUT;
	case REG_DELETED:
		return REG_DELETED;
	default:
		return REG_NEW;
	}
}

static struct blob *
col_blob(const struct db_val *v)
{
	return v->s.len == 0 ? NULL : blob_from(v->s);
}

static bool
reg_rows_row(void *arg, const struct db_val *col)
{
	struct reg_rows *rows = arg;
	struct reg_row *r;

	rows->v = xrealloc(rows->v, rows->n + 1, sizeof(*rows->v));
	r = &rows->v[rows->n++];
	*r = (struct reg_row){
		.row = col[0].i,
		.enc_ppid = col_blob(&col[3]),
		.manifest = col_blob(&col[4]),
		.na = col[5].i != 0,
		.state = state_of(col[6].i),
		.created_at = col[7].i,
		.changed_at = col[8].i,
		.said_at = col[9].i,
	};
	db_col_text(&col[1], r->cpu_svn, sizeof(r->cpu_svn));
	db_col_text(&col[2], r->pce_svn, sizeof(r->pce_svn));
	return true;
}

void
reg_rows_free(struct reg_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->n; i++) {
		blob_unref(rows->v[i].enc_ppid);
		blob_unref(rows->v[i].manifest);
	}
	free(rows->v);
	*rows = (struct reg_rows){ NULL, 0 };
}

enum err
reg_rows_get(struct storage *st, const struct platform_id *id,
    struct reg_rows *out, struct why *why)
{
	struct reg_rows rows = { NULL, 0 };
	enum err e;

	if ((e = store_read(st, SQL_REG_OF,
		 VALS(db_text(id->qe_id), db_text(id->pce_id)), reg_rows_row,
		 &rows, why)) != ERR_OK) {
		reg_rows_free(&rows);
		return e;
	}
	*out = rows;
	return ERR_OK;
}

static bool
state_row(void *arg, const struct db_val *col)
{
	int64_t *state = arg;

	*state = state_of(col[0].i);
	return false;
}

static int64_t
reg_live(const struct storage *st)
{
	return atomic_load(&st->reg_count[REG_NEW]) +
	       atomic_load(&st->reg_count[REG_NOT_AVAILABLE]) +
	       atomic_load(&st->reg_count[REG_HANDED_OUT]);
}

enum err
reg_put(struct storage *st, const struct platform_id *id,
    const struct reg_row *r, struct why *why)
{
	int64_t was = -1;
	enum err e;

	if ((e = store_read(st, SQL_REG_GET,
		 VALS(db_text(id->qe_id), db_text(id->pce_id),
		     db_text(r->cpu_svn), db_text(r->pce_svn)),
		 state_row, &was, why)) != ERR_OK)
		return e;
	if (was == -1 && reg_live(st) >= REG_MAX)
		return why_set(why, ERR_SHED, "storage",
		    "%d registrations wait already", REG_MAX);
	if ((e = store_write(st, SQL_REG_PUT,
		 VALS(db_text(id->qe_id), db_text(id->pce_id),
		     db_text(r->cpu_svn), db_text(r->pce_svn),
		     db_bytes(blob_span(r->enc_ppid)),
		     db_bytes(blob_span(r->manifest)), db_int(r->na),
		     db_int(r->state), db_int(r->said_at), db_int(clock_now())),
		 why)) != ERR_OK)
		return e;
	if (was != -1)
		atomic_fetch_sub(&st->reg_count[was], 1);
	atomic_fetch_add(&st->reg_count[r->state], 1);
	return ERR_OK;
}

enum err
reg_end(struct storage *st, const struct reg_row *r, struct why *why)
{
	enum err e = store_write(st, SQL_REG_END,
	    VALS(db_int(clock_now()), db_int(r->row)), why);

	if (e != ERR_OK)
		return e;
	atomic_fetch_sub(&st->reg_count[r->state], 1);
	atomic_fetch_add(&st->reg_count[REG_DELETED], 1);
	return ERR_OK;
}

enum err
reg_hand_out(struct storage *st, int64_t row, enum reg_state from,
    struct why *why)
{
	enum err e = store_write(st, SQL_REG_HAND_OUT,
	    VALS(db_int(clock_now()), db_int(row)), why);

	if (e != ERR_OK)
		return e;
	atomic_fetch_sub(&st->reg_count[from], 1);
	atomic_fetch_add(&st->reg_count[REG_HANDED_OUT], 1);
	return ERR_OK;
}

/* --- asks ------------------------------------------------------------- */

static struct platform_ask
ask_copy(const struct platform_ask *a)
{
	struct platform_ask copy = *a;

	blob_ref(copy.enc_ppid);
	blob_ref(copy.manifest);
	return copy;
}

static void
ask_drop(struct platform_ask *a)
{
	blob_unref(a->enc_ppid);
	blob_unref(a->manifest);
	a->enc_ppid = a->manifest = NULL;
}

/* The row of an ask; of its key: with a manifest the raw TCB is put aside
 * (caching-and-selection 5). */
static struct reg_row
ask_row(const struct platform_ask *a)
{
	struct reg_row r = { .state = REG_NEW };
	struct tcb_text t;

	if (a->manifest != NULL) {
		r.manifest = a->manifest;
		return r;
	}
	t = tcb_text(&a->tcb);
	memcpy(r.cpu_svn, t.cpu_svn, sizeof(r.cpu_svn));
	memcpy(r.pce_svn, t.pce_svn, sizeof(r.pce_svn));
	r.enc_ppid = a->enc_ppid;
	return r;
}

/* --- POST platforms --------------------------------------------------- */

struct reg_job {
	struct job job;
	struct platform_ask ask;
	bool site;      /* of another one's page: */
	time_t said_at; /* what was said there then */
	bool cached;
	store_reg_fn fn;
};

static bool
blob_same(const struct blob *a, const struct blob *b)
{
	return a != NULL && b != NULL && span_eq(blob_span(a), blob_span(b));
}

/*
 * Nothing needs fetching: same manifest and certificates held, or a
 * certificate remembered for the raw TCB, or none remembered only because
 * the list is not complete and it is not yet time to ask again.
 */
static enum err
reg_is_cached(struct storage *st, const struct platform_ask *a, bool *out,
    struct why *why)
{
	struct mapping m;
	struct prow p = { 0 };
	enum err e;

	*out = false;
	e = prow_get(st, &a->id, &p, why);
	if (e == ERR_UNKNOWN_PLATFORM)
		return ERR_OK;
	if (e != ERR_OK || p.certs == NULL)
		goto out;
	if (a->manifest != NULL) {
		*out = blob_same(a->manifest, p.manifest);
		goto out;
	}
	if (p.na_count != 0 && clock_now() < p.na_recheck_at) {
		*out = true;
		goto out;
	}
	e = mapping_get(st, p.row, &a->tcb, &m, why);
	*out = e == ERR_OK;
	if (e == ERR_NOT_CACHED)
		e = ERR_OK;
out:
	prow_fini(&p);
	return e;
}

static bool
blob_other(const struct blob *a, const struct blob *b)
{
	return a != NULL && b != NULL && !blob_same(a, b);
}

/*
 * What a page of a site would put in the place of something newer:
 * ERR_OLDER.  *there: the queue has the same already.
 */
static enum err
reg_is_newer(struct storage *st, const struct reg_job *r,
    const struct reg_row *row, bool *there, struct why *why)
{
	const struct platform_id *id = &r->ask.id;
	struct reg_rows rows = { NULL, 0 };
	struct prow p = { 0 };
	bool older;
	enum err e;
	size_t i;

	*there = false;
	if ((e = prow_get(st, id, &p, why)) != ERR_OK &&
	    e != ERR_UNKNOWN_PLATFORM)
		return e;
	older = blob_other(row->manifest, p.manifest) &&
		said_before(r->said_at, p.said_at);
	prow_fini(&p);
	if ((e = reg_rows_get(st, id, &rows, why)) != ERR_OK)
		return e;
	for (i = 0; i < rows.n; i++) {
		if (rows.v[i].na ||
		    strcmp(rows.v[i].cpu_svn, row->cpu_svn) != 0 ||
		    strcmp(rows.v[i].pce_svn, row->pce_svn) != 0)
			continue;
		if (blob_other(row->manifest, rows.v[i].manifest))
			older |= said_before(r->said_at, rows.v[i].said_at);
		else
			*there = r->said_at <= rows.v[i].said_at;
	}
	reg_rows_free(&rows);
	return older ? why_set(why, ERR_OLDER, "larder(1)",
			   "what is held of the platform is newer")
		     : ERR_OK;
}

static enum err
reg_queue(struct storage *st, struct reg_job *r, struct why *why)
{
	struct reg_row row = ask_row(&r->ask);
	bool there = false;
	enum err e;

	row.said_at = r->site ? r->said_at : clock_now();
	if (r->site && (e = reg_is_newer(st, r, &row, &there, why)) != ERR_OK)
		return e;
	return there ? ERR_OK : reg_put(st, &r->ask.id, &row, why);
}

static void
reg_work(struct job *j)
{
	struct reg_job *r = msg_of(j, struct reg_job, job);
	enum err e;

	if (r->ask.manifest == NULL && !r->ask.has_tcb) {
		job_fail(j, why_set(&j->why, ERR_PARAM, "pccs-api 6.9",
				"neither a manifest nor a raw TCB"));
		return;
	}
	if ((e = reg_is_cached(j->st, &r->ask, &r->cached, &j->why)) !=
	    ERR_OK) {
		job_fail(j, e);
		return;
	}
	if (!r->cached && (e = reg_queue(j->st, r, &j->why)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	job_commit(j);
}

static void
reg_answer(struct job *j)
{
	struct reg_job *r = msg_of(j, struct reg_job, job);

	r->fn(j->arg, j->err, &j->why, r->cached);
}

static void
reg_fini(struct job *j)
{
	ask_drop(&msg_of(j, struct reg_job, job)->ask);
}

static void
reg_start(struct storage *st, struct reg_job *r, const struct platform_ask *ask,
    store_reg_fn fn, void *arg)
{
	r->ask = ask_copy(ask);
	r->fn = fn;
	job_start(&r->job, st, reg_work, reg_answer, reg_fini, arg);
}

void
storage_register(struct storage *st, const struct platform_ask *ask,
    store_reg_fn fn, void *arg)
{
	reg_start(st, xcalloc(1, sizeof(struct reg_job)), ask, fn, arg);
}

void
storage_site_register(struct storage *st, const struct platform_ask *ask,
    time_t said_at, store_reg_fn fn, void *arg)
{
	struct reg_job *r = xcalloc(1, sizeof(*r));

	r->site = true;
	r->said_at = said_at < clock_now() ? said_at : clock_now();
	reg_start(st, r, ask, fn, arg);
}

/* --- done ------------------------------------------------------------- */

static enum err
done_row(struct storage *st, const struct platform_ask *a, struct why *why)
{
	struct reg_row key = ask_row(a);
	struct reg_rows rows = { NULL, 0 };
	enum err e;
	size_t i;

	if ((e = reg_rows_get(st, &a->id, &rows, why)) != ERR_OK)
		return e;
	for (i = 0; i < rows.n && e == ERR_OK; i++) {
		if (rows.v[i].na ||
		    strcmp(rows.v[i].cpu_svn, key.cpu_svn) != 0 ||
		    strcmp(rows.v[i].pce_svn, key.pce_svn) != 0)
			continue;
		e = reg_end(st, &rows.v[i], why);
	}
	reg_rows_free(&rows);
	return e;
}

/* Only if the platform's row is there to take the place of the queue's. */
static enum err
done(struct storage *st, const struct platform_ask *a, struct why *why)
{
	struct prow p = { 0 };
	enum err e = prow_get(st, &a->id, &p, why);

	if (e == ERR_UNKNOWN_PLATFORM)
		return ERR_OK;
	if (e == ERR_OK && p.certs != NULL &&
	    (a->manifest == NULL || blob_same(a->manifest, p.manifest)))
		e = done_row(st, a, why);
	prow_fini(&p);
	return e;
}

static void
done_work(struct job *j)
{
	struct reg_job *r = msg_of(j, struct reg_job, job);

	if (done(j->st, &r->ask, &j->why) != ERR_OK)
		log_event(LOG_WARN, "registration-not-ended", "text",
		    j->why.text, NULL);
	job_done(j);
}

void
storage_reg_done(struct storage *st, const struct platform_ask *ask)
{
	struct reg_job *r = xcalloc(1, sizeof(*r));

	r->ask = ask_copy(ask);
	job_start(&r->job, st, done_work, NULL, reg_fini, NULL);
}

/* --- what a fetch needs ----------------------------------------------- */

struct ask_job {
	struct job job;
	struct platform_ask ask;
	store_ask_fn fn;
};

static void
ask_take(struct platform_ask *a, struct blob *manifest, struct blob *enc_ppid)
{
	if (a->manifest == NULL)
		a->manifest = blob_ref(manifest);
	if (a->enc_ppid == NULL)
		a->enc_ppid = blob_ref(enc_ppid);
}

/*
 * From the row of the platform, and from what waits in the queue: a manifest
 * there is newer than the one that was fetched with, but for those of what
 * was not available, which were fetched with before.
 */
static enum err
ask_complete(struct storage *st, struct platform_ask *a, struct why *why)
{
	struct reg_rows rows = { NULL, 0 };
	struct prow p = { 0 };
	enum err known = prow_get(st, &a->id, &p, why), e;
	size_t i;

	if (known != ERR_OK && known != ERR_UNKNOWN_PLATFORM)
		return known;
	if ((e = reg_rows_get(st, &a->id, &rows, why)) != ERR_OK)
		goto out;
	if (known != ERR_OK && rows.n == 0) {
		e = known;
		goto out;
	}
	for (i = 0; i < rows.n; i++) /* the latest first */
		if (!rows.v[i].na)
			ask_take(a, rows.v[i].manifest, rows.v[i].enc_ppid);
	ask_take(a, p.manifest, p.enc_ppid);
	for (i = 0; i < rows.n; i++)
		ask_take(a, rows.v[i].manifest, rows.v[i].enc_ppid);
	*why = (struct why){ 0 };
out:
	reg_rows_free(&rows);
	prow_fini(&p);
	return e;
}

static void
ask_work(struct job *j)
{
	struct ask_job *a = msg_of(j, struct ask_job, job);
	enum err e = ask_complete(j->st, &a->ask, &j->why);

	if (e != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

static void
ask_answer(struct job *j)
{
	struct ask_job *a = msg_of(j, struct ask_job, job);

	a->fn(j->arg, j->err, &j->why, j->err == ERR_OK ? &a->ask : NULL);
}

static void
ask_job_fini(struct job *j)
{
	ask_drop(&msg_of(j, struct ask_job, job)->ask);
}

void
storage_platform_ask(struct storage *st, const struct platform_id *id,
    store_ask_fn fn, void *arg)
{
	struct ask_job *a = xcalloc(1, sizeof(*a));

	a->ask.id = *id;
	a->fn = fn;
	job_start(&a->job, st, ask_work, ask_answer, ask_job_fini, arg);
}
