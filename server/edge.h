/*
 * What the files of the HTTP edge share: the bodies of worker, listener,
 * connection and request.  Private to the edge (conn.c, out.c, req.c,
 * reply.c, tls.c, wire.c, worker.c, server.c, listen.c); handlers see http.h
 * and worker.h.  Everything belongs to one worker's thread unless it says
 * otherwise.
 */
#ifndef SERVER_EDGE_H
#define SERVER_EDGE_H

#include "config/base/mbox.h"
#include "config/base/metric.h"
#include "server/caps.h"
#include "server/failures.h"
#include "server/head.h"
#include "server/jwt.h"
#include "server/query.h"
#include "server/route.h"
#include "server/verifier.h"
#include "server/worker.h"

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/queue.h>
#include <sys/uio.h>

/* --- chunks: the buffers connections borrow while they need one ------- */

/* Room for the largest head and always a little of the body behind it. */
#define CHUNK_MAX (HEAD_MAX + 4096)

struct chunk {
	struct chunk *next;
	size_t at, len; /* consumed up to, filled up to */
	unsigned char data[CHUNK_MAX];
};

struct chunk *chunk_get(struct worker *);
void chunk_put(struct worker *, struct chunk *); /* NULL is fine */

/* --- requests --------------------------------------------------------- */

#define REQ_ID_MAX 64

struct req {
	struct conn *conn;
	bool open;   /* an answer is owed */
	bool proved; /* its token has been hashed */
	const struct route *route;
	unsigned allow;
	bool json_errors;
	struct span raw; /* the head, in conn->in */
	struct head head;
	struct span path;
	struct chunk *scratch; /* decoded path and query */
	bool query_split;
	struct query query;
	struct blob *body;
	enum role role;
	char who[64];
	char id[REQ_ID_MAX + 1];
};

/* Give the request its id: the client's if it is well formed, or a fresh one.
 */
void req_name(struct req *);
/*
 * Everything that is decided before the body: path, route, token, query,
 * length.  ERR_OK, or what to answer; *unproven is set when the token has to
 * be hashed first and this is to be called again.
 */
enum err req_admit(struct req *, bool *unproven, struct why *) MUST_CHECK;
/* The header that holds the token the route asks for. */
struct span req_token(const struct req *);
/* The header line Allow for a 405, appended. */
void req_allow(const struct req *, struct buf *);
/* The most a body may have on this request's route. */
uint64_t req_body_max(const struct req *);
/* Drop what the request holds; it is closed already. */
void req_fini(struct req *);

/* reply_err with further header lines (may be NULL). */
void reply_err_extra(struct req *, enum err, const struct why *,
    const struct buf *extra);

/* --- connections ------------------------------------------------------ */

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

enum conn_state {
	CONN_HELLO,  /* TLS handshake */
	CONN_IDLE,   /* no byte of a request yet */
	CONN_HEAD,   /* part of a head */
	CONN_PROVE,  /* its token is being hashed, off this thread */
	CONN_BODY,   /* head admitted, body on its way */
	CONN_BUSY,   /* a handler has the request */
	CONN_WRITE,  /* the answer is partly written */
	CONN_LINGER, /* answered for good; what still comes is thrown away */
	CONN_GONE,   /* closed; a handler may still have the request */
	CONN_STATES
};

enum conn_event {
	CONN_READABLE,
	CONN_WRITABLE,
	CONN_LATE,  /* the deadline of the state has passed */
	CONN_DRAIN, /* no further requests */
	CONN_EVENTS
};

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

/*
 * What OpenSSL may read of a connection before the others of its worker have
 * their turn: it goes on by itself as long as messages come that hold no data.
 */
#define TURN_BYTES 32768

/*
 * How bytes come and go: a socket, or memory in a fuzz target.  recv and
 * sendv are as read(2) and writev(2) on a non-blocking descriptor.
 */
struct wire {
	ssize_t (*recv)(struct conn *, void *, size_t);
	ssize_t (*sendv)(struct conn *, struct iovec *, int n);
	void (*watch)(struct conn *, unsigned what); /* WATCH_*, or-ed */
	void (*shut)(struct conn *);                 /* no more will be sent */
	void (*close)(struct conn *);
};
extern const struct wire wire_socket;

enum io { IO_DONE, IO_WAIT, IO_FAIL };

/* Answers may be made of this many blobs, and some lines around them. */
#define OUT_BLOBS 8
#define OUT_IOV   (OUT_BLOBS + 2)

struct outbox; /* what could not be written at once */
struct queue;

struct conn {
	unsigned magic;
	enum conn_state state;
	struct worker *worker;
	struct listener *listener;
	const struct wire *wire;
	SSL *ssl; /* NULL: clear text */

	bool running; /* inside conn_event: no one else frees it */
	bool eof;     /* the client sends no more */
	bool close;   /* close after this answer */
	bool linger;  /* and bytes of the request may still be coming */
	bool served;  /* has had an answer */
	bool shed;    /* over a cap: told so, and closed */
	bool blank;   /* the one empty line before a request was seen */
	bool counted; /* in the table of sources */

	struct chunk *in;
	struct head_scan scan;
	uint64_t body_left;
	struct buf body;
	struct req req;

	struct outbox *out;
	struct buf sealed; /* TLS records not yet written */
	size_t sealed_at;
	bool cork;      /* keep records in "sealed" for now */
	bool bye;       /* close_notify is among them */
	bool lazy;      /* they are tickets: they go with the first answer */
	bool again;     /* the client goes on with handshakes */
	uint8_t n_keys; /* how often it has changed its keys */
	size_t ration;  /* bytes OpenSSL may still read in this turn */

	int64_t late_at;     /* in "queue" */
	struct queue *queue; /* of deadlines; NULL: in none */
	TAILQ_ENTRY(conn) in_queue;
	TAILQ_ENTRY(conn) in_worker;

	int fd; /* -1: not a socket */
	unsigned watching;
	struct event ev_read, ev_write, ev_timer;
	union addr from;
	uint32_t source; /* slot in the table of sources */
	char peer[64];   /* empty until asked for */
	void *seam;      /* of a wire that is no socket */
};

/*
 * A new connection; counted by the caller, uncounted when it ends.  "ssl"
 * (NULL: clear text) becomes its own.
 */
struct conn *conn_new(struct worker *, struct listener *, const struct wire *,
    int fd, SSL *ssl);
void conn_event(struct conn *, enum conn_event);
/* End it whatever its state is; an open request stays valid. */
void conn_abort(struct conn *);
/* A request's token has been hashed. */
void conn_proved(struct conn *);
/* The answer of an open request.  iov and held are borrowed. */
void conn_answer(struct req *, struct iovec *iov, int n,
    struct blob *const *held, size_t n_held);

/* --- output (out.c) --------------------------------------------------- */

/*
 * Write as much as goes; keep the rest, with references to the blobs, for
 * out_flush.  Bytes that lie in none of the blobs are in iov[0] or static.
 * With conn->close the end of TLS goes out with them.
 */
enum io out_send(struct conn *, struct iovec *iov, int n,
    struct blob *const *held, size_t n_held);
enum io out_flush(struct conn *);
bool out_waits(const struct conn *);
size_t out_left(const struct conn *); /* bytes, about */
void out_fini(struct conn *);

/* --- TLS (tls.c) ------------------------------------------------------ */

/*
 * tls_context.c: the context of a listener that has tls, its certificates,
 * keys and CAs read anew; *out is the caller's (SSL_CTX_free).
 */
enum err tls_context(const struct config_listen *, SSL_CTX **out,
    struct why *) MUST_CHECK;
/*
 * What the client's certificate lets it do at this listener; false, *out as it
 * was, when that is nothing.  The name in *out is the configuration's.
 */
bool tls_client(const struct conn *, const struct config_listen *,
    struct token_grant *out);
SSL *tls_new(SSL_CTX *);
void tls_bind(struct conn *); /* records go through conn->wire */
void tls_end(struct conn *);  /* say goodbye if it is polite, and free */
enum io tls_hello(struct conn *, struct why *);
/* As read(2): EAGAIN, EPROTO or what the wire said. */
ssize_t tls_recv(struct conn *, void *, size_t);
bool tls_pending(const struct conn *);
/* Encrypt; the records are written or added to conn->sealed. */
bool tls_seal(struct conn *, const void *, size_t) MUST_CHECK;
void tls_bye(struct conn *); /* close_notify, once */

/* --- workers ---------------------------------------------------------- */

/* Connections in order of their deadline: one timeout, so a plain queue. */
struct queue {
	TAILQ_HEAD(, conn) conns;
	enum metric late; /* counted when a deadline passes */
};

struct listener {
	unsigned magic;
	struct listener *next;
	struct worker *worker;
	unsigned id;      /* of the socket, see worker_listen */
	int fd;           /* -1: closed */
	struct event *ev; /* NULL: closed */
	unsigned serve, index;
	SSL_CTX *tls;
	size_t n_conns;
};

struct worker {
	unsigned magic;
	unsigned number;
	struct server *server;
	struct loop *loop;
	struct storage *storage;
	struct upstream *upstream;
	const struct routes *routes;
	struct config *config;
	struct prefetch *prefetch; /* the first worker's; or NULL */
	struct callers *callers;   /* of this configuration */
	struct jwt_keys *keys;     /* NULL: no listener serves "verify" */
	struct verifier *verifier; /* likewise */
	struct snap *snap;
	struct listener *listeners;

	TAILQ_HEAD(, conn) conns;
	struct queue heads, idles;
	struct timer *sweep;
	int64_t sweep_at; /* 0: not set */

	struct chunk *chunks; /* free ones */
	unsigned n_chunks;
	struct buf line;            /* the head of the answer being made */
	unsigned char plain[16384]; /* one TLS record being filled */

	uint64_t id_hi, id_lo; /* of the next fresh Request-ID */
	time_t date_at;
	char date[30];
	int64_t log_at;
	int log_left; /* lines that may be written before log_at + 1 s */
	bool draining;
	struct timer *pause; /* of accepting, when descriptors are out */
};

struct worker *worker_new(struct server *, unsigned number,
    const struct routes *, struct config *, struct storage *,
    struct upstream *);
/* Loop not started, or ended and joined. */
void worker_free(struct worker *);
/* May another line about a client's doing be logged now? Counts if not. */
const char *worker_date(struct worker *); /* for the Date header */
/* Put into a queue of deadlines, or take out of it (NULL). */
void worker_queue(struct worker *, struct queue *, struct conn *,
    long timeout_ms);

/* A listener of the new order; see worker_order(). */
struct worker_listen {
	unsigned id; /* never used again for another socket */
	int fd;      /* -1: the worker has it already; else becomes its own */
	unsigned serve;
	SSL_CTX *tls; /* NULL: clear text; a reference is taken */
};
/* On the worker's thread: take this configuration with its keys and these
 * listeners, close the listeners that are not among them. */
void worker_order(struct worker *, struct config *, struct jwt_keys *,
    struct verifier *, const struct worker_listen *, size_t n);
/* On the worker's thread: stop accepting, no further requests. */
void worker_drain(struct worker *);
/* On the worker's thread: close every connection. */
void worker_abort(struct worker *);

/* --- listening sockets (listen.c) ------------------------------------- */

/*
 * One listening socket per worker at an address as in listen[]: TCP sockets
 * of their own that share the port, or one unix socket several times.  Port 0
 * is drawn once.  On failure nothing is left.
 */
enum err listen_open(const char *address, bool shared, int *fd, unsigned n,
    int *port, struct why *) MUST_CHECK;
/* Remove what a unix address left behind. */
void listen_unlink(const char *address);

/* --- the server's counters, any thread -------------------------------- */

/* Refused tokens by source, for all workers. */
struct failures *server_failures(struct server *);

/*
 * Count a new connection from a source (hash of its address; 0: exempt):
 * serve it, tell it that we are full, or close it at once, uncounted.
 */
/* What sources were given last; all workers share it (trail.h). */
struct trail *server_trail(struct server *);
enum admit server_admit(struct server *, const struct config *,
    uint32_t source);
void server_leave(struct server *, bool shed, uint32_t source);
/*
 * Have a request's token hashed on the server's own thread; conn_proved() is
 * called on the worker's.  False: too many are waiting.
 */
bool server_prove(struct server *, struct conn *, struct config *,
    struct span token) MUST_CHECK;

#endif
