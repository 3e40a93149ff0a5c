/* The rules of the TCB baseline: where they come from and how they are kept. */
#include "storage/baseline.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const follow_names[] = { "none", "standard", "early", "lag",
	"pin" };
static const char *const retire_names[] = { "none", "hold", "advance" };
static const char *const kind_names[] = { "default", "listen", "fmspc" };

const char *
follow_name(enum follow f)
{
	return follow_names[f];
}

const char *
retire_name(enum retire r)
{
	return retire_names[r];
}

/* --- the list --------------------------------------------------------- */

static int
scope_order(enum base_kind kind, const char *name, const struct base_scope *s)
{
	if (kind != s->kind)
		return (int)kind - (int)s->kind;
	return strcmp(name, s->name);
}

/* Where it is, or where it would have to stand. */
static size_t
scope_place(const struct base_policy *p, enum base_kind kind, const char *name,
    bool *found)
{
	size_t i;
	int order = 1;

	for (i = 0; i < p->n; i++)
		if ((order = scope_order(kind, name, &p->v[i])) <= 0)
			break;
	*found = i < p->n && order == 0;
	return i;
}

struct base_scope *
base_scope_at(const struct base_policy *p, enum base_kind kind,
    const char *name)
{
	bool found;
	size_t i = scope_place(p, kind, name, &found);

	return found ? &p->v[i] : NULL;
}

static void
policy_put(struct base_policy *p, enum base_kind kind, const char *name,
    const struct base_rule *rule, bool run_time)
{
	bool found;
	size_t i = scope_place(p, kind, name, &found);

	must(rule->follow != FOLLOW_NONE && rule->retire != RETIRE_NONE);
	if (!found) {
		p->v = xrealloc(p->v, p->n + 1, sizeof(*p->v));
		memmove(p->v + i + 1, p->v + i, (p->n - i) * sizeof(*p->v));
		p->v[i] =
		    (struct base_scope){ .kind = kind, .name = xstrdup(name) };
		p->n++;
	}
	p->v[i].rule = *rule;
	p->v[i].run_time = run_time;
}

void
base_policy_set(struct base_policy *p, enum base_kind kind, const char *name,
    const struct base_rule *rule)
{
	policy_put(p, kind, name, rule, true);
}

static void
policy_put_amd(struct base_policy *p, const struct base_amd *amd, bool run_time)
{
	size_t i;

	for (i = 0; i < p->n_amd; i++)
		if (p->amd[i].product == amd->product &&
		    strcmp(p->amd[i].chip, amd->chip) == 0)
			break;
	if (i == p->n_amd) {
		p->amd = xrealloc(p->amd, p->n_amd + 1, sizeof(*p->amd));
		p->amd[i] = (struct base_amd){ .product = amd->product,
			.chip = xstrdup(amd->chip) };
		p->n_amd++;
	}
	p->amd[i].newest = amd->newest;
	p->amd[i].tcb = amd->tcb;
	p->amd[i].run_time = run_time;
}

void
base_policy_set_amd(struct base_policy *p, const struct base_amd *amd)
{
	policy_put_amd(p, amd, true);
}

void
base_policy_free(struct base_policy *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++)
		free(p->v[i].name);
	for (i = 0; i < p->n_amd; i++)
		free(p->amd[i].chip);
	free(p->v);
	free(p->amd);
	free(p);
}

struct base_policy *
base_policy_copy(const struct base_policy *from)
{
	struct base_policy *p = xcalloc(1, sizeof(*p));
	size_t i;

	p->revision = from->revision;
	for (i = 0; i < from->n; i++)
		policy_put(p, from->v[i].kind, from->v[i].name,
		    &from->v[i].rule, from->v[i].run_time);
	for (i = 0; i < from->n_amd; i++)
		policy_put_amd(p, &from->amd[i], from->amd[i].run_time);
	return p;
}

/* --- the configuration's ---------------------------------------------- */

/* False: nothing is set. */
static bool
rule_of(const struct config_rule *c, enum retire otherwise,
    struct base_rule *out)
{
	*out = (struct base_rule){ .follow = c->follow,
		.lag_days = (uint32_t)c->lag_days,
		.number = (uint32_t)c->pin,
		.retire = c->on_retire };
	if (c->lag_days != 0)
		out->follow = FOLLOW_LAG;
	if (c->pin != 0)
		out->follow = FOLLOW_PIN;
	if (out->retire == RETIRE_NONE)
		out->retire = otherwise;
	return out->follow != FOLLOW_NONE;
}

static void
policy_of_amd(struct base_policy *p, const struct config_amd *c)
{
	struct base_amd amd = { .product =
				    amd_product_read(span_str(c->product)),
		.chip = c->chip };

	if (amd.chip == NULL)
		amd.chip = "";
	amd.newest = strcmp(c->tcb, "auto") == 0;
	if (!amd.newest)
		must(amd_tcb_read(span_str(c->tcb), &amd.tcb) == ERR_OK);
	policy_put_amd(p, &amd, false);
}

struct base_policy *
base_policy_of(const struct config *c)
{
	struct base_policy *p = xcalloc(1, sizeof(*p));
	enum retire retire = c->baseline.rule.on_retire;
	struct base_rule rule;
	size_t i;

	if (retire == RETIRE_NONE)
		retire = RETIRE_HOLD;
	if (!rule_of(&c->baseline.rule, retire, &rule))
		rule.follow = FOLLOW_STANDARD;
	policy_put(p, BASE_DEFAULT, "", &rule, false);
	for (i = 0; i < c->n_listen; i++)
		if (rule_of(&c->listen[i].baseline, retire, &rule))
			policy_put(p, BASE_LISTEN, c->listen[i].address, &rule,
			    false);
	for (i = 0; i < c->baseline.n_fmspc; i++)
		if (rule_of(&c->baseline.fmspc[i].rule, retire, &rule))
			policy_put(p, BASE_FMSPC, c->baseline.fmspc[i].fmspc,
			    &rule, false);
	for (i = 0; i < c->baseline.n_amd; i++)
		policy_of_amd(p, &c->baseline.amd[i]);
	return p;
}

/* --- as JSON ---------------------------------------------------------- */

static void
set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

static json_t *
from_json(bool run_time)
{
	return json_string(run_time ? "run-time" : "configuration");
}

static json_t *
rule_json(const struct base_scope *s)
{
	json_t *o = json_object();

	if (s->rule.follow == FOLLOW_PIN)
		set(o, "pin", json_integer(s->rule.number));
	else if (s->rule.follow == FOLLOW_LAG)
		set(o, "lag_days", json_integer(s->rule.lag_days));
	else
		set(o, "follow", json_string(follow_name(s->rule.follow)));
	set(o, "on_retire", json_string(retire_name(s->rule.retire)));
	set(o, "from", from_json(s->run_time));
	return o;
}

static json_t *
amd_json(const struct base_amd *a)
{
	json_t *o = json_object();
	char tcb[17] = "auto";

	if (!a->newest)
		amd_tcb_write(a->tcb, tcb);
	set(o, "product", json_string(amd_product_name(a->product)));
	set(o, "chip", a->chip[0] == '\0' ? json_null() : json_string(a->chip));
	set(o, "tcb", json_string(tcb));
	set(o, "from", from_json(a->run_time));
	return o;
}

json_t *
base_policy_json(const struct base_policy *p, bool run_time)
{
	json_t *root = json_object(), *to, *amd = json_array();
	json_t *by[] = { root, json_object(), json_object() };
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (run_time && !p->v[i].run_time)
			continue;
		to = by[p->v[i].kind];
		set(to, to == root ? kind_names[0] : p->v[i].name,
		    rule_json(&p->v[i]));
	}
	for (i = 0; i < p->n_amd; i++)
		if (!run_time || p->amd[i].run_time)
			must(json_array_append_new(amd, amd_json(&p->amd[i])) ==
			     0);
	set(root, "fmspc", by[BASE_FMSPC]);
	set(root, "listen", by[BASE_LISTEN]);
	set(root, "amd", amd);
	return root;
}

/* --- from JSON -------------------------------------------------------- */

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_FORMAT, "larder(1) baseline", "%s", text);
}

static uint32_t
number_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n < 0 || n > UINT32_MAX ? 0 : (uint32_t)n;
}

static enum err
rule_read(const json_t *o, struct base_rule *out, struct why *why)
{
	const char *follow = json_string_value(json_object_get(o, "follow"));
	const char *retire = json_string_value(json_object_get(o, "on_retire"));

	*out = (struct base_rule){ .lag_days = number_of(o, "lag_days"),
		.number = number_of(o, "pin"),
		.retire = RETIRE_HOLD };
	if (retire != NULL && strcmp(retire, "advance") == 0)
		out->retire = RETIRE_ADVANCE;
	if (out->number != 0)
		out->follow = FOLLOW_PIN;
	else if (out->lag_days != 0)
		out->follow = FOLLOW_LAG;
	else if (follow != NULL && strcmp(follow, "early") == 0)
		out->follow = FOLLOW_EARLY;
	else if (follow != NULL && strcmp(follow, "standard") == 0)
		out->follow = FOLLOW_STANDARD;
	else
		return bad(why, "a rule says neither follow, lag nor pin");
	return ERR_OK;
}

static enum err
scopes_lay(struct base_policy *p, enum base_kind kind, const json_t *all,
    struct why *why)
{
	struct base_rule rule;
	const char *name;
	json_t *o;
	enum err e;

	json_object_foreach((json_t *)(uintptr_t)all, name, o)
	{
		if ((e = rule_read(o, &rule, why)) != ERR_OK)
			return e;
		policy_put(p, kind, name, &rule, true);
	}
	return ERR_OK;
}

static enum err
amd_lay(struct base_policy *p, const json_t *o, struct why *why)
{
	const char *product = json_string_value(json_object_get(o, "product"));
	const char *chip = json_string_value(json_object_get(o, "chip"));
	const char *tcb = json_string_value(json_object_get(o, "tcb"));
	char none[] = "";
	struct base_amd amd = { .product = AMD_PRODUCT_N };
	char *own = chip == NULL ? NULL : xstrdup(chip);
	size_t i;

	if (product != NULL)
		amd.product = amd_product_read(span_str(product));
	/* It may stand in the database as it was once typed. */
	for (i = 0; own != NULL && own[i] != '\0'; i++)
		own[i] = (char)tolower((unsigned char)own[i]);
	amd.chip = own == NULL ? none : own;
	amd.newest = tcb != NULL && strcmp(tcb, "auto") == 0;
	if (amd.product == AMD_PRODUCT_N || tcb == NULL ||
	    (!amd.newest && amd_tcb_read(span_str(tcb), &amd.tcb) != ERR_OK)) {
		free(own);
		return bad(why, "a rule of AMD's is not {product, chip, tcb}");
	}
	policy_put_amd(p, &amd, true);
	free(own);
	return ERR_OK;
}

enum err
base_policy_lay(struct base_policy *p, const json_t *rules, struct why *why)
{
	const json_t *dflt = json_object_get(rules, "default");
	struct base_rule rule;
	json_t *o;
	size_t i;
	enum err e;

	if (!json_is_object(rules))
		return bad(why, "the rules are not an object");
	if (dflt != NULL) {
		if ((e = rule_read(dflt, &rule, why)) != ERR_OK)
			return e;
		policy_put(p, BASE_DEFAULT, "", &rule, true);
	}
	if ((e = scopes_lay(p, BASE_LISTEN, json_object_get(rules, "listen"),
		 why)) != ERR_OK ||
	    (e = scopes_lay(p, BASE_FMSPC, json_object_get(rules, "fmspc"),
		 why)) != ERR_OK)
		return e;
	json_array_foreach(json_object_get(rules, "amd"), i, o)
	{
		if ((e = amd_lay(p, o, why)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}
