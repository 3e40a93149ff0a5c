/*
 * soak [SECONDS]: good and bad clients at larderd for so long (600), then
 * whether anything has grown and whether the books agree.
 */
#include "tests/kit/soak.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct soak_opts opts = { .header_ms = 3000 };

START_TEST(soak)
{
	struct soak_result r;

	soak_run(&opts, &r);
	printf("%lu answers to good clients, %lu of their requests failed\n"
	       "%lu refusals with a reason, %lu connections ended without an "
	       "answer, %lu of them lost one, %lu resets, %lu connections\n"
	       "after the warm-up %ld KB and %ld descriptors, at the end %ld "
	       "KB "
	       "and %ld\n",
	    r.good, r.bad, r.refused, r.silent, r.lost, r.resets, r.connects,
	    r.rss_kb[0], r.fds[0], r.rss_kb[1], r.fds[1]);
	(void)fflush(stdout);
	ck_assert_uint_eq(r.differences, 0);
	ck_assert_uint_le(r.lost, r.refused / 10);
	ck_assert_uint_eq(r.bad, 0);
	ck_assert_int_le(r.fds[1], r.fds[0] + SOAK_FDS);
	ck_assert_int_le(r.rss_kb[1], r.rss_kb[0] + SOAK_RSS_KB);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("soak");
	TCase *t = tcase_create("soak");
	SRunner *r = srunner_create(s);
	int failed;

	opts.seconds = argc > 1 ? atol(argv[1]) : 600;
	if (argc > 2 || opts.seconds < 5) {
		fputs("usage: soak [SECONDS]   (5 or more)\n", stderr);
		return 2;
	}
	(void)run_dir();
	tcase_set_timeout(t, (double)opts.seconds + 120);
	tcase_add_test(t, soak);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
