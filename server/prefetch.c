#include "server/prefetch.h"

#include "config/base/log.h"
#include "config/base/must.h"
#include "server/callers.h"

#include <stdlib.h>

#define PREFETCH_MAGIC 0x93e7e7c0u
#define PIECE_MAGIC    0x93e7e7c1u

/* Pieces under way at one time; KDS has a pace of its own. */
#define BUSY_MAX 8
/* A piece that takes longer goes on without being watched. */
#define WAIT_MS  60000
#define AGAIN_MS 600000

struct prefetch {
	unsigned magic;
	struct worker *worker;
	struct timer *again;
	size_t n, at; /* wishes, and how many have been begun */
	struct coll_key *wish;
	unsigned busy;
	bool missed;
};

struct piece {
	unsigned magic;
	struct prefetch *p;
	struct coll_key key;
};

static void prefetch_step(struct prefetch *);

/* --- one piece -------------------------------------------------------- */

static void
piece_end(struct piece *pc)
{
	struct prefetch *p = pc->p;
	struct server *server = worker_server(p->worker);

	free(pc);
	p->busy--;
	prefetch_step(p);
	/* Last: the server may wait for nothing else. */
	server_orphan(server, -1);
}

static void
wanted_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct piece *pc = obj_cast(arg, PIECE_MAGIC);

	(void)coll; /* it is in storage now */
	if (e != ERR_OK && e != ERR_UP_SLOW && e != ERR_DRAINING) {
		pc->p->missed = true;
		log_event(LOG_WARN, "prefetch-failed", "object",
		    key_log(&pc->key).s, "reason", err_token(e), "text",
		    why == NULL ? "" : why->text, NULL);
	}
	piece_end(pc);
}

static void
piece_want(struct piece *pc)
{
	upstream_want(worker_upstream(pc->p->worker), 0, &pc->key, WAIT_MS,
	    wanted_cb, pc);
}

static void
held_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct piece *pc = obj_cast(arg, PIECE_MAGIC);

	(void)why;
	(void)coll;
	if (e == ERR_OK)
		piece_end(pc);
	else
		piece_want(pc);
}

static void
piece_start(struct prefetch *p, const struct coll_key *key)
{
	struct piece *pc = xcalloc(1, sizeof(*pc));

	*pc = (struct piece){ PIECE_MAGIC, p, *key };
	p->busy++;
	/* Like a request nobody is connected for: the server waits for it. */
	server_orphan(worker_server(p->worker), 1);
	if (key->kind == COLL_VEK)
		storage_vek(worker_storage(p->worker), key, held_cb, pc);
	else
		piece_want(pc);
}

/* --- all of them ------------------------------------------------------ */

static void
prefetch_step(struct prefetch *p)
{
	while (p->at < p->n && p->busy < BUSY_MAX)
		piece_start(p, &p->wish[p->at++]);
	if (p->at == p->n && p->busy == 0 && p->missed)
		timer_set(p->again, AGAIN_MS);
}

static void
wish_add(struct prefetch *p, struct coll_key key)
{
	p->wish = xrealloc(p->wish, p->n + 1, sizeof(*p->wish));
	p->wish[p->n++] = key;
}

static void
wish_chain(struct prefetch *p, enum amd_product product)
{
	struct coll_key key = key_amd_chain(product, AMD_VCEK);
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->wish[i].kind == COLL_AMD_CHAIN &&
		    p->wish[i].product == product)
			return;
	}
	if (snap_get(worker_snap(p->worker), &key) == NULL)
		wish_add(p, key);
}

static void
wish_all(struct prefetch *p)
{
	const struct caller *row;
	size_t i, k, n;

	row = callers_rows(worker_callers(p->worker), &n);
	for (i = 0; i < n; i++) {
		if (row[i].n_chips != 0)
			wish_chain(p, row[i].product);
	}
	for (i = 0; i < n; i++) {
		for (k = 0; k < row[i].n_chips && !row[i].tcb_auto; k++)
			wish_add(p, key_vcek(row[i].product,
					caller_chip(&row[i], k), row[i].tcb));
	}
}

void
prefetch_start(struct prefetch *p)
{
	prefetch_stop(p);
	if (worker_config(p->worker)->mode == MODE_OFFLINE)
		return;
	wish_all(p);
	prefetch_step(p);
}

void
prefetch_stop(struct prefetch *p)
{
	timer_clear(p->again);
	free(p->wish);
	p->wish = NULL;
	p->n = p->at = 0;
	p->missed = false;
}

static void
again_cb(void *arg)
{
	prefetch_start(obj_cast(arg, PREFETCH_MAGIC));
}

struct prefetch *
prefetch_new(struct worker *worker)
{
	struct prefetch *p = xcalloc(1, sizeof(*p));

	p->magic = PREFETCH_MAGIC;
	p->worker = worker;
	p->again = timer_new(worker_loop(worker), again_cb, p);
	return p;
}

void
prefetch_free(struct prefetch *p)
{
	if (p == NULL)
		return;
	timer_free(p->again);
	free(p->wish);
	free(p);
}
