/*
 * A chain of larders: a site asks a central one, which asks Intel and AMD.
 * The central one hands on the lists that PCK certificates are chosen from.
 */
#include "config/base/must.h"
#include "tests/kit/run.h"
#include "tests/sim/sim.h"
#include "upstream/fetch.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define V4 "/sgx/certification/v4/"

static struct sim *sim;
static struct daemon_run central, site;

/* A larder that asks "url" and nobody else. */
static void
start(const char *name, const char *mode, const char *url, const char *root,
    bool hand_on, struct daemon_run *d)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "{\"mode\": \"%s\", \"database\": \"sqlite:%s/%s-%d.db\",\n"
	    "\"listen\": [{\"address\": \"127.0.0.1:0\","
	    " \"serve\": [\"pccs\", \"kds\"]}],\n"
	    "\"upstream\": {\"pcs\": {\"urls\": [\"%s\"],"
	    " \"root_crl_urls\": [\"%s\"], \"hand_on_pckcerts\": %s},\n"
	    " \"kds\": {\"urls\": [\"%s\"]}},\n"
	    "\"trust\": {\"intel_root_spki_sha256\": [\"%s\"],\n"
	    " \"amd_root_spki_sha256\": {\"Turin\": [\"%s\"]}}}",
	    mode, run_dir(), name, (int)getpid(), url, root,
	    hand_on ? "true" : "false", url, pki_root_spki_hex(sim_pki(sim)),
	    pki_amd_root_spki_hex(AMD_TURIN));
	ck_assert(daemon_run_start(name, text, d));
}

static void
start_chain(bool hand_on)
{
	char url[64], root[128];

	ck_assert_ptr_nonnull(sim = sim_start(NULL));
	start("central", "lazy", sim_url(sim), sim_root_url(sim), hand_on,
	    &central);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", central.port[0]);
	snprintf(root, sizeof(root), "%s" V4 "rootcacrl", url);
	start("site", "lazy", url, root, false, &site);
}

static void
end_chain(void)
{
	ck_assert_int_eq(daemon_run_end(&site, SIGTERM), 0);
	ck_assert_int_eq(daemon_run_end(&central, SIGTERM), 0);
	sim_stop(sim);
}

/* One exchange; the answer is the caller's to free. */
static struct http_answer
ask(const char *base, const char *method, const char *path, const char *body)
{
	static const char type[] = "Content-Type: application/json";
	static const char *const headers[] = { type };
	struct buf url = BUF_INIT;
	struct http_ask h = { .method = method,
		.headers = headers,
		.n_headers = body != NULL,
		.body = span_str(body),
		.timeout_ms = PATIENCE_MS };
	struct http_answer a = { 0 };
	struct why why = { 0 };

	buf_printf(&url, "%s%s", base, path);
	buf_add(&url, "", 1);
	h.url = url.p;
	ck_assert_msg(http_fetch(&h, &a, &why) == ERR_OK, "%s", why.text);
	buf_free(&url);
	return a;
}

static const char *
base(const struct daemon_run *d)
{
	static char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d", d->port[0]);
	return url;
}

/* The status of a pckcert request, with the reason when it has one. */
static int
pckcert(const struct daemon_run *d, const struct sim_platform *p,
    unsigned nonce, char *reason, size_t len)
{
	char ppid[769], path[1200];
	struct http_answer a;
	struct span s;
	int status;

	sim_enc_ppid(p, nonce, ppid);
	snprintf(path, sizeof(path),
	    V4 "pckcert?qeid=%s&cpusvn=%s&pcesvn=%s&pceid=%s"
	       "&encrypted_ppid=%s",
	    p->qe_id, p->cpu_svn, p->pce_svn, p->pce_id, ppid);
	a = ask(base(d), "GET", path, NULL);
	status = a.status;
	s = http_answer_header(&a, "Larder-Reason");
	snprintf(reason, len, "%.*s", (int)s.len, (const char *)s.p);
	http_answer_free(&a);
	return status;
}

/* The query of GET pckcerts. */
static const char *
list_path(const struct sim_platform *p, unsigned nonce)
{
	static char path[1000];
	char ppid[769];

	sim_enc_ppid(p, nonce, ppid);
	snprintf(path, sizeof(path), V4 "pckcerts?encrypted_ppid=%s&pceid=%s",
	    ppid, p->pce_id);
	return path;
}

START_TEST(test_a_site_gets_pck_certificates_through_the_central_one)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct http_answer a;
	char reason[64];

	start_chain(true);
	ck_assert_int_eq(pckcert(&site, &p, 1, reason, sizeof(reason)), 200);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts[?]platform*"), 1);
	/* From the site's own cache now, and with Intel gone. */
	sim_down(sim);
	ck_assert_int_eq(pckcert(&site, &p, 2, reason, sizeof(reason)), 200);
	a = ask(base(&site), "GET", V4 "pckcrl?ca=platform", NULL);
	ck_assert_int_eq(a.status, 200);
	http_answer_free(&a);
	sim_up(sim);
	end_chain();
}
END_TEST

START_TEST(test_the_list_is_handed_on_byte_for_byte)
{
	static const char *const names[] = { "SGX-FMSPC",
		"SGX-PCK-Certificate-CA-Type" };
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 1));
	struct http_answer direct, through;
	struct span value;
	size_t i;

	start_chain(true);
	direct = ask(sim_url(sim), "GET", list_path(&p, 1), NULL);
	through = ask(base(&central), "GET", list_path(&p, 1), NULL);
	ck_assert_int_eq(direct.status, 200);
	ck_assert_int_eq(through.status, 200);
	ck_assert(span_eq(buf_view(&direct.body), buf_view(&through.body)));
	for (i = 0; i < 2; i++) {
		value = http_answer_header(&through, names[i]);
		ck_assert_uint_gt(value.len, 0);
		ck_assert(
		    span_eq(value, http_answer_header(&direct, names[i])));
	}
	ck_assert(span_eq_str(http_answer_header(&through, "Content-Type"),
	    "application/json"));
	/* The chain ends as old QCNLs need it (pccs-api 7). */
	value =
	    http_answer_header(&through, "SGX-PCK-Certificate-Issuer-Chain");
	ck_assert_uint_gt(value.len, 1000);
	ck_assert_int_eq(memcmp(value.p + value.len - 3, "%0A", 3), 0);
	http_answer_free(&direct);
	http_answer_free(&through);
	end_chain();
}
END_TEST

START_TEST(test_a_manifest_is_handed_on_too)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_INDIRECT, 0));
	char *manifest = sim_manifest(&p, 0);
	struct buf body = BUF_INIT;
	struct http_answer a;

	start_chain(true);
	buf_printf(&body, "{\"platformManifest\":\"%s\",\"pceid\":\"%s\"}",
	    manifest, p.pce_id);
	buf_add(&body, "", 1);
	a = ask(base(&central), "POST", V4 "pckcerts", body.p);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts[?]manifest*"), 1);
	http_answer_free(&a);
	buf_free(&body);
	free(manifest);
	end_chain();
}
END_TEST

/* --- AMD --------------------------------------------------------------- */

static void
expect_same(const char *path)
{
	struct http_answer c = ask(base(&central), "GET", path, NULL);
	struct http_answer s = ask(base(&site), "GET", path, NULL);

	ck_assert_msg(c.status == 200 && s.status == 200, "%s: %d, %d", path,
	    c.status, s.status);
	ck_assert_msg(span_eq(buf_view(&c.body), buf_view(&s.body)), "%s",
	    path);
	http_answer_free(&c);
	http_answer_free(&s);
}

/* The bytes of AMD's, through two gates; one request for all of it. */
START_TEST(test_amds_objects_through_the_central_one)
{
	struct sim_chip c = sim_chip(SIM_CHIP(SIM_CHIP_TURIN, 0));
	char path[SIM_KDS_PATH], after[16];
	struct http_answer a;
	struct span s;

	start_chain(false);
	sim_chip_path(&c, path);
	a = ask(base(&site), "GET", path, NULL);
	ck_assert_int_eq(a.status, 200);
	http_answer_free(&a);
	expect_same(path);
	expect_same("/vcek/v1/Turin/cert_chain");
	expect_same("/vcek/v1/Turin/crl");
	ck_assert_uint_eq(sim_count(sim, "/vcek/*"), 3);
	/* What the site misses while KDS throttles, and what it holds. */
	sim_fault_add(sim, &(struct sim_fault){ .kind = SIM_STATUS,
			       .status = 429,
			       .retry_after = "300" });
	c = sim_chip_at(c.n, 1);
	sim_chip_path(&c, path);
	a = ask(base(&site), "GET", path, NULL);
	ck_assert_int_eq(a.status, 503);
	/* At once, and for as long as the central one has said: a site that
	 * came sooner would find it waiting for the pause to end. */
	ck_assert(span_eq_str(http_answer_header(&a, "Larder-Reason"),
	    "upstream-5xx"));
	s = http_answer_header(&a, "Retry-After");
	snprintf(after, sizeof(after), "%.*s", (int)s.len, (const char *)s.p);
	ck_assert_int_gt(atoi(after), 100);
	ck_assert_int_le(atoi(after), 300);
	http_answer_free(&a);
	/* So does the next one, who asks nobody. */
	a = ask(base(&site), "GET", path, NULL);
	ck_assert_int_eq(a.status, 503);
	ck_assert(span_eq_str(http_answer_header(&a, "Larder-Reason"),
	    "upstream-5xx"));
	http_answer_free(&a);
	ck_assert_uint_eq(sim_count(sim, path), 1);
	expect_same("/vcek/v1/Turin/cert_chain");
	c = sim_chip(c.n);
	sim_chip_path(&c, path);
	expect_same(path);
	end_chain();
}
END_TEST

START_TEST(test_off_unless_enabled)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct http_answer a;
	char reason[64];

	start_chain(false);
	a = ask(base(&central), "GET", list_path(&p, 1), NULL);
	ck_assert_int_eq(a.status, 404);
	ck_assert(
	    span_eq_str(http_answer_header(&a, "Larder-Reason"), "no-route"));
	http_answer_free(&a);
	ck_assert_int_eq(pckcert(&site, &p, 1, reason, sizeof(reason)), 404);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts*"), 0);
	end_chain();
}
END_TEST

/* Each way of having no list keeps its own meaning behind the chain. */
START_TEST(test_reasons_reach_the_site)
{
	struct sim_platform na = sim_platform(SIM_NUMBER(SIM_ALL_NA, 0)),
			    no = sim_platform(SIM_NUMBER(SIM_UNKNOWN, 0)),
			    p = sim_platform(SIM_NUMBER(SIM_DIRECT, 2));
	char reason[64];

	start_chain(true);
	ck_assert_int_eq(pckcert(&site, &na, 1, reason, sizeof(reason)), 462);
	ck_assert_str_eq(reason, "not-available");
	ck_assert_int_eq(pckcert(&site, &no, 1, reason, sizeof(reason)), 404);
	ck_assert_str_eq(reason, "upstream-404");
	/* The same ciphertext again is answered from memory. */
	ck_assert_int_eq(pckcert(&site, &no, 1, reason, sizeof(reason)), 404);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts[?]platform=7"), 1);
	sim_down(sim);
	ck_assert_int_eq(pckcert(&site, &p, 1, reason, sizeof(reason)), 502);
	sim_up(sim);
	end_chain();
}
END_TEST

START_TEST(test_a_forged_list_stops_at_the_central_one)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 3));
	struct http_answer a;
	char reason[64];

	start_chain(true);
	sim_fault_add(sim, &(struct sim_fault){ .kind = SIM_LIE,
			       .lie = PKI_BAD_SIGNATURE,
			       .path = "*pckcerts*" });
	a = ask(base(&central), "GET", list_path(&p, 1), NULL);
	ck_assert_int_eq(a.status, 502);
	ck_assert(
	    span_eq_str(http_answer_header(&a, "Larder-Reason"), "bad-chain"));
	http_answer_free(&a);
	ck_assert_int_eq(pckcert(&site, &p, 2, reason, sizeof(reason)), 502);
	sim_fault_clear(sim);
	sim_fault_add(sim,
	    &(struct sim_fault){ .kind = SIM_GARBAGE, .path = "*pckcerts*" });
	a = ask(base(&central), "GET", list_path(&p, 3), NULL);
	ck_assert_int_eq(a.status, 502);
	http_answer_free(&a);
	end_chain();
}
END_TEST

START_TEST(test_what_is_asked_wrongly_is_400)
{
	static const struct {
		const char *method, *path, *body;
	} rows[] = {
		{ "GET", V4 "pckcerts", NULL },
		{ "GET", V4 "pckcerts?encrypted_ppid=00&pceid=0000", NULL },
		{ "GET", V4 "pckcerts?pceid=0000", NULL },
		{ "POST", V4 "pckcerts", "" },
		{ "POST", V4 "pckcerts", "[]" },
		{ "POST", V4 "pckcerts", "{\"pceid\":\"0000\"}" },
		{ "POST", V4 "pckcerts",
		    "{\"pceid\":\"0000\",\"platformManifest\":\"xx\"}" },
		{ "POST", V4 "pckcerts",
		    "{\"pceid\":\"000\",\"platformManifest\":\"00\"}" },
		{ "POST", V4 "pckcerts",
		    "{\"pceid\":\"0000\",\"pceid\":\"0000\","
		    "\"platformManifest\":\"00\"}" },
	};
	char zeros[769], path[900];
	struct http_answer a;
	size_t i;

	start_chain(true);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = ask(base(&central), rows[i].method, rows[i].path,
		    rows[i].body);
		ck_assert_msg(a.status == 400, "row %zu: %d", i, a.status);
		http_answer_free(&a);
	}
	memset(zeros, '0', 768);
	zeros[768] = '\0';
	snprintf(path, sizeof(path), V4 "pckcerts?encrypted_ppid=%s&pceid=0000",
	    zeros);
	a = ask(base(&central), "GET", path, NULL);
	ck_assert_int_eq(a.status, 400);
	http_answer_free(&a);
	ck_assert_uint_eq(sim_count(sim, "*pckcerts*"), 0);
	end_chain();
}
END_TEST

START_TEST(test_lists_are_handed_on_in_lazy_mode_alone)
{
	static const char *const modes[] = { "req", "offline" };
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct daemon_run d;
	struct http_answer a;
	size_t i;

	ck_assert_ptr_nonnull(sim = sim_start(NULL));
	for (i = 0; i < 2; i++) {
		start(modes[i], modes[i], sim_url(sim), sim_root_url(sim), true,
		    &d);
		a = ask(base(&d), "GET", list_path(&p, 1), NULL);
		ck_assert_int_eq(a.status, 404);
		http_answer_free(&a);
		ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	}
	ck_assert_uint_eq(sim_count(sim, "*pckcerts*"), 0);
	sim_stop(sim);
}
END_TEST

static Suite *
handon_suite(void)
{
	Suite *s = suite_create("handon");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_test(t,
	    test_a_site_gets_pck_certificates_through_the_central_one);
	tcase_add_test(t, test_the_list_is_handed_on_byte_for_byte);
	tcase_add_test(t, test_a_manifest_is_handed_on_too);
	tcase_add_test(t, test_amds_objects_through_the_central_one);
	tcase_add_test(t, test_off_unless_enabled);
	tcase_add_test(t, test_reasons_reach_the_site);
	tcase_add_test(t, test_a_forged_list_stops_at_the_central_one);
	tcase_add_test(t, test_what_is_asked_wrongly_is_400);
	tcase_add_test(t, test_lists_are_handed_on_in_lazy_mode_alone);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(handon_suite());
	int failed;

	(void)run_dir();
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
