/*
 * The inside of storage: the store thread's state, its jobs and its batch.
 * Private to storage/.  All of it belongs to the store thread (to the opening
 * thread before that one starts) but for what is marked "any thread".
 *
 * The only lock here is storage.lock; no other lock is taken while it is
 * held, and it is held for pointer swaps and message sends alone.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "config/base/map.h"
#include "storage/db.h"
#include "storage/platform.h"
#include "storage/storage.h"
#include "storage/vekcache.h"

#include <pthread.h>
#include <stdatomic.h>

#define STORE_MAGIC 0x53544f52

/* Calls that wait for the store thread; more are answered ERR_SHED. */
#define STORE_QUEUE_MAX 16384
/* Registrations and uploads that share one commit, at most. */
#define STORE_BATCH_MAX 1024
/* Different objects in the hot set, at most. */
#define HOT_MAX 16384
/* Objects waiting to be written while the database cannot, at most. */
#define UNSAVED_MAX 4096
/* Objects whose last failure is remembered, at most. */
#define ATTEMPTS_MAX 4096
/* Of these, those about endorsement keys: there can be any number of them. */
#define ATTEMPTS_VEK_MAX 1024
/* Rows waiting in the registration queue, at most. */
#define REG_MAX 1000000
/* Platforms kept on demand (nobody registered them) per PPID. */
#define ON_DEMAND_MAX 1024

struct fleet;
struct sets_past;
struct subscriber;
struct unsaved;
struct base_state;

/* A failure after the last success, by object. */
struct attempt {
	time_t at, since; /* the last one, the first one without a success */
	enum err err;
	char text[200];
	unsigned failures; /* 0: succeeded since; the row is to go */
	bool dirty;
};

struct storage {
	unsigned magic;
	struct loop *loop;
	struct config *config;
	struct anchors *anchors;
	struct anchors *amd_anchors[AMD_PRODUCT_N];

	const struct store_ops *ops;
	struct db *db;
	bool batch;                         /* a transaction is open */
	struct job *waiting, **waiting_end; /* for its commit */
	size_t n_waiting;
	struct msg flush;
	bool flush_sent;
	enum err db_err; /* of the last write */
	struct why db_why;
	int64_t retry_at;   /* monotonic ms: objects wait until then ... */
	int64_t busy_until; /* ... and nobody waits for a lock again */
	struct timer *tick;
	int64_t ticks;
	struct bound {
		bool known;
		int64_t n; /* rows, at most */
	} bound_platforms, bound_vceks;
	bool recount; /* a batch was lost: the counters below may be wrong */

	struct map *hot;          /* key text -> struct coll */
	X509 *root;               /* a root certificate seen, or built in */
	X509 *ark[AMD_PRODUCT_N]; /* seen; NULL: not yet */
	struct unsaved *unsaved, **unsaved_end;
	struct map *attempts; /* key text -> struct attempt */
	size_t vek_attempts;  /* of them */
	struct chains *chains;
	struct map *issuers; /* chain PEM -> struct issuer */
	struct fleet *fleet;
	struct sets_past *past; /* of the last preview (sets.c); NULL: none */

	bool veks_changed;     /* n_veks is to be counted again */
	time_t amd_checked_at; /* the last amd_recheck() */
	struct base_state *base;

	/* any thread */
	struct platforms *platforms;
	struct vekcache *vekcache;
	atomic_bool closing;
	atomic_size_t queued; /* jobs not answered yet */
	_Atomic int64_t n_unsaved, n_platforms, n_policies;
	_Atomic int64_t n_veks[2][AMD_PRODUCT_N]; /* by side */
	_Atomic int64_t platform_success; /* a list of certificates came */
	_Atomic int64_t veks_trimmed;     /* over tcbs_per_chip */
	_Atomic int64_t vlek_end;         /* UTC seconds; 0: none */
	_Atomic int64_t reg_count[REG_DELETED + 1];
	_Atomic int db_err_seen; /* enum err, for metrics */
	_Atomic int64_t db_failures, commit_ms;
	pthread_mutex_t lock; /* of those below */
	struct blob *impact;  /* gauges of the preview, as text */
	struct snap *snap;
	struct subscriber *subscribers;
	struct {
		struct loop *loop;
		void (*fn)(void *arg, struct blob *json);
		void *arg;
	} watcher; /* of watch.c */
};

/* --- jobs: one call from another loop ---------------------------------- */

/*
 * The first member of a struct of its own per call, allocated by the caller
 * of job_start and freed here.  "work" runs on the store thread and ends in
 * exactly one of job_done, job_fail and job_commit; "answer" then runs on the
 * caller's loop.
 */
struct job {
	struct msg msg;
	struct storage *st;
	struct loop *home;
	void (*work)(struct job *);
	void (*answer)(struct job *); /* NULL: nobody waits */
	void (*fini)(struct job *);   /* frees the members; may be NULL */
	void *arg;                    /* of the caller's function */
	enum err err;
	struct why why;
	struct job *next;
};

void job_start(struct job *, struct storage *, void (*work)(struct job *),
    void (*answer)(struct job *), void (*fini)(struct job *), void *arg);
void job_done(struct job *);
/* job->why says more. */
void job_fail(struct job *, enum err);
/* Answer once what was written in this batch is on disk. */
void job_commit(struct job *);

/* --- the database ------------------------------------------------------ */

/* The parameters of a statement, as "pointer, count". */
#define VALS(...)                                                              \
	(const struct db_val[]){ __VA_ARGS__ },                                \
	    sizeof((const struct db_val[]){ __VA_ARGS__ }) /                   \
		sizeof(struct db_val)

enum err store_read(struct storage *, enum sql, const struct db_val *, size_t n,
    db_row_fn, void *arg, struct why *) MUST_CHECK;
/*
 * Write inside the batch, which is opened if there is none and committed
 * soon.  On failure all of the batch is gone, whoever waits for it has been
 * told, and the caller must not write on.
 */
enum err store_write(struct storage *, enum sql, const struct db_val *,
    size_t n, struct why *) MUST_CHECK;
/* The same for a statement that gives rows back. */
enum err store_write_row(struct storage *, enum sql, const struct db_val *,
    size_t n, db_row_fn, void *arg, struct why *) MUST_CHECK;
/* Commit the batch now; whoever waits for it is told. */
enum err store_commit(struct storage *, struct why *) MUST_CHECK;
/* The same, and write the objects that wait. */
void store_flush(struct storage *);
/* Begin a batch of its own for statements that are run past store_write(). */
enum err store_begin(struct storage *, struct why *) MUST_CHECK;
void store_abort(struct storage *, enum err, const struct why *);
/* Have store_flush called once the messages at hand are done. */
void store_flush_soon(struct storage *);
/* Remember, and log when it changes, how the last write went. */
void store_db_result(struct storage *, enum err, const struct why *);

/* --- the hot set (hot.c) ----------------------------------------------- */

struct trust hot_trust(const struct storage *);
/* Borrowed; NULL: not held. */
struct coll *hot_get(const struct storage *, const struct coll_key *);
/* Put an admitted record in its place and do all that follows from it, but
 * for the snapshot. Steals the reference. ERR_SHED: the set is full. */
enum err hot_take(struct storage *, struct coll *, struct why *) MUST_CHECK;
void hot_publish(struct storage *);
/* Make it the current one and send it to all; steals the reference. */
void snap_publish(struct storage *, struct snap *);
/* One row of SQL_OBJECT_LOAD's columns, through the gate; "text" is its key. */
enum err hot_row_read(struct storage *, const struct db_val *col,
    const char *text, struct coll **out, struct why *) MUST_CHECK;
/* What the database holds, through the gate. */
enum err hot_load(struct storage *, struct why *) MUST_CHECK;
/* All of it through the gate again: the anchors changed. */
void hot_recheck(struct storage *);
/* One of it through the gate again; it vanishes if it fails. */
void hot_recheck_one(struct storage *, struct coll *);
/* A root certificate was seen at the end of a chain. */
void hot_root_seen(struct storage *, const struct chain *);
/* The TCB info selection uses for an FMSPC (upper case hex): early before
 * standard, v4 before v3; borrowed, NULL: none. */
const struct tcbinfo *hot_select_info(const struct storage *,
    const char *fmspc);
/* The part of a TCB info that selection looks at, as one number. */
int64_t levels_id(const struct tcbinfo *);
void refused_log(const char *object, enum err, const struct why *,
    const char *source);

/* --- versions in the database (object.c) ------------------------------- */

/* Write soon; keep trying. Takes a reference. */
void object_save(struct storage *, struct coll *);
/* Mark the current version as no longer current, and why. */
void object_end(struct storage *, const char *key, enum err why);
/* Write what waits; called by store_flush and the timer. */
void object_flush(struct storage *);
void object_unsaved_free(struct storage *);
/* The same inside the caller's own transaction. */
enum err object_write(struct storage *, const struct coll *,
    struct why *) MUST_CHECK;
void attempt_failed(struct storage *, const char *key, enum err, const char *);
void attempt_succeeded(struct storage *, const char *key);
enum err attempt_load(struct storage *, struct why *) MUST_CHECK;
void attempt_flush(struct storage *);
void attempts_free(struct storage *);

/* --- counters and old rows (keep.c) ------------------------------------ */

enum err keep_count(struct storage *, struct why *) MUST_CHECK;
/* Every KEEP_TICK_MS: what can wait. */
#define KEEP_TICK_MS 10000
void keep_tick(struct storage *);
void keep_seen(struct storage *);

#endif
