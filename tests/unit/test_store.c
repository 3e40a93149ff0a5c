/*
 * The store thread: admission, rollback, revocation, restart, history.
 */
#include "config/base/clock.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/store.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"
#define DAY   ((time_t)86400)

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

static struct coll_key
tcb_key(void)
{
	return key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);
}

/* A TCB info issued "at" seconds from the PKI's now. */
static enum err
admit_info(time_t at, unsigned number, enum pki_lie lie)
{
	struct pki_tcbinfo t = { .fmspc = FMSPC,
		.issue_at = pki_now(k->pki) + at,
		.next_update = pki_now(k->pki) + at + 30 * DAY,
		.eval_num = number,
		.lie = lie };
	struct coll_key key = tcb_key();

	return kit_admit_doc(k, &key, pki_tcbinfo(k->pki, &t));
}

static json_t *
text_json(void)
{
	json_t *doc = json_loads(kit_text(k), 0, NULL);

	ck_assert_msg(doc != NULL, "not JSON: %s", kit_text(k));
	return doc;
}

static size_t
versions(const char *key)
{
	json_t *doc;
	size_t n;

	ck_assert_int_eq(kit_history(k, key), ERR_OK);
	doc = text_json();
	n = json_array_size(json_object_get(doc, "versions"));
	json_decref(doc);
	return n;
}

static const char *
version_text(json_t *doc, size_t i, const char *name)
{
	const char *s = json_string_value(
	    json_object_get(json_array_get(json_object_get(doc, "versions"), i),
		name));

	return s == NULL ? "" : s;
}

/* The virtual clock goes on with the real one: seconds may have passed. */
static void
near(time_t got, time_t expect)
{
	ck_assert_msg(got >= expect && got <= expect + 60,
	    "%lld instead of about %lld", (long long)got, (long long)expect);
}

/* --- the way in ------------------------------------------------------- */

START_TEST(test_an_admitted_object_is_in_the_snapshot_and_survives)
{
	struct coll_key key = tcb_key();
	struct coll *c;

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_ptr_ne(k->coll, NULL);
	ck_assert_ptr_eq(kit_held(k, &key), k->coll);
	ck_assert(!k->coll->revocation_unchecked);
	kit_reopen(k);
	c = kit_held(k, &key);
	ck_assert_ptr_ne(c, NULL);
	ck_assert_str_eq(c->source, "https://pcs.test");
	ck_assert_uint_eq(c->eval_num, 17);
	ck_assert(!c->revocation_unchecked);
	near(c->fetched_at, pki_now(k->pki));
}
END_TEST

START_TEST(test_every_kind_survives)
{
	struct pki_evalnums n = { .tee = TEE_SGX };
	struct pki_fmspc f = { FMSPC, "E5" };
	struct coll_key evalnums = key_evalnums(TEE_SGX);
	struct coll_key fmspcs = key_fmspcs("all");
	struct coll_key root = key_root_crl();
	struct blob *list = pki_fmspcs(1, &f, "all");

	kit_root_crl(k);
	kit_pck_crl(k, PCK_CA_PLATFORM);
	kit_pck_crl(k, PCK_CA_PROCESSOR);
	kit_tcbinfo(k, TEE_TDX, FMSPC, UPDATE_EARLY);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	kit_identity(k, ENCLAVE_TDQE, UPDATE_STANDARD);
	ck_assert_int_eq(kit_admit_doc(k, &evalnums, pki_evalnums(k->pki, &n)),
	    ERR_OK);
	ck_assert_int_eq(kit_admit(k, &fmspcs, blob_span(list), SPAN_NONE),
	    ERR_OK);
	blob_unref(list);
	ck_assert_uint_eq(snap_len(k->snap), 8);
	kit_reopen(k);
	ck_assert_uint_eq(snap_len(k->snap), 8);
	ck_assert_ptr_ne(kit_held(k, &root)->form[FORM_HEX].body, NULL);
}
END_TEST

START_TEST(test_the_same_bytes_again_only_move_the_fetch_time)
{
	struct coll_key key = tcb_key();

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_clock(k, DAY);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	near(kit_held(k, &key)->fetched_at, pki_now(k->pki) + DAY);
	ck_assert_uint_eq(versions(key.text), 1);
	kit_reopen(k);
	near(kit_held(k, &key)->fetched_at, pki_now(k->pki) + DAY);
}
END_TEST

START_TEST(test_a_newer_one_replaces_and_history_keeps_both)
{
	struct coll_key key = tcb_key();
	json_t *doc;

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_clock(k, DAY);
	ck_assert_int_eq(admit_info(DAY, 18, PKI_HONEST), ERR_OK);
	ck_assert_uint_eq(kit_held(k, &key)->eval_num, 18);
	ck_assert_uint_eq(versions(key.text), 2);
	doc = text_json();
	ck_assert_str_eq(version_text(doc, 0, "issued"),
	    "2026-06-02T00:00:00Z");
	ck_assert_str_eq(version_text(doc, 0, "source"), "https://pcs.test");
	ck_assert_str_eq(version_text(doc, 1, "issued"),
	    "2026-06-01T00:00:00Z");
	ck_assert_str_eq(version_text(doc, 1, "ended_why"), "replaced");
	json_decref(doc);
	kit_reopen(k);
	ck_assert_uint_eq(kit_held(k, &key)->eval_num, 18);
}
END_TEST

START_TEST(test_two_versions_in_one_moment_are_both_in_the_history)
{
	struct coll_key key = tcb_key();

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	ck_assert_int_eq(admit_info(1, 17, PKI_HONEST), ERR_OK);
	ck_assert_int_eq(admit_info(2, 17, PKI_HONEST), ERR_OK);
	ck_assert_uint_eq(versions(key.text), 3);
}
END_TEST

START_TEST(test_an_older_one_is_refused_and_counted)
{
	struct coll_key key = tcb_key();
	uint64_t refused = metric_refused_get(ERR_OLDER);

	kit_clock(k, 2 * DAY);
	ck_assert_int_eq(admit_info(DAY, 17, PKI_HONEST), ERR_OK);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OLDER);
	ck_assert_ptr_eq(k->coll, NULL);
	ck_assert_ptr_ne(strstr(k->why.text, key.text), NULL);
	ck_assert_int_eq(admit_info(2 * DAY, 16, PKI_HONEST), ERR_OLDER);
	ck_assert_uint_eq(metric_refused_get(ERR_OLDER), refused + 2);
	ck_assert_int_eq(kit_held(k, &key)->issue_at, pki_now(k->pki) + DAY);
	kit_reopen(k);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OLDER);
}
END_TEST

START_TEST(test_a_forged_one_is_refused_and_the_old_stays)
{
	static const enum err expect[PKI_LIE_N] = {
		[PKI_BAD_SIGNATURE] = ERR_BADSIG,
		[PKI_BODY_CHANGED] = ERR_BADSIG,
		[PKI_WRONG_KEY] = ERR_BADSIG,
		[PKI_FOREIGN_CHAIN] = ERR_ROOT,
		[PKI_WRONG_ROLE] = ERR_CHAIN,
		[PKI_EXPIRED_SIGNER] = ERR_EXPIRED,
	};
	struct coll_key key = tcb_key();
	uint64_t refused;
	int lie;

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	for (lie = 1; lie < PKI_LIE_N; lie++) {
		if (expect[lie] == ERR_OK)
			continue; /* needs a root CRL */
		refused = metric_refused_get(expect[lie]);
		ck_assert_int_eq(admit_info(60, 18, (enum pki_lie)lie),
		    expect[lie]);
		ck_assert_uint_eq(metric_refused_get(expect[lie]), refused + 1);
		ck_assert_uint_eq(kit_held(k, &key)->eval_num, 17);
	}
}
END_TEST

START_TEST(test_expired_objects_are_loaded_to_be_served_stale)
{
	struct coll_key key = tcb_key();

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_close(k);
	kit_clock(k, 40 * DAY);
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_int_eq(fresh_state(kit_held(k, &key),
			     k->config->cache.stale_max_s, clock_now()),
	    FRESH_STALE);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_EXPIRED);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
}
END_TEST

/* --- revocation ------------------------------------------------------- */

/* Every root CRL of the PKI lists PKI_TCB_SIGNING_REVOKED; "revoked" adds the
 * signer of all honest documents. */
static enum err
admit_root_crl(time_t at, bool revoked, bool with_chain)
{
	char *serial = pki_serial(pki_x509(k->pki, PKI_TCB_SIGNING));
	const char *list[] = { serial };
	struct pki_crl crl = { .issuer = PKI_ROOT,
		.this_update = pki_now(k->pki) + at,
		.n_revoked = revoked ? 1 : 0,
		.revoked = list };
	struct blob *der = pki_crl(k->pki, &crl);
	struct blob *chain =
	    with_chain ? pki_chain_pem(k->pki, PKI_ROOT) : NULL;
	struct coll_key key = key_root_crl();
	enum err e = kit_admit(k, &key, blob_span(der), blob_span(chain));

	blob_unref(der);
	blob_unref(chain);
	free(serial);
	return e;
}

START_TEST(test_a_revoked_signers_objects_vanish_at_once)
{
	struct coll_key key = tcb_key();
	struct coll_key crl = key_pck_crl(PCK_CA_PLATFORM);
	uint64_t refused;
	json_t *doc;

	ck_assert_int_eq(admit_root_crl(0, false, true), ERR_OK);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_pck_crl(k, PCK_CA_PLATFORM);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
	refused = metric_refused_get(ERR_REVOKED);
	ck_assert_int_eq(admit_root_crl(60, true, true), ERR_OK);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &crl), NULL);
	ck_assert_uint_eq(metric_refused_get(ERR_REVOKED), refused + 1);
	ck_assert_int_eq(kit_explain(k, key.text), ERR_OK);
	doc = text_json();
	ck_assert(json_is_null(json_object_get(doc, "held")));
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(doc,
							       "last_failure"),
			     "reason")),
	    "revoked");
	ck_assert_str_eq(version_text(doc, 0, "ended_why"), "revoked");
	json_decref(doc);
	/* Neither does it come back. */
	kit_reopen(k);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &crl), NULL);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_REVOKED);
}
END_TEST

START_TEST(test_what_came_before_the_root_crl_is_checked_when_it_comes)
{
	struct coll_key key = tcb_key();
	struct coll_key qe = key_identity(ENCLAVE_QE, 4, UPDATE_STANDARD, 0);

	ck_assert_int_eq(admit_info(0, 17, PKI_REVOKED_SIGNER), ERR_OK);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	ck_assert(kit_held(k, &key)->revocation_unchecked);
	ck_assert(kit_held(k, &qe)->revocation_unchecked);
	ck_assert_int_eq(admit_root_crl(0, false, true), ERR_OK);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
	ck_assert_ptr_ne(kit_held(k, &qe), NULL);
	ck_assert(!kit_held(k, &qe)->revocation_unchecked);
}
END_TEST

START_TEST(test_a_root_crl_alone_needs_a_root_seen_before)
{
	struct coll_key key = key_root_crl();
	struct blob *root = pki_chain_pem(k->pki, PKI_ROOT);

	ck_assert_int_eq(admit_root_crl(0, false, false), ERR_NO_ROOT);
	kit_identity(k, ENCLAVE_QE, UPDATE_STANDARD);
	ck_assert_int_eq(admit_root_crl(0, false, false), ERR_OK);
	ck_assert(
	    span_eq(blob_span(kit_held(k, &key)->chain), blob_span(root)));
	/* The root comes back with what is loaded. */
	kit_reopen(k);
	ck_assert_int_eq(admit_root_crl(60, false, false), ERR_OK);
	blob_unref(root);
}
END_TEST

START_TEST(test_an_older_root_crl_does_not_bring_a_signer_back)
{
	ck_assert_int_eq(admit_root_crl(0, true, true), ERR_OK);
	ck_assert_int_eq(admit_root_crl(-60, false, true), ERR_OLDER);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_REVOKED);
}
END_TEST

/* --- anchors ---------------------------------------------------------- */

static struct config *
config_with_root(const char *spki)
{
	struct buf b = BUF_INIT;
	struct config *c = NULL;

	buf_printf(&b,
	    "{\"database\":\"sqlite:%s\",\"trust\":"
	    "{\"intel_root_spki_sha256\":[\"%s\"]}}",
	    k->db, spki);
	must(config_read(buf_view(&b), "test", &c, NULL) == ERR_OK);
	buf_free(&b);
	return c;
}

START_TEST(test_other_anchors_empty_the_cache_and_the_old_ones_refill_it)
{
	struct config *other =
	    config_with_root(pki_root_spki_hex(pki_evil(k->pki)));
	struct coll_key key = tcb_key();

	ck_assert_int_eq(admit_root_crl(0, false, true), ERR_OK);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	storage_reload(k->st, other);
	ck_assert_int_eq(kit_status(k), ERR_OK);
	ck_assert_ptr_eq(kit_held(k, &key), NULL);
	ck_assert_uint_eq(snap_len(k->snap), 0);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_ROOT);
	kit_reopen(k);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
	config_unref(other);
}
END_TEST

/* --- failures --------------------------------------------------------- */

static void
note_fn(struct kit *kk, void *arg)
{
	struct coll_key *key = arg;
	struct why why = { 0 };
	enum err e =
	    why_set(&why, ERR_UP_DOWN, "pcs-upstream 1", "connection refused");

	storage_note_failure(kk->st, key, e, &why);
	kit_done(kk);
}

static json_int_t
failures(const char *key)
{
	json_t *doc;
	json_int_t n;

	ck_assert_int_eq(kit_explain(k, key), ERR_OK);
	doc = text_json();
	n = json_integer_value(
	    json_object_get(json_object_get(doc, "last_failure"), "failures"));
	json_decref(doc);
	return n;
}

/* Seconds between the first failure and the last. */
static long
failing_for(const char *key)
{
	const json_t *f;
	json_t *doc;
	time_t at, since;

	ck_assert_int_eq(kit_explain(k, key), ERR_OK);
	doc = text_json();
	f = json_object_get(doc, "last_failure");
	ck_assert_int_eq(time_read(span_str(json_string_value(
				       json_object_get(f, "at"))),
			     &at),
	    ERR_OK);
	ck_assert_int_eq(time_read(span_str(json_string_value(
				       json_object_get(f, "since"))),
			     &since),
	    ERR_OK);
	json_decref(doc);
	return (long)(at - since);
}

/* The clock is set to a time of the kit's; it runs on in between. */
#define SLACK 60

START_TEST(test_failures_tell_since_when)
{
	struct coll_key key = tcb_key();

	kit_wait(k, note_fn, &key);
	ck_assert_int_eq(failing_for(key.text), 0);
	kit_clock(k, DAY);
	kit_wait(k, note_fn, &key);
	ck_assert_int_ge(failing_for(key.text), DAY - SLACK);
	kit_reopen(k);
	ck_assert_int_ge(failing_for(key.text), DAY - SLACK);
	kit_clock(k, 2 * DAY);
	kit_wait(k, note_fn, &key);
	ck_assert_int_ge(failing_for(key.text), 2 * DAY - SLACK);
	/* A success in between: it begins anew. */
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_wait(k, note_fn, &key);
	ck_assert_int_lt(failing_for(key.text), DAY);
}
END_TEST

START_TEST(test_failed_attempts_are_remembered_until_one_succeeds)
{
	struct coll_key key = tcb_key();

	ck_assert_int_eq(failures(key.text), 0);
	kit_wait(k, note_fn, &key);
	kit_wait(k, note_fn, &key);
	ck_assert_int_eq(failures(key.text), 2);
	ck_assert_ptr_ne(strstr(kit_text(k), "upstream-down"), NULL);
	ck_assert_ptr_ne(strstr(kit_text(k), "connection refused"), NULL);
	kit_reopen(k);
	ck_assert_int_eq(failures(key.text), 2);
	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	ck_assert_int_eq(failures(key.text), 0);
	kit_reopen(k);
	ck_assert_int_eq(failures(key.text), 0);
}
END_TEST

/* --- for people ------------------------------------------------------- */

START_TEST(test_status_lists_what_is_held)
{
	json_t *doc, *o;

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	kit_clock(k, 31 * DAY);
	ck_assert_int_eq(kit_status(k), ERR_OK);
	doc = text_json();
	ck_assert_str_eq(json_string_value(json_object_get(doc, "mode")),
	    "lazy");
	o = json_array_get(json_object_get(doc, "objects"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(o, "key")),
	    "rootcrl");
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")), "due");
	o = json_array_get(json_object_get(doc, "objects"), 1);
	ck_assert_str_eq(json_string_value(json_object_get(o, "key")),
	    "tcb/sgx/4/00906ED50000/standard");
	ck_assert_str_eq(json_string_value(json_object_get(o, "state")),
	    "stale");
	ck_assert_str_eq(json_string_value(json_object_get(o, "next_update")),
	    "2026-07-01T00:00:00Z");
	json_decref(doc);
}
END_TEST

static int
answer_status(const char *key)
{
	json_t *doc;
	int status;

	ck_assert_int_eq(kit_explain(k, key), ERR_OK);
	doc = text_json();
	status = (int)json_integer_value(
	    json_object_get(json_object_get(doc, "answer"), "status"));
	json_decref(doc);
	return status;
}

START_TEST(test_explain_says_how_a_request_would_end)
{
	ck_assert_int_eq(answer_status("tcb/sgx/4/00906ED50000/standard"), 200);
	ck_assert_int_eq(answer_status("tcb/sgx/3/00906ED50000/standard"), 410);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	kit_clock(k, 31 * DAY);
	ck_assert_int_eq(answer_status("tcb/sgx/4/00906ED50000/standard"), 200);
	ck_assert_ptr_ne(strstr(kit_text(k), "warning"), NULL);
	kit_clock(k, 90 * DAY);
	ck_assert_int_eq(answer_status("tcb/sgx/4/00906ED50000/standard"), 404);
	kit_config(k, "\"mode\":\"offline\"");
	kit_reopen(k);
	ck_assert_int_eq(answer_status("rootcrl"), 404);
	ck_assert_int_eq(kit_explain(k, "a/b,xx"), ERR_PARAM);
	ck_assert_int_eq(kit_history(k, "no-key"), ERR_PARAM);
}
END_TEST

START_TEST(test_metrics_tell_ages_and_counts)
{
	struct buf b = BUF_INIT;

	kit_root_crl(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	storage_metrics(k->st, &b);
	ck_assert_ptr_ne(strstr(b.p, "\nlarder_objects{kind=\"tcb\"} 1\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "\nlarder_objects{kind=\"identity\"} 0\n"),
	    NULL);
	ck_assert_ptr_ne(
	    strstr(b.p, "\nlarder_object_next_update_timestamp_seconds{object="
			"\"tcb/sgx/4/00906ED50000/standard\"} 1782864000\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "\nlarder_object_eval_number{object="
				     "\"tcb/sgx/4/00906ED50000/standard\"} "
				     "17\n"),
	    NULL);
	ck_assert_ptr_ne(strstr(b.p, "\nlarder_database_ok 1\n"), NULL);
	ck_assert_ptr_ne(strstr(b.p,
			     "\nlarder_registration_queue{state=\"new\"} 0\n"),
	    NULL);
	buf_free(&b);
}
END_TEST

/* --- housekeeping ----------------------------------------------------- */

START_TEST(test_old_versions_are_pruned_after_their_time)
{
	struct coll_key key = tcb_key();

	ck_assert_int_eq(admit_info(0, 17, PKI_HONEST), ERR_OK);
	kit_clock(k, DAY);
	ck_assert_int_eq(admit_info(DAY, 17, PKI_HONEST), ERR_OK);
	ck_assert_uint_eq(versions(key.text), 2);
	kit_clock(k, DAY + k->config->cache.history_s + 1);
	kit_tick(k);
	ck_assert_uint_eq(versions(key.text), 1);
	ck_assert_ptr_ne(kit_held(k, &key), NULL);
}
END_TEST

static void
never(void *arg, struct snap *snap)
{
	(void)snap;
	(*(int *)arg)++;
}

static void
unsubscribe_fn(struct kit *kk, void *arg)
{
	storage_subscribe(kk->st, never, arg);
	storage_unsubscribe(kk->st, never, arg);
	kit_done(kk);
}

START_TEST(test_no_snapshot_comes_after_unsubscribing)
{
	int n = 0;

	kit_wait(k, unsubscribe_fn, &n);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	/* Only the one sent when it subscribed. */
	ck_assert_int_eq(n, 1);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("store");
	TCase *t = tcase_create("store");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
	    test_an_admitted_object_is_in_the_snapshot_and_survives);
	tcase_add_test(t, test_every_kind_survives);
	tcase_add_test(t, test_the_same_bytes_again_only_move_the_fetch_time);
	tcase_add_test(t, test_a_newer_one_replaces_and_history_keeps_both);
	tcase_add_test(t,
	    test_two_versions_in_one_moment_are_both_in_the_history);
	tcase_add_test(t, test_an_older_one_is_refused_and_counted);
	tcase_add_test(t, test_a_forged_one_is_refused_and_the_old_stays);
	tcase_add_test(t, test_expired_objects_are_loaded_to_be_served_stale);
	tcase_add_test(t, test_a_revoked_signers_objects_vanish_at_once);
	tcase_add_test(t,
	    test_what_came_before_the_root_crl_is_checked_when_it_comes);
	tcase_add_test(t, test_a_root_crl_alone_needs_a_root_seen_before);
	tcase_add_test(t, test_an_older_root_crl_does_not_bring_a_signer_back);
	tcase_add_test(t,
	    test_other_anchors_empty_the_cache_and_the_old_ones_refill_it);
	tcase_add_test(t,
	    test_failed_attempts_are_remembered_until_one_succeeds);
	tcase_add_test(t, test_failures_tell_since_when);
	tcase_add_test(t, test_status_lists_what_is_held);
	tcase_add_test(t, test_explain_says_how_a_request_would_end);
	tcase_add_test(t, test_metrics_tell_ages_and_counts);
	tcase_add_test(t, test_old_versions_are_pruned_after_their_time);
	tcase_add_test(t, test_no_snapshot_comes_after_unsubscribing);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
