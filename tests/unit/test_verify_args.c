/*
 * larder verify as it is installed: what its options and exit status mean,
 * evidence written as text, and what cannot be judged.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/verify.h"
#include "tests/kit/run.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vcli.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vexpect.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- options ---------------------------------------------------------- */

#define QUOTE "sgx/quotes/v3-00606A000000-c81a90ee.dat"
#define SET   "sgx/collateral/sgx-00606A000000-2025-08"
#define AT    "2025-08-30T05:09:06Z"

/* The good quote with these further options: the status and first reason. */
static void
good_with(const char *options, int want, const char *check)
{
	char args[1024];
	json_t *v;
	int status;

	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s/" SET " %s",
	    vectors_dir(), vectors_dir(), options);
	v = vcli_verify(args, &status);
	ck_assert_msg(status == want, "%s: %d %s", options, status,
	    first_reason(v));
	ck_assert_msg(want != 1 || has_reason(v, check), "%s: %s", options,
	    first_reason(v));
	json_decref(v);
}

static void
spill_first_certificate(const char *path, const char *name)
{
	static const char end[] = "-----END CERTIFICATE-----\n";
	struct blob *b = vector_read(path);
	char *text;

	must(b != NULL);
	text = xstrndup((const char *)b->data, b->len);
	must(strstr(text, end) != NULL);
	strstr(text, end)[sizeof(end) - 1] = '\0';
	vcli_spill(name, span_str(text));
	free(text);
	blob_unref(b);
}

/* A made case's root as other.pem, and behind and before a real one. */
static void
roots_join(const char *made, const char *real)
{
	json_t *j = vector_json(made);
	struct blob *b = vector_read(real);
	struct buf two = BUF_INIT, swapped = BUF_INIT;

	must(b != NULL);
	vcli_spill("other.pem", span_str(vcli_word(j, "trusted_root")));
	buf_str(&two, vcli_word(j, "trusted_root"));
	buf_span(&two, blob_span(b));
	buf_span(&swapped, blob_span(b));
	buf_str(&swapped, vcli_word(j, "trusted_root"));
	vcli_spill("two.pem", buf_view(&two));
	vcli_spill("swapped.pem", buf_view(&swapped));
	buf_free(&two);
	buf_free(&swapped);
	blob_unref(b);
	json_decref(j);
}

START_TEST(test_options)
{
	char line[600];

	good_with("--at " AT, 0, "");
	good_with("--at 1756530546", 0, "");
	good_with("--at 2035-01-01T00:00:00Z", 1, "time");
	good_with("--at 0", 1, "time");
	good_with("--at -1", 2, "");
	good_with("--at 1969-12-31T23:59:59Z", 2, "");
	good_with("--at yesterday", 2, "");
	good_with("--at 2025-13-01T00:00:00Z", 2, "");
	good_with("--at " AT " --require '{\"statuses\": 3}'", 2, "");
	good_with("--at " AT " --require 'nonsense'", 2, "");
	good_with("--at " AT " --require @/nonexistent", 2, "");
	good_with("--at " AT " --require '{\"sgx\":{\"isvprodid\":7}}'", 1,
	    "sgx.isvprodid");
	vcli_dir_make("options");
	vcli_spill("want.json", span_str("{\"sgx\":{\"min_isvsvn\":9999}}"));
	snprintf(line, sizeof(line), "--at " AT " --require @%s/want.json",
	    vcli_dir);
	good_with(line, 1, "sgx.min_isvsvn");
	/* JSON is an object: what does not begin like one is a name. */
	snprintf(line, sizeof(line), "--at " AT " --require %s/want.json",
	    vcli_dir);
	good_with(line, 1, "sgx.min_isvsvn");
	good_with("--at " AT " --require ' {\"sgx\":{\"isvprodid\":7}}'", 1,
	    "sgx.isvprodid");
	good_with("--at " AT " --root /nonexistent", 2, "");
	vcli_spill("empty.pem", SPAN_NONE);
	snprintf(line, sizeof(line), "--at " AT " --root %s/empty.pem",
	    vcli_dir);
	good_with(line, 2, "");
	/* An issuer below the root is no root, nor is a quote PEM. */
	snprintf(line, sizeof(line), "--at " AT " --root %s/signer.pem",
	    vcli_dir);
	spill_first_certificate(SET "/tcb_info_issuer_chain.pem", "signer.pem");
	good_with(line, 2, "");
	snprintf(line, sizeof(line), "--at " AT " --root %s/" QUOTE,
	    vectors_dir());
	good_with(line, 2, "");
	/* AMD's root is nothing to a quote; another Intel root is. */
	snprintf(line, sizeof(line),
	    "--at " AT " --root %s/snp/chains/milan.vcek.cert_chain.pem",
	    vectors_dir());
	good_with(line, 1, "pck-chain");
	/* Two of Intel's side: each is trusted, whatever their order. */
	roots_join("tdx/synthetic/t001.json",
	    "sgx/roots/intel-sgx-root-2049.pem");
	snprintf(line, sizeof(line), "--at " AT " --root %s/two.pem", vcli_dir);
	good_with(line, 0, "");
	snprintf(line, sizeof(line), "--at " AT " --root %s/swapped.pem",
	    vcli_dir);
	good_with(line, 0, "");
	snprintf(line, sizeof(line), "--at " AT " --root %s/other.pem",
	    vcli_dir);
	good_with(line, 1, "pck-chain");
	snprintf(line, sizeof(line),
	    "--at " AT " --root %s/sgx/roots/intel-sgx-root-2033.pem",
	    vectors_dir());
	good_with(line, 0, "");
}
END_TEST

/* --- evidence written as text ----------------------------------------- */

typedef void (*write_fn)(struct span, struct buf *out);

static void
as_hex_lines(struct span s, struct buf *out)
{
	struct buf hex = BUF_INIT;
	size_t i;

	buf_hex(&hex, s);
	for (i = 0; i < hex.len; i += 64) {
		buf_add(out, hex.p + i, hex.len - i < 64 ? hex.len - i : 64);
		buf_str(out, "\r\n");
	}
	buf_free(&hex);
}

static void
as_base64(struct span s, struct buf *out)
{
	buf_base64(out, s);
	buf_str(out, "\n");
}

static void
as_base64url(struct span s, struct buf *out)
{
	buf_base64url(out, s);
}

static void
as_percent(struct span s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		buf_printf(out, "%%%02x", s.p[i]);
}

static void
as_hex_in_base64(struct span s, struct buf *out)
{
	struct buf hex = BUF_INIT;

	buf_hex(&hex, s);
	buf_base64(out, buf_view(&hex));
	buf_free(&hex);
}

static const write_fn writers[] = { as_hex_lines, as_base64, as_base64url,
	as_percent, as_hex_in_base64 };

/* This evidence in "dir", in each way: the verdict of the bytes. */
static void
judged_alike(struct span s, const char *options, int want)
{
	struct buf text = BUF_INIT;
	json_t *raw, *v;
	char args[1024];
	int status;
	size_t i;

	snprintf(args, sizeof(args), "%s/evidence %s", vcli_dir, options);
	vcli_spill("evidence", s);
	raw = vcli_verify(args, &status);
	ck_assert_int_eq(status, want);
	for (i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		text.len = 0;
		writers[i](s, &text);
		vcli_spill("evidence", buf_view(&text));
		v = vcli_verify(args, &status);
		ck_assert_msg(status == want && json_equal(raw, v),
		    "way %zu: %d %s", i, status, first_reason(v));
		json_decref(v);
	}
	buf_free(&text);
	json_decref(raw);
}

START_TEST(test_text_forms_of_quotes_are_judged)
{
	char options[600];
	struct blob *b, *twin;

	vcli_dir_make("text");
	snprintf(options, sizeof(options), "--collateral %s/" SET " --at " AT,
	    vectors_dir());
	b = vector_read(QUOTE);
	judged_alike(blob_span(b), options, 0);
	/* One bit of the body, and the vendor's own mark. */
	twin = blob_from(blob_span(b));
	twin->data[100] ^= 1;
	judged_alike(blob_span(twin), options, 1);
	twin->data[13] ^= 1;
	judged_alike(blob_span(twin), options, 1);
	blob_unref(twin);
	twin = blob_new(b->data, b->len - 1);
	judged_alike(blob_span(twin), options, 1);
	blob_unref(twin);
	blob_unref(b);
}
END_TEST

START_TEST(test_text_forms_of_reports_are_judged)
{
	char options[600];
	struct scase c;

	vcli_dir_make("text");
	scase_load("hcl-milan-v3", &c);
	vcli_spill("vcek.der", blob_span(c.vek));
	vcli_spill("chain.pem", blob_span(c.chain));
	snprintf(options, sizeof(options), "--collateral %s --at %lld",
	    vcli_dir, (long long)c.at);
	judged_alike(blob_span(c.report), options, 0);
	judged_alike(blob_span(c.hcl), options, 0);
	c.report->data[0x60] ^= 1;
	judged_alike(blob_span(c.report), options, 1);
	scase_fini(&c);
}
END_TEST

/* It has a report's length, and so it is one: hex digits or not. */
START_TEST(test_what_is_evidence_is_never_decoded)
{
	char args[600], digits[1184];
	json_t *v;
	int status;

	vcli_dir_make("raw");
	memset(digits, '0', sizeof(digits));
	vcli_spill("evidence", span_of(digits, sizeof(digits)));
	snprintf(args, sizeof(args),
	    "%s/evidence --collateral %s/" SET " --at " AT, vcli_dir,
	    vectors_dir());
	v = vcli_verify(args, &status);
	ck_assert_int_eq(status, 1);
	ck_assert_str_eq(first_reason(v), "SNP_ERR_REPORT_VERSION");
	json_decref(v);
}
END_TEST

/* What is left when the text is taken off is no longer than raw evidence. */
START_TEST(test_text_of_too_much_is_unusable)
{
	static unsigned char much[EVIDENCE_LEN_MAX + 1];
	struct buf text = BUF_INIT;
	char args[600];
	json_t *v;
	int status;

	vcli_dir_make("much");
	memset(much, 1, sizeof(much));
	as_base64(span_of(much, sizeof(much)), &text);
	vcli_spill("evidence", buf_view(&text));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s", vcli_dir,
	    vcli_dir);
	v = vcli_verify(args, &status);
	ck_assert_msg(status == 2 && v == NULL, "%d", status);
	vcli_spill("evidence", span_of(much, sizeof(much)));
	v = vcli_verify(args, &status);
	ck_assert_msg(status == 2 && v == NULL, "%d", status);
	buf_free(&text);
}
END_TEST

/* --- what cannot be judged -------------------------------------------- */

static void
unusable(const char *args)
{
	json_t *v;
	int status;

	v = vcli_verify(args, &status);
	ck_assert_msg(status == 2 && v == NULL, "%s: %d", args, status);
}

START_TEST(test_what_cannot_be_judged_is_2)
{
	char args[1024];

	setenv("LARDER_SERVER", "http://127.0.0.1:9", 1);
	unusable("/nonexistent --collateral /tmp");
	snprintf(args, sizeof(args), "%s/" QUOTE, vectors_dir());
	unusable(args);
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral /nonexistent",
	    vectors_dir());
	unusable(args);
	snprintf(args, sizeof(args),
	    "%s/" QUOTE " --collateral http://127.0.0.1:9", vectors_dir());
	unusable(args);
	vcli_dir_make("unusable");
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s",
	    vectors_dir(), vcli_dir);
	unusable(args);
	vcli_spill("not.json", span_str("{"));
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s/not.json",
	    vectors_dir(), vcli_dir);
	unusable(args);
	vcli_spill("other.json", span_str("{\"a\": 1}"));
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s/other.json",
	    vectors_dir(), vcli_dir);
	unusable(args);
}
END_TEST

/* One piece of a folder missing or of another set: rejected, and which. */
START_TEST(test_missing_pieces_are_named)
{
	static const char *const files[][2] = {
		{ "tcb_info.json", "tcb-info" },
		{ "tcb_info_issuer_chain.pem", "tcb-info" },
		{ "qe_identity.json", "qe-identity" },
		{ "qe_identity_issuer_chain.pem", "qe-identity" },
		{ "root_ca_crl.der", "crl" },
		{ "pck_crl.der", "crl" },
		{ "pck_crl_issuer_chain.pem", "crl" },
	};
	const size_t n = sizeof(files) / sizeof(files[0]);
	char args[1024], path[256];
	struct blob *b;
	json_t *v;
	size_t i;
	int status;

	vcli_dir_make("pieces");
	for (i = 0; i < n; i++) {
		if (i == (size_t)_i)
			continue;
		snprintf(path, sizeof(path), SET "/%s", files[i][0]);
		b = vector_read(path);
		vcli_spill(files[i][0], blob_span(b));
		blob_unref(b);
	}
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s --at " AT,
	    vectors_dir(), vcli_dir);
	v = vcli_verify(args, &status);
	ck_assert_int_eq(status, 1);
	ck_assert_str_eq(first_reason(v), files[_i][1]);
	ck_assert_ptr_nonnull(
	    strstr(vcli_word(json_array_get(json_object_get(v, "reasons"), 0),
		       "found"),
		"there is no "));
	json_decref(v);
}
END_TEST

/*
 * Wrappings that do not hold: whatever collateral was given with them, the
 * verdict is the one of the manifest, and no "holds no collateral".
 */
START_TEST(test_broken_wrappings_are_judged)
{
	static const struct {
		size_t at;
		unsigned char v;
		const char *check;
	} cuts[] = {
		{ 0x4d2, 0x10, "SNP_ERR_HCL_FORMAT" },
		{ 0x4c8, 4, "SNP_ERR_HCL_TYPE" },
		{ 0x4c8, 3, "SNP_ERR_HCL_TYPE" },
		{ 0x4cc, 0, "SNP_ERR_HCL_HASH" },
		{ 0x000, 'h', "quote-format" },
	};
	char args[1024];
	struct scase c;
	struct blob *b;
	json_t *v;
	int status;

	vcli_dir_make("wrappings");
	scase_load("hcl-milan-v3", &c);
	b = blob_from(blob_span(c.hcl));
	must(cuts[_i].at < b->len);
	b->data[cuts[_i].at] = cuts[_i].v;
	vcli_spill("evidence", blob_span(b));
	vcli_spill("vcek.der", blob_span(c.vek));
	vcli_spill("chain.pem", blob_span(c.chain));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s --at %lld",
	    vcli_dir, vcli_dir, (long long)c.at);
	v = vcli_verify(args, &status);
	ck_assert_int_eq(status, 1);
	ck_assert_str_eq(vcli_word(v, "evidence"), "invalid");
	ck_assert_str_eq(first_reason(v), cuts[_i].check);
	json_decref(v);
	blob_unref(b);
	scase_fini(&c);
}
END_TEST

/* What is no evidence at all is rejected, not unusable. */
START_TEST(test_garbage_is_rejected)
{
	struct run r = run_line("this is no quote",
	    "larder verify - --collateral http://127.0.0.1:9");

	ck_assert_msg(r.status == 1, "%d: %s", r.status, r.err.p);
	ck_assert_ptr_nonnull(strstr(r.out.p, "rejected"));
	ck_assert_ptr_nonnull(strstr(r.out.p, "quote-format"));
	run_free(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify_args");
	TCase *tc = tcase_create("vectors"), *own = tcase_create("own");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 120);
	if (vectors_present()) {
		tcase_add_test(tc, test_options);
		tcase_add_test(tc, test_what_cannot_be_judged_is_2);
		tcase_add_loop_test(tc, test_missing_pieces_are_named, 0, 7);
		tcase_add_test(tc, test_text_forms_of_quotes_are_judged);
		tcase_add_test(tc, test_text_forms_of_reports_are_judged);
		tcase_add_test(tc, test_what_is_evidence_is_never_decoded);
		tcase_add_loop_test(tc, test_broken_wrappings_are_judged, 0, 5);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(17);
	}
	tcase_add_test(own, test_garbage_is_rejected);
	tcase_add_test(own, test_text_of_too_much_is_unusable);
	suite_add_tcase(s, own);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
