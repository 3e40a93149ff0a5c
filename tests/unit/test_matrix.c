/*
 * The one-bit matrix: for every recorded case that is genuine, and for made
 * ones of every kind, each signed or bound field of the evidence and of its
 * collateral changed in one bit is rejected, and the first reason names the
 * check that must notice.
 */
#include "server/appraise/verify.h"

#include "config/base/must.h"
#include "tests/kit/forge.h"
#include "tests/kit/mutant.h"
#include "tests/kit/scase.h"
#include "tests/kit/snp_made.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct require defaults;

/* One case while it is gone through. */
struct bench {
	const char *name;
	struct appraisal a;
	struct span evidence;
	struct intel_bytes in; /* of a quote */
	struct span *piece;    /* in "in" or "snp": what is changed */
	struct snp_bytes snp;  /* of a report */
	const struct amd_anchors *pins;
	size_t n;
};

static void
judged(struct bench *b, const struct evidence *e, const struct mutant *m)
{
	struct verdict v;

	verdict_make(e, &b->a, &v);
	ck_assert_msg(!v.accepted && !v.valid && v.reasons.n > 0,
	    "%s: %s.%s: accepted", b->name, m->piece, m->field);
	ck_assert_msg(word_in(v.reasons.v[0].check, m->checks),
	    "%s: %s.%s: %s (%s), not %s", b->name, m->piece, m->field,
	    v.reasons.v[0].check, v.reasons.v[0].found, m->checks);
	verdict_fini(&v);
	b->n++;
}

/* The evidence itself is changed; collateral is kept. */
static void
try_evidence(void *arg, const struct mutant *m)
{
	struct bench *b = arg;
	struct evidence e;

	evidence_read(m->bytes, &e);
	judged(b, &e, m);
	evidence_fini(&e);
}

/* A piece of collateral is changed, and read anew. */
static void
try_collateral(void *arg, const struct mutant *m)
{
	struct bench *b = arg;
	struct span good = *b->piece;
	struct evidence e;

	*b->piece = m->bytes;
	evidence_read(b->evidence, &e);
	if (b->pins == NULL)
		b->a.set = intel_set_read(&b->in, b->a.intel);
	else
		b->a.snp_set = snp_set_read(&b->snp, b->pins);
	judged(b, &e, m);
	evidence_fini(&e);
	intel_set_unref(b->a.set);
	snp_set_unref(b->a.snp_set);
	b->a.set = NULL;
	b->a.snp_set = NULL;
	*b->piece = good;
}

/* --- quotes ----------------------------------------------------------- */

static void
collateral_of(struct bench *b, struct mutants *m)
{
	m->fn = try_collateral;
	b->piece = &b->in.tcb_info;
	mutants_document(m, "tcb_info", "tcb-info", *b->piece);
	b->piece = &b->in.qe_identity;
	mutants_document(m, "qe_identity", "qe-identity", *b->piece);
	b->piece = &b->in.tcb_info_chain;
	mutants_chain(m, "tcb_info_chain", "tcb-info", *b->piece);
	b->piece = &b->in.qe_identity_chain;
	mutants_chain(m, "qe_identity_chain", "qe-identity", *b->piece);
	b->piece = &b->in.root_crl;
	mutants_crl(m, "root_crl", "crl", *b->piece);
	b->piece = &b->in.pck_crl;
	mutants_crl(m, "pck_crl", "crl", *b->piece);
	b->piece = &b->in.pck_crl_chain;
	mutants_chain(m, "pck_crl_chain", "crl", *b->piece);
}

/* Documents written in another way than Intel writes them cannot be cut into
 * fields here; such cases are about just that, and few. */
static bool
is_plain(const struct vcase *c)
{
	const struct vset *s = c->set;

	return s->root_crl->len > 2 && s->root_crl->data[0] == 0x30 &&
	       s->pck_crl->len > 2 && s->pck_crl->data[0] == 0x30 &&
	       span_starts(blob_span(s->tcb_chain), "-----BEGIN CERT") &&
	       span_starts(blob_span(s->tcb_info), "{\"tcbInfo\"");
}

/* Fields of the quote all, of chains and collateral every nth. */
static size_t
matrix_quote(const struct vcase *c, unsigned salt, unsigned every)
{
	struct bench b = { .name = c->name,
		.a = { .intel = c->set->anchors,
		    .require = { &defaults, NULL },
		    .at = c->at,
		    .hint = AMD_PRODUCT_N },
		.evidence = blob_span(c->quote),
		.in = vcase_bytes(c->set) };
	struct mutants m = { try_evidence, &b, salt, 0, 0 };
	struct evidence e;
	struct verdict v;
	bool genuine;

	evidence_read(b.evidence, &e);
	b.a.set = intel_set_read(&b.in, b.a.intel);
	verdict_make(&e, &b.a, &v);
	genuine = v.valid;
	if (genuine) {
		b.a.pck = intel_pck_ref(v.intel.pck);
		mutants_quote(&m, b.evidence);
		m.every = every;
		mutants_quote_chain(&m, b.evidence);
	}
	verdict_fini(&v);
	evidence_fini(&e);
	intel_set_unref(b.a.set);
	b.a.set = NULL;
	if (genuine && is_plain(c))
		collateral_of(&b, &m);
	intel_pck_unref(b.a.pck);
	return b.n;
}

static const char *const tees[] = { "sgx", "tdx" };
#define EVERY 20 /* of some hundred fields of collateral */

START_TEST(test_real_quotes)
{
	struct vcase c;
	json_t *all, *cases;
	char path[40];
	size_t i, n = 0;

	snprintf(path, sizeof(path), "%s/cases.json", tees[_i]);
	all = vector_json(path);
	cases = json_object_get(all, "cases");
	for (i = 0; i < json_array_size(cases); i++) {
		vcase_real(tees[_i], json_array_get(cases, i), &c);
		n += matrix_quote(&c, (unsigned)i, EVERY);
		vcase_fini(&c);
	}
	ck_assert_uint_gt(n, 1500);
	json_decref(all);
}
END_TEST

START_TEST(test_synthetic_quotes)
{
	char path[40], **names;
	struct vcase c;
	size_t i, k, n = 0;

	snprintf(path, sizeof(path), "%s/synthetic", tees[_i]);
	names = vnames(path, &k);
	for (i = 0; i < k; i++) {
		vcase_synthetic(names[i], &c);
		n += matrix_quote(&c, 1000 + (unsigned)i, EVERY);
		vcase_fini(&c);
	}
	ck_assert_uint_gt(n, 1500);
	vnames_free(names, k);
}
END_TEST

/* One case of each kind with every field there is. */
START_TEST(test_every_field)
{
	static const char *const paths[] = { "sgx/synthetic/s001.json",
		"tdx/synthetic/t001.json", "tdx/synthetic/t034.json" };
	struct vcase c;

	vcase_synthetic(paths[_i], &c);
	ck_assert_uint_gt(matrix_quote(&c, 77, 1), 180);
	vcase_fini(&c);
}
END_TEST

/* --- reports ---------------------------------------------------------- */

#define VEK_CHECKS                                                             \
	"SNP_ERR_CERT_FORMAT SNP_ERR_KEY_KIND_MISMATCH SNP_ERR_CHAIN "         \
	"SNP_ERR_CERT_PRODUCT"
#define CHAIN_CHECKS "SNP_ERR_CERT_FORMAT SNP_ERR_CHAIN"
#define CRL_CHECKS   "SNP_ERR_CRL_FORMAT SNP_ERR_CRL_ISSUER SNP_ERR_CRL_SIGNATURE"

static void
matrix_evidence(struct bench *b, const struct scase *c, struct mutants *m)
{
	mutants_report(m, blob_span(c->report), c->vlek);
	if (c->hcl != NULL)
		mutants_hcl(m, blob_span(c->hcl));
	ck_assert_uint_gt(b->n, 30);
}

START_TEST(test_reports)
{
	struct snp_set *set;
	struct scase c;
	unsigned salt;
	size_t n;

	scase_load(scase_names[_i], &c);
	struct bench b = { .name = c.name,
		.a = { .require = { &defaults, NULL },
		    .at = c.at,
		    .hint = AMD_PRODUCT_N },
		.evidence = blob_span(c.report),
		.snp = { .vek = blob_span(c.vek), .chain = blob_span(c.chain) },
		.pins = &c.pins };
	if (strcmp(vector_text(json_object_get(c.expected, "expect"),
		       "overall"),
		"ACCEPT") != 0)
		goto out;
	set = snp_set_read(&b.snp, &c.pins);
	for (salt = 0; salt < 3; salt++) {
		struct mutants m = { try_evidence, &b, salt, 0, 0 };

		b.a.snp_set = set;
		matrix_evidence(&b, &c, &m);
		b.a.snp_set = NULL;
		m.fn = try_collateral;
		n = b.n;
		b.piece = &b.snp.vek;
		mutants_cert(&m, "vek", VEK_CHECKS, b.snp.vek);
		b.piece = &b.snp.chain;
		mutants_chain(&m, "chain", CHAIN_CHECKS, b.snp.chain);
		ck_assert_uint_ge(b.n - n, 27);
	}
	snp_set_unref(set);
out:
	scase_fini(&c);
}
END_TEST

/* The one genuine list, at a time when the report's key is valid, too. */
START_TEST(test_report_with_its_list)
{
	struct blob *crl = vector_read("snp/crl/genoa.vcek.crl.der");
	struct scase c;
	struct bench b = { .name = "genoa with its list",
		.a = { .require = { &defaults, NULL },
		    .at = 1785211643, /* thisUpdate */
		    .hint = AMD_PRODUCT_N } };
	struct mutants m = { try_collateral, &b, 0, 0, 0 };

	scase_load("genoa-v3-aci", &c);
	b.evidence = blob_span(c.report);
	b.snp = (struct snp_bytes){ .vek = blob_span(c.vek),
		.chain = blob_span(c.chain),
		.crl = blob_span(crl) };
	b.pins = &c.pins;
	b.piece = &b.snp.crl;
	for (m.salt = 0; m.salt < 8; m.salt++)
		mutants_crl(&m, "crl", CRL_CHECKS, b.snp.crl);
	ck_assert_uint_ge(b.n, 64);
	scase_fini(&c);
	blob_unref(crl);
}
END_TEST

/* --- made evidence: what the vectors have none of ---------------------- */

static const struct {
	const char *name;
	enum tee tee;
	unsigned version, body_type;
} made_quotes[] = {
	{ "v3", TEE_SGX, 3, 0 },
	{ "v4 sgx", TEE_SGX, 4, 0 },
	{ "v5 sgx", TEE_SGX, 5, 1 },
	{ "v4 tdx", TEE_TDX, 4, 0 },
	{ "v5 td 1.0", TEE_TDX, 5, 2 },
	{ "v5 td 1.5", TEE_TDX, 5, 3 },
	{ "v5 td 1.5 extended", TEE_TDX, 5, 4 },
};

START_TEST(test_made_quotes)
{
	struct pki *pki = pki_new("matrix", FORGE_NOW);
	struct vset *set;
	struct vcase c = { .at = FORGE_NOW + 60 };
	struct forge f;

	forge_init(&f, pki, made_quotes[_i].tee);
	f.q.version = made_quotes[_i].version;
	f.q.body_type = made_quotes[_i].body_type;
	set = forge_pieces(&f);
	c.set = set;
	c.quote = kit_quote(pki, &f.q);
	snprintf(c.name, sizeof(c.name), "%s", made_quotes[_i].name);
	ck_assert_uint_gt(matrix_quote(&c, (unsigned)_i, 1), 180);
	ck_assert_uint_gt(matrix_quote(&c, 50 + (unsigned)_i, 8), 60);
	vcase_fini(&c);
	pki_free(pki);
}
END_TEST

/* Every product with a VCEK and with a VLEK, versions 2 to 5. */
START_TEST(test_made_reports)
{
	struct pki_amd *pki = pki_amd_new("matrix", FORGE_NOW);
	struct amd_anchors pins = pki_amd_anchors();
	enum amd_product product = (enum amd_product)(_i / 2);
	enum amd_side side = _i % 2 == 0 ? AMD_VCEK : AMD_VLEK;
	struct pki_vek v = { .product = product,
		.side = side,
		.spl = { product == AMD_TURIN, 4, 1, 24, 219 } };
	struct pki_amd_chain chain = { .product = product, .side = side };
	struct pki_amd_crl list = { .product = product, .side = side };
	struct blob *vek, *pem, *crl, *report;
	struct bench b = { .name = "made report",
		.a = { .require = { &defaults, NULL },
		    .at = FORGE_NOW + 60,
		    .hint = AMD_PRODUCT_N },
		.pins = &pins };
	struct mutants m = { try_evidence, &b, (unsigned)_i, 0, 0 };
	struct snp_report r;
	struct snp_set *set;
	uint32_t version;

	memset(v.hwid, 0x5a, amd_hwid_len(product));
	vek = pki_vek(pki, &v);
	pem = pki_amd_chain(pki, &chain);
	crl = pki_amd_crl(pki, &list);
	b.snp = (struct snp_bytes){ blob_span(vek), blob_span(pem),
		blob_span(crl) };
	set = snp_set_read(&b.snp, &pins);
	b.a.snp_set = set;
	for (version = 2; version <= 5; version++) {
		r = snp_made_report(&v, version);
		report = snp_made(pki, &v, &r);
		mutants_report(&m, blob_span(report), side == AMD_VLEK);
		if (version < 5)
			blob_unref(report);
	}
	b.a.snp_set = NULL;
	m.fn = try_collateral;
	b.evidence = blob_span(report);
	b.piece = &b.snp.vek;
	mutants_cert(&m, "vek", VEK_CHECKS, b.snp.vek);
	b.piece = &b.snp.chain;
	mutants_chain(&m, "chain", CHAIN_CHECKS, b.snp.chain);
	b.piece = &b.snp.crl;
	mutants_crl(&m, "crl", CRL_CHECKS, b.snp.crl);
	ck_assert_uint_gt(b.n, 150);
	snp_set_unref(set);
	blob_unref(report);
	blob_unref(vek);
	blob_unref(pem);
	blob_unref(crl);
	pki_amd_anchors_drop(&pins);
	pki_amd_free(pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("matrix");
	TCase *tc = tcase_create("vectors"), *made = tcase_create("made");
	SRunner *r = srunner_create(s);
	int failed;

	require_init(&defaults, true);
	tcase_set_timeout(tc, 240);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_real_quotes, 0, 2);
		tcase_add_loop_test(tc, test_synthetic_quotes, 0, 2);
		tcase_add_loop_test(tc, test_every_field, 0, 3);
		tcase_add_loop_test(tc, test_reports, 0, (int)scase_n);
		tcase_add_test(tc, test_report_with_its_list);
		suite_add_tcase(s, tc);
	} else {
		vectors_skipped(8 + (unsigned)scase_n);
	}
	tcase_set_timeout(made, 120);
	tcase_add_loop_test(made, test_made_quotes, 0,
	    (int)(sizeof(made_quotes) / sizeof(made_quotes[0])));
	tcase_add_loop_test(made, test_made_reports, 0, 2 * AMD_PRODUCT_N);
	suite_add_tcase(s, made);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	require_fini(&defaults);
	return failed == 0 ? 0 : 1;
}
