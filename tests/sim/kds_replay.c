/*
 * The replay form of KDS: captured objects, served byte for byte.
 *
 * A folder of them has the folders "chains" (PRODUCT.SIDE.cert_chain.pem),
 * "crl" (PRODUCT.SIDE.crl.der), and VCEKs as DER or PEM in "reports" (one
 * folder each) and "certs".  Product, chip and TCB are read from the
 * certificates, even where the signature is none.  Of several with one name
 * the first loaded is served, the fault "other" serves the next.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/vectors.h"
#include "tests/sim/sim_int.h"

#include <dirent.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

struct kds_object {
	char *name; /* as ask.canonical */
	const char *type;
	struct blob *body;
	struct kds_object *next;
};
struct kds_replay {
	struct kds_object *objects, **end;
};

/* Steals body. */
static void
object_add(struct kds_replay *r, const char *name, const char *type,
    struct blob *body)
{
	struct kds_object *o = xcalloc(1, sizeof(*o));

	o->name = xstrdup(name);
	o->type = type;
	o->body = body;
	*r->end = o;
	r->end = &o->next;
}

/* --- reading ---------------------------------------------------------- */

static void
load_chain(struct kds_replay *r, const char *dir, enum amd_product product,
    enum amd_side side)
{
	char path[1024], name[80], file[64];
	const char *p = amd_product_name(product), *s = amd_side_name(side);
	struct blob *body;

	snprintf(file, sizeof(file), "%c%s.%s", p[0] + 32, p + 1, s);
	snprintf(path, sizeof(path), "%s/chains/%s.cert_chain.pem", dir, file);
	snprintf(name, sizeof(name), "/%s/v1/%s/cert_chain", s, p);
	if ((body = file_read(path)) != NULL)
		object_add(r, name, "application/x-pem-file", body);
	snprintf(path, sizeof(path), "%s/crl/%s.crl.der", dir, file);
	snprintf(name, sizeof(name), "/%s/v1/%s/crl", s, p);
	if ((body = file_read(path)) != NULL)
		object_add(r, name, "application/pkix-crl", body);
}

/* DER as it is; of PEM what is inside. */
static struct blob *
certificate_read(const char *path)
{
	struct blob *body = file_read(path), *der;
	BIO *bio;
	X509 *x;

	if (body == NULL || !span_starts(blob_span(body), "-----BEGIN "))
		return body;
	bio = BIO_new_mem_buf(body->data, (int)body->len);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	blob_unref(body);
	if (x == NULL)
		return NULL;
	der = pki_der(x);
	X509_free(x);
	return der;
}

static void
load_vcek(struct kds_replay *r, const char *path)
{
	struct blob *der = certificate_read(path);
	struct vek *vek = NULL;
	struct sim_chip chip = { 0 };
	char name[SIM_KDS_PATH];

	if (der != NULL && vek_parse(blob_span(der), &vek, NULL) == ERR_OK &&
	    vek->side == AMD_VCEK) {
		chip.product = vek->product;
		chip.spl = vek->spl;
		hex_lower(span_of(vek->hwid, vek->hwid_len), chip.hex);
		sim_chip_path(&chip, name);
		object_add(r, name, "application/pkix-cert", blob_ref(der));
	}
	vek_unref(vek);
	blob_unref(der);
}

/* Every file of the folder, or one file of each folder in it. */
static void
load_certificates(struct kds_replay *r, const char *dir, const char *sub,
    const char *file)
{
	struct dirent **v;
	char path[1024];
	int i, n;

	snprintf(path, sizeof(path), "%s/%s", dir, sub);
	n = scandir(path, &v, NULL, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s%s", dir, sub,
		    v[i]->d_name, file);
		if (v[i]->d_name[0] != '.')
			load_vcek(r, path);
		free(v[i]);
	}
	if (n >= 0)
		free(v);
}

bool
kds_replay_load(struct kds_replay **out, const char *dir)
{
	struct kds_replay *r = *out;
	struct kds_object **before;
	enum amd_product p;

	if (r == NULL) {
		*out = r = xcalloc(1, sizeof(*r));
		r->end = &r->objects;
	}
	before = r->end;
	for (p = AMD_MILAN; p < AMD_PRODUCT_N; p++) {
		load_chain(r, dir, p, AMD_VCEK);
		load_chain(r, dir, p, AMD_VLEK);
	}
	if (r->end == before)
		return false;
	load_certificates(r, dir, "reports", "/vcek.der");
	load_certificates(r, dir, "certs", "");
	return true;
}

void
kds_replay_free(struct kds_replay *r)
{
	struct kds_object *o;

	if (r == NULL)
		return;
	while ((o = r->objects) != NULL) {
		r->objects = o->next;
		free(o->name);
		blob_unref(o->body);
		free(o);
	}
	free(r);
}

/* --- answering -------------------------------------------------------- */

void
kds_replay_answer(struct ask *ask, struct answer *a)
{
	const struct kds_replay *r = ask->sim->kds_replay;
	const struct kds_object *o;
	int skip = ask_fault(ask, SIM_OTHER);

	a->status = 404;
	for (o = r == NULL ? NULL : r->objects; o != NULL; o = o->next)
		if (strcmp(o->name, ask->canonical) == 0 && skip-- == 0)
			break;
	if (o == NULL)
		return;
	a->status = 200;
	a->type = o->type;
	a->body = blob_ref(o->body);
}
