/*
 * How many fetches each source of clients may cause: a token bucket for each,
 * in a bounded table; the source that was charged longest ago is forgotten
 * first.  Pure: the caller brings the time.  One thread.  Private to
 * upstream/.
 */
#ifndef UPSTREAM_BUDGET_H
#define UPSTREAM_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

#define BUDGET_MAX 65536 /* sources; each is some 100 bytes */

struct budget_limits {
	int per_minute; /* 0: no limit */
	int burst;      /* what a bucket holds */
};

struct budget *budget_new(size_t max);
void budget_free(struct budget *);
size_t budget_len(const struct budget *);
/*
 * Charge a source with one fetch.  False: its bucket is empty, and there will
 * be one in *wait_ms.
 */
bool budget_take(struct budget *, const struct budget_limits *, uint32_t source,
    int64_t now_ms, int64_t *wait_ms);

#endif
