/*
 * How news are POSTed to baseline.webhook_url: headers and body, https and
 * whom it trusts, what is sent again and what is given up, and that the URL,
 * which is a secret, is in no log.
 */
#include "tests/kit/hook.h"
#include "tests/kit/run.h"
#include "upstream/webhook.h"

#include "config/base/clock.h"
#include "config/base/mbox.h"
#include "config/base/metric.h"
#include "config/base/must.h"
#include "config/base/version.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HERE   "127.0.0.1"
#define SECRET "T0K3N-B17-aXq"
#define PATH   "/services/" SECRET "?key=" SECRET

static struct loop *loop;
static struct transport *tr;
static struct webhook *w;
static struct hook *hook;
static struct config *config;
static int captured; /* what is logged */
static uint64_t sent_before, failed_before;

/* --- a stage ---------------------------------------------------------- */

static void
config_make(const char *ca)
{
	struct buf b = BUF_INIT;
	struct why why = { 0 };

	config_unref(config);
	config = NULL;
	buf_str(&b, "{\"upstream\":{");
	if (ca != NULL)
		buf_printf(&b, "\"ca_file\":\"%s\"", ca);
	buf_str(&b, "}}");
	ck_assert_msg(config_read(buf_view(&b), "test", &config, &why) ==
			  ERR_OK,
	    "%s", why.text);
	buf_free(&b);
}

static void
point_at(const char *scheme, const char *host, int port, long timeout_ms)
{
	char url[200];

	snprintf(url, sizeof(url), "%s://%s:%d" PATH, scheme, host, port);
	webhook_url(w, url, timeout_ms);
}

static void
begin(const char *host, const char *cert, const char *key, const char *ca)
{
	FILE *f = tmpfile();

	must(f != NULL && (captured = dup(fileno(f))) != -1);
	fclose(f);
	must(dup2(captured, STDERR_FILENO) != -1);
	sent_before = metric_get(M_WEBHOOK_SENT);
	failed_before = metric_get(M_WEBHOOK_FAILED);
	config_make(ca);
	hook = hook_start(host, cert, key);
	loop = loop_new("test");
	tr = curl_transport_new(loop, config);
	w = webhook_new(loop, tr, 1);
	point_at(cert == NULL ? "http" : "https", host, hook_port(hook), 60000);
}

static void
setup(void)
{
	begin(HERE, NULL, NULL, NULL);
}

static char *
logged(void)
{
	struct buf b = BUF_INIT;
	char part[4096];
	ssize_t n;

	ck_assert_int_eq(lseek(captured, 0, SEEK_SET), 0);
	while ((n = read(captured, part, sizeof(part))) > 0)
		buf_add(&b, part, (size_t)n);
	buf_add(&b, "", 1);
	return b.p;
}

/* Whatever happened: nobody can read the URL from the log. */
static void
teardown(void)
{
	char *log = logged();

	ck_assert_ptr_null(strstr(log, SECRET));
	ck_assert_ptr_null(strstr(log, "/services/"));
	free(log);
	webhook_free(w);
	tr->ops->free(tr);
	loop_free(loop);
	hook_stop(hook);
	config_unref(config);
	config = NULL;
	close(captured);
}

/* --- posting and waiting ---------------------------------------------- */

static void
post(int n)
{
	struct buf b = BUF_INIT;
	struct blob *json;

	buf_printf(&b, "{\"event\":\"number\",\"number\":%d}", n);
	json = buf_blob(&b);
	webhook_post(w, json);
	blob_unref(json);
}

struct until {
	uint64_t sent, failed;
	int64_t end;
	struct timer *timer;
};

static void
until_cb(void *arg)
{
	struct until *u = arg;

	ck_assert_int_lt(clock_mono_ms(), u->end);
	if (metric_get(M_WEBHOOK_SENT) == sent_before + u->sent &&
	    metric_get(M_WEBHOOK_FAILED) == failed_before + u->failed)
		loop_stop(loop);
	else
		timer_set(u->timer, 2);
}

/* Let it work until so many were sent and so many given up. */
static void
settle(uint64_t sent, uint64_t failed)
{
	struct until u = { sent, failed, clock_mono_ms() + PATIENCE_MS, NULL };

	u.timer = timer_new(loop, until_cb, &u);
	timer_set(u.timer, 0);
	loop_run(loop);
	timer_free(u.timer);
}

static json_int_t
number(size_t i)
{
	return json_integer_value(
	    json_object_get(hook_post(hook, i)->event, "number"));
}

/* --- what is sent ----------------------------------------------------- */

START_TEST(test_an_event_is_posted_as_it_is)
{
	const struct hook_post *p;

	post(18);
	settle(1, 0);
	ck_assert_uint_eq(hook_count(hook), 1);
	p = hook_post(hook, 0);
	ck_assert_str_eq(p->body, "{\"event\":\"number\",\"number\":18}");
	ck_assert_int_eq(strncmp(p->head, "POST " PATH " HTTP/1.1\r\n",
			     strlen("POST " PATH " HTTP/1.1\r\n")),
	    0);
	ck_assert_ptr_nonnull(
	    strstr(p->head, "\r\nContent-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(p->head, "\r\nContent-Length: 30\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(p->head, "\r\nUser-Agent: larder/" LARDER_VERSION "\r\n"));
	ck_assert_ptr_null(strcasestr(p->head, "\r\nExpect:"));
	ck_assert_ptr_null(strcasestr(p->head, "token"));
}
END_TEST

START_TEST(test_events_keep_their_order)
{
	int i;

	for (i = 0; i < 10; i++)
		post(i);
	settle(10, 0);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(number((size_t)i), i);
}
END_TEST

/* --- what is sent again ----------------------------------------------- */

START_TEST(test_what_is_refused_is_sent_again)
{
	hook_refuse(hook, 4, "500 No");
	post(18);
	post(19);
	settle(2, 0);
	ck_assert_uint_eq(hook_count(hook), 6);
	ck_assert_int_eq(number(0), 18);
	ck_assert(!hook_post(hook, 3)->taken);
	ck_assert_int_eq(number(4), 18);
	ck_assert(hook_post(hook, 4)->taken);
	ck_assert_int_eq(number(5), 19);
	ck_assert_str_eq(hook_post(hook, 0)->body, hook_post(hook, 4)->body);
}
END_TEST

/* Five times in all; what comes after it is not held up for ever. */
START_TEST(test_what_is_refused_for_good_is_given_up)
{
	char *log;

	hook_refuse(hook, 5, "503 Not today");
	post(18);
	post(19);
	settle(1, 1);
	ck_assert_uint_eq(hook_count(hook), 6);
	ck_assert_int_eq(number(4), 18);
	ck_assert_int_eq(number(5), 19);
	log = logged();
	ck_assert_ptr_nonnull(strstr(log, "event=webhook-failed status=503"));
	free(log);
}
END_TEST

/* Elsewhere may be anywhere: it does not get what is for this URL. */
START_TEST(test_a_redirect_is_no_answer)
{
	struct hook *other = hook_start(HERE, NULL, NULL);
	char status[100];

	snprintf(status, sizeof(status),
	    "307 There\r\nLocation: http://127.0.0.1:%d/", hook_port(other));
	hook_refuse(hook, 5, status);
	post(18);
	settle(0, 1);
	ck_assert_uint_eq(hook_count(hook), 5);
	ck_assert_uint_eq(hook_count(other), 0);
	hook_stop(other);
}
END_TEST

/* Nobody there, or somebody who says nothing: the next one's turn comes. */
START_TEST(test_silence_is_given_up)
{
	hook_refuse(hook, 5, "");
	point_at("http", HERE, hook_port(hook), 50);
	post(18);
	settle(0, 1);
	post(19);
	settle(1, 1);
	ck_assert_int_eq(number(5), 19);
}
END_TEST

START_TEST(test_nobody_there)
{
	struct hook *gone = hook_start(HERE, NULL, NULL);
	int port = hook_port(gone);

	hook_stop(gone);
	point_at("http", HERE, port, 60000);
	post(18);
	settle(0, 1);
	ck_assert_uint_eq(hook_count(hook), 0);
}
END_TEST

/* --- many, and none --------------------------------------------------- */

/* The oldest give way, but for the one that is on its way. */
START_TEST(test_a_full_queue_forgets_the_oldest)
{
	int i;

	for (i = 0; i < WEBHOOK_QUEUE + 3; i++)
		post(i);
	settle(WEBHOOK_QUEUE, 3);
	ck_assert_uint_eq(hook_count(hook), WEBHOOK_QUEUE);
	ck_assert_int_eq(number(0), 0);
	ck_assert_int_eq(number(1), 4);
	ck_assert_int_eq(number(WEBHOOK_QUEUE - 1), WEBHOOK_QUEUE + 2);
}
END_TEST

START_TEST(test_without_a_url_nothing_waits)
{
	post(1);
	webhook_url(w, NULL, 0);
	post(2);
	point_at("http", HERE, hook_port(hook), 60000);
	post(3);
	settle(1, 0);
	ck_assert_int_eq(number(hook_count(hook) - 1), 3);
	ck_assert_uint_le(hook_count(hook), 2);
}
END_TEST

/* --- https ------------------------------------------------------------ */

/* A CA of its own, DIR/ca.pem, and a certificate for this name. */
static void
pki(const char *dir, const char *name)
{
	char line[300];
	struct run r;

	snprintf(line, sizeof(line), "larder init-tls -d %s %s", run_path(dir),
	    name);
	r = run_line("", line);
	ck_assert_msg(r.status == 0, "%s", r.err.p);
	run_free(&r);
}

static const char *
in(const char *dir, const char *file)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return run_path(path);
}

START_TEST(test_https_of_a_trusted_ca)
{
	pki("tls", HERE);
	begin(HERE, in("tls", "server.pem"), in("tls", "server.key"),
	    in("tls", "ca.pem"));
	post(18);
	settle(1, 0);
	ck_assert_str_eq(hook_post(hook, 0)->body,
	    "{\"event\":\"number\",\"number\":18}");
	teardown();
}
END_TEST

/* Nothing of the event goes out to whom nobody vouches for. */
static void
refused(const char *host, const char *ca)
{
	char *log;

	begin(host, in("tls", "server.pem"), in("tls", "server.key"), ca);
	post(18);
	settle(0, 1);
	ck_assert_uint_eq(hook_count(hook), 0);
	log = logged();
	ck_assert_msg(strstr(log, "event=webhook-failed status=0") != NULL,
	    "%s", log);
	ck_assert_ptr_nonnull(strstr(log, "SSL"));
	free(log);
	teardown();
}

START_TEST(test_https_of_an_unknown_ca)
{
	pki("tls", HERE);
	pki("others", HERE);
	refused(HERE, NULL);
	refused(HERE, in("others", "ca.pem"));
}
END_TEST

START_TEST(test_https_for_another_name)
{
	pki("tls", HERE);
	refused("127.0.0.2", in("tls", "ca.pem"));
}
END_TEST

/* Clear text where TLS was asked for is no answer either. */
START_TEST(test_https_to_clear_text)
{
	begin(HERE, NULL, NULL, NULL);
	point_at("https", HERE, hook_port(hook), 50);
	post(18);
	settle(0, 1);
	teardown();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("webhook");
	TCase *t = tcase_create("clear"), *tls = tcase_create("tls");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_an_event_is_posted_as_it_is);
	tcase_add_test(t, test_events_keep_their_order);
	tcase_add_test(t, test_what_is_refused_is_sent_again);
	tcase_add_test(t, test_what_is_refused_for_good_is_given_up);
	tcase_add_test(t, test_a_redirect_is_no_answer);
	tcase_add_test(t, test_silence_is_given_up);
	tcase_add_test(t, test_nobody_there);
	tcase_add_test(t, test_a_full_queue_forgets_the_oldest);
	tcase_add_test(t, test_without_a_url_nothing_waits);
	suite_add_tcase(s, t);
	tcase_set_timeout(tls, 120);
	tcase_add_test(tls, test_https_of_a_trusted_ca);
	tcase_add_test(tls, test_https_of_an_unknown_ca);
	tcase_add_test(tls, test_https_for_another_name);
	tcase_add_test(tls, test_https_to_clear_text);
	suite_add_tcase(s, tls);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	(void)run_dir(); /* before the tests' own processes */
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
