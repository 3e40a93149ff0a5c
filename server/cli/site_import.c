/*
 * A bundle is read twice: through to its end before anything of it is sent,
 * then part by part, each compared once more with what was signed.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/cli/bundle.h"
#include "server/cli/site.h"
#include "server/cli/sitekey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CLAUSE "larder(1)"

/* What is known of a line that has been read. */
struct line_sum {
	size_t len;
	unsigned char sha256[32];
};

struct site_in {
	struct cli *cli;
	const char *path;
	FILE *f;
	struct line_sum *sums; /* of every line but the last two */
	size_t n;
	struct buf manifest, signature; /* the last two lines */
	json_t *counts;                 /* of the manifest */
};

bool
site_is(const char *path)
{
	char head[sizeof(SITE_HEAD) - 1];
	FILE *f = fopen(path, "re");
	bool is = f != NULL &&
		  fread(head, 1, sizeof(head), f) == sizeof(head) &&
		  memcmp(head, SITE_HEAD, sizeof(head)) == 0;

	if (f != NULL)
		fclose(f);
	return is;
}

/* --- lines ------------------------------------------------------------ */

/* One line without its end; *end at the end of the file. */
static enum err
line_read(struct site_in *s, struct buf *line, bool *end, struct why *why)
{
	char part[8192];
	size_t n;

	line->len = 0;
	*end = false;
	while (fgets(part, sizeof(part), s->f) != NULL) {
		n = strlen(part);
		if (n == 0)
			return why_set(why, ERR_FORMAT, CLAUSE, "a NUL in it");
		buf_add(line, part, n);
		if (part[n - 1] == '\n') {
			line->len--;
			return ERR_OK;
		}
		if (line->len > SITE_LINE_MAX)
			return why_set(why, ERR_TOO_BIG, CLAUSE,
			    "a line over %zu bytes", SITE_LINE_MAX);
	}
	if (ferror(s->f))
		return why_set(why, ERR_IO, CLAUSE, "%s", strerror(errno));
	if (line->len != 0)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "it ends within a line");
	*end = true;
	return ERR_OK;
}

static struct line_sum
line_sum(const struct buf *line)
{
	struct line_sum sum = { .len = line->len };

	sha256(buf_view(line), sum.sha256);
	return sum;
}

static void
buf_swap(struct buf *a, struct buf *b)
{
	struct buf c = *a;

	*a = *b;
	*b = c;
}

/* All lines: sums of the parts, and the last two as they are. */
static enum err
lines_read(struct site_in *s, struct why *why)
{
	struct buf line = BUF_INIT;
	size_t seen = 0, cap = 0;
	bool end = false;
	enum err e;

	while ((e = line_read(s, &line, &end, why)) == ERR_OK && !end) {
		if (seen++ >= 2) {
			if (s->n == cap) {
				cap = cap == 0 ? 64 : 2 * cap;
				s->sums =
				    xrealloc(s->sums, cap, sizeof(*s->sums));
			}
			s->sums[s->n++] = line_sum(&s->manifest);
		}
		buf_swap(&s->manifest, &s->signature);
		buf_swap(&s->signature, &line);
	}
	if (e == ERR_OK && s->n == 0)
		e = why_set(why, ERR_FORMAT, CLAUSE, "it has no parts");
	buf_free(&line);
	return e;
}

/* --- what was signed -------------------------------------------------- */

static json_t *
parse(const struct buf *line)
{
	return json_loadb(line->p, line->len, JSON_REJECT_DUPLICATES, NULL);
}

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static enum err
signature_check(struct site_in *s, const char *trust, struct why *why)
{
	json_t *o = parse(&s->signature);
	const char *b64 = member(o, "signature"), *id = member(o, "key");
	struct buf signature = BUF_INIT;
	struct sitekey *key = NULL;
	enum err e;

	if (b64 == NULL || id == NULL ||
	    base64_read(span_str(b64), &signature) != ERR_OK)
		e = why_set(why, ERR_FORMAT, CLAUSE,
		    "it does not end in a signature");
	else if ((e = sitekey_public(trust, id, &key, why)) == ERR_OK)
		e = sitekey_check(key, buf_view(&s->manifest),
		    buf_view(&signature), why);
	sitekey_free(key);
	buf_free(&signature);
	json_decref(o);
	return e;
}

static enum err
part_check(const json_t *part, const struct line_sum *sum, size_t i,
    struct why *why)
{
	const char *hex = member(part, "sha256");
	unsigned char want[32];

	if (hex == NULL || hex_read(span_str(hex), want, 32) != ERR_OK)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "the manifest has no SHA-256 of part %zu", i);
	if ((size_t)json_integer_value(json_object_get(part, "bytes")) !=
		sum->len ||
	    memcmp(want, sum->sha256, 32) != 0)
		return why_set(why, ERR_INTEGRITY, CLAUSE,
		    "part %zu is not the one that was signed", i);
	return ERR_OK;
}

/* Every part, in its place, and nothing else. */
static enum err
manifest_check(struct site_in *s, struct why *why)
{
	json_t *o = parse(&s->manifest), *parts = json_object_get(o, "parts");
	enum err e = ERR_OK;
	size_t i;

	if (json_integer_value(json_object_get(o, "manifest")) != 1 ||
	    !json_is_array(parts)) {
		e = why_set(why, ERR_FORMAT, CLAUSE, "it has no manifest");
		goto out;
	}
	if (json_array_size(parts) != s->n) {
		e = why_set(why, ERR_INTEGRITY, CLAUSE,
		    "it has %zu parts where %zu were signed", s->n,
		    json_array_size(parts));
		goto out;
	}
	for (i = 0; i < s->n && e == ERR_OK; i++)
		e = part_check(json_array_get(parts, i), &s->sums[i], i, why);
	if (e == ERR_OK)
		s->counts = json_incref(json_object_get(o, "counts"));
out:
	json_decref(o);
	return e;
}

/* --- sending ---------------------------------------------------------- */

/* The line of the head is for us alone. */
static int
parts_send(struct site_in *s, struct bundle *b)
{
	struct buf line = BUF_INIT;
	struct line_sum sum;
	struct why why = { 0 };
	bool end = false, going = true;
	size_t i;

	rewind(s->f);
	for (i = 0; i < s->n && going; i++) {
		if (line_read(s, &line, &end, &why) != ERR_OK || end)
			why_set(&why, ERR_INTEGRITY, CLAUSE, "it changes");
		sum = line_sum(&line);
		if (end || sum.len != s->sums[i].len ||
		    memcmp(sum.sha256, s->sums[i].sha256, 32) != 0) {
			b->rc = cli_fail(s->cli, "%s: it is being changed",
			    s->path);
			going = false;
		} else if (i != 0) {
			going = bundle_post(b, buf_view(&line));
		}
	}
	buf_free(&line);
	return b->rc;
}

static json_int_t
count(const struct site_in *s, const char *name)
{
	return json_integer_value(json_object_get(s->counts, name));
}

static int
site_send(struct site_in *s)
{
	struct bundle b;

	bundle_init(&b, s->cli, s->path);
	(void)parts_send(s, &b);
	printf("%s: %zu taken of %" JSON_INTEGER_FORMAT
	       " objects, %" JSON_INTEGER_FORMAT
	       " platforms, %" JSON_INTEGER_FORMAT
	       " registrations and %" JSON_INTEGER_FORMAT
	       " appraisal policies\n",
	    s->path, b.taken, count(s, "objects"), count(s, "platforms"),
	    count(s, "registrations"), count(s, "policies"));
	if (b.older != 0)
		printf("%s: %zu left out: what is held is newer\n", s->path,
		    b.older);
	return bundle_fini(&b);
}

int
site_import(struct cli *cli, const char *path)
{
	const char *trust = cli_value(cli, "trust");
	struct site_in s = { .cli = cli, .path = path };
	struct why why = { 0 };
	enum err e;
	int rc;

	if (trust == NULL)
		return cli_misuse(cli, "%s: whose signature? --trust PUBKEY",
		    path);
	if ((s.f = fopen(path, "re")) == NULL)
		return cli_fail(cli, "%s: %s", path, strerror(errno));
	if ((e = lines_read(&s, &why)) == ERR_OK &&
	    (e = signature_check(&s, trust, &why)) == ERR_OK)
		e = manifest_check(&s, &why);
	if (e == ERR_OK)
		rc = site_send(&s);
	else
		rc = cli_fail(cli, "%s: refused, nothing is taken: %s (%s)",
		    path, why.text, err_token(e));
	fclose(s.f);
	free(s.sums);
	buf_free(&s.manifest);
	buf_free(&s.signature);
	json_decref(s.counts);
	return rc;
}
