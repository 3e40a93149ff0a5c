#include "server/kds_path.h"

#include "config/base/enc.h"

#include <string.h>

/* --- segments --------------------------------------------------------- */

/* The next part of a path; clients with a slash at the end of their base URL
 * send two (amd-kds 8.1).  Empty: none is left. */
static struct span
segment(struct span *path)
{
	struct span one;

	while (path->len > 0 && path->p[0] == '/')
		*path = span_of(path->p + 1, path->len - 1);
	if (span_until(path, '/', &one) != ERR_OK) {
		one = *path;
		*path = SPAN_NONE;
	}
	return one;
}

static enum err
no_path(struct why *why)
{
	return why_set(why, ERR_NO_ROUTE, "amd-kds 2", "no such path");
}

static enum err
product_read(struct span name, enum amd_product *out, struct why *why)
{
	*out = amd_product_read(name);
	if (*out == AMD_PRODUCT_N)
		return why_set(why, ERR_NO_ROUTE, "amd-kds 2.1",
		    "no such product");
	return ERR_OK;
}

static bool
hex_all(struct span s)
{
	return hex_is(s, s.len);
}

static enum err
hwid_read(struct span hex, enum amd_product product, unsigned char *out,
    struct why *why)
{
	size_t len = amd_hwid_len(product);

	if (!hex_all(hex))
		return why_set(why, ERR_PARAM, "amd-kds 8.1",
		    "the hardware id is not hex");
	if (hex_read(hex, out, len) != ERR_OK)
		return why_set(why, ERR_NO_ROUTE, "amd-kds 2.5",
		    "%zu digits for a hardware id; %s has %zu", hex.len,
		    amd_product_name(product), 2 * len);
	if (span_all(span_of(out, len), 0))
		return why_set(why, ERR_PARAM, "amd-kds 8.1",
		    "the hardware id is masked: all zeros");
	return ERR_OK;
}

/* --- the query -------------------------------------------------------- */

enum spl { SPL_FMC, SPL_BL, SPL_TEE, SPL_SNP, SPL_UCODE, SPL_N };

static const struct {
	const char *name;
	unsigned max;
} spls[SPL_N] = { { "fmcSPL", AMD_SPL_MAX }, { "blSPL", AMD_SPL_MAX },
	{ "teeSPL", AMD_SPL_MAX }, { "snpSPL", AMD_SPL_MAX },
	{ "ucodeSPL", 255 } };

struct levels {
	bool has[SPL_N], has_csp;
	uint8_t v[SPL_N];
	char csp_id[CSP_ID_LEN];
};

/* amd-kds 2.3: decimal, padded by some clients. */
static enum err
spl_read(struct span s, enum spl i, struct levels *out, struct why *why)
{
	unsigned v = 0;
	size_t n;

	for (n = 0; n < s.len && n < 3; n++) {
		if (s.p[n] < '0' || s.p[n] > '9')
			break;
		v = v * 10 + (unsigned)(s.p[n] - '0');
	}
	if (s.len == 0 || n != s.len || v > spls[i].max)
		return why_set(why, ERR_PARAM, "amd-kds 2.3",
		    "%s is not a number from 0 to %u", spls[i].name,
		    spls[i].max);
	if (out->has[i])
		return why_set(why, ERR_PARAM, "amd-kds 8.1", "%s twice",
		    spls[i].name);
	out->has[i] = true;
	out->v[i] = (uint8_t)v;
	return ERR_OK;
}

static enum err
csp_read(struct span raw, struct levels *out, struct why *why)
{
	struct buf b = BUF_INIT;
	enum err e = ERR_OK;
	size_t i;

	if (out->has_csp) {
		e = why_set(why, ERR_PARAM, "amd-kds 8.1", "cspID twice");
		goto out;
	}
	e = query_read(raw, &b);
	for (i = 0; i < b.len && e == ERR_OK; i++)
		if (b.p[i] <= ' ' || b.p[i] > '~')
			e = ERR_PARAM;
	if (e != ERR_OK || b.len == 0 || b.len >= sizeof(out->csp_id)) {
		e = why_set(why, ERR_PARAM, "amd-kds 8.1",
		    "not the name of a provider");
		goto out;
	}
	memcpy(out->csp_id, b.p, b.len);
	out->csp_id[b.len] = '\0';
	out->has_csp = true;
out:
	buf_free(&b);
	return e;
}

static enum err
pair_read(struct span pair, enum amd_side side, struct levels *out,
    struct why *why)
{
	struct span name, value = pair;
	int i;

	if (span_until(&value, '=', &name) != ERR_OK)
		return why_set(why, ERR_PARAM, "amd-kds 8.1",
		    "a parameter without a value");
	for (i = 0; i < SPL_N; i++)
		if (span_eq_str(name, spls[i].name))
			return spl_read(value, (enum spl)i, out, why);
	if (side == AMD_VLEK && span_eq_str(name, "cspID"))
		return csp_read(value, out, why);
	return why_set(why, ERR_PARAM, "amd-kds 8.1",
	    "a parameter that KDS does not have");
}

static enum err
query_levels(struct span query, enum amd_side side, struct levels *out,
    struct why *why)
{
	struct span pair;
	enum err e;

	while (query.len > 0) {
		if (span_until(&query, '&', &pair) != ERR_OK) {
			pair = query;
			query = SPAN_NONE;
		}
		if (pair.len == 0)
			continue;
		if ((e = pair_read(pair, side, out, why)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* A level that is missing is 0, as a client's own parser has it, but for
 * the one that tells Turin from the rest (amd-kds 2.3, 8.1). */
static enum err
tcb_of_query(struct span query, enum amd_product product, enum amd_side side,
    struct levels *levels, struct amd_tcb *out, struct why *why)
{
	const uint8_t *v = levels->v;
	enum err e;

	if ((e = query_levels(query, side, levels, why)) != ERR_OK)
		return e;
	if (levels->has[SPL_FMC] != (product == AMD_TURIN))
		return why_set(why, ERR_PARAM, "amd-kds 2.3", "fmcSPL %s %s",
		    product == AMD_TURIN ? "is missing for" : "is not of",
		    amd_product_name(product));
	*out = amd_tcb_of(product, (struct amd_spl){ v[SPL_FMC], v[SPL_BL],
				       v[SPL_TEE], v[SPL_SNP], v[SPL_UCODE] });
	return ERR_OK;
}

/* --- KDS -------------------------------------------------------------- */

static enum err
vcek_read(struct span hex, struct span query, enum amd_product product,
    struct coll_key *out, struct why *why)
{
	unsigned char hwid[AMD_HWID_MAX];
	struct levels levels = { 0 };
	struct amd_tcb tcb;
	enum err e;

	if ((e = hwid_read(hex, product, hwid, why)) != ERR_OK)
		return e;
	e = tcb_of_query(query, product, AMD_VCEK, &levels, &tcb, why);
	if (e != ERR_OK)
		return e;
	*out = key_vcek(product, span_of(hwid, amd_hwid_len(product)), tcb);
	return ERR_OK;
}

static enum err
vlek_read(struct span query, enum amd_product product, struct coll_key *out,
    struct why *why)
{
	struct levels levels = { 0 };
	struct amd_tcb tcb;
	enum err e;

	e = tcb_of_query(query, product, AMD_VLEK, &levels, &tcb, why);
	if (e != ERR_OK)
		return e;
	if (levels.has_csp)
		*out = key_vlek(product, levels.csp_id, tcb);
	else
		*out = (struct coll_key){ .kind = COLL_VEK,
			.product = product,
			.side = AMD_VLEK,
			.tcb = tcb };
	return ERR_OK;
}

enum err
kds_path_read(struct span path, struct span query, struct coll_key *out,
    struct why *why)
{
	struct span side_name = segment(&path), version = segment(&path);
	struct span name = segment(&path), what = segment(&path);
	enum amd_side side = AMD_VCEK;
	enum amd_product product;
	enum err e;

	if (span_eq_nocase(side_name, amd_side_name(AMD_VLEK)))
		side = AMD_VLEK;
	else if (!span_eq_nocase(side_name, amd_side_name(AMD_VCEK)))
		return no_path(why);
	if (!span_eq_nocase(version, "v1") || segment(&path).len != 0 ||
	    what.len == 0)
		return no_path(why);
	if ((e = product_read(name, &product, why)) != ERR_OK)
		return e;
	if (span_eq_nocase(what, "cert_chain")) {
		*out = key_amd_chain(product, side);
		return ERR_OK;
	}
	if (span_eq_nocase(what, "crl")) {
		*out = key_amd_crl(product, side);
		return ERR_OK;
	}
	if (side == AMD_VCEK)
		return vcek_read(what, query, product, out, why);
	if (!span_eq_nocase(what, "cert"))
		return no_path(why);
	return vlek_read(query, product, out, why);
}

/* --- Azure ------------------------------------------------------------ */

enum err
azure_path_read(struct span path, struct azure_ask *out, struct why *why)
{
	struct span head = segment(&path), what = segment(&path);
	struct span chip = segment(&path), tcb = segment(&path);
	struct azure_ask a = { .chip_len = chip.len / 2 };

	if (!span_eq_nocase(head, "SevSnpVM") ||
	    !span_eq_nocase(what, "certificates") || segment(&path).len != 0)
		return no_path(why);
	if ((a.chip_len != AMD_HWID_MAX &&
		a.chip_len != amd_hwid_len(AMD_TURIN)) ||
	    hex_read(chip, a.chip, a.chip_len) != ERR_OK ||
	    span_all(span_of(a.chip, a.chip_len), 0))
		return why_set(why, ERR_NO_ROUTE, "amd-kds 8.3",
		    "not the id of a chip");
	if (amd_tcb_read(tcb, &a.tcb) != ERR_OK)
		return why_set(why, ERR_NO_ROUTE, "amd-kds 8.3",
		    "the TCB is not 1 to 16 hex digits");
	*out = a;
	return ERR_OK;
}

bool
azure_is_turin(const struct azure_ask *a)
{
	size_t len = amd_hwid_len(AMD_TURIN);

	return span_all(span_of(a->chip + len, a->chip_len - len), 0);
}

bool
azure_key(const struct azure_ask *a, enum amd_product product,
    struct coll_key *out)
{
	size_t len = amd_hwid_len(product);

	if (azure_is_turin(a) != (product == AMD_TURIN) ||
	    span_all(span_of(a->chip, len), 0) ||
	    !amd_tcb_issued(product, a->tcb))
		return false;
	*out = key_vcek(product, span_of(a->chip, len), a->tcb);
	return true;
}
