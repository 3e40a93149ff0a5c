/* Certificate chains: pcs-upstream 6, quote-verification 3.2 and 14. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct role {
	size_t n;
	const char *name;
} roles[] = {
	[CHAIN_TCB_SIGNING] = { 2, "TCB signing chain" },
	[CHAIN_PCK_CA] = { 2, "PCK CA chain" },
	[CHAIN_PCK] = { 3, "PCK chain" },
	[CHAIN_ROOT] = { 1, "root certificate" },
};

/* --- reading ------------------------------------------------------------ */

static enum err
chain_decode(struct chain *chain, struct span pem, struct why *why)
{
	size_t want = roles[chain->role].n;
	struct buf der = BUF_INIT;
	enum err e = ERR_OK;

	if (pem.len > CHAIN_TEXT_MAX)
		return why_set(why, ERR_TOO_BIG, "pcs-upstream 6",
		    "chain of %zu octets", pem.len);
	while (chain->n < want) {
		if ((e = pem_next(&pem, "CERTIFICATE", &der, why)) != ERR_OK ||
		    (e = cert_read(buf_view(&der), &chain->x[chain->n], why)) !=
			ERR_OK) {
			why_in(why, e, "certificate %zu of %zu", chain->n + 1,
			    want);
			goto out;
		}
		chain->n++;
	}
	if (span_starts(pem, "-----BEGIN CERTIFICATE-----"))
		e = why_set(why, ERR_CHAIN, "quote-verification 3.2",
		    "more than %zu certificates", want);
	else
		e = pem_end(pem, why);
out:
	buf_free(&der);
	return e;
}

/* --- names: the only thing that keeps the roles apart ------------------- */

/* May x stand at place i? */
static bool
cn_fits(const struct chain *chain, size_t i, const X509 *x)
{
	if (i == chain->n - 1)
		return cert_cn_is(x, CN_ROOT);
	if (chain->role == CHAIN_TCB_SIGNING)
		return cert_cn_is(x, CN_SIGNER);
	if (i == chain->n - 2)
		return cert_cn_is(x, CN_PROCESSOR) ||
		       cert_cn_is(x, CN_PLATFORM);
	return cert_cn_is(x, CN_LEAF);
}

/*
 * Bring the certificates into order: genuine quotes exist whose chain is leaf,
 * root, intermediate (quote-verification 3.2, item 1).
 */
static enum err
chain_order(struct chain *chain, struct why *why)
{
	X509 *x;
	size_t i, k;

	for (i = 0; i < chain->n; i++) {
		for (k = i; k < chain->n; k++)
			if (cn_fits(chain, i, chain->x[k]))
				break;
		if (k == chain->n)
			return why_set(why, ERR_CHAIN, "pcs-upstream 6",
			    "none has the name for place %zu", i + 1);
		x = chain->x[i];
		chain->x[i] = chain->x[k];
		chain->x[k] = x;
	}
	return ERR_OK;
}

static enum err
chain_check_issuers(const struct chain *chain, struct why *why)
{
	size_t i, up;

	for (i = 0; i < chain->n; i++) {
		up = i + 1 < chain->n ? i + 1 : i;
		if (!name_same(X509_get_issuer_name(chain->x[i]),
			X509_get_subject_name(chain->x[up])))
			return why_set(why, ERR_CHAIN, "RFC 5280 6.1.3",
			    "certificate %zu names another issuer", i + 1);
	}
	return ERR_OK;
}

static enum err
chain_check_kinds(const struct chain *chain, struct why *why)
{
	bool ca;
	enum err e;
	size_t i;

	for (i = 0; i < chain->n; i++) {
		ca = i > 0 || chain->role == CHAIN_PCK_CA ||
		     chain->role == CHAIN_ROOT;
		if ((e = cert_check_kind(chain->x[i], ca, why)) != ERR_OK)
			return why_in(why, e, "certificate %zu", i + 1);
	}
	return ERR_OK;
}

/* --- the root and the path to it ---------------------------------------- */

/*
 * The anchor is name and key.  A root that came with the chain is only a hint
 * until its key proves to be pinned; its own signature keeps its other octets
 * from being changed on the way.
 */
static enum err
chain_check_root(const struct chain *chain, const struct anchors *anchors,
    struct why *why)
{
	X509 *root = chain->x[chain->n - 1];

	if (!anchors_has(anchors, root))
		return why_set(why, ERR_ROOT, "quote-verification 1",
		    "the root's key is not pinned");
	if (X509_verify(root, X509_get0_pubkey(root)) != 1)
		return why_ssl(why, ERR_BADSIG, "quote-verification 1",
		    "the root's own signature does not verify");
	return ERR_OK;
}

enum err
chain_check_crls(const struct chain *chain, const struct crl *root_crl,
    const struct crl *pck_crl, struct why *why)
{
	X509 *const *x = chain->x;
	size_t n = chain->n;
	enum err e = ERR_OK;

	if (root_crl != NULL && n > 1)
		e = cert_check_crl(X509_get0_serialNumber(x[n - 2]), x[n - 1],
		    root_crl, why);
	if (e == ERR_OK && pck_crl != NULL && chain->role == CHAIN_PCK)
		e = cert_check_crl(chain->leaf != NULL
				       ? chain->leaf->serial
				       : X509_get0_serialNumber(x[0]),
		    x[1], pck_crl, why);
	return e;
}

static enum err
chain_check(struct chain *chain, const struct anchors *anchors,
    const struct crl *root_crl, const struct crl *pck_crl, struct why *why)
{
	enum err e;

	if ((e = chain_order(chain, why)) != ERR_OK ||
	    (e = chain_check_issuers(chain, why)) != ERR_OK ||
	    (e = chain_check_kinds(chain, why)) != ERR_OK ||
	    (e = chain_check_root(chain, anchors, why)) != ERR_OK ||
	    (e = cert_check_path(chain->x[0],
		 chain->n == 3 ? chain->x[1] : NULL, chain->x[chain->n - 1],
		 why)) != ERR_OK)
		return e;
	return chain_check_crls(chain, root_crl, pck_crl, why);
}

enum err
chain_read(struct span pem, enum chain_role role, const struct anchors *anchors,
    const struct crl *root_crl, const struct crl *pck_crl, struct chain **out,
    struct why *why)
{
	struct chain *chain = xcalloc(1, sizeof(*chain));
	struct window w;
	enum err e;
	size_t i;

	atomic_init(&chain->refs, 1);
	chain->role = role;
	chain->window = WINDOW_ALL;
	if ((e = chain_decode(chain, pem, why)) != ERR_OK ||
	    (e = chain_check(chain, anchors, root_crl, pck_crl, why)) !=
		ERR_OK) {
		why_in(why, e, "%s", roles[role].name);
		goto out;
	}
	for (i = 0; i < chain->n; i++) {
		w = cert_window(chain->x[i]);
		window_cut(&chain->window, w.from, w.until);
	}
	*out = chain;
	chain = NULL;
out:
	ERR_clear_error();
	chain_unref(chain);
	return e;
}

struct chain *
chain_ref(struct chain *chain)
{
	if (chain != NULL)
		atomic_fetch_add_explicit(&chain->refs, 1,
		    memory_order_relaxed);
	return chain;
}

void
chain_unref(struct chain *chain)
{
	size_t i;

	if (chain == NULL || atomic_fetch_sub(&chain->refs, 1) != 1)
		return;
	/* One more than n may be there when reading stopped half way. */
	for (i = 0; i < 3; i++)
		X509_free(chain->x[i]);
	leaf_free(chain->leaf);
	free(chain);
}

/* --- the certificates in it ---------------------------------------------- */

void
chain_point(const struct chain *chain, unsigned char xy[64])
{
	if (chain->leaf != NULL)
		memcpy(xy, chain->leaf->xy, 64);
	else
		cert_point(chain->x[0], xy);
}

struct window
chain_window(const struct chain *chain, size_t i)
{
	return i == 0 && chain->leaf != NULL ? chain->leaf->window
					     : cert_window(chain->x[i]);
}

enum err
chain_pck(const struct chain *chain, struct pck *out, struct why *why)
{
	must(chain->role == CHAIN_PCK);
	return chain->leaf != NULL
		   ? pck_extension_read(chain->leaf->sgx, out, why)
		   : pck_read(chain->x[0], out, why);
}

/* --- writing (pccs-api 7) ----------------------------------------------- */

struct blob *
chain_pem(const struct chain *chain)
{
	struct buf text = BUF_INIT;
	struct blob *der;
	size_t i;

	for (i = 0; i < chain->n; i++) {
		der = i == 0 && chain->leaf != NULL ? blob_ref(chain->leaf->der)
						    : cert_der(chain->x[i]);
		pem_write(&text, "CERTIFICATE", blob_span(der));
		blob_unref(der);
	}
	return buf_blob(&text);
}

struct blob *
chain_header(const struct chain *chain)
{
	struct blob *pem = chain_pem(chain);
	struct buf text = BUF_INIT;

	buf_pct(&text, blob_span(pem));
	blob_unref(pem);
	return buf_blob(&text);
}

enum pck_ca
chain_pck_ca(const struct chain *chain)
{
	must(chain->role == CHAIN_PCK_CA || chain->role == CHAIN_PCK);
	return cert_cn_is(chain->x[chain->n - 2], CN_PLATFORM)
		   ? PCK_CA_PLATFORM
		   : PCK_CA_PROCESSOR;
}
