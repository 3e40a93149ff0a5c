/*
 * Chips of the simulated world.  As a platform, a chip is a number:
 * everything about it follows from that, nothing is stored.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	enum amd_product product;
	struct amd_spl spl; /* amd-kds 2.4 */
} kinds[SIM_CHIP_KINDS] = {
	[SIM_CHIP_MILAN] = { AMD_MILAN, { 0, 4, 0, 24, 219 } },
	[SIM_CHIP_GENOA] = { AMD_GENOA, { 0, 10, 0, 23, 84 } },
	[SIM_CHIP_TURIN] = { AMD_TURIN, { 1, 1, 1, 4, 81 } },
	[SIM_CHIP_UNKNOWN] = { AMD_MILAN, { 0, 4, 0, 24, 219 } },
};

/*
 * The number stands at octets 4 to 7, for chip_of_hwid(); the first octet is
 * one of those that look like an ASN.1 tag.
 */
static void
chip_hwid(unsigned long n, unsigned char out[AMD_HWID_MAX])
{
	struct buf b = BUF_INIT;
	int i;

	buf_printf(&b, "larder-sim:chip:%lu", n);
	sha512(buf_view(&b), out);
	buf_free(&b);
	out[0] = n % 2 == 0 ? 0x04 : 0x02;
	for (i = 0; i < 4; i++)
		out[4 + i] = (unsigned char)(n >> 8 * (3 - i));
}

static void
chip_spl(struct sim_chip *c, struct amd_spl spl)
{
	c->spl = spl;
	c->tcb = amd_tcb_of(c->product, spl);
}

struct sim_chip
sim_chip(unsigned long n)
{
	struct sim_chip c = { .n = n,
		.kind = (enum sim_chip_kind)(n % SIM_CHIP_KINDS) };

	c.product = kinds[c.kind].product;
	chip_hwid(n, c.hwid);
	if (c.product == AMD_TURIN)
		memset(c.hwid + 8, 0, AMD_HWID_MAX - 8);
	hex_lower(span_of(c.hwid, amd_hwid_len(c.product)), c.hex);
	chip_spl(&c, kinds[c.kind].spl);
	return c;
}

struct sim_chip
sim_chip_at(unsigned long n, uint8_t ucode)
{
	struct sim_chip c = sim_chip(n);
	struct amd_spl spl = c.spl;

	spl.ucode = ucode;
	chip_spl(&c, spl);
	return c;
}

bool
chip_of_hwid(enum amd_product product, const char *hex, struct sim_chip *out)
{
	unsigned char hwid[AMD_HWID_MAX] = { 0 };
	unsigned long n;

	if (hex_read(span_str(hex), hwid, amd_hwid_len(product)) != ERR_OK)
		return false;
	n = (unsigned long)hwid[4] << 24 | (unsigned long)hwid[5] << 16 |
	    (unsigned long)hwid[6] << 8 | hwid[7];
	*out = sim_chip(n);
	return out->kind != SIM_CHIP_UNKNOWN && out->product == product &&
	       memcmp(out->hwid, hwid, sizeof(hwid)) == 0;
}

size_t
kds_query_write(enum amd_product product, struct amd_spl spl, char *out,
    size_t cap)
{
	char fmc[16] = "";
	int n;

	if (product == AMD_TURIN)
		snprintf(fmc, sizeof(fmc), "fmcSPL=%u&", spl.fmc);
	n = snprintf(out, cap, "?%sblSPL=%u&teeSPL=%u&snpSPL=%u&ucodeSPL=%u",
	    fmc, spl.bl, spl.tee, spl.snp, spl.ucode);
	must(n > 0 && (size_t)n < cap);
	return (size_t)n;
}

void
sim_chip_path(const struct sim_chip *c, char out[SIM_KDS_PATH])
{
	int n = snprintf(out, SIM_KDS_PATH, "/vcek/v1/%s/%s",
	    amd_product_name(c->product), c->hex);

	must(n > 0 && n < SIM_KDS_PATH);
	kds_query_write(c->product, c->spl, out + n, SIM_KDS_PATH - (size_t)n);
}

struct pki_vek
sim_chip_vek(const struct sim_chip *c)
{
	/* Both encodings of the algorithm are live (amd-kds 3.1). */
	struct pki_vek v = { .product = c->product,
		.side = AMD_VCEK,
		.spl = c->spl,
		.trailer = c->n / SIM_CHIP_KINDS % 2 == 1 };

	memcpy(v.hwid, c->hwid, sizeof(v.hwid));
	return v;
}
