/*
 * The body of POST /v1/verify: evidence, requirements and hostile collateral
 * in JSON, through to the verdict and its JSON; and what is required, held
 * against evidence that no one has signed.
 */
#include "config/base/must.h"
#include "server/question.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define AT 1780272000

static struct verifier *verifier;

static void
start(void)
{
	struct config *config;

	must(config_read(span_str("{}"), "fuzz", &config, NULL) == ERR_OK);
	must(verifier_new(config, &verifier, NULL) == ERR_OK);
	config_unref(config);
}

/* A sound verdict's JSON is JSON, and its words agree. */
static void
verdict_look(const struct verdict *v)
{
	struct buf b = BUF_INIT;
	json_t *j;

	must(v->accepted == (v->valid && v->reasons.n == 0));
	must(v->valid || v->reasons.n > 0);
	must(v->valid == (v->stage[0] == '\0'));
	verdict_json(v, &b);
	j = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
	must(j != NULL && json_object_get(j, "verdict") != NULL);
	json_decref(j);
	buf_free(&b);
}

static void
judge(const struct question *q, const struct evidence *e)
{
	struct appraisal a = { .intel = verifier->intel,
		.hint = AMD_PRODUCT_N,
		.require = { &q->require, NULL },
		.at = q->at };
	struct verdict v;

	a.set = intel_set_read(&q->attached.intel, verifier->intel);
	a.snp_set = snp_set_read(&q->attached.snp, &verifier->amd);
	verdict_make(e, &a, &v);
	verdict_look(&v);
	verdict_fini(&v);
	intel_set_unref(a.set);
	snp_set_unref(a.snp_set);
}

/* As if every signature held. */
static void
judge_unsigned(const struct question *q, const struct evidence *e)
{
	static struct tcbinfo info = { .eval_num = 17 };
	static struct identity identity = { .eval_num = 18 };
	static struct intel_set set = { .parts = { .tcb_info = &info,
					    .identity = &identity } };
	static struct vek vek;
	static struct snp_set snp_set = { .vek = &vek };
	struct verdict v = { .valid = true, .kind = e->kind, .evidence = e };
	struct reasons rs = { 0, NULL };

	if (e->err != SNP_OK || (!e->has_quote && !e->has_snp))
		return;
	v.at = q->at;
	v.expired = q->at % 2;
	v.intel.quote = e->quote;
	v.intel.set = &set;
	v.snp.product = (enum amd_product)(q->at % AMD_PRODUCT_N);
	v.snp_set = &snp_set;
	require_check(&q->require, &v, &rs);
	reasons_fini(&rs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct question q = { 0 };
	struct why why = { 0 };
	struct evidence e;
	json_t *j;

	if (verifier == NULL)
		start();
	if (len > 1 << 18)
		return 0;
	j = json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES, NULL);
	if (question_read(verifier, j, NULL, AT, &q, &why) == ERR_OK) {
		evidence_read(q.evidence, &e);
		judge(&q, &e);
		judge_unsigned(&q, &e);
		evidence_fini(&e);
	} else {
		must(why.err == ERR_PARAM && why.text[0] != '\0');
	}
	question_fini(&q);
	json_decref(j);
	return 0;
}
