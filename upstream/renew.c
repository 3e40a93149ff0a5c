#include "upstream/renew.h"

#include "config/base/log.h"
#include "config/base/must.h"
#include "upstream/room.h"

#include <stdlib.h>
#include <string.h>

#define LISTS     2     /* running at a time */
#define LISTS_MAX 65536 /* waiting; others come when they are asked for */
#define AGAIN_S   3600

/* A platform whose list is to be fetched. */
struct list {
	TAILQ_ENTRY(list) link;
	struct platform_id id;
};

struct renew {
	struct upstream *up;
	void (*kick)(void *);
	void *arg;
	TAILQ_HEAD(, list) lists;
	size_t n_lists, running;
	size_t asking;           /* storage for the platforms of an FMSPC */
	struct negative *lately; /* asked for */
	bool stopped;
};

struct renew *
renew_new(struct upstream *up, void (*kick)(void *), void *arg)
{
	struct renew *r = xcalloc(1, sizeof(*r));

	r->up = up;
	r->kick = kick;
	r->arg = arg;
	TAILQ_INIT(&r->lists);
	r->lately = negative_new(NEGATIVE_MAX);
	return r;
}

void
renew_stop(struct renew *r)
{
	struct list *l;

	r->stopped = true;
	while ((l = TAILQ_FIRST(&r->lists)) != NULL) {
		TAILQ_REMOVE(&r->lists, l, link);
		free(l);
	}
	r->n_lists = 0;
}

void
renew_free(struct renew *r)
{
	if (r == NULL)
		return;
	renew_stop(r);
	negative_free(r->lately);
	free(r);
}

/* False when it was asked for within the hour, or nothing is asked now. */
static bool
renew_turn(struct renew *r, const char *name)
{
	struct why none = { 0 };
	time_t now = clock_now();

	if (r->stopped || r->up->config->mode == MODE_OFFLINE ||
	    negative_get(r->lately, name, now) != NULL)
		return false;
	negative_put(r->lately, name, &none, now + AGAIN_S);
	return true;
}

static void
object_told(struct waiter *w)
{
	(void)w; /* whoever serves it looks for the new one himself */
}

void
renew_object(struct renew *r, const struct coll_key *key)
{
	if (renew_turn(r, key->text))
		object_want(r->up, key, true,
		    waiter_inner(r->up, -1, true, object_told, NULL));
}

void
renew_platform(struct renew *r, const struct platform_id *id)
{
	struct list *l;

	if (r->n_lists >= LISTS_MAX || !renew_turn(r, platform_label(id).s))
		return;
	l = xcalloc(1, sizeof(*l));
	l->id = *id;
	TAILQ_INSERT_TAIL(&r->lists, l, link);
	r->n_lists++;
	r->kick(r->arg);
}

static void
fmspc_cb(void *arg, enum err e, const struct why *why,
    const struct platform_ask *v, size_t n, bool more)
{
	struct renew *r = arg;
	size_t i;

	if (e != ERR_OK)
		log_event(LOG_WARN, "platform-lists", "reason", err_token(e),
		    "text", why == NULL ? NULL : why->text, NULL);
	for (i = 0; i < n; i++)
		renew_platform(r, &v[i].id);
	if (more)
		return;
	r->asking--;
	r->kick(r->arg);
	upstream_called(r->up);
}

void
renew_fmspc(struct renew *r, const char *fmspc)
{
	char text[13];
	char *list[1] = { text };

	memcpy(text, fmspc, sizeof(text));
	r->asking++;
	upstream_call(r->up);
	storage_platform_asks(r->up->storage, list, 1, fmspc_cb, r);
}

/* --- running ---------------------------------------------------------- */

size_t
renew_waiting(const struct renew *r)
{
	return r->n_lists;
}

size_t
renew_running(const struct renew *r)
{
	return r->running;
}

bool
renew_busy(const struct renew *r)
{
	return r->n_lists != 0 || r->running != 0 || r->asking != 0;
}

static void
list_told(struct waiter *w)
{
	struct renew *r = w->arg;

	r->running--;
	r->kick(r->arg);
}

bool
renew_start(struct renew *r)
{
	struct list *l = TAILQ_FIRST(&r->lists);
	struct waiter *w;

	if (l == NULL || r->running >= LISTS)
		return false;
	w = waiter_inner(r->up, -1, true, list_told, r);
	TAILQ_REMOVE(&r->lists, l, link);
	r->n_lists--;
	r->running++;
	w->ask.id = l->id;
	free(l);
	platform_want(r->up, true, w);
	return true;
}
