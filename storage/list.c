/*
 * GET platforms (pccs-api 6.10), and the platforms a refresh visits.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/register.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Of the queue in one call; the rest stays for the next. */
#define QUEUE_BYTES_MAX ((size_t)64 << 20)
/* Of cached platforms: what does not fit is to be asked by FMSPC. */
#define CACHED_BYTES_MAX ((size_t)256 << 20)

/* Platforms in one call-back of storage_platform_asks. */
#define ASKS_PAGE 256

/* --- rows as JSON ----------------------------------------------------- */

/* A qe_id may hold any characters (pccs-api 4). */
static void
buf_json(struct buf *b, struct span s)
{
	json_t *check = json_stringn((const char *)s.p, s.len);
	bool utf8 = check != NULL;
	size_t i;

	json_decref(check);
	buf_str(b, "\"");
	for (i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\' ||
		    (s.p[i] >= 0x7f && !utf8))
			buf_printf(b, "\\u%04x", (unsigned)s.p[i]);
		else
			buf_add(b, &s.p[i], 1);
	}
	buf_str(b, "\"");
}

static void
buf_hex_upper(struct buf *b, struct span s)
{
	char *text = xcalloc(1, 2 * s.len + 1);

	hex_upper(s, text);
	buf_add(b, text, 2 * s.len);
	free(text);
}

/* Columns qe_id, pce_id, cpu_svn, pce_svn, enc_ppid, platform_manifest. */
static void
buf_platform(struct buf *b, const struct db_val *col)
{
	buf_str(b, b->len == 0 ? "[" : ",");
	buf_str(b, "{\"qe_id\":");
	buf_json(b, col[0].s);
	buf_str(b, ",\"pce_id\":");
	buf_json(b, col[1].s);
	buf_str(b, ",\"cpu_svn\":");
	buf_json(b, col[2].s);
	buf_str(b, ",\"pce_svn\":");
	buf_json(b, col[3].s);
	buf_str(b, ",\"enc_ppid\":\"");
	buf_hex_upper(b, col[4].s);
	buf_str(b, "\",\"platform_manifest\":\"");
	buf_hex_upper(b, col[5].s);
	buf_str(b, "\"}");
}

/* --- the call --------------------------------------------------------- */

struct list_job {
	struct job job;
	char *source;
	bool peek;
	struct buf json;
	size_t n;
	int64_t *rows; /* of the queue, to be marked */
	bool full;
	struct blob *text;
	store_list_fn fn;
};

static bool
queue_row(void *arg, const struct db_val *col)
{
	struct list_job *l = arg;

	l->rows = xrealloc(l->rows, l->n + 1, sizeof(*l->rows));
	l->rows[l->n++] = col[0].i;
	buf_platform(&l->json, col + 1);
	return l->json.len < QUEUE_BYTES_MAX;
}

/* Handed out, not deleted: a lost answer does not lose the queue. */
static enum err
list_queue(struct list_job *l, enum reg_state state)
{
	struct storage *st = l->job.st;
	enum err e;
	size_t i;

	if ((e = store_read(st, SQL_REG_LIST, VALS(db_int(state)), queue_row, l,
		 &l->job.why)) != ERR_OK)
		return e;
	for (i = 0; i < l->n && !l->peek && e == ERR_OK; i++)
		e = reg_hand_out(st, l->rows[i], state, &l->job.why);
	return e;
}

static bool
cached_row(void *arg, const struct db_val *col)
{
	struct list_job *l = arg;

	buf_platform(&l->json, col);
	l->n++;
	l->full = l->json.len > CACHED_BYTES_MAX;
	return !l->full;
}

static enum err
source_err(struct why *why)
{
	return why_set(why, ERR_PARAM, "pccs-api 4",
	    "source is not reg, reg_na or [FMSPC,...]");
}

static enum err
list_fmspc(struct list_job *l, struct span fmspc)
{
	char text[13] = "";
	unsigned char bytes[6];

	if (hex_read(fmspc, bytes, sizeof(bytes)) != ERR_OK)
		return source_err(&l->job.why);
	hex_upper(span_of(bytes, sizeof(bytes)), text);
	return store_read(l->job.st, SQL_PLATFORM_LIST_FMSPC,
	    VALS(db_text(text)), cached_row, l, &l->job.why);
}

/* "[]" or "[F1,F2]" */
static enum err
list_cached(struct list_job *l)
{
	struct span s = span_str(l->source), one;
	enum err e = ERR_OK;

	if (s.len < 2 || s.p[0] != '[' || s.p[s.len - 1] != ']')
		return source_err(&l->job.why);
	s = span_of(s.p + 1, s.len - 2);
	if (s.len == 0)
		e = store_read(l->job.st, SQL_PLATFORM_LIST, NULL, 0,
		    cached_row, l, &l->job.why);
	while (s.len != 0 && e == ERR_OK && !l->full) {
		if (span_until(&s, ',', &one) != ERR_OK) {
			one = s;
			s = SPAN_NONE;
		}
		e = list_fmspc(l, one);
	}
	if (e == ERR_OK && l->full)
		e = why_set(&l->job.why, ERR_PARAM, "pccs-api 6.10",
		    "more than %zu bytes: name FMSPCs", CACHED_BYTES_MAX);
	return e;
}

static void
list_work(struct job *j)
{
	struct list_job *l = msg_of(j, struct list_job, job);
	enum err e;

	if (strcmp(l->source, "reg") == 0)
		e = list_queue(l, REG_NEW);
	else if (strcmp(l->source, "reg_na") == 0)
		e = list_queue(l, REG_NOT_AVAILABLE);
	else
		e = list_cached(l);
	if (e != ERR_OK) {
		job_fail(j, e);
		return;
	}
	buf_str(&l->json, l->json.len == 0 ? "[]" : "]");
	l->text = buf_blob(&l->json);
	job_commit(j);
}

static void
list_answer(struct job *j)
{
	struct list_job *l = msg_of(j, struct list_job, job);

	l->fn(j->arg, j->err, &j->why, j->err == ERR_OK ? l->text : NULL,
	    j->err == ERR_OK ? l->n : 0);
}

static void
list_fini(struct job *j)
{
	struct list_job *l = msg_of(j, struct list_job, job);

	free(l->source);
	free(l->rows);
	buf_free(&l->json);
	blob_unref(l->text);
}

void
storage_platforms(struct storage *st, const char *source, bool peek,
    store_list_fn fn, void *arg)
{
	struct list_job *l = xcalloc(1, sizeof(*l));

	l->source = xstrdup(source);
	l->peek = peek;
	l->json = BUF_INIT;
	l->fn = fn;
	job_start(&l->job, st, list_work, list_answer, list_fini, arg);
}

/* --- platforms for a refresh ------------------------------------------ */

struct asks_job {
	struct job job;
	size_t n_fmspc, at; /* n_fmspc 0: all */
	char **fmspc;       /* upper case */
	int64_t after;      /* row id the page begins behind */
	size_t n;
	struct platform_ask v[ASKS_PAGE];
	bool more;
	store_asks_fn fn;
};

static bool
asks_row(void *arg, const struct db_val *col)
{
	struct asks_job *a = arg;
	struct platform_ask *ask = &a->v[a->n++];

	a->after = col[0].i;
	db_col_text(&col[1], ask->id.qe_id, sizeof(ask->id.qe_id));
	db_col_text(&col[2], ask->id.pce_id, sizeof(ask->id.pce_id));
	return a->n < ASKS_PAGE;
}

static void
asks_work(struct job *j)
{
	struct asks_job *a = msg_of(j, struct asks_job, job);
	enum err e;

	if (a->n_fmspc == 0)
		e = store_read(j->st, SQL_PLATFORM_PAGE,
		    VALS(db_int(a->after), db_int(ASKS_PAGE)), asks_row, a,
		    &j->why);
	else
		e = store_read(j->st, SQL_PLATFORM_PAGE_FMSPC,
		    VALS(db_int(a->after), db_text(a->fmspc[a->at]),
			db_int(ASKS_PAGE)),
		    asks_row, a, &j->why);
	if (e != ERR_OK) {
		job_fail(j, e);
		return;
	}
	a->more = a->n == ASKS_PAGE;
	if (!a->more && a->at + 1 < a->n_fmspc) {
		a->at++;
		a->after = 0;
		a->more = true;
	}
	job_done(j);
}

static void asks_answer(struct job *);

static void
asks_fini(struct job *j)
{
	struct asks_job *a = msg_of(j, struct asks_job, job);
	size_t i;

	for (i = 0; i < a->n_fmspc; i++)
		free(a->fmspc[i]);
	free(a->fmspc);
}

/* The next page is read when the receiver is done with this one. */
static void
asks_next(struct asks_job *a)
{
	struct asks_job *next = xcalloc(1, sizeof(*next));

	next->n_fmspc = a->n_fmspc;
	next->fmspc = a->fmspc;
	next->at = a->at;
	next->after = a->after;
	next->fn = a->fn;
	a->n_fmspc = 0;
	a->fmspc = NULL;
	job_start(&next->job, a->job.st, asks_work, asks_answer, asks_fini,
	    a->job.arg);
}

static void
asks_answer(struct job *j)
{
	struct asks_job *a = msg_of(j, struct asks_job, job);
	bool more = j->err == ERR_OK && a->more;

	a->fn(j->arg, j->err, &j->why, a->v, j->err == ERR_OK ? a->n : 0, more);
	if (more)
		asks_next(a);
}

static char *
fmspc_upper(const char *fmspc)
{
	char *s = xstrdup(fmspc), *p;

	for (p = s; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'f')
			*p = (char)(*p - 'a' + 'A');
	return s;
}

void
storage_platform_asks(struct storage *st, char *const *fmspc, size_t n_fmspc,
    store_asks_fn fn, void *arg)
{
	struct asks_job *a = xcalloc(1, sizeof(*a));
	size_t i;

	a->n_fmspc = n_fmspc;
	a->fmspc = xcalloc(n_fmspc, sizeof(char *));
	for (i = 0; i < n_fmspc; i++)
		a->fmspc[i] = fmspc_upper(fmspc[i]);
	a->fn = fn;
	job_start(&a->job, st, asks_work, asks_answer, asks_fini, arg);
}
