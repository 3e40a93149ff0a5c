/* Certificate revocation lists: RFC 5280 5, pcs-upstream 6. */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/verify/cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CRL_DER_MAX (1024 * 1024) /* 3000 entries are 130 kB */

/* --- the three encodings (quote-verification 4.4) ----------------------- */

/* Text forms may be followed by line ends and C's NUL. */
static struct span
text_trim(struct span s)
{
	while (s.len > 0 && (s.p[s.len - 1] == '\n' || s.p[s.len - 1] == '\r' ||
				s.p[s.len - 1] == '\0'))
		s.len--;
	return s;
}

static enum err
crl_decode(struct span bytes, struct buf *der, struct why *why)
{
	struct span hex;
	enum err e;

	if (bytes.len > 3 * CRL_DER_MAX)
		return why_set(why, ERR_TOO_BIG, "quote-verification 4.4",
		    "CRL of %zu octets", bytes.len);
	if (span_starts(bytes, "-----BEGIN")) {
		if ((e = pem_next(&bytes, "X509 CRL", der, why)) != ERR_OK ||
		    (e = pem_end(bytes, why)) != ERR_OK)
			return e;
	} else if (bytes.len > 0 && bytes.p[0] == '3') {
		/* No DER CRL starts with '3' (0x33): it must be hex of 0x30. */
		hex = text_trim(bytes);
		if (hex_read_buf(hex, der) != ERR_OK)
			return why_set(why, ERR_FORMAT,
			    "quote-verification 4.4", "CRL is not whole hex");
	} else {
		buf_span(der, bytes);
	}
	if (der->len > CRL_DER_MAX)
		return why_set(why, ERR_TOO_BIG, "quote-verification 4.4",
		    "CRL of %zu octets", der->len);
	return ERR_OK;
}

/* As der_is() of cert.c: served again, so it must be DER and all of it. */
enum err
crl_der_read(struct span der, X509_CRL **out, struct why *why)
{
	const unsigned char *p = der.p;
	unsigned char *again = NULL;
	X509_CRL *x = NULL;
	bool same;
	int len;

	if (der.len > 0)
		x = d2i_X509_CRL(NULL, &p, (long)der.len);
	if (x == NULL)
		return why_ssl(why, ERR_FORMAT, "RFC 5280 5.1",
		    "not a DER CRL");
	len = i2d_X509_CRL(x, &again);
	same = len > 0 && span_eq(span_of(again, (size_t)len), der);
	OPENSSL_free(again);
	if (p != der.p + der.len || !same) {
		X509_CRL_free(x);
		return why_ssl(why, ERR_FORMAT, "RFC 5280 5.1",
		    "not one whole DER CRL");
	}
	if (X509_CRL_get_version(x) != X509_CRL_VERSION_2) {
		X509_CRL_free(x);
		return why_ssl(why, ERR_FORMAT, "RFC 5280 5.1.2.1",
		    "not a version 2 CRL");
	}
	/* d2i may succeed and still leave words about odd extensions. */
	ERR_clear_error();
	*out = x;
	return ERR_OK;
}

static enum err
crl_parse(struct crl *crl, struct span der, struct why *why)
{
	enum err e = crl_der_read(der, &crl->x, why);

	if (e == ERR_OK)
		crl->der = blob_from(der);
	return e;
}

/* --- what it says ------------------------------------------------------- */

static enum err
crl_read_times(struct crl *crl, struct why *why)
{
	if (!asn1_time_read(X509_CRL_get0_lastUpdate(crl->x),
		&crl->this_update) ||
	    !asn1_time_read(X509_CRL_get0_nextUpdate(crl->x),
		&crl->next_update))
		return why_set(why, ERR_FORMAT, "RFC 5280 5.1.2.5",
		    "thisUpdate or nextUpdate missing or not a time");
	if (crl->next_update <= crl->this_update)
		return why_set(why, ERR_RANGE, "RFC 5280 5.1.2.5",
		    "nextUpdate is not after thisUpdate");
	crl->window = (struct window){ crl->this_update, crl->next_update };
	return ERR_OK;
}

/*
 * Delta CRLs and partitioned CRLs do not say what is asked of them here, and
 * Intel's library ignores both marks (quote-verification 4.4).
 */
static enum err
crl_check_extensions(const struct crl *crl, struct why *why)
{
	int i, nid, n = X509_CRL_get_ext_count(crl->x);

	for (i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509_CRL_get_ext(crl->x, i);

		nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
		if (nid == NID_delta_crl)
			return why_set(why, ERR_CHAIN, "RFC 5280 5.2.4",
			    "a delta CRL");
		if (nid == NID_issuing_distribution_point)
			return why_set(why, ERR_CHAIN, "RFC 5280 5.2.5",
			    "CRL of a part only");
		if (X509_EXTENSION_get_critical(ext) && nid != NID_crl_number &&
		    nid != NID_authority_key_identifier)
			return why_set(why, ERR_CHAIN, "RFC 5280 5.2",
			    "an unknown critical extension");
	}
	return ERR_OK;
}

static enum err
crl_read_number(struct crl *crl, struct why *why)
{
	ASN1_INTEGER *number =
	    X509_CRL_get_ext_d2i(crl->x, NID_crl_number, NULL, NULL);
	uint64_t v;
	bool neg;

	/* NULL also when there are two of them. */
	if (number == NULL)
		return why_ssl(why, ERR_FORMAT, "RFC 5280 5.2.3",
		    "no CRL number");
	neg = ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER;
	if (ASN1_INTEGER_get_uint64(&v, number) != 1 || v > UINT32_MAX)
		v = UINT32_MAX;
	crl->number = (uint32_t)v;
	ASN1_INTEGER_free(number);
	ERR_clear_error();
	if (neg)
		return why_set(why, ERR_RANGE, "RFC 5280 5.2.3",
		    "negative CRL number");
	return ERR_OK;
}

static int
entry_cmp(const void *a, const void *b)
{
	const struct crl_entry *x = a, *y = b;

	return ASN1_INTEGER_cmp(x->serial, y->serial);
}

/*
 * An own sorted list: X509_CRL_get0_by_serial() sorts on first use and takes
 * a lock, and calls an entry not revoked that is marked removeFromCRL or as
 * about another issuer's certificate.
 */
enum err
crl_entries_read(X509_CRL *x, struct crl_entry **out, size_t *n_out,
    struct why *why)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(x);
	int i, k, n = list == NULL ? 0 : sk_X509_REVOKED_num(list);
	struct crl_entry *entries = xcalloc((size_t)n, sizeof(entries[0]));

	for (i = 0; i < n; i++) {
		const X509_REVOKED *r = sk_X509_REVOKED_value(list, i);

		for (k = 0; k < X509_REVOKED_get_ext_count(r); k++) {
			if (!X509_EXTENSION_get_critical(
				X509_REVOKED_get_ext(r, k)))
				continue;
			free(entries);
			return why_set(why, ERR_CHAIN, "RFC 5280 5.3",
			    "entry %d has a critical extension", i);
		}
		entries[i].serial = X509_REVOKED_get0_serialNumber(r);
	}
	qsort(entries, (size_t)n, sizeof(entries[0]), entry_cmp);
	*out = entries;
	*n_out = (size_t)n;
	return ERR_OK;
}

bool
crl_entries_have(const struct crl_entry *entries, size_t n,
    const ASN1_INTEGER *serial)
{
	const struct crl_entry key = { serial };

	return n != 0 &&
	       bsearch(&key, entries, n, sizeof(entries[0]), entry_cmp) != NULL;
}

/* --- whose it is -------------------------------------------------------- */

static bool
akid_fits(const X509_CRL *x, const X509 *issuer)
{
	AUTHORITY_KEYID *akid =
	    X509_CRL_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
	bool fits = akid != NULL && akid->keyid != NULL &&
		    X509_check_akid(issuer, akid) == X509_V_OK;

	AUTHORITY_KEYID_free(akid);
	ERR_clear_error();
	return fits;
}

static enum err
crl_check_issuer(struct crl *crl, X509 *issuer, struct why *why)
{
	const X509_ALGOR *alg;

	if (!name_same(X509_CRL_get_issuer(crl->x),
		X509_get_subject_name(issuer)))
		return why_set(why, ERR_CHAIN, "quote-verification 5",
		    "CRL names another issuer");
	if (!akid_fits(crl->x, issuer))
		return why_set(why, ERR_CHAIN, "RFC 5280 5.2.1",
		    "no authority key identifier, or another key's");
	if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0)
		return why_set(why, ERR_CHAIN, "RFC 5280 6.3.3",
		    "the issuer may not sign CRLs");
	X509_CRL_get0_signature(crl->x, NULL, &alg);
	if (!asn1_alg_ok(alg))
		return why_set(why, ERR_CHAIN, "pcs-upstream 6",
		    "signature is not ecdsa-with-SHA256");
	if (X509_CRL_verify(crl->x, X509_get0_pubkey(issuer)) != 1)
		return why_ssl(why, ERR_BADSIG, "RFC 5280 5.1.1.3",
		    "signature of the CRL does not verify");
	must(X509_up_ref(issuer) == 1);
	crl->issuer = issuer;
	return ERR_OK;
}

enum err
crl_read(struct span bytes, X509 *issuer, struct crl **out, struct why *why)
{
	struct crl *crl = xcalloc(1, sizeof(*crl));
	struct buf der = BUF_INIT;
	enum err e;

	atomic_init(&crl->refs, 1);
	if ((e = crl_decode(bytes, &der, why)) != ERR_OK ||
	    (e = crl_parse(crl, buf_view(&der), why)) != ERR_OK ||
	    (e = crl_check_issuer(crl, issuer, why)) != ERR_OK ||
	    (e = crl_check_extensions(crl, why)) != ERR_OK ||
	    (e = crl_read_number(crl, why)) != ERR_OK ||
	    (e = crl_read_times(crl, why)) != ERR_OK ||
	    (e = crl_entries_read(crl->x, &crl->entries, &crl->n, why)) !=
		ERR_OK)
		goto out;
	*out = crl;
	crl = NULL;
out:
	/* d2i may succeed and still leave words about odd extensions. */
	ERR_clear_error();
	buf_free(&der);
	crl_unref(crl);
	return e;
}

struct crl *
crl_ref(struct crl *crl)
{
	if (crl != NULL)
		atomic_fetch_add_explicit(&crl->refs, 1, memory_order_relaxed);
	return crl;
}

void
crl_unref(struct crl *crl)
{
	if (crl == NULL || atomic_fetch_sub(&crl->refs, 1) != 1)
		return;
	free(crl->entries);
	X509_CRL_free(crl->x);
	X509_free(crl->issuer);
	blob_unref(crl->der);
	free(crl);
}

bool
crl_lists(const struct crl *crl, const X509 *x)
{
	return crl_entries_have(crl->entries, crl->n,
	    X509_get0_serialNumber(x));
}

/* Octet-equal subject public key infos, without writing them. */
static bool
spki_same(const X509 *a, const X509 *b)
{
	const unsigned char *pa, *pb;
	X509_ALGOR *aa, *ab;
	int na, nb;

	return X509_PUBKEY_get0_param(NULL, &pa, &na, &aa,
		   X509_get_X509_PUBKEY(a)) == 1 &&
	       X509_PUBKEY_get0_param(NULL, &pb, &nb, &ab,
		   X509_get_X509_PUBKEY(b)) == 1 &&
	       X509_ALGOR_cmp(aa, ab) == 0 &&
	       span_eq(span_of(pa, (size_t)na), span_of(pb, (size_t)nb));
}

bool
crl_is_of(const struct crl *crl, const X509 *issuer)
{
	return (crl->issuer == issuer || spki_same(crl->issuer, issuer)) &&
	       name_same(X509_CRL_get_issuer(crl->x),
		   X509_get_subject_name(issuer));
}
