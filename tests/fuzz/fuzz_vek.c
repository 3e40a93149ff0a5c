/*
 * The certificate profile of VCEKs and VLEKs, and their issuer: those of the
 * test PKI, so that what is made with it gets as far as the signature.
 */
#include "tests/fuzz/fuzz.h"

#include "config/base/must.h"
#include "tests/kit/pki_amd.h"

#define NOW 1790000000

static struct amd_chain *
chain_make(struct pki_amd *pki, enum amd_product product, enum amd_side side)
{
	struct pki_amd_chain c = { .product = product, .side = side };
	struct amd_anchors pins = pki_amd_anchors();
	struct blob *pem = pki_amd_chain(pki, &c);
	struct amd_chain *chain = NULL;

	must(amd_chain_read(blob_span(pem), product, side, &pins, &chain,
		 NULL) == ERR_OK);
	pki_amd_anchors_drop(&pins);
	blob_unref(pem);
	return chain;
}

static const struct amd_chain *
chain_of(enum amd_product product, enum amd_side side)
{
	static struct amd_chain *chains[AMD_PRODUCT_N][2];
	static struct pki_amd *pki;

	if (pki == NULL)
		pki = pki_amd_new("fuzz", NOW);
	if (chains[product][side] == NULL)
		chains[product][side] = chain_make(pki, product, side);
	return chains[product][side];
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct vek *vek = NULL;
	struct why why;

	if (vek_parse(span_of(p, len), &vek, &why) == ERR_OK) {
		must(vek_is_for(vek, span_of(vek->hwid, vek->hwid_len),
			 vek->tcb, &why) == ERR_OK);
		(void)!vek_check_issuer(vek, chain_of(vek->product, vek->side),
		    &why);
	}
	vek_unref(vek);
	return 0;
}
