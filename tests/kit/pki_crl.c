/*
 * CRLs of the test PKI (quote-verification 4.4).
 */
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/pki_int.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

#define DAY ((time_t)86400)

void
pki_crl_revoke(X509_CRL *crl, const BIGNUM *serial, time_t at, int reason)
{
	ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
	ASN1_INTEGER *num = BN_to_ASN1_INTEGER(serial, NULL);
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_TIME *t = ASN1_TIME_set(NULL, at);

	must(X509_REVOKED_set_serialNumber(r, num) == 1);
	must(X509_REVOKED_set_revocationDate(r, t) == 1);
	must(ASN1_ENUMERATED_set(code, reason) == 1);
	if (reason >= 0)
		must(X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, code, 0, 0) ==
		     1);
	must(X509_CRL_add0_revoked(crl, r) == 1);
	ASN1_ENUMERATED_free(code);
	ASN1_INTEGER_free(num);
	ASN1_TIME_free(t);
}

static void
crl_revoke(X509_CRL *crl, const char *serial, time_t at)
{
	BIGNUM *bn = NULL;

	must(BN_hex2bn(&bn, serial) > 0);
	pki_crl_revoke(crl, bn, at, 1); /* keyCompromise */
	BN_free(bn);
}

void
pki_crl_number(X509_CRL *crl, unsigned long number)
{
	ASN1_INTEGER *num = ASN1_INTEGER_new();

	must(ASN1_INTEGER_set_uint64(num, number) == 1);
	must(X509_CRL_add1_ext_i2d(crl, NID_crl_number, num, 0, 0) == 1);
	ASN1_INTEGER_free(num);
}

void
pki_crl_partition(X509_CRL *crl)
{
	ISSUING_DIST_POINT *idp = ISSUING_DIST_POINT_new();

	idp->onlyCA = 0xff;
	must(X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, idp, 1,
		 0) == 1);
	ISSUING_DIST_POINT_free(idp);
}

static void
crl_extensions(X509_CRL *crl, const struct pki_crl *c, X509 *issuer)
{
	X509_EXTENSION *ext;

	if (!c->no_number)
		pki_crl_number(crl,
		    c->number == 0 ? 1UL : (unsigned long)c->number);
	if (!c->no_aki) {
		ext = pki_aki(issuer);
		must(X509_CRL_add_ext(crl, ext, -1) == 1);
		X509_EXTENSION_free(ext);
	}
	if (c->indirect)
		pki_crl_partition(crl);
}

void
pki_crl_times(X509_CRL *crl, time_t from, time_t until)
{
	ASN1_TIME *t = ASN1_TIME_set(NULL, from);

	must(X509_CRL_set1_lastUpdate(crl, t) == 1);
	ASN1_TIME_free(t);
	t = ASN1_TIME_set(NULL, until);
	must(X509_CRL_set1_nextUpdate(crl, t) == 1);
	ASN1_TIME_free(t);
}

/* The key that really signs, and under whose key identifier. */
static const struct pki *
crl_signer(const struct pki *pki, const struct pki_crl *c, enum pki_who *who)
{
	*who = c->issuer;
	if (c->lie == PKI_WRONG_ROLE)
		*who = PKI_TCB_SIGNING;
	if (c->lie == PKI_WRONG_KEY || c->lie == PKI_FOREIGN_CHAIN)
		return pki_evil(pki);
	return pki;
}

static void
crl_sign(X509_CRL *crl, EVP_PKEY *key, enum pki_lie lie)
{
	const ASN1_BIT_STRING *bits;
	unsigned char *tbs = NULL;
	int len;

	must(X509_CRL_sort(crl) == 1);
	must(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	len = i2d_re_X509_CRL_tbs(crl, &tbs);
	must(len > 0);
	X509_CRL_get0_signature(crl, &bits, NULL);
	pki_resign(bits, span_of(tbs, (size_t)len), key, lie);
	OPENSSL_free(tbs);
}

struct blob *
pki_crl(const struct pki *pki, const struct pki_crl *c)
{
	X509 *revoked_signer = pki_x509(pki, PKI_TCB_SIGNING_REVOKED);
	time_t from = c->this_update != 0 ? c->this_update : pki_now(pki);
	time_t life = (c->issuer == PKI_ROOT ? 365 : 30) * DAY;
	time_t until = c->next_update != 0 ? c->next_update : from + life;
	X509_CRL *crl = X509_CRL_new();
	unsigned char *der = NULL;
	const struct pki *by;
	enum pki_who who;
	struct blob *out;
	char *serial;
	size_t i;
	int len;

	by = crl_signer(pki, c, &who);
	must(X509_CRL_set_version(crl, 1) == 1);
	must(X509_CRL_set_issuer_name(crl,
	    X509_get_subject_name(pki_x509(pki, c->issuer))));
	pki_crl_times(crl, from, until);
	for (i = 0; i < c->n_revoked; i++)
		crl_revoke(crl, c->revoked[i], from);
	if (c->issuer == PKI_ROOT) {
		serial = pki_serial(revoked_signer);
		crl_revoke(crl, serial, from);
		free(serial);
	}
	crl_extensions(crl, c,
	    pki_x509(c->lie == PKI_FOREIGN_CHAIN ? by : pki, c->issuer));
	crl_sign(crl, pki_key(by, who), c->lie);
	len = i2d_X509_CRL(crl, &der);
	must(len > 0);
	if (c->lie == PKI_BODY_CHANGED)
		der[len / 3] ^= 1;
	out = blob_new(der, (size_t)len);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return out;
}

struct blob *
pki_crl_pem(struct span der)
{
	const unsigned char *p = der.p;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
	BIO *bio = BIO_new(BIO_s_mem());
	struct blob *out;
	char *text;
	long n;

	must(crl != NULL);
	must(PEM_write_bio_X509_CRL(bio, crl) == 1);
	n = BIO_get_mem_data(bio, &text);
	out = blob_new(text, (size_t)n);
	BIO_free(bio);
	X509_CRL_free(crl);
	return out;
}
