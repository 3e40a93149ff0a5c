/*
 * Private to storage/verify: strict reading of JSON with jansson.
 * Every reader takes a struct jdoc, which carries the clause that refusals
 * cite and the reason to fill; jansson values are borrowed from the tree.
 */
#ifndef STORAGE_VERIFY_JREAD_H
#define STORAGE_VERIFY_JREAD_H

#include "config/base/span.h"

#include <jansson.h>
#include <time.h>

#define JSON_TEXT_MAX  (256 * 1024) /* signed documents are 1 to 20 kB */
#define JSON_DEPTH_MAX 32           /* Intel's cap since 2026 */

struct jdoc {
	const char *clause;
	struct why *why;
};

/*
 * Take one value that begins with { or [ through its matching end, by braces
 * outside strings; deeper than JSON_DEPTH_MAX is ERR_TOO_BIG.  What is between
 * is not judged: jread_load() does that.  (jspan.c)
 */
enum err jspan_value(struct span *s, struct span *value,
    struct why *) MUST_CHECK;

/*
 * Parse one whole document: an object or array, bounded in size and depth,
 * duplicate members, NUL, invalid UTF-8 and trailing text refused
 * (quote-verification 14).  *out is the caller's to json_decref().
 */
enum err jread_load(const struct jdoc *, struct span text, size_t max,
    json_t **out) MUST_CHECK;

/* A member that must be there and of this type. */
enum err jread_get(const struct jdoc *, const json_t *obj, const char *name,
    json_type, json_t **out) MUST_CHECK;
/* An array of at least "min" elements. */
enum err jread_array(const struct jdoc *, const json_t *obj, const char *name,
    size_t min, json_t **out) MUST_CHECK;
/* The string's octets, borrowed. */
enum err jread_text(const struct jdoc *, const json_t *obj, const char *name,
    struct span *out) MUST_CHECK;
/* Exactly 2 * len hex digits, either case. */
enum err jread_hex(const struct jdoc *, const json_t *obj, const char *name,
    void *out, size_t len) MUST_CHECK;
/* An integer, written as one, in 0..max. */
enum err jread_uint(const struct jdoc *, const json_t *obj, const char *name,
    uint64_t max, uint64_t *out) MUST_CHECK;
enum err jread_u8(const struct jdoc *, const json_t *obj, const char *name,
    uint8_t *out) MUST_CHECK;
enum err jread_u16(const struct jdoc *, const json_t *obj, const char *name,
    uint16_t *out) MUST_CHECK;
enum err jread_u32(const struct jdoc *, const json_t *obj, const char *name,
    uint32_t *out) MUST_CHECK;
/* "YYYY-MM-DDThh:mm:ssZ" of a real date. */
enum err jread_time(const struct jdoc *, const json_t *obj, const char *name,
    time_t *out) MUST_CHECK;
/* issueDate and nextUpdate, in this order. */
enum err jread_validity(const struct jdoc *, const json_t *obj, time_t *issue,
    time_t *next) MUST_CHECK;
/* One of n words, exactly; gives its index. */
enum err jread_word(const struct jdoc *, const json_t *obj, const char *name,
    const char *const *words, size_t n, size_t *out) MUST_CHECK;
/* An optional array of strings: *v and its strings are the caller's. */
enum err jread_strings(const struct jdoc *, const json_t *obj, const char *name,
    size_t *n, char ***v) MUST_CHECK;

#endif
