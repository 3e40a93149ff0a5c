/* A quote, as far as its collateral needs it. */
#include "config/base/must.h"
#include "server/quoteinfo.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct quoteinfo q;

	if (quoteinfo_read(span_of(data, len), &q, NULL) != ERR_OK)
		return 0;
	must(q.version >= 3 && q.version <= 5);
	must(strlen(q.fmspc) == 12);
	must(q.len <= len && q.chain->len > 0);
	quoteinfo_fini(&q);
	return 0;
}
