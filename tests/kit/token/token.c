/*
 * A provider for OpenSSL whose keys never leave it, as a PKCS#11 token's: a
 * store for URIs "test:OBJECT", the keys behind them, and their signatures.
 * A module of its own that OpenSSL loads because its configuration says so;
 * nothing of larder is in it.
 *
 * Made after pkcs11-provider 1.0 where it differs from OpenSSL's own keys:
 * the public half is exported, but is no parameter of the private key.
 *
 * Settings in its section of the configuration:
 *   seed  what the keys are made of; the same seed, the same keys
 *   gone  a path: while there is such a file the token is pulled out
 * Objects: any name is a P-256 key, but for "none", "p384", "two" (two keys),
 * "twice" (one found twice, as a key that pkcs11-provider has a copy of),
 * "mute" (signs nothing), "blind" (its public half is not told) and "other"
 * (signs with a key that is not the one it shows).
 */
#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct token {
	OSSL_LIB_CTX *inside; /* where the keys are, apart from larder's */
	char *seed, *gone;
};

struct key {
	const struct token *token;
	EVP_PKEY *pkey, *signs; /* the one shown, and the one that signs */
	char object[32];
};

static void
check(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "test token: %s\n", what);
		abort();
	}
}

static int
is_gone(const struct token *t)
{
	return t->gone != NULL && access(t->gone, F_OK) == 0;
}

/* --- keys ------------------------------------------------------------- */

static BIGNUM *
scalar_of(const struct token *t, const char *object)
{
	unsigned char hash[32];
	char text[200];

	snprintf(text, sizeof(text), "%s/%s", t->seed, object);
	check(EVP_Q_digest(t->inside, "SHA256", NULL, text, strlen(text), hash,
		  NULL) == 1,
	    "hash");
	return BN_bin2bn(hash, sizeof(hash), NULL);
}

static EVP_PKEY *
pkey_new(const struct token *t, const char *object, const char *group)
{
	EC_GROUP *g = EC_GROUP_new_by_curve_name_ex(t->inside, NULL,
	    strcmp(group, "P-384") == 0 ? NID_secp384r1 : NID_X9_62_prime256v1);
	EC_POINT *point = EC_POINT_new(g);
	BIGNUM *d = scalar_of(t, object);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(t->inside, "EC", NULL);
	unsigned char pub[97];
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM *params;
	size_t len;

	check(EC_POINT_mul(g, point, d, NULL, NULL, NULL) == 1, "point");
	len = EC_POINT_point2oct(g, point, POINT_CONVERSION_UNCOMPRESSED, pub,
	    sizeof(pub), NULL);
	check(OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
		  group, 0) == 1 &&
		  OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
		  OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY,
		      pub, len) == 1,
	    "parameters");
	params = OSSL_PARAM_BLD_to_param(b);
	check(EVP_PKEY_fromdata_init(ctx) == 1 &&
		  EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) == 1,
	    "key");
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_BLD_free(b);
	BN_free(d);
	EC_POINT_free(point);
	EC_GROUP_free(g);
	return pkey;
}

static struct key *
key_new(const struct token *t, const char *object)
{
	struct key *k = calloc(1, sizeof(*k));

	check(k != NULL, "memory");
	k->token = t;
	snprintf(k->object, sizeof(k->object), "%s", object);
	k->pkey = pkey_new(t, object,
	    strcmp(object, "p384") == 0 ? "P-384" : "P-256");
	k->signs = strcmp(object, "other") == 0
		       ? pkey_new(t, "another", "P-256")
		       : EVP_PKEY_dup(k->pkey);
	return k;
}

static void
key_free(void *arg)
{
	struct key *k = arg;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	EVP_PKEY_free(k->signs);
	free(k);
}

/* What the store gave: a reference to the key, which is taken. */
static void *
key_load(const void *reference, size_t len)
{
	struct key *k;

	check(len == sizeof(k), "reference");
	memcpy(&k, reference, sizeof(k));
	return k;
}

static int
key_has(const void *arg, int selection)
{
	(void)selection;
	return arg != NULL;
}

static int
key_get_params(void *arg, OSSL_PARAM params[])
{
	struct key *k = arg;
	OSSL_PARAM *p;
	char group[32] = "";

	check(EVP_PKEY_get_group_name(k->pkey, group, sizeof(group), NULL) == 1,
	    "group");
	p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_GROUP_NAME);
	if (p != NULL && !OSSL_PARAM_set_utf8_string(p, group))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_BITS);
	if (p != NULL && !OSSL_PARAM_set_int(p, EVP_PKEY_get_bits(k->pkey)))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_SECURITY_BITS);
	if (p != NULL &&
	    !OSSL_PARAM_set_int(p, EVP_PKEY_get_security_bits(k->pkey)))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MAX_SIZE);
	return p == NULL || OSSL_PARAM_set_int(p, EVP_PKEY_get_size(k->pkey));
}

static const OSSL_PARAM *
key_gettable(void *provctx)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL), OSSL_PARAM_END
	};

	(void)provctx;
	return params;
}

/* The public half, and nothing else ever. */
static int
key_export(void *arg, int selection, OSSL_CALLBACK *cb, void *cb_arg)
{
	struct key *k = arg;
	OSSL_PARAM *params = NULL;
	int ok;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ||
	    strcmp(k->object, "blind") == 0 ||
	    EVP_PKEY_todata(k->pkey, EVP_PKEY_PUBLIC_KEY, &params) != 1)
		return 0;
	ok = cb(params, cb_arg);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *
key_export_types(int selection)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL
								  : params;
}

static const char *
key_operation(int id)
{
	return id == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FN(id, fn)                                                             \
	{                                                                      \
		OSSL_FUNC_##id, (void (*)(void))fn                             \
	}

static const OSSL_DISPATCH key_functions[] = { FN(KEYMGMT_LOAD, key_load),
	FN(KEYMGMT_FREE, key_free), FN(KEYMGMT_HAS, key_has),
	FN(KEYMGMT_GET_PARAMS, key_get_params),
	FN(KEYMGMT_GETTABLE_PARAMS, key_gettable),
	FN(KEYMGMT_EXPORT, key_export),
	FN(KEYMGMT_EXPORT_TYPES, key_export_types),
	FN(KEYMGMT_QUERY_OPERATION_NAME, key_operation), { 0, NULL } };

/* --- signatures ------------------------------------------------------- */

struct signing {
	const struct key *key; /* of the EVP_PKEY, which outlives this */
};

static void *
sign_new(void *provctx, const char *propq)
{
	(void)provctx;
	(void)propq;
	return calloc(1, sizeof(struct signing));
}

static int
sign_init(void *arg, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = arg;

	(void)params;
	s->key = key;
	return strcmp(digest, "SHA256") == 0 && !is_gone(s->key->token);
}

static int
sign_sign(void *arg, unsigned char *sig, size_t *len, size_t size,
    const unsigned char *text, size_t text_len)
{
	const struct signing *s = arg;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	if (sig != NULL)
		*len = size;
	ok = strcmp(s->key->object, "mute") != 0 && !is_gone(s->key->token) &&
	     EVP_DigestSignInit_ex(ctx, NULL, "SHA256", s->key->token->inside,
		 NULL, s->key->signs, NULL) == 1 &&
	     EVP_DigestSign(ctx, sig, len, text, text_len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static const OSSL_DISPATCH sign_functions[] = { FN(SIGNATURE_NEWCTX, sign_new),
	FN(SIGNATURE_FREECTX, free), FN(SIGNATURE_DIGEST_SIGN_INIT, sign_init),
	FN(SIGNATURE_DIGEST_SIGN, sign_sign), { 0, NULL } };

/* --- the store -------------------------------------------------------- */

struct opened {
	const struct token *token;
	char object[32];
	int left; /* keys still to be given */
};

static void *
store_open(void *provctx, const char *uri)
{
	const struct token *t = provctx;
	struct opened *o;

	if (strncmp(uri, "test:", 5) != 0 || is_gone(t))
		return NULL;
	o = calloc(1, sizeof(*o));
	check(o != NULL, "memory");
	o->token = t;
	snprintf(o->object, sizeof(o->object), "%.*s",
	    (int)strcspn(uri + 5, "?"), uri + 5);
	o->left = strcmp(o->object, "none") == 0     ? 0
		  : strncmp(o->object, "tw", 2) == 0 ? 2
						     : 1;
	return o;
}

static int
store_load(void *arg, OSSL_CALLBACK *cb, void *cb_arg,
    OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
	struct opened *o = arg;
	int type = OSSL_OBJECT_PKEY;
	struct key *k;
	OSSL_PARAM params[4];

	(void)ask;
	(void)ask_arg;
	if (o->left == 0)
		return 0;
	o->left--;
	k = key_new(o->token,
	    o->left == 1 && strcmp(o->object, "two") == 0 ? "one" : o->object);
	params[0] = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type);
	params[1] =
	    OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE,
		(char *)(uintptr_t) "EC", 0);
	params[2] =
	    OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &k,
		sizeof(k));
	params[3] = OSSL_PARAM_construct_end();
	return cb(params, cb_arg);
}

static int
store_eof(void *arg)
{
	return ((struct opened *)arg)->left == 0;
}

static int
store_close(void *arg)
{
	free(arg);
	return 1;
}

static const OSSL_DISPATCH store_functions[] = { FN(STORE_OPEN, store_open),
	FN(STORE_LOAD, store_load), FN(STORE_EOF, store_eof),
	FN(STORE_CLOSE, store_close), { 0, NULL } };

/* --- the provider ----------------------------------------------------- */

static const OSSL_ALGORITHM *
token_query(void *provctx, int operation, int *no_cache)
{
	static const char properties[] = "provider=test-token";
	static const OSSL_ALGORITHM stores[] = { { "test", properties,
						     store_functions, NULL },
		{ NULL, NULL, NULL, NULL } };
	static const OSSL_ALGORITHM keys[] = {
		{ "EC:id-ecPublicKey", properties, key_functions, NULL },
		{ NULL, NULL, NULL, NULL }
	};
	static const OSSL_ALGORITHM signatures[] = { { "ECDSA", properties,
							 sign_functions, NULL },
		{ NULL, NULL, NULL, NULL } };

	(void)provctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_STORE:
		return stores;
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_SIGNATURE:
		return signatures;
	default:
		return NULL;
	}
}

static void
token_teardown(void *provctx)
{
	struct token *t = provctx;

	OSSL_LIB_CTX_free(t->inside);
	free(t->seed);
	free(t->gone);
	free(t);
}

static const OSSL_DISPATCH token_functions[] = { FN(PROVIDER_QUERY_OPERATION,
						     token_query),
	FN(PROVIDER_TEARDOWN, token_teardown), { 0, NULL } };

/* What OpenSSL calls when it has loaded the module. */
OSSL_provider_init_fn OSSL_provider_init;

int
OSSL_provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	OSSL_FUNC_core_get_params_fn *get_params = NULL;
	char *seed = NULL, *gone = NULL;
	OSSL_PARAM params[] = { OSSL_PARAM_utf8_ptr("seed", &seed, 0),
		OSSL_PARAM_utf8_ptr("gone", &gone, 0), OSSL_PARAM_END };
	struct token *t;

	for (; in->function_id != 0; in++)
		if (in->function_id == OSSL_FUNC_CORE_GET_PARAMS)
			get_params = OSSL_FUNC_core_get_params(in);
	if (get_params == NULL || !get_params(core, params) || seed == NULL)
		return 0;
	t = calloc(1, sizeof(*t));
	check(t != NULL, "memory");
	t->seed = strdup(seed);
	t->gone = gone == NULL ? NULL : strdup(gone);
	t->inside = OSSL_LIB_CTX_new();
	check(t->inside != NULL, "context");
	*provctx = t;
	*out = token_functions;
	return 1;
}
