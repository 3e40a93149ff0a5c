/*
 * The operator's commands against a running larderd and a simulated Intel.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/quote.h"
#include "tests/kit/run.h"
#include "tests/sim/sim.h"
#include "upstream/fetch.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* sha512 of "secret" */
#define SECRET_HASH                                                            \
	"bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"     \
	"2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"
#define FMSPC   "00606A000000"
#define TCB     "/sgx/certification/v4/tcb?fmspc=" FMSPC
#define TCB_KEY "tcb/sgx/4/" FMSPC "/standard"

static struct sim *sim;
static struct daemon_run daemon_;

static const char *
config(const char *name, const char *mode, const char *listen)
{
	static char text[4096];

	snprintf(text, sizeof(text),
	    "{\"mode\": \"%s\", \"database\": \"sqlite:%s/%s-%d.db\",\n"
	    "\"listen\": [{\"address\": \"127.0.0.1:0\","
	    " \"serve\": [\"pccs\", \"ops\", \"admin\"]}%s],\n"
	    "\"upstream\": {\"pcs\": {\"urls\": [\"%s\"],"
	    " \"root_crl_urls\": [\"%s\"]}},\n"
	    "\"trust\": {\"intel_root_spki_sha256\": [\"%s\"]},\n"
	    "\"tokens\": {\"admin_sha512\": [\"%s\"],"
	    " \"user_sha512\": [\"%s\"]}}",
	    mode, run_dir(), name, (int)getpid(), listen, sim_url(sim),
	    sim_root_url(sim), pki_root_spki_hex(sim_pki(sim)), SECRET_HASH,
	    SECRET_HASH);
	return text;
}

static void
use(const struct daemon_run *d)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", d->port[0]);
	setenv("LARDER_SERVER", url, 1);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(sim = sim_start(NULL));
	ck_assert(
	    daemon_run_start("larder", config("larder", "lazy", ""), &daemon_));
	use(&daemon_);
	setenv("LARDER_ADMIN_TOKEN", "secret", 1);
}

static void
teardown(void)
{
	ck_assert_int_eq(daemon_run_end(&daemon_, SIGTERM), 0);
	sim_stop(sim);
}

/* One exchange with a daemon; the answer is the caller's to free. */
static struct http_answer
ask(const struct daemon_run *d, const char *method, const char *path,
    const char *body)
{
	static const char *const headers[] = { "user-token: secret",
		"Content-Type: application/json" };
	char url[2048];
	struct http_ask h = { .method = method,
		.url = url,
		.headers = headers,
		.n_headers = 2,
		.body = span_str(body),
		.timeout_ms = PATIENCE_MS };
	struct http_answer a = { 0 };
	struct why why = { 0 };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", d->port[0], path);
	ck_assert_msg(http_fetch(&h, &a, &why) == ERR_OK, "%s", why.text);
	return a;
}

static void
check_get(const struct daemon_run *d, const char *path, int status)
{
	struct http_answer a = ask(d, "GET", path, NULL);

	ck_assert_msg(a.status == status, "%s: %d", path, a.status);
	http_answer_free(&a);
}

/* --- looking ---------------------------------------------------------- */

START_TEST(test_status_shows_what_is_held_and_when_it_ends)
{
	struct run r;
	json_t *doc;

	run_check("larder status", 0, "mode", "lazy", "OBJECT", NULL);
	check_get(&daemon_, TCB, 200);
	run_check("larder status", 0, TCB_KEY, "fresh", "rootcrl", sim_url(sim),
	    NULL);
	run_check("larder status --within 20", 0, TCB_KEY, NULL);
	run_check("larder status --within 31", 1, TCB_KEY " ends at", NULL);
	r = run_line("", "larder status --json");
	ck_assert_int_eq(r.status, 0);
	doc = json_loads(r.out.p, 0, NULL);
	ck_assert_ptr_nonnull(
	    json_object_get(json_object_get(doc, "storage"), "objects"));
	json_decref(doc);
	run_free(&r);
}
END_TEST

START_TEST(test_status_names_what_could_not_be_had)
{
	sim_fault_add(sim, &(struct sim_fault){ .kind = SIM_LIE,
			       .lie = PKI_BAD_SIGNATURE,
			       .path = "*tcb*" });
	check_get(&daemon_, TCB, 502);
	run_check("larder status", 0, "NOT HELD", TCB_KEY, "bad-signature",
	    " since 20", NULL);
	run_check("larder explain " TCB_KEY, 0, "bad-signature", NULL);
}
END_TEST

START_TEST(test_without_a_token_nothing_is_told)
{
	char line[300];

	unsetenv("LARDER_ADMIN_TOKEN");
	run_check("larder status", 1, "401", "--token-file", NULL);
	run_check("larder refresh", 1, "401", NULL);
	run_check("larder export", 1, "401", NULL);
	run_spill("token", "guess\n");
	setenv("LARDER_ADMIN_TOKEN", "secret", 1);
	/* The option is stronger than the environment. */
	snprintf(line, sizeof(line), "larder status --token-file %s",
	    run_path("token"));
	run_check(line, 1, "401", NULL);
	run_spill("token", "secret\n");
	unsetenv("LARDER_ADMIN_TOKEN");
	run_check(line, 0, "mode", NULL);
}
END_TEST

START_TEST(test_explain_and_history)
{
	char line[200];
	struct sim_platform p = sim_platform(1);

	check_get(&daemon_, TCB, 200);
	run_check("larder explain " TCB_KEY, 0, "fresh", "next_update", NULL);
	run_check("larder history " TCB_KEY, 0, "versions", sim_url(sim), NULL);
	snprintf(line, sizeof(line), "larder explain %s,%s", p.qe_id, p.pce_id);
	run_check(line, 0, "known", "no", NULL);
	run_check("larder history nonsense", 1, "400", NULL);
}
END_TEST

/* --- refresh ---------------------------------------------------------- */

START_TEST(test_refresh_asks_again)
{
	unsigned long before;

	check_get(&daemon_, TCB, 200);
	before = sim_count(sim, "*/sgx/*tcb?fmspc=" FMSPC "*standard");
	run_check("larder refresh " TCB_KEY, 0, TCB_KEY, NULL);
	ck_assert_uint_eq(sim_count(sim, "*/sgx/*tcb?fmspc=" FMSPC "*standard"),
	    before + 1);
	run_check("larder refresh", 0, "refreshed", NULL);
	ck_assert_uint_ge(sim_count(sim, "*/sgx/*tcb?fmspc=" FMSPC "*standard"),
	    before + 2);
	run_check("larder refresh --certs", 0, "refreshed", NULL);
	run_check("larder refresh --json", 0, "\"failed\"", NULL);
}
END_TEST

START_TEST(test_refresh_names_what_failed)
{
	check_get(&daemon_, TCB, 200);
	sim_fault_add(sim, &(struct sim_fault){ .kind = SIM_LIE,
			       .lie = PKI_BAD_SIGNATURE,
			       .path = "*tcb*" });
	run_check("larder refresh " TCB_KEY, 1, TCB_KEY, "bad-signature", NULL);
	run_check("larder refresh", 1, TCB_KEY, "bad-signature", NULL);
	/* What is held is still served. */
	check_get(&daemon_, TCB, 200);
	run_check("larder status", 0, TCB_KEY, "bad-signature", NULL);
}
END_TEST

/* --- carrying --------------------------------------------------------- */

START_TEST(test_export_and_import_carry_the_same_bytes)
{
	struct http_answer here, there;
	struct daemon_run other;
	char line[300];

	check_get(&daemon_, TCB, 200);
	check_get(&daemon_, "/sgx/certification/v4/qe/identity", 200);
	snprintf(line, sizeof(line), "larder export -o %s", run_path("bundle"));
	run_check(line, 0, NULL);
	here = ask(&daemon_, "GET", TCB, NULL);

	ck_assert(
	    daemon_run_start("other", config("other", "offline", ""), &other));
	use(&other);
	check_get(&other, TCB, 404);
	snprintf(line, sizeof(line), "larder import %s", run_path("bundle"));
	run_check(line, 0, "objects taken", NULL);
	there = ask(&other, "GET", TCB, NULL);
	ck_assert_int_eq(there.status, 200);
	ck_assert(span_eq(buf_view(&here.body), buf_view(&there.body)));
	check_get(&other, "/sgx/certification/v4/qe/identity", 200);
	http_answer_free(&here);
	http_answer_free(&there);
	ck_assert_int_eq(daemon_run_end(&other, SIGTERM), 0);
}
END_TEST

/* One letter of one signed text: that object is refused and named, the
 * others are taken. */
START_TEST(test_import_names_what_it_refuses)
{
	struct daemon_run other;
	struct buf text;
	char line[300], *at;

	check_get(&daemon_, TCB, 200);
	snprintf(line, sizeof(line), "larder export -o %s", run_path("bundle"));
	run_check(line, 0, NULL);
	text = run_slurp(run_path("bundle"));
	ck_assert_ptr_nonnull(at = strstr(text.p, "UpToDate"));
	memcpy(at, "UpToDatf", 8);
	run_spill("bundle", text.p);
	ck_assert(
	    daemon_run_start("other", config("other2", "offline", ""), &other));
	use(&other);
	snprintf(line, sizeof(line), "larder import %s", run_path("bundle"));
	run_check(line, 1, TCB_KEY, "bad-signature", NULL);
	check_get(&other, TCB, 404);
	check_get(&other, "/sgx/certification/v4/rootcacrl", 200);
	buf_free(&text);
	ck_assert_int_eq(daemon_run_end(&other, SIGTERM), 0);
}
END_TEST

/* Register offline, carry the list out, collect, carry it in, be served. */
static void
register_platform(const struct daemon_run *d, const struct sim_platform *p,
    bool with_manifest)
{
	char *manifest = sim_manifest(p, 0), ppid[769];
	struct buf body = BUF_INIT;
	struct http_answer a;

	sim_enc_ppid(p, 1, ppid);
	buf_printf(&body,
	    "{\"qe_id\":\"%s\",\"pce_id\":\"%s\",\"cpu_svn\":\"%s\","
	    "\"pce_svn\":\"%s\",\"enc_ppid\":\"%s\","
	    "\"platform_manifest\":\"%s\"}",
	    p->qe_id, p->pce_id, p->cpu_svn, p->pce_svn, ppid,
	    with_manifest ? manifest : "");
	buf_add(&body, "", 1);
	a = ask(d, "POST", "/sgx/certification/v4/platforms", body.p);
	ck_assert_int_eq(a.status, 200);
	http_answer_free(&a);
	buf_free(&body);
	free(manifest);
}

static void
check_pckcert(const struct daemon_run *d, const struct sim_platform *p,
    int status)
{
	char path[512];

	snprintf(path, sizeof(path),
	    "/sgx/certification/v4/pckcert?qeid=%s&cpusvn=%s&pcesvn=%s"
	    "&pceid=%s",
	    p->qe_id, p->cpu_svn, p->pce_svn, p->pce_id);
	check_get(d, path, status);
}

START_TEST(test_collect_serves_a_site_without_a_way_out)
{
	struct sim_platform direct = sim_platform(SIM_NUMBER(SIM_DIRECT, 0)),
			    indirect =
				sim_platform(SIM_NUMBER(SIM_INDIRECT, 0)),
			    unknown = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 0));
	struct daemon_run in;
	char line[600];

	ck_assert(daemon_run_start("in", config("in", "offline", ""), &in));
	use(&in);
	register_platform(&in, &direct, false);
	register_platform(&in, &indirect, true);
	register_platform(&in, &unknown, false);
	check_pckcert(&in, &direct, 461);
	snprintf(line, sizeof(line), "larder export --platforms --peek -o %s",
	    run_path("list"));
	run_check(line, 0, "3 platforms", NULL);
	snprintf(line, sizeof(line), "larder export --platforms -o %s",
	    run_path("list"));
	run_check(line, 0, "3 platforms", NULL);
	run_check("larder export --platforms", 0, "0 platforms", NULL);

	snprintf(line, sizeof(line),
	    "larder collect --from %s --root-crl %s -o %s %s", sim_url(sim),
	    sim_root_url(sim), run_path("doc"), run_path("list"));
	/* One that Intel does not know is named; the others are collected. */
	run_check(line, 1, "2 platforms collected, 1 failed", NULL);
	snprintf(line, sizeof(line), "larder import %s", run_path("doc"));
	run_check(line, 0, "taken", NULL);
	check_pckcert(&in, &direct, 200);
	check_pckcert(&in, &indirect, 200);
	check_pckcert(&in, &unknown, 461);
	check_get(&in, TCB, 200);
	check_get(&in, "/tdx/certification/v4/qe/identity", 200);
	check_get(&in, "/sgx/certification/v4/pckcrl?ca=processor", 200);
	check_get(&in, "/sgx/certification/v4/rootcacrl", 200);
	ck_assert_int_eq(daemon_run_end(&in, SIGTERM), 0);
}
END_TEST

START_TEST(test_collect_without_a_list_is_for_verifiers)
{
	char line[600];

	snprintf(line, sizeof(line),
	    "larder collect --from %s --root-crl %s -o %s", sim_url(sim),
	    sim_root_url(sim), run_path("doc"));
	run_check(line, 0, "0 platforms collected, 0 failed", NULL);
	sim_fault_add(sim, &(struct sim_fault){ .kind = SIM_GARBAGE });
	run_check(line, 1, "not JSON", NULL);
}
END_TEST

/* --- a quote ---------------------------------------------------------- */

/* The same quote written as hex gives the same document. */
static void
collateral_by_text(const struct blob *quote, struct span want)
{
	struct buf hex = BUF_INIT, doc;
	char line[400];
	FILE *f = fopen(run_path("quote.hex"), "w");

	buf_hex(&hex, blob_span(quote));
	must(f != NULL && fwrite(hex.p, 1, hex.len, f) == hex.len);
	must(fclose(f) == 0);
	snprintf(line, sizeof(line), "larder collateral %s -o %s",
	    run_path("quote.hex"), run_path("by-text"));
	run_check(line, 0, NULL);
	doc = run_slurp(run_path("by-text"));
	ck_assert(span_eq(buf_view(&doc), want));
	buf_free(&doc);
	buf_free(&hex);
}

START_TEST(test_collateral_of_a_quote)
{
	struct kit_quote q = { .version = 3, .tee = TEE_SGX };
	struct pki_pck certs[SIM_CERTS_MAX];
	struct blob *quote;
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	char line[400];
	struct buf doc;
	FILE *f;

	run_check("larder collateral deploy/demo.sh", 1, "400", NULL);
	ck_assert_uint_gt(sim_certs(sim, &p, 0, certs), 0);
	q.pck = certs[0];
	quote = kit_quote(sim_pki(sim), &q);
	f = fopen(run_path("quote"), "w");
	must(f != NULL && fwrite(quote->data, 1, quote->len, f) == quote->len);
	must(fclose(f) == 0);
	snprintf(line, sizeof(line), "larder collateral %s -o %s",
	    run_path("quote"), run_path("collateral"));
	run_check(line, 0, NULL);
	doc = run_slurp(run_path("collateral"));
	ck_assert_ptr_nonnull(strstr(doc.p, "tcbInfo"));
	ck_assert_ptr_nonnull(strstr(doc.p, "enclaveIdentity"));
	collateral_by_text(quote, buf_view(&doc));
	buf_free(&doc);
	blob_unref(quote);
}
END_TEST

/* --- other ways in ---------------------------------------------------- */

START_TEST(test_tls_and_unix_sockets)
{
	struct daemon_run d;
	char listen[900], line[400];

	snprintf(line, sizeof(line), "larder init-tls -d %s", run_path("tls"));
	run_check(line, 0, NULL);
	snprintf(listen, sizeof(listen),
	    ", {\"address\": \"127.0.0.1:0\", \"serve\": [\"admin\"],"
	    " \"tls\": {\"certificate\": \"%s/server.pem\","
	    " \"key\": \"%s/server.key\"}},"
	    " {\"address\": \"unix:%s\", \"serve\": [\"admin\"]}",
	    run_path("tls"), run_path("tls"), run_path("sock"));
	ck_assert(
	    daemon_run_start("tls", config("tls", "offline", listen), &d));
	unsetenv("LARDER_SERVER");
	snprintf(line, sizeof(line),
	    "larder status --server https://localhost:%d --ca %s/ca.pem",
	    d.port[1], run_path("tls"));
	run_check(line, 0, "offline", NULL);
	snprintf(line, sizeof(line),
	    "larder status --server https://localhost:%d", d.port[1]);
	run_check(line, 1, "certificate", NULL);
	snprintf(line, sizeof(line), "larder status --server unix:%s",
	    run_path("sock"));
	run_check(line, 0, "offline", NULL);
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
}
END_TEST

/* --- the baseline ------------------------------------------------------ */

START_TEST(test_baseline_from_the_command_line)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	char line[1200];
	struct run r;
	json_t *doc;

	check_get(&daemon_, TCB, 200);
	check_get(&daemon_, "/sgx/certification/v4/qe/identity", 200);
	snprintf(line, sizeof(line),
	    "/sgx/certification/v4/pckcert?qeid=%s&cpusvn=%s&pcesvn=%s"
	    "&pceid=%s&encrypted_ppid=",
	    p.qe_id, p.cpu_svn, p.pce_svn, p.pce_id);
	sim_enc_ppid(&p, 1, line + strlen(line));
	check_get(&daemon_, line, 200);
	run_check("larder baseline pin 17 --dry-run --reason look", 0,
	    "dry run", NULL);
	run_check("larder baseline history", 0, NULL);
	run_check("larder baseline pin 17 --reason fleet", 0, "revision 1",
	    "pin 17", "run-time", NULL);
	sim_recovery(sim);
	check_get(&daemon_, "/sgx/certification/v4/tcbevaluationdatanumbers",
	    200);
	run_check("larder baseline impact --to 18", 0, "18", "OutOfDate", NULL);
	run_check("larder baseline promote 18 --reason r", 1, "--force",
	    "after:  OutOfDate", NULL);
	run_check("larder baseline promote 18 --reason r --revision 7", 1,
	    "412", NULL);
	run_check("larder baseline promote 18 --reason r --force", 0,
	    "revision 2", "pin 18", NULL);
	run_check("larder baseline pin 99 --reason r", 1, "never published",
	    NULL);
	run_check("larder baseline pin 18 --fmspc FFFFFFFFFFFF --reason r", 1,
	    "FFFFFFFFFFFF is known", NULL);
	run_check("larder baseline lag 3650 --reason r", 1, "days old", NULL);
	run_check("larder baseline rollback --reason back", 0, "revision 3",
	    "pin 17", NULL);
	run_check("larder baseline history", 0, "3  ", "rollback: back", NULL);
	r = run_line("", "larder baseline history --before 3 --json");
	ck_assert_int_eq(r.status, 0);
	doc = json_loads(r.out.p, 0, NULL);
	ck_assert_uint_eq(json_array_size(json_object_get(doc, "changes")), 2);
	json_decref(doc);
	run_free(&r);
}
END_TEST

static Suite *
operator_suite(void)
{
	Suite *s = suite_create("operator");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_status_shows_what_is_held_and_when_it_ends);
	tcase_add_test(t, test_status_names_what_could_not_be_had);
	tcase_add_test(t, test_without_a_token_nothing_is_told);
	tcase_add_test(t, test_explain_and_history);
	tcase_add_test(t, test_refresh_asks_again);
	tcase_add_test(t, test_refresh_names_what_failed);
	tcase_add_test(t, test_export_and_import_carry_the_same_bytes);
	tcase_add_test(t, test_import_names_what_it_refuses);
	tcase_add_test(t, test_collect_serves_a_site_without_a_way_out);
	tcase_add_test(t, test_collect_without_a_list_is_for_verifiers);
	tcase_add_test(t, test_collateral_of_a_quote);
	tcase_add_test(t, test_tls_and_unix_sockets);
	tcase_add_test(t, test_baseline_from_the_command_line);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(operator_suite());
	int failed;

	(void)run_dir();
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
