/*
 * TCB info: what is read out of it, and every way in which one may be wrong
 * (quote-verification 4.2 and 12, pcs-upstream 4.2).
 */
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <stdlib.h>
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

enum base { SGX, V2, TDX };

/* The value of a good document. */
static struct blob *
good(enum base which)
{
	static const struct pki_tcbinfo cases[] = {
		[SGX] = { .tee = TEE_SGX, .fmspc = "00906ED50000" },
		[V2] = { .tee = TEE_SGX,
		    .version = 2,
		    .fmspc = "00906ED50000" },
		[TDX] = { .tee = TEE_TDX, .fmspc = "90C06F000000" },
	};
	struct buf b = BUF_INIT;

	pki_tcbinfo_text(pki, &cases[which], &b);
	return buf_blob(&b);
}

static enum err
parse(struct span value, struct why *why)
{
	struct tcbinfo *info = NULL;
	enum err e = tcbinfo_parse(value, &info, why);

	ck_assert((e == ERR_OK) == (info != NULL));
	tcbinfo_unref(info);
	return e;
}

/* --- what is read ------------------------------------------------------- */

START_TEST(test_version_3_facts)
{
	static const uint8_t top[16] = { 14, 14, 3, 3, 255, 255, 1 };
	struct pki_doc doc =
	    pki_tcbinfo(pki, &(struct pki_tcbinfo){ .tee = TEE_SGX,
				 .fmspc = "00906eD50000",
				 .eval_num = 21 });
	struct tcbinfo *info;
	struct why why = { 0 };

	ck_assert(
	    tcbinfo_read(blob_span(doc.body), signer, &info, &why) == ERR_OK);
	ck_assert_int_eq(info->tee, TEE_SGX);
	ck_assert_uint_eq(info->version, 3);
	ck_assert_int_eq(info->issue_at, NOW);
	ck_assert_int_eq(info->next_update, NOW + 30 * 86400);
	ck_assert_mem_eq(info->fmspc, "\x00\x90\x6e\xd5\x00\x00", 6);
	ck_assert_mem_eq(info->pceid, "\x00\x00", 2);
	ck_assert_uint_eq(info->eval_num, 21);
	ck_assert(!info->has_module);
	ck_assert_uint_eq(info->n_modules, 0);
	ck_assert_uint_eq(info->n_levels, 3);
	ck_assert_mem_eq(info->levels[0].sgx, top, 16);
	ck_assert_uint_eq(info->levels[0].pcesvn, 13);
	ck_assert_int_eq(info->levels[0].status, TCB_UP_TO_DATE);
	ck_assert_uint_eq(info->levels[0].n_advisories, 0);
	ck_assert_int_eq(info->levels[1].status, TCB_SW_HARDENING_NEEDED);
	ck_assert_uint_eq(info->levels[1].n_advisories, 2);
	ck_assert_str_eq(info->levels[1].advisories[1], "INTEL-SA-00657");
	ck_assert_int_eq(info->levels[2].tcb_date, 1515024000);
	ck_assert_int_eq(info->window.from, NOW);
	ck_assert_int_eq(info->window.until, NOW + 30 * 86400);
	ck_assert_ptr_eq(tcbinfo_ref(info), info);
	tcbinfo_unref(info);
	tcbinfo_unref(info);
	pki_doc_fini(&doc);
}
END_TEST

START_TEST(test_version_2_says_the_same)
{
	struct blob *v3 = good(SGX), *v2 = good(V2);
	struct tcbinfo *a, *b;
	size_t i;

	ck_assert(tcbinfo_parse(blob_span(v3), &a, NULL) == ERR_OK);
	ck_assert(tcbinfo_parse(blob_span(v2), &b, NULL) == ERR_OK);
	ck_assert_uint_eq(b->version, 2);
	ck_assert_int_eq(b->tee, TEE_SGX);
	ck_assert_uint_eq(a->n_levels, b->n_levels);
	for (i = 0; i < a->n_levels; i++) {
		ck_assert_mem_eq(a->levels[i].sgx, b->levels[i].sgx, 16);
		ck_assert_uint_eq(a->levels[i].pcesvn, b->levels[i].pcesvn);
		ck_assert_int_eq(a->levels[i].status, b->levels[i].status);
	}
	tcbinfo_unref(a);
	tcbinfo_unref(b);
	blob_unref(v3);
	blob_unref(v2);
}
END_TEST

START_TEST(test_tdx_facts)
{
	struct blob *text = good(TDX);
	struct tcbinfo *info;

	ck_assert(tcbinfo_parse(blob_span(text), &info, NULL) == ERR_OK);
	ck_assert_int_eq(info->tee, TEE_TDX);
	ck_assert(info->has_module);
	ck_assert_str_eq(info->module.id, "");
	ck_assert_uint_eq(info->module.attributes_mask[7], 0xff);
	ck_assert_uint_eq(info->n_modules, 2);
	ck_assert_str_eq(info->modules[0].id, "TDX_03");
	ck_assert_str_eq(info->modules[1].id, "TDX_01");
	ck_assert_uint_eq(info->modules[1].n_levels, 2);
	ck_assert_uint_eq(info->modules[1].levels[0].isvsvn, 6);
	ck_assert_uint_eq(info->modules[1].levels[1].n_advisories, 2);
	ck_assert_uint_eq(info->levels[0].tdx[0], 5);
	ck_assert_uint_eq(info->levels[0].tdx[2], 3);
	tcbinfo_unref(info);
	blob_unref(text);
}
END_TEST

START_TEST(test_levels_are_sorted_descending)
{
	static const struct pki_level levels[] = {
		{ .comp = { 1, 9 }, .pcesvn = 5, .tdx = { 9 } },
		{ .comp = { 2 }, .pcesvn = 1, .tdx = { 1 } },
		{ .comp = { 1, 9 }, .pcesvn = 7 },
		{ .comp = { 2 }, .pcesvn = 1, .tdx = { 2 } },
		{ .comp = { 1, 9 }, .pcesvn = 256 },
		{ .comp = { 200 }, .pcesvn = 0 },
	};
	static const size_t order[] = { 5, 3, 1, 4, 2, 0 };
	struct pki_level v[6];
	struct buf b = BUF_INIT;
	struct tcbinfo *info;
	size_t i, k;

	memcpy(v, levels, sizeof(v));
	for (i = 0; i < 6; i++) {
		v[i].status = "UpToDate";
		v[i].date = "2024-03-13T00:00:00Z";
	}
	pki_tcbinfo_text(pki,
	    &(struct pki_tcbinfo){ .tee = TEE_TDX,
		.fmspc = "90C06F000000",
		.n_levels = 6,
		.levels = v },
	    &b);
	ck_assert(tcbinfo_parse(buf_view(&b), &info, NULL) == ERR_OK);
	for (i = 0; i < 6; i++) {
		for (k = 0; k < 16; k++) {
			ck_assert_int_eq(info->levels[i].sgx[k],
			    v[order[i]].comp[k]);
			ck_assert_int_eq(info->levels[i].tdx[k],
			    v[order[i]].tdx[k]);
		}
		ck_assert_int_eq(info->levels[i].pcesvn, v[order[i]].pcesvn);
	}
	tcbinfo_unref(info);
	buf_free(&b);
}
END_TEST

START_TEST(test_window_is_cut_to_the_signers)
{
	struct pki_doc doc =
	    pki_tcbinfo(pki, &(struct pki_tcbinfo){ .tee = TEE_SGX,
				 .fmspc = "00906ED50000",
				 .issue_at = NOW - 86400L * 3650,
				 .next_update = NOW + 86400L * 3650 });
	struct tcbinfo *info;

	ck_assert(
	    tcbinfo_read(blob_span(doc.body), signer, &info, NULL) == ERR_OK);
	ck_assert_int_eq(info->window.from, signer->window.from);
	ck_assert_int_eq(info->window.until, signer->window.until);
	tcbinfo_unref(info);
	pki_doc_fini(&doc);
}
END_TEST

/* --- what is refused ---------------------------------------------------- */

struct twist {
	enum base base;
	const char *from, *to;
	enum err e;
};

static const struct twist twists[] = {
	/* unknown members are let be, text case of hex too */
	{ SGX, "\"version\":3,", "\"version\":3,\"x\":{\"y\":[1]},", ERR_OK },
	{ SGX, "{\"svn\":14,", "{\"svn\":14,\"z\":0,", ERR_OK },
	{ SGX, "00906ED50000", "00906ed50000", ERR_OK },
	{ SGX, "\"tcbType\":0", "\"tcbType\": 0 ", ERR_OK },
	{ SGX, "\"pcesvn\":13", "\"pcesvn\":65535", ERR_OK },
	{ SGX, "{\"svn\":14,", "{\"svn\":255,", ERR_OK },
	{ SGX, "Number\":17", "Number\":4294967295", ERR_OK },
	{ TDX, "\"id\":\"TDX_03\"", "\"id\":\"tdx_10\"", ERR_OK },
	{ V2, "{\"version\":2", "{\"id\":\"SGX\",\"version\":2", ERR_OK },
	{ V2, "\"tcbStatus\":\"UpToDate\"",
	    "\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":[]", ERR_OK },
	/* id and version */
	{ SGX, "\"id\":\"SGX\",", "", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"sgx\"", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"SGX \"", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"SGX\\u0000X\"", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"QE\"", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":1", ERR_FORMAT },
	{ V2, "{\"version\":2", "{\"id\":\"TDX\",\"version\":2", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":4", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":1", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":2", ERR_FORMAT },
	{ V2, "\"version\":2", "\"version\":3", ERR_FORMAT },
	{ TDX, "\"version\":3", "\"version\":2", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":\"3\"", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":3.0", ERR_FORMAT },
	{ SGX, "\"version\":3", "\"version\":4294967299", ERR_RANGE },
	{ SGX, "\"version\":3,", "", ERR_FORMAT },
	/* dates */
	{ SGX, "2026-07-01T00:00:00Z", "2026-07-01T00:00:00+00:00",
	    ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-06-31T00:00:00Z", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-02-29T00:00:00Z", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-13-01T00:00:00Z", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-07-01 00:00:00Z", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-07-01T24:00:00Z", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-07-01T00:00:00", ERR_FORMAT },
	{ SGX, "2026-07-01T00:00:00Z", "2026-05-31T23:59:59Z", ERR_RANGE },
	{ SGX, "2026-07-01T00:00:00Z", "2026-06-01T00:00:00Z", ERR_RANGE },
	{ SGX, "2026-07-01T00:00:00Z", "2026-06-01T00:00:01Z", ERR_OK },
	{ SGX, "\"2026-07-01T00:00:00Z\"", "1", ERR_FORMAT },
	{ SGX, "\"issueDate\"", "\"issuedate\"", ERR_FORMAT },
	{ SGX, "2024-03-13T00:00:00Z", "2024-03-13", ERR_FORMAT },
	/* fmspc, pceId, tcbType, evaluation number */
	{ SGX, "00906ED50000", "00906ED5000", ERR_FORMAT },
	{ SGX, "00906ED50000", "00906ED5000000", ERR_FORMAT },
	{ SGX, "00906ED50000", "00906ED5000g", ERR_FORMAT },
	{ SGX, "\"pceId\":\"0000\",", "", ERR_FORMAT },
	{ SGX, "\"pceId\":\"0000\"", "\"pceId\":\"000\"", ERR_FORMAT },
	{ SGX, "\"tcbType\":0", "\"tcbType\":1", ERR_RANGE },
	{ SGX, "\"tcbType\":0", "\"tcbType\":-1", ERR_RANGE },
	{ SGX, "\"tcbType\":0", "\"tcbType\":false", ERR_FORMAT },
	{ SGX, "Number\":17", "Number\":4294967296", ERR_RANGE },
	{ SGX, "Number\":17", "Number\":-1", ERR_RANGE },
	{ SGX, "Number\":17", "Number\":1.7e1", ERR_FORMAT },
	{ SGX, "Number\":17", "Number\":17.0", ERR_FORMAT },
	{ SGX, "Number\":17", "Number\":017", ERR_FORMAT },
	{ SGX, "Number\":17", "Number\":18446744073709551633", ERR_FORMAT },
	{ SGX, "Number\":17", "Number\":null", ERR_FORMAT },
	/* components */
	{ SGX, "{\"svn\":14,", "{\"svn\":256,", ERR_RANGE },
	{ SGX, "{\"svn\":14,", "{\"svn\":270,", ERR_RANGE },
	{ SGX, "{\"svn\":14,", "{\"svn\":-1,", ERR_RANGE },
	{ SGX, "{\"svn\":14,", "{\"svn\":14.0,", ERR_FORMAT },
	{ SGX, "{\"svn\":14,", "{\"svn\":\"14\",", ERR_FORMAT },
	{ SGX, "{\"svn\":14,", "{\"SVN\":14,", ERR_FORMAT },
	{ SGX, "{\"svn\":14,", "{\"svn\":14,\"svn\":14,", ERR_FORMAT },
	{ SGX, "[{\"svn\":14,", "[14,{\"svn\":14,", ERR_FORMAT },
	{ SGX, "[{\"svn\":14,", "[{\"svn\":1},{\"svn\":14,", ERR_FORMAT },
	{ SGX, "{\"svn\":0}],", "{\"svn\":0},{\"svn\":0}],", ERR_FORMAT },
	{ SGX, ",{\"svn\":0}],", "],", ERR_FORMAT },
	{ SGX, "{\"svn\":0}],", "0],", ERR_FORMAT },
	{ SGX, "\"pcesvn\":13", "\"pcesvn\":65536", ERR_RANGE },
	{ SGX, "\"pcesvn\":13", "\"pcesvn\":65549", ERR_RANGE },
	{ SGX, "\"pcesvn\":13", "\"pcesvn\":\"13\"", ERR_FORMAT },
	{ SGX, "\"pcesvn\":13", "\"pceSvn\":13", ERR_FORMAT },
	{ V2, "comp01svn\":14", "comp01svn\":256", ERR_RANGE },
	{ V2, "comp16svn\":0", "comp17svn\":0", ERR_FORMAT },
	{ V2, "comp16svn\":0", "comp16svn\":0.0", ERR_FORMAT },
	{ V2, "comp07svn\":1", "comp07svn\":true", ERR_FORMAT },
	/* TDX members in the wrong document, or missing */
	{ SGX, "\"tcbType\"", "\"tdxModule\":{},\"tcbType\"", ERR_FORMAT },
	{ SGX, "\"tcbType\"", "\"tdxModuleIdentities\":[],\"tcbType\"",
	    ERR_FORMAT },
	{ SGX, "\"pcesvn\":13", "\"pcesvn\":13,\"tdxtcbcomponents\":[]",
	    ERR_FORMAT },
	{ TDX, "\"id\":\"TDX\"", "\"id\":\"SGX\"", ERR_FORMAT },
	{ TDX, "\"tdxModule\":", "\"tdxmodule\":", ERR_FORMAT },
	{ TDX, "\"tdxtcbcomponents\"", "\"tdxTcbComponents\"", ERR_FORMAT },
	{ TDX, "{\"svn\":5,", "{\"svn\":261,", ERR_RANGE },
	/* modules */
	{ TDX, "\"id\":\"TDX_03\"", "\"id\":\"TDX_01\"", ERR_FORMAT },
	{ TDX, "\"id\":\"TDX_03\"", "\"id\":\"tdx_01\"", ERR_FORMAT },
	{ TDX, "\"id\":\"TDX_03\"", "\"id\":\"\"", ERR_FORMAT },
	{ TDX, "\"id\":\"TDX_03\"",
	    "\"id\":\"TDX_03.............................\"", ERR_FORMAT },
	{ TDX, "\"isvsvn\":3", "\"isvsvn\":65536", ERR_RANGE },
	{ TDX, "\"isvsvn\":6", "\"isvsvn\":4", ERR_FORMAT },
	{ TDX, "\"isvsvn\":3", "\"isvSvn\":3", ERR_FORMAT },
	{ TDX, "\"attributes\":\"00", "\"attributes\":\"0", ERR_FORMAT },
	{ TDX, "\"attributesMask\":\"FF", "\"attributesMask\":\"GG",
	    ERR_FORMAT },
	{ TDX, "\"mrsigner\":\"00", "\"mrsigner\":\"", ERR_FORMAT },
	{ TDX, "\"tdxModuleIdentities\":[{", "\"tdxModuleIdentities\":[0,{",
	    ERR_FORMAT },
	{ TDX, "\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"",
	    "\"2024-11-13T00:00:00Z\",\"tcbStatus\":\"SWHardeningNeeded\"",
	    ERR_FORMAT },
	/* statuses and advisories */
	{ SGX, "\"OutOfDate\"", "\"OutOfdate\"", ERR_FORMAT },
	{ SGX, "\"OutOfDate\"", "\"TDRelaunchAdvised\"", ERR_FORMAT },
	{ SGX, "\"OutOfDate\"", "\"\"", ERR_FORMAT },
	{ SGX, "\"OutOfDate\"", "7", ERR_FORMAT },
	{ SGX, "\"tcbStatus\":\"UpToDate\"",
	    "\"tcbStatus\":\"OutOfDate\",\"tcbStatus\":\"UpToDate\"",
	    ERR_FORMAT },
	{ SGX, "[\"INTEL-SA-00615\"", "[615,\"INTEL-SA-00615\"", ERR_FORMAT },
	{ SGX, "[\"INTEL-SA-00615\",\"INTEL-SA-00657\"]", "\"INTEL\"",
	    ERR_FORMAT },
	{ SGX, "INTEL-SA-00615", "INTEL-\xff", ERR_FORMAT },
	/* levels */
	{ SGX, "\"tcbLevels\":[{", "\"tcbLevels\":[],\"y\":[{", ERR_FORMAT },
	{ SGX, "\"tcbLevels\":[{", "\"tcblevels\":[{", ERR_FORMAT },
	{ SGX, "\"tcbLevels\":[{", "\"tcbLevels\":[0,{", ERR_FORMAT },
	{ SGX, "{\"svn\":12,\"category\":\"BIOS\"", "{\"svn\":14", ERR_OK },
	/* the text itself */
	{ SGX, "{\"id\"", "[{\"id\"", ERR_FORMAT },
	{ SGX, "{\"id\"", "\xef\xbb\xbf{\"id\"", ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"SGX\",\"\\u0069d\":\"SGX\"",
	    ERR_FORMAT },
	{ SGX, "\"id\":\"SGX\"", "\"id\":\"SGX\",\"x\":NaN", ERR_FORMAT },
};

START_TEST(test_each_twist_is_judged)
{
	const struct twist *w = &twists[_i];
	struct blob *was = good(w->base);
	struct blob *text = replaced(blob_span(was), w->from, w->to);
	struct why why = { 0 };
	enum err e = parse(blob_span(text), &why);

	ck_assert_msg(e == w->e, "%s -> %s: %s (%s)", w->from, w->to,
	    err_token(e), why.text);
	if (e != ERR_OK) {
		ck_assert_int_eq(why.err, e);
		ck_assert_str_ne(why.clause, "");
		ck_assert_str_ne(why.text, "");
	}
	blob_unref(text);
	blob_unref(was);
}
END_TEST

START_TEST(test_two_equal_levels_are_refused)
{
	static const struct pki_level same[2] = {
		{ .comp = { 5, 5 },
		    .pcesvn = 3,
		    .tdx = { 1 },
		    .status = "OutOfDate",
		    .date = "2024-03-13T00:00:00Z" },
		{ .comp = { 5, 5 },
		    .pcesvn = 3,
		    .tdx = { 1 },
		    .status = "UpToDate",
		    .date = "2024-03-13T00:00:00Z" },
	};
	struct pki_level v[2];
	int tdx;

	for (tdx = 0; tdx < 2; tdx++) {
		struct buf b = BUF_INIT;
		struct pki_tcbinfo t = { .tee = TEE_TDX,
			.fmspc = "90C06F000000",
			.n_levels = 2,
			.levels = v };
		struct why why = { 0 };

		memcpy(v, same, sizeof(v));
		v[1].tdx[15] = tdx; /* the twin differs in one component */
		pki_tcbinfo_text(pki, &t, &b);
		ck_assert_int_eq(parse(buf_view(&b), &why),
		    tdx == 1 ? ERR_OK : ERR_FORMAT);
		buf_free(&b);
	}
}
END_TEST

START_TEST(test_deep_and_large_values_are_refused)
{
	struct blob *was = good(SGX), *text;
	struct buf deep = BUF_INIT;
	struct why why = { 0 };
	int i;

	buf_str(&deep, "\"x\":");
	for (i = 0; i < 5000; i++)
		buf_str(&deep, "[");
	for (i = 0; i < 5000; i++)
		buf_str(&deep, "]");
	buf_str(&deep, ",\"tcbType\"");
	text = replaced(blob_span(was), "\"tcbType\"", deep.p);
	ck_assert(parse(blob_span(text), &why) == ERR_TOO_BIG);
	blob_unref(text);
	deep.len = 0;
	buf_str(&deep, "\"x\":\"");
	for (i = 0; i < 300000; i++)
		buf_str(&deep, "x");
	buf_str(&deep, "\",\"tcbType\"");
	text = replaced(blob_span(was), "\"tcbType\"", deep.p);
	ck_assert(parse(blob_span(text), &why) == ERR_TOO_BIG);
	blob_unref(text);
	buf_free(&deep);
	blob_unref(was);
}
END_TEST

START_TEST(test_lies_are_refused_with_their_reason)
{
	static const struct {
		enum pki_lie lie;
		enum err e;
	} cases[] = { { PKI_HONEST, ERR_OK }, { PKI_BAD_SIGNATURE, ERR_BADSIG },
		{ PKI_BODY_CHANGED, ERR_BADSIG },
		{ PKI_WRONG_KEY, ERR_BADSIG } };
	struct tcbinfo *info;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pki_doc doc =
		    pki_tcbinfo(pki, &(struct pki_tcbinfo){ .tee = TEE_SGX,
					 .fmspc = "00906ED50000",
					 .lie = cases[i].lie });

		info = NULL;
		ck_assert_msg(tcbinfo_read(blob_span(doc.body), signer, &info,
				  &why) == cases[i].e,
		    "%s", pki_lie_name(cases[i].lie));
		tcbinfo_unref(info);
		pki_doc_fini(&doc);
	}
}
END_TEST

START_TEST(test_document_of_another_kind_is_refused)
{
	struct pki_doc doc =
	    pki_identity(pki, &(struct pki_identity){ .enclave = ENCLAVE_QE });
	struct blob *text = good(SGX);
	struct pki_doc as =
	    pki_json(pki, "enclaveIdentity", blob_span(text), PKI_HONEST);
	struct tcbinfo *info = NULL;
	struct identity *id = NULL;
	struct why why = { 0 };

	ck_assert(tcbinfo_read(blob_span(doc.body), signer, &info, &why) ==
		  ERR_FORMAT);
	ck_assert(
	    identity_read(blob_span(as.body), signer, &id, &why) == ERR_FORMAT);
	pki_doc_fini(&doc);
	pki_doc_fini(&as);
	blob_unref(text);
}
END_TEST

/* Upper case for a hex digit of the signature is the same signature. */
static bool
same_signature(const struct blob *was, size_t at, unsigned bit)
{
	return bit == 5 && at >= was->len - 130 && at < was->len - 2 &&
	       was->data[at] >= 'a';
}

START_TEST(test_no_bit_of_a_document_can_be_turned)
{
	struct pki_doc doc = pki_tcbinfo(pki,
	    &(struct pki_tcbinfo){ .tee = TEE_TDX, .fmspc = "90C06F000000" });
	struct tcbinfo *info;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < doc.body->len; i++) {
		unsigned bit = (unsigned)(i % 8);
		struct blob *b = flipped(blob_span(doc.body), i, bit);
		enum err e;

		info = NULL;
		e = tcbinfo_read(blob_span(b), signer, &info, &why);
		ck_assert_msg((e == ERR_OK) == same_signature(doc.body, i, bit),
		    "octet %zu bit %u: %s", i, bit, err_token(e));
		tcbinfo_unref(info);
		blob_unref(b);
	}
	pki_doc_fini(&doc);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tcbinfo");
	TCase *t = tcase_create("made");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_version_3_facts);
	tcase_add_test(t, test_version_2_says_the_same);
	tcase_add_test(t, test_tdx_facts);
	tcase_add_test(t, test_levels_are_sorted_descending);
	tcase_add_test(t, test_window_is_cut_to_the_signers);
	tcase_add_loop_test(t, test_each_twist_is_judged, 0,
	    (int)(sizeof(twists) / sizeof(twists[0])));
	tcase_add_test(t, test_two_equal_levels_are_refused);
	tcase_add_test(t, test_deep_and_large_values_are_refused);
	tcase_add_test(t, test_lies_are_refused_with_their_reason);
	tcase_add_test(t, test_document_of_another_kind_is_refused);
	tcase_add_test(t, test_no_bit_of_a_document_can_be_turned);
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
