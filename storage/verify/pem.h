/* Private to storage/verify: the exact PEM scanner. */
#ifndef STORAGE_VERIFY_PEM_H
#define STORAGE_VERIFY_PEM_H

#include "config/base/blob.h"

/*
 * Take the next block with this label from the front of *s.  It begins at the
 * first octet: nothing but line ends may stand between blocks, and nothing at
 * all before the first.  *der is emptied and filled with the decoded octets.
 */
enum err pem_next(struct span *s, const char *label, struct buf *der,
    struct why *) MUST_CHECK;
/* After the last block: line ends and NULs only. */
enum err pem_end(struct span, struct why *) MUST_CHECK;

#endif
