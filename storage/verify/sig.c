/* Raw ECDSA signatures over exact bytes (quote-verification 4.1 and 14). */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

/* The most that two integers of n octets take: tags, lengths, leading zeros. */
#define DER_MAX(n) (2 * ((n) + 3) + 3)

/* One integer of a signature as DER has it; gives where the next one goes. */
static unsigned char *
der_integer(unsigned char *out, const unsigned char *p, size_t n)
{
	while (n > 1 && *p == 0) {
		p++;
		n--;
	}
	*out++ = 0x02;
	*out++ = (unsigned char)(n + (*p >> 7));
	if (*p >> 7)
		*out++ = 0;
	memcpy(out, p, n);
	return out + n;
}

/* r || s as the DER that EVP wants: shorter than 128 octets. */
static size_t
sig_der(const unsigned char *sig, size_t n, unsigned char *der)
{
	unsigned char *end = der_integer(der + 2, sig, n);

	end = der_integer(end, sig + n, n);
	der[0] = 0x30;
	der[1] = (unsigned char)(end - der - 2);
	return (size_t)(end - der);
}

/*
 * Over a digest: looking algorithms up for EVP_DigestVerify() takes longer
 * than hashing.  Zero and too large r and s are refused by OpenSSL; only 1 is
 * success.
 */
static bool
digest_check(const unsigned char *digest, size_t len, const unsigned char *der,
    size_t der_len, EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool good;

	must(ctx != NULL);
	good = EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_verify(ctx, der, der_len, digest, len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return good;
}

enum err
sig_check_key(struct span bytes, const unsigned char sig[64], EVP_PKEY *key,
    struct why *why)
{
	unsigned char digest[32], der[DER_MAX(32)];

	sha256(bytes, digest);
	if (!digest_check(digest, sizeof(digest), der, sig_der(sig, 32, der),
		key))
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
