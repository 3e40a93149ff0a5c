/*
 * The database under a bad star: rows changed behind our back, a full disk, a
 * read-only file, a lock held by another, files that are not ours.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/store.h"
#include "tests/kit/run.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FMSPC "00906ED50000"

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "");
}

static void
teardown(void)
{
	kit_fini(k);
}

static struct coll_key
tcb_key(void)
{
	return key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);
}

static struct coll_key
qe_key(void)
{
	return key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0);
}

/* One statement on the closed database; gives its first column. */
static char *
sql(const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;
	char *got = NULL;
	int rc;

	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
	ck_assert_msg(rc == SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_text(stmt, 0) != NULL)
		got = xstrdup((const char *)sqlite3_column_text(stmt, 0));
	ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", text,
	    sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	must(sqlite3_close(db) == SQLITE_OK);
	return got;
}

static void
sql_run(const char *text)
{
	free(sql(text));
}

/* "PRAGMA user_version..." with the version this program makes. */
static const char *
version_text(const char *head)
{
	static char text[64];
	int n = 0;

	while (sqlite_schema[n] != NULL)
		n++;
	snprintf(text, sizeof(text), "%s%d", head, n);
	return text;
}

static void
sql_is(const char *text, const char *expect)
{
	char *got = sql(text);

	ck_assert_msg(got != NULL && strcmp(got, expect) == 0,
	    "%s gives %s instead of %s", text, got == NULL ? "nothing" : got,
	    expect);
	free(got);
}

static struct platform_ask
ask_of(const char *qe_id)
{
	struct platform_ask a = { .id = kit_platform_id(qe_id),
		.has_tcb = true };
	char ppid[PPID_LEN];

	memset(ppid, 7, sizeof(ppid));
	a.enc_ppid = blob_new(ppid, sizeof(ppid));
	return a;
}

static enum err
register_one(const char *qe_id)
{
	struct platform_ask a = ask_of(qe_id);
	enum err e = kit_register(k, &a);

	blob_unref(a.enc_ppid);
	return e;
}

/* "larder.db-wal"; free() it. */
static char *
wal_path(void)
{
	char *path = NULL;

	must(asprintf(&path, "%s-wal", k->db) > 0);
	return path;
}

/* --- the file --------------------------------------------------------- */

START_TEST(test_the_file_is_not_for_everybody)
{
	char *wal = wal_path();
	struct stat st;

	kit_root_crl(k);
	ck_assert_int_eq(stat(k->db, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(stat(wal, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	free(wal);
}
END_TEST

START_TEST(test_settings_that_make_a_commit_last)
{
	kit_root_crl(k);
	kit_close(k);
	sql_is("PRAGMA journal_mode", "wal");
	sql_is("PRAGMA integrity_check", "ok");
	sql_is("PRAGMA user_version", version_text(""));
	sql_is("SELECT count(*) FROM pragma_foreign_key_list('platform_tcb')",
	    "1");
}
END_TEST

START_TEST(test_every_statement_can_be_prepared)
{
	struct db *db = NULL;
	struct db_val v[32];
	struct why why = { 0 };
	const char *p;
	size_t n, at;
	int i;

	ck_assert_int_eq(sqlite_ops.open(":memory:", &db, &why), ERR_OK);
	for (i = 0; i < SQL_N; i++) {
		for (n = 0, p = sql_text[i]; (p = strchr(p, '$')) != NULL;) {
			at = (size_t)strtoul(p + 1, NULL, 10);
			p++;
			n = at > n ? at : n;
		}
		ck_assert_uint_le(n, sizeof(v) / sizeof(v[0]));
		for (at = 0; at < n; at++)
			v[at] = db_int(1);
		/* Text columns take a number; a NOT NULL row may fail. */
		sqlite_ops.rollback(db);
		ck_assert_int_eq(sqlite_ops.begin(db, &why), ERR_OK);
		why = (struct why){ 0 };
		if (sqlite_ops.run(db, (enum sql)i, v, n, NULL, NULL, NULL,
			&why) != ERR_OK)
			ck_assert_msg(strncmp(why.text, "run: ", 5) == 0,
			    "%s: %s", sql_text[i], why.text);
	}
	sqlite_ops.rollback(db);
	sqlite_ops.close(db);
}
END_TEST

/* What an older program left is taken to the newest version, with all in it. */
START_TEST(test_a_database_of_version_1_is_migrated)
{
	sqlite3 *old;

	kit_close(k);
	must(unlink(k->db) == 0);
	must(sqlite3_open(k->db, &old) == SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(old, sqlite_schema[0], NULL, NULL, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(old,
			     "INSERT INTO meta VALUES ('a', 'b');"
			     "PRAGMA application_id = 1818325604;"
			     "PRAGMA user_version = 1",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	must(sqlite3_close(old) == SQLITE_OK);
	ck_assert_int_eq(kit_open(k), ERR_OK);
	kit_close(k);
	sql_is("PRAGMA user_version", version_text(""));
	sql_is("SELECT value FROM meta WHERE name = 'a'", "b");
	sql_is("SELECT count(*) FROM vek", "0");
}
END_TEST

START_TEST(test_databases_of_others_are_left_alone)
{
	kit_close(k);
	sql_run("PRAGMA application_id = 7");
	ck_assert_int_eq(kit_open(k), ERR_DB);
	ck_assert_ptr_ne(strstr(k->why.text, "another program"), NULL);
	sql_run("PRAGMA application_id = 1818325604");
	sql_run("PRAGMA user_version = 1000");
	ck_assert_int_eq(kit_open(k), ERR_DB);
	ck_assert_ptr_ne(strstr(k->why.text, "schema 1000"), NULL);
	sql_run(version_text("PRAGMA user_version = "));
	ck_assert_int_eq(kit_open(k), ERR_OK);
}
END_TEST

START_TEST(test_what_is_no_database_is_said_so)
{
	FILE *f;
	int i;

	kit_close(k);
	f = fopen(k->db, "w");
	for (i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);
	ck_assert_int_eq(kit_open(k), ERR_DB);
	ck_assert_int_gt((int)strlen(k->why.text), 0);
}
END_TEST

/* --- rows changed behind our back -------------------------------------- */

/* Flip a byte of the body; digest: and make the digest fit again. */
static void
tamper_body(const char *key, bool digest)
{
	unsigned char sum[32];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	char *body;
	size_t len;

	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_prepare_v2(db,
		 "SELECT body FROM object WHERE key = ?1 AND is_current = 1",
		 -1, &stmt, NULL) == SQLITE_OK);
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	must(sqlite3_step(stmt) == SQLITE_ROW);
	len = (size_t)sqlite3_column_bytes(stmt, 0);
	body = xmemdup(sqlite3_column_blob(stmt, 0), len);
	sqlite3_finalize(stmt);
	body[len / 2] ^= 1;
	sha256(span_of(body, len), sum);
	must(sqlite3_prepare_v2(db,
		 "UPDATE object SET body = ?2,"
		 " sha256 = CASE WHEN ?4 THEN ?3 ELSE sha256 END"
		 " WHERE key = ?1 AND is_current = 1",
		 -1, &stmt, NULL) == SQLITE_OK);
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, body, (int)len, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 3, sum, 32, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 4, digest);
	must(sqlite3_step(stmt) == SQLITE_DONE);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	free(body);
}

/* Refused, counted, marked; the others are served. */
static void
refused_at_load(enum err expect)
{
	struct coll_key key = tcb_key(), other = qe_key();
	uint64_t refused = metric_refused_get(expect);

	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &other), NULL);
	ck_assert_uint_eq(metric_refused_get(expect), refused + 1);
	kit_close(k);
	sql_is("SELECT count(*) FROM object WHERE is_current = 1 AND"
	       " kind = 'tcb'",
	    "0");
	sql_is("SELECT ended_why FROM object WHERE kind = 'tcb'",
	    err_token(expect));
	/* A good one takes the place. */
	ck_assert_int_eq(kit_open(k), ERR_OK);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
}

static void
two_objects(void)
{
	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	kit_close(k);
}

START_TEST(test_a_row_with_a_changed_body)
{
	two_objects();
	tamper_body(tcb_key().text, false);
	refused_at_load(ERR_INTEGRITY);
}
END_TEST

START_TEST(test_a_row_with_a_changed_body_and_a_digest_that_fits)
{
	two_objects();
	tamper_body(tcb_key().text, true);
	refused_at_load(ERR_BADSIG);
}
END_TEST

START_TEST(test_a_row_moved_to_another_key)
{
	two_objects();
	sql_run("UPDATE object SET key = 'tcb/sgx/4/00606A000000/standard'"
		" WHERE kind = 'tcb'");
	refused_at_load(ERR_NOT_ASKED);
}
END_TEST

START_TEST(test_a_row_with_a_key_that_is_none)
{
	two_objects();
	sql_run("UPDATE object SET key = 'tcb/x' WHERE kind = 'tcb'");
	refused_at_load(ERR_PARAM);
}
END_TEST

START_TEST(test_a_row_without_its_chain)
{
	two_objects();
	sql_run("UPDATE object SET chain = NULL WHERE kind = 'tcb'");
	refused_at_load(ERR_CHAIN);
}
END_TEST

START_TEST(test_a_row_with_values_of_other_types)
{
	two_objects();
	sql_run("UPDATE object SET body = 5, chain = 1.5, sha256 = 'x',"
		" fetched_at = 'yesterday', source = x'ff00ff'"
		" WHERE kind = 'tcb'");
	refused_at_load(ERR_INTEGRITY);
}
END_TEST

START_TEST(test_a_row_from_a_foreign_root_waits_for_its_anchor)
{
	struct coll_key key = tcb_key();

	two_objects();
	sql_run("UPDATE object SET chain = (SELECT chain FROM object WHERE"
		" kind = 'rootcrl') WHERE kind = 'tcb'");
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
}
END_TEST

/* --- a full disk ------------------------------------------------------ */

static void
file_limit(rlim_t bytes)
{
	struct rlimit r;

	must(getrlimit(RLIMIT_FSIZE, &r) == 0);
	r.rlim_cur = bytes < r.rlim_max ? bytes : r.rlim_max;
	must(setrlimit(RLIMIT_FSIZE, &r) == 0);
}

/* Room for what the log holds already. */
static void
disk_full(void)
{
	char *wal = wal_path();
	struct stat st;

	must(stat(wal, &st) == 0);
	free(wal);
	signal(SIGXFSZ, SIG_IGN);
	file_limit((rlim_t)st.st_size);
}

static bool
metric_says(const char *line)
{
	struct buf b = BUF_INIT;
	bool there;

	storage_metrics(k->st, &b);
	there = strstr(b.p, line) != NULL;
	buf_free(&b);
	return there;
}

START_TEST(test_on_a_full_disk_memory_still_serves)
{
	struct coll_key key = tcb_key(), qe = qe_key();

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	storage_drain(k->st);
	disk_full();
	/* What can be fetched again is served although it cannot be kept. */
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	storage_drain(k->st);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	ck_assert(metric_says("\nlarder_database_ok 0\n"));
	ck_assert(metric_says("\nlarder_store_unsaved 1\n"));
	ck_assert_int_eq(kit_sync(k), ERR_DB_FULL);
	/* What has to be on disk is refused, clearly. */
	ck_assert_int_eq(register_one("AB"), ERR_DB_FULL);
	ck_assert_int_gt((int)strlen(k->why.text), 0);
	ck_assert_int_eq(kit_status(k), ERR_OK);
	ck_assert_ptr_ne(strstr(kit_text(k), "database-full"), NULL);
	/* Room again: both are taken, and what waited is written. */
	file_limit(RLIM_INFINITY);
	ck_assert_int_eq(register_one("AB"), ERR_OK);
	ck_assert_int_eq(kit_sync(k), ERR_OK);
	ck_assert(metric_says("\nlarder_database_ok 1\n"));
	ck_assert(metric_says("\nlarder_store_unsaved 0\n"));
	kit_reopen(k);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	ck_assert_int_eq(kit_platforms(k, "reg", true), ERR_OK);
	ck_assert_uint_eq(k->n, 1);
}
END_TEST

/* --- read-only -------------------------------------------------------- */

/* Root writes where it likes: become somebody who cannot. */
static void
cannot_write(void)
{
	must(chmod(k->db, 0444) == 0);
	must(chmod(k->dir, 0555) == 0);
	if (geteuid() == 0)
		must(seteuid(65534) == 0);
}

static void
can_write(void)
{
	if (getuid() == 0)
		must(seteuid(0) == 0);
	must(chmod(k->dir, 0755) == 0);
	must(chmod(k->db, 0640) == 0);
}

START_TEST(test_a_read_only_database_is_served_from)
{
	struct coll_key key = tcb_key(), qe = qe_key();

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(register_one("AB"), ERR_OK);
	kit_close(k);
	cannot_write();
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	ck_assert_int_eq(register_one("CD"), ERR_DB_READONLY);
	ck_assert_int_eq(kit_platforms(k, "reg", true), ERR_OK);
	ck_assert_uint_eq(k->n, 1);
	ck_assert_int_eq(kit_platforms(k, "reg", false), ERR_DB_READONLY);
	ck_assert_int_eq(kit_status(k), ERR_OK);
	ck_assert_ptr_ne(strstr(kit_text(k), "\"read_only\": true"), NULL);
	kit_close(k);
	can_write();
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_int_eq(register_one("CD"), ERR_OK);
}
END_TEST

START_TEST(test_a_read_only_database_with_a_log_is_not_half_read)
{
	char *wal = wal_path();
	FILE *f;

	kit_root_crl(k);
	kit_close(k);
	f = fopen(wal, "w");
	free(wal);
	fputs("frames", f);
	fclose(f);
	cannot_write();
	ck_assert_int_eq(kit_open(k), ERR_DB_READONLY);
	ck_assert_ptr_ne(strstr(k->why.text, "log"), NULL);
	can_write();
}
END_TEST

/* --- locked ----------------------------------------------------------- */

START_TEST(test_a_lock_held_by_another_is_waited_for_once)
{
	struct coll_key qe = qe_key();
	sqlite3 *db;
	int64_t from;
	enum err e;
	int n = 0;

	kit_root_crl(k);
	storage_drain(k->st);
	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	ck_assert_int_eq(register_one("AB"), ERR_DB);
	/* For a second nobody waits again; this thread may sleep longer. */
	do {
		from = clock_mono_ms();
		ck_assert_int_eq(register_one("AB"), ERR_DB);
	} while (clock_mono_ms() - from >= 1000 && n++ < 20);
	ck_assert_int_lt(n, 20);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	must(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	do /* it tries again within a second */
		e = register_one("AB");
	while (e == ERR_DB && clock_mono_ms() - from < PATIENCE_MS);
	ck_assert_int_eq(e, ERR_OK);
	kit_reopen(k);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("sqlite");
	TCase *t = tcase_create("sqlite");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_the_file_is_not_for_everybody);
	tcase_add_test(t, test_settings_that_make_a_commit_last);
	tcase_add_test(t, test_every_statement_can_be_prepared);
	tcase_add_test(t, test_a_database_of_version_1_is_migrated);
	tcase_add_test(t, test_databases_of_others_are_left_alone);
	tcase_add_test(t, test_what_is_no_database_is_said_so);
	tcase_add_test(t, test_a_row_with_a_changed_body);
	tcase_add_test(t,
	    test_a_row_with_a_changed_body_and_a_digest_that_fits);
	tcase_add_test(t, test_a_row_moved_to_another_key);
	tcase_add_test(t, test_a_row_with_a_key_that_is_none);
	tcase_add_test(t, test_a_row_without_its_chain);
	tcase_add_test(t, test_a_row_with_values_of_other_types);
	tcase_add_test(t, test_a_row_from_a_foreign_root_waits_for_its_anchor);
	tcase_add_test(t, test_on_a_full_disk_memory_still_serves);
	tcase_add_test(t, test_a_read_only_database_is_served_from);
	tcase_add_test(t,
	    test_a_read_only_database_with_a_log_is_not_half_read);
	tcase_add_test(t, test_a_lock_held_by_another_is_waited_for_once);
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
