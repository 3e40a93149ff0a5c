/* The rules of the TCB baseline: what no single setting can see. */
#include "config/schema.h"

#include <string.h>

/* At most one of the three says where the number comes from. */
static enum err
rule_check(struct reader *r, const struct config_rule *rule, bool needed)
{
	int n = (rule->follow != FOLLOW_NONE) + (rule->lag_days != 0) +
		(rule->pin != 0);

	if (n > 1)
		return reader_fail(r,
		    "takes only one of follow, lag_days and pin");
	if (n == 0 && needed)
		return reader_fail(r, "needs follow, lag_days or pin");
	return ERR_OK;
}

static enum err
listen_rules_check(struct reader *r, const struct config *c)
{
	const struct config_rule *rule;
	size_t i, len;
	enum err e;

	for (i = 0; i < c->n_listen; i++) {
		rule = &c->listen[i].baseline;
		len = reader_enter(r, "listen[%zu].baseline", i);
		e = rule_check(r, rule, rule->on_retire != RETIRE_NONE);
		if (e != ERR_OK)
			return e;
		reader_leave(r, len);
	}
	return ERR_OK;
}

static enum err
fmspc_rules_check(struct reader *r, const struct config *c)
{
	const struct config_fmspc *v = c->baseline.fmspc;
	size_t i, k, len;
	enum err e;

	for (i = 0; i < c->baseline.n_fmspc; i++) {
		len = reader_enter(r, "baseline.fmspc[%zu]", i);
		if ((e = rule_check(r, &v[i].rule, true)) != ERR_OK)
			return e;
		for (k = 0; k < i; k++)
			if (strcmp(v[k].fmspc, v[i].fmspc) == 0)
				return reader_fail_at(r, ".fmspc",
				    "another rule has it");
		reader_leave(r, len);
	}
	return ERR_OK;
}

static bool
same_chip(const struct config_amd *a, const struct config_amd *b)
{
	if (strcmp(a->product, b->product) != 0)
		return false;
	if (a->chip == NULL || b->chip == NULL)
		return a->chip == b->chip;
	return strcmp(a->chip, b->chip) == 0;
}

static enum err
amd_rules_check(struct reader *r, const struct config *c)
{
	const struct config_amd *v = c->baseline.amd;
	size_t i, k, len, digits;

	for (i = 0; i < c->baseline.n_amd; i++) {
		len = reader_enter(r, "baseline.amd[%zu]", i);
		digits = strcmp(v[i].product, "Turin") == 0 ? 16 : 128;
		if (v[i].chip != NULL && strlen(v[i].chip) != digits)
			return reader_fail_at(r, ".chip",
			    "has not the length of this product's ids");
		for (k = 0; k < i; k++)
			if (same_chip(&v[k], &v[i]))
				return reader_fail_at(r, ".chip",
				    "another rule has it");
		reader_leave(r, len);
	}
	return ERR_OK;
}

enum err
rules_check(struct reader *r, const struct config *c)
{
	size_t len = reader_enter(r, "baseline");
	enum err e;

	if ((e = rule_check(r, &c->baseline.rule, false)) != ERR_OK)
		return e;
	reader_leave(r, len);
	if ((e = listen_rules_check(r, c)) != ERR_OK ||
	    (e = fmspc_rules_check(r, c)) != ERR_OK)
		return e;
	return amd_rules_check(r, c);
}
