#include "tests/kit/jwtkit.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <check.h>
#include <jose/jose.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* The three parts, NUL-terminated, in "text"; the caller's to free. */
static char *
split(const struct blob *token, char *part[3])
{
	char *text = span_dup(blob_span(token)), *save = NULL;
	size_t i;

	for (i = 0; i < 3; i++)
		part[i] = strtok_r(i == 0 ? text : NULL, ".", &save);
	ck_assert_ptr_nonnull(part[2]);
	ck_assert_ptr_null(strtok_r(NULL, ".", &save));
	return text;
}

static json_t *
decoded(const char *part)
{
	struct buf b = BUF_INIT;
	json_t *o;

	ck_assert_int_eq(base64_read(span_str(part), &b), ERR_OK);
	o = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(o);
	buf_free(&b);
	return o;
}

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

/* The row of the set that the token's header names. */
static const json_t *
row_of(const json_t *set, const struct blob *token)
{
	const json_t *list = json_object_get(set, "keys"), *row, *found = NULL;
	char *part[3], *whole = split(token, part);
	json_t *head = decoded(part[0]);
	size_t i;

	ck_assert_str_eq(text(head, "alg"), "ES256");
	json_array_foreach(list, i,
	    row) if (strcmp(text(row, "kid"), text(head, "kid")) == 0) found =
	    row;
	json_decref(head);
	free(whole);
	return found;
}

bool
jwt_jose_holds(const json_t *set, const struct blob *token)
{
	const json_t *row = row_of(set, token);
	char *part[3], *whole = split(token, part);
	json_t *jws = json_pack("{s:s, s:s, s:s}", "protected", part[0],
	    "payload", part[1], "signature", part[2]);
	bool ok = row != NULL && jose_jws_ver(NULL, jws, NULL, row, false);

	json_decref(jws);
	free(whole);
	return ok;
}

/* A P-256 key from x and y, without libjose. */
static EVP_PKEY *
openssl_key(const json_t *row)
{
	char group[] = "P-256";
	struct buf point = BUF_INIT;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[3];

	buf_add(&point, "\004", 1);
	must(base64_read(span_str(text(row, "x")), &point) == ERR_OK &&
	     base64_read(span_str(text(row, "y")), &point) == ERR_OK);
	ck_assert_uint_eq(point.len, 65);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
	    group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
	    point.p, point.len);
	params[2] = OSSL_PARAM_construct_end();
	ck_assert(
	    EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
	EVP_PKEY_CTX_free(ctx);
	buf_free(&point);
	return key;
}

bool
jwt_openssl_holds(const json_t *set, const struct blob *token)
{
	const json_t *row = row_of(set, token);
	char *part[3], *whole = split(token, part);
	size_t len = (size_t)(part[2] - part[0]) - 1;
	struct buf raw = BUF_INIT;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY *key = openssl_key(row);
	unsigned char *der = NULL;
	bool ok;
	int n;

	ck_assert_int_eq(base64_read(span_str(part[2]), &raw), ERR_OK);
	ck_assert_uint_eq(raw.len, 64);
	must(ECDSA_SIG_set0(sig,
		 BN_bin2bn((const unsigned char *)raw.p, 32, NULL),
		 BN_bin2bn((const unsigned char *)raw.p + 32, 32, NULL)) == 1);
	must((n = i2d_ECDSA_SIG(sig, &der)) > 0);
	part[0][strlen(part[0])] = '.';
	ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(md, der, (size_t)n,
		 (const unsigned char *)part[0], len) == 1;
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(md);
	ECDSA_SIG_free(sig);
	buf_free(&raw);
	free(whole);
	return ok;
}

json_t *
jwt_claims(const struct blob *token)
{
	char *part[3], *whole = split(token, part);
	json_t *o = decoded(part[1]);

	free(whole);
	return o;
}
