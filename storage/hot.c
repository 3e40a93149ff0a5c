/*
 * The hot set: the current version of every object, as the store thread
 * knows it, and the way in.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "config/base/recent.h"
#include "storage/amd.h"
#include "storage/baseline_int.h"
#include "storage/chains.h"
#include "storage/impact.h"
#include "storage/issuer.h"
#include "storage/snap.h"
#include "storage/veks.h"
#include "storage/watch.h"

#include <stdlib.h>
#include <string.h>

/* --- looking ---------------------------------------------------------- */

struct coll *
hot_get(const struct storage *st, const struct coll_key *key)
{
	return map_get(st->hot, span_str(key->text));
}

static struct coll *
hot_root_crl(const struct storage *st)
{
	struct coll_key key = key_root_crl();

	return hot_get(st, &key);
}

struct trust
hot_trust(const struct storage *st)
{
	const struct coll *crl = hot_root_crl(st);
	struct trust t = {
		.intel = st->anchors,
		.root_crl = crl == NULL ? NULL : crl->facts.crl,
		.chains = st->chains,
		.root = st->root,
	};

	amd_trust(st, &t);
	return t;
}

const struct tcbinfo *
hot_select_info(const struct storage *st, const char *fmspc)
{
	static const enum update updates[] = { UPDATE_EARLY, UPDATE_STANDARD };
	struct coll_key key;
	struct coll *c;
	unsigned api;
	int i;

	if (*fmspc == '\0') /* a row that none of ours wrote */
		return NULL;
	for (api = 4; api >= 3; api--) {
		for (i = 0; i < 2; i++) {
			key = key_tcbinfo(TEE_SGX, api, fmspc, updates[i], 0);
			if ((c = hot_get(st, &key)) != NULL)
				return c->facts.tcbinfo;
		}
	}
	return NULL;
}

int64_t
levels_id(const struct tcbinfo *t)
{
	struct buf b = BUF_INIT;
	unsigned char digest[32];
	int64_t id = 0;
	size_t i;

	for (i = 0; i < t->n_levels; i++) {
		buf_add(&b, t->levels[i].sgx, sizeof(t->levels[i].sgx));
		buf_printf(&b, "/%u;", (unsigned)t->levels[i].pcesvn);
	}
	sha256(buf_view(&b), digest);
	buf_free(&b);
	for (i = 0; i < 7; i++)
		id = id << 8 | digest[i];
	return id;
}

void
refused_log(const char *object, enum err e, const struct why *why,
    const char *source)
{
	metric_refused(e);
	recent_add(RECENT_GATE, object, source, e, why);
	/* A date ahead of us may well mean that our own clock is wrong. */
	log_event(e == ERR_NOT_YET ? LOG_ERROR : LOG_WARN, "refused", "object",
	    object, "reason", err_token(e), "clause", why->clause, "text",
	    why->text, "source", source, NULL);
}

/* --- publishing ------------------------------------------------------- */

void
hot_publish(struct storage *st)
{
	size_t n = 0, cap = map_len(st->hot);
	struct coll **v = xcalloc(cap + 1, sizeof(struct coll *));
	struct map_iter it = map_iter(st->hot);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		v[n++] = value;
	snap_publish(st, snap_new(v, n, baseline_publish(st)));
	free(v);
}

/* --- what follows from a change ----------------------------------------*/

void
hot_root_seen(struct storage *st, const struct chain *chain)
{
	X509 *root = chain->x[chain->n - 1];

	/* Two certificates of one key are in use; the longer life serves. */
	if (st->root != NULL &&
	    cert_window(root).until <= cert_window(st->root).until)
		return;
	must(X509_up_ref(root) == 1);
	X509_free(st->root);
	st->root = root;
}

/* A root certificate that came with a record is remembered. */
static void
root_seen(struct storage *st, const struct coll *c)
{
	if (c->signer != NULL)
		hot_root_seen(st, c->signer);
	else
		amd_root_seen(st, c);
}

static bool
crl_same_list(const struct crl *a, const struct crl *b)
{
	size_t i;

	if (a == NULL || b == NULL)
		return (a == NULL ? 0 : a->n) == (b == NULL ? 0 : b->n);
	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (ASN1_INTEGER_cmp(a->entries[i].serial,
			b->entries[i].serial) != 0)
			return false;
	return true;
}

static struct coll_raw
raw_of(const struct coll *c)
{
	return (struct coll_raw){
		.key = c->key,
		.body = blob_span(c->body),
		.chain = blob_span(c->chain),
		.source = c->source,
		.fetched_at = c->fetched_at,
		.held = true,
	};
}

/*
 * Through the gate again with today's trust.  What fails vanishes from
 * memory; in the database it is marked, unless only the anchors are to
 * blame: they may come back.
 */
void
hot_recheck_one(struct storage *st, struct coll *c)
{
	struct trust trust = hot_trust(st);
	struct coll_raw raw = raw_of(c);
	struct coll *again = NULL;
	struct why why = { 0 };
	enum err e = coll_admit(&raw, &trust, clock_now(), &again, &why);

	if (e == ERR_OK) {
		root_seen(st, again);
		coll_unref(map_put(st->hot, span_str(again->key.text), again));
		return;
	}
	refused_log(c->key.text, e, &why, c->source);
	attempt_failed(st, c->key.text, e, why.text);
	if (e != ERR_ROOT)
		object_end(st, c->key.text, e);
	coll_unref(map_del(st->hot, span_str(c->key.text)));
	if (c->key.kind == COLL_AMD_CHAIN)
		amd_chain_lost(st, &c->key);
}

/* Does this record need the gate again after the root CRL changed? */
static bool
recheck_needed(const struct coll *c, const struct crl *crl)
{
	if (c->signer == NULL || c->key.kind == COLL_ROOT_CRL)
		return false;
	return c->revocation_unchecked || crl_lists(crl, c->signer->x[0]) ||
	       !crl_is_of(crl, c->signer->x[c->signer->n - 1]);
}

/* crl NULL: everything. */
static void
hot_recheck_all(struct storage *st, const struct crl *crl)
{
	size_t i, n = 0, cap = map_len(st->hot);
	struct coll **v = xcalloc(cap + 1, sizeof(struct coll *));
	struct map_iter it = map_iter(st->hot);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		if (crl == NULL || recheck_needed(value, crl))
			v[n++] = coll_ref(value);
	for (i = 0; i < n; i++) {
		hot_recheck_one(st, v[i]);
		coll_unref(v[i]);
	}
	free(v);
}

void
hot_recheck(struct storage *st)
{
	struct coll *crl = hot_root_crl(st);

	X509_free(st->root);
	st->root = anchors_intel_root(st->anchors);
	amd_roots_forget(st);
	chains_clear(st->chains);
	sets_forget(st);
	/* The root CRL judges the others, so it goes first. */
	if (crl != NULL) {
		coll_ref(crl);
		hot_recheck_one(st, crl);
		coll_unref(crl);
	}
	hot_recheck_all(st, NULL);
	issuers_clear(st);
	platforms_clear(st->platforms);
	vekcache_clear(st->vekcache);
	hot_publish(st);
}

static void
root_crl_changed(struct storage *st, const struct crl *old,
    const struct crl *crl)
{
	sets_forget(st);
	hot_recheck_all(st, crl);
	if (!crl_same_list(old, crl)) {
		issuers_clear(st);
		platforms_clear(st->platforms);
	}
}

/*
 * Every certificate chosen under another set of levels is to be chosen anew;
 * the platforms' mappings carry the id of the set and notice themselves.
 */
static void
levels_changed(struct storage *st, const char *fmspc, int64_t before)
{
	const struct tcbinfo *t = hot_select_info(st, fmspc);

	if (t != NULL && levels_id(t) != before)
		platforms_drop_fmspc(st->platforms, fmspc);
}

/* --- the way in ------------------------------------------------------- */

enum err
hot_take(struct storage *st, struct coll *c, struct why *why)
{
	struct coll *old = hot_get(st, &c->key);
	const struct tcbinfo *info = NULL;
	int64_t levels = 0;

	if (old == NULL && map_len(st->hot) >= HOT_MAX) {
		coll_unref(c);
		return why_set(why, ERR_SHED, "storage",
		    "%d objects are held already", HOT_MAX);
	}
	if (c->key.kind == COLL_TCBINFO && c->key.tee == TEE_SGX) {
		info = hot_select_info(st, c->key.fmspc);
		levels = info == NULL ? 0 : levels_id(info);
	}
	baseline_retain(st, old, c);
	old = map_put(st->hot, span_str(c->key.text), c);
	metric_inc(M_ADMITTED);
	watch_admitted(st, old, c);
	baseline_release(st, c);
	attempt_succeeded(st, c->key.text);
	root_seen(st, c);
	switch (c->key.kind) {
	case COLL_ROOT_CRL:
		root_crl_changed(st, old == NULL ? NULL : old->facts.crl,
		    c->facts.crl);
		break;
	case COLL_PCK_CRL:
		if (!crl_same_list(old == NULL ? NULL : old->facts.crl,
			c->facts.crl))
			platforms_clear(st->platforms);
		break;
	case COLL_TCBINFO:
		if (c->key.tee == TEE_SGX)
			levels_changed(st, c->key.fmspc, levels);
		break;
	case COLL_AMD_CHAIN:
		amd_chain_changed(st, old, c);
		break;
	case COLL_AMD_CRL:
		amd_crl_changed(st, c);
		break;
	default:
		break;
	}
	coll_unref(old);
	return ERR_OK;
}

/* --- loading ---------------------------------------------------------- */

static bool
digest_is(struct span body, struct span digest)
{
	unsigned char out[32];

	sha256(body, out);
	return span_eq(digest, span_of(out, sizeof(out)));
}

enum err
hot_row_read(struct storage *st, const struct db_val *col, const char *text,
    struct coll **out, struct why *why)
{
	struct trust trust = hot_trust(st);
	struct coll_raw raw = { .held = true };
	char source[256];
	enum err e;

	db_col_text(&col[5], source, sizeof(source));
	if ((e = key_read(text, &raw.key, why)) != ERR_OK)
		return e;
	if (!digest_is(col[1].s, col[3].s))
		return why_set(why, ERR_INTEGRITY, "storage",
		    "the row does not match its digest");
	raw.body = col[1].s;
	raw.chain = col[2].s;
	/* A clock that ran ahead then must not put the next refresh off. */
	raw.fetched_at = col[4].i < clock_now() ? col[4].i : clock_now();
	raw.source = source;
	return coll_admit(&raw, &trust, clock_now(), out, why);
}

static bool
load_row(void *arg, const struct db_val *col)
{
	struct storage *st = arg;
	struct coll *c = NULL;
	struct why why = { 0 };
	char text[COLL_KEY_TEXT];
	enum err e;

	db_col_text(&col[0], text, sizeof(text));
	if (map_len(st->hot) >= HOT_MAX)
		return false;
	e = hot_row_read(st, col, text, &c, &why);
	if (e != ERR_OK) {
		refused_log(text, e, &why, "database");
		attempt_failed(st, text, e, why.text);
		if (e != ERR_ROOT)
			object_end(st, text, e);
		return true;
	}
	root_seen(st, c);
	coll_unref(map_put(st->hot, span_str(text), c));
	return true;
}

enum err
hot_load(struct storage *st, struct why *why)
{
	return store_read(st, SQL_OBJECT_LOAD, NULL, 0, load_row, st, why);
}

/* --- the calls -------------------------------------------------------- */

struct admit_job {
	struct job job;
	struct coll_raw raw;
	struct blob *body, *chain;
	char *source;
	struct coll *coll;
	store_coll_fn fn;
};

static enum err
admit_check(struct storage *st, const struct coll_raw *raw, struct coll **out,
    struct why *why)
{
	struct trust trust = hot_trust(st);
	struct coll *held = NULL;
	enum err e;

	if ((e = coll_admit(raw, &trust, clock_now(), out, why)) == ERR_OK) {
		held = raw->key.kind == COLL_VEK
			   ? veks_held(st, &raw->key)
			   : coll_ref(hot_get(st, &raw->key));
		e = coll_replaces(held, *out, why);
	}
	coll_unref(held);
	if (e == ERR_OK)
		return ERR_OK;
	coll_unref(*out);
	*out = NULL;
	refused_log(key_log(&raw->key).s, e, why, raw->source);
	why_in(why, e, "%s", key_log(&raw->key).s);
	attempt_failed(st, raw->key.text, e, why->text);
	return e;
}

/* A record that passed the gate goes where its kind is kept. */
static enum err
take(struct storage *st, struct coll *c, struct why *why)
{
	enum err e;

	if (c->key.kind == COLL_VEK) {
		veks_take(st, c);
		return ERR_OK;
	}
	if ((e = hot_take(st, coll_ref(c), why)) != ERR_OK)
		return e;
	object_save(st, c);
	hot_publish(st);
	return ERR_OK;
}

static void
admit_work(struct job *j)
{
	struct admit_job *a = msg_of(j, struct admit_job, job);
	struct storage *st = j->st;
	struct coll *c = NULL;
	enum err e;

	if ((e = admit_check(st, &a->raw, &c, &j->why)) != ERR_OK ||
	    (e = take(st, c, &j->why)) != ERR_OK) {
		coll_unref(c);
		job_fail(j, e);
		return;
	}
	a->coll = c;
	job_done(j);
}

static void
admit_answer(struct job *j)
{
	struct admit_job *a = msg_of(j, struct admit_job, job);

	a->fn(j->arg, j->err, &j->why, a->coll);
}

static void
admit_fini(struct job *j)
{
	struct admit_job *a = msg_of(j, struct admit_job, job);

	blob_unref(a->body);
	blob_unref(a->chain);
	coll_unref(a->coll);
	free(a->source);
}

void
storage_admit(struct storage *st, const struct coll_raw *raw, store_coll_fn fn,
    void *arg)
{
	struct admit_job *a = xcalloc(1, sizeof(*a));

	a->body = blob_from(raw->body);
	a->chain = blob_from(raw->chain);
	a->source = xstrdup(raw->source);
	a->raw = *raw;
	a->raw.body = blob_span(a->body);
	a->raw.chain = blob_span(a->chain);
	a->raw.source = a->source;
	a->raw.held = false;
	a->fn = fn;
	job_start(&a->job, st, admit_work, admit_answer, admit_fini, arg);
}

struct note_job {
	struct job job;
	struct coll_key key;
};

static void
note_work(struct job *j)
{
	struct note_job *n = msg_of(j, struct note_job, job);
	bool news = baseline_news(j->st, &n->key, j->err);

	attempt_failed(j->st, n->key.text, j->err, j->why.text);
	if (news)
		hot_publish(j->st);
	job_done(j);
}

void
storage_note_failure(struct storage *st, const struct coll_key *key, enum err e,
    const struct why *why)
{
	struct note_job *n = xcalloc(1, sizeof(*n));

	n->key = *key;
	n->job.err = e;
	if (why != NULL)
		n->job.why = *why;
	job_start(&n->job, st, note_work, NULL, NULL, NULL);
}
