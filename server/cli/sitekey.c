#include "server/cli/sitekey.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/cli.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define KEY_FILE_MAX (1u << 20)

struct sitekey {
	EVP_PKEY *pkey;
};

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[64];
	size_t len;

	return EVP_PKEY_is_a(pkey, "EC") &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof(group), &len) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

/* Takes over the key; NULL: it is of another kind. */
static struct sitekey *
sitekey_of(EVP_PKEY *pkey)
{
	struct sitekey *k;

	if (pkey == NULL ||
	    (!EVP_PKEY_is_a(pkey, "ED25519") && !is_p256(pkey))) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	k = xcalloc(1, sizeof(*k));
	k->pkey = pkey;
	return k;
}

void
sitekey_free(struct sitekey *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	free(k);
}

const char *
sitekey_algorithm(const struct sitekey *k)
{
	return EVP_PKEY_is_a(k->pkey, "ED25519") ? "Ed25519" : "ES256";
}

void
sitekey_id(const struct sitekey *k, char out[SITEKEY_ID_LEN + 1])
{
	unsigned char *der = NULL, hash[32];
	int len = i2d_PUBKEY(k->pkey, &der);

	must(len > 0);
	sha256(span_of(der, (size_t)len), hash);
	hex_lower(span_of(hash, sizeof(hash)), out);
	OPENSSL_free(der);
}

/* --- files ------------------------------------------------------------ */

/* No passphrase is asked for: exports run unattended. */
static int
no_passphrase(char *buf, int size, int rw, void *arg)
{
	(void)buf;
	(void)size;
	(void)rw;
	(void)arg;
	return -1;
}

enum err
sitekey_private(const char *path, struct sitekey **out, struct why *why)
{
	struct buf pem = BUF_INIT;
	BIO *bio = NULL;
	enum err e;

	if ((e = cli_read_file(path, KEY_FILE_MAX, &pem, why)) != ERR_OK)
		goto out;
	must((bio = BIO_new_mem_buf(pem.p, (int)pem.len)) != NULL);
	*out =
	    sitekey_of(PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL));
	if (*out == NULL)
		e = why_set(why, ERR_FORMAT, "larder(1)",
		    "%s: no private key for P-256 or Ed25519, in PEM, without "
		    "a passphrase",
		    path);
	ERR_clear_error();
out:
	BIO_free(bio);
	if (pem.p != NULL)
		explicit_bzero(pem.p, pem.len);
	buf_free(&pem);
	return e;
}

static EVP_PKEY *
public_of(const char *name, const unsigned char *der, long len)
{
	EVP_PKEY *pkey = NULL;
	X509 *x;

	if (strcmp(name, PEM_STRING_PUBLIC) == 0)
		return d2i_PUBKEY(NULL, &der, len);
	if (strcmp(name, PEM_STRING_X509) == 0 &&
	    (x = d2i_X509(NULL, &der, len)) != NULL) {
		pkey = X509_get_pubkey(x);
		X509_free(x);
	}
	return pkey;
}

/* The next key in the file; NULL: there is none, or nothing more. *end. */
static struct sitekey *
public_next(BIO *bio, bool *end)
{
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	struct sitekey *k;
	long len;

	*end = PEM_read_bio(bio, &name, &header, &der, &len) != 1;
	if (*end)
		return NULL;
	k = sitekey_of(public_of(name, der, len));
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return k;
}

enum err
sitekey_public(const char *path, const char *id, struct sitekey **out,
    struct why *why)
{
	char found[SITEKEY_ID_LEN + 1];
	struct buf pem = BUF_INIT;
	struct sitekey *k;
	bool end = false;
	BIO *bio = NULL;
	enum err e;

	if ((e = cli_read_file(path, KEY_FILE_MAX, &pem, why)) != ERR_OK)
		goto out;
	must((bio = BIO_new_mem_buf(pem.p, (int)pem.len)) != NULL);
	e = why_set(why, ERR_BADSIG, "larder(1)",
	    "it is signed by a key that %s does not hold", path);
	while (!end && e != ERR_OK) {
		if ((k = public_next(bio, &end)) == NULL)
			continue;
		sitekey_id(k, found);
		if (strcmp(found, id) == 0) {
			*out = k;
			e = ERR_OK;
		} else {
			sitekey_free(k);
		}
	}
	ERR_clear_error();
out:
	BIO_free(bio);
	buf_free(&pem);
	return e;
}

/* --- signatures ------------------------------------------------------- */

static const EVP_MD *
digest_of(const struct sitekey *k)
{
	return EVP_PKEY_is_a(k->pkey, "ED25519") ? NULL : EVP_sha256();
}

void
sitekey_sign(const struct sitekey *k, struct span text, struct buf *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[256];
	size_t len = sizeof(sig);

	must(ctx != NULL &&
	     EVP_DigestSignInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1 &&
	     EVP_DigestSign(ctx, sig, &len, text.p, text.len) == 1);
	buf_add(out, sig, len);
	EVP_MD_CTX_free(ctx);
}

enum err
sitekey_check(const struct sitekey *k, struct span text, struct span signature,
    struct why *why)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	must(ctx != NULL &&
	     EVP_DigestVerifyInit(ctx, NULL, digest_of(k), NULL, k->pkey) == 1);
	good = EVP_DigestVerify(ctx, signature.p, signature.len, text.p,
		   text.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good ? ERR_OK
		    : why_set(why, ERR_BADSIG, "larder(1)",
			  "the signature is not over this manifest");
}
