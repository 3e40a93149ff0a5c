/* The server with the routes larder has. */
#include "server/route.h"
#include "server/server.h"

enum err
server_start(struct config *config, struct storage *storage,
    struct upstream *upstream, struct server **out, struct why *why)
{
	/* Where a listener serves both, the guarded rows of thim go before
	 * the same paths of pccs. */
	static const struct route *const lists[] = { routes_thim, routes_pccs,
		routes_admin, routes_console, routes_ops, routes_kds,
		routes_jwks, routes_verify };

	return server_start_routes(lists, sizeof(lists) / sizeof(lists[0]),
	    config, storage, upstream, out, why);
}
