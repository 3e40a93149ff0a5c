/*
 * CRLs.  No mutation keeps a signature, so an input whose first octet is 'S'
 * is decoded by OpenSSL, signed anew and then read: that reaches what stands
 * behind the signature.
 */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/kit/pki.h"

#include <openssl/err.h>

#define NOW 1780272000

static const struct pki *
the_pki(void)
{
	static struct pki *pki;

	if (pki == NULL)
		pki = pki_new("fuzz", NOW);
	return pki;
}

static void
try_crl(struct span bytes)
{
	X509 *root = pki_x509(the_pki(), PKI_ROOT);
	struct why why = { 0 };
	struct crl *crl = NULL;

	if (crl_read(bytes, root, &crl, &why) == ERR_OK) {
		must(crl->this_update < crl->next_update);
		must(crl_is_of(crl, root));
		(void)crl_lists(crl, root);
	} else {
		must(why.err != ERR_OK && why.text[0] != '\0');
	}
	must(ERR_peek_error() == 0);
	crl_unref(crl);
}

static void
try_signed(struct span der)
{
	X509 *root = pki_x509(the_pki(), PKI_ROOT);
	const unsigned char *p = der.p;
	X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);
	unsigned char *out = NULL;
	int len;

	if (x != NULL &&
	    X509_CRL_set_issuer_name(x, X509_get_subject_name(root)) == 1 &&
	    X509_CRL_sign(x, pki_key(the_pki(), PKI_ROOT), EVP_sha256()) > 0 &&
	    (len = i2d_X509_CRL(x, &out)) > 0) {
		ERR_clear_error();
		try_crl(span_of(out, (size_t)len));
	}
	OPENSSL_free(out);
	X509_CRL_free(x);
	ERR_clear_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	if (len > 0 && p[0] == 'S')
		try_signed(span_of(p + 1, len - 1));
	else
		try_crl(span_of(p, len));
	return 0;
}
