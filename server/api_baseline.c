/*
 * The TCB baseline's change control: GET /v1/baseline and its history, and
 * POST /v1/baseline/VERB with If-Match, so that nobody overwrites what he has
 * not seen.  What a change will serve is fetched before it is made.
 */
#include "server/api.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_MAGIC 0x9cc51006u
#define CLAUSE       "larder(1) baseline"

/* --- answers ---------------------------------------------------------- */

/* The revision inside a document of ours. */
static json_int_t
revision_of(const struct blob *text)
{
	json_t *o = json_loadb((const char *)text->data, text->len, 0, NULL);
	json_int_t n = json_integer_value(json_object_get(o, "revision"));

	json_decref(o);
	return n;
}

/* A document with its ETag; the text's reference is stolen. */
static void
answer_document(struct req *req, struct blob *text)
{
	struct buf extra = BUF_INIT;

	buf_printf(&extra, "ETag: \"%lld\"\r\nCache-Control: no-store\r\n",
	    (long long)revision_of(text));
	reply_blob(req, 200, "application/json", &extra, text);
	buf_free(&extra);
}

static void
document_cb(void *req, enum err e, const struct why *why, struct blob *text)
{
	if (e == ERR_OK) {
		answer_document(req, text);
	} else {
		blob_unref(text);
		reply_err(req, e, why);
	}
}

void
api_baseline(struct req *req)
{
	storage_baseline(worker_storage(req_worker(req)), document_cb, req);
}

/* Digits alone; false: it is no revision. */
static bool
before_read(const char *text, int64_t *out)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9' && i < 18; i++)
		n = n * 10 + (text[i] - '0');
	*out = n;
	return n > 0 && text[i] == '\0';
}

void
api_baseline_history(struct req *req)
{
	const char *text = req_query(req, "before");
	struct why why = { 0 };
	int64_t before = 0;

	if (text != NULL && !before_read(text, &before)) {
		reply_err(req,
		    why_set(&why, ERR_PARAM, CLAUSE,
			"before is not a revision"),
		    &why);
		return;
	}
	storage_baseline_history(worker_storage(req_worker(req)), before,
	    api_json_cb, req);
}

/* --- reading a change ------------------------------------------------- */

struct change {
	unsigned magic;
	struct req *req;
	json_t *body; /* holds the texts of "ask" */
	char fmspc[PARAM_MAX + 1], chip[2 * AMD_HWID_MAX + 1];
	struct base_change ask;
	size_t waiting;
};

static void
change_free(struct change *c)
{
	json_decref(c->body);
	c->magic = 0;
	free(c);
}

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_PARAM, CLAUSE, "%s", text);
}

/* "7", 7 or *: the revision the caller has seen. */
static enum err
revision_read(const struct req *req, int64_t *out, struct why *why)
{
	struct span s = req_header(req, "If-Match");
	int64_t n = 0;
	size_t i;

	if (s.len == 0)
		return why_set(why, ERR_NO_REVISION, CLAUSE,
		    "If-Match is missing: GET /v1/baseline says the revision");
	*out = -1;
	if (span_eq_str(s, "*"))
		return ERR_OK;
	if (s.len > 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
		s = span_of(s.p + 1, s.len - 2);
	for (i = 0; i < s.len && i < 18; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			break;
		n = n * 10 + (s.p[i] - '0');
	}
	/* What is no revision of ours matches none. */
	*out = i == s.len ? n : INT64_MAX;
	return ERR_OK;
}

static enum err
whole_read(const json_t *body, const char *name, uint32_t max, uint32_t *out,
    struct why *why)
{
	const json_t *v = json_object_get(body, name);

	if (v == NULL || json_is_null(v))
		return ERR_OK;
	if (!json_is_integer(v) || json_integer_value(v) < 1 ||
	    json_integer_value(v) > (json_int_t)max)
		return why_set(why, ERR_PARAM, CLAUSE,
		    "%s is not an integer from 1 to %u", name, max);
	*out = (uint32_t)json_integer_value(v);
	return ERR_OK;
}

static enum err
text_member(const json_t *body, const char *name, const char **out,
    struct why *why)
{
	const json_t *v = json_object_get(body, name);

	*out = NULL;
	if (v == NULL || json_is_null(v))
		return ERR_OK;
	if ((*out = json_string_value(v)) == NULL)
		return why_set(why, ERR_PARAM, CLAUSE, "%s is not a text",
		    name);
	return ERR_OK;
}

static enum err
scope_read(struct change *c, struct why *why)
{
	const char *fmspc, *listen;
	enum err e;

	c->ask.name = "";
	if ((e = text_member(c->body, "fmspc", &fmspc, why)) != ERR_OK ||
	    (e = text_member(c->body, "listen", &listen, why)) != ERR_OK)
		return e;
	if (fmspc != NULL && listen != NULL)
		return bad(why, "fmspc or listen, not both");
	if (listen != NULL) {
		c->ask.kind = BASE_LISTEN;
		c->ask.name = listen;
	}
	if (fmspc == NULL)
		return ERR_OK;
	c->ask.kind = BASE_FMSPC;
	c->ask.name = c->fmspc;
	return param_text(PARAM_FMSPC, fmspc, c->fmspc, why);
}

static enum err
follow_read(struct change *c, struct why *why)
{
	const char *follow;
	enum err e;

	if ((e = text_member(c->body, "follow", &follow, why)) != ERR_OK)
		return e;
	if (follow != NULL && strcmp(follow, "standard") == 0)
		c->ask.rule.follow = FOLLOW_STANDARD;
	else if (follow != NULL && strcmp(follow, "early") == 0)
		c->ask.rule.follow = FOLLOW_EARLY;
	else
		return bad(why, "follow is \"standard\" or \"early\"");
	return ERR_OK;
}

static enum err
retire_read(struct change *c, struct why *why)
{
	const char *retire;
	enum err e;

	if ((e = text_member(c->body, "on_retire", &retire, why)) != ERR_OK ||
	    retire == NULL)
		return e;
	if (strcmp(retire, "hold") == 0)
		c->ask.rule.retire = RETIRE_HOLD;
	else if (strcmp(retire, "advance") == 0)
		c->ask.rule.retire = RETIRE_ADVANCE;
	else
		return bad(why, "on_retire is \"hold\" or \"advance\"");
	return ERR_OK;
}

/* However the id is written, its rule is one. */
static enum err
chip_read(struct change *c, const char *chip, struct why *why)
{
	struct base_amd *a = &c->ask.amd;
	unsigned char id[AMD_HWID_MAX], zeros[AMD_HWID_MAX] = { 0 };
	size_t len = amd_hwid_len(a->product);

	if (hex_read(span_str(chip), id, len) != ERR_OK)
		return why_set(why, ERR_PARAM, CLAUSE,
		    "chip is not %zu hex digits, as %s's ids are", 2 * len,
		    amd_product_name(a->product));
	if (memcmp(id, zeros, len) == 0)
		return bad(why, "chip is all zeros: its id is masked");
	hex_lower(span_of(id, len), c->chip);
	return ERR_OK;
}

/* A product's least TCB: {"product", "chip"?, "tcb"}. */
static enum err
amd_read(struct change *c, struct why *why)
{
	struct base_amd *a = &c->ask.amd;
	struct amd_spl spl;
	const char *product, *chip, *tcb;
	enum err e;

	if ((e = text_member(c->body, "product", &product, why)) != ERR_OK ||
	    (e = text_member(c->body, "chip", &chip, why)) != ERR_OK ||
	    (e = text_member(c->body, "tcb", &tcb, why)) != ERR_OK)
		return e;
	/* Else it would be a rule of everything. */
	if (product == NULL)
		return chip == NULL && tcb == NULL
			   ? ERR_OK
			   : bad(why, "chip and tcb go with a product");
	if (c->ask.kind != BASE_DEFAULT)
		return bad(why, "a product, or fmspc or listen: not both");
	c->ask.has_amd = true;
	a->product = amd_product_read(span_str(product));
	if (a->product == AMD_PRODUCT_N)
		return bad(why, "product is Milan, Genoa or Turin");
	a->chip = c->chip;
	if (chip != NULL && (e = chip_read(c, chip, why)) != ERR_OK)
		return e;
	if (c->ask.verb == BASE_CLEAR)
		return ERR_OK;
	a->newest = c->ask.verb == BASE_FOLLOW;
	if (!a->newest && (tcb == NULL || strlen(tcb) != 16 ||
			      amd_tcb_read(span_str(tcb), &a->tcb) != ERR_OK))
		return bad(why, "tcb is a reported TCB, 16 hex digits");
	if (!a->newest && amd_spl_of(a->product, a->tcb, &spl, NULL) != ERR_OK)
		return bad(why, "tcb has a byte that its product has not");
	return ERR_OK;
}

static enum err
rule_read(struct change *c, struct why *why)
{
	struct base_rule *r = &c->ask.rule;
	enum err e;

	if ((e = retire_read(c, why)) != ERR_OK ||
	    (e = whole_read(c->body, "number", 0xffff, &r->number, why)) !=
		ERR_OK ||
	    (e = whole_read(c->body, "days", 3650, &r->lag_days, why)) !=
		ERR_OK)
		return e;
	switch (c->ask.verb) {
	case BASE_PIN:
		r->follow = FOLLOW_PIN;
		return r->number != 0 ? ERR_OK : bad(why, "number is missing");
	case BASE_LAG:
		r->follow = FOLLOW_LAG;
		return r->lag_days != 0 ? ERR_OK : bad(why, "days is missing");
	case BASE_FOLLOW:
		return follow_read(c, why);
	case BASE_PROMOTE:
	case BASE_CLEAR:
	case BASE_ROLLBACK:
	case BASE_VERB_N:
		break;
	}
	return ERR_OK;
}

static enum err
rollback_read(struct change *c, struct why *why)
{
	const json_t *to = json_object_get(c->body, "revision");

	c->ask.to = -1;
	if (to == NULL || json_is_null(to))
		return ERR_OK;
	if (!json_is_integer(to) || json_integer_value(to) < 0)
		return bad(why, "revision is not one");
	c->ask.to = json_integer_value(to);
	return ERR_OK;
}

static bool
flag(const json_t *body, const char *name)
{
	return json_is_true(json_object_get(body, name));
}

static enum err
change_read(struct change *c, struct why *why)
{
	struct blob *text = req_body(c->req);
	enum err e;

	if ((e = revision_read(c->req, &c->ask.revision, why)) != ERR_OK)
		return e;
	c->body = text == NULL ? NULL
			       : json_loadb((const char *)text->data, text->len,
				     JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(c->body))
		return bad(why, "the body is not a JSON object");
	c->ask.dry_run = flag(c->body, "dry_run");
	c->ask.force = flag(c->body, "force");
	c->ask.who = req_who(c->req)[0] == '\0' ? "admin" : req_who(c->req);
	if ((e = text_member(c->body, "reason", &c->ask.reason, why)) !=
		ERR_OK ||
	    (e = scope_read(c, why)) != ERR_OK)
		return e;
	if (c->ask.verb == BASE_ROLLBACK)
		return rollback_read(c, why);
	if ((e = amd_read(c, why)) != ERR_OK || c->ask.verb == BASE_CLEAR)
		return e;
	if (c->ask.has_amd)
		return c->ask.verb == BASE_PIN || c->ask.verb == BASE_FOLLOW
			   ? ERR_OK
			   : bad(why, "a product's TCB is pinned or followed");
	return rule_read(c, why);
}

/* --- making it -------------------------------------------------------- */

static void
changed_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	struct change *c = obj_cast(arg, CHANGE_MAGIC);
	struct buf extra = BUF_INIT;

	if (e == ERR_OK) {
		answer_document(c->req, text);
	} else if (e == ERR_IMPACT && text != NULL) {
		buf_printf(&extra, "Larder-Reason: %s\r\n", err_token(e));
		reply_blob(c->req, err_http(e), "application/json", &extra,
		    text);
		buf_free(&extra);
	} else {
		blob_unref(text);
		reply_err(c->req, e, why);
	}
	change_free(c);
}

static void
change_go(struct change *c)
{
	storage_baseline_change(worker_storage(req_worker(c->req)), &c->ask,
	    changed_cb, c);
}

/* However that went: what is missing then is for storage to judge. */
static void
want_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct change *c = obj_cast(arg, CHANGE_MAGIC);

	(void)e;
	(void)why;
	(void)coll;
	if (--c->waiting == 0)
		change_go(c);
}

static void
want(struct change *c, const struct coll_key *key)
{
	struct worker *w = req_worker(c->req);

	c->waiting++;
	upstream_want(worker_upstream(w), 0, key,
	    worker_config(w)->cache.client_wait_ms, want_cb, c);
}

static void
wants_cb(void *arg, enum err e, const struct why *why,
    const struct coll_key *keys, size_t n)
{
	struct change *c = obj_cast(arg, CHANGE_MAGIC);
	size_t i;

	if (e != ERR_OK) {
		reply_err(c->req, e, why);
		change_free(c);
		return;
	}
	/* Never called back before upstream_want() returns. */
	for (i = 0; i < n; i++)
		want(c, &keys[i]);
	if (c->waiting == 0)
		change_go(c);
}

/* The dates that a lag counts from, and numbers not heard of, come first. */
static void
first_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct change *c = obj_cast(arg, CHANGE_MAGIC);

	(void)e;
	(void)why;
	(void)coll;
	if (--c->waiting == 0)
		storage_baseline_wants(worker_storage(req_worker(c->req)),
		    &c->ask, wants_cb, c);
}

static void
first_want(struct change *c, const struct coll_key *key)
{
	struct worker *w = req_worker(c->req);

	if (snap_get(worker_snap(w), key) != NULL)
		return;
	c->waiting++;
	upstream_want(worker_upstream(w), 0, key,
	    worker_config(w)->cache.client_wait_ms, first_cb, c);
}

/* Whether Intel has published a number that is new to us, it says itself:
 * every number has identities. */
static void
first_number(struct change *c, enum tee tee)
{
	const struct snap *snap = worker_snap(req_worker(c->req));
	uint32_t number = c->ask.rule.number;
	struct coll_key key;

	if (number == 0 ||
	    number <= baseline_world(snap_baseline(snap), tee)->early)
		return;
	key = key_identity(tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE, 4,
	    UPDATE_NUMBER, number);
	first_want(c, &key);
}

static void
change_start(struct change *c)
{
	static const enum tee tees[] = { TEE_SGX, TEE_TDX };
	struct coll_key key;
	size_t i;

	if (worker_config(req_worker(c->req))->mode != MODE_LAZY) {
		change_go(c);
		return;
	}
	c->waiting = 1;
	for (i = 0; i < 2; i++) {
		first_number(c, tees[i]);
		key = key_evalnums(tees[i]);
		if (c->ask.verb == BASE_LAG)
			first_want(c, &key);
	}
	first_cb(c, ERR_OK, NULL, NULL);
}

/* The verb is the last part of the path. */
static enum base_verb
verb_of(const struct req *req)
{
	struct span path = req_path(req), part;
	int v;

	while (span_until(&path, '/', &part) == ERR_OK)
		continue;
	for (v = 0; v < BASE_VERB_N; v++)
		if (span_eq_nocase(path, base_verb_name((enum base_verb)v)))
			break;
	must(v < BASE_VERB_N);
	return (enum base_verb)v;
}

void
api_baseline_change(struct req *req)
{
	struct change *c = xcalloc(1, sizeof(*c));
	struct why why = { 0 };
	enum err e;

	c->magic = CHANGE_MAGIC;
	c->req = req;
	c->ask.verb = verb_of(req);
	if ((e = change_read(c, &why)) != ERR_OK) {
		reply_err(req, e, &why);
		change_free(c);
		return;
	}
	change_start(c);
}
