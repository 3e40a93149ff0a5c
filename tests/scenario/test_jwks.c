/*
 * The keys of signed verdicts as a client and an operator meet them: served,
 * rotated by the command line while larderd runs, taken at SIGHUP.
 */
#include "config/base/must.h"
#include "tests/kit/house.h"

#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LISTEN                                                                 \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"verify\",\"ops\"]},"       \
	"{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]}]"
#define JWKS "/.well-known/jwks.json"

static const struct house_opts opts = { .listen = LISTEN };
static struct house house;
static struct daemon_run daemon_;

static void
setup(void)
{
	house_daemon(&house, &opts, &daemon_);
}

static void
teardown(void)
{
	char line[300];
	struct run r;

	ck_assert_int_eq(daemon_run_end(&daemon_, SIGTERM), 0);
	sim_stop(house.sim);
	/* The tests of this program share its folder. */
	snprintf(line, sizeof(line), "rm -r %s", run_path("keys"));
	r = run_line("", line);
	ck_assert_int_eq(r.status, 0);
	run_free(&r);
}

/* What is served now: how many keys, and their ids joined. */
static size_t
served(char *kids, size_t len)
{
	struct edge_reply r = house_get(&house, JWKS);
	json_t *set = json_loadb(r.body, r.len, 0, NULL), *row;
	size_t i, n = json_array_size(json_object_get(set, "keys"));

	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Type", "application/jwk-set+json");
	expect_header(&r, "Cache-Control", "public, max-age=3600");
	kids[0] = '\0';
	json_array_foreach(json_object_get(set, "keys"), i, row)
	{
		ck_assert_ptr_null(json_object_get(row, "d"));
		snprintf(kids + strlen(kids), len - strlen(kids), "%s ",
		    json_string_value(json_object_get(row, "kid")));
	}
	json_decref(set);
	edge_reply_free(&r);
	return n;
}

/* "larder key ..." on the daemon's configuration. */
static struct run
key(const char *command)
{
	int stem = (int)(strrchr(daemon_.log, '.') - daemon_.log);
	char line[400];

	snprintf(line, sizeof(line), "larder key %s -c %.*s.json", command,
	    stem, daemon_.log);
	return run_line("", line);
}

static void
hup(const char *event)
{
	ck_assert_int_eq(kill(daemon_.pid, SIGHUP), 0);
	ck_assert(daemon_run_logged(&daemon_, event));
}

START_TEST(test_rotation_while_it_runs)
{
	char before[200], kids[200], kid[64];
	struct run r;

	ck_assert_uint_eq(served(before, sizeof(before)), 1);
	r = key("rotate");
	ck_assert_msg(r.status == 0, "%s", r.err.p);
	snprintf(kid, sizeof(kid), "%.43s", r.out.p);
	run_free(&r);
	/* Not before it is told so. */
	ck_assert_uint_eq(served(kids, sizeof(kids)), 1);
	hup("event=reloaded");
	ck_assert(daemon_run_logged(&daemon_, "event=signing-key"));
	ck_assert(daemon_run_logged(&daemon_, "keys=2"));
	ck_assert_uint_eq(served(kids, sizeof(kids)), 2);
	ck_assert_ptr_nonnull(strstr(kids, kid));
	ck_assert_ptr_nonnull(strstr(kids, before));
	r = key("list");
	ck_assert_int_eq(r.status, 0);
	ck_assert_ptr_nonnull(strstr(r.out.p, "signs"));
	ck_assert_ptr_nonnull(strstr(r.out.p, "waits"));
	run_free(&r);
	r = key("rotate");
	ck_assert_int_eq(r.status, 1);
	ck_assert_ptr_nonnull(strstr(r.err.p, kid));
	run_free(&r);
	r = key("rotate --now --json");
	ck_assert_int_eq(r.status, 0);
	ck_assert_ptr_nonnull(strstr(r.out.p, kid));
	run_free(&r);
}
END_TEST

/* The folder of keys, beside the database: "DIR/keys". */
static void
keys_chmod(mode_t mode)
{
	struct run r = key("list --json");
	json_t *list = json_loads(r.out.p, 0, NULL);
	char path[512];

	snprintf(path, sizeof(path), "%s/keys/%s.jwk", run_dir(),
	    json_string_value(json_object_get(json_array_get(list, 0), "kid")));
	ck_assert_msg(chmod(path, mode) == 0, "%s", path);
	json_decref(list);
	run_free(&r);
}

START_TEST(test_a_key_others_can_read_is_not_taken)
{
	char before[200], after[200];
	struct run r;

	served(before, sizeof(before));
	keys_chmod(0644);
	hup("event=reload-refused");
	ck_assert_uint_eq(served(after, sizeof(after)), 1);
	ck_assert_str_eq(before, after);
	r = key("list");
	ck_assert_int_eq(r.status, 1);
	ck_assert_ptr_nonnull(strstr(r.err.p, "mode 0600"));
	run_free(&r);
}
END_TEST

START_TEST(test_only_where_verify_is_served)
{
	house.port = daemon_.port[1];
	ck_assert_int_eq(house_status(&house, JWKS), 404);
	house.port = daemon_.port[0];
	ck_assert_int_eq(house_status(&house, JWKS), 200);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwks");
	TCase *tc = tcase_create("daemon");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_rotation_while_it_runs);
	tcase_add_test(tc, test_a_key_others_can_read_is_not_taken);
	tcase_add_test(tc, test_only_where_verify_is_served);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
