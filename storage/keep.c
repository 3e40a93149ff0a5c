/*
 * Housekeeping: counters, old rows, and what need not be written at once.
 */
#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/amd.h"
#include "storage/baseline_int.h"
#include "storage/fleet.h"
#include "storage/veks.h"

#include <stdlib.h>

#define TICKS_PER_HOUR   (3600 * 1000 / KEEP_TICK_MS)
#define TICKS_PER_MINUTE (60 * 1000 / KEEP_TICK_MS)

/* Platforms whose last_seen goes into one transaction. */
#define SEEN_MAX 1024

static bool
number_row(void *arg, const struct db_val *col)
{
	int64_t *n = arg;

	*n = col[0].i;
	return false;
}

static bool
reg_count_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;

	if (col[0].i >= 0 && col[0].i <= REG_DELETED)
		atomic_store(&st->reg_count[col[0].i], col[1].i);
	return true;
}

enum err
keep_count(struct storage *st, struct why *why)
{
	int64_t platforms = 0, policies = 0, latest = 0;
	enum err e;
	int i;

	for (i = 0; i <= REG_DELETED; i++)
		atomic_store(&st->reg_count[i], 0);
	if ((e = store_read(st, SQL_REG_COUNT, NULL, 0, reg_count_row, st,
		 why)) != ERR_OK ||
	    (e = store_read(st, SQL_PLATFORM_COUNT, NULL, 0, number_row,
		 &platforms, why)) != ERR_OK ||
	    (e = store_read(st, SQL_POLICY_COUNT, NULL, 0, number_row,
		 &policies, why)) != ERR_OK ||
	    (e = store_read(st, SQL_PLATFORM_LATEST, NULL, 0, number_row,
		 &latest, why)) != ERR_OK)
		return e;
	if (latest > atomic_load(&st->platform_success))
		atomic_store(&st->platform_success, latest);
	atomic_store(&st->n_platforms, platforms);
	atomic_store(&st->n_policies, policies);
	st->recount = false;
	return veks_count(st, why);
}

static void
keep_prune(struct storage *st)
{
	time_t before = clock_now() - st->config->cache.history_s;

	if (store_write(st, SQL_OBJECT_PRUNE, VALS(db_int(before)), NULL) !=
		ERR_OK ||
	    store_write(st, SQL_REG_PRUNE, VALS(db_int(before)), NULL) !=
		ERR_OK ||
	    fleet_prune(st, before, NULL) != ERR_OK || veks_prune(st) != ERR_OK)
		log_event(LOG_WARN, "prune-failed", NULL);
}

/* When each platform was last asked for; a day's resolution is enough. */
void
keep_seen(struct storage *st)
{
	struct platform_id *v = xcalloc(SEEN_MAX, sizeof(*v));
	time_t now = clock_now();
	size_t i, n;

	if (st->ops->readonly(st->db))
		goto out;
	n = platforms_seen(st->platforms, (int32_t)(now / 86400), v, SEEN_MAX);
	for (i = 0; i < n; i++)
		if (store_write(st, SQL_PLATFORM_SEEN,
			VALS(db_int(now), db_text(v[i].qe_id),
			    db_text(v[i].pce_id)),
			NULL) != ERR_OK)
			break;
out:
	free(v);
}

void
keep_tick(struct storage *st)
{
	struct why why = { 0 };

	st->ticks++;
	if ((st->recount && keep_count(st, &why) != ERR_OK) ||
	    (st->veks_changed && veks_count(st, &why) != ERR_OK))
		log_event(LOG_WARN, "count-failed", "text", why.text, NULL);
	if (fleet_sync(st, &why) == ERR_OK)
		impact_publish(st);
	if (clock_now() - st->amd_checked_at >= 86400)
		amd_recheck(st);
	baseline_tick(st);
	if (st->ops->readonly(st->db))
		return;
	attempt_flush(st);
	if (st->ticks % TICKS_PER_MINUTE == 0) {
		keep_seen(st);
		veks_used(st);
	}
	if (st->ticks % TICKS_PER_HOUR == 1)
		keep_prune(st);
	store_flush(st);
}
