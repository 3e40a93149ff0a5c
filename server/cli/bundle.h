/*
 * Objects on their way into a running server, as bundles of a bearable size
 * (server/api_bundle.c has the form).
 */
#ifndef SERVER_CLI_BUNDLE_H
#define SERVER_CLI_BUNDLE_H

#include "server/cli/cli.h"
#include "storage/storage.h"

#include <jansson.h>

struct bundle {
	const struct cli *cli;
	const char *path; /* what the objects came from, for messages */
	json_t *objects;  /* not sent yet */
	size_t taken;
	int rc; /* CLI_OK, or what failed was printed */
};

void bundle_init(struct bundle *, const struct cli *, const char *path);
/* Steals the object. Sends what there is when it is enough. */
void bundle_add(struct bundle *, json_t *object);
/* A message about a piece that cannot be sent; the rest goes on. */
void bundle_fail(struct bundle *, const char *what, const struct why *);
/* Sends the rest, says how many were taken; gives rc. */
int bundle_end(struct bundle *);

/* --- AMD's files ------------------------------------------------------ */

/* Neither JSON nor text of another kind: PEM certificates or DER. */
bool bundle_is_amd(struct span file);
/*
 * The object of a cert_chain body, a CRL, or a VCEK or VLEK in DER or PEM.
 * Its names say which; the server's gate judges it.  A CRL does not say of
 * which side it is: "crl_side" does.
 */
enum err bundle_amd(struct span file, enum amd_side crl_side, json_t **out,
    struct why *) MUST_CHECK;
/* The object of an endorsement key. */
json_t *bundle_vek(const struct vek *);

#endif
