/*
 * FRONT DOOR of storage: what we keep, and the gate in front of it.
 *
 * Records (struct coll) are immutable and can be built only by coll_admit().
 * The store thread owns the database and the truth; it publishes a new
 * snapshot of the hot set to every subscribed loop after each change.
 * Platform certificates and AMD's endorsement keys are too many for that:
 * they live in bounded LRU shards that any thread may look into.
 *
 * Every storage_*() call below that takes a function is asynchronous: it is
 * made on a loop's thread, the work is done on the store thread, and the
 * function is called back on the caller's loop.  "arg" is passed through;
 * results are borrowed for the length of the call unless they are taken with
 * *_ref().
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "config/base/mbox.h"
#include "config/config.h"
#include "storage/verify/amd.h"
#include "storage/verify/verify.h"

/* --- keys ------------------------------------------------------------- */

enum coll_kind {
#define COLL(sym, name, stale, back) sym,
#include "storage/coll.def"
#undef COLL
	COLL_N
};

enum update { UPDATE_STANDARD, UPDATE_EARLY, UPDATE_NUMBER };

#define COLL_KEY_TEXT 168
#define CSP_ID_LEN    128

/* Which object: the fields its kind uses, all others zero. */
struct coll_key {
	enum coll_kind kind;
	enum tee tee;             /* TCBINFO, EVALNUMS */
	enum enclave enclave;     /* IDENTITY */
	enum pck_ca ca;           /* PCK_CRL */
	unsigned api;             /* TCBINFO, IDENTITY: 3 or 4 */
	enum update update;       /* TCBINFO, IDENTITY */
	uint32_t number;          /* with UPDATE_NUMBER */
	char fmspc[13];           /* TCBINFO, upper case */
	char platform[8];         /* FMSPCS: "all", "client", "E3", "E5" */
	enum amd_product product; /* AMD_CHAIN, AMD_CRL, VEK */
	enum amd_side side;       /* the same */
	struct amd_tcb tcb;       /* VEK */
	unsigned char hwid[AMD_HWID_MAX]; /* VCEK; amd_hwid_len() of them */
	char csp_id[CSP_ID_LEN];          /* VLEK */
	char text[COLL_KEY_TEXT]; /* canonical, filled by the makers below:
	    "tcb/sgx/4/00906ED50000/standard", "identity/tdqe/4/early",
	    "pckcrl/platform", "rootcrl", "evalnums/tdx", "fmspcs/all",
	    "amdchain/vcek/Milan", "amdcrl/vlek/Genoa",
	    "vek/vcek/Milan/<hwid, lower case>/DB18000000000004",
	    "vek/vlek/Milan/<csp id>/DB18000000000004" */
};

struct coll_key key_tcbinfo(enum tee, unsigned api, const char *fmspc,
    enum update, uint32_t number);
struct coll_key key_identity(enum enclave, unsigned api, enum update,
    uint32_t number);
struct coll_key key_pck_crl(enum pck_ca);
struct coll_key key_root_crl(void);
struct coll_key key_evalnums(enum tee);
struct coll_key key_fmspcs(const char *platform);
struct coll_key key_amd_chain(enum amd_product, enum amd_side);
struct coll_key key_amd_crl(enum amd_product, enum amd_side);
/* "hwid" has amd_hwid_len(product) bytes. */
struct coll_key key_vcek(enum amd_product, struct span hwid, struct amd_tcb);
/* "csp_id" is printable ASCII shorter than CSP_ID_LEN, and not empty. */
struct coll_key key_vlek(enum amd_product, const char *csp_id, struct amd_tcb);
/* The key that names this certificate. */
struct coll_key key_vek(const struct vek *);
/* The chip of a VCEK's key; borrowed. */
struct span key_hwid(const struct coll_key *);
/*
 * The text for log lines: a chip is shown as a hash that says nothing beyond
 * this process, "vek/vcek/Milan/#1a2b3c4d/DB18000000000004".
 */
struct key_log {
	char s[COLL_KEY_TEXT];
};
struct key_log key_log(const struct coll_key *);
enum err key_read(const char *text, struct coll_key *out,
    struct why *) MUST_CHECK;

/* --- records ---------------------------------------------------------- */

/* Ready-made bytes of one representation. */
struct form {
	struct blob *head; /* header lines, each ending CRLF: Content-Type,
	    Content-Length, ETag, the chain header(s) of the kind */
	struct blob *body;
};

/*
 * FORM_BODY  JSON kinds and AMD's three: the body as received
 * FORM_HEX   Intel's CRLs
 * FORM_DER   Intel's CRLs
 * FORM_PEM   Intel's CRLs; AMD's chain and VEK: PEM with LF line ends, ending
 *            in one, whatever KDS sent (amd-kds 8.2)
 * AMD's have Last-Modified among their header lines (amd-kds 8.1).
 */
enum form_name { FORM_BODY, FORM_HEX, FORM_DER, FORM_PEM, FORM_N };

struct coll {
	_Atomic unsigned refs;
	struct coll_key key;
	struct blob *body;  /* exactly the bytes received; CRLs: DER */
	struct blob *chain; /* PEM, signer then root, as chain_pem(); AMD CRL:
	    the ARK; or NULL */
	time_t issue_at;    /* issueDate, thisUpdate, notBefore, or when
	    fetched */
	time_t next_update; /* AMD chain and VEK: notAfter; 0: none (fmspcs) */
	time_t fetched_at;
	uint32_t eval_num;         /* 0: none */
	char *source;              /* "https://host", "upload", "import:NAME" */
	bool revocation_unchecked; /* no root CRL was held when admitted */
	union {
		struct tcbinfo *tcbinfo;
		struct identity *identity;
		struct crl *crl;
		struct evalnums *evalnums;
		struct amd_chain *amd_chain;
		struct amd_crl *amd_crl;
		struct vek *vek;
	} facts; /* by kind */
	/* Those that the kind does not have are NULL. */
	struct form form[FORM_N];
	struct chain *signer; /* the chain as read; NULL: kind without one */
	uint64_t hash;        /* of key.text, for struct snap */
};

/* What came from outside, before the gate. All borrowed. */
struct coll_raw {
	struct coll_key key;
	struct span body;
	struct span chain; /* PEM or percent-encoded PEM; empty: none came.
	    AMD CRL: the ARK, from our own database or a bundle */
	const char *source;
	time_t fetched_at;
	bool held; /* from our own database: may have expired since */
};

struct chains;

/* What the gate judges with. All borrowed. */
struct trust {
	const struct anchors *intel;
	const struct crl *root_crl; /* NULL: not held yet */
	struct chains *chains;      /* that held; NULL: none are kept */
	/* A root certificate with a pinned key, from any chain seen so far or
	 * built in; NULL: none yet.  What a root CRL without a chain of its
	 * own is checked and served with. */
	X509 *root;
	struct amd_anchors amd;
	/* What is held of each AMD product; NULL: not held. */
	struct {
		X509 *ark; /* with a pinned key, from any chain seen so far */
		const struct amd_chain *chain[2]; /* by side */
		const struct amd_crl *crl[2];
	} held[AMD_PRODUCT_N];
};

/*
 * THE GATE.  Verify everything pcs-upstream 6 asks of this kind, and that it
 * is the object asked for; nothing that fails becomes a struct coll.
 * Rollback is a question of two records: see coll_replaces().
 *
 * The chain that belongs to the kind must come with it; a root CRL may come
 * with the root certificate or with none (trust->root is used then), FMSPCS
 * comes without.  ERR_NO_ROOT: a root CRL came and no root certificate is
 * known; fetch an identity first (its chain brings one) and ask again.  That
 * happens under replaced roots alone: Intel's own is built in.
 *
 * AMD (amd-kds 5, 6): an ASK or ASVK is looked up in both lists of its product
 * that are held.  A CRL needs the ARK, a VEK the chain of its product and
 * side: ERR_NO_CHAIN when there is none; want key_amd_chain() first and ask
 * again.
 */
enum err coll_admit(const struct coll_raw *, const struct trust *, time_t now,
    struct coll **out, struct why *) MUST_CHECK;
struct coll *coll_ref(struct coll *);
void coll_unref(struct coll *);

/* May "next" take the place of "held" (may be NULL)?  ERR_OLDER if not. */
enum err coll_replaces(const struct coll *held, const struct coll *next,
    struct why *) MUST_CHECK;

/* --- freshness (caching-and-selection 6; pure) ------------------------ */

/*
 * AMD (amd-kds 7): a VEK is "stale" in its last 30 days (VLEK: 14): ask
 * first, then serve it; due in its last 90.  A CRL is GONE at nextUpdate.
 */
enum fresh_state {
	FRESH_NEW,   /* nothing to do */
	FRESH_DUE,   /* serve; a refresh is due */
	FRESH_STALE, /* past nextUpdate: ask first, then serve with a warning */
	FRESH_GONE,  /* past every bound: not to be served */
};
enum fresh_state fresh_state(const struct coll *, int64_t stale_max_s,
    time_t now);
/* When the planner is to ask again: issue + 50 % of validity, daily at the
 * latest, sooner for CRLs near their end; "jitter" in [0, 1). */
time_t fresh_due_at(const struct coll *, double jitter);
/* Cache-Control max-age: 1..86400, 0 when stale (pccs-api 7). */
int fresh_max_age(const struct coll *, time_t now);

/* --- selection (caching-and-selection 4; pure) ------------------------ */

struct raw_tcb {
	uint8_t cpusvn[16];
	uint16_t pcesvn;
};
/*
 * The certificate that serves a platform at this raw TCB; the index into
 * set->certs.  ERR_NO_CERT when none is at or below it.
 */
enum err select_cert(const struct pck_set *, const struct tcbinfo *,
    const struct raw_tcb *, size_t *out, struct why *) MUST_CHECK;

/* --- the snapshot ----------------------------------------------------- */

struct snap; /* immutable map of the hot set */
/* Borrowed from the snapshot; NULL: not held. */
struct coll *snap_get(const struct snap *, const struct coll_key *);
/* Visit all, any order. */
void snap_each(const struct snap *, void (*fn)(void *arg, struct coll *),
    void *arg);
size_t snap_len(const struct snap *);
struct snap *snap_ref(struct snap *);
void snap_unref(struct snap *);

/* --- platforms -------------------------------------------------------- */

#define QE_ID_MAX 260
#define PPID_LEN  384 /* an encrypted PPID, bytes */

/* A platform as a client names it. Texts are upper case (pccs-api 4). */
struct platform_id {
	char qe_id[QE_ID_MAX + 1];
	char pce_id[5];
};
/* What a registration or a pckcert request brings. */
struct platform_ask {
	struct platform_id id;
	bool has_tcb;
	struct raw_tcb tcb;
	struct blob *enc_ppid; /* PPID_LEN bytes, or NULL */
	struct blob *manifest; /* bytes, or NULL */
};

/* A ready-made pckcert answer for one raw TCB. Immutable, counted. */
struct pck_answer {
	_Atomic unsigned refs;
	struct raw_tcb tcb;
	char tcbm[37], fmspc[13];
	enum pck_ca ca;
	struct blob *head;       /* SGX-TCBm, SGX-FMSPC, CA type lines */
	struct blob *chain_head; /* SGX-PCK-Certificate-Issuer-Chain line */
	struct blob *chain;      /* its value, percent-encoded */
	struct blob *pem;        /* leaf, ends in one newline */
	time_t not_after;
	/*
	 * From this moment on the list behind the answer is to be fetched
	 * again in the background, while the answer is served: the
	 * certificate is below the TCB that the platform could prove, PCS had
	 * entries "Not available", or the list is a week old
	 * (caching-and-selection 2, 3.3).  The time moves on with each
	 * successful fetch; spacing out failed ones is upstream's.
	 */
	time_t refetch_at;
};
struct pck_answer *pck_answer_ref(struct pck_answer *);
void pck_answer_unref(struct pck_answer *);

struct storage;

/* From memory alone, any thread; a reference, or NULL: not in memory. */
struct pck_answer *platform_cached(struct storage *, const struct platform_id *,
    const struct raw_tcb *);

/* --- AMD's endorsement keys ------------------------------------------- */

/*
 * From memory alone, any thread; a reference, or NULL: not in memory, ask
 * storage_vek().  Whoever serves it makes sure that the snapshot still has
 * the chain of its product and side, and looks at fresh_state().
 */
struct coll *storage_vek_cached(struct storage *, const struct coll_key *);

/* What is held for one chip. */
struct vek_held {
	enum amd_product product;
	struct amd_tcb tcb;
	time_t not_after, fetched_at;
	int64_t used_at_ms;
};

/* --- the store thread ------------------------------------------------- */

/*
 * Open and migrate the database, pass what it holds through the gate, build
 * the first snapshot, start the store thread.  Blocks.
 */
enum err storage_open(struct config *, struct storage **out,
    struct why *) MUST_CHECK;
/*
 * Whether the database, which is there, is one that storage_open() takes and
 * is undamaged.  Reads all of it; makes and changes nothing.
 */
enum err storage_look(const struct config *, struct why *) MUST_CHECK;
/* Finish what is queued, close. Call after every other loop has ended. */
void storage_close(struct storage *);
/* Settings that may change at run time are taken from the new one. */
void storage_reload(struct storage *, struct config *);

/* Called on the subscriber's loop with each new snapshot, and once soon
 * after subscribing. "snap" is borrowed. */
typedef void (*snap_fn)(void *arg, struct snap *snap);
void storage_subscribe(struct storage *, snap_fn, void *arg);
/* No snapshot is sent any more once this returns; one that is in the loop's
 * mailbox already still arrives. Any thread. */
void storage_unsubscribe(struct storage *, snap_fn, void *arg);
/*
 * Wait until every call made so far has been answered into its loop's
 * mailbox and written.  Between the end of a loop that made calls and its
 * loop_free().  Any thread that is not a loop's.
 */
void storage_drain(struct storage *);

typedef void (
    *store_coll_fn)(void *arg, enum err, const struct why *, struct coll *);
typedef void (*store_answer_fn)(void *arg, enum err, const struct why *,
    struct pck_answer *);
typedef void (*store_done_fn)(void *arg, enum err, const struct why *);
/* JSON made on the store thread; the text is the receiver's to unref. */
typedef void (
    *store_text_fn)(void *arg, enum err, const struct why *, struct blob *text);

/*
 * Pass fetched bytes through the gate; publish; keep.  Copies its input.
 * What the gate says (coll_admit, coll_replaces) comes back as it is; the
 * object held stays.  The new snapshot is sent before the answer, so a loop
 * that subscribes sees it first.  ERR_SHED: too much is waiting.
 */
void storage_admit(struct storage *, const struct coll_raw *, store_coll_fn,
    void *arg);
/*
 * Called back when everything admitted so far is on disk, or with why it is
 * not: for bytes that an operator sent and that are acknowledged to him.
 */
void storage_sync(struct storage *, store_done_fn, void *arg);
/* Make sure a fetch attempt that failed is on the object's record. */
void storage_note_failure(struct storage *, const struct coll_key *, enum err,
    const struct why *);

/*
 * A VEK from the database, through the gate if it was not in memory.
 * ERR_NOT_CACHED: not held, or it no longer passes.  ERR_NO_CHAIN: held, but
 * its issuer chain is not; want key_amd_chain() and ask again.
 */
void storage_vek(struct storage *, const struct coll_key *, store_coll_fn,
    void *arg);
/*
 * The VLEK of this TCB, whoever's it is.  ERR_NOT_CACHED: there is none, or
 * several providers have one.
 */
void storage_vlek(struct storage *, enum amd_product, struct amd_tcb,
    store_coll_fn, void *arg);
/*
 * The VCEKs held for a chip (8 or 64 bytes), the newest TCB first; n 0: none.
 * Rows, not yet through the gate: storage_vek() gives the certificate.  Those
 * whose chain is not held, and what is past its notAfter, are left out.
 */
typedef void (*store_veks_fn)(void *arg, enum err, const struct why *,
    const struct vek_held *v, size_t n);
void storage_veks(struct storage *, struct span hwid, store_veks_fn, void *arg);

/*
 * All VEKs by pages of VEK_PAGE, for taking them elsewhere: rows behind the
 * one called "after" (0: from the first), not through the gate again; "next"
 * is what to ask for next, 0: that was all.
 */
#define VEK_PAGE 256
struct vek_stored {
	struct coll_key key;
	struct blob *body;
	time_t fetched_at;
	char source[256];
};
typedef void (*store_vek_page_fn)(void *arg, enum err, const struct why *,
    const struct vek_stored *v, size_t n, int64_t next);
void storage_vek_page(struct storage *, int64_t after, store_vek_page_fn,
    void *arg);

/*
 * Answer a pckcert request from the database: caching-and-selection 2,
 * cases 2 to 4 and 6.
 * ERR_UNKNOWN_PLATFORM  never seen
 * ERR_NO_CERT           none at or below the raw TCB
 * ERR_NO_TCBINFO        want the FMSPC's SGX TCB info (in why->text), ask again
 * ERR_NOT_CACHED        known, but its certificates are missing or no longer
 *                       pass the gate
 * In lazy mode the last three are worth an upstream_platform().
 */
void storage_pck(struct storage *, const struct platform_id *,
    const struct raw_tcb *, store_answer_fn, void *arg);
/* What is stored that a fetch needs: the ask completed with the stored
 * manifest and enc_ppid.  ERR_UNKNOWN_PLATFORM. */
typedef void (*store_ask_fn)(void *arg, enum err, const struct why *,
    const struct platform_ask *);
void storage_platform_ask(struct storage *, const struct platform_id *,
    store_ask_fn, void *arg);

/*
 * A pckcerts answer from upstream: gate, selection for every raw TCB known
 * and for ask->tcb, one transaction.  The answer is for ask->tcb (NULL when
 * !has_tcb).  The configured mode decides about Not available entries (3.3).
 * ERR_NOT_AVAILABLE when every entry is (3.4); ERR_NO_TCBINFO: the platform is
 * kept, want its SGX TCB info and call storage_pck().  What upstream says in
 * headers (FMSPC, CA type) is derived from the certificates instead.
 */
struct pckcerts_raw {
	struct span body, chain; /* as received; chain percent-encoded or PEM */
	const char *source;
	time_t fetched_at;
};
void storage_admit_platform(struct storage *, const struct platform_ask *,
    const struct pckcerts_raw *, store_answer_fn, void *arg);

/*
 * A pckcerts answer that belongs to somebody else (pccs-api 10): through the
 * gate and made ready to be handed on; nothing of it is kept.  Immutable.
 */
struct pck_list {
	_Atomic unsigned refs;
	struct blob *head; /* all header lines but Cache-Control */
	struct blob *body; /* exactly as received */
};
struct pck_list *pck_list_ref(struct pck_list *);
void pck_list_unref(struct pck_list *);
typedef void (*store_pck_list_fn)(void *arg, enum err, const struct why *,
    struct pck_list *);
void storage_judge_pckcerts(struct storage *, const char *pce_id,
    const struct pckcerts_raw *, store_pck_list_fn, void *arg);

/* POST platforms (caching-and-selection 5). */
enum reg_state {
	REG_NEW = 0,
	REG_NOT_AVAILABLE = 1,
	REG_HANDED_OUT = 8,
	REG_DELETED = 9
};
/*
 * Durable before the call-back.  "cached" says that nothing needs fetching;
 * else the registration stands in the queue, in every mode, until
 * storage_reg_done() finds its platform stored (which costs nothing when it
 * is not: the row stays) or an upload brings it.
 */
typedef void (
    *store_reg_fn)(void *arg, enum err, const struct why *, bool cached);
void storage_register(struct storage *, const struct platform_ask *,
    store_reg_fn, void *arg);
/* The same out of another site's page, said there at "said_at" (0: not known):
 * ERR_OLDER when what is held was said later, or in that very second. */
void storage_site_register(struct storage *, const struct platform_ask *,
    time_t said_at, store_reg_fn, void *arg);
void storage_reg_done(struct storage *, const struct platform_ask *);
/* GET platforms: source "reg", "reg_na" or "[F1,F2]"; the JSON array and its
 * count.  Without peek, queue rows are marked handed out.  At most 64 MB of
 * the queue go out in one call, the rest stays for the next; a list of cached
 * platforms over 256 MB is ERR_PARAM: name FMSPCs. */
typedef void (*store_list_fn)(void *arg, enum err, const struct why *,
    struct blob *json, size_t n);
void storage_platforms(struct storage *, const char *source, bool peek,
    store_list_fn, void *arg);
/*
 * PUT platformcollateral: the whole document or nothing (pccs-api 6.11), on
 * disk before the call-back.  ERR_PARAM: not the schema, or no certificate
 * for a platform; ERR_INTEGRITY: a piece that the gate refuses, or, without
 * "force", one older than what is held; "why" names it.
 */
void storage_upload(struct storage *, struct blob *json, unsigned api,
    bool force, store_done_fn, void *arg);
/*
 * A page of platforms of storage_site(), the same way (version 4).  When each
 * was fetched and registered goes before the time of day: without "force",
 * ERR_OLDER when one would go back to a manifest or certificates from before
 * those that are held, or from the very second.
 */
void storage_site_put(struct storage *, struct blob *json, bool force,
    store_done_fn, void *arg);

/* Appraisal policies (pccs-api 6.13, 6.7). The put gives the id as text. */
void storage_policy_put(struct storage *, struct blob *json, store_text_fn,
    void *arg);
void storage_policy_get(struct storage *, const char *fmspc, store_text_fn,
    void *arg);

/*
 * What a site is made of beside its objects, for taking it elsewhere: a page
 * of rows behind "after" (0: from the first), as POST /v1/import takes it:
 * {"larder_site":1, ...}, and in "next" what to ask for next, if there is
 * more.  Platforms come as the document of pccs-api 6.11; those without good
 * certificates are among "registrations".
 */
enum site_part { SITE_PLATFORMS, SITE_REGISTRATIONS, SITE_POLICIES };
void storage_site(struct storage *, enum site_part, int64_t after,
    store_text_fn, void *arg);

/*
 * Platforms a certificate refresh is to visit; n_fmspc 0: all.  They come by
 * pages, ids alone (storage_platform_ask() completes one when its turn
 * comes); the next page is read when the call-back has returned.
 */
typedef void (*store_asks_fn)(void *arg, enum err, const struct why *,
    const struct platform_ask *v, size_t n, bool more);
void storage_platform_asks(struct storage *, char *const *fmspc, size_t n_fmspc,
    store_asks_fn, void *arg);

/*
 * A verified quote: what its platform can prove, kept for the impact preview.
 * At most a note a day for each platform that says nothing new.  Any loop;
 * nobody is answered.
 */
struct quote_seen {
	unsigned char ppid[16];
	char fmspc[13]; /* upper case */
	uint8_t comp[16];
	uint16_t pcesvn; /* of the PCK certificate */
	enum tee tee;
	unsigned char tee_svn[16]; /* TEE_TCB_SVN, the current one; TDX */
	uint16_t qe_isvsvn;
};
void storage_quote_seen(struct storage *, const struct quote_seen *);

/*
 * What each number held would make of the platforms known: the document of
 * GET /v1/baseline/impact.  fmspc NULL: all; to 0: every number held.
 */
void storage_impact(struct storage *, const char *fmspc, uint32_t to,
    store_text_fn, void *arg);

/* For people: JSON documents for status, explain and history. */
void storage_status(struct storage *, store_text_fn, void *arg);
void storage_explain(struct storage *, const char *key_or_platform,
    store_text_fn, void *arg);
void storage_history(struct storage *, const char *key, store_text_fn,
    void *arg);

/*
 * How the database was when it was last written to, without going there.  Any
 * thread.
 */
struct storage_health {
	bool writable;
	int64_t commit_ms; /* the last commit took so long; 0: none yet */
};

struct storage_health storage_health(const struct storage *);

/* Gauges, appended in Prometheus' text format. Any thread. */
void storage_metrics(struct storage *, struct buf *);

#endif
