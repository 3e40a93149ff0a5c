/*
 * POST /v1/verify as a relying party sees it: every recorded case with its
 * collateral attached, what is refused and how, and batches.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/verifier.h"
#include "tests/kit/house.h"
#include "tests/kit/mutant.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vexpect.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTEN                                                                 \
	"[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\",\"ops\",\"admin\"," \
	"\"verify\"]}]"

/* --- a house that trusts the roots of the cases ------------------------ */

static struct house house;
static int fd;

static void
add_anchors(struct buf *b, const struct anchors *a)
{
	size_t i;

	for (i = 0; i < a->n; i++) {
		buf_str(b, b->p[b->len - 1] == '[' ? "\"" : ",\"");
		buf_hex(b, span_of(a->spki_sha256[i], 32));
		buf_str(b, "\"");
	}
}

/* Intel's root, and that of the synthetic cases; AMD's are the default. */
static void
house_of_cases(const char *more)
{
	struct vset *real = vset_real("sgx/collateral/"
				      "sgx-00A067110000-2025-06");
	struct vset *made = vset_synthetic("sgx/synthetic/s001.json");
	struct house_opts o = { .listen = LISTEN, .real_roots = true };
	struct buf b = BUF_INIT;

	buf_str(&b, "\"trust\":{\"intel_root_spki_sha256\":[");
	add_anchors(&b, real->anchors);
	add_anchors(&b, made->anchors);
	buf_printf(&b, "]}%s", more);
	o.members = b.p;
	house_start(&house, &o);
	fd = edge_open(house.port);
	buf_free(&b);
	vset_free(real);
	vset_free(made);
}

static void
house_over(void)
{
	close(fd);
	house_stop(&house);
}

/* --- asking ------------------------------------------------------------ */

/* On the one connection; the answer is edge_reply_free()'s. */
static struct edge_reply
post(const char *target, const char *headers, struct span body)
{
	struct edge_reply r;
	struct buf b = BUF_INIT;

	buf_printf(&b,
	    "POST %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n",
	    target, headers, body.len);
	buf_span(&b, body);
	edge_send_n(fd, b.p, b.len);
	edge_read(fd, &r, false);
	buf_free(&b);
	return r;
}

static struct edge_reply
post_json(const char *target, const json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct edge_reply r =
	    post(target, "Content-Type: application/json\r\n", span_str(text));

	free(text);
	return r;
}

static json_t *
json_reply(struct edge_reply *r, int status)
{
	json_t *j;

	ck_assert_msg(r->status == status, "%d: %s", r->status, r->body);
	j = json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(j != NULL, "%s", r->body);
	edge_reply_free(r);
	return j;
}

/* An object's question, decref()ed, and the verdict on it. */
static json_t *
ask(json_t *question)
{
	struct edge_reply r = post_json("/v1/verify", question);

	json_decref(question);
	return json_reply(&r, 200);
}

static void
set_base64(json_t *o, const char *name, struct span s)
{
	struct buf b = BUF_INIT;

	buf_base64(&b, s);
	json_object_set_new(o, name, json_stringn(b.len ? b.p : "", b.len));
	buf_free(&b);
}

/* As text where it is some, else in base64. */
static void
set_piece(json_t *o, const char *name, const struct blob *b)
{
	json_t *text;

	if (b == NULL)
		return;
	text = json_stringn((const char *)b->data, b->len);
	if (text != NULL && b->len > 0)
		json_object_set_new(o, name, text);
	else
		set_base64(o, name, blob_span(b));
}

static json_t *
collateral_of(const struct vset *s)
{
	json_t *o = json_object();

	set_piece(o, "tcb_info", s->tcb_info);
	set_piece(o, "tcb_info_issuer_chain", s->tcb_chain);
	set_piece(o, "qe_identity", s->identity);
	set_piece(o, "qe_identity_issuer_chain", s->identity_chain);
	set_piece(o, "root_ca_crl", s->root_crl);
	set_piece(o, "pck_crl", s->pck_crl);
	set_piece(o, "pck_crl_issuer_chain", s->pck_crl_chain);
	/* A case may have none of them: attached nothing is still attached. */
	if (json_object_size(o) == 0)
		json_object_set_new(o, "tcb_info", json_string(""));
	return o;
}

static json_t *
question_of(const struct vcase *c)
{
	json_t *o = json_object();

	set_base64(o, "evidence", blob_span(c->quote));
	json_object_set_new(o, "collateral", collateral_of(c->set));
	json_object_set_new(o, "at", json_integer(c->at));
	return o;
}

static json_t *
question_of_snp(const struct scase *c, const struct blob *evidence)
{
	json_t *o = json_object(), *a = json_object();

	set_base64(o, "evidence", blob_span(evidence));
	set_base64(a, "vek", blob_span(c->vek));
	set_piece(a, "cert_chain", c->chain);
	json_object_set_new(o, "collateral", a);
	json_object_set_new(o, "at", json_integer(c->at));
	return o;
}

static const char *
word(const json_t *j, const char *name)
{
	const char *s = vector_text(j, name);

	return s == NULL ? "" : s;
}

/* --- recorded cases ---------------------------------------------------- */

static void
expect_one(struct vcase *c)
{
	json_t *v = ask(question_of(c));

	expect_verdict(c->name, c->expect, c->either, v);
	ck_assert_str_eq(word(json_object_get(v, "collateral"), "source"),
	    "attached");
	json_decref(v);
	vcase_fini(c);
}

START_TEST(test_every_intel_case)
{
	static const char *const tees[] = { "sgx", "tdx" };
	char path[40], **names;
	struct vcase c;
	json_t *all, *one;
	size_t i, n;

	house_of_cases("");
	snprintf(path, sizeof(path), "%s/cases.json", tees[_i]);
	all = vector_json(path);
	json_array_foreach(json_object_get(all, "cases"), i, one)
	{
		vcase_real(tees[_i], one, &c);
		expect_one(&c);
	}
	ck_assert_uint_gt(i, 30);
	json_decref(all);
	snprintf(path, sizeof(path), "%s/synthetic", tees[_i]);
	names = vnames(path, &n);
	for (i = 0; i < n; i++) {
		vcase_synthetic(names[i], &c);
		expect_one(&c);
	}
	ck_assert_uint_gt(n, 50);
	vnames_free(names, n);
	house_over();
}
END_TEST

static void
spill_blob(const char *name, const struct blob *b)
{
	FILE *f = fopen(run_path(name), "we");

	must(f != NULL && fwrite(b->data, 1, b->len, f) == b->len);
	must(fclose(f) == 0);
}

/* What larder verify says of the same evidence and the same collateral. */
static json_t *
of_command_line(const struct scase *c, const struct blob *evidence)
{
	char line[600];
	struct run r;
	json_t *v;

	(void)mkdir(run_path("given"), 0700);
	spill_blob("evidence", evidence);
	spill_blob("given/cert_chain.pem", c->chain);
	(void)unlink(run_path("given/vcek.der"));
	(void)unlink(run_path("given/vlek.der"));
	spill_blob(c->vlek ? "given/vlek.der" : "given/vcek.der", c->vek);
	snprintf(line, sizeof(line),
	    "larder verify %s --collateral %s --at %lld --json",
	    run_path("evidence"), run_path("given"), (long long)c->at);
	r = run_line("", line);
	v = json_loadb(r.out.p, r.out.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(v != NULL, "%s: %d %s", c->name, r.status, r.err.p);
	run_free(&r);
	return v;
}

/* Two verdicts are the same but for where collateral was said to be. */
static void
expect_same(const char *name, json_t *a, json_t *b)
{
	json_t *in_a = json_object_get(a, "collateral");
	json_t *in_b = json_object_get(b, "collateral");
	char *x, *y;

	ck_assert_msg((*word(in_a, "source") == '\0') ==
			  (*word(in_b, "source") == '\0'),
	    "%s: \"%s\" and \"%s\"", name, word(in_a, "source"),
	    word(in_b, "source"));
	json_object_del(in_a, "source");
	json_object_del(in_b, "source");
	x = json_dumps(a, JSON_SORT_KEYS);
	y = json_dumps(b, JSON_SORT_KEYS);
	ck_assert_msg(strcmp(x, y) == 0, "%s:\n%s\n%s", name, x, y);
	free(x);
	free(y);
}

static void
expect_snp(const struct scase *c, const struct blob *evidence)
{
	json_t *v = ask(question_of_snp(c, evidence));
	json_t *other = of_command_line(c, evidence);

	expect_verdict_snp(c->name, c->expected, v);
	expect_same(c->name, v, other);
	json_decref(v);
	json_decref(other);
}

/* Nothing was used for what cannot be read; its twin that can be lists all. */
START_TEST(test_collateral_is_what_was_used)
{
	static const struct {
		const char *name;
		bool used;
	} cases[] = { { "milan-v1-preproduction", false },
		{ "milan-v2-plain", true } };
	struct scase c;
	json_t *v, *in;
	size_t i;

	house_of_cases("");
	for (i = 0; i < 2; i++) {
		scase_load(cases[i].name, &c);
		v = ask(question_of_snp(&c, c.report));
		in = json_object_get(v, "collateral");
		ck_assert_str_eq(word(in, "source"),
		    cases[i].used ? "attached" : "");
		ck_assert_int_eq(json_object_get(in, "vek") != NULL,
		    cases[i].used);
		ck_assert_int_eq(json_object_get(in, "cert_chain") != NULL,
		    cases[i].used);
		json_decref(v);
		scase_fini(&c);
	}
	house_over();
}
END_TEST

START_TEST(test_every_snp_case)
{
	struct scase c;
	size_t i;

	house_of_cases("");
	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		expect_snp(&c, c.report);
		if (c.hcl != NULL)
			expect_snp(&c, c.hcl);
		scase_fini(&c);
	}
	house_over();
}
END_TEST

/* --- the one-bit matrix, a sample of it -------------------------------- */

struct changed { /* which member of the question is changed */
	json_t *question;
	json_t *in;
	const char *member;
	size_t n;
};

static void
ask_changed(void *arg, const struct mutant *m)
{
	struct changed *c = arg;
	json_t *good = json_incref(json_object_get(c->in, c->member)), *v;

	set_base64(c->in, c->member, m->bytes);
	v = ask(json_incref(c->question));
	ck_assert_msg(strcmp(word(v, "verdict"), "rejected") == 0 &&
			  word_in(first_reason(v), m->checks),
	    "%s.%s: %s, not %s", m->piece, m->field, first_reason(v),
	    m->checks);
	json_decref(v);
	json_object_set_new(c->in, c->member, good);
	c->n++;
}

START_TEST(test_sample_of_the_matrix)
{
	static const char *const paths[] = { "sgx/synthetic/s001.json",
		"tdx/synthetic/t034.json" };
	struct changed c = { NULL, NULL, "evidence", 0 };
	struct mutants m = { ask_changed, &c, 11, 4, 0 };
	struct vcase v;

	house_of_cases("");
	vcase_synthetic(paths[_i], &v);
	c.question = c.in = question_of(&v);
	mutants_quote(&m, blob_span(v.quote));
	mutants_quote_chain(&m, blob_span(v.quote));
	c.in = json_object_get(c.question, "collateral");
	c.member = "tcb_info";
	mutants_document(&m, c.member, "tcb-info", blob_span(v.set->tcb_info));
	c.member = "qe_identity";
	mutants_document(&m, c.member, "qe-identity",
	    blob_span(v.set->identity));
	c.member = "tcb_info_issuer_chain";
	mutants_chain(&m, c.member, "tcb-info", blob_span(v.set->tcb_chain));
	c.member = "root_ca_crl";
	mutants_crl(&m, c.member, "crl", blob_span(v.set->root_crl));
	c.member = "pck_crl";
	mutants_crl(&m, c.member, "crl", blob_span(v.set->pck_crl));
	ck_assert_uint_gt(c.n, 30);
	json_decref(c.question);
	vcase_fini(&v);
	house_over();
}
END_TEST

START_TEST(test_sample_of_reports)
{
	struct changed c = { NULL, NULL, "evidence", 0 };
	struct mutants m = { ask_changed, &c, 12, 2, 0 };
	struct scase s;

	house_of_cases("");
	scase_load("hcl-milan-v3", &s);
	c.question = c.in = question_of_snp(&s, s.report);
	mutants_report(&m, blob_span(s.report), s.vlek);
	mutants_hcl(&m, blob_span(s.hcl));
	c.in = json_object_get(c.question, "collateral");
	c.member = "vek";
	mutants_cert(&m, c.member,
	    "SNP_ERR_CERT_FORMAT SNP_ERR_KEY_KIND_MISMATCH SNP_ERR_CHAIN "
	    "SNP_ERR_CERT_PRODUCT",
	    blob_span(s.vek));
	c.member = "cert_chain";
	mutants_chain(&m, c.member, "SNP_ERR_CERT_FORMAT SNP_ERR_CHAIN",
	    blob_span(s.chain));
	ck_assert_uint_gt(c.n, 25);
	json_decref(c.question);
	scase_fini(&s);
	house_over();
}
END_TEST

/* --- what is refused --------------------------------------------------- */

static const struct {
	const char *body, *names;
} malformed[] = {
	{ "", "JSON" },
	{ "[]", "object" },
	{ "{\"evidence\":\"AAAA\"", "JSON" },
	{ "{}", "evidence" },
	{ "{\"evidence\":7}", "evidence" },
	{ "{\"evidence\":\"?\"}", "evidence" },
	{ "{\"evidence\":\"AAAA\",\"quote\":\"AAAA\"}", "quote" },
	{ "{\"evidence\":\"AAAA\",\"evidence\":\"AAAA\"}", "duplicate" },
	{ "{\"evidence\":\"AAAA\",\"colour\":1}", "colour" },
	{ "{\"evidence\":\"AAAA\",\"at\":-1}", "at" },
	{ "{\"evidence\":\"AAAA\",\"at\":\"yesterday\"}", "at" },
	{ "{\"evidence\":\"AAAA\",\"at\":\"1013-06-01T00:00:00Z\"}", "at" },
	{ "{\"evidence\":\"AAAA\",\"nonce\":\"00\"}", "nonce" },
	{ "{\"evidence\":\"AAAA\",\"nonce\":\"zz0102030405060708\"}", "nonce" },
	{ "{\"evidence\":\"AAAA\",\"profile\":\"none\"}", "profile" },
	{ "{\"evidence\":\"AAAA\",\"update\":\"late\"}", "update" },
	{ "{\"evidence\":\"AAAA\",\"runtime_data\":\"?\"}", "runtime_data" },
	{ "{\"evidence\":\"AAAA\",\"collateral\":{\"x\":\"\"}}",
	    "collateral.x" },
	/* Names are cut in the middle of a character. */
	{ "{\"evidence\":\"AAAA\",\"collateral\":{"
	  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3"
	  "\xa9\xc3\xa9\":\"\"}}",
	    "unknown member" },
	{ "{\"evidence\":\"AAAA\",\"requirements\":{"
	  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3"
	  "\xa9\xc3\xa9\":\"\"}}",
	    "requirements" },
	{ "{\"evidence\":\"AAAA\",\"requirements\":{\"snp\":{\"policy\":{"
	  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9\xc3\xa9\xc3\xa9"
	  "\xc3\xa9\":1}}}}",
	    "requirements" },
	{ "{\"evidence\":\"AAAA\","
	  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9\xc3\xa9\xc3\xa9\":1}",
	    "" },
	{ "{\"evidence\":\"AAAA\",\"profile\":"
	  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9\xc3\xa9\xc3\xa9\"}",
	    "profile" },
	{ "{\"evidence\":\"AAAA\",\"collateral\":{\"tcb_info\":{}}}",
	    "tcb_info" },
	{ "{\"evidence\":\"AAAA\",\"requirements\":{\"debugg\":false}}",
	    "requirements.debugg" },
	{ "{\"evidence\":\"AAAA\",\"requirements\":{\"tdx\":{\"mrtd\":\"00\"}}"
	  "}",
	    "requirements.tdx.mrtd" },
	{ "{\"evidence\":\"AAAA\",\"requirements\":{\"tcb_status\":"
	  "[\"Revoked\"]}}",
	    "Revoked" },
};

START_TEST(test_malformed_questions_are_400_and_say_why)
{
	struct edge_reply r;
	size_t i;
	json_t *j;

	house_of_cases("");
	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		r = post("/v1/verify", "Content-Type: application/json\r\n",
		    span_str(malformed[i].body));
		expect_header(&r, "Larder-Reason", "bad-parameter");
		j = json_reply(&r, 400);
		ck_assert_msg(strstr(word(j, "text"), malformed[i].names) !=
				  NULL,
		    "%s: %s", malformed[i].body, word(j, "text"));
		json_decref(j);
	}
	r = post("/v1/verify", "", SPAN_NONE);
	json_decref(json_reply(&r, 400));
	/* Evidence that is none is no fault of the question. */
	r = post("/v1/verify", "Content-Type: application/octet-stream\r\n",
	    span_str("this is no evidence"));
	j = json_reply(&r, 200);
	ck_assert_str_eq(word(j, "verdict"), "rejected");
	ck_assert_str_eq(word(j, "evidence"), "invalid");
	ck_assert_str_eq(first_reason(j), "quote-format");
	json_decref(j);
	ck_assert_int_eq(house_status(&house, "/v1/verify"), 405);
	house_over();
}
END_TEST

START_TEST(test_without_collateral_503)
{
	struct house_opts o = { .listen = LISTEN,
		.mode = "offline",
		.real_roots = true };
	struct edge_reply r;
	struct vcase c;
	struct scase s;
	json_t *all = vector_json("tdx/cases.json"), *j;

	house_start(&house, &o);
	fd = edge_open(house.port);
	vcase_real("tdx", json_array_get(json_object_get(all, "cases"), 0), &c);
	r = post("/v1/verify", "", blob_span(c.quote));
	ck_assert(has_header(&r, "Retry-After"));
	expect_header(&r, "Larder-Reason", "not-cached");
	j = json_reply(&r, 503);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "missing")), 4);
	json_decref(j);
	scase_load("milan-v3-aci", &s);
	r = post("/v1/verify", "", blob_span(s.report));
	j = json_reply(&r, 503);
	ck_assert_uint_eq(json_array_size(json_object_get(j, "missing")), 1);
	json_decref(j);
	/* Nobody can be asked for these: a verdict, not a wait. */
	scase_fini(&s);
	scase_load("milan-v3-vlek-aws", &s);
	r = post("/v1/verify", "", blob_span(s.report));
	j = json_reply(&r, 200);
	ck_assert_str_eq(first_reason(j), "SNP_ERR_VEK_MISSING");
	json_decref(j);
	scase_fini(&s);
	vcase_fini(&c);
	json_decref(all);
	house_over();
}
END_TEST

/* --- profiles ---------------------------------------------------------- */

static char *
profile_write(const char *dir, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	must((f = fopen(path, "we")) != NULL);
	must(fputs(text, f) >= 0);
	must(fclose(f) == 0);
	return xstrdup(path);
}

static const char *stood = ""; /* the profile of questions that name none */

/* The first reason's check of the case's verdict under these members. */
static const char *
verdict_under(const struct vcase *c, const char *profile, const char *require)
{
	static char said[64];
	json_t *q = question_of(c), *v;

	if (profile != NULL)
		json_object_set_new(q, "profile", json_string(profile));
	if (require != NULL)
		json_object_set_new(q, "requirements",
		    json_loads(require, 0, NULL));
	v = ask(q);
	/* Who is given the verdict can see whose demands it met. */
	ck_assert_str_eq(word(v, "profile"), profile == NULL ? stood : profile);
	snprintf(said, sizeof(said), "%s",
	    strcmp(word(v, "verdict"), "accepted") == 0 ? "accepted"
							: first_reason(v));
	json_decref(v);
	return said;
}

/* s002 is SWHardeningNeeded, s004 OutOfDate. */
START_TEST(test_a_profile_can_only_be_tightened)
{
	char dir[] = "/tmp/larder-profiles-XXXXXX", more[200];
	char *strict, *loose;
	struct vcase sw, old;

	must(mkdtemp(dir) != NULL);
	strict = profile_write(dir, "strict", "{\"tcb_status\":\"UpToDate\"}");
	loose = profile_write(dir, "loose",
	    "{\"tcb_status\":[\"UpToDate\",\"OutOfDate\"]}");
	snprintf(more, sizeof(more),
	    ",\"verify\":{\"profiles\":\"%s\",\"profile\":\"strict\"}", dir);
	house_of_cases(more);
	stood = "strict";
	vcase_synthetic("sgx/synthetic/s002.json", &sw);
	vcase_synthetic("sgx/synthetic/s004.json", &old);
	/* None named: the one that stands then, whatever is asked for. */
	ck_assert_str_eq(verdict_under(&sw, NULL, NULL), "tcb_status");
	ck_assert_str_eq(verdict_under(&sw, NULL,
			     "{\"tcb_status\":[\"SWHardeningNeeded\"]}"),
	    "tcb_status");
	ck_assert_str_eq(verdict_under(&sw, "loose", NULL), "tcb_status");
	ck_assert_str_eq(verdict_under(&old, "loose", NULL), "accepted");
	ck_assert_str_eq(verdict_under(&old, "loose",
			     "{\"tcb_status\":\"UpToDate\"}"),
	    "tcb_status");
	ck_assert_str_eq(verdict_under(&old, "loose",
			     "{\"sgx\":{\"min_isvsvn\":65535}}"),
	    "sgx.min_isvsvn");
	house_over();
	/* Without profiles a caller may loosen what is only a default. */
	house_of_cases("");
	stood = "";
	ck_assert_str_eq(verdict_under(&old, NULL, NULL), "tcb_status");
	ck_assert_str_eq(verdict_under(&old, NULL,
			     "{\"tcb_status\":[\"OutOfDate\"]}"),
	    "accepted");
	house_over();
	vcase_fini(&sw);
	vcase_fini(&old);
	unlink(strict);
	unlink(loose);
	rmdir(dir);
	free(strict);
	free(loose);
}
END_TEST

START_TEST(test_a_broken_profile_ends_the_start)
{
	char dir[] = "/tmp/larder-profiles-XXXXXX", json[600];
	struct verifier *v = NULL;
	struct config *config;
	struct why why = { 0 };
	char *path;

	must(mkdtemp(dir) != NULL);
	path = profile_write(dir, "odd", "{\"colour\":1}");
	snprintf(json, sizeof(json), "{\"verify\":{\"profiles\":\"%s\"}}", dir);
	must(config_read(span_str(json), "test", &config, NULL) == ERR_OK);
	ck_assert_int_eq(verifier_new(config, &v, &why), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(why.text, "odd.json"));
	ck_assert_ptr_nonnull(strstr(why.text, "colour"));
	config_unref(config);
	unlink(path);
	snprintf(json, sizeof(json),
	    "{\"verify\":{\"profiles\":\"%s\",\"profile\":\"none\"}}", dir);
	must(config_read(span_str(json), "test", &config, NULL) == ERR_OK);
	ck_assert_int_eq(verifier_new(config, &v, &why), ERR_CONFIG);
	config_unref(config);
	rmdir(dir);
	snprintf(json, sizeof(json), "{\"verify\":{\"profiles\":\"%s\"}}", dir);
	must(config_read(span_str(json), "test", &config, NULL) == ERR_OK);
	ck_assert_int_eq(verifier_new(config, &v, &why), ERR_CONFIG);
	config_unref(config);
	free(path);
}
END_TEST

/* --- tokens ------------------------------------------------------------ */

START_TEST(test_a_token_says_what_the_json_says)
{
	struct vcase c;
	struct edge_reply r;
	struct buf claims = BUF_INIT;
	struct span body, part;
	json_t *q, *v;
	char *text;

	house_of_cases("");
	vcase_synthetic("sgx/synthetic/s001.json", &c);
	q = question_of(&c);
	/* A token ends with what it rests on: judge as of then, then. */
	clock_offset_set((int64_t)c.at - (int64_t)time(NULL));
	text = json_dumps(q, JSON_COMPACT);
	r = post("/v1/verify",
	    "Content-Type: application/json\r\nAccept: application/jwt\r\n",
	    span_str(text));
	ck_assert_int_eq(r.status, 200);
	expect_header(&r, "Content-Type", "application/jwt");
	body = span_of(r.body, r.len);
	must(span_until(&body, '.', &part) == ERR_OK &&
	     span_until(&body, '.', &part) == ERR_OK &&
	     base64_read(part, &claims) == ERR_OK);
	v = json_loadb(claims.p, claims.len, 0, NULL);
	ck_assert_str_eq(word(v, "verdict"), "accepted");
	ck_assert_str_eq(word(v, "tcb_status"), "UpToDate");
	ck_assert(json_is_integer(json_object_get(v, "exp")));
	json_decref(v);
	buf_free(&claims);
	edge_reply_free(&r);
	free(text);
	json_decref(q);
	vcase_fini(&c);
	house_over();
}
END_TEST

/* --- batches ----------------------------------------------------------- */

START_TEST(test_a_batch_is_answered_in_its_order)
{
	json_t *all = vector_json("tdx/cases.json"), *one, *b, *items, *v;
	struct edge_reply r;
	struct vcase c[6];
	size_t i;

	house_of_cases(",\"verify\":{\"max_batch\":6}");
	items = json_array();
	for (i = 0; i < 6; i++) {
		one = json_array_get(json_object_get(all, "cases"), i);
		vcase_real("tdx", one, &c[i]);
		json_array_append_new(items, question_of(&c[i]));
	}
	b = json_pack("{s:o}", "items", items);
	r = post_json("/v1/verify/batch", b);
	v = json_reply(&r, 200);
	ck_assert_uint_eq(json_array_size(json_object_get(v, "verdicts")), 6);
	for (i = 0; i < 6; i++)
		expect_verdict(c[i].name, c[i].expect, c[i].either,
		    json_array_get(json_object_get(v, "verdicts"), i));
	json_decref(v);
	/* One too many, and none. */
	json_array_append(items, json_array_get(items, 0));
	r = post_json("/v1/verify/batch", b);
	json_decref(json_reply(&r, 400));
	json_array_clear(items);
	r = post_json("/v1/verify/batch", b);
	json_decref(json_reply(&r, 400));
	for (i = 0; i < 6; i++)
		vcase_fini(&c[i]);
	json_decref(b);
	json_decref(all);
	house_over();
}
END_TEST

START_TEST(test_verdicts_are_counted)
{
	json_t *all = vector_json("tdx/cases.json");
	struct edge_reply r;
	struct vcase c;

	house_of_cases("");
	vcase_real("tdx", json_array_get(json_object_get(all, "cases"), 0), &c);
	json_decref(ask(question_of(&c)));
	r = house_get(&house, "/metrics");
	ck_assert_ptr_nonnull(strstr(r.body,
	    "larder_verdicts_total{tee=\"tdx\",result=\"accepted\"} 1"));
	ck_assert_ptr_nonnull(strstr(r.body, "larder_verdict_seconds_count 1"));
	ck_assert_ptr_nonnull(strstr(r.body, "larder_verify_queue 0"));
	edge_reply_free(&r);
	vcase_fini(&c);
	json_decref(all);
	house_over();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify over HTTP");
	TCase *tc = tcase_create("verify over HTTP");
	SRunner *sr;
	int failed;

	if (vectors_present()) {
		tcase_set_timeout(tc, 60);
		tcase_add_loop_test(tc, test_every_intel_case, 0, 2);
		tcase_add_test(tc, test_every_snp_case);
		tcase_add_test(tc, test_collateral_is_what_was_used);
		tcase_add_loop_test(tc, test_sample_of_the_matrix, 0, 2);
		tcase_add_test(tc, test_sample_of_reports);
		tcase_add_test(tc,
		    test_malformed_questions_are_400_and_say_why);
		tcase_add_test(tc, test_without_collateral_503);
		tcase_add_test(tc, test_a_profile_can_only_be_tightened);
		tcase_add_test(tc, test_a_broken_profile_ends_the_start);
		tcase_add_test(tc, test_a_token_says_what_the_json_says);
		tcase_add_test(tc, test_a_batch_is_answered_in_its_order);
		tcase_add_test(tc, test_verdicts_are_counted);
	} else {
		vectors_skipped(14);
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
