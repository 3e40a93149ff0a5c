/* Which collateral a quote needs: see quoteinfo.h. */
#include "server/quoteinfo.h"

#include "config/base/enc.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static enum err
bad(struct why *why, const char *clause, const char *text)
{
	return why_set(why, ERR_FORMAT, clause, "%s", text);
}

/* --- the PCK chain ---------------------------------------------------- */

/* Exactly one certificate, or NULL. */
static X509 *
cert_of(struct span der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	if (x == NULL)
		ERR_clear_error();
	if (x != NULL && p != der.p + der.len) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

/* FMSPC and CA of the leaf. */
static enum err
leaf_read(X509 *leaf, struct quoteinfo *out, struct why *why)
{
	static const char clause[] = "quote-verification 3";
	char cn[64];
	struct pck pck;
	enum err e;

	if (X509_NAME_get_text_by_NID(X509_get_issuer_name(leaf),
		NID_commonName, cn, sizeof(cn)) < 0)
		return bad(why, clause, "the leaf's issuer has no name");
	if (strcmp(cn, "Intel SGX PCK Processor CA") == 0)
		out->ca = PCK_CA_PROCESSOR;
	else if (strcmp(cn, "Intel SGX PCK Platform CA") == 0)
		out->ca = PCK_CA_PLATFORM;
	else
		return bad(why, clause, "the leaf's issuer is no PCK CA");
	if ((e = pck_read(leaf, &pck, why)) != ERR_OK)
		return e;
	hex_upper(span_of(pck.fmspc, sizeof(pck.fmspc)), out->fmspc);
	return ERR_OK;
}

/* The next certificate of the chain; *x is the caller's, in any case. */
static enum err
cert_next(struct span *pem, struct buf *text, X509 **x, struct why *why)
{
	struct buf der = BUF_INIT;
	enum err e = pem_next(pem, "CERTIFICATE", &der, why);

	if (e == ERR_OK && (*x = cert_of(buf_view(&der))) == NULL)
		e = bad(why, "quote-verification 2.4",
		    "no certificate in a block of the PCK chain");
	if (e == ERR_OK)
		pem_write(text, "CERTIFICATE", buf_view(&der));
	buf_free(&der);
	return e;
}

static enum err
chain_part_read(struct span pem, struct quoteinfo *out, struct why *why)
{
	X509 *x[3] = { NULL, NULL, NULL };
	struct buf text = BUF_INIT;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < 3 && e == ERR_OK; i++)
		e = cert_next(&pem, &text, &x[i], why);
	if (e == ERR_OK)
		e = pem_end(pem, why);
	if (e == ERR_OK)
		e = leaf_read(x[0], out, why);
	if (e == ERR_OK)
		out->chain = buf_blob(&text);
	buf_free(&text);
	for (i = 0; i < 3; i++)
		X509_free(x[i]);
	return e;
}

/* --- whole ------------------------------------------------------------ */

enum err
quoteinfo_read(struct span bytes, struct quoteinfo *out, struct why *why)
{
	struct quoteinfo info = { .chain = NULL };
	struct quote q;
	enum err e;

	if ((e = quote_read(bytes, &q, why)) != ERR_OK)
		return e;
	if (q.cert_type != CERT_DATA_PCK_CHAIN)
		return why_set(why, ERR_FORMAT, "quote-verification 2.3",
		    "certification data of type %d: no PCK chain is inside",
		    (int)q.cert_type);
	info.version = q.version;
	info.tee = q.tee;
	info.len = q.len;
	if ((e = chain_part_read(q.cert, &info, why)) != ERR_OK)
		return e;
	*out = info;
	return ERR_OK;
}

void
quoteinfo_fini(struct quoteinfo *info)
{
	blob_unref(info->chain);
	info->chain = NULL;
}
