/*
 * What comes back from upstream, before any signature is looked at: header
 * lines, statuses, Retry-After, the first certificate of a pckcerts body.
 * Two octets of status, then header lines, an empty line, the body.
 */
#include "config/base/must.h"
#include "tests/fuzz/fuzz.h"
#include "upstream/origin.h"
#include "upstream/vendor.h"

#include <string.h>

static const char *const keys[] = { "tcb/sgx/4/00906ED50000/standard",
	"identity/qe/4/early", "pckcrl/platform", "rootcrl", "evalnums/tdx",
	"fmspcs/all" };

static bool
inside(struct span part, const struct buf *whole)
{
	return part.len == 0 ||
	       (part.p >= (const unsigned char *)whole->p &&
		   part.p + part.len <=
		       (const unsigned char *)whole->p + whole->len);
}

static void
objects(const struct reply *r)
{
	struct coll_raw raw;
	struct coll_key key;
	struct why why;
	size_t i;
	enum err e;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		must(key_read(keys[i], &key, NULL) == ERR_OK);
		raw = (struct coll_raw){ 0 };
		why = (struct why){ 0 };
		e = vendor_of(&key)->reply(&key, r, &raw, &why);
		must(e == why.err);
		if (e != ERR_OK)
			continue;
		must(r->status == 200 && raw.body.len == r->body.len);
		must(inside(raw.chain, &r->head));
	}
}

static void
platform(const struct reply *r)
{
	struct pcs_platform p;
	struct why why = { 0 };

	if (pcs_platform_reply(r, &p, &why) != ERR_OK) {
		must(why.err != ERR_OK && why.text[0] != '\0');
		return;
	}
	must(p.fmspc[0] == '\0' || strlen(p.fmspc) == 12);
	must(inside(p.chain, &r->head) && inside(p.body, &r->body));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct reply r = { 0 };
	struct span s = span_of(p, len);
	uint16_t status;
	const unsigned char *end;
	int64_t after;

	if (span_u16le(&s, &status) != ERR_OK)
		return 0;
	r.status = status % 1000;
	end = s.len == 0 ? NULL : memmem(s.p, s.len, "\r\n\r\n", 4);
	if (end == NULL) {
		buf_span(&r.body, s);
	} else {
		buf_span(&r.head, span_of(s.p, (size_t)(end - s.p) + 2));
		buf_span(&r.body,
		    span_of(end + 4, s.len - (size_t)(end - s.p) - 4));
	}
	objects(&r);
	platform(&r);
	after = retry_after_read(reply_header(&r, "Retry-After"), 1780000000);
	must(after >= -1);
	reply_fini(&r);
	return 0;
}
