/*
 * PUT platformcollateral (pccs-api 6.11): what is taken, and the tampered twins
 * of each piece: all or nothing.
 */
#include "tests/kit/uploadkit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- accepted --------------------------------------------------------- */

static void
all_there(void)
{
	struct coll_key keys[] = { up_tcb_key(TEE_SGX, 4),
		up_tcb_key(TEE_TDX, 4), key_pck_crl(PCK_CA_PROCESSOR),
		key_pck_crl(PCK_CA_PLATFORM), key_root_crl(),
		key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0),
		key_identity(ENCLAVE_TDQE, 4, UPDATE_STANDARD, 0),
		key_identity(ENCLAVE_QVE, 4, UPDATE_EARLY, 0) };
	size_t i, n = sizeof(keys) / sizeof(keys[0]);

	ck_assert_uint_eq(snap_len(up_kit->snap), n);
	for (i = 0; i < n; i++) {
		ck_assert_msg(kit_held(up_kit, &keys[i]) != NULL,
		    "%s is missing", keys[i].text);
		ck_assert_str_eq(kit_held(up_kit, &keys[i])->source, "upload");
		ck_assert(!kit_held(up_kit, &keys[i])->revocation_unchecked);
	}
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_OK);
	ck_assert_str_eq(up_kit->answer->tcbm, UP_CPUSVN0 "0D00");
	ck_assert_int_eq(up_lookup(&up_raw[1]), ERR_OK);
	ck_assert_str_eq(up_kit->answer->tcbm, UP_CPUSVN1 "0D00");
}

START_TEST(test_a_whole_document_is_taken_and_lasts)
{
	enum err e = up_put();

	ck_assert_msg(e == ERR_OK, "%s: %s", err_token(e), up_kit->why.text);
	all_there();
	kit_reopen(up_kit);
	all_there();
}
END_TEST

START_TEST(test_tcb_infos_get_the_bytes_intel_signed_whatever_the_spacing)
{
	static const size_t flags[] = { 0, JSON_COMPACT, JSON_INDENT(4),
		JSON_INDENT(8) };
	struct coll_key key = up_tcb_key(TEE_SGX, 4);
	struct pki_tcbinfo t = { .fmspc = UP_FMSPC };
	struct pki_doc d = pki_tcbinfo(up_kit->pki, &t);
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		ck_assert_int_eq(up_put_with(4, false, flags[i]), ERR_OK);
		ck_assert(
		    span_eq(blob_span(
				kit_held(up_kit, &key)->form[FORM_BODY].body),
			blob_span(d.body)));
	}
	pki_doc_fini(&d);
}
END_TEST

START_TEST(test_the_same_document_again_is_fine)
{
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(up_put(), ERR_OK);
	all_there();
}
END_TEST

START_TEST(test_a_registered_platform_leaves_the_queue)
{
	struct platform_ask a = { .id = kit_platform_id("AB"),
		.has_tcb = true,
		.tcb = up_raw[0] };
	struct platform_ask b = a, other = a;

	b.tcb = up_raw[1];
	other.id = kit_platform_id("CD");
	ck_assert_int_eq(kit_register(up_kit, &a), ERR_OK);
	ck_assert_int_eq(kit_register(up_kit, &b), ERR_OK);
	ck_assert_int_eq(kit_register(up_kit, &other), ERR_OK);
	ck_assert_int_eq(kit_platforms(up_kit, "reg", false), ERR_OK);
	ck_assert_uint_eq(up_kit->n, 3);
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(kit_explain(up_kit, "AB"), ERR_OK);
	ck_assert_ptr_eq(strstr(kit_text(up_kit), "handed-out"), NULL);
	ck_assert_int_eq(kit_explain(up_kit, "CD"), ERR_OK);
	ck_assert_ptr_ne(strstr(kit_text(up_kit), "handed-out"), NULL);
	/* Both raw TCBs have their certificate: nothing to register. */
	ck_assert_int_eq(kit_register(up_kit, &b), ERR_OK);
	ck_assert(up_kit->cached);
	ck_assert_int_eq(kit_platforms(up_kit, "[" UP_FMSPC "]", false),
	    ERR_OK);
	ck_assert_uint_eq(up_kit->n, 2);
}
END_TEST

START_TEST(test_verification_collateral_alone_is_legal)
{
	json_array_clear(json_object_get(up_doc, "platforms"));
	json_array_clear(json_object_get(up_coll(), "pck_certs"));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_uint_eq(snap_len(up_kit->snap), 8);
}
END_TEST

START_TEST(test_crls_alone_are_legal)
{
	static const char *const gone[] = { "qeidentity", "tdqeidentity",
		"qveidentity", "qveidentity_early" };
	size_t i;

	json_array_clear(json_object_get(up_doc, "platforms"));
	json_array_clear(json_object_get(up_coll(), "pck_certs"));
	json_array_clear(json_object_get(up_coll(), "tcbinfos"));
	for (i = 0; i < 4; i++)
		json_object_del(up_coll(), gone[i]);
	json_object_del(up_certificates(), "TCB-Info-Issuer-Chain");
	json_object_set_new(up_certificates(),
	    "SGX-Enclave-Identity-Issuer-Chain", json_string(""));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_uint_eq(snap_len(up_kit->snap), 3);
	/* The root certificate came with the PCK CA's chain. */
	json_object_set_new(up_coll(), "rootcacrl", json_string(""));
	json_object_set_new(up_coll(), "pckcacrl", json_string(""));
	ck_assert_int_eq(up_put(), ERR_OK);
}
END_TEST

START_TEST(test_a_missing_chain_is_taken_from_what_is_held)
{
	ck_assert_int_eq(up_put(), ERR_OK);
	json_object_del(up_certificates(), "TCB-Info-Issuer-Chain");
	json_object_del(up_certificates(), "SGX-Enclave-Identity-Issuer-Chain");
	json_object_clear(json_object_get(up_certificates(),
	    "SGX-PCK-Certificate-Issuer-Chain"));
	json_object_set_new(up_tcbinfo_row(), "sgx_tcbinfo",
	    up_info(TEE_SGX, 60, 3, PKI_HONEST));
	ck_assert_int_eq(up_put(), ERR_OK);
	kit_reopen(up_kit);
	all_there();
}
END_TEST

/* As the fetch command writes it for a fleet with one of the two CAs. */
START_TEST(test_a_crl_whose_chain_nobody_has_is_left_out)
{
	struct coll_key processor = key_pck_crl(PCK_CA_PROCESSOR);
	struct coll_key platform = key_pck_crl(PCK_CA_PLATFORM);
	json_t *chains = json_object_get(up_certificates(),
	    "SGX-PCK-Certificate-Issuer-Chain");

	json_array_clear(json_object_get(up_coll(), "pck_certs"));
	json_object_del(chains, "PROCESSOR");
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_ptr_null(kit_held(up_kit, &processor));
	ck_assert_ptr_nonnull(kit_held(up_kit, &platform));
}
END_TEST

START_TEST(test_not_available_entries_are_skipped)
{
	struct pki_pck v[2] = { up_pck(&up_raw[0]), up_pck(&up_raw[1]) };

	v[0].na = true;
	json_object_set_new(up_certs_row(), "certs", up_certs(2, v));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_OK);
	ck_assert_str_eq(up_kit->answer->tcbm, UP_CPUSVN1 "0D00");
}
END_TEST

START_TEST(test_a_platform_without_any_certificate_is_left_out)
{
	struct pki_pck v[2] = { up_pck(&up_raw[0]), up_pck(&up_raw[1]) };

	v[0].na = v[1].na = true;
	json_object_set_new(up_certs_row(), "certs", up_certs(2, v));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_UNKNOWN_PLATFORM);
	ck_assert_uint_eq(snap_len(up_kit->snap), 8);
}
END_TEST

START_TEST(test_a_manifest_is_kept_and_a_zero_ppid_is_none)
{
	struct platform_id id = kit_platform_id("AB");
	char zeros[2 * PPID_LEN + 1];

	memset(zeros, '0', sizeof(zeros) - 1);
	zeros[sizeof(zeros) - 1] = '\0';
	json_object_set_new(up_certs_row(), "platform_manifest",
	    json_string("4d4E"));
	json_object_set_new(up_certs_row(), "enc_ppid", json_string(zeros));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(kit_ask(up_kit, &id), ERR_OK);
	ck_assert_ptr_eq(up_kit->ask.enc_ppid, NULL);
	ck_assert(span_eq_str(blob_span(up_kit->ask.manifest), "MN"));
}
END_TEST

START_TEST(test_version_3_uploads)
{
	struct coll_key key = up_tcb_key(TEE_SGX, 3);
	struct coll_key qe = key_identity(ENCLAVE_QE, 3, UPDATE_STANDARD, 0);

	json_object_del(up_coll(), "version");
	json_object_clear(up_tcbinfo_row());
	json_object_set_new(up_tcbinfo_row(), "fmspc", json_string(UP_FMSPC));
	json_object_set_new(up_tcbinfo_row(), "tcbinfo",
	    up_info(TEE_SGX, 0, 2, PKI_HONEST));
	json_object_set(up_certificates(), "SGX-TCB-Info-Issuer-Chain",
	    json_object_get(up_certificates(), "TCB-Info-Issuer-Chain"));
	json_object_del(up_certificates(), "TCB-Info-Issuer-Chain");
	ck_assert_int_eq(up_put_with(3, false, 0), ERR_OK);
	ck_assert_ptr_ne(kit_held(up_kit, &key), NULL);
	ck_assert_ptr_ne(kit_held(up_kit, &qe), NULL);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_OK);
	/* On v4 it has no version, and a v2 TCB info is not what v4 serves. */
	ck_assert_int_eq(up_put(), ERR_PARAM);
}
END_TEST

/* --- older ------------------------------------------------------------ */

START_TEST(test_an_older_piece_stops_the_document_unless_forced)
{
	struct coll_key key = up_tcb_key(TEE_SGX, 4);
	struct coll_key crl = key_pck_crl(PCK_CA_PLATFORM);

	ck_assert_int_eq(up_put(), ERR_OK);
	json_object_set_new(up_tcbinfo_row(), "sgx_tcbinfo",
	    up_info(TEE_SGX, -60, 3, PKI_HONEST));
	json_object_set_new(json_object_get(up_coll(), "pckcacrl"),
	    "platformCrl", up_crl(PKI_PLATFORM_CA, 60, PKI_HONEST));
	ck_assert_int_eq(up_put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(up_kit->why.text, key.text), NULL);
	ck_assert_ptr_ne(strstr(up_kit->why.text, "older-than-held"), NULL);
	ck_assert_int_eq(kit_held(up_kit, &key)->issue_at,
	    pki_now(up_kit->pki));
	ck_assert_int_eq(kit_held(up_kit, &crl)->issue_at,
	    pki_now(up_kit->pki));
	ck_assert_int_eq(up_put_with(4, true, 0), ERR_OK);
	ck_assert_int_eq(kit_held(up_kit, &key)->issue_at,
	    pki_now(up_kit->pki) - 60);
	ck_assert_int_eq(kit_held(up_kit, &crl)->issue_at,
	    pki_now(up_kit->pki) + 60);
	kit_reopen(up_kit);
	ck_assert_int_eq(kit_held(up_kit, &key)->issue_at,
	    pki_now(up_kit->pki) - 60);
}
END_TEST

START_TEST(test_force_does_not_open_the_gate)
{
	json_object_set_new(up_tcbinfo_row(), "sgx_tcbinfo",
	    up_info(TEE_SGX, 0, 3, PKI_BAD_SIGNATURE));
	ck_assert_int_eq(up_put_with(4, true, 0), ERR_INTEGRITY);
	ck_assert_uint_eq(snap_len(up_kit->snap), 0);
}
END_TEST

/* --- forged ----------------------------------------------------------- */

START_TEST(test_a_forged_tcb_info)
{
	int lie;

	for (lie = 1; lie < PKI_LIE_N; lie++) {
		if (lie == PKI_WRONG_KEY || lie == PKI_BAD_SIGNATURE ||
		    lie == PKI_BODY_CHANGED) {
			json_object_set_new(up_tcbinfo_row(), "sgx_tcbinfo",
			    up_info(TEE_SGX, 0, 3, (enum pki_lie)lie));
			up_refused(ERR_INTEGRITY, "tcb/sgx/4");
		}
	}
}
END_TEST

START_TEST(test_a_tcb_info_of_another_fmspc)
{
	json_object_set_new(up_tcbinfo_row(), "fmspc",
	    json_string("00606A000000"));
	up_refused(ERR_INTEGRITY, "not-what-was-asked");
}
END_TEST

START_TEST(test_sgx_and_tdx_exchanged)
{
	json_object_set_new(up_tcbinfo_row(), "sgx_tcbinfo",
	    up_info(TEE_TDX, 0, 3, PKI_HONEST));
	up_refused(ERR_INTEGRITY, "not-what-was-asked");
}
END_TEST

START_TEST(test_a_value_changed_in_a_signed_object)
{
	json_t *info =
	    json_object_get(json_object_get(up_tcbinfo_row(), "tdx_tcbinfo"),
		"tcbInfo");

	json_object_set_new(info, "tcbEvaluationDataNumber", json_integer(18));
	up_refused(ERR_INTEGRITY, "bad-signature");
}
END_TEST

START_TEST(test_a_forged_identity)
{
	json_object_set_new(up_coll(), "tdqeidentity",
	    up_identity(ENCLAVE_TDQE, PKI_BODY_CHANGED));
	up_refused(ERR_INTEGRITY, "identity/tdqe/4/standard");
}
END_TEST

START_TEST(test_a_forged_crl)
{
	json_object_set_new(json_object_get(up_coll(), "pckcacrl"),
	    "processorCrl", up_crl(PKI_PROCESSOR_CA, 0, PKI_BAD_SIGNATURE));
	up_refused(ERR_INTEGRITY, "pckcrl/processor");
}
END_TEST

START_TEST(test_crls_exchanged)
{
	json_object_set_new(json_object_get(up_coll(), "pckcacrl"),
	    "processorCrl", up_crl(PKI_PLATFORM_CA, 0, PKI_HONEST));
	up_refused(ERR_INTEGRITY, "pckcrl/processor");
}
END_TEST

START_TEST(test_a_forged_root_crl)
{
	json_object_set_new(up_coll(), "rootcacrl",
	    up_crl(PKI_ROOT, 0, PKI_BAD_SIGNATURE));
	up_refused(ERR_INTEGRITY, "rootcrl");
}
END_TEST

START_TEST(test_forged_certificates)
{
	struct pki_pck v[2] = { up_pck(&up_raw[0]), up_pck(&up_raw[1]) };

	v[1].lie = PKI_BAD_SIGNATURE;
	json_object_set_new(up_certs_row(), "certs", up_certs(2, v));
	up_refused(ERR_INTEGRITY, "pck_certs");
	v[1] = up_pck(&up_raw[1]);
	v[1].ppid[0] ^= 1;
	json_object_set_new(up_certs_row(), "certs", up_certs(2, v));
	up_refused(ERR_INTEGRITY, "pck_certs");
}
END_TEST

START_TEST(test_a_foreign_chain)
{
	struct blob *b =
	    pki_chain_header(pki_evil(up_kit->pki), PKI_TCB_SIGNING);

	json_object_set_new(up_certificates(), "TCB-Info-Issuer-Chain",
	    up_text(blob_span(b)));
	blob_unref(b);
	json_object_set_new(up_coll(), "rootcacrl", json_string(""));
	up_refused(ERR_INTEGRITY, "untrusted-root");
}
END_TEST

/* The root CRL of the document judges the rest of it. */
START_TEST(test_a_signer_revoked_by_the_documents_own_root_crl)
{
	char *serial = pki_serial(pki_x509(up_kit->pki, PKI_TCB_SIGNING));
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_ROOT,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(up_kit->pki, &c);

	json_object_set_new(up_coll(), "rootcacrl", up_hex(blob_span(b)));
	up_refused(ERR_INTEGRITY, "revoked");
	blob_unref(b);
	free(serial);
}
END_TEST

START_TEST(test_a_pck_ca_revoked_by_the_documents_own_root_crl)
{
	char *serial = pki_serial(pki_x509(up_kit->pki, PKI_PROCESSOR_CA));
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_ROOT,
		.this_update = pki_now(up_kit->pki) + 60,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(up_kit->pki, &c);

	ck_assert_int_eq(up_put(), ERR_OK);
	json_object_set_new(up_coll(), "rootcacrl", up_hex(blob_span(b)));
	json_object_set_new(up_coll(), "pckcacrl", json_string(""));
	ck_assert_int_eq(up_put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(up_kit->why.text, "revoked"), NULL);
	blob_unref(b);
	free(serial);
}
END_TEST

START_TEST(test_a_certificate_revoked_by_the_documents_own_crl)
{
	struct pki_pck v = up_pck(&up_raw[1]);
	X509 *x = pki_pck(up_kit->pki, &v);
	char *serial = pki_serial(x);
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_PROCESSOR_CA,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(up_kit->pki, &c);

	json_object_set_new(json_object_get(up_coll(), "pckcacrl"),
	    "processorCrl", up_hex(blob_span(b)));
	up_refused(ERR_INTEGRITY, "revoked");
	blob_unref(b);
	free(serial);
	X509_free(x);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("upload");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, up_setup, up_teardown);
	tcase_add_test(t, test_a_whole_document_is_taken_and_lasts);
	tcase_add_test(t,
	    test_tcb_infos_get_the_bytes_intel_signed_whatever_the_spacing);
	tcase_add_test(t, test_the_same_document_again_is_fine);
	tcase_add_test(t, test_a_registered_platform_leaves_the_queue);
	tcase_add_test(t, test_verification_collateral_alone_is_legal);
	tcase_add_test(t, test_crls_alone_are_legal);
	tcase_add_test(t, test_a_missing_chain_is_taken_from_what_is_held);
	tcase_add_test(t, test_a_crl_whose_chain_nobody_has_is_left_out);
	tcase_add_test(t, test_not_available_entries_are_skipped);
	tcase_add_test(t, test_a_platform_without_any_certificate_is_left_out);
	tcase_add_test(t, test_a_manifest_is_kept_and_a_zero_ppid_is_none);
	tcase_add_test(t, test_version_3_uploads);
	tcase_add_test(t, test_an_older_piece_stops_the_document_unless_forced);
	tcase_add_test(t, test_force_does_not_open_the_gate);
	tcase_add_test(t, test_a_forged_tcb_info);
	tcase_add_test(t, test_a_tcb_info_of_another_fmspc);
	tcase_add_test(t, test_sgx_and_tdx_exchanged);
	tcase_add_test(t, test_a_value_changed_in_a_signed_object);
	tcase_add_test(t, test_a_forged_identity);
	tcase_add_test(t, test_a_forged_crl);
	tcase_add_test(t, test_crls_exchanged);
	tcase_add_test(t, test_a_forged_root_crl);
	tcase_add_test(t, test_forged_certificates);
	tcase_add_test(t, test_a_foreign_chain);
	tcase_add_test(t, test_a_signer_revoked_by_the_documents_own_root_crl);
	tcase_add_test(t, test_a_pck_ca_revoked_by_the_documents_own_root_crl);
	tcase_add_test(t, test_a_certificate_revoked_by_the_documents_own_crl);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
