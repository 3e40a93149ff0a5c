#include "server/jwt_store.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CLAUSE "larder(1) key"

/* The URI may hold a PIN: no text quotes it. */
static enum err
fail(struct why *why, const char *text)
{
	ERR_clear_error();
	return why_set(why, ERR_CONFIG, CLAUSE, "the key's URI: %s", text);
}

/* RFC 8089: file:/PATH or file:///PATH. */
static enum err
file_check(const char *uri, struct why *why)
{
	const char *path = uri + strlen("file:");
	struct stat st;

	if (strncmp(path, "//", 2) == 0)
		path += 2;
	if (*path != '/' || strchr(path, '%') != NULL)
		return fail(why, "not file:/PATH");
	if (stat(path, &st) == -1)
		return fail(why, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return fail(why, "must be a file of mode 0600");
	return ERR_OK;
}

static bool
is_p256(EVP_PKEY *key)
{
	char group[32] = "";

	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 ||
		   strcmp(group, "P-256") == 0);
}

/*
 * A provider of tokens exports the public half, but does not give it as a
 * parameter of the private key (pkcs11-provider 1.0).
 */
static bool
public_point(EVP_PKEY *key, unsigned char point[65])
{
	OSSL_PARAM *all = NULL;
	const OSSL_PARAM *pub;
	const void *p;
	size_t len;
	bool ok;

	ok = EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &all) == 1 &&
	     (pub = OSSL_PARAM_locate_const(all, OSSL_PKEY_PARAM_PUB_KEY)) !=
		 NULL &&
	     OSSL_PARAM_get_octet_string_ptr(pub, &p, &len) == 1 && len == 65;
	if (ok)
		memcpy(point, p, 65);
	OSSL_PARAM_free(all);
	return ok && point[0] == 4;
}

/* A provider may keep a copy of a key it has used, and find that as well. */
static bool
is_same(EVP_PKEY *a, EVP_PKEY *b)
{
	unsigned char x[65], y[65];

	return public_point(a, x) && public_point(b, y) &&
	       memcmp(x, y, sizeof(x)) == 0;
}

/* One more that was found; false: it is another than the one before. */
static bool
take(EVP_PKEY **key, EVP_PKEY *found)
{
	bool ok = *key == NULL || is_same(*key, found);

	if (*key == NULL)
		*key = found;
	else
		EVP_PKEY_free(found);
	return ok;
}

/* The one private key there; NULL: none, or more than one. */
static EVP_PKEY *
load(const char *uri)
{
	OSSL_STORE_CTX *s = OSSL_STORE_open(uri, UI_null(), NULL, NULL, NULL);
	OSSL_STORE_INFO *info;
	EVP_PKEY *key = NULL;
	bool ok;

	if (s == NULL)
		return NULL;
	ok = OSSL_STORE_expect(s, OSSL_STORE_INFO_PKEY) == 1;
	while (ok && !OSSL_STORE_eof(s)) {
		if ((info = OSSL_STORE_load(s)) == NULL) {
			if (OSSL_STORE_error(s))
				break;
			continue;
		}
		if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
			ok = take(&key, OSSL_STORE_INFO_get1_PKEY(info));
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(s);
	if (!ok) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

enum err
jwt_store_open(const char *uri, EVP_PKEY **out, struct why *why)
{
	EVP_PKEY *key;
	enum err e;

	/* OpenSSL would take a bare name for that of a file. */
	if (strchr(uri, ':') == NULL)
		return fail(why, "no scheme, as in file:/PATH or pkcs11:...");
	if (strncasecmp(uri, "file:", 5) == 0 &&
	    (e = file_check(uri, why)) != ERR_OK)
		return e;
	if ((key = load(uri)) == NULL)
		return fail(why, "no private key there, or more than one");
	if (!is_p256(key)) {
		EVP_PKEY_free(key);
		return fail(why, "not a key on P-256");
	}
	ERR_clear_error();
	*out = key;
	return ERR_OK;
}

static void
set_base64url(json_t *o, const char *name, struct span s)
{
	struct buf b = BUF_INIT;

	buf_base64url(&b, s);
	must(json_object_set_new(o, name, json_stringn(b.p, b.len)) == 0);
	buf_free(&b);
}

enum err
jwt_store_public(EVP_PKEY *key, json_t *jwk, struct why *why)
{
	unsigned char point[65];

	if (!public_point(key, point))
		return fail(why, "its public half cannot be had");
	must(json_object_set_new(jwk, "kty", json_string("EC")) == 0);
	must(json_object_set_new(jwk, "crv", json_string("P-256")) == 0);
	set_base64url(jwk, "x", span_of(point + 1, 32));
	set_base64url(jwk, "y", span_of(point + 33, 32));
	return ERR_OK;
}

/* From DER to r and s. */
static bool
split(const unsigned char *der, size_t len, unsigned char sig[64])
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool ok = s != NULL &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32) == 32 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32) == 32;

	ECDSA_SIG_free(s);
	return ok;
}

bool
jwt_store_sign(EVP_PKEY *key, struct span text, unsigned char sig[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char der[80];
	size_t len = sizeof(der);
	bool ok;

	must(ctx != NULL);
	ok = EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key,
		 NULL) == 1 &&
	     EVP_DigestSign(ctx, der, &len, text.p, text.len) == 1 &&
	     split(der, len, sig);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
