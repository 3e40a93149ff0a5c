/*
 * Encodings: hex, base64, base64url, percent; and digests.
 * Decoders are strict: a wrong character or length is ERR_FORMAT.
 * Pure, any thread.
 */
#ifndef CONFIG_BASE_ENC_H
#define CONFIG_BASE_ENC_H

#include "config/base/blob.h"

/* out holds 2 * in.len + 1 characters. */
void hex_lower(struct span in, char *out);
void hex_upper(struct span in, char *out);
void buf_hex(struct buf *, struct span); /* lower case */
/* Exactly out_len bytes, either case; in.len must be 2 * out_len. */
enum err hex_read(struct span in, void *out, size_t out_len) MUST_CHECK;
/* Any even length. */
enum err hex_read_buf(struct span in, struct buf *out) MUST_CHECK;
bool hex_is(struct span, size_t len); /* exactly len hex digits */

void buf_base64(struct buf *, struct span);
void buf_base64url(struct buf *, struct span); /* no padding */
/*
 * Standard or URL alphabet, with or without padding, no white space;
 * trailing bits must be zero.
 */
enum err base64_read(struct span in, struct buf *out) MUST_CHECK;

/* %XX only; "+" stays "+".  A broken escape is ERR_FORMAT. */
enum err pct_read(struct span in, struct buf *out) MUST_CHECK;
/* As pct_read, and "+" becomes a blank: for query strings only. */
enum err query_read(struct span in, struct buf *out) MUST_CHECK;
/* Everything but A-Z a-z 0-9 - . _ ~ is escaped, with upper-case hex. */
void buf_pct(struct buf *, struct span);

void sha256(struct span, unsigned char out[32]);
void sha384(struct span, unsigned char out[48]);
void sha512(struct span, unsigned char out[64]);
/* Equal, in time that depends on len alone. */
bool equal_ct(const void *, const void *, size_t len);
/* n bytes from the system's generator. */
void random_bytes(void *, size_t n);

#endif
