/* Callers of the metadata service: the items of hosts[]. */
#include "config/base/enc.h"
#include "config/base/map.h"
#include "config/schema.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN "listen:"
#define UID    "unix:uid="

static enum err
bad(struct why *why, const char *text)
{
	return why_set(why, ERR_CONFIG, CONFIG_CLAUSE, "%s", text);
}

/* --- reading one ------------------------------------------------------ */

/* Digits alone, without a zero in front, at most "max". */
static bool
number_read(const char *s, unsigned long max, unsigned long *out)
{
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n > 10 || s[n] != '\0' || (s[0] == '0' && n > 1))
		return false;
	*out = strtoul(s, NULL, 10);
	return *out <= max;
}

static enum err
uid_read(const char *s, struct match *out, struct why *why)
{
	unsigned long uid;

	/* The last number stands for "no user". */
	if (!number_read(s, UINT32_MAX - 1, &uid))
		return bad(why, "unix:uid= needs a user's number");
	out->kind = MATCH_UID;
	out->uid = (uint32_t)uid;
	return ERR_OK;
}

/* Clear what stands behind the prefix; true: something did. */
static bool
addr_cut(unsigned char *addr, size_t len, unsigned bits)
{
	bool any = false;
	unsigned char mask;
	size_t i;

	for (i = 0; i < len; i++, bits -= bits < 8 ? bits : 8) {
		mask = (unsigned char)(0xff00 >> (bits < 8 ? bits : 8));
		any = any || (addr[i] & ~mask) != 0;
		addr[i] = (unsigned char)(addr[i] & mask);
	}
	return any;
}

/*
 * What no caller's address can be told apart by: IPv6 link-local addresses
 * are those of one link only, and two guests may have the same one; IPv4
 * inside IPv6 never comes to our sockets.
 */
static enum err
source_check(const struct match *m, struct why *why)
{
	static const unsigned char mapped[12] = { [10] = 0xff, 0xff };

	if (!m->v6)
		return ERR_OK;
	if (m->bits >= 10 && m->addr[0] == 0xfe && (m->addr[1] & 0xc0) == 0x80)
		return bad(why, "link-local IPv6 addresses are not one "
				"guest's: name the listener");
	if (m->bits >= 96 && memcmp(m->addr, mapped, sizeof(mapped)) == 0)
		return bad(why, "write an IPv4 address as one");
	return ERR_OK;
}

static enum err
source_read(const char *s, struct match *out, struct why *why)
{
	size_t n = strcspn(s, "/");
	unsigned long bits;
	char host[INET6_ADDRSTRLEN];

	out->kind = MATCH_SOURCE;
	out->v6 = memchr(s, ':', n) != NULL;
	bits = out->v6 ? 128 : 32;
	if (n >= sizeof(host))
		return bad(why, "is no address");
	memcpy(host, s, n);
	host[n] = '\0';
	if (inet_pton(out->v6 ? AF_INET6 : AF_INET, host, out->addr) != 1 ||
	    (s[n] == '/' && !number_read(s + n + 1, bits, &bits)))
		return bad(why, "must be \"10.1.0.0/16\", \"fd00::/64\", "
				"\"unix:uid=N\" or \"listen:ADDRESS\"");
	out->bits = (unsigned)bits;
	if (addr_cut(out->addr, out->v6 ? 16 : 4, out->bits))
		return bad(why, "has bits set behind its prefix");
	return source_check(out, why);
}

enum err
match_read(const char *text, struct match *out, struct why *why)
{
	struct match m = { .listen = "" };
	enum err e = ERR_OK;

	if (strncmp(text, LISTEN, strlen(LISTEN)) == 0) {
		m.kind = MATCH_LISTEN;
		m.listen = text + strlen(LISTEN);
	} else if (strncmp(text, UID, strlen(UID)) == 0) {
		e = uid_read(text + strlen(UID), &m, why);
	} else {
		e = source_read(text, &m, why);
	}
	if (e == ERR_OK)
		*out = m;
	return e;
}

/* --- syntax of single values ------------------------------------------ */

enum err
syntax_match(char *s, struct why *why)
{
	struct match m;

	return match_read(s, &m, why);
}

enum err
syntax_product(char *s, struct why *why)
{
	static const char *const names[][2] = { { "Milan", "Milan" },
		{ "Genoa", "Genoa" }, { "Bergamo", "Genoa" },
		{ "Siena", "Genoa" }, { "Turin", "Turin" } };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (span_eq_nocase(span_str(s), names[i][0])) {
			/* None is longer than what it stands for. */
			memmove(s, names[i][1], strlen(names[i][1]) + 1);
			return ERR_OK;
		}
	}
	return bad(why, "must be \"Milan\", \"Genoa\" or \"Turin\"");
}

enum err
syntax_chip_id(char *s, struct why *why)
{
	if (!hex_is(span_str(s), 128) && !hex_is(span_str(s), 16))
		return bad(why, "must be 128 hex digits, or 16 for Turin");
	if (span_all(span_str(s), '0'))
		return bad(why, "is all zeros: the chip's id is masked");
	text_lower(s);
	return ERR_OK;
}

enum err
syntax_tcb(char *s, struct why *why)
{
	if (span_eq_nocase(span_str(s), "auto")) {
		text_lower(s);
		return ERR_OK;
	}
	if (!hex_is(span_str(s), 16))
		return bad(why, "must be 16 hex digits, or \"auto\"");
	text_upper(s);
	return ERR_OK;
}

/* As pccs-api 4 has it: any text of 1 to 260 characters. */
enum err
syntax_qe_id(char *s, struct why *why)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++) {
		if (s[i] <= ' ' || s[i] > '~')
			return bad(why, "must be printable");
	}
	if (n == 0 || n > 260)
		return bad(why, "must be 1 to 260 characters");
	text_upper(s);
	return ERR_OK;
}

/* --- what no single value can see ------------------------------------- */

/* The same caller always gives the same text. */
static void
match_name(const char *text, char out[160])
{
	char addr[INET6_ADDRSTRLEN];
	struct match m;

	snprintf(out, 160, "%s", text);
	if (match_read(text, &m, NULL) == ERR_OK && m.kind == MATCH_SOURCE &&
	    inet_ntop(m.v6 ? AF_INET6 : AF_INET, m.addr, addr, sizeof(addr)) !=
		NULL)
		snprintf(out, 160, "%s/%u", addr, m.bits);
}

/* A listener of that address that serves guests. */
static bool
listen_serves_thim(const struct config *c, const char *address)
{
	size_t i;

	for (i = 0; i < c->n_listen; i++) {
		if (strcmp(c->listen[i].address, address) == 0 &&
		    (c->listen[i].serve & SERVE_THIM))
			return true;
	}
	return false;
}

static enum err
match_check(struct reader *r, const struct config *c, const char *text,
    struct map *seen)
{
	static char there;
	struct match m;
	char name[160];

	match_name(text, name);
	if (map_put(seen, span_str(name), &there) != NULL)
		return reader_fail(r, "is in hosts[] already");
	if (match_read(text, &m, NULL) == ERR_OK && m.kind == MATCH_LISTEN &&
	    !listen_serves_thim(c, m.listen))
		return reader_fail(r, "no listener at that address serves "
				      "\"thim\"");
	return ERR_OK;
}

static enum err
chips_check(struct reader *r, const struct config_host *h)
{
	size_t want =
	    h->product != NULL && strcmp(h->product, "Turin") == 0 ? 16 : 128;
	size_t i, k, len;

	if (h->product == NULL && h->chip_id.n != 0)
		return reader_fail_at(r, ".product", "is missing");
	if (h->product != NULL && h->chip_id.n == 0)
		return reader_fail_at(r, ".chip_id", "is missing");
	if (h->chip_id.n == 0 && h->qe_id.n == 0)
		return reader_fail(r, "needs chip_id or qe_id");
	for (i = 0; i < h->chip_id.n; i++) {
		len = reader_enter(r, ".chip_id[%zu]", i);
		if (strlen(h->chip_id.v[i]) != want)
			return reader_fail(r, "must be %zu hex digits for %s",
			    want, h->product);
		for (k = 0; k < i; k++) {
			if (strcmp(h->chip_id.v[k], h->chip_id.v[i]) == 0)
				return reader_fail(r, "is there already");
		}
		reader_leave(r, len);
	}
	return ERR_OK;
}

/*
 * KDS has no certificate for a TCB with a byte that the product lacks, nor for
 * a level above 127 but the microcode's (amd-kds 2.3, 3.4).
 */
static enum err
tcb_check(struct reader *r, const struct config_host *h)
{
	/* Byte 7 first: any digit, 0 to 7, 0. */
	static const char turin[] = "xx0000007x7x7x7x",
			  rest[] = "xx7x000000007x7x";
	const char *form, *p = h->tcb;
	size_t len;

	if (h->product == NULL || strcmp(h->tcb, "auto") == 0)
		return ERR_OK;
	len = reader_enter(r, ".tcb");
	form = strcmp(h->product, "Turin") == 0 ? turin : rest;
	for (; *form != '\0'; form++, p++)
		if (*form != 'x' && *p > *form)
			return reader_fail(r, "is no TCB of %s", h->product);
	reader_leave(r, len);
	return ERR_OK;
}

static enum err
host_check(struct reader *r, const struct config *c, size_t i, struct map *seen)
{
	const struct config_host *h = &c->hosts[i];
	size_t k, len = reader_enter(r, "hosts[%zu]", i), inner;
	enum err e;

	for (k = 0; k < h->match.n; k++) {
		inner = reader_enter(r, ".match[%zu]", k);
		if ((e = match_check(r, c, h->match.v[k], seen)) != ERR_OK)
			return e;
		reader_leave(r, inner);
	}
	if ((e = chips_check(r, h)) != ERR_OK ||
	    (e = tcb_check(r, h)) != ERR_OK)
		return e;
	reader_leave(r, len);
	return ERR_OK;
}

enum err
hosts_check(struct reader *r, const struct config *c)
{
	struct map *seen = map_new();
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < c->n_hosts && e == ERR_OK; i++)
		e = host_check(r, c, i, seen);
	map_free(seen);
	return e;
}
