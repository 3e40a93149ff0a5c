/* Secrets that stand in files or in the environment. */
#include "config/base/must.h"
#include "config/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX  65536
#define API_KEY_MAX 1024
#define API_KEY_ENV "LARDER_PCS_API_KEY"

static enum err
file_fail(struct why *why, int errnum)
{
	return why_set(why, ERR_CONFIG, CONFIG_CLAUSE, "%s", strerror(errnum));
}

enum err
config_file_read(const char *path, size_t max, struct buf *out, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t start = out->len;
	char part[4096];
	ssize_t n;
	enum err e = ERR_OK;

	if (fd == -1)
		return file_fail(why, errno);
	while ((n = read(fd, part, sizeof(part))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			e = file_fail(why, errno);
			break;
		}
		if ((size_t)n > max - (out->len - start)) {
			e = why_set(why, ERR_CONFIG, CONFIG_CLAUSE,
			    "larger than %zu bytes", max);
			break;
		}
		buf_add(out, part, (size_t)n);
	}
	explicit_bzero(part, sizeof(part));
	close(fd);
	return e;
}

static void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

/* What "file:PATH" or "env:NAME" holds, appended. */
static enum err
source_read(const struct reader *r, const char *from, struct buf *out)
{
	struct why why;
	const char *v;

	if (strncmp(from, "env:", 4) == 0) {
		if ((v = getenv(from + 4)) == NULL)
			return reader_fail(r, "%s: not in the environment",
			    from + 4);
		buf_str(out, v);
		return ERR_OK;
	}
	if (config_file_read(from + 5, SECRET_MAX, out, &why) != ERR_OK)
		return reader_fail(r, "%s: %s", from + 5, why.text);
	return ERR_OK;
}

/* The next word of *s, owned; NULL at the end. "#" begins a comment line. */
static char *
word_next(struct span *s)
{
	static const char white[] = " \t\r\n";
	struct span line;
	size_t n;

	for (;;) {
		while (s->len != 0 && memchr(white, s->p[0], 4) != NULL)
			must(span_skip(s, 1) == ERR_OK);
		if (s->len == 0)
			return NULL;
		if (s->p[0] != '#')
			break;
		if (span_until(s, '\n', &line) != ERR_OK)
			return NULL;
	}
	for (n = 0; n < s->len && memchr(white, s->p[n], 4) == NULL; n++)
		continue;
	must(span_take(s, n, &line) == ERR_OK);
	return span_dup(line);
}

static bool
is_source(const char *s)
{
	return strncmp(s, "file:", 5) == 0 || strncmp(s, "env:", 4) == 0;
}

/* The words a source holds, each checked, added to the list. */
static enum err
source_words(const struct reader *r, const char *from,
    enum err (*check)(char *, struct why *), struct config_list *out)
{
	struct buf text = BUF_INIT;
	struct span rest;
	struct why why;
	char *word;
	size_t n = 0;
	enum err e;

	if ((e = source_read(r, from, &text)) != ERR_OK)
		goto out;
	rest = buf_view(&text);
	while (e == ERR_OK && (word = word_next(&rest)) != NULL) {
		n++;
		/* no source inside a source */
		if (is_source(word))
			e = reader_fail(r, "%s: word %zu is no hash", from, n);
		else if (check(word, &why) != ERR_OK)
			e = reader_fail(r, "%s: word %zu %s", from, n,
			    why.text);
		else
			config_list_add(out, word);
		free(word);
	}
	if (e == ERR_OK && n == 0)
		e = reader_fail(r, "%s: holds nothing", from);
out:
	buf_wipe(&text);
	return e;
}

static enum err
hashes_read(struct reader *r, const char *path, const struct config_list *from,
    struct config_list *out)
{
	size_t i, len, outer = reader_enter(r, "%s", path);
	enum err e;

	for (i = 0; i < from->n; i++) {
		if (!is_source(from->v[i])) {
			config_list_add(out, from->v[i]);
			continue;
		}
		len = reader_enter(r, "[%zu]", i);
		e = source_words(r, from->v[i], syntax_sha512, out);
		if (e != ERR_OK)
			return e;
		reader_leave(r, len);
	}
	reader_leave(r, outer);
	return ERR_OK;
}

static enum err
scrypt_word(char *s, struct why *why)
{
	return scrypt_check(s, why);
}

static enum err
named_hash_read(struct reader *r, size_t i, struct config_token *t)
{
	struct config_list words = { 0, NULL };
	size_t len;
	enum err e;

	if (!is_source(t->hash_from)) {
		t->hash = xstrdup(t->hash_from);
		return ERR_OK;
	}
	len = reader_enter(r, "tokens.named[%zu].hash", i);
	e = source_words(r, t->hash_from, scrypt_word, &words);
	if (e == ERR_OK && words.n != 1)
		e = reader_fail(r, "%s: holds more than one hash",
		    t->hash_from);
	if (e == ERR_OK) {
		t->hash = xstrdup(words.v[0]);
		reader_leave(r, len);
	}
	config_list_free(&words);
	return e;
}

/* What the file or the environment holds, appended; none is fine. */
static enum err
api_key_source(const struct reader *r, const char *file, struct buf *out)
{
	const char *env;
	struct why why;

	if (file != NULL) {
		if (config_file_read(file, SECRET_MAX, out, &why) != ERR_OK)
			return reader_fail(r, "%s: %s", file, why.text);
		if (out->len == 0)
			return reader_fail(r, "%s: holds nothing", file);
	} else if ((env = getenv(API_KEY_ENV)) != NULL) {
		buf_str(out, env);
	}
	return ERR_OK;
}

/*
 * It goes into a request header: one word of printable characters, behind
 * which only the end of the line may follow.
 */
static enum err
api_key_read(struct reader *r, struct config *c)
{
	const char *file = c->upstream.pcs.api_key_file;
	size_t len = reader_enter(r, "upstream.pcs.api_key_file"), i, end;
	struct buf text = BUF_INIT;
	enum err e;

	if ((e = api_key_source(r, file, &text)) != ERR_OK)
		goto out;
	for (i = 0; i < text.len && text.p[i] > ' ' && text.p[i] <= '~'; i++)
		continue;
	for (end = i; end < text.len; end++) {
		if (text.p[end] != '\r' && text.p[end] != '\n')
			break;
	}
	if (end != text.len || i > API_KEY_MAX || (i == 0 && text.len != 0)) {
		e = reader_fail(r, "%s: not one word of at most %d characters",
		    file == NULL ? API_KEY_ENV : file, API_KEY_MAX);
		goto out;
	}
	if (i != 0)
		c->upstream.pcs.api_key = xstrndup(text.p, i);
	reader_leave(r, len);
out:
	buf_wipe(&text);
	return e;
}

enum err
secrets_read(struct reader *r, struct config *c)
{
	size_t i;
	enum err e;

	if ((e = hashes_read(r, "tokens.admin_sha512",
		 &c->tokens.admin_sha512_from, &c->tokens.admin_sha512)) !=
		ERR_OK ||
	    (e = hashes_read(r, "tokens.user_sha512",
		 &c->tokens.user_sha512_from, &c->tokens.user_sha512)) !=
		ERR_OK)
		return e;
	for (i = 0; i < c->tokens.n_named; i++) {
		e = named_hash_read(r, i, &c->tokens.named[i]);
		if (e != ERR_OK)
			return e;
	}
	return api_key_read(r, c);
}
