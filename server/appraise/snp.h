/*
 * SEV-SNP evidence: the report, the ways it arrives, and the cryptographic
 * checks of snp-report 8 and 10.  Pure: no I/O, no clock, no globals.
 * Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_SNP_H
#define SERVER_APPRAISE_SNP_H

#include "storage/verify/amd.h"

#define SNP_REPORT_LEN 1184
#define SNP_SIGNED_LEN 672

enum snp_err {
#define SNP(sym, text) sym,
#include "server/appraise/snp_err.def"
#undef SNP
	SNP_ERR_N
};
const char *snp_err_name(enum snp_err); /* "SNP_ERR_SIGNATURE", "SNP_OK" */
const char *snp_err_text(enum snp_err);

/* --- the report (snp-report 1) ---------------------------------------- */

#define SNP_POLICY_SMT          (1ULL << 16)
#define SNP_POLICY_RESERVED_ONE (1ULL << 17)
#define SNP_POLICY_MIGRATE_MA   (1ULL << 18)
#define SNP_POLICY_DEBUG        (1ULL << 19)
#define SNP_POLICY_KNOWN        ((1ULL << 26) - 1)

enum snp_signing_key { SNP_KEY_VCEK = 0, SNP_KEY_VLEK = 1, SNP_KEY_NONE = 7 };

struct snp_firmware {
	uint8_t build, minor, major;
};
struct snp_report {
	uint32_t version, guest_svn, vmpl, signature_algo, flags;
	uint64_t policy, platform_info;
	unsigned char family_id[16], image_id[16];
	unsigned char report_data[64], measurement[48], host_data[32];
	unsigned char id_key_digest[48], author_key_digest[48];
	unsigned char report_id[32], report_id_ma[32], chip_id[64];
	struct amd_tcb current_tcb, reported_tcb, committed_tcb, launch_tcb;
	bool has_cpuid; /* version 3 and later */
	uint8_t cpuid_fam, cpuid_mod, cpuid_step;
	struct snp_firmware current, committed;
	bool has_mitigations; /* version 5 and later */
	uint64_t launch_mit_vector, current_mit_vector;
	unsigned char r[48], s[48]; /* little-endian */
};
/*
 * Read and check form alone: steps 1 to 6 of snp-report 8.  max_version: the
 * highest version accepted (5 unless configured); above 5 the layout is
 * read as 5 and reserved bytes are not judged.
 */
enum snp_err snp_report_read(struct span, uint32_t max_version,
    struct snp_report *out, struct why *) MUST_CHECK;
/*
 * The fields alone, of any 1184 bytes: for showing.  Versions not known are
 * read as the nearest.  False: another length.
 */
bool snp_report_layout(struct span, struct snp_report *out);
enum snp_signing_key snp_signing_key(const struct snp_report *);
bool snp_chip_id_masked(const struct snp_report *);
/*
 * snp-report 6: by CPUID, by the shape of CHIP_ID, else by the hint (the
 * issuer of a VEK, a caller's word); AMD_PRODUCT_N when nothing says.
 */
enum amd_product snp_report_product(const struct snp_report *,
    enum amd_product hint);
/* CHIP_ID as KDS wants it for this product. Borrowed from the report. */
struct span snp_report_hwid(const struct snp_report *, enum amd_product);

/* --- how it arrives (snp-report 7, 10) -------------------------------- */

enum cert_slot {
	CERT_VCEK,
	CERT_VLEK,
	CERT_ASK,
	CERT_ARK,
	CERT_CRL,
	CERT_SLOT_N
};
struct cert_table { /* borrowed from the table's bytes; empty: absent */
	struct span slot[CERT_SLOT_N];
	bool has_cpuid1; /* the vendor extra that names a v2 report's product */
	uint32_t cpuid1;
	unsigned n_swapped; /* entries in the byte-swapped GUID form */
};
/* An empty input is a valid empty table. */
#define CERT_TABLE_END_LEN 24 /* an entry of zeros */
enum err cert_table_read(struct span, struct cert_table *out,
    struct why *) MUST_CHECK;

enum hcl_type { HCL_SNP = 2, HCL_TVM = 3, HCL_TDX = 4 };
struct hcl { /* borrowed from the input */
	uint32_t version, request_type, report_type, hash_type;
	struct span report; /* 1184 bytes: SNP report, or TD report and zeros */
	struct span runtime; /* the JSON, exactly VariableDataSize bytes */
};
bool hcl_is(struct span); /* begins as an HCL report does */
/* Steps H1 and H3; whether it is SNP inside is the caller's to look at. */
enum snp_err hcl_read(struct span, struct hcl *out, struct why *) MUST_CHECK;
/* H4: hash(runtime) is the front of this report data, zeros behind. */
enum snp_err hcl_check_binding(const struct hcl *,
    const unsigned char report_data[64], struct why *) MUST_CHECK;

/* --- the checks (snp-report 8, steps 7 to 18) ------------------------- */

struct snp_collateral {
	const struct vek *vek;         /* NULL: none could be had */
	const struct amd_chain *chain; /* NULL likewise */
	const struct amd_crl *crl;     /* NULL: none */
	bool crl_required;
	bool issuer_checked; /* vek came out of vek_read() with this chain */
	/* Why a NULL above is one, where that is known: SNP_OK if not. */
	enum snp_err vek_err, chain_err, crl_err;
};
struct snp_verdict {
	enum snp_err err; /* of the first step that failed */
	struct why why;
	bool genuine; /* no step failed but those that judge time */
	enum amd_product product;
	bool chip_id_masked;
	/* All pieces are valid in [valid_from, valid_until). */
	time_t valid_from, valid_until;
	bool not_yet_valid, expired;
};
/*
 * Judge a report that snp_report_read accepted; "bytes" are its 1184.  Stops
 * at the first failing step; only after one of time (12, and a stale CRL)
 * does it go on, to tell old evidence from false.  "at": the time to judge by.
 */
void snp_verify(const struct snp_report *, struct span bytes,
    enum amd_product hint, const struct snp_collateral *, time_t at,
    struct snp_verdict *out);

#endif
