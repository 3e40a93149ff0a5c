#include "config/base/recent.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recent rows[RECENT_MAX];
static size_t n_rows;

static void
text_copy(char *out, size_t size, const char *in)
{
	size_t i;

	for (i = 0; in != NULL && in[i] != '\0' && i < size - 1; i++)
		out[i] = in[i] >= 0x20 && in[i] < 0x7f ? in[i] : '?';
	out[i] = '\0';
}

static bool
row_is(const struct recent *r, const struct recent *like)
{
	return r->kind == like->kind && r->err == like->err &&
	       strcmp(r->what, like->what) == 0;
}

/* The lock is held.  Of equal times the earlier row gives way. */
static struct recent *
row_for(const struct recent *like)
{
	struct recent *oldest = &rows[0];
	size_t i;

	for (i = 0; i < n_rows; i++) {
		if (row_is(&rows[i], like))
			return &rows[i];
		if (rows[i].last_at < oldest->last_at)
			oldest = &rows[i];
	}
	if (n_rows < RECENT_MAX)
		oldest = &rows[n_rows++];
	*oldest = *like;
	return oldest;
}

void
recent_add(enum recent_kind kind, const char *what, const char *who, enum err e,
    const struct why *why)
{
	time_t now = clock_now();
	struct recent like = { .kind = kind, .err = e, .first_at = now };
	struct recent *r;

	text_copy(like.what, sizeof(like.what), what);
	if (pthread_mutex_trylock(&lock) != 0)
		return;
	r = row_for(&like);
	r->last_at = now;
	r->count++;
	text_copy(r->who, sizeof(r->who), who);
	text_copy(r->clause, sizeof(r->clause), why == NULL ? "" : why->clause);
	text_copy(r->text, sizeof(r->text), why == NULL ? "" : why->text);
	must(pthread_mutex_unlock(&lock) == 0);
}

static int
row_cmp(const void *a, const void *b)
{
	const struct recent *x = a, *y = b;

	if (x->last_at != y->last_at)
		return x->last_at > y->last_at ? -1 : 1;
	return strcmp(x->what, y->what);
}

size_t
recent_get(struct recent out[RECENT_MAX])
{
	size_t n;

	must(pthread_mutex_lock(&lock) == 0);
	n = n_rows;
	memcpy(out, rows, n * sizeof(*out));
	must(pthread_mutex_unlock(&lock) == 0);
	if (n > 0)
		qsort(out, n, sizeof(*out), row_cmp);
	return n;
}

void
recent_clear(void)
{
	must(pthread_mutex_lock(&lock) == 0);
	n_rows = 0;
	must(pthread_mutex_unlock(&lock) == 0);
}
