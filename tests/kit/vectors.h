/*
 * Real vectors, read from outside the project: $LARDER_VECTORS, by default
 * ../shared/vectors.  Tests go on without them and say how many they skip.
 */
#ifndef TESTS_KIT_VECTORS_H
#define TESTS_KIT_VECTORS_H

#include "config/base/blob.h"
#include "storage/verify/verify.h"

/* The folder is there. */
bool vectors_present(void);
/* Its path; borrowed. */
const char *vectors_dir(void);
/* A file below it, whole; NULL when it is not there. */
struct blob *vector_read(const char *path);
/* Any file, whole; NULL when it cannot be read. */
struct blob *file_read(const char *path);
/* What stands in one of Intel's documents, which must be there; signature and
 * dates are not looked at.  The caller's. */
struct tcbinfo *vector_info(const char *path);
struct identity *vector_identity(const char *path);
/* Without the folder: print "skipped: N ..." for the runner to add up. */
void vectors_skipped(unsigned n);

#endif
