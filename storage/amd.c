#include "storage/amd.h"

#include "config/base/clock.h"
#include "config/base/must.h"

static const enum amd_side sides[] = { AMD_VCEK, AMD_VLEK };

/* --- trust ------------------------------------------------------------ */

static void
trust_product(const struct storage *st, enum amd_product product,
    struct trust *t)
{
	struct coll_key key;
	struct coll *c;
	int i;

	t->amd.by[product] = st->amd_anchors[product];
	t->held[product].ark = st->ark[product];
	for (i = 0; i < 2; i++) {
		key = key_amd_chain(product, sides[i]);
		if ((c = hot_get(st, &key)) != NULL)
			t->held[product].chain[sides[i]] = c->facts.amd_chain;
		key = key_amd_crl(product, sides[i]);
		if ((c = hot_get(st, &key)) != NULL)
			t->held[product].crl[sides[i]] = c->facts.amd_crl;
	}
}

void
amd_trust(const struct storage *st, struct trust *t)
{
	int product;

	for (product = 0; product < AMD_PRODUCT_N; product++)
		trust_product(st, (enum amd_product)product, t);
}

enum err
amd_anchors_load(const struct config *c, struct anchors *out[AMD_PRODUCT_N],
    struct why *why)
{
	const struct config_list *lists[AMD_PRODUCT_N] = {
		[AMD_MILAN] = &c->trust.amd_milan,
		[AMD_GENOA] = &c->trust.amd_genoa,
		[AMD_TURIN] = &c->trust.amd_turin,
	};
	struct anchors *v[AMD_PRODUCT_N] = { NULL };
	enum err e = ERR_OK;
	int i;

	for (i = 0; i < AMD_PRODUCT_N && e == ERR_OK; i++)
		e = anchors_read(lists[i]->n, lists[i]->v, &v[i], why);
	if (e != ERR_OK) {
		amd_anchors_free(v);
		return e;
	}
	for (i = 0; i < AMD_PRODUCT_N; i++)
		out[i] = v[i];
	return ERR_OK;
}

void
amd_anchors_free(struct anchors *v[AMD_PRODUCT_N])
{
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++) {
		anchors_free(v[i]);
		v[i] = NULL;
	}
}

/* --- the ARKs --------------------------------------------------------- */

static void
ark_seen(struct storage *st, enum amd_product product, X509 *ark)
{
	must(X509_up_ref(ark) == 1);
	X509_free(st->ark[product]);
	st->ark[product] = ark;
}

void
amd_root_seen(struct storage *st, const struct coll *c)
{
	struct trust t = { 0 };
	X509 *ark = NULL;

	if (c->key.kind == COLL_AMD_CHAIN)
		ark_seen(st, c->key.product, c->facts.amd_chain->ark);
	if (c->key.kind != COLL_AMD_CRL || st->ark[c->key.product] != NULL)
		return;
	amd_trust(st, &t);
	/* The gate has just read the same bytes. */
	must(amd_ark_read(blob_span(c->chain), c->key.product, &t.amd, &ark,
		 NULL) == ERR_OK);
	ark_seen(st, c->key.product, ark);
	X509_free(ark);
}

void
amd_roots_forget(struct storage *st)
{
	int i;

	for (i = 0; i < AMD_PRODUCT_N; i++) {
		X509_free(st->ark[i]);
		st->ark[i] = NULL;
	}
}

/* --- what follows from a change --------------------------------------- */

void
amd_chain_changed(struct storage *st, const struct coll *old,
    const struct coll *now)
{
	const struct coll_key *key = &now->key;

	/* What another key signed does not verify under this one. */
	if (old != NULL &&
	    EVP_PKEY_eq(X509_get0_pubkey(old->facts.amd_chain->ask),
		X509_get0_pubkey(now->facts.amd_chain->ask)) != 1)
		vekcache_drop_side(st->vekcache, key->product, key->side);
}

void
amd_chain_lost(struct storage *st, const struct coll_key *chain)
{
	vekcache_drop_side(st->vekcache, chain->product, chain->side);
}

static void
recheck(struct storage *st, const struct coll_key *key)
{
	struct coll *c = coll_ref(hot_get(st, key));

	if (c != NULL)
		hot_recheck_one(st, c);
	coll_unref(c);
}

void
amd_crl_changed(struct storage *st, const struct coll *crl)
{
	struct coll_key key;
	int i;

	for (i = 0; i < 2; i++) {
		key = key_amd_chain(crl->key.product, sides[i]);
		recheck(st, &key);
	}
}

void
amd_recheck(struct storage *st)
{
	struct coll_key key;
	int product, i;

	for (product = 0; product < AMD_PRODUCT_N; product++)
		for (i = 0; i < 2; i++) {
			key = key_amd_crl((enum amd_product)product, sides[i]);
			recheck(st, &key);
			key =
			    key_amd_chain((enum amd_product)product, sides[i]);
			recheck(st, &key);
		}
	st->amd_checked_at = clock_now();
	hot_publish(st);
}
