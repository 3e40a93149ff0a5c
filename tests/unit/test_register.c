/*
 * The registration queue, and that nothing acknowledged is ever lost.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "storage/store.h"
#include "tests/kit/storekit.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FMSPC "00906ED50000"

static struct kit kit;
static struct kit *k = &kit;

static void
setup(void)
{
	kit_init(k, "\"mode\":\"offline\"");
}

static void
teardown(void)
{
	kit_fini(k);
}

static const struct raw_tcb tcb = { { 14, 14, 3, 3, 255, 255, 1, 0 }, 13 };

static struct platform_ask
ask_tcb(const char *qe_id)
{
	struct platform_ask a = { .id = kit_platform_id(qe_id),
		.has_tcb = true,
		.tcb = tcb };
	char ppid[PPID_LEN];

	memset(ppid, 0xab, sizeof(ppid));
	a.enc_ppid = blob_new(ppid, sizeof(ppid));
	return a;
}

static struct platform_ask
ask_manifest(const char *qe_id, const char *manifest)
{
	struct platform_ask a = ask_tcb(qe_id);

	a.manifest = blob_from(span_str(manifest));
	return a;
}

static void
drop(struct platform_ask *a)
{
	blob_unref(a->enc_ppid);
	blob_unref(a->manifest);
}

static enum err
reg(struct platform_ask a)
{
	enum err e = kit_register(k, &a);

	drop(&a);
	return e;
}

static enum err
admit(const struct platform_ask *ask)
{
	struct pki_pck p = { .ca = PCK_CA_PROCESSOR,
		.fmspc = { 0x00, 0x90, 0x6e, 0xd5, 0x00, 0x00 },
		.pcesvn = tcb.pcesvn };
	struct blob *body, *chain;
	enum err e;

	memcpy(p.comp, tcb.cpusvn, sizeof(p.comp));
	body = pki_pckcerts(k->pki, 1, &p);
	chain = pki_chain_pem(k->pki, PKI_PROCESSOR_CA);
	e = kit_certs(k, ask, blob_span(body), blob_span(chain));
	blob_unref(body);
	blob_unref(chain);
	return e;
}

static void
done_fn(struct kit *kk, void *arg)
{
	storage_reg_done(kk->st, arg);
	kit_done(kk);
}

/* How many rows a listing gives. */
static size_t
listed(const char *source, bool peek)
{
	json_t *doc;
	size_t n;

	ck_assert_int_eq(kit_platforms(k, source, peek), ERR_OK);
	doc = json_loads(kit_text(k), 0, NULL);
	ck_assert(json_is_array(doc));
	n = json_array_size(doc);
	ck_assert_uint_eq(n, k->n);
	json_decref(doc);
	return n;
}

/* --- the queue -------------------------------------------------------- */

START_TEST(test_a_registration_is_handed_out_once)
{
	struct platform_ask a = ask_tcb("AB");
	json_t *doc, *row;
	char *ppid = xcalloc(1, 2 * PPID_LEN + 1);

	hex_upper(blob_span(a.enc_ppid), ppid);
	ck_assert_int_eq(reg(a), ERR_OK);
	ck_assert(!k->cached);
	ck_assert_uint_eq(listed("reg", true), 1);
	ck_assert_uint_eq(listed("reg", false), 1);
	doc = json_loads(kit_text(k), 0, NULL);
	row = json_array_get(doc, 0);
	ck_assert_uint_eq(json_object_size(row), 6);
	ck_assert_str_eq(json_string_value(json_object_get(row, "qe_id")),
	    "AB");
	ck_assert_str_eq(json_string_value(json_object_get(row, "pce_id")),
	    "0000");
	ck_assert_str_eq(json_string_value(json_object_get(row, "cpu_svn")),
	    "0E0E0303FFFF01000000000000000000");
	ck_assert_str_eq(json_string_value(json_object_get(row, "pce_svn")),
	    "0D00");
	ck_assert_str_eq(json_string_value(json_object_get(row, "enc_ppid")),
	    ppid);
	ck_assert_str_eq(json_string_value(
			     json_object_get(row, "platform_manifest")),
	    "");
	json_decref(doc);
	free(ppid);
	ck_assert_uint_eq(listed("reg", false), 0);
	ck_assert_str_eq(kit_text(k), "[]");
	/* It registers again before anything arrived: it is news again. */
	ck_assert_int_eq(reg(ask_tcb("AB")), ERR_OK);
	ck_assert_uint_eq(listed("reg", false), 1);
	kit_reopen(k);
	ck_assert_uint_eq(listed("reg", false), 0);
}
END_TEST

START_TEST(test_a_manifest_puts_the_raw_tcb_aside)
{
	json_t *doc, *row;

	ck_assert_int_eq(reg(ask_manifest("AB", "MMMM")), ERR_OK);
	ck_assert_uint_eq(listed("reg", false), 1);
	doc = json_loads(kit_text(k), 0, NULL);
	row = json_array_get(doc, 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "cpu_svn")),
	    "");
	ck_assert_str_eq(json_string_value(json_object_get(row, "enc_ppid")),
	    "");
	ck_assert_str_eq(json_string_value(
			     json_object_get(row, "platform_manifest")),
	    "4D4D4D4D");
	json_decref(doc);
}
END_TEST

START_TEST(test_neither_manifest_nor_raw_tcb_is_an_error)
{
	struct platform_ask a = ask_tcb("AB");

	a.has_tcb = false;
	ck_assert_int_eq(reg(a), ERR_PARAM);
	ck_assert_uint_eq(listed("reg", true), 0);
}
END_TEST

START_TEST(test_rows_of_one_platform_are_told_apart_by_raw_tcb)
{
	struct platform_ask a = ask_tcb("AB"), b = ask_tcb("AB");

	b.tcb.pcesvn = 14;
	ck_assert_int_eq(reg(a), ERR_OK);
	ck_assert_int_eq(reg(b), ERR_OK);
	ck_assert_int_eq(reg(ask_tcb("AB")), ERR_OK);
	ck_assert_uint_eq(listed("reg", true), 2);
}
END_TEST

START_TEST(test_any_characters_in_a_qe_id_make_valid_json)
{
	static const char *const ids[] = { "\"QUOTE\"", "BACK\\SLASH",
		"\x01\x1f CONTROL", "\xc3\xa4 UTF-8", "\xff\xfe NOT UTF-8",
		"</script>", "{}[],:" };
	json_t *doc;
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		ck_assert_int_eq(reg(ask_tcb(ids[i])), ERR_OK);
	ck_assert_uint_eq(listed("reg", true), i);
	doc = json_loads(kit_text(k), 0, NULL);
	for (i = 0; i < 4; i++)
		ck_assert_str_eq(json_string_value(
				     json_object_get(json_array_get(doc, i),
					 "qe_id")),
		    ids[i]);
	json_decref(doc);
}
END_TEST

/* --- cached or not ---------------------------------------------------- */

START_TEST(test_a_platform_with_its_certificate_needs_nothing)
{
	struct platform_ask a = ask_tcb("AB");

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit(&a), ERR_OK);
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	ck_assert(k->cached);
	ck_assert_uint_eq(listed("reg", true), 0);
	/* Another raw TCB is something else. */
	a.tcb.pcesvn++;
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	ck_assert(!k->cached);
	drop(&a);
}
END_TEST

START_TEST(test_a_manifest_is_compared_by_bytes)
{
	struct platform_ask a = ask_manifest("AB", "MMMM");

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit(&a), ERR_OK);
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	ck_assert(k->cached);
	drop(&a);
	ck_assert_int_eq(reg(ask_manifest("AB", "MMMN")), ERR_OK);
	ck_assert(!k->cached);
	ck_assert_uint_eq(listed("reg", true), 1);
}
END_TEST

START_TEST(test_a_row_leaves_when_its_platform_is_stored)
{
	struct platform_ask a = ask_tcb("AB");

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	/* Nothing stored: said too early, the row stays. */
	kit_wait(k, done_fn, &a);
	ck_assert_uint_eq(listed("reg", true), 1);
	ck_assert_int_eq(admit(&a), ERR_OK);
	kit_wait(k, done_fn, &a);
	ck_assert_uint_eq(listed("reg", true), 0);
	drop(&a);
	/* A newer manifest than the stored one is not answered by it. */
	a = ask_manifest("AB", "NEW");
	ck_assert_int_eq(kit_register(k, &a), ERR_OK);
	kit_wait(k, done_fn, &a);
	ck_assert_uint_eq(listed("reg", true), 1);
	drop(&a);
}
END_TEST

START_TEST(test_the_queue_knows_what_a_fetch_needs)
{
	struct platform_id id = kit_platform_id("AB");

	ck_assert_int_eq(reg(ask_manifest("AB", "MMMM")), ERR_OK);
	ck_assert_int_eq(kit_ask(k, &id), ERR_OK);
	ck_assert(span_eq_str(blob_span(k->ask.manifest), "MMMM"));
	ck_assert_ptr_eq(k->ask.enc_ppid, NULL);
}
END_TEST

/* --- cached platforms ------------------------------------------------- */

START_TEST(test_cached_platforms_are_listed_by_fmspc)
{
	struct platform_ask a = ask_tcb("AB"), b = ask_manifest("CD", "MM");

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit(&a), ERR_OK);
	b.has_tcb = false;
	ck_assert_int_eq(admit(&b), ERR_OK);
	drop(&a);
	drop(&b);
	ck_assert_uint_eq(listed("[]", false), 2);
	ck_assert_uint_eq(listed("[]", false), 2);
	ck_assert_uint_eq(listed("[00906ED50000]", false), 2);
	ck_assert_ptr_ne(strstr(kit_text(k), "\"platform_manifest\":\"4D4D\""),
	    NULL);
	ck_assert_uint_eq(listed("[00606A000000,00906ed50000]", false), 2);
	ck_assert_uint_eq(listed("[00606A000000]", false), 0);
	ck_assert_int_eq(kit_platforms(k, "[00606A00000]", false), ERR_PARAM);
	ck_assert_int_eq(kit_platforms(k, "[", false), ERR_PARAM);
	ck_assert_int_eq(kit_platforms(k, "", false), ERR_PARAM);
	ck_assert_int_eq(kit_platforms(k, "other", false), ERR_PARAM);
}
END_TEST

/* An FMSPC that none of ours wrote: as if none were known. */
START_TEST(test_a_row_of_no_fmspc_makes_no_key)
{
	struct platform_ask a = ask_tcb("AB");
	sqlite3 *db;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	ck_assert_int_eq(admit(&a), ERR_OK);
	drop(&a);
	ck_assert_int_eq(kit_sync(k), ERR_OK);
	kit_close(k);
	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db,
			     "UPDATE platform SET fmspc = 'no-hex-at-all'",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	ck_assert_int_eq(sqlite3_changes(db), 1);
	must(sqlite3_close(db) == SQLITE_OK);
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_int_eq(kit_explain(k, "AB,0000"), ERR_OK);
	ck_assert_ptr_nonnull(strstr(kit_text(k), "\"fmspc\": \"\""));
	/* What its certificates say is another matter. */
	a = ask_tcb("AB");
	ck_assert_int_eq(kit_pck(k, &a.id, &tcb), ERR_OK);
	drop(&a);
}
END_TEST

struct asks {
	struct kit *k;
	size_t n, pages;
	char *fmspc[2];
	size_t n_fmspc;
};

static void
on_asks(void *arg, enum err e, const struct why *why,
    const struct platform_ask *v, size_t n, bool more)
{
	struct asks *a = arg;

	(void)why;
	(void)v;
	ck_assert_int_eq(e, ERR_OK);
	a->n += n;
	a->pages++;
	if (!more)
		kit_done(a->k);
}

static void
asks_fn(struct kit *kk, void *arg)
{
	struct asks *a = arg;

	storage_platform_asks(kk->st, a->fmspc, a->n_fmspc, on_asks, a);
}

START_TEST(test_platforms_to_refresh_come_page_by_page)
{
	struct asks all = { .k = k }, some = { .k = k,
		.fmspc = { "00606a000000", "00906ed50000" },
		.n_fmspc = 2 };
	struct platform_ask a;
	char id[16];
	int i;

	kit_tcbinfo(k, TEE_SGX, FMSPC, UPDATE_STANDARD);
	for (i = 0; i < 600; i++) {
		snprintf(id, sizeof(id), "P%d", i);
		a = ask_tcb(id);
		ck_assert_int_eq(admit(&a), ERR_OK);
		drop(&a);
	}
	kit_wait(k, asks_fn, &all);
	ck_assert_uint_eq(all.n, 600);
	ck_assert_uint_ge(all.pages, 3);
	kit_wait(k, asks_fn, &some);
	ck_assert_uint_eq(some.n, 600);
}
END_TEST

/* --- kill -9 ---------------------------------------------------------- */

/* A registration the child was told is on disk. */
static void
on_acked(void *arg, enum err e, const struct why *why, bool cached)
{
	unsigned char n[4];
	uint32_t i = (uint32_t)(uintptr_t)arg;

	(void)why;
	(void)cached;
	if (e != ERR_OK)
		_exit(3);
	memcpy(n, &i, sizeof(n));
	if (write(STDOUT_FILENO, n, sizeof(n)) != sizeof(n))
		_exit(4);
}

static uint32_t flood_from;

/* Bursts of registrations without an end, and objects in between. */
static void
flood_fn(struct kit *kk, void *arg)
{
	struct timer *t = arg;
	struct platform_ask a;
	char id[16];
	int i;

	for (i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "P%u", flood_from);
		a = ask_tcb(id);
		storage_register(kk->st, &a, on_acked,
		    (void *)(uintptr_t)flood_from);
		flood_from++;
		drop(&a);
	}
	timer_set(t, 1);
}

static void
flood_timer(void *arg)
{
	struct timer **t = arg;

	flood_fn(k, *t);
}

_Noreturn static void
child(int out, uint32_t from)
{
	static struct timer *t;

	dup2(out, STDOUT_FILENO);
	/* Threads did not survive the fork: everything is made anew. */
	k->loop = loop_new("child");
	k->snap = NULL;
	if (storage_open(k->config, &k->st, &k->why) != ERR_OK)
		_exit(2);
	flood_from = from;
	t = timer_new(k->loop, flood_timer, &t);
	timer_set(t, 0);
	loop_run(k->loop);
	_exit(1);
}

/* Read what was acknowledged until "stop" of them, then kill -9. */
static uint32_t
run_and_kill(uint32_t from, uint32_t stop)
{
	uint32_t n = 0, i, max = 0;
	int p[2], status;
	pid_t pid;

	must(pipe(p) == 0);
	fflush(NULL);
	if ((pid = fork()) == 0) {
		close(p[0]);
		child(p[1], from);
	}
	close(p[1]);
	while (n < stop && read(p[0], &i, sizeof(i)) == sizeof(i)) {
		ck_assert_uint_eq(i, from + n);
		n++;
		max = i + 1;
	}
	kill(pid, SIGKILL);
	/* What was acknowledged up to the end counts, too. */
	while (read(p[0], &i, sizeof(i)) == sizeof(i))
		max = i + 1;
	close(p[0]);
	waitpid(pid, &status, 0);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "the child ended by itself: %d", status);
	ck_assert_uint_ge(n, stop);
	return max;
}

static void
database_holds(uint32_t n)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;

	must(sqlite3_open(k->db, &db) == SQLITE_OK);
	must(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt,
		 NULL) == SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	must(sqlite3_prepare_v2(db,
		 "SELECT count(*) FROM registration WHERE"
		 " CAST(substr(qe_id, 2) AS INTEGER) < ?1",
		 -1, &stmt, NULL) == SQLITE_OK);
	sqlite3_bind_int64(stmt, 1, n);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	ck_assert_uint_eq((uint32_t)sqlite3_column_int64(stmt, 0), n);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

START_TEST(test_no_acknowledged_registration_is_lost_by_kill_9)
{
	static const uint32_t stops[] = { 1, 2, 7, 50, 51, 99, 130, 200 };
	uint32_t next = 0;
	size_t i;

	kit_close(k);
	for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		next = run_and_kill(next, stops[i]);
		database_holds(next);
	}
	ck_assert_int_eq(kit_open(k), ERR_OK);
	ck_assert_uint_ge(listed("reg", true), next);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("register");
	TCase *t = tcase_create("register");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_registration_is_handed_out_once);
	tcase_add_test(t, test_a_manifest_puts_the_raw_tcb_aside);
	tcase_add_test(t, test_neither_manifest_nor_raw_tcb_is_an_error);
	tcase_add_test(t, test_rows_of_one_platform_are_told_apart_by_raw_tcb);
	tcase_add_test(t, test_any_characters_in_a_qe_id_make_valid_json);
	tcase_add_test(t, test_a_platform_with_its_certificate_needs_nothing);
	tcase_add_test(t, test_a_manifest_is_compared_by_bytes);
	tcase_add_test(t, test_a_row_leaves_when_its_platform_is_stored);
	tcase_add_test(t, test_the_queue_knows_what_a_fetch_needs);
	tcase_add_test(t, test_cached_platforms_are_listed_by_fmspc);
	tcase_add_test(t, test_a_row_of_no_fmspc_makes_no_key);
	tcase_add_test(t, test_platforms_to_refresh_come_page_by_page);
	tcase_add_test(t, test_no_acknowledged_registration_is_lost_by_kill_9);
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
