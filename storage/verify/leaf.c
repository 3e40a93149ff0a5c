/*
 * PCK chains of a kind that held before.  Intel's leaves below one CA are
 * alike to the octet but for five places: serial, validity, key, the subject
 * key identifier and the SGX extension.  Nothing that chain_read() judges
 * hangs on those but what is checked here: the point is on the curve, the
 * times are times, the serial is one.  So a leaf that has, between the same
 * two CA certificates, the same octets everywhere else as one whose chain was
 * read whole needs no more than its signature.
 *
 * What is here can only accept.  Whatever else comes is left to chain_read(),
 * which knows what is wrong with it, or that nothing is.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"
#include "storage/verify/der.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KINDS_MAX 8 /* Intel has two at a time */

/* --- a leaf in parts ---------------------------------------------------- */

#define FIXED_MAX 16
#define KEY_HEAD  27 /* of a P-256 key's octets, before its coordinates */
#define KEY_ALL   91

struct parts {
	struct span tbs, signature;
	struct span serial, from, until, xy, sgx;
	size_t n; /* all the rest, in order */
	struct span fixed[FIXED_MAX];
};

static bool
fixed_add(struct parts *p, struct span s)
{
	if (p->n == FIXED_MAX)
		return false;
	p->fixed[p->n++] = s;
	return true;
}

/* Any value, all of it, as one that is always the same. */
static bool
fixed_take(struct span *s, struct parts *p)
{
	struct span contents, whole;
	uint8_t tag;

	return der_next(s, &tag, &contents, &whole) == ERR_OK &&
	       fixed_add(p, whole);
}

/* RFC 5280 4.1.2.5, as it is until 2049: "YYMMDDhhmmssZ". */
static bool
utc_time_read(struct span s, time_t *out)
{
	char t[TIME_LEN] = "20YY-MM-DDThh:mm:ssZ";
	static const unsigned char at[] = { 2, 5, 8, 11, 14, 17 };
	size_t i;

	if (s.len != 13 || s.p[0] >= '5' || s.p[12] != 'Z')
		return false;
	for (i = 0; i < 6; i++)
		memcpy(t + at[i], s.p + 2 * i, 2);
	return time_read(span_of(t, TIME_LEN - 1), out) == ERR_OK;
}

/* Not compressed: its point starts with 4. */
static bool
key_take(struct span *s, struct parts *p)
{
	struct span contents, whole;

	if (der_take(s, DER_SEQUENCE, &contents, &whole) != ERR_OK ||
	    whole.len != KEY_ALL || whole.p[KEY_HEAD - 1] != 4)
		return false;
	p->xy = span_of(whole.p + KEY_HEAD, 64);
	return fixed_add(p, span_of(whole.p, KEY_HEAD));
}

/* A subject key identifier of 20 octets, not critical, up to those. */
static const unsigned char skid_head[] = { 0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d,
	0x0e, 0x04, 0x16, 0x04, 0x14 };

static bool
extension_take(struct span *s, struct parts *p)
{
	struct span ext, whole, oid, oid_whole;

	if (der_take(s, DER_SEQUENCE, &ext, &whole) != ERR_OK ||
	    der_take(&ext, DER_OID, &oid, &oid_whole) != ERR_OK)
		return false;
	if (pck_oid_is(oid))
		return p->sgx.p == NULL && fixed_add(p, oid_whole) &&
		       der_take(&ext, DER_OCTET_STRING, &p->sgx, NULL) ==
			   ERR_OK &&
		       ext.len == 0;
	if (whole.len == sizeof(skid_head) + 20 &&
	    memcmp(whole.p, skid_head, sizeof(skid_head)) == 0)
		whole.len = sizeof(skid_head);
	return fixed_add(p, whole);
}

static bool
extensions_take(struct span *s, struct parts *p)
{
	struct span outer, list;

	if (der_take(s, DER_CONTEXT_3, &outer, NULL) != ERR_OK ||
	    der_take(&outer, DER_SEQUENCE, &list, NULL) != ERR_OK ||
	    outer.len != 0)
		return false;
	while (list.len > 0)
		if (!extension_take(&list, p))
			return false;
	return p->sgx.p != NULL;
}

/* RFC 5280 4.1. */
static bool
tbs_read(struct span s, struct parts *p)
{
	struct span serial, validity;

	return fixed_take(&s, p) && /* version */
	       der_take(&s, DER_INTEGER, &serial, &p->serial) == ERR_OK &&
	       fixed_take(&s, p) && /* algorithm */
	       fixed_take(&s, p) && /* issuer */
	       der_take(&s, DER_SEQUENCE, &validity, NULL) == ERR_OK &&
	       der_take(&validity, DER_UTC_TIME, &p->from, NULL) == ERR_OK &&
	       der_take(&validity, DER_UTC_TIME, &p->until, NULL) == ERR_OK &&
	       validity.len == 0 && fixed_take(&s, p) && /* subject */
	       key_take(&s, p) && extensions_take(&s, p) && s.len == 0;
}

static bool
parts_read(struct span der, struct parts *p)
{
	struct span cert, tbs, bits;

	memset(p, 0, sizeof(*p));
	if (der.len > CERT_MAX ||
	    der_take(&der, DER_SEQUENCE, &cert, NULL) != ERR_OK ||
	    der.len != 0 ||
	    der_take(&cert, DER_SEQUENCE, &tbs, &p->tbs) != ERR_OK ||
	    !tbs_read(tbs, p) || !fixed_take(&cert, p) || /* algorithm */
	    der_take(&cert, DER_BIT_STRING, &bits, NULL) != ERR_OK ||
	    cert.len != 0 || bits.len == 0 || bits.p[0] != 0)
		return false;
	p->signature = span_of(bits.p + 1, bits.len - 1);
	return true;
}

static bool
parts_alike(const struct parts *a, const struct parts *b)
{
	size_t i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (!span_eq(a->fixed[i], b->fixed[i]))
			return false;
	return true;
}

/* --- a leaf ------------------------------------------------------------- */

void
leaf_free(struct leaf *leaf)
{
	if (leaf == NULL)
		return;
	ASN1_INTEGER_free(leaf->serial);
	blob_unref(leaf->der);
	free(leaf);
}

/* RFC 5280 4.1.2.2: positive, of at most 20 octets. */
static ASN1_INTEGER *
serial_read(struct span der)
{
	const unsigned char *p = der.p;
	ASN1_INTEGER *n = d2i_ASN1_INTEGER(NULL, &p, (long)der.len);

	if (n != NULL && p == der.p + der.len &&
	    ASN1_STRING_type(n) == V_ASN1_INTEGER &&
	    ASN1_STRING_length(n) <= 20 &&
	    !span_all(span_of(ASN1_STRING_get0_data(n),
			  (size_t)ASN1_STRING_length(n)),
		0))
		return n;
	ASN1_INTEGER_free(n);
	return NULL;
}

/* Signed with this key; NULL: it is not, or some place is no good. */
static struct leaf *
leaf_read(const struct parts *p, struct span der,
    const unsigned char signer[64])
{
	struct leaf *leaf = xcalloc(1, sizeof(*leaf));
	struct window *w = &leaf->window;

	if (utc_time_read(p->from, &w->from) &&
	    utc_time_read(p->until, &w->until) &&
	    (leaf->serial = serial_read(p->serial)) != NULL &&
	    p256_has(p->xy.p) &&
	    sig_check_der(p->tbs, p->signature, signer, NULL) == ERR_OK) {
		leaf->der = blob_from(der);
		memcpy(leaf->xy, p->xy.p, 64);
		leaf->sgx =
		    span_of(leaf->der->data + (p->sgx.p - der.p), p->sgx.len);
		return leaf;
	}
	leaf_free(leaf);
	return NULL;
}

/* --- a kind ------------------------------------------------------------- */

/* Proved: chain_read() found that it holds, of the chain of these three. */
struct kind {
	_Atomic unsigned refs;
	X509 *mid, *root;
	unsigned char mid_xy[64];
	struct blob *leaf, *mid_der, *root_der;
	struct blob *tail;    /* the two in PEM, as they first came */
	struct parts parts;   /* of the leaf */
	struct window window; /* of the two */
};

static void
kind_unref(struct kind *k)
{
	if (k == NULL || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	X509_free(k->mid);
	X509_free(k->root);
	blob_unref(k->leaf);
	blob_unref(k->mid_der);
	blob_unref(k->root_der);
	blob_unref(k->tail);
	free(k);
}

/* NULL: its leaf is not first, or not in the parts that are known here. */
static struct kind *
kind_new(const struct chain *chain, struct span pem)
{
	struct kind *k = xcalloc(1, sizeof(*k));
	struct window w = cert_window(chain->x[2]);
	struct buf first = BUF_INIT;

	atomic_init(&k->refs, 1);
	must(X509_up_ref(chain->x[1]) == 1 && X509_up_ref(chain->x[2]) == 1);
	k->mid = chain->x[1];
	k->root = chain->x[2];
	cert_point(k->mid, k->mid_xy);
	k->leaf = cert_der(chain->x[0]);
	k->mid_der = cert_der(k->mid);
	k->root_der = cert_der(k->root);
	k->window = cert_window(k->mid);
	window_cut(&k->window, w.from, w.until);
	must(pem_next(&pem, "CERTIFICATE", &first, NULL) == ERR_OK);
	k->tail = blob_from(pem);
	if (!span_eq(buf_view(&first), blob_span(k->leaf)) ||
	    !parts_read(blob_span(k->leaf), &k->parts)) {
		kind_unref(k);
		k = NULL;
	}
	buf_free(&first);
	return k;
}

/* --- those kept --------------------------------------------------------- */

struct issuers {
	const struct anchors *anchors;
	pthread_mutex_t mu; /* over what follows */
	struct kind *v[KINDS_MAX];
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
	for (i = 0; i < KINDS_MAX; i++)
		kind_unref(all->v[i]);
	pthread_mutex_destroy(&all->mu);
	free(all);
}

/* What follows the leaf: its text, and once it is needed, what that says. */
struct tail {
	struct span text;
	bool decoded;
	struct buf der[2];
};

static bool
tail_decode(struct tail *t)
{
	struct span s = t->text;
	size_t i;

	for (i = 0; i < 2 && !t->decoded; i++)
		if (pem_next(&s, "CERTIFICATE", &t->der[i], NULL) != ERR_OK)
			return false;
	t->decoded = t->decoded || pem_end(s, NULL) == ERR_OK;
	return t->decoded;
}

static bool
tail_is(struct tail *t, const struct kind *k)
{
	struct span mid = blob_span(k->mid_der), root = blob_span(k->root_der);
	struct span a, b;

	if (span_eq(t->text, blob_span(k->tail)))
		return true;
	if (!tail_decode(t))
		return false;
	a = buf_view(&t->der[0]);
	b = buf_view(&t->der[1]);
	return (span_eq(a, mid) && span_eq(b, root)) ||
	       (span_eq(a, root) && span_eq(b, mid));
}

/* Own reference, or NULL. */
static struct kind *
issuers_find(struct issuers *all, const struct parts *leaf, struct tail *t)
{
	struct kind *found = NULL;
	size_t i;

	pthread_mutex_lock(&all->mu);
	for (i = 0; i < KINDS_MAX && found == NULL; i++)
		if (all->v[i] != NULL && parts_alike(&all->v[i]->parts, leaf) &&
		    tail_is(t, all->v[i]))
			found = all->v[i];
	if (found != NULL)
		atomic_fetch_add(&found->refs, 1);
	pthread_mutex_unlock(&all->mu);
	return found;
}

static void
issuers_add(struct issuers *all, const struct chain *chain, struct span pem)
{
	struct kind *k = kind_new(chain, pem), *old;
	struct tail t = { .der = { BUF_INIT, BUF_INIT } };

	if (k == NULL)
		return;
	t.text = blob_span(k->tail);
	old = issuers_find(all, &k->parts, &t);
	if (old != NULL) { /* two came at once */
		kind_unref(k);
	} else {
		pthread_mutex_lock(&all->mu);
		old = all->v[all->next];
		all->v[all->next] = k;
		all->next = (all->next + 1) % KINDS_MAX;
		pthread_mutex_unlock(&all->mu);
	}
	kind_unref(old);
	buf_free(&t.der[0]);
	buf_free(&t.der[1]);
}

/* --- chains ------------------------------------------------------------- */

static struct chain *
chain_of(struct leaf *leaf, const struct kind *k)
{
	struct chain *chain = xcalloc(1, sizeof(*chain));

	atomic_init(&chain->refs, 1);
	chain->role = CHAIN_PCK;
	chain->n = 3;
	must(X509_up_ref(k->mid) == 1 && X509_up_ref(k->root) == 1);
	chain->x[1] = k->mid;
	chain->x[2] = k->root;
	chain->leaf = leaf;
	chain->window = k->window;
	window_cut(&chain->window, leaf->window.from, leaf->window.until);
	return chain;
}

/* NULL: not of a kind that is kept. */
static struct chain *
chain_alike(struct span pem, struct issuers *all)
{
	struct tail t = { .der = { BUF_INIT, BUF_INIT } };
	struct chain *chain = NULL;
	struct buf der = BUF_INIT;
	struct kind *k = NULL;
	struct leaf *leaf = NULL;
	struct parts parts;

	if (pem.len > CHAIN_TEXT_MAX ||
	    pem_next(&pem, "CERTIFICATE", &der, NULL) != ERR_OK ||
	    !parts_read(buf_view(&der), &parts))
		goto out;
	t.text = pem;
	k = issuers_find(all, &parts, &t);
	if (k != NULL)
		leaf = leaf_read(&parts, buf_view(&der), k->mid_xy);
	if (leaf != NULL)
		chain = chain_of(leaf, k);
out:
	kind_unref(k);
	buf_free(&der);
	buf_free(&t.der[0]);
	buf_free(&t.der[1]);
	ERR_clear_error();
	return chain;
}

enum err
chain_read_pck(struct span pem, struct issuers *all, struct chain **out,
    struct why *why)
{
	struct chain *chain = chain_alike(pem, all);
	enum err e;

	if (chain != NULL) {
		*out = chain;
		return ERR_OK;
	}
	e = chain_read(pem, CHAIN_PCK, all->anchors, NULL, NULL, out, why);
	if (e == ERR_OK)
		issuers_add(all, *out, pem);
	return e;
}
