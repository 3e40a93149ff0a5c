#include "storage/veks.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/bound.h"

#include <stdlib.h>
#include <string.h>

/* How exact used_at is kept; of those to be written in one go. */
#define USED_MS  ((int64_t)3600 * 1000)
#define USED_MAX 1024

/* A key as columns: side, product, who, tcb. */
struct vek_cols {
	struct db_val side, product, who, tcb;
	char tcbm[17];
};

/* Borrows from the key and points into *c. */
static void
cols_of(const struct coll_key *key, struct vek_cols *c)
{
	amd_tcb_write(key->tcb, c->tcbm);
	c->side = db_text(amd_side_name(key->side));
	c->product = db_text(amd_product_name(key->product));
	c->who = db_bytes(
	    key->side == AMD_VCEK ? key_hwid(key) : span_str(key->csp_id));
	c->tcb = db_text(c->tcbm);
}

/* --- writing ---------------------------------------------------------- */

void
veks_take(struct storage *st, struct coll *c)
{
	metric_inc(M_ADMITTED);
	attempt_succeeded(st, c->key.text);
	vekcache_put(st->vekcache, c, clock_now_ms());
	object_save(st, c);
}

static enum err
row_del(struct storage *st, const struct coll_key *key, struct why *why)
{
	struct vek_cols c;

	cols_of(key, &c);
	st->veks_changed = true;
	return st->ops->run(st->db, SQL_VEK_DEL,
	    VALS(c.side, c.product, c.who, c.tcb), NULL, NULL, NULL, why);
}

/* --- a chip's rows ---------------------------------------------------- */

struct held_visit {
	struct storage *st;
	struct span hwid;
	struct vek_held *v;
	size_t n, cap;
};

/* A row that does not read was not written by us: as if it were absent. */
static bool
held_row(void *arg, const struct db_val *col)
{
	struct held_visit *visit = arg;
	struct vek_held h = { .product = amd_product_read(col[0].s) };
	struct coll_key key;
	int64_t used;

	if (h.product == AMD_PRODUCT_N ||
	    visit->hwid.len != amd_hwid_len(h.product) ||
	    amd_tcb_read(col[1].s, &h.tcb) != ERR_OK)
		return true;
	key = key_vcek(h.product, visit->hwid, h.tcb);
	used = vekcache_used_ms(visit->st->vekcache, &key);
	h.not_after = col[2].i;
	h.fetched_at = col[3].i;
	h.used_at_ms = used > col[4].i ? used : col[4].i;
	if (visit->n == visit->cap) {
		visit->cap = visit->cap == 0 ? 16 : 2 * visit->cap;
		visit->v = xrealloc(visit->v, visit->cap, sizeof(*visit->v));
	}
	visit->v[visit->n++] = h;
	return true;
}

static enum err
held_read(struct storage *st, struct span hwid, struct vek_held **out,
    size_t *n, struct why *why)
{
	struct held_visit visit = { .st = st, .hwid = hwid };
	enum err e = store_read(st, SQL_VEK_OF,
	    VALS(db_text(amd_side_name(AMD_VCEK)), db_bytes(hwid)), held_row,
	    &visit, why);

	if (e != ERR_OK) {
		free(visit.v);
		return e;
	}
	*out = visit.v;
	*n = visit.n;
	return ERR_OK;
}

static int
used_cmp(const void *a, const void *b)
{
	const struct vek_held *x = a, *y = b;

	return (x->used_at_ms < y->used_at_ms) -
	       (x->used_at_ms > y->used_at_ms);
}

/* The TCB that the configuration says this chip has. */
static bool
host_has(const struct config *c, const struct vek_held *v, struct span hwid)
{
	char chip[2 * AMD_HWID_MAX + 1], tcb[17];
	const struct config_host *h;
	size_t i, k;

	hex_lower(hwid, chip);
	amd_tcb_write(v->tcb, tcb);
	for (i = 0; i < c->n_hosts; i++) {
		h = &c->hosts[i];
		if (h->product == NULL || strcmp(h->tcb, tcb) != 0 ||
		    strcmp(h->product, amd_product_name(v->product)) != 0)
			continue;
		for (k = 0; k < h->chip_id.n; k++)
			if (strcmp(h->chip_id.v[k], chip) == 0)
				return true;
	}
	return false;
}

/*
 * Anybody can make AMD sign any TCB of a chip whose id he knows (amd-kds
 * 2.6).  What was written just now stays, and what guests of this chip are
 * given: it must not have to be asked for again because others asked much.
 */
static enum err
chip_trim(struct storage *st, const struct coll_key *newest, struct why *why)
{
	size_t i, n = 0, max = (size_t)st->config->cache.tcbs_per_chip;
	struct span hwid = key_hwid(newest);
	struct vek_held *v = NULL;
	struct coll_key key;
	enum err e;

	if ((e = held_read(st, hwid, &v, &n, why)) != ERR_OK)
		return e;
	for (i = 0; i < n; i++)
		if (v[i].product == newest->product &&
		    memcmp(v[i].tcb.b, newest->tcb.b, sizeof(v[i].tcb.b)) == 0)
			v[i].used_at_ms = INT64_MAX;
		else if (host_has(st->config, &v[i], hwid))
			v[i].used_at_ms = INT64_MAX - 1;
	if (n > max)
		qsort(v, n, sizeof(*v), used_cmp);
	for (i = max; i < n && e == ERR_OK; i++) {
		key = key_vcek(v[i].product, hwid, v[i].tcb);
		e = row_del(st, &key, why);
		vekcache_drop(st->vekcache, &key);
		atomic_fetch_add(&st->veks_trimmed, 1);
	}
	free(v);
	return e;
}

enum err
veks_write(struct storage *st, const struct coll *c, struct why *why)
{
	unsigned char digest[32];
	struct vek_cols k;
	enum err e;

	cols_of(&c->key, &k);
	sha256(blob_span(c->body), digest);
	st->veks_changed = true;
	if ((e = st->ops->run(st->db, SQL_VEK_PUT,
		 VALS(k.side, k.product, k.who, k.tcb,
		     db_hash(digest, sizeof(digest)), db_int(c->next_update),
		     db_int(c->fetched_at), db_int(clock_now_ms()),
		     db_text(c->source), db_bytes(blob_span(c->body))),
		 NULL, NULL, NULL, why)) != ERR_OK ||
	    c->key.side != AMD_VCEK)
		return e;
	if ((e = chip_trim(st, &c->key, why)) != ERR_OK)
		return e;
	return bound_vceks(st, why);
}

enum err
veks_end(struct storage *st, enum amd_product product, enum amd_side side,
    struct why *why)
{
	st->veks_changed = true;
	return st->ops->run(st->db, SQL_VEK_DEL_ALL,
	    VALS(db_text(amd_side_name(side)),
		db_text(amd_product_name(product))),
	    NULL, NULL, NULL, why);
}

enum err
veks_prune(struct storage *st)
{
	st->veks_changed = true;
	return store_write(st, SQL_VEK_PRUNE, VALS(db_int(clock_now())), NULL);
}

/* When it fails, the least recently used is not quite the right one. */
static void
used_write(struct storage *st, const struct coll_key *key, int64_t now_ms)
{
	struct vek_cols c;

	cols_of(key, &c);
	if (!st->ops->readonly(st->db) &&
	    store_write(st, SQL_VEK_USED,
		VALS(db_int(now_ms), c.side, c.product, c.who, c.tcb),
		NULL) != ERR_OK)
		log_event(LOG_WARN, "use-not-kept", "object", key_log(key).s,
		    NULL);
}

void
veks_used(struct storage *st)
{
	struct coll **v = xcalloc(USED_MAX, sizeof(struct coll *));
	int64_t now_ms = clock_now_ms();
	size_t i, n;

	n = vekcache_used(st->vekcache, now_ms - USED_MS, now_ms, v, USED_MAX);
	for (i = 0; i < n; i++) {
		used_write(st, &v[i]->key, now_ms);
		coll_unref(v[i]);
	}
	free(v);
}

static bool
count_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;
	enum amd_product product = amd_product_read(col[1].s);
	enum amd_side side = span_eq_str(col[0].s, amd_side_name(AMD_VLEK))
				 ? AMD_VLEK
				 : AMD_VCEK;

	if (product != AMD_PRODUCT_N)
		atomic_store(&st->n_veks[side][product], col[2].i);
	return true;
}

/* VLEKs come by import alone, so somebody has to know when they end. */
static bool
vlek_end_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;

	atomic_store(&st->vlek_end, col[0].i);
	return false;
}

enum err
veks_count(struct storage *st, struct why *why)
{
	enum err e;
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++) {
		atomic_store(&st->n_veks[AMD_VCEK][i], 0);
		atomic_store(&st->n_veks[AMD_VLEK][i], 0);
	}
	st->veks_changed = false;
	if ((e = store_read(st, SQL_VEK_COUNT, NULL, 0, count_row, st, why)) !=
	    ERR_OK)
		return e;
	return store_read(st, SQL_VLEK_END, NULL, 0, vlek_end_row, st, why);
}

int64_t
veks_stored(const struct storage *st)
{
	int64_t n = 0;
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++)
		n += atomic_load(&st->n_veks[AMD_VCEK][i]) +
		     atomic_load(&st->n_veks[AMD_VLEK][i]);
	return n;
}

/* --- reading ---------------------------------------------------------- */

void
veks_settle(struct storage *st)
{
	if (st->unsaved != NULL)
		store_flush(st);
}

struct vek_row {
	const struct coll_key *key;
	struct blob *body;
	unsigned char digest[32];
	time_t fetched_at;
	char source[256];
	int64_t used_ms;
};

static bool
vek_row(void *arg, const struct db_val *col)
{
	struct vek_row *r = arg;

	r->body = blob_from(col[0].s);
	if (col[1].s.len == sizeof(r->digest))
		memcpy(r->digest, col[1].s.p, sizeof(r->digest));
	r->fetched_at = col[2].i;
	db_col_text(&col[3], r->source, sizeof(r->source));
	r->used_ms = col[4].i;
	return false;
}

static enum err
row_admit(struct storage *st, const struct vek_row *r, struct coll **out,
    struct why *why)
{
	struct trust trust = hot_trust(st);
	time_t now = clock_now();
	struct coll_raw raw = {
		.key = *r->key,
		.body = blob_span(r->body),
		.source = r->source,
		/* A clock that ran ahead must not make it young for ever. */
		.fetched_at = r->fetched_at < now ? r->fetched_at : now,
		.held = true,
	};
	unsigned char digest[32];
	struct coll *c = NULL;
	enum err e;

	sha256(raw.body, digest);
	if (memcmp(digest, r->digest, sizeof(digest)) != 0)
		return why_set(why, ERR_INTEGRITY, "storage",
		    "the row does not match its digest");
	if ((e = coll_admit(&raw, &trust, now, &c, why)) != ERR_OK)
		return e;
	if (now >= c->next_update) {
		coll_unref(c);
		return why_set(why, ERR_EXPIRED, "amd-kds 7",
		    "past its notAfter");
	}
	*out = c;
	return ERR_OK;
}

/* It did not pass the gate: why, and it need not be tried again. */
static void
row_refused(struct storage *st, const struct vek_row *r, enum err e,
    const struct why *why)
{
	struct vek_cols c;

	refused_log(key_log(r->key).s, e, why, "database");
	cols_of(r->key, &c);
	st->veks_changed = true;
	if (!st->ops->readonly(st->db) &&
	    store_write(st, SQL_VEK_DEL, VALS(c.side, c.product, c.who, c.tcb),
		NULL) != ERR_OK)
		log_event(LOG_WARN, "refused-key-kept", "object",
		    key_log(r->key).s, NULL);
}

enum err
veks_load(struct storage *st, const struct coll_key *key, struct coll **out,
    struct why *why)
{
	struct vek_row row = { .key = key };
	int64_t now_ms = clock_now_ms();
	struct coll *c = NULL;
	struct vek_cols cols;
	enum err e;

	veks_settle(st);
	cols_of(key, &cols);
	if ((e = store_read(st, SQL_VEK_GET,
		 VALS(cols.side, cols.product, cols.who, cols.tcb), vek_row,
		 &row, why)) != ERR_OK)
		return e;
	if (row.body == NULL)
		return why_set(why, ERR_NOT_CACHED, "amd-kds 7",
		    "this certificate is not held");
	e = row_admit(st, &row, &c, why);
	if (e != ERR_OK && e != ERR_NO_CHAIN) {
		row_refused(st, &row, e, why);
		e = why_set(why, ERR_NOT_CACHED, "amd-kds 6.4",
		    "the certificate held no longer passes the gate");
	}
	if (e == ERR_OK && now_ms - row.used_ms > USED_MS)
		used_write(st, key, now_ms);
	blob_unref(row.body);
	*out = c;
	return e;
}

struct coll *
veks_held(struct storage *st, const struct coll_key *key)
{
	struct coll *c = vekcache_get(st->vekcache, key, clock_now_ms(), false);
	struct why why = { 0 };

	if (c == NULL && veks_load(st, key, &c, &why) != ERR_OK)
		return NULL;
	return c;
}

static int
newest_cmp(const void *a, const void *b)
{
	const struct vek_held *x = a, *y = b;
	struct amd_spl s = { 0 }, t = { 0 };
	int i, parts[5];

	if (amd_spl_of(x->product, x->tcb, &s, NULL) != ERR_OK ||
	    amd_spl_of(y->product, y->tcb, &t, NULL) != ERR_OK)
		return 0;
	parts[0] = t.fmc - s.fmc;
	parts[1] = t.bl - s.bl;
	parts[2] = t.tee - s.tee;
	parts[3] = t.snp - s.snp;
	parts[4] = t.ucode - s.ucode;
	for (i = 0; i < 5; i++)
		if (parts[i] != 0)
			return parts[i];
	return 0;
}

static bool
held_usable(const struct storage *st, const struct vek_held *h)
{
	struct coll_key chain = key_amd_chain(h->product, AMD_VCEK);

	return h->not_after > clock_now() && hot_get(st, &chain) != NULL;
}

enum err
veks_of(struct storage *st, struct span hwid, struct vek_held **out, size_t *n,
    struct why *why)
{
	struct vek_held *v = NULL;
	size_t i, len = 0, kept = 0;
	enum err e;

	veks_settle(st);
	if ((e = held_read(st, hwid, &v, &len, why)) != ERR_OK)
		return e;
	for (i = 0; i < len; i++)
		if (held_usable(st, &v[i]))
			v[kept++] = v[i];
	if (kept != 0)
		qsort(v, kept, sizeof(*v), newest_cmp);
	*out = v;
	*n = kept;
	return ERR_OK;
}

/* --- the calls -------------------------------------------------------- */

struct coll *
storage_vek_cached(struct storage *st, const struct coll_key *key)
{
	return vekcache_get(st->vekcache, key, clock_now_ms(), true);
}

struct vek_job {
	struct job job;
	struct coll_key key;
	struct coll *coll;
	store_coll_fn fn;
};

static void
vek_work(struct job *j)
{
	struct vek_job *v = msg_of(j, struct vek_job, job);
	int64_t now_ms = clock_now_ms();
	enum err e;

	/* Another request may have brought it since. */
	v->coll = vekcache_get(j->st->vekcache, &v->key, now_ms, false);
	if (v->coll != NULL) {
		job_done(j);
		return;
	}
	if ((e = veks_load(j->st, &v->key, &v->coll, &j->why)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	vekcache_put(j->st->vekcache, v->coll, now_ms);
	job_done(j);
}

static void
vek_answer(struct job *j)
{
	struct vek_job *v = msg_of(j, struct vek_job, job);

	v->fn(j->arg, j->err, &j->why, v->coll);
}

static void
vek_fini(struct job *j)
{
	struct vek_job *v = msg_of(j, struct vek_job, job);

	coll_unref(v->coll);
}

void
storage_vek(struct storage *st, const struct coll_key *key, store_coll_fn fn,
    void *arg)
{
	struct vek_job *v = xcalloc(1, sizeof(*v));

	must(key->kind == COLL_VEK);
	v->key = *key;
	v->fn = fn;
	job_start(&v->job, st, vek_work, vek_answer, vek_fini, arg);
}

struct veks_job {
	struct job job;
	unsigned char hwid[AMD_HWID_MAX];
	size_t hwid_len, n;
	struct vek_held *v;
	store_veks_fn fn;
};

static void
veks_work(struct job *j)
{
	struct veks_job *v = msg_of(j, struct veks_job, job);
	enum err e = veks_of(j->st, span_of(v->hwid, v->hwid_len), &v->v, &v->n,
	    &j->why);

	if (e != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

static void
veks_answer(struct job *j)
{
	struct veks_job *v = msg_of(j, struct veks_job, job);

	v->fn(j->arg, j->err, &j->why, v->v, v->n);
}

static void
veks_fini(struct job *j)
{
	struct veks_job *v = msg_of(j, struct veks_job, job);

	free(v->v);
}

void
storage_veks(struct storage *st, struct span hwid, store_veks_fn fn, void *arg)
{
	struct veks_job *v = xcalloc(1, sizeof(*v));

	must(hwid.len <= sizeof(v->hwid));
	memcpy(v->hwid, hwid.p, hwid.len);
	v->hwid_len = hwid.len;
	v->fn = fn;
	job_start(&v->job, st, veks_work, veks_answer, veks_fini, arg);
}
