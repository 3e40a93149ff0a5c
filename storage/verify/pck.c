/*
 * The facts in a PCK certificate: pcs-upstream 6.1, quote-verification 3.1.
 * Members are found by their identifiers; one that is there twice, or a
 * required one that is not, is refused.  Unknown identifiers are noted and let
 * be: the CA signed them, Intel has added members before, and a cache hands
 * on what it need not understand.  A verdict refuses them.
 */
#include "config/base/must.h"
#include "storage/verify/cert.h"
#include "storage/verify/der.h"

#include <string.h>

#define CLAUSE "quote-verification 3.1"

enum { PPID = 1, TCB = 2, PCEID = 3, FMSPC = 4, TYPE = 5, INSTANCE = 6 };
enum { CONFIG = 7, DYNAMIC = 1, CACHED = 2, SMT = 3 };
enum { PCESVN = 17, CPUSVN = 18 };

/* 1.2.840.113741.1.13.1 */
static const unsigned char root_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d,
	0x01, 0x0d, 0x01 };

bool
pck_oid_is(struct span oid)
{
	return span_eq(oid, span_of(root_oid, sizeof(root_oid)));
}

/* --- single values ------------------------------------------------------ */

/* SEQUENCE { OBJECT IDENTIFIER, ANY }: what the extension is made of. */
struct pair {
	struct span oid;
	uint8_t tag;
	struct span value;
};

static enum err
octets_read(const struct pair *pair, void *out, size_t len, struct why *why)
{
	if (pair->tag != DER_OCTET_STRING || pair->value.len != len)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "not an OCTET STRING of %zu", len);
	memcpy(out, pair->value.p, len);
	return ERR_OK;
}

static enum err
integer_read(const struct pair *pair, uint64_t max, uint64_t *out,
    struct why *why)
{
	if (pair->tag != DER_INTEGER ||
	    der_unsigned(pair->value, max, out) != ERR_OK)
		return why_set(why, ERR_RANGE, CLAUSE,
		    "not an INTEGER in its range");
	return ERR_OK;
}

static enum err
type_read(const struct pair *pair, uint8_t *out, struct why *why)
{
	uint64_t n;

	if (pair->tag != DER_ENUMERATED ||
	    der_unsigned(pair->value, 2, &n) != ERR_OK)
		return why_set(why, ERR_RANGE, CLAUSE,
		    "SGX type is not 0, 1 or 2");
	*out = (uint8_t)n;
	return ERR_OK;
}

/* DER knows two booleans. */
static enum err
flag_read(const struct pair *pair, int *out, struct why *why)
{
	struct span v = pair->value;

	if (pair->tag != DER_BOOLEAN || v.len != 1 ||
	    (v.p[0] != 0 && v.p[0] != 0xff))
		return why_set(why, ERR_FORMAT, CLAUSE, "not a BOOLEAN");
	*out = v.p[0] != 0;
	return ERR_OK;
}

/* --- sequences ---------------------------------------------------------- */

typedef enum err (
    *member_fn)(struct pck *, unsigned arc, const struct pair *, struct why *);

static enum err
pair_next(struct span *s, struct pair *out, struct why *why)
{
	struct span pair;

	if (der_take(s, DER_SEQUENCE, &pair, NULL) != ERR_OK ||
	    der_take(&pair, DER_OID, &out->oid, NULL) != ERR_OK ||
	    !der_oid_ok(out->oid) ||
	    der_next(&pair, &out->tag, &out->value, NULL) != ERR_OK ||
	    pair.len != 0)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "not a SEQUENCE of identifiers and values");
	return ERR_OK;
}

/* Is it root, prefix and one more arc?  An arc below 128 is one octet. */
static bool
pair_arc(const struct pair *pair, struct span prefix, uint8_t *arc)
{
	struct span s = pair->oid, head;

	return span_take(&s, sizeof(root_oid), &head) == ERR_OK &&
	       span_eq(head, span_of(root_oid, sizeof(root_oid))) &&
	       span_take(&s, prefix.len, &head) == ERR_OK &&
	       span_eq(head, prefix) && span_u8(&s, arc) == ERR_OK &&
	       s.len == 0 && *arc <= 31;
}

/*
 * Read the pairs of one sequence whose identifiers are root, prefix, arc.
 * "required" and the set of those seen are bit masks by arc.
 */
static enum err
sequence_read(struct span s, struct span prefix, uint32_t required,
    member_fn read, struct pck *pck, struct why *why)
{
	struct pair pair;
	uint32_t seen = 0;
	enum err e;
	uint8_t arc;

	while (s.len > 0) {
		if ((e = pair_next(&s, &pair, why)) != ERR_OK)
			return e;
		if (!pair_arc(&pair, prefix, &arc)) {
			pck->has_unknown = true;
			continue;
		}
		if ((seen & 1u << arc) != 0)
			e = why_set(why, ERR_FORMAT, CLAUSE,
			    "a member is there twice");
		else
			e = read(pck, arc, &pair, why);
		if (e != ERR_OK)
			return why_in(why, e, "SGX extension, member %u", arc);
		seen |= 1u << arc;
	}
	if ((seen & required) != required)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "SGX extension lacks a member");
	return ERR_OK;
}

static enum err
nested_read(const struct pair *pair, uint8_t arc, uint32_t required,
    member_fn read, struct pck *pck, struct why *why)
{
	if (pair->tag != DER_SEQUENCE)
		return why_set(why, ERR_FORMAT, CLAUSE, "not a SEQUENCE");
	return sequence_read(pair->value, span_of(&arc, 1), required, read, pck,
	    why);
}

static enum err
tcb_member_read(struct pck *pck, unsigned arc, const struct pair *pair,
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
config_member_read(struct pck *pck, unsigned arc, const struct pair *pair,
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
root_member_read(struct pck *pck, unsigned arc, const struct pair *pair,
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
	const ASN1_OBJECT *oid;
	int i, n = X509_get_ext_count(x);

	for (i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509_get_ext(x, i);

		oid = X509_EXTENSION_get_object(ext);
		if (!pck_oid_is(span_of(OBJ_get0_data(oid), OBJ_length(oid))))
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
pck_extension_read(struct span der, struct pck *out, struct why *why)
{
	struct pck pck = { .dynamic_platform = -1,
		.cached_keys = -1,
		.smt_enabled = -1 };
	struct span members;
	enum err e;

	if (der_take(&der, DER_SEQUENCE, &members, NULL) != ERR_OK ||
	    der.len != 0)
		return why_set(why, ERR_FORMAT, CLAUSE,
		    "SGX extension is not one SEQUENCE");
	if ((e = sequence_read(members, SPAN_NONE, ROOT_REQUIRED,
		 root_member_read, &pck, why)) != ERR_OK)
		return e;
	*out = pck;
	return ERR_OK;
}

enum err
pck_read(const X509 *x, struct pck *out, struct why *why)
{
	struct span der = SPAN_NONE;
	enum err e = extension_find(x, &der, why);

	return e != ERR_OK ? e : pck_extension_read(der, out, why);
}

bool
pck_svn_agrees(const struct pck *pck)
{
	return memcmp(pck->cpusvn, pck->comp, sizeof(pck->comp)) == 0;
}
