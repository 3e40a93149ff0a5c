/*
 * The document of pccs-api 6.11, made as the reference's tools make it: a
 * platform list is taken from "GET platforms", PCS is asked for everything
 * in it, and the result is dumped with blanks behind commas and colons.
 */
#ifndef TESTS_KIT_DOCUMENT_H
#define TESTS_KIT_DOCUMENT_H

#include "tests/kit/house.h"

/* "list" is the JSON array of GET platforms.  NUL-terminated; free(). */
char *document_make(const struct house *, const char *list);

/* An appraisal policy of type SGX whose text tells it from others; free(). */
char *document_policy(const char *fmspc, bool is_default, const char *text);

#endif
