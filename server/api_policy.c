/* Appraisal policies, kept for clients as text (pccs-api 6.7, 6.13). */
#include "server/api.h"

static void
text_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	struct req *req = arg;

	if (e == ERR_OK) {
		api_text(req, text);
	} else {
		blob_unref(text);
		reply_err(req, e, why);
	}
}

void
api_policy_put(struct req *req)
{
	storage_policy_put(worker_storage(req_worker(req)), req_body(req),
	    text_cb, req);
}

void
api_policy_get(struct req *req)
{
	char fmspc[PARAM_MAX + 1];
	struct why why = { 0 };
	enum err e;

	e = param_text(PARAM_FMSPC, req_query(req, "fmspc"), fmspc, &why);
	if (e == ERR_OK)
		storage_policy_get(worker_storage(req_worker(req)), fmspc,
		    text_cb, req);
	else
		reply_err(req, e, &why);
}
