#include "server/appraise/fields.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* --- members ---------------------------------------------------------- */

void
field_set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

void
field_hex(json_t *o, const char *name, const void *p, size_t len)
{
	struct buf b = BUF_INIT;

	buf_hex(&b, span_of(p, len));
	field_set(o, name, json_stringn(b.len == 0 ? "" : b.p, b.len));
	buf_free(&b);
}

void
field_time(json_t *o, const char *name, time_t at)
{
	char text[TIME_LEN];

	time_write(at, text);
	field_set(o, name, json_string(text));
}

/* Flags as the vendors write them: "0x000000000003001f". */
static void
field_bits(json_t *o, const char *name, uint64_t v, int digits)
{
	char text[19];

	snprintf(text, sizeof(text), "0x%0*" PRIx64, digits, v);
	field_set(o, name, json_string(text));
}

static void
field_flag(json_t *o, const char *name, bool v)
{
	field_set(o, name, json_boolean(v));
}

/* --- fields that are bytes, by table ---------------------------------- */

struct bytes_field {
	const char *name;
	size_t at, len;
};
#define FIELD_(name, type, member)                                             \
	{                                                                      \
		name, offsetof(struct type, member),                           \
		    sizeof(((struct type *)0)->member)                         \
	}
#define FIELD(type, member) FIELD_(#member, type, member)

static void
field_table(json_t *o, const struct bytes_field *f, size_t n, const void *base)
{
	size_t i;

	for (i = 0; i < n; i++)
		field_hex(o, f[i].name, (const unsigned char *)base + f[i].at,
		    f[i].len);
}
#define FIELD_TABLE(o, table, base)                                            \
	field_table(o, table, sizeof(table) / sizeof((table)[0]), base)

/* --- Intel ------------------------------------------------------------ */

json_t *
sgx_fields(const struct sgx_report *r)
{
	static const struct bytes_field front[] = {
		FIELD(sgx_report, mrenclave),
		FIELD(sgx_report, mrsigner),
	};
	static const struct bytes_field back[] = {
		FIELD(sgx_report, attributes),
		FIELD(sgx_report, miscselect),
		FIELD(sgx_report, cpusvn),
		FIELD(sgx_report, report_data),
		FIELD(sgx_report, configid),
		FIELD(sgx_report, isvextprodid),
		FIELD(sgx_report, isvfamilyid),
	};
	json_t *o = json_object();

	FIELD_TABLE(o, front, r);
	field_set(o, "isvprodid", json_integer(r->isvprodid));
	field_set(o, "isvsvn", json_integer(r->isvsvn));
	field_set(o, "configsvn", json_integer(r->configsvn));
	FIELD_TABLE(o, back, r);
	field_flag(o, "debug", (r->attributes[0] & SGX_FLAG_DEBUG) != 0);
	return o;
}

/* Octets in report order, as all others. */
static void
field_u64le(json_t *o, const char *name, uint64_t v)
{
	unsigned char b[8];
	size_t i;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (unsigned char)(v >> (8 * i));
	field_hex(o, name, b, sizeof(b));
}

json_t *
td_fields(const struct td_report *r, enum body_type type)
{
	static const struct bytes_field all[] = {
		FIELD(td_report, mrtd),
		FIELD_("rtmr0", td_report, rtmr[0]),
		FIELD_("rtmr1", td_report, rtmr[1]),
		FIELD_("rtmr2", td_report, rtmr[2]),
		FIELD_("rtmr3", td_report, rtmr[3]),
		FIELD(td_report, report_data),
		FIELD(td_report, xfam),
		FIELD(td_report, tee_tcb_svn),
		FIELD(td_report, mrseam),
		FIELD(td_report, mrsignerseam),
		FIELD_("seam_attributes", td_report, seamattributes),
		FIELD(td_report, mrconfigid),
		FIELD(td_report, mrowner),
		FIELD(td_report, mrownerconfig),
	};
	static const struct bytes_field td15[] = {
		FIELD(td_report, tee_tcb_svn_2),
		FIELD(td_report, mrservicetd),
	};
	static const struct bytes_field ext[] = {
		FIELD(td_report, td_id),
		FIELD(td_report, device_info),
		FIELD(td_report, init_servicetd_hash),
		FIELD(td_report, init_servicetd_attributes),
		FIELD(td_report, init_cpusvn),
		FIELD(td_report, init_tee_tcb_svn),
		FIELD(td_report, init_fmspc),
		FIELD(td_report, servicetd_hash),
		FIELD(td_report, servicetd_attributes),
	};
	json_t *o = json_object();

	field_u64le(o, "td_attributes", r->tdattributes);
	FIELD_TABLE(o, all, r);
	if (type == BODY_TD_15 || type == BODY_TD_15_EXT)
		FIELD_TABLE(o, td15, r);
	if (type == BODY_TD_15_EXT) {
		field_set(o, "vmid", json_integer(r->vmid));
		FIELD_TABLE(o, ext, r);
	}
	field_flag(o, "debug", (r->tdattributes & TD_ATTR_DEBUG) != 0);
	return o;
}

static const char *
body_name(enum body_type type)
{
	switch (type) {
	case BODY_SGX:
		return "sgx-report";
	case BODY_TD_10:
		return "td-report-1.0";
	case BODY_TD_15:
		return "td-report-1.5";
	case BODY_TD_15_EXT:
		return "td-report-1.5-extended";
	}
	return "?";
}

json_t *
quote_fields(const struct quote *q)
{
	json_t *o = json_object();
	struct cert_data_id id;

	field_set(o, "version", json_integer(q->version));
	field_set(o, "tee", json_string(tee_name(q->tee)));
	field_set(o, "body_type", json_string(body_name(q->body)));
	field_set(o, "length", json_integer((json_int_t)q->len));
	if (q->version == 3) {
		field_set(o, "qe_svn", json_integer(q->qe_svn));
		field_set(o, "pce_svn", json_integer(q->pce_svn));
	}
	field_hex(o, "user_data", q->user_data, sizeof(q->user_data));
	field_set(o, "body",
	    q->body == BODY_SGX ? sgx_fields(&q->sgx)
				: td_fields(&q->td, q->body));
	field_set(o, "qe_report", sgx_fields(&q->qe));
	field_hex(o, "qe_auth_data", q->auth.p, q->auth.len);
	field_set(o, "certification_data_type",
	    json_integer((json_int_t)q->cert_type));
	if (q->cert_type <= CERT_DATA_PPID_RSA3072 &&
	    cert_data_id_read(q, &id, NULL) == ERR_OK) {
		field_hex(o, "ppid", id.ppid.p, id.ppid.len);
		field_hex(o, "cpusvn", id.cpusvn, sizeof(id.cpusvn));
		field_set(o, "pcesvn", json_integer(id.pcesvn));
		field_hex(o, "pceid", id.pceid, sizeof(id.pceid));
	}
	return o;
}

/* 1, 0; -1: not in the certificate. */
static void
field_tri(json_t *o, const char *name, int v)
{
	if (v >= 0)
		field_flag(o, name, v != 0);
}

json_t *
pck_fields(const struct pck *p)
{
	static const struct bytes_field all[] = {
		FIELD(pck, fmspc),
		FIELD(pck, pceid),
		FIELD(pck, ppid),
		FIELD(pck, cpusvn),
	};
	json_t *o = json_object(), *comp = json_array();
	size_t i;

	FIELD_TABLE(o, all, p);
	for (i = 0; i < sizeof(p->comp); i++)
		must(
		    json_array_append_new(comp, json_integer(p->comp[i])) == 0);
	field_set(o, "tcb_components", comp);
	field_set(o, "pcesvn", json_integer(p->pcesvn));
	field_set(o, "sgx_type", json_integer(p->sgx_type));
	if (p->has_instance)
		field_hex(o, "platform_instance_id", p->instance,
		    sizeof(p->instance));
	field_tri(o, "dynamic_platform", p->dynamic_platform);
	field_tri(o, "cached_keys", p->cached_keys);
	field_tri(o, "smt_enabled", p->smt_enabled);
	return o;
}

/* --- AMD -------------------------------------------------------------- */

json_t *
amd_tcb_fields(enum amd_product product, struct amd_tcb tcb)
{
	json_t *o;
	struct amd_spl spl;

	if (product == AMD_PRODUCT_N ||
	    amd_spl_of(product, tcb, &spl, NULL) != ERR_OK)
		return json_null();
	o = json_object();
	if (product == AMD_TURIN)
		field_set(o, "fmc", json_integer(spl.fmc));
	field_set(o, "bl", json_integer(spl.bl));
	field_set(o, "tee", json_integer(spl.tee));
	field_set(o, "snp", json_integer(spl.snp));
	field_set(o, "ucode", json_integer(spl.ucode));
	return o;
}

static void
field_firmware(json_t *o, const char *name, struct snp_firmware fw)
{
	char text[16];

	snprintf(text, sizeof(text), "%u.%u.%u", fw.major, fw.minor, fw.build);
	field_set(o, name, json_string(text));
}

static void
snp_policy_fields(json_t *o, const struct snp_report *r)
{
	field_bits(o, "policy", r->policy, 16);
	field_flag(o, "debug", (r->policy & SNP_POLICY_DEBUG) != 0);
	field_flag(o, "migrate_ma", (r->policy & SNP_POLICY_MIGRATE_MA) != 0);
	field_flag(o, "smt_allowed", (r->policy & SNP_POLICY_SMT) != 0);
	field_bits(o, "platform_info", r->platform_info, 16);
	field_bits(o, "flags", r->flags, 8);
	field_set(o, "signing_key", json_integer(snp_signing_key(r)));
	field_set(o, "author_key_en", json_integer(r->flags & 1));
	field_set(o, "mask_chip_key", json_integer(r->flags >> 1 & 1));
}

static void
snp_tcb_fields(json_t *o, const struct snp_report *r, enum amd_product product)
{
	static const struct bytes_field all[] = {
		FIELD_("reported_tcb", snp_report, reported_tcb.b),
		FIELD_("current_tcb", snp_report, current_tcb.b),
		FIELD_("committed_tcb", snp_report, committed_tcb.b),
		FIELD_("launch_tcb", snp_report, launch_tcb.b),
	};
	char text[17];

	FIELD_TABLE(o, all, r);
	amd_tcb_write(r->reported_tcb, text);
	field_set(o, "reported_tcb_u64", json_string(text));
	field_set(o, "reported_tcb_parts",
	    amd_tcb_fields(product, r->reported_tcb));
	field_firmware(o, "current_version", r->current);
	field_firmware(o, "committed_version", r->committed);
}

json_t *
snp_fields(const struct snp_report *r, enum amd_product hint)
{
	static const struct bytes_field all[] = {
		FIELD(snp_report, measurement),
		FIELD(snp_report, report_data),
		FIELD(snp_report, host_data),
		FIELD(snp_report, family_id),
		FIELD(snp_report, image_id),
		FIELD(snp_report, id_key_digest),
		FIELD(snp_report, author_key_digest),
		FIELD(snp_report, report_id),
		FIELD(snp_report, report_id_ma),
		FIELD(snp_report, chip_id),
	};
	enum amd_product product = snp_report_product(r, hint);
	const unsigned char fms[3] = { r->cpuid_fam, r->cpuid_mod,
		r->cpuid_step };
	json_t *o = json_object();

	field_set(o, "version", json_integer(r->version));
	field_set(o, "product",
	    product == AMD_PRODUCT_N ? json_null()
				     : json_string(amd_product_name(product)));
	field_set(o, "guest_svn", json_integer(r->guest_svn));
	field_set(o, "vmpl", json_integer(r->vmpl));
	FIELD_TABLE(o, all, r);
	snp_policy_fields(o, r);
	snp_tcb_fields(o, r, product);
	field_set(o, "signature_algo", json_integer(r->signature_algo));
	if (r->has_cpuid)
		field_hex(o, "cpuid_fms", fms, sizeof(fms));
	if (r->has_mitigations) {
		field_bits(o, "launch_mit_vector", r->launch_mit_vector, 16);
		field_bits(o, "current_mit_vector", r->current_mit_vector, 16);
	}
	return o;
}
