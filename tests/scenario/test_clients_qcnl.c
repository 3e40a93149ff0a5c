/*
 * Intel's QCNL and QPL against the whole house: a test for every rule of
 * pccs-api 9.1, on the bytes of the wire.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/document.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/qcnl.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)     ((int)(sizeof(a) / sizeof((a)[0])))
#define S3       "/sgx/certification/v3/"
#define S4       "/sgx/certification/v4/"
#define T4       "/tdx/certification/v4/"
#define CDP      "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

#define SGX_TCB  "SGX-TCB-Info-Issuer-Chain"
#define TCB      "TCB-Info-Issuer-Chain"
#define IDENTITY "SGX-Enclave-Identity-Issuer-Chain"
#define CRL      "SGX-PCK-CRL-Issuer-Chain"

static struct house h;

/* The collateral calls in the form the library sends them; chain NULL: the
 * body is all it takes. */
static const struct {
	const char *target, *chain, *otherwise;
	bool json;
} calls[] = {
	{ S4 "pckcrl?ca=processor", CRL, NULL, false },
	{ S4 "pckcrl?ca=platform", CRL, NULL, false },
	{ S4 "pckcrl?ca=platform&encoding=der", CRL, NULL, false },
	{ S4 "tcb?fmspc=00606A000000&update=standard", SGX_TCB, TCB, true },
	{ S4 "tcb?fmspc=00606A000000&update=early", SGX_TCB, TCB, true },
	{ T4 "tcb?fmspc=90C06F000000&update=standard", SGX_TCB, TCB, true },
	{ S4 "qe/identity?update=standard", IDENTITY, NULL, true },
	{ T4 "qe/identity?update=standard", IDENTITY, NULL, true },
	{ S4 "qve/identity?update=standard", IDENTITY, NULL, true },
	{ S4 "rootcacrl", NULL, NULL, false },
	{ S4 "crl?uri=" CDP, NULL, NULL, false },
	/* with a caller's parameter: base64 with + / = escaped */
	{ S4 "tcb?fmspc=00606A000000&update=standard&customParameter="
	     "YWJj%2B%2F%3D%3D",
	    SGX_TCB, TCB, true },
	/* old installations */
	{ S3 "pckcrl?ca=processor", CRL, NULL, false },
	{ S3 "rootcacrl", NULL, NULL, false },
	{ S3 "crl?uri=" CDP, NULL, NULL, false },
};

static const enum sim_kind kinds[] = { SIM_CLIENT, SIM_DIRECT, SIM_TDX,
	SIM_CLIENT_NA };

START_TEST(test_r1_success_is_200_with_a_body)
{
	struct qcnl q;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, calls[_i].target, NULL, NULL),
	    QCNL_SUCCESS);
	ck_assert_uint_eq(q.attempts, 1);
	ck_assert_uint_gt(q.body.len, 0);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* An empty policy list must not become an empty 200. */
START_TEST(test_r1_no_policy_is_404_and_not_an_empty_200)
{
	char *policy = keep_text(document_policy("00606A000000", true, "one"));
	struct qcnl q;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h,
			     S4 "appraisalpolicy?fmspc=00606A000000", NULL,
			     NULL),
	    QCNL_NO_DATA);
	expect_admin(&h, "PUT", S4 "appraisalpolicy", policy, 200);
	qcnl_fini(&q);
	ck_assert_int_eq(qcnl_get(&q, &h,
			     S4 "appraisalpolicy?fmspc=00606A000000", NULL,
			     NULL),
	    QCNL_SUCCESS);
	ck_assert_uint_gt(q.body.len, 0);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

static void
release(void *arg)
{
	struct sim *sim = arg;

	sim_fault_clear(sim);
	/* The flight that goes on is waited for, so that few attempts do. */
	ck_assert(sim_wait(sim, "*", 2, PATIENCE_MS));
}

START_TEST(test_r2_a_503_leaves_nothing_in_the_buffers)
{
	struct house_opts o = {
		.cache = "\"client_wait_ms\":200,\"stale_wait_ms\":50"
	};
	struct sim_fault hold = { .kind = SIM_HOLD, .path = "*tcb*" };
	struct edge_reply r;
	struct qcnl q;
	char *chain;

	house_start(&h, &o);
	expect_get(&h, S4 "rootcacrl", 200, NULL);
	sim_fault_add(h.sim, &hold);
	ck_assert_int_eq(qcnl_get(&q, &h,
			     S4 "tcb?fmspc=00606A000000&update=standard",
			     release, h.sim),
	    QCNL_SUCCESS);
	ck_assert_uint_ge(q.attempts, 2);
	ck_assert(span_starts(buf_view(&q.head), "HTTP/1.1 503 "));
	/* what two attempts left is what one would have */
	r = keep(house_get(&h, S4 "tcb?fmspc=00606A000000"));
	ck_assert_uint_eq(q.body.len, r.len);
	ck_assert_int_eq(memcmp(q.body.p, r.body, r.len), 0);
	ck_assert_int_eq(qcnl_collateral(&q, SGX_TCB, TCB, &chain),
	    QCNL_SUCCESS);
	ck_assert_uint_eq(qcnl_split(chain).n, 2);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

START_TEST(test_r2_the_503_itself)
{
	struct house_opts o = {
		.cache = "\"client_wait_ms\":50,\"stale_wait_ms\":50"
	};
	struct sim_fault hold = { .kind = SIM_HOLD };
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *target = keep_text(house_pckcert(&p, 1));
	struct edge_reply r;

	house_start(&h, &o);
	sim_fault_add(h.sim, &hold);
	r = keep(house_get(&h, target));
	ck_assert_int_eq(r.status, 503);
	expect_header(&r, "Content-Length", "0");
	expect_header(&r, "Larder-Reason", "upstream-slow");
	ck_assert(has_header(&r, "Retry-After"));
	ck_assert(!has_header(&r, "Content-Type"));
	ck_assert(!has_header(&r, "SGX-TCBm"));
	ck_assert_ptr_null(strcasestr(r.text, "chain"));
	sim_fault_clear(h.sim);
	house_stop(&h);
}
END_TEST

START_TEST(test_r2_what_can_be_answered_is_no_503)
{
	struct house_opts o = { .cache = "\"stale_wait_ms\":50" };
	struct sim_fault hold = { .kind = SIM_HOLD };
	struct qcnl q;

	house_start(&h, &o);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	clock_offset_set(31 * 86400);
	sim_fault_add(h.sim, &hold);
	ck_assert_int_eq(qcnl_get(&q, &h, S4 "qe/identity?update=standard",
			     NULL, NULL),
	    QCNL_SUCCESS);
	ck_assert_uint_eq(q.attempts, 1);
	qcnl_fini(&q);
	sim_fault_clear(h.sim);
	house_stop(&h);
}
END_TEST

START_TEST(test_r3_pckcert_gives_leaf_and_chain)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(kinds[_i], 2));
	char *target = keep_text(house_pckcert(&p, 1)), *ca;
	struct qcnl_cert cert = { .pem = NULL };
	struct qcnl_split split;
	struct qcnl q;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, target, NULL, NULL), QCNL_SUCCESS);
	ck_assert_int_eq(qcnl_cert(&q, &cert), QCNL_SUCCESS);
	ck_assert_uint_eq(strspn(cert.tcbm, "0123456789ABCDEF"), 36);
	split = qcnl_split(cert.pem);
	ck_assert_uint_eq(split.n, 3);
	ck_assert(split.root);
	/* the body ends in exactly one line end */
	ck_assert_int_eq(q.body.p[q.body.len - 1], '\n');
	ck_assert_int_ne(q.body.p[q.body.len - 2], '\n');
	ca = qcnl_header(&q, "SGX-PCK-Certificate-CA-Type");
	ck_assert_str_eq(ca,
	    p.ca == PCK_CA_PLATFORM ? "PLATFORM" : "PROCESSOR");
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

START_TEST(test_r3_custom_params_of_the_configuration_are_ignored)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	char *plain = keep_text(house_pckcert(&p, 1));
	struct qcnl_cert cert = { .pem = NULL };
	struct edge_reply r;
	struct qcnl q;
	char *target;

	house_start(&h, NULL);
	/* As it stands in the file, unescaped. */
	target = keep_printf("%s&tenant=a/b[c]:d&x", plain);
	r = keep(
	    house_send(&h, "GET", target, "metadata: true\r\n", SPAN_NONE));
	ck_assert_int_eq(r.status, 200);
	ck_assert_int_eq(qcnl_get(&q, &h, target, NULL, NULL), QCNL_SUCCESS);
	ck_assert_int_eq(qcnl_cert(&q, &cert), QCNL_SUCCESS);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* local_pck_url with api-version: the JSON form, and all headers with it. */
START_TEST(test_r3_the_json_form_is_understood)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	char *plain = keep_text(house_pckcert(&p, 1));
	struct qcnl_cert a = { .pem = NULL }, b = { .pem = NULL };
	struct qcnl q, j;
	char *target;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, plain, NULL, NULL), QCNL_SUCCESS);
	ck_assert_int_eq(qcnl_cert(&q, &a), QCNL_SUCCESS);
	target = keep_printf("/metadata/THIM%s&api-version=2021-07-22-preview",
	    plain);
	ck_assert_int_eq(qcnl_get(&j, &h, target, NULL, NULL), QCNL_SUCCESS);
	ck_assert_int_eq(j.body.p[0], '{');
	ck_assert_ptr_nonnull(qcnl_header(&j, "SGX-TCBm"));
	ck_assert_int_eq(qcnl_cert(&j, &b), QCNL_SUCCESS);
	ck_assert_str_eq(a.pem, b.pem);
	ck_assert_str_eq(a.tcbm, b.tcbm);
	/* members alone do, too */
	j.head.len = 0;
	ck_assert_int_eq(qcnl_cert(&j, &b), QCNL_SUCCESS);
	ck_assert_str_eq(a.pem, b.pem);
	qcnl_fini(&q);
	qcnl_fini(&j);
	house_stop(&h);
}
END_TEST

START_TEST(test_r4_chains_are_where_they_are_looked_for)
{
	struct qcnl_split split;
	struct qcnl q;
	char *chain;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, calls[_i].target, NULL, NULL),
	    QCNL_SUCCESS);
	if (calls[_i].chain != NULL) {
		ck_assert_int_eq(qcnl_collateral(&q, calls[_i].chain,
				     calls[_i].otherwise, &chain),
		    QCNL_SUCCESS);
		split = qcnl_split(chain);
		ck_assert_uint_eq(split.n, 2);
		ck_assert(split.root);
	}
	if (calls[_i].otherwise != NULL) {
		chain = qcnl_chain(&q, calls[_i].otherwise);
		ck_assert_uint_eq(qcnl_split(chain).n, 2);
	}
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* Header names in the exact case, each once, values ending in an escape. */
START_TEST(test_r4_header_lines_are_exact)
{
	static const char *const names[] = { SGX_TCB, TCB, IDENTITY, CRL };
	struct edge_reply r;
	const char *value;
	char *at;
	size_t i;

	house_start(&h, NULL);
	r = keep(house_get(&h, calls[_i].target));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((value = edge_header(&r, names[i])) == NULL)
			continue;
		ck_assert_str_eq(value + strlen(value) - 3, "%0A");
		ck_assert_ptr_null(strchr(value, ' '));
		at = strcasestr(r.text, names[i]);
		if (strcmp(names[i], TCB) != 0)
			ck_assert_ptr_null(strcasestr(at + 1, names[i]));
	}
	/* R4 and checklist 2: the block stays small, no empty value */
	ck_assert_uint_lt(strlen(r.text), 8192);
	ck_assert_ptr_null(strstr(r.text, ": \r\n"));
	ck_assert_ptr_null(strstr(r.text, ":\r\n"));
	house_stop(&h);
}
END_TEST

START_TEST(test_r5_sizes_fit_16_bits)
{
	struct qcnl q;
	char *chain = NULL;
	size_t total;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, calls[_i].target, NULL, NULL),
	    QCNL_SUCCESS);
	total = q.body.len + 2;
	if (calls[_i].chain != NULL)
		chain = qcnl_chain(&q, calls[_i].chain);
	if (chain != NULL)
		total += strlen(chain);
	ck_assert_uint_le(total, 65535);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

START_TEST(test_r6_bodies_and_chains_can_be_split_again)
{
	struct qcnl_split split;
	struct qcnl q;
	char *chain;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, calls[_i].target, NULL, NULL),
	    QCNL_SUCCESS);
	ck_assert_ptr_null(
	    memmem(q.body.p, q.body.len, "-----BEGIN CERTIFICATE-----", 27));
	if (calls[_i].chain != NULL) {
		chain = qcnl_chain(&q, calls[_i].chain);
		ck_assert(span_starts(span_str(chain),
		    "-----BEGIN CERTIFICATE-----\n"));
		split = qcnl_split(chain);
		/* QPL takes the root CRL's address from the last one */
		ck_assert(split.root);
		ck_assert_str_ne(split.cdp, "");
	}
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* The CDP found there leads to the CRL. */
START_TEST(test_r6_the_cdp_of_the_chain_is_answered)
{
	struct edge_reply root;
	struct qcnl q;
	char *chain, *target;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h, S4 "qe/identity?update=standard",
			     NULL, NULL),
	    QCNL_SUCCESS);
	chain = qcnl_chain(&q, IDENTITY);
	target = keep_printf(S4 "crl?uri=%s", qcnl_split(chain).cdp);
	qcnl_fini(&q);
	ck_assert_int_eq(qcnl_get(&q, &h, target, NULL, NULL), QCNL_SUCCESS);
	root = keep(house_get(&h, S4 "rootcacrl?encoding=der"));
	ck_assert_uint_eq(root.len, q.body.len);
	ck_assert_int_eq(memcmp(root.body, q.body.p, root.len), 0);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* It looks for "Cache-Control" in a map of lower-cased names: stale answers
 * with max-age=0 are taken like any other. */
START_TEST(test_r7_cache_control_does_not_matter_to_it)
{
	struct house_opts o = { .mode = "offline" };
	struct edge_reply r;
	struct qcnl q;
	char *chain;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	house_restart(&h, &o);
	clock_offset_set(31 * 86400);
	r = keep(house_get(&h, S4 "qe/identity?update=standard"));
	expect_header(&r, "Cache-Control", "max-age=0");
	ck_assert_int_eq(qcnl_get(&q, &h, S4 "qe/identity?update=standard",
			     NULL, NULL),
	    QCNL_SUCCESS);
	ck_assert_int_eq(qcnl_collateral(&q, IDENTITY, NULL, &chain),
	    QCNL_SUCCESS);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

/* Its cache key has no encrypted_ppid; neither has ours. */
START_TEST(test_r8_the_ppid_is_no_part_of_the_key)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	char *a = keep_text(house_pckcert(&p, 1)),
	     *b = keep_text(house_pckcert(&p, 2));
	char *zeros = keep_text(house_pckcert(&p, 0));
	struct edge_reply first, second, third;

	house_start(&h, NULL);
	ck_assert_str_ne(a, b);
	first = keep(house_get(&h, a));
	second = keep(house_get(&h, b));
	third = keep(house_get(&h, zeros));
	ck_assert_int_eq(first.status, 200);
	expect_header(&second, "X-Cache", "HIT");
	expect_header(&third, "X-Cache", "HIT");
	ck_assert(house_same_body(&first, &second));
	ck_assert(house_same_body(&first, &third));
	ck_assert_uint_eq(sim_count(h.sim, "*pckcerts*"), 1);
	house_stop(&h);
}
END_TEST

static const struct {
	const char *mode;
	enum sim_kind kind;
	enum qcnl_result result;
} certs[] = {
	{ "lazy", SIM_CLIENT, QCNL_SUCCESS },
	{ "lazy", SIM_UNKNOWN, QCNL_NO_DATA },
	{ "lazy", SIM_ALL_NA, QCNL_UNAVAILABLE },
	{ "req", SIM_CLIENT, QCNL_UNKNOWN },
	{ "offline", SIM_CLIENT, QCNL_UNKNOWN },
};

START_TEST(test_r9_statuses_become_the_right_errors)
{
	struct house_opts o = { .mode = certs[_i].mode };
	struct sim_platform p = sim_platform(certs[_i].kind);
	char *target = keep_text(house_pckcert(&p, 1));
	struct qcnl q;

	house_start(&h, &o);
	ck_assert_int_eq(qcnl_get(&q, &h, target, NULL, NULL),
	    certs[_i].result);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

START_TEST(test_r9_an_absent_object_is_no_data_and_a_dead_upstream_is_not)
{
	struct qcnl q;

	house_start(&h, NULL);
	ck_assert_int_eq(qcnl_get(&q, &h,
			     S4 "tcb?fmspc=FFFFFFFFFFFF&update=standard", NULL,
			     NULL),
	    QCNL_NO_DATA);
	sim_down(h.sim);
	qcnl_fini(&q);
	ck_assert_int_eq(qcnl_get(&q, &h,
			     S4 "tcb?fmspc=00606A000000&update=standard", NULL,
			     NULL),
	    QCNL_UNEXPECTED);
	ck_assert_int_eq(q.status, 502);
	ck_assert_uint_eq(q.attempts, 1);
	qcnl_fini(&q);
	house_stop(&h);
}
END_TEST

START_TEST(test_r10_crls_are_what_was_asked_for)
{
	static const struct {
		const char *target;
		enum qcnl_crl is;
	} crls[] = {
		{ S4 "pckcrl?ca=processor", QCNL_CRL_HEX },
		{ S4 "pckcrl?ca=platform", QCNL_CRL_HEX },
		{ S4 "pckcrl?ca=platform&encoding=hex", QCNL_CRL_HEX },
		{ S4 "pckcrl?ca=platform&encoding=der", QCNL_CRL_DER },
		{ S4 "pckcrl?ca=platform&encoding=pem", QCNL_CRL_PEM },
		{ S4 "rootcacrl", QCNL_CRL_HEX },
		{ S4 "crl?uri=" CDP, QCNL_CRL_DER },
		{ T4 "pckcrl?ca=platform", QCNL_CRL_HEX },
		{ T4 "rootcacrl", QCNL_CRL_HEX },
	};
	struct edge_reply r;
	size_t i;

	house_start(&h, NULL);
	for (i = 0; i < sizeof(crls) / sizeof(crls[0]); i++) {
		r = keep(house_get(&h, crls[i].target));
		ck_assert_msg(qcnl_sniff(r.body, r.len) == crls[i].is, "%s",
		    crls[i].target);
		/* lower case, and no line end behind it */
		if (crls[i].is == QCNL_CRL_HEX)
			ck_assert_uint_eq(strspn(r.body, "0123456789abcdef"),
			    r.len);
	}
	house_stop(&h);
}
END_TEST

START_TEST(test_r10a_texts_have_no_nul)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = keep(house_get(&h, calls[_i].target));
	if (calls[_i].json)
		ck_assert_ptr_null(memchr(r.body, 0, r.len));
	ck_assert_ptr_null(strstr(r.text, "%00"));
	house_stop(&h);
}
END_TEST

START_TEST(test_r11_http2_is_not_offered)
{
	static const unsigned char alpn[] = "\x02h2\x08http/1.1";
	char dir[] = "/tmp/larder-r11-XXXXXX", listen[400], path[64];
	struct house_opts o = { .listen = listen };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const unsigned char *got = NULL;
	struct edge_reply r;
	unsigned len = 0;
	SSL *ssl;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	edge_certificate(dir, "localhost");
	snprintf(listen, sizeof(listen),
	    "[{\"address\":\"127.0.0.1:0\",\"serve\":[\"pccs\"],\"tls\":{"
	    "\"certificate\":\"%s/localhost.pem\",\"key\":"
	    "\"%s/localhost.key\"}}]",
	    dir, dir);
	house_start(&h, &o);
	SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1);
	fd = edge_open(h.port);
	ssl = edge_tls(fd, ctx);
	ck_assert_ptr_nonnull(ssl);
	SSL_get0_alpn_selected(ssl, &got, &len);
	ck_assert(len == 0 || (len == 8 && memcmp(got, "http/1.1", 8) == 0));
	edge_tls_send(ssl,
	    "GET " S4 "rootcacrl HTTP/1.1\r\nHost: localhost\r\n\r\n");
	edge_tls_read(ssl, &r);
	keep(r);
	ck_assert_int_eq(r.status, 200);
	/* and not without asking, either */
	ck_assert_int_eq(SSL_write(ssl, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24),
	    24);
	edge_tls_read(ssl, &r);
	keep(r);
	ck_assert_int_eq(r.status, 400);
	SSL_free(ssl);
	close(fd);
	SSL_CTX_free(ctx);
	house_stop(&h);
	snprintf(path, sizeof(path), "%s/localhost.pem", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/localhost.key", dir);
	unlink(path);
	rmdir(dir);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("qcnl");
	TCase *tc = tcase_create("qcnl");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_r1_success_is_200_with_a_body, 0,
	    N(calls));
	tcase_add_test(tc, test_r1_no_policy_is_404_and_not_an_empty_200);
	tcase_add_test(tc, test_r2_a_503_leaves_nothing_in_the_buffers);
	tcase_add_test(tc, test_r2_the_503_itself);
	tcase_add_test(tc, test_r2_what_can_be_answered_is_no_503);
	tcase_add_loop_test(tc, test_r3_pckcert_gives_leaf_and_chain, 0,
	    N(kinds));
	tcase_add_test(tc,
	    test_r3_custom_params_of_the_configuration_are_ignored);
	tcase_add_test(tc, test_r3_the_json_form_is_understood);
	tcase_add_loop_test(tc, test_r4_chains_are_where_they_are_looked_for, 0,
	    N(calls));
	tcase_add_loop_test(tc, test_r4_header_lines_are_exact, 0, N(calls));
	tcase_add_loop_test(tc, test_r5_sizes_fit_16_bits, 0, N(calls));
	tcase_add_loop_test(tc, test_r6_bodies_and_chains_can_be_split_again, 0,
	    N(calls));
	tcase_add_test(tc, test_r6_the_cdp_of_the_chain_is_answered);
	tcase_add_test(tc, test_r7_cache_control_does_not_matter_to_it);
	tcase_add_test(tc, test_r8_the_ppid_is_no_part_of_the_key);
	tcase_add_loop_test(tc, test_r9_statuses_become_the_right_errors, 0,
	    N(certs));
	tcase_add_test(tc,
	    test_r9_an_absent_object_is_no_data_and_a_dead_upstream_is_not);
	tcase_add_test(tc, test_r10_crls_are_what_was_asked_for);
	tcase_add_loop_test(tc, test_r10a_texts_have_no_nul, 0, N(calls));
	tcase_add_test(tc, test_r11_http2_is_not_offered);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
