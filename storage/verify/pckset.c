/*
 * All PCK certificates of one platform: pcs-upstream 4.1 and 6,
 * caching-and-selection 3.2 and 4.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"
#include "storage/verify/jread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLAUSE   "pcs-upstream 4.1"
#define BODY_MAX (4 * 1024 * 1024) /* genuine ones are some 100 kB */
#define LIST_MAX 4096              /* elements; genuine lists have 10 to 60 */

/* What one element claims about its certificate. */
struct claim {
	uint8_t comp[16];
	uint16_t pcesvn;
	unsigned char tcbm[18];
};

/* A set being built: what is judged with, and room for every element. */
struct build {
	struct pck_set *set;
	const struct crl *pck_crl;
	const unsigned char *pceid;
	struct why *why;
};

/* --- one certificate ---------------------------------------------------- */

static void
tcbm_of(const struct pck *pck, unsigned char out[18])
{
	memcpy(out, pck->cpusvn, 16);
	out[16] = (unsigned char)(pck->pcesvn & 0xff);
	out[17] = (unsigned char)(pck->pcesvn >> 8);
}

/* Signed by the chain's CA, of the right name and kind, not revoked. */
static enum err
leaf_check(const struct build *b, X509 *x)
{
	X509 *ca = b->set->chain->x[0];
	enum err e;

	if (!cert_cn_is(x, CN_LEAF) ||
	    !name_same(X509_get_issuer_name(x), X509_get_subject_name(ca)))
		return why_set(b->why, ERR_CHAIN, "pcs-upstream 6",
		    "not a PCK certificate of the chain's CA");
	if ((e = cert_check_kind(x, false, b->why)) != ERR_OK ||
	    (e = cert_check_path(x, NULL, ca, b->why)) != ERR_OK)
		return e;
	return b->pck_crl == NULL ? ERR_OK
				  : cert_check_crl(X509_get0_serialNumber(x),
					ca, b->pck_crl, b->why);
}

/* The first certificate says which platform it is; all must agree. */
static enum err
leaf_check_platform(const struct build *b, const struct pck *pck)
{
	struct pck_set *set = b->set;

	if (!pck_svn_agrees(pck))
		return why_set(b->why, ERR_RANGE, "caching-and-selection 4",
		    "CPUSVN and components differ");
	if (memcmp(pck->pceid, b->pceid, 2) != 0)
		return why_set(b->why, ERR_NOT_ASKED, "pcs-upstream 6",
		    "certificate of another PCE-ID");
	if (set->n == 0) {
		memcpy(set->fmspc, pck->fmspc, sizeof(set->fmspc));
		memcpy(set->ppid, pck->ppid, sizeof(set->ppid));
	}
	if (memcmp(set->fmspc, pck->fmspc, sizeof(set->fmspc)) != 0 ||
	    memcmp(set->ppid, pck->ppid, sizeof(set->ppid)) != 0)
		return why_set(b->why, ERR_CHAIN, "pcs-upstream 6",
		    "certificates of more than one platform");
	return ERR_OK;
}

/* claim NULL: the certificate alone, from the packed form. */
static enum err
leaf_check_claim(const struct build *b, const struct pck *pck,
    const struct claim *claim)
{
	unsigned char tcbm[18];

	if (claim == NULL)
		return ERR_OK;
	tcbm_of(pck, tcbm);
	if (memcmp(tcbm, claim->tcbm, sizeof(tcbm)) != 0)
		return why_set(b->why, ERR_CHAIN, "pcs-upstream 6",
		    "tcbm is not CPUSVN and PCESVN of the certificate");
	if (memcmp(pck->comp, claim->comp, 16) != 0 ||
	    pck->pcesvn != claim->pcesvn)
		return why_set(b->why, ERR_CHAIN, "pcs-upstream 6",
		    "tcb is not that of the certificate");
	return ERR_OK;
}

/* The next free place of the set takes the certificate. */
static void
leaf_add(struct pck_set *set, const X509 *x, const struct pck *pck,
    struct span der)
{
	struct pck_cert *c = &set->certs[set->n++];
	struct window w = cert_window(x);
	struct buf pem = BUF_INIT;
	unsigned char tcbm[18];

	c->pck = *pck;
	tcbm_of(pck, tcbm);
	hex_upper(span_of(tcbm, sizeof(tcbm)), c->tcbm);
	pem_write(&pem, "CERTIFICATE", der);
	c->pem = buf_blob(&pem);
	c->der = blob_from(der);
	c->not_before = w.from;
	c->not_after = w.until;
}

static enum err
leaf_read(const struct build *b, struct span der, const struct claim *claim)
{
	struct pck pck;
	X509 *x;
	enum err e;

	if ((e = cert_read(der, &x, b->why)) != ERR_OK)
		return e;
	if ((e = leaf_check(b, x)) == ERR_OK &&
	    (e = pck_read(x, &pck, b->why)) == ERR_OK &&
	    (e = leaf_check_platform(b, &pck)) == ERR_OK &&
	    (e = leaf_check_claim(b, &pck, claim)) == ERR_OK)
		leaf_add(b->set, x, &pck, der);
	X509_free(x);
	return e;
}

/* --- order -------------------------------------------------------------- */

static int
tcb_cmp(const uint8_t a[16], uint16_t a_pcesvn, const uint8_t b[16],
    uint16_t b_pcesvn)
{
	int c = memcmp(b, a, 16);

	return c != 0 ? c : (int)b_pcesvn - (int)a_pcesvn;
}

/*
 * Descending by TCB (caching-and-selection 4, Determinism); of two with the
 * same TCB the newer first, so that the order is total whatever came first.
 */
static int
cert_cmp(const void *a, const void *b)
{
	const struct pck_cert *x = a, *y = b;
	int c = tcb_cmp(x->pck.comp, x->pck.pcesvn, y->pck.comp, y->pck.pcesvn);

	if (c != 0)
		return c;
	if (x->not_before != y->not_before)
		return x->not_before > y->not_before ? -1 : 1;
	if (x->der->len != y->der->len)
		return x->der->len > y->der->len ? -1 : 1;
	return memcmp(y->der->data, x->der->data, x->der->len);
}

static int
na_cmp(const void *a, const void *b)
{
	const struct pck_na *x = a, *y = b;

	return tcb_cmp(x->comp, x->pcesvn, y->comp, y->pcesvn);
}

static void
cert_fini(struct pck_cert *c)
{
	blob_unref(c->pem);
	blob_unref(c->der);
}

static void
set_sort(struct pck_set *set)
{
	size_t i, k;

	qsort(set->certs, set->n, sizeof(set->certs[0]), cert_cmp);
	for (i = k = 0; i < set->n; i++) {
		/* The very same certificate twice says nothing new. */
		if (k > 0 && cert_cmp(&set->certs[k - 1], &set->certs[i]) == 0)
			cert_fini(&set->certs[i]);
		else
			set->certs[k++] = set->certs[i];
	}
	set->n = k;
	qsort(set->na, set->n_na, sizeof(set->na[0]), na_cmp);
	for (i = k = 0; i < set->n_na; i++)
		if (k == 0 || na_cmp(&set->na[k - 1], &set->na[i]) != 0)
			set->na[k++] = set->na[i];
	set->n_na = k;
}

static enum err
set_finish(const struct build *b)
{
	if (b->set->n == 0)
		return why_set(b->why, ERR_NOT_AVAILABLE,
		    "caching-and-selection 3.4", "no certificate among %zu",
		    b->set->n_na);
	set_sort(b->set);
	return ERR_OK;
}

static struct pck_set *
set_new(const struct chain *ca, const unsigned char pceid[2])
{
	struct pck_set *set = xcalloc(1, sizeof(*set));

	must(ca->role == CHAIN_PCK_CA);
	atomic_init(&set->refs, 1);
	set->ca = chain_pck_ca(ca);
	memcpy(set->pceid, pceid, sizeof(set->pceid));
	/* Counted references hide behind const. */
	set->chain = chain_ref((struct chain *)(uintptr_t)ca);
	set->window = ca->window;
	return set;
}

/* --- the JSON body ------------------------------------------------------ */

static enum err
comp_read(const struct jdoc *d, const json_t *tcb, uint8_t out[16])
{
	char name[] = "sgxtcbcomp00svn";
	json_t *list;
	unsigned i;
	enum err e;

	if (json_object_get(tcb, "sgxtcbcomponents") == NULL) {
		for (i = 0; i < 16; i++) {
			snprintf(name, sizeof(name), "sgxtcbcomp%02usvn",
			    (i + 1) % 100);
			if ((e = jread_u8(d, tcb, name, &out[i])) != ERR_OK)
				return e;
		}
		return ERR_OK;
	}
	e = jread_array(d, tcb, "sgxtcbcomponents", 16, &list);
	if (e != ERR_OK)
		return e;
	if (json_array_size(list) != 16)
		return why_set(d->why, ERR_FORMAT, d->clause,
		    "%zu sgxtcbcomponents", json_array_size(list));
	for (i = 0; i < 16; i++)
		if ((e = jread_u8(d, json_array_get(list, i), "svn",
			 &out[i])) != ERR_OK)
			return e;
	return ERR_OK;
}

/* One percent-encoded PEM block; the final newline may be missing. */
static enum err
cert_text_read(const struct build *b, struct span text,
    const struct claim *claim)
{
	struct buf pem = BUF_INIT, der = BUF_INIT;
	struct span s;
	enum err e;

	if (pct_read(text, &pem) != ERR_OK) {
		e = why_set(b->why, ERR_FORMAT, CLAUSE,
		    "cert is not percent-encoded");
		goto out;
	}
	s = buf_view(&pem);
	if ((e = pem_next(&s, "CERTIFICATE", &der, b->why)) == ERR_OK &&
	    (e = pem_end(s, b->why)) == ERR_OK)
		e = leaf_read(b, buf_view(&der), claim);
out:
	buf_free(&pem);
	buf_free(&der);
	return e;
}

static enum err
element_read(const struct build *b, const struct jdoc *d, const json_t *el)
{
	struct claim claim;
	struct span cert;
	json_t *tcb;
	enum err e;

	if (!json_is_object(el))
		return why_set(b->why, ERR_FORMAT, CLAUSE, "not an object");
	if ((e = jread_get(d, el, "tcb", JSON_OBJECT, &tcb)) != ERR_OK ||
	    (e = comp_read(d, tcb, claim.comp)) != ERR_OK ||
	    (e = jread_u16(d, tcb, "pcesvn", &claim.pcesvn)) != ERR_OK ||
	    (e = jread_text(d, el, "cert", &cert)) != ERR_OK)
		return e;
	if (span_eq_str(cert, "Not available")) {
		struct pck_na *na = &b->set->na[b->set->n_na++];

		memcpy(na->comp, claim.comp, sizeof(na->comp));
		na->pcesvn = claim.pcesvn;
		return ERR_OK;
	}
	if ((e = jread_hex(d, el, "tcbm", claim.tcbm, 18)) != ERR_OK)
		return e;
	return cert_text_read(b, cert, &claim);
}

static enum err
list_read(const struct build *b, const struct jdoc *d, json_t *root)
{
	json_t *list = root;
	size_t i, n;
	enum err e;

	if (json_is_object(root) &&
	    (e = jread_array(d, root, "certs", 0, &list)) != ERR_OK)
		return e;
	n = json_array_size(list);
	if (n > LIST_MAX)
		return why_set(b->why, ERR_TOO_BIG, CLAUSE,
		    "%zu certificates of one platform", n);
	b->set->certs = xcalloc(n, sizeof(b->set->certs[0]));
	b->set->na = xcalloc(n, sizeof(b->set->na[0]));
	for (i = 0; i < n; i++)
		if ((e = element_read(b, d, json_array_get(list, i))) != ERR_OK)
			return why_in(b->why, e, "element %zu", i);
	return set_finish(b);
}

enum err
pck_set_read(struct span body, const struct chain *ca,
    const unsigned char pceid[2], const struct crl *pck_crl,
    struct pck_set **out, struct why *why)
{
	struct build b = { set_new(ca, pceid), pck_crl, pceid, why };
	struct jdoc d = { CLAUSE, why };
	json_t *root = NULL;
	enum err e;

	if ((e = jread_load(&d, body, BODY_MAX, &root)) != ERR_OK ||
	    (e = list_read(&b, &d, root)) != ERR_OK)
		goto out;
	*out = b.set;
	b.set = NULL;
out:
	json_decref(root);
	pck_set_unref(b.set);
	return e;
}

/* --- the packed form ---------------------------------------------------- */

/*
 *   u8    1, the version of this form
 *   u16   n, then n times: u16 length, that many octets of DER
 *   u16   n, then n times: 16 components, u16 pcesvn (Not available)
 * Integers are little-endian; nothing follows.
 */
#define PACKED_VERSION 1

static void
u16_add(struct buf *b, size_t v)
{
	unsigned char le[2] = { (unsigned char)(v & 0xff),
		(unsigned char)(v >> 8) };

	must(v <= UINT16_MAX);
	buf_add(b, le, sizeof(le));
}

struct blob *
pck_set_pack(const struct pck_set *set)
{
	const unsigned char version = PACKED_VERSION;
	struct buf b = BUF_INIT;
	size_t i;

	buf_add(&b, &version, 1);
	u16_add(&b, set->n);
	for (i = 0; i < set->n; i++) {
		u16_add(&b, set->certs[i].der->len);
		buf_span(&b, blob_span(set->certs[i].der));
	}
	u16_add(&b, set->n_na);
	for (i = 0; i < set->n_na; i++) {
		buf_add(&b, set->na[i].comp, sizeof(set->na[i].comp));
		u16_add(&b, set->na[i].pcesvn);
	}
	return buf_blob(&b);
}

/* What the cursor refuses has no words of its own. */
static enum err
packed_check(const struct build *b, enum err e)
{
	return e == ERR_OK
		   ? e
		   : why_set(b->why, e, "pck_set_pack", "not a packed set");
}

static enum err
packed_count(const struct build *b, struct span *s, uint16_t *n)
{
	enum err e = span_u16le(s, n);

	if (e == ERR_OK && *n > LIST_MAX)
		e = ERR_TOO_BIG;
	return packed_check(b, e);
}

static enum err
packed_certs_read(const struct build *b, struct span *s)
{
	uint16_t n, len, i;
	struct span der;
	enum err e;

	if ((e = packed_count(b, s, &n)) != ERR_OK)
		return e;
	b->set->certs = xcalloc(n, sizeof(b->set->certs[0]));
	for (i = 0; i < n; i++) {
		if ((e = span_u16le(s, &len)) != ERR_OK ||
		    (e = span_take(s, len, &der)) != ERR_OK)
			return packed_check(b, e);
		if ((e = leaf_read(b, der, NULL)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
packed_na_read(const struct build *b, struct span *s)
{
	struct pck_set *set = b->set;
	uint16_t n;
	enum err e;

	if ((e = packed_count(b, s, &n)) != ERR_OK)
		return e;
	set->na = xcalloc(n, sizeof(set->na[0]));
	for (; set->n_na < n; set->n_na++)
		if ((e = span_copy(s, set->na[set->n_na].comp, 16)) != ERR_OK ||
		    (e = span_u16le(s, &set->na[set->n_na].pcesvn)) != ERR_OK)
			return packed_check(b, e);
	return packed_check(b, s->len == 0 ? ERR_OK : ERR_FORMAT);
}

enum err
pck_set_unpack(struct span packed, const struct chain *ca,
    const unsigned char pceid[2], const struct crl *pck_crl,
    struct pck_set **out, struct why *why)
{
	struct build b = { set_new(ca, pceid), pck_crl, pceid, why };
	uint8_t version;
	enum err e;

	if ((e = span_u8(&packed, &version)) != ERR_OK ||
	    version != PACKED_VERSION) {
		e = packed_check(&b, ERR_FORMAT);
		goto out;
	}
	if ((e = packed_certs_read(&b, &packed)) != ERR_OK ||
	    (e = packed_na_read(&b, &packed)) != ERR_OK ||
	    (e = set_finish(&b)) != ERR_OK)
		goto out;
	*out = b.set;
	b.set = NULL;
out:
	pck_set_unref(b.set);
	return e;
}

/* Does this DER hold the 16 octets of the TCB's CPUSVN anywhere? */
static bool
der_may_hold(struct span der, const unsigned char cpusvn[16])
{
	return memmem(der.p, der.len, cpusvn, 16) != NULL;
}

/*
 * Reading a certificate costs a fifth of a millisecond; looking for sixteen
 * octets costs nothing.  Nothing is verified here: pck_set_unpack() does.
 */
enum err
pck_packed_pick(struct span packed, const char *tcbm, struct buf *out,
    struct why *why)
{
	struct build b = { NULL, NULL, NULL, why };
	struct buf certs = BUF_INIT;
	unsigned char want[18];
	uint8_t version;
	uint16_t n, len, i, picked = 0;
	struct span der;
	enum err e;

	if ((e = hex_read(span_str(tcbm), want, sizeof(want))) != ERR_OK ||
	    (e = span_u8(&packed, &version)) != ERR_OK ||
	    (e = span_u16le(&packed, &n)) != ERR_OK ||
	    (e = version == PACKED_VERSION ? ERR_OK : ERR_FORMAT) != ERR_OK)
		goto out;
	for (i = 0; i < n; i++) {
		if ((e = span_u16le(&packed, &len)) != ERR_OK ||
		    (e = span_take(&packed, len, &der)) != ERR_OK)
			goto out;
		if (!der_may_hold(der, want))
			continue;
		u16_add(&certs, len);
		buf_span(&certs, der);
		picked++;
	}
	buf_add(out, &version, 1);
	u16_add(out, picked);
	buf_span(out, buf_view(&certs));
	u16_add(out, 0);
out:
	buf_free(&certs);
	return packed_check(&b, e);
}

struct pck_set *
pck_set_ref(struct pck_set *set)
{
	if (set != NULL)
		atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
	return set;
}

void
pck_set_unref(struct pck_set *set)
{
	size_t i;

	if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	for (i = 0; i < set->n; i++)
		cert_fini(&set->certs[i]);
	free(set->certs);
	free(set->na);
	chain_unref(set->chain);
	free(set);
}
