/*
 * The impact preview as people read it: the document of
 * GET /v1/baseline/impact, and the same as gauges.
 */
#include "storage/preview.h"
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/baseline_int.h"
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

/* Of two TEEs' sums over the same platforms the one in which they fall, of two
 * in which they do the one that certificates do not mend. */
static bool
sum_worse(const struct impact_sum *a, const struct impact_sum *b)
{
	if (a->fall != b->fall)
		return a->fall > b->fall;
	return a->fall != 0 && a->refetch < b->refetch;
}

static void
sum_add(struct impact_sum *sum, const struct impact_sum *one)
{
	unsigned i;

	sum->platforms += one->platforms;
	sum->fall += one->fall;
	sum->refetch += one->refetch;
	for (i = 0; i < IMPACT_STATUS_N; i++) {
		sum->before[i] += one->before[i];
		sum->after[i] += one->after[i];
	}
}

void
impact_of_both(struct storage *st, const struct sets *sets, const char *fmspc,
    const struct impact_move move[BASE_TEES], struct impact_sum *sum)
{
	struct groups gs = groups_of(st, fmspc), one;
	struct impact_sum of, worst;
	size_t i, t;

	for (i = 0; i < gs.n; i++) {
		one = (struct groups){ fmspc, gs.v + i, 1, 0 };
		worst = (struct impact_sum){ 0 };
		for (t = 0; t < BASE_TEES; t++) {
			of = (struct impact_sum){ 0 };
			if (move[t].from != 0 && move[t].to != 0)
				groups_sum(&one, BASE_TEE(t),
				    sets_get(sets, BASE_TEE(t), fmspc,
					move[t].from),
				    sets_get(sets, BASE_TEE(t), fmspc,
					move[t].to),
				    &of);
			if (worst.platforms == 0 || sum_worse(&of, &worst))
				worst = of;
		}
		sum_add(sum, &worst);
	}
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

static void
counts_write(struct jout *o, const size_t counts[IMPACT_STATUS_N])
{
	unsigned i;

	jout_open(o, "statuses", '{');
	for (i = 0; i < IMPACT_STATUS_N; i++)
		if (counts[i] != 0)
			jout_int(o, impact_status_name(i), (int64_t)counts[i]);
	jout_close(o, '}');
}

static void
time_out(struct jout *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	if (at != 0)
		time_write(at, text);
	jout_text(o, name, at == 0 ? NULL : text);
}

static void
shorts_write(struct jout *o, const struct fleet_tcb *t,
    const struct impact_set *set)
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

	jout_open(o, "short", '[');
	for (i = 0; i < n; i++) {
		jout_open(o, NULL, '{');
		jout_text(o, "part", part_name[v[i].part]);
		jout_int(o, "component", v[i].component);
		jout_int(o, "has", v[i].has);
		jout_int(o, "needs", v[i].needs);
		jout_close(o, '}');
	}
	jout_close(o, ']');
}

/* NULL: no level was reached, nothing is said of it. */
static void
advisories_write(struct jout *o, const struct tcb_match *m)
{
	const char **v = NULL;
	size_t i, n = m == NULL ? 0 : tcb_advisories(m, &v);

	jout_open(o, "advisories", '[');
	for (i = 0; i < n; i++)
		jout_text(o, NULL, v[i]);
	jout_close(o, ']');
	free(v);
}

static void
names_write(struct jout *o, struct storage *st, const struct fleet_group *g)
{
	struct fleet_member *m;
	unsigned n = 0;

	jout_open(o, "names", '[');
	LIST_FOREACH(m, &g->members, in_group)
	{
		if (n++ == NAMES_MAX)
			break;
		jout_text(o, NULL, fleet_name(st, m).s);
	}
	jout_close(o, ']');
}

static void
example_write(struct jout *o, struct storage *st, const struct fleet_group *g,
    const struct impact_set *from, const struct impact_set *to)
{
	struct tcb_match m, n;
	unsigned before = from == NULL ? IMPACT_UNKNOWN
				       : impact_judge(&g->tcb, false, from, &m);
	unsigned after = impact_judge(&g->tcb, false, to, &m);
	bool level = after < TCB_STATUS_N;

	jout_open(o, NULL, '{');
	names_write(o, st, g);
	jout_int(o, "platforms", (int64_t)g->n);
	jout_text(o, "now", impact_status_name(before));
	jout_text(o, "then", impact_status_name(after));
	jout_bool(o, "refetch_helps",
	    !impact_good(after) && after != IMPACT_UNKNOWN &&
		impact_good(impact_judge(&g->tcb, true, to, &n)));
	time_out(o, "tcb_date", level ? m.date : 0);
	shorts_write(o, &g->tcb, to);
	advisories_write(o, level ? &m : NULL);
	jout_close(o, '}');
}

/* Those that are not good then, the largest kinds first. */
static void
examples_write(struct jout *o, struct storage *st, const struct groups *gs,
    enum tee tee, const struct impact_set *from, const struct impact_set *to)
{
	struct tcb_match m;
	unsigned shown = 0;
	size_t i;

	jout_open(o, "examples", '[');
	for (i = 0; i < gs->n && shown < EXAMPLES_MAX; i++) {
		if (!group_counts(gs->v[i], tee) ||
		    impact_good(impact_judge(&gs->v[i]->tcb, false, to, &m)))
			continue;
		example_write(o, st, gs->v[i], from, to);
		shown++;
	}
	jout_close(o, ']');
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

static void
number_write(struct jout *o, struct storage *st, const struct groups *gs,
    const struct number_set *v, const struct impact_set *now,
    uint32_t effective)
{
	struct impact_sum sum = { 0 };

	groups_sum(gs, v->tee, now, &v->set, &sum);
	jout_open(o, NULL, '{');
	jout_int(o, "number", v->number);
	jout_text(o, "role", role_name(st, v, effective));
	jout_bool(o, "effective", v->number == effective);
	time_out(o, "date", number_date(st, v->tee, v->number));
	time_out(o, "tcb_date", v->info->facts.tcbinfo->levels[0].tcb_date);
	counts_write(o, sum.after);
	jout_int(o, "fall", (int64_t)sum.fall);
	jout_int(o, "refetch_helps", (int64_t)sum.refetch);
	jout_bool(o, "identity", v->identity != NULL);
	examples_write(o, st, gs, v->tee, now, &v->set);
	jout_close(o, '}');
}

/* --- the document ----------------------------------------------------- */

/* What clients that name no version get, where no listener has a rule. */
static uint32_t
effective_number(const struct storage *st, enum tee tee, const char *fmspc)
{
	return baseline_pick(snap_baseline(st->snap), NULL, tee, fmspc)->number;
}

static void
fmspc_write(struct jout *o, struct storage *st, const struct sets *sets,
    enum tee tee, const struct groups *gs, uint32_t to)
{
	const struct number_set *v;
	uint32_t effective = effective_number(st, tee, gs->fmspc);
	const struct impact_set *now =
	    sets_get(sets, tee, gs->fmspc, effective);
	size_t i, n = sets_of(sets, tee, gs->fmspc, &v), platforms = 0;

	for (i = 0; i < gs->n; i++)
		platforms += group_counts(gs->v[i], tee) ? gs->v[i]->n : 0;
	jout_open(o, NULL, '{');
	jout_text(o, "fmspc", gs->fmspc);
	jout_text(o, "tee", tee_name(tee));
	jout_int(o, "platforms", (int64_t)platforms);
	if (effective == 0)
		jout_text(o, "effective", NULL);
	else
		jout_int(o, "effective", effective);
	jout_open(o, "numbers", '[');
	for (i = 0; i < n; i++)
		if (to == 0 || v[i].number == to || v[i].number == effective)
			number_write(o, st, gs, &v[i], now, effective);
	jout_close(o, ']');
	jout_close(o, '}');
}

static void
fmspcs_write(struct jout *o, struct storage *st, const struct sets *sets,
    const char *fmspc, uint32_t to)
{
	struct groups all = groups_of(st, fmspc), gs;
	const struct number_set *v;
	size_t at;

	jout_open(o, "fmspcs", '[');
	for (at = 0; at < all.n; at += gs.n) {
		gs = groups_slice(&all, at);
		fmspc_write(o, st, sets, TEE_SGX, &gs, to);
		if (sets_of(sets, TEE_TDX, gs.fmspc, &v) > 0)
			fmspc_write(o, st, sets, TEE_TDX, &gs, to);
	}
	jout_close(o, ']');
	free(all.v);
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
	struct jout o = JOUT_INIT;
	enum err e;

	store_flush(st);
	if ((e = fleet_sync(st, &j->why)) != ERR_OK ||
	    (e = sets_read(st, t->what, &sets, &j->why)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	jout_open(&o, NULL, '{');
	time_out(&o, "at", clock_now());
	jout_int(&o, "platforms", (int64_t)fleet_len(st));
	fmspcs_write(&o, st, sets, t->what, to);
	sets_free(sets);
	if ((e = preview_amd(st, &o, &j->why)) != ERR_OK) {
		buf_free(&o.b);
		job_fail(j, e);
		return;
	}
	jout_close(&o, '}');
	t->text = buf_blob(&o.b);
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
