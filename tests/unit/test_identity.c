/*
 * Enclave identities and the list of evaluation numbers: what is read, and
 * every way in which one may be wrong (quote-verification 4.3, pcs-upstream
 * 4.3 and 4.4).
 */
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <string.h>

#define NOW 1780272000 /* 2026-06-01T00:00:00Z */

static struct pki *pki;
static struct anchors *anchors;
static struct chain *signer;

static void
setup(void)
{
	struct blob *pem;

	pki = pki_new("test", NOW);
	anchors = anchors_of(pki_root_spki_hex(pki));
	pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	must(chain_read(blob_span(pem), CHAIN_TCB_SIGNING, anchors, NULL, NULL,
		 &signer, NULL) == ERR_OK);
	blob_unref(pem);
}

static void
teardown(void)
{
	chain_unref(signer);
	anchors_free(anchors);
	pki_free(pki);
}

static const struct pki_svn levels[] = {
	{ 6, "2021-11-10T00:00:00Z", "OutOfDate", "INTEL-SA-00615" },
	{ 8, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ 300, "2025-03-13T00:00:00Z", "UpToDate", NULL },
	{ 1, "2018-08-15T00:00:00Z", "Revoked", "INTEL-SA-1 INTEL-SA-2" },
};

static const struct pki_evalnum numbers[] = {
	{ 17, "2024-03-12T00:00:00Z", "2024-03-13T00:00:00Z" },
	{ 19, "2025-05-13T00:00:00Z", "2025-05-14T00:00:00Z" },
	{ 18, "2024-11-12T00:00:00Z", "2024-11-13T00:00:00Z" },
};

/* --- what is read ------------------------------------------------------- */

START_TEST(test_identity_facts)
{
	struct pki_doc doc =
	    pki_identity(pki, &(struct pki_identity){ .enclave = ENCLAVE_QE,
				  .eval_num = 19,
				  .n_levels = 4,
				  .levels = levels });
	struct identity *id;

	ck_assert(
	    identity_read(blob_span(doc.body), signer, &id, NULL) == ERR_OK);
	ck_assert_int_eq(id->enclave, ENCLAVE_QE);
	ck_assert_int_eq(id->issue_at, NOW);
	ck_assert_int_eq(id->next_update, NOW + 30 * 86400);
	ck_assert_uint_eq(id->eval_num, 19);
	ck_assert_mem_eq(id->miscselect_mask, "\xff\xff\xff\xff", 4);
	ck_assert_mem_eq(id->miscselect, "\0\0\0\0", 4);
	ck_assert_uint_eq(id->attributes[0], 0x11);
	ck_assert_uint_eq(id->attributes_mask[0], 0xfb);
	ck_assert_uint_eq(id->attributes_mask[8], 0);
	ck_assert_uint_eq(id->mrsigner[0], 0x8c);
	ck_assert_uint_eq(id->mrsigner[31], 0xff);
	ck_assert_uint_eq(id->isvprodid, 1);
	ck_assert_uint_eq(id->n_levels, 4);
	/* highest first, whatever the document's order */
	ck_assert_uint_eq(id->levels[0].isvsvn, 300);
	ck_assert_uint_eq(id->levels[1].isvsvn, 8);
	ck_assert_uint_eq(id->levels[2].isvsvn, 6);
	ck_assert_uint_eq(id->levels[3].isvsvn, 1);
	ck_assert_int_eq(id->levels[3].status, TCB_REVOKED);
	ck_assert_uint_eq(id->levels[3].n_advisories, 2);
	ck_assert_str_eq(id->levels[2].advisories[0], "INTEL-SA-00615");
	ck_assert_int_eq(id->levels[2].tcb_date, 1636502400);
	ck_assert_int_eq(id->window.until, NOW + 30 * 86400);
	ck_assert_ptr_eq(identity_ref(id), id);
	identity_unref(id);
	identity_unref(id);
	pki_doc_fini(&doc);
}
END_TEST

START_TEST(test_each_enclave_has_its_id_and_product)
{
	static const uint16_t product[ENCLAVE_N] = { 1, 2, 2, 3 };
	int e;

	for (e = 0; e < ENCLAVE_N; e++) {
		struct pki_doc doc = pki_identity(pki,
		    &(struct pki_identity){ .enclave = (enum enclave)e });
		struct identity *id;

		ck_assert(identity_read(blob_span(doc.body), signer, &id,
			      NULL) == ERR_OK);
		ck_assert_int_eq(id->enclave, e);
		ck_assert_uint_eq(id->isvprodid, product[e]);
		identity_unref(id);
		pki_doc_fini(&doc);
	}
}
END_TEST

START_TEST(test_evaluation_numbers_facts)
{
	struct pki_doc doc = pki_evalnums(pki,
	    &(struct pki_evalnums){ .tee = TEE_TDX, .n = 3, .v = numbers });
	struct evalnums *nums;

	ck_assert(
	    evalnums_read(blob_span(doc.body), signer, &nums, NULL) == ERR_OK);
	ck_assert_int_eq(nums->tee, TEE_TDX);
	ck_assert_uint_eq(nums->n, 3);
	ck_assert_uint_eq(nums->v[0].number, 19);
	ck_assert_uint_eq(nums->v[1].number, 18);
	ck_assert_uint_eq(nums->v[2].number, 17);
	ck_assert_int_eq(nums->v[2].tcb_date, 1710288000);
	ck_assert_int_eq(nums->v[2].recovery_event_at, 1710201600);
	ck_assert_int_eq(nums->window.from, NOW);
	ck_assert_ptr_eq(evalnums_ref(nums), nums);
	evalnums_unref(nums);
	evalnums_unref(nums);
	pki_doc_fini(&doc);
}
END_TEST

/* --- what is refused ---------------------------------------------------- */

/* The value in a document, which begins with its member's name. */
static struct span
value_of(const struct pki_doc *doc, const char *member)
{
	unsigned char sig[64];
	struct span value;

	must(jspan_cut(blob_span(doc->body), member, &value, sig, NULL) ==
	     ERR_OK);
	return value;
}

struct twist {
	const char *from, *to;
	enum err e;
};

static void
why_check(const struct twist *w, enum err e, const struct why *why)
{
	ck_assert_msg(e == w->e, "%s -> %s: %s (%s)", w->from, w->to,
	    err_token(e), why->text);
	if (e != ERR_OK) {
		ck_assert_int_eq(why->err, e);
		ck_assert_str_ne(why->clause, "");
		ck_assert_str_ne(why->text, "");
	}
}

static const struct twist identity_twists[] = {
	{ "\"version\":2", "\"version\":2,\"new\":[]", ERR_OK },
	{ "8C4F", "8c4F", ERR_OK },
	{ "\"isvsvn\":8", "\"isvsvn\":65535", ERR_OK },
	{ "\"miscselect\":\"00000000\"", "\"miscselect\":\"01000000\"",
	    ERR_OK },
	{ "\"id\":\"QE\"", "\"id\":\"qe\"", ERR_FORMAT },
	{ "\"id\":\"QE\"", "\"id\":\"SGX\"", ERR_FORMAT },
	{ "\"id\":\"QE\",", "", ERR_FORMAT },
	{ "\"id\":\"QE\"", "\"id\":\"QE\",\"id\":\"QE\"", ERR_FORMAT },
	{ "\"id\":\"QE\"", "\"id\":\"TD_QE\"", ERR_RANGE },
	{ "\"id\":\"QE\"", "\"id\":\"QVE\"", ERR_RANGE },
	{ "\"version\":2", "\"version\":1", ERR_FORMAT },
	{ "\"version\":2", "\"version\":3", ERR_FORMAT },
	{ "\"version\":2", "\"version\":2.0", ERR_FORMAT },
	{ "2026-07-01T00:00:00Z", "2026-06-31T00:00:00Z", ERR_FORMAT },
	{ "2026-07-01T00:00:00Z", "2026-05-01T00:00:00Z", ERR_RANGE },
	{ "Number\":17", "Number\":4294967296", ERR_RANGE },
	{ "Number\":17", "Number\":\"17\"", ERR_FORMAT },
	{ "\"miscselect\":\"00", "\"miscselect\":\"", ERR_FORMAT },
	{ "\"miscselectMask\":\"FF", "\"miscselectMask\":\"FFFF", ERR_FORMAT },
	{ "\"attributes\":\"11", "\"attributes\":\"1x", ERR_FORMAT },
	{ "\"attributesMask\":\"FB", "\"attributesMask\":\"", ERR_FORMAT },
	{ "8C4F", "8C", ERR_FORMAT },
	{ "\"mrsigner\"", "\"mrSigner\"", ERR_FORMAT },
	{ "\"isvprodid\":1", "\"isvprodid\":65537", ERR_RANGE },
	{ "\"isvprodid\":1", "\"isvprodid\":2", ERR_RANGE },
	{ "\"isvprodid\":1", "\"isvprodid\":1.0", ERR_FORMAT },
	{ "\"isvsvn\":8", "\"isvsvn\":65536", ERR_RANGE },
	{ "\"isvsvn\":8", "\"isvsvn\":65544", ERR_RANGE },
	{ "\"isvsvn\":8", "\"isvsvn\":-8", ERR_RANGE },
	{ "\"isvsvn\":8", "\"isvsvn\":6", ERR_FORMAT },
	{ "\"isvsvn\":8", "\"isvsvn\":\"8\"", ERR_FORMAT },
	{ "\"UpToDate\"", "\"SWHardeningNeeded\"", ERR_FORMAT },
	{ "\"UpToDate\"", "\"Uptodate\"", ERR_FORMAT },
	{ "\"tcbLevels\":[{", "\"tcbLevels\":[],\"x\":[{", ERR_FORMAT },
	{ "\"tcbLevels\":[{", "\"tcbLevels\":[null,{", ERR_FORMAT },
	{ "\"tcb\":{\"isvsvn\":8}", "\"tcb\":8", ERR_FORMAT },
	{ "2024-03-13T00:00:00Z", "2024-03-13T00:00:60Z", ERR_FORMAT },
	{ "[\"INTEL-SA-00615\"]", "[615]", ERR_FORMAT },
	{ "[\"INTEL-SA-00615\"]", "{}", ERR_FORMAT },
};

START_TEST(test_each_twist_of_an_identity_is_judged)
{
	const struct twist *w = &identity_twists[_i];
	struct pki_doc doc =
	    pki_identity(pki, &(struct pki_identity){ .enclave = ENCLAVE_QE,
				  .n_levels = 2,
				  .levels = levels });
	struct blob *text =
	    replaced(value_of(&doc, "enclaveIdentity"), w->from, w->to);
	struct why why = { 0 };
	struct identity *id = NULL;
	enum err e = identity_parse(blob_span(text), &id, &why);

	why_check(w, e, &why);
	identity_unref(id);
	blob_unref(text);
	pki_doc_fini(&doc);
}
END_TEST

static const struct twist evalnums_twists[] = {
	{ "\"version\":1", "\"version\":1,\"new\":[]", ERR_OK },
	{ "Number\":17", "Number\":4294967295", ERR_OK },
	{ "Number\":17", "Number\":19", ERR_FORMAT },
	{ "Number\":17", "Number\":4294967296", ERR_RANGE },
	{ "Number\":17", "Number\":17.0", ERR_FORMAT },
	{ "\"id\":\"SGX\"", "\"id\":\"QE\"", ERR_FORMAT },
	{ "\"version\":1", "\"version\":2", ERR_FORMAT },
	{ "\"tcbEvalNumbers\":[", "\"tcbNumbers\":[", ERR_FORMAT },
	{ "\"tcbEvalNumbers\":[", "\"tcbEvalNumbers\":[],\"x\":[", ERR_FORMAT },
	{ "\"tcbEvalNumbers\":[", "\"tcbEvalNumbers\":[1,", ERR_FORMAT },
	{ "\"tcbRecoveryEventDate\":\"2024", "\"tcbRecoveryEventDate\":\"24",
	    ERR_FORMAT },
	{ "\"tcbDate\"", "\"tcbdate\"", ERR_FORMAT },
	{ "2026-07-01T00:00:00Z", "2026-06-01T00:00:00Z", ERR_RANGE },
};

START_TEST(test_each_twist_of_evaluation_numbers_is_judged)
{
	const struct twist *w = &evalnums_twists[_i];
	struct pki_doc doc = pki_evalnums(pki,
	    &(struct pki_evalnums){ .tee = TEE_SGX, .n = 3, .v = numbers });
	struct blob *text = replaced(value_of(&doc, "tcbEvaluationDataNumbers"),
	    w->from, w->to);
	struct why why = { 0 };
	struct evalnums *nums = NULL;
	enum err e = evalnums_parse(blob_span(text), &nums, &why);

	why_check(w, e, &why);
	evalnums_unref(nums);
	blob_unref(text);
	pki_doc_fini(&doc);
}
END_TEST

START_TEST(test_lies_are_refused_with_their_reason)
{
	static const enum pki_lie lies[] = { PKI_BAD_SIGNATURE,
		PKI_BODY_CHANGED, PKI_WRONG_KEY };
	struct identity *id = NULL;
	struct evalnums *nums = NULL;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct pki_doc a = pki_identity(pki,
		    &(struct pki_identity){ .enclave = ENCLAVE_TDQE,
			.lie = lies[i] });
		struct pki_doc b = pki_evalnums(pki,
		    &(struct pki_evalnums){ .tee = TEE_SGX, .lie = lies[i] });

		ck_assert(identity_read(blob_span(a.body), signer, &id, &why) ==
			  ERR_BADSIG);
		ck_assert(evalnums_read(blob_span(b.body), signer, &nums,
			      &why) == ERR_BADSIG);
		pki_doc_fini(&a);
		pki_doc_fini(&b);
	}
}
END_TEST

START_TEST(test_no_bit_of_an_identity_can_be_turned)
{
	struct pki_doc doc = pki_identity(pki,
	    &(struct pki_identity){ .enclave = ENCLAVE_TDQE });
	struct identity *id = NULL;
	unsigned bit;
	size_t i;

	/* Bit 5 would be the case of a hex digit of the signature. */
	for (i = 0; i < doc.body->len; i++)
		for (bit = 0; bit < 5; bit++) {
			struct blob *b = flipped(blob_span(doc.body), i, bit);

			ck_assert_msg(identity_read(blob_span(b), signer, &id,
					  NULL) != ERR_OK,
			    "octet %zu bit %u", i, bit);
			blob_unref(b);
		}
	pki_doc_fini(&doc);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("identity");
	TCase *t = tcase_create("made");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_identity_facts);
	tcase_add_test(t, test_each_enclave_has_its_id_and_product);
	tcase_add_test(t, test_evaluation_numbers_facts);
	tcase_add_loop_test(t, test_each_twist_of_an_identity_is_judged, 0,
	    (int)(sizeof(identity_twists) / sizeof(identity_twists[0])));
	tcase_add_loop_test(t, test_each_twist_of_evaluation_numbers_is_judged,
	    0, (int)(sizeof(evalnums_twists) / sizeof(evalnums_twists[0])));
	tcase_add_test(t, test_lies_are_refused_with_their_reason);
	tcase_add_test(t, test_no_bit_of_an_identity_can_be_turned);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
