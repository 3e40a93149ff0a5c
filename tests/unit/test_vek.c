/*
 * AMD's chains, CRLs and endorsement keys against genuine objects and against
 * each of them changed in one place.
 */
#include "storage/verify/amd.h"

#include "config/base/enc.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* amd-kds 4.1 */
static const char *const pins_hex[AMD_PRODUCT_N] = {
	"9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
	"429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
	"4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
};
static struct amd_anchors pins;

static void
pins_make(void)
{
	for (int i = 0; i < AMD_PRODUCT_N; i++) {
		char *hex = (char *)(uintptr_t)pins_hex[i];
		struct anchors *a = NULL;

		ck_assert_int_eq(anchors_read(1, &hex, &a, NULL), ERR_OK);
		pins.by[i] = a;
	}
}

static void
pins_drop(void)
{
	for (int i = 0; i < AMD_PRODUCT_N; i++)
		anchors_free((struct anchors *)(uintptr_t)pins.by[i]);
}

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
#define N_CHAINS ((int)(sizeof(chains) / sizeof(chains[0])))

static struct amd_chain *
chain_load(enum amd_product product, enum amd_side side)
{
	struct amd_chain *chain = NULL;
	struct blob *pem = NULL;

	for (int i = 0; i < N_CHAINS; i++)
		if (chains[i].product == product && chains[i].side == side)
			pem = vector_read(chains[i].path);
	ck_assert_ptr_nonnull(pem);
	ck_assert_int_eq(amd_chain_read(blob_span(pem), product, side, &pins,
			     &chain, NULL),
	    ERR_OK);
	blob_unref(pem);
	return chain;
}

START_TEST(test_tcb_layouts_by_product)
{
	/* amd-kds 8.2, 2.4 */
	static const struct {
		enum amd_product product;
		struct amd_spl spl;
		const char *u64;
	} rows[] = {
		{ AMD_MILAN, { 0, 3, 0, 8, 115 }, "7308000000000003" },
		{ AMD_MILAN, { 0, 4, 0, 24, 219 }, "DB18000000000004" },
		{ AMD_GENOA, { 0, 10, 0, 23, 84 }, "541700000000000A" },
		{ AMD_TURIN, { 1, 1, 1, 4, 81 }, "5100000004010101" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct amd_tcb tcb = amd_tcb_of(rows[i].product, rows[i].spl);
		struct amd_tcb back;
		struct amd_spl spl;
		char text[17];

		amd_tcb_write(tcb, text);
		ck_assert_str_eq(text, rows[i].u64);
		ck_assert_int_eq(amd_tcb_read(span_str(text), &back), ERR_OK);
		ck_assert_mem_eq(back.b, tcb.b, 8);
		ck_assert_int_eq(amd_spl_of(rows[i].product, tcb, &spl, NULL),
		    ERR_OK);
		ck_assert_mem_eq(&spl, &rows[i].spl, sizeof(spl));
	}
}
END_TEST

START_TEST(test_tcb_text_forms)
{
	struct amd_tcb tcb;

	ck_assert_int_eq(amd_tcb_read(span_str("18000000000004"), &tcb),
	    ERR_OK);
	ck_assert_int_eq(tcb.b[6], 0x18);
	ck_assert_int_eq(tcb.b[7], 0);
	ck_assert_int_eq(amd_tcb_read(span_str(""), &tcb), ERR_FORMAT);
	ck_assert_int_eq(amd_tcb_read(span_str("0xdb18000000000004"), &tcb),
	    ERR_FORMAT);
	ck_assert_int_eq(amd_tcb_read(span_str("DB1800000000000g"), &tcb),
	    ERR_FORMAT);
}
END_TEST

START_TEST(test_tcb_covers_by_component)
{
	struct amd_tcb a =
	    amd_tcb_of(AMD_MILAN, (struct amd_spl){ 0, 4, 0, 24, 219 });
	struct amd_tcb b =
	    amd_tcb_of(AMD_MILAN, (struct amd_spl){ 0, 4, 0, 23, 219 });
	/* As one number c is above a; its bootloader is not. */
	struct amd_tcb c =
	    amd_tcb_of(AMD_MILAN, (struct amd_spl){ 0, 3, 0, 24, 220 });
	struct amd_tcb odd = a;
	struct amd_spl spl;

	ck_assert(amd_tcb_covers(AMD_MILAN, a, b));
	ck_assert(!amd_tcb_covers(AMD_MILAN, b, a));
	ck_assert(!amd_tcb_covers(AMD_MILAN, c, a));
	odd.b[3] = 1;
	ck_assert_int_eq(amd_spl_of(AMD_MILAN, odd, &spl, NULL), ERR_RANGE);
	ck_assert_int_eq(amd_spl_of(AMD_TURIN, a, &spl, NULL), ERR_RANGE);
}
END_TEST

/* Of each byte the highest value that there can be a certificate for. */
START_TEST(test_tcbs_that_are_never_issued)
{
	static const struct {
		enum amd_product product;
		uint8_t max[8];
	} rows[] = {
		{ AMD_MILAN, { 127, 127, 0, 0, 0, 0, 127, 255 } },
		{ AMD_GENOA, { 127, 127, 0, 0, 0, 0, 127, 255 } },
		{ AMD_TURIN, { 127, 127, 127, 127, 0, 0, 0, 255 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < 8; k++)
			for (unsigned v = 0; v <= 255; v++) {
				struct amd_tcb tcb = { { 0 } };

				tcb.b[k] = (unsigned char)v;
				ck_assert_int_eq(amd_tcb_issued(rows[i].product,
						     tcb),
				    v <= rows[i].max[k]);
			}
}
END_TEST

START_TEST(test_products)
{
	ck_assert_int_eq(amd_product_read(span_str("milan")), AMD_MILAN);
	ck_assert_int_eq(amd_product_read(span_str("Bergamo")), AMD_GENOA);
	ck_assert_int_eq(amd_product_read(span_str("SIENA")), AMD_GENOA);
	ck_assert_int_eq(amd_product_read(span_str("Unknown")), AMD_PRODUCT_N);
	ck_assert_int_eq(amd_product_of_cpuid(0x19, 0x01), AMD_MILAN);
	ck_assert_int_eq(amd_product_of_cpuid(0x19, 0xA0), AMD_GENOA);
	ck_assert_int_eq(amd_product_of_cpuid(0x1A, 0x11), AMD_TURIN);
	ck_assert_int_eq(amd_product_of_cpuid(0x1A, 0x12), AMD_PRODUCT_N);
	ck_assert_int_eq(amd_product_of_cpuid(0x17, 0x01), AMD_PRODUCT_N);
	ck_assert_int_eq(amd_product_of_eax(0x00a00f11), AMD_MILAN);
	ck_assert_int_eq(amd_product_of_eax(0x00a10f11), AMD_GENOA);
	ck_assert_int_eq(amd_product_of_eax(0x00aa0f02), AMD_GENOA);
	ck_assert_int_eq(amd_product_of_eax(0x00b00f21), AMD_TURIN);
	ck_assert_int_eq(amd_product_of_eax(0x00800f11), AMD_PRODUCT_N);
	/* the extensions count with family 15 alone */
	ck_assert_int_eq(amd_product_of_eax(0x00a00911), AMD_PRODUCT_N);
	ck_assert_int_eq(amd_product_of_eax(0x0fa00f11), AMD_PRODUCT_N);
}
END_TEST

START_TEST(test_genuine_chain)
{
	struct blob *pem = vector_read(chains[_i].path);
	struct amd_chain *c = NULL;
	struct why why = { 0 };

	ck_assert_msg(amd_chain_read(blob_span(pem), chains[_i].product,
			  chains[_i].side, &pins, &c, &why) == ERR_OK,
	    "%s", why.text);
	ck_assert(span_eq(blob_span(c->pem), blob_span(pem)));
	ck_assert_ptr_null(memchr(c->lf->data, '\r', c->lf->len));
	amd_chain_unref(c);
	blob_unref(pem);
}
END_TEST

/* Every other product and side refuses it, and so does any flipped bit. */
START_TEST(test_chain_elsewhere_or_changed_is_refused)
{
	struct blob *pem = vector_read(chains[_i].path);
	char *bad = malloc(pem->len);

	for (int p = 0; p < AMD_PRODUCT_N; p++)
		for (int s = AMD_VCEK; s <= AMD_VLEK; s++) {
			struct amd_chain *c = NULL;

			if (p == (int)chains[_i].product &&
			    s == (int)chains[_i].side)
				continue;
			ck_assert_int_ne(amd_chain_read(blob_span(pem),
					     (enum amd_product)p,
					     (enum amd_side)s, &pins, &c, NULL),
			    ERR_OK);
			ck_assert_ptr_null(c);
		}
	for (size_t at = 30; at < pem->len; at += 97) {
		struct amd_chain *c = NULL;

		memcpy(bad, pem->data, pem->len);
		bad[at] = bad[at] == 'A' ? 'B' : 'A';
		if (pem->data[at] == '\r' || pem->data[at] == '\n')
			continue;
		ck_assert_msg(amd_chain_read(span_of(bad, pem->len),
				  chains[_i].product, chains[_i].side, &pins,
				  &c, NULL) != ERR_OK,
		    "byte %zu changed and accepted", at);
	}
	free(bad);
	blob_unref(pem);
}
END_TEST

/* amd-kds 10.5: swapped order and three blocks fail; CRLF and a trailing
 * blank line pass (Turin's genuine body is the CRLF case). */
START_TEST(test_chain_layouts)
{
	struct amd_chain *c = chain_load(AMD_MILAN, AMD_VCEK), *d = NULL;
	struct span lf = blob_span(c->lf);
	const char *second = strstr((const char *)lf.p + 1, "-----BEGIN");
	struct buf b = BUF_INIT;
	struct why why;

	ck_assert_ptr_nonnull(second);
	buf_str(&b, second);
	buf_add(&b, lf.p, (size_t)(second - (const char *)lf.p));
	ck_assert_int_eq(amd_chain_read(buf_view(&b), AMD_MILAN, AMD_VCEK,
			     &pins, &d, &why),
	    ERR_CHAIN);
	b.len = 0;
	buf_span(&b, lf);
	buf_str(&b, second);
	ck_assert_int_eq(amd_chain_read(buf_view(&b), AMD_MILAN, AMD_VCEK,
			     &pins, &d, &why),
	    ERR_FORMAT);
	b.len = 0;
	buf_span(&b, lf);
	buf_str(&b, " \r\n\n");
	ck_assert_int_eq(amd_chain_read(buf_view(&b), AMD_MILAN, AMD_VCEK,
			     &pins, &d, &why),
	    ERR_OK);
	ck_assert(span_eq(blob_span(d->lf), lf));
	amd_chain_unref(d);
	d = NULL;
	b.len = 0;
	buf_add(&b, lf.p, (size_t)(second - (const char *)lf.p));
	ck_assert_int_eq(amd_chain_read(buf_view(&b), AMD_MILAN, AMD_VCEK,
			     &pins, &d, &why),
	    ERR_FORMAT);
	ck_assert_ptr_null(d);
	buf_free(&b);
	amd_chain_unref(c);
}
END_TEST

START_TEST(test_genuine_crl_and_its_changes)
{
	struct amd_chain *genoa = chain_load(AMD_GENOA, AMD_VCEK);
	struct amd_chain *milan = chain_load(AMD_MILAN, AMD_VCEK);
	struct blob *der = vector_read("snp/crl/genoa.vcek.crl.der");
	unsigned char *bad = malloc(der->len + 1);
	struct amd_crl *crl = NULL, *no = NULL;
	struct why why = { 0 };

	ck_assert_msg(amd_crl_read(blob_span(der), AMD_GENOA, genoa->ark, &crl,
			  &why) == ERR_OK,
	    "%s", why.text);
	ck_assert_uint_eq(crl->number, 9);
	ck_assert(!amd_crl_lists(crl, genoa->ask)); /* 0x020002 */
	ck_assert(!amd_crl_lists(crl, genoa->ark));
	ck_assert_int_eq((long)crl->window.from, 1785211643);
	ck_assert_int_eq((long)crl->window.until, 1788912000);

	ck_assert_int_eq(amd_crl_read(blob_span(der), AMD_MILAN, milan->ark,
			     &no, &why),
	    ERR_CHAIN);
	memcpy(bad, der->data, der->len);
	bad[der->len] = 0;
	ck_assert_int_eq(amd_crl_read(span_of(bad, der->len + 1), AMD_GENOA,
			     genoa->ark, &no, &why),
	    ERR_FORMAT);
	for (size_t i = 0; i < der->len; i += 3) {
		memcpy(bad, der->data, der->len);
		bad[i] ^= 0x10;
		ck_assert_msg(amd_crl_read(span_of(bad, der->len), AMD_GENOA,
				  genoa->ark, &no, NULL) != ERR_OK,
		    "byte %zu changed and accepted", i);
	}
	bad[der->len - 1] = (unsigned char)(der->data[der->len - 1] ^ 1);
	memcpy(bad, der->data, der->len - 1);
	ck_assert_int_eq(amd_crl_read(span_of(bad, der->len), AMD_GENOA,
			     genoa->ark, &no, &why),
	    ERR_BADSIG);
	free(bad);
	blob_unref(der);
	amd_crl_unref(crl);
	amd_chain_unref(genoa);
	amd_chain_unref(milan);
}
END_TEST

static const char *const reports[] = { "genoa-v3-aci", "hcl-milan-v2",
	"hcl-milan-v3", "milan-v2-debug", "milan-v2-plain", "milan-v2-thim",
	"milan-v3-aci", "milan-v3-azcache", "milan-v3-vlek-aws", "turin-v5-aci",
	"hcl-milan-v2-foreign-vcek" };
#define N_REPORTS ((int)(sizeof(reports) / sizeof(reports[0])))

static json_t *
expected_load(const char *name)
{
	char path[128];
	struct blob *text;
	json_t *json;

	(void)snprintf(path, sizeof(path), "snp/reports/%s/expected.json",
	    name);
	text = vector_read(path);
	ck_assert_ptr_nonnull(text);
	json = json_loadb((const char *)text->data, text->len, 0, NULL);
	ck_assert_ptr_nonnull(json);
	blob_unref(text);
	return json;
}

static struct blob *
vek_load(const char *name, bool vlek)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "snp/reports/%s/%s.der", name,
	    vlek ? "vlek" : "vcek");
	return vector_read(path);
}

START_TEST(test_genuine_vek)
{
	json_t *expected = expected_load(reports[_i]);
	json_t *ext =
	    json_object_get(json_object_get(expected, "vek"), "extensions");
	bool vlek =
	    strcmp(json_string_value(json_object_get(expected, "signing_key")),
		"VLEK") == 0;
	enum amd_product product = amd_product_read(
	    span_str(json_string_value(json_object_get(expected, "product"))));
	struct amd_chain *chain =
	    chain_load(product, vlek ? AMD_VLEK : AMD_VCEK);
	struct blob *der = vek_load(reports[_i], vlek);
	const char *hwid = json_string_value(json_object_get(ext, "hwID"));
	struct vek *vek = NULL;
	struct why why = { 0 };

	ck_assert_msg(vek_read(blob_span(der), chain, &vek, &why) == ERR_OK,
	    "%s", why.text);
	ck_assert_int_eq(vek->spl.bl,
	    json_integer_value(json_object_get(ext, "blSPL")));
	ck_assert_int_eq(vek->spl.tee,
	    json_integer_value(json_object_get(ext, "teeSPL")));
	ck_assert_int_eq(vek->spl.snp,
	    json_integer_value(json_object_get(ext, "snpSPL")));
	ck_assert_int_eq(vek->spl.ucode,
	    json_integer_value(json_object_get(ext, "ucodeSPL")));
	ck_assert_int_eq(vek->spl.fmc,
	    json_integer_value(json_object_get(ext, "fmcSPL")));
	ck_assert_str_eq(vek->product_name,
	    json_string_value(json_object_get(ext, "productName1")));
	if (vlek) {
		ck_assert_uint_eq(vek->hwid_len, 0);
		ck_assert_str_eq(vek->csp_id,
		    json_string_value(json_object_get(ext, "cspID")));
	} else {
		char text[2 * AMD_HWID_MAX + 1];
		unsigned char other[AMD_HWID_MAX];
		struct amd_tcb tcb = vek->tcb;

		hex_lower(span_of(vek->hwid, vek->hwid_len), text);
		ck_assert_str_eq(text, hwid);
		ck_assert_int_eq(vek_is_for(vek,
				     span_of(vek->hwid, vek->hwid_len),
				     vek->tcb, NULL),
		    ERR_OK);
		memcpy(other, vek->hwid, vek->hwid_len);
		other[0] ^= 1;
		ck_assert_int_eq(vek_is_for(vek, span_of(other, vek->hwid_len),
				     vek->tcb, &why),
		    ERR_NOT_ASKED);
		tcb.b[7]++;
		ck_assert_int_eq(vek_is_for(vek,
				     span_of(vek->hwid, vek->hwid_len), tcb,
				     &why),
		    ERR_NOT_ASKED);
	}
	vek_unref(vek);
	blob_unref(der);
	amd_chain_unref(chain);
	json_decref(expected);
}
END_TEST

START_TEST(test_changed_vek_is_refused)
{
	json_t *expected = expected_load(reports[_i]);
	bool vlek =
	    strcmp(json_string_value(json_object_get(expected, "signing_key")),
		"VLEK") == 0;
	enum amd_product product = amd_product_read(
	    span_str(json_string_value(json_object_get(expected, "product"))));
	struct amd_chain *chain =
	    chain_load(product, vlek ? AMD_VLEK : AMD_VCEK);
	struct blob *der = vek_load(reports[_i], vlek);
	unsigned char *bad = malloc(der->len);
	struct vek *vek = NULL;

	for (size_t i = 0; i < der->len; i += 7) {
		memcpy(bad, der->data, der->len);
		bad[i] ^= 0x04;
		ck_assert_msg(vek_read(span_of(bad, der->len), chain, &vek,
				  NULL) != ERR_OK,
		    "byte %zu changed and accepted", i);
	}
	for (size_t n = 0; n < der->len; n += 61)
		ck_assert_int_ne(vek_read(span_of(der->data, n), chain, &vek,
				     NULL),
		    ERR_OK);
	ck_assert_ptr_null(vek);
	free(bad);
	blob_unref(der);
	amd_chain_unref(chain);
	json_decref(expected);
}
END_TEST

/* Both parse, raw and wrapped hwID; neither is signed by the ASK. */
START_TEST(test_altered_certificates_are_refused_by_signature)
{
	static const char *const paths[] = {
		"snp/certs/vcek-milan-badsig-rawhwid.der",
		"snp/certs/vcek-milan-badsig-derhwid.der"
	};
	struct amd_chain *chain = chain_load(AMD_MILAN, AMD_VCEK);

	for (int i = 0; i < 2; i++) {
		struct blob *der = vector_read(paths[i]);
		struct vek *vek = NULL;
		struct why why = { 0 };

		ck_assert_msg(vek_parse(blob_span(der), &vek, &why) == ERR_OK,
		    "%s", why.text);
		ck_assert_uint_eq(vek->hwid_len, 64);
		vek_unref(vek);
		vek = NULL;
		ck_assert_int_eq(vek_read(blob_span(der), chain, &vek, &why),
		    ERR_BADSIG);
		ck_assert_ptr_null(vek);
		blob_unref(der);
	}
	amd_chain_unref(chain);
}
END_TEST

/* amd-kds 3.5: other bytes, same key and extensions. */
START_TEST(test_reissue_keeps_key_and_facts)
{
	struct amd_chain *chain = chain_load(AMD_MILAN, AMD_VCEK);
	struct blob *pem = vector_read("snp/certs/vcek-milan-issue1.pem");
	struct blob *der2 = vector_read("snp/certs/vcek-milan-issue2.der");
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der1 = NULL;
	int n = i2d_X509(x, &der1);
	struct vek *a = NULL, *b = NULL;

	ck_assert_int_eq(vek_read(span_of(der1, (size_t)n), chain, &a, NULL),
	    ERR_OK);
	ck_assert_int_eq(vek_read(blob_span(der2), chain, &b, NULL), ERR_OK);
	ck_assert(!span_eq(blob_span(a->der), blob_span(b->der)));
	ck_assert_int_eq(EVP_PKEY_eq(a->key, b->key), 1);
	ck_assert_mem_eq(a->tcb.b, b->tcb.b, 8);
	vek_unref(a);
	vek_unref(b);
	OPENSSL_free(der1);
	X509_free(x);
	BIO_free(bio);
	blob_unref(pem);
	blob_unref(der2);
	amd_chain_unref(chain);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("vek");
	TCase *pure = tcase_create("words"), *real = tcase_create("genuine");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(pure, test_tcb_layouts_by_product);
	tcase_add_test(pure, test_tcb_text_forms);
	tcase_add_test(pure, test_tcb_covers_by_component);
	tcase_add_test(pure, test_tcbs_that_are_never_issued);
	tcase_add_test(pure, test_products);
	suite_add_tcase(s, pure);
	if (vectors_present()) {
		tcase_add_checked_fixture(real, pins_make, pins_drop);
		tcase_set_timeout(real, 60);
		tcase_add_loop_test(real, test_genuine_chain, 0, N_CHAINS);
		tcase_add_loop_test(real,
		    test_chain_elsewhere_or_changed_is_refused, 0, N_CHAINS);
		tcase_add_test(real, test_chain_layouts);
		tcase_add_test(real, test_genuine_crl_and_its_changes);
		tcase_add_loop_test(real, test_genuine_vek, 0, N_REPORTS);
		tcase_add_loop_test(real, test_changed_vek_is_refused, 0,
		    N_REPORTS);
		tcase_add_test(real,
		    test_altered_certificates_are_refused_by_signature);
		tcase_add_test(real, test_reissue_keeps_key_and_facts);
		suite_add_tcase(s, real);
	} else {
		vectors_skipped(2 * N_CHAINS + 2 * N_REPORTS + 4);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
