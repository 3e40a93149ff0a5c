/*
 * AMD KDS: amd-kds 2.  What its certificates and lists are worth is the
 * gate's to say.
 */
#include "upstream/vendor.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>

#define KDS_MAX (64 * 1024) /* bytes of any answer (amd-kds 2.6) */

/* --- where ------------------------------------------------------------ */

/* VLEKs are for enrolled providers alone: they come by import. */
static size_t
kds_mirrors(const struct config *c, const struct coll_key *key)
{
	if (key->kind == COLL_VEK && key->side == AMD_VLEK)
		return 0;
	return c->upstream.kds.urls.n;
}

static void
kds_levels(struct buf *b, const struct coll_key *key)
{
	struct amd_spl spl;

	/* Whoever made the key has seen to it. */
	must(amd_spl_of(key->product, key->tcb, &spl, NULL) == ERR_OK);
	buf_str(b, "?");
	if (key->product == AMD_TURIN)
		buf_printf(b, "fmcSPL=%d&", spl.fmc);
	buf_printf(b, "blSPL=%d&teeSPL=%d&snpSPL=%d&ucodeSPL=%d", spl.bl,
	    spl.tee, spl.snp, spl.ucode);
}

void
kds_target(const struct coll_key *key, struct buf *out)
{
	buf_printf(out, "/%s/v1/%s/", amd_side_name(key->side),
	    amd_product_name(key->product));
	switch (key->kind) {
	case COLL_AMD_CHAIN:
		buf_str(out, "cert_chain");
		break;
	case COLL_AMD_CRL:
		buf_str(out, "crl");
		break;
	default:
		must(key->kind == COLL_VEK);
		if (key->side == AMD_VCEK)
			buf_hex(out, key_hwid(key));
		else
			buf_str(out, "cert");
		kds_levels(out, key);
	}
}

static void
kds_request(const struct config *c, const struct coll_key *key, size_t mirror,
    struct request *out)
{
	struct buf url = BUF_INIT;

	must(mirror < c->upstream.kds.urls.n);
	*out = (struct request){ 0 };
	buf_span(&url, vendor_base(c->upstream.kds.urls.v[mirror]));
	kds_target(key, &url);
	vendor_url(out, &url, KDS_MAX);
	out->timeout_ms = c->upstream.kds.timeout_ms;
	out->lane = key->kind == COLL_VEK ? LANE_VCEK : LANE_KDS;
}

/* --- answers ---------------------------------------------------------- */

/* amd-kds 2.5: what is neither a failure of the service nor a throttle is
 * its last word about this URL. */
static enum err
kds_status(const struct reply *r, struct why *why)
{
	enum err e = vendor_status(r, why);

	if (e == ERR_UP_AUTH ||
	    (e == ERR_UP_ERROR && r->status < 500 && r->status != 408))
		return why_set(why, ERR_UP_REFUSED, "amd-kds 2.5", "HTTP %d",
		    r->status);
	return e;
}

static enum err
kds_reply(const struct coll_key *key, const struct reply *r,
    struct coll_raw *out, struct why *why)
{
	enum err e = kds_status(r, why);

	/* Every product has a chain and a list: KDS has said 404 for them
	 * while it was ill (amd-kds 2.5). */
	if (key->kind != COLL_VEK && (e == ERR_UP_ABSENT || e == ERR_UP_GONE))
		return why_set(why, ERR_UP_ERROR, "amd-kds 2.5",
		    "HTTP %d for what every product has", r->status);
	if (e != ERR_OK)
		return e;
	if (r->body.len == 0)
		return why_set(why, ERR_FORMAT, "amd-kds 2",
		    "status 200 with an empty body");
	out->body = buf_view(&r->body);
	return ERR_OK;
}

/* --- order ------------------------------------------------------------ */

/* The chain brings the ASK that signed a VCEK, and the ARK that signed a
 * list (amd-kds 5, 6.2). */
static bool
kds_needs(const struct coll_key *key, struct coll_key *out)
{
	if (key->kind == COLL_AMD_CHAIN)
		return false;
	*out = key_amd_chain(key->product, key->side);
	return true;
}

/* Whether the ASK is revoked is asked before its certificates are taken. */
static bool
kds_first(const struct coll_key *key, struct coll_key *out)
{
	if (key->kind != COLL_VEK)
		return false;
	*out = key_amd_crl(key->product, key->side);
	return true;
}

const struct vendor vendor_kds = { "kds", true, kds_mirrors, kds_request,
	kds_reply, kds_needs, kds_first };
