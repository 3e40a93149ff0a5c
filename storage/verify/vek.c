/*
 * AMD's endorsement keys, VCEK and VLEK: profile, AMD extensions, issuer
 * (amd-kds 3, 6.2, 6.3).
 */
#include "storage/verify/amdcert.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under 1.3.6.1.4.1.3704.1 (amd-kds 3.3). */
enum vek_ext {
	EXT_STRUCT_VERSION,
	EXT_PRODUCT_NAME,
	EXT_BL,
	EXT_TEE,
	EXT_SNP,
	EXT_SPL4,
	EXT_SPL5,
	EXT_SPL6,
	EXT_SPL7,
	EXT_UCODE,
	EXT_FMC,
	EXT_HWID,
	EXT_CSP_ID,
	EXT_N
};
static const struct {
	const char *oid, *name;
} ext_table[EXT_N] = {
	[EXT_STRUCT_VERSION] = { "1.3.6.1.4.1.3704.1.1", "structVersion" },
	[EXT_PRODUCT_NAME] = { "1.3.6.1.4.1.3704.1.2", "productName1" },
	[EXT_BL] = { "1.3.6.1.4.1.3704.1.3.1", "blSPL" },
	[EXT_TEE] = { "1.3.6.1.4.1.3704.1.3.2", "teeSPL" },
	[EXT_SNP] = { "1.3.6.1.4.1.3704.1.3.3", "snpSPL" },
	[EXT_SPL4] = { "1.3.6.1.4.1.3704.1.3.4", "spl4" },
	[EXT_SPL5] = { "1.3.6.1.4.1.3704.1.3.5", "spl5" },
	[EXT_SPL6] = { "1.3.6.1.4.1.3704.1.3.6", "spl6" },
	[EXT_SPL7] = { "1.3.6.1.4.1.3704.1.3.7", "spl7" },
	[EXT_UCODE] = { "1.3.6.1.4.1.3704.1.3.8", "ucodeSPL" },
	[EXT_FMC] = { "1.3.6.1.4.1.3704.1.3.9", "fmcSPL" },
	[EXT_HWID] = { "1.3.6.1.4.1.3704.1.4", "hwID" },
	[EXT_CSP_ID] = { "1.3.6.1.4.1.3704.1.5", "cspID" },
};

/* Raw extension values by row; .p NULL: absent. Borrowed from the X509. */
struct exts {
	struct span v[EXT_N];
};

static enum err
exts_collect(const X509 *x, struct exts *exts, struct why *why)
{
	char oid[80];

	memset(exts, 0, sizeof(*exts));
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *ext = X509_get_ext(x, i);
		const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(ext);
		unsigned row = 0;

		OBJ_obj2txt(oid, (int)sizeof(oid),
		    X509_EXTENSION_get_object(ext), 1);
		while (row < EXT_N && strcmp(oid, ext_table[row].oid) != 0)
			row++;
		if (row == EXT_N) {
			if (X509_EXTENSION_get_critical(ext))
				return why_set(why, ERR_FORMAT, "amd-kds 3.3",
				    "unknown critical extension %s", oid);
			continue;
		}
		if (exts->v[row].p != NULL)
			return why_set(why, ERR_FORMAT, "amd-kds 3.3",
			    "%s occurs twice", ext_table[row].name);
		exts->v[row] = span_of(ASN1_STRING_get0_data(data),
		    (size_t)ASN1_STRING_length(data));
	}
	return ERR_OK;
}

/* A DER INTEGER of 0..255: one content byte, or 00 and one of 80..FF. */
static enum err
ext_int(const struct exts *exts, enum vek_ext row, uint8_t *out,
    struct why *why)
{
	struct span v = exts->v[row];

	if (v.p == NULL)
		return why_set(why, ERR_FORMAT, "amd-kds 3.3", "%s is missing",
		    ext_table[row].name);
	if (v.len == 3 && v.p[0] == 0x02 && v.p[1] == 1 && v.p[2] < 0x80)
		*out = v.p[2];
	else if (v.len == 4 && v.p[0] == 0x02 && v.p[1] == 2 && v.p[2] == 0 &&
		 v.p[3] >= 0x80)
		*out = v.p[3];
	else
		return why_set(why, ERR_RANGE, "amd-kds 3.3",
		    "%s is no DER INTEGER of 0 to 255", ext_table[row].name);
	return ERR_OK;
}

/* A short DER IA5String of printable characters, NUL-terminated in out. */
static enum err
ext_text(const struct exts *exts, enum vek_ext row, char *out, size_t cap,
    struct why *why)
{
	struct span v = exts->v[row];

	if (v.p == NULL || v.len < 3 || v.p[0] != V_ASN1_IA5STRING ||
	    v.p[1] >= 0x80 || v.p[1] != v.len - 2 || v.len - 2 >= cap)
		goto bad;
	for (size_t i = 2; i < v.len; i++)
		if (v.p[i] < 0x20 || v.p[i] > 0x7e)
			goto bad;
	memcpy(out, v.p + 2, v.len - 2);
	out[v.len - 2] = '\0';
	return ERR_OK;
bad:
	return why_set(why, ERR_FORMAT, "amd-kds 3.3",
	    "%s is missing or no short IA5String", ext_table[row].name);
}

/*
 * Raw bytes, not DER: the first is random and may look like a tag, so length
 * decides (amd-kds 3.3).  The wrapped form is announced, not yet seen.
 */
static enum err
ext_hwid(const struct exts *exts, size_t want, struct vek *vek, struct why *why)
{
	struct span v = exts->v[EXT_HWID];

	if (v.len == want + 2 && v.p[0] == V_ASN1_OCTET_STRING &&
	    v.p[1] == want) {
		v.p += 2;
		v.len -= 2;
	}
	if (v.len != want)
		return why_set(why, ERR_FORMAT, "amd-kds 3.3",
		    "hwID has %zu bytes, not %zu", v.len, want);
	memcpy(vek->hwid, v.p, v.len);
	vek->hwid_len = v.len;
	return ERR_OK;
}

static enum err
exts_read_spl(const struct exts *exts, struct vek *vek, struct why *why)
{
	static const enum vek_ext reserved[] = { EXT_SPL4, EXT_SPL5, EXT_SPL6,
		EXT_SPL7 };
	bool turin = vek->struct_version == 1;
	uint8_t zero;
	enum err e;

	if ((exts->v[EXT_FMC].p != NULL) != turin)
		return why_set(why, ERR_FORMAT, "amd-kds 3.3",
		    "fmcSPL does not fit structVersion %u",
		    vek->struct_version);
	if ((turin &&
		(e = ext_int(exts, EXT_FMC, &vek->spl.fmc, why)) != ERR_OK) ||
	    (e = ext_int(exts, EXT_BL, &vek->spl.bl, why)) != ERR_OK ||
	    (e = ext_int(exts, EXT_TEE, &vek->spl.tee, why)) != ERR_OK ||
	    (e = ext_int(exts, EXT_SNP, &vek->spl.snp, why)) != ERR_OK ||
	    (e = ext_int(exts, EXT_UCODE, &vek->spl.ucode, why)) != ERR_OK)
		return e;
	for (size_t i = turin ? 1 : 0; i < 4; i++) {
		if ((e = ext_int(exts, reserved[i], &zero, why)) != ERR_OK)
			return e;
		if (zero != 0)
			return why_set(why, ERR_RANGE, "amd-kds 6.2",
			    "reserved %s is %u", ext_table[reserved[i]].name,
			    zero);
	}
	if (turin && exts->v[EXT_SPL4].p != NULL)
		return why_set(why, ERR_FORMAT, "amd-kds 3.3",
		    "spl4 does not fit structVersion 1");
	return ERR_OK;
}

static enum err
exts_read(const struct exts *exts, struct vek *vek, struct why *why)
{
	uint8_t version = 0;
	enum err e;

	if ((e = ext_int(exts, EXT_STRUCT_VERSION, &version, why)) != ERR_OK)
		return e;
	vek->struct_version = version;
	if (vek->struct_version > 1)
		return why_set(why, ERR_RANGE, "amd-kds 3.3",
		    "structVersion %u", vek->struct_version);
	e = ext_text(exts, EXT_PRODUCT_NAME, vek->product_name,
	    sizeof(vek->product_name), why);
	if (e != ERR_OK)
		return e;
	if ((e = exts_read_spl(exts, vek, why)) != ERR_OK)
		return e;
	if (vek->side == AMD_VCEK) {
		if (exts->v[EXT_CSP_ID].p != NULL ||
		    exts->v[EXT_HWID].p == NULL)
			return why_set(why, ERR_FORMAT, "amd-kds 6.2",
			    "a VCEK has a hwID and no cspID");
		return ext_hwid(exts, vek->struct_version == 1 ? 8 : 64, vek,
		    why);
	}
	if (exts->v[EXT_HWID].p != NULL)
		return why_set(why, ERR_FORMAT, "amd-kds 6.3",
		    "a VLEK has no hwID");
	return ext_text(exts, EXT_CSP_ID, vek->csp_id, sizeof(vek->csp_id),
	    why);
}

/* Subject SEV-VCEK or SEV-VLEK, issuer SEV-<P> or SEV-VLEK-<P>. */
static enum err
check_names(struct vek *vek, struct why *why)
{
	struct span cn;
	enum err e;

	e = amdcert_check_name(X509_get_subject_name(vek->x), "VEK subject",
	    &cn, why);
	if (e != ERR_OK)
		return e;
	if (span_eq_str(cn, "SEV-VCEK"))
		vek->side = AMD_VCEK;
	else if (span_eq_str(cn, "SEV-VLEK"))
		vek->side = AMD_VLEK;
	else
		return why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "subject is neither SEV-VCEK nor SEV-VLEK");
	e = amdcert_check_name(X509_get_issuer_name(vek->x), "VEK issuer", &cn,
	    why);
	if (e != ERR_OK)
		return e;
	vek->product =
	    amdcert_product(cn, vek->side == AMD_VLEK ? "SEV-VLEK-" : "SEV-");
	if (vek->product == AMD_PRODUCT_N)
		return why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "issuer is no %s issuer of a known product",
		    amd_side_name(vek->side));
	return ERR_OK;
}

static enum err
check_key(struct vek *vek, struct why *why)
{
	char group[32] = "";
	size_t len = 0;

	vek->key = X509_get_pubkey(vek->x);
	if (vek->key == NULL || !EVP_PKEY_is_a(vek->key, "EC") ||
	    EVP_PKEY_get_group_name(vek->key, group, sizeof(group), &len) !=
		1 ||
	    strcmp(group, "secp384r1") != 0 ||
	    (vek->fast = p384_new(vek->key)) == NULL) {
		ERR_clear_error();
		return why_set(why, ERR_FORMAT, "amd-kds 6.2",
		    "key is not a point on P-384");
	}
	return ERR_OK;
}

/* The part before "-" is the family (amd-kds 3.3); the issuer decides. */
static enum err
check_product_name(const struct vek *vek, struct why *why)
{
	size_t n = strcspn(vek->product_name, "-");

	if (amd_product_read(span_of(vek->product_name, n)) != vek->product)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 3.3",
		    "productName1 is \"%s\" under an issuer of %s",
		    vek->product_name, amd_product_name(vek->product));
	if ((vek->struct_version == 1) != (vek->product == AMD_TURIN))
		return why_set(why, ERR_NOT_ASKED, "amd-kds 6.2",
		    "structVersion %u under an issuer of %s",
		    vek->struct_version, amd_product_name(vek->product));
	return ERR_OK;
}

enum err
vek_parse(struct span der, struct vek **out, struct why *why)
{
	struct vek *vek = xcalloc(1, sizeof(*vek));
	struct exts exts;
	enum err e;

	vek->refs = 1;
	vek->window = WINDOW_ALL;
	if ((e = amdcert_read(der, "VEK", &vek->x, why)) != ERR_OK ||
	    (e = check_names(vek, why)) != ERR_OK ||
	    (e = amdcert_check_x509_alg(vek->x, "VEK", why)) != ERR_OK ||
	    (e = check_key(vek, why)) != ERR_OK ||
	    (e = amdcert_window(vek->x, "VEK", &vek->window, why)) != ERR_OK ||
	    (e = exts_collect(vek->x, &exts, why)) != ERR_OK ||
	    (e = exts_read(&exts, vek, why)) != ERR_OK ||
	    (e = check_product_name(vek, why)) != ERR_OK)
		goto out;
	vek->tcb = amd_tcb_of(vek->product, vek->spl);
	vek->der = blob_from(der);
	*out = vek;
	vek = NULL;
out:
	vek_unref(vek);
	return e;
}

enum err
vek_check_issuer(const struct vek *vek, const struct amd_chain *chain,
    struct why *why)
{
	const char *issuer = chain->side == AMD_VLEK ? "ASVK" : "ASK";

	if (vek->side != chain->side || vek->product != chain->product ||
	    X509_NAME_cmp(X509_get_issuer_name(vek->x),
		X509_get_subject_name(chain->ask)) != 0)
		return why_set(why, ERR_CHAIN, "amd-kds 6.2",
		    "not issued by the %s of %s", issuer,
		    amd_product_name(chain->product));
	if (X509_verify(vek->x, X509_get0_pubkey(chain->ask)) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_BADSIG, "amd-kds 6.2",
		    "signature by the %s does not verify", issuer);
	}
	return ERR_OK;
}

enum err
vek_read(struct span der, const struct amd_chain *chain, struct vek **out,
    struct why *why)
{
	struct vek *vek = NULL;
	enum err e;

	if ((e = vek_parse(der, &vek, why)) != ERR_OK ||
	    (e = vek_check_issuer(vek, chain, why)) != ERR_OK)
		goto out;
	window_cut(&vek->window, chain->window.from, chain->window.until);
	*out = vek;
	vek = NULL;
out:
	vek_unref(vek);
	return e;
}

enum err
vek_is_for(const struct vek *vek, struct span hwid, struct amd_tcb tcb,
    struct why *why)
{
	if (!span_eq(span_of(vek->hwid, vek->hwid_len), hwid))
		return why_set(why, ERR_NOT_ASKED, "amd-kds 6.2",
		    "hwID is another chip's");
	if (memcmp(vek->tcb.b, tcb.b, sizeof(tcb.b)) != 0) {
		char has[17], want[17];

		amd_tcb_write(vek->tcb, has);
		amd_tcb_write(tcb, want);
		return why_set(why, ERR_NOT_ASKED, "amd-kds 6.2",
		    "TCB is %s, not %s", has, want);
	}
	return ERR_OK;
}

struct vek *
vek_ref(struct vek *vek)
{
	if (vek != NULL)
		vek->refs++;
	return vek;
}

void
vek_unref(struct vek *vek)
{
	if (vek == NULL || --vek->refs != 0)
		return;
	X509_free(vek->x);
	EVP_PKEY_free(vek->key);
	p384_free(vek->fast);
	blob_unref(vek->der);
	free(vek);
}
