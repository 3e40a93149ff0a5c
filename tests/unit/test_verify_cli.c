/*
 * larder verify as it is installed: every recorded case through the program,
 * two at a time, and a sample of what is one bit off.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "server/appraise/verify.h"
#include "tests/kit/mutant.h"
#include "tests/kit/run.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vcli.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vexpect.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARALLEL 2

/* --- the program ------------------------------------------------------ */

/* The status is the verdict's word. */
static void
status_is(const char *name, const json_t *v, int status)
{
	bool accepted = strcmp(vcli_word(v, "verdict"), "accepted") == 0;

	ck_assert_msg(status == (accepted ? 0 : 1), "%s: %d, %s", name, status,
	    vcli_word(v, "verdict"));
	ck_assert(json_is_array(json_object_get(v, "reasons")));
	ck_assert(
	    (json_array_size(json_object_get(v, "reasons")) == 0) == accepted);
}

/* Run fn(k) in PARALLEL processes; each does every PARALLELth case. */
static void
in_parallel(void (*fn)(size_t k))
{
	pid_t pid[PARALLEL];
	char name[32];
	size_t k;
	int ws;

	fflush(NULL);
	for (k = 0; k < PARALLEL; k++) {
		must((pid[k] = fork()) != -1);
		if (pid[k] == 0) {
			snprintf(name, sizeof(name), "part%zu", k);
			vcli_dir_make(name);
			fn(k);
			_exit(0);
		}
	}
	/* A child that failed has told Check why. */
	for (k = 0; k < PARALLEL; k++) {
		must(waitpid(pid[k], &ws, 0) == pid[k]);
		ck_assert_msg(WIFEXITED(ws) && WEXITSTATUS(ws) == 0,
		    "one half of the cases failed");
	}
}

/* --- quotes ----------------------------------------------------------- */

static const char *const tees[] = { "sgx", "tdx" };
static const char *tee;

/* As "larder collateral" writes it. */
static void
spill_collateral(const json_t *c)
{
	json_t *o = json_pack("{s:s, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:O?}",
	    "version", "3.0", "pck_crl_issuer_chain",
	    json_object_get(c, "pck_crl_issuer_chain"), "root_ca_crl",
	    json_object_get(c, "root_ca_crl_hex"), "pck_crl",
	    json_object_get(c, "pck_crl_hex"), "tcb_info_issuer_chain",
	    json_object_get(c, "tcb_issuer_chain"), "tcb_info",
	    json_object_get(c, "tcb_info"), "qe_identity_issuer_chain",
	    json_object_get(c, "qe_identity_issuer_chain") != NULL
		? json_object_get(c, "qe_identity_issuer_chain")
		: json_object_get(c, "tcb_issuer_chain"),
	    "qe_identity", json_object_get(c, "qe_identity"));
	char *text = json_dumps(o, 0);

	must(text != NULL);
	vcli_spill("collateral.json", span_str(text));
	free(text);
	json_decref(o);
}

static void
spill_pieces(const struct vset *s)
{
	vcli_spill("tcb_info.json", blob_span(s->tcb_info));
	vcli_spill("tcb_info_issuer_chain.pem", blob_span(s->tcb_chain));
	vcli_spill("qe_identity.json", blob_span(s->identity));
	vcli_spill("qe_identity_issuer_chain.pem",
	    blob_span(s->identity_chain));
	vcli_spill("root_ca_crl.der", blob_span(s->root_crl));
	vcli_spill("pck_crl.der", blob_span(s->pck_crl));
	vcli_spill("pck_crl_issuer_chain.pem", blob_span(s->pck_crl_chain));
}

/* The same as a folder, for documents that are no UTF-8. */
static void
spill_set(const struct vset *s)
{
	char path[sizeof(vcli_dir) + 8], top[sizeof(vcli_dir)];

	memcpy(top, vcli_dir, sizeof(top));
	snprintf(path, sizeof(path), "%s/set", vcli_dir);
	must(mkdir(path, 0700) == 0 || errno == EEXIST);
	memcpy(vcli_dir, path, sizeof(vcli_dir));
	spill_pieces(s);
	memcpy(vcli_dir, top, sizeof(vcli_dir));
}

static void
one_synthetic(const char *path)
{
	json_t *j = vector_json(path), *v;
	struct vcase c;
	char args[1024];
	bool as_file;
	int status;

	vcase_synthetic(path, &c);
	as_file = json_object_get(j, "tcb_info") != NULL;
	if (as_file)
		spill_collateral(j);
	else
		spill_set(c.set);
	vcli_spill("root.pem", span_str(vcli_word(j, "trusted_root")));
	vcli_spill("quote", blob_span(c.quote));
	snprintf(args, sizeof(args),
	    "%s/quote --collateral %s/%s --root %s/root.pem --at %lld",
	    vcli_dir, vcli_dir, as_file ? "collateral.json" : "set", vcli_dir,
	    (long long)c.at);
	v = vcli_verify(args, &status);
	expect_verdict(path, c.expect, c.either, v);
	status_is(path, v, status);
	json_decref(v);
	vcase_fini(&c);
	json_decref(j);
}

static void
half_synthetic(size_t k)
{
	char folder[32], **names;
	size_t n, i;

	snprintf(folder, sizeof(folder), "%s/synthetic", tee);
	names = vnames(folder, &n);
	for (i = k; i < n; i += PARALLEL)
		one_synthetic(names[i]);
	vnames_free(names, n);
}

START_TEST(test_synthetic_cases)
{
	tee = tees[_i];
	in_parallel(half_synthetic);
}
END_TEST

static void
one_real(const json_t *j)
{
	const char *top = vectors_dir();
	char args[1024];
	json_t *v;
	int status;

	/* The default is Intel's own root, of either issue. */
	snprintf(args, sizeof(args), "%s/%s/%s --collateral %s/%s/%s --at %lld",
	    top, tee, vcli_word(j, "quote"), top, tee,
	    vcli_word(j, "collateral"),
	    (long long)json_integer_value(json_object_get(j, "check_time")));
	v = vcli_verify(args, &status);
	expect_verdict(vcli_word(j, "id"), json_object_get(j, "expect"),
	    json_is_true(json_object_get(j, "either")), v);
	status_is(vcli_word(j, "id"), v, status);
	json_decref(v);
}

static void
half_real(size_t k)
{
	json_t *all, *cases;
	char path[64];
	size_t i;

	snprintf(path, sizeof(path), "%s/cases.json", tee);
	all = vector_json(path);
	cases = json_object_get(all, "cases");
	must(json_array_size(cases) > 30);
	for (i = k; i < json_array_size(cases); i += PARALLEL)
		one_real(json_array_get(cases, i));
	json_decref(all);
}

START_TEST(test_real_cases)
{
	tee = tees[_i];
	in_parallel(half_real);
}
END_TEST

/* --- reports ---------------------------------------------------------- */

static void
one_report(const struct scase *c, struct span evidence)
{
	char args[1024], at[TIME_LEN];
	json_t *v;
	int status;

	time_write(c->at, at);
	vcli_spill("evidence", evidence);
	vcli_spill(c->vlek ? "vlek.der" : "vcek.der", blob_span(c->vek));
	vcli_spill("chain.pem", blob_span(c->chain));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s --at %s",
	    vcli_dir, vcli_dir, at);
	v = vcli_verify(args, &status);
	expect_verdict_snp(c->name, c->expected, v);
	status_is(c->name, v, status);
	json_decref(v);
}

static void
half_reports(size_t k)
{
	char top[sizeof(vcli_dir)], sub[sizeof(vcli_dir) + 8];
	struct scase c;
	size_t i;

	memcpy(top, vcli_dir, sizeof(top));
	for (i = k; i < scase_n; i += PARALLEL) {
		snprintf(sub, sizeof(sub), "%s/%zu", top, i);
		must(mkdir(sub, 0700) == 0);
		memcpy(vcli_dir, sub, sizeof(vcli_dir));
		scase_load(scase_names[i], &c);
		one_report(&c, blob_span(c.report));
		if (c.hcl != NULL)
			one_report(&c, blob_span(c.hcl));
		scase_fini(&c);
	}
}

START_TEST(test_snp_cases)
{
	in_parallel(half_reports);
}
END_TEST

/* A folder with everything in it: what fits the report is taken. */
START_TEST(test_folder_of_many_certificates)
{
	char args[1024], name[80], at[TIME_LEN];
	struct scase c;
	json_t *v;
	size_t i;
	int status;

	vcli_dir_make("many");
	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		snprintf(name, sizeof(name), "%s.cer", c.name);
		vcli_spill(name, blob_span(c.vek));
		snprintf(name, sizeof(name), "%s.issuers", c.name);
		vcli_spill(name, blob_span(c.chain));
		scase_fini(&c);
	}
	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		/* Here its own VCEK is not among them. */
		if (strstr(c.name, "foreign") == NULL) {
			time_write(c.at, at);
			vcli_spill("evidence", blob_span(c.report));
			snprintf(args, sizeof(args),
			    "%s/evidence --collateral %s --at %s", vcli_dir,
			    vcli_dir, at);
			v = vcli_verify(args, &status);
			expect_verdict_snp(c.name, c.expected, v);
			json_decref(v);
		}
		scase_fini(&c);
	}
}
END_TEST

/* THIM's answer, and PEM files as clouds hand them out. */
START_TEST(test_files_of_certificates)
{
	static const char *const files[][2] = {
		{ "milan-v2-thim", "thim.json" },
		{ "milan-v2-thim", "vcek_ask_ark.pem" },
		{ "milan-v3-azcache", "azcache_response.pem" },
		{ "hcl-milan-v2", "vcek_ask_ark.pem" },
	};
	char args[1024], at[TIME_LEN];
	struct scase c;
	json_t *v;
	int status;

	scase_load(files[_i][0], &c);
	time_write(c.at, at);
	snprintf(args, sizeof(args),
	    "%s/snp/reports/%s/report.bin --collateral %s/snp/reports/%s/%s "
	    "--at %s",
	    vectors_dir(), c.name, vectors_dir(), c.name, files[_i][1], at);
	v = vcli_verify(args, &status);
	ck_assert_msg(strcmp(vcli_word(v, "evidence"), "valid") == 0, "%s: %s",
	    args, first_reason(v));
	expect_verdict_snp(c.name, c.expected, v);
	json_decref(v);
	scase_fini(&c);
}
END_TEST

/* --- the one-bit matrix, a sample of it ------------------------------- */

static size_t n_mutants;
static const char *mutant_options;

/* "arg" is the file that the changed bytes go into; it is put back. */
static void
one_mutant(void *arg, const struct mutant *m)
{
	const char *file = arg;
	char args[1024];
	json_t *v;
	int status;

	vcli_spill(file, m->bytes);
	snprintf(args, sizeof(args), "%s/quote --collateral %s %s", vcli_dir,
	    vcli_dir, mutant_options);
	v = vcli_verify(args, &status);
	ck_assert_msg(status == 1 && word_in(first_reason(v), m->checks),
	    "%s.%s: %d, %s, not %s", m->piece, m->field, status,
	    first_reason(v), m->checks);
	json_decref(v);
	n_mutants++;
}

typedef void (*mutants_fn)(struct mutants *, const char *piece,
    const char *checks, struct span);

static void
mutants_of(mutants_fn fn, char *file, const char *checks, struct span good,
    unsigned every)
{
	struct mutants m = { one_mutant, file, 5, every, 0 };

	fn(&m, file, checks, good);
	vcli_spill(file, good);
}

static void
sample_collateral(const struct vset *s)
{
	static char tcb_info[] = "tcb_info.json",
		    chain[] = "tcb_info_issuer_chain.pem",
		    identity[] = "qe_identity.json",
		    identity_chain[] = "qe_identity_issuer_chain.pem",
		    root_crl[] = "root_ca_crl.der", pck_crl[] = "pck_crl.der",
		    pck_crl_chain[] = "pck_crl_issuer_chain.pem";

	mutants_of(mutants_document, tcb_info, "tcb-info",
	    blob_span(s->tcb_info), 9);
	mutants_of(mutants_document, identity, "qe-identity",
	    blob_span(s->identity), 9);
	mutants_of(mutants_chain, chain, "tcb-info", blob_span(s->tcb_chain),
	    9);
	mutants_of(mutants_chain, identity_chain, "qe-identity",
	    blob_span(s->identity_chain), 9);
	mutants_of(mutants_crl, root_crl, "crl", blob_span(s->root_crl), 5);
	mutants_of(mutants_crl, pck_crl, "crl", blob_span(s->pck_crl), 5);
	mutants_of(mutants_chain, pck_crl_chain, "crl",
	    blob_span(s->pck_crl_chain), 9);
}

START_TEST(test_sample_of_the_matrix)
{
	static const char *const paths[] = { "sgx/synthetic/s001.json",
		"tdx/synthetic/t034.json" };
	static char file[] = "quote";
	char options[512];
	struct vcase c;
	struct mutants m = { one_mutant, file, 3, 8, 0 };

	vcli_dir_make("matrix");
	vcase_synthetic(paths[_i], &c);
	spill_pieces(c.set);
	json_t *j = vector_json(paths[_i]);
	vcli_spill("root.pem", span_str(vcli_word(j, "trusted_root")));
	json_decref(j);
	snprintf(options, sizeof(options), "--root %s/root.pem --at %lld",
	    vcli_dir, (long long)c.at);
	mutant_options = options;
	mutants_quote(&m, blob_span(c.quote));
	mutants_quote_chain(&m, blob_span(c.quote));
	vcli_spill(file, blob_span(c.quote));
	sample_collateral(c.set);
	ck_assert_uint_gt(n_mutants, 20);
	vcase_fini(&c);
}
END_TEST

START_TEST(test_sample_of_reports)
{
	static char file[] = "quote", vek[] = "vcek.der";
	char options[64], at[TIME_LEN];
	struct mutants m = { one_mutant, file, 3, 6, 0 };
	struct scase c;

	vcli_dir_make("reports");
	scase_load("milan-v3-aci", &c);
	vcli_spill(vek, blob_span(c.vek));
	vcli_spill("chain.pem", blob_span(c.chain));
	time_write(c.at, at);
	snprintf(options, sizeof(options), "--at %s", at);
	mutant_options = options;
	mutants_report(&m, blob_span(c.report), c.vlek);
	vcli_spill(file, blob_span(c.report));
	mutants_of(mutants_cert, vek,
	    "SNP_ERR_CERT_FORMAT SNP_ERR_KEY_KIND_MISMATCH SNP_ERR_CHAIN "
	    "SNP_ERR_CERT_PRODUCT",
	    blob_span(c.vek), 3);
	ck_assert_uint_gt(n_mutants, 6);
	scase_fini(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("verify_cli");
	TCase *tc = tcase_create("vectors");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 120);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_synthetic_cases, 0, 2);
		tcase_add_loop_test(tc, test_real_cases, 0, 2);
		tcase_add_test(tc, test_snp_cases);
		tcase_add_test(tc, test_folder_of_many_certificates);
		tcase_add_loop_test(tc, test_files_of_certificates, 0, 4);
		tcase_add_loop_test(tc, test_sample_of_the_matrix, 0, 2);
		tcase_add_test(tc, test_sample_of_reports);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(13);
	}
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
