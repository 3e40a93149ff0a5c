#include "server/tally.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Names of checks are larder's own and few; more is a mistake. */
#define CHECKS_MAX 512

enum outcome { ACCEPTED, REJECTED, INVALID, OUTCOMES };
static const char *const outcome_name[OUTCOMES] = { "accepted", "rejected",
	"invalid" };

static const int64_t bound_us[] = { 100, 250, 500, 1000, 2500, 5000, 10000,
	25000, 100000 };
#define BOUNDS (sizeof(bound_us) / sizeof(bound_us[0]))

struct tally {
	pthread_mutex_t mu;
	uint64_t count[EVIDENCE_KIND_N][OUTCOMES];
	uint64_t missing;
	uint64_t bucket[BOUNDS + 1];
	uint64_t total_us;
	struct map *checks; /* to uint64_t */
};

struct tally *
tally_new(void)
{
	struct tally *t = xcalloc(1, sizeof(*t));

	must(pthread_mutex_init(&t->mu, NULL) == 0);
	t->checks = map_new();
	return t;
}

void
tally_free(struct tally *t)
{
	struct map_iter it;
	struct span key;
	void *value;

	if (t == NULL)
		return;
	for (it = map_iter(t->checks); map_next(&it, &key, &value);)
		free(value);
	map_free(t->checks);
	pthread_mutex_destroy(&t->mu);
	free(t);
}

static void
count_check(struct tally *t, const char *check)
{
	uint64_t *n = map_get(t->checks, span_str(check));

	if (n == NULL) {
		if (map_len(t->checks) == CHECKS_MAX)
			return;
		n = xcalloc(1, sizeof(*n));
		(void)map_put(t->checks, span_str(check), n);
	}
	++*n;
}

void
tally_verdict(struct tally *t, const struct run_out *o, int64_t us)
{
	enum outcome what = o->accepted ? ACCEPTED
			    : o->valid  ? REJECTED
					: INVALID;
	size_t i = 0;

	while (i < BOUNDS && us > bound_us[i])
		i++;
	pthread_mutex_lock(&t->mu);
	t->count[o->kind][what]++;
	t->bucket[i]++;
	t->total_us += (uint64_t)us;
	if (what != ACCEPTED)
		count_check(t, o->check);
	pthread_mutex_unlock(&t->mu);
}

void
tally_missing(struct tally *t)
{
	pthread_mutex_lock(&t->mu);
	t->missing++;
	pthread_mutex_unlock(&t->mu);
}

static void
write_counts(const struct tally *t, struct buf *b)
{
	struct map_iter it;
	struct span key;
	void *value;
	int k, o;

	buf_str(b, "# HELP larder_verdicts_total Verdicts on evidence\n"
		   "# TYPE larder_verdicts_total counter\n");
	for (k = 0; k < EVIDENCE_KIND_N; k++)
		for (o = 0; o < OUTCOMES; o++)
			buf_printf(b,
			    "larder_verdicts_total{tee=\"%s\",result=\"%s\"}"
			    " %" PRIu64 "\n",
			    evidence_kind_name((enum evidence_kind)k),
			    outcome_name[o], t->count[k][o]);
	buf_str(b, "# HELP larder_verdict_reasons_total Verdicts that are not"
		   " accepted, by their first reason\n"
		   "# TYPE larder_verdict_reasons_total counter\n");
	for (it = map_iter(t->checks); map_next(&it, &key, &value);)
		buf_printf(b,
		    "larder_verdict_reasons_total{check=\"%.*s\"} %" PRIu64
		    "\n",
		    (int)key.len, (const char *)key.p, *(uint64_t *)value);
	buf_printf(b,
	    "# HELP larder_verdicts_without_collateral_total Questions that"
	    " could not be answered for want of collateral\n"
	    "# TYPE larder_verdicts_without_collateral_total counter\n"
	    "larder_verdicts_without_collateral_total %" PRIu64 "\n",
	    t->missing);
}

static void
write_seconds(const struct tally *t, struct buf *b)
{
	uint64_t n = 0;
	size_t i;

	buf_str(b, "# HELP larder_verdict_seconds Time of a judge for one"
		   " verdict\n"
		   "# TYPE larder_verdict_seconds histogram\n");
	for (i = 0; i < BOUNDS; i++) {
		n += t->bucket[i];
		buf_printf(b,
		    "larder_verdict_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
		    (double)bound_us[i] / 1e6, n);
	}
	n += t->bucket[BOUNDS];
	buf_printf(b,
	    "larder_verdict_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
	    "larder_verdict_seconds_sum %.6f\n"
	    "larder_verdict_seconds_count %" PRIu64 "\n",
	    n, (double)t->total_us / 1e6, n);
}

void
tally_write(struct tally *t, struct judges *judges, struct buf *b)
{
	pthread_mutex_lock(&t->mu);
	write_counts(t, b);
	write_seconds(t, b);
	pthread_mutex_unlock(&t->mu);
	buf_printf(b,
	    "# HELP larder_verify_queue Evidence waiting for a judge\n"
	    "# TYPE larder_verify_queue gauge\n"
	    "larder_verify_queue %zu\n",
	    judges == NULL ? (size_t)0 : judges_waiting(judges));
}
