/*
 * Showing what a file is: one reader per family of formats, each giving the
 * tree of what it found.  Nothing is verified; hostile bytes are expected.
 * Private to server/cli/.
 */
#ifndef SERVER_CLI_INSPECT_H
#define SERVER_CLI_INSPECT_H

#include "config/base/blob.h"

#include <jansson.h>
#include <time.h>

/*
 * Each gives a new tree whose first member is "type", or NULL with the reason
 * when the bytes are not what it reads; ERR_OK in why: not its format at all.
 */

/* Any of them, found by the bytes.  depth: how far JSON may wrap others. */
json_t *inspect_any(struct span, unsigned depth, struct why *);
/* Quotes, SNP reports and what they come in, certificate tables. */
json_t *inspect_evidence(struct span, struct why *);
/* A table of AMD certificates alone (snp-report 7.1). */
json_t *inspect_table(struct span, struct why *);
/* Open Enclave's endorsements of a quote; NULL: they are none. */
json_t *inspect_memory(struct span, unsigned depth);
/* One DER certificate or CRL. */
json_t *inspect_der(struct span, struct why *);
/* PEM blocks: one is shown as itself, more as a list. */
json_t *inspect_pem(struct span, struct why *);
/* TCB info, enclave identity, evaluation numbers; bundles of such things. */
json_t *inspect_json(struct span, unsigned depth, struct why *);
/*
 * Whether a document of Intel's carries a signature by this certificate's
 * key (PEM, the first one).  ERR_FORMAT: no such document or certificate.
 */
enum err inspect_signature(struct span text, struct span pem, bool *good,
    struct why *) MUST_CHECK;

/* Members of a tree: lower-case hex; UTC time as text. "value" is stolen. */
void field_set(json_t *, const char *name, json_t *value);
void field_hex(json_t *, const char *name, const void *, size_t len);
void field_time(json_t *, const char *name, time_t);
/* The members of an object in text, as the verdict's own writer makes them;
 * "text" is freed. */
void field_written(json_t *, struct buf *text);

#endif
