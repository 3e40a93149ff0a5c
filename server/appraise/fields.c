/* Every field of evidence as JSON. */
#include "server/appraise/fields.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define RUNTIME_DEPTH      32 /* genuine runtime data has three levels */

#define HEX(w, from, name) jw_hex(w, #name, (from)->name, sizeof((from)->name))

/* --- Intel ------------------------------------------------------------- */

static uint32_t
u32_of(const unsigned char b[4])
{
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

static void
sgx_fields(struct jwrite *w, const char *name, const struct sgx_report *r)
{
	jw_open(w, name, '{');
	HEX(w, r, cpusvn);
	jw_int(w, "miscselect", u32_of(r->miscselect));
	HEX(w, r, isvextprodid);
	HEX(w, r, attributes);
	HEX(w, r, mrenclave);
	HEX(w, r, mrsigner);
	HEX(w, r, configid);
	jw_int(w, "isvprodid", r->isvprodid);
	jw_int(w, "isvsvn", r->isvsvn);
	jw_int(w, "configsvn", r->configsvn);
	HEX(w, r, isvfamilyid);
	HEX(w, r, report_data);
	jw_close(w, '}');
}

/* What TD reports 1.5 add. */
static void
td_fields_15(struct jwrite *w, const struct td_report *r, enum body_type type)
{
	HEX(w, r, tee_tcb_svn_2);
	HEX(w, r, mrservicetd);
	if (type != BODY_TD_15_EXT)
		return;
	jw_int(w, "vmid", r->vmid);
	HEX(w, r, td_id);
	HEX(w, r, device_info);
	HEX(w, r, init_servicetd_hash);
	HEX(w, r, init_servicetd_attributes);
	HEX(w, r, init_cpusvn);
	HEX(w, r, init_tee_tcb_svn);
	HEX(w, r, init_fmspc);
	HEX(w, r, servicetd_hash);
	HEX(w, r, servicetd_attributes);
}

static void
td_fields(struct jwrite *w, const struct td_report *r, enum body_type type)
{
	jw_open(w, "tdx", '{');
	HEX(w, r, tee_tcb_svn);
	HEX(w, r, mrseam);
	HEX(w, r, mrsignerseam);
	HEX(w, r, seamattributes);
	jw_hex(w, "tdattributes", r->td_attributes, sizeof(r->td_attributes));
	HEX(w, r, xfam);
	HEX(w, r, mrtd);
	HEX(w, r, mrconfigid);
	HEX(w, r, mrowner);
	HEX(w, r, mrownerconfig);
	jw_hex(w, "rtmr0", r->rtmr[0], sizeof(r->rtmr[0]));
	jw_hex(w, "rtmr1", r->rtmr[1], sizeof(r->rtmr[1]));
	jw_hex(w, "rtmr2", r->rtmr[2], sizeof(r->rtmr[2]));
	jw_hex(w, "rtmr3", r->rtmr[3], sizeof(r->rtmr[3]));
	HEX(w, r, report_data);
	if (type >= BODY_TD_15)
		td_fields_15(w, r, type);
	jw_close(w, '}');
}

void
fields_quote(struct jwrite *w, const struct quote *q)
{
	jw_open(w, "quote", '{');
	jw_int(w, "version", q->version);
	jw_int(w, "tee_type", q->tee);
	jw_int(w, "att_key_type", 2);
	jw_int(w, "body_type", q->body);
	jw_int(w, "quote_len", (int64_t)q->len);
	jw_int(w, "qe_svn_field", q->qe_svn);
	jw_int(w, "pce_svn_field", q->pce_svn);
	HEX(w, q, user_data);
	jw_hex(w, "attestation_key", q->key, sizeof(q->key));
	sgx_fields(w, "qe_report", &q->qe);
	jw_hex(w, "qe_auth_data", q->auth.p, q->auth.len);
	jw_int(w, "certification_data_type", q->cert_type);
	jw_int(w, "certification_data_len", (int64_t)q->cert.len);
	jw_close(w, '}');
	if (q->tee == TEE_TDX)
		td_fields(w, &q->td, q->body);
	else
		sgx_fields(w, "sgx", &q->sgx);
}

static void
pck_flag(struct jwrite *w, const char *name, int flag)
{
	if (flag < 0)
		jw_text(w, name, NULL);
	else
		jw_bool(w, name, flag != 0);
}

void
fields_pck(struct jwrite *w, const struct pck *p, enum pck_ca ca)
{
	size_t i;

	jw_open(w, "pck", '{');
	HEX(w, p, fmspc);
	HEX(w, p, pceid);
	HEX(w, p, ppid);
	HEX(w, p, cpusvn);
	jw_open(w, "tcb_components", '[');
	for (i = 0; i < sizeof(p->comp); i++)
		jw_int(w, NULL, p->comp[i]);
	jw_close(w, ']');
	jw_int(w, "pcesvn", p->pcesvn);
	jw_int(w, "sgx_type", p->sgx_type);
	jw_text(w, "ca", pck_ca_name(ca));
	if (p->has_instance)
		jw_hex(w, "platform_instance_id", p->instance,
		    sizeof(p->instance));
	else
		jw_text(w, "platform_instance_id", NULL);
	pck_flag(w, "dynamic_platform", p->dynamic_platform);
	pck_flag(w, "cached_keys", p->cached_keys);
	pck_flag(w, "smt_enabled", p->smt_enabled);
	jw_close(w, '}');
}

/* --- AMD --------------------------------------------------------------- */

static void
u64_field(struct jwrite *w, const char *name, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "0x%016" PRIx64, v);
	jw_text(w, name, text);
}

static void
firmware_field(struct jwrite *w, const char *name, struct snp_firmware f)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u.%u.%u", f.major, f.minor,
	    f.build);
	jw_text(w, name, text);
}

static void
spl_fields(struct jwrite *w, const char *name, enum amd_product p,
    struct amd_spl s)
{
	jw_open(w, name, '{');
	if (p == AMD_TURIN)
		jw_int(w, "fmc", s.fmc);
	jw_int(w, "bl", s.bl);
	jw_int(w, "tee", s.tee);
	jw_int(w, "snp", s.snp);
	jw_int(w, "ucode", s.ucode);
	jw_close(w, '}');
}

/* In memory order, as the u64 that KDS writes, and by component. */
static void
reported_tcb(struct jwrite *w, const struct snp_report *r, enum amd_product p)
{
	struct amd_spl spl;
	char u64[17];

	jw_hex(w, "reported_tcb", r->reported_tcb.b, 8);
	amd_tcb_write(r->reported_tcb, u64);
	jw_text(w, "reported_tcb_u64", u64);
	if (p != AMD_PRODUCT_N &&
	    amd_spl_of(p, r->reported_tcb, &spl, NULL) == ERR_OK)
		spl_fields(w, "reported_tcb_parts", p, spl);
	else
		jw_text(w, "reported_tcb_parts", NULL);
}

static void
cpuid_field(struct jwrite *w, const struct snp_report *r)
{
	const unsigned char fms[3] = { r->cpuid_fam, r->cpuid_mod,
		r->cpuid_step };

	if (r->has_cpuid)
		jw_hex(w, "cpuid_fms", fms, sizeof(fms));
	else
		jw_text(w, "cpuid_fms", NULL);
}

static void
mitigation_fields(struct jwrite *w, const struct snp_report *r)
{
	if (r->has_mitigations) {
		u64_field(w, "launch_mit_vector", r->launch_mit_vector);
		u64_field(w, "current_mit_vector", r->current_mit_vector);
	} else {
		jw_text(w, "launch_mit_vector", NULL);
		jw_text(w, "current_mit_vector", NULL);
	}
}

void
fields_snp(struct jwrite *w, const struct snp_report *r, enum amd_product p)
{
	char flags[16];

	(void)snprintf(flags, sizeof(flags), "0x%08" PRIx32, r->flags);
	jw_open(w, "snp", '{');
	jw_int(w, "version", r->version);
	jw_int(w, "guest_svn", r->guest_svn);
	u64_field(w, "policy", r->policy);
	HEX(w, r, family_id);
	HEX(w, r, image_id);
	jw_int(w, "vmpl", r->vmpl);
	jw_int(w, "signature_algo", r->signature_algo);
	jw_hex(w, "current_tcb", r->current_tcb.b, 8);
	u64_field(w, "platform_info", r->platform_info);
	jw_text(w, "flags", flags);
	jw_int(w, "author_key_en", r->flags & 1);
	jw_int(w, "mask_chip_key", r->flags >> 1 & 1);
	jw_text(w, "signing_key",
	    snp_signing_key(r) == SNP_KEY_VLEK ? "VLEK" : "VCEK");
	HEX(w, r, report_data);
	HEX(w, r, measurement);
	HEX(w, r, host_data);
	HEX(w, r, id_key_digest);
	HEX(w, r, author_key_digest);
	HEX(w, r, report_id);
	HEX(w, r, report_id_ma);
	reported_tcb(w, r, p);
	cpuid_field(w, r);
	HEX(w, r, chip_id);
	jw_bool(w, "chip_id_masked", snp_chip_id_masked(r));
	jw_hex(w, "committed_tcb", r->committed_tcb.b, 8);
	firmware_field(w, "current_version", r->current);
	firmware_field(w, "committed_version", r->committed);
	jw_hex(w, "launch_tcb", r->launch_tcb.b, 8);
	mitigation_fields(w, r);
	jw_close(w, '}');
}

void
fields_vek(struct jwrite *w, const struct vek *v)
{
	unsigned char digest[32];

	sha256(blob_span(v->der), digest);
	jw_open(w, "vek", '{');
	jw_text(w, "kind", amd_side_name(v->side));
	jw_text(w, "product", amd_product_name(v->product));
	jw_text(w, "product_name", v->product_name);
	jw_time(w, "not_before", v->window.from);
	jw_time(w, "not_after", v->window.until);
	jw_hex(w, "sha256", digest, sizeof(digest));
	spl_fields(w, "tcb", v->product, v->spl);
	if (v->side == AMD_VLEK)
		jw_text(w, "csp_id", v->csp_id);
	else
		jw_hex(w, "hwid", v->hwid, v->hwid_len);
	jw_close(w, '}');
}

/* Nested no deeper: around it stands the verdict, and readers have limits. */
static bool
is_shallow(json_t *v, unsigned depth)
{
	const char *key;
	json_t *part;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v))
		return true;
	if (depth == 0)
		return false;
	json_array_foreach(v, i, part)
	{
		if (!is_shallow(part, depth - 1))
			return false;
	}
	json_object_foreach(v, key, part)
	{
		if (!is_shallow(part, depth - 1))
			return false;
	}
	return true;
}

void
fields_hcl(struct jwrite *w, const struct hcl *h)
{
	static const char *const hashes[] = { "?", "sha256", "sha384",
		"sha512" };
	unsigned char digest[32];
	json_t *o;

	must(h->hash_type < sizeof(hashes) / sizeof(hashes[0]));
	sha256(h->runtime, digest);
	jw_open(w, "hcl", '{');
	jw_int(w, "version", h->version);
	jw_int(w, "request_type", h->request_type);
	jw_int(w, "report_type", h->report_type);
	jw_text(w, "hash_type", hashes[h->hash_type]);
	jw_hex(w, "runtime_data_sha256", digest, sizeof(digest));
	/* As it stands: it was read as one whole object, nothing twice. */
	o = json_loadb((const char *)h->runtime.p, h->runtime.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(o) && is_shallow(o, RUNTIME_DEPTH))
		jw_raw(w, "runtime_data", h->runtime);
	else
		jw_text(w, "runtime_data", NULL);
	json_decref(o);
	jw_close(w, '}');
}
