/*
 * A platform's list of certificates from upstream: caching-and-selection 3.2
 * to 3.4.
 */
#include "storage/pckcerts.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/bound.h"
#include "storage/fleet.h"
#include "storage/pck.h"
#include "storage/register.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As at the gate (coll.c). */
#define SKEW        300

#define NA_WAIT_MIN 3600
#define NA_WAIT_MAX (24 * 3600)

/* --- the gate --------------------------------------------------------- */

/* A list with a certificate out of its time is refused as a whole. */
static enum err
leaves_check(const struct pck_set *set, time_t now, struct why *why)
{
	struct window w;
	enum err e;
	size_t i;

	for (i = 0; i < set->n; i++) {
		w = (struct window){ set->certs[i].not_before,
			set->certs[i].not_after };
		if ((e = window_check(&w, now, SKEW, "PCK certificate", why)) !=
		    ERR_OK)
			return e;
	}
	return ERR_OK;
}

struct pck_gate
pck_gate_held(const struct storage *st)
{
	struct trust trust = hot_trust(st);

	return (struct pck_gate){
		.root_crl = trust.root_crl,
		.pck_crl = { pck_crl_held(st, PCK_CA_PROCESSOR),
		    pck_crl_held(st, PCK_CA_PLATFORM) },
	};
}

/* The issuer was read under the root CRL held; the gate's may be newer. */
static enum err
issuer_check(const struct issuer *i, const struct pck_gate *gate, time_t now,
    struct why *why)
{
	if (gate->root_crl != NULL && crl_lists(gate->root_crl, i->chain->x[0]))
		return why_set(why, ERR_REVOKED, "pcs-upstream 6",
		    "the PCK CA is revoked");
	return window_check(&i->chain->window, now, SKEW, "PCK issuer chain",
	    why);
}

enum err
pckcerts_admit(struct storage *st, const struct pck_gate *gate,
    const struct platform_id *id, struct span body, struct span chain,
    struct held_set *out, struct why *why)
{
	const struct issuer *issuer;
	struct pck_set *set = NULL;
	unsigned char pceid[2];
	time_t now = clock_now();
	enum err e;

	if ((e = pceid_read(id, pceid, why)) != ERR_OK ||
	    (e = issuer_get(st, chain, &issuer, why)) != ERR_OK ||
	    (e = issuer_check(issuer, gate, now, why)) != ERR_OK ||
	    (e = pck_set_read(body, issuer->chain, pceid,
		 gate->pck_crl[chain_pck_ca(issuer->chain)], &set, why)) !=
		ERR_OK)
		return e;
	if ((e = leaves_check(set, now, why)) != ERR_OK) {
		pck_set_unref(set);
		return e;
	}
	*out = held_set_of(set, issuer);
	return ERR_OK;
}

/* --- the row ---------------------------------------------------------- */

static int64_t
na_wait(const struct prow *old)
{
	int64_t wait = old->na_count == 0 ? NA_WAIT_MIN : 2 * old->na_wait_s;

	if (wait < NA_WAIT_MIN)
		wait = NA_WAIT_MIN;
	return wait > NA_WAIT_MAX ? NA_WAIT_MAX : wait;
}

/* The row as it will be; what is NULL keeps what the table holds. */
struct prow
pckcerts_row(const struct platform_ask *ask, const struct prow *old,
    const struct held_set *h, time_t now)
{
	struct prow p = {
		.id = ask->id,
		.manifest = blob_ref(ask->manifest),
		.enc_ppid = blob_ref(ask->enc_ppid),
		.certs = pck_set_pack(h->set),
		.chain = blob_ref(h->chain),
		.fetched_at = now,
		.last_seen = clock_now(),
		.said_at = old->said_at,
		.na_count = (int64_t)h->set->n_na,
	};

	if (ask->manifest != NULL &&
	    (old->manifest == NULL ||
		!span_eq(blob_span(ask->manifest), blob_span(old->manifest))))
		p.said_at = now;
	hex_upper(span_of(h->set->fmspc, sizeof(h->set->fmspc)), p.fmspc);
	if (p.na_count != 0) {
		p.na_wait_s = na_wait(old);
		p.na_recheck_at = now + p.na_wait_s;
	}
	return p;
}

static bool
id_row(void *arg, const struct db_val *col)
{
	int64_t *id = arg;

	*id = col[0].i;
	return false;
}

/* p->row is set. */
static enum err
row_write(struct storage *st, struct prow *p, const struct pck_set *set,
    const struct pck_write *how, struct why *why)
{
	unsigned char chain[32], ppid[32];
	enum err e;

	sha256(blob_span(p->chain), chain);
	sha256(span_of(set->ppid, sizeof(set->ppid)), ppid);
	if ((e = store_write(st, SQL_CHAIN_PUT,
		 VALS(db_hash(chain, 32), db_bytes(blob_span(p->chain))),
		 why)) != ERR_OK ||
	    (e = store_write_row(st, SQL_PLATFORM_PUT,
		 VALS(db_text(p->id.qe_id), db_text(p->id.pce_id),
		     db_text(p->fmspc), db_text(pck_ca_name(set->ca)),
		     db_bytes(blob_span(p->manifest)),
		     db_bytes(blob_span(p->enc_ppid)),
		     db_bytes(blob_span(p->certs)), db_hash(chain, 32),
		     db_hash(ppid, 32), db_int(how->on_demand),
		     db_int(p->fetched_at), db_int(p->na_count),
		     db_int(p->na_wait_s), db_int(p->na_recheck_at),
		     db_int(p->last_seen), db_text(set->certs[0].tcbm),
		     db_int(p->said_at)),
		 id_row, &p->row, why)) != ERR_OK)
		return e;
	fleet_touch(st, ppid);
	if (p->fetched_at > atomic_load(&st->platform_success))
		atomic_store(&st->platform_success, p->fetched_at);
	if (how->is_new)
		atomic_fetch_add(&st->n_platforms, 1);
	if (!how->on_demand || !how->is_new)
		return ERR_OK;
	st->recount = true;
	if ((e = store_write(st, SQL_PLATFORM_TRIM,
		 VALS(db_hash(ppid, 32), db_int(ON_DEMAND_MAX)), why)) !=
	    ERR_OK)
		return e;
	return bound_platforms(st, why);
}

/* --- the choices ------------------------------------------------------ */

static bool
set_has(const struct pck_set *set, const char *tcbm)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (strcmp(set->certs[i].tcbm, tcbm) == 0)
			return true;
	return false;
}

static enum err
choice_write(struct storage *st, int64_t row, const struct pck_set *set,
    const struct tcbinfo *info, struct mapping *m, struct why *why)
{
	size_t index;

	switch (pck_choose(info, set, &m->tcb, &index, &m->levels, why)) {
	case ERR_OK:
		memcpy(m->tcbm, set->certs[index].tcbm, sizeof(m->tcbm));
		return mapping_put(st, row, m, why);
	case ERR_NO_TCBINFO:
		if (m->tcbm[0] == '\0' || set_has(set, m->tcbm))
			return ERR_OK;
		/* FALLTHROUGH */
	default:
		/* This raw TCB alone is lost, not the platform. */
		return mapping_del(st, row, &m->tcb, why);
	}
}

/* Every raw TCB known before, and the one asked for. */
static enum err
choices_write(struct storage *st, const struct prow *p,
    const struct pck_set *set, const struct tcbinfo *info,
    const struct platform_ask *ask, struct why *why)
{
	struct mapping *v = NULL, m = { .used_at = clock_now_ms() };
	size_t i, n = 0;
	enum err e;

	if ((e = mapping_list(st, p->row, &v, &n, why)) != ERR_OK)
		return e;
	for (i = n; i > 0 && e == ERR_OK; i--)
		e = choice_write(st, p->row, set, info, &v[i - 1], why);
	free(v);
	if (e != ERR_OK || !ask->has_tcb || !pck_may_remember(st, p))
		return e;
	m.tcb = ask->tcb;
	return choice_write(st, p->row, set, info, &m, why);
}

/* --- Not available (3.3) ---------------------------------------------- */

static struct raw_tcb
na_tcb(const struct pck_na *na)
{
	struct raw_tcb tcb = { .pcesvn = na->pcesvn };

	memcpy(tcb.cpusvn, na->comp, sizeof(tcb.cpusvn));
	return tcb;
}

static struct reg_row *
rows_find(const struct reg_rows *rows, const struct tcb_text *t)
{
	size_t i;

	for (i = 0; i < rows->n; i++)
		if (strcmp(rows->v[i].cpu_svn, t->cpu_svn) == 0 &&
		    strcmp(rows->v[i].pce_svn, t->pce_svn) == 0)
			return &rows->v[i];
	return NULL;
}

/* One that waits or was handed out already stays as it is. */
static enum err
na_queue(struct storage *st, const struct prow *p,
    const struct platform_ask *ask, const struct pck_set *set,
    const struct reg_rows *rows, struct why *why)
{
	struct reg_row r, *held;
	struct raw_tcb tcb;
	struct tcb_text t;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < set->n_na && e == ERR_OK; i++) {
		tcb = na_tcb(&set->na[i]);
		t = tcb_text(&tcb);
		if ((held = rows_find(rows, &t)) != NULL && held->na)
			continue;
		r = (struct reg_row){
			.na = true,
			.state = REG_NOT_AVAILABLE,
			.enc_ppid = ask->enc_ppid,
			.manifest = ask->manifest,
			.said_at = p->said_at,
		};
		memcpy(r.cpu_svn, t.cpu_svn, sizeof(r.cpu_svn));
		memcpy(r.pce_svn, t.pce_svn, sizeof(r.pce_svn));
		e = reg_put(st, &p->id, &r, why);
	}
	return e;
}

/* Rows that were queued as not available and are available now. */
static enum err
na_unqueue(struct storage *st, const struct pck_set *set,
    const struct reg_rows *rows, struct why *why)
{
	char tcbm[37];
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < rows->n && e == ERR_OK; i++) {
		snprintf(tcbm, sizeof(tcbm), "%.32s%.4s", rows->v[i].cpu_svn,
		    rows->v[i].pce_svn);
		if (rows->v[i].na && set_has(set, tcbm))
			e = reg_end(st, &rows->v[i], why);
	}
	return e;
}

static enum err
na_write(struct storage *st, const struct prow *p,
    const struct platform_ask *ask, const struct pck_set *set, bool queue,
    struct why *why)
{
	struct reg_rows rows = { NULL, 0 };
	enum err e;

	if ((e = reg_rows_get(st, &p->id, &rows, why)) != ERR_OK)
		return e;
	e = na_unqueue(st, set, &rows, why);
	if (e == ERR_OK && queue)
		e = na_queue(st, p, ask, set, &rows, why);
	reg_rows_free(&rows);
	return e;
}

/* --- writing ---------------------------------------------------------- */

/* A platform somebody registered, with a token, is not subject to the cap on
 * those that anybody can make up.  What waited says when it was said. */
static enum err
is_on_demand(struct storage *st, const struct platform_ask *ask, struct prow *p,
    bool *out, struct why *why)
{
	struct reg_rows rows = { NULL, 0 };
	enum err e;
	size_t i;

	if ((e = reg_rows_get(st, &ask->id, &rows, why)) != ERR_OK)
		return e;
	*out = rows.n == 0 && ask->manifest == NULL;
	for (i = 0; i < rows.n; i++)
		if (!rows.v[i].na && ask->manifest != NULL &&
		    rows.v[i].manifest != NULL &&
		    span_eq(blob_span(rows.v[i].manifest),
			blob_span(ask->manifest)))
			p->said_at = rows.v[i].said_at;
	reg_rows_free(&rows);
	return ERR_OK;
}

enum err
pckcerts_write(struct storage *st, struct prow *p, const struct held_set *h,
    const struct platform_ask *ask, const struct pck_write *how,
    struct why *why)
{
	enum err e;

	if ((e = row_write(st, p, h->set, how, why)) != ERR_OK ||
	    (e = choices_write(st, p, h->set, how->info, ask, why)) != ERR_OK)
		return e;
	return na_write(st, p, ask, h->set, how->queue_na, why);
}

/* --- the call --------------------------------------------------------- */

struct certs_job {
	struct job job;
	struct platform_ask ask;
	struct blob *body, *chain;
	char *source;
	time_t fetched_at;
	struct pck_answer *answer;
	store_answer_fn fn;
};

/* None at all (3.4): what is held stays; when to ask again moves on. */
static void
certs_none(struct storage *st, const struct platform_ask *ask)
{
	struct reg_rows rows = { NULL, 0 };
	struct prow p = { 0 };
	struct why why = { 0 };
	int64_t wait;
	enum err e = prow_get(st, &ask->id, &p, &why);
	size_t i;

	if (e == ERR_OK) {
		wait = na_wait(&p);
		e = store_write(st, SQL_PLATFORM_NA,
		    VALS(db_int(p.na_count > 0 ? p.na_count : 1), db_int(wait),
			db_int(clock_now() + wait), db_int(p.row)),
		    &why);
		platforms_drop(st->platforms, &ask->id);
	} else if (e == ERR_UNKNOWN_PLATFORM)
		e = ERR_OK;
	if (e == ERR_OK && st->config->mode == MODE_REQ)
		e = reg_rows_get(st, &ask->id, &rows, &why);
	for (i = 0; i < rows.n && e == ERR_OK; i++) {
		if (rows.v[i].state != REG_NEW)
			continue;
		rows.v[i].na = true;
		rows.v[i].state = REG_NOT_AVAILABLE;
		e = reg_put(st, &ask->id, &rows.v[i], &why);
	}
	if (e != ERR_OK)
		log_event(LOG_WARN, "not-available-not-kept", "text", why.text,
		    NULL);
	reg_rows_free(&rows);
	prow_fini(&p);
}

/* The certificates are of use whether or not they can be kept. */
static void
certs_keep(struct storage *st, const struct certs_job *c, struct prow *p,
    const struct held_set *h, bool is_new)
{
	struct pck_write how = {
		.info = pck_info(st, h->set),
		.on_demand = true,
		.is_new = is_new,
		.queue_na = st->config->mode == MODE_REQ,
	};
	struct why why = { 0 };

	if (is_on_demand(st, &c->ask, p, &how.on_demand, &why) != ERR_OK ||
	    pckcerts_write(st, p, h, &c->ask, &how, &why) != ERR_OK)
		log_event(LOG_WARN, "platform-not-kept", "platform",
		    log_id(span_str(p->id.qe_id)).s, "text", why.text, NULL);
}

static enum err
certs_take(struct storage *st, struct certs_job *c, const struct held_set *h,
    struct why *why)
{
	struct prow old = { 0 }, p = { 0 };
	size_t index = 0;
	int64_t levels;
	enum err e = prow_get(st, &c->ask.id, &old, why);

	if (e != ERR_OK && e != ERR_UNKNOWN_PLATFORM)
		log_event(LOG_WARN, "platform-not-read", "text", why->text,
		    NULL);
	p = pckcerts_row(&c->ask, &old, h, c->fetched_at);
	certs_keep(st, c, &p, h, e == ERR_UNKNOWN_PLATFORM);
	platforms_drop(st->platforms, &c->ask.id);
	metric_inc(M_ADMITTED);
	e = ERR_OK;
	if (!c->ask.has_tcb)
		goto out;
	if ((e = pck_choose(pck_info(st, h->set), h->set, &c->ask.tcb, &index,
		 &levels, why)) != ERR_OK)
		goto out;
	c->answer = pck_answer_new(st, h, index, &c->ask.tcb, &p);
	platforms_put(st->platforms, &c->ask.id, c->answer);
out:
	prow_fini(&p);
	prow_fini(&old);
	return e;
}

static void
certs_work(struct job *j)
{
	struct certs_job *c = msg_of(j, struct certs_job, job);
	struct pck_gate gate = pck_gate_held(j->st);
	struct held_set h = { 0 };
	char object[32];
	enum err e;

	e = pckcerts_admit(j->st, &gate, &c->ask.id, blob_span(c->body),
	    blob_span(c->chain), &h, &j->why);
	if (e != ERR_OK) {
		snprintf(object, sizeof(object), "pckcerts/%s",
		    log_id(span_str(c->ask.id.qe_id)).s);
		if (e == ERR_NOT_AVAILABLE)
			certs_none(j->st, &c->ask);
		else
			refused_log(object, e, &j->why, c->source);
		job_fail(j, e);
		return;
	}
	e = certs_take(j->st, c, &h, &j->why);
	held_set_fini(&h);
	if (e != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

static void
certs_answer(struct job *j)
{
	struct certs_job *c = msg_of(j, struct certs_job, job);

	c->fn(j->arg, j->err, &j->why, c->answer);
}

static void
certs_fini(struct job *j)
{
	struct certs_job *c = msg_of(j, struct certs_job, job);

	blob_unref(c->ask.enc_ppid);
	blob_unref(c->ask.manifest);
	blob_unref(c->body);
	blob_unref(c->chain);
	pck_answer_unref(c->answer);
	free(c->source);
}

void
storage_admit_platform(struct storage *st, const struct platform_ask *ask,
    const struct pckcerts_raw *raw, store_answer_fn fn, void *arg)
{
	struct certs_job *c = xcalloc(1, sizeof(*c));

	c->ask = *ask;
	blob_ref(c->ask.enc_ppid);
	blob_ref(c->ask.manifest);
	c->body = blob_from(raw->body);
	c->chain = blob_from(raw->chain);
	c->source = xstrdup(raw->source);
	c->fetched_at = raw->fetched_at;
	c->fn = fn;
	job_start(&c->job, st, certs_work, certs_answer, certs_fini, arg);
}
