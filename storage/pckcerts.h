/*
 * Taking in a platform's certificates, from upstream or from an upload.
 * Store thread.  Private to storage/.
 */
#ifndef STORAGE_PCKCERTS_H
#define STORAGE_PCKCERTS_H

#include "storage/pck.h"

/* What certificates are judged with: what is held, or what came along. */
struct pck_gate {
	const struct crl *root_crl;   /* or NULL */
	const struct crl *pck_crl[2]; /* by enum pck_ca; or NULL */
};
struct pck_gate pck_gate_held(const struct storage *);

/* A pckcerts body and its chain through the gate, today. */
enum err pckcerts_admit(struct storage *, const struct pck_gate *,
    const struct platform_id *, struct span body, struct span chain,
    struct held_set *out, struct why *) MUST_CHECK;
/* The row to be written; "old" is the one there is, or all zero. */
struct prow pckcerts_row(const struct platform_ask *, const struct prow *old,
    const struct held_set *, time_t now);

/* How a row is written. */
struct pck_write {
	const struct tcbinfo *info; /* to choose with; or NULL */
	bool on_demand;             /* nobody registered it */
	bool is_new;
	bool queue_na; /* list what is not available in the queue (3.3) */
};
/* Row, choices for every raw TCB known and the one asked, queue. */
enum err pckcerts_write(struct storage *, struct prow *,
    const struct held_set *, const struct platform_ask *,
    const struct pck_write *, struct why *) MUST_CHECK;

#endif
