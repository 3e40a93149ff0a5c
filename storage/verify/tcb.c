/* TCB levels and what follows from them: quote-verification 6. */
#include "config/base/must.h"
#include "storage/verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool
wants_configuration(enum tcb_status s)
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
	return wants_configuration(platform)
		   ? TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
		   : TCB_OUT_OF_DATE;
}

enum tcb_status
tcb_relaunch(enum tcb_status launch, enum tcb_status current)
{
	if (!tcb_out_of_date(launch) || tcb_out_of_date(current) ||
	    current == TCB_REVOKED)
		return launch;
	return wants_configuration(launch) || wants_configuration(current)
		   ? TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
		   : TCB_TD_RELAUNCH_ADVISED;
}

/* --- all of it -------------------------------------------------------- */

static enum err
none(struct why *why, const char *clause, const char *text)
{
	return why_set(why, ERR_NOT_AVAILABLE, clause, "%s", text);
}

static enum err
module_match(const struct tcbinfo *info, const unsigned char *tee_svn,
    const struct svn_level **out, struct why *why)
{
	const struct tdx_module *m = tdx_module_find(info, tee_svn[1]);

	*out = NULL;
	if (m == NULL)
		return none(why, "quote-verification 5.1",
		    "no identity for this TDX module");
	if (tee_svn[1] == 0)
		return ERR_OK;
	*out = svn_level_find(m->n_levels, m->levels, tee_svn[0]);
	return *out != NULL ? ERR_OK
			    : none(why, "quote-verification 6.2",
				  "no level for the TDX module");
}

static void
part_join(struct tcb_match *m, const struct svn_level *part)
{
	if (part == NULL)
		return;
	m->status = tcb_converge(m->status, part->status);
	if (part->tcb_date < m->date)
		m->date = part->tcb_date;
}

enum err
tcb_match(const struct tcbinfo *info, const struct identity *identity,
    const struct pck *pck, const unsigned char *tee_svn, uint16_t qe_isvsvn,
    struct tcb_match *out, struct why *why)
{
	struct tcb_match m = { NULL, NULL, NULL, TCB_REVOKED, 0 };
	enum err e;

	m.platform = tcb_level_find(info, pck, tee_svn);
	if (m.platform == NULL)
		return none(why, "quote-verification 6.1",
		    "no level for the platform");
	if (identity != NULL)
		m.qe = svn_level_find(identity->n_levels, identity->levels,
		    qe_isvsvn);
	if (identity != NULL && m.qe == NULL)
		return none(why, "quote-verification 6.2",
		    "no level for the QE");
	if (tee_svn != NULL &&
	    (e = module_match(info, tee_svn, &m.module, why)) != ERR_OK)
		return e;
	m.status = m.platform->status;
	m.date = m.platform->tcb_date;
	part_join(&m, m.qe);
	part_join(&m, m.module);
	*out = m;
	return ERR_OK;
}

static int
text_cmp(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static size_t
add_all(const char **v, size_t n, size_t n_more, char *const *more)
{
	size_t i;

	for (i = 0; i < n_more; i++)
		v[n++] = more[i];
	return n;
}

static size_t
part_advisories(const struct svn_level *part)
{
	return part == NULL ? 0 : part->n_advisories;
}

size_t
tcb_advisories(const struct tcb_match *m, const char ***out)
{
	size_t max = m->platform->n_advisories + part_advisories(m->qe) +
		     part_advisories(m->module);
	const char **v = xcalloc(max + 1, sizeof(*v));
	size_t n = 0, i, kept = 0;

	n = add_all(v, n, m->platform->n_advisories, m->platform->advisories);
	if (m->qe != NULL)
		n = add_all(v, n, m->qe->n_advisories, m->qe->advisories);
	if (m->module != NULL)
		n = add_all(v, n, m->module->n_advisories,
		    m->module->advisories);
	must(n == max);
	qsort(v, n, sizeof(*v), text_cmp);
	for (i = 0; i < n; i++)
		if (kept == 0 || strcmp(v[kept - 1], v[i]) != 0)
			v[kept++] = v[i];
	*out = v;
	return kept;
}
