/*
 * Chains that held, by their text: what a vendor signs comes below the same
 * two certificates over and over, and reading these is most of what a record
 * costs at the gate.  Store thread.  Private to storage/.
 */
#ifndef STORAGE_CHAINS_H
#define STORAGE_CHAINS_H

#include "storage/storage.h"

struct chains *chains_new(void);
void chains_free(struct chains *);
/* Other roots are trusted now. */
void chains_clear(struct chains *);
/* chain_read() without a leaf; "chains" NULL: none are kept. */
enum err chains_get(struct chains *, struct span pem, enum chain_role,
    const struct anchors *, const struct crl *root_crl, struct chain **out,
    struct why *) MUST_CHECK;

#endif
