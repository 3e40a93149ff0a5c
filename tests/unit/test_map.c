#include "config/base/map.h"

#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Python 3.11 hashes bytes with SipHash-1-3; PYTHONHASHSEED=0 is key 0. */
static const struct {
	const char *in;
	uint64_t hash;
} vectors[] = {
	{ "a", 0x407448d2b89b1813 },
	{ "ab", 0x555508cbc6add439 },
	{ "1234567", 0xa33d651594fdae81 },
	{ "12345678", 0x3489982430560a87 },
	{ "123456789", 0x0fbc0f0007965fcf },
	{ "tcb/sgx/4/00906ED50000/standard", 0xc02f12ebc704cf71 },
	{ "0123456789abcdef0123456789abcdef", 0x508d775b6fd5229b },
};

START_TEST(test_siphash13_agrees_with_another_implementation)
{
	static const uint64_t zero[2];

	ck_assert_uint_eq(siphash13(zero, span_str(vectors[_i].in)),
	    vectors[_i].hash);
}
END_TEST

START_TEST(test_siphash13_depends_on_the_key)
{
	static const uint64_t zero[2], one[2] = { 0, 1 };

	ck_assert_uint_ne(siphash13(zero, span_str("abc")),
	    siphash13(one, span_str("abc")));
}
END_TEST

START_TEST(test_put_get_del)
{
	struct map *m = map_new();
	int a, b;

	ck_assert_ptr_null(map_get(m, span_str("x")));
	ck_assert_ptr_null(map_put(m, span_str("x"), &a));
	ck_assert_ptr_null(map_put(m, SPAN_NONE, &b));
	ck_assert_ptr_eq(map_get(m, span_str("x")), &a);
	ck_assert_ptr_eq(map_get(m, span_of("", 0)), &b);
	ck_assert_ptr_null(map_get(m, span_of("x", 2)));
	ck_assert_ptr_null(map_get(m, span_str("X")));
	ck_assert_ptr_eq(map_put(m, span_str("x"), &b), &a);
	ck_assert_uint_eq(map_len(m), 2);
	ck_assert_ptr_eq(map_del(m, span_str("x")), &b);
	ck_assert_ptr_null(map_del(m, span_str("x")));
	ck_assert_ptr_null(map_get(m, span_str("x")));
	ck_assert_uint_eq(map_len(m), 1);
	map_free(m);
	map_free(NULL);
}
END_TEST

START_TEST(test_keys_are_copied)
{
	struct map *m = map_new();
	char key[] = "key";
	int a;

	ck_assert_ptr_null(map_put(m, span_str(key), &a));
	memset(key, 'z', 3);
	ck_assert_ptr_eq(map_get(m, span_str("key")), &a);
	ck_assert_ptr_null(map_get(m, span_str("zzz")));
	map_free(m);
}
END_TEST

#define MANY 5000

static struct span
nth(char key[16], int i)
{
	snprintf(key, 16, "key-%d", i);
	return span_str(key);
}

/* A small linear congruence: the same order in every run. */
static int
next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(*seed >> 16 & 0x7fff);
}

START_TEST(test_map_agrees_with_an_array_through_growth_and_deletes)
{
	static int value[MANY];
	static bool there[MANY];
	struct map *m = map_new();
	unsigned seed = 1;
	size_t n = 0;
	char key[16];
	int i, step;

	for (step = 0; step < 40000; step++) {
		i = next(&seed) % MANY;
		if (step % 3 == 2) {
			ck_assert_ptr_eq(map_del(m, nth(key, i)),
			    there[i] ? &value[i] : NULL);
			n -= there[i];
			there[i] = false;
		} else {
			ck_assert_ptr_eq(map_put(m, nth(key, i), &value[i]),
			    there[i] ? &value[i] : NULL);
			n += !there[i];
			there[i] = true;
		}
		ck_assert_uint_eq(map_len(m), n);
	}
	for (i = 0; i < MANY; i++) {
		ck_assert_ptr_eq(map_get(m, nth(key, i)),
		    there[i] ? &value[i] : NULL);
	}
	map_free(m);
}
END_TEST

START_TEST(test_iteration_visits_each_entry_once)
{
	int value[200], seen[200] = { 0 }, i;
	struct map *m = map_new();
	struct map_iter it;
	struct span k;
	char key[16];
	void *v;

	it = map_iter(m);
	ck_assert(!map_next(&it, &k, &v));
	for (i = 0; i < 200; i++)
		ck_assert_ptr_null(map_put(m, nth(key, i), &value[i]));
	it = map_iter(m);
	while (map_next(&it, &k, &v)) {
		i = (int)((int *)v - value);
		ck_assert(span_eq(k, nth(key, i)));
		seen[i]++;
	}
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(seen[i], 1);
	map_free(m);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("map");
	TCase *tc = tcase_create("map");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc,
	    test_siphash13_agrees_with_another_implementation, 0,
	    (int)(sizeof(vectors) / sizeof(vectors[0])));
	tcase_add_test(tc, test_siphash13_depends_on_the_key);
	tcase_add_test(tc, test_put_get_del);
	tcase_add_test(tc, test_keys_are_copied);
	tcase_add_test(tc,
	    test_map_agrees_with_an_array_through_growth_and_deletes);
	tcase_add_test(tc, test_iteration_visits_each_entry_once);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
