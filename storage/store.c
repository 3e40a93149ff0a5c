#include "storage/store.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/amd.h"
#include "storage/baseline_int.h"
#include "storage/chains.h"
#include "storage/fleet.h"
#include "storage/impact.h"
#include "storage/issuer.h"
#include "storage/veks.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* --- jobs ------------------------------------------------------------- */

static void
job_free(struct job *j)
{
	if (j->fini != NULL)
		j->fini(j);
	free(j);
}

static void
job_answer_run(struct msg *m)
{
	struct job *j = msg_of(m, struct job, msg);

	j->answer(j);
	job_free(j);
}

/* While closing, no other loop runs any more and nobody can be answered. */
void
job_done(struct job *j)
{
	struct storage *st = j->st;

	atomic_fetch_sub(&st->queued, 1);
	if (j->answer == NULL || atomic_load(&st->closing))
		job_free(j);
	else
		msg_send(j->home, &j->msg, job_answer_run);
}

void
job_fail(struct job *j, enum err e)
{
	must(e != ERR_OK);
	j->err = e;
	job_done(j);
}

void
job_commit(struct job *j)
{
	struct storage *st = j->st;

	if (!st->batch) {
		job_done(j);
		return;
	}
	j->next = NULL;
	*st->waiting_end = j;
	st->waiting_end = &j->next;
	if (++st->n_waiting >= STORE_BATCH_MAX)
		store_flush(st);
}

static void
job_work_run(struct msg *m)
{
	struct job *j = msg_of(m, struct job, msg);

	j->work(j);
}

void
job_start(struct job *j, struct storage *st, void (*work)(struct job *),
    void (*answer)(struct job *), void (*fini)(struct job *), void *arg)
{
	j->st = st;
	j->home = loop_self();
	j->work = work;
	j->answer = answer;
	j->fini = fini;
	j->arg = arg;
	must(answer == NULL || j->home != NULL);
	if (atomic_fetch_add(&st->queued, 1) < STORE_QUEUE_MAX) {
		msg_send(st->loop, &j->msg, job_work_run);
		return;
	}
	metric_inc(M_SHED_STORE);
	j->err = why_set(&j->why, ERR_SHED, "storage",
	    "%d calls wait for the database", STORE_QUEUE_MAX);
	job_done(j);
}

/* --- the batch -------------------------------------------------------- */

void
store_db_result(struct storage *st, enum err e, const struct why *why)
{
	if (e != ERR_OK)
		atomic_fetch_add(&st->db_failures, 1);
	if (e == st->db_err)
		return;
	if (e == ERR_OK)
		log_event(LOG_NOTE, "database-writable", NULL);
	else
		log_event(LOG_ERROR, "database-failed", "reason", err_token(e),
		    "text", why->text, NULL);
	st->db_err = e;
	st->db_why = e == ERR_OK ? (struct why){ 0 } : *why;
	atomic_store(&st->db_err_seen, (int)e);
}

/* The batch is over: tell all who wait for it. */
static void
batch_end(struct storage *st, enum err e, const struct why *why)
{
	struct job *j = st->waiting, *next;

	st->batch = false;
	st->waiting = NULL;
	st->waiting_end = &st->waiting;
	st->n_waiting = 0;
	for (; j != NULL; j = next) {
		next = j->next;
		if (e != ERR_OK) {
			j->err = e;
			j->why = *why;
		}
		job_done(j);
	}
}

/* The database may have dropped the transaction or not: make sure it has. */
static void
batch_lost(struct storage *st, enum err e, const struct why *why)
{
	st->ops->rollback(st->db);
	st->recount = true;
	fleet_forget(st);
	store_db_result(st, e, why);
	batch_end(st, e, why);
}

void
store_abort(struct storage *st, enum err e, const struct why *why)
{
	batch_lost(st, e, why);
}

struct storage_health
storage_health(const struct storage *st)
{
	struct storage_health h = {
		.writable = atomic_load(&st->db_err_seen) == ERR_OK,
		.commit_ms = atomic_load(&st->commit_ms),
	};

	return h;
}

enum err
store_commit(struct storage *st, struct why *why)
{
	int64_t from = clock_mono_ms();
	enum err e;

	if (!st->batch)
		return ERR_OK;
	if ((e = st->ops->commit(st->db, why)) != ERR_OK) {
		batch_lost(st, e, why);
		return e;
	}
	atomic_store(&st->commit_ms, clock_mono_ms() - from);
	store_db_result(st, ERR_OK, NULL);
	batch_end(st, ERR_OK, NULL);
	return ERR_OK;
}

void
store_flush(struct storage *st)
{
	struct why why = { 0 };

	/* Whoever waits has been told, and the log says it. */
	if (store_commit(st, &why) == ERR_OK) {
		object_flush(st);
		baseline_flush(st);
	}
}

static void
flush_run(struct msg *m)
{
	struct storage *st = msg_of(m, struct storage, flush);

	st->flush_sent = false;
	store_flush(st);
}

/*
 * The message stands behind those that are waiting now, so all of them share
 * one commit.
 */
void
store_flush_soon(struct storage *st)
{
	if (st->flush_sent || loop_self() != st->loop)
		return;
	st->flush_sent = true;
	msg_send(st->loop, &st->flush, flush_run);
}

enum err
store_read(struct storage *st, enum sql sql, const struct db_val *v, size_t n,
    db_row_fn fn, void *arg, struct why *why)
{
	enum err e = st->ops->run(st->db, sql, v, n, fn, arg, NULL, why);

	if (e != ERR_OK)
		log_event(LOG_ERROR, "database-read-failed", "reason",
		    err_token(e), "text", why == NULL ? NULL : why->text, NULL);
	return e;
}

/*
 * Another process that holds the lock is waited for, but not by each job in
 * turn: for a second after one waited in vain, all fail at once.
 */
static enum err
batch_begin(struct storage *st, struct why *why)
{
	int64_t from = clock_mono_ms(), now;
	enum err e;

	if (from < st->busy_until) {
		*why = st->db_why;
		return st->db_err;
	}
	if ((e = st->ops->begin(st->db, why)) == ERR_OK) {
		st->batch = true;
		store_flush_soon(st);
		return ERR_OK;
	}
	now = clock_mono_ms();
	if (now - from > 500)
		st->busy_until = now + 1000;
	store_db_result(st, e, why);
	return e;
}

enum err
store_begin(struct storage *st, struct why *why)
{
	return st->batch ? ERR_OK : batch_begin(st, why);
}

enum err
store_write_row(struct storage *st, enum sql sql, const struct db_val *v,
    size_t n, db_row_fn fn, void *arg, struct why *why)
{
	struct why here = { 0 };
	enum err e;

	if ((e = store_begin(st, &here)) != ERR_OK)
		goto out;
	e = st->ops->run(st->db, sql, v, n, fn, arg, NULL, &here);
	if (e != ERR_OK)
		batch_lost(st, e, &here);
out:
	if (e != ERR_OK && why != NULL)
		*why = here;
	return e;
}

enum err
store_write(struct storage *st, enum sql sql, const struct db_val *v, size_t n,
    struct why *why)
{
	return store_write_row(st, sql, v, n, NULL, NULL, why);
}

/* --- subscribers ------------------------------------------------------ */

struct subscriber {
	struct subscriber *next;
	struct loop *loop;
	snap_fn fn;
	void *arg;
};

struct snap_msg {
	struct msg msg;
	snap_fn fn;
	void *arg;
	struct snap *snap;
};

static void
snap_msg_run(struct msg *m)
{
	struct snap_msg *s = msg_of(m, struct snap_msg, msg);

	s->fn(s->arg, s->snap);
	snap_unref(s->snap);
	free(s);
}

/* The lock is held. */
static void
snap_send(const struct subscriber *sub, struct snap *snap)
{
	struct snap_msg *s = xcalloc(1, sizeof(*s));

	s->fn = sub->fn;
	s->arg = sub->arg;
	s->snap = snap_ref(snap);
	msg_send(sub->loop, &s->msg, snap_msg_run);
}

void
snap_publish(struct storage *st, struct snap *snap)
{
	struct subscriber *sub;
	struct snap *old;

	must(pthread_mutex_lock(&st->lock) == 0);
	old = st->snap;
	st->snap = snap;
	for (sub = st->subscribers; sub != NULL; sub = sub->next)
		snap_send(sub, snap);
	must(pthread_mutex_unlock(&st->lock) == 0);
	snap_unref(old);
}

void
storage_subscribe(struct storage *st, snap_fn fn, void *arg)
{
	struct subscriber *sub = xcalloc(1, sizeof(*sub));

	sub->loop = loop_self();
	must(sub->loop != NULL);
	sub->fn = fn;
	sub->arg = arg;
	must(pthread_mutex_lock(&st->lock) == 0);
	sub->next = st->subscribers;
	st->subscribers = sub;
	snap_send(sub, st->snap);
	must(pthread_mutex_unlock(&st->lock) == 0);
}

void
storage_unsubscribe(struct storage *st, snap_fn fn, void *arg)
{
	struct subscriber **p, *sub;

	must(pthread_mutex_lock(&st->lock) == 0);
	for (p = &st->subscribers; (sub = *p) != NULL; p = &sub->next)
		if (sub->fn == fn && sub->arg == arg)
			break;
	if (sub != NULL)
		*p = sub->next;
	must(pthread_mutex_unlock(&st->lock) == 0);
	free(sub);
}

/* --- the thread ------------------------------------------------------- */

static void
tick_cb(void *arg)
{
	struct storage *st = obj_cast(arg, STORE_MAGIC);

	keep_tick(st);
	timer_set(st->tick, KEEP_TICK_MS);
}

struct barrier {
	struct msg msg;
	struct storage *st;
	void (*fn)(struct storage *, void *arg);
	void *arg;
	sem_t done;
};

static void
barrier_run(struct msg *m)
{
	struct barrier *b = msg_of(m, struct barrier, msg);

	b->fn(b->st, b->arg);
	must(sem_post(&b->done) == 0);
}

/* Run fn on the store thread, behind all that waits, and wait for it. */
static void
barrier_wait(struct storage *st, void (*fn)(struct storage *, void *),
    void *arg)
{
	struct barrier b = { .st = st, .fn = fn, .arg = arg };

	must(loop_self() != st->loop);
	must(sem_init(&b.done, 0, 0) == 0);
	msg_send(st->loop, &b.msg, barrier_run);
	while (sem_wait(&b.done) != 0)
		continue; /* a signal */
	must(sem_destroy(&b.done) == 0);
}

static void
drain_fn(struct storage *st, void *arg)
{
	(void)arg;
	store_flush(st);
}

void
storage_drain(struct storage *st)
{
	barrier_wait(st, drain_fn, NULL);
}

/* --- reload ----------------------------------------------------------- */

static bool
list_same(const struct config_list *a, const struct config_list *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

/* In place of those that are loaded, which are the caller's to free. */
static enum err
anchors_load(struct storage *st, const struct config *c, struct why *why)
{
	struct anchors *intel = NULL;
	enum err e;

	if ((e = anchors_read(c->trust.intel_root_spki_sha256.n,
		 c->trust.intel_root_spki_sha256.v, &intel, why)) != ERR_OK ||
	    (e = amd_anchors_load(c, st->amd_anchors, why)) != ERR_OK) {
		anchors_free(intel);
		return e;
	}
	st->anchors = intel;
	return ERR_OK;
}

static bool
anchors_same(const struct config *a, const struct config *b)
{
	return list_same(&a->trust.intel_root_spki_sha256,
		   &b->trust.intel_root_spki_sha256) &&
	       list_same(&a->trust.amd_milan, &b->trust.amd_milan) &&
	       list_same(&a->trust.amd_genoa, &b->trust.amd_genoa) &&
	       list_same(&a->trust.amd_turin, &b->trust.amd_turin);
}

static void
reload_anchors(struct storage *st, const struct config *next)
{
	struct anchors *intel = st->anchors;
	struct anchors *amd[AMD_PRODUCT_N] = { NULL };
	struct why why = { 0 };

	if (anchors_same(st->config, next))
		return;
	memcpy(amd, st->amd_anchors, sizeof(amd));
	/* The configuration's own check has read the same texts. */
	if (anchors_load(st, next, &why) != ERR_OK) {
		log_event(LOG_ERROR, "anchors-refused", "text", why.text, NULL);
		return;
	}
	anchors_free(intel);
	amd_anchors_free(amd);
	hot_recheck(st);
}

static void
reload_fn(struct storage *st, void *arg)
{
	struct config *next = arg;

	reload_anchors(st, next);
	platforms_limit(st->platforms, next->cache.platform_bytes,
	    next->cache.raw_tcbs_per_platform);
	vekcache_limit(st->vekcache, next->cache.vek_bytes);
	config_unref(st->config);
	st->config = config_ref(next);
	baseline_reload(st);
}

void
storage_reload(struct storage *st, struct config *next)
{
	barrier_wait(st, reload_fn, next);
}

/* --- opening and closing ---------------------------------------------- */

static const struct store_ops *const backends[] = { &sqlite_ops };

/* Of "scheme:where"; NULL: no such scheme. */
static const struct store_ops *
database_ops(const char *name, const char **where, struct why *why)
{
	const char *colon = strchr(name, ':');
	size_t i, len = colon == NULL ? 0 : (size_t)(colon - name);

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (strlen(backends[i]->scheme) != len ||
		    memcmp(backends[i]->scheme, name, len) != 0)
			continue;
		*where = colon + 1;
		return backends[i];
	}
	(void)why_set(why, ERR_CONFIG, "larder.json",
	    "database: \"%s\" is not sqlite:PATH", name);
	return NULL;
}

static enum err
database_open(struct storage *st, struct why *why)
{
	const char *where = NULL;

	st->ops = database_ops(st->config->database, &where, why);
	return st->ops == NULL ? ERR_CONFIG
			       : st->ops->open(where, &st->db, why);
}

enum err
storage_look(const struct config *config, struct why *why)
{
	const char *where = NULL;
	const struct store_ops *ops =
	    database_ops(config->database, &where, why);

	return ops == NULL ? ERR_CONFIG : ops->look(where, why);
}

static struct storage *
storage_new(struct config *config)
{
	struct storage *st = xcalloc(1, sizeof(*st));

	st->magic = STORE_MAGIC;
	st->config = config_ref(config);
	st->hot = map_new();
	st->attempts = map_new();
	st->chains = chains_new();
	st->issuers = map_new();
	st->fleet = fleet_new();
	st->base = baseline_state_new(config);
	st->waiting_end = &st->waiting;
	st->unsaved_end = &st->unsaved;
	must(pthread_mutex_init(&st->lock, NULL) == 0);
	st->platforms = platforms_new(config->cache.platform_bytes,
	    config->cache.raw_tcbs_per_platform);
	st->vekcache = vekcache_new(config->cache.vek_bytes);
	st->amd_checked_at = clock_now();
	st->loop = loop_new("store");
	st->tick = timer_new(st->loop, tick_cb, st);
	return st;
}

static void
storage_free(struct storage *st)
{
	struct subscriber *sub, *next;
	struct map_iter it = map_iter(st->hot);
	struct span key;
	void *value;

	timer_free(st->tick);
	loop_free(st->loop);
	for (sub = st->subscribers; sub != NULL; sub = next) {
		next = sub->next;
		free(sub);
	}
	while (map_next(&it, &key, &value))
		coll_unref(value);
	map_free(st->hot);
	object_unsaved_free(st);
	attempts_free(st);
	baseline_state_free(st->base);
	chains_free(st->chains);
	issuers_clear(st);
	map_free(st->issuers);
	fleet_free(st->fleet);
	sets_forget(st);
	blob_unref(st->impact);
	snap_unref(st->snap);
	X509_free(st->root);
	platforms_free(st->platforms);
	vekcache_free(st->vekcache);
	if (st->db != NULL)
		st->ops->close(st->db);
	anchors_free(st->anchors);
	amd_anchors_free(st->amd_anchors);
	amd_roots_forget(st);
	config_unref(st->config);
	must(pthread_mutex_destroy(&st->lock) == 0);
	st->magic = 0;
	free(st);
}

static void
started_fn(struct storage *st, void *arg)
{
	(void)arg;
	timer_set(st->tick, KEEP_TICK_MS);
	store_flush(st);
}

enum err
storage_open(struct config *config, struct storage **out, struct why *why)
{
	struct storage *st = storage_new(config);
	int64_t from = clock_mono_ms();
	enum err e;

	if ((e = anchors_load(st, config, why)) != ERR_OK ||
	    (e = database_open(st, why)) != ERR_OK ||
	    (e = attempt_load(st, why)) != ERR_OK ||
	    (e = keep_count(st, why)) != ERR_OK ||
	    (e = baseline_load(st, why)) != ERR_OK)
		goto out;
	st->root = anchors_intel_root(st->anchors);
	if ((e = hot_load(st, why)) != ERR_OK)
		goto out;
	if ((e = fleet_sync(st, why)) != ERR_OK)
		goto out;
	hot_publish(st);
	impact_publish(st);
	loop_start(st->loop);
	barrier_wait(st, started_fn, NULL);
	log_event(LOG_NOTE, "storage-open", "database", config->database,
	    "veks", log_num(veks_stored(st)).s, "objects",
	    log_num((long long)map_len(st->hot)).s, "platforms",
	    log_num(atomic_load(&st->n_platforms)).s, "ms",
	    log_num(clock_mono_ms() - from).s, NULL);
	*out = st;
	st = NULL;
out:
	if (st != NULL)
		storage_free(st);
	return e;
}

/*
 * A message that the store thread sends to itself while it ends is not run
 * any more: the last flush is made here.
 */
void
storage_close(struct storage *st)
{
	if (st == NULL)
		return;
	atomic_store(&st->closing, true);
	loop_stop(st->loop);
	loop_join(st->loop);
	store_flush(st);
	attempt_flush(st);
	keep_seen(st);
	store_flush(st);
	storage_free(st);
}

struct pck_answer *
platform_cached(struct storage *st, const struct platform_id *id,
    const struct raw_tcb *tcb)
{
	return platforms_get(st->platforms, id, tcb);
}
