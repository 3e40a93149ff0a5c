/*
 * Storage for tests: a database in a folder of its own, a test PKI as its
 * root, the virtual clock at the PKI's "now", and storage's calls as calls
 * that wait.  One per process at a time; the thread that made it.
 */
#ifndef TESTS_KIT_STOREKIT_H
#define TESTS_KIT_STOREKIT_H

#include "storage/storage.h"
#include "tests/kit/pki.h"
#include "tests/kit/pki_amd.h"

struct kit {
	struct pki *pki;
	struct config *config;
	struct storage *st; /* NULL while closed */
	struct loop *loop;
	char dir[64], db[80]; /* folder; path of the database */
	const char *spki;     /* of the root to trust; NULL: the PKI's */
	struct pki_amd *amd;  /* of AMD's; NULL until kit_amd() */
	bool amd_genuine;     /* trust AMD's own roots, not the PKI's */

	/* what the last call gave; owned by the kit until the next call */
	enum err err;
	struct why why;
	struct coll *coll;
	struct pck_answer *answer;
	struct blob *text;
	size_t n;
	struct vek_held *veks; /* n of them */
	bool cached;
	struct platform_ask ask;
	struct snap *snap; /* the latest one delivered */
};

/* settings: more members of larder.json, "\"mode\":\"req\"", or "". */
void kit_init(struct kit *, const char *settings);
/* Closes and removes the folder. */
void kit_fini(struct kit *);
enum err kit_open(struct kit *);
void kit_close(struct kit *);
/* Close, open; must succeed. */
void kit_reopen(struct kit *);
/* A new configuration for the next open, or for storage_reload(). */
void kit_config(struct kit *, const char *settings);
/* The virtual clock, seconds from the PKI's "now". */
void kit_clock(const struct kit *, int64_t seconds);

/* Run fn on the kit's loop and wait until something calls kit_done(). */
void kit_wait(struct kit *, void (*fn)(struct kit *, void *arg), void *arg);
void kit_done(struct kit *);

/* Each gives what the call-back got; the rest is in the kit. */
enum err kit_admit(struct kit *, const struct coll_key *, struct span body,
    struct span chain);
enum err kit_admit_doc(struct kit *, const struct coll_key *, struct pki_doc);
enum err kit_pck(struct kit *, const struct platform_id *,
    const struct raw_tcb *);
enum err kit_certs(struct kit *, const struct platform_ask *, struct span body,
    struct span chain);
enum err kit_register(struct kit *, const struct platform_ask *);
enum err kit_ask(struct kit *, const struct platform_id *);
enum err kit_platforms(struct kit *, const char *source, bool peek);
enum err kit_upload(struct kit *, const char *json, unsigned api, bool force);
enum err kit_policy_put(struct kit *, const char *json);
enum err kit_policy_get(struct kit *, const char *fmspc);
enum err kit_vek(struct kit *, const struct coll_key *);
enum err kit_veks(struct kit *, struct span hwid);
/* Whoever's it is: storage_vlek(). */
enum err kit_vlek(struct kit *, enum amd_product, struct amd_tcb);
enum err kit_sync(struct kit *);
enum err kit_status(struct kit *);
enum err kit_explain(struct kit *, const char *what);
enum err kit_history(struct kit *, const char *key);
/* The store thread's housekeeping, which it does every ten seconds. */
void kit_tick(struct kit *);
/* The text the last of these gave, NUL-terminated, borrowed. */
const char *kit_text(const struct kit *);
/* The record in the newest snapshot, borrowed; NULL: not there. */
struct coll *kit_held(struct kit *, const struct coll_key *);
bool kit_holds(struct kit *, struct coll_key);
/* One statement on the database, closed or open, that has to change rows; one
 * that gives a number. */
void kit_sql(struct kit *, const char *text);
int64_t kit_number(struct kit *, const char *text);

/* The honest pieces, made and admitted; fails the process if refused. */
void kit_root_crl(struct kit *);
void kit_pck_crl(struct kit *, enum pck_ca);
void kit_tcbinfo(struct kit *, enum tee, const char *fmspc, enum update);
void kit_identity(struct kit *, enum enclave, enum update);

/* With PCE-ID 0000. */
struct platform_id kit_platform_id(const char *qe_id);

#endif
