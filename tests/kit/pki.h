/*
 * An Intel-like PKI made in memory: every certificate, CRL and signed JSON
 * document that Intel PCS gives, in its names, profiles and byte style
 * (quote-verification 1, 3, 4; pcs-upstream 4), and each way to lie.
 *
 * Keys, serials and signatures follow from the seed and the input alone: the
 * same calls give the same bytes in every run.  Two seeds give two PKIs with
 * the same names and different keys, which is what an attacker has.
 *
 * A struct pki is immutable after pki_new, so any thread may use it.
 * Blobs and certificates given back are the caller's unless said otherwise.
 */
#ifndef TESTS_KIT_PKI_H
#define TESTS_KIT_PKI_H

#include "config/base/blob.h"
#include "storage/verify/verify.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <time.h>

struct pki;

enum pki_who {
	PKI_ROOT,
	PKI_PROCESSOR_CA,
	PKI_PLATFORM_CA,
	PKI_TCB_SIGNING,
	PKI_TCB_SIGNING_REVOKED, /* on every root CRL of pki_crl */
	PKI_TCB_SIGNING_EXPIRED, /* ended a day before the pki's "now" */
	PKI_WHO_N
};

/* How a document or a CRL differs from an honest one. */
enum pki_lie {
	PKI_HONEST,
	PKI_BAD_SIGNATURE,  /* one bit of the signature */
	PKI_BODY_CHANGED,   /* one signed byte changed after signing */
	PKI_WRONG_KEY,      /* the attacker's key under the honest chain */
	PKI_FOREIGN_CHAIN,  /* the attacker's key under the attacker's chain */
	PKI_WRONG_ROLE,     /* another key below the same root, its chain */
	PKI_REVOKED_SIGNER, /* JSON only: honest CRLs for CRLs */
	PKI_EXPIRED_SIGNER, /* likewise */
	PKI_LIE_N
};
/* "honest", "bad-signature", ...; PKI_LIE_N when there is no such name. */
const char *pki_lie_name(enum pki_lie);
enum pki_lie pki_lie_read(const char *name);

/*
 * now: the moment the documents' defaults hang on.  The certificates began a
 * year before it and are valid seven years, the root until 2049-12-31.
 */
struct pki *pki_new(const char *seed, time_t now);
void pki_free(struct pki *);
time_t pki_now(const struct pki *);

/* Lower-case hex SHA-256 of the root's SPKI: trust.intel_root_spki_sha256. */
const char *pki_root_spki_hex(const struct pki *);
/* Borrowed. */
X509 *pki_x509(const struct pki *, enum pki_who);
EVP_PKEY *pki_key(const struct pki *, enum pki_who);
/* The twin: same names, other keys. Borrowed. */
const struct pki *pki_evil(const struct pki *);

/* Signer then root (the root alone: once), each block ended by one \n. */
struct blob *pki_chain_pem(const struct pki *, enum pki_who);
/* The same percent-encoded, as the issuer-chain headers carry it. */
struct blob *pki_chain_header(const struct pki *, enum pki_who);
/* One certificate as PEM; as DER. */
struct blob *pki_pem(X509 *);
struct blob *pki_der(X509 *);
/* Serial in upper-case hex. Free with free(). */
char *pki_serial(X509 *);

/* --- building blocks for tests of certificates ------------------------ */

/* The P-256 key of a label under this PKI's seed. */
EVP_PKEY *pki_derive(const struct pki *, const char *label);
/* ECDSA over SHA-256, r || s. */
void pki_sign(EVP_PKEY *, struct span bytes, unsigned char sig[64]);

/* A certificate, every part of its profile. NULL: the part is left out. */
struct pki_cert {
	const char *cn;
	const char *label; /* of its key and serial */
	EVP_PKEY *key;     /* instead of the label's; borrowed */
	X509 *issuer;      /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	time_t not_before, not_after;
	const char *key_usage; /* "critical,keyCertSign,cRLSign" */
	const char *basic;     /* "critical,CA:TRUE,pathlen:0" */
	const char *crl_dp;    /* URL */
	bool no_aki, no_ski;
	bool unknown_critical; /* an extension nobody knows */
	struct span sgx;       /* DER of the SGX extension; empty: none */
};
/* The honest profile of a role, to be changed and given to pki_cert(). */
struct pki_cert pki_cert_of(const struct pki *, enum pki_who);
X509 *pki_cert(const struct pki *, const struct pki_cert *);

/* --- PCK certificates ------------------------------------------------- */

struct pki_pck {
	enum pck_ca ca;
	unsigned char ppid[16], pceid[2], fmspc[6], instance[16];
	uint8_t comp[16];
	uint16_t pcesvn;
	const unsigned char *cpusvn; /* 16 bytes; NULL: as the components */
	unsigned sgx_type;
	/* Platform CA: 1, 0, -1 left out */
	int dynamic_platform, cached_keys, smt_enabled;
	bool unknown_member, unknown_setting; /* .9 and .7.4 */
	bool no_configuration;                /* Platform CA: no .7 */
	time_t not_before, not_after; /* 0: from pki_now - 1 year, 7 years */
	enum pki_lie lie;             /* of its signature */
	bool na;                      /* in pki_pckcerts: "Not available" */
	const char *tcbm;             /* there: instead of the right one */
};
/* DER of the extension alone (quote-verification 3.1). */
struct blob *pki_sgx_extension(const struct pki_pck *);
X509 *pki_pck(const struct pki *, const struct pki_pck *);
/* Its private key. */
EVP_PKEY *pki_pck_key(const struct pki *, const struct pki_pck *);
void pki_tcbm(const struct pki_pck *, char out[37]);
/* A pckcerts body (pcs-upstream 4.1). */
struct blob *pki_pckcerts(const struct pki *, size_t n, const struct pki_pck *);

/* --- CRLs ------------------------------------------------------------- */

struct pki_crl {
	enum pki_who issuer;             /* ROOT, PROCESSOR_CA, PLATFORM_CA */
	time_t this_update, next_update; /* 0: pki_now; + 30 days, root 1 y */
	size_t n_revoked;
	const char *const *revoked; /* serials in hex */
	long number;                /* 0: 1, as Intel's always is */
	bool no_number, no_aki;
	bool indirect; /* a critical issuing distribution point */
	enum pki_lie lie;
};
struct blob *pki_crl(const struct pki *, const struct pki_crl *); /* DER */
struct blob *pki_crl_pem(struct span der);

/* --- signed JSON ------------------------------------------------------ */

struct pki_doc {
	struct blob *body;  /* {"<member>":{...},"signature":"..."} */
	struct blob *chain; /* PEM of the issuer chain that goes with it */
};
void pki_doc_fini(struct pki_doc *);

/* Any text as the value of any member, signed. */
struct pki_doc pki_json(const struct pki *, const char *member,
    struct span value, enum pki_lie);

struct pki_level { /* a level of a TCB info; ints, so that they can be wrong */
	int comp[16], tdx[16];
	long pcesvn;
	const char *date;       /* "2024-03-13T00:00:00Z" */
	const char *status;     /* "UpToDate" */
	const char *advisories; /* "INTEL-SA-00615 INTEL-SA-00334", or NULL */
};
struct pki_svn { /* a level of an identity or a module */
	long isvsvn;
	const char *date, *status, *advisories;
};
struct pki_module {
	const char *id; /* "TDX_01" */
	size_t n;
	const struct pki_svn *levels;
};

struct pki_tcbinfo {
	enum tee tee;
	unsigned version;               /* 0: 3 */
	const char *fmspc;              /* echoed as it is */
	const char *pceid;              /* NULL: "0000" */
	time_t issue_at, next_update;   /* 0: pki_now; + 30 days */
	unsigned eval_num;              /* 0: 17 */
	size_t n_levels;                /* 0: pki_levels() */
	const struct pki_level *levels; /* highest first */
	size_t n_modules;               /* TDX; 0: TDX_03 and TDX_01 */
	const struct pki_module *modules;
	bool no_modules;   /* no tdxModuleIdentities at all */
	const char *extra; /* put in front of "tcbLevels": "\"x\":1," */
	enum pki_lie lie;
};
struct pki_doc pki_tcbinfo(const struct pki *, const struct pki_tcbinfo *);
/* The value alone, unsigned, appended. */
void pki_tcbinfo_text(const struct pki *, const struct pki_tcbinfo *,
    struct buf *);
/* The levels used when none are given: 3, UpToDate to OutOfDate. */
const struct pki_level *pki_levels(size_t *n);

struct pki_identity {
	enum enclave enclave;
	const char *id; /* NULL: the enclave's */
	time_t issue_at, next_update;
	unsigned eval_num;
	const char *mrsigner; /* NULL: Intel's */
	long isvprodid;       /* 0: the enclave's */
	size_t n_levels;
	const struct pki_svn *levels;
	enum pki_lie lie;
};
struct pki_doc pki_identity(const struct pki *, const struct pki_identity *);

struct pki_evalnum {
	unsigned number;
	const char *recovery, *date;
};
struct pki_evalnums {
	enum tee tee;
	time_t issue_at, next_update;
	size_t n; /* 0: 17 alone */
	const struct pki_evalnum *v;
	enum pki_lie lie;
};
struct pki_doc pki_evalnums(const struct pki *, const struct pki_evalnums *);

struct pki_fmspc {
	const char *fmspc, *platform;
};
/* The unsigned list; platform "all", "client", "E3" or "E5". */
struct blob *pki_fmspcs(size_t n, const struct pki_fmspc *,
    const char *platform);

#endif
