/*
 * AMD's objects in a kit's storage: made by its PKI, honest or lying, and
 * offered to storage as what was asked for.
 */
#ifndef TESTS_KIT_STOREKIT_AMD_H
#define TESTS_KIT_STOREKIT_AMD_H

#include "tests/kit/storekit.h"

/* Made when first asked for; the kit's. */
struct pki_amd *kit_amd(struct kit *);
enum err kit_amd_chain(struct kit *, const struct pki_amd_chain *);
enum err kit_amd_crl(struct kit *, const struct pki_amd_crl *);
enum err kit_amd_vek(struct kit *, const struct pki_vek *);
/* The key that names it, before any lie. */
struct coll_key kit_vek_key(const struct pki_vek *);
/* An honest chain, or list, that must pass. */
void kit_amd_chain_ok(struct kit *, enum amd_product, enum amd_side);
void kit_amd_crl_ok(struct kit *, enum amd_product, enum amd_side);
/* A VCEK of chip "n" (any small number) with this ucodeSPL. */
struct pki_vek kit_vcek_spec(enum amd_product, unsigned chip, uint8_t ucode);
/* Milan's chain and list, and a VCEK of chip 1: what was offered. */
struct pki_vek kit_milan(struct kit *);
/* It is in memory; kit_vek() of it. */
bool kit_vek_cached(struct kit *, const struct pki_vek *);
enum err kit_vek_spec(struct kit *, const struct pki_vek *);

#endif
