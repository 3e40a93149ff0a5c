/*
 * The store thread's part of the TCB baseline: the rules and the numbers
 * served are loaded with the database, and a new table goes out with every
 * snapshot.
 */
#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/watch.h"

#include <stdlib.h>
#include <string.h>

/* --- the policy ------------------------------------------------------- */

enum err
baseline_policy_make(const struct config *config, const json_t *run_time,
    int64_t revision, struct base_policy **out, struct why *why)
{
	struct base_policy *p = base_policy_of(config);
	enum err e;

	p->revision = revision;
	if ((e = base_policy_lay(p, run_time, why)) != ERR_OK)
		base_policy_free(p);
	else
		*out = p;
	return e;
}

struct base_state *
baseline_state_new(const struct config *config)
{
	struct base_state *s = xcalloc(1, sizeof(*s));

	s->run_time = json_object();
	s->policy = base_policy_of(config);
	return s;
}

void
baseline_state_free(struct base_state *s)
{
	size_t i;

	for (i = 0; i < s->n_now; i++)
		free(s->now[i].name);
	free(s->now);
	base_policy_free(s->policy);
	json_decref(s->run_time);
	baseline_unref(s->table);
	free(s);
}

void
baseline_reload(struct storage *st)
{
	struct base_state *s = st->base;
	struct base_policy *next = NULL;
	struct why why = { 0 };

	/* What is kept has been read before. */
	must(baseline_policy_make(st->config, s->run_time, s->policy->revision,
		 &next, &why) == ERR_OK);
	base_policy_free(s->policy);
	s->policy = next;
	hot_publish(st);
}

/* --- the numbers served ----------------------------------------------- */

static struct base_now *
now_at(struct base_state *s, enum base_kind kind, const char *name, size_t tee)
{
	size_t i;

	for (i = 0; i < s->n_now; i++)
		if (s->now[i].kind == kind && s->now[i].tee == tee &&
		    strcmp(s->now[i].name, name) == 0)
			return &s->now[i];
	s->now = xrealloc(s->now, s->n_now + 1, sizeof(*s->now));
	s->now[s->n_now] = (struct base_now){ .kind = kind,
		.name = xstrdup(name),
		.tee = tee };
	return &s->now[s->n_now++];
}

/* A scope that has lost its rule has no number of its own any more. */
static void
now_prune(struct base_state *s)
{
	size_t i = 0;

	while (i < s->n_now) {
		if (base_scope_at(s->policy, s->now[i].kind, s->now[i].name) !=
		    NULL) {
			i++;
			continue;
		}
		free(s->now[i].name);
		s->now[i] = s->now[--s->n_now];
		s->now_dirty = true;
	}
}

static bool
now_row(void *arg, const struct db_val *col)
{
	struct base_state *s = arg;
	char name[128], tee[8];

	db_col_text(&col[1], name, sizeof(name));
	db_col_text(&col[2], tee, sizeof(tee));
	if (col[0].i < BASE_DEFAULT || col[0].i > BASE_FMSPC || col[3].i < 0 ||
	    col[3].i > UINT32_MAX)
		return true;
	now_at(s, (enum base_kind)col[0].i, name,
	    strcmp(tee, tee_name(TEE_TDX)) == 0 ? 1 : 0)
	    ->number = (uint32_t)col[3].i;
	return true;
}

static enum err
now_write(struct storage *st, struct why *why)
{
	const struct base_state *s = st->base;
	enum err e = store_write(st, SQL_BASE_NOW_CLEAR, NULL, 0, why);
	size_t i;

	for (i = 0; i < s->n_now && e == ERR_OK; i++)
		e = store_write(st, SQL_BASE_NOW_PUT,
		    VALS(db_int((int64_t)s->now[i].kind),
			db_text(s->now[i].name),
			db_text(tee_name(BASE_TEE(s->now[i].tee))),
			db_int(s->now[i].number)),
		    why);
	return e == ERR_OK ? store_commit(st, why) : e;
}

/*
 * A number is on disk only when its objects are: a start finds the number it
 * served last, or one whose set is whole.
 */
void
baseline_flush(struct storage *st)
{
	struct why why = { 0 };

	if (!st->base->now_dirty || st->unsaved != NULL ||
	    st->ops->readonly(st->db) ||
	    (st->db_err != ERR_OK && clock_mono_ms() < st->retry_at))
		return;
	if (now_write(st, &why) == ERR_OK)
		st->base->now_dirty = false;
	else
		st->retry_at = clock_mono_ms() + KEEP_TICK_MS;
}

/* --- loading ---------------------------------------------------------- */

struct last {
	int64_t revision;
	char *rules;
};

static bool
last_row(void *arg, const struct db_val *col)
{
	struct last *l = arg;

	l->revision = col[0].i;
	l->rules = span_dup(col[1].s);
	return false;
}

static enum err
rules_load(struct storage *st, const struct last *l, struct why *why)
{
	struct base_state *s = st->base;
	json_t *rules = json_loads(l->rules, JSON_REJECT_DUPLICATES, NULL);
	struct base_policy *p = NULL;
	enum err e =
	    baseline_policy_make(st->config, rules, l->revision, &p, why);

	if (e != ERR_OK) {
		json_decref(rules);
		return why_in(why, ERR_DB, "baseline revision %lld",
		    (long long)l->revision);
	}
	base_policy_free(s->policy);
	json_decref(s->run_time);
	s->policy = p;
	s->run_time = rules;
	return ERR_OK;
}

enum err
baseline_load(struct storage *st, struct why *why)
{
	struct last last = { 0, NULL };
	enum err e;

	if ((e = store_read(st, SQL_BASE_LAST, NULL, 0, last_row, &last,
		 why)) == ERR_OK &&
	    last.rules != NULL)
		e = rules_load(st, &last, why);
	free(last.rules);
	if (e != ERR_OK)
		return e;
	if ((e = watch_load(st, why)) != ERR_OK)
		return e;
	return store_read(st, SQL_BASE_NOW_LOAD, NULL, 0, now_row, st->base,
	    why);
}

/* --- publishing ------------------------------------------------------- */

static void
note_number(const struct base_scope *s, size_t tee, uint32_t was, uint32_t is)
{
	log_event(was == 0 ? LOG_INFO : LOG_NOTE, "baseline-number", "scope",
	    s->name[0] == '\0' ? "default" : s->name, "tee",
	    tee_name(BASE_TEE(tee)), "rule", follow_name(s->rule.follow),
	    "from", log_num(was).s, "to", log_num(is).s, NULL);
}

static void
note_warning(const struct base_scope *s, size_t tee, const struct base_pick *p,
    time_t ends_at)
{
	char ends[TIME_LEN] = "-", until[TIME_LEN] = "-";

	if (ends_at != 0)
		time_write(ends_at, ends);
	if (p->until != 0)
		time_write(p->until, until);
	log_event(p->warning == BASE_FINE ? LOG_NOTE : LOG_WARN,
	    "baseline-warning", "scope",
	    s->name[0] == '\0' ? "default" : s->name, "tee",
	    tee_name(BASE_TEE(tee)), "warning",
	    p->warning == BASE_FINE ? "none" : base_warning_name(p->warning),
	    "number", log_num(p->number).s, "named", log_num(p->named).s,
	    "wanted", log_num(p->wanted).s, "ends", ends, "until", until, NULL);
}

static enum base_warning
warned(const struct baseline *old, const struct base_scope *s, size_t tee)
{
	const struct base_scope *was;

	if (old == NULL)
		return BASE_FINE;
	was = base_scope_at(old->policy, s->kind, s->name);
	if (was == NULL)
		return BASE_FINE;
	return old->pick[(size_t)(was - old->policy->v) * BASE_TEES + tee]
	    .warning;
}

/* What is different from the table before. */
static void
note_scope(struct storage *st, const struct baseline *b, size_t i)
{
	struct base_state *s = st->base;
	const struct base_scope *scope = &b->policy->v[i / BASE_TEES];
	const struct base_pick *p = &b->pick[i];
	struct base_now *n;

	if (warned(s->table, scope, i % BASE_TEES) != p->warning) {
		note_warning(scope, i % BASE_TEES, p, b->ends_at[i]);
		watch_warning(st, scope, i % BASE_TEES, p, b->ends_at[i]);
	}
	if (p->number == 0)
		return;
	n = now_at(s, scope->kind, scope->name, i % BASE_TEES);
	if (n->number == p->number)
		return;
	note_number(scope, i % BASE_TEES, n->number, p->number);
	n->number = p->number;
	s->now_dirty = true;
}

struct baseline *
baseline_publish(struct storage *st)
{
	struct base_state *s = st->base;
	struct baseline *b = baseline_new(st, s->policy, clock_now());
	size_t i;

	for (i = 0; i < b->policy->n * BASE_TEES; i++)
		note_scope(st, b, i);
	now_prune(s);
	watch_table(st, b);
	if (s->now_dirty)
		store_flush_soon(st);
	baseline_unref(s->table);
	s->table = b;
	return b;
}

bool
baseline_news(const struct storage *st, const struct coll_key *k, enum err e)
{
	const struct attempt *a = map_get(st->attempts, span_str(k->text));

	return (k->kind == COLL_TCBINFO || k->kind == COLL_IDENTITY) &&
	       k->update == UPDATE_NUMBER && base_word(e) &&
	       (a == NULL || a->failures == 0 || a->err != e);
}

/* --- keeping what gives way -------------------------------------------- */

/*
 * Version 17 of "standard" gives way to 18: it is still what a baseline may
 * name, and PCS answers 410 for it from now on.
 */
static void
retain(struct storage *st, const struct coll *old)
{
	struct trust trust = hot_trust(st);
	struct coll_raw raw = { .key = key_version_as(&old->key, UPDATE_NUMBER,
				    old->eval_num),
		.body = blob_span(old->body),
		.chain = blob_span(old->chain),
		.source = old->source,
		.fetched_at = old->fetched_at,
		.held = true };
	const struct coll *held = hot_get(st, &raw.key);
	struct coll *c = NULL;
	struct why why = { 0 };

	if ((held != NULL && held->issue_at >= old->issue_at) ||
	    (held == NULL && map_len(st->hot) >= HOT_MAX))
		return;
	if (coll_admit(&raw, &trust, clock_now(), &c, &why) != ERR_OK) {
		log_event(LOG_WARN, "version-not-kept", "object", raw.key.text,
		    "text", why.text, NULL);
		return;
	}
	object_save(st, c);
	coll_unref(map_put(st->hot, span_str(c->key.text), c));
}

/* Of a kind that has numbers, and held by a name. */
static bool
is_named(const struct coll *c)
{
	return (c->key.kind == COLL_TCBINFO || c->key.kind == COLL_IDENTITY) &&
	       c->key.api == 4 && c->key.update != UPDATE_NUMBER &&
	       c->eval_num != 0;
}

void
baseline_release(struct storage *st, const struct coll *next)
{
	const struct coll *held;
	struct coll_key key;

	if (!is_named(next))
		return;
	key = key_version_as(&next->key, UPDATE_NUMBER, next->eval_num);
	held = hot_get(st, &key);
	if (held == NULL || held->next_update > next->next_update)
		return;
	object_end(st, key.text, ERR_OLDER);
	coll_unref(map_del(st->hot, span_str(key.text)));
}

void
baseline_retain(struct storage *st, struct coll *old, const struct coll *next)
{
	if (is_named(next) && old != NULL && old->eval_num != next->eval_num)
		retain(st, old);
}

/* --- in time ---------------------------------------------------------- */

/* Past every bound: no rule can name it any more. */
static void
baseline_sweep(struct storage *st)
{
	struct map_iter it = map_iter(st->hot);
	int64_t bound = st->config->baseline.hold_max_s;
	char(*dead)[COLL_KEY_TEXT] =
	    xcalloc(map_len(st->hot) + 1, sizeof(*dead));
	time_t now = clock_now();
	const struct coll *c;
	struct span key;
	size_t n = 0;
	void *value;

	if (bound < st->config->cache.stale_max_s)
		bound = st->config->cache.stale_max_s;
	while (map_next(&it, &key, &value)) {
		c = value;
		if ((c->key.kind == COLL_TCBINFO ||
			c->key.kind == COLL_IDENTITY) &&
		    c->key.update == UPDATE_NUMBER &&
		    now > c->next_update + (time_t)bound)
			memcpy(dead[n++], c->key.text, COLL_KEY_TEXT);
	}
	while (n-- > 0) {
		object_end(st, dead[n], ERR_EXPIRED);
		coll_unref(map_del(st->hot, span_str(dead[n])));
	}
	free(dead);
}

void
baseline_tick(struct storage *st)
{
	const struct baseline *b = st->base->table;

	if (b == NULL || b->next_at == 0 || clock_now() < b->next_at)
		return;
	baseline_sweep(st);
	hot_publish(st);
}

struct due_job {
	struct job job;
	store_done_fn fn;
};

static void
due_work(struct job *j)
{
	baseline_tick(j->st);
	job_done(j);
}

static void
due_answer(struct job *j)
{
	struct due_job *d = msg_of(j, struct due_job, job);

	d->fn(j->arg, j->err, &j->why);
}

void
storage_baseline_due(struct storage *st, store_done_fn fn, void *arg)
{
	struct due_job *d = xcalloc(1, sizeof(*d));

	d->fn = fn;
	job_start(&d->job, st, due_work, due_answer, NULL, arg);
}
