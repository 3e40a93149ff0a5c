/* SEV-SNP reports and the HCL reports around them. */
#include "server/appraise/snp.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span in = span_of(p, len);
	struct snp_report r;
	struct hcl h;

	if (hcl_read(in, &h, NULL) == SNP_OK) {
		in = h.report;
		if (snp_report_read(in, 5, &r, NULL) == SNP_OK)
			(void)!hcl_check_binding(&h, r.report_data, NULL);
	}
	if (snp_report_read(in, 6, &r, NULL) == SNP_OK) {
		struct snp_collateral c = { 0 };
		struct snp_verdict v;

		snp_verify(&r, in, AMD_MILAN, &c, 0, &v);
	}
	return 0;
}
