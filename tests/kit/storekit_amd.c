#include "tests/kit/storekit_amd.h"

#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pki_amd *
kit_amd(struct kit *k)
{
	if (k->amd == NULL)
		k->amd = pki_amd_new("storekit", pki_now(k->pki));
	return k->amd;
}

/* Steals the body. */
static enum err
offer(struct kit *k, const struct coll_key *key, struct blob *body)
{
	enum err e = kit_admit(k, key, blob_span(body), SPAN_NONE);

	blob_unref(body);
	return e;
}

enum err
kit_amd_chain(struct kit *k, const struct pki_amd_chain *spec)
{
	struct coll_key key = key_amd_chain(spec->product, spec->side);

	return offer(k, &key, pki_amd_chain(kit_amd(k), spec));
}

enum err
kit_amd_crl(struct kit *k, const struct pki_amd_crl *spec)
{
	struct coll_key key = key_amd_crl(spec->product, spec->side);

	return offer(k, &key, pki_amd_crl(kit_amd(k), spec));
}

struct coll_key
kit_vek_key(const struct pki_vek *spec)
{
	struct amd_tcb tcb = amd_tcb_of(spec->product, spec->spl);

	if (spec->side == AMD_VLEK)
		return key_vlek(spec->product,
		    spec->csp_id == NULL ? "CN=cc-test.example.com"
					 : spec->csp_id,
		    tcb);
	return key_vcek(spec->product,
	    span_of(spec->hwid, amd_hwid_len(spec->product)), tcb);
}

enum err
kit_amd_vek(struct kit *k, const struct pki_vek *spec)
{
	struct coll_key key = kit_vek_key(spec);

	return offer(k, &key, pki_vek(kit_amd(k), spec));
}

static void
must_pass(struct kit *k, enum err e)
{
	if (e == ERR_OK)
		return;
	fprintf(stderr, "storekit: refused: %s\n", k->why.text);
	abort();
}

void
kit_amd_chain_ok(struct kit *k, enum amd_product product, enum amd_side side)
{
	struct pki_amd_chain spec = { .product = product, .side = side };

	must_pass(k, kit_amd_chain(k, &spec));
}

void
kit_amd_crl_ok(struct kit *k, enum amd_product product, enum amd_side side)
{
	struct pki_amd_crl spec = { .product = product, .side = side };

	must_pass(k, kit_amd_crl(k, &spec));
}

struct pki_vek
kit_vcek_spec(enum amd_product product, unsigned chip, uint8_t ucode)
{
	struct pki_vek v = { .product = product,
		.side = AMD_VCEK,
		.spl = { .bl = 4, .snp = 24, .ucode = ucode } };
	size_t i;

	for (i = 0; i < amd_hwid_len(product); i++)
		v.hwid[i] = (unsigned char)(17 * i + 1);
	v.hwid[0] = (unsigned char)chip;
	v.hwid[1] = (unsigned char)(chip >> 8);
	return v;
}

struct pki_vek
kit_milan(struct kit *k)
{
	struct pki_vek spec = kit_vcek_spec(AMD_MILAN, 1, 219);

	kit_amd_chain_ok(k, AMD_MILAN, AMD_VCEK);
	kit_amd_crl_ok(k, AMD_MILAN, AMD_VCEK);
	must_pass(k, kit_amd_vek(k, &spec));
	return spec;
}

bool
kit_vek_cached(struct kit *k, const struct pki_vek *spec)
{
	struct coll_key key = kit_vek_key(spec);
	struct coll *c = storage_vek_cached(k->st, &key);

	coll_unref(c);
	return c != NULL;
}

enum err
kit_vek_spec(struct kit *k, const struct pki_vek *spec)
{
	struct coll_key key = kit_vek_key(spec);

	return kit_vek(k, &key);
}
