#include "server/edge.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/map.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "server/callers.h"
#include "server/prefetch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKER_MAGIC   0x574f524b
#define LISTENER_MAGIC 0x4c495354

/* Free chunks kept for the next connection that reads. */
#define CHUNKS_KEPT 64
/* Connections taken at one time, so that those already here are served. */
#define ACCEPT_BATCH 32
/* The same before a listener is closed: as many as a queue may hold. */
#define ACCEPT_LAST 4096
/* How long to leave the listeners alone when descriptors have run out. */
#define PAUSE_MS 100
/* Lines about clients' doings, per second and worker. */
#define LOG_LINES 50

/* --- what a handler may reach ----------------------------------------- */

struct snap *
worker_snap(struct worker *w)
{
	return w->snap;
}

struct config *
worker_config(struct worker *w)
{
	return w->config;
}

struct jwt_keys *
worker_jwt_keys(struct worker *w)
{
	return w->keys;
}

const struct callers *
worker_callers(struct worker *w)
{
	return w->callers;
}

struct verifier *
worker_verifier(struct worker *w)
{
	return w->verifier;
}

struct storage *
worker_storage(struct worker *w)
{
	return w->storage;
}

struct upstream *
worker_upstream(struct worker *w)
{
	return w->upstream;
}

struct loop *
worker_loop(struct worker *w)
{
	return w->loop;
}

struct server *
worker_server(struct worker *w)
{
	return w->server;
}

/* --- chunks ----------------------------------------------------------- */

struct chunk *
chunk_get(struct worker *w)
{
	struct chunk *k = w->chunks;

	if (k == NULL) {
		k = xrealloc(NULL, 1, sizeof(*k));
	} else {
		w->chunks = k->next;
		w->n_chunks--;
	}
	k->next = NULL;
	k->at = k->len = 0;
	return k;
}

void
chunk_put(struct worker *w, struct chunk *k)
{
	if (k == NULL)
		return;
	if (w->n_chunks == CHUNKS_KEPT) {
		free(k);
		return;
	}
	k->next = w->chunks;
	w->chunks = k;
	w->n_chunks++;
}

/* --- small things ----------------------------------------------------- */

const char *
worker_date(struct worker *w)
{
	time_t now = clock_now();

	if (now != w->date_at) {
		http_date_write(now, w->date);
		w->date_at = now;
	}
	return w->date;
}

bool
worker_may_log(struct worker *w)
{
	int64_t now = clock_mono_ms();

	if (now - w->log_at >= 1000) {
		w->log_at = now;
		w->log_left = LOG_LINES;
	}
	if (w->log_left > 0) {
		w->log_left--;
		return true;
	}
	metric_inc(M_LOG_DROPPED);
	return false;
}

/* --- deadlines -------------------------------------------------------- */

static void
sweep_set(struct worker *w, int64_t at, int64_t now)
{
	if (w->sweep_at != 0 && w->sweep_at <= at)
		return;
	w->sweep_at = at;
	timer_set(w->sweep, at > now ? (long)(at - now) : 0);
}

void
worker_queue(struct worker *w, struct queue *q, struct conn *c, long timeout_ms)
{
	int64_t now;

	if (c->queue != NULL)
		TAILQ_REMOVE(&c->queue->conns, c, in_queue);
	c->queue = q;
	if (q == NULL)
		return;
	now = clock_mono_ms();
	c->late_at = now + timeout_ms;
	TAILQ_INSERT_TAIL(&q->conns, c, in_queue);
	sweep_set(w, c->late_at, now);
}

static void
queue_sweep(struct worker *w, struct queue *q, int64_t now)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&q->conns)) != NULL && c->late_at <= now) {
		metric_inc(q->late);
		worker_queue(w, NULL, c, 0);
		conn_event(c, CONN_LATE);
	}
	if (c != NULL)
		sweep_set(w, c->late_at, now);
}

static void
sweep_cb(void *arg)
{
	struct worker *w = obj_cast(arg, WORKER_MAGIC);
	int64_t now = clock_mono_ms();

	w->sweep_at = 0;
	queue_sweep(w, &w->heads, now);
	queue_sweep(w, &w->idles, now);
}

/* --- accepting -------------------------------------------------------- */

/*
 * Who connects, as far as caps go: an IPv4 address or an IPv6 /64, which is
 * what one customer has.  Never 0, which is nobody (unix sockets).
 */
static uint32_t
source_of(const union addr *from)
{
	const void *p = &from->in.sin_addr;
	size_t len = 4;

	if (from->sa.sa_family == AF_INET6) {
		p = &from->in6.sin6_addr;
		len = IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr) ? 16 : 8;
	} else if (from->sa.sa_family != AF_INET) {
		return 0;
	}
	return (uint32_t)map_hash(span_of(p, len)) | 1;
}

static void
listener_take(struct listener *l, int fd, const union addr *from)
{
	struct worker *w = l->worker;
	uint32_t source = source_of(from);
	enum admit admit = server_admit(w->server, w->config, source);
	struct conn *c;

	if (admit != ADMIT_SERVE)
		metric_inc(M_SHED_CONNECTIONS);
	if (admit == ADMIT_REFUSE) {
		close(fd);
		return;
	}
	metric_inc(M_CONNECTIONS);
	c = conn_new(w, l, &wire_socket, fd,
	    l->tls == NULL ? NULL : tls_new(l->tls));
	c->from = *from;
	c->source = source;
	c->shed = admit == ADMIT_SHED;
	/* What it has to say is often there already. */
	conn_event(c, CONN_READABLE);
}

static void
accept_pause(struct worker *w)
{
	struct listener *l;

	log_event(LOG_ERROR, "accept-paused", "text", strerror(errno), NULL);
	for (l = w->listeners; l != NULL; l = l->next) {
		if (l->ev != NULL)
			event_del(l->ev);
	}
	timer_set(w->pause, PAUSE_MS);
}

static void
pause_cb(void *arg)
{
	struct worker *w = obj_cast(arg, WORKER_MAGIC);
	struct listener *l;

	for (l = w->listeners; l != NULL; l = l->next) {
		if (l->ev != NULL)
			must(event_add(l->ev, NULL) == 0);
	}
}

/* Take up to "most" of the connections that wait. */
static void
listener_accept(struct listener *l, int most)
{
	int fd, i;

	for (i = 0; i < most; i++) {
		union addr from;
		socklen_t len = sizeof(from);

		memset(&from, 0, sizeof(from));
		fd = accept4(l->fd, &from.sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			listener_take(l, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_pause(l->worker);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void
accept_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	listener_accept(obj_cast(arg, LISTENER_MAGIC), ACCEPT_BATCH);
}

/* --- listeners -------------------------------------------------------- */

static void
listener_close(struct listener *l)
{
	if (l->ev == NULL)
		return;
	event_free(l->ev);
	l->ev = NULL;
	close(l->fd);
	l->fd = -1;
}

/* Closed while somebody waits, a listener would reset them. */
static void
listener_finish(struct listener *l)
{
	if (l->ev == NULL)
		return;
	listener_accept(l, ACCEPT_LAST);
	listener_close(l);
}

static void
listener_free(struct listener *l)
{
	listener_close(l);
	SSL_CTX_free(l->tls);
	l->magic = 0;
	free(l);
}

static struct listener *
listener_find(struct worker *w, unsigned id)
{
	struct listener *l;

	for (l = w->listeners; l != NULL; l = l->next) {
		if (l->id == id)
			return l;
	}
	return NULL;
}

static struct listener *
listener_new(struct worker *w, unsigned id, int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->magic = LISTENER_MAGIC;
	l->worker = w;
	l->id = id;
	l->fd = fd;
	l->ev = event_new(loop_base(w->loop), fd, EV_READ | EV_PERSIST,
	    accept_cb, l);
	must(l->ev != NULL && event_add(l->ev, NULL) == 0);
	l->next = w->listeners;
	w->listeners = l;
	return l;
}

/* Closed ones go once their last connection has. */
static void
listeners_reap(struct worker *w, bool (*keep)(const struct listener *))
{
	struct listener **at = &w->listeners, *l;

	while ((l = *at) != NULL) {
		if (keep(l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		listener_free(l);
	}
}

static bool
listener_used(const struct listener *l)
{
	return l->ev != NULL || l->n_conns != 0;
}

static bool
listener_none(const struct listener *l)
{
	(void)l;
	return false;
}

void
worker_order(struct worker *w, struct config *config, struct jwt_keys *keys,
    struct verifier *verifier, const struct worker_listen *v, size_t n)
{
	struct listener *l;
	size_t i;

	config_ref(config);
	config_unref(w->config);
	w->config = config;
	jwt_keys_ref(keys);
	jwt_keys_unref(w->keys);
	w->keys = keys;
	callers_free(w->callers);
	w->callers = callers_new(config);
	verifier_ref(verifier);
	verifier_unref(w->verifier);
	w->verifier = verifier;
	for (l = w->listeners; l != NULL; l = l->next) {
		for (i = 0; i < n && v[i].id != l->id; i++)
			continue;
		if (i < n)
			continue;
		listener_finish(l);
		/* Its connections go on; its place may be another's now. */
		l->index = LISTENER_GONE;
	}
	for (i = 0; i < n; i++) {
		l = v[i].fd == -1 ? listener_find(w, v[i].id)
				  : listener_new(w, v[i].id, v[i].fd);
		must(l != NULL);
		l->serve = v[i].serve;
		l->index = (unsigned)i;
		if (v[i].tls != NULL)
			SSL_CTX_up_ref(v[i].tls);
		SSL_CTX_free(l->tls);
		l->tls = v[i].tls;
	}
	listeners_reap(w, listener_used);
	if (w->prefetch != NULL && !w->draining)
		prefetch_start(w->prefetch);
}

/* --- the end ---------------------------------------------------------- */

/* Connections may go away inside fn, but only the one it is called with. */
static void
conns_each(struct worker *w, void (*fn)(struct conn *))
{
	struct conn *c, *next;

	for (c = TAILQ_FIRST(&w->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, in_worker);
		fn(c);
	}
}

static void
conn_drain(struct conn *c)
{
	conn_event(c, CONN_DRAIN);
}

void
worker_drain(struct worker *w)
{
	struct listener *l;

	w->draining = true;
	if (w->prefetch != NULL)
		prefetch_stop(w->prefetch);
	for (l = w->listeners; l != NULL; l = l->next)
		listener_finish(l);
	timer_clear(w->pause);
	conns_each(w, conn_drain);
}

void
worker_abort(struct worker *w)
{
	conns_each(w, conn_abort);
}

struct worker *
worker_new(struct server *server, unsigned number, const struct routes *routes,
    struct config *config, struct storage *storage, struct upstream *upstream)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	char name[16];

	w->magic = WORKER_MAGIC;
	w->server = server;
	w->number = number;
	w->routes = routes;
	w->config = config_ref(config);
	w->storage = storage;
	w->upstream = upstream;
	snprintf(name, sizeof(name), "worker-%u", number % 10000);
	w->loop = loop_new(name);
	loop_mail_first(w->loop);
	w->sweep = timer_new(w->loop, sweep_cb, w);
	w->pause = timer_new(w->loop, pause_cb, w);
	/* One of them is enough, and it needs somebody to ask. */
	if (number == 0 && upstream != NULL)
		w->prefetch = prefetch_new(w);
	TAILQ_INIT(&w->conns);
	TAILQ_INIT(&w->heads.conns);
	TAILQ_INIT(&w->idles.conns);
	w->heads.late = M_TIMEOUT_HEADER;
	w->idles.late = M_TIMEOUT_IDLE;
	w->date_at = -1;
	random_bytes(&w->id_hi, sizeof(w->id_hi));
	random_bytes(&w->id_lo, sizeof(w->id_lo));
	return w;
}

static void
conn_forget(struct conn *c)
{
	c->req.open = false;
	conn_abort(c);
}

void
worker_free(struct worker *w)
{
	struct chunk *k;

	if (w == NULL)
		return;
	/* A request that no one answered has no one left who could. */
	conns_each(w, conn_forget);
	listeners_reap(w, listener_none);
	timer_free(w->sweep);
	timer_free(w->pause);
	prefetch_free(w->prefetch);
	snap_unref(w->snap);
	verifier_unref(w->verifier);
	jwt_keys_unref(w->keys);
	callers_free(w->callers);
	config_unref(w->config);
	while ((k = w->chunks) != NULL) {
		w->chunks = k->next;
		free(k);
	}
	buf_free(&w->line);
	loop_free(w->loop);
	w->magic = 0;
	free(w);
}
