/* TCB levels: quote-verification 6. */
#include "server/appraise/tcb.h"

#include "config/base/must.h"

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

static bool
out_of_date(enum tcb_status s)
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
	if (!out_of_date(launch) || out_of_date(current) ||
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
	m.qe = svn_level_find(identity->n_levels, identity->levels, qe_isvsvn);
	if (m.qe == NULL)
		return none(why, "quote-verification 6.2",
		    "no level for the QE");
	if (tee_svn != NULL &&
	    (e = module_match(info, tee_svn, &m.module, why)) != ERR_OK)
		return e;
	m.status = tcb_converge(m.platform->status, m.qe->status);
	m.date = m.platform->tcb_date;
	if (m.qe->tcb_date < m.date)
		m.date = m.qe->tcb_date;
	if (m.module != NULL) {
		m.status = tcb_converge(m.status, m.module->status);
		if (m.module->tcb_date < m.date)
			m.date = m.module->tcb_date;
	}
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

size_t
tcb_advisories(const struct tcb_match *m, const char ***out)
{
	size_t max = m->platform->n_advisories + m->qe->n_advisories +
		     (m->module == NULL ? 0 : m->module->n_advisories);
	const char **v = xcalloc(max + 1, sizeof(*v));
	size_t n = 0, i, kept = 0;

	n = add_all(v, n, m->platform->n_advisories, m->platform->advisories);
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
