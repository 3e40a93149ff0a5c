/* The SEV-SNP attestation report: layout and form (snp-report 1 to 6, 8). */
#include "server/appraise/snp.h"

#include "config/base/must.h"

#include <string.h>

static const struct {
	const char *name, *text;
} err_table[SNP_ERR_N] = {
#define SNP(sym, text) [sym] = { #sym, text },
#include "server/appraise/snp_err.def"
#undef SNP
};

const char *
snp_err_name(enum snp_err e)
{
	must(e < SNP_ERR_N);
	return err_table[e].name;
}

const char *
snp_err_text(enum snp_err e)
{
	must(e < SNP_ERR_N);
	return err_table[e].text;
}

#define VERSION_LAYOUT_MAX 5 /* the newest layout known here */

/*
 * A cursor over a report whose length is already right: every read is inside
 * it, so a failure is a mistake in this file.
 */
static void
get(struct span *s, void *dst, size_t n)
{
	must(span_copy(s, dst, n) == ERR_OK);
}

static uint8_t
get_u8(struct span *s)
{
	uint8_t v = 0;

	must(span_u8(s, &v) == ERR_OK);
	return v;
}

static uint32_t
get_u32(struct span *s)
{
	uint32_t v = 0;

	must(span_u32le(s, &v) == ERR_OK);
	return v;
}

static uint64_t
get_u64(struct span *s)
{
	uint64_t v = 0;

	must(span_u64le(s, &v) == ERR_OK);
	return v;
}

/* Reserved bytes; false when one is set. */
static bool
get_zero(struct span *s, size_t n)
{
	struct span part = SPAN_NONE;

	must(span_take(s, n, &part) == ERR_OK);
	return span_all(part, 0);
}

static struct snp_firmware
get_firmware(struct span *s, bool *zero)
{
	struct snp_firmware fw;

	fw.build = get_u8(s);
	fw.minor = get_u8(s);
	fw.major = get_u8(s);
	*zero &= get_zero(s, 1);
	return fw;
}

static void
read_front(struct span *s, struct snp_report *r, bool *zero)
{
	r->version = get_u32(s);
	r->guest_svn = get_u32(s);
	r->policy = get_u64(s);
	get(s, r->family_id, sizeof(r->family_id));
	get(s, r->image_id, sizeof(r->image_id));
	r->vmpl = get_u32(s);
	r->signature_algo = get_u32(s);
	get(s, r->current_tcb.b, sizeof(r->current_tcb.b));
	r->platform_info = get_u64(s);
	r->flags = get_u32(s);
	*zero &= get_zero(s, 4);
	get(s, r->report_data, sizeof(r->report_data));
	get(s, r->measurement, sizeof(r->measurement));
	get(s, r->host_data, sizeof(r->host_data));
	get(s, r->id_key_digest, sizeof(r->id_key_digest));
	get(s, r->author_key_digest, sizeof(r->author_key_digest));
	get(s, r->report_id, sizeof(r->report_id));
	get(s, r->report_id_ma, sizeof(r->report_id_ma));
	get(s, r->reported_tcb.b, sizeof(r->reported_tcb.b));
}

static void
read_back(struct span *s, struct snp_report *r, bool *zero)
{
	r->has_cpuid = r->version >= 3;
	if (r->has_cpuid) {
		r->cpuid_fam = get_u8(s);
		r->cpuid_mod = get_u8(s);
		r->cpuid_step = get_u8(s);
		*zero &= get_zero(s, 21);
	} else {
		*zero &= get_zero(s, 24);
	}
	get(s, r->chip_id, sizeof(r->chip_id));
	get(s, r->committed_tcb.b, sizeof(r->committed_tcb.b));
	r->current = get_firmware(s, zero);
	r->committed = get_firmware(s, zero);
	get(s, r->launch_tcb.b, sizeof(r->launch_tcb.b));
	r->has_mitigations = r->version >= 5;
	if (r->has_mitigations) {
		r->launch_mit_vector = get_u64(s);
		r->current_mit_vector = get_u64(s);
		*zero &= get_zero(s, 152);
	} else {
		*zero &= get_zero(s, 168);
	}
	get(s, r->r, sizeof(r->r));
	*zero &= get_zero(s, 24);
	get(s, r->s, sizeof(r->s));
	*zero &= get_zero(s, 24);
	/* Not signed: anything there would be a covert channel. */
	*zero &= get_zero(s, 368);
	must(s->len == 0);
}

static enum snp_err
fail(struct why *why, enum snp_err e, const char *clause)
{
	(void)why_set(why, ERR_FORMAT, clause, "%s", snp_err_text(e));
	return e;
}

static bool
is_unsigned(const struct snp_report *r)
{
	return snp_signing_key(r) == SNP_KEY_NONE || (r->flags & 2) != 0 ||
	       (span_all(span_of(r->r, sizeof(r->r)), 0) &&
		   span_all(span_of(r->s, sizeof(r->s)), 0));
}

/* False: another length.  *zero: no reserved byte is set. */
static bool
read_layout(struct span bytes, struct snp_report *r, bool *zero)
{
	memset(r, 0, sizeof(*r));
	*zero = true;
	if (bytes.len != SNP_REPORT_LEN)
		return false;
	read_front(&bytes, r, zero);
	read_back(&bytes, r, zero);
	return true;
}

bool
snp_report_layout(struct span bytes, struct snp_report *out)
{
	bool zero;

	return read_layout(bytes, out, &zero);
}

enum snp_err
snp_report_read(struct span bytes, uint32_t max_version, struct snp_report *out,
    struct why *why)
{
	struct snp_report r;
	bool zero;

	if (!read_layout(bytes, &r, &zero))
		return fail(why, SNP_ERR_REPORT_SIZE, "snp-report 8.1");
	if (r.version < 2 || r.version > max_version)
		return fail(why, SNP_ERR_REPORT_VERSION, "snp-report 8.2");
	zero &= (r.policy & ~SNP_POLICY_KNOWN) == 0 && (r.flags >> 5) == 0;
	if (r.version <= VERSION_LAYOUT_MAX &&
	    (!zero || (r.policy & SNP_POLICY_RESERVED_ONE) == 0))
		return fail(why, SNP_ERR_REPORT_RESERVED, "snp-report 8.3");
	if (r.signature_algo != 1)
		return fail(why, SNP_ERR_SIGNATURE_ALGO, "snp-report 8.4");
	switch ((unsigned)snp_signing_key(&r)) {
	case SNP_KEY_VCEK:
	case SNP_KEY_VLEK:
	case SNP_KEY_NONE:
		break;
	default:
		return fail(why, SNP_ERR_SIGNING_KEY, "snp-report 8.5");
	}
	if (is_unsigned(&r))
		return fail(why, SNP_ERR_UNSIGNED, "snp-report 8.6");
	*out = r;
	return SNP_OK;
}

enum snp_signing_key
snp_signing_key(const struct snp_report *r)
{
	return (enum snp_signing_key)((r->flags >> 2) & 7);
}

bool
snp_chip_id_masked(const struct snp_report *r)
{
	return span_all(span_of(r->chip_id, sizeof(r->chip_id)), 0);
}

enum amd_product
snp_report_product(const struct snp_report *r, enum amd_product hint)
{
	if (r->has_cpuid)
		return amd_product_of_cpuid(r->cpuid_fam, r->cpuid_mod);
	if (!snp_chip_id_masked(r) &&
	    span_all(span_of(r->chip_id + 8, sizeof(r->chip_id) - 8), 0))
		return AMD_TURIN;
	return hint;
}

struct span
snp_report_hwid(const struct snp_report *r, enum amd_product product)
{
	return span_of(r->chip_id, amd_hwid_len(product));
}
