#include "storage/impact.h"

#include "config/base/must.h"

#include <string.h>

/* --- words ------------------------------------------------------------ */

const char *
impact_status_name(unsigned status)
{
	must(status < IMPACT_STATUS_N);
	if (status == IMPACT_UNSUPPORTED)
		return "NotSupported";
	if (status == IMPACT_UNKNOWN)
		return "Unknown";
	return tcb_status_name((enum tcb_status)status);
}

bool
impact_good(unsigned status)
{
	return status < TCB_STATUS_N && status != TCB_REVOKED &&
	       !tcb_out_of_date((enum tcb_status)status);
}

static unsigned char *
put(unsigned char *at, const void *p, size_t len)
{
	memcpy(at, p, len);
	return at + len;
}

void
fleet_tcb_key(const struct fleet_tcb *t, unsigned char out[FLEET_TCB_KEY])
{
	unsigned char *at = out;

	memset(out, 0, FLEET_TCB_KEY);
	at = put(at, t->fmspc, sizeof(t->fmspc));
	at = put(at, &t->has_raw, sizeof(t->has_raw));
	at = put(at, &t->has_tdx, sizeof(t->has_tdx));
	at = put(at, t->comp, sizeof(t->comp));
	at = put(at, t->raw, sizeof(t->raw));
	at = put(at, t->tee_svn, sizeof(t->tee_svn));
	at = put(at, &t->pcesvn, sizeof(t->pcesvn));
	at = put(at, &t->raw_pcesvn, sizeof(t->raw_pcesvn));
	at = put(at, &t->qe_svn, sizeof(t->qe_svn));
	at = put(at, &t->tdqe_svn, sizeof(t->tdqe_svn));
	must(at <= out + FLEET_TCB_KEY);
}

/* --- one platform ----------------------------------------------------- */

static bool
is_tdx(const struct impact_set *set)
{
	return set->info->tee == TEE_TDX;
}

static int32_t
qe_of(const struct fleet_tcb *t, const struct impact_set *set)
{
	return is_tdx(set) ? t->tdqe_svn : t->qe_svn;
}

static struct pck
pck_of(const struct fleet_tcb *t, bool fresh)
{
	struct pck pck = { .pcesvn = t->pcesvn };
	bool raw = fresh && t->has_raw;

	memcpy(pck.comp, raw ? t->raw : t->comp, sizeof(pck.comp));
	if (raw)
		pck.pcesvn = t->raw_pcesvn;
	return pck;
}

unsigned
impact_judge(const struct fleet_tcb *t, bool fresh,
    const struct impact_set *set, struct tcb_match *m)
{
	struct pck pck = pck_of(t, fresh);
	int32_t qe = qe_of(t, set);

	if (is_tdx(set) && !t->has_tdx)
		return IMPACT_UNKNOWN;
	if (tcb_match(set->info, qe < 0 ? NULL : set->identity, &pck,
		is_tdx(set) ? t->tee_svn : NULL, qe < 0 ? 0 : (uint16_t)qe, m,
		NULL) != ERR_OK)
		return IMPACT_UNSUPPORTED;
	return m->status;
}

/* --- what falls short ------------------------------------------------- */

struct shorts {
	struct impact_short v[IMPACT_SHORT_MAX];
	size_t n;
};

static void
shorts_add(struct shorts *s, enum impact_part part, unsigned component,
    unsigned has, unsigned needs)
{
	if (has >= needs)
		return;
	must(s->n < IMPACT_SHORT_MAX);
	s->v[s->n++] = (struct impact_short){ part, component, has, needs };
}

/* The lowest svn of a QE or module that is not out of date; false: none. */
static bool
svn_wanted(size_t n, const struct svn_level *levels, unsigned *out)
{
	bool found = false;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!impact_good(levels[i].status))
			break;
		*out = levels[i].isvsvn;
		found = true;
	}
	return found;
}

/* What stands beside the level: the module's and the QE's own svn. */
static void
shorts_parts(struct shorts *s, const struct fleet_tcb *t,
    const struct impact_set *set)
{
	const struct tdx_module *module = NULL;
	int32_t qe = qe_of(t, set);
	unsigned wanted;

	if (is_tdx(set) && t->tee_svn[1] > 0)
		module = tdx_module_find(set->info, t->tee_svn[1]);
	if (module != NULL &&
	    svn_wanted(module->n_levels, module->levels, &wanted))
		shorts_add(s, PART_MODULE, 0, t->tee_svn[0], wanted);
	if (qe >= 0 && set->identity != NULL &&
	    svn_wanted(set->identity->n_levels, set->identity->levels, &wanted))
		shorts_add(s, PART_QE, 0, (unsigned)qe, wanted);
}

static void
shorts_level(struct shorts *s, const struct fleet_tcb *t,
    const struct impact_set *set, const struct tcb_level *l)
{
	/* quote-verification 6.1: the first two are the module's own. */
	unsigned i, from = t->tee_svn[1] > 0 ? 2 : 0;

	s->n = 0;
	for (i = 0; i < 16; i++)
		shorts_add(s, PART_SGX, i + 1, t->comp[i], l->sgx[i]);
	shorts_add(s, PART_PCESVN, 0, t->pcesvn, l->pcesvn);
	for (i = from; is_tdx(set) && i < 16; i++)
		shorts_add(s, PART_TDX, i + 1, t->tee_svn[i], l->tdx[i]);
}

size_t
impact_short(const struct fleet_tcb *t, const struct impact_set *set,
    struct impact_short out[IMPACT_SHORT_MAX])
{
	struct shorts best = { .n = 0 }, s = { .n = 0 };
	bool found = false;
	size_t i;

	for (i = 0; i < set->info->n_levels; i++) {
		if (!impact_good(set->info->levels[i].status))
			continue;
		shorts_level(&s, t, set, &set->info->levels[i]);
		if (!found || s.n < best.n)
			best = s;
		found = true;
	}
	if (found)
		shorts_parts(&best, t, set);
	memcpy(out, best.v, best.n * sizeof(*out));
	return best.n;
}

/* --- many ------------------------------------------------------------- */

void
impact_add(struct impact_sum *sum, const struct fleet_tcb *t, size_t n,
    const struct impact_set *from, const struct impact_set *to)
{
	unsigned before = IMPACT_UNKNOWN, after = IMPACT_UNKNOWN;
	struct tcb_match m;

	if (from != NULL)
		before = impact_judge(t, false, from, &m);
	if (to != NULL)
		after = impact_judge(t, false, to, &m);
	sum->platforms += n;
	sum->before[before] += n;
	sum->after[after] += n;
	if (!impact_good(before) || impact_good(after) ||
	    after == IMPACT_UNKNOWN)
		return;
	sum->fall += n;
	if (impact_good(impact_judge(t, true, to, &m)))
		sum->refetch += n;
}
