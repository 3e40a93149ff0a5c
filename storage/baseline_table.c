/*
 * The table of a snapshot: for every scope the number it gets, and what is
 * still to be fetched for the one it wants.
 */
#include "config/base/must.h"
#include "storage/baseline_int.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* --- one scope's sets -------------------------------------------------- */

/* What base_pick() asks about. */
struct view {
	const struct base_held *held;
	const struct base_policy *policy;
	const struct base_scope *scope;
	size_t tee;
};

/* Objects a scope's sets are made of. */
static bool
view_has(const struct view *v, const struct base_piece *p)
{
	if (p->tee != v->tee)
		return false;
	if (p->kind == COLL_IDENTITY || v->scope->kind == BASE_LISTEN)
		return true;
	if (v->scope->kind == BASE_FMSPC)
		return strcmp(p->fmspc, v->scope->name) == 0;
	return base_scope_at(v->policy, BASE_FMSPC, p->fmspc) == NULL;
}

/*
 * The identity of the quoting enclave belongs to every set, asked for so far
 * or not, unless the number is the one that can be had at any time.
 */
static struct base_piece
view_quoting(const struct view *v)
{
	return (struct base_piece){ .tee = v->tee,
		.kind = COLL_IDENTITY,
		.enclave = v->tee == 0 ? ENCLAVE_QE : ENCLAVE_TDQE };
}

static bool
is_quoting(const struct base_piece *p)
{
	return p->kind == COLL_IDENTITY &&
	       (p->enclave == ENCLAVE_QE || p->enclave == ENCLAVE_TDQE);
}

static void
set_add(struct base_set *s, const struct base_piece *p)
{
	if (s->ends_at == 0 || p->ends_at < s->ends_at)
		s->ends_at = p->ends_at;
}

static struct base_set
view_set(void *arg, uint32_t number)
{
	const struct view *v = arg;
	const struct base_held *h = v->held;
	struct base_set s = { true, 0 };
	bool quoting = v->scope->rule.follow == FOLLOW_STANDARD;
	const struct base_piece *p;
	size_t at = 0, end = 0, infos = 0;

	while (base_held_next(h, &at, &end)) {
		if (!view_has(v, &h->v[at]))
			continue;
		quoting = quoting || is_quoting(&h->v[at]);
		p = base_held_version(h, at, end, number);
		if (p != NULL)
			set_add(&s, p);
		else if (!base_held_excused(h, &h->v[at], number))
			s.whole = false;
		infos += p != NULL && p->kind == COLL_TCBINFO;
	}
	s.whole = s.whole && quoting && infos != 0;
	return s;
}

/* --- what is to be fetched -------------------------------------------- */

static void
want(struct baseline *b, const struct coll_key *key)
{
	size_t i;

	for (i = 0; i < b->n_wants; i++)
		if (strcmp(b->wants[i].text, key->text) == 0)
			return;
	b->wants = xrealloc(b->wants, b->n_wants + 1, sizeof(*b->wants));
	b->wants[b->n_wants++] = *key;
}

static void
want_set(struct baseline *b, const struct view *v, uint32_t number)
{
	const struct base_held *h = v->held;
	struct base_piece qe = view_quoting(v);
	bool quoting = v->scope->rule.follow == FOLLOW_STANDARD;
	size_t at = 0, end = 0, infos = 0, before = b->n_wants;
	struct coll_key key;

	while (base_held_next(h, &at, &end)) {
		if (!view_has(v, &h->v[at]))
			continue;
		infos += h->v[at].kind == COLL_TCBINFO;
		quoting = quoting || is_quoting(&h->v[at]);
		if (base_held_version(h, at, end, number) != NULL ||
		    base_held_excused(h, &h->v[at], number))
			continue;
		key = base_piece_key(&h->v[at], number);
		want(b, &key);
	}
	if (infos == 0) {
		b->n_wants = before; /* nobody asks here */
		return;
	}
	if (!quoting) {
		key = base_piece_key(&qe, number);
		want(b, &key);
	}
}

/* --- FMSPCs that lag behind ------------------------------------------- */

/* Are the identities of this number held? */
static bool
identities_held(const struct view *v, uint32_t number)
{
	const struct base_held *h = v->held;
	size_t at = 0, end = 0;

	while (base_held_next(h, &at, &end))
		if (h->v[at].tee == v->tee && is_quoting(&h->v[at]))
			return base_held_version(h, at, end, number) != NULL;
	return false;
}

/* The highest number this FMSPC has, with identities to go with it. */
static const struct base_piece *
late_version(const struct view *v, size_t at, size_t end)
{
	const struct base_held *h = v->held;
	const struct base_piece *best = NULL;

	for (; at < end; at++)
		if (identities_held(v, h->v[at].number) &&
		    (best == NULL || h->v[at].number > best->number))
			best = &h->v[at];
	return best;
}

static void
late_find(struct baseline *b, const struct view *v, size_t scope)
{
	const struct base_pick *pick = &b->pick[scope * BASE_TEES + v->tee];
	const struct base_held *h = v->held;
	const struct base_piece *p;
	struct base_late *l;
	size_t at = 0, end = 0;

	while (base_held_next(h, &at, &end)) {
		if (h->v[at].kind != COLL_TCBINFO || !view_has(v, &h->v[at]) ||
		    base_held_version(h, at, end, pick->number) != NULL ||
		    !base_held_excused(h, &h->v[at], pick->number) ||
		    (p = late_version(v, at, end)) == NULL)
			continue;
		b->late =
		    xrealloc(b->late, b->n_late + 1, sizeof(struct base_late));
		l = &b->late[b->n_late++];
		*l = (struct base_late){ .scope = scope,
			.tee = v->tee,
			.pick = *pick };
		memcpy(l->fmspc, p->fmspc, sizeof(l->fmspc));
		l->pick.number = l->pick.wanted = p->number;
		l->pick.held = false;
		l->pick.warning = BASE_WAITING;
	}
}

/* --- making ----------------------------------------------------------- */

static void
soonest(time_t *at, time_t candidate, time_t now)
{
	if (candidate > now && (*at == 0 || candidate < *at))
		*at = candidate;
}

/* When time alone changes what this scope gets. */
static void
next_change(struct baseline *b, const struct base_rule *r, size_t tee,
    const struct base_pick *p, time_t now)
{
	const struct base_world *w = &b->world[tee];
	size_t i;

	soonest(&b->next_at, p->until, now);
	for (i = 0; r->follow == FOLLOW_LAG && i < w->n; i++)
		if (w->v[i].recovered_at != 0)
			soonest(&b->next_at,
			    w->v[i].recovered_at + (time_t)r->lag_days * 86400,
			    now);
}

static const struct base_now *
now_find(const struct base_state *s, enum base_kind kind, const char *name,
    size_t tee)
{
	size_t i;

	for (i = 0; i < s->n_now; i++)
		if (s->now[i].kind == kind && s->now[i].tee == tee &&
		    strcmp(s->now[i].name, name) == 0)
			return &s->now[i];
	return NULL;
}

/* A scope that is new begins with what it had as a part of the default. */
static uint32_t
now_number(const struct base_state *s, const struct base_scope *scope,
    size_t tee)
{
	const struct base_now *n = now_find(s, scope->kind, scope->name, tee);

	if (n == NULL)
		n = now_find(s, BASE_DEFAULT, "", tee);
	return n == NULL ? 0 : n->number;
}

static void
scope_pick(struct baseline *b, struct view *v, size_t scope, time_t now)
{
	const struct storage *st = v->held->st;
	size_t i = scope * BASE_TEES + v->tee;
	struct base_set set;

	v->scope = &b->policy->v[scope];
	b->pick[i] = base_pick(&v->scope->rule, &b->world[v->tee], view_set, v,
	    now_number(st->base, v->scope, v->tee),
	    st->config->baseline.hold_max_s, now);
	next_change(b, &v->scope->rule, v->tee, &b->pick[i], now);
	if (b->pick[i].number == 0)
		return;
	set = view_set(v, b->pick[i].number);
	b->ends_at[i] = set.ends_at;
	soonest(&b->next_at, set.ends_at, now);
	if (base_signed(&b->world[v->tee], b->pick[i].wanted) ||
	    b->world[v->tee].standard == 0)
		want_set(b, v, b->pick[i].wanted);
	/* What is to come is looked at before it comes. */
	if (v->scope->kind == BASE_DEFAULT && st->config->mode == MODE_LAZY &&
	    b->world[v->tee].early > b->world[v->tee].standard &&
	    b->world[v->tee].standard != 0)
		want_set(b, v, b->world[v->tee].early);
	late_find(b, v, scope);
}

struct baseline *
baseline_new(const struct storage *st, const struct base_policy *policy,
    time_t now)
{
	struct baseline *b = xcalloc(1, sizeof(*b));
	struct base_held held;
	struct view v = { .held = &held };
	size_t i, n = policy->n * BASE_TEES;

	atomic_init(&b->refs, 1);
	base_held_init(&held, st);
	b->policy = base_policy_copy(policy);
	v.policy = b->policy;
	b->pick = xcalloc(n, sizeof(*b->pick));
	b->ends_at = xcalloc(n, sizeof(*b->ends_at));
	for (i = 0; i < BASE_TEES; i++) {
		b->world[i] = held.world[i];
		b->numbers[i] = held.numbers[i];
		held.numbers[i] = NULL;
	}
	for (i = 0; i < n; i++) {
		v.tee = i % BASE_TEES;
		scope_pick(b, &v, i / BASE_TEES, now);
	}
	b->fmspcs = b->n_late != 0;
	for (i = 0; i < b->policy->n; i++)
		b->fmspcs = b->fmspcs || b->policy->v[i].kind == BASE_FMSPC;
	base_held_fini(&held);
	return b;
}

struct baseline *
baseline_ref(struct baseline *b)
{
	if (b != NULL)
		atomic_fetch_add(&b->refs, 1);
	return b;
}

void
baseline_unref(struct baseline *b)
{
	unsigned was;

	if (b == NULL)
		return;
	was = atomic_fetch_sub(&b->refs, 1);
	must(was != 0);
	if (was != 1)
		return;
	base_policy_free(b->policy);
	free(b->numbers[0]);
	free(b->numbers[1]);
	free(b->pick);
	free(b->ends_at);
	free(b->late);
	free(b->wants);
	free(b);
}

/* --- reading ---------------------------------------------------------- */

const struct base_policy *
baseline_policy(const struct baseline *b)
{
	return b->policy;
}

const struct base_world *
baseline_world(const struct baseline *b, enum tee tee)
{
	return &b->world[base_tee_index(tee)];
}

time_t
baseline_next(const struct baseline *b)
{
	return b->next_at;
}

const struct coll_key *
baseline_wants(const struct baseline *b, size_t *n)
{
	*n = b->n_wants;
	return b->wants;
}

bool
baseline_renews(const struct baseline *b, const struct coll_key *k)
{
	size_t i, tee = base_tee_index(key_tee(k));

	if (base_signed(&b->world[tee], k->number))
		return true;
	for (i = 0; i < b->policy->n; i++)
		if (b->pick[i * BASE_TEES + tee].number == k->number)
			return true;
	return false;
}

bool
baseline_retired(const struct baseline *b, const struct coll_key *k)
{
	return (k->kind == COLL_TCBINFO || k->kind == COLL_IDENTITY) &&
	       k->update == UPDATE_NUMBER && k->api == 4 &&
	       !baseline_renews(b, k);
}

time_t
baseline_held_until(const struct baseline *b, enum tee tee, uint32_t number)
{
	const struct base_pick *p;
	time_t until = 0;
	size_t i;

	for (i = 0; i < b->policy->n; i++) {
		p = &b->pick[i * BASE_TEES + base_tee_index(tee)];
		if (p->held && p->number == number && p->until > until)
			until = p->until;
	}
	return until;
}

bool
baseline_lags(const struct baseline *b)
{
	size_t i;

	for (i = 0; i < b->policy->n; i++)
		if (b->policy->v[i].rule.follow == FOLLOW_LAG)
			return true;
	return false;
}

static const struct base_scope *
scope_of(const struct baseline *b, const char *listen, const char *fmspc)
{
	const struct base_scope *s = NULL;

	if (listen != NULL)
		s = base_scope_at(b->policy, BASE_LISTEN, listen);
	if (s == NULL && fmspc != NULL && b->fmspcs)
		s = base_scope_at(b->policy, BASE_FMSPC, fmspc);
	return s != NULL ? s : &b->policy->v[0];
}

const struct base_pick *
baseline_pick(const struct baseline *b, const char *listen, enum tee tee,
    const char *fmspc)
{
	const struct base_scope *s = scope_of(b, listen, fmspc);
	size_t scope = (size_t)(s - b->policy->v), t = base_tee_index(tee), i;

	for (i = 0; fmspc != NULL && i < b->n_late; i++)
		if (b->late[i].scope == scope && b->late[i].tee == t &&
		    strcmp(b->late[i].fmspc, fmspc) == 0)
			return &b->late[i].pick;
	return &b->pick[scope * BASE_TEES + t];
}

bool
baseline_differs(const struct baseline *b, const char *listen)
{
	return b->fmspcs &&
	       (b->n_late != 0 || listen == NULL ||
		   base_scope_at(b->policy, BASE_LISTEN, listen) == NULL);
}

/*
 * A chip's own rule, else its product's.  Chips are told by their id.
 */
bool
baseline_amd(const struct baseline *b, enum amd_product product,
    const char *chip, struct base_amd_min *out)
{
	const struct base_policy *p = b->policy;
	const struct base_amd *found = NULL;
	size_t i;

	for (i = 0; i < p->n_amd; i++) {
		if (p->amd[i].product != product)
			continue;
		if (chip != NULL && strcmp(p->amd[i].chip, chip) == 0) {
			found = &p->amd[i];
			break;
		}
		if (p->amd[i].chip[0] == '\0')
			found = &p->amd[i];
	}
	if (found == NULL)
		return false;
	*out = (struct base_amd_min){ found->newest, found->tcb };
	return true;
}

/* --- objects by their number ------------------------------------------ */

struct coll_key
key_version_as(const struct coll_key *k, enum update update, uint32_t number)
{
	if (k->kind == COLL_TCBINFO)
		return key_tcbinfo(k->tee, k->api, k->fmspc, update, number);
	must(k->kind == COLL_IDENTITY);
	return key_identity(k->enclave, k->api, update, number);
}

/* What it was asked for as, if that has the number: mostly it does. */
struct coll *
snap_numbered(const struct snap *snap, const struct coll_key *family,
    uint32_t number)
{
	static const enum update names[] = { UPDATE_STANDARD, UPDATE_NUMBER,
		UPDATE_EARLY };
	struct coll *best = snap_get(snap, family), *c;
	struct coll_key key;
	size_t i;

	if (best != NULL && best->eval_num == number)
		return best;
	best = NULL;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		key = key_version_as(family, names[i],
		    names[i] == UPDATE_NUMBER ? number : 0);
		c = snap_get(snap, &key);
		if (c != NULL && c->eval_num == number &&
		    (best == NULL || c->next_update > best->next_update))
			best = c;
	}
	return best;
}
