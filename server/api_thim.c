/*
 * The metadata service: what a guest may learn of the machine below it
 * (amd-kds 8.2, pccs-api 9.2).  Whose machine that is, a table says; a guest
 * may choose among what its own row has, and nothing else.
 */
#include "server/api.h"
#include "server/callers.h"

#include "config/base/must.h"

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

/* --- the table -------------------------------------------------------- */

#define THIM "/metadata/THIM"
#define ROW(methods, path, fn)                                                 \
	{                                                                      \
		SERVE_THIM, 1u << METHOD_GET | (methods), THIM path,           \
		    ROLE_NONE, NULL, BODY_NONE, fn, NULL                       \
	}

const struct route routes_thim[] = {
	ROW(0, "/sgx/certification/v3/pckcert", thim_pckcert),
	ROW(0, "/sgx/certification/v4/pckcert", thim_pckcert),
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
