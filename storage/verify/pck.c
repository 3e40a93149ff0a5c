/*
 * The facts in a PCK certificate: pcs-upstream 6.1, quote-verification 3.1.
 * Members are found by their identifiers; one that is there twice, or a
 * required one that is not, is refused.  Unknown identifiers are noted and let
 * be: the CA signed them, Intel has added members before, and a cache hands
 * on what it need not understand.  A verdict refuses them.
 */
#include "config/base/must.h"
#include "storage/verify/asn1.h"
#include "storage/verify/cert.h"

#include <openssl/err.h>
#include <string.h>

#define CLAUSE "quote-verification 3.1"

enum { PPID = 1, TCB = 2, PCEID = 3, FMSPC = 4, TYPE = 5, INSTANCE = 6 };
enum { CONFIG = 7, DYNAMIC = 1, CACHED = 2, SMT = 3 };
enum { PCESVN = 17, CPUSVN = 18 };

/* --- single values ------------------------------------------------------ */

static enum err
octets_read(const SGX_PAIR *pair, void *out, size_t len, struct why *why)
{
	const ASN1_TYPE *v = pair->value;

	if (v->type != V_ASN1_OCTET_STRING ||
	    (size_t)ASN1_STRING_length(v->value.octet_string) != len)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "not an OCTET STRING of %zu", len);
	memcpy(out, ASN1_STRING_get0_data(v->value.octet_string), len);
	return ERR_OK;
}

static enum err
integer_read(const SGX_PAIR *pair, uint64_t max, uint64_t *out, struct why *why)
{
	const ASN1_TYPE *v = pair->value;
	uint64_t n;

	if (v->type != V_ASN1_INTEGER ||
	    ASN1_INTEGER_get_uint64(&n, v->value.integer) != 1 || n > max)
		return why_ssl(why, ERR_RANGE, CLAUSE,
		    "not an INTEGER in its range");
	*out = n;
	return ERR_OK;
}

static enum err
type_read(const SGX_PAIR *pair, uint8_t *out, struct why *why)
{
	const ASN1_TYPE *v = pair->value;
	int64_t n;

	if (v->type != V_ASN1_ENUMERATED ||
	    ASN1_ENUMERATED_get_int64(&n, v->value.enumerated) != 1 || n < 0 ||
	    n > 2)
		return why_ssl(why, ERR_RANGE, CLAUSE,
		    "SGX type is not 0, 1 or 2");
	*out = (uint8_t)n;
	return ERR_OK;
}

/* DER knows two booleans; OpenSSL hands over whatever octet there was. */
static enum err
flag_read(const SGX_PAIR *pair, int *out, struct why *why)
{
	const ASN1_TYPE *v = pair->value;

	if (v->type != V_ASN1_BOOLEAN ||
	    (v->value.boolean != 0 && v->value.boolean != 0xff))
		return why_set(why, ERR_FORMAT, CLAUSE, "not a BOOLEAN");
	*out = v->value.boolean != 0;
	return ERR_OK;
}

/* --- sequences ---------------------------------------------------------- */

typedef enum err (
    *member_fn)(struct pck *, unsigned arc, const SGX_PAIR *, struct why *);

/*
 * Read the pairs of one sequence whose identifiers are root, prefix, arc.
 * "required" and the set of those seen are bit masks by arc.
 */
static enum err
sequence_read(struct span der, struct span prefix, uint32_t required,
    member_fn read, struct pck *pck, struct why *why)
{
	STACK_OF(SGX_PAIR) *pairs = sgx_pairs_read(der);
	uint32_t seen = 0;
	struct span s, head;
	enum err e = ERR_OK;
	uint8_t arc;
	int i;

	if (pairs == NULL)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "not a SEQUENCE of identifiers and values");
	for (i = 0; i < sk_SGX_PAIR_num(pairs) && e == ERR_OK; i++) {
		const SGX_PAIR *pair = sk_SGX_PAIR_value(pairs, i);

		if (!sgx_oid_suffix(pair->oid, &s) ||
		    span_take(&s, prefix.len, &head) != ERR_OK ||
		    !span_eq(head, prefix) || span_u8(&s, &arc) != ERR_OK ||
		    s.len > 0 || arc > 31) {
			pck->has_unknown = true;
			continue;
		}
		if ((seen & 1u << arc) != 0)
			e = why_set(why, ERR_FORMAT, CLAUSE,
			    "a member is there twice");
		else if ((e = read(pck, arc, pair, why)) == ERR_OK)
			seen |= 1u << arc;
		if (e != ERR_OK)
			why_in(why, e, "SGX extension, member %u", arc);
	}
	if (e == ERR_OK && (seen & required) != required)
		e = why_set(why, ERR_FORMAT, CLAUSE,
		    "SGX extension lacks a member");
	sgx_pairs_free(pairs);
	return e;
}

static enum err
nested_read(const SGX_PAIR *pair, uint8_t arc, uint32_t required,
    member_fn read, struct pck *pck, struct why *why)
{
	const ASN1_STRING *s;

	if (pair->value->type != V_ASN1_SEQUENCE)
		return why_set(why, ERR_FORMAT, CLAUSE, "not a SEQUENCE");
	s = pair->value->value.sequence;
	return sequence_read(span_of(ASN1_STRING_get0_data(s),
				 (size_t)ASN1_STRING_length(s)),
	    span_of(&arc, 1), required, read, pck, why);
}

static enum err
tcb_member_read(struct pck *pck, unsigned arc, const SGX_PAIR *pair,
    struct why *why)
{
	uint64_t v = 0;
	enum err e;

	if (arc >= 1 && arc <= 16) {
		e = integer_read(pair, UINT8_MAX, &v, why);
		pck->comp[arc - 1] = (uint8_t)v;
		return e;
	}
	if (arc == PCESVN) {
		e = integer_read(pair, UINT16_MAX, &v, why);
		pck->pcesvn = (uint16_t)v;
		return e;
	}
	if (arc == CPUSVN)
		return octets_read(pair, pck->cpusvn, 16, why);
	return why_set(why, ERR_FORMAT, CLAUSE, "no member of a TCB");
}

static enum err
config_member_read(struct pck *pck, unsigned arc, const SGX_PAIR *pair,
    struct why *why)
{
	switch (arc) {
	case DYNAMIC:
		return flag_read(pair, &pck->dynamic_platform, why);
	case CACHED:
		return flag_read(pair, &pck->cached_keys, why);
	case SMT:
		return flag_read(pair, &pck->smt_enabled, why);
	default:
		pck->has_unknown = true;
		return ERR_OK;
	}
}

#define TCB_REQUIRED  0x7fffeu /* arcs 1 to 18 */
#define ROOT_REQUIRED 0x3eu    /* arcs 1 to 5 */

static enum err
root_member_read(struct pck *pck, unsigned arc, const SGX_PAIR *pair,
    struct why *why)
{
	switch (arc) {
	case PPID:
		return octets_read(pair, pck->ppid, 16, why);
	case TCB:
		return nested_read(pair, TCB, TCB_REQUIRED, tcb_member_read,
		    pck, why);
	case PCEID:
		return octets_read(pair, pck->pceid, 2, why);
	case FMSPC:
		return octets_read(pair, pck->fmspc, 6, why);
	case TYPE:
		return type_read(pair, &pck->sgx_type, why);
	case INSTANCE:
		pck->has_instance = true;
		return octets_read(pair, pck->instance, 16, why);
	case CONFIG:
		pck->has_config = true;
		return nested_read(pair, CONFIG, 0, config_member_read, pck,
		    why);
	default:
		pck->has_unknown = true;
		return ERR_OK;
	}
}

/* --- the extension ------------------------------------------------------ */

static enum err
extension_find(const X509 *x, struct span *out, struct why *why)
{
	const ASN1_OCTET_STRING *found = NULL;
	int i, n = X509_get_ext_count(x);

	for (i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509_get_ext(x, i);

		if (!sgx_oid_is_root(X509_EXTENSION_get_object(ext)))
			continue;
		if (found != NULL)
			return why_set(why, ERR_FORMAT, CLAUSE,
			    "two SGX extensions");
		found = X509_EXTENSION_get_data(ext);
	}
	if (found == NULL)
		return why_set(why, ERR_FORMAT, CLAUSE, "no SGX extension");
	*out = span_of(ASN1_STRING_get0_data(found),
	    (size_t)ASN1_STRING_length(found));
	return ERR_OK;
}

enum err
pck_read(const X509 *x, struct pck *out, struct why *why)
{
	struct pck pck = { .dynamic_platform = -1,
		.cached_keys = -1,
		.smt_enabled = -1 };
	struct span der = SPAN_NONE;
	enum err e;

	if ((e = extension_find(x, &der, why)) != ERR_OK ||
	    (e = sequence_read(der, SPAN_NONE, ROOT_REQUIRED, root_member_read,
		 &pck, why)) != ERR_OK)
		return e;
	*out = pck;
	return ERR_OK;
}

bool
pck_svn_agrees(const struct pck *pck)
{
	return memcmp(pck->cpusvn, pck->comp, sizeof(pck->comp)) == 0;
}
