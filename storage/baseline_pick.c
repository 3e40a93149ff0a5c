/*
 * The rule: which number a scope gets.  Pure.
 *
 *   what the rule names          still signed              retired
 *   ────────────────────         ────────────              ───────
 *   standard, early,       ──►   wanted = named      held until a bound:
 *   lag, pin                                           wanted = named, while it
 *                                                      is whole
 *                                                    past it, or never held:
 *                                                      wanted = the lowest
 *                                                      that is signed
 *
 *   number = wanted, once the whole set of it is held; the current one before
 *   that, as long as something of it can be served.
 */
#include "storage/baseline.h"

#include "config/base/must.h"

static const char *const warning_names[BASE_WARNING_N] = {
	[BASE_NEWER] = "newer",
	[BASE_UNKNOWN] = "unknown",
	[BASE_WAITING] = "waiting",
	[BASE_RETIRED] = "retired",
	[BASE_HELD] = "held",
	[BASE_ADVANCED] = "advanced",
};

const char *
base_warning_name(enum base_warning w)
{
	return warning_names[w];
}

const struct base_number *
base_known(const struct base_world *w, uint32_t number)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->v[i].number == number)
			return &w->v[i];
	return NULL;
}

static uint32_t
highest(const struct base_world *w)
{
	return w->early > w->standard ? w->early : w->standard;
}

/* Below the standard one 410, above the early one 404 (pcs-upstream 2). */
bool
base_signed(const struct base_world *w, uint32_t number)
{
	const struct base_number *known = base_known(w, number);

	if (known != NULL && known->gone)
		return false;
	return number >= w->standard && number <= highest(w);
}

/* The lowest that Intel signs; 0: nothing is known. */
static uint32_t
lowest_signed(const struct base_world *w)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (base_signed(w, w->v[i].number))
			return w->v[i].number;
	return w->standard;
}

/*
 * The newest that is old enough; when all are too young, the oldest of them:
 * the one furthest behind is as near as one can come.
 */
static uint32_t
lagging(const struct base_world *w, uint32_t days, time_t now)
{
	uint32_t top = highest(w);
	time_t before = now - (time_t)days * 86400;
	uint32_t found = 0;
	size_t i;

	for (i = 0; i < w->n && w->v[i].number <= top; i++)
		if (w->v[i].recovered_at != 0 && w->v[i].recovered_at <= before)
			found = w->v[i].number;
	return found != 0 ? found : lowest_signed(w);
}

static uint32_t
named(const struct base_rule *r, const struct base_world *w, time_t now)
{
	switch (r->follow) {
	case FOLLOW_EARLY:
		return highest(w);
	case FOLLOW_LAG:
		return lagging(w, r->lag_days, now);
	case FOLLOW_PIN:
		return r->number;
	case FOLLOW_STANDARD:
	case FOLLOW_NONE:
		break;
	}
	return w->standard;
}

/* The rule names a number that Intel signs no longer. */
static void
pick_retired(struct base_pick *p, const struct base_rule *r,
    const struct base_world *w, const struct base_set *set, int64_t hold_max_s,
    time_t now)
{
	time_t until = r->retire == RETIRE_ADVANCE
			   ? set->ends_at - BASE_ADVANCE_AHEAD
			   : set->ends_at + (time_t)hold_max_s;

	if (set->whole && now < until) {
		p->until = until;
		p->warning = now < set->ends_at ? BASE_RETIRED : BASE_HELD;
		return;
	}
	p->wanted = lowest_signed(w);
	p->warning = BASE_ADVANCED;
}

/* What is served while the wanted set is not whole. */
static void
pick_waiting(struct base_pick *p, const struct base_set *set, uint32_t current,
    int64_t hold_max_s, time_t now)
{
	/* Nothing of it can be served any more: rather fetch the wanted one
	 * piece by piece, as it is asked for. */
	if (set->ends_at == 0 || now >= set->ends_at + (time_t)hold_max_s)
		return;
	p->number = current;
	p->held = now >= set->ends_at;
	p->until = p->held ? set->ends_at + (time_t)hold_max_s : 0;
	if (p->warning == BASE_FINE || p->warning == BASE_NEWER)
		p->warning = BASE_WAITING;
}

/* The standard number follows it sooner or later, and then it is retired. */
static bool
newer_is_out(const struct base_rule *r, const struct base_world *w,
    uint32_t number)
{
	return (r->follow == FOLLOW_PIN || r->follow == FOLLOW_LAG) &&
	       w->early > number;
}

struct base_pick
base_pick(const struct base_rule *r, const struct base_world *w,
    base_set_fn set_of, void *arg, uint32_t current, int64_t hold_max_s,
    time_t now)
{
	struct base_pick p = { .named = named(r, w, now) };
	struct base_set set;

	must(r->retire != RETIRE_NONE);
	/* Nothing is known: the first that comes says it. */
	if (p.named == 0)
		return p;
	p.number = p.wanted = p.named;
	set = set_of(arg, p.named);
	if (w->standard != 0 && p.named > highest(w)) {
		p.wanted = w->standard;
		p.warning = BASE_UNKNOWN;
	} else if (!base_signed(w, p.named) && w->standard != 0) {
		pick_retired(&p, r, w, &set, hold_max_s, now);
	} else if (newer_is_out(r, w, p.named)) {
		p.warning = BASE_NEWER;
	}
	p.number = p.wanted;
	p.held = p.warning == BASE_HELD;
	if (p.wanted != p.named)
		set = set_of(arg, p.wanted);
	if (!set.whole && current != 0 && current != p.wanted) {
		set = set_of(arg, current);
		pick_waiting(&p, &set, current, hold_max_s, now);
	}
	return p;
}
