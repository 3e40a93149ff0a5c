/* Supplemental data: quote-verification 8. */
#include "server/appraise/supplemental.h"

#include "config/base/must.h"

#include <string.h>

#define VERSION_MAJOR 3
#define VERSION_MINOR 4

/* --- dates ------------------------------------------------------------ */

void
intel_dates_add(struct intel_dates *d, time_t from, time_t until)
{
	if (from < d->earliest_issue)
		d->earliest_issue = from;
	if (from > d->latest_issue)
		d->latest_issue = from;
	if (until < d->earliest_expiration)
		d->earliest_expiration = until;
}

void
intel_dates_chain(struct intel_dates *d, const struct chain *chain)
{
	struct window w;
	size_t i;

	for (i = 0; i < chain->n; i++) {
		w = chain_window(chain, i);
		intel_dates_add(d, w.from, w.until);
	}
}

void
intel_dates_join(struct intel_dates *d, const struct intel_dates *more)
{
	intel_dates_add(d, more->earliest_issue, more->earliest_expiration);
	intel_dates_add(d, more->latest_issue, more->earliest_expiration);
}

/* --- from what was verified ------------------------------------------- */

/* Intel never sets "false" for two of the three flags. */
static enum pck_flag
flag_of(const struct pck *pck, int flag, enum pck_flag when_false)
{
	if (pck->sgx_type == 0 || flag < 0)
		return PCK_FLAG_UNDEFINED;
	return flag == 1 ? PCK_FLAG_TRUE : when_false;
}

static void
fill_pck(const struct pck *pck, struct supplemental *s)
{
	memcpy(s->ppid, pck->ppid, sizeof(s->ppid));
	memcpy(s->cpusvn, pck->cpusvn, sizeof(s->cpusvn));
	memcpy(s->pceid, pck->pceid, sizeof(s->pceid));
	s->pcesvn = pck->pcesvn;
	s->sgx_type = pck->sgx_type;
	if (pck->has_instance)
		memcpy(s->instance, pck->instance, sizeof(s->instance));
	s->dynamic_platform =
	    flag_of(pck, pck->dynamic_platform, PCK_FLAG_UNDEFINED);
	s->cached_keys = flag_of(pck, pck->cached_keys, PCK_FLAG_UNDEFINED);
	s->smt_enabled = flag_of(pck, pck->smt_enabled, PCK_FLAG_FALSE);
}

void
supplemental_fill(const struct supplemental_from *from,
    struct supplemental *out)
{
	const struct tcb_match *m = from->match;
	struct supplemental s = { .dates = from->dates,
		.qe_dates = from->qe_dates };

	s.platform_level_date = m->platform->tcb_date;
	s.qe_level_date = m->qe->tcb_date;
	s.tcb_level_date = s.qe_level_date < s.platform_level_date
			       ? s.qe_level_date
			       : s.platform_level_date;
	s.pck_crl_num = from->pck_crl->number;
	s.root_ca_crl_num = from->root_crl->number;
	s.qe_eval_num = from->identity->eval_num;
	s.tcb_eval_ref_num = from->tcb_info->eval_num < s.qe_eval_num
				 ? from->tcb_info->eval_num
				 : s.qe_eval_num;
	s.qe_status = qv_result_of(m->qe->status);
	s.tee = from->tcb_info->tee;
	memcpy(s.root_key_id, from->root_key_id, sizeof(s.root_key_id));
	fill_pck(from->pck, &s);
	*out = s;
}

/* --- Intel's layout --------------------------------------------------- */

static void
put(unsigned char *out, size_t at, uint64_t value, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[at + i] = (unsigned char)(value >> 8 * i);
}

static void
put_time(unsigned char *out, size_t at, time_t t)
{
	put(out, at, (uint64_t)t, 8);
}

static enum err
put_advisories(unsigned char *out, size_t n, const char *const *v,
    struct why *why)
{
	size_t at = 0, len, i;

	for (i = 0; i < n; i++) {
		len = strlen(v[i]);
		/* A comma before, a NUL behind the last. */
		if (len + 2 > SUPPLEMENTAL_SA_LEN - at)
			return why_set(why, ERR_TOO_BIG, "quote-verification 8",
			    "%zu advisory ids do not fit", n);
		if (i > 0)
			out[at++] = ',';
		memcpy(out + at, v[i], len);
		at += len;
	}
	return ERR_OK;
}

static void
put_platform(unsigned char *b, const struct supplemental *s)
{
	memcpy(b + 52, s->root_key_id, sizeof(s->root_key_id));
	memcpy(b + 100, s->ppid, sizeof(s->ppid));
	memcpy(b + 116, s->cpusvn, sizeof(s->cpusvn));
	put(b, 132, s->pcesvn, 2);
	memcpy(b + 134, s->pceid, sizeof(s->pceid));
	put(b, 136, (uint64_t)s->tee, 4);
	b[140] = s->sgx_type;
	memcpy(b + 141, s->instance, sizeof(s->instance));
	put(b, 160, s->dynamic_platform, 4);
	put(b, 164, s->cached_keys, 4);
	put(b, 168, s->smt_enabled, 4);
}

enum err
supplemental_write(const struct supplemental *s, size_t n_advisories,
    const char *const *advisories, unsigned char out[SUPPLEMENTAL_LEN],
    struct why *why)
{
	unsigned char b[SUPPLEMENTAL_LEN] = { 0 };
	enum err e;

	put(b, 0, VERSION_MAJOR, 2);
	put(b, 2, VERSION_MINOR, 2);
	put_time(b, 8, s->dates.earliest_issue);
	put_time(b, 16, s->dates.latest_issue);
	put_time(b, 24, s->dates.earliest_expiration);
	put_time(b, 32, s->tcb_level_date);
	put(b, 40, s->pck_crl_num, 4);
	put(b, 44, s->root_ca_crl_num, 4);
	put(b, 48, s->tcb_eval_ref_num, 4);
	put_platform(b, s);
	e = put_advisories(b + 172, n_advisories, advisories, why);
	if (e != ERR_OK)
		return e;
	put_time(b, 624, s->qe_dates.earliest_issue);
	put_time(b, 632, s->qe_dates.latest_issue);
	put_time(b, 640, s->qe_dates.earliest_expiration);
	put_time(b, 648, s->qe_level_date);
	put(b, 656, s->qe_eval_num, 4);
	put(b, 660, (uint64_t)s->qe_status, 4);
	put_time(b, 664, s->platform_level_date);
	memcpy(out, b, sizeof(b));
	return ERR_OK;
}
