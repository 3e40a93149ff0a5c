/*
 * What follows from TCB levels (quote-verification 6; the levels themselves
 * are found by storage/verify/verify.h).
 * Pure.  Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_TCB_H
#define SERVER_APPRAISE_TCB_H

#include "storage/verify/verify.h"

/* 6.4: launch and current. */
enum tcb_status tcb_relaunch(enum tcb_status launch, enum tcb_status current);

/* Levels are borrowed from the TCB info and the identity. */
struct tcb_match {
	const struct tcb_level *platform;
	const struct svn_level *qe;
	const struct svn_level *module; /* NULL: no TDX, or version line 0 */
	enum tcb_status status;         /* 6.3 */
	time_t date;                    /* the earliest tcbDate of them */
};
/*
 * 6.1 to 6.3 in one.  ERR_NOT_AVAILABLE: some part has no level; the reason
 * says which.
 */
enum err tcb_match(const struct tcbinfo *, const struct identity *,
    const struct pck *, const unsigned char *tee_svn, uint16_t qe_isvsvn,
    struct tcb_match *out, struct why *) MUST_CHECK;

/*
 * The advisory ids of the match's levels, each once, sorted.  *out is the
 * caller's to free(); its strings are borrowed from the levels.
 */
size_t tcb_advisories(const struct tcb_match *, const char ***out);

#endif
