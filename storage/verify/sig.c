/* Raw ECDSA signatures over exact bytes (quote-verification 4.1 and 14). */
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

/* r || s as the DER that EVP wants; the caller's to OPENSSL_free(). */
static size_t
sig_der(const unsigned char sig[64], unsigned char **der)
{
	ECDSA_SIG *es = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(sig, 32, NULL);
	BIGNUM *s = BN_bin2bn(sig + 32, 32, NULL);
	int len;

	must(es != NULL && r != NULL && s != NULL);
	must(ECDSA_SIG_set0(es, r, s) == 1);
	len = i2d_ECDSA_SIG(es, der);
	must(len > 0);
	ECDSA_SIG_free(es);
	return (size_t)len;
}

/* Zero and too large r and s are refused by OpenSSL; only 1 is success. */
enum err
sig_check_key(struct span bytes, const unsigned char sig[64], EVP_PKEY *key,
    struct why *why)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	size_t len = sig_der(sig, &der);
	bool good;

	must(ctx != NULL);
	good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestVerify(ctx, der, len, bytes.p, bytes.len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	if (!good)
		return why_ssl(why, ERR_BADSIG, "pcs-upstream 5",
		    "the signature does not verify over the bytes");
	return ERR_OK;
}

enum err
sig_check(struct span bytes, const unsigned char sig[64], X509 *signer,
    struct why *why)
{
	return sig_check_key(bytes, sig, X509_get0_pubkey(signer), why);
}
