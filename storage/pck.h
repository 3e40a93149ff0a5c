/*
 * Platforms in the database: the row, its certificates through the gate, the
 * choice for a raw TCB and the ready answer.  Store thread.
 * Private to storage/.
 */
#ifndef STORAGE_PCK_H
#define STORAGE_PCK_H

#include "storage/issuer.h"
#include "storage/store.h"

/* A row of the table platform. */
struct prow {
	int64_t row; /* its id */
	struct platform_id id;
	char fmspc[13]; /* "": not known yet */
	struct blob *manifest, *enc_ppid, *certs, *chain; /* or NULL */
	time_t fetched_at, last_seen;
	int64_t na_count, na_wait_s;
	time_t na_recheck_at; /* 0: no need */
	time_t said_at;       /* the manifest, by the platform; 0: not known */
};
/*
 * Is what is of "at" to be kept out by what is held?  Of two of the same
 * second nobody knows; a time of 0 is not known and is older than any.
 */
bool said_before(time_t at, time_t held);
/* ERR_UNKNOWN_PLATFORM: no such row, and *out is empty but for its id. */
enum err prow_get(struct storage *, const struct platform_id *,
    struct prow *out, struct why *) MUST_CHECK;
void prow_fini(struct prow *);

/* What is known of one raw TCB: a row of platform_tcb. */
struct mapping {
	struct raw_tcb tcb;
	char tcbm[37];
	int64_t levels;  /* levels_id() of the TCB info that chose it */
	int64_t used_at; /* milliseconds */
};
/* ERR_NOT_CACHED: there is none. */
enum err mapping_get(struct storage *, int64_t row, const struct raw_tcb *,
    struct mapping *out, struct why *) MUST_CHECK;
/* All of a platform, the latest used first; *out is free()d by the caller. */
enum err mapping_list(struct storage *, int64_t row, struct mapping **out,
    size_t *n, struct why *) MUST_CHECK;
/* Remember; the least recently used over the configured number go. */
enum err mapping_put(struct storage *, int64_t row, const struct mapping *,
    struct why *) MUST_CHECK;
enum err mapping_del(struct storage *, int64_t row, const struct raw_tcb *,
    struct why *) MUST_CHECK;

struct tcb_text { /* as the database and the API write it, upper case */
	char cpu_svn[33], pce_svn[5];
};
struct tcb_text tcb_text(const struct raw_tcb *);
enum err tcb_read(const struct db_val *cpu_svn, const struct db_val *pce_svn,
    struct raw_tcb *out) MUST_CHECK;

/* The two bytes of a PCE-ID, as its certificate extension has them. */
enum err pceid_read(const struct platform_id *, unsigned char out[2],
    struct why *) MUST_CHECK;
/* The CRL held for a CA; NULL: none. */
const struct crl *pck_crl_held(const struct storage *, enum pck_ca);

/* A platform's certificates with all that an answer needs. */
struct held_set {
	struct pck_set *set;
	struct blob *chain, *chain_value, *chain_head;
};
void held_set_fini(struct held_set *);
/*
 * The certificates of a row, through the gate; all, or the one with this
 * tcbm.  ERR_NOT_CACHED when there are none or they do not pass any more; the
 * log says which.
 */
enum err held_set_load(struct storage *, const struct prow *, const char *tcbm,
    struct held_set *out, struct why *) MUST_CHECK;
struct held_set held_set_of(struct pck_set *, const struct issuer *);

/* The TCB info held that selection uses for a set; NULL: none. */
const struct tcbinfo *pck_info(const struct storage *, const struct pck_set *);
/*
 * The certificate for a raw TCB: index into the set, and the id of the
 * levels that chose it.  "info" may be NULL: ERR_NO_TCBINFO (why->text is
 * the FMSPC).  ERR_NO_CERT.
 */
enum err pck_choose(const struct tcbinfo *info, const struct pck_set *,
    const struct raw_tcb *, size_t *index, int64_t *levels,
    struct why *) MUST_CHECK;
/* The answer made of a chosen certificate; the row says how fresh. */
struct pck_answer *pck_answer_new(const struct storage *,
    const struct held_set *, size_t index, const struct raw_tcb *,
    const struct prow *);
/* Whether mode and row allow to remember the choice (section 3.3). */
bool pck_may_remember(const struct storage *, const struct prow *);

#endif
