/*
 * Forty days of virtual time: a day with upstream, then none, then upstream
 * again (caching-and-selection 6, pccs-api 7).
 */
#include "config/base/clock.h"
#include "tests/kit/house.h"

#include <check.h>
#include <stdlib.h>

#define HOUR      3600
#define DAY       86400
#define STALE_MAX (8 * DAY)
#define FMSPC     "00906ED50000"

static const struct {
	const char *target, *asked;
	bool lasts; /* its nextUpdate is more than forty days away */
} objects[] = {
	{ "/sgx/certification/v4/tcb?fmspc=" FMSPC,
	    "/sgx/certification/v4/tcb[?]*update=standard", false },
	{ "/tdx/certification/v4/qe/identity?update=standard",
	    "/tdx/certification/v4/qe/identity*=standard", false },
	{ "/sgx/certification/v4/pckcrl?ca=processor",
	    "/sgx/certification/v4/pckcrl*", false },
	{ "/sgx/certification/v4/rootcacrl", "/intelsgxrootca.der", true },
};
#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

static struct house h;
static time_t fetched_at;

static void
clock_forward(long seconds)
{
	clock_offset_set(clock_offset() + seconds);
	upstream_tick(h.upstream, NULL, NULL);
}

/* Since the last fetch. */
static time_t
elapsed(void)
{
	return clock_now() - fetched_at;
}

static void
check_fresh(const struct edge_reply *r, const char *target)
{
	int max_age = house_max_age(r);

	ck_assert_msg(r->status == 200, "%s after %ld: %d", target,
	    (long)elapsed(), r->status);
	ck_assert(!has_header(r, "Warning"));
	ck_assert_int_ge(max_age, 1);
	ck_assert_int_le(max_age, DAY);
}

static void
check_stale(const struct edge_reply *r, const char *target)
{
	long age;

	ck_assert_msg(r->status == 200, "%s after %ld: %d", target,
	    (long)elapsed(), r->status);
	expect_header(r, "Warning", "110 - \"Response is Stale\"");
	expect_header(r, "Cache-Control", "max-age=0");
	expect_header(r, "X-Cache", "STALE");
	ck_assert(has_header(r, "Age"));
	age = atol(edge_header(r, "Age"));
	ck_assert_int_le(labs(age - (long)elapsed()), 20);
}

static void
check_gone(const struct edge_reply *r, const char *target)
{
	ck_assert_msg(r->status == 502 || r->status == 503, "%s after %ld: %d",
	    target, (long)elapsed(), r->status);
	ck_assert(has_header(r, "Larder-Reason"));
	if (r->status == 503) {
		ck_assert_uint_eq(r->len, 0);
		ck_assert(has_header(r, "Retry-After"));
	}
}

/* What each object has to be by now, upstream being away. */
static void
check_all(size_t n)
{
	struct edge_reply r;
	size_t i;

	for (i = 0; i < n; i++) {
		r = house_get(&h, objects[i].target);
		if (objects[i].lasts || elapsed() < 30 * DAY)
			check_fresh(&r, objects[i].target);
		else if (elapsed() < 30 * DAY + STALE_MAX)
			check_stale(&r, objects[i].target);
		else
			check_gone(&r, objects[i].target);
		edge_reply_free(&r);
	}
}

static void
fetch_all(void)
{
	size_t i;

	for (i = 0; i < N_OBJECTS; i++)
		ck_assert_int_eq(house_status(&h, objects[i].target), 200);
	fetched_at = clock_now();
}

/* Ahead of nextUpdate: once a day, and only once, however often the planner
 * looks. */
static void
day_with_upstream(void)
{
	size_t i;

	sim_count_reset(h.sim);
	clock_forward(12 * HOUR);
	clock_forward(HOUR);
	check_all(N_OBJECTS);
	clock_forward(12 * HOUR);
	for (i = 0; i < N_OBJECTS; i++)
		ck_assert_msg(sim_wait(h.sim, objects[i].asked, 1, PATIENCE_MS),
		    "%s", objects[i].asked);
	fetched_at = clock_now();
	for (i = 0; i < N_OBJECTS; i++)
		ck_assert_msg(sim_count(h.sim, objects[i].asked) == 1,
		    "%s: %lu", objects[i].asked,
		    sim_count(h.sim, objects[i].asked));
}

/* Wait, by polling, until what was refreshed is what is served. */
static void
await_refreshed(void)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct edge_reply r;
	bool young;
	size_t i;

	for (i = 0; i < N_OBJECTS; i++)
		do {
			r = house_get(&h, objects[i].target);
			ck_assert_int_eq(r.status, 200);
			young = atol(edge_header(&r, "Age")) < HOUR;
			edge_reply_free(&r);
			ck_assert(clock_mono_ms() < until);
		} while (!young);
}

/* One request finds out whether the origin is back; meanwhile the others get
 * what is stale, or are told to come again. */
static void
await_recovery(void)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct edge_reply r;
	bool fresh;

	do {
		r = house_get(&h, objects[0].target);
		fresh = r.status == 200 && !has_header(&r, "Warning");
		if (r.status != 200)
			expect_header(&r, "Larder-Reason",
			    "upstream-circuit-open");
		edge_reply_free(&r);
		ck_assert(clock_mono_ms() < until);
	} while (!fresh);
}

START_TEST(test_forty_days)
{
	char cache[80];
	/* Asked again and again until it is back: no budget for that. */
	struct house_opts o = { .cache = cache,
		.limits = "\"misses_per_source_per_minute\":0" };
	int day;

	snprintf(cache, sizeof(cache), "\"stale_max_s\":%d,\"negative_s\":60",
	    STALE_MAX);
	house_start(&h, &o);
	fetch_all();
	day_with_upstream();
	await_refreshed();
	sim_down(h.sim);
	for (day = 1; day <= 39; day++) {
		clock_forward(DAY);
		check_all(day % 4 == 3 ? N_OBJECTS : 1);
	}
	ck_assert_int_gt(elapsed(), 30 * DAY + STALE_MAX);
	sim_up(h.sim);
	clock_forward(HOUR);
	await_recovery();
	fetch_all();
	check_all(N_OBJECTS);
	house_stop(&h);
}
END_TEST

START_TEST(test_a_stale_object_is_renewed_when_upstream_is_back)
{
	house_start(&h, NULL);
	fetch_all();
	sim_down(h.sim);
	clock_forward(31 * DAY);
	check_all(1);
	sim_up(h.sim);
	clock_forward(HOUR);
	await_recovery();
	fetched_at = clock_now();
	check_all(1);
	house_stop(&h);
}
END_TEST

/* Nobody asks in these modes: stale until the bound, then 404. */
START_TEST(test_stale_in_a_mode_that_does_not_ask)
{
	struct house_opts o = { .mode = _i == 0 ? "req" : "offline" };
	struct edge_reply r;

	house_start(&h, NULL);
	fetch_all();
	house_restart(&h, &o);
	sim_count_reset(h.sim);
	sim_down(h.sim);
	clock_offset_set(clock_offset() + 31 * DAY);
	r = house_get(&h, objects[0].target);
	check_stale(&r, objects[0].target);
	edge_reply_free(&r);
	clock_offset_set(clock_offset() + 30 * DAY);
	expect_get(&h, objects[0].target, 404, "not-cached");
	ck_assert_uint_eq(sim_count(h.sim, NULL), 0);
	house_stop(&h);
}
END_TEST

/* cache.stale_max_s 0: never a stale answer. */
START_TEST(test_no_stale_answers_if_the_operator_says_so)
{
	struct house_opts o = { .cache = "\"stale_max_s\":0" };
	struct edge_reply r;

	house_start(&h, &o);
	fetch_all();
	sim_down(h.sim);
	clock_forward(29 * DAY);
	check_all(1);
	clock_forward(2 * DAY);
	r = house_get(&h, objects[0].target);
	check_gone(&r, objects[0].target);
	edge_reply_free(&r);
	house_stop(&h);
}
END_TEST

static Suite *
stale_suite(void)
{
	Suite *s = suite_create("stale");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_forty_days);
	tcase_add_test(t, test_a_stale_object_is_renewed_when_upstream_is_back);
	tcase_add_loop_test(t, test_stale_in_a_mode_that_does_not_ask, 0, 2);
	tcase_add_test(t, test_no_stale_answers_if_the_operator_says_so);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(stale_suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
