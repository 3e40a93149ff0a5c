/*
 * The route table: which handler answers which method and path, who may ask,
 * how large a body may be.  One file per API family adds its rows.
 * Private to server/.
 */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/http.h"

typedef void (*route_fn)(struct req *);

/* Or-ed to a row's methods. */
#define ROUTE_NO_HEAD (1u << 30) /* GET comes alone */
/* Errors are {"error":TOKEN,"error_description":TEXT}; a path has one form */
#define ROUTE_JSON_ERRORS (1u << 31)

struct route {
	unsigned serve;   /* enum serve: the families it belongs to */
	unsigned methods; /* 1 << METHOD_GET | ..., ROUTE_...; HEAD comes with
	    GET */
	const char *path; /* compared without case; "*" at the end: prefix */
	enum role role;   /* ROLE_NONE: anyone */
	const char
	    *token; /* header of the token: "user-token", "admin-token" */
	enum { BODY_NONE, BODY_SMALL, BODY_UPLOAD } body; /* limits.* */
	route_fn fn;
	/* Header lines, each ending CRLF, of every answer on this path, the
	 * errors too; NULL: none (pccs-api 8: the v3 warning). */
	const char *lines;
};

extern const struct route routes_pccs[], routes_admin[], routes_console[],
    routes_ops[], routes_jwks[], routes_thim[], routes_kds[], routes_verify[];

/*
 * All tables as one index, made at start and read by every worker.  The
 * lists end with a row of fn NULL; rows are borrowed.
 */
struct routes;
struct routes *routes_new(const struct route *const *lists, size_t n);
void routes_free(struct routes *);

struct route_match {
	const struct route *route; /* NULL: none */
	unsigned allow;            /* methods the path has, for 405 */
	bool json_errors;
};
/*
 * The row for a path as req_path() gives it, among the families of "serve".
 * An exact row goes before a prefix row, an earlier one before a later.
 * METHOD_N matches no row but still fills "allow".
 */
struct route_match route_find(const struct routes *, unsigned serve,
    enum method, struct span path);

/*
 * server_start() with these tables instead of ours; tests have their own.
 * "storage" and "upstream" may be NULL when no row needs them.
 */
struct server;
struct upstream;
enum err server_start_routes(const struct route *const *lists, size_t n,
    struct config *, struct storage *, struct upstream *, struct server **out,
    struct why *) MUST_CHECK;

#endif
