/*
 * The control paths of larder-sim: /_sim/..., for scripts and the demo.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/snp_made.h"
#include "tests/sim/sim_int.h"

#include <stdlib.h>
#include <string.h>

bool
control_is(const char *path)
{
	return strncmp(path, "/_sim/", 6) == 0;
}

static long
number(const struct ask *ask, const char *name)
{
	const char *v = ask_param(ask, name);

	return v == NULL ? 0 : strtol(v, NULL, 10);
}

static void
answer_json(struct answer *a, struct buf *b)
{
	a->status = 200;
	a->type = "application/json";
	a->body = buf_blob(b);
}

static void
answer_ok(struct answer *a)
{
	a->status = 200;
	a->type = "text/plain";
	a->body = blob_new("ok\n", 3);
}

/*
 * kind, path, n, skip, ms, status, retry_after, arg, lie: a name of PCS's lies
 * or of KDS's; the path says which of the two is meant.
 */
static void
control_fault(struct ask *ask, struct answer *a)
{
	const char *kind = ask_param(ask, "kind"), *lie = ask_param(ask, "lie");
	struct sim_fault f = { .path = ask_param(ask, "path"),
		.count = (unsigned)number(ask, "n"),
		.skip = (unsigned)number(ask, "skip"),
		.delay_ms = number(ask, "ms"),
		.status = (int)number(ask, "status"),
		.retry_after = ask_param(ask, "retry_after"),
		.arg = number(ask, "arg") };

	f.kind = kind == NULL ? SIM_FAULT_N : sim_fault_read(kind);
	f.lie = lie == NULL ? PKI_BAD_SIGNATURE : pki_lie_read(lie);
	f.amd_lie = lie == NULL ? AMD_BAD_SIGNATURE : pki_amd_lie_read(lie);
	if (f.kind == SIM_FAULT_N ||
	    (f.lie == PKI_LIE_N && f.amd_lie == PKI_AMD_LIE_N)) {
		a->status = 400;
		return;
	}
	sim_fault_add(ask->sim, &f);
	answer_ok(a);
}

static void
control_counts(struct ask *ask, struct answer *a)
{
	a->status = 200;
	a->type = "application/json";
	a->body = sim_counts_json(ask->sim);
}

static void
control_count(struct ask *ask, struct answer *a)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%lu\n", sim_count(ask->sim, ask_param(ask, "path")));
	answer_json(a, &b);
	a->type = "text/plain";
}

/* "product", or Intel's; false: no such product. */
static bool
product_of(const struct ask *ask, enum amd_product *out)
{
	const char *name = ask_param(ask, "product");

	*out = name == NULL ? AMD_PRODUCT_N : amd_product_read(span_str(name));
	return *out < AMD_PRODUCT_N;
}

/* Intel's root, or the ARK of "product". */
static void
control_root(struct ask *ask, struct answer *a)
{
	struct buf b = BUF_INIT;
	enum amd_product product;

	buf_printf(&b, "%s\n",
	    product_of(ask, &product) ? pki_amd_root_spki_hex(product)
				      : pki_root_spki_hex(ask->sim->pki));
	answer_json(a, &b);
	a->type = "text/plain";
}

/* Chip n: what a report of it says, and its VCEK's path. */
static void
control_chip(struct ask *ask, struct answer *a)
{
	struct sim_chip c = sim_chip((unsigned long)number(ask, "n"));
	char path[SIM_KDS_PATH], id[2 * AMD_HWID_MAX + 1], tcb[17];
	struct buf b = BUF_INIT;

	if (ask_param(ask, "ucode") != NULL)
		c = sim_chip_at(c.n, (uint8_t)number(ask, "ucode"));
	sim_chip_path(&c, path);
	hex_lower(span_of(c.hwid, sizeof(c.hwid)), id);
	amd_tcb_write(c.tcb, tcb);
	buf_printf(&b,
	    "{\"product\":\"%s\",\"hwid\":\"%s\",\"chip_id\":\"%s\","
	    "\"tcb\":\"%s\",\"path\":\"%s\"}",
	    amd_product_name(c.product), c.hex, id, tcb, path);
	answer_json(a, &b);
}

/* n, ucode, csp=1: the key of that chip, or of a cloud provider with such. */
static struct pki_vek
vek_of(const struct ask *ask)
{
	struct sim_chip c = sim_chip((unsigned long)number(ask, "n"));
	struct pki_vek v;

	if (ask_param(ask, "ucode") != NULL)
		c = sim_chip_at(c.n, (uint8_t)number(ask, "ucode"));
	v = sim_chip_vek(&c);
	if (number(ask, "csp") != 0)
		v.side = AMD_VLEK;
	v.not_before = clock_now() + ask->skew;
	return v;
}

/* The certificate itself: what a provider hands to its guests as a VLEK. */
static void
control_vek(struct ask *ask, struct answer *a)
{
	struct pki_vek v = vek_of(ask);

	a->status = 200;
	a->type = "application/pkix-cert";
	a->body = pki_vek(ask->sim->amd, &v);
}

/*
 * As vek_of(), and version, data: 128 hex digits: a report signed by it, as
 * the guest would have it.
 */
static void
control_report(struct ask *ask, struct answer *a)
{
	const char *data = ask_param(ask, "data");
	long version = number(ask, "version");
	struct pki_vek v = vek_of(ask);
	struct snp_report r;

	r = snp_made_report(&v, version == 0 ? 3 : (uint32_t)version);
	a->status = 400;
	if (data != NULL && hex_read(span_str(data), r.report_data,
				sizeof(r.report_data)) != ERR_OK)
		return;
	a->status = 200;
	a->type = "application/octet-stream";
	a->body = snp_made(ask->sim->amd, &v, &r);
}

/* product, side: the CRL lists its ASK or ASVK. */
static void
control_revoke(struct ask *ask, struct answer *a)
{
	const char *side = ask_param(ask, "side");
	enum amd_product product;

	a->status = 400;
	if (!product_of(ask, &product))
		return;
	sim_amd_revoke(ask->sim, product,
	    side != NULL && strcmp(side, "vlek") == 0 ? AMD_VLEK : AMD_VCEK);
	answer_ok(a);
}

/* product: a new ASK. */
static void
control_rotate(struct ask *ask, struct answer *a)
{
	enum amd_product product;

	a->status = 400;
	if (!product_of(ask, &product))
		return;
	sim_amd_rotate(ask->sim, product);
	answer_ok(a);
}

static void
control_throttle(struct ask *ask, struct answer *a)
{
	sim_throttle(ask->sim, number(ask, "seconds"));
	answer_ok(a);
}

/* Platform n as a client would name it; nonce: another ciphertext. */
static void
control_platform(struct ask *ask, struct answer *a)
{
	struct sim_platform p = sim_platform((unsigned long)number(ask, "n"));
	char ppid[769], *manifest;
	struct buf b = BUF_INIT;

	sim_enc_ppid(&p, (unsigned)number(ask, "nonce"), ppid);
	manifest = sim_manifest(&p, (unsigned)number(ask, "rev"));
	buf_printf(&b,
	    "{\"qe_id\":\"%s\",\"pce_id\":\"%s\",\"cpu_svn\":\"%s\","
	    "\"pce_svn\":\"%s\",\"fmspc\":\"%s\",\"ca\":\"%s\","
	    "\"enc_ppid\":\"%s\",\"platform_manifest\":\"%s\"}",
	    p.qe_id, p.pce_id, p.cpu_svn, p.pce_svn, p.fmspc,
	    p.ca == PCK_CA_PLATFORM ? "platform" : "processor", ppid, manifest);
	free(manifest);
	answer_json(a, &b);
}

static void
control_clear(struct ask *ask, struct answer *a)
{
	sim_fault_clear(ask->sim);
	answer_ok(a);
}

static void
control_reset(struct ask *ask, struct answer *a)
{
	sim_count_reset(ask->sim);
	answer_ok(a);
}

static void
control_release(struct ask *ask, struct answer *a)
{
	sim_release(ask->sim);
	answer_ok(a);
}

/*
 * fmspc: a pattern, at: a time, advisories, identities=1: a new early number,
 * which is the answer.
 */
static void
control_recovery(struct ask *ask, struct answer *a)
{
	const char *at = ask_param(ask, "at");
	struct sim_event e = { .fmspcs = ask_param(ask, "fmspc"),
		.advisories = ask_param(ask, "advisories"),
		.identities = number(ask, "identities") != 0 };
	struct buf b = BUF_INIT;

	a->status = 400;
	if (at != NULL && time_read(span_str(at), &e.at) != ERR_OK)
		return;
	buf_printf(&b, "%u\n", sim_publish(ask->sim, &e));
	answer_json(a, &b);
	a->type = "text/plain";
}

static void
control_standard(struct ask *ask, struct answer *a)
{
	sim_standard(ask->sim, (unsigned)number(ask, "n"));
	answer_ok(a);
}

static void
control_na(struct ask *ask, struct answer *a)
{
	sim_na_resolve(ask->sim);
	answer_ok(a);
}

static void
control_clock(struct ask *ask, struct answer *a)
{
	(void)ask;
	clock_offset_set(number(ask, "offset"));
	answer_ok(a);
}

static void
control_exit(struct ask *ask, struct answer *a)
{
	(void)ask;
	answer_ok(a);
	a->exit = true;
}

static const struct {
	const char *path;
	void (*fn)(struct ask *, struct answer *);
} controls[] = {
	{ "/_sim/fault", control_fault },
	{ "/_sim/clear", control_clear },
	{ "/_sim/release", control_release },
	{ "/_sim/counts", control_counts },
	{ "/_sim/count", control_count },
	{ "/_sim/reset", control_reset },
	{ "/_sim/root", control_root },
	{ "/_sim/platform", control_platform },
	{ "/_sim/chip", control_chip },
	{ "/_sim/report", control_report },
	{ "/_sim/vek", control_vek },
	{ "/_sim/revoke", control_revoke },
	{ "/_sim/rotate", control_rotate },
	{ "/_sim/throttle", control_throttle },
	{ "/_sim/recovery", control_recovery },
	{ "/_sim/standard", control_standard },
	{ "/_sim/na", control_na },
	{ "/_sim/clock", control_clock },
	{ "/_sim/exit", control_exit },
};

void
control_answer(struct ask *ask, struct answer *a)
{
	size_t i;

	a->status = 404;
	for (i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (strcmp(controls[i].path, ask->path) == 0)
			controls[i].fn(ask, a);
}
