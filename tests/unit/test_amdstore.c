/*
 * AMD's collateral in storage: what passes the gate, what never does, what is
 * served how long, and what a revocation takes away (amd-kds 5 to 7).
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/storekit_amd.h"

#include <check.h>
#include <jansson.h>
#include <sqlite3.h>
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

/* A product with its chain and its list, and a VCEK of it. */
static struct pki_vek
milan(void)
{
	struct pki_vek spec = kit_vcek_spec(AMD_MILAN, 1, 219);

	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	kit_amd_crl_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	return spec;
}

static bool
cached(const struct pki_vek *spec)
{
	struct coll_key key = kit_vek_key(spec);
	struct coll *c = storage_vek_cached(kit.st, &key);

	coll_unref(c);
	return c != NULL;
}

static enum err
vek(const struct pki_vek *spec)
{
	struct coll_key key = kit_vek_key(spec);

	return kit_vek(&kit, &key);
}

/* One statement on the closed database. */
static void
sql(const char *text)
{
	sqlite3 *db;

	must(sqlite3_open(kit.db, &db) == SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_gt(sqlite3_changes(db), 0);
	must(sqlite3_close(db) == SQLITE_OK);
}

static bool
held(struct coll_key key)
{
	return kit_held(&kit, &key) != NULL;
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
	ck_assert(cached(&spec));
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
	sql("UPDATE vek SET who = x'0041' WHERE who = CAST('CN=another' AS "
	    "BLOB)");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert_int_eq(kit_vlek(&kit, AMD_MILAN, tcb), ERR_OK);
	ck_assert_str_eq(kit.coll->key.csp_id, "CN=cc-test.example.com");
}
END_TEST

/* amd-kds 3.5 */
START_TEST(test_another_issue_of_a_vcek_replaces_it)
{
	struct pki_vek spec = milan();
	struct blob *first = blob_ref(kit.coll->body);

	spec.not_before = pki_amd_now(kit.amd) + 100;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(!span_eq(blob_span(first), blob_span(kit.coll->body)));
	blob_unref(first);
	first = blob_ref(kit.coll->body);
	kit_reopen(&kit);
	ck_assert_int_eq(vek(&spec), ERR_OK);
	ck_assert(span_eq(blob_span(first), blob_span(kit.coll->body)));
	blob_unref(first);
}
END_TEST

/* Clocks differ: a fetched VCEK may begin up to 5 minutes ahead. */
START_TEST(test_not_before_may_lie_five_minutes_ahead)
{
	struct pki_vek spec = milan();

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
		ck_assert(!cached(&spec));
		ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
	}
	spec.lie = AMD_HONEST;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	spec.lie = AMD_WRAPPED_HWID;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(cached(&spec));
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
			ck_assert_int_eq(held(key_amd_chain(spec.product,
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
		ck_assert_int_eq(held(key_amd_crl(AMD_MILAN, AMD_VLEK)), kept);
	}
	/* A list of serial 0 is not about VEKs (amd-kds 5). */
	milan();
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

	milan();
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
	ck_assert(held(keys[0]));
	ck_assert(held(keys[1]));
	ck_assert(cached(&spec));
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
	struct pki_vek spec = milan();

	kit_close(&kit);
	kit.amd_genuine = true;
	kit_config(&kit, "");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	/* None of it is AMD's. */
	ck_assert_int_eq(kit_amd_chain(&kit, &genoa), ERR_ROOT);
	ck_assert(!held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(vek(&spec), ERR_NO_CHAIN);
	/* The anchors are to blame, and they may come back. */
	kit_close(&kit);
	kit.amd_genuine = false;
	kit_config(&kit, "");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert(held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(held(key_amd_crl(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(vek(&spec), ERR_OK);
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
	struct pki_vek spec = milan();

	ck_assert(cached(&spec));
	kit.amd_genuine = true;
	kit_config(&kit, "");
	kit_wait(&kit, reload_fn, NULL);
	kit_sync(&kit);
	ck_assert(!cached(&spec));
	ck_assert(!held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(vek(&spec), ERR_NO_CHAIN);
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
	struct pki_vek spec = milan(), old = spec;
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

/* --- revocation ------------------------------------------------------- */

/* All that is below the ASK of Milan is gone; Genoa's is untouched. */
static void
gone(const struct pki_vek *spec, const struct pki_vek *genoa)
{
	struct pki_amd_chain chain = { .product = AMD_MILAN };

	ck_assert(!held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(held(key_amd_chain(AMD_GENOA, AMD_VCEK)));
	ck_assert(!cached(spec));
	ck_assert_int_eq(vek(spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_veks(&kit, span_of(spec->hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 0);
	ck_assert_int_eq(vek(genoa), ERR_OK);
	ck_assert_int_eq(kit_amd_vek(&kit, spec), ERR_NO_CHAIN);
	/* It does not come back. */
	ck_assert_int_eq(kit_amd_chain(&kit, &chain), ERR_REVOKED);
	ck_assert(!held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
}

/* amd-kds 10.8; either list of the product will do (amd-kds 5). */
START_TEST(test_a_listed_ask_takes_its_answers_away_for_good)
{
	const uint32_t serial = pki_amd_serial(AMD_MILAN, PKI_ASK);
	struct pki_amd_crl crl = { .product = AMD_MILAN,
		.side = _i == 0 ? AMD_VCEK : AMD_VLEK,
		.number = 10,
		.n_revoked = 1,
		.revoked = &serial };
	struct pki_vek spec = milan(), genoa = kit_vcek_spec(AMD_GENOA, 3, 84);
	struct pki_amd_chain next = { .product = AMD_MILAN, .next = true };

	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &genoa), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert(cached(&spec));

	ck_assert_int_eq(kit_amd_crl(&kit, &crl), ERR_OK);
	gone(&spec, &genoa);
	kit_reopen(&kit);
	gone(&spec, &genoa);
	/* Not even when the list has ended. */
	kit_clock(&kit, 60 * DAY);
	gone(&spec, &genoa);
	kit_reopen(&kit);
	gone(&spec, &genoa);
	kit_clock(&kit, 0);

	/* The next ASK begins anew. */
	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
	spec.next = true;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(cached(&spec));
}
END_TEST

/* The list is on disk and the end of the chain is not: as if killed there. */
START_TEST(test_a_revoked_chain_on_disk_does_not_load)
{
	const uint32_t serial = pki_amd_serial(AMD_MILAN, PKI_ASK);
	struct pki_amd_crl crl = { .product = AMD_MILAN,
		.number = 10,
		.n_revoked = 1,
		.revoked = &serial };
	struct pki_vek spec = milan();

	ck_assert_int_eq(kit_amd_crl(&kit, &crl), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	sql("UPDATE object SET is_current = 1 WHERE kind = 'amdchain'");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	ck_assert(!held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
}
END_TEST

/* Keys below the ASK that went before do not verify under the next one. */
START_TEST(test_a_new_ask_leaves_the_old_ones_keys_behind)
{
	struct pki_amd_chain next = { .product = AMD_MILAN, .next = true };
	struct pki_vek spec = milan();

	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert(!cached(&spec));
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
	spec.next = true;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert(cached(&spec));
	/* The same chain again takes nothing away. */
	ck_assert_int_eq(kit_amd_chain(&kit, &next), ERR_OK);
	ck_assert(cached(&spec));
}
END_TEST

/* --- time ------------------------------------------------------------- */

static enum fresh_state
state_at(const struct coll *c, int64_t day)
{
	return fresh_state(c, 365 * DAY, pki_amd_now(kit.amd) + day * DAY);
}

/* amd-kds 7, 10.7 */
START_TEST(test_a_crl_ends_at_its_next_update)
{
	struct coll_key key = key_amd_crl(AMD_MILAN, AMD_VCEK);
	struct coll *c;
	time_t end;

	milan();
	c = kit_held(&kit, &key);
	end = c->next_update;
	ck_assert_int_eq(fresh_state(c, 365 * DAY, end - 1), FRESH_DUE);
	ck_assert_int_eq(fresh_state(c, 365 * DAY, end), FRESH_GONE);
	ck_assert_int_eq(fresh_max_age(c, end - 100), 100);
	ck_assert_int_eq(fresh_max_age(c, end), 0);
	ck_assert_int_eq(fresh_max_age(c, c->fetched_at), 3600);
	ck_assert_int_eq(state_at(c, 0), FRESH_NEW);
	ck_assert_int_eq(state_at(c, 2), FRESH_DUE);
	ck_assert_int_eq(fresh_due_at(c, 0), c->fetched_at + DAY);
	/* It goes on being the newest that is known. */
	kit_clock(&kit, 60 * DAY);
	kit_reopen(&kit);
	c = kit_held(&kit, &key);
	ck_assert_ptr_ne(c, NULL);
	ck_assert_int_eq(fresh_state(c, 365 * DAY, clock_now()), FRESH_GONE);
}
END_TEST

START_TEST(test_a_crl_is_asked_for_hourly_in_its_last_three_days)
{
	struct coll c = { .key = key_amd_crl(AMD_MILAN, AMD_VCEK),
		.fetched_at = 1000000 };

	c.next_update = c.fetched_at + 3 * DAY - 1;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 3600);
	c.next_update = c.fetched_at + 1800;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 900);
	c.next_update = c.fetched_at + 3 * DAY + 7200;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + 7200);
	c.next_update = c.fetched_at + 30 * DAY;
	ck_assert_int_eq(fresh_due_at(&c, 0), c.fetched_at + DAY);
}
END_TEST

START_TEST(test_keys_and_chains_live_as_long_as_their_certificates)
{
	struct pki_vek spec = milan();
	struct coll *c = coll_ref(kit.coll), *chain;
	struct coll_key key = key_amd_chain(AMD_MILAN, AMD_VCEK);
	int64_t end = (c->next_update - c->fetched_at) / DAY;

	ck_assert_int_ge(end, 7 * 365 - 1);
	ck_assert_int_eq(state_at(c, end - 91), FRESH_NEW);
	ck_assert_int_eq(state_at(c, end - 89), FRESH_DUE);
	ck_assert_int_eq(state_at(c, end - 29), FRESH_STALE);
	ck_assert_int_eq(state_at(c, end + 1), FRESH_GONE);
	ck_assert_int_eq(fresh_max_age(c, c->fetched_at), 86400);
	coll_unref(c);
	chain = kit_held(&kit, &key);
	ck_assert_int_eq(state_at(chain, 6), FRESH_NEW);
	ck_assert_int_eq(state_at(chain, 8), FRESH_DUE);
	ck_assert_int_eq(state_at(chain, 20 * 365), FRESH_DUE);
	ck_assert_int_eq(state_at(chain, 24 * 365), FRESH_GONE);
	/* What has ended is no longer found. */
	kit_clock(&kit, (end + 1) * DAY);
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_veks(&kit, span_of(spec.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 0);
}
END_TEST

START_TEST(test_a_vlek_is_stale_in_its_last_two_weeks)
{
	struct pki_vek spec = { .product = AMD_GENOA, .side = AMD_VLEK };
	int64_t end;

	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VLEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	end = (kit.coll->next_update - kit.coll->fetched_at) / DAY;
	ck_assert_int_eq(state_at(kit.coll, end - 15), FRESH_NEW);
	ck_assert_int_eq(state_at(kit.coll, end - 13), FRESH_STALE);
	ck_assert_int_eq(state_at(kit.coll, end + 1), FRESH_GONE);
}
END_TEST

/* --- keeping ---------------------------------------------------------- */

START_TEST(test_all_of_it_survives_a_restart)
{
	struct pki_vek spec = milan();
	struct blob *body = blob_ref(kit.coll->body);

	kit_reopen(&kit);
	ck_assert(held(key_amd_chain(AMD_MILAN, AMD_VCEK)));
	ck_assert(held(key_amd_crl(AMD_MILAN, AMD_VCEK)));
	/* Not read at the start: by the first who asks. */
	ck_assert(!cached(&spec));
	ck_assert_int_eq(vek(&spec), ERR_OK);
	ck_assert(span_eq(blob_span(kit.coll->body), blob_span(body)));
	ck_assert(cached(&spec));
	blob_unref(body);
}
END_TEST

/* amd-kds 6.4: once a day. */
START_TEST(test_what_is_in_memory_passes_the_gate_again_after_a_day)
{
	struct pki_vek spec = milan();

	kit_clock(&kit, DAY - 60);
	ck_assert(cached(&spec));
	kit_clock(&kit, DAY + 60);
	ck_assert(!cached(&spec));
	ck_assert_int_eq(vek(&spec), ERR_OK);
	ck_assert(cached(&spec));
}
END_TEST

/* amd-kds 6.4, for what is held: the row of a chain that no longer verifies
 * would not load, and in memory it is looked at daily. */
START_TEST(test_chains_and_lists_pass_the_gate_again_every_day)
{
	struct coll_key key = key_amd_chain(AMD_MILAN, AMD_VCEK);
	struct coll *before;

	milan();
	before = coll_ref(kit_held(&kit, &key));
	kit_clock(&kit, DAY - 60);
	kit_tick(&kit);
	ck_assert_ptr_eq(kit_held(&kit, &key), before);
	kit_clock(&kit, DAY + 60);
	kit_tick(&kit);
	ck_assert_ptr_ne(kit_held(&kit, &key), before);
	ck_assert(span_eq(blob_span(kit_held(&kit, &key)->body),
	    blob_span(before->body)));
	ck_assert_int_eq(kit_held(&kit, &key)->fetched_at, before->fetched_at);
	coll_unref(before);
}
END_TEST

static int64_t
number(const char *text)
{
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	must(sqlite3_open(kit.db, &db) == SQLITE_OK);
	must(sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK);
	must(sqlite3_step(stmt) == SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	must(sqlite3_close(db) == SQLITE_OK);
	return n;
}

START_TEST(test_what_has_ended_leaves_the_database)
{
	struct pki_vek spec = milan();

	spec.spl.ucode = 220;
	spec.not_after = pki_amd_now(kit.amd) + DAY;
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM vek"), 2);
	kit_clock(&kit, 2 * DAY);
	kit_tick(&kit);
	ck_assert_int_eq(number("SELECT count(*) FROM vek"), 1);
}
END_TEST

/* The least recently used goes first, so use is remembered, by the hour. */
START_TEST(test_use_is_remembered)
{
	struct pki_vek spec = milan();
	int64_t first, second;
	int i;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	first = number("SELECT used_at FROM vek");
	kit_clock(&kit, 7200);
	ck_assert(cached(&spec));
	for (i = 0; i < 6; i++) /* once a minute */
		kit_tick(&kit);
	second = number("SELECT used_at FROM vek");
	ck_assert_int_ge(second - first, 7200 * 1000 - 60000);
	/* Likewise when it is read from there. */
	kit_clock(&kit, 4 * 7200);
	kit_reopen(&kit);
	ck_assert_int_eq(vek(&spec), ERR_OK);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_ge(number("SELECT used_at FROM vek") - second,
	    3 * 7200 * 1000 - 60000);
}
END_TEST

/* A byte of a row changed behind our back. */
START_TEST(test_a_tampered_row_is_not_served)
{
	static const char *const changes[] = {
		"UPDATE vek SET body = substr(body, 1, 1300) || x'00'",
		"UPDATE vek SET sha256 = zeroblob(32)",
		"UPDATE vek SET tcb = '0000000000000000'",
	};
	struct pki_vek spec = milan();

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	sql(changes[_i]);
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	if (_i == 2)
		spec.spl = (struct amd_spl){ 0 };
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
	ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	ck_assert_int_eq(vek(&spec), ERR_OK);
}
END_TEST

/* amd-kds 2.6: a flood of TCBs does not push out the one in use. */
/* Whoever makes AMD sign one TCB after the other for a chip that he knows does
 * not take away what the chip's guests are given. */
START_TEST(test_the_tcb_of_a_row_of_hosts_outlives_a_flood)
{
	struct pki_vek own = kit_vcek_spec(AMD_MILAN, 1, 0), spec = own;
	char hex[2 * AMD_HWID_MAX + 1], tcb[17], *settings;
	unsigned i;

	hex_lower(span_of(own.hwid, AMD_HWID_MAX), hex);
	amd_tcb_write(amd_tcb_of(AMD_MILAN, own.spl), tcb);
	ck_assert_int_gt(
	    asprintf(&settings,
		"\"cache\":{\"tcbs_per_chip\":4},\"hosts\":[{\"match\":"
		"[\"10.0.0.1\"],\"product\":\"Milan\",\"chip_id\":[\"%s\"],"
		"\"tcb\":\"%s\"}]",
		hex, tcb),
	    0);
	kit_close(&kit);
	kit_config(&kit, settings);
	free(settings);
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		kit_clock(&kit, 10 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	}
	ck_assert_int_eq(kit_veks(&kit, span_of(own.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 4);
	ck_assert_int_eq(kit.veks[0].tcb.b[7], 11);
	ck_assert_int_eq(vek(&own), ERR_OK);
	/* any other of the first is gone */
	spec.spl.ucode = 1;
	ck_assert_int_eq(vek(&spec), ERR_NOT_CACHED);
}
END_TEST

START_TEST(test_a_chip_keeps_so_many_tcbs_and_the_used_one)
{
	struct pki_vek used = kit_vcek_spec(AMD_MILAN, 1, 0), spec = used;
	struct pki_vek other = kit_vcek_spec(AMD_MILAN, 2, 0);
	unsigned i, found = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"tcbs_per_chip\":4}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &other), ERR_OK);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		kit_clock(&kit, 10 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
		kit_clock(&kit, 10 * (int64_t)i + 5);
		ck_assert(cached(&used));
	}
	ck_assert_int_eq(kit_veks(&kit, span_of(used.hwid, AMD_HWID_MAX)),
	    ERR_OK);
	ck_assert_uint_eq(kit.n, 4);
	/* The newest TCB stands first. */
	ck_assert_int_eq(kit.veks[0].tcb.b[7], 11);
	ck_assert_int_eq(kit.veks[3].tcb.b[7], 0);
	ck_assert_int_eq(kit.veks[0].product, AMD_MILAN);
	for (i = 0; i < 12; i++) {
		spec.spl.ucode = (uint8_t)i;
		found += vek(&spec) == ERR_OK;
	}
	ck_assert_uint_eq(found, 4);
	ck_assert_int_eq(vek(&used), ERR_OK);
	ck_assert_int_eq(vek(&other), ERR_OK);
}
END_TEST

/* Chips are as many as AMD has made; what is kept of them is not. */
START_TEST(test_vceks_are_so_many_in_all_and_the_used_ones)
{
	struct pki_vek used = kit_vcek_spec(AMD_MILAN, 1, 0), spec;
	unsigned i, found = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"vceks\":6}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_MILAN, AMD_VCEK);
	ck_assert_int_eq(kit_amd_vek(&kit, &used), ERR_OK);
	for (i = 2; i < 20; i++) {
		spec = kit_vcek_spec(AMD_MILAN, i, 0);
		/* When it was used last is kept to the hour. */
		kit_clock(&kit, 4000 * (int64_t)i);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
		ck_assert_int_eq(kit_sync(&kit), ERR_OK);
		kit_reopen(&kit);
		ck_assert_int_eq(vek(&used), ERR_OK);
	}
	for (i = 2; i < 20; i++) {
		spec = kit_vcek_spec(AMD_MILAN, i, 0);
		found += vek(&spec) == ERR_OK;
	}
	ck_assert_uint_eq(found, 5);
	ck_assert_int_eq(vek(&used), ERR_OK);
}
END_TEST

/* Memory is bounded; what left it is read again. */
START_TEST(test_memory_is_bounded)
{
	struct pki_vek spec;
	unsigned i, in_memory = 0;

	kit_close(&kit);
	kit_config(&kit, "\"cache\":{\"vek_bytes\":1048576}");
	ck_assert_int_eq(kit_open(&kit), ERR_OK);
	kit_amd_chain_ok(&kit, AMD_GENOA, AMD_VCEK);
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		ck_assert_int_eq(kit_amd_vek(&kit, &spec), ERR_OK);
	}
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		in_memory += cached(&spec);
	}
	ck_assert_uint_gt(in_memory, 16);
	ck_assert_uint_lt(in_memory, 60);
	for (i = 0; i < 80; i++) {
		spec = kit_vcek_spec(AMD_GENOA, i, 84);
		ck_assert_int_eq(vek(&spec), ERR_OK);
	}
}
END_TEST

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
	struct pki_vek spec = milan(), bad = kit_vcek_spec(AMD_MILAN, 9, 219);
	const json_t *veks;
	json_t *doc;

	bad.lie = AMD_BAD_SIGNATURE;
	ck_assert_int_eq(kit_amd_vek(&kit, &bad), ERR_BADSIG);
	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert(cached(&spec));
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
	struct pki_vek spec = milan();
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
	struct pki_vek spec = milan();
	struct buf b = BUF_INIT;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	ck_assert_int_eq(kit_status(&kit), ERR_OK); /* which counts */
	ck_assert(cached(&spec));
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
	struct pki_vek spec = milan();
	struct coll_key key = kit_vek_key(&spec);
	json_t *doc;

	ck_assert_int_eq(kit_sync(&kit), ERR_OK);
	kit_close(&kit);
	sql("UPDATE vek SET body = zeroblob(1000)");
	sql("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c"
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

static Suite *
suite(void)
{
	Suite *s = suite_create("amdstore");
	TCase *t = tcase_create("amdstore");

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
	tcase_add_loop_test(t,
	    test_a_listed_ask_takes_its_answers_away_for_good, 0, 2);
	tcase_add_test(t, test_a_revoked_chain_on_disk_does_not_load);
	tcase_add_test(t, test_a_new_ask_leaves_the_old_ones_keys_behind);
	tcase_add_test(t, test_a_crl_ends_at_its_next_update);
	tcase_add_test(t,
	    test_a_crl_is_asked_for_hourly_in_its_last_three_days);
	tcase_add_test(t,
	    test_keys_and_chains_live_as_long_as_their_certificates);
	tcase_add_test(t, test_a_vlek_is_stale_in_its_last_two_weeks);
	tcase_add_test(t, test_all_of_it_survives_a_restart);
	tcase_add_test(t,
	    test_what_is_in_memory_passes_the_gate_again_after_a_day);
	tcase_add_test(t, test_chains_and_lists_pass_the_gate_again_every_day);
	tcase_add_test(t, test_what_has_ended_leaves_the_database);
	tcase_add_test(t, test_use_is_remembered);
	tcase_add_loop_test(t, test_a_tampered_row_is_not_served, 0, 3);
	tcase_add_test(t, test_a_chip_keeps_so_many_tcbs_and_the_used_one);
	tcase_add_test(t, test_the_tcb_of_a_row_of_hosts_outlives_a_flood);
	tcase_add_test(t, test_vceks_are_so_many_in_all_and_the_used_ones);
	tcase_add_test(t, test_memory_is_bounded);
	tcase_add_test(t, test_a_start_looks_at_no_key);
	tcase_add_test(t, test_status_counts_keys_and_names_no_chip);
	tcase_add_test(t, test_status_says_when_vleks_end);
	tcase_add_test(t, test_explain_says_how_a_key_would_be_answered);
	tcase_add_test(t, test_explain_lists_what_is_held_for_a_chip);
	tcase_add_test(t, test_metrics_count_keys_without_chips);
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
