/*
 * The TCB baseline: which evaluation data number clients get that name none.
 * A door of storage, beside storage.h.
 *
 * A rule stands at a scope: the default, one FMSPC, one listener.  A listener
 * with a rule of its own serves that number for every FMSPC; elsewhere an
 * FMSPC's rule goes before the default.  Rules come from the configuration,
 * and those set at run time, kept in the database, go before them scope by
 * scope until they are rolled back.
 *
 * base_pick() is the rule, pure.  The store thread asks it for every scope
 * whenever what is held changes, and publishes the answer as a table inside
 * the snapshot: a number and the objects that have it appear together, and
 * another number is served only when the whole set of it is held.
 */
#ifndef STORAGE_BASELINE_H
#define STORAGE_BASELINE_H

#include "storage/storage.h"
#include "storage/verify/amd.h"

#include <jansson.h>

/* --- rules ------------------------------------------------------------ */

struct base_rule {
	enum follow follow; /* FOLLOW_NONE: no rule */
	uint32_t lag_days;  /* FOLLOW_LAG */
	uint32_t number;    /* FOLLOW_PIN */
	enum retire retire; /* never RETIRE_NONE when there is a rule */
};

enum base_kind { BASE_DEFAULT, BASE_LISTEN, BASE_FMSPC };

struct base_scope {
	enum base_kind kind;
	char *name; /* a listener's address, an FMSPC; "" for the default */
	struct base_rule rule;
	bool run_time; /* not from the configuration */
};

/* The least TCB a chip must report. */
struct base_amd {
	enum amd_product product;
	char *chip; /* hardware id, lower case hex; "": the whole product */
	bool newest;
	struct amd_tcb tcb; /* unless newest */
	bool run_time;
};

/* Scopes are sorted by kind and name, the default first and always there. */
struct base_policy {
	int64_t revision; /* of the rules set at run time; 0: none ever was */
	size_t n, n_amd;
	struct base_scope *v;
	struct base_amd *amd;
};

/* The configuration's rules alone; and a copy. base_policy_free() takes NULL.
 */
struct base_policy *base_policy_of(const struct config *);
struct base_policy *base_policy_copy(const struct base_policy *);
void base_policy_free(struct base_policy *);
/* The scope of exactly this name; NULL: it has no rule. */
struct base_scope *base_scope_at(const struct base_policy *, enum base_kind,
    const char *name);
/* Set a rule at a scope, from run time. */
void base_policy_set(struct base_policy *, enum base_kind, const char *name,
    const struct base_rule *);
void base_policy_set_amd(struct base_policy *, const struct base_amd *);

/*
 * {"default":{"follow":"standard","on_retire":"hold","from":"configuration"},
 *  "fmspc":{"00906ED50000":{"pin":17,"on_retire":"hold","from":"run-time"}},
 *  "listen":{"127.0.0.1:8081":{"lag_days":60,...}},
 *  "amd":[{"product":"Milan","chip":null,"tcb":"auto","from":...}]}
 * With "run_time", only those set at run time: what the database keeps.
 */
json_t *base_policy_json(const struct base_policy *, bool run_time);
/* Lay rules kept by base_policy_json(p, true) over a policy. ERR_FORMAT. */
enum err base_policy_lay(struct base_policy *, const json_t *,
    struct why *) MUST_CHECK;
/* "standard", "early", "lag", "pin". */
const char *follow_name(enum follow);
const char *retire_name(enum retire);

/* --- the rule (pure) -------------------------------------------------- */

/* A number that Intel has published for one TEE. */
struct base_number {
	uint32_t number;
	time_t recovered_at; /* of its recovery event; 0: not known */
	bool gone;           /* Intel has answered that it signs it no longer */
};

/* What is known of one TEE's numbers. */
struct base_world {
	size_t n; /* ascending */
	const struct base_number *v;
	uint32_t standard, early; /* as Intel calls them; 0: not known */
};

/* What is held of one number, within one scope. */
struct base_set {
	bool whole;     /* all of it */
	time_t ends_at; /* the first nextUpdate in it; 0: nothing is held */
};
typedef struct base_set (*base_set_fn)(void *arg, uint32_t number);

enum base_warning {
	BASE_FINE,
	BASE_NEWER,    /* a newer number is out: this one will be retired */
	BASE_UNKNOWN,  /* Intel has published no such number */
	BASE_WAITING,  /* the rule wants a number that is not all held yet */
	BASE_RETIRED,  /* Intel signs it no longer; what is held still lasts */
	BASE_HELD,     /* ... and is past its nextUpdate, held on */
	BASE_ADVANCED, /* ... and another has taken its place */
	BASE_WARNING_N
};
const char *base_warning_name(enum base_warning); /* NULL for BASE_FINE */

struct base_pick {
	uint32_t number; /* served; 0: nothing is known yet */
	uint32_t wanted; /* what is to be held: it takes over when it is */
	uint32_t named;  /* what the rule names, retired or not */
	bool held;       /* served past its nextUpdate, until "until" */
	enum base_warning warning;
	time_t until; /* RETIRED, HELD: when it is over; else 0 */
};

/* An advance is made so long before the last signed set ends (seconds). */
#define BASE_ADVANCE_AHEAD 86400

/*
 * The number a scope gets now.  "current" is the one it had, 0 for none: it
 * stays until the whole set of the wanted one is held, and if it is no longer
 * of use, it goes.
 */
struct base_pick base_pick(const struct base_rule *, const struct base_world *,
    base_set_fn, void *arg, uint32_t current, int64_t hold_max_s, time_t now);

/* May Intel be asked for this number (pcs-upstream 2)? */
bool base_signed(const struct base_world *, uint32_t number);
const struct base_number *base_known(const struct base_world *,
    uint32_t number);

/* --- the table in the snapshot ---------------------------------------- */

struct baseline; /* immutable, of one snapshot */
/* Borrowed from the snapshot. */
const struct baseline *snap_baseline(const struct snap *);
const struct base_policy *baseline_policy(const struct baseline *);
/* What is known of a TEE's numbers. */
const struct base_world *baseline_world(const struct baseline *, enum tee);

/*
 * What a request gets that names no version: at this listener (its address
 * in the configuration; NULL: the default), for this FMSPC (NULL: for an
 * identity).  Bounded work, no allocation.
 */
const struct base_pick *baseline_pick(const struct baseline *,
    const char *listen, enum tee, const char *fmspc);
/* When time alone changes something in it; 0: never. */
time_t baseline_next(const struct baseline *);
/* What is to be fetched so that wanted numbers become whole. */
const struct coll_key *baseline_wants(const struct baseline *, size_t *n);
/* Is a version by number to be renewed?  Not once Intel signs it no longer
 * and nobody gets it. */
bool baseline_renews(const struct baseline *, const struct coll_key *);
/* Kept for a rule that might name its number; neither renewed nor served. */
bool baseline_retired(const struct baseline *, const struct coll_key *);
/* A retired number is held on past its nextUpdate until then; 0: it is not. */
time_t baseline_held_until(const struct baseline *, enum tee, uint32_t number);
/* Does any rule count days from the recovery events? */
bool baseline_lags(const struct baseline *);
/* FMSPCs on this listener may have different numbers. */
bool baseline_differs(const struct baseline *, const char *listen);

/*
 * The TCB info or identity with this number, whatever name it was fetched
 * under; of several the one that lasts longest.  "family" is any key of the
 * object, its version is not looked at.  Borrowed; NULL: not held.
 */
struct coll *snap_numbered(const struct snap *, const struct coll_key *family,
    uint32_t number);
/* Whose evaluation numbers a TCB info or identity has. */
enum tee key_tee(const struct coll_key *);
/* The same object's key with another version. */
struct coll_key key_version_as(const struct coll_key *, enum update,
    uint32_t number);

/* The least TCB for a chip (its id in lower case hex, or NULL for one that is
 * not known): false when no rule speaks of it. */
struct base_amd_min {
	bool newest;
	struct amd_tcb tcb; /* unless newest */
};
bool baseline_amd(const struct baseline *, enum amd_product, const char *chip,
    struct base_amd_min *out);

/* --- calls (storage.h says how they work) ------------------------------ */

/* baseline_next() is over: publish what follows from it. */
void storage_baseline_due(struct storage *, store_done_fn, void *arg);

/* GET /v1/baseline: {"revision", "rules", "numbers", "effective",
 * "changes_at"}, the last being when time alone may change something. */
void storage_baseline(struct storage *, store_text_fn, void *arg);
/* {"changes":[...],"next"}, the newest first: a page of those before a
 * revision, 0 for the last ones. "next" is where the next page is before. */
void storage_baseline_history(struct storage *, int64_t before, store_text_fn,
    void *arg);

/*
 * What is new upstream, one JSON object each, before it is served:
 * {"event": "number", "tee", "number", "standard", "recovered_at", "impact"},
 * {"event": "tcb-info", "tee", "fmspc", "number", "against", "changed",
 *  "new_advisories", "impact"}, {"event": "identity", "enclave", ...}.
 * To be called on the loop that is to hear of it; fn NULL ends it, though
 * what is in that loop's mailbox still arrives.  One watcher at a time.
 */
typedef void (*watch_fn)(void *arg, struct blob *json);
void storage_watch(struct storage *, watch_fn, void *arg);

enum base_verb {
	BASE_PIN,
	BASE_LAG,
	BASE_FOLLOW,
	BASE_PROMOTE,
	BASE_CLEAR, /* the rule set at run time, of one scope */
	BASE_ROLLBACK,
	BASE_VERB_N
};
const char *base_verb_name(enum base_verb);

/* One change, as asked for.  Texts are borrowed for the call. */
struct base_change {
	enum base_verb verb;
	int64_t revision; /* it was made from; -1: whatever it is */
	enum base_kind kind;
	const char *name;      /* "" for the default */
	struct base_rule rule; /* PIN, LAG, FOLLOW; PROMOTE: number or 0 */
	int64_t to;            /* ROLLBACK: the revision to go back to; -1:
	    the one before the last */
	bool has_amd; /* PIN, FOLLOW, CLEAR: of a product's least TCB instead */
	struct base_amd amd;
	const char *who, *reason;
	bool dry_run, force;
};
/*
 * Check it, compute its impact, write it, publish it: on disk before the
 * call-back.  The text is the document of GET /v1/baseline as it is (or, with
 * dry_run, would be) afterwards, with "impact": {"before", "after"}, and
 * "amd" in it when rules of AMD's may have changed.
 * ERR_CHANGED: the revision has moved on.  ERR_NO_FMSPC, ERR_NO_NUMBER,
 * ERR_RETIRED, ERR_PARAM: there is nothing of the kind.  ERR_IMPACT: too many
 * platforms would fall; the text holds the impact.  ERR_DB...: nothing was
 * changed.
 */
void storage_baseline_change(struct storage *, const struct base_change *,
    store_text_fn, void *arg);
/*
 * What is to be fetched first, so that the change can be judged and takes
 * effect at once.  The same errors, but ERR_IMPACT and those of the database.
 */
typedef void (*store_keys_fn)(void *arg, enum err, const struct why *,
    const struct coll_key *, size_t n);
void storage_baseline_wants(struct storage *, const struct base_change *,
    store_keys_fn, void *arg);

#endif
