/* The folder of keys: made, read, rotated. */
#include "server/jwt.h"

#include "config/base/clock.h"
#include "config/base/must.h"
#include "server/jwt_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jose/jose.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAUSE   "larder.json(5) jwt.keys_dir"
#define FILE_MAX 4096
#define SUFFIX   ".jwk"

/* --- ownership -------------------------------------------------------- */

static void
key_fini(struct jwt_key *k)
{
	json_decref(k->jwk);
	EVP_PKEY_free(k->store);
}

struct jwt_keys *
jwt_keys_ref(struct jwt_keys *k)
{
	if (k != NULL)
		atomic_fetch_add(&k->refs, 1);
	return k;
}

void
jwt_keys_unref(struct jwt_keys *k)
{
	size_t i;

	if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	for (i = 0; i < k->n; i++)
		key_fini(&k->v[i]);
	free(k->v);
	free(k->issuer);
	free(k);
}

/* --- the folder ------------------------------------------------------- */

static enum err
fail(struct why *why, const char *path, const char *text)
{
	return why_set(why, ERR_CONFIG, CLAUSE, "%s: %s", path, text);
}

/* As configured, or "keys" beside the database. The caller's to free. */
static char *
keys_dir(const struct config *config)
{
	const char *db = config->database, *slash;
	struct buf b = BUF_INIT;
	char *dir;

	if (config->jwt.keys_dir != NULL)
		return xstrdup(config->jwt.keys_dir);
	if (strncmp(db, "sqlite:", 7) == 0)
		db += 7;
	slash = strrchr(db, '/');
	buf_add(&b, db, slash == NULL ? 0 : (size_t)(slash - db) + 1);
	buf_str(&b, "keys");
	dir = span_dup(buf_view(&b));
	buf_free(&b);
	return dir;
}

static enum err
dir_check(const char *dir, struct why *why)
{
	struct stat st;

	if (stat(dir, &st) == -1)
		return fail(why, dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(why, dir, "not a folder");
	if ((st.st_mode & 022) != 0)
		return fail(why, dir, "others may write to it");
	return ERR_OK;
}

static void
file_path(char *out, size_t len, const char *dir, const char *kid,
    const char *suffix)
{
	int n = snprintf(out, len, "%s/%s%s", dir, kid, suffix);

	must(n > 0 && (size_t)n < len);
}

/* --- one key ---------------------------------------------------------- */

static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

static bool
thumbprint(const json_t *jwk, char kid[JWT_KID_LEN + 1])
{
	json_t *thp = jose_jwk_thp(NULL, jwk, "S256");
	bool ok = json_string_length(thp) == JWT_KID_LEN;

	if (ok)
		memcpy(kid, json_string_value(thp), JWT_KID_LEN + 1);
	json_decref(thp);
	return ok;
}

/* The private half is that of the public one: sign something and look. */
static bool
pair_holds(const struct jwt_key *k)
{
	json_t *jws = jwt_jws(k, "bGFyZGVy");
	bool ok = jws != NULL && jose_jws_ver(NULL, jws, NULL, k->jwk, false);

	json_decref(jws);
	return ok;
}

static bool
is_es256(const json_t *jwk)
{
	return strcmp(member(jwk, "kty"), "EC") == 0 &&
	       strcmp(member(jwk, "crv"), "P-256") == 0 &&
	       strcmp(member(jwk, "alg"), "ES256") == 0 &&
	       (*member(jwk, "d") == '\0') != (*member(jwk, "uri") == '\0');
}

/* On failure key_fini() what is in "out". */
static enum err
key_check(const char *path, const char *name, struct jwt_key *out,
    struct why *why)
{
	enum err e = ERR_OK;

	if (!is_es256(out->jwk))
		return fail(why, path, "not a private key for ES256");
	if (*member(out->jwk, "uri") != '\0')
		e = jwt_store_open(member(out->jwk, "uri"), &out->store, why);
	if (e != ERR_OK)
		return why_in(why, e, "%s", path);
	if (!pair_holds(out))
		return fail(why, path, "not a private key for ES256");
	if (time_read(span_str(member(out->jwk, "sign_from")),
		&out->sign_from) != ERR_OK)
		return fail(why, path, "no time in \"sign_from\"");
	if (!thumbprint(out->jwk, out->kid) ||
	    strncmp(name, out->kid, JWT_KID_LEN) != 0 ||
	    strcmp(name + JWT_KID_LEN, SUFFIX) != 0)
		return fail(why, path, "its name is not the key's thumbprint");
	return ERR_OK;
}

static enum err
key_parse(struct span text, const char *path, const char *name,
    struct jwt_key *out, struct why *why)
{
	enum err e;

	memset(out, 0, sizeof(*out));
	out->jwk = json_loadb((const char *)text.p, text.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if ((e = key_check(path, name, out, why)) != ERR_OK)
		key_fini(out);
	return e;
}

/* The bytes of a regular file that is nobody else's to read. */
static enum err
file_read(const char *path, char text[FILE_MAX], size_t *len, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum err e = ERR_OK;
	struct stat st;
	ssize_t n;

	if (fd == -1 || fstat(fd, &st) == -1) {
		e = fail(why, path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
		e = fail(why, path, "must be a file of mode 0600");
		goto out;
	}
	for (*len = 0; *len < FILE_MAX; *len += (size_t)n)
		if ((n = read(fd, text + *len, FILE_MAX - *len)) <= 0)
			break;
	if (*len == FILE_MAX)
		e = fail(why, path, "too large for a key");
out:
	if (fd != -1)
		close(fd);
	return e;
}

static enum err
key_read(const char *dir, const char *name, struct jwt_key *out,
    struct why *why)
{
	char path[4096], text[FILE_MAX];
	size_t len = 0;
	enum err e;

	file_path(path, sizeof(path), dir, name, "");
	e = file_read(path, text, &len, why);
	if (e == ERR_OK)
		e = key_parse(span_of(text, len), path, name, out, why);
	explicit_bzero(text, sizeof(text));
	return e;
}

/* --- writing ---------------------------------------------------------- */

static enum err
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = write(fd, text, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n == -1)
			return ERR_IO;
	}
	return fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* So that a new name outlives a power failure. */
static enum err
dir_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = fd != -1 && fsync(fd) == 0 ? ERR_OK : ERR_IO;

	if (fd != -1)
		close(fd);
	return e;
}

/*
 * Root's "larder key rotate" makes keys for a larderd that is not root: they
 * belong to whom the folder belongs to.
 */
static enum err
key_own(int fd, const char *dir)
{
	struct stat st;

	if (geteuid() != 0)
		return ERR_OK;
	return stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0
		   ? ERR_OK
		   : ERR_IO;
}

/* The file of a key, new or instead of the old one; whole or not at all. */
static enum err
key_write(const char *dir, const struct jwt_key *k, struct why *why)
{
	char path[4096], part[4096], *text = json_dumps(k->jwk, JSON_COMPACT);
	enum err e = ERR_IO;
	int fd;

	must(text != NULL);
	file_path(path, sizeof(path), dir, k->kid, SUFFIX);
	file_path(part, sizeof(part), dir, k->kid, ".part");
	(void)unlink(part);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd != -1) {
		e = fchmod(fd, 0600) == 0 ? key_own(fd, dir) : ERR_IO;
		if (e == ERR_OK)
			e = write_all(fd, text, strlen(text));
		if (close(fd) == -1)
			e = ERR_IO;
	}
	if (e == ERR_OK && rename(part, path) == -1)
		e = ERR_IO;
	if (e == ERR_OK)
		e = dir_sync(dir);
	if (e != ERR_OK)
		e = why_set(why, ERR_IO, CLAUSE, "%s: %s", path,
		    strerror(errno));
	explicit_bzero(text, strlen(text));
	free(text);
	return e;
}

static void
key_from(struct jwt_key *k, time_t at)
{
	char text[TIME_LEN];

	k->sign_from = at;
	time_write(at, text);
	must(json_object_set_new(k->jwk, "sign_from", json_string(text)) == 0);
}

/* The public half of the key at this URI, and where the other one is. */
static enum err
key_of_store(const char *uri, struct jwt_key *k, struct why *why)
{
	enum err e = jwt_store_open(uri, &k->store, why);

	if (e == ERR_OK)
		e = jwt_store_public(k->store, k->jwk, why);
	if (e == ERR_OK)
		must(json_object_set_new(k->jwk, "uri", json_string(uri)) == 0);
	return e;
}

/* One that is there already would begin anew, and sign twice. */
static enum err
key_is_new(const struct jwt_keys *keys, const char *kid, struct why *why)
{
	size_t i;

	for (i = 0; i < keys->n; i++)
		if (strcmp(keys->v[i].kid, kid) == 0)
			return why_set(why, ERR_PARAM, CLAUSE,
			    "key %s is that one", kid);
	return ERR_OK;
}

/* A key beside these, new or of a store, in its file; kid gets its name. */
static enum err
key_make(const struct jwt_keys *keys, const char *dir, time_t sign_from,
    const char *uri, char kid[JWT_KID_LEN + 1], struct why *why)
{
	struct jwt_key k = { .jwk = json_pack("{s:s, s:s}", "alg", "ES256",
				 "use", "sig") };
	enum err e = ERR_OK;

	if (uri != NULL)
		e = key_of_store(uri, &k, why);
	else
		must(jose_jwk_gen(NULL, k.jwk));
	if (e != ERR_OK)
		goto out;
	must(thumbprint(k.jwk, k.kid));
	if ((e = key_is_new(keys, k.kid, why)) != ERR_OK)
		goto out;
	/* libjose says what else the key may do; "use" says it all. */
	json_object_del(k.jwk, "key_ops");
	must(json_object_set_new(k.jwk, "kid", json_string(k.kid)) == 0);
	key_from(&k, sign_from);
	e = pair_holds(&k) ? key_write(dir, &k, why)
			   : fail(why, k.kid, "it does not sign");
	if (e == ERR_OK)
		memcpy(kid, k.kid, sizeof(k.kid));
out:
	key_fini(&k);
	return e;
}

/* --- all of them ------------------------------------------------------ */

static int
key_cmp(const void *a, const void *b)
{
	const struct jwt_key *x = a, *y = b;

	if (x->sign_from != y->sign_from)
		return x->sign_from < y->sign_from ? -1 : 1;
	return strcmp(x->kid, y->kid);
}

static bool
is_key_name(const char *name)
{
	size_t len = strlen(name), end = strlen(SUFFIX);

	return name[0] != '.' && len > end &&
	       strcmp(name + len - end, SUFFIX) == 0;
}

static enum err
keys_read(struct jwt_keys *keys, const char *dir, DIR *d, struct why *why)
{
	const struct dirent *entry;
	enum err e = ERR_OK;

	while (e == ERR_OK && (entry = readdir(d)) != NULL) {
		if (!is_key_name(entry->d_name))
			continue;
		if (keys->n == JWT_KEYS_MAX)
			return fail(why, dir, "too many keys");
		e = key_read(dir, entry->d_name, &keys->v[keys->n], why);
		if (e == ERR_OK)
			keys->n++;
	}
	return e;
}

static struct jwt_keys *
keys_new(const struct config *config)
{
	struct jwt_keys *keys = xcalloc(1, sizeof(*keys));

	keys->refs = 1;
	keys->issuer = xstrdup(config->jwt.issuer);
	keys->lifetime_s = config->jwt.lifetime_s;
	keys->v = xcalloc(JWT_KEYS_MAX, sizeof(*keys->v));
	return keys;
}

/* A key stays published until no token of its can be valid any more. */
static void
keys_order(struct jwt_keys *keys, const struct config *config)
{
	int64_t overlap = config->jwt.overlap_s;
	size_t i;

	if (overlap < config->jwt.lifetime_s)
		overlap = config->jwt.lifetime_s;
	if (keys->n > 0)
		qsort(keys->v, keys->n, sizeof(*keys->v), key_cmp);
	for (i = 0; i < keys->n; i++)
		keys->v[i].end = i + 1 == keys->n
				     ? INT64_MAX
				     : keys->v[i + 1].sign_from + overlap;
}

static enum err
keys_load(const struct config *config, const char *dir, struct jwt_keys **out,
    struct why *why)
{
	struct jwt_keys *keys = keys_new(config);
	DIR *d = opendir(dir);
	enum err e;

	if (d == NULL)
		e = fail(why, dir, strerror(errno));
	else if ((e = dir_check(dir, why)) == ERR_OK)
		e = keys_read(keys, dir, d, why);
	if (d != NULL)
		closedir(d);
	if (e == ERR_OK) {
		keys_order(keys, config);
		*out = keys;
		keys = NULL;
	}
	jwt_keys_unref(keys);
	return e;
}

enum err
jwt_keys_load(const struct config *config, struct jwt_keys **out,
    struct why *why)
{
	char *dir = keys_dir(config);
	enum err e = keys_load(config, dir, out, why);

	free(dir);
	return e;
}

/* Made by root, it belongs to whom the folder around it belongs to. */
static enum err
dir_own(const char *dir)
{
	char around[4096];
	struct stat st;

	file_path(around, sizeof(around), dir, "..", "");
	if (geteuid() != 0)
		return ERR_OK;
	return stat(around, &st) == 0 && chown(dir, st.st_uid, st.st_gid) == 0
		   ? ERR_OK
		   : ERR_IO;
}

static enum err
dir_make(const char *dir, struct why *why)
{
	if (mkdir(dir, 0700) == 0)
		return dir_own(dir) == ERR_OK ? ERR_OK
					      : fail(why, dir, strerror(errno));
	return errno == EEXIST ? ERR_OK : fail(why, dir, strerror(errno));
}

enum err
jwt_keys_open(const struct config *config, time_t now, struct jwt_keys **out,
    struct why *why)
{
	char *dir = keys_dir(config), kid[JWT_KID_LEN + 1];
	struct jwt_keys *keys = NULL;
	enum err e;

	if ((e = dir_make(dir, why)) != ERR_OK ||
	    (e = keys_load(config, dir, &keys, why)) != ERR_OK)
		goto out;
	if (keys->n == 0) {
		if ((e = key_make(keys, dir, now, NULL, kid, why)) != ERR_OK)
			goto out;
		jwt_keys_unref(keys);
		keys = NULL;
		if ((e = keys_load(config, dir, &keys, why)) != ERR_OK)
			goto out;
	}
	*out = keys;
	keys = NULL;
out:
	jwt_keys_unref(keys);
	free(dir);
	return e;
}

/* --- rotating --------------------------------------------------------- */

/* The last key, while its time to sign has not come. */
static struct jwt_key *
keys_waiting(const struct jwt_keys *keys, time_t now)
{
	if (keys->n < 2 || keys->v[keys->n - 1].sign_from <= now)
		return NULL;
	return &keys->v[keys->n - 1];
}

/* Of the same second as the last of these n: behind it, or it is by chance
 * which of the two signs. */
static time_t
begin_after(const struct jwt_keys *keys, size_t n, time_t at)
{
	return n > 0 && keys->v[n - 1].sign_from == at ? at + 1 : at;
}

static enum err
keys_purge(const struct jwt_keys *keys, const char *dir, time_t now,
    struct why *why)
{
	char path[4096];
	size_t i;

	for (i = 0; i < keys->n; i++) {
		if (keys->v[i].end > now)
			continue;
		file_path(path, sizeof(path), dir, keys->v[i].kid, SUFFIX);
		if (unlink(path) == -1 && errno != ENOENT)
			return why_set(why, ERR_IO, CLAUSE, "%s: %s", path,
			    strerror(errno));
	}
	return ERR_OK;
}

/* One waits at a time, and it can only be told to begin. */
static enum err
rotate_allowed(const struct jwt_key *waiting, bool at_once, const char *uri,
    struct why *why)
{
	return waiting == NULL || (at_once && uri == NULL)
		   ? ERR_OK
		   : why_set(why, ERR_PARAM, CLAUSE,
			 "key %s is published and waits to sign", waiting->kid);
}

enum err
jwt_keys_rotate(const struct config *config, time_t now, bool at_once,
    const char *uri, char kid[JWT_KID_LEN + 1], struct why *why)
{
	char *dir = keys_dir(config);
	struct jwt_keys *keys = NULL;
	struct jwt_key *waiting;
	time_t from;
	enum err e;

	if ((e = dir_make(dir, why)) != ERR_OK ||
	    (e = keys_load(config, dir, &keys, why)) != ERR_OK)
		goto out;
	waiting = keys_waiting(keys, now);
	if ((e = rotate_allowed(waiting, at_once, uri, why)) != ERR_OK)
		goto out;
	if (waiting != NULL) {
		key_from(waiting, begin_after(keys, keys->n - 1, now));
		memcpy(kid, waiting->kid, sizeof(waiting->kid));
		e = key_write(dir, waiting, why);
	} else {
		from =
		    keys->n == 0 || at_once ? now : now + config->jwt.publish_s;
		e = key_make(keys, dir, begin_after(keys, keys->n, from), uri,
		    kid, why);
	}
	if (e == ERR_OK)
		e = keys_purge(keys, dir, now, why);
out:
	jwt_keys_unref(keys);
	free(dir);
	return e;
}
