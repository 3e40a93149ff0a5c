/* A chain that held is not read again, and is refused as if it were. */
#include "storage/chains.h"

#include "config/base/must.h"
#include "tests/kit/pki.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1780272000

static struct pki *pki;
static struct anchors *anchors;
static struct chains *chains;
static struct why why;

static struct anchors *
anchors_of(const struct pki *p)
{
	char *hex = xstrdup(pki_root_spki_hex(p));
	struct anchors *a = NULL;

	ck_assert_int_eq(anchors_read(1, &hex, &a, &why), ERR_OK);
	free(hex);
	return a;
}

static void
setup(void)
{
	pki = pki_new("chains", NOW);
	anchors = anchors_of(pki);
	chains = chains_new();
	why = (struct why){ 0 };
}

static void
teardown(void)
{
	chains_free(chains);
	anchors_free(anchors);
	pki_free(pki);
}

static enum err
get(struct chains *kept, struct span pem, const struct crl *crl,
    struct chain **out)
{
	*out = NULL;
	return chains_get(kept, pem, CHAIN_TCB_SIGNING, anchors, crl, out,
	    &why);
}

static struct crl *
root_crl(size_t n, const char *const *revoked)
{
	struct pki_crl c = { .issuer = PKI_ROOT,
		.n_revoked = n,
		.revoked = revoked };
	struct blob *der = pki_crl(pki, &c);
	struct crl *crl = NULL;

	ck_assert_int_eq(crl_read(blob_span(der), pki_x509(pki, PKI_ROOT), &crl,
			     &why),
	    ERR_OK);
	blob_unref(der);
	return crl;
}

START_TEST(test_the_same_text_gives_the_same_chain)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	struct chain *a, *b, *c;

	ck_assert_int_eq(get(chains, blob_span(pem), NULL, &a), ERR_OK);
	ck_assert_int_eq(get(chains, blob_span(pem), NULL, &b), ERR_OK);
	ck_assert_ptr_eq(a, b);
	ck_assert_int_eq(get(NULL, blob_span(pem), NULL, &c), ERR_OK);
	ck_assert_ptr_ne(a, c);
	chain_unref(a);
	chain_unref(b);
	chain_unref(c);
	blob_unref(pem);
}
END_TEST

/* One octet of it changed, another role, another's root. */
START_TEST(test_what_is_not_the_same_is_read)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	struct blob *evil = pki_chain_pem(pki_evil(pki), PKI_TCB_SIGNING);
	struct blob *other = blob_from(blob_span(pem));
	struct chain *c;

	ck_assert_int_eq(get(chains, blob_span(pem), NULL, &c), ERR_OK);
	chain_unref(c);
	other->data[200] ^= 1;
	ck_assert_int_ne(get(chains, blob_span(other), NULL, &c), ERR_OK);
	ck_assert_int_eq(get(chains, blob_span(evil), NULL, &c), ERR_ROOT);
	ck_assert_int_eq(get(chains, blob_span(evil), NULL, &c), ERR_ROOT);
	ck_assert_int_ne(chains_get(chains, blob_span(pem), CHAIN_PCK_CA,
			     anchors, NULL, &c, &why),
	    ERR_OK);
	blob_unref(pem);
	blob_unref(evil);
	blob_unref(other);
}
END_TEST

START_TEST(test_a_crl_refuses_what_held_before)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	char *serial = pki_serial(pki_x509(pki, PKI_TCB_SIGNING));
	const char *const revoked[] = { serial };
	struct crl *harmless = root_crl(0, NULL), *lists = root_crl(1, revoked);
	struct why fresh = { 0 };
	struct chain *a, *b;

	ck_assert_int_eq(get(chains, blob_span(pem), NULL, &a), ERR_OK);
	ck_assert_int_eq(get(chains, blob_span(pem), lists, &b), ERR_REVOKED);
	/* In the same words as if it had never been seen. */
	ck_assert_int_eq(chains_get(NULL, blob_span(pem), CHAIN_TCB_SIGNING,
			     anchors, lists, &b, &fresh),
	    ERR_REVOKED);
	ck_assert_str_eq(why.text, fresh.text);
	ck_assert_str_eq(why.clause, fresh.clause);
	ck_assert_int_eq(get(chains, blob_span(pem), harmless, &b), ERR_OK);
	ck_assert_ptr_eq(a, b);
	chain_unref(a);
	chain_unref(b);
	crl_unref(harmless);
	crl_unref(lists);
	free(serial);
	blob_unref(pem);
}
END_TEST

/* Trust taken away: what held under it is forgotten. */
START_TEST(test_other_anchors)
{
	struct blob *pem = pki_chain_pem(pki, PKI_TCB_SIGNING);
	struct anchors *others = anchors_of(pki_evil(pki));
	struct chain *c;

	ck_assert_int_eq(get(chains, blob_span(pem), NULL, &c), ERR_OK);
	chain_unref(c);
	chains_clear(chains);
	ck_assert_int_eq(chains_get(chains, blob_span(pem), CHAIN_TCB_SIGNING,
			     others, NULL, &c, &why),
	    ERR_ROOT);
	anchors_free(others);
	blob_unref(pem);
}
END_TEST

/* However many there are, each is right, and the first still is. */
START_TEST(test_many)
{
	struct pki *p;
	struct chain *c;
	struct blob *pem;
	char seed[8];
	int i;

	for (i = 0; i < 80; i++) {
		snprintf(seed, sizeof(seed), "s%d", i % 70);
		p = pki_new(seed, NOW);
		anchors_free(anchors);
		anchors = anchors_of(p);
		pem = pki_chain_pem(p, PKI_TCB_SIGNING);
		ck_assert_int_eq(get(chains, blob_span(pem), NULL, &c), ERR_OK);
		ck_assert_int_eq(X509_cmp(c->x[0],
				     pki_x509(p, PKI_TCB_SIGNING)),
		    0);
		chain_unref(c);
		blob_unref(pem);
		pki_free(p);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("chains");
	TCase *tc = tcase_create("chains");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_the_same_text_gives_the_same_chain);
	tcase_add_test(tc, test_what_is_not_the_same_is_read);
	tcase_add_test(tc, test_a_crl_refuses_what_held_before);
	tcase_add_test(tc, test_other_anchors);
	tcase_add_test(tc, test_many);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
