/*
 * PCK certificates with the SGX extension, and pckcerts bodies.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/pki.h"
#include "tests/kit/pki_int.h"

#include <stdlib.h>
#include <string.h>

#define YEAR (365 * (time_t)86400)

/* --- DER, written from the inside out --------------------------------- */

#define DER_BOOL 0x01
#define DER_INT  0x02
#define DER_OCT  0x04
#define DER_OID  0x06
#define DER_ENUM 0x0a
#define DER_SEQ  0x30

static void
der_tlv(struct buf *b, unsigned char tag, struct span v)
{
	unsigned char head[4] = { tag };
	size_t n = 2;

	must(v.len < 0x10000);
	if (v.len < 0x80) {
		head[1] = (unsigned char)v.len;
	} else if (v.len < 0x100) {
		head[1] = 0x81;
		head[2] = (unsigned char)v.len;
		n = 3;
	} else {
		head[1] = 0x82;
		head[2] = (unsigned char)(v.len >> 8);
		head[3] = (unsigned char)v.len;
		n = 4;
	}
	buf_add(b, head, n);
	buf_span(b, v);
}

/* SEQUENCE { 1.2.840.113741.1.13.1.<arc>[.<sub>], value } */
static void
der_pair(struct buf *b, unsigned char arc, unsigned char sub, unsigned char tag,
    struct span v)
{
	unsigned char oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d,
		0x01, arc, sub };
	struct buf in = BUF_INIT;

	der_tlv(&in, DER_OID, span_of(oid, sub == 0 ? 10 : 11));
	der_tlv(&in, tag, v);
	der_tlv(b, DER_SEQ, buf_view(&in));
	buf_free(&in);
}

static void
der_number(struct buf *b, unsigned char arc, unsigned char sub,
    unsigned char tag, unsigned v)
{
	unsigned char bytes[3] = { 0, (unsigned char)(v >> 8),
		(unsigned char)v };
	size_t skip = v >= 0x8000 ? 0 : v >= 0x80 ? 1 : 2;

	der_pair(b, arc, sub, tag, span_of(bytes + skip, 3 - skip));
}

static void
der_bool(struct buf *b, unsigned char sub, int v)
{
	unsigned char byte = v ? 0xff : 0;

	if (v >= 0)
		der_pair(b, 7, sub, DER_BOOL, span_of(&byte, 1));
}

static const unsigned char *
cpusvn(const struct pki_pck *p)
{
	return p->cpusvn == NULL ? p->comp : p->cpusvn;
}

struct blob *
pki_sgx_extension(const struct pki_pck *p)
{
	struct buf all = BUF_INIT, in = BUF_INIT, out = BUF_INIT;
	unsigned char i;

	der_pair(&all, 1, 0, DER_OCT, span_of(p->ppid, 16));
	for (i = 0; i < 16; i++)
		der_number(&in, 2, (unsigned char)(i + 1), DER_INT, p->comp[i]);
	der_number(&in, 2, 17, DER_INT, p->pcesvn);
	der_pair(&in, 2, 18, DER_OCT, span_of(cpusvn(p), 16));
	der_pair(&all, 2, 0, DER_SEQ, buf_view(&in));
	buf_free(&in);
	der_pair(&all, 3, 0, DER_OCT, span_of(p->pceid, 2));
	der_pair(&all, 4, 0, DER_OCT, span_of(p->fmspc, 6));
	der_number(&all, 5, 0, DER_ENUM, p->sgx_type);
	if (p->ca == PCK_CA_PLATFORM) {
		der_pair(&all, 6, 0, DER_OCT, span_of(p->instance, 16));
		in = BUF_INIT;
		der_bool(&in, 1, p->dynamic_platform);
		der_bool(&in, 2, p->cached_keys);
		der_bool(&in, 3, p->smt_enabled);
		der_bool(&in, 4, p->unknown_setting ? 1 : -1);
		if (!p->no_configuration)
			der_pair(&all, 7, 0, DER_SEQ, buf_view(&in));
		buf_free(&in);
	}
	if (p->unknown_member)
		der_number(&all, 9, 0, DER_INT, 1);
	der_tlv(&out, DER_SEQ, buf_view(&all));
	buf_free(&all);
	return buf_blob(&out);
}

/* --- the certificate -------------------------------------------------- */

void
pki_tcbm(const struct pki_pck *p, char out[37])
{
	unsigned char pcesvn[2] = { (unsigned char)p->pcesvn,
		(unsigned char)(p->pcesvn >> 8) };

	hex_upper(span_of(cpusvn(p), 16), out);
	hex_upper(span_of(pcesvn, 2), out + 32);
}

/* One key and one serial per platform, CA and TCB. */
static void
pck_label(const struct pki_pck *p, char out[100])
{
	char ppid[33], tcbm[37];

	hex_lower(span_of(p->ppid, 16), ppid);
	pki_tcbm(p, tcbm);
	snprintf(out, 100, "pck-%d-%s-%s", (int)p->ca, ppid, tcbm);
}

EVP_PKEY *
pki_pck_key(const struct pki *pki, const struct pki_pck *p)
{
	char label[100];

	pck_label(p, label);
	return pki_derive(pki, label);
}

X509 *
pki_pck(const struct pki *pki, const struct pki_pck *p)
{
	enum pki_who who =
	    p->ca == PCK_CA_PLATFORM ? PKI_PLATFORM_CA : PKI_PROCESSOR_CA;
	const struct pki *by = pki;
	struct blob *ext = pki_sgx_extension(p);
	struct pki_cert c;
	char label[100], dp[120];
	X509 *x;

	if (p->lie == PKI_WRONG_KEY || p->lie == PKI_FOREIGN_CHAIN)
		by = pki_evil(pki);
	if (p->lie == PKI_WRONG_ROLE)
		who = PKI_TCB_SIGNING;
	pck_label(p, label);
	snprintf(dp, sizeof(dp),
	    "https://api.trustedservices.intel.com/sgx/certification/v4/"
	    "pckcrl?ca=%s&encoding=der",
	    p->ca == PCK_CA_PLATFORM ? "platform" : "processor");
	c = pki_cert_of(pki, PKI_TCB_SIGNING);
	c.cn = "Intel SGX PCK Certificate";
	c.label = label;
	c.crl_dp = dp;
	c.issuer = pki_x509(pki, who);
	c.issuer_key = pki_key(by, who);
	if (p->not_before != 0)
		c.not_before = p->not_before;
	c.not_after =
	    p->not_after != 0 ? p->not_after : c.not_before + 7 * YEAR;
	c.sgx = blob_span(ext);
	x = pki_cert_lie(pki, &c, p->lie);
	blob_unref(ext);
	return x;
}

static void
pckcerts_one(const struct pki *pki, const struct pki_pck *p, struct buf *b)
{
	struct blob *pem;
	char tcbm[37];
	X509 *x;
	int i;

	buf_str(b, "{\"tcb\":{");
	for (i = 0; i < 16; i++)
		buf_printf(b, "\"sgxtcbcomp%02dsvn\":%u,", i + 1, p->comp[i]);
	pki_tcbm(p, tcbm);
	buf_printf(b, "\"pcesvn\":%u},\"tcbm\":\"%s\",\"cert\":\"", p->pcesvn,
	    p->tcbm == NULL ? tcbm : p->tcbm);
	if (p->na) {
		buf_str(b, "Not available");
	} else {
		x = pki_pck(pki, p);
		pem = pki_pem(x);
		buf_pct(b, blob_span(pem));
		blob_unref(pem);
		X509_free(x);
	}
	buf_str(b, "\"}");
}

struct blob *
pki_pckcerts(const struct pki *pki, size_t n, const struct pki_pck *p)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_str(&b, "[");
	for (i = 0; i < n; i++) {
		if (i > 0)
			buf_str(&b, ",");
		pckcerts_one(pki, &p[i], &b);
	}
	buf_str(&b, "]");
	return buf_blob(&b);
}
