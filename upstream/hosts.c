#include "upstream/hosts.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/mbox.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "upstream/flight.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The statuses that mean something; the rest is counted as "other", no
 * answer as "none". */
static const int statuses[] = { 200, 400, 401, 403, 404, 408, 410, 429, 500,
	502, 503, 504 };
#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))

/* Upper bounds of the latency histogram. */
static const struct {
	int64_t us;
	const char *le;
} bounds[] = { { 10000, "0.01" }, { 50000, "0.05" }, { 100000, "0.1" },
	{ 250000, "0.25" }, { 500000, "0.5" }, { 1000000, "1" },
	{ 2500000, "2.5" }, { 5000000, "5" }, { 10000000, "10" },
	{ 30000000, "30" } };
#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

/* KDS keeps its word for longer than others do (amd-kds 2.6). */
#define KDS_PAUSE_MIN_MS 30000
#define KDS_PAUSE_MAX_MS 1800000

/* Written by the fetch thread, read by any. */
struct host_count {
	char *name;
	_Atomic uint64_t status[N_STATUSES + 2]; /* ..., other, none */
	_Atomic uint64_t bucket[N_BOUNDS + 1];
	_Atomic uint64_t sum_us;
	_Atomic int state, asking;
	_Atomic bool paused;
	_Atomic size_t queued;
};

struct hosts {
	struct loop *loop;
	struct origin_limits limits[LANE_N];
	size_t n;
	struct host *host[HOSTS_MAX];
	/* What other threads look at: grows, and never shrinks. */
	_Atomic size_t n_count;
	struct host_count *count[HOSTS_MAX];
	void (*recovered)(void *);
	void *recovered_arg;
};

/* --- time ------------------------------------------------------------- */

/* A virtual clock may stand years before the boot: 0 is still long ago. */
#define HOSTS_EPOCH_MS ((int64_t)100 * 365 * 86400 * 1000)

int64_t
hosts_ms(void)
{
	return clock_mono_ms() + clock_offset() * 1000 + HOSTS_EPOCH_MS;
}

struct origin_now
hosts_now(void)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return (struct origin_now){ hosts_ms(), clock_now(),
		(double)r / 4294967296.0 };
}

/* --- the set ---------------------------------------------------------- */

struct hosts *
hosts_new(struct loop *loop, struct config *config)
{
	struct hosts *hs = xcalloc(1, sizeof(*hs));

	hs->loop = loop;
	hosts_configure(hs, config);
	return hs;
}

void
hosts_configure(struct hosts *hs, struct config *config)
{
	struct origin_limits *l = hs->limits;

	l[LANE_ALL] = (struct origin_limits){
		.parallel = config->upstream.parallel,
		.rate_per_minute = config->upstream.rate_per_minute,
	};
	l[LANE_KDS] = l[LANE_ALL];
	l[LANE_KDS].pause_min_ms = KDS_PAUSE_MIN_MS;
	l[LANE_KDS].pause_max_ms = KDS_PAUSE_MAX_MS;
	l[LANE_VCEK] = l[LANE_KDS];
	l[LANE_VCEK].rate_per_minute = config->upstream.kds.vcek_per_minute;
	l[LANE_VCEK].burst = config->upstream.kds.vcek_burst;
}

void
hosts_free(struct hosts *hs)
{
	size_t i;

	if (hs == NULL)
		return;
	for (i = 0; i < hs->n; i++) {
		must(hs->host[i]->n_queued == 0);
		timer_free(hs->host[i]->timer);
		free(hs->host[i]->name);
		free(hs->host[i]->origin_name);
		free(hs->host[i]);
		free(hs->count[i]->name);
		free(hs->count[i]);
	}
	free(hs);
}

void
hosts_on_recovery(struct hosts *hs, void (*fn)(void *), void *arg)
{
	hs->recovered = fn;
	hs->recovered_arg = arg;
}

static void host_pump(struct host *);

static void
host_timer_cb(void *arg)
{
	host_pump(arg);
}

static char *
host_name(const char *origin, enum lane lane)
{
	static const char *const tails[LANE_N] = { "", "/kds", "/vcek" };
	struct buf b = BUF_INIT;

	buf_str(&b, origin);
	buf_str(&b, tails[lane]);
	return b.p;
}

struct host *
hosts_get(struct hosts *hs, const char *origin, enum lane lane)
{
	struct origin_now now = hosts_now();
	struct host *h;
	size_t i;

	for (i = 0; i < hs->n; i++) {
		h = hs->host[i];
		if (h->lane == lane && strcmp(h->origin_name, origin) == 0)
			return h;
	}
	if (hs->n == HOSTS_MAX)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->name = host_name(origin, lane);
	h->origin_name = xstrdup(origin);
	h->lane = lane;
	h->hosts = hs;
	origin_init(&h->origin, &hs->limits[lane], &now);
	TAILQ_INIT(&h->front);
	TAILQ_INIT(&h->back);
	h->timer = timer_new(hs->loop, host_timer_cb, h);
	h->count = xcalloc(1, sizeof(*h->count));
	h->count->name = xstrdup(h->name);
	hs->host[hs->n] = h;
	hs->count[hs->n] = h->count;
	hs->n++;
	atomic_store_explicit(&hs->n_count, hs->n, memory_order_release);
	return h;
}

/* --- the queue -------------------------------------------------------- */

static void
host_note(struct host *h)
{
	struct host_count *c = h->count;

	atomic_store_explicit(&c->state, (int)h->origin.state,
	    memory_order_relaxed);
	atomic_store_explicit(&c->asking, h->origin.asking,
	    memory_order_relaxed);
	atomic_store_explicit(&c->paused, h->origin.pause_until > hosts_ms(),
	    memory_order_relaxed);
	atomic_store_explicit(&c->queued, h->n_queued, memory_order_relaxed);
}

static struct flight *
host_first(struct host *h)
{
	struct flight *f = TAILQ_FIRST(&h->front);

	return f != NULL ? f : TAILQ_FIRST(&h->back);
}

/* Clients first; what no client waits for goes when no client does. */
static struct flight *
host_take(struct host *h)
{
	struct flight *f = host_first(h);

	h->turn = f->turn;
	host_unqueue(h, f);
	return f;
}

/* Everyone who waits here hears why it makes no sense. */
static void
host_deny(struct host *h)
{
	struct why why = { 0 };

	(void)origin_why(&h->origin, h->name, hosts_ms(), &why);
	while (host_first(h) != NULL)
		flight_denied(host_take(h), &why);
}

/*
 * Let as many go as the origin allows.  What is called here may queue, cancel
 * and come back: the guard keeps that flat.
 */
static void
host_pump(struct host *h)
{
	struct origin_now now;
	int64_t until;
	enum origin_go go = ORIGIN_GO;

	if (h->pumping)
		return;
	h->pumping = true;
	while (
	    host_first(h) != NULL && (go == ORIGIN_GO || go == ORIGIN_PROBE)) {
		now = hosts_now();
		go = origin_ask(&h->origin, &h->hosts->limits[h->lane], &now,
		    &until);
		switch (go) {
		case ORIGIN_GO:
		case ORIGIN_PROBE:
			flight_slot(host_take(h), go == ORIGIN_PROBE);
			break;
		case ORIGIN_LATER:
			timer_set(h->timer, (long)(until - now.ms) + 1);
			break;
		case ORIGIN_FULL:
			break;
		case ORIGIN_PAUSED:
		case ORIGIN_RESTING:
			host_deny(h);
			break;
		}
	}
	h->pumping = false;
	host_note(h);
}

/* Behind all that were given an earlier turn, or the same. */
static void
host_insert(struct host *h, struct flight *f, struct flight_list *lane)
{
	uint64_t *last = &h->last_turn[f->source % HOST_SOURCES];
	struct flight *at;

	f->turn = (*last > h->turn ? *last : h->turn) + 1;
	*last = f->turn;
	at = TAILQ_LAST(lane, flight_list);
	while (at != NULL && at->turn > f->turn)
		at = TAILQ_PREV(at, flight_list, queue_link);
	if (at == NULL)
		TAILQ_INSERT_HEAD(lane, f, queue_link);
	else
		TAILQ_INSERT_AFTER(lane, at, f, queue_link);
	f->lane = lane;
}

/* Nobody comes back for what takes an hour. */
static size_t
host_room(const struct host *h)
{
	const struct origin_limits *l = &h->hosts->limits[h->lane];
	size_t hour = (size_t)l->rate_per_minute * HOST_HOUR;

	return hour == 0 || hour > HOST_QUEUED ? HOST_QUEUED : hour;
}

/* The one whose turn comes last makes room. */
static void
host_shed(struct host *h)
{
	struct flight *f = TAILQ_LAST(&h->back, flight_list);
	struct why why = { 0 };

	if (f == NULL)
		f = TAILQ_LAST(&h->front, flight_list);
	metric_inc(M_SHED_WAITERS);
	(void)why_set(&why, ERR_SHED, "upstream", "%zu fetches wait for %s",
	    h->n_queued, h->name);
	host_unqueue(h, f);
	flight_denied(f, &why);
}

void
host_queue(struct host *h, struct flight *f, bool background)
{
	host_insert(h, f, background ? &h->back : &h->front);
	h->n_queued++;
	if (h->n_queued > host_room(h))
		host_shed(h);
	host_pump(h);
}

void
host_unqueue(struct host *h, struct flight *f)
{
	must(f->lane == &h->front || f->lane == &h->back);
	TAILQ_REMOVE(f->lane, f, queue_link);
	f->lane = NULL;
	h->n_queued--;
	host_note(h);
}

void
host_promote(struct host *h, struct flight *f)
{
	if (f->lane != &h->back)
		return;
	TAILQ_REMOVE(&h->back, f, queue_link);
	host_insert(h, f, &h->front);
}

int64_t
hosts_next(const struct hosts *hs)
{
	int64_t now = hosts_ms(), until, first = 0;
	size_t i;

	for (i = 0; i < hs->n; i++) {
		if (origin_look(&hs->host[i]->origin, now, &until) == ORIGIN_GO)
			continue;
		if (first == 0 || until - now < first)
			first = until - now;
	}
	return first;
}

void
hosts_tick(struct hosts *hs)
{
	size_t i;

	for (i = 0; i < hs->n; i++)
		host_pump(hs->host[i]);
}

/* --- how it went ------------------------------------------------------ */

static void
host_count(struct host_count *c, int status, int64_t us)
{
	size_t i = 0;

	if (status == 0) {
		i = N_STATUSES + 1;
	} else {
		while (i < N_STATUSES && statuses[i] != status)
			i++;
	}
	atomic_fetch_add_explicit(&c->status[i], 1, memory_order_relaxed);
	for (i = 0; i < N_BOUNDS && us > bounds[i].us; i++)
		;
	atomic_fetch_add_explicit(&c->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->sum_us, (uint64_t)us,
	    memory_order_relaxed);
}

/* One line per change of state; single failures are the flights' to log. */
static void
host_log(const struct host *h, enum origin_state was, int64_t paused_was)
{
	const struct origin *o = &h->origin;
	char since[TIME_LEN];

	time_write(o->down_at, since);
	if (o->state == ORIGIN_DOWN && was == ORIGIN_UP)
		log_event(LOG_WARN, "origin-down", "origin", h->name, "since",
		    since, "reason", err_token(o->last.err), "text",
		    o->last.text, NULL);
	if (o->state == ORIGIN_UP && was != ORIGIN_UP)
		log_event(LOG_NOTE, "origin-up", "origin", h->name, NULL);
	if (o->pause_until > paused_was)
		log_event(LOG_WARN, "origin-paused", "origin", h->name,
		    "seconds",
		    log_num((o->pause_until - hosts_ms() + 999) / 1000).s,
		    NULL);
}

void
host_done(struct host *h, bool probe, const struct why *health,
    int64_t retry_after_s, int status, int64_t us)
{
	struct origin_now now = hosts_now();
	enum origin_state was = h->origin.state;
	int64_t paused_was = h->origin.pause_until;

	origin_done(&h->origin, &now, probe, health, retry_after_s);
	host_count(h->count, status, us);
	host_log(h, was, paused_was);
	host_note(h);
	if (was != ORIGIN_UP && h->origin.state == ORIGIN_UP &&
	    h->hosts->recovered != NULL)
		h->hosts->recovered(h->hosts->recovered_arg);
	host_pump(h);
}

void
host_left(struct host *h, bool probe)
{
	struct origin_now now = hosts_now();

	origin_left(&h->origin, &now, probe);
	host_note(h);
	host_pump(h);
}

/* --- for people and for Prometheus ------------------------------------ */

static json_t *
host_json(const struct host *h)
{
	const struct origin *o = &h->origin;
	char at[TIME_LEN];
	int64_t now = hosts_ms();
	json_t *j = json_pack("{s:s, s:s, s:i, s:I}", "origin", h->name,
	    "state", origin_state_name(o->state), "asking", o->asking, "queued",
	    (json_int_t)h->n_queued);

	must(j != NULL);
	if (o->down_at != 0) {
		time_write(o->down_at, at);
		json_object_set_new(j,
		    o->state == ORIGIN_UP ? "failing_since" : "down_since",
		    json_string(at));
	}
	if (o->state == ORIGIN_DOWN && o->rest_until > now)
		json_object_set_new(j, "asked_again_in_s",
		    json_integer((o->rest_until - now + 999) / 1000));
	if (o->pause_until > now)
		json_object_set_new(j, "paused_for_s",
		    json_integer((o->pause_until - now + 999) / 1000));
	if (o->last.err != ERR_OK) {
		time_write(o->failed_at, at);
		json_object_set_new(j, "last_error",
		    json_pack("{s:s, s:s, s:s}", "at", at, "reason",
			err_token(o->last.err), "text", o->last.text));
	}
	return j;
}

json_t *
hosts_json(const struct hosts *hs)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < hs->n; i++)
		json_array_append_new(list, host_json(hs->host[i]));
	return list;
}

static void
count_statuses(const struct host_count *c, struct buf *b)
{
	uint64_t v;
	size_t i;

	for (i = 0; i < N_STATUSES + 2; i++) {
		v = atomic_load_explicit(&c->status[i], memory_order_relaxed);
		if (v == 0)
			continue;
		buf_printf(b, "larder_upstream_answers_total{origin=\"%s\",",
		    c->name);
		if (i < N_STATUSES)
			buf_printf(b, "status=\"%d\"} %" PRIu64 "\n",
			    statuses[i], v);
		else
			buf_printf(b, "status=\"%s\"} %" PRIu64 "\n",
			    i == N_STATUSES ? "other" : "none", v);
	}
}

static void
count_latency(const struct host_count *c, struct buf *b)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < N_BOUNDS + 1; i++) {
		n += atomic_load_explicit(&c->bucket[i], memory_order_relaxed);
		buf_printf(b,
		    "larder_upstream_seconds_bucket{origin=\"%s\",le=\"%s\"} "
		    "%" PRIu64 "\n",
		    c->name, i < N_BOUNDS ? bounds[i].le : "+Inf", n);
	}
	buf_printf(b, "larder_upstream_seconds_sum{origin=\"%s\"} %.6f\n",
	    c->name,
	    (double)atomic_load_explicit(&c->sum_us, memory_order_relaxed) /
		1e6);
	buf_printf(b,
	    "larder_upstream_seconds_count{origin=\"%s\"} %" PRIu64 "\n",
	    c->name, n);
}

/* One line of a gauge for each origin. */
static void
gauge(const struct hosts *hs, struct buf *b, const char *name, const char *help,
    long (*value)(const struct host_count *))
{
	size_t i, n;

	n = atomic_load_explicit(&hs->n_count, memory_order_acquire);
	buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
	for (i = 0; i < n; i++)
		buf_printf(b, "%s{origin=\"%s\"} %ld\n", name,
		    hs->count[i]->name, value(hs->count[i]));
}

static long
value_up(const struct host_count *c)
{
	return atomic_load_explicit(&c->state, memory_order_relaxed) ==
	       ORIGIN_UP;
}

static long
value_paused(const struct host_count *c)
{
	return atomic_load_explicit(&c->paused, memory_order_relaxed);
}

static long
value_asking(const struct host_count *c)
{
	return atomic_load_explicit(&c->asking, memory_order_relaxed);
}

static long
value_queued(const struct host_count *c)
{
	return (long)atomic_load_explicit(&c->queued, memory_order_relaxed);
}

void
hosts_metrics(const struct hosts *hs, struct buf *b)
{
	size_t i, n;

	n = atomic_load_explicit(&hs->n_count, memory_order_acquire);
	gauge(hs, b, "larder_upstream_up",
	    "1 while the circuit of this origin is closed", value_up);
	gauge(hs, b, "larder_upstream_paused",
	    "1 while this origin has us throttled", value_paused);
	gauge(hs, b, "larder_upstream_asking",
	    "Exchanges with this origin in progress", value_asking);
	gauge(hs, b, "larder_upstream_queued",
	    "Fetches waiting for a slot at this origin", value_queued);
	buf_str(b,
	    "# HELP larder_upstream_answers_total Answers by HTTP status\n"
	    "# TYPE larder_upstream_answers_total counter\n");
	for (i = 0; i < n; i++)
		count_statuses(hs->count[i], b);
	buf_str(b, "# HELP larder_upstream_seconds Duration of exchanges\n"
		   "# TYPE larder_upstream_seconds histogram\n");
	for (i = 0; i < n; i++)
		count_latency(hs->count[i], b);
}
