/* AMD's revocation lists (amd-kds 5): issued by the ARK, about ASK and ASVK. */
#include "storage/verify/amdcert.h"

#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define CRL_BODY_MAX (64 * 1024)

static enum err
crl_parse(struct span der, X509_CRL **out, struct why *why)
{
	if (der.len == 0 || der.len > CRL_BODY_MAX)
		return why_set(why, ERR_TOO_BIG, "amd-kds 5",
		    "a CRL of %zu bytes", der.len);
	return crl_der_read(der, out, why);
}

/* Number and AKI there, nothing that narrows the list's scope. */
static enum err
crl_check_extensions(X509_CRL *x, X509 *ark, uint64_t *number, struct why *why)
{
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(ark);
	AUTHORITY_KEYID *aki = NULL;
	ASN1_INTEGER *num = NULL;
	enum err e = ERR_FORMAT;

	for (int i = 0; i < X509_CRL_get_ext_count(x); i++) {
		X509_EXTENSION *ext = X509_CRL_get_ext(x, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));

		if (nid == NID_delta_crl ||
		    nid == NID_issuing_distribution_point ||
		    (X509_EXTENSION_get_critical(ext) &&
			nid != NID_crl_number &&
			nid != NID_authority_key_identifier)) {
			e = why_set(why, ERR_FORMAT, "amd-kds 5",
			    "a CRL extension that narrows it");
			goto out;
		}
	}
	aki = X509_CRL_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
	num = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
	if (num == NULL || ASN1_INTEGER_get_uint64(number, num) != 1) {
		e = why_set(why, ERR_FORMAT, "amd-kds 5", "no CRL number");
		goto out;
	}
	if (aki == NULL || aki->keyid == NULL || ski == NULL ||
	    ASN1_OCTET_STRING_cmp(aki->keyid, ski) != 0) {
		e = why_set(why, ERR_CHAIN, "amd-kds 5",
		    "the CRL's key identifier is not the ARK's");
		goto out;
	}
	e = ERR_OK;
out:
	AUTHORITY_KEYID_free(aki);
	ASN1_INTEGER_free(num);
	ERR_clear_error();
	return e;
}

/* OpenSSL shows a CRL's outer algorithm only: cut the inner out of the TBS. */
static enum err
crl_check_alg(X509_CRL *x, struct why *why)
{
	unsigned char *tbs = NULL;
	const X509_ALGOR *outer;
	X509_ALGOR *inner = NULL;
	const unsigned char *p;
	int n = i2d_re_X509_CRL_tbs(x, &tbs), tag, class;
	enum err e;
	long len;

	must(n > 0); /* it was parsed from these bytes */
	p = tbs;
	(void)ASN1_get_object(&p, &len, &tag, &class, n); /* TBSCertList */
	(void)ASN1_get_object(&p, &len, &tag, &class, n - (p - tbs));
	p += len; /* version */
	inner = d2i_X509_ALGOR(NULL, &p, n - (p - tbs));
	X509_CRL_get0_signature(x, NULL, &outer);
	if (inner == NULL)
		e = why_set(why, ERR_FORMAT, "amd-kds 5", "no inner algorithm");
	else
		e = amdcert_check_alg(inner, outer, "CRL", why);
	X509_ALGOR_free(inner);
	OPENSSL_free(tbs);
	ERR_clear_error();
	return e;
}

static enum err
crl_check(X509_CRL *x, X509 *ark, struct amd_crl *crl, struct why *why)
{
	time_t from, until;
	enum err e;

	if (X509_NAME_cmp(X509_CRL_get_issuer(x), X509_get_subject_name(ark)) !=
	    0)
		return why_set(why, ERR_CHAIN, "amd-kds 5",
		    "the CRL is not issued by ARK-%s",
		    amd_product_name(crl->product));
	if ((e = crl_check_alg(x, why)) != ERR_OK)
		return e;
	if ((e = crl_check_extensions(x, ark, &crl->number, why)) != ERR_OK)
		return e;
	if (amdcert_time(X509_CRL_get0_lastUpdate(x), &from) != ERR_OK ||
	    amdcert_time(X509_CRL_get0_nextUpdate(x), &until) != ERR_OK ||
	    until <= from)
		return why_set(why, ERR_FORMAT, "amd-kds 5",
		    "thisUpdate and nextUpdate are not a span of time");
	window_cut(&crl->window, from, until);
	/* To AMD's readers ERR_CHAIN says that the issuer is another. */
	if (crl_entries_read(x, &crl->entries, &crl->n, why) != ERR_OK)
		return why_in(why, ERR_FORMAT, "CRL of ARK-%s",
		    amd_product_name(crl->product));
	if (X509_CRL_verify(x, X509_get0_pubkey(ark)) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_BADSIG, "amd-kds 5",
		    "CRL signature by the ARK does not verify");
	}
	return ERR_OK;
}

enum err
amd_crl_read(struct span der, enum amd_product product, X509 *ark,
    struct amd_crl **out, struct why *why)
{
	struct amd_crl *crl = xcalloc(1, sizeof(*crl));
	enum err e;

	crl->refs = 1;
	crl->product = product;
	crl->window = WINDOW_ALL;
	if ((e = crl_parse(der, &crl->x, why)) != ERR_OK ||
	    (e = crl_check(crl->x, ark, crl, why)) != ERR_OK)
		goto out;
	crl->der = blob_from(der);
	*out = crl;
	crl = NULL;
out:
	amd_crl_unref(crl);
	return e;
}

enum err
amd_crl_claims(struct span der, enum amd_product *product, struct why *why)
{
	X509_CRL *x = NULL;
	struct span cn;
	enum err e;

	if ((e = crl_parse(der, &x, why)) != ERR_OK)
		return e;
	e = amdcert_check_name(X509_CRL_get_issuer(x), "CRL issuer", &cn, why);
	if (e == ERR_OK &&
	    (*product = amdcert_product(cn, "ARK-")) == AMD_PRODUCT_N)
		e = why_set(why, ERR_CHAIN, "amd-kds 5",
		    "the CRL is of no known product's ARK");
	X509_CRL_free(x);
	return e;
}

struct amd_crl *
amd_crl_ref(struct amd_crl *crl)
{
	if (crl != NULL)
		crl->refs++;
	return crl;
}

void
amd_crl_unref(struct amd_crl *crl)
{
	if (crl == NULL || --crl->refs != 0)
		return;
	free(crl->entries);
	X509_CRL_free(crl->x);
	blob_unref(crl->der);
	free(crl);
}

bool
amd_crl_lists(const struct amd_crl *crl, const X509 *x)
{
	return crl_entries_have(crl->entries, crl->n,
	    X509_get0_serialNumber(x));
}
