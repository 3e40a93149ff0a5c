/* Quotes: spans stay inside, and so does what names a platform. */
#include "config/base/must.h"
#include "server/appraise/quote.h"
#include "tests/fuzz/fuzz.h"

static bool
inside(const uint8_t *p, size_t len, struct span s)
{
	return s.p >= p && s.p + s.len <= p + len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct cert_data_id id;
	struct quote q;

	if (quote_read(span_of(p, len), &q, NULL) != ERR_OK)
		return 0;
	must(q.len <= len && inside(p, len, q.bound) && q.bound.p == p);
	must(inside(p, q.len, q.qe_bytes) && q.qe_bytes.len == 384);
	must(inside(p, q.len, q.auth) && inside(p, q.len, q.cert));
	must(q.cert_type >= 1 && q.cert_type <= 5 && q.cert.len > 0);
	if (cert_data_id_read(&q, &id, NULL) == ERR_OK)
		must(inside(q.cert.p, q.cert.len, id.ppid));
	return 0;
}
