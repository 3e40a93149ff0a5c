/*
 * The impact of a TCB evaluation data number on platforms: what each can
 * prove, against the levels of that number's collateral (quote-verification
 * 6).  impact.c is pure; fleet.c keeps what the platforms can prove, on the
 * store thread.  Private to storage/.
 */
#ifndef STORAGE_IMPACT_H
#define STORAGE_IMPACT_H

#include "storage/storage.h"

struct json_t;

/* --- pure (impact.c) --------------------------------------------------- */

/* enum tcb_status, and two that no TCB info has. */
enum {
	IMPACT_UNSUPPORTED = TCB_STATUS_N, /* no level reached */
	IMPACT_UNKNOWN,                    /* nothing held to judge with */
	IMPACT_STATUS_N
};
const char *impact_status_name(unsigned status);
/* Relying parties may go on: neither out of date, revoked nor without a
 * level.  IMPACT_UNKNOWN is not. */
bool impact_good(unsigned status);

/*
 * What a platform can prove.  The certificate: the one chosen for its latest
 * raw TCB, else its highest.  The raw TCB: what it will prove once it has
 * been given newer certificates.
 */
struct fleet_tcb {
	char fmspc[13];
	bool has_raw, has_tdx;
	uint8_t comp[16], raw[16];
	uint16_t pcesvn, raw_pcesvn;
	unsigned char tee_svn[16]; /* has_tdx: TEE_TCB_SVN of its last quote */
	int32_t qe_svn, tdqe_svn;  /* -1: no quote seen */
};
/* Equal bytes, equal TCBs. */
#define FLEET_TCB_KEY 80
void fleet_tcb_key(const struct fleet_tcb *, unsigned char out[FLEET_TCB_KEY]);

/* One number's collateral for one TEE and FMSPC. */
struct impact_set {
	const struct tcbinfo *info;
	const struct identity *identity; /* NULL: not held, QEs do not count */
};
/*
 * The status; *m is filled unless it is IMPACT_UNSUPPORTED.  fresh: by the
 * raw TCB where it is known.  A platform of which no TDX quote was seen
 * cannot be judged by a TDX info: IMPACT_UNKNOWN.
 */
unsigned impact_judge(const struct fleet_tcb *, bool fresh,
    const struct impact_set *, struct tcb_match *m);

enum impact_part {
	PART_SGX,    /* component 1 to 16 */
	PART_PCESVN, /* component 0 from here on */
	PART_TDX,    /* component 1 to 16 again */
	PART_MODULE,
	PART_QE
};
struct impact_short {
	enum impact_part part;
	unsigned component;
	unsigned has, needs;
};
#define IMPACT_SHORT_MAX 35
/*
 * What the platform lacks for the nearest level that is not out of date: the
 * one with the fewest components missing, of equals the highest.  How many;
 * 0 also when no level is good.
 */
size_t impact_short(const struct fleet_tcb *, const struct impact_set *,
    struct impact_short out[IMPACT_SHORT_MAX]);

/* Of many platforms: from one set to another. */
struct impact_sum {
	size_t platforms;
	size_t before[IMPACT_STATUS_N], after[IMPACT_STATUS_N];
	size_t fall;    /* good before, not good after */
	size_t refetch; /* of those: good again with newer certificates */
};
/* Add n platforms of one kind.  Either set may be NULL: IMPACT_UNKNOWN. */
void impact_add(struct impact_sum *, const struct fleet_tcb *, size_t n,
    const struct impact_set *from, const struct impact_set *to);

/* --- what is held (sets.c); store thread ------------------------------- */

/* Collateral by number: the hot set's, and of replaced versions the last of
 * each number. */
struct sets;
/* fmspc NULL: all. Owned by the caller (sets_free). */
enum err sets_read(struct storage *, const char *fmspc, struct sets **out,
    struct why *) MUST_CHECK;
/* The hot set alone: no database. */
struct sets *sets_hot(struct storage *, const char *fmspc);
void sets_free(struct sets *);
/* What was said of replaced versions holds no longer: whom we trust, or whom
 * the root CRL names, has changed. */
void sets_forget(struct storage *);

struct number_set {
	enum tee tee;
	char fmspc[13];
	uint32_t number;
	bool standard, early; /* held under that name */
	struct coll *info;
	struct coll *identity; /* NULL: not held */
	struct impact_set set; /* of these two */
};
/* Those of one TEE and FMSPC, by number; borrowed. */
size_t sets_of(const struct sets *, enum tee, const char *fmspc,
    const struct number_set **out);
/* Borrowed; NULL: not held. number 0: the one held as standard. */
const struct impact_set *sets_get(const struct sets *, enum tee,
    const char *fmspc, uint32_t number);

/*
 * The sum over the platforms of one FMSPC when "from" gives way to "to";
 * fleet_sync() first.  Of TDX those count of which a quote was seen.
 */
void impact_of(struct storage *, const struct sets *, enum tee,
    const char *fmspc, uint32_t from, uint32_t to, struct impact_sum *sum);
/*
 * The same when each TEE's number gives way to another, 0: it is not
 * concerned; by base_tee_index().  A platform of both counts once: as the one
 * in which it falls.
 */
struct impact_move {
	uint32_t from, to;
};
void impact_of_both(struct storage *, const struct sets *, const char *fmspc,
    const struct impact_move move[2], struct impact_sum *sum);
/* The gauges anew, for impact_metrics(), which any thread may call. */
void impact_publish(struct storage *);
void impact_metrics(struct storage *, struct buf *);
/* {"UpToDate":5,...}, those that are not 0; a new reference. */
struct json_t *impact_counts_json(const size_t counts[IMPACT_STATUS_N]);

#endif
