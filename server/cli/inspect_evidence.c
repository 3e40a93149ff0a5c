/* Quotes, SNP reports, and what they are wrapped in. */
#include "server/cli/inspect.h"

#include "config/base/must.h"
#include "server/appraise/fields.h"
#include "server/appraise/verify.h"

#include <string.h>

/* --- Intel ------------------------------------------------------------ */

/* The certificate chain inside, without the NULs that may end it. */
static void
field_chain(json_t *o, const struct quote *q)
{
	struct span pem = q->cert;
	struct why why = { 0 };
	json_t *chain;

	if (q->cert_type != CERT_DATA_PCK_LEAF &&
	    q->cert_type != CERT_DATA_PCK_CHAIN)
		return;
	while (pem.len > 0 && pem.p[pem.len - 1] == '\0')
		pem.len--;
	if ((chain = inspect_pem(pem, &why)) != NULL)
		field_set(o, "pck_chain", chain);
	else
		field_set(o, "pck_chain_problem", json_string(why.text));
}

/* --- AMD -------------------------------------------------------------- */

static const struct {
	enum cert_slot slot;
	const char *name;
} slots[] = {
	{ CERT_VCEK, "vcek" },
	{ CERT_VLEK, "vlek" },
	{ CERT_ASK, "ask" },
	{ CERT_ARK, "ark" },
	{ CERT_CRL, "crl" },
};

static json_t *
table_tree(const struct cert_table *t)
{
	json_t *o = json_object(), *one;
	struct why why = { 0 };
	size_t i;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		if (t->slot[slots[i].slot].len == 0)
			continue;
		one = inspect_any(t->slot[slots[i].slot], 0, &why);
		field_set(o, slots[i].name,
		    one != NULL ? one : json_string(why.text));
	}
	if (t->has_cpuid1)
		field_set(o, "cpuid_1_eax", json_integer(t->cpuid1));
	return o;
}

static bool
table_any(const struct cert_table *t)
{
	size_t i;

	for (i = 0; i < CERT_SLOT_N; i++)
		if (t->slot[i].len > 0)
			return true;
	return t->has_cpuid1;
}

json_t *
inspect_table(struct span s, struct why *why)
{
	struct cert_table t;
	struct why no = { 0 };
	json_t *o;

	(void)why;
	/* Anything might be a table of unknown things: one must be known. */
	if (cert_table_read(s, &t, &no) != ERR_OK || !table_any(&t))
		return NULL;
	o = json_pack("{s:s}", "type", "snp-certificate-table");
	field_set(o, "certificates", table_tree(&t));
	return o;
}

/* Its layout alone, so that a report which no verdict accepts is shown. */
static bool
field_report(json_t *o, const struct evidence *e)
{
	struct buf text = BUF_INIT;
	struct jwrite w = { &text, false };
	enum amd_product product;
	struct snp_report r;

	/* Anything may begin with a small number; no other algorithm exists. */
	if (!snp_report_layout(e->bytes, &r) || r.signature_algo != 1)
		return false;
	product = snp_report_product(&r, AMD_PRODUCT_N);
	/* Milan or Genoa: the parts of their TCBs are the same. */
	if (product == AMD_PRODUCT_N && !r.has_cpuid && !snp_chip_id_masked(&r))
		product = AMD_MILAN;
	jw_open(&w, NULL, '{');
	fields_snp(&w, &r, product);
	jw_close(&w, '}');
	field_written(o, &text);
	return true;
}

/* --- any -------------------------------------------------------------- */

static json_t *
evidence_tree(const struct evidence *e)
{
	json_t *o = json_pack("{s:s}", "type", evidence_form_name(e->form));
	struct buf text = BUF_INIT;
	struct jwrite w = { &text, false };
	bool any = e->has_hcl;

	if (e->err != SNP_OK)
		field_set(o, "problem",
		    json_sprintf("%s: %s", snp_err_name(e->err), e->why.text));
	jw_open(&w, NULL, '{');
	if (e->has_hcl)
		fields_hcl(&w, &e->hcl);
	if (e->has_quote)
		fields_quote(&w, &e->quote);
	jw_close(&w, '}');
	field_written(o, &text);
	if (e->has_quote) {
		field_chain(o, &e->quote);
		any = true;
	} else if (e->kind == EVIDENCE_SNP && field_report(o, e)) {
		any = true;
	}
	if (any && table_any(&e->certs))
		field_set(o, "certificates", table_tree(&e->certs));
	if (!any) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

/* Versions 3 to 5, a key of ECDSA, one of the TEEs: no text begins so. */
static bool
looks_like_quote(struct span s)
{
	return s.len > 4 && s.p[0] >= 3 && s.p[0] <= 5 && s.p[1] == 0 &&
	       (s.p[2] == 2 || s.p[2] == 3) && s.p[3] == 0 &&
	       (s.p[4] == TEE_SGX || s.p[4] == TEE_TDX);
}

json_t *
inspect_evidence(struct span s, struct why *why)
{
	struct snp_report r;
	struct evidence e;
	struct quote q;
	json_t *o;

	evidence_read(s, &e);
	o = evidence_tree(&e);
	/* What is wrong with a report says nothing of what is none. */
	if (o == NULL && e.err != SNP_OK &&
	    (e.has_hcl || !snp_report_layout(e.bytes, &r) ||
		r.signature_algo == 1))
		*why = e.why;
	else if (o == NULL && looks_like_quote(s))
		(void)!quote_read(s, &q, why);
	evidence_fini(&e);
	return o;
}
