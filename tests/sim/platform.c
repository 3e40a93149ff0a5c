/*
 * Platforms of the simulated world.  A platform is a number: everything about
 * it follows from the number and the seed, nothing is stored.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/sim/sim_int.h"

#include <stdlib.h>
#include <string.h>

#define MANIFEST_LEN ((size_t)8448)
#define PPID_BYTES   384

static const unsigned char manifest_magic[8] = "LDRMANIF";

static const struct {
	size_t fmspc; /* index into sim_fmspcs */
	enum pck_ca ca;
	bool by_ppid;
	int cached_keys;
	size_t na; /* how many are Not available */
} kinds[SIM_KINDS] = {
	[SIM_CLIENT] = { 0, PCK_CA_PROCESSOR, true, -1, 0 },
	[SIM_DIRECT] = { 1, PCK_CA_PLATFORM, true, 1, 0 },
	[SIM_INDIRECT] = { 2, PCK_CA_PLATFORM, false, 0, 0 },
	[SIM_CLIENT_NA] = { 3, PCK_CA_PROCESSOR, true, -1, 2 },
	[SIM_TDX] = { 4, PCK_CA_PLATFORM, true, 1, 0 },
	[SIM_TDX_INDIRECT] = { 5, PCK_CA_PLATFORM, false, 0, 0 },
	[SIM_ALL_NA] = { 6, PCK_CA_PLATFORM, true, 1, SIM_CERTS_MAX },
	[SIM_UNKNOWN] = { 0, PCK_CA_PROCESSOR, false, -1, 0 },
};

static void
digest(const char *what, unsigned long n, unsigned m, unsigned char out[32])
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "larder-sim:%s:%lu:%u", what, n, m);
	sha256(buf_view(&b), out);
	buf_free(&b);
}

struct sim_platform
sim_platform(unsigned long n)
{
	struct sim_platform p = { .n = n,
		.kind = (enum sim_kind)(n % SIM_KINDS),
		.pce_id = "0000" };
	struct world_levels levels;
	unsigned char d[32];
	unsigned i;
	size_t at;

	digest("qe", n, 0, d);
	hex_upper(span_of(d, 16), p.qe_id);
	digest("ppid", n, 0, d);
	memcpy(p.ppid, d, 16);
	memcpy(p.fmspc, sim_fmspcs[kinds[p.kind].fmspc].fmspc, 13);
	p.ca = kinds[p.kind].ca;
	/* Raw TCBs differ: current, one generation old, badly configured. */
	world_levels(NULL, p.fmspc, 17, &levels);
	at = n / SIM_KINDS % 3 == 0 ? 0 : n / SIM_KINDS % 3 == 1 ? 2 : 1;
	for (i = 0; i < 16; i++)
		p.cpusvn[i] = (uint8_t)levels.v[at].comp[i];
	p.pcesvn = (uint16_t)levels.v[at].pcesvn;
	hex_upper(span_of(p.cpusvn, 16), p.cpu_svn);
	snprintf(p.pce_svn, sizeof(p.pce_svn), "%02X%02X", p.pcesvn & 0xff,
	    p.pcesvn >> 8);
	return p;
}

/* --- names of a platform on the wire ----------------------------------- */

/*
 * Nonce 16, number XOR a digest of the nonce 8, check 8, filler.  Not RSA,
 * but as unlike from one time to the next as RSA-OAEP is.
 */
void
sim_enc_ppid(const struct sim_platform *p, unsigned nonce, char out[769])
{
	unsigned char bytes[PPID_BYTES], d[32], mask[32];
	unsigned i;

	digest("nonce", p->n, nonce, d);
	memcpy(bytes, d, 16);
	bytes[0] |= 1; /* never all zero */
	sha256(span_of(bytes, 16), mask);
	for (i = 0; i < 8; i++)
		bytes[16 + i] =
		    (unsigned char)(mask[i] ^ (p->n >> (8 * (7 - i))));
	sha256(span_of(bytes, 24), d);
	memcpy(bytes + 24, d, 8);
	for (i = 32; i < PPID_BYTES; i += 32) {
		digest("filler", p->n + i, nonce, d);
		memcpy(bytes + i, d, 32);
	}
	hex_upper(span_of(bytes, sizeof(bytes)), out);
}

long
platform_of_ppid(struct sim *sim, const char *hex768)
{
	unsigned char bytes[PPID_BYTES], d[32], mask[32];
	unsigned long n = 0;
	unsigned i;

	if (hex_read(span_str(hex768), bytes, sizeof(bytes)) != ERR_OK)
		return -1;
	sha256(span_of(bytes, 16), mask);
	sha256(span_of(bytes, 24), d);
	for (i = 0; i < 8; i++)
		n = n << 8 | (unsigned long)(bytes[16 + i] ^ mask[i]);
	if (memcmp(bytes + 24, d, 8) != 0) {
		/* Not ours: some platform, always the same for these bytes. */
		if (sim->opts.strict_ppid ||
		    span_all(span_of(bytes, sizeof(bytes)), 0))
			return -1;
		sha256(span_of(bytes, sizeof(bytes)), d);
		n = (unsigned long)d[0] << 8 | d[1];
		n = SIM_NUMBER(SIM_DIRECT, 100000 + n);
	}
	return (long)n;
}

char *
sim_manifest(const struct sim_platform *p, unsigned rev)
{
	unsigned char bytes[MANIFEST_LEN], d[32];
	char *out = xcalloc(1, 2 * MANIFEST_LEN + 1);
	size_t i;

	for (i = 0; i < MANIFEST_LEN; i += 32) {
		digest("manifest", p->n + i, rev, d);
		memcpy(bytes + i, d, 32);
	}
	memcpy(bytes, manifest_magic, 8);
	for (i = 0; i < 8; i++)
		bytes[8 + i] = (unsigned char)(p->n >> (8 * (7 - i)));
	bytes[16] = (unsigned char)rev;
	hex_upper(span_of(bytes, MANIFEST_LEN), out);
	return out;
}

long
platform_of_manifest(const char *hex, unsigned *rev)
{
	unsigned char head[17];
	unsigned long n = 0;
	size_t len = strlen(hex);
	int i;

	/* pcs-upstream 2 */
	if (len < 16862 || len > 112884 || len % 2 != 0 ||
	    hex_read(span_of(hex, 34), head, sizeof(head)) != ERR_OK ||
	    memcmp(head, manifest_magic, 8) != 0)
		return -1;
	for (i = 8; i < 16; i++)
		n = n << 8 | head[i];
	*rev = head[16];
	return (long)n;
}

/* --- certificates ----------------------------------------------------- */

bool
platform_by_ppid(const struct sim_platform *p)
{
	return kinds[p->kind].by_ppid;
}

size_t
sim_certs(struct sim *sim, const struct sim_platform *p, unsigned rev,
    struct pki_pck out[SIM_CERTS_MAX])
{
	struct world_levels levels;
	unsigned char d[32];
	size_t i, j, na;

	pthread_mutex_lock(&sim->lock);
	world_levels(sim, p->fmspc, sim->early[0], &levels);
	na = sim->na_resolved ? 0 : kinds[p->kind].na;
	pthread_mutex_unlock(&sim->lock);
	digest("instance", p->n, rev, d);
	for (i = 0; i < levels.n; i++) {
		out[i] = (struct pki_pck){ .ca = p->ca,
			.pcesvn = (uint16_t)levels.v[i].pcesvn,
			.sgx_type = p->ca == PCK_CA_PLATFORM ? 1 : 0,
			.dynamic_platform = 1,
			.cached_keys = kinds[p->kind].cached_keys,
			.smt_enabled = 1,
			.na = i < na };
		memcpy(out[i].ppid, p->ppid, 16);
		memcpy(out[i].instance, d, 16);
		must(hex_read(span_str(p->fmspc), out[i].fmspc, 6) == ERR_OK);
		for (j = 0; j < 16; j++)
			out[i].comp[j] = (uint8_t)levels.v[i].comp[j];
	}
	return levels.n;
}

void
sim_revoke(struct sim *sim, const struct sim_platform *p)
{
	enum pki_who who =
	    p->ca == PCK_CA_PLATFORM ? PKI_PLATFORM_CA : PKI_PROCESSOR_CA;
	struct pki_pck certs[SIM_CERTS_MAX];
	size_t i, n = sim_certs(sim, p, 0, certs);
	char **v;
	X509 *x;

	pthread_mutex_lock(&sim->lock);
	v = xrealloc(sim->revoked[who], sim->n_revoked[who] + n, sizeof(*v));
	for (i = 0; i < n; i++) {
		x = pki_pck(sim->pki, &certs[i]);
		v[sim->n_revoked[who]++] = pki_serial(x);
		X509_free(x);
	}
	sim->revoked[who] = v;
	sim->crl_forced[who] = clock_now() + sim->skew;
	pthread_mutex_unlock(&sim->lock);
}
