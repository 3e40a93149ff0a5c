/*
 * POST /v1/collateral: a quote in, everything needed to verify it out in one
 * JSON document, named as Intel's collateral struct names it
 * (quote-verification 4.5).
 *
 * The body is the quote itself, or {"quote": "<base64>"} when its type is
 * application/json.  ?update=early takes the early TCB info and identity.
 */
#include "server/api.h"
#include "server/needs.h"
#include "server/quoteinfo.h"
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MAGIC 0x9cc51003u

static const char *const part_name[NEED_N] = {
	[NEED_TCB_INFO] = "tcb_info",
	[NEED_IDENTITY] = "qe_identity",
	[NEED_PCK_CRL] = "pck_crl",
	[NEED_ROOT_CRL] = "root_ca_crl",
};

struct gather;

/* One of the four, looked for beside the others. */
struct gather_part {
	unsigned magic;
	struct gather *of;
	struct coll *coll; /* own reference, once it is there */
	enum served how;
};

struct gather {
	struct req *req;
	struct quoteinfo quote;
	struct gather_part part[NEED_N];
	size_t waiting;
	bool matched; /* the identity was asked for by the TCB info's number */
	enum err e;   /* the first failure */
	struct why why;
};

static void
gather_free(struct gather *g)
{
	size_t i;

	for (i = 0; i < NEED_N; i++)
		coll_unref(g->part[i].coll);
	quoteinfo_fini(&g->quote);
	free(g);
}

/* --- the document ----------------------------------------------------- */

static void
set_text(json_t *o, const char *name, struct span text)
{
	must(json_object_set_new(o, name,
		 json_stringn((const char *)text.p, text.len)) == 0);
}

static void
set_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	set_text(o, name, span_str(text));
}

static json_t *
dates_json(const struct gather *g)
{
	json_t *dates = json_object(), *one;
	const struct coll *c;
	size_t i;

	for (i = 0; i < NEED_N; i++) {
		c = g->part[i].coll;
		one = json_object();
		set_time(one, "issued", c->issue_at);
		set_time(one, "next_update", c->next_update);
		must(json_object_set_new(dates, part_name[i], one) == 0);
	}
	return dates;
}

/* The moment the first piece ends. */
static time_t
gather_end(const struct gather *g)
{
	time_t end = g->part[0].coll->next_update;
	size_t i;

	for (i = 1; i < NEED_N; i++)
		if (g->part[i].coll->next_update < end)
			end = g->part[i].coll->next_update;
	return end;
}

static bool
gather_stale(const struct gather *g)
{
	size_t i;

	for (i = 0; i < NEED_N; i++)
		if (g->part[i].how == SERVED_STALE)
			return true;
	return false;
}

static void
set_parts(json_t *o, const struct gather *g)
{
	const struct coll *tcb = g->part[NEED_TCB_INFO].coll;
	const struct coll *qe = g->part[NEED_IDENTITY].coll;
	const struct coll *crl = g->part[NEED_PCK_CRL].coll;
	const struct coll *root = g->part[NEED_ROOT_CRL].coll;

	set_text(o, "pck_crl_issuer_chain", blob_span(crl->chain));
	set_text(o, "root_ca_crl", blob_span(root->form[FORM_HEX].body));
	set_text(o, "pck_crl", blob_span(crl->form[FORM_HEX].body));
	set_text(o, "tcb_info_issuer_chain", blob_span(tcb->chain));
	set_text(o, "tcb_info", blob_span(tcb->body));
	set_text(o, "qe_identity_issuer_chain", blob_span(qe->chain));
	set_text(o, "qe_identity", blob_span(qe->body));
}

static struct blob *
gather_json(const struct gather *g)
{
	json_t *o = json_object();
	struct buf text = BUF_INIT;
	char *s;

	/* 3.0 is the version whose CRLs are hex. */
	must(json_object_set_new(o, "version", json_string("3.0")) == 0);
	must(json_object_set_new(o, "tee_type",
		 json_integer((json_int_t)g->quote.tee)) == 0);
	set_parts(o, g);
	set_text(o, "pck_certificate_chain", blob_span(g->quote.chain));
	set_text(o, "fmspc", span_str(g->quote.fmspc));
	set_text(o, "ca", span_str(pck_ca_name(g->quote.ca)));
	must(json_object_set_new(o, "dates", dates_json(g)) == 0);
	set_time(o, "expires", gather_end(g));
	must(json_object_set_new(o, "stale", json_boolean(gather_stale(g))) ==
	     0);
	s = json_dumps(o, JSON_COMPACT);
	must(s != NULL);
	buf_str(&text, s);
	free(s);
	json_decref(o);
	return buf_blob(&text);
}

/* --- gathering -------------------------------------------------------- */

static void
gather_answer(struct gather *g)
{
	enum served how = SERVED_HIT;
	struct buf extra = BUF_INIT;
	int max_age = 86400, age;
	time_t now = clock_now();
	size_t i;

	for (i = 0; i < NEED_N; i++) {
		age = fresh_max_age(g->part[i].coll, now);
		max_age = age < max_age ? age : max_age;
		if (g->part[i].how == SERVED_MISS && how == SERVED_HIT)
			how = SERVED_MISS;
		if (g->part[i].how == SERVED_STALE)
			how = SERVED_STALE;
	}
	serve_age_lines(&extra, max_age, 0, now, how);
	reply_blob(g->req, 200, "application/json", &extra, gather_json(g));
	buf_free(&extra);
}

static void part_cb(void *, enum err, const struct why *, struct coll *,
    enum served);

/*
 * They were looked for side by side, and where Intel has moved on meanwhile
 * the TCB info is what it has now: the identity has to be of that number.
 * False: it is.
 */
static bool
gather_match(struct gather *g)
{
	const struct coll *tcb = g->part[NEED_TCB_INFO].coll;
	struct gather_part *p = &g->part[NEED_IDENTITY];
	struct coll_key key;

	if (g->e != ERR_OK || g->matched || p->coll->eval_num == tcb->eval_num)
		return false;
	g->matched = true;
	g->waiting = 1;
	key = key_version_as(&p->coll->key, UPDATE_NUMBER, tcb->eval_num);
	coll_unref(p->coll);
	p->coll = NULL;
	serve_held(g->req,
	    snap_numbered(worker_snap(req_worker(g->req)), &key, tcb->eval_num),
	    &key, part_cb, p);
	return true;
}

static void
gather_part_done(struct gather *g)
{
	if (--g->waiting > 0 || gather_match(g))
		return;
	if (g->e == ERR_OK)
		gather_answer(g);
	else
		reply_err(g->req, g->e, &g->why);
	gather_free(g);
}

static void
part_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct gather_part *p = obj_cast(arg, GATHER_MAGIC);
	struct gather *g = p->of;

	if (e == ERR_OK) {
		p->coll = coll_ref(coll);
		p->how = how;
	} else if (g->e == ERR_OK) {
		g->e = e;
		if (why != NULL)
			g->why = *why;
		(void)why_in(&g->why, e, "%s", part_name[p - g->part]);
	}
	gather_part_done(g);
}

static void
gather_start(struct req *req, const struct quoteinfo *q, enum update update)
{
	struct gather *g = xcalloc(1, sizeof(*g));
	struct needs needs;
	size_t i;

	needs_intel(q->tee, q->fmspc, q->ca, update, &needs);
	g->req = req;
	g->quote = *q;
	/* One for this loop: parts may be answered before it ends. */
	g->waiting = NEED_N + 1;
	for (i = 0; i < NEED_N; i++) {
		g->part[i].magic = GATHER_MAGIC;
		g->part[i].of = g;
		if (i == NEED_TCB_INFO || i == NEED_IDENTITY)
			serve_version(req, &needs.key[i], q->fmspc, part_cb,
			    &g->part[i]);
		else
			serve_find(req, &needs.key[i], part_cb, &g->part[i]);
	}
	gather_part_done(g);
}

/* --- the quote -------------------------------------------------------- */

static enum err
quote_from_json(struct span body, struct buf *out, struct why *why)
{
	json_t *o = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const json_t *q = json_object_get(o, "quote");
	enum err e = ERR_OK;

	if (!json_is_string(q) ||
	    json_string_length(q) > QUOTE_LEN_MAX / 3 * 4 + 8 ||
	    base64_read(span_of(json_string_value(q), json_string_length(q)),
		out) != ERR_OK)
		e = why_set(why, ERR_PARAM, "POST /v1/collateral",
		    "no member \"quote\" with a quote in base64");
	json_decref(o);
	return e;
}

/* "application/json", with parameters or without. */
static bool
body_is_json(const struct req *req)
{
	struct span type = req_header(req, "Content-Type"), name;

	if (span_until(&type, ';', &name) != ERR_OK)
		name = type;
	while (name.len > 0 && name.p[name.len - 1] == ' ')
		name.len--;
	return span_eq_nocase(name, "application/json");
}

static enum err
quote_of_body(struct req *req, struct quoteinfo *out, struct why *why)
{
	struct span body = blob_span(req_body(req));
	struct buf raw = BUF_INIT;
	enum err e = ERR_OK;

	if (body_is_json(req)) {
		if ((e = quote_from_json(body, &raw, why)) != ERR_OK)
			goto out;
		body = buf_view(&raw);
	}
	/* Whatever is wrong with a quote is wrong with the request. */
	if (quoteinfo_read(body, out, why) != ERR_OK)
		e = why->err = ERR_PARAM;
out:
	buf_free(&raw);
	return e;
}

void
api_collateral(struct req *req)
{
	struct why why = { 0 };
	struct quoteinfo quote;
	enum update update;
	enum err e;

	e = param_update(req_query(req, "update"), &update, &why);
	if (e == ERR_OK)
		e = quote_of_body(req, &quote, &why);
	if (e == ERR_OK)
		gather_start(req, &quote, update);
	else
		reply_err(req, e, &why);
}
