#include "storage/issuer.h"

#include "config/base/must.h"
#include "storage/form.h"
#include "storage/store.h"

#include <stdlib.h>

/* Intel has two PCK CAs and replaces each every few years. */
#define ISSUERS_MAX 64

static void
issuer_free(struct issuer *i)
{
	chain_unref(i->chain);
	blob_unref(i->pem);
	blob_unref(i->value);
	blob_unref(i->head);
	free(i);
}

void
issuers_clear(struct storage *st)
{
	struct map_iter it = map_iter(st->issuers);
	struct span key;
	void *value;

	while (map_next(&it, &key, &value))
		issuer_free(value);
	map_free(st->issuers);
	st->issuers = map_new();
}

static enum err
issuer_new(struct storage *st, struct span pem, struct issuer **out,
    struct why *why)
{
	struct trust trust = hot_trust(st);
	struct chain *chain = NULL;
	struct issuer *i;
	enum err e;

	if ((e = chain_read(pem, CHAIN_PCK_CA, trust.intel, trust.root_crl,
		 NULL, &chain, why)) != ERR_OK)
		return e;
	i = xcalloc(1, sizeof(*i));
	i->chain = chain;
	i->pem = chain_pem(chain);
	i->value = chain_header(chain);
	i->head = form_chain_line("SGX-PCK-Certificate-Issuer-Chain", i->value);
	hot_root_seen(st, chain);
	*out = i;
	return ERR_OK;
}

enum err
issuer_get(struct storage *st, struct span chain, const struct issuer **out,
    struct why *why)
{
	struct buf pem = BUF_INIT;
	struct issuer *i = NULL;
	enum err e;

	if ((e = form_chain_text(chain, &pem, why)) != ERR_OK)
		goto out;
	if (pem.len == 0) {
		e = why_set(why, ERR_CHAIN, "pcs-upstream 6",
		    "no SGX-PCK-Certificate-Issuer-Chain");
		goto out;
	}
	if ((i = map_get(st->issuers, buf_view(&pem))) == NULL) {
		if ((e = issuer_new(st, buf_view(&pem), &i, why)) != ERR_OK)
			goto out;
		if (map_len(st->issuers) >= ISSUERS_MAX)
			issuers_clear(st);
		must(map_put(st->issuers, buf_view(&pem), i) == NULL);
	}
	*out = i;
out:
	buf_free(&pem);
	return e;
}
