/*
 * The LRU shards of ready pckcert answers.
 */
#include "config/base/must.h"
#include "storage/platform.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct platform_id
id_of(int n)
{
	struct platform_id id = { .pce_id = "0000" };

	snprintf(id.qe_id, sizeof(id.qe_id), "%032X", (unsigned)n);
	return id;
}

static struct raw_tcb
tcb_of(int n)
{
	struct raw_tcb tcb = { .pcesvn = 11 };

	tcb.cpusvn[0] = (uint8_t)n;
	tcb.cpusvn[1] = (uint8_t)(n >> 8);
	return tcb;
}

/* An answer of about 2 kB whose body says whose it is. */
static struct pck_answer *
answer_of(int platform, int tcb, const char *fmspc)
{
	struct pck_answer *a = xcalloc(1, sizeof(*a));
	char body[2048];

	memset(body, ' ', sizeof(body));
	snprintf(body, sizeof(body), "%d/%d", platform, tcb);
	atomic_init(&a->refs, 1);
	a->tcb = tcb_of(tcb);
	snprintf(a->fmspc, sizeof(a->fmspc), "%s", fmspc);
	a->head = blob_from(span_str("SGX-FMSPC: x\r\n"));
	a->pem = blob_new(body, sizeof(body));
	return a;
}

static void
put(struct platforms *ps, int platform, int tcb, const char *fmspc)
{
	struct platform_id id = id_of(platform);
	struct pck_answer *a = answer_of(platform, tcb, fmspc);

	platforms_put(ps, &id, a);
	pck_answer_unref(a);
}

/* Is it there, and the right one? */
static bool
has(struct platforms *ps, int platform, int tcb)
{
	struct platform_id id = id_of(platform);
	struct raw_tcb raw = tcb_of(tcb);
	struct pck_answer *a = platforms_get(ps, &id, &raw);
	char body[32];

	if (a == NULL)
		return false;
	snprintf(body, sizeof(body), "%d/%d", platform, tcb);
	ck_assert_str_eq((const char *)a->pem->data, body);
	pck_answer_unref(a);
	return true;
}

START_TEST(test_an_answer_is_found_by_platform_and_raw_tcb)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	struct platform_id other = id_of(1);
	struct raw_tcb tcb = tcb_of(1);

	put(ps, 1, 1, "A");
	ck_assert(has(ps, 1, 1));
	ck_assert(!has(ps, 1, 2));
	ck_assert(!has(ps, 2, 1));
	tcb.pcesvn = 12;
	ck_assert_ptr_eq(platforms_get(ps, &other, &tcb), NULL);
	memcpy(other.pce_id, "0001", 4);
	tcb.pcesvn = 11;
	ck_assert_ptr_eq(platforms_get(ps, &other, &tcb), NULL);
	ck_assert_uint_eq(platforms_stats(ps).hits, 1);
	ck_assert_uint_eq(platforms_stats(ps).misses, 4);
	platforms_free(ps);
}
END_TEST

START_TEST(test_the_same_raw_tcb_is_replaced)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	uint64_t bytes;

	put(ps, 1, 1, "A");
	bytes = platforms_stats(ps).bytes;
	put(ps, 1, 1, "A");
	ck_assert_uint_eq(platforms_stats(ps).answers, 1);
	ck_assert_uint_eq(platforms_stats(ps).bytes, bytes);
	platforms_free(ps);
}
END_TEST

START_TEST(test_raw_tcbs_of_a_platform_are_capped_by_use)
{
	struct platforms *ps = platforms_new(1 << 20, 3);

	put(ps, 1, 1, "A");
	put(ps, 1, 2, "A");
	put(ps, 1, 3, "A");
	ck_assert(has(ps, 1, 1));
	put(ps, 1, 4, "A");
	ck_assert(!has(ps, 1, 2));
	ck_assert(has(ps, 1, 1));
	ck_assert(has(ps, 1, 3));
	ck_assert(has(ps, 1, 4));
	ck_assert_uint_eq(platforms_stats(ps).answers, 3);
	platforms_free(ps);
}
END_TEST

START_TEST(test_memory_is_bounded_and_the_least_used_goes)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	struct platforms_stats st;
	int i, kept = 0;

	put(ps, 0, 1, "A");
	for (i = 1; i < 2000; i++) {
		put(ps, i, 1, "A");
		/* In use all the time: stays. */
		ck_assert_msg(has(ps, 0, 1), "gone after %d", i);
	}
	st = platforms_stats(ps);
	ck_assert_uint_le(st.bytes, 1 << 20);
	ck_assert_uint_gt(st.evicted, 0);
	ck_assert_uint_eq(st.platforms + st.evicted, 2000);
	for (i = 0; i < 2000; i++)
		kept += has(ps, i, 1);
	ck_assert_uint_eq((unsigned)kept, st.platforms);
	platforms_limit(ps, 0, 4);
	put(ps, 0, 2, "A");
	ck_assert(!has(ps, 0, 2));
	platforms_free(ps);
}
END_TEST

START_TEST(test_an_fmspc_is_dropped_alone)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	struct platform_id id = id_of(2);

	put(ps, 1, 1, "00906ED50000");
	put(ps, 2, 1, "00606A000000");
	platforms_drop_fmspc(ps, "00906ED50000");
	ck_assert(!has(ps, 1, 1));
	ck_assert(has(ps, 2, 1));
	platforms_drop(ps, &id);
	ck_assert(!has(ps, 2, 1));
	ck_assert_uint_eq(platforms_stats(ps).bytes, 0);
	put(ps, 1, 1, "A");
	platforms_clear(ps);
	ck_assert_uint_eq(platforms_stats(ps).platforms, 0);
	ck_assert_uint_eq(platforms_stats(ps).answers, 0);
	platforms_free(ps);
}
END_TEST

START_TEST(test_an_answer_outlives_its_place)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	struct platform_id id = id_of(1);
	struct raw_tcb tcb = tcb_of(1);
	struct pck_answer *a;

	put(ps, 1, 1, "A");
	a = platforms_get(ps, &id, &tcb);
	platforms_free(ps);
	ck_assert_str_eq((const char *)a->pem->data, "1/1");
	pck_answer_unref(a);
}
END_TEST

START_TEST(test_platforms_seen_are_reported_once_a_day)
{
	struct platforms *ps = platforms_new(1 << 20, 4);
	struct platform_id v[4], one = id_of(1);

	put(ps, 1, 1, "A");
	put(ps, 2, 1, "A");
	ck_assert_uint_eq(platforms_seen(ps, 100, v, 4), 0);
	ck_assert(has(ps, 1, 1));
	ck_assert_uint_eq(platforms_seen(ps, 100, v, 4), 1);
	ck_assert_str_eq(v[0].qe_id, one.qe_id);
	ck_assert(has(ps, 1, 1));
	ck_assert_uint_eq(platforms_seen(ps, 100, v, 4), 0);
	ck_assert_uint_eq(platforms_seen(ps, 101, v, 4), 1);
	ck_assert(has(ps, 1, 1));
	ck_assert(has(ps, 2, 1));
	ck_assert_uint_eq(platforms_seen(ps, 102, v, 1), 1);
	ck_assert_uint_eq(platforms_seen(ps, 102, v, 1), 1);
	ck_assert_uint_eq(platforms_seen(ps, 102, v, 1), 0);
	platforms_free(ps);
}
END_TEST

/* --- many threads ----------------------------------------------------- */

#define ROUNDS 20000

static void *
hammer(void *arg)
{
	struct platforms *ps = arg;
	unsigned x = (unsigned)(uintptr_t)&x | 1;
	int i, n;

	for (i = 0; i < ROUNDS; i++) {
		x = x * 1103515245 + 12345;
		n = (int)(x >> 16 & 127);
		if (i % 5 == 0)
			put(ps, n, n & 3, n & 1 ? "A" : "B");
		else
			has(ps, n, n & 3);
		if (i % 1000 == 0)
			platforms_drop_fmspc(ps, "A");
	}
	return NULL;
}

START_TEST(test_threads_share_the_shards)
{
	struct platforms *ps = platforms_new(128 << 10, 2);
	pthread_t t[4];
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, hammer, ps), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_le(platforms_stats(ps).bytes, 128 << 10);
	platforms_clear(ps);
	ck_assert_uint_eq(platforms_stats(ps).bytes, 0);
	platforms_free(ps);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("platform");
	TCase *t = tcase_create("platform");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_an_answer_is_found_by_platform_and_raw_tcb);
	tcase_add_test(t, test_the_same_raw_tcb_is_replaced);
	tcase_add_test(t, test_raw_tcbs_of_a_platform_are_capped_by_use);
	tcase_add_test(t, test_memory_is_bounded_and_the_least_used_goes);
	tcase_add_test(t, test_an_fmspc_is_dropped_alone);
	tcase_add_test(t, test_an_answer_outlives_its_place);
	tcase_add_test(t, test_platforms_seen_are_reported_once_a_day);
	tcase_add_test(t, test_threads_share_the_shards);
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
