/*
 * Counters.  metric.def is the list; every thread adds to its own copy and
 * metric_write sums them.  Gauges and per-host series are written by the
 * modules that own the numbers.
 */
#ifndef CONFIG_BASE_METRIC_H
#define CONFIG_BASE_METRIC_H

#include "config/base/blob.h"

enum metric {
#define METRIC(sym, name, labels, help) sym,
#include "config/base/metric.def"
#undef METRIC
	METRIC_N
};

void metric_add(enum metric, uint64_t n);
static inline void
metric_inc(enum metric m)
{
	metric_add(m, 1);
}

/* Refusals at the trust gate and errors answered, counted by reason. */
void metric_refused(enum err);
void metric_answered(enum err);

uint64_t metric_get(enum metric); /* sum over all threads */
uint64_t metric_refused_get(enum err);
uint64_t metric_answered_get(enum err);

/* All of it in Prometheus' text format, appended to the buf. */
void metric_write(struct buf *);

#endif
