/*
 * What a change of the baseline does to the platforms known, before and after:
 * for whoever is to make it, for the history, and to refuse one that fells too
 * many.
 */
#include "config/base/map.h"
#include "config/base/must.h"
#include "storage/baseline_int.h"
#include "storage/fleet.h"
#include "storage/impact.h"
#include "storage/preview.h"

#define CLAUSE "larder(1) baseline"

/* --- platforms -------------------------------------------------------- */

/* Has the scope the same rule before and after?  Where it has none, what
 * applies there is another scope's. */
static bool
rule_stays(const struct base_policy *was, const struct base_policy *is,
    const struct base_scope *s)
{
	const struct base_scope *a = base_scope_at(was, s->kind, s->name);
	const struct base_scope *b = base_scope_at(is, s->kind, s->name);

	return a != NULL && b != NULL && a->rule.follow == b->rule.follow &&
	       a->rule.number == b->rule.number &&
	       a->rule.lag_days == b->rule.lag_days &&
	       a->rule.retire == b->rule.retire;
}

static void
impact_fmspc(const struct base_step *c, const struct sets *sets,
    const char *listen, const char *fmspc, struct impact_sum *sum)
{
	const struct baseline *was = c->st->base->table;
	struct impact_move move[BASE_TEES] = { { 0, 0 } };
	const struct number_set *held;
	size_t t;

	for (t = 0; t < BASE_TEES; t++) {
		if (sets_of(sets, BASE_TEE(t), fmspc, &held) == 0)
			continue;
		move[t].from =
		    baseline_pick(was, listen, BASE_TEE(t), fmspc)->number;
		move[t].to =
		    baseline_pick(c->table, listen, BASE_TEE(t), fmspc)->wanted;
	}
	impact_of_both(c->st, sets, fmspc, move, sum);
}

/* Every FMSPC from what it has at a listener (NULL: at those without a rule of
 * their own) to what it is to have. */
static struct impact_sum
impact_at(const struct base_step *c, const struct sets *sets,
    const char *listen)
{
	struct map *done = map_new();
	struct impact_sum sum = { 0 };
	struct base_held held;
	size_t at = 0, end = 0;

	base_held_init(&held, c->st);
	while (base_held_next(&held, &at, &end)) {
		const struct base_piece *p = &held.v[at];

		/* Both TEEs of an FMSPC at once. */
		if (p->kind == COLL_TCBINFO &&
		    map_put(done, span_str(p->fmspc), done) == NULL)
			impact_fmspc(c, sets, listen, p->fmspc, &sum);
	}
	base_held_fini(&held);
	map_free(done);
	return sum;
}

/* A listener's scope that the rules of "p" have and the change touches: its
 * impact, if more fall there than so far, or nothing was looked at. */
static void
impact_listens(const struct base_step *c, const struct sets *sets,
    const struct base_policy *p, bool *any, struct impact_sum *worst)
{
	const struct base_policy *was = c->st->base->policy;
	struct impact_sum sum;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].kind != BASE_LISTEN ||
		    rule_stays(was, c->policy, &p->v[i]))
			continue;
		sum = impact_at(c, sets, p->v[i].name);
		if (!*any || sum.fall > worst->fall)
			*worst = sum;
		*any = true;
	}
}

/* Is a rule of the default or of an FMSPC another one? */
static bool
elsewhere_moves(const struct base_step *c)
{
	const struct base_policy *both[] = { c->st->base->policy, c->policy };
	size_t i, k;

	for (k = 0; k < 2; k++)
		for (i = 0; i < both[k]->n; i++)
			if (both[k]->v[i].kind != BASE_LISTEN &&
			    !rule_stays(both[0], both[1], &both[k]->v[i]))
				return true;
	return false;
}

/*
 * A platform counts once, though it may ask at several listeners.  What is
 * rolled back may be rules of some of these, or of all the rest: the impact is
 * that of the one place, of those touched, where most platforms fall.
 */
static struct impact_sum
impact_sum(const struct base_step *c, const struct sets *sets)
{
	struct impact_sum worst = { 0 };
	bool any;

	if (c->ask->verb != BASE_ROLLBACK)
		return impact_at(c, sets,
		    c->ask->kind == BASE_LISTEN ? c->ask->name : NULL);
	if ((any = elsewhere_moves(c)))
		worst = impact_at(c, sets, NULL);
	impact_listens(c, sets, c->st->base->policy, &any, &worst);
	impact_listens(c, sets, c->policy, &any, &worst);
	return any ? worst : impact_at(c, sets, NULL);
}

/* --- for people ------------------------------------------------------- */

/* Chips with what is demanded of them, {"meets", "below"}. */
static json_t *
chips_json(size_t chips, size_t below)
{
	return json_pack("{s:I, s:I}", "meets", (json_int_t)(chips - below),
	    "below", (json_int_t)below);
}

static json_t *
impact_json(const struct impact_sum *sum, const struct impact_amd *amd)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:o, s:o}", "platforms",
	    (json_int_t)sum->platforms, "fall", (json_int_t)sum->fall,
	    "refetch", (json_int_t)sum->refetch, "before",
	    impact_counts_json(sum->before), "after",
	    impact_counts_json(sum->after));

	must(o != NULL);
	if (amd->chips != 0)
		must(json_object_set_new(o, "amd",
			 json_pack("{s:I, s:I, s:o, s:o}", "chips",
			     (json_int_t)amd->chips, "fall",
			     (json_int_t)amd->fall, "before",
			     chips_json(amd->chips, amd->below_before), "after",
			     chips_json(amd->chips, amd->below_after))) == 0);
	return o;
}

/* --- the whole -------------------------------------------------------- */

/* May so many of them fall? */
static enum err
fall_check(const struct base_step *c, const char *what, size_t fall, size_t all,
    struct why *why)
{
	int limit = c->st->config->baseline.fall_max_percent;

	if (c->ask->force || c->ask->verb == BASE_ROLLBACK ||
	    fall * 100 <= (size_t)limit * all)
		return ERR_OK;
	return why_set(why, ERR_IMPACT, CLAUSE,
	    "%zu of %zu %s would fall out of date, more than %d %%: force it, "
	    "or promote less",
	    fall, all, what, limit);
}

/* Rules of Intel's numbers do nothing to AMD's chips: nothing is said. */
enum err
baseline_impact(const struct base_step *c, json_t **out, struct why *why)
{
	const struct baseline *was = c->st->base->table;
	struct impact_sum sum;
	struct impact_amd amd = { 0 };
	struct sets *sets = NULL;
	enum err e;

	if ((e = fleet_sync(c->st, why)) != ERR_OK ||
	    (e = sets_read(c->st, NULL, &sets, why)) != ERR_OK)
		return e;
	sum = impact_sum(c, sets);
	sets_free(sets);
	if ((c->ask->has_amd || c->ask->verb == BASE_ROLLBACK) &&
	    (e = impact_amd(c->st, was, c->table, &amd, why)) != ERR_OK)
		return e;
	if (!c->ask->has_amd && amd.below_before == amd.below_after)
		amd.chips = 0;
	*out = impact_json(&sum, &amd);
	if ((e = fall_check(c, "platforms", sum.fall, sum.platforms, why)) !=
	    ERR_OK)
		return e;
	return fall_check(c, "chips", amd.fall, amd.chips, why);
}
