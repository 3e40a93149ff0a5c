/*
 * larder verify as it is installed: every recorded case through the program,
 * two at a time, and what its options and exit status mean.
 */
#include "config/base/blob.h"
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/verify.h"
#include "tests/kit/mutant.h"
#include "tests/kit/run.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
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

/* Each child process of a test has a folder of its own. */
static char dir[256];

static void
dir_make(const char *name)
{
	char own[64];

	snprintf(own, sizeof(own), "%s-%d", name, (int)getpid());
	snprintf(dir, sizeof(dir), "%s", run_path(own));
	must(mkdir(dir, 0700) == 0);
}

static void
spill(const char *name, struct span s)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	must((f = fopen(path, "w")) != NULL);
	must(s.len == 0 || fwrite(s.p, 1, s.len, f) == s.len);
	must(fclose(f) == 0);
}

/* "larder verify ARGS --json": its exit status, and what it printed. */
static json_t *
verify(const char *args, int *status)
{
	const char *b = getenv("B");
	char line[2048], part[8192];
	struct buf out = BUF_INIT;
	json_t *o;
	size_t n;
	FILE *p;
	int ws;

	snprintf(line, sizeof(line), "%s/larder verify %s --json 2>&1",
	    b == NULL ? "build" : b, args);
	must((p = popen(line, "r")) != NULL);
	while ((n = fread(part, 1, sizeof(part), p)) > 0)
		buf_add(&out, part, n);
	ws = pclose(p);
	*status = WIFEXITED(ws) ? WEXITSTATUS(ws) : 200;
	o = json_loadb(out.p == NULL ? "" : out.p, out.len,
	    JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(o != NULL || *status == 2, "%s: %d: %.*s", args, *status,
	    (int)out.len, out.p);
	buf_free(&out);
	return o;
}

static const char *
word(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

/* The status is the verdict's word. */
static void
status_is(const char *name, const json_t *v, int status)
{
	bool accepted = strcmp(word(v, "verdict"), "accepted") == 0;

	ck_assert_msg(status == (accepted ? 0 : 1), "%s: %d, %s", name, status,
	    word(v, "verdict"));
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
			dir_make(name);
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
	spill("collateral.json", span_str(text));
	free(text);
	json_decref(o);
}

static void
spill_pieces(const struct vset *s)
{
	spill("tcb_info.json", blob_span(s->tcb_info));
	spill("tcb_info_issuer_chain.pem", blob_span(s->tcb_chain));
	spill("qe_identity.json", blob_span(s->identity));
	spill("qe_identity_issuer_chain.pem", blob_span(s->identity_chain));
	spill("root_ca_crl.der", blob_span(s->root_crl));
	spill("pck_crl.der", blob_span(s->pck_crl));
	spill("pck_crl_issuer_chain.pem", blob_span(s->pck_crl_chain));
}

/* The same as a folder, for documents that are no UTF-8. */
static void
spill_set(const struct vset *s)
{
	char path[sizeof(dir) + 8], top[sizeof(dir)];

	memcpy(top, dir, sizeof(top));
	snprintf(path, sizeof(path), "%s/set", dir);
	must(mkdir(path, 0700) == 0 || errno == EEXIST);
	memcpy(dir, path, sizeof(dir));
	spill_pieces(s);
	memcpy(dir, top, sizeof(dir));
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
	spill("root.pem", span_str(word(j, "trusted_root")));
	spill("quote", blob_span(c.quote));
	snprintf(args, sizeof(args),
	    "%s/quote --collateral %s/%s --root %s/root.pem --at %lld", dir,
	    dir, as_file ? "collateral.json" : "set", dir, (long long)c.at);
	v = verify(args, &status);
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
	    top, tee, word(j, "quote"), top, tee, word(j, "collateral"),
	    (long long)json_integer_value(json_object_get(j, "check_time")));
	v = verify(args, &status);
	expect_verdict(word(j, "id"), json_object_get(j, "expect"),
	    json_is_true(json_object_get(j, "either")), v);
	status_is(word(j, "id"), v, status);
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
	spill("evidence", evidence);
	spill(c->vlek ? "vlek.der" : "vcek.der", blob_span(c->vek));
	spill("chain.pem", blob_span(c->chain));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s --at %s", dir,
	    dir, at);
	v = verify(args, &status);
	expect_verdict_snp(c->name, c->expected, v);
	status_is(c->name, v, status);
	json_decref(v);
}

static void
half_reports(size_t k)
{
	char top[sizeof(dir)], sub[sizeof(dir) + 8];
	struct scase c;
	size_t i;

	memcpy(top, dir, sizeof(top));
	for (i = k; i < scase_n; i += PARALLEL) {
		snprintf(sub, sizeof(sub), "%s/%zu", top, i);
		must(mkdir(sub, 0700) == 0);
		memcpy(dir, sub, sizeof(dir));
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

	dir_make("many");
	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		snprintf(name, sizeof(name), "%s.cer", c.name);
		spill(name, blob_span(c.vek));
		snprintf(name, sizeof(name), "%s.issuers", c.name);
		spill(name, blob_span(c.chain));
		scase_fini(&c);
	}
	for (i = 0; i < scase_n; i++) {
		scase_load(scase_names[i], &c);
		/* Here its own VCEK is not among them. */
		if (strstr(c.name, "foreign") == NULL) {
			time_write(c.at, at);
			spill("evidence", blob_span(c.report));
			snprintf(args, sizeof(args),
			    "%s/evidence --collateral %s --at %s", dir, dir,
			    at);
			v = verify(args, &status);
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
	v = verify(args, &status);
	ck_assert_msg(strcmp(word(v, "evidence"), "valid") == 0, "%s: %s", args,
	    first_reason(v));
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

	spill(file, m->bytes);
	snprintf(args, sizeof(args), "%s/quote --collateral %s %s", dir, dir,
	    mutant_options);
	v = verify(args, &status);
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
	spill(file, good);
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

	dir_make("matrix");
	vcase_synthetic(paths[_i], &c);
	spill_pieces(c.set);
	json_t *j = vector_json(paths[_i]);
	spill("root.pem", span_str(word(j, "trusted_root")));
	json_decref(j);
	snprintf(options, sizeof(options), "--root %s/root.pem --at %lld", dir,
	    (long long)c.at);
	mutant_options = options;
	mutants_quote(&m, blob_span(c.quote));
	mutants_quote_chain(&m, blob_span(c.quote));
	spill(file, blob_span(c.quote));
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

	dir_make("reports");
	scase_load("milan-v3-aci", &c);
	spill(vek, blob_span(c.vek));
	spill("chain.pem", blob_span(c.chain));
	time_write(c.at, at);
	snprintf(options, sizeof(options), "--at %s", at);
	mutant_options = options;
	mutants_report(&m, blob_span(c.report), c.vlek);
	spill(file, blob_span(c.report));
	mutants_of(mutants_cert, vek,
	    "SNP_ERR_CERT_FORMAT SNP_ERR_KEY_KIND_MISMATCH SNP_ERR_CHAIN "
	    "SNP_ERR_CERT_PRODUCT",
	    blob_span(c.vek), 3);
	ck_assert_uint_gt(n_mutants, 6);
	scase_fini(&c);
}
END_TEST

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
	v = verify(args, &status);
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
	spill(name, span_str(text));
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
	spill("other.pem", span_str(word(j, "trusted_root")));
	buf_str(&two, word(j, "trusted_root"));
	buf_span(&two, blob_span(b));
	buf_span(&swapped, blob_span(b));
	buf_str(&swapped, word(j, "trusted_root"));
	spill("two.pem", buf_view(&two));
	spill("swapped.pem", buf_view(&swapped));
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
	good_with("--at yesterday", 2, "");
	good_with("--at 2025-13-01T00:00:00Z", 2, "");
	good_with("--at " AT " --require '{\"statuses\": 3}'", 2, "");
	good_with("--at " AT " --require 'nonsense'", 2, "");
	good_with("--at " AT " --require @/nonexistent", 2, "");
	good_with("--at " AT " --require '{\"sgx\":{\"isvprodid\":7}}'", 1,
	    "sgx.isvprodid");
	dir_make("options");
	spill("want.json", span_str("{\"sgx\":{\"min_isvsvn\":9999}}"));
	snprintf(line, sizeof(line), "--at " AT " --require @%s/want.json",
	    dir);
	good_with(line, 1, "sgx.min_isvsvn");
	/* JSON is an object: what does not begin like one is a name. */
	snprintf(line, sizeof(line), "--at " AT " --require %s/want.json", dir);
	good_with(line, 1, "sgx.min_isvsvn");
	good_with("--at " AT " --require ' {\"sgx\":{\"isvprodid\":7}}'", 1,
	    "sgx.isvprodid");
	good_with("--at " AT " --root /nonexistent", 2, "");
	spill("empty.pem", SPAN_NONE);
	snprintf(line, sizeof(line), "--at " AT " --root %s/empty.pem", dir);
	good_with(line, 2, "");
	/* An issuer below the root is no root, nor is a quote PEM. */
	snprintf(line, sizeof(line), "--at " AT " --root %s/signer.pem", dir);
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
	snprintf(line, sizeof(line), "--at " AT " --root %s/two.pem", dir);
	good_with(line, 0, "");
	snprintf(line, sizeof(line), "--at " AT " --root %s/swapped.pem", dir);
	good_with(line, 0, "");
	snprintf(line, sizeof(line), "--at " AT " --root %s/other.pem", dir);
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

	snprintf(args, sizeof(args), "%s/evidence %s", dir, options);
	spill("evidence", s);
	raw = verify(args, &status);
	ck_assert_int_eq(status, want);
	for (i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
		text.len = 0;
		writers[i](s, &text);
		spill("evidence", buf_view(&text));
		v = verify(args, &status);
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

	dir_make("text");
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

	dir_make("text");
	scase_load("hcl-milan-v3", &c);
	spill("vcek.der", blob_span(c.vek));
	spill("chain.pem", blob_span(c.chain));
	snprintf(options, sizeof(options), "--collateral %s --at %lld", dir,
	    (long long)c.at);
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

	dir_make("raw");
	memset(digits, '0', sizeof(digits));
	spill("evidence", span_of(digits, sizeof(digits)));
	snprintf(args, sizeof(args),
	    "%s/evidence --collateral %s/" SET " --at " AT, dir, vectors_dir());
	v = verify(args, &status);
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

	dir_make("much");
	memset(much, 1, sizeof(much));
	as_base64(span_of(much, sizeof(much)), &text);
	spill("evidence", buf_view(&text));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s", dir, dir);
	v = verify(args, &status);
	ck_assert_msg(status == 2 && v == NULL, "%d", status);
	spill("evidence", span_of(much, sizeof(much)));
	v = verify(args, &status);
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

	v = verify(args, &status);
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
	dir_make("unusable");
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s",
	    vectors_dir(), dir);
	unusable(args);
	spill("not.json", span_str("{"));
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s/not.json",
	    vectors_dir(), dir);
	unusable(args);
	spill("other.json", span_str("{\"a\": 1}"));
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s/other.json",
	    vectors_dir(), dir);
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

	dir_make("pieces");
	for (i = 0; i < n; i++) {
		if (i == (size_t)_i)
			continue;
		snprintf(path, sizeof(path), SET "/%s", files[i][0]);
		b = vector_read(path);
		spill(files[i][0], blob_span(b));
		blob_unref(b);
	}
	snprintf(args, sizeof(args), "%s/" QUOTE " --collateral %s --at " AT,
	    vectors_dir(), dir);
	v = verify(args, &status);
	ck_assert_int_eq(status, 1);
	ck_assert_str_eq(first_reason(v), files[_i][1]);
	ck_assert_ptr_nonnull(
	    strstr(word(json_array_get(json_object_get(v, "reasons"), 0),
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

	dir_make("wrappings");
	scase_load("hcl-milan-v3", &c);
	b = blob_from(blob_span(c.hcl));
	must(cuts[_i].at < b->len);
	b->data[cuts[_i].at] = cuts[_i].v;
	spill("evidence", blob_span(b));
	spill("vcek.der", blob_span(c.vek));
	spill("chain.pem", blob_span(c.chain));
	snprintf(args, sizeof(args), "%s/evidence --collateral %s --at %lld",
	    dir, dir, (long long)c.at);
	v = verify(args, &status);
	ck_assert_int_eq(status, 1);
	ck_assert_str_eq(word(v, "evidence"), "invalid");
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
	Suite *s = suite_create("verify_cli");
	TCase *tc = tcase_create("vectors"), *own = tcase_create("own");
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
		tcase_add_test(tc, test_options);
		tcase_add_test(tc, test_what_cannot_be_judged_is_2);
		tcase_add_loop_test(tc, test_missing_pieces_are_named, 0, 7);
		tcase_add_test(tc, test_text_forms_of_quotes_are_judged);
		tcase_add_test(tc, test_text_forms_of_reports_are_judged);
		tcase_add_test(tc, test_what_is_evidence_is_never_decoded);
		tcase_add_loop_test(tc, test_broken_wrappings_are_judged, 0, 5);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(30);
	}
	tcase_add_test(own, test_garbage_is_rejected);
	tcase_add_test(own, test_text_of_too_much_is_unusable);
	suite_add_tcase(s, own);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
