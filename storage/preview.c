/*
 * The impact preview as people read it: the document of
 * GET /v1/baseline/impact, and the same as gauges.
 */
#include "storage/preview.h"
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/baseline.h"
#include "storage/fleet.h"
#include "storage/status.h"

#include <stdlib.h>
#include <string.h>

/* Kinds of platforms shown for one number; and how many are named of each. */
#define EXAMPLES_MAX 5
#define NAMES_MAX    3

/* --- the groups of one FMSPC ------------------------------------------ */

struct groups {
	const char *fmspc;
	const struct fleet_group **v;
	size_t n, cap;
};

static void
groups_add(void *arg, const struct fleet_group *g)
{
	struct groups *all = arg;

	if (all->fmspc != NULL && strcmp(g->tcb.fmspc, all->fmspc) != 0)
		return;
	if (all->n == all->cap) {
		all->cap = all->cap == 0 ? 64 : 2 * all->cap;
		all->v = xrealloc(all->v, all->cap, sizeof(all->v[0]));
	}
	all->v[all->n++] = g;
}

/* By FMSPC; within one the largest group first, then by what it proves. */
static int
group_cmp(const void *a, const void *b)
{
	const struct fleet_group *x = *(const struct fleet_group *const *)a;
	const struct fleet_group *y = *(const struct fleet_group *const *)b;
	unsigned char s[FLEET_TCB_KEY], t[FLEET_TCB_KEY];
	int fmspc = strcmp(x->tcb.fmspc, y->tcb.fmspc);

	if (fmspc != 0)
		return fmspc;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	fleet_tcb_key(&x->tcb, s);
	fleet_tcb_key(&y->tcb, t);
	return memcmp(s, t, sizeof(s));
}

static struct groups
groups_of(const struct storage *st, const char *fmspc)
{
	struct groups all = { .fmspc = fmspc };

	fleet_each(st, groups_add, &all);
	if (all.n > 0)
		qsort(all.v, all.n, sizeof(all.v[0]), group_cmp);
	return all;
}

/* The part of one FMSPC, from "at" on. */
static struct groups
groups_slice(const struct groups *all, size_t at)
{
	struct groups s = { all->v[at]->tcb.fmspc, all->v + at, 0, 0 };

	while (at + s.n < all->n &&
	       strcmp(all->v[at + s.n]->tcb.fmspc, s.fmspc) == 0)
		s.n++;
	return s;
}

/* Of TDX count those of which a quote was seen. */
static bool
group_counts(const struct fleet_group *g, enum tee tee)
{
	return tee == TEE_SGX || g->tcb.has_tdx;
}

static void
groups_sum(const struct groups *gs, enum tee tee, const struct impact_set *from,
    const struct impact_set *to, struct impact_sum *sum)
{
	size_t i;

	for (i = 0; i < gs->n; i++)
		if (group_counts(gs->v[i], tee))
			impact_add(sum, &gs->v[i]->tcb, gs->v[i]->n, from, to);
}

void
impact_of(struct storage *st, const struct sets *sets, enum tee tee,
    const char *fmspc, uint32_t from, uint32_t to, struct impact_sum *sum)
{
	struct groups gs = groups_of(st, fmspc);

	groups_sum(&gs, tee, sets_get(sets, tee, fmspc, from),
	    sets_get(sets, tee, fmspc, to), sum);
	free(gs.v);
}

/* --- one number ------------------------------------------------------- */

json_t *
impact_counts_json(const size_t counts[IMPACT_STATUS_N])
{
	json_t *o = json_object();
	unsigned i;

	for (i = 0; i < IMPACT_STATUS_N; i++)
		if (counts[i] != 0)
			json_object_set_new(o, impact_status_name(i),
			    json_integer((json_int_t)counts[i]));
	return o;
}

static json_t *
shorts_json(const struct fleet_tcb *t, const struct impact_set *set)
{
	static const char *const part_name[] = {
		[PART_SGX] = "sgx",
		[PART_PCESVN] = "pcesvn",
		[PART_TDX] = "tdx",
		[PART_MODULE] = "tdx module",
		[PART_QE] = "qe",
	};
	struct impact_short v[IMPACT_SHORT_MAX];
	size_t i, n = impact_short(t, set, v);
	json_t *list = json_array();

	for (i = 0; i < n; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:i, s:i, s:i}", "part",
			part_name[v[i].part], "component", (int)v[i].component,
			"has", (int)v[i].has, "needs", (int)v[i].needs));
	return list;
}

static json_t *
advisories_json(const struct tcb_match *m)
{
	const char **v = NULL;
	size_t i, n = tcb_advisories(m, &v);
	json_t *list = json_array();

	for (i = 0; i < n; i++)
		json_array_append_new(list, json_safe(v[i]));
	free(v);
	return list;
}

static json_t *
names_json(struct storage *st, const struct fleet_group *g)
{
	const struct fleet_member *m;
	json_t *list = json_array();

	LIST_FOREACH(m, &g->members, in_group)
	{
		if (json_array_size(list) == NAMES_MAX)
			break;
		json_array_append_new(list, json_string(fleet_name(st, m).s));
	}
	return list;
}

static json_t *
example_json(struct storage *st, const struct fleet_group *g,
    const struct impact_set *from, const struct impact_set *to)
{
	struct tcb_match m, n;
	unsigned before = from == NULL ? IMPACT_UNKNOWN
				       : impact_judge(&g->tcb, false, from, &m);
	unsigned after = impact_judge(&g->tcb, false, to, &m);
	bool level = after < TCB_STATUS_N;
	bool fresh = !impact_good(after) && after != IMPACT_UNKNOWN &&
		     impact_good(impact_judge(&g->tcb, true, to, &n));

	return json_pack("{s:o, s:I, s:s, s:s, s:b, s:o, s:o, s:o}", "names",
	    names_json(st, g), "platforms", (json_int_t)g->n, "now",
	    impact_status_name(before), "then", impact_status_name(after),
	    "refetch_helps", fresh, "tcb_date",
	    level ? json_time(m.date) : json_null(), "short",
	    shorts_json(&g->tcb, to), "advisories",
	    level ? advisories_json(&m) : json_array());
}

/* Those that are not good then, the largest kinds first. */
static json_t *
examples_json(struct storage *st, const struct groups *gs, enum tee tee,
    const struct impact_set *from, const struct impact_set *to)
{
	json_t *list = json_array();
	struct tcb_match m;
	unsigned after;
	size_t i;

	for (i = 0; i < gs->n && json_array_size(list) < EXAMPLES_MAX; i++) {
		if (!group_counts(gs->v[i], tee))
			continue;
		after = impact_judge(&gs->v[i]->tcb, false, to, &m);
		if (!impact_good(after))
			json_array_append_new(list,
			    example_json(st, gs->v[i], from, to));
	}
	return list;
}

/* When the recovery became public, by the list of numbers; 0: not said. */
static time_t
number_date(const struct storage *st, enum tee tee, uint32_t number)
{
	struct coll_key key = key_evalnums(tee);
	const struct coll *c = hot_get(st, &key);
	size_t i;

	for (i = 0; c != NULL && i < c->facts.evalnums->n; i++)
		if (c->facts.evalnums->v[i].number == number)
			return c->facts.evalnums->v[i].recovery_event_at;
	return 0;
}

static const char *
role_name(const struct storage *st, const struct number_set *v,
    uint32_t effective)
{
	const struct base_world *w =
	    baseline_world(snap_baseline(st->snap), v->tee);

	if (w->standard != 0 ? v->number == w->standard : v->standard)
		return "standard";
	if (w->early != 0 ? v->number == w->early : v->early)
		return "early";
	return v->number == effective ? "pinned" : "candidate";
}

static json_t *
number_json(struct storage *st, const struct groups *gs,
    const struct number_set *v, const struct impact_set *now,
    uint32_t effective)
{
	struct impact_sum sum = { 0 };

	groups_sum(gs, v->tee, now, &v->set, &sum);
	return json_pack("{s:I, s:s, s:b, s:o, s:o, s:o, s:I, s:I, s:b, s:o}",
	    "number", (json_int_t)v->number, "role",
	    role_name(st, v, effective), "effective", v->number == effective,
	    "date", json_time(number_date(st, v->tee, v->number)), "tcb_date",
	    json_time(v->info->facts.tcbinfo->levels[0].tcb_date), "statuses",
	    impact_counts_json(sum.after), "fall", (json_int_t)sum.fall,
	    "refetch_helps", (json_int_t)sum.refetch, "identity",
	    v->identity != NULL, "examples",
	    examples_json(st, gs, v->tee, now, &v->set));
}

/* --- the document ----------------------------------------------------- */

/* What clients that name no version get, where no listener has a rule. */
static uint32_t
effective_number(const struct storage *st, enum tee tee, const char *fmspc)
{
	return baseline_pick(snap_baseline(st->snap), NULL, tee, fmspc)->number;
}

static json_t *
fmspc_json(struct storage *st, const struct sets *sets, enum tee tee,
    const struct groups *gs, uint32_t to)
{
	const struct number_set *v;
	uint32_t effective = effective_number(st, tee, gs->fmspc);
	const struct impact_set *now =
	    sets_get(sets, tee, gs->fmspc, effective);
	json_t *numbers = json_array();
	size_t i, n = sets_of(sets, tee, gs->fmspc, &v), platforms = 0;

	for (i = 0; i < gs->n; i++)
		platforms += group_counts(gs->v[i], tee) ? gs->v[i]->n : 0;
	for (i = 0; i < n; i++)
		if (to == 0 || v[i].number == to || v[i].number == effective)
			json_array_append_new(numbers,
			    number_json(st, gs, &v[i], now, effective));
	return json_pack("{s:s, s:s, s:I, s:o, s:o}", "fmspc", gs->fmspc, "tee",
	    tee_name(tee), "platforms", (json_int_t)platforms, "effective",
	    effective == 0 ? json_null() : json_integer(effective), "numbers",
	    numbers);
}

static json_t *
fmspcs_json(struct storage *st, const struct sets *sets, const char *fmspc,
    uint32_t to)
{
	struct groups all = groups_of(st, fmspc), gs;
	const struct number_set *v;
	json_t *list = json_array();
	size_t at;

	for (at = 0; at < all.n; at += gs.n) {
		gs = groups_slice(&all, at);
		json_array_append_new(list,
		    fmspc_json(st, sets, TEE_SGX, &gs, to));
		if (sets_of(sets, TEE_TDX, gs.fmspc, &v) > 0)
			json_array_append_new(list,
			    fmspc_json(st, sets, TEE_TDX, &gs, to));
	}
	free(all.v);
	return list;
}

struct impact_job {
	struct text_job text;
	uint32_t to;
};

static void
impact_work(struct job *j)
{
	struct text_job *t = msg_of(j, struct text_job, job);
	uint32_t to = msg_of(t, struct impact_job, text)->to;
	struct storage *st = j->st;
	struct sets *sets = NULL;
	json_t *amd = NULL;
	enum err e;

	store_flush(st);
	if ((e = fleet_sync(st, &j->why)) != ERR_OK ||
	    (e = preview_amd(st, &amd, &j->why)) != ERR_OK ||
	    (e = sets_read(st, t->what, &sets, &j->why)) != ERR_OK) {
		json_decref(amd);
		job_fail(j, e);
		return;
	}
	t->text = json_text(json_pack("{s:o, s:I, s:o, s:o}", "at",
	    json_time(clock_now()), "platforms", (json_int_t)fleet_len(st),
	    "fmspcs", fmspcs_json(st, sets, t->what, to), "amd", amd));
	sets_free(sets);
	job_done(j);
}

void
storage_impact(struct storage *st, const char *fmspc, uint32_t to,
    store_text_fn fn, void *arg)
{
	struct impact_job *i = xcalloc(1, sizeof(*i));

	i->to = to;
	text_job_run(&i->text, st, impact_work, fmspc, fn, arg);
}

/* --- gauges ----------------------------------------------------------- */

enum served_as { AS_EFFECTIVE, AS_STANDARD, AS_EARLY, AS_N };

static const char *const as_name[AS_N] = { "effective", "standard", "early" };

/* The set of that name; NULL: none held, its platforms are "Unknown". */
static const struct impact_set *
set_as(const struct storage *st, const struct sets *sets, enum tee tee,
    const char *fmspc, enum served_as as)
{
	const struct number_set *v;
	size_t i, n = sets_of(sets, tee, fmspc, &v);

	if (as == AS_EFFECTIVE)
		return sets_get(sets, tee, fmspc,
		    effective_number(st, tee, fmspc));
	for (i = 0; i < n; i++)
		if (as == AS_EARLY ? v[i].early : v[i].standard)
			return &v[i].set;
	return NULL;
}

static void
gauges_write(struct buf *b, enum tee tee, enum served_as as,
    const struct impact_sum *sum)
{
	unsigned i;

	for (i = 0; i < IMPACT_STATUS_N; i++)
		if (sum->after[i] != 0)
			buf_printf(b,
			    "larder_baseline_platforms{tee=\"%s\","
			    "baseline=\"%s\",status=\"%s\"} %zu\n",
			    tee_name(tee), as_name[as], impact_status_name(i),
			    sum->after[i]);
}

static void
gauges_sum(const struct storage *st, const struct sets *sets,
    const struct groups *all, struct buf *b)
{
	static const enum tee tees[] = { TEE_SGX, TEE_TDX };
	struct impact_sum sum;
	struct groups gs;
	size_t t, at;
	int as;

	for (t = 0; t < 2; t++)
		for (as = 0; as < AS_N; as++) {
			sum = (struct impact_sum){ 0 };
			for (at = 0; at < all->n; at += gs.n) {
				gs = groups_slice(all, at);
				groups_sum(&gs, tees[t], NULL,
				    set_as(st, sets, tees[t], gs.fmspc,
					(enum served_as)as),
				    &sum);
			}
			gauges_write(b, tees[t], (enum served_as)as, &sum);
		}
}

void
impact_publish(struct storage *st)
{
	struct sets *sets = sets_hot(st, NULL);
	struct groups all = groups_of(st, NULL);
	struct buf b = BUF_INIT;
	struct blob *old;

	buf_str(&b,
	    "# HELP larder_baseline_platforms Platforms by the tcbStatus"
	    " they have under a baseline\n"
	    "# TYPE larder_baseline_platforms gauge\n");
	gauges_sum(st, sets, &all, &b);
	free(all.v);
	sets_free(sets);
	must(pthread_mutex_lock(&st->lock) == 0);
	old = st->impact;
	st->impact = buf_blob(&b);
	must(pthread_mutex_unlock(&st->lock) == 0);
	blob_unref(old);
}

void
impact_metrics(struct storage *st, struct buf *b)
{
	struct blob *text;

	must(pthread_mutex_lock(&st->lock) == 0);
	text = blob_ref(st->impact);
	must(pthread_mutex_unlock(&st->lock) == 0);
	buf_span(b, blob_span(text));
	blob_unref(text);
}
