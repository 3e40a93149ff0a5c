/* The body of PUT appraisalpolicy. */
#include "config/base/must.h"
#include "storage/policy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct policy policy;
	struct why why = { 0 };

	if (len > 1 << 20)
		return 0;
	if (policy_read(span_of(p, len), &policy, &why) != ERR_OK) {
		must(why.err == ERR_PARAM && why.text[0] != '\0');
		return 0;
	}
	must(policy.type >= 0 && policy.type <= 2);
	must(strlen(policy.id) == 96 && strlen(policy.fmspc) == 12);
	policy_fini(&policy);
	return 0;
}
