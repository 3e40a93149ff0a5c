#include "config/base/log.h"

#include "config/base/blob.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * stderr goes into an unnamed file for the length of a test (each runs in a
 * process of its own), so what was logged can be read back.
 */
static int captured = -1;

static void
capture(void)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	captured = dup(fileno(f));
	ck_assert_int_ne(captured, -1);
	fclose(f);
	ck_assert_int_eq(dup2(captured, STDERR_FILENO), STDERR_FILENO);
}

static char *
logged(void)
{
	struct buf b = BUF_INIT;
	char part[4096];
	ssize_t n;

	ck_assert_int_eq(lseek(captured, 0, SEEK_SET), 0);
	while ((n = read(captured, part, sizeof(part))) > 0)
		buf_add(&b, part, (size_t)n);
	buf_add(&b, "", 1);
	return b.p;
}

static void
expect(const char *want)
{
	char *have = logged();

	ck_assert_str_eq(have, want);
	free(have);
	ck_assert_int_eq(ftruncate(captured, 0), 0);
	ck_assert_int_eq(lseek(captured, 0, SEEK_SET), 0);
}

START_TEST(test_a_line_has_level_event_and_pairs)
{
	capture();
	log_event(LOG_WARN, "refused", "object", "tcb/sgx/4", "reason",
	    "bad-signature", "none", (char *)NULL, "bytes", log_num(-12).s,
	    NULL);
	expect("<4>event=refused object=tcb/sgx/4 reason=bad-signature "
	       "bytes=-12\n");
	log_event(LOG_ERROR, "x", NULL);
	expect("<3>event=x\n");
}
END_TEST

static const struct {
	const char *value, *text;
} values[] = {
	{ "", "\"\"" },
	{ "two words", "\"two words\"" },
	{ "a=b", "\"a=b\"" },
	{ "say \"x\"", "\"say \\\"x\\\"\"" },
	{ "back\\slash", "\"back\\\\slash\"" },
	{ "new\nline", "\"new\\x0aline\"" },
	{ "\r\t\x1b[31m", "\"\\x0d\\x09\\x1b[31m\"" },
	{ "\x7f", "\"\\x7f\"" },
	{ "\xc3\xa9", "\"\\xc3\\xa9\"" },
};

START_TEST(test_odd_values_are_quoted_and_control_characters_shown)
{
	char want[100];

	capture();
	log_event(LOG_INFO, "e", "k", values[_i].value, NULL);
	snprintf(want, sizeof(want), "<6>event=e k=%s\n", values[_i].text);
	expect(want);
}
END_TEST

START_TEST(test_levels_above_the_limit_are_dropped)
{
	enum log_level level = LOG_ERROR;

	capture();
	log_event(LOG_DEBUG, "hidden", NULL);
	expect("");
	ck_assert(log_level_read("debug", &level));
	ck_assert_int_eq(level, LOG_DEBUG);
	log_level_set(level);
	log_event(LOG_DEBUG, "seen", NULL);
	expect("<7>event=seen\n");
	log_level_set(LOG_ERROR);
	log_event(LOG_WARN, "hidden", NULL);
	expect("");
	ck_assert(!log_level_read("DEBUG", &level));
	ck_assert(!log_level_read("", &level));
	ck_assert_int_eq(level, LOG_DEBUG);
}
END_TEST

START_TEST(test_the_request_is_named_while_it_is_set)
{
	capture();
	log_request("r-1");
	log_event(LOG_INFO, "e", "k", "v", NULL);
	log_request(NULL);
	log_event(LOG_INFO, "e", NULL);
	expect("<6>event=e request=r-1 k=v\n<6>event=e\n");
}
END_TEST

START_TEST(test_a_long_value_is_cut)
{
	char big[5000], *have;

	capture();
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_event(LOG_INFO, "e", "k", big, "after", "1", NULL);
	have = logged();
	ck_assert_uint_lt(strlen(have), 1100);
	ck_assert_ptr_nonnull(strstr(have, "x...\" after=1\n"));
	free(have);
}
END_TEST

START_TEST(test_a_secret_is_named_by_its_digest)
{
	ck_assert_str_eq(log_id(span_str("abc")).s, "ba7816bf");
	ck_assert_str_ne(log_id(span_str("abd")).s, "ba7816bf");
}
END_TEST

static void *
chatter(void *arg)
{
	int i;

	for (i = 0; i < 500; i++)
		log_event(LOG_INFO, "line", "who", arg, "tail", "end", NULL);
	return NULL;
}

START_TEST(test_lines_of_threads_do_not_mix)
{
	static const char *const who[] = { "aaaa", "bbbb", "cccc" };
	pthread_t t[3];
	int i, n = 0;
	char *have, *line, *save = NULL;

	capture();
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(pthread_create(&t[i], NULL, chatter,
				     (void *)(uintptr_t)who[i]),
		    0);
	}
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	have = logged();
	for (line = strtok_r(have, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save), n++) {
		ck_assert(
		    strcmp(line, "<6>event=line who=aaaa tail=end") == 0 ||
		    strcmp(line, "<6>event=line who=bbbb tail=end") == 0 ||
		    strcmp(line, "<6>event=line who=cccc tail=end") == 0);
	}
	ck_assert_int_eq(n, 1500);
	free(have);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, test_a_line_has_level_event_and_pairs);
	tcase_add_loop_test(tc,
	    test_odd_values_are_quoted_and_control_characters_shown, 0,
	    (int)(sizeof(values) / sizeof(values[0])));
	tcase_add_test(tc, test_levels_above_the_limit_are_dropped);
	tcase_add_test(tc, test_the_request_is_named_while_it_is_set);
	tcase_add_test(tc, test_a_long_value_is_cut);
	tcase_add_test(tc, test_a_secret_is_named_by_its_digest);
	tcase_add_test(tc, test_lines_of_threads_do_not_mix);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
