/*
 * Changing the baseline: a change is checked, its impact computed, written
 * and only then published.  Every revision holds all rules of run time, so
 * that going back is laying an older revision's rules again.
 */
#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/baseline_int.h"
#include "storage/fleet.h"
#include "storage/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CLAUSE     "larder(1) baseline"
#define REASON_MAX 500
#define LAG_MAX    3650 /* days: ten years */

static const char *const verb_names[BASE_VERB_N] = { "pin", "lag", "follow",
	"promote", "clear", "rollback" };

const char *
base_verb_name(enum base_verb v)
{
	return verb_names[v];
}

/* --- a change in the making ------------------------------------------- */

struct change_job {
	struct job job;
	struct base_change ask; /* its texts are copies */
	bool wants_only;
	store_text_fn fn;
	store_keys_fn keys_fn;

	json_t *run_time; /* the rules of run time after it */
	struct base_policy *policy;
	struct baseline *table; /* under it */
	json_t *impact;
	struct blob *text;
};

static struct base_state *
state_of(const struct change_job *c)
{
	return c->job.st->base;
}

/* --- is there such a thing? ------------------------------------------- */

struct fmspc_seen {
	const char *fmspc;
	bool seen;
};

static void
fmspc_group(void *arg, const struct fleet_group *g)
{
	struct fmspc_seen *s = arg;

	s->seen = s->seen || strcmp(g->tcb.fmspc, s->fmspc) == 0;
}

/* A TCB info is held, or a platform known. */
static bool
fmspc_known(const struct change_job *c, const struct base_held *h)
{
	struct fmspc_seen seen = { c->ask.name, false };
	size_t at = 0, end = 0;

	while (base_held_next(h, &at, &end))
		if (strcmp(h->v[at].fmspc, c->ask.name) == 0)
			return true;
	fleet_each(c->job.st, fmspc_group, &seen);
	return seen.seen;
}

static bool
listen_known(const struct config *config, const char *address)
{
	size_t i;

	for (i = 0; i < config->n_listen; i++)
		if (strcmp(config->listen[i].address, address) == 0)
			return true;
	return false;
}

static enum err
check_scope(const struct change_job *c, const struct base_held *h,
    struct why *why)
{
	/* A rule may outlive what it was made for: it can still be cleared. */
	if (c->ask.verb == BASE_ROLLBACK || c->ask.verb == BASE_CLEAR ||
	    c->ask.has_amd)
		return ERR_OK;
	if (c->ask.kind == BASE_LISTEN &&
	    !listen_known(c->job.st->config, c->ask.name))
		return why_set(why, ERR_PARAM, CLAUSE,
		    "the configuration has no listener %s", c->ask.name);
	if (c->ask.kind == BASE_FMSPC && !fmspc_known(c, h))
		return why_set(why, ERR_NO_FMSPC, CLAUSE,
		    "no platform and no TCB info of FMSPC %s is known",
		    c->ask.name);
	return ERR_OK;
}

static enum err
check_reason(const struct base_change *a, struct why *why)
{
	size_t len = a->reason == NULL ? 0 : strlen(a->reason);

	if (len == 0 || len > REASON_MAX)
		return why_set(why, ERR_PARAM, CLAUSE,
		    "a reason of 1 to %d bytes is required", REASON_MAX);
	return ERR_OK;
}

/* --- numbers ---------------------------------------------------------- */

/* TEEs that have anything to do with the scope. */
static bool
tee_concerned(const struct change_job *c, const struct base_held *h, size_t tee)
{
	size_t at = 0, end = 0;
	bool any = false;

	while (base_held_next(h, &at, &end)) {
		if (h->v[at].kind != COLL_TCBINFO ||
		    (c->ask.kind == BASE_FMSPC &&
			strcmp(h->v[at].fmspc, c->ask.name) != 0))
			continue;
		any = true;
		if (h->v[at].tee == tee)
			return true;
	}
	return !any && h->world[tee].standard != 0;
}

static uint32_t
highest(const struct base_world *w)
{
	return w->early > w->standard ? w->early : w->standard;
}

/* Where the scope's new rule stands in the table. */
static const struct base_pick *
change_pick(const struct change_job *c, size_t tee)
{
	const struct base_scope *s =
	    base_scope_at(c->policy, c->ask.kind, c->ask.name);

	must(s != NULL);
	return &c->table->pick[(size_t)(s - c->policy->v) * BASE_TEES + tee];
}

/* Signed, or still held whole, in one of the TEEs concerned. */
static enum err
check_number(const struct change_job *c, const struct base_held *h,
    uint32_t number, struct why *why)
{
	uint32_t low = 0, high = 0;
	size_t tee;

	for (tee = 0; tee < BASE_TEES; tee++) {
		if (!tee_concerned(c, h, tee))
			continue;
		if (base_signed(&h->world[tee], number) ||
		    change_pick(c, tee)->wanted == number)
			return ERR_OK;
		low = h->world[tee].standard;
		if (highest(&h->world[tee]) > high)
			high = highest(&h->world[tee]);
	}
	if (high == 0)
		return why_set(why, ERR_NO_NUMBER, CLAUSE,
		    "no evaluation number is known yet: nothing is cached");
	if (number > high)
		return why_set(why, ERR_NO_NUMBER, CLAUSE,
		    "%" PRIu32 " was never published: the highest is %" PRIu32,
		    number, high);
	return why_set(why, ERR_RETIRED, CLAUSE,
	    "%" PRIu32 " is retired: Intel signs from %" PRIu32
	    " on, and no whole set of it is held",
	    number, low);
}

/* The oldest number that may be served is how old?  In days. */
static enum err
check_lag(const struct change_job *c, const struct base_held *h,
    struct why *why)
{
	const struct base_number *oldest = NULL;
	const struct base_pick *p;
	time_t now = clock_now();
	size_t tee;

	for (tee = 0; tee < BASE_TEES; tee++) {
		if (!tee_concerned(c, h, tee))
			continue;
		p = change_pick(c, tee);
		oldest = base_known(&h->world[tee], p->named);
		if (oldest == NULL || oldest->recovered_at == 0)
			return c->wants_only
				   ? ERR_OK
				   : why_set(why, ERR_PARAM, CLAUSE,
					 "the dates of the recoveries are "
					 "not known yet");
		if (oldest->recovered_at +
			    (time_t)c->ask.rule.lag_days * 86400 >
			now ||
		    p->wanted != p->named)
			return why_set(why, ERR_PARAM, CLAUSE,
			    "no number that can be served is %" PRIu32
			    " days old: %" PRIu32 " is %lld",
			    c->ask.rule.lag_days, p->wanted,
			    (long long)(now - oldest->recovered_at) / 86400);
	}
	return oldest != NULL ? ERR_OK
			      : why_set(why, ERR_NO_NUMBER, CLAUSE,
				    "no evaluation number is known yet");
}

/* --- the rules after it ----------------------------------------------- */

/* What the scope has now: its own rule, or the default. */
static const struct base_rule *
rule_before(const struct change_job *c)
{
	const struct base_scope *s =
	    base_scope_at(state_of(c)->policy, c->ask.kind, c->ask.name);

	return s != NULL ? &s->rule : &state_of(c)->policy->v[0].rule;
}

static enum err
promote_number(struct change_job *c, const struct base_held *h,
    struct base_rule *rule, struct why *why)
{
	const struct baseline *b = state_of(c)->table;
	const struct base_pick *p;
	size_t tee;

	for (tee = 0; rule->number == 0 && tee < BASE_TEES; tee++)
		if (tee_concerned(c, h, tee))
			rule->number = h->world[tee].standard;
	for (tee = 0; tee < BASE_TEES; tee++) {
		if (!tee_concerned(c, h, tee))
			continue;
		p = baseline_pick(b,
		    c->ask.kind == BASE_LISTEN ? c->ask.name : NULL,
		    BASE_TEE(tee),
		    c->ask.kind == BASE_FMSPC ? c->ask.name : NULL);
		if (p->number > rule->number)
			return why_set(why, ERR_PARAM, CLAUSE,
			    "%" PRIu32 " is behind %" PRIu32
			    ", which is served: pin it, or roll back",
			    rule->number, p->number);
	}
	rule->follow = FOLLOW_PIN;
	return ERR_OK;
}

static enum err
change_rule(struct change_job *c, const struct base_held *h, struct why *why)
{
	struct base_rule rule = c->ask.rule;
	enum err e;

	if (rule.retire == RETIRE_NONE)
		rule.retire = rule_before(c)->retire;
	if (c->ask.verb == BASE_LAG &&
	    (rule.lag_days < 1 || rule.lag_days > LAG_MAX))
		return why_set(why, ERR_PARAM, CLAUSE,
		    "a lag is of 1 to %d days", LAG_MAX);
	if (c->ask.verb == BASE_PROMOTE &&
	    (e = promote_number(c, h, &rule, why)) != ERR_OK)
		return e;
	if (rule.follow == FOLLOW_PIN && rule.number == 0)
		return why_set(why, ERR_NO_NUMBER, CLAUSE,
		    "no evaluation number is known yet");
	c->ask.rule = rule;
	base_policy_set(c->policy, c->ask.kind, c->ask.name, &rule);
	return ERR_OK;
}

static bool
rules_row(void *arg, const struct db_val *col)
{
	json_t **out = arg;

	*out = json_loadb((const char *)col[0].s.p, col[0].s.len,
	    JSON_REJECT_DUPLICATES, NULL);
	return false;
}

/* Revision 0 is before the first change: no rules of run time. */
static enum err
rules_at(struct change_job *c, json_t **out, struct why *why)
{
	int64_t now = state_of(c)->policy->revision, to = c->ask.to;
	enum err e;

	if (to < 0)
		to = now - 1;
	if (to < 0)
		return why_set(why, ERR_PARAM, CLAUSE,
		    "nothing was ever changed");
	if (to == 0) {
		*out = json_object();
		return ERR_OK;
	}
	if ((e = store_read(c->job.st, SQL_BASE_GET, VALS(db_int(to)),
		 rules_row, out, why)) != ERR_OK)
		return e;
	return *out != NULL ? ERR_OK
			    : why_set(why, ERR_PARAM, CLAUSE,
				  "there is no revision %lld", (long long)to);
}

/* The place of a rule of AMD's among those of run time; SIZE_MAX: none. */
static size_t
amd_at(const json_t *rules, const struct base_amd *a)
{
	const char *product, *chip;
	json_t *o;
	size_t i;

	json_array_foreach(rules, i, o)
	{
		product = json_string_value(json_object_get(o, "product"));
		chip = json_string_value(json_object_get(o, "chip"));
		if (product != NULL &&
		    strcmp(product, amd_product_name(a->product)) == 0 &&
		    strcasecmp(chip == NULL ? "" : chip, a->chip) == 0)
			return i;
	}
	return SIZE_MAX;
}

static bool
rule_cleared(const struct change_job *c, json_t *rules)
{
	json_t *of = rules;

	if (c->ask.has_amd) {
		of = json_object_get(rules, "amd");
		return json_array_remove(of, amd_at(of, &c->ask.amd)) == 0;
	}
	if (c->ask.kind == BASE_DEFAULT)
		return json_object_del(rules, "default") == 0;
	of = json_object_get(rules,
	    c->ask.kind == BASE_LISTEN ? "listen" : "fmspc");
	return json_object_del(of, c->ask.name) == 0;
}

/* What is set at run time but for one scope, which then has what the
 * configuration says. */
static enum err
rules_without(const struct change_job *c, json_t **out, struct why *why)
{
	*out = json_deep_copy(state_of(c)->run_time);
	must(*out != NULL);
	if (rule_cleared(c, *out))
		return ERR_OK;
	return why_set(why, ERR_PARAM, CLAUSE,
	    "no rule was set at run time there: nothing to clear");
}

/* The policy after the change, and its table. */
static enum err
change_make(struct change_job *c, const struct base_held *h, struct why *why)
{
	const struct base_state *s = state_of(c);
	json_t *rules = NULL;
	enum err e = ERR_OK;

	if (c->ask.verb == BASE_ROLLBACK)
		e = rules_at(c, &rules, why);
	else if (c->ask.verb == BASE_CLEAR)
		e = rules_without(c, &rules, why);
	else
		rules = json_incref(s->run_time);
	if (e == ERR_OK)
		e = baseline_policy_make(c->job.st->config, rules,
		    s->policy->revision + 1, &c->policy, why);
	json_decref(rules);
	if (e != ERR_OK || c->ask.verb == BASE_ROLLBACK ||
	    c->ask.verb == BASE_CLEAR)
		return e;
	if (c->ask.has_amd)
		base_policy_set_amd(c->policy, &c->ask.amd);
	else
		e = change_rule(c, h, why);
	return e;
}

static enum err
change_check(struct change_job *c, struct why *why)
{
	const struct base_state *s = state_of(c);
	struct base_held held;
	enum err e;

	if (c->ask.revision >= 0 && c->ask.revision != s->policy->revision)
		return why_set(why, ERR_CHANGED, CLAUSE,
		    "revision %lld is not the current one: that is %lld",
		    (long long)c->ask.revision, (long long)s->policy->revision);
	base_held_init(&held, c->job.st);
	if ((e = check_reason(&c->ask, why)) != ERR_OK ||
	    (e = check_scope(c, &held, why)) != ERR_OK ||
	    (e = change_make(c, &held, why)) != ERR_OK)
		goto out;
	c->run_time = base_policy_json(c->policy, true);
	c->table = baseline_new(c->job.st, c->policy, clock_now());
	if (c->ask.has_amd || c->ask.verb == BASE_ROLLBACK)
		goto out;
	if (c->ask.rule.follow == FOLLOW_PIN)
		e = check_number(c, &held, c->ask.rule.number, why);
	else if (c->ask.rule.follow == FOLLOW_LAG)
		e = check_lag(c, &held, why);
out:
	base_held_fini(&held);
	return e;
}

/* --- making it so ----------------------------------------------------- */

static enum err
change_write(struct change_job *c, struct why *why)
{
	struct storage *st = c->job.st;
	char *before = json_dumps(st->base->run_time, JSON_COMPACT);
	char *after = json_dumps(c->run_time, JSON_COMPACT);
	char *impact = json_dumps(c->impact, JSON_COMPACT);
	enum err e;

	must(before != NULL && after != NULL && impact != NULL);
	/* Other calls' writes do not share its fate. */
	if ((e = store_commit(st, why)) == ERR_OK &&
	    (e = store_write(st, SQL_BASE_ADD,
		 VALS(db_int(c->policy->revision), db_int(clock_now()),
		     db_text(c->ask.who), db_text(base_verb_name(c->ask.verb)),
		     db_text(c->ask.reason), db_text(before), db_text(after),
		     db_text(impact)),
		 why)) == ERR_OK)
		e = store_commit(st, why);
	free(before);
	free(after);
	free(impact);
	return e;
}

static void
change_apply(struct change_job *c)
{
	struct base_state *s = state_of(c);
	const char *scope = c->ask.has_amd           ? "amd"
			    : c->ask.name[0] == '\0' ? "default"
						     : c->ask.name;

	base_policy_free(s->policy);
	json_decref(s->run_time);
	s->policy = c->policy;
	s->run_time = c->run_time;
	c->policy = NULL;
	c->run_time = NULL;
	log_event(LOG_NOTE, "baseline-changed", "revision",
	    log_num(s->policy->revision).s, "verb", base_verb_name(c->ask.verb),
	    "scope", scope, "who", c->ask.who, "reason", c->ask.reason, NULL);
	watch_change(c->job.st, s->policy->revision, scope, &c->ask, c->impact);
	hot_publish(c->job.st);
}

/* The document, with the impact. */
static void
change_text(struct change_job *c, const struct baseline *b)
{
	json_t *o = b != NULL ? baseline_json(c->job.st, b) : json_object();
	char *text;

	must(json_object_set(o, "impact", c->impact) == 0);
	if (b != NULL)
		must(json_object_set_new(o, "dry_run",
			 json_boolean(c->ask.dry_run)) == 0);
	text = json_dumps(o, JSON_COMPACT);
	must(text != NULL);
	c->text = blob_from(span_str(text));
	free(text);
	json_decref(o);
}

static void
change_work(struct job *j)
{
	struct change_job *c = msg_of(j, struct change_job, job);
	enum err e;

	if ((e = change_check(c, &j->why)) == ERR_OK && !c->wants_only) {
		e = baseline_impact(&(struct base_step){ j->st, &c->ask,
					c->policy, c->table },
		    &c->impact, &j->why);
		if (e == ERR_IMPACT)
			change_text(c, NULL);
		if (e == ERR_OK && c->ask.dry_run)
			change_text(c, c->table);
		else if (e == ERR_OK &&
			 (e = change_write(c, &j->why)) == ERR_OK) {
			change_apply(c);
			change_text(c, j->st->base->table);
		}
	}
	if (e != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

/* --- the calls -------------------------------------------------------- */

static void
change_answer(struct job *j)
{
	struct change_job *c = msg_of(j, struct change_job, job);
	size_t n = 0;
	const struct coll_key *keys = NULL;

	if (!c->wants_only) {
		c->fn(j->arg, j->err, &j->why, blob_ref(c->text));
		return;
	}
	if (j->err == ERR_OK)
		keys = baseline_wants(c->table, &n);
	c->keys_fn(j->arg, j->err, &j->why, keys, n);
}

static void
change_fini(struct job *j)
{
	struct change_job *c = msg_of(j, struct change_job, job);

	free((char *)(uintptr_t)c->ask.name);
	free((char *)(uintptr_t)c->ask.who);
	free((char *)(uintptr_t)c->ask.reason);
	free(c->ask.amd.chip);
	json_decref(c->run_time);
	json_decref(c->impact);
	base_policy_free(c->policy);
	baseline_unref(c->table);
	blob_unref(c->text);
}

static struct change_job *
change_new(const struct base_change *ask)
{
	struct change_job *c = xcalloc(1, sizeof(*c));

	c->ask = *ask;
	c->ask.name = xstrdup(ask->name);
	c->ask.who = xstrdup(ask->who);
	c->ask.reason = ask->reason == NULL ? NULL : xstrdup(ask->reason);
	c->ask.amd.chip = ask->amd.chip == NULL ? NULL : xstrdup(ask->amd.chip);
	return c;
}

void
storage_baseline_change(struct storage *st, const struct base_change *ask,
    store_text_fn fn, void *arg)
{
	struct change_job *c = change_new(ask);

	c->fn = fn;
	job_start(&c->job, st, change_work, change_answer, change_fini, arg);
}

void
storage_baseline_wants(struct storage *st, const struct base_change *ask,
    store_keys_fn fn, void *arg)
{
	struct change_job *c = change_new(ask);

	c->wants_only = true;
	c->keys_fn = fn;
	job_start(&c->job, st, change_work, change_answer, change_fini, arg);
}
