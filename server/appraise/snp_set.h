/*
 * The collateral of an SNP report kept parsed: endorsement certificate, its
 * issuers, and the CRL.  What cannot be used is a fault that the verdict
 * meets at its step (snp-report 8, 9 to 13).  Immutable, counted.
 * Pure.  Private to server/appraise/ (verify.h is the door).
 */
#ifndef SERVER_APPRAISE_SNP_SET_H
#define SERVER_APPRAISE_SNP_SET_H

#include "server/appraise/snp.h"

/* Empty spans: not there. */
struct snp_bytes {
	struct span vek;   /* DER, or PEM; in PEM its issuers may follow */
	struct span chain; /* PEM: ASK or ASVK, then ARK; empty: those above */
	struct span crl;   /* DER */
};
struct snp_set {
	_Atomic unsigned refs;
	struct vek *vek;
	struct amd_chain *chain;
	struct amd_crl *crl;
	enum snp_err vek_err, chain_err, crl_err; /* SNP_OK: none */
	bool issuer_checked;
	struct why why; /* of the first of them */
};
struct snp_set *snp_set_read(const struct snp_bytes *,
    const struct amd_anchors *);
/* From what the storage gate verified; any may be NULL. Own references. */
struct snp_set *snp_set_join(struct vek *, struct amd_chain *,
    struct amd_crl *);
struct snp_set *snp_set_ref(struct snp_set *);
void snp_set_unref(struct snp_set *);

/*
 * Candidates that came with the evidence, as snp_bytes wants them: "own" is
 * filled with what had to be written anew and backs the spans.
 */
struct evidence;
void snp_bytes_of(const struct evidence *, struct buf *own,
    struct snp_bytes *out);

#endif
