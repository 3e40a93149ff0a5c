/*
 * Genuine and synthetic collateral whole: every set, chain and case of the
 * vectors, with what is expected of it.
 */
#include "config/base/enc.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const tees[] = { "sgx", "tdx" };

START_TEST(test_genuine_collateral_verifies)
{
	char folder[64];
	struct vfacts f;
	struct why why = { 0 };
	const char *stage;
	size_t i, n, total = 0;
	char **names;

	for (size_t t = 0; t < 2; t++) {
		snprintf(folder, sizeof(folder), "%s/collateral", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++) {
			struct vset *v = vset_real(names[i]);

			stage = vset_verify(v, &f, &why);
			ck_assert_msg(stage == NULL, "%s: %s: %s", names[i],
			    stage, why.text);
			ck_assert_int_eq(f.tcbinfo->tee,
			    t == 0 ? TEE_SGX : TEE_TDX);
			ck_assert_int_eq(f.identity->enclave,
			    t == 0 ? ENCLAVE_QE : ENCLAVE_TDQE);
			ck_assert_uint_eq(f.root_crl->number, 1);
			ck_assert_uint_eq(f.pck_crl->number, 1);
			total++;
			vfacts_fini(&f);
			vset_free(v);
		}
		vnames_free(names, n);
	}
	ck_assert_uint_eq(total, 13);
}
END_TEST

/* The response headers of a set say what the chains say. */
START_TEST(test_genuine_headers_decode_to_the_chains)
{
	static const char *const name[] = { "TCB-Info-Issuer-Chain",
		"SGX-Enclave-Identity-Issuer-Chain",
		"SGX-PCK-CRL-Issuer-Chain" };
	static const enum chain_role role[] = { CHAIN_TCB_SIGNING,
		CHAIN_TCB_SIGNING, CHAIN_PCK_CA };
	size_t i, k, n;
	char **names = vnames("tdx/collateral", &n), path[200];

	for (i = 0; i < n; i++) {
		struct vset *v = vset_real(names[i]);
		struct blob *text;
		json_t *j;

		snprintf(path, sizeof(path), "%s/headers.json", names[i]);
		text = vector_read(path);
		j = json_loads((const char *)text->data, 0, NULL);
		for (k = 0; k < 3; k++) {
			const char *s =
			    json_string_value(json_object_get(j, name[k]));
			struct buf pem = BUF_INIT;
			struct blob *head;
			struct chain *c;

			ck_assert(pct_read(span_str(s), &pem) == ERR_OK);
			ck_assert(
			    chain_read(buf_view(&pem), role[k], v->anchors,
				NULL, NULL, &c, NULL) == ERR_OK);
			head = chain_header(c);
			ck_assert(span_eq_str(blob_span(head), s));
			blob_unref(head);
			chain_unref(c);
			buf_free(&pem);
		}
		json_decref(j);
		blob_unref(text);
		vset_free(v);
	}
	vnames_free(names, n);
}
END_TEST

/* Both issues of Intel's root; leaf values are in test_pck.c. */
START_TEST(test_genuine_pck_chains_verify_under_either_root)
{
	static const time_t ends[2] = { 2000284870, 2524607999 };
	size_t i, n, total = 0, seen[2] = { 0, 0 };
	struct vset *v = vset_real("sgx/collateral/sgx-00A067110000-2025-06");
	char folder[64], **names;
	struct chain *c;
	struct why why = { 0 };

	for (size_t t = 0; t < 2; t++) {
		snprintf(folder, sizeof(folder), "%s/pck", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++) {
			struct blob *pem = vector_read(names[i]);
			time_t end;

			ck_assert_msg(chain_read(blob_span(pem), CHAIN_PCK,
					  v->anchors, NULL, NULL, &c,
					  &why) == ERR_OK,
			    "%s: %s", names[i], why.text);
			end = cert_window(c->x[2]).until;
			ck_assert(end == ends[0] || end == ends[1]);
			seen[end == ends[1]]++;
			total++;
			chain_unref(c);
			blob_unref(pem);
		}
		vnames_free(names, n);
	}
	ck_assert_uint_eq(total, 25);
	ck_assert_uint_gt(seen[0], 0);
	ck_assert_uint_gt(seen[1], 0);
	vset_free(v);
}
END_TEST

/* Stages that this layer decides; the others are the quote's. */
static bool
ours(const char *stage)
{
	return strcmp(stage, "pck-chain") == 0 || strcmp(stage, "crl") == 0 ||
	       strcmp(stage, "tcb-info") == 0;
}

/* Identities that do not verify; others only do not match the quote. */
static bool
identity_bad(const char *name)
{
	static const char *const bad[] = { "s012", "s013", "s091", "s092",
		"s093", "s094", "s095", "s096", "s097", "s099", "t026" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strstr(name, bad[i]) != NULL)
			return true;
	return false;
}

static void
synthetic_check(const char *name)
{
	struct vset *v = vset_synthetic(name);
	struct vfacts f;
	struct why why = { 0 };
	const char *stage = vset_verify(v, &f, &why);

	if (v->valid || (!ours(v->stage) && !identity_bad(name)))
		ck_assert_msg(stage == NULL, "%s: %s: %s", name, stage,
		    why.text);
	else if (!v->either)
		ck_assert_msg(stage != NULL, "%s: accepted", name);
	if (stage != NULL) {
		ck_assert_msg(strcmp(stage, v->stage) == 0,
		    "%s: refused by %s (%s), not %s", name, stage, why.text,
		    v->stage);
		ck_assert_str_ne(why.clause, "");
		ck_assert_str_ne(why.text, "");
	}
	vfacts_fini(&f);
	vset_free(v);
}

START_TEST(test_synthetic_collateral_as_expected)
{
	char folder[64], **names;
	size_t i, n, total = 0;

	for (size_t t = 0; t < 2; t++) {
		snprintf(folder, sizeof(folder), "%s/synthetic", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++, total++)
			synthetic_check(names[i]);
		vnames_free(names, n);
	}
	ck_assert_uint_eq(total, 183);
}
END_TEST

/* Where two behaviours are defensible, this is ours. */
START_TEST(test_defensible_cases_go_our_way)
{
	static const struct {
		const char *name;
		const char *stage; /* NULL: accepted */
	} cases[] = { { "s036", NULL }, { "s042", NULL },
		{ "s047", "pck-chain" }, { "s062", NULL },
		{ "s065", "tcb-info" }, { "s070", NULL },
		{ "s078", "tcb-info" }, { "s079", "tcb-info" },
		{ "s084", "tcb-info" }, { "s092", "qe-identity" },
		{ "s103", NULL }, { "s110", "pck-chain" } };
	char path[64];
	struct vfacts f;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vset *v;
		const char *stage;

		snprintf(path, sizeof(path), "sgx/synthetic/%s.json",
		    cases[i].name);
		v = vset_synthetic(path);
		stage = vset_verify(v, &f, &why);
		if (cases[i].stage == NULL)
			ck_assert_msg(stage == NULL, "%s: %s", path, why.text);
		else
			ck_assert_str_eq(stage, cases[i].stage);
		vfacts_fini(&f);
		vset_free(v);
	}
}
END_TEST

#define VECTOR_TESTS 5

static Suite *
suite(void)
{
	Suite *s = suite_create("collateral");
	TCase *t = tcase_create("vectors");

	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	if (!vectors_present())
		return s;
	tcase_add_test(t, test_genuine_collateral_verifies);
	tcase_add_test(t, test_genuine_headers_decode_to_the_chains);
	tcase_add_test(t, test_genuine_pck_chains_verify_under_either_root);
	tcase_add_test(t, test_synthetic_collateral_as_expected);
	tcase_add_test(t, test_defensible_cases_go_our_way);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	vectors_skipped(VECTOR_TESTS);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
