#include "tests/kit/quote.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#define REPORT_LEN 384

static const unsigned char intel_qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7,
	0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static void
add_le(struct buf *b, uint64_t value, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf_add(b, &(unsigned char){ value >> 8 * i & 0xff }, 1);
}

static void
add_fill(struct buf *b, unsigned char c, size_t n)
{
	while (n-- > 0)
		buf_add(b, &c, 1);
}

/* x || y of a P-256 key. */
static void
add_point(struct buf *b, EVP_PKEY *key)
{
	unsigned char point[65];
	size_t len = 0;

	must(EVP_PKEY_get_octet_string_param(key, "pub", point, sizeof(point),
		 &len) == 1);
	must(len == sizeof(point) && point[0] == 4);
	buf_add(b, point + 1, 64);
}

static unsigned
body_type(const struct kit_quote *q)
{
	if (q->version == 5 && q->body_type != 0)
		return q->body_type;
	if (q->tee == TEE_SGX)
		return 1;
	return q->version == 5 ? 3 : 2;
}

static size_t
body_len(const struct kit_quote *q)
{
	static const size_t lens[] = { 0, REPORT_LEN, 584, 648, 885 };

	return lens[body_type(q)];
}

static void
add_header(struct buf *b, const struct kit_quote *q)
{
	add_le(b, q->version, 2);
	add_le(b, 2, 2);
	add_le(b, (uint64_t)q->tee, 4);
	add_le(b, 0, 4);
	buf_add(b, intel_qe_vendor, sizeof(intel_qe_vendor));
	add_fill(b, 0x51, 16);
	add_fill(b, 0, 4);
	if (q->version == 5) {
		add_le(b, body_type(q), 2);
		add_le(b, body_len(q), 4);
	}
}

/* The QE's report: its user data binds the attestation key. */
static void
add_qe_report(struct buf *b, const struct kit_quote *q, EVP_PKEY *ak,
    struct span auth)
{
	struct buf bound = BUF_INIT;
	unsigned char digest[32];

	add_point(&bound, ak);
	buf_span(&bound, auth);
	sha256(buf_view(&bound), digest);
	buf_free(&bound);
	if (q->qe_report != NULL)
		buf_add(b, q->qe_report, 320);
	else
		add_fill(b, 0, 320);
	buf_add(b, digest, sizeof(digest));
	add_fill(b, 0, 32);
}

static void
add_chain(struct buf *b, const struct pki *pki, const struct kit_quote *q)
{
	enum pki_who ca =
	    q->pck.ca == PCK_CA_PROCESSOR ? PKI_PROCESSOR_CA : PKI_PLATFORM_CA;
	X509 *leaf = pki_pck(pki, &q->pck);
	struct blob *pem = pki_pem(leaf), *up = pki_chain_pem(pki, ca);

	buf_span(b, blob_span(pem));
	buf_span(b, blob_span(up));
	b->len--; /* the last line end is chain_end's to say */
	if (q->chain_end == NULL)
		buf_add(b, "\n", 2);
	else
		buf_str(b, q->chain_end);
	blob_unref(pem);
	blob_unref(up);
	X509_free(leaf);
}

/* QE report, its signature, authentication data, chain. */
static void
add_qe_part(struct buf *b, const struct pki *pki, const struct kit_quote *q,
    EVP_PKEY *ak)
{
	static const unsigned char auth[32] = { 0, 1, 2, 3 };
	EVP_PKEY *pck = pki_pck_key(pki, &q->pck);
	struct buf chain = BUF_INIT, report = BUF_INIT;
	unsigned char sig[64];

	add_qe_report(&report, q, ak, span_of(auth, sizeof(auth)));
	pki_sign(pck, buf_view(&report), sig);
	buf_span(b, buf_view(&report));
	buf_add(b, sig, sizeof(sig));
	add_le(b, sizeof(auth), 2);
	buf_add(b, auth, sizeof(auth));
	add_chain(&chain, pki, q);
	add_le(b, 5, 2);
	add_le(b, chain.len, 4);
	buf_span(b, buf_view(&chain));
	buf_free(&chain);
	buf_free(&report);
	EVP_PKEY_free(pck);
}

struct blob *
kit_quote(const struct pki *pki, const struct kit_quote *q)
{
	EVP_PKEY *ak = pki_derive(pki, "attestation key");
	struct buf b = BUF_INIT, data = BUF_INIT, qe = BUF_INIT;
	unsigned char sig[64];

	add_header(&b, q);
	if (q->body != NULL)
		buf_add(&b, q->body, body_len(q));
	else
		add_fill(&b, 0x42, body_len(q));
	pki_sign(ak, buf_view(&b), sig);
	buf_add(&data, sig, sizeof(sig));
	add_point(&data, ak);
	add_qe_part(&qe, pki, q, ak);
	if (q->version > 3) {
		add_le(&data, 6, 2);
		add_le(&data, qe.len, 4);
	}
	buf_span(&data, buf_view(&qe));
	add_le(&b, data.len, 4);
	buf_span(&b, buf_view(&data));
	add_fill(&b, 0, q->padding);
	buf_free(&data);
	buf_free(&qe);
	EVP_PKEY_free(ak);
	return buf_blob(&b);
}
