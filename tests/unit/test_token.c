#include "config/config.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* "<" stands for a, ">" for b, ' for a quote. */
static struct config *
config_with(const char *fmt, const char *a, const char *b)
{
	struct buf text = BUF_INIT;
	struct config *c = NULL;
	struct why why = { 0 };

	for (; *fmt != '\0'; fmt++) {
		if (*fmt == '<')
			buf_str(&text, a);
		else if (*fmt == '>')
			buf_str(&text, b);
		else if (*fmt == '\'')
			buf_str(&text, "\"");
		else
			buf_add(&text, fmt, 1);
	}
	ck_assert_msg(config_read(buf_view(&text), "t.json", &c, &why) ==
			  ERR_OK,
	    "%s", why.text);
	buf_free(&text);
	return c;
}

static char *
hash_of(const char *token)
{
	struct buf b = BUF_INIT;

	ck_assert_int_eq(token_hash(span_str(token), &b, NULL), ERR_OK);
	return b.p;
}

/* printf admin-secret | sha512sum, printf user-secret | sha512sum */
#define ADMIN                                                                  \
	"c13f10057f5ea4c18a4f3533fd8f6f767321a1b2352ff3ca3b27a3c0e4f28707"     \
	"41aed32cf1686f07807089bd0097cc30bb767cf98ac07c9e5baac0666ab42754"
#define USER                                                                   \
	"e875b96af015ef1882fbd181545a16c40b3ae3b898e58a43a09cb86b8ed7ca81"     \
	"3eca7a4b9c60e60f6b03ecdf5757b468a76762c4ccf507b352c6c8d45b3590dd"

static enum token_state
check(const struct config *c, const char *token, struct token_grant *g)
{
	return token_check(c, span_str(token), 1000, g);
}

START_TEST(test_sha512_tokens_as_pccs_has_them)
{
	struct config *c = config_with("{'tokens': {'admin_sha512': ['<'], "
				       "'user_sha512': ['>']}}",
	    ADMIN, USER);
	struct token_grant g = { ROLE_NONE, NULL };

	ck_assert_int_eq(check(c, "admin-secret", &g), TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_ADMIN);
	ck_assert_str_eq(g.who, "");
	ck_assert_int_eq(check(c, "user-secret", &g), TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_USER);
	config_unref(c);
}
END_TEST

static const char *const wrong[] = { "", "admin-secre", "admin-secret ",
	" admin-secret", "Admin-secret", "user-secre", ADMIN, USER };

START_TEST(test_other_tokens_are_refused)
{
	struct config *c = config_with("{'tokens': {'admin_sha512': ['<'], "
				       "'user_sha512': ['>']}}",
	    ADMIN, USER);
	struct token_grant g = { ROLE_NONE, NULL };

	ck_assert_int_eq(check(c, wrong[_i], &g), TOKEN_REFUSED);
	ck_assert_int_eq(token_prove(c, span_str(wrong[_i]), 0, &g),
	    TOKEN_REFUSED);
	ck_assert_int_eq(g.role, ROLE_NONE);
	ck_assert_ptr_null(g.who);
	config_unref(c);
}
END_TEST

START_TEST(test_without_any_hash_every_token_is_refused)
{
	struct config *c = config_with("{}", "", "");
	struct token_grant g;

	ck_assert_int_eq(check(c, "", &g), TOKEN_REFUSED);
	ck_assert_int_eq(check(c, "x", &g), TOKEN_REFUSED);
	ck_assert_int_eq(token_check(c, SPAN_NONE, 0, &g), TOKEN_REFUSED);
	config_unref(c);
}
END_TEST

START_TEST(test_a_token_in_both_lists_has_both_roles)
{
	struct config *c = config_with("{'tokens': {'admin_sha512': ['>', "
				       "'<'], 'user_sha512': ['<']}}",
	    ADMIN, USER);
	struct token_grant g;

	ck_assert_int_eq(check(c, "admin-secret", &g), TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_ADMIN | ROLE_USER);
	config_unref(c);
}
END_TEST

START_TEST(test_a_nul_in_a_token_counts)
{
	struct config *c =
	    config_with("{'tokens': {'admin_sha512': ['<']}}", ADMIN, USER);
	struct token_grant g;

	ck_assert_int_eq(token_check(c, span_of("admin-secret\0", 13), 0, &g),
	    TOKEN_REFUSED);
	ck_assert_int_eq(token_check(c, span_of("admin-secret\0", 12), 0, &g),
	    TOKEN_GRANTED);
	config_unref(c);
}
END_TEST

#define NAMED                                                                  \
	"{'tokens': {'named': [{'name': 'ops', 'role': 'admin', 'hash': '<'}," \
	"{'name': 'node', 'role': 'user', 'hash': '>', "                       \
	"'expires': '1970-01-01T00:16:41Z'}]}}" /* at 1001 */

START_TEST(test_named_tokens_are_proved_once)
{
	char *ops = hash_of("ops-token"), *node = hash_of("node-token");
	struct config *c = config_with(NAMED, ops, node), *again;
	struct token_grant g = { ROLE_NONE, NULL };

	ck_assert_int_eq(check(c, "ops-token", &g), TOKEN_UNPROVEN);
	ck_assert_int_eq(g.role, ROLE_NONE);
	ck_assert_int_eq(token_prove(c, span_str("ops-token"), 1000, &g),
	    TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_ADMIN | ROLE_USER);
	ck_assert_str_eq(g.who, "ops");
	ck_assert_int_eq(check(c, "ops-token", &g), TOKEN_GRANTED);
	/* a reload of the same hashes starts with what is known */
	again = config_with(NAMED, ops, node);
	g = (struct token_grant){ ROLE_NONE, NULL };
	ck_assert_int_eq(check(again, "ops-token", &g), TOKEN_GRANTED);
	ck_assert_ptr_eq(g.who, again->tokens.named[0].name);
	config_unref(again);
	/* without the row the token is nothing */
	again = config_with("{}", "", "");
	ck_assert_int_eq(check(again, "ops-token", &g), TOKEN_REFUSED);
	config_unref(again);
	config_unref(c);
	free(ops);
	free(node);
}
END_TEST

START_TEST(test_a_wrong_named_token_is_remembered_as_wrong)
{
	char *ops = hash_of("ops-token"), *node = hash_of("node-token");
	struct config *c = config_with(NAMED, ops, node);
	struct token_grant g = { ROLE_NONE, NULL };

	ck_assert_int_eq(check(c, "ops-tokem", &g), TOKEN_UNPROVEN);
	ck_assert_int_eq(token_prove(c, span_str("ops-tokem"), 1000, &g),
	    TOKEN_REFUSED);
	ck_assert_int_eq(check(c, "ops-tokem", &g), TOKEN_REFUSED);
	ck_assert_int_eq(g.role, ROLE_NONE);
	config_unref(c);
	free(ops);
	free(node);
}
END_TEST

START_TEST(test_a_token_ends_at_its_time)
{
	char *ops = hash_of("ops-token"), *node = hash_of("node-token");
	struct config *c = config_with(NAMED, ops, node);
	struct span token = span_str("node-token");
	struct token_grant g;

	ck_assert_int_eq(token_prove(c, token, 1000, &g), TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_USER);
	ck_assert_str_eq(g.who, "node");
	ck_assert_int_eq(token_check(c, token, 1000, &g), TOKEN_GRANTED);
	ck_assert_int_eq(token_prove(c, token, 1001, &g), TOKEN_REFUSED);
	ck_assert_int_eq(token_check(c, token, 1001, &g), TOKEN_REFUSED);
	config_unref(c);
	free(ops);
	free(node);
}
END_TEST

START_TEST(test_sha512_tokens_never_wait_for_a_proof)
{
	char *ops = hash_of("ops-token");
	struct config *c = config_with("{'tokens': {'admin_sha512': ['>'], "
				       "'named': [{'name': 'ops', "
				       "'role': 'user', 'hash': '<'}]}}",
	    ops, ADMIN);
	struct token_grant g;

	ck_assert_int_eq(check(c, "admin-secret", &g), TOKEN_GRANTED);
	ck_assert_int_eq(g.role, ROLE_ADMIN);
	config_unref(c);
	free(ops);
}
END_TEST

START_TEST(test_a_very_long_token_is_refused_unread)
{
	char *ops = hash_of("ops-token"), big[1026];
	struct config *c = config_with(NAMED, ops, ops);
	struct buf b = BUF_INIT;
	struct token_grant g;

	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(token_check(c, span_of(big, 1025), 0, &g),
	    TOKEN_REFUSED);
	ck_assert_int_eq(token_check(c, span_of(big, 1024), 0, &g),
	    TOKEN_UNPROVEN);
	ck_assert_int_eq(token_hash(span_of(big, 1025), &b, NULL), ERR_PARAM);
	ck_assert_int_eq(token_hash(SPAN_NONE, &b, NULL), ERR_PARAM);
	ck_assert_uint_eq(b.len, 0);
	config_unref(c);
	free(ops);
}
END_TEST

/* RFC 7914 12, third vector, its first 32 bytes. */
START_TEST(test_scrypt_agrees_with_rfc_7914)
{
	struct config *c = config_with("{'tokens': {'named': [{'name': 'rfc', "
				       "'role': 'user', 'hash': '<"
				       "'}]}}",
	    "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
	    "cCO9yzr9c0hGHAbNgf046_2o-7qQT44-qbVD9lRdofI",
	    "");
	struct token_grant g;

	ck_assert_int_eq(token_prove(c, span_str("pleaseletmein"), 0, &g),
	    TOKEN_GRANTED);
	ck_assert_int_eq(token_prove(c, span_str("pleaseletmeim"), 0, &g),
	    TOKEN_REFUSED);
	config_unref(c);
}
END_TEST

START_TEST(test_made_tokens_and_hashes_differ)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	char *h1, *h2;

	token_make(&a);
	token_make(&b);
	ck_assert_uint_eq(a.len, 43);
	ck_assert_uint_eq(b.len, 43);
	ck_assert_str_ne(a.p, b.p);
	h1 = hash_of("same");
	h2 = hash_of("same");
	ck_assert_str_ne(h1, h2);
	ck_assert_int_eq(strncmp(h1, "$scrypt$ln=15,r=8,p=1$", 22), 0);
	buf_free(&a);
	buf_free(&b);
	free(h1);
	free(h2);
}
END_TEST

static void *
prove_main(void *arg)
{
	struct token_grant g = { ROLE_NONE, NULL };
	struct config *c = arg;
	int i;

	for (i = 0; i < 200; i++) {
		if (token_prove(c, span_str("ops-token"), 0, &g) !=
			TOKEN_GRANTED ||
		    token_check(c, span_str("nope"), 0, &g) == TOKEN_GRANTED)
			return arg;
	}
	return NULL;
}

START_TEST(test_threads_may_prove_at_the_same_time)
{
	char *ops = hash_of("ops-token"), *node = hash_of("node-token");
	struct config *c = config_with(NAMED, ops, node);
	pthread_t t[2];
	void *bad;
	int i;

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, prove_main, c), 0);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(pthread_join(t[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	config_unref(c);
	free(ops);
	free(node);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("token");
	TCase *tc = tcase_create("token");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_sha512_tokens_as_pccs_has_them);
	tcase_add_loop_test(tc, test_other_tokens_are_refused, 0,
	    (int)(sizeof(wrong) / sizeof(wrong[0])));
	tcase_add_test(tc, test_without_any_hash_every_token_is_refused);
	tcase_add_test(tc, test_a_token_in_both_lists_has_both_roles);
	tcase_add_test(tc, test_a_nul_in_a_token_counts);
	tcase_add_test(tc, test_named_tokens_are_proved_once);
	tcase_add_test(tc, test_a_wrong_named_token_is_remembered_as_wrong);
	tcase_add_test(tc, test_a_token_ends_at_its_time);
	tcase_add_test(tc, test_sha512_tokens_never_wait_for_a_proof);
	tcase_add_test(tc, test_a_very_long_token_is_refused_unread);
	tcase_add_test(tc, test_scrypt_agrees_with_rfc_7914);
	tcase_add_test(tc, test_made_tokens_and_hashes_differ);
	tcase_add_test(tc, test_threads_may_prove_at_the_same_time);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
