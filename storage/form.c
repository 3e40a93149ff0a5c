#include "storage/form.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX ((size_t)64 << 10)

/* pccs-api 6.2, 6.5: hex is labelled as the reference labels it. */
#define TYPE_JSON        "application/json"
#define TYPE_PCK_CRL_HEX "application/x-pem-file; charset=utf-8"
#define TYPE_CRL_DER     "application/pkix-crl"
#define TYPE_CRL_PEM     "application/x-pem-file"
/* amd-kds 8.1 */
#define TYPE_AMD_CHAIN "application/x-pem-file"
#define TYPE_AMD_CRL   "application/pkix-crl"
#define TYPE_VEK       "application/pkix-cert"

/*
 * The chain headers of a kind, by exact case (pccs-api 7).  On v4 a TCB info
 * carries both names: the Azure client looks for the old one first and asks
 * again when it is missing (pccs-api 9.2).
 */
static void
form_chain_names(const struct coll_key *k, const char *names[2])
{
	names[0] = names[1] = NULL;
	switch (k->kind) {
	case COLL_TCBINFO:
		names[0] = "SGX-TCB-Info-Issuer-Chain";
		if (k->api == 4)
			names[1] = "TCB-Info-Issuer-Chain";
		break;
	case COLL_IDENTITY:
		names[0] = "SGX-Enclave-Identity-Issuer-Chain";
		break;
	case COLL_PCK_CRL:
	case COLL_ROOT_CRL:
		names[0] = "SGX-PCK-CRL-Issuer-Chain";
		break;
	case COLL_EVALNUMS:
		names[0] = "TCB-Evaluation-Data-Numbers-Issuer-Chain";
		break;
	case COLL_FMSPCS:
	case COLL_AMD_CHAIN:
	case COLL_AMD_CRL:
	case COLL_VEK:
	case COLL_N:
		break;
	}
}

struct blob *
form_chain_line(const char *name, const struct blob *value)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s: ", name);
	buf_span(&b, blob_span(value));
	buf_str(&b, "\r\n");
	return buf_blob(&b);
}

/* The header lines that every form has. */
static void
form_head(struct buf *b, const char *type, const struct blob *body)
{
	unsigned char digest[32];

	sha256(blob_span(body), digest);
	buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
	    body->len);
	buf_str(b, "ETag: \"sha256-");
	buf_hex(b, span_of(digest, sizeof(digest)));
	buf_str(b, "\"\r\n");
}

/* Takes the reference to the body. */
static void
form_set(struct form *f, const char *type, const char *const names[2],
    const struct blob *chain, struct blob *body)
{
	struct buf b = BUF_INIT;
	int i;

	form_head(&b, type, body);
	for (i = 0; i < 2 && names[i] != NULL; i++) {
		buf_printf(&b, "%s: ", names[i]);
		buf_span(&b, blob_span(chain));
		buf_str(&b, "\r\n");
	}
	f->head = buf_blob(&b);
	f->body = body;
}

/* Takes the reference to the body. */
static void
form_set_amd(struct form *f, const char *type, time_t stored_at,
    struct blob *body)
{
	struct buf b = BUF_INIT;
	char date[30];

	form_head(&b, type, body);
	http_date_write(stored_at, date);
	buf_printf(&b, "Last-Modified: %s\r\n", date);
	f->head = buf_blob(&b);
	f->body = body;
}

void
form_fill_amd(struct coll *c)
{
	struct form *body = &c->form[FORM_BODY], *pem = &c->form[FORM_PEM];
	struct buf b = BUF_INIT;
	time_t at = c->fetched_at;

	switch (c->key.kind) {
	case COLL_AMD_CHAIN:
		form_set_amd(body, TYPE_AMD_CHAIN, at, blob_ref(c->body));
		form_set_amd(pem, TYPE_AMD_CHAIN, at,
		    blob_ref(c->facts.amd_chain->lf));
		break;
	case COLL_AMD_CRL:
		form_set_amd(body, TYPE_AMD_CRL, at, blob_ref(c->body));
		break;
	case COLL_VEK:
		form_set_amd(body, TYPE_VEK, at, blob_ref(c->body));
		pem_write(&b, "CERTIFICATE", blob_span(c->body));
		form_set_amd(pem, TYPE_AMD_CHAIN, at, buf_blob(&b));
		break;
	default:
		must(c->key.kind > COLL_FMSPCS && c->key.kind < COLL_N);
	}
}

void
form_fill(struct coll *c, const struct chain *chain)
{
	struct blob *value = chain == NULL ? NULL : chain_header(chain);
	struct buf b = BUF_INIT;
	const char *names[2];

	form_chain_names(&c->key, names);
	if (c->key.kind != COLL_PCK_CRL && c->key.kind != COLL_ROOT_CRL) {
		form_set(&c->form[FORM_BODY], TYPE_JSON, names, value,
		    blob_ref(c->body));
		goto out;
	}
	/* No newline behind the hex: Intel's verifier would take it for DER
	 * (pccs-api 9.1 R10). */
	buf_hex(&b, blob_span(c->body));
	form_set(&c->form[FORM_HEX],
	    c->key.kind == COLL_ROOT_CRL ? TYPE_CRL_DER : TYPE_PCK_CRL_HEX,
	    names, value, buf_blob(&b));
	form_set(&c->form[FORM_DER], TYPE_CRL_DER, names, value,
	    blob_ref(c->body));
	pem_write(&b, "X509 CRL", blob_span(c->body));
	form_set(&c->form[FORM_PEM], TYPE_CRL_PEM, names, value, buf_blob(&b));
out:
	blob_unref(value);
}

/* PEM never holds a percent sign, the value of a header does. */
enum err
form_chain_text(struct span in, struct buf *out, struct why *why)
{
	if (in.len > CHAIN_MAX)
		return why_set(why, ERR_TOO_BIG, "pcs-upstream 4.4",
		    "issuer chain of %zu bytes", in.len);
	if (in.len == 0 || memchr(in.p, '%', in.len) == NULL) {
		buf_span(out, in);
		return ERR_OK;
	}
	if (pct_read(in, out) != ERR_OK)
		return why_set(why, ERR_FORMAT, "pcs-upstream 3",
		    "broken percent escape in the issuer chain");
	return ERR_OK;
}
