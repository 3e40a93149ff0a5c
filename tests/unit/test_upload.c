/*
 * PUT platformcollateral (pccs-api 6.11): the document, its tampered twins,
 * all or nothing.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/upload.h"
#include "tests/kit/storekit.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"
#define DAY   ((time_t)86400)

static struct kit kit;
static struct kit *k = &kit;
static json_t *doc; /* the honest document, to be changed */

static const struct raw_tcb raw[] = {
	{ { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 },
	{ { 12, 12, 3, 3, 255, 255, 0, 0 }, 13 },
};

/* --- making a document ------------------------------------------------ */

static json_t *
text_of(struct span s)
{
	json_t *t = json_stringn((const char *)s.p, s.len);

	must(t != NULL);
	return t;
}

static json_t *
hex_of(struct span s)
{
	struct buf b = BUF_INIT;
	json_t *t;

	buf_hex(&b, s);
	t = text_of(buf_view(&b));
	buf_free(&b);
	return t;
}

static json_t *
chain_of(enum pki_who who)
{
	struct blob *b = pki_chain_header(k->pki, who);
	json_t *t = text_of(blob_span(b));

	blob_unref(b);
	return t;
}

static struct pki_pck
pck_at(const struct raw_tcb *tcb)
{
	struct pki_pck p = { .ca = PCK_CA_PROCESSOR,
		.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
		.pcesvn = tcb->pcesvn };

	memset(p.ppid, 0x5a, sizeof(p.ppid));
	memcpy(p.comp, tcb->cpusvn, sizeof(p.comp));
	return p;
}

/* The tool's own form of a tcb: sgxtcbcompNNsvn. */
static json_t *
certs_of(size_t n, const struct pki_pck *v)
{
	struct blob *b = pki_pckcerts(k->pki, n, v);
	json_t *list = json_loadb((const char *)b->data, b->len, 0, NULL);

	must(list != NULL);
	blob_unref(b);
	return list;
}

static json_t *
info_of(enum tee tee, time_t at, unsigned version, enum pki_lie lie)
{
	struct pki_tcbinfo t = { .tee = tee,
		.version = version,
		.fmspc = FMSPC,
		.issue_at = pki_now(k->pki) + at,
		.next_update = pki_now(k->pki) + at + 30 * DAY,
		.lie = lie };
	struct pki_doc d = pki_tcbinfo(k->pki, &t);
	json_t *o =
	    json_loadb((const char *)d.body->data, d.body->len, 0, NULL);

	must(o != NULL);
	pki_doc_fini(&d);
	return o;
}

static json_t *
identity_of(enum enclave e, enum pki_lie lie)
{
	struct pki_identity i = { .enclave = e, .lie = lie };
	struct pki_doc d = pki_identity(k->pki, &i);
	json_t *t = text_of(blob_span(d.body));

	pki_doc_fini(&d);
	return t;
}

static json_t *
crl_of(enum pki_who who, time_t at, enum pki_lie lie)
{
	struct pki_crl c = { .issuer = who,
		.this_update = pki_now(k->pki) + at,
		.lie = lie };
	struct blob *b = pki_crl(k->pki, &c);
	json_t *t = hex_of(blob_span(b));

	blob_unref(b);
	return t;
}

static json_t *
coll(void)
{
	return json_object_get(doc, "collaterals");
}

static json_t *
certificates(void)
{
	return json_object_get(coll(), "certificates");
}

static json_t *
tcbinfo_row(void)
{
	return json_array_get(json_object_get(coll(), "tcbinfos"), 0);
}

static json_t *
certs_row(void)
{
	return json_array_get(json_object_get(coll(), "pck_certs"), 0);
}

#define CPUSVN0 "0E0E0303FFFF01000000000000000000"
#define CPUSVN1 "0C0C0303FFFF00000000000000000000"

static json_t *
document(void)
{
	struct pki_pck v[2] = { pck_at(&raw[0]), pck_at(&raw[1]) };
	char ppid[2 * PPID_LEN + 1];

	memset(ppid, 'A', sizeof(ppid) - 1);
	ppid[sizeof(ppid) - 1] = '\0';
	doc = json_pack("{s:[{s:s,s:s,s:s,s:s,s:s,s:s,s:s}],s:{}}", "platforms",
	    "qe_id", "ab", "pce_id", "0000", "cpu_svn", CPUSVN0, "pce_svn",
	    "0D00", "enc_ppid", ppid, "platform_manifest", "", "pckid_filename",
	    "x.csv", "collaterals");
	must(doc != NULL);
	json_object_set_new(coll(), "version", json_integer(4));
	json_object_set_new(coll(), "pck_certs",
	    json_pack("[{s:s,s:s,s:s,s:s,s:o}]", "qe_id", "AB", "pce_id",
		"0000", "enc_ppid", ppid, "platform_manifest", "", "certs",
		certs_of(2, v)));
	json_object_set_new(coll(), "tcbinfos",
	    json_pack("[{s:s,s:o,s:o,s:s}]", "fmspc", FMSPC, "sgx_tcbinfo",
		info_of(TEE_SGX, 0, 3, PKI_HONEST), "tdx_tcbinfo",
		info_of(TEE_TDX, 0, 3, PKI_HONEST), "sgx_tcbinfo_early", ""));
	json_object_set_new(coll(), "pckcacrl",
	    json_pack("{s:o,s:o}", "processorCrl",
		crl_of(PKI_PROCESSOR_CA, 0, PKI_HONEST), "platformCrl",
		crl_of(PKI_PLATFORM_CA, 0, PKI_HONEST)));
	json_object_set_new(coll(), "qeidentity",
	    identity_of(ENCLAVE_QE, PKI_HONEST));
	json_object_set_new(coll(), "tdqeidentity",
	    identity_of(ENCLAVE_TDQE, PKI_HONEST));
	json_object_set_new(coll(), "qveidentity_early",
	    identity_of(ENCLAVE_QVE, PKI_HONEST));
	json_object_set_new(coll(), "qveidentity", json_string(""));
	json_object_set_new(coll(), "certificates",
	    json_pack("{s:{s:o,s:o},s:o,s:o}",
		"SGX-PCK-Certificate-Issuer-Chain", "PROCESSOR",
		chain_of(PKI_PROCESSOR_CA), "PLATFORM",
		chain_of(PKI_PLATFORM_CA), "TCB-Info-Issuer-Chain",
		chain_of(PKI_TCB_SIGNING), "SGX-Enclave-Identity-Issuer-Chain",
		chain_of(PKI_TCB_SIGNING)));
	json_object_set_new(coll(), "rootcacrl",
	    crl_of(PKI_ROOT, 0, PKI_HONEST));
	json_object_set_new(coll(), "rootcacrl_cdp",
	    json_string("https://certificates.trustedservices.intel.com/"
			"IntelSGXRootCA.der"));
	return doc;
}

static void
setup(void)
{
	kit_init(k, "\"mode\":\"offline\"");
	document();
}

static void
teardown(void)
{
	json_decref(doc);
	kit_fini(k);
}

/* As the tool writes it: order kept, ", " and ": " between tokens. */
static enum err
put_with(unsigned api, bool force, size_t flags)
{
	char *text = json_dumps(doc, JSON_PRESERVE_ORDER | flags);
	enum err e;

	must(text != NULL);
	e = kit_upload(k, text, api, force);
	free(text);
	return e;
}

static enum err
put(void)
{
	return put_with(4, false, 0);
}

static struct coll_key
tcb_key(enum tee tee, unsigned api)
{
	return key_tcbinfo(tee, api, FMSPC, UPDATE_STANDARD, 0);
}

static enum err
lookup(const struct raw_tcb *tcb)
{
	struct platform_id id = kit_platform_id("AB");

	return kit_pck(k, &id, tcb);
}

/* Refused, and nothing of it is there. */
static void
refused(enum err expect, const char *names)
{
	enum err e = put();

	ck_assert_msg(e == expect, "%s instead of %s: %s", err_token(e),
	    err_token(expect), k->why.text);
	ck_assert_int_eq(k->why.err, expect);
	ck_assert_msg(names == NULL || strstr(k->why.text, names) != NULL,
	    "\"%s\" is not in: %s", names, k->why.text);
	ck_assert_uint_eq(snap_len(k->snap), 0);
	ck_assert_int_eq(lookup(&raw[0]), ERR_UNKNOWN_PLATFORM);
	kit_reopen(k);
	ck_assert_uint_eq(snap_len(k->snap), 0);
	ck_assert_int_eq(lookup(&raw[0]), ERR_UNKNOWN_PLATFORM);
}

/* --- accepted --------------------------------------------------------- */

static void
all_there(void)
{
	struct coll_key keys[] = { tcb_key(TEE_SGX, 4), tcb_key(TEE_TDX, 4),
		key_pck_crl(PCK_CA_PROCESSOR), key_pck_crl(PCK_CA_PLATFORM),
		key_root_crl(), key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0),
		key_identity(ENCLAVE_TDQE, 4, UPDATE_STANDARD, 0),
		key_identity(ENCLAVE_QVE, 4, UPDATE_EARLY, 0) };
	size_t i, n = sizeof(keys) / sizeof(keys[0]);

	ck_assert_uint_eq(snap_len(k->snap), n);
	for (i = 0; i < n; i++) {
		ck_assert_msg(kit_held(k, &keys[i]) != NULL, "%s is missing",
		    keys[i].text);
		ck_assert_str_eq(kit_held(k, &keys[i])->source, "upload");
		ck_assert(!kit_held(k, &keys[i])->revocation_unchecked);
	}
	ck_assert_int_eq(lookup(&raw[0]), ERR_OK);
	ck_assert_str_eq(k->answer->tcbm, CPUSVN0 "0D00");
	ck_assert_int_eq(lookup(&raw[1]), ERR_OK);
	ck_assert_str_eq(k->answer->tcbm, CPUSVN1 "0D00");
}

START_TEST(test_a_whole_document_is_taken_and_lasts)
{
	enum err e = put();

	ck_assert_msg(e == ERR_OK, "%s: %s", err_token(e), k->why.text);
	all_there();
	kit_reopen(k);
	all_there();
}
END_TEST

START_TEST(test_tcb_infos_get_the_bytes_intel_signed_whatever_the_spacing)
{
	static const size_t flags[] = { 0, JSON_COMPACT, JSON_INDENT(4),
		JSON_INDENT(8) };
	struct coll_key key = tcb_key(TEE_SGX, 4);
	struct pki_tcbinfo t = { .fmspc = FMSPC };
	struct pki_doc d = pki_tcbinfo(k->pki, &t);
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		ck_assert_int_eq(put_with(4, false, flags[i]), ERR_OK);
		ck_assert(
		    span_eq(blob_span(kit_held(k, &key)->form[FORM_BODY].body),
			blob_span(d.body)));
	}
	pki_doc_fini(&d);
}
END_TEST

START_TEST(test_the_same_document_again_is_fine)
{
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(put(), ERR_OK);
	all_there();
}
END_TEST

START_TEST(test_a_registered_platform_leaves_the_queue)
{
	struct platform_ask a = { .id = kit_platform_id("AB"),
		.has_tcb = true,
		.tcb = raw[0] };
	struct platform_ask b = a, other = a;

	b.tcb = raw[1];
	other.id = kit_platform_id("CD");
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	ck_assert_int_eq(kit_register(k, &b), ERR_OK);
	ck_assert_int_eq(kit_register(k, &other), ERR_OK);
	ck_assert_int_eq(kit_platforms(k, "reg", false), ERR_OK);
	ck_assert_uint_eq(k->n, 3);
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(kit_explain(k, "AB"), ERR_OK);
	ck_assert_ptr_eq(strstr(kit_text(k), "handed-out"), NULL);
	ck_assert_int_eq(kit_explain(k, "CD"), ERR_OK);
	ck_assert_ptr_ne(strstr(kit_text(k), "handed-out"), NULL);
	/* Both raw TCBs have their certificate: nothing to register. */
	ck_assert_int_eq(kit_register(k, &b), ERR_OK);
	ck_assert(k->cached);
	ck_assert_int_eq(kit_platforms(k, "[" FMSPC "]", false), ERR_OK);
	ck_assert_uint_eq(k->n, 2);
}
END_TEST

START_TEST(test_verification_collateral_alone_is_legal)
{
	json_array_clear(json_object_get(doc, "platforms"));
	json_array_clear(json_object_get(coll(), "pck_certs"));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_uint_eq(snap_len(k->snap), 8);
}
END_TEST

START_TEST(test_crls_alone_are_legal)
{
	static const char *const gone[] = { "qeidentity", "tdqeidentity",
		"qveidentity", "qveidentity_early" };
	size_t i;

	json_array_clear(json_object_get(doc, "platforms"));
	json_array_clear(json_object_get(coll(), "pck_certs"));
	json_array_clear(json_object_get(coll(), "tcbinfos"));
	for (i = 0; i < 4; i++)
		json_object_del(coll(), gone[i]);
	json_object_del(certificates(), "TCB-Info-Issuer-Chain");
	json_object_set_new(certificates(), "SGX-Enclave-Identity-Issuer-Chain",
	    json_string(""));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_uint_eq(snap_len(k->snap), 3);
	/* The root certificate came with the PCK CA's chain. */
	json_object_set_new(coll(), "rootcacrl", json_string(""));
	json_object_set_new(coll(), "pckcacrl", json_string(""));
	ck_assert_int_eq(put(), ERR_OK);
}
END_TEST

START_TEST(test_a_missing_chain_is_taken_from_what_is_held)
{
	ck_assert_int_eq(put(), ERR_OK);
	json_object_del(certificates(), "TCB-Info-Issuer-Chain");
	json_object_del(certificates(), "SGX-Enclave-Identity-Issuer-Chain");
	json_object_clear(json_object_get(certificates(),
	    "SGX-PCK-Certificate-Issuer-Chain"));
	json_object_set_new(tcbinfo_row(), "sgx_tcbinfo",
	    info_of(TEE_SGX, 60, 3, PKI_HONEST));
	ck_assert_int_eq(put(), ERR_OK);
	kit_reopen(k);
	all_there();
}
END_TEST

/* As the fetch command writes it for a fleet with one of the two CAs. */
START_TEST(test_a_crl_whose_chain_nobody_has_is_left_out)
{
	struct coll_key processor = key_pck_crl(PCK_CA_PROCESSOR);
	struct coll_key platform = key_pck_crl(PCK_CA_PLATFORM);
	json_t *chains =
	    json_object_get(certificates(), "SGX-PCK-Certificate-Issuer-Chain");

	json_array_clear(json_object_get(coll(), "pck_certs"));
	json_object_del(chains, "PROCESSOR");
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_ptr_null(kit_held(k, &processor));
	ck_assert_ptr_nonnull(kit_held(k, &platform));
}
END_TEST

START_TEST(test_not_available_entries_are_skipped)
{
	struct pki_pck v[2] = { pck_at(&raw[0]), pck_at(&raw[1]) };

	v[0].na = true;
	json_object_set_new(certs_row(), "certs", certs_of(2, v));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(lookup(&raw[0]), ERR_OK);
	ck_assert_str_eq(k->answer->tcbm, CPUSVN1 "0D00");
}
END_TEST

START_TEST(test_a_platform_without_any_certificate_is_left_out)
{
	struct pki_pck v[2] = { pck_at(&raw[0]), pck_at(&raw[1]) };

	v[0].na = v[1].na = true;
	json_object_set_new(certs_row(), "certs", certs_of(2, v));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(lookup(&raw[0]), ERR_UNKNOWN_PLATFORM);
	ck_assert_uint_eq(snap_len(k->snap), 8);
}
END_TEST

START_TEST(test_a_manifest_is_kept_and_a_zero_ppid_is_none)
{
	struct platform_id id = kit_platform_id("AB");
	char zeros[2 * PPID_LEN + 1];

	memset(zeros, '0', sizeof(zeros) - 1);
	zeros[sizeof(zeros) - 1] = '\0';
	json_object_set_new(certs_row(), "platform_manifest",
	    json_string("4d4E"));
	json_object_set_new(certs_row(), "enc_ppid", json_string(zeros));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(kit_ask(k, &id), ERR_OK);
	ck_assert_ptr_eq(k->ask.enc_ppid, NULL);
	ck_assert(span_eq_str(blob_span(k->ask.manifest), "MN"));
}
END_TEST

START_TEST(test_version_3_uploads)
{
	struct coll_key key = tcb_key(TEE_SGX, 3);
	struct coll_key qe = key_identity(ENCLAVE_QE, 3, UPDATE_STANDARD, 0);

	json_object_del(coll(), "version");
	json_object_clear(tcbinfo_row());
	json_object_set_new(tcbinfo_row(), "fmspc", json_string(FMSPC));
	json_object_set_new(tcbinfo_row(), "tcbinfo",
	    info_of(TEE_SGX, 0, 2, PKI_HONEST));
	json_object_set(certificates(), "SGX-TCB-Info-Issuer-Chain",
	    json_object_get(certificates(), "TCB-Info-Issuer-Chain"));
	json_object_del(certificates(), "TCB-Info-Issuer-Chain");
	ck_assert_int_eq(put_with(3, false, 0), ERR_OK);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	ck_assert_int_eq(lookup(&raw[0]), ERR_OK);
	/* On v4 it has no version, and a v2 TCB info is not what v4 serves. */
	ck_assert_int_eq(put(), ERR_PARAM);
}
END_TEST

/* --- older ------------------------------------------------------------ */

START_TEST(test_an_older_piece_stops_the_document_unless_forced)
{
	struct coll_key key = tcb_key(TEE_SGX, 4);
	struct coll_key crl = key_pck_crl(PCK_CA_PLATFORM);

	ck_assert_int_eq(put(), ERR_OK);
	json_object_set_new(tcbinfo_row(), "sgx_tcbinfo",
	    info_of(TEE_SGX, -60, 3, PKI_HONEST));
	json_object_set_new(json_object_get(coll(), "pckcacrl"), "platformCrl",
	    crl_of(PKI_PLATFORM_CA, 60, PKI_HONEST));
	ck_assert_int_eq(put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(k->why.text, key.text), NULL);
	ck_assert_ptr_ne(strstr(k->why.text, "older-than-held"), NULL);
	ck_assert_int_eq(kit_held(k, &key)->issue_at, pki_now(k->pki));
	ck_assert_int_eq(kit_held(k, &crl)->issue_at, pki_now(k->pki));
	ck_assert_int_eq(put_with(4, true, 0), ERR_OK);
	ck_assert_int_eq(kit_held(k, &key)->issue_at, pki_now(k->pki) - 60);
	ck_assert_int_eq(kit_held(k, &crl)->issue_at, pki_now(k->pki) + 60);
	kit_reopen(k);
	ck_assert_int_eq(kit_held(k, &key)->issue_at, pki_now(k->pki) - 60);
}
END_TEST

START_TEST(test_force_does_not_open_the_gate)
{
	json_object_set_new(tcbinfo_row(), "sgx_tcbinfo",
	    info_of(TEE_SGX, 0, 3, PKI_BAD_SIGNATURE));
	ck_assert_int_eq(put_with(4, true, 0), ERR_INTEGRITY);
	ck_assert_uint_eq(snap_len(k->snap), 0);
}
END_TEST

/* --- forged ----------------------------------------------------------- */

START_TEST(test_a_forged_tcb_info)
{
	int lie;

	for (lie = 1; lie < PKI_LIE_N; lie++) {
		if (lie == PKI_WRONG_KEY || lie == PKI_BAD_SIGNATURE ||
		    lie == PKI_BODY_CHANGED) {
			json_object_set_new(tcbinfo_row(), "sgx_tcbinfo",
			    info_of(TEE_SGX, 0, 3, (enum pki_lie)lie));
			refused(ERR_INTEGRITY, "tcb/sgx/4");
		}
	}
}
END_TEST

START_TEST(test_a_tcb_info_of_another_fmspc)
{
	json_object_set_new(tcbinfo_row(), "fmspc",
	    json_string("00606A000000"));
	refused(ERR_INTEGRITY, "not-what-was-asked");
}
END_TEST

START_TEST(test_sgx_and_tdx_exchanged)
{
	json_object_set_new(tcbinfo_row(), "sgx_tcbinfo",
	    info_of(TEE_TDX, 0, 3, PKI_HONEST));
	refused(ERR_INTEGRITY, "not-what-was-asked");
}
END_TEST

START_TEST(test_a_value_changed_in_a_signed_object)
{
	json_t *info =
	    json_object_get(json_object_get(tcbinfo_row(), "tdx_tcbinfo"),
		"tcbInfo");

	json_object_set_new(info, "tcbEvaluationDataNumber", json_integer(18));
	refused(ERR_INTEGRITY, "bad-signature");
}
END_TEST

START_TEST(test_a_forged_identity)
{
	json_object_set_new(coll(), "tdqeidentity",
	    identity_of(ENCLAVE_TDQE, PKI_BODY_CHANGED));
	refused(ERR_INTEGRITY, "identity/tdqe/4/standard");
}
END_TEST

START_TEST(test_a_forged_crl)
{
	json_object_set_new(json_object_get(coll(), "pckcacrl"), "processorCrl",
	    crl_of(PKI_PROCESSOR_CA, 0, PKI_BAD_SIGNATURE));
	refused(ERR_INTEGRITY, "pckcrl/processor");
}
END_TEST

START_TEST(test_crls_exchanged)
{
	json_object_set_new(json_object_get(coll(), "pckcacrl"), "processorCrl",
	    crl_of(PKI_PLATFORM_CA, 0, PKI_HONEST));
	refused(ERR_INTEGRITY, "pckcrl/processor");
}
END_TEST

START_TEST(test_a_forged_root_crl)
{
	json_object_set_new(coll(), "rootcacrl",
	    crl_of(PKI_ROOT, 0, PKI_BAD_SIGNATURE));
	refused(ERR_INTEGRITY, "rootcrl");
}
END_TEST

START_TEST(test_forged_certificates)
{
	struct pki_pck v[2] = { pck_at(&raw[0]), pck_at(&raw[1]) };

	v[1].lie = PKI_BAD_SIGNATURE;
	json_object_set_new(certs_row(), "certs", certs_of(2, v));
	refused(ERR_INTEGRITY, "pck_certs");
	v[1] = pck_at(&raw[1]);
	v[1].ppid[0] ^= 1;
	json_object_set_new(certs_row(), "certs", certs_of(2, v));
	refused(ERR_INTEGRITY, "pck_certs");
}
END_TEST

START_TEST(test_a_foreign_chain)
{
	struct blob *b = pki_chain_header(pki_evil(k->pki), PKI_TCB_SIGNING);

	json_object_set_new(certificates(), "TCB-Info-Issuer-Chain",
	    text_of(blob_span(b)));
	blob_unref(b);
	json_object_set_new(coll(), "rootcacrl", json_string(""));
	refused(ERR_INTEGRITY, "untrusted-root");
}
END_TEST

/* The root CRL of the document judges the rest of it. */
START_TEST(test_a_signer_revoked_by_the_documents_own_root_crl)
{
	char *serial = pki_serial(pki_x509(k->pki, PKI_TCB_SIGNING));
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_ROOT,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(k->pki, &c);

	json_object_set_new(coll(), "rootcacrl", hex_of(blob_span(b)));
	refused(ERR_INTEGRITY, "revoked");
	blob_unref(b);
	free(serial);
}
END_TEST

START_TEST(test_a_pck_ca_revoked_by_the_documents_own_root_crl)
{
	char *serial = pki_serial(pki_x509(k->pki, PKI_PROCESSOR_CA));
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_ROOT,
		.this_update = pki_now(k->pki) + 60,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(k->pki, &c);

	ck_assert_int_eq(put(), ERR_OK);
	json_object_set_new(coll(), "rootcacrl", hex_of(blob_span(b)));
	json_object_set_new(coll(), "pckcacrl", json_string(""));
	ck_assert_int_eq(put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(k->why.text, "revoked"), NULL);
	blob_unref(b);
	free(serial);
}
END_TEST

START_TEST(test_a_certificate_revoked_by_the_documents_own_crl)
{
	struct pki_pck v = pck_at(&raw[1]);
	X509 *x = pki_pck(k->pki, &v);
	char *serial = pki_serial(x);
	const char *list[] = { serial };
	struct pki_crl c = { .issuer = PKI_PROCESSOR_CA,
		.n_revoked = 1,
		.revoked = list };
	struct blob *b = pki_crl(k->pki, &c);

	json_object_set_new(json_object_get(coll(), "pckcacrl"), "processorCrl",
	    hex_of(blob_span(b)));
	refused(ERR_INTEGRITY, "revoked");
	blob_unref(b);
	free(serial);
	X509_free(x);
}
END_TEST

/* --- schema ----------------------------------------------------------- */

START_TEST(test_members_that_must_be_there)
{
	static const char *const required[] = { "pck_certs", "tcbinfos",
		"certificates", "version" };
	size_t i;

	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		json_object_del(coll(), required[i]);
		refused(ERR_PARAM, required[i]);
		json_decref(doc);
		document();
	}
	json_object_del(doc, "platforms");
	refused(ERR_PARAM, "platforms");
	json_decref(doc);
	document();
	json_object_del(certs_row(), "certs");
	refused(ERR_PARAM, "certs");
	json_decref(doc);
	document();
	json_object_del(certs_row(), "qe_id");
	refused(ERR_PARAM, "qe_id");
	json_decref(doc);
	document();
	json_object_del(tcbinfo_row(), "fmspc");
	refused(ERR_PARAM, "fmspc");
}
END_TEST

/* One member of one part set to a value that it must not have. */
START_TEST(test_members_of_the_wrong_form)
{
	static const struct {
		int part; /* 0 platforms[0], 1 collaterals, 2 pck_certs[0],
			     3 certs[0], 4 tcbinfos[0], 5 certificates,
			     6 pckcacrl */
		const char *name, *value;
	} rows[] = {
		{ 0, "qe_id", "\"\"" },
		{ 0, "qe_id", "5" },
		{ 0, "pce_id", "\"000\"" },
		{ 0, "cpu_svn", "\"0E\"" },
		{ 0, "pce_svn", "\"0D0G\"" },
		{ 0, "enc_ppid", "\"AB\"" },
		{ 0, "platform_manifest", "\"ABC\"" },
		{ 1, "version", "3" },
		{ 1, "version", "\"4\"" },
		{ 1, "pck_certs", "{}" },
		{ 1, "tcbinfos", "[1]" },
		{ 1, "qeidentity", "{}" },
		{ 1, "rootcacrl", "\"zz\"" },
		{ 1, "rootcacrl", "5" },
		{ 1, "pckcacrl", "[]" },
		{ 1, "certificates", "\"\"" },
		{ 2, "enc_ppid", "\"00\"" },
		{ 2, "certs", "\"\"" },
		{ 2, "certs", "[5]" },
		{ 3, "tcb", "[]" },
		{ 3, "tcbm", "\"00\"" },
		{ 3, "cert", "\"\"" },
		{ 4, "fmspc", "\"00906ED5000\"" },
		{ 4, "sgx_tcbinfo", "\"text\"" },
		{ 4, "sgx_tcbinfo", "[]" },
		{ 5, "TCB-Info-Issuer-Chain", "{}" },
		{ 5, "SGX-PCK-Certificate-Issuer-Chain", "5" },
		{ 6, "platformCrl", "\"0\"" },
	};
	json_t *part[7];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		part[0] = json_array_get(json_object_get(doc, "platforms"), 0);
		part[1] = coll();
		part[2] = certs_row();
		part[3] =
		    json_array_get(json_object_get(certs_row(), "certs"), 0);
		part[4] = tcbinfo_row();
		part[5] = certificates();
		part[6] = json_object_get(coll(), "pckcacrl");
		json_object_set_new(part[rows[i].part], rows[i].name,
		    json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		ck_assert_msg(put() == ERR_PARAM, "%s = %s: %s", rows[i].name,
		    rows[i].value, err_token(k->err));
		json_decref(doc);
		document();
	}
	ck_assert_uint_eq(snap_len(k->snap), 0);
}
END_TEST

START_TEST(test_what_is_no_document)
{
	static const char *const texts[] = { "", "{", "[]", "null", "{}",
		"{\"platforms\":[],\"platforms\":[],\"collaterals\":{}}",
		"{\"platforms\":[]}", "{\"platforms\":[],\"collaterals\":[]}",
		"\xff", "{\"platforms\":[],\"collaterals\":{}} x" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_int_eq(kit_upload(k, texts[i], 4, false), ERR_PARAM);
}
END_TEST

START_TEST(test_certificates_without_any_tcb_info)
{
	json_array_clear(json_object_get(coll(), "tcbinfos"));
	refused(ERR_PARAM, "TCB info");
}
END_TEST

START_TEST(test_certificates_with_the_tcb_info_that_is_held)
{
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_EARLY);
	json_array_clear(json_object_get(coll(), "tcbinfos"));
	ck_assert_int_eq(put(), ERR_OK);
	ck_assert_int_eq(lookup(&raw[0]), ERR_OK);
}
END_TEST

START_TEST(test_a_raw_tcb_below_every_certificate)
{
	json_object_set_new(json_array_get(json_object_get(doc, "platforms"),
				0),
	    "cpu_svn", json_string("00000000000000000000000000000000"));
	refused(ERR_PARAM, NULL);
}
END_TEST

/* --- Intel's own ------------------------------------------------------ */

#define REAL "sgx/collateral/sgx-00906ED50000-2025-05/"

static struct blob *
real(const char *name)
{
	char path[128];
	struct blob *b;

	snprintf(path, sizeof(path), REAL "%s", name);
	b = vector_read(path);
	ck_assert_msg(b != NULL, "%s is missing", path);
	return b;
}

static json_t *
real_text(const char *name)
{
	struct blob *b = real(name);
	json_t *t = text_of(blob_span(b));

	blob_unref(b);
	return t;
}

static json_t *
real_hex(const char *name)
{
	struct blob *b = real(name);
	json_t *t = hex_of(blob_span(b));

	blob_unref(b);
	return t;
}

/* As the tool collects it: the TCB info parsed, the identity as text. */
static void
real_document(void)
{
	struct blob *info = real("tcb_info.json");

	json_decref(doc);
	doc = json_pack("{s:[],s:{s:i,s:[],s:[{s:s,s:o}],s:{s:o},s:o,s:o,"
			"s:{s:{s:o},s:o,s:o}}}",
	    "platforms", "collaterals", "version", 4, "pck_certs", "tcbinfos",
	    "fmspc", "00906ED50000", "sgx_tcbinfo",
	    json_loadb((const char *)info->data, info->len, 0, NULL),
	    "pckcacrl", "processorCrl", real_hex("pck_crl.der"), "qeidentity",
	    real_text("qe_identity.json"), "rootcacrl",
	    real_hex("root_ca_crl.der"), "certificates",
	    "SGX-PCK-Certificate-Issuer-Chain", "PROCESSOR",
	    real_text("pck_crl_issuer_chain.pem"), "TCB-Info-Issuer-Chain",
	    real_text("tcb_info_issuer_chain.pem"),
	    "SGX-Enclave-Identity-Issuer-Chain",
	    real_text("qe_identity_issuer_chain.pem"));
	must(doc != NULL);
	blob_unref(info);
}

START_TEST(test_intels_own_collateral_in_an_upload)
{
	struct coll_key key = tcb_key(TEE_SGX, 4);
	struct blob *info = real("tcb_info.json");
	json_t *level;
	time_t at;

	k->spki = "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b"
		  "6c67a49e";
	kit_config(k, "");
	kit_reopen(k);
	ck_assert_int_eq(time_read(span_str("2025-06-11T19:08:46Z"), &at),
	    ERR_OK);
	kit_clock(k, at - pki_now(k->pki));
	real_document();
	ck_assert_msg(put() == ERR_OK, "%s", k->why.text);
	ck_assert_uint_eq(snap_len(k->snap), 4);
	ck_assert(span_eq(blob_span(kit_held(k, &key)->form[FORM_BODY].body),
	    blob_span(info)));
	blob_unref(info);
	/* And its twin, with one level's status turned into a better one. */
	level = json_array_get(
	    json_object_get(json_object_get(json_object_get(tcbinfo_row(),
						"sgx_tcbinfo"),
				"tcbInfo"),
		"tcbLevels"),
	    1);
	json_object_set_new(level, "tcbStatus", json_string("UpToDate"));
	ck_assert_int_eq(put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(k->why.text, "bad-signature"), NULL);
}
END_TEST

/* --- cutting ---------------------------------------------------------- */

static void
cut_is(const char *in, const char *member, const char *expect)
{
	struct buf b = BUF_INIT;
	struct span got;

	json_compact(span_str(in), &b);
	got = json_cut(buf_view(&b), member);
	ck_assert_msg(span_eq_str(got, expect), "%s of %s is %.*s", member, in,
	    (int)got.len, (const char *)got.p);
	buf_free(&b);
}

START_TEST(test_values_are_cut_out_as_they_stand)
{
	struct span array = span_str("[1,{\"a\":[2,3]},\"x,]\"]"), one;

	cut_is("{ \"a\" : 1 , \"b\" : [ 2 , \" x \" ] }", "b", "[2,\" x \"]");
	cut_is("{\"a\":{\"b\":1},\"b\":2}", "b", "2");
	cut_is("{\"a\":\"}\\\"b\\\":\",\"b\":{\"c\":\"]}\"}}", "b",
	    "{\"c\":\"]}\"}");
	cut_is("{\"a\":\"\\\\\",\"b\":true}", "b", "true");
	cut_is("{\"b\":\"\\u0022 \"}", "b", "\"\\u0022 \"");
	cut_is("{\"a\":1}", "b", "");
	cut_is("{}", "b", "");
	cut_is("[]", "b", "");
	one = json_cut_next(&array);
	ck_assert(span_eq_str(one, "1"));
	one = json_cut_next(&array);
	ck_assert(span_eq_str(one, "{\"a\":[2,3]}"));
	one = json_cut_next(&array);
	ck_assert(span_eq_str(one, "\"x,]\""));
	ck_assert_uint_eq(json_cut_next(&array).len, 0);
	array = span_str("[]");
	ck_assert_uint_eq(json_cut_next(&array).len, 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("upload");
	TCase *t = tcase_create("upload");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
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
	tcase_add_test(t, test_members_that_must_be_there);
	tcase_add_test(t, test_members_of_the_wrong_form);
	tcase_add_test(t, test_what_is_no_document);
	tcase_add_test(t, test_certificates_without_any_tcb_info);
	tcase_add_test(t, test_certificates_with_the_tcb_info_that_is_held);
	tcase_add_test(t, test_a_raw_tcb_below_every_certificate);
	tcase_add_test(t, test_values_are_cut_out_as_they_stand);
	if (vectors_present())
		tcase_add_test(t, test_intels_own_collateral_in_an_upload);
	else
		vectors_skipped(1);
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
