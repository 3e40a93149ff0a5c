/*
 * Private to require.c and require_read_snp.c: reading requirements member by
 * member, with the path of the one that is wrong.
 */
#ifndef SERVER_APPRAISE_REQUIRE_READ_H
#define SERVER_APPRAISE_REQUIRE_READ_H

#include "server/appraise/require.h"

#define PATH_MAX_LEN 120

struct reader {
	struct require *q;
	char path[PATH_MAX_LEN]; /* of the member being read */
	struct why *why;
};

/* One member: whose it is (EVIDENCE_UNKNOWN: nobody's own), what reads it,
 * where to, and a length or a limit. */
struct member {
	enum evidence_kind kind;
	const char *name;
	enum err (
	    *read)(struct reader *, const json_t *, const struct member *);
	size_t at;
	uint64_t len;
};
#define AT(field) offsetof(struct require, field)

/* Where the member's value goes. */
void *reader_field(const struct reader *, const struct member *);
/* ERR_PARAM, with the path in front of the text. */
enum err reader_bad(struct reader *, const char *text);
/* One value or a list of them: how many, and each. */
size_t reader_items(const json_t *);
const json_t *reader_item(const json_t *, size_t i);
/* A string's octets; none for what is no string. */
struct span reader_text(const json_t *);
/* A whole number from 0 to max. */
bool reader_number(const json_t *, uint64_t max, uint64_t *out);

/* Members of snp-report 9 (require_read_snp.c). */
typedef enum err reader_fn(struct reader *, const json_t *,
    const struct member *);
reader_fn read_bits, read_version, read_products, read_tcbs;

#endif
