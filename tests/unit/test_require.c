/*
 * Requirements: what is read of them, and each held against evidence that
 * meets it and evidence that does not.
 */
#include "server/appraise/verify.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/scase.h"
#include "tests/kit/vcase.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading ----------------------------------------------------------- */

static const char *const good[] = {
	"{}",
	"{\"debug\":true}",
	"{\"tee\":\"tdx\"}",
	"{\"tee\":[\"sgx\",\"snp\"]}",
	"{\"tcb_status\":[\"UpToDate\",\"OutOfDate\"]}",
	"{\"tcb_status\":[]}",
	"{\"report_data\":\"00ff\"}",
	"{\"nonce\":\"0001020304050607\"}",
	"{\"runtime_data\":\"\",\"runtime_data_hash\":\"sha384\"}",
	"{\"skew_s\":300,\"grace_s\":86400}",
	"{\"min_tcb_evaluation_number\":4294967295}",
	"{\"sgx\":{\"isvprodid\":[0,65535],\"min_isvsvn\":65535}}",
	("{\"sgx\":{\"attributes\":\"00000000000000000000000000000000\","
	 "\"attributes_mask\":\"00000000000000000000000000000000\"}}"),
	"{\"tdx\":{\"xfam\":\"e702060000000000\"}}",
	"{\"snp\":{\"min_abi\":\"1.55\",\"min_firmware\":\"1.55.29\"}}",
	"{\"snp\":{\"min_tcb\":{\"milan\":{\"bl\":3,\"ucode\":115}}}}",
	"{\"snp\":{\"policy\":{\"debug\":false,\"single_socket\":true}}}",
	"{\"snp\":{\"platform_info\":{\"alias_check_complete\":true}}}",
	"{\"snp\":{\"product\":[\"Milan\",\"Bergamo\"],\"vmpl\":0}}",
	"{\"snp\":{\"mitigations\":63,\"crl\":true,\"committed\":true}}",
};

static const struct {
	const char *json, *path;
} bad[] = {
	{ "[]", "r: not an object" },
	{ "{\"debugg\":1}", "r.debugg: unknown" },
	{ "{\"debug\":0}", "r.debug" },
	{ "{\"tee\":\"sev\"}", "r.tee" },
	{ "{\"tee\":[]}", "r.tee" },
	{ "{\"tcb_status\":\"Uptodate\"}", "r.tcb_status" },
	{ "{\"tcb_status\":[\"Revoked\"]}", "never accepted" },
	{ "{\"report_data\":\"0\"}", "r.report_data" },
	{ "{\"report_data\":\"\"}", "r.report_data" },
	{ "{\"report_data\":7}", "r.report_data" },
	{ "{\"nonce\":\"00010203040506\"}", "r.nonce" },
	{ "{\"nonce\":\"000102030405060x\"}", "r.nonce" },
	{ "{\"runtime_data\":\"!\"}", "r.runtime_data" },
	{ "{\"runtime_data_hash\":\"md5\"}", "r.runtime_data_hash" },
	{ "{\"skew_s\":-1}", "r.skew_s" },
	{ "{\"skew_s\":1.5}", "r.skew_s" },
	{ "{\"grace_s\":315360001}", "r.grace_s" },
	{ "{\"min_tcb_evaluation_number\":4294967296}", "r.min_tcb_eval" },
	{ "{\"sgx\":[]}", "r.sgx: not an object" },
	{ "{\"sgx\":{\"mrtd\":\"\"}}", "r.sgx.mrtd: unknown" },
	{ "{\"sgx\":{\"mrenclave\":\"00\"}}", "r.sgx.mrenclave" },
	{ "{\"sgx\":{\"isvprodid\":65536}}", "r.sgx.isvprodid" },
	{ "{\"sgx\":{\"min_isvsvn\":65536}}", "r.sgx.min_isvsvn" },
	{ "{\"tdx\":{\"xfam\":\"00\"}}", "r.tdx.xfam" },
	{ "{\"tdx\":{\"xfam_mask\":1}}", "r.tdx.xfam_mask" },
	{ "{\"tdx\":{\"service_td\":1}}", "r.tdx.service_td" },
	{ "{\"tdx\":{\"min_tee_tcb_svn\":\"00\"}}", "r.tdx.min_tee_tcb_svn" },
	{ "{\"snp\":{\"vmpl\":4294967296}}", "r.snp.vmpl" },
	{ "{\"snp\":{\"min_abi\":\"1\"}}", "r.snp.min_abi" },
	{ "{\"snp\":{\"min_abi\":\"1.256\"}}", "r.snp.min_abi" },
	{ "{\"snp\":{\"min_abi\":\"1.2.3\"}}", "r.snp.min_abi" },
	{ "{\"snp\":{\"min_firmware\":\"1.2\"}}", "r.snp.min_firmware" },
	{ "{\"snp\":{\"min_firmware\":\"1.2.\"}}", "r.snp.min_firmware" },
	{ "{\"snp\":{\"min_firmware\":\"1.2.3x\"}}", "r.snp.min_firmware" },
	{ "{\"snp\":{\"min_tcb\":{\"Rome\":{}}}}", "r.snp.min_tcb.Rome" },
	{ "{\"snp\":{\"min_tcb\":{\"Milan\":{\"bl\":256}}}}", "Milan" },
	{ "{\"snp\":{\"min_tcb\":{\"Milan\":{\"boot\":1}}}}", "unknown" },
	{ "{\"snp\":{\"min_tcb\":{\"Milan\":3}}}", "Milan" },
	{ "{\"snp\":{\"policy\":{\"xxl\":true}}}", "r.snp.policy.xxl" },
	{ "{\"snp\":{\"policy\":{\"smt\":1}}}", "r.snp.policy.smt" },
	{ "{\"snp\":{\"product\":\"Rome\"}}", "r.snp.product" },
	{ "{\"snp\":{\"csp_id\":[1]}}", "r.snp.csp_id" },
	{ "{\"snp\":{\"trusted_id_keys\":\"00\"}}", "r.snp.trusted_id_keys" },
	{ "{\"debug\":false,\"debug\":true}", "duplicate" },
	{ "{\"debug\":false} x", "r" },
};

START_TEST(test_members_are_read)
{
	struct require q;
	struct why why = { 0 };

	require_init(&q, true);
	ck_assert_msg(require_read_text(&q, span_str(good[_i]), "r", &why) ==
			  ERR_OK,
	    "%s: %s", good[_i], why.text);
	require_fini(&q);
}
END_TEST

START_TEST(test_what_is_wrong_is_named)
{
	struct require q;
	struct why why = { 0 };

	require_init(&q, false);
	ck_assert_int_eq(require_read_text(&q, span_str(bad[_i].json), "r",
			     &why),
	    ERR_PARAM);
	ck_assert_msg(strstr(why.text, bad[_i].path) != NULL, "%s: %s",
	    bad[_i].json, why.text);
	require_fini(&q);
}
END_TEST

START_TEST(test_lists_are_bounded)
{
	struct require q;
	struct buf b = BUF_INIT;
	int i;

	buf_str(&b, "{\"sgx\":{\"isvprodid\":[0");
	for (i = 0; i < REQUIRE_LIST_MAX; i++)
		buf_str(&b, ",1");
	buf_str(&b, "]}}");
	require_init(&q, false);
	ck_assert_int_eq(require_read_text(&q, buf_view(&b), "r", NULL),
	    ERR_PARAM);
	require_fini(&q);
	buf_free(&b);
}
END_TEST

/* --- judging ----------------------------------------------------------- */

/* One piece of evidence judged under these demands and no defaults. */
struct judged {
	struct vcase c; /* Intel's; or */
	struct scase s;
	bool snp;
	struct evidence e;
	struct verdict v;
};

static void
judged_intel(struct judged *j, const char *path, const struct require *q)
{
	struct intel_bytes in;
	struct appraisal a = { .require = { q, NULL } };

	memset(j, 0, sizeof(*j));
	vcase_synthetic(path, &j->c);
	in = vcase_bytes(j->c.set);
	a.intel = j->c.set->anchors;
	a.at = j->c.at;
	a.set = intel_set_read(&in, a.intel);
	evidence_read(blob_span(j->c.quote), &j->e);
	verdict_make(&j->e, &a, &j->v);
	intel_set_unref(a.set);
}

static void
judged_snp(struct judged *j, const char *name, bool hcl,
    const struct require *q)
{
	struct appraisal a = { .require = { q, NULL }, .hint = AMD_PRODUCT_N };
	struct snp_bytes in;

	memset(j, 0, sizeof(*j));
	j->snp = true;
	scase_load(name, &j->s);
	in = (struct snp_bytes){ .vek = blob_span(j->s.vek),
		.chain = blob_span(j->s.chain) };
	a.at = j->s.at;
	a.snp_set = snp_set_read(&in, &j->s.pins);
	evidence_read(blob_span(hcl ? j->s.hcl : j->s.report), &j->e);
	verdict_make(&j->e, &a, &j->v);
	snp_set_unref(a.snp_set);
}

static void
judged_fini(struct judged *j)
{
	verdict_fini(&j->v);
	evidence_fini(&j->e);
	if (j->snp)
		scase_fini(&j->s);
	else
		vcase_fini(&j->c);
}

/*
 * A demand, the evidence it is made of, and the check that it fails; NULL:
 * it is met.  Cases: s/... and t/... are synthetic, others are snp's, those
 * with "hcl:" in front in their wrapper.
 */
static const struct {
	const char *evidence, *json, *check, *error;
} demands[] = {
	/* TEE and what its sections mean. */
	{ "s001", "{\"tee\":\"sgx\"}", NULL, NULL },
	{ "s001", "{\"tee\":[\"tdx\",\"snp\"]}", "tee", NULL },
	{ "s001", "{\"tdx\":{}}", "tee", NULL },
	{ "s001", "{\"tdx\":{},\"sgx\":{}}", NULL, NULL },
	{ "t001", "{\"sgx\":{\"min_isvsvn\":0}}", "tee", NULL },
	{ "milan-v3-aci", "{\"tdx\":{}}", "tee", NULL },
	{ "milan-v3-aci", "{\"snp\":{}}", NULL, NULL },
	/* Intel's words. */
	{ "s001", "{\"tcb_status\":\"UpToDate\"}", NULL, NULL },
	{ "s002", "{\"tcb_status\":\"UpToDate\"}", "tcb_status", NULL },
	{ "s002", "{\"tcb_status\":[\"SWHardeningNeeded\"]}", NULL, NULL },
	{ "s001", "{\"tcb_status\":[]}", "tcb_status", NULL },
	{ "s004", "{}", NULL, NULL },
	{ "s008", "{}", "tcb_status", NULL }, /* Revoked, always */
	{ "s001", "{\"min_tcb_evaluation_number\":1}", NULL, NULL },
	{ "s001", "{\"min_tcb_evaluation_number\":100000}",
	    "min_tcb_evaluation_number", NULL },
	{ "s015", "{}", NULL, NULL }, /* time is not asked about */
	{ "s015", "{\"grace_s\":0}", "time", NULL },
	{ "s015", "{\"grace_s\":315360000}", NULL, NULL },
	{ "s015", "{\"skew_s\":0}", NULL, NULL },
	/* Fields of SGX. */
	{ "s001", "{\"sgx\":{\"isvprodid\":[9999]}}", "sgx.isvprodid", NULL },
	{ "s001", "{\"sgx\":{\"min_isvsvn\":65535}}", "sgx.min_isvsvn", NULL },
	{ "s001",
	    "{\"sgx\":{\"attributes\":\"ffffffffffffffffffffffffffffffff\"}}",
	    "sgx.attributes", NULL },
	{ "s001",
	    "{\"sgx\":{\"attributes\":\"00000000000000000000000000000000\","
	    "\"attributes_mask\":\"02000000000000000000000000000000\"}}",
	    NULL, NULL },
	/* Fields of TDX. */
	{ "t001",
	    "{\"tdx\":{\"min_tee_tcb_svn\":"
	    "\"00000000000000000000000000000000\"}}",
	    NULL, NULL },
	{ "t001",
	    "{\"tdx\":{\"min_tee_tcb_svn\":"
	    "\"ff000000000000000000000000000000\"}}",
	    "tdx.min_tee_tcb_svn", NULL },
	{ "t029", "{\"debug\":false}", "debug", NULL },
	{ "t029", "{\"debug\":true}", NULL, NULL },
	{ "t001", "{\"debug\":false}", NULL, NULL },
	{ "t030", "{\"tdx\":{\"sept_ve_disable\":true}}", "tdx.sept_ve_disable",
	    NULL },
	{ "t031", "{\"tdx\":{\"reserved_attributes\":false}}",
	    "tdx.reserved_attributes", NULL },
	{ "t034", "{\"tdx\":{\"service_td\":false}}", NULL, NULL },
	{ "t045", "{\"tdx\":{\"service_td\":false}}", "tdx.service_td", NULL },
	{ "t045", "{\"tdx\":{\"service_td\":true}}", NULL, NULL },
	/* snp-report 9, row by row. */
	{ "milan-v2-debug", "{\"debug\":false}", "debug",
	    "SNP_ERR_POLICY_DEBUG" },
	{ "milan-v2-plain", "{\"debug\":false}", NULL, NULL },
	{ "milan-v2-debug", "{\"snp\":{\"policy\":{\"debug\":false}}}",
	    "snp.policy.debug", "SNP_ERR_POLICY_DEBUG" },
	{ "milan-v3-aci", "{\"snp\":{\"policy\":{\"migrate_ma\":false}}}", NULL,
	    NULL },
	{ "milan-v3-aci", "{\"snp\":{\"policy\":{\"smt\":false}}}",
	    "snp.policy.smt", "SNP_ERR_POLICY_BITS" },
	{ "milan-v3-aci", "{\"snp\":{\"policy\":{\"smt\":true}}}", NULL, NULL },
	{ "milan-v3-aci", "{\"snp\":{\"policy\":{\"single_socket\":true}}}",
	    "snp.policy.single_socket", "SNP_ERR_POLICY_BITS" },
	{ "milan-v3-aci", "{\"snp\":{\"policy\":{\"single_socket\":false}}}",
	    NULL, NULL },
	{ "milan-v3-aci", "{\"snp\":{\"min_abi\":\"0.1\"}}", NULL, NULL },
	{ "milan-v3-aci", "{\"snp\":{\"min_abi\":\"255.0\"}}", "snp.min_abi",
	    "SNP_ERR_POLICY_BITS" },
	{ "milan-v3-aci",
	    "{\"snp\":{\"platform_info\":{\"alias_check_complete\":true}}}",
	    NULL, NULL },
	{ "milan-v3-aci",
	    "{\"snp\":{\"platform_info\":{\"alias_check_complete\":false}}}",
	    "snp.platform_info.alias_check_complete",
	    "SNP_ERR_POLICY_PLATFORM" },
	{ "milan-v3-aci", "{\"snp\":{\"platform_info\":{\"tio_en\":true}}}",
	    "snp.platform_info.tio_en", "SNP_ERR_POLICY_PLATFORM" },
	{ "milan-v3-vlek-aws", "{\"snp\":{\"vmpl\":0}}", "snp.vmpl",
	    "SNP_ERR_POLICY_VMPL" },
	{ "milan-v3-vlek-aws", "{\"snp\":{\"vmpl\":[0,1]}}", NULL, NULL },
	{ "milan-v3-aci",
	    "{\"snp\":{\"min_tcb\":{\"Milan\":{\"bl\":4,\"snp\":24,"
	    "\"ucode\":219}}}}",
	    NULL, NULL },
	{ "milan-v3-aci",
	    "{\"snp\":{\"min_tcb\":{\"Milan\":{\"bl\":4,\"snp\":24,"
	    "\"ucode\":220}}}}",
	    "snp.min_tcb", "SNP_ERR_POLICY_TCB" },
	{ "milan-v3-aci", "{\"snp\":{\"min_tcb\":{\"Genoa\":{\"ucode\":255}}}}",
	    NULL, NULL },
	{ "turin-v5-aci", "{\"snp\":{\"min_tcb\":{\"Turin\":{\"fmc\":2}}}}",
	    "snp.min_tcb", "SNP_ERR_POLICY_TCB" },
	{ "milan-v3-aci",
	    "{\"snp\":{\"min_launch_tcb\":{\"Milan\":{\"snp\":255}}}}",
	    "snp.min_launch_tcb", "SNP_ERR_POLICY_TCB" },
	{ "hcl-milan-v2", "{\"snp\":{\"committed\":true}}", "snp.committed",
	    "SNP_ERR_POLICY_PROVISIONAL" },
	{ "hcl-milan-v2", "{\"snp\":{\"committed\":false}}", NULL, NULL },
	{ "hcl-milan-v2", "{\"snp\":{\"min_firmware\":\"1.52.4\"}}", NULL,
	    NULL },
	{ "hcl-milan-v2", "{\"snp\":{\"min_firmware\":\"1.52.5\"}}",
	    "snp.min_firmware", "SNP_ERR_POLICY_FIRMWARE" },
	{ "hcl-milan-v2", "{\"snp\":{\"min_guest_svn\":5}}", NULL, NULL },
	{ "hcl-milan-v2", "{\"snp\":{\"min_guest_svn\":6}}",
	    "snp.min_guest_svn", "SNP_ERR_POLICY_GUEST_SVN" },
	{ "turin-v5-aci", "{\"snp\":{\"mitigations\":63}}", NULL, NULL },
	{ "turin-v5-aci", "{\"snp\":{\"mitigations\":64}}", "snp.mitigations",
	    "SNP_ERR_POLICY_MITIGATION" },
	{ "milan-v3-aci", "{\"snp\":{\"launch_mitigations\":1}}",
	    "snp.launch_mitigations", "SNP_ERR_POLICY_MITIGATION" },
	{ "hcl-milan-v2",
	    "{\"snp\":{\"family_id\":\"01000000000000000000000000000000\"}}",
	    NULL, NULL },
	{ "hcl-milan-v2",
	    "{\"snp\":{\"family_id\":[\"02000000000000000000000000000000\","
	    "\"03000000000000000000000000000000\"]}}",
	    "snp.family_id", "SNP_ERR_POLICY_VALUE" },
	{ "hcl-milan-v2", "{\"snp\":{\"measurement\":[]}}", "snp.measurement",
	    "SNP_ERR_POLICY_VALUE" },
	{ "milan-v3-vlek-aws",
	    "{\"snp\":{\"csp_id\":\"CN=cc-us-east-2.amazonaws.com\"}}", NULL,
	    NULL },
	{ "milan-v3-vlek-aws", "{\"snp\":{\"csp_id\":\"CN=other\"}}",
	    "snp.csp_id", "SNP_ERR_POLICY_VALUE" },
	{ "milan-v3-aci", "{\"snp\":{\"csp_id\":\"CN=other\"}}", "snp.csp_id",
	    "SNP_ERR_POLICY_VALUE" },
	{ "hcl-milan-v2",
	    "{\"snp\":{\"trusted_id_keys\":"
	    "\"0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca49"
	    "1ecdd7f336dc28a6e0b2bb57af7a44a3\"}}",
	    NULL, NULL },
	{ "milan-v3-aci", "{\"snp\":{\"trusted_author_keys\":[]}}",
	    "snp.trusted_keys", "SNP_ERR_POLICY_KEYS" },
	{ "hcl-milan-v2",
	    "{\"snp\":{\"deny_chip_ids\":"
	    "\"19752a447db501a32ade46428a46e92639bd3515dbb45e2e67bbcb0934ffcf1f"
	    "3e3c004ccb4a99c9fa7e4ffb09da6b324ac58acedaf679f24ba7db5f838c6cca"
	    "\"}}",
	    "snp.deny_chip_ids", "SNP_ERR_POLICY_CHIP_DENIED" },
	{ "milan-v3-aci", "{\"snp\":{\"product\":\"Milan\"}}", NULL, NULL },
	{ "milan-v3-aci", "{\"snp\":{\"product\":\"Turin\"}}", "snp.product",
	    "SNP_ERR_POLICY_VALUE" },
	{ "milan-v3-aci", "{\"snp\":{\"crl\":true}}", "snp.crl",
	    "SNP_ERR_CRL_MISSING" },
	/* What the guest chose; the HCL's REPORT_DATA is a digest and zeros. */
	{ "hcl-milan-v2",
	    "{\"report_data\":\"b3fbad6514c83caeb0380882145e49f794229ef37c421b"
	    "91fc47ff93556bafac\"}",
	    NULL, NULL },
	{ "hcl-milan-v2", "{\"report_data\":\"b3fbad6514c83cae\"}",
	    "report_data", "SNP_ERR_POLICY_VALUE" },
	{ "hcl-milan-v2", "{\"nonce\":\"b3fbad6514c83cae\"}", NULL, NULL },
	{ "hcl-milan-v2", "{\"nonce\":\"b3fbad6514c83caf\"}", "nonce", NULL },
	{ "hcl-milan-v2", "{\"runtime_data\":\"AAAA\"}", "runtime_data",
	    "SNP_ERR_HCL_BINDING" },
	{ "hcl:hcl-milan-v3", "{\"nonce\":\"0000000000000000\"}", NULL, NULL },
	{ "hcl:hcl-milan-v3", "{\"nonce\":\"0000000000000001\"}", "nonce",
	    NULL },
	{ "hcl:hcl-milan-v3", "{\"user_data\":\"0000\"}", NULL, NULL },
	{ "hcl:hcl-milan-v3", "{\"user_data\":\"01\"}", "user_data",
	    "SNP_ERR_HCL_USER_DATA" },
	{ "hcl-milan-v3", "{\"user_data\":\"00\"}", "user_data",
	    "SNP_ERR_HCL_USER_DATA" },
};

static void
judged_make(struct judged *j, const char *evidence, const struct require *q)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/synthetic/%s.json",
	    evidence[0] == 's' ? "sgx" : "tdx", evidence);
	if (strncmp(evidence, "hcl:", 4) == 0)
		judged_snp(j, evidence + 4, true, q);
	else if (strlen(evidence) > 4)
		judged_snp(j, evidence, false, q);
	else
		judged_intel(j, path, q);
}

START_TEST(test_each_demand_is_met_or_named)
{
	const struct reason *r;
	struct require q;
	struct judged j;
	struct why why = { 0 };

	require_init(&q, false);
	ck_assert_msg(require_read_text(&q, span_str(demands[_i].json), "r",
			  &why) == ERR_OK,
	    "%s", why.text);
	judged_make(&j, demands[_i].evidence, &q);
	ck_assert_msg(j.v.valid, "%s: %s", demands[_i].evidence, j.v.why.text);
	ck_assert_msg(j.v.reasons.n == (demands[_i].check != NULL),
	    "%s %s: %zu reasons, %s", demands[_i].evidence, demands[_i].json,
	    j.v.reasons.n, j.v.reasons.n > 0 ? j.v.reasons.v[0].check : "");
	ck_assert(j.v.accepted == (demands[_i].check == NULL));
	if (demands[_i].check != NULL) {
		r = &j.v.reasons.v[0];
		ck_assert_str_eq(r->check, demands[_i].check);
		ck_assert(*r->expected != '\0' && *r->found != '\0');
		ck_assert_str_eq(r->error == NULL ? "" : r->error,
		    demands[_i].error == NULL ? "" : demands[_i].error);
	}
	judged_fini(&j);
	require_fini(&q);
}
END_TEST

/* Every exact value of require.def: the right one, and one bit off. */
struct row {
	const char *evidence, *section, *name;
	size_t at, len;
};
#define FROM_SGX    "s001"
#define FROM_TDX    "t034"
#define FROM_SNP    "turin-v5-aci"
#define SECTION_SGX "sgx"
#define SECTION_TDX "tdx"
#define SECTION_SNP "snp"
static const struct row rows[] = {
#define VALUE(kind, name, type, member)                                        \
	{ FROM_##kind, SECTION_##kind, #name, offsetof(struct type, member),   \
		sizeof(((struct type *)0)->member) },
#define MASKED(kind, name, type, member) VALUE(kind, name, type, member)
#include "server/appraise/require.def"
};

START_TEST(test_each_field_by_its_value)
{
	const struct row *row = &rows[_i];
	unsigned char value[64];
	char json[300], hex[129], check[64];
	struct require q;
	struct judged j;
	const void *base;
	int twin;

	judged_make(&j, row->evidence, NULL);
	ck_assert_msg(j.v.valid, "%s", j.v.why.text);
	base = j.snp                    ? (const void *)&j.e.snp
	       : row->section[0] == 's' ? (const void *)&j.v.intel.quote.sgx
					: (const void *)&j.v.intel.quote.td;
	memcpy(value, (const char *)base + row->at, row->len);
	judged_fini(&j);
	for (twin = 0; twin < 2; twin++) {
		value[row->len / 2] ^= (unsigned char)(twin << 4);
		hex_lower(span_of(value, row->len), hex);
		snprintf(json, sizeof(json), "{\"%s\":{\"%s\":\"%s\"}}",
		    row->section, row->name, hex);
		snprintf(check, sizeof(check), "%s.%s", row->section,
		    row->name);
		require_init(&q, false);
		ck_assert_int_eq(require_read_text(&q, span_str(json), "r",
				     NULL),
		    ERR_OK);
		judged_make(&j, row->evidence, &q);
		ck_assert_uint_eq(j.v.reasons.n, (size_t)twin);
		if (twin)
			ck_assert_str_eq(j.v.reasons.v[0].check, check);
		judged_fini(&j);
		require_fini(&q);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("require");
	TCase *tc = tcase_create("require");
	const int n_demands = sizeof(demands) / sizeof(demands[0]);
	const int n_rows = sizeof(rows) / sizeof(rows[0]);
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, test_members_are_read, 0,
	    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tc, test_what_is_wrong_is_named, 0,
	    sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, test_lists_are_bounded);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_each_demand_is_met_or_named, 0,
		    n_demands);
		tcase_add_loop_test(tc, test_each_field_by_its_value, 0,
		    n_rows);
	} else {
		vectors_skipped((unsigned)(n_demands + n_rows));
	}
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
