/*
 * Bytes written as text, as tools, tokens and log lines carry evidence: hex,
 * base64 of either alphabet, percent-encoded; wrapped or not.  Private to
 * server/cli/.
 */
#ifndef SERVER_CLI_ENCODED_H
#define SERVER_CLI_ENCODED_H

#include "config/base/blob.h"

#define ENCODED_DEPTH 3 /* encodings around one another */

/* One layer of it taken off; false: this is no such text, or says nothing. */
bool encoded_read(struct span, struct buf *out);
/*
 * A file with evidence ("-": standard input), of at most max bytes.  What is
 * evidence as it stands is never decoded, whatever it looks like; what is not
 * and is such text is.
 */
enum err encoded_evidence(const char *path, size_t max, struct buf *out,
    struct why *) MUST_CHECK;

#endif
