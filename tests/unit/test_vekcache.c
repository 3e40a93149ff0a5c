/*
 * AMD's keys in memory: bounded, the least recently used out first, a day old
 * at most, and from any thread.
 */
#include "config/base/must.h"
#include "storage/vekcache.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define T0      ((int64_t)1780272000 * 1000)

static struct vekcache *vc;

static void
setup(void)
{
	vc = vekcache_new((int64_t)64 << 20);
}

static void
teardown(void)
{
	vekcache_free(vc);
}

static struct coll_key
key_of(enum amd_product product, unsigned chip)
{
	unsigned char hwid[AMD_HWID_MAX] = { (unsigned char)chip,
		(unsigned char)(chip >> 8) };

	return key_vcek(product, span_of(hwid, amd_hwid_len(product)),
	    (struct amd_tcb){ { 4 } });
}

/* A record as memory sees it: no gate has looked at it. */
static void
put(enum amd_product product, unsigned chip, int64_t now_ms)
{
	struct coll *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	c->key = key_of(product, chip);
	c->body = blob_from(span_str("der"));
	vekcache_put(vc, c, now_ms);
	coll_unref(c);
}

static bool
has(enum amd_product product, unsigned chip, int64_t now_ms)
{
	struct coll_key key = key_of(product, chip);
	struct coll *c = vekcache_get(vc, &key, now_ms, true);
	bool found = c != NULL;

	coll_unref(c);
	return found;
}

START_TEST(test_what_is_put_is_given_and_counted)
{
	struct vekcache_stats st;

	ck_assert(!has(AMD_MILAN, 1, T0));
	put(AMD_MILAN, 1, T0);
	ck_assert(has(AMD_MILAN, 1, T0));
	ck_assert(!has(AMD_GENOA, 1, T0));
	put(AMD_MILAN, 1, T0); /* in its own place */
	st = vekcache_stats(vc);
	ck_assert_uint_eq(st.veks, 1);
	ck_assert_uint_eq(st.hits, 1);
	ck_assert_uint_eq(st.misses, 2);
	ck_assert_uint_gt(st.bytes, 10000);
	vekcache_drop(vc, &(struct coll_key[]){ key_of(AMD_MILAN, 1) }[0]);
	ck_assert(!has(AMD_MILAN, 1, T0));
	ck_assert_uint_eq(vekcache_stats(vc).bytes, 0);
}
END_TEST

START_TEST(test_a_day_after_the_gate_it_is_given_no_more)
{
	put(AMD_TURIN, 1, T0);
	ck_assert(has(AMD_TURIN, 1, T0 + 24 * HOUR_MS));
	ck_assert(!has(AMD_TURIN, 1, T0 + 24 * HOUR_MS + 1));
	ck_assert_uint_eq(vekcache_stats(vc).veks, 0);
}
END_TEST

START_TEST(test_one_issuers_keys_go_together)
{
	unsigned i;

	for (i = 0; i < 50; i++) {
		put(AMD_MILAN, i, T0);
		put(AMD_TURIN, i, T0);
	}
	vekcache_drop_side(vc, AMD_MILAN, AMD_VLEK);
	ck_assert_uint_eq(vekcache_stats(vc).veks, 100);
	vekcache_drop_side(vc, AMD_MILAN, AMD_VCEK);
	ck_assert_uint_eq(vekcache_stats(vc).veks, 50);
	ck_assert(!has(AMD_MILAN, 7, T0));
	ck_assert(has(AMD_TURIN, 7, T0));
	vekcache_clear(vc);
	ck_assert_uint_eq(vekcache_stats(vc).veks, 0);
}
END_TEST

START_TEST(test_the_one_in_use_outlives_a_flood)
{
	struct vekcache_stats st;
	unsigned i;

	vekcache_limit(vc, 1 << 20);
	put(AMD_MILAN, 0, T0);
	for (i = 1; i < 2000; i++) {
		put(AMD_MILAN, i, T0 + i);
		ck_assert(has(AMD_MILAN, 0, T0 + i));
		st = vekcache_stats(vc);
		ck_assert_uint_le(st.bytes, 1 << 20);
	}
	ck_assert_uint_eq(st.veks + st.evicted, 2000);
	ck_assert_uint_gt(st.veks, 16);
}
END_TEST

START_TEST(test_use_is_told_once_an_hour)
{
	struct coll *told[8];
	size_t i, n;

	put(AMD_MILAN, 1, T0);
	put(AMD_MILAN, 2, T0);
	/* Put is no news: it is written with that time. */
	ck_assert_uint_eq(vekcache_used(vc, T0 + HOUR_MS, T0 + 2 * HOUR_MS,
			      told, 8),
	    0);
	ck_assert(has(AMD_MILAN, 1, T0 + 2 * HOUR_MS));
	n = vekcache_used(vc, T0 + HOUR_MS, T0 + 2 * HOUR_MS, told, 8);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(told[0]->key.text, key_of(AMD_MILAN, 1).text);
	for (i = 0; i < n; i++)
		coll_unref(told[i]);
	ck_assert(has(AMD_MILAN, 1, T0 + 2 * HOUR_MS + 1));
	ck_assert_uint_eq(vekcache_used(vc, T0 + HOUR_MS, T0 + 2 * HOUR_MS,
			      told, 8),
	    0);
	ck_assert_int_eq(vekcache_used_ms(vc,
			     &(struct coll_key[]){ key_of(AMD_MILAN, 1) }[0]),
	    T0 + 2 * HOUR_MS + 1);
}
END_TEST

/* --- threads ---------------------------------------------------------- */

#define READERS 4
#define ROUNDS  3000

static void *
reader(void *arg)
{
	unsigned i, seed = (unsigned)(uintptr_t)arg;
	struct coll_key key;
	struct coll *c;

	for (i = 0; i < ROUNDS; i++) {
		key = key_of(AMD_MILAN, (i * 7 + seed) % 64);
		c = vekcache_get(vc, &key, T0, true);
		if (c != NULL)
			must(strcmp(c->key.text, key.text) == 0 &&
			     c->body->len == 3);
		coll_unref(c);
	}
	return NULL;
}

START_TEST(test_readers_and_the_writer_do_not_meet)
{
	pthread_t t[READERS];
	struct vekcache_stats st;
	uintptr_t i;

	vekcache_limit(vc, 1 << 20);
	for (i = 0; i < READERS; i++)
		must(pthread_create(&t[i], NULL, reader, (void *)i) == 0);
	for (i = 0; i < ROUNDS; i++) {
		put(AMD_MILAN, (unsigned)i % 64, T0);
		if (i % 500 == 499)
			vekcache_drop_side(vc, AMD_MILAN, AMD_VCEK);
		if (i % 100 == 0)
			(void)vekcache_stats(vc);
	}
	for (i = 0; i < READERS; i++)
		must(pthread_join(t[i], NULL) == 0);
	st = vekcache_stats(vc);
	ck_assert_uint_eq(st.hits + st.misses, READERS * ROUNDS);
	ck_assert_uint_le(st.veks, 64);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("vekcache");
	TCase *t = tcase_create("vekcache");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_what_is_put_is_given_and_counted);
	tcase_add_test(t, test_a_day_after_the_gate_it_is_given_no_more);
	tcase_add_test(t, test_one_issuers_keys_go_together);
	tcase_add_test(t, test_the_one_in_use_outlives_a_flood);
	tcase_add_test(t, test_use_is_told_once_an_hour);
	tcase_add_test(t, test_readers_and_the_writer_do_not_meet);
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
