/*
 * AMD's collateral at the gate: what passes it, what never does, and what
 * does not go backwards (amd-kds 5 to 7).
 */
#include "config/base/enc.h"
#include "tests/kit/storekit_amd.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY ((int64_t)24 * 3600)

static struct kit kit;

static void
setup(void)
{
	kit_init(&kit, "");
}

static void
teardown(void)
{
	kit_fini(&kit);
}

/* --- what passes ------------------------------------------------------ */

static void
head_has(const struct form *f, const char *line)
{
	char *head = span_dup(blob_span(f->head));

	ck_assert_msg(strstr(head, line) != NULL, "%s is not in %s", line,
	    head);
	free(head);
}

/* amd-kds 8.1, 8.2 */
START_TEST(test_each_kind_is_held_in_the_form_it_is_served_in)
{
	static const char *const types[] = { "application/x-pem-file",
		"application/pkix-crl", "application/pkix-cert" };
	struct pki_vek spec = kit_vcek_spec(AMD_TURIN, 7, 81);
	struct coll *c[3];
	struct coll_key key;
	unsigned char digest[32];
	char hex[65], etag[100];
	int i;

	kit_amd_chain_ok(&kit, AMD_TURIN, AMD_VCEK);
	c[0] = coll_ref(kit.coll);
	kit_amd_crl_ok(&kit, AMD_TURIN, AMD_VCEK);
	c[1] = coll_ref(kit.coll);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	c[2] = coll_ref(kit.coll);
	for (i = 0; i < 3; i++) {
		ck_assert(span_eq(blob_span(c[i]->form[FORM_BODY].body),
		    blob_span(c[i]->body)));
		sha256(blob_span(c[i]->body), digest);
		hex_lower(span_of(digest, sizeof(digest)), hex);
		snprintf(etag, sizeof(etag), "ETag: \"sha256-%s\"\r\n", hex);
		head_has(&c[i]->form[FORM_BODY], etag);
		head_has(&c[i]->form[FORM_BODY], types[i]);
		head_has(&c[i]->form[FORM_BODY],
		    "Last-Modified: Mon, 01 Jun 2026 00:00:");
	}
	/* Turin's chain has CRLF; what is joined to a leaf has not. */
	ck_assert_ptr_ne(memchr(c[0]->body->data, '\r', c[0]->body->len), NULL);
	for (i = 0; i < 3; i += 2) {
		const struct blob *pem = c[i]->form[FORM_PEM].body;

		ck_assert_ptr_eq(memchr(pem->data, '\r', pem->len), NULL);
		ck_assert_int_eq(pem->data[pem->len - 1], '\n');
		ck_assert_int_ne(pem->data[pem->len - 2], '\n');
	}
	key = key_amd_crl(AMD_TURIN, AMD_VCEK);
	ck_assert_ptr_eq(kit_held(&kit, &key), c[1]);
	for (i = 0; i < 3; i++)
		coll_unref(c[i]);
}
END_TEST

START_TEST(test_a_vlek_is_held_by_its_provider)
{
	struct pki_vek spec = { .product = AMD_MILAN,
		.side = AMD_VLEK,
		.spl = { .bl = 4, .snp = 24, .ucode = 219 } };
	struct coll_key other;

	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_NO_CHAIN);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_NO_CHAIN);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VLEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
	/* Under another provider's name it is refused. */
	other =
	    key_vlek(AMD_MILAN, "CN=other", amd_tcb_of(spec.product, spec.spl));
	ck_assert_int_eq(kit_admit(&kit, &other, blob_span(kit.coll->body),
			     SPAN_NONE),
	    ERR_NOT_ASKED);
}
END_TEST

/* amd-kds 8.1: without cspID, exactly one has to match. */
START_TEST(test_a_vlek_is_found_without_its_providers_name)
{
	struct pki_vek spec = { .product = AMD_MILAN,
		.side = AMD_VLEK,
		.spl = { .bl = 4, .snp = 24, .ucode = 219 } };
	struct amd_tcb tcb = amd_tcb_of(spec.product, spec.spl), low = tcb;

	low.b[7]--;
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VLEK);
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, tcb), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, tcb), ERR_OK);
	ck_assert_str_eq(kit.coll->key.csp_id, "CN=cc-test.example.com");
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, low), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_vlek(&kit, AMD_GENOA, tcb), ERR_NOT_CACHED);
	spec.csp_id = "CN=another";
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, tcb), ERR_NOT_CACHED);
	ck_assert_ptr_nonnull(strstr(kit.why.text, "cspID"));
	/* A row that none of ours wrote is no provider. */
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	kit_sql(&kit,
	    "UPDATE vek SET who = x'0041' WHERE who = CAST('CN=another' AS "
	    "BLOB)");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, tcb), ERR_OK);
	ck_assert_str_eq(kit.coll->key.csp_id, "CN=cc-test.example.com");
}
END_TEST

/* amd-kds 3.5 */
START_TEST(test_another_issue_of_a_vcek_replaces_it)
{
	struct pki_vek spec = kit_milan(&kit);
	struct blob *first = blob_ref(kit.coll->body);

	spec.not_before = pki_amd_now(kit.amd) + 100;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(!span_eq(blob_span(first), blob_span(kit.coll->body)));
	blob_unref(first);
	first = blob_ref(kit.coll->body);
	kit_reopen(&kit);
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
	ck_assert(span_eq(blob_span(first), blob_span(kit.coll->body)));
	blob_unref(first);
}
END_TEST

/* Clocks differ: a fetched VCEK may begin up to 5 minutes ahead. */
START_TEST(test_not_before_may_lie_five_minutes_ahead)
{
	struct pki_vek spec = kit_milan(&kit);

	spec.not_before = pki_amd_now(kit.amd) + 290;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	spec.not_before = pki_amd_now(kit.amd) + 310;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_NOT_YET);
}
END_TEST

/* --- what does not ---------------------------------------------------- */

struct refusal {
	enum pki_amd_lie lie;
	enum err err;
};

START_TEST(test_a_vcek_that_lies_is_refused)
{
	static const struct refusal rows[] = {
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
	};
	struct pki_vek spec = kit_vcek_spec(AMD_GENOA, 2, 84);
	enum err e;
	size_t i;

	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VCEK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spec.lie = rows[i].lie;
		e = kit_amd_vek(&kit, &spec);
		ck_assert_msg(e == rows[i].err, "%s: %s (%s: %s)",
		    pki_amd_lie_name(spec.lie), err_token(e), kit.why.clause,
		    kit.why.text);
		/* An identifier never stands in a reason. */
		ck_assert_ptr_eq(strstr(kit.why.text, "02002334"), NULL);
		ck_assert(!kit_vek_cached(&kit, &spec));
		ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NOT_CACHED);
	}
	spec.lie = AMD_HONEST;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	spec.lie = AMD_WRAPPED_HWID;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
}
END_TEST

START_TEST(test_a_chain_that_lies_is_refused)
{
	static const struct refusal rows[] = {
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
		{ AMD_SWAPPED, ERR_CHAIN },
		{ AMD_THREE, ERR_FORMAT },
		{ AMD_ONE, ERR_FORMAT },
		{ AMD_LINE_ENDS, ERR_OK },
		{ AMD_BLANK_LINE, ERR_OK },
	};
	struct pki_amd_chain spec = { .side = AMD_VCEK };
	enum err e;
	size_t i;
	int p;

	for (p = 0; p < AMD_PRODUCT_N; p++)
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			spec.product = (enum amd_product)p;
			spec.lie = rows[i].lie;
			e = kit_amd_chain(&kit, &spec);
			ck_assert_msg(e == rows[i].err, "%s %s: %s (%s: %s)",
			    amd_product_name(spec.product),
			    pki_amd_lie_name(spec.lie), err_token(e),
			    kit.why.clause, kit.why.text);
			ck_assert_int_eq(kit_holds(&kit,
					     key_amd_chain(spec.product,
						 AMD_VCEK)),
			    i > 16);
		}
}
END_TEST

START_TEST(test_a_crl_that_lies_is_refused)
{
	static const struct refusal rows[] = {
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
		{ AMD_HONEST, ERR_OK },
		{ AMD_LISTS_ZERO, ERR_OK },
	};
	struct pki_amd_crl spec = { .product = AMD_MILAN, .side = AMD_VLEK };
	bool kept = false;
	enum err e;
	size_t i;

	/* Without the ARK there is nothing to check it with. */
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_NO_CHAIN);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		spec.lie = rows[i].lie;
		e = kit_amd_crl(&kit, &spec);
		ck_assert_msg(e == rows[i].err, "%s: %s (%s: %s)",
		    pki_amd_lie_name(spec.lie), err_token(e), kit.why.clause,
		    kit.why.text);
		kept = kept || e == ERR_OK;
		ck_assert_int_eq(kit_holds(&kit,
				     key_amd_crl(AMD_MILAN, AMD_VLEK)),
		    kept);
	}
	/* A list of serial 0 is not about VEKs (amd-kds 5). */
	kit_milan(&kit);
}
END_TEST

/* amd-kds 10.4: what an outage or a captive portal sends with 200. */
START_TEST(test_a_page_or_nothing_is_no_object)
{
	static const char *const bodies[] = { "", " ", "<html>busy</html>",
		"{}", "-----BEGIN CERTIFICATE-----\n" };
	struct pki_vek spec = kit_vcek_spec(AMD_MILAN, 1, 219);
	struct coll_key keys[] = { key_amd_chain(AMD_MILAN, AMD_VCEK),
		key_amd_crl(AMD_MILAN, AMD_VCEK), kit_vek_key(&spec) };
	struct buf big = BUF_INIT;
	enum err e;
	size_t i, k;

	kit_milan(&kit);
	for (i = 0; i < 5; i++)
		for (k = 0; k < 3; k++) {
			e = kit_admit(&kit, &keys[k], span_str(bodies[i]),
			    SPAN_NONE);
			ck_assert_msg(e == ERR_FORMAT, "%s: \"%s\": %s",
			    keys[k].text, bodies[i], err_token(e));
		}
	for (i = 0; i < (1 << 16) + 1; i++)
		buf_add(&big, "\n", 1);
	for (k = 0; k < 3; k++)
		ck_assert_int_eq(kit_admit(&kit, &keys[k], buf_view(&big),
				     SPAN_NONE),
		    ERR_TOO_BIG);
	buf_free(&big);
	/* What is held is held. */
	ck_assert(kit_holds(&kit, keys[0]));
	ck_assert(kit_holds(&kit, keys[1]));
	ck_assert(kit_vek_cached(&kit, &spec));
}
END_TEST

/* amd-kds 5: [thisUpdate, nextUpdate), and 5 minutes for clocks. */
START_TEST(test_a_crl_is_taken_inside_its_window)
{
	struct pki_amd_crl spec = { .product = AMD_MILAN };
	time_t now;

	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	now = pki_amd_now(kit.amd);
	spec.next_update = now + DAY;
	spec.this_update = now + 310;
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_NOT_YET);
	spec.this_update = now + 290;
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OK);
	kit_clock(&kit, DAY);
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_EXPIRED);
	kit_clock(&kit, DAY - 30);
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OK);
}
END_TEST

START_TEST(test_a_product_without_a_root_is_refused)
{
	struct pki_amd_chain genoa = { .product = AMD_GENOA };
	struct pki_vek spec = kit_milan(&kit);

	kit_close(&kit);
	kit.amd_genuine = true;
	kit_config(&kit, "");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	/* None of it is AMD's. */
	ck_assert_int_eq(kit_amd_chain(&kit, &genoa), ERR_ROOT);
	ck_assert(!kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NO_CHAIN);
	/* The anchors are to blame, and they may come back. */
	kit_close(&kit);
	kit.amd_genuine = false;
	kit_config(&kit, "");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert(kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(kit_holds(&kit, key_amd_crl(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_OK);
}
END_TEST

static void
reload_fn(struct kit *k, void *arg)
{
	(void)arg;
	storage_reload(k->st, k->config);
	kit_done(k);
}

START_TEST(test_a_reload_without_the_root_takes_all_of_it_away)
{
	struct pki_vek spec = kit_milan(&kit);

	ck_assert(kit_vek_cached(&kit, &spec));
	kit.amd_genuine = true;
	kit_config(&kit, "");
	kit_wait(&kit, reload_fn, NULL);
	kit_sync(&kit);
	ck_assert(!kit_vek_cached(&kit, &spec));
	ck_assert(!kit_holds(&kit, key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(kit_vek_spec(&kit, &spec), ERR_NO_CHAIN);
}
END_TEST

/* --- going backwards -------------------------------------------------- */

/* amd-kds 10.6 */
START_TEST(test_an_older_crl_does_not_replace_a_newer_one)
{
	struct pki_amd_crl spec = { .product = AMD_MILAN, .number = 20 };
	struct coll_key key = key_amd_crl(AMD_MILAN, AMD_VCEK);
	int i;

	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OK);
	for (i = 0; i < 2; i++) {
		spec.lie = AMD_LOWER;
		ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OLDER);
		spec.lie = AMD_OLDER;
		ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OLDER);
		ck_assert_uint_eq(kit_held(&kit, &key)->facts.amd_crl->number,
		    20);
		kit_reopen(&kit);
	}
	spec.lie = AMD_HONEST;
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OK);
	spec.number = 21;
	ck_assert_int_eq(kit_amd_crl(&kit, &spec), ERR_OK);
	ck_assert_uint_eq(kit_held(&kit, &key)->facts.amd_crl->number, 21);
}
END_TEST

/* An old bundle brings the VCEK of before: the one that lasts longer stays,
 * in memory or not. */
START_TEST(test_an_older_issue_of_a_vcek_does_not_replace_it)
{
	struct pki_vek spec = kit_milan(&kit), old = spec;
	struct coll_key key = kit_vek_key(&spec);
	struct blob *body = blob_ref(kit.coll->body);
	int i;

	old.not_before = pki_amd_now(kit.amd) - 1000;
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(kit_amd_vek(&kit, &old), ERR_OLDER);
		ck_assert_int_eq(kit_vek(&kit, &key), ERR_OK);
		ck_assert(span_eq(blob_span(kit.coll->body), blob_span(body)));
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
		kit_reopen(&kit);
	}
	blob_unref(body);
}
END_TEST

/* Nor does its chain. */
START_TEST(test_a_chain_fetched_earlier_does_not_replace_a_later_one)
{
	struct pki_amd_chain before = { .product = AMD_MILAN },
			     now = { .product = AMD_MILAN, .next = true };

	kit_clock(&kit, DAY);
	ck_assert_int_eq(kit_amd_chain(&kit, &now), ERR_OK);
	kit_clock(&kit, 0); /* as a bundle of that day says */
	ck_assert_int_eq(kit_amd_chain(&kit, &before), ERR_OLDER);
	ck_assert_int_eq(kit_amd_chain(&kit, &now), ERR_OK);
	kit_clock(&kit, 2 * DAY);
	ck_assert_int_eq(kit_amd_chain(&kit, &before), ERR_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("amdgate");
	TCase *t = tcase_create("amdgate");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_each_kind_is_held_in_the_form_it_is_served_in);
	tcase_add_test(t, test_a_vlek_is_held_by_its_provider);
	tcase_add_test(t, test_a_vlek_is_found_without_its_providers_name);
	tcase_add_test(t, test_another_issue_of_a_vcek_replaces_it);
	tcase_add_test(t, test_not_before_may_lie_five_minutes_ahead);
	tcase_add_test(t, test_a_vcek_that_lies_is_refused);
	tcase_add_test(t, test_a_chain_that_lies_is_refused);
	tcase_add_test(t, test_a_crl_that_lies_is_refused);
	tcase_add_test(t, test_a_page_or_nothing_is_no_object);
	tcase_add_test(t, test_a_crl_is_taken_inside_its_window);
	tcase_add_test(t, test_a_product_without_a_root_is_refused);
	tcase_add_test(t, test_a_reload_without_the_root_takes_all_of_it_away);
	tcase_add_test(t, test_an_older_crl_does_not_replace_a_newer_one);
	tcase_add_test(t, test_an_older_issue_of_a_vcek_does_not_replace_it);
	tcase_add_test(t,
	    test_a_chain_fetched_earlier_does_not_replace_a_later_one);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
