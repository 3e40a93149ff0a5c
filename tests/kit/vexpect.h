/*
 * A verdict as JSON beside the one recorded for its case: what the library,
 * the command line and HTTP must all say.  Ends the test where they differ.
 */
#ifndef TESTS_KIT_VEXPECT_H
#define TESTS_KIT_VEXPECT_H

#include <jansson.h>
#include <stdbool.h>

/* "expect" of a case of sgx or tdx; either: the case may go both ways. */
void expect_verdict(const char *name, const json_t *expect, bool either,
    const json_t *verdict);
/* expected.json of a case of snp. */
void expect_verdict_snp(const char *name, const json_t *expected,
    const json_t *verdict);
/* The first reason's "check", borrowed; "" when there is none. */
const char *first_reason(const json_t *verdict);
/* Some reason has this check. */
bool has_reason(const json_t *verdict, const char *check);

#endif
