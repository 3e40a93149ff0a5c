/* How KDS is asked and what its answers mean: amd-kds 2.1 to 2.6. */
#include "upstream/vendor.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define N(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define ID16  "59790fb1c39f35c1"
#define ID128 ID16 ID16 ID16 ID16 ID16 ID16 ID16 ID16

static struct config *config;

static void
setup(void)
{
	static const char text[] =
	    "{\"upstream\":{\"kds\":{\"urls\":[\"https://kds.example\","
	    "\"http://localhost:8443/\"],\"timeout_ms\":90000}}}";
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

static struct coll_key
key_of(const char *text)
{
	struct coll_key key;
	struct why why = { 0 };

	ck_assert_msg(key_read(text, &key, &why) == ERR_OK, "%s: %s", text,
	    why.text);
	return key;
}

static const struct {
	const char *key, *target;
	enum lane lane;
} requests[] = {
	{ "vek/vcek/Milan/" ID128 "/DB18000000000004",
	    "/vcek/v1/Milan/" ID128 "?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219",
	    LANE_VCEK },
	{ "vek/vcek/Genoa/" ID128 "/541700000000000A",
	    "/vcek/v1/Genoa/" ID128 "?blSPL=10&teeSPL=0&snpSPL=23&ucodeSPL=84",
	    LANE_VCEK },
	{ "vek/vcek/Turin/" ID16 "/5100000004010101",
	    "/vcek/v1/Turin/" ID16
	    "?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81",
	    LANE_VCEK },
	{ "amdchain/vcek/Milan", "/vcek/v1/Milan/cert_chain", LANE_KDS },
	{ "amdchain/vlek/Turin", "/vlek/v1/Turin/cert_chain", LANE_KDS },
	{ "amdcrl/vcek/Genoa", "/vcek/v1/Genoa/crl", LANE_KDS },
	{ "amdcrl/vlek/Milan", "/vlek/v1/Milan/crl", LANE_KDS },
};

START_TEST(test_requests_are_canonical)
{
	static const char *const origins[] = { "https://kds.example:443",
		"http://localhost:8443" };
	static const char *const bases[] = { "https://kds.example",
		"http://localhost:8443" };
	struct coll_key key = key_of(requests[_i].key);
	struct request r;
	size_t i;

	ck_assert_ptr_eq(vendor_of(&key), &vendor_kds);
	ck_assert_uint_eq(vendor_kds.mirrors(config, &key), 2);
	for (i = 0; i < 2; i++) {
		vendor_kds.request(config, &key, i, &r);
		ck_assert_uint_gt(strlen(r.url), strlen(bases[i]));
		ck_assert_int_eq(strncmp(r.url, bases[i], strlen(bases[i])), 0);
		ck_assert_str_eq(r.url + strlen(bases[i]), requests[_i].target);
		ck_assert_str_eq(r.origin, origins[i]);
		ck_assert_int_eq(r.lane, requests[_i].lane);
		ck_assert_uint_eq(r.body_max, 64 * 1024);
		ck_assert_int_eq(r.timeout_ms, 90000);
		ck_assert_uint_eq(r.n_headers, 0);
		ck_assert_ptr_null(r.body);
		request_fini(&r);
	}
}
END_TEST

START_TEST(test_vleks_are_never_asked_for)
{
	struct coll_key key =
	    key_of("vek/vlek/Milan/CN=cc.example.com/DB18000000000004");

	ck_assert_uint_eq(vendor_kds.mirrors(config, &key), 0);
}
END_TEST

static const struct {
	int status;
	const char *head;
	enum err vcek, chain;
} replies[] = {
	{ 200, "", ERR_OK, ERR_OK },
	{ 404, "", ERR_UP_ABSENT, ERR_UP_ERROR },
	{ 410, "", ERR_UP_GONE, ERR_UP_ERROR },
	{ 404, "Larder-Reason: not-cached\r\n", ERR_NOT_CACHED,
	    ERR_NOT_CACHED },
	{ 429, "", ERR_UP_THROTTLED, ERR_UP_THROTTLED },
	{ 500, "", ERR_UP_ERROR, ERR_UP_ERROR },
	{ 503, "", ERR_UP_ERROR, ERR_UP_ERROR },
	{ 408, "", ERR_UP_ERROR, ERR_UP_ERROR },
	/* permanent for this URL */
	{ 400, "", ERR_UP_REFUSED, ERR_UP_REFUSED },
	{ 401, "", ERR_UP_REFUSED, ERR_UP_REFUSED },
	{ 403, "", ERR_UP_REFUSED, ERR_UP_REFUSED },
	{ 418, "", ERR_UP_REFUSED, ERR_UP_REFUSED },
	/* not followed */
	{ 302, "Location: https://elsewhere.example/\r\n", ERR_UP_REFUSED,
	    ERR_UP_REFUSED },
	{ 204, "", ERR_UP_REFUSED, ERR_UP_REFUSED },
};

static enum err
reply_to(const char *key_text, int status, const char *head, const char *body,
    struct coll_raw *raw)
{
	struct coll_key key = key_of(key_text);
	struct reply r = { .status = status };
	struct why why = { 0 };
	enum err e;

	buf_str(&r.head, head);
	buf_str(&r.body, body);
	e = vendor_kds.reply(&key, &r, raw, &why);
	ck_assert(e == ERR_OK || (why.err == e && why.text[0] != '\0'));
	reply_fini(&r);
	return e;
}

START_TEST(test_statuses_mean_what_2_5_says)
{
	struct coll_raw raw = { 0 };

	ck_assert_int_eq(reply_to(requests[0].key, replies[_i].status,
			     replies[_i].head, "x", &raw),
	    replies[_i].vcek);
	ck_assert_int_eq(reply_to("amdchain/vcek/Milan", replies[_i].status,
			     replies[_i].head, "x", &raw),
	    replies[_i].chain);
}
END_TEST

START_TEST(test_an_empty_200_is_no_answer)
{
	struct coll_raw raw = { 0 };

	ck_assert_int_eq(reply_to(requests[0].key, 200, "", "", &raw),
	    ERR_FORMAT);
	ck_assert_uint_eq(raw.body.len, 0);
}
END_TEST

/* Chain, then list, then VCEK. */
START_TEST(test_what_has_to_come_first)
{
	struct coll_key vcek = key_of(requests[2].key);
	struct coll_key chain = key_of("amdchain/vlek/Genoa");
	struct coll_key crl = key_of("amdcrl/vlek/Genoa"), out;

	ck_assert(vendor_kds.paced);
	ck_assert(vendor_kds.needs(&vcek, &out));
	ck_assert_str_eq(out.text, "amdchain/vcek/Turin");
	ck_assert(vendor_kds.first(&vcek, &out));
	ck_assert_str_eq(out.text, "amdcrl/vcek/Turin");
	ck_assert(vendor_kds.needs(&crl, &out));
	ck_assert_str_eq(out.text, "amdchain/vlek/Genoa");
	ck_assert(!vendor_kds.first(&crl, &out));
	ck_assert(!vendor_kds.needs(&chain, &out));
	ck_assert(!vendor_kds.first(&chain, &out));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kds");
	TCase *t = tcase_create("kds");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_requests_are_canonical, 0, N(requests));
	tcase_add_test(t, test_vleks_are_never_asked_for);
	tcase_add_loop_test(t, test_statuses_mean_what_2_5_says, 0, N(replies));
	tcase_add_test(t, test_an_empty_200_is_no_answer);
	tcase_add_test(t, test_what_has_to_come_first);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
