/* Fields of collateral: certificates, CRLs, signed documents. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/mutant_int.h"
#include "tests/kit/vset.h"

#include <stdio.h>
#include <string.h>

/* --- DER -------------------------------------------------------------- */

struct tlv {
	unsigned tag;
	size_t at, head, len; /* in the whole; len without the head */
};

/* What stands at "at"; the objects here are good ones. */
static struct tlv
tlv_at(struct span s, size_t at)
{
	struct tlv t = { .at = at, .head = 2 };
	size_t n;

	must(at + 2 <= s.len);
	t.tag = s.p[at];
	t.len = s.p[at + 1];
	if (t.len >= 0x80) {
		n = t.len & 0x7f;
		must(n >= 1 && n <= 3 && at + 2 + n <= s.len);
		for (t.len = 0, t.head = 2 + n; n > 0; n--)
			t.len = t.len << 8 | s.p[at + t.head - n];
	}
	must(at + t.head + t.len <= s.len);
	return t;
}

#define CHILDREN 10

static size_t
tlv_children(struct span s, struct tlv of, struct tlv out[CHILDREN])
{
	size_t n = 0, at = of.at + of.head, end = at + of.len;

	for (; at < end; n++) {
		must(n < CHILDREN);
		out[n] = tlv_at(s, at);
		at += out[n].head + out[n].len;
	}
	return n;
}

/* Tags that name a part, where it may be left out. */
#define CTX0 0xa0
#define CTX3 0xa3
#define SEQ  0x30

static const char *
cert_part(size_t i, const struct tlv *t)
{
	static const char *const names[] = { "version", "serial", "algorithm",
		"issuer", "validity", "subject", "key" };

	if (t->tag == CTX3)
		return "extensions";
	return i < sizeof(names) / sizeof(names[0]) ? names[i] : "other";
}

static const char *
crl_part(size_t i, const struct tlv *t)
{
	static const char *const names[] = { "version", "algorithm", "issuer",
		"this_update", "next_update", "revoked" };

	if (t->tag == CTX0)
		return "extensions";
	return i < sizeof(names) / sizeof(names[0]) ? names[i] : "other";
}

typedef const char *(*part_fn)(size_t i, const struct tlv *);

/* Where a field's bit is turned: in DER itself, or in text around it. */
typedef void (*der_fn)(void *arg, const char *field, size_t at, size_t len);

static void
der_fields(struct span der, part_fn part, der_fn fn, void *arg)
{
	struct tlv top[CHILDREN], tbs[CHILDREN];
	size_t n = tlv_children(der, tlv_at(der, 0), top), i;

	must(n == 3);
	n = tlv_children(der, top[0], tbs);
	must(n >= 5);
	for (i = 0; i < n; i++)
		fn(arg, part(i, &tbs[i]), tbs[i].at, tbs[i].head + tbs[i].len);
	fn(arg, "outer_algorithm", top[1].at, top[1].head + top[1].len);
	/* Without the octet that counts unused bits. */
	fn(arg, "signature", top[2].at + top[2].head + 1, top[2].len - 1);
}

struct bare {
	struct mutants *m;
	struct mutant one;
	struct span der;
};

static void
bare_field(void *arg, const char *field, size_t at, size_t len)
{
	struct bare *b = arg;

	b->one.field = field;
	mutants_field(b->m, &b->one, b->der, at, len);
}

void
mutants_crl(struct mutants *m, const char *piece, const char *checks,
    struct span der)
{
	struct bare b = { m, { .piece = piece, .checks = checks }, der };

	der_fields(der, crl_part, bare_field, &b);
}

void
mutants_cert(struct mutants *m, const char *piece, const char *checks,
    struct span der)
{
	struct bare b = { m, { .piece = piece, .checks = checks }, der };

	der_fields(der, cert_part, bare_field, &b);
}

/* --- PEM -------------------------------------------------------------- */

struct block {
	struct mutants *m;
	struct mutant one;
	struct span text; /* of all blocks */
	size_t at, len;   /* of this one's base64 in it */
	struct buf der;
	unsigned number;
};

static bool
is_base64(unsigned char c)
{
	return c > ' ' && c != '-';
}

/* The letters of changed DER where the old ones stood, line ends as before. */
static struct blob *
block_with(const struct block *b, struct span der)
{
	struct blob *text = blob_from(b->text);
	struct buf letters = BUF_INIT;
	size_t i, k = 0;

	buf_base64(&letters, der);
	for (i = b->at; i < b->at + b->len; i++)
		if (is_base64(text->data[i]))
			text->data[i] = (unsigned char)letters.p[k++];
	must(k == letters.len);
	buf_free(&letters);
	return text;
}

static void
block_field(void *arg, const char *field, size_t at, size_t len)
{
	struct block *b = arg;
	unsigned h = mutants_draw(b->m);
	struct blob *der, *text;
	char name[64];

	if (mutants_skip(b->m))
		return;
	snprintf(name, sizeof(name), "%u.%s", b->number, field);
	der = flipped(buf_view(&b->der), at + h % len, h >> 24 & 7);
	text = block_with(b, blob_span(der));
	b->one.field = name;
	b->one.bytes = blob_span(text);
	b->m->fn(b->m->arg, &b->one);
	blob_unref(der);
	blob_unref(text);
}

/* The next block's letters; false: there is none. */
static bool
block_next(struct block *b, size_t from)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const unsigned char *p, *end;
	struct buf letters = BUF_INIT;
	size_t i;

	p = memmem(b->text.p + from, b->text.len - from, begin,
	    sizeof(begin) - 1);
	if (p == NULL)
		return false;
	p += sizeof(begin) - 1;
	end = memmem(p, b->text.len - (size_t)(p - b->text.p), "-----END", 8);
	must(end != NULL);
	b->at = (size_t)(p - b->text.p);
	b->len = (size_t)(end - p);
	for (i = 0; i < b->len; i++)
		if (is_base64(p[i]))
			buf_add(&letters, p + i, 1);
	buf_free(&b->der);
	b->der = BUF_INIT;
	must(base64_read(buf_view(&letters), &b->der) == ERR_OK);
	buf_free(&letters);
	return true;
}

void
mutants_chain(struct mutants *m, const char *piece, const char *checks,
    struct span pem)
{
	struct block b = { .m = m,
		.one = { .piece = piece, .checks = checks },
		.text = pem };

	for (; block_next(&b, b.at + b.len); b.number++)
		der_fields(buf_view(&b.der), cert_part, block_field, &b);
	must(b.number > 0);
	buf_free(&b.der);
}

/* --- signed documents ------------------------------------------------- */

/* The value behind a name's nth occurrence; len 0: there is none. */
static void
value_of(struct span text, const char *name, unsigned nth, size_t *at,
    size_t *len)
{
	char quoted[64];
	const unsigned char *p = text.p, *end = text.p + text.len;
	size_t n = (size_t)snprintf(quoted, sizeof(quoted), "\"%s\"", name);

	*len = 0;
	for (;;) {
		p = memmem(p, (size_t)(end - p), quoted, n);
		if (p == NULL)
			return;
		p += n;
		if (nth-- == 0)
			break;
	}
	while (p < end && (*p == ':' || *p == ' ' || *p == '"' || *p == '['))
		p++;
	*at = (size_t)(p - text.p);
	while (p < end && strchr("\",}]", *p) == NULL)
		p++;
	*len = (size_t)(p - text.p) - *at;
}

/* Bits that make another letter of it, not the same digit in other case. */
static void
text_field(struct mutants *m, struct mutant *one, struct span text, size_t at,
    size_t len)
{
	unsigned h = mutants_draw(m);
	struct blob *b;

	if (mutants_skip(m))
		return;
	b = flipped(text, at + h % len, h >> 24 & 3);
	one->bytes = blob_span(b);
	m->fn(m->arg, one);
	blob_unref(b);
}

void
mutants_document(struct mutants *m, const char *piece, const char *checks,
    struct span text)
{
	static const char *const names[] = { "id", "version", "issueDate",
		"nextUpdate", "fmspc", "pceId", "tcbType",
		"tcbEvaluationDataNumber", "mrsigner", "attributes",
		"attributesMask", "miscselect", "miscselectMask", "isvprodid",
		"isvsvn", "svn", "pcesvn", "tcbDate", "tcbStatus",
		"advisoryIDs", "signature" };
	struct mutant one = { .piece = piece, .checks = checks };
	size_t i, at, len;
	char name[64];
	unsigned nth;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* The first, and the third: of another level. */
		for (nth = 0; nth < 4; nth += 2) {
			value_of(text, names[i], nth, &at, &len);
			if (len == 0)
				continue;
			snprintf(name, sizeof(name), "%s#%u", names[i], nth);
			one.field = name;
			text_field(m, &one, text, at, len);
		}
	}
	one.field = "envelope";
	text_field(m, &one, text, 0, 10);
}
