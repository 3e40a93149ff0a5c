/*
 * An AMD-like PKI made in memory: for each product its ARK, ASK and ASVK,
 * VCEKs, VLEKs and CRLs in AMD's names, profiles and encodings (amd-kds 3 to
 * 5), and each way to lie.
 *
 * RSA keys are the same in every run and for every seed (pki_primes.c); keys
 * of VEKs follow from the seed and what they are for, so that two issues of
 * one VCEK hold the same key in other bytes, as AMD's do.
 *
 * Certificates are made when first asked for, under a lock: any thread may
 * use a struct pki_amd.  Blobs and keys given back are the caller's unless
 * said otherwise.
 */
#ifndef TESTS_KIT_PKI_AMD_H
#define TESTS_KIT_PKI_AMD_H

#include "config/base/blob.h"
#include "storage/verify/amd.h"

#include <openssl/evp.h>

struct pki_amd;

enum pki_amd_who {
	PKI_ARK,
	PKI_ASK,
	PKI_ASVK,
	PKI_ASK_NEXT, /* what follows an ASK that was revoked */
	PKI_AMD_WHO_N
};

/*
 * How an object differs from an honest one; an object that cannot lie so
 * (a CRL has no chip) stays honest.  VEK, chain and CRL are meant where
 * nothing else is said; in a chain the ASK or ASVK is what differs.
 * LIE(symbol, name, what it does)
 */
#define PKI_AMD_LIES(LIE)                                                      \
	LIE(AMD_HONEST, "honest", "as AMD makes it")                           \
	LIE(AMD_BAD_SIGNATURE, "bad-signature", "one bit of the signature")    \
	LIE(AMD_WRONG_KEY, "wrong-key", "another key under the honest issuer") \
	LIE(AMD_FOREIGN, "foreign", "all of it under a foreign ARK")           \
	LIE(AMD_WRONG_ROLE, "wrong-role",                                      \
	    "the other intermediate, or in a CRL the ASK, has signed")         \
	LIE(AMD_OTHER_PRODUCT, "other-product", "of the next product")         \
	LIE(AMD_OTHER_CHIP, "other-chip", "VCEK: one bit of the hwID")         \
	LIE(AMD_OTHER_TCB, "other-tcb", "VEK: one bit of ucodeSPL")            \
	LIE(AMD_SALT, "salt", "PSS with a salt of 32")                         \
	LIE(AMD_SHA256, "sha256", "PSS with SHA-256")                          \
	LIE(AMD_PKCS1, "pkcs1", "PKCS #1 v1.5 with SHA-384")                   \
	LIE(AMD_MIXED, "mixed", "trailerField outside only: VEK, chain")       \
	LIE(AMD_NOT_YET, "not-yet", "begins in a day")                         \
	LIE(AMD_EXPIRED, "expired", "has ended")                               \
	LIE(AMD_TRAILING, "trailing", "something behind it")                   \
	LIE(AMD_TRUNCATED, "truncated", "the last octet is missing")           \
	LIE(AMD_ENCODING, "encoding", "PEM for DER, DER for PEM")              \
	LIE(AMD_CRITICAL, "critical", "an unknown critical extension")         \
	LIE(AMD_TWICE, "twice", "VEK: blSPL occurs twice")                     \
	LIE(AMD_RESERVED, "reserved", "VEK: spl5 is 1")                        \
	LIE(AMD_WIDE_SPL, "wide-spl", "VEK: teeSPL is 256")                    \
	LIE(AMD_BOTH_IDS, "both-ids", "VEK: hwID and cspID")                   \
	LIE(AMD_NO_HWID, "no-hwid", "VCEK: neither hwID nor cspID")            \
	LIE(AMD_WRAPPED_HWID, "wrapped-hwid",                                  \
	    "VCEK, good: hwID in an OCTET STRING")                             \
	LIE(AMD_LONG_HWID, "long-hwid", "VCEK: two octets more in the hwID")   \
	LIE(AMD_STRUCT_VERSION, "struct-version", "VEK: the other one")        \
	LIE(AMD_PRODUCT_NAME, "product-name", "VEK: another productName1")     \
	LIE(AMD_P256, "p256", "VEK: a key on another curve")                   \
	LIE(AMD_SWAPPED, "swapped", "chain: ARK first")                        \
	LIE(AMD_THREE, "three", "chain: three blocks")                         \
	LIE(AMD_ONE, "one", "chain: the first block alone")                    \
	LIE(AMD_LINE_ENDS, "line-ends",                                        \
	    "chain, good: CRLF for LF, LF for CRLF")                           \
	LIE(AMD_BLANK_LINE, "blank-line", "chain, good: one at the end")       \
	LIE(AMD_LOWER, "lower", "CRL: number lower by one")                    \
	LIE(AMD_OLDER, "older", "CRL: thisUpdate a day back")                  \
	LIE(AMD_LISTS_ISSUER, "lists-issuer", "CRL, good: ASK or ASVK listed") \
	LIE(AMD_LISTS_ZERO, "lists-zero", "CRL, good: serial 0 is listed")     \
	LIE(AMD_DELTA, "delta", "CRL: a delta indicator")                      \
	LIE(AMD_PARTITION, "partition", "CRL: an issuing distribution point")  \
	LIE(AMD_NO_NUMBER, "no-number", "CRL: without its number")             \
	LIE(AMD_NO_AKI, "no-aki", "CRL: without the key identifier")           \
	LIE(AMD_V1, "v1", "CRL: version 1")                                    \
	LIE(AMD_BER, "ber", "VEK, CRL: BER, a length in too many octets")      \
	LIE(AMD_OTHERS_ENTRY, "others-entry",                                  \
	    "CRL: ASK or ASVK listed, critically as of another issuer")

enum pki_amd_lie {
#define LIE(sym, name, text) sym,
	PKI_AMD_LIES(LIE)
#undef LIE
	    PKI_AMD_LIE_N
};
const char *pki_amd_lie_name(enum pki_amd_lie);
enum pki_amd_lie pki_amd_lie_read(const char *name); /* PKI_AMD_LIE_N: none */

/* now: issuers began two years before it, and last 25. */
struct pki_amd *pki_amd_new(const char *seed, time_t now);
void pki_amd_free(struct pki_amd *);
time_t pki_amd_now(const struct pki_amd *);

/* Lower-case hex SHA-256 of the ARK's SPKI, for
 * trust.amd_root_spki_sha256.<product>. Borrowed, valid for ever. */
const char *pki_amd_root_spki_hex(enum amd_product);
/* For the readers of storage/verify; drop ends it. */
struct amd_anchors pki_amd_anchors(void);
void pki_amd_anchors_drop(struct amd_anchors *);
/* An honest issuer. Borrowed. */
X509 *pki_amd_x509(struct pki_amd *, enum amd_product, enum pki_amd_who);

/* --- chains ----------------------------------------------------------- */

struct pki_amd_chain {
	enum amd_product product;
	enum amd_side side;
	bool next; /* with PKI_ASK_NEXT; VCEK side only */
	enum pki_amd_lie lie;
};
/* A cert_chain body: LF, but CRLF for Turin, as the real ones. */
struct blob *pki_amd_chain(struct pki_amd *, const struct pki_amd_chain *);

/* --- VCEKs and VLEKs -------------------------------------------------- */

struct pki_vek {
	enum amd_product product;
	enum amd_side side;
	unsigned char hwid[AMD_HWID_MAX]; /* amd_hwid_len() of them */
	struct amd_spl spl;
	const char *csp_id;       /* VLEK; NULL: "CN=cc-test.example.com" */
	const char *product_name; /* NULL: "Milan-B0", "Genoa", "Turin" */
	time_t not_before;        /* 0: the PKI's now */
	time_t not_after;         /* 0: after 7 years, a VLEK after one */
	bool trailer; /* the older AlgorithmIdentifier, with trailerField */
	bool next;    /* signed by PKI_ASK_NEXT */
	enum pki_amd_lie lie;
};
struct blob *pki_vek(struct pki_amd *, const struct pki_vek *); /* DER */
/* Its private key, which is what a chip signs reports with. */
EVP_PKEY *pki_vek_key(const struct pki_amd *, const struct pki_vek *);

/* --- CRLs ------------------------------------------------------------- */

struct pki_amd_crl {
	enum amd_product product;
	enum amd_side side;
	unsigned long number;    /* 0: 9 */
	time_t this_update;      /* 0: the PKI's now */
	time_t next_update;      /* 0: after 43 days */
	size_t n_revoked;        /* besides Genoa's first ASK, 0x020001 */
	const uint32_t *revoked; /* serials */
	enum pki_amd_lie lie;
};
struct blob *pki_amd_crl(struct pki_amd *,
    const struct pki_amd_crl *); /* DER */
/* Serial of an issuer, 0xPP0001 and so on (amd-kds 3.2). */
uint32_t pki_amd_serial(enum amd_product, enum pki_amd_who);

#endif
