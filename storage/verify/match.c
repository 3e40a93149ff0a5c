/* Which TCB levels fit: quote-verification 6.1 to 6.3. */
#include "storage/verify/verify.h"

#include <stdio.h>

/* --- levels ----------------------------------------------------------- */

static bool
all_reach(const uint8_t *have, const uint8_t *want, size_t from)
{
	size_t i;

	for (i = from; i < 16; i++)
		if (have[i] < want[i])
			return false;
	return true;
}

const struct tcb_level *
tcb_level_find(const struct tcbinfo *info, const struct pck *pck,
    const unsigned char *tee_svn)
{
	const struct tcb_level *l;
	/* With a version line the first two belong to the module's identity,
	 * not to the platform (quote-verification 6.1). */
	size_t from = tee_svn != NULL && tee_svn[1] > 0 ? 2 : 0;
	size_t i;

	for (i = 0; i < info->n_levels; i++) {
		l = &info->levels[i];
		if (all_reach(pck->comp, l->sgx, 0) &&
		    pck->pcesvn >= l->pcesvn &&
		    (tee_svn == NULL || all_reach(tee_svn, l->tdx, from)))
			return l;
	}
	return NULL;
}

const struct svn_level *
svn_level_find(size_t n, const struct svn_level *levels, uint16_t isvsvn)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (isvsvn >= levels[i].isvsvn)
			return &levels[i];
	return NULL;
}

const struct tdx_module *
tdx_module_find(const struct tcbinfo *info, uint8_t version)
{
	char id[8];
	size_t i;

	if (version == 0)
		return info->has_module ? &info->module : NULL;
	(void)snprintf(id, sizeof(id), "TDX_%02X", version);
	for (i = 0; i < info->n_modules; i++)
		if (span_eq_nocase(span_str(info->modules[i].id), id))
			return &info->modules[i];
	return NULL;
}

/* --- status ----------------------------------------------------------- */

bool
tcb_wants_configuration(enum tcb_status s)
{
	return s == TCB_CONFIGURATION_NEEDED ||
	       s == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
	       s == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

bool
tcb_out_of_date(enum tcb_status s)
{
	return s == TCB_OUT_OF_DATE ||
	       s == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

enum tcb_status
tcb_converge(enum tcb_status platform, enum tcb_status part)
{
	if (platform == TCB_REVOKED || part == TCB_REVOKED)
		return TCB_REVOKED;
	if (part == TCB_UP_TO_DATE)
		return platform;
	return tcb_wants_configuration(platform)
		   ? TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
		   : TCB_OUT_OF_DATE;
}
