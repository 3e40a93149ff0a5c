/*
 * What is asked for by a path and query of AMD's KDS (amd-kds 2, 8.1) or of
 * Azure's certificate cache (8.3): one canonical key whatever the spelling.
 * Pure, any thread.  Private to server/.
 */
#ifndef SERVER_KDS_PATH_H
#define SERVER_KDS_PATH_H

#include "storage/storage.h"

/*
 * "path" is decoded, "query" as sent, without its "?".
 *     /{vcek,vlek}/v1/{product}/cert_chain, /crl    the query is ignored
 *     /vcek/v1/{product}/{hwid}?blSPL=4&...
 *     /vlek/v1/{product}/cert?blSPL=4&...[&cspID=]
 * A VLEK's key that names no provider has an empty csp_id and an empty text.
 * ERR_NO_ROUTE: no such product, no hwid of its length, no such path;
 * ERR_PARAM: the rest of amd-kds 8.1.
 */
enum err kds_path_read(struct span path, struct span query,
    struct coll_key *out, struct why *) MUST_CHECK;

/* /SevSnpVM/certificates/{chip_id}/{tcb}: the product is not in it. */
struct azure_ask {
	size_t chip_len; /* 64, or 8: Turin's short form */
	unsigned char chip[AMD_HWID_MAX];
	struct amd_tcb tcb;
};
/* ERR_NO_ROUTE: whatever is wrong with it (amd-kds 8.3). */
enum err azure_path_read(struct span path, struct azure_ask *out,
    struct why *) MUST_CHECK;
/* A Turin chip, as the shape of the id tells. */
bool azure_is_turin(const struct azure_ask *);
/*
 * The key if the chip is of this product; false: it cannot be, by the length
 * of its id or by a byte of the TCB that the product does not have, or not so
 * high.
 */
bool azure_key(const struct azure_ask *, enum amd_product,
    struct coll_key *out);

#endif
