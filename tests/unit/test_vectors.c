/*
 * Is everything in the vectors looked at?  The tests of each kind read what
 * lists and folders name; a file, a list's member or a kind of case that is
 * new to them would be passed over without a word.  Here it fails.
 */
#include "config/base/must.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tees[] = { "sgx", "tdx" };

static bool
is_one_of(const char *word, const char *const *list)
{
	while (*list != NULL && strcmp(*list, word) != 0)
		list++;
	return *list != NULL;
}

/* Every member is one that a test knows. */
static void
members_known(const char *where, const json_t *o, const char *const *known)
{
	const char *key;
	json_t *v;

	ck_assert_msg(json_is_object(o), "%s is no object", where);
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	    ck_assert_msg(is_one_of(key, known), "%s: what is %s?", where, key);
}

/* Every name in the folder is known. */
static size_t
folder_known(const char *folder, const char *const *known)
{
	size_t i, n, at = strlen(folder) + 1;
	char **names = vnames(folder, &n);

	for (i = 0; i < n; i++)
		ck_assert_msg(is_one_of(names[i] + at, known), "who reads %s?",
		    names[i]);
	vnames_free(names, n);
	return n;
}

static json_t *
list_of(const char *tee, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", tee, name);
	return vector_json(path);
}

/* --- folders ---------------------------------------------------------- */

START_TEST(test_folders_are_known)
{
	static const char *const top[] = { "README.md", "sealed.bin", "sgx",
		"snp", "tdx", NULL };
	static const char *const intel[] = { "MANIFEST.md", "cases.json",
		"collateral", "json", "json.json", "pck", "quotes",
		"quotes.json", "raw", "roots", "signed", "signed.json",
		"synthetic", NULL };
	static const char *const amd[] = { "MANIFEST.md", "certs", "chains",
		"crl", "reports", NULL };
	static const char *const sets[] = { "headers.json", "pck_crl.der",
		"pck_crl_issuer_chain.pem", "qe_identity.json",
		"qe_identity_issuer_chain.pem", "root_ca_crl.der",
		"tcb_info.json", "tcb_info_issuer_chain.pem", NULL };
	static const char *const reports[] = { "azcache_response.pem",
		"expected.json", "hcl_report.bin", "report.bin", "thim.json",
		"vcek.der", "vcek.pem", "vcek_ask_ark.pem", "vlek.der", NULL };
	char folder[64], **names;
	size_t t, i, n;

	(void)folder_known(".", top);
	(void)folder_known("snp", amd);
	for (t = 0; t < 2; t++) {
		(void)folder_known(tees[t], intel);
		snprintf(folder, sizeof(folder), "%s/collateral", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++)
			(void)folder_known(names[i], sets);
		vnames_free(names, n);
	}
	names = vnames("snp/reports", &n);
	for (i = 0; i < n; i++)
		(void)folder_known(names[i], reports);
	vnames_free(names, n);
}
END_TEST

START_TEST(test_every_report_is_a_case)
{
	const char *known[32] = { NULL };
	size_t i;

	must(scase_n < sizeof(known) / sizeof(known[0]));
	for (i = 0; i < scase_n; i++)
		known[i] = scase_names[i];
	ck_assert_uint_eq(folder_known("snp/reports", known), scase_n);
}
END_TEST

/* --- lists ------------------------------------------------------------ */

/* A folder's files, and those of folders in it, are all in "listed". */
static size_t
files_listed(const char *tee, const char *folder, const json_t *listed)
{
	size_t i, n, done = 0, at = strlen(tee) + 1;
	char path[600], **names;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", tee, folder);
	names = vnames(path, &n);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", vectors_dir(), names[i]);
		if ((d = opendir(path)) != NULL) {
			closedir(d);
			done += files_listed(tee, names[i] + at, listed);
			continue;
		}
		ck_assert_msg(json_object_get(listed, names[i] + at) != NULL,
		    "%s is on no list", names[i]);
		done++;
	}
	vnames_free(names, n);
	return done;
}

static void
list_add(json_t *set, const json_t *item, const char *member)
{
	must(json_object_set_new(set, vector_text(item, member), json_true()) ==
	     0);
}

START_TEST(test_every_document_is_listed)
{
	static const char *const known[] = { "format", "documents", NULL };
	static const char *const lists[][3] = {
		{ "sgx", "signed.json", "signed" },
		{ "tdx", "signed.json", "signed" },
		{ "sgx", "json.json", "json" },
	};
	json_t *list, *set, *doc;
	size_t i, k;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list = list_of(lists[i][0], lists[i][1]);
		set = json_object();
		members_known(lists[i][1], list, known);
		json_array_foreach(json_object_get(list, "documents"), k, doc)
		    list_add(set, doc, "file");
		ck_assert_uint_eq(files_listed(lists[i][0], lists[i][2], set),
		    json_object_size(set));
		json_decref(set);
		json_decref(list);
	}
}
END_TEST

static void
padded_add(json_t *set)
{
	char **names, quote[200];
	size_t i, n;

	names = vnames("tdx/quotes/padded", &n);
	for (i = 0; i < n; i++) {
		snprintf(quote, sizeof(quote), "quotes/%.*s.dat",
		    (int)strcspn(strrchr(names[i], '/') + 1, "z") - 1,
		    strrchr(names[i], '/') + 1);
		if (json_object_get(set, quote) != NULL)
			must(json_object_set_new(set, names[i] + strlen("tdx/"),
				 json_true()) == 0);
	}
	vnames_free(names, n);
}

/*
 * A quote is described in quotes.json, or judged in cases.json, or both; what
 * is padded is judged as the quote that it is (test_verify).
 */
START_TEST(test_every_quote_is_listed)
{
	json_t *cases, *quotes, *set, *c;
	size_t t, i, n;

	for (t = 0; t < 2; t++) {
		cases = list_of(tees[t], "cases.json");
		quotes = list_of(tees[t], "quotes.json");
		set = json_copy(json_object_get(quotes, "quotes"));
		json_array_foreach(json_object_get(cases, "cases"), i, c)
		    list_add(set, c, "quote");
		if (strcmp(tees[t], "tdx") == 0)
			padded_add(set);
		n = files_listed(tees[t], "quotes", set);
		ck_assert_uint_eq(n, json_object_size(set));
		json_decref(set);
		json_decref(quotes);
		json_decref(cases);
	}
}
END_TEST

/* --- cases ------------------------------------------------------------ */

static const char *const expects[] = { "advisories", "current_tcb_status",
	"debug", "either", "evidence", "must_not_be", "reserved_attributes",
	"sept_ve_disable", "service_td", "stage", "supplemental", "tcb_date",
	"tcb_status", "time", NULL };

static void
case_known(const char *name, const json_t *c, const char *const *known)
{
	static const char *const words[] = { "valid", "invalid", NULL };
	static const char *const times[] = { "ok", "expired", "not-yet-valid",
		"expired+not-yet-valid", NULL };
	const json_t *expect = json_object_get(c, "expect");
	const char *evidence, *time;

	members_known(name, c, known);
	members_known(name, expect, expects);
	evidence = vector_text(expect, "evidence");
	time = vector_text(expect, "time");
	ck_assert_msg(evidence != NULL && is_one_of(evidence, words),
	    "%s: evidence", name);
	ck_assert_msg(time == NULL || is_one_of(time, times), "%s: time %s",
	    name, time);
}

START_TEST(test_kinds_of_cases_are_known)
{
	static const char *const real[] = { "check_time", "check_time_utc",
		"collateral", "dcap_qvl_js", "either", "expect", "id",
		"intel_qvl", "note", "quote", "root", NULL };
	static const char *const made[] = { "check_time", "check_time_utc",
		"description", "expect", "id", "intel_qvl", "intel_qvl_2024",
		"note", "pck_crl_hex", "pck_crl_issuer_chain", "qe_identity",
		"quote_hex", "root_ca_crl_hex", "tcb_info", "tcb_info_hex",
		"tcb_issuer_chain", "tee", "trusted_root", NULL };
	char folder[64], **names;
	size_t t, i, n, total = 0;
	json_t *j, *c;

	for (t = 0; t < 2; t++) {
		j = list_of(tees[t], "cases.json");
		json_array_foreach(json_object_get(j, "cases"), i, c)
		{
			case_known(vector_text(c, "id"), c, real);
			total++;
		}
		json_decref(j);
		snprintf(folder, sizeof(folder), "%s/synthetic", tees[t]);
		names = vnames(folder, &n);
		for (i = 0; i < n; i++, total++) {
			j = vector_json(names[i]);
			case_known(names[i], j, made);
			json_decref(j);
		}
		vnames_free(names, n);
	}
	/* 31 + 126 and 41 + 57 when this was written. */
	ck_assert_uint_ge(total, 255);
}
END_TEST

START_TEST(test_what_is_expected_of_reports_is_known)
{
	static const char *const known[] = { "expect", "hcl", "id",
		"kds_request", "note", "product", "product_from_report",
		"report", "signing_key", "vek", "verify_at", NULL };
	static const char *const steps[] = { "chain", "first_error", "format",
		"hwid", "overall", "signature", "tcb", NULL };
	struct scase c;
	size_t i;

	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		members_known(c.name, c.expected, known);
		members_known(c.name, json_object_get(c.expected, "expect"),
		    steps);
		scase_fini(&c);
	}
}
END_TEST

#define VECTOR_TESTS 6

int
main(void)
{
	Suite *s = suite_create("vectors");
	TCase *t = tcase_create("vectors");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	if (vectors_present()) {
		tcase_add_test(t, test_folders_are_known);
		tcase_add_test(t, test_every_report_is_a_case);
		tcase_add_test(t, test_every_document_is_listed);
		tcase_add_test(t, test_every_quote_is_listed);
		tcase_add_test(t, test_kinds_of_cases_are_known);
		tcase_add_test(t, test_what_is_expected_of_reports_is_known);
	}
	vectors_skipped(VECTOR_TESTS);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
