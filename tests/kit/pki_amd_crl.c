/*
 * CRLs of the AMD-like test PKI (amd-kds 5): issued by the ARK.
 */
#include "config/base/must.h"
#include "tests/kit/pki_amd.h"
#include "tests/kit/pki_int.h"

#include <openssl/x509v3.h>

#define DAY         ((time_t)86400)
#define CRL_DAYS    43
#define GENOA_FIRST 0x020001 /* the ASK that really is on Genoa's list */

static void
crl_times(const struct pki_amd *pki, const struct pki_amd_crl *c, X509_CRL *crl)
{
	time_t from = c->this_update != 0 ? c->this_update : pki->now;
	time_t until =
	    c->next_update != 0 ? c->next_update : from + CRL_DAYS * DAY;

	if (c->lie == AMD_OLDER)
		from -= DAY;
	if (c->lie == AMD_NOT_YET)
		from += DAY;
	if (c->lie == AMD_EXPIRED) {
		until = from - DAY;
		from -= CRL_DAYS * DAY;
	}
	pki_crl_times(crl, from, until);
}

static void
crl_list(X509_CRL *crl, uint32_t serial, time_t at)
{
	BIGNUM *bn = BN_new();

	must(BN_set_word(bn, serial) == 1);
	pki_crl_revoke(crl, bn, at, -1);
	BN_free(bn);
}

/*
 * The same, marked as about a certificate of somebody else (RFC 5280 5.3.3):
 * who reads over the mark, or heeds it, takes the issuer for not listed.
 */
static void
crl_list_others(X509_CRL *crl, uint32_t serial, time_t at, X509 *other)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	STACK_OF(X509_REVOKED) * list;
	X509_REVOKED *r;

	crl_list(crl, serial, at);
	list = X509_CRL_get_REVOKED(crl);
	r = sk_X509_REVOKED_value(list, sk_X509_REVOKED_num(list) - 1);
	GENERAL_NAME_set0_value(name, GEN_DIRNAME,
	    X509_NAME_dup(X509_get_subject_name(other)));
	must(sk_GENERAL_NAME_push(names, name) > 0);
	must(X509_REVOKED_add1_ext_i2d(r, NID_certificate_issuer, names, 1,
		 0) == 1);
	GENERAL_NAMES_free(names);
}

static void
crl_entries(struct pki_amd *pki, const struct pki_amd_crl *c,
    enum amd_product product, X509_CRL *crl)
{
	time_t at = pki->now - DAY;
	size_t i;

	if (product == AMD_GENOA && c->side == AMD_VCEK)
		crl_list(crl, GENOA_FIRST, at);
	for (i = 0; i < c->n_revoked; i++)
		crl_list(crl, c->revoked[i], at);
	if (c->lie == AMD_LISTS_ISSUER)
		crl_list(crl,
		    pki_amd_serial(product, pki_amd_issuer(c->side, false)),
		    at);
	if (c->lie == AMD_OTHERS_ENTRY)
		crl_list_others(crl,
		    pki_amd_serial(product, pki_amd_issuer(c->side, false)), at,
		    pki_amd_x509(pki, pki_amd_other(product), PKI_ARK));
	if (c->lie == AMD_LISTS_ZERO)
		crl_list(crl, 0, at);
	must(X509_CRL_sort(crl) == 1);
}

/* An extension of a CRL by its bytes. */
static void
crl_raw(X509_CRL *crl, int nid, int critical, struct span der)
{
	ASN1_OCTET_STRING *os = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	must(ASN1_OCTET_STRING_set(os, der.p, (int)der.len) == 1);
	ext = X509_EXTENSION_create_by_NID(NULL, nid, critical, os);
	must(ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(os);
}

static void
crl_extensions(const struct pki_amd_crl *c, X509 *ark, X509_CRL *crl)
{
	static const unsigned char one[] = { 2, 1, 1 };
	unsigned long number = c->number != 0 ? c->number : 9;
	X509_EXTENSION *aki;

	if (c->lie == AMD_LOWER)
		number--;
	if (c->lie != AMD_NO_AKI) {
		aki = pki_aki(ark);
		must(X509_CRL_add_ext(crl, aki, -1) == 1);
		X509_EXTENSION_free(aki);
	}
	if (c->lie != AMD_NO_NUMBER)
		pki_crl_number(crl, number);
	if (c->lie == AMD_DELTA)
		crl_raw(crl, NID_delta_crl, 0, span_of(one, sizeof(one)));
	if (c->lie == AMD_PARTITION)
		pki_crl_partition(crl);
	/* Known to the library, but not to a CRL of AMD. */
	if (c->lie == AMD_CRITICAL)
		crl_raw(crl, NID_invalidity_date, 1, span_of(one, sizeof(one)));
}

static void
crl_sign(struct pki_amd *pki, const struct pki_amd_crl *c,
    enum amd_product product, X509_CRL *crl)
{
	bool evil = c->lie == AMD_WRONG_KEY || c->lie == AMD_FOREIGN;
	enum pki_amd_who by = c->lie == AMD_WRONG_ROLE ? PKI_ASK : PKI_ARK;
	EVP_MD_CTX *ctx =
	    pki_amd_signer(pki_amd_key(pki, product, by, evil), c->lie);

	must(X509_CRL_sign_ctx(crl, ctx) > 0);
	EVP_MD_CTX_free(ctx);
}

/* Whose key identifier it shows: a foreign list shows a foreign one. */
static X509 *
crl_issuer(struct pki_amd *pki, enum amd_product product, enum pki_amd_lie lie)
{
	if (lie == AMD_FOREIGN)
		return pki_amd_x509(pki, pki_amd_other(product), PKI_ARK);
	return pki_amd_x509(pki, product, PKI_ARK);
}

struct blob *
pki_amd_crl(struct pki_amd *pki, const struct pki_amd_crl *c)
{
	enum amd_product product = c->lie == AMD_OTHER_PRODUCT
				       ? pki_amd_other(c->product)
				       : c->product;
	enum pki_amd_who name = c->lie == AMD_WRONG_ROLE ? PKI_ASK : PKI_ARK;
	X509_CRL *crl = X509_CRL_new();
	unsigned char *der = NULL;
	struct buf b = BUF_INIT;
	int n;

	must(X509_CRL_set_version(crl, c->lie == AMD_V1 ? 0 : 1) == 1);
	must(X509_CRL_set_issuer_name(crl,
		 X509_get_subject_name(pki_amd_x509(pki, product, name))) == 1);
	crl_times(pki, c, crl);
	crl_entries(pki, c, product, crl);
	if (c->lie != AMD_V1)
		crl_extensions(c, crl_issuer(pki, product, c->lie), crl);
	crl_sign(pki, c, product, crl);
	n = i2d_X509_CRL(crl, &der);
	must(n > 0);
	buf_add(&b, der, (size_t)n);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return pki_amd_spoil(&b, "X509 CRL", c->lie);
}
