/*
 * The wrappings SNP evidence arrives in: the extended report's certificate
 * table (snp-report 7.1) and Azure's HCL report (snp-report 10).
 */
#include "server/appraise/snp.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <string.h>

#define TABLE_ENTRIES_MAX 32
#define ENTRY_LEN         CERT_TABLE_END_LEN

/* Text order, as hosts write them (RFC 4122 big-endian). */
static const unsigned char guids[CERT_SLOT_N][16] = {
	[CERT_VCEK] = { 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad,
	    0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd },
	[CERT_VLEK] = { 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa,
	    0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 },
	[CERT_ASK] = { 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0,
	    0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 },
	[CERT_ARK] = { 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97,
	    0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae },
	[CERT_CRL] = { 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97,
	    0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea },
};
static const unsigned char guid_cpuid[16] = { 0xec, 0xae, 0x0c, 0x0f, 0x95,
	0x02, 0x43, 0xb1, 0xaf, 0xa2, 0x0a, 0xe2, 0xe0, 0xd5, 0x65, 0xb6 };

/* The form in which one implementation writes the first three fields. */
static void
guid_swap(const unsigned char in[16], unsigned char out[16])
{
	static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9,
		10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++)
		out[i] = in[order[i]];
}

static bool
guid_is(struct span guid, const unsigned char want[16], bool *swapped)
{
	unsigned char other[16];

	guid_swap(want, other);
	*swapped = memcmp(guid.p, other, 16) == 0;
	return *swapped || memcmp(guid.p, want, 16) == 0;
}

static enum err
cpuid_read(struct span value, struct cert_table *t)
{
	uint32_t size, eax;

	if (span_u32le(&value, &size) != ERR_OK || size != 8 ||
	    span_u32le(&value, &eax) != ERR_OK)
		return ERR_FORMAT;
	t->has_cpuid1 = true;
	t->cpuid1 = eax;
	return ERR_OK;
}

/* One entry's value into its slot; the first of a kind wins. */
static void
entry_keep(struct span guid, struct span value, struct cert_table *t)
{
	bool swapped;

	for (int i = 0; i < CERT_SLOT_N; i++)
		if (guid_is(guid, guids[i], &swapped)) {
			t->n_swapped += swapped;
			if (t->slot[i].p == NULL)
				t->slot[i] = value;
			return;
		}
	if (guid_is(guid, guid_cpuid, &swapped) && !t->has_cpuid1 &&
	    cpuid_read(value, t) == ERR_OK)
		t->n_swapped += swapped;
}

enum err
cert_table_read(struct span table, struct cert_table *out, struct why *why)
{
	struct cert_table t = { 0 };
	struct span rest = table;

	for (unsigned n = 0; table.len != 0; n++) {
		struct span guid;
		uint32_t offset = 0, len = 0;

		if (n > TABLE_ENTRIES_MAX)
			return why_set(why, ERR_TOO_BIG, "snp-report 7.1",
			    "more than %d entries", TABLE_ENTRIES_MAX);
		if (span_take(&rest, 16, &guid) != ERR_OK ||
		    span_u32le(&rest, &offset) != ERR_OK ||
		    span_u32le(&rest, &len) != ERR_OK)
			return why_set(why, ERR_FORMAT, "snp-report 7.1",
			    "the table does not end");
		if (span_all(guid, 0))
			break;
		if (offset < (size_t)(n + 1) * ENTRY_LEN ||
		    offset > table.len || len > table.len - offset)
			return why_set(why, ERR_FORMAT, "snp-report 7.1",
			    "entry %u lies outside the table", n);
		entry_keep(guid, span_of(table.p + offset, len), &t);
	}
	/* Only now is it known where the table ends and data may begin. */
	for (int i = 0; i < CERT_SLOT_N; i++)
		if (t.slot[i].p != NULL && t.slot[i].p < rest.p)
			return why_set(why, ERR_FORMAT, "snp-report 7.1",
			    "an entry's data lies in the table itself");
	*out = t;
	return ERR_OK;
}

/* --- HCL -------------------------------------------------------------- */

#define HCL_HEAD 0x4D4 /* 1236: where VariableData begins */

bool
hcl_is(struct span s)
{
	return span_starts(s, "HCLA");
}

static enum snp_err
hcl_fail(struct why *why, enum snp_err e, const char *clause)
{
	(void)why_set(why, ERR_FORMAT, clause, "%s", snp_err_text(e));
	return e;
}

enum snp_err
hcl_read(struct span s, struct hcl *out, struct why *why)
{
	uint32_t report_size = 0, data_size = 0, version = 0, size = 0;
	struct hcl h = { 0 };

	if (s.len < HCL_HEAD || !hcl_is(s))
		return hcl_fail(why, SNP_ERR_HCL_FORMAT, "snp-report 10.3 H1");
	must(span_skip(&s, 4) == ERR_OK &&
	     span_u32le(&s, &h.version) == ERR_OK &&
	     span_u32le(&s, &report_size) == ERR_OK &&
	     span_u32le(&s, &h.request_type) == ERR_OK &&
	     span_skip(&s, 16) == ERR_OK &&
	     span_take(&s, SNP_REPORT_LEN, &h.report) == ERR_OK &&
	     span_u32le(&s, &data_size) == ERR_OK &&
	     span_u32le(&s, &version) == ERR_OK &&
	     span_u32le(&s, &h.report_type) == ERR_OK &&
	     span_u32le(&s, &h.hash_type) == ERR_OK &&
	     span_u32le(&s, &size) == ERR_OK);
	if (span_take(&s, size, &h.runtime) != ERR_OK)
		return hcl_fail(why, SNP_ERR_HCL_FORMAT, "snp-report 10.3 H1");
	if (h.hash_type < 1 || h.hash_type > 3)
		return hcl_fail(why, SNP_ERR_HCL_HASH, "snp-report 10.3 H3");
	*out = h;
	return SNP_OK;
}

enum snp_err
hcl_check_binding(const struct hcl *h, const unsigned char report_data[64],
    struct why *why)
{
	unsigned char want[64] = { 0 };

	switch (h->hash_type) {
	case 1:
		sha256(h->runtime, want);
		break;
	case 2:
		sha384(h->runtime, want);
		break;
	default:
		sha512(h->runtime, want);
		break;
	}
	if (memcmp(want, report_data, sizeof(want)) != 0)
		return hcl_fail(why, SNP_ERR_HCL_BINDING, "snp-report 10.3 H4");
	return SNP_OK;
}
