/*
 * Rows of the tables platform and platform_tcb.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/pck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- platform --------------------------------------------------------- */

static struct blob *
col_blob(const struct db_val *v)
{
	return v->s.len == 0 ? NULL : blob_from(v->s);
}

static bool
prow_row(void *arg, const struct db_val *col)
{
	struct prow *p = arg;

	p->row = col[0].i;
	db_col_text(&col[1], p->fmspc, sizeof(p->fmspc));
	/* Whoever reads it makes keys of it. */
	if (!hex_is(span_str(p->fmspc), 12))
		p->fmspc[0] = '\0';
	p->manifest = col_blob(&col[3]);
	p->enc_ppid = col_blob(&col[4]);
	p->certs = col_blob(&col[5]);
	p->chain = col_blob(&col[6]);
	p->fetched_at = col[7].i;
	p->na_count = col[8].i;
	p->na_wait_s = col[9].i;
	p->na_recheck_at = col[10].i;
	p->last_seen = col[11].i;
	p->said_at = col[12].i;
	return false;
}

enum err
prow_get(struct storage *st, const struct platform_id *id, struct prow *out,
    struct why *why)
{
	struct prow p = { .id = *id };
	enum err e;

	if ((e = store_read(st, SQL_PLATFORM_GET,
		 VALS(db_text(id->qe_id), db_text(id->pce_id)), prow_row, &p,
		 why)) != ERR_OK) {
		prow_fini(&p);
		return e;
	}
	*out = p;
	if (p.row == 0)
		return why_set(why, ERR_UNKNOWN_PLATFORM,
		    "caching-and-selection 2", "the platform is not known");
	return ERR_OK;
}

bool
said_before(time_t at, time_t held)
{
	return held != 0 && at <= held;
}

void
prow_fini(struct prow *p)
{
	blob_unref(p->manifest);
	blob_unref(p->enc_ppid);
	blob_unref(p->certs);
	blob_unref(p->chain);
	*p = (struct prow){ 0 };
}

/* --- raw TCBs --------------------------------------------------------- */

struct tcb_text
tcb_text(const struct raw_tcb *tcb)
{
	struct tcb_text t;
	unsigned char le[2] = { (unsigned char)(tcb->pcesvn & 0xff),
		(unsigned char)(tcb->pcesvn >> 8) };

	hex_upper(span_of(tcb->cpusvn, sizeof(tcb->cpusvn)), t.cpu_svn);
	hex_upper(span_of(le, sizeof(le)), t.pce_svn);
	return t;
}

enum err
tcb_read(const struct db_val *cpu_svn, const struct db_val *pce_svn,
    struct raw_tcb *out)
{
	unsigned char le[2];
	enum err e;

	if ((e = hex_read(cpu_svn->s, out->cpusvn, sizeof(out->cpusvn))) !=
		ERR_OK ||
	    (e = hex_read(pce_svn->s, le, sizeof(le))) != ERR_OK)
		return e;
	out->pcesvn = (uint16_t)(le[0] | le[1] << 8);
	return ERR_OK;
}

/* --- platform_tcb ----------------------------------------------------- */

struct mapping_visit {
	struct mapping *v;
	size_t n, cap;
};

/* A row that does not read was not written by us: as if it were absent. */
static bool
mapping_list_row(void *arg, const struct db_val *col)
{
	struct mapping_visit *visit = arg;
	struct mapping m = { 0 };

	if (tcb_read(&col[0], &col[1], &m.tcb) != ERR_OK)
		return true;
	db_col_text(&col[2], m.tcbm, sizeof(m.tcbm));
	m.levels = col[3].i;
	m.used_at = col[4].i;
	if (visit->n == visit->cap) {
		visit->cap = visit->cap == 0 ? 16 : 2 * visit->cap;
		visit->v = xrealloc(visit->v, visit->cap, sizeof(*visit->v));
	}
	visit->v[visit->n++] = m;
	return true;
}

enum err
mapping_list(struct storage *st, int64_t row, struct mapping **out, size_t *n,
    struct why *why)
{
	struct mapping_visit visit = { NULL, 0, 0 };
	enum err e = store_read(st, SQL_TCB_LIST, VALS(db_int(row)),
	    mapping_list_row, &visit, why);

	if (e != ERR_OK) {
		free(visit.v);
		return e;
	}
	*out = visit.v;
	*n = visit.n;
	return ERR_OK;
}

static bool
mapping_row(void *arg, const struct db_val *col)
{
	struct mapping *m = arg;

	db_col_text(&col[0], m->tcbm, sizeof(m->tcbm));
	m->levels = col[1].i;
	m->used_at = col[2].i;
	return false;
}

enum err
mapping_get(struct storage *st, int64_t row, const struct raw_tcb *tcb,
    struct mapping *out, struct why *why)
{
	struct tcb_text t = tcb_text(tcb);
	struct mapping m = { .tcb = *tcb };
	enum err e;

	if ((e = store_read(st, SQL_TCB_GET,
		 VALS(db_int(row), db_text(t.cpu_svn), db_text(t.pce_svn)),
		 mapping_row, &m, why)) != ERR_OK)
		return e;
	if (m.tcbm[0] == '\0')
		return why_set(why, ERR_NOT_CACHED, "caching-and-selection 2",
		    "no certificate is remembered for this raw TCB");
	*out = m;
	return ERR_OK;
}

enum err
mapping_put(struct storage *st, int64_t row, const struct mapping *m,
    struct why *why)
{
	struct tcb_text t = tcb_text(&m->tcb);
	enum err e;

	if ((e = store_write(st, SQL_TCB_PUT,
		 VALS(db_int(row), db_text(t.cpu_svn), db_text(t.pce_svn),
		     db_text(m->tcbm), db_int(m->levels), db_int(m->used_at)),
		 why)) != ERR_OK)
		return e;
	return store_write(st, SQL_TCB_TRIM,
	    VALS(db_int(row), db_int(st->config->cache.raw_tcbs_per_platform)),
	    why);
}

enum err
mapping_del(struct storage *st, int64_t row, const struct raw_tcb *tcb,
    struct why *why)
{
	struct tcb_text t = tcb_text(tcb);

	return store_write(st, SQL_TCB_DEL,
	    VALS(db_int(row), db_text(t.cpu_svn), db_text(t.pce_svn)), why);
}
