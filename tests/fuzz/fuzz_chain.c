/*
 * Chains.  An input whose first octet is 'S' is the DER of a leaf, which is
 * signed anew by the Platform CA and put in front of its chain; any other is
 * the text of a chain, in the role that its length picks.
 */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/kit/pki.h"
#include "tests/kit/vset.h"

#include <openssl/err.h>

#define NOW 1780272000

static struct pki *pki;
static struct anchors *anchors;
static struct issuers *issuers;

/* Whatever was read before, by comparison no more holds than as a whole. */
static void
try_alike(struct span pem, enum err whole)
{
	struct chain *c;
	struct pck pck;
	int i;

	for (i = 0; i < 2; i++) {
		c = NULL;
		must(chain_read_pck(pem, issuers, &c, NULL) == whole);
		if (c != NULL)
			(void)!chain_pck(c, &pck, NULL);
		chain_unref(c);
	}
}

static void
try_chain(struct span pem, enum chain_role role)
{
	struct why why = { 0 };
	struct chain *c = NULL;
	enum err e;

	e = chain_read(pem, role, anchors, NULL, NULL, &c, &why);
	if (e == ERR_OK)
		blob_unref(chain_header(c));
	else
		must(why.err != ERR_OK && why.text[0] != '\0');
	if (role == CHAIN_PCK)
		try_alike(pem, e);
	must(ERR_peek_error() == 0);
	chain_unref(c);
}

/* Issuer and algorithm are set by signing; all else is the input's. */
static void
try_signed(struct span der)
{
	struct blob *up = pki_chain_pem(pki, PKI_PLATFORM_CA);
	X509 *ca = pki_x509(pki, PKI_PLATFORM_CA);
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	struct buf pem = BUF_INIT;
	unsigned char *out = NULL;
	int len;

	if (x != NULL &&
	    X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1 &&
	    X509_sign(x, pki_key(pki, PKI_PLATFORM_CA), EVP_sha256()) > 0 &&
	    (len = i2d_X509(x, &out)) > 0) {
		ERR_clear_error();
		pem_write(&pem, "CERTIFICATE", span_of(out, (size_t)len));
		buf_span(&pem, blob_span(up));
		try_chain(buf_view(&pem), CHAIN_PCK);
	}
	OPENSSL_free(out);
	X509_free(x);
	buf_free(&pem);
	blob_unref(up);
	ERR_clear_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	if (pki == NULL) {
		pki = pki_new("fuzz", NOW);
		anchors = anchors_of(pki_root_spki_hex(pki));
		issuers = issuers_new(anchors);
	}
	if (len > 0 && p[0] == 'S')
		try_signed(span_of(p + 1, len - 1));
	else
		try_chain(span_of(p, len), (enum chain_role)(len % 4));
	return 0;
}
