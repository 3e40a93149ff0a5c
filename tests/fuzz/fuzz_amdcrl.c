/* AMD's CRLs, judged with an ARK of the target's own making. */
#include "storage/verify/amd.h"

#include "config/base/must.h"

#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Any key and any SKI do: everything up to the signature is reached. */
static X509 *
ark_make(void)
{
	static const unsigned char ski[22] = { 0x04, 0x14 };
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	EVP_PKEY *key = EVP_RSA_gen(1024);
	X509 *x = X509_new();
	X509_EXTENSION *ext;

	must(x != NULL && key != NULL && s != NULL);
	must(ASN1_OCTET_STRING_set(s, ski, sizeof(ski)) == 1);
	ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_key_identifier, 0,
	    s);
	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	must(X509_set_pubkey(x, key) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(s);
	EVP_PKEY_free(key);
	return x;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static X509 *ark;
	struct amd_crl *crl = NULL;
	struct why why;

	if (ark == NULL)
		ark = ark_make();
	if (amd_crl_read(span_of(p, len), AMD_GENOA, ark, &crl, &why) == ERR_OK)
		(void)amd_crl_lists(crl, ark);
	amd_crl_unref(crl);
	return 0;
}
