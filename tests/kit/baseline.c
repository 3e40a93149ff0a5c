#include "tests/kit/baseline.h"

#include "config/base/clock.h"
#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- sets ------------------------------------------------------------- */

static const char *
member(const struct edge_reply *r, const char *name)
{
	const char *p = strstr(r->body, name);

	ck_assert_msg(p != NULL, "no %s in %.200s", name, r->body);
	return p + strlen(name);
}

static uint32_t
number_in(const struct edge_reply *r)
{
	return (uint32_t)strtoul(member(r, "\"tcbEvaluationDataNumber\":"),
	    NULL, 10);
}

static struct edge_reply
get(const struct house *h, const char *target)
{
	struct edge_reply r = house_get(h, target);

	ck_assert_msg(r.status == 200, "%s: %d\n%s", target, r.status, r.text);
	return r;
}

uint32_t
served_number(const struct house *h, const char *target)
{
	struct edge_reply r = get(h, target);
	uint32_t number = number_in(&r);

	edge_reply_free(&r);
	return number;
}

static void
served_add(struct served *s, const struct edge_reply *r)
{
	time_t ends_at = 0;

	must(time_read(span_of(member(r, "\"nextUpdate\":\""), 20), &ends_at) ==
	     ERR_OK);
	if (s->ends_at == 0 || ends_at < s->ends_at)
		s->ends_at = ends_at;
	s->stale = s->stale || has_header(r, "Warning");
}

struct served
served_set(const struct house *h, enum tee tee, const char *fmspc)
{
	struct served s = { 0 };
	struct edge_reply r;
	char target[128];

	snprintf(target, sizeof(target),
	    "/%s/certification/v4/tcb?fmspc=%s&update=standard", tee_name(tee),
	    fmspc);
	r = get(h, target);
	s.tcb = number_in(&r);
	served_add(&s, &r);
	edge_reply_free(&r);
	snprintf(target, sizeof(target),
	    "/%s/certification/v4/qe/identity?update=standard", tee_name(tee));
	r = get(h, target);
	s.identity = number_in(&r);
	served_add(&s, &r);
	edge_reply_free(&r);
	return s;
}

void
expect_set(const struct house *h, enum tee tee, const char *fmspc,
    uint32_t number)
{
	struct served s = served_set(h, tee, fmspc);

	ck_assert_msg(s.tcb == number && s.identity == number,
	    "%s %s: TCB info of %u, identity of %u, not of %u", tee_name(tee),
	    fmspc, s.tcb, s.identity, number);
}

/* --- the document ------------------------------------------------------ */

json_t *
baseline_doc(const struct house *h)
{
	struct edge_reply r = house_admin(h, "GET", "/v1/baseline", NULL);
	json_t *doc;

	ck_assert_msg(r.status == 200, "%d\n%s", r.status, r.text);
	doc = json_loads(r.body, 0, NULL);
	ck_assert_ptr_nonnull(doc);
	edge_reply_free(&r);
	return doc;
}

static bool
same(const json_t *text, const char *want)
{
	if (want == NULL || !json_is_string(text))
		return want == NULL && !json_is_string(text);
	return strcmp(json_string_value(text), want) == 0;
}

json_t *
baseline_row(json_t *doc, const char *listen, const char *tee,
    const char *fmspc)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(doc, "effective"), i, row)
	{
		if (same(json_object_get(row, "listen"), listen) &&
		    same(json_object_get(row, "tee"), tee) &&
		    same(json_object_get(row, "fmspc"), fmspc))
			return row;
	}
	return NULL;
}

static bool
settled(const struct house *h)
{
	json_t *doc = baseline_doc(h), *row;
	const char *at = json_string_value(json_object_get(doc, "changes_at"));
	time_t due = 0;
	bool yes = true;
	size_t i;

	/* The clock has been moved on, and nobody has looked at it since. */
	if (at != NULL) {
		must(time_read(span_str(at), &due) == ERR_OK);
		yes = due > clock_now();
	}

	json_array_foreach(json_object_get(doc, "effective"), i, row)
	{
		yes = yes &&
		      json_integer_value(json_object_get(row, "number")) ==
			  json_integer_value(json_object_get(row, "wanted"));
	}
	json_decref(doc);
	return yes;
}

void
baseline_settle(const struct house *h)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (!settled(h)) {
		ck_assert_msg(clock_mono_ms() < until, "nothing is promoted");
		upstream_tick(h->upstream, NULL, NULL);
	}
}

/* --- changes ----------------------------------------------------------- */

struct edge_reply
baseline_post(const struct house *h, const char *verb, long revision,
    const char *body)
{
	char target[64], headers[200];
	json_t *doc;

	if (revision < 0) {
		doc = baseline_doc(h);
		revision =
		    (long)json_integer_value(json_object_get(doc, "revision"));
		json_decref(doc);
	}
	snprintf(target, sizeof(target), "/v1/baseline/%s", verb);
	snprintf(headers, sizeof(headers),
	    "Content-Type: application/json\r\nadmin-token: " HOUSE_ADMIN
	    "\r\nIf-Match: \"%ld\"\r\n",
	    revision);
	return house_send(h, "POST", target, headers, span_str(body));
}

void
expect_change(const struct house *h, const char *verb, const char *body,
    int status, const char *reason)
{
	struct edge_reply r = baseline_post(h, verb, -1, body);

	ck_assert_msg(r.status == status, "%s %s: %d\n%s\n%.400s", verb, body,
	    r.status, r.text, r.body);
	if (reason != NULL)
		expect_header(&r, "Larder-Reason", reason);
	edge_reply_free(&r);
}

/* --- a site ------------------------------------------------------------ */

void
expect_whole(const struct house *h, enum tee tee, const char *fmspc,
    uint32_t number)
{
	expect_set(h, tee, fmspc, number);
	ck_assert_uint_eq(served_number(h,
			      "/sgx/certification/v4/qve/identity"),
	    number);
}

void
expect_site(const struct house *h, uint32_t number)
{
	expect_whole(h, TEE_SGX, "00606A000000", number);
	expect_whole(h, TEE_SGX, "90C06F000000", number);
	expect_whole(h, TEE_TDX, "90C06F000000", number);
	expect_whole(h, TEE_SGX, "00806F050000", number);
}

void
site_start(struct house *h, const struct house_opts *o)
{
	house_start(h, o);
	expect_site(h, 17);
}

long
baseline_revision(const struct house *h)
{
	json_t *doc = baseline_doc(h);
	long n = (long)json_integer_value(json_object_get(doc, "revision"));

	json_decref(doc);
	return n;
}
