/* AMD's chains, CRLs and endorsement keys at the gate (amd-kds 5, 6). */
#include "storage/coll_amd.h"

#include "config/base/must.h"

#include <string.h>

/* On neither list of the product that is held (amd-kds 5, 6.1). */
static enum err
check_lists(const struct trust *t, const struct amd_chain *chain,
    struct why *why)
{
	const struct amd_crl *crl;
	int side;

	for (side = 0; side < 2; side++) {
		crl = t->held[chain->product].crl[side];
		if (crl != NULL && amd_crl_lists(crl, chain->ask))
			return why_set(why, ERR_REVOKED, "amd-kds 6.1",
			    "the %s of %s is on the %s list",
			    chain->side == AMD_VLEK ? "ASVK" : "ASK",
			    amd_product_name(chain->product),
			    amd_side_name((enum amd_side)side));
	}
	return ERR_OK;
}

static bool
unchecked(const struct trust *t, const struct coll_key *k)
{
	return t->held[k->product].crl[k->side] == NULL;
}

enum err
coll_amd_chain(struct coll *c, const struct coll_raw *raw,
    const struct trust *t, struct window *window, struct why *why)
{
	enum err e;

	if ((e = amd_chain_read(raw->body, c->key.product, c->key.side, &t->amd,
		 &c->facts.amd_chain, why)) != ERR_OK ||
	    (e = check_lists(t, c->facts.amd_chain, why)) != ERR_OK)
		return e;
	*window = c->facts.amd_chain->window;
	c->issue_at = raw->fetched_at;
	c->next_update = window->until;
	c->revocation_unchecked = unchecked(t, &c->key);
	return ERR_OK;
}

/* The ARK that came with the list, or the one that is held. */
static enum err
ark_of(const struct coll_raw *raw, const struct trust *t, X509 **out,
    struct why *why)
{
	enum amd_product product = raw->key.product;

	if (raw->chain.len != 0)
		return amd_ark_read(raw->chain, product, &t->amd, out, why);
	if (t->held[product].ark == NULL)
		return why_set(why, ERR_NO_CHAIN, "amd-kds 5",
		    "no ARK of %s is known yet", amd_product_name(product));
	must(X509_up_ref(t->held[product].ark) == 1);
	*out = t->held[product].ark;
	return ERR_OK;
}

static struct blob *
ark_pem(X509 *ark)
{
	struct buf pem = BUF_INIT;
	unsigned char *der = NULL;
	int len = i2d_X509(ark, &der);

	must(len > 0);
	pem_write(&pem, "CERTIFICATE", span_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_blob(&pem);
}

enum err
coll_amd_crl(struct coll *c, const struct coll_raw *raw, const struct trust *t,
    struct window *window, struct why *why)
{
	X509 *ark = NULL;
	enum err e;

	if ((e = ark_of(raw, t, &ark, why)) != ERR_OK ||
	    (e = amd_crl_read(raw->body, c->key.product, ark, &c->facts.amd_crl,
		 why)) != ERR_OK)
		goto out;
	*window = c->facts.amd_crl->window;
	c->issue_at = window->from;
	c->next_update = window->until;
	c->chain = ark_pem(ark);
	window_cut(window, cert_window(ark).from, cert_window(ark).until);
out:
	X509_free(ark);
	return e;
}

static enum err
check_vlek(const struct vek *vek, const struct coll_key *k, struct why *why)
{
	if (strcmp(vek->csp_id, k->csp_id) != 0)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 6.3",
		    "cspID is another provider's");
	if (memcmp(vek->tcb.b, k->tcb.b, sizeof(k->tcb.b)) != 0)
		return why_set(why, ERR_NOT_ASKED, "amd-kds 6.3",
		    "another TCB than the one named");
	return ERR_OK;
}

enum err
coll_amd_vek(struct coll *c, const struct coll_raw *raw, const struct trust *t,
    struct window *window, struct why *why)
{
	const struct coll_key *k = &c->key;
	const struct amd_chain *chain = t->held[k->product].chain[k->side];
	enum err e;

	if (chain == NULL)
		return why_set(why, ERR_NO_CHAIN, "amd-kds 6.2",
		    "the %s chain of %s is not held", amd_side_name(k->side),
		    amd_product_name(k->product));
	if ((e = check_lists(t, chain, why)) != ERR_OK ||
	    (e = vek_read(raw->body, chain, &c->facts.vek, why)) != ERR_OK)
		return e;
	*window = c->facts.vek->window;
	c->issue_at = cert_window(c->facts.vek->x).from;
	c->next_update = window->until;
	c->revocation_unchecked = unchecked(t, k);
	if (k->side == AMD_VLEK)
		return check_vlek(c->facts.vek, k, why);
	return vek_is_for(c->facts.vek, key_hwid(k), k->tcb, why);
}
