/*
 * PCK chains whose two CA certificates were proved before: they are the same
 * for a whole fleet, so of one more platform only the leaf is new.
 *
 * What is here can only accept, and only a leaf of the plain kind that Intel
 * issues, for which the checks below are all that OpenSSL's path validation
 * looks at.  Whatever else comes is left to chain_read(), which knows what is
 * wrong with it, or that nothing is.
 */
#include "config/base/must.h"
#include "storage/verify/asn1.h"
#include "storage/verify/cert.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ISSUERS_MAX 8 /* pairs; Intel has two at a time */

/* --- keys --------------------------------------------------------------- */

EVP_PKEY *
p256_new(const unsigned char xy[64], const EVP_PKEY *like)
{
	unsigned char point[65] = { POINT_CONVERSION_UNCOMPRESSED };
	/* To copy the curve takes a fifth of the time of making it. */
	EVP_PKEY *key = EVP_PKEY_dup((EVP_PKEY *)(uintptr_t)like);

	must(key != NULL);
	memcpy(point + 1, xy, 64);
	/*
	 * Coordinates not below the prime or off the curve are refused, and
	 * infinity has no such form; the cofactor is 1.
	 */
	if (EVP_PKEY_set1_encoded_public_key(key, point, sizeof(point)) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

/* Of a key that names P-256; NULL: not of the one form that Intel writes. */
static EVP_PKEY *
leaf_key(const X509 *x, const EVP_PKEY *like)
{
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x);
	const unsigned char *p = ASN1_STRING_get0_data(bits);

	if (ASN1_STRING_length(bits) != 65 ||
	    p[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	return p256_new(p + 1, like);
}

/* --- the plain kind ----------------------------------------------------- */

/* The extensions of Intel's certificates; OpenSSL does not know the sixth. */
static int
extension_bit(X509_EXTENSION *ext)
{
	static const int known[] = { NID_authority_key_identifier,
		NID_subject_key_identifier, NID_key_usage,
		NID_basic_constraints, NID_crl_distribution_points };
	const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);
	int i, nid = OBJ_obj2nid(oid);

	for (i = 0; i < 5; i++)
		if (nid == known[i])
			/* RFC 5280 4.2.1.1 and 4.2.1.2: never critical. */
			return i < 2 && X509_EXTENSION_get_critical(ext) ? -1
									 : i;
	return sgx_oid_is_root(oid) ? i : -1;
}

/* Each at most once, and no others: no name constraints, no proxies. */
static bool
extensions_plain(const X509 *x)
{
	unsigned seen = 0;
	int i, bit, n = X509_get_ext_count(x);

	for (i = 0; i < n; i++) {
		bit = extension_bit(X509_get_ext(x, i));
		if (bit < 0 || (seen & 1u << bit) != 0)
			return false;
		seen |= 1u << bit;
	}
	return true;
}

/* RFC 5280 4.2.1.1: there, with a key identifier, and the issuer's. */
static bool
akid_fits(const X509 *x, X509 *mid)
{
	AUTHORITY_KEYID *akid =
	    X509_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
	bool fits = akid != NULL && akid->keyid != NULL &&
		    X509_check_akid(mid, akid) == X509_V_OK;

	AUTHORITY_KEYID_free(akid);
	return fits;
}

/* All but the signature.  RFC 5280 6.1 with what X509_V_FLAG_X509_STRICT adds.
 */
static bool
leaf_plain(X509 *x, X509 *mid)
{
	const X509_ALGOR *alg;

	X509_get0_signature(NULL, &alg, x);
	return extensions_plain(x) && cert_cn_is(x, CN_LEAF) &&
	       name_same(X509_get_issuer_name(x), X509_get_subject_name(mid)) &&
	       cert_kind_fault(x, false) == NULL && X509_get_pathlen(x) == -1 &&
	       X509_ALGOR_cmp(X509_get0_tbs_sigalg(x), alg) == 0 &&
	       akid_fits(x, mid);
}

/* --- an issuer ---------------------------------------------------------- */

struct issuer {
	_Atomic unsigned refs;
	/*
	 * One without decoders: OpenSSL 3.0 takes 150 us to decode the key of
	 * a certificate on the side.  Leaves are made in it.
	 */
	OSSL_LIB_CTX *ctx;
	OSSL_PROVIDER *none;
	X509 *mid, *root;
	struct blob *mid_der, *root_der;
	struct window window; /* of the two */
};

static struct issuer *
issuer_new(const struct chain *chain)
{
	struct issuer *s = xcalloc(1, sizeof(*s));
	struct window w = cert_window(chain->x[2]);

	atomic_init(&s->refs, 1);
	s->ctx = OSSL_LIB_CTX_new();
	must(s->ctx != NULL);
	s->none = OSSL_PROVIDER_load(s->ctx, "null");
	must(s->none != NULL);
	must(X509_up_ref(chain->x[1]) == 1 && X509_up_ref(chain->x[2]) == 1);
	s->mid = chain->x[1];
	s->root = chain->x[2];
	s->mid_der = cert_der(s->mid);
	s->root_der = cert_der(s->root);
	s->window = cert_window(s->mid);
	window_cut(&s->window, w.from, w.until);
	return s;
}

struct issuer *
issuer_ref(struct issuer *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
issuer_unref(struct issuer *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	X509_free(s->mid);
	X509_free(s->root);
	blob_unref(s->mid_der);
	blob_unref(s->root_der);
	OSSL_PROVIDER_unload(s->none);
	OSSL_LIB_CTX_free(s->ctx);
	free(s);
}

static bool
issuer_is(const struct issuer *s, struct span a, struct span b)
{
	return (span_eq(blob_span(s->mid_der), a) &&
		   span_eq(blob_span(s->root_der), b)) ||
	       (span_eq(blob_span(s->mid_der), b) &&
		   span_eq(blob_span(s->root_der), a));
}

/* --- those kept --------------------------------------------------------- */

struct issuers {
	const struct anchors *anchors;
	pthread_mutex_t mu; /* over what follows */
	struct issuer *v[ISSUERS_MAX];
	size_t next; /* the place of the oldest */
};

struct issuers *
issuers_new(const struct anchors *anchors)
{
	struct issuers *all = xcalloc(1, sizeof(*all));

	all->anchors = anchors;
	must(pthread_mutex_init(&all->mu, NULL) == 0);
	return all;
}

void
issuers_free(struct issuers *all)
{
	size_t i;

	if (all == NULL)
		return;
	for (i = 0; i < ISSUERS_MAX; i++)
		issuer_unref(all->v[i]);
	pthread_mutex_destroy(&all->mu);
	free(all);
}

/* Own reference, or NULL. */
static struct issuer *
issuers_find(struct issuers *all, struct span a, struct span b)
{
	struct issuer *found = NULL;
	size_t i;

	pthread_mutex_lock(&all->mu);
	for (i = 0; i < ISSUERS_MAX && found == NULL; i++)
		if (all->v[i] != NULL && issuer_is(all->v[i], a, b))
			found = issuer_ref(all->v[i]);
	pthread_mutex_unlock(&all->mu);
	return found;
}

static void
issuers_add(struct issuers *all, const struct chain *chain)
{
	struct issuer *s, *old;

	if (!extensions_plain(chain->x[1]) || !extensions_plain(chain->x[2]))
		return;
	s = issuer_new(chain);
	old = issuers_find(all, blob_span(s->mid_der), blob_span(s->root_der));
	if (old != NULL) { /* its leaf was not plain, or two came at once */
		issuer_unref(old);
		issuer_unref(s);
		return;
	}
	pthread_mutex_lock(&all->mu);
	old = all->v[all->next];
	all->v[all->next] = s;
	all->next = (all->next + 1) % ISSUERS_MAX;
	pthread_mutex_unlock(&all->mu);
	issuer_unref(old);
}

/* --- chains ------------------------------------------------------------- */

static struct chain *
chain_below(struct issuer *s, struct span der)
{
	EVP_PKEY *key = NULL;
	struct chain *chain;
	struct window w;
	X509 *x = NULL;

	if (cert_read(der, s->ctx, &x, NULL) != ERR_OK ||
	    !leaf_plain(x, s->mid) ||
	    (key = leaf_key(x, X509_get0_pubkey(s->mid))) == NULL ||
	    X509_verify(x, X509_get0_pubkey(s->mid)) != 1) {
		EVP_PKEY_free(key);
		X509_free(x);
		return NULL;
	}
	chain = xcalloc(1, sizeof(*chain));
	atomic_init(&chain->refs, 1);
	chain->role = CHAIN_PCK;
	chain->n = 3;
	must(X509_up_ref(s->mid) == 1 && X509_up_ref(s->root) == 1);
	chain->x[0] = x;
	chain->x[1] = s->mid;
	chain->x[2] = s->root;
	chain->key = key;
	chain->issuer = issuer_ref(s);
	chain->window = s->window;
	w = cert_window(x);
	window_cut(&chain->window, w.from, w.until);
	return chain;
}

/* NULL: not a plain leaf before issuers that are kept. */
static struct chain *
chain_plain(struct span pem, struct issuers *all)
{
	struct buf der[3] = { BUF_INIT, BUF_INIT, BUF_INIT };
	struct chain *chain = NULL;
	struct issuer *s = NULL;
	size_t i;

	if (pem.len > CHAIN_TEXT_MAX)
		return NULL;
	for (i = 0; i < 3; i++)
		if (pem_next(&pem, "CERTIFICATE", &der[i], NULL) != ERR_OK)
			goto out;
	if (pem_end(pem, NULL) != ERR_OK)
		goto out;
	s = issuers_find(all, buf_view(&der[1]), buf_view(&der[2]));
	if (s != NULL)
		chain = chain_below(s, buf_view(&der[0]));
out:
	issuer_unref(s);
	for (i = 0; i < 3; i++)
		buf_free(&der[i]);
	ERR_clear_error();
	return chain;
}

enum err
chain_read_pck(struct span pem, struct issuers *all, struct chain **out,
    struct why *why)
{
	struct chain *chain = chain_plain(pem, all);
	enum err e;

	if (chain != NULL) {
		*out = chain;
		return ERR_OK;
	}
	e = chain_read(pem, CHAIN_PCK, all->anchors, NULL, NULL, out, why);
	if (e == ERR_OK)
		issuers_add(all, *out);
	return e;
}

EVP_PKEY *
chain_key(const struct chain *chain)
{
	return chain->key != NULL ? chain->key : X509_get0_pubkey(chain->x[0]);
}
