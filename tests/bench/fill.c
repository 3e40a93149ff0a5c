/*
 * fill DATABASE N: multiply the platforms of a database until there are N,
 * for the bench.  Each new row is a copy of one that came through the gate,
 * under another QE-ID and another hashed PPID, which nothing can check, so
 * every certificate in it still verifies.  Then print
 * the query of a pckcert request for some of them, a line each.
 */
#include "config/base/must.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE 4000

static void
run(sqlite3 *db, const char *sql)
{
	char *text = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK) {
		fprintf(stderr, "fill: %s: %s\n", sql, text);
		exit(1);
	}
}

static long long
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;
	long long n;

	must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
	must(sqlite3_step(st) == SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* The other columns of a table, each with ", " and the prefix in front. */
static char *
columns(sqlite3 *db, const char *table, const char *but, const char *prefix)
{
	char *list = sqlite3_mprintf(""), *next, *sql;
	sqlite3_stmt *st;
	const char *name;

	sql = sqlite3_mprintf("SELECT name FROM pragma_table_info(%Q)", table);
	must(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		name = (const char *)sqlite3_column_text(st, 0);
		if (strstr(but, name) != NULL)
			continue;
		next = sqlite3_mprintf("%s, %s%s", list, prefix, name);
		sqlite3_free(list);
		list = next;
	}
	sqlite3_finalize(st);
	sqlite3_free(sql);
	return list;
}

/* Copy number k of row i gets the id i + k * step. */
static void
multiply(sqlite3 *db, long long step, long long n)
{
	char *to = columns(db, "platform", "id qe_id ppid", "");
	char *from = columns(db, "platform", "id qe_id ppid", "s.");
	char *tcb_to = columns(db, "platform_tcb", "platform", "");
	char *tcb_from = columns(db, "platform_tcb", "platform", "s.");
	char *sql, *p;
	static const char times[] =
	    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k"
	    " WHERE i < %lld) ";

	sql = sqlite3_mprintf("INSERT INTO platform (id, qe_id, ppid%s) ", to);
	p = sqlite3_mprintf("%z%z SELECT s.id + k.i * %lld,"
			    " substr(s.qe_id, 1, 24) ||"
			    " printf('%%08X', s.id + k.i * %lld),"
			    " randomblob(32)%s"
			    " FROM k, platform s WHERE s.id <= %lld"
			    " AND s.id + k.i * %lld <= %lld",
	    sqlite3_mprintf(times, n / step), sql, step, step, from, step, step,
	    n);
	run(db, p);
	sqlite3_free(p);
	sql = sqlite3_mprintf("INSERT INTO platform_tcb (platform%s) ", tcb_to);
	p = sqlite3_mprintf("%z%z SELECT s.platform + k.i * %lld%s"
			    " FROM k, platform_tcb s WHERE s.platform <= %lld"
			    " AND s.platform + k.i * %lld <= %lld",
	    sqlite3_mprintf(times, n / step), sql, step, tcb_from, step, step,
	    n);
	run(db, p);
	sqlite3_free(p);
	sqlite3_free(to);
	sqlite3_free(from);
	sqlite3_free(tcb_to);
	sqlite3_free(tcb_from);
}

static void
print_sample(sqlite3 *db)
{
	sqlite3_stmt *st;

	must(sqlite3_prepare_v2(db,
		 "SELECT p.qe_id, t.cpu_svn, t.pce_svn, p.pce_id"
		 " FROM platform p JOIN platform_tcb t ON t.platform = p.id"
		 " ORDER BY (p.id * 7919) % 100003 LIMIT ?1",
		 -1, &st, NULL) == SQLITE_OK);
	must(sqlite3_bind_int(st, 1, SAMPLE) == SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW)
		printf("qeid=%s&cpusvn=%s&pcesvn=%s&pceid=%s\n",
		    (const char *)sqlite3_column_text(st, 0),
		    (const char *)sqlite3_column_text(st, 1),
		    (const char *)sqlite3_column_text(st, 2),
		    (const char *)sqlite3_column_text(st, 3));
	sqlite3_finalize(st);
}

int
main(int argc, char **argv)
{
	sqlite3 *db;
	long long n, step;

	if (argc != 3 || (n = strtoll(argv[2], NULL, 10)) <= 0) {
		fputs("usage: fill DATABASE N\n", stderr);
		return 2;
	}
	if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK) {
		fprintf(stderr, "fill: %s: %s\n", argv[1], sqlite3_errmsg(db));
		return 1;
	}
	run(db, "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000");
	step = number(db, "SELECT max(id) FROM platform");
	if (step <= 0) {
		fputs("fill: no platform to begin with\n", stderr);
		return 1;
	}
	run(db, "BEGIN IMMEDIATE");
	if (n > step)
		multiply(db, step, n);
	run(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
	fprintf(stderr, "%lld platforms, %lld raw TCBs\n",
	    number(db, "SELECT count(*) FROM platform"),
	    number(db, "SELECT count(*) FROM platform_tcb"));
	print_sample(db);
	sqlite3_close(db);
	return 0;
}
