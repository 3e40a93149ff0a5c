#include "tests/kit/forge.h"

#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/mutant.h"
#include "tests/kit/vcase.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

const struct pki_level forge_levels[FORGE_LEVELS] = {
	{ { 7 }, { 0 }, 5, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ { 6 }, { 0 }, 5, "2024-02-13T00:00:00Z", "SWHardeningNeeded",
	    "INTEL-SA-00006" },
	{ { 5 }, { 0 }, 5, "2024-01-13T00:00:00Z", "ConfigurationNeeded",
	    NULL },
	{ { 4 }, { 0 }, 5, "2023-03-13T00:00:00Z",
	    "ConfigurationAndSWHardeningNeeded", "INTEL-SA-00004" },
	{ { 3 }, { 0 }, 5, "2022-03-13T00:00:00Z", "OutOfDate", NULL },
	{ { 2 }, { 0 }, 5, "2021-03-13T00:00:00Z",
	    "OutOfDateConfigurationNeeded", "INTEL-SA-00002" },
	{ { 1 }, { 0 }, 5, "2020-03-13T00:00:00Z", "Revoked", NULL },
};
const struct pki_svn forge_svns[3] = {
	{ 3, "2024-03-13T00:00:00Z", "UpToDate", NULL },
	{ 2, "2023-03-13T00:00:00Z", "OutOfDate", "INTEL-SA-00003" },
	{ 1, "2021-03-13T00:00:00Z", "Revoked", NULL },
};
static const struct pki_module module = { "TDX_01", 3, forge_svns };

void
forge_init(struct forge *f, struct pki *pki, enum tee tee)
{
	static const char *const signers[] = {
		"8c4f5775d796503e96137f77c68a829a"
		"0056ac8ded70140b081b094490c57bff",
		"dc9e2a7c6f948f17474e34a7fc43ed03"
		"0f7c1563f1babddf6340c82e0e54a8c5",
	};
	bool tdx = tee == TEE_TDX;

	memset(f, 0, sizeof(*f));
	f->pki = pki;
	f->at = FORGE_NOW + 3600;
	f->q = (struct kit_quote){ .version = tdx ? 4 : 3, .tee = tee };
	f->q.body = f->body;
	f->q.qe_report = f->qe;
	f->q.pck.ca = PCK_CA_PLATFORM;
	f->q.pck.sgx_type = 1;
	f->q.pck.pcesvn = 5;
	f->q.pck.comp[0] = 7;
	f->q.pck.fmspc[0] = 0x90;
	if (tdx) {
		f->body[0] = f->body[584] = 3;
		f->body[1] = f->body[585] = 1;
	}
	f->qe[48] = 0x11;
	must(hex_read(span_str(signers[tdx]), f->qe + 128, 32) == ERR_OK);
	f->qe[256] = tdx ? 2 : 1;
	f->qe[258] = 3;
	f->ti = (struct pki_tcbinfo){ .tee = tee,
		.fmspc = FORGE_FMSPC,
		.n_levels = FORGE_LEVELS,
		.levels = forge_levels,
		.n_modules = 1,
		.modules = &module };
	f->id =
	    (struct pki_identity){ .enclave = tdx ? ENCLAVE_TDQE : ENCLAVE_QE,
		    .n_levels = 3,
		    .levels = forge_svns };
	f->root.issuer = PKI_ROOT;
	f->pck.issuer = f->crl_chain = PKI_PLATFORM_CA;
}

void
forge_fini(struct forge *f)
{
	free(f->serial);
}

struct vset *
forge_pieces(const struct forge *f)
{
	struct pki_doc t = pki_tcbinfo(f->pki, &f->ti);
	struct pki_doc d = pki_identity(f->pki, &f->id);
	struct vset *v = xcalloc(1, sizeof(*v));

	v->anchors = anchors_of(pki_root_spki_hex(f->pki));
	v->tcb_info = blob_ref(t.body);
	v->tcb_chain = blob_ref(t.chain);
	v->identity = blob_ref(d.body);
	v->identity_chain = blob_ref(d.chain);
	v->root_crl = pki_crl(f->pki, &f->root);
	v->pck_crl = pki_crl(f->pki, &f->pck);
	v->pck_crl_chain = pki_chain_pem(f->pki, f->crl_chain);
	pki_doc_fini(&t);
	pki_doc_fini(&d);
	return v;
}

static void
forge_patch(const struct forge *f, struct blob *bytes)
{
	struct quote q;

	if (f->patch == NULL)
		return;
	must(quote_read(blob_span(bytes), &q, NULL) == ERR_OK);
	f->patch(bytes, &q);
}

static void
verdict_is(const char *name, const struct verdict *v, const struct want *w)
{
	const char *check = v->reasons.n == 0 ? "" : v->reasons.v[0].check;

	ck_assert_msg(v->valid == w->valid, "%s: %s: %s", name, check,
	    v->why.text);
	ck_assert_msg(v->accepted == (w->checks == NULL), "%s: %s", name,
	    check);
	ck_assert_msg(w->checks == NULL || word_in(check, w->checks),
	    "%s: %s, not %s", name, check, w->checks);
	if (w->status != NULL)
		ck_assert_msg(strcmp(verdict_tcb_status(v), w->status) == 0,
		    "%s: %s, not %s", name, verdict_tcb_status(v), w->status);
	if (w->time != NULL)
		ck_assert_msg(strcmp(verdict_time(v), w->time) == 0,
		    "%s: %s, not %s", name, verdict_time(v), w->time);
}

void
forge_judge(const char *name, const struct forge *f, const struct want *w)
{
	struct vset *pieces = forge_pieces(f);
	struct intel_bytes in = vcase_bytes(pieces);
	struct blob *bytes = kit_quote(f->pki, &f->q);
	struct require require;
	struct appraisal a = { .intel = pieces->anchors,
		.set = intel_set_read(&in, pieces->anchors),
		.require = { &require, NULL },
		.hint = AMD_PRODUCT_N,
		.at = f->at };
	struct evidence e;
	struct why why = { 0 };
	struct verdict v;

	require_init(&require, true);
	if (f->require != NULL)
		ck_assert_msg(require_read_text(&require, span_str(f->require),
				  "r", &why) == ERR_OK,
		    "%s: %s", name, why.text);
	forge_patch(f, bytes);
	evidence_read(blob_span(bytes), &e);
	verdict_make(&e, &a, &v);
	verdict_is(name, &v, w);
	verdict_fini(&v);
	evidence_fini(&e);
	intel_set_unref(a.set);
	require_fini(&require);
	blob_unref(bytes);
	vset_free(pieces);
}

void
attack_run(const struct attack *a, struct pki *pki)
{
	static const enum tee tees[] = { TEE_SGX, TEE_TDX };
	struct forge f;
	size_t t;

	for (t = 0; t < 2; t++) {
		if ((a->tees & (1u << t)) == 0)
			continue;
		forge_init(&f, pki, tees[t]);
		a->fn(&f);
		forge_judge(a->name, &f, &a->want);
		forge_fini(&f);
	}
}
