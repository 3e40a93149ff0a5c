/* The octets of Intel's extension in a certificate. */
#include "config/base/must.h"
#include "storage/verify/verify.h"
#include "tests/fuzz/fuzz.h"

static X509 *
cert_around(struct span sgx)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	ASN1_OCTET_STRING *os = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;
	X509 *x = X509_new();

	must(ASN1_OCTET_STRING_set(os, sgx.p, (int)sgx.len) == 1);
	ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, os);
	must(X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(os);
	ASN1_OBJECT_free(oid);
	return x;
}

static bool
flag(int v)
{
	return v >= -1 && v <= 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct why why = { 0 };
	struct pck pck;
	X509 *x;

	if (len > 65536)
		return 0;
	x = cert_around(span_of(p, len));
	if (pck_read(x, &pck, &why) == ERR_OK)
		must(pck.sgx_type <= 2 && flag(pck.dynamic_platform) &&
		     flag(pck.cached_keys) && flag(pck.smt_enabled));
	else
		must(why.err != ERR_OK && why.text[0] != '\0');
	X509_free(x);
	return 0;
}
