/*
 * Appraisal policies: pccs-api 6.13 and 6.7.
 */
#include "storage/policy.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/store.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CLAUSE "pccs-api 6.13"

/* What a class_id says about the type of its policy. */
#define TYPE_SKIP (-1)
static const struct {
	const char *class_id;
	int type;
} classes[] = {
	{ "3123ec35-8d38-4ea5-87a5-d6c48b567570", 0 },         /* SGX */
	{ "9eec018b-7481-4b1c-8e1a-9f7c0c8c777f", 1 },         /* TDX 1.0 */
	{ "f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3", 2 },         /* TDX 1.5 */
	{ "3769258c-75e6-4bc7-8d72-d2b0e224cad2", TYPE_SKIP }, /* TD QE */
};

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_PARAM, CLAUSE, "%s", text);
}

static json_t *
load(struct span text)
{
	return json_loadb((const char *)text.p, text.len,
	    JSON_REJECT_DUPLICATES, NULL);
}

/* --- the type --------------------------------------------------------- */

static enum err
type_of_class(const char *id, int *type, struct why *why)
{
	size_t i;

	for (i = 0; id != NULL && i < sizeof(classes) / sizeof(classes[0]);
	     i++) {
		if (strcmp(classes[i].class_id, id) != 0)
			continue;
		*type = classes[i].type;
		return ERR_OK;
	}
	return bad(why, "class_id is none that is known");
}

/* The first class that says something; all must be known. */
static enum err
type_of_array(const json_t *array, int *out, struct why *why)
{
	int type = TYPE_SKIP, found = TYPE_SKIP;
	json_t *row;
	enum err e;
	size_t i;

	json_array_foreach(array, i, row)
	{
		e = type_of_class(json_string_value(
				      json_object_get(json_object_get(row,
							  "environment"),
					  "class_id")),
		    &type, why);
		if (e != ERR_OK)
			return e;
		if (found == TYPE_SKIP)
			found = type;
	}
	if (found == TYPE_SKIP)
		return bad(why, "no policy_array entry says what it is for");
	*out = found;
	return ERR_OK;
}

static enum err
type_of_payload(struct span text, int *type, struct why *why)
{
	json_t *outer = load(text), *inner = NULL;
	const char *payload =
	    json_string_value(json_object_get(outer, "policy_payload"));
	enum err e;

	if (payload == NULL) {
		e = bad(why, "the JWT has no policy_payload");
		goto out;
	}
	inner = load(span_str(payload));
	if (!json_is_array(json_object_get(inner, "policy_array"))) {
		e = bad(why, "policy_payload has no policy_array");
		goto out;
	}
	e = type_of_array(json_object_get(inner, "policy_array"), type, why);
out:
	json_decref(outer);
	json_decref(inner);
	return e;
}

/* The second of the parts between dots; the signature is not checked. */
static enum err
type_of_jwt(struct span jwt, int *type, struct why *why)
{
	struct buf text = BUF_INIT;
	struct span head, payload;
	enum err e;

	if (span_until(&jwt, '.', &head) != ERR_OK)
		return bad(why, "policy is not a JWT");
	if (span_until(&jwt, '.', &payload) != ERR_OK)
		payload = jwt;
	if (base64_read(payload, &text) != ERR_OK)
		e = bad(why, "the JWT's payload is not base64url");
	else
		e = type_of_payload(buf_view(&text), type, why);
	buf_free(&text);
	return e;
}

void
policy_fini(struct policy *p)
{
	free(p->text);
	p->text = NULL;
}

static enum err
policy_of(const json_t *root, struct policy *out, struct why *why)
{
	const char *fmspc = json_string_value(json_object_get(root, "fmspc"));
	const char *text = json_string_value(json_object_get(root, "policy"));
	const json_t *is_default = json_object_get(root, "is_default");
	unsigned char bytes[6], digest[48];
	enum err e;
	int type = TYPE_SKIP;

	if (!json_is_boolean(is_default) || text == NULL || fmspc == NULL ||
	    hex_read(span_str(fmspc), bytes, sizeof(bytes)) != ERR_OK)
		return bad(why, "not {is_default, fmspc, policy}");
	if ((e = type_of_jwt(span_str(text), &type, why)) != ERR_OK)
		return e;
	sha384(span_str(text), digest);
	hex_lower(span_of(digest, sizeof(digest)), out->id);
	hex_upper(span_of(bytes, sizeof(bytes)), out->fmspc);
	out->type = type;
	out->is_default = json_is_true(is_default);
	out->text = xstrdup(text);
	return ERR_OK;
}

enum err
policy_read(struct span json, struct policy *out, struct why *why)
{
	json_t *root = load(json);
	enum err e;

	if (!json_is_object(root))
		e = bad(why, "the body is not a JSON object");
	else
		e = policy_of(root, out, why);
	json_decref(root);
	return e;
}

/* --- the calls -------------------------------------------------------- */

struct policy_job {
	struct job job;
	struct blob *json; /* put */
	char fmspc[13];    /* get */
	struct buf found;
	struct blob *text; /* what is answered */
	store_text_fn fn;
};

static enum err
policy_write(struct storage *st, const struct policy *p, struct why *why)
{
	enum err e;

	if (p->is_default && (e = store_write(st, SQL_POLICY_CLEAR,
				  VALS(db_text(p->fmspc)), why)) != ERR_OK)
		return e;
	return store_write(st, SQL_POLICY_PUT,
	    VALS(db_text(p->id), db_int(p->type), db_text(p->fmspc),
		db_int(p->is_default), db_text(p->text), db_int(clock_now())),
	    why);
}

static void
put_work(struct job *j)
{
	struct policy_job *pj = msg_of(j, struct policy_job, job);
	struct policy p = { .text = NULL };
	enum err e;

	if ((e = policy_read(blob_span(pj->json), &p, &j->why)) != ERR_OK ||
	    (e = policy_write(j->st, &p, &j->why)) != ERR_OK) {
		policy_fini(&p);
		job_fail(j, e);
		return;
	}
	j->st->recount = true;
	pj->text = blob_from(span_str(p.id));
	policy_fini(&p);
	job_commit(j);
}

static bool
get_row(void *arg, const struct db_val *col)
{
	struct policy_job *pj = arg;

	if (pj->found.len != 0)
		buf_str(&pj->found, ",");
	buf_span(&pj->found, col[0].s);
	return true;
}

static void
get_work(struct job *j)
{
	struct policy_job *pj = msg_of(j, struct policy_job, job);
	enum err e;

	if ((e = store_read(j->st, SQL_POLICY_GET, VALS(db_text(pj->fmspc)),
		 get_row, pj, &j->why)) == ERR_OK &&
	    pj->found.len == 0)
		e = why_set(&j->why, ERR_NOT_CACHED, "pccs-api 6.7",
		    "no default policy for this FMSPC");
	if (e != ERR_OK) {
		job_fail(j, e);
		return;
	}
	pj->text = buf_blob(&pj->found);
	job_done(j);
}

static void
policy_answer(struct job *j)
{
	struct policy_job *pj = msg_of(j, struct policy_job, job);

	pj->fn(j->arg, j->err, &j->why,
	    j->err == ERR_OK ? blob_ref(pj->text) : NULL);
}

static void
policy_job_fini(struct job *j)
{
	struct policy_job *pj = msg_of(j, struct policy_job, job);

	blob_unref(pj->json);
	blob_unref(pj->text);
	buf_free(&pj->found);
}

void
storage_policy_put(struct storage *st, struct blob *json, store_text_fn fn,
    void *arg)
{
	struct policy_job *pj = xcalloc(1, sizeof(*pj));

	pj->json = blob_ref(json);
	pj->fn = fn;
	job_start(&pj->job, st, put_work, policy_answer, policy_job_fini, arg);
}

void
storage_policy_get(struct storage *st, const char *fmspc, store_text_fn fn,
    void *arg)
{
	struct policy_job *pj = xcalloc(1, sizeof(*pj));
	unsigned char bytes[6];

	if (hex_read(span_str(fmspc), bytes, sizeof(bytes)) == ERR_OK)
		hex_upper(span_of(bytes, sizeof(bytes)), pj->fmspc);
	pj->fn = fn;
	job_start(&pj->job, st, get_work, policy_answer, policy_job_fini, arg);
}
