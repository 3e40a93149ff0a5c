/* The extended report's certificate table. */
#include "server/appraise/snp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct cert_table t;
	unsigned sum = 0;

	if (cert_table_read(span_of(p, len), &t, NULL) == ERR_OK)
		for (int i = 0; i < CERT_SLOT_N; i++)
			for (size_t k = 0; k < t.slot[i].len; k++)
				sum += t.slot[i].p[k];
	/* Every byte handed out lies inside the input. */
	return sum == (unsigned)-1 ? 1 : 0;
}
