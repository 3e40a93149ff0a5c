/* Evidence and other bytes that come written as text. */
#include "server/cli/encoded.h"

#include "config/base/enc.h"
#include "server/appraise/verify.h"
#include "server/cli/cli.h"

#include <ctype.h>
#include <string.h>

/* Line ends and blanks around and in a text: hexdumps are wrapped. */
static struct buf
without_blanks(struct span s)
{
	struct buf b = BUF_INIT;
	size_t i, from = 0;

	for (i = 0; i <= s.len; i++) {
		if (i < s.len && !isspace(s.p[i]))
			continue;
		buf_add(&b, s.p + from, i - from);
		from = i + 1;
	}
	return b;
}

/* Percent-encoding lets any byte stand for itself: a binary with a '%' in it
 * must stay what it is. */
static bool
is_text(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.len > 0;
}

bool
encoded_read(struct span in, struct buf *out)
{
	struct buf text = without_blanks(in), raw = BUF_INIT;
	struct span s = buf_view(&text);
	bool ok;

	ok = is_text(s) && hex_read_buf(s, &raw) == ERR_OK;
	if (!ok && is_text(s)) {
		raw.len = 0;
		ok = base64_read(s, &raw) == ERR_OK;
	}
	if (!ok && is_text(s) && memchr(s.p, '%', s.len) != NULL) {
		raw.len = 0;
		ok = pct_read(s, &raw) == ERR_OK;
	}
	ok = ok && raw.len > 0;
	if (ok)
		buf_span(out, buf_view(&raw));
	buf_free(&text);
	buf_free(&raw);
	return ok;
}

/* Neither a quote nor any other form, broken or not. */
static bool
is_unknown(struct span s)
{
	struct evidence e;
	bool unknown;

	evidence_read(s, &e);
	unknown =
	    e.kind == EVIDENCE_UNKNOWN && e.form == AS_QUOTE && e.err == SNP_OK;
	evidence_fini(&e);
	return unknown;
}

enum err
encoded_evidence(const char *path, size_t max, struct buf *out, struct why *why)
{
	struct buf file = BUF_INIT, inner;
	unsigned depth;
	enum err e;

	/* Hex in lines, and in an encoding of its own, is four times as long.
	 */
	if ((e = cli_read_file(path, 4 * max, &file, why)) != ERR_OK)
		goto out;
	for (depth = 0; depth < ENCODED_DEPTH && is_unknown(buf_view(&file));
	     depth++) {
		inner = BUF_INIT;
		if (!encoded_read(buf_view(&file), &inner))
			break;
		buf_free(&file);
		file = inner;
	}
	if (file.len > max)
		e = why_set(why, ERR_TOO_BIG, "", "%s: over %zu bytes", path,
		    max);
	else
		buf_span(out, buf_view(&file));
out:
	buf_free(&file);
	return e;
}
