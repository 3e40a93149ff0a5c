/*
 * VCEKs in the folder form of Trustee's attestation service (amd-kds 8.4):
 * vcek/{hwid}/bl03_tee00_snp08_ucode115_vcek.der, and the older
 * vcek/{hwid}/vcek.der.
 */
#ifndef SERVER_CLI_TRUSTEE_H
#define SERVER_CLI_TRUSTEE_H

#include "server/cli/bundle.h"

#define TRUSTEE_NAME 64

/* The name of a VCEK's file in its chip's folder. */
void trustee_name(const struct vek *, char out[TRUSTEE_NAME]);
/*
 * The names of folder and file say what the certificate says; ERR_NOT_ASKED.
 * Numbers may have any leading zeros, the hwid either case.
 */
enum err trustee_check(const char *folder, const char *file, const struct vek *,
    struct why *) MUST_CHECK;

/* Every VCEK below "dir", or its folder vcek, into the bundle; a file that
 * does not pass is a message. */
void trustee_import(struct bundle *, const char *dir);
/* One VCEK as a file below dir/vcek; what is there is replaced. */
enum err trustee_export(const char *dir, const struct vek *,
    struct why *) MUST_CHECK;

#endif
