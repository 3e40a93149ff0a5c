/*
 * INNER DOOR of verification, AMD's side: chains, CRLs and endorsement keys
 * of SEV-SNP (VCEK, VLEK).  Pure, as verify.h: bytes + pinned keys in, facts
 * or a reason out; time is recorded as a window and judged by the caller.
 */
#ifndef STORAGE_VERIFY_AMD_H
#define STORAGE_VERIFY_AMD_H

#include "storage/verify/verify.h"

/* --- words (amd-kds 1, 2) --------------------------------------------- */

enum amd_product { AMD_MILAN, AMD_GENOA, AMD_TURIN, AMD_PRODUCT_N };
/* Which intermediate signs: ASK over VCEKs, ASVK over VLEKs. */
enum amd_side { AMD_VCEK, AMD_VLEK };

#define AMD_HWID_MAX 64

const char *amd_product_name(enum amd_product); /* "Milan", as KDS spells it */
const char *amd_side_name(enum amd_side);       /* "vcek", "vlek" */
/*
 * Any case; Bergamo and Siena are Genoa (amd-kds 2.1).  AMD_PRODUCT_N when
 * the name is none of them.
 */
enum amd_product amd_product_read(struct span name);
/* By CPUID family and model (amd-kds 2.1); AMD_PRODUCT_N when unknown. */
enum amd_product amd_product_of_cpuid(uint8_t family, uint8_t model);
/* The same by CPUID(1).EAX. */
enum amd_product amd_product_of_eax(uint32_t eax);
/* Bytes of a hardware id in names and certificates: 64, or 8 for Turin. */
size_t amd_hwid_len(enum amd_product);

/* Security patch levels by name; fmc is Turin's alone (amd-kds 2.3). */
struct amd_spl {
	uint8_t fmc, bl, tee, snp, ucode;
};
/* TCB_VERSION, eight bytes in memory order (snp-report 2). */
struct amd_tcb {
	unsigned char b[8];
};
struct amd_tcb amd_tcb_of(enum amd_product, struct amd_spl);
/* ERR_RANGE when a reserved byte is not zero. */
enum err amd_spl_of(enum amd_product, struct amd_tcb, struct amd_spl *out,
    struct why *) MUST_CHECK;
/*
 * Whether there can be a certificate for it: no reserved byte is set, and
 * every level is one that KDS takes (amd-kds 2.3).
 */
#define AMD_SPL_MAX 127 /* of any but the microcode, whose is 255 */
bool amd_tcb_issued(enum amd_product, struct amd_tcb);
/* Every component of a at or above b's; reserved bytes play no part. */
bool amd_tcb_covers(enum amd_product, struct amd_tcb a, struct amd_tcb b);
/* "DB18000000000004": byte 7 first (amd-kds 8.2). 17 bytes with the NUL. */
void amd_tcb_write(struct amd_tcb, char out[17]);
/* 1 to 16 hex digits of the same u64, any case. */
enum err amd_tcb_read(struct span hex, struct amd_tcb *out) MUST_CHECK;

/* --- anchors ---------------------------------------------------------- */

/* Pinned ARK keys by product; a NULL entry has no root (amd-kds 4.3). */
struct amd_anchors {
	const struct anchors *by[AMD_PRODUCT_N];
};

/* --- issuer chains (amd-kds 3.2, 4.3, 6.1) ---------------------------- */

struct amd_chain {
	_Atomic unsigned refs;
	enum amd_product product;
	enum amd_side side;
	struct blob *pem; /* exactly as received */
	struct blob *lf;  /* ASK then ARK, LF line ends, ending in one */
	X509 *ask, *ark;  /* ask: the ASVK on the VLEK side */
	struct window window;
};
/*
 * A cert_chain body: exactly two PEM blocks, ASK or ASVK first, ARK second;
 * LF or CRLF, blank lines and trailing white space are KDS's habit.
 * Revocation is a question to a CRL: amd_crl_lists().
 */
enum err amd_chain_read(struct span pem, enum amd_product, enum amd_side,
    const struct amd_anchors *, struct amd_chain **out,
    struct why *) MUST_CHECK;
/* Whose a cert_chain body says it is, by its first name: nothing else of it
 * is looked at. */
enum err amd_chain_claims(struct span pem, enum amd_product *, enum amd_side *,
    struct why *) MUST_CHECK;
/* One PEM block: the pinned ARK of a product alone, the caller's to free. */
enum err amd_ark_read(struct span pem, enum amd_product,
    const struct amd_anchors *, X509 **out, struct why *) MUST_CHECK;
struct amd_chain *amd_chain_ref(struct amd_chain *);
void amd_chain_unref(struct amd_chain *);

/* --- revocation lists (amd-kds 5) ------------------------------------- */

struct amd_crl {
	_Atomic unsigned refs;
	enum amd_product product;
	X509_CRL *x;
	struct blob *der;
	uint64_t number;
	struct window window; /* [thisUpdate, nextUpdate) */
	size_t n;
	struct crl_entry *entries; /* sorted */
};
/* Issued by this ARK (its name, key and SKI), DER alone. */
enum err amd_crl_read(struct span der, enum amd_product, X509 *ark,
    struct amd_crl **out, struct why *) MUST_CHECK;
/* Whose a CRL says it is; it does not say of which side. */
enum err amd_crl_claims(struct span der, enum amd_product *,
    struct why *) MUST_CHECK;
struct amd_crl *amd_crl_ref(struct amd_crl *);
void amd_crl_unref(struct amd_crl *);
/* By serial. Never asked about a VEK: their serials are all 0. */
bool amd_crl_lists(const struct amd_crl *, const X509 *);

/* --- endorsement keys (amd-kds 3, 6.2, 6.3) --------------------------- */

struct vek {
	_Atomic unsigned refs;
	enum amd_product product; /* its issuer's */
	enum amd_side side;
	X509 *x;
	EVP_PKEY *key;     /* P-384, decoded once */
	struct p384 *fast; /* the same, for reports */
	struct blob *der;
	unsigned struct_version;
	char product_name[32]; /* productName1, informative */
	struct amd_spl spl;
	struct amd_tcb tcb;
	size_t hwid_len; /* 0: a VLEK */
	unsigned char hwid[AMD_HWID_MAX];
	char csp_id[128]; /* "": a VCEK */
	struct window window;
};
/*
 * One DER certificate: profile (names, PSS parameters, P-384 key, each AMD
 * extension once and in range), issuer and signature of this chain.
 */
enum err vek_read(struct span der, const struct amd_chain *, struct vek **out,
    struct why *) MUST_CHECK;
/*
 * The profile alone, without any issuer: ERR_FORMAT, ERR_RANGE.  "product" is
 * that of the issuer's name.  For showing, and as the first half of vek_read.
 */
enum err vek_parse(struct span der, struct vek **out, struct why *) MUST_CHECK;
/* The second half: kind, product, name and signature of this chain. */
enum err vek_check_issuer(const struct vek *, const struct amd_chain *,
    struct why *) MUST_CHECK;
/* It is the VCEK of this chip at this TCB; ERR_NOT_ASKED. */
enum err vek_is_for(const struct vek *, struct span hwid, struct amd_tcb,
    struct why *) MUST_CHECK;
struct vek *vek_ref(struct vek *);
void vek_unref(struct vek *);

#endif
