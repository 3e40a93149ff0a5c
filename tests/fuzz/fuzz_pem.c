/* The PEM scanner: blocks read, written and read again. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"

static void
again(struct span der)
{
	struct buf text = BUF_INIT, back = BUF_INIT;
	struct span s;

	pem_write(&text, "CERTIFICATE", der);
	s = buf_view(&text);
	must(pem_next(&s, "CERTIFICATE", &back, NULL) == ERR_OK);
	must(s.len == 0 && span_eq(buf_view(&back), der));
	buf_free(&text);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct why why = { 0 };
	struct span s = span_of(p, len);
	struct buf der = BUF_INIT;
	size_t was;

	for (;;) {
		was = s.len;
		if (pem_next(&s, "CERTIFICATE", &der, &why) != ERR_OK) {
			must(why.err != ERR_OK && why.text[0] != '\0');
			break;
		}
		must(s.len < was && der.len > 0);
		again(buf_view(&der));
		if (pem_end(s, &why) == ERR_OK)
			break;
	}
	buf_free(&der);
	return 0;
}
