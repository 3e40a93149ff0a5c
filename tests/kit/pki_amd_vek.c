/*
 * VCEKs and VLEKs of the AMD-like test PKI (amd-kds 3.2, 3.3).
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki_amd.h"
#include "tests/kit/pki_int.h"

#include <string.h>

#define DAY  ((time_t)86400)
#define YEAR (365 * DAY)
#define ARC  "1.3.6.1.4.1.3704.1."

static const char *
csp_id(const struct pki_vek *v)
{
	return v->csp_id == NULL ? "CN=cc-test.example.com" : v->csp_id;
}

EVP_PKEY *
pki_vek_key(const struct pki_amd *pki, const struct pki_vek *v)
{
	struct amd_tcb tcb = amd_tcb_of(v->product, v->spl);
	unsigned char digest[48];
	struct buf b = BUF_INIT;
	EVP_PKEY *key;
	char text[17];

	amd_tcb_write(tcb, text);
	buf_printf(&b, "%s:%s:%s:%s:", pki->seed, amd_side_name(v->side),
	    amd_product_name(v->product), text);
	if (v->side == AMD_VLEK)
		buf_str(&b, csp_id(v));
	else
		buf_add(&b, v->hwid, amd_hwid_len(v->product));
	sha384(buf_view(&b), digest);
	buf_free(&b);
	key = pki_ec_key(v->lie == AMD_P256 ? NID_X9_62_prime256v1
					    : NID_secp384r1,
	    span_of(digest, sizeof(digest)));
	return key;
}

/* --- extensions ------------------------------------------------------- */

static void
ext_int(X509 *x, const char *arc, unsigned value)
{
	unsigned char der[4] = { 2, 1, (unsigned char)value };
	size_t len = 3;
	char oid[64];

	if (value > 0x7f) {
		der[1] = 2;
		der[2] = (unsigned char)(value >> 8);
		der[3] = (unsigned char)value;
		len = 4;
	}
	snprintf(oid, sizeof(oid), ARC "%s", arc);
	pki_ext_raw(x, oid, 0, span_of(der, len));
}

static void
ext_text(X509 *x, const char *oid, const char *text)
{
	struct buf b = BUF_INIT;
	unsigned char head[2] = { V_ASN1_IA5STRING, 0 };

	must(strlen(text) < 0x80);
	head[1] = (unsigned char)strlen(text);
	buf_add(&b, head, sizeof(head));
	buf_str(&b, text);
	pki_ext_raw(x, oid, 0, buf_view(&b));
	buf_free(&b);
}

/* Raw octets, not DER: AMD's own way. */
static void
ext_hwid(X509 *x, const struct pki_vek *v)
{
	unsigned char hwid[AMD_HWID_MAX + 4] = { 0 };
	size_t len = amd_hwid_len(v->product), at = 0;

	if (v->lie == AMD_WRAPPED_HWID) {
		hwid[at++] = V_ASN1_OCTET_STRING;
		hwid[at++] = (unsigned char)len;
	}
	memcpy(hwid + at, v->hwid, len);
	if (v->lie == AMD_OTHER_CHIP)
		hwid[at] ^= 1;
	at += len;
	if (v->lie == AMD_LONG_HWID)
		at += 2;
	pki_ext_raw(x, ARC "4", 0, span_of(hwid, at));
}

/* In the order of AMD's certificates: Turin has another (amd-kds 3.3). */
static void
ext_spls(X509 *x, const struct pki_vek *v, bool turin)
{
	unsigned ucode = v->spl.ucode, tee = v->spl.tee;
	unsigned spl5 = v->lie == AMD_RESERVED;

	if (v->lie == AMD_OTHER_TCB)
		ucode ^= 1;
	if (v->lie == AMD_WIDE_SPL)
		tee = 256;
	if (turin)
		ext_int(x, "3.9", v->spl.fmc);
	ext_int(x, "3.1", v->spl.bl);
	if (v->lie == AMD_TWICE)
		ext_int(x, "3.1", v->spl.bl);
	ext_int(x, "3.2", tee);
	if (turin)
		ext_int(x, "3.3", v->spl.snp);
	else
		ext_int(x, "3.4", 0);
	ext_int(x, "3.5", spl5);
	ext_int(x, "3.6", 0);
	ext_int(x, "3.7", 0);
	if (!turin)
		ext_int(x, "3.3", v->spl.snp);
	ext_int(x, "3.8", ucode);
}

static const char *
product_name(const struct pki_vek *v)
{
	static const char *const names[] = { "Milan-B0", "Genoa", "Turin" };

	if (v->lie == AMD_PRODUCT_NAME)
		return names[pki_amd_other(v->product)];
	return v->product_name != NULL ? v->product_name : names[v->product];
}

static void
vek_extensions(X509 *x, const struct pki_vek *v)
{
	static const unsigned char null_der[] = { 5, 0 };
	bool turin = v->product == AMD_TURIN, vlek = v->side == AMD_VLEK;

	ext_int(x, "1", turin != (v->lie == AMD_STRUCT_VERSION));
	ext_text(x, ARC "2", product_name(v));
	ext_spls(x, v, turin);
	if ((!vlek && v->lie != AMD_NO_HWID) || v->lie == AMD_BOTH_IDS)
		ext_hwid(x, v);
	if (vlek || v->lie == AMD_BOTH_IDS)
		ext_text(x, ARC "5", csp_id(v));
	if (v->lie == AMD_CRITICAL)
		pki_ext_raw(x, ARC "99", 1,
		    span_of(null_der, sizeof(null_der)));
}

/* --- the certificate -------------------------------------------------- */

static void
vek_times(const struct pki_amd *pki, const struct pki_vek *v, X509 *x)
{
	time_t from = v->not_before != 0 ? v->not_before : pki->now;
	time_t until = v->not_after;

	if (until == 0)
		until = from + (v->side == AMD_VLEK ? 1 : 7) * YEAR;
	if (v->lie == AMD_NOT_YET)
		from += DAY;
	if (v->lie == AMD_EXPIRED) {
		until = from - DAY;
		from -= YEAR;
	}
	must(ASN1_TIME_set(X509_getm_notBefore(x), from) != NULL);
	must(ASN1_TIME_set(X509_getm_notAfter(x), until) != NULL);
}

/* By name and by key: they differ in one lie. */
static void
vek_sign(struct pki_amd *pki, const struct pki_vek *v, X509 *x)
{
	enum pki_amd_who who = pki_amd_issuer(v->side, v->next), by;
	enum amd_product product = v->product;
	bool evil = v->lie == AMD_WRONG_KEY || v->lie == AMD_FOREIGN;

	if (v->lie == AMD_OTHER_PRODUCT)
		product = pki_amd_other(product);
	must(X509_set_issuer_name(x,
		 X509_get_subject_name(pki_amd_x509(pki, product, who))) == 1);
	by = who;
	if (v->lie == AMD_WRONG_ROLE)
		by = who == PKI_ASVK ? PKI_ASK : PKI_ASVK;
	pki_amd_sign(x, pki_amd_key(pki, product, by, evil), v->trailer,
	    v->lie);
}

struct blob *
pki_vek(struct pki_amd *pki, const struct pki_vek *v)
{
	X509_NAME *name =
	    pki_amd_name(v->side == AMD_VLEK ? "SEV-VLEK" : "SEV-VCEK",
		AMD_PRODUCT_N);
	EVP_PKEY *key = pki_vek_key(pki, v);
	unsigned char *der = NULL;
	struct buf b = BUF_INIT;
	X509 *x = X509_new();
	int n;

	must(X509_set_version(x, 2) == 1);
	must(ASN1_INTEGER_set(X509_get_serialNumber(x), 0) == 1);
	must(X509_set_subject_name(x, name) == 1);
	must(X509_set_pubkey(x, key) == 1);
	vek_times(pki, v, x);
	vek_extensions(x, v);
	vek_sign(pki, v, x);
	n = i2d_X509(x, &der);
	must(n > 0);
	buf_add(&b, der, (size_t)n);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	X509_NAME_free(name);
	X509_free(x);
	return pki_amd_spoil(&b, "CERTIFICATE", v->lie);
}
