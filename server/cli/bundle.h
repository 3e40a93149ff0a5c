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
	size_t older; /* left out and named: something newer is held */
	int rc;       /* CLI_OK, or what failed was printed */
};

void bundle_init(struct bundle *, const struct cli *, const char *path);
/* Steals the object. Sends what there is when it is enough. */
void bundle_add(struct bundle *, json_t *object);
/* A message about a piece that cannot be sent; the rest goes on. */
void bundle_fail(struct bundle *, const char *what, const struct why *);
/* Sends the rest, says how many were taken; gives rc. */
int bundle_end(struct bundle *);
/*
 * Or: send bodies of POST /v1/import that are ready, and end without a word.
 * False: the server did not say what became of each piece.
 */
bool bundle_post(struct bundle *, struct span text);
int bundle_fini(struct bundle *);

/* Who judges goes before who is judged: 0 .. BUNDLE_RANKS - 1. */
#define BUNDLE_RANKS 3
int bundle_rank(const json_t *object);
/*
 * GET /v1/export, or a page of one of its parts: what is held.  *next is 0 at
 * first, and 0 behind the last page.  NULL: a message has been printed.
 */
json_t *bundle_page(struct cli *, const char *part, json_int_t *next);

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
