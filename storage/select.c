/*
 * Which PCK certificate serves a platform at its raw TCB:
 * caching-and-selection 4, the algorithm of Intel's C library.
 *
 * The library sorts certificates into buckets, one per TCB level from the
 * highest and one for those that reach no level, keeps each bucket in order
 * by insertion, and answers with the first certificate that the raw TCB is
 * not below.  When the certificates come in descending order, as here
 * (Determinism), insertion leaves that order alone; so the answer is the
 * smallest by (level, TCB) of those that fit, and no bucket need be made.
 * test_select.c holds the literal algorithm against this.
 */
#include "storage/storage.h"

#include <string.h>

#define CLAUSE "caching-and-selection 4"

struct tcb { /* a vector of 17 numbers */
	const uint8_t *comp;
	uint16_t pcesvn;
};

/* Not below in any of the 17; an incomparable one is below too. */
static bool
tcb_ge(struct tcb a, struct tcb b)
{
	int i;

	for (i = 0; i < 16; i++)
		if (a.comp[i] < b.comp[i])
			return false;
	return a.pcesvn >= b.pcesvn;
}

/* Lexicographic, the higher first. */
static int
tcb_cmp(struct tcb a, struct tcb b)
{
	int c = memcmp(b.comp, a.comp, 16);

	return c != 0 ? c : (int)b.pcesvn - (int)a.pcesvn;
}

static struct tcb
cert_tcb(const struct pck_cert *c)
{
	return (struct tcb){ c->pck.comp, c->pck.pcesvn };
}

static struct tcb
level_tcb(const struct tcb_level *l)
{
	return (struct tcb){ l->sgx, l->pcesvn };
}

static enum err
inputs_check(const struct pck_set *set, const struct tcbinfo *info,
    struct why *why)
{
	if (info->tee != TEE_SGX || info->n_levels == 0)
		return why_set(why, ERR_NO_TCBINFO, CLAUSE,
		    "selection needs an SGX TCB info");
	if (memcmp(info->fmspc, set->fmspc, sizeof(set->fmspc)) != 0 ||
	    memcmp(info->pceid, set->pceid, sizeof(set->pceid)) != 0)
		return why_set(why, ERR_NO_TCBINFO, CLAUSE,
		    "TCB info of another FMSPC or PCE-ID");
	return ERR_OK;
}

/* The highest level the certificate reaches; NULL: none. */
static const struct tcb_level *
level_of(const struct pck_cert *c, const struct tcbinfo *info)
{
	const struct tcb_level *best = NULL, *l;
	size_t i;

	for (i = 0; i < info->n_levels; i++) {
		l = &info->levels[i];
		if (tcb_ge(cert_tcb(c), level_tcb(l)) &&
		    (best == NULL ||
			tcb_cmp(level_tcb(l), level_tcb(best)) < 0))
			best = l;
	}
	return best;
}

struct place { /* a certificate and its bucket */
	const struct pck_cert *cert;
	const struct tcb_level *level;
};

/* Does a stand before b?  Of one TCB the first in the set stays first. */
static bool
place_before(const struct place *a, const struct place *b)
{
	int c;

	if (a->level == NULL || b->level == NULL)
		c = (a->level == NULL) - (b->level == NULL);
	else
		c = tcb_cmp(level_tcb(a->level), level_tcb(b->level));
	return c != 0 ? c < 0
		      : tcb_cmp(cert_tcb(a->cert), cert_tcb(b->cert)) < 0;
}

enum err
select_cert(const struct pck_set *set, const struct tcbinfo *info,
    const struct raw_tcb *raw, size_t *out, struct why *why)
{
	const struct tcb have = { raw->cpusvn, raw->pcesvn };
	struct place best = { NULL, NULL }, p;
	size_t i;
	enum err e;

	if ((e = inputs_check(set, info, why)) != ERR_OK)
		return e;
	for (i = 0; i < set->n; i++) {
		p.cert = &set->certs[i];
		if (!tcb_ge(have, cert_tcb(p.cert)))
			continue;
		p.level = level_of(p.cert, info);
		if (best.cert == NULL || place_before(&p, &best))
			best = p;
	}
	if (best.cert == NULL)
		return why_set(why, ERR_NO_CERT, CLAUSE,
		    "none of %zu certificates is at or below the raw TCB",
		    set->n);
	*out = (size_t)(best.cert - set->certs);
	return ERR_OK;
}
