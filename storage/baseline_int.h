/*
 * The inside of the TCB baseline: what the store thread keeps of it, and how
 * the table of a snapshot is made.  The store thread.  Private to storage/.
 */
#ifndef STORAGE_BASELINE_INT_H
#define STORAGE_BASELINE_INT_H

#include "storage/baseline.h"
#include "storage/store.h"

#define BASE_TEES   2
#define BASE_TEE(i) ((i) == 0 ? TEE_SGX : TEE_TDX)
static inline size_t
base_tee_index(enum tee tee)
{
	return tee == TEE_TDX ? 1 : 0;
}

/* --- what is held (baseline_held.c) ----------------------------------- */

/* One version of one TCB info or identity, of API version 4. */
struct base_piece {
	size_t tee; /* index */
	enum coll_kind kind;
	enum enclave enclave;
	char fmspc[13]; /* "" of an identity */
	uint32_t number;
	time_t ends_at;
};

/* Everything of the kind in the hot set, sorted by object, then by number. */
struct base_held {
	const struct storage *st;
	size_t n;
	struct base_piece *v;
	struct base_world world[BASE_TEES];
	struct base_number *numbers[BASE_TEES];
};
void base_held_init(struct base_held *, const struct storage *);
void base_held_fini(struct base_held *);
/* The next object from *at on: its versions are v[*at .. *end). */
bool base_held_next(const struct base_held *, size_t *at, size_t *end);
/* The version of this number among them; NULL. */
const struct base_piece *base_held_version(const struct base_held *, size_t at,
    size_t end, uint32_t number);
/* Any version of an object: its key with this number. */
struct coll_key base_piece_key(const struct base_piece *, uint32_t number);
/* Upstream's word that there is none. */
bool base_word(enum err);
/* It cannot be had: upstream has said so, or nobody is asked. */
bool base_held_excused(const struct base_held *, const struct base_piece *,
    uint32_t number);

/* --- the table (baseline_table.c) ------------------------------------- */

/* An FMSPC that has not the number of its scope and cannot get it. */
struct base_late {
	size_t scope, tee;
	char fmspc[13];
	struct base_pick pick;
};

struct baseline {
	_Atomic unsigned refs;
	struct base_policy *policy;
	struct base_world world[BASE_TEES];
	struct base_number *numbers[BASE_TEES];
	struct base_pick *pick; /* of scope i and TEE t at i * BASE_TEES + t */
	time_t *ends_at;        /* likewise: of the number served */
	size_t n_late, n_wants;
	struct base_late *late;
	struct coll_key *wants; /* to be fetched: parts of wanted sets */
	time_t next_at;         /* something changes by itself then; 0: no */
	bool fmspcs;            /* FMSPCs may differ from their scope */
};

/* The number a scope was served with, which it keeps until a change is ready.
 * "name" as in struct base_scope. */
struct base_now {
	enum base_kind kind;
	char *name;
	size_t tee;
	uint32_t number;
};

/* In struct storage. */
struct base_state {
	struct base_policy *policy; /* configuration and run time */
	json_t *run_time;           /* the latter's rules, as they are kept */
	struct base_now *now;
	size_t n_now;
	uint32_t told[BASE_TEES]; /* numbers announced (watch.h) */
	bool now_dirty;           /* not in the database yet */
	struct baseline *table;   /* of the last snapshot; NULL before it */
};

/* The table under a policy, which is copied; own reference. */
struct baseline *baseline_new(const struct storage *,
    const struct base_policy *, time_t now);
struct baseline *baseline_ref(struct baseline *);
void baseline_unref(struct baseline *);

/* --- for people (baseline_json.c) -------------------------------------- */

/* The document of GET /v1/baseline; a new reference. */
json_t *baseline_json(const struct storage *, const struct baseline *);
/* {"revision", "warnings": rows of "effective" that have one}. */
json_t *baseline_status(const struct storage *);
/* Gauges. Any thread. */
void baseline_metrics(struct storage *, struct buf *);

/* --- what a change does (baseline_impact.c) --------------------------- */

/* From the rules in force to those after a change; all borrowed. */
struct base_step {
	struct storage *st;
	const struct base_change *ask;
	const struct base_policy *policy;
	const struct baseline *table;
};
/*
 * The platforms by status before and after, how many fall, and AMD's chips
 * where these are concerned; a new reference, also with ERR_IMPACT: more fall
 * than may, and it is not forced.
 */
enum err baseline_impact(const struct base_step *, json_t **out,
    struct why *) MUST_CHECK;

/* --- the store's part (baseline_store.c) ------------------------------ */

struct base_state *baseline_state_new(const struct config *);
void baseline_state_free(struct base_state *);
/* Rules of run time, and the numbers served so far. */
enum err baseline_load(struct storage *, struct why *) MUST_CHECK;
/* Write the numbers served, once the objects behind them are written. */
void baseline_flush(struct storage *);
/* The table for the snapshot about to be published: borrowed. */
struct baseline *baseline_publish(struct storage *);
/* Another configuration: its rules under those of run time. */
void baseline_reload(struct storage *);
/* The configuration's rules under these of run time (borrowed). */
enum err baseline_policy_make(const struct config *, const json_t *run_time,
    int64_t revision, struct base_policy **out, struct why *) MUST_CHECK;
/* The time has come for something in the table: publish anew. */
void baseline_tick(struct storage *);
/* Does a failure say something new of a number: that it is not to be had? */
bool baseline_news(const struct storage *, const struct coll_key *, enum err);
/* An object's version under "standard" or "early" gives way to one of
 * another number: it is kept under its own. */
void baseline_retain(struct storage *, struct coll *old,
    const struct coll *next);
/* And what is held under its number is superfluous under a name as well: after
 * it has been compared with that. */
void baseline_release(struct storage *, const struct coll *next);

#endif
