#include "upstream/vendor.h"

#include "config/base/enc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct config *config;

static void
setup(void)
{
	static const char text[] =
	    "{\"upstream\":{\"pcs\":{\"urls\":[\"https://one.example\","
	    "\"https://two.example:8443/\","
	    "\"https://api.trustedservices.intel.com\"],"
	    "\"root_crl_urls\":[\"https://crl.example/Root.der\"]}}}";
	struct why why = { 0 };

	ck_assert_msg(config_read(span_str(text), "test", &config, &why) ==
			  ERR_OK,
	    "%s", why.text);
}

static void
teardown(void)
{
	config_unref(config);
}

#define TWO "https://two.example:8443/sgx/certification/v4/"
#define SGX "https://one.example/sgx/certification/v4/"
#define TDX "https://one.example/tdx/certification/v4/"

static const struct {
	const char *key, *url;
} requests[] = {
	{ "tcb/sgx/4/00906ED50000/standard",
	    SGX "tcb?fmspc=00906ED50000&update=standard" },
	{ "tcb/sgx/4/00906ED50000/early",
	    SGX "tcb?fmspc=00906ED50000&update=early" },
	{ "tcb/sgx/4/00906ED50000/17",
	    SGX "tcb?fmspc=00906ED50000&tcbEvaluationDataNumber=17" },
	{ "tcb/tdx/4/50806F000000/standard",
	    TDX "tcb?fmspc=50806F000000&update=standard" },
	{ "identity/qe/4/standard", SGX "qe/identity?update=standard" },
	{ "identity/qe/4/early", SGX "qe/identity?update=early" },
	{ "identity/tdqe/4/early", TDX "qe/identity?update=early" },
	{ "identity/qve/4/standard", SGX "qve/identity?update=standard" },
	{ "identity/qae/4/18", SGX "qae/identity?tcbEvaluationDataNumber=18" },
	{ "pckcrl/processor", SGX "pckcrl?ca=processor&encoding=der" },
	{ "pckcrl/platform", SGX "pckcrl?ca=platform&encoding=der" },
	{ "evalnums/sgx", SGX "tcbevaluationdatanumbers" },
	{ "evalnums/tdx", TDX "tcbevaluationdatanumbers" },
	{ "fmspcs/all", SGX "fmspcs?platform=all" },
	{ "fmspcs/E5", SGX "fmspcs?platform=E5" },
};

static struct coll_key
key_of(const char *text)
{
	struct coll_key key;
	struct why why = { 0 };

	ck_assert_msg(key_read(text, &key, &why) == ERR_OK, "%s: %s", text,
	    why.text);
	return key;
}

START_TEST(test_requests_are_those_of_pcs_v4)
{
	struct coll_key key = key_of(requests[_i].key);
	struct request r;

	ck_assert_uint_eq(vendor_pcs.mirrors(config, &key), 3);
	vendor_pcs.request(config, &key, 0, &r);
	ck_assert_str_eq(r.url, requests[_i].url);
	ck_assert_str_eq(r.origin, "https://one.example:443");
	ck_assert_ptr_null(r.body);
	ck_assert_uint_eq(r.n_headers, 0);
	ck_assert_uint_eq(r.body_max, OBJECT_MAX);
	ck_assert_ptr_null(strstr(r.url, "/v3/"));
	request_fini(&r);
}
END_TEST

START_TEST(test_mirrors_keep_their_order)
{
	struct coll_key key = key_evalnums(TEE_TDX);
	struct request r;

	vendor_pcs.request(config, &key, 1, &r);
	ck_assert_str_eq(r.url, "https://two.example:8443/tdx/certification/v4/"
				"tcbevaluationdatanumbers");
	ck_assert_str_eq(r.origin, "https://two.example:8443");
	request_fini(&r);
	vendor_pcs.request(config, &key, 2, &r);
	ck_assert_str_eq(r.origin, "https://api.trustedservices.intel.com:443");
	request_fini(&r);
}
END_TEST

START_TEST(test_root_crl_comes_from_its_hosts_then_from_caches)
{
	static const char *const expect[] = {
		"https://crl.example/Root.der",
		"https://one.example/sgx/certification/v4/rootcacrl",
		TWO "rootcacrl",
	};
	struct coll_key key = key_root_crl();
	struct config c = *config;
	char api_key[] = "secret";
	struct request r;
	size_t i;

	/* Intel's own service is no cache: it has no such route. */
	ck_assert_uint_eq(vendor_pcs.mirrors(config, &key), 3);
	c.upstream.pcs.api_key = api_key;
	for (i = 0; i < 3; i++) {
		vendor_pcs.request(&c, &key, i, &r);
		ck_assert_str_eq(r.url, expect[i]);
		/* The CRL's host is not told the key. */
		ck_assert_uint_eq(r.n_headers, i == 0 ? 0 : 1);
		request_fini(&r);
	}
}
END_TEST

START_TEST(test_api_key_is_sent_only_when_configured)
{
	struct coll_key key = key_evalnums(TEE_SGX);
	struct config c = *config;
	char none[] = "", secret[] = "s3cret";
	struct request r;

	c.upstream.pcs.api_key = none;
	vendor_pcs.request(&c, &key, 0, &r);
	ck_assert_uint_eq(r.n_headers, 0);
	request_fini(&r);
	c.upstream.pcs.api_key = secret;
	vendor_pcs.request(&c, &key, 0, &r);
	ck_assert_uint_eq(r.n_headers, 1);
	ck_assert_str_eq(r.header[0], "Ocp-Apim-Subscription-Key: s3cret");
	request_fini(&r);
}
END_TEST

/* --- platforms -------------------------------------------------------- */

static struct platform_ask
ask_of(int ppid_byte, const char *manifest)
{
	struct platform_ask ask = { .id = { "QE", "0000" } };
	unsigned char ppid[PPID_LEN];

	memset(ppid, ppid_byte < 0 ? 0 : ppid_byte, sizeof(ppid));
	if (ppid_byte >= 0)
		ask.enc_ppid = blob_new(ppid, sizeof(ppid));
	if (manifest != NULL)
		ask.manifest = blob_from(span_str(manifest));
	return ask;
}

static void
ask_fini(struct platform_ask *ask)
{
	blob_unref(ask->enc_ppid);
	blob_unref(ask->manifest);
}

START_TEST(test_platform_is_asked_by_ppid)
{
	struct platform_ask ask = ask_of(0xab, NULL);
	struct request r;
	char want[1024];
	size_t n;

	pcs_platform_request(config, &ask, false, 0, &r);
	n = (size_t)snprintf(want, sizeof(want),
	    SGX "pckcerts?encrypted_ppid=");
	for (int i = 0; i < PPID_LEN; i++)
		n += (size_t)snprintf(want + n, sizeof(want) - n, "ab");
	snprintf(want + n, sizeof(want) - n, "&pceid=0000");
	ck_assert_str_eq(r.url, want);
	ck_assert_ptr_null(r.body);
	ck_assert_uint_eq(r.n_headers, 1);
	ck_assert_str_eq(r.header[0], "PPID-Encryption-Key: RSA-3072");
	request_fini(&r);
	ask_fini(&ask);
}
END_TEST

START_TEST(test_platform_is_asked_by_manifest)
{
	struct platform_ask ask = ask_of(0xab, "\x01\x02\xff");
	struct request r;

	pcs_platform_request(config, &ask, true, 0, &r);
	ck_assert_str_eq(r.url, SGX "pckcerts");
	ck_assert_str_eq((const char *)r.body->data,
	    "{\"platformManifest\":\"0102ff\",\"pceid\":\"0000\"}");
	ck_assert_uint_eq(r.n_headers, 1);
	ck_assert_str_eq(r.header[0], "Content-Type: application/json");
	request_fini(&r);
	ask_fini(&ask);
}
END_TEST

START_TEST(test_all_zero_ppid_counts_as_none)
{
	struct platform_ask none = ask_of(-1, NULL), zero = ask_of(0, NULL),
			    some = ask_of(1, NULL);

	ck_assert(!pcs_has_ppid(&none));
	ck_assert(!pcs_has_ppid(&zero));
	ck_assert(pcs_has_ppid(&some));
	ask_fini(&zero);
	ask_fini(&some);
}
END_TEST

/* --- answers ---------------------------------------------------------- */

static struct reply
reply_of(int status, const char *head, const char *body)
{
	struct reply r = { .status = status };

	buf_str(&r.head, head);
	buf_str(&r.body, body);
	return r;
}

static const struct {
	int status;
	const char *head, *body;
	enum err expect;
} answers[] = {
	{ 200, "", "x", ERR_OK },
	{ 200, "", "", ERR_FORMAT },
	{ 204, "", "", ERR_UP_ERROR },
	{ 302, "Location: https://evil.example/\r\n", "", ERR_UP_ERROR },
	{ 400, "", "", ERR_UP_REFUSED },
	{ 401, "", "", ERR_UP_AUTH },
	{ 403, "", "", ERR_UP_AUTH },
	{ 404, "", "", ERR_UP_ABSENT },
	{ 404, "", "No cache data for this platform.", ERR_NOT_CACHED },
	{ 404, "Larder-Reason: not-cached\r\n", "", ERR_NOT_CACHED },
	{ 404, "Larder-Reason: upstream-404\r\n",
	    "No cache data for this platform.", ERR_UP_ABSENT },
	{ 404, "larder-reason: upstream-400\r\n", "", ERR_UP_ABSENT },
	{ 408, "", "", ERR_UP_ERROR },
	{ 410, "", "", ERR_UP_GONE },
	{ 429, "Retry-After: 5\r\n", "", ERR_UP_THROTTLED },
	{ 500, "", "", ERR_UP_ERROR },
	{ 503, "", "", ERR_UP_ERROR },
	{ 0, "", "", ERR_UP_ERROR },
};

START_TEST(test_statuses_mean_what_pcs_says)
{
	struct reply r =
	    reply_of(answers[_i].status, answers[_i].head, answers[_i].body);
	struct coll_key key = key_evalnums(TEE_SGX);
	struct pcs_platform p;
	struct coll_raw raw = { 0 };
	struct why why = { 0 };

	ck_assert_int_eq(vendor_pcs.reply(&key, &r, &raw, &why),
	    answers[_i].expect);
	ck_assert_int_eq(why.err, answers[_i].expect);
	ck_assert_int_eq(pcs_platform_reply(&r, &p, &why), answers[_i].expect);
	reply_fini(&r);
}
END_TEST

START_TEST(test_pcs_own_reason_is_told_but_nothing_else_is)
{
	struct reply r = reply_of(400,
	    "Error-Code: InvalidRequestSyntax\r\nError-Message: x\r\n", "");
	struct why why = { 0 };

	ck_assert_int_eq(vendor_status(&r, &why), ERR_UP_REFUSED);
	ck_assert_str_eq(why.text, "HTTP 400, Error-Code InvalidRequestSyntax");
	reply_fini(&r);
	r = reply_of(400, "Error-Code: \x1b[31m\"<script>\r\n", "");
	ck_assert_int_eq(vendor_status(&r, &why), ERR_UP_REFUSED);
	ck_assert_str_eq(why.text, "HTTP 400");
	reply_fini(&r);
}
END_TEST

static const struct {
	const char *key, *header;
} chains[] = {
	{ "tcb/sgx/4/00906ED50000/standard", "TCB-Info-Issuer-Chain" },
	{ "tcb/tdx/4/00906ED50000/early", "SGX-TCB-Info-Issuer-Chain" },
	{ "identity/tdqe/4/early", "SGX-Enclave-Identity-Issuer-Chain" },
	{ "pckcrl/platform", "SGX-PCK-CRL-Issuer-Chain" },
	{ "rootcrl", "SGX-PCK-CRL-Issuer-Chain" },
	{ "evalnums/tdx", "TCB-Evaluation-Data-Numbers-Issuer-Chain" },
};

START_TEST(test_the_kinds_own_chain_header_is_taken)
{
	struct coll_key key = key_of(chains[_i].key);
	struct coll_raw raw = { 0 };
	struct why why = { 0 };
	struct reply r = { .status = 200 };
	size_t i;

	/* Another kind's header in front, and names in lower case as HTTP/2
	 * has them. */
	buf_str(&r.head, "sgx-pck-certificate-issuer-chain: wrong\r\n");
	for (i = 0; chains[_i].header[i] != '\0'; i++)
		buf_printf(&r.head, "%c", chains[_i].header[i] | 0x20);
	buf_str(&r.head, ":\t right \r\n");
	buf_str(&r.body, "{}");
	ck_assert_int_eq(vendor_pcs.reply(&key, &r, &raw, &why), ERR_OK);
	ck_assert(span_eq_str(raw.chain, "right"));
	ck_assert(span_eq_str(raw.body, "{}"));
	reply_fini(&r);
	/* Without it nothing stands in for it. */
	r = reply_of(200, "SGX-PCK-Certificate-Issuer-Chain: wrong\r\n", "{}");
	raw = (struct coll_raw){ 0 };
	ck_assert_int_eq(vendor_pcs.reply(&key, &r, &raw, &why), ERR_OK);
	ck_assert_uint_eq(raw.chain.len, 0);
	reply_fini(&r);
}
END_TEST

START_TEST(test_platform_headers_are_read)
{
	struct reply r = reply_of(200,
	    "SGX-FMSPC: 00906ed50000\r\n"
	    "SGX-PCK-Certificate-CA-Type: platform\r\n"
	    "SGX-PCK-Certificate-Issuer-Chain: chain\r\n",
	    "[]");
	struct pcs_platform p;
	struct why why = { 0 };

	ck_assert_int_eq(pcs_platform_reply(&r, &p, &why), ERR_OK);
	ck_assert_str_eq(p.fmspc, "00906ED50000");
	ck_assert(p.has_ca && p.ca == PCK_CA_PLATFORM);
	ck_assert(span_eq_str(p.chain, "chain"));
	reply_fini(&r);
	r = reply_of(200, "SGX-FMSPC: 00906ed5\r\n", "[]");
	ck_assert_int_eq(pcs_platform_reply(&r, &p, &why), ERR_OK);
	ck_assert_str_eq(p.fmspc, "");
	ck_assert(!p.has_ca);
	reply_fini(&r);
}
END_TEST

#define NO_CERTIFICATE                                                         \
	"[{\"cert\":\"-----BEGIN%20CERTIFICATE-----%0Aaaaa%0A"                 \
	"-----END%20CERTIFICATE-----\"}]"

static const char *const bad_bodies[] = {
	"",
	"{}",
	"[]",
	"[1]",
	"[{\"cert\":\"Not available\"}]",
	"[{\"cert\":5}]",
	"[{\"cert\":\"%zz\"}]",
	"[{\"cert\":\"x\"}]",
	NO_CERTIFICATE,
};

START_TEST(test_a_body_without_a_certificate_gives_no_fmspc)
{
	struct why why = { 0 };
	char fmspc[13];

	ck_assert_int_eq(pcs_body_fmspc(span_str(bad_bodies[_i]), fmspc, &why),
	    ERR_FORMAT);
}
END_TEST

/* --- origins ---------------------------------------------------------- */

static const struct {
	const char *url, *origin;
	bool loopback;
} origins[] = {
	{ "https://Api.Example/x?y", "https://api.example:443", false },
	{ "http://127.0.0.1:80/", "http://127.0.0.1:80", true },
	{ "HTTP://LOCALHOST", "http://localhost:80", true },
	{ "https://[::1]:8081/a", "https://[::1]:8081", true },
	{ "https://[2001:db8::1]", "https://[2001:db8::1]:443", false },
	{ "https://127.0.0.1.evil.example/",
	    "https://127.0.0.1.evil.example:443", false },
	{ "https://user:pw@h/", NULL, false },
	{ "ftp://h/", NULL, false },
	{ "https://", NULL, false },
	{ "h", NULL, false },
};

START_TEST(test_origins_of_urls)
{
	char *o = origin_of(origins[_i].url);

	if (origins[_i].origin == NULL)
		ck_assert_ptr_null(o);
	else
		ck_assert_str_eq(o, origins[_i].origin);
	ck_assert_int_eq(url_loopback(origins[_i].url), origins[_i].loopback);
	free(o);
}
END_TEST

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

int
main(void)
{
	Suite *s = suite_create("pcs");
	TCase *t = tcase_create("pcs");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_requests_are_those_of_pcs_v4, 0,
	    N(requests));
	tcase_add_test(t, test_mirrors_keep_their_order);
	tcase_add_test(t, test_root_crl_comes_from_its_hosts_then_from_caches);
	tcase_add_test(t, test_api_key_is_sent_only_when_configured);
	tcase_add_test(t, test_platform_is_asked_by_ppid);
	tcase_add_test(t, test_platform_is_asked_by_manifest);
	tcase_add_test(t, test_all_zero_ppid_counts_as_none);
	tcase_add_loop_test(t, test_statuses_mean_what_pcs_says, 0, N(answers));
	tcase_add_test(t, test_pcs_own_reason_is_told_but_nothing_else_is);
	tcase_add_loop_test(t, test_the_kinds_own_chain_header_is_taken, 0,
	    N(chains));
	tcase_add_test(t, test_platform_headers_are_read);
	tcase_add_loop_test(t, test_a_body_without_a_certificate_gives_no_fmspc,
	    0, N(bad_bodies));
	tcase_add_loop_test(t, test_origins_of_urls, 0, N(origins));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
