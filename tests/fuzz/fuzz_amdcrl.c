/* AMD's CRLs, judged with the ARKs of the test PKI. */
#include "tests/fuzz/fuzz.h"

#include "tests/kit/pki_amd.h"

#define NOW 1790000000

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct pki_amd *pki;
	enum amd_product i;
	struct why why;

	if (pki == NULL)
		pki = pki_amd_new("fuzz", NOW);
	for (i = AMD_MILAN; i < AMD_PRODUCT_N; i++) {
		struct amd_crl *crl = NULL;

		if (amd_crl_read(span_of(p, len), i,
			pki_amd_x509(pki, i, PKI_ARK), &crl, &why) == ERR_OK)
			(void)amd_crl_lists(crl, pki_amd_x509(pki, i, PKI_ASK));
		amd_crl_unref(crl);
	}
	return 0;
}
