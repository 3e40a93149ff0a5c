#include "tests/kit/edge.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/mbox.h"
#include "config/base/must.h"
#include "server/route.h"
#include "server/worker.h"
#include "tests/kit/run.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* --- routes ----------------------------------------------------------- */

static struct blob *hit_head, *hit_body, *many_head, *many_body;

static struct blob *
head_blob(size_t len)
{
	struct buf b = BUF_INIT;

	buf_printf(&b,
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n", len);
	return buf_blob(&b);
}

static struct blob *
filled(char c, size_t len)
{
	char *p = xcalloc(len, 1);
	struct blob *b;

	memset(p, c, len);
	b = blob_new(p, len);
	free(p);
	return b;
}

static void
blobs_make(void)
{
	if (hit_head != NULL)
		return;
	hit_head = head_blob(EDGE_HIT_LEN);
	hit_body = filled('h', EDGE_HIT_LEN);
	many_head = head_blob(EDGE_MANY_LEN);
	many_body = filled('m', EDGE_MANY_LEN);
}

static void
route_hit(struct req *r)
{
	reply_ready(r, NULL, 1, &hit_head, hit_body);
}

static void
route_many(struct req *r)
{
	reply_ready(r, NULL, 1, &many_head, many_body);
}

static void
route_text(struct req *r)
{
	reply_text(r, 200, "text\n");
}

static void
route_deep(struct req *r)
{
	reply_text(r, 200, "deep\n");
}

static void
route_ops(struct req *r)
{
	reply_text(r, 200, "ops\n");
}

static void
route_admin(struct req *r)
{
	reply_text(r, 200, "admin\n");
}

static void
route_body(struct req *r)
{
	reply_blob(r, 200, "application/octet-stream", NULL,
	    blob_ref(req_body(r)));
}

static void
route_err(struct req *r)
{
	const char *token = req_query(r, "token");
	struct why why = { 0 };
	enum err e = token == NULL ? ERR_PARAM : err_from_token(token);

	if (e == ERR_N || e == ERR_OK)
		e = ERR_INTERNAL;
	reply_err(r, why_set(&why, e, "a clause", "a text"), &why);
}

static void
echo_span(struct buf *b, const char *name, struct span s)
{
	buf_printf(b, "%s=%.*s\n", name, (int)s.len,
	    s.p == NULL ? "" : (const char *)s.p);
}

static void
route_echo(struct req *r)
{
	static const char *const methods[] = { "GET", "HEAD" };
	struct buf b = BUF_INIT, extra = BUF_INIT;
	const char *a = req_query(r, "a");

	buf_printf(&b, "method=%s\n", methods[req_method(r)]);
	echo_span(&b, "path", req_path(r));
	echo_span(&b, "raw", req_query_raw(r));
	buf_printf(&b, "a=%s\n", a == NULL ? "(absent)" : a);
	buf_printf(&b, "b=%s\n", req_query_has(r, "b") ? "there" : "(absent)");
	echo_span(&b, "x-test", req_header(r, "x-test"));
	buf_printf(&b, "id=%s\n", req_id(r));
	buf_printf(&b, "peer=%s\n", req_peer(r));
	buf_printf(&b, "listener=%u\n", req_listener(r));
	buf_printf(&b, "role=%d\n", (int)req_role(r));
	buf_printf(&b, "who=%s\n", req_who(r));
	buf_str(&extra, "X-Extra: one\r\n");
	reply_blob(r, 200, "text/plain", &extra, buf_blob(&b));
	buf_free(&extra);
}

/* --- parked requests -------------------------------------------------- */

struct parked {
	struct msg msg;
	struct parked *next;
	struct req *req;
	struct loop *loop;
};

static pthread_mutex_t park_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t park_changed = PTHREAD_COND_INITIALIZER;
static struct parked *parked;
static size_t n_parked;

static void
route_park(struct req *r)
{
	struct parked *p = xcalloc(1, sizeof(*p));

	p->req = r;
	p->loop = worker_loop(req_worker(r));
	pthread_mutex_lock(&park_mu);
	p->next = parked;
	parked = p;
	n_parked++;
	pthread_cond_broadcast(&park_changed);
	pthread_mutex_unlock(&park_mu);
}

size_t
edge_parked(void)
{
	size_t n;

	pthread_mutex_lock(&park_mu);
	n = n_parked;
	pthread_mutex_unlock(&park_mu);
	return n;
}

void
edge_park_wait(size_t n)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += PATIENCE_MS / 1000;
	pthread_mutex_lock(&park_mu);
	while (n_parked != n) {
		if (pthread_cond_timedwait(&park_changed, &park_mu, &t) ==
		    ETIMEDOUT)
			break;
	}
	ck_assert_uint_eq(n_parked, n);
	pthread_mutex_unlock(&park_mu);
}

static void
release_run(struct msg *m)
{
	struct parked *p = msg_of(m, struct parked, msg);

	reply_text(p->req, 200, "released\n");
	free(p);
}

void
edge_release(void)
{
	struct parked *p, *next;

	pthread_mutex_lock(&park_mu);
	p = parked;
	parked = NULL;
	n_parked = 0;
	pthread_mutex_unlock(&park_mu);
	for (; p != NULL; p = next) {
		next = p->next;
		msg_send(p->loop, &p->msg, release_run);
	}
}

/* --- stalled workers --------------------------------------------------- */

static unsigned n_stalled;
static bool stall_over;

static void
route_stall(struct req *r)
{
	pthread_mutex_lock(&park_mu);
	n_stalled++;
	pthread_cond_broadcast(&park_changed);
	while (!stall_over)
		pthread_cond_wait(&park_changed, &park_mu);
	pthread_mutex_unlock(&park_mu);
	reply_text(r, 200, "stalled\n");
}

unsigned
edge_stalled(void)
{
	unsigned n;

	pthread_mutex_lock(&park_mu);
	n = n_stalled;
	pthread_mutex_unlock(&park_mu);
	return n;
}

void
edge_go_on(void)
{
	pthread_mutex_lock(&park_mu);
	stall_over = true;
	pthread_cond_broadcast(&park_changed);
	pthread_mutex_unlock(&park_mu);
}

/* --- the server ------------------------------------------------------- */

#define GET  (1u << METHOD_GET)
#define POST (1u << METHOD_POST)
#define PUT  (1u << METHOD_PUT)

#define ROW(serve_, methods_, path_, body_, fn_)                               \
	.serve = (serve_), .methods = (methods_), .path = (path_),             \
	.body = (body_), .fn = (fn_)

static const struct route rows[] = {
	{ ROW(SERVE_PCCS, GET, "/hit", BODY_NONE, route_hit) },
	{ ROW(SERVE_PCCS, GET, "/text", BODY_NONE, route_text) },
	{ ROW(SERVE_PCCS, GET, "/echo", BODY_NONE, route_echo) },
	{ ROW(SERVE_PCCS, GET, "/many", BODY_NONE, route_many) },
	{ ROW(SERVE_PCCS, GET, "/err", BODY_NONE, route_err),
	    .lines = "X-Line: of the route\r\n" },
	{ ROW(SERVE_PCCS, GET, "/park", BODY_NONE, route_park) },
	{ ROW(SERVE_PCCS, GET, "/stall", BODY_NONE, route_stall) },
	{ ROW(SERVE_PCCS, GET, "/deep/*", BODY_NONE, route_deep) },
	{ ROW(SERVE_PCCS, POST, "/body", BODY_SMALL, route_body) },
	{ ROW(SERVE_PCCS, POST, "/user", BODY_SMALL, route_body),
	    .role = ROLE_USER, .token = "user-token" },
	{ ROW(SERVE_PCCS, PUT, "/admin", BODY_UPLOAD, route_body),
	    .role = ROLE_ADMIN, .token = "admin-token" },
	{ ROW(SERVE_PCCS, GET, "/admin", BODY_NONE, route_admin),
	    .role = ROLE_ADMIN, .token = "admin-token" },
	{ ROW(SERVE_OPS, GET, "/ops", BODY_NONE, route_ops) },
	{ .fn = NULL },
};

static void
digest(struct buf *b, const char *token)
{
	unsigned char sum[64];

	sha512(span_str(token), sum);
	buf_hex(b, span_of(sum, sizeof(sum)));
}

/* Slow on purpose, and the same each time. */
static const char *
named_hash(void)
{
	static char *hash;
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	if (hash != NULL)
		return hash;
	must(token_hash(span_str(EDGE_NAMED), &b, &why) == ERR_OK);
	hash = xstrndup(b.p, b.len);
	buf_free(&b);
	return hash;
}

void
edge_prepare(void)
{
	(void)named_hash();
	blobs_make();
}

/* No ck_assert on a good way: a bench starts an edge outside a test. */
struct config *
edge_config(const char *listen, const char *limits)
{
	struct buf b = BUF_INIT;
	struct config *config = NULL;
	struct why why = { 0 };
	enum err e;

	buf_printf(&b, "{\"listen\":%s,\"workers\":2,\"limits\":{%s},",
	    listen != NULL
		? listen
		: "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"]}]",
	    limits);
	buf_str(&b, "\"tokens\":{\"admin_sha512\":[\"");
	digest(&b, EDGE_ADMIN);
	buf_str(&b, "\"],\"user_sha512\":[\"");
	digest(&b, EDGE_USER);
	buf_str(&b, "\"],\"named\":[{\"name\":\"nina\",\"role\":\"admin\","
		    "\"hash\":\"");
	buf_str(&b, named_hash());
	buf_str(&b, "\"}]}}");
	e = config_read(buf_view(&b), "test", &config, &why);
	if (e != ERR_OK)
		ck_abort_msg("%s", why.text);
	buf_free(&b);
	return config;
}

void
edge_start(struct edge *t, const char *listen, const char *limits)
{
	static const struct route *const lists[] = { rows };
	struct config *config = edge_config(listen, limits);
	struct why why = { 0 };
	enum err e;

	blobs_make();
	e = server_start_routes(lists, 1, config, NULL, NULL, &t->server, &why);
	if (e != ERR_OK)
		ck_abort_msg("%s", why.text);
	config_unref(config);
	t->port = server_port(t->server, 0);
}

void
edge_stop(struct edge *t)
{
	edge_release();
	server_free(t->server);
	t->server = NULL;
}

/* --- certificates ----------------------------------------------------- */

static void
pem_path(char out[256], const char *dir, const char *name, const char *end)
{
	snprintf(out, 256, "%s/%s.%s", dir, name, end);
}

void
edge_certificate(const char *dir, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	char path[256];
	FILE *f;

	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, subject);
	X509_set_pubkey(x, key);
	must(X509_sign(x, key, EVP_sha256()) > 0);
	pem_path(path, dir, name, "pem");
	must((f = fopen(path, "w")) != NULL);
	must(PEM_write_X509(f, x) == 1);
	fclose(f);
	pem_path(path, dir, name, "key");
	must((f = fopen(path, "w")) != NULL);
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* --- a client --------------------------------------------------------- */

static int
connected(int fd, const struct sockaddr *a, socklen_t len)
{
	struct timeval tv = { PATIENCE_MS / 1000, 0 };

	ck_assert_int_ne(fd, -1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	ck_assert_msg(connect(fd, a, len) == 0, "connect: %s", strerror(errno));
	return fd;
}

int
edge_open(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };

	return connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    (struct sockaddr *)&a, sizeof(a));
}

int
edge_open_from(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, address, &from.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	return connected(fd, (struct sockaddr *)&to, sizeof(to));
}

int
edge_open_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	ck_assert_uint_lt(strlen(path), sizeof(a.sun_path));
	strcpy(a.sun_path, path);
	return connected(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    (struct sockaddr *)&a, sizeof(a));
}

void
edge_send_n(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = send(fd, at, n, MSG_NOSIGNAL);

		ck_assert_msg(done > 0, "send: %s", strerror(errno));
		at += done;
		n -= (size_t)done;
	}
}

void
edge_send(int fd, const char *text)
{
	edge_send_n(fd, text, strlen(text));
}

bool
edge_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	ck_assert_msg(n >= 0 || errno == ECONNRESET, "recv: %s",
	    strerror(errno));
	return n <= 0;
}

/* Bytes from a socket or from TLS, as read(2); "peek" leaves them there. */
typedef ssize_t (*source_fn)(void *, void *, size_t, bool peek);

static ssize_t
from_fd(void *arg, void *p, size_t n, bool peek)
{
	return recv(*(int *)arg, p, n, peek ? MSG_PEEK : 0);
}

static ssize_t
from_ssl(void *arg, void *p, size_t n, bool peek)
{
	return peek ? SSL_peek(arg, p, (int)n) : SSL_read(arg, p, (int)n);
}

static bool
head_ends(const struct buf *b)
{
	return b->len >= 4 && memcmp(b->p + b->len - 4, "\r\n\r\n", 4) == 0;
}

/* Up to the blank line and not a byte further: another answer may follow. */
static void
head_read(source_fn get, void *arg, struct buf *b)
{
	char some[4096];
	ssize_t n, used;

	while (!head_ends(b)) {
		n = get(arg, some, sizeof(some), true);
		ck_assert_msg(n > 0, "no answer, after \"%.*s\"", (int)b->len,
		    b->p == NULL ? "" : b->p);
		for (used = 0; used < n && !head_ends(b); used++)
			buf_add(b, &some[used], 1);
		ck_assert(get(arg, some, (size_t)used, false) == used);
	}
}

static void
reply_read(source_fn get, void *arg, struct edge_reply *r, bool head)
{
	struct buf b = BUF_INIT;
	const char *len;
	ssize_t n;

	head_read(get, arg, &b);
	r->text = xstrndup(b.p, b.len);
	buf_free(&b);
	ck_assert_int_eq(sscanf(r->text, "HTTP/1.1 %3d ", &r->status), 1);
	len = edge_header(r, "Content-Length");
	r->len = len == NULL || head ? 0 : (size_t)strtoul(len, NULL, 10);
	r->body = xcalloc(r->len + 1, 1);
	for (size_t at = 0; at < r->len; at += (size_t)n) {
		n = get(arg, r->body + at, r->len - at, false);
		ck_assert_msg(n > 0, "body cut short");
	}
}

void
edge_read(int fd, struct edge_reply *r, bool head)
{
	reply_read(from_fd, &fd, r, head);
}

void
edge_reply_free(struct edge_reply *r)
{
	free(r->text);
	free(r->body);
}

void
edge_expect(int fd, int status, const char *body)
{
	struct edge_reply r;

	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, status);
	ck_assert_str_eq(r.body, body);
	edge_reply_free(&r);
}

void
edge_reset(int fd)
{
	struct linger l = { 1, 0 };

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)),
	    0);
	close(fd);
}

const char *
edge_header(const struct edge_reply *r, const char *name)
{
	static _Thread_local char value[8192];
	const char *p = strstr(r->text, "\r\n");
	size_t len = strlen(name);

	for (; p != NULL; p = strstr(p, "\r\n")) {
		p += 2;
		if (strncmp(p, name, len) != 0 ||
		    strncmp(p + len, ": ", 2) != 0)
			continue;
		p += len + 2;
		snprintf(value, sizeof(value), "%.*s",
		    (int)(strstr(p, "\r\n") - p), p);
		return value;
	}
	return NULL;
}

int
edge_ask(const struct edge *t, const char *text)
{
	struct edge_reply r;
	int fd = edge_open(t->port), status;

	edge_send(fd, text);
	edge_read(fd, &r, strncmp(text, "HEAD ", 5) == 0);
	status = r.status;
	edge_reply_free(&r);
	close(fd);
	return status;
}

int
edge_ask_closed(const struct edge *t, const char *text)
{
	struct edge_reply r;
	int fd = edge_open(t->port), status;
	const char *connection;

	edge_send(fd, text);
	edge_read(fd, &r, false);
	status = r.status;
	connection = edge_header(&r, "Connection");
	ck_assert_ptr_nonnull(connection);
	ck_assert_str_eq(connection, "close");
	ck_assert(edge_closed(fd));
	edge_reply_free(&r);
	close(fd);
	return status;
}

SSL *
edge_tls(int fd, SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	ck_assert_ptr_nonnull(ssl);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

void
edge_tls_send(SSL *ssl, const char *text)
{
	ck_assert_int_eq(SSL_write(ssl, text, (int)strlen(text)),
	    (int)strlen(text));
}

void
edge_tls_read(SSL *ssl, struct edge_reply *r)
{
	reply_read(from_ssl, ssl, r, false);
}

void
edge_connections_wait(const struct edge *t, size_t n)
{
	const struct timespec pause = { 0, 1000000 };
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	while (server_connections(t->server) != n) {
		ck_assert_msg(clock_mono_ms() < until,
		    "%zu connections, not %zu", server_connections(t->server),
		    n);
		nanosleep(&pause, NULL);
	}
}
