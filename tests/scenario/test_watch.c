/*
 * What is new upstream is told before it is served: in the log, by a counter,
 * and to a webhook, which is a small server of this test's own.
 */
#include "config/base/clock.h"
#include "config/base/must.h"
#include "tests/kit/baseline.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FMSPC "00606A000000"
#define S4    "/sgx/certification/v4/"

static struct house h;

/* --- the webhook's other end ------------------------------------------ */

static struct {
	int fd, port;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t came;
	json_t *events[64];
	size_t n;
	int refuse; /* answer the first so many with 500 */
} hook;

/* One request: its body, as far as it is JSON. */
static void
hook_serve(int fd)
{
	char buf[16384];
	size_t len = 0;
	ssize_t n;
	char *body = NULL, *at;
	size_t want = 0;
	bool bad;

	while (len < sizeof(buf) - 1 &&
	       (n = recv(fd, buf + len, sizeof(buf) - 1 - len, 0)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		if (body == NULL && (body = strstr(buf, "\r\n\r\n")) != NULL) {
			body += 4;
			at = strcasestr(buf, "content-length:");
			must(at != NULL);
			want = (size_t)strtoul(at + 15, NULL, 10);
		}
		if (body != NULL && len - (size_t)(body - buf) >= want)
			break;
	}
	pthread_mutex_lock(&hook.lock);
	bad = hook.refuse > 0;
	hook.refuse -= bad;
	if (!bad && body != NULL && hook.n < 64)
		hook.events[hook.n++] = json_loads(body, 0, NULL);
	pthread_cond_broadcast(&hook.came);
	pthread_mutex_unlock(&hook.lock);
	edge_send(fd, bad ? "HTTP/1.1 500 No\r\nContent-Length: 0\r\n"
			    "Connection: close\r\n\r\n"
			  : "HTTP/1.1 204 Yes\r\nConnection: close\r\n\r\n");
	close(fd);
}

static void *
hook_thread(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(hook.fd, NULL, NULL)) != -1)
		hook_serve(fd);
	return NULL;
}

static void
hook_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	must(pthread_mutex_init(&hook.lock, NULL) == 0);
	must(pthread_cond_init(&hook.came, NULL) == 0);
	hook.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(hook.fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	must(listen(hook.fd, 16) == 0);
	must(getsockname(hook.fd, (struct sockaddr *)&a, &len) == 0);
	hook.port = ntohs(a.sin_port);
	must(pthread_create(&hook.thread, NULL, hook_thread, NULL) == 0);
}

static void
hook_stop(void)
{
	size_t i;

	shutdown(hook.fd, SHUT_RDWR);
	must(pthread_join(hook.thread, NULL) == 0);
	close(hook.fd);
	for (i = 0; i < hook.n; i++)
		json_decref(hook.events[i]);
}

static bool
is(const json_t *o, const char *member, const char *text)
{
	const char *v = json_string_value(json_object_get(o, member));

	return text == NULL || (v != NULL && strcmp(v, text) == 0);
}

/* The event of this kind, waited for; borrowed. */
static json_t *
event(const char *what, const char *tee, const char *fmspc)
{
	struct timespec until;
	json_t *found = NULL;
	size_t i;
	int rc = 0;

	must(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_sec += PATIENCE_MS / 1000;
	pthread_mutex_lock(&hook.lock);
	while (found == NULL && rc == 0) {
		for (i = 0; i < hook.n; i++)
			if (is(hook.events[i], "event", what) &&
			    is(hook.events[i], "tee", tee) &&
			    is(hook.events[i], "fmspc", fmspc))
				found = hook.events[i];
		if (found == NULL)
			rc = pthread_cond_timedwait(&hook.came, &hook.lock,
			    &until);
	}
	pthread_mutex_unlock(&hook.lock);
	ck_assert_msg(found != NULL, "no event %s %s", what, tee);
	return found;
}

/* --- tests ------------------------------------------------------------ */

static void
begin(void)
{
	struct sim_platform p = sim_platform(SIM_NUMBER(SIM_DIRECT, 0));
	struct house_opts o = { 0 };
	char members[120];

	hook_start();
	snprintf(members, sizeof(members),
	    "\"baseline\":{\"webhook_url\":\"http://127.0.0.1:%d/news\"}",
	    hook.port);
	o.members = members;
	house_start(&h, &o);
	expect_set(&h, TEE_SGX, FMSPC, 17);
	expect_pckcert(&h, &p, 1, 200, NULL);
	expect_get(&h, S4 "qve/identity", 200, NULL);
}

static void
end(void)
{
	house_stop(&h);
	hook_stop();
}

static json_int_t
num(const json_t *o, const char *member)
{
	return json_integer_value(json_object_get(o, member));
}

static const char *
served(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u",
	    served_number(&h, S4 "tcb?fmspc=" FMSPC));
	return text;
}

START_TEST(test_a_recovery_is_told_before_it_is_served)
{
	struct sim_event e = { .at = clock_now() - 86400,
		.advisories = "INTEL-SA-09999",
		.identities = true };
	struct edge_reply r;
	json_t *o;

	begin();
	sim_publish(h.sim, &e);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	o = event("number", "sgx", NULL);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_int_eq(num(o, "standard"), 17);
	ck_assert(json_is_string(json_object_get(o, "recovered_at")));
	ck_assert_int_ge(num(json_object_get(o, "impact"), "platforms"), 1);
	o = event("tcb-info", "sgx", FMSPC);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_int_eq(num(o, "against"), 17);
	ck_assert_int_gt(num(json_object_get(o, "changed"), "levels") +
			     num(json_object_get(o, "changed"), "statuses"),
	    0);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(o,
							      "new_advisories"),
			     0)),
	    "INTEL-SA-09999");
	o = event("identity", "sgx", NULL);
	ck_assert_int_eq(num(o, "number"), 18);
	ck_assert_str_eq(served(), "17");
	r = house_get(&h, "/metrics");
	ck_assert(strstr(r.body, "larder_upstream_news_total{what=\"number\"} "
				 "1\n") != NULL);
	ck_assert(strstr(r.body, "larder_intel_evaluation_number{tee=\"sgx\","
				 "name=\"early\"} 18\n") != NULL);
	edge_reply_free(&r);
	end();
}
END_TEST

/* Events of this kind about SGX so far; number 0: any. */
static size_t
told(const char *what, json_int_t number)
{
	size_t i, n = 0;

	pthread_mutex_lock(&hook.lock);
	for (i = 0; i < hook.n; i++)
		n += is(hook.events[i], "event", what) &&
		     is(hook.events[i], "tee", "sgx") &&
		     (number == 0 || num(hook.events[i], "number") == number);
	pthread_mutex_unlock(&hook.lock);
	return n;
}

/* Nothing is told twice: not when "early" comes to what is held already. */
START_TEST(test_news_are_told_once)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;

	begin();
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	(void)event("number", "sgx", NULL);
	expect_admin(&h, "POST", "/v1/refresh?key=all", "", 200);
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	/* The impact of 19 is told once all there is to tell it from is there.
	 */
	while (told("number", 19) == 0) {
		ck_assert(clock_mono_ms() < until);
		upstream_tick(h.upstream, NULL, NULL);
		ck_assert_int_eq(house_status(&h, "/healthz"), 200);
	}
	ck_assert_uint_eq(told("number", 0), 2);
	ck_assert_uint_eq(told("number", 18), 1);
	ck_assert_uint_eq(told("tcb-info", 18), 1);
	end();
}
END_TEST

/* What becomes of the baseline: a change, and the first sign of its end. */
START_TEST(test_a_change_and_its_warning_are_told)
{
	json_t *o;

	begin();
	expect_change(&h, "pin", "{\"number\":17,\"reason\":\"the fleet\"}",
	    200, NULL);
	o = event("change", NULL, NULL);
	ck_assert_int_eq(num(o, "revision"), 1);
	ck_assert(is(o, "verb", "pin") && is(o, "scope", "default"));
	ck_assert(is(o, "who", "admin") && is(o, "reason", "the fleet"));
	ck_assert_int_ge(num(json_object_get(o, "impact"), "platforms"), 1);
	sim_recovery(h.sim);
	expect_admin(&h, "POST", "/v1/refresh?key=evalnums/sgx", "", 200);
	o = event("warning", "sgx", NULL);
	ck_assert(is(o, "scope", "default") && is(o, "warning", "newer"));
	ck_assert_int_eq(num(o, "number"), 17);
	ck_assert(json_is_string(json_object_get(o, "ends")));
	end();
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("watch");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_a_recovery_is_told_before_it_is_served);
	tcase_add_test(t, test_news_are_told_once);
	tcase_add_test(t, test_a_change_and_its_warning_are_told);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
