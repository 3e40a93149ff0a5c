/* Certificates and CRLs, with the extensions of Intel and AMD. */
#include "server/cli/inspect.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "server/appraise/fields.h"
#include "storage/verify/amd.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX  256
#define REVOKED_MAX 10000
#define SGX_OID     "1.2.840.113741.1.13.1"

/* --- parts ------------------------------------------------------------ */

static void
field_name(json_t *o, const char *member, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	must(bio != NULL);
	/* Control characters and what is no ASCII come out escaped. */
	if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0)
		BIO_puts(bio, "?");
	len = BIO_get_mem_data(bio, &text);
	field_set(o, member, json_stringn(text, (size_t)len));
	BIO_free(bio);
}

static void
field_asn1_time(json_t *o, const char *member, const ASN1_TIME *t)
{
	struct tm tm;

	if (t != NULL && ASN1_TIME_to_tm(t, &tm) == 1)
		field_time(o, member, timegm(&tm));
	else
		field_set(o, member, json_null());
}

static void
field_number(json_t *o, const char *member, const ASN1_INTEGER *n)
{
	BIGNUM *bn = n == NULL ? NULL : ASN1_INTEGER_to_BN(n, NULL);
	char *hex = bn == NULL ? NULL : BN_bn2hex(bn);

	field_set(o, member, hex == NULL ? json_null() : json_string(hex));
	OPENSSL_free(hex);
	BN_free(bn);
}

static void
field_digest(json_t *o, const char *member, struct span bytes)
{
	unsigned char md[32];

	sha256(bytes, md);
	field_hex(o, member, md, sizeof(md));
}

static void
field_algorithm(json_t *o, int nid)
{
	field_set(o, "signature_algorithm",
	    json_string(nid == NID_undef ? "?" : OBJ_nid2ln(nid)));
}

static void
field_key(json_t *o, X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	const char *type = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
	char group[64] = "", text[128];
	unsigned char spki[32];

	if (type == NULL) {
		field_set(o, "key", json_null());
		return;
	}
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
		snprintf(text, sizeof(text), "%.32s %.63s", type, group);
	else
		snprintf(text, sizeof(text), "%.32s %d", type,
		    EVP_PKEY_get_bits(key));
	field_set(o, "key", json_string(text));
	cert_spki(x, spki);
	field_hex(o, "spki_sha256", spki, sizeof(spki));
}

/* --- vendors' extensions ---------------------------------------------- */

static bool
has_extension(const X509 *x, const char *oid)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	bool has = X509_get_ext_by_OBJ(x, obj, -1) >= 0;

	ASN1_OBJECT_free(obj);
	return has;
}

static void
field_problem(json_t *o, const char *member, const struct why *why)
{
	field_set(o, member, json_string(why->text));
}

/* Intel's two differ in one word. */
static enum pck_ca
issuer_ca(const X509 *x)
{
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_issuer_name(x), NID_commonName, cn,
	    sizeof(cn));
	return strstr(cn, "Platform") != NULL ? PCK_CA_PLATFORM
					      : PCK_CA_PROCESSOR;
}

static void
field_sgx(json_t *o, const X509 *x)
{
	struct buf text = BUF_INIT;
	struct jwrite w = { &text, false };
	struct why why = { 0 };
	struct pck pck;

	if (!has_extension(x, SGX_OID))
		return;
	if (pck_read(x, &pck, &why) != ERR_OK) {
		field_problem(o, "pck_problem", &why);
		return;
	}
	jw_open(&w, NULL, '{');
	fields_pck(&w, &pck, issuer_ca(x));
	jw_close(&w, '}');
	field_written(o, &text);
}

static void
field_amd(json_t *o, X509 *x, struct span der)
{
	struct buf text = BUF_INIT;
	struct jwrite w = { &text, false };
	struct why why = { 0 };
	struct vek *vek = NULL;
	char cn[64] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
	    sizeof(cn));
	if (strcmp(cn, "SEV-VCEK") != 0 && strcmp(cn, "SEV-VLEK") != 0)
		return;
	if (vek_parse(der, &vek, &why) != ERR_OK) {
		field_problem(o, "vek_problem", &why);
		return;
	}
	jw_open(&w, NULL, '{');
	fields_vek(&w, vek);
	jw_close(&w, '}');
	field_written(o, &text);
	vek_unref(vek);
}

/* --- one object ------------------------------------------------------- */

static json_t *
cert_tree(X509 *x, struct span der)
{
	json_t *o = json_pack("{s:s}", "type", "certificate");

	field_name(o, "subject", X509_get_subject_name(x));
	field_name(o, "issuer", X509_get_issuer_name(x));
	field_number(o, "serial", X509_get0_serialNumber(x));
	field_asn1_time(o, "not_before", X509_get0_notBefore(x));
	field_asn1_time(o, "not_after", X509_get0_notAfter(x));
	field_set(o, "ca", json_boolean(X509_check_ca(x) == 1));
	field_key(o, x);
	field_algorithm(o, X509_get_signature_nid(x));
	field_digest(o, "sha256", der);
	field_sgx(o, x);
	field_amd(o, x, der);
	return o;
}

static json_t *
revoked_tree(X509_REVOKED *r)
{
	json_t *o = json_object();
	ASN1_ENUMERATED *reason =
	    X509_REVOKED_get_ext_d2i(r, NID_crl_reason, NULL, NULL);

	field_number(o, "serial", X509_REVOKED_get0_serialNumber(r));
	field_asn1_time(o, "date", X509_REVOKED_get0_revocationDate(r));
	field_set(o, "reason",
	    reason == NULL ? json_null()
			   : json_integer(ASN1_ENUMERATED_get(reason)));
	ASN1_ENUMERATED_free(reason);
	return o;
}

static json_t *
crl_tree(X509_CRL *crl, struct span der)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	json_t *o = json_pack("{s:s}", "type", "crl"), *rows = json_array();
	ASN1_INTEGER *number =
	    X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	int i, n = list == NULL ? 0 : sk_X509_REVOKED_num(list);

	field_name(o, "issuer", X509_CRL_get_issuer(crl));
	field_asn1_time(o, "this_update", X509_CRL_get0_lastUpdate(crl));
	field_asn1_time(o, "next_update", X509_CRL_get0_nextUpdate(crl));
	field_number(o, "number", number);
	ASN1_INTEGER_free(number);
	field_algorithm(o, X509_CRL_get_signature_nid(crl));
	field_digest(o, "sha256", der);
	field_set(o, "n_revoked", json_integer(n));
	for (i = 0; i < n && i < REVOKED_MAX; i++)
		must(json_array_append_new(rows,
			 revoked_tree(sk_X509_REVOKED_value(list, i))) == 0);
	field_set(o, "revoked", rows);
	return o;
}

json_t *
inspect_der(struct span der, struct why *why)
{
	const unsigned char *at = der.p;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	X509_CRL *crl = NULL;
	json_t *o = NULL;

	if (x != NULL && at == der.p + der.len) {
		o = cert_tree(x, der);
		goto out;
	}
	at = der.p;
	crl = d2i_X509_CRL(NULL, &at, (long)der.len);
	if (crl != NULL && at == der.p + der.len)
		o = crl_tree(crl, der);
	else
		(void)why_set(why, ERR_FORMAT, "RFC 5280 4.1",
		    "neither one whole certificate nor one whole CRL");
out:
	X509_free(x);
	X509_CRL_free(crl);
	ERR_clear_error();
	return o;
}

/* --- PEM -------------------------------------------------------------- */

/* How many blocks begin: one that ends nowhere must not go unnoticed. */
static size_t
count_begins(struct span s)
{
	static const char mark[] = "-----BEGIN ";
	size_t n = 0, len = sizeof(mark) - 1;
	const unsigned char *at;

	while ((at = memmem(s.p, s.len, mark, len)) != NULL) {
		n++;
		s.len -= (size_t)(at - s.p) + len;
		s.p = at + len;
	}
	return n;
}

static enum err
pem_blocks(struct span text, json_t *list, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(text.len == 0 ? "" : (const char *)text.p,
	    (int)text.len);
	char *label, *head;
	unsigned char *der;
	enum err e = ERR_OK;
	json_t *one;
	long len;

	must(bio != NULL);
	while (e == ERR_OK && json_array_size(list) < BLOCKS_MAX &&
	       PEM_read_bio(bio, &label, &head, &der, &len) == 1) {
		one = inspect_der(span_of(der, (size_t)len), why);
		if (one == NULL)
			e = why->err;
		else
			must(json_array_append_new(list, one) == 0);
		OPENSSL_free(label);
		OPENSSL_free(head);
		OPENSSL_free(der);
	}
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

json_t *
inspect_pem(struct span text, struct why *why)
{
	json_t *list = json_array(), *o = NULL;

	if (pem_blocks(text, list, why) != ERR_OK)
		goto out;
	if (json_array_size(list) == 0 ||
	    json_array_size(list) != count_begins(text))
		(void)why_set(why, ERR_FORMAT, "RFC 7468",
		    "not whole PEM blocks");
	else if (json_array_size(list) == 1)
		o = json_incref(json_array_get(list, 0));
	else
		o = json_pack("{s:s, s:O}", "type", "chain", "certificates",
		    list);
out:
	json_decref(list);
	return o;
}
