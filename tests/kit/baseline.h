/*
 * The baseline as clients and operators see it: the evaluation numbers of
 * what a house serves, and changes to its rules.
 */
#ifndef TESTS_KIT_BASELINE_H
#define TESTS_KIT_BASELINE_H

#include "storage/storage.h"
#include "tests/kit/house.h"

#include <jansson.h>

/* What a client got that asked for a set as QPL does: TCB info, then the
 * identity of the quoting enclave. */
struct served {
	uint32_t tcb, identity;
	bool stale;     /* one of them was marked so */
	time_t ends_at; /* the first nextUpdate */
};
struct served served_set(const struct house *, enum tee, const char *fmspc);
/* Both have this number. */
void expect_set(const struct house *, enum tee, const char *fmspc,
    uint32_t number);
/* The number in one answer, whose status must be 200. */
uint32_t served_number(const struct house *, const char *target);

/* The same, and QvE's identity, which is SGX's whatever it verifies. */
void expect_whole(const struct house *, enum tee, const char *fmspc,
    uint32_t number);

/* A house that holds 17 of three FMSPCs, one of them with TDX too, and all
 * identities; and all of that of one number. */
void site_start(struct house *, const struct house_opts *);
void expect_site(const struct house *, uint32_t number);

/* GET /v1/baseline; json_decref(). */
json_t *baseline_doc(const struct house *);
long baseline_revision(const struct house *);
/* The row of "effective" of a listener (NULL) and FMSPC (NULL); borrowed. */
json_t *baseline_row(json_t *doc, const char *listen, const char *tee,
    const char *fmspc);
/* Until what every scope wants is what it serves. */
void baseline_settle(const struct house *);

/* POST a change from this revision; -1: the present one. */
struct edge_reply baseline_post(const struct house *, const char *verb,
    long revision, const char *body);
/* From the present one; it ends with this status and Larder-Reason. */
void expect_change(const struct house *, const char *verb, const char *body,
    int status, const char *reason);

#endif
