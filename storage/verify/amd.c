/* Products and TCB_VERSION of SEV-SNP: words and their byte forms. */
#include "storage/verify/amd.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <stdio.h>
#include <string.h>

static const char *const products[AMD_PRODUCT_N] = { "Milan", "Genoa",
	"Turin" };

const char *
amd_product_name(enum amd_product p)
{
	must(p < AMD_PRODUCT_N);
	return products[p];
}

const char *
amd_side_name(enum amd_side side)
{
	return side == AMD_VLEK ? "vlek" : "vcek";
}

enum amd_product
amd_product_read(struct span name)
{
	for (unsigned i = 0; i < AMD_PRODUCT_N; i++)
		if (span_eq_nocase(name, products[i]))
			return (enum amd_product)i;
	/* Both are sold beside Genoa and answer to its keys. */
	if (span_eq_nocase(name, "Bergamo") || span_eq_nocase(name, "Siena"))
		return AMD_GENOA;
	return AMD_PRODUCT_N;
}

enum amd_product
amd_product_of_cpuid(uint8_t family, uint8_t model)
{
	if (family == 0x19 && model <= 0x0F)
		return AMD_MILAN;
	if (family == 0x19 && ((model >= 0x10 && model <= 0x1F) ||
				  (model >= 0xA0 && model <= 0xAF)))
		return AMD_GENOA;
	if (family == 0x1A && model <= 0x11)
		return AMD_TURIN;
	return AMD_PRODUCT_N;
}

/* Family and model with their extensions, CPUID Fn0000_0001. */
enum amd_product
amd_product_of_eax(uint32_t eax)
{
	uint32_t family = eax >> 8 & 0xf, model = eax >> 4 & 0xf;

	if (family == 0xf) {
		family += eax >> 20 & 0xff;
		model |= (eax >> 16 & 0xf) << 4;
	}
	return family > 0xff
		   ? AMD_PRODUCT_N
		   : amd_product_of_cpuid((uint8_t)family, (uint8_t)model);
}

size_t
amd_hwid_len(enum amd_product p)
{
	return p == AMD_TURIN ? 8 : AMD_HWID_MAX;
}

/*
 * Which byte of TCB_VERSION holds which component (snp-report 2):
 * fmc, bl, tee, snp, ucode; -1: the product has none.
 */
static const signed char places[AMD_PRODUCT_N][5] = {
	[AMD_MILAN] = { -1, 0, 1, 6, 7 },
	[AMD_GENOA] = { -1, 0, 1, 6, 7 },
	[AMD_TURIN] = { 0, 1, 2, 3, 7 },
};

static void
spl_list(struct amd_spl s, uint8_t out[5])
{
	out[0] = s.fmc;
	out[1] = s.bl;
	out[2] = s.tee;
	out[3] = s.snp;
	out[4] = s.ucode;
}

struct amd_tcb
amd_tcb_of(enum amd_product p, struct amd_spl s)
{
	struct amd_tcb tcb = { { 0 } };
	uint8_t v[5];

	spl_list(s, v);
	for (int i = 0; i < 5; i++)
		if (places[p][i] >= 0)
			tcb.b[places[p][i]] = v[i];
	return tcb;
}

enum err
amd_spl_of(enum amd_product p, struct amd_tcb tcb, struct amd_spl *out,
    struct why *why)
{
	uint8_t v[5] = { 0 };
	unsigned char rest[8];

	memcpy(rest, tcb.b, sizeof(rest));
	for (int i = 0; i < 5; i++) {
		if (places[p][i] < 0)
			continue;
		v[i] = tcb.b[places[p][i]];
		rest[places[p][i]] = 0;
	}
	if (!span_all(span_of(rest, sizeof(rest)), 0))
		return why_set(why, ERR_RANGE, "snp-report 2",
		    "a reserved byte of the TCB is not zero for %s",
		    products[p]);
	*out = (struct amd_spl){ v[0], v[1], v[2], v[3], v[4] };
	return ERR_OK;
}

bool
amd_tcb_issued(enum amd_product p, struct amd_tcb tcb)
{
	struct amd_spl s;

	return amd_spl_of(p, tcb, &s, NULL) == ERR_OK && s.fmc <= AMD_SPL_MAX &&
	       s.bl <= AMD_SPL_MAX && s.tee <= AMD_SPL_MAX &&
	       s.snp <= AMD_SPL_MAX;
}

bool
amd_tcb_covers(enum amd_product p, struct amd_tcb a, struct amd_tcb b)
{
	for (int i = 0; i < 5; i++)
		if (places[p][i] >= 0 && a.b[places[p][i]] < b.b[places[p][i]])
			return false;
	return true;
}

void
amd_tcb_write(struct amd_tcb tcb, char out[17])
{
	unsigned char big[8];

	for (int i = 0; i < 8; i++)
		big[i] = tcb.b[7 - i];
	hex_upper(span_of(big, sizeof(big)), out);
}

enum err
amd_tcb_read(struct span hex, struct amd_tcb *out)
{
	unsigned char big[8];
	char padded[16];
	enum err e;

	if (hex.len < 1 || hex.len > sizeof(padded))
		return ERR_FORMAT;
	memset(padded, '0', sizeof(padded));
	memcpy(padded + sizeof(padded) - hex.len, hex.p, hex.len);
	e = hex_read(span_of(padded, sizeof(padded)), big, sizeof(big));
	if (e != ERR_OK)
		return e;
	for (int i = 0; i < 8; i++)
		out->b[i] = big[7 - i];
	return ERR_OK;
}
