#include "config/base/enc.h"
#include "config/base/map.h"
#include "config/base/must.h"
#include "storage/storage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_name[COLL_N] = {
#define COLL(sym, name, stale, back) [sym] = name,
#include "storage/coll.def"
#undef COLL
};

/*
 * The kind's name and these parts behind it, each after a "/".  Every request
 * makes a key or two: no printf.
 */
#define KEY_TEXT(k, ...) key_text(k, (const char *const[]){ __VA_ARGS__, NULL })

static void
key_text(struct coll_key *k, const char *const *part)
{
	char *at = k->text, *end = k->text + sizeof(k->text);

	at = stpcpy(at, kind_name[k->kind]);
	for (; *part != NULL; part++) {
		size_t len = strlen(*part);

		must(len + 1 < (size_t)(end - at));
		*at++ = '/';
		memcpy(at, *part, len + 1);
		at += len;
	}
}

static const char *
api_name(unsigned api)
{
	must(api == 3 || api == 4);
	return api == 3 ? "3" : "4";
}

/* "standard", "early" or the number. */
struct version_text {
	char s[12];
};

static struct version_text
key_version(enum update update, uint32_t number)
{
	struct version_text t = { "standard" };

	must((update == UPDATE_NUMBER) == (number != 0));
	if (update == UPDATE_NUMBER)
		snprintf(t.s, sizeof(t.s), "%" PRIu32, number);
	else if (update == UPDATE_EARLY)
		t = (struct version_text){ "early" };
	return t;
}

struct coll_key
key_tcbinfo(enum tee tee, unsigned api, const char *fmspc, enum update update,
    uint32_t number)
{
	struct coll_key k = { .kind = COLL_TCBINFO,
		.tee = tee,
		.api = api,
		.update = update,
		.number = number };
	unsigned char bytes[6];

	must(hex_read(span_str(fmspc), bytes, sizeof(bytes)) == ERR_OK);
	hex_upper(span_of(bytes, sizeof(bytes)), k.fmspc);
	KEY_TEXT(&k, tee_name(tee), api_name(api), k.fmspc,
	    key_version(update, number).s);
	return k;
}

struct coll_key
key_identity(enum enclave enclave, unsigned api, enum update update,
    uint32_t number)
{
	struct coll_key k = { .kind = COLL_IDENTITY,
		.enclave = enclave,
		.api = api,
		.update = update,
		.number = number };

	KEY_TEXT(&k, enclave_name(enclave), api_name(api),
	    key_version(update, number).s);
	return k;
}

struct coll_key
key_pck_crl(enum pck_ca ca)
{
	struct coll_key k = { .kind = COLL_PCK_CRL, .ca = ca };

	KEY_TEXT(&k, pck_ca_name(ca));
	return k;
}

struct coll_key
key_root_crl(void)
{
	struct coll_key k = { .kind = COLL_ROOT_CRL };

	key_text(&k, (const char *const[]){ NULL });
	return k;
}

struct coll_key
key_evalnums(enum tee tee)
{
	struct coll_key k = { .kind = COLL_EVALNUMS, .tee = tee };

	KEY_TEXT(&k, tee_name(tee));
	return k;
}

static const char *const fmspcs_platforms[] = { "all", "client", "E3", "E5" };

struct coll_key
key_fmspcs(const char *platform)
{
	struct coll_key k = { .kind = COLL_FMSPCS };
	size_t len = strlen(platform);

	must(len < sizeof(k.platform));
	memcpy(k.platform, platform, len);
	KEY_TEXT(&k, platform);
	return k;
}

struct coll_key
key_amd_chain(enum amd_product product, enum amd_side side)
{
	struct coll_key k = { .kind = COLL_AMD_CHAIN,
		.product = product,
		.side = side };

	KEY_TEXT(&k, amd_side_name(side), amd_product_name(product));
	return k;
}

struct coll_key
key_amd_crl(enum amd_product product, enum amd_side side)
{
	struct coll_key k = { .kind = COLL_AMD_CRL,
		.product = product,
		.side = side };

	KEY_TEXT(&k, amd_side_name(side), amd_product_name(product));
	return k;
}

/* "who" is the chip or the cloud provider. */
static void
vek_text(struct coll_key *k, const char *who)
{
	char tcbm[17];

	amd_tcb_write(k->tcb, tcbm);
	KEY_TEXT(k, amd_side_name(k->side), amd_product_name(k->product), who,
	    tcbm);
}

struct coll_key
key_vcek(enum amd_product product, struct span hwid, struct amd_tcb tcb)
{
	struct coll_key k = { .kind = COLL_VEK,
		.product = product,
		.side = AMD_VCEK,
		.tcb = tcb };
	char text[2 * AMD_HWID_MAX + 1];

	must(hwid.len == amd_hwid_len(product));
	memcpy(k.hwid, hwid.p, hwid.len);
	hex_lower(hwid, text);
	vek_text(&k, text);
	return k;
}

struct coll_key
key_vlek(enum amd_product product, const char *csp_id, struct amd_tcb tcb)
{
	struct coll_key k = { .kind = COLL_VEK,
		.product = product,
		.side = AMD_VLEK,
		.tcb = tcb };
	size_t len = strlen(csp_id);

	must(len != 0 && len < sizeof(k.csp_id));
	memcpy(k.csp_id, csp_id, len);
	vek_text(&k, csp_id);
	return k;
}

struct coll_key
key_vek(const struct vek *v)
{
	return v->side == AMD_VLEK ? key_vlek(v->product, v->csp_id, v->tcb)
				   : key_vcek(v->product,
					 span_of(v->hwid, v->hwid_len), v->tcb);
}

struct span
key_hwid(const struct coll_key *k)
{
	must(k->kind == COLL_VEK && k->side == AMD_VCEK);
	return span_of(k->hwid, amd_hwid_len(k->product));
}

struct key_log
key_log(const struct coll_key *k)
{
	struct coll_key shown = *k;
	struct key_log out;
	char hash[12];

	if (k->kind == COLL_VEK && k->side == AMD_VCEK) {
		snprintf(hash, sizeof(hash), "#%08" PRIx32,
		    (uint32_t)map_hash(key_hwid(k)));
		vek_text(&shown, hash);
	}
	memcpy(out.s, shown.text, sizeof(out.s));
	return out;
}

/* --- reading ---------------------------------------------------------- */

/* The next part of a text; what is left when there is no more "/". */
static struct span
part_next(struct span *s)
{
	struct span part;

	if (span_until(s, '/', &part) == ERR_OK)
		return part;
	part = *s;
	*s = SPAN_NONE;
	return part;
}

static bool
part_tee(struct span part, enum tee *out)
{
	*out = span_eq_str(part, tee_name(TEE_TDX)) ? TEE_TDX : TEE_SGX;
	return span_eq_str(part, tee_name(*out));
}

static bool
part_ca(struct span part, enum pck_ca *out)
{
	*out = span_eq_str(part, pck_ca_name(PCK_CA_PLATFORM))
		   ? PCK_CA_PLATFORM
		   : PCK_CA_PROCESSOR;
	return span_eq_str(part, pck_ca_name(*out));
}

static bool
part_enclave(struct span part, enum enclave *out)
{
	int e;

	for (e = 0; e < ENCLAVE_N; e++) {
		if (!span_eq_str(part, enclave_name((enum enclave)e)))
			continue;
		*out = (enum enclave)e;
		return true;
	}
	return false;
}

static bool
part_api(struct span part, unsigned *out)
{
	*out = span_eq_str(part, "3") ? 3 : 4;
	return *out == 3 || span_eq_str(part, "4");
}

/* A number as key_version() writes it: no sign, no leading zero. */
static bool
part_number(struct span part, uint32_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (part.len == 0 || part.len > 10 || part.p[0] == '0')
		return false;
	for (i = 0; i < part.len; i++) {
		if (part.p[i] < '0' || part.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(part.p[i] - '0');
	}
	*out = (uint32_t)v;
	return v <= UINT32_MAX;
}

static bool
part_version(struct span part, enum update *update, uint32_t *number)
{
	*number = 0;
	*update = UPDATE_STANDARD;
	if (span_eq_str(part, "standard"))
		return true;
	*update = UPDATE_EARLY;
	if (span_eq_str(part, "early"))
		return true;
	*update = UPDATE_NUMBER;
	return part_number(part, number);
}

static bool
key_read_tcbinfo(struct span *s, struct coll_key *out)
{
	char fmspc[13] = "";
	struct span part;
	enum update update;
	uint32_t number;
	unsigned api;
	enum tee tee;

	if (!part_tee(part_next(s), &tee) || !part_api(part_next(s), &api))
		return false;
	part = part_next(s);
	if (!hex_is(part, 12) ||
	    !part_version(part_next(s), &update, &number) ||
	    (tee == TEE_TDX && api == 3))
		return false;
	memcpy(fmspc, part.p, 12);
	*out = key_tcbinfo(tee, api, fmspc, update, number);
	return true;
}

static bool
key_read_identity(struct span *s, struct coll_key *out)
{
	enum enclave enclave;
	enum update update;
	uint32_t number;
	unsigned api;

	if (!part_enclave(part_next(s), &enclave) ||
	    !part_api(part_next(s), &api) ||
	    !part_version(part_next(s), &update, &number) ||
	    (enclave == ENCLAVE_TDQE && api == 3))
		return false;
	*out = key_identity(enclave, api, update, number);
	return true;
}

static bool
key_read_fmspcs(struct span *s, struct coll_key *out)
{
	struct span part = part_next(s);
	size_t i, n = sizeof(fmspcs_platforms) / sizeof(fmspcs_platforms[0]);

	for (i = 0; i < n; i++) {
		if (!span_eq_str(part, fmspcs_platforms[i]))
			continue;
		*out = key_fmspcs(fmspcs_platforms[i]);
		return true;
	}
	return false;
}

static bool
part_product(struct span part, enum amd_product *out)
{
	*out = amd_product_read(part);
	return *out != AMD_PRODUCT_N &&
	       span_eq_str(part, amd_product_name(*out));
}

static bool
part_side(struct span part, enum amd_side *out)
{
	*out = span_eq_str(part, amd_side_name(AMD_VLEK)) ? AMD_VLEK : AMD_VCEK;
	return span_eq_str(part, amd_side_name(*out));
}

/* Sixteen digits; nobody can ask for a TCB with a reserved byte set. */
static bool
part_tcb(struct span part, enum amd_product product, struct amd_tcb *out)
{
	struct amd_spl spl;

	return part.len == 16 && amd_tcb_read(part, out) == ERR_OK &&
	       amd_spl_of(product, *out, &spl, NULL) == ERR_OK;
}

static bool
csp_id_is(struct span s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return s.len != 0 && s.len < CSP_ID_LEN;
}

/* The TCB is the last part: a csp id may have a "/" in it. */
static bool
key_read_vek(struct span *s, struct coll_key *out)
{
	unsigned char hwid[AMD_HWID_MAX];
	char csp_id[CSP_ID_LEN] = "";
	enum amd_product product;
	enum amd_side side;
	struct amd_tcb tcb;
	struct span who;
	size_t len;

	if (!part_side(part_next(s), &side) ||
	    !part_product(part_next(s), &product) || s->len < 18 ||
	    span_take(s, s->len - 17, &who) != ERR_OK || s->p[0] != '/' ||
	    !part_tcb(span_of(s->p + 1, 16), product, &tcb))
		return false;
	*s = SPAN_NONE;
	if (side == AMD_VLEK) {
		if (!csp_id_is(who))
			return false;
		memcpy(csp_id, who.p, who.len);
		*out = key_vlek(product, csp_id, tcb);
		return true;
	}
	len = amd_hwid_len(product);
	if (hex_read(who, hwid, len) != ERR_OK)
		return false;
	*out = key_vcek(product, span_of(hwid, len), tcb);
	return true;
}

/* Of AMD's chains and CRLs. */
static bool
key_read_side(struct span *s,
    struct coll_key (*make)(enum amd_product, enum amd_side),
    struct coll_key *out)
{
	enum amd_product product;
	enum amd_side side;

	if (!part_side(part_next(s), &side) ||
	    !part_product(part_next(s), &product))
		return false;
	*out = make(product, side);
	return true;
}

static bool
key_read_kind(enum coll_kind kind, struct span *s, struct coll_key *out)
{
	enum pck_ca ca;
	enum tee tee;

	switch (kind) {
	case COLL_TCBINFO:
		return key_read_tcbinfo(s, out);
	case COLL_IDENTITY:
		return key_read_identity(s, out);
	case COLL_PCK_CRL:
		if (!part_ca(part_next(s), &ca))
			return false;
		*out = key_pck_crl(ca);
		return true;
	case COLL_ROOT_CRL:
		*out = key_root_crl();
		return true;
	case COLL_EVALNUMS:
		if (!part_tee(part_next(s), &tee))
			return false;
		*out = key_evalnums(tee);
		return true;
	case COLL_FMSPCS:
		return key_read_fmspcs(s, out);
	case COLL_AMD_CHAIN:
		return key_read_side(s, key_amd_chain, out);
	case COLL_AMD_CRL:
		return key_read_side(s, key_amd_crl, out);
	case COLL_VEK:
		return key_read_vek(s, out);
	case COLL_N:
		break;
	}
	return false;
}

/* Exactly the texts the makers write; hex in either case. */
enum err
key_read(const char *text, struct coll_key *out, struct why *why)
{
	struct span s = span_str(text), part;
	struct coll_key key;
	int kind;

	if (s.len >= COLL_KEY_TEXT)
		return why_set(why, ERR_PARAM, "storage.h", "not a key");
	part = part_next(&s);
	for (kind = 0; kind < COLL_N; kind++)
		if (span_eq_str(part, kind_name[kind]))
			break;
	if (kind == COLL_N || !key_read_kind((enum coll_kind)kind, &s, &key) ||
	    s.len != 0 || strlen(key.text) != strlen(text))
		return why_set(why, ERR_PARAM, "storage.h", "not a key: %s",
		    "tcb/TEE/API/FMSPC/UPDATE, identity/ID/API/UPDATE, "
		    "pckcrl/CA, rootcrl, evalnums/TEE, fmspcs/PLATFORM, "
		    "amdchain/SIDE/PRODUCT, amdcrl/SIDE/PRODUCT, "
		    "vek/SIDE/PRODUCT/WHO/TCBM");
	*out = key;
	return ERR_OK;
}
