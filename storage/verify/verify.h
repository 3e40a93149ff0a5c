/*
 * INNER DOOR of verification: bytes + anchors + now in, facts or a reason out.
 * Pure: no I/O, no clock, no globals.  Any thread; what a reader gives is
 * immutable and may be shared.
 *
 * Two kinds of caller: the gate (storage/coll.c), which refuses what is not
 * valid now, and the verdict (server/appraise/), which records validity and
 * judges later.  So the readers never judge time themselves: each gives the
 * window in which all of its pieces are valid, and the gate calls
 * window_check().
 */
#ifndef STORAGE_VERIFY_VERIFY_H
#define STORAGE_VERIFY_VERIFY_H

#include "config/base/blob.h"
#include "config/base/err.h"
#include "config/base/span.h"

#include <openssl/x509.h>
#include <time.h>

/* --- words -------------------------------------------------------------- */

enum tee { TEE_SGX = 0, TEE_TDX = 0x81 };
enum enclave { ENCLAVE_QE, ENCLAVE_QVE, ENCLAVE_TDQE, ENCLAVE_QAE, ENCLAVE_N };
enum pck_ca { PCK_CA_PROCESSOR, PCK_CA_PLATFORM };

/* tcbStatus (pcs-upstream 4.2, quote-verification 6.3 and 9.1) */
enum tcb_status {
	TCB_UP_TO_DATE,
	TCB_SW_HARDENING_NEEDED,
	TCB_CONFIGURATION_NEEDED,
	TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TCB_OUT_OF_DATE,
	TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TCB_REVOKED,
	TCB_TD_RELAUNCH_ADVISED,
	TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	TCB_STATUS_N
};
const char *tcb_status_name(enum tcb_status); /* "UpToDate" */
bool tcb_status_read(struct span name, enum tcb_status *out);

const char *tee_name(enum tee);         /* "sgx", "tdx" */
const char *enclave_name(enum enclave); /* "qe", "qve", "tdqe", "qae" */
const char *pck_ca_name(enum pck_ca);   /* "processor", "platform" */

/* When every piece looked at was valid: [from, until). */
struct window {
	time_t from, until;
};
#define WINDOW_ALL ((struct window){ 0, INT64_MAX })
void window_cut(struct window *, time_t from, time_t until);
/* ERR_NOT_YET or ERR_EXPIRED; "skew" seconds are forgiven at the start. */
enum err window_check(const struct window *, time_t now, time_t skew,
    const char *what, struct why *) MUST_CHECK;

/* --- anchors ------------------------------------------------------------ */

/* Keys trusted as roots: SHA-256 of DER SubjectPublicKeyInfo. */
struct anchors {
	size_t n;
	unsigned char (*spki_sha256)[32];
};
/* From hex texts of 64 digits. ERR_FORMAT names the one that is wrong. */
enum err anchors_read(size_t n, char *const *hex, struct anchors **out,
    struct why *) MUST_CHECK;
void anchors_free(struct anchors *);
bool anchors_has(const struct anchors *, X509 *);
/*
 * Intel's current root certificate, built in, when its key is one of the
 * anchors; else NULL.  What lets a root CRL be verified before any chain has
 * been seen.  The caller's to X509_free().
 */
X509 *anchors_intel_root(const struct anchors *);
/*
 * Likewise Intel's PCK CA with that root, as PEM: a chain to try when a CRL
 * comes without one.  NULL when Intel's root key is not an anchor.
 */
struct blob *anchors_intel_pck_ca(const struct anchors *, enum pck_ca);

/* --- certificates and PEM ----------------------------------------------- */

/* notBefore and notAfter of one that came out of a chain. */
struct window cert_window(const X509 *);
/* SHA-256 of the DER SubjectPublicKeyInfo. */
void cert_spki(const X509 *, unsigned char out[32]);
/* A PEM block with 64 columns, ending in one newline.  "label" is
 * "CERTIFICATE" or "X509 CRL". */
void pem_write(struct buf *, const char *label, struct span der);
/*
 * Take the next block with this label from the front of *s.  It begins at the
 * first octet: nothing but line ends may stand between blocks, and nothing at
 * all before the first.  *der is emptied and filled with the decoded octets.
 */
enum err pem_next(struct span *s, const char *label, struct buf *der,
    struct why *) MUST_CHECK;
/* After the last block: line ends and NULs only. */
enum err pem_end(struct span, struct why *) MUST_CHECK;

/* --- CRLs (RFC 5280 5; pcs-upstream 6; quote-verification 4.4) ---------- */

struct crl_entry {
	const ASN1_INTEGER *serial; /* in x */
};
struct crl {
	_Atomic unsigned refs;
	X509_CRL *x;
	struct blob *der; /* the canonical form */
	time_t this_update, next_update;
	struct window window;
	uint32_t number; /* CRL number, UINT32_MAX when it is larger */
	X509 *issuer;
	size_t n;
	struct crl_entry *entries; /* sorted */
};
/*
 * Accepts DER, PEM or hex of DER (no other bytes around, but line ends and
 * NULs may follow the text forms); checks version, that CRL number and AKI
 * are there, no delta and no partition; the issuer's name and signature.
 */
enum err crl_read(struct span bytes, X509 *issuer, struct crl **out,
    struct why *) MUST_CHECK;
struct crl *crl_ref(struct crl *);
void crl_unref(struct crl *);
bool crl_lists(const struct crl *, const X509 *); /* serial is revoked */
/* The CRL is of this issuer: same name and same key. */
bool crl_is_of(const struct crl *, const X509 *issuer);

/* --- chains ------------------------------------------------------------- */

enum chain_role {
	CHAIN_TCB_SIGNING, /* TCB Signing <- root */
	CHAIN_PCK_CA,      /* PCK Processor/Platform CA <- root */
	CHAIN_PCK,         /* leaf <- PCK CA <- root */
	CHAIN_ROOT,        /* the root alone */
};
/* Certificates, signer (or leaf) first, root last. */
struct chain {
	_Atomic unsigned refs;
	enum chain_role role;
	size_t n;
	X509 *x[3];
	struct window window; /* of all */
	/* From chain_read_pck() there may be this and no x[0]. */
	struct leaf *leaf;
};
/*
 * Exact PEM blocks only (quote-verification 14, PEM), in any order, then:
 * length for the role, names exact, P-256 and ecdsa-with-SHA256, key usage and
 * basic constraints, signatures (the root's own too), root's key pinned, and
 * nothing below the root listed in root_crl (may be NULL: not held) nor, for
 * a leaf, in pck_crl (may be NULL).  A CRL that is not of the chain's issuer
 * fails: it could not tell.  Time is not judged.  Costs about a third of
 * a millisecond: keep the chain while the bytes stay the same.
 */
enum err chain_read(struct span pem, enum chain_role, const struct anchors *,
    const struct crl *root_crl, const struct crl *pck_crl, struct chain **out,
    struct why *) MUST_CHECK;
/* The last part alone: for a chain kept while CRLs come and go. */
enum err chain_check_crls(const struct chain *, const struct crl *root_crl,
    const struct crl *pck_crl, struct why *) MUST_CHECK;
struct chain *chain_ref(struct chain *);
void chain_unref(struct chain *);
/* The key of the first one, x || y. */
void chain_point(const struct chain *, unsigned char xy[64]);
struct window chain_window(const struct chain *, size_t i);
/* What Intel says in the leaf of a PCK chain: as pck_read(). */
struct pck;
enum err chain_pck(const struct chain *, struct pck *out,
    struct why *) MUST_CHECK;
/*
 * The same as chain_read() for PCK chains one after the other, without
 * revocation.  A leaf that differs from one whose chain held before in
 * nothing but its serial, validity, key, key identifier and SGX extension
 * costs one signature and little else.  "issuers" remembers a few; any thread.
 */
struct issuers;
struct issuers *issuers_new(const struct anchors *); /* borrowed */
void issuers_free(struct issuers *);
enum err chain_read_pck(struct span pem, struct issuers *, struct chain **out,
    struct why *) MUST_CHECK;
/* Each block followed by one \n, signer first; and that percent-encoded as
 * the issuer-chain headers carry it, ending in %0A (pccs-api 7). */
struct blob *chain_pem(const struct chain *);
struct blob *chain_header(const struct chain *);
/* Of a PCK_CA or PCK chain: which CA. */
enum pck_ca chain_pck_ca(const struct chain *);

/* --- signed JSON (pcs-upstream 5; quote-verification 4.1) --------------- */

/*
 * Cut {"<member>":{...},"signature":"<128 hex>"}: *value is the member's
 * bytes exactly as they stand in "body".
 */
enum err jspan_cut(struct span body, const char *member, struct span *value,
    unsigned char sig[64], struct why *) MUST_CHECK;
/* ECDSA P-256/SHA-256 over exactly those bytes, r || s big-endian.  The signer
 * is of a chain that was read: its key is on P-256. */
enum err sig_check(struct span bytes, const unsigned char sig[64],
    const X509 *signer, struct why *) MUST_CHECK;
/* The same with a key that is x || y; ERR_RANGE: which is no point of P-256. */
enum err sig_check_point(struct span bytes, const unsigned char sig[64],
    const unsigned char xy[64], struct why *) MUST_CHECK;
/* A public key on P-384, decoded to check SNP reports with. */
struct p384;
/* NULL: the key is of another kind. */
struct p384 *p384_new(EVP_PKEY *);
void p384_free(struct p384 *);
/* ECDSA over a SHA-384 digest; r || s big-endian. */
bool p384_check(const struct p384 *, const unsigned char digest[48],
    const unsigned char sig[96]);

/* --- TCB info ----------------------------------------------------------- */

struct tcb_level {
	uint8_t sgx[16], tdx[16];
	uint16_t pcesvn;
	enum tcb_status status;
	time_t tcb_date;
	size_t n_advisories;
	char **advisories;
};
struct svn_level { /* of an enclave identity or a TDX module identity */
	uint16_t isvsvn;
	enum tcb_status status;
	time_t tcb_date;
	size_t n_advisories;
	char **advisories;
};
struct tdx_module {  /* tdxModule, and each of tdxModuleIdentities */
	char id[32]; /* "" for tdxModule */
	unsigned char mrsigner[48], attributes[8], attributes_mask[8];
	size_t n_levels;
	struct svn_level *levels; /* highest first */
};
struct tcbinfo {
	_Atomic unsigned refs;
	enum tee tee;
	unsigned version; /* 2 or 3 */
	time_t issue_at, next_update;
	unsigned char fmspc[6], pceid[2];
	uint32_t eval_num;
	bool has_module;
	struct tdx_module module;
	size_t n_modules;
	struct tdx_module *modules;
	size_t n_levels;
	struct tcb_level *levels; /* sorted: highest first, lexicographic */
	struct window window;     /* with its chain's */
};
/* Verify and read; "signer" is a CHAIN_TCB_SIGNING chain already checked. */
enum err tcbinfo_read(struct span body, const struct chain *signer,
    struct tcbinfo **out, struct why *) MUST_CHECK;
/* The value alone, signature already verified. */
enum err tcbinfo_parse(struct span value, struct tcbinfo **out,
    struct why *) MUST_CHECK;
struct tcbinfo *tcbinfo_ref(struct tcbinfo *);
void tcbinfo_unref(struct tcbinfo *);

/* --- enclave identity --------------------------------------------------- */

struct identity {
	_Atomic unsigned refs;
	enum enclave enclave;
	time_t issue_at, next_update;
	uint32_t eval_num;
	unsigned char miscselect[4], miscselect_mask[4];
	unsigned char attributes[16], attributes_mask[16];
	unsigned char mrsigner[32];
	uint16_t isvprodid;
	size_t n_levels;
	struct svn_level *levels; /* highest first */
	struct window window;
};
enum err identity_read(struct span body, const struct chain *signer,
    struct identity **out, struct why *) MUST_CHECK;
enum err identity_parse(struct span value, struct identity **out,
    struct why *) MUST_CHECK;
struct identity *identity_ref(struct identity *);
void identity_unref(struct identity *);

/* --- TCB evaluation data numbers (pcs-upstream 4.4) --------------------- */

struct evalnum {
	uint32_t number;
	time_t recovery_event_at, tcb_date;
};
struct evalnums {
	_Atomic unsigned refs;
	enum tee tee;
	time_t issue_at, next_update;
	size_t n;
	struct evalnum *v; /* highest number first */
	struct window window;
};
enum err evalnums_read(struct span body, const struct chain *signer,
    struct evalnums **out, struct why *) MUST_CHECK;
enum err evalnums_parse(struct span value, struct evalnums **out,
    struct why *) MUST_CHECK;
struct evalnums *evalnums_ref(struct evalnums *);
void evalnums_unref(struct evalnums *);

/* --- PCK certificates (pcs-upstream 6, 6.1; quote-verification 3) ------- */

struct pck { /* the facts in one leaf's SGX extension */
	unsigned char ppid[16], cpusvn[16], pceid[2], fmspc[6];
	uint8_t comp[16];
	uint16_t pcesvn;
	uint8_t sgx_type;
	bool has_instance, has_config, has_unknown;
	unsigned char instance[16];
	int dynamic_platform, cached_keys, smt_enabled; /* 1, 0; -1 absent */
};
/*
 * The extension of one certificate, pcs-upstream 6.1.  The component integers
 * decide; that the CPUSVN octets say the same is pck_svn_agrees(), which
 * pck_set_read() demands and a verdict reports (quote-verification 3.1).
 */
enum err pck_read(const X509 *, struct pck *out, struct why *) MUST_CHECK;
bool pck_svn_agrees(const struct pck *);

struct pck_cert {
	struct pck pck;
	char tcbm[37];    /* upper case: CPUSVN || PCESVN little-endian */
	struct blob *pem; /* the leaf, ending in exactly one newline */
	struct blob *der;
	time_t not_before, not_after;
};
/* A raw TCB that PCS answers "Not available" for. */
struct pck_na {
	uint8_t comp[16];
	uint16_t pcesvn;
};
struct pck_set { /* everything PCS has for one platform */
	_Atomic unsigned refs;
	enum pck_ca ca;
	unsigned char fmspc[6], pceid[2], ppid[16];
	size_t n;
	struct pck_cert *certs; /* sorted as selection wants them */
	size_t n_na;
	struct pck_na *na;
	struct chain *chain;  /* CHAIN_PCK_CA, own reference */
	struct window window; /* of the chain; leaves are checked one by one */
};
/*
 * A pckcerts body (pcs-upstream 4.1), or a pck_certs element of an upload
 * with its "certs" (pccs-api 6.11), with its chain: every leaf is signed by
 * chain[0], parses, and all agree; tcbm = CPUSVN || PCESVN; tcb = components;
 * a leaf on pck_crl (may be NULL) fails.  pceid is the one asked for.
 * ERR_NOT_AVAILABLE when no element has a certificate.  The order of the
 * certificates does not depend on the order of the elements.
 */
enum err pck_set_read(struct span body, const struct chain *ca,
    const unsigned char pceid[2], const struct crl *pck_crl,
    struct pck_set **out, struct why *) MUST_CHECK;
/* The same from the packed form of pck_set_pack: what a database keeps. */
enum err pck_set_unpack(struct span packed, const struct chain *ca,
    const unsigned char pceid[2], const struct crl *pck_crl,
    struct pck_set **out, struct why *) MUST_CHECK;
struct blob *pck_set_pack(const struct pck_set *);
/*
 * Of a packed form the few certificates that can be the one with this tcbm,
 * packed again and appended: what pck_set_unpack() need verify when only
 * that one is wanted.
 */
enum err pck_packed_pick(struct span packed, const char *tcbm, struct buf *out,
    struct why *) MUST_CHECK;
struct pck_set *pck_set_ref(struct pck_set *);
void pck_set_unref(struct pck_set *);

/* --- TCB levels that fit (quote-verification 6) ---------------------- */

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
/* OutOfDate and OutOfDateConfigurationNeeded. */
bool tcb_out_of_date(enum tcb_status);

/* Levels are borrowed from the TCB info and the identity. */
struct tcb_match {
	const struct tcb_level *platform;
	const struct svn_level *qe;     /* NULL: not looked at */
	const struct svn_level *module; /* NULL: no TDX, or version line 0 */
	enum tcb_status status;         /* 6.3 */
	time_t date;                    /* the earliest tcbDate of them */
};
/*
 * 6.1 to 6.3 in one.  identity NULL: the QE is not known.  ERR_NOT_AVAILABLE:
 * some part has no level; the reason says which.
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
