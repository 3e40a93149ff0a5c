/*
 * SEV-SNP reports against genuine evidence, and each genuine case changed in
 * one place with the error that names the change.
 */
#include "server/appraise/snp.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* amd-kds 4.1 */
static const char *const pins_hex[AMD_PRODUCT_N] = {
	"9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
	"429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
	"4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
};

/* One genuine case with everything a check needs. */
struct genuine {
	json_t *expected;
	struct blob *report;
	struct vek *vek;
	struct amd_chain *chain;
	time_t at;
};

static struct blob *
case_file(const char *name, const char *file)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "snp/reports/%s/%s", name, file);
	return vector_read(path);
}

static struct amd_chain *
chain_load(enum amd_product product, enum amd_side side)
{
	static const char *const files[] = { "milan", "genoa", "turin" };
	char *hex = (char *)(uintptr_t)pins_hex[product];
	struct amd_anchors pins = { { NULL } };
	struct amd_chain *chain = NULL;
	struct anchors *a = NULL;
	struct blob *pem;
	char path[128];

	(void)snprintf(path, sizeof(path), "snp/chains/%s.%s.cert_chain.pem",
	    files[product], amd_side_name(side));
	ck_assert_int_eq(anchors_read(1, &hex, &a, NULL), ERR_OK);
	pins.by[product] = a;
	pem = vector_read(path);
	ck_assert_ptr_nonnull(pem);
	ck_assert_int_eq(amd_chain_read(blob_span(pem), product, side, &pins,
			     &chain, NULL),
	    ERR_OK);
	blob_unref(pem);
	anchors_free(a);
	return chain;
}

static const char *
text(json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	ck_assert_msg(s != NULL, "no \"%s\" in expected.json", name);
	return s;
}

static struct genuine
genuine_load(const char *name)
{
	struct genuine g = { 0 };
	struct blob *json = case_file(name, "expected.json"), *der;
	bool vlek;

	ck_assert_ptr_nonnull(json);
	g.expected = json_loadb((const char *)json->data, json->len, 0, NULL);
	vlek = strcmp(text(g.expected, "signing_key"), "VLEK") == 0;
	g.report = case_file(name, "report.bin");
	der = case_file(name, vlek ? "vlek.der" : "vcek.der");
	g.chain =
	    chain_load(amd_product_read(span_str(text(g.expected, "product"))),
		vlek ? AMD_VLEK : AMD_VCEK);
	ck_assert_int_eq(vek_parse(blob_span(der), &g.vek, NULL), ERR_OK);
	ck_assert_int_eq(time_read(span_str(text(g.expected, "verify_at")),
			     &g.at),
	    ERR_OK);
	blob_unref(json);
	blob_unref(der);
	return g;
}

static void
genuine_drop(struct genuine *g)
{
	json_decref(g->expected);
	blob_unref(g->report);
	vek_unref(g->vek);
	amd_chain_unref(g->chain);
}

/* Read and judge these bytes as the case's evidence. */
static enum snp_err
judge(const struct genuine *g, struct span report, time_t at)
{
	struct snp_collateral c = { .vek = g->vek, .chain = g->chain };
	struct snp_verdict v;
	struct snp_report r;
	enum snp_err e;

	e = snp_report_read(report, 5, &r, NULL);
	if (e != SNP_OK)
		return e;
	snp_verify(&r, report, AMD_PRODUCT_N, &c, at, &v);
	return v.err;
}

static const char *const cases[] = { "milan-v2-debug", "milan-v2-plain",
	"milan-v3-aci", "genoa-v3-aci", "turin-v5-aci", "milan-v3-vlek-aws",
	"milan-v2-thim", "milan-v3-azcache", "milan-v1-preproduction",
	"hcl-milan-v2", "hcl-milan-v3", "hcl-milan-v2-foreign-vcek" };
#define N_CASES ((int)(sizeof(cases) / sizeof(cases[0])))

START_TEST(test_genuine_verdicts)
{
	struct genuine g = genuine_load(cases[_i]);
	json_t *want = json_object_get(json_object_get(g.expected, "expect"),
	    "first_error");
	enum snp_err e = judge(&g, blob_span(g.report), g.at);

	ck_assert_str_eq(snp_err_name(e),
	    json_is_null(want) ? "SNP_OK" : json_string_value(want));
	genuine_drop(&g);
}
END_TEST

static void
expect_hex(json_t *report, const char *name, const void *p, size_t n)
{
	char hex[2 * 64 + 1];

	hex_lower(span_of(p, n), hex);
	ck_assert_str_eq(hex, text(report, name));
}

START_TEST(test_genuine_fields)
{
	struct genuine g = genuine_load(cases[_i]);
	json_t *want = json_object_get(g.expected, "report");
	struct snp_report r;

	if (snp_report_read(blob_span(g.report), 5, &r, NULL) ==
	    SNP_ERR_REPORT_VERSION) {
		ck_assert_int_eq(json_integer_value(
				     json_object_get(want, "version")),
		    1);
		genuine_drop(&g);
		return;
	}
	ck_assert_int_eq(r.version,
	    json_integer_value(json_object_get(want, "version")));
	ck_assert_int_eq(r.guest_svn,
	    json_integer_value(json_object_get(want, "guest_svn")));
	ck_assert_int_eq(r.vmpl,
	    json_integer_value(json_object_get(want, "vmpl")));
	ck_assert_uint_eq(r.policy, strtoull(text(want, "policy"), NULL, 16));
	ck_assert_uint_eq(r.platform_info,
	    strtoull(text(want, "platform_info"), NULL, 16));
	expect_hex(want, "family_id", r.family_id, 16);
	expect_hex(want, "image_id", r.image_id, 16);
	expect_hex(want, "report_data", r.report_data, 64);
	expect_hex(want, "measurement", r.measurement, 48);
	expect_hex(want, "host_data", r.host_data, 32);
	expect_hex(want, "id_key_digest", r.id_key_digest, 48);
	expect_hex(want, "author_key_digest", r.author_key_digest, 48);
	expect_hex(want, "report_id", r.report_id, 32);
	expect_hex(want, "report_id_ma", r.report_id_ma, 32);
	expect_hex(want, "chip_id", r.chip_id, 64);
	expect_hex(want, "current_tcb", r.current_tcb.b, 8);
	expect_hex(want, "reported_tcb", r.reported_tcb.b, 8);
	expect_hex(want, "committed_tcb", r.committed_tcb.b, 8);
	expect_hex(want, "launch_tcb", r.launch_tcb.b, 8);
	genuine_drop(&g);
}
END_TEST

/* snp MANIFEST, "Making negatives by mutation": set, or flip, a byte. */
enum how { SET, FLIP };
static const struct {
	size_t at;
	enum how how;
	unsigned char value;
	enum snp_err want;
} changes[] = {
	{ 0x000, SET, 0, SNP_ERR_REPORT_VERSION },
	{ 0x000, SET, 1, SNP_ERR_REPORT_VERSION },
	{ 0x000, SET, 6, SNP_ERR_REPORT_VERSION },
	{ 0x003, SET, 0xff, SNP_ERR_REPORT_VERSION },
	{ 0x00A, FLIP, 0x02, SNP_ERR_REPORT_RESERVED }, /* policy bit 17 */
	{ 0x00B, FLIP, 0x04, SNP_ERR_REPORT_RESERVED }, /* policy bit 26 */
	{ 0x00F, FLIP, 0x80, SNP_ERR_REPORT_RESERVED },
	{ 0x04C, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x04F, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x049, SET, 1, SNP_ERR_REPORT_RESERVED }, /* flags bit 8 */
	{ 0x18B, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x19F, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x1EB, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x1EF, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x208, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x29F, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x2A0 + 48, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x2A0 + 71, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x2E8 + 48, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x330, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x49F, SET, 1, SNP_ERR_REPORT_RESERVED },
	{ 0x034, SET, 0, SNP_ERR_SIGNATURE_ALGO },
	{ 0x034, SET, 2, SNP_ERR_SIGNATURE_ALGO },
	{ 0x048, SET, 2 << 2, SNP_ERR_SIGNING_KEY },
	{ 0x048, SET, 6 << 2, SNP_ERR_SIGNING_KEY },
	{ 0x048, SET, 7 << 2, SNP_ERR_UNSIGNED },
	{ 0x048, FLIP, 2, SNP_ERR_UNSIGNED }, /* MASK_CHIP_KEY */
	{ 0x048, FLIP, 1 << 2, SNP_ERR_KEY_KIND_MISMATCH },
	{ 0x180, FLIP, 1, SNP_ERR_TCB_MISMATCH },
	{ 0x184, SET, 1, SNP_ERR_TCB_MISMATCH }, /* a reserved byte */
	{ 0x187, FLIP, 1, SNP_ERR_TCB_MISMATCH },
	{ 0x050, FLIP, 1, SNP_ERR_SIGNATURE }, /* REPORT_DATA */
	{ 0x090, FLIP, 1, SNP_ERR_SIGNATURE }, /* MEASUREMENT */
	{ 0x0C0, FLIP, 1, SNP_ERR_SIGNATURE }, /* HOST_DATA */
	{ 0x2A0, FLIP, 1, SNP_ERR_SIGNATURE }, /* r */
	{ 0x2E8, FLIP, 1, SNP_ERR_SIGNATURE }, /* s */
};

START_TEST(test_changed_byte_names_its_check)
{
	struct genuine g = genuine_load(cases[_i]);
	unsigned char bytes[SNP_REPORT_LEN];
	struct span view = span_of(bytes, sizeof(bytes));

	if (judge(&g, blob_span(g.report), g.at) != SNP_OK) {
		genuine_drop(&g); /* genuine negatives are tested above */
		return;
	}
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		unsigned char *b = &bytes[changes[i].at];
		enum snp_err e;

		memcpy(bytes, g.report->data, sizeof(bytes));
		*b = (unsigned char)(changes[i].how == SET
					 ? changes[i].value
					 : *b ^ changes[i].value);
		e = judge(&g, view, g.at);
		ck_assert_msg(e == changes[i].want, "0x%03zx: %s, not %s",
		    changes[i].at, snp_err_name(e),
		    snp_err_name(changes[i].want));
	}
	genuine_drop(&g);
}
END_TEST

/* Every single signed bit: nothing changed may pass. */
START_TEST(test_no_changed_bit_passes)
{
	struct genuine g = genuine_load("milan-v3-aci");
	unsigned char bytes[SNP_REPORT_LEN];

	for (size_t at = 0; at < sizeof(bytes); at++) {
		memcpy(bytes, g.report->data, sizeof(bytes));
		bytes[at] ^= (unsigned char)(1u << (at % 8));
		ck_assert_msg(judge(&g, span_of(bytes, sizeof(bytes)), g.at) !=
				  SNP_OK,
		    "byte 0x%03zx changed and accepted", at);
	}
	genuine_drop(&g);
}
END_TEST

START_TEST(test_chip_id_and_product)
{
	struct genuine milan = genuine_load("milan-v3-aci");
	struct genuine turin = genuine_load("turin-v5-aci");
	unsigned char bytes[SNP_REPORT_LEN];
	struct span view = span_of(bytes, sizeof(bytes));

	memcpy(bytes, milan.report->data, sizeof(bytes));
	bytes[0x1A0 + 5] ^= 1;
	ck_assert_int_eq(judge(&milan, view, milan.at), SNP_ERR_HWID_MISMATCH);
	memcpy(bytes, turin.report->data, sizeof(bytes));
	bytes[0x1A0 + 8] = 1;
	ck_assert_int_eq(judge(&turin, view, turin.at), SNP_ERR_HWID_MISMATCH);
	memcpy(bytes, milan.report->data, sizeof(bytes));
	bytes[0x188] = 0x17;
	ck_assert_int_eq(judge(&milan, view, milan.at),
	    SNP_ERR_PRODUCT_UNKNOWN);
	bytes[0x188] = 0x19;
	bytes[0x189] = 0x11; /* a Genoa model under a Milan certificate */
	ck_assert_int_eq(judge(&milan, view, milan.at), SNP_ERR_CHAIN);
	genuine_drop(&milan);
	genuine_drop(&turin);
}
END_TEST

START_TEST(test_signature_numbers)
{
	struct genuine g = genuine_load("milan-v3-aci");
	unsigned char bytes[SNP_REPORT_LEN], n_le[48];
	struct span view = span_of(bytes, sizeof(bytes));
	BIGNUM *n = NULL, *s;

	ck_assert_int_ne(
	    BN_hex2bn(&n, "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
			  "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973"),
	    0);
	ck_assert_int_eq(BN_bn2lebinpad(n, n_le, sizeof(n_le)), 48);

	memcpy(bytes, g.report->data, sizeof(bytes));
	memset(bytes + 0x2A0, 0, 48);
	ck_assert_int_eq(judge(&g, view, g.at), SNP_ERR_SIGNATURE);
	memcpy(bytes, g.report->data, sizeof(bytes));
	memset(bytes + 0x2E8, 0, 48);
	ck_assert_int_eq(judge(&g, view, g.at), SNP_ERR_SIGNATURE);
	memcpy(bytes, g.report->data, sizeof(bytes));
	memcpy(bytes + 0x2A0, n_le, 48);
	ck_assert_int_eq(judge(&g, view, g.at), SNP_ERR_SIGNATURE);
	memcpy(bytes, g.report->data, sizeof(bytes));
	memcpy(bytes + 0x2A0, g.report->data + 0x2E8, 48);
	memcpy(bytes + 0x2E8, g.report->data + 0x2A0, 48);
	ck_assert_int_eq(judge(&g, view, g.at), SNP_ERR_SIGNATURE);

	/* ECDSA is malleable: n - s verifies as well. */
	memcpy(bytes, g.report->data, sizeof(bytes));
	s = BN_lebin2bn(bytes + 0x2E8, 48, NULL);
	ck_assert_int_eq(BN_sub(s, n, s), 1);
	ck_assert_int_eq(BN_bn2lebinpad(s, bytes + 0x2E8, 48), 48);
	ck_assert_int_eq(judge(&g, view, g.at), SNP_OK);
	BN_free(s);
	BN_free(n);
	genuine_drop(&g);
}
END_TEST

START_TEST(test_sizes)
{
	struct genuine g = genuine_load("milan-v2-plain");
	unsigned char bytes[SNP_REPORT_LEN + 1] = { 0 };

	memcpy(bytes, g.report->data, g.report->len);
	for (size_t n = 0; n <= sizeof(bytes); n++)
		if (n != SNP_REPORT_LEN)
			ck_assert_int_eq(judge(&g, span_of(bytes, n), g.at),
			    SNP_ERR_REPORT_SIZE);
	genuine_drop(&g);
}
END_TEST

START_TEST(test_time_of_certificates)
{
	struct genuine g = genuine_load(cases[_i]);
	json_t *vek = json_object_get(g.expected, "vek");
	time_t from, until;

	if (judge(&g, blob_span(g.report), g.at) != SNP_OK) {
		genuine_drop(&g);
		return;
	}
	ck_assert_int_eq(time_read(span_str(text(vek, "not_before")), &from),
	    ERR_OK);
	ck_assert_int_eq(time_read(span_str(text(vek, "not_after")), &until),
	    ERR_OK);
	ck_assert_int_eq(judge(&g, blob_span(g.report), until - 1), SNP_OK);
	ck_assert_int_eq(judge(&g, blob_span(g.report), until),
	    SNP_ERR_CERT_EXPIRED);
	ck_assert_int_eq(judge(&g, blob_span(g.report), from - 300), SNP_OK);
	ck_assert_int_eq(judge(&g, blob_span(g.report), from - 301),
	    SNP_ERR_CERT_NOT_YET_VALID);
	genuine_drop(&g);
}
END_TEST

START_TEST(test_missing_and_swapped_collateral)
{
	struct genuine g = genuine_load("milan-v3-aci");
	struct genuine aws = genuine_load("milan-v3-vlek-aws");
	struct amd_chain *genoa = chain_load(AMD_GENOA, AMD_VCEK);
	struct snp_collateral c = { 0 };
	struct snp_verdict v;
	struct snp_report r;

	ck_assert_int_eq(snp_report_read(blob_span(g.report), 5, &r, NULL),
	    SNP_OK);
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_VEK_MISSING);
	c.vek = g.vek;
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_COLLATERAL_UNAVAILABLE);
	c.chain = genoa;
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_CHAIN);
	c.chain = aws.chain; /* the ASVK where the ASK belongs */
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_CHAIN);
	c.chain = g.chain;
	c.crl_required = true;
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_CRL_MISSING);
	c.vek = aws.vek;
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, g.at, &v);
	ck_assert_int_eq(v.err, SNP_ERR_KEY_KIND_MISMATCH);
	amd_chain_unref(genoa);
	genuine_drop(&g);
	genuine_drop(&aws);
}
END_TEST

/* The genuine Genoa list and the genuine Genoa report: their windows do not
 * meet, so time is moved to the list's. */
START_TEST(test_crl_window_and_issuer)
{
	struct genuine g = genuine_load("genoa-v3-aci");
	struct genuine milan = genuine_load("milan-v3-aci");
	struct blob *der = vector_read("snp/crl/genoa.vcek.crl.der");
	struct snp_collateral c = { .vek = g.vek,
		.chain = g.chain,
		.crl_required = true };
	struct amd_crl *crl = NULL;
	struct snp_verdict v;
	struct snp_report r;

	ck_assert_int_eq(amd_crl_read(blob_span(der), AMD_GENOA, g.chain->ark,
			     &crl, NULL),
	    ERR_OK);
	c.crl = crl;
	ck_assert_int_eq(snp_report_read(blob_span(g.report), 5, &r, NULL),
	    SNP_OK);
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c, crl->window.from,
	    &v);
	ck_assert_int_eq(v.err, SNP_OK);
	ck_assert_int_eq((long)v.valid_until, (long)crl->window.until);
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c,
	    crl->window.until, &v);
	ck_assert_int_eq(v.err, SNP_ERR_CRL_STALE);
	snp_verify(&r, blob_span(g.report), AMD_PRODUCT_N, &c,
	    crl->window.until - 1, &v);
	ck_assert_int_eq(v.err, SNP_OK);
	ck_assert_int_eq(snp_report_read(blob_span(milan.report), 5, &r, NULL),
	    SNP_OK);
	c.vek = milan.vek;
	c.chain = milan.chain;
	snp_verify(&r, blob_span(milan.report), AMD_PRODUCT_N, &c,
	    crl->window.from, &v);
	ck_assert_int_eq(v.err, SNP_ERR_CRL_ISSUER);
	amd_crl_unref(crl);
	blob_unref(der);
	genuine_drop(&g);
	genuine_drop(&milan);
}
END_TEST

START_TEST(test_hcl)
{
	static const char *const names[] = { "hcl-milan-v2", "hcl-milan-v3",
		"hcl-milan-v2-foreign-vcek" };
	struct blob *file = case_file(names[_i], "hcl_report.bin");
	struct blob *report = case_file(names[_i], "report.bin");
	unsigned char *bad = malloc(file->len);
	struct snp_report r;
	struct hcl h;

	ck_assert_int_eq(hcl_read(blob_span(file), &h, NULL), SNP_OK);
	ck_assert_uint_eq(h.report_type, HCL_SNP);
	ck_assert(span_eq(h.report, blob_span(report)));
	ck_assert_int_eq(snp_report_read(h.report, 5, &r, NULL), SNP_OK);
	ck_assert_int_eq(hcl_check_binding(&h, r.report_data, NULL), SNP_OK);

	memcpy(bad, file->data, file->len);
	bad[0x4D4 + 10] ^= 1;
	ck_assert_int_eq(hcl_read(span_of(bad, file->len), &h, NULL), SNP_OK);
	ck_assert_int_eq(hcl_check_binding(&h, r.report_data, NULL),
	    SNP_ERR_HCL_BINDING);
	memcpy(bad, file->data, file->len);
	bad[0x4D2] = 1; /* VariableDataSize beyond the file */
	ck_assert_int_eq(hcl_read(span_of(bad, file->len), &h, NULL),
	    SNP_ERR_HCL_FORMAT);
	memcpy(bad, file->data, file->len);
	bad[0x4CC] = 4;
	ck_assert_int_eq(hcl_read(span_of(bad, file->len), &h, NULL),
	    SNP_ERR_HCL_HASH);
	bad[0x4CC] = 0;
	ck_assert_int_eq(hcl_read(span_of(bad, file->len), &h, NULL),
	    SNP_ERR_HCL_HASH);
	for (size_t n = 0; n < 0x4D4; n += 13)
		ck_assert_int_eq(hcl_read(span_of(file->data, n), &h, NULL),
		    SNP_ERR_HCL_FORMAT);
	free(bad);
	blob_unref(file);
	blob_unref(report);
}
END_TEST

/* --- certificate tables, all made here -------------------------------- */

static void
put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static const unsigned char guid_vcek[16] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64,
	0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd };
static const unsigned char guid_vcek_swapped[16] = { 0x8d, 0x75, 0xda, 0x63,
	0x64, 0xe6, 0x64, 0x45, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
	0xcd };

START_TEST(test_cert_table)
{
	unsigned char t[24 * 3 + 8];
	struct cert_table out;

	ck_assert_int_eq(cert_table_read(SPAN_NONE, &out, NULL), ERR_OK);
	ck_assert_ptr_null(out.slot[CERT_VCEK].p);

	memset(t, 0, sizeof(t));
	memcpy(t, guid_vcek, 16);
	put32(t + 16, 72);
	put32(t + 20, 8);
	memcpy(t + 24, guid_vcek, 16); /* a duplicate: the first wins */
	put32(t + 40, 76);
	put32(t + 44, 4);
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_OK);
	ck_assert_ptr_eq(out.slot[CERT_VCEK].p, t + 72);
	ck_assert_uint_eq(out.slot[CERT_VCEK].len, 8);
	ck_assert_uint_eq(out.n_swapped, 0);
	memcpy(t, guid_vcek_swapped, 16);
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_OK);
	ck_assert_ptr_eq(out.slot[CERT_VCEK].p, t + 72);
	ck_assert_uint_eq(out.n_swapped, 1);

	put32(t + 20, 9); /* one past the end */
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_FORMAT);
	put32(t + 20, UINT32_MAX);
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_FORMAT);
	put32(t + 20, 8);
	put32(t + 16, UINT32_MAX);
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_FORMAT);
	put32(t + 16, 48); /* inside the table: the end row */
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_FORMAT);
	ck_assert_int_eq(cert_table_read(span_of(t, 40), &out, NULL),
	    ERR_FORMAT);
}
END_TEST

START_TEST(test_cert_table_is_bounded)
{
	unsigned char t[24 * 40];
	struct cert_table out;

	for (int i = 0; i < 40; i++) {
		memset(t + 24 * i, 0xee, 16);
		put32(t + 24 * i + 16, sizeof(t));
		put32(t + 24 * i + 20, 0);
	}
	ck_assert_int_eq(cert_table_read(span_of(t, sizeof(t)), &out, NULL),
	    ERR_TOO_BIG);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("snp");
	TCase *made = tcase_create("made"), *real = tcase_create("genuine");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(made, test_cert_table);
	tcase_add_test(made, test_cert_table_is_bounded);
	suite_add_tcase(s, made);
	if (vectors_present()) {
		tcase_set_timeout(real, 120);
		tcase_add_loop_test(real, test_genuine_verdicts, 0, N_CASES);
		tcase_add_loop_test(real, test_genuine_fields, 0, N_CASES);
		tcase_add_loop_test(real, test_changed_byte_names_its_check, 0,
		    N_CASES);
		tcase_add_test(real, test_no_changed_bit_passes);
		tcase_add_test(real, test_chip_id_and_product);
		tcase_add_test(real, test_signature_numbers);
		tcase_add_test(real, test_sizes);
		tcase_add_loop_test(real, test_time_of_certificates, 0,
		    N_CASES);
		tcase_add_test(real, test_missing_and_swapped_collateral);
		tcase_add_test(real, test_crl_window_and_issuer);
		tcase_add_loop_test(real, test_hcl, 0, 3);
		suite_add_tcase(s, real);
	} else {
		vectors_skipped((unsigned)(4 * N_CASES + 9));
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
