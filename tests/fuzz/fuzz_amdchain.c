/* cert_chain bodies, under the roots of the test PKI. */
#include "tests/fuzz/fuzz.h"

#include "tests/kit/pki_amd.h"

static void
read_as(struct span body, enum amd_product product, enum amd_side side,
    const struct amd_anchors *pins)
{
	struct amd_chain *chain = NULL;
	struct why why;

	(void)!amd_chain_read(body, product, side, pins, &chain, &why);
	amd_chain_unref(chain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct amd_anchors pins;
	enum amd_product i;

	if (pins.by[AMD_MILAN] == NULL)
		pins = pki_amd_anchors();
	for (i = AMD_MILAN; i < AMD_PRODUCT_N; i++) {
		read_as(span_of(p, len), i, AMD_VCEK, &pins);
		read_as(span_of(p, len), i, AMD_VLEK, &pins);
	}
	return 0;
}
