#include "upstream/webhook.h"

#include "config/base/log.h"
#include "config/base/mbox.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <sys/queue.h>

#define ANSWER_MAX 65536

struct event_item {
	TAILQ_ENTRY(event_item) link;
	struct blob *json;
	unsigned tries;
};

struct webhook {
	struct transport *transport;
	struct timer *pause;
	char *url;
	long timeout_ms, pause_ms;
	TAILQ_HEAD(, event_item) items;
	size_t n;
	struct exchange *going; /* for the first item */
	bool paused;
};

static void
item_free(struct webhook *w, struct event_item *i)
{
	TAILQ_REMOVE(&w->items, i, link);
	w->n--;
	blob_unref(i->json);
	free(i);
}

static void webhook_next(struct webhook *);

static void
pause_cb(void *arg)
{
	struct webhook *w = arg;

	w->paused = false;
	webhook_next(w);
}

static void
reply_cb(void *arg, const struct reply *r)
{
	struct webhook *w = arg;
	struct event_item *i = TAILQ_FIRST(&w->items);
	bool sent = r->why.err == ERR_OK && r->status >= 200 && r->status < 300;

	w->going = NULL;
	must(i != NULL);
	if (!sent && ++i->tries < WEBHOOK_TRIES) {
		w->paused = true;
		timer_set(w->pause, w->pause_ms << (i->tries - 1));
		return;
	}
	metric_inc(sent ? M_WEBHOOK_SENT : M_WEBHOOK_FAILED);
	if (!sent)
		log_event(LOG_WARN, "webhook-failed", "status",
		    log_num(r->status).s, "text", r->why.text, NULL);
	item_free(w, i);
	webhook_next(w);
}

static void
webhook_next(struct webhook *w)
{
	struct event_item *i = TAILQ_FIRST(&w->items);
	struct request q = { .body_max = ANSWER_MAX };

	if (i == NULL || w->going != NULL || w->paused || w->url == NULL)
		return;
	q.url = xstrdup(w->url);
	q.origin = origin_of(w->url);
	q.body = blob_ref(i->json);
	request_header(&q, "Content-Type", "application/json");
	w->going = w->transport->ops->start(w->transport, &q, w->timeout_ms,
	    reply_cb, w);
	request_fini(&q);
}

void
webhook_post(struct webhook *w, struct blob *json)
{
	struct event_item *i, *oldest;

	if (w->url == NULL)
		return;
	if (w->n >= WEBHOOK_QUEUE) {
		/* Not the one that is being sent. */
		oldest = TAILQ_NEXT(TAILQ_FIRST(&w->items), link);
		metric_inc(M_WEBHOOK_FAILED);
		item_free(w, oldest);
	}
	i = xcalloc(1, sizeof(*i));
	i->json = blob_ref(json);
	TAILQ_INSERT_TAIL(&w->items, i, link);
	w->n++;
	webhook_next(w);
}

static void
webhook_clear(struct webhook *w)
{
	if (w->going != NULL)
		w->transport->ops->cancel(w->transport, w->going);
	w->going = NULL;
	while (!TAILQ_EMPTY(&w->items))
		item_free(w, TAILQ_FIRST(&w->items));
}

void
webhook_url(struct webhook *w, const char *url, long timeout_ms)
{
	if (url == NULL)
		webhook_clear(w);
	w->timeout_ms = timeout_ms;
	free(w->url);
	w->url = url == NULL ? NULL : xstrdup(url);
}

struct webhook *
webhook_new(struct loop *loop, struct transport *transport, long pause_ms)
{
	struct webhook *w = xcalloc(1, sizeof(*w));

	w->transport = transport;
	w->pause_ms = pause_ms;
	w->pause = timer_new(loop, pause_cb, w);
	TAILQ_INIT(&w->items);
	return w;
}

void
webhook_free(struct webhook *w)
{
	if (w == NULL)
		return;
	webhook_clear(w);
	timer_free(w->pause);
	free(w->url);
	free(w);
}
