/*
 * POST /v1/verify: evidence in, a verdict out; POST /v1/verify/batch: many.
 * The body is the evidence (application/octet-stream) or a question in JSON
 * (question.h); the answer is the verdict's JSON (appraise/verify.h) or, for
 * Accept: application/jwt, the same as a signed token.
 *
 * A call is a request; a unit is one evidence of it.  Units run on judges and
 * come back to the call's own loop, which fetches what one lacks and sends it
 * off again:
 *
 *   loop    call ──► judge  read the body, first unit
 *   loop    unit ◄── judge  verdict, or keys that are missing
 *   loop    ask storage and upstream for them, then a newer snapshot
 *   loop    unit ──► judge  again, at most ROUNDS times
 *
 * Only the loop touches req and worker; only the judge has the unit between
 * judges_submit() and its message back.
 */
#include "server/accept.h"
#include "server/api.h"
#include "server/jwt.h"
#include "server/serve.h"
#include "server/server.h"
#include "server/tally.h"

#include "config/base/clock.h"
#include "config/base/log.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

#define WHERE      "POST /v1/verify"

#define ROUNDS     4
#define VEKS       2
#define UNIT_MAGIC 0x0e51d1c7u

struct call;

struct unit {
	unsigned magic;
	struct judge_job job;
	struct msg msg;
	struct call *call;
	struct question question;
	struct snap *snap; /* of this round */
	unsigned round;
	struct run_out out; /* of the last round */
	struct blob *token; /* the same signed; NULL: not asked, or not to be */
	struct coll *veks[VEKS];
	size_t n_veks;
	bool no_vlek;
	/* While it is fetched: answers owed, the first failure, a success. */
	size_t waiting, next;
	bool got;
	enum err e;
	struct why why;
};

struct call {
	struct judge_job job;
	struct msg msg;
	struct req *req;
	struct worker *worker;
	struct loop *home;
	struct judges *judges;
	struct tally *tally;
	struct verifier *verifier;
	struct jwt_keys *keys;
	struct storage *storage;
	struct snap *snap;
	struct blob *body;
	bool batch, json, jwt;
	struct question_query query;
	const char *listen;
	time_t now;
	json_t *tree;
	enum err e; /* of the body */
	struct why why;
	size_t n, waiting;
	struct unit *unit;
};

static void
unit_fini(struct unit *u)
{
	size_t i;

	question_fini(&u->question);
	run_out_fini(&u->out);
	blob_unref(u->token);
	snap_unref(u->snap);
	for (i = 0; i < u->n_veks; i++)
		coll_unref(u->veks[i]);
}

static void
call_free(struct call *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		unit_fini(&c->unit[i]);
	free(c->unit);
	json_decref(c->tree);
	snap_unref(c->snap);
	blob_unref(c->body);
	verifier_unref(c->verifier);
	jwt_keys_unref(c->keys);
	free(c->query.profile);
	free(c->query.at);
	free(c->query.nonce);
	free(c->query.update);
	free(c);
}

/* --- answers ----------------------------------------------------------- */

static void
json_add(json_t *o, const char *name, const char *text)
{
	must(json_object_set_new(o, name, json_string(text)) == 0);
}

/* {"error": token, "text": what is wrong, "missing": [keys]} */
static void
error_json(enum err e, const struct why *why, const struct unit *u,
    struct buf *out)
{
	json_t *o = json_object(), *list;
	char *text;
	size_t i;

	json_add(o, "error", err_token(e));
	json_add(o, "text", why->text[0] != '\0' ? why->text : err_text(e));
	if (u != NULL && u->out.n_keys > 0) {
		list = json_array();
		for (i = 0; i < u->out.n_keys; i++)
			must(json_array_append_new(list,
				 json_string(key_log(&u->out.keys[i]).s)) == 0);
		must(json_object_set_new(o, "missing", list) == 0);
	}
	text = json_dumps(o, JSON_COMPACT);
	must(text != NULL);
	buf_str(out, text);
	free(text);
	json_decref(o);
}

/* What is wrong with the request is 400; what we lack is 503, and when to ask
 * again. */
static void
reply_error(struct req *req, enum err e, const struct why *why,
    const struct unit *u)
{
	int status = e == ERR_PARAM || e == ERR_MEDIA_TYPE ? err_http(e) : 503;
	struct buf body = BUF_INIT, extra = BUF_INIT;

	error_json(e, why, u, &body);
	buf_printf(&extra, "Larder-Reason: %s\r\n", err_token(e));
	if (status == 503)
		buf_printf(&extra, "Retry-After: %d\r\n",
		    why->retry_s > 0 ? why->retry_s : 5);
	metric_answered(e);
	reply_blob(req, status, "application/json", &extra, buf_blob(&body));
	buf_free(&extra);
}

static void
reply_one(struct call *c)
{
	struct unit *u = &c->unit[0];

	if (u->e != ERR_OK)
		reply_error(c->req, u->e, &u->why, u);
	else if (u->token != NULL)
		reply_blob(c->req, 200, JWT_TYPE, NULL, blob_ref(u->token));
	else
		reply_blob(c->req, 200, "application/json", NULL,
		    buf_blob(&u->out.json));
}

/* Beside each verdict its token, in base64url and dots; null: none is given. */
static void
batch_tokens(const struct call *c, struct buf *body)
{
	const char *sep = ",\"tokens\":[";
	const struct blob *token;
	size_t i;

	for (i = 0; i < c->n; i++, sep = ",") {
		token = c->unit[i].e == ERR_OK ? c->unit[i].token : NULL;
		buf_str(body, sep);
		if (token == NULL)
			buf_str(body, "null");
		else
			buf_printf(body, "\"%s\"", (const char *)token->data);
	}
	buf_str(body, "]");
}

static void
reply_batch(struct call *c)
{
	struct buf body = BUF_INIT;
	size_t i;

	buf_str(&body, "{\"verdicts\":[");
	for (i = 0; i < c->n; i++) {
		if (i > 0)
			buf_str(&body, ",");
		if (c->unit[i].e != ERR_OK)
			error_json(c->unit[i].e, &c->unit[i].why, &c->unit[i],
			    &body);
		else
			buf_span(&body, buf_view(&c->unit[i].out.json));
	}
	buf_str(&body, "]");
	if (c->jwt)
		batch_tokens(c, &body);
	buf_str(&body, "}");
	reply_blob(c->req, 200, "application/json", NULL, buf_blob(&body));
}

static void
call_done(struct call *c)
{
	if (c->batch)
		reply_batch(c);
	else
		reply_one(c);
	call_free(c);
}

/* --- on a judge's thread ----------------------------------------------- */

/*
 * Acceptance cannot outlive what it rests on: a verdict that accepts, as of
 * an earlier time or with grace, on collateral that has ended is given as
 * JSON.  Who rejects may sign that at any time.
 */
static void
sign(const struct call *c, struct unit *u)
{
	json_t *verdict = json_loadb(u->out.json.p, u->out.json.len, 0, NULL);
	enum err e = ERR_PARAM;

	/* Texts of the evidence are in it: nothing is taken for granted. */
	if (verdict != NULL)
		e = jwt_sign(c->keys, verdict,
		    u->question.nonce[0] == '\0' ? NULL : u->question.nonce,
		    c->now, u->out.accepted ? u->out.valid_until : 0, &u->token,
		    &u->why);
	/* The key's store may sign in a while. */
	if (e == ERR_NOT_AVAILABLE)
		u->e = e;
	if (e != ERR_OK)
		u->token = NULL;
	json_decref(verdict);
}

static void
unit_judge(struct unit *u)
{
	struct call *c = u->call;
	struct run_world world = {
		.verifier = c->verifier,
		.storage = c->storage,
		.snap = u->snap,
		.veks = u->veks,
		.n_veks = u->n_veks,
		.again = u->round > 0,
		.no_vlek = u->no_vlek,
		.listen = c->listen,
	};
	int64_t from = clock_mono_us();

	run_out_fini(&u->out);
	verify_run(&world, &u->question, &u->out);
	if (u->out.n_keys != 0)
		return;
	tally_verdict(c->tally, &u->out, clock_mono_us() - from);
	if (c->jwt && c->keys != NULL)
		sign(c, u);
}

static void unit_judged(struct msg *);
static void call_read(struct msg *);

static void
unit_run(struct judge_job *job)
{
	unit_judge(msg_of(job, struct unit, job));
}

static void
unit_home(struct judge_job *job)
{
	struct unit *u = msg_of(job, struct unit, job);

	msg_send(u->call->home, &u->msg, unit_judged);
}

static void
units_make(struct call *c, size_t n)
{
	size_t i;

	c->unit = xcalloc(n, sizeof(*c->unit));
	c->n = n;
	for (i = 0; i < n; i++) {
		c->unit[i].magic = UNIT_MAGIC;
		c->unit[i].call = c;
		c->unit[i].snap = snap_ref(c->snap);
		/* For question_fini(), whatever is read of it. */
		require_init(&c->unit[i].question.require, false);
	}
}

static enum err
read_batch(struct call *c)
{
	json_t *items = json_object_get(c->tree, "items");
	size_t i, n = json_array_size(items);
	size_t max = (size_t)c->verifier->config->verify.max_batch;
	enum err e = ERR_OK;

	if (n == 0 || n > max)
		return why_set(&c->why, ERR_PARAM, "POST /v1/verify/batch",
		    "items: not a list of 1 to %zu questions", max);
	units_make(c, n);
	for (i = 0; i < n && e == ERR_OK; i++) {
		e = question_read(c->verifier, json_array_get(items, i),
		    c->tree, c->now, &c->unit[i].question, &c->why);
		if (e != ERR_OK)
			(void)why_in(&c->why, e, "items[%zu]", i);
	}
	return e;
}

static enum err
read_body(struct call *c)
{
	struct span body = blob_span(c->body);
	json_error_t error;

	if (!c->json) {
		units_make(c, 1);
		return question_read_raw(c->verifier, body, &c->query, c->now,
		    &c->unit[0].question, &c->why);
	}
	c->tree = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, &error);
	if (c->tree == NULL)
		return why_set(&c->why, ERR_PARAM, WHERE,
		    "not JSON: line %d: %s", error.line, error.text);
	if (c->batch)
		return read_batch(c);
	units_make(c, 1);
	return question_read(c->verifier, c->tree, NULL, c->now,
	    &c->unit[0].question, &c->why);
}

/* The body, and the first unit while we are at it. */
static void
call_run(struct judge_job *job)
{
	struct call *c = msg_of(job, struct call, job);

	c->e = read_body(c);
	if (c->e == ERR_OK && !c->batch)
		unit_judge(&c->unit[0]);
}

static void
call_home(struct judge_job *job)
{
	struct call *c = msg_of(job, struct call, job);

	msg_send(c->home, &c->msg, call_read);
}

/* --- on the loop: fetching what a unit lacks --------------------------- */

static void unit_done(struct unit *);
static void fetch_next(struct unit *);

static void
fetched(struct unit *u)
{
	struct worker *w = u->call->worker;

	if (--u->waiting > 0)
		return;
	/* Retired meanwhile: the next snapshot has another number. */
	if (!u->got && u->e != ERR_OK &&
	    !(u->e == ERR_UP_GONE && u->round + 1 < ROUNDS)) {
		tally_missing(u->call->tally);
		unit_done(u);
		return;
	}
	u->e = ERR_OK;
	/* The newest: what came is in it, and all of it belongs together. */
	snap_unref(u->snap);
	u->snap = snap_ref(worker_snap(w));
	u->round++;
	/* What has just come may be younger than the question. */
	if (!u->question.at_given)
		u->question.at = clock_now();
	judges_again(u->call->judges, &u->job);
}

static void
fetch_failed(struct unit *u, enum err e, const struct why *why)
{
	if (u->e != ERR_OK)
		return;
	u->e = e;
	u->why = (struct why){ .err = e };
	if (why != NULL)
		u->why = *why;
}

static void
serve_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct unit *u = obj_cast(arg, UNIT_MAGIC);

	(void)coll;
	(void)how;
	if (e != ERR_OK)
		fetch_failed(u, e, why);
	fetched(u);
}

/* Of alternatives the next one is asked for when this one is not there. */
static void
vek_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct unit *u = obj_cast(arg, UNIT_MAGIC);

	(void)how;
	if (e == ERR_OK) {
		must(u->n_veks < VEKS);
		u->veks[u->n_veks++] = coll_ref(coll);
		u->got = u->out.alternatives;
	} else {
		fetch_failed(u, e, why);
		if (u->out.alternatives && u->next < u->out.n_keys) {
			fetch_next(u);
			return;
		}
	}
	fetched(u);
}

/* VLEKs are imported: nobody is asked, and the verdict says what lacks. */
static void
vlek_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct unit *u = obj_cast(arg, UNIT_MAGIC);

	if (e == ERR_OK) {
		must(u->n_veks < VEKS);
		u->veks[u->n_veks++] = coll_ref(coll);
	} else if (e == ERR_NOT_CACHED || e == ERR_NO_CHAIN) {
		u->no_vlek = true;
	} else {
		fetch_failed(u, e, why);
	}
	fetched(u);
}

static void
fetch_next(struct unit *u)
{
	const struct coll_key *key = &u->out.keys[u->next++];

	if (key->kind == COLL_VEK && key->text[0] == '\0')
		storage_vlek(u->call->storage, key->product, key->tcb, vlek_cb,
		    u);
	else if (key->kind == COLL_VEK)
		serve_find_vek(u->call->req, key, vek_cb, u);
	else if (key->kind == COLL_TCBINFO || key->kind == COLL_IDENTITY)
		serve_version(u->call->req, key, u->out.fmspc, serve_cb, u);
	else
		serve_find(u->call->req, key, serve_cb, u);
}

static void
fetch_start(struct unit *u)
{
	u->next = 0;
	u->got = false;
	u->e = ERR_OK;
	/* One for this loop: some are answered before it ends. */
	u->waiting = u->out.alternatives ? 2 : u->out.n_keys + 1;
	do
		fetch_next(u);
	while (!u->out.alternatives && u->next < u->out.n_keys);
	fetched(u);
}

/* --- on the loop: units and calls -------------------------------------- */

/* No identifiers: what was decided, and why. */
static void
unit_log(const struct unit *u)
{
	if (!worker_may_log(u->call->worker))
		return;
	log_request(req_id(u->call->req));
	log_event(u->out.accepted ? LOG_DEBUG : LOG_INFO, "verdict", "verdict",
	    u->out.accepted ? "accepted" : "rejected", "evidence",
	    u->out.valid ? "valid" : "invalid", "tee",
	    evidence_kind_name(u->out.kind), "check",
	    u->out.check[0] == '\0' ? NULL : u->out.check, "profile",
	    u->question.profile == NULL ? NULL : u->question.profile->name,
	    NULL);
	log_request(NULL);
}

static void
unit_done(struct unit *u)
{
	if (u->e == ERR_OK) {
		unit_log(u);
		if (u->out.has_seen)
			storage_quote_seen(u->call->storage, &u->out.seen);
	} else if (u->e == ERR_NOT_AVAILABLE &&
		   worker_may_log(u->call->worker)) {
		log_event(LOG_ERROR, "not-signed", "text", u->why.text, NULL);
	}
	if (--u->call->waiting == 0)
		call_done(u->call);
}

static void
unit_next(struct unit *u)
{
	if (u->out.n_keys == 0) {
		unit_done(u);
	} else if (u->round < ROUNDS) {
		fetch_start(u);
	} else {
		u->e = why_set(&u->why, ERR_NOT_CACHED, WHERE,
		    "collateral comes and goes");
		unit_done(u);
	}
}

static void
unit_judged(struct msg *m)
{
	unit_next(msg_of(m, struct unit, msg));
}

static void
units_start(struct call *c)
{
	size_t i;

	c->waiting = c->n + 1; /* one for this loop */
	for (i = 0; i < c->n; i++) {
		c->unit[i].job.run = unit_run;
		c->unit[i].job.done = unit_home;
		if (!c->batch) {
			unit_next(&c->unit[i]);
		} else if (!judges_submit(c->judges, &c->unit[i].job)) {
			c->unit[i].e = why_set(&c->unit[i].why, ERR_SHED,
			    "POST /v1/verify/batch", "the queue is full");
			metric_inc(M_SHED_VERIFY);
			c->waiting--;
		}
	}
	if (--c->waiting == 0)
		call_done(c);
}

static void
call_read(struct msg *m)
{
	struct call *c = msg_of(m, struct call, msg);

	if (c->e == ERR_OK) {
		units_start(c);
		return;
	}
	reply_error(c->req, c->e, &c->why, NULL);
	call_free(c);
}

/* --- the request ------------------------------------------------------- */

/*
 * What would be passed over in silence is refused: a nonce beside a question
 * in JSON, a demand that only JSON has, a name spelt wrong.  Who asks would
 * take the verdict for one that heeds it.
 */
static enum err
check_query(struct req *req, bool raw, struct why *why)
{
	static const char *const names[] = { "profile", "at", "nonce",
		"update" };
	const char *odd = req_query_odd(req, names,
	    raw ? sizeof(names) / sizeof(names[0]) : 0);

	if (odd == NULL)
		return ERR_OK;
	return why_set(why, ERR_PARAM, WHERE, "%.80s: %s", odd,
	    raw ? "unknown in the query, or there twice"
		: "belongs into the JSON, not into the query");
}

/* Without a type the body is the evidence (RFC 9110 8.3). */
static enum err
check_type(struct req *req, bool batch, bool *json, struct why *why)
{
	struct span type = req_header(req, "Content-Type");

	*json = batch || type_is(type, "application/json");
	if (type.len == 0 || type_is(type, "application/json") ||
	    (!batch && type_is(type, "application/octet-stream")))
		return ERR_OK;
	return why_set(why, ERR_MEDIA_TYPE, WHERE, "Content-Type: not %s",
	    batch ? "application/json"
		  : "application/octet-stream or application/json");
}

static char *
query_dup(struct req *req, const char *name)
{
	const char *value = req_query(req, name);

	return value == NULL ? NULL : xstrdup(value);
}

static struct call *
call_new(struct req *req)
{
	struct call *c = xcalloc(1, sizeof(*c));
	struct worker *w = req_worker(req);

	c->job.run = call_run;
	c->job.done = call_home;
	c->req = req;
	c->worker = w;
	c->home = worker_loop(w);
	c->judges = server_judges(worker_server(w));
	c->tally = server_tally(worker_server(w));
	c->verifier = verifier_ref(worker_verifier(w));
	c->keys = jwt_keys_ref(worker_jwt_keys(w));
	c->storage = worker_storage(w);
	c->snap = snap_ref(worker_snap(w));
	c->body = blob_ref(req_body(req));
	c->jwt = accept_prefers(req_header(req, "Accept"), JWT_TYPE,
	    "application/json");
	c->query.profile = query_dup(req, "profile");
	c->query.at = query_dup(req, "at");
	c->query.nonce = query_dup(req, "nonce");
	c->query.update = query_dup(req, "update");
	c->now = clock_now();
	return c;
}

static void
call_start(struct req *req, bool batch)
{
	struct why why = { 0 };
	struct call *c;
	bool json;
	enum err e;

	if ((e = check_type(req, batch, &json, &why)) != ERR_OK ||
	    (e = check_query(req, !json, &why)) != ERR_OK) {
		reply_error(req, e, &why, NULL);
		return;
	}
	c = call_new(req);
	c->batch = batch;
	c->json = json;
	/* The listener's address lives as long as the verifier's config. */
	if (req_listener(req) < c->verifier->config->n_listen)
		c->listen =
		    c->verifier->config->listen[req_listener(req)].address;
	if (judges_submit(c->judges, &c->job))
		return;
	metric_inc(M_SHED_VERIFY);
	(void)why_set(&why, ERR_SHED, WHERE, "the queue is full");
	reply_err(req, ERR_SHED, &why);
	call_free(c);
}

static void
api_verify(struct req *req)
{
	call_start(req, false);
}

static void
api_verify_batch(struct req *req)
{
	call_start(req, true);
}

const struct route routes_verify[] = {
	{ SERVE_VERIFY, 1u << METHOD_POST, "/v1/verify", ROLE_NONE, NULL,
	    BODY_SMALL, api_verify, NULL },
	{ SERVE_VERIFY, 1u << METHOD_POST, "/v1/verify/batch", ROLE_NONE, NULL,
	    BODY_SMALL, api_verify_batch, NULL },
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
