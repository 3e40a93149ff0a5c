/*
 * One evidence judged with what is held now: the verdict, or the collateral
 * that is missing for it.  Runs on a judge's thread; nothing here waits.
 * Private to server/.
 */
#ifndef SERVER_VERIFY_RUN_H
#define SERVER_VERIFY_RUN_H

#include "server/question.h"

#define RUN_KEYS 4

/* What the run may look into. All borrowed. */
struct run_world {
	struct verifier *verifier;
	struct storage *storage;
	struct snap *snap; /* one for the whole verdict */
	/* VEKs that have been got for this verdict already. */
	struct coll *const *veks;
	size_t n_veks;
	bool again;   /* what is missing has been asked for: take stale ones */
	bool no_vlek; /* no provider's VLEK of that TCB is held */
	const char *listen; /* address of the listener asked at */
};

struct run_out {
	struct buf json; /* the verdict; empty when something is missing */
	bool valid, accepted;
	enum evidence_kind kind;
	char check[64];     /* of the first reason, "" for none */
	time_t valid_until; /* 0: not known */
	bool has_seen;
	struct quote_seen seen; /* what the platform proved */

	size_t n_keys; /* what is missing; of alternatives one will do */
	bool alternatives;
	char fmspc[13]; /* for which they are; "" */
	/* A VLEK that names no provider has an empty text: any one's. */
	struct coll_key keys[RUN_KEYS];
};
void verify_run(const struct run_world *, const struct question *,
    struct run_out *out);
void run_out_fini(struct run_out *);

#endif
