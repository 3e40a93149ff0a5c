/*
 * struct blob: owned, shared, immutable bytes.  Counted atomically, so a blob
 * may cross threads; the bytes never change after blob_new.
 * struct buf: a growing byte string with one owner, which becomes a blob.
 */
#ifndef CONFIG_BASE_BLOB_H
#define CONFIG_BASE_BLOB_H

#include "config/base/span.h"

struct blob {
	_Atomic unsigned refs;
	size_t len;
	unsigned char data[]; /* a NUL follows that is not counted in len */
};

struct blob *blob_new(const void *, size_t);
struct blob *blob_from(struct span);
struct blob *blob_ref(struct blob *);       /* NULL gives NULL */
void blob_unref(struct blob *);             /* NULL is fine */
struct span blob_span(const struct blob *); /* NULL gives SPAN_NONE */

struct buf {
	char *p;
	size_t len, cap;
};

#define BUF_INIT ((struct buf){ NULL, 0, 0 })

void buf_free(struct buf *); /* frees the bytes, not the struct */
void buf_add(struct buf *, const void *, size_t);
void buf_str(struct buf *, const char *);
/* Make room for so many bytes more in one go. */
void buf_reserve(struct buf *, size_t);
void buf_span(struct buf *, struct span);
void buf_printf(struct buf *, const char *fmt, ...) PRINTF(2, 3);
/* A number in decimal, where printf would take too long. */
void buf_dec(struct buf *, uint64_t);
/* The bytes as a span, valid until the buf changes. */
struct span buf_view(const struct buf *);
/* A new blob of the bytes; the buf is empty afterwards. */
struct blob *buf_blob(struct buf *);

#endif
