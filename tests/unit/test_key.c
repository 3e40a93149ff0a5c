/*
 * Keys: what the makers write, key_read() reads back, and nothing else.
 */
#include "storage/storage.h"

#include <check.h>
#include <string.h>

static void
same(const struct coll_key *a, const struct coll_key *b)
{
	ck_assert_int_eq(a->kind, b->kind);
	ck_assert_int_eq(a->tee, b->tee);
	ck_assert_int_eq(a->enclave, b->enclave);
	ck_assert_int_eq(a->ca, b->ca);
	ck_assert_uint_eq(a->api, b->api);
	ck_assert_int_eq(a->update, b->update);
	ck_assert_uint_eq(a->number, b->number);
	ck_assert_str_eq(a->fmspc, b->fmspc);
	ck_assert_str_eq(a->platform, b->platform);
	ck_assert_int_eq(a->product, b->product);
	ck_assert_int_eq(a->side, b->side);
	ck_assert_mem_eq(a->tcb.b, b->tcb.b, sizeof(a->tcb.b));
	ck_assert_mem_eq(a->hwid, b->hwid, sizeof(a->hwid));
	ck_assert_str_eq(a->csp_id, b->csp_id);
	ck_assert_str_eq(a->text, b->text);
}

/* The chip and the TCB of the keys below. */
static unsigned char hwid[AMD_HWID_MAX];
static struct amd_tcb tcb;

static void
setup(void)
{
	int i;

	for (i = 0; i < AMD_HWID_MAX; i++)
		hwid[i] = (unsigned char)(0xa0 + i);
	tcb = amd_tcb_of(AMD_MILAN,
	    (struct amd_spl){ .bl = 4, .snp = 24, .ucode = 219 });
}

START_TEST(test_texts_are_canonical_and_read_back)
{
	const struct {
		const char *text;
		struct coll_key key;
	} rows[] = {
		{ "tcb/sgx/4/00906ED50000/standard",
		    key_tcbinfo(TEE_SGX, 4, "00906ed50000", UPDATE_STANDARD,
			0) },
		{ "tcb/sgx/3/00906ED50000/early",
		    key_tcbinfo(TEE_SGX, 3, "00906ED50000", UPDATE_EARLY, 0) },
		{ "tcb/tdx/4/90C06F000000/17",
		    key_tcbinfo(TEE_TDX, 4, "90C06F000000", UPDATE_NUMBER,
			17) },
		{ "identity/qe/3/standard",
		    key_identity(ENCLAVE_QE, 3, UPDATE_STANDARD, 0) },
		{ "identity/tdqe/4/early",
		    key_identity(ENCLAVE_TDQE, 4, UPDATE_EARLY, 0) },
		{ "identity/qve/4/4294967295",
		    key_identity(ENCLAVE_QVE, 4, UPDATE_NUMBER, UINT32_MAX) },
		{ "identity/qae/4/standard",
		    key_identity(ENCLAVE_QAE, 4, UPDATE_STANDARD, 0) },
		{ "pckcrl/processor", key_pck_crl(PCK_CA_PROCESSOR) },
		{ "pckcrl/platform", key_pck_crl(PCK_CA_PLATFORM) },
		{ "rootcrl", key_root_crl() },
		{ "evalnums/sgx", key_evalnums(TEE_SGX) },
		{ "evalnums/tdx", key_evalnums(TEE_TDX) },
		{ "fmspcs/all", key_fmspcs("all") },
		{ "fmspcs/E5", key_fmspcs("E5") },
		{ "amdchain/vcek/Milan", key_amd_chain(AMD_MILAN, AMD_VCEK) },
		{ "amdchain/vlek/Turin", key_amd_chain(AMD_TURIN, AMD_VLEK) },
		{ "amdcrl/vlek/Genoa", key_amd_crl(AMD_GENOA, AMD_VLEK) },
		{ "vek/vcek/Milan/"
		  "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7"
		  "b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
		  "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf/DB18000000000004",
		    key_vcek(AMD_MILAN, span_of(hwid, 64), tcb) },
		{ "vek/vcek/Turin/a0a1a2a3a4a5a6a7/5100000004010101",
		    key_vcek(AMD_TURIN, span_of(hwid, 8),
			amd_tcb_of(AMD_TURIN,
			    (struct amd_spl){ 1, 1, 1, 4, 81 })) },
		{ "vek/vlek/Milan/CN=cc-us-east-2.amazonaws.com/"
		  "DB18000000000004",
		    key_vlek(AMD_MILAN, "CN=cc-us-east-2.amazonaws.com", tcb) },
		{ "vek/vlek/Genoa/a/b/DB18000000000004",
		    key_vlek(AMD_GENOA, "a/b", tcb) },
	};
	struct coll_key key;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_str_eq(rows[i].key.text, rows[i].text);
		ck_assert_int_eq(key_read(rows[i].text, &key, NULL), ERR_OK);
		same(&key, &rows[i].key);
	}
}
END_TEST

START_TEST(test_an_fmspc_is_read_in_either_case)
{
	struct coll_key key;

	ck_assert_int_eq(key_read("tcb/sgx/4/00906ed50000/standard", &key,
			     NULL),
	    ERR_OK);
	ck_assert_str_eq(key.text, "tcb/sgx/4/00906ED50000/standard");
	ck_assert_str_eq(key.fmspc, "00906ED50000");
}
END_TEST

START_TEST(test_a_chip_never_shows_in_a_log)
{
	struct coll_key key = key_vcek(AMD_MILAN, span_of(hwid, 64), tcb);
	struct key_log a = key_log(&key), b;

	ck_assert_ptr_eq(strstr(a.s, "a0a1"), NULL);
	ck_assert_int_eq(strncmp(a.s, "vek/vcek/Milan/#", 16), 0);
	ck_assert_str_eq(a.s + 16 + 8, "/DB18000000000004");
	/* Another chip is another hash, the same one the same. */
	b = key_log(&key);
	ck_assert_str_eq(a.s, b.s);
	hwid[63] ^= 1;
	key = key_vcek(AMD_MILAN, span_of(hwid, 64), tcb);
	hwid[63] ^= 1;
	b = key_log(&key);
	ck_assert_str_ne(a.s, b.s);
	/* What is no identifier is shown. */
	key = key_amd_crl(AMD_GENOA, AMD_VCEK);
	ck_assert_str_eq(key_log(&key).s, "amdcrl/vcek/Genoa");
	key = key_vlek(AMD_MILAN, "CN=csp", tcb);
	ck_assert_str_eq(key_log(&key).s, key.text);
}
END_TEST

START_TEST(test_anything_else_is_refused)
{
	static const char *const rows[] = { "", "/", "tcb", "tcb/", "tcb/sgx",
		"tcb/sgx/4", "tcb/sgx/4/00906ED50000",
		"tcb/sgx/4/00906ED50000/", "tcb/sgx/4/00906ED5000/standard",
		"tcb/sgx/4/00906ED5000G/standard",
		"tcb/sgx/5/00906ED50000/standard",
		"tcb/tdx/3/00906ED50000/standard",
		"tcb/snp/4/00906ED50000/standard",
		"tcb/sgx/4/00906ED50000/late", "tcb/sgx/4/00906ED50000/0",
		"tcb/sgx/4/00906ED50000/017",
		"tcb/sgx/4/00906ED50000/4294967296",
		"tcb/sgx/4/00906ED50000/99999999999",
		"tcb/sgx/4/00906ED50000/-1", "tcb/sgx/4/00906ED50000/standard/",
		"tcb/sgx/4/00906ED50000/standard/x", "TCB/sgx/4/00906ED50000/1",
		"identity/qe", "identity/xx/4/standard",
		"identity/tdqe/3/early", "pckcrl", "pckcrl/", "pckcrl/Platform",
		"pckcrl/other", "rootcrl/", "rootcrl/x", "rootcrl ", "evalnums",
		"evalnums/snp", "fmspcs", "fmspcs/", "fmspcs/e5", "fmspcs/all/",
		"amdchain", "amdchain/vcek", "amdchain/vcek/milan",
		"amdchain/vcek/Bergamo", "amdchain/vcek/Milan/",
		"amdchain/ask/Milan", "amdcrl/Milan/vcek", "vek", "vek/vcek",
		"vek/vcek/Milan", "vek/vcek/Milan/DB18000000000004",
		"vek/vcek/Turin/a0a1a2a3a4a5a6a7",
		"vek/vcek/Turin/a0a1a2a3a4a5a6a7/",
		"vek/vcek/Turin/a0a1a2a3a4a5a6/5100000004010101",
		"vek/vcek/Milan/a0a1a2a3a4a5a6a7/DB18000000000004",
		"vek/vcek/Turin/a0a1a2a3a4a5a6a7/100000004010101",
		"vek/vcek/Turin/a0a1a2a3a4a5a6a7/5100000004010101/",
		"vek/vcek/Turin/a0a1a2a3a4a5a6a7/5100010004010101",
		"vek/vcek/Turin/a0a1a2a3a4a5a6ag/5100000004010101",
		"vek/vlek/Milan/DB18000000000004",
		"vek/vlek/Milan//DB18000000000004",
		"vek/vlek/Milan/a\n/DB18000000000004",
		"vek/vlek/Milan/a/DB18000100000004", "x" };
	char text[4096];
	struct coll_key key;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(key_read(rows[i], &key, &why) == ERR_PARAM,
		    "\"%s\" is read", rows[i]);
		ck_assert_int_eq(why.err, ERR_PARAM);
		ck_assert_int_gt((int)strlen(why.text), 0);
	}
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(key_read(text, &key, NULL), ERR_PARAM);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("key");
	TCase *t = tcase_create("key");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_texts_are_canonical_and_read_back);
	tcase_add_test(t, test_an_fmspc_is_read_in_either_case);
	tcase_add_test(t, test_a_chip_never_shows_in_a_log);
	tcase_add_test(t, test_anything_else_is_refused);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
