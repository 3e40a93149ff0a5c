/* larder doctor: what is well is called so, and what is not is named. */
#include "config/base/must.h"
#include "tests/kit/edge.h"
#include "tests/kit/keep.h"
#include "tests/kit/run.h"
#include "tests/sim/sim.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH                                                                   \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"     \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sim *sim;

struct patient {
	const char *database, *certificate, *key, *token;
};

static const struct patient well = { "doctor.db", "tls/server.pem",
	"tls/server.key", HASH };

static struct run
examine(const struct patient *p, const char *option)
{
	char text[4096], line[512];

	snprintf(text, sizeof(text),
	    "{\"database\": \"sqlite:%s/%s\",\n"
	    "\"listen\": [{\"address\": \"127.0.0.1:0\", \"serve\": [\"pccs\"],"
	    " \"tls\": {\"certificate\": \"%s/%s\", \"key\": \"%s/%s\"}}],\n"
	    "\"upstream\": {\"pcs\": {\"urls\": [\"%s\"],"
	    " \"root_crl_urls\": [\"%s\"]}, \"kds\": {\"urls\": [\"%s\"]}},\n"
	    "\"tokens\": {\"admin_sha512\": [%s%s%s]}}",
	    run_dir(), p->database, run_dir(), p->certificate, run_dir(),
	    p->key, sim_url(sim), sim_root_url(sim), sim_url(sim),
	    *p->token == '\0' ? "" : "\"", p->token,
	    *p->token == '\0' ? "" : "\"");
	run_spill("doctor.json", text);
	snprintf(line, sizeof(line), "larder doctor %s -c %s", option,
	    run_path("doctor.json"));
	return run_line("", line);
}

static void
expect(struct run r, int status, const char *line)
{
	ck_assert_msg(r.status == status, "%d\n%s%s", r.status, r.out.p,
	    r.err.p);
	ck_assert_msg(strstr(r.out.p, line) != NULL, "no \"%s\" in\n%s", line,
	    r.out.p);
	run_free(&r);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(sim = sim_start(NULL));
	setenv("no_proxy", "*", 1);
}

static void
teardown(void)
{
	sim_stop(sim);
}

START_TEST(test_who_is_well_is_told_so)
{
	json_t *list, *row;
	struct run r;
	size_t i;

	expect(examine(&well, ""), 0, " ok, 0 to look at, 0 to mend");
	r = examine(&well, "--json");
	list = json_loads(r.out.p, 0, NULL);
	ck_assert_msg(json_array_size(list) >= 7, "%s", r.out.p);
	json_array_foreach(list, i, row)
	{
		ck_assert_str_eq(json_string_value(
				     json_object_get(row, "result")),
		    "ok");
	}
	json_decref(list);
	run_free(&r);
}
END_TEST

START_TEST(test_each_trouble_is_named)
{
	struct patient p = well;

	p.database = "nowhere/x.db";
	expect(examine(&p, ""), 1, "fail  database");
	p = well;
	run_spill("text.db", "this is a text, whatever it is called");
	p.database = "text.db";
	expect(examine(&p, ""), 1, "is no SQLite database");
	p = well;
	must(mkdir(run_path("doctor.db-trail"), 0700) == 0);
	expect(examine(&p, ""), 0, "warn  trails");
	must(rmdir(run_path("doctor.db-trail")) == 0);
	p.certificate = "none.pem";
	expect(examine(&p, ""), 1, "no certificate can be read");
	p = well;
	p.key = "other.key";
	expect(examine(&p, ""), 1, "is not the key of");
	p = well;
	p.token = "";
	expect(examine(&p, ""), 0, "warn  tokens");
	ck_assert_int_eq(chmod(run_path("tls/server.key"), 0644), 0);
	expect(examine(&well, ""), 0, "can be read by everyone");
	ck_assert_int_eq(chmod(run_path("tls/server.key"), 0600), 0);
	run_spill("bad.json", "{\n\"mode\": \"lasy\"}");
	expect(run_line("", "larder doctor -c /nonexistent.json"), 1,
	    "fail  configuration");
}
END_TEST

static void
execute(const char *file, const char *text)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(run_path(file), &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* Overwrite the pages behind the first. */
static void
damage(const char *file)
{
	FILE *f = fopen(run_path(file), "r+");
	char junk[4096];
	long at, end;

	memset(junk, 0x55, sizeof(junk));
	ck_assert(f != NULL && fseek(f, 0, SEEK_END) == 0);
	end = ftell(f);
	for (at = 4096; at < end; at += 4096) {
		ck_assert_int_eq(fseek(f, at, SEEK_SET), 0);
		ck_assert_uint_eq(fwrite(junk, sizeof(junk), 1, f), 1);
	}
	ck_assert(end > 4096 && fclose(f) == 0);
}

/* What larderd would not start with, or not write to. */
START_TEST(test_databases_that_are_not_good)
{
	struct daemon_run d;
	struct patient p = well;

	ck_assert(daemon_run_start("made",
	    keep_printf("{\"mode\": \"offline\", \"listen\": [{\"address\":"
			" \"127.0.0.1:0\", \"serve\": [\"ops\"]}],"
			" \"database\": \"sqlite:%s\"}",
		run_path("made.db")),
	    &d));
	p.database = "made.db";
	/* While it is in use, and after that. */
	expect(examine(&p, ""), 0, "ok    database");
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	expect(examine(&p, ""), 0, "ok    database");
	ck_assert_int_eq(access(run_path("made.db-wal"), F_OK), -1);
	ck_assert_int_eq(access(run_path("made.db-shm"), F_OK), -1);

	execute("made.db", "PRAGMA user_version = 999");
	expect(examine(&p, ""), 1, "has schema 999");
	execute("made.db", "PRAGMA user_version = 1");
	damage("made.db");
	expect(examine(&p, ""), 1, "fail  database");
	execute("other.db", "CREATE TABLE a(b)");
	p.database = "other.db";
	expect(examine(&p, ""), 1, "another program's");
}
END_TEST

START_TEST(test_upstreams_and_clock)
{
	struct sim_fault fault = { .kind = SIM_STATUS,
		.path = "*qe/identity*",
		.status = 503 };

	expect(examine(&well, ""), 0, "ok    clock");
	sim_skew(sim, 3600);
	expect(examine(&well, ""), 1, "s behind the upstream's");
	sim_skew(sim, 0);
	sim_fault_add(sim, &fault);
	expect(examine(&well, ""), 1, "answers 503");
	fault.status = 429;
	sim_fault_clear(sim);
	sim_fault_add(sim, &fault);
	expect(examine(&well, ""), 0, "throttles us");
	sim_fault_clear(sim);
	sim_down(sim);
	expect(examine(&well, ""), 1, "fail  kds");
	sim_up(sim);
}
END_TEST

static void
tls_make(void)
{
	char line[256];
	struct run r;

	snprintf(line, sizeof(line), "larder init-tls -d %s localhost",
	    run_path("tls"));
	r = run_line("", line);
	must(r.status == 0);
	run_free(&r);
}

int
main(void)
{
	Suite *s = suite_create("doctor");
	TCase *tc = tcase_create("doctor");
	SRunner *r = srunner_create(s);
	int failed;

	tls_make();
	edge_certificate(run_dir(), "other");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_databases_that_are_not_good);
	tcase_add_test(tc, test_who_is_well_is_told_so);
	tcase_add_test(tc, test_each_trouble_is_named);
	tcase_add_test(tc, test_upstreams_and_clock);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
