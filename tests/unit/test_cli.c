/*
 * The command line as an operator meets it: usage, exit status, what it
 * prints and writes.  Each run is a child of its own.
 */
#include "config/base/blob.h"
#include "config/base/enc.h"
#include "config/base/must.h"
#include "config/config.h"
#include "server/cli/cli.h"
#include "tests/kit/run.h"

#include <check.h>
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct run
run(const char *line)
{
	return run_line("", line);
}

/* Exit status and a text on standard output or error. */
static void
check_run(const char *line, int status, const char *text)
{
	struct run r = run(line);

	ck_assert_msg(r.status == status, "%s: %d\n%s%s", line, r.status,
	    r.out.p, r.err.p);
	ck_assert_msg(strstr(r.out.p, text) != NULL ||
			  strstr(r.err.p, text) != NULL,
	    "%s: no \"%s\" in\n%s%s", line, text, r.out.p, r.err.p);
	run_free(&r);
}

static const char *
words(const char *fmt, const char *a, const char *b)
{
	static char line[1024];

	/* Formats are this file's own literals. */
	if (b == NULL)
		snprintf(line, sizeof(line), "%s %s", fmt, a);
	else
		snprintf(line, sizeof(line), "%s %s %s", fmt, a, b);
	return line;
}

/* --- usage ------------------------------------------------------------ */

START_TEST(test_help_of_every_command)
{
	const struct cli_command *c = cli_command_at((size_t)_i);
	struct run r;

	ck_assert_ptr_nonnull(c);
	r = run(words("larder", c->name, "--help"));
	ck_assert_int_eq(r.status, 0);
	ck_assert_uint_eq(r.err.len, 0);
	ck_assert_ptr_nonnull(strstr(r.out.p, "usage: larder "));
	ck_assert_ptr_nonnull(strstr(r.out.p, c->name));
	ck_assert_ptr_nonnull(strstr(r.out.p, c->summary));
	ck_assert_ptr_nonnull(strstr(r.out.p, "--help"));
	run_free(&r);
	check_run(words("larder", c->name, "--no-such"), 2, "no-such");
	if (c->max_args >= 0 && c->max_args < 3)
		check_run(words("larder", c->name, "a b c d"), 2,
		    "wrong number of arguments");
	if (c->min_args > 0)
		check_run(words("larder", c->name, ""), 2,
		    "wrong number of arguments");
}
END_TEST

START_TEST(test_there_are_all_commands)
{
	static const char *const names[] = { "status", "explain", "refresh",
		"history", "import", "export", "collateral", "token add",
		"token list", "token revoke", "token hash", "init-tls",
		"config check", "config dump", "collect", "key rotate",
		"key list", "verify", "inspect" };
	const struct cli_command *c;
	size_t i, j;
	bool found;

	for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
		found = false;
		for (i = 0; (c = cli_command_at(i)) != NULL; i++)
			found = found || strcmp(c->name, names[j]) == 0;
		ck_assert_msg(found, "%s", names[j]);
	}
	ck_assert_ptr_null(cli_command_at(40));
}
END_TEST

/* An option that larder.1 does not name is one nobody finds. */
START_TEST(test_manual_names_every_command_and_option)
{
	const struct cli_command *c;
	const struct cli_opt *o;
	struct buf page = BUF_INIT;
	char text[80];
	size_t i;

	page = run_slurp("deploy/man/larder.1");
	for (i = 0; (c = cli_command_at(i)) != NULL; i++) {
		snprintf(text, sizeof(text), ".It Nm Cm %s", c->name);
		ck_assert_msg(strstr(page.p, text) != NULL, "%s", text);
		for (o = c->opts; o != NULL && o->name != NULL; o++) {
			snprintf(text, sizeof(text), "\\-%s", o->name);
			ck_assert_msg(strstr(page.p, text) != NULL, "%s %s",
			    c->name, text);
		}
	}
	buf_free(&page);
}
END_TEST

/* The names in the table of requirements, and those of require.def. */
static size_t
requirements_named(const char *path, const char *const *marks, const char *page)
{
	struct buf source = run_slurp(path);
	const char *at, *const *mark;
	char name[64], word[80];
	size_t n = 0;

	for (mark = marks; *mark != NULL; mark++) {
		for (at = source.p; (at = strstr(at, *mark)) != NULL; n++) {
			at += strlen(*mark);
			ck_assert_int_eq(sscanf(at, "%63[a-z0-9_]", name), 1);
			snprintf(word, sizeof(word), "%s", name);
			ck_assert_msg(strstr(page, word) != NULL, "%s", word);
		}
	}
	buf_free(&source);
	return n;
}

START_TEST(test_manual_names_every_requirement)
{
	static const char *const table[] = { "\tANY(\"", "\tTD(\"", "\tSEV(\"",
		NULL };
	static const char *const def[] = { "(SGX, ", "(TDX, ", "(SNP, ", NULL };
	struct buf page = run_slurp("deploy/man/larder-verify.7");

	ck_assert_uint_gt(requirements_named("server/appraise/require.c", table,
			      page.p),
	    30);
	ck_assert_uint_gt(requirements_named("server/appraise/require.def", def,
			      page.p),
	    30);
	buf_free(&page);
}
END_TEST

START_TEST(test_wrong_usage_is_2)
{
	check_run("larder", 2, "usage: larder");
	check_run("larder nonsense", 2, "no command \"nonsense\"");
	check_run("larder token", 2, "token add");
	check_run("larder token nonsense", 2, "token add");
	check_run("larder token --help", 0, "token revoke");
	check_run("larder --help", 0, "collateral");
	check_run("larder --version", 0, "larder ");
	check_run("larder status --within soon", 2, "--within: not a number");
	check_run("larder status --within -1", 2, "--within: not a number");
	check_run("larder token add --role king x", 2, "admin or user");
	check_run("larder token add --sha512 --days 3 x", 2, "cannot end");
	check_run("larder refresh --certs KEY", 2, "one of the two");
	check_run("larder init-tls not/a/name", 2, "no host name");
	check_run("larder baseline pin 17", 2, "--reason is required");
	check_run("larder baseline pin x --reason y", 2, "\"x\" is not");
	check_run("larder baseline history --before 0", 2, "--before");
}
END_TEST

/* JSON cannot say it: it is refused here, and nobody is asked. */
START_TEST(test_baseline_words_that_are_not_utf8)
{
	check_run("larder baseline follow \xff --reason x", 2, "not UTF-8");
	check_run("larder baseline pin \xff --product Milan --reason x", 2,
	    "not UTF-8");
	check_run("larder baseline promote --reason a\xc3", 2, "not UTF-8");
	check_run("larder baseline pin 17 --fmspc \xff --reason x", 2,
	    "not UTF-8");
}
END_TEST

/* Port 9 of loopback: nobody listens, the answer is immediate. */
START_TEST(test_failed_job_is_1)
{
	static const char *const lines[] = { "larder status",
		"larder explain rootcrl", "larder history rootcrl",
		"larder refresh", "larder refresh rootcrl", "larder export" };
	size_t i;

	setenv("LARDER_SERVER", "http://127.0.0.1:9", 1);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_run(lines[i], 1, "127.0.0.1");
	run_spill("quote", "not a quote");
	check_run(words("larder collateral", run_path("quote"), NULL), 1,
	    "127.0.0.1");
	unsetenv("LARDER_SERVER");
	check_run("larder collateral /nonexistent", 1, "/nonexistent");
	check_run("larder import /nonexistent", 1, "/nonexistent");
	check_run(words("larder import", run_path("quote"), NULL), 1,
	    "quote:1");
	run_spill("empty.json", "{}");
	check_run(words("larder import", run_path("empty.json"), NULL), 1,
	    "neither a bundle");
	check_run("larder export --peek", 2, "--platforms");
	check_run("larder status --server unix:/nonexistent", 1, "larder");
	check_run("larder status --token-file /nonexistent", 1, "/nonexistent");
	check_run("larder token list -c /nonexistent", 1, "/nonexistent");
	check_run("larder baseline pin --chip 00 DB18000000000004 -r t", 2,
	    "--chip goes with --product");
	check_run("larder init-tls -d /proc/nonexistent", 1, "/proc");
}
END_TEST

/* --- configuration ---------------------------------------------------- */

START_TEST(test_config_check)
{
	struct run r;

	run_spill("good.json", "{\"mode\": \"offline\"}");
	run_spill("bad.json", "{\n\"mode\": \"offline\",\n\"modes\": 1\n}");
	check_run(words("larder config check", run_path("good.json"), NULL), 0,
	    "no problem");
	r = run(words("larder config check", run_path("bad.json"), NULL));
	ck_assert_int_eq(r.status, 1);
	ck_assert_ptr_nonnull(strstr(r.err.p, "bad.json:3: "));
	ck_assert_ptr_nonnull(strstr(r.err.p, "modes"));
	run_free(&r);
	check_run(words("larder config dump", run_path("bad.json"), NULL), 1,
	    "bad.json:3: ");
}
END_TEST

/* Nothing that stands in a configuration, or names it, is an order to the
 * terminal. */
START_TEST(test_a_configuration_gives_no_orders)
{
	static const char *const lines[] = { "larder config check",
		"larderd -t -c", "larder config dump", "larderd -T -c" };
	const char *odd = "odd\x1b[2J\x9b.json";
	struct run r;
	size_t i;

	run_spill(odd,
	    "{\"mode\":\"offline\",\"listen\":[{\"address\":\"127.0.0.1:0\","
	    "\"serve\":[\"pccs\"],\"tls\":{\"certificate\":"
	    "\"/x/\xc2\x9b"
	    "31m\\u001b[2J\\u007f.pem\",\"key\":\"/x/gr\xc3\xbcn\"}}]}");
	run_spill("bad\x1b[2J.json", "{\"a\\u001b[2J\":1}");
	for (i = 0; i < 4; i++) {
		r = run(words(lines[i], run_path(odd), NULL));
		ck_assert_int_eq(r.status, 0);
		ck_assert_ptr_null(strpbrk(r.err.p, "\x1b\x9b\x7f"));
		ck_assert_ptr_null(strpbrk(r.out.p, "\x1b\x9b\x7f"));
		ck_assert_ptr_nonnull(strcasestr(i < 2 ? r.err.p : r.out.p,
		    "/x/\\u009b31m\\u001b[2J\\u007f.pem"));
		ck_assert_ptr_nonnull(
		    strstr(i < 2 ? r.err.p : r.out.p, "/x/gr\xc3\xbcn"));
		if (i < 2)
			ck_assert_ptr_nonnull(strstr(r.out.p,
			    "odd\\u001b[2J\\x9b.json: no problem"));
		run_free(&r);
		r = run(words(lines[i], run_path("bad\x1b[2J.json"), NULL));
		ck_assert_int_eq(r.status, 1);
		ck_assert_ptr_null(strchr(r.err.p, 0x1b));
		ck_assert_ptr_nonnull(
		    strstr(r.err.p, "bad\\u001b[2J.json:1: \"a?[2J\""));
		run_free(&r);
	}
}
END_TEST

START_TEST(test_larderd_checks_and_dumps)
{
	char line[600];
	struct run r, again;

	run_spill("good.json", "{\"mode\": \"offline\"}");
	run_spill("bad.json", "{\n\"mode\": \"offline\",\n\"modes\": 1\n}");
	snprintf(line, sizeof(line), "larderd -t -c %s", run_path("good.json"));
	check_run(line, 0, "no problem");
	snprintf(line, sizeof(line), "larderd --test %s", run_path("bad.json"));
	check_run(line, 1, "bad.json:3: ");
	snprintf(line, sizeof(line), "larderd -T -c %s", run_path("bad.json"));
	check_run(line, 1, "bad.json:3: ");
	/* The dump is a configuration that dumps to itself. */
	snprintf(line, sizeof(line), "larderd --dump %s",
	    run_path("good.json"));
	r = run(line);
	ck_assert_int_eq(r.status, 0);
	ck_assert_ptr_nonnull(strstr(r.out.p, "offline"));
	ck_assert_ptr_nonnull(strstr(r.out.p, "client_wait_ms"));
	run_spill("whole.json", r.out.p);
	snprintf(line, sizeof(line), "larderd --dump --config %s",
	    run_path("whole.json"));
	again = run(line);
	ck_assert_str_eq(r.out.p, again.out.p);
	run_free(&r);
	run_free(&again);
}
END_TEST

START_TEST(test_larderd_usage)
{
	check_run("larderd --help", 0, "usage: larderd");
	check_run("larderd -V", 0, "larderd ");
	check_run("larderd --nonsense", 2, "nonsense");
	check_run("larderd a b", 2, "--help");
	check_run("larderd -c /nonexistent", 1, "/nonexistent");
}
END_TEST

START_TEST(test_every_example_is_a_configuration)
{
	char line[600];
	glob_t g;
	size_t i;

	ck_assert_int_eq(glob("deploy/examples/*.json", 0, NULL, &g), 0);
	ck_assert_uint_ge(g.gl_pathc, 5);
	for (i = 0; i < g.gl_pathc; i++) {
		snprintf(line, sizeof(line), "larderd -t -c %s", g.gl_pathv[i]);
		check_run(line, 0, "no problem");
	}
	/* What they name and is not here is a warning. */
	check_run("larderd -t deploy/examples/azure.json", 0,
	    "warning: /etc/larder/tls/server.key");
	globfree(&g);
}
END_TEST

/* larder.json(5) in the repository is what the schema says today. */
START_TEST(test_manual_of_the_configuration_is_the_schemas)
{
	struct buf page = BUF_INIT, frame = BUF_INIT, want = BUF_INIT;
	char *settings = NULL, *mark;
	size_t len = 0;
	FILE *f = open_memstream(&settings, &len);

	must(f != NULL);
	config_manual(f);
	fclose(f);
	ck_assert_uint_gt(len, 1000);
	frame = run_slurp("deploy/man/larder.json.5.in");
	page = run_slurp("deploy/man/larder.json.5");
	ck_assert_ptr_nonnull(mark = strstr(frame.p, "@SETTINGS@\n"));
	buf_add(&want, frame.p, (size_t)(mark - frame.p));
	buf_add(&want, settings, len);
	buf_str(&want, mark + strlen("@SETTINGS@\n"));
	ck_assert_msg(span_eq(buf_view(&want), buf_view(&page)),
	    "run make manual and commit the page");
	free(settings);
	buf_free(&page);
	buf_free(&frame);
	buf_free(&want);
}
END_TEST

/* --- tokens ----------------------------------------------------------- */

START_TEST(test_token_hash_in_pccs_form)
{
	struct run r = run_line("secret\n", "larder token hash --sha512");

	/* printf secret | sha512sum */
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.out.p,
	    "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"
	    "2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2"
	    "\n");
	run_free(&r);
	r = run_line("\nsecret\n", "larder token hash --sha512");
	ck_assert_int_eq(r.status, 1);
	ck_assert_uint_eq(r.out.len, 0);
	run_free(&r);
}
END_TEST

/* What it prints for a token, put into a configuration, grants that token. */
START_TEST(test_token_add_makes_a_row_that_grants)
{
	struct run r = run("larder token add --days 2 --json alice");
	struct config *config = NULL;
	struct token_grant grant;
	struct why why = { 0 };
	json_t *doc, *root;
	const char *token;
	char *text;
	time_t now = time(NULL);

	ck_assert_int_eq(r.status, 0);
	ck_assert_ptr_nonnull(doc = json_loads(r.out.p, 0, NULL));
	token = json_string_value(json_object_get(doc, "token"));
	ck_assert_uint_eq(strlen(token), 43);
	ck_assert_str_eq(json_string_value(json_object_get(doc, "setting")),
	    "tokens.named");
	root = json_pack("{s:{s:[O]}}", "tokens", "named",
	    json_object_get(doc, "row"));
	text = json_dumps(root, 0);
	ck_assert_msg(config_read(span_str(text), "row", &config, &why) ==
			  ERR_OK,
	    "%s", why.text);
	ck_assert_int_eq(token_prove(config, span_str(token), now, &grant),
	    TOKEN_GRANTED);
	ck_assert_str_eq(grant.who, "alice");
	ck_assert_int_ne(grant.role & ROLE_ADMIN, 0);
	ck_assert_int_eq(token_prove(config, span_str(token), now + 3 * 86400,
			     &grant),
	    TOKEN_REFUSED);
	ck_assert_int_eq(token_prove(config, span_str("guess"), now, &grant),
	    TOKEN_REFUSED);
	config_unref(config);
	free(text);
	json_decref(root);
	json_decref(doc);
	run_free(&r);
}
END_TEST

START_TEST(test_token_add_keeps_the_token_out_of_sight)
{
	struct buf token = BUF_INIT;
	char line[400];
	struct stat st;
	struct run r;

	snprintf(line, sizeof(line), "larder token add bob -o %s",
	    run_path("token"));
	r = run(line);
	ck_assert_int_eq(r.status, 0);
	ck_assert_int_eq(stat(run_path("token"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	token = run_slurp(run_path("token"));
	ck_assert_uint_eq(token.len, 43);
	ck_assert_ptr_null(strstr(r.out.p, token.p));
	ck_assert_ptr_nonnull(strstr(r.out.p, "$scrypt$"));
	/* A second one does not take the first one's place. */
	check_run(line, 1, "File exists");
	run_free(&r);
	snprintf(line, sizeof(line),
	    "larder token add bob --sha512 --role user --token-file %s",
	    run_path("token"));
	r = run(line);
	ck_assert_int_eq(r.status, 0);
	ck_assert_ptr_null(strstr(r.out.p, token.p));
	ck_assert_ptr_nonnull(strstr(r.out.p, "tokens.user_sha512"));
	run_free(&r);
	buf_free(&token);
}
END_TEST

START_TEST(test_token_list_and_revoke)
{
	struct run r = run("larder token add --json carol");
	json_t *doc = json_loads(r.out.p, 0, NULL), *root;
	char *text, line[400];

	ck_assert_ptr_nonnull(doc);
	root = json_pack("{s:{s:[O], s:[s]}}", "tokens", "named",
	    json_object_get(doc, "row"), "admin_sha512",
	    "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68"
	    "2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b"
	    "2");
	text = json_dumps(root, 0);
	run_spill("tokens.json", text);
	run_free(&r);
	snprintf(line, sizeof(line), "larder token list -c %s",
	    run_path("tokens.json"));
	check_run(line, 0, "carol");
	check_run(line, 0, "#bd2b1aaf");
	check_run(line, 0, "never");
	snprintf(line, sizeof(line), "larder token revoke -c %s carol",
	    run_path("tokens.json"));
	check_run(line, 0, "\"expires\"");
	snprintf(line, sizeof(line), "larder token revoke -c %s dave",
	    run_path("tokens.json"));
	check_run(line, 1, "no named token \"dave\"");
	free(text);
	json_decref(root);
	json_decref(doc);
}
END_TEST

/* --- init-tls --------------------------------------------------------- */

START_TEST(test_init_tls_makes_a_chain_that_verifies)
{
	struct buf first = BUF_INIT, second = BUF_INIT;
	char line[800];
	struct stat st;

	snprintf(line, sizeof(line),
	    "larder init-tls -d %s larder.example 192.0.2.7", run_path("tls"));
	check_run(line, 0, "tls/ca.pem");
	ck_assert_int_eq(stat(run_path("tls/server.key"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(run_path("tls/ca.key"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	first = run_slurp(run_path("tls/ca.pem"));
	/* A second run signs with the same CA. */
	snprintf(line, sizeof(line), "larder init-tls --json -d %s",
	    run_path("tls"));
	check_run(line, 0, "\"ca_is_new\": false");
	second = run_slurp(run_path("tls/ca.pem"));
	ck_assert(span_eq(buf_view(&first), buf_view(&second)));
	snprintf(line, sizeof(line),
	    "openssl verify -x509_strict -purpose sslserver -verify_hostname "
	    "localhost -CAfile %s %s",
	    run_path("tls/ca.pem"), run_path("tls/server.pem"));
	check_run(line, 0, "OK");
	snprintf(line, sizeof(line),
	    "openssl verify -verify_ip 127.0.0.1 -CAfile %s %s",
	    run_path("tls/ca.pem"), run_path("tls/server.pem"));
	check_run(line, 0, "OK");
	snprintf(line, sizeof(line),
	    "openssl verify -verify_hostname other.example -CAfile %s %s",
	    run_path("tls/ca.pem"), run_path("tls/server.pem"));
	check_run(line, 2, "ostname mismatch");
	/* A CA whose key is another one's is refused, not replaced. */
	snprintf(line, sizeof(line), "cp %s %s", run_path("tls/server.key"),
	    run_path("tls/ca.key"));
	check_run(line, 0, "");
	snprintf(line, sizeof(line), "larder init-tls -d %s", run_path("tls"));
	check_run(line, 1, "not a pair");
	buf_free(&first);
	buf_free(&second);
}
END_TEST

static Suite *
cli_suite(void)
{
	Suite *s = suite_create("cli");
	TCase *t = tcase_create("all");
	int n = 0;

	while (cli_command_at((size_t)n) != NULL)
		n++;
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_help_of_every_command, 0, n);
	tcase_add_test(t, test_there_are_all_commands);
	tcase_add_test(t, test_manual_names_every_command_and_option);
	tcase_add_test(t, test_manual_names_every_requirement);
	tcase_add_test(t, test_wrong_usage_is_2);
	tcase_add_test(t, test_baseline_words_that_are_not_utf8);
	tcase_add_test(t, test_failed_job_is_1);
	tcase_add_test(t, test_config_check);
	tcase_add_test(t, test_a_configuration_gives_no_orders);
	tcase_add_test(t, test_larderd_checks_and_dumps);
	tcase_add_test(t, test_larderd_usage);
	tcase_add_test(t, test_every_example_is_a_configuration);
	tcase_add_test(t, test_manual_of_the_configuration_is_the_schemas);
	tcase_add_test(t, test_token_hash_in_pccs_form);
	tcase_add_test(t, test_token_add_makes_a_row_that_grants);
	tcase_add_test(t, test_token_add_keeps_the_token_out_of_sight);
	tcase_add_test(t, test_token_list_and_revoke);
	tcase_add_test(t, test_init_tls_makes_a_chain_that_verifies);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *r;
	int failed;

	unsetenv("LARDER_SERVER");
	unsetenv("LARDER_ADMIN_TOKEN");
	/* Here, not in a child: it is removed when this process ends. */
	(void)run_dir();
	r = srunner_create(cli_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
