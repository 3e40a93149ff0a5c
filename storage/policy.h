/*
 * Reading an appraisal policy upload (pccs-api 6.13).  Pure.
 * Private to storage/.
 */
#ifndef STORAGE_POLICY_H
#define STORAGE_POLICY_H

#include "config/base/err.h"
#include "config/base/span.h"

struct policy {
	char id[97];    /* SHA-384 of the text, lower-case hex */
	int type;       /* 0 SGX, 1 TDX 1.0, 2 TDX 1.5 */
	char fmspc[13]; /* upper case */
	bool is_default;
	char *text; /* the JWT */
};

/* ERR_PARAM. On success policy_fini() is the caller's to call. */
enum err policy_read(struct span json, struct policy *out,
    struct why *) MUST_CHECK;
void policy_fini(struct policy *);

#endif
