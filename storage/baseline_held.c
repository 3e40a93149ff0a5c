/*
 * What is held, by evaluation number: the versions of every TCB info and
 * identity, and what they and Intel's lists say of the numbers.
 */
#include "config/base/must.h"
#include "storage/baseline_int.h"

#include <stdlib.h>
#include <string.h>

/* --- versions --------------------------------------------------------- */

static bool
is_piece(const struct coll *c)
{
	return (c->key.kind == COLL_TCBINFO || c->key.kind == COLL_IDENTITY) &&
	       c->key.api == 4 && c->eval_num != 0;
}

enum tee
key_tee(const struct coll_key *k)
{
	if (k->kind == COLL_TCBINFO)
		return k->tee;
	return k->enclave == ENCLAVE_TDQE ? TEE_TDX : TEE_SGX;
}

static int
object_order(const struct base_piece *a, const struct base_piece *b)
{
	if (a->tee != b->tee)
		return a->tee < b->tee ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->enclave != b->enclave)
		return a->enclave < b->enclave ? -1 : 1;
	return strcmp(a->fmspc, b->fmspc);
}

/* Of one number, the version that lasts longest comes first. */
static int
piece_order(const void *pa, const void *pb)
{
	const struct base_piece *a = pa, *b = pb;
	int order = object_order(a, b);

	if (order != 0)
		return order;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	if (a->ends_at != b->ends_at)
		return a->ends_at > b->ends_at ? -1 : 1;
	return 0;
}

static void
held_piece(struct base_held *h, const struct coll *c)
{
	struct base_piece *p = &h->v[h->n++];

	*p = (struct base_piece){ .tee = base_tee_index(key_tee(&c->key)),
		.kind = c->key.kind,
		.enclave = c->key.enclave,
		.number = c->eval_num,
		.ends_at = c->next_update };
	memcpy(p->fmspc, c->key.fmspc, sizeof(p->fmspc));
}

/* --- numbers ---------------------------------------------------------- */

static struct base_number *
held_number(struct base_held *h, size_t tee, uint32_t number)
{
	struct base_world *w = &h->world[tee];
	struct base_number *v = h->numbers[tee];
	size_t i;

	for (i = 0; i < w->n && v[i].number < number; i++)
		continue;
	if (i < w->n && v[i].number == number)
		return &v[i];
	v = xrealloc(v, w->n + 1, sizeof(*v));
	memmove(v + i + 1, v + i, (w->n - i) * sizeof(*v));
	v[i] = (struct base_number){ .number = number };
	h->numbers[tee] = v;
	w->v = v;
	w->n++;
	return &v[i];
}

static void
raise(uint32_t *to, uint32_t number)
{
	if (*to < number)
		*to = number;
}

static void
held_list(struct base_held *h, const struct evalnums *list)
{
	size_t i, tee = base_tee_index(list->tee);

	for (i = 0; i < list->n; i++) {
		held_number(h, tee, list->v[i].number)->recovered_at =
		    list->v[i].recovery_event_at;
		raise(&h->world[tee].early, list->v[i].number);
	}
}

/*
 * Intel's names move upwards alone, so the highest seen is the newest; and
 * the early one is the highest there is (pcs-upstream 2).
 */
static void
held_names(struct base_held *h, const struct coll *c)
{
	struct base_world *w = &h->world[base_tee_index(key_tee(&c->key))];

	if (c->key.update == UPDATE_STANDARD)
		raise(&w->standard, c->eval_num);
	raise(&w->early, c->eval_num);
}

/* Objects that Intel said it signs no longer under this number. */
static void
held_gone(struct base_held *h)
{
	struct map_iter it = map_iter(h->st->attempts);
	char text[COLL_KEY_TEXT];
	const struct attempt *a;
	struct coll_key key;
	struct span name;
	void *value;

	while (map_next(&it, &name, &value)) {
		a = value;
		if (a->err != ERR_UP_GONE || a->failures == 0 ||
		    name.len >= sizeof(text))
			continue;
		memcpy(text, name.p, name.len);
		text[name.len] = '\0';
		if (key_read(text, &key, NULL) != ERR_OK ||
		    (key.kind != COLL_TCBINFO && key.kind != COLL_IDENTITY) ||
		    key.update != UPDATE_NUMBER)
			continue;
		held_number(h, base_tee_index(key_tee(&key)), key.number)
		    ->gone = true;
	}
}

void
base_held_init(struct base_held *h, const struct storage *st)
{
	struct map_iter it = map_iter(st->hot);
	const struct coll *c;
	struct span key;
	void *value;
	size_t i;

	*h = (struct base_held){ .st = st };
	h->v = xcalloc(map_len(st->hot) + 1, sizeof(*h->v));
	while (map_next(&it, &key, &value)) {
		c = value;
		if (c->key.kind == COLL_EVALNUMS)
			held_list(h, c->facts.evalnums);
		if (!is_piece(c))
			continue;
		held_piece(h, c);
		held_names(h, c);
	}
	qsort(h->v, h->n, sizeof(*h->v), piece_order);
	for (i = 0; i < h->n; i++)
		(void)held_number(h, h->v[i].tee, h->v[i].number);
	held_gone(h);
}

void
base_held_fini(struct base_held *h)
{
	free(h->v);
	free(h->numbers[0]);
	free(h->numbers[1]);
}

/* --- asking ----------------------------------------------------------- */

bool
base_held_next(const struct base_held *h, size_t *at, size_t *end)
{
	*at = *end;
	if (*at >= h->n)
		return false;
	while (*end < h->n && object_order(&h->v[*at], &h->v[*end]) == 0)
		(*end)++;
	return true;
}

const struct base_piece *
base_held_version(const struct base_held *h, size_t at, size_t end,
    uint32_t number)
{
	for (; at < end; at++)
		if (h->v[at].number == number)
			return &h->v[at];
	return NULL;
}

struct coll_key
base_piece_key(const struct base_piece *p, uint32_t number)
{
	if (p->kind == COLL_TCBINFO)
		return key_tcbinfo(BASE_TEE(p->tee), 4, p->fmspc, UPDATE_NUMBER,
		    number);
	return key_identity(p->enclave, 4, UPDATE_NUMBER, number);
}

bool
base_word(enum err e)
{
	return e == ERR_UP_ABSENT || e == ERR_UP_GONE || e == ERR_UP_REFUSED;
}

/*
 * TCB infos alone: an identity that cannot be had makes no set.  A number
 * that is gone is another matter for whoever already has it.
 */
bool
base_held_excused(const struct base_held *h, const struct base_piece *p,
    uint32_t number)
{
	struct coll_key key = base_piece_key(p, number);
	const struct attempt *a;

	if (p->kind != COLL_TCBINFO)
		return false;
	if (h->st->config->mode == MODE_OFFLINE)
		return true;
	a = map_get(h->st->attempts, span_str(key.text));
	return a != NULL && a->failures != 0 && base_word(a->err);
}
