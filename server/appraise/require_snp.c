/* What snp-report 9 lets a relying party require of an SNP guest. */
#include "server/appraise/verify.h"

#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
	const struct require *q;
	const struct verdict *v;
	const struct snp_report *r;
	struct reasons *out;
};

static void
unmet(struct check *c, const char *check, enum snp_err error,
    const char *expected, const char *found)
{
	reasons_add(c->out, check, error, xstrdup(expected), xstrdup(found));
}

static void
check_product(struct check *c)
{
	struct buf b = BUF_INIT;
	enum amd_product p;
	char want[64] = "";

	if (c->q->snp.products == 0 ||
	    c->q->snp.products & 1u << c->v->snp.product)
		return;
	for (p = 0; p < AMD_PRODUCT_N; p++)
		if (c->q->snp.products & 1u << p)
			buf_printf(&b, "%s%s", b.len > 0 ? " or " : "",
			    amd_product_name(p));
	(void)snprintf(want, sizeof(want), "%.*s", (int)b.len, b.p);
	buf_free(&b);
	unmet(c, "snp.product", SNP_ERR_POLICY_VALUE, want,
	    amd_product_name(c->v->snp.product));
}

static void
check_bits(struct check *c, const char *member, const struct named_bit *names,
    const struct want_bits *w, uint64_t have)
{
	char check[64];

	for (; names->name != NULL; names++) {
		(void)snprintf(check, sizeof(check), "%s.%s", member,
		    names->name);
		if (w->one & names->mask && !(have & names->mask))
			unmet(c, check, names->error, "1", "0");
		if (w->zero & names->mask && have & names->mask)
			unmet(c, check, names->error, "0", "1");
	}
}

/* Versions packed a byte per part, shown with dots. */
static void
check_version(struct check *c, const char *check, const struct want_min *w,
    unsigned parts, enum snp_err error, uint64_t have)
{
	char want[32], found[32];

	if (!w->set || have >= w->v)
		return;
	if (parts == 2) {
		(void)snprintf(want, sizeof(want), "at least %u.%u",
		    (unsigned)(w->v >> 8 & 255), (unsigned)(w->v & 255));
		(void)snprintf(found, sizeof(found), "%u.%u",
		    (unsigned)(have >> 8 & 255), (unsigned)(have & 255));
	} else {
		(void)snprintf(want, sizeof(want), "at least %u.%u.%u",
		    (unsigned)(w->v >> 16 & 255), (unsigned)(w->v >> 8 & 255),
		    (unsigned)(w->v & 255));
		(void)snprintf(found, sizeof(found), "%u.%u.%u",
		    (unsigned)(have >> 16 & 255), (unsigned)(have >> 8 & 255),
		    (unsigned)(have & 255));
	}
	unmet(c, check, error, want, found);
}

static void
spl_text(struct amd_spl s, char out[64])
{
	(void)snprintf(out, 64, "fmc %u bl %u tee %u snp %u ucode %u", s.fmc,
	    s.bl, s.tee, s.snp, s.ucode);
}

static void
check_tcb(struct check *c, const char *check, const struct want_spl *wants,
    struct amd_tcb have)
{
	enum amd_product p = c->v->snp.product;
	const struct want_spl *w = &wants[p];
	struct amd_spl spl = { 0 };
	char want[64], found[64];

	if (!w->set || amd_tcb_covers(p, have, amd_tcb_of(p, w->v)))
		return;
	spl_text(w->v, want);
	/* A TCB with reserved bytes set is below everything. */
	if (amd_spl_of(p, have, &spl, NULL) == ERR_OK)
		spl_text(spl, found);
	else
		amd_tcb_write(have, found);
	unmet(c, check, SNP_ERR_POLICY_TCB, want, found);
}

static uint64_t
firmware_number(struct snp_firmware f)
{
	return (uint64_t)f.major << 16 | (uint64_t)f.minor << 8 | f.build;
}

static void
check_firmware(struct check *c)
{
	const struct snp_report *r = c->r;

	check_version(c, "snp.min_abi", &c->q->snp.abi, 2, SNP_ERR_POLICY_BITS,
	    r->policy & 0xffff);
	check_version(c, "snp.min_firmware", &c->q->snp.firmware, 3,
	    SNP_ERR_POLICY_FIRMWARE, firmware_number(r->current));
	if (c->q->snp.committed &&
	    (memcmp(r->committed_tcb.b, r->current_tcb.b,
		 sizeof(r->current_tcb.b)) != 0 ||
		firmware_number(r->current) != firmware_number(r->committed)))
		unmet(c, "snp.committed", SNP_ERR_POLICY_PROVISIONAL,
		    "committed firmware", "provisional firmware");
}

static void
check_mitigations(struct check *c, const char *check, const struct want_min *w,
    uint64_t have)
{
	char want[24], found[24];

	if (!w->set || (have & w->v) == w->v)
		return;
	(void)snprintf(want, sizeof(want), "0x%" PRIx64, w->v);
	(void)snprintf(found, sizeof(found), "0x%" PRIx64, have);
	unmet(c, check, SNP_ERR_POLICY_MITIGATION, want, found);
}

static void
check_keys(struct check *c)
{
	const struct require *q = c->q;
	char hex[2 * 64 + 1];

	if (q->snp.deny_chips.set &&
	    want_bytes_have(&q->snp.deny_chips, c->r->chip_id)) {
		hex_lower(span_of(c->r->chip_id, 64), hex);
		unmet(c, "snp.deny_chip_ids", SNP_ERR_POLICY_CHIP_DENIED,
		    "a chip that is not denied", hex);
	}
	if (!q->snp.id_keys.set && !q->snp.author_keys.set)
		return;
	if (want_bytes_have(&q->snp.id_keys, c->r->id_key_digest) ||
	    ((c->r->flags & 1) != 0 &&
		want_bytes_have(&q->snp.author_keys, c->r->author_key_digest)))
		return;
	hex_lower(span_of(c->r->id_key_digest, 48), hex);
	unmet(c, "snp.trusted_keys", SNP_ERR_POLICY_KEYS,
	    "a trusted ID or author key", hex);
}

static void
check_csp(struct check *c)
{
	const struct want_texts *w = &c->q->snp.csp_id;
	const char *have = c->v->snp_set->vek->csp_id;
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strcmp(w->v[i], have) == 0)
			return;
	if (w->set)
		unmet(c, "snp.csp_id", SNP_ERR_POLICY_VALUE,
		    w->n == 0 ? "nothing" : w->v[0],
		    *have == '\0' ? "none" : have);
}

void
require_check_snp(const struct require *q, const struct verdict *v,
    struct reasons *out)
{
	const struct snp_report *r = &v->evidence->snp;
	struct check c = { q, v, r, out };

	check_product(&c);
	check_bits(&c, "snp.policy", snp_policy_bits, &q->snp.policy,
	    r->policy);
	check_bits(&c, "snp.platform_info", snp_platform_bits, &q->snp.platform,
	    r->platform_info);
	check_tcb(&c, "snp.min_tcb", q->snp.min_tcb, r->reported_tcb);
	check_tcb(&c, "snp.min_launch_tcb", q->snp.min_launch_tcb,
	    r->launch_tcb);
	check_firmware(&c);
	check_mitigations(&c, "snp.mitigations", &q->snp.mitigations,
	    r->current_mit_vector);
	check_mitigations(&c, "snp.launch_mitigations",
	    &q->snp.launch_mitigations, r->launch_mit_vector);
	check_keys(&c);
	check_csp(&c);
	if (q->snp.crl && v->snp_set->crl == NULL)
		unmet(&c, "snp.crl", SNP_ERR_CRL_MISSING, "a CRL", "none");
}
