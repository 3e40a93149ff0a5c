#include "storage/watch.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/fleet.h"
#include "storage/impact.h"
#include "storage/status.h"

#include <stdlib.h>
#include <string.h>

/* Advisories named in one event, at most. */
#define ADVISORIES_MAX 64

/* --- telling ---------------------------------------------------------- */

struct watch_msg {
	struct msg msg;
	watch_fn fn;
	void *arg;
	struct blob *text;
};

static void
watch_run(struct msg *m)
{
	struct watch_msg *w = msg_of(m, struct watch_msg, msg);

	w->fn(w->arg, w->text);
	blob_unref(w->text);
	free(w);
}

static void
watch_send(struct storage *st, struct blob *text)
{
	struct watch_msg *w = xcalloc(1, sizeof(*w));

	must(pthread_mutex_lock(&st->lock) == 0);
	if (st->watcher.fn != NULL) {
		w->fn = st->watcher.fn;
		w->arg = st->watcher.arg;
		w->text = blob_ref(text);
		msg_send(st->watcher.loop, &w->msg, watch_run);
		w = NULL;
	}
	must(pthread_mutex_unlock(&st->lock) == 0);
	free(w);
}

void
storage_watch(struct storage *st, watch_fn fn, void *arg)
{
	must(pthread_mutex_lock(&st->lock) == 0);
	st->watcher.loop = fn == NULL ? NULL : loop_self();
	st->watcher.fn = fn;
	st->watcher.arg = arg;
	must(pthread_mutex_unlock(&st->lock) == 0);
}

static void
set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

/* One event; the object is stolen.  The text of it is new. */
static char *
watch_post(struct storage *st, const char *what, json_t *o)
{
	struct blob *text;
	char *line;

	set(o, "event", json_string(what));
	set(o, "at", json_time(clock_now()));
	line = json_dumps(o, JSON_COMPACT);
	must(line != NULL);
	text = blob_from(span_str(line));
	json_decref(o);
	watch_send(st, text);
	blob_unref(text);
	return line;
}

/* News: counted and logged as well. */
static void
watch_tell(struct storage *st, const char *what, enum metric metric, json_t *o)
{
	char *line;

	metric_inc(metric);
	line = watch_post(st, what, o);
	log_event(LOG_NOTE, "upstream-news", "what", what, "text", line, NULL);
	free(line);
}

/* --- the baseline's own ----------------------------------------------- */

void
watch_warning(struct storage *st, const struct base_scope *s, size_t tee,
    const struct base_pick *p, time_t ends_at)
{
	json_t *o = json_object();
	const char *name = base_warning_name(p->warning);

	set(o, "scope", json_string(s->name[0] == '\0' ? "default" : s->name));
	set(o, "tee", json_string(tee_name(BASE_TEE(tee))));
	set(o, "warning", name == NULL ? json_null() : json_string(name));
	set(o, "number", json_integer(p->number));
	set(o, "named", json_integer(p->named));
	set(o, "wanted", json_integer(p->wanted));
	set(o, "ends", json_time(ends_at));
	set(o, "until", json_time(p->until));
	free(watch_post(st, "warning", o));
}

void
watch_change(struct storage *st, int64_t revision, const char *scope,
    const struct base_change *ask, json_t *impact)
{
	json_t *o = json_object();

	set(o, "revision", json_integer(revision));
	set(o, "verb", json_string(base_verb_name(ask->verb)));
	set(o, "scope", json_string(scope));
	set(o, "who", json_string(ask->who));
	set(o, "reason", json_string(ask->reason));
	set(o, "impact", json_incref(impact));
	free(watch_post(st, "change", o));
}

/* --- impact ----------------------------------------------------------- */

static void
sum_fmspc(struct storage *st, const struct sets *sets, size_t tee,
    const char *fmspc, uint32_t number, struct impact_sum *sum)
{
	const struct base_pick *p =
	    st->base->table == NULL
		? NULL
		: baseline_pick(st->base->table, NULL, BASE_TEE(tee), fmspc);

	if (p != NULL && p->number != 0 && p->number != number)
		impact_of(st, sets, BASE_TEE(tee), fmspc, p->number, number,
		    sum);
}

/* From what is served to this number; fmspc NULL: all of them. */
static json_t *
impact_json(struct storage *st, size_t tee, const char *fmspc, uint32_t number)
{
	struct impact_sum sum = { 0 };
	struct why why = { 0 };
	struct base_held held;
	struct sets *sets;
	size_t at = 0, end = 0;

	if (fleet_sync(st, &why) != ERR_OK)
		return json_null();
	sets = sets_hot(st, fmspc);
	base_held_init(&held, st);
	while (base_held_next(&held, &at, &end))
		if (held.v[at].kind == COLL_TCBINFO && held.v[at].tee == tee &&
		    (fmspc == NULL || strcmp(held.v[at].fmspc, fmspc) == 0))
			sum_fmspc(st, sets, tee, held.v[at].fmspc, number,
			    &sum);
	base_held_fini(&held);
	sets_free(sets);
	return json_pack("{s:I, s:I, s:I, s:o, s:o}", "platforms",
	    (json_int_t)sum.platforms, "fall", (json_int_t)sum.fall, "refetch",
	    (json_int_t)sum.refetch, "before", impact_counts_json(sum.before),
	    "after", impact_counts_json(sum.after));
}

/* --- what is different ------------------------------------------------ */

struct diff {
	size_t levels, statuses, advisories;
	bool rest;     /* something else that is signed */
	json_t *fresh; /* advisories not named before; NULL: identities */
};

static bool
diff_any(const struct diff *d)
{
	return d->levels + d->statuses + d->advisories != 0 || d->rest;
}

static bool
names_it(const struct tcbinfo *t, const char *advisory)
{
	size_t i, j;

	for (i = 0; i < t->n_levels; i++)
		for (j = 0; j < t->levels[i].n_advisories; j++)
			if (strcmp(t->levels[i].advisories[j], advisory) == 0)
				return true;
	return false;
}

static bool
json_has(const json_t *list, const char *text)
{
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, row)
	{
		if (strcmp(json_string_value(row), text) == 0)
			return true;
	}
	return false;
}

static void
diff_advisories(struct diff *d, const struct tcbinfo *was,
    const struct tcb_level *l)
{
	size_t i;

	for (i = 0; i < l->n_advisories; i++)
		if (!names_it(was, l->advisories[i]) &&
		    json_array_size(d->fresh) < ADVISORIES_MAX &&
		    !json_has(d->fresh, l->advisories[i]))
			must(json_array_append_new(d->fresh,
				 json_string(l->advisories[i])) == 0);
}

static const struct tcb_level *
level_like(const struct tcbinfo *t, const struct tcb_level *l)
{
	size_t i;

	for (i = 0; i < t->n_levels; i++)
		if (memcmp(t->levels[i].sgx, l->sgx, sizeof(l->sgx)) == 0 &&
		    memcmp(t->levels[i].tdx, l->tdx, sizeof(l->tdx)) == 0 &&
		    t->levels[i].pcesvn == l->pcesvn)
			return &t->levels[i];
	return NULL;
}

static bool
same_advisories(const struct tcb_level *a, const struct tcb_level *b)
{
	size_t i;

	if (a->n_advisories != b->n_advisories)
		return false;
	for (i = 0; i < a->n_advisories; i++)
		if (strcmp(a->advisories[i], b->advisories[i]) != 0)
			return false;
	return true;
}

static bool
same_svns(const struct svn_level *a, size_t na, const struct svn_level *b,
    size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (a[i].isvsvn != b[i].isvsvn || a[i].status != b[i].status)
			return false;
	return true;
}

static bool
same_modules(const struct tcbinfo *a, const struct tcbinfo *b)
{
	size_t i;

	if (a->n_modules != b->n_modules)
		return false;
	for (i = 0; i < a->n_modules; i++)
		if (!same_svns(a->modules[i].levels, a->modules[i].n_levels,
			b->modules[i].levels, b->modules[i].n_levels))
			return false;
	return true;
}

static void
diff_tcbinfo(struct diff *d, const struct tcbinfo *was,
    const struct tcbinfo *is)
{
	const struct tcb_level *l;
	size_t i;

	d->levels =
	    was->n_levels > is->n_levels ? was->n_levels - is->n_levels : 0;
	for (i = 0; i < is->n_levels; i++) {
		l = level_like(was, &is->levels[i]);
		if (l == NULL)
			d->levels++;
		else if (l->status != is->levels[i].status)
			d->statuses++;
		else if (!same_advisories(l, &is->levels[i]))
			d->advisories++;
		diff_advisories(d, was, &is->levels[i]);
	}
	d->rest = !same_modules(was, is);
}

static void
diff_identity(struct diff *d, const struct identity *was,
    const struct identity *is)
{
	d->levels =
	    !same_svns(was->levels, was->n_levels, is->levels, is->n_levels);
	d->rest =
	    memcmp(was->mrsigner, is->mrsigner, sizeof(is->mrsigner)) != 0 ||
	    memcmp(was->attributes, is->attributes, sizeof(is->attributes)) !=
		0 ||
	    was->isvprodid != is->isvprodid;
}

/* --- one object ------------------------------------------------------- */

/* A version of this number under any key but this one. */
static const struct coll *
other_version(const struct storage *st, const struct coll *c, uint32_t number)
{
	static const enum update names[] = { UPDATE_STANDARD, UPDATE_EARLY,
		UPDATE_NUMBER };
	const struct coll *held;
	struct coll_key key;
	size_t i;

	for (i = 0; number != 0 && i < 3; i++) {
		key = key_version_as(&c->key, names[i],
		    names[i] == UPDATE_NUMBER ? number : 0);
		held = hot_get(st, &key);
		if (held != NULL && held != c && held->eval_num == number)
			return held;
	}
	return NULL;
}

/* What it is to be compared with: the same number before, else, of a number
 * seen for the first time, the one that is served. */
static const struct coll *
reference(const struct storage *st, const struct coll *old,
    const struct coll *c)
{
	const struct coll *same;
	const struct base_pick *p;

	if (old != NULL && old->eval_num == c->eval_num)
		return old;
	if ((same = other_version(st, c, c->eval_num)) != NULL)
		return same->issue_at < c->issue_at ? same : NULL;
	if (st->base->table == NULL)
		return NULL;
	p = baseline_pick(st->base->table, NULL, key_tee(&c->key),
	    c->key.kind == COLL_TCBINFO ? c->key.fmspc : NULL);
	return p->number < c->eval_num ? other_version(st, c, p->number) : NULL;
}

static json_t *
diff_json(const struct diff *d)
{
	json_t *o = json_pack("{s:I, s:I, s:I, s:b}", "levels",
	    (json_int_t)d->levels, "statuses", (json_int_t)d->statuses,
	    "advisories", (json_int_t)d->advisories, "rest", d->rest);

	must(o != NULL);
	return o;
}

static void
tell_object(struct storage *st, const struct coll *was, const struct coll *c,
    const struct diff *d)
{
	bool info = c->key.kind == COLL_TCBINFO;
	enum tee tee = key_tee(&c->key);
	json_t *o = json_object();

	set(o, "tee", json_string(tee_name(tee)));
	set(o, "number", json_integer(c->eval_num));
	set(o, "against", json_integer(was->eval_num));
	set(o, "changed", diff_json(d));
	if (info) {
		set(o, "fmspc", json_string(c->key.fmspc));
		set(o, "new_advisories", json_incref(d->fresh));
	} else {
		set(o, "enclave", json_string(enclave_name(c->key.enclave)));
	}
	set(o, "impact",
	    impact_json(st, base_tee_index(tee), info ? c->key.fmspc : NULL,
		c->eval_num));
	watch_tell(st, info ? "tcb-info" : "identity",
	    info ? M_NEWS_TCB_INFO : M_NEWS_IDENTITY, o);
}

void
watch_admitted(struct storage *st, const struct coll *old, const struct coll *c)
{
	struct diff d = { 0 };
	const struct coll *was;

	if ((c->key.kind != COLL_TCBINFO && c->key.kind != COLL_IDENTITY) ||
	    c->key.api != 4 || (was = reference(st, old, c)) == NULL)
		return;
	d.fresh = json_array();
	if (c->key.kind == COLL_TCBINFO)
		diff_tcbinfo(&d, was->facts.tcbinfo, c->facts.tcbinfo);
	else
		diff_identity(&d, was->facts.identity, c->facts.identity);
	if (diff_any(&d))
		tell_object(st, was, c, &d);
	json_decref(d.fresh);
}

/* --- numbers ---------------------------------------------------------- */

static const char *const told_name[BASE_TEES] = { "baseline.told.sgx",
	"baseline.told.tdx" };

static bool
told_row(void *arg, const struct db_val *col)
{
	char text[16];

	db_col_text(&col[0], text, sizeof(text));
	*(uint32_t *)arg = (uint32_t)strtoul(text, NULL, 10);
	return false;
}

enum err
watch_load(struct storage *st, struct why *why)
{
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < BASE_TEES && e == ERR_OK; i++)
		e = store_read(st, SQL_META_GET, VALS(db_text(told_name[i])),
		    told_row, &st->base->told[i], why);
	return e;
}

/* Is all there that the impact is worked out from? */
static bool
number_ready(const struct storage *st, const struct baseline *b, size_t tee,
    uint32_t number)
{
	size_t i;

	if (st->config->mode != MODE_LAZY)
		return true;
	for (i = 0; i < b->n_wants; i++)
		if (b->wants[i].number == number &&
		    base_tee_index(key_tee(&b->wants[i])) == tee)
			return false;
	return true;
}

static void
told_write(struct storage *st, size_t tee, uint32_t number)
{
	char text[16];

	st->base->told[tee] = number;
	if (st->ops->readonly(st->db))
		return;
	snprintf(text, sizeof(text), "%u", number);
	if (store_write(st, SQL_META_PUT,
		VALS(db_text(told_name[tee]), db_text(text)), NULL) != ERR_OK)
		log_event(LOG_WARN, "baseline-not-kept", "what", told_name[tee],
		    NULL);
}

static void
tell_number(struct storage *st, const struct base_world *w, size_t tee)
{
	const struct base_number *n = base_known(w, w->early);
	json_t *o = json_object();

	set(o, "tee", json_string(tee_name(BASE_TEE(tee))));
	set(o, "number", json_integer(w->early));
	set(o, "standard", json_integer(w->standard));
	set(o, "recovered_at", json_time(n == NULL ? 0 : n->recovered_at));
	set(o, "impact", impact_json(st, tee, NULL, w->early));
	watch_tell(st, "number", M_NEWS_NUMBER, o);
}

void
watch_table(struct storage *st, const struct baseline *b)
{
	uint32_t told, number;
	size_t i;

	for (i = 0; i < BASE_TEES; i++) {
		told = st->base->told[i];
		number = b->world[i].early;
		if (number <= told || b->world[i].standard == 0)
			continue;
		/* The first one of all is no news. */
		if (told != 0 && !number_ready(st, b, i, number))
			continue;
		told_write(st, i, number);
		if (told != 0)
			tell_number(st, &b->world[i], i);
	}
}
