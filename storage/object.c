/*
 * Versions of objects on their way into the database.  They were published
 * before, so nobody waits for them: what cannot be written now is kept and
 * tried again.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/veks.h"

#include <stdlib.h>
#include <string.h>

struct unsaved {
	struct unsaved *next;
	char key[COLL_KEY_TEXT];
	struct coll *coll;  /* NULL: the current version ends */
	enum err ended_why; /* then */
	time_t ended_at;
};

static const char *const kind_name[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = name,
#include "storage/coll.def"
#undef COLL
};

/* --- writing ---------------------------------------------------------- */

static enum err
run(struct storage *st, enum sql sql, const struct db_val *v, size_t n,
    int64_t *changed, struct why *why)
{
	return st->ops->run(st->db, sql, v, n, NULL, NULL, changed, why);
}

static enum err
version_end(struct storage *st, const char *key, time_t at, enum err reason,
    struct why *why)
{
	return run(st, SQL_OBJECT_END,
	    VALS(db_int(at),
		db_text(reason == ERR_OK ? "replaced" : err_token(reason)),
		db_text(key)),
	    NULL, why);
}

static enum err
version_add(struct storage *st, const struct coll *c, const void *digest,
    struct why *why)
{
	return run(st, SQL_OBJECT_ADD,
	    VALS(db_text(c->key.text), db_text(kind_name[c->key.kind]),
		db_hash(digest, 32), db_bytes(blob_span(c->body)),
		db_bytes(blob_span(c->chain)), db_int(c->issue_at),
		db_int(c->next_update), db_int(c->eval_num),
		db_int(c->fetched_at), db_int(c->fetched_at),
		db_text(c->source)),
	    NULL, why);
}

/* The same bytes again are the same version, fetched again. */
enum err
object_write(struct storage *st, const struct coll *c, struct why *why)
{
	unsigned char digest[32];
	int64_t changed = 0;
	enum err e;

	sha256(blob_span(c->body), digest);
	if ((e = run(st, SQL_OBJECT_TOUCH,
		 VALS(db_int(c->fetched_at), db_text(c->source),
		     db_bytes(blob_span(c->chain)), db_text(c->key.text),
		     db_hash(digest, sizeof(digest))),
		 &changed, why)) != ERR_OK ||
	    changed != 0)
		return e;
	if ((e = version_end(st, c->key.text, c->fetched_at, ERR_OK, why)) !=
	    ERR_OK)
		return e;
	return version_add(st, c, digest, why);
}

/* --- the list --------------------------------------------------------- */

static void
unsaved_free(struct unsaved *u)
{
	coll_unref(u->coll);
	free(u);
}

void
object_unsaved_free(struct storage *st)
{
	struct unsaved *u, *next;

	for (u = st->unsaved; u != NULL; u = next) {
		next = u->next;
		unsaved_free(u);
	}
	st->unsaved = NULL;
	st->unsaved_end = &st->unsaved;
	atomic_store(&st->n_unsaved, 0);
}

/* While the database cannot be written for long: the oldest goes, history
 * has a gap and the log says so. */
static void
unsaved_shed(struct storage *st)
{
	struct unsaved *u = st->unsaved;

	log_event(LOG_WARN, "version-not-kept", "object",
	    u->coll == NULL ? u->key : key_log(&u->coll->key).s, NULL);
	st->unsaved = u->next;
	if (st->unsaved == NULL)
		st->unsaved_end = &st->unsaved;
	unsaved_free(u);
	atomic_fetch_sub(&st->n_unsaved, 1);
}

static struct unsaved *
unsaved_add(struct storage *st, const char *key)
{
	struct unsaved *u = xcalloc(1, sizeof(*u));

	must(strlen(key) < sizeof(u->key));
	memcpy(u->key, key, strlen(key));
	if (atomic_load(&st->n_unsaved) >= UNSAVED_MAX)
		unsaved_shed(st);
	*st->unsaved_end = u;
	st->unsaved_end = &u->next;
	atomic_fetch_add(&st->n_unsaved, 1);
	store_flush_soon(st);
	return u;
}

void
object_save(struct storage *st, struct coll *c)
{
	unsaved_add(st, c->key.text)->coll = coll_ref(c);
}

void
object_end(struct storage *st, const char *key, enum err reason)
{
	struct unsaved *u = unsaved_add(st, key);

	must(reason != ERR_OK);
	u->ended_why = reason;
	u->ended_at = clock_now();
}

/* What a revoked issuer of AMD's signed goes with it. */
static enum err
ended_write(struct storage *st, const struct unsaved *u, struct why *why)
{
	struct coll_key key;
	enum err e = version_end(st, u->key, u->ended_at, u->ended_why, why);

	if (e != ERR_OK || u->ended_why != ERR_REVOKED ||
	    key_read(u->key, &key, NULL) != ERR_OK ||
	    key.kind != COLL_AMD_CHAIN)
		return e;
	return veks_end(st, key.product, key.side, why);
}

static enum err
unsaved_write_one(struct storage *st, const struct unsaved *u, struct why *why)
{
	if (u->coll == NULL)
		return ended_write(st, u, why);
	if (u->coll->key.kind == COLL_VEK)
		return veks_write(st, u->coll, why);
	return object_write(st, u->coll, why);
}

static enum err
unsaved_write(struct storage *st, struct why *why)
{
	struct unsaved *u;
	enum err e;

	if ((e = st->ops->begin(st->db, why)) != ERR_OK)
		return e;
	for (u = st->unsaved; u != NULL; u = u->next)
		if ((e = unsaved_write_one(st, u, why)) != ERR_OK)
			return e;
	return st->ops->commit(st->db, why);
}

void
object_flush(struct storage *st)
{
	struct why why = { 0 };
	enum err e;

	must(!st->batch);
	if (st->unsaved == NULL ||
	    (st->db_err != ERR_OK && clock_mono_ms() < st->retry_at))
		return;
	if ((e = unsaved_write(st, &why)) == ERR_OK)
		object_unsaved_free(st);
	else {
		st->ops->rollback(st->db);
		st->retry_at = clock_mono_ms() + KEEP_TICK_MS;
	}
	store_db_result(st, e, &why);
}

/* --- waiting for it --------------------------------------------------- */

struct sync_job {
	struct job job;
	store_done_fn fn;
};

static void
sync_work(struct job *j)
{
	struct storage *st = j->st;

	st->retry_at = 0;
	store_flush(st);
	if (st->unsaved == NULL) {
		job_done(j);
		return;
	}
	j->why = st->db_why;
	job_fail(j, st->db_err == ERR_OK ? ERR_DB : st->db_err);
}

static void
sync_answer(struct job *j)
{
	struct sync_job *s = msg_of(j, struct sync_job, job);

	s->fn(j->arg, j->err, &j->why);
}

void
storage_sync(struct storage *st, store_done_fn fn, void *arg)
{
	struct sync_job *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	job_start(&s->job, st, sync_work, sync_answer, NULL, arg);
}

/* --- failures --------------------------------------------------------- */

static bool
attempt_is_vek(struct span key)
{
	return span_starts(key, "vek/");
}

/* NULL: as many are remembered as there may be. */
static struct attempt *
attempt_new(struct storage *st, struct span key)
{
	struct attempt *a;

	if (map_len(st->attempts) >= ATTEMPTS_MAX ||
	    (attempt_is_vek(key) && st->vek_attempts >= ATTEMPTS_VEK_MAX))
		return NULL;
	st->vek_attempts += attempt_is_vek(key);
	a = xcalloc(1, sizeof(*a));
	must(map_put(st->attempts, key, a) == NULL);
	return a;
}

void
attempt_failed(struct storage *st, const char *key, enum err e,
    const char *text)
{
	struct attempt *a = map_get(st->attempts, span_str(key));
	size_t len = strlen(text);

	if (a == NULL && (a = attempt_new(st, span_str(key))) == NULL)
		return;
	a->at = clock_now();
	if (a->failures == 0)
		a->since = a->at;
	a->err = e;
	len = len < sizeof(a->text) ? len : sizeof(a->text) - 1;
	memcpy(a->text, text, len);
	a->text[len] = '\0';
	a->failures++;
	a->dirty = true;
}

void
attempt_succeeded(struct storage *st, const char *key)
{
	struct attempt *a = map_get(st->attempts, span_str(key));

	if (a == NULL || a->failures == 0)
		return;
	a->failures = 0;
	a->dirty = true;
}

static bool
attempt_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;
	struct attempt *a;
	char token[40];

	if (map_get(st->attempts, col[0].s) != NULL ||
	    (a = attempt_new(st, col[0].s)) == NULL)
		return true;
	a->at = col[1].i;
	db_col_text(&col[2], token, sizeof(token));
	a->err = err_from_token(token);
	if (a->err == ERR_N || a->err == ERR_OK)
		a->err = ERR_INTERNAL;
	db_col_text(&col[3], a->text, sizeof(a->text));
	a->failures = col[4].i > 0 ? (unsigned)col[4].i : 1;
	a->since = col[5].i > 0 ? col[5].i : a->at;
	return true;
}

enum err
attempt_load(struct storage *st, struct why *why)
{
	return store_read(st, SQL_ATTEMPT_LOAD, NULL, 0, attempt_row, st, why);
}

static enum err
attempt_write(struct storage *st, struct span key, const struct attempt *a)
{
	struct db_val name = { DB_TEXT, 0, key };

	if (a->failures == 0)
		return store_write(st, SQL_ATTEMPT_DEL, VALS(name), NULL);
	return store_write(st, SQL_ATTEMPT_PUT,
	    VALS(name, db_int(a->at), db_text(err_token(a->err)),
		db_text(a->text), db_int(a->failures), db_int(a->since)),
	    NULL);
}

/* Forget one that succeeded; the map must not change while it is visited. */
static bool
attempt_drop_one(struct storage *st)
{
	struct map_iter it = map_iter(st->attempts);
	struct attempt *a;
	struct span key;
	void *value;

	while (map_next(&it, &key, &value)) {
		a = value;
		if (a->failures != 0 || a->dirty)
			continue;
		st->vek_attempts -= attempt_is_vek(key);
		must(map_del(st->attempts, key) == a);
		free(a);
		return true;
	}
	return false;
}

/* Not worth a commit of its own for each: written now and then. */
void
attempt_flush(struct storage *st)
{
	struct map_iter it = map_iter(st->attempts);
	struct attempt *a;
	struct span key;
	void *value;

	if (st->ops->readonly(st->db))
		return;
	while (map_next(&it, &key, &value)) {
		a = value;
		if (!a->dirty)
			continue;
		if (attempt_write(st, key, a) != ERR_OK)
			return;
		a->dirty = false;
	}
	while (attempt_drop_one(st))
		continue;
}

void
attempts_free(struct storage *st)
{
	struct map_iter it = map_iter(st->attempts);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		free(value);
	map_free(st->attempts);
}
