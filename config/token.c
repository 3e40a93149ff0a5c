/*
 * Tokens: PCCS's SHA-512 hashes and named scrypt ones (pccs-api 3).
 *
 * scrypt is slow on purpose, so what was proved once is remembered: pairs of
 * a token and a hash, as digests keyed with a secret of this process, in two
 * small tables.  Nobody who sends wrong tokens can push a right one out.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/schema.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 1024 /* longer ones are refused unread */

/* --- scrypt ----------------------------------------------------------- */

/* RFC 7914 2: N = 2^15 with r = 8 takes 32 MB and some 60 ms. */
#define SCRYPT_LN       15
#define SCRYPT_R        8
#define SCRYPT_P        1
#define SCRYPT_MEM_MAX  ((size_t)64 << 20)
#define SCRYPT_SALT_MAX 64
#define SCRYPT_KEY_LEN  32

struct scrypt {
	unsigned ln, r, p;
	unsigned char salt[SCRYPT_SALT_MAX];
	size_t salt_len;
	unsigned char key[SCRYPT_KEY_LEN];
};

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_CONFIG, CONFIG_CLAUSE, "%s", text);
}

/* "NAME=DIGITS" up to "stop"; 1 to max. */
static bool
scrypt_number(struct span *s, const char *name, unsigned char stop,
    unsigned max, unsigned *out)
{
	struct span part;
	unsigned v = 0;
	size_t i;

	if (span_until(s, stop, &part) != ERR_OK || !span_starts(part, name))
		return false;
	must(span_skip(&part, strlen(name)) == ERR_OK);
	if (part.len == 0 || part.len > 4 || part.p[0] == '0')
		return false;
	for (i = 0; i < part.len; i++) {
		if (part.p[i] < '0' || part.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(part.p[i] - '0');
	}
	*out = v;
	return v <= max;
}

/* base64url of min to max bytes. */
static bool
scrypt_bytes(struct span text, size_t min, size_t max, unsigned char *out,
    size_t *len)
{
	struct buf b = BUF_INIT;
	bool ok =
	    base64_read(text, &b) == ERR_OK && b.len >= min && b.len <= max;

	if (ok) {
		memcpy(out, b.p, b.len);
		*len = b.len;
	}
	buf_free(&b);
	return ok;
}

/* "$scrypt$ln=15,r=8,p=1$salt$hash", the numbers bounded. */
static enum err
scrypt_read(const char *hash, struct scrypt *out, struct why *why)
{
	struct span s = span_str(hash), salt;
	struct scrypt k = { 0 };
	size_t key_len;

	if (!span_starts(s, "$scrypt$"))
		return bad(why, "must begin with \"$scrypt$\"");
	must(span_skip(&s, 8) == ERR_OK);
	if (!scrypt_number(&s, "ln=", ',', 20, &k.ln) ||
	    !scrypt_number(&s, "r=", ',', 64, &k.r) ||
	    !scrypt_number(&s, "p=", '$', 16, &k.p) || k.ln < 10)
		return bad(why, "must have parameters like ln=15,r=8,p=1");
	if ((size_t)128 * k.r << k.ln > SCRYPT_MEM_MAX)
		return bad(why, "would take more than 64 MiB to check");
	if (span_until(&s, '$', &salt) != ERR_OK ||
	    !scrypt_bytes(salt, 8, SCRYPT_SALT_MAX, k.salt, &k.salt_len) ||
	    !scrypt_bytes(s, SCRYPT_KEY_LEN, SCRYPT_KEY_LEN, k.key, &key_len))
		return bad(why, "must end in $SALT$HASH, base64url of 8 to 64 "
				"and of 32 bytes");
	*out = k;
	return ERR_OK;
}

enum err
scrypt_check(const char *hash, struct why *why)
{
	struct scrypt k;

	return scrypt_read(hash, &k, why);
}

/* The key of a token with the parameters and salt of k. */
static enum err
scrypt_run(const struct scrypt *k, struct span token,
    unsigned char out[SCRYPT_KEY_LEN], struct why *why)
{
	const char *pass = token.len == 0 ? "" : (const char *)token.p;

	if (EVP_PBE_scrypt(pass, token.len, k->salt, k->salt_len,
		(uint64_t)1 << k->ln, k->r, k->p,
		SCRYPT_MEM_MAX + SCRYPT_MEM_MAX / 4, out, SCRYPT_KEY_LEN) == 1)
		return ERR_OK;
	ERR_clear_error();
	return why_set(why, ERR_INTERNAL, "RFC 7914", "scrypt failed");
}

static bool
scrypt_matches(const char *hash, struct span token)
{
	unsigned char key[SCRYPT_KEY_LEN];
	struct scrypt k;
	bool same;

	if (scrypt_read(hash, &k, NULL) != ERR_OK ||
	    scrypt_run(&k, token, key, NULL) != ERR_OK)
		return false;
	same = equal_ct(key, k.key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return same;
}

void
token_make(struct buf *out)
{
	unsigned char raw[32];

	random_bytes(raw, sizeof(raw));
	buf_base64url(out, span_of(raw, sizeof(raw)));
	explicit_bzero(raw, sizeof(raw));
}

enum err
token_hash(struct span token, struct buf *out, struct why *why)
{
	struct scrypt k = { .ln = SCRYPT_LN, .r = SCRYPT_R, .p = SCRYPT_P };
	enum err e;

	if (token.len == 0 || token.len > TOKEN_MAX)
		return why_set(why, ERR_PARAM, CONFIG_CLAUSE,
		    "a token has 1 to %d bytes", TOKEN_MAX);
	k.salt_len = 16;
	random_bytes(k.salt, k.salt_len);
	if ((e = scrypt_run(&k, token, k.key, why)) != ERR_OK)
		return e;
	buf_printf(out, "$scrypt$ln=%u,r=%u,p=%u$", k.ln, k.r, k.p);
	buf_base64url(out, span_of(k.salt, k.salt_len));
	buf_str(out, "$");
	buf_base64url(out, span_of(k.key, sizeof(k.key)));
	return ERR_OK;
}

/* --- verdicts --------------------------------------------------------- */

#define YES_MAX 128 /* twice the named tokens there can be */
#define NO_MAX  1024

struct pair { /* a token and a hash */
	unsigned char id[32];
};
static struct {
	pthread_mutex_t lock;
	struct pair yes[YES_MAX], no[NO_MAX]; /* zero: free */
	size_t yes_next, no_next;             /* the oldest */
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static unsigned char seen_key[32];

static void
seen_key_draw(void)
{
	random_bytes(seen_key, sizeof(seen_key));
}

static struct pair
pair_of(struct span token, const char *hash)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct buf b = BUF_INIT;
	unsigned char sum[32];
	struct pair pair;

	must(pthread_once(&once, seen_key_draw) == 0);
	sha256(token, sum);
	buf_add(&b, seen_key, sizeof(seen_key));
	buf_add(&b, sum, sizeof(sum));
	buf_str(&b, hash);
	sha256(buf_view(&b), pair.id);
	buf_free(&b);
	return pair;
}

static bool
pair_in(const struct pair *v, size_t n, const struct pair *pair)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (memcmp(&v[i], pair, sizeof(*pair)) == 0)
			return true;
	}
	return false;
}

static enum token_state
seen_get(const struct pair *pair)
{
	enum token_state state = TOKEN_UNPROVEN;

	must(pthread_mutex_lock(&seen.lock) == 0);
	if (pair_in(seen.yes, YES_MAX, pair))
		state = TOKEN_GRANTED;
	else if (pair_in(seen.no, NO_MAX, pair))
		state = TOKEN_REFUSED;
	must(pthread_mutex_unlock(&seen.lock) == 0);
	return state;
}

static void
seen_put(const struct pair *pair, bool yes)
{
	must(pthread_mutex_lock(&seen.lock) == 0);
	if (yes) {
		seen.yes[seen.yes_next] = *pair;
		seen.yes_next = (seen.yes_next + 1) % YES_MAX;
	} else {
		seen.no[seen.no_next] = *pair;
		seen.no_next = (seen.no_next + 1) % NO_MAX;
	}
	must(pthread_mutex_unlock(&seen.lock) == 0);
}

/* --- the check -------------------------------------------------------- */

/* Whether a list has this hash; all of it is compared, always. */
static bool
sha512_in(const struct config_list *list, const char hex[129])
{
	bool found = false;
	size_t i;

	for (i = 0; i < list->n; i++)
		found = equal_ct(list->v[i], hex, 128) || found;
	return found;
}

static unsigned
sha512_roles(const struct config *c, struct span token)
{
	unsigned char sum[64];
	unsigned role = ROLE_NONE;
	char hex[129];

	sha512(token, sum);
	hex_lower(span_of(sum, sizeof(sum)), hex);
	if (sha512_in(&c->tokens.admin_sha512, hex))
		role |= ROLE_ADMIN;
	if (sha512_in(&c->tokens.user_sha512, hex))
		role |= ROLE_USER;
	return role;
}

/* Whether this row's token it is; TOKEN_UNPROVEN only if not to prove. */
static enum token_state
named_state(const struct config_token *t, struct span token, bool prove)
{
	struct pair pair = pair_of(token, t->hash);
	enum token_state state = seen_get(&pair);
	bool yes;

	if (state != TOKEN_UNPROVEN || !prove)
		return state;
	yes = scrypt_matches(t->hash, token);
	seen_put(&pair, yes);
	return yes ? TOKEN_GRANTED : TOKEN_REFUSED;
}

static enum token_state
token_judge(const struct config *c, struct span token, time_t now, bool prove,
    struct token_grant *out)
{
	enum token_state state = TOKEN_REFUSED, one;
	const struct config_token *t;
	struct token_grant grant = { ROLE_NONE, "" };
	size_t i;

	if (token.len == 0 || token.len > TOKEN_MAX)
		return TOKEN_REFUSED;
	grant.role = (enum role)sha512_roles(c, token);
	for (i = 0; i < c->tokens.n_named && grant.role == ROLE_NONE; i++) {
		t = &c->tokens.named[i];
		if (t->expires_at != 0 && t->expires_at <= now)
			continue;
		one = named_state(t, token, prove);
		if (one == TOKEN_GRANTED) {
			grant.role = t->role;
			grant.who = t->name;
		} else if (one == TOKEN_UNPROVEN) {
			state = one;
		}
	}
	if (grant.role == ROLE_NONE)
		return state;
	*out = grant;
	return TOKEN_GRANTED;
}

enum token_state
token_check(const struct config *c, struct span token, time_t now,
    struct token_grant *out)
{
	return token_judge(c, token, now, false, out);
}

enum token_state
token_prove(const struct config *c, struct span token, time_t now,
    struct token_grant *out)
{
	return token_judge(c, token, now, true, out);
}
