/*
 * Verdicts on Intel quotes: every recorded case, real and synthetic, and each
 * of some valid ones changed in one bit with the stage that must notice.
 */
#include "server/appraise/appraise.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
case_run(const struct vcase *c, struct intel_verdict *v)
{
	struct intel_bytes in = vcase_bytes(c->set);
	struct intel_set *set = intel_set_read(&in, c->set->anchors);

	intel_verify(blob_span(c->quote), set, NULL, c->set->anchors, c->at, v);
	intel_set_unref(set);
}

/* --- what is expected ------------------------------------------------- */

static void
time_is(const struct vcase *c, const json_t *j, const char *name, time_t have)
{
	char written[TIME_LEN];

	if (json_object_get(j, name) == NULL)
		return;
	time_write(have, written);
	ck_assert_msg(strcmp(written, vector_text(j, name)) == 0,
	    "%s: %s: %s, not %s", c->name, name, written, vector_text(j, name));
}

static void
word_is(const struct vcase *c, const json_t *j, const char *name,
    const char *have)
{
	const char *want = vector_text(j, name);

	ck_assert_msg(want == NULL || strcmp(want, have) == 0,
	    "%s: %s: %s, not %s", c->name, name, have, want);
}

static void
number_is(const struct vcase *c, const json_t *j, const char *name,
    uint32_t have)
{
	const json_t *want = json_object_get(j, name);

	ck_assert_msg(want == NULL || json_integer_value(want) == have,
	    "%s: %s: %u", c->name, name, have);
}

static void
flag_is(const struct vcase *c, const char *name, bool have)
{
	const json_t *want = json_object_get(c->expect, name);

	ck_assert_msg(want == NULL || json_is_true(want) == have, "%s: %s: %d",
	    c->name, name, have);
}

static void
advisories_are(const struct vcase *c, const struct intel_verdict *v)
{
	const json_t *want = json_object_get(c->expect, "advisories");
	size_t i;

	if (want == NULL)
		return;
	ck_assert_msg(json_array_size(want) == v->n_advisories,
	    "%s: %zu advisories", c->name, v->n_advisories);
	for (i = 0; i < v->n_advisories; i++)
		ck_assert_str_eq(json_string_value(json_array_get(want, i)),
		    v->advisories[i]);
}

static void
supplemental_is(const struct vcase *c, const struct intel_verdict *v)
{
	const json_t *j = json_object_get(c->expect, "supplemental");
	const struct supplemental *s = &v->supplemental;

	if (j == NULL)
		return;
	time_is(c, j, "earliest_issue_date", s->dates.earliest_issue);
	time_is(c, j, "latest_issue_date", s->dates.latest_issue);
	time_is(c, j, "earliest_expiration_date", s->dates.earliest_expiration);
	time_is(c, j, "tcb_level_date_tag", s->tcb_level_date);
	time_is(c, j, "platform_tcb_level_date_tag", s->platform_level_date);
	time_is(c, j, "qe_iden_tcb_level_date_tag", s->qe_level_date);
	time_is(c, j, "qe_iden_earliest_issue_date",
	    s->qe_dates.earliest_issue);
	time_is(c, j, "qe_iden_latest_issue_date", s->qe_dates.latest_issue);
	time_is(c, j, "qe_iden_earliest_expiration_date",
	    s->qe_dates.earliest_expiration);
	word_is(c, j, "platform_tcb_status",
	    tcb_status_name(v->launch.platform->status));
	word_is(c, j, "qe_iden_status", tcb_status_name(v->launch.qe->status));
	ck_assert_int_eq(s->qe_status, qv_result_of(v->launch.qe->status));
	number_is(c, j, "pck_crl_num", s->pck_crl_num);
	number_is(c, j, "root_ca_crl_num", s->root_ca_crl_num);
	number_is(c, j, "tcb_eval_ref_num", s->tcb_eval_ref_num);
	if (json_object_get(j, "tdx_module_status") != NULL) {
		ck_assert_ptr_nonnull(v->launch.module);
		word_is(c, j, "tdx_module_status",
		    tcb_status_name(v->launch.module->status));
		time_is(c, j, "tdx_module_tcb_date",
		    v->launch.module->tcb_date);
	}
}

static void
must_not_be(const struct vcase *c, const struct intel_verdict *v)
{
	const json_t *list = json_object_get(c->expect, "must_not_be");
	size_t i;

	for (i = 0; v->valid && i < json_array_size(list); i++)
		ck_assert_msg(strcmp(json_string_value(json_array_get(list, i)),
				  tcb_status_name(v->tcb_status)) != 0,
		    "%s: %s", c->name, tcb_status_name(v->tcb_status));
}

/* Where another order of checks is as good (quote-verification 5, notes). */
static bool
stage_is(const struct vcase *c, const struct intel_verdict *v)
{
	const char *want = vector_text(c->expect, "stage");
	const char *have = intel_stage_name(v->stage);

	if (want == NULL || strcmp(want, have) == 0)
		return true;
	/* Collateral of a platform under the other CA: its CRL tells first. */
	return strcmp(want, "tcb-info-match") == 0 && v->stage == STAGE_CRL;
}

static void
case_check(const struct vcase *c)
{
	bool valid = strcmp(vector_text(c->expect, "evidence"), "valid") == 0;
	struct intel_verdict v;

	case_run(c, &v);
	must_not_be(c, &v);
	if (c->either && v.valid != valid)
		goto out;
	ck_assert_msg(v.valid == valid, "%s: %s: %s (%s)", c->name,
	    intel_stage_name(v.stage), v.why.text, v.why.clause);
	if (!valid) {
		ck_assert_msg(stage_is(c, &v), "%s: %s (%s)", c->name,
		    intel_stage_name(v.stage), v.why.text);
		ck_assert(v.why.text[0] != '\0' && v.code != QVL_STATUS_OK);
		goto out;
	}
	word_is(c, c->expect, "tcb_status", tcb_status_name(v.tcb_status));
	if (!c->either)
		word_is(c, c->expect, "time", intel_time_name(&v));
	time_is(c, c->expect, "tcb_date", v.tcb_date);
	advisories_are(c, &v);
	supplemental_is(c, &v);
	flag_is(c, "debug", v.debug);
	flag_is(c, "sept_ve_disable", v.sept_ve_disable);
	flag_is(c, "service_td", v.service_td);
	flag_is(c, "reserved_attributes", v.reserved_attributes);
	if (vector_text(c->expect, "current_tcb_status") != NULL) {
		ck_assert(v.has_current);
		word_is(c, c->expect, "current_tcb_status",
		    tcb_status_name(v.current.status));
	}
out:
	intel_verdict_fini(&v);
}

/* --- recorded cases --------------------------------------------------- */

static const char *const tees[] = { "sgx", "tdx" };

START_TEST(test_real_cases)
{
	const char *tee = tees[_i];
	struct vcase c;
	char path[32];
	json_t *all;
	size_t i;

	snprintf(path, sizeof(path), "%s/cases.json", tee);
	all = vector_json(path);
	ck_assert_uint_gt(json_array_size(json_object_get(all, "cases")), 30);
	for (i = 0; i < json_array_size(json_object_get(all, "cases")); i++) {
		vcase_real(tee,
		    json_array_get(json_object_get(all, "cases"), i), &c);
		case_check(&c);
		vcase_fini(&c);
	}
	json_decref(all);
}
END_TEST

START_TEST(test_synthetic_cases)
{
	struct vcase c;
	char path[32], **names;
	size_t n, i;

	snprintf(path, sizeof(path), "%s/synthetic", tees[_i]);
	names = vnames(path, &n);
	for (i = 0; i < n; i++) {
		vcase_synthetic(names[i], &c);
		case_check(&c);
		vcase_fini(&c);
	}
	ck_assert_uint_gt(n, 50);
	vnames_free(names, n);
}
END_TEST

/* --- one bit ---------------------------------------------------------- */

#define AT(s) (1u << (s))

/* Offsets in the quote, found from what the reader gave. */
static size_t
at_of(const struct blob *quote, struct span s)
{
	return (size_t)(s.p - quote->data);
}

/* The stages that may notice a change at this place. */
static unsigned
stages_at(const struct blob *b, const struct quote *q, size_t at)
{
	size_t sig = q->bound.len + 4, qe = at_of(b, q->qe_bytes);
	size_t auth = at_of(b, q->auth), cert = at_of(b, q->cert);

	if (at < 28) /* of the header, what is judged by its form as well */
		return AT(STAGE_QUOTE_FORMAT) | AT(STAGE_QUOTE_SIGNATURE);
	if (at < q->bound.len) /* the body; in TDX the module is told by it */
		return AT(STAGE_QUOTE_SIGNATURE) | AT(STAGE_TDX_MODULE) |
		       (q->version == 5 && at < 54 ? AT(STAGE_QUOTE_FORMAT)
						   : 0);
	if (at < sig)
		return AT(STAGE_QUOTE_FORMAT);
	if (at < sig + 64)
		return AT(STAGE_QUOTE_SIGNATURE);
	if (at < sig + 128)
		return AT(STAGE_AK_BINDING);
	if (at < qe) /* outer type and size */
		return AT(STAGE_QUOTE_FORMAT);
	if (at < qe + 384 + 64)
		return AT(STAGE_QE_REPORT);
	if (at < auth)
		return AT(STAGE_QUOTE_FORMAT);
	if (at < auth + q->auth.len)
		return AT(STAGE_AK_BINDING);
	if (at < cert)
		return AT(STAGE_QUOTE_FORMAT) | AT(STAGE_CERT_DATA);
	return AT(STAGE_PCK_CHAIN) | AT(STAGE_CRL);
}

static size_t
quote_bits(const struct vcase *c)
{
	struct intel_bytes in = vcase_bytes(c->set);
	struct intel_set *set = intel_set_read(&in, c->set->anchors);
	struct span s = blob_span(c->quote);
	struct intel_pck *pck = NULL;
	struct intel_verdict v;
	struct quote q;
	struct blob *b;
	size_t at, bit, n = 0;

	ck_assert_int_eq(quote_read(s, &q, NULL), ERR_OK);
	ck_assert_int_eq(intel_pck_read(q.cert, c->set->anchors, NULL, &pck,
			     NULL, NULL),
	    ERR_OK);
	for (at = 0; at < q.len; at++) {
		/* Every bit up to the chain, one of each octet in it. */
		for (bit = 0; bit < (at < at_of(c->quote, q.cert) ? 8 : 1);
		     bit++, n++) {
			b = flipped(s, at, (unsigned)(bit + at) % 8);
			intel_verify(blob_span(b), set, pck, c->set->anchors,
			    c->at, &v);
			ck_assert_msg(!v.valid, "%s: %zu.%zu", c->name, at,
			    bit);
			ck_assert_msg((AT(v.stage) &
					  stages_at(c->quote, &q, at)) != 0,
			    "%s: %zu.%zu: %s", c->name, at, bit,
			    intel_stage_name(v.stage));
			intel_verdict_fini(&v);
			blob_unref(b);
		}
	}
	intel_pck_unref(pck);
	intel_set_unref(set);
	return n;
}

START_TEST(test_no_bit_of_a_quote_may_change)
{
	static const char *const paths[] = {
		"sgx/synthetic/s001.json",
		"tdx/synthetic/t001.json",
		"tdx/synthetic/t034.json",
	};
	struct vcase c;

	vcase_synthetic(paths[_i], &c);
	ck_assert_uint_gt(quote_bits(&c), 5000);
	vcase_fini(&c);
}
END_TEST

static bool
blank_tail(const struct blob *b, size_t at)
{
	for (; at < b->len; at++)
		if (b->data[at] > ' ')
			return false;
	return true;
}

/* One bit of every "step"th octet of one piece. */
static void
piece_bits(const struct vcase *c, struct blob **piece, size_t step,
    unsigned stages)
{
	struct blob *whole = *piece;
	struct intel_verdict v;
	size_t at;

	for (at = 0; at < whole->len; at += step) {
		if (blank_tail(whole, at))
			break;
		*piece = flipped(blob_span(whole), at, 0);
		case_run(c, &v);
		ck_assert_msg(!v.valid && (AT(v.stage) & stages) != 0,
		    "%s: %zu of %zu: %s: %s", c->name, at, whole->len,
		    intel_stage_name(v.stage), v.why.text);
		intel_verdict_fini(&v);
		blob_unref(*piece);
	}
	*piece = whole;
}

START_TEST(test_no_bit_of_collateral_may_change)
{
	struct vcase c;
	struct vset *s;

	vcase_synthetic(_i == 0 ? "sgx/synthetic/s001.json"
				: "tdx/synthetic/t001.json",
	    &c);
	s = c.set;
	piece_bits(&c, &s->tcb_info, 7, AT(STAGE_TCB_INFO));
	piece_bits(&c, &s->identity, 5, AT(STAGE_QE_IDENTITY));
	piece_bits(&c, &s->tcb_chain, 11, AT(STAGE_TCB_INFO));
	piece_bits(&c, &s->identity_chain, 11, AT(STAGE_QE_IDENTITY));
	piece_bits(&c, &s->root_crl, 3, AT(STAGE_CRL));
	piece_bits(&c, &s->pck_crl, 3, AT(STAGE_CRL));
	piece_bits(&c, &s->pck_crl_chain, 11, AT(STAGE_CRL));
	vcase_fini(&c);
}
END_TEST

START_TEST(test_a_missing_piece_is_refused_at_its_stage)
{
	static const enum intel_stage stages[] = { STAGE_TCB_INFO,
		STAGE_TCB_INFO, STAGE_QE_IDENTITY, STAGE_QE_IDENTITY, STAGE_CRL,
		STAGE_CRL, STAGE_CRL };
	struct vcase c;
	struct intel_verdict v;
	struct blob **pieces[7], *whole;
	size_t i;

	vcase_synthetic("tdx/synthetic/t001.json", &c);
	pieces[0] = &c.set->tcb_info;
	pieces[1] = &c.set->tcb_chain;
	pieces[2] = &c.set->identity;
	pieces[3] = &c.set->identity_chain;
	pieces[4] = &c.set->root_crl;
	pieces[5] = &c.set->pck_crl;
	pieces[6] = &c.set->pck_crl_chain;
	for (i = 0; i < 7; i++) {
		whole = *pieces[i];
		*pieces[i] = NULL;
		case_run(&c, &v);
		ck_assert(!v.valid);
		ck_assert_str_eq(intel_stage_name(v.stage),
		    intel_stage_name(stages[i]));
		intel_verdict_fini(&v);
		*pieces[i] = whole;
	}
	vcase_fini(&c);
}
END_TEST

/* --- kept parts ------------------------------------------------------- */

START_TEST(test_kept_parts_give_the_same_verdict)
{
	struct vcase a, b;
	struct intel_bytes in;
	struct intel_set *set, *joined;
	struct intel_pck *pck = NULL, *other = NULL;
	struct intel_verdict v;
	struct quote q;

	vcase_synthetic("sgx/synthetic/s002.json", &a);
	vcase_synthetic("sgx/synthetic/s025.json", &b);
	in = vcase_bytes(a.set);
	set = intel_set_read(&in, a.set->anchors);
	joined = intel_set_join(&set->parts);
	ck_assert_int_eq(quote_read(blob_span(a.quote), &q, NULL), ERR_OK);
	ck_assert_int_eq(intel_pck_read(q.cert, a.set->anchors, NULL, &pck,
			     NULL, NULL),
	    ERR_OK);
	ck_assert_int_eq(quote_read(blob_span(b.quote), &q, NULL), ERR_OK);
	ck_assert_int_eq(intel_pck_read(q.cert, b.set->anchors, NULL, &other,
			     NULL, NULL),
	    ERR_OK);
	intel_verify(blob_span(a.quote), joined, pck, a.set->anchors, a.at, &v);
	ck_assert(v.valid && v.pck == pck && v.set == joined);
	ck_assert_int_eq(v.tcb_status, TCB_SW_HARDENING_NEEDED);
	intel_verdict_fini(&v);
	/* A PCK chain of another quote is not believed. */
	intel_verify(blob_span(a.quote), set, other, a.set->anchors, a.at, &v);
	ck_assert(v.valid && v.pck != other);
	ck_assert_int_eq(v.tcb_status, TCB_SW_HARDENING_NEEDED);
	intel_verdict_fini(&v);
	intel_pck_unref(pck);
	intel_pck_unref(other);
	intel_set_unref(joined);
	intel_set_unref(set);
	vcase_fini(&a);
	vcase_fini(&b);
}
END_TEST

static uint64_t
le(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

START_TEST(test_supplemental_data_in_intels_layout)
{
	static const char *const many[] = { "INTEL-SA-00001", "INTEL-SA-00002",
		"INTEL-SA-00003" };
	unsigned char out[SUPPLEMENTAL_LEN];
	const char *wide[40];
	struct vcase c;
	struct intel_verdict v;
	size_t i;

	vcase_synthetic("tdx/synthetic/t001.json", &c);
	case_run(&c, &v);
	ck_assert(v.valid);
	ck_assert_int_eq(supplemental_write(&v.supplemental, 3, many, out,
			     NULL),
	    ERR_OK);
	ck_assert_uint_eq(le(out, 2), 3);
	ck_assert_uint_eq(le(out + 2, 2), 4);
	ck_assert_int_eq((time_t)le(out + 16, 8),
	    v.supplemental.dates.latest_issue);
	ck_assert_int_eq((time_t)le(out + 24, 8),
	    v.supplemental.dates.earliest_expiration);
	ck_assert_mem_eq(out + 100, v.pck->pck.ppid, 16);
	ck_assert_uint_eq(le(out + 132, 2), v.pck->pck.pcesvn);
	ck_assert_uint_eq(le(out + 136, 4), TEE_TDX);
	ck_assert_str_eq((const char *)out + 172,
	    "INTEL-SA-00001,INTEL-SA-00002,INTEL-SA-00003");
	ck_assert_uint_eq(le(out + 660, 4), QV_RESULT_OK);
	ck_assert_int_eq((time_t)le(out + 664, 8), v.launch.platform->tcb_date);
	for (i = 0; i < 40; i++)
		wide[i] = many[0];
	/* 30 ids with commas and the NUL are 450 octets. */
	ck_assert_int_eq(supplemental_write(&v.supplemental, 30, wide, out,
			     NULL),
	    ERR_OK);
	ck_assert_int_eq(supplemental_write(&v.supplemental, 31, wide, out,
			     NULL),
	    ERR_TOO_BIG);
	intel_verdict_fini(&v);
	vcase_fini(&c);
}
END_TEST

START_TEST(test_codes_have_intels_names_and_numbers)
{
	ck_assert_int_eq(QV_RESULT_TD_RELAUNCH_ADVISED_CONFIG_NEEDED, 0xa00a);
	ck_assert_str_eq(qv_result_name(qv_result_of(TCB_OUT_OF_DATE)),
	    "SGX_QL_QV_RESULT_OUT_OF_DATE");
	ck_assert_int_eq(qv_result_of(TCB_REVOKED), 0xa005);
	ck_assert_int_eq(qvl_call(QVL_TCB_REVOKED), 0xe032);
	ck_assert_int_eq(QVL_TDX_MODULE_MISMATCH, 85);
	ck_assert_int_eq(qvl_call(QVL_TDX_MODULE_MISMATCH), 0xe060);
	ck_assert_int_eq(qvl_call(QVL_INVALID_QE_REPORT_DATA), 0xe001);
	ck_assert_int_eq(qvl_call(QVL_INVALID_QUOTE_SIGNATURE), 0xe068);
	ck_assert_str_eq(qv_call_name(qvl_call(QVL_TCB_INFO_MISMATCH)),
	    "SGX_QL_TCBINFO_MISMATCH");
	ck_assert_str_eq(qvl_status_name(QVL_TCB_NOT_SUPPORTED),
	    "TCB_NOT_SUPPORTED");
	ck_assert_str_eq(qvl_status_name(QVL_N), "?");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verdict");
	TCase *tc = tcase_create("verdict");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_codes_have_intels_names_and_numbers);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_real_cases, 0, 2);
		tcase_add_loop_test(tc, test_synthetic_cases, 0, 2);
		tcase_add_loop_test(tc, test_no_bit_of_a_quote_may_change, 0,
		    3);
		tcase_add_loop_test(tc, test_no_bit_of_collateral_may_change, 0,
		    2);
		tcase_add_test(tc,
		    test_a_missing_piece_is_refused_at_its_stage);
		tcase_add_test(tc, test_kept_parts_give_the_same_verdict);
		tcase_add_test(tc, test_supplemental_data_in_intels_layout);
	} else {
		vectors_skipped(12);
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
