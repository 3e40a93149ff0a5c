/*
 * Many loops call at once; and more calls than may wait.
 */
#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/store.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"
#define LOOPS 4
#define CALLS 200

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "");
}

static void
teardown(void)
{
	kit_fini(k);
}

static const struct raw_tcb tcb = { { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 };

static atomic_int answered, cached, found, shed;
static sem_t all_done;
static int expected;

static void
one_answer(void)
{
	if (atomic_fetch_add(&answered, 1) + 1 == expected)
		sem_post(&all_done);
}

static void
on_reg(void *arg, enum err e, const struct why *why, bool is_cached)
{
	(void)arg;
	(void)why;
	ck_assert_int_eq(e, ERR_OK);
	atomic_fetch_add(&cached, is_cached);
	one_answer();
}

static void
on_pck(void *arg, enum err e, const struct why *why, struct pck_answer *a)
{
	(void)arg;
	(void)why;
	ck_assert(e == ERR_OK || e == ERR_UNKNOWN_PLATFORM);
	ck_assert((a != NULL) == (e == ERR_OK));
	atomic_fetch_add(&found, e == ERR_OK);
	one_answer();
}

static void
on_coll(void *arg, enum err e, const struct why *why, struct coll *c)
{
	(void)arg;
	(void)why;
	(void)c;
	ck_assert_int_eq(e, ERR_OK);
	one_answer();
}

struct runner {
	struct msg msg;
	struct loop *loop;
	int n;
	const struct coll_raw *raw;
	struct snap *snap;
};

static void
on_snap(void *arg, struct snap *snap)
{
	struct runner *r = arg;

	snap_unref(r->snap);
	r->snap = snap_ref(snap);
}

static struct platform_id
id_of(int n)
{
	char qe[32];

	snprintf(qe, sizeof(qe), "P%d", n);
	return kit_platform_id(qe);
}

static void
runner_run(struct msg *m)
{
	struct runner *r = msg_of(m, struct runner, msg);
	struct platform_ask ask = { .has_tcb = true, .tcb = tcb };
	struct platform_id id;
	struct pck_answer *a;
	int i;

	storage_subscribe(k->st, on_snap, r);
	for (i = 0; i < CALLS; i++) {
		ask.id = id_of(i % 50 + r->n);
		storage_register(k->st, &ask, on_reg, r);
		id = id_of(0);
		a = platform_cached(k->st, &id, &tcb);
		pck_answer_unref(a);
		storage_pck(k->st, &id, &tcb, on_pck, r);
		storage_admit(k->st, r->raw, on_coll, r);
	}
}

static void
admit_one_platform(void)
{
	struct platform_ask ask = { .id = id_of(0),
		.has_tcb = true,
		.tcb = tcb };
	struct pki_pck p = { .ca = PCK_CA_PROCESSOR,
		.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
		.pcesvn = tcb.pcesvn };
	struct blob *body, *chain;

	memcpy(p.comp, tcb.cpusvn, sizeof(p.comp));
	body = pki_pckcerts(k->pki, 1, &p);
	chain = pki_chain_pem(k->pki, PKI_PROCESSOR_CA);
	must(kit_certs(k, &ask, blob_span(body), blob_span(chain)) == ERR_OK);
	blob_unref(body);
	blob_unref(chain);
}

START_TEST(test_many_loops_call_at_once)
{
	struct pki_tcbinfo t = { .fmspc = FMSPC };
	struct pki_doc d = pki_tcbinfo(k->pki, &t);
	struct coll_raw raw = { .key = key_tcbinfo(TEE_SGX, 4, FMSPC,
				    UPDATE_STANDARD, 0),
		.body = blob_span(d.body),
		.chain = blob_span(d.chain),
		.source = "test",
		.fetched_at = clock_now() };
	struct runner r[LOOPS];
	struct buf b = BUF_INIT;
	int i;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	admit_one_platform();
	must(sem_init(&all_done, 0, 0) == 0);
	expected = 3 * LOOPS * CALLS;
	for (i = 0; i < LOOPS; i++) {
		r[i] = (struct runner){ .loop = loop_new("runner"),
			.n = i,
			.raw = &raw };
		loop_start(r[i].loop);
		msg_send(r[i].loop, &r[i].msg, runner_run);
	}
	while (sem_trywait(&all_done) != 0)
		storage_metrics(k->st, &b), buf_free(&b);
	for (i = 0; i < LOOPS; i++) {
		storage_unsubscribe(k->st, on_snap, &r[i]);
		loop_stop(r[i].loop);
		loop_join(r[i].loop);
	}
	storage_drain(k->st);
	for (i = 0; i < LOOPS; i++) {
		ck_assert_ptr_ne(snap_get(r[i].snap, &raw.key), NULL);
		snap_unref(r[i].snap);
		loop_free(r[i].loop);
	}
	ck_assert_int_eq(atomic_load(&answered), expected);
	ck_assert_int_eq(atomic_load(&found), LOOPS * CALLS);
	/* P0 alone has its certificate; the first loop asks four times. */
	ck_assert_int_eq(atomic_load(&cached), CALLS / 50);
	ck_assert_int_eq(kit_platforms(k, "reg", true), ERR_OK);
	ck_assert_uint_eq(k->n, 50 + LOOPS - 1 - 1);
	pki_doc_fini(&d);
}
END_TEST

/* --- more than may wait ----------------------------------------------- */

#define TOO_MANY (STORE_QUEUE_MAX + 1000)

static void
on_any(void *arg, enum err e, const struct why *why, bool is_cached)
{
	(void)is_cached;
	atomic_fetch_add(&shed, e == ERR_SHED);
	if (e == ERR_SHED)
		ck_assert_int_gt((int)strlen(why->text), 0);
	if (atomic_fetch_add(&answered, 1) + 1 == TOO_MANY)
		kit_done(arg);
}

static void
flood_fn(struct kit *kk, void *arg)
{
	struct platform_ask ask = { .has_tcb = true, .tcb = tcb };
	int i;

	(void)arg;
	for (i = 0; i < TOO_MANY; i++) {
		ask.id = id_of(i);
		storage_register(kk->st, &ask, on_any, kk);
	}
}

START_TEST(test_more_calls_than_may_wait_are_shed)
{
	uint64_t counted = metric_get(M_SHED_STORE);
	sqlite3 *db;

	storage_drain(k->st);
	/* The store thread waits for this lock while the calls come in. */
	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	kit_wait(k, flood_fn, NULL);
	ck_assert_int_ge(atomic_load(&shed), 1);
	ck_assert_int_le(atomic_load(&shed), 1000);
	ck_assert_uint_eq(metric_get(M_SHED_STORE) - counted,
	    (uint64_t)atomic_load(&shed));
	ck_assert_int_eq(err_http(ERR_SHED), 503);
	must(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("storm");
	TCase *t = tcase_create("storm");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_many_loops_call_at_once);
	tcase_add_test(t, test_more_calls_than_may_wait_are_shed);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
