/*
 * What the handlers of the API families share.  One worker's loop.
 * Private to server/.
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/http.h"
#include "server/param.h"
#include "server/route.h"
#include "server/worker.h"

#include <jansson.h>

/* Which of the prefixes of pccs-api 5 the request's path begins with. */
struct api_prefix {
	enum tee tee;
	unsigned api; /* 3 or 4 */
};
struct api_prefix api_prefix(const struct req *);

/* req_query() as a param_fn; the source is the struct req. */
const char *api_query(void *req, const char *name);

/* 200 "Operation successful." (pccs-api 2) */
void api_done(struct req *);
/* Answer with a JSON or plain text whose reference is stolen. */
void api_json(struct req *, struct blob *);
void api_text(struct req *, struct blob *);
/*
 * The common end of an asynchronous call: an error is answered, else the
 * text goes out as JSON.  store_text_fn; arg is the struct req.
 */
void api_json_cb(void *req, enum err, const struct why *, struct blob *text);

/* api_pccs.c */
void api_tcb(struct req *);
void api_identity(struct req *); /* qe, qve, qae: by the path */
void api_pckcrl(struct req *);
void api_rootcacrl(struct req *);
void api_crl(struct req *);
void api_evalnums(struct req *);
void api_fmspcs(struct req *);
/* api_pckcert.c */
void api_pckcert(struct req *);
/* The same when the request has been read: takes the ask's references, waits
 * for upstream so long, and answers in PEM or with pccs-api 9.2's object. */
void api_pckcert_find(struct req *, struct platform_ask *, enum ppid,
    long wait_ms, bool json);
/* api_pckcerts.c */
void api_pckcerts(struct req *);
/* api_platforms.c */
void api_platforms_post(struct req *);
void api_platforms_get(struct req *);
void api_upload(struct req *);
void api_refresh(struct req *);
/* Start it and answer as pccs-api 6.12 has it; the list is borrowed. */
void api_refresh_start(struct req *, bool certs, const struct fmspc_list *);
/* The end of a refresh: store_text_fn; arg is the struct req. */
void api_refreshed_cb(void *req, enum err, const struct why *,
    struct blob *failed);
/* api_policy.c */
void api_policy_put(struct req *);
void api_policy_get(struct req *);
/* api_bundle.c */
void api_export(struct req *);
void api_import(struct req *);
/* api_baseline.c */
void api_baseline(struct req *);
void api_baseline_history(struct req *);
void api_baseline_change(struct req *); /* the verb: by the path */
/* api_site.c */
void api_site_export(struct req *, enum site_part, int64_t after);
/* Steals the document. */
void api_site_import(struct req *, json_t *doc);
/* api_impact.c */
void api_impact(struct req *);
/* api_collateral.c */
void api_collateral(struct req *);

#endif
