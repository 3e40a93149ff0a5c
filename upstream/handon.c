/*
 * The job of fetching a pckcerts list for somebody behind us who speaks PCS:
 * another larder, PcsClientTool (pccs-api 9.5, 10).  The list is judged and
 * handed on; it is not kept, since nothing says whose it is.
 */
#include "upstream/room.h"

#include "config/base/enc.h"
#include "config/base/metric.h"
#include "config/base/must.h"

#include <stdio.h>
#include <stdlib.h>

/* A revocation list that is good to have is waited for this long. */
#define CRL_WAIT_MS 2000

struct handon {
	struct flight flight;
	struct upstream *up;
	struct platform_ask ask; /* its blobs are owned; no QE-ID */
	/* the answer in hand */
	struct blob *body, *chain;
	char *source;
	struct pcs_platform seen; /* its spans are not used */
	struct pck_list *list;
};

static const struct job handon_job;

static struct handon *
handon_of(struct flight *f)
{
	must(f->job == &handon_job);
	return msg_of(f, struct handon, flight);
}

/* By what is asked with: a PPID's ciphertext, or a manifest. The label is
 * for logs. */
struct handon_name {
	char s[64], label[32];
};

static struct handon_name
handon_name(const struct platform_ask *ask)
{
	struct blob *with =
	    ask->manifest != NULL ? ask->manifest : ask->enc_ppid;
	unsigned char digest[32];
	struct handon_name n;
	char hex[33];

	sha256(blob_span(with), digest);
	hex_lower(span_of(digest, 16), hex);
	snprintf(n.s, sizeof(n.s), "pckcerts/%s/%s", hex, ask->id.pce_id);
	snprintf(n.label, sizeof(n.label), "pckcerts/%.8s", hex);
	return n;
}

static void
handon_prepare(struct flight *f)
{
	flight_go(f);
}

static size_t
handon_mirrors(struct flight *f)
{
	return pcs_platform_mirrors(f->config);
}

static void
handon_request(struct flight *f, size_t mirror, struct request *out)
{
	struct handon *h = handon_of(f);

	pcs_platform_request(f->config, &h->ask, h->ask.manifest != NULL,
	    mirror, out);
}

static void
handon_clear(struct handon *h)
{
	blob_unref(h->body);
	blob_unref(h->chain);
	free(h->source);
	h->body = h->chain = NULL;
	h->source = NULL;
}

static enum err
handon_reply(struct flight *f, const struct reply *r, struct why *why)
{
	struct handon *h = handon_of(f);
	enum err e = pcs_platform_reply(r, &h->seen, why);

	if (e != ERR_OK)
		return e;
	handon_clear(h);
	h->body = blob_from(h->seen.body);
	h->chain = blob_from(h->seen.chain);
	h->source = source_of(f);
	return ERR_OK;
}

static void
handon_judged(void *arg, enum err e, const struct why *why,
    struct pck_list *list)
{
	struct flight *f = flight_cast(arg);
	struct handon *h = handon_of(f);
	struct upstream *up = h->up;

	if (e == ERR_OK) {
		h->list = pck_list_ref(list);
		flight_won(f);
	} else {
		flight_lost(f, e, why);
	}
	flight_unref(f);
	upstream_called(up);
}

static void
handon_judge(struct handon *h)
{
	struct pckcerts_raw raw = { blob_span(h->body), blob_span(h->chain),
		h->source, clock_now() };

	upstream_call(h->up);
	storage_judge_pckcerts(h->up->storage, h->ask.id.pce_id, &raw,
	    handon_judged, flight_ref(&h->flight));
}

static void
crl_told(struct waiter *w)
{
	struct handon *h = handon_of(flight_cast(w->arg));

	if (h->flight.state == FLIGHT_CHECKING)
		handon_judge(h);
	flight_unref(&h->flight);
}

/* However asking for the revocation list goes, the list is judged then. */
static void
handon_check(struct flight *f)
{
	struct handon *h = handon_of(f);
	struct coll_key key;

	if (h->seen.has_ca) {
		key = key_pck_crl(h->seen.ca);
		if (!object_fresh(h->up, &key)) {
			object_want(h->up, &key, false,
			    waiter_inner(h->up, CRL_WAIT_MS, false, crl_told,
				flight_ref(f)));
			return;
		}
	}
	handon_judge(h);
}

static void
handon_ended(struct flight *f)
{
	enum err e = f->why.err;

	if (e == ERR_UP_ABSENT || e == ERR_UP_GONE || e == ERR_UP_REFUSED)
		negative_put(handon_of(f)->up->negative, f->name, &f->why,
		    clock_now() + f->config->cache.negative_s);
}

static void
handon_answer(struct flight *f, struct waiter *w)
{
	w->list = pck_list_ref(handon_of(f)->list);
	flights_tell(f->table, w, f->why.err, &f->why);
}

static void
handon_free(struct flight *f)
{
	struct handon *h = handon_of(f);

	handon_clear(h);
	blob_unref(h->ask.enc_ppid);
	blob_unref(h->ask.manifest);
	pck_list_unref(h->list);
	free(h);
}

static const struct job handon_job = { handon_prepare, handon_mirrors,
	handon_request, handon_reply, handon_check, handon_ended, handon_answer,
	handon_free };

/* The waiter is counted in. */
static void
handon_fly(struct upstream *up, struct waiter *w)
{
	struct handon_name name = handon_name(&w->ask);
	struct flight *f = flights_get(&up->flights, name.s);
	const struct why *no;
	struct why why = { 0 };
	struct handon *h;

	if (f != NULL) {
		metric_inc(M_COALESCED);
		flight_join(f, w);
		return;
	}
	no = negative_get(up->negative, name.s, clock_now());
	if (no != NULL) {
		metric_inc(M_NEGATIVE);
		flights_tell(&up->flights, w, no->err, no);
		return;
	}
	h = xcalloc(1, sizeof(*h));
	h->up = up;
	h->ask = platform_ask_copy(&w->ask);
	if (flight_init(&h->flight, &up->flights, &handon_job, name.s,
		name.label, up->config, w, &why) != ERR_OK) {
		blob_unref(h->ask.enc_ppid);
		blob_unref(h->ask.manifest);
		free(h);
		flights_tell(&up->flights, w, why.err, &why);
		return;
	}
	flight_join(&h->flight, w);
	flight_start(&h->flight);
}

void
handon_want(struct upstream *up, struct waiter *w)
{
	if (!flights_admit(&up->flights, w))
		return;
	if (up->flights.draining)
		flights_tell(&up->flights, w, ERR_DRAINING, NULL);
	else if (up->config->mode == MODE_OFFLINE)
		flights_tell(&up->flights, w, ERR_OFFLINE, NULL);
	else
		handon_fly(up, w);
}
