/*
 * The registration queue (caching-and-selection 5, pccs-api 6.10):
 *
 *     POST platforms      GET platforms         upload, or fetched
 *   ─────────────► NEW ──────────────► HANDED_OUT ─────────► DELETED
 *                   │ ▲ POST again ◄──────┘ │                   ▲
 *                   └─┴─────────────────────┴───────────────────┘
 *     PCS says "Not available"  GET platforms?source=reg_na
 *   ─────────► NOT_AVAILABLE ───────────► HANDED_OUT ... as above
 *
 * Store thread.  Private to storage/.
 */
#ifndef STORAGE_REGISTER_H
#define STORAGE_REGISTER_H

#include "storage/store.h"

struct reg_row {
	int64_t row;                      /* its id */
	char cpu_svn[33], pce_svn[5];     /* both "" with a manifest */
	struct blob *enc_ppid, *manifest; /* or NULL */
	bool na; /* queued because PCS had no certificate for this TCB */
	enum reg_state state;
	time_t created_at, changed_at;
	time_t said_at; /* by the platform; 0: not known */
};

/* Live rows of a platform, the latest first; reg_rows_free. */
struct reg_rows {
	struct reg_row *v;
	size_t n;
};
enum err reg_rows_get(struct storage *, const struct platform_id *,
    struct reg_rows *out, struct why *) MUST_CHECK;
void reg_rows_free(struct reg_rows *);

/* Put or replace the row with this key; created_at and changed_at are now. */
enum err reg_put(struct storage *, const struct platform_id *,
    const struct reg_row *, struct why *) MUST_CHECK;
enum err reg_end(struct storage *, const struct reg_row *,
    struct why *) MUST_CHECK;
enum err reg_hand_out(struct storage *, int64_t row, enum reg_state from,
    struct why *) MUST_CHECK;

#endif
