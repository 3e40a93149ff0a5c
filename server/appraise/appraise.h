/*
 * INNER DOOR of verdicts: evidence + collateral + anchors + time in, facts
 * and a verdict out.  Pure: no I/O, no clock, no globals.  Any thread;
 * what is counted (_ref, _unref) is immutable and may be shared.
 *
 * What costs time is done once: a set of collateral (struct intel_set) and
 * a PCK chain (struct intel_pck) are kept parsed, with keys decoded, so that
 * one more quote of a known platform costs two P-256 verifications, and one
 * where its quoting enclave is known as well.
 */
#ifndef SERVER_APPRAISE_APPRAISE_H
#define SERVER_APPRAISE_APPRAISE_H

#include "server/appraise/codes.h"
#include "server/appraise/quote.h"
#include "server/appraise/supplemental.h"

#include "storage/verify/verify.h"
#include <pthread.h>

/* Steps of quote-verification 5; STAGE_NONE: all of them hold. */
enum intel_stage {
	STAGE_NONE,
	STAGE_QUOTE_FORMAT,
	STAGE_CERT_DATA,
	STAGE_PCK_CHAIN,
	STAGE_CRL,
	STAGE_TCB_INFO,
	STAGE_QE_IDENTITY,
	STAGE_TCB_INFO_MATCH,
	STAGE_TDX_MODULE,
	STAGE_QE_REPORT,
	STAGE_AK_BINDING,
	STAGE_QUOTE_SIGNATURE,
	STAGE_TCB_LEVEL,
	STAGE_N
};
const char *intel_stage_name(enum intel_stage); /* "quote-format"; "" */

/* --- collateral ------------------------------------------------------- */

/* Bytes as they were served: JSON envelopes, chains in PEM, CRLs in DER, hex
 * or PEM. An empty span: not there. All seven are mandatory. */
struct intel_bytes {
	struct span tcb_info, tcb_info_chain;
	struct span qe_identity, qe_identity_chain;
	struct span root_crl, pck_crl, pck_crl_chain;
};
/* The same verified already; every one its own reference. */
struct intel_parts {
	struct tcbinfo *tcb_info;
	struct identity *identity;
	struct chain *tcb_info_chain, *identity_chain;
	struct chain *pck_crl_chain; /* CHAIN_PCK_CA */
	struct crl *root_crl, *pck_crl;
};
/* Why a part of a set cannot be used; err: ERR_OK when it can. */
struct intel_fault {
	enum err err;
	bool in_chain; /* in its issuer chain */
	struct why why;
};
/* SHA-256 of the documents as they were served. */
struct intel_hashes {
	unsigned char tcb_info[32], tcb_info_chain[32];
	unsigned char qe_identity[32], qe_identity_chain[32];
	unsigned char root_crl[32], pck_crl[32], pck_crl_chain[32];
};
struct intel_set {
	_Atomic unsigned refs;
	bool has_hashes;
	struct intel_hashes hashes;
	struct intel_parts parts; /* NULL where there is a fault */
	struct intel_fault crl, tcb_info, identity;
	struct intel_dates dates, identity_dates;
};
/*
 * Verify and keep (steps 5 to 8 but for what depends on the quote).  Never
 * fails: what is wrong is a fault that every verdict with this set meets at
 * its stage.  Bytes and anchors are borrowed.
 */
struct intel_set *intel_set_read(const struct intel_bytes *,
    const struct anchors *);
/*
 * From what the storage gate verified, each piece under the same anchors;
 * takes references of its own.  Revocation is looked at again: the CRLs of
 * this set may be newer than those the gate had.  No part may be NULL.
 */
struct intel_set *intel_set_join(const struct intel_parts *);
/* Note whose bytes a joined set is made of, before it is shared. */
void intel_set_hash(struct intel_set *, const struct intel_bytes *);
struct intel_set *intel_set_ref(struct intel_set *);
void intel_set_unref(struct intel_set *);

/* --- PCK chain -------------------------------------------------------- */

struct intel_qe;
struct intel_pck {
	_Atomic unsigned refs;
	pthread_mutex_t mu;  /* over "qe" alone; the rest never changes */
	struct intel_qe *qe; /* the last one that proved genuine, or NULL */
	struct blob *bytes;  /* certification data of type 5 */
	struct chain *chain;
	struct pck pck;
	unsigned char key[64];         /* the leaf's, x || y */
	unsigned char root_key_id[48]; /* SHA-384 of the root's point */
	struct intel_dates dates;
};
/*
 * Steps 3 and 4, without revocation: certification data of type 5.
 * issuers (may be NULL): kept by the caller, of the same anchors.
 * in_extension (may be NULL): the failure is in the leaf's SGX extension.
 */
enum err intel_pck_read(struct span cert, const struct anchors *,
    struct issuers *, struct intel_pck **out, bool *in_extension,
    struct why *) MUST_CHECK;
struct intel_pck *intel_pck_ref(struct intel_pck *);
/*
 * A platform's quotes come from one quoting enclave with one attestation key:
 * what was found of it for one quote (steps 11 and 12) holds for the next
 * where report, signature, key and authentication data are the very same.
 */
bool intel_pck_qe_known(struct intel_pck *, const struct quote *);
/* The checks of this quote's QE held: remember them. */
void intel_pck_qe_put(struct intel_pck *, const struct quote *);
void intel_pck_unref(struct intel_pck *);

/* --- verdict ---------------------------------------------------------- */

struct intel_verdict {
	bool valid; /* the evidence: every step holds */
	enum intel_stage stage;
	struct why why;
	enum qvl_status code; /* qvl_result() and qvl_call() give the others */

	/* From here on only what the steps up to the failing one gave. */
	bool has_quote;
	struct quote quote;    /* its spans are borrowed from the input */
	struct intel_set *set; /* own reference: levels point into it */
	struct intel_pck *pck; /* own reference; NULL: before step 4 */

	/* valid only */
	struct tcb_match launch, current; /* current: if has_current */
	bool has_current;
	enum tcb_status tcb_status; /* converged, relaunch applied */
	size_t n_advisories;
	const char **advisories;     /* strings borrowed from the set */
	time_t tcb_date;             /* of the launch's levels, the earliest */
	bool expired, not_yet_valid; /* supplemental.dates at the time given */
	struct supplemental supplemental;

	/* Facts for a policy (valid only) */
	bool debug, sept_ve_disable, service_td, reserved_attributes;
	bool svn_disagrees; /* the leaf's CPUSVN is not its components */
};
/*
 * The verdict on one quote.  "pck" may be NULL or that of another quote: it
 * is used only where its bytes are those of the quote; else the chain is
 * read.  It must have been read with anchors that the set's caller trusts as
 * well.  "at" is UTC seconds.
 */
void intel_verify(struct span quote, struct intel_set *, struct intel_pck *,
    const struct anchors *, time_t at, struct intel_verdict *out);
void intel_verdict_fini(struct intel_verdict *);
/* "ok", "expired", "not-yet-valid", "expired+not-yet-valid" */
const char *intel_time_name(const struct intel_verdict *);

#endif
