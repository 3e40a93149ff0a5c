/*
 * The AMD-like test PKI against the readers of storage/verify: what it makes
 * honestly passes and looks as AMD's own, and each of its lies is found.
 */
#include "tests/kit/pki_amd.h"

#include "config/base/clock.h"
#include "tests/kit/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW ((time_t)1790000000)

static struct pki_amd *pki;
static struct amd_anchors pins;

static void
setup(void)
{
	pki = pki_amd_new("test", NOW);
	pins = pki_amd_anchors();
}

static void
teardown(void)
{
	pki_amd_free(pki);
	pki_amd_anchors_drop(&pins);
}

/* Which check finds a lie; ERR_OK: it is harmless or not the object's. */
struct found {
	enum pki_amd_lie lie;
	enum err e;
};

static enum err
find(const struct found *table, size_t n, enum pki_amd_lie lie)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].lie == lie)
			return table[i].e;
	return ERR_OK;
}
#define FIND(table, lie) find(table, sizeof(table) / sizeof(table[0]), lie)

static void
expect(const char *what, enum pki_amd_lie lie, enum err got, enum err want,
    const struct why *why)
{
	ck_assert_msg(got == want, "%s, %s: %s (%s), not %s", what,
	    pki_amd_lie_name(lie), err_token(got), why->text, err_token(want));
}

/* The window is the gate's to judge: so does this, as of NOW. */
static enum err
in_time(enum err e, const struct window *w, struct why *why)
{
	return e != ERR_OK ? e : window_check(w, NOW, 300, "it", why);
}

static enum err
chain_judge(const struct pki_amd_chain *c, struct why *why)
{
	struct blob *pem = pki_amd_chain(pki, c);
	struct amd_chain *chain = NULL;
	enum err e;

	e = amd_chain_read(blob_span(pem), c->product, c->side, &pins, &chain,
	    why);
	if (e == ERR_OK) {
		ck_assert(span_eq(blob_span(chain->pem), blob_span(pem)));
		e = in_time(e, &chain->window, why);
	}
	amd_chain_unref(chain);
	blob_unref(pem);
	return e;
}

static struct amd_chain *
chain_of(enum amd_product product, enum amd_side side, bool next)
{
	struct pki_amd_chain c = { product, side, next, AMD_HONEST };
	struct blob *pem = pki_amd_chain(pki, &c);
	struct amd_chain *chain = NULL;
	struct why why = { 0 };

	ck_assert_msg(amd_chain_read(blob_span(pem), product, side, &pins,
			  &chain, &why) == ERR_OK,
	    "%s", why.text);
	blob_unref(pem);
	return chain;
}

START_TEST(test_lies_of_chains_are_found)
{
	static const struct found table[] = {
		{ AMD_BAD_SIGNATURE, ERR_BADSIG },
		{ AMD_WRONG_KEY, ERR_BADSIG },
		{ AMD_FOREIGN, ERR_ROOT },
		{ AMD_WRONG_ROLE, ERR_CHAIN },
		{ AMD_OTHER_PRODUCT, ERR_CHAIN },
		{ AMD_SALT, ERR_FORMAT },
		{ AMD_SHA256, ERR_FORMAT },
		{ AMD_PKCS1, ERR_FORMAT },
		{ AMD_MIXED, ERR_FORMAT },
		{ AMD_NOT_YET, ERR_NOT_YET },
		{ AMD_EXPIRED, ERR_EXPIRED },
		{ AMD_TRAILING, ERR_FORMAT },
		{ AMD_TRUNCATED, ERR_FORMAT },
		{ AMD_ENCODING, ERR_FORMAT },
		{ AMD_CRITICAL, ERR_CHAIN },
		{ AMD_SWAPPED, ERR_CHAIN },
		{ AMD_THREE, ERR_FORMAT },
		{ AMD_ONE, ERR_FORMAT },
	};
	struct pki_amd_chain c = { .product =
				       (enum amd_product)(_i % AMD_PRODUCT_N),
		.side = _i < AMD_PRODUCT_N ? AMD_VCEK : AMD_VLEK };

	for (c.lie = AMD_HONEST; c.lie < PKI_AMD_LIE_N; c.lie++) {
		struct why why = { 0 };

		expect("chain", c.lie, chain_judge(&c, &why),
		    FIND(table, c.lie), &why);
	}
}
END_TEST

static struct pki_vek
some_vek(enum amd_product product, enum amd_side side)
{
	struct pki_vek v = { .product = product,
		.side = side,
		.spl = { product == AMD_TURIN, 4, 1, 24, 219 },
		.trailer = product == AMD_GENOA };

	memset(v.hwid, 0x04, sizeof(v.hwid)); /* as if it were a tag */
	return v;
}

static enum err
vek_judge(const struct pki_vek *v, const struct amd_chain *chain,
    struct why *why)
{
	size_t len = v->side == AMD_VLEK ? 0 : amd_hwid_len(v->product);
	struct blob *der = pki_vek(pki, v);
	struct vek *vek = NULL;
	enum err e;

	e = vek_read(blob_span(der), chain, &vek, why);
	if (e == ERR_OK)
		e = vek_is_for(vek, span_of(v->hwid, len),
		    amd_tcb_of(v->product, v->spl), why);
	if (e == ERR_OK)
		e = in_time(e, &vek->window, why);
	vek_unref(vek);
	blob_unref(der);
	return e;
}

START_TEST(test_lies_of_veks_are_found)
{
	static const struct found table[] = {
		{ AMD_BAD_SIGNATURE, ERR_BADSIG },
		{ AMD_WRONG_KEY, ERR_BADSIG },
		{ AMD_FOREIGN, ERR_BADSIG },
		{ AMD_WRONG_ROLE, ERR_BADSIG },
		{ AMD_OTHER_PRODUCT, ERR_NOT_ASKED },
		{ AMD_OTHER_CHIP, ERR_NOT_ASKED },
		{ AMD_OTHER_TCB, ERR_NOT_ASKED },
		{ AMD_SALT, ERR_FORMAT },
		{ AMD_SHA256, ERR_FORMAT },
		{ AMD_PKCS1, ERR_FORMAT },
		{ AMD_MIXED, ERR_FORMAT },
		{ AMD_NOT_YET, ERR_NOT_YET },
		{ AMD_EXPIRED, ERR_EXPIRED },
		{ AMD_TRAILING, ERR_FORMAT },
		{ AMD_TRUNCATED, ERR_FORMAT },
		{ AMD_ENCODING, ERR_FORMAT },
		{ AMD_CRITICAL, ERR_FORMAT },
		{ AMD_TWICE, ERR_FORMAT },
		{ AMD_RESERVED, ERR_RANGE },
		{ AMD_WIDE_SPL, ERR_RANGE },
		{ AMD_BOTH_IDS, ERR_FORMAT },
		{ AMD_NO_HWID, ERR_FORMAT },
		{ AMD_LONG_HWID, ERR_FORMAT },
		{ AMD_STRUCT_VERSION, ERR_FORMAT },
		{ AMD_PRODUCT_NAME, ERR_NOT_ASKED },
		{ AMD_P256, ERR_FORMAT },
		{ AMD_BER, ERR_FORMAT },
	};
	enum amd_product product = (enum amd_product)(_i % AMD_PRODUCT_N);
	enum amd_side side = _i < AMD_PRODUCT_N ? AMD_VCEK : AMD_VLEK;
	struct pki_vek v = some_vek(product, side);
	struct amd_chain *chain = chain_of(product, side, false);

	for (v.lie = AMD_HONEST; v.lie < PKI_AMD_LIE_N; v.lie++) {
		enum err want = FIND(table, v.lie);
		struct why why = { 0 };

		if (side == AMD_VLEK &&
		    (v.lie == AMD_OTHER_CHIP || v.lie == AMD_NO_HWID ||
			v.lie == AMD_LONG_HWID))
			want = ERR_OK;
		expect("VEK", v.lie, vek_judge(&v, chain, &why), want, &why);
	}
	amd_chain_unref(chain);
}
END_TEST

static enum err
crl_judge(const struct pki_amd_crl *c, struct amd_crl **out, struct why *why)
{
	X509 *ark = pki_amd_x509(pki, c->product, PKI_ARK);
	struct blob *der = pki_amd_crl(pki, c);
	enum err e;

	*out = NULL;
	e = amd_crl_read(blob_span(der), c->product, ark, out, why);
	if (e == ERR_OK)
		e = in_time(e, &(*out)->window, why);
	blob_unref(der);
	return e;
}

START_TEST(test_lies_of_crls_are_found)
{
	static const struct found table[] = {
		{ AMD_BAD_SIGNATURE, ERR_BADSIG },
		{ AMD_WRONG_KEY, ERR_BADSIG },
		{ AMD_FOREIGN, ERR_CHAIN },
		{ AMD_WRONG_ROLE, ERR_CHAIN },
		{ AMD_OTHER_PRODUCT, ERR_CHAIN },
		{ AMD_SALT, ERR_FORMAT },
		{ AMD_SHA256, ERR_FORMAT },
		{ AMD_PKCS1, ERR_FORMAT },
		{ AMD_NOT_YET, ERR_NOT_YET },
		{ AMD_EXPIRED, ERR_EXPIRED },
		{ AMD_TRAILING, ERR_FORMAT },
		{ AMD_TRUNCATED, ERR_FORMAT },
		{ AMD_ENCODING, ERR_FORMAT },
		{ AMD_CRITICAL, ERR_FORMAT },
		{ AMD_DELTA, ERR_FORMAT },
		{ AMD_PARTITION, ERR_FORMAT },
		{ AMD_NO_NUMBER, ERR_FORMAT },
		{ AMD_NO_AKI, ERR_CHAIN },
		{ AMD_V1, ERR_FORMAT },
		{ AMD_BER, ERR_FORMAT },
		{ AMD_OTHERS_ENTRY, ERR_FORMAT },
	};
	struct pki_amd_crl c = { .product =
				     (enum amd_product)(_i % AMD_PRODUCT_N),
		.side = _i < AMD_PRODUCT_N ? AMD_VCEK : AMD_VLEK };
	enum pki_amd_who who = c.side == AMD_VLEK ? PKI_ASVK : PKI_ASK;
	X509 *ask = pki_amd_x509(pki, c.product, who);

	for (c.lie = AMD_HONEST; c.lie < PKI_AMD_LIE_N; c.lie++) {
		struct amd_crl *crl = NULL;
		struct why why = { 0 };

		expect("CRL", c.lie, crl_judge(&c, &crl, &why),
		    FIND(table, c.lie), &why);
		if (crl != NULL) {
			ck_assert_int_eq(amd_crl_lists(crl, ask),
			    c.lie == AMD_LISTS_ISSUER);
			ck_assert_uint_eq(crl->number,
			    c.lie == AMD_LOWER ? 8 : 9);
			if (c.lie == AMD_OLDER)
				ck_assert_int_eq(crl->window.from, NOW - 86400);
		}
		amd_crl_unref(crl);
	}
}
END_TEST

START_TEST(test_another_issue_holds_the_same_key)
{
	struct amd_chain *chain = chain_of(AMD_MILAN, AMD_VCEK, false);
	struct pki_vek v = some_vek(AMD_MILAN, AMD_VCEK);
	struct blob *a = pki_vek(pki, &v), *b;
	struct vek *x = NULL, *y = NULL;
	EVP_PKEY *key;

	v.not_before = NOW + 86400;
	b = pki_vek(pki, &v);
	ck_assert(!span_eq(blob_span(a), blob_span(b)));
	ck_assert_int_eq(vek_read(blob_span(a), chain, &x, NULL), ERR_OK);
	ck_assert_int_eq(vek_read(blob_span(b), chain, &y, NULL), ERR_OK);
	ck_assert_int_eq(EVP_PKEY_eq(x->key, y->key), 1);
	v.spl.ucode++;
	key = pki_vek_key(pki, &v);
	ck_assert_int_eq(EVP_PKEY_eq(x->key, key), 0);
	EVP_PKEY_free(key);
	vek_unref(x);
	vek_unref(y);
	blob_unref(a);
	blob_unref(b);
	amd_chain_unref(chain);
}
END_TEST

START_TEST(test_next_ask_after_a_revoked_one)
{
	struct amd_chain *chain = chain_of(AMD_GENOA, AMD_VCEK, true);
	struct amd_chain *old = chain_of(AMD_GENOA, AMD_VCEK, false);
	struct pki_vek v = some_vek(AMD_GENOA, AMD_VCEK);
	struct pki_amd_crl c = { .product = AMD_GENOA,
		.lie = AMD_LISTS_ISSUER };
	struct amd_crl *crl = NULL;
	struct why why = { 0 };

	v.next = true;
	ck_assert_int_eq(vek_judge(&v, chain, &why), ERR_OK);
	ck_assert_int_eq(vek_judge(&v, old, &why), ERR_BADSIG);
	ck_assert_int_eq(crl_judge(&c, &crl, &why), ERR_OK);
	ck_assert(amd_crl_lists(crl, old->ask));
	ck_assert(!amd_crl_lists(crl, chain->ask));
	amd_crl_unref(crl);
	amd_chain_unref(old);
	amd_chain_unref(chain);
}
END_TEST

/* --- beside the genuine ones ------------------------------------------- */

static const struct {
	const char *file;
	bool trailer;
} genuine[] = {
	{ "milan-v2-plain/vcek.der", true },
	{ "milan-v3-aci/vcek.der", false },
	{ "genoa-v3-aci/vcek.der", false },
	{ "turin-v5-aci/vcek.der", false },
	{ "milan-v3-vlek-aws/vlek.der", false },
};
#define N_GENUINE ((int)(sizeof(genuine) / sizeof(genuine[0])))

static struct pki_vek
vek_like(const struct vek *vek, bool trailer)
{
	struct window w = cert_window(vek->x);
	struct pki_vek v = { .product = vek->product,
		.side = vek->side,
		.spl = vek->spl,
		.csp_id = vek->csp_id,
		.product_name = vek->product_name,
		.not_before = w.from,
		.not_after = w.until,
		.trailer = trailer };

	memcpy(v.hwid, vek->hwid, vek->hwid_len);
	return v;
}

/* From the same facts come the same octets, but for key and signature. */
START_TEST(test_a_made_vek_looks_as_a_genuine_one)
{
	struct blob *real, *made;
	struct vek *vek = NULL;
	unsigned char point[97];
	struct pki_vek v;
	size_t len = 0, from;
	char path[128];
	void *at;

	(void)snprintf(path, sizeof(path), "snp/reports/%s", genuine[_i].file);
	real = vector_read(path);
	ck_assert_int_eq(vek_parse(blob_span(real), &vek, NULL), ERR_OK);
	v = vek_like(vek, genuine[_i].trailer);
	made = pki_vek(pki, &v);
	ck_assert_uint_eq(made->len, real->len);
	ck_assert_int_eq(EVP_PKEY_get_octet_string_param(vek->key, "pub", point,
			     sizeof(point), &len),
	    1);
	at = memmem(real->data, real->len, point, sizeof(point));
	ck_assert_ptr_nonnull(at);
	from = (size_t)((unsigned char *)at - real->data);
	ck_assert_mem_eq(made->data, real->data, from);
	from += sizeof(point);
	ck_assert_mem_eq(made->data + from, real->data + from,
	    real->len - from - 512);
	ck_assert_mem_ne(made->data + real->len - 512,
	    real->data + real->len - 512, 512);
	vek_unref(vek);
	blob_unref(made);
	blob_unref(real);
}
END_TEST

int
main(void)
{
	TCase *made = tcase_create("made"), *real = tcase_create("genuine");
	Suite *s = suite_create("pki_amd");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(made, setup, teardown);
	tcase_set_timeout(made, 60);
	tcase_add_loop_test(made, test_lies_of_chains_are_found, 0,
	    AMD_PRODUCT_N + 1);
	tcase_add_loop_test(made, test_lies_of_veks_are_found, 0,
	    AMD_PRODUCT_N + 1);
	tcase_add_loop_test(made, test_lies_of_crls_are_found, 0,
	    AMD_PRODUCT_N + 1);
	tcase_add_test(made, test_another_issue_holds_the_same_key);
	tcase_add_test(made, test_next_ask_after_a_revoked_one);
	suite_add_tcase(s, made);
	if (vectors_present()) {
		tcase_add_checked_fixture(real, setup, teardown);
		tcase_add_loop_test(real,
		    test_a_made_vek_looks_as_a_genuine_one, 0, N_GENUINE);
		suite_add_tcase(s, real);
	} else {
		vectors_skipped(N_GENUINE);
	}
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
