/*
 * FRONT DOOR of the server: who asks us.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "config/config.h"
#include "upstream/upstream.h"

struct judges;
struct pulse;
struct server;
struct tally;

/*
 * The calls below are the main thread's.
 *
 * Bind every listener, load TLS, start the workers.  On failure nothing is
 * left bound.  storage and upstream are borrowed until server_free.
 */
enum err server_start(struct config *, struct storage *, struct upstream *,
    struct server **out, struct why *) MUST_CHECK;
/* New TLS contexts, tokens and limits for new requests; a configuration that
 * cannot be used is refused and the old stays.  Listeners are added and
 * closed as the new list says, open connections go on. */
enum err server_reload(struct server *, struct config *,
    struct why *) MUST_CHECK;
/* Have the workers' loops watched; the pulse outlives the server. */
void server_pulse(struct server *, struct pulse *);
/* Stop accepting, finish what is in flight within limits.drain_s. Blocks. */
void server_drain(struct server *);
/* Close what is left, drain the upstream, end the workers. NULL is fine. */
void server_free(struct server *);
/* The port a listener really has (for ":0"); index into config->listen. */
int server_port(struct server *, unsigned listener);
/* Who judges evidence (NULL: no listener serves it), and the count of it. */
struct judges *server_judges(struct server *);
struct tally *server_tally(struct server *);
/* Connections open now, for metrics and tests. Any thread. */
size_t server_connections(struct server *);

#endif
