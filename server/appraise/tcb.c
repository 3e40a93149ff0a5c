/* Relaunch, and all levels in one: quote-verification 6. */
#include "server/appraise/tcb.h"

#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

/* --- status ----------------------------------------------------------- */

enum tcb_status
tcb_relaunch(enum tcb_status launch, enum tcb_status current)
{
	if (!tcb_out_of_date(launch) || tcb_out_of_date(current) ||
	    current == TCB_REVOKED)
		return launch;
	return tcb_wants_configuration(launch) ||
		       tcb_wants_configuration(current)
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
