/*
 * What is held of an endorsement key or of a chip, and how a request for it
 * would be answered.  A chip's id appears only because it was the question.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/explain.h"
#include "storage/veks.h"

#include <stdlib.h>
#include <string.h>

static json_t *
spl_json(enum amd_product product, struct amd_tcb tcb)
{
	struct amd_spl s = { 0 };
	json_t *o;

	if (amd_spl_of(product, tcb, &s, NULL) != ERR_OK)
		return json_null();
	o = json_pack("{s:i, s:i, s:i, s:i}", "bl", s.bl, "tee", s.tee, "snp",
	    s.snp, "ucode", s.ucode);
	if (product == AMD_TURIN)
		json_object_set_new(o, "fmc", json_integer(s.fmc));
	return o;
}

static json_t *
chain_json(const struct storage *st, enum amd_product product,
    enum amd_side side, time_t now)
{
	struct coll_key key = key_amd_chain(product, side);
	const struct coll *c = hot_get(st, &key);

	return c == NULL ? json_null() : json_coll(st, c, now);
}

/* --- one key ---------------------------------------------------------- */

static json_t *
answer_unheld(const struct storage *st, const struct coll_key *key, enum err e)
{
	bool lazy = st->config->mode == MODE_LAZY;

	if (e == ERR_NO_CHAIN)
		return answer_json(lazy ? ERR_OK : e,
		    lazy ? "held; the first request fetches its issuer chain"
			 : "held, but its issuer chain is not");
	if (key->side == AMD_VLEK)
		return answer_json(ERR_NOT_CACHED,
		    "not held; VLEKs come by import alone");
	if (lazy)
		return answer_json(ERR_OK,
		    "not held: the first request fetches it");
	return answer_json(ERR_NOT_CACHED,
	    "not held, and this mode does not fetch on demand");
}

void
explain_vek(struct text_job *t, const struct coll_key *key)
{
	struct storage *st = t->job.st;
	struct why why = { 0 };
	time_t now = clock_now();
	struct coll *c = NULL;
	enum err e = veks_load(st, key, &c, &why);

	if (e != ERR_OK && e != ERR_NOT_CACHED && e != ERR_NO_CHAIN) {
		t->job.why = why;
		job_fail(&t->job, e);
		return;
	}
	t->text = json_text(json_pack("{s:s, s:o, s:o, s:b, s:o, s:o, s:o,"
				      " s:o}",
	    "key", key->text, "now", json_time(now), "held",
	    c == NULL ? json_null() : json_coll(st, c, now), "in_memory",
	    vekcache_used_ms(st->vekcache, key) != 0, "levels",
	    spl_json(key->product, key->tcb), "chain",
	    chain_json(st, key->product, key->side, now), "answer",
	    c == NULL ? answer_unheld(st, key, e) : answer_held(st, c, now),
	    "last_failure",
	    json_attempt(map_get(st->attempts, span_str(key->text)))));
	coll_unref(c);
	job_done(&t->job);
}

/* --- a chip ----------------------------------------------------------- */

static json_t *
held_json(const struct vek_held *v, size_t n, struct span hwid)
{
	json_t *list = json_array();
	struct coll_key key;
	size_t i;

	for (i = 0; i < n; i++) {
		key = key_vcek(v[i].product, hwid, v[i].tcb);
		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "product",
			amd_product_name(v[i].product), "key", key.text,
			"levels", spl_json(v[i].product, v[i].tcb), "not_after",
			json_time(v[i].not_after), "fetched",
			json_time(v[i].fetched_at), "last_used",
			json_time(v[i].used_at_ms / 1000)));
	}
	return list;
}

void
explain_chip(struct text_job *t, struct span hex)
{
	struct storage *st = t->job.st;
	unsigned char hwid[AMD_HWID_MAX];
	size_t n = 0, len = hex.len / 2;
	struct vek_held *v = NULL;
	char *name;
	enum err e;

	if ((len != AMD_HWID_MAX && len != amd_hwid_len(AMD_TURIN)) ||
	    hex_read(hex, hwid, len) != ERR_OK) {
		job_fail(&t->job, why_set(&t->job.why, ERR_PARAM, "amd-kds 2.2",
				      "a chip has 128 hex digits, or 16"));
		return;
	}
	if ((e = veks_of(st, span_of(hwid, len), &v, &n, &t->job.why)) !=
	    ERR_OK) {
		job_fail(&t->job, e);
		return;
	}
	name = span_dup(hex);
	t->text = json_text(json_pack("{s:s, s:o, s:i, s:o}", "chip", name,
	    "now", json_time(clock_now()), "tcbs_max",
	    st->config->cache.tcbs_per_chip, "veks",
	    held_json(v, n, span_of(hwid, len))));
	free(name);
	free(v);
	job_done(&t->job);
}
