#include "storage/status.h"
#include "storage/baseline_int.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/veks.h"

#include <stdlib.h>
#include <string.h>

static const char *const mode_name[] = {
	[MODE_LAZY] = "lazy",
	[MODE_REQ] = "req",
	[MODE_OFFLINE] = "offline",
};

static const char *const kind_name[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = name,
#include "storage/coll.def"
#undef COLL
};

/* --- pieces ----------------------------------------------------------- */

json_t *
json_time(time_t at)
{
	char text[TIME_LEN];

	if (at == 0)
		return json_null();
	time_write(at, text);
	return json_string(text);
}

json_t *
json_attempt(const struct attempt *a)
{
	if (a == NULL || a->failures == 0)
		return json_null();
	return json_pack("{s:o, s:o, s:s, s:o, s:I}", "since",
	    json_time(a->since), "at", json_time(a->at), "reason",
	    err_token(a->err), "text", json_safe(a->text), "failures",
	    (json_int_t)a->failures);
}

const char *
fresh_name(enum fresh_state state)
{
	switch (state) {
	case FRESH_NEW:
		return "fresh";
	case FRESH_DUE:
		return "due";
	case FRESH_STALE:
		return "stale";
	case FRESH_GONE:
		break;
	}
	return "gone";
}

json_t *
json_coll(const struct storage *st, const struct coll *c, time_t now)
{
	enum fresh_state state =
	    fresh_state(c, st->config->cache.stale_max_s, now);

	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o,"
			      " s:I, s:b, s:o}",
	    "key", c->key.text, "kind", kind_name[c->key.kind], "state",
	    fresh_name(state), "issued", json_time(c->issue_at), "next_update",
	    json_time(c->next_update), "fetched", json_time(c->fetched_at),
	    "refresh_due", json_time(fresh_due_at(c, 0)), "eval_num",
	    (json_int_t)c->eval_num, "source", json_safe(c->source), "bytes",
	    (json_int_t)c->body->len, "revocation_unchecked",
	    c->revocation_unchecked, "last_failure",
	    json_attempt(map_get(st->attempts, span_str(c->key.text))));

	if (c->key.kind == COLL_AMD_CRL)
		json_object_set_new(o, "crl_number",
		    json_integer((json_int_t)c->facts.amd_crl->number));
	/* It ends, and nobody misses it. */
	if (st->base->table != NULL &&
	    baseline_retired(st->base->table, &c->key))
		json_object_set_new(o, "retired", json_true());
	return o;
}

struct blob *
json_text(json_t *doc)
{
	char *text;
	struct blob *b;

	must(doc != NULL);
	text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	must(text != NULL);
	b = blob_from(span_str(text));
	free(text);
	json_decref(doc);
	return b;
}

/* --- the document ----------------------------------------------------- */

static int
coll_cmp(const void *a, const void *b)
{
	const struct coll *const *x = a, *const *y = b;

	return strcmp((*x)->key.text, (*y)->key.text);
}

static json_t *
status_objects(const struct storage *st, time_t now)
{
	size_t i, n = 0;
	struct coll **v = xcalloc(map_len(st->hot) + 1, sizeof(struct coll *));
	struct map_iter it = map_iter(st->hot);
	json_t *list = json_array();
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		v[n++] = value;
	qsort(v, n, sizeof(struct coll *), coll_cmp);
	for (i = 0; i < n; i++)
		json_array_append_new(list, json_coll(st, v[i], now));
	free(v);
	return list;
}

/* A chip is not named to who did not ask about it. */
static struct key_log
missing_name(struct span text)
{
	struct key_log out = { "" };
	char *name = span_dup(text);
	struct coll_key key;

	if (key_read(name, &key, NULL) == ERR_OK)
		out = key_log(&key);
	else
		snprintf(out.s, sizeof(out.s), "%s", name);
	free(name);
	return out;
}

/* Failures of what is not held. */
static json_t *
status_missing(const struct storage *st)
{
	struct map_iter it = map_iter(st->attempts);
	json_t *list = json_object();
	struct span key;
	void *value;

	while (map_next(&it, &key, &value)) {
		if (map_get(st->hot, key) != NULL ||
		    ((struct attempt *)value)->failures == 0)
			continue;
		json_object_set_new(list, missing_name(key).s,
		    json_attempt(value));
	}
	return list;
}

static json_t *
status_database(const struct storage *st)
{
	return json_pack("{s:o, s:b, s:s, s:o, s:I, s:I}", "where",
	    json_safe(st->config->database), "read_only",
	    st->ops->readonly(st->db), "last_write", err_token(st->db_err),
	    "text", json_safe(st->db_why.text), "failed_writes",
	    (json_int_t)atomic_load(&st->db_failures), "versions_waiting",
	    (json_int_t)atomic_load(&st->n_unsaved));
}

static json_t *
status_platforms(const struct storage *st)
{
	struct platforms_stats ps = platforms_stats(st->platforms);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "stored",
	    (json_int_t)atomic_load(&st->n_platforms), "in_memory",
	    (json_int_t)ps.platforms, "answers", (json_int_t)ps.answers,
	    "bytes", (json_int_t)ps.bytes, "bytes_max", (json_int_t)ps.limit,
	    "hits", (json_int_t)ps.hits, "misses", (json_int_t)ps.misses,
	    "evicted", (json_int_t)ps.evicted);
}

static json_t *
status_veks_stored(const struct storage *st)
{
	static const enum amd_side sides[] = { AMD_VCEK, AMD_VLEK };
	json_t *o = json_object(), *side;
	int i, product;

	for (i = 0; i < 2; i++) {
		side = json_object();
		for (product = 0; product < AMD_PRODUCT_N; product++)
			json_object_set_new(side,
			    amd_product_name((enum amd_product)product),
			    json_integer((json_int_t)atomic_load(
				&st->n_veks[sides[i]][product])));
		json_object_set_new(o, amd_side_name(sides[i]), side);
	}
	return o;
}

static json_t *
status_veks(const struct storage *st)
{
	struct vekcache_stats vs = vekcache_stats(st->vekcache);

	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	    "stored", status_veks_stored(st), "vleks_end",
	    json_time(atomic_load(&st->vlek_end)), "in_memory",
	    (json_int_t)vs.veks, "bytes", (json_int_t)vs.bytes, "bytes_max",
	    (json_int_t)vs.limit, "hits", (json_int_t)vs.hits, "misses",
	    (json_int_t)vs.misses, "evicted", (json_int_t)vs.evicted, "trimmed",
	    (json_int_t)atomic_load(&st->veks_trimmed));
}

static json_t *
status_registrations(const struct storage *st)
{
	return json_pack("{s:I, s:I, s:I}", "new",
	    (json_int_t)atomic_load(&st->reg_count[REG_NEW]), "not_available",
	    (json_int_t)atomic_load(&st->reg_count[REG_NOT_AVAILABLE]),
	    "handed_out",
	    (json_int_t)atomic_load(&st->reg_count[REG_HANDED_OUT]));
}

static void
status_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);
	struct storage *st = j->st;
	time_t now = clock_now();

	if ((st->recount && keep_count(st, &j->why) != ERR_OK) ||
	    (st->veks_changed && veks_count(st, &j->why) != ERR_OK))
		j->why = (struct why){ 0 };
	t->text = json_text(json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o,"
				      " s:o, s:o, s:I}",
	    "now", json_time(now), "mode", mode_name[st->config->mode],
	    "database", status_database(st), "objects", status_objects(st, now),
	    "missing", status_missing(st), "platforms", status_platforms(st),
	    "veks", status_veks(st), "registrations", status_registrations(st),
	    "baseline", baseline_status(st), "policies",
	    (json_int_t)atomic_load(&st->n_policies)));
	job_done(j);
}

void
storage_status(struct storage *st, store_text_fn fn, void *arg)
{
	text_job_start(st, status_work, NULL, fn, arg);
}

/* --- jobs that end in a text ------------------------------------------ */

static void
text_answer(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);

	t->fn(j->arg, j->err, &j->why,
	    j->err == ERR_OK ? blob_ref(t->text) : NULL);
}

static void
text_fini(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);

	free(t->what);
	blob_unref(t->text);
}

void
text_job_run(struct text_job *t, struct storage *st, void (*work)(struct job *),
    const char *what, store_text_fn fn, void *arg)
{
	t->what = what == NULL ? NULL : xstrdup(what);
	t->fn = fn;
	job_start(&t->job, st, work, text_answer, text_fini, arg);
}

void
text_job_start(struct storage *st, void (*work)(struct job *), const char *what,
    store_text_fn fn, void *arg)
{
	text_job_run(xcalloc(1, sizeof(struct text_job)), st, work, what, fn,
	    arg);
}
