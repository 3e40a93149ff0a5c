/*
 * Jobs of many fetches: refresh in its forms (pccs-api 6.12) and the
 * collateral a registration needs (caching-and-selection 5).  Some items run
 * at a time, in the background lane, through the same flights as everybody;
 * each succeeds or fails alone, and what failed is listed.
 */
#include "upstream/room.h"

#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <stdlib.h>
#include <string.h>

#define AT_ONCE    8    /* items of one batch in progress */
#define FAILED_MAX 1000 /* items listed; the rest is counted */

struct task {
	struct coll_key *key; /* an object; or NULL: */
	char *qe_id;          /* a platform */
	char pce_id[5];
	bool may_miss; /* upstream may have none */
};

struct batch {
	struct upstream *up;
	struct teller *to;
	struct task *tasks;
	size_t n, cap, next, running;
	bool more;  /* storage has not named all platforms yet */
	bool force; /* whatever the age of what is held */
	bool background;
	long wait_ms;
	json_t *failed;
	size_t n_failed;
	struct why first;
};

static struct batch *
batch_new(struct upstream *up, struct teller *to)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	up->batches++;
	b->up = up;
	b->to = to;
	b->failed = json_array();
	b->wait_ms = -1;
	return b;
}

static struct task *
batch_task(struct batch *b)
{
	if (b->n == b->cap) {
		b->cap = b->cap == 0 ? 32 : 2 * b->cap;
		b->tasks = xrealloc(b->tasks, b->cap, sizeof(*b->tasks));
	}
	b->tasks[b->n] = (struct task){ 0 };
	return &b->tasks[b->n++];
}

static void
batch_key(struct batch *b, const struct coll_key *key, bool may_miss)
{
	struct task *t = batch_task(b);

	t->key = xmemdup(key, sizeof(*key));
	t->may_miss = may_miss;
}

static void
batch_end(struct batch *b)
{
	struct upstream *up = b->up;
	struct blob *text = NULL;
	size_t i;

	if (b->first.err != ERR_OK && b->n_failed > 1)
		(void)why_in(&b->first, b->first.err, "%zu of %zu failed",
		    b->n_failed, b->n);
	if (b->to->text != NULL)
		text = json_blob(b->failed);
	else
		json_decref(b->failed);
	teller_tell(b->to, b->first.err, &b->first, text);
	for (i = 0; i < b->n; i++) {
		free(b->tasks[i].key);
		free(b->tasks[i].qe_id);
	}
	free(b->tasks);
	free(b);
	up->batches--;
	upstream_idle(up);
}

static struct platform_id
task_platform(const struct task *t)
{
	struct platform_id id = { 0 };

	must(strlen(t->qe_id) <= QE_ID_MAX);
	memcpy(id.qe_id, t->qe_id, strlen(t->qe_id));
	memcpy(id.pce_id, t->pce_id, sizeof(id.pce_id));
	return id;
}

static void
batch_failed(struct batch *b, const struct task *t, const struct why *why)
{
	struct platform_label label;
	struct platform_id id;
	const char *name = label.s;
	struct key_log object;
	json_t *j, *text;

	if (t->key != NULL) {
		object = key_log(t->key);
		name = object.s;
	} else {
		id = task_platform(t);
		label = platform_label(&id);
	}
	b->n_failed++;
	if (b->first.err == ERR_OK) {
		b->first = *why;
		(void)why_in(&b->first, why->err, "%s", name);
	}
	if (json_array_size(b->failed) >= FAILED_MAX)
		return;
	j = json_object();
	json_object_set_new(j, "item", json_string(name));
	json_object_set_new(j, "reason", json_string(err_token(why->err)));
	/* Parts of it may come from upstream and need not be UTF-8. */
	text = json_string(why->text);
	json_object_set_new(j, "why", text != NULL ? text : json_string(""));
	must(json_array_append_new(b->failed, j) == 0);
}

/* Which task a waiter is for. */
struct turn {
	struct batch *b;
	size_t i;
};

static void batch_run(struct batch *);

/* What upstream does not have is no failure where it may be so: an early
 * flavour, a TDX one.  It is when we hold one. */
static bool
task_missed(const struct batch *b, const struct task *t, enum err e)
{
	return t->may_miss && t->key != NULL &&
	       object_held(b->up, t->key) == NULL &&
	       (e == ERR_UP_ABSENT || e == ERR_UP_GONE || e == ERR_UP_REFUSED ||
		   e == ERR_NOT_CACHED);
}

static void
batch_told(struct waiter *w)
{
	struct turn *turn = w->arg;
	struct batch *b = turn->b;
	const struct task *t = &b->tasks[turn->i];

	if (w->why.err != ERR_OK && !task_missed(b, t, w->why.err))
		batch_failed(b, t, &w->why);
	free(turn);
	b->running--;
	batch_run(b);
}

static void
batch_start(struct batch *b, size_t i)
{
	struct turn *turn = xcalloc(1, sizeof(*turn));
	const struct task *t = &b->tasks[i];
	struct waiter *w;

	*turn = (struct turn){ b, i };
	b->running++;
	w = waiter_inner(b->up, b->wait_ms, b->background, batch_told, turn);
	if (t->key != NULL) {
		object_want(b->up, t->key, b->force, w);
		return;
	}
	w->ask.id = task_platform(t);
	platform_want(b->up, b->force, w);
}

static void
batch_run(struct batch *b)
{
	while (b->running < AT_ONCE && b->next < b->n)
		batch_start(b, b->next++);
	if (b->running == 0 && b->next == b->n && !b->more)
		batch_end(b);
}

/* Nothing can be asked at all: nothing was tried. */
static bool
refused(struct upstream *up, struct teller *to)
{
	enum err e = up->draining                       ? ERR_DRAINING
		     : up->config->mode == MODE_OFFLINE ? ERR_OFFLINE
							: ERR_OK;

	if (e == ERR_OK)
		return false;
	teller_tell(to, e, NULL, NULL);
	return true;
}

/* --- the collateral of a registration --------------------------------- */

static void
batch_missing(struct batch *b, const struct coll_key *key, bool may_miss)
{
	if (!object_fresh(b->up, key))
		batch_key(b, key, may_miss);
}

static void
batch_identities(struct batch *b, enum update update)
{
	static const enum enclave which[] = { ENCLAVE_QE, ENCLAVE_QVE,
		ENCLAVE_TDQE };
	struct coll_key key;
	size_t i;

	for (i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		key = key_identity(which[i], 4, update, 0);
		if (b->force)
			batch_key(b, &key, true);
		else
			batch_missing(b, &key, update == UPDATE_EARLY);
	}
}

void
refresh_prefetch(struct upstream *up, enum update_set set, long wait_ms,
    struct teller *to)
{
	struct coll_key key[3] = { key_root_crl(),
		key_pck_crl(PCK_CA_PROCESSOR), key_pck_crl(PCK_CA_PLATFORM) };
	struct batch *b;
	size_t i;

	if (refused(up, to))
		return;
	b = batch_new(up, to);
	b->wait_ms = wait_ms;
	for (i = 0; i < 3; i++)
		batch_missing(b, &key[i], false);
	if (set != UPDATES_EARLY)
		batch_identities(b, UPDATE_STANDARD);
	if (set != UPDATES_STANDARD)
		batch_identities(b, UPDATE_EARLY);
	batch_run(b);
}

/* --- refresh ---------------------------------------------------------- */

static void
refresh_visit(void *arg, struct coll *c)
{
	struct batch *b = arg;
	const struct coll_key *k = &c->key;

	/* Version 3 comes from uploads alone. */
	if ((k->kind == COLL_TCBINFO || k->kind == COLL_IDENTITY) &&
	    k->api != 4)
		return;
	/* Intel signs it no longer: that is no failure. */
	if ((k->kind == COLL_TCBINFO || k->kind == COLL_IDENTITY) &&
	    k->update == UPDATE_NUMBER &&
	    !base_signed(baseline_world(snap_baseline(b->up->snap), key_tee(k)),
		k->number))
		return;
	/* These are named by the caller. */
	if (k->kind == COLL_ROOT_CRL ||
	    (k->kind == COLL_IDENTITY && k->enclave != ENCLAVE_QAE &&
		k->update != UPDATE_NUMBER))
		return;
	batch_key(b, k, false);
}

void
refresh_all(struct upstream *up, struct teller *to)
{
	struct coll_key root = key_root_crl();
	struct batch *b;

	if (refused(up, to))
		return;
	b = batch_new(up, to);
	b->force = b->background = true;
	batch_key(b, &root, false);
	batch_identities(b, UPDATE_STANDARD);
	batch_identities(b, UPDATE_EARLY);
	if (up->snap != NULL)
		snap_each(up->snap, refresh_visit, b);
	batch_run(b);
}

static void
refresh_asks(void *arg, enum err e, const struct why *why,
    const struct platform_ask *v, size_t n, bool more)
{
	struct batch *b = arg;
	struct upstream *up = b->up;
	struct task *t;
	size_t i;

	for (i = 0; i < n; i++) {
		t = batch_task(b);
		t->qe_id = xstrdup(v[i].id.qe_id);
		memcpy(t->pce_id, v[i].id.pce_id, sizeof(t->pce_id));
	}
	if (e != ERR_OK && b->first.err == ERR_OK) {
		b->first = why == NULL ? (struct why){ 0 } : *why;
		b->first.err = e;
	}
	b->more = more && e == ERR_OK;
	more = b->more;
	batch_run(b);
	if (!more)
		upstream_called(up);
}

void
refresh_certs(struct upstream *up, char *const *fmspc, size_t n,
    struct teller *to)
{
	struct batch *b;

	if (refused(up, to))
		return;
	b = batch_new(up, to);
	b->force = b->background = b->more = true;
	upstream_call(up);
	storage_platform_asks(up->storage, fmspc, n, refresh_asks, b);
}

void
refresh_key(struct upstream *up, const struct coll_key *key, struct teller *to)
{
	struct batch *b;

	if (refused(up, to))
		return;
	b = batch_new(up, to);
	b->force = true;
	batch_key(b, key, false);
	batch_run(b);
}
