/*
 * The whole house in this process: simulated PCS and KDS, storage on a database
 * of its own, upstream, server; and requests to it as clients send them, bytes
 * on a socket.  A call ends the test when something does not happen within
 * PATIENCE_MS.  One house per test.
 */
#ifndef TESTS_KIT_HOUSE_H
#define TESTS_KIT_HOUSE_H

#include "server/server.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"
#include "tests/sim/sim.h"

#define HOUSE_USER  "user-secret"
#define HOUSE_ADMIN "admin-secret"

/* Members of larder.json; NULL: the defaults below. */
struct house_opts {
	const char *mode;     /* "lazy" */
	int workers;          /* 2 */
	const char *cache;    /* inside cache{}: "" */
	const char *upstream; /* inside upstream{}, beside pcs and kds: "" */
	const char *kds;      /* inside kds{}, beside its urls: "" */
	const char *limits;   /* inside limits{}: "" */
	/* listen[]: one on 127.0.0.1 that serves pccs, ops, admin */
	const char *listen;
	const struct sim_opts *sim;
	const struct sim *mirror; /* asked after the first; NULL: none */
	const char *members;      /* further ones, "\"hosts\":[]": none */
	const char *where; /* the database's folder is made there: "/tmp" */
	bool real_roots;   /* trust Intel's and AMD's, not the simulator's */
};

struct house {
	struct sim *sim;
	struct config *config;
	struct storage *storage;
	struct upstream *upstream;
	struct server *server;
	int port; /* of the first listener */
	char dir[64];
};

void house_start(struct house *, const struct house_opts *); /* NULL is fine */
/* Down and up again with other options: simulator and database stay. */
void house_restart(struct house *, const struct house_opts *);
/* The two halves of that. */
void house_down(struct house *);
void house_up(struct house *, const struct house_opts *);
/* The same with an empty database. */
void house_fresh(struct house *, const struct house_opts *);
void house_stop(struct house *);
/* Another configuration while it runs, as SIGHUP. */
void house_reload(struct house *, const struct house_opts *);

/* Move the virtual clock; what is due then has been asked for and has ended
 * when this returns. */
void house_later(const struct house *, int64_t seconds);

/* The larder.json of it; free(). */
char *house_json(const struct house *, const struct house_opts *);
/*
 * Beside: larderd as a child process, its database in run_dir().  A house of
 * zeros gets a simulator, to be ended with sim_stop(); sim, dir and port are
 * what it has, so that requests can be made.
 */
void house_daemon(struct house *, const struct house_opts *,
    struct daemon_run *);

/* --- requests --------------------------------------------------------- */

/*
 * One request on a connection of its own.  "target" goes out as it is;
 * "headers" are further lines, each ending CRLF, or NULL; Host and, with a
 * body, Content-Length are added.
 */
struct edge_reply house_send(const struct house *, const char *method,
    const char *target, const char *headers, struct span body);
struct edge_reply house_get(const struct house *, const char *target);
/* The same, its status alone. */
int house_status(const struct house *, const char *target);
/* With the admin token. */
struct edge_reply house_admin(const struct house *, const char *method,
    const char *target, const char *body);
/* The simulator's own answer; body NULL: none. */
struct edge_reply house_upstream(const struct house *, const char *method,
    const char *target, const char *body);

/* --- what tests ask for ----------------------------------------------- */

/* pckcert?qeid=... in QCNL's order and case; nonce of the PPID, 0: zeros. */
char *house_pckcert(const struct sim_platform *, unsigned nonce); /* free() */
/* The body of POST platforms in PCKIDRetrievalTool's order. */
char *house_registration(const struct sim_platform *, unsigned nonce,
    const char *manifest); /* free() */
struct edge_reply house_register(const struct house *, const char *query,
    const char *body);

/* An SGX quote of a platform that the simulator knows, and up to date. */
struct blob *house_quote(const struct house *);

/* Every byte of two answers' bodies is the same. */
bool house_same_body(const struct edge_reply *, const struct edge_reply *);
/* The seconds of "max-age="; -1 without the header. */
int house_max_age(const struct edge_reply *);

/* --- expectations ----------------------------------------------------- */

/* The header is there with exactly this value. */
void expect_header(const struct edge_reply *, const char *name,
    const char *value);
bool has_header(const struct edge_reply *, const char *name);
/* A GET ends with this status and, if not NULL, this Larder-Reason. */
void expect_get(const struct house *, const char *target, int status,
    const char *reason);
/* The same for pckcert. */
void expect_pckcert(const struct house *, const struct sim_platform *,
    unsigned nonce, int status, const char *reason);
/* With the admin token. */
void expect_admin(const struct house *, const char *method, const char *target,
    const char *body, int status);
/* POST platforms ends with 200; manifest NULL: none. */
void expect_registered(const struct house *, const struct sim_platform *,
    const char *manifest);

#endif
