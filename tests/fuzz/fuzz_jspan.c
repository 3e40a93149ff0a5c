/* The slicer of signed JSON, with jansson as the second opinion. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

static json_t *
parse(struct span s)
{
	return json_loadb((const char *)s.p, s.len, JSON_REJECT_DUPLICATES,
	    NULL);
}

/* What was cut out is what any reader takes the envelope to say. */
static void
agree(struct span body, struct span value, const unsigned char sig[64])
{
	json_t *all = parse(body), *v = parse(value);
	unsigned char hex[64];
	const char *text;

	must(value.p >= body.p && value.p + value.len <= body.p + body.len);
	must((all == NULL) == (v == NULL));
	if (all != NULL) {
		must(json_object_size(all) == 2);
		must(json_equal(json_object_get(all, "tcbInfo"), v));
		text = json_string_value(json_object_get(all, "signature"));
		must(hex_read(span_str(text), hex, 64) == ERR_OK);
		must(memcmp(hex, sig, 64) == 0);
	}
	json_decref(all);
	json_decref(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span body = span_of(p, len), value;
	struct why why = { 0 };
	unsigned char sig[64];

	if (jspan_cut(body, "tcbInfo", &value, sig, &why) == ERR_OK)
		agree(body, value, sig);
	else
		must(why.err != ERR_OK && why.text[0] != '\0');
	return 0;
}
