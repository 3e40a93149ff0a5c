/*
 * Parts of the impact preview's document.  Store thread.
 * Private to storage/.
 */
#ifndef STORAGE_PREVIEW_H
#define STORAGE_PREVIEW_H

#include "storage/store.h"

#include <jansson.h>

/*
 * Of each AMD product with chips known: which of them would meet, and which
 * would be below, every TCB that some chip has, as the least one demanded.
 * [{"product","chips","minimum","candidates":[{"tcb","effective","meets",
 * "below","fall","examples":[{"name","tcb","short":[...]}]}]}], new.
 */
enum err preview_amd(struct storage *, json_t **out, struct why *) MUST_CHECK;

#endif
