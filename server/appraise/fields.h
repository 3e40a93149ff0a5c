/*
 * What evidence says, as JSON: every field by the name that requirements and
 * the vendors use, bytes as lower-case hex in the order of the evidence.
 * Nothing is judged here.  Pure; the trees are the caller's to json_decref.
 * Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_FIELDS_H
#define SERVER_APPRAISE_FIELDS_H

#include "server/appraise/quote.h"
#include "server/appraise/snp.h"

#include <jansson.h>

/* An enclave report: the body of an SGX quote, a QE report. */
json_t *sgx_fields(const struct sgx_report *);
/* The fields a TD report of this body type has. */
json_t *td_fields(const struct td_report *, enum body_type);
/* Header, "body", "qe_report" and what is known of the certification data. */
json_t *quote_fields(const struct quote *);
/* "product" names the parts of TCBs where the report does not say it itself;
 * AMD_PRODUCT_N: unknown, and parts it takes to name are left out. */
json_t *snp_fields(const struct snp_report *, enum amd_product hint);
/* {"bl", "tee", "snp", "ucode"}, Turin's with "fmc"; null when reserved
 * bytes are set or the product is unknown. */
json_t *amd_tcb_fields(enum amd_product, struct amd_tcb);
/* The facts in a PCK certificate's SGX extension. */
json_t *pck_fields(const struct pck *);

/* Helpers for whoever adds members: lower-case hex; UTC time as text. */
void field_hex(json_t *o, const char *name, const void *p, size_t len);
void field_time(json_t *o, const char *name, time_t at);
void field_set(json_t *o, const char *name, json_t *value); /* steals value */

#endif
