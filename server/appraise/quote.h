/*
 * Intel quotes of versions 3 to 5, as bytes alone: nothing is verified here.
 * Pure.  Private to server/appraise/ (appraise.h is the door).
 */
#ifndef SERVER_APPRAISE_QUOTE_H
#define SERVER_APPRAISE_QUOTE_H

#include "storage/verify/verify.h"

#define QUOTE_LEN_MAX 65536 /* genuine ones have 4 to 8 KiB */

enum body_type { /* of version 5; versions 3 and 4 have one of the first two */
	BODY_SGX = 1,
	BODY_TD_10 = 2,
	BODY_TD_15 = 3,
	BODY_TD_15_EXT = 4,
};

enum cert_data_type {
	CERT_DATA_PPID_CLEAR = 1,
	CERT_DATA_PPID_RSA2048 = 2,
	CERT_DATA_PPID_RSA3072 = 3,
	CERT_DATA_PCK_LEAF = 4,
	CERT_DATA_PCK_CHAIN = 5,
	CERT_DATA_QE_REPORT = 6,
	CERT_DATA_MANIFEST = 7,
};

#define SGX_FLAG_DEBUG (1u << 1) /* in the first octet of ATTRIBUTES */

struct sgx_report {
	unsigned char cpusvn[16], miscselect[4], isvextprodid[16];
	unsigned char attributes[16], mrenclave[32], mrsigner[32];
	unsigned char configid[64], isvfamilyid[16], report_data[64];
	uint16_t isvprodid, isvsvn, configsvn;
};

#define TD_ATTR_DEBUG           (1ULL << 0)
#define TD_ATTR_SEPT_VE_DISABLE (1ULL << 28)
/* LASS, SEPT_VE_DISABLE, MIGRATABLE, PKS, KL, PERFMON and DEBUG. */
#define TD_ATTR_KNOWN                                                          \
	(TD_ATTR_DEBUG | 1ULL << 27 | TD_ATTR_SEPT_VE_DISABLE | 1ULL << 29 |   \
	    1ULL << 30 | 1ULL << 31 | 1ULL << 63)

struct td_report {
	unsigned char tee_tcb_svn[16], mrseam[48], mrsignerseam[48];
	unsigned char seamattributes[8], xfam[8];
	uint64_t tdattributes;
	unsigned char td_attributes[8]; /* the same as they stand there */
	unsigned char mrtd[48], mrconfigid[48], mrowner[48];
	unsigned char mrownerconfig[48], rtmr[4][48], report_data[64];
	/* BODY_TD_15 and BODY_TD_15_EXT, else zero */
	unsigned char tee_tcb_svn_2[16], mrservicetd[48];
	/* BODY_TD_15_EXT, else zero */
	uint8_t vmid;
	unsigned char td_id[32], device_info[48];
	unsigned char init_servicetd_hash[48], init_servicetd_attributes[8];
	unsigned char init_cpusvn[16], init_tee_tcb_svn[16], init_fmspc[12];
	unsigned char servicetd_hash[48], servicetd_attributes[8];
};

/* Spans are borrowed from the input; all else is copied out of it. */
struct quote {
	uint16_t version, qe_svn, pce_svn; /* the SVNs: version 3, else 0 */
	enum tee tee;
	enum body_type body;
	unsigned char user_data[20];
	struct sgx_report sgx; /* BODY_SGX */
	struct td_report td;   /* the others */
	size_t len;            /* without the padding behind it */
	struct span bound;     /* what the attestation key signs */
	unsigned char signature[64], key[64]; /* r, s; x, y */
	struct sgx_report qe;
	struct span qe_bytes; /* what the PCK key signs */
	unsigned char qe_signature[64];
	struct span auth;
	enum cert_data_type cert_type; /* 1 to 5 */
	struct span cert;
};

/*
 * quote-verification 2, step 1 of 5.  ERR_FORMAT, ERR_TOO_BIG over
 * QUOTE_LEN_MAX.
 */
enum err quote_read(struct span, struct quote *out, struct why *) MUST_CHECK;
/* TEE_TCB_SVN_2 is there: bodies of TD report 1.5. */
bool quote_has_current(const struct quote *);

/* Certification data of types 1 to 3: what to ask a PCCS with. */
struct cert_data_id {
	struct span ppid; /* clear or encrypted */
	unsigned char cpusvn[16], pceid[2];
	uint16_t pcesvn;
};
/* ERR_FORMAT for another type or another size than the type's. */
enum err cert_data_id_read(const struct quote *, struct cert_data_id *out,
    struct why *) MUST_CHECK;

#endif
