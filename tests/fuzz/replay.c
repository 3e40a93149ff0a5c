/*
 * A fuzz target without a fuzzer: linked with fuzz_NAME.o as replay_NAME, it
 * gives the target every file of tests/fuzz/corpus/NAME, each in a process of
 * its own, and the empty input.  Runs in the project's top folder.
 */
#include "config/base/blob.h"
#include "config/base/must.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
/* Targets that need no preparation have none. */
int LLVMFuzzerInitialize(int *, char ***) __attribute__((weak));

static char folder[256];
static struct dirent **files;
static int files_n;

static int
no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
corpus_list(const char *program)
{
	const char *name = strrchr(program, '/');

	name = name == NULL ? program : name + 1;
	must(strncmp(name, "replay_", 7) == 0);
	snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name + 7);
	files_n = scandir(folder, &files, no_dots, alphasort);
	must(files_n >= 0 || errno == ENOENT);
	if (files_n < 0)
		files_n = 0;
}

/* A copy exactly as long as the input, so that an overrun is seen. */
static void
feed(struct span in)
{
	uint8_t *p = malloc(in.len);

	ck_assert(p != NULL || in.len == 0);
	if (in.len != 0)
		memcpy(p, in.p, in.len);
	ck_assert_int_eq(LLVMFuzzerTestOneInput(p, in.len), 0);
	free(p);
}

START_TEST(test_the_empty_input)
{
	feed(SPAN_NONE);
}
END_TEST

START_TEST(test_a_file_of_the_corpus)
{
	struct buf text = BUF_INIT;
	char path[600], part[65536];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, files[_i]->d_name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0) {
		buf_add(&text, part, n);
		ck_assert_msg(text.len <= INPUT_MAX, "%s is too large", path);
	}
	ck_assert_int_eq(ferror(f), 0);
	fclose(f);
	feed(buf_view(&text));
	buf_free(&text);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("replay");
	TCase *tc = tcase_create("corpus");
	SRunner *sr = srunner_create(s);
	int failed;

	corpus_list(argv[0]);
	if (LLVMFuzzerInitialize != NULL)
		LLVMFuzzerInitialize(&argc, &argv);
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, test_the_empty_input);
	tcase_add_loop_test(tc, test_a_file_of_the_corpus, 0, files_n);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	while (files_n > 0)
		free(files[--files_n]);
	free(files);
	return failed != 0;
}
