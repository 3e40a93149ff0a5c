#include "storage/chains.h"

#include "config/base/map.h"
#include "config/base/must.h"

#include <stdlib.h>

/* Intel has one TCB signing key and two PCK CAs, and new ones in years. */
#define CHAINS_MAX 64

struct chains {
	struct map *map[CHAIN_ROOT + 1]; /* by role: PEM -> struct chain */
};

static void
maps_new(struct chains *c)
{
	int role;

	for (role = 0; role <= CHAIN_ROOT; role++)
		c->map[role] = map_new();
}

static void
maps_free(struct chains *c)
{
	struct map_iter it;
	struct span key;
	void *value;
	int role;

	for (role = 0; role <= CHAIN_ROOT; role++) {
		it = map_iter(c->map[role]);
		while (map_next(&it, &key, &value))
			chain_unref(value);
		map_free(c->map[role]);
	}
}

struct chains *
chains_new(void)
{
	struct chains *c = xcalloc(1, sizeof(*c));

	maps_new(c);
	return c;
}

void
chains_free(struct chains *c)
{
	if (c == NULL)
		return;
	maps_free(c);
	free(c);
}

void
chains_clear(struct chains *c)
{
	maps_free(c);
	maps_new(c);
}

enum err
chains_get(struct chains *c, struct span pem, enum chain_role role,
    const struct anchors *anchors, const struct crl *root_crl,
    struct chain **out, struct why *why)
{
	struct chain *held = NULL;
	enum err e;

	must(role != CHAIN_PCK);
	if (c != NULL)
		held = map_get(c->map[role], pem);
	/* CRLs come and go.  What they refuse is read anew, to say why. */
	if (held != NULL &&
	    chain_check_crls(held, root_crl, NULL, NULL) == ERR_OK) {
		*out = chain_ref(held);
		return ERR_OK;
	}
	if ((e = chain_read(pem, role, anchors, root_crl, NULL, out, why)) !=
		ERR_OK ||
	    c == NULL)
		return e;
	if (map_len(c->map[role]) >= CHAINS_MAX)
		chains_clear(c);
	chain_unref(map_put(c->map[role], pem, chain_ref(*out)));
	return ERR_OK;
}
