/*
 * A server with a small route table of its own, in this process, and a
 * client that sends bytes as they are.  For tests of the HTTP edge; the
 * calls end the test when something does not happen within PATIENCE_MS.
 */
#ifndef TESTS_KIT_EDGE_H
#define TESTS_KIT_EDGE_H

#include "config/base/blob.h"
#include "config/config.h"
#include "server/server.h"

#include <openssl/ssl.h>

/*
 * The routes, all in family "pccs":
 *   GET  /hit          a ready-made answer, EDGE_HIT_LEN bytes of 'h'
 *   GET  /text         "text\n"
 *   GET  /echo         lines "name=value" of what the request is
 *   GET  /many         EDGE_MANY_LEN bytes of 'm', for slow readers
 *   GET  /err          the error whose token is in ?token=
 *   GET  /park         answered by edge_release() only
 *   GET  /stall        holds its worker up until edge_go_on()
 *   GET  /deep/ *      "deep\n": a prefix row
 *   POST /body         the body back
 *   POST /user         the same, with a user token
 *   PUT  /admin        the same, with an admin token, limits.upload_bytes
 *   GET  /admin        "admin\n", with an admin token
 * and in family "ops":
 *   GET  /ops          "ops\n"
 */
#define EDGE_HIT_LEN  10000
#define EDGE_MANY_LEN (16 << 20)
#define EDGE_USER     "user-secret"
#define EDGE_ADMIN    "admin-secret"
#define EDGE_NAMED    "named-secret"

struct edge {
	struct server *server;
	int port; /* of the first listener */
	char dir[64];
};

/* Once in main(): what is slow to make, for all children of the program. */
void edge_prepare(void);
/*
 * Start with one listener on 127.0.0.1, or with "listen" (JSON array, NULL:
 * that one); "limits" is JSON members inside limits{}, or "".
 */
void edge_start(struct edge *, const char *listen, const char *limits);
/* The same configuration, as text, for a reload. */
struct config *edge_config(const char *listen, const char *limits);
void edge_stop(struct edge *);

/* Until the server has this many connections. */
void edge_connections_wait(const struct edge *, size_t n);
size_t edge_parked(void);      /* requests that wait for edge_release */
void edge_park_wait(size_t n); /* until there are n */
void edge_release(void);       /* answer all of them, each on its own worker */

#define EDGE_WORKERS 2
unsigned edge_stalled(void); /* workers held up */
void edge_go_on(void);       /* for good */

/* A new certificate for "localhost" in "dir": NAME.pem and NAME.key. */
void edge_certificate(const char *dir, const char *name);

/* --- a client --------------------------------------------------------- */

int edge_open(int port);
/* From another address of this machine, "127.0.0.2". */
int edge_open_from(const char *address, int port);
int edge_open_unix(const char *path);
void edge_send(int fd, const char *text);
void edge_send_n(int fd, const void *p, size_t n);
void edge_reset(int fd); /* close with a reset */
/* True when the other side has ended, false when it sends a byte. */
bool edge_closed(int fd);

struct edge_reply {
	int status;
	char *text; /* whole head, CRLF and all, NUL-terminated */
	char *body;
	size_t len;
};
/* Read one answer; "head" says that it has no body. */
void edge_read(int fd, struct edge_reply *, bool head);
void edge_reply_free(struct edge_reply *);
/* The next answer is this one. */
void edge_expect(int fd, int status, const char *body);
/* A header's value, name compared exactly; static, NULL when absent. */
const char *edge_header(const struct edge_reply *, const char *name);
/* Send to a new connection, read one answer, close: the status. */
int edge_ask(const struct edge *, const char *text);
/* Send to a new connection; status, and the connection must then end. */
int edge_ask_closed(const struct edge *, const char *text);

/* TLS over a connected socket; NULL when the handshake fails. */
SSL *edge_tls(int fd, SSL_CTX *);
void edge_tls_send(SSL *, const char *text);
void edge_tls_read(SSL *, struct edge_reply *);

#endif
