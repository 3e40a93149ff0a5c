/*
 * GET /.well-known/jwks.json: the keys that verdicts are signed with (RFC
 * 7517 5).  A client may keep it no longer than a new key is published
 * before it signs.
 */
#include "server/api.h"
#include "server/jwt.h"

#include "config/base/clock.h"

#define MAX_AGE_S 3600

static void
api_jwks(struct req *req)
{
	const struct jwt_keys *keys = worker_jwt_keys(req_worker(req));
	int64_t age = worker_config(req_worker(req))->jwt.publish_s;
	struct buf extra = BUF_INIT;

	if (keys == NULL) {
		reply_err(req, ERR_NO_ROUTE, NULL);
		return;
	}
	buf_printf(&extra, "Cache-Control: public, max-age=%d\r\n",
	    age < MAX_AGE_S ? (int)age : MAX_AGE_S);
	reply_blob(req, 200, "application/jwk-set+json", &extra,
	    jwt_keys_set(keys, clock_now()));
	buf_free(&extra);
}

const struct route routes_jwks[] = {
	{ SERVE_VERIFY, 1u << METHOD_GET, "/.well-known/jwks.json", ROLE_NONE,
	    NULL, BODY_NONE, api_jwks, NULL },
	{ 0, 0, NULL, ROLE_NONE, NULL, BODY_NONE, NULL, NULL },
};
