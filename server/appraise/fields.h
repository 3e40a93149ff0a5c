/*
 * Every field of a piece of evidence as JSON, in the words of the vendors'
 * documents.  Private to server/appraise/ (verify.h is the door).
 */
#ifndef SERVER_APPRAISE_FIELDS_H
#define SERVER_APPRAISE_FIELDS_H

#include "server/appraise/evidence.h"
#include "server/appraise/jwrite.h"

/* Objects "quote" and "sgx" or "tdx". */
void fields_quote(struct jwrite *, const struct quote *);
/* Object "pck": what the PCK certificate says of the platform. */
void fields_pck(struct jwrite *, const struct pck *, enum pck_ca);
/* Object "snp"; product AMD_PRODUCT_N: not known. */
void fields_snp(struct jwrite *, const struct snp_report *, enum amd_product);
/* Object "vek". */
void fields_vek(struct jwrite *, const struct vek *);
/* Object "hcl", with its runtime data when that is JSON. */
void fields_hcl(struct jwrite *, const struct hcl *);

#endif
