/*
 * AMD's collateral as people are told of it: status, explain, metrics; no
 * chip is named.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/storekit_amd.h"

#include <check.h>
#include <jansson.h>
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

/* --- for people ------------------------------------------------------- */

static json_t *
document(enum err e)
{
	json_t *doc;

	ck_assert_int_eq(e, ERR_OK);
	doc = json_loads(kit_text(&kit), 0, NULL);
	ck_assert_ptr_ne(doc, NULL);
	return doc;
}

static const json_t *
at(const json_t *doc, const char *a, const char *b)
{
	return json_object_get(json_object_get(doc, a), b);
}

static const char *
reason(const json_t *doc)
{
	return json_string_value(at(doc, "answer", "reason"));
}

START_TEST(test_status_counts_keys_and_names_no_chip)
{
	struct pki_vek spec = kit_milan(&kit),
		       bad = kit_vcek_spec(AMD_MILAN, 9, 219);
	const json_t *veks;
	json_t *doc;

	bad.lie = AMD_BAD_SIGNATURE;
	ck_assert_int_eq(kit_amd_vek(&kit, &bad), ERR_BADSIG);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert(kit_vek_cached(&kit, &spec));
	doc = document(kit_status(&kit));
	veks = json_object_get(doc, "veks");
	ck_assert_int_eq(json_integer_value(
			     json_object_get(at(veks, "stored", "vcek"),
				 "Milan")),
	    1);
	ck_assert_int_eq(json_integer_value(
			     json_object_get(at(veks, "stored", "vlek"),
				 "Milan")),
	    0);
	ck_assert_int_eq(json_integer_value(json_object_get(veks, "in_memory")),
	    1);
	ck_assert_int_eq(json_integer_value(json_object_get(veks, "hits")), 1);
	ck_assert(json_is_object(json_object_get(doc, "registrations")));
	ck_assert(json_is_integer(json_object_get(doc, "policies")));
	/* The one that was refused is there, without its chip. */
	ck_assert_uint_eq(json_object_size(json_object_get(doc, "missing")), 1);
	ck_assert_ptr_ne(strstr(kit_text(&kit), "vek/vcek/Milan/#"), NULL);
	ck_assert_ptr_eq(strstr(kit_text(&kit), "002233445566"), NULL);
	ck_assert_ptr_ne(strstr(kit_text(&kit), "amdchain/vcek/Milan"), NULL);
	ck_assert_ptr_ne(strstr(kit_text(&kit), "\"crl_number\": 9"), NULL);
	json_decref(doc);
}
END_TEST

/* They come by import alone: somebody has to know when. */
START_TEST(test_status_says_when_vleks_end)
{
	struct pki_vek old = { .product = AMD_MILAN, .side = AMD_VLEK }, next;
	struct pki_vek other = { .product = AMD_MILAN,
		.side = AMD_VLEK,
		.csp_id = "CN=other" };
	time_t now;
	char want[TIME_LEN];
	json_t *doc;
	int i;

	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VLEK);
	now = pki_amd_now(kit.amd);
	doc = document(kit_status(&kit));
	ck_assert(json_is_null(at(doc, "veks", "vleks_end")));
	json_decref(doc);
	/* The older one of a provider that has a newer one says nothing. */
	old.not_after = now + 20 * DAY;
	next = old;
	next.spl.ucode = 5;
	next.not_after = now + 200 * DAY;
	other.not_after = now + 300 * DAY;
	ck_assert_int_eq(kit_amd_vek(&kit, &old), ERR_OK);
	ck_assert_int_eq(kit_amd_vek(&kit, &next), ERR_OK);
	ck_assert_int_eq(kit_amd_vek(&kit, &other), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	for (i = 0; i < 2; i++) {
		doc = document(kit_status(&kit));
		time_write(next.not_after, want);
		ck_assert_str_eq(json_string_value(
				     at(doc, "veks", "vleks_end")),
		    want);
		json_decref(doc);
		kit_reopen(&kit);
	}
}
END_TEST

START_TEST(test_explain_says_how_a_key_would_be_answered)
{
	struct pki_vek spec = kit_milan(&kit);
	struct coll_key key = kit_vek_key(&spec);
	json_t *doc;

	doc = document(kit_explain(&kit, key.text));
	ck_assert_str_eq(reason(doc), "ok");
	ck_assert_str_eq(json_string_value(at(doc, "held", "state")), "fresh");
	ck_assert_str_eq(json_string_value(at(doc, "chain", "key")),
	    "amdchain/vcek/Milan");
	ck_assert_int_eq(json_integer_value(at(doc, "levels", "ucode")), 219);
	json_decref(doc);
	spec.spl.ucode = 200;
	key = kit_vek_key(&spec);
	doc = document(kit_explain(&kit, key.text));
	ck_assert(json_is_null(json_object_get(doc, "held")));
	json_decref(doc);
	doc =
	    document(kit_explain(&kit, "vek/vlek/Milan/CN=x/DB18000000000004"));
	ck_assert_str_eq(reason(doc), "not-cached");
	json_decref(doc);
	doc = document(kit_explain(&kit, "amdcrl/vcek/Milan"));
	ck_assert_str_eq(reason(doc), "ok");
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "versions")), 1);
	json_decref(doc);
}
END_TEST

START_TEST(test_explain_lists_what_is_held_for_a_chip)
{
	struct pki_vek spec = kit_vcek_spec(AMD_TURIN, 5, 81);
	char what[64] = "chip/";
	json_t *doc, *list;

	spec.spl.fmc = 1;
	kit_amd_chain_ok(&kit, AMD_TURIN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	spec.spl.ucode = 82;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	hex_lower(span_of(spec.hwid, 8), what + 5);
	doc = document(kit_explain(&kit, what));
	list = json_object_get(doc, "veks");
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_int_eq(json_integer_value(
			     at(json_array_get(list, 0), "levels", "ucode")),
	    82);
	ck_assert_int_eq(json_integer_value(
			     at(json_array_get(list, 1), "levels", "fmc")),
	    1);
	json_decref(doc);
	ck_assert_int_eq(kit_explain(&kit, "chip/00"), ERR_PARAM);
	ck_assert_int_eq(kit_explain(&kit, "chip/0011223344556677"), ERR_OK);
}
END_TEST

START_TEST(test_metrics_count_keys_without_chips)
{
	struct pki_vek spec = kit_milan(&kit);
	struct buf b = BUF_INIT;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_eq(kit_status(&kit), ERR_OK); /* which counts */
	ck_assert(kit_vek_cached(&kit, &spec));
	storage_metrics(kit.st, &b);
	buf_add(&b, "", 1);
	ck_assert_ptr_ne(strstr(b.p, "larder_veks_stored{side=\"vcek\","
				     "product=\"Milan\"} 1\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "larder_objects{kind=\"vek\"} 1\n"), NULL);
	ck_assert_ptr_ne(strstr(b.p, "larder_objects{kind=\"amdchain\"} 1\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "larder_vek_hits_total 1\n"), NULL);
	ck_assert_ptr_eq(strstr(b.p, "larder_last_success_timestamp_seconds{"
				     "kind=\"vek\"} 0\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "larder_object_crl_number{object="
				     "\"amdcrl/vcek/Milan\"} 9\n"),
	    NULL);
	ck_assert_ptr_eq(strstr(b.p, "002233445566"), NULL);
	buf_free(&b);
}
END_TEST

/* However many there are: none is looked at before it is asked for. */
START_TEST(test_a_start_looks_at_no_key)
{
	struct pki_vek spec = kit_milan(&kit);
	struct coll_key key = kit_vek_key(&spec);
	json_t *doc;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	kit_sql(&kit, "UPDATE vek SET body = zeroblob(1000)");
	kit_sql(&kit,
	    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
	    " WHERE x < 5000) INSERT INTO vek (side, product, who, tcb,"
	    " sha256, not_after, fetched_at, used_at, source, body)"
	    " SELECT 'vcek', 'Milan', randomblob(64), '0000000000000000',"
	    " zeroblob(32), 4000000000, 1, 1, 'x', zeroblob(1000) FROM c");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	doc = document(kit_status(&kit));
	ck_assert_int_eq(json_integer_value(
			     json_object_get(at(json_object_get(doc, "veks"),
						 "stored", "vcek"),
				 "Milan")),
	    5001);
	json_decref(doc);
	/* The one that is asked for is refused, and goes. */
	ck_assert_int_eq(kit_vek(&kit, &key), ERR_NOT_CACHED);
	doc = document(kit_status(&kit));
	ck_assert_int_eq(json_integer_value(
			     json_object_get(at(json_object_get(doc, "veks"),
						 "stored", "vcek"),
				 "Milan")),
	    5000);
	json_decref(doc);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("amdshow");
	TCase *t = tcase_create("amdshow");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_a_start_looks_at_no_key);
	tcase_add_test(t, test_status_counts_keys_and_names_no_chip);
	tcase_add_test(t, test_status_says_when_vleks_end);
	tcase_add_test(t, test_explain_says_how_a_key_would_be_answered);
	tcase_add_test(t, test_explain_lists_what_is_held_for_a_chip);
	tcase_add_test(t, test_metrics_count_keys_without_chips);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
