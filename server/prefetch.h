/*
 * Fetching ahead for the metadata service: what the rows of hosts[] will ask
 * for is fetched when a configuration is taken, not when the first guest asks
 * (amd-kds 8.2).  One worker's loop.  Private to server/.
 */
#ifndef SERVER_PREFETCH_H
#define SERVER_PREFETCH_H

#include "server/worker.h"

struct prefetch;
struct prefetch *prefetch_new(struct worker *);
/*
 * Have the issuer chain of every row's product and, of rows with a fixed TCB,
 * every chip's VCEK fetched that is not held.  What cannot be had is tried
 * again every ten minutes.  Calling it again begins anew.
 */
void prefetch_start(struct prefetch *);
/* Begin nothing more; what is under way ends. */
void prefetch_stop(struct prefetch *);
/* Nothing is under way: the server has waited for it. NULL is fine. */
void prefetch_free(struct prefetch *);

#endif
