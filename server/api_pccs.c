/*
 * The PCCS routes (pccs-api 5, 10): the table, and the handlers of signed
 * collateral, which all end in serve_coll().
 */
#include "server/api.h"
#include "server/serve.h"

#include <string.h>

/* --- which prefix ----------------------------------------------------- */

#define THIM "/metadata/THIM"

static bool
starts_nocase(struct span s, const char *head)
{
	size_t len = strlen(head);

	return s.len >= len && span_eq_nocase(span_of(s.p, len), head);
}

static bool
ends_nocase(struct span s, const char *tail)
{
	size_t len = strlen(tail);

	return s.len >= len &&
	       span_eq_nocase(span_of(s.p + s.len - len, len), tail);
}

struct api_prefix
api_prefix(const struct req *req)
{
	struct span path = req_path(req);
	struct api_prefix p = { TEE_SGX, 4 };

	if (starts_nocase(path, THIM))
		path = span_of(path.p + strlen(THIM), path.len - strlen(THIM));
	if (starts_nocase(path, "/tdx/"))
		p.tee = TEE_TDX;
	if (starts_nocase(path, "/sgx/certification/v3/"))
		p.api = 3;
	return p;
}

/* --- answers many handlers give --------------------------------------- */

const char *
api_query(void *req, const char *name)
{
	return req_query(req, name);
}

void
api_done(struct req *req)
{
	reply_text(req, 200, "Operation successful.");
}

void
api_json(struct req *req, struct blob *text)
{
	reply_blob(req, 200, "application/json", NULL, text);
}

void
api_text(struct req *req, struct blob *text)
{
	reply_blob(req, 200, "text/plain; charset=utf-8", NULL, text);
}

void
api_json_cb(void *req, enum err e, const struct why *why, struct blob *text)
{
	if (e == ERR_OK) {
		api_json(req, text);
	} else {
		blob_unref(text);
		reply_err(req, e, why);
	}
}

/* --- collateral ------------------------------------------------------- */

/*
 * Version 3 clients may be given version 4 identities, whose format is the
 * same, if the operator says so (pccs-api 8).
 */
static unsigned
identity_api(struct req *req, unsigned api)
{
	return worker_config(req_worker(req))->cache.serve_v4_identity_on_v3
		   ? 4
		   : api;
}

/* update= or tcbEvaluationDataNumber=; version 3 knows the first alone. */
static enum err
version_read(struct req *req, unsigned api, enum update *update,
    uint32_t *number, struct why *why)
{
	if (api == 4)
		return param_version(api_query, req, update, number, why);
	*number = 0;
	return param_update(req_query(req, "update"), update, why);
}

void
api_tcb(struct req *req)
{
	struct api_prefix p = api_prefix(req);
	char fmspc[PARAM_MAX + 1];
	struct why why = { 0 };
	enum update update;
	struct coll_key key;
	uint32_t number;
	enum err e;

	e = param_text(PARAM_FMSPC, req_query(req, "fmspc"), fmspc, &why);
	if (e == ERR_OK)
		e = version_read(req, p.api, &update, &number, &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	key = key_tcbinfo(p.tee, p.api, fmspc, update, number);
	serve_coll(req, &key, FORM_BODY);
}

void
api_identity(struct req *req)
{
	struct api_prefix p = api_prefix(req);
	enum enclave enclave = p.tee == TEE_TDX ? ENCLAVE_TDQE : ENCLAVE_QE;
	struct why why = { 0 };
	enum update update;
	struct coll_key key;
	uint32_t number;
	enum err e;

	if (ends_nocase(req_path(req), "/qve/identity"))
		enclave = ENCLAVE_QVE;
	else if (ends_nocase(req_path(req), "/qae/identity"))
		enclave = ENCLAVE_QAE;
	e = version_read(req, p.api, &update, &number, &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	key = key_identity(enclave, identity_api(req, p.api), update, number);
	serve_coll(req, &key, FORM_BODY);
}

static struct coll_key
crl_key(enum crl_uri which)
{
	switch (which) {
	case CRL_PROCESSOR:
		return key_pck_crl(PCK_CA_PROCESSOR);
	case CRL_PLATFORM:
		return key_pck_crl(PCK_CA_PLATFORM);
	case CRL_ROOT:
		break;
	}
	return key_root_crl();
}

/* The CRL a uri= stands for, in the form its route answers. */
static void
crl_by_uri(struct req *req, enum form_name form)
{
	struct why why = { 0 };
	struct coll_key key;
	enum crl_uri which;
	enum err e;

	e = param_crl_uri(req_query(req, "uri"), req_query(req, "ca"), &which,
	    &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	key = crl_key(which);
	serve_coll(req, &key, form);
}

void
api_pckcrl(struct req *req)
{
	struct why why = { 0 };
	struct coll_key key;
	enum pck_ca ca;
	enum err e;

	/* The Azure client names the CRL by URI and takes PEM (9.2). */
	if (req_query_has(req, "uri")) {
		crl_by_uri(req, FORM_PEM);
		return;
	}
	if ((e = param_ca(req_query(req, "ca"), &ca, &why)) != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	key = key_pck_crl(ca);
	serve_coll(req, &key, param_encoding(req_query(req, "encoding")));
}

void
api_rootcacrl(struct req *req)
{
	struct coll_key key = key_root_crl();

	serve_coll(req, &key, param_encoding(req_query(req, "encoding")));
}

/* Always DER, whatever the URI says (pccs-api 6.8). */
void
api_crl(struct req *req)
{
	crl_by_uri(req, FORM_DER);
}

void
api_evalnums(struct req *req)
{
	struct coll_key key = key_evalnums(api_prefix(req).tee);

	serve_coll(req, &key, FORM_BODY);
}

void
api_fmspcs(struct req *req)
{
	struct why why = { 0 };
	struct coll_key key;
	const char *platform;
	enum err e;

	e = param_fmspcs(req_query(req, "platform"), &platform, &why);
	if (e != ERR_OK) {
		reply_err(req, e, &why);
		return;
	}
	key = key_fmspcs(platform);
	serve_coll(req, &key, FORM_BODY);
}

/* --- the table -------------------------------------------------------- */

#define S3 "/sgx/certification/v3/"
#define S4 "/sgx/certification/v4/"
#define T4 "/tdx/certification/v4/"

/* One line, as pccs-api 8 has it. */
#define V3                                                                     \
	"Warning: 299 - \"PCS API version 3 is no longer available. "          \
	"Cached collateral downloaded from API version 3 is deprecated, "      \
	"will not be refreshed, and may expire. "                              \
	"Please migrate to API version 4.\"\r\n"

#define GET  (1u << METHOD_GET)
#define POST (1u << METHOD_POST)
#define PUT  (1u << METHOD_PUT)

/* Open to anyone, under one path. */
#define OPEN(path, fn, lines)                                                  \
	{                                                                      \
		SERVE_PCCS, GET, path, ROLE_NONE, NULL, BODY_NONE, fn, lines   \
	}
/* Guarded by a token. */
#define USER(path, m, body, fn, lines)                                         \
	{                                                                      \
		SERVE_PCCS, m, path, ROLE_USER, "user-token", body, fn, lines  \
	}
#define ADMIN(path, m, body, fn, lines)                                        \
	{                                                                      \
		SERVE_PCCS, m, path, ROLE_ADMIN, "admin-token", body, fn,      \
		    lines                                                      \
	}

/* The Azure client's primary address has a prefix of its own (9.2). */
#define OPEN_S4(tail, fn) OPEN(S4 tail, fn, NULL), OPEN(THIM S4 tail, fn, NULL)
#define OPEN_SGX(tail, fn)                                                     \
	OPEN_S4(tail, fn), OPEN(S3 tail, fn, V3), OPEN(THIM S3 tail, fn, V3)
#define USER_SGX(tail, m, body, fn)                                            \
	USER(S4 tail, m, body, fn, NULL), USER(S3 tail, m, body, fn, V3)
#define ADMIN_SGX(tail, m, body, fn)                                           \
	ADMIN(S4 tail, m, body, fn, NULL), ADMIN(S3 tail, m, body, fn, V3)

const struct route routes_pccs[] = {
	OPEN_SGX("pckcert", api_pckcert),
	OPEN_SGX("pckcrl", api_pckcrl),
	OPEN_SGX("tcb", api_tcb),
	OPEN_SGX("qe/identity", api_identity),
	OPEN_SGX("qve/identity", api_identity),
	OPEN_SGX("rootcacrl", api_rootcacrl),
	OPEN_SGX("crl", api_crl),
	OPEN_SGX("appraisalpolicy", api_policy_get),
	OPEN_S4("qae/identity", api_identity),
	OPEN_S4("tcbevaluationdatanumbers", api_evalnums),
	OPEN_S4("fmspcs", api_fmspcs),
	{ SERVE_PCCS, GET | POST, S4 "pckcerts", ROLE_NONE, NULL, BODY_SMALL,
	    api_pckcerts, NULL },
	OPEN(T4 "tcb", api_tcb, NULL),
	OPEN(T4 "qe/identity", api_identity, NULL),
	OPEN(T4 "tcbevaluationdatanumbers", api_evalnums, NULL),
	OPEN(T4 "pckcrl", api_pckcrl, NULL),
	OPEN(T4 "rootcacrl", api_rootcacrl, NULL),
	USER_SGX("platforms", POST, BODY_SMALL, api_platforms_post),
	ADMIN_SGX("platforms", GET, BODY_NONE, api_platforms_get),
	ADMIN_SGX("platformcollateral", PUT, BODY_UPLOAD, api_upload),
	ADMIN_SGX("refresh", GET | POST, BODY_SMALL, api_refresh),
	ADMIN_SGX("appraisalpolicy", PUT, BODY_SMALL, api_policy_put),
	{ SERVE_PCCS | SERVE_ADMIN | SERVE_VERIFY, POST, "/v1/collateral",
	    ROLE_NONE, NULL, BODY_SMALL, api_collateral, NULL },
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
