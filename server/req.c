#include "server/edge.h"

#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A request's body on a route that has none: read and thrown away. */
#define IGNORED_MAX 4096

/* --- what a handler reads --------------------------------------------- */

enum method
req_method(const struct req *r)
{
	return r->head.method;
}

struct span
req_path(const struct req *r)
{
	return r->path;
}

struct span
req_query_raw(const struct req *r)
{
	return r->head.query.len == 0 ? SPAN_NONE
				      : piece_span(r->raw, r->head.query);
}

/* Decoded path and query share one chunk: a target is half as long. */
static char *
scratch_get(struct req *r, size_t n)
{
	char *room;

	if (r->scratch == NULL)
		r->scratch = chunk_get(r->conn->worker);
	must(n <= CHUNK_MAX - r->scratch->len);
	room = (char *)r->scratch->data + r->scratch->len;
	r->scratch->len += n;
	return room;
}

static const struct query *
req_params(struct req *r)
{
	struct span raw = req_query_raw(r);

	if (!r->query_split) {
		r->query.n = 0;
		if (raw.len != 0)
			query_split(raw, scratch_get(r, raw.len + 1),
			    &r->query);
		r->query_split = true;
	}
	return &r->query;
}

const char *
req_query(struct req *r, const char *name)
{
	return query_get(req_params(r), name);
}

const char *
req_query_odd(struct req *r, const char *const *names, size_t n)
{
	return query_odd(req_params(r), names, n);
}

bool
req_query_has(struct req *r, const char *name)
{
	return req_query(r, name) != NULL;
}

struct span
req_header(const struct req *r, const char *name)
{
	size_t len = strlen(name);
	unsigned i;

	for (i = 0; i < r->head.n_fields; i++) {
		if (r->head.field[i].name.len == len &&
		    span_eq_nocase(piece_span(r->raw, r->head.field[i].name),
			name))
			return piece_span(r->raw, r->head.field[i].value);
	}
	return SPAN_NONE;
}

struct blob *
req_body(const struct req *r)
{
	return r->body;
}

const char *
req_id(const struct req *r)
{
	return r->id;
}

enum role
req_role(const struct req *r)
{
	return r->role;
}

const char *
req_who(const struct req *r)
{
	return r->who;
}

struct worker *
req_worker(const struct req *r)
{
	return r->conn->worker;
}

uint32_t
req_source(const struct req *r)
{
	return r->role == ROLE_NONE ? r->conn->source : 0;
}

unsigned
req_listener(const struct req *r)
{
	return r->conn->listener->index;
}

static void
peer_unix(struct conn *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (c->fd == -1 ||
	    getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		snprintf(c->peer, sizeof(c->peer), "unix");
	else
		snprintf(c->peer, sizeof(c->peer), "unix:uid=%u",
		    (unsigned)cred.uid);
}

const char *
req_peer(const struct req *r)
{
	struct conn *c = r->conn;
	const void *addr = &c->from.in.sin_addr;

	if (c->peer[0] != '\0')
		return c->peer;
	if (c->from.sa.sa_family == AF_INET6)
		addr = &c->from.in6.sin6_addr;
	if ((c->from.sa.sa_family != AF_INET &&
		c->from.sa.sa_family != AF_INET6) ||
	    inet_ntop(c->from.sa.sa_family, addr, c->peer, sizeof(c->peer)) ==
		NULL)
		peer_unix(c);
	return c->peer;
}

/* --- its name --------------------------------------------------------- */

/* pccs-api 1: an inbound id of 1 to 64 of [A-Za-z0-9-] is kept. */
static bool
id_take(struct req *r)
{
	struct span id = req_header(r, "Request-ID");
	size_t i;

	if (id.len == 0 || id.len > REQ_ID_MAX)
		return false;
	for (i = 0; i < id.len; i++) {
		unsigned char c = id.p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	memcpy(r->id, id.p, id.len);
	r->id[id.len] = '\0';
	return true;
}

static void
hex16(uint64_t v, char *out)
{
	int i;

	for (i = 15; i >= 0; i--, v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

/*
 * Unique and cheap, not secret: a worker's random start and a counter, mixed
 * (splitmix64) so that ids of one worker do not look alike.
 */
void
req_name(struct req *r)
{
	struct worker *w = r->conn->worker;
	uint64_t z;

	if (id_take(r))
		return;
	z = w->id_lo += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	hex16(w->id_hi, r->id);
	hex16(z ^ z >> 31, r->id + 16);
	r->id[32] = '\0';
}

/* --- what is decided before the body ---------------------------------- */

struct span
req_token(const struct req *r)
{
	return req_header(r, r->route->token);
}

void
req_allow(const struct req *r, struct buf *b)
{
	static const char *const names[METHOD_N] = { "GET", "HEAD", "POST",
		"PUT", "DELETE" };
	const char *sep = "Allow: ";
	unsigned m;

	for (m = 0; m < METHOD_N; m++) {
		if (!(r->allow & 1u << m))
			continue;
		buf_str(b, sep);
		buf_str(b, names[m]);
		sep = ", ";
	}
	buf_str(b, "\r\n");
}

static enum err
req_route(struct req *r, struct why *why)
{
	const struct conn *c = r->conn;
	struct span path = piece_span(r->raw, r->head.path);
	struct route_match m;

	if (path_is_plain(path))
		r->path = path_trim(path);
	else if (path_read(path, scratch_get(r, path.len), &r->path) != ERR_OK)
		return why_set(why, ERR_PARAM, "RFC 3986 2.1",
		    "broken escape or NUL in the path");
	m = route_find(c->worker->routes, c->listener->serve, r->head.method,
	    r->path);
	r->route = m.route;
	r->allow = m.allow;
	r->json_errors = m.json_errors;
	if (m.route != NULL)
		return ERR_OK;
	return m.allow != 0
		   ? why_set(why, ERR_METHOD, "pccs-api 5", "wrong method")
		   : why_set(why, ERR_NO_ROUTE, "pccs-api 5", "no such path");
}

static struct failures *
req_failures(const struct req *r)
{
	return server_failures(worker_server(r->conn->worker));
}

/* Who has shown too many bad tokens is not told about further ones. */
static enum err
req_guesses(const struct req *r, const struct config *config, struct why *why)
{
	enum err e;

	if (!failures_many(req_failures(r), r->conn->source, clock_now(),
		(unsigned)config->limits.token_failures_per_minute))
		return ERR_OK;
	metric_inc(M_AUTH_THROTTLED);
	e = why_set(why, ERR_GUESSING, "limits.token_failures_per_minute",
	    "too many tokens refused");
	why->retry_s = failures_wait_s(clock_now());
	return e;
}

/* pccs-api 3.  The value never reaches a log. */
static enum err
req_authorise(struct req *r, bool *unproven, struct why *why)
{
	const struct config *config = r->conn->worker->config;
	struct token_grant grant = { ROLE_NONE, "" };
	enum token_state state = TOKEN_REFUSED;
	struct span token;
	enum err e;

	if (r->route->role == ROLE_NONE)
		return ERR_OK;
	token = req_token(r);
	if (token.len != 0) {
		if ((e = req_guesses(r, config, why)) != ERR_OK)
			return e;
		state = token_check(config, token, clock_now(), &grant);
	} else if (req_listener(r) < config->n_listen &&
		   tls_client(r->conn, &config->listen[req_listener(r)],
		       &grant)) {
		state = TOKEN_GRANTED;
	}
	/* Once hashed, a verdict that has been forgotten again is a no. */
	if (state == TOKEN_UNPROVEN && !r->proved) {
		*unproven = true;
		return ERR_OK;
	}
	if (state != TOKEN_GRANTED || !(grant.role & r->route->role)) {
		metric_inc(M_AUTH_FAILED);
		if (token.len != 0)
			failures_note(req_failures(r), r->conn->source,
			    clock_now());
		return why_set(why, ERR_AUTH, "pccs-api 3", "%s",
		    token.len == 0 ? "no token" : "token not accepted");
	}
	r->role = grant.role;
	snprintf(r->who, sizeof(r->who), "%s", grant.who);
	return ERR_OK;
}

uint64_t
req_body_max(const struct req *r)
{
	const struct config *config = r->conn->worker->config;

	switch (r->route->body) {
	case BODY_SMALL:
		return (uint64_t)config->limits.body_bytes;
	case BODY_UPLOAD:
		return (uint64_t)config->limits.upload_bytes;
	default:
		return IGNORED_MAX;
	}
}

/* pccs-api 3: a bad token beats a bad parameter and a body too big. */
enum err
req_admit(struct req *r, bool *unproven, struct why *why)
{
	enum err e;

	if (r->conn->shed) {
		r->conn->close = true;
		return why_set(why, ERR_SHED, "limits.connections",
		    "too many connections");
	}
	if (r->route == NULL && (e = req_route(r, why)) != ERR_OK)
		return e;
	if ((e = req_authorise(r, unproven, why)) != ERR_OK || *unproven)
		return e;
	if (query_check(req_query_raw(r)) != ERR_OK)
		return why_set(why, ERR_PARAM, "RFC 3986 2.1",
		    "broken escape or NUL in the query");
	if (r->head.content_length > req_body_max(r))
		return why_set(why, ERR_BODY_TOO_BIG, "pccs-api 1",
		    "body over %llu bytes",
		    (unsigned long long)req_body_max(r));
	return ERR_OK;
}

/* --- the end ---------------------------------------------------------- */

void
req_fini(struct req *r)
{
	must(!r->open);
	if (r->scratch != NULL)
		chunk_put(r->conn->worker, r->scratch);
	r->scratch = NULL;
	blob_unref(r->body);
	r->body = NULL;
}
