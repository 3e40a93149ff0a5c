/* The certificate profile of VCEKs and VLEKs. */
#include "storage/verify/amd.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct vek *vek = NULL;
	struct why why;

	if (vek_parse(span_of(p, len), &vek, &why) == ERR_OK)
		(void)!vek_is_for(vek, span_of(vek->hwid, vek->hwid_len),
		    vek->tcb, &why);
	vek_unref(vek);
	return 0;
}
