#include "config/base/enc.h"
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

static void key_text(struct coll_key *, const char *fmt, ...) PRINTF(2, 3);

static void
key_text(struct coll_key *k, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(k->text, sizeof(k->text), "%s", kind_name[k->kind]);

	must(n > 0);
	va_start(ap, fmt);
	n += vsnprintf(k->text + n, sizeof(k->text) - (size_t)n, fmt, ap);
	va_end(ap);
	must((size_t)n < sizeof(k->text));
}

/* "standard", "early" or the number. */
struct version_text {
	char s[12];
};

static struct version_text
key_version(enum update update, uint32_t number)
{
	struct version_text t;

	must((update == UPDATE_NUMBER) == (number != 0));
	if (update == UPDATE_NUMBER)
		snprintf(t.s, sizeof(t.s), "%" PRIu32, number);
	else
		snprintf(t.s, sizeof(t.s), "%s",
		    update == UPDATE_EARLY ? "early" : "standard");
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

	must(api == 3 || api == 4);
	must(hex_read(span_str(fmspc), bytes, sizeof(bytes)) == ERR_OK);
	hex_upper(span_of(bytes, sizeof(bytes)), k.fmspc);
	key_text(&k, "/%s/%u/%s/%s", tee_name(tee), api, k.fmspc,
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

	must(api == 3 || api == 4);
	key_text(&k, "/%s/%u/%s", enclave_name(enclave), api,
	    key_version(update, number).s);
	return k;
}

struct coll_key
key_pck_crl(enum pck_ca ca)
{
	struct coll_key k = { .kind = COLL_PCK_CRL, .ca = ca };

	key_text(&k, "/%s", pck_ca_name(ca));
	return k;
}

struct coll_key
key_root_crl(void)
{
	struct coll_key k = { .kind = COLL_ROOT_CRL };

	key_text(&k, "%s", "");
	return k;
}

struct coll_key
key_evalnums(enum tee tee)
{
	struct coll_key k = { .kind = COLL_EVALNUMS, .tee = tee };

	key_text(&k, "/%s", tee_name(tee));
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
	key_text(&k, "/%s", platform);
	return k;
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
	case COLL_N:
		break;
	}
	return false;
}

/* Exactly the texts the makers write; an FMSPC in either case. */
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
		    "pckcrl/CA, rootcrl, evalnums/TEE, fmspcs/PLATFORM");
	*out = key;
	return ERR_OK;
}
