/* Whether genuine evidence meets what is required of it. */
#include "server/appraise/verify.h"

#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reasons ----------------------------------------------------------- */

void
reasons_add(struct reasons *rs, const char *check, enum snp_err error,
    char *expected, char *found)
{
	struct reason *r;
	size_t i;

	for (i = 0; i < rs->n; i++)
		if (strcmp(rs->v[i].check, check) == 0 &&
		    strcmp(rs->v[i].expected, expected) == 0) {
			free(expected);
			free(found);
			return;
		}
	rs->v = xrealloc(rs->v, rs->n + 1, sizeof(*rs->v));
	r = &rs->v[rs->n++];
	memset(r, 0, sizeof(*r));
	(void)snprintf(r->check, sizeof(r->check), "%s", check);
	r->error = error == SNP_OK ? NULL : snp_err_name(error);
	r->expected = expected;
	r->found = found;
}

void
reasons_fini(struct reasons *rs)
{
	size_t i;

	for (i = 0; i < rs->n; i++) {
		free(rs->v[i].expected);
		free(rs->v[i].found);
	}
	free(rs->v);
	*rs = (struct reasons){ 0, NULL };
}

/* What one check works on. */
struct check {
	const struct require *q;
	const struct verdict *v;
	struct reasons *out;
};

static void
unmet(struct check *c, const char *check, enum snp_err error,
    const char *expected, const char *found)
{
	reasons_add(c->out, check, error, xstrdup(expected), xstrdup(found));
}

static char *
buf_text(struct buf *b)
{
	char *s = xstrndup(b->len == 0 ? "" : b->p, b->len);

	buf_free(b);
	return s;
}

static char *
hex_text(const void *p, size_t n)
{
	struct buf b = BUF_INIT;

	buf_hex(&b, span_of(p, n));
	return buf_text(&b);
}

/* "one of A, B": at most the first few, there may be a thousand. */
#define SHOWN_MAX 4

static void
list_begin(struct buf *b, size_t n)
{
	buf_str(b, n == 0 ? "nothing" : n == 1 ? "" : "one of ");
}

static bool
list_next(struct buf *b, size_t i, size_t n)
{
	if (i == SHOWN_MAX) {
		buf_printf(b, " and %zu more", n - i);
		return false;
	}
	if (i > 0)
		buf_str(b, ", ");
	return true;
}

static char *
bytes_text(const struct want_bytes *w)
{
	struct buf b = BUF_INIT;
	size_t i;

	list_begin(&b, w->n);
	for (i = 0; i < w->n && list_next(&b, i, w->n); i++)
		buf_hex(&b, span_of(w->v + i * w->len, w->len));
	return buf_text(&b);
}

static char *
numbers_text(const struct want_numbers *w)
{
	struct buf b = BUF_INIT;
	size_t i;

	list_begin(&b, w->n);
	for (i = 0; i < w->n && list_next(&b, i, w->n); i++)
		buf_printf(&b, "%" PRIu64, w->v[i]);
	return buf_text(&b);
}

/* --- fields by their rows ---------------------------------------------- */

static void
check_bytes(struct check *c, const char *name, const struct want_bytes *w,
    enum snp_err error, const void *have)
{
	if (w->set && !want_bytes_have(w, have))
		reasons_add(c->out, name, error, bytes_text(w),
		    hex_text(have, w->len));
}

static void
check_masked(struct check *c, const char *name, const struct want_masked *w,
    const unsigned char *have, size_t len)
{
	char *value, *mask;
	struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < len; i++)
		if ((have[i] & w->mask[i]) != w->value[i])
			break;
	if (!w->set || i == len)
		return;
	value = hex_text(w->value, len);
	mask = hex_text(w->mask, len);
	buf_printf(&b, "%s under mask %s", value, mask);
	reasons_add(c->out, name, SNP_OK, buf_text(&b), hex_text(have, len));
	free(value);
	free(mask);
}

/* An unsigned member of the size given. */
static uint64_t
number_at(const void *p, size_t size)
{
	uint16_t u16;
	uint32_t u32;

	if (size == sizeof(u16)) {
		memcpy(&u16, p, sizeof(u16));
		return u16;
	}
	must(size == sizeof(u32));
	memcpy(&u32, p, sizeof(u32));
	return u32;
}

static void
check_numbers(struct check *c, const char *name, const struct want_numbers *w,
    enum snp_err error, uint64_t have)
{
	char found[24];
	size_t i;

	for (i = 0; i < w->n; i++)
		if (w->v[i] == have)
			return;
	if (!w->set)
		return;
	(void)snprintf(found, sizeof(found), "%" PRIu64, have);
	reasons_add(c->out, name, error, numbers_text(w), xstrdup(found));
}

static void
check_minimum(struct check *c, const char *name, const struct want_min *w,
    enum snp_err error, uint64_t have)
{
	char want[40], found[24];

	if (!w->set || have >= w->v)
		return;
	(void)snprintf(want, sizeof(want), "at least %" PRIu64, w->v);
	(void)snprintf(found, sizeof(found), "%" PRIu64, have);
	unmet(c, name, error, want, found);
}

#define NAME_SGX   "sgx"
#define NAME_TDX   "tdx"
#define NAME_SNP   "snp"
#define ERR_OF_SGX SNP_OK
#define ERR_OF_TDX SNP_OK
#define ERR_OF_SNP SNP_ERR_POLICY_VALUE

/* Every row of require.def that is of the evidence's kind. */
static void
check_rows(struct check *c)
{
	const struct sgx_report *sgx_report = &c->v->intel.quote.sgx;
	const struct td_report *td_report = &c->v->intel.quote.td;
	const struct snp_report *snp_report = &c->v->evidence->snp;
	enum evidence_kind is = c->v->kind;

#define VALUE(kind, name, type, member)                                        \
	if (is == EVIDENCE_##kind)                                             \
		check_bytes(c, NAME_##kind "." #name,                          \
		    &c->q->value[REQ_VALUE_##name], ERR_OF_##kind,             \
		    type->member);
#define MASKED(kind, name, type, member)                                       \
	if (is == EVIDENCE_##kind)                                             \
		check_masked(c, NAME_##kind "." #name,                         \
		    &c->q->masked[REQ_MASKED_##name], type->member,            \
		    sizeof(type->member));
#define NUMBER(kind, name, type, member)                                       \
	if (is == EVIDENCE_##kind)                                             \
		check_numbers(c, NAME_##kind "." #name,                        \
		    &c->q->number[REQ_NUMBER_##name],                          \
		    is == EVIDENCE_SNP ? SNP_ERR_POLICY_VMPL : SNP_OK,         \
		    number_at(&type->member, sizeof(type->member)));
#define MINIMUM(kind, name, type, member, error)                               \
	if (is == EVIDENCE_##kind)                                             \
		check_minimum(c, NAME_##kind "." #name,                        \
		    &c->q->minimum[REQ_##name], error,                         \
		    number_at(&type->member, sizeof(type->member)));
#include "server/appraise/require.def"
}

/* --- any evidence ------------------------------------------------------ */

/*
 * Whoever speaks of one kind's fields means that kind: evidence of another
 * must not slip past what is required of this one.
 */
static void
check_kind(struct check *c)
{
	unsigned kinds = c->q->kinds != 0 ? c->q->kinds : c->q->sections;
	struct buf b = BUF_INIT;
	unsigned k, n = 0;

	if (kinds == 0 || kinds & 1u << c->v->kind)
		return;
	for (k = EVIDENCE_SGX; k < EVIDENCE_KIND_N; k++)
		if (kinds & 1u << k)
			buf_printf(&b, "%s%s", n++ > 0 ? " or " : "",
			    evidence_kind_name(k));
	reasons_add(c->out, "tee", SNP_OK, buf_text(&b),
	    xstrdup(evidence_kind_name(c->v->kind)));
}

static void
check_time(struct check *c)
{
	const struct require *q = c->q;
	const struct verdict *v = c->v;
	char found[80], until[TIME_LEN], want[80];

	if (q->grace.set && v->expired &&
	    v->at - (time_t)q->grace.v >= v->valid_until) {
		time_write(v->valid_until, until);
		(void)snprintf(found, sizeof(found), "expired at %s", until);
		(void)snprintf(want, sizeof(want),
		    "not expired for %" PRIu64 " s", q->grace.v);
		unmet(c, "time",
		    v->snp.err == SNP_ERR_CRL_STALE ? SNP_ERR_CRL_STALE
		    : v->kind == EVIDENCE_SNP       ? SNP_ERR_CERT_EXPIRED
						    : SNP_OK,
		    q->grace.v == 0 ? "not expired" : want, found);
	}
	if (q->skew.set && v->not_yet_valid &&
	    v->at + (time_t)q->skew.v < v->valid_from) {
		time_write(v->valid_from, until);
		(void)snprintf(found, sizeof(found), "valid from %s", until);
		unmet(c, "time",
		    v->snp.err == SNP_ERR_CRL_STALE ? SNP_ERR_CRL_STALE
		    : v->kind == EVIDENCE_SNP       ? SNP_ERR_CERT_NOT_YET_VALID
						    : SNP_OK,
		    "already valid", found);
	}
}

/* --- what the guest chose ---------------------------------------------- */

static size_t
runtime_digest(enum runtime_hash h, struct span in, unsigned char out[64])
{
	memset(out, 0, 64);
	switch (h) {
	case HASH_SHA384:
		sha384(in, out);
		return 48;
	case HASH_SHA512:
		sha512(in, out);
		return 64;
	default:
		sha256(in, out);
		return 32;
	}
}

/* REPORT_DATA is this digest and zeros, or the nonce and zeros, behind it. */
static bool
digest_bound(const struct require *q, enum runtime_hash h, struct span in,
    const unsigned char *have, bool nonce_behind)
{
	unsigned char want[64];
	size_t n = runtime_digest(h, in, want);

	if (nonce_behind && q->nonce_len > 0) {
		if (q->nonce_len > 64 - n)
			return false;
		memcpy(want + n, q->nonce, q->nonce_len);
	}
	return memcmp(want, have, 64) == 0;
}

static bool
any_bound(const struct require *q, struct span in, const unsigned char *have,
    bool nonce_behind)
{
	enum runtime_hash h;

	if (q->runtime_hash != HASH_ANY)
		return digest_bound(q, q->runtime_hash, in, have, nonce_behind);
	for (h = HASH_SHA256; h <= HASH_SHA512; h++)
		if (digest_bound(q, h, in, have, nonce_behind))
			return true;
	return false;
}

/* hash(nonce || runtime data) */
static bool
nonce_in_digest(const struct require *q, const unsigned char *have)
{
	struct buf b = BUF_INIT;
	bool bound;

	buf_add(&b, q->nonce, q->nonce_len);
	buf_span(&b, buf_view(&q->runtime));
	bound = any_bound(q, buf_view(&b), have, false);
	buf_free(&b);
	return bound;
}

/* The 64 bytes of the HCL runtime data's "user-data" (snp-report 10.2). */
static bool
hcl_user_data(const struct verdict *v, unsigned char out[64])
{
	const struct evidence *e = v->evidence;
	json_t *o = NULL;
	const json_t *u;
	bool good;

	if (e->has_hcl)
		o = json_loadb((const char *)e->hcl.runtime.p,
		    e->hcl.runtime.len, JSON_REJECT_DUPLICATES, NULL);
	u = json_object_get(o, "user-data");
	good = json_is_string(u) &&
	       hex_read(span_of(json_string_value(u), json_string_length(u)),
		   out, 64) == ERR_OK;
	json_decref(o);
	return good;
}

static void
check_report_data(struct check *c, const unsigned char *have)
{
	if (c->q->has_report_data && memcmp(c->q->report_data, have, 64) != 0)
		reasons_add(c->out, "report_data",
		    c->v->kind == EVIDENCE_SNP ? SNP_ERR_POLICY_VALUE : SNP_OK,
		    hex_text(c->q->report_data, 64), hex_text(have, 64));
}

static void
check_runtime(struct check *c, const unsigned char *have)
{
	const struct require *q = c->q;
	unsigned char want[64];

	if (!q->has_runtime || any_bound(q, buf_view(&q->runtime), have, false))
		return;
	if (q->nonce_len > 0 &&
	    (any_bound(q, buf_view(&q->runtime), have, true) ||
		nonce_in_digest(q, have)))
		return;
	(void)runtime_digest(q->runtime_hash, buf_view(&q->runtime), want);
	reasons_add(c->out, "runtime_data",
	    c->v->kind == EVIDENCE_SNP ? SNP_ERR_HCL_BINDING : SNP_OK,
	    hex_text(want, 64), hex_text(have, 64));
}

/*
 * The nonce is at the front of REPORT_DATA; or behind the digest of the
 * runtime data, or hashed before it; or at the front of an HCL's user data.
 */
static void
check_nonce(struct check *c, const unsigned char *have)
{
	const struct require *q = c->q;
	unsigned char user[64];

	if (q->nonce_len == 0 || memcmp(q->nonce, have, q->nonce_len) == 0)
		return;
	if (q->has_runtime &&
	    (any_bound(q, buf_view(&q->runtime), have, true) ||
		nonce_in_digest(q, have)))
		return;
	if (hcl_user_data(c->v, user) &&
	    memcmp(q->nonce, user, q->nonce_len) == 0)
		return;
	reasons_add(c->out, "nonce", SNP_OK, hex_text(q->nonce, q->nonce_len),
	    hex_text(have, 64));
}

/* H6 of snp-report 10.3 */
static void
check_user_data(struct check *c)
{
	unsigned char user[64];
	size_t n = c->q->user_data_len;

	if (n == 0)
		return;
	if (!hcl_user_data(c->v, user))
		reasons_add(c->out, "user_data", SNP_ERR_HCL_USER_DATA,
		    hex_text(c->q->user_data, n), xstrdup("none"));
	else if (memcmp(user, c->q->user_data, n) != 0)
		reasons_add(c->out, "user_data", SNP_ERR_HCL_USER_DATA,
		    hex_text(c->q->user_data, n), hex_text(user, 64));
}

/* --- Intel ------------------------------------------------------------- */

static void
check_status(struct check *c)
{
	enum tcb_status s, have = c->v->intel.tcb_status;
	struct buf b = BUF_INIT;

	if (!c->q->has_statuses || c->q->statuses & 1u << have)
		return;
	for (s = 0; s < TCB_STATUS_N; s++)
		if (c->q->statuses & 1u << s)
			buf_printf(&b, "%s%s", b.len > 0 ? " or " : "",
			    tcb_status_name(s));
	if (b.len == 0)
		buf_str(&b, "nothing");
	reasons_add(c->out, "tcb_status", SNP_OK, buf_text(&b),
	    xstrdup(tcb_status_name(have)));
}

static void
check_advisories(struct check *c)
{
	const struct want_texts *w = &c->q->reject_advisories;
	char want[160];
	size_t i, k;

	for (i = 0; i < w->n; i++)
		for (k = 0; k < c->v->intel.n_advisories; k++)
			if (strcmp(w->v[i], c->v->intel.advisories[k]) == 0) {
				(void)snprintf(want, sizeof(want), "not %s",
				    w->v[i]);
				unmet(c, "reject_advisories", SNP_OK, want,
				    w->v[i]);
			}
}

static void
check_td(struct check *c)
{
	const struct intel_verdict *v = &c->v->intel;
	const struct td_report *td = &v->quote.td;
	const struct require *q = c->q;
	size_t i;

	if (q->td.no_service_td && v->service_td)
		unmet(c, "tdx.service_td", SNP_OK, "none", "one is bound");
	if (q->td.sept_ve_disable && !v->sept_ve_disable)
		unmet(c, "tdx.sept_ve_disable", SNP_OK, "true", "false");
	if (q->td.no_reserved && v->reserved_attributes)
		unmet(c, "tdx.reserved_attributes", SNP_OK, "none", "some");
	for (i = 0; q->td.has_min_svn && i < 16; i++)
		if (td->tee_tcb_svn[i] < q->td.min_tee_tcb_svn[i]) {
			reasons_add(c->out, "tdx.min_tee_tcb_svn", SNP_OK,
			    hex_text(q->td.min_tee_tcb_svn, 16),
			    hex_text(td->tee_tcb_svn, 16));
			break;
		}
}

static void
check_intel(struct check *c)
{
	const struct intel_parts *p = &c->v->intel.set->parts;

	check_status(c);
	check_advisories(c);
	check_minimum(c, "min_tcb_evaluation_number", &c->q->eval_num, SNP_OK,
	    p->tcb_info->eval_num < p->identity->eval_num
		? p->tcb_info->eval_num
		: p->identity->eval_num);
	if (c->v->kind == EVIDENCE_TDX)
		check_td(c);
}

void
require_check(const struct require *q, const struct verdict *v,
    struct reasons *out)
{
	const unsigned char *data = evidence_report_data(v->evidence);
	struct check c = { q, v, out };

	must(v->valid && data != NULL);
	check_kind(&c);
	if (q->no_debug && verdict_debug(v))
		unmet(&c, "debug",
		    v->kind == EVIDENCE_SNP ? SNP_ERR_POLICY_DEBUG : SNP_OK,
		    "false", "true");
	check_time(&c);
	check_report_data(&c, data);
	check_runtime(&c, data);
	check_nonce(&c, data);
	check_user_data(&c);
	check_rows(&c);
	if (v->kind == EVIDENCE_SNP)
		require_check_snp(q, v, out);
	else
		check_intel(&c);
}
