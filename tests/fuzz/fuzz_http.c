/* The head of a request, whole and in two pieces. */
#include "config/base/must.h"
#include "server/head.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
inside(struct span raw, struct piece p)
{
	must((size_t)p.at + p.len <= raw.len);
}

/* What was accepted holds nothing that a lenient reader takes otherwise. */
static void
strict(struct span raw, const struct head *h)
{
	unsigned i, hosts = 0, lengths = 0;
	struct span name, value;
	size_t k;

	must(h->method <= METHOD_N && h->n_fields <= HEAD_FIELDS);
	must(memchr(raw.p, '\0', raw.len) == NULL);
	inside(raw, h->path);
	inside(raw, h->query);
	for (i = 0; i < h->n_fields; i++) {
		inside(raw, h->field[i].name);
		inside(raw, h->field[i].value);
		name = piece_span(raw, h->field[i].name);
		value = piece_span(raw, h->field[i].value);
		must(name.len != 0 && name.p[name.len] == ':');
		for (k = 0; k < value.len; k++)
			must(value.p[k] >= ' ' && value.p[k] != 0x7f);
		must(!span_eq_nocase(name, "Transfer-Encoding"));
		hosts += span_eq_nocase(name, "Host");
		lengths += span_eq_nocase(name, "Content-Length");
	}
	must(hosts == 1 || (hosts == 0 && h->http10));
	must(lengths == 1 || (lengths == 0 && h->content_length == 0));
	must(!(h->http10 && h->keep));
}

/* As it comes in: first "cut" bytes, then all. */
static enum err
scan_cut(struct span in, size_t cut, struct head_scan *s)
{
	enum err e;

	*s = (struct head_scan){ 0, 0 };
	e = head_scan(s, span_of(in.p, cut), NULL);
	if (e == ERR_OK && s->whole == 0)
		e = head_scan(s, in, NULL);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);
	struct head_scan whole, cut;
	struct head h;
	enum err e, f;
	size_t at;

	if (len < 2)
		return 0;
	at = (size_t)(data[0] << 8 | data[1]) % (len - 1);
	in = span_of(data + 2, len - 2);
	e = scan_cut(in, 0, &whole);
	f = scan_cut(in, at, &cut);
	/* Too long is noticed where it stands, else all is the same. */
	must((e == ERR_OK) == (f == ERR_OK) || in.len > TARGET_MAX);
	if (e != ERR_OK || f != ERR_OK)
		return 0;
	must(whole.whole == cut.whole && whole.whole <= in.len);
	if (whole.whole != 0 &&
	    head_read(span_of(in.p, whole.whole), &h, NULL) == ERR_OK)
		strict(span_of(in.p, whole.whole), &h);
	return 0;
}
