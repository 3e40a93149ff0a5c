#include "storage/verify/asn1.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/objects.h>

/* clang-format off */
ASN1_SEQUENCE(SGX_PAIR) = {
	ASN1_SIMPLE(SGX_PAIR, oid, ASN1_OBJECT),
	ASN1_SIMPLE(SGX_PAIR, value, ASN1_ANY)
	/* cppcheck-suppress unknownMacro */
} static_ASN1_SEQUENCE_END(SGX_PAIR)

ASN1_ITEM_TEMPLATE(SGX_PAIRS) =
	ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF, 0, SGX_PAIRS, SGX_PAIR)
static_ASN1_ITEM_TEMPLATE_END(SGX_PAIRS);
/* clang-format on */

static const unsigned char root_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d,
	0x01, 0x0d, 0x01 };

struct stack_st_SGX_PAIR *
sgx_pairs_read(struct span der)
{
	const unsigned char *p = der.p;
	ASN1_VALUE *v;

	if (der.len == 0)
		return NULL;
	v = ASN1_item_d2i(NULL, &p, (long)der.len, ASN1_ITEM_rptr(SGX_PAIRS));
	if (v != NULL && p != der.p + der.len) {
		ASN1_item_free(v, ASN1_ITEM_rptr(SGX_PAIRS));
		v = NULL;
	}
	ERR_clear_error();
	return (struct stack_st_SGX_PAIR *)v;
}

void
sgx_pairs_free(struct stack_st_SGX_PAIR *pairs)
{
	ASN1_item_free((ASN1_VALUE *)pairs, ASN1_ITEM_rptr(SGX_PAIRS));
}

static struct span
oid_octets(const ASN1_OBJECT *oid)
{
	return span_of(OBJ_get0_data(oid), OBJ_length(oid));
}

bool
sgx_oid_is_root(const ASN1_OBJECT *oid)
{
	return span_eq(oid_octets(oid), span_of(root_oid, sizeof(root_oid)));
}

bool
sgx_oid_suffix(const ASN1_OBJECT *oid, struct span *suffix)
{
	struct span s = oid_octets(oid), root;

	if (span_take(&s, sizeof(root_oid), &root) != ERR_OK ||
	    !span_eq(root, span_of(root_oid, sizeof(root_oid))))
		return false;
	*suffix = s;
	return true;
}
