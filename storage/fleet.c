#include "storage/fleet.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/pck.h"

#include <stdlib.h>
#include <string.h>

/* Platforms known by their quotes alone, at most. */
#define SEEN_MAX 200000
/* More platforms than this were touched: reading all is cheaper. */
#define DIRTY_MAX 20000
/* A quote that says nothing new is noted again after this long. */
#define SEEN_AGAIN_S 86400

struct seen { /* a row of quote_seen */
	char fmspc[13], tcbm[37];
	bool has_tdx;
	unsigned char tee_svn[16];
	int32_t qe_svn, tdqe_svn;
	time_t at;
};

struct fleet {
	struct map *members; /* hashed PPID -> struct fleet_member */
	struct map *groups;  /* fleet_tcb_write() -> struct fleet_group */
	struct map *seen;    /* hashed PPID -> struct seen */
	unsigned char (*dirty)[32];
	size_t n_dirty;
	bool whole; /* all that the database has was read */
};

/* --- members ---------------------------------------------------------- */

static struct span
ppid_span(const unsigned char ppid[32])
{
	return span_of(ppid, 32);
}

static void
member_leave(struct fleet *f, struct fleet_member *m)
{
	struct fleet_group *g = m->group;
	char text[FLEET_TCB_TEXT];

	LIST_REMOVE(m, in_group);
	if (--g->n != 0)
		return;
	fleet_tcb_write(&g->tcb, text);
	must(map_del(f->groups, span_str(text)) == g);
	free(g);
}

static void
member_join(struct fleet *f, struct fleet_member *m, const struct fleet_tcb *t)
{
	struct fleet_group *g;
	char text[FLEET_TCB_TEXT];

	fleet_tcb_write(t, text);
	if ((g = map_get(f->groups, span_str(text))) == NULL) {
		g = xcalloc(1, sizeof(*g));
		g->tcb = *t;
		LIST_INIT(&g->members);
		(void)map_put(f->groups, span_str(text), g);
	}
	g->n++;
	m->group = g;
	LIST_INSERT_HEAD(&g->members, m, in_group);
}

static void
member_put(struct fleet *f, const unsigned char ppid[32], struct log_id id,
    const struct fleet_tcb *t)
{
	struct fleet_member *m = map_get(f->members, ppid_span(ppid));

	if (m == NULL) {
		m = xcalloc(1, sizeof(*m));
		(void)map_put(f->members, ppid_span(ppid), m);
	} else {
		member_leave(f, m);
	}
	m->id = id;
	member_join(f, m, t);
}

static void
member_del(struct fleet *f, const unsigned char ppid[32])
{
	struct fleet_member *m = map_del(f->members, ppid_span(ppid));

	if (m != NULL)
		member_leave(f, m);
	free(m);
}

static void
values_free(struct map *map)
{
	struct map_iter it = map_iter(map);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		free(value);
	map_free(map);
}

static void
maps_new(struct fleet *f)
{
	f->members = map_new();
	f->groups = map_new();
	f->seen = map_new();
	f->n_dirty = 0;
	f->whole = false;
}

static void
maps_free(struct fleet *f)
{
	values_free(f->members);
	values_free(f->groups);
	values_free(f->seen);
}

struct fleet *
fleet_new(void)
{
	struct fleet *f = xcalloc(1, sizeof(*f));

	maps_new(f);
	f->dirty = xcalloc(DIRTY_MAX, sizeof(*f->dirty));
	return f;
}

void
fleet_free(struct fleet *f)
{
	if (f == NULL)
		return;
	maps_free(f);
	free(f->dirty);
	free(f);
}

/* --- what a platform can prove ---------------------------------------- */

/* The rows of one PPID put together. */
struct proof {
	struct storage *st;
	bool any;
	unsigned char ppid[32];
	struct log_id id;
	char fmspc[13];
	char top[37], tcbm[37]; /* highest certificate; the chosen one */
	bool has_raw;
	struct raw_tcb raw; /* that it was chosen for */
	int64_t used_at;
};

static bool
tcbm_read(const char *tcbm, uint8_t comp[16], uint16_t *pcesvn)
{
	unsigned char b[18];

	if (hex_read(span_str(tcbm), b, sizeof(b)) != ERR_OK)
		return false;
	memcpy(comp, b, 16);
	*pcesvn = (uint16_t)(b[16] | b[17] << 8);
	return true;
}

static void
seen_apply(struct fleet_tcb *t, const struct seen *s)
{
	t->qe_svn = t->tdqe_svn = -1;
	if (s == NULL)
		return;
	t->has_tdx = s->has_tdx;
	memcpy(t->tee_svn, s->tee_svn, sizeof(t->tee_svn));
	t->qe_svn = s->qe_svn;
	t->tdqe_svn = s->tdqe_svn;
}

/* False: no certificate of it is known. */
static bool
proof_tcb(const struct proof *p, const struct seen *s, struct fleet_tcb *t)
{
	const char *tcbm = p->tcbm[0] != '\0' ? p->tcbm : p->top;

	*t = (struct fleet_tcb){ .has_raw = p->has_raw };
	if (p->fmspc[0] == '\0' || !tcbm_read(tcbm, t->comp, &t->pcesvn))
		return false;
	memcpy(t->fmspc, p->fmspc, sizeof(t->fmspc));
	if (p->has_raw) {
		memcpy(t->raw, p->raw.cpusvn, sizeof(t->raw));
		t->raw_pcesvn = p->raw.pcesvn;
	}
	seen_apply(t, s);
	return true;
}

/* Known by its quotes alone. */
static bool
seen_tcb(const struct seen *s, struct fleet_tcb *t)
{
	*t = (struct fleet_tcb){ .has_raw = false };
	if (s == NULL || !tcbm_read(s->tcbm, t->comp, &t->pcesvn))
		return false;
	memcpy(t->fmspc, s->fmspc, sizeof(t->fmspc));
	seen_apply(t, s);
	return true;
}

static void
proof_end(struct proof *p)
{
	struct fleet *f = p->st->fleet;
	struct seen *s = map_get(f->seen, ppid_span(p->ppid));
	struct fleet_tcb t;

	if (p->any && proof_tcb(p, s, &t))
		member_put(f, p->ppid, p->id, &t);
	else if (seen_tcb(s, &t))
		member_put(f, p->ppid, log_id(ppid_span(p->ppid)), &t);
	else
		member_del(f, p->ppid);
	*p = (struct proof){ .st = p->st };
}

/* One row of the join: a platform row with one of its raw TCBs, or none. */
static void
proof_add(struct proof *p, const struct db_val *col)
{
	char top[37];

	p->any = true;
	p->id = log_id(col[1].s);
	db_col_text(&col[2], p->fmspc, sizeof(p->fmspc));
	db_col_text(&col[3], top, sizeof(top));
	if (strcmp(top, p->top) > 0)
		memcpy(p->top, top, sizeof(top));
	if (col[4].type == DB_NULL || col[7].i < p->used_at ||
	    tcb_read(&col[4], &col[5], &p->raw) != ERR_OK)
		return;
	p->has_raw = true;
	p->used_at = col[7].i;
	db_col_text(&col[6], p->tcbm, sizeof(p->tcbm));
}

static bool
fleet_row(void *arg, const struct db_val *col)
{
	struct proof *p = arg;

	if (col[0].s.len != sizeof(p->ppid))
		return true;
	if (p->any && memcmp(p->ppid, col[0].s.p, sizeof(p->ppid)) != 0)
		proof_end(p);
	memcpy(p->ppid, col[0].s.p, sizeof(p->ppid));
	proof_add(p, col);
	return true;
}

/* --- reading ---------------------------------------------------------- */

static bool
seen_row(void *arg, const struct db_val *col)
{
	struct fleet *f = arg;
	struct seen *s;

	if (col[0].s.len != 32 || map_get(f->seen, col[0].s) != NULL)
		return true;
	s = xcalloc(1, sizeof(*s));
	db_col_text(&col[1], s->fmspc, sizeof(s->fmspc));
	db_col_text(&col[2], s->tcbm, sizeof(s->tcbm));
	s->has_tdx = col[3].s.len == sizeof(s->tee_svn);
	if (s->has_tdx)
		memcpy(s->tee_svn, col[3].s.p, sizeof(s->tee_svn));
	s->qe_svn = (int32_t)col[4].i;
	s->tdqe_svn = (int32_t)col[5].i;
	s->at = col[6].i;
	(void)map_put(f->seen, col[0].s, s);
	return true;
}

static enum err
fleet_load(struct storage *st, struct why *why)
{
	struct fleet *f = st->fleet;
	struct proof p = { .st = st };
	struct map_iter it;
	struct span key;
	void *value;
	enum err e;

	maps_free(f);
	maps_new(f);
	if ((e = store_read(st, SQL_SEEN_LOAD, VALS(db_int(SEEN_MAX)), seen_row,
		 f, why)) != ERR_OK ||
	    (e = store_read(st, SQL_FLEET_LOAD, NULL, 0, fleet_row, &p, why)) !=
		ERR_OK)
		return e;
	if (p.any)
		proof_end(&p);
	it = map_iter(f->seen);
	while (map_next(&it, &key, &value)) {
		if (map_get(f->members, key) != NULL)
			continue;
		memcpy(p.ppid, key.p, sizeof(p.ppid));
		proof_end(&p);
	}
	f->whole = true;
	return ERR_OK;
}

static enum err
fleet_read(struct storage *st, const unsigned char ppid[32], struct why *why)
{
	struct proof p = { .st = st };
	enum err e;

	if ((e = store_read(st, SQL_FLEET_OF, VALS(db_hash(ppid, 32)),
		 fleet_row, &p, why)) != ERR_OK)
		return e;
	memcpy(p.ppid, ppid, sizeof(p.ppid));
	proof_end(&p);
	return ERR_OK;
}

void
fleet_touch(struct storage *st, const unsigned char ppid[32])
{
	struct fleet *f = st->fleet;

	if (f->n_dirty == DIRTY_MAX)
		f->whole = false;
	if (f->whole)
		memcpy(f->dirty[f->n_dirty++], ppid, 32);
}

void
fleet_forget(struct storage *st)
{
	st->fleet->whole = false;
}

enum err
fleet_sync(struct storage *st, struct why *why)
{
	struct fleet *f = st->fleet;
	enum err e;

	if (!f->whole)
		return fleet_load(st, why);
	for (; f->n_dirty > 0; f->n_dirty--)
		if ((e = fleet_read(st, f->dirty[f->n_dirty - 1], why)) !=
		    ERR_OK)
			return e;
	return ERR_OK;
}

void
fleet_each(const struct storage *st,
    void (*fn)(void *arg, const struct fleet_group *), void *arg)
{
	struct map_iter it = map_iter(st->fleet->groups);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		fn(arg, value);
}

size_t
fleet_len(const struct storage *st)
{
	return map_len(st->fleet->members);
}

/* --- quotes ----------------------------------------------------------- */

struct seen_job {
	struct job job;
	struct quote_seen q;
};

static struct seen
seen_of(const struct quote_seen *q, const struct seen *old)
{
	struct seen s = { .qe_svn = -1, .tdqe_svn = -1 };
	unsigned char b[18];

	if (old != NULL)
		s = *old;
	memcpy(s.fmspc, q->fmspc, sizeof(s.fmspc));
	memcpy(b, q->comp, sizeof(q->comp));
	b[16] = (unsigned char)(q->pcesvn & 0xff);
	b[17] = (unsigned char)(q->pcesvn >> 8);
	hex_upper(span_of(b, sizeof(b)), s.tcbm);
	if (q->tee == TEE_TDX) {
		s.has_tdx = true;
		memcpy(s.tee_svn, q->tee_svn, sizeof(s.tee_svn));
		s.tdqe_svn = q->qe_isvsvn;
	} else {
		s.qe_svn = q->qe_isvsvn;
	}
	return s;
}

static bool
seen_same(const struct seen *a, const struct seen *b)
{
	return strcmp(a->fmspc, b->fmspc) == 0 &&
	       strcmp(a->tcbm, b->tcbm) == 0 && a->has_tdx == b->has_tdx &&
	       memcmp(a->tee_svn, b->tee_svn, sizeof(a->tee_svn)) == 0 &&
	       a->qe_svn == b->qe_svn && a->tdqe_svn == b->tdqe_svn;
}

static enum err
seen_write(struct storage *st, const unsigned char ppid[32],
    const struct seen *s, struct why *why)
{
	return store_write(st, SQL_SEEN_PUT,
	    VALS(db_hash(ppid, 32), db_text(s->fmspc), db_text(s->tcbm),
		db_bytes(s->has_tdx ? span_of(s->tee_svn, sizeof(s->tee_svn))
				    : SPAN_NONE),
		db_int(s->qe_svn), db_int(s->tdqe_svn), db_int(s->at)),
	    why);
}

static void
seen_work(struct job *j)
{
	struct seen_job *q = msg_of(j, struct seen_job, job);
	struct storage *st = j->st;
	struct fleet *f = st->fleet;
	unsigned char ppid[32];
	struct seen *old, s;
	enum err e;

	if (st->ops->readonly(st->db) ||
	    (e = fleet_sync(st, &j->why)) != ERR_OK)
		goto out;
	sha256(span_of(q->q.ppid, sizeof(q->q.ppid)), ppid);
	old = map_get(f->seen, ppid_span(ppid));
	s = seen_of(&q->q, old);
	if (old != NULL && seen_same(old, &s) &&
	    clock_now() - old->at < SEEN_AGAIN_S)
		goto out;
	if (old == NULL && map_len(f->seen) >= SEEN_MAX)
		goto out;
	s.at = clock_now();
	if (seen_write(st, ppid, &s, &j->why) != ERR_OK)
		goto out; /* the log says it; the next quote tries again */
	if (old == NULL) {
		old = xcalloc(1, sizeof(*old));
		(void)map_put(f->seen, ppid_span(ppid), old);
	}
	*old = s;
	fleet_touch(st, ppid);
out:
	job_done(j);
}

void
storage_quote_seen(struct storage *st, const struct quote_seen *q)
{
	struct seen_job *j = xcalloc(1, sizeof(*j));

	j->q = *q;
	job_start(&j->job, st, seen_work, NULL, NULL, NULL);
}

static bool
pruned_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;

	if (col[0].s.len != 32)
		return true;
	free(map_del(st->fleet->seen, col[0].s));
	fleet_touch(st, col[0].s.p);
	return true;
}

enum err
fleet_prune(struct storage *st, time_t before, struct why *why)
{
	return store_write_row(st, SQL_SEEN_PRUNE, VALS(db_int(before)),
	    pruned_row, st, why);
}
