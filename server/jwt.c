/* Tokens and the published set. */
#include "server/jwt.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/jwt_store.h"

#include <jose/jose.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_MIN 8 /* RFC 9711 4.1, JSON */
#define NONCE_MAX 88

const struct jwt_key *
jwt_keys_signing(const struct jwt_keys *keys, time_t now)
{
	size_t i = keys->n;

	/* With a clock gone wrong: the first one rather than none. */
	while (i > 1 && keys->v[i - 1].sign_from > now)
		i--;
	return i == 0 ? NULL : &keys->v[i - 1];
}

/* Member by member: nothing private can come along. */
static json_t *
public_half(const struct jwt_key *k)
{
	static const char *const names[] = { "kty", "crv", "x", "y", "alg",
		"use", "kid" };
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		must(json_object_set(o, names[i],
			 json_object_get(k->jwk, names[i])) == 0);
	return o;
}

/* The text of a tree, which is consumed. */
static struct blob *
text_of(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT);
	struct blob *b;

	must(text != NULL);
	b = blob_new(text, strlen(text));
	free(text);
	json_decref(o);
	return b;
}

struct blob *
jwt_keys_set(const struct jwt_keys *keys, time_t now)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < keys->n; i++)
		if (now < keys->v[i].end)
			must(json_array_append_new(list,
				 public_half(&keys->v[i])) == 0);
	return text_of(json_pack("{s:o}", "keys", list));
}

/* --- signing ---------------------------------------------------------- */

static void
set(json_t *o, const char *name, json_t *value)
{
	must(json_object_set_new(o, name, value) == 0);
}

/* The verdict's members first: none of its may stand in for ours. */
static json_t *
claims_of(const struct jwt_keys *keys, const json_t *verdict, const char *nonce,
    time_t now, time_t exp)
{
	json_t *o = json_copy((json_t *)(uintptr_t)verdict);
	unsigned char id[16];
	char jti[2 * sizeof(id) + 1];

	must(json_is_object(o));
	random_bytes(id, sizeof(id));
	hex_lower(span_of(id, sizeof(id)), jti);
	set(o, "iss", json_string(keys->issuer));
	set(o, "iat", json_integer(now));
	set(o, "nbf", json_integer(now));
	set(o, "exp", json_integer(exp));
	set(o, "jti", json_string(jti));
	set(o, "eat_profile", json_string(JWT_PROFILE));
	if (nonce != NULL)
		set(o, "eat_nonce", json_string(nonce));
	else
		json_object_del(o, "eat_nonce");
	return o;
}

/* The signature of a key that is elsewhere, RFC 7515 5.1. */
static bool
store_sign(const struct jwt_key *k, json_t *jws)
{
	unsigned char sig[64];
	struct buf b = BUF_INIT;
	bool ok;

	buf_printf(&b, "%s.%s",
	    json_string_value(json_object_get(jws, "protected")),
	    json_string_value(json_object_get(jws, "payload")));
	ok = jwt_store_sign(k->store, buf_view(&b), sig);
	if (ok)
		set(jws, "signature", jose_b64_enc(sig, sizeof(sig)));
	buf_free(&b);
	return ok;
}

json_t *
jwt_jws(const struct jwt_key *k, const char *payload)
{
	json_t *head = json_pack("{s:s, s:s, s:s}", "alg", "ES256", "typ",
	    "JWT", "kid", k->kid);
	json_t *jws = json_pack("{s:s}", "payload", payload);
	json_t *sig;
	bool ok;

	must(head != NULL && jws != NULL);
	if (k->store != NULL) {
		set(jws, "protected", jose_b64_enc_dump(head));
		ok = store_sign(k, jws);
	} else {
		sig = json_pack("{s:O}", "protected", head);
		ok = jose_jws_sig(NULL, jws, sig, k->jwk);
		json_decref(sig);
	}
	json_decref(head);
	if (ok)
		return jws;
	json_decref(jws);
	return NULL;
}

/* protected.payload.signature; NULL: the key's store does not sign. */
static struct blob *
compact(const struct jwt_key *k, json_t *claims)
{
	struct blob *text = text_of(claims), *token = NULL;
	json_t *payload = jose_b64_enc(text->data, text->len);
	json_t *jws = jwt_jws(k, json_string_value(payload));
	struct buf b = BUF_INIT;

	/* A key in memory has signed when it was read. */
	must(payload != NULL && (jws != NULL || k->store != NULL));
	if (jws != NULL) {
		buf_printf(&b, "%s.%s.%s",
		    json_string_value(json_object_get(jws, "protected")),
		    json_string_value(json_object_get(jws, "payload")),
		    json_string_value(json_object_get(jws, "signature")));
		token = buf_blob(&b);
	}
	blob_unref(text);
	json_decref(payload);
	json_decref(jws);
	return token;
}

/* As it is; 64 octets in hex are too long, and in base64url are not. */
static bool
nonce_text(const char *nonce, char text[NONCE_MAX + 1])
{
	struct buf raw = BUF_INIT, b = BUF_INIT;
	bool ok;

	if (strlen(nonce) <= NONCE_MAX)
		buf_str(&b, nonce);
	else if (hex_read_buf(span_str(nonce), &raw) == ERR_OK)
		buf_base64url(&b, buf_view(&raw));
	ok = b.len >= NONCE_MIN && b.len <= NONCE_MAX;
	if (ok)
		memcpy(text, b.p, b.len);
	text[ok ? b.len : 0] = '\0';
	buf_free(&raw);
	buf_free(&b);
	return ok;
}

enum err
jwt_sign(const struct jwt_keys *keys, const json_t *verdict, const char *nonce,
    time_t now, time_t until, struct blob **out, struct why *why)
{
	const struct jwt_key *k = jwt_keys_signing(keys, now);
	time_t exp = now + keys->lifetime_s;
	char text[NONCE_MAX + 1];

	if (k == NULL)
		return why_set(why, ERR_NOT_AVAILABLE, "larder(1) key",
		    "there is no key to sign with");
	if (nonce != NULL && !nonce_text(nonce, text))
		return why_set(why, ERR_PARAM, "RFC 9711 4.1",
		    "a nonce has %d to %d characters", NONCE_MIN, NONCE_MAX);
	if (until != 0 && until < exp)
		exp = until;
	if (exp <= now)
		return why_set(why, ERR_PARAM, "RFC 7519 4.1.4",
		    "the verdict's collateral has ended: no token of it could "
		    "be valid");
	*out = compact(k,
	    claims_of(keys, verdict, nonce == NULL ? NULL : text, now, exp));
	return *out != NULL ? ERR_OK
			    : why_set(why, ERR_NOT_AVAILABLE, "larder(1) key",
				  "the key's store does not sign now");
}
