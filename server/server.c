#include "server/server.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "server/edge.h"
#include "server/judges.h"
#include "server/pulse.h"
#include "server/tally.h"
#include "server/trail.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Tokens that may wait to be hashed, some 60 ms of work each. */
#define PROOFS_MAX 16
/* How long server_free waits for requests whose clients have gone. */
#define ORPHANS_MS 10000

/* A listening socket; the workers have the descriptors. */
struct bound {
	unsigned id;
	int port;
	char *address;
};

struct server {
	struct config *config;
	struct storage *storage;
	struct upstream *upstream;
	struct routes *routes;
	unsigned n_workers;
	struct worker **workers;
	struct loop *prover;
	struct judges *judges; /* NULL: no listener ever served "verify" */
	struct tally *tally;

	size_t n_bound; /* as config->listen */
	struct bound *bound;
	unsigned next_id;

	struct caps caps;
	struct trail *trail;
	struct failures failures;
	atomic_size_t n_orphans;
	atomic_uint n_proofs;

	/* For whoever waits until workers have done something. */
	pthread_mutex_t mu;
	pthread_cond_t changed;
	unsigned n_told; /* workers that have not done it yet */
};

/* --- counting --------------------------------------------------------- */

enum admit
server_admit(struct server *s, const struct config *config, uint32_t source)
{
	return caps_admit(&s->caps, (size_t)config->limits.connections,
	    (size_t)config->limits.connections_per_source, source);
}

struct failures *
server_failures(struct server *s)
{
	return &s->failures;
}

/* Wake whoever waits for one of the counters. */
static void
server_changed(struct server *s)
{
	pthread_mutex_lock(&s->mu);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mu);
}

void
server_leave(struct server *s, bool shed, uint32_t source)
{
	if (caps_leave(&s->caps, shed, source))
		server_changed(s);
}

void
server_orphan(struct server *s, int change)
{
	if (change > 0)
		atomic_fetch_add(&s->n_orphans, 1);
	else if (atomic_fetch_sub(&s->n_orphans, 1) == 1)
		server_changed(s);
}

struct trail *
server_trail(struct server *s)
{
	return s->trail;
}

size_t
server_connections(struct server *s)
{
	return caps_total(&s->caps);
}

static size_t
server_orphans(struct server *s)
{
	return atomic_load(&s->n_orphans);
}

/* Wait until a counter is 0; false: the time is over. */
static bool
server_wait(struct server *s, size_t (*count)(struct server *), int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	struct timespec t = { until / 1000, until % 1000 * 1000000 };
	bool done;

	pthread_mutex_lock(&s->mu);
	while (!(done = count(s) == 0)) {
		if (pthread_cond_timedwait(&s->changed, &s->mu, &t) ==
		    ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&s->mu);
	return done || count(s) == 0;
}

/* --- telling the workers ---------------------------------------------- */

typedef void (*tell_fn)(struct worker *, void *arg);

struct tell {
	struct msg msg;
	struct worker *worker;
	tell_fn fn;
	void *arg;
};

static void
told(struct server *s)
{
	pthread_mutex_lock(&s->mu);
	s->n_told--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mu);
}

static void
tell_run(struct msg *m)
{
	struct tell *t = msg_of(m, struct tell, msg);

	t->fn(t->worker, t->arg);
	told(t->worker->server);
}

static void
tell_run_quiet(struct msg *m)
{
	struct tell *t = msg_of(m, struct tell, msg);

	t->fn(t->worker, t->arg);
}

/*
 * Have fn called on every worker's thread and wait for it; "quiet": fn says
 * itself when it has been done, with told().  Main thread.
 */
static void
server_tell(struct server *s, tell_fn fn, void *arg, bool quiet)
{
	struct tell *v = xcalloc(s->n_workers, sizeof(*v));
	unsigned i;

	s->n_told = s->n_workers;
	for (i = 0; i < s->n_workers; i++) {
		v[i].worker = s->workers[i];
		v[i].fn = fn;
		v[i].arg = arg;
		msg_send(s->workers[i]->loop, &v[i].msg,
		    quiet ? tell_run_quiet : tell_run);
	}
	pthread_mutex_lock(&s->mu);
	while (s->n_told != 0)
		pthread_cond_wait(&s->changed, &s->mu);
	pthread_mutex_unlock(&s->mu);
	free(v);
}

/* --- tokens to be hashed ---------------------------------------------- */

struct proof {
	struct msg msg;
	struct server *server;
	struct conn *conn;
	struct loop *home;
	struct config *config;
	size_t len;
	unsigned char token[];
};

static void
proof_done(struct msg *m)
{
	struct proof *p = msg_of(m, struct proof, msg);
	struct conn *c = p->conn;

	atomic_fetch_sub(&p->server->n_proofs, 1);
	config_unref(p->config);
	OPENSSL_cleanse(p->token, p->len);
	free(p);
	conn_proved(c);
}

static void
proof_run(struct msg *m)
{
	struct proof *p = msg_of(m, struct proof, msg);

	struct token_grant grant;

	/* The verdict is remembered: req_admit() asks for it again. */
	(void)!token_prove(p->config, span_of(p->token, p->len), clock_now(),
	    &grant);
	msg_send(p->home, m, proof_done);
}

bool
server_prove(struct server *s, struct conn *c, struct config *config,
    struct span token)
{
	struct proof *p;

	if (atomic_fetch_add(&s->n_proofs, 1) >= PROOFS_MAX) {
		atomic_fetch_sub(&s->n_proofs, 1);
		metric_inc(M_SHED_TOKEN);
		return false;
	}
	p = xcalloc(1, sizeof(*p) + token.len);
	p->server = s;
	p->conn = c;
	p->home = c->worker->loop;
	p->config = config_ref(config);
	p->len = token.len;
	memcpy(p->token, token.p, token.len);
	msg_send(s->prover, &p->msg, proof_run);
	return true;
}

/* --- a new order: configuration, contexts, sockets -------------------- */

struct plan {
	struct config *config;     /* borrowed */
	struct jwt_keys *keys;     /* NULL: nobody signs */
	struct verifier *verifier; /* NULL: nobody judges */
	unsigned n_workers;
	size_t n;
	SSL_CTX **tls;
	struct bound *bound;
	int *fd; /* n rows of n_workers; -1: there already */
};

static void
plan_free(struct plan *p)
{
	size_t i, k;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++) {
		int *fd = p->fd + i * p->n_workers;

		/* What no worker has taken was opened in vain. */
		if (fd[0] != -1)
			listen_unlink(p->bound[i].address);
		for (k = 0; k < p->n_workers; k++) {
			if (fd[k] != -1)
				close(fd[k]);
		}
		SSL_CTX_free(p->tls[i]);
		free(p->bound[i].address);
	}
	jwt_keys_unref(p->keys);
	verifier_unref(p->verifier);
	free(p->tls);
	free(p->bound);
	free(p->fd);
	free(p);
}

static struct plan *
plan_new(struct server *s, struct config *config)
{
	struct plan *p = xcalloc(1, sizeof(*p));
	size_t i;

	p->config = config;
	p->n = config->n_listen;
	p->n_workers = s->n_workers;
	p->tls = xcalloc(p->n, sizeof(*p->tls));
	p->bound = xcalloc(p->n, sizeof(*p->bound));
	p->fd = xcalloc(p->n * p->n_workers, sizeof(*p->fd));
	for (i = 0; i < p->n * p->n_workers; i++)
		p->fd[i] = -1;
	return p;
}

/*
 * The server's socket with this address that no earlier listener of the plan
 * has: ":0" may stand there more than once.
 */
static const struct bound *
bound_find(const struct server *s, const struct plan *p, const char *address)
{
	size_t i, k;

	for (i = 0; i < s->n_bound; i++) {
		if (strcmp(s->bound[i].address, address) != 0)
			continue;
		for (k = 0; k < p->n; k++) {
			if (p->bound[k].address != NULL &&
			    p->bound[k].id == s->bound[i].id)
				break;
		}
		if (k == p->n)
			return &s->bound[i];
	}
	return NULL;
}

static enum err
plan_bind(struct plan *p, struct server *s, size_t i, struct why *why)
{
	const char *address = p->config->listen[i].address;
	const struct bound *have = bound_find(s, p, address);
	int port;
	enum err e;

	if (have != NULL) {
		p->bound[i] = *have;
	} else {
		/* While running, our own sockets may be in the way. */
		e = listen_open(address, s->n_bound != 0,
		    p->fd + i * p->n_workers, p->n_workers, &port, why);
		if (e != ERR_OK)
			return e;
		p->bound[i].id = ++s->next_id;
		p->bound[i].port = port;
	}
	p->bound[i].address = xstrdup(address);
	return ERR_OK;
}

static bool
config_serves(const struct config *config, unsigned family)
{
	size_t i;

	for (i = 0; i < config->n_listen; i++)
		if ((config->listen[i].serve & family) != 0)
			return true;
	return false;
}

static enum err
plan_make(struct server *s, struct config *config, struct plan **out,
    struct why *why)
{
	struct plan *p = plan_new(s, config);
	const struct config_listen *l;
	enum err e = ERR_OK;
	size_t i;

	/* What can be refused without a trace goes first. */
	if (config_serves(config, SERVE_VERIFY)) {
		e = jwt_keys_open(config, clock_now(), &p->keys, why);
		if (e == ERR_OK)
			e = verifier_new(config, &p->verifier, why);
	}
	for (i = 0; i < p->n && e == ERR_OK; i++) {
		l = &config->listen[i];
		if (l->tls_certificate != NULL)
			e = tls_context(l, &p->tls[i], why);
	}
	for (i = 0; i < p->n && e == ERR_OK; i++)
		e = plan_bind(p, s, i, why);
	if (e == ERR_OK) {
		*out = p;
		p = NULL;
	}
	plan_free(p);
	return e;
}

static void
plan_tell(struct worker *w, void *arg)
{
	struct plan *p = arg;
	struct worker_listen *v = xcalloc(p->n, sizeof(*v));
	size_t i;

	for (i = 0; i < p->n; i++) {
		int *fd = &p->fd[i * p->n_workers + w->number];

		v[i] = (struct worker_listen){ p->bound[i].id, *fd,
			p->config->listen[i].serve, p->tls[i] };
		*fd = -1; /* the worker's now */
	}
	worker_order(w, p->config, p->keys, p->verifier, v, p->n);
	free(v);
}

/* The workers have it: what the server knows follows. */
static void
plan_take(struct server *s, struct plan *p)
{
	size_t i, k;

	for (i = 0; i < s->n_bound; i++) {
		for (k = 0; k < p->n && p->bound[k].id != s->bound[i].id; k++)
			continue;
		if (k == p->n)
			listen_unlink(s->bound[i].address);
		free(s->bound[i].address);
	}
	free(s->bound);
	s->bound = p->bound;
	s->n_bound = p->n;
	p->bound = xcalloc(p->n, sizeof(*p->bound));
	config_ref(p->config);
	config_unref(s->config);
	s->config = p->config;
}

/* Descriptors for all connections, as far as the system lets us. */
static void
files_allow(const struct config *config)
{
	rlim_t want = (rlim_t)config->limits.connections * 9 / 8 + 256;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur >= want)
		return;
	r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur < want)
		log_event(LOG_WARN, "few-descriptors", "have",
		    log_num((long long)r.rlim_cur).s, "want",
		    log_num((long long)want).s, NULL);
}

static unsigned
cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == -1
		   ? 1
		   : (unsigned)CPU_COUNT(&set);
}

static struct judges *
judges_start(const struct config *config)
{
	int threads = config->verify.threads;

	return judges_new(threads > 0 ? (unsigned)threads : cores(),
	    (size_t)config->verify.queue);
}

/* For whoever rotated: which key signs from here on, and how many there are. */
static void
log_keys(const struct jwt_keys *keys)
{
	const struct jwt_key *k;

	if (keys == NULL || (k = jwt_keys_signing(keys, clock_now())) == NULL)
		return;
	log_event(LOG_NOTE, "signing-key", "kid", k->kid, "keys",
	    log_num((long long)keys->n).s, NULL);
}

static enum err
server_order(struct server *s, struct config *config, struct why *why)
{
	struct plan *p;
	enum err e;

	files_allow(config);
	if ((e = plan_make(s, config, &p, why)) != ERR_OK)
		return e;
	if (p->verifier != NULL && s->judges == NULL)
		s->judges = judges_start(config);
	server_tell(s, plan_tell, p, false);
	plan_take(s, p);
	log_keys(p->keys);
	plan_free(p);
	return ERR_OK;
}

/* --- start ------------------------------------------------------------ */

/* The first one is waited for: a handler always has a snapshot. */
static void
snap_cb(void *arg, struct snap *snap)
{
	struct worker *w = arg;
	bool first = w->snap == NULL;

	snap_ref(snap);
	snap_unref(w->snap);
	w->snap = snap;
	if (first)
		told(w->server);
}

static void
worker_begin(struct worker *w, void *arg)
{
	(void)arg;
	storage_subscribe(w->storage, snap_cb, w);
}

static struct server *
server_new(const struct route *const *lists, size_t n_lists,
    struct config *config, struct storage *storage, struct upstream *upstream)
{
	struct server *s = xcalloc(1, sizeof(*s));
	pthread_condattr_t attr;
	char *trail;

	s->config = config_ref(config);
	s->storage = storage;
	s->upstream = upstream;
	s->routes = routes_new(lists, n_lists);
	trail = storage == NULL ? NULL : trail_path(config->database);
	s->trail = trail_new(trail);
	free(trail);
	must(pthread_mutex_init(&s->mu, NULL) == 0);
	must(pthread_condattr_init(&attr) == 0);
	must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&s->changed, &attr) == 0);
	pthread_condattr_destroy(&attr);
	s->tally = tally_new();
	s->prover = loop_new("prover");
	loop_start(s->prover);
	return s;
}

static void
workers_start(struct server *s)
{
	unsigned i;

	s->n_workers =
	    s->config->workers > 0 ? (unsigned)s->config->workers : cores();
	s->workers = xcalloc(s->n_workers, sizeof(struct worker *));
	for (i = 0; i < s->n_workers; i++) {
		s->workers[i] = worker_new(s, i, s->routes, s->config,
		    s->storage, s->upstream);
		loop_start(s->workers[i]->loop);
	}
	if (s->storage != NULL)
		server_tell(s, worker_begin, NULL, true);
}

enum err
server_start_routes(const struct route *const *lists, size_t n_lists,
    struct config *config, struct storage *storage, struct upstream *upstream,
    struct server **out, struct why *why)
{
	struct server *s =
	    server_new(lists, n_lists, config, storage, upstream);
	enum err e;

	workers_start(s);
	if ((e = server_order(s, config, why)) != ERR_OK) {
		server_free(s);
		return e;
	}
	*out = s;
	return ERR_OK;
}

enum err
server_reload(struct server *s, struct config *config, struct why *why)
{
	return server_order(s, config, why);
}

void
server_pulse(struct server *s, struct pulse *pulse)
{
	unsigned i;

	for (i = 0; i < s->n_workers; i++)
		pulse_watch(pulse, s->workers[i]->loop);
}

struct judges *
server_judges(struct server *s)
{
	return s->judges;
}

struct tally *
server_tally(struct server *s)
{
	return s->tally;
}

int
server_port(struct server *s, unsigned listener)
{
	must(listener < s->n_bound);
	return s->bound[listener].port;
}

/* --- the end ---------------------------------------------------------- */

static void
tell_drain(struct worker *w, void *arg)
{
	(void)arg;
	worker_drain(w);
}

static void
tell_abort(struct worker *w, void *arg)
{
	(void)arg;
	worker_abort(w);
}

void
server_drain(struct server *s)
{
	size_t i;

	for (i = 0; i < s->n_bound; i++)
		listen_unlink(s->bound[i].address);
	server_tell(s, tell_drain, NULL, false);
	if (!server_wait(s, server_connections,
		(int64_t)s->config->limits.drain_s * 1000))
		log_event(LOG_WARN, "drain-cut-short", "connections",
		    log_num((long long)server_connections(s)).s, NULL);
	server_tell(s, tell_abort, NULL, false);
}

static void
workers_stop(struct server *s)
{
	unsigned i;

	for (i = 0; i < s->n_workers; i++) {
		if (s->storage != NULL)
			storage_unsubscribe(s->storage, snap_cb, s->workers[i]);
		loop_stop(s->workers[i]->loop);
	}
	for (i = 0; i < s->n_workers; i++)
		loop_join(s->workers[i]->loop);
	if (s->storage != NULL)
		storage_drain(s->storage);
}

void
server_free(struct server *s)
{
	size_t i;

	if (s == NULL)
		return;
	server_tell(s, tell_drain, NULL, false);
	server_tell(s, tell_abort, NULL, false);
	/* Ends what requests wait for, and what was begun without one. */
	if (s->upstream != NULL)
		upstream_drain(s->upstream);
	if (!server_wait(s, server_orphans, ORPHANS_MS))
		log_event(LOG_ERROR, "requests-never-answered", "n",
		    log_num((long long)server_orphans(s)).s, NULL);
	loop_stop(s->prover);
	loop_join(s->prover);
	workers_stop(s);
	/* What they still run is answered to nobody. */
	judges_free(s->judges);
	tally_free(s->tally);
	loop_free(s->prover);
	for (i = 0; i < s->n_workers; i++)
		worker_free(s->workers[i]);
	free(s->workers);
	for (i = 0; i < s->n_bound; i++) {
		listen_unlink(s->bound[i].address);
		free(s->bound[i].address);
	}
	free(s->bound);
	routes_free(s->routes);
	config_unref(s->config);
	pthread_mutex_destroy(&s->mu);
	pthread_cond_destroy(&s->changed);
	trail_free(s->trail);
	free(s);
}
