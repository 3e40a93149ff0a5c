/*
 * AMD's genuine objects through storage's gate under AMD's own roots, and out
 * again in the bytes that KDS, Azure's metadata service and Azure's cache send.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/storage.h"
#include "tests/kit/storekit_amd.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DAY ((int64_t)24 * 3600)
/* From the kit's 2026-06-01 to a day on which the genuine CRL is in time. */
#define AUGUST (61 * DAY)
/* Likewise back to one on which the VLEK is. */
#define JANUARY_2025 (-500 * DAY)

static const struct {
	const char *path;
	enum amd_product product;
	enum amd_side side;
} chains[] = {
	{ "snp/chains/milan.vcek.cert_chain.pem", AMD_MILAN, AMD_VCEK },
	{ "snp/chains/genoa.vcek.cert_chain.pem", AMD_GENOA, AMD_VCEK },
	{ "snp/chains/turin.vcek.cert_chain.pem", AMD_TURIN, AMD_VCEK },
	{ "snp/chains/milan.vlek.cert_chain.pem", AMD_MILAN, AMD_VLEK },
};
#define N_CHAINS (sizeof(chains) / sizeof(chains[0]))

static const char *const vceks[] = {
	"genoa-v3-aci",
	"hcl-milan-v2",
	"hcl-milan-v2-foreign-vcek",
	"hcl-milan-v3",
	"milan-v1-preproduction",
	"milan-v2-debug",
	"milan-v2-plain",
	"milan-v2-thim",
	"milan-v3-aci",
	"milan-v3-azcache",
	"turin-v5-aci",
};
#define N_VCEKS (sizeof(vceks) / sizeof(vceks[0]))

static struct kit kit;

static void
setup(void)
{
	kit_init(&kit, "");
	kit_close(&kit);
	kit.amd_genuine = true;
	kit_config(&kit, "");
	kit_clock(&kit, AUGUST);
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
}

static void
teardown(void)
{
	kit_fini(&kit);
}

static struct blob *
vector(const char *path)
{
	struct blob *b = vector_read(path);

	ck_assert_msg(b != NULL, "%s is not there", path);
	return b;
}

static struct blob *
report_file(const char *name, const char *file)
{
	char path[200];

	snprintf(path, sizeof(path), "snp/reports/%s/%s", name, file);
	return vector(path);
}

static void
chains_admit(void)
{
	struct coll_key key;
	struct blob *b;
	size_t i;

	for (i = 0; i < N_CHAINS; i++) {
		b = vector(chains[i].path);
		key = key_amd_chain(chains[i].product, chains[i].side);
		ck_assert_msg(kit_admit(&kit, &key, blob_span(b), SPAN_NONE) ==
				  ERR_OK,
		    "%s: %s", chains[i].path, kit.why.text);
		ck_assert(span_eq(blob_span(kit.coll->form[FORM_BODY].body),
		    blob_span(b)));
		blob_unref(b);
	}
}

/* The key under which a genuine certificate is asked for. */
static struct coll_key
key_in(const struct blob *der)
{
	struct vek *v = NULL;
	struct coll_key key;

	ck_assert_int_eq(vek_parse(blob_span(der), &v, NULL), ERR_OK);
	key = key_vek(v);
	vek_unref(v);
	return key;
}

static enum err
vek_admit(const struct blob *der)
{
	struct coll_key key = key_in(der);

	return kit_admit(&kit, &key, blob_span(der), SPAN_NONE);
}

START_TEST(test_genuine_objects_pass_and_come_back_as_they_came)
{
	struct coll_key key;
	struct blob *b;
	size_t i;
	int round;

	chains_admit();
	b = vector("snp/crl/genoa.vcek.crl.der");
	key = key_amd_crl(AMD_GENOA, AMD_VCEK);
	ck_assert_int_eq(kit_admit(&kit, &key, blob_span(b), SPAN_NONE),
	    ERR_OK);
	blob_unref(b);
	for (i = 0; i < N_VCEKS; i++) {
		b = report_file(vceks[i], "vcek.der");
		ck_assert_msg(vek_admit(b) == ERR_OK, "%s: %s", vceks[i],
		    kit.why.text);
		blob_unref(b);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < N_VCEKS; i++) {
			b = report_file(vceks[i], "vcek.der");
			key = key_in(b);
			ck_assert_int_eq(kit_vek(&kit, &key), ERR_OK);
			ck_assert(
			    span_eq(blob_span(kit.coll->form[FORM_BODY].body),
				blob_span(b)));
			blob_unref(b);
		}
		key = key_amd_crl(AMD_GENOA, AMD_VCEK);
		ck_assert_uint_eq(kit_held(&kit, &key)->facts.amd_crl->number,
		    9);
		kit_reopen(&kit);
	}
}
END_TEST

START_TEST(test_the_genuine_crl_ends_and_is_of_its_product_alone)
{
	struct blob *b = vector("snp/crl/genoa.vcek.crl.der");
	struct coll_key key = key_amd_crl(AMD_GENOA, AMD_VCEK);
	struct coll_key milan = key_amd_crl(AMD_MILAN, AMD_VCEK);
	const struct coll *c;

	chains_admit();
	ck_assert_int_eq(kit_admit(&kit, &milan, blob_span(b), SPAN_NONE),
	    ERR_CHAIN);
	kit_clock(&kit, 30 * DAY); /* before thisUpdate */
	ck_assert_int_eq(kit_admit(&kit, &key, blob_span(b), SPAN_NONE),
	    ERR_NOT_YET);
	kit_clock(&kit, AUGUST);
	ck_assert_int_eq(kit_admit(&kit, &key, blob_span(b), SPAN_NONE),
	    ERR_OK);
	c = kit_held(&kit, &key);
	/* 2026-09-09T00:00:00Z */
	ck_assert_int_eq(c->next_update, 1788912000);
	ck_assert_int_eq(fresh_state(c, DAY, 1788911999), FRESH_DUE);
	ck_assert_int_eq(fresh_state(c, DAY, 1788912000), FRESH_GONE);
	kit_clock(&kit, 100 * DAY);
	ck_assert_int_eq(kit_admit(&kit, &key, blob_span(b), SPAN_NONE),
	    ERR_EXPIRED);
	blob_unref(b);
}
END_TEST

START_TEST(test_a_genuine_vlek_passes_while_it_lasts)
{
	struct blob *b = report_file("milan-v3-vlek-aws", "vlek.der");
	struct coll_key key = key_in(b);

	ck_assert_str_eq(key.csp_id, "CN=cc-us-east-2.amazonaws.com");
	chains_admit();
	ck_assert_int_eq(vek_admit(b), ERR_EXPIRED);
	kit_clock(&kit, JANUARY_2025);
	kit_reopen(&kit);
	ck_assert_int_eq(vek_admit(b), ERR_OK);
	ck_assert_int_eq(kit_vek(&kit, &key), ERR_OK);
	blob_unref(b);
}
END_TEST

/* Two issues of one VCEK: other bytes, the same key. */
START_TEST(test_two_issues_of_one_vcek_are_one_object)
{
	struct blob *pem = vector("snp/certs/vcek-milan-issue1.pem");
	struct blob *second = vector("snp/certs/vcek-milan-issue2.der");
	struct span text = blob_span(pem);
	struct buf der = BUF_INIT;
	struct blob *first;
	struct coll_key a, b;

	ck_assert_int_eq(pem_next(&text, "CERTIFICATE", &der, NULL), ERR_OK);
	first = buf_blob(&der);
	a = key_in(first);
	b = key_in(second);
	ck_assert_str_eq(a.text, b.text);
	ck_assert(!span_eq(blob_span(first), blob_span(second)));
	chains_admit();
	ck_assert_int_eq(vek_admit(first), ERR_OK);
	ck_assert_int_eq(vek_admit(second), ERR_OK);
	ck_assert_int_eq(kit_vek(&kit, &a), ERR_OK);
	ck_assert(span_eq(blob_span(kit.coll->body), blob_span(second)));
	blob_unref(first);
	blob_unref(second);
	blob_unref(pem);
}
END_TEST

START_TEST(test_the_altered_ones_are_refused_for_their_signature)
{
	static const char *const paths[] = {
		"snp/certs/vcek-milan-badsig-derhwid.der",
		"snp/certs/vcek-milan-badsig-rawhwid.der",
	};
	struct coll_key key;
	struct blob *b;
	size_t i;

	chains_admit();
	for (i = 0; i < 2; i++) {
		b = vector(paths[i]);
		key = key_in(b);
		ck_assert_msg(vek_admit(b) == ERR_BADSIG, "%s: %s", paths[i],
		    kit.why.text);
		ck_assert_int_eq(kit_vek(&kit, &key), ERR_NOT_CACHED);
		blob_unref(b);
	}
}
END_TEST

START_TEST(test_a_genuine_vcek_is_not_another_chips_nor_another_tcbs)
{
	struct blob *b = report_file("milan-v3-aci", "vcek.der");
	struct coll_key key = key_in(b), other = key;

	chains_admit();
	other.hwid[0] ^= 1;
	other = key_vcek(AMD_MILAN, key_hwid(&other), key.tcb);
	ck_assert_int_eq(kit_admit(&kit, &other, blob_span(b), SPAN_NONE),
	    ERR_NOT_ASKED);
	other = key_vcek(AMD_MILAN, key_hwid(&key),
	    amd_tcb_of(AMD_MILAN, (struct amd_spl){ .bl = 3 }));
	ck_assert_int_eq(kit_admit(&kit, &other, blob_span(b), SPAN_NONE),
	    ERR_NOT_ASKED);
	other = key_vcek(AMD_GENOA, key_hwid(&key), key.tcb);
	ck_assert_int_eq(kit_admit(&kit, &other, blob_span(b), SPAN_NONE),
	    ERR_CHAIN);
	blob_unref(b);
}
END_TEST

/* The text forms of a chip's VCEK and its product's chain. */
static void
texts(const char *name, struct span *leaf, struct span *chain)
{
	struct coll_key key;
	struct blob *b;

	chains_admit();
	b = report_file(name, "vcek.der");
	ck_assert_int_eq(vek_admit(b), ERR_OK);
	*leaf = blob_span(kit.coll->form[FORM_PEM].body);
	key = key_amd_chain(kit.coll->key.product, AMD_VCEK);
	*chain = blob_span(kit_held(&kit, &key)->form[FORM_PEM].body);
	blob_unref(b);
}

START_TEST(test_thim_is_served_from_the_ready_made_texts)
{
	struct blob *b = report_file("milan-v2-thim", "thim.json");
	json_t *doc = json_loadb((const char *)b->data, b->len, 0, NULL);
	struct span leaf, chain;

	ck_assert_ptr_ne(doc, NULL);
	texts("milan-v2-thim", &leaf, &chain);
	ck_assert(span_eq_str(leaf,
	    json_string_value(json_object_get(doc, "vcekCert"))));
	ck_assert(span_eq_str(chain,
	    json_string_value(json_object_get(doc, "certificateChain"))));
	json_decref(doc);
	blob_unref(b);
}
END_TEST

START_TEST(test_azures_cache_is_the_texts_one_after_the_other)
{
	struct blob *b =
	    report_file("milan-v3-azcache", "azcache_response.pem");
	struct buf all = BUF_INIT;
	struct span leaf, chain;

	texts("milan-v3-azcache", &leaf, &chain);
	buf_span(&all, leaf);
	buf_span(&all, chain);
	ck_assert(span_eq(buf_view(&all), blob_span(b)));
	buf_free(&all);
	blob_unref(b);
}
END_TEST

/* Turin's chain comes with CRLF and is handed to guests with LF. */
START_TEST(test_turins_chain_has_both_line_ends)
{
	struct blob *pem = report_file("turin-v5-aci", "vcek.pem");
	struct coll_key key = key_amd_chain(AMD_TURIN, AMD_VCEK);
	struct span leaf, chain;
	const struct coll *c;

	texts("turin-v5-aci", &leaf, &chain);
	ck_assert_ptr_eq(memchr(chain.p, '\r', chain.len), NULL);
	c = kit_held(&kit, &key);
	ck_assert_ptr_ne(memchr(c->body->data, '\r', c->body->len), NULL);
	ck_assert(span_eq(leaf, blob_span(pem)));
	blob_unref(pem);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("amdreal");
	TCase *t = tcase_create("amdreal");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_genuine_objects_pass_and_come_back_as_they_came);
	tcase_add_test(t,
	    test_the_genuine_crl_ends_and_is_of_its_product_alone);
	tcase_add_test(t, test_a_genuine_vlek_passes_while_it_lasts);
	tcase_add_test(t, test_two_issues_of_one_vcek_are_one_object);
	tcase_add_test(t,
	    test_the_altered_ones_are_refused_for_their_signature);
	tcase_add_test(t,
	    test_a_genuine_vcek_is_not_another_chips_nor_another_tcbs);
	tcase_add_test(t, test_thim_is_served_from_the_ready_made_texts);
	tcase_add_test(t, test_azures_cache_is_the_texts_one_after_the_other);
	tcase_add_test(t, test_turins_chain_has_both_line_ends);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr;
	int failed;

	if (!vectors_present()) {
		vectors_skipped(9);
		return 0;
	}
	sr = srunner_create(suite());
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
