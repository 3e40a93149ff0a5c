/*
 * The attacks of quote-verification 12 on keys, collateral and levels: each
 * row changes one thing before it is signed and says which check must
 * answer.  What must pass stands among them.  Needs no vectors.
 */
#include "tests/kit/forge.h"

#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct pki *pki;

static void
setup(void)
{
	pki = pki_new("attack", FORGE_NOW);
}

static void
teardown(void)
{
	pki_free(pki);
}

/* --- convergence: every row and column (quote-verification 6.3) ------- */

/* By platform level; QE or module UpToDate, OutOfDate, Revoked. */
static const char *const converged[FORGE_LEVELS][3] = {
	{ "UpToDate", "OutOfDate", "Revoked" },
	{ "SWHardeningNeeded", "OutOfDate", "Revoked" },
	{ "ConfigurationNeeded", "OutOfDateConfigurationNeeded", "Revoked" },
	{ "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded",
	    "Revoked" },
	{ "OutOfDate", "OutOfDate", "Revoked" },
	{ "OutOfDateConfigurationNeeded", "OutOfDateConfigurationNeeded",
	    "Revoked" },
	{ "Revoked", "Revoked", "Revoked" },
};

/* _i: the QE of SGX, the QE of TDX, the module of TDX. */
START_TEST(test_every_convergence)
{
	struct forge f;
	size_t level, part;
	char name[64];

	for (level = 0; level < FORGE_LEVELS; level++) {
		for (part = 0; part < 3; part++) {
			const char *status = converged[level][part];
			struct want w = { .valid = true, .status = status };

			forge_init(&f, pki, _i == 0 ? TEE_SGX : TEE_TDX);
			f.q.pck.comp[0] = (uint8_t)(7 - level);
			if (_i == 2)
				f.body[0] = (unsigned char)(3 - part);
			else
				f.qe[258] = (unsigned char)(3 - part);
			if (strcmp(status, "UpToDate") != 0 &&
			    strcmp(status, "SWHardeningNeeded") != 0)
				w.checks = "tcb_status";
			snprintf(name, sizeof(name), "level %zu, part %zu",
			    level, part);
			forge_judge(name, &f, &w);
		}
	}
}
END_TEST

/* Whoever accepts everything does not accept this. */
START_TEST(test_revoked_is_never_accepted)
{
	struct want w = { .checks = "tcb_status",
		.valid = true,
		.status = "Revoked" };
	struct forge f;

	forge_init(&f, pki, TEE_SGX);
	f.q.pck.comp[0] = 1;
	f.require = "{\"tcb_status\":[\"UpToDate\",\"OutOfDate\"]}";
	forge_judge("revoked", &f, &w);
}
END_TEST

/* --- attacks, one by one ---------------------------------------------- */

static void
revoke(struct forge *f, struct pki_crl *crl, X509 *x)
{
	f->serial = pki_serial(x);
	f->revoked[0] = f->serial;
	crl->n_revoked = 1;
	crl->revoked = f->revoked;
}

static void
revoked_leaf(struct forge *f)
{
	X509 *leaf = pki_pck(f->pki, &f->q.pck);

	revoke(f, &f->pck, leaf);
	X509_free(leaf);
}

static void
revoked_intermediate(struct forge *f)
{
	revoke(f, &f->root, pki_x509(f->pki, PKI_PLATFORM_CA));
}

static void
revoked_other_leaf(struct forge *f)
{
	struct pki_pck other = f->q.pck;
	X509 *leaf;

	other.ppid[0] = 0x77;
	leaf = pki_pck(f->pki, &other);
	revoke(f, &f->pck, leaf);
	X509_free(leaf);
}

static void
revoked_signer(struct forge *f)
{
	f->ti.lie = PKI_REVOKED_SIGNER;
}

static void
revoked_identity_signer(struct forge *f)
{
	f->id.lie = PKI_REVOKED_SIGNER;
}

static void
leaf_by_evil(struct forge *f)
{
	f->q.pck.lie = PKI_WRONG_KEY;
}

static void
leaf_bad_signature(struct forge *f)
{
	f->q.pck.lie = PKI_BAD_SIGNATURE;
}

static void
leaf_with_unknown_member(struct forge *f)
{
	f->q.pck.unknown_member = true;
}

static void
leaf_with_unknown_setting(struct forge *f)
{
	f->q.pck.unknown_setting = true;
}

static void
leaf_without_configuration(struct forge *f)
{
	f->q.pck.no_configuration = true;
}

FORGE_LIE(tcb_bad_signature, ti, PKI_BAD_SIGNATURE)
FORGE_LIE(tcb_changed, ti, PKI_BODY_CHANGED)
FORGE_LIE(tcb_wrong_key, ti, PKI_WRONG_KEY)
FORGE_LIE(tcb_foreign, ti, PKI_FOREIGN_CHAIN)
FORGE_LIE(tcb_wrong_role, ti, PKI_WRONG_ROLE)
FORGE_LIE(qe_bad_signature, id, PKI_BAD_SIGNATURE)
FORGE_LIE(qe_changed, id, PKI_BODY_CHANGED)
FORGE_LIE(qe_wrong_key, id, PKI_WRONG_KEY)
FORGE_LIE(qe_foreign, id, PKI_FOREIGN_CHAIN)
FORGE_LIE(qe_wrong_role, id, PKI_WRONG_ROLE)
FORGE_LIE(root_bad_signature, root, PKI_BAD_SIGNATURE)
FORGE_LIE(root_changed, root, PKI_BODY_CHANGED)
FORGE_LIE(root_wrong_key, root, PKI_WRONG_KEY)
FORGE_LIE(pck_bad_signature, pck, PKI_BAD_SIGNATURE)
FORGE_LIE(pck_changed, pck, PKI_BODY_CHANGED)
FORGE_LIE(pck_wrong_key, pck, PKI_WRONG_KEY)

static void
crl_of_the_other_ca(struct forge *f)
{
	f->pck.issuer = f->crl_chain = PKI_PROCESSOR_CA;
}

static void
root_crl_as_pck_crl(struct forge *f)
{
	f->pck.issuer = PKI_ROOT;
}

static void
pck_crl_as_root_crl(struct forge *f)
{
	f->root.issuer = PKI_PLATFORM_CA;
}

static void
crl_without_number(struct forge *f)
{
	f->pck.no_number = true;
}

static void
crl_without_aki(struct forge *f)
{
	f->root.no_aki = true;
}

static void
crl_of_a_part(struct forge *f)
{
	f->pck.indirect = true;
}

static void
wrong_fmspc(struct forge *f)
{
	f->ti.fmspc = "900000000001";
}

static void
wrong_pceid(struct forge *f)
{
	f->ti.pceid = "0001";
}

static void
wrong_tee(struct forge *f)
{
	f->ti.tee = f->q.tee == TEE_TDX ? TEE_SGX : TEE_TDX;
	f->ti.n_modules = 0;
}

static void
lower_case_fmspc(struct forge *f)
{
	f->q.pck.fmspc[0] = 0xab;
	f->ti.fmspc = "aB0000000000";
}

static void
wrong_identity(struct forge *f)
{
	f->id.enclave = f->q.tee == TEE_TDX ? ENCLAVE_QE : ENCLAVE_TDQE;
}

/* Same signer, other product: what a QVE is. */
static void
qve_as_qe(struct forge *f)
{
	f->id.enclave = ENCLAVE_QVE;
}

static void
qve_reports_as_qe(struct forge *f)
{
	f->qe[256] = 2;
}

static void
qe_of_another_signer(struct forge *f)
{
	f->qe[128] ^= 1;
}

static void
qe_in_debug(struct forge *f)
{
	f->qe[48] |= 2;
}

static void
qe_miscselect(struct forge *f)
{
	f->qe[16] = 1;
}

static void
qe_xfrm_is_free(struct forge *f)
{
	f->qe[56] = 0xe7;
}

static void
qe_below_every_level(struct forge *f)
{
	f->qe[258] = 0;
}

static void
below_every_level(struct forge *f)
{
	f->q.pck.comp[0] = 0;
}

static void
pcesvn_too_low(struct forge *f)
{
	f->q.pck.pcesvn = 4;
}

static void
high_cpusvn_low_components(struct forge *f)
{
	static const unsigned char high[16] = { 255, 255, 255, 255 };

	f->q.pck.cpusvn = high;
	f->q.pck.comp[0] = 3;
}

static void
components_at_255(struct forge *f)
{
	memset(f->q.pck.comp, 255, sizeof(f->q.pck.comp));
	f->q.pck.pcesvn = 65535;
}

/* Better than the first level in all but one: the first it meets wholly. */
static void
one_component_low(struct forge *f)
{
	static const struct pki_level list[] = {
		{ { 7, 9 }, { 0 }, 5, "2024-03-13T00:00:00Z", "UpToDate",
		    NULL },
		{ { 6, 8 }, { 0 }, 5, "2023-03-13T00:00:00Z",
		    "SWHardeningNeeded", NULL },
		{ { 1, 1 }, { 0 }, 5, "2022-03-13T00:00:00Z", "OutOfDate",
		    NULL },
	};

	f->ti.levels = list;
	f->ti.n_levels = 3;
	f->q.pck.comp[0] = 255;
	f->q.pck.comp[1] = 7;
}

static void
levels_ascending(struct forge *f)
{
	static struct pki_level list[FORGE_LEVELS];
	size_t i;

	for (i = 0; i < FORGE_LEVELS; i++)
		list[i] = forge_levels[FORGE_LEVELS - 1 - i];
	f->ti.levels = list;
}

static void
duplicate_level(struct forge *f)
{
	static struct pki_level list[2];

	list[0] = forge_levels[0];
	list[1] = forge_levels[0];
	list[1].status = "OutOfDate";
	f->ti.levels = list;
	f->ti.n_levels = 2;
}

static void
component_261(struct forge *f)
{
	static struct pki_level list[1];

	list[0] = forge_levels[0];
	list[0].comp[0] = 261;
	f->ti.levels = list;
	f->ti.n_levels = 1;
}

static void
unknown_status(struct forge *f)
{
	static struct pki_level list[2];

	list[0] = forge_levels[0];
	list[1] = forge_levels[4];
	list[1].status = "Fine";
	f->ti.levels = list;
	f->ti.n_levels = 2;
}

static void
duplicate_member(struct forge *f)
{
	f->ti.extra = "\"fmspc\":\"" FORGE_FMSPC "\",";
}

static void
unknown_member(struct forge *f)
{
	f->ti.extra = "\"news\":{\"a\":[1,2]},";
}

static void
version_4(struct forge *f)
{
	f->ti.version = 4;
}

static void
unknown_module_line(struct forge *f)
{
	f->body[1] = f->body[585] = 9;
}

static void
no_modules_at_all(struct forge *f)
{
	f->ti.no_modules = true;
}

static void
module_line_0(struct forge *f)
{
	f->body[1] = f->body[585] = 0;
}

static void
module_in_hex(struct forge *f)
{
	static const struct pki_module hex = { "tdx_1a", 3, forge_svns };

	f->ti.modules = &hex;
	f->body[1] = f->body[585] = 0x1a;
}

static void
module_in_decimal(struct forge *f)
{
	static const struct pki_module decimal = { "TDX_26", 3, forge_svns };

	f->ti.modules = &decimal;
	f->body[1] = f->body[585] = 0x1a;
}

static void
module_twice(struct forge *f)
{
	static const struct pki_module two[] = { { "TDX_01", 3, forge_svns },
		{ "tdx_01", 1, forge_svns } };

	f->ti.modules = two;
	f->ti.n_modules = 2;
}

static void
module_below_every_level(struct forge *f)
{
	f->body[0] = 0;
}

static void
foreign_seam(struct forge *f)
{
	f->body[64] = 1;
}

static void
seam_in_debug(struct forge *f)
{
	f->body[112] = 1;
}

static void
tdx_component_2_low(struct forge *f)
{
	static struct pki_level list[1];

	list[0] = forge_levels[0];
	list[0].tdx[2] = 4;
	f->ti.levels = list;
	f->ti.n_levels = 1;
	f->body[2] = 3;
}

/* With a version line the module's own identity speaks for 0 and 1. */
static void
tdx_components_0_and_1_do_not_count(struct forge *f)
{
	static struct pki_level list[1];

	list[0] = forge_levels[0];
	list[0].tdx[0] = 200;
	list[0].tdx[1] = 200;
	f->ti.levels = list;
	f->ti.n_levels = 1;
}

static void
debug_sgx(struct forge *f)
{
	f->body[48] = 2;
}

static void
debug_sgx_allowed(struct forge *f)
{
	f->body[48] = 2;
	f->require = "{\"debug\": true}";
}

static void
debug_td(struct forge *f)
{
	f->body[120] = 1;
}

static void
service_td(struct forge *f)
{
	f->q.version = 5;
	f->q.body_type = 3;
	f->body[600] = 1;
}

/* --- policy --- */

static void
old_number(struct forge *f)
{
	f->require = "{\"min_tcb_evaluation_number\": 18}";
}

static void
old_number_of_the_identity(struct forge *f)
{
	f->ti.eval_num = 20;
	f->id.eval_num = 17;
	f->require = "{\"min_tcb_evaluation_number\": 18}";
}

static void
advisory_rejected(struct forge *f)
{
	f->q.pck.comp[0] = 6;
	f->require = "{\"reject_advisories\": [\"INTEL-SA-00006\"]}";
}

/* --- the table -------------------------------------------------------- */

static const struct attack attacks[] = {
	ROW(ALL, revoked_leaf, BAD("pck-chain")),
	ROW(ALL, revoked_other_leaf, GOOD),
	ROW(ALL, revoked_intermediate, BAD("pck-chain")),
	ROW(ALL, revoked_signer, BAD("tcb-info")),
	ROW(ALL, revoked_identity_signer, BAD("qe-identity")),
	ROW(ALL, leaf_by_evil, BAD("pck-chain")),
	ROW(ALL, leaf_bad_signature, BAD("pck-chain")),
	ROW(ALL, leaf_with_unknown_member, BAD("pck-chain")),
	ROW(ALL, leaf_with_unknown_setting, BAD("pck-chain")),
	ROW(ALL, leaf_without_configuration, BAD("pck-chain")),
	ROW(ALL, tcb_bad_signature, BAD("tcb-info")),
	ROW(ALL, tcb_changed, BAD("tcb-info")),
	ROW(ALL, tcb_wrong_key, BAD("tcb-info")),
	ROW(ALL, tcb_foreign, BAD("tcb-info")),
	ROW(ALL, tcb_wrong_role, BAD("tcb-info")),
	ROW(ALL, qe_bad_signature, BAD("qe-identity")),
	ROW(ALL, qe_changed, BAD("qe-identity")),
	ROW(ALL, qe_wrong_key, BAD("qe-identity")),
	ROW(ALL, qe_foreign, BAD("qe-identity")),
	ROW(ALL, qe_wrong_role, BAD("qe-identity")),
	ROW(ALL, root_bad_signature, BAD("crl")),
	ROW(ALL, root_changed, BAD("crl")),
	ROW(ALL, root_wrong_key, BAD("crl")),
	ROW(ALL, pck_bad_signature, BAD("crl")),
	ROW(ALL, pck_changed, BAD("crl")),
	ROW(ALL, pck_wrong_key, BAD("crl")),
	ROW(ALL, crl_of_the_other_ca, BAD("crl")),
	ROW(ALL, root_crl_as_pck_crl, BAD("crl")),
	ROW(ALL, pck_crl_as_root_crl, BAD("crl")),
	ROW(ALL, crl_without_number, BAD("crl")),
	ROW(ALL, crl_without_aki, BAD("crl")),
	ROW(ALL, crl_of_a_part, BAD("crl")),
	ROW(ALL, wrong_fmspc, BAD("tcb-info-match")),
	ROW(ALL, wrong_pceid, BAD("tcb-info-match")),
	ROW(ALL, wrong_tee, BAD("tcb-info-match")),
	ROW(ALL, lower_case_fmspc, GOOD),
	ROW(ALL, wrong_identity, BAD("qe-identity")),
	ROW(ALL, qve_as_qe, BAD("qe-identity")),
	ROW(SGX, qve_reports_as_qe, BAD("qe-identity")),
	ROW(ALL, qe_of_another_signer, BAD("qe-identity")),
	ROW(ALL, qe_in_debug, BAD("qe-identity")),
	ROW(ALL, qe_miscselect, BAD("qe-identity")),
	ROW(ALL, qe_xfrm_is_free, GOOD),
	ROW(ALL, qe_below_every_level, BAD("tcb-level")),
	ROW(ALL, below_every_level, BAD("tcb-level")),
	ROW(ALL, pcesvn_too_low, BAD("tcb-level")),
	ROW(ALL, high_cpusvn_low_components, STATUS("OutOfDate")),
	ROW(ALL, components_at_255, GOOD),
	ROW(ALL, one_component_low, STATUS("OutOfDate")),
	ROW(ALL, levels_ascending, GOOD),
	ROW(ALL, duplicate_level, BAD("tcb-info")),
	ROW(ALL, component_261, BAD("tcb-info")),
	ROW(ALL, unknown_status, BAD("tcb-info")),
	ROW(ALL, duplicate_member, BAD("tcb-info")),
	ROW(ALL, unknown_member, GOOD),
	ROW(ALL, version_4, BAD("tcb-info")),
	ROW(TDX, unknown_module_line, BAD("tdx-module")),
	ROW(TDX, no_modules_at_all, BAD("tdx-module")),
	ROW(TDX, module_line_0, GOOD),
	ROW(TDX, module_in_hex, GOOD),
	ROW(TDX, module_in_decimal, BAD("tdx-module")),
	ROW(TDX, module_twice, BAD("tcb-info")),
	ROW(TDX, module_below_every_level, BAD("tcb-level")),
	ROW(TDX, foreign_seam, BAD("tdx-module")),
	ROW(TDX, seam_in_debug, BAD("tdx-module")),
	ROW(TDX, tdx_component_2_low, BAD("tcb-level")),
	ROW(TDX, tdx_components_0_and_1_do_not_count, GOOD),
	ROW(SGX, debug_sgx, POLICY("debug")),
	ROW(SGX, debug_sgx_allowed, GOOD),
	ROW(TDX, debug_td, POLICY("debug")),
	ROW(TDX, service_td, POLICY("tdx.service_td service_td")),
	ROW(ALL, old_number, POLICY("min_tcb_evaluation_number")),
	ROW(ALL, old_number_of_the_identity,
	    POLICY("min_tcb_evaluation_number")),
	ROW(ALL, advisory_rejected, POLICY("reject_advisories")),
};
#define N_ATTACKS ((int)(sizeof(attacks) / sizeof(attacks[0])))

/* Nothing changed: what every row differs from. */
START_TEST(test_sound_evidence_is_accepted)
{
	static const struct want good = GOOD;
	struct forge f;

	forge_init(&f, pki, _i == 0 ? TEE_SGX : TEE_TDX);
	forge_judge("sound", &f, &good);
}
END_TEST

START_TEST(test_attack)
{
	attack_run(&attacks[_i], pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("attack_intel");
	TCase *tc = tcase_create("made");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_attack, 0, N_ATTACKS);
	tcase_add_loop_test(tc, test_sound_evidence_is_accepted, 0, 2);
	tcase_add_loop_test(tc, test_every_convergence, 0, 3);
	tcase_add_test(tc, test_revoked_is_never_accepted);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
