/*
 * struct span: a borrowed view of bytes, and the cursor that reads them.
 * A span never outlives its source and is never stored in anything that does.
 * The cursor functions consume from the front and cannot overrun: each gives
 * ERR_FORMAT and leaves the span untouched when too few bytes are left.
 */
#ifndef CONFIG_BASE_SPAN_H
#define CONFIG_BASE_SPAN_H

#include "config/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const unsigned char *p;
	size_t len;
};

#define SPAN_NONE ((struct span){ NULL, 0 })

struct span span_of(const void *p, size_t len);
struct span span_str(const char *); /* without the NUL; NULL gives SPAN_NONE */

bool span_eq(struct span, struct span);
bool span_eq_str(struct span, const char *);
bool span_eq_nocase(struct span, const char *); /* ASCII case only */
bool span_all(struct span, unsigned char);      /* every byte is that one */
bool span_starts(struct span, const char *);
/* A new NUL-terminated copy, owned by the caller. Bytes may hold NUL. */
char *span_dup(struct span);

/* The cursor. "s" moves past what was read. */
enum err span_take(struct span *s, size_t n, struct span *out) MUST_CHECK;
enum err span_skip(struct span *s, size_t n) MUST_CHECK;
enum err span_copy(struct span *s, void *dst, size_t n) MUST_CHECK;
enum err span_u8(struct span *s, uint8_t *out) MUST_CHECK;
enum err span_u16le(struct span *s, uint16_t *out) MUST_CHECK;
enum err span_u32le(struct span *s, uint32_t *out) MUST_CHECK;
enum err span_u64le(struct span *s, uint64_t *out) MUST_CHECK;
/* Up to and without the first "stop" byte, which is consumed too. */
enum err span_until(struct span *s, unsigned char stop,
    struct span *out) MUST_CHECK;

#endif
