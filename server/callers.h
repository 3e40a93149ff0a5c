/*
 * Who asks the metadata service, and what he may learn: hosts[] as a table
 * (amd-kds 8.2).  A row for the listener goes before all others, because a
 * guest cannot choose it; then the user of a unix socket or the longest
 * prefix of the source.  Immutable; any thread.  Private to server/.
 */
#ifndef SERVER_CALLERS_H
#define SERVER_CALLERS_H

#include "config/config.h"
#include "storage/verify/amd.h"

struct caller { /* a row of hosts[] */
	const struct config_host *row;
	size_t index;             /* in hosts[] */
	enum amd_product product; /* AMD_PRODUCT_N: no AMD chip */
	size_t n_chips;
	unsigned char (*chip)[AMD_HWID_MAX]; /* amd_hwid_len() bytes each */
	bool tcb_auto;
	struct amd_tcb tcb; /* unless tcb_auto */
};

struct callers;
/* Takes a reference of the configuration. */
struct callers *callers_new(struct config *);
void callers_free(struct callers *); /* NULL is fine */

/*
 * The row of whoever came to this listener (index into config->listen) and
 * is called "peer" by req_peer(); NULL: there is none.
 */
const struct caller *callers_find(const struct callers *, unsigned listener,
    const char *peer);
/* All rows, in the order of hosts[]. */
const struct caller *callers_rows(const struct callers *, size_t *n);

/* One of a row's chips, as KDS names it. */
struct span caller_chip(const struct caller *, size_t i);
/* It is one of the row's chips: 64 bytes, or the product's length. */
bool caller_has_chip(const struct caller *, struct span chip_id, size_t *out);
/* It may learn of this platform (any case). */
bool caller_has_qe_id(const struct caller *, const char *qe_id);

#endif
