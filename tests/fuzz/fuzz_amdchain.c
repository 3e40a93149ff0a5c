/* cert_chain bodies. */
#include "storage/verify/amd.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static unsigned char pin[1][32];
	static const struct anchors anchors = { .n = 1, .spki_sha256 = pin };
	static const struct amd_anchors pins = { { &anchors, &anchors,
	    &anchors } };
	struct amd_chain *chain = NULL;
	struct why why;

	for (unsigned i = 0; i < AMD_PRODUCT_N; i++)
		if (amd_chain_read(span_of(p, len), (enum amd_product)i,
			AMD_VCEK, &pins, &chain, &why) == ERR_OK) {
			amd_chain_unref(chain);
			chain = NULL;
		}
	return 0;
}
