/*
 * "larder verify" as it is installed, on files that a test puts into a folder
 * of its own.  One thread; ends the test when something is odd.
 */
#ifndef TESTS_KIT_VCLI_H
#define TESTS_KIT_VCLI_H

#include "config/base/span.h"

#include <jansson.h>

/* The folder: each child process of a test makes one for itself. */
extern char vcli_dir[256];
void vcli_dir_make(const char *name);
/* A file in it. */
void vcli_spill(const char *name, struct span);
/* "larder verify ARGS --json": its exit status, and the verdict, the caller's;
 * NULL: it is 2, and no verdict. */
json_t *vcli_verify(const char *args, int *status);
/* A member that is a text; "" if it is none. */
const char *vcli_word(const json_t *, const char *name);

#endif
