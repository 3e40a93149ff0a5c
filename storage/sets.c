/*
 * Collateral by TCB evaluation data number: one number's TCB info and
 * identity, whatever name each is held under.
 */
#include "config/base/blob.h"
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
	struct map *places; /* while taking: place_of() -> index + 1 */
	struct coll **ids;  /* identities, own references */
	size_t n_ids, cap_ids;
};

/* --- taking ----------------------------------------------------------- */

struct place {
	unsigned char tee, number[4];
	char fmspc[13];
};

static struct place
place_of(enum tee tee, const char *fmspc, uint32_t number)
{
	struct place p = { .tee = (unsigned char)tee };

	memcpy(p.number, &number, sizeof(number));
	memcpy(p.fmspc, fmspc, strlen(fmspc));
	return p;
}

static struct number_set *
set_at(struct sets *s, const struct coll *c)
{
	struct place place = place_of(c->key.tee, c->key.fmspc, c->eval_num);
	struct span key = span_of(&place, sizeof(place));
	uintptr_t at = 0;

	if (c->eval_num != 0)
		at = (uintptr_t)map_get(s->places, key);
	if (at != 0)
		return &s->v[at - 1];
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 16 : 2 * s->cap;
		s->v = xrealloc(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n] =
	    (struct number_set){ .tee = c->key.tee, .number = c->eval_num };
	memcpy(s->v[s->n].fmspc, c->key.fmspc, sizeof(s->v[s->n].fmspc));
	s->n++;
	if (c->eval_num != 0)
		(void)map_put(s->places, key, (void *)(uintptr_t)s->n);
	return &s->v[s->n - 1];
}

static void
take_info(struct sets *s, struct coll *c, bool held)
{
	const struct coll_key *k = &c->key;
	struct number_set *v;

	if (s->fmspc != NULL && strcmp(k->fmspc, s->fmspc) != 0)
		return;
	v = set_at(s, c);
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

	map_free(s->places);
	s->places = NULL;
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
	s->places = map_new();
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

/*
 * Replaced versions that have passed the gate, so that not each look at them
 * costs a check of signature and chain: row_name() -> struct coll, own
 * references.  Those of the last look alone, and for an hour at most: the
 * gate's answer goes by the clock as well.
 */
struct sets_past {
	struct map *rows;
	time_t since;
};

#define PAST_S 3600

static void
rows_free(struct map *rows)
{
	struct map_iter it = map_iter(rows);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		coll_unref(value);
	map_free(rows);
}

void
sets_forget(struct storage *st)
{
	if (st->past == NULL)
		return;
	rows_free(st->past->rows);
	free(st->past);
	st->past = NULL;
}

struct past {
	struct storage *st;
	struct sets *sets;
	struct map *rows; /* of this look */
};

/* A row is what its key and its digest say. */
static struct span
row_name(const struct coll_key *key, struct span digest, struct buf *b)
{
	buf_str(b, key->text);
	buf_add(b, "", 1);
	buf_span(b, digest);
	return buf_view(b);
}

/* Own reference; NULL: what no longer passes the gate is no preview of
 * anything. */
static struct coll *
past_coll(struct past *p, const struct coll_key *key, const struct db_val *col)
{
	struct buf b = BUF_INIT;
	struct span name = row_name(key, col[3].s, &b);
	struct coll *c = NULL;
	struct why why = { 0 };

	if (p->st->past != NULL)
		c = coll_ref(map_get(p->st->past->rows, name));
	if (c == NULL &&
	    hot_row_read(p->st, col, key->text, &c, &why) != ERR_OK)
		c = NULL;
	if (c != NULL)
		coll_unref(map_put(p->rows, name, coll_ref(c)));
	buf_free(&b);
	return c;
}

static bool
past_row(void *arg, const struct db_val *col)
{
	struct past *p = arg;
	struct coll *c;
	struct coll_key key;
	struct why why = { 0 };
	char text[COLL_KEY_TEXT];

	db_col_text(&col[0], text, sizeof(text));
	if (key_read(text, &key, &why) != ERR_OK ||
	    (key.kind == COLL_TCBINFO && p->sets->fmspc != NULL &&
		strcmp(key.fmspc, p->sets->fmspc) != 0))
		return true;
	if ((c = past_coll(p, &key, col)) != NULL)
		take(p->sets, c, false);
	coll_unref(c);
	return true;
}

/* A look at all of them is what is kept; one at some of them adds nothing. */
static void
past_keep(struct past *p)
{
	struct storage *st = p->st;

	if (p->sets->fmspc != NULL) {
		rows_free(p->rows);
		return;
	}
	if (st->past == NULL) {
		st->past = xcalloc(1, sizeof(*st->past));
		st->past->since = clock_now();
	} else {
		rows_free(st->past->rows);
	}
	st->past->rows = p->rows;
}

enum err
sets_read(struct storage *st, const char *fmspc, struct sets **out,
    struct why *why)
{
	struct past past = { st, hot_sets(st, fmspc), map_new() };
	time_t now = clock_now();
	enum err e;

	if (st->past != NULL &&
	    (now < st->past->since || now >= st->past->since + PAST_S))
		sets_forget(st);
	if ((e = store_read(st, SQL_OBJECT_NUMBERS,
		 VALS(db_text("tcb"), db_int(PAST_MAX)), past_row, &past,
		 why)) != ERR_OK ||
	    (e = store_read(st, SQL_OBJECT_NUMBERS,
		 VALS(db_text("identity"), db_int(PAST_MAX)), past_row, &past,
		 why)) != ERR_OK) {
		rows_free(past.rows);
		sets_free(past.sets);
		return e;
	}
	past_keep(&past);
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
	map_free(s->places);
	free(s->v);
	free(s->ids);
	free(s);
}

/* --- asking ----------------------------------------------------------- */

/* Where the sets of an FMSPC and TEE begin, or would. */
static size_t
first_of(const struct sets *s, enum tee tee, const char *fmspc)
{
	struct number_set want = { .tee = tee };
	size_t low = 0, high = s->n, mid;

	memcpy(want.fmspc, fmspc, strlen(fmspc));
	while (low < high) {
		mid = low + (high - low) / 2;
		if (set_cmp(&s->v[mid], &want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t
sets_of(const struct sets *s, enum tee tee, const char *fmspc,
    const struct number_set **out)
{
	size_t at = first_of(s, tee, fmspc), end = at;

	while (end < s->n && s->v[end].tee == tee &&
	       strcmp(s->v[end].fmspc, fmspc) == 0)
		end++;
	*out = s->v + at;
	return end - at;
}

const struct impact_set *
sets_get(const struct sets *s, enum tee tee, const char *fmspc, uint32_t number)
{
	const struct number_set *v;
	size_t i, n = sets_of(s, tee, fmspc, &v);

	for (i = 0; i < n; i++)
		if (number == 0 ? v[i].standard : v[i].number == number)
			return &v[i].set;
	return NULL;
}
