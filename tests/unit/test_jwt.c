/*
 * Signed verdicts: tokens hold under the published set, for libjose and for
 * openssl alone; rotation on a virtual clock; what a folder of keys may be.
 */
#include "server/jwt.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/jwtkit.h"
#include "tests/kit/run.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jose/jose.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW  1800000000
#define HOUR 3600
#define DAY  (24 * HOUR)

/* --- fixtures --------------------------------------------------------- */

static char dir[256];

/* A folder of its own for each test, and a configuration that names it. */
static struct config *
config_new(const char *members)
{
	static unsigned n;
	struct config *c = NULL;
	struct why why = { 0 };
	char text[600], name[32];

	snprintf(name, sizeof(name), "keys%u-%d", n++, (int)getpid());
	snprintf(dir, sizeof(dir), "%s", run_path(name));
	snprintf(text, sizeof(text),
	    "{\"jwt\": {\"keys_dir\": \"%s\", \"issuer\": "
	    "\"https://larder.example\"%s}}",
	    dir, members);
	ck_assert_msg(config_read(span_str(text), "t.json", &c, &why) == ERR_OK,
	    "%s", why.text);
	return c;
}

static struct jwt_keys *
keys_open(const struct config *c, time_t now)
{
	struct jwt_keys *keys = NULL;
	struct why why = { 0 };

	ck_assert_msg(jwt_keys_open(c, now, &keys, &why) == ERR_OK, "%s",
	    why.text);
	return keys;
}

static json_t *
set_at(const struct jwt_keys *keys, time_t now)
{
	struct blob *b = jwt_keys_set(keys, now);
	json_t *set = json_loadb((const char *)b->data, b->len, 0, NULL);

	must(set != NULL);
	blob_unref(b);
	return set;
}

static struct blob *
sign(const struct jwt_keys *keys, const char *nonce, time_t now, time_t until)
{
	json_t *v = json_pack("{s:s, s:s, s:s, s:s}", "verdict", "accepted",
	    "iss", "somebody else", "exp", "never", "eat_nonce", "not asked");
	struct blob *token = NULL;
	struct why why = { 0 };

	ck_assert_msg(jwt_sign(keys, v, nonce, now, until, &token, &why) ==
			  ERR_OK,
	    "%s", why.text);
	json_decref(v);
	return token;
}

static const char *
text(const json_t *o, const char *name)
{
	const char *v = json_string_value(json_object_get(o, name));

	return v == NULL ? "" : v;
}

/* --- tokens ----------------------------------------------------------- */

START_TEST(test_token_holds_for_two_verifiers)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW);
	struct blob *token = sign(keys, "a nonce of theirs", NOW, 0);
	json_t *set = set_at(keys, NOW);

	ck_assert(jwt_jose_holds(set, token));
	ck_assert(jwt_openssl_holds(set, token));
	json_decref(set);
	blob_unref(token);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_changed_token_is_refused)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW), *others;
	struct blob *token = sign(keys, NULL, NOW, 0), *twin;
	json_t *set = set_at(keys, NOW), *foreign;
	struct config *c2 = config_new("");
	size_t dot, i, n = 0;
	char *copy;

	dot = (size_t)(strchr((const char *)token->data, '.') -
		       (const char *)token->data);
	/* The header is what finds the key; from there on any letter. */
	for (i = dot + 1; i < token->len - 1; i++) {
		if (token->data[i] == '.')
			continue;
		copy = span_dup(blob_span(token));
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		twin = blob_new(copy, token->len);
		ck_assert_msg(!jwt_jose_holds(set, twin), "%zu", i);
		blob_unref(twin);
		free(copy);
		n++;
	}
	ck_assert_uint_gt(n, 100);
	others = keys_open(c2, NOW);
	foreign = set_at(others, NOW);
	ck_assert(!jwt_jose_holds(foreign, token));
	json_decref(foreign);
	json_decref(set);
	blob_unref(token);
	jwt_keys_unref(others);
	jwt_keys_unref(keys);
	config_unref(c2);
	config_unref(c);
}
END_TEST

static json_int_t
number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

START_TEST(test_claims)
{
	struct config *c = config_new(", \"lifetime_s\": 600");
	struct jwt_keys *keys = keys_open(c, NOW);
	struct blob *token = sign(keys, "12345678", NOW, NOW + DAY);
	struct blob *again = sign(keys, NULL, NOW, NOW + 60);
	json_t *o = jwt_claims(token), *p = jwt_claims(again);

	ck_assert_str_eq(text(o, "verdict"), "accepted");
	/* What a verdict calls so is not what the token says. */
	ck_assert_str_eq(text(o, "iss"), "https://larder.example");
	ck_assert_str_eq(text(o, "eat_profile"), JWT_PROFILE);
	ck_assert_str_eq(text(o, "eat_nonce"), "12345678");
	ck_assert_int_eq(number(o, "iat"), NOW);
	ck_assert_int_eq(number(o, "nbf"), NOW);
	ck_assert_int_eq(number(o, "exp"), NOW + 600);
	ck_assert_uint_eq(strlen(text(o, "jti")), 32);
	ck_assert_str_ne(text(o, "jti"), text(p, "jti"));
	ck_assert_int_eq(number(p, "exp"), NOW + 60);
	ck_assert_ptr_null(json_object_get(p, "eat_nonce"));
	json_decref(o);
	json_decref(p);
	blob_unref(token);
	blob_unref(again);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_what_is_not_signed)
{
	static const char long_nonce[] =
	    "x2345678901234567890123456789012345678901234567890"
	    "123456789012345678901234567890123456789";
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW), *none = NULL;
	json_t *v = json_object();
	struct blob *token = NULL;
	struct config *c2;

	ck_assert_uint_eq(strlen(long_nonce), 89);
	ck_assert_int_eq(jwt_sign(keys, v, "1234567", NOW, 0, &token, NULL),
	    ERR_PARAM);
	ck_assert_int_eq(jwt_sign(keys, v, long_nonce, NOW, 0, &token, NULL),
	    ERR_PARAM);
	ck_assert_int_eq(jwt_sign(keys, v, NULL, NOW, NOW, &token, NULL),
	    ERR_PARAM);
	ck_assert_int_eq(jwt_sign(keys, v, long_nonce + 1, NOW, NOW + 1, &token,
			     NULL),
	    ERR_OK);
	blob_unref(token);
	c2 = config_new("");
	must(mkdir(dir, 0700) == 0);
	ck_assert_int_eq(jwt_keys_load(c2, &none, NULL), ERR_OK);
	ck_assert_uint_eq(none->n, 0);
	ck_assert_int_eq(jwt_sign(none, v, NULL, NOW, 0, &token, NULL),
	    ERR_NOT_AVAILABLE);
	json_decref(v);
	jwt_keys_unref(none);
	jwt_keys_unref(keys);
	config_unref(c2);
	config_unref(c);
}
END_TEST

/* 64 octets, which a question may have as its nonce, in hex. */
START_TEST(test_longest_nonce)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW);
	char hex[131];
	struct blob *token;
	json_t *o;

	memset(hex, 'f', sizeof(hex));
	hex[128] = '\0';
	token = sign(keys, hex, NOW, 0);
	o = jwt_claims(token);
	ck_assert_uint_eq(strlen(text(o, "eat_nonce")), 86);
	ck_assert_uint_eq(strspn(text(o, "eat_nonce"), "_"), 85);
	json_decref(o);
	blob_unref(token);
	hex[128] = hex[129] = 'f';
	hex[130] = '\0';
	o = json_object();
	/* 65 fit as well; 67 no more. */
	ck_assert_int_eq(jwt_sign(keys, o, hex, NOW, 0, &token, NULL), ERR_OK);
	blob_unref(token);
	json_decref(o);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_set_has_no_private_part)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW);
	json_t *set = set_at(keys, NOW), *row, *thp, *v;
	const char *name;

	row = json_array_get(json_object_get(set, "keys"), 0);
	ck_assert_ptr_nonnull(row);
	json_object_foreach(row, name, v)
	    ck_assert_msg(strstr(" kty crv x y alg use kid ", name) != NULL,
		"%s", name);
	ck_assert_uint_eq(json_object_size(row), 7);
	thp = jose_jwk_thp(NULL, row, "S256");
	ck_assert_str_eq(json_string_value(thp), text(row, "kid"));
	json_decref(thp);
	json_decref(set);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

/* --- rotation --------------------------------------------------------- */

static void
rotate(const struct config *c, time_t now, bool at_once,
    char kid[JWT_KID_LEN + 1])
{
	struct why why = { 0 };

	ck_assert_msg(jwt_keys_rotate(c, now, at_once, NULL, kid, &why) ==
			  ERR_OK,
	    "%s", why.text);
}

static bool
published(const struct jwt_keys *keys, const char *kid, time_t now)
{
	json_t *set = set_at(keys, now), *row;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(set, "keys"), i, row) found =
	    found || strcmp(text(row, "kid"), kid) == 0;
	json_decref(set);
	return found;
}

/* Every hour: who signs, and that what was signed an hour or a token's life
 * ago still verifies under what is published now. */
START_TEST(test_rotation_overlaps)
{
	struct config *c = config_new(", \"lifetime_s\": 7200, \"publish_s\": "
				      "86400, \"overlap_s\": 172800");
	struct jwt_keys *keys = keys_open(c, NOW);
	char first[JWT_KID_LEN + 1], second[JWT_KID_LEN + 1];
	struct blob *token, *before[2] = { NULL, NULL };
	time_t at, from = NOW + 10 * DAY;
	json_t *set;
	size_t i;

	memcpy(first, keys->v[0].kid, sizeof(first));
	rotate(c, from, false, second);
	jwt_keys_unref(keys);
	keys = keys_open(c, from);
	ck_assert_uint_eq(keys->n, 2);
	for (at = from; at < from + 5 * DAY; at += HOUR) {
		ck_assert_str_eq(jwt_keys_signing(keys, at)->kid,
		    at < from + DAY ? first : second);
		ck_assert(published(keys, second, at));
		ck_assert_int_eq(published(keys, first, at),
		    at < from + DAY + 2 * DAY);
		token = sign(keys, NULL, at, 0);
		set = set_at(keys, at);
		ck_assert(jwt_jose_holds(set, token));
		for (i = 0; i < 2; i++)
			ck_assert(before[i] == NULL ||
				  jwt_jose_holds(set, before[i]));
		json_decref(set);
		blob_unref(before[1]);
		before[1] = before[0];
		before[0] = token;
	}
	blob_unref(before[0]);
	blob_unref(before[1]);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_overlap_covers_a_tokens_life)
{
	struct config *c = config_new(", \"lifetime_s\": 7200, \"overlap_s\": "
				      "0");
	struct jwt_keys *keys = keys_open(c, NOW);
	char kid[JWT_KID_LEN + 1];

	rotate(c, NOW + DAY, true, kid);
	jwt_keys_unref(keys);
	keys = keys_open(c, NOW + DAY);
	ck_assert(published(keys, keys->v[0].kid, NOW + DAY + 7199));
	ck_assert(!published(keys, keys->v[0].kid, NOW + DAY + 7200));
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_one_key_waits_at_a_time)
{
	struct config *c = config_new("");
	char kid[JWT_KID_LEN + 1], now_kid[JWT_KID_LEN + 1];
	struct jwt_keys *keys;

	rotate(c, NOW, false, kid); /* the first signs at once */
	rotate(c, NOW + 1, false, kid);
	ck_assert_int_eq(jwt_keys_rotate(c, NOW + 2, false, NULL, now_kid,
			     NULL),
	    ERR_PARAM);
	/* At once: the one that waits, whom clients know already. */
	rotate(c, NOW + 3, true, now_kid);
	ck_assert_str_eq(now_kid, kid);
	keys = keys_open(c, NOW + 3);
	ck_assert_uint_eq(keys->n, 2);
	ck_assert_str_eq(jwt_keys_signing(keys, NOW + 3)->kid, kid);
	ck_assert_str_ne(jwt_keys_signing(keys, NOW + 2)->kid, kid);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

/* By chance half of these keys come behind the other in the order of names. */
START_TEST(test_the_new_key_is_the_last_even_in_the_same_second)
{
	char first[JWT_KID_LEN + 1], kid[JWT_KID_LEN + 1];
	struct config *c;
	struct jwt_keys *keys;
	int i;

	for (i = 0; i < 8; i++) {
		c = config_new("");
		rotate(c, NOW, false, first);
		rotate(c, NOW, true, kid);
		keys = keys_open(c, NOW);
		ck_assert_str_eq(jwt_keys_signing(keys, NOW)->kid, first);
		ck_assert_str_eq(jwt_keys_signing(keys, NOW + 1)->kid, kid);
		jwt_keys_unref(keys);
		/* Again: it is that one that waits, and goes on to. */
		rotate(c, NOW, true, first);
		ck_assert_str_eq(first, kid);
		keys = keys_open(c, NOW);
		ck_assert_str_eq(jwt_keys_signing(keys, NOW + 1)->kid, kid);
		jwt_keys_unref(keys);
		config_unref(c);
	}
}
END_TEST

START_TEST(test_ended_keys_are_removed)
{
	struct config *c = config_new(", \"overlap_s\": 86400");
	char first[JWT_KID_LEN + 1], kid[JWT_KID_LEN + 1], path[512];
	struct jwt_keys *keys;

	rotate(c, NOW, false, first);
	rotate(c, NOW + 1, true, kid);
	snprintf(path, sizeof(path), "%s/%s.jwk", dir, first);
	ck_assert_int_eq(access(path, F_OK), 0);
	rotate(c, NOW + 2 * DAY, true, kid);
	ck_assert_int_eq(access(path, F_OK), -1);
	keys = keys_open(c, NOW + 2 * DAY);
	ck_assert_uint_eq(keys->n, 2);
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

/* --- keys of a store -------------------------------------------------- */

static char pem_path[400], pem_uri[420];

/* A key of this curve in a file of its own; "pass": encrypted with that. */
static void
store_write(const char *curve, const char *pass)
{
	EVP_PKEY *key = EVP_EC_gen(curve);
	FILE *f;

	snprintf(pem_path, sizeof(pem_path), "%s.pem", dir);
	snprintf(pem_uri, sizeof(pem_uri), "file:%s", pem_path);
	must((f = fopen(pem_path, "w")) != NULL);
	must(PEM_write_PKCS8PrivateKey(f, key,
		 pass == NULL ? NULL : EVP_aes_128_cbc(), NULL, 0, NULL,
		 (void *)(uintptr_t)pass) == 1);
	must(fclose(f) == 0 && chmod(pem_path, 0600) == 0);
	EVP_PKEY_free(key);
}

/* All that stands in the files of the folder. */
static void
expect_no_private_half(void)
{
	char line[600];
	struct run r;

	snprintf(line, sizeof(line), "grep -r \"d\": %s", dir);
	r = run_line("", line);
	ck_assert_int_eq(r.status, 1);
	run_free(&r);
}

START_TEST(test_a_key_of_a_store_signs_where_it_is)
{
	struct config *c = config_new("");
	char kid[JWT_KID_LEN + 1], again[430];
	struct why why = { 0 };
	struct jwt_keys *keys;
	struct blob *token, *twin;
	json_t *set;

	store_write("P-256", NULL);
	ck_assert_int_eq(jwt_keys_rotate(c, NOW, false, pem_uri, kid, NULL),
	    ERR_OK);
	expect_no_private_half();
	/* It is the first, and signs at once. */
	keys = keys_open(c, NOW);
	ck_assert_uint_eq(keys->n, 1);
	ck_assert_str_eq(jwt_keys_signing(keys, NOW)->kid, kid);
	token = sign(keys, "a nonce of theirs", NOW, 0);
	set = set_at(keys, NOW);
	ck_assert(jwt_jose_holds(set, token));
	ck_assert(jwt_openssl_holds(set, token));
	ck_assert_ptr_null(
	    json_object_get(json_array_get(json_object_get(set, "keys"), 0),
		"uri"));
	twin = flipped(blob_span(token), token->len / 2, 1);
	ck_assert(!jwt_jose_holds(set, twin));
	/* It does not come twice, by whatever name; one of this folder's own
	 * may follow. */
	ck_assert_int_eq(jwt_keys_rotate(c, NOW, false, pem_uri, kid, NULL),
	    ERR_PARAM);
	snprintf(again, sizeof(again), "file://%s", pem_path);
	ck_assert_int_eq(jwt_keys_rotate(c, NOW, false, again, kid, &why),
	    ERR_PARAM);
	ck_assert_msg(strstr(why.text, "is that one") != NULL, "%s", why.text);
	rotate(c, NOW, false, kid);
	jwt_keys_unref(keys);
	keys = keys_open(c, NOW);
	ck_assert_uint_eq(keys->n, 2);
	jwt_keys_unref(keys);
	json_decref(set);
	blob_unref(twin);
	blob_unref(token);
	config_unref(c);
}
END_TEST

static void
uri_refused(const struct config *c, const char *uri, const char *reason)
{
	char kid[JWT_KID_LEN + 1];
	struct why why = { 0 };

	ck_assert_int_eq(jwt_keys_rotate(c, NOW, false, uri, kid, &why),
	    ERR_CONFIG);
	ck_assert_msg(strstr(why.text, reason) != NULL, "%s", why.text);
}

START_TEST(test_what_is_no_key_of_a_store)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = NULL;
	char kid[JWT_KID_LEN + 1];
	struct why why = { 0 };

	store_write("P-384", NULL);
	uri_refused(c, pem_uri, "P-256");
	/* Nobody is there to be asked. */
	store_write("P-256", "secret");
	uri_refused(c, pem_uri, "no private key");
	store_write("P-256", NULL);
	uri_refused(c, pem_path, "scheme");
	uri_refused(c, "file:keys.pem", "file:/PATH");
	uri_refused(c, "file:/none/such", "No such file");
	uri_refused(c, "nowhere:object=key?pin-value=1234", "no private key");
	must(chmod(pem_path, 0640) == 0);
	uri_refused(c, pem_uri, "0600");
	must(chmod(pem_path, 0600) == 0);
	ck_assert_int_eq(jwt_keys_rotate(c, NOW, false, pem_uri, kid, NULL),
	    ERR_OK);
	/* Another one in its place is not the one that is published. */
	store_write("P-256", NULL);
	ck_assert_int_eq(jwt_keys_load(c, &keys, &why), ERR_CONFIG);
	ck_assert_msg(strstr(why.text, "ES256") != NULL, "%s", why.text);
	must(unlink(pem_path) == 0);
	ck_assert_int_eq(jwt_keys_load(c, &keys, &why), ERR_CONFIG);
	config_unref(c);
}
END_TEST

/* --- the folder ------------------------------------------------------- */

static char first_path[512];

/* A folder with one key, whose path is first_path. */
static struct config *
folder(void)
{
	struct config *c = config_new("");
	struct jwt_keys *keys = keys_open(c, NOW);

	snprintf(first_path, sizeof(first_path), "%s/%s.jwk", dir,
	    keys->v[0].kid);
	jwt_keys_unref(keys);
	return c;
}

static void
refused(const struct config *c, const char *reason)
{
	struct jwt_keys *keys = NULL;
	struct why why = { 0 };

	ck_assert_int_eq(jwt_keys_open(c, NOW, &keys, &why), ERR_CONFIG);
	ck_assert_msg(strstr(why.text, reason) != NULL, "%s", why.text);
}

START_TEST(test_modes_are_enforced)
{
	static const mode_t modes[] = { 0640, 0604, 0660, 0602, 0611 };
	struct config *c = folder();
	struct jwt_keys *keys;
	struct stat st;
	size_t i;

	ck_assert(stat(first_path, &st) == 0 && (st.st_mode & 0777) == 0600);
	ck_assert(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		must(chmod(first_path, modes[i]) == 0);
		refused(c, "mode 0600");
	}
	must(chmod(first_path, 0400) == 0);
	keys = keys_open(c, NOW);
	ck_assert_uint_eq(keys->n, 1);
	jwt_keys_unref(keys);
	must(chmod(dir, 0730) == 0);
	refused(c, "others may write");
	config_unref(c);
}
END_TEST

START_TEST(test_links_are_no_keys)
{
	struct config *c = folder();
	char other[600];

	snprintf(other, sizeof(other), "%s/elsewhere", dir);
	must(rename(first_path, other) == 0);
	must(symlink("elsewhere", first_path) == 0);
	refused(c, first_path);
	config_unref(c);
}
END_TEST

static void
spill(const char *path, const char *s)
{
	FILE *f;

	must(unlink(path) == 0 && (f = fopen(path, "w")) != NULL);
	must(fputs(s, f) >= 0 && fclose(f) == 0 && chmod(path, 0600) == 0);
}

START_TEST(test_what_is_no_key_is_refused)
{
	struct config *c = folder();
	struct buf good = run_slurp(first_path);
	struct jwt_keys *keys;
	json_t *jwk = json_loads(good.p, 0, NULL),
	       *other = json_pack("{s:s}", "alg", "ES256");
	char *s;

	spill(first_path, "");
	refused(c, "not a private key");
	spill(first_path, "[]");
	refused(c, "not a private key");
	spill(first_path, "{\"kty\":\"EC\",\"crv\":\"P-256\"}");
	refused(c, "not a private key");
	/* Another key's private half under this one's public half. */
	must(jose_jwk_gen(NULL, other));
	json_object_set(other, "x", json_object_get(jwk, "x"));
	json_object_set(other, "y", json_object_get(jwk, "y"));
	s = json_dumps(other, 0);
	spill(first_path, s);
	free(s);
	refused(c, "not a private key");
	json_object_del(jwk, "sign_from");
	s = json_dumps(jwk, 0);
	spill(first_path, s);
	free(s);
	refused(c, "sign_from");
	/* It was these bytes, and not their place. */
	spill(first_path, good.p);
	keys = keys_open(c, NOW);
	ck_assert_uint_eq(keys->n, 1);
	jwt_keys_unref(keys);
	buf_free(&good);
	json_decref(jwk);
	json_decref(other);
	config_unref(c);
}
END_TEST

START_TEST(test_name_is_the_thumbprint)
{
	struct config *c = folder();
	char other[600];

	snprintf(other, sizeof(other), "%s/mine.jwk", dir);
	must(rename(first_path, other) == 0);
	refused(c, "thumbprint");
	config_unref(c);
}
END_TEST

/* Root's larder key rotate, for a larderd that is somebody else. */
START_TEST(test_keys_belong_to_the_folders_owner)
{
	struct config *c = config_new("");
	char around[300], kid[JWT_KID_LEN + 1], path[512];
	struct stat st;

	if (geteuid() != 0) {
		printf("skipped: 1 not root\n");
		config_unref(c);
		return;
	}
	/* Of the folder around it, then of the folder itself. */
	snprintf(around, sizeof(around), "%s", run_dir());
	must(chown(around, 12345, 12346) == 0);
	rotate(c, NOW, false, kid);
	must(chown(around, 0, 0) == 0);
	ck_assert(stat(dir, &st) == 0 && st.st_uid == 12345 &&
		  st.st_gid == 12346 && (st.st_mode & 0777) == 0700);
	rotate(c, NOW, true, kid);
	snprintf(path, sizeof(path), "%s/%s.jwk", dir, kid);
	ck_assert(stat(path, &st) == 0 && st.st_uid == 12345 &&
		  (st.st_mode & 0777) == 0600);
	config_unref(c);
}
END_TEST

START_TEST(test_folder_is_beside_the_database)
{
	char text_[400], where[300];
	struct config *c = NULL;
	struct jwt_keys *keys;

	snprintf(text_, sizeof(text_), "{\"database\": \"sqlite:%s\"}",
	    run_path("larder.db"));
	ck_assert_int_eq(config_read(span_str(text_), "t.json", &c, NULL),
	    ERR_OK);
	keys = keys_open(c, NOW);
	snprintf(where, sizeof(where), "%s/%s.jwk", run_path("keys"),
	    keys->v[0].kid);
	ck_assert_int_eq(access(where, R_OK), 0);
	ck_assert_str_eq(keys->issuer, "larder");
	jwt_keys_unref(keys);
	config_unref(c);
}
END_TEST

START_TEST(test_issuer_is_bounded)
{
	struct config *c = NULL;

	ck_assert_int_eq(config_read(span_str("{\"jwt\":{\"issuer\":\"a b\"}}"),
			     "t.json", &c, NULL),
	    ERR_CONFIG);
	ck_assert_int_eq(config_read(span_str("{\"jwt\":{\"issuer\":\"\"}}"),
			     "t.json", &c, NULL),
	    ERR_CONFIG);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwt");
	TCase *tc = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	run_dir();
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_token_holds_for_two_verifiers);
	tcase_add_test(tc, test_changed_token_is_refused);
	tcase_add_test(tc, test_claims);
	tcase_add_test(tc, test_what_is_not_signed);
	tcase_add_test(tc, test_longest_nonce);
	tcase_add_test(tc, test_set_has_no_private_part);
	tcase_add_test(tc, test_rotation_overlaps);
	tcase_add_test(tc, test_overlap_covers_a_tokens_life);
	tcase_add_test(tc, test_one_key_waits_at_a_time);
	tcase_add_test(tc,
	    test_the_new_key_is_the_last_even_in_the_same_second);
	tcase_add_test(tc, test_a_key_of_a_store_signs_where_it_is);
	tcase_add_test(tc, test_what_is_no_key_of_a_store);
	tcase_add_test(tc, test_ended_keys_are_removed);
	tcase_add_test(tc, test_modes_are_enforced);
	tcase_add_test(tc, test_links_are_no_keys);
	tcase_add_test(tc, test_what_is_no_key_is_refused);
	tcase_add_test(tc, test_name_is_the_thumbprint);
	tcase_add_test(tc, test_keys_belong_to_the_folders_owner);
	tcase_add_test(tc, test_folder_is_beside_the_database);
	tcase_add_test(tc, test_issuer_is_bounded);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
