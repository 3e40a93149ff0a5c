/*
 * Parts of the impact preview's document.  Store thread.
 * Private to storage/.
 */
#ifndef STORAGE_PREVIEW_H
#define STORAGE_PREVIEW_H

#include "config/base/jout.h"
#include "storage/store.h"

/*
 * Of each AMD product with chips known: which of them would meet, and which
 * would be below, every TCB that some chip has, as the least one demanded.
 * [{"product","chips","minimum","candidates":[{"tcb","effective","meets",
 * "below","fall","examples":[{"name","tcb","short":[...]}]}]}], as the member
 * "amd".  What was written when it fails is worth nothing.
 */
enum err preview_amd(struct storage *, struct jout *, struct why *) MUST_CHECK;

/* Of all chips known: how many report less than is demanded of them under one
 * table and under another, and how many under the other alone. */
struct impact_amd {
	size_t chips, below_before, below_after, fall;
};
struct baseline;
enum err impact_amd(struct storage *, const struct baseline *from,
    const struct baseline *to, struct impact_amd *, struct why *) MUST_CHECK;

#endif
