/*
 * INNER DOOR of appraisal: any evidence, its collateral, the time and what is
 * required in; a verdict out, and that as JSON.  Pure: no I/O, no clock, no
 * globals.  Any thread.
 *
 * The words are kept apart: "valid" is cryptography's, "expired" and
 * "not_yet_valid" are time's, "accepted" is the policy's about all of it.
 */
#ifndef SERVER_APPRAISE_VERIFY_H
#define SERVER_APPRAISE_VERIFY_H

#include "server/appraise/appraise.h"
#include "server/appraise/attach.h"
#include "server/appraise/evidence.h"
#include "server/appraise/require.h"
#include "server/appraise/snp_set.h"

/* Where collateral came from, for whoever reads the verdict. Borrowed. */
struct origin {
	const char *source; /* "cache", "attached", a folder; NULL: not told */
	const char *baseline; /* what chose Intel's documents, or NULL */
	const char *profile;  /* the named demands that stood, or NULL */
};

struct appraisal { /* all borrowed */
	const struct anchors *intel;
	struct intel_set *set;   /* of a quote; NULL: none could be had */
	struct intel_pck *pck;   /* NULL, or of this quote's chain */
	struct snp_set *snp_set; /* of an SNP report; NULL likewise */
	enum amd_product hint;   /* of a report that does not say, or _N */
	const struct require *require[3]; /* NULL: none */
	time_t at;                        /* UTC seconds */
	struct origin origin;
};

struct verdict {
	bool accepted;
	bool valid;
	bool has_time; /* enough was there to judge it */
	bool expired, not_yet_valid;
	enum evidence_kind kind;
	const struct evidence *evidence; /* borrowed */
	char stage[40];                  /* of the check that failed; "" */
	struct why why;
	struct reasons reasons;
	time_t at;
	/* The pieces used are all valid in [valid_from, valid_until). */
	time_t valid_from, valid_until;
	struct origin origin; /* borrowed */

	struct intel_verdict intel; /* kinds of Intel */
	struct snp_verdict snp;     /* EVIDENCE_SNP */
	struct snp_set *snp_set;    /* own reference, or NULL */
};
/*
 * Judge.  "out" borrows from the evidence and its bytes, and from the origin;
 * collateral it keeps references of its own.  verdict_fini() it.
 */
void verdict_make(const struct evidence *, const struct appraisal *,
    struct verdict *out);
void verdict_fini(struct verdict *);

const char *verdict_word(const struct verdict *); /* "accepted", "rejected" */
/* "ok", "expired", "not-yet-valid", both with "+"; NULL: not judged. */
const char *verdict_time(const struct verdict *);
/* In Intel's words; NULL: there is none. */
const char *verdict_tcb_status(const struct verdict *);
bool verdict_debug(const struct verdict *);

/*
 * The verdict as one JSON object, without blanks or a line end, appended: the
 * same for HTTP, command line and token.
 */
void verdict_json(const struct verdict *, struct buf *);

#endif
