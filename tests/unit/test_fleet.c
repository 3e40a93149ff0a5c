/*
 * Who is counted by the impact preview, and against which versions: the
 * database behind storage_impact().
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "storage/fleet.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "");
}

static void
teardown(void)
{
	kit_fini(k);
}

/* The PKI's own levels: UpToDate, two that are not (pki_levels). */
static const struct raw_tcb raw[] = {
	{ { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 },
	{ { 12, 12, 3, 3, 255, 255, 0, 0 }, 13 },
	{ { 4, 4, 3, 3, 255, 255, 0, 0 }, 5 },
};

/* --- helpers ---------------------------------------------------------- */

/* A platform of this PPID takes its certificates for all three levels. */
static void
platform(const char *qe_id, unsigned char ppid, const struct raw_tcb *tcb)
{
	struct platform_ask ask = { .id = kit_platform_id(qe_id),
		.has_tcb = tcb != NULL };
	struct pki_pck v[3];
	struct blob *body, *chain;
	size_t i;

	if (tcb != NULL)
		ask.tcb = *tcb;
	for (i = 0; i < 3; i++) {
		v[i] = (struct pki_pck){ .ca = PCK_CA_PLATFORM,
			.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
			.pcesvn = raw[i].pcesvn,
			.sgx_type = 1,
			.dynamic_platform = 1,
			.cached_keys = 1,
			.smt_enabled = 1 };
		memset(v[i].ppid, ppid, sizeof(v[i].ppid));
		memcpy(v[i].comp, raw[i].cpusvn, sizeof(v[i].comp));
	}
	body = pki_pckcerts(k->pki, 3, v);
	chain = pki_chain_header(k->pki, PKI_PLATFORM_CA);
	ck_assert_int_eq(kit_certs(k, &ask, blob_span(body), blob_span(chain)),
	    ERR_OK);
	blob_unref(body);
	blob_unref(chain);
}

static void
tcbinfo(enum update update, unsigned number, time_t issue_at)
{
	struct pki_tcbinfo t = { .tee = TEE_SGX,
		.fmspc = FMSPC,
		.eval_num = number,
		.issue_at = issue_at };
	struct coll_key key = key_tcbinfo(TEE_SGX, 4, FMSPC, update, 0);

	ck_assert_int_eq(kit_admit_doc(k, &key, pki_tcbinfo(k->pki, &t)),
	    ERR_OK);
}

static struct {
	json_t *doc;
	const char *fmspc;
	uint32_t to;
} asked;

static void
impact_cb(void *arg, enum err e, const struct why *why, struct blob *text)
{
	ck_assert_msg(e == ERR_OK, "%s", why->text);
	asked.doc = json_loadb((const char *)text->data, text->len, 0, NULL);
	blob_unref(text);
	kit_done(arg);
}

static void
impact_step(struct kit *kk, void *arg)
{
	(void)arg;
	storage_impact(kk->st, asked.fmspc, asked.to, impact_cb, kk);
}

static json_t *
impact(const char *fmspc, uint32_t to)
{
	asked.fmspc = fmspc;
	asked.to = to;
	kit_wait(k, impact_step, NULL);
	ck_assert_ptr_nonnull(asked.doc);
	return asked.doc;
}

/* The row of a number; NULL: it is not there. */
static json_t *
number(json_t *doc, json_int_t n)
{
	json_t *scope = json_array_get(json_object_get(doc, "fmspcs"), 0);
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(scope, "numbers"), i, row)
	{
		if (json_integer_value(json_object_get(row, "number")) == n)
			return row;
	}
	return NULL;
}

static json_int_t
platforms(const json_t *doc)
{
	return json_integer_value(json_object_get(doc, "platforms"));
}

static json_int_t
count(json_t *row, const char *status)
{
	ck_assert_ptr_nonnull(row);
	return json_integer_value(
	    json_object_get(json_object_get(row, "statuses"), status));
}

/* --- who is counted --------------------------------------------------- */

/* QE-IDs are what anybody says; the PPID is in the certificates. */
START_TEST(test_a_platform_counts_once_whatever_its_names)
{
	json_t *doc;

	tcbinfo(UPDATE_STANDARD, 17, 0);
	platform("AAAA", 1, &raw[2]);
	platform("BBBB", 1, &raw[0]);
	platform("CCCC", 2, &raw[0]);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 2);
	/* The latest raw TCB is what it proves. */
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 2);
	json_decref(doc);
	kit_reopen(k);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 2);
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 2);
	json_decref(doc);
}
END_TEST

/* Without a raw TCB the highest certificate speaks for it. */
START_TEST(test_a_platform_without_a_raw_tcb)
{
	json_t *doc;

	tcbinfo(UPDATE_STANDARD, 17, 0);
	platform("AAAA", 1, NULL);
	doc = impact(NULL, 0);
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 1);
	json_decref(doc);
	platform("AAAA", 1, &raw[2]);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 0);
	ck_assert_int_eq(count(number(doc, 17), "OutOfDate"), 1);
	json_decref(doc);
}
END_TEST

/* Looked up with another raw TCB: it proves that one from then on. */
START_TEST(test_a_new_raw_tcb_is_noticed)
{
	struct platform_id id = kit_platform_id("AAAA");
	json_t *doc;

	tcbinfo(UPDATE_STANDARD, 17, 0);
	platform("AAAA", 1, &raw[2]);
	doc = impact(NULL, 0);
	ck_assert_int_eq(count(number(doc, 17), "OutOfDate"), 1);
	json_decref(doc);
	kit_clock(k, 60);
	ck_assert_int_eq(kit_pck(k, &id, &raw[0]), ERR_OK);
	doc = impact(NULL, 0);
	ck_assert_int_eq(count(number(doc, 17), "OutOfDate"), 0);
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 1);
	json_decref(doc);
}
END_TEST

START_TEST(test_nothing_to_judge_by)
{
	json_t *doc;

	platform("AAAA", 1, NULL);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "fmspcs")), 1);
	ck_assert_ptr_null(number(doc, 17));
	json_decref(doc);
	doc = impact("00606A000000", 0);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "fmspcs")), 0);
	json_decref(doc);
}
END_TEST

/* --- against which versions ------------------------------------------- */

/* What standard once was is still there to be looked at. */
START_TEST(test_replaced_versions_are_candidates)
{
	json_t *doc, *row;
	time_t later = pki_now(k->pki) + 60;

	platform("AAAA", 1, NULL);
	tcbinfo(UPDATE_STANDARD, 17, 0);
	tcbinfo(UPDATE_EARLY, 19, 0);
	kit_clock(k, 120);
	tcbinfo(UPDATE_STANDARD, 18, later);
	doc = impact(NULL, 0);
	row = number(doc, 17);
	ck_assert_ptr_nonnull(row);
	ck_assert_str_eq(json_string_value(json_object_get(row, "role")),
	    "candidate");
	ck_assert_int_eq(count(row, "UpToDate"), 1);
	row = number(doc, 18);
	ck_assert_str_eq(json_string_value(json_object_get(row, "role")),
	    "standard");
	row = number(doc, 19);
	ck_assert_str_eq(json_string_value(json_object_get(row, "role")),
	    "early");
	json_decref(doc);
	/* One number beside the one that is served. */
	doc = impact(FMSPC, 19);
	ck_assert_ptr_null(number(doc, 17));
	ck_assert_ptr_nonnull(number(doc, 19));
	json_decref(doc);
}
END_TEST

/* One that has passed is not looked at anew each time, but it is once somebody
 * else is trusted: the root CRL that comes names its signer. */
START_TEST(test_a_replaced_version_of_a_revoked_signer)
{
	struct pki_tcbinfo t = { .tee = TEE_SGX,
		.fmspc = FMSPC,
		.lie = PKI_REVOKED_SIGNER };
	struct coll_key key =
	    key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);
	json_t *doc;
	int i;

	platform("AAAA", 1, NULL);
	ck_assert_int_eq(kit_admit_doc(k, &key, pki_tcbinfo(k->pki, &t)),
	    ERR_OK);
	kit_clock(k, 120);
	tcbinfo(UPDATE_STANDARD, 18, pki_now(k->pki) + 60);
	for (i = 0; i < 2; i++) {
		doc = impact(NULL, 0);
		ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 1);
		ck_assert_int_eq(count(number(doc, 18), "UpToDate"), 1);
		json_decref(doc);
	}
	kit_root_crl(k);
	for (i = 0; i < 2; i++) {
		doc = impact(NULL, 0);
		ck_assert_ptr_null(number(doc, 17));
		ck_assert_int_eq(count(number(doc, 18), "UpToDate"), 1);
		json_decref(doc);
	}
}
END_TEST

/* Each FMSPC its own numbers, in whatever order they came. */
START_TEST(test_numbers_of_many_fmspcs)
{
	struct pki_tcbinfo t = { .tee = TEE_SGX };
	struct quote_seen q = { .tee = TEE_SGX, .pcesvn = 13, .qe_isvsvn = 8 };
	char fmspc[13];
	struct coll_key key;
	json_t *doc, *scopes, *numbers;
	unsigned i, n;

	memcpy(q.comp, raw[0].cpusvn, sizeof(q.comp));
	for (i = 0; i < 60; i++) {
		snprintf(fmspc, sizeof(fmspc), "%02X906ED50000", i * 37 % 60);
		t.fmspc = fmspc;
		for (n = 0; n <= i * 37 % 60 % 3; n++) {
			t.eval_num = 19 - n;
			key = key_tcbinfo(TEE_SGX, 4, fmspc, UPDATE_NUMBER,
			    t.eval_num);
			ck_assert_int_eq(kit_admit_doc(k, &key,
					     pki_tcbinfo(k->pki, &t)),
			    ERR_OK);
		}
		memcpy(q.fmspc, fmspc, sizeof(q.fmspc));
		q.ppid[0] = (unsigned char)i;
		storage_quote_seen(k->st, &q);
	}
	storage_drain(k->st);
	doc = impact(NULL, 0);
	scopes = json_object_get(doc, "fmspcs");
	ck_assert_uint_eq(json_array_size(scopes), 60);
	for (i = 0; i < 60; i++) {
		numbers = json_object_get(json_array_get(scopes, i), "numbers");
		ck_assert_uint_eq(json_array_size(numbers), i % 3 + 1);
		for (n = 0; n < json_array_size(numbers); n++)
			ck_assert_int_eq(json_integer_value(json_object_get(
					     json_array_get(numbers, n),
					     "number")),
			    19 - i % 3 + n);
	}
	json_decref(doc);
}
END_TEST

/* --- quotes ----------------------------------------------------------- */

static void
prune_work(struct job *j)
{
	ck_assert_int_eq(fleet_prune(j->st, clock_now(), &j->why), ERR_OK);
	job_commit(j);
}

static void
prune_answer(struct job *j)
{
	kit_done(j->arg);
}

static void
prune_step(struct kit *kk, void *arg)
{
	(void)arg;
	job_start(xcalloc(1, sizeof(struct job)), kk->st, prune_work,
	    prune_answer, NULL, kk);
}

/* Known by its quote alone until it is forgotten, with the history. */
START_TEST(test_a_quote_makes_a_platform_for_a_time)
{
	struct quote_seen q = { .fmspc = FMSPC,
		.tee = TEE_SGX,
		.pcesvn = 13,
		.qe_isvsvn = 8 };
	json_t *doc;

	tcbinfo(UPDATE_STANDARD, 17, 0);
	memcpy(q.comp, raw[0].cpusvn, sizeof(q.comp));
	memset(q.ppid, 9, sizeof(q.ppid));
	storage_quote_seen(k->st, &q);
	storage_drain(k->st);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	json_decref(doc);
	kit_wait(k, prune_step, NULL); /* nothing is older than now */
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	json_decref(doc);
	kit_clock(k, 60);
	kit_wait(k, prune_step, NULL);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 0);
	json_decref(doc);
}
END_TEST

START_TEST(test_a_quote_of_a_platform_that_is_known)
{
	struct quote_seen q = { .fmspc = FMSPC,
		.tee = TEE_SGX,
		.pcesvn = 13,
		.qe_isvsvn = 8 };
	json_t *doc;

	tcbinfo(UPDATE_STANDARD, 17, 0);
	memcpy(q.comp, raw[0].cpusvn, sizeof(q.comp));
	memset(q.ppid, 9, sizeof(q.ppid));
	storage_quote_seen(k->st, &q);
	storage_drain(k->st);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	ck_assert_int_eq(count(number(doc, 17), "UpToDate"), 1);
	json_decref(doc);
	/* The same platform comes for certificates: no second one. */
	platform("AAAA", 9, &raw[0]);
	doc = impact(NULL, 0);
	ck_assert_int_eq(platforms(doc), 1);
	json_decref(doc);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fleet");
	TCase *tc = tcase_create("fleet");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_a_platform_counts_once_whatever_its_names);
	tcase_add_test(tc, test_a_platform_without_a_raw_tcb);
	tcase_add_test(tc, test_a_new_raw_tcb_is_noticed);
	tcase_add_test(tc, test_nothing_to_judge_by);
	tcase_add_test(tc, test_replaced_versions_are_candidates);
	tcase_add_test(tc, test_a_replaced_version_of_a_revoked_signer);
	tcase_add_test(tc, test_numbers_of_many_fmspcs);
	tcase_add_test(tc, test_a_quote_makes_a_platform_for_a_time);
	tcase_add_test(tc, test_a_quote_of_a_platform_that_is_known);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
