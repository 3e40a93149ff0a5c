/*
 * The ready-made bytes of a record: bodies and header lines, made once at the
 * gate so that an answer is written without looking at the record again.
 * Private to storage/.
 */
#ifndef STORAGE_FORM_H
#define STORAGE_FORM_H

#include "storage/storage.h"

/* Intel's kinds: fill c->form from key, body and the chain it was admitted with
 * (NULL for a kind without one). */
void form_fill(struct coll *c, const struct chain *);

/* The same for AMD's kinds. */
void form_fill_amd(struct coll *c);

/* "NAME: <percent-encoded chain>\r\n" */
struct blob *form_chain_line(const char *name, const struct blob *value);

/*
 * The PEM of an issuer chain that is PEM or a header's percent-encoded value
 * (pccs-api 7), appended to *out; nothing for nothing.  ERR_TOO_BIG,
 * ERR_FORMAT.
 */
enum err form_chain_text(struct span in, struct buf *out,
    struct why *) MUST_CHECK;

#endif
