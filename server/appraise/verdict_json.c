/*
 * The verdict as JSON, one form for whoever asks.  The words "evidence",
 * "stage", "tcb_status", "time" and those of "supplemental" are Intel's and
 * the specifications', so that they can be compared with recorded verdicts.
 */
#include "config/base/enc.h"
#include "server/appraise/fields.h"
#include "server/appraise/verify.h"

/* What a TDX verdict takes; others are shorter. */
#define USUAL_LEN 10240

static void
text_list(struct jwrite *w, const char *name, size_t n, const char *const *v)
{
	size_t i;

	jw_open(w, name, '[');
	for (i = 0; i < n; i++)
		jw_text(w, NULL, v[i]);
	jw_close(w, ']');
}

static void
write_reasons(struct jwrite *w, const struct reasons *rs)
{
	size_t i;

	jw_open(w, "reasons", '[');
	for (i = 0; i < rs->n; i++) {
		jw_open(w, NULL, '{');
		jw_text(w, "check", rs->v[i].check);
		jw_text(w, "expected", rs->v[i].expected);
		jw_text(w, "found", rs->v[i].found);
		if (rs->v[i].error != NULL)
			jw_text(w, "error", rs->v[i].error);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

/* --- Intel ------------------------------------------------------------- */

static void
write_code(struct jwrite *w, const char *name, const char *word, int64_t n)
{
	jw_open(w, name, '{');
	jw_text(w, "name", word);
	jw_int(w, "value", n);
	jw_close(w, '}');
}

/* quote-verification 9: what the libraries of Intel would have said. */
static void
write_codes(struct jwrite *w, const struct verdict *v)
{
	enum qvl_status s = v->intel.code;

	jw_open(w, "intel", '{');
	write_code(w, "result", qv_result_name(qvl_result(s)), qvl_result(s));
	write_code(w, "call", qv_call_name(qvl_call(s)), qvl_call(s));
	write_code(w, "status", qvl_status_name(s), s);
	jw_int(w, "collateral_expiration_status",
	    v->has_time && !v->expired ? 0 : 1);
	jw_close(w, '}');
}

static void
write_level(struct jwrite *w, const char *name, enum tcb_status status,
    time_t date)
{
	jw_open(w, name, '{');
	jw_text(w, "status", tcb_status_name(status));
	jw_time(w, "tcb_date", date);
	jw_close(w, '}');
}

static void
write_match(struct jwrite *w, const char *name, const struct tcb_match *m)
{
	jw_open(w, name, '{');
	jw_text(w, "status", tcb_status_name(m->status));
	jw_time(w, "tcb_date", m->date);
	write_level(w, "platform", m->platform->status, m->platform->tcb_date);
	write_level(w, "qe", m->qe->status, m->qe->tcb_date);
	if (m->module != NULL)
		write_level(w, "tdx_module", m->module->status,
		    m->module->tcb_date);
	jw_close(w, '}');
}

static void
write_flag(struct jwrite *w, const char *name, enum pck_flag f)
{
	if (f == PCK_FLAG_UNDEFINED)
		jw_text(w, name, NULL);
	else
		jw_bool(w, name, f == PCK_FLAG_TRUE);
}

static void
write_platform_data(struct jwrite *w, const struct supplemental *s)
{
	jw_hex(w, "root_key_id", s->root_key_id, sizeof(s->root_key_id));
	jw_hex(w, "pck_ppid", s->ppid, sizeof(s->ppid));
	jw_hex(w, "tcb_cpusvn", s->cpusvn, sizeof(s->cpusvn));
	jw_int(w, "tcb_pce_isvsvn", s->pcesvn);
	jw_hex(w, "pce_id", s->pceid, sizeof(s->pceid));
	jw_int(w, "tee_type", s->tee);
	jw_int(w, "sgx_type", s->sgx_type);
	jw_hex(w, "platform_instance_id", s->instance, sizeof(s->instance));
	write_flag(w, "dynamic_platform", s->dynamic_platform);
	write_flag(w, "cached_keys", s->cached_keys);
	write_flag(w, "smt_enabled", s->smt_enabled);
}

/* quote-verification 8; "raw" is Intel's structure, where the list fits. */
static void
write_supplemental(struct jwrite *w, const struct intel_verdict *v)
{
	const struct supplemental *s = &v->supplemental;
	unsigned char raw[SUPPLEMENTAL_LEN];

	jw_open(w, "supplemental", '{');
	jw_time(w, "earliest_issue_date", s->dates.earliest_issue);
	jw_time(w, "latest_issue_date", s->dates.latest_issue);
	jw_time(w, "earliest_expiration_date", s->dates.earliest_expiration);
	jw_time(w, "tcb_level_date_tag", s->tcb_level_date);
	jw_time(w, "platform_tcb_level_date_tag", s->platform_level_date);
	jw_text(w, "platform_tcb_status",
	    tcb_status_name(v->launch.platform->status));
	jw_time(w, "qe_iden_tcb_level_date_tag", s->qe_level_date);
	jw_text(w, "qe_iden_status", tcb_status_name(v->launch.qe->status));
	if (v->launch.module != NULL) {
		jw_time(w, "tdx_module_tcb_date", v->launch.module->tcb_date);
		jw_text(w, "tdx_module_status",
		    tcb_status_name(v->launch.module->status));
	}
	jw_int(w, "pck_crl_num", s->pck_crl_num);
	jw_int(w, "root_ca_crl_num", s->root_ca_crl_num);
	jw_int(w, "tcb_eval_ref_num", s->tcb_eval_ref_num);
	jw_int(w, "qe_iden_tcb_eval_ref_num", s->qe_eval_num);
	jw_time(w, "qe_iden_earliest_issue_date", s->qe_dates.earliest_issue);
	jw_time(w, "qe_iden_latest_issue_date", s->qe_dates.latest_issue);
	jw_time(w, "qe_iden_earliest_expiration_date",
	    s->qe_dates.earliest_expiration);
	write_platform_data(w, s);
	if (supplemental_write(s, v->n_advisories, v->advisories, raw, NULL) ==
	    ERR_OK)
		jw_hex(w, "raw", raw, sizeof(raw));
	jw_close(w, '}');
}

static void
write_valid_intel(struct jwrite *w, const struct verdict *v)
{
	const struct intel_verdict *i = &v->intel;

	jw_time(w, "tcb_date", i->tcb_date);
	if (i->has_current)
		jw_text(w, "current_tcb_status",
		    tcb_status_name(i->current.status));
	jw_bool(w, "debug", i->debug);
	if (v->kind == EVIDENCE_TDX) {
		jw_bool(w, "sept_ve_disable", i->sept_ve_disable);
		jw_bool(w, "service_td", i->service_td);
		jw_bool(w, "reserved_attributes", i->reserved_attributes);
	}
	jw_bool(w, "svn_disagrees", i->svn_disagrees);
	jw_open(w, "tcb", '{');
	write_match(w, "launch", &i->launch);
	if (i->has_current)
		write_match(w, "current", &i->current);
	jw_close(w, '}');
	write_supplemental(w, i);
}

/* --- collateral -------------------------------------------------------- */

static void
write_document(struct jwrite *w, const char *name, const unsigned char *hash,
    time_t from, time_t until)
{
	jw_open(w, name, '{');
	if (hash != NULL)
		jw_hex(w, "sha256", hash, 32);
	jw_time(w, "issue_date", from);
	jw_time(w, "next_update", until);
}

static void
write_signed(struct jwrite *w, const char *name, const unsigned char *hash,
    const unsigned char *chain, uint32_t eval_num, time_t from, time_t until)
{
	write_document(w, name, hash, from, until);
	jw_int(w, "tcb_evaluation_data_number", eval_num);
	if (chain != NULL)
		jw_hex(w, "issuer_chain_sha256", chain, 32);
	jw_close(w, '}');
}

static void
write_crl(struct jwrite *w, const char *name, const unsigned char *hash,
    int64_t number, time_t from, time_t until)
{
	write_document(w, name, hash, from, until);
	jw_int(w, "number", number);
	jw_close(w, '}');
}

static void
write_collateral_intel(struct jwrite *w, const struct intel_set *set)
{
	const struct intel_parts *p = &set->parts;
	const struct intel_hashes *h = &set->hashes;
	bool has = set->has_hashes;

	if (p->tcb_info != NULL)
		write_signed(w, "tcb_info", has ? h->tcb_info : NULL,
		    has ? h->tcb_info_chain : NULL, p->tcb_info->eval_num,
		    p->tcb_info->issue_at, p->tcb_info->next_update);
	if (p->identity != NULL)
		write_signed(w, "qe_identity", has ? h->qe_identity : NULL,
		    has ? h->qe_identity_chain : NULL, p->identity->eval_num,
		    p->identity->issue_at, p->identity->next_update);
	if (p->root_crl != NULL)
		write_crl(w, "root_ca_crl", has ? h->root_crl : NULL,
		    p->root_crl->number, p->root_crl->this_update,
		    p->root_crl->next_update);
	if (p->pck_crl != NULL)
		write_crl(w, "pck_crl", has ? h->pck_crl : NULL,
		    p->pck_crl->number, p->pck_crl->this_update,
		    p->pck_crl->next_update);
}

static void
write_collateral_snp(struct jwrite *w, const struct snp_set *set)
{
	unsigned char hash[32];

	if (set->vek != NULL)
		fields_vek(w, set->vek);
	if (set->chain != NULL) {
		sha256(blob_span(set->chain->lf), hash);
		jw_open(w, "cert_chain", '{');
		jw_hex(w, "sha256", hash, sizeof(hash));
		jw_time(w, "not_before", set->chain->window.from);
		jw_time(w, "not_after", set->chain->window.until);
		jw_close(w, '}');
	}
	if (set->crl != NULL) {
		sha256(blob_span(set->crl->der), hash);
		write_crl(w, "crl", hash, (int64_t)set->crl->number,
		    set->crl->window.from, set->crl->window.until);
	}
}

static void
write_collateral(struct jwrite *w, const struct verdict *v)
{
	jw_open(w, "collateral", '{');
	jw_text(w, "source", v->origin.source);
	if (v->kind != EVIDENCE_SNP) {
		jw_text(w, "baseline", v->origin.baseline);
		if (v->intel.set != NULL)
			write_collateral_intel(w, v->intel.set);
	} else {
		write_collateral_snp(w, v->snp_set);
	}
	jw_close(w, '}');
}

/* --- the whole --------------------------------------------------------- */

static void
write_head(struct jwrite *w, const struct verdict *v)
{
	static const char *const none[1];

	jw_text(w, "verdict", verdict_word(v));
	jw_text(w, "evidence", v->valid ? "valid" : "invalid");
	if (!v->valid)
		jw_text(w, "stage", v->stage);
	jw_text(w, "tee", evidence_kind_name(v->kind));
	jw_text(w, "format", evidence_form_name(v->evidence->form));
	jw_text(w, "tcb_status", verdict_tcb_status(v));
	jw_text(w, "time", verdict_time(v));
	text_list(w, "advisories", v->intel.n_advisories,
	    v->intel.advisories == NULL ? none : v->intel.advisories);
	write_reasons(w, &v->reasons);
	jw_text(w, "profile", v->origin.profile);
	jw_time(w, "checked_at", v->at);
	if (v->has_time) {
		jw_time(w, "valid_from", v->valid_from);
		jw_time(w, "valid_until", v->valid_until);
	}
}

static void
write_snp(struct jwrite *w, const struct verdict *v)
{
	const struct evidence *e = v->evidence;

	jw_text(w, "error",
	    v->snp.err == SNP_OK ? NULL : snp_err_name(v->snp.err));
	if (!e->has_snp)
		return;
	jw_text(w, "product",
	    v->snp.product < AMD_PRODUCT_N ? amd_product_name(v->snp.product)
					   : NULL);
	jw_bool(w, "debug", verdict_debug(v));
	jw_bool(w, "chip_id_masked", v->snp.chip_id_masked);
	fields_snp(w, &e->snp, v->snp.product);
}

void
verdict_json(const struct verdict *v, struct buf *out)
{
	const struct evidence *e = v->evidence;
	struct jwrite w = { out, false };

	buf_reserve(out, USUAL_LEN);
	jw_open(&w, NULL, '{');
	write_head(&w, v);
	if (v->kind == EVIDENCE_SNP) {
		write_snp(&w, v);
	} else {
		write_codes(&w, v);
		if (v->intel.valid)
			write_valid_intel(&w, v);
		if (e->has_quote)
			fields_quote(&w, &e->quote);
		if (v->intel.pck != NULL)
			fields_pck(&w, &v->intel.pck->pck,
			    chain_pck_ca(v->intel.pck->chain));
	}
	if (e->has_hcl)
		fields_hcl(&w, &e->hcl);
	write_collateral(&w, v);
	jw_close(&w, '}');
}
