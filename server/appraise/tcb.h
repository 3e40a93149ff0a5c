/*
 * TCB levels and what follows from them (quote-verification 6).
 * Pure.  Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_TCB_H
#define SERVER_APPRAISE_TCB_H

#include "storage/verify/verify.h"

/*
 * 6.1: the first level that the platform satisfies wholly, NULL: none.
 * tee_svn: the 16 octets of TEE_TCB_SVN; NULL for SGX.
 */
const struct tcb_level *tcb_level_find(const struct tcbinfo *,
    const struct pck *, const unsigned char *tee_svn);
/* 6.2: of a QE or of a module; levels are highest first. NULL: none. */
const struct svn_level *svn_level_find(size_t n, const struct svn_level *,
    uint16_t isvsvn);
/* 5.1: what the module of this version line must be; NULL: not known. */
const struct tdx_module *tdx_module_find(const struct tcbinfo *,
    uint8_t version);

/* 6.3: the platform's status, and that of one component (QE, module). */
enum tcb_status tcb_converge(enum tcb_status platform, enum tcb_status part);
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
