/*
 * The seam between storage and a database: a backend runs the numbered
 * statements of sql.def inside transactions.  Everything above the seam is
 * the same for every backend; a backend brings its own schema.
 * One connection, used by the store thread alone (by the opening thread
 * before that one starts).  Private to storage/.
 */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include "config/base/err.h"
#include "config/base/span.h"

enum sql {
#define SQL(sym, text) sym,
#include "storage/sql.def"
#undef SQL
	SQL_N
};

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };

/* A parameter, borrowed for the call, or a column, borrowed for the row. */
struct db_val {
	enum db_type type;
	int64_t i;
	struct span s;
};

struct db_val db_int(int64_t);
struct db_val db_text(const char *);         /* NULL: DB_NULL */
struct db_val db_bytes(struct span);         /* p NULL: DB_NULL */
struct db_val db_hash(const void *, size_t); /* bytes, never DB_NULL */
/* A column as a text into out; longer ones are cut.  NULL gives "". */
void db_col_text(const struct db_val *, char *out, size_t size);

/* Each row of a result; false ends the visit. */
typedef bool (*db_row_fn)(void *arg, const struct db_val *col);

struct db; /* the backend's */

/*
 * Every failure is ERR_DB_FULL, ERR_DB_READONLY or ERR_DB, with the
 * database's own words in "why".  After a failed run or commit the
 * transaction may be gone or not: the caller rolls back, which is always
 * allowed.
 */
struct store_ops {
	const char *scheme; /* "sqlite": what stands before the first ":" */
	/* Opens, creates and migrates. */
	enum err (
	    *open)(const char *where, struct db **out, struct why *) MUST_CHECK;
	/* Would it be opened? Reads all of it, makes and changes nothing. */
	enum err (*look)(const char *where, struct why *) MUST_CHECK;
	void (*close)(struct db *);
	bool (*readonly)(const struct db *);
	/* Takes the write lock at once. */
	enum err (*begin)(struct db *, struct why *) MUST_CHECK;
	/* Returns when it is on disk and survives a loss of power. */
	enum err (*commit)(struct db *, struct why *) MUST_CHECK;
	void (*rollback)(struct db *);
	/* v[0] is $1.  *changed (may be NULL): rows written. */
	enum err (*run)(struct db *, enum sql, const struct db_val *v, size_t n,
	    db_row_fn, void *arg, int64_t *changed, struct why *) MUST_CHECK;
};

extern const struct store_ops sqlite_ops;

/* The text of a statement, parameters as $1, $2, ... in order. */
extern const char *const sql_text[SQL_N];
/* What takes an empty SQLite database to version 1, 2, ...; NULL ends it. */
extern const char *const sqlite_schema[];

#endif
