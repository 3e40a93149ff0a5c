/*
 * Verdicts signed by a key that is in no file: larderd with OpenSSL configured
 * for a provider whose keys never leave it (tests/kit/token), the way to those
 * of a PKCS#11 token.
 */
#include "config/base/enc.h"
#include "config/base/must.h"
#include "tests/kit/edge.h"
#include "tests/kit/house.h"
#include "tests/kit/jwtkit.h"
#include "tests/kit/run.h"
#include "tests/kit/vset.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- OpenSSL's configuration ------------------------------------------ */

/* A path of this test's own. */
static const char *
own(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "%s-%d", name, (int)getpid());
	return run_path(text);
}

static void
openssl_conf(const char *seed)
{
	const char *b = getenv("B");
	char module[300], text[1000], *whole;

	snprintf(module, sizeof(module), "%s/tests/kit/token.so",
	    b == NULL ? "build" : b);
	must((whole = realpath(module, NULL)) != NULL);
	snprintf(text, sizeof(text),
	    "openssl_conf = all\n"
	    "[all]\nproviders = both\n"
	    "[both]\ndefault = usual\ntoken = token\n"
	    "[usual]\nactivate = 1\n"
	    "[token]\nmodule = %s\nactivate = 1\nseed = %s\ngone = %s\n",
	    whole, seed, own("gone"));
	run_spill("openssl.cnf", text);
	free(whole);
}

/* Programs started from now on are configured so, or not. */
static void
configured(bool yes)
{
	must((yes ? setenv("OPENSSL_CONF", run_path("openssl.cnf"), 1)
		  : unsetenv("OPENSSL_CONF")) == 0);
}

static void
pull(bool out)
{
	FILE *f;

	if (!out)
		must(unlink(own("gone")) == 0);
	else
		must((f = fopen(own("gone"), "we")) != NULL && fclose(f) == 0);
}

/* --- larderd ---------------------------------------------------------- */

static struct daemon_run larderd;

static const char *
config(void)
{
	static char text[1000];

	snprintf(text, sizeof(text),
	    "{\"mode\":\"offline\",\"database\":\"sqlite:%s\","
	    "\"listen\":[{\"address\":\"127.0.0.1:0\",\"serve\":[\"verify\"]}],"
	    "\"jwt\":{\"keys_dir\":\"%s\",\"issuer\":"
	    "\"https://larder.example\"}}",
	    own("larder.db"), own("keys"));
	return text;
}

static void
setup(void)
{
	openssl_conf("a seed");
	configured(true);
	run_spill("larder.json", config());
}

static void
start(void)
{
	ck_assert(daemon_run_start("larder", config(), &larderd));
}

static const char *
rotation(void)
{
	static char line[300];

	snprintf(line, sizeof(line), "larder key rotate -c %s",
	    run_path("larder.json"));
	return line;
}

/* larder key rotate --now --from URI, with this status and these words. */
static void
rotate(const char *uri, int status, const char *words)
{
	char line[700];

	snprintf(line, sizeof(line), "%s --now --from %s", rotation(), uri);
	run_check(line, status, words, NULL);
}

static void
reload(const char *event)
{
	ck_assert_int_eq(kill(larderd.pid, SIGHUP), 0);
	ck_assert(daemon_run_logged(&larderd, event));
}

static void
ask(struct edge_reply *r)
{
	static const char evidence[] = "this is no evidence";
	int fd = edge_open(larderd.port[0]);
	struct buf b = BUF_INIT;

	buf_printf(&b,
	    "POST /v1/verify HTTP/1.1\r\nHost: h\r\n"
	    "Accept: application/jwt\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(evidence), evidence);
	edge_send_n(fd, b.p, b.len);
	edge_read(fd, r, false);
	buf_free(&b);
	close(fd);
}

static struct blob *
token(void)
{
	struct edge_reply r;
	struct blob *b;

	ask(&r);
	ck_assert_msg(r.status == 200, "%d: %s", r.status, r.body);
	expect_header(&r, "Content-Type", "application/jwt");
	b = blob_new(r.body, r.len);
	edge_reply_free(&r);
	return b;
}

static json_t *
published(void)
{
	struct edge_reply r;
	int fd = edge_open(larderd.port[0]);
	json_t *set;

	edge_send(fd, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: h\r\n\r\n");
	edge_read(fd, &r, false);
	ck_assert_int_eq(r.status, 200);
	must((set = json_loadb(r.body, r.len, 0, NULL)) != NULL);
	edge_reply_free(&r);
	close(fd);
	return set;
}

/* Two verifiers believe the token, and neither does its twin. */
static void
expect_holds(const json_t *set, const struct blob *t)
{
	struct blob *twin = flipped(blob_span(t), t->len / 2, 1);

	ck_assert(jwt_jose_holds(set, t));
	ck_assert(jwt_openssl_holds(set, t));
	ck_assert(!jwt_jose_holds(set, twin));
	blob_unref(twin);
}

/* Of so many files in the folder of keys. */
static size_t
files_with(const char *text)
{
	char line[400];
	size_t i, n = 0;
	struct run r;

	snprintf(line, sizeof(line), "grep -rlF %s %s", text, own("keys"));
	r = run_line("", line);
	for (i = 0; i < r.out.len; i++)
		n += r.out.p[i] == '\n';
	run_free(&r);
	return n;
}

/* So many keys are there with a private half, and so many of a token. */
static void
expect_files(size_t whole, size_t of_token)
{
	ck_assert_uint_eq(files_with("\"d\":"), whole);
	ck_assert_uint_eq(files_with("\"uri\":\"test:"), of_token);
	ck_assert_uint_eq(files_with("\"x\":"), whole + of_token);
}

/* --- tests ------------------------------------------------------------ */

START_TEST(test_a_tokens_key_signs_and_stays_there)
{
	struct blob *t;
	json_t *set;

	rotate("test:jwt?pin-value=1234", 0, "SIGHUP");
	start();
	t = token();
	set = published();
	ck_assert_uint_eq(json_array_size(json_object_get(set, "keys")), 1);
	expect_holds(set, t);
	/* There is no private half in any file. */
	expect_files(0, 1);
	/* One of larder's own follows, which is in a file. */
	run_check(rotation(), 0, "SIGHUP", NULL);
	expect_files(1, 1);
	reload("event=reloaded");
	json_decref(set);
	set = published();
	ck_assert_uint_eq(json_array_size(json_object_get(set, "keys")), 2);
	expect_holds(set, t);
	json_decref(set);
	blob_unref(t);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
}
END_TEST

/* The provider shows its copy of a key that it has used beside the key. */
START_TEST(test_a_key_that_is_found_twice_is_one)
{
	struct blob *t;
	json_t *set;

	rotate("test:twice", 0, "SIGHUP");
	start();
	reload("event=reloaded");
	t = token();
	set = published();
	expect_holds(set, t);
	expect_files(0, 1);
	json_decref(set);
	blob_unref(t);
	rotate("test:two", 1, "more than one");
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
}
END_TEST

START_TEST(test_without_its_token_nothing_is_signed)
{
	struct edge_reply r;
	struct blob *t;
	json_t *set;

	rotate("test:jwt", 0, "SIGHUP");
	start();
	set = published();
	pull(true);
	ask(&r);
	ck_assert_int_eq(r.status, 503);
	ck_assert(has_header(&r, "Retry-After"));
	edge_reply_free(&r);
	/* A reload would lose the key: it is refused, and all stays as it is.
	 */
	reload("event=reload-refused");
	pull(false);
	t = token();
	expect_holds(set, t);
	blob_unref(t);
	json_decref(set);
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
}
END_TEST

START_TEST(test_a_start_needs_the_token_and_the_same_key)
{
	rotate("test:jwt", 0, "SIGHUP");
	/* No provider is configured that knows the scheme. */
	configured(false);
	ck_assert(!daemon_run_start("larder", config(), &larderd));
	ck_assert(daemon_run_logged(&larderd, "no private key there"));
	configured(true);
	pull(true);
	ck_assert(!daemon_run_start("larder", config(), &larderd));
	ck_assert(daemon_run_logged(&larderd, "no private key there"));
	pull(false);
	/* Another token behind the same URI is not the one published. */
	openssl_conf("another seed");
	ck_assert(!daemon_run_start("larder", config(), &larderd));
	ck_assert(daemon_run_logged(&larderd, "not a private key for ES256"));
	openssl_conf("a seed");
	start();
	ck_assert_int_eq(daemon_run_end(&larderd, SIGTERM), 0);
}
END_TEST

static const struct {
	const char *uri, *words;
} refused[] = {
	{ "test:none", "no private key there, or more than one" },
	{ "test:two", "no private key there, or more than one" },
	{ "test:p384", "not a key on P-256" },
	{ "test:blind", "its public half cannot be had" },
	{ "test:mute", "it does not sign" },
	/* What it signs does not hold under the half it shows. */
	{ "test:other", "it does not sign" },
	{ "text:jwt?pin-value=1234", "no private key there" },
};

START_TEST(test_what_is_no_key_of_a_token)
{
	rotate(refused[_i].uri, 1, refused[_i].words);
	expect_files(0, 0);
	/* Its twin. */
	rotate("test:jwt", 0, "SIGHUP");
	expect_files(0, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("token_key");
	TCase *tc = tcase_create("token_key");
	SRunner *sr;
	int failed;

	(void)run_dir();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, test_a_tokens_key_signs_and_stays_there);
	tcase_add_test(tc, test_a_key_that_is_found_twice_is_one);
	tcase_add_test(tc, test_without_its_token_nothing_is_signed);
	tcase_add_test(tc, test_a_start_needs_the_token_and_the_same_key);
	tcase_add_loop_test(tc, test_what_is_no_key_of_a_token, 0,
	    (int)(sizeof(refused) / sizeof(refused[0])));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
