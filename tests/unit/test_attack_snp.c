/*
 * Attacks on SEV-SNP evidence made here, through the one door: every lie of
 * endorsement key, chain and CRL, every bit of the policy, masked keys and
 * chips, time at every boundary, the wrappings.  Each says which check must
 * answer (snp-report 8 to 10).  Needs no vectors.
 */
#include "server/appraise/verify.h"

#include "config/base/must.h"
#include "tests/kit/mutant.h"
#include "tests/kit/snp_made.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW     ((time_t)1790000000)
#define DAY     86400
#define E(name) "SNP_ERR_" #name

static struct pki_amd *pki;
static struct amd_anchors pins;

static void
setup(void)
{
	pki = pki_amd_new("attack", NOW);
	pins = pki_amd_anchors();
}

static void
teardown(void)
{
	pki_amd_free(pki);
	pki_amd_anchors_drop(&pins);
}

/* --- what is made, and judged ----------------------------------------- */

struct forge {
	struct pki_vek vek; /* what the certificate says */
	struct pki_vek key; /* what signs; the same unless a test differs */
	struct pki_amd_chain chain;
	struct pki_amd_crl crl;
	bool no_vek, no_chain, no_crl;
	struct snp_report report;
	time_t at;
	const char *require;
};

static struct forge
forge(enum amd_product product, enum amd_side side, uint32_t version)
{
	struct forge f = {
		.vek = { .product = product,
		    .side = side,
		    .spl = { product == AMD_TURIN, 4, 1, 24, 219 } }
	};

	memset(f.vek.hwid, 0x5a, amd_hwid_len(product));
	f.key = f.vek;
	f.chain.product = f.crl.product = product;
	f.chain.side = f.crl.side = side;
	f.report = snp_made_report(&f.vek, version);
	f.at = NOW + 3600;
	return f;
}

/* RSA takes its time: what is asked for again is kept.  Borrowed. */
static struct blob *
made_vek(const struct pki_vek *v)
{
	static struct pki_vek last;
	static struct blob *kept;

	if (kept == NULL || memcmp(&last, v, sizeof(last)) != 0) {
		blob_unref(kept);
		kept = pki_vek(pki, v);
		memcpy(&last, v, sizeof(last));
	}
	return kept;
}

static struct blob *
made_chain(const struct pki_amd_chain *c)
{
	static struct pki_amd_chain last;
	static struct blob *kept;

	if (kept == NULL || memcmp(&last, c, sizeof(last)) != 0) {
		blob_unref(kept);
		kept = pki_amd_chain(pki, c);
		memcpy(&last, c, sizeof(last));
	}
	return kept;
}

static struct blob *
made_crl(const struct pki_amd_crl *c)
{
	static struct pki_amd_crl last;
	static struct blob *kept;

	if (kept == NULL || memcmp(&last, c, sizeof(last)) != 0) {
		blob_unref(kept);
		kept = pki_amd_crl(pki, c);
		memcpy(&last, c, sizeof(last));
	}
	return kept;
}

/* "checks" NULL: accepted. */
static void
judge_bytes(const char *name, const struct forge *f, struct span bytes,
    bool valid, const char *checks)
{
	struct snp_bytes in = {
		.vek = f->no_vek ? SPAN_NONE : blob_span(made_vek(&f->vek)),
		.chain =
		    f->no_chain ? SPAN_NONE : blob_span(made_chain(&f->chain)),
		.crl = f->no_crl ? SPAN_NONE : blob_span(made_crl(&f->crl)),
	};
	struct snp_set *set = snp_set_read(&in, &pins);
	struct require require;
	struct appraisal a = { .snp_set = set,
		.require = { &require, NULL },
		.hint = AMD_PRODUCT_N,
		.at = f->at };
	struct why why = { 0 };
	struct evidence e;
	struct verdict v;
	const char *check;

	require_init(&require, true);
	if (f->require != NULL)
		ck_assert_msg(require_read_text(&require, span_str(f->require),
				  "r", &why) == ERR_OK,
		    "%s: %s", name, why.text);
	evidence_read(bytes, &e);
	verdict_make(&e, &a, &v);
	check = v.reasons.n == 0 ? "" : v.reasons.v[0].check;
	ck_assert_msg(v.valid == valid, "%s: %s: %s", name, check, v.why.text);
	ck_assert_msg(v.accepted == (checks == NULL), "%s: %s", name, check);
	ck_assert_msg(checks == NULL || word_in(check, checks),
	    "%s: %s, not %s", name, check, checks);
	verdict_fini(&v);
	evidence_fini(&e);
	require_fini(&require);
	snp_set_unref(set);
}

static void
judge(const char *name, const struct forge *f, bool valid, const char *checks)
{
	struct blob *b = snp_made(pki, &f->key, &f->report);

	judge_bytes(name, f, blob_span(b), valid, checks);
	blob_unref(b);
}

/* --- lies ------------------------------------------------------------- */

struct lie {
	enum pki_amd_lie lie;
	const char *checks;
};

static const char *
checks_of(const struct lie *table, size_t n, enum pki_amd_lie lie)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (table[i].lie == lie)
			return table[i].checks;
	return NULL;
}
#define CHECKS_OF(table, lie)                                                  \
	checks_of(table, sizeof(table) / sizeof((table)[0]), lie)

#define FORMAT E(CERT_FORMAT)
#define CHAIN  E(CHAIN)

START_TEST(test_every_lie_of_a_vek)
{
	static const struct lie table[] = {
		{ AMD_BAD_SIGNATURE, CHAIN },
		{ AMD_WRONG_KEY, CHAIN },
		{ AMD_FOREIGN, CHAIN },
		{ AMD_WRONG_ROLE, CHAIN },
		{ AMD_OTHER_PRODUCT, CHAIN " " E(CERT_PRODUCT) },
		{ AMD_OTHER_CHIP, E(HWID_MISMATCH) },
		{ AMD_OTHER_TCB, E(TCB_MISMATCH) },
		{ AMD_SALT, FORMAT },
		{ AMD_SHA256, FORMAT },
		{ AMD_PKCS1, FORMAT },
		{ AMD_MIXED, FORMAT },
		{ AMD_NOT_YET, E(CERT_NOT_YET_VALID) },
		{ AMD_EXPIRED, E(CERT_EXPIRED) },
		{ AMD_TRAILING, FORMAT },
		{ AMD_TRUNCATED, FORMAT },
		{ AMD_CRITICAL, FORMAT },
		{ AMD_TWICE, FORMAT },
		{ AMD_RESERVED, FORMAT },
		{ AMD_WIDE_SPL, FORMAT },
		{ AMD_BOTH_IDS, FORMAT },
		{ AMD_NO_HWID, FORMAT },
		{ AMD_LONG_HWID, FORMAT },
		{ AMD_STRUCT_VERSION, FORMAT " " E(CERT_PRODUCT) },
		{ AMD_PRODUCT_NAME, E(CERT_PRODUCT) },
		{ AMD_P256, FORMAT },
		{ AMD_BER, FORMAT },
	};
	enum amd_product product = (enum amd_product)_i;
	struct forge f = forge(product, AMD_VCEK, 3);
	const char *checks;
	bool late;

	for (f.vek.lie = AMD_HONEST; f.vek.lie < PKI_AMD_LIE_N; f.vek.lie++) {
		/* Of a key, PEM is as good. */
		if (f.vek.lie == AMD_ENCODING)
			continue;
		checks = CHECKS_OF(table, f.vek.lie);
		/* Genuine, and at another time. */
		late = f.vek.lie == AMD_NOT_YET || f.vek.lie == AMD_EXPIRED;
		if (late)
			checks = "time";
		judge(pki_amd_lie_name(f.vek.lie), &f, checks == NULL || late,
		    checks);
	}
}
END_TEST

START_TEST(test_every_lie_of_a_chain)
{
	static const struct lie good[] = {
		{ AMD_HONEST, "" },
		{ AMD_LINE_ENDS, "" },
		{ AMD_BLANK_LINE, "" },
	};
	/* What a chain cannot lie about. */
	static const enum pki_amd_lie honest[] = { AMD_OTHER_CHIP,
		AMD_OTHER_TCB, AMD_TWICE, AMD_RESERVED, AMD_WIDE_SPL,
		AMD_BOTH_IDS, AMD_NO_HWID, AMD_WRAPPED_HWID, AMD_LONG_HWID,
		AMD_STRUCT_VERSION, AMD_PRODUCT_NAME, AMD_P256, AMD_LOWER,
		AMD_OLDER, AMD_LISTS_ISSUER, AMD_LISTS_ZERO, AMD_DELTA,
		AMD_PARTITION, AMD_NO_NUMBER, AMD_NO_AKI, AMD_V1, AMD_BER,
		AMD_OTHERS_ENTRY };
	/* Each product, and one with a VLEK. */
	struct forge f = forge((enum amd_product)_i,
	    _i == AMD_GENOA ? AMD_VLEK : AMD_VCEK, 3);
	bool is_good, late;
	size_t i;

	for (f.chain.lie = AMD_HONEST; f.chain.lie < PKI_AMD_LIE_N;
	     f.chain.lie++) {
		is_good = CHECKS_OF(good, f.chain.lie) != NULL;
		for (i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
			is_good = is_good || f.chain.lie == honest[i];
		late = f.chain.lie == AMD_NOT_YET || f.chain.lie == AMD_EXPIRED;
		judge(pki_amd_lie_name(f.chain.lie), &f, is_good || late,
		    is_good ? NULL
		    : late  ? "time"
			    : CHAIN);
	}
}
END_TEST

START_TEST(test_every_lie_of_a_crl)
{
	static const struct lie table[] = {
		{ AMD_BAD_SIGNATURE, E(CRL_SIGNATURE) },
		{ AMD_WRONG_KEY, E(CRL_SIGNATURE) },
		{ AMD_FOREIGN, E(CRL_ISSUER) " " E(CRL_SIGNATURE) },
		{ AMD_WRONG_ROLE, E(CRL_ISSUER) " " E(CRL_SIGNATURE) },
		{ AMD_OTHER_PRODUCT, E(CRL_ISSUER) },
		{ AMD_SALT, E(CRL_FORMAT) },
		{ AMD_SHA256, E(CRL_FORMAT) },
		{ AMD_PKCS1, E(CRL_FORMAT) },
		{ AMD_NOT_YET, E(CRL_STALE) },
		{ AMD_EXPIRED, E(CRL_STALE) },
		{ AMD_TRAILING, E(CRL_FORMAT) },
		{ AMD_TRUNCATED, E(CRL_FORMAT) },
		{ AMD_ENCODING, E(CRL_FORMAT) },
		{ AMD_CRITICAL, E(CRL_FORMAT) },
		{ AMD_LISTS_ISSUER, E(REVOKED) },
		{ AMD_DELTA, E(CRL_FORMAT) },
		{ AMD_PARTITION, E(CRL_FORMAT) },
		{ AMD_NO_NUMBER, E(CRL_FORMAT) },
		{ AMD_NO_AKI, E(CRL_FORMAT) " " E(CRL_ISSUER) },
		{ AMD_V1, E(CRL_FORMAT) },
		{ AMD_BER, E(CRL_FORMAT) },
		{ AMD_OTHERS_ENTRY, E(CRL_FORMAT) },
	};
	/* Each product, and one with a VLEK. */
	struct forge f = forge((enum amd_product)_i,
	    _i == AMD_GENOA ? AMD_VLEK : AMD_VCEK, 3);
	const char *checks;
	bool late;

	for (f.crl.lie = AMD_HONEST; f.crl.lie < PKI_AMD_LIE_N; f.crl.lie++) {
		checks = CHECKS_OF(table, f.crl.lie);
		late = f.crl.lie == AMD_NOT_YET || f.crl.lie == AMD_EXPIRED;
		if (late)
			checks = "time " E(CRL_STALE);
		judge(pki_amd_lie_name(f.crl.lie), &f, checks == NULL || late,
		    checks);
	}
}
END_TEST

/* The lists of both products and sides, and a key whose issuer is new. */
START_TEST(test_what_is_missing_is_named)
{
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 3);

	f.no_crl = true;
	judge("no CRL", &f, true, NULL);
	f.require = "{\"snp\": {\"crl\": true}}";
	judge("no CRL, and one required", &f, true, "snp.crl");
	f.no_crl = false;
	judge("a CRL that is required", &f, true, NULL);
	f.no_vek = true;
	judge("no key", &f, false, E(VEK_MISSING));
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.no_chain = true;
	judge("no chain", &f, false, E(COLLATERAL_UNAVAILABLE));
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.no_vek = true;
	memset(f.report.chip_id, 0, sizeof(f.report.chip_id));
	judge("no key, and no chip to ask with", &f, false, E(CHIP_ID_MASKED));
	/* Milan or Genoa: a version 2 report does not say (snp-report 6). */
	f = forge(AMD_MILAN, AMD_VCEK, 2);
	f.no_vek = true;
	judge("no key, version 2", &f, false, E(VEK_MISSING));
	memset(f.report.chip_id, 0, sizeof(f.report.chip_id));
	judge("no key, version 2, no chip", &f, false, E(PRODUCT_UNKNOWN));
}
END_TEST

/* --- the report ------------------------------------------------------- */

START_TEST(test_every_policy_bit)
{
	struct forge f = forge(AMD_GENOA, AMD_VCEK, 5);
	const uint64_t good = f.report.policy;
	char name[32];
	unsigned bit;

	for (bit = 0; bit < 64; bit++) {
		snprintf(name, sizeof(name), "bit %u", bit);
		f.report.policy = good ^ 1ULL << bit;
		if (bit == 17 || bit > 25)
			judge(name, &f, false, E(REPORT_RESERVED));
		else if (bit == 19)
			judge(name, &f, true, "debug snp.policy.debug");
		else if (bit == 18)
			judge(name, &f, true, "snp.policy.migrate_ma");
		else
			judge(name, &f, true, NULL);
	}
}
END_TEST

/* The last second there is, where adding the skew would go round. */
START_TEST(test_end_of_time)
{
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 3);

	f.at = INT64_MAX;
	judge("end of time", &f, true, "time");
	f.at = INT64_MIN;
	judge("begin of time", &f, true, "time");
}
END_TEST

/* Bits that weaken are forbidden by false, those that strengthen demanded by
 * true. */
START_TEST(test_every_policy_requirement)
{
	const struct named_bit *b = &snp_policy_bits[_i];
	struct forge f = forge(AMD_TURIN, AMD_VCEK, 5);
	char require[96], check[64];

	snprintf(require, sizeof(require), "{\"snp\":{\"policy\":{\"%s\":%s}}}",
	    b->name, b->weakens ? "false" : "true");
	snprintf(check, sizeof(check), "snp.policy.%s debug", b->name);
	f.require = require;
	f.report.policy &= ~b->mask;
	judge(b->name, &f, true, b->weakens ? NULL : check);
	f.report.policy |= b->mask;
	judge(b->name, &f, true, b->weakens ? check : NULL);
}
END_TEST

START_TEST(test_every_platform_requirement)
{
	const struct named_bit *b = &snp_platform_bits[_i];
	struct forge f = forge(AMD_TURIN, AMD_VCEK, 5);
	char require[96], check[64];
	int on;

	for (on = 0; on < 2; on++) {
		snprintf(require, sizeof(require),
		    "{\"snp\":{\"platform_info\":{\"%s\":%s}}}", b->name,
		    on ? "true" : "false");
		snprintf(check, sizeof(check), "snp.platform_info.%s", b->name);
		f.require = require;
		f.report.platform_info = 0;
		judge(b->name, &f, true, on ? check : NULL);
		f.report.platform_info = b->mask;
		judge(b->name, &f, true, on ? NULL : check);
	}
}
END_TEST

/* Whoever masks the key signs nothing; whoever masks the chip still does. */
START_TEST(test_masked_keys_and_chips)
{
	struct forge f = forge((enum amd_product)_i, AMD_VCEK, 3);

	f.report.flags |= 2;
	judge("MASK_CHIP_KEY", &f, false, E(UNSIGNED));
	f.report.flags = SNP_KEY_NONE << 2;
	judge("SIGNING_KEY none", &f, false, E(UNSIGNED));
	f.report.flags = 3 << 2;
	judge("SIGNING_KEY reserved", &f, false, E(SIGNING_KEY));
	f.report.flags = SNP_KEY_VLEK << 2;
	judge("SIGNING_KEY of a VLEK", &f, false, E(KEY_KIND_MISMATCH));
	f = forge((enum amd_product)_i, AMD_VCEK, 3);
	memset(f.report.chip_id, 0, sizeof(f.report.chip_id));
	judge("CHIP_ID zero", &f, true, NULL);
	f = forge((enum amd_product)_i, AMD_VLEK, 3);
	judge("VLEK", &f, true, NULL);
	f.report.flags = 0;
	judge("a VLEK's report as a VCEK's", &f, false, E(KEY_KIND_MISMATCH));
}
END_TEST

/*
 * The host's CPUID in the table says whose a version 2 report is that does not
 * say it, and no certificate does; nobody signed it, so it says no more
 * (snp-report 6, 7.1).
 */
START_TEST(test_cpuid_of_the_table_is_a_hint)
{
	static const struct {
		const char *name;
		uint32_t version, eax; /* 0: none */
		bool no_vek;
		const char *check; /* NULL: accepted */
	} rows[] = {
		{ "none", 2, 0, true, E(PRODUCT_UNKNOWN) },
		{ "Milan's", 2, 0x00a00f11, true, E(CHIP_ID_MASKED) },
		{ "of no product", 2, 0x00100f11, true, E(PRODUCT_UNKNOWN) },
		{ "Genoa's, and the certificate's", 2, 0x00a10f11, false,
		    NULL },
		{ "Genoa's, and the report's", 3, 0x00a10f11, false, NULL },
		{ "Milan's, and no certificate", 3, 0x00a00f11, true,
		    E(CHIP_ID_MASKED) },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct forge f = forge(AMD_MILAN, AMD_VCEK, rows[i].version);
		struct cert_table t = { .has_cpuid1 = rows[i].eax != 0,
			.cpuid1 = rows[i].eax };
		struct buf b = BUF_INIT;
		struct blob *report, *table;

		memset(f.report.chip_id, 0, sizeof(f.report.chip_id));
		f.no_vek = rows[i].no_vek;
		report = snp_made(pki, &f.key, &f.report);
		table = snp_made_table(&t);
		buf_span(&b, blob_span(report));
		buf_span(&b, blob_span(table));
		judge_bytes(rows[i].name, &f, buf_view(&b),
		    rows[i].check == NULL, rows[i].check);
		blob_unref(report);
		blob_unref(table);
		buf_free(&b);
	}
}
END_TEST

/* The certificate is good, and the signature is another chip's or TCB's. */
START_TEST(test_swapped_keys)
{
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 2);

	f.key.hwid[0] ^= 1;
	judge("signed by another chip", &f, false, E(SIGNATURE));
	f = forge(AMD_MILAN, AMD_VCEK, 2);
	f.key.spl.ucode--;
	judge("signed at another TCB", &f, false, E(SIGNATURE));
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.chain.side = AMD_VLEK;
	judge("ASVK for ASK", &f, false, CHAIN);
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.chain.product = AMD_GENOA;
	judge("chain of another product", &f, false, CHAIN);
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.report.cpuid_mod = 0x11;
	judge("the report is of another product", &f, false,
	    CHAIN " " E(CERT_PRODUCT));
	f.report.cpuid_fam = 0x17;
	judge("the report is of no product", &f, false, E(PRODUCT_UNKNOWN));
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.report.version = 1;
	judge("version 1", &f, false, E(REPORT_VERSION));
	f.report.version = 6;
	judge("version 6", &f, false, E(REPORT_VERSION));
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.report.signature_algo = 2;
	judge("another algorithm", &f, false, E(SIGNATURE_ALGO));
}
END_TEST

/* --- time ------------------------------------------------------------- */

START_TEST(test_time_at_every_boundary)
{
	const time_t until = NOW + 10 * DAY;
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 3);

	f.vek.not_before = NOW;
	f.vek.not_after = until;
	f.no_crl = true;
	f.at = NOW;
	judge("first second", &f, true, NULL);
	f.at = NOW - 300;
	judge("skew", &f, true, NULL);
	f.at = NOW - 301;
	judge("before it", &f, true, "time");
	f.at = until - 1;
	judge("last second", &f, true, NULL);
	f.at = until;
	judge("over", &f, true, "time");
	f = forge(AMD_MILAN, AMD_VCEK, 3);
	f.crl.this_update = NOW;
	f.crl.next_update = until;
	f.at = until - 1;
	judge("CRL, last second", &f, true, NULL);
	f.at = until;
	judge("CRL, over", &f, true, "time " E(CRL_STALE));
}
END_TEST

/* --- wrappings -------------------------------------------------------- */

START_TEST(test_extended_report_needs_nothing_else)
{
	struct forge f = forge((enum amd_product)_i, AMD_VCEK, 3);
	struct blob *b = snp_made_extended(pki, &f.vek, &f.report), *twin;
	struct buf own = BUF_INIT;
	struct snp_bytes along;
	struct evidence e;

	evidence_read(blob_span(b), &e);
	snp_bytes_of(&e, &own, &along);
	ck_assert(along.vek.len > 0 && along.chain.len > 0);
	evidence_fini(&e);
	buf_free(&own);
	judge_bytes("extended", &f, blob_span(b), true, NULL);
	twin = blob_from(blob_span(b));
	twin->data[0x50] ^= 1;
	judge_bytes("changed", &f, blob_span(twin), false, E(SIGNATURE));
	blob_unref(twin);
	/* A table that ends before its certificates do. */
	judge_bytes("cut", &f, span_of(b->data, b->len - 1), false,
	    FORMAT " " E(REPORT_SIZE));
	blob_unref(b);
}
END_TEST

START_TEST(test_responses)
{
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 3);
	struct blob *r = snp_made(pki, &f.key, &f.report), *b;

	b = snp_made_response(blob_span(r), 0);
	judge_bytes("response", &f, blob_span(b), true, NULL);
	b->data[b->len - 1] = 1;
	judge_bytes("junk behind", &f, blob_span(b), false, E(REPORT_SIZE));
	blob_unref(b);
	b = snp_made_response(blob_span(r), 0x16);
	judge_bytes("status 22", &f, blob_span(b), false,
	    E(REPORT_SIZE) " " E(REPORT_VERSION) " quote-format");
	blob_unref(b);
	blob_unref(r);
}
END_TEST

/* An HCL report around what the forge makes, bound to the runtime data. */
static void
judge_hcl(const char *name, struct forge *f, struct snp_made_hcl h,
    uint32_t bind, bool valid, const char *checks)
{
	struct blob *r, *b;

	snp_made_bind(span_str(SNP_MADE_RUNTIME), bind, f->report.report_data);
	r = snp_made(pki, &f->key, &f->report);
	h.report = blob_span(r);
	b = snp_made_hcl(&h);
	judge_bytes(name, f, blob_span(b), valid, checks);
	blob_unref(b);
	blob_unref(r);
}

START_TEST(test_hcl)
{
	struct forge f = forge(AMD_MILAN, AMD_VCEK, 2);
	struct snp_made_hcl h = { .version = 0 };

	f.report.vmpl = 0;
	judge_hcl("sound", &f, h, 1, true, NULL);
	h.version = 2;
	judge_hcl("version 2", &f, h, 1, true, NULL);
	h = (struct snp_made_hcl){ .hash = 2 };
	judge_hcl("SHA-384", &f, h, 2, true, NULL);
	judge_hcl("SHA-384 said, SHA-256 bound", &f, h, 1, false,
	    E(HCL_BINDING));
	h.hash = 3;
	judge_hcl("SHA-512", &f, h, 3, true, NULL);
	h.hash = 4;
	judge_hcl("no such hash", &f, h, 1, false, E(HCL_HASH));
	h = (struct snp_made_hcl){ .type = 3 };
	judge_hcl("a plain TVM", &f, h, 1, false, E(HCL_TYPE));
	h = (struct snp_made_hcl){ .type = 4 };
	judge_hcl("TDX said", &f, h, 1, false, E(HCL_TYPE));
	h = (struct snp_made_hcl){ .runtime = span_str("{\"keys\":[]}") };
	judge_hcl("other runtime data", &f, h, 1, false, E(HCL_BINDING));
	h = (struct snp_made_hcl){ .claim = 0x7fffffff };
	judge_hcl("longer than the file", &f, h, 1, false, E(HCL_FORMAT));
	f.report.vmpl = 1;
	h = (struct snp_made_hcl){ .version = 1 };
	judge_hcl("not the paravisor's", &f, h, 1, true, "snp.vmpl");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("attack_snp");
	TCase *tc = tcase_create("made");
	SRunner *r = srunner_create(s);
	int failed, n_policy = 0, n_platform = 0;

	while (snp_policy_bits[n_policy].name != NULL)
		n_policy++;
	while (snp_platform_bits[n_platform].name != NULL)
		n_platform++;
	tcase_set_timeout(tc, 60);
	/* RSA keys are made once for all children. */
	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_every_lie_of_a_vek, 0, AMD_PRODUCT_N);
	tcase_add_loop_test(tc, test_every_lie_of_a_chain, 0, AMD_PRODUCT_N);
	tcase_add_loop_test(tc, test_every_lie_of_a_crl, 0, AMD_PRODUCT_N);
	tcase_add_test(tc, test_what_is_missing_is_named);
	tcase_add_test(tc, test_every_policy_bit);
	tcase_add_test(tc, test_end_of_time);
	tcase_add_loop_test(tc, test_every_policy_requirement, 0, n_policy);
	tcase_add_loop_test(tc, test_every_platform_requirement, 0, n_platform);
	tcase_add_loop_test(tc, test_masked_keys_and_chips, 0, AMD_PRODUCT_N);
	tcase_add_test(tc, test_cpuid_of_the_table_is_a_hint);
	tcase_add_test(tc, test_swapped_keys);
	tcase_add_test(tc, test_time_at_every_boundary);
	tcase_add_loop_test(tc, test_extended_report_needs_nothing_else, 0,
	    AMD_PRODUCT_N);
	tcase_add_test(tc, test_responses);
	tcase_add_test(tc, test_hcl);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
