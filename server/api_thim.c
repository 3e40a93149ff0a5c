/*
 * The metadata service: what a guest may learn of the machine below it
 * (amd-kds 8.2, pccs-api 9.2).  Whose machine that is, a table says; a guest
 * may choose among what its own row has, and nothing else.
 */
#include "server/api.h"
#include "server/callers.h"
#include "server/serve.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/baseline.h"

#include <stdlib.h>
#include <string.h>

/* The Azure client gives up after a second; what is being fetched then is
 * there when it comes again (pccs-api 9.2). */
#define SGX_WAIT_MS 700

/* --- who may ask ------------------------------------------------------ */

/*
 * The caller's row.  The header shows that a program in the guest means to
 * ask, and not somebody outside through a proxy that will fetch any URL.
 */
static enum err
thim_caller(const struct req *req, const struct caller **out, struct why *why)
{
	const struct caller *c;

	if (!span_eq_nocase(req_header(req, "Metadata"), "true"))
		return why_set(why, ERR_PARAM, "amd-kds 8.2",
		    "Required metadata header not specified");
	if (req_header(req, "X-Forwarded-For").p != NULL)
		return why_set(why, ERR_PARAM, "amd-kds 8.2",
		    "Forwarded requests are refused");
	c = callers_find(worker_callers(req_worker(req)), req_listener(req),
	    req_peer(req));
	if (c == NULL)
		return why_set(why, ERR_FORBIDDEN, "amd-kds 8.2",
		    "Nothing is known of this caller");
	*out = c;
	return ERR_OK;
}

/* --- SGX -------------------------------------------------------------- */

static enum err
sgx_read(struct req *req, struct platform_ask *ask, enum ppid *ppid,
    struct why *why)
{
	const struct caller *c = NULL;
	enum err e;

	if ((e = thim_caller(req, &c, why)) != ERR_OK ||
	    (e = param_pckcert(api_query, req, ask, ppid, why)) != ERR_OK)
		return e;
	if (!caller_has_qe_id(c, ask->id.qe_id)) {
		ask_fini(ask);
		return why_set(why, ERR_FORBIDDEN, "amd-kds 8.2",
		    "The platform is not this caller's");
	}
	return ERR_OK;
}

/* Always the object: QCNL takes it as well as the PEM (pccs-api 9.1 R3). */
static void
thim_pckcert(struct req *req)
{
	int wait_ms = worker_config(req_worker(req))->cache.client_wait_ms;
	struct platform_ask ask;
	struct why why = { 0 };
	enum ppid ppid;
	enum err e;

	if ((e = sgx_read(req, &ask, &ppid, &why)) != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	api_pckcert_find(req, &ask, ppid,
	    wait_ms < SGX_WAIT_MS ? wait_ms : SGX_WAIT_MS, true);
}

/* --- AMD: what is asked for ------------------------------------------- */

#define THIM_MAGIC 0x7413a3d0u

struct thim {
	unsigned magic;
	struct req *req;
	struct coll_key key; /* of the VCEK; without a TCB at first if auto */
};

/* platformId=: one of the row's chips, however it is written. */
static enum err
chip_choose(struct req *req, const struct caller *c, size_t *out,
    struct why *why)
{
	const char *hex = req_query(req, "platformId");
	unsigned char id[AMD_HWID_MAX];
	size_t len = hex == NULL ? 0 : strlen(hex) / 2;

	*out = 0;
	if (hex == NULL)
		return ERR_OK;
	if (len == 0 || len > sizeof(id) ||
	    hex_read(span_str(hex), id, len) != ERR_OK)
		return why_set(why, ERR_PARAM, "amd-kds 8.2",
		    "platformId is no chip id in hex");
	if (!caller_has_chip(c, span_of(id, len), out))
		return why_set(why, ERR_FORBIDDEN, "amd-kds 8.2",
		    "The chip is not this caller's");
	return ERR_OK;
}

/* productName=, maybe with a stepping: "Milan-B0". */
static enum err
product_check(struct req *req, enum amd_product product, struct why *why)
{
	const char *name = req_query(req, "productName");

	if (name == NULL ||
	    amd_product_read(span_of(name, strcspn(name, "-"))) == product)
		return ERR_OK;
	return why_set(why, ERR_NO_CERT, "amd-kds 8.2",
	    "The chip is not of this product");
}

/* tcbVersion=, else the row's; *known is false for "auto". */
static enum err
tcb_choose(struct req *req, const struct caller *c, struct amd_tcb *out,
    bool *known, struct why *why)
{
	const char *hex = req_query(req, "tcbVersion");

	*out = c->tcb;
	*known = hex != NULL || !c->tcb_auto;
	if (hex != NULL && amd_tcb_read(span_str(hex), out) != ERR_OK)
		return why_set(why, ERR_PARAM, "amd-kds 8.2",
		    "tcbVersion is not 1 to 16 hex digits");
	if (*known && !amd_tcb_issued(c->product, *out))
		return why_set(why, ERR_PARAM, "amd-kds 8.2",
		    "The TCB has a byte that %s does not have",
		    amd_product_name(c->product));
	return ERR_OK;
}

/* Where neither the caller nor its row names a TCB, the baseline may. */
static bool
tcb_pinned(struct req *req, enum amd_product product, struct span hwid,
    struct amd_tcb *out)
{
	const struct baseline *b = snap_baseline(worker_snap(req_worker(req)));
	char chip[2 * AMD_HWID_MAX + 1];
	struct base_amd_min min;

	hex_lower(hwid, chip);
	if (!baseline_amd(b, product, chip, &min) || min.newest)
		return false;
	*out = min.tcb;
	return true;
}

static enum err
amd_read(struct req *req, struct coll_key *out, bool *known, struct why *why)
{
	const struct caller *c = NULL;
	struct amd_tcb tcb;
	size_t chip;
	enum err e;

	if ((e = thim_caller(req, &c, why)) != ERR_OK)
		return e;
	if (c->n_chips == 0)
		return why_set(why, ERR_FORBIDDEN, "amd-kds 8.2",
		    "No AMD chip is known for this caller");
	if ((e = chip_choose(req, c, &chip, why)) != ERR_OK ||
	    (e = product_check(req, c->product, why)) != ERR_OK ||
	    (e = tcb_choose(req, c, &tcb, known, why)) != ERR_OK)
		return e;
	if (!*known)
		*known =
		    tcb_pinned(req, c->product, caller_chip(c, chip), &tcb);
	*out = key_vcek(c->product, caller_chip(c, chip), tcb);
	return ERR_OK;
}

/* --- AMD: the answer -------------------------------------------------- */

/*
 * What becomes of an error behind us: 404 when upstream said that there is
 * none, else 503, which the vendor's client tries again (amd-kds 8.2).
 */
static void
amd_fail(struct req *req, enum err e, const struct why *why)
{
	bool absent = e == ERR_UP_ABSENT || e == ERR_UP_GONE ||
		      e == ERR_UP_REFUSED || e == ERR_NO_CERT;
	struct why own = { 0 };

	if (absent)
		e = why_set(&own, e, "amd-kds 8.2",
		    "There is no certificate for this chip and TCB");
	else if (err_http(e) != 503)
		e = why_set(&own, ERR_UNAVAILABLE, "amd-kds 8.2", "%s: %s",
		    err_token(e), why == NULL ? "" : why->text);
	else
		own = why == NULL ? own : *why;
	reply_err(req, e, &own);
}

/* Text of PEM as the inside of a JSON string. */
static void
buf_json_pem(struct buf *b, const struct blob *pem)
{
	struct span s = blob_span(pem), line;

	while (span_until(&s, '\n', &line) == ERR_OK) {
		buf_span(b, line);
		buf_str(b, "\\n");
	}
	must(s.len == 0);
}

static struct blob *
amd_body(const struct coll *vek, const struct coll *chain, int max_age)
{
	struct buf b = BUF_INIT;
	char tcbm[17];

	amd_tcb_write(vek->key.tcb, tcbm);
	buf_str(&b, "{\"vcekCert\":\"");
	buf_json_pem(&b, vek->form[FORM_PEM].body);
	buf_printf(&b, "\",\"tcbm\":\"%s\",\"certificateChain\":\"", tcbm);
	buf_json_pem(&b, chain->form[FORM_PEM].body);
	buf_printf(&b, "\",\"cacheControl\":\"%d\"}", max_age);
	return buf_blob(&b);
}

static void
amd_reply(struct req *req, const struct coll *vek, const struct coll *chain,
    enum served how)
{
	time_t now = clock_now(), end = vek->next_update;
	struct buf extra = BUF_INIT;
	int max_age;

	if (chain->next_update < end)
		end = chain->next_update;
	max_age = end - now > 86400 ? 86400 : end > now ? (int)(end - now) : 0;
	serve_age_lines(&extra, max_age, vek->fetched_at, now, how);
	reply_blob(req, 200, "application/json; charset=utf-8", &extra,
	    amd_body(vek, chain, max_age));
	buf_free(&extra);
}

static void
amd_found(void *arg, enum err e, const struct why *why, struct coll *vek,
    enum served how)
{
	struct thim *t = obj_cast(arg, THIM_MAGIC);
	struct coll_key key = key_amd_chain(t->key.product, AMD_VCEK);
	struct coll *chain = snap_get(worker_snap(req_worker(t->req)), &key);

	if (e == ERR_OK && chain == NULL)
		e = ERR_NO_CHAIN;
	if (e == ERR_OK)
		amd_reply(t->req, vek, chain, how);
	else
		amd_fail(t->req, e, why);
	free(t);
}

/* "auto": the newest TCB that is held for the chip. */
static void
amd_newest(void *arg, enum err e, const struct why *why,
    const struct vek_held *v, size_t n)
{
	struct thim *t = obj_cast(arg, THIM_MAGIC);
	struct why own = { 0 };
	size_t i;

	for (i = 0; i < n && v[i].product != t->key.product; i++)
		continue;
	if (e == ERR_OK && i < n) {
		t->key = key_vcek(t->key.product, key_hwid(&t->key), v[i].tcb);
		serve_find(t->req, &t->key, amd_found, t);
		return;
	}
	if (e == ERR_OK) {
		e = why_set(&own, ERR_UNAVAILABLE, "amd-kds 8.2",
		    "no VCEK is held for the chip, and no TCB to ask for");
		why = &own;
	}
	amd_fail(t->req, e, why);
	free(t);
}

static void
thim_amd(struct req *req)
{
	struct coll_key key = { 0 };
	struct why why = { 0 };
	struct thim *t;
	bool known = false;
	enum err e;

	if ((e = amd_read(req, &key, &known, &why)) != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	t = xcalloc(1, sizeof(*t));
	*t = (struct thim){ THIM_MAGIC, req, key };
	if (known)
		serve_find(req, &t->key, amd_found, t);
	else
		storage_veks(worker_storage(req_worker(req)), key_hwid(&t->key),
		    amd_newest, t);
}

/* --- the table -------------------------------------------------------- */

#define THIM "/metadata/THIM"
#define ROW(methods, path, fn)                                                 \
	{                                                                      \
		SERVE_THIM, 1u << METHOD_GET | (methods), THIM path,           \
		    ROLE_NONE, NULL, BODY_NONE, fn, NULL                       \
	}

const struct route routes_thim[] = {
	ROW(ROUTE_NO_HEAD | ROUTE_JSON_ERRORS, "/amd/certification", thim_amd),
	ROW(0, "/sgx/certification/v3/pckcert", thim_pckcert),
	ROW(0, "/sgx/certification/v4/pckcert", thim_pckcert),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
