/*
 * The route table: which handler answers which method and path, who may ask,
 * how large a body may be.  One file per API family adds its rows.
 * Private to server/.
 */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "server/http.h"

typedef void (*route_fn)(struct req *);

struct route {
	unsigned serve;   /* enum serve: the families it belongs to */
	unsigned methods; /* 1 << METHOD_GET | ...; HEAD comes with GET */
	const char *path; /* compared without case; "*" at the end: prefix */
	enum role role;   /* ROLE_NONE: anyone */
	const char
	    *token; /* header of the token: "user-token", "admin-token" */
	enum { BODY_NONE, BODY_SMALL, BODY_UPLOAD } body; /* limits.* */
	route_fn fn;
};

extern const struct route routes_pccs[], routes_admin[], routes_ops[];

/* The tables end with a row of fn NULL. */
struct route_match {
	const struct route *route; /* NULL: none */
	unsigned allow;            /* methods the path has, for 405 */
};
struct route_match route_find(unsigned serve, enum method, struct span path);

#endif
