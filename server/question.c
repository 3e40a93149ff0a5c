#include "server/question.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/param.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE "POST /v1/verify"

static const char *const names[] = { "evidence", "quote", "requirements",
	"profile", "collateral", "at", "nonce", "runtime_data", "update" };

static enum err
bad(struct why *why, const char *member, const char *text)
{
	return why_set(why, ERR_PARAM, WHERE, "%.80s: %s", member, text);
}

/* No member but those known; "items" stands beside those that are shared. */
static enum err
check_names(const json_t *o, bool shared, struct why *why)
{
	const char *name;
	json_t *v;
	size_t i;

	if (!json_is_object(o))
		return why_set(why, ERR_PARAM, WHERE, "not a JSON object");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(name, names[i]) == 0)
				break;
		if (i == sizeof(names) / sizeof(names[0]) &&
		    !(shared && strcmp(name, "items") == 0))
			return bad(why, name, "unknown member");
	}
	return ERR_OK;
}

static struct span
text_of(const json_t *v)
{
	return span_of(json_string_value(v), json_string_length(v));
}

/* --- members ----------------------------------------------------------- */

static enum err
read_evidence(const json_t *v, struct question *a, struct why *why)
{
	if (!json_is_string(v))
		return bad(why, "evidence", "no text in base64");
	if (json_string_length(v) > EVIDENCE_LEN_MAX / 3 * 4 + 4)
		return bad(why, "evidence", "too long");
	if (base64_read(text_of(v), &a->own) != ERR_OK)
		return bad(why, "evidence", "not base64");
	a->evidence = buf_view(&a->own);
	return ERR_OK;
}

static enum err
at_of_text(struct span s, struct question *a, struct why *why)
{
	char text[24];
	char *end;

	a->at_given = true;
	if (time_read(s, &a->at) == ERR_OK)
		return a->at > 0 ? ERR_OK : bad(why, "at", "no time");
	if (s.len == 0 || s.len > 18 || s.p[0] < '0' || s.p[0] > '9')
		return bad(why, "at", "no time");
	(void)snprintf(text, sizeof(text), "%.*s", (int)s.len,
	    (const char *)s.p);
	a->at = (time_t)strtoll(text, &end, 10);
	return *end == '\0' && a->at > 0 ? ERR_OK : bad(why, "at", "no time");
}

static enum err
read_at(const json_t *v, struct question *a, struct why *why)
{
	if (json_is_string(v))
		return at_of_text(text_of(v), a, why);
	if (!json_is_integer(v) || json_integer_value(v) <= 0)
		return bad(why, "at", "no time");
	a->at = (time_t)json_integer_value(v);
	a->at_given = true;
	return ERR_OK;
}

static enum err
read_nonce(struct span hex, struct question *a, struct why *why)
{
	enum err e = require_nonce(&a->require, hex, why);

	if (e == ERR_OK)
		hex_lower(span_of(a->require.nonce, a->require.nonce_len),
		    a->nonce);
	return e;
}

/* A member that must be text, when it is there. */
static enum err
text_member(const json_t *v, const char *name, const char **out,
    struct why *why)
{
	*out = json_string_value(v);
	return v == NULL || json_is_string(v) ? ERR_OK
					      : bad(why, name, "not text");
}

/* --- the whole --------------------------------------------------------- */

/* On a profile the caller's demands stand alone: it has the defaults. */
static enum err
begin(const struct verifier *v, const char *profile, time_t now,
    struct question *a, struct why *why)
{
	enum err e = verifier_profile(v, profile, &a->profile, why);

	require_init(&a->require, a->profile == NULL);
	a->at = now;
	a->update = UPDATE_STANDARD;
	return e;
}

/* The profile may keep the time and the documents to the server. */
static enum err
check_profile(const struct question *a, bool at, bool collateral,
    struct why *why)
{
	const struct profile *p = a->profile;

	if (p != NULL && p->no_at && at)
		return bad(why, "at", "the profile forbids it");
	if (p != NULL && p->no_collateral && collateral)
		return bad(why, "collateral", "the profile forbids it");
	return ERR_OK;
}

/* And it may demand what only who asks can know. */
static enum err
check_demands(const struct question *a, struct why *why)
{
	static const char text[] = "the profile demands it";
	const struct profile *p = a->profile;

	if (p != NULL && p->nonce && a->require.nonce_len == 0)
		return bad(why, "nonce", text);
	if (p != NULL && p->report_data && !a->require.has_report_data)
		return bad(why, "report_data", text);
	if (p != NULL && p->runtime_data && !a->require.has_runtime)
		return bad(why, "runtime_data", text);
	return ERR_OK;
}

static const json_t *
member(const json_t *o, const json_t *shared, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return v != NULL ? v : json_object_get(shared, name);
}

static enum err
read_rest(const json_t *o, const json_t *shared, struct question *a,
    struct why *why)
{
	const json_t *at = member(o, shared, "at");
	const json_t *nonce = member(o, shared, "nonce");
	const json_t *runtime = member(o, shared, "runtime_data");
	const json_t *collateral = member(o, shared, "collateral");
	const char *update;
	enum err e;

	e = check_profile(a, at != NULL, collateral != NULL, why);
	if (e == ERR_OK)
		e = text_member(member(o, shared, "update"), "update", &update,
		    why);
	if (e == ERR_OK && update != NULL)
		e = param_update(update, &a->update, why);
	if (e == ERR_OK && at != NULL)
		e = read_at(at, a, why);
	if (e == ERR_OK)
		e = require_read(&a->require, member(o, shared, "requirements"),
		    "requirements", why);
	if (e == ERR_OK && nonce != NULL)
		e = json_is_string(nonce) ? read_nonce(text_of(nonce), a, why)
					  : bad(why, "nonce", "not text");
	if (e == ERR_OK && runtime != NULL)
		e = json_is_string(runtime)
			? require_runtime(&a->require, text_of(runtime), why)
			: bad(why, "runtime_data", "not text");
	if (e == ERR_OK)
		e = attach_read(collateral, &a->attached, why);
	return e;
}

enum err
question_read(const struct verifier *v, const json_t *o, const json_t *shared,
    time_t now, struct question *out, struct why *why)
{
	const json_t *evidence = json_object_get(o, "evidence");
	const char *profile;
	enum err e;

	memset(out, 0, sizeof(*out));
	if ((e = check_names(o, false, why)) != ERR_OK ||
	    (shared != NULL && (e = check_names(shared, true, why)) != ERR_OK))
		return e;
	if (evidence == NULL)
		evidence = json_object_get(o, "quote");
	else if (json_object_get(o, "quote") != NULL)
		return bad(why, "quote", "evidence stands there already");
	e = text_member(member(o, shared, "profile"), "profile", &profile, why);
	if (e == ERR_OK)
		e = begin(v, profile, now, out, why);
	if (e == ERR_OK)
		e = read_evidence(evidence, out, why);
	if (e == ERR_OK)
		e = read_rest(o, shared, out, why);
	if (e == ERR_OK)
		e = check_demands(out, why);
	return e;
}

enum err
question_read_raw(const struct verifier *v, struct span evidence,
    const struct question_query *q, time_t now, struct question *out,
    struct why *why)
{
	enum err e;

	memset(out, 0, sizeof(*out));
	out->evidence = evidence;
	e = begin(v, q->profile, now, out, why);
	if (e == ERR_OK)
		e = check_profile(out, q->at != NULL, false, why);
	if (e == ERR_OK && evidence.len == 0)
		e = why_set(why, ERR_PARAM, WHERE, "no evidence was sent");
	if (e == ERR_OK && q->at != NULL)
		e = at_of_text(span_str(q->at), out, why);
	if (e == ERR_OK && q->nonce != NULL)
		e = read_nonce(span_str(q->nonce), out, why);
	if (e == ERR_OK && q->update != NULL)
		e = param_update(q->update, &out->update, why);
	if (e == ERR_OK)
		e = check_demands(out, why);
	return e;
}

void
question_fini(struct question *a)
{
	buf_free(&a->own);
	require_fini(&a->require);
	attach_fini(&a->attached);
	memset(a, 0, sizeof(*a));
}
