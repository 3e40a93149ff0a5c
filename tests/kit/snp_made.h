/*
 * SEV-SNP evidence made of a test PKI: reports of every version signed by a
 * made VCEK or VLEK, and the wrappings they arrive in (snp-report 1, 7, 10).
 */
#ifndef TESTS_KIT_SNP_MADE_H
#define TESTS_KIT_SNP_MADE_H

#include "server/appraise/snp.h"
#include "tests/kit/pki_amd.h"

/*
 * What a sound guest's report of this version (2 to 5) says on the chip and
 * at the TCB of the VEK.  A VLEK's: CHIP_ID zero.  Change what a test is
 * about, then make it.  r and s play no part.
 */
struct snp_report snp_made_report(const struct pki_vek *, uint32_t version);
/* Signed by the VEK. The caller's to unref. */
struct blob *snp_made(const struct pki_amd *, const struct pki_vek *,
    const struct snp_report *);
/* The two halves, for bytes that no field of a report is. */
void snp_made_write(const struct snp_report *,
    unsigned char out[SNP_REPORT_LEN]);
void snp_made_sign(const struct pki_amd *, const struct pki_vek *,
    unsigned char bytes[SNP_REPORT_LEN]);

/*
 * A certificate table of the slots that are not empty; n_swapped not 0: with
 * the GUIDs in the byte-swapped form (snp-report 7.1).
 */
struct blob *snp_made_table(const struct cert_table *);
/* The report and behind it a table of its VEK, ASK or ASVK, and ARK. */
struct blob *snp_made_extended(struct pki_amd *, const struct pki_vek *,
    const struct snp_report *);
/* The guest device's answer, 4000 octets, with this STATUS. */
struct blob *snp_made_response(struct span report, uint32_t status);

/* Azure's wrapper. 0 and empty: as on a real virtual machine. */
struct snp_made_hcl {
	struct span report;                  /* at most 1184 octets */
	struct span runtime;                 /* empty: SNP_MADE_RUNTIME */
	uint32_t version, type, hash, claim; /* claim: VariableDataSize */
};
#define SNP_MADE_RUNTIME                                                       \
	"{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],"             \
	"\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"1wAAAQ\"}],"                   \
	"\"vm-configuration\":{\"console-enabled\":true,"                      \
	"\"secure-boot\":true,\"tpm-enabled\":true,"                           \
	"\"vmUniqueId\":\"1F1D1C1B-0000-4000-8000-000000000001\"},"            \
	"\"user-data\":"                                                       \
	"\"00000000000000000000000000000000"                                   \
	"00000000000000000000000000000000"                                     \
	"00000000000000000000000000000000"                                     \
	"00000000000000000000000000000000\"}"
struct blob *snp_made_hcl(const struct snp_made_hcl *);
/* What REPORT_DATA must hold for that runtime data (hash 1 to 3; 0: 1). */
void snp_made_bind(struct span runtime, uint32_t hash, unsigned char out[64]);

#endif
