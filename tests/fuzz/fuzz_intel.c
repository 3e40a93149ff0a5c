/*
 * A whole verdict on hostile evidence and collateral: eight parts, each after
 * its length (u16, little-endian).  What signatures keep from being reached is
 * then reached without them: documents parsed as they are, levels matched.
 */
#include "config/base/must.h"
#include "server/appraise/appraise.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define AT 1780272000

/* The root of the seeds' PKI: pki_new("fuzz intel", AT - 86400). */
static char root[] =
    "c2f7aebdd1f7e7dad08cd190444be004ad56b92a5b0f81eff1d18c01709fb7fa";

static struct span
part(struct span *s)
{
	struct span out;
	uint16_t len;

	if (span_u16le(s, &len) != ERR_OK || span_take(s, len, &out) != ERR_OK)
		return SPAN_NONE;
	return out;
}

/* The value of an envelope, its signature not looked at. */
static enum err
value_cut(struct span body, const char *member, struct span *value)
{
	unsigned char sig[64];

	return jspan_cut(body, member, value, sig, NULL);
}

static void
levels_try(const struct quote *q, const struct tcbinfo *info,
    const struct identity *identity)
{
	struct tcb_match m;
	struct pck pck = { .pcesvn = q->qe.isvprodid };
	const char **advisories;

	memcpy(pck.comp, q->qe.cpusvn, sizeof(pck.comp));
	if (tcb_match(info, identity, &pck,
		q->tee == TEE_TDX ? q->td.tee_tcb_svn : NULL, q->qe.isvsvn, &m,
		NULL) != ERR_OK)
		return;
	must(m.status <= TCB_REVOKED && m.date <= m.platform->tcb_date);
	must(tcb_advisories(&m, &advisories) <=
	     m.platform->n_advisories + m.qe->n_advisories +
		 (m.module == NULL ? 0 : m.module->n_advisories));
	free(advisories);
}

static void
unsigned_try(struct span quote, const struct intel_bytes *in)
{
	struct identity *identity = NULL;
	struct tcbinfo *info = NULL;
	struct span value;
	struct quote q;

	if (quote_read(quote, &q, NULL) == ERR_OK &&
	    value_cut(in->tcb_info, "tcbInfo", &value) == ERR_OK &&
	    tcbinfo_parse(value, &info, NULL) == ERR_OK &&
	    value_cut(in->qe_identity, "enclaveIdentity", &value) == ERR_OK &&
	    identity_parse(value, &identity, NULL) == ERR_OK)
		levels_try(&q, info, identity);
	tcbinfo_unref(info);
	identity_unref(identity);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct span s = span_of(p, len), quote = part(&s);
	struct intel_bytes in;
	unsigned char out[SUPPLEMENTAL_LEN];
	struct anchors *anchors = NULL;
	struct intel_verdict v;
	struct intel_set *set;
	char *hex = root;

	in.tcb_info = part(&s);
	in.tcb_info_chain = part(&s);
	in.qe_identity = part(&s);
	in.qe_identity_chain = part(&s);
	in.root_crl = part(&s);
	in.pck_crl = part(&s);
	in.pck_crl_chain = part(&s);
	must(anchors_read(1, &hex, &anchors, NULL) == ERR_OK);
	set = intel_set_read(&in, anchors);
	intel_verify(quote, set, NULL, anchors, AT, &v);
	must(v.valid == (v.stage == STAGE_NONE));
	if (v.valid)
		(void)!supplemental_write(&v.supplemental, v.n_advisories,
		    v.advisories, out, NULL);
	intel_verdict_fini(&v);
	unsigned_try(quote, &in);
	intel_set_unref(set);
	anchors_free(anchors);
	return 0;
}
