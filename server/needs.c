#include "server/needs.h"

#include <stdio.h>

void
needs_intel(enum tee tee, const char *fmspc, enum pck_ca ca, enum update update,
    struct needs *out)
{
	enum enclave qe = tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE;

	out->key[NEED_TCB_INFO] = key_tcbinfo(tee, 4, fmspc, update, 0);
	out->key[NEED_IDENTITY] = key_identity(qe, 4, update, 0);
	out->key[NEED_PCK_CRL] = key_pck_crl(ca);
	out->key[NEED_ROOT_CRL] = key_root_crl();
	(void)snprintf(out->baseline, sizeof(out->baseline), "%s",
	    update == UPDATE_EARLY ? "early" : "standard");
}
