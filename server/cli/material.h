/*
 * Collateral for a verdict made here: from a folder, a file, or a larder.
 * Bytes alone; the verdict judges them.  Private to server/cli/.
 *
 *   folder  of a quote: tcb_info.json, qe_identity.json, tcb_info_ and
 *           qe_identity_issuer_chain.pem, root_ca_crl.der, pck_crl.der,
 *           pck_crl_issuer_chain.pem; of an SNP report: certificates and CRLs
 *           in DER or PEM, told apart by what they are
 *   file    what "larder collateral" writes, or what POST /v1/verify takes
 *           as "collateral"; of an SNP report also all certificates in one
 *           PEM file, or THIM's answer
 *   URL     of a larder
 */
#ifndef SERVER_CLI_MATERIAL_H
#define SERVER_CLI_MATERIAL_H

#include "server/appraise/verify.h"
#include "server/cli/cli.h"

enum material_part {
	MATERIAL_TCB_INFO,
	MATERIAL_TCB_INFO_CHAIN,
	MATERIAL_QE_IDENTITY,
	MATERIAL_QE_IDENTITY_CHAIN,
	MATERIAL_ROOT_CRL,
	MATERIAL_PCK_CRL,
	MATERIAL_PCK_CRL_CHAIN,
	MATERIAL_VEK,
	MATERIAL_AMD_CHAIN,
	MATERIAL_AMD_CRL,
	MATERIAL_N
};

struct material {
	struct buf part[MATERIAL_N]; /* empty: not there */
};

/*
 * Get what this evidence needs.  "from" NULL: the larder that --server names.
 * False with a message printed: it cannot be had at all; a piece that is
 * missing from a folder or file is for the verdict to tell.  material_fini()
 * in every case.
 */
bool material_load(const struct cli *, const char *from,
    const struct evidence *, struct material *out) MUST_CHECK;
void material_fini(struct material *);

/* Borrowed views. */
void material_intel(const struct material *, struct intel_bytes *out);
void material_snp(const struct material *, struct snp_bytes *out);

/* material_amd.c: sort the certificates and CRLs of one report. */

#define MATERIAL_FILE_MAX (1 << 20)
#define MATERIAL_FILES    64

struct pile; /* certificates and CRLs found, in the order they came */
struct pile *pile_new(void);
void pile_free(struct pile *);
/* One file's bytes: DER, or any number of PEM blocks.  What is neither, but
 * is called vcek, vlek, chain or crl, is kept as it is: tampered with, it
 * must still be judged. */
void pile_add(struct pile *, const char *name, struct span);
/* Those that fit the report best; without one that fits, the first. */
void pile_take(const struct pile *, const struct evidence *,
    struct material *out);

#endif
