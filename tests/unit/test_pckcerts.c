/*
 * Platforms: certificates taken in, chosen, remembered, asked for again
 * (caching-and-selection 2 and 3).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "storage/store.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FMSPC "00906ED50000"
#define HOUR  ((time_t)3600)
#define DAY   (24 * HOUR)

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

/* The PKI's own levels, highest first (pki_levels). */
static const struct raw_tcb raw[] = {
	{ { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 },
	{ { 12, 12, 3, 3, 255, 255, 0, 0 }, 13 },
	{ { 4, 4, 3, 3, 255, 255, 0, 0 }, 5 },
};

static struct pki_pck
pck_at(const struct raw_tcb *tcb)
{
	struct pki_pck p = { .ca = PCK_CA_PLATFORM,
		.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
		.pcesvn = tcb->pcesvn,
		.sgx_type = 1,
		.dynamic_platform = 1,
		.cached_keys = 1,
		.smt_enabled = 1 };

	memset(p.ppid, 0x5a, sizeof(p.ppid));
	memcpy(p.comp, tcb->cpusvn, sizeof(p.comp));
	return p;
}

static struct platform_ask
ask_of(const char *qe_id, const struct raw_tcb *tcb)
{
	struct platform_ask a = { .id = kit_platform_id(qe_id),
		.has_tcb = tcb != NULL };

	if (tcb != NULL)
		a.tcb = *tcb;
	return a;
}

static enum err
admit(const struct platform_ask *ask, size_t n, const struct pki_pck *v)
{
	struct blob *body = pki_pckcerts(k->pki, n, v);
	struct blob *chain = pki_chain_header(k->pki, PKI_PLATFORM_CA);
	enum err e = kit_certs(k, ask, blob_span(body), blob_span(chain));

	blob_unref(body);
	blob_unref(chain);
	return e;
}

/* Certificates for the levels whose letter is 'c', NA for 'n'. */
static enum err
admit_levels(const char *qe_id, const struct raw_tcb *tcb, const char *which)
{
	struct platform_ask ask = ask_of(qe_id, tcb);
	struct pki_pck v[3];
	size_t i, n = strlen(which);

	must(n <= 3);
	for (i = 0; i < n; i++) {
		v[i] = pck_at(&raw[i]);
		v[i].na = which[i] == 'n';
	}
	return admit(&ask, n, v);
}

static enum err
lookup(const char *qe_id, const struct raw_tcb *tcb)
{
	struct platform_id id = kit_platform_id(qe_id);

	return kit_pck(k, &id, tcb);
}

static bool
in_memory(const char *qe_id, const struct raw_tcb *tcb)
{
	struct platform_id id = kit_platform_id(qe_id);
	struct pck_answer *a = platform_cached(k->st, &id, tcb);

	pck_answer_unref(a);
	return a != NULL;
}

static void
answer_is(const struct raw_tcb *level)
{
	struct pki_pck p = pck_at(level);
	char tcbm[37];

	ck_assert_ptr_ne(k->answer, NULL);
	pki_tcbm(&p, tcbm);
	ck_assert_str_eq(k->answer->tcbm, tcbm);
}

static json_int_t
number(const char *query)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	json_int_t n;

	storage_drain(k->st);
	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_prepare_v2(db, query, -1, &stmt, NULL) == SQLITE_OK);
	must(sqlite3_step(stmt) == SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

/* The virtual clock goes on with the real one: seconds may have passed. */
static void
near(time_t got, time_t expect)
{
	ck_assert_msg(got >= expect && got <= expect + 60,
	    "%lld instead of about %lld", (long long)got, (long long)expect);
}

/* --- the answer ------------------------------------------------------- */

START_TEST(test_an_answer_carries_what_the_client_needs)
{
	struct pki_pck p = pck_at(&raw[0]);
	struct blob *header = pki_chain_header(k->pki, PKI_PLATFORM_CA);
	X509 *x = pki_pck(k->pki, &p);
	struct blob *pem = pki_pem(x);
	struct buf head = BUF_INIT;
	char tcbm[37];

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	pki_tcbm(&p, tcbm);
	ck_assert_str_eq(k->answer->tcbm, tcbm);
	ck_assert_str_eq(k->answer->fmspc, FMSPC);
	ck_assert_int_eq(k->answer->ca, PCK_CA_PLATFORM);
	buf_printf(&head,
	    "SGX-TCBm: %s\r\nSGX-FMSPC: " FMSPC "\r\n"
	    "SGX-PCK-Certificate-CA-Type: PLATFORM\r\n",
	    tcbm);
	ck_assert_str_eq((const char *)k->answer->head->data, head.p);
	ck_assert(span_eq(blob_span(k->answer->chain), blob_span(header)));
	buf_free(&head);
	buf_printf(&head, "SGX-PCK-Certificate-Issuer-Chain: %s\r\n",
	    (const char *)header->data);
	ck_assert_str_eq((const char *)k->answer->chain_head->data, head.p);
	ck_assert(span_eq(blob_span(k->answer->pem), blob_span(pem)));
	ck_assert_int_gt(k->answer->not_after, clock_now());
	ck_assert(in_memory("AB", &raw[0]));
	buf_free(&head);
	blob_unref(header);
	blob_unref(pem);
	X509_free(x);
}
END_TEST

START_TEST(test_each_raw_tcb_gets_the_certificate_that_fits)
{
	struct raw_tcb high = raw[0], between = raw[0], low = raw[2];

	high.cpusvn[0] = 20;
	between.cpusvn[0] = 13;
	low.pcesvn = 4;
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", NULL, "ccc"), ERR_OK);
	ck_assert_ptr_eq(k->answer, NULL);
	ck_assert_int_eq(lookup("AB", &high), ERR_OK);
	answer_is(&raw[0]);
	ck_assert_int_eq(lookup("AB", &between), ERR_OK);
	answer_is(&raw[1]);
	ck_assert_int_eq(lookup("AB", &raw[2]), ERR_OK);
	answer_is(&raw[2]);
	ck_assert_int_eq(lookup("AB", &low), ERR_NO_CERT);
	ck_assert_int_eq(lookup("CD", &high), ERR_UNKNOWN_PLATFORM);
	kit_reopen(k);
	ck_assert(!in_memory("AB", &between));
	ck_assert_int_eq(lookup("AB", &between), ERR_OK);
	answer_is(&raw[1]);
	ck_assert(in_memory("AB", &between));
}
END_TEST

START_TEST(test_without_a_tcb_info_the_platform_is_kept_and_said_so)
{
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_NO_TCBINFO);
	ck_assert_str_eq(k->why.text, FMSPC);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_NO_TCBINFO);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	answer_is(&raw[0]);
}
END_TEST

START_TEST(test_early_is_preferred_to_standard)
{
	/* Early knows one level alone: all certificates share its bucket. */
	struct pki_level one = { .comp = { 1 },
		.pcesvn = 0,
		.date = "2024-03-13T00:00:00Z",
		.status = "UpToDate" };
	struct pki_tcbinfo t = { .fmspc = FMSPC,
		.n_levels = 1,
		.levels = &one };
	struct coll_key early = key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_EARLY, 0);

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert(in_memory("AB", &raw[0]));
	ck_assert_int_eq(kit_admit_doc(k, &early, pki_tcbinfo(k->pki, &t)),
	    ERR_OK);
	/* Other levels: what was chosen under the old ones is chosen anew. */
	ck_assert(!in_memory("AB", &raw[0]));
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	answer_is(&raw[0]);
}
END_TEST

START_TEST(test_the_same_levels_signed_again_change_nothing)
{
	struct pki_tcbinfo t = { .fmspc = FMSPC,
		.issue_at = pki_now(k->pki) + 60,
		.next_update = pki_now(k->pki) + 30 * DAY };
	struct coll_key key =
	    key_tcbinfo(TEE_SGX, 4, FMSPC, UPDATE_STANDARD, 0);

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(kit_admit_doc(k, &key, pki_tcbinfo(k->pki, &t)),
	    ERR_OK);
	ck_assert(in_memory("AB", &raw[0]));
}
END_TEST

/* --- the gate --------------------------------------------------------- */

START_TEST(test_forged_certificates_are_refused_and_the_old_stay)
{
	static const struct {
		enum pki_lie lie;
		enum err expect;
	} rows[] = {
		{ PKI_BAD_SIGNATURE, ERR_CHAIN },
		{ PKI_WRONG_KEY, ERR_CHAIN },
	};
	struct platform_ask ask = ask_of("AB", &raw[0]);
	struct pki_pck v[2];
	uint64_t refused;
	size_t i;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v[0] = pck_at(&raw[0]);
		v[1] = pck_at(&raw[1]);
		v[1].lie = rows[i].lie;
		refused = metric_refused_get(rows[i].expect);
		ck_assert_int_eq(admit(&ask, 2, v), rows[i].expect);
		ck_assert_uint_eq(metric_refused_get(rows[i].expect),
		    refused + 1);
	}
	/* Two platforms' certificates in one list. */
	v[1] = pck_at(&raw[1]);
	v[1].ppid[0] ^= 1;
	ck_assert_int_eq(admit(&ask, 2, v), ERR_CHAIN);
	v[1] = pck_at(&raw[1]);
	v[1].tcbm = "000000000000000000000000000000000000";
	ck_assert_int_eq(admit(&ask, 2, v), ERR_CHAIN);
	v[1] = pck_at(&raw[1]);
	v[1].not_after = pki_now(k->pki) - 1;
	v[1].not_before = pki_now(k->pki) - DAY;
	ck_assert_int_eq(admit(&ask, 2, v), ERR_EXPIRED);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	answer_is(&raw[0]);
}
END_TEST

START_TEST(test_a_foreign_chain_is_refused)
{
	struct pki_pck v = pck_at(&raw[0]);
	struct blob *body = pki_pckcerts(pki_evil(k->pki), 1, &v);
	struct blob *chain = pki_chain_pem(pki_evil(k->pki), PKI_PLATFORM_CA);
	struct platform_ask ask = ask_of("AB", &raw[0]);

	ck_assert_int_eq(kit_certs(k, &ask, blob_span(body), blob_span(chain)),
	    ERR_ROOT);
	ck_assert_int_eq(kit_certs(k, &ask, blob_span(body), SPAN_NONE),
	    ERR_CHAIN);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_UNKNOWN_PLATFORM);
	blob_unref(body);
	blob_unref(chain);
}
END_TEST

static enum err
pck_crl_with(const struct pki_pck *p, time_t at)
{
	X509 *x = pki_pck(k->pki, p);
	char *serial = pki_serial(x);
	const char *list[] = { serial };
	struct pki_crl crl = { .issuer = PKI_PLATFORM_CA,
		.this_update = pki_now(k->pki) + at,
		.n_revoked = 1,
		.revoked = list };
	struct blob *der = pki_crl(k->pki, &crl);
	struct blob *chain = pki_chain_pem(k->pki, PKI_PLATFORM_CA);
	struct coll_key key = key_pck_crl(PCK_CA_PLATFORM);
	enum err e = kit_admit(k, &key, blob_span(der), blob_span(chain));

	blob_unref(der);
	blob_unref(chain);
	free(serial);
	X509_free(x);
	return e;
}

START_TEST(test_a_revoked_certificate_is_not_served_any_more)
{
	struct pki_pck p = pck_at(&raw[0]);

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	kit_pck_crl(k, PCK_CA_PLATFORM);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(pck_crl_with(&p, 60), ERR_OK);
	ck_assert(!in_memory("AB", &raw[0]));
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_NOT_CACHED);
	ck_assert_ptr_ne(strstr(k->why.text, "revoked"), NULL);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_REVOKED);
}
END_TEST

/* --- what is remembered ----------------------------------------------- */

START_TEST(test_choices_are_remembered_and_capped)
{
	struct raw_tcb tcb = raw[0];
	int i;

	kit_config(k, "\"cache\":{\"raw_tcbs_per_platform\":4}");
	kit_reopen(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 1);
	for (i = 0; i < 10; i++) {
		tcb.cpusvn[15] = (uint8_t)i;
		ck_assert_int_eq(lookup("AB", &tcb), ERR_OK);
	}
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 4);
	ck_assert(in_memory("AB", &tcb));
	ck_assert(!in_memory("AB", &raw[0]));
}
END_TEST

START_TEST(test_a_remembered_choice_outlives_its_tcb_info)
{
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ccc"), ERR_OK);
	number("SELECT 1");
	kit_close(k);
	kit_open(k);
	number("SELECT 1");
	/* As if it had never been: the row goes, the mapping stays. */
	kit_close(k);
	{
		sqlite3 *db;

		must(sqlite3_open(k->db, &db) == SQLITE_OK);
		must(sqlite3_exec(db, "DELETE FROM object", NULL, NULL, NULL) ==
		     SQLITE_OK);
		sqlite3_close(db);
	}
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_int_eq(lookup("AB", &raw[1]), ERR_OK);
	answer_is(&raw[1]);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_NO_TCBINFO);
}
END_TEST

START_TEST(test_a_new_list_chooses_anew_for_every_raw_tcb)
{
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(lookup("AB", &raw[2]), ERR_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 2);
	/* Without the lowest one: that raw TCB alone is dropped. */
	{
		struct platform_ask ask = ask_of("AB", NULL);
		struct pki_pck v[2] = { pck_at(&raw[0]), pck_at(&raw[1]) };

		ck_assert_int_eq(admit(&ask, 2, v), ERR_OK);
	}
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 1);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	answer_is(&raw[0]);
	ck_assert_int_eq(lookup("AB", &raw[2]), ERR_NO_CERT);
}
END_TEST

START_TEST(test_what_a_fetch_needs_is_kept)
{
	struct platform_ask ask = ask_of("AB", &raw[0]);
	struct platform_id id = kit_platform_id("AB");
	struct pki_pck v = pck_at(&raw[0]);
	char ppid[PPID_LEN];

	memset(ppid, 1, sizeof(ppid));
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(kit_ask(k, &id), ERR_UNKNOWN_PLATFORM);
	ask.enc_ppid = blob_new(ppid, sizeof(ppid));
	ask.manifest = blob_from(span_str("manifest"));
	ck_assert_int_eq(admit(&ask, 1, &v), ERR_OK);
	blob_unref(ask.enc_ppid);
	blob_unref(ask.manifest);
	/* A later one without them does not lose them. */
	ask.enc_ppid = ask.manifest = NULL;
	ck_assert_int_eq(admit(&ask, 1, &v), ERR_OK);
	kit_reopen(k);
	ck_assert_int_eq(kit_ask(k, &id), ERR_OK);
	ck_assert_uint_eq(k->ask.enc_ppid->len, PPID_LEN);
	ck_assert(span_eq_str(blob_span(k->ask.manifest), "manifest"));
	ck_assert(!k->ask.has_tcb);
}
END_TEST

/* --- when to ask again ------------------------------------------------- */

START_TEST(test_a_complete_list_is_asked_for_again_after_a_week)
{
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	near(k->answer->refetch_at, pki_now(k->pki) + 7 * DAY);
	kit_reopen(k);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	near(k->answer->refetch_at, pki_now(k->pki) + 7 * DAY);
}
END_TEST

START_TEST(test_a_certificate_below_its_level_is_asked_for_again_in_an_hour)
{
	struct platform_ask ask = ask_of("AB", &raw[0]);
	struct pki_pck v = pck_at(&raw[1]);

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit(&ask, 1, &v), ERR_OK);
	answer_is(&raw[1]);
	near(k->answer->refetch_at, pki_now(k->pki) + HOUR);
	/* At its own level it is as good as can be. */
	ck_assert_int_eq(lookup("AB", &raw[1]), ERR_OK);
	near(k->answer->refetch_at, pki_now(k->pki) + 7 * DAY);
}
END_TEST

START_TEST(test_not_available_is_asked_for_again_ever_more_slowly)
{
	static const time_t hours[] = { 1, 2, 4, 8, 16, 24, 24 };
	time_t at = 0;
	size_t i;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	for (i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		kit_clock(k, at);
		ck_assert_int_eq(admit_levels("AB", &raw[2], "nnc"), ERR_OK);
		answer_is(&raw[2]);
		near(k->answer->refetch_at,
		    pki_now(k->pki) + at + hours[i] * HOUR);
		ck_assert_int_eq(number("SELECT na_wait_s FROM platform"),
		    hours[i] * HOUR);
		at += hours[i] * HOUR;
	}
	ck_assert_int_eq(number("SELECT na_count FROM platform"), 2);
	/* Lazy mode keeps asking: the choice is not remembered (3.3). */
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 0);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ccc"), ERR_OK);
	answer_is(&raw[1]);
	ck_assert_int_eq(number("SELECT na_count + na_wait_s + na_recheck_at"
				" FROM platform"),
	    0);
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 1);
}
END_TEST

START_TEST(test_all_not_available_is_said_and_keeps_what_was_held)
{
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "nnn"), ERR_NOT_AVAILABLE);
	ck_assert_int_eq(err_http(ERR_NOT_AVAILABLE), 462);
	ck_assert_int_eq(admit_levels("AB", &raw[0], ""), ERR_NOT_AVAILABLE);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_UNKNOWN_PLATFORM);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "nnn"), ERR_NOT_AVAILABLE);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
	answer_is(&raw[0]);
	near(k->answer->refetch_at, pki_now(k->pki) + HOUR);
}
END_TEST

/* What was not available was asked for with a manifest of before. */
START_TEST(test_a_row_of_what_is_not_available_is_no_newer_manifest)
{
	struct platform_id id = kit_platform_id("AB");

	kit_config(k, "\"mode\":\"req\"");
	kit_reopen(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ncc"), ERR_OK);
	ck_assert_int_eq(number("UPDATE registration SET manifest = x'4F4C44'"
				" RETURNING 1"),
	    1);
	ck_assert_int_eq(kit_ask(k, &id), ERR_OK);
	ck_assert(span_eq_str(blob_span(k->ask.manifest), "OLD"));
	ck_assert_int_eq(number("UPDATE platform SET manifest = x'4E4557'"
				" RETURNING 1"),
	    1);
	ck_assert_int_eq(kit_ask(k, &id), ERR_OK);
	ck_assert(span_eq_str(blob_span(k->ask.manifest), "NEW"));
}
END_TEST

static void
last_success(int64_t at)
{
	struct buf b = BUF_INIT;
	char want[96];

	snprintf(want, sizeof(want),
	    "larder_last_success_timestamp_seconds{kind=\"platform\"} %" PRId64
	    "\n",
	    at);
	storage_metrics(k->st, &b);
	buf_add(&b, "", 1);
	ck_assert_msg(strstr(b.p, want) != NULL, "%s", want);
	buf_free(&b);
}

START_TEST(test_metrics_tell_when_certificates_came)
{
	last_success(0);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "nnn"), ERR_NOT_AVAILABLE);
	last_success(0);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	last_success(number("SELECT fetched_at FROM platform"));
	kit_reopen(k);
	last_success(number("SELECT fetched_at FROM platform"));
}
END_TEST

START_TEST(test_req_mode_queues_what_is_not_available)
{
	json_t *doc, *row;

	kit_config(k, "\"mode\":\"req\"");
	kit_reopen(k);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ncc"), ERR_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 1);
	ck_assert_int_eq(kit_platforms(k, "reg", true), ERR_OK);
	ck_assert_uint_eq(k->n, 0);
	ck_assert_int_eq(kit_platforms(k, "reg_na", false), ERR_OK);
	ck_assert_uint_eq(k->n, 1);
	doc = json_loads(kit_text(k), 0, NULL);
	row = json_array_get(doc, 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "qe_id")),
	    "AB");
	ck_assert_str_eq(json_string_value(json_object_get(row, "cpu_svn")),
	    "0E0E0303FFFF01000000000000000000");
	ck_assert_str_eq(json_string_value(json_object_get(row, "pce_svn")),
	    "0D00");
	json_decref(doc);
	/* Handed out once, also when the list comes again unchanged. */
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ncc"), ERR_OK);
	ck_assert_int_eq(kit_platforms(k, "reg_na", false), ERR_OK);
	ck_assert_uint_eq(k->n, 0);
	/* Available in the end: the row is answered. */
	ck_assert_int_eq(number("SELECT state FROM registration"), 8);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ccc"), ERR_OK);
	ck_assert_int_eq(number("SELECT state FROM registration"), 9);
}
END_TEST

/* --- bounds ----------------------------------------------------------- */

START_TEST(test_a_changed_row_is_refused_not_served)
{
	sqlite3 *db;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	kit_close(k);
	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_exec(db,
		 "UPDATE platform SET certs = CAST(substr(certs, 1, 500) ||"
		 " x'00' || substr(certs, 502) AS BLOB)",
		 NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_NOT_CACHED);
	ck_assert_int_eq(admit_levels("AB", &raw[0], "ccc"), ERR_OK);
	ck_assert_int_eq(lookup("AB", &raw[0]), ERR_OK);
}
END_TEST

START_TEST(test_platforms_nobody_registered_are_capped_by_ppid)
{
	struct platform_ask known = ask_of("KNOWN", &raw[0]);
	struct pki_pck v = pck_at(&raw[0]);
	struct platform_ask a;
	char id[16];
	int i;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(kit_register(k, &known), ERR_OK);
	ck_assert_int_eq(admit(&known, 1, &v), ERR_OK);
	for (i = 0; i < ON_DEMAND_MAX + 3; i++) {
		snprintf(id, sizeof(id), "P%d", i);
		a = ask_of(id, &raw[0]);
		ck_assert_int_eq(admit(&a, 1, &v), ERR_OK);
	}
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE"
				" on_demand = 1"),
	    ON_DEMAND_MAX);
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE"
				" qe_id = 'KNOWN'"),
	    1);
	/* Their raw TCBs went with them. */
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"),
	    ON_DEMAND_MAX + 1);
}
END_TEST

/* A platform of a PPID of its own. */
static void
admit_new(unsigned n)
{
	struct pki_pck v = pck_at(&raw[0]);
	struct platform_ask a;
	char id[16];

	memcpy(v.ppid, &n, sizeof(n));
	snprintf(id, sizeof(id), "P%u", n);
	a = ask_of(id, &raw[0]);
	ck_assert_int_eq(admit(&a, 1, &v), ERR_OK);
}

/* What is made up today goes first; who is registered, never. */
START_TEST(test_platforms_nobody_registered_are_capped_in_all)
{
	struct platform_ask known = ask_of("KNOWN", &raw[0]);
	struct pki_pck v = pck_at(&raw[0]);
	unsigned i;

	kit_close(k);
	kit_config(k, "\"cache\":{\"platforms_on_demand\":10}");
	ck_assert_int_eq(kit_open(k), ERR_OK);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(kit_register(k, &known), ERR_OK);
	ck_assert_int_eq(admit(&known, 1, &v), ERR_OK);
	for (i = 0; i < 4; i++)
		admit_new(i);
	kit_clock(k, DAY);
	for (i = 4; i < 8; i++)
		admit_new(i);
	kit_clock(k, 2 * DAY);
	for (i = 8; i < 40; i++) {
		admit_new(i);
		ck_assert_int_le(number("SELECT count(*) FROM platform"), 11);
	}
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE"
				" on_demand = 1"),
	    10);
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE"
				" qe_id = 'KNOWN'"),
	    1);
	/* Of the two days before nothing is left: they had their time. */
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE qe_id IN"
				" ('P0','P1','P2','P3','P4','P5','P6','P7')"),
	    0);
	/* Of today's the first ones stay. */
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE qe_id IN"
				" ('P8','P9','P17')"),
	    3);
	ck_assert_int_eq(number("SELECT count(*) FROM platform_tcb"), 11);
	kit_reopen(k);
	admit_new(100);
	ck_assert_int_eq(number("SELECT count(*) FROM platform WHERE"
				" on_demand = 1"),
	    10);
}
END_TEST

START_TEST(test_explain_a_platform)
{
	json_t *doc, *answer;

	ck_assert_int_eq(kit_explain(k, "ab"), ERR_OK);
	doc = json_loads(kit_text(k), 0, NULL);
	ck_assert(json_is_false(json_object_get(doc, "known")));
	json_decref(doc);
	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit_levels("AB", &raw[1], "ccc"), ERR_OK);
	ck_assert_int_eq(kit_explain(k, "ab,0000"), ERR_OK);
	doc = json_loads(kit_text(k), 0, NULL);
	ck_assert_ptr_ne(doc, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(doc, "qe_id")),
	    "AB");
	ck_assert_str_eq(json_string_value(json_object_get(doc, "fmspc")),
	    FMSPC);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "certificates")),
	    3);
	answer =
	    json_object_get(json_array_get(json_object_get(doc, "raw_tcbs"), 0),
		"answer");
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "status")),
	    200);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "how")),
	    "0C0C0303FFFF000000000000000000000D00");
	json_decref(doc);
	/* A platform is named in full only when it was the question. */
	ck_assert_int_eq(kit_status(k), ERR_OK);
	ck_assert_ptr_eq(strstr(kit_text(k), "\"AB\""), NULL);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pckcerts");
	TCase *t = tcase_create("pckcerts");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_an_answer_carries_what_the_client_needs);
	tcase_add_test(t, test_each_raw_tcb_gets_the_certificate_that_fits);
	tcase_add_test(t,
	    test_without_a_tcb_info_the_platform_is_kept_and_said_so);
	tcase_add_test(t, test_early_is_preferred_to_standard);
	tcase_add_test(t, test_the_same_levels_signed_again_change_nothing);
	tcase_add_test(t,
	    test_forged_certificates_are_refused_and_the_old_stay);
	tcase_add_test(t, test_a_foreign_chain_is_refused);
	tcase_add_test(t, test_a_revoked_certificate_is_not_served_any_more);
	tcase_add_test(t, test_choices_are_remembered_and_capped);
	tcase_add_test(t, test_a_remembered_choice_outlives_its_tcb_info);
	tcase_add_test(t, test_a_new_list_chooses_anew_for_every_raw_tcb);
	tcase_add_test(t, test_what_a_fetch_needs_is_kept);
	tcase_add_test(t, test_a_complete_list_is_asked_for_again_after_a_week);
	tcase_add_test(t,
	    test_a_certificate_below_its_level_is_asked_for_again_in_an_hour);
	tcase_add_test(t,
	    test_not_available_is_asked_for_again_ever_more_slowly);
	tcase_add_test(t,
	    test_all_not_available_is_said_and_keeps_what_was_held);
	tcase_add_test(t, test_req_mode_queues_what_is_not_available);
	tcase_add_test(t,
	    test_a_row_of_what_is_not_available_is_no_newer_manifest);
	tcase_add_test(t, test_metrics_tell_when_certificates_came);
	tcase_add_test(t, test_a_changed_row_is_refused_not_served);
	tcase_add_test(t, test_platforms_nobody_registered_are_capped_by_ppid);
	tcase_add_test(t, test_platforms_nobody_registered_are_capped_in_all);
	tcase_add_test(t, test_explain_a_platform);
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
