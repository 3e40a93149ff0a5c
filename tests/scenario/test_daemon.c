/*
 * larderd as a service manager meets it: start, readiness, reload, end.
 */
#include "config/base/must.h"
#include "tests/kit/edge.h"
#include "tests/kit/run.h"
#include "upstream/fetch.h"

#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A daemon that asks nobody; "more" is members, each ending in a comma. */
static const char *
config(const char *more)
{
	static char text[2048];

	snprintf(text, sizeof(text),
	    "{%s\n\"mode\": \"offline\",\n"
	    "\"database\": \"sqlite:%s\",\n"
	    "\"listen\": [{\"address\": \"127.0.0.1:0\","
	    " \"serve\": [\"pccs\", \"ops\", \"admin\"]}]}",
	    more, run_path("larder.db"));
	return text;
}

/* Status of a GET, or 0 without an answer. */
static int
get(const struct daemon_run *d, const char *path, const char *header)
{
	char url[256];
	struct http_ask ask = { .url = url,
		.headers = &header,
		.n_headers = header != NULL,
		.timeout_ms = PATIENCE_MS };
	struct http_answer a = { 0 };
	int status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", d->port[0], path);
	if (http_fetch(&ask, &a, NULL) == ERR_OK)
		status = a.status;
	http_answer_free(&a);
	return status;
}

START_TEST(test_starts_answers_and_ends)
{
	struct daemon_run d;

	ck_assert(daemon_run_start("larder", config(""), &d));
	ck_assert_int_gt(d.port[0], 0);
	ck_assert_int_eq(get(&d, "/healthz", NULL), 200);
	ck_assert_int_eq(get(&d, "/sgx/certification/v4/qe/identity", NULL),
	    404);
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	ck_assert(daemon_run_logged(&d, "event=draining"));
	ck_assert(daemon_run_logged(&d, "event=ended"));
	ck_assert_int_eq(get(&d, "/healthz", NULL), 0);
	/* Ctrl-C is as good. */
	ck_assert(daemon_run_start("larder", config(""), &d));
	ck_assert_int_eq(daemon_run_end(&d, SIGINT), 0);
}
END_TEST

START_TEST(test_start_that_cannot_be_is_1)
{
	struct daemon_run d;
	struct run r;

	r = run_line("", "larderd -c /nonexistent.json");
	ck_assert_int_eq(r.status, 1);
	ck_assert_ptr_nonnull(strstr(r.err.p, "event=start-failed"));
	run_free(&r);
	ck_assert(!daemon_run_start("larder",
	    "{\"database\": \"sqlite:/nonexistent/x.db\"}", &d));
	ck_assert(daemon_run_logged(&d, "event=start-failed"));
	ck_assert(daemon_run_logged(&d, "/nonexistent/x.db"));
}
END_TEST

START_TEST(test_port_in_use_is_a_failed_start)
{
	struct daemon_run first, second;
	char text[512];

	ck_assert(daemon_run_start("first", config(""), &first));
	snprintf(text, sizeof(text),
	    "{\"mode\": \"offline\", \"database\": \"sqlite:%s\","
	    " \"listen\": [{\"address\": \"127.0.0.1:%d\","
	    " \"serve\": [\"ops\"]}]}",
	    run_path("other.db"), first.port[0]);
	ck_assert(!daemon_run_start("second", text, &second));
	ck_assert(daemon_run_logged(&second, "event=start-failed"));
	ck_assert_int_eq(get(&first, "/healthz", NULL), 200);
	ck_assert_int_eq(daemon_run_end(&first, SIGTERM), 0);
}
END_TEST

/* --- sockets that are given ------------------------------------------- */

static int
listener(int family, struct sockaddr *a, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, a, len), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(getsockname(fd, a, &len), 0);
	return fd;
}

static int
asking(int family, const struct sockaddr *a, socklen_t len)
{
	static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: h\r\n"
				  "Connection: close\r\n\r\n";
	int fd = socket(family, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, a, len), 0);
	ck_assert_int_eq((int)write(fd, ask, sizeof(ask) - 1),
	    (int)sizeof(ask) - 1);
	return fd;
}

static void
answered(int fd)
{
	char text[12] = "";

	ck_assert_int_eq((int)recv(fd, text, sizeof(text), MSG_WAITALL),
	    (int)sizeof(text));
	ck_assert_mem_eq(text, "HTTP/1.1 200", sizeof(text));
	close(fd);
}

/*
 * Who asks while there is no larderd stands in the socket's queue and is
 * answered by the next one, before the first start and between two.
 */
START_TEST(test_serves_sockets_that_were_given)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct daemon_run d;
	char text[1024], one[1024], name[80];
	struct buf log;
	int given[2], tcp, local, turn;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", run_path("given"));
	given[0] = listener(AF_INET, (struct sockaddr *)&in, sizeof(in));
	given[1] = listener(AF_UNIX, (struct sockaddr *)&un, sizeof(un));
	snprintf(text, sizeof(text),
	    "{\"mode\": \"offline\", \"database\": \"sqlite:%s\","
	    " \"listen\": [{\"address\": \"unix:%s\", \"serve\": [\"ops\"]},"
	    " {\"address\": \"127.0.0.1:%d\", \"serve\": [\"ops\"]}]}",
	    run_path("larder.db"), un.sun_path, ntohs(in.sin_port));
	for (turn = 0; turn < 2; turn++) {
		tcp = asking(AF_INET, (struct sockaddr *)&in, sizeof(in));
		local = asking(AF_UNIX, (struct sockaddr *)&un, sizeof(un));
		ck_assert(daemon_run_given("larder", text, given, 2, &d));
		answered(tcp);
		answered(local);
		ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	}
	/* What no listener is for is named, and that alone. */
	snprintf(one, sizeof(one),
	    "{\"mode\": \"offline\", \"database\": \"sqlite:%s\","
	    " \"listen\": [{\"address\": \"unix:%s\", \"serve\": [\"ops\"]}]}",
	    run_path("larder.db"), un.sun_path);
	snprintf(name, sizeof(name),
	    "event=socket-not-served address=127.0.0.1:%d", ntohs(in.sin_port));
	ck_assert(daemon_run_given("larder", one, given, 2, &d));
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	log = run_slurp(d.log);
	ck_assert_ptr_nonnull(strstr(log.p, name));
	ck_assert_ptr_null(strstr(log.p, "socket-not-served address=unix:"));
	buf_free(&log);
	/* Not given, the same addresses are in use. */
	ck_assert(!daemon_run_start("larder", text, &d));
	close(given[0]);
	close(given[1]);
}
END_TEST

/* --- reload ----------------------------------------------------------- */

/* sha512 of "secret" */
#define SECRET_HASH                                                            \
	"bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"     \
	"2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"

START_TEST(test_reload_takes_tokens_and_refuses_what_is_bad)
{
	static const char secret[] = "admin-token: secret";
	struct daemon_run d;

	ck_assert(daemon_run_start("larder", config(""), &d));
	ck_assert_int_eq(get(&d, "/v1/status", secret), 401);

	run_spill("larder.json",
	    config("\"tokens\": {\"admin_sha512\": [\"" SECRET_HASH "\"]},"));
	ck_assert_int_eq(kill(d.pid, SIGHUP), 0);
	ck_assert(daemon_run_logged(&d, "event=reloaded"));
	ck_assert_int_eq(get(&d, "/v1/status", secret), 200);

	run_spill("larder.json", "{\n\"mode\": \"lazy\",\n\"modes\": 1}");
	ck_assert_int_eq(kill(d.pid, SIGHUP), 0);
	ck_assert(daemon_run_logged(&d, "event=reload-refused"));
	ck_assert(daemon_run_logged(&d, "larder.json:3: "));
	ck_assert_int_eq(get(&d, "/v1/status", secret), 200);

	run_spill("larder.json",
	    "{\"mode\": \"offline\", \"database\": \"sqlite:/other.db\"}");
	ck_assert_int_eq(kill(d.pid, SIGHUP), 0);
	ck_assert(daemon_run_logged(&d, "database cannot change"));
	ck_assert_int_eq(get(&d, "/v1/status", secret), 200);
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
}
END_TEST

/* --- the service manager ---------------------------------------------- */

static int
notify_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval t = { PATIENCE_MS / 1000, 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(fd != -1);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	must(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0);
	return fd;
}

/* The next notice; WATCHDOG ones are passed over unless asked for. */
static const char *
notice(int fd, bool watchdog)
{
	static char text[256];
	ssize_t n;

	do {
		n = recv(fd, text, sizeof(text) - 1, 0);
		ck_assert_int_gt(n, 0);
		text[n] = '\0';
	} while (strcmp(text, "WATCHDOG=1") == 0 && !watchdog);
	return text;
}

/*
 * Certificates that change count without a signal, once they fit together:
 * nothing happens when one half of a pair is new, but for a line in the log.
 */
START_TEST(test_new_certificates_are_taken)
{
	struct daemon_run d;
	char text[1024];

	edge_certificate(run_dir(), "now");
	edge_certificate(run_dir(), "next");
	snprintf(text, sizeof(text),
	    "{\"mode\": \"offline\", \"database\": \"sqlite:%s\","
	    " \"listen\": [{\"address\": \"127.0.0.1:0\", \"serve\": [\"ops\"],"
	    " \"tls\": {\"certificate\": \"%s/now.pem\","
	    " \"key\": \"%s/now.key\"}}]}",
	    run_path("larder.db"), run_dir(), run_dir());
	ck_assert(daemon_run_start("larder", text, &d));
	ck_assert_int_eq(rename(run_path("next.pem"), run_path("now.pem")), 0);
	ck_assert(daemon_run_logged(&d, "event=certificates-refused"));
	ck_assert_int_eq(rename(run_path("next.key"), run_path("now.key")), 0);
	ck_assert(daemon_run_logged(&d, "event=certificates-taken"));
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
}
END_TEST

START_TEST(test_notices_to_the_service_manager)
{
	const char *path = run_path("notify");
	int fd = notify_socket(path), i;
	struct daemon_run d;

	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "100000", 1);
	ck_assert(daemon_run_start("larder", config(""), &d));
	ck_assert_str_eq(notice(fd, true), "READY=1");
	for (i = 0; i < 3; i++)
		ck_assert_str_eq(notice(fd, true), "WATCHDOG=1");
	ck_assert_int_eq(kill(d.pid, SIGHUP), 0);
	ck_assert_ptr_nonnull(
	    strstr(notice(fd, false), "RELOADING=1\nMONOTONIC_USEC="));
	ck_assert_str_eq(notice(fd, false), "READY=1");
	/* A refused one ends the same way: the old one is ready. */
	run_spill("larder.json", "{");
	ck_assert_int_eq(kill(d.pid, SIGHUP), 0);
	ck_assert_ptr_nonnull(strstr(notice(fd, false), "RELOADING=1"));
	ck_assert_str_eq(notice(fd, false), "READY=1");
	ck_assert_int_eq(daemon_run_end(&d, SIGTERM), 0);
	ck_assert_str_eq(notice(fd, false), "STOPPING=1");
	close(fd);
}
END_TEST

static Suite *
daemon_suite(void)
{
	Suite *s = suite_create("daemon");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_starts_answers_and_ends);
	tcase_add_test(t, test_start_that_cannot_be_is_1);
	tcase_add_test(t, test_port_in_use_is_a_failed_start);
	tcase_add_test(t, test_serves_sockets_that_were_given);
	tcase_add_test(t, test_reload_takes_tokens_and_refuses_what_is_bad);
	tcase_add_test(t, test_new_certificates_are_taken);
	tcase_add_test(t, test_notices_to_the_service_manager);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r = srunner_create(daemon_suite());
	int failed;

	(void)run_dir();
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
