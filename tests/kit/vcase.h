/*
 * Recorded cases of SGX and TDX: a quote, its collateral, the time, and the
 * verdict expected of them.
 */
#ifndef TESTS_KIT_VCASE_H
#define TESTS_KIT_VCASE_H

#include "server/appraise/appraise.h"
#include "tests/kit/vset.h"

#include <jansson.h>

struct vcase {
	char name[80];
	struct vset *set;
	struct blob *quote;
	json_t *expect; /* own reference */
	bool either;
	time_t at;
};

/* "sgx/synthetic/s001.json" */
void vcase_synthetic(const char *path, struct vcase *);
/* An item of sgx/cases.json or tdx/cases.json. */
void vcase_real(const char *tee, const json_t *, struct vcase *);
void vcase_fini(struct vcase *);
/* The collateral, borrowed from the set. */
struct intel_bytes vcase_bytes(const struct vset *);

/* A vector that is JSON; it must be there. json_decref() it. */
json_t *vector_json(const char *path);
/* A member that is a string, borrowed, or NULL. */
const char *vector_text(const json_t *, const char *name);

#endif
