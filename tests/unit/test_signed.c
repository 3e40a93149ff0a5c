/*
 * Documents that Intel signed, against what the vectors record of them; and
 * unsigned ones that only test the shape.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tees[] = { "sgx", "tdx" };

static struct vset *set;
static struct vfacts facts; /* for the signer: its key never changed */

static void
setup(void)
{
	set = vset_real("sgx/collateral/sgx-00A067110000-2025-06");
	must(vset_verify(set, &facts, NULL) == NULL);
}

static void
teardown(void)
{
	vfacts_fini(&facts);
	vset_free(set);
}

static json_t *
json_of(const char *path)
{
	struct blob *text = vector_read(path);
	json_t *j = json_loadb((const char *)text->data, text->len, 0, NULL);

	must(j != NULL);
	blob_unref(text);
	return j;
}

static const char *
string_of(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

static json_int_t
int_of(const json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

static void
dates_check(time_t issue, time_t next, const json_t *want)
{
	char text[TIME_LEN];

	time_write(issue, text);
	ck_assert_str_eq(text, string_of(want, "issueDate"));
	time_write(next, text);
	ck_assert_str_eq(text, string_of(want, "nextUpdate"));
}

/* --- one document of each kind ------------------------------------------ */

static enum err
tcbinfo_check(struct span body, const json_t *want, struct why *why)
{
	const char *id = string_of(want, "id");
	struct tcbinfo *info;
	char hex[13];
	enum err e;

	if ((e = tcbinfo_read(body, facts.tcb_chain, &info, why)) != ERR_OK)
		return e;
	hex_lower(span_of(info->fmspc, 6), hex);
	ck_assert(span_eq_nocase(span_str(string_of(want, "fmspc")), hex));
	ck_assert_int_eq(info->version, int_of(want, "version"));
	ck_assert_int_eq(info->tee,
	    id != NULL && strcmp(id, "TDX") == 0 ? TEE_TDX : TEE_SGX);
	ck_assert_int_eq(info->eval_num,
	    int_of(want, "tcbEvaluationDataNumber"));
	ck_assert_int_eq((json_int_t)info->n_levels, int_of(want, "levels"));
	dates_check(info->issue_at, info->next_update, want);
	tcbinfo_unref(info);
	return ERR_OK;
}

static enum err
identity_check(struct span body, const json_t *want, struct why *why)
{
	static const char *const ids[ENCLAVE_N] = { "QE", "QVE", "TD_QE",
		"QAE" };
	struct identity *id;
	enum err e;

	if ((e = identity_read(body, facts.tcb_chain, &id, why)) != ERR_OK)
		return e;
	ck_assert_str_eq(string_of(want, "id"), ids[id->enclave]);
	ck_assert_int_eq(id->eval_num, int_of(want, "tcbEvaluationDataNumber"));
	ck_assert_int_eq((json_int_t)id->n_levels, int_of(want, "levels"));
	dates_check(id->issue_at, id->next_update, want);
	identity_unref(id);
	return ERR_OK;
}

static enum err
evalnums_check(struct span body, const json_t *want, struct why *why)
{
	struct evalnums *nums;
	enum err e;
	size_t i;

	if ((e = evalnums_read(body, facts.tcb_chain, &nums, why)) != ERR_OK)
		return e;
	ck_assert_str_eq(string_of(want, "id"),
	    nums->tee == TEE_TDX ? "TDX" : "SGX");
	dates_check(nums->issue_at, nums->next_update, want);
	ck_assert_uint_gt(nums->n, 0);
	for (i = 1; i < nums->n; i++)
		ck_assert_uint_lt(nums->v[i].number, nums->v[i - 1].number);
	evalnums_unref(nums);
	return ERR_OK;
}

static enum err
document_check(const char *kind, struct span body, const json_t *want,
    struct why *why)
{
	if (strcmp(kind, "tcb_info") == 0)
		return tcbinfo_check(body, want, why);
	if (strcmp(kind, "enclave_identity") == 0)
		return identity_check(body, want, why);
	ck_assert_str_eq(kind, "tcb_evaluation_data_numbers");
	return evalnums_check(body, want, why);
}

START_TEST(test_signed_documents_verify_as_recorded)
{
	size_t i, total = 0, bad = 0;
	char path[200];

	for (size_t t = 0; t < 2; t++) {
		json_t *j, *doc;

		snprintf(path, sizeof(path), "%s/signed.json", tees[t]);
		j = json_of(path);
		json_array_foreach(json_object_get(j, "documents"), i, doc)
		{
			bool want =
			    json_is_true(json_object_get(doc, "signature_ok"));
			struct blob *body;
			struct why why = { 0 };
			enum err e;

			snprintf(path, sizeof(path), "%s/%s", tees[t],
			    string_of(doc, "file"));
			body = vector_read(path);
			e = document_check(string_of(doc, "kind"),
			    blob_span(body), doc, &why);
			ck_assert_msg(e == (want ? ERR_OK : ERR_BADSIG),
			    "%s: %s", path, why.text);
			total++;
			bad += e != ERR_OK;
			blob_unref(body);
		}
		json_decref(j);
	}
	ck_assert_uint_eq(total, 27);
	ck_assert_uint_eq(bad, 2);
}
END_TEST

/* --- shapes ------------------------------------------------------------- */

static enum err
shape_check(const char *file, struct span body, struct why *why)
{
	bool tcb = strstr(file, "tcb-info/") != NULL;
	struct identity *id = NULL;
	struct tcbinfo *info = NULL;
	unsigned char sig[64];
	struct span value;
	enum err e;

	e = jspan_cut(body, tcb ? "tcbInfo" : "enclaveIdentity", &value, sig,
	    why);
	if (e == ERR_OK)
		e = tcb ? tcbinfo_parse(value, &info, why)
			: identity_parse(value, &id, why);
	tcbinfo_unref(info);
	identity_unref(id);
	return e;
}

START_TEST(test_shapes_are_judged_as_recorded)
{
	json_t *j = json_of("sgx/json.json"), *doc;
	size_t i, total = 0;
	char path[200];

	json_array_foreach(json_object_get(j, "documents"), i, doc)
	{
		const char *file = string_of(doc, "file");
		struct why why = { 0 };
		struct blob *body;
		enum err e;

		snprintf(path, sizeof(path), "sgx/%s", file);
		body = vector_read(path);
		e = shape_check(file, blob_span(body), &why);
		ck_assert_msg((e == ERR_OK) ==
				  (strcmp(string_of(doc, "shape"), "ok") == 0),
		    "%s: %s", file, why.text);
		ck_assert((e == ERR_OK) == (why.text[0] == '\0'));
		total++;
		blob_unref(body);
	}
	ck_assert_uint_eq(total, 29);
	json_decref(j);
}
END_TEST

/* --- changes ------------------------------------------------------------ */

/* Every 23rd octet, with a bit that is no letter's case. */
static size_t
changes_try(const struct vset *v, size_t from)
{
	struct tcbinfo *info = NULL;
	struct identity *id = NULL;
	size_t k, tried = 0;
	struct blob *b;

	for (k = from; k < v->tcb_info->len; k += 23, tried++) {
		b = flipped(blob_span(v->tcb_info), k, (unsigned)(k % 5));
		ck_assert_msg(tcbinfo_read(blob_span(b), facts.tcb_chain, &info,
				  NULL) != ERR_OK,
		    "%s tcb info octet %zu", v->name, k);
		blob_unref(b);
	}
	for (k = from; k < v->identity->len; k += 23, tried++) {
		b = flipped(blob_span(v->identity), k, (unsigned)(k % 5));
		ck_assert_msg(identity_read(blob_span(b), facts.tcb_chain, &id,
				  NULL) != ERR_OK,
		    "%s identity octet %zu", v->name, k);
		blob_unref(b);
	}
	return tried;
}

START_TEST(test_genuine_documents_cannot_be_changed)
{
	size_t i, n, tried = 0;
	char folder[64], **names;

	for (size_t t = 0; t < 2; t++) {
		snprintf(folder, sizeof(folder), "%s/collateral", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++) {
			struct vset *v = vset_real(names[i]);

			tried += changes_try(v, i);
			vset_free(v);
		}
		vnames_free(names, n);
	}
	ck_assert_uint_gt(tried, 3000);
}
END_TEST

#define VECTOR_TESTS 3

static Suite *
suite(void)
{
	Suite *s = suite_create("signed");
	TCase *t = tcase_create("vectors");

	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	if (!vectors_present())
		return s;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_signed_documents_verify_as_recorded);
	tcase_add_test(t, test_shapes_are_judged_as_recorded);
	tcase_add_test(t, test_genuine_documents_cannot_be_changed);
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
