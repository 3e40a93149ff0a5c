#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another process that holds the write lock is waited for this long. */
#define BUSY_MS 2000

/* "lard": tells our files from other SQLite databases. */
#define APPLICATION_ID 0x6c617264

#define PARAM_MAX      20
#define COLUMN_MAX     16

struct db {
	sqlite3 *db;
	bool readonly;
	sqlite3_stmt *stmt[SQL_N];
};

/* --- errors ----------------------------------------------------------- */

/* A full disk shows as an I/O error when the limit is a quota or a file
 * size. */
static enum err
errno_err(int no)
{
	switch (no) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_DB_FULL;
	case EROFS:
	case EACCES:
	case EPERM:
		return ERR_DB_READONLY;
	default:
		return ERR_DB;
	}
}

/*
 * errno was cleared before the call: SQLite tells of the system's error only
 * when it opens or reads, not when it writes the log.
 */
static enum err
db_err(const struct db *db, int rc, const char *doing, struct why *why)
{
	int no = errno;
	enum err e = ERR_DB;

	if (sqlite3_system_errno(db->db) != 0)
		no = sqlite3_system_errno(db->db);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		e = ERR_DB_FULL;
		break;
	case SQLITE_READONLY:
		e = ERR_DB_READONLY;
		break;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		e = errno_err(no);
		break;
	default:
		break;
	}
	return why_set(why, e, "SQLite", "%s: %s (%d)", doing,
	    sqlite3_errmsg(db->db), rc);
}

static enum err
db_exec(struct db *db, const char *sql, const char *doing, struct why *why)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ERR_OK : db_err(db, rc, doing, why);
}

/* The one integer a statement gives. */
static enum err
db_number(struct db *db, const char *sql, int64_t *out, struct why *why)
{
	sqlite3_stmt *stmt = NULL;
	int rc;

	errno = 0;
	rc = sqlite3_prepare_v2(db->db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		*out = sqlite3_column_int64(stmt, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_OK ? ERR_OK : db_err(db, rc, sql, why);
}

/* --- statements ------------------------------------------------------- */

static enum err
stmt_get(struct db *db, enum sql sql, size_t n, sqlite3_stmt **out,
    struct why *why)
{
	char name[16];
	int rc, i;

	if (db->stmt[sql] == NULL) {
		rc = sqlite3_prepare_v3(db->db, sql_text[sql], -1,
		    SQLITE_PREPARE_PERSISTENT, &db->stmt[sql], NULL);
		if (rc != SQLITE_OK)
			return db_err(db, rc, "prepare", why);
		/* SQLite numbers $1, $2 by their first appearance. */
		for (i = 1; i <= sqlite3_bind_parameter_count(db->stmt[sql]);
		     i++) {
			snprintf(name, sizeof(name), "$%d", i);
			must(strcmp(sqlite3_bind_parameter_name(db->stmt[sql],
					i),
				 name) == 0);
		}
	}
	must((size_t)sqlite3_bind_parameter_count(db->stmt[sql]) == n);
	*out = db->stmt[sql];
	return ERR_OK;
}

static int
stmt_bind(sqlite3_stmt *stmt, int at, const struct db_val *v)
{
	const void *p = v->s.len == 0 ? "" : (const void *)v->s.p;

	switch (v->type) {
	case DB_INT:
		return sqlite3_bind_int64(stmt, at, v->i);
	case DB_TEXT:
		return sqlite3_bind_text64(stmt, at, p, v->s.len, SQLITE_STATIC,
		    SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(stmt, at, p, v->s.len,
		    SQLITE_STATIC);
	case DB_NULL:
		break;
	}
	return sqlite3_bind_null(stmt, at);
}

/* Whatever stands there: a file that was tampered with may hold any type. */
static struct db_val
stmt_column(sqlite3_stmt *stmt, int i)
{
	const void *p;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		return db_int(sqlite3_column_int64(stmt, i));
	case SQLITE_TEXT:
	case SQLITE_BLOB:
		p = sqlite3_column_blob(stmt, i);
		return (struct db_val){ DB_BLOB, 0,
			span_of(p == NULL ? "" : p,
			    (size_t)sqlite3_column_bytes(stmt, i)) };
	default:
		return (struct db_val){ DB_NULL, 0, SPAN_NONE };
	}
}

static bool
stmt_row(sqlite3_stmt *stmt, db_row_fn fn, void *arg)
{
	struct db_val col[COLUMN_MAX];
	int i, n = sqlite3_column_count(stmt);

	must(n <= COLUMN_MAX);
	for (i = 0; i < n; i++)
		col[i] = stmt_column(stmt, i);
	return fn == NULL || fn(arg, col);
}

static enum err
sqlite_run(struct db *db, enum sql sql, const struct db_val *v, size_t n,
    db_row_fn fn, void *arg, int64_t *changed, struct why *why)
{
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_OK;
	enum err e;
	size_t i;

	must(n <= PARAM_MAX);
	if ((e = stmt_get(db, sql, n, &stmt, why)) != ERR_OK)
		return e;
	for (i = 0; i < n && rc == SQLITE_OK; i++)
		rc = stmt_bind(stmt, (int)i + 1, &v[i]);
	errno = 0;
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			if (!stmt_row(stmt, fn, arg))
				break;
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		e = db_err(db, rc, "run", why);
	else if (changed != NULL)
		*changed = sqlite3_changes(db->db);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return e;
}

/* --- transactions ----------------------------------------------------- */

static enum err
sqlite_begin(struct db *db, struct why *why)
{
	if (db->readonly)
		return why_set(why, ERR_DB_READONLY, "SQLite",
		    "the database was opened read-only");
	return db_exec(db, "BEGIN IMMEDIATE", "begin", why);
}

static enum err
sqlite_commit(struct db *db, struct why *why)
{
	return db_exec(db, "COMMIT", "commit", why);
}

static void
sqlite_rollback(struct db *db)
{
	/* An error may have rolled it back already. */
	if (!sqlite3_get_autocommit(db->db))
		sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- opening ---------------------------------------------------------- */

static void
sqlite_close(struct db *db)
{
	size_t i;

	if (db == NULL)
		return;
	for (i = 0; i < SQL_N; i++)
		sqlite3_finalize(db->stmt[i]);
	must(sqlite3_close(db->db) == SQLITE_OK);
	free(db);
}

static bool
sqlite_readonly(const struct db *db)
{
	return db->readonly;
}

/*
 * The file is made here so that it has mode 0640 from its first moment;
 * SQLite gives the log and its index the same mode.
 */
static enum err
file_make(const char *path, struct why *why)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd == -1)
		return why_set(why, errno_err(errno), "SQLite", "%s: %s", path,
		    strerror(errno));
	close(fd);
	return ERR_OK;
}

static enum err
db_open_flags(const char *name, int flags, struct db **out, struct why *why)
{
	struct db *db = xcalloc(1, sizeof(*db));
	enum err e = ERR_OK;
	int64_t ignored;
	int rc;

	errno = 0;
	rc = sqlite3_open_v2(name, &db->db,
	    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK) {
		e = db_err(db, rc, name, why);
		goto out;
	}
	sqlite3_busy_timeout(db->db, BUSY_MS);
	sqlite3_db_config(db->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* The first read of the file, and the first sign of trouble. */
	if ((e = db_number(db, "PRAGMA user_version", &ignored, why)) != ERR_OK)
		goto out;
	db->readonly = sqlite3_db_readonly(db->db, "main") == 1;
	*out = db;
	db = NULL;
out:
	sqlite_close(db);
	return e;
}

/*
 * The file or its directory cannot be written.  SQLite then opens a database
 * in WAL mode only if told that nobody changes it, and it would not see what
 * is in a log left behind: that is refused rather than half read.
 */
static enum err
db_open_readonly(const char *path, struct db **out, struct why *why)
{
	struct buf uri = BUF_INIT, wal = BUF_INIT;
	struct stat st;
	enum err e;

	buf_printf(&wal, "%s-wal", path);
	if (stat(wal.p, &st) == 0 && st.st_size > 0) {
		e = why_set(why, ERR_DB_READONLY, "SQLite",
		    "%s cannot be written and has a log left behind", path);
		goto out;
	}
	buf_str(&uri, "file:");
	buf_pct(&uri, span_str(path));
	buf_str(&uri, "?immutable=1");
	e = db_open_flags(uri.p, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, out,
	    why);
	if (e == ERR_OK) {
		(*out)->readonly = true;
		log_event(LOG_ERROR, "database-read-only", "path", path, NULL);
	}
out:
	buf_free(&uri);
	buf_free(&wal);
	return e;
}

static enum err
db_open_any(const char *path, struct db **out, struct why *why)
{
	enum err e;

	if (strcmp(path, ":memory:") == 0)
		return db_open_flags(path, SQLITE_OPEN_READWRITE, out, why);
	if ((e = file_make(path, why)) == ERR_OK)
		e = db_open_flags(path, SQLITE_OPEN_READWRITE, out, why);
	if (e == ERR_DB_READONLY && access(path, R_OK) == 0)
		e = db_open_readonly(path, out, why);
	return e;
}

/*
 * FULL in WAL mode syncs the log at every commit: what is acknowledged
 * survives a loss of power, not only the end of the process.
 */
static enum err
db_settings(struct db *db, struct why *why)
{
	enum err e;

	if ((e = db_exec(db,
		 "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
		 "PRAGMA cell_size_check = ON;",
		 "settings", why)) != ERR_OK ||
	    db->readonly)
		return e;
	return db_exec(db,
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	    "PRAGMA journal_size_limit = 67108864;",
	    "settings", why);
}

static enum err
db_migrate_step(struct db *db, int64_t version, struct why *why)
{
	char mark[96];
	enum err e;

	snprintf(mark, sizeof(mark),
	    "PRAGMA application_id = %d; PRAGMA user_version = %d;",
	    APPLICATION_ID, (int)version + 1);
	if ((e = db_exec(db, "BEGIN IMMEDIATE", "migrate", why)) != ERR_OK)
		return e;
	if ((e = db_exec(db, sqlite_schema[version], "migrate", why)) ==
		ERR_OK &&
	    (e = db_exec(db, mark, "migrate", why)) == ERR_OK)
		e = db_exec(db, "COMMIT", "migrate", why);
	if (e != ERR_OK)
		sqlite_rollback(db);
	return e;
}

/* Whether it is ours, and of a version that is known. */
static enum err
db_ours(struct db *db, const char *path, int64_t *version, int64_t *last,
    struct why *why)
{
	int64_t id = 0, tables = 0;
	enum err e;

	for (*last = 0; sqlite_schema[*last] != NULL; ++*last)
		continue;
	if ((e = db_number(db, "PRAGMA application_id", &id, why)) != ERR_OK ||
	    (e = db_number(db, "PRAGMA user_version", version, why)) !=
		ERR_OK ||
	    (e = db_number(db, "SELECT count(*) FROM sqlite_master", &tables,
		 why)) != ERR_OK)
		return e;
	if (tables != 0 && id != APPLICATION_ID)
		return why_set(why, ERR_DB, "SQLite",
		    "%s is another program's database", path);
	if (*version < 0 || *version > *last)
		return why_set(why, ERR_DB, "SQLite",
		    "%s has schema %lld, this program knows %lld", path,
		    (long long)*version, (long long)*last);
	return ERR_OK;
}

static enum err
db_migrate(struct db *db, const char *path, struct why *why)
{
	int64_t version = 0, last = 0;
	enum err e;

	if ((e = db_ours(db, path, &version, &last, why)) != ERR_OK)
		return e;
	if (version < last && db->readonly)
		return why_set(why, ERR_DB_READONLY, "SQLite",
		    "%s needs a migration and cannot be written", path);
	for (; version < last; version++)
		if ((e = db_migrate_step(db, version, why)) != ERR_OK)
			return e;
	return ERR_OK;
}

/* Every page of it. */
static enum err
db_whole(struct db *db, const char *path, struct why *why)
{
	sqlite3_stmt *stmt = NULL;
	const char *text;
	enum err e = ERR_OK;
	int rc;

	errno = 0;
	rc = sqlite3_prepare_v2(db->db, "PRAGMA quick_check(1)", -1, &stmt,
	    NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(stmt, 0);
		if (text == NULL || strcmp(text, "ok") != 0)
			e = why_set(why, ERR_DB, "SQLite", "%s is damaged: %s",
			    path, text == NULL ? "" : text);
	} else {
		e = db_err(db, rc, path, why);
	}
	sqlite3_finalize(stmt);
	return e;
}

/*
 * Without a log beside it nobody has it open: as an unchangeable one it is
 * read without making a log and its index, which would be the caller's.
 */
static enum err
sqlite_look(const char *path, struct why *why)
{
	struct buf name = BUF_INIT;
	struct db *db = NULL;
	int64_t version, last;
	bool logged;
	enum err e;

	buf_printf(&name, "%s-wal", path);
	logged = access(name.p, F_OK) == 0;
	name.len = 0;
	buf_str(&name, "file:");
	buf_pct(&name, span_str(path));
	buf_str(&name, logged ? "" : "?immutable=1");
	buf_add(&name, "", 1);
	if ((e = db_open_flags(name.p, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
		 &db, why)) == ERR_OK &&
	    (e = db_ours(db, path, &version, &last, why)) == ERR_OK)
		e = db_whole(db, path, why);
	sqlite_close(db);
	buf_free(&name);
	return e;
}

static enum err
sqlite_open(const char *path, struct db **out, struct why *why)
{
	struct db *db = NULL;
	enum err e;

	if ((e = db_open_any(path, &db, why)) != ERR_OK)
		return e;
	if ((e = db_settings(db, why)) == ERR_OK &&
	    (e = db_migrate(db, path, why)) == ERR_OK) {
		*out = db;
		db = NULL;
	}
	sqlite_close(db);
	return e;
}

const struct store_ops sqlite_ops = {
	.scheme = "sqlite",
	.open = sqlite_open,
	.look = sqlite_look,
	.close = sqlite_close,
	.readonly = sqlite_readonly,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.run = sqlite_run,
};
