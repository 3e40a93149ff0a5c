/* The header Accept, and types of bodies. */
#include "server/accept.h"

#include <check.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *accept;
	bool jwt;
} accepts[] = {
	{ NULL, false },
	{ "", false },
	{ "application/jwt", true },
	{ "Application/JWT", true },
	{ "application/jwt;q=0", false },
	{ "application/jwt;q=0.000", false },
	{ "application/jwt;q=0.001", true },
	{ "application/jwt ; q=1", true },
	{ "application/jwt;Q=1.000", true },
	{ "application/jwt;profile=\"a,b;q=0\"", true },
	{ "application/jwt;profile=\"a\\\";q=0\";q=0", false },
	/* No weights at all. */
	{ "application/jwt;q=", false },
	{ "application/jwt;q=x", false },
	{ "application/jwt;q=1.001", false },
	{ "application/jwt;q=2", false },
	{ "application/jwt;q=-1", false },
	{ "application/jwt;q=0.0001", false },
	/* Beside others. */
	{ "application/json, application/jwt", true },
	{ "application/json,application/jwt;q=0.9", false },
	{ "application/json;q=0.9,application/jwt", true },
	{ "application/json;q=0, application/jwt;q=0.1", true },
	{ "application/jwt, */*;q=0.1", true },
	{ "application/jwt;q=0.5, */*", false },
	{ "application/jwt;q=0.5, application/*", false },
	{ "application/jwt;q=0.5, application/*, application/json;q=0.2",
	    true },
	{ "application/jwt;q=0.5, text/*", true },
	{ "text/html,,  ,application/jwt", true },
	/* Nothing in particular, or something else. */
	{ "*/*", false },
	{ "application/*", false },
	{ "application/jwtx", false },
	{ "application/jw", false },
	{ "application/eat+jwt", false },
	{ "xapplication/jwt", false },
	{ "text/html;a=\"application/jwt", false },
	{ "text/html;a=\"\\", false },
};

START_TEST(test_accept)
{
	ck_assert_msg(accept_prefers(span_str(accepts[_i].accept),
			  "application/jwt",
			  "application/json") == accepts[_i].jwt,
	    "%s", accepts[_i].accept);
}
END_TEST

static const struct {
	const char *type;
	bool json;
} types[] = {
	{ NULL, false },
	{ "", false },
	{ "application/json", true },
	{ "APPLICATION/json ;charset=utf-8", true },
	{ " application/json", true },
	{ "application/jsonx", false },
	{ "application/json, text/html", false },
	{ ";application/json", false },
};

START_TEST(test_type)
{
	ck_assert(type_is(span_str(types[_i].type), "application/json") ==
		  types[_i].json);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("accept");
	TCase *tc = tcase_create("accept");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, test_accept, 0, N(accepts));
	tcase_add_loop_test(tc, test_type, 0, N(types));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
