/* Which collateral a quote needs: see quoteinfo.h. */
#include "server/quoteinfo.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#define HEADER_LEN     48
#define REPORT_LEN     384
#define SIGNATURE_LEN  64
#define KEY_LEN        64

#define CERT_PCK_CHAIN 5
#define CERT_QE_REPORT 6

static const unsigned char intel_qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7,
	0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };

static enum err
bad(struct why *why, const char *clause, const char *text)
{
	return why_set(why, ERR_FORMAT, clause, "%s", text);
}

/* --- header and body -------------------------------------------------- */

static enum err
header_read(struct span *s, unsigned *version, enum tee *tee, struct why *why)
{
	static const char clause[] = "quote-verification 2.1";
	struct span vendor;
	uint16_t v, key_type;
	uint32_t t;

	if (span_u16le(s, &v) != ERR_OK || span_u16le(s, &key_type) != ERR_OK ||
	    span_u32le(s, &t) != ERR_OK || span_skip(s, 4) != ERR_OK ||
	    span_take(s, sizeof(intel_qe_vendor), &vendor) != ERR_OK ||
	    span_skip(s, 20) != ERR_OK)
		return bad(why, clause, "the header is cut short");
	if (v < 3 || v > 5)
		return bad(why, clause, "the version is none of 3, 4, 5");
	if (key_type != 2)
		return bad(why, clause, "the key is not of ECDSA P-256");
	if (t != TEE_SGX && (t != TEE_TDX || v == 3))
		return bad(why, clause, "the TEE type is not known");
	if (memcmp(vendor.p, intel_qe_vendor, sizeof(intel_qe_vendor)) != 0)
		return bad(why, clause, "the QE is not Intel's");
	*version = v;
	*tee = t == TEE_SGX ? TEE_SGX : TEE_TDX;
	return ERR_OK;
}

/* Version 5 says what body it has; the size is exact, not a skip length. */
static enum err
body5_skip(struct span *s, enum tee tee, struct why *why)
{
	static const struct {
		uint16_t type;
		uint32_t size;
		enum tee tee;
	} bodies[] = {
		{ 1, 384, TEE_SGX },
		{ 2, 584, TEE_TDX },
		{ 3, 648, TEE_TDX },
		{ 4, 885, TEE_TDX },
	};
	uint16_t type;
	uint32_t size;
	size_t i;

	if (span_u16le(s, &type) != ERR_OK || span_u32le(s, &size) != ERR_OK)
		return bad(why, "quote-verification 2.2",
		    "the body's type and size are cut short");
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		if (bodies[i].type == type && bodies[i].size == size &&
		    bodies[i].tee == tee)
			return span_skip(s, size) == ERR_OK
				   ? ERR_OK
				   : bad(why, "quote-verification 2.2",
					 "the body is cut short");
	return bad(why, "quote-verification 2.2",
	    "type, size and TEE of the body do not agree");
}

static enum err
body_skip(struct span *s, unsigned version, enum tee tee, struct why *why)
{
	if (version == 5)
		return body5_skip(s, tee, why);
	if (span_skip(s, tee == TEE_SGX ? 384 : 584) != ERR_OK)
		return bad(why, "quote-verification 2.2",
		    "the body is cut short");
	return ERR_OK;
}

/* --- signature data --------------------------------------------------- */

/* QE report, its signature, authentication data, then type and data. */
static enum err
qe_part_read(struct span *s, uint16_t *type, struct span *data, struct why *why)
{
	uint16_t auth_len;
	uint32_t len;

	if (span_skip(s, REPORT_LEN + SIGNATURE_LEN) != ERR_OK ||
	    span_u16le(s, &auth_len) != ERR_OK ||
	    span_skip(s, auth_len) != ERR_OK || span_u16le(s, type) != ERR_OK ||
	    span_u32le(s, &len) != ERR_OK || span_take(s, len, data) != ERR_OK)
		return bad(why, "quote-verification 2.3",
		    "the QE's part is cut short");
	return ERR_OK;
}

/* The certification data of the one level there is. */
static enum err
cert_data_read(struct span sig, unsigned version, struct span *out,
    struct why *why)
{
	static const char clause[] = "quote-verification 2.3";
	struct span inner;
	uint16_t type;
	uint32_t len;
	enum err e;

	if (span_skip(&sig, SIGNATURE_LEN + KEY_LEN) != ERR_OK)
		return bad(why, clause, "the signature data is cut short");
	if (version >= 4) {
		if (span_u16le(&sig, &type) != ERR_OK ||
		    span_u32le(&sig, &len) != ERR_OK ||
		    span_take(&sig, len, &inner) != ERR_OK)
			return bad(why, clause,
			    "the certification data is cut short");
		if (type != CERT_QE_REPORT)
			return bad(why, clause,
			    "the outer certification data is not of type 6");
		if (sig.len != 0)
			return bad(why, "quote-verification 2.4",
			    "bytes behind the certification data");
		sig = inner;
	}
	if ((e = qe_part_read(&sig, &type, out, why)) != ERR_OK)
		return e;
	if (sig.len != 0)
		return bad(why, "quote-verification 2.4",
		    "bytes behind the certification data");
	if (type != CERT_PCK_CHAIN)
		return why_set(why, ERR_FORMAT, clause,
		    "certification data of type %u: no PCK chain is inside",
		    type);
	return ERR_OK;
}

/* --- the PCK chain ---------------------------------------------------- */

/* The next line without its end; a CR before the LF is dropped. */
static struct span
line_next(struct span *s)
{
	struct span line;

	if (span_until(s, '\n', &line) != ERR_OK) {
		line = *s;
		*s = SPAN_NONE;
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* One PEM block at the front of "s" to DER. */
static enum err
pem_take(struct span *s, struct buf *der)
{
	struct buf text = BUF_INIT;
	struct span line;
	enum err e = ERR_FORMAT;

	/* Line ends may stand between blocks; pem does not begin with any. */
	do
		line = line_next(s);
	while (line.len == 0 && s->len > 0);
	if (!span_eq_str(line, "-----BEGIN CERTIFICATE-----"))
		goto out;
	while (s->len > 0) {
		line = line_next(s);
		if (span_eq_str(line, "-----END CERTIFICATE-----")) {
			e = base64_read(buf_view(&text), der);
			break;
		}
		buf_span(&text, line);
	}
out:
	buf_free(&text);
	return e;
}

static X509 *
cert_take(struct span *s)
{
	struct buf der = BUF_INIT;
	const unsigned char *p;
	X509 *x = NULL;

	if (pem_take(s, &der) == ERR_OK) {
		p = (const unsigned char *)der.p;
		x = d2i_X509(NULL, &p, (long)der.len);
		if (x == NULL)
			ERR_clear_error();
		if (x != NULL && p != (const unsigned char *)der.p + der.len) {
			X509_free(x);
			x = NULL;
		}
	}
	buf_free(&der);
	return x;
}

static void
cert_write(X509 *x, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	must(len > 0);
	pem_write(out, "CERTIFICATE", span_of(der, (size_t)len));
	OPENSSL_free(der);
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

/* Line ends and NULs are all that may follow the last block. */
static bool
only_ends(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] != '\0' && s.p[i] != '\n' && s.p[i] != '\r')
			return false;
	return true;
}

static enum err
chain_part_read(struct span pem, struct quoteinfo *out, struct why *why)
{
	static const char clause[] = "quote-verification 2.4";
	X509 *x[3] = { NULL, NULL, NULL };
	struct buf text = BUF_INIT;
	size_t i;
	enum err e;

	/* A NUL may stand right behind the last END line. */
	while (pem.len > 0 && only_ends(span_of(pem.p + pem.len - 1, 1)))
		pem.len--;
	if (!span_starts(pem, "-")) {
		e = bad(why, clause, "bytes before the PCK chain");
		goto out;
	}
	for (i = 0; i < 3; i++)
		if ((x[i] = cert_take(&pem)) == NULL) {
			e = bad(why, clause,
			    "the PCK chain is not three PEM certificates");
			goto out;
		}
	if (pem.len != 0) {
		e = bad(why, clause, "bytes behind the PCK chain");
		goto out;
	}
	if ((e = leaf_read(x[0], out, why)) != ERR_OK)
		goto out;
	for (i = 0; i < 3; i++)
		cert_write(x[i], &text);
	out->chain = buf_blob(&text);
out:
	buf_free(&text);
	for (i = 0; i < 3; i++)
		X509_free(x[i]);
	return e;
}

/* --- whole ------------------------------------------------------------ */

enum err
quoteinfo_read(struct span quote, struct quoteinfo *out, struct why *why)
{
	struct quoteinfo info = { .chain = NULL };
	struct span s = quote, sig, certs;
	uint32_t sig_len;
	enum err e;

	if (quote.len > QUOTE_MAX)
		return why_set(why, ERR_TOO_BIG, "quote-verification 2.4",
		    "a quote of more than %d bytes", QUOTE_MAX);
	if ((e = header_read(&s, &info.version, &info.tee, why)) != ERR_OK ||
	    (e = body_skip(&s, info.version, info.tee, why)) != ERR_OK)
		return e;
	if (span_u32le(&s, &sig_len) != ERR_OK ||
	    span_take(&s, sig_len, &sig) != ERR_OK)
		return bad(why, "quote-verification 2.2",
		    "the signature data is cut short");
	/* Cloud vTPM paths and fixed buffers pad with zeros. */
	if (!span_all(s, 0))
		return bad(why, "quote-verification 2.4",
		    "bytes behind the quote");
	info.len = quote.len - s.len;
	if ((e = cert_data_read(sig, info.version, &certs, why)) != ERR_OK ||
	    (e = chain_part_read(certs, &info, why)) != ERR_OK)
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
