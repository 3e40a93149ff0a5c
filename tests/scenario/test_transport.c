/*
 * libcurl on a loop and by itself, against a simulated PCS: connections kept,
 * TLS and its CA, proxies, limits.
 */
#include "tests/kit/run.h"
#include "tests/sim/sim.h"
#include "upstream/fetch.h"
#include "upstream/transport.h"

#include "config/base/mbox.h"
#include "config/base/must.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRL "/sgx/certification/v4/pckcrl?ca=platform"

static struct sim *sim;
static struct config *config;
static struct loop *loop;
static struct transport *tr;

/* What the last exchange gave. */
static struct why why;
static int status;
static size_t body_len, n_replies;
static bool has_chain;

static void
config_make(const char *upstream)
{
	struct buf b = BUF_INIT;
	struct why w = { 0 };

	config_unref(config);
	config = NULL;
	buf_printf(&b, "{\"upstream\":{%s}}", upstream);
	ck_assert_msg(config_read(buf_view(&b), "test", &config, &w) == ERR_OK,
	    "%s", w.text);
	buf_free(&b);
}

static void
stage(const struct sim_opts *o, const char *upstream)
{
	sim = sim_start(o);
	must(sim != NULL);
	config_make(upstream);
	loop = loop_new("test");
	tr = curl_transport_new(loop, config);
	n_replies = 0;
}

static void
setup(void)
{
	stage(NULL, "");
}

static void
teardown(void)
{
	tr->ops->free(tr);
	loop_free(loop);
	sim_stop(sim);
	config_unref(config);
	config = NULL;
}

static void
reply_cb(void *arg, const struct reply *r)
{
	size_t *left = arg;

	why = r->why;
	status = r->status;
	body_len = r->body.len;
	has_chain = reply_header(r, "sgx-pck-crl-issuer-CHAIN").len > 1000;
	ck_assert_int_ge(r->us, 0);
	n_replies++;
	if (--*left == 0)
		loop_stop(loop);
}

static struct request
request_of(const char *base, const char *path)
{
	struct request r = { .body_max = 65536 };
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s%s", base, path);
	r.url = xstrdup(b.p);
	r.origin = origin_of(b.p);
	buf_free(&b);
	return r;
}

/* n exchanges at once; wait for all. */
static void
ask_n(const char *base, const char *path, size_t n, long timeout_ms)
{
	struct request r = request_of(base, path);
	size_t left = n, i;

	for (i = 0; i < n; i++)
		tr->ops->start(tr, &r, timeout_ms, reply_cb, &left);
	request_fini(&r);
	loop_run(loop);
}

static void
ask(const char *path)
{
	ask_n(sim_url(sim), path, 1, 30000);
}

START_TEST(test_an_answer_comes_whole_with_its_headers)
{
	ask(CRL);
	ck_assert_int_eq(why.err, ERR_OK);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_gt(body_len, 300);
	ck_assert(has_chain);
}
END_TEST

START_TEST(test_connections_are_kept)
{
	int i;

	for (i = 0; i < 10; i++)
		ask(CRL);
	ck_assert_uint_eq(sim_count(sim, CRL), 10);
	ck_assert_uint_eq(sim_connections(sim), 1);
}
END_TEST

START_TEST(test_many_at_once)
{
	ask_n(sim_url(sim), CRL, 50, 30000);
	ck_assert_uint_eq(n_replies, 50);
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(test_a_body_over_the_limit_is_cut_off)
{
	const struct sim_fault f = { .kind = SIM_OVERSIZE };

	sim_fault_add(sim, &f);
	ask(CRL);
	ck_assert_int_eq(why.err, ERR_TOO_BIG);
	ck_assert_uint_le(body_len, 65536);
}
END_TEST

static const struct {
	enum sim_fault_kind kind;
	enum err err;
} ends[] = { { SIM_RESET, ERR_UP_DOWN }, { SIM_EMPTY, ERR_UP_DOWN },
	{ SIM_TRUNCATE, ERR_UP_DOWN }, { SIM_HANG, ERR_UP_SLOW },
	{ SIM_HOLD, ERR_UP_SLOW } };

START_TEST(test_every_end_has_its_error)
{
	const struct sim_fault f = { .kind = ends[_i].kind };

	sim_fault_add(sim, &f);
	ask_n(sim_url(sim), CRL, 1, 100);
	ck_assert_int_eq(why.err, ends[_i].err);
	ck_assert_str_ne(why.text, "");
}
END_TEST

START_TEST(test_redirects_are_not_followed)
{
	const struct sim_fault f = { .kind = SIM_STATUS, .status = 302 };

	sim_fault_add(sim, &f);
	ask(CRL);
	ck_assert_int_eq(why.err, ERR_OK);
	ck_assert_int_eq(status, 302);
	ck_assert_uint_eq(sim_count(sim, NULL), 1);
}
END_TEST

START_TEST(test_only_http_is_spoken)
{
	static const char *const urls[] = { "file:///etc/passwd",
		"gopher://127.0.0.1:1/", "ftp://127.0.0.1:1/" };
	struct request r = { .url = xstrdup(urls[_i]), .body_max = 100 };
	size_t left = 1;

	tr->ops->start(tr, &r, 1000, reply_cb, &left);
	loop_run(loop);
	ck_assert_int_eq(why.err, ERR_PARAM);
	request_fini(&r);
}
END_TEST

START_TEST(test_cancelled_exchanges_are_silent)
{
	const struct sim_fault f = { .kind = SIM_HOLD, .count = 1 };
	struct request r = request_of(sim_url(sim), CRL);
	size_t left = 1, other = 1;
	struct exchange *x;

	sim_fault_add(sim, &f);
	x = tr->ops->start(tr, &r, 30000, reply_cb, &left);
	tr->ops->cancel(tr, x);
	ck_assert_uint_eq(n_replies, 0);
	tr->ops->start(tr, &r, 30000, reply_cb, &other);
	sim_fault_clear(sim);
	loop_run(loop);
	ck_assert_uint_eq(n_replies, 1);
	ck_assert_uint_eq(left, 1);
	/* One still on its way when the transport ends. */
	sim_fault_add(sim, &f);
	tr->ops->start(tr, &r, 30000, reply_cb, &other);
	request_fini(&r);
}
END_TEST

/* --- proxies ---------------------------------------------------------- */

START_TEST(test_a_configured_proxy_is_used)
{
	struct sim *proxy = sim_start(NULL);
	char text[100];

	snprintf(text, sizeof(text), "\"proxy\":\"%s\"", sim_url(proxy));
	config_make(text);
	tr->ops->configure(tr, config);
	ask(CRL);
	ck_assert_uint_eq(sim_connections(proxy), 1);
	ck_assert_uint_eq(sim_connections(sim), 0);
	sim_stop(proxy);
}
END_TEST

START_TEST(test_a_proxy_of_the_environment_is_not_asked_about_this_machine)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	unsetenv("no_proxy");
	ask(CRL);
	ck_assert_int_eq(status, 200);
}
END_TEST

/* --- TLS -------------------------------------------------------------- */

static char ca[200], cert[200], key[200];

static void
setup_tls(void)
{
	struct sim_opts o = { 0 };
	char line[300];
	struct run r;

	snprintf(line, sizeof(line), "larder init-tls -d %s 127.0.0.1",
	    run_path("tls"));
	r = run_line("", line);
	ck_assert_msg(r.status == 0, "%s", r.err.p);
	run_free(&r);
	snprintf(ca, sizeof(ca), "%s/ca.pem", run_path("tls"));
	snprintf(cert, sizeof(cert), "%s/server.pem", run_path("tls"));
	snprintf(key, sizeof(key), "%s/server.key", run_path("tls"));
	o.tls_cert = cert;
	o.tls_key = key;
	snprintf(line, sizeof(line), "\"ca_file\":\"%s\"", ca);
	stage(&o, line);
}

START_TEST(test_tls_with_the_configured_ca)
{
	ck_assert_int_eq(strncmp(sim_url(sim), "https://", 8), 0);
	ask(CRL);
	ck_assert_msg(why.err == ERR_OK, "%s", why.text);
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(test_tls_without_it_is_refused)
{
	config_make("");
	tr->ops->configure(tr, config);
	ask(CRL);
	ck_assert_int_eq(why.err, ERR_UP_DOWN);
	ck_assert_uint_eq(sim_count(sim, NULL), 0);
}
END_TEST

START_TEST(test_tls_for_another_name_is_refused)
{
	const struct sim_opts o = { .address = "127.0.0.2",
		.tls_cert = cert,
		.tls_key = key };
	struct sim *other = sim_start(&o);

	ck_assert_ptr_nonnull(other);
	ask_n(sim_url(other), CRL, 1, 30000);
	ck_assert_int_eq(why.err, ERR_UP_DOWN);
	ck_assert_uint_eq(sim_count(other, NULL), 0);
	sim_stop(other);
}
END_TEST

/* --- without a loop --------------------------------------------------- */

START_TEST(test_one_exchange_waited_for)
{
	struct request r = request_of(sim_url(sim), CRL);
	struct http_ask a = { .url = r.url };
	struct http_answer out;
	struct why w = { 0 };

	ck_assert_int_eq(http_fetch(&a, &out, &w), ERR_OK);
	ck_assert_int_eq(out.status, 200);
	ck_assert_uint_gt(out.body.len, 300);
	ck_assert_uint_gt(http_answer_header(&out, "SGX-PCK-CRL-Issuer-Chain")
			      .len,
	    1000);
	ck_assert_uint_eq(http_answer_header(&out, "X-None").len, 0);
	http_answer_free(&out);
	a.max_bytes = 10;
	ck_assert_int_eq(http_fetch(&a, &out, &w), ERR_TOO_BIG);
	a.max_bytes = 0;
	a.url = "file:///etc/passwd";
	ck_assert_int_eq(http_fetch(&a, &out, &w), ERR_PARAM);
	sim_down(sim);
	a.url = r.url;
	ck_assert_int_eq(http_fetch(&a, &out, &w), ERR_UP_DOWN);
	ck_assert_str_ne(w.text, "");
	http_answer_free(NULL);
	request_fini(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("transport");
	TCase *t = tcase_create("clear"), *tls = tcase_create("tls");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_an_answer_comes_whole_with_its_headers);
	tcase_add_test(t, test_connections_are_kept);
	tcase_add_test(t, test_many_at_once);
	tcase_add_test(t, test_a_body_over_the_limit_is_cut_off);
	tcase_add_loop_test(t, test_every_end_has_its_error, 0,
	    (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(t, test_redirects_are_not_followed);
	tcase_add_loop_test(t, test_only_http_is_spoken, 0, 3);
	tcase_add_test(t, test_cancelled_exchanges_are_silent);
	tcase_add_test(t, test_a_configured_proxy_is_used);
	tcase_add_test(t,
	    test_a_proxy_of_the_environment_is_not_asked_about_this_machine);
	tcase_add_test(t, test_one_exchange_waited_for);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(tls, setup_tls, teardown);
	tcase_add_test(tls, test_tls_with_the_configured_ca);
	tcase_add_test(tls, test_tls_without_it_is_refused);
	tcase_add_test(tls, test_tls_for_another_name_is_refused);
	suite_add_tcase(s, tls);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
