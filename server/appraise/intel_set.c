/* Collateral and PCK chains kept parsed: quote-verification 5, steps 3 to 8. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/appraise.h"

#include <stdatomic.h>
#include <stdlib.h>

/* --- reading the pieces ----------------------------------------------- */

static void
fault_at(struct intel_fault *f, enum err e, bool in_chain)
{
	f->err = e;
	f->in_chain = in_chain;
}

/* All seven are mandatory; what is not there is said so, not "no JSON". */
static bool
is_absent(struct intel_fault *f, struct span piece, bool in_chain,
    const char *name)
{
	if (piece.len > 0)
		return false;
	fault_at(f,
	    why_set(&f->why, ERR_FORMAT, "quote-verification 5",
		"there is no %s", name),
	    in_chain);
	return true;
}

/* Step 5. The CRLs' own issuer chain; the quote's is compared with it. */
static void
crls_read(struct intel_set *set, const struct intel_bytes *in,
    const struct anchors *anchors)
{
	struct intel_parts *p = &set->parts;
	struct why *why = &set->crl.why;
	enum err e;

	if (is_absent(&set->crl, in->pck_crl_chain, true,
		"issuer chain of the PCK CRL") ||
	    is_absent(&set->crl, in->root_crl, false, "root CRL") ||
	    is_absent(&set->crl, in->pck_crl, false, "PCK CRL"))
		return;
	e = chain_read(in->pck_crl_chain, CHAIN_PCK_CA, anchors, NULL, NULL,
	    &p->pck_crl_chain, why);
	if (e != ERR_OK) {
		fault_at(&set->crl, e, true);
		return;
	}
	if ((e = crl_read(in->root_crl, p->pck_crl_chain->x[1], &p->root_crl,
		 why)) != ERR_OK)
		e = why_in(why, e, "root CRL");
	else if ((e = crl_read(in->pck_crl, p->pck_crl_chain->x[0], &p->pck_crl,
		      why)) != ERR_OK)
		e = why_in(why, e, "PCK CRL");
	fault_at(&set->crl, e, false);
}

/* Step 7; without a root CRL no verdict comes this far. */
static void
tcb_info_read(struct intel_set *set, const struct intel_bytes *in,
    const struct anchors *anchors)
{
	struct intel_parts *p = &set->parts;
	struct why *why = &set->tcb_info.why;
	enum err e;

	if (is_absent(&set->tcb_info, in->tcb_info_chain, true,
		"issuer chain of the TCB info") ||
	    is_absent(&set->tcb_info, in->tcb_info, false, "TCB info"))
		return;
	e = chain_read(in->tcb_info_chain, CHAIN_TCB_SIGNING, anchors,
	    p->root_crl, NULL, &p->tcb_info_chain, why);
	if (e != ERR_OK) {
		fault_at(&set->tcb_info, e, true);
		return;
	}
	e = tcbinfo_read(in->tcb_info, p->tcb_info_chain, &p->tcb_info, why);
	fault_at(&set->tcb_info, e, false);
}

/* Step 8. */
static void
identity_piece_read(struct intel_set *set, const struct intel_bytes *in,
    const struct anchors *anchors)
{
	struct intel_parts *p = &set->parts;
	struct why *why = &set->identity.why;
	enum err e;

	if (is_absent(&set->identity, in->qe_identity_chain, true,
		"issuer chain of the QE identity") ||
	    is_absent(&set->identity, in->qe_identity, false, "QE identity"))
		return;
	e = chain_read(in->qe_identity_chain, CHAIN_TCB_SIGNING, anchors,
	    p->root_crl, NULL, &p->identity_chain, why);
	if (e != ERR_OK) {
		fault_at(&set->identity, e, true);
		return;
	}
	e = identity_read(in->qe_identity, p->identity_chain, &p->identity,
	    why);
	fault_at(&set->identity, e, false);
}

static bool
complete(const struct intel_set *set)
{
	return set->crl.err == ERR_OK && set->tcb_info.err == ERR_OK &&
	       set->identity.err == ERR_OK;
}

static void
dates_fill(struct intel_set *set)
{
	const struct intel_parts *p = &set->parts;
	struct intel_dates all = INTEL_DATES_NONE, qe = INTEL_DATES_NONE;

	intel_dates_add(&qe, p->identity->issue_at, p->identity->next_update);
	intel_dates_chain(&qe, p->identity_chain);
	intel_dates_add(&all, p->tcb_info->issue_at, p->tcb_info->next_update);
	intel_dates_chain(&all, p->tcb_info_chain);
	intel_dates_chain(&all, p->pck_crl_chain);
	intel_dates_add(&all, p->root_crl->this_update,
	    p->root_crl->next_update);
	intel_dates_add(&all, p->pck_crl->this_update, p->pck_crl->next_update);
	intel_dates_join(&all, &qe);
	set->dates = all;
	set->identity_dates = qe;
}

/* --- sets ------------------------------------------------------------- */

static struct intel_set *
set_new(void)
{
	struct intel_set *set = xcalloc(1, sizeof(*set));

	atomic_init(&set->refs, 1);
	return set;
}

void
intel_set_hash(struct intel_set *set, const struct intel_bytes *in)
{
	struct intel_hashes *h = &set->hashes;

	sha256(in->tcb_info, h->tcb_info);
	sha256(in->tcb_info_chain, h->tcb_info_chain);
	sha256(in->qe_identity, h->qe_identity);
	sha256(in->qe_identity_chain, h->qe_identity_chain);
	sha256(in->root_crl, h->root_crl);
	sha256(in->pck_crl, h->pck_crl);
	sha256(in->pck_crl_chain, h->pck_crl_chain);
	set->has_hashes = true;
}

struct intel_set *
intel_set_read(const struct intel_bytes *in, const struct anchors *anchors)
{
	struct intel_set *set = set_new();

	intel_set_hash(set, in);
	crls_read(set, in, anchors);
	tcb_info_read(set, in, anchors);
	identity_piece_read(set, in, anchors);
	if (complete(set))
		dates_fill(set);
	return set;
}

static enum err
crls_fit(const struct intel_parts *p, struct why *why)
{
	if (!crl_is_of(p->root_crl, p->pck_crl_chain->x[1]) ||
	    !crl_is_of(p->pck_crl, p->pck_crl_chain->x[0]))
		return why_set(why, ERR_CHAIN, "quote-verification 5",
		    "a CRL is not of its issuer chain");
	return ERR_OK;
}

struct intel_set *
intel_set_join(const struct intel_parts *from)
{
	struct intel_set *set = set_new();
	struct intel_parts *p = &set->parts;

	must(from->pck_crl_chain->role == CHAIN_PCK_CA);
	p->tcb_info = tcbinfo_ref(from->tcb_info);
	p->identity = identity_ref(from->identity);
	p->tcb_info_chain = chain_ref(from->tcb_info_chain);
	p->identity_chain = chain_ref(from->identity_chain);
	p->pck_crl_chain = chain_ref(from->pck_crl_chain);
	p->root_crl = crl_ref(from->root_crl);
	p->pck_crl = crl_ref(from->pck_crl);
	fault_at(&set->crl, crls_fit(p, &set->crl.why), false);
	fault_at(&set->tcb_info,
	    chain_check_crls(p->tcb_info_chain, p->root_crl, NULL,
		&set->tcb_info.why),
	    true);
	fault_at(&set->identity,
	    chain_check_crls(p->identity_chain, p->root_crl, NULL,
		&set->identity.why),
	    true);
	if (complete(set))
		dates_fill(set);
	return set;
}

struct intel_set *
intel_set_ref(struct intel_set *set)
{
	if (set != NULL)
		atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void
intel_set_unref(struct intel_set *set)
{
	struct intel_parts *p;

	if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	p = &set->parts;
	tcbinfo_unref(p->tcb_info);
	identity_unref(p->identity);
	chain_unref(p->tcb_info_chain);
	chain_unref(p->identity_chain);
	chain_unref(p->pck_crl_chain);
	crl_unref(p->root_crl);
	crl_unref(p->pck_crl);
	free(set);
}
