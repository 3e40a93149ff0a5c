/*
 * Intel PCS, version 4: pcs-upstream 1 to 4.  Version 3 is never asked.
 */
#include "upstream/vendor.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SGX_V4 "/sgx/certification/v4"

/* --- where ------------------------------------------------------------ */

/* Intel's own service has no rootcacrl route; every other mirror is a cache
 * and has one. */
static bool
pcs_is_intel(const char *url)
{
	return strcasestr(url, "trustedservices.intel.com") != NULL;
}

/* The i-th of the mirrors that serve a root CRL themselves; NULL: no more. */
static const char *
pcs_root_crl_cache(const struct config *c, size_t i)
{
	const struct config_list *urls = &c->upstream.pcs.urls;
	size_t k;

	for (k = 0; k < urls->n; k++) {
		if (!pcs_is_intel(urls->v[k]) && i-- == 0)
			return urls->v[k];
	}
	return NULL;
}

static size_t
pcs_mirrors(const struct config *c, const struct coll_key *key)
{
	size_t n = 0;

	if (key->kind != COLL_ROOT_CRL)
		return c->upstream.pcs.urls.n;
	while (pcs_root_crl_cache(c, n) != NULL)
		n++;
	return c->upstream.pcs.root_crl_urls.n + n;
}

/* --- requests --------------------------------------------------------- */

/* "&update=early" and the like; pcs-upstream 2: never both. */
static void
pcs_version(struct buf *b, char first, const struct coll_key *key)
{
	if (key->update == UPDATE_NUMBER)
		buf_printf(b, "%ctcbEvaluationDataNumber=%" PRIu32, first,
		    key->number);
	else
		buf_printf(b, "%cupdate=%s", first,
		    key->update == UPDATE_EARLY ? "early" : "standard");
}

static void
pcs_identity(struct buf *b, const struct coll_key *key)
{
	static const char *const path[ENCLAVE_N] = {
		[ENCLAVE_QE] = SGX_V4 "/qe/identity",
		[ENCLAVE_QVE] = SGX_V4 "/qve/identity",
		[ENCLAVE_TDQE] = "/tdx/certification/v4/qe/identity",
		[ENCLAVE_QAE] = SGX_V4 "/qae/identity",
	};

	must(key->enclave < ENCLAVE_N);
	buf_str(b, path[key->enclave]);
	pcs_version(b, '?', key);
}

static void
pcs_path(struct buf *b, const struct coll_key *key)
{
	switch (key->kind) {
	case COLL_TCBINFO:
		/* PCS echoes the case of the request into what it signs:
		 * the key's is upper (pcs-upstream 3). */
		buf_printf(b, "/%s/certification/v4/tcb?fmspc=%s",
		    tee_name(key->tee), key->fmspc);
		pcs_version(b, '&', key);
		break;
	case COLL_IDENTITY:
		pcs_identity(b, key);
		break;
	case COLL_PCK_CRL:
		buf_printf(b, SGX_V4 "/pckcrl?ca=%s&encoding=der",
		    pck_ca_name(key->ca));
		break;
	case COLL_ROOT_CRL:
		buf_str(b, SGX_V4 "/rootcacrl");
		break;
	case COLL_EVALNUMS:
		buf_printf(b, "/%s/certification/v4/tcbevaluationdatanumbers",
		    tee_name(key->tee));
		break;
	case COLL_FMSPCS:
		buf_printf(b, SGX_V4 "/fmspcs?platform=%s", key->platform);
		break;
	case COLL_AMD_CHAIN:
	case COLL_AMD_CRL:
	case COLL_VEK:
	case COLL_N:
		must(key->kind <= COLL_FMSPCS);
	}
}

/* Only where it is configured, and never empty (pcs-upstream 1). */
static void
pcs_key(const struct config *c, struct request *out)
{
	const char *key = c->upstream.pcs.api_key;

	if (key != NULL && *key != '\0')
		request_header(out, "Ocp-Apim-Subscription-Key", key);
}

static void
pcs_request(const struct config *c, const struct coll_key *key, size_t mirror,
    struct request *out)
{
	const struct config_list *crl = &c->upstream.pcs.root_crl_urls;
	struct buf url = BUF_INIT;

	*out = (struct request){ 0 };
	if (key->kind == COLL_ROOT_CRL && mirror < crl->n) {
		/* Another host's: the API key is none of its business. */
		buf_str(&url, crl->v[mirror]);
		vendor_url(out, &url, OBJECT_MAX);
		return;
	}
	if (key->kind == COLL_ROOT_CRL)
		buf_span(&url,
		    vendor_base(pcs_root_crl_cache(c, mirror - crl->n)));
	else
		buf_span(&url, vendor_base(c->upstream.pcs.urls.v[mirror]));
	pcs_path(&url, key);
	vendor_url(out, &url, OBJECT_MAX);
	pcs_key(c, out);
}

size_t
pcs_platform_mirrors(const struct config *c)
{
	return c->upstream.pcs.urls.n;
}

bool
pcs_has_ppid(const struct platform_ask *ask)
{
	return ask->enc_ppid != NULL && !span_all(blob_span(ask->enc_ppid), 0);
}

static struct blob *
pcs_manifest_body(const struct platform_ask *ask)
{
	struct buf b = BUF_INIT;

	buf_str(&b, "{\"platformManifest\":\"");
	buf_hex(&b, blob_span(ask->manifest));
	buf_printf(&b, "\",\"pceid\":\"%s\"}", ask->id.pce_id);
	return buf_blob(&b);
}

void
pcs_platform_request(const struct config *c, const struct platform_ask *ask,
    bool manifest, size_t mirror, struct request *out)
{
	struct buf url = BUF_INIT;

	*out = (struct request){ 0 };
	must(mirror < c->upstream.pcs.urls.n);
	buf_span(&url, vendor_base(c->upstream.pcs.urls.v[mirror]));
	buf_str(&url, SGX_V4 "/pckcerts");
	if (manifest) {
		out->body = pcs_manifest_body(ask);
		request_header(out, "Content-Type", "application/json");
	} else {
		buf_str(&url, "?encrypted_ppid=");
		buf_hex(&url, blob_span(ask->enc_ppid));
		buf_printf(&url, "&pceid=%s", ask->id.pce_id);
		request_header(out, "PPID-Encryption-Key", "RSA-3072");
	}
	vendor_url(out, &url, OBJECT_MAX);
	pcs_key(c, out);
}

/* --- answers ---------------------------------------------------------- */

/* The header(s) that carry a kind's issuer chain (pcs-upstream 2). */
static struct span
pcs_chain(const struct coll_key *key, const struct reply *r)
{
	struct span s;

	switch (key->kind) {
	case COLL_TCBINFO:
		s = reply_header(r, "TCB-Info-Issuer-Chain");
		if (s.len == 0)
			s = reply_header(r, "SGX-TCB-Info-Issuer-Chain");
		return s;
	case COLL_IDENTITY:
		return reply_header(r, "SGX-Enclave-Identity-Issuer-Chain");
	case COLL_PCK_CRL:
		return reply_header(r, "SGX-PCK-CRL-Issuer-Chain");
	case COLL_EVALNUMS:
		return reply_header(r,
		    "TCB-Evaluation-Data-Numbers-Issuer-Chain");
	case COLL_ROOT_CRL:
		/* A cache sends the root here for one client's sake
		 * (pccs-api 9.2). */
		return reply_header(r, "SGX-PCK-CRL-Issuer-Chain");
	case COLL_FMSPCS:
	case COLL_AMD_CHAIN:
	case COLL_AMD_CRL:
	case COLL_VEK:
	case COLL_N:
		break;
	}
	return SPAN_NONE;
}

static enum err
pcs_reply(const struct coll_key *key, const struct reply *r,
    struct coll_raw *out, struct why *why)
{
	enum err e;

	e = vendor_status(r, why);
	/* There always is a root CRL: this host alone has none. */
	if (key->kind == COLL_ROOT_CRL &&
	    (e == ERR_UP_ABSENT || e == ERR_UP_GONE))
		return why_in(why, ERR_NOT_CACHED, "no root CRL here");
	if (e != ERR_OK)
		return e;
	if (r->body.len == 0)
		return why_set(why, ERR_FORMAT, "pcs-upstream 2",
		    "status 200 with an empty body");
	out->body = buf_view(&r->body);
	out->chain = pcs_chain(key, r);
	return ERR_OK;
}

enum err
pcs_platform_reply(const struct reply *r, struct pcs_platform *out,
    struct why *why)
{
	struct span fmspc = reply_header(r, "SGX-FMSPC");
	struct span ca = reply_header(r, "SGX-PCK-Certificate-CA-Type");
	unsigned char bytes[6];
	enum err e;

	*out = (struct pcs_platform){ 0 };
	if ((e = vendor_status(r, why)) != ERR_OK)
		return e;
	if (r->body.len == 0)
		return why_set(why, ERR_FORMAT, "pcs-upstream 4.1",
		    "status 200 with an empty body");
	out->body = buf_view(&r->body);
	out->chain = reply_header(r, "SGX-PCK-Certificate-Issuer-Chain");
	if (hex_read(fmspc, bytes, sizeof(bytes)) == ERR_OK)
		hex_upper(span_of(bytes, sizeof(bytes)), out->fmspc);
	else if (pcs_body_fmspc(out->body, out->fmspc, NULL) != ERR_OK)
		out->fmspc[0] = '\0'; /* the gate will say what is wrong */
	out->has_ca = span_eq_nocase(ca, pck_ca_name(PCK_CA_PROCESSOR)) ||
		      span_eq_nocase(ca, pck_ca_name(PCK_CA_PLATFORM));
	out->ca = span_eq_nocase(ca, pck_ca_name(PCK_CA_PLATFORM))
		      ? PCK_CA_PLATFORM
		      : PCK_CA_PROCESSOR;
	return ERR_OK;
}

/* The FMSPC of one percent-encoded PEM certificate. */
static enum err
pem_fmspc(const char *text, char out[13], struct why *why)
{
	struct buf pem = BUF_INIT;
	struct pck pck;
	X509 *x = NULL;
	BIO *bio = NULL;
	enum err e = ERR_FORMAT;

	if (pct_read(span_str(text), &pem) != ERR_OK || pem.len == 0 ||
	    pem.len > 16384)
		goto out;
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	must(bio != NULL);
	x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (x == NULL)
		goto out;
	if ((e = pck_read(x, &pck, why)) == ERR_OK)
		hex_upper(span_of(pck.fmspc, sizeof(pck.fmspc)), out);
out:
	ERR_clear_error();
	X509_free(x);
	BIO_free(bio);
	buf_free(&pem);
	return e;
}

enum err
pcs_body_fmspc(struct span body, char out[13], struct why *why)
{
	json_t *list, *item;
	const char *cert;
	size_t i;
	enum err e = why_set(why, ERR_FORMAT, "pcs-upstream 4.1",
	    "no element with a certificate");

	list = json_loadb((const char *)body.p, body.len,
	    JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(list, i, item)
	{
		cert = json_string_value(json_object_get(item, "cert"));
		if (cert == NULL || strcmp(cert, "Not available") == 0)
			continue;
		e = pem_fmspc(cert, out, why);
		break;
	}
	json_decref(list);
	return e;
}

/* Nothing that Intel signs is judged before the root CRL has been asked for
 * (pcs-upstream 6); the FMSPC list is not signed. */
static bool
pcs_first(const struct coll_key *key, struct coll_key *out)
{
	if (key->kind == COLL_ROOT_CRL || key->kind == COLL_FMSPCS)
		return false;
	*out = key_root_crl();
	return true;
}

const struct vendor vendor_pcs = { "pcs", false, pcs_mirrors, pcs_request,
	pcs_reply, NULL, pcs_first };
