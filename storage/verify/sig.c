/* Raw ECDSA signatures over exact bytes (quote-verification 4.1 and 14). */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <pthread.h>
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

/* --- a key for any point ----------------------------------------------- */

/*
 * To make a key of a point takes OpenSSL three times as long as to put another
 * point into a key.  So there are as many as were ever in use at once, each
 * one's for as long as it takes to check a signature.
 */
struct slot {
	struct slot *next;
	EVP_PKEY *key;
	EVP_PKEY_CTX *ctx;
};

static pthread_mutex_t slots_mu = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;

static struct slot *
slot_take(void)
{
	struct slot *s;

	pthread_mutex_lock(&slots_mu);
	s = slots;
	if (s != NULL)
		slots = s->next;
	pthread_mutex_unlock(&slots_mu);
	if (s != NULL)
		return s;
	s = xcalloc(1, sizeof(*s));
	s->key = EVP_EC_gen("P-256"); /* any, to be replaced */
	must(s->key != NULL);
	s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, s->key, NULL);
	must(s->ctx != NULL);
	return s;
}

static void
slot_give(struct slot *s)
{
	pthread_mutex_lock(&slots_mu);
	s->next = slots;
	slots = s;
	pthread_mutex_unlock(&slots_mu);
}

/*
 * Coordinates not below the prime or off the curve are refused, and infinity
 * has no such form; the cofactor is 1.
 */
static bool
slot_point(struct slot *s, const unsigned char xy[64])
{
	unsigned char point[65] = { POINT_CONVERSION_UNCOMPRESSED };

	memcpy(point + 1, xy, 64);
	return EVP_PKEY_set1_encoded_public_key(s->key, point, sizeof(point)) ==
	       1;
}

bool
p256_has(const unsigned char xy[64])
{
	struct slot *s = slot_take();
	bool has = slot_point(s, xy);

	slot_give(s);
	ERR_clear_error();
	return has;
}

/* --- signatures --------------------------------------------------------- */

/*
 * Over a digest: looking algorithms up for EVP_DigestVerify() takes longer
 * than hashing.  Zero and too large r and s are refused by OpenSSL; only 1 is
 * success.
 */
static bool
digest_check(EVP_PKEY_CTX *ctx, struct span bytes, struct span sig)
{
	unsigned char digest[32];

	sha256(bytes, digest);
	return EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_verify(ctx, sig.p, sig.len, digest, sizeof(digest)) ==
		   1;
}

enum err
sig_check_der(struct span bytes, struct span sig, const unsigned char xy[64],
    struct why *why)
{
	struct slot *s = slot_take();
	enum err e = ERR_OK;

	if (!slot_point(s, xy))
		e = why_ssl(why, ERR_RANGE, "quote-verification 14",
		    "the key is no point of P-256");
	else if (!digest_check(s->ctx, bytes, sig))
		e = why_ssl(why, ERR_BADSIG, "pcs-upstream 5",
		    "the signature does not verify over the bytes");
	slot_give(s);
	return e;
}

enum err
sig_check_point(struct span bytes, const unsigned char sig[64],
    const unsigned char xy[64], struct why *why)
{
	unsigned char der[DER_MAX(32)];

	return sig_check_der(bytes, span_of(der, sig_der(sig, 32, der)), xy,
	    why);
}

enum err
sig_check(struct span bytes, const unsigned char sig[64], const X509 *signer,
    struct why *why)
{
	unsigned char xy[64];

	cert_point(signer, xy);
	return sig_check_point(bytes, sig, xy, why);
}
