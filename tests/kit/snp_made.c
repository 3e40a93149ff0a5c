#include "tests/kit/snp_made.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

/* --- the report (snp-report 1) ---------------------------------------- */

static const struct {
	uint8_t family, model;
} cpuids[AMD_PRODUCT_N] = { { 0x19, 0x01 }, { 0x19, 0x11 }, { 0x1A, 0x02 } };

struct snp_report
snp_made_report(const struct pki_vek *v, uint32_t version)
{
	struct amd_tcb tcb = amd_tcb_of(v->product, v->spl);
	struct snp_report r = { .version = version,
		.guest_svn = 1,
		.policy = 0x30000, /* SMT allowed, and the bit that is 1 */
		.signature_algo = 1,
		.platform_info = 0x05,
		.flags = v->side == AMD_VLEK ? SNP_KEY_VLEK << 2 : 0,
		.current_tcb = tcb,
		.reported_tcb = tcb,
		.committed_tcb = tcb,
		.launch_tcb = tcb,
		.has_cpuid = version >= 3,
		.cpuid_fam = cpuids[v->product].family,
		.cpuid_mod = cpuids[v->product].model,
		.cpuid_step = 1,
		.current = { 29, 55, 1 },
		.committed = { 29, 55, 1 },
		.has_mitigations = version >= 5,
		.launch_mit_vector = 0x3F,
		.current_mit_vector = 0x3F };

	memset(r.report_data, 0x11, sizeof(r.report_data));
	memset(r.measurement, 0x22, sizeof(r.measurement));
	memset(r.host_data, 0x33, sizeof(r.host_data));
	memset(r.report_id, 0x44, sizeof(r.report_id));
	memset(r.report_id_ma, 0xff, sizeof(r.report_id_ma));
	if (v->side == AMD_VCEK)
		memcpy(r.chip_id, v->hwid, amd_hwid_len(v->product));
	return r;
}

static void
put_le(unsigned char *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static void
put_firmware(unsigned char *at, struct snp_firmware fw)
{
	at[0] = fw.build;
	at[1] = fw.minor;
	at[2] = fw.major;
}

static void
put_ids(unsigned char *b, const struct snp_report *r)
{
	memcpy(b + 0x010, r->family_id, sizeof(r->family_id));
	memcpy(b + 0x020, r->image_id, sizeof(r->image_id));
	memcpy(b + 0x050, r->report_data, sizeof(r->report_data));
	memcpy(b + 0x090, r->measurement, sizeof(r->measurement));
	memcpy(b + 0x0C0, r->host_data, sizeof(r->host_data));
	memcpy(b + 0x0E0, r->id_key_digest, sizeof(r->id_key_digest));
	memcpy(b + 0x110, r->author_key_digest, sizeof(r->author_key_digest));
	memcpy(b + 0x140, r->report_id, sizeof(r->report_id));
	memcpy(b + 0x160, r->report_id_ma, sizeof(r->report_id_ma));
	memcpy(b + 0x1A0, r->chip_id, sizeof(r->chip_id));
}

void
snp_made_write(const struct snp_report *r, unsigned char b[SNP_REPORT_LEN])
{
	memset(b, 0, SNP_REPORT_LEN);
	put_ids(b, r);
	put_le(b + 0x000, r->version, 4);
	put_le(b + 0x004, r->guest_svn, 4);
	put_le(b + 0x008, r->policy, 8);
	put_le(b + 0x030, r->vmpl, 4);
	put_le(b + 0x034, r->signature_algo, 4);
	memcpy(b + 0x038, r->current_tcb.b, 8);
	put_le(b + 0x040, r->platform_info, 8);
	put_le(b + 0x048, r->flags, 4);
	memcpy(b + 0x180, r->reported_tcb.b, 8);
	if (r->has_cpuid) {
		b[0x188] = r->cpuid_fam;
		b[0x189] = r->cpuid_mod;
		b[0x18A] = r->cpuid_step;
	}
	memcpy(b + 0x1E0, r->committed_tcb.b, 8);
	put_firmware(b + 0x1E8, r->current);
	put_firmware(b + 0x1EC, r->committed);
	memcpy(b + 0x1F0, r->launch_tcb.b, 8);
	if (r->has_mitigations) {
		put_le(b + 0x1F8, r->launch_mit_vector, 8);
		put_le(b + 0x200, r->current_mit_vector, 8);
	}
}

void
snp_made_sign(const struct pki_amd *pki, const struct pki_vek *v,
    unsigned char b[SNP_REPORT_LEN])
{
	EVP_PKEY *key = pki_vek_key(pki, v);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char der[160];
	const unsigned char *p = der;
	size_t len = sizeof(der);
	ECDSA_SIG *sig;

	must(EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) == 1);
	must(EVP_DigestSign(ctx, der, &len, b, SNP_SIGNED_LEN) == 1);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	must(sig != NULL);
	must(BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), b + 0x2A0, 72) == 72);
	must(BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), b + 0x2E8, 72) == 72);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

struct blob *
snp_made(const struct pki_amd *pki, const struct pki_vek *v,
    const struct snp_report *r)
{
	unsigned char bytes[SNP_REPORT_LEN];

	snp_made_write(r, bytes);
	snp_made_sign(pki, v, bytes);
	return blob_new(bytes, sizeof(bytes));
}

/* --- the certificate table (snp-report 7.1) ---------------------------- */

#define ENTRY_LEN 24

static const char *const guids[CERT_SLOT_N + 1] = {
	[CERT_VCEK] = "63da758de6644564adc5f4b93be8accd",
	[CERT_VLEK] = "a8074bc2a25a483eaae639c045a0b8a1",
	[CERT_ASK] = "4ab7b379bbac4fe4a02f05aef327c782",
	[CERT_ARK] = "c0b406a4a803495297433fb6014cd0ae",
	[CERT_CRL] = "92f81bc358114d3d97ffd19f88dc67ea",
	[CERT_SLOT_N] = "ecae0c0f950243b1afa20ae2e0d565b6",
};

/* One implementation swaps the octets of the first three fields. */
static void
guid_write(int slot, bool swapped, unsigned char out[16])
{
	static const unsigned char order[8] = { 3, 2, 1, 0, 5, 4, 7, 6 };
	unsigned char text[16];

	must(hex_read(span_str(guids[slot]), text, sizeof(text)) == ERR_OK);
	memcpy(out, text, sizeof(text));
	for (int i = 0; swapped && i < 8; i++)
		out[i] = text[order[i]];
}

struct blob *
snp_made_table(const struct cert_table *t)
{
	unsigned char entry[ENTRY_LEN], cpuid[8];
	struct buf head = BUF_INIT, data = BUF_INIT;
	struct span slot[CERT_SLOT_N + 1];
	size_t n = 0, offset;
	int i;

	put_le(cpuid, sizeof(cpuid), 4);
	put_le(cpuid + 4, t->cpuid1, 4);
	memcpy(slot, t->slot, sizeof(t->slot));
	slot[CERT_SLOT_N] =
	    t->has_cpuid1 ? span_of(cpuid, sizeof(cpuid)) : SPAN_NONE;
	for (i = 0; i <= CERT_SLOT_N; i++)
		n += slot[i].p != NULL;
	offset = (n + 1) * ENTRY_LEN;
	for (i = 0; i <= CERT_SLOT_N; i++) {
		if (slot[i].p == NULL)
			continue;
		guid_write(i, t->n_swapped != 0, entry);
		put_le(entry + 16, offset + data.len, 4);
		put_le(entry + 20, slot[i].len, 4);
		buf_add(&head, entry, sizeof(entry));
		buf_span(&data, slot[i]);
	}
	memset(entry, 0, sizeof(entry));
	buf_add(&head, entry, sizeof(entry));
	buf_span(&head, buf_view(&data));
	buf_free(&data);
	return buf_blob(&head);
}

static struct blob *
der_of(X509 *x)
{
	unsigned char *p = NULL;
	int n = i2d_X509(x, &p);
	struct blob *b;

	must(n > 0);
	b = blob_new(p, (size_t)n);
	OPENSSL_free(p);
	return b;
}

struct blob *
snp_made_extended(struct pki_amd *pki, const struct pki_vek *v,
    const struct snp_report *r)
{
	enum pki_amd_who who = v->side == AMD_VLEK ? PKI_ASVK
			       : v->next           ? PKI_ASK_NEXT
						   : PKI_ASK;
	struct blob *ask = der_of(pki_amd_x509(pki, v->product, who));
	struct blob *ark = der_of(pki_amd_x509(pki, v->product, PKI_ARK));
	struct blob *vek = pki_vek(pki, v), *report = snp_made(pki, v, r);
	struct cert_table t = { .n_swapped = 0 };
	struct buf b = BUF_INIT;
	struct blob *table;

	t.slot[v->side == AMD_VLEK ? CERT_VLEK : CERT_VCEK] = blob_span(vek);
	t.slot[CERT_ASK] = blob_span(ask);
	t.slot[CERT_ARK] = blob_span(ark);
	table = snp_made_table(&t);
	buf_span(&b, blob_span(report));
	buf_span(&b, blob_span(table));
	blob_unref(table);
	blob_unref(report);
	blob_unref(vek);
	blob_unref(ask);
	blob_unref(ark);
	return buf_blob(&b);
}

/* --- other wrappings --------------------------------------------------- */

struct blob *
snp_made_response(struct span report, uint32_t status)
{
	unsigned char b[4000] = { 0 };

	must(report.len <= sizeof(b) - 0x20);
	put_le(b, status, 4);
	put_le(b + 4, report.len, 4);
	memcpy(b + 0x20, report.p, report.len);
	return blob_new(b, sizeof(b));
}

void
snp_made_bind(struct span runtime, uint32_t hash, unsigned char out[64])
{
	memset(out, 0, 64);
	if (hash == 3)
		sha512(runtime, out);
	else if (hash == 2)
		sha384(runtime, out);
	else
		sha256(runtime, out);
}

struct blob *
snp_made_hcl(const struct snp_made_hcl *h)
{
	struct span runtime =
	    h->runtime.p != NULL ? h->runtime : span_str(SNP_MADE_RUNTIME);
	size_t used = 0x4D4 + runtime.len, len = used < 2600 ? 2600 : used;
	unsigned char *b = xcalloc(1, len);
	struct blob *out;

	must(h->report.len <= SNP_REPORT_LEN);
	memcpy(b, "HCLA", 4);
	put_le(b + 0x004, h->version != 0 ? h->version : 1, 4);
	put_le(b + 0x008, used, 4);
	put_le(b + 0x00C, 2, 4);
	memcpy(b + 0x020, h->report.p, h->report.len);
	put_le(b + 0x4C0, 20 + runtime.len, 4);
	put_le(b + 0x4C4, 1, 4);
	put_le(b + 0x4C8, h->type != 0 ? h->type : HCL_SNP, 4);
	put_le(b + 0x4CC, h->hash != 0 ? h->hash : 1, 4);
	put_le(b + 0x4D0, h->claim != 0 ? h->claim : runtime.len, 4);
	memcpy(b + 0x4D4, runtime.p, runtime.len);
	out = blob_new(b, len);
	free(b);
	return out;
}
