/*
 * A worker: one loop, its listeners, its connections, its snapshot pointer.
 * Everything here belongs to that loop's thread.  Private to server/.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "server/http.h"
#include "upstream/upstream.h"

struct jwt_keys;
struct callers;
struct server;
struct verifier;

/* The world a handler may reach. */
struct snap *worker_snap(struct worker *);     /* borrowed; swaps between
  call-backs, never inside one */
struct config *worker_config(struct worker *); /* borrowed, likewise */
/* What signs tokens; NULL: no listener serves "verify".  Borrowed, likewise;
 * other threads take a reference. */
struct jwt_keys *worker_jwt_keys(struct worker *);
const struct callers *worker_callers(struct worker *); /* likewise */
/* What verdicts are made with; NULL likewise.  Borrowed, likewise. */
struct verifier *worker_verifier(struct worker *);
struct storage *worker_storage(struct worker *);
struct upstream *worker_upstream(struct worker *);
struct loop *worker_loop(struct worker *);
struct server *worker_server(struct worker *);
/* Logging of what clients do is bounded: may one more line be written? */
bool worker_may_log(struct worker *);

/* Something is under way that no connection stands for, +1, or has ended,
 * -1: the end of the server waits for it. Any thread. */
void server_orphan(struct server *, int change);

#endif
