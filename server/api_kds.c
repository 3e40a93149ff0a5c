/*
 * AMD's KDS as its clients know it (amd-kds 8.1), and Azure's certificate
 * cache (8.3).  Errors are dressed for them by reply_err(): see reply.c.
 */
#include "server/api.h"
#include "server/kds_path.h"
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

/* --- KDS -------------------------------------------------------------- */

/* A product without a root is not served at all (amd-kds 4.3). */
static bool
product_served(const struct req *req, enum amd_product product)
{
	const struct config *c = worker_config(req_worker(req));
	const struct config_list *roots[AMD_PRODUCT_N] = {
		[AMD_MILAN] = &c->trust.amd_milan,
		[AMD_GENOA] = &c->trust.amd_genoa,
		[AMD_TURIN] = &c->trust.amd_turin,
	};

	return roots[product]->n != 0;
}

#define VLEK_MAGIC 0xad0c5e01u

/* A VLEK of whatever provider's is wanted. */
struct vlek {
	unsigned magic;
	struct req *req;
};

static void
vlek_cb(void *arg, enum err e, const struct why *why, struct coll *coll)
{
	struct vlek *v = obj_cast(arg, VLEK_MAGIC);

	if (e == ERR_OK)
		serve_coll(v->req, &coll->key, FORM_BODY);
	else
		reply_err(v->req, e, why);
	v->magic = 0;
	free(v);
}

static void
vlek_find(struct req *req, const struct coll_key *key)
{
	struct vlek *v = xcalloc(1, sizeof(*v));

	v->magic = VLEK_MAGIC;
	v->req = req;
	storage_vlek(worker_storage(req_worker(req)), key->product, key->tcb,
	    vlek_cb, v);
}

static void
api_kds(struct req *req)
{
	struct why why = { 0 };
	struct coll_key key;
	enum err e;

	e = kds_path_read(req_path(req), req_query_raw(req), &key, &why);
	if (e == ERR_OK && !product_served(req, key.product))
		e = why_set(&why, ERR_NO_ROUTE, "amd-kds 4.3",
		    "no root is configured for %s",
		    amd_product_name(key.product));
	if (e != ERR_OK)
		reply_err(req, e, &why);
	else if (key.kind == COLL_VEK && key.text[0] == '\0')
		vlek_find(req, &key);
	else
		serve_coll(req, &key, FORM_BODY);
}

/* --- Azure ------------------------------------------------------------ */

#define AZURE_MAGIC 0xad0c5e02u

struct azure {
	unsigned magic;
	struct req *req;
	struct azure_ask ask;
	/* What the chip may be, in the order to try. */
	enum amd_product product[AMD_PRODUCT_N];
	unsigned n, next;
};

/* Real clients take an empty 404 alone for "no such chip" (amd-kds 8.3). */
static void
azure_fail(struct req *req, enum err e, const struct why *why)
{
	if (err_http(e) == 404)
		reply_err_empty(req, e, why);
	else
		reply_err(req, e, why);
}

static void
azure_end(struct azure *a, enum err e, const struct why *why)
{
	azure_fail(a->req, e, why);
	a->magic = 0;
	free(a);
}

/* VCEK, ASK, ARK: one after the other. */
static void
azure_reply(struct req *req, struct coll *vcek, enum served how)
{
	struct coll_key key = key_amd_chain(vcek->key.product, AMD_VCEK);
	struct coll *chain = snap_get(worker_snap(req_worker(req)), &key);
	struct buf body = BUF_INIT, lines = BUF_INIT;
	struct why why = { 0 };

	if (chain == NULL) {
		/* Revoked while the VCEK was on its way. */
		azure_fail(req,
		    why_set(&why, ERR_NO_CHAIN, "amd-kds 8.3", "%s is not held",
			key.text),
		    &why);
		return;
	}
	buf_span(&body, blob_span(vcek->form[FORM_PEM].body));
	buf_span(&body, blob_span(chain->form[FORM_PEM].body));
	serve_coll_lines(&lines, vcek, clock_now(), how);
	reply_blob(req, 200, "application/x-pem-file", &lines, buf_blob(&body));
	buf_free(&lines);
}

static void azure_next(struct azure *, enum err, const struct why *);

static void
azure_cb(void *arg, enum err e, const struct why *why, struct coll *coll,
    enum served how)
{
	struct azure *a = obj_cast(arg, AZURE_MAGIC);

	if (e == ERR_OK) {
		azure_reply(a->req, coll, how);
		a->magic = 0;
		free(a);
	} else if (err_http(e) == 404) {
		azure_next(a, e, why);
	} else {
		/* Not known to be another product's: nothing is said. */
		azure_end(a, e, why);
	}
}

/* The next product; when there is none left, the last one's error. */
static void
azure_next(struct azure *a, enum err e, const struct why *why)
{
	struct coll_key key;
	enum amd_product p;

	while (a->next < a->n) {
		p = a->product[a->next++];
		if (product_served(a->req, p) && azure_key(&a->ask, p, &key)) {
			serve_find(a->req, &key, azure_cb, a);
			return;
		}
	}
	azure_end(a, e, why);
}

static void
azure_try(struct azure *a, enum amd_product p)
{
	a->product[a->n++] = p;
}

/* A caller of the metadata service's has it in the configuration. */
static enum amd_product
product_configured(const struct req *req, const struct azure_ask *ask)
{
	const struct config *c = worker_config(req_worker(req));
	char hex[2 * AMD_HWID_MAX + 1];
	size_t i, k;

	hex_lower(span_of(ask->chip, ask->chip_len), hex);
	for (i = 0; i < c->n_hosts; i++)
		for (k = 0; k < c->hosts[i].chip_id.n; k++)
			if (strcmp(c->hosts[i].chip_id.v[k], hex) == 0 &&
			    c->hosts[i].product != NULL)
				return amd_product_read(
				    span_str(c->hosts[i].product));
	return AMD_PRODUCT_N;
}

static void
azure_held_cb(void *arg, enum err e, const struct why *why,
    const struct vek_held *held, size_t n)
{
	struct azure *a = obj_cast(arg, AZURE_MAGIC);
	enum amd_product p = product_configured(a->req, &a->ask);
	struct why none = { 0 };

	if (e != ERR_OK) {
		azure_end(a, e, why);
		return;
	}
	if (n > 0) {
		azure_try(a, held[0].product);
	} else if (p != AMD_PRODUCT_N) {
		azure_try(a, p);
	} else {
		azure_try(a, AMD_MILAN);
		azure_try(a, AMD_GENOA);
	}
	azure_next(a,
	    why_set(&none, ERR_NO_ROUTE, "amd-kds 8.3",
		"no product has such a chip or TCB"),
	    &none);
}

/*
 * The product is not in the path.  By its shape a chip is Turin's; whose
 * VCEK is held is known for ever; else upstream knows (amd-kds 8.3).
 */
static void
api_azure(struct req *req)
{
	struct azure_ask ask;
	struct why why = { 0 };
	struct azure *a;

	if (azure_path_read(req_path(req), &ask, &why) != ERR_OK) {
		azure_fail(req, why.err, &why);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	a->magic = AZURE_MAGIC;
	a->req = req;
	a->ask = ask;
	if (!azure_is_turin(&ask)) {
		storage_veks(worker_storage(req_worker(req)),
		    span_of(a->ask.chip, a->ask.chip_len), azure_held_cb, a);
		return;
	}
	azure_try(a, AMD_TURIN);
	azure_next(a,
	    why_set(&why, ERR_NO_ROUTE, "amd-kds 8.3", "Turin has no such TCB"),
	    &why);
}

/* --- the table -------------------------------------------------------- */

#define KDS(path, fn)                                                          \
	{                                                                      \
		SERVE_KDS, 1u << METHOD_GET, path, ROLE_NONE, NULL, BODY_NONE, \
		    fn, NULL                                                   \
	}

const struct route routes_kds[] = {
	KDS("/vcek/*", api_kds),
	KDS("/vlek/*", api_kds),
	KDS("/SevSnpVM/*", api_azure),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
