/*
 * Collateral by TCB evaluation data number: one number's TCB info and
 * identity, whatever name each is held under.
 */
#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/impact.h"
#include "storage/store.h"

#include <stdlib.h>
#include <string.h>

/* Versions looked at in the database, per kind. */
#define PAST_MAX 256

struct sets {
	const char *fmspc; /* NULL: all */
	struct number_set *v;
	size_t n, cap;
	struct coll **ids; /* identities, own references */
	size_t n_ids, cap_ids;
};

/* --- taking ----------------------------------------------------------- */

static struct number_set *
set_find(const struct sets *s, enum tee tee, const char *fmspc, uint32_t number)
{
	struct number_set *v;
	size_t i;

	for (i = 0; i < s->n; i++) {
		v = &s->v[i];
		if (v->tee == tee && strcmp(v->fmspc, fmspc) == 0 &&
		    (number == 0 ? v->standard : v->number == number))
			return v;
	}
	return NULL;
}

static void
take_info(struct sets *s, struct coll *c, bool held)
{
	const struct coll_key *k = &c->key;
	struct number_set *v;

	if (s->fmspc != NULL && strcmp(k->fmspc, s->fmspc) != 0)
		return;
	v = c->eval_num == 0 ? NULL
			     : set_find(s, k->tee, k->fmspc, c->eval_num);
	if (v == NULL) {
		if (s->n == s->cap) {
			s->cap = s->cap == 0 ? 16 : 2 * s->cap;
			s->v = xrealloc(s->v, s->cap, sizeof(*s->v));
		}
		v = &s->v[s->n++];
		*v =
		    (struct number_set){ .tee = k->tee, .number = c->eval_num };
		memcpy(v->fmspc, k->fmspc, sizeof(v->fmspc));
	}
	v->standard |= held && k->update == UPDATE_STANDARD;
	v->early |= held && k->update == UPDATE_EARLY;
	if (v->info != NULL && v->info->issue_at >= c->issue_at)
		return;
	coll_unref(v->info);
	v->info = coll_ref(c);
}

static void
take(struct sets *s, struct coll *c, bool held)
{
	if (c->key.kind == COLL_TCBINFO && c->key.api == 4)
		take_info(s, c, held);
	if (c->key.kind != COLL_IDENTITY || c->key.api != 4 ||
	    (c->key.enclave != ENCLAVE_QE && c->key.enclave != ENCLAVE_TDQE))
		return;
	if (s->n_ids == s->cap_ids) {
		s->cap_ids = s->cap_ids == 0 ? 16 : 2 * s->cap_ids;
		s->ids = xrealloc(s->ids, s->cap_ids, sizeof(s->ids[0]));
	}
	s->ids[s->n_ids++] = coll_ref(c);
}

/* --- putting together ------------------------------------------------- */

static int
set_cmp(const void *a, const void *b)
{
	const struct number_set *x = a, *y = b;
	int fmspc = strcmp(x->fmspc, y->fmspc);

	if (fmspc != 0)
		return fmspc;
	if (x->tee != y->tee)
		return x->tee < y->tee ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct coll *
identity_of(const struct sets *s, enum tee tee, uint32_t number)
{
	enum enclave want = tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE;
	struct coll *best = NULL, *c;
	size_t i;

	for (i = 0; i < s->n_ids; i++) {
		c = s->ids[i];
		if (c->key.enclave == want && c->eval_num == number &&
		    (best == NULL || c->issue_at > best->issue_at))
			best = c;
	}
	return best;
}

static void
sets_join(struct sets *s)
{
	struct number_set *v;
	size_t i;

	for (i = 0; i < s->n; i++) {
		v = &s->v[i];
		v->identity = identity_of(s, v->tee, v->number);
		v->set.info = v->info->facts.tcbinfo;
		v->set.identity =
		    v->identity == NULL ? NULL : v->identity->facts.identity;
	}
	if (s->n > 0)
		qsort(s->v, s->n, sizeof(*s->v), set_cmp);
}

/* --- reading ---------------------------------------------------------- */

static struct sets *
hot_sets(struct storage *st, const char *fmspc)
{
	struct sets *s = xcalloc(1, sizeof(*s));
	struct map_iter it = map_iter(st->hot);
	struct span key;
	void *value;

	s->fmspc = fmspc;
	while (map_next(&it, &key, &value))
		take(s, value, true);
	return s;
}

struct sets *
sets_hot(struct storage *st, const char *fmspc)
{
	struct sets *s = hot_sets(st, fmspc);

	sets_join(s);
	return s;
}

struct past {
	struct storage *st;
	struct sets *sets;
};

/* What no longer passes the gate is no preview of anything. */
static bool
past_row(void *arg, const struct db_val *col)
{
	struct past *p = arg;
	struct coll *c = NULL;
	struct coll_key key;
	struct why why = { 0 };
	char text[COLL_KEY_TEXT];

	db_col_text(&col[0], text, sizeof(text));
	if (key_read(text, &key, &why) != ERR_OK ||
	    (key.kind == COLL_TCBINFO && p->sets->fmspc != NULL &&
		strcmp(key.fmspc, p->sets->fmspc) != 0))
		return true;
	if (hot_row_read(p->st, col, text, &c, &why) == ERR_OK)
		take(p->sets, c, false);
	coll_unref(c);
	return true;
}

enum err
sets_read(struct storage *st, const char *fmspc, struct sets **out,
    struct why *why)
{
	struct past past = { st, hot_sets(st, fmspc) };
	enum err e;

	if ((e = store_read(st, SQL_OBJECT_NUMBERS,
		 VALS(db_text("tcb"), db_int(PAST_MAX)), past_row, &past,
		 why)) != ERR_OK ||
	    (e = store_read(st, SQL_OBJECT_NUMBERS,
		 VALS(db_text("identity"), db_int(PAST_MAX)), past_row, &past,
		 why)) != ERR_OK) {
		sets_free(past.sets);
		return e;
	}
	sets_join(past.sets);
	*out = past.sets;
	return ERR_OK;
}

void
sets_free(struct sets *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++)
		coll_unref(s->v[i].info);
	for (i = 0; i < s->n_ids; i++)
		coll_unref(s->ids[i]);
	free(s->v);
	free(s->ids);
	free(s);
}

/* --- asking ----------------------------------------------------------- */

size_t
sets_all(const struct sets *s, const struct number_set **out)
{
	*out = s->v;
	return s->n;
}

const struct impact_set *
sets_get(const struct sets *s, enum tee tee, const char *fmspc, uint32_t number)
{
	const struct number_set *v = set_find(s, tee, fmspc, number);

	return v == NULL ? NULL : &v->set;
}
