/* Identities and evaluation numbers behind their signatures. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"

static void
identity_try(struct span value)
{
	struct why why = { 0 };
	struct identity *id = NULL;
	size_t i;

	if (identity_parse(value, &id, &why) == ERR_OK) {
		must(id->enclave < ENCLAVE_N && id->n_levels > 0);
		must(id->isvprodid >= 1 && id->isvprodid <= 3);
		must(id->issue_at < id->next_update);
		for (i = 1; i < id->n_levels; i++)
			must(id->levels[i - 1].isvsvn > id->levels[i].isvsvn);
	} else {
		must(why.err != ERR_OK && why.text[0] != '\0');
	}
	identity_unref(id);
}

static void
evalnums_try(struct span value)
{
	struct why why = { 0 };
	struct evalnums *nums = NULL;
	size_t i;

	if (evalnums_parse(value, &nums, &why) == ERR_OK) {
		must(nums->n > 0);
		for (i = 1; i < nums->n; i++)
			must(nums->v[i - 1].number > nums->v[i].number);
	} else {
		must(why.err != ERR_OK && why.text[0] != '\0');
	}
	evalnums_unref(nums);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	identity_try(span_of(p, len));
	evalnums_try(span_of(p, len));
	return 0;
}
