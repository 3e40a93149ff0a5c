/* AMD's issuer chains: ASK or ASVK, and the pinned ARK (amd-kds 4.3, 6.1). */
#include "storage/verify/amdcert.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_BODY_MAX (64 * 1024) /* amd-kds 6.1 */

static struct span
line_trimmed(struct span *text)
{
	struct span line = *text;
	const unsigned char *nl = memchr(text->p, '\n', text->len);

	if (nl != NULL) {
		line.len = (size_t)(nl - text->p);
		text->p += line.len + 1;
		text->len -= line.len + 1;
	} else {
		text->p += text->len;
		text->len = 0;
	}
	while (line.len > 0 &&
	       (line.p[line.len - 1] == ' ' || line.p[line.len - 1] == '\t' ||
		   line.p[line.len - 1] == '\r'))
		line.len--;
	return line;
}

/* The next CERTIFICATE block as DER into "der", as LF text onto "lf". */
static enum err
block_next(struct span *text, struct buf *der, struct buf *lf, struct why *why)
{
	struct buf b64 = BUF_INIT;
	struct span line = SPAN_NONE;
	enum err e = ERR_OK;

	while (text->len > 0 && line.len == 0)
		line = line_trimmed(text);
	if (!span_eq_str(line, "-----BEGIN CERTIFICATE-----")) {
		e = why_set(why, ERR_FORMAT, "amd-kds 6.1",
		    "a PEM CERTIFICATE block was expected");
		goto out;
	}
	for (;;) {
		buf_span(lf, line);
		buf_str(lf, "\n");
		if (text->len == 0) {
			e = why_set(why, ERR_FORMAT, "amd-kds 6.1",
			    "a PEM block does not end");
			goto out;
		}
		line = line_trimmed(text);
		if (span_eq_str(line, "-----END CERTIFICATE-----"))
			break;
		buf_span(&b64, line);
	}
	buf_span(lf, line);
	buf_str(lf, "\n");
	e = base64_read(buf_view(&b64), der);
	if (e != ERR_OK)
		e = why_set(why, ERR_FORMAT, "amd-kds 6.1",
		    "a PEM block is not base64");
out:
	buf_free(&b64);
	return e;
}

static enum err
block_read(struct span *body, const char *what, X509 **x, struct buf *lf,
    struct why *why)
{
	struct buf der = BUF_INIT;
	enum err e = block_next(body, &der, lf, why);

	if (e == ERR_OK)
		e = amdcert_read(buf_view(&der), what, x, why);
	buf_free(&der);
	return e;
}

/* Nothing but white space is left. */
static enum err
blocks_end(struct span body, struct why *why)
{
	while (body.len > 0)
		if (line_trimmed(&body).len != 0)
			return why_set(why, ERR_FORMAT, "amd-kds 6.1",
			    "more PEM blocks than there should be");
	return ERR_OK;
}

static enum err
blocks_read(struct span body, X509 **first, X509 **second, struct blob **lf,
    struct why *why)
{
	struct buf text = BUF_INIT;
	X509 *x[2] = { NULL, NULL };
	enum err e;

	if ((e = block_read(&body, "ASK", &x[0], &text, why)) != ERR_OK ||
	    (e = block_read(&body, "ARK", &x[1], &text, why)) != ERR_OK ||
	    (e = blocks_end(body, why)) != ERR_OK)
		goto out;
	*first = x[0];
	*second = x[1];
	x[0] = x[1] = NULL;
	*lf = buf_blob(&text);
out:
	X509_free(x[0]);
	X509_free(x[1]);
	buf_free(&text);
	return e;
}

static enum err
check_cn(const X509_NAME *name, const char *what, const char *prefix,
    enum amd_product product, struct why *why)
{
	char want[64];
	struct span cn;
	enum err e;

	if ((e = amdcert_check_name(name, what, &cn, why)) != ERR_OK)
		return e;
	(void)snprintf(want, sizeof(want), "%s%s", prefix,
	    amd_product_name(product));
	if (!span_eq_str(cn, want))
		return why_set(why, ERR_CHAIN, "amd-kds 6.1",
		    "%s: a name is not %s", what, want);
	return ERR_OK;
}

static enum err
check_ca(X509 *x, const char *what, uint32_t usage, long pathlen,
    struct why *why)
{
	if ((X509_get_extension_flags(x) &
		(EXFLAG_CA | EXFLAG_CRITICAL | EXFLAG_INVALID)) != EXFLAG_CA ||
	    (X509_get_extension_flags(x) & EXFLAG_KUSAGE) == 0 ||
	    (X509_get_key_usage(x) & usage) != usage)
		return why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "%s: not a CA certificate with its key usage", what);
	if (pathlen >= 0 && X509_get_pathlen(x) != pathlen)
		return why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "%s: path length is not %ld", what, pathlen);
	return ERR_OK;
}

static enum err
check_ark(X509 *ark, enum amd_product product, const struct amd_anchors *pins,
    struct why *why)
{
	enum err e;

	e = check_cn(X509_get_subject_name(ark), "ARK", "ARK-", product, why);
	if (e != ERR_OK)
		return e;
	if (X509_NAME_cmp(X509_get_subject_name(ark),
		X509_get_issuer_name(ark)) != 0)
		return why_set(why, ERR_CHAIN, "amd-kds 6.1",
		    "ARK: not self-issued");
	if (pins->by[product] == NULL || !anchors_has(pins->by[product], ark))
		return why_set(why, ERR_ROOT, "amd-kds 4.3",
		    "ARK: its key is not pinned for %s",
		    amd_product_name(product));
	if ((e = amdcert_check_x509_alg(ark, "ARK", why)) != ERR_OK ||
	    (e = amdcert_check_rsa(ark, "ARK", why)) != ERR_OK ||
	    (e = check_ca(ark, "ARK", KU_KEY_CERT_SIGN | KU_CRL_SIGN, -1,
		 why)) != ERR_OK)
		return e;
	if (X509_verify(ark, X509_get0_pubkey(ark)) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_BADSIG, "amd-kds 6.1",
		    "ARK: self-signature does not verify");
	}
	return ERR_OK;
}

enum err
amd_ark_read(struct span pem, enum amd_product product,
    const struct amd_anchors *pins, X509 **out, struct why *why)
{
	struct buf lf = BUF_INIT;
	X509 *x = NULL;
	enum err e;

	if (pem.len > CHAIN_BODY_MAX)
		return why_set(why, ERR_TOO_BIG, "amd-kds 6.1",
		    "an ARK of %zu bytes", pem.len);
	if ((e = block_read(&pem, "ARK", &x, &lf, why)) != ERR_OK ||
	    (e = blocks_end(pem, why)) != ERR_OK ||
	    (e = check_ark(x, product, pins, why)) != ERR_OK)
		goto out;
	*out = x;
	x = NULL;
out:
	X509_free(x);
	buf_free(&lf);
	return e;
}

static enum err
check_ask(X509 *ask, X509 *ark, enum amd_product product, enum amd_side side,
    struct why *why)
{
	const char *what = side == AMD_VLEK ? "ASVK" : "ASK";
	const ASN1_OCTET_STRING *aki, *ski;
	enum err e;

	e = check_cn(X509_get_subject_name(ask), what,
	    side == AMD_VLEK ? "SEV-VLEK-" : "SEV-", product, why);
	if (e != ERR_OK)
		return e;
	if ((e = amdcert_check_x509_alg(ask, what, why)) != ERR_OK ||
	    (e = amdcert_check_rsa(ask, what, why)) != ERR_OK ||
	    (e = check_ca(ask, what, KU_KEY_CERT_SIGN, 0, why)) != ERR_OK)
		return e;
	aki = X509_get0_authority_key_id(ask);
	ski = X509_get0_subject_key_id(ark);
	if (X509_NAME_cmp(X509_get_issuer_name(ask),
		X509_get_subject_name(ark)) != 0 ||
	    aki == NULL || ski == NULL || ASN1_OCTET_STRING_cmp(aki, ski) != 0)
		return why_set(why, ERR_CHAIN, "amd-kds 6.1",
		    "%s: not issued by this ARK", what);
	if (X509_verify(ask, X509_get0_pubkey(ark)) != 1) {
		ERR_clear_error();
		return why_set(why, ERR_BADSIG, "amd-kds 6.1",
		    "%s: signature by the ARK does not verify", what);
	}
	return ERR_OK;
}

enum err
amd_chain_read(struct span pem, enum amd_product product, enum amd_side side,
    const struct amd_anchors *pins, struct amd_chain **out, struct why *why)
{
	struct amd_chain *c;
	enum err e;

	if (pem.len > CHAIN_BODY_MAX)
		return why_set(why, ERR_TOO_BIG, "amd-kds 6.1",
		    "a cert_chain of %zu bytes", pem.len);
	c = xcalloc(1, sizeof(*c));
	c->refs = 1;
	c->product = product;
	c->side = side;
	c->window = WINDOW_ALL;
	if ((e = blocks_read(pem, &c->ask, &c->ark, &c->lf, why)) != ERR_OK ||
	    (e = check_ark(c->ark, product, pins, why)) != ERR_OK ||
	    (e = check_ask(c->ask, c->ark, product, side, why)) != ERR_OK ||
	    (e = amdcert_window(c->ark, "ARK", &c->window, why)) != ERR_OK ||
	    (e = amdcert_window(c->ask, "ASK", &c->window, why)) != ERR_OK)
		goto out;
	c->pem = blob_from(pem);
	*out = c;
	c = NULL;
out:
	amd_chain_unref(c);
	return e;
}

enum err
amd_chain_claims(struct span pem, enum amd_product *product,
    enum amd_side *side, struct why *why)
{
	struct buf lf = BUF_INIT;
	X509 *x = NULL;
	struct span cn;
	enum err e;

	if (pem.len > CHAIN_BODY_MAX)
		return why_set(why, ERR_TOO_BIG, "amd-kds 6.1",
		    "a cert_chain of %zu bytes", pem.len);
	if ((e = block_read(&pem, "ASK", &x, &lf, why)) != ERR_OK ||
	    (e = amdcert_check_name(X509_get_subject_name(x), "ASK", &cn,
		 why)) != ERR_OK)
		goto out;
	*side = span_starts(cn, "SEV-VLEK-") ? AMD_VLEK : AMD_VCEK;
	*product =
	    amdcert_product(cn, *side == AMD_VLEK ? "SEV-VLEK-" : "SEV-");
	if (*product == AMD_PRODUCT_N)
		e = why_set(why, ERR_CHAIN, "amd-kds 3.2",
		    "the first is no ASK or ASVK of a known product");
out:
	X509_free(x);
	buf_free(&lf);
	return e;
}

struct amd_chain *
amd_chain_ref(struct amd_chain *c)
{
	if (c != NULL)
		c->refs++;
	return c;
}

void
amd_chain_unref(struct amd_chain *c)
{
	if (c == NULL || --c->refs != 0)
		return;
	X509_free(c->ask);
	X509_free(c->ark);
	blob_unref(c->pem);
	blob_unref(c->lf);
	free(c);
}
