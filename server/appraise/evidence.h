/*
 * Which evidence these bytes are, and what they wrap.  Nothing is verified
 * here; what is wrong with a wrapping is kept for the verdict, which names it
 * first.  Pure.  Private to server/appraise/ (verify.h is the door).
 */
#ifndef SERVER_APPRAISE_EVIDENCE_H
#define SERVER_APPRAISE_EVIDENCE_H

#include "server/appraise/quote.h"
#include "server/appraise/snp.h"

#define EVIDENCE_LEN_MAX 131072 /* a quote, or a report with its table */

enum evidence_kind {
	EVIDENCE_UNKNOWN, /* read as a quote, and not one */
	EVIDENCE_SGX,
	EVIDENCE_TDX,
	EVIDENCE_SNP,
	EVIDENCE_KIND_N
};
const char *evidence_kind_name(enum evidence_kind); /* "sgx"; "unknown" */

/* How it came. */
enum evidence_form {
	AS_QUOTE,    /* versions 3 to 5 */
	AS_REPORT,   /* a bare SNP report */
	AS_EXTENDED, /* with the certificate table behind it */
	AS_RESPONSE, /* a guest device's MSG_REPORT_RSP */
	AS_HCL,      /* Azure's HCL report */
	AS_PROOF,    /* {"SnpReport", "VcekCertChain"} (snp-report 11) */
	EVIDENCE_FORM_N
};
const char *evidence_form_name(enum evidence_form); /* "snp-report" */

/* Spans are borrowed from the input, or from "own". */
struct evidence {
	enum evidence_kind kind;
	enum evidence_form form;
	/* What is wrong: of the wrapping, or of an SNP report's form. */
	enum snp_err err;
	struct why why;

	struct span bytes; /* the quote, or the 1184 bytes of an SNP report */
	bool has_quote;    /* "quote" was read; its own reader says why not */
	struct quote quote;
	bool has_snp; /* "snp" was read: err is SNP_OK */
	struct snp_report snp;
	struct cert_table certs; /* candidates that came along: DER */
	struct span pem;         /* likewise: VEK, then ASK and ARK */
	bool has_hcl;
	struct hcl hcl;
	struct buf own[2];
};
/*
 * Never fails: what is none of the forms is taken for a quote that will not
 * be read.  A quote for an HCL report of type TDX stands behind the runtime
 * data, after any zeros: the TD report inside has a MAC that only its own
 * CPU can check.  evidence_fini() it.
 */
void evidence_read(struct span, struct evidence *out);
void evidence_fini(struct evidence *);

/*
 * Whose an SNP report is: what it says itself, else the CPUID that its host
 * put into the certificate table (snp-report 7.1), which nobody signed.
 * AMD_PRODUCT_N: neither says.
 */
enum amd_product evidence_product(const struct evidence *);

/* The 64 bytes the guest chose, or NULL: none could be read. */
const unsigned char *evidence_report_data(const struct evidence *);

#endif
