/*
 * The one door of appraisal: every recorded case through it and out as JSON,
 * and the words it keeps apart.
 */
#include "server/appraise/verify.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vexpect.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct require defaults;

static json_t *
json_of(const struct verdict *v)
{
	struct buf b = BUF_INIT;
	json_t *j;

	verdict_json(v, &b);
	j = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(j != NULL, "%.*s", (int)b.len, b.p);
	buf_free(&b);
	return j;
}

/* Judge one case's bytes under these demands. */
static json_t *
judge(const struct vcase *c, struct span bytes, const struct require *q)
{
	struct intel_bytes in = vcase_bytes(c->set);
	struct intel_set *set = intel_set_read(&in, c->set->anchors);
	struct appraisal a = { .intel = c->set->anchors,
		.set = set,
		.require = { &defaults, q },
		.at = c->at,
		.hint = AMD_PRODUCT_N };
	struct evidence e;
	struct verdict v;
	json_t *j;

	evidence_read(bytes, &e);
	verdict_make(&e, &a, &v);
	j = json_of(&v);
	verdict_fini(&v);
	evidence_fini(&e);
	intel_set_unref(set);
	return j;
}

static json_t *
judge_snp(const struct scase *c, struct span bytes, time_t at,
    const struct require *q)
{
	struct appraisal a = { .require = { &defaults, q },
		.at = at,
		.hint = AMD_PRODUCT_N };
	struct snp_bytes in;
	struct buf own = BUF_INIT;
	struct snp_set *set;
	struct evidence e;
	struct verdict v;
	json_t *j;

	evidence_read(bytes, &e);
	snp_bytes_of(&e, &own, &in);
	if (in.vek.len == 0)
		in.vek = blob_span(c->vek);
	if (in.chain.len == 0 && !span_starts(in.vek, "-----"))
		in.chain = blob_span(c->chain);
	set = snp_set_read(&in, &c->pins);
	a.snp_set = set;
	verdict_make(&e, &a, &v);
	j = json_of(&v);
	verdict_fini(&v);
	evidence_fini(&e);
	snp_set_unref(set);
	buf_free(&own);
	return j;
}

static const char *
word(const json_t *j, const char *name)
{
	const char *s = vector_text(j, name);

	return s == NULL ? "" : s;
}

static void
expect_one(struct vcase *c)
{
	json_t *j = judge(c, blob_span(c->quote), NULL);

	expect_verdict(c->name, c->expect, c->either, j);
	json_decref(j);
	vcase_fini(c);
}

START_TEST(test_intel_cases)
{
	static const char *const tees[] = { "sgx", "tdx" };
	char path[40], **names;
	struct vcase c;
	json_t *all;
	size_t i, n;

	snprintf(path, sizeof(path), "%s/cases.json", tees[_i]);
	all = vector_json(path);
	n = json_array_size(json_object_get(all, "cases"));
	ck_assert_uint_gt(n, 30);
	for (i = 0; i < n; i++) {
		vcase_real(tees[_i],
		    json_array_get(json_object_get(all, "cases"), i), &c);
		expect_one(&c);
	}
	json_decref(all);
	snprintf(path, sizeof(path), "%s/synthetic", tees[_i]);
	names = vnames(path, &n);
	for (i = 0; i < n; i++) {
		vcase_synthetic(names[i], &c);
		expect_one(&c);
	}
	ck_assert_uint_gt(n, 50);
	vnames_free(names, n);
}
END_TEST

START_TEST(test_snp_cases)
{
	struct scase c;
	json_t *j;

	scase_load(scase_names[_i], &c);
	j = judge_snp(&c, blob_span(c.report), c.at, NULL);
	expect_verdict_snp(c.name, c.expected, j);
	json_decref(j);
	if (c.hcl != NULL) {
		j = judge_snp(&c, blob_span(c.hcl), c.at, NULL);
		expect_verdict_snp(c.name, c.expected, j);
		ck_assert_str_eq(word(j, "format"), "hcl-report");
		ck_assert(
		    json_is_object(json_object_get(json_object_get(j, "hcl"),
			"runtime_data")));
		json_decref(j);
	}
	scase_fini(&c);
}
END_TEST

/* Old evidence is genuine still; the policy's word is another. */
START_TEST(test_time_is_a_word_of_its_own)
{
	struct require grace;
	struct scase c;
	json_t *j;

	scase_load("milan-v3-vlek-aws", &c);
	j = judge_snp(&c, blob_span(c.report), c.at, NULL);
	ck_assert_str_eq(word(j, "verdict"), "accepted");
	json_decref(j);
	/* The VLEK ended on 2025-12-10. */
	j = judge_snp(&c, blob_span(c.report), 1785000000, NULL);
	ck_assert_str_eq(word(j, "evidence"), "valid");
	ck_assert_str_eq(word(j, "time"), "expired");
	ck_assert_str_eq(word(j, "verdict"), "rejected");
	ck_assert_str_eq(word(j, "error"), "SNP_ERR_CERT_EXPIRED");
	ck_assert_str_eq(first_reason(j), "time");
	json_decref(j);
	/* A demand can only be added: grace does not undo the default. */
	require_init(&grace, false);
	ck_assert_int_eq(require_read_text(&grace,
			     span_str("{\"grace_s\": 315360000}"), "r", NULL),
	    ERR_OK);
	j = judge_snp(&c, blob_span(c.report), 1785000000, &grace);
	ck_assert_str_eq(word(j, "verdict"), "rejected");
	json_decref(j);
	require_fini(&grace);
	scase_fini(&c);
}
END_TEST

START_TEST(test_debug_is_forbidden_unless_said)
{
	struct scase c;
	json_t *j;

	scase_load("milan-v2-debug", &c);
	j = judge_snp(&c, blob_span(c.report), c.at, NULL);
	ck_assert_str_eq(word(j, "evidence"), "valid");
	ck_assert_str_eq(word(j, "verdict"), "rejected");
	ck_assert_str_eq(first_reason(j), "debug");
	ck_assert_str_eq(word(json_array_get(json_object_get(j, "reasons"), 0),
			     "error"),
	    "SNP_ERR_POLICY_DEBUG");
	json_decref(j);
	scase_fini(&c);
}
END_TEST

/*
 * Genuine producers pad with zeros (quote-verification 3): the same quote as
 * published must have the verdict of the bare one, and no digest of its own;
 * any other octet behind it is refused.  The number of cases judged so.
 */
static size_t
padded_check(const char *padded, const json_t *cases)
{
	const char *base = strrchr(padded, '/') + 1;
	size_t i, n = 0, len = (size_t)(strstr(base, "-zero") - base);
	struct blob *b = vector_read(padded), *twin;
	json_t *c, *bare, *j;
	struct vcase v;

	json_array_foreach(cases, i, c)
	{
		const char *quote = vector_text(c, "quote");

		if (strncmp(quote + strlen("quotes/"), base, len) != 0)
			continue;
		vcase_real("tdx", c, &v);
		ck_assert_uint_gt(b->len, v.quote->len);
		bare = judge(&v, blob_span(v.quote), NULL);
		j = judge(&v, blob_span(b), NULL);
		expect_verdict(v.name, v.expect, v.either, j);
		ck_assert_msg(json_equal(bare, j), "%s: %s", padded, v.name);
		json_decref(j);
		json_decref(bare);
		twin = blob_from(blob_span(b));
		twin->data[b->len - 1] = 1;
		j = judge(&v, blob_span(twin), NULL);
		ck_assert_str_eq(word(j, "evidence"), "invalid");
		ck_assert_str_eq(first_reason(j), "quote-format");
		json_decref(j);
		blob_unref(twin);
		vcase_fini(&v);
		n++;
	}
	blob_unref(b);
	return n;
}

START_TEST(test_padded_quotes_are_judged_as_bare_ones)
{
	json_t *j = vector_json("tdx/cases.json");
	size_t i, n, judged;
	char **names = vnames("tdx/quotes/padded", &n);

	for (i = 0; i < n; i++) {
		judged = padded_check(names[i], json_object_get(j, "cases"));
		ck_assert_msg(judged > 0, "%s: of which case?", names[i]);
	}
	vnames_free(names, n);
	json_decref(j);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify");
	TCase *tc = tcase_create("verify");
	SRunner *sr;
	int failed;

	require_init(&defaults, true);
	if (vectors_present()) {
		tcase_set_timeout(tc, 60);
		tcase_add_loop_test(tc, test_intel_cases, 0, 2);
		tcase_add_loop_test(tc, test_snp_cases, 0, (int)scase_n);
		tcase_add_test(tc, test_time_is_a_word_of_its_own);
		tcase_add_test(tc, test_debug_is_forbidden_unless_said);
		tcase_add_test(tc, test_padded_quotes_are_judged_as_bare_ones);
	} else {
		vectors_skipped(5 + (unsigned)scase_n);
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
