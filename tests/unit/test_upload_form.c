/*
 * PUT platformcollateral (pccs-api 6.11): the form of the document, Intel's own
 * collateral in it, and what is signed cut out as it stands.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/upload.h"
#include "tests/kit/uploadkit.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* --- schema ----------------------------------------------------------- */

START_TEST(test_members_that_must_be_there)
{
	static const char *const required[] = { "pck_certs", "tcbinfos",
		"certificates", "version" };
	size_t i;

	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		json_object_del(up_coll(), required[i]);
		up_refused(ERR_PARAM, required[i]);
		json_decref(up_doc);
		up_document();
	}
	json_object_del(up_doc, "platforms");
	up_refused(ERR_PARAM, "platforms");
	json_decref(up_doc);
	up_document();
	json_object_del(up_certs_row(), "certs");
	up_refused(ERR_PARAM, "certs");
	json_decref(up_doc);
	up_document();
	json_object_del(up_certs_row(), "qe_id");
	up_refused(ERR_PARAM, "qe_id");
	json_decref(up_doc);
	up_document();
	json_object_del(up_tcbinfo_row(), "fmspc");
	up_refused(ERR_PARAM, "fmspc");
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
		part[0] =
		    json_array_get(json_object_get(up_doc, "platforms"), 0);
		part[1] = up_coll();
		part[2] = up_certs_row();
		part[3] =
		    json_array_get(json_object_get(up_certs_row(), "certs"), 0);
		part[4] = up_tcbinfo_row();
		part[5] = up_certificates();
		part[6] = json_object_get(up_coll(), "pckcacrl");
		json_object_set_new(part[rows[i].part], rows[i].name,
		    json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
		ck_assert_msg(up_put() == ERR_PARAM, "%s = %s: %s",
		    rows[i].name, rows[i].value, err_token(up_kit->err));
		json_decref(up_doc);
		up_document();
	}
	ck_assert_uint_eq(snap_len(up_kit->snap), 0);
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
		ck_assert_int_eq(kit_upload(up_kit, texts[i], 4, false),
		    ERR_PARAM);
}
END_TEST

START_TEST(test_certificates_without_any_tcb_info)
{
	json_array_clear(json_object_get(up_coll(), "tcbinfos"));
	up_refused(ERR_PARAM, "TCB info");
}
END_TEST

START_TEST(test_certificates_with_the_tcb_info_that_is_held)
{
	kit_tcbinfo(up_kit, TEE_SGX, UP_FMSPC, UPDATE_EARLY);
	json_array_clear(json_object_get(up_coll(), "tcbinfos"));
	ck_assert_int_eq(up_put(), ERR_OK);
	ck_assert_int_eq(up_lookup(&up_raw[0]), ERR_OK);
}
END_TEST

START_TEST(test_a_raw_tcb_below_every_certificate)
{
	json_object_set_new(json_array_get(json_object_get(up_doc, "platforms"),
				0),
	    "cpu_svn", json_string("00000000000000000000000000000000"));
	up_refused(ERR_PARAM, NULL);
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
	json_t *t = up_text(blob_span(b));

	blob_unref(b);
	return t;
}

static json_t *
real_hex(const char *name)
{
	struct blob *b = real(name);
	json_t *t = up_hex(blob_span(b));

	blob_unref(b);
	return t;
}

/* As the tool collects it: the TCB info parsed, the identity as text. */
static void
real_document(void)
{
	struct blob *info = real("tcb_info.json");

	json_decref(up_doc);
	up_doc = json_pack("{s:[],s:{s:i,s:[],s:[{s:s,s:o}],s:{s:o},s:o,s:o,"
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
	must(up_doc != NULL);
	blob_unref(info);
}

START_TEST(test_intels_own_collateral_in_an_upload)
{
	struct coll_key key = up_tcb_key(TEE_SGX, 4);
	struct blob *info = real("tcb_info.json");
	json_t *level;
	time_t at;

	up_kit->spki =
	    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b"
	    "6c67a49e";
	kit_config(up_kit, "");
	kit_reopen(up_kit);
	ck_assert_int_eq(time_read(span_str("2025-06-11T19:08:46Z"), &at),
	    ERR_OK);
	kit_clock(up_kit, at - pki_now(up_kit->pki));
	real_document();
	ck_assert_msg(up_put() == ERR_OK, "%s", up_kit->why.text);
	ck_assert_uint_eq(snap_len(up_kit->snap), 4);
	ck_assert(
	    span_eq(blob_span(kit_held(up_kit, &key)->form[FORM_BODY].body),
		blob_span(info)));
	blob_unref(info);
	/* And its twin, with one level's status turned into a better one. */
	level = json_array_get(
	    json_object_get(json_object_get(json_object_get(up_tcbinfo_row(),
						"sgx_tcbinfo"),
				"tcbInfo"),
		"tcbLevels"),
	    1);
	json_object_set_new(level, "tcbStatus", json_string("UpToDate"));
	ck_assert_int_eq(up_put(), ERR_INTEGRITY);
	ck_assert_ptr_ne(strstr(up_kit->why.text, "bad-signature"), NULL);
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

int
main(void)
{
	Suite *s = suite_create("upload_form");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, up_setup, up_teardown);
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
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
