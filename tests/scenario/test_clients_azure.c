/*
 * The Azure DCAP client against the whole house: its requests as it sends
 * them, its demands on answers (pccs-api 9.2), a test for each row.
 */
#include "config/base/clock.h"
#include "config/base/enc.h"
#include "tests/kit/house.h"
#include "tests/kit/keep.h"
#include "tests/kit/qcnl.h"

#include <check.h>
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N(a)    ((int)(sizeof(a) / sizeof((a)[0])))
#define S4      "/sgx/certification/v4/"
#define T4      "/tdx/certification/v4/"
#define PRIMARY "/metadata/THIM/sgx/certification/v4/"
#define TAIL    "clientid=production_client&api-version="

static struct house h;

/* --- how it reads answers --------------------------------------------- */

/* It aborts on an HTTP/1.0 line, on LF alone and on an empty value. */
static void
assert_head(const struct edge_reply *r)
{
	const char *p = r->text, *end, *colon;

	ck_assert(span_starts(span_str(p), "HTTP/1.1 "));
	for (; strcmp(p, "\r\n") != 0; p = end + 2) {
		end = strstr(p, "\r\n");
		ck_assert_ptr_nonnull(end);
		ck_assert_ptr_null(memchr(p, '\n', (size_t)(end - p)));
		if (p == r->text)
			continue;
		colon = memchr(p, ':', (size_t)(end - p));
		ck_assert_ptr_nonnull(colon);
		while (*++colon == ' ')
			;
		ck_assert(colon < end);
	}
}

/* "Cache-Control mandatory"; over a day it would not cache. */
static void
assert_cacheable(const struct edge_reply *r)
{
	ck_assert_int_ge(house_max_age(r), 0);
	ck_assert_int_le(house_max_age(r), 86400);
}

static struct edge_reply
az_get(const char *target, const char *headers)
{
	struct edge_reply r =
	    keep(house_send(&h, "GET", target, headers, SPAN_NONE));

	/* CURLOPT_FAILONERROR */
	ck_assert_msg(r.status < 400, "%s: %s", target, r.text);
	assert_head(&r);
	assert_cacheable(&r);
	return r;
}

static size_t
chain_len(const struct edge_reply *r, const char *name)
{
	struct qcnl q = { .status = 200 };
	char *chain;
	size_t n;

	buf_str(&q.head, r->text);
	chain = qcnl_chain(&q, name);
	ck_assert_msg(chain != NULL, "no %s in\n%s", name, r->text);
	n = qcnl_split(chain).n;
	qcnl_fini(&q);
	return n;
}

/* --- pckcert ---------------------------------------------------------- */

static char *
lower(const char *s)
{
	char *out = keep_printf("%s", s), *p;

	for (p = out; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return out;
}

/* Hex in lower case; nonce 0: AZDCAP_DISABLE_ONDEMAND, no PPID at all. */
static char *
az_pckcert(const char *base, const struct sim_platform *p, unsigned nonce)
{
	char ppid[769] = "";

	if (nonce != 0)
		sim_enc_ppid(p, nonce, ppid);
	return keep_printf("%spckcert?qeid=%s&cpusvn=%s&pcesvn=%s&pceid=%s&"
			   "%s%s%s" TAIL "2021-07-22-preview",
	    base, lower(p->qe_id), lower(p->cpu_svn), lower(p->pce_svn),
	    p->pce_id, nonce != 0 ? "encrypted_ppid=" : "", lower(ppid),
	    nonce != 0 ? "&" : "");
}

static void
assert_pckcert_json(const struct edge_reply *r)
{
	const char *cert, *chain, *tcbm;
	json_t *o, *age;

	expect_header(r, "Content-Type", "application/json");
	o = keep_json(json_loadb(r->body, r->len, 0, NULL));
	ck_assert_uint_eq(json_object_size(o), 4);
	cert = json_string_value(json_object_get(o, "pckCert"));
	chain = json_string_value(
	    json_object_get(o, "sgx-Pck-Certificate-Issuer-Chain"));
	tcbm = json_string_value(json_object_get(o, "sgx-Tcbm"));
	age = json_object_get(o, "cacheMaxAge");
	ck_assert_uint_eq(qcnl_split(cert).n, 1);
	ck_assert_int_eq(cert[strlen(cert) - 1], '\n');
	ck_assert_int_ne(cert[strlen(cert) - 2], '\n');
	ck_assert_uint_eq(strspn(tcbm, "0123456789ABCDEF"), 36);
	ck_assert_uint_eq(strlen(tcbm), 36);
	ck_assert_ptr_null(strchr(chain, '\n'));
	ck_assert_str_eq(chain + strlen(chain) - 3, "%0A");
	ck_assert(json_is_integer(age));
	ck_assert_int_ge((int)json_integer_value(age), 0);
	ck_assert_int_le((int)json_integer_value(age), 86400);
	/* the headers say the same */
	expect_header(r, "SGX-TCBm", tcbm);
	expect_header(r, "SGX-PCK-Certificate-Issuer-Chain", chain);
}

static const struct {
	const char *base, *headers;
} services[] = {
	{ PRIMARY, "metadata:true\r\n" },
	{ S4, "Content-Type:application/json\r\n" },
	{ "/metadata/THIM/sgx/certification/v3/", "metadata:true\r\n" },
	{ "/sgx/certification/v3/", "Content-Type:application/json\r\n" },
};

START_TEST(test_pckcert_json_has_all_four_members)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct edge_reply r;
	char *target;

	house_start(&h, NULL);
	target = az_pckcert(services[_i].base, &p, 1);
	r = az_get(target, services[_i].headers);
	assert_pckcert_json(&r);
	r = az_get(target, services[_i].headers);
	expect_header(&r, "X-Cache", "HIT");
	assert_pckcert_json(&r);
	house_stop(&h);
}
END_TEST

START_TEST(test_pckcert_without_ppid_once_the_platform_is_known)
{
	struct sim_platform p = sim_platform(SIM_DIRECT);
	struct edge_reply r;
	char *without;

	house_start(&h, NULL);
	without = az_pckcert(S4, &p, 0);
	expect_get(&h, without, 400, "ppid-missing");
	expect_pckcert(&h, &p, 1, 200, NULL);
	r = az_get(without, "Content-Type:application/json\r\n");
	assert_pckcert_json(&r);
	/* lower and upper case name one platform */
	expect_header(&r, "X-Cache", "HIT");
	house_stop(&h);
}
END_TEST

/* After a second of silence it skips the primary for half a minute. */
START_TEST(test_primary_hits_are_answered_while_misses_hang)
{
	struct sim_platform p = sim_platform(SIM_CLIENT);
	struct sim_fault hang = { .kind = SIM_HOLD };
	struct edge_reply r;
	char *target;
	int64_t from;
	int fd;

	house_start(&h, NULL);
	target = az_pckcert(PRIMARY, &p, 1);
	expect_get(&h, target, 200, NULL);
	sim_fault_add(h.sim, &hang);
	fd = edge_open(h.port);
	edge_send(fd,
	    "GET " S4 "tcb?fmspc=00606A000000 HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert(
	    sim_wait(h.sim, "*tcb[?]fmspc=00606A000000*", 1, PATIENCE_MS));
	from = clock_mono_ms();
	r = az_get(target, "metadata:true\r\n");
	/* not when the miss has waited for its twenty seconds */
	ck_assert_int_lt(clock_mono_ms() - from, 10000);
	assert_pckcert_json(&r);
	sim_fault_clear(h.sim);
	edge_read(fd, &r, false);
	keep(r);
	close(fd);
	ck_assert_int_eq(r.status, 200);
	house_stop(&h);
}
END_TEST

/* --- CRLs by URI ------------------------------------------------------ */

enum which { ROOT, PROCESSOR, PLATFORM };

static const struct {
	const char *uri; /* before any escaping, as the client has it */
	enum which is;
} uris[] = {
	{ "https://certificates.trustedservices.intel.com/intelsgxrootca.crl",
	    ROOT },
	{ "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
	    ROOT },
	{ "https://certificates.trustedservices.intel.com/"
	  "intelsgxpckprocessor.crl",
	    PROCESSOR },
	{ "https://api.trustedservices.intel.com/sgx/certification/v3/"
	  "pckcrl?ca=platform&encoding=pem",
	    PLATFORM },
	{ "https://api.trustedservices.intel.com/sgx/certification/v4/"
	  "pckcrl?ca=processor&encoding=der",
	    PROCESSOR },
	{ "https://api.trustedservices.intel.com/sgx/certification/v2/"
	  "pckcrl?ca=processor",
	    PROCESSOR },
};

/* Escaped "times" over, in the lower case its own encoder writes. */
static char *
escaped(const char *uri, int times)
{
	struct buf b = BUF_INIT;
	char *out = lower(uri);

	while (times-- > 0) {
		buf_pct(&b, span_str(out));
		buf_add(&b, "", 1);
		out = lower(b.p);
		buf_free(&b);
	}
	return out;
}

static void
assert_crl(const struct edge_reply *r, enum which which)
{
	static const char *const same[] = { S4 "rootcacrl?encoding=pem",
		S4 "pckcrl?ca=processor&encoding=pem",
		S4 "pckcrl?ca=platform&encoding=pem" };
	struct edge_reply twin = keep(house_get(&h, same[which]));

	ck_assert_int_eq(qcnl_sniff(r->body, r->len), QCNL_CRL_PEM);
	ck_assert(house_same_body(r, &twin));
	ck_assert_uint_eq(chain_len(r, "SGX-PCK-CRL-Issuer-Chain"),
	    which == ROOT ? 1 : 2);
}

static const struct {
	int times;
	const char *version, *headers;
} ways[] = {
	{ 2, "2020-02-12-preview", NULL },
	{ 1, "2018-10-01-preview", "Content-Type:application/json\r\n" },
};

START_TEST(test_crls_by_escaped_uri_are_pem_with_a_chain)
{
	char *uri = escaped(uris[_i / N(ways)].uri, ways[_i % N(ways)].times);
	struct edge_reply r;
	char *target;

	house_start(&h, NULL);
	target = keep_printf(S4 "pckcrl?uri=%s&" TAIL "%s", uri,
	    ways[_i % N(ways)].version);
	r = az_get(target, ways[_i % N(ways)].headers);
	assert_crl(&r, uris[_i / N(ways)].is);
	house_stop(&h);
}
END_TEST

/* --- the other calls -------------------------------------------------- */

static const struct {
	const char *target, *chain;
} calls[] = {
	{ S4 "tcb?fmspc=00606a000000&" TAIL "2018-10-01-preview",
	    "SGX-TCB-Info-Issuer-Chain" },
	{ S4 "tcb?fmspc=00606a000000&customParameter=YWJj+/==&" TAIL
	     "2018-10-01-preview",
	    "SGX-TCB-Info-Issuer-Chain" },
	{ S4 "tcb?fmspc=00606a000000&" TAIL "2018-10-01-preview",
	    "TCB-Info-Issuer-Chain" },
	{ S4 "qe/identity?" TAIL "2018-10-01-preview",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ S4 "qve/identity?" TAIL "2018-10-01-preview",
	    "SGX-Enclave-Identity-Issuer-Chain" },
	{ S4 "pckcrl?ca=platform&clientid=production_client",
	    "SGX-PCK-CRL-Issuer-Chain" },
	{ S4 "rootcacrl?clientid=production_client",
	    "SGX-PCK-CRL-Issuer-Chain" },
	{ T4 "tcb?fmspc=90c06f000000&clientid=production_client",
	    "SGX-TCB-Info-Issuer-Chain" },
	{ T4 "qe/identity?clientid=production_client",
	    "SGX-Enclave-Identity-Issuer-Chain" },
};

START_TEST(test_collateral_comes_with_cache_control_and_chain)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = az_get(calls[_i].target, NULL);
	ck_assert_uint_eq(chain_len(&r, calls[_i].chain),
	    strstr(calls[_i].target, "rootcacrl") != NULL ? 1 : 2);
	ck_assert_uint_gt(r.len, 0);
	/* api-version changes the form of pckcert alone */
	if (strstr(calls[_i].target, "tcb?") != NULL)
		ck_assert(span_starts(span_of(r.body, r.len), "{\"tcbInfo\":"));
	r = az_get(calls[_i].target, NULL);
	expect_header(&r, "X-Cache", "HIT");
	house_stop(&h);
}
END_TEST

/* One request is enough: it would ask again for the other name. */
START_TEST(test_tcb_has_both_chain_headers_at_once)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = az_get(S4 "tcb?fmspc=00606a000000&" TAIL "2018-10-01-preview",
	    NULL);
	ck_assert_uint_eq(chain_len(&r, "SGX-TCB-Info-Issuer-Chain"), 2);
	ck_assert_uint_eq(chain_len(&r, "TCB-Info-Issuer-Chain"), 2);
	house_stop(&h);
}
END_TEST

START_TEST(test_failures_are_400_and_more)
{
	struct edge_reply r;

	house_start(&h, NULL);
	r = keep(house_get(&h, S4 "tcb?fmspc=ffffffffffff&" TAIL "2018-10-01"));
	ck_assert_int_eq(r.status, 404);
	assert_head(&r);
	r = keep(house_get(&h,
	    S4 "pckcrl?uri=https%3a%2f%2fevil.example&" TAIL "2018-10-01"));
	ck_assert_int_eq(r.status, 400);
	assert_head(&r);
	sim_down(h.sim);
	r = keep(house_get(&h, S4 "qe/identity?" TAIL "2018-10-01-preview"));
	ck_assert_int_eq(r.status, 502);
	assert_head(&r);
	house_stop(&h);
}
END_TEST

/* A stale answer is taken and not kept: max-age=0. */
START_TEST(test_stale_collateral_is_not_cached_by_the_client)
{
	struct house_opts o = { .mode = "offline" };
	struct edge_reply r;

	house_start(&h, NULL);
	expect_get(&h, S4 "qe/identity", 200, NULL);
	house_restart(&h, &o);
	clock_offset_set(31 * 86400);
	r = az_get(S4 "qe/identity?" TAIL "2018-10-01-preview", NULL);
	ck_assert_int_eq(house_max_age(&r), 0);
	house_stop(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("azure");
	TCase *tc = tcase_create("azure");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_pckcert_json_has_all_four_members, 0,
	    N(services));
	tcase_add_test(tc,
	    test_pckcert_without_ppid_once_the_platform_is_known);
	tcase_add_test(tc, test_primary_hits_are_answered_while_misses_hang);
	tcase_add_loop_test(tc, test_crls_by_escaped_uri_are_pem_with_a_chain,
	    0, N(uris) * N(ways));
	tcase_add_loop_test(tc,
	    test_collateral_comes_with_cache_control_and_chain, 0, N(calls));
	tcase_add_test(tc, test_tcb_has_both_chain_headers_at_once);
	tcase_add_test(tc, test_failures_are_400_and_more);
	tcase_add_test(tc, test_stale_collateral_is_not_cached_by_the_client);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
