/* TCB info behind its signature: whatever is accepted keeps its promises. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static int
level_cmp(const struct tcb_level *a, const struct tcb_level *b)
{
	int c = memcmp(a->sgx, b->sgx, 16);

	if (c == 0)
		c = (int)a->pcesvn - (int)b->pcesvn;
	return c != 0 ? c : memcmp(a->tdx, b->tdx, 16);
}

static void
svn_levels_keep(size_t n, const struct svn_level *v)
{
	size_t i;

	must(n > 0);
	for (i = 0; i < n; i++)
		must(v[i].status == TCB_UP_TO_DATE ||
		     v[i].status == TCB_OUT_OF_DATE ||
		     v[i].status == TCB_REVOKED);
	for (i = 1; i < n; i++)
		must(v[i - 1].isvsvn > v[i].isvsvn);
}

static void
keeps(const struct tcbinfo *info)
{
	size_t i;

	must(info->version == 3 || info->tee == TEE_SGX);
	must(info->has_module == (info->tee == TEE_TDX));
	must(info->issue_at < info->next_update);
	must(info->n_levels > 0);
	for (i = 0; i < info->n_levels; i++)
		must(info->levels[i].status <= TCB_REVOKED);
	for (i = 1; i < info->n_levels; i++)
		must(level_cmp(&info->levels[i - 1], &info->levels[i]) > 0);
	for (i = 0; i < info->n_modules; i++)
		svn_levels_keep(info->modules[i].n_levels,
		    info->modules[i].levels);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct why why = { 0 };
	struct tcbinfo *info = NULL;

	if (tcbinfo_parse(span_of(p, len), &info, &why) == ERR_OK)
		keeps(info);
	else
		must(why.err != ERR_OK && why.text[0] != '\0');
	tcbinfo_unref(info);
	return 0;
}
