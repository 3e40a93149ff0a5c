/*
 * Recorded cases of SEV-SNP: a report, its endorsement certificate and its
 * issuers, under AMD's roots.
 */
#ifndef TESTS_KIT_SCASE_H
#define TESTS_KIT_SCASE_H

#include "config/base/blob.h"
#include "storage/verify/amd.h"

#include <jansson.h>

struct scase {
	char name[64];
	json_t *expected;
	struct blob *report, *vek, *chain;
	struct blob *hcl; /* NULL: it came without */
	enum amd_product product;
	bool vlek;
	time_t at;
	struct amd_anchors pins; /* AMD's, of every product */
};
extern const char *const scase_names[];
extern const size_t scase_n;
/* SHA-256 of AMD's roots, in hex (amd-kds 4.1). */
extern const char *const scase_pins[AMD_PRODUCT_N];

void scase_load(const char *name, struct scase *);
void scase_fini(struct scase *);

#endif
