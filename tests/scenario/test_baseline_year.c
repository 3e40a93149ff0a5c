/*
 * A year of virtual time: Intel publishes recoveries, promotes and retires
 * numbers, signs the rest anew; four rules watch.  Each day every set is
 * looked at, and all the year a client asks for sets without a pause.
 *
 * Day by day (pcs-upstream 2: what is not retired is signed when asked):
 *
 *     0  17 is standard          120  18 becomes standard: 17 is retired
 *    30  18 is published         150  19 is published
 *                                240  19 becomes standard: 18 is retired
 *                                300  20 is published
 *
 *   default, lag 60     17 to day 90, 18 to day 210, 19 to day 360, then 20
 *   listener, early     each from the day it is published
 *   FMSPC H, pin 17,    17; its last signature is of day 119 and lasts to 149;
 *     hold, 20 days     held, marked, to 169; then the lowest signed, 18, and
 *                       19 when that is retired
 *   FMSPC A, pin 17,    17 to a day before its end, day 148; then 18, then 19
 *     advance
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "upstream/fetch.h"

#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY   86400
#define HOLD  20

#define PLAIN "00606A000000"
#define TDX   "90C06F000000"
#define H_PIN "00806F050000"
#define A_PIN "00906ED50000"

static struct house h, canary;
static time_t start;

static struct house_opts opts = {
	.listen =
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"admin\"]}"
	    ",{\"address\":\"0.0.0.0:0\",\"serve\":[\"pccs\"],"
	    "\"allow_clear\":true,\"baseline\":{\"follow\":\"early\"}}]",
	.upstream = "\"rate_per_minute\":0",
	.members = "\"baseline\":{\"lag_days\":60,\"hold_max_s\":1728000,"
		   "\"fmspc\":[{\"fmspc\":\"" H_PIN "\",\"pin\":17},"
		   "{\"fmspc\":\"" A_PIN "\",\"pin\":17,"
		   "\"on_retire\":\"advance\"}]}"
};

/* --- clients without a pause ------------------------------------------ */

#define CLIENTS 3
#define SETS    6 /* for each look of the planner */

static atomic_bool ended;
static atomic_uint sets, mixed;
/* Held for reading while a set is under way: the clock does not jump and the
 * house does not go inside one. */
static pthread_rwlock_t still;
/* Sets they may ask for, given out by the hour. */
static sem_t more;

/* 0: no answer that has one. */
static unsigned long
client_number(const char *tail)
{
	static const char name[] = "\"tcbEvaluationDataNumber\":";
	struct http_answer a = { 0 };
	unsigned long number = 0;
	char url[160];
	struct http_ask q = { .method = "GET",
		.url = url,
		.timeout_ms = PATIENCE_MS };
	const char *p;

	snprintf(url, sizeof(url),
	    "http://127.0.0.1:%d/sgx/certification/v4/%s", h.port, tail);
	if (http_fetch(&q, &a, NULL) == ERR_OK && a.status == 200) {
		buf_add(&a.body, "", 1);
		if ((p = strstr(a.body.p, name)) != NULL)
			number = strtoul(p + strlen(name), NULL, 10);
	}
	http_answer_free(&a);
	return number;
}

static void
client_set(const char *fmspc)
{
	unsigned long tcb, identity;
	char tail[40];

	snprintf(tail, sizeof(tail), "tcb?fmspc=%s", fmspc);
	tcb = client_number(tail);
	identity = client_number("qe/identity?update=standard");
	atomic_fetch_add(&sets, 1);
	if (tcb != 0 && tcb == identity)
		return;
	atomic_fetch_add(&mixed, 1);
	fprintf(stderr, "mixed: %s: %lu, %lu\n", fmspc, tcb, identity);
}

/* All come from one address, each for another FMSPC. */
static void *
client(void *arg)
{
	static const char *const fmspcs[] = { PLAIN, H_PIN, A_PIN };
	unsigned i = (unsigned)(uintptr_t)arg;

	for (;;) {
		must(sem_wait(&more) == 0);
		if (atomic_load(&ended))
			break;
		pthread_rwlock_rdlock(&still);
		client_set(fmspcs[i++ % 3]);
		pthread_rwlock_unlock(&still);
	}
	return NULL;
}

static pthread_t clients[CLIENTS];

static void
clients_start(void)
{
	pthread_rwlockattr_t attr;
	int i;

	must(pthread_rwlockattr_init(&attr) == 0);
	must(pthread_rwlockattr_setkind_np(&attr,
		 PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
	must(pthread_rwlock_init(&still, &attr) == 0);
	must(sem_init(&more, 0, 0) == 0);
	for (i = 0; i < CLIENTS; i++)
		must(pthread_create(&clients[i], NULL, client,
			 (void *)(uintptr_t)i) == 0);
}

static void
clients_end(void)
{
	int i;

	atomic_store(&ended, true);
	for (i = 0; i < CLIENTS; i++)
		must(sem_post(&more) == 0);
	for (i = 0; i < CLIENTS; i++)
		must(pthread_join(clients[i], NULL) == 0);
	fprintf(stderr, "%u sets, %u mixed\n", atomic_load(&sets),
	    atomic_load(&mixed));
	ck_assert_uint_gt(atomic_load(&sets), 100);
	ck_assert_uint_eq(atomic_load(&mixed), 0);
}

/* --- the days --------------------------------------------------------- */

static int
today(void)
{
	return (int)((clock_now() - start) / DAY);
}

static unsigned
standard(int day)
{
	return day < 120 ? 17 : day < 240 ? 18 : 19;
}

static unsigned
early(int day)
{
	return day < 30 ? 17 : day < 150 ? 18 : day < 300 ? 19 : 20;
}

static void
intel(int day)
{
	struct sim_event e = { .at = start + (time_t)day * DAY };

	if (day == 30 || day == 150 || day == 300)
		sim_publish(h.sim, &e);
	if (day == 120)
		sim_standard(h.sim, 18);
	if (day == 240)
		sim_standard(h.sim, 19);
}

static void
expect_one(const struct house *at, enum tee tee, const char *fmspc,
    unsigned number, bool held)
{
	struct served s = served_set(at, tee, fmspc);

	ck_assert_msg(s.tcb == number && s.identity == number,
	    "day %d: %s: TCB info of %u, identity of %u, not of %u", today(),
	    fmspc, s.tcb, s.identity, number);
	ck_assert_msg(held == s.stale, "day %d: %s: %s", today(), fmspc,
	    s.stale ? "marked" : "not marked");
	ck_assert_msg(held == (s.ends_at <= clock_now()),
	    "day %d: %s ends %ld s from now", today(), fmspc,
	    (long)(s.ends_at - clock_now()));
}

/* A day on which a rule changes its mind may be either side of it. */
static bool
on_the_edge(int day, int at)
{
	return day == at || day == at - 1 || day == at + 1;
}

static void
expect_lag(int day)
{
	unsigned number = day < 90 ? 17 : day < 210 ? 18 : day < 360 ? 19 : 20;

	if (on_the_edge(day, 90) || on_the_edge(day, 210) ||
	    on_the_edge(day, 360))
		return;
	expect_one(&h, TEE_SGX, PLAIN, number, false);
	expect_one(&h, TEE_SGX, TDX, number, false);
	expect_one(&h, TEE_TDX, TDX, number, false);
}

static void
expect_hold(int day)
{
	if (on_the_edge(day, 149) || on_the_edge(day, 169) ||
	    on_the_edge(day, 240))
		return;
	if (day < 169)
		expect_one(&h, TEE_SGX, H_PIN, 17, day > 149);
	else
		expect_one(&h, TEE_SGX, H_PIN, standard(day), false);
}

static void
expect_advance(int day)
{
	if (on_the_edge(day, 148) || on_the_edge(day, 240))
		return;
	expect_one(&h, TEE_SGX, A_PIN, day < 148 ? 17 : standard(day), false);
}

static void
expect_early(int day)
{
	if (on_the_edge(day, 30) || on_the_edge(day, 150) ||
	    on_the_edge(day, 300))
		return;
	expect_one(&canary, TEE_SGX, PLAIN, early(day), false);
	expect_one(&canary, TEE_SGX, H_PIN, early(day), false);
	expect_one(&canary, TEE_TDX, TDX, early(day), false);
}

/* Several looks a day, as the planner has. */
static void
pass_a_day(int day)
{
	int i, k;

	intel(day);
	for (i = 0; i < 4; i++) {
		pthread_rwlock_wrlock(&still);
		clock_offset_set(clock_offset() + DAY / 4);
		pthread_rwlock_unlock(&still);
		for (k = 0; k < SETS; k++)
			must(sem_post(&more) == 0);
		upstream_tick(h.upstream, NULL, NULL);
		baseline_settle(&h);
	}
}

static void
up(void)
{
	canary = h;
	canary.port = server_port(h.server, 1);
}

/* Down and up, at any time of a promotion. */
static void
restart(void)
{
	pthread_rwlock_wrlock(&still);
	house_restart(&h, &opts);
	up();
	pthread_rwlock_unlock(&still);
}

START_TEST(test_a_year)
{
	int day;

	/* Some thousand commits: not on a disk, if it can be helped. */
	if (access("/dev/shm", W_OK) == 0)
		opts.where = "/dev/shm";
	house_start(&h, &opts);
	up();
	start = clock_now();
	served_set(&h, TEE_SGX, PLAIN);
	served_set(&h, TEE_SGX, TDX);
	served_set(&h, TEE_TDX, TDX);
	served_set(&h, TEE_SGX, H_PIN);
	served_set(&h, TEE_SGX, A_PIN);
	clients_start();
	for (day = 0; day < 365; day++) {
		if (day % 60 == 31)
			restart();
		expect_lag(day);
		expect_hold(day);
		expect_advance(day);
		expect_early(day);
		pass_a_day(day);
	}
	clients_end();
	house_stop(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline-year");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, test_a_year);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
