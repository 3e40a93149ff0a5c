/* PCK chains kept parsed, and the quoting enclave last seen under each. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/appraise.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* SHA-384 of the key's point as it stands in the certificate. */
static void
root_key_id(const X509 *root, unsigned char out[48])
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(root);

	sha384(span_of(ASN1_STRING_get0_data(bits),
		   (size_t)ASN1_STRING_length(bits)),
	    out);
}

/* --- the quoting enclave ---------------------------------------------- */

struct intel_qe {
	_Atomic unsigned refs;
	unsigned char key[64], signature[64];
	struct blob *report, *auth;
};

static struct intel_qe *
qe_ref(struct intel_qe *qe)
{
	if (qe != NULL)
		atomic_fetch_add_explicit(&qe->refs, 1, memory_order_relaxed);
	return qe;
}

static void
qe_unref(struct intel_qe *qe)
{
	if (qe == NULL || atomic_fetch_sub(&qe->refs, 1) != 1)
		return;
	blob_unref(qe->report);
	blob_unref(qe->auth);
	free(qe);
}

/* The last one, as it is now; own reference. */
static struct intel_qe *
qe_last(struct intel_pck *pck)
{
	struct intel_qe *qe;

	pthread_mutex_lock(&pck->mu);
	qe = qe_ref(pck->qe);
	pthread_mutex_unlock(&pck->mu);
	return qe;
}

bool
intel_pck_qe_known(struct intel_pck *pck, const struct quote *q)
{
	struct intel_qe *qe = qe_last(pck);
	bool known =
	    qe != NULL && memcmp(qe->key, q->key, sizeof(q->key)) == 0 &&
	    memcmp(qe->signature, q->qe_signature, sizeof(q->qe_signature)) ==
		0 &&
	    span_eq(blob_span(qe->report), q->qe_bytes) &&
	    span_eq(blob_span(qe->auth), q->auth);

	qe_unref(qe);
	return known;
}

void
intel_pck_qe_put(struct intel_pck *pck, const struct quote *q)
{
	struct intel_qe *qe = xcalloc(1, sizeof(*qe)), *old;

	atomic_init(&qe->refs, 1);
	memcpy(qe->key, q->key, sizeof(qe->key));
	memcpy(qe->signature, q->qe_signature, sizeof(qe->signature));
	qe->report = blob_from(q->qe_bytes);
	qe->auth = blob_from(q->auth);
	pthread_mutex_lock(&pck->mu);
	old = pck->qe;
	pck->qe = qe;
	pthread_mutex_unlock(&pck->mu);
	qe_unref(old);
}

/* --- chains ------------------------------------------------------------ */

/*
 * Intel's library knows extensions of five members, or seven, and refuses any
 * other identifier in them (quote-verification 3.1).
 */
static enum err
check_members(const struct pck *pck, struct why *why)
{
	if (pck->has_unknown)
		return why_set(why, ERR_FORMAT, "quote-verification 3.1",
		    "SGX extension with an unknown member");
	if (pck->has_instance != pck->has_config)
		return why_set(why, ERR_FORMAT, "quote-verification 3.1",
		    "SGX extension of six members");
	return ERR_OK;
}

enum err
intel_pck_read(struct span cert, const struct anchors *anchors,
    struct issuers *issuers, struct intel_pck **out, bool *in_extension,
    struct why *why)
{
	struct intel_pck *pck = xcalloc(1, sizeof(*pck));
	bool in = false;
	enum err e;

	atomic_init(&pck->refs, 1);
	must(pthread_mutex_init(&pck->mu, NULL) == 0);
	e = issuers == NULL ? chain_read(cert, CHAIN_PCK, anchors, NULL, NULL,
				  &pck->chain, why)
			    : chain_read_pck(cert, issuers, &pck->chain, why);
	if (e != ERR_OK)
		goto out;
	in = true;
	if ((e = chain_pck(pck->chain, &pck->pck, why)) != ERR_OK ||
	    (e = check_members(&pck->pck, why)) != ERR_OK)
		goto out;
	pck->bytes = blob_from(cert);
	chain_point(pck->chain, pck->key);
	root_key_id(pck->chain->x[2], pck->root_key_id);
	pck->dates = INTEL_DATES_NONE;
	intel_dates_chain(&pck->dates, pck->chain);
	*out = pck;
	pck = NULL;
out:
	if (in_extension != NULL)
		*in_extension = e != ERR_OK && in;
	intel_pck_unref(pck);
	return e;
}

struct intel_pck *
intel_pck_ref(struct intel_pck *pck)
{
	if (pck != NULL)
		atomic_fetch_add_explicit(&pck->refs, 1, memory_order_relaxed);
	return pck;
}

void
intel_pck_unref(struct intel_pck *pck)
{
	if (pck == NULL || atomic_fetch_sub(&pck->refs, 1) != 1)
		return;
	chain_unref(pck->chain);
	blob_unref(pck->bytes);
	qe_unref(pck->qe);
	pthread_mutex_destroy(&pck->mu);
	free(pck);
}
