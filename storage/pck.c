/*
 * Answering a pckcert request from the database: caching-and-selection 2.
 */
#include "storage/pck.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/log.h"
#include "config/base/must.h"
#include "storage/fleet.h"

#include <stdlib.h>
#include <string.h>

#define HOUR ((time_t)3600)
#define DAY  (24 * HOUR)
#define WEEK (7 * DAY)

enum err
pceid_read(const struct platform_id *id, unsigned char out[2], struct why *why)
{
	if (hex_read(span_str(id->pce_id), out, 2) != ERR_OK)
		return why_set(why, ERR_PARAM, "pccs-api 4",
		    "pceid is not 4 hex digits");
	return ERR_OK;
}

const struct crl *
pck_crl_held(const struct storage *st, enum pck_ca ca)
{
	struct coll_key key = key_pck_crl(ca);
	const struct coll *c = hot_get(st, &key);

	return c == NULL ? NULL : c->facts.crl;
}

/* --- certificates of a row -------------------------------------------- */

void
held_set_fini(struct held_set *h)
{
	pck_set_unref(h->set);
	blob_unref(h->chain);
	blob_unref(h->chain_value);
	blob_unref(h->chain_head);
	*h = (struct held_set){ 0 };
}

/* Takes a reference to everything but the set, whose own it steals. */
struct held_set
held_set_of(struct pck_set *set, const struct issuer *i)
{
	return (struct held_set){
		.set = set,
		.chain = blob_ref(i->pem),
		.chain_value = blob_ref(i->value),
		.chain_head = blob_ref(i->head),
	};
}

static enum err
held_set_unpack(struct storage *st, const struct prow *p, struct span packed,
    struct held_set *out, struct why *why)
{
	const struct issuer *issuer;
	struct pck_set *set = NULL;
	unsigned char pceid[2];
	enum err e;

	if ((e = pceid_read(&p->id, pceid, why)) != ERR_OK ||
	    (e = issuer_get(st, blob_span(p->chain), &issuer, why)) != ERR_OK)
		return e;
	if ((e = pck_set_unpack(packed, issuer->chain, pceid,
		 pck_crl_held(st, chain_pck_ca(issuer->chain)), &set, why)) !=
	    ERR_OK)
		return e;
	*out = held_set_of(set, issuer);
	return ERR_OK;
}

static enum err
held_set_read(struct storage *st, const struct prow *p, const char *tcbm,
    struct held_set *out, struct why *why)
{
	struct buf few = BUF_INIT;
	enum err e;

	if (tcbm == NULL)
		return held_set_unpack(st, p, blob_span(p->certs), out, why);
	e = pck_packed_pick(blob_span(p->certs), tcbm, &few, why);
	if (e == ERR_OK)
		e = held_set_unpack(st, p, buf_view(&few), out, why);
	buf_free(&few);
	return e;
}

enum err
held_set_load(struct storage *st, const struct prow *p, const char *tcbm,
    struct held_set *out, struct why *why)
{
	enum err e;

	if (p->certs == NULL || p->chain == NULL)
		return why_set(why, ERR_NOT_CACHED, "caching-and-selection 2",
		    "no certificates are held for the platform");
	if ((e = held_set_read(st, p, tcbm, out, why)) == ERR_OK)
		return ERR_OK;
	refused_log("pckcerts", e, why, "database");
	why_in(why, e, "%s", err_token(e));
	return why->err = ERR_NOT_CACHED;
}

/* --- the choice ------------------------------------------------------- */

const struct tcbinfo *
pck_info(const struct storage *st, const struct pck_set *set)
{
	char fmspc[13];

	hex_upper(span_of(set->fmspc, sizeof(set->fmspc)), fmspc);
	return hot_select_info(st, fmspc);
}

enum err
pck_choose(const struct tcbinfo *info, const struct pck_set *set,
    const struct raw_tcb *tcb, size_t *index, int64_t *levels, struct why *why)
{
	char fmspc[13];
	enum err e;

	if (info == NULL) {
		hex_upper(span_of(set->fmspc, sizeof(set->fmspc)), fmspc);
		return why_set(why, ERR_NO_TCBINFO, "caching-and-selection 2",
		    "%s", fmspc);
	}
	if ((e = select_cert(set, info, tcb, index, why)) != ERR_OK)
		return e;
	*levels = levels_id(info);
	return ERR_OK;
}

bool
pck_may_remember(const struct storage *st, const struct prow *p)
{
	return st->config->mode != MODE_LAZY || p->na_count == 0;
}

/* --- the answer ------------------------------------------------------- */

static bool
level_reached(const uint8_t comp[16], uint16_t pcesvn, const uint8_t level[16],
    uint16_t level_pcesvn)
{
	int i;

	for (i = 0; i < 16; i++)
		if (comp[i] < level[i])
			return false;
	return pcesvn >= level_pcesvn;
}

/* Could the platform prove a TCB level that this certificate does not? */
static bool
cert_is_low(const struct tcbinfo *info, const struct pck_cert *cert,
    const struct raw_tcb *tcb)
{
	const struct tcb_level *l;
	size_t i;

	/* Highest first: the first the raw TCB reaches decides. */
	for (i = 0; i < info->n_levels; i++) {
		l = &info->levels[i];
		if (level_reached(tcb->cpusvn, tcb->pcesvn, l->sgx, l->pcesvn))
			return !level_reached(cert->pck.comp, cert->pck.pcesvn,
			    l->sgx, l->pcesvn);
	}
	return false;
}

static time_t
refetch_at(const struct storage *st, const struct pck_cert *cert,
    const struct raw_tcb *tcb, const struct prow *p, const char *fmspc)
{
	const struct tcbinfo *info = hot_select_info(st, fmspc);
	time_t at = p->fetched_at + WEEK;

	if (p->na_recheck_at != 0 && p->na_recheck_at < at)
		at = p->na_recheck_at;
	if (info != NULL && cert_is_low(info, cert, tcb) &&
	    p->fetched_at + HOUR < at)
		at = p->fetched_at + HOUR;
	return at;
}

static const char *
ca_header(enum pck_ca ca)
{
	return ca == PCK_CA_PLATFORM ? "PLATFORM" : "PROCESSOR";
}

struct pck_answer *
pck_answer_new(const struct storage *st, const struct held_set *h, size_t index,
    const struct raw_tcb *tcb, const struct prow *p)
{
	struct pck_answer *a = xcalloc(1, sizeof(*a));
	const struct pck_cert *cert = &h->set->certs[index];
	struct buf head = BUF_INIT;

	must(index < h->set->n);
	atomic_init(&a->refs, 1);
	a->tcb = *tcb;
	memcpy(a->tcbm, cert->tcbm, sizeof(a->tcbm));
	hex_upper(span_of(h->set->fmspc, sizeof(h->set->fmspc)), a->fmspc);
	a->ca = h->set->ca;
	buf_printf(&head,
	    "SGX-TCBm: %s\r\nSGX-FMSPC: %s\r\n"
	    "SGX-PCK-Certificate-CA-Type: %s\r\n",
	    a->tcbm, a->fmspc, ca_header(a->ca));
	a->head = buf_blob(&head);
	a->chain_head = blob_ref(h->chain_head);
	a->chain = blob_ref(h->chain_value);
	a->pem = blob_ref(cert->pem);
	a->not_after = cert->not_after;
	a->refetch_at = refetch_at(st, cert, tcb, p, a->fmspc);
	return a;
}

/* --- the look-up ------------------------------------------------------ */

static bool
cert_by_tcbm(const struct pck_set *set, const char *tcbm, size_t *out)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		if (strcmp(set->certs[i].tcbm, tcbm) != 0)
			continue;
		*out = i;
		return true;
	}
	return false;
}

/*
 * Is a remembered choice still what selection would say?  Without a TCB info
 * the old choice is the best there is.
 */
static bool
mapping_holds(const struct storage *st, const struct mapping *m,
    const char *fmspc)
{
	const struct tcbinfo *info = hot_select_info(st, fmspc);

	return info == NULL || levels_id(info) == m->levels;
}

/* Remember the choice if that says something new; nobody waits for it. */
static void
lookup_remember(struct storage *st, const struct prow *p,
    const struct mapping *m, bool known)
{
	int64_t now_ms = clock_now_ms();
	struct mapping next = *m;
	struct why why = { 0 };

	if (st->ops->readonly(st->db) || !pck_may_remember(st, p) ||
	    (known && now_ms - m->used_at < DAY * 1000))
		return;
	next.used_at = now_ms;
	if (mapping_put(st, p->row, &next, &why) != ERR_OK)
		log_event(LOG_WARN, "mapping-not-kept", "text", why.text, NULL);
}

static void
lookup_seen(struct storage *st, const struct prow *p)
{
	time_t now = clock_now();
	struct why why = { 0 };

	if (st->ops->readonly(st->db) || now - p->last_seen < DAY)
		return;
	if (store_write(st, SQL_PLATFORM_SEEN,
		VALS(db_int(now), db_text(p->id.qe_id), db_text(p->id.pce_id)),
		&why) != ERR_OK)
		log_event(LOG_WARN, "last-seen-not-kept", "text", why.text,
		    NULL);
}

/* By what is remembered: one certificate to verify instead of all. */
static bool
lookup_known(struct storage *st, const struct prow *p, const struct mapping *m,
    struct held_set *h, size_t *index)
{
	struct why why = { 0 };

	if (!mapping_holds(st, m, p->fmspc) ||
	    held_set_load(st, p, m->tcbm, h, &why) != ERR_OK)
		return false;
	if (cert_by_tcbm(h->set, m->tcbm, index) &&
	    level_reached(m->tcb.cpusvn, m->tcb.pcesvn,
		h->set->certs[*index].pck.comp,
		h->set->certs[*index].pck.pcesvn))
		return true;
	held_set_fini(h);
	return false;
}

static enum err
lookup_choose(struct storage *st, const struct prow *p,
    const struct raw_tcb *tcb, struct held_set *h, size_t *index,
    struct why *why)
{
	struct mapping m = { .tcb = *tcb };
	enum err e = mapping_get(st, p->row, tcb, &m, why);
	bool known = e == ERR_OK;
	unsigned char ppid[32];

	if (e != ERR_OK && e != ERR_NOT_CACHED)
		return e;
	if (known)
		known = lookup_known(st, p, &m, h, index);
	if (!known) {
		if ((e = held_set_load(st, p, NULL, h, why)) != ERR_OK ||
		    (e = pck_choose(pck_info(st, h->set), h->set, tcb, index,
			 &m.levels, why)) != ERR_OK)
			return e;
		memcpy(m.tcbm, h->set->certs[*index].tcbm, sizeof(m.tcbm));
	}
	lookup_remember(st, p, &m, known);
	if (!known) {
		sha256(span_of(h->set->ppid, sizeof(h->set->ppid)), ppid);
		fleet_touch(st, ppid);
	}
	return ERR_OK;
}

static enum err
lookup(struct storage *st, const struct platform_id *id,
    const struct raw_tcb *tcb, struct pck_answer **out, struct why *why)
{
	struct prow p = { 0 };
	struct held_set h = { 0 };
	size_t index = 0;
	enum err e;

	if ((e = prow_get(st, id, &p, why)) != ERR_OK)
		return e;
	if ((e = lookup_choose(st, &p, tcb, &h, &index, why)) != ERR_OK)
		goto out;
	lookup_seen(st, &p);
	*out = pck_answer_new(st, &h, index, tcb, &p);
	platforms_put(st->platforms, id, *out);
out:
	held_set_fini(&h);
	prow_fini(&p);
	return e;
}

struct pck_job {
	struct job job;
	struct platform_id id;
	struct raw_tcb tcb;
	struct pck_answer *answer;
	store_answer_fn fn;
};

static void
pck_work(struct job *j)
{
	struct pck_job *p = msg_of(j, struct pck_job, job);
	enum err e;

	/* Whoever asked a moment earlier may have brought it in. */
	p->answer = platforms_get(j->st->platforms, &p->id, &p->tcb);
	if (p->answer == NULL &&
	    (e = lookup(j->st, &p->id, &p->tcb, &p->answer, &j->why)) != ERR_OK)
		job_fail(j, e);
	else
		job_done(j);
}

static void
pck_job_answer(struct job *j)
{
	struct pck_job *p = msg_of(j, struct pck_job, job);

	p->fn(j->arg, j->err, &j->why, p->answer);
}

static void
pck_fini(struct job *j)
{
	struct pck_job *p = msg_of(j, struct pck_job, job);

	pck_answer_unref(p->answer);
}

void
storage_pck(struct storage *st, const struct platform_id *id,
    const struct raw_tcb *tcb, store_answer_fn fn, void *arg)
{
	struct pck_job *p = xcalloc(1, sizeof(*p));

	p->id = *id;
	p->tcb = *tcb;
	p->fn = fn;
	job_start(&p->job, st, pck_work, pck_job_answer, pck_fini, arg);
}
