#include "storage/fleet.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/pck.h"

#include <stdio.h>
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
	struct map *groups;  /* fleet_tcb_key() -> struct fleet_group */
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
	unsigned char key[FLEET_TCB_KEY];

	LIST_REMOVE(m, in_group);
	if (--g->n != 0)
		return;
	fleet_tcb_key(&g->tcb, key);
	must(map_del(f->groups, span_of(key, sizeof(key))) == g);
	free(g);
}

static void
member_join(struct fleet *f, struct fleet_member *m, const struct fleet_tcb *t)
{
	struct fleet_group *g;
	unsigned char key[FLEET_TCB_KEY];

	fleet_tcb_key(t, key);
	if ((g = map_get(f->groups, span_of(key, sizeof(key)))) == NULL) {
		g = xcalloc(1, sizeof(*g));
		g->tcb = *t;
		LIST_INIT(&g->members);
		(void)map_put(f->groups, span_of(key, sizeof(key)), g);
	}
	g->n++;
	m->group = g;
	LIST_INSERT_HEAD(&g->members, m, in_group);
}

static void
member_put(struct fleet *f, const unsigned char ppid[32], int64_t row,
    const struct fleet_tcb *t)
{
	struct fleet_member *m = map_get(f->members, ppid_span(ppid));

	if (m == NULL) {
		m = xcalloc(1, sizeof(*m));
		(void)map_put(f->members, ppid_span(ppid), m);
	} else {
		member_leave(f, m);
	}
	if (m->row != row)
		m->name = (struct log_id){ "" };
	m->row = row;
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
	unsigned char ppid[32];
	int64_t row; /* the latest used, else the last; 0: none */
	char fmspc[13];
	char top[37], tcbm[37]; /* highest certificate; the chosen one */
	bool has_raw;
	struct raw_tcb raw; /* that it was chosen for */
	int64_t used_at;
};

/* Those of a read: by PPID, and then every row of them by its id. */
struct proofs {
	struct proof *v;
	size_t n, cap;
	struct proof_row {
		int64_t row;
		size_t proof; /* index into v */
	} * rows;
	size_t n_rows, cap_rows, at; /* at: while the raw TCBs come */
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
proof_end(struct fleet *f, const struct proof *p)
{
	struct seen *s = map_get(f->seen, ppid_span(p->ppid));
	struct fleet_tcb t;

	if (p->row != 0 && proof_tcb(p, s, &t))
		member_put(f, p->ppid, p->row, &t);
	else if (seen_tcb(s, &t))
		member_put(f, p->ppid, 0, &t);
	else
		member_del(f, p->ppid);
}

/* --- reading ---------------------------------------------------------- */

static bool
proof_platform(void *arg, const struct db_val *col)
{
	struct proofs *all = arg;
	struct proof *p;
	char top[37];

	if (col[0].s.len != sizeof(p->ppid))
		return true;
	p = all->n == 0 ? NULL : &all->v[all->n - 1];
	if (p == NULL || memcmp(p->ppid, col[0].s.p, sizeof(p->ppid)) != 0) {
		if (all->n == all->cap) {
			all->cap = all->cap == 0 ? 16 : 2 * all->cap;
			all->v = xrealloc(all->v, all->cap, sizeof(*all->v));
		}
		p = &all->v[all->n++];
		*p = (struct proof){ .row = 0 };
		memcpy(p->ppid, col[0].s.p, sizeof(p->ppid));
	}
	p->row = col[1].i;
	db_col_text(&col[2], p->fmspc, sizeof(p->fmspc));
	db_col_text(&col[3], top, sizeof(top));
	if (strcmp(top, p->top) > 0)
		memcpy(p->top, top, sizeof(top));
	if (all->n_rows == all->cap_rows) {
		all->cap_rows = all->cap_rows == 0 ? 16 : 2 * all->cap_rows;
		all->rows =
		    xrealloc(all->rows, all->cap_rows, sizeof(*all->rows));
	}
	all->rows[all->n_rows++] = (struct proof_row){ col[1].i, all->n - 1 };
	return true;
}

/* They come in the order of the rows. */
static bool
proof_raw(void *arg, const struct db_val *col)
{
	struct proofs *all = arg;
	struct proof *p;
	struct raw_tcb raw;

	while (all->at < all->n_rows && all->rows[all->at].row < col[0].i)
		all->at++;
	if (all->at == all->n_rows)
		return false;
	p = &all->v[all->rows[all->at].proof];
	if (all->rows[all->at].row != col[0].i || col[4].i < p->used_at ||
	    tcb_read(&col[1], &col[2], &raw) != ERR_OK)
		return true;
	p->row = col[0].i;
	p->has_raw = true;
	p->raw = raw;
	p->used_at = col[4].i;
	db_col_text(&col[3], p->tcbm, sizeof(p->tcbm));
	return true;
}

static int
proof_row_cmp(const void *a, const void *b)
{
	const struct proof_row *x = a, *y = b;

	return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows of the table platform, then their raw TCBs. */
static enum err
proofs_read(struct storage *st, enum sql rows, enum sql raws,
    const struct db_val *v, size_t n, struct proofs *all, struct why *why)
{
	enum err e;

	if ((e = store_read(st, rows, v, n, proof_platform, all, why)) !=
	    ERR_OK)
		return e;
	if (all->n_rows > 0)
		qsort(all->rows, all->n_rows, sizeof(*all->rows),
		    proof_row_cmp);
	return store_read(st, raws, v, n, proof_raw, all, why);
}

static void
proofs_fini(struct proofs *all)
{
	free(all->v);
	free(all->rows);
}

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

static void
seen_alone(struct fleet *f)
{
	struct proof p = { .row = 0 };
	struct map_iter it = map_iter(f->seen);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value)) {
		if (map_get(f->members, key) != NULL)
			continue;
		memcpy(p.ppid, key.p, sizeof(p.ppid));
		proof_end(f, &p);
	}
}

static enum err
fleet_load(struct storage *st, struct why *why)
{
	struct fleet *f = st->fleet;
	struct proofs all = { .n = 0 };
	enum err e;
	size_t i;

	maps_free(f);
	maps_new(f);
	if ((e = store_read(st, SQL_SEEN_LOAD, VALS(db_int(SEEN_MAX)), seen_row,
		 f, why)) != ERR_OK ||
	    (e = proofs_read(st, SQL_FLEET_LOAD, SQL_FLEET_TCBS, NULL, 0, &all,
		 why)) != ERR_OK)
		goto out;
	for (i = 0; i < all.n; i++)
		proof_end(f, &all.v[i]);
	seen_alone(f);
	f->whole = true;
out:
	proofs_fini(&all);
	return e;
}

static enum err
fleet_read(struct storage *st, const unsigned char ppid[32], struct why *why)
{
	struct proofs all = { .n = 0 };
	struct proof none = { .row = 0 };
	enum err e;

	memcpy(none.ppid, ppid, sizeof(none.ppid));
	e = proofs_read(st, SQL_FLEET_OF, SQL_FLEET_TCBS_OF,
	    VALS(db_hash(ppid, 32)), &all, why);
	if (e == ERR_OK)
		proof_end(st->fleet, all.n == 0 ? &none : &all.v[0]);
	proofs_fini(&all);
	return e;
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

static bool
name_row(void *arg, const struct db_val *col)
{
	*(struct log_id *)arg = log_id(col[0].s);
	return false;
}

struct log_id
fleet_name(struct storage *st, struct fleet_member *m)
{
	struct log_id id = { "" };

	if (m->name.s[0] != '\0')
		return m->name;
	if (m->row != 0 && store_read(st, SQL_FLEET_NAME, VALS(db_int(m->row)),
			       name_row, &id, NULL) == ERR_OK)
		m->name = id;
	if (id.s[0] == '\0')
		(void)snprintf(id.s, sizeof(id.s), "unnamed");
	return id;
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
