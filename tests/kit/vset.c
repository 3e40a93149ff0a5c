#include "tests/kit/vset.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vectors.h"

#include <dirent.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char intel_root[] =
    "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e";

struct anchors *
anchors_of(const char *hex)
{
	char *copy = xstrdup(hex);
	struct anchors *a;

	must(anchors_read(1, &copy, &a, NULL) == ERR_OK);
	free(copy);
	return a;
}

static struct blob *
piece(const char *path, const char *file)
{
	char full[300];
	struct blob *b;

	snprintf(full, sizeof(full), "%s/%s", path, file);
	b = vector_read(full);
	must(b != NULL);
	return b;
}

struct vset *
vset_real(const char *path)
{
	struct vset *v = xcalloc(1, sizeof(*v));

	snprintf(v->name, sizeof(v->name), "%s", path);
	v->anchors = anchors_of(intel_root);
	v->tcb_info = piece(path, "tcb_info.json");
	v->tcb_chain = piece(path, "tcb_info_issuer_chain.pem");
	v->identity = piece(path, "qe_identity.json");
	v->identity_chain = piece(path, "qe_identity_issuer_chain.pem");
	v->root_crl = piece(path, "root_ca_crl.der");
	v->pck_crl = piece(path, "pck_crl.der");
	v->pck_crl_chain = piece(path, "pck_crl_issuer_chain.pem");
	v->valid = true;
	return v;
}

/* --- synthetic cases ---------------------------------------------------- */

static struct blob *
text_of(const json_t *j, const char *name)
{
	const json_t *s = json_object_get(j, name);

	return s == NULL
		   ? NULL
		   : blob_new(json_string_value(s), json_string_length(s));
}

static struct blob *
hex_of(const json_t *j, const char *name)
{
	struct blob *hex = text_of(j, name);
	struct buf b = BUF_INIT;

	if (hex == NULL)
		return NULL;
	must(hex_read_buf(blob_span(hex), &b) == ERR_OK);
	blob_unref(hex);
	return buf_blob(&b);
}

static struct anchors *
anchor_of(const json_t *j)
{
	struct blob *pem = text_of(j, "trusted_root");
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	char hex[65];
	unsigned char spki[32];
	struct anchors *a;

	must(x != NULL);
	cert_spki(x, spki);
	hex_lower(span_of(spki, 32), hex);
	a = anchors_of(hex);
	X509_free(x);
	BIO_free(bio);
	blob_unref(pem);
	return a;
}

/* Certification data of a version 3 quote (quote-verification 2.3). */
static struct blob *
chain_in_v3(struct span s)
{
	struct span data;
	uint16_t version, auth;
	uint32_t len;

	if (span_u16le(&s, &version) != ERR_OK || version != 3 ||
	    span_skip(&s, 434 + 576) != ERR_OK ||
	    span_u16le(&s, &auth) != ERR_OK ||
	    span_skip(&s, auth + 2u) != ERR_OK ||
	    span_u32le(&s, &len) != ERR_OK || len == 0 ||
	    span_take(&s, len, &data) != ERR_OK)
		return NULL;
	return blob_from(data);
}

/* Of later ones: from a BEGIN line, the size stands before it. */
static struct blob *
chain_in_v4(struct span quote)
{
	static const char begin[] = "-----BEGIN";
	const unsigned char *p = quote.len == 0 ? NULL
						: memmem(quote.p, quote.len,
						      begin, sizeof(begin) - 1);
	struct span s, data;
	uint32_t len;

	if (p == NULL)
		return NULL;
	s = span_of(p - 4, (size_t)(quote.p + quote.len - p) + 4);
	if (span_u32le(&s, &len) != ERR_OK ||
	    span_take(&s, len, &data) != ERR_OK)
		return NULL;
	return blob_from(data);
}

static struct blob *
chain_in_quote(const json_t *j)
{
	struct blob *quote = hex_of(j, "quote_hex");
	struct blob *chain = chain_in_v3(blob_span(quote));

	if (chain == NULL)
		chain = chain_in_v4(blob_span(quote));
	blob_unref(quote);
	return chain;
}

struct vset *
vset_synthetic(const char *path)
{
	struct blob *text = vector_read(path);
	struct vset *v = xcalloc(1, sizeof(*v));
	json_t *j = json_loadb((const char *)text->data, text->len, 0, NULL);
	const json_t *expect = json_object_get(j, "expect"), *stage;

	must(j != NULL);
	snprintf(v->name, sizeof(v->name), "%s", path);
	v->anchors = anchor_of(j);
	v->tcb_info = hex_of(j, "tcb_info_hex");
	if (v->tcb_info == NULL)
		v->tcb_info = text_of(j, "tcb_info");
	v->identity = text_of(j, "qe_identity");
	v->tcb_chain = text_of(j, "tcb_issuer_chain");
	v->identity_chain = blob_ref(v->tcb_chain);
	v->root_crl = hex_of(j, "root_ca_crl_hex");
	v->pck_crl = hex_of(j, "pck_crl_hex");
	v->pck_crl_chain = text_of(j, "pck_crl_issuer_chain");
	v->pck_chain = chain_in_quote(j);
	v->valid =
	    strcmp(json_string_value(json_object_get(expect, "evidence")),
		"valid") == 0;
	v->either = json_is_true(json_object_get(expect, "either"));
	stage = json_object_get(expect, "stage");
	if (stage != NULL)
		snprintf(v->stage, sizeof(v->stage), "%s",
		    json_string_value(stage));
	v->check_time =
	    (time_t)json_integer_value(json_object_get(j, "check_time"));
	json_decref(j);
	blob_unref(text);
	return v;
}

void
vset_free(struct vset *v)
{
	if (v == NULL)
		return;
	anchors_free(v->anchors);
	blob_unref(v->tcb_info);
	blob_unref(v->tcb_chain);
	blob_unref(v->identity);
	blob_unref(v->identity_chain);
	blob_unref(v->root_crl);
	blob_unref(v->pck_crl);
	blob_unref(v->pck_crl_chain);
	blob_unref(v->pck_chain);
	free(v);
}

/* --- verification ------------------------------------------------------- */

/* Steps 3 to 6: the CRLs' issuers are those of the leaf's own chain. */
static const char *
pck_verify(const struct vset *v, struct vfacts *f, struct why *why)
{
	const struct chain *c;

	if (v->pck_chain != NULL) {
		if (chain_read(blob_span(v->pck_chain), CHAIN_PCK, v->anchors,
			NULL, NULL, &f->pck, why) != ERR_OK ||
		    pck_read(f->pck->x[0], &f->leaf, why) != ERR_OK)
			return "pck-chain";
	} else if (chain_read(blob_span(v->pck_crl_chain), CHAIN_PCK_CA,
		       v->anchors, NULL, NULL, &f->pck_crl_chain,
		       why) != ERR_OK) {
		return "crl";
	}
	c = f->pck != NULL ? f->pck : f->pck_crl_chain;
	if (crl_read(blob_span(v->root_crl), c->x[c->n - 1], &f->root_crl,
		why) != ERR_OK ||
	    crl_read(blob_span(v->pck_crl), c->x[c->n - 2], &f->pck_crl, why) !=
		ERR_OK)
		return "crl";
	if (chain_check_crls(c, f->root_crl, f->pck_crl, why) != ERR_OK)
		return "pck-chain";
	return NULL;
}

const char *
vset_verify(const struct vset *v, struct vfacts *f, struct why *why)
{
	const char *stage;

	*f = (struct vfacts){ 0 };
	if ((stage = pck_verify(v, f, why)) != NULL)
		return stage;
	if (chain_read(blob_span(v->tcb_chain), CHAIN_TCB_SIGNING, v->anchors,
		f->root_crl, NULL, &f->tcb_chain, why) != ERR_OK ||
	    tcbinfo_read(blob_span(v->tcb_info), f->tcb_chain, &f->tcbinfo,
		why) != ERR_OK)
		return "tcb-info";
	if (chain_read(blob_span(v->identity_chain), CHAIN_TCB_SIGNING,
		v->anchors, f->root_crl, NULL, &f->identity_chain,
		why) != ERR_OK ||
	    identity_read(blob_span(v->identity), f->identity_chain,
		&f->identity, why) != ERR_OK)
		return "qe-identity";
	return NULL;
}

void
vfacts_fini(struct vfacts *f)
{
	chain_unref(f->pck);
	chain_unref(f->pck_crl_chain);
	chain_unref(f->tcb_chain);
	chain_unref(f->identity_chain);
	crl_unref(f->root_crl);
	crl_unref(f->pck_crl);
	tcbinfo_unref(f->tcbinfo);
	identity_unref(f->identity);
	*f = (struct vfacts){ 0 };
}

/* --- small helpers ------------------------------------------------------ */

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

char **
vnames(const char *folder, size_t *n)
{
	struct dirent **list;
	char full[1024], **v;
	int i, found;

	snprintf(full, sizeof(full), "%s/%s", vectors_dir(), folder);
	found = scandir(full, &list, visible, alphasort);
	must(found > 0);
	v = xcalloc((size_t)found, sizeof(*v));
	for (i = 0; i < found; i++) {
		v[i] = xcalloc(strlen(folder) + strlen(list[i]->d_name) + 2, 1);
		sprintf(v[i], "%s/%s", folder, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	*n = (size_t)found;
	return v;
}

void
vnames_free(char **v, size_t n)
{
	while (n-- > 0)
		free(v[n]);
	free(v);
}

struct blob *
flipped(struct span s, size_t at, unsigned bit)
{
	struct blob *b = blob_from(s);

	b->data[at] = (unsigned char)(b->data[at] ^ 1u << bit);
	return b;
}

struct blob *
replaced(struct span s, const char *from, const char *to)
{
	const unsigned char *at = memmem(s.p, s.len, from, strlen(from));
	struct buf b = BUF_INIT;

	must(at != NULL);
	buf_add(&b, s.p, (size_t)(at - s.p));
	buf_str(&b, to);
	at += strlen(from);
	buf_add(&b, at, (size_t)(s.p + s.len - at));
	return buf_blob(&b);
}
