/*
 * The baseline for people: the document of GET /v1/baseline, the history, the
 * gauges.
 */
#include "config/base/must.h"
#include "storage/baseline_int.h"
#include "storage/status.h"

#include <stdlib.h>
#include <string.h>

/* Changes on one page of the history, the newest first. */
#define HISTORY_MAX 100

static void
set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

/* --- numbers ---------------------------------------------------------- */

static json_t *
numbers_json(const struct base_world *w)
{
	json_t *list = json_array(), *o;
	size_t i;

	for (i = 0; i < w->n; i++) {
		o = json_object();
		set(o, "number", json_integer(w->v[i].number));
		set(o, "recovered_at", json_time(w->v[i].recovered_at));
		set(o, "standard", json_boolean(w->v[i].number == w->standard));
		set(o, "early", json_boolean(w->v[i].number == w->early));
		set(o, "signed", json_boolean(base_signed(w, w->v[i].number)));
		must(json_array_append_new(list, o) == 0);
	}
	return list;
}

/* --- what is served --------------------------------------------------- */

static json_t *
nullable(const char *text)
{
	return text == NULL ? json_null() : json_string(text);
}

static const struct base_scope *
scope_behind(const struct baseline *b, const char *listen, const char *fmspc)
{
	const struct base_scope *s = NULL;

	if (listen != NULL)
		s = base_scope_at(b->policy, BASE_LISTEN, listen);
	if (s == NULL && fmspc != NULL)
		s = base_scope_at(b->policy, BASE_FMSPC, fmspc);
	return s != NULL ? s : &b->policy->v[0];
}

/* The first nextUpdate among what an FMSPC is served with. */
static time_t
served_end(const struct base_held *h, size_t tee, const char *fmspc,
    uint32_t number)
{
	const struct base_piece *p;
	size_t at = 0, end = 0;
	time_t first = 0;

	while (base_held_next(h, &at, &end)) {
		if (h->v[at].tee != tee ||
		    (h->v[at].kind == COLL_TCBINFO && fmspc != NULL &&
			strcmp(h->v[at].fmspc, fmspc) != 0))
			continue;
		p = base_held_version(h, at, end, number);
		if (p != NULL && (first == 0 || p->ends_at < first))
			first = p->ends_at;
	}
	return first;
}

static void
effective_row(json_t *list, const struct baseline *b, const struct base_held *h,
    const char *listen, size_t tee, const char *fmspc)
{
	const struct base_pick *p =
	    baseline_pick(b, listen, BASE_TEE(tee), fmspc);
	const struct base_scope *s = scope_behind(b, listen, fmspc);
	json_t *o;

	if (p->number == 0)
		return;
	o = json_object();
	set(o, "listen", nullable(listen));
	set(o, "tee", json_string(tee_name(BASE_TEE(tee))));
	set(o, "fmspc", nullable(fmspc));
	set(o, "number", json_integer(p->number));
	set(o, "rule", json_string(follow_name(s->rule.follow)));
	set(o, "next_update", json_time(served_end(h, tee, fmspc, p->number)));
	set(o, "held", json_boolean(p->held));
	set(o, "warning", nullable(base_warning_name(p->warning)));
	set(o, "named", json_integer(p->named));
	set(o, "wanted", json_integer(p->wanted));
	set(o, "until", json_time(p->until));
	must(json_array_append_new(list, o) == 0);
}

static json_t *
effective_json(const struct baseline *b, const struct base_held *h)
{
	json_t *list = json_array();
	size_t at = 0, end = 0, i, tee;

	for (tee = 0; tee < BASE_TEES; tee++)
		effective_row(list, b, h, NULL, tee, NULL);
	while (base_held_next(h, &at, &end))
		if (h->v[at].kind == COLL_TCBINFO)
			effective_row(list, b, h, NULL, h->v[at].tee,
			    h->v[at].fmspc);
	for (i = 0; i < b->policy->n; i++)
		for (tee = 0; tee < BASE_TEES; tee++)
			if (b->policy->v[i].kind == BASE_LISTEN)
				effective_row(list, b, h, b->policy->v[i].name,
				    tee, NULL);
	return list;
}

json_t *
baseline_json(const struct storage *st, const struct baseline *b)
{
	json_t *o = json_object(), *numbers = json_object();
	struct base_held held;
	size_t tee;

	base_held_init(&held, st);
	for (tee = 0; tee < BASE_TEES; tee++)
		set(numbers, tee_name(BASE_TEE(tee)),
		    numbers_json(&b->world[tee]));
	set(o, "revision", json_integer(b->policy->revision));
	set(o, "rules", base_policy_json(b->policy, false));
	set(o, "numbers", numbers);
	set(o, "effective", effective_json(b, &held));
	set(o, "changes_at", json_time(b->next_at));
	base_held_fini(&held);
	return o;
}

/* --- calls ------------------------------------------------------------ */

static void
show_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);

	t->text = json_text(baseline_json(j->st, j->st->base->table));
	job_done(j);
}

void
storage_baseline(struct storage *st, store_text_fn fn, void *arg)
{
	text_job_start(st, show_work, NULL, fn, arg);
}

static json_t *
column_json(const struct db_val *col)
{
	json_t *o = json_loadb((const char *)col->s.p, col->s.len,
	    JSON_DECODE_ANY, NULL);

	return col->type == DB_NULL || o == NULL ? json_null() : o;
}

struct history_job {
	struct text_job text;
	int64_t before; /* revisions before this one */
	json_t *list;
	int64_t last; /* the revision of its last row */
};

static bool
history_row(void *arg, const struct db_val *col)
{
	struct history_job *h = arg;
	json_t *o = json_object();

	h->last = col[0].i;
	set(o, "revision", json_integer(col[0].i));
	set(o, "at", json_time(col[1].i));
	set(o, "who", json_safe_span(col[2].s));
	set(o, "verb", json_safe_span(col[3].s));
	set(o, "reason", json_safe_span(col[4].s));
	set(o, "before", column_json(&col[5]));
	set(o, "after", column_json(&col[6]));
	set(o, "impact", column_json(&col[7]));
	must(json_array_append_new(h->list, o) == 0);
	return true;
}

/* Revisions are counted from 1 on without a gap. */
static void
history_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);
	struct history_job *h = msg_of(t, struct history_job, text);
	json_t *o = json_object();
	enum err e;

	h->list = json_array();
	set(o, "changes", h->list);
	if ((e = store_read(j->st, SQL_BASE_LIST,
		 VALS(db_int(h->before), db_int(HISTORY_MAX)), history_row, h,
		 &j->why)) != ERR_OK) {
		json_decref(o);
		job_fail(j, e);
		return;
	}
	set(o, "next",
	    json_array_size(h->list) == HISTORY_MAX && h->last > 1
		? json_integer(h->last)
		: json_null());
	t->text = json_text(o);
	job_done(j);
}

void
storage_baseline_history(struct storage *st, int64_t before, store_text_fn fn,
    void *arg)
{
	struct history_job *h = xcalloc(1, sizeof(*h));

	h->before = before > 0 ? before : INT64_MAX;
	text_job_run(&h->text, st, history_work, NULL, fn, arg);
}

/* --- status and gauges ------------------------------------------------ */

/* It says no more than the row of its TEE alone, which comes before it. */
static bool
row_is_repeated(const json_t *row, const json_t *list)
{
	static const char *const same[] = { "listen", "tee", "number", "named",
		"warning" };
	json_t *other;
	size_t i, k;

	json_array_foreach((json_t *)(uintptr_t)list, i, other)
	{
		for (k = 0; k < sizeof(same) / sizeof(same[0]); k++)
			if (!json_equal(json_object_get(row, same[k]),
				json_object_get(other, same[k])))
				break;
		if (k == sizeof(same) / sizeof(same[0]) &&
		    json_is_null(json_object_get(other, "fmspc")))
			return true;
	}
	return false;
}

json_t *
baseline_status(const struct storage *st)
{
	json_t *doc = baseline_json(st, st->base->table), *warned, *o, *row;
	size_t i;

	o = json_object();
	warned = json_array();
	json_array_foreach(json_object_get(doc, "effective"), i, row)
	{
		if (!json_is_null(json_object_get(row, "warning")) &&
		    !row_is_repeated(row, warned))
			must(json_array_append(warned, row) == 0);
	}
	set(o, "revision", json_integer(st->base->policy->revision));
	set(o, "warnings", warned);
	json_decref(doc);
	return o;
}

/* A label's value: quotes and backslashes are escaped. */
static void
label(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_str(b, "\\");
		buf_add(b, text, 1);
	}
}

static void
labels(struct buf *b, const char *name, const struct baseline *t, size_t i)
{
	static const char *const kinds[] = { "default", "listen", "fmspc" };
	const struct base_scope *s = &t->policy->v[i / BASE_TEES];

	buf_printf(b, "%s{scope=\"%s%s", name, kinds[s->kind],
	    s->name[0] == '\0' ? "" : " ");
	label(b, s->name);
	buf_printf(b, "\",tee=\"%s\"", tee_name(BASE_TEE(i % BASE_TEES)));
}

static void
head(struct buf *b, const char *name, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
gauges(const struct baseline *t, struct buf *b)
{
	size_t i, n = t->policy->n * BASE_TEES;

	head(b, "larder_baseline_number",
	    "Evaluation number that is served, by the scope of its rule");
	for (i = 0; i < n; i++) {
		labels(b, "larder_baseline_number", t, i);
		buf_printf(b, "} %u\n", t->pick[i].number);
	}
	head(b, "larder_baseline_ends_timestamp_seconds",
	    "First nextUpdate of what is served, 0 when nothing is");
	for (i = 0; i < n; i++) {
		labels(b, "larder_baseline_ends_timestamp_seconds", t, i);
		buf_printf(b, "} %lld\n", (long long)t->ends_at[i]);
	}
	head(b, "larder_baseline_warning",
	    "1 for what stands between a rule and what it names");
	for (i = 0; i < n; i++) {
		if (t->pick[i].warning == BASE_FINE)
			continue;
		labels(b, "larder_baseline_warning", t, i);
		buf_printf(b, ",warning=\"%s\"} 1\n",
		    base_warning_name(t->pick[i].warning));
	}
}

static void
intel_gauges(const struct baseline *t, struct buf *b)
{
	size_t i;

	head(b, "larder_intel_evaluation_number",
	    "What Intel calls standard and early, 0 when not known");
	for (i = 0; i < BASE_TEES; i++)
		buf_printf(b,
		    "larder_intel_evaluation_number{tee=\"%s\","
		    "name=\"standard\"} %u\n"
		    "larder_intel_evaluation_number{tee=\"%s\","
		    "name=\"early\"} %u\n",
		    tee_name(BASE_TEE(i)), t->world[i].standard,
		    tee_name(BASE_TEE(i)), t->world[i].early);
}

void
baseline_metrics(struct storage *st, struct buf *b)
{
	struct snap *snap;

	must(pthread_mutex_lock(&st->lock) == 0);
	snap = snap_ref(st->snap);
	must(pthread_mutex_unlock(&st->lock) == 0);
	gauges(snap_baseline(snap), b);
	intel_gauges(snap_baseline(snap), b);
	snap_unref(snap);
}
