/*
 * storage_metrics(): what storage knows as numbers, in Prometheus' text
 * format.  Any thread.
 */
#include "config/base/must.h"
#include "storage/baseline_int.h"
#include "storage/impact.h"

#include <inttypes.h>

static const char *const kind_name[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = name,
#include "storage/coll.def"
#undef COLL
};

static void
gauge_head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(struct buf *b, const char *name, const char *type, const char *help,
    uint64_t value)
{
	gauge_head(b, name, type, help);
	buf_printf(b, "%s %" PRIu64 "\n", name, value);
}

/* --- objects ---------------------------------------------------------- */

struct kind_sum {
	uint64_t n, bytes, unchecked;
	time_t success;
};

static void
sum_one(void *arg, struct coll *c)
{
	struct kind_sum *sum = (struct kind_sum *)arg + c->key.kind;
	int i;

	sum->n++;
	sum->unchecked += c->revocation_unchecked;
	for (i = 0; i < FORM_N; i++)
		if (c->form[i].body != NULL)
			sum->bytes +=
			    c->form[i].body->len + c->form[i].head->len;
	if (c->fetched_at > sum->success)
		sum->success = c->fetched_at;
}

static void
kind_gauge(struct buf *b, const char *name, const char *help,
    const struct kind_sum *sum, uint64_t (*value)(const struct kind_sum *))
{
	int i;

	gauge_head(b, name, "gauge", help);
	for (i = 0; i < COLL_N; i++)
		buf_printf(b, "%s{kind=\"%s\"} %" PRIu64 "\n", name,
		    kind_name[i], value(&sum[i]));
}

static uint64_t
sum_n(const struct kind_sum *s)
{
	return s->n;
}

static uint64_t
sum_bytes(const struct kind_sum *s)
{
	return s->bytes;
}

static uint64_t
sum_unchecked(const struct kind_sum *s)
{
	return s->unchecked;
}

static uint64_t
sum_success(const struct kind_sum *s)
{
	return (uint64_t)s->success;
}

/* Of AMD's endorsement keys, which no snapshot holds. */
static void
sum_veks(struct storage *st, struct kind_sum *sum)
{
	struct vekcache_stats vs = vekcache_stats(st->vekcache);

	sum->n = vs.veks;
	sum->bytes = vs.bytes;
	sum->success = vs.fetched_at;
}

struct object_gauge {
	struct buf *b;
	const char *name;
	int64_t (*value)(const struct coll *);
	const struct baseline *baseline;
};

static int64_t
issue_value(const struct coll *c)
{
	return c->issue_at;
}

static int64_t
next_value(const struct coll *c)
{
	return c->next_update;
}

static int64_t
eval_value(const struct coll *c)
{
	return c->eval_num;
}

static int64_t
crl_number_value(const struct coll *c)
{
	return c->key.kind == COLL_AMD_CRL ? (int64_t)c->facts.amd_crl->number
					   : 0;
}

/* A value of 0 says that the kind has none. */
static void
object_one(void *arg, struct coll *c)
{
	struct object_gauge *g = arg;
	int64_t v = g->value(c);

	/* Alerts are not for what ends and nobody misses. */
	if (v != 0 && !baseline_retired(g->baseline, &c->key))
		buf_printf(g->b, "%s{object=\"%s\"} %" PRId64 "\n", g->name,
		    c->key.text, v);
}

static void
object_gauge(struct buf *b, const struct snap *snap, const char *name,
    const char *help, int64_t (*value)(const struct coll *))
{
	struct object_gauge g = { b, name, value, snap_baseline(snap) };

	gauge_head(b, name, "gauge", help);
	snap_each(snap, object_one, &g);
}

static void
objects_write(struct storage *st, struct buf *b)
{
	struct kind_sum sum[COLL_N] = { { 0, 0, 0, 0 } };
	struct snap *snap;

	must(pthread_mutex_lock(&st->lock) == 0);
	snap = snap_ref(st->snap);
	must(pthread_mutex_unlock(&st->lock) == 0);
	snap_each(snap, sum_one, sum);
	sum_veks(st, &sum[COLL_VEK]);
	kind_gauge(b, "larder_objects", "Objects held in memory", sum, sum_n);
	kind_gauge(b, "larder_object_bytes",
	    "Bytes of ready-made answers of objects", sum, sum_bytes);
	kind_gauge(b, "larder_objects_revocation_unchecked",
	    "Objects admitted before a root CRL was held", sum, sum_unchecked);
	kind_gauge(b, "larder_last_success_timestamp_seconds",
	    "When an object of the kind was last fetched", sum, sum_success);
	buf_printf(b,
	    "larder_last_success_timestamp_seconds{kind=\"platform\"} %" PRId64
	    "\n",
	    atomic_load(&st->platform_success));
	object_gauge(b, snap, "larder_object_issue_timestamp_seconds",
	    "issueDate or thisUpdate", issue_value);
	object_gauge(b, snap, "larder_object_next_update_timestamp_seconds",
	    "nextUpdate", next_value);
	object_gauge(b, snap, "larder_object_eval_number",
	    "tcbEvaluationDataNumber", eval_value);
	object_gauge(b, snap, "larder_object_crl_number",
	    "cRLNumber of AMD's lists", crl_number_value);
	snap_unref(snap);
}

/* --- the rest --------------------------------------------------------- */

static void
platforms_write(struct storage *st, struct buf *b)
{
	struct platforms_stats ps = platforms_stats(st->platforms);

	gauge(b, "larder_platforms_stored", "gauge",
	    "Platforms in the database",
	    (uint64_t)atomic_load(&st->n_platforms));
	gauge(b, "larder_platforms_in_memory", "gauge",
	    "Platforms with answers in memory", ps.platforms);
	gauge(b, "larder_platform_answers", "gauge",
	    "Ready pckcert answers in memory", ps.answers);
	gauge(b, "larder_platform_bytes", "gauge", "Memory of pckcert answers",
	    ps.bytes);
	gauge(b, "larder_platform_hits_total", "counter",
	    "pckcert look-ups answered from memory", ps.hits);
	gauge(b, "larder_platform_misses_total", "counter",
	    "pckcert look-ups that memory could not answer", ps.misses);
	gauge(b, "larder_platform_evicted_total", "counter",
	    "Platforms put out of memory for lack of room", ps.evicted);
}

static void
veks_gauges(struct storage *st, struct buf *b)
{
	static const enum amd_side sides[] = { AMD_VCEK, AMD_VLEK };
	struct vekcache_stats vs = vekcache_stats(st->vekcache);
	int i, p;

	gauge_head(b, "larder_veks_stored", "gauge",
	    "AMD's endorsement keys in the database");
	for (i = 0; i < 2; i++)
		for (p = 0; p < AMD_PRODUCT_N; p++)
			buf_printf(b,
			    "larder_veks_stored{side=\"%s\",product=\"%s\"}"
			    " %" PRId64 "\n",
			    amd_side_name(sides[i]),
			    amd_product_name((enum amd_product)p),
			    atomic_load(&st->n_veks[sides[i]][p]));
	gauge(b, "larder_vlek_end_timestamp_seconds", "gauge",
	    "When the first provider's newest VLEK ends; 0: none is held",
	    (uint64_t)atomic_load(&st->vlek_end));
	gauge(b, "larder_vek_hits_total", "counter",
	    "VCEK and VLEK look-ups answered from memory", vs.hits);
	gauge(b, "larder_vek_misses_total", "counter",
	    "VCEK and VLEK look-ups that memory could not answer", vs.misses);
	gauge(b, "larder_vek_evicted_total", "counter",
	    "VCEKs and VLEKs put out of memory for lack of room", vs.evicted);
	gauge(b, "larder_vek_trimmed_total", "counter",
	    "VCEKs deleted because their chip had too many TCBs",
	    (uint64_t)atomic_load(&st->veks_trimmed));
}

static void
queue_write(struct storage *st, struct buf *b)
{
	static const struct {
		enum reg_state state;
		const char *name;
	} states[] = {
		{ REG_NEW, "new" },
		{ REG_NOT_AVAILABLE, "not_available" },
		{ REG_HANDED_OUT, "handed_out" },
	};
	size_t i;

	gauge_head(b, "larder_registration_queue", "gauge",
	    "Registrations that wait");
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		buf_printf(b,
		    "larder_registration_queue{state=\"%s\"} %" PRId64 "\n",
		    states[i].name,
		    atomic_load(&st->reg_count[states[i].state]));
	gauge(b, "larder_store_queue", "gauge",
	    "Calls that wait for the store thread",
	    (uint64_t)atomic_load(&st->queued));
	gauge(b, "larder_store_unsaved", "gauge",
	    "Versions of objects not yet in the database",
	    (uint64_t)atomic_load(&st->n_unsaved));
	gauge(b, "larder_database_ok", "gauge",
	    "Whether the last write to the database succeeded",
	    atomic_load(&st->db_err_seen) == ERR_OK);
	gauge(b, "larder_database_failures_total", "counter",
	    "Writes to the database that failed",
	    (uint64_t)atomic_load(&st->db_failures));
}

void
storage_metrics(struct storage *st, struct buf *b)
{
	objects_write(st, b);
	platforms_write(st, b);
	veks_gauges(st, b);
	queue_write(st, b);
	baseline_metrics(st, b);
	impact_metrics(st, b);
}
