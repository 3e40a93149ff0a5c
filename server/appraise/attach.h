/*
 * Collateral that comes with a question, as one JSON document: what POST
 * /v1/collateral and "larder collateral" write, or the pieces for SNP.
 *
 *   tcb_info, qe_identity               the bytes as they were signed
 *   tcb_info_issuer_chain, qe_identity_issuer_chain, pck_crl_issuer_chain  PEM
 *   root_ca_crl, pck_crl                PEM or DER
 *   vek (or vcek, vlek)                 PEM or DER
 *   cert_chain                          PEM: ASK or ASVK, then ARK
 *   crl                                 DER
 *
 * Each is a text: the bytes themselves, or in hex or base64.
 *
 * Pure.  Private to server/appraise/ (verify.h is the door).
 */
#ifndef SERVER_APPRAISE_ATTACH_H
#define SERVER_APPRAISE_ATTACH_H

#include "server/appraise/appraise.h"
#include "server/appraise/snp_set.h"

#include <jansson.h>

#define ATTACH_OWN 12 /* every piece there is */

/* Spans are borrowed from the JSON tree, or from "own". */
struct attached {
	bool has_intel, has_snp; /* some piece of it is there */
	struct intel_bytes intel;
	struct snp_bytes snp;
	struct buf own[ATTACH_OWN];
};
/*
 * ERR_PARAM names the member that is unknown or no text; what the texts hold
 * is the verdict's to judge.  NULL: nothing is attached.
 */
enum err attach_read(const json_t *, struct attached *out,
    struct why *) MUST_CHECK;
void attach_fini(struct attached *);

#endif
