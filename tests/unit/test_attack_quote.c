/*
 * The attacks of quote-verification 12 on the quote's own bytes, and time at
 * every boundary: each row changes one thing and says which check must
 * answer.  What must pass stands among them.  Needs no vectors.
 */
#include "tests/kit/forge.h"

#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define NOW   FORGE_NOW
#define DAY   (24 * 3600)
#define MONTH (30 * DAY)

static struct pki *pki;

static void
setup(void)
{
	pki = pki_new("attack", FORGE_NOW);
}

static void
teardown(void)
{
	pki_free(pki);
}

/* --- patched when signed --- */

static void
set_le(struct blob *b, size_t at, uint64_t v, int n)
{
	for (; n-- > 0; v >>= 8)
		b->data[at++] = (unsigned char)v;
}

static size_t
cert_at(const struct blob *b, const struct quote *q)
{
	return (size_t)(q->cert.p - b->data);
}

#define PATCH(fn, at, value, n)                                                \
	static void fn##_(struct blob *b, const struct quote *q)               \
	{                                                                      \
		(void)q;                                                       \
		set_le(b, at, value, n);                                       \
	}                                                                      \
	static void fn(struct forge *f)                                        \
	{                                                                      \
		f->patch = fn##_;                                              \
	}
PATCH(inner_type_6, cert_at(b, q) - 6, 6, 2)
PATCH(inner_type_7, cert_at(b, q) - 6, 7, 2)
PATCH(inner_type_4, cert_at(b, q) - 6, 4, 2)
PATCH(inner_type_3, cert_at(b, q) - 6, 3, 2)
PATCH(inner_type_1, cert_at(b, q) - 6, 1, 2)
PATCH(inner_type_0, cert_at(b, q) - 6, 0, 2)
PATCH(outer_type_5, q->bound.len + 4 + 128, 5, 2)
PATCH(outer_type_7, q->bound.len + 4 + 128, 7, 2)
PATCH(inner_length_0, cert_at(b, q) - 4, 0, 4)
PATCH(inner_length_max, cert_at(b, q) - 4, 0xffffffff, 4)
PATCH(inner_length_more, cert_at(b, q) - 4, q->cert.len + 1, 4)
PATCH(inner_length_less, cert_at(b, q) - 4, q->cert.len - 1, 4)
PATCH(auth_length_max, (size_t)(q->auth.p - b->data) - 2, 0xffff, 2)
PATCH(signature_length_0, q->bound.len, 0, 4)
PATCH(signature_length_max, q->bound.len, 0x7fffffff, 4)
PATCH(version_2, 0, 2, 2)
PATCH(version_6, 0, 6, 2)
PATCH(key_type_3, 2, 3, 2)
PATCH(key_type_0, 2, 0, 2)
PATCH(tee_82, 4, 0x82, 4)
PATCH(r_zero, q->bound.len + 4, 0, 32)
PATCH(s_zero, q->bound.len + 36, 0, 32)
PATCH(key_zero, q->bound.len + 68, 0, 64)

static void
trailing_zeros(struct forge *f)
{
	f->q.padding = 3065;
}

static void
trailing_junk_(struct blob *b, const struct quote *q)
{
	b->data[q->len + 7] = 1;
}

static void
trailing_junk(struct forge *f)
{
	f->q.padding = 8;
	f->patch = trailing_junk_;
}

static void
r_and_s_high_(struct blob *b, const struct quote *q)
{
	memset(b->data + q->bound.len + 4, 0xff, 64);
}

static void
r_and_s_high(struct forge *f)
{
	f->patch = r_and_s_high_;
}

static void
chain_without_line_end(struct forge *f)
{
	f->q.chain_end = "";
}

static void
chain_with_junk(struct forge *f)
{
	f->q.chain_end = "\nx";
}

/* --- time --- */

static void
collateral_ended(struct forge *f)
{
	f->at = NOW + MONTH;
}

static void
collateral_last_second(struct forge *f)
{
	f->at = NOW + MONTH - 1;
}

static void
collateral_first_second(struct forge *f)
{
	f->at = NOW;
}

static void
collateral_too_early(struct forge *f)
{
	f->at = NOW - 1;
}

static void
far_future(struct forge *f)
{
	f->at = 4102444800; /* 2100: beyond 32 bits, all of it over */
}

static void
tcb_info_ended(struct forge *f)
{
	f->ti.issue_at = NOW - DAY;
	f->ti.next_update = NOW;
}

static void
tcb_info_to_come(struct forge *f)
{
	f->ti.issue_at = NOW + DAY;
	f->ti.next_update = NOW + 2 * DAY;
}

static void
identity_ended(struct forge *f)
{
	f->id.issue_at = NOW - DAY;
	f->id.next_update = NOW;
}

static void
identity_to_come(struct forge *f)
{
	f->id.issue_at = NOW + DAY;
	f->id.next_update = NOW + 2 * DAY;
}

static void
root_crl_ended(struct forge *f)
{
	f->root.this_update = NOW - DAY;
	f->root.next_update = NOW;
}

static void
root_crl_to_come(struct forge *f)
{
	f->root.this_update = NOW + DAY;
	f->root.next_update = NOW + 2 * DAY;
}

static void
pck_crl_ended(struct forge *f)
{
	f->pck.this_update = NOW - DAY;
	f->pck.next_update = NOW;
}

static void
pck_crl_to_come(struct forge *f)
{
	f->pck.this_update = NOW + DAY;
	f->pck.next_update = NOW + 2 * DAY;
}

static void
leaf_ended(struct forge *f)
{
	f->q.pck.not_before = NOW - 2 * DAY;
	f->q.pck.not_after = NOW - DAY;
}

static void
leaf_to_come(struct forge *f)
{
	f->q.pck.not_before = NOW + DAY;
	f->q.pck.not_after = NOW + 2 * DAY;
}

FORGE_LIE(signer_ended, ti, PKI_EXPIRED_SIGNER)
FORGE_LIE(identity_signer_ended, id, PKI_EXPIRED_SIGNER)

static void
both_sides(struct forge *f)
{
	tcb_info_ended(f);
	identity_to_come(f);
}

/* --- the table -------------------------------------------------------- */

static const struct attack attacks[] = {
	ROW(ALL, inner_type_6, BAD("quote-format")),
	ROW(ALL, inner_type_7, BAD("quote-format")),
	ROW(ALL, inner_type_4, BAD("cert-data")),
	ROW(ALL, inner_type_3, BAD("cert-data quote-format")),
	ROW(ALL, inner_type_1, BAD("cert-data quote-format")),
	ROW(ALL, inner_type_0, BAD("quote-format")),
	ROW(TDX, outer_type_5, BAD("quote-format")),
	ROW(TDX, outer_type_7, BAD("quote-format")),
	ROW(ALL, inner_length_0, BAD("quote-format")),
	ROW(ALL, inner_length_max, BAD("quote-format")),
	ROW(ALL, inner_length_more, BAD("quote-format")),
	ROW(ALL, inner_length_less, BAD("quote-format")),
	ROW(ALL, auth_length_max, BAD("quote-format")),
	ROW(ALL, signature_length_0, BAD("quote-format")),
	ROW(ALL, signature_length_max, BAD("quote-format")),
	ROW(ALL, version_2, BAD("quote-format")),
	ROW(ALL, version_6, BAD("quote-format")),
	ROW(ALL, key_type_3, BAD("quote-format")),
	ROW(ALL, key_type_0, BAD("quote-format")),
	ROW(ALL, tee_82, BAD("quote-format")),
	ROW(ALL, r_zero, BAD("quote-signature")),
	ROW(ALL, s_zero, BAD("quote-signature")),
	ROW(ALL, r_and_s_high, BAD("quote-signature")),
	ROW(ALL, key_zero, BAD("ak-binding quote-signature")),
	ROW(ALL, trailing_zeros, GOOD),
	ROW(ALL, trailing_junk, BAD("quote-format")),
	ROW(ALL, chain_without_line_end, GOOD),
	ROW(ALL, chain_with_junk, BAD("pck-chain")),
	ROW(ALL, collateral_first_second, GOOD),
	ROW(ALL, collateral_last_second, GOOD),
	ROW(ALL, collateral_too_early, TIME("not-yet-valid")),
	ROW(ALL, collateral_ended, TIME("expired")),
	ROW(ALL, far_future, TIME("expired")),
	ROW(ALL, tcb_info_ended, TIME("expired")),
	ROW(ALL, tcb_info_to_come, TIME("not-yet-valid")),
	ROW(ALL, identity_ended, TIME("expired")),
	ROW(ALL, identity_to_come, TIME("not-yet-valid")),
	ROW(ALL, root_crl_ended, TIME("expired")),
	ROW(ALL, root_crl_to_come, TIME("not-yet-valid")),
	ROW(ALL, pck_crl_ended, TIME("expired")),
	ROW(ALL, pck_crl_to_come, TIME("not-yet-valid")),
	ROW(ALL, leaf_ended, TIME("expired")),
	ROW(ALL, leaf_to_come, TIME("not-yet-valid")),
	ROW(ALL, signer_ended, TIME("expired")),
	ROW(ALL, identity_signer_ended, TIME("expired")),
	ROW(ALL, both_sides, TIME("expired+not-yet-valid")),
};
#define N_ATTACKS ((int)(sizeof(attacks) / sizeof(attacks[0])))

/* Every length but the right one, and one octet more of something. */
START_TEST(test_every_truncation)
{
	static const struct {
		enum tee tee;
		unsigned version, body;
	} kinds[] = { { TEE_SGX, 3, 0 }, { TEE_TDX, 4, 0 }, { TEE_TDX, 5, 4 } };
	struct appraisal a = { .hint = AMD_PRODUCT_N, .at = NOW };
	struct blob *b, *cut;
	struct evidence e;
	struct verdict v;
	struct forge f;
	size_t len;

	forge_init(&f, pki, kinds[_i].tee);
	f.q.version = kinds[_i].version;
	f.q.body_type = kinds[_i].body;
	b = kit_quote(pki, &f.q);
	a.intel = anchors_of(pki_root_spki_hex(pki));
	for (len = 0; len < b->len; len++) {
		/* In memory of just this length, for the sanitizers. */
		cut = blob_new(b->data, len);
		evidence_read(blob_span(cut), &e);
		verdict_make(&e, &a, &v);
		ck_assert_msg(!v.valid && v.reasons.n == 1 &&
				  strcmp(v.reasons.v[0].check,
				      "quote-format") == 0,
		    "%zu of %zu: %s", len, b->len,
		    v.reasons.n == 0 ? "" : v.reasons.v[0].check);
		verdict_fini(&v);
		evidence_fini(&e);
		blob_unref(cut);
	}
	anchors_free((struct anchors *)(uintptr_t)a.intel);
	blob_unref(b);
}
END_TEST

START_TEST(test_attack)
{
	attack_run(&attacks[_i], pki);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("attack_quote");
	TCase *tc = tcase_create("made");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_attack, 0, N_ATTACKS);
	tcase_add_loop_test(tc, test_every_truncation, 0, 3);
	suite_add_tcase(s, tc);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
