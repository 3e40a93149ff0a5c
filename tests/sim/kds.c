/*
 * AMD KDS's answers: names, certificates on demand, CRLs, throttling
 * (amd-kds 2 to 5).  Where the real one's behaviour is not known (amd-kds
 * 11) this one is strict.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DAY        ((time_t)86400)
#define CRL_PERIOD (28 * DAY) /* a new one so often, each good for 43 days */
#define CRL_FIRST  9u

/* --- names ------------------------------------------------------------ */

/* "Milan" alone: another case is another name. */
static bool
product_read(struct span name, enum amd_product *out)
{
	*out = amd_product_read(name);
	return *out < AMD_PRODUCT_N &&
	       span_eq_str(name, amd_product_name(*out));
}

/* One to three digits, at most "max". */
static bool
spl_read(const char *text, unsigned max, uint8_t *out)
{
	unsigned long v;
	size_t i, n = strlen(text);

	for (i = 0; i < n; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	v = strtoul(text, NULL, 10);
	*out = (uint8_t)v;
	return n >= 1 && n <= 3 && v <= max;
}

/* Each of the product's parameters once, and no other. */
static bool
spls_read(const struct ask *ask, enum amd_product product, struct amd_spl *out)
{
	struct amd_spl s = { 0 };
	const struct {
		const char *name;
		unsigned max;
		uint8_t *to;
	} want[] = { { "blSPL", 127, &s.bl }, { "teeSPL", 127, &s.tee },
		{ "snpSPL", 127, &s.snp }, { "ucodeSPL", 255, &s.ucode },
		{ "fmcSPL", 127, &s.fmc } };
	size_t i, n = product == AMD_TURIN ? 5 : 4;

	if (ask->n_params != n)
		return false;
	for (i = 0; i < n; i++) {
		const char *value = ask_param(ask, want[i].name);

		if (value == NULL || !spl_read(value, want[i].max, want[i].to))
			return false;
	}
	*out = s;
	return true;
}

static void
route_vcek(struct ask *ask, struct span hwid)
{
	struct kds_ask *k = &ask->kds;
	struct amd_spl spl;
	char *hex = span_dup(hwid);
	size_t i;

	for (i = 0; i < hwid.len; i++)
		hex[i] = (char)tolower((unsigned char)hex[i]);
	k->what = KDS_BAD;
	if (!hex_is(hwid, hwid.len)) {
		k->status = 400;
	} else if (hwid.len != 2 * amd_hwid_len(k->product)) {
		k->status = 404;
	} else if (!spls_read(ask, k->product, &spl)) {
		k->status = 400;
	} else {
		snprintf(ask->canonical, sizeof(ask->canonical),
		    "/vcek/v1/%s/%s", amd_product_name(k->product), hex);
		i = strlen(ask->canonical);
		kds_query_write(k->product, spl, ask->canonical + i,
		    sizeof(ask->canonical) - i);
		k->what = KDS_VCEK;
		k->status = chip_of_hwid(k->product, hex, &k->chip) ? 200 : 404;
		k->chip.spl = spl;
		k->chip.tcb = amd_tcb_of(k->product, spl);
	}
	free(hex);
}

void
kds_route(struct ask *ask)
{
	struct kds_ask *k = &ask->kds;
	struct span rest = span_str(ask->raw), product;

	if (span_starts(rest, "/vcek/"))
		k->side = AMD_VCEK;
	else if (span_starts(rest, "/vlek/"))
		k->side = AMD_VLEK;
	else
		return;
	snprintf(ask->canonical, sizeof(ask->canonical), "%s", ask->raw);
	k->what = KDS_BAD;
	k->status = 404;
	must(span_skip(&rest, 6) == ERR_OK);
	if (!span_starts(rest, "v1/") || span_skip(&rest, 3) != ERR_OK ||
	    span_until(&rest, '/', &product) != ERR_OK ||
	    !product_read(product, &k->product))
		return;
	if (span_eq_str(rest, "cert_chain"))
		k->what = KDS_CHAIN;
	else if (span_eq_str(rest, "crl"))
		k->what = KDS_CRL;
	else if (k->side == AMD_VCEK)
		route_vcek(ask, rest);
	else if (span_eq_str(rest, "cert"))
		k->what = KDS_VLEK_ISSUE;
}

/* --- throttling ------------------------------------------------------- */

/* True: this client had this answer a moment ago. */
static bool
throttled(struct ask *ask)
{
	struct sim *sim = ask->sim;
	struct buf key = BUF_INIT;
	bool refuse = false;
	time_t *at;

	/* CRLs are reported not to be throttled (amd-kds 2.6). */
	if (ask->kds.what == KDS_CRL)
		return false;
	buf_printf(&key, "%s %s", ask->peer, ask->canonical);
	pthread_mutex_lock(&sim->lock);
	at = map_get(sim->throttled, buf_view(&key));
	if (sim->throttle_s > 0 && at != NULL && *at <= ask->now)
		refuse = ask->now - *at < sim->throttle_s;
	if (at == NULL) {
		at = xcalloc(1, sizeof(*at));
		must(map_put(sim->throttled, buf_view(&key), at) == NULL);
	}
	if (!refuse)
		*at = ask->now;
	pthread_mutex_unlock(&sim->lock);
	buf_free(&key);
	return refuse;
}

void
sim_throttle(struct sim *sim, long seconds)
{
	pthread_mutex_lock(&sim->lock);
	sim->throttle_s = seconds;
	pthread_mutex_unlock(&sim->lock);
}

void
kds_fini(struct sim *sim)
{
	struct map_iter i = map_iter(sim->throttled);
	enum amd_product p;
	struct span key;
	void *v;

	while (map_next(&i, &key, &v))
		free(v);
	map_free(sim->throttled);
	for (p = AMD_MILAN; p < AMD_PRODUCT_N; p++) {
		blob_unref(sim->kds[p].crl[AMD_VCEK].der);
		blob_unref(sim->kds[p].crl[AMD_VLEK].der);
	}
}

/* --- the world -------------------------------------------------------- */

void
sim_amd_revoke(struct sim *sim, enum amd_product product, enum amd_side side)
{
	pthread_mutex_lock(&sim->lock);
	sim->kds[product].revoked[side] = true;
	sim->kds[product].forced[side] = clock_now() + sim->skew;
	pthread_mutex_unlock(&sim->lock);
}

void
sim_amd_rotate(struct sim *sim, enum amd_product product)
{
	pthread_mutex_lock(&sim->lock);
	sim->kds[product].next = true;
	pthread_mutex_unlock(&sim->lock);
}

static bool
next_signs(struct ask *ask)
{
	bool next;

	pthread_mutex_lock(&ask->sim->lock);
	next = ask->sim->kds[ask->kds.product].next;
	pthread_mutex_unlock(&ask->sim->lock);
	return next;
}

/* --- answers ---------------------------------------------------------- */

static void
answer_object(struct answer *a, const char *type, struct blob *body)
{
	a->status = 200;
	a->type = type;
	a->body = body;
}

static time_t
older(const struct ask *ask)
{
	if (!ask_fault(ask, SIM_OLDER))
		return 0;
	return ask->fault.arg != 0 ? ask->fault.arg : DAY;
}

static void
answer_chain_body(struct ask *ask, struct answer *a)
{
	struct pki_amd_chain c = { .product = ask->kds.product,
		.side = ask->kds.side,
		.next = ask->kds.side == AMD_VCEK && next_signs(ask),
		.lie = ask_amd_lie(ask) };

	answer_object(a, "application/x-pem-file",
	    pki_amd_chain(ask->sim->amd, &c));
}

/* The same bytes until there is another number, as AMD's are. */
static struct blob *
crl_in_force(struct sim *sim, const struct pki_amd_crl *c)
{
	unsigned long *number = &sim->kds[c->product].crl[c->side].number;
	struct blob **der = &sim->kds[c->product].crl[c->side].der, *out;

	pthread_mutex_lock(&sim->lock);
	if (*der == NULL || *number != c->number) {
		blob_unref(*der);
		*der = pki_amd_crl(sim->amd, c);
		*number = c->number;
	}
	out = blob_ref(*der);
	pthread_mutex_unlock(&sim->lock);
	return out;
}

/* The one that is in force: a new number with each period and revocation. */
static void
answer_crl(struct ask *ask, struct answer *a)
{
	struct sim *sim = ask->sim;
	enum amd_product product = ask->kds.product;
	enum amd_side side = ask->kds.side;
	time_t first = pki_amd_now(sim->amd), forced, periods;
	struct pki_amd_crl c = { .product = product,
		.side = side,
		.lie = ask_amd_lie(ask) };
	uint32_t serial =
	    pki_amd_serial(product, side == AMD_VLEK ? PKI_ASVK : PKI_ASK);

	pthread_mutex_lock(&sim->lock);
	forced = sim->kds[product].forced[side];
	c.n_revoked = sim->kds[product].revoked[side];
	pthread_mutex_unlock(&sim->lock);
	c.revoked = &serial;
	periods = ask->now > first ? (ask->now - first) / CRL_PERIOD : 0;
	c.number = CRL_FIRST + (unsigned long)periods + c.n_revoked;
	c.this_update = first + periods * CRL_PERIOD;
	if (c.this_update < forced)
		c.this_update = forced;
	c.this_update -= older(ask);
	if (ask_fault(ask, SIM_LOWER))
		c.number -=
		    ask->fault.arg > 0 ? (unsigned long)ask->fault.arg : 1;
	answer_object(a, "application/pkix-crl",
	    ask_fault(ask, SIM_OLDER) || ask_fault(ask, SIM_LOWER) ||
		    c.lie != AMD_HONEST
		? pki_amd_crl(sim->amd, &c)
		: crl_in_force(sim, &c));
}

/* Signed now: another notBefore each time (amd-kds 3.5). */
static void
answer_vcek(struct ask *ask, struct answer *a)
{
	struct pki_vek v = sim_chip_vek(&ask->kds.chip);

	v.not_before = ask->now - older(ask);
	v.next = next_signs(ask);
	v.lie = ask_amd_lie(ask);
	answer_object(a, "application/pkix-cert", pki_vek(ask->sim->amd, &v));
}

void
kds_answer(struct ask *ask, struct answer *a)
{
	const struct kds_ask *k = &ask->kds;

	a->status = k->status;
	if (ask->method != SIM_GET && ask->method != SIM_HEAD)
		a->status = 405;
	else if (k->what == KDS_BAD)
		return;
	else if (k->what == KDS_VLEK_ISSUE)
		a->status = 401; /* enrolled providers alone */
	else if (throttled(ask))
		a->status = 429;
	else if (ask->sim->replay != NULL)
		kds_replay_answer(ask, a);
	else if (k->what == KDS_CHAIN)
		answer_chain_body(ask, a);
	else if (k->what == KDS_CRL)
		answer_crl(ask, a);
	else if (k->status == 200)
		answer_vcek(ask, a);
}
