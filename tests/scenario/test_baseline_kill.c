/*
 * kill -9 while the baseline changes: what was acknowledged is there
 * afterwards, sets stay whole, and a promotion under way goes on.
 *
 * LARDER_KILL_ROUNDS sets how often (default 6); LARDER_KILL_SEED repeats one
 * sequence of moments.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "upstream/fetch.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FMSPC "00606A000000"
#define OTHER "00806F050000"

static struct house h;
static struct daemon_run larderd;

static void
start(void)
{
	house_daemon(&h, NULL, &larderd);
}

static void
killed(void)
{
	ck_assert_int_eq(daemon_run_end(&larderd, SIGKILL), 200);
}

/* Until the default scope is served with this number. */
static void
await(json_int_t number)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	json_int_t is;
	json_t *doc;

	do {
		ck_assert_msg(clock_mono_ms() < until, "nothing is promoted");
		doc = baseline_doc(&h);
		is = json_integer_value(
		    json_object_get(baseline_row(doc, NULL, "sgx", NULL),
			"number"));
		json_decref(doc);
	} while (is != number);
}

/*
 * What can be fetched again is served first and written then, soon: until
 * this finds a row.  A database that is busy has none.
 */
static void
await_on_disk(const char *select)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	sqlite3_stmt *stmt;
	char path[300];
	sqlite3 *db;
	bool found;

	snprintf(path, sizeof(path), "%s/larder.db", h.dir);
	do {
		ck_assert_msg(clock_mono_ms() < until, "not on disk: %s",
		    select);
		must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) ==
		     SQLITE_OK);
		found = sqlite3_prepare_v2(db, select, -1, &stmt, NULL) ==
			    SQLITE_OK &&
			sqlite3_step(stmt) == SQLITE_ROW;
		sqlite3_finalize(stmt);
		sqlite3_close(db);
	} while (!found);
}

static void
expect_both(uint32_t number)
{
	expect_set(&h, TEE_SGX, FMSPC, number);
	expect_set(&h, TEE_SGX, OTHER, number);
}

START_TEST(test_killed_in_the_middle_of_a_promotion)
{
	struct sim_fault hold = { .kind = SIM_HOLD,
		.path = "*identity?tcbEvaluationDataNumber=18" };

	start();
	expect_both(17);
	sim_recovery(h.sim);
	sim_standard(h.sim, 18);
	sim_fault_add(h.sim, &hold);
	expect_admin(&h, "POST", "/v1/refresh?key=tcb/sgx/4/" FMSPC "/standard",
	    "", 200);
	ck_assert(sim_wait(h.sim, hold.path, 1, PATIENCE_MS));
	expect_both(17);
	await_on_disk("SELECT 1 FROM object WHERE is_current AND key = "
		      "'tcb/sgx/4/" FMSPC "/standard' AND eval_num = 18");
	killed();
	start();
	expect_both(17);
	sim_fault_clear(h.sim);
	await(18);
	expect_both(18);
	await_on_disk("SELECT 1 FROM baseline_now WHERE number = 18");
	killed();
	start();
	expect_both(18);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	sim_stop(h.sim);
}
END_TEST

/* --- acknowledged changes --------------------------------------------- */

static atomic_long acked; /* the last revision answered 200 */

/* 0: nobody answers. */
static int
pin(long revision, int number)
{
	char url[80], match[40], body[64];
	const char *headers[] = { "admin-token: " HOUSE_ADMIN, match };
	struct http_ask q = { .method = "POST",
		.url = url,
		.headers = headers,
		.n_headers = 2,
		.timeout_ms = PATIENCE_MS };
	struct http_answer a = { 0 };
	int status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/baseline/pin",
	    h.port);
	snprintf(match, sizeof(match), "If-Match: \"%ld\"", revision);
	snprintf(body, sizeof(body), "{\"number\":%d,\"reason\":\"t\"}",
	    number);
	q.body = span_str(body);
	if (http_fetch(&q, &a, NULL) == ERR_OK)
		status = a.status;
	http_answer_free(&a);
	return status;
}

/* Pin 18 with odd revisions, 17 with even ones; until nobody answers. */
static void *
admin(void *arg)
{
	int status;
	long n;

	(void)arg;
	do {
		n = atomic_load(&acked);
		status = pin(n, n % 2 == 0 ? 18 : 17);
		if (status == 200)
			atomic_store(&acked, n + 1);
	} while (status == 200);
	return (void *)(intptr_t)status;
}

static void
judge(void)
{
	json_t *doc = baseline_doc(&h);
	long revision =
	    (long)json_integer_value(json_object_get(doc, "revision"));
	long last = atomic_load(&acked);

	/* The one that was under way may have been written. */
	ck_assert_msg(revision == last || revision == last + 1,
	    "revision %ld after %ld was acknowledged", revision, last);
	if (revision > 0)
		ck_assert_int_eq(json_integer_value(json_object_get(
				     json_object_get(json_object_get(doc,
							 "rules"),
					 "default"),
				     "pin")),
		    revision % 2 == 1 ? 18 : 17);
	json_decref(doc);
	atomic_store(&acked, revision);
	await(revision == 0 || revision % 2 == 0 ? 17 : 18);
	expect_both(revision == 0 || revision % 2 == 0 ? 17 : 18);
}

static unsigned
number_of(const char *name, unsigned otherwise)
{
	const char *v = getenv(name);

	return v == NULL ? otherwise : (unsigned)strtoul(v, NULL, 10);
}

START_TEST(test_kill_loses_no_acknowledged_change)
{
	unsigned seed = number_of("LARDER_KILL_SEED", (unsigned)clock_now());
	unsigned n = number_of("LARDER_KILL_ROUNDS", 6), i;
	pthread_t t;
	void *rc;
	long want;

	fprintf(stderr, "LARDER_KILL_SEED=%u\n", seed);
	srandom(seed);
	start();
	expect_both(17);
	sim_recovery(h.sim);
	for (i = 0; i < n; i++) {
		want = atomic_load(&acked) + random() % 20;
		must(pthread_create(&t, NULL, admin, NULL) == 0);
		while (atomic_load(&acked) < want)
			sched_yield();
		killed();
		must(pthread_join(t, &rc) == 0);
		ck_assert_msg(rc == NULL, "answered %d", (int)(intptr_t)rc);
		start();
		judge();
	}
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	sim_stop(h.sim);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("baseline-kill");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_killed_in_the_middle_of_a_promotion);
	tcase_add_test(t, test_kill_loses_no_acknowledged_change);
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
