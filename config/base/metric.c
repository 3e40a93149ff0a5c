#include "config/base/metric.h"

#include "config/base/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/*
 * One thread's counters.  Only that thread writes them, anyone may read; a
 * block outlives its thread, so that nothing that was counted is lost.
 */
struct block {
	struct block *next;
	_Atomic uint64_t count[METRIC_N];
	_Atomic uint64_t refused[ERR_N];
	_Atomic uint64_t answered[ERR_N];
};

static _Atomic(struct block *) blocks;
static _Thread_local struct block *mine;

static struct block *
block_get(void)
{
	struct block *b = mine;

	if (b != NULL)
		return b;
	b = mine = xcalloc(1, sizeof(*b));
	b->next = atomic_load(&blocks);
	while (!atomic_compare_exchange_weak(&blocks, &b->next, b))
		continue;
	return b;
}

/* No read-modify-write: this thread is the only writer. */
static void
bump(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

void
metric_add(enum metric m, uint64_t n)
{
	must((unsigned)m < METRIC_N);
	bump(&block_get()->count[m], n);
}

void
metric_refused(enum err e)
{
	must((unsigned)e < ERR_N);
	bump(&block_get()->refused[e], 1);
}

void
metric_answered(enum err e)
{
	must((unsigned)e < ERR_N);
	bump(&block_get()->answered[e], 1);
}

/* Sum of the counter that lies "at" bytes into every block. */
static uint64_t
sum(size_t at)
{
	struct block *b;
	uint64_t n = 0;

	for (b = atomic_load(&blocks); b != NULL; b = b->next) {
		n += atomic_load_explicit((_Atomic uint64_t *)(void *)((char *)
									   b +
								       at),
		    memory_order_relaxed);
	}
	return n;
}

uint64_t
metric_get(enum metric m)
{
	must((unsigned)m < METRIC_N);
	return sum(offsetof(struct block, count) + sizeof(uint64_t) * m);
}

uint64_t
metric_refused_get(enum err e)
{
	must((unsigned)e < ERR_N);
	return sum(offsetof(struct block, refused) + sizeof(uint64_t) * e);
}

uint64_t
metric_answered_get(enum err e)
{
	must((unsigned)e < ERR_N);
	return sum(offsetof(struct block, answered) + sizeof(uint64_t) * e);
}

static const struct {
	const char *name, *labels, *help;
} rows[METRIC_N] = {
#define METRIC(sym, name, labels, help) [sym] = { name, labels, help },
#include "config/base/metric.def"
#undef METRIC
};

static void
head_write(struct buf *b, const char *name, const char *help)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

static void
reasons_write(struct buf *b, const char *name, const char *help,
    uint64_t (*get)(enum err))
{
	int e;

	head_write(b, name, help);
	for (e = ERR_OK + 1; e < ERR_N; e++) {
		buf_printf(b, "%s{reason=\"%s\"} %llu\n", name,
		    err_token((enum err)e),
		    (unsigned long long)get((enum err)e));
	}
}

void
metric_write(struct buf *b)
{
	const char *last = "";
	int m;

	for (m = 0; m < METRIC_N; m++) {
		if (strcmp(rows[m].name, last) != 0)
			head_write(b, rows[m].name, rows[m].help);
		last = rows[m].name;
		buf_str(b, rows[m].name);
		if (rows[m].labels[0] != '\0')
			buf_printf(b, "{%s}", rows[m].labels);
		buf_printf(b, " %llu\n",
		    (unsigned long long)metric_get((enum metric)m));
	}
	reasons_write(b, "larder_refused_total",
	    "Objects refused at the trust gate by reason", metric_refused_get);
	reasons_write(b, "larder_errors_total",
	    "Requests answered with an error by reason", metric_answered_get);
}
