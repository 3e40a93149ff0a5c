/*
 * Verdicts on evidence made here: each version and body type, statuses of
 * platform, QE and module, and each of it changed. Needs no vectors.
 */
#include "server/appraise/appraise.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdlib.h>

struct made {
	const char *name;
	unsigned version, body_type;
	enum tee tee;
	/* of the platform: the first component; of the QE; of the module */
	uint8_t comp, qe_svn, launch, current;
	enum tcb_status want;
};

static const struct pki_level made_levels[] = {
	{ { 3 }, { 0 }, 5, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ { 2 }, { 0 }, 5, "2023-03-13T00:00:00Z", "ConfigurationNeeded",
	    "INTEL-SA-00002" },
	{ { 1 }, { 0 }, 5, "2022-03-13T00:00:00Z", "OutOfDate",
	    "INTEL-SA-00001" },
	{ { 0 }, { 0 }, 5, "2021-03-13T00:00:00Z", "Revoked", NULL },
};
static const struct pki_svn made_svns[] = {
	{ 3, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ 2, "2023-03-13T00:00:00Z", "OutOfDate", "INTEL-SA-00003" },
	{ 1, "2021-03-13T00:00:00Z", "Revoked", NULL },
};
static const struct pki_module made_module = { "TDX_01", 3, made_svns };

static const struct made made[] = {
	{ "v3", 3, 0, TEE_SGX, 3, 3, 0, 0, TCB_UP_TO_DATE },
	{ "v4 sgx", 4, 0, TEE_SGX, 2, 3, 0, 0, TCB_CONFIGURATION_NEEDED },
	{ "v5 sgx", 5, 1, TEE_SGX, 3, 2, 0, 0, TCB_OUT_OF_DATE },
	{ "qe revoked", 3, 0, TEE_SGX, 3, 1, 0, 0, TCB_REVOKED },
	{ "platform revoked", 4, 0, TEE_TDX, 0, 3, 3, 0, TCB_REVOKED },
	{ "v4 tdx", 4, 0, TEE_TDX, 3, 3, 3, 0, TCB_UP_TO_DATE },
	{ "module old", 4, 0, TEE_TDX, 2, 3, 2, 0,
	    TCB_OUT_OF_DATE_CONFIGURATION_NEEDED },
	{ "v5 1.0", 5, 2, TEE_TDX, 1, 3, 3, 0, TCB_OUT_OF_DATE },
	{ "relaunch", 5, 3, TEE_TDX, 3, 3, 2, 3, TCB_TD_RELAUNCH_ADVISED },
	{ "relaunch, configuration", 5, 4, TEE_TDX, 2, 3, 2, 3,
	    TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
	{ "no relaunch with an old QE", 5, 3, TEE_TDX, 3, 2, 2, 3,
	    TCB_OUT_OF_DATE },
	{ "worse than at launch", 5, 4, TEE_TDX, 3, 3, 3, 1, TCB_UP_TO_DATE },
};

static struct blob *
made_quote(const struct pki *pki, const struct made *m)
{
	static const char *const signers[] = {
		"8c4f5775d796503e96137f77c68a829a"
		"0056ac8ded70140b081b094490c57bff",
		"dc9e2a7c6f948f17474e34a7fc43ed03"
		"0f7c1563f1babddf6340c82e0e54a8c5",
	};
	unsigned char body[885] = { 0 }, qe[320] = { 0 };
	struct kit_quote q = { .version = m->version, .tee = m->tee };
	bool tdx = m->tee == TEE_TDX;

	q.body_type = m->body_type;
	q.body = body;
	q.qe_report = qe;
	q.pck.ca = PCK_CA_PLATFORM;
	q.pck.sgx_type = 1;
	q.pck.pcesvn = 5;
	q.pck.comp[0] = m->comp;
	q.pck.fmspc[0] = 0x90;
	if (tdx) {
		body[0] = m->launch;
		body[584] = m->current;
		body[1] = body[585] = 1;
	}
	qe[48] = 0x11;
	must(hex_read(span_str(signers[tdx]), qe + 128, 32) == ERR_OK);
	qe[256] = tdx ? 2 : 1;
	qe[258] = m->qe_svn;
	return kit_quote(pki, &q);
}

static struct intel_set *
made_set(const struct pki *pki, enum tee tee, const struct anchors *anchors)
{
	struct pki_tcbinfo ti = { .tee = tee,
		.fmspc = "900000000000",
		.n_levels = 4,
		.levels = made_levels,
		.n_modules = 1,
		.modules = &made_module };
	struct pki_identity id = { .enclave = tee == TEE_TDX ? ENCLAVE_TDQE
							     : ENCLAVE_QE,
		.n_levels = 3,
		.levels = made_svns };
	struct pki_crl root = { .issuer = PKI_ROOT };
	struct pki_crl pck = { .issuer = PKI_PLATFORM_CA };
	struct pki_doc t = pki_tcbinfo(pki, &ti), d = pki_identity(pki, &id);
	struct blob *root_crl = pki_crl(pki, &root);
	struct blob *pck_crl = pki_crl(pki, &pck);
	struct blob *ca = pki_chain_pem(pki, PKI_PLATFORM_CA);
	struct intel_bytes in = { .tcb_info = blob_span(t.body),
		.tcb_info_chain = blob_span(t.chain),
		.qe_identity = blob_span(d.body),
		.qe_identity_chain = blob_span(d.chain),
		.root_crl = blob_span(root_crl),
		.pck_crl = blob_span(pck_crl),
		.pck_crl_chain = blob_span(ca) };
	struct intel_set *set;

	set = intel_set_read(&in, anchors);
	blob_unref(root_crl);
	blob_unref(pck_crl);
	blob_unref(ca);
	pki_doc_fini(&t);
	pki_doc_fini(&d);
	return set;
}

START_TEST(test_made_evidence)
{
	const struct made *m = &made[_i];
	struct pki *pki = pki_new("verdict", 1780272000);
	struct anchors *anchors = anchors_of(pki_root_spki_hex(pki));
	struct intel_set *set = made_set(pki, m->tee, anchors);
	struct blob *quote = made_quote(pki, m), *twin;
	struct intel_verdict v;

	intel_verify(blob_span(quote), set, NULL, anchors, 1780272000, &v);
	ck_assert_msg(v.valid, "%s: %s: %s", m->name, intel_stage_name(v.stage),
	    v.why.text);
	ck_assert_msg(v.tcb_status == m->want, "%s: %s", m->name,
	    tcb_status_name(v.tcb_status));
	ck_assert_int_eq(v.has_current, m->body_type >= 3);
	ck_assert_str_eq(intel_time_name(&v), "ok");
	intel_verdict_fini(&v);
	twin = flipped(blob_span(quote), 200, 0);
	intel_verify(blob_span(twin), set, NULL, anchors, 1780272000, &v);
	ck_assert(!v.valid && v.stage == STAGE_QUOTE_SIGNATURE);
	intel_verdict_fini(&v);
	/* Under another root with the same names. */
	anchors_free(anchors);
	anchors = anchors_of(pki_root_spki_hex(pki_evil(pki)));
	intel_verify(blob_span(quote), set, NULL, anchors, 1780272000, &v);
	ck_assert(!v.valid && v.stage == STAGE_PCK_CHAIN);
	intel_verdict_fini(&v);
	blob_unref(twin);
	blob_unref(quote);
	intel_set_unref(set);
	anchors_free(anchors);
	pki_free(pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("evidence");
	TCase *tc = tcase_create("evidence");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, test_made_evidence, 0,
	    sizeof(made) / sizeof(made[0]));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
