#include "storage/db.h"

#include <string.h>

const char *const sql_text[SQL_N] = {
#define SQL(sym, text) [sym] = text,
#include "storage/sql.def"
#undef SQL
};

struct db_val
db_int(int64_t i)
{
	return (struct db_val){ DB_INT, i, SPAN_NONE };
}

struct db_val
db_text(const char *s)
{
	return (struct db_val){ s == NULL ? DB_NULL : DB_TEXT, 0, span_str(s) };
}

struct db_val
db_bytes(struct span s)
{
	return (struct db_val){ s.p == NULL ? DB_NULL : DB_BLOB, 0, s };
}

struct db_val
db_hash(const void *p, size_t len)
{
	return db_bytes(span_of(p, len));
}

void
db_col_text(const struct db_val *v, char *out, size_t size)
{
	size_t len = v->s.len < size - 1 ? v->s.len : size - 1;

	if (len != 0)
		memcpy(out, v->s.p, len);
	out[len] = '\0';
}
