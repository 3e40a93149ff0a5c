/*
 * SEV-SNP reports and the HCL reports around them, judged with the
 * certificates of the chip that signed the corpus.
 */
#include "tests/fuzz/fuzz.h"

#include "config/base/must.h"
#include "tests/kit/snp_made.h"

#include <string.h>

#define NOW 1790000000

static struct snp_collateral collateral[AMD_PRODUCT_N];

static void
collateral_make(struct pki_amd *pki, enum amd_product product)
{
	struct pki_vek v = { .product = product,
		.spl = { product == AMD_TURIN, 4, 1, 24, 219 } };
	struct pki_amd_chain c = { .product = product };
	struct amd_anchors pins = pki_amd_anchors();
	struct blob *pem = pki_amd_chain(pki, &c), *der;
	struct amd_chain *chain = NULL;
	struct vek *vek = NULL;

	memset(v.hwid, 0x5a, amd_hwid_len(product));
	der = pki_vek(pki, &v);
	must(amd_chain_read(blob_span(pem), product, AMD_VCEK, &pins, &chain,
		 NULL) == ERR_OK);
	must(vek_read(blob_span(der), chain, &vek, NULL) == ERR_OK);
	collateral[product] =
	    (struct snp_collateral){ .vek = vek, .chain = chain };
	pki_amd_anchors_drop(&pins);
	blob_unref(pem);
	blob_unref(der);
}

static void
judge(struct span report)
{
	struct snp_collateral none = { 0 };
	enum amd_product product;
	struct snp_verdict v;
	struct snp_report r;

	if (snp_report_read(report, 6, &r, NULL) != SNP_OK)
		return;
	snp_verify(&r, report, AMD_MILAN, &none, NOW, &v);
	product = snp_report_product(&r, AMD_MILAN);
	if (product < AMD_PRODUCT_N)
		snp_verify(&r, report, product, &collateral[product], NOW, &v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span in = span_of(p, len);
	struct snp_report r;
	struct hcl h;

	if (collateral[AMD_MILAN].vek == NULL) {
		struct pki_amd *pki = pki_amd_new("fuzz", NOW);
		enum amd_product i;

		for (i = AMD_MILAN; i < AMD_PRODUCT_N; i++)
			collateral_make(pki, i);
		pki_amd_free(pki);
	}
	if (hcl_read(in, &h, NULL) == SNP_OK) {
		if (snp_report_read(h.report, 5, &r, NULL) == SNP_OK)
			(void)!hcl_check_binding(&h, r.report_data, NULL);
		judge(h.report);
	}
	judge(in);
	return 0;
}
