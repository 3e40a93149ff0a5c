/*
 * PUT platformcollateral: every piece of the document through the gate, then
 * all of them in one transaction, then into memory (pccs-api 6.11).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/form.h"
#include "storage/pckcerts.h"
#include "storage/register.h"
#include "storage/upload.h"

#include <stdlib.h>
#include <string.h>

#define CLAUSE "pccs-api 6.11"
#define SOURCE "upload"

/* A platform of the document, verified. */
struct taken_certs {
	const struct upload_certs *from;
	struct held_set held;
};

struct upload_job {
	struct job job;
	struct blob *json;
	unsigned api;
	bool site; /* its times count */
	bool force;
	store_done_fn fn;

	struct upload up;
	struct buf chain[2], tcb_chain, identity_chain; /* PEM */
	struct blob *builtin[2]; /* Intel's PCK CAs, once they are needed */
	struct coll **colls; /* of up.objects, in their order, without gaps */
	size_t n_colls;
	struct taken_certs *certs;
	size_t n_certs;
	struct pck_gate gate;
};

/* --- the gate --------------------------------------------------------- */

/* Whatever the gate says of a piece, the document does not verify. */
static enum err
integrity(struct upload_job *u, const char *object, enum err e)
{
	struct why *why = &u->job.why;

	refused_log(object, e, why, SOURCE);
	why_in(why, e, "%s: %s", object, err_token(e));
	return why->err = ERR_INTEGRITY;
}

static enum err
chains_decode(struct upload_job *u)
{
	static const char *const name[] = { "SGX-PCK-Certificate-Issuer-Chain",
		"SGX-PCK-Certificate-Issuer-Chain", "TCB-Info-Issuer-Chain",
		"SGX-Enclave-Identity-Issuer-Chain" };
	struct blob *const in[] = { u->up.pck_chain[0], u->up.pck_chain[1],
		u->up.tcb_chain, u->up.identity_chain };
	struct buf *const out[] = { &u->chain[0], &u->chain[1], &u->tcb_chain,
		&u->identity_chain };
	enum err e;
	size_t i;

	for (i = 0; i < 4; i++)
		if ((e = form_chain_text(blob_span(in[i]), out[i],
			 &u->job.why)) != ERR_OK)
			return integrity(u, name[i], e);
	return ERR_OK;
}

/* The last certificate of a chain: the root. */
static struct span
pem_last(struct span pem)
{
	static const char mark[] = "-----BEGIN CERTIFICATE-----";
	const unsigned char *at = pem.p, *last = NULL;
	size_t left;

	while (at != NULL && (left = pem.len - (size_t)(at - pem.p)) != 0 &&
	       (at = memmem(at, left, mark, sizeof(mark) - 1)) != NULL)
		last = at++;
	return last == NULL ? SPAN_NONE
			    : span_of(last, pem.len - (size_t)(last - pem.p));
}

/* The root certificate that travels with any of the chains. */
static struct span
chain_for_root(const struct upload_job *u)
{
	const struct buf *all[] = { &u->tcb_chain, &u->identity_chain,
		&u->chain[0], &u->chain[1] };
	size_t i;

	for (i = 0; i < 4; i++)
		if (all[i]->len != 0)
			return pem_last(buf_view(all[i]));
	return SPAN_NONE;
}

static bool
is_tcb_signed(enum coll_kind kind)
{
	return kind == COLL_TCBINFO || kind == COLL_IDENTITY;
}

/*
 * A TCB info or identity that comes without its chain: the one of what it
 * replaces, or of any other that is held, since all have one signer.
 */
static struct span
chain_held(const struct storage *st, const struct coll_key *key)
{
	struct map_iter it = map_iter(st->hot);
	const struct coll *c = hot_get(st, key);
	struct span k;
	void *value;

	while (
	    c == NULL && is_tcb_signed(key->kind) && map_next(&it, &k, &value))
		if (is_tcb_signed(((struct coll *)value)->key.kind))
			c = value;
	return c == NULL ? SPAN_NONE : blob_span(c->chain);
}

/*
 * The fetch command puts both PCK CRLs into every document, but a chain only
 * for the CAs its platforms have, and none into one of CRLs alone.
 */
static struct span
chain_builtin(struct upload_job *u, enum pck_ca ca)
{
	struct trust trust = hot_trust(u->job.st);

	if (u->builtin[ca] == NULL)
		u->builtin[ca] = anchors_intel_pck_ca(trust.intel, ca);
	return blob_span(u->builtin[ca]);
}

static struct span
chain_for(struct upload_job *u, const struct coll_key *key)
{
	const struct buf *first = NULL, *second = NULL;
	struct span held;

	switch (key->kind) {
	case COLL_ROOT_CRL:
		return chain_for_root(u);
	case COLL_TCBINFO:
		first = &u->tcb_chain;
		second = &u->identity_chain;
		break;
	case COLL_IDENTITY:
		first = &u->identity_chain;
		second = &u->tcb_chain;
		break;
	default:
		first = second = &u->chain[key->ca];
		break;
	}
	if (first->len != 0)
		return buf_view(first);
	if (second->len != 0)
		return buf_view(second);
	held = chain_held(u->job.st, key);
	if (held.len == 0 && key->kind == COLL_PCK_CRL)
		return chain_builtin(u, key->ca);
	return held;
}

/* *out is NULL for a CRL that nobody's chain can verify: it stays out. */
static enum err
object_check(struct upload_job *u, const struct upload_object *o,
    struct trust *trust, struct coll **out)
{
	struct storage *st = u->job.st;
	struct coll_raw raw = {
		.key = o->key,
		.body = blob_span(o->body),
		.chain = chain_for(u, &o->key),
		.source = SOURCE,
		.fetched_at = clock_now(),
	};
	struct coll *c = NULL;
	enum err e;

	*out = NULL;
	if (o->key.kind == COLL_PCK_CRL && raw.chain.len == 0) {
		log_event(LOG_WARN, "upload-part-left-out", "object",
		    o->key.text, "text", "no issuer chain came with it", NULL);
		return ERR_OK;
	}
	if ((e = coll_admit(&raw, trust, clock_now(), &c, &u->job.why)) ==
		ERR_OK &&
	    !u->force)
		e = coll_replaces(hot_get(st, &o->key), c, &u->job.why);
	if (e != ERR_OK) {
		coll_unref(c);
		return integrity(u, o->key.text, e);
	}
	if (c->key.kind == COLL_ROOT_CRL)
		trust->root_crl = u->gate.root_crl = c->facts.crl;
	if (c->key.kind == COLL_PCK_CRL)
		u->gate.pck_crl[c->key.ca] = c->facts.crl;
	*out = c;
	return ERR_OK;
}

/* The root CRL stands first: it judges all that follow. */
static enum err
objects_check(struct upload_job *u)
{
	struct trust trust = hot_trust(u->job.st);
	enum err e;
	size_t i;

	u->gate = pck_gate_held(u->job.st);
	u->colls = xcalloc(u->up.n_objects, sizeof(struct coll *));
	for (i = 0; i < u->up.n_objects; i++) {
		if ((e = object_check(u, &u->up.objects[i], &trust,
			 &u->colls[u->n_colls])) != ERR_OK)
			return e;
		if (u->colls[u->n_colls] != NULL)
			u->n_colls++;
	}
	return ERR_OK;
}

/* --- certificates ----------------------------------------------------- */

/*
 * The document does not say which CA issued a platform's certificates: the
 * chains that came along are tried, then those held with the CRLs.
 */
static struct span
certs_chain(const struct upload_job *u, enum pck_ca ca)
{
	struct coll_key key = key_pck_crl(ca);

	return u->chain[ca].len != 0 ? buf_view(&u->chain[ca])
				     : chain_held(u->job.st, &key);
}

static enum err
certs_check(struct upload_job *u, const struct upload_certs *c,
    struct held_set *out)
{
	static const enum pck_ca cas[] = { PCK_CA_PLATFORM, PCK_CA_PROCESSOR };
	struct why *why = &u->job.why, here;
	enum err e = ERR_CHAIN, tried;
	struct span chain;
	size_t i;

	why_set(why, e, "pcs-upstream 6",
	    "no SGX-PCK-Certificate-Issuer-Chain");
	for (i = 0; i < 2; i++) {
		chain = certs_chain(u, cas[i]);
		if (chain.len == 0)
			continue;
		here = (struct why){ 0 };
		tried = pckcerts_admit(u->job.st, &u->gate, &c->id,
		    blob_span(c->body), chain, out, &here);
		if (tried == ERR_OK || tried == ERR_NOT_AVAILABLE)
			return tried;
		/* "Not of this CA" says less than what the other one says. */
		if (e == ERR_CHAIN) {
			e = tried;
			*why = here;
		}
	}
	return e;
}

/* --- selection -------------------------------------------------------- */

/* What is held will be once the document is in. */
static const struct tcbinfo *
info_for(const struct upload_job *u, const struct pck_set *set)
{
	static const struct {
		unsigned api;
		enum update update;
	} order[] = { { 4, UPDATE_EARLY }, { 4, UPDATE_STANDARD },
		{ 3, UPDATE_EARLY }, { 3, UPDATE_STANDARD } };
	const struct coll *c;
	struct coll_key key;
	char fmspc[13];
	size_t i, k;

	hex_upper(span_of(set->fmspc, sizeof(set->fmspc)), fmspc);
	for (i = 0; i < 4; i++) {
		key = key_tcbinfo(TEE_SGX, order[i].api, fmspc, order[i].update,
		    0);
		for (k = 0; k < u->n_colls; k++)
			if (strcmp(u->colls[k]->key.text, key.text) == 0)
				return u->colls[k]->facts.tcbinfo;
		if ((c = hot_get(u->job.st, &key)) != NULL)
			return c->facts.tcbinfo;
	}
	return NULL;
}

static bool
id_same(const struct platform_id *a, const struct platform_id *b)
{
	return strcmp(a->qe_id, b->qe_id) == 0 &&
	       strcmp(a->pce_id, b->pce_id) == 0;
}

/* Every raw TCB the document names must have its certificate. */
static enum err
choice_check(struct upload_job *u, const struct taken_certs *t)
{
	const struct tcbinfo *info = info_for(u, t->held.set);
	const struct upload_row *row;
	int64_t levels;
	size_t i, index;
	enum err e;

	if (info == NULL)
		return why_set(&u->job.why, ERR_PARAM, CLAUSE,
		    "no SGX TCB info for a platform's FMSPC");
	for (i = 0; i < u->up.n_rows; i++) {
		row = &u->up.rows[i];
		if (!row->has_tcb || !id_same(&row->id, &t->from->id))
			continue;
		if ((e = pck_choose(info, t->held.set, &row->tcb, &index,
			 &levels, &u->job.why)) != ERR_OK)
			return u->job.why.err = ERR_PARAM;
	}
	return ERR_OK;
}

/* --- what is older (a site's page) ------------------------------------ */

static bool
blob_other(const struct blob *a, const struct blob *b)
{
	return a != NULL && b != NULL && !span_eq(blob_span(a), blob_span(b));
}

/* With one manifest the certificates' own time decides, with another one
 * when it was registered: Intel gives an old one certificates today. */
static bool
is_older(const struct taken_certs *t, const struct prow *held)
{
	struct blob *certs;
	bool other;

	if (blob_other(t->from->manifest, held->manifest))
		return said_before(t->from->said_at, held->said_at);
	certs = pck_set_pack(t->held.set);
	other = blob_other(certs, held->certs);
	blob_unref(certs);
	return other && said_before(t->from->fetched_at, held->fetched_at);
}

static enum err
newer_check(struct upload_job *u, const struct taken_certs *t)
{
	struct prow held = { 0 };
	bool older;
	enum err e;

	if (!u->site || u->force)
		return ERR_OK;
	e = prow_get(u->job.st, &t->from->id, &held, &u->job.why);
	if (e != ERR_OK && e != ERR_UNKNOWN_PLATFORM)
		return e;
	u->job.why = (struct why){ 0 };
	older = e == ERR_OK && is_older(t, &held);
	prow_fini(&held);
	return older ? why_set(&u->job.why, ERR_OLDER, "larder(1)",
			   "what is held of the platform is newer")
		     : ERR_OK;
}

static time_t
not_after_now(time_t at)
{
	return at < clock_now() ? at : clock_now();
}

/* The row as it will be, with the times of where it comes from. */
static struct prow
row_of(const struct upload_job *u, const struct taken_certs *t,
    const struct platform_ask *ask, const struct prow *old)
{
	time_t at = u->site ? not_after_now(t->from->fetched_at) : clock_now();
	bool other =
	    old->manifest == NULL || blob_other(ask->manifest, old->manifest);
	struct prow p;

	if (!other && !u->force && at < old->fetched_at)
		at = old->fetched_at; /* the same, and asked for again since */
	p = pckcerts_row(ask, old, &t->held, at);
	if (u->site && other && ask->manifest != NULL)
		p.said_at = not_after_now(t->from->said_at);
	return p;
}

static enum err
all_certs_check(struct upload_job *u)
{
	const struct upload_certs *c;
	struct taken_certs *t;
	enum err e;
	size_t i;

	u->certs = xcalloc(u->up.n_certs, sizeof(*u->certs));
	for (i = 0; i < u->up.n_certs; i++) {
		c = &u->up.certs[i];
		t = &u->certs[u->n_certs];
		e = certs_check(u, c, &t->held);
		if (e == ERR_NOT_AVAILABLE) {
			log_event(LOG_WARN, "upload-without-certificates",
			    "platform", log_id(span_str(c->id.qe_id)).s, NULL);
			u->job.why = (struct why){ 0 };
			continue;
		}
		if (e != ERR_OK)
			return integrity(u, "pck_certs", e);
		u->job.why = (struct why){ 0 };
		t->from = c;
		u->n_certs++;
		if ((e = choice_check(u, t)) != ERR_OK ||
		    (e = newer_check(u, t)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* --- writing ---------------------------------------------------------- */

static struct platform_ask
ask_of(const struct upload_certs *c)
{
	return (struct platform_ask){
		.id = c->id,
		.enc_ppid = c->enc_ppid,
		.manifest = c->manifest,
	};
}

static enum err
mapping_write(struct upload_job *u, int64_t row, const struct raw_tcb *tcb,
    const struct pck_set *set, const struct tcbinfo *info)
{
	struct mapping m = { .tcb = *tcb, .used_at = clock_now_ms() };
	struct why why = { 0 };
	size_t index = 0;

	/* The document's own were checked; one from the queue may not fit. */
	if (pck_choose(info, set, tcb, &index, &m.levels, &why) != ERR_OK)
		return ERR_NO_CERT;
	memcpy(m.tcbm, set->certs[index].tcbm, sizeof(m.tcbm));
	return mapping_put(u->job.st, row, &m, &u->job.why);
}

static enum err
rows_write(struct upload_job *u, const struct taken_certs *t, int64_t row,
    const struct tcbinfo *info)
{
	const struct upload_row *r;
	enum err e;
	size_t i;

	for (i = 0; i < u->up.n_rows; i++) {
		r = &u->up.rows[i];
		if (!r->has_tcb || !id_same(&r->id, &t->from->id))
			continue;
		if ((e = mapping_write(u, row, &r->tcb, t->held.set, info)) !=
		    ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* Registered anew since the page was made: that goes on waiting. */
static bool
is_since(const struct upload_job *u, const struct taken_certs *t,
    const struct reg_row *r)
{
	return u->site && !u->force && r->manifest != NULL &&
	       (t->from->manifest == NULL ||
		   blob_other(t->from->manifest, r->manifest)) &&
	       said_before(t->from->said_at, r->said_at);
}

/* The registrations that this platform's arrival answers. */
static enum err
queue_write(struct upload_job *u, const struct taken_certs *t, int64_t row,
    const struct tcbinfo *info)
{
	struct reg_rows rows = { NULL, 0 };
	struct db_val cpu, pce;
	struct raw_tcb tcb;
	enum err e;
	size_t i;

	if ((e = reg_rows_get(u->job.st, &t->from->id, &rows, &u->job.why)) !=
	    ERR_OK)
		return e;
	for (i = 0; i < rows.n && e == ERR_OK; i++) {
		/* pckcerts_write() has seen to what is not available. */
		if (rows.v[i].na || is_since(u, t, &rows.v[i]))
			continue;
		cpu = db_text(rows.v[i].cpu_svn);
		pce = db_text(rows.v[i].pce_svn);
		if (rows.v[i].cpu_svn[0] != '\0' &&
		    tcb_read(&cpu, &pce, &tcb) == ERR_OK)
			e = mapping_write(u, row, &tcb, t->held.set, info);
		if (e == ERR_NO_CERT)
			e = ERR_OK;
		else if (e == ERR_OK)
			e = reg_end(u->job.st, &rows.v[i], &u->job.why);
	}
	reg_rows_free(&rows);
	return e;
}

static enum err
certs_write(struct upload_job *u, const struct taken_certs *t)
{
	struct storage *st = u->job.st;
	struct platform_ask ask = ask_of(t->from);
	struct pck_write how = { .info = info_for(u, t->held.set) };
	struct prow old = { 0 }, p = { 0 };
	enum err e = prow_get(st, &ask.id, &old, &u->job.why);

	if (e != ERR_OK && e != ERR_UNKNOWN_PLATFORM)
		return e;
	how.is_new = e == ERR_UNKNOWN_PLATFORM;
	p = row_of(u, t, &ask, &old);
	if ((e = pckcerts_write(st, &p, &t->held, &ask, &how, &u->job.why)) ==
		ERR_OK &&
	    (e = rows_write(u, t, p.row, how.info)) == ERR_OK)
		e = queue_write(u, t, p.row, how.info);
	prow_fini(&p);
	prow_fini(&old);
	return e;
}

static enum err
objects_write(struct upload_job *u)
{
	struct storage *st = u->job.st;
	enum err e;
	size_t i;

	if ((e = store_begin(st, &u->job.why)) != ERR_OK)
		return e;
	for (i = 0; i < u->n_colls; i++) {
		if ((e = object_write(st, u->colls[i], &u->job.why)) == ERR_OK)
			continue;
		store_abort(st, e, &u->job.why);
		return e;
	}
	return ERR_OK;
}

/*
 * One transaction.  What waited before goes first: a version of the same
 * object written later would come back in the place of this one.
 */
static enum err
all_write(struct upload_job *u)
{
	struct storage *st = u->job.st;
	enum err e;
	size_t i;

	st->retry_at = 0;
	store_flush(st);
	if (st->unsaved != NULL) {
		u->job.why = st->db_why;
		return st->db_err == ERR_OK ? ERR_DB : st->db_err;
	}
	if ((e = objects_write(u)) != ERR_OK)
		return e;
	for (i = 0; i < u->n_certs; i++)
		if ((e = certs_write(u, &u->certs[i])) != ERR_OK) {
			if (st->batch)
				store_abort(st, e, &u->job.why);
			return e;
		}
	return store_commit(st, &u->job.why);
}

/* On disk: now the others may see it. */
static void
all_publish(struct upload_job *u)
{
	struct storage *st = u->job.st;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < u->n_colls; i++)
		if (hot_take(st, coll_ref(u->colls[i]), &why) != ERR_OK)
			log_event(LOG_WARN, "object-not-in-memory", "object",
			    u->colls[i]->key.text, "text", why.text, NULL);
	for (i = 0; i < u->n_certs; i++) {
		platforms_drop(st->platforms, &u->certs[i].from->id);
		metric_inc(M_ADMITTED);
	}
	hot_publish(st);
	log_event(LOG_NOTE, "upload-taken", "objects",
	    log_num((long long)u->n_colls).s, "platforms",
	    log_num((long long)u->n_certs).s, "forced", u->force ? "yes" : "no",
	    NULL);
}

/* --- the call --------------------------------------------------------- */

static void
upload_work(struct job *j)
{
	struct upload_job *u = msg_of(j, struct upload_job, job);
	enum err e;

	if ((e = upload_read(blob_span(u->json), u->api, &u->up, &j->why)) !=
		ERR_OK ||
	    (e = chains_decode(u)) != ERR_OK ||
	    (e = objects_check(u)) != ERR_OK ||
	    (e = all_certs_check(u)) != ERR_OK ||
	    (e = all_write(u)) != ERR_OK) {
		job_fail(j, e);
		return;
	}
	all_publish(u);
	job_done(j);
}

static void
upload_answer(struct job *j)
{
	struct upload_job *u = msg_of(j, struct upload_job, job);

	u->fn(j->arg, j->err, &j->why);
}

static void
upload_job_fini(struct job *j)
{
	struct upload_job *u = msg_of(j, struct upload_job, job);
	size_t i;

	for (i = 0; i < 2; i++)
		blob_unref(u->builtin[i]);
	for (i = 0; i < u->n_colls; i++)
		coll_unref(u->colls[i]);
	for (i = 0; i < u->n_certs; i++)
		held_set_fini(&u->certs[i].held);
	free(u->colls);
	free(u->certs);
	buf_free(&u->chain[0]);
	buf_free(&u->chain[1]);
	buf_free(&u->tcb_chain);
	buf_free(&u->identity_chain);
	upload_fini(&u->up);
	blob_unref(u->json);
}

static void
upload_start(struct storage *st, struct upload_job how, struct blob *json,
    store_done_fn fn, void *arg)
{
	struct upload_job *u = xcalloc(1, sizeof(*u));

	*u = how;
	u->json = blob_ref(json);
	u->fn = fn;
	job_start(&u->job, st, upload_work, upload_answer, upload_job_fini,
	    arg);
}

void
storage_upload(struct storage *st, struct blob *json, unsigned api, bool force,
    store_done_fn fn, void *arg)
{
	must(api == 3 || api == 4);
	upload_start(st, (struct upload_job){ .api = api, .force = force },
	    json, fn, arg);
}

void
storage_site_put(struct storage *st, struct blob *json, bool force,
    store_done_fn fn, void *arg)
{
	upload_start(st,
	    (struct upload_job){ .api = 4, .site = true, .force = force }, json,
	    fn, arg);
}
