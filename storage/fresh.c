#include "config/base/must.h"
#include "storage/storage.h"

enum stale_rule { STALE_WARN, STALE_NEVER };

static const enum stale_rule stale_rule[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = stale,
#include "storage/coll.def"
#undef COLL
};

#define HOUR ((time_t)3600)
#define DAY  (24 * HOUR)

/* FMSPCS has no end of its own; a list this old is called stale. */
#define NO_END_LIFE (7 * DAY)
/* CRLs are asked for more often once less than this remains, because Intel
 * may issue the next one only near the end (pcs-upstream 7). */
#define CRL_NEAR_END (5 * DAY)
#define CRL_NEAR_ASK (4 * HOUR)
/*
 * AMD (amd-kds 7): a chain is asked for weekly, a CRL daily and hourly near its
 * end, a VCEK once less than 90 days of its seven years remain.
 */
#define AMD_CHAIN_ASK    (7 * DAY)
#define AMD_CRL_NEAR_END (3 * DAY)
#define AMD_CRL_NEAR_ASK HOUR
#define VCEK_NEAR_END    (90 * DAY)
#define VCEK_FRESH_END   (30 * DAY)
#define VLEK_FRESH_END   (14 * DAY)
/* However short the life: never ask for the same object more often. */
#define ASK_MIN ((time_t)60)

static time_t
min_time(time_t a, time_t b)
{
	return a < b ? a : b;
}

/* The end of what was fetched; never 0. */
static time_t
fresh_end(const struct coll *c)
{
	return c->next_update != 0 ? c->next_update
				   : c->fetched_at + NO_END_LIFE;
}

static bool
fresh_is_crl(const struct coll *c)
{
	return c->key.kind == COLL_PCK_CRL || c->key.kind == COLL_ROOT_CRL;
}

static bool
fresh_is_amd(const struct coll *c)
{
	return c->key.kind == COLL_AMD_CHAIN || c->key.kind == COLL_AMD_CRL ||
	       c->key.kind == COLL_VEK;
}

/* From here on it is called stale although its end has not come. */
static time_t
fresh_soft_end(const struct coll *c)
{
	if (c->key.kind != COLL_VEK)
		return fresh_end(c);
	return fresh_end(c) -
	       (c->key.side == AMD_VLEK ? VLEK_FRESH_END : VCEK_FRESH_END);
}

/* How long after it was fetched an object of AMD's is asked for again. */
static time_t
amd_wait(const struct coll *c)
{
	time_t left = fresh_end(c) - c->fetched_at, near;

	switch (c->key.kind) {
	case COLL_AMD_CHAIN:
		return AMD_CHAIN_ASK;
	case COLL_AMD_CRL:
		if (left < AMD_CRL_NEAR_END)
			return min_time(AMD_CRL_NEAR_ASK, left / 2);
		near = left - AMD_CRL_NEAR_END;
		if (near < AMD_CRL_NEAR_ASK)
			near = AMD_CRL_NEAR_ASK;
		return min_time(min_time(DAY, left / 2), near);
	default:
		/* One that comes with less is not asked for all the time. */
		left -=
		    c->key.side == AMD_VLEK ? VLEK_FRESH_END : VCEK_NEAR_END;
		return left < DAY ? DAY : left;
	}
}

/*
 * At half of the validity, after a day at the latest, at half of what remained
 * when it was fetched at the latest, and sooner for CRLs near their end
 * (caching-and-selection 6, pcs-upstream 7).
 */
static time_t
intel_wait(const struct coll *c)
{
	time_t end = fresh_end(c), from = c->fetched_at, wait = DAY;
	time_t half = c->issue_at + (end - c->issue_at) / 2;
	time_t left = end - from;

	if (half > from)
		wait = min_time(wait, half - from);
	if (left > 0)
		wait = min_time(wait, left / 2);
	if (fresh_is_crl(c) && left < CRL_NEAR_END)
		wait = min_time(wait, CRL_NEAR_ASK);
	return wait;
}

/* Jitter takes up to a tenth off the wait, so it never comes late. */
time_t
fresh_due_at(const struct coll *c, double jitter)
{
	time_t wait = fresh_is_amd(c) ? amd_wait(c) : intel_wait(c);

	must(jitter >= 0 && jitter < 1);
	if (wait < ASK_MIN)
		wait = ASK_MIN;
	return c->fetched_at + wait - (time_t)(jitter * (double)wait / 10);
}

enum fresh_state
fresh_state(const struct coll *c, int64_t stale_max_s, time_t now)
{
	time_t end = fresh_end(c);

	if (now >= end) {
		if (stale_rule[c->key.kind] == STALE_NEVER ||
		    now - end >= stale_max_s)
			return FRESH_GONE;
		return FRESH_STALE;
	}
	if (now >= fresh_soft_end(c))
		return FRESH_STALE;
	return now >= fresh_due_at(c, 0) ? FRESH_DUE : FRESH_NEW;
}

int
fresh_max_age(const struct coll *c, time_t now)
{
	time_t end = fresh_end(c), age;

	if (now >= end)
		return 0;
	if (fresh_is_amd(c))
		return (int)min_time(c->key.kind == COLL_AMD_CRL ? HOUR : DAY,
		    end - now);
	age = min_time(DAY, end - now);
	age = min_time(age, fresh_due_at(c, 0) - now);
	return age < 1 ? 1 : (int)age;
}
