/*
 * A full disk and a read-only database, seen by clients: memory still serves,
 * what cannot be kept is refused clearly, and room again is all it takes.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"
#include "tests/kit/document.h"
#include "tests/kit/run.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define S4  "/sgx/certification/v4/"
#define TCB S4 "tcb?fmspc=00606A000000"

static struct house h;
static struct daemon_run larderd;

/* --- disks ------------------------------------------------------------ */

/*
 * No file of larderd's has room, not for what its database's log had once
 * either: that may be left from a change that was still being written.  Its
 * own log says nothing meanwhile.  Not for this process: Check keeps its
 * results in a file.
 */
static void
disk_full(void)
{
	struct rlimit r = { 1, RLIM_INFINITY };

	must(prlimit(larderd.pid, RLIMIT_FSIZE, &r, NULL) == 0);
}

static void
disk_roomy(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	must(prlimit(larderd.pid, RLIMIT_FSIZE, &r, NULL) == 0);
}

static void
set_modes(mode_t dir, mode_t file)
{
	char path[100];

	must(chmod(h.dir, dir) == 0);
	snprintf(path, sizeof(path), "%s/larder.db", h.dir);
	must(chmod(path, file) == 0);
}

/* Root writes where it likes: be somebody who cannot. */
static void
cannot_write(void)
{
	set_modes(0555, 0444);
	if (geteuid() == 0)
		must(seteuid(65534) == 0);
}

static void
can_write(void)
{
	if (getuid() == 0)
		must(seteuid(0) == 0);
	set_modes(0755, 0640);
}

/* --- what clients see -------------------------------------------------- */

static void
expect_cache(const char *target, const char *how)
{
	struct edge_reply r = house_get(&h, target);

	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "X-Cache", how);
	edge_reply_free(&r);
}

/* Memory serves whatever the database does, so it is ready; "db" tells. */
static void
expect_ready(const char *db)
{
	struct edge_reply r = house_get(&h, "/healthz/ready");
	char member[60];

	snprintf(member, sizeof(member), "{\"status\":\"UP\",\"db\":\"%s\",",
	    db);
	ck_assert_int_eq(r.status, 200);
	ck_assert_msg(r.len > strlen(member) &&
			  memcmp(r.body, member, strlen(member)) == 0,
	    "%s", r.text);
	edge_reply_free(&r);
}

/* 503 as pccs-api 11 rule 1 has it, with the reason. */
static void
expect_503(struct edge_reply r, const char *reason)
{
	ck_assert_msg(r.status == 503, "%s", r.text);
	ck_assert_uint_eq(r.len, 0);
	ck_assert(has_header(&r, "Retry-After"));
	expect_header(&r, "Larder-Reason", reason);
	edge_reply_free(&r);
}

static struct edge_reply
register_one(unsigned long n)
{
	struct sim_platform p = sim_platform(n);
	char *body = house_registration(&p, 1, NULL);
	struct edge_reply r = house_register(&h, "", body);

	free(body);
	return r;
}

static void
expect_metric(const char *line)
{
	struct edge_reply r = house_get(&h, "/metrics");

	ck_assert_int_eq(r.status, 200);
	ck_assert_ptr_nonnull(memmem(r.body, r.len, line, strlen(line)));
	edge_reply_free(&r);
}

#define OLD     SIM_NUMBER(SIM_DIRECT, 1) /* registered while all was well */
#define NEW     SIM_NUMBER(SIM_DIRECT, 2) /* comes while nothing can be kept */
#define UNKNOWN SIM_NUMBER(SIM_CLIENT, 3) /* never registers */

static void
all_is_well(void)
{
	struct sim_platform old = sim_platform(OLD);

	expect_cache(TCB, "MISS");
	expect_registered(&h, &old, NULL);
	expect_pckcert(&h, &old, 0, 200, NULL);
}

/* Everything that needs no writing goes on; all else says why it does not. */
static void
nothing_can_be_kept(const char *reason)
{
	struct sim_platform old = sim_platform(OLD);
	struct sim_platform unknown = sim_platform(UNKNOWN);
	struct edge_reply r;
	char *policy;

	expect_cache(TCB, "HIT");
	expect_pckcert(&h, &old, 0, 200, NULL);
	expect_cache(S4 "qae/identity", "MISS");
	expect_cache(S4 "qae/identity", "HIT");
	expect_get(&h, "/healthz/live", 200, NULL);
	expect_503(register_one(NEW), reason);
	policy = document_policy("00606A000000", true, "p");
	expect_503(house_admin(&h, "PUT", S4 "appraisalpolicy", policy),
	    reason);
	free(policy);
	expect_change(&h, "pin", "{\"number\":17,\"reason\":\"a test\"}", 503,
	    reason);
	r = house_admin(&h, "GET", S4 "platforms?peek=1", NULL);
	ck_assert_int_eq(r.status, 200);
	edge_reply_free(&r);
	expect_ready("DISCONNECTED");
	/* What can be fetched again is answered although it is not kept. */
	expect_pckcert(&h, &unknown, 1, 200, NULL);
}

static void
room_again(void)
{
	struct sim_platform new = sim_platform(NEW);
	char *policy;

	expect_registered(&h, &new, NULL);
	policy = document_policy("00606A000000", true, "p");
	expect_admin(&h, "PUT", S4 "appraisalpolicy", policy, 200);
	free(policy);
	expect_ready("CONNECTED");
}

/* Started anew, with nobody to ask. */
static void
all_was_kept(void)
{
	struct sim_platform p = sim_platform(OLD);

	sim_down(h.sim);
	expect_cache(TCB, "HIT");
	expect_cache(S4 "qae/identity", "HIT");
	expect_pckcert(&h, &p, 0, 200, NULL);
	p = sim_platform(NEW);
	expect_pckcert(&h, &p, 0, 200, NULL);
	expect_get(&h, S4 "appraisalpolicy?fmspc=00606A000000", 200, NULL);
}

START_TEST(test_full_disk)
{
	house_daemon(&h, NULL, &larderd);
	all_is_well();
	disk_full();
	nothing_can_be_kept("database-full");
	expect_metric("\nlarder_database_ok 0\n");
	disk_roomy();
	room_again();
	expect_metric("\nlarder_database_ok 1\n");
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	house_daemon(&h, NULL, &larderd);
	all_was_kept();
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
	sim_stop(h.sim);
}
END_TEST

START_TEST(test_read_only_database)
{
	house_start(&h, NULL);
	all_is_well();
	house_down(&h);
	cannot_write();
	house_up(&h, NULL);
	nothing_can_be_kept("database-read-only");
	house_down(&h);
	can_write();
	house_up(&h, NULL);
	room_again();
	/* Fetched while it could not be kept: fetched again. */
	expect_cache(S4 "qae/identity", "MISS");
	house_restart(&h, NULL);
	all_was_kept();
	house_stop(&h);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("disk");
	TCase *tc = tcase_create("disk");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_full_disk);
	tcase_add_test(tc, test_read_only_database);
	suite_add_tcase(s, tc);
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
