#include "upstream/origin.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <string.h>

/*
 * The circuit:
 *
 *            3 failures in a row, or a 5xx with Retry-After
 *      UP ───────────────────────────────────► DOWN ◄───────────┐
 *      ▲ ▲                                      │                │
 *      │ └── success of an exchange begun ──────┤ rest over:     │ failure:
 *      │     before it went down                │ one asks       │ the rest
 *      │                                        ▼                │ doubles
 *      └─────────────── success ──────────── PROBING ────────────┘
 *
 * A failure that arrives while DOWN or PROBING from an exchange begun earlier
 * says nothing new.  A probe given up puts the question back: DOWN, with the
 * rest already over.
 */
enum origin_event {
	EV_ASK,  /* an exchange begins */
	EV_GOOD, /* one ended well */
	EV_BAD,  /* one failed, not enough to rest */
	EV_TRIP, /* one failed, and that is enough */
	EV_LEFT, /* the probe was given up */
	EV_N
};

typedef void (*origin_act)(struct origin *, const struct origin_now *);

struct origin_cell {
	enum origin_state next;
	origin_act act;
};

static void
act_none(struct origin *o, const struct origin_now *now)
{
	(void)o;
	(void)now;
}

static void
act_bad(struct origin *o, const struct origin_now *now)
{
	(void)now;
	must(o->state == ORIGIN_STATE_N); /* never: such an event cannot be */
}

static void
act_well(struct origin *o, const struct origin_now *now)
{
	(void)now;
	o->fails = 0;
	o->rests = 0;
	o->down_at = 0;
	o->rest_until = 0;
}

static int64_t
doubled(int64_t min, int64_t max, int n)
{
	int64_t v = min;

	while (n-- > 0 && v < max)
		v *= 2;
	return v > max ? max : v;
}

/* So much more or less, that many larders do not knock at once. */
static int64_t
spread(int64_t ms, double part, double jitter)
{
	return (int64_t)((double)ms * (1 - part + 2 * part * jitter));
}

static void
act_rest(struct origin *o, const struct origin_now *now)
{
	o->rest_until = now->ms + spread(doubled(ORIGIN_REST_MIN_MS,
					     ORIGIN_REST_MAX_MS, o->rests),
				      0.25, now->jitter);
	if (o->rests < 30)
		o->rests++;
}

static void
act_again(struct origin *o, const struct origin_now *now)
{
	o->rest_until = now->ms;
}

static const struct origin_cell cells[ORIGIN_STATE_N][EV_N] = {
	[ORIGIN_UP] = {
		[EV_ASK] = { ORIGIN_UP, act_none },
		[EV_GOOD] = { ORIGIN_UP, act_well },
		[EV_BAD] = { ORIGIN_UP, act_none },
		[EV_TRIP] = { ORIGIN_DOWN, act_rest },
		[EV_LEFT] = { ORIGIN_UP, act_none },
	},
	[ORIGIN_DOWN] = {
		[EV_ASK] = { ORIGIN_PROBING, act_none },
		[EV_GOOD] = { ORIGIN_UP, act_well },
		[EV_BAD] = { ORIGIN_DOWN, act_none },
		[EV_TRIP] = { ORIGIN_DOWN, act_none },
		[EV_LEFT] = { ORIGIN_DOWN, act_none },
	},
	[ORIGIN_PROBING] = {
		[EV_ASK] = { ORIGIN_PROBING, act_bad },
		[EV_GOOD] = { ORIGIN_UP, act_well },
		[EV_BAD] = { ORIGIN_PROBING, act_none },
		[EV_TRIP] = { ORIGIN_DOWN, act_rest },
		[EV_LEFT] = { ORIGIN_DOWN, act_again },
	},
};

static void
step(struct origin *o, enum origin_event ev, const struct origin_now *now)
{
	const struct origin_cell *c = &cells[o->state][ev];

	c->act(o, now);
	o->state = c->next;
}

const char *
origin_state_name(enum origin_state s)
{
	static const char *const names[] = { "up", "down", "probing" };

	must(s < ORIGIN_STATE_N);
	return names[s];
}

/* So much may go out at once; more has to trickle. */
static double
bucket(const struct origin_limits *l)
{
	return l->burst > 0 ? l->burst : l->rate_per_minute;
}

void
origin_init(struct origin *o, const struct origin_limits *l,
    const struct origin_now *now)
{
	*o = (struct origin){
		.tokens = bucket(l),
		.tokens_at = now->ms,
		.pause_min_ms =
		    l->pause_min_ms > 0 ? l->pause_min_ms : ORIGIN_PAUSE_MIN_MS,
		.pause_max_ms =
		    l->pause_max_ms > 0 ? l->pause_max_ms : ORIGIN_PAUSE_MAX_MS,
	};
}

static void
refill(struct origin *o, const struct origin_limits *l, int64_t now_ms)
{
	if (now_ms > o->tokens_at)
		o->tokens += (double)(now_ms - o->tokens_at) *
			     l->rate_per_minute / 60000.0;
	o->tokens_at = now_ms;
	if (o->tokens > bucket(l))
		o->tokens = bucket(l);
}

enum origin_go
origin_look(const struct origin *o, int64_t now_ms, int64_t *until_ms)
{
	if (o->pause_until > now_ms) {
		*until_ms = o->pause_until;
		return ORIGIN_PAUSED;
	}
	if (o->state == ORIGIN_DOWN && o->rest_until > now_ms) {
		*until_ms = o->rest_until;
		return ORIGIN_RESTING;
	}
	if (o->state == ORIGIN_PROBING) {
		*until_ms = now_ms + ORIGIN_REST_MIN_MS;
		return ORIGIN_RESTING;
	}
	*until_ms = now_ms;
	return ORIGIN_GO;
}

enum origin_go
origin_ask(struct origin *o, const struct origin_limits *l,
    const struct origin_now *now, int64_t *until_ms)
{
	enum origin_go go = origin_look(o, now->ms, until_ms);
	bool probe = o->state == ORIGIN_DOWN;

	if (go != ORIGIN_GO)
		return go;
	if (o->asking >= l->parallel)
		return ORIGIN_FULL;
	if (l->rate_per_minute > 0) {
		refill(o, l, now->ms);
		if (o->tokens < 1) {
			*until_ms = now->ms + 1 +
				    (int64_t)((1 - o->tokens) * 60000.0 /
					      l->rate_per_minute);
			return ORIGIN_LATER;
		}
		o->tokens -= 1;
	}
	o->asking++;
	step(o, EV_ASK, now);
	return probe ? ORIGIN_PROBE : ORIGIN_GO;
}

static void
origin_throttled(struct origin *o, const struct origin_now *now,
    int64_t retry_after_s)
{
	int64_t ms;

	if (retry_after_s >= 0) {
		ms = retry_after_s > o->pause_max_ms / 1000
			 ? o->pause_max_ms
			 : retry_after_s * 1000;
	} else {
		/* A fifth: amd-kds 2.6. */
		ms =
		    spread(doubled(o->pause_min_ms, o->pause_max_ms, o->pauses),
			0.2, now->jitter);
		if (o->pauses < 30)
			o->pauses++;
	}
	if (now->ms + ms > o->pause_until)
		o->pause_until = now->ms + ms;
}

static void
origin_failed(struct origin *o, const struct origin_now *now, bool probe,
    int64_t retry_after_s)
{
	int64_t ms;

	if (o->fails++ == 0)
		o->down_at = now->utc;
	if (o->state == ORIGIN_UP &&
	    (o->fails >= ORIGIN_FAILS_MAX || retry_after_s > 0))
		step(o, EV_TRIP, now);
	else
		step(o, probe && o->state == ORIGIN_PROBING ? EV_TRIP : EV_BAD,
		    now);
	if (o->state != ORIGIN_DOWN || retry_after_s <= 0)
		return;
	ms = retry_after_s > ORIGIN_PAUSE_MAX_MS / 1000 ? ORIGIN_PAUSE_MAX_MS
							: retry_after_s * 1000;
	if (now->ms + ms > o->rest_until)
		o->rest_until = now->ms + ms;
}

void
origin_done(struct origin *o, const struct origin_now *now, bool probe,
    const struct why *why, int64_t retry_after_s)
{
	must(o->asking > 0);
	o->asking--;
	if (why->err == ERR_OK) {
		o->pauses = 0;
		step(o, EV_GOOD, now);
		return;
	}
	o->last = *why;
	o->failed_at = now->utc;
	if (why->err == ERR_UP_THROTTLED) {
		/* It speaks, so it is not down. */
		step(o, EV_GOOD, now);
		origin_throttled(o, now, retry_after_s);
		return;
	}
	origin_failed(o, now, probe, retry_after_s);
}

void
origin_left(struct origin *o, const struct origin_now *now, bool probe)
{
	must(o->asking > 0);
	o->asking--;
	if (probe && o->state == ORIGIN_PROBING)
		step(o, EV_LEFT, now);
}

enum err
origin_why(const struct origin *o, const char *name, int64_t now_ms,
    struct why *why)
{
	int64_t s = (o->pause_until - now_ms + 999) / 1000;
	char since[TIME_LEN];

	if (o->pause_until > now_ms) {
		(void)why_set(why, ERR_UP_THROTTLED, "RFC 9110 10.2.3",
		    "%s throttles us, asked again in %" PRId64 " s", name, s);
		why->retry_s = (int)s;
		return ERR_UP_THROTTLED;
	}
	time_write(o->down_at, since);
	return why_set(why, ERR_UP_CLOSED, "upstream", "%s down since %s: %s",
	    name, since, o->last.text);
}

int64_t
retry_after_read(struct span s, time_t now)
{
	int64_t v = 0;
	time_t at;

	if (s.len == 0)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			goto date;
		if (v < INT64_C(1000000000))
			v = v * 10 + (s.p[i] - '0');
	}
	return v;
date:
	if (http_date_read(s, &at) != ERR_OK)
		return -1;
	return at > now ? at - now : 0;
}
