/*
 * Trails: the identity goes with the TCB info before it, and a source gets
 * one set after the other.
 */
#include "server/trail.h"

#include <check.h>
#include <stdio.h>

#define NOW ((time_t)1800000000)

static struct trail *t;

static uint64_t
name(const char *peer)
{
	return trail_name(t, peer, 0, TEE_SGX, false);
}

START_TEST(test_an_identity_goes_with_its_tcb_info)
{
	ck_assert_uint_eq(trail_get(t, name("a"), NOW), 0);
	ck_assert(trail_begin(t, name("a"), 17, NOW));
	ck_assert_uint_eq(trail_get(t, name("a"), NOW), 17);
	ck_assert_uint_eq(trail_take(t, name("a"), NOW), 17);
	/* QvE's comes after it. */
	ck_assert_uint_eq(trail_get(t, name("a"), NOW), 17);
	ck_assert_uint_eq(trail_get(t, name("b"), NOW), 0);
}
END_TEST

START_TEST(test_one_set_after_the_other)
{
	ck_assert(trail_begin(t, name("a"), 17, NOW));
	ck_assert(trail_begin(t, name("a"), 17, NOW));
	ck_assert(!trail_begin(t, name("a"), 18, NOW));
	ck_assert_uint_eq(trail_take(t, name("a"), NOW), 17);
	ck_assert(!trail_begin(t, name("a"), 18, NOW));
	ck_assert_uint_eq(trail_take(t, name("a"), NOW), 17);
	ck_assert(trail_begin(t, name("a"), 18, NOW));
	ck_assert_uint_eq(trail_take(t, name("a"), NOW), 18);
	/* Others do not wait for it. */
	ck_assert(trail_begin(t, name("b"), 17, NOW));
	ck_assert(trail_begin(t, name("a"), 18, NOW));
}
END_TEST

START_TEST(test_nobody_waits_for_ever)
{
	ck_assert(trail_begin(t, name("a"), 17, NOW));
	ck_assert(!trail_begin(t, name("a"), 18, NOW + TRAIL_OPEN_S));
	ck_assert(trail_begin(t, name("a"), 18, NOW + TRAIL_OPEN_S + 1));
	trail_put(t, name("a"), 17, NOW + TRAIL_OPEN_S + 1);
	ck_assert_uint_eq(trail_get(t, name("a"), NOW + TRAIL_OPEN_S + 1), 17);
}
END_TEST

START_TEST(test_a_trail_ends)
{
	ck_assert(trail_begin(t, name("a"), 17, NOW));
	ck_assert_uint_eq(trail_get(t, name("a"), NOW + TRAIL_S), 17);
	ck_assert_uint_eq(trail_get(t, name("a"), NOW + TRAIL_S + 1), 0);
	ck_assert_uint_eq(trail_take(t, name("a"), NOW + TRAIL_S + 1), 0);
	/* A clock that went back says nothing. */
	ck_assert_uint_eq(trail_get(t, name("a"), NOW - 1), 0);
}
END_TEST

START_TEST(test_who_where_and_what_for)
{
	const uint64_t names[] = { name("10.0.0.1"),
		trail_name(t, "10.0.0.2", 0, TEE_SGX, false),
		trail_name(t, "10.0.0.1", 1, TEE_SGX, false),
		trail_name(t, "10.0.0.1", 0, TEE_TDX, false),
		trail_name(t, "10.0.0.1", 0, TEE_SGX, true) };
	size_t i, n = sizeof(names) / sizeof(names[0]);

	for (i = 0; i < n; i++)
		ck_assert(trail_begin(t, names[i], (uint32_t)(20 + i), NOW));
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(trail_get(t, names[i], NOW), 20 + i);
}
END_TEST

/* The oldest give way; whoever is forgotten gets no wrong number. */
START_TEST(test_many_sources)
{
	char peer[32];
	unsigned i, wrong = 0, kept = 0;
	uint32_t n;

	for (i = 0; i < 100000; i++) {
		snprintf(peer, sizeof(peer), "10.%u.%u.%u", i >> 16,
		    (i >> 8) & 255, i & 255);
		trail_put(t, name(peer), 17 + i % 2, NOW);
		n = trail_get(t, name(peer), NOW);
		kept += n == 17 + i % 2;
		wrong += n != 0 && n != 17 + i % 2;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(kept, 100000);
	ck_assert_uint_eq(trail_get(t, name("172.16.0.1"), NOW + TRAIL_S + 1),
	    0);
}
END_TEST

START_TEST(test_numbers_too_large_are_not_kept)
{
	ck_assert(trail_begin(t, name("a"), 65536, NOW));
	ck_assert_uint_eq(trail_get(t, name("a"), NOW), 0);
	ck_assert(trail_begin(t, name("a"), 65535, NOW));
	ck_assert_uint_eq(trail_get(t, name("a"), NOW), 65535);
}
END_TEST

static void
setup(void)
{
	t = trail_new();
}

static void
teardown(void)
{
	trail_free(t);
}

static Suite *
suite(void)
{
	Suite *s = suite_create("trail");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_an_identity_goes_with_its_tcb_info);
	tcase_add_test(tc, test_one_set_after_the_other);
	tcase_add_test(tc, test_nobody_waits_for_ever);
	tcase_add_test(tc, test_a_trail_ends);
	tcase_add_test(tc, test_who_where_and_what_for);
	tcase_add_test(tc, test_many_sources);
	tcase_add_test(tc, test_numbers_too_large_are_not_kept);
	suite_add_tcase(s, tc);
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
