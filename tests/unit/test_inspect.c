/*
 * larder inspect: every recorded file is shown, with the facts that were
 * recorded of it; what is cut or foreign is told so, and nothing falls over.
 */
#include "server/cli/inspect.h"

#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/snp.h"
#include "tests/kit/quote.h"
#include "tests/kit/run.h"
#include "tests/kit/vectors.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading ---------------------------------------------------------- */

static json_t *
inspect(struct span s)
{
	struct why why;
	json_t *o = inspect_any(s, 3, &why);

	ck_assert(o != NULL || why.err == ERR_OK || why.text[0] != '\0');
	return o;
}

static json_t *
inspect_file(const char *path)
{
	struct blob *b = vector_read(path);
	json_t *o;

	ck_assert_msg(b != NULL, "%s", path);
	o = inspect(blob_span(b));
	ck_assert_msg(o != NULL, "%s", path);
	blob_unref(b);
	return o;
}

static json_t *
json_file(const char *path)
{
	struct blob *b = vector_read(path);
	json_t *o = json_loadb((const char *)b->data, b->len, 0, NULL);

	must(o != NULL);
	blob_unref(b);
	return o;
}

static const char *
type_of(const json_t *o)
{
	return json_string_value(json_object_get(o, "type"));
}

/* The folders whose every file is evidence or collateral. */
static const char *const folders[] = {
	"sgx/quotes",
	"tdx/quotes",
	"tdx/quotes/padded",
	"sgx/pck",
	"tdx/pck",
	"sgx/raw",
	"tdx/raw",
	"sgx/roots",
	"tdx/roots",
	"sgx/signed",
	"tdx/signed",
	"sgx/synthetic",
	"tdx/synthetic",
	"snp/chains",
	"snp/crl",
	"snp/certs",
};
static const char *const nests[] = { "sgx/collateral", "tdx/collateral",
	"snp/reports" };

typedef void (*file_fn)(const char *path);

static size_t
each_in(const char *folder, file_fn fn)
{
	size_t n, i, done = 0;
	char **names = vnames(folder, &n);

	for (i = 0; i < n; i++) {
		/* A folder inside is looked at by its own name. */
		if (strstr(names[i], "/padded") != NULL &&
		    strcmp(folder, "tdx/quotes") == 0)
			continue;
		if (strstr(names[i], "expected.json") != NULL)
			continue;
		fn(names[i]);
		done++;
	}
	vnames_free(names, n);
	return done;
}

static size_t
each_file(file_fn fn)
{
	size_t i, k, n, done = 0;
	char **names;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		done += each_in(folders[i], fn);
	for (i = 0; i < sizeof(nests) / sizeof(nests[0]); i++) {
		names = vnames(nests[i], &n);
		for (k = 0; k < n; k++)
			done += each_in(names[k], fn);
		vnames_free(names, n);
	}
	return done;
}

/* --- every file ------------------------------------------------------- */

/* All of them in this process, some as they are installed. */
static void
check_program(const char *path)
{
	static unsigned n;
	char line[512];
	struct run r;

	json_decref(inspect_file(path));
	if (n++ % 5 != 0)
		return;
	snprintf(line, sizeof(line), "larder inspect %s/%s", vectors_dir(),
	    path);
	r = run_line("", line);
	ck_assert_msg(r.status == 0, "%s: %d %s", path, r.status, r.err.p);
	ck_assert_msg(strstr(r.out.p, "type ") != NULL, "%s", path);
	run_free(&r);
}

START_TEST(test_every_file_is_shown)
{
	ck_assert_uint_gt(each_file(check_program), 400);
}
END_TEST

/* Cut anywhere, with a bit turned, with more behind it: no over-read, and a
 * reason or a tree. */
static void
check_twins(const char *path)
{
	static const size_t parts[] = { 2, 3, 9, 100 };
	struct blob *b = vector_read(path), *twin;
	struct span s = blob_span(b);
	size_t i, at;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		/* In memory of just this length, for the sanitizer. */
		at = s.len - s.len / parts[i];
		twin = blob_new(s.p, at);
		json_decref(inspect(blob_span(twin)));
		blob_unref(twin);
		at = s.len / parts[i];
		if (at < s.len) {
			twin = flipped(s, at, (unsigned)i);
			json_decref(inspect(blob_span(twin)));
			blob_unref(twin);
		}
	}
	blob_unref(b);
}

START_TEST(test_twins_of_every_file)
{
	ck_assert_uint_gt(each_file(check_twins), 400);
}
END_TEST

/* --- facts of quotes -------------------------------------------------- */

static size_t
members_agree(const char *path, json_t *want, const json_t *have)
{
	const char *key, *h;
	json_t *w;
	size_t n = 0;

	json_object_foreach(want, key, w)
	{
		h = strcmp(key, "tee_tcb_svn2") == 0 ? "tee_tcb_svn_2" : key;
		ck_assert_msg(json_equal(w, json_object_get(have, h)), "%s: %s",
		    path, key);
		n++;
	}
	return n;
}

static const char *
body_name(const json_t *want)
{
	return json_integer_value(json_object_get(want, "tee_type")) == 0
		   ? "sgx"
		   : "tdx";
}

static void
quote_agrees(const char *path, const json_t *want)
{
	static const char *const names[] = { "version", "tee_type",
		"att_key_type", "quote_len", "qe_svn_field", "pce_svn_field",
		"user_data", "qe_auth_data", "certification_data_type",
		"certification_data_len" };
	json_t *o = inspect_file(path), *q = json_object_get(o, "quote"), *leaf;
	size_t i;

	ck_assert_str_eq(type_of(o), "quote");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(json_equal(json_object_get(want, names[i]),
				  json_object_get(q, names[i])),
		    "%s: %s", path, names[i]);
	ck_assert_uint_gt(members_agree(path, json_object_get(want, "body"),
			      json_object_get(o, body_name(want))),
	    6);
	ck_assert_uint_gt(members_agree(path,
			      json_object_get(want, "qe_report"),
			      json_object_get(q, "qe_report")),
	    6);
	leaf = json_array_get(json_object_get(json_object_get(o, "pck_chain"),
				  "certificates"),
	    0);
	if (json_object_get(want, "pck") != NULL)
		ck_assert_uint_gt(members_agree(path,
				      json_object_get(want, "pck"),
				      json_object_get(leaf, "pck")),
		    5);
	json_decref(o);
}

START_TEST(test_facts_of_quotes)
{
	static const char *const tees[] = { "sgx", "tdx" };
	char path[200];
	json_t *all, *want;
	const char *key;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/quotes.json", tees[_i]);
	all = json_file(path);
	json_object_foreach(json_object_get(all, "quotes"), key, want)
	{
		snprintf(path, sizeof(path), "%s/%s", tees[_i], key);
		quote_agrees(path, want);
		n++;
	}
	ck_assert_uint_gt(n, 10);
	json_decref(all);
}
END_TEST

/* --- facts of reports ------------------------------------------------- */

/* "extensions" of the recorded certificate -> our words. */
static json_t *
vek_fact(const json_t *vek, const char *name)
{
	const json_t *tcb = json_object_get(vek, "tcb");
	char part[16];
	size_t len = strlen(name);

	if (strcmp(name, "productName1") == 0)
		return json_object_get(vek, "product_name");
	if (strcmp(name, "hwID") == 0)
		return json_object_get(vek, "hwid");
	if (strcmp(name, "cspID") == 0)
		return json_object_get(vek, "csp_id");
	must(len > 3 && len < sizeof(part) + 3);
	snprintf(part, sizeof(part), "%.*s", (int)len - 3, name);
	return json_object_get(tcb, part);
}

static void
vek_agrees(const char *path, const json_t *want)
{
	json_t *o = inspect_file(path), *vek = json_object_get(o, "vek"), *w;
	const char *key;
	size_t n = 0;

	json_object_foreach(json_object_get(want, "extensions"), key, w)
	{
		/* What is always so and no part of a name is not shown. */
		if (strncmp(key, "spl", 3) == 0 ||
		    strcmp(key, "structVersion") == 0)
			continue;
		ck_assert_msg(json_equal(w, vek_fact(vek, key)), "%s: %s", path,
		    key);
		n++;
	}
	ck_assert_uint_ge(n, 6);
	ck_assert(json_equal(json_object_get(o, "sha256"),
	    json_object_get(want, "der_sha256")));
	ck_assert(json_equal(json_object_get(o, "not_after"),
	    json_object_get(want, "not_after")));
	json_decref(o);
}

static void
report_agrees(const char *folder)
{
	char path[200];
	json_t *want, *o;
	bool vlek;

	snprintf(path, sizeof(path), "%s/expected.json", folder);
	want = json_file(path);
	vlek = strcmp(json_string_value(json_object_get(want, "signing_key")),
		   "VLEK") == 0;
	snprintf(path, sizeof(path), "%s/report.bin", folder);
	o = inspect_file(path);
	ck_assert_uint_gt(members_agree(path, json_object_get(want, "report"),
			      json_object_get(o, "snp")),
	    20);
	json_decref(o);
	snprintf(path, sizeof(path), "%s/%s", folder,
	    vlek ? "vlek.der" : "vcek.der");
	vek_agrees(path, json_object_get(want, "vek"));
	json_decref(want);
}

START_TEST(test_facts_of_reports)
{
	size_t n, i;
	char **names = vnames("snp/reports", &n);

	for (i = 0; i < n; i++)
		report_agrees(names[i]);
	ck_assert_uint_ge(n, 12);
	vnames_free(names, n);
}
END_TEST

START_TEST(test_facts_of_collateral)
{
	json_t *o, *rows;

	o = inspect_file(
	    "tdx/collateral/tdx-90C06F000000-2026-02/tcb_info.json");
	ck_assert_str_eq(type_of(o), "tcb-info");
	ck_assert_int_eq(json_integer_value(
			     json_object_get(o, "tcb_evaluation_data_number")),
	    18);
	ck_assert_str_eq(json_string_value(json_object_get(o, "next_update")),
	    "2026-03-20T10:58:51Z");
	json_decref(o);
	o = inspect_file("tdx/collateral/tdx-B0C06F000000-2025-06/pck_crl.der");
	ck_assert_str_eq(type_of(o), "crl");
	rows = json_object_get(o, "revoked");
	ck_assert_uint_eq(json_array_size(rows), 44);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "n_revoked")),
	    44);
	json_decref(o);
	o = inspect_file(
	    "tdx/collateral/tdx-B0C06F000000-2025-06/qe_identity.json");
	ck_assert_str_eq(type_of(o), "enclave-identity");
	ck_assert_str_eq(json_string_value(json_object_get(o, "enclave")),
	    "tdqe");
	json_decref(o);
	o = inspect_file("snp/reports/milan-v2-thim/thim.json");
	ck_assert_str_eq(type_of(o), "thim");
	ck_assert_str_eq(type_of(json_object_get(o, "vcekCert")),
	    "certificate");
	ck_assert_str_eq(type_of(json_object_get(o, "certificateChain")),
	    "chain");
	json_decref(o);
	o = inspect_file("snp/reports/hcl-milan-v2/hcl_report.bin");
	ck_assert_str_eq(type_of(o), "hcl-report");
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(json_object_get(o, "hcl"),
				"runtime_data"),
		"vm-configuration"));
	json_decref(o);
	o = inspect_file("snp/reports/milan-v1-preproduction/report.bin");
	ck_assert_ptr_nonnull(
	    strstr(json_string_value(json_object_get(o, "problem")),
		"VERSION"));
	json_decref(o);
}
END_TEST

/* --- documents, through the program ----------------------------------- */

static const char *const tees[] = { "sgx", "tdx" };

/* "larder inspect FILE --json" with further options; NULL: exit 2. */
static json_t *
program_tree(const char *file, const char *options)
{
	char line[700];
	struct run r;
	json_t *o;

	snprintf(line, sizeof(line), "larder inspect %s/%s --json %s",
	    vectors_dir(), file, options);
	r = run_line("", line);
	ck_assert_msg(r.status == 0 || r.status == 2, "%s: %d", line, r.status);
	o = json_loadb(r.out.p, r.out.len, 0, NULL);
	ck_assert_msg((o != NULL) == (r.status == 0), "%s: %s", line, r.err.p);
	run_free(&r);
	return o;
}

static void
fact_is(const char *file, const json_t *want, const char *name,
    const json_t *have, const char *ours)
{
	const json_t *w = json_object_get(want, name);

	ck_assert_msg(json_is_null(w) ||
			  json_equal(w, json_object_get(have, ours)),
	    "%s: %s", file, name);
}

/* Intel writes it in either case. */
static void
fmspc_is(const char *file, const json_t *want, const json_t *have)
{
	const char *w = json_string_value(json_object_get(want, "fmspc"));
	const char *h = json_string_value(json_object_get(have, "fmspc"));

	ck_assert_msg(w == NULL || (h != NULL && strcasecmp(w, h) == 0), "%s",
	    file);
}

static void
signed_agrees(const char *tee, const json_t *want)
{
	char file[300], options[300];
	bool bad = json_is_false(json_object_get(want, "signature_ok"));
	json_t *o, *list;

	snprintf(file, sizeof(file), "%s/%s", tee,
	    json_string_value(json_object_get(want, "file")));
	snprintf(options, sizeof(options),
	    "--signer %s/sgx/collateral/sgx-00A067110000-2025-06/"
	    "tcb_info_issuer_chain.pem",
	    vectors_dir());
	o = program_tree(file, options);
	ck_assert_msg(o != NULL, "%s", file);
	fact_is(file, want, "signature_ok", o, "signature_ok");
	/* Dates in the year 3000 that end before they begin. */
	ck_assert_msg((json_object_get(o, "problem") != NULL) == bad, "%s",
	    file);
	if (!bad) {
		fmspc_is(file, want, o);
		fact_is(file, want, "tcbEvaluationDataNumber", o,
		    "tcb_evaluation_data_number");
		fact_is(file, want, "issueDate", o, "issue_date");
		fact_is(file, want, "nextUpdate", o, "next_update");
		fact_is(file, want, "body_sha256", o, "body_sha256");
		list = json_object_get(o, "levels");
		if (list == NULL)
			list = json_object_get(o, "numbers");
		ck_assert_msg((json_int_t)json_array_size(list) ==
				  json_integer_value(
				      json_object_get(want, "levels")),
		    "%s", file);
	}
	json_decref(o);
}

START_TEST(test_signed_documents)
{
	char path[32];
	json_t *all, *list, *one;
	size_t i;

	snprintf(path, sizeof(path), "%s/signed.json", tees[_i]);
	all = json_file(path);
	list = json_object_get(all, "documents");
	ck_assert_uint_ge(json_array_size(list), 10);
	json_array_foreach(list, i, one) signed_agrees(tees[_i], one);
	json_decref(all);
}
END_TEST

/* A shape that no reader may take is refused, or shown with a problem. */
START_TEST(test_shapes_of_documents)
{
	char file[300];
	json_t *all = json_file("sgx/json.json"), *one, *o;
	json_t *list = json_object_get(all, "documents");
	bool good;
	size_t i;

	ck_assert_uint_gt(json_array_size(list), 25);
	json_array_foreach(list, i, one)
	{
		snprintf(file, sizeof(file), "sgx/%s",
		    json_string_value(json_object_get(one, "file")));
		good = strcmp(json_string_value(json_object_get(one, "shape")),
			   "ok") == 0;
		o = program_tree(file, "");
		ck_assert_msg((o != NULL && json_object_get(o, "problem") ==
						NULL) == good,
		    "%s", file);
		json_decref(o);
	}
	json_decref(all);
}
END_TEST

START_TEST(test_signer_of_something_else)
{
	json_t *o;
	char options[300];

	snprintf(options, sizeof(options),
	    "--signer %s/sgx/roots/intel-sgx-root-2049.pem", vectors_dir());
	o = program_tree("sgx/collateral/sgx-00A067110000-2025-06/"
			 "tcb_info.json",
	    options);
	ck_assert(json_is_false(json_object_get(o, "signature_ok")));
	json_decref(o);
	ck_assert_ptr_null(program_tree("snp/crl/genoa.vcek.crl.der", options));
	ck_assert_ptr_null(
	    program_tree("sgx/collateral/"
			 "sgx-00A067110000-2025-06/tcb_info.json",
		"--signer /nonexistent"));
}
END_TEST

/* --- wrappings -------------------------------------------------------- */

static struct blob *
made_quote(void)
{
	struct pki *pki = pki_new("inspect", 1800000000);
	struct kit_quote q = { .version = 4, .tee = TEE_TDX };
	struct blob *b;

	q.pck.ca = PCK_CA_PLATFORM;
	q.pck.comp[3] = 7;
	b = kit_quote(pki, &q);
	pki_free(pki);
	return b;
}

static void
shown_alike(const json_t *want, struct span s)
{
	json_t *o = inspect(s);

	ck_assert_ptr_nonnull(o);
	ck_assert(json_equal((json_t *)(uintptr_t)want, o));
	json_decref(o);
}

START_TEST(test_text_forms_are_the_same)
{
	struct blob *b = made_quote();
	json_t *want = inspect(blob_span(b));
	struct buf t = BUF_INIT;

	ck_assert_str_eq(type_of(want), "quote");
	buf_hex(&t, blob_span(b));
	buf_str(&t, "\n");
	shown_alike(want, buf_view(&t));
	buf_free(&t);
	t = BUF_INIT;
	buf_base64(&t, blob_span(b));
	shown_alike(want, buf_view(&t));
	buf_free(&t);
	t = BUF_INIT;
	buf_base64url(&t, blob_span(b));
	shown_alike(want, buf_view(&t));
	buf_free(&t);
	json_decref(want);
	blob_unref(b);
}
END_TEST

/* One byte missing is one too few; binary formats have no slack. */
START_TEST(test_cut_quote_is_none)
{
	struct blob *b = made_quote(), *cut;
	struct why why;
	size_t at;

	for (at = 0; at < b->len - 2; at += 7) {
		cut = blob_new(b->data, at);
		ck_assert_msg(inspect_any(blob_span(cut), 3, &why) == NULL,
		    "%zu", at);
		/* Short of its head it is nothing that could be named. */
		ck_assert_msg(at < 5 || why.text[0] != '\0', "%zu", at);
		blob_unref(cut);
	}
	blob_unref(b);
}
END_TEST

static struct blob *
made_report(void)
{
	unsigned char r[SNP_REPORT_LEN] = { 0 };

	r[0] = 3;
	r[0x0a] = 3;
	r[0x34] = 1;
	r[0x188] = 0x19;
	r[0x189] = 0x01;
	r[0x2a0] = r[0x2e8] = 1;
	memset(r + 0x1a0, 0xab, 64);
	return blob_new(r, sizeof(r));
}

/* The report inside is shown alike, whatever it comes in. */
static void
form_is(struct span s, const char *type, const json_t *want)
{
	json_t *o = inspect(s), *have = json_object_get(o, "snp");

	ck_assert_ptr_nonnull(have);
	ck_assert_str_eq(type_of(o), type);
	ck_assert(json_equal((json_t *)(uintptr_t)want, have));
	json_decref(o);
}

START_TEST(test_forms_of_reports)
{
	static const unsigned char head[32] = { 0, 0, 0, 0, 0xa0, 4 };
	static const unsigned char none[24];
	struct blob *r = made_report();
	json_t *o = inspect(blob_span(r)), *want;
	struct buf b = BUF_INIT;

	ck_assert_str_eq(type_of(o), "snp-report");
	want = json_object_get(o, "snp");
	ck_assert_str_eq(json_string_value(json_object_get(want, "cpuid_fms")),
	    "190100");
	buf_add(&b, head, sizeof(head));
	buf_span(&b, blob_span(r));
	form_is(buf_view(&b), "snp-response", want);
	buf_free(&b);
	b = BUF_INIT;
	buf_span(&b, blob_span(r));
	buf_add(&b, none, sizeof(none));
	form_is(buf_view(&b), "snp-extended-report", want);
	buf_free(&b);
	json_decref(o);
	blob_unref(r);
}
END_TEST

/* A PCCS upload: documents as objects, CRLs in hex, further down. */
START_TEST(test_upload_of_pccs)
{
	struct pki *pki = pki_new("inspect", 1800000000);
	struct pki_tcbinfo ti = { .tee = TEE_SGX, .fmspc = "00606A000000" };
	struct pki_crl crl = { .issuer = PKI_PLATFORM_CA };
	struct pki_doc doc = pki_tcbinfo(pki, &ti);
	struct blob *der = pki_crl(pki, &crl);
	struct buf b = BUF_INIT;
	json_t *o, *c, *one;

	buf_str(&b, "{\"platforms\":[],\"collaterals\":{\"version\":4,"
		    "\"tcbinfos\":[{\"sgx_tcbinfo\":");
	buf_span(&b, blob_span(doc.body));
	buf_str(&b, "}],\"pckcacrl\":{\"platformCrl\":\"");
	buf_hex(&b, blob_span(der));
	buf_str(&b, "\"}}}");
	o = inspect(buf_view(&b));
	ck_assert_str_eq(type_of(o), "pccs-collateral");
	c = json_object_get(o, "collaterals");
	one = json_array_get(json_object_get(c, "tcbinfos"), 0);
	one = json_object_get(one, "sgx_tcbinfo");
	ck_assert_str_eq(type_of(one), "tcb-info");
	/* Of bytes that were not kept there is no digest. */
	ck_assert_ptr_null(json_object_get(one, "body_sha256"));
	one = json_object_get(json_object_get(c, "pckcacrl"), "platformCrl");
	ck_assert_str_eq(type_of(one), "crl");
	json_decref(o);
	buf_free(&b);
	blob_unref(der);
	pki_doc_fini(&doc);
	pki_free(pki);
}
END_TEST

/* --- Open Enclave's endorsements -------------------------------------- */

static void
add_le(struct buf *b, uint64_t v, size_t n)
{
	unsigned char c;

	for (; n > 0; n--, v >>= 8) {
		c = (unsigned char)(v & 0xff);
		buf_add(b, &c, 1);
	}
}

/* A library's struct of seven texts as it stood in memory; move: how far the
 * last pointer is from where its text stood. */
static struct buf
endorsements(uint32_t tee, const char *const texts[7], uint64_t move)
{
	uint64_t at = 0x7f0012345678;
	struct buf b = BUF_INIT;
	size_t i;

	add_le(&b, 3, 2);
	add_le(&b, 1, 2);
	add_le(&b, tee, 4);
	for (i = 0; i < 7; i++) {
		add_le(&b, at + (i == 6 ? move : 0), 8);
		add_le(&b, strlen(texts[i]) + 1, 8);
		at += strlen(texts[i]) + 1;
	}
	for (i = 0; i < 7; i++)
		buf_add(&b, texts[i], strlen(texts[i]) + 1);
	return b;
}

START_TEST(test_endorsements_of_open_enclave)
{
	struct pki *pki = pki_new("oe", 1780272000);
	struct pki_tcbinfo t = { .tee = TEE_SGX, .fmspc = "00906ED50000" };
	struct pki_crl c = { .issuer = PKI_ROOT };
	struct pki_doc doc = pki_tcbinfo(pki, &t);
	struct blob *der = pki_crl(pki, &c), *pem;
	struct buf hex = BUF_INIT, b, twin;
	const char *texts[7];
	json_t *o;
	size_t i;

	pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	buf_hex(&hex, blob_span(der));
	buf_add(&hex, "", 1);
	for (i = 0; i < 7; i++)
		texts[i] = (const char *)pem->data;
	texts[1] = hex.p;
	texts[4] = (const char *)doc.body->data;
	texts[6] = "hello";
	b = endorsements(TEE_SGX, texts, 0);
	o = inspect(buf_view(&b));
	ck_assert_str_eq(type_of(o), "oe-endorsements");
	ck_assert_str_eq(json_string_value(json_object_get(o, "version")),
	    "3.1");
	ck_assert_str_eq(json_string_value(json_object_get(o, "tee")), "sgx");
	ck_assert_str_eq(type_of(json_object_get(o, "root_ca_crl")), "crl");
	ck_assert_str_eq(type_of(json_object_get(o, "pck_crl_issuer_chain")),
	    "chain");
	ck_assert_str_eq(type_of(json_object_get(o, "tcb_info")), "tcb-info");
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(o, "qe_identity"), "problem"));
	json_decref(o);
	/* Cut or longer, another TEE, a pointer that points elsewhere: it is
	 * nothing, and not something else that is broken. */
	for (i = 0; i < 3; i++) {
		twin = i == 0 ? endorsements(7, texts, 0)
			      : endorsements(TEE_SGX, texts, i == 1 ? 1 : 0);
		if (i == 2)
			buf_add(&twin, "x", 1);
		ck_assert_ptr_null(inspect(buf_view(&twin)));
		buf_free(&twin);
	}
	for (i = 1; i < b.len; i += 97)
		json_decref(inspect(span_of(b.p, b.len - i)));
	buf_free(&b);
	buf_free(&hex);
	blob_unref(der);
	blob_unref(pem);
	pki_doc_fini(&doc);
	pki_free(pki);
}
END_TEST

/* Long enough for a report, begun as one, and none: nothing is said of what a
 * report would have. */
START_TEST(test_a_small_number_makes_no_report)
{
	unsigned char bytes[3000];
	struct why why;

	memset(bytes, 0xa5, sizeof(bytes));
	memset(bytes, 0, 4);
	bytes[0] = (unsigned char)_i;
	ck_assert_ptr_null(inspect_any(span_of(bytes, sizeof(bytes)), 3, &why));
	ck_assert_int_eq(why.err, ERR_OK);
}
END_TEST

/* --- the program ------------------------------------------------------ */

static void
program_says(const char *text, int status, const char *says)
{
	char line[300];
	struct run r;

	run_spill("file", text);
	snprintf(line, sizeof(line), "larder inspect %s", run_path("file"));
	r = run_line("", line);
	ck_assert_msg(r.status == status, "%s: %d", text, r.status);
	ck_assert_msg(strstr(r.out.p, says) != NULL ||
			  strstr(r.err.p, says) != NULL,
	    "%s: %s%s", text, r.out.p, r.err.p);
	run_free(&r);
}

START_TEST(test_garbage_is_2)
{
	struct run r;

	program_says("", 2, "no format");
	program_says("hello, world", 2, "no format");
	program_says("deadbeef", 2, "no format");
	program_says("{\"a\": 1}", 2, "no format");
	program_says("{\"a\": ", 2, "line 1");
	program_says("-----BEGIN CERTIFICATE-----\nAAAA\n", 2, "PEM");
	program_says("{\"tcbInfo\":{},\"signature\":\"\"}", 0, "problem");
	r = run_line("", "larder inspect /nonexistent");
	ck_assert_int_eq(r.status, 2);
	run_free(&r);
}
END_TEST

/* A document may hold others, and those others, but not without end. */
START_TEST(test_nesting_ends)
{
	struct buf b = BUF_INIT, next;
	char *text;
	json_t *o;
	size_t i;

	buf_str(&b, "{\"a\":\"{}\"}");
	for (i = 0; i < 8; i++) {
		o = json_stringn(b.p, b.len);
		text = json_dumps(o, JSON_ENCODE_ANY);
		next = BUF_INIT;
		buf_printf(&next, "{\"a\":%s}", text);
		free(text);
		json_decref(o);
		buf_free(&b);
		b = next;
	}
	ck_assert_ptr_null(inspect(buf_view(&b)));
	buf_free(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("inspect");
	TCase *tc = tcase_create("vectors"), *own = tcase_create("own");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 120);
	if (vectors_present()) {
		tcase_add_test(tc, test_every_file_is_shown);
		tcase_add_test(tc, test_twins_of_every_file);
		tcase_add_loop_test(tc, test_facts_of_quotes, 0, 2);
		tcase_add_test(tc, test_facts_of_reports);
		tcase_add_test(tc, test_facts_of_collateral);
		tcase_add_loop_test(tc, test_signed_documents, 0, 2);
		tcase_add_test(tc, test_shapes_of_documents);
		tcase_add_test(tc, test_signer_of_something_else);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(10);
	}
	tcase_add_test(own, test_text_forms_are_the_same);
	tcase_add_test(own, test_cut_quote_is_none);
	tcase_add_test(own, test_forms_of_reports);
	tcase_add_test(own, test_upload_of_pccs);
	tcase_add_test(own, test_endorsements_of_open_enclave);
	tcase_add_loop_test(own, test_a_small_number_makes_no_report, 2, 6);
	tcase_add_test(own, test_garbage_is_2);
	tcase_add_test(own, test_nesting_ends);
	suite_add_tcase(s, own);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
