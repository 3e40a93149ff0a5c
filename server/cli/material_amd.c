/*
 * Endorsement certificates, their issuers and CRLs out of a heap of files.
 * Nothing is verified: among several the likely ones are chosen, so that a
 * folder may hold the chains of all products.
 */
#include "server/cli/material.h"

#include "config/base/must.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define PILE_MAX (4 * MATERIAL_FILES)

enum what { IS_VEK, IS_ISSUER, IS_ROOT, IS_CRL, IS_RAW_CHAIN };

struct piece {
	enum what what;
	struct buf der; /* of IS_RAW_CHAIN: as it came */
	X509 *x;        /* NULL: a CRL, or bytes that do not parse */
	X509_CRL *crl;
};
struct pile {
	size_t n;
	struct piece v[PILE_MAX];
};

struct pile *
pile_new(void)
{
	return xcalloc(1, sizeof(struct pile));
}

void
pile_free(struct pile *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++) {
		buf_free(&p->v[i].der);
		X509_free(p->v[i].x);
		X509_CRL_free(p->v[i].crl);
	}
	free(p);
}

/* --- sorting ---------------------------------------------------------- */

static struct piece *
piece_new(struct pile *p, enum what what, struct span bytes)
{
	struct piece *v;

	if (p->n == PILE_MAX)
		return NULL;
	v = &p->v[p->n++];
	v->what = what;
	buf_span(&v->der, bytes);
	return v;
}

/* By the subject's common name (amd-kds 3.2). */
static enum what
cert_what(X509 *x)
{
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
	    sizeof(cn));
	if (strcmp(cn, "SEV-VCEK") == 0 || strcmp(cn, "SEV-VLEK") == 0)
		return IS_VEK;
	return strncmp(cn, "ARK-", 4) == 0 ? IS_ROOT : IS_ISSUER;
}

static bool
pile_add_der(struct pile *p, struct span der)
{
	const unsigned char *at = der.p;
	struct piece *v = NULL;
	X509_CRL *crl;
	X509 *x;

	x = d2i_X509(NULL, &at, (long)der.len);
	if (x != NULL && at == der.p + der.len)
		v = piece_new(p, cert_what(x), der);
	if (v != NULL) {
		v->x = x;
		return true;
	}
	X509_free(x);
	at = der.p;
	crl = d2i_X509_CRL(NULL, &at, (long)der.len);
	if (crl != NULL && at == der.p + der.len)
		v = piece_new(p, IS_CRL, der);
	if (v != NULL)
		v->crl = crl;
	else
		X509_CRL_free(crl);
	ERR_clear_error();
	return v != NULL;
}

static bool
pile_add_pem(struct pile *p, struct span text)
{
	BIO *bio = BIO_new_mem_buf(text.len == 0 ? "" : (const char *)text.p,
	    (int)text.len);
	unsigned char *der;
	char *label, *head;
	bool any = false;
	long len;

	must(bio != NULL);
	while (p->n < PILE_MAX &&
	       PEM_read_bio(bio, &label, &head, &der, &len) == 1) {
		any = pile_add_der(p, span_of(der, (size_t)len)) || any;
		OPENSSL_free(label);
		OPENSSL_free(head);
		OPENSSL_free(der);
	}
	BIO_free(bio);
	ERR_clear_error();
	return any;
}

void
pile_add(struct pile *p, const char *name, struct span bytes)
{
	const char *slash = strrchr(name, '/');

	name = slash == NULL ? name : slash + 1;
	if (pile_add_der(p, bytes) || pile_add_pem(p, bytes))
		return;
	if (strstr(name, "crl") != NULL)
		piece_new(p, IS_CRL, bytes);
	else if (strstr(name, "chain") != NULL)
		piece_new(p, IS_RAW_CHAIN, bytes);
	else if (strncmp(name, "vcek", 4) == 0 || strncmp(name, "vlek", 4) == 0)
		piece_new(p, IS_VEK, bytes);
}

/* --- choosing --------------------------------------------------------- */

static int
vek_score(const struct piece *v, const struct evidence *e)
{
	struct vek *vek = NULL;
	bool vlek = snp_signing_key(&e->snp) == SNP_KEY_VLEK;
	int score = 1;

	if (!e->has_snp || vek_parse(buf_view(&v->der), &vek, NULL) != ERR_OK)
		return 0;
	if ((vek->side == AMD_VLEK) == vlek)
		score += 4;
	if (memcmp(vek->tcb.b, e->snp.reported_tcb.b, sizeof(vek->tcb.b)) == 0)
		score += 1;
	if (vek->hwid_len > 0 &&
	    memcmp(vek->hwid, e->snp.chip_id, vek->hwid_len) == 0)
		score += 2;
	vek_unref(vek);
	return score;
}

static const struct piece *
pick_vek(const struct pile *p, const struct evidence *e)
{
	const struct piece *best = NULL;
	int score, most = -1;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].what != IS_VEK)
			continue;
		if ((score = vek_score(&p->v[i], e)) > most) {
			best = &p->v[i];
			most = score;
		}
	}
	return best;
}

/* The one with this name, else the first of its kind. */
static const struct piece *
pick(const struct pile *p, enum what what, const X509_NAME *name)
{
	const struct piece *first = NULL;
	const X509_NAME *have;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (p->v[i].what != what)
			continue;
		if (first == NULL)
			first = &p->v[i];
		have = p->v[i].crl != NULL ? X509_CRL_get_issuer(p->v[i].crl)
		       : p->v[i].x != NULL ? X509_get_subject_name(p->v[i].x)
					   : NULL;
		if (have != NULL && name != NULL &&
		    X509_NAME_cmp(have, name) == 0)
			return &p->v[i];
	}
	return first;
}

static const X509_NAME *
issuer_of(const struct piece *v)
{
	return v == NULL || v->x == NULL ? NULL : X509_get_issuer_name(v->x);
}

void
pile_take(const struct pile *p, const struct evidence *e, struct material *out)
{
	const struct piece *vek = pick_vek(p, e);
	const struct piece *ask = pick(p, IS_ISSUER, issuer_of(vek));
	const struct piece *ark = pick(p, IS_ROOT, issuer_of(ask));
	const struct piece *raw = pick(p, IS_RAW_CHAIN, NULL);
	const struct piece *crl = pick(p, IS_CRL, issuer_of(ark));
	struct buf *chain = &out->part[MATERIAL_AMD_CHAIN];

	if (vek != NULL)
		buf_span(&out->part[MATERIAL_VEK], buf_view(&vek->der));
	if (ask != NULL && ark != NULL) {
		pem_write(chain, "CERTIFICATE", buf_view(&ask->der));
		pem_write(chain, "CERTIFICATE", buf_view(&ark->der));
	} else if (raw != NULL) {
		buf_span(chain, buf_view(&raw->der));
	}
	if (crl != NULL)
		buf_span(&out->part[MATERIAL_AMD_CRL], buf_view(&crl->der));
}
