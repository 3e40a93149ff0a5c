/*
 * Faults and counts of the simulated PCS.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static const char *const fault_names[SIM_FAULT_N] = {
#define FAULT(sym, name, text) [sym] = name,
	SIM_FAULTS(FAULT)
#undef FAULT
};

const char *
sim_fault_name(enum sim_fault_kind kind)
{
	return kind < SIM_FAULT_N ? fault_names[kind] : "none";
}

enum sim_fault_kind
sim_fault_read(const char *name)
{
	int i;

	for (i = 0; i < SIM_FAULT_N; i++)
		if (strcmp(name, fault_names[i]) == 0)
			break;
	return (enum sim_fault_kind)i;
}

/* --- the list --------------------------------------------------------- */

void
sim_fault_add(struct sim *sim, const struct sim_fault *f)
{
	struct sim_fault_item *item = xcalloc(1, sizeof(*item)), **at;

	item->f = *f;
	item->path = f->path == NULL ? NULL : xstrdup(f->path);
	item->retry_after =
	    f->retry_after == NULL ? NULL : xstrdup(f->retry_after);
	pthread_mutex_lock(&sim->lock);
	if (f->kind == SIM_HOLD)
		sim->held = true;
	for (at = &sim->faults; *at != NULL; at = &(*at)->next)
		continue;
	*at = item;
	pthread_mutex_unlock(&sim->lock);
}

void
sim_fault_clear(struct sim *sim)
{
	struct sim_fault_item *item;

	pthread_mutex_lock(&sim->lock);
	while ((item = sim->faults) != NULL) {
		sim->faults = item->next;
		free(item->path);
		free(item->retry_after);
		free(item);
	}
	sim->held = false;
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
}

void
sim_release(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	sim->held = false;
	pthread_cond_broadcast(&sim->changed);
	pthread_mutex_unlock(&sim->lock);
}

static bool
path_matches(const char *pattern, const char *path)
{
	return pattern == NULL || fnmatch(pattern, path, 0) == 0;
}

static void
count_one(struct sim *sim, const char *path)
{
	unsigned long *n = map_get(sim->count, span_str(path));

	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		must(map_put(sim->count, span_str(path), n) == NULL);
	}
	(*n)++;
	sim->requests++;
	pthread_cond_broadcast(&sim->changed);
}

void
fault_take(struct ask *ask)
{
	struct sim *sim = ask->sim;
	struct sim_fault_item *i;

	pthread_mutex_lock(&sim->lock);
	count_one(sim, ask->canonical);
	ask->skew = sim->skew;
	for (i = sim->faults; i != NULL; i = i->next) {
		if (!path_matches(i->path, ask->canonical) ||
		    (i->f.count > 0 && i->used >= i->f.count))
			continue;
		if (i->skipped < i->f.skip) {
			i->skipped++;
			continue;
		}
		i->used++;
		ask->fault = i->f;
		break;
	}
	/* The item may be cleared while this request suffers. */
	if (i != NULL && i->retry_after != NULL)
		ask->retry_after = xstrdup(i->retry_after);
	pthread_mutex_unlock(&sim->lock);
}

bool
ask_fault(const struct ask *ask, enum sim_fault_kind kind)
{
	return ask->fault.kind == kind;
}

enum pki_lie
ask_lie(const struct ask *ask)
{
	return ask_fault(ask, SIM_LIE) ? ask->fault.lie : PKI_HONEST;
}

enum pki_amd_lie
ask_amd_lie(const struct ask *ask)
{
	switch (ask->fault.kind) {
	case SIM_LIE:
		return ask->fault.amd_lie != AMD_HONEST ? ask->fault.amd_lie
							: AMD_BAD_SIGNATURE;
	case SIM_OTHER:
		return ask->kds.what == KDS_VCEK ? AMD_OTHER_CHIP
						 : AMD_OTHER_PRODUCT;
	default:
		return AMD_HONEST;
	}
}

/* --- spoiling an answer ------------------------------------------------ */

static void
answer_clear(struct answer *a)
{
	buf_free(&a->head);
	a->head = BUF_INIT;
	blob_unref(a->body);
	a->body = NULL;
	a->type = NULL;
}

static void
spoil_status(const struct ask *ask, struct answer *a)
{
	answer_clear(a);
	a->status = ask->fault.status == 0 ? 500 : ask->fault.status;
	if (ask->retry_after != NULL)
		buf_printf(&a->head, "Retry-After: %s\r\n", ask->retry_after);
}

static void
spoil_garbage(struct answer *a)
{
	static const char page[] =
	    "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n"
	    "<body><h1>Please sign in to the guest network</h1></body></html>";

	answer_clear(a);
	a->status = 200;
	a->type = "text/html; charset=utf-8";
	a->body = blob_new(page, sizeof(page) - 1);
}

/* As honest as the real one in front, then blanks without end. */
static void
spoil_oversize(const struct sim_fault *f, struct answer *a)
{
	size_t len = f->arg > 0 ? (size_t)f->arg : (size_t)64 << 20;
	char *p = xcalloc(1, len);
	struct blob *body;

	memset(p, ' ', len);
	if (a->body != NULL && a->body->len < len)
		memcpy(p, a->body->data, a->body->len);
	body = blob_new(p, len);
	free(p);
	blob_unref(a->body);
	a->body = body;
}

static void
spoil_corrupt(const struct sim_fault *f, struct answer *a)
{
	struct blob *spoilt;
	char *p;

	if (a->body == NULL || a->body->len == 0)
		return;
	p = xmemdup(a->body->data, a->body->len);
	p[a->body->len * (size_t)(f->arg % 1000) / 1000] ^= 1;
	spoilt = blob_new(p, a->body->len);
	free(p);
	blob_unref(a->body);
	a->body = spoilt;
}

/* One that is base64 with its lowest bit the other way, too, and no part of a
 * percent-encoding: the text stays well formed, the certificate is another. */
static bool
stays_base64(const char *p, size_t at)
{
	return isalnum((unsigned char)p[at]) &&
	       isalnum((unsigned char)(p[at] ^ 1)) &&
	       (at < 1 || p[at - 1] != '%') && (at < 2 || p[at - 2] != '%');
}

/* In the value of the first header that carries a chain. */
static void
spoil_chain(const struct sim_fault *f, struct answer *a)
{
	char *p = a->head.len == 0
		      ? NULL
		      : memmem(a->head.p, a->head.len,
			    "Issuer-Chain: ", strlen("Issuer-Chain: "));
	char *end;
	size_t at, len;

	if (p == NULL)
		return;
	p += strlen("Issuer-Chain: ");
	end = memchr(p, '\r', a->head.len - (size_t)(p - a->head.p));
	must(end != NULL);
	len = (size_t)(end - p);
	at = len * (size_t)(f->arg % 1000) / 1000;
	while (at + 1 < len && !stays_base64(p, at))
		at++;
	p[at] ^= 1;
}

void
fault_spoil(struct ask *ask, struct answer *a)
{
	const struct sim_fault *f = &ask->fault;

	switch (f->kind) {
	case SIM_STATUS:
		spoil_status(ask, a);
		break;
	case SIM_GARBAGE:
		spoil_garbage(a);
		break;
	case SIM_OVERSIZE:
		spoil_oversize(f, a);
		break;
	case SIM_CORRUPT:
		spoil_corrupt(f, a);
		break;
	case SIM_BAD_CHAIN:
		spoil_chain(f, a);
		break;
	default:
		break;
	}
}

/* --- counts ----------------------------------------------------------- */

static unsigned long
count_locked(struct sim *sim, const char *pattern)
{
	struct map_iter i = map_iter(sim->count);
	unsigned long sum = 0;
	struct span key;
	char *path;
	void *v;

	if (pattern == NULL)
		return sim->requests;
	while (map_next(&i, &key, &v)) {
		path = span_dup(key);
		if (strcmp(pattern, path) == 0 || path_matches(pattern, path))
			sum += *(unsigned long *)v;
		free(path);
	}
	return sum;
}

unsigned long
sim_count(struct sim *sim, const char *pattern)
{
	unsigned long n;

	pthread_mutex_lock(&sim->lock);
	n = count_locked(sim, pattern);
	pthread_mutex_unlock(&sim->lock);
	return n;
}

static void
count_drop(struct sim *sim)
{
	struct map_iter i = map_iter(sim->count);
	struct span key;
	void *v;

	while (map_next(&i, &key, &v))
		free(v);
	map_free(sim->count);
	sim->count = NULL;
}

void
sim_count_reset(struct sim *sim)
{
	pthread_mutex_lock(&sim->lock);
	count_drop(sim);
	sim->count = map_new();
	sim->requests = 0;
	sim->concurrency = 0;
	pthread_mutex_unlock(&sim->lock);
}

void
fault_fini(struct sim *sim)
{
	sim_fault_clear(sim);
	count_drop(sim);
}

bool
sim_wait(struct sim *sim, const char *pattern, unsigned long n, int timeout_ms)
{
	struct timespec until;
	bool enough;

	/* The condition variable counts by the monotonic clock. */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&sim->lock);
	while (!(enough = count_locked(sim, pattern) >= n))
		if (pthread_cond_timedwait(&sim->changed, &sim->lock, &until))
			break;
	pthread_mutex_unlock(&sim->lock);
	return enough;
}

unsigned
sim_concurrency(struct sim *sim)
{
	unsigned n;

	pthread_mutex_lock(&sim->lock);
	n = sim->concurrency;
	pthread_mutex_unlock(&sim->lock);
	return n;
}

unsigned long
sim_connections(struct sim *sim)
{
	unsigned long n;

	pthread_mutex_lock(&sim->lock);
	n = sim->accepted;
	pthread_mutex_unlock(&sim->lock);
	return n;
}

struct blob *
sim_counts_json(struct sim *sim)
{
	struct buf b = BUF_INIT;
	struct map_iter i;
	const char *comma = "";
	struct span key;
	void *v;

	buf_str(&b, "{\"counts\":{");
	pthread_mutex_lock(&sim->lock);
	i = map_iter(sim->count);
	while (map_next(&i, &key, &v)) {
		buf_printf(&b, "%s\"%.*s\":%lu", comma, (int)key.len, key.p,
		    *(unsigned long *)v);
		comma = ",";
	}
	buf_printf(&b,
	    "},\"requests\":%lu,\"concurrency\":%u,\"connections\":%lu}",
	    sim->requests, sim->concurrency, sim->accepted);
	pthread_mutex_unlock(&sim->lock);
	return buf_blob(&b);
}
