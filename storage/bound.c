#include "storage/bound.h"

#include "config/base/metric.h"
#include "storage/fleet.h"

static bool
count_row(void *arg, const struct db_val *col)
{
	int64_t *n = arg;

	*n = col[0].i;
	return false;
}

/* Rows there are: "n" is what they were thought to be before this one. */
static enum err
bound_count(struct storage *st, struct bound *b, int64_t max, enum sql count,
    struct why *why)
{
	enum err e;

	if (b->known && ++b->n <= max)
		return ERR_OK;
	if ((e = store_read(st, count, NULL, 0, count_row, &b->n, why)) !=
	    ERR_OK)
		return e;
	b->known = true;
	return ERR_OK;
}

/* How many go: some more than need to, so that not every row has to count. */
static int64_t
bound_excess(const struct bound *b, int64_t max)
{
	return b->n <= max ? 0 : b->n - max + max / 64;
}

static bool
platform_gone(void *arg, const struct db_val *col)
{
	struct storage *st = arg;

	if (col[0].s.len == 32)
		fleet_touch(st, col[0].s.p);
	return true;
}

enum err
bound_platforms(struct storage *st, struct why *why)
{
	struct bound *b = &st->bound_platforms;
	int64_t max = st->config->cache.platforms_on_demand, excess;
	enum err e;

	if ((e = bound_count(st, b, max, SQL_PLATFORM_ON_DEMAND, why)) !=
		ERR_OK ||
	    (excess = bound_excess(b, max)) == 0)
		return e;
	b->known = false;
	st->recount = true;
	metric_add(M_FORGOTTEN_PLATFORMS, (uint64_t)excess);
	return st->ops->run(st->db, SQL_PLATFORM_BOUND, VALS(db_int(excess)),
	    platform_gone, st, NULL, why);
}

enum err
bound_vceks(struct storage *st, struct why *why)
{
	struct bound *b = &st->bound_vceks;
	int64_t max = st->config->cache.vceks, excess;
	enum err e;

	if ((e = bound_count(st, b, max, SQL_VEK_VCEKS, why)) != ERR_OK ||
	    (excess = bound_excess(b, max)) == 0)
		return e;
	b->known = false;
	st->veks_changed = true;
	metric_add(M_FORGOTTEN_VCEKS, (uint64_t)excess);
	return st->ops->run(st->db, SQL_VEK_BOUND, VALS(db_int(excess)), NULL,
	    NULL, NULL, why);
}
