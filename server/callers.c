#include "server/callers.h"

#include "config/base/enc.h"
#include "config/base/map.h"
#include "config/base/must.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct callers {
	struct config *config;
	size_t n;
	struct caller *rows;
	const struct caller **by_listener; /* as config->listen; or NULL */
	struct map *by_name;               /* struct caller, borrowed */
	/* which lengths of prefixes there are */
	bool v4[33], v6[129];
};

/* --- names of callers in the map -------------------------------------- */

struct name {
	unsigned char b[18];
	size_t len;
};

static struct name
name_uid(uint32_t uid)
{
	struct name n = { { 'u' }, 1 + sizeof(uid) };

	memcpy(n.b + 1, &uid, sizeof(uid));
	return n;
}

/* The first "bits" bits of an address. */
static struct name
name_source(bool v6, const unsigned char *addr, unsigned bits)
{
	size_t whole = bits / 8, len = v6 ? 16 : 4;
	struct name n = { { v6 ? '6' : '4', (unsigned char)bits }, 2 + len };

	memcpy(n.b + 2, addr, whole);
	if (bits % 8 != 0)
		n.b[2 + whole] =
		    addr[whole] & (unsigned char)(0xff00 >> bits % 8);
	return n;
}

static const struct caller *
name_get(const struct callers *cs, struct name n)
{
	return map_get(cs->by_name, span_of(n.b, n.len));
}

static void
name_put(struct callers *cs, struct name n, struct caller *c)
{
	/* The configuration has no caller twice. */
	must(map_put(cs->by_name, span_of(n.b, n.len), c) == NULL);
}

/* --- making ----------------------------------------------------------- */

static void
caller_init(struct caller *c, const struct config_host *row, size_t index)
{
	size_t i, len;

	c->row = row;
	c->index = index;
	c->product = AMD_PRODUCT_N;
	if (row->product != NULL)
		c->product = amd_product_read(span_str(row->product));
	c->tcb_auto = strcmp(row->tcb, "auto") == 0;
	if (!c->tcb_auto)
		must(amd_tcb_read(span_str(row->tcb), &c->tcb) == ERR_OK);
	if (c->product == AMD_PRODUCT_N)
		return;
	len = amd_hwid_len(c->product);
	c->n_chips = row->chip_id.n;
	c->chip = xcalloc(c->n_chips, sizeof(*c->chip));
	for (i = 0; i < c->n_chips; i++)
		must(hex_read(span_str(row->chip_id.v[i]), c->chip[i], len) ==
		     ERR_OK);
}

static void
callers_listen(struct callers *cs, const char *address, struct caller *c)
{
	size_t i;

	for (i = 0; i < cs->config->n_listen; i++) {
		if (strcmp(cs->config->listen[i].address, address) == 0)
			cs->by_listener[i] = c;
	}
}

static void
callers_add(struct callers *cs, const char *text, struct caller *c)
{
	struct match m;

	must(match_read(text, &m, NULL) == ERR_OK);
	switch (m.kind) {
	case MATCH_LISTEN:
		callers_listen(cs, m.listen, c);
		break;
	case MATCH_UID:
		name_put(cs, name_uid(m.uid), c);
		break;
	case MATCH_SOURCE:
		(m.v6 ? cs->v6 : cs->v4)[m.bits] = true;
		name_put(cs, name_source(m.v6, m.addr, m.bits), c);
		break;
	}
}

struct callers *
callers_new(struct config *config)
{
	struct callers *cs = xcalloc(1, sizeof(*cs));
	size_t i, k;

	cs->config = config_ref(config);
	cs->by_name = map_new();
	cs->by_listener = xcalloc(config->n_listen, sizeof(*cs->by_listener));
	cs->n = config->n_hosts;
	cs->rows = xcalloc(cs->n, sizeof(*cs->rows));
	for (i = 0; i < cs->n; i++) {
		caller_init(&cs->rows[i], &config->hosts[i], i);
		for (k = 0; k < config->hosts[i].match.n; k++)
			callers_add(cs, config->hosts[i].match.v[k],
			    &cs->rows[i]);
	}
	return cs;
}

void
callers_free(struct callers *cs)
{
	size_t i;

	if (cs == NULL)
		return;
	for (i = 0; i < cs->n; i++)
		free(cs->rows[i].chip);
	free(cs->rows);
	free(cs->by_listener);
	map_free(cs->by_name);
	config_unref(cs->config);
	free(cs);
}

/* --- looking up ------------------------------------------------------- */

static const struct caller *
find_source(const struct callers *cs, bool v6, const unsigned char *addr)
{
	const bool *has = v6 ? cs->v6 : cs->v4;
	const struct caller *c;
	int bits;

	for (bits = v6 ? 128 : 32; bits >= 0; bits--) {
		if (!has[bits])
			continue;
		c = name_get(cs, name_source(v6, addr, (unsigned)bits));
		if (c != NULL)
			return c;
	}
	return NULL;
}

const struct caller *
callers_find(const struct callers *cs, unsigned listener, const char *peer)
{
	/* So an IPv4 client comes to a socket of systemd's for both. */
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned char addr[16];
	struct match m;

	if (listener < cs->config->n_listen &&
	    cs->by_listener[listener] != NULL)
		return cs->by_listener[listener];
	if (inet_pton(AF_INET, peer, addr) == 1)
		return find_source(cs, false, addr);
	if (inet_pton(AF_INET6, peer, addr) == 1)
		return memcmp(addr, mapped, sizeof(mapped)) == 0
			   ? find_source(cs, false, addr + sizeof(mapped))
			   : find_source(cs, true, addr);
	if (match_read(peer, &m, NULL) == ERR_OK && m.kind == MATCH_UID)
		return name_get(cs, name_uid(m.uid));
	return NULL;
}

const struct caller *
callers_rows(const struct callers *cs, size_t *n)
{
	*n = cs->n;
	return cs->rows;
}

/* --- what a row allows ------------------------------------------------ */

struct span
caller_chip(const struct caller *c, size_t i)
{
	must(i < c->n_chips);
	return span_of(c->chip[i], amd_hwid_len(c->product));
}

bool
caller_has_chip(const struct caller *c, struct span chip_id, size_t *out)
{
	struct span own, rest;
	size_t i;

	for (i = 0; i < c->n_chips; i++) {
		own = caller_chip(c, i);
		if (chip_id.len != own.len && chip_id.len != AMD_HWID_MAX)
			continue;
		rest = span_of(chip_id.p + own.len, chip_id.len - own.len);
		if (span_eq(span_of(chip_id.p, own.len), own) &&
		    span_all(rest, 0)) {
			*out = i;
			return true;
		}
	}
	return false;
}

bool
caller_has_qe_id(const struct caller *c, const char *qe_id)
{
	const struct config_list *l = &c->row->qe_id;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], "*") == 0 ||
		    strcasecmp(l->v[i], qe_id) == 0)
			return true;
	}
	return false;
}
