/*
 * What AMD's chains and CRLs mean for each other and for the endorsement keys
 * below them (amd-kds 5, 6).  Store thread.  Private to storage/.
 */
#ifndef STORAGE_AMD_H
#define STORAGE_AMD_H

#include "storage/store.h"

/* Fills in AMD's part of *out; borrowed from the hot set. */
void amd_trust(const struct storage *, struct trust *out);

/* The pinned keys of the configuration, by product; the caller's to free.
 * On failure nothing is written. */
enum err amd_anchors_load(const struct config *,
    struct anchors *out[AMD_PRODUCT_N], struct why *) MUST_CHECK;
void amd_anchors_free(struct anchors *v[AMD_PRODUCT_N]);

/* The ARK that came with a chain or a CRL is remembered for the lists that
 * come without one; other kinds bring none. */
void amd_root_seen(struct storage *, const struct coll *);
/* The anchors changed: only what is seen again counts. */
void amd_roots_forget(struct storage *);

/* "now" took the place of "old" (may be NULL): are the keys below others? */
void amd_chain_changed(struct storage *, const struct coll *old,
    const struct coll *now);
/* A chain left the hot set, and its keys leave memory.  (Those of a revoked
 * one leave the database with it: object_end().) */
void amd_chain_lost(struct storage *, const struct coll_key *chain);
/* A CRL was taken: the chains it may be about are looked at again. */
void amd_crl_changed(struct storage *, const struct coll *crl);
/* All chains and CRLs through the gate again (amd-kds 6.4: daily). */
void amd_recheck(struct storage *);

#endif
