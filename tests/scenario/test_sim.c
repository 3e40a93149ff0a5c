/*
 * The simulated PCS itself: that it answers as PCS does, counts what it is
 * asked, and fails in the way it is told to.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"
#include "tests/kit/vectors.h"
#include "tests/sim/sim.h"
#include "upstream/fetch.h"

#include <check.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SGX4  "/sgx/certification/v4/"
#define TDX4  "/tdx/certification/v4/"
#define FMSPC "00606A000000"

static struct sim *sim;

static void
setup(void)
{
	sim = sim_start(NULL);
	ck_assert_ptr_nonnull(sim);
}

static void
teardown(void)
{
	sim_stop(sim);
	clock_offset_set(0);
}

/* --- a client --------------------------------------------------------- */

static enum err
fetch(const char *method, const char *target, const char *header,
    struct span body, struct http_answer *a)
{
	char url[2000];
	struct http_ask ask = { .method = method,
		.url = url,
		.headers = &header,
		.n_headers = header != NULL,
		.body = body,
		.max_bytes = 1 << 20,
		.timeout_ms = PATIENCE_MS };

	*a = (struct http_answer){ 0 };
	snprintf(url, sizeof(url), "%s%s", sim_url(sim), target);
	return http_fetch(&ask, a, NULL);
}

/* The status of a GET; 0 without an answer. */
static int
status(const char *target)
{
	struct http_answer a;
	int s = 0;

	if (fetch("GET", target, NULL, SPAN_NONE, &a) == ERR_OK)
		s = a.status;
	http_answer_free(&a);
	return s;
}

/* The body of a GET that is answered 200. */
static struct blob *
body(const char *target)
{
	struct http_answer a;
	struct blob *b;

	ck_assert(fetch("GET", target, NULL, SPAN_NONE, &a) == ERR_OK);
	ck_assert_int_eq(a.status, 200);
	b = blob_from(buf_view(&a.body));
	http_answer_free(&a);
	return b;
}

static void
fault(enum sim_fault_kind kind, unsigned count)
{
	struct sim_fault f = { .kind = kind, .count = count };

	sim_fault_add(sim, &f);
}

/* --- PCS -------------------------------------------------------------- */

static const struct {
	const char *target, *type, *chain;
} routes[] = {
	{ SGX4 "tcb?fmspc=" FMSPC, "application/json",
	    "TCB-Info-Issuer-Chain" },
	{ TDX4 "tcb?fmspc=90c06f000000&update=early", "application/json",
	    "TCB-Info-Issuer-Chain" },
	{ SGX4 "qe/identity", "application/json",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ TDX4 "qe/identity?tcbEvaluationDataNumber=17", "application/json",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ SGX4 "qve/identity?update=standard", "application/json",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ SGX4 "qae/identity", "application/json",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ SGX4 "pckcrl?ca=platform", "application/x-pem-file",
	    "SGX-PCK-CRL-Issuer-Chain" },
	{ SGX4 "pckcrl?ca=processor&encoding=der", "application/pkix-crl",
	    "SGX-PCK-CRL-Issuer-Chain" },
	{ SGX4 "tcbevaluationdatanumbers", "application/json",
	    "TCB-Evaluation-Data-Numbers-Issuer-Chain" },
	{ TDX4 "tcbevaluationdatanumbers", "application/json",
	    "TCB-Evaluation-Data-Numbers-Issuer-Chain" },
	{ SGX4 "fmspcs?platform=E5", "application/json", NULL },
	{ "/IntelSGXRootCA.der", "application/pkix-crl", NULL },
};

START_TEST(test_route_has_its_type_and_chain)
{
	struct http_answer a;
	struct span chain;

	ck_assert(
	    fetch("GET", routes[_i].target, NULL, SPAN_NONE, &a) == ERR_OK);
	ck_assert_int_eq(a.status, 200);
	ck_assert(span_eq_str(http_answer_header(&a, "Content-Type"),
	    routes[_i].type));
	ck_assert_uint_eq(http_answer_header(&a, "Request-ID").len, 32);
	if (routes[_i].chain != NULL) {
		chain = http_answer_header(&a, routes[_i].chain);
		ck_assert(span_starts(chain, "-----BEGIN%20CERTIFICATE-----"));
		ck_assert_mem_eq(chain.p + chain.len - 3, "%0A", 3);
	}
	http_answer_free(&a);
}
END_TEST

static const struct {
	const char *target;
	int status;
} errors[] = {
	{ "/nope", 404 },
	{ SGX4 "tcb", 400 },
	{ SGX4 "tcb?fmspc=12", 400 },
	{ SGX4 "tcb?fmspc=FFFFFFFFFFFF", 404 },
	{ TDX4 "tcb?fmspc=" FMSPC, 404 },
	{ SGX4 "qe/identity?update=never", 400 },
	{ SGX4 "qe/identity?update=early&tcbEvaluationDataNumber=17", 400 },
	{ SGX4 "qe/identity?tcbEvaluationDataNumber=0", 400 },
	{ SGX4 "qe/identity?tcbEvaluationDataNumber=16", 410 },
	{ SGX4 "qe/identity?tcbEvaluationDataNumber=18", 404 },
	{ SGX4 "pckcrl?ca=other", 400 },
	{ SGX4 "pckcerts?pceid=0000", 400 },
	{ SGX4 "fmspcs?platform=E9", 400 },
};

START_TEST(test_error_has_the_status_of_pcs)
{
	ck_assert_int_eq(status(errors[_i].target), errors[_i].status);
}
END_TEST

START_TEST(test_baseline_moves_and_old_numbers_go)
{
	static const char early[] = SGX4 "tcb?fmspc=" FMSPC "&update=early";
	static const char number[] =
	    SGX4 "tcb?fmspc=" FMSPC "&tcbEvaluationDataNumber=";
	struct blob *before = body(early), *after, *plain;
	char n17[200], n18[200];

	snprintf(n17, sizeof(n17), "%s17", number);
	snprintf(n18, sizeof(n18), "%s18", number);
	ck_assert_int_eq(status(n18), 404);
	sim_recovery(sim);
	ck_assert_uint_eq(sim_early(sim), 18);
	after = body(early);
	plain = body(SGX4 "tcb?fmspc=" FMSPC);
	ck_assert_uint_gt(after->len, before->len); /* a new top level */
	ck_assert_ptr_nonnull(strstr((char *)after->data, "Number\":18,"));
	ck_assert_ptr_nonnull(strstr((char *)plain->data, "Number\":17,"));
	ck_assert_int_eq(status(n17), 200);
	ck_assert_int_eq(status(n18), 200);
	sim_standard(sim, 18);
	ck_assert_int_eq(status(n17), 410);
	blob_unref(plain);
	plain = body(SGX4 "tcb?fmspc=" FMSPC);
	ck_assert_ptr_nonnull(strstr((char *)plain->data, "Number\":18,"));
	blob_unref(before);
	blob_unref(after);
	blob_unref(plain);
}
END_TEST

/* A body holds this text, or does not. */
static void
expect_text(const char *target, const char *text, bool there)
{
	struct blob *b = body(target);

	ck_assert_msg((strstr((char *)b->data, text) != NULL) == there,
	    "%s: %s\n%s", target, text, (char *)b->data);
	blob_unref(b);
}

START_TEST(test_a_recovery_has_its_date_and_whom_it_concerns)
{
	struct sim_event e = { .fmspcs = "00606A*",
		.at = 1785000000,
		.advisories = "INTEL-SA-09999",
		.identities = true };
	static const char other[] = SGX4 "tcb?fmspc=00906ED50000&update=early";

	ck_assert_uint_eq(sim_publish(sim, &e), 18);
	expect_text(SGX4 "tcb?fmspc=" FMSPC "&update=early",
	    "2026-07-25T00:00:00Z", true);
	expect_text(SGX4 "tcb?fmspc=" FMSPC "&update=early", "INTEL-SA-09999",
	    true);
	expect_text(SGX4 "tcb?fmspc=" FMSPC, "INTEL-SA-09999", false);
	expect_text(other, "Number\":18,", true);
	expect_text(other, "INTEL-SA-09999", false);
	expect_text(SGX4 "qe/identity?update=early", "\"isvsvn\":9}", true);
	expect_text(SGX4 "qe/identity", "\"isvsvn\":9}", false);
	expect_text(SGX4 "tcbevaluationdatanumbers",
	    "\"tcbRecoveryEventDate\":\"2026-07-25T00:00:00Z\"", true);
	ck_assert_int_eq(status("/_sim/recovery?fmspc=X*&at=2026-08-01T00:00:"
				"00Z"),
	    200);
	ck_assert_uint_eq(sim_early(sim), 19);
	ck_assert_int_eq(status("/_sim/recovery?at=soon"), 400);
}
END_TEST

START_TEST(test_documents_are_signed_anew_and_crls_are_not)
{
	static const char tcb[] = SGX4 "tcb?fmspc=" FMSPC;
	static const char crl[] = SGX4 "pckcrl?ca=platform";
	struct blob *t[3], *c[3];
	int i;

	for (i = 0; i < 3; i++) {
		t[i] = body(tcb);
		c[i] = body(crl);
		clock_offset_set((i + 1) * (int64_t)86400 * 4);
	}
	ck_assert(!span_eq(blob_span(t[0]), blob_span(t[1])));
	ck_assert(!span_eq(blob_span(t[1]), blob_span(t[2])));
	ck_assert(span_eq(blob_span(c[0]), blob_span(c[1])));
	ck_assert(!span_eq(blob_span(c[1]), blob_span(c[2])));
	for (i = 0; i < 3; i++) {
		blob_unref(t[i]);
		blob_unref(c[i]);
	}
}
END_TEST

/* --- platforms -------------------------------------------------------- */

static int
by_ppid(unsigned long n, unsigned nonce, struct http_answer *a)
{
	struct sim_platform p = sim_platform(n);
	char target[1000], ppid[769];

	sim_enc_ppid(&p, nonce, ppid);
	snprintf(target, sizeof(target),
	    SGX4 "pckcerts?encrypted_ppid=%s&pceid=0000", ppid);
	ck_assert(fetch("GET", target, NULL, SPAN_NONE, a) == ERR_OK);
	return a->status;
}

static int
by_manifest(unsigned long n, unsigned rev, struct http_answer *a)
{
	struct sim_platform p = sim_platform(n);
	char *manifest = sim_manifest(&p, rev);
	struct buf b = BUF_INIT;

	buf_printf(&b, "{\"platformManifest\":\"%s\",\"pceid\":\"0000\"}",
	    manifest);
	ck_assert(
	    fetch("POST", SGX4 "pckcerts", "Content-Type: application/json",
		buf_view(&b), a) == ERR_OK);
	free(manifest);
	buf_free(&b);
	return a->status;
}

static unsigned
times(const struct http_answer *a, const char *text)
{
	struct span s = buf_view(&a->body);
	size_t len = strlen(text);
	const unsigned char *at;
	unsigned n = 0;

	while (s.len > 0 && (at = memmem(s.p, s.len, text, len)) != NULL) {
		s.len -= (size_t)(at - s.p) + len;
		s.p = at + len;
		n++;
	}
	return n;
}

static const struct {
	enum sim_kind kind;
	int ppid, manifest;
	unsigned na, certs;
} kinds[] = {
	{ SIM_CLIENT, 200, 200, 0, 7 },
	{ SIM_DIRECT, 200, 200, 0, 7 },
	{ SIM_INDIRECT, 404, 200, 0, 7 },
	{ SIM_CLIENT_NA, 200, 200, 2, 5 },
	{ SIM_TDX, 200, 200, 0, 7 },
	{ SIM_TDX_INDIRECT, 404, 200, 0, 7 },
	{ SIM_ALL_NA, 200, 200, 7, 0 },
	{ SIM_UNKNOWN, 404, 404, 0, 0 },
};

START_TEST(test_platform_is_found_as_its_kind_says)
{
	unsigned long n = SIM_NUMBER(kinds[_i].kind, 5);
	struct http_answer a;

	ck_assert_int_eq(by_ppid(n, 1, &a), kinds[_i].ppid);
	http_answer_free(&a);
	ck_assert_int_eq(by_manifest(n, 0, &a), kinds[_i].manifest);
	ck_assert_uint_eq(times(&a, "Not available"), kinds[_i].na);
	ck_assert_uint_eq(times(&a, "BEGIN%20CERT"), kinds[_i].certs);
	http_answer_free(&a);
	sim_na_resolve(sim);
	ck_assert_int_eq(by_manifest(n, 0, &a), kinds[_i].manifest);
	ck_assert_uint_eq(times(&a, "Not available"), 0);
	http_answer_free(&a);
}
END_TEST

START_TEST(test_ppid_is_another_text_each_time_and_one_platform)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 3));
	struct http_answer a, b;
	char one[769], two[769], path[80];

	sim_enc_ppid(&p, 1, one);
	sim_enc_ppid(&p, 2, two);
	ck_assert_str_ne(one, two);
	ck_assert_int_eq(by_ppid(p.n, 1, &a), 200);
	ck_assert_int_eq(by_ppid(p.n, 2, &b), 200);
	ck_assert(span_eq(buf_view(&a.body), buf_view(&b.body)));
	http_answer_free(&a);
	http_answer_free(&b);
	snprintf(path, sizeof(path), SGX4 "pckcerts?platform=%lu", p.n);
	ck_assert_uint_eq(sim_count(sim, path), 2);
	/* Another manifest: another instance, other certificates. */
	ck_assert_int_eq(by_manifest(p.n, 0, &a), 200);
	ck_assert_int_eq(by_manifest(p.n, 1, &b), 200);
	ck_assert(!span_eq(buf_view(&a.body), buf_view(&b.body)));
	http_answer_free(&a);
	http_answer_free(&b);
}
END_TEST

START_TEST(test_revoked_platform_is_on_a_newer_crl)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 1));
	struct pki_pck certs[SIM_CERTS_MAX];
	struct blob *before, *after;
	const unsigned char *at;
	X509_REVOKED *entry = NULL;
	X509_CRL *crl;
	X509 *x;

	before = body(SGX4 "pckcrl?ca=platform&encoding=der");
	sim_revoke(sim, &p);
	after = body(SGX4 "pckcrl?ca=platform&encoding=der");
	ck_assert_uint_gt(after->len, before->len);
	at = after->data;
	crl = d2i_X509_CRL(NULL, &at, (long)after->len);
	ck_assert_uint_eq(sim_certs(sim, &p, 0, certs), 7);
	x = pki_pck(sim_pki(sim), &certs[6]);
	ck_assert_int_eq(X509_CRL_get0_by_cert(crl, &entry, x), 1);
	X509_free(x);
	X509_CRL_free(crl);
	blob_unref(before);
	blob_unref(after);
}
END_TEST

START_TEST(test_api_key_is_asked_for)
{
	struct sim_opts o = { .api_key = "k1" };
	struct http_answer a;

	sim_stop(sim);
	sim = sim_start(&o);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 401);
	ck_assert(
	    fetch("GET", SGX4 "qe/identity", "Ocp-Apim-Subscription-Key: k1",
		SPAN_NONE, &a) == ERR_OK);
	ck_assert_int_eq(a.status, 200);
	http_answer_free(&a);
	ck_assert_int_eq(status("/IntelSGXRootCA.der"), 200);
}
END_TEST

START_TEST(test_tls_is_served)
{
	char cert[300], key[300], url[100];
	struct sim_opts o = { .tls_cert = cert, .tls_key = key };
	struct http_ask ask = { .url = url, .ca_file = cert };
	struct http_answer a = { 0 };
	struct why why = { 0 };

	edge_certificate(run_dir(), "localhost");
	snprintf(cert, sizeof(cert), "%s/localhost.pem", run_dir());
	snprintf(key, sizeof(key), "%s/localhost.key", run_dir());
	sim_stop(sim);
	sim = sim_start(&o);
	ck_assert(span_starts(span_str(sim_url(sim)), "https://"));
	snprintf(url, sizeof(url), "https://localhost:%d" SGX4 "qe/identity",
	    sim_port(sim));
	ck_assert_msg(http_fetch(&ask, &a, &why) == ERR_OK, "%s", why.text);
	ck_assert_int_eq(a.status, 200);
	http_answer_free(&a);
}
END_TEST

/* --- faults ----------------------------------------------------------- */

START_TEST(test_status_and_retry_after)
{
	struct sim_fault f = { .kind = SIM_STATUS,
		.status = 429,
		.retry_after = "7",
		.path = "*/qe/identity?*",
		.skip = 1,
		.count = 2 };
	struct http_answer a;

	sim_fault_add(sim, &f);
	ck_assert_int_eq(status("/IntelSGXRootCA.der"), 200);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
	ck_assert(
	    fetch("GET", SGX4 "qe/identity", NULL, SPAN_NONE, &a) == ERR_OK);
	ck_assert_int_eq(a.status, 429);
	ck_assert(span_eq_str(http_answer_header(&a, "Retry-After"), "7"));
	ck_assert_uint_eq(a.body.len, 0);
	http_answer_free(&a);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 429);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
}
END_TEST

static const struct {
	enum sim_fault_kind kind;
	enum err err;
} broken[] = {
	{ SIM_TRUNCATE, ERR_UP_DOWN },
	{ SIM_RESET, ERR_UP_DOWN },
	{ SIM_EMPTY, ERR_UP_DOWN },
	{ SIM_OVERSIZE, ERR_TOO_BIG },
};

START_TEST(test_broken_answer_is_none)
{
	struct http_answer a;

	/* libcurl asks again itself when a kept connection goes: always. */
	fault(broken[_i].kind, 0);
	ck_assert(fetch("GET", SGX4 "qe/identity", NULL, SPAN_NONE, &a) ==
		  broken[_i].err);
	sim_fault_clear(sim);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
}
END_TEST

/* Bodies that arrive whole and are not what an honest one would be. */
static const struct sim_fault lies[] = {
	{ .kind = SIM_GARBAGE },
	{ .kind = SIM_OTHER },
	{ .kind = SIM_OLDER },
	{ .kind = SIM_LOWER },
	{ .kind = SIM_CORRUPT, .arg = 500 },
	{ .kind = SIM_LIE, .lie = PKI_BAD_SIGNATURE },
	{ .kind = SIM_LIE, .lie = PKI_BODY_CHANGED },
	{ .kind = SIM_LIE, .lie = PKI_WRONG_KEY },
	{ .kind = SIM_LIE, .lie = PKI_FOREIGN_CHAIN },
	{ .kind = SIM_LIE, .lie = PKI_WRONG_ROLE },
	{ .kind = SIM_LIE, .lie = PKI_REVOKED_SIGNER },
	{ .kind = SIM_LIE, .lie = PKI_EXPIRED_SIGNER },
};

START_TEST(test_lie_changes_the_answer)
{
	static const char target[] = SGX4 "tcb?fmspc=" FMSPC;
	struct http_answer honest, lie;

	/* Two answers in one second would be the same bytes. */
	do {
		time_t at = clock_now();

		sim_fault_clear(sim);
		ck_assert(
		    fetch("GET", target, NULL, SPAN_NONE, &honest) == ERR_OK);
		sim_fault_add(sim, &lies[_i]);
		ck_assert(
		    fetch("GET", target, NULL, SPAN_NONE, &lie) == ERR_OK);
		if (clock_now() == at)
			break;
		http_answer_free(&honest);
		http_answer_free(&lie);
	} while (true);
	ck_assert_int_eq(lie.status, 200);
	ck_assert(!span_eq(buf_view(&honest.body), buf_view(&lie.body)) ||
		  !span_eq(http_answer_header(&honest, "TCB-Info-Issuer-Chain"),
		      http_answer_header(&lie, "TCB-Info-Issuer-Chain")));
	http_answer_free(&honest);
	http_answer_free(&lie);
}
END_TEST

START_TEST(test_no_chain_leaves_the_header_out)
{
	struct http_answer a;

	fault(SIM_NO_CHAIN, 1);
	ck_assert(fetch("GET", SGX4 "tcb?fmspc=" FMSPC, NULL, SPAN_NONE, &a) ==
		  ERR_OK);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(http_answer_header(&a, "TCB-Info-Issuer-Chain").len,
	    0);
	http_answer_free(&a);
}
END_TEST

START_TEST(test_slow_answers_come_whole)
{
	struct sim_fault drip = { .kind = SIM_DRIP,
		.arg = 400,
		.delay_ms = 1,
		.count = 1 };
	struct sim_fault delay = { .kind = SIM_DELAY,
		.delay_ms = 20,
		.count = 1 };
	int64_t from = clock_mono_ms();

	sim_fault_add(sim, &drip);
	sim_fault_add(sim, &delay);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
	ck_assert_int_ge(clock_mono_ms() - from, 20);
}
END_TEST

static void *
ask_one(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)status(SGX4 "qe/identity");
}

START_TEST(test_held_requests_wait_for_the_release)
{
	pthread_t t[5];
	void *got;
	int i;

	fault(SIM_HOLD, 0);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, ask_one, NULL), 0);
	ck_assert(sim_wait(sim, SGX4 "qe/identity*", 5, PATIENCE_MS));
	ck_assert_uint_eq(sim_concurrency(sim), 5);
	sim_release(sim);
	for (i = 0; i < 5; i++) {
		pthread_join(t[i], &got);
		ck_assert_int_eq((int)(intptr_t)got, 200);
	}
	ck_assert(!sim_wait(sim, "/nope", 1, 1));
}
END_TEST

START_TEST(test_hanging_request_ends_with_the_simulator)
{
	pthread_t t;
	void *got;

	fault(SIM_HANG, 0);
	ck_assert_int_eq(pthread_create(&t, NULL, ask_one, NULL), 0);
	ck_assert(sim_wait(sim, NULL, 1, PATIENCE_MS));
	sim_down(sim);
	pthread_join(t, &got);
	ck_assert_int_eq((int)(intptr_t)got, 0);
}
END_TEST

START_TEST(test_down_refuses_and_up_answers_on_the_same_port)
{
	int port = sim_port(sim), i;

	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
		sim_down(sim);
		ck_assert_int_eq(status(SGX4 "qe/identity"), 0);
		sim_up(sim);
	}
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
	ck_assert_int_eq(sim_port(sim), port);
	ck_assert_uint_eq(sim_count(sim, SGX4 "qe/identity?*"), 4);
}
END_TEST

/* --- counts and control ------------------------------------------------ */

START_TEST(test_counts_are_by_canonical_path)
{
	struct blob *json;

	status(SGX4 "tcb?fmspc=00606a000000");
	status("/SGX/certification/v4/tcb/?update=STANDARD&fmspc=" FMSPC);
	status(SGX4 "tcb?update=early&fmspc=" FMSPC);
	ck_assert_uint_eq(sim_count(sim,
			      SGX4 "tcb?fmspc=" FMSPC "&update=standard"),
	    2);
	ck_assert_uint_eq(sim_count(sim, "*update=early"), 1);
	ck_assert_uint_eq(sim_count(sim, NULL), 3);
	json = sim_counts_json(sim);
	ck_assert_ptr_nonnull(strstr((char *)json->data, "\"requests\":3"));
	blob_unref(json);
	sim_count_reset(sim);
	ck_assert_uint_eq(sim_count(sim, NULL), 0);
}
END_TEST

START_TEST(test_control_paths_set_faults_and_are_not_counted)
{
	struct blob *b;

	ck_assert_int_eq(status("/_sim/fault?kind=status&status=503&n=1"), 200);
	ck_assert_int_eq(status("/_sim/fault?kind=nonsense"), 400);
	ck_assert_int_eq(status("/_sim/fault?kind=lie&lie=nonsense"), 400);
	ck_assert_int_eq(status("/_sim/nonsense"), 404);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 503);
	ck_assert_int_eq(status(SGX4 "qe/identity"), 200);
	b = body("/_sim/count?path=*identity*");
	ck_assert_str_eq((char *)b->data, "2\n");
	blob_unref(b);
	b = body("/_sim/root");
	ck_assert_mem_eq(b->data, pki_root_spki_hex(sim_pki(sim)), 64);
	blob_unref(b);
}
END_TEST

/* --- replay ----------------------------------------------------------- */

#define SET "sgx/collateral/sgx-00606A000000-2025-08"

static const struct {
	const char *target, *file, *header;
} replayed[] = {
	{ SGX4 "tcb?fmspc=" FMSPC, SET "/tcb_info.json",
	    "TCB-Info-Issuer-Chain" },
	{ SGX4 "qe/identity?update=early", SET "/qe_identity.json",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ SGX4 "pckcrl?ca=platform&encoding=der", SET "/pck_crl.der",
	    "SGX-PCK-CRL-Issuer-Chain" },
	{ "/IntelSGXRootCA.der", SET "/root_ca_crl.der", NULL },
	{ SGX4 "tcbevaluationdatanumbers",
	    "sgx/signed/"
	    "tcb-evaluation-data-numbers-sgx-v1-2025-08-15-1ca8c3.json",
	    NULL },
	{ SGX4 "qae/identity",
	    "sgx/signed/enclave-identity-qae-v2-eval17-2025-05-27-679a84.json",
	    NULL },
	{ SGX4 "tcb?fmspc=90806f000000&tcbEvaluationDataNumber=19",
	    "sgx/signed/tcb-info-90806f000000-v3-eval19-2025-08-08-77931c.json",
	    NULL },
};

static void
replay(void)
{
	static char set[300], signed_docs[300];
	const char *dirs[2] = { set, signed_docs };
	struct sim_opts o = { .n_replay = 2, .replay = dirs };
	time_t at;

	snprintf(set, sizeof(set), "%s/%s", vectors_dir(), SET);
	snprintf(signed_docs, sizeof(signed_docs), "%s/sgx/signed",
	    vectors_dir());
	sim_stop(sim);
	sim = sim_start(&o);
	ck_assert_ptr_nonnull(sim);
	ck_assert(time_read(span_str("2025-08-16T00:00:00Z"), &at) == ERR_OK);
	clock_offset_set(0);
	clock_offset_set((int64_t)(at - clock_now()));
}

START_TEST(test_replay_gives_the_files_bytes)
{
	struct blob *want = vector_read(replayed[_i].file);
	struct blob *headers = vector_read(SET "/headers.json");
	struct http_answer a;
	char line[60];
	struct span chain;
	char *at;

	replay();
	ck_assert(
	    fetch("GET", replayed[_i].target, NULL, SPAN_NONE, &a) == ERR_OK);
	ck_assert_int_eq(a.status, 200);
	ck_assert(span_eq(buf_view(&a.body), blob_span(want)));
	if (replayed[_i].header != NULL) {
		snprintf(line, sizeof(line), "\"%s\": \"", replayed[_i].header);
		at = strstr((char *)headers->data, line);
		ck_assert_ptr_nonnull(at);
		chain = http_answer_header(&a, replayed[_i].header);
		ck_assert_mem_eq(chain.p, at + strlen(line), chain.len);
	}
	http_answer_free(&a);
	blob_unref(want);
	blob_unref(headers);
}
END_TEST

START_TEST(test_replay_knows_nothing_else)
{
	replay();
	ck_assert_int_eq(status(SGX4 "tcb?fmspc=FFFFFFFFFFFF"), 404);
	ck_assert_int_eq(status(TDX4 "qe/identity"), 404);
	ck_assert_int_eq(status(SGX4 "pckcrl?ca=processor"), 404);
	ck_assert_int_eq(status(SGX4 "tcb?fmspc=" FMSPC
				     "&tcbEvaluationDataNumber=3"),
	    410);
	ck_assert_int_eq(status(SGX4 "tcb?fmspc=" FMSPC
				     "&tcbEvaluationDataNumber=99"),
	    404);
	ck_assert_int_eq(status(SGX4 "fmspcs"), 404);
}
END_TEST

#define N(a) (int)(sizeof(a) / sizeof((a)[0]))

static Suite *
suite(void)
{
	Suite *s = suite_create("sim");
	TCase *tc = tcase_create("sim");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_route_has_its_type_and_chain, 0,
	    N(routes));
	tcase_add_loop_test(tc, test_error_has_the_status_of_pcs, 0, N(errors));
	tcase_add_test(tc, test_baseline_moves_and_old_numbers_go);
	tcase_add_test(tc, test_a_recovery_has_its_date_and_whom_it_concerns);
	tcase_add_test(tc, test_documents_are_signed_anew_and_crls_are_not);
	tcase_add_loop_test(tc, test_platform_is_found_as_its_kind_says, 0,
	    N(kinds));
	tcase_add_test(tc,
	    test_ppid_is_another_text_each_time_and_one_platform);
	tcase_add_test(tc, test_revoked_platform_is_on_a_newer_crl);
	tcase_add_test(tc, test_api_key_is_asked_for);
	tcase_add_test(tc, test_tls_is_served);
	tcase_add_test(tc, test_status_and_retry_after);
	tcase_add_loop_test(tc, test_broken_answer_is_none, 0, N(broken));
	tcase_add_loop_test(tc, test_lie_changes_the_answer, 0, N(lies));
	tcase_add_test(tc, test_no_chain_leaves_the_header_out);
	tcase_add_test(tc, test_slow_answers_come_whole);
	tcase_add_test(tc, test_held_requests_wait_for_the_release);
	tcase_add_test(tc, test_hanging_request_ends_with_the_simulator);
	tcase_add_test(tc, test_down_refuses_and_up_answers_on_the_same_port);
	tcase_add_test(tc, test_counts_are_by_canonical_path);
	tcase_add_test(tc, test_control_paths_set_faults_and_are_not_counted);
	if (vectors_present()) {
		tcase_add_loop_test(tc, test_replay_gives_the_files_bytes, 0,
		    N(replayed));
		tcase_add_test(tc, test_replay_knows_nothing_else);
	}
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *sr = srunner_create(suite());
	int failed;

	vectors_skipped(N(replayed) + 1);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
